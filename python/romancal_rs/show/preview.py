"""Small pictures without axes, of nothing but the pixels: previews and thumbnails."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import datamodels
from .._plotting import require_matplotlib
from ..datamodels import DataModel
from .draw import draw_compass, painted
from .flags import category_shares
from .panels import unusable
from .picture import representative
from .scaling import cell_for, shrink, stretch
from .sky import Sky, sky_of
from .theme import DARK

__all__ = ["PREVIEW", "THUMBNAIL", "as_png", "preview", "thumbnail"]

#: Columns and rows that a preview has at most.
PREVIEW = (1920, 1080)

#: Pixels along the longer side of a thumbnail, at most.
THUMBNAIL = 256

_COLOURS = "afmhot"  # those of the mission's own previews
_UNUSABLE = "#3a4a63"
_DPI = 160  # of the arrows; the pixels are as many as they are


def thumbnail(
    source: DataModel | str | os.PathLike[str], size: int = THUMBNAIL
) -> NDArray[np.uint8]:
    """The image of a product or reference, small.

    Parameters
    ----------
    source : DataModel or path
        A rate image, a ramp or raw exposure (last minus first resultant), or a reference file with
        images (its first; of a mask the map of its flags).
    size : int, optional
        Pixels along the longer side, at most. Larger images are means of cells, smaller ones are
        magnified by a whole number.

    Returns
    -------
    ndarray, (height, width, 3), uint8
        Red, green and blue; the first row is the top one, which is the last of the detector.

    Raises
    ------
    InputError
        If it has no image.
    PlotExtraError
        If matplotlib, whose colours it has, is not installed.
    """
    return _of_pixels(source, (size, size), compass=False)


def preview(
    source: DataModel | str | os.PathLike[str],
    within: tuple[int, int] = PREVIEW,
    *,
    compass: bool = True,
) -> NDArray[np.uint8]:
    """The image of a product or reference, as large as a screen.

    Parameters
    ----------
    source
        As of `thumbnail`, and so are the result and what it raises.
    within : (int, int), optional
        Columns and rows that it has at most.
    compass : bool, optional
        Whether to draw arrows to the north and the east where the file tells where they are.

    Examples
    --------
    >>> from romancal_rs import datamodels, show
    >>> with datamodels.open("exposure_cal.asdf") as image:
    ...     pixels = show.preview(image)
    >>> pixels.dtype, pixels.ndim
    (dtype('uint8'), 3)
    """
    return _of_pixels(source, within, compass)


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an image of `thumbnail` or `preview` as a PNG file.

    Parameters
    ----------
    pixels : ndarray, (n_rows, n_cols), uint8
        Grey values; row 0 is at the top.

    Returns
    -------
    bytes
        The content of the file.
    """
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, pixels, format="png")
    return file.getvalue()


def _of_pixels(
    source: DataModel | str | os.PathLike[str], within: tuple[int, int], compass: bool
) -> NDArray[np.uint8]:
    require_matplotlib("romancal_rs.show")
    if isinstance(source, DataModel):
        return _painted(source, within, compass)
    with datamodels.open(source) as model:
        return _painted(model, within, compass)


def _painted(model: DataModel, within: tuple[int, int], compass: bool) -> NDArray[np.uint8]:
    from matplotlib import colormaps

    values, dq = representative(model)
    width, height = within
    n_rows, n_cols = values.shape
    cell = max(cell_for((n_cols,), width), cell_for((n_rows,), height))
    if values is dq:
        colours = painted(category_shares(dq, cell)[0], DARK)
        pixels = (255 * colours).round().astype(np.uint8)
    else:
        cells = shrink(values, cell, None if dq is None else unusable(dq))
        scale = colormaps[_COLOURS].with_extremes(bad=_UNUSABLE)
        pixels = scale(stretch(cells)(cells), bytes=True)[..., :3]
    times = max(1, min(width // pixels.shape[1], height // pixels.shape[0]))
    # Rows of a picture are counted from above, those of a detector from below.
    pixels = np.ascontiguousarray(pixels[::-1].repeat(times, axis=0).repeat(times, axis=1))
    sky = sky_of(model) if compass else None
    return pixels if sky is None else _with_compass(pixels, (n_rows, n_cols), sky)


def _with_compass(pixels: NDArray[np.uint8], shape: tuple[int, int], sky: Sky) -> NDArray[np.uint8]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = pixels.shape[1] / _DPI, pixels.shape[0] / _DPI
    figure = Figure(figsize=size, dpi=_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    figure.figimage(pixels, zorder=-1)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set_xlim(-0.5, shape[1] - 0.5)
    axes.set_ylim(-0.5, shape[0] - 0.5)
    draw_compass(axes, size, shape, sky)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]
