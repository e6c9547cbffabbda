"""What pipelines and steps are called: aliases, class paths, suffixes, entries in cal_step."""

import re
import sys

import pytest

from romancal_rs.cli import main
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, Step
from romancal_rs.stpipe.find_class import find_class
from romancal_rs.stpipe.output import remove_suffix
from romancal_rs.stpipe.registry import PIPELINES, aliases, canonical_path, classes, suffixes

#: The manual's table of suffixes, section 7.2, in the order of its steps.
SUFFIXES = {
    "dq_init": "dq_init",
    "saturation": "saturation",
    "linearity": "linearity",
    "dark_current": "dark_current",
    "jump": "jump",
    "rampfit": "rampfit",
    "assign_wcs": "assign_wcs",
    "flatfield": "flat",
    "photom": "phot",
}


#: What today's system calls the products of single steps.
OF_FLIGHT = {
    "dq_init": "dqinit",
    "saturation": "saturation",
    "refpix": "refpix",
    "dark_decay": "dark_decay",
    "wfi18_transient": "wfi18_transient",
    "linearity": "linearity",
    "rampfit": "rampfit",
    "dark_current": "darkcurrent",
    "assign_wcs": "assignwcs",
    "photom": "photom",
    "flatfield": "flat",
}


def in_recipe(step_class, recipe) -> str:
    if not hasattr(step_class, "in_recipe"):
        return step_class.default_suffix
    return step_class.in_recipe(recipe, "default_suffix")


@pytest.mark.parametrize("alias", aliases())
def test_every_alias_is_a_class_at_its_path(alias):
    found = find_class(alias)
    assert issubclass(found, Step)
    assert find_class(aliases()[alias]) is found


def test_every_step_of_the_pipeline_has_the_alias_that_is_its_name_there():
    for name, step_class in ExposurePipeline.step_defs.items():
        assert step_class.class_alias == name
        assert find_class(name) is step_class


def test_no_two_classes_share_an_alias_or_a_suffix():
    for names in (
        [(c.class_alias, *c.other_aliases) for c in classes().values()],
        [{c.default_suffix, *c.other_suffixes, in_recipe(c, "2022")} for c in classes().values()],
    ):
        every = [name for of_one in names for name in of_one]
        assert len(set(every)) == len(every)
        assert None not in every
    assert set(suffixes()) == set(every)


def test_the_steps_of_the_manual_have_its_suffixes_and_its_order():
    steps = ExposurePipeline.step_defs
    assert [name for name in steps if name in SUFFIXES] == list(SUFFIXES)
    assert {name: in_recipe(steps[name], "2022") for name in SUFFIXES} == SUFFIXES


def test_the_steps_of_flight_have_the_suffixes_of_today():
    steps = ExposurePipeline.step_defs
    assert {name: in_recipe(steps[name], "flight") for name in OF_FLIGHT} == OF_FLIGHT
    assert {*SUFFIXES.values(), *OF_FLIGHT.values()} <= set(suffixes())


def test_the_pipeline_has_both_its_aliases():
    assert find_class("roman_elp") is find_class("exposure_pipeline") is ExposurePipeline


def test_the_other_aliases_of_steps_are_names_in_the_pipeline():
    for name, step_class in ExposurePipeline.step_defs.items():
        for other in step_class.other_aliases:
            assert ExposurePipeline().step(other).name == name


class Constant(Step):
    """A step that is added to the pipeline by one line in its ``step_defs``."""

    class_alias = "constant"
    other_aliases = ("const",)
    default_suffix = "constant"
    other_suffixes = ("offset",)


@pytest.fixture
def with_constant(monkeypatch):
    """The registry of a package whose pipeline has one step more."""
    from romancal_rs.stpipe import registry

    steps = {"constant": Constant, **ExposurePipeline.step_defs}
    monkeypatch.setattr(ExposurePipeline, "step_defs", steps)
    cached = (registry.classes, registry.aliases, registry.suffixes)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.usefixtures("with_constant")
def test_a_step_that_the_pipeline_has_is_known_by_its_names_and_its_suffixes(capsys):
    assert aliases()["const"] == aliases()["constant"] == f"{__name__}.Constant"
    assert {"constant", "offset"} <= set(suffixes())
    assert remove_suffix("r1_constant") == remove_suffix("r1_offset") == "r1"
    assert main(["steps"]) == 0
    assert "constant, const" in capsys.readouterr().out


def test_the_pipelines_are_where_the_registry_looks_for_them():
    assert [find_class(path).class_alias for path in PIPELINES] == ["roman_elp"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("romancal.pipeline.ExposurePipeline", "romancal_rs.pipeline.ExposurePipeline"),
        ("calroman.pipeline.ExposurePipeline", "romancal_rs.pipeline.ExposurePipeline"),
        (
            "romancal.pipeline.exposure_pipeline.ExposurePipeline",
            "romancal_rs.pipeline.ExposurePipeline",
        ),
        ("romancal.jump.jump_step.JumpStep", "romancal_rs.jump.JumpStep"),
        ("romancal.ramp_fitting.ramp_fit_step.RampFitStep", "romancal_rs.ramp_fitting.RampFitStep"),
        ("romancal.flatfield.flat_field_step.FlatFieldStep", "romancal_rs.flatfield.FlatFieldStep"),
        ("romancal.dq_init.dq_init_step.DQInitStep", "romancal_rs.dq_init.DQInitStep"),
        ("stpipe.subprocess.SystemCall", "romancal_rs.stpipe.SystemCall"),
    ],
)
def test_class_paths_of_2022(old, new):
    assert canonical_path(old) == new
    assert issubclass(find_class(old), Step)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("roman_epl", "did you mean 'roman_elp'"),
        ("romancal.step.Foo", "romancal.step.Foo: this package has no such class; it has Assign"),
        ("romancal.step.JumpStop", "this package has no such class; did you mean 'JumpStep'?"),
        ("nomodule.Foo", "there is no module nomodule installed"),
        ("romancal_rs.jump.JumpStop", "did you mean 'JumpStep'"),
        ("romancal_rs.jmp.JumpStep", "romancal_rs.jmp"),
        ("romancal_rs.kernels.ReadPattern", "is neither a step nor a pipeline"),
    ],
)
def test_what_is_no_class_is_told(name, told):
    with pytest.raises(ParameterError, match=re.escape(told)):
        find_class(name)


def test_a_class_in_the_current_directory_is_pointed_at(tmp_path, monkeypatch):
    (tmp_path / "my_own_step.py").write_text("class Bad: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [item for item in sys.path if item not in ("", ".")])
    with pytest.raises(ParameterError) as caught:
        find_class("my_own_step.Bad")
    assert str(caught.value) == (
        "my_own_step.Bad: there is no module my_own_step installed; my_own_step in the current "
        "directory is not looked at: name it in a parameter file that lies beside it, or set "
        "PYTHONPATH=."
    )
