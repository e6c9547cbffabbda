"""The outline of an image on the sky."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from gwcs import WCS

    from ._transforms import Box


def box_of(shape: tuple[int, int]) -> Box:
    """An image of so many rows and columns, with its pixel edges: limits of x and of y."""
    n_rows, n_cols = shape
    return (-0.5, n_cols - 0.5), (-0.5, n_rows - 0.5)


def footprint(wcs: WCS) -> np.ndarray:
    """Sky positions of the corners of a WCS's bounding box.

    Returns
    -------
    ndarray, (4, 2), float64
        RA and Dec [deg] at the lower left, upper left, upper right and lower right corner.
    """
    return corners_of(to_sky_of(wcs), limits(wcs))


def to_sky_of(wcs: WCS) -> Callable[..., Any]:
    return partial(wcs, with_bounding_box=False)


def limits(wcs: WCS) -> Box:
    box: Box = wcs.bounding_box.bounding_box(order="F")
    return box


def corners_of(to_sky: Callable[..., Any], box: Box) -> np.ndarray:
    """As `footprint`, from what takes x and y to right ascension and declination."""
    import numpy as np

    (left, right), (bottom, top) = box
    x = np.array([left, left, right, right], float)
    y = np.array([bottom, top, top, bottom], float)
    return np.stack(to_sky(x, y), axis=-1)


def polygon(corners: np.ndarray, start: str) -> str:
    """Write a polygon on the sky, to 1e-9 degrees, after a text such as ``POLYGON ICRS ``."""
    return start + " ".join(f"{number:.9f}" for number in corners.ravel())
