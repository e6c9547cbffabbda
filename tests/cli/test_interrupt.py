"""Ctrl-C at any moment of a run: it ends soon, says so, and leaves nothing half-written."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from romancal_rs import datamodels

MOMENTS = 8


@pytest.fixture(scope="module")
def command(simulated) -> list[str]:
    words = [sys.executable, "-m", "romancal_rs", "run", "roman_elp", str(simulated.exposure)]
    return [*words, "--references", str(simulated.references)]


@pytest.fixture(scope="module")
def seconds(command, tmp_path_factory) -> float:
    """How long an undisturbed run takes."""
    started = time.monotonic()
    out = tmp_path_factory.mktemp("undisturbed")
    subprocess.run([*command, f"--output_dir={out}"], check=True, capture_output=True)
    return time.monotonic() - started


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_ctrl_c(command, seconds, tmp_path, moment):
    chance = random.Random(moment)
    run = subprocess.Popen(
        [*command, f"--output_dir={tmp_path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Before the interpreter is up, Ctrl-C is its own affair.
    time.sleep(0.15 * seconds + seconds * (moment + chance.random()) / MOMENTS)
    run.send_signal(signal.SIGINT)
    told = run.communicate(timeout=20)[1]
    files = list(tmp_path.iterdir())
    if run.returncode == 0:  # it was done
        assert len(files) == 1
    else:
        # By the signal itself: while the interpreter shuts down.
        assert run.returncode in (130, -signal.SIGINT)
        assert "Traceback" not in told
        assert len(files) <= 1
    for path in files:
        with datamodels.open(path) as image:
            assert np.asarray(image.data).shape == (56, 56)
