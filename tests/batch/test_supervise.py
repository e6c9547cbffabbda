"""What the supervisor makes of workers that fail, die and hang, without any worker."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from batch.records import outcome_of, plan_of, planned, run_of

from romancal_rs.batch import supervise
from romancal_rs.batch.engines import Ended, WorkerLostError
from romancal_rs.batch.outcome import Kind, Outcome
from romancal_rs.batch.state import RecordWriter
from romancal_rs.batch.supervise import StoppedError, Supervisor, SupervisorOptions
from romancal_rs.batch.worker import Chunk, ChunkResult, Job, Task


class FakeEngine:
    """Gives each task the outcome that a function says; None has it die."""

    n_workers = 2
    cores = 2
    window = 4

    def __init__(
        self, behave: Callable[[Task], Outcome | None], records: RecordWriter | None = None
    ) -> None:
        self.behave = behave
        self.records = records
        self.shares_records = records is not None
        self.chunks: list[Chunk] = []
        self.tried: Counter[str] = Counter()
        self.done: list[Chunk] = []

    def submit(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    def wait(self, timeout: float) -> list[Ended]:
        if not self.chunks:
            return []
        chunk = self.chunks.pop(0)
        self.done.append(chunk)
        outcomes = []
        for task in chunk.tasks:
            self.tried[task.exposure.name] += 1
            if self.records is not None:
                self.records.begin(task.exposure.input)
            outcome = self.behave(task)
            if outcome is None:
                return [(chunk, WorkerLostError("its process was ended by SIGKILL"))]
            outcome.attempts = task.attempt
            if self.records is not None:
                self.records.end(outcome)
            outcomes.append(outcome)
        return [(chunk, ChunkResult(outcomes, is_recorded=self.records is not None))]

    def cancel(self) -> list[Chunk]:
        taken, self.chunks = self.chunks, []
        return taken


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a supervisor for a number of exposures; nothing waits in earnest."""
    monkeypatch.setattr(supervise, "_BACKOFF", 0.0)
    writers = []

    def make(number, behave, *, shares=True, timeout=None, begun=(), size=None, **options):
        if size is not None:
            monkeypatch.setattr(Supervisor, "_chunk_size", lambda self: size)
        exposures = [planned(i) for i in range(1, number + 1)]
        plan = plan_of(exposures)
        run = run_of(tmp_path, plan)
        worker = RecordWriter(run)
        writers.append(worker)
        for i in begun:
            worker.begin(exposures[i - 1].input)
        engine = FakeEngine(behave, worker if shares else None)
        job = Job(plan.settings, str(run.path), str(tmp_path), timeout)
        state = run.state()
        supervisor = Supervisor(plan, exposures, engine, job, state, SupervisorOptions(**options))
        return supervisor, engine, run

    yield make
    for writer in writers:
        writer.close()


def done(task: Task) -> Outcome:
    return outcome_of(task.exposure)


def number_of(task: Task) -> int:
    return int(task.exposure.name.split("_")[1])


@pytest.mark.parametrize("shares", [True, False])
def test_each_exposure_is_done_once_and_recorded_once(setting, shares):
    supervisor, engine, run = setting(50, done, shares=shares)
    outcomes = list(supervisor.outcomes())
    assert len({outcome.input for outcome in outcomes}) == len(outcomes) == 50
    assert set(engine.tried.values()) == {1}
    assert run.state().counts == {outcome.input: 1 for outcome in outcomes}


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("size", [1, 10])
def test_what_ends_its_process_costs_no_other(setting, shares, size):
    supervisor, engine, _ = setting(
        30, lambda task: None if number_of(task) == 13 else done(task), shares=shares, size=size
    )
    kinds = {outcome.input: outcome.kind for outcome in supervisor.outcomes()}
    crashed = [name for name, kind in kinds.items() if kind is Kind.CRASHED]
    assert len(kinds) == 30
    assert crashed == [planned(13).input]
    alone = [chunk for chunk in engine.done if chunk.is_alone]
    assert all(len(chunk.tasks) == 1 for chunk in alone)
    assert engine.tried[planned(13).name] == 2
    if shares:  # the records tell which of the chunk is to blame
        assert [number_of(chunk.tasks[0]) for chunk in alone] == [13]
        assert engine.tried.total() == 31


def test_one_whose_worker_was_ended_by_others_is_done_alone(setting):
    deaths = iter([None])
    supervisor, _engine, _ = setting(
        5, lambda task: next(deaths, done(task)) if number_of(task) == 3 else done(task)
    )
    outcomes = {outcome.input: outcome for outcome in supervisor.outcomes()}
    assert {outcome.kind for outcome in outcomes.values()} == {Kind.DONE}
    assert outcomes[planned(3).input].attempts == 2


def test_what_a_run_before_began_and_did_not_end_goes_alone_at_once(setting):
    supervisor, engine, _ = setting(6, done, begun=[4])
    assert len(list(supervisor.outcomes())) == 6
    (alone,) = [chunk for chunk in engine.done if chunk.is_alone]
    assert number_of(alone.tasks[0]) == 4


def test_a_worker_that_dies_after_its_time_is_a_timeout(setting):
    def hang(task: Task) -> Outcome | None:
        if number_of(task) == 2:
            return time.sleep(0.2)
        return done(task)

    supervisor, engine, _ = setting(4, hang, timeout=0.1)
    kinds = {outcome.input: outcome.kind for outcome in supervisor.outcomes()}
    assert kinds.pop(planned(2).input) is Kind.TIMEOUT
    assert set(kinds.values()) == {Kind.DONE}
    assert engine.tried[planned(2).name] == 1  # it hung once, and need not do so again


def failing(kind: Kind, message: str, times: int | None = None):
    """Fails so many times for each exposure, or always."""
    tried: defaultdict[str, int] = defaultdict(int)

    def behave(task: Task) -> Outcome:
        tried[task.exposure.name] += 1
        if times is not None and tried[task.exposure.name] > times:
            return done(task)
        return outcome_of(task.exposure, kind, message=message)

    return behave


@pytest.mark.parametrize(("times", "kind"), [(1, Kind.DONE), (2, Kind.DONE), (9, Kind.TRANSIENT)])
def test_what_fails_by_its_surroundings_is_tried_three_times(setting, times, kind):
    behave = failing(Kind.TRANSIENT, "disk full", times)
    supervisor, engine, _ = setting(3, behave, retries=3)
    outcomes = list(supervisor.outcomes())
    assert [outcome.kind for outcome in outcomes] == [kind] * 3
    assert set(engine.tried.values()) == {min(times + 1, 3)}


@pytest.mark.parametrize(
    "kind", [Kind.BAD_INPUT, Kind.BAD_REFERENCE, Kind.BAD_PARAMETERS, Kind.NO_DATA, Kind.FAILED]
)
def test_what_is_wrong_with_an_exposure_is_not_tried_again(setting, kind):
    supervisor, engine, _ = setting(5, failing(kind, "no"))
    assert [outcome.kind for outcome in supervisor.outcomes()] == [kind] * 5
    assert set(engine.tried.values()) == {1}


def test_twenty_equal_failures_in_a_row_stop_it(setting):
    def behave(task: Task) -> Outcome:
        message = f"/refs/dark_{number_of(task)}.asdf: gone"
        return outcome_of(task.exposure, Kind.BAD_REFERENCE, message=message)

    supervisor, engine, _ = setting(100, behave, size=1)
    outcomes = []
    with pytest.raises(StoppedError, match="20 failures in a row for the same reason") as stopped:
        outcomes.extend(supervisor.outcomes())
    assert "gone" in str(stopped.value)
    assert len(engine.tried) == 20  # those that were handed out already are taken back


def test_other_outcomes_between_equal_failures_let_it_go_on(setting):
    def behave(task: Task) -> Outcome:
        if number_of(task) % 20 == 0:
            return done(task)
        return outcome_of(task.exposure, Kind.BAD_INPUT, message="no good")

    supervisor, _, _ = setting(100, behave, size=1)
    assert len(list(supervisor.outcomes())) == 100


def test_keep_going_goes_on(setting):
    supervisor, _, _ = setting(50, failing(Kind.BAD_INPUT, "no good"), keep_going=True)
    assert len(list(supervisor.outcomes())) == 50


def test_fail_fast_stops_after_the_first_failure(setting):
    def behave(task: Task) -> Outcome:
        if number_of(task) == 5:
            return outcome_of(task.exposure, Kind.BAD_INPUT, message="no good")
        return done(task)

    supervisor, _, _ = setting(50, behave, fail_fast=True, size=1)
    outcomes = []
    with pytest.raises(StoppedError, match="bad_input: no good"):
        outcomes.extend(supervisor.outcomes())
    assert len(outcomes) == 5


def test_a_stop_lets_those_in_work_end(setting):
    supervisor, engine, _ = setting(50, done, size=1)
    given = supervisor.outcomes()
    outcomes = [next(given) for _ in range(7)]
    supervisor.stop("enough")
    with pytest.raises(StoppedError, match="enough"):
        outcomes.extend(given)
    assert len(outcomes) == len(engine.tried) == 7


def test_a_worker_that_never_begins_is_not_tried_for_ever(setting):
    supervisor, engine, _ = setting(3, done)
    engine.wait = lambda timeout: (
        [(engine.chunks.pop(0), WorkerLostError("its process ended with status 1"))]
        if engine.chunks
        else []
    )
    outcomes = list(supervisor.outcomes())
    assert [outcome.kind for outcome in outcomes] == [Kind.LOST] * 3
    assert "ended with status 1" in outcomes[0].message
