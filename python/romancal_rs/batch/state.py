"""Where a batch keeps its plan and what became of each exposure, so that it can go on.

``DEST/.romancal-rs-batch/RUN/`` holds ``plan.jsonl`` and ``records/WORKER.jsonl``. Each file of
records has one writer, who appends a line for each exposure when it begins and when it ends, on the
disk before the next one begins. A line that was cut off by a kill is ignored. No lock and no
server is needed, so that hosts may share the directory.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..errors import InputError
from .causes import base_name
from .outcome import Outcome, TransientError
from .plan import PLAN_NAME, Plan

__all__ = ["RecordWriter", "RunDirectory", "RunState", "run_directories"]

STATE_NAME = ".romancal-rs-batch"
#: By so much may the time that a file system gives a file lie behind the clock [s].
_TICK = 0.02


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
        """The file of the plan."""
        return self.path / PLAN_NAME

    @property
    def records(self) -> Path:
        """The directory of the records, a file for each command that ran."""
        return self.path / "records"

    @property
    def failed(self) -> Path:
        """The directory of the logs of failed exposures, by detector."""
        return self.path / "failed"

    def failure_log(self, name: str, detector: str = "") -> Path:
        """Where the log of an exposure goes that failed.

        Parameters
        ----------
        name : str
            The input, or its base name, which is unique in a plan.
        detector : str
            Each has a separate directory, so that none holds too many files.
        """
        base = base_name(name).removesuffix(".asdf")
        folder = re.sub(r"\W+", "_", detector.lower()) or "unknown"
        return self.failed / folder / f"{base}.log"

    def read_plan(self) -> Plan:
        """Read the plan."""
        return Plan.read(self.plan_path)

    def state(self) -> RunState:
        """What the records say now."""
        state = RunState(self)
        state.refresh()
        return state


@dataclass
class RunState:
    """What became of the exposures of a run so far.

    Attributes
    ----------
    directory : RunDirectory
    outcomes : dict of str to Outcome
        The last outcome of each input.
    begun : dict of str to (str, float)
        Inputs that a worker began and did not end: the worker, and when [s since 1970].
    counts : dict of str to int
        How often each input was calibrated to its end.
    ended : dict of str to float
        When the last outcome of each input was written [s since 1970].
    hosts : dict of str to str
        Where each worker runs that began something.
    """

    directory: RunDirectory
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    begun: dict[str, tuple[str, float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    _read: dict[Path, int] = field(default_factory=dict)

    def refresh(self) -> None:
        """Takes in what was recorded since."""
        if not self.directory.records.is_dir():
            return
        for path in sorted(self.directory.records.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                content = file.read()
            whole = content.rfind(b"\n") + 1  # the rest is being written, or was cut off
            self._read[path] = self._read.get(path, 0) + whole
            for line in content[:whole].splitlines():
                with suppress(ValueError, LookupError, TypeError, AttributeError):  # cut off
                    self.add(json.loads(line))

    def add(self, row: dict[str, Any]) -> None:
        """Takes in a line of the records, in any order of the files."""
        at = row["at"]
        if "begun" in row:
            name, worker = row["begun"], row["worker"]
            self.hosts[worker] = row.get("host", "")
            if at >= max(self.ended.get(name, 0.0), self.begun.get(name, ("", 0.0))[1]):
                self.begun[name] = worker, at
            return
        outcome = Outcome.from_row(row["outcome"])
        name = outcome.input
        self.counts[name] = self.counts.get(name, 0) + 1
        if at >= self.ended.get(name, 0.0):
            self.ended[name] = at
            self.outcomes[name] = outcome
            if name in self.begun and self.begun[name][1] <= at:
                del self.begun[name]


class RecordWriter:
    """Appends records to the file of one worker.

    Parameters
    ----------
    directory : RunDirectory
    role : str
        What it is: part of its name, with the host and the process.

    Attributes
    ----------
    worker : str
        Its name, which is the file's.
    """

    def __init__(self, directory: RunDirectory, role: str = "worker") -> None:
        self.worker = f"{role}-{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}"
        directory.records.mkdir(parents=True, exist_ok=True)
        # Records are in order by time, also where a clock was set back since the last of them.
        stamps = (path.stat().st_mtime for path in directory.records.glob("*.jsonl"))
        self._last = max(stamps, default=-_TICK) + _TICK
        self._is_torn = False
        self._path = directory.records / f"{self.worker}.jsonl"
        self._file: IO[bytes] = self._path.open("ab", buffering=0)

    def begin(self, name: str) -> None:
        """An exposure begins."""
        host = socket.gethostname()
        self._write({"begun": name, "worker": self.worker, "host": host, "at": self._now()})

    def end(self, outcome: Outcome) -> None:
        """An exposure has ended."""
        self._write({"outcome": outcome.as_row(), "at": self._now()})

    def note(self, outcome: Outcome) -> None:
        """What was known before any work; it is on the disk when the file is closed."""
        self._write({"outcome": outcome.as_row(), "at": self._now()}, durable=False)

    def _now(self) -> float:
        self._last = max(time.time(), self._last)
        return self._last

    def _write(self, row: dict[str, Any], *, durable: bool = True) -> None:
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        if self._is_torn:
            line = b"\n" + line
        self._is_torn = True
        try:
            while line:  # a disk that is nearly full takes a part of it
                line = line[self._file.write(line) :]
            self._is_torn = False
            if durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise TransientError(
                f"{self._path}: cannot be written: {error.strerror}; without records the batch "
                "cannot go on: run it again when this is fixed"
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self._file:
            os.fsync(self._file.fileno())

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


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
