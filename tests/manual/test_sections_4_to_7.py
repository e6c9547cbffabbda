"""The manual's sections 4 to 7: the command line, Python, file names, parameters.

Exit statuses 1 and 64 (4.1) are in tests/cli/test_errors.py, as are associations (6.1).
"""

import pytest

from romancal_rs import datamodels
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import Pipeline, RomanPipeline, RomanStep, Step
from romancal_rs.stpipe.find_class import find_class
from romancal_rs.stpipe.registry import suffixes

UNCAL = "r0008308002010007027_06311_0019_WFI01_uncal.asdf"
#: The exposures are of today, and the names of products that the manual has are of its time.
OF_2022 = "--recipe=2022"

# --- 4. Running from the command line


def test_the_pipeline_by_its_class(page):
    """4: "The command to run this pipeline is"."""
    page.strun("""
$ strun romancal.pipeline.ExposurePipeline r0008308002010007027_06311_0019_WFI01_uncal.  
→asdf
""")  # noqa: W291 (as printed)
    assert page.made("*_cal") == [f"{page.first}_cal.asdf"]


def test_the_pipeline_by_its_alias(page):
    """4: "has the alias roman_elp and can be run as"."""
    assert find_class("calroman.pipeline.ExposurePipeline") is find_class("roman_elp")
    page.strun("$ strun roman_elp r0008308002010007027_06311_0019_WFI01_uncal.asdf")
    assert page.made("*_cal") == [f"{page.first}_cal.asdf"]


def test_an_input_file_is_no_first_argument(page):
    """4: "strun <pipeline_name, class_name, or input_file>", which the next sentence corrects."""
    told = page.strun(f"strun {UNCAL}", status=2).err
    assert f"What to run comes first: romancal-rs run roman_elp {UNCAL}" in told


def test_exit_status_of_success_and_of_an_error(page):
    """4.1: "0: Successful completion", "1: General error occurred"."""
    page.strun(f"strun dq_init {UNCAL}", status=0)
    page.strun("strun dq_init r0000000000000000000_00000_0000_WFI01_uncal.asdf", status=1)


# --- 5. Running from the Python prompt


@pytest.mark.usefixtures("ramps")
def test_call(page):
    """5: "using the call method of the class"."""
    space = page.python("""
from romancal.pipeline import ExposurePipeline
result = ExposurePipeline.call('r0000101001001001001_01101_0001_WFI01_uncal.asdf')
""")
    assert isinstance(space.result, datamodels.ImageModel)
    space = page.python("""
from romancal.linearity import LinearityStep
result = LinearityStep.call('r0000101001001001001_01101_0001_WFI01_uncal.asdf')
""")
    assert space.result.meta.cal_step.linearity == "COMPLETE"
    assert page.made() == [f"{page.second}_uncal.asdf", f"{page.first}_uncal.asdf"]


# --- 6. Input and output file conventions


def test_outputs_are_in_the_current_directory(page):
    """6.2: "in the current working directory", wherever the input is."""
    (page.directory / "data").mkdir()
    (page.directory / UNCAL).rename(page.directory / "data" / UNCAL)
    page.strun(f"strun dq_init data/{UNCAL} {OF_2022}")
    assert page.made("*_dq_init") == [f"{page.first}_dq_init.asdf"]
    assert page.made(under="data") == [UNCAL]


def test_name_of_the_output_from_output_file(page):
    """6.2: "each pipeline/step uses the name as a base name"."""
    page.strun(f"strun dq_init {UNCAL} --output_file=other.asdf {OF_2022}")
    assert page.made("o*") == ["other_dq_init.asdf"]


def test_previous_files_are_overwritten(page):
    """6.2: "When re-running a pipeline, previous files will be overwritten"."""
    before = page.write(f"{page.first}_dq_init.asdf", "an older file")
    page.strun(f"strun dq_init {UNCAL} {OF_2022}")
    with datamodels.open(before) as ramp:
        assert isinstance(ramp, datamodels.RampModel)


def test_individual_step_outputs(page):
    """6.2.1: "produces an output file named ..._dq_init.asdf"."""
    page.strun(
        "$ strun romancal.dq_init.DQInitStep r0008308002010007027_06311_0019_WFI01_uncal.asdf"
        f" {OF_2022}"
    )
    assert page.made("*_dq_init") == ["r0008308002010007027_06311_0019_WFI01_dq_init.asdf"]


# --- 7. Parameters


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        ("$ strun roman_elp -h", ["save_calibrated_ramp", "override_TYPE"]),
        ("$ strun roman_elp --help-all", ["steps.dark_current.override_dark"]),
        ("$ strun calroman.dq_init.DQInitStep -h", ["override_mask", "output_dir"]),
    ],
)
def test_help_shows_the_parameters(page, line, parameters):
    """7: "To see what parameters are available"."""
    printed = page.strun(line).out
    for parameter in parameters:
        assert f"--{parameter} " in printed


def test_save_the_calibrated_ramp(page):
    """7: "to have roman_elp save the calibrated ramp files"."""
    page.strun("""
$ strun roman_elp r0008308002010007027_06311_0019_WFI01_uncal.asdf --save_calibrated_
↪ramp=true
""")
    suffixes = ("cal", "ramp", "uncal", "wcs")
    assert page.made("r00083*") == [f"{page.first}_{suffix}.asdf" for suffix in suffixes]


def test_override_a_reference_of_one_step(page):
    """7: "to override the default selection of a dark current reference file"."""
    page.reference("dark", "my_dark.asdf")
    page.strun("""
$ strun roman_elp r0008308002010007027_06311_0019_WFI01_uncal.asdf
    --steps.dark_current.override_dark='my_dark.asdf'
""")
    with datamodels.open(f"{page.first}_cal.asdf") as image:
        assert image.meta.ref_file.dark == "my_dark.asdf"


#: Those that 8.1.13 lists, and those that sections 6 and 7 name besides.
UNIVERSAL = (
    "input_dir output_dir output_ext output_file output_use_index output_use_model post_hooks "
    "pre_hooks save_results search_output_file skip suffix"
)


@pytest.mark.parametrize("name", UNIVERSAL.split())
def test_universal_parameters(name):
    """7.1: "common to all pipelines and steps"; 8.1.13: "have a common set of parameters"."""
    classes = [Step, Pipeline, RomanStep, RomanPipeline, ExposurePipeline]
    for step_class in [*classes, *ExposurePipeline.step_defs.values()]:
        assert step_class.parameters[name].help


def test_output_directory(page):
    """7.1.1: "to have all output ... appear in the sub-directory calibrated"."""
    page.strun("""
$ strun roman_elp r0008308002010007027_06311_0019_WFI01_uncal.asdf
    --output_dir=calibrated
""")
    assert page.made(under="calibrated") == [f"{page.first}_{s}.asdf" for s in ("cal", "wcs")]


def test_output_directory_holds_intermediate_steps_too(page):
    """7.1.1: "all output from roman_elp, including any saved intermediate steps"."""
    line = f"strun roman_elp {UNCAL} --output_dir=calibrated --steps.jump.save_results=true"
    page.strun(f"{line} {OF_2022}")
    assert page.made(under="calibrated") == [f"{page.first}_{s}.asdf" for s in ("cal", "jump")]


def test_output_directory_and_file_of_one_step(page):
    """7.1.1: "to change the name and location of the dark_current step"."""
    page.strun(f"""
$ strun roman_elp r0008308002010007027_06311_0019_WFI01_uncal.asdf
    --output_dir=calibrated
    --steps.dark_current.output_file='dark_sub.asdf'
    --steps.dark_current.output_dir='dark_calibrated' {OF_2022}
""")
    assert page.made(under="calibrated") == [f"{page.first}_cal.asdf"]
    assert page.made(under="dark_calibrated") == ["dark_sub_dark_current.asdf"]


def test_no_intermediate_results_are_saved(page):
    """7.1.2: "without saving any intermediate results to disk"."""
    page.strun(f"strun roman_elp {UNCAL}")
    assert page.made("r00083*") == [f"{page.first}_cal.asdf", UNCAL, f"{page.first}_wcs.asdf"]


#: The table of 7.2: product, suffix, what makes it.
SUFFIXES = [
    ("Uncalibrated raw input", "uncal", None),
    ("DQ initialization", "dq_init", "dq_init"),
    ("Saturation detection", "saturation", "saturation"),
    ("Linearity correction", "linearity", "linearity"),
    ("Dark current", "dark_current", "dark_current"),
    ("Jump detection", "jump", "jump"),
    ("Corrected ramp data", "rampfit", "ramp_fit"),
    ("Optional fitting results from ramp_fit step", "fitopt", "ramp_fit --save_opt=true"),
    ("Assign WCS", "assign_wcs", "assign_wcs"),
    ("Flat field", "flat", "flatfield"),
    ("Photometric calibration", "phot", "photom"),
    ("Calibrated image", "cal", "roman_elp"),
]
OF_AN_IMAGE = ("assign_wcs", "flatfield", "photom")


@pytest.mark.parametrize(("product", "suffix", "target"), SUFFIXES)
def test_suffix_definitions(page, products, product, suffix, target):
    """7.2: "The list of suffixes is shown in the following table"."""
    assert suffix in suffixes()
    if target is None:
        return
    target, _, option = target.partition(" ")
    names = list(products)
    name = "rampfit" if target == "ramp_fit" else target
    ready = page.simulated.exposure
    if target in OF_AN_IMAGE:
        ready = products["rampfit"]
    elif name in names[1:]:
        ready = products[names[names.index(name) - 1]]
    (page.directory / "r1_uncal.asdf").symlink_to(ready)
    page.strun(f"strun {target} r1_uncal.asdf {option} {OF_2022}")
    assert f"r1_{suffix}.asdf" in page.made("r1_*")


def test_an_unknown_suffix_is_kept(page):
    """7.2: "Otherwise, the new suffix will simply be appended"."""
    (page.directory / "r1_mine.asdf").symlink_to(page.simulated.exposure)
    page.strun(f"strun dq_init r1_mine.asdf {OF_2022}")
    assert page.made("r1_*") == ["r1_mine.asdf", "r1_mine_dq_init.asdf"]
