"""One exposure after the other, in this process."""

from __future__ import annotations

import dataclasses

from ..worker import Chunk, Job, calibrate_chunk, close_worker
from .base import Ended
from .processes import ProcessEngine, available_cores

__all__ = ["SerialEngine"]


class SerialEngine:
    """Calibrates in this process, where a debugger sees it.

    An exposure that crashes its process ends this one. Only exposures that did so before run in a
    separate process.
    """

    n_workers = 1
    shares_records = True

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._alone = ProcessEngine(1)

    @property
    def cores(self) -> int:
        """See `Engine.cores`."""
        return available_cores()

    @property
    def window(self) -> int:
        """See `Engine.window`."""
        return 1

    def start(self, job: Job) -> None:
        """See `Engine.start`."""
        self._job = dataclasses.replace(job, may_exit=False)
        self._alone.start(job)

    def submit(self, chunk: Chunk) -> None:
        """See `Engine.submit`."""
        if chunk.is_alone:
            self._alone.submit(chunk)
        else:
            self._chunks.append(chunk)

    def wait(self, timeout: float) -> list[Ended]:
        """See `Engine.wait`."""
        if not self._chunks:
            return self._alone.wait(timeout)
        chunk = self._chunks.pop(0)
        return [(chunk, calibrate_chunk(self._job, chunk)), *self._alone.wait(0)]

    def cancel(self) -> list[Chunk]:
        """See `Engine.cancel`."""
        chunks, self._chunks = self._chunks, []
        return [*chunks, *self._alone.cancel()]

    def close(self, *, now: bool) -> None:
        """See `Engine.close`."""
        close_worker()
        self._alone.close(now=now)
