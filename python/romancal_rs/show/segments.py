"""Which samples of a ramp the fit used, and the lines that stand for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import dqflags

if TYPE_CHECKING:
    from ..kernels import SegmentFits

__all__ = ["Segment", "lines_of_rate", "lines_of_segments", "runs", "usable_samples"]


@dataclass(frozen=True)
class Segment:
    """Neighbouring resultants that the fit used, two at least, with no hit between them.

    Attributes
    ----------
    first, last : int
        Numbers of the resultants, from 0; the last one belongs to it.
    slope, slope_err : float
        Of the line [DN/s]: the pixel's rate, or that of the segment where the fit has such.
    offset : float
        Value of the line at time 0 [DN].
    """

    first: int
    last: int
    slope: float
    slope_err: float
    offset: float


def usable_samples(
    samples: NDArray[np.float32], groupdq: NDArray[np.uint8], algorithm: str
) -> NDArray[np.bool_]:
    """Which samples a fit may use, (n_resultants,).

    Parameters
    ----------
    samples : ndarray, (n_resultants,), float32
        As the fit gets them [DN].
    groupdq : ndarray, (n_resultants,), uint8
        As the fit gets them.
    algorithm : str
        ``gls``, ``likely`` (for which any flag is one too many) or ``ols``.
    """
    bad = 0xFF if algorithm == "likely" else dqflags.SATURATED | dqflags.DO_NOT_USE
    return np.isfinite(samples) & ((groupdq & bad) == 0)


def runs(usable: NDArray[np.bool_], groupdq: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """First and last of each run of usable samples without a JUMP_DET between them.

    The sample that is flagged is the first of a run: the difference before it holds the hit.
    """
    found: list[tuple[int, int]] = []
    for g in np.flatnonzero(usable):
        is_jump = bool(groupdq[g] & dqflags.JUMP_DET)
        if found and found[-1][1] == g - 1 and not is_jump:
            found[-1] = found[-1][0], int(g)
        else:
            found.append((int(g), int(g)))
    return found


def lines_of_rate(
    samples: NDArray[np.float32],
    times: NDArray[np.float64],
    found: list[tuple[int, int]],
    rate: float,
    err: float,
) -> list[Segment]:
    """The runs with lines of the pixel's rate, each through the mean of its samples and times.

    For a fit of differences, which knows no offset.
    """
    segments = []
    for first, last in found:
        if first == last:
            continue
        chosen = slice(first, last + 1)
        offset = np.mean(samples[chosen], dtype=np.float64) - rate * np.mean(times[chosen])
        segments.append(Segment(first, last, rate, err, float(offset)))
    return segments


def lines_of_segments(
    found: list[tuple[int, int]], fits: SegmentFits, row: int, col: int
) -> list[Segment]:
    """The runs with the lines that an ``ols`` fit gave to each.

    Parameters
    ----------
    found : list of (int, int)
        As of `runs`.
    fits : SegmentFits
    row, col : int
        Where the pixel is in them.
    """
    longer = [run for run in found if run[1] > run[0]]
    segments = []
    for number, (first, last) in enumerate(longer):
        slope, offset, weight = (
            float(plane[number, row, col]) for plane in (fits.slope, fits.yint, fits.weights)
        )
        err = weight**-0.25 if weight > 0 else 0.0  # the weight is 1 / variance**2
        segments.append(Segment(first, last, slope, err, offset))
    return segments
