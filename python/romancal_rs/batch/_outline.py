"""What plans, batches and outcomes look like in a notebook."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from .. import _html
from .._html import Html

if TYPE_CHECKING:
    from .carry_out import Batch
    from .outcome import Outcome
    from .plan import Plan

#: So many exposures are shown, and so many groups of them.
MOST_ROWS = 20


def plan_as_html(plan: Plan) -> str:
    """A plan: how many exposures of what, with which references, to where."""
    return _html.block(*_plan(plan))


def _plan(plan: Plan) -> list[Html]:
    groups = Counter((e.detector, e.optical_element, e.ma_table) for e in plan.exposures)
    kinds = [(*group, number) for group, number in groups.most_common(MOST_ROWS)]
    problems = [(e.name, e.problem.message) for e in plan.exposures if e.problem is not None]
    head = ("detector", "element", "MA table", "number")
    sets = [
        _html.details(
            f"references {name[:12]} ({len(found.pins)})",
            _html.table((pin.reftype, os.path.basename(pin.path)) for pin in found.pins),
        )
        for name, found in list(plan.sets.items())[:MOST_ROWS]
    ]
    return [
        _html.heading("Plan", _html.number_of(plan.exposures, "exposure"), plan.created),
        _html.table([("step", plan.settings.step_class), ("to", plan.settings.destination)]),
        _html.details(_html.number_of(kinds, "kind"), _html.table(kinds, head)),
        _html.details(
            f"{len(problems)} that cannot be calibrated", _html.table(problems[:MOST_ROWS])
        ),
        *sets,
    ]


def batch_as_html(batch: Batch) -> str:
    """A batch: what is left to do as it was last looked at, and its plan."""
    work = [(name,) for name in batch.in_work()]
    return _html.block(
        _html.heading("Batch", _html.number_of(batch.exposures, "exposure"), batch.directory.path),
        _html.details(f"{len(work)} in work", _html.table(work), is_open=True),
        _html.details("plan", *_plan(batch.plan)),
    )


def outcome_as_html(outcome: Outcome) -> str:
    """What became of an exposure."""
    facts = [
        ("message", outcome.message),
        ("product", outcome.product),
        ("detector", f"{outcome.detector} {outcome.optical_element}".strip()),
        ("time [s]", f"{outcome.wall_s:.2f} ({outcome.cpu_s:.2f} of processors)"),
        ("median rate", "" if outcome.median_rate is None else f"{outcome.median_rate:.6g}"),
    ]
    return _html.block(
        _html.heading("Outcome", outcome.kind, os.path.basename(outcome.input)),
        _html.table(fact for fact in facts if fact[1]),
        _html.details("steps", _html.table(outcome.cal_step.items())),
        _html.details("flagged pixels", _html.table(outcome.flags.items())),
        _html.details("references", _html.table(outcome.references.items())),
    )
