"""What ``romancal-rs batch plan`` tells, and keeps."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import exposure_variants as variants
import pytest

from romancal_rs import cli
from romancal_rs.batch.plan import Plan
from romancal_rs.batch.state import run_directories
from romancal_rs.cli.batch import TASKS
from romancal_rs.pipeline import ExposurePipeline


@pytest.fixture
def place(simulated, tmp_path, monkeypatch) -> Path:
    """The current directory: ``in`` has two exposures of WFI01 and one of WFI02, and ``refs``."""
    for number in (1, 2):
        variants.exposure(simulated.exposure, tmp_path / "in", number)
    variants.exposure(simulated.exposure, tmp_path / "in", 1, detector="WFI02")
    shutil.copytree(simulated.references, tmp_path / "refs")
    variants.references(simulated.references, tmp_path / "refs", "WFI02")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    return cli.main(["batch", "plan", *words])


def plan_in(place: Path) -> Plan:
    return run_directories(place / "out" / ".romancal-rs-batch")[-1].read_plan()


def test_it_counts_exposures_by_detector_and_element_and_keeps_the_plan(place, capsys):
    assert run("in", "--to", "out", "--references", "refs") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        f"3 exposures, 2 sets of references, products in {place}/out",
        "  detector  F158",
        "  WFI01        2",
        "  WFI02        1",
        "  all          3",
        "0 current, 3 new",
    ]
    plan = plan_in(place)
    assert lines[6:] == [f"plan {place}/out/.romancal-rs-batch/{plan.digest[:16]}/plan.jsonl"]
    assert plan.settings.references == f"{place}/refs"
    assert plan.settings.step_class.endswith(".ExposurePipeline")


def test_problems_are_told_by_cause_and_in_the_exit_status(place, capsys):
    for path in (place / "refs").glob("*flat*wfi02*"):
        path.unlink()
    (place / "in" / "x_uncal.asdf").write_text("no ASDF")
    assert run("in", "--to", "out", "--references", "refs") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[5] == "2 cannot be calibrated:"
    assert lines[6] == f"  bad_input: {place}/in/x_uncal.asdf: not an ASDF file"
    assert lines[7].startswith("  bad_reference: no FLAT for detector WFI02, element F158")
    assert lines[8] == "0 current, 2 new"


def test_the_first_word_may_say_what_is_done(place):
    arguments = ("in", "--to", "out", "--references", "refs")
    assert run("dq_init", *arguments) == 0
    assert plan_in(place).settings.step_class == "romancal_rs.dq_init.DQInitStep"
    pipeline = ExposurePipeline()
    pipeline.rampfit.rejection_threshold = 6.0
    pipeline.export_config("mine.asdf")
    assert run("mine.asdf", *arguments, "--steps.rampfit.algorithm=ols") == 0
    plan = plan_in(place)
    assert plan.settings.config_file == f"{place}/mine.asdf"
    assert plan.settings.parameters == {"steps": {"rampfit": {"algorithm": "ols"}}}
    assert plan.sets["wfi01-f158-1"].parameters == {
        "steps.rampfit.algorithm": "ols",
        "steps.rampfit.rejection_threshold": 6.0,
    }


def test_a_directory_with_the_name_of_a_step_is_a_source(place):
    (place / "in").rename(place / "jump")
    assert run("jump", "--to", "out", "--references", "refs") == 0
    assert len(plan_in(place).exposures) == 3


def test_relative_paths_of_parameters_mean_the_current_directory(place):
    shutil.copy(place / "refs" / "roman_wfi_dark_0001.asdf", "mine.asdf")
    arguments = ("in", "--to", "out", "--references", "refs", "--detector", "1")
    assert run(*arguments, "--override_dark=mine.asdf") == 0
    assert plan_in(place).settings.parameters == {"override_dark": f"{place}/mine.asdf"}


def test_exposures_are_chosen_by_detector_element_and_time(place, capsys):
    arguments = ("in", "--to", "out", "--references", "refs")
    chosen = (
        "--detector",
        "2,wfi03",
        "--element=f158",
        "--after=2027-06-01",
        "--before=2027-06-02",
    )
    assert run(*arguments, *chosen) == 0
    assert capsys.readouterr().out.startswith("1 exposure, 1 set of references")


def test_what_runs_would_warn_of_is_told_once(place, capsys, simulated):
    """As the DARK is for F158, and jumps are found by the fit."""
    variants.exposure(simulated.exposure, place / "in", 3, element="F129")
    flat = place / "refs" / "roman_wfi_flat_0001.asdf"
    for name in ("distortion", "flat", "photom"):
        path = flat.with_name(f"roman_wfi_{name}_0001.asdf")
        if b"F158" in path.read_bytes().partition(variants.END)[0]:
            variants.variant(path, path.with_name(f"{name}_f129.asdf"), {"F158": "F129"})
    arguments = ("in", "--to", "out", "--references", "refs")
    assert run(*arguments, "--steps.jump.rejection_threshold=3") == 0
    captured = capsys.readouterr()
    assert [line for line in captured.out.splitlines() if line.startswith("note: ")] == [
        "note: jump does not run, as rampfit finds jumps itself: setting "
        "jump.rejection_threshold has no effect: 4 exposures",
        "note: DARK roman_wfi_dark_0001.asdf was made for element F158; none is there for F129, "
        "and a dark does not depend on the filter: 1 exposure",
    ]
    assert captured.err == ""


def test_what_was_made_is_not_counted_as_new(place, capsys):
    step = ExposurePipeline(references="refs", output_dir="out", save_results=True)
    step.run(next((place / "in").glob("*0001_wfi01*")))
    arguments = ("in", "--to", "out", "--references", "refs")
    assert run(*arguments) == 0
    assert "1 current, 2 new" in capsys.readouterr().out
    assert run(*arguments, "--override_flat=N/A") == 0
    assert "0 current, 2 new, 1 would be redone: references" in capsys.readouterr().out
    assert run(*arguments, "--override_flat=N/A", "--ignore=references") == 0
    assert "1 current, 2 new" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "out"], "name the exposures"),
        (["in"], "the following arguments are required: --to"),
        (["in", "--to", "out", "--output_dir=x"], "--to DEST says where the products go"),
        # It was said that --to is missing; and of --output-dir, that --output_dir was meant.
        (["in", "--output-dir", "out"], "--output-dir: in a batch, --to DEST says where"),
        # It was said that there is no such file.
        (["romanelp", "in", "--to", "out"], "neither a step nor a file or directory; did you mean"),
        (["in", "--to", "out", "--recipee=2022"], "did you mean '--recipe'?"),
        (["in", "--to", "out", "--recipe=x"], "recipe = 'x'"),
        (["in", "--to", "out", "--ignore=product"], "'product' is none of input, parameters"),
        (["in", "--to", "out", "--after=June"], "'June' is not a time such as 2027-06-01"),
    ],
)
def test_wrong_usage_exits_with_2(place, capsys, words, told):
    with pytest.raises(SystemExit) as caught:
        run(*words, "--references", "refs")
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


def test_what_is_kept_of_the_command_carries_the_plan_out(place, monkeypatch):
    """Reports said that `batch plan` does what is left."""
    words = ["batch", "plan", "in", "--to", "out", "--references", "refs"]
    monkeypatch.setattr("sys.argv", ["romancal-rs", *words])
    assert cli.main() == 0
    assert plan_in(place).command == "romancal-rs batch run in --to out --references refs"


@pytest.mark.parametrize("task", ["plan", "run"])
def test_a_place_that_takes_no_products_is_told_before_the_plan(place, capsys, task):
    """Of a web server it was that there is no connection, of a file that it is no directory."""
    (place / "file").touch()
    for to, told in (("https://host/x", "only read from"), ("file", "a file is there")):
        words = ["in", "--to", to, "--state", "s", "--references", "refs"]
        assert cli.main(["batch", task, *words, *(["--dry-run"] if task == "run" else [])]) == 1
        assert told in capsys.readouterr().err


def test_a_plan_that_is_asked_for_again_is_the_newest(place):
    """`status`, and `run` without a source, took the other one."""
    arguments = ("in", "--to", "out", "--references", "refs")
    run(*arguments)
    first = plan_in(place).digest
    run(*arguments, "--detector", "2")
    assert plan_in(place).digest != first
    run(*arguments)
    assert plan_in(place).digest == first


def test_a_cause_with_a_long_message_is_told_in_a_line_that_can_be_read(place, capsys):
    """A parameter file with the references of one detector gave 1500 characters for another."""
    types = ("dark", "flat", "gain", "mask", "readnoise", "saturation", "linearity", "photom")
    names = {name: next((place / "refs").glob(f"*_{name}_0001.asdf")) for name in types}
    overrides = [f"--override_{name}={path}" for name, path in names.items()]
    assert run("in", "--to", "out", "--references", "refs", "--detector=2", *overrides) == 1
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "bad_reference: " in x]
    assert " ... " in line
    known = [*map(str, names.values()), *map(str, (place / "in").iterdir())]
    paths = [word.strip(",:;") for word in line.split() if word.startswith(os.sep)]
    assert set(paths) <= set(known)  # whole
    assert len(line) < 600 + 2 * max(map(len, known))
    assert max(len(e.problem.message) for e in plan_in(place).exposures) > 600


def test_the_tasks_are_listed_with_a_line_each(capsys):
    """The list had all that their help says."""
    with pytest.raises(SystemExit):
        cli.main(["batch"])
    tasks = capsys.readouterr().out.partition("tasks:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in tasks.splitlines()] == list(TASKS)


def test_sources_that_are_not_there_are_an_error_in_lines(place, capsys):
    assert run("inn", "x.asdf", "--to", "out", "--references", "refs") == 1
    assert capsys.readouterr().err.splitlines() == [
        "romancal-rs: error: these sources cannot be used:",
        f"  {place}/inn: there is no such file or directory; near to it: in",
        f"  {place}/x.asdf: there is no such file or directory",
    ]


def test_help_shows_all_parameters_of_a_class_that_is_named_alone(capsys):
    for words, are_shown in ((["jump"], True), ([], False)):
        with pytest.raises(SystemExit):
            run(*words, "--help-all")
        text = capsys.readouterr().out
        assert text.startswith(
            "usage: romancal-rs batch plan [CLASS|ALIAS|FILE] SOURCE ... --to DEST"
        )
        assert "--references" in text
        assert (
            "--flag_4_neighbors" in text or "--steps.jump.flag_4_neighbors" in text
        ) == are_shown
