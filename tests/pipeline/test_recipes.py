"""The exposure pipeline in both recipes: what runs, what it says, and what it does without."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar

import asdf
import numpy as np
import pytest

from romancal_rs import datamodels, dqflags, kernels
from romancal_rs.cli import main
from romancal_rs.dark_current import DarkCurrentStep
from romancal_rs.datamodels import testing
from romancal_rs.errors import InputError
from romancal_rs.exposure import read_pattern
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import in_recipe
from romancal_rs.references import ReferenceFileError
from romancal_rs.stpipe import RampStep, Run

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
OF_2022 = next(SEED_ERA.glob("*_uncal.asdf"))
ARRAYS = ("data", "dq", "err", "var_poisson", "var_rnoise", "var_flat", "chisq", "dumo")


def run(exposure, references, **parameters) -> tuple[Any, Run]:
    done = Run(ExposurePipeline(references=str(references), **parameters))
    return done(exposure), done


def raw(simulated) -> datamodels.ScienceRawModel:
    with datamodels.open(simulated.exposure) as model:
        return model.copy()


def steps_that_ran(done: Run) -> list[str]:
    return [report.name for report in done.reports[:-1]]


def lines(image) -> str:
    return "\n".join(image.meta.cal_logs)


# --- which


@pytest.mark.parametrize("fused", [True, False])
def test_an_exposure_of_2022_goes_through_the_steps_of_2022(fused):
    image, done = run(OF_2022, SEED_ERA, fused=fused)
    assert steps_that_ran(done) == in_recipe(ExposurePipeline, "2022")
    assert "Recipe 2022: its file is of 2022" in lines(image)
    assert image.meta.cal_runs[-1]["recipe"] == {"name": "2022", "reason": "its file is of 2022"}
    assert image.meta.cal_recipe == "2022"


@pytest.mark.parametrize("fused", [True, False])
def test_an_exposure_of_today_goes_through_those_of_flight(simulated, fused):
    image, done = run(simulated.exposure, simulated.references, fused=fused)
    assert steps_that_ran(done) == in_recipe(ExposurePipeline, "flight")
    assert lines(image).count("Recipe flight: its file is of today") == 1
    assert image.meta.cal_runs[-1]["recipe"] == {
        "name": "flight",
        "reason": "its file is of today",
    }


def test_an_exposure_of_today_may_go_through_those_of_2022(simulated):
    image, done = run(simulated.exposure, simulated.references, recipe="2022")
    assert steps_that_ran(done) == in_recipe(ExposurePipeline, "2022")
    assert "Recipe 2022: recipe = 2022 is set" in lines(image)
    assert "refpix" not in steps_that_ran(done)
    assert image.meta.cal_step.refpix == "INCOMPLETE"


#: The arrays of an image that its files hold in half precision.
HALF_PRECISION = ("err", "var_poisson", "var_rnoise", "var_flat", "dumo")


def half(array) -> np.ndarray:
    return np.asarray(array).astype(np.float16)


@pytest.mark.parametrize("recipe", ["2022", "flight"])
@pytest.mark.parametrize("saved", [True, False])
def test_steps_by_hand_go_on_in_the_recipe_of_the_first(simulated, tmp_path, recipe, saved):
    """Through files, which hold all but half-precision arrays exactly, and in memory."""
    expected, _ = run(simulated.exposure, simulated.references, recipe=recipe)
    model: Any = simulated.exposure
    for number, name in enumerate(in_recipe(ExposurePipeline, recipe)):
        said = {"recipe": recipe} if number == 0 else {}
        step_class = ExposurePipeline.step_defs[name]
        result = step_class.call(model, references=str(simulated.references), **said)
        model = result.save(tmp_path / f"{number}.asdf") if saved else result
    absent = () if recipe == "2022" else ("var_flat",)  # unless include_var_flat says so
    assert [name for name in ARRAYS if name not in expected] == list(absent)
    for name in ("data", "dq") if saved else [name for name in ARRAYS if name in expected]:
        np.testing.assert_array_equal(result[name], expected[name], err_msg=name)
    if saved:  # rounded at each save
        for name in (name for name in HALF_PRECISION if name in expected):
            np.testing.assert_array_max_ulp(*(half(model[name]) for model in (result, expected)))
    assert result.meta.cal_step == expected.meta.cal_step
    assert result.meta.cal_recipe == recipe


def test_a_ramp_saved_in_the_middle_goes_on_in_its_recipe(simulated, tmp_path):
    _, done = run(
        simulated.exposure,
        simulated.references,
        recipe="2022",
        steps={"saturation": {"save_results": True}},
        output_dir=str(tmp_path),
    )
    (path,) = done.saved_files
    with datamodels.open(path) as ramp:
        assert ramp.meta.cal_recipe == "2022"
        assert ramp.meta.cal_runs[-1]["recipe"]["name"] == "2022"
    image, again = run(path, simulated.references)
    assert "Recipe 2022: its steps so far are of it" in lines(image)
    assert steps_that_ran(again) == in_recipe(ExposurePipeline, "2022")


def test_another_recipe_takes_no_results_of_the_one_before(simulated, tmp_path):
    run(simulated.exposure, simulated.references, checkpoint=tmp_path)
    image, _ = run(simulated.exposure, simulated.references, checkpoint=tmp_path, recipe="2022")
    assert "resumed" not in lines(image)


@pytest.mark.parametrize("recipe", ["2022", "flight"])
def test_a_run_in_either_recipe_is_repeated_from_its_product(
    simulated, tmp_path, monkeypatch, recipe
):
    monkeypatch.chdir(tmp_path)
    words = ["run", "roman_elp", str(simulated.exposure), f"--recipe={recipe}"]
    assert main([*words, f"--references={simulated.references}", "--output_dir=first"]) == 0
    (product,) = Path("first").glob("*_cal.asdf")
    assert main(["reproduce", str(product), "--output=pars.asdf"]) == 0
    assert main(["run", "pars.asdf", str(simulated.exposure), "--output_dir=second"]) == 0
    with datamodels.open(product) as image, datamodels.open(Path("second") / product.name) as again:
        assert again.meta.cal_recipe == image.meta.cal_recipe == recipe
        for name, _ in image.arrays():
            np.testing.assert_array_equal(again[name], image[name], err_msg=name)


# --- routing

ROUTES = {
    "WFI_IMAGE": ("COMPLETE", "COMPLETE", "COMPLETE"),
    "WFI_LOLO": ("COMPLETE", "SKIPPED", "SKIPPED"),
    "WFI_WFSC": ("COMPLETE", "SKIPPED", "SKIPPED"),
    "WFI_SPECTRAL": ("SKIPPED", "SKIPPED", "SKIPPED"),
    "WFI_IM_DARK": ("SKIPPED", "SKIPPED", "SKIPPED"),
    "WFI_SP_DARK": ("SKIPPED", "SKIPPED", "SKIPPED"),
    "WFI_FLAT": ("SKIPPED", "SKIPPED", "SKIPPED"),
}


@pytest.mark.parametrize("exposure_type", ROUTES)
def test_which_steps_run_for_an_exposure_type(simulated, exposure_type):
    flat_in_flight, flat_in_2022, photom_in_2022 = ROUTES[exposure_type]
    exposure = raw(simulated)
    exposure.meta.exposure.type = exposure_type
    overrides = {
        f"override_{name}": str(next(simulated.references.glob(f"*_{name}_*")))
        for name in ("dark", "readnoise")  # the simulated ones are for imaging
    }
    expected = {
        "flight": {"flat_field": flat_in_flight, "photom": "COMPLETE"},
        "2022": {"flat_field": flat_in_2022, "photom": photom_in_2022},
    }
    for recipe, status in expected.items():
        image, _ = run(exposure, simulated.references, recipe=recipe, **overrides)
        assert {name: image.meta.cal_step[name] for name in status} == status, recipe
        if status["flat_field"] == "SKIPPED":
            assert f"Step flatfield skipped: not for {exposure_type}" in lines(image)


# --- the dark


def test_in_flight_the_dark_rate_is_subtracted_from_the_rate_image(simulated):
    (path,) = simulated.references.glob("*_dark_*")
    with datamodels.open(path) as dark:
        rate, flags = dark.dark_slope[4:-4, 4:-4].copy(), dark.dq[4:-4, 4:-4].copy()
    parameters = {"steps": {"flatfield": {"skip": True}}}
    image, _ = run(simulated.exposure, simulated.references, **parameters)
    parameters["steps"]["dark_current"] = {"skip": True}
    without, _ = run(simulated.exposure, simulated.references, **parameters)
    assert rate.any()
    np.testing.assert_array_equal(image.data, without.data - rate)
    np.testing.assert_array_equal(image.dq, without.dq | flags)
    for name in ("err", "var_poisson", "var_rnoise", "chisq", "dumo"):
        np.testing.assert_array_equal(image[name], without[name], err_msg=name)
    assert (image.meta.cal_step.dark, without.meta.cal_step.dark) == ("COMPLETE", "SKIPPED")


def dark_of(shape) -> datamodels.DarkRefModel:
    dark = datamodels.DarkRefModel(testing.create_dark(shape))
    dark.dark_slope = np.full(shape, 0.25, np.float32)
    dark.dq = np.full(shape, dqflags.HOT, np.uint32)
    return dark


def test_alone_the_step_takes_an_image_by_its_rule_and_leaves_the_callers_as_it_was():
    image = datamodels.ImageModel(testing.create_wfi_image((8, 8)))
    before, dark = image.copy(), dark_of((16, 16))
    dark.dark_slope[6, 7] = np.nan  # of a rate that nobody knows, 0 is the best guess
    expected, flags = before.data - np.float32(0.25), before.dq | np.uint32(dqflags.HOT)
    expected[2, 3] = before.data[2, 3]
    flags[2, 3] |= dqflags.DO_NOT_USE | dqflags.UNRELIABLE_DARK
    result = DarkCurrentStep.call(image, override_dark=dark)
    np.testing.assert_array_equal(result.data, expected)
    np.testing.assert_array_equal(result.dq, flags)
    assert result.meta.cal_step.dark == "COMPLETE"
    np.testing.assert_array_equal(image.data, before.data)
    np.testing.assert_array_equal(image.dq, before.dq)


@pytest.mark.parametrize("recipe", ["2022", "flight"])
def test_alone_the_step_takes_a_ramp_by_its_rule(recipe):
    ramp = datamodels.RampModel(testing.create_ramp((3, 16, 16)))
    ramp.meta.exposure.read_pattern = [[1], [2, 3], [5]]
    ramp.meta.exposure.nresultants = 3
    ramp.meta.exposure.frame_time = 3.04
    result = DarkCurrentStep.call(ramp, override_dark=dark_of((16, 16)), recipe=recipe)
    expected, dq = ramp.data.copy(), ramp.pixeldq.copy()
    signal = np.stack([np.float32(0.25) * np.float32(t) for t in read_pattern(ramp).times])
    kernels.subtract_dark(
        expected,
        dq,
        np.ascontiguousarray(np.broadcast_to(signal[:, None, None], expected.shape)),
        np.full((16, 16), dqflags.HOT, np.uint32),
    )
    np.testing.assert_array_equal(result.data, expected)
    np.testing.assert_array_equal(result.pixeldq, dq)


def test_a_dark_without_a_rate_is_an_error_in_flight_that_says_what_would_do(simulated):
    dark = without_rate(raw(simulated).shape[1:])
    with pytest.raises(
        ReferenceFileError, match=r"holds no rate \(dark_slope\).*N/A skips.*recipe = 2022"
    ):
        run(simulated.exposure, simulated.references, override_dark=dark)
    image = datamodels.ImageModel(testing.create_wfi_image((8, 8)))
    with pytest.raises(InputError, match="holds no rate"):
        DarkCurrentStep.call(image, override_dark=without_rate((16, 16)))


def without_rate(shape) -> datamodels.DarkRefModel:
    dark = datamodels.DarkRefModel(testing.create_dark(shape))
    dark.dark_slope = np.full(shape, np.nan, np.float32)
    return dark


def test_files_of_2022_in_flight_tell_of_the_dark_with_what_is_missing():
    """It was told only when all the ramps were fitted."""
    with pytest.raises(ReferenceFileError) as told:
        run(OF_2022, SEED_ERA, recipe="flight")
    messages = str(told.value).splitlines()
    for what in ("no REFPIX", "no DARKDECAYSIGNAL", "no INVERSELINEARITY"):
        assert sum(line.strip().startswith(what) for line in messages) == 1
    assert sum("the DARK holds no rate (dark_slope)" in line for line in messages) == 1


def test_the_dark_that_was_subtracted_from_an_image_can_be_saved(simulated, tmp_path):
    run(
        simulated.exposure,
        simulated.references,
        steps={"dark_current": {"dark_output": "d.asdf"}},
        output_dir=str(tmp_path),
    )
    (path,) = simulated.references.glob("*_dark_*")
    with datamodels.open(tmp_path / "d.asdf") as saved, datamodels.open(path) as dark:
        np.testing.assert_array_equal(saved.dark_slope, dark.dark_slope)


# --- what is not there, and what is of no use


class Stands(RampStep):
    """Stands for a step that flight alone has, where its reference is not there."""

    cal_step_name = "refpix"
    reference_file_types: ClassVar = ["refpix"]


class StandsToo(Stands):
    cal_step_name = "dark_decay"
    reference_file_types: ClassVar = ["darkdecaysignal"]


def step_defs(**replaced: type) -> dict[str, type]:
    """The steps of the pipeline, with those that only flight has replaced, or added."""
    first = ("dq_init", "saturation", "refpix", "dark_decay", "wfi18_transient")
    listed = dict.fromkeys((*first, *ExposurePipeline.step_defs))
    steps = ExposurePipeline.step_defs | replaced
    return {name: steps[name] for name in listed if name in steps}


class WithThem(ExposurePipeline):
    step_defs: ClassVar = step_defs(refpix=Stands, dark_decay=StandsToo)


@pytest.fixture
def without_them(simulated, tmp_path) -> Path:
    """References without those that flight alone needs."""
    for path in simulated.references.iterdir():
        if not any(name in path.name for name in ("_refpix_", "_darkdecaysignal_")):
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


def test_all_references_that_flight_lacks_are_told_at_once_with_what_would_help(
    simulated, without_them
):
    (without_them / "roman_wfi_flat_0001.asdf").unlink()
    with pytest.raises(ReferenceFileError) as told:
        WithThem.call(str(simulated.exposure), references=str(without_them))
    first, *others = str(told.value).splitlines()
    assert first == "these references are missing or do not fit:"
    for start in ("no REFPIX for", "no DARKDECAYSIGNAL", "no FLAT for"):
        assert sum(line.strip().startswith(start) for line in others) == 1
        assert any(str(without_them) in line for line in others if start in line)
    assert others[-1].strip() == (
        "What would help: --override_refpix=N/A --override_darkdecaysignal=N/A --override_flat=N/A "
        "skips what needs it; --recipe=2022 runs the steps of 2022, which need no REFPIX, "
        "DARKDECAYSIGNAL"
    )


def test_each_missing_reference_is_told_its_own_way_out(simulated, tmp_path):
    for path in simulated.references.iterdir():
        if not any(f"_{name}_" in path.name for name in ("gain", "inverselinearity", "mask")):
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(ReferenceFileError) as told:
        run(simulated.exposure, tmp_path)
    assert str(told.value).splitlines()[-1].strip() == (
        "What would help: --override_inverselinearity=N/A does without; --override_mask=N/A skips "
        "what needs it; --override_gain=FILE or another directory, as no image can be made without "
        "it; --recipe=2022 runs the steps of 2022, which need no INVERSELINEARITY"
    )


def test_what_the_message_says_helps(simulated, without_them):
    parameters = {"references": str(without_them)}
    without = {f"override_{name}": "N/A" for name in ("refpix", "darkdecaysignal")}
    image = WithThem.call(str(simulated.exposure), **parameters, **without)
    assert image.meta.cal_step.refpix == image.meta.cal_step.dark_decay == "SKIPPED"
    assert "Step refpix skipped: its REFPIX is N/A" in lines(image)
    skipped = {name: {"skip": True} for name in ("refpix", "dark_decay")}
    image = WithThem.call(str(simulated.exposure), steps=skipped, **parameters)
    assert image.meta.cal_step.refpix == "SKIPPED"
    image = WithThem.call(str(simulated.exposure), recipe="2022", **parameters)
    assert image.meta.cal_step.refpix == "INCOMPLETE"


def test_a_reference_that_both_recipes_need_has_no_such_hint(simulated, without_them):
    (without_them / "roman_wfi_flat_0001.asdf").unlink()
    with pytest.raises(ReferenceFileError, match="no FLAT for") as told:
        run(simulated.exposure, without_them, recipe="2022")
    assert "recipe" not in str(told.value)


def test_what_is_given_to_a_step_that_the_recipe_does_not_run_is_told(simulated, caplog):
    steps = {"refpix": {"skip": False, "save_results": True}, "dark_decay": {"skip": True}}
    parameters = {"references": str(simulated.references), "recipe": "2022"}
    WithThem.call(str(simulated.exposure), steps=steps, **parameters)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == ["Recipe 2022 does not run refpix: setting refpix.save_results has no effect"]


# --- exposures that a step is not for


class ForOthers(RampStep):
    """A step for another detector."""

    cal_step_name = "wfi18_transient"
    status_if_idle = "N/A"

    def idle(self, exposure):
        return "only for WFI18"


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_that_is_not_for_a_detector_says_so_and_is_not_warned_of(simulated, caplog, fused):
    class WithIt(ExposurePipeline):
        step_defs: ClassVar = step_defs(wfi18_transient=ForOthers)

    done = Run(WithIt(references=str(simulated.references), fused=fused))
    image = done(str(simulated.exposure))
    assert image.meta.cal_step.wfi18_transient == "N/A"
    assert [r.status for r in done.reports if r.name == "wfi18_transient"] == ["N/A"]
    assert "Step wfi18_transient skipped: only for WFI18" in lines(image)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    skipped = WithIt.call(
        str(simulated.exposure),
        references=str(simulated.references),
        steps={"wfi18_transient": {"skip": True}},
    )
    assert skipped.meta.cal_step.wfi18_transient == "SKIPPED"


# --- saturated throughout


@pytest.mark.parametrize("fused", [True, False])
def test_a_fully_saturated_exposure_can_be_saved_and_says_what_it_is(simulated, tmp_path, fused):
    """romancal 1.1.0 asks the border too, sets no DO_NOT_USE, and cannot save the result."""
    exposure = raw(simulated)
    exposure.data[:, 4:-4, 4:-4] = 65535
    image, done = run(
        exposure, simulated.references, save_results=True, output_dir=str(tmp_path), fused=fused
    )
    (path,) = done.saved_files
    with datamodels.open(path) as saved:
        assert saved.meta.wcs is None
        assert np.all(saved.dq & dqflags.SATURATED)
        assert np.all(saved.dq & dqflags.DO_NOT_USE)
        for name in ("data", "err", "var_poisson", "chisq", "dumo"):
            assert not saved[name].any(), name
    names = in_recipe(ExposurePipeline, "flight")[2:]
    entries = [ExposurePipeline.step_defs[name].cal_step_name for name in names]
    assert {image.meta.cal_step[entry] for entry in entries} == {"SKIPPED"}
    assert image.meta.cal_step.saturation == "COMPLETE"
    for entry in ("flux", "outlier_detection", "skymatch"):
        assert image.meta.cal_step[entry] == "INCOMPLETE"


@pytest.mark.parametrize("fused", [True, False])
def test_saturated_flags_that_came_along_in_the_first_resultant_alone_do_not_end_it(
    simulated, fused
):
    """Flags that an exposure brings do not go on to later resultants, which may be sound."""
    exposure = raw(simulated)
    exposure["resultantdq"] = np.zeros(exposure.shape, np.uint8)
    exposure.resultantdq[0] = dqflags.SATURATED
    image, _ = run(exposure, simulated.references, fused=fused)
    assert image.meta.cal_step.ramp_fit == image.meta.cal_step.flat_field == "COMPLETE"
    assert "All pixels are saturated" not in lines(image)
    assert not np.all(image.dq & dqflags.DO_NOT_USE)


# --- what is skipped, and names of products


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_of_the_pass_that_a_reference_of_the_store_skips_says_by_which_file(
    simulated, tmp_path, fused
):
    for path in simulated.references.iterdir():
        (tmp_path / path.name).symlink_to(path)
    name = "roman_wfi_pars-refpix_0003.asdf"
    meta = {"reftype": "pars-refpix", "instrument": {"name": "WFI"}}
    meta["useafter"] = "2020-01-01T00:00:00"
    tree = {"class": "romancal.refpix.RefPixStep", "parameters": {"skip": True}, "meta": meta}
    asdf.AsdfFile(tree).write_to(tmp_path / name)
    image = ExposurePipeline.call(simulated.exposure, references=str(tmp_path), fused=fused)
    assert image.meta.cal_step.refpix == "SKIPPED"
    (told,) = (line for line in image.meta.cal_logs if "Step refpix skipped" in line)
    assert f"WARNING :: Step refpix skipped: skip is set by {name}" in told


SUFFIXES = {
    "flight": "dqinit saturation refpix dark_decay wfi18_transient linearity rampfit "
    "darkcurrent assignwcs photom flat",
    "2022": "dq_init saturation linearity dark_current jump rampfit assign_wcs flat phot",
}


@pytest.mark.parametrize("recipe", SUFFIXES)
def test_what_steps_save_is_named_as_the_system_of_the_recipe_names_it(simulated, tmp_path, recipe):
    names = in_recipe(ExposurePipeline, recipe)
    _, done = run(
        simulated.exposure,
        simulated.references,
        recipe=recipe,
        steps={name: {"save_results": True} for name in names},
        output_dir=str(tmp_path),
    )
    root = simulated.exposure.name.removesuffix("_uncal.asdf")
    saved = [path.name for path in done.saved_files]
    assert saved == [f"{root}_{suffix}.asdf" for suffix in SUFFIXES[recipe].split()]


# --- one exposure


def test_a_pipeline_takes_one_exposure_and_says_what_to_do_with_several(simulated):
    several = [str(simulated.exposure)] * 2
    for given in (several, tuple(several), dict(enumerate(several))):
        kind = type(given).__name__
        told = f"takes one exposure, got a {kind} of 2: call it for each"
        with pytest.raises(InputError, match=told):
            ExposurePipeline.call(given, references=str(simulated.references))
