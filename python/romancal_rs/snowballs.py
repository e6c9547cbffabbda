"""Snowballs: large round cosmic-ray events whose charge spreads beyond the pixels that jump.

An event is a region of connected pixels, taken as the ellipse of its second moments: with l the
eigenvalues of the covariance of its pixels, the full axes are ``4 sqrt(l) - 1``.
"""

from __future__ import annotations

import math
import numbers
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .dqflags import JUMP_DET, SATURATED
from .errors import ArgumentError, ArgumentTypeError, ShapeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["expand_large_events"]

#: The longest full axis of an ellipse that is flagged [pixels].
LONGEST_AXIS = 200.0


def expand_large_events(
    groupdq: NDArray[np.uint8],
    *,
    min_sat_area: float = 1.0,
    min_jump_area: float = 6.0,
    expand_factor: float = 1.9,
    min_sat_radius_extend: float = 0.5,
    sat_required_snowball: bool = True,
    sat_expand: int = 2,
    edge_size: int = 0,
) -> int:
    """Flag the surroundings of snowballs, whose jumps are too small to be found.

    In each resultant but the first, regions of JUMP_DET pixels, connected also by their corners,
    are looked at. One is a snowball if the centre of a region that saturates in this resultant, or
    in the next, lies in its ellipse. JUMP_DET is added in the larger ellipse around it, to pixels
    that are not SATURATED and in this resultant alone. Regions that saturate are enlarged too, in
    this and all later resultants. It is for a ramp after the search for jumps, before the fit.

    A fit has to leave out each difference that ends in a JUMP_DET resultant, and each that touches
    a SATURATED one, also where it had chosen its differences before the call.

    Parameters
    ----------
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8
        Flags of each sample; JUMP_DET and SATURATED are added in place, others are kept.
    min_sat_area : float, optional
        Area from which a region that saturates counts, its holes filled [pixels].
    min_jump_area : float, optional
        Area from which a region of jumps counts, its holes filled [pixels].
    expand_factor : float, optional
        By how much a snowball is enlarged: to the minor axis times this factor, while the major
        axis becomes longer by as many pixels. No axis becomes longer than 200 pixels.
    min_sat_radius_extend : float, optional
        A region that saturates is enlarged if its minor axis is longer [pixels].
    sat_required_snowball : bool, optional
        Without, all regions of jumps that count are snowballs, and regions that saturate are left
        as they are.
    sat_expand : int, optional
        By how many pixels on each side a region that saturates is enlarged, to axes of 200 pixels
        at most.
    edge_size : int, optional
        A region of jumps whose centre is nearer to an edge than so many pixels is a snowball
        whether it saturates or not [pixels].

    Returns
    -------
    int
        How many snowballs there are.

    Raises
    ------
    ArgumentTypeError
        If `groupdq` has another dtype, or a parameter is of another type. It is a TypeError.
    ShapeError
        If `groupdq` has another number of axes, or no resultants. It is an ArgumentError.
    ArgumentError
        If a parameter is negative or not finite, or `groupdq` read-only. It is a ValueError.

    References
    ----------
    `expand_large_events` of the ramp fit of romancal 1.1.0 and stcal 1.20.0;
    ``docs/explanation/deviations.md`` lists what differs.
    """
    import numpy as np

    groupdq = _checked(groupdq)
    min_sat_area = _number("min_sat_area", min_sat_area)
    min_jump_area = _number("min_jump_area", min_jump_area)
    expand_factor = _number("expand_factor", expand_factor)
    min_sat_radius_extend = _number("min_sat_radius_extend", min_sat_radius_extend)
    sat_expand = _whole("sat_expand", sat_expand)
    edge_size = _whole("edge_size", edge_size)

    n_snowballs = 0
    # What is SATURATED here has no jumps in later resultants.
    enlarged = np.zeros(groupdq.shape[1:], bool)
    for k in range(1, len(groupdq)):
        events = _events((groupdq[k] & JUMP_DET != 0) & ~enlarged, min_jump_area)
        if sat_required_snowball:
            saturating = _saturating(groupdq, k, min_sat_area)
            of_next = _saturating(groupdq, k + 1, min_sat_area) if events else []
            cores = np.array([event.centre for event in saturating + of_next]).reshape(-1, 2)
            events = [
                event
                for event in events
                if event.is_at_edge(enlarged.shape, edge_size) or event.contains_any(cores)
            ]
            for core in saturating:
                if core.minor > min_sat_radius_extend:
                    # More makes no difference, and may be too large for a float.
                    _saturate(groupdq[k:], core.longer(2 * min(sat_expand, 200)), enlarged)
        for event in events:
            _add_jump(groupdq[k], event.longer((expand_factor - 1) * event.minor))
        n_snowballs += len(events)
    return n_snowballs


@dataclass(frozen=True)
class _Ellipse:
    """An ellipse; lengths in pixels.

    `minor` and `major` are full axes; the axis of a line of pixels across it is -1, which is as
    good as 1. `cos` and `sin` are those of twice the angle between the row axis and the major one.
    """

    centre: tuple[float, float]
    minor: float
    major: float
    cos: float
    sin: float

    def longer(self, pixels: float) -> _Ellipse:
        minor, major = (
            max(-LONGEST_AXIS, min(axis + pixels, LONGEST_AXIS))
            for axis in (self.minor, self.major)
        )
        return replace(self, minor=minor, major=major)

    def is_at_edge(self, shape: tuple[int, ...], width: int) -> bool:
        return any(not width <= x <= n - width for x, n in zip(self.centre, shape, strict=True))

    def drawn(self, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """A part of an image, and its pixels inside: of whole half axes, around a pixel."""
        import numpy as np

        row, col = (round(x) for x in self.centre)
        minor, major = round(self.minor / 2), round(self.major / 2)
        if minor == 0 or major == 0:
            return np.s_[:0, :0], np.zeros((0, 0), bool)
        reach = max(abs(minor), abs(major))
        rows = np.arange(max(row - reach, 0), min(row + reach + 1, shape[0]))
        cols = np.arange(max(col - reach, 0), min(col + reach + 1, shape[1]))
        left, right = self._sides(rows[:, None] - row, cols - col, minor, major)
        return np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1], left < right

    def contains_any(self, points: NDArray[np.float64]) -> bool:
        """Whether any of (n, 2) points lies inside or on it."""
        y, x = (points - self.centre).T
        left, right = self._sides(y, x, self.minor / 2, self.major / 2)
        return bool((left <= right).any())

    def _sides(
        self, y: NDArray, x: NDArray, minor: float, major: float
    ) -> tuple[NDArray[np.float64], float]:
        """The sides of the equation of the ellipse with these half axes: left < right inside.

        With the angle t between the row axis and the major one it is
        ``((y cos t + x sin t) / major)^2 + ((y sin t - x cos t) / minor)^2 = 1``. In terms of 2 t,
        and times both axes squared, it has whole numbers only where the axes are whole, and equal
        or at an angle of 45 degrees or a multiple: pixels on the line are told from those inside.
        """
        a, b = major**2, minor**2
        along = self.cos * (y**2 - x**2) + 2 * self.sin * (y * x)
        return ((a + b) * (y**2 + x**2) - (a - b) * along) / 2, a * b


def _saturating(groupdq: NDArray[np.uint8], k: int, min_area: float) -> list[_Ellipse]:
    """The regions that are SATURATED from resultant `k` on; none from beyond the last."""
    if k == len(groupdq):
        return []
    return _events(groupdq[k] & ~groupdq[k - 1] & SATURATED != 0, min_area)


def _events(mask: NDArray[np.bool_], min_area: float) -> list[_Ellipse]:
    """The regions of a mask that have at least this area, their holes filled."""
    import numpy as np
    from scipy import ndimage

    rows, cols = np.nonzero(mask)
    if not rows.size:
        return []
    labels, n = ndimage.label(mask, structure=np.ones((3, 3)))
    of = labels[rows, cols] - 1
    area = np.bincount(of, minlength=n)
    # A closed line of n pixels holds, with itself, (n/4 + 1)^2 at most.
    large = (area / 4 + 1) ** 2 >= min_area
    hollow = large & (area < min_area)
    if hollow.any():
        slices = ndimage.find_objects(labels)
        for i in np.flatnonzero(hollow):
            region = labels[slices[i]] == i + 1
            large[i] = ndimage.binary_fill_holes(region, np.ones((3, 3))).sum() >= min_area
    # Sums of whole numbers below 2^53: exact.
    sums = [
        np.bincount(of, weights, n)[large]
        for weights in (rows, cols, rows * rows, cols * cols, rows * cols)
    ]
    columns = (column.tolist() for column in (area[large], *sums))
    return [_ellipse(*map(int, moments)) for moments in zip(*columns, strict=True)]


def _ellipse(n: int, rows: int, cols: int, rows_2: int, cols_2: int, rows_cols: int) -> _Ellipse:
    """The ellipse of `n` pixels by the sums of their coordinates and of products of these."""
    # n^2 times the covariance, in integers of any size: symmetric regions are known as such.
    row_var, col_var = n * rows_2 - rows**2, n * cols_2 - cols**2
    difference, mixed = row_var - col_var, 2 * (n * rows_cols - rows * cols)
    root = math.hypot(difference, mixed)
    minor, major = (
        4 * math.sqrt(max(row_var + col_var + sign * root, 0) / 2) / n - 1 for sign in (-1, 1)
    )
    cos, sin = (difference / root, mixed / root) if root else (1.0, 0.0)
    return _Ellipse((rows / n, cols / n), minor, major, cos, sin)


def _saturate(groupdq: NDArray[np.uint8], core: _Ellipse, enlarged: NDArray[np.bool_]) -> None:
    part, inside = core.drawn(enlarged.shape)
    groupdq[:, *part][:, inside] |= SATURATED
    enlarged[part] |= inside


def _add_jump(flags: NDArray[np.uint8], event: _Ellipse) -> None:
    part, inside = event.drawn(flags.shape)
    flags[part][inside & (flags[part] & SATURATED == 0)] |= JUMP_DET


def _checked(groupdq: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The flags as a plain array."""
    import numpy as np

    if not isinstance(groupdq, np.ndarray):
        raise ArgumentTypeError(
            f"groupdq: expected a NumPy array of uint8, got {type(groupdq).__name__}"
        )
    if groupdq.dtype != np.uint8:
        raise ArgumentTypeError(f"groupdq: expected dtype uint8, got {groupdq.dtype}")
    if groupdq.ndim != 3:
        raise ShapeError(f"groupdq: expected 3 dimensions, got shape {groupdq.shape}")
    if not len(groupdq):
        raise ShapeError(f"groupdq: expected at least one resultant, got shape {groupdq.shape}")
    if not groupdq.flags.writeable:
        raise ArgumentError(
            "groupdq: expected an array that can be changed in place, got a read-only one"
        )
    return np.asarray(groupdq)


def _number(argument: str, value: float) -> float:
    if not isinstance(value, numbers.Real):
        raise ArgumentTypeError(f"{argument}: expected a number, got {type(value).__name__}")
    if not 0 <= value <= sys.float_info.max:
        raise ArgumentError(f"{argument}: expected a finite number, at least 0, got {value}")
    return float(value)


def _whole(argument: str, value: int) -> int:
    if not isinstance(value, numbers.Integral):
        raise ArgumentTypeError(f"{argument}: expected a whole number, got {type(value).__name__}")
    if value < 0:
        raise ArgumentError(f"{argument}: expected a whole number, at least 0, got {value}")
    return int(value)
