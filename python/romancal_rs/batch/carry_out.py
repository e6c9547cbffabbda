"""Carries out a plan: what is left of it, by an engine, recorded, and safe to call again."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import ArgumentError, InputError
from . import _outline, engines
from .current import Reason, outcomes_by_key
from .outcome import Kind, Outcome
from .plan import Plan, PlannedExposure
from .remaining import RERUN, Remaining, Rerun, Shard, what_remains
from .state import RecordWriter, RunDirectory, RunState
from .supervise import Supervisor, SupervisorOptions
from .worker import Job

if TYPE_CHECKING:
    from .engines.base import Engine

__all__ = ["Batch", "BatchOptions"]


@dataclass(frozen=True)
class BatchOptions:
    """How a plan is carried out.

    Attributes
    ----------
    engine : str or object
        ``processes``, ``serial``, ``dask``, or a Dask ``Client``.
    workers : int or None
        Number of worker processes. By default as many as there are cores, or as the cluster has.
    threads : int or None
        Threads of each worker. By default ``ROMANCAL_RS_NUM_THREADS``, else ``OMP_NUM_THREADS``,
        else one for each worker, and more if there are fewer exposures than cores.
    scheduler : str or None
        Address, or file, of the scheduler of a Dask cluster.
    shard : Shard or None
        The part of the exposures that is calibrated; all by default.
    retries : int
        How often an exposure is tried if it fails for a reason outside of it, such as a server.
    timeout : float or None
        How long an exposure may take [s].
    rerun : str
        ``changed``, ``failed``, ``all`` or ``never``.
    ignore : collection of str
        What may differ in an earlier product: ``software``, ``references``.
    keep_going, fail_fast : bool
        Go on after 20 equal failures in a row; stop after the first failure.
    scratch : str or None
        Directory of each host for copies of remote files, and for products that are to be
        uploaded; one that belongs to the user by default.
    scratch_limit : int or None
        How much the copies there may take [bytes]; no limit by default.
    memory_limit : int or None
        How much memory of its own a worker may take [bytes].

    Raises
    ------
    ArgumentError
        If an option is impossible; the message says what would be right.
    """

    engine: str | Engine = "processes"
    workers: int | None = None
    threads: int | None = None
    scheduler: str | None = None
    shard: Shard | None = None
    retries: int = 3
    timeout: float | None = None
    rerun: Rerun = "changed"
    ignore: Collection[str] = ()
    keep_going: bool = False
    fail_fast: bool = False
    scratch: str | None = None
    memory_limit: int | None = None
    scratch_limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "retries", "memory_limit", "scratch_limit"):
            value = getattr(self, name)
            is_whole = isinstance(value, numbers.Integral) and int(value) >= 1
            if not (is_whole or (value is None and name != "retries")):
                raise ArgumentError(f"{name} = {value!r}: expected a whole number from 1 on")
        if self.timeout is not None and not (
            isinstance(self.timeout, numbers.Real) and self.timeout > 0
        ):
            raise ArgumentError(f"timeout = {self.timeout!r}: expected seconds, more than 0")
        if self.rerun not in RERUN:
            raise ArgumentError(f"rerun = {self.rerun!r}: expected one of {', '.join(RERUN)}")
        known = [reason.value for reason in Reason if reason is not Reason.PRODUCT]
        for reason in self.ignore:
            if reason not in known:
                raise ArgumentError(f"ignore: {reason!r} is none of {', '.join(known)}")
        engines.check(self.engine, self.scheduler)


@dataclass(repr=False)  # plans are long
class Batch:
    """A plan to carry out. Iterate it once: it yields the outcome of each exposure.

    Attributes
    ----------
    plan : Plan
        What is to be done.
    directory : RunDirectory
        Directory of the run, which holds the plan already.
    options : BatchOptions
        How it is done.
    observer : callable or None
        Called every second or so while exposures are in progress.
    """

    plan: Plan
    directory: RunDirectory
    options: BatchOptions = field(default_factory=BatchOptions)
    observer: Callable[[], None] | None = None
    _supervisor: Supervisor | None = None
    _records: RunState | None = None

    def __repr__(self) -> str:
        n = len(self.exposures)
        return f"<Batch of {n} exposure{'' if n == 1 else 's'} to {self.plan.settings.destination}>"

    def _repr_html_(self) -> str:
        return _outline.batch_as_html(self)

    @cached_property
    def exposures(self) -> Sequence[PlannedExposure]:
        """The exposures of the plan that this command calibrates: all, or its shard."""
        shard = self.options.shard
        return self.plan.exposures if shard is None else shard.of_plan(self.plan.exposures)

    @cached_property
    def remaining(self) -> Remaining:
        """What is left to do, as it is now."""
        outcomes = outcomes_by_key(self.directory.path.parent, self._state())
        rerun, ignore = self.options.rerun, self.options.ignore
        return what_remains(self.plan, self.exposures, outcomes, rerun=rerun, ignore=ignore)

    def _state(self) -> RunState:
        """What the records of the run say now; they are read once, and then what is new."""
        if self._records is None:
            self._records = self.directory.state()
        else:
            self._records.refresh()
        return self._records

    def stop(self, why: str) -> None:
        """Start no more exposures; the iteration ends with those in progress.

        Parameters
        ----------
        why : str
            The reason, for the log and the record.
        """
        if self._supervisor is not None:
            self._supervisor.stop(why)

    def in_work(self) -> list[str]:
        """The inputs in progress.

        Returns
        -------
        list of str
        """
        return [] if self._supervisor is None else self._supervisor.in_work()

    def __iter__(self) -> Iterator[Outcome]:
        return self.outcomes()

    def outcomes(self) -> Generator[Outcome]:
        """Calibrate what is left, and yield what became of each exposure as it ends.

        Yields
        ------
        Outcome
            One for each exposure.

        Raises
        ------
        StoppedError
            After the outcomes of what was in work, where it would go on failing, or was stopped.
        """
        with self._alone():
            remaining = self.remaining
            state = self._state()
            yield from self._record_what_is_known(remaining, state.outcomes)
            if not remaining.todo:
                return
            job = Job(
                self.plan.settings,
                str(self.directory.path.absolute()),
                self.options.scratch,
                self.options.timeout,
                self.options.memory_limit,
                scratch_limit=self.options.scratch_limit,
            )
            engine = engines.make(
                *(self.options.engine, self.options.workers, self.options.scheduler),
                most=len(remaining.todo),
            )
            supervisor = Supervisor(
                *(self.plan, remaining.todo, engine, job, state),
                SupervisorOptions(
                    self.options.retries,
                    self.options.keep_going,
                    self.options.fail_fast,
                    self.options.threads or _threads_of_environment(),
                ),
            )
            self._supervisor = supervisor
            is_done = False
            try:
                engine.start(job)
                yield from supervisor.outcomes(self.observer)
                is_done = True
            finally:
                self._supervisor = None
                self.__dict__.pop("remaining", None)  # it is another now
                engine.close(now=not is_done)
                supervisor.record_cancelled()

    def _record_what_is_known(
        self, remaining: Remaining, recorded: dict[str, Outcome]
    ) -> Iterator[Outcome]:
        """Records what needs no work, where no record says so yet."""
        with RecordWriter(self.directory, role="supervisor") as records:
            for exposure in remaining.current:
                before = recorded.get(exposure.input)
                outcome = exposure.outcome(Kind.CURRENT)
                outcome.product = exposure.product
                if before is None or before.key != exposure.key or not before.kind.is_good:
                    records.note(outcome)
                yield outcome
            for exposure in remaining.problems:
                problem = exposure.problem
                assert problem is not None
                outcome = exposure.outcome(problem.kind, problem.message, problem.error)
                _note_failure(records, outcome, recorded)
                yield outcome
            for outcome in remaining.settled:  # perhaps by another run
                _note_failure(records, outcome, recorded)
                yield outcome

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Sees to it that no other command does the same work meanwhile."""
        shard = self.options.shard
        with ExitStack() as stack:
            # One of all of them excludes shards, which do not exclude each other.
            self._lock("all", stack, is_shared=shard is not None)
            if shard is not None:
                self._lock(f"{shard.number}-of-{shard.of}", stack)
            yield

    def _lock(self, name: str, stack: ExitStack, *, is_shared: bool = False) -> None:
        path = self.directory.path / f"lock-{name}"
        file = stack.enter_context(path.open("a+"))
        if not _lock(file.fileno(), is_shared=is_shared):
            raise InputError(
                f"{self.plan.settings.destination}: another romancal-rs batch is working on it "
                f"already (it holds {path}): wait for it, or end it"
            )


def _note_failure(records: RecordWriter, outcome: Outcome, recorded: Mapping[str, Outcome]) -> None:
    before = recorded.get(outcome.input)
    if before is None or (before.kind, before.message) != (outcome.kind, outcome.message):
        records.note(outcome)


def _lock(descriptor: int, *, is_shared: bool) -> bool:
    """Locks a file for as long as it is open; whether nobody else has. Some systems cannot."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        how = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _threads_of_environment() -> int | None:
    """What the environment says of the number of threads, as the kernels understand it."""
    from .. import kernels

    is_said = any(os.environ.get(name) for name in ("ROMANCAL_RS_NUM_THREADS", "OMP_NUM_THREADS"))
    return kernels.num_threads() if is_said else None
