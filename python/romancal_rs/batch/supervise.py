"""Has the exposures of a plan calibrated: hands them out, and decides what becomes of failures."""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import RomancalError
from .causes import normalised
from .engines import Ended, Engine, EngineLostError, LostError
from .outcome import Kind, Outcome
from .plan import Plan, PlannedExposure
from .state import RecordWriter, RunState
from .worker import Chunk, ChunkResult, Job, Task

__all__ = ["StoppedError", "Supervisor", "SupervisorOptions"]

#: How long a chunk should take [s]: workers hear of the next one in between, and progress shows.
_CHUNK_SECONDS = 10.0
_LARGEST_CHUNK = 64
#: How long the supervisor waits for news [s].
_WAIT = 1.0
#: The waiting time before a transient failure is tried again [s]; it grows by this factor.
_BACKOFF, _GROWTH = 2.0, 4.0
#: So many equal failures in a row are one fault of all, and not faults of exposures.
MOST_EQUAL = 20


class StoppedError(RomancalError):
    """The batch was stopped because it would go on failing."""


@dataclass(frozen=True)
class SupervisorOptions:
    """How failures are taken.

    Attributes
    ----------
    retries : int
        How often an exposure is tried that fails by its surroundings.
    keep_going : bool
        Go on after `MOST_EQUAL` equal failures in a row.
    fail_fast : bool
        Stop after the first failure.
    threads : int or None
        Of each worker; None: one, and all cores where there are fewer exposures than workers.
    """

    retries: int = 3
    keep_going: bool = False
    fail_fast: bool = False
    threads: int | None = None


@dataclass(order=True)
class _Later:
    at: float
    task: Task = field(compare=False)


class Supervisor:
    """Hands the exposures of a plan to an engine.

    Parameters
    ----------
    plan : Plan
    exposures : sequence of PlannedExposure
        Those to calibrate, in this order.
    engine : Engine
        Started before `outcomes` is iterated.
    job : Job
    state : RunState
        Of the run, with what is recorded so far.
    options : SupervisorOptions
    """

    def __init__(
        self,
        plan: Plan,
        exposures: Sequence[PlannedExposure],
        engine: Engine,
        job: Job,
        state: RunState,
        options: SupervisorOptions,
    ) -> None:
        self._engine = engine
        self._job = job
        self._state = state
        self._options = options
        self._records: RecordWriter
        tasks = [Task(exposure, plan.sets[exposure.references]) for exposure in exposures]
        self._inputs = {exposure.input: exposure for exposure in exposures}
        self._begun_before = dict(state.begun)
        # What was begun and never ended may be what ended its process.
        self._alone = deque(task for task in tasks if task.exposure.input in state.begun)
        self._queue = deque(task for task in tasks if task.exposure.input not in state.begun)
        self._later: list[_Later] = []
        #: Chunks, when they were handed out, and how many records their exposures had then.
        self._in_work: dict[int, tuple[Chunk, float, list[int]]] = {}
        self._n_chunks = 0
        self._looked = float("-inf")
        self._seconds: deque[float] = deque(maxlen=32)
        self._in_a_row: tuple[str, int] = "", 0
        self._stop = ""

    @property
    def n_left(self) -> int:
        """How many exposures have no outcome yet."""
        in_work = sum(len(chunk.tasks) for chunk, *_ in self._in_work.values())
        return len(self._queue) + len(self._alone) + len(self._later) + in_work

    def in_work(self) -> list[str]:
        """The inputs that workers have begun, as far as their records tell."""
        if time.monotonic() - self._looked > _WAIT:  # each worker of all shards has a file
            self._state.refresh()
            self._looked = time.monotonic()
        handed_out = (
            task.exposure.input for chunk, *_ in self._in_work.values() for task in chunk.tasks
        )
        return [name for name in handed_out if name in self._state.begun]

    def stop(self, why: str) -> None:
        """Has no more exposures begin; those in work end. It may be called at any time."""
        self._stop = self._stop or why

    def outcomes(self, tick: Callable[[], None] | None = None) -> Iterator[Outcome]:
        """Calibrates all, and gives what becomes of each, as it ends.

        Parameters
        ----------
        tick : callable, optional
            Called every second or so.

        Raises
        ------
        StoppedError
            After the outcomes of what was in work, where it had to stop.
        """
        with RecordWriter(self._state.directory, role="supervisor") as self._records:
            while self.n_left:
                if self._stop:
                    self._take_back()
                self._submit()
                for ended in self._engine.wait(self._until_news()):
                    yield from self._take(ended)
                if tick is not None:
                    tick()
        if self._stop:
            raise StoppedError(self._stop)

    def _take_back(self) -> None:
        """Forgets what has not begun."""
        for waiting in (self._queue, self._alone, self._later):
            waiting.clear()
        for chunk in self._engine.cancel():
            self._in_work.pop(chunk.number, None)

    def record_cancelled(self) -> None:
        """Records what was begun and is not going to end; call it once no worker is left.

        Else it would seem to be in work, and the next call would take it for what ended its
        process.
        """
        self._state.refresh()
        left = [
            exposure
            for name, begun in self._state.begun.items()
            if (exposure := self._inputs.get(name)) is not None
            and begun != self._begun_before.get(name)
        ]
        if left:
            with RecordWriter(self._state.directory, role="supervisor") as records:
                for exposure in left:
                    records.end(exposure.outcome(Kind.CANCELLED, "the batch was stopped"))

    # --- handing out

    def _submit(self) -> None:
        while self._later and self._later[0].at <= time.monotonic():
            self._queue.appendleft(heapq.heappop(self._later).task)
        while self._alone and self._n_in_work(alone=True) == 0:
            self._hand_out((self._alone.popleft(),), is_alone=True)
        while self._queue and self._n_in_work(alone=False) < self._engine.window:
            self._hand_out(self._next_tasks(), is_alone=False)

    def _n_in_work(self, *, alone: bool) -> int:
        return sum(chunk.is_alone is alone for chunk, *_ in self._in_work.values())

    def _next_tasks(self) -> tuple[Task, ...]:
        """As many as take a worker some seconds, of one set of references."""
        size = self._chunk_size()
        first = self._queue.popleft()
        tasks = [first]
        while self._queue and len(tasks) < size and self._queue[0].references is first.references:
            tasks.append(self._queue.popleft())
        return tuple(tasks)

    def _chunk_size(self) -> int:
        if not self._seconds:
            return 1
        usual = sorted(self._seconds)[len(self._seconds) // 2]
        fair_share = math.ceil(len(self._queue) / (2 * self._engine.n_workers))
        return max(1, min(int(_CHUNK_SECONDS / max(usual, 1e-3)), fair_share, _LARGEST_CHUNK))

    def _hand_out(self, tasks: tuple[Task, ...], *, is_alone: bool) -> None:
        self._n_chunks += 1
        chunk = Chunk(self._n_chunks, tasks, self._threads(), is_alone)
        if any(task.attempt > 1 for task in tasks):  # those before are recorded by now
            self._state.refresh()
        # Clocks of hosts differ, and go backwards: only the number of records tells what is new.
        numbers = [self._state.counts.get(task.exposure.input, 0) for task in tasks]
        self._in_work[chunk.number] = chunk, time.time(), numbers
        self._engine.submit(chunk)

    def _threads(self) -> int:
        if self._options.threads is not None:
            return self._options.threads
        # With more exposures than workers each core has its own: threads cost then, and gain none.
        at_once = min(self._engine.n_workers, len(self._in_work) + len(self._queue) + 1)
        return max(1, self._engine.cores // at_once)

    def _until_news(self) -> float:
        if not self._later:
            return _WAIT
        return min(_WAIT, max(0.0, self._later[0].at - time.monotonic()))

    # --- taking back

    def _take(self, ended: Ended) -> Iterator[Outcome]:
        """The outcomes of a chunk; what is to be tried again goes back into the queue."""
        chunk, result = ended
        _, since, numbers = self._in_work.pop(chunk.number)
        if isinstance(result, ChunkResult):
            for task, outcome in zip(chunk.tasks, result.outcomes, strict=False):
                yield from self._judge(task, outcome, is_recorded=result.is_recorded)
            for task in reversed(chunk.tasks[len(result.outcomes) :]):
                self._give_back(task)
            return
        if not isinstance(result, LostError):
            raise result
        yield from self._take_lost(chunk, result, since, numbers)

    def _take_lost(
        self, chunk: Chunk, lost: LostError, since: float, numbers: list[int]
    ) -> Iterator[Outcome]:
        """Sorts the tasks of a worker that is gone: done, begun, not begun."""
        self._state.refresh()
        why, suspects = str(lost), []
        are_innocent = isinstance(lost, EngineLostError)
        for task, number in zip(reversed(chunk.tasks), reversed(numbers), strict=True):
            name = task.exposure.input
            if self._state.counts.get(name, 0) > number:
                outcome = self._state.outcomes[name]
                yield from self._judge(task, outcome, is_recorded=True)
            elif are_innocent or (
                self._engine.shares_records and task.exposure.input not in self._state.begun
            ):
                yield from self._give_back_lost(task, why)
            else:
                suspects.append(task)
        for task in suspects:
            began = self._state.begun.get(task.exposure.input, ("", since))[1]
            timeout = self._job.timeout
            if timeout is not None and len(suspects) == 1 and lost.at - began >= timeout:
                yield from self._end(task, Kind.TIMEOUT, f"it took longer than {timeout:g} s")
            elif chunk.is_alone:
                yield from self._end(task, Kind.CRASHED, f"{why}, twice, the second time alone")
            elif self._stop:
                yield from self._end(task, Kind.LOST, why)
            else:
                self._alone.append(task.again())

    def _give_back_lost(self, task: Task, why: str) -> Iterator[Outcome]:
        """Has another worker take what one did not come to, a few times."""
        if task.attempt > self._options.retries or self._stop:
            yield from self._end(task, Kind.LOST, f"{why}, {task.attempt} times")
        else:
            self._give_back(task.again())

    def _give_back(self, task: Task) -> None:
        if not self._stop:
            self._queue.appendleft(task)

    def _end(self, task: Task, kind: Kind, message: str) -> Iterator[Outcome]:
        """The outcome of what no worker can tell."""
        outcome = task.exposure.outcome(kind, message)
        outcome.attempts = task.attempt
        yield from self._judge(task, outcome, is_recorded=False)

    def _judge(self, task: Task, outcome: Outcome, *, is_recorded: bool) -> Iterator[Outcome]:
        if not is_recorded:
            self._records.end(outcome)
        if outcome.kind is Kind.DONE:
            self._seconds.append(outcome.wall_s)
        can_try = task.attempt < self._options.retries and not self._stop
        if outcome.kind is Kind.TRANSIENT and can_try:
            wait = _BACKOFF * _GROWTH ** (task.attempt - 1)
            heapq.heappush(self._later, _Later(time.monotonic() + wait, task.again()))
            return
        yield outcome
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        """Stops where failures are no faults of exposures."""
        if outcome.kind.is_good:
            self._in_a_row = "", 0
            return
        if self._options.fail_fast:
            self.stop(f"{outcome.input}: {outcome.kind}: {outcome.message}")
            return
        if outcome.kind.may_change:
            return
        what = f"{outcome.kind}: {normalised(outcome.message, outcome.input)}"
        number = self._in_a_row[1] + 1 if self._in_a_row[0] == what else 1
        self._in_a_row = what, number
        if number >= MOST_EQUAL and not self._options.keep_going:
            self.stop(
                f"{number} failures in a row for the same reason, the last: {outcome.input}: "
                f"{outcome.message}; --keep-going continues anyway"
            )
