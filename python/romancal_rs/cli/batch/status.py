"""Tell how far a batch is, and what failed, and why.

Any host that sees the records may ask, at any time; nothing is changed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import shortened
from .runs import add_run, run_of, runs_of

if TYPE_CHECKING:
    from ...batch.plan import Plan
    from ...batch.state import RunDirectory
    from ...batch.summary import Summary

#: How many exposures in work, and causes of failures, are shown.
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--all", action="store_true", help="list the other runs, too")
    parser.add_argument("--json", action="store_true", help="print all that is known, as JSON")


def run(options: argparse.Namespace) -> int:
    from ...batch.report import facts
    from ...batch.summary import Summary

    runs = runs_of(options)
    directory = run_of(options, runs)
    now = time.time()

    def read(run: RunDirectory) -> tuple[RunDirectory, Plan, Summary]:
        plan = run.read_plan()
        return run, plan, Summary.of(plan, run.state(), now=now)

    asked = read(directory)
    others = [read(run) for run in runs if run.path != directory.path] if options.all else []
    if options.json:
        told = facts(*asked)
        if options.all:
            told["others"] = [facts(*other) for other in others]
        print(json.dumps(told, indent=1))
    else:
        print("\n".join(_lines(*asked, now)))
        if others:
            print("other runs, the last one last")
        for run, plan, summary in others:
            print(f"  {run.path.name}  planned {plan.created}  {_overview(summary)}")
    return asked[2].exit_status


def _lines(run: RunDirectory, plan: Plan, summary: Summary, now: float) -> Iterator[str]:
    from ...batch.causes import base_name
    from ...batch.pace import duration
    from ...batch.report import MEANINGS, command_of, log_of, numeral

    yield f"{plan.settings.destination}: run {run.path.name}, planned {plan.created}"
    if command := command_of(run, plan):
        yield f"  {command}"
    yield _overview(summary)
    for kind, count in summary.counts.items():
        yield f"  {kind.value:<14} {numeral(count):>9}  {MEANINGS[kind]}"
    if summary.pace.n_exposures:
        yield f"speed: {summary.pace}"
    if summary.in_work:
        yield "in work, the oldest first"
    for work in summary.in_work[:_SHOWN]:
        place = f" on {work.host}" if work.host else ""
        since = duration(max(0.0, now - work.since))
        yield f"  {base_name(work.input)}  for {since}  by {work.worker}{place}"
    yield from _more(len(summary.in_work))
    if summary.causes:
        yield "failures, the most frequent first"
    for cause in summary.causes[:_SHOWN]:
        name, message = base_name(cause.example.input), shortened(cause.example.message, 500)
        such = "" if name in message else f", such as {name}" if cause.count > 1 else f", {name}"
        yield f"  {numeral(cause.count)} {cause.kind.value}{such}: {message or '(no message)'}"
        if log := log_of(run, cause.example):
            yield f"    its log: {log}"
    yield from _more(len(summary.causes))


def _overview(summary: Summary) -> str:
    from ...batch.report import numeral

    n = summary.n_exposures
    return (
        f"{numeral(n)} exposure{'' if n == 1 else 's'}: {numeral(summary.n_good)} good, "
        f"{numeral(summary.n_failed)} failed, {numeral(len(summary.in_work))} in work, "
        f"{numeral(summary.left)} left"
    )


def _more(n: int) -> Iterator[str]:
    if n > _SHOWN:
        yield f"  and {n - _SHOWN} more (--json has all)"
