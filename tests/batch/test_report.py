"""The report of a batch, as it is read by people and by programs."""

from __future__ import annotations

import json

import pytest
from batch.records import BEGIN, begun, ended, outcome_of, plan_of, planned, run_of

from romancal_rs.batch.outcome import Kind
from romancal_rs.batch.plan import Problem
from romancal_rs.batch.report import MEANINGS, write_report


def table_under(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table after a heading, without the line that aligns them."""
    lines = text.split(f"{heading}\n", 1)[1].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return [rows[0], *rows[2:]]


@pytest.fixture
def run(tmp_path):
    """Eight exposures of two detectors and two elements."""
    exposures = [planned(i) for i in (1, 2, 3)]
    exposures += [planned(4, "WFI01", "F062"), planned(5, "WFI02", references="wfi02-f158")]
    exposures += [planned(6, "WFI02", references="wfi02-f158"), planned(7, "WFI02", "F062")]
    problem = Problem(Kind.BAD_REFERENCE, "no DARK for detector WFI02", "ReferenceNotFoundError")
    exposures.append(planned(8, "WFI02", "F062", problem=problem))
    work = {"wall_s": 2.0, "cpu_s": 1.5, "bytes_in": 10**9, "bytes_out": 2 * 10**9}
    work |= {"peak_rss_anon": 1_310_000_000}
    parts = {"write": 0.5, "read": 0.25, "compute": 1.25}
    broken = "`{}`|: ends at byte {}"
    rows = [
        ended(outcome_of(exposures[0], **work, seconds=parts), 2),
        ended(outcome_of(exposures[1], **{**work, "wall_s": 3.0, "host": "node2"}), 5),
        ended(outcome_of(exposures[2], Kind.CURRENT), 5),
        ended(
            outcome_of(exposures[3], Kind.BAD_INPUT, message=broken.format(exposures[3].input, 7)),
            6,
        ),
        ended(
            outcome_of(exposures[4], Kind.BAD_INPUT, message=broken.format(exposures[4].input, 9)),
            7,
        ),
        begun(exposures[5].input, 8, "w2", "node2"),
    ]
    made = run_of(tmp_path / "state", plan_of(exposures), rows)
    log = made.failure_log(exposures[3].input, "WFI01")
    log.parent.mkdir(parents=True)
    log.write_text("Traceback")
    return made


def test_the_report_has_the_counts_by_hand(run, tmp_path):
    markdown, data = write_report(run, tmp_path / "new", now=BEGIN + 10)
    assert (markdown.name, data.name) == ("report.md", "report.json")
    text = markdown.read_text()
    assert table_under(text, f"# Batch {run.path.name}") == [
        ["outcome", "exposures", "%", "what it means"],
        ["done", "2", "25.0", MEANINGS[Kind.DONE]],
        ["current", "1", "12.5", MEANINGS[Kind.CURRENT]],
        ["bad_input", "2", "25.0", MEANINGS[Kind.BAD_INPUT]],
        ["bad_reference", "1", "12.5", MEANINGS[Kind.BAD_REFERENCE]],
        ["in work", "1", "12.5", "begun and not ended"],
        ["left", "1", "12.5", "not begun"],
        ["**all**", "8", "", ""],
    ]
    assert table_under(text, "## By detector and optical element") == [
        ["detector", "F062", "F158"],
        ["WFI01", "0 of 1 (1)", "3"],
        ["WFI02", "0 of 2 (1)", "0 of 2 (1)"],
    ]
    assert [row[0] for row in table_under(text, "## In work")[1:]] == [
        f"`{planned(6, 'WFI02').name}`"
    ]
    slowest = table_under(text, "### The slowest")
    assert slowest[0][2:] == ["wall s", "CPU s", "read", "compute", "write", "host"]
    assert [row[2:] for row in slowest[1:]] == [
        ["3.00", "1.50", "", "", "", "node2"],
        ["2.00", "1.50", "0.25", "1.25", "0.50", "node1"],
    ]
    # Two in the ten seconds since the first began, and two left: one in work, one not begun.
    assert "- 12 exposures per minute, 200 MB/s read, by the last 10 s of work; 10 s to go" in text
    assert "- busy for 5 s, with 1 worker process on 2 hosts\n- CPU 3 s" in text
    assert "- 2.00 GB read, 4.00 GB written\n- at most 1.31 GB of memory in a worker" in text
    assert "```\nromancal-rs batch run /raw --to /out\n```" in text


def test_failures_are_told_by_cause_with_one_example_and_its_log(run, tmp_path):
    text = write_report(run, tmp_path)[0].read_text()
    section = text.split("## Failures: 3, of 2 causes\n")[1].split("\n## ")[0]
    example = planned(4, "WFI01", "F062")
    log = run.failed / "wfi01" / f"{example.name.removesuffix('.asdf')}.log"
    assert section.strip().splitlines()[2:] == [
        "1. **2 bad_input** of WFI01, WFI02",
        "   - `` `<input>`|: ends at byte <n> ``",
        f"   - such as `{example.name}`: `` `{example.input}`|: ends at byte 7 ``",
        f"   - its log: `{log}`",
        "2. **1 bad_reference** of WFI02",
        f"   - `{planned(8, 'WFI02', 'F062').name}`: `no DARK for detector WFI02`",
    ]


def test_the_sets_and_files_of_references_are_told(run, tmp_path):
    text = write_report(run, tmp_path)[0].read_text()
    assert table_under(text, "## References: 2 sets") == [
        ["set", "exposures", "references", "parameters"],
        ["`wfi01-f158`", "5", "`aaaaaaaaaaaa`", "`bbbbbbbbbbbb`"],
        ["`wfi02-f158`", "2", "`aaaaaaaaaaaa`", "`bbbbbbbbbbbb`"],
    ]
    assert "| apcorr | 1 | N/A |\n| dark | 2 | `wfi01-f158_dark.asdf`, ... |\n" in text
    # The plan's versions, and how many ended with them.
    assert "| numpy | 2.1.0 |" in text


def test_json_has_what_markdown_has(run, tmp_path):
    data = json.loads(write_report(run, tmp_path, now=BEGIN + 10)[1].read_text())
    assert data["counts"] == {"done": 2, "current": 1, "bad_input": 2, "bad_reference": 1}
    assert (data["exposures"], data["good"], data["failed"], data["left"]) == (8, 3, 3, 1)
    assert data["exit_status"] == 1
    assert data["in_work"][0]["since"] == "2027-01-15T08:00:08Z"
    assert data["pace"]["exposures_per_minute"] == 12.0
    assert [(one["kind"], one["exposures"]) for one in data["failures"]] == [
        ("bad_input", 2),
        ("bad_reference", 1),
    ]
    assert data["failures"][1]["example"]["log"] is None
    assert data["by_detector"][1] == {
        "detector": "WFI01",
        "optical_element": "F158",
        "counts": {"done": 2, "current": 1},
    }
    assert data["reference_sets"][1]["references"]["gain"] == "/refs/gain.asdf"
    assert data["contradictions"] is None


def test_products_that_are_not_there_are_told_on_request(run, tmp_path):
    markdown, data = write_report(run, tmp_path, check=True)
    rows = table_under(markdown.read_text(), "## Products that contradict their rows")
    names = [planned(i).product for i in (1, 2, 3)]
    assert rows[1:] == [[f"`{name}`", "missing"] for name in names]
    assert [one["product"] for one in json.loads(data.read_text())["contradictions"]] == names


def test_the_report_does_not_grow_with_the_number_of_exposures(tmp_path):
    def lines(n: int) -> int:
        exposures = [planned(i, f"WFI{i % 18 + 1:02}") for i in range(n)]
        rows = [
            ended(outcome_of(one, Kind.FAILED, message=f"{one.input}: {i}", wall_s=1.0), i)
            for i, one in enumerate(exposures)
        ]
        run = run_of(tmp_path / str(n), plan_of(exposures), rows)
        return len(write_report(run, tmp_path)[0].read_text().splitlines())

    assert lines(2000) == lines(40)


def test_a_run_that_has_not_begun_has_a_report(tmp_path):
    run = run_of(tmp_path / "state", plan_of([planned(1)]))
    text = write_report(run, tmp_path)[0].read_text()
    assert "Nothing was calibrated yet." in text
    assert "## Failures" not in text
