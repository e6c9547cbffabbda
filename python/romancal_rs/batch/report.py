"""The report of a batch: as Markdown to read, and as JSON for programs."""

from __future__ import annotations

import datetime
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .._files import write_text
from .causes import base_name
from .outcome import Kind, Outcome
from .pace import Pace, duration
from .plan import Plan
from .remote import is_url
from .state import RunDirectory, state_of
from .summary import Contradiction, Summary, contradictions, outcomes_of
from .table import write_table

__all__ = ["MEANINGS", "facts", "write_report"]

#: What the kinds of outcomes say, in a few words.
MEANINGS = {
    Kind.DONE: "calibrated",
    Kind.CURRENT: "the product was there already",
    Kind.NO_DATA: "it holds nothing to calibrate",
    Kind.BAD_INPUT: "the exposure cannot be read or used",
    Kind.BAD_REFERENCE: "a reference is missing or wrong",
    Kind.BAD_PARAMETERS: "a parameter is wrong",
    Kind.FAILED: "an unexpected error",
    Kind.TRANSIENT: "a disk, a network or memory failed",
    Kind.LOST: "its worker was gone",
    Kind.CRASHED: "it crashed its process, also when it ran alone",
    Kind.TIMEOUT: "it took too long",
    Kind.CANCELLED: "it was stopped",
}

#: How many of each there are at most in Markdown; JSON has all.
_MOST = 30
#: A shell may have put thousands of files in place of a pattern [characters].
_LONGEST_COMMAND = 500


def write_report(
    run: RunDirectory,
    directory: Path,
    *,
    table: Path | None = None,
    check: bool = False,
    now: float | None = None,
) -> list[Path]:
    """Writes ``report.md`` and ``report.json``, and the table of outcomes on request.

    Parameters
    ----------
    run : RunDirectory
    directory : Path
        Where to; it is made if need be.
    table : Path, optional
        Where the table goes, see `table.write_table`.
    check : bool
        Whether the products are compared with their rows, see `summary.contradictions`.
    now : float, optional
        Seconds since 1970; the clock's by default.

    Returns
    -------
    list of Path

    Raises
    ------
    OSError
    InputError
        If the plan cannot be read, or the table not be written as its name says.
    """
    plan, state = run.read_plan(), run.state()
    summary = Summary.of(plan, state, now=now)
    outcomes = outcomes_of(plan, state).values()
    wrong = list(contradictions(outcomes)) if check else None
    markdown, data = directory / "report.md", directory / "report.json"
    lines = "\n".join(_markdown(run, plan, summary, wrong))
    write_text(markdown, f"{lines.rstrip()}\n")
    write_text(data, json.dumps(facts(run, plan, summary, wrong), indent=1) + "\n")
    return [markdown, data, *([] if table is None else [write_table(outcomes, table)])]


def facts(
    run: RunDirectory,
    plan: Plan,
    summary: Summary,
    wrong: Sequence[Contradiction] | None = None,
) -> dict[str, Any]:
    """A summary as JSON can hold it; ``contradictions`` is null where none were looked for."""
    pace = summary.pace
    return {
        "run": run.path.name,
        "destination": plan.settings.destination,
        "step": plan.settings.step_class,
        "planned": plan.created,
        "command": plan.command,
        "exposures": summary.n_exposures,
        "good": summary.n_good,
        "failed": summary.n_failed,
        "left": summary.left,
        "counts": {kind.value: count for kind, count in summary.counts.items()},
        "exit_status": summary.exit_status,
        "in_work": [{**asdict(work), "since": iso_time(work.since)} for work in summary.in_work],
        "again": summary.n_again,
        "pace": {
            "exposures_per_minute": round(pace.exposures_per_minute, 3),
            "megabytes_per_second": round(pace.megabytes_per_second, 3),
            "seconds_left": pace.seconds_left,
            "exposures": pace.n_exposures,
            "seconds": round(pace.seconds, 3),
        },
        "totals": asdict(summary.totals),
        "failures": [
            {
                "kind": cause.kind.value,
                "message": cause.message,
                "exposures": cause.count,
                "detectors": list(cause.detectors),
                "example": {
                    "input": cause.example.input,
                    "message": cause.example.message,
                    "error": cause.example.error,
                    "log": log_of(run, cause.example),
                },
            }
            for cause in summary.causes
        ],
        "by_detector": [
            {"detector": detector, "optical_element": element, "counts": dict(counts)}
            for (detector, element), counts in summary.by_detector.items()
        ],
        "slowest": [_slow(outcome) for outcome in summary.slowest],
        "reference_sets": [
            {
                "name": use.reference_set.name,
                "exposures": use.n_exposures,
                "references_sha256": use.reference_set.references_sha256,
                "parameters_sha256": use.reference_set.parameters_sha256,
                "references": {pin.reftype: pin.path for pin in use.reference_set.pins},
                "contexts": sorted({pin.context for pin in use.reference_set.pins if pin.context}),
            }
            for use in summary.sets
        ],
        "software": {name: dict(versions) for name, versions in summary.software.items()},
        "contradictions": None if wrong is None else [asdict(one) for one in wrong],
    }


def _slow(outcome: Outcome) -> dict[str, Any]:
    names = ("input", "detector", "optical_element", "wall_s", "cpu_s", "seconds", "host")
    return {"kind": outcome.kind.value, **{name: getattr(outcome, name) for name in names}}


def command_of(run: RunDirectory, plan: Plan) -> str:
    """What goes on with a run: as it was called, or in short where many files were named."""
    if len(plan.command) <= _LONGEST_COMMAND:
        return plan.command
    state = state_of(plan.settings.destination) if not is_url(plan.settings.destination) else None
    words = ["romancal-rs", "batch", "run", "--to", plan.settings.destination]
    if run.path.parent.absolute() != state:
        words += ["--state", str(run.path.parent.absolute())]
    return shlex.join([*words, "--run", run.path.name])


def log_of(run: RunDirectory, outcome: Outcome) -> str | None:
    """The log of a failure, if there is one."""
    path = run.failure_log(outcome.input, outcome.detector)
    return str(path) if path.is_file() and path.stat().st_size else None


# --- Markdown


def _markdown(
    run: RunDirectory, plan: Plan, summary: Summary, wrong: Sequence[Contradiction] | None
) -> Iterator[str]:
    yield f"# Batch {run.path.name}"
    yield ""
    yield f"- products in {_code(plan.settings.destination)}"
    yield f"- by {_code(plan.settings.step_class)}"
    yield f"- planned {plan.created}"
    yield f"- records in {_code(str(run.path.absolute()))}"
    yield ""
    yield from _counts(summary)
    if command := command_of(run, plan):
        yield "Run this in the same directory as before: it does what is left:"
        yield ""
        yield from _block(command)
    if wrong is not None:
        yield from _wrong(wrong)
    yield from _failures(run, summary)
    yield from _in_work(summary)
    yield from _detectors(summary)
    yield from _speed(summary)
    yield from _references(summary)
    yield from _software(summary)


def _counts(summary: Summary) -> Iterator[str]:
    total = summary.n_exposures
    rows = [
        (kind.value, numeral(count), _share(count, total), MEANINGS[kind])
        for kind, count in summary.counts.items()
    ]
    if summary.in_work:
        n = len(summary.in_work)
        rows.append(("in work", numeral(n), _share(n, total), "begun and not ended"))
    if summary.left:
        n = summary.left
        rows.append(("left", numeral(n), _share(n, total), "not begun"))
    rows.append(("**all**", numeral(total), "", ""))
    yield from _table(("outcome", "exposures", "%", "what it means"), rows, "lrrl")


def _wrong(wrong: Sequence[Contradiction]) -> Iterator[str]:
    yield "## Products that contradict their rows"
    yield ""
    if not wrong:
        yield "None."
        yield ""
        return
    rows = [(_code(one.product or one.input, True), one.what) for one in wrong[:_MOST]]
    yield from _table(("product", "what is wrong"), rows, "ll")
    yield from _more(len(wrong))


def _failures(run: RunDirectory, summary: Summary) -> Iterator[str]:
    if not summary.causes:
        return
    n = len(summary.causes)
    yield f"## Failures: {numeral(summary.n_failed)}, of {n} cause{'' if n == 1 else 's'}"
    yield ""
    yield "Names, places and numbers that differ are shown as `<input>`, `<n>` and so on."
    yield ""
    for number, cause in enumerate(summary.causes[:_MOST], 1):
        what = f"{number}. **{numeral(cause.count)} {cause.kind.value}**"
        if cause.detectors:
            what += f" of {_some(cause.detectors)}"
        indent = " " * (len(str(number)) + 2)
        yield what
        example = base_name(cause.example.input)
        message = _code(cause.example.message or "(no message)")
        if cause.count > 1:
            yield f"{indent}- {_code(cause.message or '(no message)')}"
            yield f"{indent}- such as {_code(example)}: {message}"
        else:
            yield f"{indent}- {_code(example)}: {message}"
        if log := log_of(run, cause.example):
            yield f"{indent}- its log: {_code(log)}"
    yield ""
    yield from _more(n)


def _in_work(summary: Summary) -> Iterator[str]:
    if not summary.in_work:
        return
    yield "## In work"
    yield ""
    rows = [
        (_code(base_name(work.input), True), work.host, work.worker, iso_time(work.since))
        for work in summary.in_work[:_MOST]
    ]
    yield from _table(("exposure", "host", "worker", "since"), rows, "llll")
    yield from _more(len(summary.in_work))


def _detectors(summary: Summary) -> Iterator[str]:
    """The good ones of all; a table of at most as many rows as there are detectors."""
    detectors = sorted({detector for detector, _ in summary.by_detector})
    elements = sorted({element for _, element in summary.by_detector})
    good = {kind.value for kind in Kind if kind.is_good}
    yield "## By detector and optical element"
    yield ""
    yield "A single number: all are good. Otherwise: good ones of all, in brackets the failed."
    yield ""
    rows = []
    for detector in detectors:
        row = [detector or "unknown"]
        for element in elements:
            counts = summary.by_detector.get((detector, element))
            row.append("" if counts is None else good_of(counts, good))
        rows.append(row)
    heading = ("detector", *(element or "unknown" for element in elements))
    yield from _table(heading, rows, "l" + "r" * len(elements))


def good_of(counts: Any, good: set[str]) -> str:
    """The good ones of a detector and element: of all, with those that failed in brackets."""
    total = sum(counts.values())
    n_good = sum(count for what, count in counts.items() if what in good)
    n_failed = total - n_good - counts.get("left", 0) - counts.get("in work", 0)
    if n_good == total:
        return numeral(total)
    failed = f" ({numeral(n_failed)})" if n_failed else ""
    return f"{numeral(n_good)} of {numeral(total)}{failed}"


def _speed(summary: Summary) -> Iterator[str]:
    totals, pace = summary.totals, summary.pace
    yield "## Speed"
    yield ""
    if not pace.n_exposures:
        yield "Nothing was calibrated yet."
        yield ""
        return
    yield f"- {told_pace(pace)}"
    workers = f"{totals.n_workers} worker process{'' if totals.n_workers == 1 else 'es'}"
    hosts = f"{totals.n_hosts} host{'' if totals.n_hosts == 1 else 's'}"
    yield f"- busy for {duration(totals.busy_s)}, with {workers} on {hosts}"
    yield f"- CPU {duration(totals.cpu_s)}"
    yield f"- {told_size(totals.bytes_in)} read, {told_size(totals.bytes_out)} written"
    if totals.peak_rss_anon:
        yield f"- at most {told_size(totals.peak_rss_anon)} of memory in a worker"
    if summary.n_again:
        yield f"- {numeral(summary.n_again)} times an exposure was started again"
    yield ""
    yield "### The slowest"
    yield ""
    yield from _table(*slowest(summary, lambda it: _code(base_name(it.input), True)))


def slowest(
    summary: Summary, name_of: Callable[[Outcome], str]
) -> tuple[tuple[str, ...], list[tuple[str, ...]], str]:
    """The table of the exposures that took longest: its heading, rows, and sides of the columns.

    Parameters
    ----------
    summary : Summary
    name_of : callable
        What stands for an exposure in its row.
    """
    parts = sorted({part for outcome in summary.slowest for part in outcome.seconds})
    order: list[str] = [part for part in ("read", "compute", "wcs", "write") if part in parts]
    order += [part for part in parts if part not in order]
    rows: list[tuple[str, ...]] = [
        (
            name_of(outcome),
            outcome.kind.value,
            f"{outcome.wall_s:.2f}",
            f"{outcome.cpu_s:.2f}",
            *(f"{outcome.seconds[p]:.2f}" if p in outcome.seconds else "" for p in order),
            outcome.host,
        )
        for outcome in summary.slowest
    ]
    heading = ("exposure", "outcome", "wall s", "CPU s", *order, "host")
    return heading, rows, "llrr" + "r" * len(order) + "l"


def told_pace(pace: Pace) -> str:
    """The speed in words, and what is left."""
    told = (
        f"{pace.exposures_per_minute:.3g} exposures per minute, "
        f"{pace.megabytes_per_second:.3g} MB/s read"
    )
    if not pace.n_left:
        return told
    told += f", by the last {duration(pace.seconds)} of work"
    left = pace.seconds_left
    return told if left is None else f"{told}; {duration(left)} to go"


def _references(summary: Summary) -> Iterator[str]:
    if not summary.sets:
        return
    n = len(summary.sets)
    yield f"## References: {n} set{'' if n == 1 else 's'}"
    yield ""
    rows: list[Sequence[str]] = [
        (
            _code(use.reference_set.name, True),
            numeral(use.n_exposures),
            _code(use.reference_set.references_sha256[:12], True),
            _code(use.reference_set.parameters_sha256[:12], True),
        )
        for use in summary.sets[:_MOST]
    ]
    yield from _table(("set", "exposures", "references", "parameters"), rows, "lrll")
    yield from _more(n)
    files: dict[str, Counter[str]] = {}
    for use in summary.sets:
        for pin in use.reference_set.pins:
            files.setdefault(pin.reftype, Counter())[pin.path] += use.n_exposures
    rows = []
    for reftype in sorted(files):
        (first, _), *others = files[reftype].most_common()
        name = first if first == "N/A" else _code(base_name(first), True)
        rows.append((reftype, str(len(files[reftype])), f"{name}{', ...' if others else ''}"))
    yield from _table(("type", "files", "most used"), rows, "lrl")


def _software(summary: Summary) -> Iterator[str]:
    if not summary.software:
        return
    yield "## Software"
    yield ""
    rows = []
    for name, versions in summary.software.items():
        if len(versions) == 1:
            rows.append((name, next(iter(versions))))
        else:
            told = (f"{version} ({numeral(count)})" for version, count in versions.items())
            rows.append((name, ", ".join(told)))
    yield from _table(("", "version (exposures)"), rows, "ll")


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"| {' | '.join('---:' if one == 'r' else '---' for one in align)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _more(n: int) -> Iterator[str]:
    if n > _MOST:
        yield f"and {numeral(n - _MOST)} more, see report.json"
        yield ""


def _code(text: str, in_table: bool = False) -> str:
    """Text as code, whatever it holds."""
    if not text:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text.replace('|', chr(92) + '|') if in_table else text}{pad}{fence}"


def _block(text: str) -> Iterator[str]:
    yield "```"
    yield text
    yield "```"
    yield ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{len(names)} detectors"


def numeral(value: int) -> str:
    """A number with its thousands apart."""
    return f"{value:,}"


def told_size(value: int) -> str:
    """A size in GB, or in MB where it would be nothing."""
    return f"{value / 1e9:,.2f} GB" if value >= 1e8 else f"{value / 1e6:.2f} MB"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f}"


def iso_time(seconds: float) -> str:
    """A time, from seconds since 1970, in UTC."""
    at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
