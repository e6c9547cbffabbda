"""The head of a reference file is read without trusting it."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import _yaml_head
from romancal_rs._yaml_head import MAX_DEPTH, MAX_HEAD_BYTES, MAX_VALUES, HeadError
from romancal_rs.references.head import read_head

START = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n---\n"
META = b"roman:\n  meta:\n    reftype: GAIN\n    useafter: 2027-06-01T00:00:00\n"


@pytest.fixture
def head_of(tmp_path):
    def read(body: bytes, end: bytes = b"...\n"):
        path = tmp_path / "x.asdf"
        path.write_bytes(START + body + end)
        return read_head(path)

    return read


def test_all_keys_of_a_file_written_by_asdf(tmp_path):
    import asdf
    from astropy.time import Time

    path = tmp_path / "dark.asdf"
    meta = {
        "reftype": "DARK",
        "useafter": Time("2027-06-01T12:34:56.789", scale="utc"),
        "instrument": {"name": "WFI", "detector": "WFI07", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "p_exptype": "WFI_IMAGE|WFI_FLAT |",
            "ma_table_name": "High Latitude Imaging",
            "ma_table_number": 3,
        },
    }
    tree = {"roman": {"meta": meta, "data": np.zeros((6, 8, 8), np.float32)}}
    asdf.AsdfFile(tree).write_to(path)

    head = read_head(path)

    assert (head.reftype, head.instrument, head.detector) == ("DARK", "WFI", "WFI07")
    assert head.optical_element == "F158"
    assert head.exposure_types == ("WFI_IMAGE", "WFI_FLAT")
    assert (head.ma_table_name, head.ma_table_number) == ("High Latitude Imaging", 3)
    assert head.n_groups == 6  # the first axis of the 3-D data
    assert head.useafter == datetime(2027, 6, 1, 12, 34, 56, 789000)


@pytest.mark.parametrize(
    "written",
    [
        b"2027-06-01T00:00:00.000",
        b"2027-06-01 00:00:00",
        b"'2027-06-01T00:00:00Z'",
        b"'2027-06-01T02:00:00+02:00'",
        b"!time/time-1.4.0 2027-06-01T00:00:00.000",
        b"!time/time-1.1.0 {base_format: isot, value: '2027-06-01T00:00:00.000'}",
        b"!time/time-1.4.0 {scale: utc, value: 2027-06-01T00:00:00}",
    ],
)
def test_every_way_to_write_a_useafter(head_of, written):
    head = head_of(b"roman:\n  meta:\n    reftype: GAIN\n    useafter: " + written + b"\n")
    assert head.useafter == datetime(2027, 6, 1)


@pytest.mark.parametrize(
    ("useafter", "reason"),
    [
        (b"", "no useafter"),
        (b"    useafter: null\n", "no useafter"),
        (b"    useafter: soon\n", "'soon' is not an ISO time"),
        (b"    useafter: {scale: tdb, value: 2027-06-01T00:00:00}\n", "time scale tdb"),
    ],
)
def test_a_reference_without_a_usable_useafter_is_an_error(head_of, useafter, reason):
    with pytest.raises(HeadError, match=reason):
        head_of(b"roman:\n  meta:\n    reftype: GAIN\n" + useafter)


def test_ngroups_of_2022_counts_where_the_data_are_not_3d(head_of):
    assert head_of(META + b"    exposure: {ngroups: 8}\n").n_groups == 8
    assert head_of(META + b"  data: {source: 0, shape: [32, 32]}\n").n_groups is None


def test_exposure_type_alone_counts_where_there_is_no_p_exptype(head_of):
    assert head_of(META + b"    exposure: {type: WFI_FLAT}\n").exposure_types == ("WFI_FLAT",)
    assert head_of(META).exposure_types == ()


def test_an_alias_stands_for_what_it_names(head_of):
    head = head_of(b"shared: &w {detector: WFI11}\n" + META + b"    instrument: *w\n")
    assert head.detector == "WFI11"


@pytest.mark.parametrize("body", [b"", b"a: 1\n", b"roman: {meta: {filename: x}}\n", b"- 1\n"])
def test_an_asdf_file_that_is_no_reference_has_no_head(head_of, body):
    assert head_of(body) is None


def test_unknown_and_hostile_tags_run_nothing(head_of, tmp_path):
    marker = tmp_path / "ran"
    command = f"!!python/object/apply:pathlib.Path.touch [!!python/name:pathlib.Path '{marker}']\n"
    head = head_of(b"evil: " + command.encode() + META + b"    other: !<no:such/tag-9> {a: 1}\n")
    assert head.reftype == "GAIN"
    assert not marker.exists()


def test_not_asdf(tmp_path):
    path = tmp_path / "x.asdf"
    path.write_bytes(b"SIMPLE  =                    T")
    with pytest.raises(HeadError, match="not an ASDF file"):
        read_head(path)


def test_empty_file(tmp_path):
    path = tmp_path / "x.asdf"
    path.touch()
    with pytest.raises(HeadError, match="not an ASDF file"):
        read_head(path)


def test_a_directory_with_the_name_of_a_file_cannot_be_read(tmp_path):
    with pytest.raises(HeadError, match="cannot be read"):
        read_head(tmp_path)


def test_truncated_head(head_of):
    with pytest.raises(HeadError, match="truncated"):
        head_of(META, end=b"")


@pytest.mark.parametrize("body", [b"a: [1\n", b"a: \xff\xfe\n", b"a: &b 1\nb: *b\n  x\n"])
def test_invalid_yaml(head_of, body):
    with pytest.raises(HeadError, match="not valid YAML"):
        head_of(body)


@pytest.mark.parametrize("nested", [b"a: " + b"[" * 100_000, b"- " * 100_000 + b"x"])
def test_a_deeply_nested_head_is_refused(head_of, nested):
    # PyYAML's own composer overflows the C stack on these.
    with pytest.raises(HeadError, match=f"{MAX_DEPTH} levels|not valid YAML"):
        head_of(nested + b"\n")


def test_a_head_of_many_aliases_does_not_grow(head_of):
    # "a billion laughs": 10^30 strings, were the aliases expanded
    layers = b"l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n"
    for i in range(1, 30):
        layers += b"l%d: &l%d [%s]\n" % (i, i, b",".join([b"*l%d" % (i - 1)] * 10))
    with pytest.raises(HeadError, match=f"more than {MAX_VALUES} values"):
        head_of(layers + META)


def test_aliases_that_nest_deeply_are_refused(head_of):
    layers = b"l0: &l0 [x]\n"
    for i in range(1, MAX_DEPTH + 1):
        layers += b"l%d: &l%d [*l%d]\n" % (i, i, i - 1)
    with pytest.raises(HeadError, match=f"{MAX_DEPTH} levels"):
        head_of(layers + META)


@pytest.mark.parametrize("body", [b"a: *b\n", b"a: &a [*a]\n", b"a: &a {b: *a}\n"])
def test_an_alias_of_nothing_or_of_what_it_is_in_is_refused(head_of, body):
    with pytest.raises(HeadError, match=r"line \d+: \*[ab] refers to nothing"):
        head_of(body)


def test_a_key_that_stands_there_twice_is_refused(head_of):
    line = START.count(b"\n") + 2
    with pytest.raises(HeadError, match=f"line {line}: the key 'a' appears twice"):
        head_of(b"a: {a: 1}\nb: {a: 1, a: 2}\n")


def test_a_head_without_end_is_not_read_to_the_last_byte(tmp_path):
    path = tmp_path / "x.asdf"
    with path.open("wb") as file:
        file.write(START)
        file.truncate(MAX_HEAD_BYTES * 100)  # sparse
    with pytest.raises(HeadError, match="does not end within 8 MiB"):
        read_head(path)


def test_the_end_marker_is_found_across_chunks(head_of):
    for length in range(64 * 1024 - 12, 64 * 1024 + 2):
        comment = b"#" * (length - len(START) - len(META) - 1) + b"\n"
        assert head_of(META + comment).reftype == "GAIN"


def test_neither_asdf_nor_astropy_is_imported():
    sample = Path(__file__).parents[1] / "data" / "seed_era"
    program = (
        "import sys; from romancal_rs.references import DirectoryStore; "
        f"assert len(DirectoryStore({str(sample)!r}).heads) == 9; "
        "print(sorted({'asdf', 'astropy', 'gwcs', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_two_documents_in_a_head_are_refused():
    """One reader may take the first of them, another the last."""
    for parse in (_yaml_head.parse, _yaml_head.parse_tagged):
        with pytest.raises(_yaml_head.HeadError, match="more than one YAML document"):
            parse(b"%YAML 1.1\n---\na: 1\n--- \na: 2\n")


def test_tags_are_kept_and_those_of_yaml_followed():
    tree = _yaml_head.parse_tagged(
        b"%YAML 1.1\n%TAG ! tag:x/\n--- !root-1.0\n"
        b"a: 1\nb: '1'\nc: 1.5e+0\nd: yes\ne: null\nf: !thing 1\ng: !!str 2\nh: [0x10, !!float 2]\n"
    )
    assert (tree.tag, tree.value["f"].tag) == ("tag:x/root-1.0", "tag:x/thing")
    assert tree.value["f"].value == "1"
    rest = {key: value for key, value in tree.value.items() if key != "f"}
    assert rest == {"a": 1, "b": "1", "c": 1.5, "d": True, "e": None, "g": "2", "h": [16, 2.0]}
    with pytest.raises(_yaml_head.HeadError, match="line 1: 'x' is no int"):
        _yaml_head.parse_tagged(b"a: !!int x")
