"""What the pages of `docs` show works, and says what they say."""

import argparse
import ast
import inspect
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import cli
from romancal_rs.batch import calibrate_all
from romancal_rs.cli.batch import TASKS
from romancal_rs.dq_init import DQInitStep
from romancal_rs.exposure import read_pattern
from romancal_rs.pipeline import ExposurePipeline, plan
from romancal_rs.stpipe import Run

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def blocks(page: str, language: str = "python") -> list[str]:
    text = (DOCS / page).read_text()
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def run_examples(page: str, containing: str = "") -> dict:
    """The names that the examples of a page leave, one run after the other."""
    names: dict = {"__name__": "mysteps"}
    for example in blocks(page):
        if containing in example:
            exec(compile(example, page, "exec"), names)
    return names


def headings(page: Path) -> set[str]:
    """Of a page, as links name them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def links() -> list[tuple[str, str]]:
    """Of the pages to one another."""
    return [
        (page.relative_to(DOCS).as_posix(), target)
        for page in sorted(DOCS.rglob("*.md"))
        for target in re.findall(r"\]\(([\w./-]*(?:#[\w-]+)?)\)", page.read_text())
    ]


@pytest.mark.parametrize(("page", "target"), links())
def test_links_lead_somewhere(page, target):
    name, _, heading = target.partition("#")
    path = (DOCS / page).parent / name if name else DOCS / page
    assert path.exists()
    if heading:
        assert heading in headings(path)


def test_the_examples_of_kernels_run(capsys):
    names = run_examples("reference/kernels.md")
    np.testing.assert_allclose(names["image"].slope, 2.5, rtol=1e-5)
    rate = names["calibrated"].fit.slope
    np.testing.assert_allclose(rate, 250 * 1.1 - 0.1, rtol=1e-5)
    printed = capsys.readouterr().out
    assert "(56, 56)" in printed
    assert [line.split()[0] for line in printed.splitlines()[-5:]] == [
        *("read", "saturation", "linearity", "dark", "fit"),
    ]


def test_the_table_of_kernels_is_true():
    names = run_examples("reference/kernels.md")
    told = re.findall(
        r"^\| (`.*?) \| .* \| (`.*?) \|$", (DOCS / "reference/kernels.md").read_text(), re.M
    )
    changed = {name: changes for names, changes in told for name in re.findall(r"\w+", names)}
    for kernel in names["steps"]:
        assert re.findall(r"\w+", changed[kernel.name]) == kernel.changes


def test_the_examples_of_steps_run(simulated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("refs").symlink_to(simulated.references)
    Path("my_gain.asdf").symlink_to(next(simulated.references.glob("*_gain_*.asdf")))
    ramp = DQInitStep.call(simulated.exposure, references="refs")
    ramp.save("exposure_linearity.asdf")
    names = run_examples("reference/steps.md", "exposure_linearity.asdf")
    assert [(report.name, report.status) for report in names["run"].reports] == [
        ("RampFitStep", "COMPLETE")
    ]
    assert names["run"].saved_files == []
    assert names["image"].meta.ref_file.gain == "my_gain.asdf"


@pytest.fixture
def of_writing_steps() -> dict:
    return run_examples("how-to/writing-steps.md", "class ")


def test_the_step_of_writing_steps_runs(of_writing_steps, simulated):
    image = ExposurePipeline.call(simulated.exposure, references=str(simulated.references))
    references = {"references": str(simulated.references)}
    less = of_writing_steps["SubtractStep"].call(image, level=2, **references)
    np.testing.assert_array_equal(less.data, image.data - np.float32(2))
    reduced = of_writing_steps["Reduce"](**references).run(image)
    assert reduced.meta.cal_step.flat_field == "COMPLETE"


def test_the_ramp_step_of_writing_steps_runs_alone(of_writing_steps, simulated):
    ramp = DQInitStep.call(simulated.exposure, references=str(simulated.references))
    less = of_writing_steps["GlowStep"].call(ramp, rate=0.5)
    assert less.meta.cal_step.glow == "COMPLETE"
    times = read_pattern(ramp).times.astype(np.float32)[:, None, None]
    np.testing.assert_array_equal(less.data, ramp.data - np.float32(0.5) * times)


def test_the_ramp_step_of_writing_steps_is_taken_together_with_the_others(
    of_writing_steps, simulated
):
    def rate(**parameters):
        pipeline = of_writing_steps["GlowPipeline"](
            references=str(simulated.references), **parameters
        )
        run = Run(pipeline)
        return run(simulated.exposure), run

    plain, _ = rate()
    image, run = rate(steps={"glow": {"rate": 0.5}})
    by_step, _ = rate(steps={"glow": {"rate": 0.5}}, fused=False)
    assert any("Step glow done, together with others" in line for line in image.meta.cal_logs)
    assert image.meta.cal_step.glow == "COMPLETE"
    names = [report.name for report in run.reports]
    assert names.index("glow") == names.index("rampfit") - 1
    assert image.data.tobytes() == by_step.data.tobytes()
    # The flat is 1 but for some per cent, and a pixel that lost a jump or found one differs more.
    assert np.median(plain.data - image.data) == pytest.approx(0.5, rel=0.05)


def test_the_log_of_walls_is_what_steps_shows(simulated, tmp_path):
    (shown,) = [block for block in blocks("reference/steps.md", "") if "the ramp is seen" in block]
    steps = {"linearity": {"save_results": True}}
    image = ExposurePipeline(
        references=str(simulated.references), output_dir=str(tmp_path), steps=steps
    ).run(simulated.exposure)
    logged = (line.split(" :: ")[-1] for line in image.meta.cal_logs)
    without_times = (re.sub(r"[\d.]+ s$", "0.61 s", line) for line in logged)
    for line in shown.splitlines():  # in this order, and others in between
        assert line in without_times


def test_walls_are_told_for_the_parameters_that_make_them():
    page = (DOCS / "reference/steps.md").read_text()
    for parameter in (*plan.BEFORE, *plan.AFTER):
        assert re.search(rf"^\| .*`{parameter}`", page, flags=re.MULTILINE)


def test_the_deviations_are_numbered_in_order_and_name_tests_that_there_are():
    """Numbers stood several times, and a list began anew."""
    text = (DOCS / "explanation/deviations.md").read_text()
    entries = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^#|^$|\Z)", text, re.MULTILINE | re.DOTALL)
    assert [int(number) for number, _ in entries] == list(range(1, len(entries) + 1))
    for number, entry in entries[8:]:  # the first have one file for them all
        assert re.search(r"tests/|test_|rust/|same\s+file", entry), number
    for path in re.findall(r"`((?:tests|rust)/[\w/]+(?:\.\w+)?)`", text):
        assert (ROOT / path).exists(), path
    sources = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "rust" / "src").rglob("*.rs")]
    code = "\n".join(path.read_text() for path in sources)
    for name in re.findall(r"`(test_\w+|[a-z]+(?:_[a-z0-9]+){5,})`", text):
        assert re.search(rf"(def|fn) {name}\b", code), name


#: The pages on batches.
OF_BATCHES = ("how-to/batch.md", "how-to/remote.md")


def commands(page: str) -> list[str]:
    """The commands of this package that a page shows, in blocks and in lines."""
    text = (DOCS / page).read_text()
    shown = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    inline = [code.replace("\n", " ") for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    found = [line.removesuffix("&").strip() for line in (*shown, *inline)]
    return [line for line in found if re.match(r"romancal-rs batch \w+ \S", line)]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("page", OF_BATCHES)
def test_the_shell_takes_what_the_pages_on_batches_show(page):
    for block in blocks(page, "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)


@pytest.mark.parametrize("command", [line for page in OF_BATCHES for line in commands(page)])
def test_commands_of_the_pages_on_batches_are_taken(command):
    words = shlex.split(re.sub(r"\$\(\(.*?\)\)|\$\w+", "7", command))
    _, options = cli._parse(words[1:])
    assert options is not None


@pytest.mark.parametrize("page", OF_BATCHES)
def test_options_that_the_pages_on_batches_name_exist(page):
    known: set[str] = set()
    for task in TASKS.values():
        parser = argparse.ArgumentParser()
        task.add_arguments(parser)
        if hasattr(task, "add_arguments_of_target"):
            parser.explain = None
            task.add_arguments_of_target(parser, [])
        known |= {option for action in parser._actions for option in action.option_strings}
    text = re.sub(r"^```.*?^```$", "", (DOCS / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    code = " ".join(re.findall(r"`([^`]+)`", text))
    named = re.findall(r"(?<!\S)--\w[\w.-]*", code)
    assert named
    assert [name for name in named if name not in known and "NAME" not in name] == []


def test_python_and_json_of_the_pages_on_batches_fit():
    examples = blocks("how-to/batch.md")
    calls = [
        node
        for example in examples
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "calibrate_all"
    ]
    assert len(calls) == len(examples)
    for call in calls:
        given = {keyword.arg: None for keyword in call.keywords}
        inspect.signature(calibrate_all).bind(*call.args, **given)
    assert all(isinstance(json.loads(block), dict) for block in blocks("how-to/batch.md", "json"))


def test_the_examples_of_batches_on_a_laptop_run(simulated, tmp_path, monkeypatch, capsys):
    # A relative path of modules means another one to the workers.
    monkeypatch.setenv("PYTHONPATH", str(Path(cli.__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    Path("refs").symlink_to(simulated.references)
    Path("raw").mkdir()
    shutil.copy(simulated.exposure, "raw")
    shown = blocks("how-to/batch.md", "sh")
    for block, told in ((shown[1], "1 new"), (shown[0], "1 done"), (shown[0], "1 current")):
        assert cli.main(shlex.split(block)[1:]) == 0
        assert told in capsys.readouterr().out
    (notebook,) = [block for block in blocks("how-to/batch.md") if "list(batch)" in block]
    names: dict = {}
    exec(compile(notebook, "how-to/batch.md", "exec"), names)
    assert [outcome.kind for outcome in names["outcomes"]] == ["current"]
    for task in ("status", "report"):
        (command,) = {line for line in commands("how-to/batch.md") if f"batch {task}" in line}
        assert cli.main(shlex.split(command)[1:]) == 0
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "how-to/batch.md").read_text(), flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {field for field in vars(names["outcomes"][0]) if not field.startswith("_")} <= named


def test_the_examples_of_compare_and_fits_run(simulated, tmp_path, monkeypatch, capsys):
    from astropy.coordinates import SkyCoord

    from romancal_rs import datamodels

    arguments = [f"--references={simulated.references}", f"--output_dir={tmp_path}"]
    assert cli.main(["run", "roman_elp", str(simulated.exposure), *arguments]) == 0
    (product,) = tmp_path.glob("*_cal.asdf")
    for name in ("A_cal.asdf", "B_cal.asdf", "r1_cal.asdf"):
        shutil.copy(product, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    with datamodels.open("r1_cal.asdf") as image:
        names = {"image": image, "datamodels": datamodels, "SkyCoord": SkyCoord}
        for example in blocks("how-to/compare.md"):
            exec(compile(example, "how-to/compare.md", "exec"), names)
        assert "A and B are the same" in capsys.readouterr().out
        for example in blocks("how-to/fits.md"):
            if "Imviz" in example:  # tested with jdaviz
                continue
            # The place of the text is that of the pages' exposure.
            example = example.replace(
                'SkyCoord("17h57m25.6s +66d07m37s")',
                "SkyCoord(*image.meta.wcs(30.0, 20.0), unit='deg')",
            ).replace("(1200, 800), (50, 80)", "(60, 30), (20, 40)")
            exec(compile(example, "how-to/fits.md", "exec"), names)
    assert names["part"].shape == (20, 40)
    assert names["ccd"].meta["DETECTOR"] == "WFI01"
    assert (tmp_path / "image.fits").exists()
