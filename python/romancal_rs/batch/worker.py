"""What calibrates exposures: one to a process, warm from one exposure to the next.

References are opened, checked and digested once. While an exposure is calibrated the next one is
read, and the one before is written. What became of each is recorded on the disk as soon as its
product is whole.
"""

from __future__ import annotations

import dataclasses
import datetime
import faulthandler
import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._files import write_text
from .._threads import Threads
from . import identity, remote
from .alarm import alarm
from .memory import MemoryWatch
from .outcome import Kind, Outcome, TransientError, message_of
from .passage import LocalInput, Passage
from .pins import PinnedStore
from .plan import PlannedExposure, ReferenceSet, Settings
from .starting import is_orphan
from .state import RecordWriter, RunDirectory

if TYPE_CHECKING:
    from ..stpipe import Run, Step

__all__ = ["Chunk", "ChunkResult", "Job", "Task", "calibrate_chunk"]

_log = logging.getLogger("stpipe.batch")


@dataclass(frozen=True)
class Job:
    """What all exposures of a run have in common, for whoever calibrates them.

    Attributes
    ----------
    settings : Settings
    run_directory : str
        Where records are kept. A worker that does not see it leaves that to who gets its outcomes.
    scratch : str or None
        Directory of each host for what is fetched or to be uploaded; the user's own if None.
    scratch_limit : int or None
        How much of what was fetched is kept there [bytes].
    timeout : float or None
        What an exposure may take [s].
    memory_limit : int or None
        Of the anonymous memory of a worker [bytes].
    may_exit : bool
        Whether the process is a worker's own: it ends where an exposure takes too long, or too much
        memory, or whoever started it is gone.
    """

    settings: Settings
    run_directory: str
    scratch: str | None = None
    timeout: float | None = None
    memory_limit: int | None = None
    may_exit: bool = True
    scratch_limit: int | None = None


@dataclass(frozen=True)
class Task:
    """One exposure to calibrate.

    Attributes
    ----------
    exposure : PlannedExposure
    references : ReferenceSet
    attempt : int
        From 1.
    """

    exposure: PlannedExposure
    references: ReferenceSet
    attempt: int = 1

    def again(self) -> Task:
        """The same task, tried once more."""
        return dataclasses.replace(self, attempt=self.attempt + 1)


@dataclass(frozen=True)
class Chunk:
    """Exposures that one worker gets at once.

    Attributes
    ----------
    number : int
        Unique in a run.
    tasks : tuple of Task
    threads : int
        How many it may use.
    is_alone : bool
        In a separate process, because it may crash its process.
    """

    number: int
    tasks: tuple[Task, ...]
    threads: int = 1
    is_alone: bool = False


@dataclass
class ChunkResult:
    """What became of a chunk.

    Attributes
    ----------
    outcomes : list of Outcome
        Of its tasks, in order; of those that were not begun, none.
    is_recorded : bool
        Whether the worker has recorded them.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    is_recorded: bool = True


_worker: Worker | None = None
_worker_lock = threading.Lock()


def calibrate_chunk(job: Job, chunk: Chunk) -> ChunkResult:
    """Calibrates the exposures of a chunk in this process, which stays warm for the next one."""
    global _worker
    with _worker_lock:
        if _worker is None or _worker.job != job:
            if _worker is not None:
                _worker.close()
            _worker = Worker(job)
        return _worker.run(chunk)


def close_worker() -> None:
    """Closes what stays warm in this process."""
    global _worker
    with _worker_lock:
        if _worker is not None:
            _worker.close()
        _worker = None


class Worker:
    """What stays warm between exposures of a job.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        from ..datamodels import load_libraries
        from ..stpipe import ReferencePool, reuse_memory

        if job.may_exit:  # it holds for the whole process
            reuse_memory()
        load_libraries()  # which takes some tenths of a second: no exposure's time
        self.job = job
        directory = RunDirectory(Path(job.run_directory))
        sees_it = directory.plan_path.is_file()
        self._records = RecordWriter(directory) if sees_it else None
        self._directory = directory if sees_it else None
        self.name = (
            self._records.worker if self._records else f"{socket.gethostname()}-{os.getpid()}"
        )
        self._log_path = directory.path / "logs" / f"{self.name}.log" if sees_it else None
        self._software = identity.software()
        self._pool = ReferencePool()
        self._steps: dict[str, Step] = {}
        place = None if job.scratch is None else Path(job.scratch)
        self._scratch = remote.Scratch(place, job.scratch_limit)
        self._passage = Passage(job.settings.destination, self._scratch)
        self._store: PinnedStore | None = None
        self._memory = MemoryWatch(job.memory_limit if job.may_exit else None)
        self._writer = Threads(1, thread_name_prefix="write")
        self._reader = Threads(1, thread_name_prefix="read")
        self._threads = 0
        # What a hook raises must not end more than its exposure; here Ctrl-C is nobody else's.
        self._failures = (Exception, KeyboardInterrupt) if job.may_exit else (Exception,)

    def close(self) -> None:
        self._writer.shutdown()
        self._reader.shutdown(cancel_futures=True)
        self._memory.close()
        self._pool.close()
        self._scratch.close()
        if self._records is not None:
            self._records.close()

    # --- a chunk

    def run(self, chunk: Chunk) -> ChunkResult:
        """Calibrates the exposures of a chunk."""
        self._use_threads(chunk.threads)
        result = ChunkResult(is_recorded=self._records is not None)
        inputs = iter([*chunk.tasks, None])
        reading = self._read_ahead(next(inputs))
        before: _Work | None = None
        with self._logging():
            for task in chunk.tasks:
                if self.job.may_exit and is_orphan():
                    break  # whoever would hear of it is gone, and called again it may be done again
                this, reading = reading, self._read_ahead(next(inputs))
                work = self._calibrate(task, this)
                if before is not None:
                    result.outcomes.append(self._end(before))
                before = work
            if before is not None:
                result.outcomes.append(self._end(before))
        return result

    def _use_threads(self, threads: int) -> None:
        from .. import kernels

        if threads != self._threads:
            kernels.set_num_threads(threads)
            self._threads = threads

    def _read_ahead(self, task: Task | None) -> Future[LocalInput]:
        """Begins to read the input of a task; of none, nothing."""
        if task is None:
            return Future()
        exposure = task.exposure
        return self._reader.submit(self._passage.take_in, exposure.input, exposure.head_sha256)

    # --- one exposure

    def _calibrate(self, task: Task, reading: Future[LocalInput]) -> _Work:
        """Calibrates an exposure, and begins to write its products."""
        from ..stpipe import Run, runlog

        work = _Work(task, self._blank(task))
        if self._records is not None:
            self._records.begin(task.exposure.input)
        self._memory.begin()
        with self._limited(task), runlog.recording() as work.lines:
            try:
                work.input = reading.result()
                path = work.input.path
                store = self._store_of(task)
                store.check()
                step = self._step(task, path, store)
                work.run = Run(
                    step,
                    pool=self._pool,
                    store=store,
                    write_later=work.write_later,
                    origins=store.origins | work.input.origins,
                )
                work.model = work.run(path)
                work.computed = time.perf_counter()
                work.writing = self._writer.submit(self._write, work)
            except self._failures as error:
                work.error = error
        return work

    def _blank(self, task: Task) -> Outcome:
        references = task.references
        outcome = task.exposure.outcome(Kind.DONE)
        outcome.attempts = task.attempt
        outcome.worker, outcome.host = self.name, socket.gethostname()
        outcome.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        outcome.references = {
            pin.reftype: os.path.basename(pin.path) for pin in references.pins if pin.sha256
        }
        outcome.references_sha256 = references.references_sha256
        outcome.parameters_sha256 = references.parameters_sha256
        outcome.software = self._software
        return outcome

    def _store_of(self, task: Task) -> PinnedStore:
        """The references of a task; copies of those of another set are let go."""
        if self._store is None or self._store.name != task.references.name:
            if self._store is not None:
                self._store.release()
            self._store = PinnedStore(task.references, self._scratch)
        return self._store

    def _step(self, task: Task, path: Path, store: PinnedStore) -> Step:
        """The step with the parameters of the exposure's set; made once for each set."""
        from ..stpipe import config, configure
        from ..stpipe.find_class import find_class

        name = task.references.name
        if name not in self._steps:
            settings = self.job.settings
            file = config.load(settings.config_file) if settings.config_file else None
            directory = None if file is None else file.directory
            step = configure.build(
                find_class(settings.step_class, directory),
                path,
                config=file,
                parameters=settings.step_parameters,
                parameter_references=settings.parameter_references,
                store=store,
            )
            step.save_results = True
            step.output_dir = self._passage.output_directory()
            self._steps[name] = step
        return self._steps[name]

    @contextmanager
    def _limited(self, task: Task) -> Iterator[None]:
        """Ends what takes too long: the process where it is a worker's own, else the exposure."""
        timeout = self.job.timeout
        if timeout is None:
            yield
        elif self.job.may_exit:
            with self._trace_file(task) as file:
                faulthandler.dump_traceback_later(timeout, exit=True, file=file)
                try:
                    yield
                finally:
                    faulthandler.cancel_dump_traceback_later()
        else:
            with alarm(timeout):
                yield

    @contextmanager
    def _trace_file(self, task: Task) -> Iterator[Any]:
        """The file that tells where an exposure hung; it goes where it did not."""
        path = Path(os.devnull) if self._directory is None else self._log_of(task)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        except OSError:  # such as a full disk: it ends all the same
            path = Path(os.devnull)
            file = path.open("w")
        with file:
            yield file
        if str(path) != os.devnull:
            path.unlink(missing_ok=True)

    # --- its end

    def _write(self, work: _Work) -> None:
        """Writes the products, in the thread for that."""
        started = time.perf_counter()
        try:
            work.write()
        except OSError as error:  # whatever it is, the exposure is not to blame
            raise TransientError(message_of(error)) from error
        if work.run is not None:
            work.bytes_out = sum(path.stat().st_size for path in work.run.saved_files)
            work.uploaded = self._passage.send(work.run.saved_files)
        work.write_seconds = time.perf_counter() - started

    def _end(self, work: _Work) -> Outcome:
        """Waits for the products of an exposure, and records what became of it."""
        outcome = work.outcome
        with self._limited(work.task):
            try:
                if work.error is not None:
                    raise work.error
                assert work.writing is not None
                work.writing.result()
                self._describe(work)
            except self._failures as error:
                work.error = error
                outcome.failed_by(error)
                if work.input is not None:
                    outcome.message = work.input.named(outcome.message)
            finally:
                self._clear(work)
        if work.error is not None:
            self._keep_log(work, work.error)
        outcome.wall_s = round(time.perf_counter() - work.started, 4)
        outcome.cpu_s = round(time.process_time() - work.cpu_started, 4)
        outcome.peak_rss_anon = self._memory.peak
        if self._records is not None:
            self._records.end(outcome)
        _log.info("%s: %s in %.2f s", work.task.exposure.name, outcome.kind, outcome.wall_s)
        return outcome

    def _describe(self, work: _Work) -> None:
        """Says in the outcome what the product is like."""
        from .._asdf_blocks import head_digest
        from .quality import describe_result

        outcome, run = work.outcome, work.run
        assert run is not None
        outcome.bytes_out = work.bytes_out
        outcome.seconds = work.seconds()
        describe_result(outcome, work.model)
        if not run.saved_files:
            return
        local = run.saved_files[0]
        outcome.product_sha256 = head_digest(local)
        outcome.product = self._passage.place_of(local)
        if work.uploaded is not None:
            outcome.product_stamp = [work.uploaded.size]
            outcome.product_version = work.uploaded.version
        else:
            status = local.stat()
            outcome.product_stamp = [status.st_size, status.st_mtime_ns]

    def _clear(self, work: _Work) -> None:
        """Removes what was only passing through."""
        work.model = None
        self._passage.clear(work.input, [] if work.run is None else work.run.saved_files)
        work.run = None

    def _keep_log(self, work: _Work, error: BaseException) -> None:
        if self._directory is None:
            return
        trace = traceback.format_exception(error)
        text = "".join([*(f"{line}\n" for line in work.lines), *trace])
        with suppress(OSError):  # what failed is recorded without it
            write_text(self._log_of(work.task), text)

    def _log_of(self, task: Task) -> Path:
        assert self._directory is not None
        return self._directory.failure_log(task.exposure.input, task.exposure.detector)

    @contextmanager
    def _logging(self) -> Iterator[None]:
        """Has what the steps warn of in the worker's own log, and nowhere else."""
        if self._log_path is None:
            yield
            return
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self._log_path, delay=True)
        handler.setLevel(logging.WARNING)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("stpipe")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            handler.close()


@dataclass
class _Work:
    """An exposure that is being calibrated, or written."""

    task: Task
    outcome: Outcome
    started: float = field(default_factory=time.perf_counter)
    cpu_started: float = field(default_factory=time.process_time)
    computed: float = 0.0
    input: LocalInput | None = None
    run: Run | None = None
    model: Any = None
    lines: list[str] = field(default_factory=list)
    error: BaseException | None = None
    writing: Future[None] | None = None
    write_seconds: float = 0.0
    bytes_out: int = 0
    uploaded: remote.RemoteStat | None = None
    _to_write: list[Callable[[], None]] = field(default_factory=list)

    def write_later(self, write: Callable[[], None]) -> None:
        """Takes what writes a product."""
        self._to_write.append(write)

    def write(self) -> None:
        """Writes them, the first one last: it is what tells that the exposure is done."""
        for write in reversed(self._to_write):
            write()
        self._to_write.clear()

    def seconds(self) -> dict[str, float]:
        """What its parts took [s]."""
        assert self.run is not None
        reports = {report.name: report.seconds for report in self.run.reports}
        whole = reports.pop(self.run.step.name, 0.0)
        wcs = reports.get("assign_wcs", 0.0)
        compute = sum(reports.values()) or whole
        parts = {
            "read": max(0.0, self.computed - self.started - compute),
            "compute": compute - wcs,
            "wcs": wcs,
            "write": self.write_seconds,
        }
        return {name: round(seconds, 4) for name, seconds in parts.items()}
