"""What a plan says of exposures, and of what they are calibrated with."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

import exposure_variants as variants
import pytest

from romancal_rs import datamodels
from romancal_rs.batch import planning
from romancal_rs.batch.checking import StepMaker
from romancal_rs.batch.outcome import Kind
from romancal_rs.batch.pins import PinnedStore
from romancal_rs.batch.plan import Plan, Settings
from romancal_rs.batch.planning import Selection, make_plan, plan_problems
from romancal_rs.batch.sources import find
from romancal_rs.errors import InputError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.references import (
    CrdsCache,
    CrdsStore,
    DirectoryStore,
    ExposureKeys,
    ReferenceFileError,
    ReferenceNotFoundError,
    StoreChain,
    distinguishing,
)
from romancal_rs.references.librarian import build_cache
from romancal_rs.stpipe import ParameterError, Run

LATER = "2027-06-02T00:00:00"


@pytest.fixture(scope="module")
def references(simulated, tmp_path_factory) -> Path:
    """For WFI01 and WFI02; of WFI01 also a DARK for use after the first of June."""
    directory = tmp_path_factory.mktemp("references")
    for path in simulated.references.glob("*.asdf"):
        shutil.copy(path, directory)
    variants.references(simulated.references, directory, "WFI02")
    dark = simulated.references / "roman_wfi_dark_0001.asdf"
    useafter = {"2020-01-01T00:00:00": "2027-06-01T12:00:00"}
    variants.variant(dark, directory / "roman_wfi_dark_0002.asdf", useafter)
    return directory


@pytest.fixture(scope="module")
def exposures(simulated, tmp_path_factory) -> Path:
    """Four each of WFI01 and WFI02, two before and two after the second DARK of WFI01."""
    directory = tmp_path_factory.mktemp("exposures")
    for detector in ("WFI01", "WFI02"):
        for number, start in ((1, variants.START), (2, variants.START), (3, LATER), (4, LATER)):
            variants.exposure(simulated.exposure, directory, number, detector=detector, start=start)
    return directory


@pytest.fixture
def checks(monkeypatch) -> list[str]:
    """The names of the exposures that represent a set while the test goes on."""
    found: list[str] = []
    check = StepMaker.check

    def counted(self, input):
        found.append(os.path.basename(input))
        return check(self, input)

    monkeypatch.setattr(StepMaker, "check", counted)
    return found


def plan_of(exposures, references, to, words=None, selection=None, **settings) -> Plan:
    settings = Settings("roman_elp", str(to), references=str(references), **settings)
    return make_plan(find(words or [str(exposures)]), settings, selection=selection)


def test_references_are_found_once_for_all_that_no_store_tells_apart(
    exposures, references, tmp_path, checks
):
    plan = plan_of(exposures, references, tmp_path)
    assert [path[21:31] for path in checks] == ["0001_wfi01", "0003_wfi01", "0001_wfi02"]
    of_sets = [(e.references, e.name[21:31]) for e in plan.exposures]
    assert of_sets == [
        *(("wfi01-f158-1", f"000{i}_wfi01") for i in (1, 2)),
        *(("wfi01-f158-2", f"000{i}_wfi01") for i in (3, 4)),
        *(("wfi02-f158-1", f"000{i}_wfi02") for i in (1, 2, 3, 4)),
    ]
    darks = [
        os.path.basename(pin.path)
        for reference_set in plan.sets.values()
        for pin in reference_set.pins
        if pin.reftype == "dark"
    ]
    assert sorted(darks) == [
        "roman_wfi_dark_0001.asdf",
        "roman_wfi_dark_0001_wfi02_f158.asdf",
        "roman_wfi_dark_0002.asdf",
    ]


def test_what_is_pinned_is_what_a_run_uses_and_records(exposures, references, tmp_path):
    plan = plan_of(exposures, references, tmp_path)
    for exposure in (plan.exposures[0], plan.exposures[2]):
        step = ExposurePipeline(references=str(references), output_dir=str(tmp_path))
        step.save_results = True
        run = Run(step)
        result = run(exposure.input)
        assert str(run.saved_files[0]) == exposure.product
        recorded = result.meta.cal_runs[-1]["references"]
        used = {
            (reftype, entry["path"], entry["sha256"])
            for of_step in recorded.values()
            for reftype, entry in of_step.items()
        }
        pins = plan.sets[exposure.references].pins
        assert {(pin.reftype, pin.path, pin.sha256) for pin in pins} == used
        assert all(pin.stamp == _stamp(pin.path) for pin in pins)


def _stamp(path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def test_a_plan_is_read_as_it_was_written(exposures, references, tmp_path):
    (exposures_here := tmp_path / "in").mkdir()
    for path in exposures.iterdir():
        (exposures_here / path.name).symlink_to(path)
    (exposures_here / "x_uncal.asdf").write_text("no ASDF")
    plan = plan_of(exposures_here, references, tmp_path)
    again = Plan.read(plan.write(tmp_path / "run"))
    assert again == plan
    assert again.digest == plan.digest
    assert again.digest == plan_of(exposures_here, references, tmp_path).digest


def test_processes_read_heads_to_the_same_plan(exposures, references, tmp_path):
    settings = Settings("roman_elp", str(tmp_path), references=str(references))
    sources = find([str(exposures)])
    one, two = (make_plan(sources, settings, processes=number) for number in (1, 2))
    assert one.digest == two.digest


def test_exposures_are_chosen_by_what_their_heads_say(exposures, references, tmp_path):
    def chosen(**selection) -> list[str]:
        plan = plan_of(exposures, references, tmp_path, selection=Selection(**selection))
        return [exposure.name[21:31] for exposure in plan.exposures]

    assert chosen(detectors=("wfi02",), before=datetime(2027, 6, 2)) == ["0001_wfi02", "0002_wfi02"]
    assert chosen(detectors=("WFI01",), after=datetime(2027, 6, 2)) == ["0003_wfi01", "0004_wfi01"]
    with pytest.raises(InputError, match=r"no exposure of 8 is among .*elements: F158;"):
        chosen(elements=("F129",))


# --- what stands in the way


def test_bad_files_are_told_in_the_words_of_a_run(simulated, references, tmp_path):
    good = variants.exposure(simulated.exposure, tmp_path, 1)
    content = good.read_bytes()
    empty = {"shape: [6, 64, 128]": "shape: [0, 64, 128]"}
    for name, bad in {
        "arrays_uncal.asdf": content[:-60_000],
        "blocks_uncal.asdf": content[: content.index(variants.END) + len(variants.END)],
        "head_uncal.asdf": content[:1000],
        "text_uncal.asdf": b"text",
        "reference_uncal.asdf": (references / "roman_wfi_flat_0001.asdf").read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(bad)
    variants.variant(good, tmp_path / "empty_uncal.asdf", empty)
    plan = plan_of(tmp_path, references, tmp_path / "out")
    problems = {e.name: e.problem for e in plan.exposures if e.problem is not None}
    kinds = {name.partition("_")[0]: problem.kind for name, problem in problems.items()}
    assert kinds == {
        **dict.fromkeys(("arrays", "blocks", "head", "text", "reference"), Kind.BAD_INPUT),
        "empty": Kind.NO_DATA,
    }
    for name in ("arrays_uncal.asdf", "blocks_uncal.asdf"):
        with pytest.raises(datamodels.ModelError) as caught, datamodels.open(tmp_path / name) as m:
            _ = m.data
        assert problems[name].message == str(caught.value)
    assert problems["text_uncal.asdf"].message == f"{tmp_path}/text_uncal.asdf: not an ASDF file"
    assert "is not an exposure" in problems["reference_uncal.asdf"].message
    assert "the ramp has 0 resultants" in problems["empty_uncal.asdf"].message


def test_a_file_that_cannot_be_read_is_told(references, tmp_path):
    path = tmp_path / "x_uncal.asdf"
    path.touch()
    sources = find([str(path)])
    path.unlink()
    settings = Settings("roman_elp", str(tmp_path), references=str(references))
    (exposure,) = make_plan(sources, settings).exposures
    assert exposure.problem.message == f"{path}: No such file or directory"


def test_what_is_missing_for_many_is_told_once(exposures, references, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for path in references.iterdir():
        if path.name not in ("roman_wfi_flat_0001_wfi02_f158.asdf",):
            (few / path.name).symlink_to(path)
    plan = plan_of(exposures, few, tmp_path)
    assert [exposure.problem is None for exposure in plan.exposures] == [True] * 4 + [False] * 4
    (line,) = plan_problems(plan)
    assert line.startswith("bad_reference: no FLAT for detector WFI02, element F158")
    assert line.endswith(": 4 exposures, such as r0000101001001001001_0001_wfi02_f158_uncal.asdf")
    last = plan.exposures[-1]
    with pytest.raises(ReferenceNotFoundError) as caught:
        ExposurePipeline(references=str(few)).run(last.input)
    assert last.problem.message == str(caught.value)


def test_what_is_wrong_with_an_exposure_is_not_blamed_on_the_others(
    simulated, references, tmp_path, checks
):
    wrong = {"frame_time: 3.04": "frame_time: -3.0"}
    variants.exposure(simulated.exposure, tmp_path, 1, changes=wrong)
    for number in (2, 3):
        variants.exposure(simulated.exposure, tmp_path, number)
    plan = plan_of(tmp_path, references, tmp_path / "out")
    first, *others = plan.exposures
    assert first.problem.kind is Kind.BAD_INPUT
    assert "frame_time" in first.problem.message
    assert [exposure.problem for exposure in others] == [None, None]
    assert len(checks) == 2


def test_a_place_of_references_that_is_not_there_is_an_error_at_once(exposures, tmp_path):
    with pytest.raises(ReferenceNotFoundError, match="does not exist"):
        plan_of(exposures, tmp_path / "gone", tmp_path)


@pytest.mark.parametrize("parameters", [{"recipe": "x"}, {"steps": {"rampfit": {"skipp": "1"}}}])
def test_a_wrong_parameter_is_an_error_at_once(exposures, references, tmp_path, parameters):
    with pytest.raises(ParameterError):
        plan_of(exposures, references, tmp_path, parameters=parameters)


def test_two_exposures_with_one_product_are_an_error_that_names_both(
    simulated, references, tmp_path
):
    path = variants.exposure(simulated.exposure, tmp_path, 1)
    other = shutil.copy(path, tmp_path / path.name.replace("_uncal", ""))
    with pytest.raises(InputError, match=r"would have the same product") as caught:
        plan_of(tmp_path, references, tmp_path, words=[str(path), str(other)])
    assert str(path) in str(caught.value)
    assert str(other) in str(caught.value)


def test_a_product_in_the_place_of_its_input_is_an_error(simulated, references, tmp_path):
    path = variants.exposure(simulated.exposure, tmp_path, 1)
    with pytest.raises(InputError, match=r"its product would replace it"):
        plan_of(tmp_path, references, tmp_path, parameters={"suffix": "uncal"})
    assert path.is_file()


# --- parameters


@pytest.fixture
def with_parameters(references, tmp_path) -> Path:
    """The same references, with a parameter reference for WFI02."""
    directory = tmp_path / "with-parameters"
    directory.mkdir()
    for path in references.iterdir():
        if path.suffix == ".asdf":
            (directory / path.name).symlink_to(path)
    (directory / "pars.asdf").write_text(
        "#ASDF 1.0.0\n%YAML 1.1\n--- !<tag:stsci.edu:asdf/core/asdf-1.1.0>\n"
        "class: romancal_rs.ramp_fitting.RampFitStep\n"
        "parameters: {rejection_threshold: 7.0}\n"
        "meta: {reftype: pars-rampfitstep, useafter: '2020-01-01T00:00:00', "
        "instrument: {name: WFI, detector: WFI02}}\n...\n"
    )
    return directory


def test_parameter_references_are_pinned_and_count(
    exposures, references, with_parameters, tmp_path
):
    without, plan = (plan_of(exposures, d, tmp_path) for d in (references, with_parameters))
    for name, has in (("wfi01-f158-1", False), ("wfi02-f158-1", True)):
        pins = {pin.reftype: pin.path for pin in plan.sets[name].pins}
        assert ("pars-rampfitstep" in pins) == has
        digests = [p.sets[name].parameters_sha256 for p in (without, plan)]
        assert (digests[0] != digests[1]) == has
        assert without.sets[name].references_sha256 == plan.sets[name].references_sha256
    store = PinnedStore(plan.sets["wfi02-f158-1"])
    assert store.has_parameters
    keys = ExposureKeys.from_file(plan.exposures[-1].input)
    names = ["PARS-RAMPFITSTEP", "PARS-RAMPFIT"]
    assert store.find_parameters(names, keys) == with_parameters / "pars.asdf"
    assert store.find_parameters(["PARS-JUMPSTEP"], keys) is None


def test_where_results_go_and_how_fast_does_not_count(exposures, references, tmp_path):
    def keys(to=tmp_path, **parameters) -> list[str]:
        plan = plan_of(exposures, references, to, parameters=parameters)
        return [exposure.key for exposure in plan.exposures]

    plain = keys()
    assert keys(tmp_path / "elsewhere", fused="False", array_compression="none") == plain
    assert not set(keys(steps={"rampfit": {"rejection_threshold": "5.5"}})) & set(plain)
    dark = references / "roman_wfi_dark_0001.asdf"
    overridden = plan_of(
        exposures,
        references,
        tmp_path,
        selection=Selection(detectors=("WFI01",)),
        parameters={"override_dark": str(dark)},
    )
    # The first two are what they are with the DARK of the store, which it is.
    assert [e.key == key for e, key in zip(overridden.exposures, plain[:4], strict=True)] == [
        *(True, True),
        *(False, False),
    ]


# --- stores


def test_exposures_that_a_store_does_not_tell_apart_get_the_same(
    exposures, simulated, references, tmp_path
):
    cache = tmp_path / "cache"
    build_cache(references, cache)
    directory, crds = DirectoryStore(references), CrdsStore(CrdsCache.at(cache))
    starts = [f"2027-06-01T{hour:02d}:00:00" for hour in (0, 11, 12, 13)]
    keys = [
        ExposureKeys.from_file(
            variants.exposure(simulated.exposure, tmp_path / "x", i, start=start, detector=detector)
        )
        for i, start in enumerate(["2019-12-31T23:59:59", *starts])
        for detector in ("WFI01", "WFI02")
    ]
    for store in (directory, crds, StoreChain([directory, crds])):
        found: dict = {}
        for each in keys:
            answers = [_answer(store, reftype, each) for reftype in ("dark", "flat", "gain")]
            found.setdefault(distinguishing(store, each), []).append(answers)
        assert all(answers == same[0] for same in found.values() for answers in same)
        assert 5 <= len(found) <= 6  # before all; of WFI01 before and after the second DARK


def _answer(store, reftype, keys) -> str | None:
    try:
        return str(store.find(reftype, keys).reference)
    except ReferenceNotFoundError:
        return None


def test_a_store_of_ones_own_may_ask_for_anything(exposures):
    class Own:
        location = "mine"

    one, two = (ExposureKeys.from_file(path) for path in sorted(exposures.iterdir())[:2])
    assert distinguishing(Own(), one) == one.identity
    assert distinguishing(Own(), one) != distinguishing(Own(), two)


def test_a_run_with_pins_finds_what_was_there_when_the_plan_was_made(
    simulated, references, tmp_path
):
    own = tmp_path / "references"
    shutil.copytree(references, own, ignore=shutil.ignore_patterns(".*"))
    path = variants.exposure(simulated.exposure, tmp_path / "in", 3, start=LATER)
    plan = plan_of(tmp_path / "in", own, tmp_path)
    newer = {"2020-01-01T00:00:00": "2027-06-01T18:00:00"}
    variants.variant(own / "roman_wfi_dark_0001.asdf", own / "newer.asdf", newer)
    store = PinnedStore(plan.sets[plan.exposures[0].references])
    run = Run(ExposurePipeline(references=store))
    result = run(path)
    assert result.meta.ref_file.dark == "roman_wfi_dark_0002.asdf"
    with pytest.raises(
        ReferenceNotFoundError, match=r"no AREA in the plan \(set wfi01-f158-1\), which has DARK"
    ):
        store.find("area", ExposureKeys.from_file(path))


def test_a_pinned_file_that_changed_is_told_and_one_that_was_touched_is_not(
    exposures, references, tmp_path
):
    own = tmp_path / "references"
    shutil.copytree(references, own, ignore=shutil.ignore_patterns(".*"))
    plan = plan_of(exposures, own, tmp_path)
    store = PinnedStore(plan.sets["wfi02-f158-1"])
    store.check()
    flat = own / "roman_wfi_flat_0001_wfi02_f158.asdf"
    os.utime(flat)
    store.check()
    content = bytearray(flat.read_bytes())
    content[-50] ^= 1
    flat.write_bytes(content)
    with pytest.raises(ReferenceFileError, match=rf"FLAT {flat}: changed since the plan was made"):
        store.check()
    flat.unlink()
    with pytest.raises(ReferenceFileError, match=rf"FLAT {flat}: gone since the plan was made"):
        store.check()


def test_what_is_told_while_a_plan_is_made_goes_up_to_all(exposures, references, tmp_path):
    told: list[tuple[str, int, int]] = []
    settings = Settings("roman_elp", str(tmp_path), references=str(references))
    planning.make_plan(find([str(exposures)]), settings, tell=lambda *what: told.append(what))
    assert told[0] == ("heads read", 8, 8)
    assert told[1:] == [("sets of references found", i, 3) for i in (1, 2, 3)]
