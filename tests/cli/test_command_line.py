"""The words of the command line: help on a screen, names of options, and what a shell completes."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import romancal_rs
from romancal_rs import datamodels
from romancal_rs.cli import main
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.ramp_fitting import RampFitStep
from romancal_rs.stpipe import ParameterError, RomanStep
from romancal_rs.stpipe.parameters import Shown
from romancal_rs.stpipe.registry import aliases

SCREEN = 40


def help_of(capsys, monkeypatch, *words, columns=80) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as stop:
        main([*words])
    assert stop.value.code == 0
    return capsys.readouterr().out


# --- help


@pytest.mark.parametrize("words", [["calibrate"], *(["run", alias] for alias in aliases())])
def test_the_first_help_is_on_one_screen(capsys, monkeypatch, words):
    lines = help_of(capsys, monkeypatch, *words, "-h").splitlines()
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "--help-all shows all options"


def test_a_wide_terminal_takes_fewer_lines(capsys, monkeypatch):
    narrow, wide = (
        help_of(capsys, monkeypatch, "calibrate", "-h", columns=columns) for columns in (80, 200)
    )
    assert len(wide.splitlines()) < len(narrow.splitlines())
    assert max(map(len, wide.splitlines())) <= 100  # as wide as can be read


def options_in(text: str) -> set[str]:
    return set(re.findall(r"^  (--[\w.]+)", text, re.MULTILINE))


def test_help_shows_what_the_specs_mark(capsys, monkeypatch):
    shown = options_in(help_of(capsys, monkeypatch, "run", "roman_elp", "-h"))
    assert {"--references", "--output_dir", "--save_calibrated_ramp", "--recipe"} <= shown
    assert "--steps.rampfit.rejection_threshold" in shown
    assert {"--override_TYPE", "--steps.STEP.skip"} <= shown  # lines that stand for many
    assert "--steps.rampfit.algorithm" not in shown  # marked for the help of its step alone
    of_step = options_in(help_of(capsys, monkeypatch, "run", "rampfit", "-h"))
    marked = {f"--{name}" for name, p in RampFitStep.parameters.items() if p.shown}
    others = {"--override_gain", "--override_readnoise", "--quiet", "--verbose", "--log"}
    assert of_step == marked | others


def test_the_whole_help_names_every_option(capsys, monkeypatch):
    shown = options_in(help_of(capsys, monkeypatch, "calibrate", "--help-all"))
    wanted = {f"--{name}" for name in ExposurePipeline.parameters}
    for step, step_class in ExposurePipeline.step_defs.items():
        wanted |= {f"--steps.{step}.{name}" for name in step_class.parameters}
    assert wanted <= shown


USERS = """
from romancal_rs.stpipe import RomanStep

class Smooth(RomanStep):
    \"\"\"Smooth an image.\"\"\"

    spec = '''
        width = integer(default=3)  # {mark} of the kernel
        shape = string(default='box')  # of the kernel
    '''

    def process(self, input):
        return input
"""


@pytest.mark.parametrize(
    ("mark", "shown"), [("", {"--width", "--shape"}), ("!", {"--width"}), ("!!", {"--width"})]
)
def test_of_a_users_step_all_is_shown_unless_some_is_marked(
    capsys, monkeypatch, tmp_path, mark, shown
):
    name = f"smoothing{len(mark)}"
    (tmp_path / f"{name}.py").write_text(USERS.replace("# {mark}", f"#{mark}"))
    monkeypatch.syspath_prepend(tmp_path)
    text = help_of(capsys, monkeypatch, "run", f"{name}.Smooth", "-h")
    assert options_in(text) & {"--width", "--shape"} == shown
    assert re.search(r"--width N +of the kernel \(default: 3\)", text)


def test_a_mark_stays_with_a_parameter_that_is_declared_again():
    other = type("Other", (RampFitStep,), {"spec": "rejection_threshold = float(default=7.0)"})
    assert other.parameters["rejection_threshold"].shown is Shown.PIPELINE
    assert RomanStep.parameters["validate"].shown is Shown.NOWHERE


@pytest.mark.parametrize(
    "words", [["batch", "run"], ["batch", "plan"], ["batch", "submit"], ["simulate"]]
)
def test_help_of_commands_with_many_options_leaves_some_out(capsys, monkeypatch, words):
    first, whole = (help_of(capsys, monkeypatch, *words, option) for option in ("-h", "--help-all"))
    assert len(first.splitlines()) <= SCREEN
    assert max(map(len, first.splitlines())) <= 81
    assert options_in(first) < options_in(whole)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("--steps.jump.foo=4", "--help-all shows all that there are"),
        ("--steps.jump.rejection-treshold=4", "did you mean '--steps.jump.rejection_threshold'?"),
        (
            "--rejection-threshold=4",
            "did you mean '--steps.jump.rejection_threshold' or "
            "'--steps.rampfit.rejection_threshold'?",
        ),
        ("--steps.rampfitt.skip=true", "did you mean '--steps.rampfit.skip'?"),
        ("--steps.foo.bar=2", "the steps are " + ", ".join(ExposurePipeline.step_defs)),
    ],
)
def test_what_is_meant_by_a_wrong_parameter_is_sought_in_its_step(capsys, word, hint):
    """For jump.foo it was jump.suffix, for foo.bar photom.recipe, and jump alone without a step."""
    with pytest.raises(SystemExit):
        main(["calibrate", "FILE", word])
    message = capsys.readouterr().err.splitlines()[-1]
    assert message == f"romancal-rs calibrate: error: unrecognized argument {word}; {hint}"


def test_a_file_without_a_name_is_told_as_such(capsys):
    """It was taken for the current directory."""
    with pytest.raises(SystemExit):
        main(["calibrate", ""])
    assert capsys.readouterr().err.endswith(
        "FILE: an empty name; expected that of a file or directory\n"
    )


def test_the_overview_fits_a_terminal(capsys, monkeypatch):
    for words in ([], ["batch"], ["references"]):
        lines = help_of(capsys, monkeypatch, *words, "--help").splitlines()
        assert len(lines) <= 30
        assert max(map(len, lines)) <= 80


# --- names of options


@pytest.fixture
def run(simulated, tmp_path, monkeypatch, capsys):
    """Runs a command in an empty directory; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        assert main([*map(str, words), f"--references={simulated.references}"]) == 0
        return capsys.readouterr()

    return run


@pytest.mark.parametrize(
    "words",
    [
        ["--output-dir=out", "--save-calibrated-ramp=true"],
        ["--output_dir", "out", "--save-calibrated_ramp", "true"],
        ["--output-d=out", "--save-cal=true"],  # abbreviated
        ["--output-dir=elsewhere", "--output_dir=out", "--save_calibrated_ramp=yes"],
        ["--output_dir=elsewhere", "--output-dir=out", "--save_calibrated_ramp=1"],
    ],
)
def test_hyphens_are_underscores_and_the_last_value_counts(run, simulated, tmp_path, words):
    run("calibrate", simulated.exposure, *words)
    made = {path.name.rpartition("_")[2] for path in (tmp_path / "out").iterdir()}
    assert made == {"cal.asdf", "ramp.asdf", "wcs.asdf"}
    assert not (tmp_path / "elsewhere").exists()


def test_hyphens_in_the_parameters_of_steps_and_in_options_of_commands(
    simulated, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    options = ["--steps.rampfit.rejection-threshold=7", "--override-flat=N/A"]
    saved = ["--save_parameters=used.asdf", "--disable_crds_steppars", "--save-results=false"]
    step = ExposurePipeline.from_cmdline(
        [str(simulated.exposure), *options, *saved, f"--references={simulated.references}"]
    )
    assert step.rampfit.rejection_threshold == 7
    assert step.override_flat == "N/A"
    assert (tmp_path / "used.asdf").is_file()
    with pytest.raises(ParameterError, match="ambiguous option --output-: it could be"):
        ExposurePipeline.from_cmdline([str(simulated.exposure), "--output-=1"])


def test_a_value_with_hyphens_or_underscores_is_left_alone(run, simulated, tmp_path):
    run("run", "dq_init", simulated.exposure, "--output-dir=a-b_c--d")
    assert (tmp_path / "a-b_c--d").is_dir()


def test_a_flag_with_underscores_before_the_target_takes_no_value(run, simulated, tmp_path):
    run("run", "--disable_crds_steppars", "dq_init", simulated.exposure)
    assert list(tmp_path.glob("*_dqinit.asdf"))


def test_an_unknown_option_names_the_nearest(capsys):
    for command in ("calibrate", "demo", "simulate"):
        with pytest.raises(SystemExit):
            main([command, "x", "--seeed=1", "--output-dri=x"])
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 2  # usage, and what is wrong
        assert told[1].startswith(f"romancal-rs {command}: error: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["calibrte", "x"], "romancal-rs: error: COMMAND: there is no 'calibrte'; did you mean"),
        (
            ["xyz"],
            "romancal-rs: error: COMMAND: there is no 'xyz'; there are calibrate, run, batch",
        ),
        (
            ["batch", "rnu"],
            "romancal-rs batch: error: TASK: there is no 'rnu'; did you mean 'run'?",
        ),
        (["simulate", "x", "--size=big"], "error: --size: 'big': expected a whole number"),
        (["simulate", "x", "--ra=far"], "error: --ra: 'far': expected a number"),
        (["batch", "run", "x", "--to=y", "--rerun=al"], "--rerun: there is no 'al'; did you mean"),
        (["calibrate", "x", "--skp=1"], "error: unrecognized argument --skp=1; did you mean"),
        (["calibrate", "x", "--recipe=2021"], "(--recipe): expected one of auto, 2022, flight"),
    ],
)
def test_wrong_usage_is_told_in_plain_words(capsys, words, told):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    usage, error = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: romancal-rs")
    assert told in error


# --- calibrate


def test_calibrate_is_run_roman_elp(run, simulated, tmp_path):
    run("calibrate", simulated.exposure, "--output_dir=one", "--steps.photom.skip=true")
    run("run", "roman_elp", simulated.exposure, "--output_dir=two", "--steps.photom.skip=true")
    (one,), (two,) = ((tmp_path / place).glob("*_cal.asdf") for place in ("one", "two"))
    with datamodels.open(one) as first, datamodels.open(two) as second:
        assert first.meta.cal_step.photom == second.meta.cal_step.photom == "SKIPPED"
        np.testing.assert_array_equal(first.data, second.data)
        np.testing.assert_array_equal(first.dq, second.dq)


def test_calibrate_takes_one_exposure_and_tells_how_to_do_many(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", "a.asdf", "b.asdf"])
    assert stop.value.code == 2
    assert "romancal-rs batch run" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["calibrate"])
    assert "name the file to run it on" in capsys.readouterr().err


# --- completion


def completed(line: str, directory) -> list[str]:
    """What a shell is told that a line may go on with."""
    answer = directory.with_name(f"{directory.name}.answer")
    package = os.path.dirname(os.path.dirname(romancal_rs.__file__))
    environment = {
        **os.environ,
        "PYTHONPATH": package,
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
    }
    subprocess.run(
        [sys.executable, "-m", "romancal_rs"], env=environment, check=True, cwd=directory
    )
    return [word.strip() for word in answer.read_text().split("\013")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("calib", ["calibrate"]),
        ("batch st", ["status"]),
        ("calibrate ", ["r_uncal.asdf", "sub/"]),
        ("calibrate --output-dir ", ["sub/"]),
        ("calibrate --output_dir=s", ["--output_dir=sub/"]),
        ("calibrate --references ", ["sub/"]),
        ("run roman_elp --override_dark r", ["r_uncal.asdf"]),
        ("run roman_elp --steps.jump.skip ", ["true", "false"]),
        ("run roman_elp --steps.jump.skip=t", ["--steps.jump.skip=true"]),
        ("run jump --read_noise_is_cds ", ["auto", "true", "false"]),
        ("run roman_elp --recipe ", ["auto", "2022", "flight"]),
        ("run roman_elp --steps.rampfit.algorithm l", ["likely"]),
        ("run roman_elp --steps.rampfit.rejection_threshold ", [""]),
        ("run roman_elp --steps.rampfit.rejection-t", ["--steps.rampfit.rejection-threshold"]),
        ("calibrate --log-level ", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
        ("calibrate --log-level in", ["info"]),
        ("simulate x --detector WFI01", ["WFI01"]),
        ("batch run x --detector WFI07,WFI18", ["WFI07,WFI18"]),
        ("simulate x --optical-element P", ["PRISM"]),
        ("simulate x --readout ", ["flight", "ideal"]),
        ("batch run x --rerun ", ["changed", "failed", "all", "never"]),
        ("completion z", ["zsh"]),
    ],
)
def test_a_shell_completes_values(tmp_path, line, words):
    (tmp_path / "sub").mkdir()
    (tmp_path / "r_uncal.asdf").touch()
    (tmp_path / "notes.txt").touch()
    assert sorted(completed(f"romancal-rs {line}", tmp_path)) == sorted(words)


def test_options_are_completed_where_one_begins(tmp_path):
    assert "--references" in completed("romancal-rs calibrate --ref", tmp_path)
    assert completed("romancal-rs calibrate ", tmp_path) == [""]  # not all three hundred
