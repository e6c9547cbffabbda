"""The pictures of a page: images on a colour scale, flags as maps, thumbnails."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..show.flags import CATEGORIES, category_shares, flag_share
from ..show.scaling import cell_for, round_ticks, shrink, stretch
from .charts import INK, new_figure, png, style, svg
from .html import Html, element

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["flag_map", "image", "share_map", "thumbnail"]

#: Cells along the longer side of an image, of a small map, of a thumbnail.
CELLS, SMALL_CELLS, THUMBNAIL_CELLS = 400, 128, 128
#: Of `show.flags.CATEGORIES`, on a light page as on a dark one.
CATEGORY_COLOURS = ("#8fa0b3", "#3b8edb", "#e69f00", "#d0342c")
#: Fewer than a map has: a picture of noise is the smaller for it, and looks the same.
_COLOURS = 128
_SHADES = 32
#: Room for a colour scale, or a legend, beside an image [inches].
_BESIDE = 0.9
#: Opacity of a cell with a lone flagged pixel, which is to be seen.
_FAINTEST = 0.45
_JPEG_QUALITY = 82


def image(
    values: NDArray[Any],
    bad: NDArray[np.bool_] | None,
    key: str,
    title: str,
    label: str,
    colours: str = "gray",
) -> Html:
    """An image with its rows, columns and colour scale.

    Parameters
    ----------
    values : ndarray, (n_rows, n_cols)
    bad : ndarray, (n_rows, n_cols), bool, optional
        Pixels that are left out; a cell that has no other is red.
    key, title : str
        See `charts.svg`.
    label : str
        Of the colour scale, with the unit.
    colours : str
        A colour map of matplotlib.
    """
    from matplotlib import colormaps

    cell = cell_for(values.shape, CELLS)
    means = shrink(values, cell, bad)
    norm = stretch(means)
    with style():
        figure, axes = new_figure(0, right=_BESIDE)
        colour_map = colormaps[colours].resampled(_COLOURS).with_extremes(bad=CATEGORY_COLOURS[-1])
        axes.imshow(
            means,
            origin="lower",
            cmap=colour_map,
            norm=norm,
            interpolation="none",
            extent=extent_of(means.shape, cell),
        )
        pixel_axes(axes, values.shape)
        bar = axes.inset_axes((1.03, 0, 0.045, 1))
        bar.grid(visible=False)
        bar.imshow(
            np.linspace(0, 1, _COLOURS)[:, None],
            cmap=colour_map,
            origin="lower",
            aspect="auto",
            interpolation="none",
            extent=(0, 1, 0, 1),
        )
        ticks = round_ticks(float(norm.vmin), float(norm.vmax), lambda value: float(norm(value)))
        places = [float(norm(tick)) for tick in ticks]
        bar.set_yticks(places, [f"{tick:g}" for tick in ticks])
        bar.set_xticks([])
        bar.yaxis.tick_right()
        bar.yaxis.set_label_position("right")
        bar.set_ylabel(label)
        return svg(figure, key, title)


def flag_map(dq: NDArray[Any], key: str, title: str) -> tuple[Html, dict[str, int]]:
    """A map of the flags, each cell in the colour of the gravest in it.

    Returns
    -------
    Html
        The fainter the fewer of a cell's pixels have the flag.
    dict of str to int
        Pixels of each category; one with several flags counts for the gravest.
    """
    from matplotlib.colors import to_rgba_array
    from matplotlib.patches import Patch

    cell = cell_for(dq.shape, CELLS)
    shares, counts = category_shares(dq, cell)
    colours = (255 * to_rgba_array(CATEGORY_COLOURS)).astype(np.uint8)
    pixels = np.zeros((*shares.shape[1:], 4), np.uint8)
    for share, colour in zip(shares, colours, strict=True):  # the gravest last
        some = share > 0
        pixels[some] = colour
        pixels[some, 3] = _opacity(share[some])
    with style():
        figure, axes = new_figure(0, right=_BESIDE)
        axes.imshow(
            pixels, origin="lower", interpolation="none", extent=extent_of(shares.shape[1:], cell)
        )
        pixel_axes(axes, dq.shape)
        handles = [
            Patch(facecolor=colour, edgecolor=INK, linewidth=0.5, label=kind.name)
            for kind, colour in zip(CATEGORIES, CATEGORY_COLOURS, strict=True)
        ]
        axes.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            borderaxespad=0.2,
            handlelength=1.0,
            handletextpad=0.4,
            fontsize=8.5,
        )
        shown = svg(figure, key, title)
    return shown, {kind.name: count for kind, count in zip(CATEGORIES, counts, strict=True)}


def share_map(dq: NDArray[Any], bits: int, alt: str) -> tuple[Html, float]:
    """A small map of some flags: the more opaque the more of a cell's pixels have one.

    Returns
    -------
    Html
    float
        The share that is opaque, the largest of all cells.
    """
    cell = cell_for(dq.shape, SMALL_CELLS)
    share = flag_share(dq, bits, cell)
    largest = float(share.max(initial=0)) or 1.0
    shade = np.zeros(share.shape, np.uint8)
    some = share > 0
    shade[some] = np.ceil(np.sqrt(share[some] / largest) * (_SHADES - 1))
    palette = np.empty((_SHADES, 4), np.uint8)
    palette[:, :3] = (208, 52, 44)
    palette[:, 3] = np.round(255 * np.linspace(0, 1, _SHADES))
    address = png(shade[::-1], palette)
    size = {"width": str(share.shape[1]), "height": str(share.shape[0])}
    return element("img", src=address, alt=alt, class_="map", **size), largest


def thumbnail(values: NDArray[Any], bad: NDArray[np.bool_] | None) -> str:
    """A small grey picture as the address that holds it.

    Parameters
    ----------
    values : ndarray, (n_rows, n_cols)
    bad : ndarray, (n_rows, n_cols), bool, optional
        Pixels that are left out; a cell that has no other is black.
    """
    from PIL import Image

    means = shrink(values, cell_for(values.shape, THUMBNAIL_CELLS), bad)
    scaled = np.ma.filled(stretch(means)(np.ma.masked_invalid(means)), 0.0)
    grey = np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)[::-1]
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="jpeg", quality=_JPEG_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _opacity(share: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Of a share of a cell, in steps."""
    steps = np.ceil(np.sqrt(share) * _SHADES) / _SHADES
    return np.round(255 * (_FAINTEST + (1 - _FAINTEST) * steps)).astype(np.uint8)


def extent_of(shape: Sequence[int], cell: int) -> tuple[float, float, float, float]:
    """Where cells lie, in pixels."""
    return -0.5, shape[1] * cell - 0.5, -0.5, shape[0] * cell - 0.5


def pixel_axes(axes: Axes, shape: Sequence[int]) -> None:
    """Axes of an image of that shape."""
    axes.grid(visible=False)
    axes.set_xlim(-0.5, shape[1] - 0.5)
    axes.set_ylim(-0.5, shape[0] - 0.5)
    axes.set_xlabel("column")
    axes.set_ylabel("row")
