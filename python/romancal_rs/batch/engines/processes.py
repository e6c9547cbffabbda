"""Worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import queue
from concurrent.futures import CancelledError
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from ..worker import Chunk, ChunkResult, Job, calibrate_chunk
from .base import Ended, WorkerLostError

__all__ = ["ProcessEngine", "available_cores"]

#: What a worker gets beyond the time limits of its exposures [s], which it watches itself: to
#: start, to read and to write. After it the worker counts as stuck, and is killed.
_GRACE = 120.0


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessEngine:
    """Processes that are started anew, and so share nothing with this one.

    One that dies, or is killed as it takes too long, costs the chunk that it works on alone.

    Parameters
    ----------
    n_workers : int, optional
        As many as there are cores by default.
    """

    shares_records = True

    def __init__(self, n_workers: int | None = None) -> None:
        self.n_workers = n_workers or available_cores()
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._futures: dict[int, tuple[Chunk, ProcessFuture]] = {}
        self._pool: ProcessPool | None = None
        self._alone: ProcessPool | None = None

    @property
    def cores(self) -> int:
        return available_cores()

    @property
    def window(self) -> int:
        return 2 * self.n_workers

    def start(self, job: Job) -> None:
        self._job = job
        self._context = _context()

    def submit(self, chunk: Chunk) -> None:
        timeout = self._job.timeout
        limit = None if timeout is None else 2 * timeout * len(chunk.tasks) + _GRACE
        pool = self._pool_for(chunk)
        future = pool.schedule(calibrate_chunk, args=(self._job, chunk), timeout=limit)
        self._futures[chunk.number] = chunk, future
        future.add_done_callback(lambda future: self._ended.put((chunk, _result(future))))

    def _pool_for(self, chunk: Chunk) -> ProcessPool:
        if chunk.is_alone:
            if self._alone is None:
                self._alone = ProcessPool(1, max_tasks=1, context=self._context)
            return self._alone
        if self._pool is None:
            self._pool = ProcessPool(self.n_workers, context=self._context)
        return self._pool

    def wait(self, timeout: float) -> list[Ended]:
        ended: list[Ended] = []
        try:
            ended.append(self._ended.get(timeout=max(0.0, timeout)))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        for chunk, _ in ended:
            self._futures.pop(chunk.number, None)
        return ended

    def cancel(self) -> list[Chunk]:
        taken = []
        for number, (chunk, future) in list(self._futures.items()):
            # One that runs would be killed.
            if not future.running() and not future.done() and future.cancel():
                del self._futures[number]
                taken.append(chunk)
        return taken

    def close(self, *, now: bool) -> None:
        for pool in (self._pool, self._alone):
            if pool is not None:
                pool.stop() if now else pool.close()
                pool.join()
        self._pool = self._alone = None


def _context() -> Any:
    """How workers are started: none inherits what this process has open, or its threads.

    Where the system has it, a process of its own imports what workers need, and they are copies of
    that: it takes a second or two each time otherwise.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["romancal_rs.batch.preloaded"])
    return context


def _result(future: ProcessFuture) -> ChunkResult | BaseException:
    try:
        error = future.exception()
    except CancelledError as cancelled:
        return cancelled
    if error is None:
        return future.result()
    if isinstance(error, ProcessExpired):
        return WorkerLostError(_why(error.exitcode))
    if isinstance(error, TimeoutError):
        return WorkerLostError("its process did not end in time, and was killed")
    return error


def _why(status: int | None) -> str:
    """How a process ended."""
    if status is not None and status < 0:
        import signal

        try:
            return f"its process was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"its process was ended by signal {-status}"
    return f"its process ended with status {status}"
