"""Ctrl-C at any moment of a run: it ends soon, says so, and leaves nothing half-written."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.cli import info, main

MOMENTS = 8
#: Only so that a fault does not hang the tests: nothing is proved by it.
HANG_SECONDS = 600


def is_up(run: subprocess.Popen[str]) -> bool:
    """Whether the command is at work, where that can be seen; before, Ctrl-C is Python's affair."""
    try:
        return "romancal_rs/_core" in Path(f"/proc/{run.pid}/maps").read_text()
    except OSError:
        return run.poll() is not None


def wait_until_up(run: subprocess.Popen[str]) -> None:
    while run.poll() is None and not is_up(run):
        time.sleep(0.001)


def start(command: list[str], out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command, f"--output_dir={out}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def command(simulated) -> list[str]:
    words = [sys.executable, "-m", "romancal_rs", "run", "roman_elp", str(simulated.exposure)]
    return [*words, "--references", str(simulated.references)]


@pytest.fixture(scope="module")
def seconds(command, tmp_path_factory) -> float:
    """How long an undisturbed run takes from when it is up."""
    run = start(command, tmp_path_factory.mktemp("undisturbed"))
    wait_until_up(run)
    started = time.monotonic()
    run.communicate(timeout=HANG_SECONDS)
    assert run.returncode == 0
    return time.monotonic() - started


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="cannot see when a command is up")
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_ctrl_c(command, seconds, tmp_path, moment):
    chance = random.Random(moment)
    run = start(command, tmp_path)
    wait_until_up(run)
    # How fast this run is does not matter: at whatever moment it is caught, it ends as it should.
    time.sleep(seconds * (moment + chance.random()) / MOMENTS)
    run.send_signal(signal.SIGINT)
    told = run.communicate(timeout=HANG_SECONDS)[1]
    files = sorted(tmp_path.iterdir())  # the image, which is first, and its WCS
    if run.returncode == 0:  # it was done
        assert len(files) == 2
    else:
        # By the signal itself: while the interpreter shuts down.
        assert run.returncode in (130, -signal.SIGINT), told
        assert "Traceback" not in told
        assert len(files) <= 2
    for path, kind in zip(files, (datamodels.ImageModel, datamodels.WfiWcsModel), strict=False):
        with datamodels.open(path) as product:
            assert type(product) is kind
            if kind is datamodels.ImageModel:
                assert np.asarray(product.data).shape == (56, 120)
            else:
                assert np.isfinite(product.wcs_l2(0.0, 0.0)).all()


# --- other signals that ask a process to end


def ended_by(words: list[str], number: signal.Signals, seconds: float) -> tuple[int, str, str]:
    """Sends a signal to a command that has been up for so long; how it ended, and what it said."""
    run = subprocess.Popen(
        [sys.executable, "-m", "romancal_rs", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until_up(run)
    time.sleep(seconds)
    run.send_signal(number)
    out, err = run.communicate(timeout=HANG_SECONDS)
    return run.returncode, out, err


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="cannot see when a command is up")
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGTERM, "terminated"),
        (signal.SIGINT, "interrupted"),
        (getattr(signal, "SIGHUP", signal.SIGTERM), "terminated: the terminal is gone"),
    ],
)
def test_signals_end_a_command_in_one_line_and_leave_nothing(tmp_path, number, said):
    # Large enough to be at work for seconds, and its files come late.
    words = ["simulate", str(tmp_path / "out"), "--size=2048", "--resultants=20"]
    status, out, err = ended_by(words, number, 0.5)
    assert (status, out, err) == (128 + number, "", f"romancal-rs: {said}\n")
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(name.endswith(".part") for name in left)
    assert not any(name.endswith("_uncal.asdf") for name in left)  # the last one


@pytest.mark.parametrize("moment", range(4))
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="cannot see when a command is up")
def test_a_run_that_is_terminated_leaves_whole_files_or_none(command, seconds, tmp_path, moment):
    words = [*command[3:], f"--output_dir={tmp_path}"]
    status, _, err = ended_by(words, signal.SIGTERM, seconds * (moment + 0.5) / 4)
    assert status in (0, 143, -signal.SIGTERM)  # by the signal itself: before, or after, its work
    assert err in ("", "romancal-rs: terminated\n")
    assert not list(tmp_path.glob(".*"))
    for path in tmp_path.iterdir():
        datamodels.open(path).close()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no terminals that hang up")
def test_a_signal_that_is_ignored_stays_so():
    """As nohup has it."""
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from romancal_rs.cli.signals import ending_as_ctrl_c\n"
        "with ending_as_ctrl_c(): signal.raise_signal(signal.SIGHUP)\n"
        "print('goes on', signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "goes on True\n"


class Panic(BaseException):
    """As what Rust raises in Python: no `Exception`."""


@pytest.mark.parametrize("made_of_it", [ImportError, Panic, SystemExit])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_that_makes_something_else_fail_is_told_as_such(
    capsys, monkeypatch, number, status, made_of_it
):
    """An ImportError of numpy was told, an AttributeError of argparse, or a panic."""

    def fail(_: object) -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise made_of_it("could not import module datetime") from None

    monkeypatch.setattr(info, "run", fail)
    assert main(["info", "FILE"]) == status
    assert capsys.readouterr().err in (
        "romancal-rs: interrupted\n",
        "romancal-rs: terminated\n",
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_the_command_is_imported_is_told_in_a_line():
    """Python told where it was."""
    code = (
        "import sys, signal\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'romancal_rs.cli': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from romancal_rs.__main__ import script\n"
        "script()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "romancal-rs: interrupted\n")


def test_what_a_handler_raises_while_a_kernel_works_is_what_comes_back():
    """It was a KeyboardInterrupt, whatever the handler raised."""
    code = """
import signal
import numpy as np
from romancal_rs import kernels
class Asked(Exception): ...
def ask(*_): raise Asked
signal.signal(signal.SIGALRM, ask)
image, flags = np.ones((4096, 4096), np.float32), np.zeros((4096, 4096), np.uint32)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    while True:
        kernels.image_statistics(image, flags, image, max_threads=1)
except Asked:
    print("asked")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "asked\n", done.stderr
