"""What a picture consists of: panels, each ready to be drawn, with no more than is shown."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dqflags import DO_NOT_USE, counts
from .flags import category_shares, flag_share, flagged_pixels
from .scaling import cell_for, shrink_and_count, strips
from .sky import Sky

__all__ = ["CELLS", "Arrows", "Curve", "Curves", "FlagMap", "Image", "Layer", "Panel", "SkyGrid"]

#: Cells along the longer side of an image: as many as a panel has dots.
CELLS = 690

_NOTE = 72  # letters in a line of notes


@dataclass
class Panel:
    """One part of a picture.

    Attributes
    ----------
    title : str
    notes : list of str
        Lines below it.
    """

    title: str
    notes: list[str] = field(default_factory=list, kw_only=True)


@dataclass
class Pixels(Panel):
    """A part that has the detector's rows and columns.

    Attributes
    ----------
    shape : (n_rows, n_cols)
    cell : int
        Side of the square cells of pixels that are shown as one.
    """

    shape: tuple[int, int]
    cell: int


@dataclass
class Image(Pixels):
    """An image.

    Attributes
    ----------
    cells : ndarray, float32
        Means of the cells; NaN where no pixel of a cell is usable.
    unit : str
        Of the values, as it is printed.
    is_sky : bool
        Whether it looks like the sky, and is shown in grey.
    n_unusable : int
        Pixels left out of the means.
    left_out : str
        What they are.
    sky : Sky, optional
        World coordinates.
    """

    cells: NDArray[np.float32]
    unit: str = ""
    is_sky: bool = False
    n_unusable: int = 0
    left_out: str = "not usable"
    sky: Sky | None = None

    @classmethod
    def of(
        cls,
        title: str,
        values: NDArray[Any],
        *,
        bad: NDArray[np.bool_] | None = None,
        unit: str = "",
        is_sky: bool = False,
        sky: Sky | None = None,
        notes: list[str] | None = None,
    ) -> Image:
        """An image of at most `CELLS` cells along a side.

        Parameters
        ----------
        values : ndarray, (n_rows, n_cols)
        bad : ndarray, (n_rows, n_cols), bool, optional
            Pixels to leave out, as of `unusable`; those that are not finite always are.
        """
        cell = cell_for(values.shape, CELLS)
        cells, n_usable = shrink_and_count(values, cell, bad)
        n_rows, n_cols = values.shape
        return cls(
            title,
            (n_rows, n_cols),
            cell,
            cells,
            unit,
            is_sky,
            values.size - n_usable,
            "no number" if bad is None else "not usable",
            sky,
            notes=notes or [],
        )


@dataclass
class FlagMap(Pixels):
    """A map of all flags, in categories.

    Attributes
    ----------
    shares : ndarray, (n_categories, rows, cols), float32
    counts : list of int
        Pixels that have a flag of each category, also where a graver one covers it.
    """

    shares: NDArray[np.float32]
    counts: list[int]

    @classmethod
    def of(cls, title: str, dq: NDArray[Any], *, named: bool = False) -> FlagMap:
        """A map of at most `CELLS` cells along a side.

        Parameters
        ----------
        dq : ndarray, (n_rows, n_cols), uint8 or uint32
        named : bool, optional
            Whether the notes tell how many pixels each flag has.
        """
        cell = cell_for(dq.shape, CELLS)
        notes = []
        if named:
            found = [f"{name}\u00a0{number:,}" for name, number in counts(dq).items()]
            notes = shorten(", ".join(found) or "no flags", 3)
        shape = dq.shape[0], dq.shape[1]
        shares, _ = category_shares(dq, cell)
        return cls(title, shape, cell, shares, flagged_pixels(dq), notes=notes)


@dataclass
class Layer(Pixels):
    """A map of one flag.

    Attributes
    ----------
    share : ndarray, float32
        Of the pixels of each cell that have it.
    count : int
        Pixels that have it.
    """

    share: NDArray[np.float32]
    count: int

    @classmethod
    def of(cls, name: str, dq: NDArray[Any], bit: int) -> Layer:
        """The map of a flag, of at most `CELLS` cells along a side."""
        cell = cell_for(dq.shape, CELLS)
        chosen = dq.dtype.type(bit & np.iinfo(dq.dtype).max)
        count = sum(int(np.count_nonzero(dq[rows] & chosen)) for rows in strips(dq.shape[0], 64))
        return cls(name, (dq.shape[0], dq.shape[1]), cell, flag_share(dq, bit, cell), count)


@dataclass
class Curve:
    """A line, or points.

    Attributes
    ----------
    x, y : sequence of float, or of str for `x` where these are names
    label : str
        In the legend; empty for none.
    low, high : sequence of float, optional
        Limits of a band around it.
    colour : int
        Which of the theme's colours of curves.
    style : str
        As matplotlib has it: ``-`` a line, ``o`` points, ``o-`` both.
    """

    x: Any
    y: Any
    label: str = ""
    low: Any = None
    high: Any = None
    colour: int = 0
    style: str = "-"


@dataclass
class Curves(Panel):
    """Lines over an axis."""

    x_label: str
    y_label: str
    curves: list[Curve]
    x_log: bool = False
    y_log: bool = False


@dataclass
class Arrows(Panel):
    """Shifts at places of the detector.

    Attributes
    ----------
    shape : (n_rows, n_cols)
    x, y, dx, dy : ndarray
        Places and shifts [pixel].
    """

    shape: tuple[int, int]
    x: NDArray[Any]
    y: NDArray[Any]
    dx: NDArray[Any]
    dy: NDArray[Any]


@dataclass
class SkyGrid(Panel):
    """The grid of right ascension and declination over a detector."""

    shape: tuple[int, int]
    sky: Sky


def shorten(text: str, most: int) -> list[str]:
    """A text in at most so many lines as wide as a panel; what is left out is a sign."""
    lines = textwrap.wrap(text, _NOTE)
    return (
        lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1][: _NOTE - 4]} ..."]
    )


def unusable(dq: NDArray[Any]) -> NDArray[np.bool_]:
    """Where pixels are flagged DO_NOT_USE; made strip by strip, to need no copy of the flags."""
    bad = np.empty(dq.shape, bool)
    for rows in strips(dq.shape[0], 64):
        np.not_equal(dq[rows] & dq.dtype.type(DO_NOT_USE), 0, out=bad[rows])
    return bad
