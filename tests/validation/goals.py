"""What the likelihood fit has to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from .compare import Value
from .ramps import PATTERNS
from .yardsticks import Case, Results

RESULTANTS = {reads.name: len(reads) for reads in PATTERNS}
# Standard errors, of the worst of dozens of cases.
CONFIDENT = 3.0


@dataclass(frozen=True)
class Goal:
    """Limits of a measure in a number of cases.

    Attributes
    ----------
    quantity : str
    kind, measure : str
        Of a `Case` and its `Measures`.
    cases : callable
        Whether the goal holds for a number of resultants, and a rate [DN/s] (NaN for ramps that
        saturate).
    low, high : float
        Infinite where there is no such limit.
    estimator : str
    unit : float
        That the page divides values by.
    """

    quantity: str
    kind: str
    measure: str
    cases: Callable[[int, Case], bool]
    low: float
    high: float
    estimator: str = "gls"
    unit: float = 1.0

    def values(self, results: Results, estimator: str) -> dict[Case, Value]:
        """Of all cases that the goal is for."""
        return {
            case: by_name[estimator][self.measure]
            for case, by_name in results.items()
            if case.kind == self.kind
            and estimator in by_name
            and self.measure in by_name[estimator]
            and self.cases(RESULTANTS[case.pattern], case)
        }

    def excess(self, value: Value) -> float:
        """How far it is outside the limits; negative inside."""
        return max(value.value - self.high, self.low - value.value)

    def worst(self, results: Results, estimator: str) -> tuple[Case, Value] | None:
        values = self.values(results, estimator)
        if not values:
            return None
        return max(values.items(), key=lambda item: self.excess(item[1]))

    def verdict(self, results: Results) -> str:
        """Of the fit that the goal is for."""
        values = self.values(results, self.estimator).values()
        if not values:
            return "not measured"
        # Values near a limit differ from it by rounding at least.
        if all(self.excess(value) <= 1e-12 for value in values):
            return "yes"
        # What must not happen at all has no error to excuse it.
        if self.high > 0 and all(self.excess(v) <= CONFIDENT * v.error for v in values):
            return "within its error"
        return "no"


def rates(low: float, high: float, resultants: tuple[int, int] = (2, 99)) -> Callable:
    """Cases with rates and numbers of resultants between these, limits included."""
    return lambda n, case: (
        low <= float(case.condition) <= high and resultants[0] <= n <= resultants[1]
    )


def without_hits(n: int, case: Case) -> bool:
    return case.condition != "hits"


PERCENT, MILLION = 1e-2, 1e-6
# 100 % is what rounds to it with one decimal.
ALL = 0.9995
# Numbers of resultants.
SOME, MANY, FEW = (5, 99), (8, 99), (5, 7)
UP_TO_9, FROM_10 = (2, 9), (10, 99)


def clean(
    quantity: str, measure: str, cases: Callable[[int, Case], bool], low: float, high: float
) -> Goal:
    return Goal(quantity, "clean", measure, cases, low, high)


def false_jumps(
    quantity: str, cases: Callable[[int, Case], bool], most: float, estimator: str = "gls"
) -> Goal:
    return Goal(quantity, "clean", "false", cases, -inf, most, estimator, MILLION)


def completeness(
    label: str, low: float, high: float, shares: dict[int, float], estimator: str = "gls"
) -> list[Goal]:
    """Shares of hits found by their size."""
    return [
        Goal(
            f"hits of {size} sigma found, {label}, n >= 8, %",
            f"size {size}",
            "found",
            rates(low, high, MANY),
            share,
            inf,
            estimator,
            PERCENT,
        )
        for size, share in shares.items()
    ]


def hit_pixels(
    quantity: str,
    measure: str,
    cases: Callable[[int, Case], bool],
    low: float,
    high: float,
    unit: float = 1.0,
) -> Goal:
    return Goal(f"hit pixels, {quantity}", "realistic", measure, cases, low, high, unit=unit)


def saturating(quantity: str, measure: str, most: float, unit: float = 1.0) -> Goal:
    name = f"saturating ramps: {quantity}"
    return Goal(name, "saturating", measure, without_hits, -inf, most, "concave, gls", unit)


GOALS: list[Goal] = [
    clean("no hits: rms / b", "rms", rates(0, 300), -inf, 1.003),
    clean("no hits: bias / b", "bias", rates(0, 300), -0.003, 0.003),
    clean("pull width, n >= 5, 1 DN/s and more", "pull", rates(1, 300, SOME), 0.995, 1.005),
    clean("pull width, n >= 5, 0.3 DN/s", "pull", rates(0.3, 0.3, SOME), 0.98, 1.02),
    clean("pull width, n >= 5, 0 and 0.1 DN/s", "pull", rates(0, 0.1, SOME), 0.9, 1.035),
    clean(
        "pull width with the smoothed variance, n >= 5, 0.1 DN/s and more",
        "smooth pull",
        rates(0.1, 300, SOME),
        0.995,
        1.005,
    ),
    clean(
        "mean weighted by 1 / err^2 with the smoothed variance, 0.3 DN/s: bias / b",
        "smooth weighted bias",
        rates(0.3, 0.3),
        -0.02,
        0.02,
    ),
    false_jumps("false jumps, n <= 9, 1e-6", rates(0, 300, UP_TO_9), 1.6e-4),
    false_jumps("false jumps, n >= 10, 1e-6", rates(0, 300, FROM_10), 3e-4),
    *completeness("3 DN/s and more", 3, 300, {5: 0.67, 6: 0.92, 8: 0.998, 10: ALL}),
    *completeness("0.3 to 1 DN/s", 0.3, 1, {5: 0.58, 6: 0.86, 8: 0.998, 10: ALL}),
    *completeness("T = 18", 0.3, 300, {5: 0.68, 6: 0.91, 8: 0.998, 10: ALL}, "gls, T = 18"),
    false_jumps(
        "false jumps, T = 18, 0.3 DN/s and more, n <= 9, 1e-6",
        rates(0.3, 300, UP_TO_9),
        4e-4,
        "gls, T = 18",
    ),
    false_jumps(
        "false jumps, T = 18, 0.3 DN/s and more, n >= 10, 1e-6",
        rates(0.3, 300, FROM_10),
        7.5e-4,
        "gls, T = 18",
    ),
    hit_pixels("up to 10 DN/s, n = 5 to 7: rms / b", "rms", rates(0, 10, FEW), -inf, 1.05),
    hit_pixels("up to 10 DN/s, n >= 8: rms / b", "rms", rates(0, 10, MANY), -inf, 1.015),
    hit_pixels("up to 10 DN/s, n >= 5: bias / b", "bias", rates(0, 10, SOME), -0.015, 0.015),
    hit_pixels("up to 10 DN/s, n >= 5: pull width", "pull", rates(0, 10, SOME), -inf, 1.05),
    hit_pixels("100 DN/s, n = 5 to 7: rms / b", "rms", rates(100, 100, FEW), -inf, 1.10),
    hit_pixels("100 DN/s, n >= 8: rms / b", "rms", rates(100, 100, MANY), -inf, 1.045),
    hit_pixels("n = 4: more than 5 b off, %", "far", rates(0, 300, (4, 4)), -inf, 1e-3, PERCENT),
    hit_pixels("n = 4: no rate, %", "no rate", rates(0, 300, (4, 4)), -inf, 0, PERCENT),
    saturating("with a filled resultant used, %", "filled used", 0, PERCENT),
    saturating("rms / b", "rms", 1.03),
    saturating("jumps, %", "jumps", 2e-4, PERCENT),
]
