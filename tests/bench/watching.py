"""Runs a command of a benchmark, and watches its time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.005


@dataclass(frozen=True)
class Watched:
    """What a process did.

    Attributes
    ----------
    output : str
        Its standard output.
    wall, cpu : float
        Time from start to end, and that of all its threads [s].
    peak : float
        The most that RssAnon was: memory that it allocated [MB].
    """

    output: str
    wall: float
    cpu: float
    peak: float


def memory(pid: int) -> float:
    """RssAnon of a process [MB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1000
    return 0.0


def watch(command: list[str], threads: int) -> Watched:
    """Runs a command with so many threads of ours; one that fails ends the benchmark."""
    before, start = os.times(), time.time()
    process = subprocess.Popen(
        command,
        env=os.environ | {"ROMANCAL_RS_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    peak = 0.0

    def sample() -> None:
        nonlocal peak
        while process.poll() is None:
            try:
                peak = max(peak, memory(process.pid))
            except OSError:
                return
            time.sleep(SAMPLE_SECONDS)

    sampler = threading.Thread(target=sample)
    sampler.start()
    output, _ = process.communicate()
    wall, after = time.time() - start, os.times()
    sampler.join()
    if process.returncode:
        sys.exit(f"failed, run it by hand: {' '.join(command)}")
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return Watched(output, wall, cpu, peak)
