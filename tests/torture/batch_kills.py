"""Batches that are killed at random moments, supervisor and workers, and called again each time.

``python tests/torture/batch_kills.py --engine processes --exposures 200 --kills 20``
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from batch.many import HANGS, KILLS, Many, alone, differences

from romancal_rs._asdf_blocks import head_digest
from romancal_rs.batch.outcome import Kind
from romancal_rs.batch.state import STATE_NAME, RunState, run_directories

COMMAND = "import sys; from romancal_rs.cli import main; sys.exit(main())"
#: In seconds: what hangs is ended then. A busy machine needs a few for the smallest exposure.
TIMEOUT = 15


class BrokenError(AssertionError):
    """Something was lost, half-made, done again, or told wrongly."""


@dataclass
class Bench:
    """Exposures, some of them bad, and a batch of them.

    Parameters
    ----------
    directory : Path
    engine : str
    exposures : int
        Number of them, with 7 bad ones.
    detectors : int
    """

    directory: Path
    engine: str
    exposures: int = 200
    detectors: int = 18
    kinds: dict[str, Kind] = field(default_factory=dict)
    victims: Counter[str] = field(default_factory=Counter)
    #: How often each exposure was in work when something was killed.
    in_flight: Counter[str] = field(default_factory=Counter)
    called_at: float = 0.0

    def __post_init__(self) -> None:
        self.many = Many.make(self.directory, self.detectors)
        names = [f"WFI{number:02}" for number in range(1, self.detectors + 1)]
        for number in range(self.exposures - 7):
            self.many.add(names[number % len(names)], 1 + number // len(names))
        bad = {
            self.many.truncate(self.many.add(names[0], 500)): Kind.BAD_INPUT,
            self.many.truncate(self.many.add(names[-1], 501)): Kind.BAD_INPUT,
            self.many.of_element(names[0], 502, "F213"): Kind.BAD_REFERENCE,
            self.many.without_data(names[0], 503): Kind.NO_DATA,
            self.many.without_data(names[-1], 504): Kind.NO_DATA,
            self.many.add(names[0], KILLS): Kind.CRASHED,
            self.many.add(names[-1], HANGS): Kind.TIMEOUT,
        }
        self.kinds = dict.fromkeys(map(str, self.many.raw.iterdir()), Kind.DONE)
        self.kinds |= {str(path): kind for path, kind in bad.items()}
        self.destination = self.directory / "out"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", COMMAND, "batch", *words]

    def start(self) -> subprocess.Popen[bytes]:
        """Calls the batch, in a group of its own."""
        words = [str(self.many.raw), "--to", str(self.destination), "--engine", self.engine]
        words += [f"--references={self.many.references}", "--recipe=2022", "--workers=2"]
        words += [f"--timeout={TIMEOUT}", "--pre_hooks=batch.many.disturb", "--progress=none"]
        path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.called_at = time.time()
        with (self.directory / "run.log").open("ab") as log:
            return subprocess.Popen(
                self.command("run", *words),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
                stdout=log,
                stderr=log,
            )

    def state(self) -> RunState | None:
        runs = run_directories(self.destination / STATE_NAME)
        return runs[-1].state() if runs else None

    # --- disturbing

    def disturb(self, rng: random.Random, kills: int) -> None:
        """Kills so many times, and calls the batch again whenever it is gone."""
        process = self.start()
        for _ in range(kills):
            if process.poll() is not None:
                process = self.start()
            self._wait(rng, process)
            workers = _children(process.pid)
            victim = process.pid
            if workers and self.engine != "serial" and rng.random() < 0.5:
                victim = rng.choice(workers)
            self.victims["supervisor" if victim == process.pid else "worker"] += 1
            _kill(victim)
            if victim == process.pid:
                process.wait()
            self._count_in_flight()
            self.check_status()
        if process.poll() is None:
            process.wait(timeout=600)
        for _ in range(3):  # what ends its process ends a serial batch as well
            process = self.start()
            if process.wait(timeout=600) >= 0:
                break

    def _wait(self, rng: random.Random, process: subprocess.Popen[bytes]) -> None:
        """Until some time has passed, or some exposures have ended."""
        deadline = time.monotonic() + rng.uniform(0.2, 8.0)
        state = self.state()
        before = 0 if state is None else len(state.outcomes)
        wanted = before + rng.randint(1, 12)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
            state = self.state()
            if state is not None and len(state.outcomes) >= wanted:
                return

    def _count_in_flight(self) -> None:
        state = self.state()
        if state is not None:
            # What began before this call was in flight at an earlier kill, and counted then.
            self.in_flight.update(
                name for name, (_, since) in state.begun.items() if since >= self.called_at
            )

    # --- checking

    def check_status(self) -> None:
        """What `batch status` tells must be so: each product that it counts is there, whole."""
        if self.state() is None:
            return
        words = self.command("status", str(self.destination), "--json")
        ended = subprocess.run(words, capture_output=True, text=True)
        if ended.returncode not in (0, 1, 75):
            raise BrokenError(f"status ended with {ended.returncode}: {ended.stderr}")
        told = json.loads(ended.stdout)["counts"]
        state = self.state()
        assert state is not None
        done = [out for out in state.outcomes.values() if out.kind is Kind.DONE]
        if told.get("done", 0) > len(done):
            raise BrokenError(f"status tells of {told}, the records of {len(done)} done")
        for outcome in done:
            if head_digest(outcome.product) != outcome.product_sha256:
                raise BrokenError(f"{outcome.product} is not what its record says")

    def check_end(self) -> None:
        """Every exposure ended in its class, once, as it would alone."""
        state = self.state()
        assert state is not None
        wrong = []
        for name, kind in self.kinds.items():
            outcome = state.outcomes.get(name)
            ended = None if outcome is None else outcome.kind
            right = (Kind.DONE, Kind.CURRENT) if kind is Kind.DONE else (kind,)
            if self.in_flight[name] > 1:  # killed twice, which looks as if it ended its process
                right = (*right, Kind.CRASHED)
            if ended not in right:
                wrong.append(f"{Path(name).name}: {ended} instead of {kind}")
        if wrong:
            raise BrokenError("\n".join(wrong))
        for name, times in self.times_done().items():
            if times > 1 + self.in_flight[name]:
                raise BrokenError(f"{name}: done {times} times, in flight {self.in_flight[name]}")
        left = [path for path in self.destination.iterdir() if path.name.endswith(".part")]
        if left:
            raise BrokenError(f"left behind: {left}")
        sound = [
            name
            for name, kind in self.kinds.items()
            if kind is Kind.DONE and state.outcomes[name].kind is not Kind.CRASHED
        ]
        hook = ["batch.many.disturb"]
        for name in sound:
            product = self.destination / Path(name).name.replace("_uncal", "_cal")
            single = alone(
                Path(name),
                self.many.references,
                self.directory / "alone",
                recipe="2022",
                pre_hooks=hook,
            )
            if differ := differences(product, single):
                raise BrokenError(f"{product}: differs from a run alone in {differ}")

    def times_done(self) -> Counter[str]:
        """How often each exposure was calibrated to its end, by all records."""
        times: Counter[str] = Counter()
        for path in (self.destination / STATE_NAME).glob("*/records/*.jsonl"):
            for line in path.read_bytes().splitlines():
                try:
                    outcome = json.loads(line).get("outcome", {})
                except ValueError:
                    continue
                times[outcome.get("input")] += outcome.get("kind") == "done"
        return times


def _children(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):  # each has those that it started
        with contextlib.suppress(OSError):
            for child in map(int, (thread / "children").read_text().split()):
                if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                    found += [child, *_children(child)]
    return found


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def torture(directory: Path, engine: str, exposures: int, kills: int, seed: int) -> str:
    """Makes exposures, disturbs their batch, checks all, and tells in a line what was done."""
    detectors = min(18, max(1, exposures // 4))
    bench = Bench(directory, engine, exposures, detectors)
    bench.disturb(random.Random(seed), kills)
    bench.check_status()
    bench.check_end()
    again = sum(times - 1 for times in bench.times_done().values() if times > 1)
    return (
        f"{engine}: {exposures} exposures, killed {dict(bench.victims)}: nothing lost, all in "
        f"their classes, products as of runs alone, {again} in flight done again"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="append", choices=("processes", "serial", "dask"))
    parser.add_argument("--exposures", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for engine in options.engine or ("processes", "serial", "dask"):
        with tempfile.TemporaryDirectory() as directory:
            started = time.monotonic()
            told = torture(Path(directory), engine, options.exposures, options.kills, options.seed)
            print(f"{told} ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
