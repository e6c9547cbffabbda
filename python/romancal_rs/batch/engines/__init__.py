"""What calibrates chunks of exposures: this process, others of this machine, or a Dask cluster."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError
from .base import Ended, Engine, EngineLostError, LostError, WorkerLostError

__all__ = [
    "ENGINES",
    "Ended",
    "Engine",
    "EngineLostError",
    "LostError",
    "WorkerLostError",
    "check",
    "make",
]

ENGINES = ("processes", "serial", "dask")


def make(
    engine: Any,
    n_workers: int | None = None,
    scheduler: str | None = None,
    *,
    most: int | None = None,
) -> Engine:
    """The engine that a user names.

    Parameters
    ----------
    engine : str or distributed.Client
        One of `ENGINES`, or the client of a Dask cluster.
    n_workers : int, optional
        How many workers to start.
    scheduler : str, optional
        Address, or file, of the scheduler of a Dask cluster.
    most : int, optional
        How many workers would have something to do.

    Raises
    ------
    ArgumentError
        If there is no such engine, or it has no scheduler.
    """
    check(engine, scheduler)
    if engine == "serial":
        from .serial import SerialEngine

        return SerialEngine()
    if engine == "processes":
        from .processes import ProcessEngine, available_cores

        n_workers = n_workers or available_cores()
        return ProcessEngine(n_workers if most is None else max(1, min(n_workers, most)))
    if not isinstance(engine, str):
        from .dask import DaskEngine

        return DaskEngine(client=engine)
    from .dask import DaskEngine

    return DaskEngine(n_workers, scheduler)


def check(engine: Any, scheduler: str | None = None) -> None:
    """Checks that there is such an engine; see `make`.

    Raises
    ------
    ArgumentError
    """
    if not (engine in ENGINES if isinstance(engine, str) else hasattr(engine, "scheduler_info")):
        raise ArgumentError(
            f"engine = {engine!r}: expected {', '.join(ENGINES)}, or a Client of Dask"
        )
    if scheduler is not None and engine != "dask":
        raise ArgumentError(f"scheduler = {scheduler!r}: that is for engine dask, not {engine!r}")
