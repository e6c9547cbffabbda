"""Show what a batch would do, and what is missing for it.

No pixel is touched: the heads of the exposures are read, and their references found. The plan is
kept in the directory of its run, with which `batch run` of the same begins.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .. import terminal
from .options import add_arguments_of_target as add_arguments_of_target
from .options import (
    add_scratch,
    add_shared_arguments,
    check_place,
    find_sources,
    scratch_of,
    selection_of,
    settings_of,
)

if TYPE_CHECKING:
    from ...batch.plan import Plan
    from ...batch.remote import Scratch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared_arguments(parser)
    add_scratch(parser)


def run(options: argparse.Namespace) -> int:
    from ...batch.current import outcomes_by_key
    from ...batch.planning import plan_notes, plan_problems
    from ...batch.remaining import what_remains
    from ...batch.state import RunDirectory, state_of

    check_place(options, may_write=False)
    plan = make_plan(options, scratch_of(options))
    state = state_of(plan.settings.destination, options.state)
    path = plan.write(RunDirectory.of(plan, state).path)
    found = what_remains(plan, plan.exposures, outcomes_by_key(state), ignore=options.ignore)
    print("\n".join(_lines(plan)))
    if found.problems:
        print(f"{len(found.problems)} cannot be calibrated:")
        print("\n".join(f"  {line}" for line in plan_problems(plan)))
    for line in plan_notes(plan):
        print(f"note: {line}")
    print(found)
    print(f"plan {path}")
    return 1 if found.problems else 0


def make_plan(options: argparse.Namespace, scratch: Scratch | None = None) -> Plan:
    """The plan that the options ask for; what is wrong with parameters is wrong usage."""
    from ...batch import planning
    from ...stpipe import ParameterError

    try:
        with terminal.working("looking for exposures") as work:
            plan = planning.make_plan(
                find_sources(options),
                settings_of(options),
                selection=selection_of(options),
                tell=work.count,
                scratch=scratch,
                command=_command(),
            )
    except ParameterError as error:
        options.parser.error(str(error))
    return plan


def _command() -> str:
    """What carries out the plan: it takes all that `batch plan` takes."""
    words = sys.argv[1:]
    if words[:2] == ["batch", "plan"]:
        words[1] = "run"
    return shlex.join(["romancal-rs", *words])


def _lines(plan: Plan) -> Iterable[str]:
    n_exposures, n_sets = len(plan.exposures), len(plan.sets)
    yield (
        f"{n_exposures} exposure{'' if n_exposures == 1 else 's'}, {n_sets} "
        f"set{'' if n_sets == 1 else 's'} of references, products in {plan.settings.destination}"
    )
    known = [exposure for exposure in plan.exposures if exposure.detector]
    elements = sorted({exposure.optical_element for exposure in known})
    counts = Counter((exposure.detector, exposure.optical_element) for exposure in known)
    rows: list[Sequence[str]] = [("detector", *elements)] if known else []
    for detector in sorted({exposure.detector for exposure in known}):
        rows.append((detector, *(str(counts[detector, element]) for element in elements)))
    if len(rows) > 2:
        totals = [sum(counts[row[0], element] for row in rows[1:]) for element in elements]
        rows.append(("all", *map(str, totals)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (
            f"{cell:<{width}}" if i == 0 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"  {'  '.join([first, *others])}".rstrip()
