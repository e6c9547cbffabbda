"""Steps out of order: a warning names what is INCOMPLETE, and a raw exposure is for dq_init."""

import logging

import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.dq_init import DQInitStep
from romancal_rs.errors import InputError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import in_recipe
from romancal_rs.stpipe import RomanPipeline
from romancal_rs.stpipe.recipes import RECIPES

SHAPE = (6, 16, 16)
STEPS = ExposurePipeline.step_defs
#: The order of the manual's table of steps.
OF_THE_MANUAL = ("dq_init", "saturation", "linearity", "dark", "jump", "ramp_fit")


def before(name, recipe):
    """The entries of the steps that have to be done before."""
    return STEPS[name].in_recipe(recipe, "builds_on")


#: The recipes and names of steps that take a ramp, and build on others: the jump step in both, as a
#: fit may need it.
ON_RAMPS = [
    (recipe, name)
    for recipe in RECIPES
    for name in {**dict.fromkeys(in_recipe(ExposurePipeline, recipe)), "jump": None}
    if before(name, recipe) and "ramp_fit" not in before(name, recipe)
]


def model_for(name, status, recipe="2022", **other):
    """What a step takes, with all entries of its predecessors at a status."""
    if (recipe, name) in ON_RAMPS:
        model = datamodels.RampModel(testing.create_ramp(SHAPE))
        model.meta.exposure.read_pattern = [[read + 1] for read in range(SHAPE[0])]
        model.meta.exposure.nresultants = SHAPE[0]
        model.meta.exposure.frame_time = 3.04
    else:
        model = datamodels.ImageModel(testing.create_wfi_image(SHAPE[1:]))
    for entry in [step_class.cal_step_name for step_class in STEPS.values()]:
        if entry in model.meta.cal_step:
            model.meta.cal_step[entry] = other.get(entry, status)
    return model


@pytest.mark.parametrize("entry", OF_THE_MANUAL)
def test_a_step_builds_on_those_that_are_before_it_in_the_manual(entry):
    (name,) = (name for name, found in STEPS.items() if found.cal_step_name == entry)
    earlier = OF_THE_MANUAL[: OF_THE_MANUAL.index(entry)]
    assert [n for n in before(name, "2022") if n in OF_THE_MANUAL] == list(earlier)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_builds_on_steps_that_run_before_it(recipe):
    done = []
    for name in in_recipe(ExposurePipeline, recipe):
        assert set(before(name, recipe)) <= set(done)
        done.append(STEPS[name].cal_step_name)


def warned(name, model, caplog, recipe="2022") -> list[str]:
    """What the step warns of about its order, without references."""
    step_class = ExposurePipeline.step_defs[name]
    without = {f"override_{reftype}": "N/A" for reftype in step_class.reference_file_types}
    caplog.clear()
    step_class.call(model, recipe=recipe, **without)
    records = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    return [text.partition(" needs ")[2] for text in records if "first (INCOMPLETE" in text]


@pytest.mark.parametrize(("recipe", "name"), ON_RAMPS)
def test_steps_before_that_are_incomplete_are_named(recipe, name, caplog):
    model = model_for(name, "INCOMPLETE", recipe)
    for detector in ("WFI18", "WFI07"):
        model.meta.instrument.detector = detector
        # What has nothing to do for the exposure is not missed.
        told = [n for n in before(name, recipe) if detector == "WFI18" or n != "wfi18_transient"]
        assert warned(name, model, caplog, recipe) == [
            f"{', '.join(told)} first (INCOMPLETE in meta.cal_step)"
        ]


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        *((name, True) for name in ("refpix", "dark_decay", "wfi18_transient", "linearity")),
        *((name, False) for name in ("dq_init", "saturation", "jump")),
        *(("dark_current", True), ("flatfield", True), ("assign_wcs", False), ("photom", False)),
    ],
)
def test_a_step_that_corrects_what_is_corrected_says_that_it_is_wrong(name, harm, caplog):
    model = model_for("saturation" if name == "dq_init" else name, "COMPLETE", "flight")
    warned(name, model, caplog, "flight")
    (told,) = (r.getMessage() for r in caplog.records if "COMPLETE already" in r.getMessage())
    assert ("the data are corrected twice, and the numbers are wrong" in told) is harm


@pytest.mark.parametrize("status", ["COMPLETE", "SKIPPED"])
@pytest.mark.parametrize(
    ("recipe", "name"),
    [*ON_RAMPS, *((r, name) for r in RECIPES for name in ("flatfield", "photom"))],
)
def test_steps_before_that_are_done_or_skipped_are_not_named(recipe, name, status, caplog):
    assert warned(name, model_for(name, status, recipe), caplog, recipe) == []


def test_only_what_is_incomplete_is_named(caplog):
    model = model_for("jump", "COMPLETE", linearity="INCOMPLETE", dark="SKIPPED")
    assert warned("jump", model, caplog) == ["linearity first (INCOMPLETE in meta.cal_step)"]


@pytest.mark.parametrize("name", ["flatfield", "photom"])
def test_an_image_that_is_not_fitted(name, caplog):
    model = model_for(name, "COMPLETE", ramp_fit="INCOMPLETE")
    assert warned(name, model, caplog) == ["ramp_fit first (INCOMPLETE in meta.cal_step)"]


@pytest.mark.parametrize("name", dict.fromkeys(name for _, name in ON_RAMPS))
def test_a_raw_exposure_is_an_error_for_a_step_that_does_not_start_there(name):
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(SHAPE))
    step_class = ExposurePipeline.step_defs[name]
    wanted = f"{step_class.__name__} takes a ramp, got a raw exposure, .*: run dq_init.* first"
    with pytest.raises(InputError, match=wanted):
        step_class.call(raw)
    # Skipping it is no harm, and gives a ramp that says so.
    ramp = step_class.call(raw, skip=True)
    assert isinstance(ramp, datamodels.RampModel)


def test_a_raw_exposure_starts_at_dq_init():
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(SHAPE))
    ramp = DQInitStep.call(raw, override_mask="N/A")
    assert isinstance(ramp, datamodels.RampModel)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("skipped", [(), ("dq_init", "linearity", "dark_current")])
def test_pipelines_are_silent(simulated, caplog, recipe, fused, skipped):
    ExposurePipeline.call(
        simulated.exposure,
        references=str(simulated.references),
        recipe=recipe,
        fused=fused,
        steps={name: {"skip": True} for name in skipped},
    )
    assert "first (INCOMPLETE" not in caplog.text


def test_a_pipeline_in_another_order_is_told(simulated, caplog):
    class Hasty(RomanPipeline):
        step_defs = {
            name: ExposurePipeline.step_defs[name] for name in ("dq_init", "saturation", "jump")
        }

        def process(self, input):
            return self.jump(self.saturation(self.dq_init(input)))

    Hasty.call(str(simulated.exposure), references=str(simulated.references), recipe="2022")
    assert "jump needs linearity, dark first (INCOMPLETE" in caplog.text
