"""Flag names and values, as the manual's table has them."""

import pytest

from romancal_rs import dqflags

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
