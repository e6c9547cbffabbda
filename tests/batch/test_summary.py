"""What a batch has come to, against counts by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from batch.records import BEGIN, begun, ended, outcome_of, plan_of, planned, run_of

from romancal_rs import _asdf_blocks
from romancal_rs.batch.causes import causes, normalised
from romancal_rs.batch.outcome import Kind
from romancal_rs.batch.pace import Pace, busy_seconds, duration
from romancal_rs.batch.plan import Problem
from romancal_rs.batch.state import RunDirectory
from romancal_rs.batch.summary import Summary, contradictions


def summary_of(exposures, rows, *, now: float = 0.0) -> Summary:
    state = RunDirectory(Path("/nowhere")).state()
    for row in rows:
        state.add(row)
    return Summary.of(plan_of(exposures), state, now=BEGIN + now)


def test_every_exposure_counts_once():
    exposures = [planned(i) for i in range(1, 7)]
    problem = Problem(Kind.BAD_REFERENCE, "no DARK", "ReferenceNotFoundError")
    exposures.append(planned(7, problem=problem))
    first, second, third, fourth, *_ = exposures
    summary = summary_of(
        exposures,
        [
            begun(first.input, 0),
            ended(outcome_of(first, Kind.TRANSIENT, message="disk full"), 1),
            begun(first.input, 2),
            ended(outcome_of(first), 4),
            begun(second.input, 4),
            ended(outcome_of(second, Kind.LOST), 5),
            begun(second.input, 6, "w2", "node2"),
            begun(third.input, 7),
            ended(outcome_of(fourth, Kind.NO_DATA), 8),
            ended(outcome_of(planned(99)), 9),  # of another plan
        ],
    )
    assert summary.n_exposures == 7
    assert summary.counts == {Kind.DONE: 1, Kind.NO_DATA: 1, Kind.BAD_REFERENCE: 1}
    assert [
        (work.input, work.worker, work.host, work.since - BEGIN) for work in summary.in_work
    ] == [
        (second.input, "w2", "node2", 6.0),
        (third.input, "w1", "node1", 7.0),
    ]
    assert (summary.left, summary.n_again, summary.n_good, summary.n_failed) == (2, 1, 2, 1)
    assert sum(summary.counts.values()) + len(summary.in_work) + summary.left == 7


def test_what_a_worker_began_last_is_told_whichever_file_is_read_first():
    """A worker that is gone hid the one that took over, and its loss ended what was in work."""
    one = planned(1)
    rows = [
        begun(one.input, 0, "gone"),
        ended(outcome_of(one, Kind.LOST), 1),
        begun(one.input, 2, "new"),
    ]
    for order in ((0, 1, 2), (2, 0, 1), (2, 1, 0), (1, 2, 0)):
        summary = summary_of([one], [rows[i] for i in order])
        assert [work.worker for work in summary.in_work] == ["new"], order
        assert summary.counts == {}


def test_outcomes_are_told_by_detector_and_element():
    exposures = [planned(1), planned(2), planned(3, "WFI02"), planned(4, "WFI01", "F062")]
    rows = [ended(outcome_of(exposures[0]), 1), ended(outcome_of(exposures[2], Kind.CRASHED), 2)]
    rows.append(begun(exposures[3].input, 3))
    assert summary_of(exposures, rows).by_detector == {
        ("WFI01", "F062"): {"in work": 1},
        ("WFI01", "F158"): {"done": 1, "left": 1},
        ("WFI02", "F158"): {"crashed": 1},
    }


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([Kind.DONE, Kind.CURRENT, Kind.NO_DATA], 0),
        ([Kind.DONE, Kind.TRANSIENT, Kind.LOST, Kind.CANCELLED], 75),
        ([Kind.DONE, None], 75),
        ([None], 75),
        ([Kind.DONE, Kind.FAILED], 1),
        ([Kind.TRANSIENT, Kind.TIMEOUT, None], 1),
    ],
)
def test_the_exit_status_is_for_a_scheduler(kinds, status):
    exposures = [planned(i) for i in range(len(kinds))]
    rows = [
        ended(outcome_of(exposure, kind), 1)
        for exposure, kind in zip(exposures, kinds, strict=True)
        if kind is not None
    ]
    assert summary_of(exposures, rows).exit_status == status


def test_the_pace_is_that_of_the_last_minutes_while_something_is_left():
    exposures = [planned(i) for i in range(10)]
    work = {"wall_s": 20.0, "bytes_in": 50_000_000}
    rows = [ended(outcome_of(exposures[0], **work), 100)]  # long ago
    rows += [ended(outcome_of(exposures[i], **work), 1000 + 10 * i) for i in (1, 2, 3)]
    rows.append(ended(outcome_of(exposures[4], Kind.CURRENT), 1035))  # took no work
    pace = summary_of(exposures, rows, now=1040).pace
    # Three since 1010 - 20 s, at 1040 s, and five left.
    assert pace == Pace(3, 150_000_000, 50.0, 5)
    assert pace.exposures_per_minute == pytest.approx(3.6)
    assert pace.megabytes_per_second == pytest.approx(3.0)
    assert pace.seconds_left == pytest.approx(5 * 50 / 3)


def test_the_pace_of_what_is_complete_leaves_pauses_out():
    exposures = [planned(i) for i in range(3)]
    rows = [
        ended(outcome_of(exposures[0], wall_s=10.0, bytes_in=10), 10),
        ended(outcome_of(exposures[1], wall_s=10.0, bytes_in=10), 15),  # at once with the first
        ended(outcome_of(exposures[2], wall_s=5.0, bytes_in=10), 90_000),  # called again next day
    ]
    assert summary_of(exposures, rows, now=1e6).pace == Pace(3, 30, 20.0, 0)


def test_nothing_is_said_of_a_speed_that_is_not_known():
    pace = summary_of([planned(1)], []).pace
    assert (pace.exposures_per_minute, pace.megabytes_per_second) == (0.0, 0.0)
    assert pace.seconds_left is None
    assert str(pace) == "speed not known yet"
    assert Pace(1, 0, 0.0, 1).seconds_left is None


def test_busy_seconds_are_those_of_the_union():
    assert busy_seconds([(5, 7), (0, 3), (1, 2), (2, 4)]) == 6.0
    assert busy_seconds([]) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (605, "10 min"),
        (3599, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (47.9 * 3600, "47 h 54 min"),
        (50 * 3600, "2 d 02 h"),
    ],
)
def test_durations_have_two_units(seconds, text):
    assert duration(seconds) == text


def test_the_slowest_twenty_are_told_slowest_first():
    exposures = [planned(i) for i in range(30)]
    rows = [ended(outcome_of(exposures[i], wall_s=float(i)), i) for i in range(30)]
    assert [one.wall_s for one in summary_of(exposures, rows).slowest] == list(range(29, 9, -1))


def test_sets_and_versions_are_counted():
    exposures = [planned(1), planned(2), planned(3, "WFI02", references="wfi02-f158")]
    older = {"romancal-rs": "0.8.0"}
    rows = [ended(outcome_of(exposures[0]), 1), ended(outcome_of(exposures[1], software=older), 2)]
    summary = summary_of(exposures, rows)
    assert [(use.reference_set.name, use.n_exposures) for use in summary.sets] == [
        ("wfi01-f158", 2),
        ("wfi02-f158", 1),
    ]
    assert summary.software == {"romancal-rs": {"0.9.0": 1, "0.8.0": 1}, "numpy": {"2.1.0": 1}}


# --- causes


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("{input}: truncated at byte 4711 of 9000", "<input>: truncated at byte <n> of <n>"),
        ("{name}: the file is empty", "<input>: the file is empty"),
        (
            "no FLAT for detector WFI07, element F158 at 2027-03-01T00:00:00 in /refs/all",
            "no FLAT for detector <detector>, element F158 at <date> in <path>",
        ),
        ("no FLAT in refs: 3 FLATs there, for WFI01 and wfi02", None),
        ("s3://bucket/a/b.asdf: 503 Slow Down", "<url>: <n> Slow Down"),
        (
            "r0000101001001001001_0002_wfi03_f158_uncal.asdf is listed twice",
            "<exposure> is listed twice",
        ),
        (
            "dark_0012.asdf: shape (4096, 4088), not float32",
            "<file>: shape (<n>, <n>), not float32",
        ),
        ("killed at 0x7f3a, -1.5e-3 DN/s", "killed at <hex>, <n> DN/s"),
    ],
)
def test_messages_are_told_without_what_differs(message, told):
    exposure = planned(1)
    text = message.format(input=exposure.input, name=exposure.name)
    if told is None:
        told = "no FLAT in refs: <n> FLATs there, for <detector> and <detector>"
    assert normalised(text, exposure.input, exposure.product) == told


def test_names_with_spaces_are_told_as_one():
    told = normalised("/my data/a b.asdf: no such file", "/my data/a b.asdf")
    assert told == "<input>: no such file"


def test_failures_of_one_cause_are_one_line():
    exposures = [planned(i, f"WFI{i:02}") for i in range(1, 6)]
    outcomes = [
        outcome_of(one, Kind.BAD_INPUT, message=f"{one.input}: ends at byte {i}")
        for i, one in enumerate(exposures[:3])
    ]
    outcomes.append(outcome_of(exposures[3], Kind.FAILED, message="/x: ends at byte 3"))
    outcomes.append(outcome_of(exposures[4], Kind.DONE))
    found = causes(reversed(outcomes))
    assert [(one.kind, one.message, one.count, one.detectors) for one in found] == [
        (Kind.BAD_INPUT, "<input>: ends at byte <n>", 3, ("WFI01", "WFI02", "WFI03")),
        (Kind.FAILED, "<path>: ends at byte <n>", 1, ("WFI04",)),
    ]
    assert found[0].example is outcomes[0]


# --- products that are not what their rows say


def test_products_are_compared_with_their_rows(tmp_path):
    import asdf

    outcomes = {}
    for number, name in enumerate(("same", "touched", "other", "gone", "unknown", "unnamed")):
        path = tmp_path / f"{name}.asdf"
        asdf.AsdfFile({"data": np.arange(number + 10)}).write_to(path)
        status = path.stat()
        outcomes[name] = outcome_of(
            planned(number),
            product=str(path),
            product_stamp=[status.st_size, status.st_mtime_ns],
            product_sha256=_asdf_blocks.head_digest(path),
        )
    later = outcomes["same"].product_stamp[1] + 10**9
    Path(outcomes["gone"].product).unlink()
    for name in ("touched", "unknown", "other"):
        os.utime(outcomes[name].product, ns=(later, later))
    Path(outcomes["other"].product).write_bytes(Path(outcomes["same"].product).read_bytes())
    outcomes["unknown"].product_sha256 = ""
    outcomes["unnamed"].product = ""
    outcomes["failed"] = outcome_of(planned(8), Kind.FAILED)
    found = {one.input: one.what for one in contradictions(outcomes.values())}
    assert found == {
        outcomes["other"].input: "not the file that was made",
        outcomes["gone"].input: "missing",
        outcomes["unknown"].input: (
            "changed since, and the row has no digest to tell whether it is the same"
        ),
        outcomes["unnamed"].input: "done, and no product is named",
    }


def test_records_are_read_from_the_directory_of_the_run(tmp_path):
    exposures = [planned(1), planned(2)]
    plan = plan_of(exposures)
    run = run_of(tmp_path, plan, [begun(exposures[0].input, 1), ended(outcome_of(exposures[0]), 2)])
    with (run.records / "w1.jsonl").open("a") as file:
        file.write('{"begun": "/raw/cut of')
    run_of(tmp_path, plan, [begun(exposures[1].input, 3, "w2", "node2")], worker="w2")
    summary = Summary.of(run.read_plan(), run.state(), now=BEGIN + 5)
    assert summary.counts == {Kind.DONE: 1}
    assert [(work.worker, work.host) for work in summary.in_work] == [("w2", "node2")]
