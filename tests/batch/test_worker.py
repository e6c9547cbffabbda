"""What a worker makes of surroundings that change or fail under it."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from batch.many import HANGS, Many

from romancal_rs.batch import Kind, calibrate_all, worker
from romancal_rs.batch.passage import Passage
from romancal_rs.batch.report import log_of


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Many:
    many = Many.make(tmp_path_factory.mktemp("many"), detectors=1)
    many.fill(2)
    return many


@pytest.fixture
def many(made, tmp_path) -> Many:
    """Exposures that a test may change."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for path in made.raw.iterdir():
        (raw / path.name).write_bytes(path.read_bytes())
    return Many(raw, made.references, _originals=made._originals)


def plan(many: Many, tmp_path: Path, **options):
    given = {"references": many.references, "engine": "serial", **options}
    return calibrate_all(many.raw, tmp_path / "out", **given)


def test_an_exposure_that_was_replaced_since_the_plan_is_not_taken_for_the_planned_one(
    many, tmp_path
):
    planned = plan(many, tmp_path)
    first, second = sorted(many.raw.iterdir())
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    one, two = sorted(planned, key=lambda outcome: outcome.input)
    assert (one.kind, two.kind) == (Kind.BAD_INPUT, Kind.DONE)
    assert one.message == (f"{first}: changed since the plan was made; make the plan again")
    assert not (tmp_path / "out" / first.name.replace("_uncal", "_cal")).exists()
    again = plan(many, tmp_path)  # plans what is there now
    assert [exposure.input for exposure in again.remaining.todo] == [str(first)]
    first.write_bytes(kept)


def test_the_next_exposure_is_read_and_the_last_written_while_one_is_calibrated(
    many, tmp_path, monkeypatch
):
    """Each waits for what is to go on at the same time: one after the other, none would end."""
    batch = plan(many, tmp_path)
    first, second = (
        worker.Task(exposure, batch.plan.sets[exposure.references]) for exposure in batch.exposures
    )
    is_read, is_begun = threading.Event(), threading.Event()
    take_in, calibrate = Passage.take_in, worker.Worker._calibrate
    write = worker.Worker._write

    def read(self, name, head_sha256):
        if name == second.exposure.input:
            is_read.set()
        return take_in(self, name, head_sha256)

    def calibrated(self, task, reading):
        if task is first:
            assert is_read.wait(30)
        else:
            is_begun.set()
        return calibrate(self, task, reading)

    def written(self, work):
        if work.task is first:
            assert is_begun.wait(30)
        write(self, work)

    monkeypatch.setattr(Passage, "take_in", read)
    monkeypatch.setattr(worker.Worker, "_calibrate", calibrated)
    monkeypatch.setattr(worker.Worker, "_write", written)
    job = worker.Job(batch.plan.settings, str(batch.directory.path), str(tmp_path), may_exit=False)
    result = worker.calibrate_chunk(job, worker.Chunk(1, (first, second)))
    worker.close_worker()
    assert [outcome.kind for outcome in result.outcomes] == [Kind.DONE, Kind.DONE]
    assert len(list((tmp_path / "out").glob("*_cal.asdf"))) == 2


def test_a_product_that_cannot_be_written_does_not_blame_the_exposure(many, tmp_path, monkeypatch):
    def refuse(self, work):
        path = tmp_path / "out" / "product.asdf"
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    batch = plan(many, tmp_path, retries=1)
    monkeypatch.setattr(worker._Work, "write", lambda work: refuse(None, work))
    assert {outcome.kind for outcome in batch} == {Kind.TRANSIENT}
    monkeypatch.undo()
    assert len(plan(many, tmp_path).remaining.todo) == 2  # it may be called again


def test_a_disk_too_full_for_a_log_costs_no_outcome(many, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "log")

    monkeypatch.setattr(worker, "write_text", full)
    batch = plan(many, tmp_path, parameters={"pre_hooks": ["batch.many.fail"]})
    assert [outcome.kind for outcome in batch] == [Kind.FAILED] * 2


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt()"])
def test_a_hook_that_ends_the_process_ends_its_exposure_alone(many, tmp_path, monkeypatch, raised):
    (tmp_path / "ending_hooks.py").write_text(f"def end(*args):\n    raise {raised}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    hook = {"pre_hooks": ["ending_hooks.end"]}
    batch = plan(many, tmp_path, engine="processes", workers=1, parameters=hook)
    assert [outcome.kind for outcome in batch] == [Kind.FAILED] * 2


def test_the_trace_of_what_hung_is_its_log(many, tmp_path):
    hung = many.add("WFI01", HANGS)
    hook = {"pre_hooks": ["batch.many.disturb"]}
    batch = plan(many, tmp_path, engine="processes", workers=1, timeout=8, parameters=hook)
    kinds = {outcome.input: outcome for outcome in batch}
    outcome = kinds.pop(str(hung))
    assert outcome.kind is Kind.TIMEOUT
    assert {other.kind for other in kinds.values()} == {Kind.DONE}
    log = log_of(batch.directory, outcome)
    assert log is not None
    assert "in disturb" in Path(log).read_text()
    assert [path.name for path in batch.directory.failed.glob("*/*")] == [Path(log).name]
