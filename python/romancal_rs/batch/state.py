"""Where a batch keeps its plan and what became of each exposure, so that it can go on.

``DEST/.romancal-rs-batch/RUN/`` holds ``plan.jsonl`` and ``records/WORKER.jsonl``. Each file of
records has one writer, who appends a line for each exposure when it begins and when it ends, on the
disk before the next one begins. A line that was cut off by a kill is passed over. No lock and no
server is needed, so that hosts may share the directory.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..errors import InputError
from .outcome import Outcome
from .plan import PLAN_NAME, Plan

__all__ = ["RecordWriter", "RunDirectory", "RunState", "run_directories"]

STATE_NAME = ".romancal-rs-batch"


class RunDirectory:
    """The directory of one run of a batch.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, plan: Plan, state: Path) -> RunDirectory:
        """That of a plan: the same plan has the same directory.

        Parameters
        ----------
        plan : Plan
        state : Path
            The directory of all runs, such as ``DEST/.romancal-rs-batch``.
        """
        return cls(state / plan.digest[:16])

    @property
    def plan_path(self) -> Path:
        return self.path / PLAN_NAME

    @property
    def records(self) -> Path:
        return self.path / "records"

    @property
    def failed(self) -> Path:
        """Holds the logs of what failed, by detector."""
        return self.path / "failed"

    def read_plan(self) -> Plan:
        return Plan.read(self.plan_path)

    def state(self) -> RunState:
        """What the records say now."""
        state = RunState()
        for path in sorted(self.records.glob("*.jsonl")) if self.records.is_dir() else ():
            for row in _rows(path):
                state.add(row)
        return state


@dataclass
class RunState:
    """What became of the exposures of a run so far.

    Attributes
    ----------
    outcomes : dict of str to Outcome
        The last outcome of each input.
    begun : dict of str to (str, float)
        Inputs that a worker began and did not end: the worker, and when [s since 1970].
    counts : dict of str to int
        How often each input was calibrated to its end.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    begun: dict[str, tuple[str, float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _times: dict[str, float] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        """Takes in a line of the records, in any order of the files."""
        at = row["at"]
        if "begun" in row:
            name = row["begun"]
            if at >= self._times.get(name, 0.0):
                self.begun[name] = row["worker"], at
            return
        outcome = Outcome.from_row(row["outcome"])
        name = outcome.input
        self.counts[name] = self.counts.get(name, 0) + 1
        if at >= self._times.get(name, 0.0):
            self._times[name] = at
            self.outcomes[name] = outcome
            if name in self.begun and self.begun[name][1] <= at:
                del self.begun[name]


class RecordWriter:
    """Appends records to the file of one worker.

    Parameters
    ----------
    directory : RunDirectory
    worker : str, optional
        Its name, part of the file's; the host and the process by default.
    """

    def __init__(self, directory: RunDirectory, worker: str | None = None) -> None:
        self.worker = worker or f"{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}"
        directory.records.mkdir(parents=True, exist_ok=True)
        path = directory.records / f"{self.worker}.jsonl"
        self._file: IO[bytes] = path.open("ab", buffering=0)

    def begin(self, name: str) -> None:
        """An exposure begins."""
        self._write({"begun": name, "worker": self.worker, "at": time.time()})

    def end(self, outcome: Outcome) -> None:
        """An exposure has ended."""
        self._write({"outcome": outcome.as_row(), "at": time.time()})

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def run_directories(state: Path) -> list[RunDirectory]:
    """The runs in the directory of all runs, the one with the newest plan last."""
    if not state.is_dir():
        return []
    paths = [path for path in state.iterdir() if (path / PLAN_NAME).is_file()]
    paths.sort(key=lambda path: (path / PLAN_NAME).stat().st_mtime_ns)
    return [RunDirectory(path) for path in paths]


def state_of(destination: str, state: str | None = None) -> Path:
    """The directory of all runs of a destination.

    Parameters
    ----------
    destination : str
        Directory, or URL, of the products.
    state : str, optional
        The directory that the user named; needed where the destination is a URL.

    Raises
    ------
    InputError
        If the destination is a URL, and no directory is named.
    """
    if state:
        return Path(state)
    if "://" in destination:
        raise InputError(
            f"{destination}: the records of a batch need a directory that all workers see: name "
            "one by --state"
        )
    return Path(destination) / STATE_NAME


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:  # cut off by a kill
                continue
