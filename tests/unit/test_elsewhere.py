"""Steps and parameters of the mission's own package that are not here; its names for what is."""

import logging

import asdf
import pytest

from romancal_rs.cli import main
from romancal_rs.datamodels.testing import create_wfi_science_raw
from romancal_rs.dq_init import DQInitStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, UnknownParameterError, config, configure, elsewhere
from romancal_rs.stpipe.find_class import find_class
from romancal_rs.stpipe.registry import aliases, classes

NOT_HERE = "is a step of romancal 1.1 that is not in this package, and may only be skipped"
ASDF = {"name": "x", "class": "romancal.pipeline.ExposurePipeline"}


def write(path, tree, **meta):
    asdf.AsdfFile({**tree, "meta": meta}).write_to(path)
    return path


def stored(directory, name, tree):
    """A parameter reference in a directory of references."""
    meta = {"reftype": f"pars-{name}", "useafter": "2020-01-01T00:00:00"}
    write(directory / f"{name}.asdf", tree, **meta, instrument={"name": "WFI"}, telescope="ROMAN")


def built(step_class, references):
    from romancal_rs.datamodels import ScienceRawModel

    raw = ScienceRawModel(create_wfi_science_raw((3, 16, 16)))
    return configure.build(step_class, raw, parameters={"references": str(references)})


def test_the_table_names_nothing_that_is_here():
    assert not set(elsewhere.STEPS) & (set(aliases()) | set(ExposurePipeline.step_defs))
    for step_class in classes().values():
        for name in step_class.parameters:
            assert elsewhere.version_with(step_class, name) is None


# --- parameter references of a store


def test_unknown_parameters_of_a_store_are_passed_over_with_a_warning_each(tmp_path, caplog):
    parameters = {"rejection_threshold": 7.5, "expand_factor": 2.0, "of_tomorrow": True}
    tree = {"class": "romancal.jump.jump_step.JumpStep", "name": "JumpStep"}
    stored(tmp_path, "jumpstep", {**tree, "parameters": parameters})
    pipeline = built(ExposurePipeline, tmp_path)
    assert pipeline.jump.rejection_threshold == 7.5
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 2
    file = tmp_path / "jumpstep.asdf"
    assert warnings[0].startswith(f"jump has no parameter 'expand_factor' ({file}, line ")
    assert warnings[0].endswith("): it is one of romancal 0.12, and ignored")
    assert warnings[1].startswith(f"jump has no parameter 'of_tomorrow' ({file}, line ")
    assert warnings[1].endswith("): ignored")


def test_unknown_steps_of_a_store_are_passed_over(tmp_path, caplog):
    steps = [
        {"class": "romancal.step.TweakRegStep", "parameters": {"skip": False, "minobj": 3}},
        {"name": "of_tomorrow", "parameters": {"x": 1}},
        {"name": "dark", "parameters": {"skip": True}},
    ]
    stored(tmp_path, "exposurepipeline", {**ASDF, "parameters": {"on_disk": True}, "steps": steps})
    pipeline = built(ExposurePipeline, tmp_path)
    assert pipeline.dark_current.skip is True
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "'on_disk'" in told
    assert "no step 'of_tomorrow'" in told
    assert f"tweakreg {NOT_HERE}" in told


def test_a_wrong_value_of_a_store_says_the_way_out(tmp_path):
    tree = {"class": "romancal_rs.jump.JumpStep", "parameters": {"rejection_threshold": -1}}
    stored(tmp_path, "jump", tree)
    with pytest.raises(ParameterError, match=r"rejection_threshold = .*--disable-crds-steppars"):
        built(ExposurePipeline, tmp_path)


# --- parameters that the user gives


def test_a_parameter_of_another_version_in_a_file_that_the_user_named(tmp_path):
    tree = {"class": "romancal.step.RampFitStep", "parameters": {"threshold_constant": 0.3}}
    file = config.load(write(tmp_path / "pars.asdf", tree))
    with pytest.raises(UnknownParameterError) as caught:
        configure.build(find_class("rampfit"), config=file)
    message = str(caught.value)
    assert f"no parameter 'threshold_constant' ({file.path}, line " in message
    assert "it is one of romancal 1.1, and has no meaning here; leave it out" in message
    assert "--disable-crds-steppars" in message


def test_a_parameter_of_another_version_from_python_and_the_command_line(capsys):
    with pytest.raises(UnknownParameterError, match=r"'on_disk': it is one of romancal 1\.1"):
        ExposurePipeline(on_disk=True)
    with pytest.raises(UnknownParameterError, match=r"'update_version': it is one of romancal"):
        DQInitStep(update_version=True)
    for option in ("--steps.ramp_fit.threshold_intercept=5.5", "--on_disk=true"):
        with pytest.raises(SystemExit):
            main(["run", "roman_elp", "x.asdf", option])
        assert f"{option}: it is one of romancal 1.1" in capsys.readouterr().err


def test_a_fit_of_another_version_is_told_from_those_that_are_here(capsys):
    told = "that fit of romancal 1.1 is not in this package; its default is likely"
    with pytest.raises(ParameterError, match=told):
        find_class("rampfit")(algorithm="ols_cas22")
    with pytest.raises(SystemExit):
        main(["run", "roman_elp", "x.asdf", "--steps.rampfit.algorithm=ols_cas22"])
    assert told in capsys.readouterr().err


# --- steps that are not here


@pytest.mark.parametrize("skip", [True, "true", "1", "yes"])
def test_a_step_that_is_not_here_may_be_skipped(skip):
    for name in elsewhere.STEPS:
        ExposurePipeline(steps={name: {"skip": skip}})


@pytest.mark.parametrize("given", [{}, {"skip": False}, {"minobj": 3}])
def test_a_step_that_is_not_here_may_only_be_skipped(given):
    with pytest.raises(ParameterError, match=f"tweakreg {NOT_HERE}"):
        ExposurePipeline(steps={"tweakreg": given})
    with pytest.raises(AttributeError, match=f"tweakreg {NOT_HERE}"):
        _ = ExposurePipeline().tweakreg.minobj
    with pytest.raises(ParameterError, match=f"source_catalog {NOT_HERE}"):
        ExposurePipeline().step("source_catalog")


def test_a_step_that_is_not_here_may_be_skipped_as_an_attribute():
    pipeline = ExposurePipeline()
    pipeline.tweakreg.skip = True
    assert pipeline.tweakreg.skip is True
    assert repr(pipeline.tweakreg) == ("<step 'tweakreg', which is not in this package: skip=True>")
    for name, value in {"skip": False, "minobj": 3}.items():
        with pytest.raises(ParameterError, match=f"tweakreg {NOT_HERE}"):
            setattr(pipeline.tweakreg, name, value)
    with pytest.raises(AttributeError, match="no_such_step"):
        _ = pipeline.no_such_step


@pytest.mark.parametrize("step", [{"name": "tweakreg"}, {"class": "romancal.step.TweakRegStep"}])
def test_a_step_that_is_not_here_in_a_file(tmp_path, step):
    skipped = {**step, "parameters": {"skip": True, "minobj": 3}}
    file = config.load(write(tmp_path / "skipped.asdf", {**ASDF, "steps": [skipped]}))
    configure.build(ExposurePipeline, config=file)
    asked_for = {**step, "parameters": {"skip": False}}
    file = config.load(write(tmp_path / "asked_for.asdf", {**ASDF, "steps": [asked_for]}))
    with pytest.raises(ParameterError, match=f"tweakreg {NOT_HERE}.*asked_for.asdf, line"):
        configure.build(ExposurePipeline, config=file)


@pytest.mark.parametrize("option", ["--steps.tweakreg.skip=false", "--steps.tweakreg.minobj=3"])
def test_a_step_that_is_not_here_on_the_command_line(option, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["run", "roman_elp", "x.asdf", option])
    assert stopped.value.code == 2
    assert f"tweakreg {NOT_HERE}" in capsys.readouterr().err


def test_a_run_that_skips_steps_that_are_not_here(simulated, tmp_path):
    words = ["--steps.tweakreg.skip=true", "--steps.source_catalog.skip=1", "--skip=true"]
    words += [f"--references={simulated.references}", f"--output_dir={tmp_path}"]
    assert main(["run", "roman_elp", str(simulated.exposure), *words]) == 0


def test_a_pipeline_may_have_a_step_of_its_own_by_such_a_name():
    class WithFlux(ExposurePipeline):
        step_defs = {**ExposurePipeline.step_defs, "flux": DQInitStep}

    assert WithFlux(steps={"flux": {"suffix": "x"}}).flux.suffix == "x"


# --- names of the mission's package


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("romancal.step.DarkCurrentStep", "dark_current"),
        ("romancal.step.DQInitStep", "dq_init"),
        ("romancal.step.FlatFieldStep", "flatfield"),
        ("romancal.step.LinearityStep", "linearity"),
        ("romancal.step.PhotomStep", "photom"),
        ("romancal.step.RampFitStep", "rampfit"),
        ("romancal.step.SaturationStep", "saturation"),
        ("romancal.step.AssignWcsStep", "assign_wcs"),
        ("dark", "dark_current"),
        ("flat_field", "flatfield"),
        ("ramp_fit", "rampfit"),
    ],
)
def test_todays_class_paths_and_aliases(name, ours):
    assert find_class(name) is ExposurePipeline.step_defs[ours]


@pytest.mark.parametrize(
    "name",
    ["tweakreg", "roman_mos", "romancal.step.TweakRegStep", "romancal.pipeline.MosaicPipeline"],
)
def test_a_class_that_is_not_here(name):
    with pytest.raises(
        ParameterError, match=f"{name} belongs to romancal 1.1; this package does not have it"
    ):
        find_class(name)


def test_todays_names_of_steps():
    steps = {name: {"skip": True} for name in ("dark", "flat_field", "ramp_fit")}
    pipeline = ExposurePipeline(steps=steps)
    assert all((pipeline.dark.skip, pipeline.flat_field.skip, pipeline.ramp_fit.skip))
    assert pipeline.dark is pipeline.dark_current
