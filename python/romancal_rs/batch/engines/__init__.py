"""What calibrates chunks of exposures: this process, others of this machine, or a Dask cluster."""

from __future__ import annotations

from typing import Any, Protocol

from ...errors import ArgumentError, RomancalError
from ..worker import Chunk, ChunkResult, Job

__all__ = ["ENGINES", "Ended", "Engine", "EngineLostError", "WorkerLostError", "make"]

ENGINES = ("processes", "serial", "dask")


class WorkerLostError(RomancalError):
    """The process that worked on a chunk is gone."""


class EngineLostError(RomancalError):
    """What hands out chunks is gone, or was, and none of them is to blame."""


#: A chunk, and what became of it: outcomes, or why there are none.
Ended = tuple[Chunk, ChunkResult | BaseException]


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


def make(engine: Any, n_workers: int | None = None, scheduler: str | None = None) -> Engine:
    """The engine that a user names.

    Parameters
    ----------
    engine : str or distributed.Client
        One of `ENGINES`, or the client of a Dask cluster.
    n_workers : int, optional
        How many workers to start.
    scheduler : str, optional
        Address, or file, of the scheduler of a Dask cluster.

    Raises
    ------
    ArgumentError
        If there is no such engine, or it has no scheduler.
    """
    if scheduler is not None and engine != "dask":
        raise ArgumentError(f"scheduler = {scheduler!r}: that is for engine dask, not {engine!r}")
    if engine == "serial":
        from .serial import SerialEngine

        return SerialEngine()
    if engine == "processes":
        from .processes import ProcessEngine

        return ProcessEngine(n_workers)
    if not isinstance(engine, str):
        from .dask import DaskEngine

        return DaskEngine(client=engine)
    if engine != "dask":
        raise ArgumentError(
            f"engine = {engine!r}: expected {', '.join(ENGINES)}, or a Client of Dask"
        )
    from .dask import DaskEngine

    return DaskEngine(n_workers, scheduler)
