"""What objects look like at a prompt and in a notebook, and what TAB completes there."""

import inspect
import re
import rlcompleter
from html.parser import HTMLParser

import numpy as np
import pytest
from astropy.io.fits import Header

from romancal_rs import cli, datamodels, kernels
from romancal_rs.batch import Batch, Kind, Outcome, Plan
from romancal_rs.batch.plan import Pin, PlannedExposure, Problem, ReferenceSet, Settings
from romancal_rs.batch.state import RunDirectory
from romancal_rs.compare import compare
from romancal_rs.datamodels import GainRefModel, ImageModel, testing
from romancal_rs.fits import SipFit, export
from romancal_rs.flatfield import FlatFieldStep
from romancal_rs.inspection import describe_file, validate_file
from romancal_rs.jump import JumpStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.report import Report
from romancal_rs.stpipe import Run, StepReport

EVIL = "<script>alert('x')</script>&\x1b[31m"


class Page(HTMLParser):
    """The elements and the text of a page, which has to be whole: each element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.unfolded: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "br":  # has no end
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open[-1:] in (["td"], ["th"]):
            self.rows[-1][-1] += data


@pytest.fixture
def image(tmp_path):
    made = ImageModel(testing.create_wfi_image((8, 12)))
    path = made.save(tmp_path / "r1_cal.asdf")
    with datamodels.open(path) as opened:
        yield opened


# --- models


def test_a_model_shows_what_it_is_without_reading_an_array(image):
    page = Page(image._repr_html_())
    assert "ImageModel · 8 x 12 · r1_cal.asdf" in page.text
    assert ["detector", "WFI01 · F158"] in page.rows
    assert ["data", "float32", "(8, 12)"] in page.rows
    assert ["err", "float16", "(8, 12)"] in page.rows  # as it lies in the file
    assert ["flat_field", "INCOMPLETE"] in page.rows or "steps:" in page.text
    assert "wcs: (not read yet)" in page.text or image.meta.get("wcs") is None
    assert "unloaded" in repr(image._tree.data["data"])


def test_all_text_of_a_file_is_escaped(image):
    image.meta["filename"] = EVIL
    image.meta[EVIL] = {EVIL: [EVIL]}
    image[EVIL] = EVIL
    for shown in (image, image.meta):
        html = shown._repr_html_()
        assert "script" not in Page(html).tags
        assert "&lt;script&gt;" in html
        assert "\x1b" not in html
    assert "\x1b" not in repr(image.meta)


def test_no_colour_is_fixed_so_that_a_dark_notebook_stays_dark(image):
    for shown in (image, image.meta, FlatFieldStep(), ExposurePipeline()):
        assert "color" not in shown._repr_html_().replace(image.meta.filename, "")


def test_long_values_are_cut(image):
    image.meta["words"] = "word " * 1000
    image.meta["numbers"] = list(range(1000))
    assert len(image._repr_html_()) < 20_000
    assert "numbers: 1000 items: [0, 1, 2" in image._repr_html_()
    assert all(len(line) <= 100 for line in repr(image.meta).splitlines())


def test_the_metadata_print_as_a_tree(image):
    lines = repr(image.meta).splitlines()
    assert lines[0] == "meta"
    assert "├─filename: r1_cal.asdf" in lines
    assert len(lines) == 1 + len(image.meta)  # blocks are folded
    [instrument] = [line for line in lines if "instrument" in line]
    assert instrument == "├─instrument (detector=WFI01, name=WFI, optical_element=F158)"
    lines = repr(image.meta.instrument).splitlines()
    assert lines == ["WfiMode", "├─detector: WFI01", "├─name: WFI", "└─optical_element: F158"]
    assert str(image.meta.instrument) == repr(image.meta.instrument)


def test_short_metadata_print_with_all_their_blocks(image):
    image.meta["a"] = {"b": {"c": 1, "d": None}, "e": "", "f": np.zeros((2, 3), np.float32)}
    assert repr(image.meta.a).splitlines() == [
        "A",
        "├─b (dict)",
        "│ ├─c: 1",
        "│ └─d: None",
        "├─e: ''",
        "└─f: shape=(2, 3), dtype=float32",
    ]


def test_a_list_shows_its_first_items(image):
    image.meta["runs"] = [{"number": number, "what": EVIL} for number in range(30)]
    page = Page(image.meta.runs._repr_html_())
    assert page.text.startswith("div.romancal-rs")  # its style, and then itself
    assert "runs · 30 items" in page.text
    assert page.tags.count("details") == 24
    assert "number: 23" in page.text
    assert page.text.endswith("and 6 more")
    assert "script" not in page.tags


def test_keys_complete(image):
    assert {"data", "dq", "meta"} <= set(dir(image))
    assert image._ipython_key_completions_() == list(image)
    assert {"exposure", "photometry"} <= set(dir(image.meta))
    assert "exposure" in image.meta._ipython_key_completions_()
    image.meta.photometry.conversion_megajanskys = 0.5
    # What follows from it can be asked for, so it completes.
    assert "conversion_microjanskys" in dir(image.meta.photometry)
    assert "conversion_microjanskys" in image.meta.photometry._ipython_key_completions_()
    image.meta["no-name"] = 1
    assert "no-name" not in dir(image.meta)
    assert "no-name" in image.meta._ipython_key_completions_()
    completer = rlcompleter.Completer({"image": image})
    assert completer.complete("image.meta.expo", 0) == "image.meta.exposure"
    assert completer.complete("image.meta.exposure.nres", 0) == "image.meta.exposure.nresultants"


def test_a_reference_file_shows_what_it_is_for():
    page = Page(GainRefModel(testing.create_gain())._repr_html_())
    assert "GainRefModel" in page.text
    assert any(row[0] == "reference" and row[1].startswith("GAIN") for row in page.rows)
    assert "1 array" in page.text


# --- steps


def test_a_step_shows_its_parameters_and_which_are_changed():
    step = JumpStep(rejection_threshold=5.5)
    assert repr(step) == "<JumpStep 'JumpStep', rejection_threshold=5.5>"
    page = Page(step._repr_html_())
    assert ["rejection_threshold", "5.5"] in page.rows
    [row] = [row for row in page.rows if row[0] == "rejection_threshold" and len(row) == 4]
    assert row == [
        *("rejection_threshold", "5.5", "4.0", JumpStep.parameters["rejection_threshold"].help),
    ]
    assert repr(JumpStep()) == "<JumpStep 'JumpStep'>"


def test_a_parameter_that_holds_a_model_is_changed():
    step = FlatFieldStep(override_flat=GainRefModel(testing.create_gain()))
    assert "override_flat=<GainRefModel (16, 16)>" in repr(step)


def test_a_pipeline_shows_its_steps_folded():
    pipeline = ExposurePipeline(steps={"jump": {"skip": True}, "rampfit": {"algorithm": "ols"}})
    page = Page(pipeline._repr_html_())
    for name in pipeline.step_defs:
        assert name in page.text
    assert "jump (skipped)" in page.text
    assert "rampfit (algorithm)" in page.text
    assert len(pipeline._repr_html_()) < 20_000


def test_the_parameters_of_a_class_print_as_a_table():
    lines = repr(JumpStep.parameters).splitlines()
    assert lines[0].split() == ["parameter", "type", "default", "meaning"]
    [line] = [line for line in lines if line.startswith("rejection_threshold")]
    assert line.split()[:3] == ["rejection_threshold", "NUMBER", "4.0"]
    assert "rejection_threshold" in JumpStep.parameters._ipython_key_completions_()
    page = Page(JumpStep.parameters._repr_html_())
    assert len(page.rows) == len(lines)


@pytest.mark.parametrize("step_class", [JumpStep, FlatFieldStep, ExposurePipeline])
def test_the_signature_of_a_step_has_its_parameters(step_class):
    signature = inspect.signature(step_class)
    for name, parameter in step_class.parameters.items():
        assert signature.parameters[name].default == parameter.default
        assert signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert ("steps" in signature.parameters) == bool(step_class.step_defs)
    defaults = {n: p.default for n, p in signature.parameters.items() if n in step_class.parameters}
    assert repr(step_class(**defaults)) == repr(step_class())
    assert inspect.signature(JumpStep).parameters["rejection_threshold"].annotation is float


def test_parameters_and_steps_complete():
    assert {"rejection_threshold", "skip", "get_pars"} <= set(dir(JumpStep()))
    assert {"rampfit", "jump", "save_results"} <= set(dir(ExposurePipeline()))


def test_a_run_shows_what_its_steps_did(simulated, tmp_path):
    run = Run(FlatFieldStep(references=str(simulated.references), output_dir=str(tmp_path)))
    assert "has not begun" in run._repr_html_()
    assert repr(run) == "<Run of FlatFieldStep: 0 steps ended>"
    run(ImageModel(testing.create_wfi_image((56, 120))))
    page = Page(run._repr_html_())
    assert page.rows[0] == ["step", "status", "s", "references"]
    assert page.rows[1][:2] == ["FlatFieldStep", run.reports[0].status]
    assert Page(run.reports[0]._repr_html_()).rows == page.rows[:2]


# --- batches


def test_references_of_a_step_are_all_shown_each_in_a_line():
    names = {
        kind: f"roman_wfi_{kind}_0001.asdf" for kind in ("linearity", "inverselinearity", "x" * 40)
    }
    page = Page(StepReport("linearity", "COMPLETE", 0.1, names)._repr_html_())
    assert page.tags.count("br") == 2
    assert page.rows[1][3] == "".join(f"{kind}: {name}" for kind, name in names.items())


def plan_of(*exposures):
    pin = Pin("flat", "/refs/flat.asdf")
    return Plan(Settings("roman_elp", "out"), exposures, {"abcdef": ReferenceSet("abcdef", (pin,))})


def test_a_plan_shows_how_many_exposures_of_what_and_what_is_wrong():
    good = PlannedExposure("a_uncal.asdf", detector="WFI01", optical_element="F158", ma_table="A")
    bad = PlannedExposure("b_uncal.asdf", problem=Problem(Kind.BAD_INPUT, EVIL))
    plan = plan_of(good, good, bad)
    assert repr(plan) == "<Plan of 3 exposures to out>"
    page = Page(plan._repr_html_())
    assert ["WFI01", "F158", "A", "2"] in page.rows
    assert ["flat", "flat.asdf"] in page.rows
    assert "1 that cannot be calibrated" in page.text
    assert "<script>" in page.text


def test_an_outcome_shows_its_message_and_flags():
    outcome = Outcome("in/a_uncal.asdf", Kind.DONE, flags={"SATURATED": 7}, median_rate=1.25)
    page = Page(outcome._repr_html_())
    assert "Outcome · done · a_uncal.asdf" in page.text
    assert ["SATURATED", "7"] in page.rows
    assert ["median rate", "1.25"] in page.rows
    assert not any(row[0] == "message" for row in page.rows)
    failed = Outcome("a", Kind.FAILED, message=EVIL)
    assert "script" not in Page(failed._repr_html_()).tags


def test_a_batch_shows_its_plan(tmp_path):
    batch = Batch(plan_of(PlannedExposure("a_uncal.asdf")), RunDirectory(tmp_path))
    page = Page(batch._repr_html_())
    assert f"Batch · 1 exposure · {tmp_path}" in page.text
    assert ["step", "roman_elp"] in page.rows


# --- fits


def test_a_fit_shows_medians_of_its_good_pixels():
    pattern = kernels.ReadPattern.evenly_spaced(4, 2.0)
    rates = np.array([[1.0, 2.0, 4.0]], np.float32)
    data = (rates * pattern.times[:, None, None]).astype(np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[:, 0, 2] = 2  # the brightest is saturated throughout
    plane = np.ones((1, 3), np.float32)
    fit = kernels.fit_ramps(
        data, groupdq, np.zeros((1, 3), np.uint32), plane, plane, pattern, optional=True
    )
    page = Page(fit._repr_html_())
    assert ["slope", "float32", "1.5", "DN/s"] in page.rows
    assert "66.7 % of the pixels are good" in page.text
    assert "1 x 1 x 3" in page.text  # its segments
    assert repr(fit) == "<RampFit of 1 x 3 pixels>"
    assert repr(fit.optional) == "<SegmentFits of 1 x 1 x 3>"


def test_medians_of_a_large_image_are_of_a_part_of_it_and_say_so():
    rate = np.broadcast_to(np.arange(2000, dtype=np.float32), (1500, 2000)).copy()
    fit = kernels.RampFit(rate, np.zeros(rate.shape, np.uint32), *[rate] * 5)
    page = Page(fit._repr_html_())
    assert page.rows[0] == ["name", "dtype", "median (about) of good pixels", "unit"]
    assert ["slope", "float32", "999.5", "DN/s"] in page.rows  # rows are the same


def test_what_is_calibrated_shows_what_took_how_long_and_what_was_found():
    pattern = kernels.ReadPattern.evenly_spaced(4, 2.0)
    plane = np.ones((8, 8), np.float32)
    calibrated = kernels.calibrate(
        np.ones((4, 8, 8), np.float32),
        [kernels.jump(plane, plane, pattern)],
        kernels.likelihood_fit(plane, plane, pattern, record_jumps=True),
    )
    page = Page(calibrated._repr_html_())
    assert {"read", "jump", "fit"} <= {row[0] for row in page.rows}
    assert ["fit", "jump_indices", "array of 0 x 3"] in page.rows
    assert repr(calibrated) == "<Calibrated: <RampFit of 8 x 8 pixels>>"


def test_a_fit_without_pixels_shows_too():
    empty = np.zeros((0, 0), np.float32)
    fit = kernels.RampFit(empty, empty.astype(np.uint32), *[empty] * 5)
    assert ["slope", "float32", "", "DN/s"] in Page(fit._repr_html_()).rows


def test_a_comparison_and_an_export_print_as_reports_at_a_prompt(image, tmp_path):
    found = compare(image, image.copy())
    assert repr(found) == str(found)
    assert repr(found).splitlines()[-1] == "A and B are the same"
    exported = export(image, tmp_path / "image.fits")
    assert repr(exported) == str(exported)
    assert exported.wcs is None
    assert repr(SipFit(Header(), 1, 2e-5, 3e-5)) == (
        "<SipFit: TAN, within 2e-05 pixel of the image's own WCS>"
    )


def test_rules_of_jupyterlab_do_not_overrule_those_of_tables(image):
    # Those of JupyterLab have two classes and an element, `:not(.a).b td`, and so need ours.
    (style,) = re.findall("<style>(.*)</style>", image._repr_html_())
    (selector,) = re.findall(r"([^{}]*)\{text-align:left", style)
    assert selector.count(".") == 2


def test_what_is_found_in_files_shows_in_short_and_unfolds(image, tmp_path):
    image.meta.exposure.ma_table_name = EVIL
    file = str(image.save(tmp_path / "one_cal.asdf"))
    for found, word in (
        (compare(file, image), "A and B are the same"),
        (describe_file(file), "wfi_image"),
        (validate_file(file), "0 errors"),
        (validate_file(__file__), "1 error"),
    ):
        html = found._repr_html_()
        assert word in Page(html).text
        assert "script" not in Page(html).tags


def test_what_is_found_in_a_file_prints_as_the_command_does(image, tmp_path, capsys):
    file = str(image.save(tmp_path / "one_cal.asdf"))
    for words, found in (
        (["info", file], describe_file(file)),
        (["validate", file], validate_file(file)),
    ):
        assert cli.main(words) == 0
        assert capsys.readouterr().out == f"{found!r}\n"
    assert repr(Report(file)) == f"<Report of {file}>"
