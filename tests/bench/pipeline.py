"""Wall time and peak memory of the pipeline, file to file, on a simulated exposure.

Run by ``make bench``; the exposure is made once and kept in ``build/bench``. The pipeline runs in
a process of its own. Memory is sampled: RssAnon is what the program allocated, RssFile the pages
of mapped files, which the kernel can drop.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

SAMPLE_SECONDS = 0.02


def simulated(directory: Path, size: int, n_resultants: int) -> Path:
    """The exposure of that size, simulated if it is not there yet."""
    out = directory / f"{size}x{n_resultants}"
    if not list(out.glob("*_uncal.asdf")):
        print(f"simulating {size} x {size} x {n_resultants} into {out}", flush=True)
        command = [sys.executable, "-m", "romancal_rs", "simulate", str(out)]
        options = [f"--size={size}", f"--resultants={n_resultants}"]
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    return next(out.glob("*_uncal.asdf"))


def memory(pid: int) -> dict[str, float]:
    """RssAnon and RssFile of a process [MB]."""
    sizes = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("RssAnon", "RssFile"):
            sizes[name] = int(value.split()[0]) / 1000
    return sizes


def run(exposure: Path) -> None:
    """Runs the pipeline and prints its summary, wall and CPU time, and peak memory."""
    command = [sys.executable, "-m", "romancal_rs", "run", "roman_elp", str(exposure)]
    command += [f"--references={exposure.parent / 'references'}"]
    command += [f"--output_dir={exposure.parent / 'out'}"]
    start = time.perf_counter()
    before = os.times()
    process = subprocess.Popen(command)
    peak: dict[str, float] = {}

    def sample() -> None:
        while process.poll() is None:
            try:
                for name, size in memory(process.pid).items():
                    peak[name] = max(peak.get(name, 0.0), size)
            except OSError:
                return
            time.sleep(SAMPLE_SECONDS)

    sampler = threading.Thread(target=sample)
    sampler.start()
    process.wait()
    sampler.join()
    wall = time.perf_counter() - start
    after = os.times()
    cpu = (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )
    sizes = ", ".join(f"{name} {size:.0f} MB" for name, size in peak.items())
    print(f"wall {wall:.2f} s, CPU {cpu:.2f} s; peak {sizes}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--resultants", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    exposure = simulated(options.directory, options.size, options.resultants)
    for _ in range(options.repeats):
        run(exposure)


if __name__ == "__main__":
    main()
