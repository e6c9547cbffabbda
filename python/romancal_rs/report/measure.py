"""Numbers and histograms of the arrays of an exposure, taken strip by strip of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import dqflags, kernels

__all__ = ["ChiSquare", "Distribution", "Numbers", "distribution", "usable_image"]

_ROWS_AT_ONCE = 256
_BINS = 80
#: About as many values fix the ends of an axis: the counts and numbers are of all.
_SAMPLE = 200_000
#: Ends of the axes, in percent of the values.
_SHOWN = (0.05, 99.9)
#: Above this ratio of its ends an axis is logarithmic.
_MANY_DECADES = 30.0


@dataclass(frozen=True)
class Numbers:
    """What a distribution comes to.

    Attributes
    ----------
    count : int
        Values that are finite and of pixels that count.
    minimum, median, maximum : float
    sigma : float
        1.4826 times the median absolute deviation from the median.
    """

    count: int
    minimum: float
    median: float
    maximum: float
    sigma: float


@dataclass(frozen=True, eq=False)
class Distribution:
    """A histogram of an image and its numbers.

    Attributes
    ----------
    numbers : Numbers
    edges : ndarray, (n_bins + 1,), float64
    counts : ndarray, (n_bins,), int64
    below, above : int
        Values left and right of the histogram.
    is_logarithmic : bool
        Whether bins are of equal width in the logarithm.
    """

    numbers: Numbers
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    below: int
    above: int
    is_logarithmic: bool


@dataclass(frozen=True)
class ChiSquare:
    """The distribution that chi squared of a ramp's fit has where the noise is what it should be.

    Attributes
    ----------
    degrees_of_freedom : int
        The differences of neighbouring resultants, less one.
    """

    degrees_of_freedom: int

    @property
    def median(self) -> float:
        """The median of chi square."""
        low, high = 0.0, float(self.degrees_of_freedom)  # the mean lies above it
        while (middle := (low + high) / 2) not in (low, high):
            if self._below(np.array([middle]))[0] < 0.5:
                low = middle
            else:
                high = middle
        return middle

    def counts(self, edges: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        """How many of `count` values are expected between neighbouring edges."""
        return np.asarray(count * np.diff(self._below(np.maximum(edges, 0))))

    def _below(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The share that lies below each value: P(k / 2, x / 2), the incomplete gamma function.

        By P(a + 1, x) = P(a, x) - x^a exp(-x) / Gamma(a + 1) from P(1/2, x) = erf(sqrt(x)) or
        P(1, x) = 1 - exp(-x) (Abramowitz & Stegun 6.5.21), which spares the import of scipy.
        """
        half = np.asarray(values, np.float64) / 2
        power = 0.5 if self.degrees_of_freedom % 2 else 1.0
        below = -np.expm1(-half)
        if power == 0.5:
            below = np.array([math.erf(root) for root in np.sqrt(half)])
        term = half**power * np.exp(-half) / math.gamma(power + 1)
        while power < self.degrees_of_freedom / 2:
            below = below - term
            power += 1
            term = term * half / power
        return np.maximum(below, 0)


def strips(n_rows: int) -> Iterator[slice]:
    """Slices of the rows of an image, some at a time."""
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        yield slice(start, start + _ROWS_AT_ONCE)


def usable_image(dq: NDArray[np.uint32], bits: int = dqflags.DO_NOT_USE) -> NDArray[np.bool_]:
    """Which pixels have none of some flags.

    Parameters
    ----------
    dq : ndarray, (n_rows, n_cols), uint32
    bits : int, optional
        The flags.
    """
    usable = np.empty(dq.shape, bool)
    for rows in strips(len(dq)):
        usable[rows] = (dq[rows] & np.uint32(bits)) == 0
    return usable


def distribution(
    values: NDArray[Any],
    usable: NDArray[np.bool_],
    *,
    top: float | None = None,
    ones: NDArray[np.float32] | None = None,
) -> Distribution | None:
    """The distribution of what is finite in an image; None where nothing is.

    Parameters
    ----------
    values : ndarray, (n_rows, n_cols), float32
    usable : ndarray, (n_rows, n_cols), bool
        Pixels that count.
    top : float, optional
        Where the histogram ends, which then begins at 0 and is linear.
    ones : ndarray, (n_rows, n_cols), float32, optional
        Ones; for several images of a shape they need to be made but once.
    """
    values = np.ascontiguousarray(values, np.float32)
    ends = _ends(values, usable) if top is None else (0.0, top)
    if ends is None:
        return None
    low, high = ends
    is_logarithmic = top is None and low > 0 and high / low > _MANY_DECADES
    if not low < high:  # a constant
        low, high = low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2
    first, last = (float(np.log10(low)), float(np.log10(high))) if is_logarithmic else (low, high)
    counts = np.zeros(_BINS, np.int64)
    count, below, minimum, maximum = 0, 0, np.inf, -np.inf
    for rows in strips(len(values)):
        chosen = values[rows][usable[rows] & np.isfinite(values[rows])]
        if not chosen.size:
            continue
        count += chosen.size
        minimum, maximum = min(minimum, chosen.min()), max(maximum, chosen.max())
        below += int(np.count_nonzero(chosen < low))
        if is_logarithmic:
            chosen = np.log10(chosen[chosen > 0])
        counts += np.histogram(chosen, _BINS, (first, last))[0]
    if not count:
        return None
    # An error of 1 makes every pixel good that is finite and not flagged.
    flags = np.multiply(~usable, np.uint32(dqflags.DO_NOT_USE), dtype=np.uint32)
    if ones is None:
        ones = np.ones(values.shape, np.float32)
    spread = kernels.image_statistics(values, flags, ones)
    numbers = Numbers(count, float(minimum), spread.median, float(maximum), spread.rms)
    edges = np.linspace(first, last, _BINS + 1)
    edges = 10**edges if is_logarithmic else edges
    above = max(0, count - below - int(counts.sum()))
    return Distribution(numbers, edges, counts, below, above, is_logarithmic)


def _ends(values: NDArray[np.float32], usable: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Where the histogram begins and ends, by a sample of the pixels; None where none counts."""
    step = max(1, int((values.size / _SAMPLE) ** 0.5))
    for every in (step, 1):  # all of them, where the few that count are not in the sample
        sample = values[::every, ::every][usable[::every, ::every]]
        sample = sample[np.isfinite(sample)]
        if sample.size:
            low, high = np.percentile(sample, _SHOWN)
            return float(low), float(high)
    return None


def first_flagged(groupdq: NDArray[np.uint8], bits: int) -> NDArray[np.int64]:
    """How many pixels are first flagged in each resultant.

    Parameters
    ----------
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8
    bits : int
        The flags.

    Returns
    -------
    ndarray, (n_resultants,), int64
    """
    n_resultants, n_rows, _ = groupdq.shape
    counts = np.zeros(n_resultants, np.int64)
    for rows in strips(n_rows):
        not_yet = np.ones(groupdq[0, rows].shape, bool)
        for index in range(n_resultants):
            flagged = not_yet & ((groupdq[index, rows] & np.uint8(bits)) != 0)
            counts[index] += np.count_nonzero(flagged)
            not_yet &= ~flagged
    return counts


def flagged_samples(groupdq: NDArray[np.uint8], bits: int) -> NDArray[np.int64]:
    """How many samples of each resultant have any of some flags, as `first_flagged`."""
    n_resultants, n_rows, _ = groupdq.shape
    counts = np.zeros(n_resultants, np.int64)
    for rows in strips(n_rows):
        for index in range(n_resultants):
            counts[index] += np.count_nonzero(groupdq[index, rows] & np.uint8(bits))
    return counts
