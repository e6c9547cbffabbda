"""Flags as maps: which share of each cell of an image is flagged, and for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dqflags import DO_NOT_USE, JUMP_DET, SATURATED, pixel
from ..errors import ArgumentError, nearest
from .scaling import check_image, strips

__all__ = [
    "CATEGORIES",
    "Category",
    "categorize",
    "category_shares",
    "flag_share",
    "flag_values",
    "flagged_pixels",
]


@dataclass(frozen=True)
class Category:
    """What a map of all flags tells apart.

    Attributes
    ----------
    name : str
        As a legend has it.
    bits : int
        Flags of a pixel in it, if it is in none of those after it; of the first any flag.
    """

    name: str
    bits: int


#: From the least to the gravest: a pixel counts for the last that it has a flag of.
CATEGORIES = (
    Category("other flag", 0xFFFFFFFF),
    Category("jump", JUMP_DET),
    Category("saturated", SATURATED),
    Category("do not use", DO_NOT_USE),
)


def flag_values(names: list[str]) -> dict[str, int]:
    """The values of flags of a pixel by their names, in either case.

    Raises
    ------
    ArgumentError
        If there is no such flag.
    """
    values = {}
    for name in names:
        known = name.strip().upper()
        if known not in pixel:
            raise ArgumentError(
                f"{name!r} is not a flag of a pixel{nearest(known, pixel)} "
                f"(flags are {', '.join(name for name in pixel if 'RESERVED' not in name)})"
            )
        values[known] = pixel[known]
    return values


def categorize(dq: NDArray[Any]) -> NDArray[np.uint8]:
    """The category of each pixel: 0 no flag, then 1 + its index in `CATEGORIES`.

    Parameters
    ----------
    dq : ndarray, uint8 or uint32
        Flags.
    """
    category = np.zeros(dq.shape, np.uint8)
    for index, kind in enumerate(CATEGORIES, 1):
        bits = dq.dtype.type(kind.bits & np.iinfo(dq.dtype).max)
        category[(dq & bits) != 0] = index
    return category


def flag_share(dq: NDArray[Any], bits: int, cell: int) -> NDArray[np.float32]:
    """The share of the pixels of each square cell that have any of the flags.

    Parameters
    ----------
    dq : ndarray, (n_rows, n_cols), uint8 or uint32
        Flags.
    bits : int
        Flags to count.
    cell : int
        Side of a cell in pixels; cells at the upper and right edge may be smaller.

    Returns
    -------
    ndarray, (ceil(n_rows / cell), ceil(n_cols / cell)), float32
        From 0 to 1.

    Raises
    ------
    ShapeError
        If `dq` is not an image.
    ArgumentError
        If `cell` is not positive.
    """
    check_image(dq, cell)
    chosen = dq.dtype.type(bits & np.iinfo(dq.dtype).max)
    shares = _empty_shares(dq.shape, cell, 1)
    for row, rows in enumerate(strips(dq.shape[0], cell)):
        shares[0, row] = _share((np.asarray(dq[rows]) & chosen) != 0, cell)
    return shares[0]


def category_shares(dq: NDArray[Any], cell: int) -> tuple[NDArray[np.float32], list[int]]:
    """The share of each cell in each of the `CATEGORIES`, and the pixels of each.

    Parameters
    ----------
    dq, cell
        As for `flag_share`.

    Returns
    -------
    ndarray, (n_categories, ceil(n_rows / cell), ceil(n_cols / cell)), float32
        Every pixel counts once, so that the shares of a cell add up to at most 1.
    list of int
        Pixels of each category in the whole image.
    """
    check_image(dq, cell)
    n_rows, _ = dq.shape
    shares = _empty_shares(dq.shape, cell, len(CATEGORIES))
    counts = [0] * len(CATEGORIES)
    for row, rows in enumerate(strips(n_rows, cell)):
        strip = np.asarray(dq[rows])
        if not strip.any():
            shares[:, row] = 0
            continue
        category = categorize(strip)
        for index in range(len(CATEGORIES)):
            chosen = category == index + 1
            counts[index] += int(np.count_nonzero(chosen))
            shares[index, row] = _share(chosen, cell)
    return shares, counts


def flagged_pixels(dq: NDArray[Any]) -> list[int]:
    """How many pixels have a flag of each of the `CATEGORIES`, whatever else they have.

    Of the first, flags that are of no other category.

    Parameters
    ----------
    dq : ndarray, (n_rows, n_cols), uint8 or uint32
        Flags.
    """
    named = [kind.bits for kind in CATEGORIES[1:]]
    chosen = [CATEGORIES[0].bits & ~sum(named), *named]
    of_type = [dq.dtype.type(bits & np.iinfo(dq.dtype).max) for bits in chosen]
    found = [0] * len(CATEGORIES)
    for rows in strips(dq.shape[0], 64):
        strip = np.asarray(dq[rows])
        if strip.any():
            for index, bits in enumerate(of_type):
                found[index] += int(np.count_nonzero(strip & bits))
    return found


def _empty_shares(shape: tuple[int, ...], cell: int, planes: int) -> NDArray[np.float32]:
    return np.empty((planes, *(-(-size // cell) for size in shape)), np.float32)


def _share(chosen: NDArray[Any], cell: int) -> NDArray[Any]:
    """Of a row of cells."""
    n_rows, n_cols = chosen.shape
    edges = np.arange(0, n_cols, cell)
    widths = np.diff([*edges, n_cols])
    return np.add.reduceat(chosen.sum(axis=0, dtype=np.int32), edges) / (widths * n_rows)
