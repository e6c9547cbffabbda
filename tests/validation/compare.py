"""What is measured of a calibrated image, and how far two of them are apart. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .plan import BORDER, Calibrated, Exposure, Image

SIZE_EDGES = (0.0, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0, 16.0)  # sigma


@dataclass(frozen=True)
class Value:
    """A measured number and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Share:
    """How many of a number of pixels or hits."""

    count: int
    total: int

    @property
    def value(self) -> float:
        return self.count / self.total

    @property
    def error(self) -> float:
        return float(np.sqrt(self.value * (1 - self.value) / self.total))

    def __add__(self, other: Share) -> Share:
        return Share(self.count + other.count, self.total + other.total)


@dataclass(frozen=True)
class Comparison:
    """The product and what the independent simulation leads to expect."""

    product: Value | Share
    expected: Value | Share

    @property
    def z(self) -> float:
        """Their difference over its standard error; 0 for two shares of nothing or of all."""
        a, b = self.product, self.expected
        if isinstance(a, Share) and isinstance(b, Share):
            both = a + b
            p = both.value
            error = np.sqrt(p * (1 - p) * (1 / a.total + 1 / b.total))
        else:
            error = np.hypot(a.error, b.error)
        return float((a.value - b.value) / error) if error > 0 else 0.0


def mean(values: NDArray[np.float64]) -> Value:
    return Value(float(values.mean()), float(values.std() / np.sqrt(values.size)))


def width(values: NDArray[np.float64]) -> Value:
    """Standard deviation; its error is by the fourth moment, as pulls need not be normal."""
    deviation = values - values.mean()
    variance = (deviation**2).mean()
    error = np.sqrt(((deviation**4).mean() - variance**2) / (4 * variance * values.size))
    return Value(float(np.sqrt(variance)), float(error))


@dataclass(frozen=True)
class Measured:
    """One simulation of one exposure.

    Attributes
    ----------
    bias, hit_bias : Value or None
        Mean of measured minus true rate [DN/s] of pixels without and with a hit; None where no
        pixel is usable, or none is hit.
    err : float
        Root mean square of the stated error [DN/s]; of pixels without a hit, as the next ones.
    pull_width, hit_pull_width : Value or None
        Of measured minus true rate over the stated error.
    false, saturated, unusable : Share
        Pixels with JUMP_DET, SATURATED and DO_NOT_USE.
    found : Share or None
        Hits whose pixel has JUMP_DET.
    found_by_size : tuple of Share
        The same in the bins of `SIZE_EDGES`.
    """

    bias: Value | None
    err: float
    pull_width: Value | None
    false: Share
    saturated: Share
    unusable: Share
    hit_bias: Value | None = None
    hit_pull_width: Value | None = None
    found: Share | None = None
    found_by_size: tuple[Share, ...] = ()


def measure(exposure: Exposure, image: Calibrated, true_rate: Image) -> Measured:
    """Take the measures: without hits above the middle of the image, with hits below."""
    quiet = slice(0, exposure.size // 2 - BORDER - 1)  # no neighbour of a hit

    def share(flags: NDArray[np.bool_]) -> Share:
        return Share(int(flags.sum()), flags.size)

    def residuals(where: tuple) -> tuple[Value | None, Value | None, float]:
        good = ~image.unusable[where]
        if not good.any():
            return None, None, 0.0
        difference, err = (image.rate - true_rate)[where][good], image.err[where][good]
        return mean(difference), width(difference / err), float(np.sqrt((err**2).mean()))

    bias, pull_width, err = residuals((quiet,))
    flags = (image.jump[quiet], image.saturated[quiet], image.unusable[quiet])
    false, saturated, unusable = map(share, flags)
    hits = image.hits
    if not hits.row.size:
        return Measured(bias, err, pull_width, false, saturated, unusable)
    hit = (hits.row - BORDER, hits.col - BORDER)
    hit_bias, hit_pull_width, _ = residuals(hit)
    found = image.jump[hit]
    bins = np.digitize(hits.sigma, SIZE_EDGES) - 1
    by_size = tuple(share(found[bins == i]) for i in range(len(SIZE_EDGES) - 1))
    return Measured(
        bias, err, pull_width, false, saturated, unusable,
        hit_bias, hit_pull_width, share(found), by_size,
    )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """An exposure of the plan as the product and the independent simulation have it."""

    exposure: Exposure
    product: Measured
    expected: Measured

    def comparison(self, name: str) -> Comparison | None:
        """Of one measure; None where neither has it."""
        a, b = getattr(self.product, name), getattr(self.expected, name)
        if a is None and b is None:
            return None
        if a is None or b is None:
            # One has pixels to measure, the other has not: as far apart as can be.
            return Comparison(Value(np.inf, 1.0), Value(0.0, 1.0))
        return Comparison(a, b)

    def comparisons(self) -> dict[str, Comparison]:
        """All of them, by the name of the measure."""
        names = ["bias", "pull_width", "saturated", "unusable"]
        if self.exposure.usable >= 3:
            names += ["false", "hit_bias", "hit_pull_width", "found"]
        elif len(self.exposure.pattern) >= 3:
            names += ["false"]
        found = {name: self.comparison(name) for name in names}
        return {name: value for name, value in found.items() if value and not is_certain(value)}


def is_certain(comparison: Comparison) -> bool:
    """Whether both are shares of nothing, or of all: nothing that chance decides."""
    a, b = comparison.product, comparison.expected
    if not (isinstance(a, Share) and isinstance(b, Share)):
        return False
    both = a + b
    return both.count in (0, both.total)


def completeness(rows: Sequence[Row]) -> dict[str, list[Comparison]]:
    """Shares of hits found by bin of size, of all exposures of a kind together."""
    table: dict[str, list[Comparison]] = {}
    for kind in ("3 resultants", "4 resultants", "5 or more resultants", "ramps that saturate"):
        of_kind = [row for row in rows if row.exposure.kind == kind and row.exposure.has_hits]
        if not of_kind:
            continue
        table[kind] = [
            Comparison(
                sum((row.product.found_by_size[i] for row in of_kind), Share(0, 0)),
                sum((row.expected.found_by_size[i] for row in of_kind), Share(0, 0)),
            )
            for i in range(len(SIZE_EDGES) - 1)
        ]
    return table


def beyond(z: Sequence[float]) -> list[tuple[float, int, float]]:
    """How many exceed 2, 3 and 4 standard errors, and how many do by chance."""
    from math import erfc, sqrt

    return [
        (limit, sum(abs(value) > limit for value in z), len(z) * erfc(limit / sqrt(2)))
        for limit in (2.0, 3.0, 4.0)
    ]
