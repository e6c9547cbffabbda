"""The manual's section 8.1.13, "ASDF Parameter Files" and "Parameter Files".

How values win over each other, relative paths, mistakes in files and the ConfigObj form are in
tests/unit/test_parameter_files.py and tests/unit/test_precedence.py.
"""

import pytest

from romancal_rs import datamodels
from romancal_rs.flatfield import FlatFieldStep
from romancal_rs.jump import JumpStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, config, configure

PREAMBLE = """\
#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
"""
JUMP = PREAMBLE + "class: romancal.jump.jump_step.JumpStep\nname: jump\n"


def built(step_class, path):
    return configure.build(step_class, config=config.load(path))


# --- "To create a parameter file" and using it


def test_save_the_parameters_of_the_pipeline_and_run_them(page):
    """8.1.13: "to get the parameters for the ExposurePipeline pipeline, do the following"."""
    page.strun("""
$ strun --save-parameters=exp_pars.asdf roman_elp r0000101001001001001_01101_0001_WFI01_
↪uncal.asdf
""")
    assert built(ExposurePipeline, "exp_pars.asdf").jump.rejection_threshold == 4.0
    (page.directory / f"{page.second}_cal.asdf").unlink()
    page.strun("$ strun exp_pars.asdf r0000101001001001001_01101_0001_WFI01_uncal.asdf")
    assert page.made("*_cal") == [f"{page.second}_cal.asdf"]


def test_from_an_existing_cfg_file(page):
    """8.1.13: "or already existing .asdf or .cfg file" using --save-parameters."""
    page.write("jump.cfg", 'name = "jump"\nclass = "romancal.jump.JumpStep"\nskip = True\n')
    page.strun(f"strun jump.cfg {page.first}_uncal.asdf --save-parameters=jump.asdf")
    assert built(JumpStep, "jump.asdf").skip is True


def test_save_the_parameters_after_the_input(page):
    """8.1.13: "strun roman_elp ... --save-parameters my_exppars.asdf"; "the file can be edited"."""
    page.strun("""
$ strun roman_elp r0000101001001001001_01101_0001_WFI01_uncal.asdf --save-parameters my_
↪exppars.asdf
""")
    text = (page.directory / "my_exppars.asdf").read_text()
    edited = text.replace("save_calibrated_ramp: false", "save_calibrated_ramp: true")
    assert edited != text
    page.write("my_exppars2.asdf", edited)
    page.strun("$ strun my_exppars2.asdf r0000101001001001001_01101_0001_WFI01_uncal.asdf")
    assert page.made("*_ramp") == [f"{page.second}_ramp.asdf"]


@pytest.mark.usefixtures("ramps")
def test_saved_values_are_those_used(page):
    """8.1.13: "the values will be those actually used": from the command line, and from a file."""
    page.write("jump.asdf", JUMP + "parameters: {rejection_threshold: 80.0, suffix: a}\n...\n")
    line = f"strun jump.asdf {page.first}_uncal.asdf --suffix=b"
    page.strun(f"{line} --save-parameters used.asdf")
    used = built(JumpStep, "used.asdf")
    assert (used.rejection_threshold, used.suffix, used.save_results) == (80.0, "b", True)


# --- "File Contents"


def test_file_contents(page):
    """8.1.13: "the configuration for the step roman_elp will be used as the example"."""
    page.copy("file_contents.asdf")
    pipe = built(ExposurePipeline, "file_contents.asdf")
    thresholds = ("rejection_threshold", "three_group_rejection_threshold")
    assert [getattr(pipe.jump, name) for name in thresholds] == [180.0, 185.0]
    assert pipe.jump.four_group_rejection_threshold == 190.0
    assert pipe.save_results is True
    page.strun(f"strun file_contents.asdf {page.second}_uncal.asdf --recipe=2022")
    assert page.made("*_cal") == [f"{page.second}_cal.asdf"]
    with datamodels.open(f"{page.second}_cal.asdf") as image:
        assert image.meta.cal_step.jump == "COMPLETE"


def test_the_last_line_is_essential(page):
    """8.1.13: "the last line, containing the three . . . is essential"."""
    page.write("jump.asdf", JUMP + "parameters: {}\n")
    told = page.strun(f"strun jump.asdf {page.first}_uncal.asdf", status=2).err
    assert "jump.asdf: not a parameter file: truncated: its head has no end" in told


def test_class_is_required(page):
    """8.1.13: "There are two required keys at the top level: class and parameters"."""
    page.write("jump.asdf", PREAMBLE + "parameters: {}\n...\n")
    told = page.strun(f"strun jump.asdf {page.first}_uncal.asdf", status=2).err
    assert "jump.asdf: not a parameter file: it names no class" in told


def test_parameters_may_be_left_out(page):
    """8.1.13: "the keyword parameters is required": here it may be left out as well."""
    page.write("jump.asdf", JUMP + "...\n")
    assert built(JumpStep, "jump.asdf").get_pars() == JumpStep().get_pars()


def test_system_call(page):
    """8.1.13: "to use the SystemCall step included with stpipe, set class to ..."."""
    page.write(
        "call.asdf",
        PREAMBLE + "class: stpipe.subprocess.SystemCall\nparameters: {command: 'cat {0} > b'}\n...",
    )
    page.write("a.txt", "some words")
    page.strun("strun call.asdf a.txt")
    assert (page.directory / "b").read_text() == "some words"


def test_a_class_beside_the_file(page, caplog):
    """8.1.13: "To use a class called Custom defined in a file mysteps.py in the same directory"."""
    page.write(
        "pars/mysteps.py",
        """
from romancal_rs.stpipe import RomanStep

class Custom(RomanStep):
    spec = "threshold = float(default=1.0)"

    def process(self, input):
        self.log.warning("threshold %s", self.threshold)
""",
    )
    text = PREAMBLE + "class: mysteps.Custom\nparameters: {threshold: 2.5}\n...\n"
    page.write("pars/custom.asdf", text)
    page.strun("strun pars/custom.asdf anything")
    assert "threshold 2.5" in caplog.messages


def test_the_same_class_under_two_names(page):
    """8.1.13: "a Pipeline may use the same Step class multiple times"."""
    space = page.python("""
from romancal.flatfield import FlatFieldStep
from romancal.stpipe import Pipeline

class Two(Pipeline):
    step_defs = {"one": FlatFieldStep, "other": FlatFieldStep}
""")
    page.write(
        "two.asdf",
        PREAMBLE
        + """class: mine.Two
parameters: {}
steps:
- {class: romancal.flatfield.FlatFieldStep, name: other, parameters: {suffix: second}}
...
""",
    )
    pipe = built(space.Two, "two.asdf")
    assert (pipe.one.suffix, pipe.other.suffix) == (None, "second")


def test_the_order_of_parameters_does_not_matter(page):
    """8.1.13: "The order of the parameters does not matter"."""
    one = page.write("a.asdf", JUMP + "parameters: {suffix: a, rejection_threshold: 80.0}\n...\n")
    two = page.write("b.asdf", JUMP + "parameters: {rejection_threshold: 80.0, suffix: a}\n...\n")
    assert built(JumpStep, one).get_pars() == built(JumpStep, two).get_pars()


def test_formatting_like_a_python_dict(page):
    """8.1.13: "the parameters block above could also have been formatted as"."""
    page.write(
        "jump.asdf",
        JUMP
        + """
parameters: {flag_4_neighbors: true, four_group_rejection_threshold: 190.0,
             max_jump_to_flag_neighbors: 1000.0, maximum_cores: none,
             min_jump_to_flag_neighbors: 10.0, output_dir: null, output_ext: .asdf,
             output_file: null, output_use_index: true, output_use_model: false,
             rejection_threshold: 180.0, three_group_rejection_threshold: 185.0}
...
""",
    )
    page.copy("file_contents.asdf")
    block = built(ExposurePipeline, "file_contents.asdf").jump.get_pars()
    assert built(JumpStep, "jump.asdf").get_pars() == block


def test_optional_components(page):
    """8.1.13: "The asdf_library and history blocks are necessary only" for references."""
    text = page.copy("file_contents.asdf").read_text()
    start, end = text.index("asdf_library"), text.index("\nclass:") + 1
    page.write("bare.asdf", text[:start] + text[end:])
    bare = built(ExposurePipeline, "bare.asdf").get_pars()
    assert bare == built(ExposurePipeline, "file_contents.asdf").get_pars()


# --- "Completeness"


def test_a_parameter_without_default_that_is_not_set(page):
    """8.1.13: "an error will be produced when the step is executed"."""
    space = page.python("""
from romancal.stpipe import Step

class Needs(Step):
    spec = "factor = float()  # A multiplication factor"

    def process(self, value):
        return 3.0 * self.factor
""")
    with pytest.raises(ParameterError, match="factor has no default: set it"):
        space.Needs().run(1)
    assert space.Needs(factor=2).run(1) == 6.0


def test_a_parameter_that_is_not_set_stops_the_step_before_its_work(page):
    """8.1.13: "when the step is executed": also where the step would not ask for it."""
    space = page.python("""
from romancal.stpipe import Step

class Needs(Step):
    spec = "factor = float()  # A multiplication factor"

    def process(self, value):
        return value
""")
    with pytest.raises(ParameterError, match="factor has no default: set it"):
        space.Needs().run(1)


def test_only_what_is_to_change(page):
    """8.1.13: "the parameters block need only contain the following"."""
    page.write(
        "jump.asdf",
        JUMP
        + """
parameters:
  rejection_threshold: 80.0
...
""",
    )
    expected = JumpStep().get_pars() | {"rejection_threshold": 80.0}
    assert built(JumpStep, "jump.asdf").get_pars() == expected


# --- "Pipeline Configuration"

REJECTION_THRESHOLD = (
    PREAMBLE
    + """
class: romancal.pipeline.exposure_pipeline.ExposurePipeline
parameters: {}
steps:
- class: romancal.jump.jump_step.JumpStep
  parameters:
    rejection_threshold: 80.0
...
"""
)


def test_rejection_threshold_of_the_jump_step_in_a_pipeline(page):
    """8.1.13: "would look as follows"; "the other steps ... would still be executed"."""
    page.write("exp.asdf", REJECTION_THRESHOLD)
    assert built(ExposurePipeline, "exp.asdf").jump.rejection_threshold == 80.0
    page.strun(f"strun exp.asdf {page.second}_uncal.asdf")
    with datamodels.open(f"{page.second}_cal.asdf") as image:
        assert image.meta.cal_step.assign_wcs == image.meta.cal_step.photom == "COMPLETE"


def test_steps_are_a_list_not_keys(page):
    """8.1.13: "by using the sub-step name as the key", which the example does not do."""
    text = PREAMBLE + (
        "class: romancal.pipeline.ExposurePipeline\nparameters: {}\n"
        "steps:\n  jump:\n    rejection_threshold: 80.0\n...\n"
    )
    with pytest.raises(ParameterError, match="line 8: steps must be a list, each with its class"):
        built(ExposurePipeline, page.write("exp.asdf", text))


def test_skip_a_step(page):
    """8.1.13: "to skip the flatfield step, the parameter file would look like"."""
    page.write(
        "exp.asdf",
        PREAMBLE
        + """
class: romancal.pipeline.exposure_pipeline.ExposurePipeline
parameters: {}
steps:
- class: romancal.flatfield.flat_field_step.FlatFieldStep
  name: flatfield
  parameters:
    skip: true
...
""",
    )
    page.strun(f"strun exp.asdf {page.second}_uncal.asdf")
    with datamodels.open(f"{page.second}_cal.asdf") as image:
        assert image.meta.cal_step.flat_field == "SKIPPED"
        assert image.meta.cal_step.photom == "COMPLETE"


# --- "Python API", "History"


def test_export_config(page):
    """8.1.13: "to create a parameter file for JumpStep, use the following"."""
    page.python("""
>>> from romancal.jump import JumpStep
>>> step = JumpStep()
>>> step.export_config('jump_step.asdf')
""")
    assert built(JumpStep, "jump_step.asdf").get_pars() == JumpStep().get_pars()
    for parameter in JumpStep.parameters:
        assert f"{parameter}:" in (page.directory / "jump_step.asdf").read_text()


def test_history_block(page):
    """8.1.13: "Parameter reference files also require at least one history entry"."""
    page.write(
        "jump.asdf",
        JUMP
        + """
history:
  extensions:
    - !core/extension_metadata-1.0.0
      extension_class: asdf.extension.BuiltinExtension
      software: !core/software-1.0.0 {name: asdf, version: 2.13.0}
  history:
    entries:
      - !core/history_entry-1.0.0 {description: Base values, time: !!timestamp '2019-10-29
        21:20:50'}
parameters: {rejection_threshold: 80.0}
...
""",
    )
    assert built(JumpStep, "jump.asdf").rejection_threshold == 80.0


def test_history_entries_by_the_asdf_api(page):
    """8.1.13: "It is highly suggested to use the ASDF API to add history entries"."""
    JumpStep(rejection_threshold=80).export_config("config.asdf")
    page.python("""
>>> import asdf
>>> cfg = asdf.open('config.asdf')
#
# Modify `parameters` and `meta` as necessary.
#
>>> cfg.add_history_entry('Parameters modified for some reason')
>>> cfg.write_to('config_modified.asdf')
cfg.close()
""")
    text = (page.directory / "config_modified.asdf").read_text()
    assert "Parameters modified for some reason" in text
    assert built(JumpStep, "config_modified.asdf").rejection_threshold == 80.0


# --- "Roman, Parameters and Parameter References"


def test_infrastructure_parameters_stay_out_of_references(page, monkeypatch):
    """8.1.13: "should not be included in a parameter reference": no hooks in it."""
    page.own_references(
        monkeypatch,
        pars="""
class: romancal.jump.jump_step.JumpStep
meta: {reftype: pars-jumpstep, instrument: {name: WFI}, useafter: '2020-01-01T00:00:00'}
parameters: {rejection_threshold: 80.0, pre_hooks: [os.getcwd]}
""",
    )
    told = page.strun(f"strun jump {page.first}_uncal.asdf", status=2).err
    assert "pre_hooks" in told
    assert "may not name code" in told


# --- the pipeline file of "Configuring a Pipeline", cut off after two steps


def test_the_truncated_file_runs(page):
    """8.1.13: "Here is an example pipeline parameter file for the ExposurePipeline class"."""
    page.copy("truncated.asdf")
    assert built(ExposurePipeline, "truncated.asdf").get_pars() == {
        **ExposurePipeline().get_pars(),
        "save_results": True,
    }
    page.strun(f"strun truncated.asdf {page.second}_uncal.asdf")
    assert page.made("*_cal") == [f"{page.second}_cal.asdf"]


def test_a_file_for_a_step_has_no_steps(page):
    """8.1.13: "Here the class must refer to a subclass of stpipe.Pipeline"."""
    path = page.write("p.asdf", REJECTION_THRESHOLD.replace("pipeline.exposure_pipeline.Exp", "X"))
    with pytest.raises(ParameterError, match="not for FlatFieldStep"):
        built(FlatFieldStep, path)
    path = page.write("s.asdf", JUMP + "parameters: {}\nsteps: [{name: jump}]\n...\n")
    with pytest.raises(ParameterError, match="jump is a step, and has no steps itself"):
        built(JumpStep, path)
