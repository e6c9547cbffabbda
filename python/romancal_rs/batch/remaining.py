"""What of a plan is left to do, and why: what is current, and what failed for good, is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ..errors import InputError
from .current import is_new, reason_of, remote_products, why_not_current
from .outcome import Kind, Outcome
from .plan import Plan, PlannedExposure

__all__ = ["RERUN", "Remaining", "Rerun", "Shard", "what_remains"]

#: The reason to do again what is current.
_ASKED_FOR = "asked for"

RERUN = ("changed", "failed", "all", "never")
Rerun = Literal["changed", "failed", "all", "never"]


@dataclass(frozen=True)
class Shard:
    """A part of a plan, for one of several commands that share its work.

    Attributes
    ----------
    number, of : int
        From 1.
    by : str
        ``exposure`` for parts of equal size, ``detector`` to have those of a detector together.
    """

    number: int
    of: int
    by: str = "exposure"

    @classmethod
    def parse(cls, text: str, by: str = "exposure") -> Shard:
        """The shard of ``I/N``.

        Raises
        ------
        InputError
        """
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise InputError(f"--shard {text}: expected I/N with I from 1 to N, such as 3/18")
        if by not in ("exposure", "detector"):
            raise InputError(f"--by {by}: expected exposure or detector")
        return cls(int(number), int(of), by)

    def of_plan(self, exposures: Sequence[PlannedExposure]) -> list[PlannedExposure]:
        """Its part of the exposures: each is in exactly one of the shards."""
        if self.by == "detector":
            detectors = sorted({exposure.detector for exposure in exposures})
            own = set(detectors[self.number - 1 :: self.of])
            return [exposure for exposure in exposures if exposure.detector in own]
        # A run of neighbours, as these share their references.
        n, i = len(exposures), self.number - 1
        return list(exposures[n * i // self.of : n * (i + 1) // self.of])


@dataclass(repr=False)  # it holds thousands of exposures
class Remaining:
    """What is left to do.

    Attributes
    ----------
    todo : list of PlannedExposure
    current : list of PlannedExposure
        Their products are what would be made.
    problems : list of PlannedExposure
        The plan knows that they cannot be calibrated.
    settled : list of Outcome
        They failed before, and nothing has changed since.
    new : int
        How many of those to do have no product.
    redone : Counter of str
        How many have one that is to be another, by reasons: ``references``, ``input, software``.
    """

    todo: list[PlannedExposure] = field(default_factory=list)
    current: list[PlannedExposure] = field(default_factory=list)
    problems: list[PlannedExposure] = field(default_factory=list)
    settled: list[Outcome] = field(default_factory=list)
    new: int = 0
    redone: Counter[str] = field(default_factory=Counter)

    def add(self, exposure: PlannedExposure, reasons: list[str]) -> None:
        """Takes in an exposure, with what `why_not_current` says of it."""
        if not reasons:
            self.current.append(exposure)
            return
        self.todo.append(exposure)
        if is_new(reasons):
            self.new += 1
        else:
            self.redone[", ".join(reason_of(line) for line in reasons)] += 1

    def __repr__(self) -> str:
        problems = f", {len(self.problems)} cannot be calibrated" if self.problems else ""
        return f"<Remaining: {self}{problems}>"

    def __str__(self) -> str:
        """In one line: ``412 current, 36 new, 17 would be redone: references``."""
        parts = [f"{len(self.current)} current", f"{self.new} new"]
        parts += [
            f"{number} would be redone: {reasons}" for reasons, number in self.redone.most_common()
        ]
        if self.settled:
            parts.append(f"{len(self.settled)} failed before (--rerun failed tries them again)")
        return ", ".join(parts)


def what_remains(
    plan: Plan,
    exposures: Sequence[PlannedExposure],
    outcomes: Mapping[str, Outcome],
    *,
    rerun: Rerun = "changed",
    ignore: Collection[str] = (),
) -> Remaining:
    """Decides what is left to do.

    Parameters
    ----------
    plan : Plan
    exposures : sequence of PlannedExposure
        Those of the plan that are asked for.
    outcomes : mapping of str to Outcome
        The last outcome of each key, see `outcomes_by_key`.
    rerun : str
        ``changed``: what has no product, or would be another one now; ``failed``: also what
        failed before; ``all``: everything; ``never``: only what has neither product nor outcome.
    ignore : collection of str
        What may differ: ``software``, ``references``.
    """
    found = Remaining()
    there = remote_products(plan)
    for exposure in exposures:
        if exposure.problem is not None:
            found.problems.append(exposure)
            continue
        outcome = outcomes.get(exposure.key)
        if outcome is not None and rerun in ("changed", "never") and _is_settled(outcome):
            found.settled.append(replace(outcome, input=exposure.input))
            continue
        reasons = why_not_current(exposure, plan, outcome, ignore=ignore, there=there)
        if rerun == "never" and not is_new(reasons):
            reasons = []
        elif rerun == "all" and not reasons:
            reasons = [_ASKED_FOR]
        found.add(exposure, reasons)
    return found


def _is_settled(outcome: Outcome) -> bool:
    """Whether it would end as it did, as its key is the same."""
    return not (outcome.kind in (Kind.DONE, Kind.CURRENT) or outcome.kind.may_change)
