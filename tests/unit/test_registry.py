"""What pipelines and steps are called: aliases, class paths, suffixes, entries in cal_step."""

import re
import sys

import pytest

from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, Step
from romancal_rs.stpipe.registry import ALIASES, canonical_path, find_class

#: The manual's table of suffixes, section 7.2.
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


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_is_a_class_at_its_path(alias):
    found = find_class(alias)
    assert issubclass(found, Step)
    assert find_class(ALIASES[alias]) is found


def test_every_step_has_its_alias_and_its_suffix():
    assert list(ExposurePipeline.step_defs) == list(SUFFIXES)
    for name, step_class in ExposurePipeline.step_defs.items():
        assert step_class.class_alias == name
        assert find_class(name) is step_class
        assert step_class.default_suffix == SUFFIXES[name]


def test_the_pipeline_has_both_its_aliases():
    assert find_class("roman_elp") is find_class("exposure_pipeline") is ExposurePipeline


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
        ("romancal_rs.kernels.ReadPattern", "is no step or pipeline"),
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
