"""Which recipe an exposure goes through, and which steps of a pipeline that are, in which order."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import ClassVar

import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.dq_init import DQInitStep
from romancal_rs.flatfield import FlatFieldStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import in_recipe
from romancal_rs.references import ReferenceFileError
from romancal_rs.saturation import SaturationStep
from romancal_rs.stpipe import ParameterError, RampStep, RomanStep, Step
from romancal_rs.stpipe.recipes import LEFT_OUT, RECIPES, recipe_for

SHAPE = (3, 16, 16)
SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
OF_2022 = next(SEED_ERA.glob("*_uncal.asdf"))


class Known(RampStep):
    """Stands for a step that recipes name, and that is not in this pipeline."""


class Own(RampStep):
    """A step that no recipe names."""


class OnImages(RomanStep):
    """Another one, for what the fit makes."""


def raw() -> datamodels.ScienceRawModel:
    return datamodels.ScienceRawModel(testing.create_wfi_science_raw(SHAPE))


def ramp() -> datamodels.RampModel:
    return datamodels.RampModel(testing.create_ramp(SHAPE))


# --- of exposures


def test_a_file_of_today_goes_through_the_recipe_of_flight():
    for exposure in (raw(), ramp(), datamodels.ImageModel(testing.create_wfi_image())):
        assert recipe_for(exposure) == ("flight", "its file is of today")


def test_a_file_of_2022_goes_through_that_of_2022_and_so_does_what_is_made_of_it():
    with datamodels.open(OF_2022) as exposure:
        assert recipe_for(exposure) == ("2022", "its file is of 2022")
        made = datamodels.RampModel.from_science_raw(exposure)
        assert recipe_for(made).name == "2022"


def test_a_ramp_of_2022_that_is_saved_goes_on_in_its_recipe(tmp_path):
    DQInitStep.call(OF_2022, override_mask="N/A", output_file=str(tmp_path / "a_dq_init.asdf"))
    path = tmp_path / "a_dq_init.asdf"
    with datamodels.open(path) as saved:
        assert saved.era == "today"
        assert saved.meta.cal_recipe == "2022"
        assert recipe_for(saved) == ("2022", "its steps so far are of it")
    result = SaturationStep.call(path, override_saturation="N/A")
    assert result.meta.cal_recipe == "2022"
    assert result.meta.cal_runs[-1]["recipe"]["name"] == "2022"


def test_what_the_user_says_wins_and_is_kept_for_the_steps_that_follow(caplog):
    caplog.set_level(logging.INFO)
    begun = DQInitStep.call(raw(), override_mask="N/A", recipe="2022")
    assert begun.meta.cal_recipe == "2022"
    assert begun.meta.cal_runs[-1]["recipe"] == {"name": "2022", "reason": "recipe = 2022 is set"}
    assert "Recipe 2022: recipe = 2022 is set" in caplog.text
    assert SaturationStep().recipe_of(begun) == "2022"
    assert SaturationStep(recipe="flight").recipe_of(begun) == "flight"
    caplog.clear()
    SaturationStep.call(begun, recipe="flight", override_saturation="N/A")
    assert "steps so far follow recipe 2022; the next ones follow recipe flight" in caplog.text


def test_ramps_that_were_saved_before_there_were_recipes_go_on_as_they_began():
    of_2022, dark_done = ramp(), ramp()
    of_2022.meta.exposure["group_time"] = 30.0
    assert recipe_for(of_2022) == ("2022", "it states a group_time, as files of 2022 do")
    dark_done.meta.cal_step.dark = "COMPLETE"
    assert recipe_for(dark_done) == ("2022", "its dark current is subtracted before the fit")


def test_the_word_of_a_raw_exposure_on_its_recipe_is_not_taken():
    exposure = raw()
    exposure.meta["cal_recipe"] = "2022"
    assert recipe_for(exposure).name == "flight"


@pytest.mark.parametrize("nonsense", ["2023", 2022, None, ["flight"]])
def test_a_recipe_that_there_is_not_is_none(nonsense):
    exposure = ramp()
    exposure.meta["cal_recipe"] = nonsense
    assert recipe_for(exposure).reason == "its file is of today"


def test_the_parameter_is_inherited_from_the_pipeline():
    pipeline = ExposurePipeline(recipe="2022")
    assert pipeline.flatfield.recipe_of(raw()) == "2022"
    with pytest.raises(ParameterError, match="recipe = '2023'"):
        ExposurePipeline(recipe="2023")


@pytest.mark.parametrize("name", ["linearity", "refpix", "photom"])
@pytest.mark.parametrize("fused", [True, False])
def test_a_step_of_another_recipe_than_its_pipeline_is_an_error(simulated, name, fused):
    """It ran by that recipe, or did nothing, and the product was said to be of the pipeline's."""
    with pytest.raises(ParameterError) as told:
        ExposurePipeline.call(
            simulated.exposure,
            references=str(simulated.references),
            steps={name: {"recipe": "2022"}},
            fused=fused,
        )
    assert str(told.value) == (
        f"{name}.recipe = '2022': a step takes the recipe of its pipeline, and ExposurePipeline "
        "runs that of flight (its file is of today): give recipe = '2022' to ExposurePipeline, or "
        "run the step by itself"
    )


def test_a_step_may_be_told_the_recipe_that_its_pipeline_has():
    steps = {"linearity": {"recipe": "2022"}}
    assert ExposurePipeline(recipe="2022", steps=steps).linearity.recipe_of(raw()) == "2022"


def test_the_year_of_a_recipe_may_be_a_number():
    assert SaturationStep(recipe=2022).recipe == "2022"
    with pytest.raises(ParameterError, match="recipe = 2023"):
        SaturationStep(recipe=2023)
    with pytest.raises(ParameterError, match="recipe = True"):
        SaturationStep(recipe=True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_a_recipe_does_without_is_what_its_pipeline_has_not(recipe):
    steps = ExposurePipeline.step_defs
    # The jump step is of all recipes: it runs where the fit finds no jumps.
    own = {*in_recipe(ExposurePipeline, recipe), "jump"}
    left_out = [name for name in steps if name not in own]
    assert tuple(steps[name].cal_step_name for name in left_out) == LEFT_OUT[recipe]


@pytest.mark.parametrize("name", ["refpix", "dark_decay", "wfi18_transient"])
def test_a_step_that_the_recipe_of_the_ramp_does_without_warns(name, caplog):
    exposure = ramp()
    exposure.meta["cal_recipe"] = "2022"
    step_class = ExposurePipeline.step_defs[name]
    without = {f"override_{reftype}": "N/A" for reftype in step_class.reference_file_types}
    step_class.call(exposure, **without)
    assert f"it follows recipe 2022, which has no step {name}" in caplog.text
    caplog.clear()
    step_class.call(ramp(), **without)
    assert "which has no" not in caplog.text


# --- of classes


def test_what_is_otherwise_in_a_recipe_a_subclass_may_say_for_both():
    class Everywhere(FlatFieldStep):
        exposure_types: ClassVar = ()

    class Elsewhere(FlatFieldStep):
        by_recipe: ClassVar = {"2022": {"exposure_types": ("WFI_FLAT",)}}

    assert FlatFieldStep.in_recipe("2022", "exposure_types") == ("WFI_IMAGE",)
    assert "WFI_WFSC" in FlatFieldStep.in_recipe("flight", "exposure_types")
    for recipe in RECIPES:
        assert Everywhere.in_recipe(recipe, "exposure_types") == ()
    assert Elsewhere.in_recipe("2022", "exposure_types") == ("WFI_FLAT",)
    assert "WFI_WFSC" in Elsewhere.in_recipe("flight", "exposure_types")


def test_a_step_may_ask_for_references_in_one_recipe_alone():
    class Twofold(RomanStep):
        reference_file_types: ClassVar = ["gain", "flat"]
        by_recipe: ClassVar = {"2022": {"reference_file_types": ["gain"]}}

    assert "override_flat" in Twofold.parameters
    assert Twofold().reference_types_for(raw()) == ["gain", "flat"]
    assert Twofold(recipe="2022").reference_types_for(raw()) == ["gain"]


def test_a_reference_that_a_step_can_do_without_does_not_skip_it():
    class Lenient(RomanStep):
        reference_file_types: ClassVar = ["gain", "flat"]
        optional_references: ClassVar = ("flat",)

    assert Lenient(override_gain=made_up_gain(), override_flat="N/A").reason_to_skip(raw()) == ""
    without = Lenient(override_gain="N/A", override_flat="N/A")
    assert without.reason_to_skip(raw()) == "its GAIN is N/A"


def made_up_gain() -> datamodels.GainRefModel:
    return datamodels.GainRefModel(testing.create_gain(SHAPE[1:]))


def test_a_step_that_is_skipped_without_one_reference_needs_no_other():
    class Both(RomanStep):
        reference_file_types: ClassVar = ["gain", "flat"]

    assert Both(override_gain="N/A").reason_to_skip(raw()) == "its GAIN is N/A"
    with pytest.raises(ReferenceFileError, match="no FLAT"):
        Both(override_gain=made_up_gain()).reason_to_skip(raw())


# --- of pipelines


def pipeline_of(steps: dict[str, type[Step]]) -> type[ExposurePipeline]:
    return type("Changed", (ExposurePipeline,), {"step_defs": steps})


def test_the_steps_of_each_recipe_are_in_its_order():
    first = ("dq_init", "saturation", "refpix", "dark_decay", "wfi18_transient")
    listed = dict.fromkeys((*first, *ExposurePipeline.step_defs))
    steps = {name: ExposurePipeline.step_defs.get(name, Known) for name in listed}
    of_2022 = "dq_init saturation linearity dark_current jump rampfit assign_wcs flatfield photom"
    of_flight = (
        "dq_init saturation refpix dark_decay wfi18_transient linearity rampfit dark_current "
        "assign_wcs photom flatfield"
    )
    assert " ".join(in_recipe(pipeline_of(steps), "2022")) == of_2022
    assert " ".join(in_recipe(pipeline_of(steps), "flight")) == of_flight


def inserted(name: str, step: type[Step], before: str) -> type[ExposurePipeline]:
    steps = list(ExposurePipeline.step_defs.items())
    place = [listed for listed, _ in steps].index(before)
    return pipeline_of(dict([*steps[:place], (name, step), *steps[place:]]))


@pytest.mark.parametrize(
    ("listed_before", "after_in_2022", "after_in_flight"),
    [
        ("jump", "dark_current", "linearity"),
        # The dark is on the other side of the fit in flight, and the step is not.
        ("dark_current", "linearity", "linearity"),
        ("rampfit", "jump", "linearity"),
        ("dq_init", None, None),
    ],
)
def test_a_step_of_ones_own_runs_in_both_before_the_one_it_is_listed_before(
    listed_before, after_in_2022, after_in_flight
):
    pipeline = inserted("own", Own, listed_before)
    for recipe, after in (("2022", after_in_2022), ("flight", after_in_flight)):
        names = in_recipe(pipeline, recipe)
        before = names[names.index("own") - 1] if names[0] != "own" else None
        assert before == after
        assert [n for n in names if n != "own"] == in_recipe(ExposurePipeline, recipe)


def test_a_step_of_ones_own_on_images_stays_behind_the_fit():
    for before in ("assign_wcs", "flatfield", "photom"):
        for recipe in RECIPES:
            names = in_recipe(inserted("own", OnImages, before), recipe)
            assert names.index("own") > names.index("rampfit")
    at_the_end = pipeline_of({**ExposurePipeline.step_defs, "own": OnImages})
    assert [in_recipe(at_the_end, recipe)[-1] for recipe in RECIPES] == ["own", "own"]


def test_an_order_of_ones_own_is_kept_and_steps_of_the_other_recipe_left_out():
    names = ["dq_init", "linearity", "saturation", "refpix", "rampfit", "photom", "dark_current"]
    steps = {name: ExposurePipeline.step_defs.get(name, Known) for name in names}
    assert in_recipe(pipeline_of(steps), "flight") == names
    assert in_recipe(pipeline_of(steps), "2022") == [n for n in names if n != "refpix"]


def test_a_pipeline_may_have_recipes_of_its_own():
    class Short(ExposurePipeline):
        recipes: ClassVar = {**ExposurePipeline.recipes, "flight": ("dq_init", "rampfit")}

    assert in_recipe(Short, "flight") == ["dq_init", "rampfit"]
    assert in_recipe(Short, "2022") == in_recipe(ExposurePipeline, "2022")
