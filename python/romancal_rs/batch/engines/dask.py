"""A Dask cluster: on this machine, or one that others have started."""

from __future__ import annotations

import logging
import os
import queue
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentTypeError, InputError
from ..outcome import TransientError
from ..worker import Chunk, ChunkResult, Job, calibrate_chunk
from .base import Ended, EngineLostError, WorkerLostError, take
from .processes import available_cores

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["SETTINGS", "DaskEngine"]

#: For a cluster on this machine. No profiler, which takes a sixth of the time; a worker gets no
#: more than it works on, so that its death costs no others; and what ended one is not given to
#: another worker.
SETTINGS = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.profile.enabled": False,
}
#: How long a scheduler may be gone [s], as one that is started anew.
_PATIENCE = 120.0
#: How often the workers are counted, which may come and go [s].
_COUNTED_EVERY = 5.0


class DaskEngine:
    """Workers of a Dask cluster.

    Two settings of its scheduler are changed while this lasts, see `SETTINGS`.

    Parameters
    ----------
    n_workers : int, optional
        Of a cluster on this machine: as many as there are cores by default.
    scheduler : str, optional
        The address of a scheduler (``tcp://host:8786``), or the name of its file. Without it, and
        without a client, a cluster is started on this machine.
    client : distributed.Client, optional
        One that is connected already; it is left open.

    Raises
    ------
    ArgumentTypeError
        If Dask is not installed.
    """

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
        self._is_local = client is None and scheduler is None
        self.n_workers = n_workers or available_cores()
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._futures: dict[int, tuple[Chunk, Future]] = {}
        self._counted = 0.0
        self._settings: tuple[Any, ...] = ()
        self._stack = ExitStack()

    @property
    def cores(self) -> int:
        """On this machine the workers share its cores; elsewhere each has what it was given."""
        return available_cores() if self._is_local else self.n_workers

    @property
    def window(self) -> int:
        """One more than there are workers: the memory of a scheduler grows with what it holds."""
        return self.n_workers + 1

    # --- connecting

    def start(self, job: Job) -> None:
        """See `Engine.start`."""
        self._job = job
        if self._is_local:
            self._client = self._local_cluster()
        elif self._client is None:
            self._client = self._connected(time.monotonic() + _PATIENCE)
        self._settings = self._client.run_on_scheduler(_settle, *_SETTLED)
        self._count_workers()
        seen = self._client.run(os.path.isdir, job.run_directory)
        self.shares_records = bool(seen) and all(seen.values())
        if self.shares_records:
            self._claims.mkdir(exist_ok=True)

    def _local_cluster(self) -> Client:
        # In this order: a context around the first import would take Dask's own settings back.
        import dask
        import distributed

        self._stack.enter_context(dask.config.set(SETTINGS))
        cluster = distributed.LocalCluster(
            n_workers=self.n_workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # Dask's own limit counts mapped files as memory, see `MemoryWatch`.
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        self._stack.callback(_quietly, cluster.close, timeout=10)
        return distributed.Client(cluster, set_as_default=False)

    def _connected(self, deadline: float) -> Client:
        """A client of the scheduler that the user named, which may take a while to come back."""
        import distributed

        assert self._scheduler is not None
        is_address = "://" in self._scheduler
        where = {"address" if is_address else "scheduler_file": self._scheduler}
        if not is_address and not os.path.exists(self._scheduler):
            raise InputError(
                f"--scheduler {self._scheduler}: there is no such file; give the one of the "
                "scheduler (dask scheduler --scheduler-file), or its address, tcp://HOST:PORT"
            )
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it tells of each attempt
        while True:
            try:
                return distributed.Client(**where, timeout=5, set_as_default=False)
            except (OSError, ValueError) as error:
                if time.monotonic() > deadline or isinstance(error, ValueError):
                    raise TransientError(
                        f"--scheduler {self._scheduler}: no scheduler of Dask answers there"
                    ) from error
                time.sleep(1)

    def _connect_again(self) -> None:
        """Goes to a scheduler that was started anew; all that it worked on is lost."""
        assert self._client is not None
        if self._is_local or not self._is_own:
            raise TransientError(
                "the scheduler of the Dask cluster is gone; run this again: finished work is kept "
                "done"
            )
        for chunk, _ in self._futures.values():
            self._ended.put((chunk, EngineLostError("the scheduler of the Dask cluster was gone")))
        _quietly(self._client.close, timeout=1)
        self._client = self._connected(time.monotonic() + _PATIENCE)
        self._client.run_on_scheduler(_settle, *_SETTLED)

    def _count_workers(self) -> None:
        """Takes as many as there are now."""
        assert self._client is not None
        if time.monotonic() - self._counted > _COUNTED_EVERY:
            with suppress(OSError, KeyError, TimeoutError):
                self.n_workers = max(1, len(self._client.nthreads()))
            self._counted = time.monotonic()

    # --- working

    def submit(self, chunk: Chunk) -> None:
        """See `Engine.submit`."""
        assert self._client is not None
        if self._client.status != "running":  # what is submitted then would never end
            self._connect_again()
        key = f"romancal-rs-{os.getpid()}-{time.time_ns():x}-{chunk.number}"
        claim = str(self._claims / key) if self.shares_records else None
        future = self._client.submit(
            *(_calibrate_once, self._job, chunk, claim), key=key, pure=False, retries=0
        )
        self._futures[chunk.number] = chunk, future
        future.add_done_callback(lambda future: self._ended.put((chunk, _result(future))))

    @property
    def _claims(self) -> Path:
        """Holds an empty file for each chunk that a worker has begun."""
        return Path(self._job.run_directory) / "claims"

    def wait(self, timeout: float) -> list[Ended]:
        """See `Engine.wait`."""
        assert self._client is not None
        ended = []
        for chunk, result in take(self._ended, timeout):
            _, future = self._futures.pop(chunk.number, (chunk, None))
            if future is not None:  # else it was told before
                (self._claims / str(future.key)).unlink(missing_ok=True)
                future.release()
                ended.append((chunk, result))
        if self._client.status != "running" and self._futures:
            self._connect_again()
        elif self._client.status == "running":
            self._count_workers()
        return ended

    def cancel(self) -> list[Chunk]:
        """See `Engine.cancel`."""
        return []  # what has begun cannot be told from what has not

    def close(self, *, now: bool) -> None:
        """See `Engine.close`."""
        if self._client is not None and self._client.status == "running":
            if now:
                futures = [future for _, future in self._futures.values()]
                _quietly(self._client.cancel, futures, force=True)
            if not self._is_local:
                _quietly(self._client.run_on_scheduler, _settle, *self._settings)
        if self._client is not None and self._is_own:
            _quietly(self._client.close, timeout=1)
        self._stack.close()


#: What a scheduler is set to.
_SETTLED = (
    SETTINGS["distributed.scheduler.allowed-failures"],
    SETTINGS["distributed.scheduler.worker-saturation"],
)


def _settle(
    allowed_failures: int, worker_saturation: float, dask_scheduler: Any
) -> tuple[int, float]:
    """Changes settings of a scheduler, and gives what they were; runs there."""
    before = dask_scheduler.allowed_failures, dask_scheduler.WORKER_SATURATION
    dask_scheduler.allowed_failures = allowed_failures
    dask_scheduler.WORKER_SATURATION = worker_saturation
    return before


def _calibrate_once(job: Job, chunk: Chunk, claim: str | None) -> ChunkResult | None:
    """Calibrates a chunk, unless a worker has begun it already; runs there.

    What a worker has made and not yet handed on when it dies, Dask has another one make again.
    """
    if claim is not None:
        try:
            os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return None
    return calibrate_chunk(job, chunk)


def _result(future: Future) -> ChunkResult | BaseException:
    """What became of a chunk. A future's status may change yet: only its result counts."""
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    try:
        result = future.result(timeout=30)
        return WorkerLostError("its worker was gone") if result is None else result
    except KilledWorker:
        return WorkerLostError("its worker process died")
    except (CancelledError, CommClosedError, TimeoutError, OSError) as error:
        return EngineLostError(f"the Dask cluster lost it: {error}")
    except Exception as error:
        return error


def _quietly(work: Any, *args: Any, **options: Any) -> None:
    """Ends what may be gone already."""
    with suppress(Exception):
        work(*args, **options)


def _require() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ArgumentTypeError(
            'engine dask needs Dask, which is not installed: pip install "romancal-rs[dask]"'
        ) from error
