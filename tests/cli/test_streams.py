"""Processes whose standard streams are missing, full or gone."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from romancal_rs.cli import main
from romancal_rs.dq_init import DQInitStep
from romancal_rs.stpipe.runlog import ConsoleHandler


def command(*words) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "romancal_rs", *map(str, words)]


def of_run(simulated, tmp_path) -> list[str]:
    options = [f"--references={simulated.references}", f"--output_dir={tmp_path}"]
    return command("run", "dq_init", simulated.exposure, *options)


@pytest.mark.skipif(os.name != "posix", reason="closes descriptors as a shell does")
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_a_run_without_standard_streams(simulated, tmp_path, closed):
    words = ["sh", "-c", f'exec "$@" {closed}', "sh", *of_run(simulated, tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.glob("*_dqinit.asdf"))) == 1


@pytest.mark.skipif(os.name != "posix", reason="closes descriptors as a shell does")
def test_no_error_on_standard_output_where_there_is_no_standard_error():
    words = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command("info", "nowhere.asdf")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("closed", [True, False])
def test_steps_without_standard_streams_in_python(simulated, monkeypatch, closed):
    stream = None
    if closed:
        stream = io.StringIO()
        stream.close()
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    result = DQInitStep.call(simulated.exposure, override_mask="N/A")  # which warns
    assert result.meta.cal_step.dq_init == "SKIPPED"
    words = [str(simulated.exposure), "--override_mask=N/A", "--save_results=false"]
    assert DQInitStep.from_cmdline(words).override_mask == "N/A"


def test_messages_for_a_missing_standard_error_do_not_go_to_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "message", (), None)
    ConsoleHandler("stderr").handle(record)
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("words", [["steps"], ["--help"], ["run"]])
def test_a_full_standard_output_is_said_to_be_that(simulated, tmp_path, buffered, words):
    if buffered and words == ["--help"]:
        pytest.skip("argparse keeps quiet about what it cannot write")
    words = of_run(simulated, tmp_path) if words == ["run"] else command(*words)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            words,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )
    assert done.stderr == "romancal-rs: error: standard output: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.skipif(os.name != "posix", reason="gives a closed pipe")
@pytest.mark.parametrize("buffered", ["", "1"])
def test_nothing_is_said_where_nobody_reads(buffered):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command("steps"),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": buffered},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


MYSTEPS = """
from romancal_rs.errors import InputError
from romancal_rs.stpipe import Step

class Faulty(Step):
    def process(self, name):
        raise {error}
"""


@pytest.mark.parametrize(
    ("error", "message", "is_ours"),
    [
        ("TypeError('unsupported operand')", "TypeError: unsupported operand", False),
        ("ValueError('no such thing')", "ValueError: no such thing", False),
        ("ValueError", "ValueError", False),
        ("KeyError('x')", "KeyError: 'x'", False),
        ("OSError('no name')", "OSError: no name", False),
        ("BrokenPipeError(32, 'Broken pipe')", "BrokenPipeError: [Errno 32] Broken pipe", False),
        ("FileNotFoundError(2, 'No such file', 'x.asdf')", "x.asdf: No such file", True),
        ("InputError('x: is of the wrong kind')", "x: is of the wrong kind", True),
    ],
)
def test_an_error_inside_a_users_step_is_not_taken_for_bad_usage(
    tmp_path, monkeypatch, capsys, error, message, is_ours
):
    (tmp_path / "mysteps.py").write_text(MYSTEPS.format(error=error))
    (tmp_path / "pars.cfg").write_text("class = mysteps.Faulty\n")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "pars.cfg", "x.asdf"]) == 1
    hint = "" if is_ours else "romancal-rs: --verbose shows the traceback\n"
    assert capsys.readouterr().err == f"romancal-rs: error: {message}\n{hint}"


def test_main_leaves_standard_output_as_it_was():
    before = sys.stdout
    assert main(["steps"]) == 0
    assert sys.stdout is before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_log_file_on_a_full_disk_is_told_once_and_the_run_goes_on(simulated, tmp_path, capsys):
    """Each message had a traceback, and the run ended as failed, with its products written."""
    words = [str(simulated.exposure), "--references", str(simulated.references)]
    where = ["--output-dir", str(tmp_path), "--log-file", "/dev/full"]
    assert main(["calibrate", *words, *where]) == 0
    told = capsys.readouterr().err
    assert told == "--log-file /dev/full: No space left on device; it gets no more messages\n"
    assert len(list(tmp_path.iterdir())) == 2
