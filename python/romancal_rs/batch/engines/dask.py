"""A Dask cluster: on this machine, or one that others have started."""

from __future__ import annotations

import logging
import os
import queue
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentTypeError, InputError
from ..outcome import TransientError
from ..worker import Chunk, ChunkResult, Job, calibrate_chunk
from . import Ended, WorkerLostError
from .processes import available_cores

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["SCHEDULER_SETTINGS", "SETTINGS", "DaskEngine"]

_log = logging.getLogger("stpipe.batch")

#: What a scheduler has to be started with. A worker gets no more than it works on, so that its
#: death costs no others; and what was lost is not given to another worker, whom it may kill, too.
SCHEDULER_SETTINGS = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 0,
}
#: ... and a cluster on this machine besides: no profiler, which takes a sixth of the time.
SETTINGS = {
    **SCHEDULER_SETTINGS,
    "distributed.worker.profile.enabled": False,
    "distributed.comm.timeouts.connect": "60s",
}
#: How long a scheduler may be gone [s] before it counts as lost.
_PATIENCE = 120.0


class DaskEngine:
    """Workers of a Dask cluster.

    Parameters
    ----------
    n_workers : int, optional
        Of a cluster on this machine: as many as there are cores by default.
    scheduler : str, optional
        The address of a scheduler (``tcp://host:8786``), or the name of its file. Without it, and
        without a client, a cluster is started on this machine.
    client : distributed.Client, optional
        One that is connected already; it is left open.
    """

    #: Workers on other hosts need not see the directory of the run.
    shares_records = False

    def __init__(
        self,
        n_workers: int | None = None,
        scheduler: str | None = None,
        client: Client | None = None,
    ) -> None:
        _require()
        self._scheduler = scheduler
        self._client = client
        self._is_own = client is None
        self._cluster: Any = None
        self.n_workers = n_workers or available_cores()
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._futures: dict[int, tuple[Chunk, Future]] = {}
        self._gone_since: float | None = None

    @property
    def window(self) -> int:
        """Not more than there are workers, which may come and go: chunks wait here, not there."""
        return self.n_workers + 1

    def start(self, job: Job) -> None:
        self._job = job
        if self._client is None:
            self._client = self._connected()
        self._check_scheduler()
        self._count_workers()

    def _connected(self) -> Client:
        import dask
        from distributed import Client, LocalCluster

        if self._scheduler is None:
            dask.config.set(SETTINGS)
            self._cluster = LocalCluster(
                n_workers=self.n_workers,
                threads_per_worker=1,
                processes=True,
                # Dask's own limit counts mapped files as memory; see `MemoryWatch`.
                memory_limit=0,
                dashboard_address=None,
                silence_logs=logging.ERROR,
            )
            self.shares_records = True
            return Client(self._cluster)
        is_file = os.path.exists(self._scheduler)
        try:
            if is_file:
                return Client(scheduler_file=self._scheduler, timeout="60s")
            return Client(self._scheduler, timeout="60s")
        except (OSError, ValueError) as error:
            raise InputError(
                f"--scheduler {self._scheduler}: no scheduler of Dask answers there: {error}"
            ) from error

    def _check_scheduler(self) -> None:
        """Warns of a scheduler that would let one exposure end several workers."""
        if self._cluster is not None or self._client is None:
            return
        allowed = self._client.run_on_scheduler(_allowed_failures)
        if allowed:
            _log.warning(
                "The scheduler gives what ended a worker to %s others: start it with "
                "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0",
                allowed,
            )

    def _count_workers(self) -> None:
        """Takes as many as there are; a cluster on this machine has what was asked for."""
        if self._client is None or self._cluster is not None:
            return
        with suppress(OSError, KeyError, TimeoutError):
            threads = sum(self._client.nthreads().values())
            self.n_workers = max(1, threads)

    def submit(self, chunk: Chunk) -> None:
        assert self._client is not None
        key = f"romancal-rs-{os.getpid()}-{time.time_ns():x}-{chunk.number}"
        future = self._client.submit(
            *(calibrate_chunk, self._job, chunk), key=key, pure=False, retries=0
        )
        self._futures[chunk.number] = chunk, future
        future.add_done_callback(lambda future: self._ended.put((chunk, _result(future))))

    def wait(self, timeout: float) -> list[Ended]:
        ended: list[Ended] = []
        try:
            ended.append(self._ended.get(timeout=max(0.0, timeout)))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        for chunk, _ in ended:
            _, future = self._futures.pop(chunk.number, (chunk, None))
            if future is not None:
                future.release()
        self._watch_connection()
        return ended

    def _watch_connection(self) -> None:
        """Gives up a scheduler that does not come back."""
        assert self._client is not None
        if self._client.status == "running":
            if self._gone_since is not None:
                self._gone_since = None
            self._count_workers()
            return
        self._gone_since = self._gone_since or time.monotonic()
        if time.monotonic() - self._gone_since > _PATIENCE:
            raise TransientError(
                f"the scheduler of the Dask cluster is gone for {_PATIENCE:g} s: start it again, "
                "and call this again: what is done stays done"
            )

    def cancel(self) -> list[Chunk]:
        return []  # what has begun cannot be told from what has not

    def close(self, *, now: bool) -> None:
        if self._client is None:
            return
        if now:
            with suppress(Exception):
                self._client.cancel([future for _, future in self._futures.values()], force=True)
        if self._is_own:
            with suppress(Exception):
                self._client.close()
        if self._cluster is not None:
            with suppress(Exception):
                self._cluster.close(timeout=10)


def _allowed_failures(dask_scheduler: Any) -> int:
    return int(dask_scheduler.allowed_failures)


def _result(future: Future) -> ChunkResult | BaseException:
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        return WorkerLostError("the scheduler of the Dask cluster lost it")
    if future.status == "finished":
        try:
            return future.result()
        except Exception as error:  # its worker was gone before the result came
            return WorkerLostError(f"its result was lost: {error}")
    raised = future.exception()
    if isinstance(raised, KilledWorker):
        return WorkerLostError("its worker process died")
    return raised if raised is not None else WorkerLostError("the cluster lost it")


def _require() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ArgumentTypeError(
            'engine dask needs Dask, which is not installed: pip install "romancal-rs[dask]"'
        ) from error
