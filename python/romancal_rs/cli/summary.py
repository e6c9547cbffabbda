"""What a run shows at its end: its steps, the flags of the result, and the files written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .terminal import print_table

if TYPE_CHECKING:
    from ..stpipe import Run

#: What is added to the names of steps in the table.
_TOTAL = "total"
#: The status of what is no step.
_NONE = "-"


def print_summary(run: Run) -> None:
    """Prints steps with their times and references, the flags of the result, and the files."""
    columns = ("step", "status", "seconds", "references")
    print_table(columns, step_rows(run), right=("seconds",), last_is_sum=True)
    if hasattr(run.result, "meta"):
        _print_flags(run.result)
    for path in run.saved_files:
        print(f"wrote {path}")


def step_rows(run: Run) -> list[tuple[str, str, str, str]]:
    """The table of a run: reading, each step, writing, and the sum: the time of the whole run.

    Each second is in one row: reading and writing of files in theirs, what a pipeline does besides
    its steps in its own.
    """
    from ..stpipe.progress import READ, WRITE

    seconds = dict(run.seconds)
    rows = [(READ, _NONE, f"{seconds.pop(READ, 0.0):.2f}", "")]
    for report in run.reports:
        taken = seconds.pop(report.name, 0.0)
        names = "\n".join(report.references.values())
        rows.append((report.name, report.status, f"{taken:.2f}", names))
    written = seconds.pop(WRITE, 0.0)
    # Of steps that did not report: hooks of another run within this one.
    rows += [(name, _NONE, f"{taken:.2f}", "") for name, taken in seconds.items()]
    rows.append((WRITE, _NONE, f"{written:.2f}", ""))
    rows.append((_TOTAL, _NONE, f"{sum(run.seconds.values()):.2f}", ""))
    return rows


def _print_flags(result: Any) -> None:
    """Prints how many pixels each flag has."""
    counted = flag_counts(result)
    if counted is None:
        return
    n_pixels, counts = counted
    heading = f"flags of {n_pixels:,} pixels"
    if not counts:
        print(f"{heading}: none is set")
        return
    rows = [
        (flag, f"{count:,}", f"{100 * count / n_pixels:.3f} %") for flag, count in counts.items()
    ]
    print_table((heading, "pixels", "share"), rows, right=("pixels", "share"))


def flag_counts(result: Any) -> tuple[int, dict[str, int]] | None:
    """How many pixels a product has, and how many of them each flag; None where it has no flags.

    A pixel of a ramp counts for a flag that it has in any resultant.
    """
    import numpy as np

    from .. import dqflags

    if "groupdq" in result:
        in_any_resultant = np.bitwise_or.reduce(result.groupdq, axis=0)
        of_pixels = result.pixeldq | (in_any_resultant & dqflags.IN_SAMPLE_AND_PIXEL)
        of_samples_only = in_any_resultant & ~np.uint8(dqflags.IN_SAMPLE_AND_PIXEL)
        counts = dqflags.counts(of_pixels, dqflags.pixel)
        return of_pixels.size, counts | dqflags.counts(of_samples_only, dqflags.group)
    if "dq" in result:
        return result.dq.size, dqflags.counts(result.dq, dqflags.pixel)
    return None
