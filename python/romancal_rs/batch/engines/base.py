"""What all engines have in common."""

from __future__ import annotations

import queue
import time
from contextlib import suppress
from typing import Protocol

from ...errors import RomancalError
from ..worker import Chunk, ChunkResult, Job

__all__ = ["Ended", "Engine", "EngineLostError", "LostError", "WorkerLostError", "take"]


class LostError(RomancalError):
    """A chunk is not going to end.

    Attributes
    ----------
    at : float
        When that was noticed [s since 1970].
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.at = time.time()


class WorkerLostError(LostError):
    """The process that worked on it is gone."""


class EngineLostError(LostError):
    """What hands out chunks is gone, or was, and none of them is to blame."""


#: A chunk, and what became of it: outcomes, or why there are none.
Ended = tuple[Chunk, ChunkResult | BaseException]


def take(ended: queue.SimpleQueue[Ended], timeout: float) -> list[Ended]:
    """All that is in a queue, waiting for at most that long [s] for the first."""
    told: list[Ended] = []
    with suppress(queue.Empty):
        told.append(ended.get(timeout=max(0.0, timeout)))
        while True:
            told.append(ended.get_nowait())
    return told


class Engine(Protocol):
    """Calibrates chunks, at most `n_workers` at once."""

    #: How many chunks are calibrated at once.
    n_workers: int
    #: Whether its workers see the directory of the run, and so record what they do there.
    shares_records: bool

    @property
    def cores(self) -> int:
        """How many cores its workers share."""

    @property
    def window(self) -> int:
        """How many are to be submitted and not ended, so that no worker waits for one."""

    def start(self, job: Job) -> None:
        """Makes ready; called once, before the first chunk."""

    def submit(self, chunk: Chunk) -> None:
        """Has a chunk calibrated some time."""

    def wait(self, timeout: float) -> list[Ended]:
        """What has ended since, waiting for at most that long [s] for the first."""

    def cancel(self) -> list[Chunk]:
        """Takes back the chunks that have not begun, as far as can be told."""

    def close(self, *, now: bool) -> None:
        """Ends the workers; `now`: also those that work."""
