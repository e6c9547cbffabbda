"""The manual's section 8.1.13, "For Users": "Pipelines", "Executing a pipeline", hooks, caching.

What hooks are given and may return is in tests/unit/test_hooks.py; logging configuration, with the
manual's two example files, its search order and its options, in tests/unit/test_logconfig.py; the
example pipeline file is in test_8113_parameter_files.py. What "Caching details" says, and how it is
done here, is in tests/pipeline/test_resume.py.
"""

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.jump import JumpStep
from romancal_rs.linearity import LinearityStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, UnknownParameterError, config, configure

UNCAL = "r0000101001001001001_01101_0001_WFI01_uncal.asdf"
CAL = "r0000101001001001001_01101_0001_WFI01_cal.asdf"
PREAMBLE = """\
#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
"""
PIPELINE = PREAMBLE + "class: romancal.pipeline.exposure_pipeline.ExposurePipeline\n"


def built(path):
    return configure.build(ExposurePipeline, config=config.load(path))


# --- "Configuring a Pipeline"

INLINE = (
    PIPELINE
    + """
parameters: {}
steps:
- class: romancal.jump.jump_step.JumpStep
  name: jump
  parameters:
    flag_4_neighbors: true
    four_group_rejection_threshold: 190.0
    input_dir: ''
    max_jump_to_flag_neighbors: 1000.0
    maximum_cores: none
    min_jump_to_flag_neighbors: 10.0
...
"""
)
REFERRING = (
    PIPELINE
    + """
parameters: {}
steps:
- class: romancal.jump.jump_step.JumpStep
  name: jump
  parameters:
    config_file = myjump.asdf
...
"""
)
MYJUMP = """
class: romancal.jump.jump_step.JumpStep
name: jump
parameters:
  flag_4_neighbors: true
  four_group_rejection_threshold: 190.0
"""


def test_a_step_file_as_printed_is_no_yaml(page):
    """8.1.13: "config_file = myjump.asdf": in YAML that is a word, not a key with its value."""
    page.write("myjump.asdf", MYJUMP)
    page.write("exp.asdf", REFERRING)
    with pytest.raises(
        ParameterError,
        match=r"exp.asdf, line 12: parameters must be a mapping such as {threshold: 5}, "
        "not 'config_file = myjump.asdf'",
    ):
        built("exp.asdf")


def test_inline_is_equivalent_to_a_step_file(page):
    """8.1.13: "is equivalent to", "with the file myjump.asdf in the same directory"."""
    page.write("pars/myjump.asdf", MYJUMP)
    page.write("pars/exp.asdf", REFERRING.replace("config_file = ", "config_file: "))
    page.write("inline.asdf", INLINE)
    assert built("pars/exp.asdf").get_pars() == built("inline.asdf").get_pars()
    assert built("inline.asdf").jump.four_group_rejection_threshold == 190.0


def test_local_parameters_override_the_step_file(page):
    """8.1.13: "the config_file is loaded, and then the local parameters override them"."""
    page.write("myjump.asdf", MYJUMP)
    more = "config_file: myjump.asdf\n    flag_4_neighbors: false"
    page.write("exp.asdf", REFERRING.replace("config_file = myjump.asdf", more))
    jump = built("exp.asdf").jump
    assert (jump.flag_4_neighbors, jump.four_group_rejection_threshold) == (False, 190.0)


FROM_PYTHON = """
from stpipe.pipeline import Image2Pipeline

steps = {
    'jump': {'rejection_threshold': 180.,
            'three_group_rejection_threshold': 190.,
            'four_group_rejection_threshold': 195.}
}

pipe = ExposurePipeline(steps=steps)
"""


@pytest.mark.parametrize("module", ["stpipe.pipeline", "romancal_rs.stpipe.pipeline"])
def test_there_is_no_image2pipeline(page, module):
    """8.1.13: "from stpipe.pipeline import Image2Pipeline", which is then not used."""
    with pytest.raises(ImportError):
        page.python(FROM_PYTHON.replace("stpipe.pipeline", module))


def test_nested_dictionary(page):
    """8.1.13: "passing a nested dictionary of parameters to the Pipeline's constructor"."""
    fixed = FROM_PYTHON.replace(
        "from stpipe.pipeline import Image2Pipeline",
        "from romancal.pipeline import ExposurePipeline",
    )
    jump = page.python(fixed).pipe.jump
    assert jump.rejection_threshold == 180.0
    assert jump.three_group_rejection_threshold == 190.0
    assert jump.four_group_rejection_threshold == 195.0


# --- "Running a Pipeline"

OVERRIDE = "> strun romancal.pipeline.ExposurePipeline --steps.jump.rejection_threshold=180."


def test_the_command_line_as_printed_has_no_input(page):
    """8.1.13: "to override the rejection_threshold value on the jump step": of which exposure?"""
    assert "name the file to run it on" in page.strun(OVERRIDE, status=2).err


def test_dot_notation(page):
    """8.1.13: "use dot notation to specify the parameter name"."""
    page.strun(f"{OVERRIDE} {UNCAL} --save-parameters used.asdf")
    assert built("used.asdf").jump.rejection_threshold == 180.0


def test_call_the_instance(page):
    """8.1.13: "just call the instance to run it"."""
    pipe = ExposurePipeline(steps={"jump": {"rejection_threshold": 180.0}})
    result = page.python("result = pipe(input_data)", pipe=pipe, input_data=UNCAL).result
    assert result.meta.cal_step.photom == "COMPLETE"


# --- "Hooks"


def test_hooks_in_a_parameter_file(page, caplog):
    """8.1.13: "a list of strings, where each entry is one of"; on "the Pipeline as a whole" too."""
    page.write(
        "pars/myhooks.py",
        """
from romancal_rs.stpipe import RomanStep

class Look(RomanStep):
    def process(self, ramp):
        self.log.warning("a class sees %s", type(ramp).__name__)

def note(results):
    import logging

    logging.getLogger("note").warning("a function sees %d result", len(results))
""",
    )
    page.write(
        "pars/exp.asdf",
        PIPELINE
        + """
parameters:
  pre_hooks: ["echo the pipeline begins with {0}"]
steps:
- class: romancal.linearity.LinearityStep
  parameters:
    pre_hooks: [myhooks.Look, "cp {0} ramp.asdf"]
    post_hooks: [myhooks.note]
...
""",
    )
    with caplog.at_level("INFO"):
        page.strun(f"strun pars/exp.asdf {UNCAL}")
    hooked = [message for message in caplog.messages if " sees " in message]
    assert hooked == ["a class sees RampModel", "a function sees 1 result"]
    assert f"the pipeline begins with {UNCAL}" in caplog.messages
    with datamodels.open("ramp.asdf") as ramp:
        assert ramp.meta.cal_step.saturation == "COMPLETE"


# --- "Executing a pipeline or pipeline step via call()"


@pytest.fixture
def files(later):
    """The parameter files that the examples name."""
    later.copy("file_contents.asdf", "exp_pars.asdf")
    text = PREAMBLE + "class: romancal.linearity.LinearityStep\nparameters: {suffix: mine}\n...\n"
    later.write("linearity_pars.asdf", text)
    later.write("my-logging-config.cfg", "[*]\nlevel = INFO\nhandler = file:all.log\n")
    return later


def test_call_makes_and_runs(files):
    """8.1.13: "will create an instance and run a pipeline or pipeline step in a single call"."""
    space = files.python("""
from romancal.pipeline import ExposurePipeline
result = ExposurePipeline.call('r0000101001001001001_01101_0001_WFI01_uncal.asdf')

from romancal.linearity import LinearityStep
result = LinearityStep.call('r0000101001001001001_01101_0001_WFI01_dqinit.asdf')
""")
    assert space.result.meta.cal_step.linearity == "COMPLETE"


CALL_WITH_FILE = """
# Calling a pipeline
result = ExposurePipeline.call('r0000101001001001001_01101_0001_WFI01_uncal.asdf',
                               ↪config_file='exp_pars.asdf'))
"""


def test_a_parenthesis_too_many(files):
    """8.1.13: "config_file='exp_pars.asdf'))" is no Python."""
    with pytest.raises(SyntaxError, match="unmatched"):
        files.python(CALL_WITH_FILE)


def test_call_a_pipeline_with_a_parameter_file(files):
    """8.1.13: "supply the file using the config_file keyword"; this one says save_results."""
    files.python(CALL_WITH_FILE.replace("'))", "')"), ExposurePipeline=ExposurePipeline)
    assert files.made("*_cal") == [CAL]


def test_call_a_step_with_a_parameter_file(files):
    """8.1.13: "# Calling a step"."""
    seen = []

    class Shown(LinearityStep):
        def process(self, input):
            seen.append(self.suffix)
            return super().process(input)

    files.python(
        """
result = LinearityStep.call('r0000101001001001001_01101_0001_WFI01_dqinit.asdf', config_
                               ↪file = 'linearity_pars.asdf')
""",
        LinearityStep=Shown,
    )
    assert seen == ["mine"]


class Thresholds(ExposurePipeline):
    """Says what its jump step uses."""

    def process(self, input):
        self.thresholds.append(
            (self.jump.rejection_threshold, self.jump.three_group_rejection_threshold)
        )
        return super().process(input)


def test_call_with_a_file_and_nested_parameters(files):
    """8.1.13: "by using a nested dictionary of step and parameter names"."""
    Thresholds.thresholds = []
    files.python(
        """
result = ExposurePipeline.call('r0000101001001001001_01101_0001_WFI01_uncal.asdf',
           ↪config_file='exp_pars.asdf', steps={"jump":{"rejection_threshold": 200}})
""",
        ExposurePipeline=Thresholds,
    )
    assert Thresholds.thresholds == [(200.0, 185.0)]


def test_call_a_step_with_a_parameter(files):
    """8.1.13: "parameter values can be supplied more simply"."""
    space = files.python(
        """
result = JumpStep.call("r0000101001001001001_01101_0001_WFI01_dqinit.asdf", rejection_
                       ↪threshold=200)
""",
        JumpStep=JumpStep,
    )
    looser = JumpStep.call("r0000101001001001001_01101_0001_WFI01_dqinit.asdf")
    assert ((space.result.groupdq & 4) > 0).sum() < ((looser.groupdq & 4) > 0).sum()


def test_call_with_a_logging_configuration(files):
    """8.1.13: "the specification of a logging configuration file using the keyword logcfg"."""
    files.python(
        """
result = ExposurePipeline.call("r0000101001001001001_01101_0001_WFI01_dqinit.asdf",
                               config_file="exp_pars.asdf",
                               logcfg="my-logging-config.cfg")
""",
        ExposurePipeline=ExposurePipeline,
    )
    log = (files.directory / "all.log").read_text()
    assert "stpipe.ExposurePipeline.rampfit - INFO - Step rampfit done" in log


# --- "Where are the results?"


def test_results_are_saved_on_demand(files):
    """8.1.13: "results are not automatically saved"; "use the parameter save_results=True"."""
    before = files.made()
    JumpStep.call("r0000101001001001001_01101_0001_WFI01_dqinit.asdf")
    assert files.made() == before
    files.python(
        """
result = JumpStep.call("r0000101001001001001_01101_0001_WFI01_dqinit.asdf",
                      rejection_threshold=200, save_results=True)
""",
        JumpStep=JumpStep,
    )
    assert files.made("*_jump") == [f"{files.second}_jump.asdf"]


@pytest.mark.usefixtures("ramps")
def test_results_under_another_name(files):
    """8.1.13: "to specify a different file name ... set output_file and/or output_dir"."""
    JumpStep.call(UNCAL, output_file="other", output_dir="there")
    assert files.made(under="there") == ["other_jump.asdf"]


# --- "Executing a pipeline or pipeline step directly, or via run()"

DIRECTLY = """
# Instantiate the class. Do not provide a parameter file.
pipe = ExposurePipeline()

# Manually set any desired non-default parameter values
pipe.assign_wcs.skip = True
pipe.jump.rejection_threshold = 5
pipe.ramp_fit.override_gain = 'my_gain_file.asdf'
pipe.save_result = True
pipe.output_dir = '/my/data/pipeline_outputs'

# Run the pipeline
result = pipe('r0000101001001001001_01101_0001_WFI01_uncal.asdf')

# Or, execute the pipeline using the run method
result = pipe.run('r0000101001001001001_01101_0001_WFI01_uncal.asdf')
"""


def test_save_result_is_no_parameter(page):
    """8.1.13: "pipe.save_result = True", as printed."""
    with pytest.raises(
        UnknownParameterError, match="no parameter 'save_result'; did you mean 'save_results'"
    ):
        page.python(DIRECTLY, ExposurePipeline=ExposurePipeline)


def test_a_pipeline_directly(page):
    """8.1.13: "When calling a pipeline or step instance directly, or using the run method"."""
    page.reference("gain", "my_gain_file.asdf")
    fixed = DIRECTLY.replace("save_result ", "save_results ")
    fixed = fixed.replace("/my/data", str(page.directory))  # a test leaves / alone
    space = page.python(fixed, ExposurePipeline=ExposurePipeline)
    assert page.made(under="pipeline_outputs") == [CAL]
    assert space.result.meta.cal_step.assign_wcs == "SKIPPED"
    assert space.result.meta.ref_file.gain == "my_gain_file.asdf"
    assert space.pipe.rampfit is space.pipe.ramp_fit


def test_a_single_step_directly(later):
    """8.1.13: "To run a single step", by calling the instance or with run."""
    code = """
from romancal.jump import JumpStep

# Instantiate the step
step = JumpStep()

# Set parameter values
step.rejection_threshold = 5
step.save_results = True
step.output_dir = '/my/data/jump_data'

# Execute by calling the instance directly
result = step('r0000101001001001001_01101_0001_WFI01_linearity.asdf')
called = result

# Or, execute using the run method
result = step.run('r0000101001001001001_01101_0001_WFI01_linearity.asdf')
"""
    space = later.python(code.replace("/my/data", str(later.directory)))
    assert later.made(under="jump_data") == [f"{later.second}_jump.asdf"]
    assert np.array_equal(space.called.groupdq, space.result.groupdq)


def test_run_ignores_the_parameter_file(files):
    """8.1.13: "If you use run after instantiating with a parameter file ... will be ignored"."""
    step = LinearityStep(config_file="linearity_pars.asdf")
    step.run("r0000101001001001001_01101_0001_WFI01_dqinit.asdf")
    assert step.suffix is None
