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
        assert run.returncode in (130, -signal.SIGINT)
        assert "Traceback" not in told
        assert len(files) <= 2
    for path, kind in zip(files, (datamodels.ImageModel, datamodels.WfiWcsModel), strict=False):
        with datamodels.open(path) as product:
            assert type(product) is kind
            if kind is datamodels.ImageModel:
                assert np.asarray(product.data).shape == (56, 120)
            else:
                assert np.isfinite(product.wcs_l2(0.0, 0.0)).all()
