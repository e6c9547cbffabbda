"""Worker processes on this machine."""

from __future__ import annotations

import os
import queue
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from ..memory import TOO_MUCH
from ..starting import adopt_surroundings, process_context, surroundings
from ..worker import Chunk, ChunkResult, Job, calibrate_chunk
from .base import Ended, WorkerLostError, take

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
        """See `Engine.cores`."""
        return available_cores()

    @property
    def window(self) -> int:
        """See `Engine.window`."""
        return 2 * self.n_workers

    def start(self, job: Job) -> None:
        """See `Engine.start`."""
        self._job = job
        self._context = process_context()
        self._surroundings = surroundings()

    def submit(self, chunk: Chunk) -> None:
        """See `Engine.submit`."""
        timeout = self._job.timeout
        limit = None if timeout is None else 2 * timeout * len(chunk.tasks) + _GRACE
        try:
            future = self._pool_for(chunk).schedule(
                calibrate_chunk, args=(self._job, chunk), timeout=limit
            )
        except RuntimeError:  # what starts workers ended just now
            future = ProcessFuture()
            future.set_exception(BrokenProcessPool())
        self._futures[chunk.number] = chunk, future
        future.add_done_callback(lambda future: self._ended.put((chunk, self._result(future))))

    def _result(self, future: ProcessFuture) -> ChunkResult | BaseException:
        try:
            error = future.exception()
        except CancelledError as cancelled:
            return cancelled
        if error is None:
            return future.result()
        if isinstance(error, ProcessExpired):
            return WorkerLostError(_why(error.exitcode, self._job.memory_limit))
        if isinstance(error, BrokenProcessPool):
            return _never_began()
        if isinstance(error, TimeoutError):
            return WorkerLostError("its process did not end in time, and was killed")
        return error

    def _pool_for(self, chunk: Chunk) -> ProcessPool:
        self._clear_broken()
        if chunk.is_alone:
            if self._alone is None:
                self._alone = self._started(1, max_tasks=1)
            return self._alone
        if self._pool is None:
            self._pool = self._started(self.n_workers)
        return self._pool

    def _started(self, n_workers: int, max_tasks: int = 0) -> ProcessPool:
        # What workers are copies of takes a second to import all. If Ctrl-C comes meanwhile, no
        # worker is to begin for a batch that is gone.
        first = self._context.Process(target=_nothing)
        first.start()
        first.join()
        return ProcessPool(
            n_workers,
            max_tasks=max_tasks,
            initializer=adopt_surroundings,
            initargs=self._surroundings,
            context=self._context,
        )

    def _clear_broken(self) -> None:
        """Takes note of pools that gave up, as a worker died that had nothing to do yet."""
        for name in ("_pool", "_alone"):
            pool: ProcessPool | None = getattr(self, name)
            if pool is None or pool.active:
                continue
            setattr(self, name, None)
            _end(pool, now=True)
            for chunk, _ in list(self._futures.values()):  # of some it does not tell
                if chunk.is_alone is (name == "_alone"):
                    self._ended.put((chunk, _never_began()))

    def wait(self, timeout: float) -> list[Ended]:
        """See `Engine.wait`."""
        self._clear_broken()
        told = take(self._ended, timeout)
        # The others were told before, or taken back.
        return [ended for ended in told if self._futures.pop(ended[0].number, None) is not None]

    def cancel(self) -> list[Chunk]:
        """See `Engine.cancel`."""
        taken = []
        for number, (chunk, future) in list(self._futures.items()):
            # One that runs would be killed.
            if not future.running() and not future.done() and future.cancel():
                del self._futures[number]
                taken.append(chunk)
        return taken

    def close(self, *, now: bool) -> None:
        """See `Engine.close`."""
        for pool in (self._pool, self._alone):
            if pool is not None:
                _end(pool, now=now or not pool.active)
        self._pool = self._alone = None


def _nothing() -> None:
    """What the first process does."""


def _end(pool: ProcessPool, *, now: bool) -> None:
    pool.stop() if now else pool.close()
    pool.join()


def _never_began() -> WorkerLostError:
    return WorkerLostError("its process ended before it began to work")


def _why(status: int | None, memory_limit: int | None = None) -> str:
    """How a process ended that was allowed so much memory [bytes]."""
    if status is not None and status < 0:
        import signal

        try:
            return f"its process was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"its process was ended by signal {-status}"
    if status == TOO_MUCH:
        limit = "it may" if memory_limit is None else f"its limit of {memory_limit >> 20:,} MiB"
        return f"its process took more memory of its own than {limit} (--memory-limit)"
    return f"its process ended with status {status}"
