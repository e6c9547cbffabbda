"""Records of batches: torn, by clocks that go back, on a full disk, and of several runs."""

from __future__ import annotations

import errno
import json
import time

import pytest
from batch.records import begun, ended, outcome_of, plan_of, planned, run_of

from romancal_rs import cli
from romancal_rs.batch import carry_out
from romancal_rs.batch.carry_out import Batch, BatchOptions
from romancal_rs.batch.current import outcomes_by_key
from romancal_rs.batch.outcome import Kind, TransientError
from romancal_rs.batch.remaining import Shard
from romancal_rs.batch.state import RecordWriter, run_directories
from romancal_rs.errors import InputError

ONE, TWO = planned(1), planned(2)


class NearlyFull:
    """A disk that takes some bytes, a part of those that come then, and no more until it is mended.

    Parameters
    ----------
    file : binary file
        Without buffer.
    room : int
    """

    def __init__(self, file, room: int) -> None:
        self._file, self.room = file, room

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._file.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def test_a_disk_that_is_full_is_told_and_tears_no_later_line(tmp_path):
    run = run_of(tmp_path, plan_of([ONE, TWO]))
    with RecordWriter(run) as records:
        records.end(outcome_of(ONE))
        disk = records._file = NearlyFull(records._file, 100)
        with pytest.raises(TransientError, match=r"jsonl: cannot be written: No space left"):
            records.end(outcome_of(TWO))
        disk.room = 10_000
        records.end(outcome_of(TWO))
    assert run.state().outcomes.keys() == {ONE.input, TWO.input}


def test_a_line_that_is_written_in_parts_is_whole(tmp_path):
    class InParts(NearlyFull):
        def write(self, data: bytes) -> int:
            return self._file.write(data[:7])

    run = run_of(tmp_path, plan_of([ONE]))
    with RecordWriter(run) as records:
        records._file = InParts(records._file, 0)
        records.end(outcome_of(ONE))
    assert run.state().outcomes[ONE.input] == outcome_of(ONE)


@pytest.mark.parametrize(
    "line",
    ['{"at":1,"outcome":[]}', '{"at":1,"outcome":{"kind":"new"}}', "[1]", "7", '{"at":', "\0"],
)
def test_what_is_no_record_is_passed_over(tmp_path, line):
    run = run_of(tmp_path, plan_of([ONE]))
    path = run.records / "w1.jsonl"
    path.write_text(f"{line}\n{json.dumps(ended(outcome_of(ONE), 5))}\n")
    assert run.state().outcomes.keys() == {ONE.input}


def test_a_clock_that_is_set_back_does_not_change_the_order(tmp_path, monkeypatch):
    run = run_of(tmp_path, plan_of([ONE]))
    now = time.time()
    with RecordWriter(run) as records:
        records.begin(ONE.input)
        monkeypatch.setattr(time, "time", lambda: now - 3600)
        records.end(outcome_of(ONE, Kind.FAILED))
    state = run.state()
    assert not state.begun
    assert state.outcomes[ONE.input].kind is Kind.FAILED
    with RecordWriter(run, role="later") as records:
        records.begin(ONE.input)
        records.end(outcome_of(ONE))
    assert run.state().outcomes[ONE.input].kind is Kind.DONE


def test_of_several_runs_the_last_outcome_counts_not_that_of_the_last_plan(tmp_path):
    first = run_of(tmp_path, plan_of([ONE, TWO]), [ended(outcome_of(ONE), 50)])
    second = run_of(tmp_path, plan_of([ONE]), [ended(outcome_of(ONE, Kind.FAILED), 20)])
    assert run_directories(tmp_path)[-1].path == second.path
    assert outcomes_by_key(tmp_path)[ONE.key].kind is Kind.DONE
    assert first.path != second.path


def test_a_plan_that_is_made_again_is_the_newest(tmp_path):
    first, second = plan_of([ONE]), plan_of([ONE, TWO])
    run, other = run_of(tmp_path, first), run_of(tmp_path, second)
    assert run_directories(tmp_path)[-1].path == other.path
    first.write(run.path)
    assert run_directories(tmp_path)[-1].path == run.path


@pytest.mark.parametrize("damage", [b"", b"garbage\n", None])
def test_a_damaged_plan_is_written_anew_and_a_sound_one_stays(tmp_path, damage):
    plan = plan_of([ONE, TWO])
    run = run_of(tmp_path, plan)
    sound = run.plan_path.read_bytes()
    inode = run.plan_path.stat().st_ino
    plan.write(run.path)
    assert run.plan_path.stat().st_ino == inode
    run.plan_path.write_bytes(sound[: sound.rfind(b"\n", 0, -1) + 1] if damage is None else damage)
    plan.write(run.path)
    assert run.plan_path.read_bytes() == sound


def test_what_failed_in_another_run_is_recorded_in_this_one(tmp_path):
    run_of(tmp_path, plan_of([ONE]), [ended(outcome_of(ONE, Kind.FAILED, message="no"), 5)])
    plan = plan_of([ONE, TWO])
    run = run_of(tmp_path, plan, [begun(TWO.input, 1), ended(outcome_of(TWO, Kind.BAD_INPUT), 6)])
    batch = Batch(plan, run)
    assert {outcome.input: outcome.kind for outcome in batch} == {
        ONE.input: Kind.FAILED,
        TWO.input: Kind.BAD_INPUT,
    }
    assert run.state().outcomes[ONE.input].message == "no"
    lines = sum(len(path.read_text().splitlines()) for path in run.records.glob("*.jsonl"))
    list(Batch(plan, run))
    again = sum(len(path.read_text().splitlines()) for path in run.records.glob("*.jsonl"))
    assert again == lines  # what is recorded is not recorded again


def test_a_shard_and_the_whole_exclude_each_other_and_shards_do_not(tmp_path):
    plan = plan_of([ONE, TWO])
    run = run_of(tmp_path, plan)
    whole = Batch(plan, run)
    one, two = (Batch(plan, run, BatchOptions(shard=Shard(i, 2))) for i in (1, 2))
    with one._alone(), two._alone():
        with pytest.raises(InputError, match="another romancal-rs batch"), whole._alone():
            pass
        with pytest.raises(InputError, match="1-of-2"), one._alone():
            pass
    with whole._alone(), pytest.raises(InputError, match="lock-all"), two._alone():
        pass


def test_a_full_disk_is_status_75_in_one_line(tmp_path, capsys, monkeypatch):
    class Full(RecordWriter):
        def _write(self, row, *, durable=True):
            raise TransientError("records: cannot be written: No space left on device")

    (tmp_path / "bad_uncal.asdf").write_text("nothing")
    monkeypatch.setattr(carry_out, "RecordWriter", Full)
    words = ["batch", "run", str(tmp_path), "--to", str(tmp_path / "out"), "--progress=none"]
    assert cli.main(words) == 75
    assert capsys.readouterr().err == (
        "romancal-rs: error: records: cannot be written: No space left on device\n"
    )
