"""How well a calibrated exposure recovers the truth that it was simulated with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

RATE_EDGES = (0.5, 1.0, 3.0, 10.0, 50.0)
"""Limits of the bins of true rate [DN / s]; the outer bins are open."""

JUMP_SIGNIFICANCE = 10.0
"""A hit of at least this many sigma of the difference noise should be found."""


@dataclass(frozen=True)
class RateComparison:
    """Measured against true rates of some pixels.

    Attributes
    ----------
    label : str
    n_pixels : int
    bias : float
        Median of measured minus true rate [DN / s].
    pull : float
        Median of the same over the stated error.
    width : float
        Half the range from the 16th to the 84th percentile of that; 1 where the errors are right.
    """

    label: str
    n_pixels: int
    bias: float
    pull: float
    width: float


@dataclass(frozen=True)
class JumpScore:
    """Jumps found and made up.

    Attributes
    ----------
    n_hits, n_found : int
        Hits above `JUMP_SIGNIFICANCE`, and those flagged in their resultant or the next.
    n_samples, n_false : int
        Samples of pixels that neither they nor a neighbour were hit, in that resultant or the one
        before, and those of them flagged.
    """

    n_hits: int
    n_found: int
    n_samples: int
    n_false: int


def compare(
    label: str, rate: NDArray, err: NDArray, truth: NDArray, chosen: NDArray[np.bool_]
) -> RateComparison:
    """Compare the chosen pixels of images of one shape; NaN where none is chosen."""
    if not chosen.any():
        return RateComparison(label, 0, np.nan, np.nan, np.nan)
    difference = rate[chosen].astype(np.float64) - truth[chosen]
    pull = difference / err[chosen]
    low, middle, high = np.percentile(pull, [16, 50, 84])
    return RateComparison(
        label, int(chosen.sum()), float(np.median(difference)), float(middle), float(high - low) / 2
    )


def compare_by_rate(
    rate: NDArray,
    err: NDArray,
    truth: NDArray,
    usable: NDArray[np.bool_],
    edges: Sequence[float] = RATE_EDGES,
) -> list[RateComparison]:
    """Compare usable pixels in bins of their true rate [DN / s]."""
    index = np.searchsorted(edges, truth, side="right")
    labels = [
        f"below {edges[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in pairwise(edges)),
        f"above {edges[-1]:g}",
    ]
    return [
        compare(label, rate, err, truth, usable & (index == i)) for i, label in enumerate(labels)
    ]


def filled_unseen(
    saturated: NDArray[np.bool_],
    saturated_read: NDArray[np.int32],
    read_pattern: Sequence[Sequence[int]],
) -> NDArray[np.bool_]:
    """Pixels that filled up during a resultant that is not flagged for it.

    Where only the last reads of a resultant are full, its mean stays below the threshold.

    Parameters
    ----------
    saturated : ndarray, (n_resultants, rows, cols), bool
        Where SATURATED is set.
    saturated_read : ndarray, (rows, cols), int32
        The read that first found a pixel full, 0 where none did.
    read_pattern : sequence of sequences of int
        Read numbers of each resultant.
    """
    last_reads = [reads[-1] for reads in read_pattern]
    resultant = np.searchsorted(last_reads, saturated_read)
    flagged = np.take_along_axis(saturated, resultant[None], axis=0)[0]
    return (saturated_read > 0) & ~flagged


def score_jumps(
    jumps: NDArray[np.bool_],
    usable: NDArray[np.bool_],
    electron_rate: NDArray,
    read_noise_electrons: NDArray,
    times: NDArray[np.float64],
    n_reads: NDArray,
    hits: tuple[NDArray, NDArray, NDArray, NDArray],
) -> JumpScore:
    """Count the hits that were found, and the jumps that no hit explains.

    A hit is measured by the noise of the difference that first sees it,
    ``noise^2 = rate (t_i - t_(i-1)) + s^2 (1/n_i + 1/n_(i-1))`` in electrons. One in the first
    resultant is not counted, as its first reads make no difference that could show it. Of one in
    the last resultant the ramp has only what the reads after it see.

    Parameters
    ----------
    jumps : ndarray, (n_resultants, rows, cols), bool
        Where JUMP_DET is set.
    usable : ndarray, (rows, cols), bool
        Pixels to judge: without defects, never saturated.
    electron_rate, read_noise_electrons : ndarray, (rows, cols)
        electron / s; electrons of one read.
    times, n_reads : ndarray, (n_resultants,)
        Mean time [s] and number of reads of each resultant.
    hits : tuple of ndarray
        Resultant, row, column and electrons of each hit.
    """
    resultant, row, col, electrons = hits
    explained = _near_hits(jumps.shape, resultant, row, col)
    judged = usable & ~explained
    judged[0] = False  # the first resultant cannot be a jump

    countable = (resultant > 0) & usable[row, col]
    resultant, row, col, electrons = (array[countable] for array in hits)
    variance = electron_rate[row, col] * (times[resultant] - times[resultant - 1])
    per_read = 1 / n_reads[resultant] + 1 / n_reads[resultant - 1]
    variance = variance + read_noise_electrons[row, col] ** 2 * per_read
    strong = electrons > JUMP_SIGNIFICANCE * np.sqrt(variance)
    resultant, row, col = resultant[strong], row[strong], col[strong]
    following = np.minimum(resultant + 1, len(times) - 1)
    found = jumps[resultant, row, col] | jumps[following, row, col]
    return JumpScore(
        int(strong.sum()), int(found.sum()), int(judged.sum()), int((jumps & judged).sum())
    )


def _near_hits(
    shape: tuple[int, int, int], resultant: NDArray, row: NDArray, col: NDArray
) -> NDArray[np.bool_]:
    """Samples of a hit pixel or its four neighbours, in the resultant of the hit or the next."""
    near = np.zeros(shape, dtype=bool)
    for dy, dx in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = row + dy, col + dx
        inside = (y >= 0) & (y < shape[1]) & (x >= 0) & (x < shape[2])
        near[resultant[inside], y[inside], x[inside]] = True
    near[1:] |= near[:-1].copy()
    return near
