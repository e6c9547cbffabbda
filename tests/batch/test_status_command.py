"""romancal-rs batch status and report: what they print, and how they end."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from batch.records import BEGIN, begun, ended, outcome_of, plan_of, planned, run_of

from romancal_rs._exit_status import OF_COMMANDS, ExitStatus
from romancal_rs.batch.outcome import Kind, Outcome
from romancal_rs.batch.state import STATE_NAME
from romancal_rs.cli.batch import report, status
from romancal_rs.cli.parser import Parser


@pytest.fixture
def command(capsys):
    def run(module, *words: object) -> tuple[int, str, str]:
        parser = Parser(prog="romancal-rs batch")
        module.add_arguments(parser)
        try:
            code = module.run(parser.parse_args([str(word) for word in words]))
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def out(tmp_path, monkeypatch):
    """A destination with a run of four exposures; the clock stands at 20 s after their begin."""
    monkeypatch.setattr("time.time", lambda: BEGIN + 20)
    exposures = [planned(i) for i in range(1, 5)]
    message = f"{exposures[1].input}: ends at byte 9"
    rows = [
        ended(outcome_of(exposures[0], wall_s=2.0, bytes_in=50_000_000), 10),
        ended(outcome_of(exposures[1], Kind.BAD_INPUT, message=message, wall_s=1.0), 12),
        begun(exposures[2].input, 13),
    ]
    run = run_of(tmp_path / STATE_NAME, plan_of(exposures, str(tmp_path)), rows)
    log = run.failure_log(exposures[1].input, "WFI01")
    log.parent.mkdir(parents=True)
    log.write_text("why\n")
    return tmp_path


def test_status_tells_counts_speed_work_and_causes(out, command):
    code, printed, err = command(status, out)
    assert (code, err) == (1, "")
    (run,) = (out / STATE_NAME).iterdir()
    name = planned(2).name.removesuffix(".asdf")
    assert printed.splitlines() == [
        f"{out}: run {run.name}, planned 2027-01-15T08:00:00Z",
        "  romancal-rs batch run /raw --to /out",
        "4 exposures: 1 good, 1 failed, 1 in work, 1 left",
        "  done                   1  calibrated",
        "  bad_input              1  the exposure cannot be read or used",
        # Two in the twelve seconds since the first began, at 8 s.
        "speed: 10/min, 4.17 MB/s, 12 s to go",
        "in work, the oldest first",
        f"  {planned(3).name}  for 7 s  by w1 on node1",
        "failures, the most frequent first",
        f"  1 bad_input: {planned(2).input}: ends at byte 9",
        f"    its log: {run}/failed/wfi01/{name}.log",
    ]


def test_status_as_json_is_that_of_the_report(out, command):
    code, printed, _ = command(status, out, "--json")
    told = json.loads(printed)
    assert (code, told["exit_status"]) == (1, 1)
    assert told["counts"] == {"done": 1, "bad_input": 1}
    command(report, out, "--output", out / "r")
    assert json.loads((out / "r" / "report.json").read_text()) == told


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ([Kind.DONE, Kind.CURRENT], 0),
        ([Kind.DONE, Kind.TRANSIENT], 75),
        ([Kind.DONE], 75),
        ([Kind.TRANSIENT, Kind.CRASHED], 1),
    ],
)
def test_the_exit_status_is_as_the_help_says(tmp_path, command, kinds, code):
    exposures = [planned(1), planned(2)]
    rows = [ended(outcome_of(one, kind), 1) for one, kind in zip(exposures, kinds, strict=False)]
    run_of(tmp_path / STATE_NAME, plan_of(exposures), rows)
    assert command(status, tmp_path)[0] == code
    told = OF_COMMANDS["batch status"]
    assert told[ExitStatus.OK].startswith("all exposures are done")
    assert told[ExitStatus.ERROR] == "one failed for good"
    assert told[ExitStatus.CALL_AGAIN].startswith("the rest is left")


def test_the_last_run_is_shown_and_others_on_request(out, command):
    (first,) = (out / STATE_NAME).iterdir()
    os.utime(first / "plan.jsonl", (1, 1))
    second = run_of(out / STATE_NAME, plan_of([planned(9)], str(out)))
    assert command(status, out)[1].splitlines()[0].split()[2] == f"{second.path.name},"
    code, printed, _ = command(status, out, "--all")
    assert code == 75
    assert printed.splitlines()[-2:] == [
        "other runs, the last one last",
        f"  {first.name}  planned 2027-01-15T08:00:00Z  "
        "4 exposures: 1 good, 1 failed, 1 in work, 1 left",
    ]
    code, printed, _ = command(status, out, "--run", first.name[:6])
    assert (code, printed.splitlines()[0].split()[2]) == (1, f"{first.name},")


def test_what_is_not_there_is_wrong_usage(out, command):
    code, _, err = command(status, out / "elsewhere")
    assert code == 2
    assert f"{out}/elsewhere/{STATE_NAME}: there is no plan of a batch" in err
    code, _, err = command(status, out, "--run", "xyz")
    assert (code, "--run xyz: no such run; there are: " in err) == (2, True)
    code, _, err = command(status, out, "--run", "")
    assert code == 1  # every run begins so, and there is one


def test_records_of_a_url_need_a_directory(out, command):
    from romancal_rs.errors import InputError

    with pytest.raises(InputError, match="name one by --state"):
        command(status, "s3://bucket/out")
    assert command(status, "s3://bucket/out", "--state", out / STATE_NAME)[0] == 1


def test_report_writes_beside_the_records_and_prints_paths(out, command):
    code, printed, err = command(report, out, "--table", out / "a.jsonl")
    assert (code, err) == (0, "")
    (run,) = (out / STATE_NAME).iterdir()
    assert printed.splitlines() == [f"{run}/report.md", f"{run}/report.json", f"{out}/a.jsonl"]
    rows = (out / "a.jsonl").read_text().splitlines()
    outcomes = [Outcome.from_row(json.loads(row)) for row in rows]
    assert [one.kind for one in outcomes] == [Kind.DONE, Kind.BAD_INPUT]


def test_report_with_check_ends_with_1_where_a_product_is_gone(out, command):
    code, _, err = command(report, out, "--check", "--output", out / "r", "--table", out / "a.csv")
    assert code == 1
    assert err == (
        f"romancal-rs: error: 1 product is not what its row says: see {out}/r/report.md\n"
    )


def test_without_a_destination_it_is_that_of_the_current_directory(out, command, monkeypatch):
    """It was wrong usage, also where --state said where the records are."""
    monkeypatch.chdir(out)
    assert command(status)[0] == 1
    monkeypatch.chdir(out.parent)
    assert command(status)[0] == 2
    assert command(status, "--state", out / STATE_NAME)[0] == 1


def test_a_command_with_thousands_of_files_is_told_in_short(tmp_path, command):
    """A shell puts files in place of a pattern: `status` began with all of them."""
    named = "romancal-rs batch run " + "raw/exposure_uncal.asdf " * 5000 + "--to out"
    plan = replace(plan_of([planned(1)], str(tmp_path)), command=named)
    for state, more in ((tmp_path / STATE_NAME, ""), (tmp_path / "s", f" --state {tmp_path}/s")):
        run = run_of(state, plan)
        printed = command(status, tmp_path, "--state", state)[1]
        short = f"romancal-rs batch run --to {tmp_path}{more} --run {run.path.name}"
        assert printed.splitlines()[1] == f"  {short}"
        command(report, tmp_path, "--state", state)
        assert f"```\n{short}\n```" in (run.path / "report.md").read_text()
