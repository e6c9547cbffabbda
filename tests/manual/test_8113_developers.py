"""The manual's section 8.1.13, "For Developers", and the package's reference.

The spec in a file of its own, and paths relative to the parameter file, are in
tests/unit/test_parameter_files.py; prefetching of references in tests/cli/test_errors.py;
associations, which are refused, there too.
"""

import inspect
import logging
import sys

import pytest

from romancal_rs import datamodels
from romancal_rs.jump import JumpStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, Pipeline, RomanPipeline, RomanStep, Step
from romancal_rs.stpipe.parameters import REQUIRED

EXAMPLE_STEP = '''
from romancal.stpipe import RomanStep

from roman_datamodels.datamodels import ImageModel
from my_awesome_astronomy_library import combine

class ExampleStep(RomanStep):
    """
    Every step should include a docstring. This docstring will be
    displayed by the `strun --help`.
    """

    # 1.
    def process(self, image1, image2):
        self.log.info("Inside ExampleStep")

        # 2.
        threshold = self.threshold

        # 3.
        with ImageModel(image1) as image1, ImageModel(image2) as image2:
            # 4.
            with self.get_reference_file_model(image1, "flat_field") as flat:
                new_image = combine(image1, image2, flat, threshold)

        # 5.
        return new_image

    # 6.
    spec = """
    # This is the configspec file for ExampleStep

    threshold = float(default=1.0) # maximum flux
    """

    # 7.
    reference_file_types = ['flat_field']
'''
AWESOME = """
def combine(image1, image2, flat, threshold):
    new = image1.copy()
    new.data = (image1.data + image2.data) / flat.data + threshold
    return new
"""
EXAMPLE_PIPELINE = '''
from romancal.stpipe import Pipeline

from roman_datamodels.datamodels import ImageModel

# Some locally-defined steps
from . import FlatField, Combine

class ExamplePipeline(Pipeline):
    """
    This example pipeline demonstrates how to combine steps
    using Python code, in some way that it not necessarily
    a linear progression.
    """

    step_defs = {
        'flat_field': FlatField,
        'combine': Combine,
    }

    def process(self, input):
        with ImageModel(input) as science:

            flattened = self.flat_field(science, self.multiplier)

            combined = self.combine(flattened)

        return combined

    spec = """
    multiplier = float()    # A multiplier constant
    """
'''
LOCAL_STEPS = """
from romancal_rs.stpipe import RomanStep

class FlatField(RomanStep):
    def process(self, image, multiplier):
        image = image.copy()
        image.data = image.data * multiplier
        return image

class Combine(RomanStep):
    spec = "offset = float(default=0.0)  # What to add"

    def process(self, image):
        image.data = image.data + self.offset
        return image
"""


@pytest.fixture
def modules(page, products, monkeypatch):
    """The modules of the examples on Python's path, and images to run them on."""

    def ours(text):
        text = text.replace("roman_datamodels.datamodels", "romancal_rs.datamodels")
        return text.replace("romancal.", "romancal_rs.")

    page.write("lib/example_step.py", ours(EXAMPLE_STEP))
    page.write("lib/my_awesome_astronomy_library.py", AWESOME)
    page.write("lib/example_package/__init__.py", LOCAL_STEPS)
    page.write("lib/example_package/pipe.py", ours(EXAMPLE_PIPELINE))
    monkeypatch.syspath_prepend(page.directory / "lib")
    for name in ("a_cal.asdf", "b_cal.asdf"):
        (page.directory / name).symlink_to(products["rampfit"])
    page.reference("flat", "my_reference_file.asdf")
    yield page
    for name in [name for name in sys.modules if name.startswith(("example_", "my_awesome"))]:
        del sys.modules[name]


# --- "Writing a step", "Inputs and outputs"


def test_parameters_are_members_and_inputs_are_arguments():
    """8.1.13: "set as member variables on the Step object", "as regular function arguments"."""

    class Scale(Step):
        spec = "factor = float(default=2.0)"

        def process(self, value, offset):
            return value * self.factor + offset

    assert Scale(factor=3).run(5, 1) == 16.0


class Made:
    """Just enough of a data model to be saved."""

    meta = {"filename": None}

    def save(self, path):
        path.write_text("saved")


class Smooth(Step):
    def process(self, input):
        return Made()


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"save_results": True}, "image_smooth.asdf"),
        ({"output_file": "other.asdf"}, "other_smooth.asdf"),
        ({"save_results": True, "suffix": "soft"}, "image_soft.asdf"),
        ({"save_results": True, "output_dir": "out"}, "out/image_smooth.asdf"),
    ],
)
def test_output_suffix(page, parameters, name):
    """8.1.13: "There are three ways a step's results can be written to a file"."""
    Smooth(**parameters).run("image.asdf")
    assert (page.directory / name).read_text() == "saved"


@pytest.mark.usefixtures("ramps")
def test_from_cmdline_saves_implicitly(page):
    """8.1.13: "Implicitly when a step is run from the command line or with Step.from_cmdline"."""
    before = set(page.directory.iterdir())
    JumpStep.from_cmdline([f"{page.first}_uncal.asdf"])
    assert set(page.directory.iterdir()) - before == {page.directory / f"{page.first}_jump.asdf"}


def test_several_results_are_a_tuple():
    """8.1.13: "To return multiple objects, return a tuple"."""

    class Split(Step):
        def process(self, value):
            return value, value + 1

    assert Split.call(1) == (1, 2)


# --- "The Python class"


def test_the_imaginary_library(page):
    """8.1.13: "from my_awesome_astronomy_library import combine", which there is not."""
    with pytest.raises(ModuleNotFoundError, match="my_awesome_astronomy_library"):
        page.python(EXAMPLE_STEP)


@pytest.mark.parametrize("opened", [False, True])
def test_example_step(modules, opened):
    """8.1.13: "class ExampleStep(RomanStep)", with file names and with models."""
    from example_step import ExampleStep

    inputs = ["a_cal.asdf", "b_cal.asdf"]
    if opened:
        inputs = [datamodels.open(name) for name in inputs]
    step = ExampleStep(override_flat_field="my_reference_file.asdf", threshold=10.0)
    result = step.run(*inputs)
    with (
        datamodels.open("a_cal.asdf") as image,
        datamodels.open("my_reference_file.asdf") as flat,
    ):
        expected = 2 * image.data / flat.data + 10
        assert result.data == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert result.meta.ref_file.flat_field == "my_reference_file.asdf"


def test_example_step_on_the_command_line(modules):
    """8.1.13: "--override_flat_field=/path/to/my_reference_file.asdf"."""
    modules.strun(
        "strun example_step.ExampleStep a_cal.asdf b_cal.asdf "
        f"--override_flat_field={modules.directory}/my_reference_file.asdf"
    )
    assert modules.made("a*") == ["a_cal.asdf", "a_examplestep.asdf"]


def test_example_step_shows_its_docstring_and_its_comment(modules):
    """8.1.13: "displayed by the strun --help"; "comment is extracted and displayed"."""
    printed = modules.strun("strun example_step.ExampleStep --help").out
    assert "Every step should include a docstring." in printed
    assert "maximum flux (default: 1.0)" in printed


def test_override_in_a_parameter_file(modules):
    """8.1.13: "override_flat_field = /path/to/my_reference_file.asdf"."""
    modules.write(
        "example.cfg",
        f"""
class = example_step.ExampleStep
override_flat_field = {modules.directory}/my_reference_file.asdf
""",
    )
    modules.strun("strun example.cfg a_cal.asdf b_cal.asdf")
    assert modules.made("a*") == ["a_cal.asdf", "a_examplestep.asdf"]


def test_reference_types_add_overrides():
    """8.1.13: "For each reference file type ... an override_* parameter is added"."""

    class Flatten(RomanStep):
        reference_file_types = ["flat_field"]

    assert Flatten(override_flat_field="a.asdf").override_flat_field == "a.asdf"
    assert "override_flat_field" not in RomanStep.parameters


def test_reference_file_and_model(page, products):
    """8.1.13: "call self.get_reference_file or self.get_reference_file_model"."""

    class Look(RomanStep):
        reference_file_types = ["gain"]

        def process(self, ramp):
            with self.get_reference_file_model(ramp, "gain") as gain:
                seen.extend([self.get_reference_file(ramp, "gain"), type(gain).__name__])

    seen = []
    with datamodels.open(products["dq_init"]) as ramp:
        Look().run(ramp)
    assert seen[0].startswith(str(page.simulated.references))
    assert seen[1] == "GainRefModel"


# --- "The spec member"


def spec_of(text):
    return type("Declared", (Step,), {"spec": text})


def test_types_of_parameters():
    """8.1.13: "The types of parameters are declared like this"."""
    declared = spec_of("""
n_iterations = integer(1, 100) # The number of iterations to run
factor = float() # A multiplication factor
author = string() # The author of the file
""")
    step = declared(n_iterations="7", factor="2", author="me")
    assert (step.n_iterations, step.factor, step.author) == (7, 2.0, "me")
    assert declared.parameters["factor"].help == "A multiplication factor"
    assert declared.parameters["author"].default is REQUIRED


def test_parameters_in_categories(page):
    """8.1.13: "Parameters can be grouped into categories using ini-file-like syntax"."""
    declared = spec_of("""
[red]
offset = float()
scale = float()

[green]
offset = float()
scale = float()

[blue]
offset = float()
scale = float()
""")
    step = declared(red={"offset": 1}, blue={"offset": "2", "scale": 3})
    assert (step.red.offset, step.blue.offset, step.blue.scale) == (1.0, 2.0, 3.0)
    assert list(declared.parameters.sections) == ["red", "green", "blue"]


def test_default_values():
    """8.1.13: "name = string(default="John Doe")"."""
    with pytest.raises(ParameterError, match="'name' cannot be a parameter"):
        spec_of('name = string(default="John Doe")')
    declared = spec_of('observer_name = string(default="John Doe")')
    assert declared().observer_name == "John Doe"


# --- "Configspec types"

NO = ParameterError
FILE = __file__
TYPES = [
    ("integer()", "5", 5),
    ("integer()", "5.5", NO),
    ("integer(3, 9) # any value from 3 to 9", 9, 9),
    ("integer(3, 9) # any value from 3 to 9", 10, NO),
    ("integer(3, 9) # any value from 3 to 9", 2, NO),
    ("integer(min=0) # any positive value", 0, 0),
    ("integer(min=0) # any positive value", -1, NO),
    ("integer(max=9)", -100, -100),
    ("integer(max=9)", 10, NO),
    ("float()", "2.5", 2.5),
    ("float()", "much", NO),
    ("float(3, 9)", 9.0, 9.0),
    ("float(3, 9)", 9.1, NO),
    ("float(min=0)", -0.1, NO),
    ("float(max=9)", 9.1, NO),
    ("boolean", "True", True),
    ("boolean", "no", False),
    ("boolean()", "maybe", NO),
    ("string", "any", "any"),
    ("string(min=2, max=3)", "ab", "ab"),
    ("string(min=2, max=3)", "a", NO),
    ("string(min=2, max=3)", "abcd", NO),
    ("list", ["a", "1"], ["a", "1"]),
    ("list", ("a",), ["a"]),
    ("list", 5, NO),
    ("list(min=2, max=3)", ["a"], NO),
    ("list(min=2, max=3)", ["a"] * 4, NO),
    ("force_list", ["a"], ["a"]),
    ("force_list", 5, [5]),
    ("force_list", "a", ["a"]),
    ("int_list", ["1", 2], [1, 2]),
    ("int_list", ["1.5"], NO),
    ("int_list(min=2)", [1], NO),
    ("float_list", ["1.5", 2], [1.5, 2.0]),
    ("float_list", ["a"], NO),
    ("float_list(max=1)", [1.0, 2.0], NO),
    ("bool_list", ["yes", False], [True, False]),
    ("bool_list", ["a"], NO),
    ("bool_list(max=1)", [True, True], NO),
    ("string_list", ["a", "b"], ["a", "b"]),
    ("string_list", [1], NO),
    ("string_list(min=3)", ["a", "b"], NO),
    ("option('option 1', 'option 2', 'option 3')", "option 2", "option 2"),
    ("option('option 1', 'option 2', 'option 3')", "option 4", NO),
    ("input_file", FILE, FILE),
    ("input_file", "/nowhere/at/all", NO),
    ("output_file", "/nowhere/at/all", "/nowhere/at/all"),
]


@pytest.mark.parametrize(("check", "given", "kept"), TYPES)
def test_configspec_types(check, given, kept):
    """8.1.13: "The following is a list of the commonly useful configspec types"."""
    declared = spec_of(f"value = {check}")
    if kept is NO:
        with pytest.raises(ParameterError, match="value = "):
            declared(value=given)
        return
    value = declared(value=given).value
    assert value == kept
    assert type(value) is type(kept)


# --- "Writing a Pipeline"


def test_example_pipeline(modules):
    """8.1.13: "class ExamplePipeline(Pipeline)"."""
    from example_package.pipe import ExamplePipeline

    result = ExamplePipeline.call("a_cal.asdf", multiplier=2.0)
    with datamodels.open("a_cal.asdf") as image:
        assert result.data == pytest.approx(2 * image.data, nan_ok=True)


def test_example_pipeline_on_the_command_line(modules):
    """8.1.13: "The parameters for the individual substeps ... will be implicitly added"."""
    modules.strun(
        "strun example_package.pipe.ExamplePipeline a_cal.asdf --multiplier=2"
        " --steps.combine.offset=1"
    )
    assert modules.made("a*") == ["a_cal.asdf", "a_examplepipeline.asdf"]
    with datamodels.open("a_examplepipeline.asdf") as made, datamodels.open("a_cal.asdf") as image:
        # Products hold half precision.
        assert made.data == pytest.approx(2 * image.data + 1, rel=2e-3, nan_ok=True)


def test_example_pipeline_without_its_multiplier(modules):
    """8.1.13: "never assigned a value, an error will be produced" (Completeness)."""
    from example_package.pipe import ExamplePipeline

    with pytest.raises(ParameterError, match="multiplier has no default: set it"):
        ExamplePipeline.call("a_cal.asdf")


def test_example_pipeline_defines_one_parameter(modules):
    """8.1.13: "we define two new pipeline parameters": the example defines one."""
    from example_package.pipe import ExamplePipeline

    assert set(ExamplePipeline.parameters) - set(Pipeline.parameters) == {"multiplier"}


def test_steps_are_members(modules):
    """8.1.13: "the Steps in step_defs will be instantiated as member variables"."""
    from example_package import FlatField
    from example_package.pipe import ExamplePipeline

    pipe = ExamplePipeline(multiplier=1)
    assert isinstance(pipe.flat_field, FlatField)
    assert pipe.flat_field.parent is pipe


# --- "Logging"


def test_logging_from_a_step(caplog):
    """8.1.13: "self.log.info("This Step wants to say something")"."""

    class Says(Step):
        def process(self):
            self.log.info("This Step wants to say something")

    assert isinstance(Says().log, logging.Logger)
    with caplog.at_level(logging.INFO):
        Says().run()
    assert ("stpipe.Says", logging.INFO, "This Step wants to say something") in caplog.record_tuples


def test_logging_from_library_code(page, caplog, capsys):
    """8.1.13: "have those messages appear as if they were coming from the step"."""
    with caplog.at_level(logging.INFO):  # and back, as the library sets the root logger's level
        library = page.python("""
import logging

# ...
log = logging.getLogger()

# If the log on its own won't emit, neither will it in the
# context of an stpipe step, so make sure the level is set to
# allow everything through
log.setLevel(logging.DEBUG)

def my_library_call():
    # ...
    log.info("I want to make note of something")
    # ...
""")

        class Uses(Step):
            def process(self):
                library.my_library_call()

        page.write("log.cfg", "[*]\nlevel = INFO\n")
        Uses.call(logcfg="log.cfg")
    shown = " - stpipe.Uses - INFO - I want to make note of something\n"
    assert shown in capsys.readouterr().err


# --- "romancal.stpipe Package"


def test_roman_pipeline_and_roman_step():
    """8.1.13: "class romancal.stpipe.RomanPipeline ... Bases: Pipeline, RomanStep"."""
    assert RomanPipeline.__bases__ == (Pipeline, RomanStep)
    assert issubclass(RomanStep, Step)
    assert "output_ext = " in RomanStep.spec
    assert RomanStep.parameters["output_ext"].default == ".asdf"


def test_arguments_of_a_step(page):
    """8.1.13: "RomanStep(name=None, parent=None, config_file=None, ..., **kws)"."""
    assert list(inspect.signature(RomanStep.__init__).parameters)[1:4] == [
        "name",
        "parent",
        "config_file",
    ]
    pipe = ExposurePipeline()
    step = RomanStep("mine", pipe, "pars.asdf", suffix="new")
    assert (step.name, step.parent, step.config_file) == ("mine", pipe, "pars.asdf")
    assert step.suffix == "new"
    assert step.log.name == "stpipe.ExposurePipeline.mine"
    assert RomanStep().name == "RomanStep"


def test_validate_kwds_is_unknown():
    """8.1.13: "_validate_kwds=True" is what the 2022 program calls itself with."""
    with pytest.raises(ParameterError, match="_validate_kwds"):
        RomanStep(_validate_kwds=True)


@pytest.mark.usefixtures("ramps")
def test_finalize_result(page):
    """8.1.13: "Hook that allows the Step to set metadata on the output model before save"."""
    seen = []

    class Mine(JumpStep):
        def finalize_result(self, model, reference_files_used):
            super().finalize_result(model, reference_files_used)
            seen.extend(reference_files_used)
            model.meta.filename = "set_by_the_hook"

    result = Mine.call(f"{page.first}_uncal.asdf")
    assert result.meta.filename == "set_by_the_hook"
    assert [reftype for reftype, _ in seen] == ["gain", "readnoise"]
    assert all("/" not in name for _, name in seen)


@pytest.mark.parametrize(("success", "status"), [(True, "COMPLETE"), (False, "SKIPPED")])
def test_record_step_status(products, success, status):
    """8.1.13: "Record step completion status in the model's metadata"."""
    with datamodels.open(products["rampfit"]) as model:
        RomanStep().record_step_status(model, "photom", success=success)
        assert model.meta.cal_step.photom == status


def test_remove_suffix():
    """8.1.13: "Remove any Roman step-specific suffix from the given filename"."""
    assert RomanStep().remove_suffix("r0_dq_init") == "r0"
    assert RomanStep().remove_suffix("r0_mine") == "r0_mine"
