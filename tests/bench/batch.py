"""What batches of small exposures cost: processor time, the gain of a second worker, and memory.

``python tests/bench/batch.py [DIRECTORY]``: exposures are made there, or in a temporary one.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# In place of this directory, in which `batch` is this file.
sys.path[0] = str(Path(__file__).parents[1])

from batch.many import Many  # noqa: E402

from romancal_rs.batch.outcome import Outcome  # noqa: E402
from romancal_rs.batch.state import STATE_NAME, run_directories  # noqa: E402

COMMAND = "import sys; from romancal_rs.cli import main; sys.exit(main())"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl: what a child leaves behind is waited for as well


def run(many: Many, destination: Path, *words: str) -> tuple[float, float, list[Outcome]]:
    """Wall and processor time [s] of a batch with all its processes, and its outcomes."""
    shutil.rmtree(destination, ignore_errors=True)
    command = [sys.executable, "-c", COMMAND, "batch", "run", str(many.raw)]
    command += ["--to", str(destination), f"--references={many.references}", "--recipe=2022"]
    before = _cpu_of_children()
    started = time.perf_counter()
    subprocess.run([*command, "--progress=none", *words], check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    (directory,) = run_directories(destination / STATE_NAME)
    outcomes = sorted(directory.state().outcomes.values(), key=lambda outcome: outcome.started)
    return wall, _cpu_of_children() - before, outcomes


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def made(directory: Path, detectors: int, exposures: int, size: int) -> Many:
    many = Many.make(directory, detectors, size)
    many.fill(exposures)
    return many


def main() -> None:
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        out = place / "out"

        many = made(place / "detectors", 18, 2, 512)
        for workers in (1, 2):
            wall, cpu, outcomes = run(many, out, f"--workers={workers}")
            print(
                f"36 exposures of 18 detectors, 512 x 512 x 4, {workers} worker(s): {cpu:.2f} s of "
                f"CPU in all processes, {cpu / len(outcomes):.3f} s each, {wall:.1f} s wall",
                flush=True,
            )

        many = made(place / "one", 1, 120, 512)
        walls = {}
        for workers in (1, 2, 1, 2):
            wall, cpu, outcomes = run(many, out, f"--workers={workers}", "--threads=1")
            walls.setdefault(workers, []).append(wall)
            print(
                f"120 exposures of one detector, {workers} worker(s): {wall:.1f} s, {cpu:.1f} s CPU"
            )
        print(f"two workers are {min(walls[1]) / min(walls[2]):.2f} times as fast as one")

        many = made(place / "many", 1, 500, 64)
        _, _, outcomes = run(many, out, "--workers=1")
        peaks = [outcome.peak_rss_anon / 2**20 for outcome in outcomes]
        print(
            f"500 exposures in one worker: {statistics.median(peaks[25:75]):.0f} MiB of its own at "
            f"the 50th, {statistics.median(peaks[-50:]):.0f} MiB at the last"
        )


if __name__ == "__main__":
    main()
