"""A picture of one exposure: raw signal, calibrated rate, error and flags."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._files import replacing
from .dqflags import pixel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Categories of flags, the later ones drawn over the earlier; colours that colour-blind readers can
# tell apart.
_OTHER, _JUMP, _SATURATED, _UNUSABLE = range(1, 5)
_CATEGORIES = {
    _OTHER: ("other flag", "#8fa0b3"),
    _JUMP: ("jump", "#0072b2"),
    _SATURATED: ("saturated", "#e69f00"),
    _UNUSABLE: ("do not use", "#c0272d"),
}
_LARGEST_FLAG_PANEL = 1024
_FLAG_CELLS = 340


def draw(
    path: str | os.PathLike[str],
    raw: NDArray,
    rate: NDArray,
    err: NDArray,
    dq: NDArray,
    title: str,
) -> None:
    """Write a PNG with four panels.

    Parameters
    ----------
    path : path
        Where to write it.
    raw : ndarray, (rows, cols)
        The last resultant, with or without border [DN].
    rate, err : ndarray, (rows, cols)
        Calibrated rate and its error [DN / s].
    dq : ndarray, (rows, cols), uint32
        Flags of the rate image.
    title : str
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.6, 11.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    figure.suptitle(title, fontsize=13)
    usable = (dq & pixel["DO_NOT_USE"]) == 0
    _show(figure, axes[0, 0], raw.astype(np.float64), "Raw, last resultant", "DN", "gray")
    masked_rate = np.where(usable, rate, np.nan)
    _show(figure, axes[0, 1], masked_rate, "Calibrated rate", "DN / s", "gray")
    _show(
        figure, axes[1, 0], np.where(usable, err, np.nan), "Error of the rate", "DN / s", "viridis"
    )
    _show_flags(figure, axes[1, 1], dq)
    with replacing(Path(path)) as file:
        figure.savefig(file, format="png")


def _show(figure: Figure, axes: Axes, values: NDArray, title: str, unit: str, colours: str) -> None:
    """One image, linear around its faint end and logarithmic at its bright end."""
    from matplotlib import colormaps
    from matplotlib.colors import AsinhNorm

    finite = values[np.isfinite(values)]
    low, middle, high = np.percentile(finite, [1, 50, 99.7]) if finite.size else (0.0, 0.5, 1.0)
    # Sigma of the faint pixels, from those below the median.
    width = max(middle - np.percentile(finite, 16), 1e-3 * abs(middle), 1e-6) if finite.size else 1
    high = max(high, low + width)
    map_with_bad = colormaps[colours].with_extremes(bad="#5b2333")
    norm = AsinhNorm(2 * width, low, high)
    image = axes.imshow(values, origin="lower", cmap=map_with_bad, norm=norm)
    axes.set_title(title)
    _label_axes(axes)
    bar = figure.colorbar(image, ax=axes, shrink=0.9, extend="both", pad=0.02)
    ticks = round_ticks(low, high, lambda value: float(norm(value)))
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks], minor=False)
    bar.minorticks_off()
    bar.set_label(unit)


def _show_flags(figure: Figure, axes: Axes, dq: NDArray) -> None:
    """Flags in four categories; cells of several pixels show the gravest one in them."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    category = flag_categories(dq)
    counts = np.bincount(category.ravel(), minlength=_UNUSABLE + 1)
    rows, cols = dq.shape
    top = max((rows - _LARGEST_FLAG_PANEL) // 2, 0)
    left = max((cols - _LARGEST_FLAG_PANEL) // 2, 0)
    shown = category[top : top + _LARGEST_FLAG_PANEL, left : left + _LARGEST_FLAG_PANEL]
    cell = -(-max(shown.shape) // _FLAG_CELLS)
    cells = largest_of_cells(shown, cell)
    axes.imshow(
        cells,
        origin="lower",
        cmap=ListedColormap(["white", *(colour for _, colour in _CATEGORIES.values())]),
        vmin=0,
        vmax=_UNUSABLE,
        interpolation="nearest",
        extent=(
            left - 0.5,
            left + cells.shape[1] * cell - 0.5,
            top - 0.5,
            top + cells.shape[0] * cell - 0.5,
        ),
    )
    axes.set_xlim(left - 0.5, left + shown.shape[1] - 0.5)
    axes.set_ylim(top - 0.5, top + shown.shape[0] - 0.5)
    part = "" if shown.shape == dq.shape else f", central {shown.shape[0]} x {shown.shape[1]}"
    axes.set_title(f"Flags{part}")
    _label_axes(axes)
    patches = [
        Patch(facecolor=colour, edgecolor="gray", label=f"{name}: {counts[index]} pixels")
        for index, (name, colour) in _CATEGORIES.items()
    ]
    axes.legend(
        handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=2, frameon=False
    )


def flag_categories(dq: NDArray) -> NDArray[np.uint8]:
    """The gravest category of each pixel: 0 no flag, 1 other, 2 jump, 3 saturated, 4 do not use."""
    category = (dq != 0).astype(np.uint8) * _OTHER
    for flag, index in (
        (pixel["JUMP_DET"], _JUMP),
        (pixel["SATURATED"], _SATURATED),
        (pixel["DO_NOT_USE"], _UNUSABLE),
    ):
        category[(dq & flag) != 0] = index
    return category


def largest_of_cells(values: NDArray, cell: int) -> NDArray:
    """The largest value of each square cell; the last cells are padded with zeros."""
    rows, cols = (-(-size // cell) for size in values.shape)
    padded = np.zeros((rows * cell, cols * cell), dtype=values.dtype)
    padded[: values.shape[0], : values.shape[1]] = values
    return padded.reshape(rows, cell, cols, cell).max(axis=(1, 3))


def round_ticks(low: float, high: float, place: Callable[[float], float]) -> list[float]:
    """Round numbers (0, and 1, 2, 5 times powers of ten) from `low` to `high`, not too close.

    `place` gives the position of a value along the axis, from 0 to 1.
    """
    if high <= 0:
        return []
    decades = range(math.floor(math.log10(high)) - 4, math.floor(math.log10(high)) + 1)
    candidates = [0.0, *(digit * 10.0**decade for decade in decades for digit in (1, 2, 5))]
    ticks: list[float] = []
    for value in candidates:
        if low <= value <= high and (not ticks or place(value) - place(ticks[-1]) > 0.08):
            ticks.append(value)
    return ticks


def _label_axes(axes: Axes) -> None:
    axes.set_xlabel("column")
    axes.set_ylabel("row")
