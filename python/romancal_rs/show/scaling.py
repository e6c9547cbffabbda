"""How arrays become pictures: means of cells, a stretch that follows the sky, round numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from astropy.visualization import ImageNormalize

__all__ = [
    "cell_for",
    "check_image",
    "is_flat",
    "round_ticks",
    "shrink",
    "shrink_and_count",
    "spread",
    "stretch",
    "strips",
]

#: Share of the values, in percent, that a stretch shows below its brightest colour.
BRIGHT_PERCENTILE = 99.8

#: How far a stretch reaches at most, in ranges of the sky: asinh(3) / asinh(3 * 100) is 0.28.
MOST_SKIES = 100


def cell_for(shape: tuple[int, ...], most: int) -> int:
    """The smallest side of square cells of which at most `most` lie along each side of an image.

    Parameters
    ----------
    shape : (n_rows, n_cols)
    most : int
        Cells along the longer side.
    """
    return max(1, -(-max(shape) // most))


def strips(n_rows: int, cell: int) -> Iterator[slice]:
    """The rows of each row of cells; the last may be fewer."""
    for start in range(0, n_rows, cell):
        yield slice(start, min(start + cell, n_rows))


def shrink(values: NDArray[Any], cell: int, bad: NDArray[Any] | None = None) -> NDArray[np.float32]:
    """Means over square cells, of what is finite and not bad.

    A mean neither aliases nor lets single bright pixels vanish, and its noise is that of the cell.

    Parameters
    ----------
    values : ndarray, (n_rows, n_cols), any real dtype
        An image. It is read strip by strip, which a memory-mapped array profits from.
    cell : int
        Side of a cell in pixels; cells at the upper and right edge may be smaller.
    bad : ndarray, (n_rows, n_cols), bool, optional
        Pixels that do not count.

    Returns
    -------
    ndarray, (ceil(n_rows / cell), ceil(n_cols / cell)), float32
        NaN where a cell has no pixel that counts.

    Raises
    ------
    ShapeError
        If `values` is not an image, or `bad` has another shape.
    ArgumentError
        If `cell` is not positive.
    """
    return shrink_and_count(values, cell, bad)[0]


def shrink_and_count(
    values: NDArray[Any], cell: int, bad: NDArray[Any] | None = None
) -> tuple[NDArray[np.float32], int]:
    """The same, and the number of pixels that count."""
    check_image(values, cell)
    if bad is not None and bad.shape != values.shape:
        raise ShapeError(f"bad: expected shape {values.shape}, as values has it, got {bad.shape}")
    n_rows, n_cols = values.shape
    edges = np.arange(0, n_cols, cell)
    means = np.empty((-(-n_rows // cell), len(edges)), np.float32)
    n_all = 0
    for row, rows in enumerate(strips(n_rows, cell)):
        strip = np.asarray(values[rows])
        counts = np.isfinite(strip)
        if bad is not None:
            counts &= ~bad[rows]
        total = np.where(counts, strip, 0).sum(axis=0, dtype=np.float64)
        number = counts.sum(axis=0)
        n_all += int(number.sum())
        if cell > 1:
            total, number = np.add.reduceat(total, edges), np.add.reduceat(number, edges)
        with np.errstate(invalid="ignore", divide="ignore"):
            means[row] = total / number
    return means, n_all


def stretch(values: NDArray[Any], bad: NDArray[Any] | None = None) -> ImageNormalize:
    """A colour scale that shows the noise of the sky and, compressed, what is bright.

    ZScale finds the levels of the sky, which get at least a quarter of the colours. Above them the
    scale is an asinh, up to the 99.8th percentile, or to where the sky would get less.

    Parameters
    ----------
    values : ndarray
        What will be shown: where cells are shown, their means.
    bad : ndarray of bool, optional
        Of the same shape: what does not count. NaN and infinities never do.

    Returns
    -------
    astropy.visualization.ImageNormalize
        For ``imshow(values, norm=...)``; finite and increasing whatever `values` holds.

    Notes
    -----
    ZScale: IRAF's display task, as ``astropy.visualization.ZScaleInterval``; asinh: Lupton et al.
    2004, PASP 116, 133.
    """
    from astropy.visualization import AsinhStretch, ImageNormalize, ZScaleInterval

    good = _finite(values, bad)
    if good.size:
        low, sky = (float(level) for level in ZScaleInterval().get_limits(good))
        high = float(np.percentile(good, BRIGHT_PERCENTILE))
        low, sky = spread(low, sky)
    else:
        low, sky, high = 0.0, 1.0, 1.0
    high = min(max(high, sky), low + MOST_SKIES * (sky - low))
    # With a third of the levels of the sky its middle has half the contrast of its faint end.
    softening = (sky - low) / (high - low) / 3
    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(softening))


def spread(low: float, high: float) -> tuple[float, float]:
    """Two limits that differ by what a colour bar can show: those of a constant move apart."""
    least = _least(low, high)
    if high - low >= least:
        return low, high
    middle = (low + high) / 2
    return middle - least / 2, middle + least / 2


def is_flat(low: float, high: float) -> bool:
    """Whether the limits are those that `spread` made of a constant."""
    return high - low <= 1.5 * _least(low, high)


def _least(low: float, high: float) -> float:
    return max(1e-4 * max(abs(low), abs(high)), 1e-30)


def round_ticks(
    low: float, high: float, place: Callable[[float], float], apart: float = 0.08
) -> list[float]:
    """Round numbers for the ticks of an axis that need not be linear.

    Parameters
    ----------
    low, high : float
        Ends of the axis.
    place : callable
        Where a value lies along the axis, from 0 to 1.
    apart : float, optional
        The least distance between two ticks, along the axis.

    Returns
    -------
    list of float
        In their order: zero, and 1, 2 and 5 times powers of ten with either sign; where these leave
        gaps, less round numbers. Of limits that are those of a constant, the constant.
    """
    largest = max(abs(low), abs(high))
    if not (math.isfinite(largest) and high > low):
        return []
    if is_flat(low, high):
        return [(low + high) / 2]
    top = math.floor(math.log10(largest))
    ticks: dict[float, float] = {}
    _add(ticks, [0.0, *_with_digits((1, 2, 5), top)], low, high, place, apart)
    _add(ticks, _with_digits((3, 4, 6, 7, 8, 9), top), low, high, place, 2.5 * apart)
    unit = 10.0 ** math.floor(math.log10(high - low))
    for step in (unit / parts for parts in (0.5, 1, 2, 5, 10, 20, 50, 100)):
        first, last = math.ceil(low / step), math.floor(high / step)
        even = [float(f"{number * step:.12g}") for number in range(first, last + 1)]
        _add(ticks, even, low, high, place, 3 * apart)
    return sorted(ticks)


def _with_digits(digits: tuple[int, ...], top: int) -> list[float]:
    """Numbers of one digit, of either sign, down to four powers of ten below `top`."""
    values = [float(f"{digit}e{power}") for power in range(top - 4, top + 1) for digit in digits]
    return [*values, *(-value for value in values)]


def _add(
    ticks: dict[float, float],
    values: list[float],
    low: float,
    high: float,
    place: Callable[[float], float],
    apart: float,
) -> None:
    """Adds those that are in the axis, and apart from all that is there, with their places."""
    for value in values:
        if low <= value <= high:
            at = place(value)
            if all(abs(at - other) > apart for other in ticks.values()):
                ticks[value] = at


def _finite(values: NDArray[Any], bad: NDArray[Any] | None) -> NDArray[Any]:
    counts = np.isfinite(values)
    if bad is not None:
        counts &= ~bad
    return np.asarray(values)[counts]


def check_image(values: NDArray[Any], cell: int) -> None:
    """Checks that an image can be divided into cells of that side."""
    if values.ndim != 2:
        raise ShapeError(f"expected an image (n_rows, n_cols), got shape {values.shape}")
    if cell < 1:
        raise ArgumentError(f"cell: must be at least 1 pixel, got {cell}")
