"""romancal-rs references: what it prints, what it copies, and how it ends."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from romancal_rs.cli import main
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import in_recipe
from romancal_rs.references import CrdsStore, ExposureKeys, open_store

TYPES = list(
    dict.fromkeys(
        reftype
        for name in in_recipe(ExposurePipeline, "flight")
        for reftype in ExposurePipeline.step_defs[name].in_recipe("flight", "reference_file_types")
    )
)
SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"


@pytest.fixture
def references(simulated, tmp_path) -> Path:
    """A copy of the simulated references, to be spoilt."""
    return Path(shutil.copytree(simulated.references, tmp_path / "refs"))


@pytest.fixture
def command(capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        status = main(["references", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_find_tells_file_rule_and_runner_up_for_each_step(simulated, references, command):
    older = references / "older.asdf"
    flat = references / "roman_wfi_flat_0001.asdf"
    older.write_bytes(flat.read_bytes().replace(b"2020-01-01", b"2019-12-31", 1))
    status, out, err = command("find", simulated.exposure, "--references", references)
    assert (status, err) == (0, "")
    lines = [line.strip() for line in out.splitlines()]
    found = [line.split()[0] for line in lines if "  (for " in line]
    assert [name.lower() for name in found] == TYPES
    position = next(i for i, line in enumerate(lines) if line.startswith("FLAT"))
    assert lines[position].endswith("roman_wfi_flat_0001.asdf  (for flatfield)")
    assert "element F158, useafter 2020-01-01" in lines[position + 1]
    assert lines[position + 2].startswith("else: older.asdf (")
    assert "2019-12-31" in lines[position + 2]
    assert any("(for rampfit)" in line for line in lines if line.startswith("GAIN"))


def test_find_writes_files_under_each_other(simulated, references, command):
    _, out, _ = command("find", simulated.exposure, "--references", references)
    files = [line.index("roman_wfi_") for line in out.splitlines() if "  (for " in line]
    assert len(files) == len(TYPES)
    assert len(set(files)) == 1


def test_find_goes_by_the_recipe_of_the_exposure(simulated, references, command):
    status, out, _ = command("find", simulated.exposure, "--references", references)
    assert status == 0
    assert "  recipe flight: its file is of today\n" in out
    (exposure,) = SEED_ERA.glob("*_uncal.asdf")
    status, out, _ = command("find", exposure, "--references", SEED_ERA)
    assert status == 0
    assert "  recipe 2022: its file is of 2022\n" in out
    assert "REFPIX" not in out


def test_find_shows_what_is_missing_in_place_and_fails(simulated, references, command):
    (references / "roman_wfi_flat_0001.asdf").unlink()
    status, out, err = command("find", simulated.exposure, "--references", references)
    assert status == 1
    assert re.search(r"^  FLAT +MISSING  \(for flatfield\)$", out, flags=re.MULTILINE)
    assert "no FLAT there at all" in out
    assert "roman_wfi_gain_0001.asdf" in out
    assert err == f"romancal-rs: error: {simulated.exposure}: no reference for FLAT\n"


def test_find_can_be_asked_for_single_types_in_any_place(simulated, references, command):
    status, out, _ = command("find", "--references", references, simulated.exposure, "flat", "GAIN")
    assert status == 0
    assert out.count("(for ") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["find", "nowhere.asdf", "--references", "{refs}"], "nowhere.asdf: cannot be read"),
        (["find", "{exposure}"], "no place with reference files is named"),
        (["find", "{exposure}", "falt", "--references", "{refs}"], "did you mean 'FLAT'"),
        (["find", "{exposure}", "--references", "nowhere"], "nowhere does not exist"),
        (["find", "{exposure}", "--context", "roman_0001.pmap"], "there is no CRDS cache"),
        (["find", "{refs}/roman_wfi_gain_0001.asdf", "--references", "{refs}"], "gain_0001.asdf"),
        (["list"], "no place with reference files is named"),
        (["build-cache", "nowhere", "--to", "{tmp}/cache"], "nowhere"),
    ],
)
def test_errors_are_one_line(simulated, references, tmp_path, command, arguments, message):
    names = {"refs": references, "exposure": simulated.exposure, "tmp": tmp_path}
    status, out, err = command(*(argument.format(**names) for argument in arguments))
    assert (status, out) == (1, "")
    assert err.startswith("romancal-rs: error: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize("arguments", [["seek"], ["find"], ["export", "a.asdf"], ["list", "--bad"]])
def test_wrong_usage_ends_with_2(command, arguments):
    with pytest.raises(SystemExit) as caught:
        command(*arguments)
    assert caught.value.code == 2


def test_list_shows_every_file_and_names_those_it_cannot_read(references, command):
    status, out, _ = command("list", "--references", references)
    assert status == 0
    assert sorted(line.split()[-1] for line in out.splitlines()[2:]) == sorted(
        path.name for path in references.glob("*.asdf")
    )
    (references / "broken.asdf").write_text("#ASDF 1.0.0\n")
    status, out, err = command("list", "flat", "--references", references)
    assert status == 1
    assert "not readable: broken.asdf: truncated" in out
    assert "roman_wfi_gain" not in out
    assert err.endswith("1 not readable\n")


def test_export_copies_what_an_exposure_needs_and_no_more(simulated, references, tmp_path, command):
    flat = references / "roman_wfi_flat_0001.asdf"
    other = flat.read_bytes().replace(b"detector: WFI01", b"detector: WFI02", 1)
    (references / "other.asdf").write_bytes(other)
    target = tmp_path / "copy"
    arguments = ("export", simulated.exposure, "--to", target, "--references", references)
    status, out, _ = command(*arguments)
    assert status == 0
    assert f"--references {target}" in out
    copied = {path.name: path.read_bytes() for path in target.iterdir()}
    assert copied == {
        path.name: path.read_bytes() for path in references.iterdir() if path.name != "other.asdf"
    }
    status, out, _ = command(*arguments)  # again: nothing is left to do
    assert (status, "copied roman" in out, "13 files were there already" in out) == (0, False, True)


def test_export_copies_nothing_if_anything_is_missing_or_in_the_way(
    simulated, references, tmp_path, command
):
    target = tmp_path / "copy"
    arguments = ("export", simulated.exposure, "--to", target, "--references", references)
    target.mkdir()
    (target / "roman_wfi_mask_0001.asdf").write_text("another")
    status, _, err = command(*arguments)
    assert status == 1
    assert "another file of this name is there; nothing was copied" in err
    assert len(list(target.iterdir())) == 1
    (target / "roman_wfi_mask_0001.asdf").unlink()
    (references / "roman_wfi_gain_0001.asdf").unlink()
    status, _, err = command(*arguments)
    assert status == 1
    assert "no GAIN" in err
    assert not list(target.iterdir())


def test_export_refuses_a_target_that_would_choose_otherwise(
    simulated, references, tmp_path, command, monkeypatch
):
    target = tmp_path / "copy"
    target.mkdir()
    arguments = ("export", simulated.exposure, "--to", target, "--references", references)
    flat = (references / "roman_wfi_flat_0001.asdf").read_bytes()
    newer = target / "newer.asdf"
    newer.write_bytes(flat.replace(b"2020-01-01", b"2026-01-01", 1))
    status, _, err = command(*arguments)
    assert status == 1
    assert f"{target}: holds newer.asdf, which would be the FLAT of {simulated.exposure}" in err
    newer.write_bytes(flat)
    status, _, err = command(*arguments)
    assert status == 1
    assert "equally well" in err
    assert [path.name for path in target.iterdir()] == ["newer.asdf"]
    assert command("build-cache", references, "--to", tmp_path / "built")[0] == 0
    into_cache = ("export", simulated.exposure, "--to", tmp_path / "built")
    status, _, err = command(*into_cache, "--references", references)
    assert status == 1
    assert "is a CRDS cache; export files of a directory elsewhere" in err
    assert command("build-cache", references, "--to", tmp_path / "built")[0] == 0
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "built"))
    status, _, err = command(*into_cache, "--context", "roman_0001.pmap")
    assert status == 1
    assert "whose context is roman_0002.pmap; export roman_0001.pmap elsewhere" in err


def test_a_cache_is_built_and_exported_with_the_same_choices(
    simulated, references, tmp_path, command, monkeypatch
):
    built, copy = tmp_path / "built", tmp_path / "copy"
    status, out, _ = command("build-cache", references, "--to", built)
    assert status == 0
    assert f"{built}: context roman_0001.pmap, 15 rule files, 13 reference files (13 copied)" in out
    monkeypatch.setenv("CRDS_PATH", str(built))
    status, out, _ = command("find", simulated.exposure)
    assert status == 0
    assert "useafter 2020-01-01 00:00:00 in roman_wfi_flat_0001.rmap" in out
    status, out, _ = command("export", simulated.exposure, "--to", copy)
    assert status == 0
    monkeypatch.delenv("CRDS_PATH")
    keys = ExposureKeys.from_file(simulated.exposure)
    store = open_store(copy)
    assert isinstance(store, CrdsStore)
    for reftype in TYPES:
        match = store.find(reftype, keys)
        assert match.context == "roman_0001.pmap"
        original = references / match.reference.name
        assert match.reference.read_bytes() == original.read_bytes()
        assert match.reference.is_relative_to(copy)


def test_what_comes_from_two_places_is_not_exported(
    simulated, references, tmp_path, command, monkeypatch
):
    assert command("build-cache", references, "--to", tmp_path / "built")[0] == 0
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "built"))
    (references / "roman_wfi_gain_0001.asdf").unlink()
    status, _, err = command(
        "export", simulated.exposure, "--to", tmp_path / "copy", "--references", references
    )
    assert status == 1
    assert "some references come from a directory and some from a CRDS cache" in err
    assert not (tmp_path / "copy").exists()
    status, out, _ = command("find", simulated.exposure, "--references", references)
    assert status == 0
    assert f"from {references}" in out
    assert "context roman_0001.pmap" in out
