"""What a run shows: its progress while it lasts, and a summary at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from .streams import is_terminal

if TYPE_CHECKING:
    from ..stpipe import Run, Step, StepReport

    Observer: TypeAlias = Callable[[Step, str], None]


@contextmanager
def progress_display(step: Step) -> Iterator[Observer | None]:
    """An observer of a step's run, which shows on a terminal what is running; elsewhere None."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    n_steps = len(step.step_defs)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} steps"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task(step.name, total=n_steps or 1)

        ended: list[Step] = []

        def show(running: Step, event: str) -> None:
            if event == "start":
                progress.update(task, description=running.name)
            elif running.parent is step or (running is step and not n_steps):
                progress.advance(task)
                ended.append(running)
            if running is step and event == "end":  # not all of them need have run
                progress.update(task, total=len(ended))

        yield show


def summary(run: Run) -> str:
    """Steps with their times and references, the flags of the result, and the files written."""
    lines = [_step_table(run.reports)]
    if hasattr(run.result, "meta"):
        lines += _flag_table(run.result)
    lines += [f"wrote {path}" for path in run.saved_files]
    return "\n".join(lines)


def _step_table(reports: list[StepReport]) -> str:
    width = max(len(report.name) for report in reports)
    lines = [f"{'step':<{width}}  {'status':<8}  {'seconds':>7}  references"]
    for report in reports:
        names = ", ".join(report.references.values())
        lines.append(
            f"{report.name:<{width}}  {report.status:<8}  {report.seconds:>7.2f}  {names}".rstrip()
        )
    return "\n".join(lines)


def _flag_table(result: Any) -> list[str]:
    """How many pixels each flag has."""
    import numpy as np

    from .. import dqflags

    if "groupdq" in result:
        in_any_resultant = np.bitwise_or.reduce(result.groupdq, axis=0)
        of_pixels = result.pixeldq | (in_any_resultant & dqflags.IN_SAMPLE_AND_PIXEL)
        of_samples_only = in_any_resultant & ~np.uint8(dqflags.IN_SAMPLE_AND_PIXEL)
        tables = [(of_pixels, dqflags.pixel), (of_samples_only, dqflags.group)]
    elif "dq" in result:
        tables = [(result.dq, dqflags.pixel)]
    else:
        return []
    n_pixels = tables[0][0].size
    lines = [f"flags of {n_pixels} pixels"]
    for flags, kind in tables:
        for flag, count in dqflags.counts(flags, kind).items():
            lines.append(f"  {flag:<18}  {count:>9}  {100 * count / n_pixels:7.3f} %")
    if len(lines) == 1:
        lines.append("  none is set")
    return lines
