"""A terminal that is closed sends SIGHUP to a batch and to all that it has started."""

import os
import signal
import subprocess
import sys
import time

import pytest

#: Only so that a fault does not hang the tests.
HANG_SECONDS = 120


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no terminals that hang up")
def test_a_batch_whose_terminal_is_closed_ends_in_words_of_its_own(simulated, tmp_path):
    """Workers were killed with their locks, the batch waited for ever or told of its trackers."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(1, 41):
        name = simulated.exposure.name.replace("_0001_", f"_{number:04}_")
        os.symlink(simulated.exposure, raw / name)
    words = [str(raw), "--to", str(tmp_path / "out"), "--references", str(simulated.references)]
    batch = subprocess.Popen(
        [sys.executable, "-m", "romancal_rs", "batch", "run", *words, "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + HANG_SECONDS
    while not list((tmp_path / "out").glob("*_cal.asdf")) and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(batch.pid, signal.SIGHUP)
    told = batch.communicate(timeout=HANG_SECONDS)[1]
    assert batch.returncode == 129, told
    assert told.splitlines()[-2:] == [
        "romancal-rs: what is done stays done: the same command goes on",
        "romancal-rs: terminated: the terminal is gone",
    ]
    assert "Traceback" not in told
    assert "resource_tracker" not in told
