"""Flag names and values, as the manual's table has them."""

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from romancal_rs import dqflags
from romancal_rs.errors import ArgumentError, ArgumentTypeError

MANUAL = """
0 1 DO_NOT_USE
1 2 SATURATED
2 4 JUMP_DET
3 8 DROPOUT
4 16 RESERVED_1
5 32 PERSISTENCE
6 64 AD_FLOOR
7 128 RESERVED_4
8 256 UNRELIABLE_ERROR
9 512 NON_SCIENCE
10 1024 DEAD
11 2048 HOT
12 4096 WARM
13 8192 LOW_QE
15 32768 TELEGRAPH
16 65536 NONLINEAR
17 131072 BAD_REF_PIXEL
18 262144 NO_FLAT_FIELD
19 524288 NO_GAIN_VALUE
20 1048576 NO_LIN_CORR
21 2097152 NO_SAT_CHECK
22 4194304 UNRELIABLE_BIAS
23 8388608 UNRELIABLE_DARK
24 16777216 UNRELIABLE_SLOPE
25 33554432 UNRELIABLE_FLAT
26 67108864 RESERVED_5
27 134217728 RESERVED_6
28 268435456 UNRELIABLE_RESET
29 536870912 RESERVED_7
30 1073741824 OTHER_BAD_PIXEL
31 2147483648 REFERENCE_PIXEL
"""


@pytest.mark.parametrize("line", MANUAL.strip().splitlines())
def test_the_manuals_table(line: str) -> None:
    bit, value, name = line.split()
    assert dqflags.pixel[name] == int(value) == 1 << int(bit)
    assert getattr(dqflags, name) == int(value)
    if int(bit) < 8:
        assert dqflags.group[name] == int(value)


def test_todays_names() -> None:
    assert dqflags.pixel["GW_AFFECTED_DATA"] == dqflags.group["GW_AFFECTED_DATA"] == 16
    assert dqflags.pixel["OUTLIER"] == 128
    assert dqflags.group["WFI18_TRANSIENT"] == 128
    assert "OUTLIER" not in dqflags.group
    assert "WFI18_TRANSIENT" not in dqflags.pixel


def test_todays_values_are_those_of_the_mission_library() -> None:
    theirs = pytest.importorskip("roman_datamodels.dqflags")
    for name, flag in theirs.pixel.__members__.items():
        if not name.startswith("RESERVED") and name != "GOOD":
            assert dqflags.pixel[name] == int(flag), name
    for name, flag in theirs.group.__members__.items():
        if not name.startswith("RESERVED") and name != "GOOD":
            assert dqflags.group[name] == int(flag), name


def test_the_transient_of_a_sample_is_no_outlier_of_its_pixel() -> None:
    assert dqflags.names(dqflags.IN_SAMPLE_AND_PIXEL) == dqflags.names(127)
    assert not dqflags.IN_SAMPLE_AND_PIXEL & dqflags.OUTLIER
    for name, flag in dqflags.group.items():
        if flag & dqflags.IN_SAMPLE_AND_PIXEL:
            assert dqflags.pixel[name] == flag


def test_names_of_flags() -> None:
    assert dqflags.names(0) == []
    assert dqflags.names(1 | 1 << 19) == ["DO_NOT_USE", "NO_GAIN_VALUE"]
    assert dqflags.names(128) == ["OUTLIER"]
    assert dqflags.names(128 | 16, dqflags.group) == ["GW_AFFECTED_DATA", "WFI18_TRANSIENT"]
    assert dqflags.names(1 << 14) == ["BIT_14"]


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        dqflags.pixel["DEAD"] = 0  # type: ignore[index]


def test_a_flag_of_a_pixel_is_an_attribute_as_in_the_mission_library() -> None:
    flag = dqflags.pixel.SATURATED
    assert (flag.value, flag.name, flag.bit_number) == (2, "SATURATED", 1)
    assert type(flag.value) is int
    assert (dqflags.pixel.GOOD.value, dqflags.pixel.GOOD.bit_number) == (0, None)
    assert str(flag) == "2"
    assert repr(flag) == "<pixel.SATURATED: 2>"
    theirs = pytest.importorskip("roman_datamodels.dqflags")
    for kind in ("pixel", "group"):
        for their in getattr(theirs, kind):
            our = getattr(getattr(dqflags, kind), their.name)
            assert (our.value, our.bit_number, our.dtype) == (
                their.value,
                their.bit_number,
                their.dtype,
            )


def test_a_flag_keeps_the_type_of_the_arrays_that_it_is_for() -> None:
    dq = np.array([0, 2, 2**31 + 3], np.uint32)
    cleared = dq & ~dqflags.pixel.SATURATED
    assert cleared.dtype == np.uint32
    assert cleared.tolist() == [0, 0, 2**31 + 1]
    groupdq = np.array([0, 3, 255], np.uint8)
    assert (groupdq & ~dqflags.group.SATURATED).tolist() == [0, 1, 253]
    assert (groupdq | dqflags.group.WFI18_TRANSIENT).dtype == np.uint8
    assert (groupdq & dqflags.pixel["JUMP_DET"]).dtype == np.uint8  # a plain number
    groupdq |= dqflags.pixel.JUMP_DET
    assert groupdq.tolist() == [4, 7, 255]


def test_a_flag_is_not_set_by_what_was_meant_for_an_array() -> None:
    with pytest.raises(AttributeError, match=r"^SATURATED is a flag .* cannot be set$"):
        dqflags.pixel.SATURATED |= 1  # type: ignore[misc, assignment]
    assert dqflags.pixel.SATURATED.value == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (-1, "flags: expected a number from 0, got -1"),
        (2.5, "flags: expected the flags of one pixel or sample, a whole number, got 2.5"),
        ("DEAD", "flags: expected the flags of one pixel or sample, a whole number, got 'DEAD'"),
        (
            np.zeros((2, 3), np.uint32),
            r"flags: .* a whole number, got an array of shape \(2, 3\)",
        ),
    ],
)
def test_names_are_those_of_one_number_from_0(flags: object, message: str) -> None:
    with pytest.raises((ArgumentError, ArgumentTypeError), match=f"^{message}$"):
        dqflags.pixel.names(flags)  # type: ignore[arg-type]


@pytest.mark.parametrize(("flags", "found"), [([1, 2], "list"), (np.ones(2), "float64")])
def test_only_arrays_of_whole_numbers_are_counted(flags: object, found: str) -> None:
    message = f"^flags: expected an array of uint8 or uint32, got {found}$"
    with pytest.raises(ArgumentTypeError, match=message):
        dqflags.pixel.counts(flags)  # type: ignore[arg-type]


def test_a_name_that_a_bit_had_is_the_same_flag() -> None:
    assert dqflags.pixel.RESERVED_1 is dqflags.pixel.GW_AFFECTED_DATA
    assert dqflags.pixel.RESERVED_1.name == "GW_AFFECTED_DATA"
    assert list(dqflags.pixel)[-2:] == ["RESERVED_1", "RESERVED_4"]
    assert dqflags.group.RESERVED_4.name == "WFI18_TRANSIENT"


def test_names_and_counts_of_a_kind() -> None:
    assert dqflags.pixel.names(3) == dqflags.names(3) == ["DO_NOT_USE", "SATURATED"]
    assert dqflags.pixel.names(dqflags.pixel.DEAD | dqflags.pixel.HOT) == ["DEAD", "HOT"]
    assert dqflags.group.names(np.uint8(0x90)) == ["GW_AFFECTED_DATA", "WFI18_TRANSIENT"]
    dq = np.array([[1, 3], [0, 1 << 14]], np.uint32)
    counted = {"DO_NOT_USE": 2, "SATURATED": 1, "BIT_14": 1}
    assert dqflags.pixel.counts(dq) == dqflags.counts(dq) == counted


def test_every_flag_completes_and_is_named_by_its_constant() -> None:
    for kind in (dqflags.pixel, dqflags.group):
        assert set(kind) <= set(dir(kind))
        assert kind._ipython_key_completions_() == list(kind)
    assert set(dqflags.pixel) <= set(dir(dqflags))
    assert "np" not in dir(dqflags)
    for name in dir(dqflags):
        assert hasattr(dqflags, name)


def test_the_flags_print_as_a_table() -> None:
    head, *lines = repr(dqflags.pixel).splitlines()
    assert head.split() == ["bit", "value", "name", "meaning"]
    assert len(lines) == 31  # all but bit 14
    assert lines[1].split()[:3] == ["1", "2", "SATURATED"]
    assert lines[4].split()[:4] == ["4", "16", "GW_AFFECTED_DATA,", "RESERVED_1"]
    assert dqflags.pixel._repr_html_().count("<tr>") == 32


def test_flags_can_be_pickled_and_read_as_numbers() -> None:
    assert pickle.loads(pickle.dumps(dqflags.pixel.HOT)) == 2048
    for flag in (dqflags.pixel.HOT, dqflags.group.WFI18_TRANSIENT, dqflags.pixel.GOOD):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(flag, protocol)) is flag
        assert copy.deepcopy(flag) is flag
    assert json.dumps(dict(dqflags.group))


def test_plain_flags_do_without_numpy_so_that_help_comes_at_once() -> None:
    code = (
        "import sys\n"
        "from romancal_rs import dqflags\n"
        "print(dqflags.DEAD, dqflags.pixel.names(3), 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1024 ['DO_NOT_USE', 'SATURATED'] False\n"
