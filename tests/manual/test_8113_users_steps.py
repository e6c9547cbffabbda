"""The manual's section 8.1.13, "For Users": "Steps" - configuring, running, precedence.

Precedence layer by layer is in tests/unit/test_precedence.py, typing mistakes on the command line
in tests/cli/test_run.py.
"""

import pdb

import pytest

from romancal_rs import datamodels
from romancal_rs.dq_init import DQInitStep
from romancal_rs.jump import JumpStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, Step, UnknownParameterError, config, configure

UNCAL = "r0000101001001001001_01101_0001_WFI01_uncal.asdf"
PREAMBLE = """\
#ASDF 1.0.0
#ASDF_STANDARD 1.3.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
"""
DO_CLEANUP = (
    PREAMBLE
    + """\
class: stpipe.cleanup
name: MyCleanup
parameters:
  threshold: 42.0
  scale: 0.01
...
"""
)
CLEANUP = """
from romancal_rs.stpipe import RomanStep

class Cleanup(RomanStep):
    '''Clean up an image.'''

    spec = '''
        threshold = float(default=1.0)  # where
        scale = float(default=1.0)  # how much
    '''

    def process(self, input):
        from romancal_rs.datamodels import ImageModel

        self.log.warning("cleaning with %s, %s", self.threshold, self.scale)
        return self.prepare(input, ImageModel)
"""
JUMP = PREAMBLE + "class: romancal.jump.jump_step.JumpStep\nname: jump\n"


@pytest.fixture
def cleanup(page, products):
    """The imaginary step as a real one, in a module beside the parameter file, and `foo.asdf`."""
    page.write("cleaning.py", CLEANUP)
    page.write("do_cleanup.asdf", DO_CLEANUP.replace("stpipe.cleanup", "cleaning.Cleanup"))
    (page.directory / "foo.asdf").symlink_to(products["rampfit"])
    return page


# --- "Configuring a Step"


def test_directly_from_python_or_from_a_file(page):
    """8.1.13: "Steps can be configured by": "directly from Python", "from a parameter file"."""
    path = page.write("jump.asdf", JUMP + "parameters: {rejection_threshold: 42.0}\n...\n")
    from_file = configure.build(JumpStep, config=config.load(path))
    assert JumpStep(rejection_threshold=42.0).get_pars() == from_file.get_pars()


def test_the_imaginary_step(page):
    """8.1.13: "the (imaginary) step stpipe.cleanup": there is no such class."""
    page.write("do_cleanup.asdf", DO_CLEANUP)
    told = page.strun("strun do_cleanup.asdf foo.asdf", status=2).err
    assert "stpipe.cleanup" in told


def test_an_example_parameter_file(cleanup, caplog):
    """8.1.13: "runs the (imaginary) step stpipe.cleanup to clean up an image"."""
    cleanup.strun("strun do_cleanup.asdf foo.asdf")
    assert "cleaning with 42.0, 0.01" in caplog.messages


def test_the_name_is_distinct_from_the_class(cleanup, caplog):
    """8.1.13: "name defines the name of the step", which its log messages have."""
    cleanup.strun("strun do_cleanup.asdf foo.asdf")
    assert "stpipe.MyCleanup" in {record.name for record in caplog.records}


def test_any_parameter_not_specified_has_its_default(cleanup, caplog):
    """8.1.13: "Any parameter not specified in the file will take its value from the defaults"."""
    text = (cleanup.directory / "do_cleanup.asdf").read_text()
    cleanup.write("do_cleanup.asdf", text.replace("  scale: 0.01\n", ""))
    cleanup.strun("strun do_cleanup.asdf foo.asdf")
    assert "cleaning with 42.0, 1.0" in caplog.messages


def test_the_command_line_overrides_all_other_values(cleanup, caplog):
    """8.1.13: "any parameter specified on the command line overrides all other values"."""
    cleanup.strun("strun do_cleanup.asdf foo.asdf --scale 3 --threshold=2")
    assert "cleaning with 2.0, 3.0" in caplog.messages


def test_output_has_the_name_of_the_step(cleanup):
    """8.1.13: "foo.asdf is output to foo_cleanup.asdf"."""
    text = (cleanup.directory / "do_cleanup.asdf").read_text()
    cleanup.write("do_cleanup.asdf", text.replace("name: MyCleanup\n", ""))
    cleanup.strun("strun do_cleanup.asdf foo.asdf")
    assert cleanup.made("foo*") == ["foo.asdf", "foo_cleanup.asdf"]


def test_output_has_the_class_name_whatever_the_name(cleanup):
    """8.1.13: "By default this suffix is the class name of the step" (Output Suffix)."""
    cleanup.strun("strun do_cleanup.asdf foo.asdf")
    assert cleanup.made("foo*") == ["foo.asdf", "foo_cleanup.asdf"]


# --- "Running a Step from the commandline"

#: The usage that the manual prints, each option by itself.
OPTIONS = (
    "-h --logcfg --verbose --debug --save-parameters --disable-crds-steppars --pre_hooks "
    "--post_hooks --output_file --output_dir --output_ext --output_use_model --output_use_index "
    "--save_results --skip --suffix --search_output_file --input_dir --override_mask --help -v"
)


@pytest.mark.parametrize("option", OPTIONS.split())
def test_help_of_a_class(page, option):
    """8.1.13: "$ strun -h romancal.dq_init.DQInitStep", all of which is in --help-all here."""
    words = (
        page.strun("$ strun --help-all romancal.dq_init.DQInitStep").out.replace(",", " ").split()
    )
    assert option in words


def test_help_of_a_parameter_file(cleanup):
    """8.1.13: "the name of a Step class or parameter file"."""
    printed = cleanup.strun("strun -h do_cleanup.asdf").out
    assert "Clean up an image." in printed
    assert "where (default: 1.0)" in printed


def test_logcfg(page):
    """8.1.13: "--logcfg LOGCFG  The logging configuration file to load"."""
    page.write("log.cfg", "[*]\nlevel = INFO\nhandler = file:myrun.log\n")
    page.strun(f"strun --logcfg log.cfg dq_init {UNCAL}")
    assert "Step DQInitStep done" in (page.directory / "myrun.log").read_text()


@pytest.mark.parametrize("option", ["--verbose", "-v"])
def test_verbose(page, option):
    """8.1.13: "--verbose, -v  Turn on all logging messages"; also "Debugging"."""
    assert "Step DQInitStep running" in page.strun(f"strun dq_init {UNCAL} {option}").err


def test_debug(page, monkeypatch):
    """8.1.13: "--debug  When an exception occurs, invoke the Python debugger, pdb"."""
    page.write(
        "mine.py",
        "from romancal_rs.stpipe import Step\n\nclass Fails(Step):\n"
        "    def process(self, input):\n        raise ZeroDivisionError('here')\n",
    )
    page.write("fails.asdf", PREAMBLE + "class: mine.Fails\nparameters: {}\n...\n")
    seen = []
    monkeypatch.setattr(pdb, "post_mortem", lambda trace: seen.append(trace))
    with pytest.raises(ZeroDivisionError):
        page.strun("strun fails.asdf anything --debug")
    (trace,) = seen
    while trace.tb_next is not None:
        trace = trace.tb_next
    assert trace.tb_frame.f_code.co_name == "process"


@pytest.mark.usefixtures("ramps")
def test_save_parameters(page):
    """8.1.13: "This file will have all the parameters ... and the final values used"."""
    page.strun(f"strun jump {UNCAL} --rejection_threshold=7 --save-parameters used.asdf")
    used = config.load("used.asdf")
    assert set(used.parameters) == set(JumpStep.parameters)
    assert float(used.parameters["rejection_threshold"].value) == 7.0


@pytest.mark.usefixtures("ramps")
def test_disable_crds_steppars(page, monkeypatch):
    """8.1.13: "--disable-crds-steppars  Disable retrieval of step parameter reference files"."""
    page.own_references(
        monkeypatch,
        pars="""
class: romancal.jump.jump_step.JumpStep
meta: {reftype: pars-jumpstep, instrument: {name: WFI}, useafter: '2020-01-01T00:00:00'}
parameters: {rejection_threshold: 80.0}
""",
    )
    assert JumpStep.from_cmdline([UNCAL]).rejection_threshold == 80.0
    step = JumpStep.from_cmdline([UNCAL, "--disable-crds-steppars"])
    assert step.rejection_threshold == 4.0


# --- "Parameter Precedence"


def test_precedence_for_a_step(page):
    """8.1.13: "strun step.asdf --par=value_that_will_be_used", then the file, then the spec."""
    page.write("step.asdf", JUMP + "parameters: {rejection_threshold: 42.0}\n...\n")
    step = Step.from_cmdline(["step.asdf", UNCAL, "--rejection_threshold=7", "--skip=1"])
    assert step.rejection_threshold == 7.0
    assert Step.from_cmdline(["step.asdf", UNCAL, "--skip=1"]).rejection_threshold == 42.0
    assert Step.from_cmdline(["jump", UNCAL, "--skip=1"]).rejection_threshold == 4.0


def test_precedence_for_a_pipeline(page):
    """8.1.13: "strun pipeline.asdf --steps.step.par=value_that_will_be_used", and so on."""
    page.write("step.asdf", JUMP + "parameters: {rejection_threshold: 5.0}\n...\n")
    text = (
        "class: romancal.pipeline.ExposurePipeline\nparameters: {}\nsteps:\n"
        "- {name: jump, parameters: {config_file: step.asdf, rejection_threshold: 6.0}}\n...\n"
    )
    page.write("pipeline.asdf", PREAMBLE + text)
    page.write("less.asdf", PREAMBLE + text.replace(", rejection_threshold: 6.0", ""))
    given = ["--steps.jump.rejection_threshold=7"]
    for words, expected in (
        (["pipeline.asdf", UNCAL, *given], 7.0),
        (["pipeline.asdf", UNCAL], 6.0),
        (["less.asdf", UNCAL], 5.0),
    ):
        assert Step.from_cmdline([*words, "--skip=1"]).jump.rejection_threshold == expected


# --- "Step.from_cmdline()"


@pytest.fixture
def gain(page):
    return page.reference("gain", "roman_wfi_gain_0033.asdf")


def gain_used(page):
    with datamodels.open(f"{page.second}_cal.asdf") as image:
        return image.meta.cal_logs, image.meta.ref_file.gain


def test_the_command_line_to_be_called(page, gain):
    """8.1.13: "For example, given the following command-line"."""
    line = """
$ strun romancal.pipeline.ExposurePipeline r0000101001001001001_01101_0001_WFI01_uncal.  
→asdf \\  
    --steps.jump.override_gain=roman_wfi_gain_0033.asdf
"""  # noqa: W291 (as printed)
    page.strun(f"{line.rstrip()} --recipe=2022")
    logs, _ = gain_used(page)
    assert any("jump" in line and "roman_wfi_gain_0033.asdf" in line for line in logs)


def test_from_cmdline_as_printed_lacks_dashes(page, gain):
    """8.1.13: "the equivalent from_cmdline call would be", with the option as a second input."""
    with pytest.raises(ParameterError, match=r"takes 1 input, got 3: .*steps.jump.override"):
        page.python("""
from romancal.pipeline import ExposurePipeline  
ExposurePipeline.from_cmdline([' r0000101001001001001_01101_0001_WFI01_uncal.asdf',  
                               'steps.jump.override_gain', 'roman_wfi_gain_0033.asdf'])
""")  # noqa: W291 (as printed)


def test_from_cmdline_with_dashes(page, gain):
    """8.1.13: "the equivalent from_cmdline call would be"."""
    page.python("""
from romancal.pipeline import ExposurePipeline
ExposurePipeline.from_cmdline([' r0000101001001001001_01101_0001_WFI01_uncal.asdf',
                               '--steps.jump.override_gain', 'roman_wfi_gain_0033.asdf',
                               '--recipe=2022'])
""")
    logs, _ = gain_used(page)
    assert any("jump" in line and "roman_wfi_gain_0033.asdf" in line for line in logs)


# --- "call()"


@pytest.mark.usefixtures("ramps")
def test_call(page):
    """8.1.13: "A basic example is"."""
    space = page.python("""
from romancal.jump import JumpStep
output = JumpStep.call('r0000101001001001001_01101_0001_WFI01_uncal.asdf')
""")
    assert space.output.meta.cal_step.jump == "COMPLETE"


def flagged(ramp):
    return int(((ramp.groupdq & 4) > 0).sum())


@pytest.mark.usefixtures("ramps")
def test_call_with_another_value_than_the_default(page):
    """8.1.13: "To use a different value than the default, the statement would be"."""
    space = page.python("""
output = JumpStep.call('r0000101001001001001_01101_0001_WFI01_uncal.asdf',
                       rejection_threshold=42.0)
""", JumpStep=JumpStep)  # fmt: skip
    assert 0 < flagged(space.output) < flagged(JumpStep.call(UNCAL))


@pytest.mark.usefixtures("ramps")
def test_call_with_a_parameter_file(page):
    """8.1.13: "specify the path to it using the config_file argument"."""
    page.write("my_jumpstep_config.asdf", JUMP + "parameters: {rejection_threshold: 42.0}\n...\n")
    space = page.python("""
output = JumpStep.call('r0000101001001001001_01101_0001_WFI01_uncal.asdf',
                       config_file='my_jumpstep_config.asdf')
""", JumpStep=JumpStep)  # fmt: skip
    assert flagged(space.output) == flagged(JumpStep.call(UNCAL, rejection_threshold=42.0))


def test_call_with_a_model_and_a_logging_configuration(page):
    """8.1.13: "Step.call(input, logcfg=None, **parameters)", "a file path or a DataModel"."""
    page.write("log.cfg", "[*]\nlevel = INFO\nhandler = file:a.log\n")
    with datamodels.open(UNCAL) as exposure:
        ramp = DQInitStep.call(exposure, logcfg="log.cfg")
    assert isinstance(ramp, datamodels.RampModel)
    assert "Step DQInitStep done" in (page.directory / "a.log").read_text()


# --- "run()"

OVERRIDE = """
from romancal.flatfield import FlatFieldStep

mystep = FlatFieldStep()
mystep.override_sflat = 'sflat.asdf'
output = mystep.run(input)
"""
OVERRIDE_WHEN_MADE = """
from romancal.flatfield import FlatFieldStep

mystep = FlatFieldStep(override_sflat='sflat.asdf')
output = mystep.run(input)
"""


@pytest.mark.parametrize("snippet", [OVERRIDE, OVERRIDE_WHEN_MADE])
def test_run_as_printed_names_no_reference_type_there_is(page, products, snippet):
    """8.1.13: "mystep.override_sflat = 'sflat.asdf'": Roman has no SFLAT."""
    page.reference("flat", "sflat.asdf")
    with pytest.raises(
        UnknownParameterError, match="no parameter 'override_sflat'; did you mean 'override_flat'"
    ):
        page.python(snippet, input=str(products["rampfit"]))


@pytest.mark.parametrize("snippet", [OVERRIDE, OVERRIDE_WHEN_MADE])
def test_run(page, products, snippet):
    """8.1.13: "input ... can be a asdf file ... or the output of a previously run step"."""
    page.reference("flat", "sflat.asdf")
    snippet = snippet.replace("override_sflat", "override_flat")
    space = page.python(snippet, input=str(products["rampfit"]))
    assert space.output.meta.ref_file.flat == "sflat.asdf"
    with datamodels.open(products["rampfit"]) as image:
        from_model = page.python(snippet, input=image).output
        assert (from_model.data == space.output.data).all()


def test_calling_the_instance_is_the_same_as_run(page, products):
    """8.1.13: "They are equivalent": output = mystep(input)."""
    snippet = "output = mystep(input)"
    from romancal_rs.flatfield import FlatFieldStep

    mystep = FlatFieldStep()
    output = page.python(snippet, mystep=mystep, input=str(products["rampfit"])).output
    assert (output.data == mystep.run(str(products["rampfit"])).data).all()


@pytest.mark.usefixtures("ramps")
def test_run_initializes_no_parameters(page, monkeypatch):
    """8.1.13: "there is no parameter initialization that occurs"."""
    page.own_references(
        monkeypatch,
        pars="""
class: romancal.jump.jump_step.JumpStep
meta: {reftype: pars-jumpstep, instrument: {name: WFI}, useafter: '2020-01-01T00:00:00'}
parameters: {skip: true}
""",
    )
    assert JumpStep().run(UNCAL).meta.cal_step.jump == "COMPLETE"
    assert JumpStep.call(UNCAL).meta.cal_step.jump == "SKIPPED"


def test_a_pipeline_is_also_a_step():
    """8.1.13: "everything that applies to a Step ... also applies to Pipelines"."""
    assert issubclass(ExposurePipeline, Step)
