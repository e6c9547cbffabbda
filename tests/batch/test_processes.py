"""Worker processes that die, are stopped, and are started from everywhere."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch.many import Many, tell_whether_orphan
from batch.records import plan_of, planned
from batch.workers import end, sleep, tell_surroundings

from romancal_rs.batch import StoppedError, calibrate_all, starting
from romancal_rs.batch.engines import Ended, WorkerLostError, make, processes
from romancal_rs.batch.outcome import Kind, Outcome
from romancal_rs.batch.worker import Chunk, ChunkResult, Job, Task

COUNT = """
from romancal_rs.batch import calibrate_all
for outcome in calibrate_all({raw!r}, to={to!r}, references={references!r}, workers=2):
    print(outcome.kind)
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Many:
    made = Many.make(tmp_path_factory.mktemp("many"), detectors=1)
    made.fill(6)
    return made


@pytest.fixture
def started(monkeypatch, tmp_path) -> Iterator:
    """Starts an engine whose workers do something else."""
    engines = []

    def start(work, n_workers=1):
        monkeypatch.setattr(processes, "calibrate_chunk", work)
        engine = make("processes", n_workers)
        engine.start(Job(plan_of([planned(1)]).settings, str(tmp_path), str(tmp_path)))
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.close(now=True)


def chunk(number: int, *, is_alone: bool = False) -> Chunk:
    exposure = planned(number)
    task = Task(exposure, plan_of([exposure]).sets[exposure.references])
    return Chunk(number, (task,), is_alone=is_alone)


def all_of(engine, number: int) -> list[Ended]:
    ended: list[Ended] = []
    deadline = time.monotonic() + 60
    while len(ended) < number and time.monotonic() < deadline:
        ended += engine.wait(1.0)
    return ended


def told(ended: Ended) -> Outcome:
    result = ended[1]
    assert isinstance(result, ChunkResult), result
    return result.outcomes[0]


def test_what_is_taken_back_is_told_of_no_more(started):
    engine = started(sleep)
    for number in range(1, 4):
        engine.submit(chunk(number))
    deadline = time.monotonic() + 60
    while not engine._futures[1][1].running() and time.monotonic() < deadline:
        time.sleep(0.01)
    taken = engine.cancel()
    assert [one.number for one in taken] == [2, 3]
    assert [one.number for one, _ in all_of(engine, 1)] == [1]
    assert engine.wait(0.5) == []


def test_a_worker_that_dies_before_it_begins_costs_no_more_than_a_try(started):
    engine = started(tell_surroundings)
    engine.submit(chunk(1))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        workers = engine._pool._pool_manager.worker_manager.workers
        if workers:
            for pid in list(workers):
                os.kill(pid, signal.SIGKILL)
            break
    ((_, result),) = all_of(engine, 1)
    if isinstance(result, ChunkResult):
        pytest.skip("it was faster than its death")
    assert isinstance(result, WorkerLostError)
    engine.submit(chunk(2))
    assert told(all_of(engine, 1)[0]).input == planned(2).input


def test_one_that_ends_its_process_alone_does_not_end_the_engine(started):
    engine = started(end)
    engine.submit(chunk(1, is_alone=True))
    ((_, result),) = all_of(engine, 1)
    assert str(result) == "its process was ended by SIGKILL"
    engine.submit(chunk(2, is_alone=True))
    assert len(all_of(engine, 1)) == 1


def test_workers_have_the_environment_and_directory_of_now(started, monkeypatch, tmp_path):
    monkeypatch.setenv("OLD_HERE", "old")
    engine = started(tell_surroundings)
    engine.submit(chunk(1))
    all_of(engine, 1)
    monkeypatch.delenv("OLD_HERE")
    monkeypatch.setenv("NEW_HERE", "new")
    monkeypatch.chdir(tmp_path)
    engine = started(tell_surroundings)
    engine.submit(chunk(2))
    assert told(all_of(engine, 1)[0]).message == f"new  {tmp_path}"


def test_no_more_workers_are_started_than_there_are_exposures():
    assert make("processes", 50, most=3).n_workers == 3
    assert make("processes", 2, most=3).n_workers == 2


@pytest.mark.parametrize("is_input", [True, False], ids=["standard input", "file"])
def test_a_script_needs_no_guard(many, tmp_path, is_input):
    places = {"raw": many.raw, "to": tmp_path / "out", "references": many.references}
    text = COUNT.format(**{name: str(path) for name, path in places.items()})
    script = tmp_path / "script.py"
    script.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-" if is_input else str(script)],
        input=text if is_input else "",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.stdout.split(), ended.stderr) == (["done"] * 6, "")


def test_a_stop_ends_with_what_is_in_work(many, tmp_path):
    batch = calibrate_all(many.raw, tmp_path, references=many.references, workers=1)
    given = iter(batch)
    outcomes = [next(given)]
    batch.stop("enough")
    with pytest.raises(StoppedError, match="enough"):
        outcomes.extend(given)
    assert 1 <= len(outcomes) <= 6
    assert all(Path(outcome.product).is_file() for outcome in outcomes)
    assert not batch.directory.state().begun


def test_what_is_in_work_when_the_loop_is_left_is_cancelled_and_done_the_next_time(many, tmp_path):
    batch = calibrate_all(many.raw, tmp_path, references=many.references, workers=2)
    outcomes = batch.outcomes()
    next(outcomes)
    outcomes.close()
    state = batch.directory.state()
    assert not state.begun  # so that nobody takes it for what is in work, or ended its process
    kinds = {outcome.kind for outcome in state.outcomes.values()}
    assert kinds <= {Kind.DONE, Kind.CANCELLED}
    again = calibrate_all(many.raw, tmp_path, references=many.references, workers=2)
    assert {outcome.kind for outcome in again} <= {Kind.DONE, Kind.CURRENT}


@pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="starts no copies"
)
def test_a_directory_of_temporary_files_with_too_long_a_path_is_told(many, tmp_path):
    """It was: OSError: AF_UNIX path too long."""
    place = tmp_path / ("long" * 30)
    place.mkdir()
    words = ["batch", "run", str(many.raw), f"--to={tmp_path}", f"--references={many.references}"]
    done = subprocess.run(
        [sys.executable, "-m", "romancal_rs", *words, "--workers=2"],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(place)},
    )
    assert done.returncode == 1
    assert f"romancal-rs: error: {place}: this path" in done.stderr
    assert "set TMPDIR to a shorter one" in done.stderr


@pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="starts no copies"
)
def test_a_worker_sees_that_what_it_is_a_copy_of_is_gone():
    """It went on with its chunk, while the batch took it for dead and had others do the same."""
    context = starting.process_context()
    here, there = context.Pipe()
    process = context.Process(target=tell_whether_orphan, args=(there,), daemon=True)
    process.start()
    here.send(True)
    server, is_orphan = here.recv()
    assert not is_orphan
    os.kill(server, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not is_orphan and time.monotonic() < deadline:
        here.send(True)
        _, is_orphan = here.recv()
    assert is_orphan
    here.send(False)


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        ({}, "None"),
        ({"OMP_NUM_THREADS": "3"}, "3"),
        ({"OMP_NUM_THREADS": "3", "ROMANCAL_RS_NUM_THREADS": "2"}, "2"),
    ],
)
def test_omp_num_threads_holds_for_workers_where_nothing_else_is_said(variables, threads):
    code = "from romancal_rs.batch import carry_out; print(carry_out._threads_of_environment())"
    names = ("OMP_NUM_THREADS", "ROMANCAL_RS_NUM_THREADS")
    without = {name: value for name, value in os.environ.items() if name not in names}
    told = subprocess.run(
        [sys.executable, "-c", code], env=without | variables, capture_output=True, text=True
    )
    assert told.stdout.strip() == threads, told.stderr
