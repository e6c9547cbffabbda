"""What a check of references finds, each with the name of the file, and what it lets pass."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import zlib
from itertools import product
from pathlib import Path

import lz4.block
import numpy as np
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from romancal_rs import datamodels
from romancal_rs._asdf_damage import damage
from romancal_rs.cli import main
from romancal_rs.references import ReferenceFileError
from romancal_rs.references.crds_cache import AmbiguousMatchError, NoMatchError
from romancal_rs.references.crds_cache.mapping import ReferenceMap, checksum
from romancal_rs.references.librarian import build_cache, check
from romancal_rs.references.librarian.check_rules import _overlaps

HEAD = b"#ASDF 1.0.0\n%YAML 1.1\n--- {}\n...\n"
DATA = bytes(range(256)) * 40
FLAT, GAIN = "roman_wfi_flat_0001.asdf", "roman_wfi_gain_0001.asdf"


@pytest.fixture
def refs(simulated, tmp_path) -> Path:
    """Sound references of 64 x 128 pixels for WFI01 and F158, to be spoilt."""
    return Path(shutil.copytree(simulated.references, tmp_path / "refs"))


@pytest.fixture
def cache(refs, tmp_path) -> Path:
    """A sound cache of them, to be spoilt."""
    build_cache(refs, tmp_path / "cache")
    return tmp_path / "cache"


def replaced(path: Path, old: bytes, new: bytes, target: Path | None = None) -> None:
    content = path.read_bytes()
    assert old in content
    (target or path).write_bytes(content.replace(old, new))


def edit(cache: Path, name: str, old: str, new: str, *, with_checksum: bool = True) -> None:
    """Changes a rule file."""
    path = cache / "mappings" / "roman" / name
    text = path.read_text()
    assert old in text
    text = text.replace(old, new)
    if with_checksum:
        text = re.sub(r"('sha1sum' : ')\w+", rf"\g<1>{checksum(text)}", text)
    path.write_text(text)


# --- the blocks of a file


def block(stored: bytes, compression: bytes = b"", summed: bytes | None = None) -> bytes:
    """A block whose checksum is that of `summed`; of nothing where that is None."""
    digest = bytes(16) if summed is None else hashlib.md5(summed).digest()
    fields = struct.pack(
        ">I4sQQQ16s", 0, compression, len(stored) + 3, len(stored), len(DATA), digest
    )
    return b"\xd3BLK" + struct.pack(">H", len(fields)) + fields + stored + bytes(3)


def in_parts(data: bytes) -> bytes:
    """Compressed as ASDF files are by lz4: in parts, each after its length."""
    parts = [lz4.block.compress(data[i : i + 3000]) for i in range(0, len(data), 3000)]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


STORED = {b"": DATA, b"zlib": zlib.compress(DATA), b"lz4": in_parts(DATA)}


def damage_of(path: Path, *blocks: bytes) -> list[str]:
    path.write_bytes(HEAD + b"".join(blocks))
    return list(damage(path))


@pytest.mark.parametrize("compression", STORED)
def test_a_block_with_its_checksum_is_sound(tmp_path, compression):
    stored = STORED[compression]
    # Of what is stored; of the data, as older files have it; none.
    for summed in (stored, DATA, None):
        assert damage_of(tmp_path / "a.asdf", block(stored, compression, summed)) == []


@pytest.mark.parametrize("compression", STORED)
def test_one_wrong_bit_in_a_block_is_found(tmp_path, compression):
    stored = STORED[compression]
    wrong = bytearray(stored)
    wrong[len(wrong) // 2] ^= 4
    for summed in (stored, DATA):
        sound = block(stored, compression, summed)
        found = damage_of(tmp_path / "a.asdf", sound, block(bytes(wrong), compression, summed))
        assert found == ["damaged: the data of block 1 do not have the checksum stated there"]


def test_blocks_of_an_unknown_compression_are_not_called_damaged(tmp_path):
    # The checksum may be that of the data before they were compressed.
    assert damage_of(tmp_path / "a.asdf", block(DATA, b"odd!", DATA)) == []
    found = damage_of(tmp_path / "a.asdf", block(DATA, b"odd!", b"other"))
    assert found == ["cannot be checked: block 0 is compressed by odd!"]


@pytest.mark.parametrize(("length", "where"), [(30, "the header of block 1"), (100, "block 1")])
def test_a_file_that_ends_too_soon(tmp_path, length, where):
    found = damage_of(tmp_path / "a.asdf", block(DATA, b"", DATA), block(DATA)[:length])
    assert found == [f"truncated: it ends inside {where}"]


def test_what_fills_the_space_before_the_blocks_and_the_index_behind_them(tmp_path):
    # The space reaches over the end of the megabyte that is read at once.
    space, index = bytes(2**20 - 2), b"#ASDF BLOCK INDEX\n--- [1]\n...\n"
    assert damage_of(tmp_path / "a.asdf", space, block(DATA, b"", DATA), index) == []
    assert len(damage_of(tmp_path / "a.asdf", space, block(DATA, b"", b"other"), index)) == 1
    assert damage_of(tmp_path / "a.asdf") == []


# --- a directory


def test_sound_references_have_no_problem(refs, capsys):
    assert main(["references", "check", str(refs)]) == 0
    assert capsys.readouterr().out == f"{refs}: 13 reference files, no problem\n"


def test_files_that_are_no_references_do_no_harm(simulated, refs):
    shutil.copy(simulated.exposure, refs / "exposure.asdf")
    assert check(refs).problems == []


def test_every_problem_is_a_line_and_the_status_is_1(refs, capsys):
    (refs / "x.asdf").write_text("notes")
    (refs / "y.asdf").write_text("#ASDF 1.0.0\n")
    assert main(["references", "check", str(refs)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "x.asdf: not an ASDF file",
        "y.asdf: truncated: its head has no end",
    ]
    assert err == f"romancal-rs: error: {refs}: 2 problems\n"


def test_damaged_pixels(refs):
    content = bytearray((refs / FLAT).read_bytes())
    content[content.rindex(b"\xd3BLK") + 1000] ^= 1
    (refs / FLAT).write_bytes(content)
    (problem,) = check(refs).problems
    assert re.fullmatch(rf"{FLAT}: damaged: the data of block \d .*", problem)


def test_a_truncated_file(refs):
    content = (refs / FLAT).read_bytes()
    (refs / FLAT).write_bytes(content[:-1000])
    (problem,) = check(refs).problems
    assert problem.startswith(f"{FLAT}: truncated")


def test_metadata_that_the_schema_forbids(refs):
    replaced(refs / GAIN, b"detector: WFI01", b"detector: WFI99")
    (problem,) = check(refs).problems
    assert problem.startswith(f"{GAIN}: ")
    assert "meta.instrument.detector" in problem


def test_a_transform_that_the_installed_libraries_do_not_know(refs):
    path = refs / "roman_wfi_distortion_0001.asdf"
    replaced(path, b"transform/compose-1.4.0", b"transform/compose-1.9.0")
    (problem,) = check(refs).problems
    assert problem.startswith(f"{path.name}: written with transform/compose-1.9.0 (asdf-astropy ")
    assert "which the installed asdf-astropy" in problem


def test_a_file_of_another_type_than_it_says(refs):
    replaced(refs / GAIN, b"reftype: GAIN", b"reftype: MASK")
    assert f"{GAIN}: says that it is a MASK, but is a GainRefModel" in check(refs).problems


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"detector: WFI01", b"detectro: WFI01", "names no detector, and fits no exposure"),
        (b"useafter:", b"useafetr:", "has no useafter"),
        (b"name: WFI", b"nmae: WFI", "names no instrument, and fits no exposure"),
    ],
)
def test_metadata_without_which_a_file_fits_nothing(refs, old, new, problem):
    replaced(refs / GAIN, old, new)
    assert f"{GAIN}: {problem}" in check(refs).problems


def resize(path: Path, **arrays: np.ndarray) -> None:
    with datamodels.open(path) as model:
        for name, array in arrays.items():
            model[name] = array
        model.save(path)


def test_arrays_of_a_file_that_differ_in_size(refs):
    path = refs / "roman_wfi_saturation_0001.asdf"
    resize(path, dq=np.zeros((32, 128), np.uint32))
    assert check(refs).problems == [
        f"{path.name}: its arrays differ in size: data 64 x 128, dq 32 x 128"
    ]


def test_a_file_of_another_size_than_the_others(refs):
    resize(refs / FLAT, **dict.fromkeys(("data", "err"), np.ones((60, 60), np.float32)))
    resize(refs / FLAT, dq=np.zeros((60, 60), np.uint32))
    assert check(refs).problems == [
        f"{FLAT}: its arrays are 60 x 60; expected 64 x 128 or 56 x 120 as in the other files"
    ]


def test_where_sizes_differ_that_of_the_detector_is_right(refs):
    resize(refs / GAIN, data=np.ones((32, 32), np.float32))
    problems = check(refs).problems
    assert f"{GAIN}: its arrays are 32 x 32; expected 4096 x 4096" in problems
    assert f"{FLAT}: its arrays are 56 x 120; expected 4096 x 4096 or 4088 x 4088" in problems
    assert len(problems) == 8  # all that hold images


def test_files_that_are_equally_good(refs):
    shutil.copy(refs / FLAT, refs / "twin.asdf")
    (problem,) = check(refs).problems
    assert f"2 FLAT files: {FLAT}, twin.asdf are equally good for" in problem
    assert "WFI01" in problem
    # Not if one is for a later time, or another element.
    replaced(refs / FLAT, b"2020-01-01", b"2019-01-01", refs / "twin.asdf")
    assert check(refs).problems == []
    replaced(refs / FLAT, b"F158", b"F129", refs / "twin.asdf")
    assert check(refs).problems == []


def test_gaps_are_hints_and_no_problem(refs, capsys):
    replaced(refs / GAIN, b"detector: WFI01", b"detector: WFI02", refs / "gain_2.asdf")
    replaced(refs / FLAT, b"detector: WFI01", b"detector: WFI02", refs / "flat_2.asdf")
    replaced(refs / FLAT, b"F158", b"F129", refs / "flat_129.asdf")
    found = check(refs)
    assert found.problems == []
    assert "no DARK for WFI02" in found.hints
    assert "no FLAT of F129 for WFI02" in found.hints
    assert not [hint for hint in found.hints if "GAIN" in hint]
    assert main(["references", "check", str(refs)]) == 0
    assert "note: no DARK for WFI02\n" in capsys.readouterr().out


def test_parameter_references_are_looked_at(refs):
    head = "#ASDF 1.0.0\n%YAML 1.1\n---\n"
    meta = "meta: {reftype: pars-jumpstep, useafter: '2020-01-01T00:00:00'}\n"
    step = "class: romancal.jump.JumpStep\nname: jump\nparameters: {rejection_threshold: 5}\n"
    (refs / "pars.asdf").write_text(f"{head}{meta}{step}...\n")
    assert check(refs).problems == []
    (refs / "pars.asdf").write_text(f"{head}{meta}name: jump\nparameters: 5\n...\n")
    assert [problem.partition(":")[0] for problem in check(refs).problems] == ["pars.asdf"]


def test_nothing_of_a_file_runs(refs, tmp_path):
    marker = tmp_path / "marker"
    call = f"!<tag:yaml.org,2002:python/object/apply:os.mkdir> ['{marker}']\n    reftype: GAIN"
    replaced(refs / GAIN, b"reftype: GAIN", f"x: {call}".encode(), refs / "evil.asdf")
    assert any(problem.startswith(("evil", "2 GAIN")) for problem in check(refs).problems)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "nowhere: there is no such directory, and it is not a context"),
        ("latest", "context latest: there is no CRDS cache; set CRDS_PATH"),
    ],
)
def test_places_that_are_none(place, message):
    with pytest.raises(ReferenceFileError, match=message):
        check(place)


# --- a context


def test_a_sound_cache_has_no_problem(cache, capsys, monkeypatch):
    pipeline_map = cache / "mappings" / "roman" / "roman_0001.pmap"
    sound = f"{pipeline_map}: 15 rule files, 13 reference files, no problem\n"
    assert main(["references", "check", str(cache)]) == 0
    assert capsys.readouterr().out == sound
    monkeypatch.setenv("CRDS_PATH", str(cache))
    for context in ("latest", "roman_0001.pmap"):
        assert main(["references", "check", context]) == 0
        assert capsys.readouterr().out == sound
    assert main(["references", "check", "roman_0002.pmap"]) == 1
    assert "roman_0002.pmap" in capsys.readouterr().err


def test_rules_that_are_missing_changed_or_broken_are_all_named(cache, monkeypatch):
    monkeypatch.setenv("CRDS_IGNORE_MAPPING_CHECKSUM", "1")  # a check does not
    (cache / "mappings" / "roman" / "roman_wfi_dark_0001.rmap").unlink()
    edit(cache, "roman_wfi_flat_0001.rmap", "2020", "2021", with_checksum=False)
    edit(cache, "roman_wfi_gain_0001.rmap", "UseAfter(", "eval(")
    found = check(cache)
    assert len(found.problems) == 3
    for name, problem in (
        ("roman_wfi_dark_0001.rmap", "is not in the CRDS cache"),
        ("roman_wfi_flat_0001.rmap", "its sha1sum is not that of its text"),
        ("roman_wfi_gain_0001.rmap", "eval"),
    ):
        assert any(name in text and problem in text for text in found.problems)
    assert found.n_files == 10


def test_files_that_are_not_in_the_cache_are_counted(cache, capsys):
    for path in sorted((cache / "references" / "roman" / "wfi").iterdir())[:5]:
        path.unlink()
    assert main(["references", "check", str(cache)]) == 1
    out, err = capsys.readouterr()
    assert out.count(": is not in the cache; roman_wfi_") == 3
    assert "2 more files are not in the cache" in out
    assert "5 problems" in err
    assert main(["references", "check", "--verbose", str(cache)]) == 1
    assert capsys.readouterr().out.count(": is not in the cache; roman_wfi_") == 5


def test_withdrawn_files(cache):
    names = ["roman_wfi_flat_0001.asdf", "roman_wfi_gain_0001.rmap"]
    config = {"latest_context": "roman_0001.pmap", "bad_files_list": names}
    (cache / "config" / "roman" / "server_config").write_text(repr(config))
    problems = check(cache).problems
    assert len(problems) == 2
    assert "roman_wfi_gain_0001.rmap: these rules were withdrawn" in problems[0]
    assert problems[1] == f"{FLAT}: was withdrawn; roman_wfi_flat_0001.rmap names it"


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("roman_wfi_flat_0001.rmap", "'FLAT'", "'DARK'", "its filekind is dark; expected flat"),
        ("roman_wfi_0001.imap", "'ROMAN'", "'JWST'", "its observatory is jwst; expected roman"),
        ("roman_wfi_gain_0001.rmap", "'WFI'", "'CGI'", "its instrument is cgi; expected wfi"),
        ("roman_0001.pmap", "'PIPELINE'", "'REFERENCE'", "its mapping is reference"),
        ("roman_0001.pmap", "'name' : 'roman_0001", "'name' : 'roman_0002", "its name is roman_0"),
    ],
)
def test_headers_that_are_not_as_the_map_above_says(cache, name, old, new, problem):
    edit(cache, name, old, new)
    assert any(text.startswith(f"{name}: {problem}") for text in check(cache).problems)


def test_files_that_contradict_the_rules_that_name_them(cache):
    edit(cache, "roman_wfi_gain_0001.rmap", "'WFI01'", "'WFI02'")
    edit(cache, "roman_wfi_flat_0001.rmap", "2020-01-01", "2021-01-01")
    edit(cache, "roman_wfi_mask_0001.rmap", "roman_wfi_mask_0001.asdf", "roman_wfi_dark_0001.asdf")
    problems = check(cache).problems
    assert len(problems) == 3
    for start in (
        f"{GAIN}: its detector is WFI01, which does not fit roman_wfi_gain_0001.rmap (DETECTOR",
        f"{FLAT}: its useafter is 2020-01-01 00:00:00, which does not fit roman_wfi_flat_0001.rmap",
        "roman_wfi_dark_0001.asdf: its reftype is DARK, which does not fit roman_wfi_mask_0001",
    ):
        assert any(problem.startswith(start) for problem in problems)


def test_files_of_a_cache_are_looked_at_as_those_of_a_directory(cache):
    path = cache / "references" / "roman" / "wfi" / FLAT
    content = bytearray(path.read_bytes())
    content[content.rindex(b"\xd3BLK") + 1000] ^= 1
    path.write_bytes(content)
    (problem,) = check(cache).problems
    assert problem.startswith(f"{FLAT}: damaged")


def test_names_that_leave_the_cache_are_not_followed(cache):
    edit(cache, "roman_wfi_mask_0001.rmap", "roman_wfi_mask_0001.asdf", "../../../x.asdf")
    (problem,) = check(cache).problems
    assert "'../../../x.asdf' is not a plain file name" in problem


# --- rules that overlap

DETECTOR, ELEMENT = "ROMAN.META.INSTRUMENT.DETECTOR", "ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT"
START = "ROMAN.META.EXPOSURE.START_TIME"
OLD, NEW = "2020-01-01 00:00:00", "2025-01-01 00:00:00"


def rule_map(directory: Path, selector: str, parkey=((DETECTOR, ELEMENT), (START,)), **header):
    header = {
        "mapping": "REFERENCE",
        "parkey": parkey,
        "name": "x.rmap",
        "derived_from": "made by hand",
        "observatory": "ROMAN",
        "instrument": "WFI",
        "filekind": "FLAT",
    } | header
    path = directory / "x.rmap"
    path.write_text(f"header = {header!r}\n\nselector = {selector}\n")
    return ReferenceMap(path, ignore_checksum=True)


def dated(**choices: str) -> str:
    dates = {"old": OLD, "new": NEW}
    table = ", ".join(f"'{dates[when]}' : '{name}'" for when, name in choices.items())
    return f"UseAfter({{{table}}})"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("WFI01", "F158"), ("WFI01", "F129|F158")),
        (("WFI01", "F158"), ("WFI*", "F158")),
        (("WFI0*", "F158"), ("WFI01|WFI11", "F1*")),
        (("WFI01", "N/A"), ("N/A", "F158")),
        (("N/A", "F158"), ("N/A", "ANY")),
        (("NOT WFI01", "F158"), ("WFI02", "F158")),
        (("BETWEEN 1 5", "N/A"), (">3", "N/A")),
    ],
)
def test_keys_that_match_the_same_exposures_equally_well(tmp_path, one, other):
    def found(first: str, second: str, **header):
        text = f"Match({{{one!r} : {first}, {other!r} : {second}}})"
        return list(_overlaps(rule_map(tmp_path, text, **header)))

    (problem,) = found(dated(old="a.asdf"), dated(old="b.asdf", new="c.asdf"))
    assert problem.startswith(("a.asdf (DETECTOR", "b.asdf (DETECTOR"))
    assert problem.endswith("for the same exposures; b.asdf is used, as the greater name")
    assert found(dated(old="a.asdf"), dated(old="a.asdf")) == []
    assert found(dated(old="a.asdf"), dated(new="b.asdf")) == []
    (problem,) = found(dated(old="a.asdf"), dated(new="b.asdf"), merge_overlaps="False")
    assert "match the same exposures equally well, and cannot be merged" in problem
    (problem,) = found("'a.asdf'", "'b.asdf'", parkey=((DETECTOR, ELEMENT),))
    assert "cannot be merged" in problem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("WFI01", "F158"), ("WFI01", "F129")),
        (("WFI01", "F158"), ("WFI02", "F158")),
        (("WFI01", "F158"), ("WFI01", "N/A")),  # counts less
        (("WFI0*", "F158"), ("WFI11", "F158")),
        (("NOT WFI01", "F158"), ("WFI01", "F158")),
    ],
)
def test_keys_that_do_not(tmp_path, one, other):
    text = f"Match({{{one!r} : 'a.asdf', {other!r} : 'b.asdf'}})"
    assert list(_overlaps(rule_map(tmp_path, text, ((DETECTOR, ELEMENT),)))) == []


@pytest.mark.parametrize("inner", ["('F158',)", "('N/A',)", "('F129',)"])
def test_nested_tables_do_not_merge_whatever_they_hold(tmp_path, inner):
    first = f"Match({{('F158',) : {dated(old='a.asdf')}}})"
    second = f"Match({{{inner} : {dated(new='b.asdf')}}})"
    parkey = ((DETECTOR,), (ELEMENT,), (START,))

    def found(outer: str) -> list[str]:
        text = f"Match({{'WFI01' : {first}, {outer!r} : {second}}})"
        return list(_overlaps(rule_map(tmp_path, text, parkey)))

    assert found("WFI02") == []
    assert found("N/A") == []  # counts less
    (problem,) = found("WFI*")
    assert "cannot be merged" in problem


def test_many_keys_are_compared_in_some_seconds(tmp_path):
    keys = {("WFI*" + "?" * i, f"F{i}|F*"): "a.asdf" for i in range(3000)}
    problems = list(_overlaps(rule_map(tmp_path, f"Match({keys!r})", ((DETECTOR, ELEMENT),))))
    assert problems[-1] == "so many keys overlap that not all of them were compared"


def test_keys_that_stand_there_twice_and_dates_of_another_form(cache):
    name = "roman_wfi_flat_0001.rmap"
    edit(cache, name, "2020-01-01 00:00:00", "2020-01-01T00:00:00")
    problems = check(cache).problems
    assert any(f"{name}: {FLAT}: the date '2020-01-01T00:00:00' is not of" in p for p in problems)
    text = (cache / "mappings" / "roman" / name).read_text()
    start = text.index("Match({") + len("Match({")
    row = text[start : text.rindex("})")]
    edit(cache, name, row, row * 2)
    assert any(f"{name}: the key" in problem for problem in check(cache).problems)


VALUES = ["A", "B", "A|B", "*", "N/A", "NOT A"]


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(VALUES), st.sampled_from(VALUES)),
        st.sampled_from(["x.asdf", "y.asdf"]),
        min_size=1,
        max_size=5,
    ),
)
def test_whatever_is_ambiguous_for_an_exposure_is_found(tmp_path, table):
    rules = rule_map(tmp_path, f"Match({table!r})", ((DETECTOR, ELEMENT),))
    ambiguous = False
    for detector, element in product("ABC", repeat=2):
        try:
            choice = rules.selector.choose({DETECTOR: detector, ELEMENT: element})
            ambiguous |= isinstance(choice, tuple)
        except AmbiguousMatchError:
            ambiguous = True
        except (NoMatchError, ReferenceFileError):
            continue
    assert not ambiguous or list(_overlaps(rules))
