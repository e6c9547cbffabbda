"""Where an image lies on the sky: its axes in right ascension and declination, north and east."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..datamodels import DataModel

__all__ = ["Sky", "sky_of"]


@dataclass(frozen=True)
class Sky:
    """The world coordinates of an image.

    Attributes
    ----------
    wcs : gwcs.WCS or any WCS of astropy's shared interface (APE 14)
        From (x, y) in pixels, counted from 0, to right ascension and declination in degrees.
    """

    wcs: Any

    def at(self, x: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Right ascension and declination [deg] of pixels, also beyond the bounding box."""
        if hasattr(self.wcs, "bounding_box") and hasattr(self.wcs, "invert"):  # a gwcs
            ra, dec = self.wcs(x, y, with_bounding_box=False)
        else:
            ra, dec = self.wcs.pixel_to_world_values(x, y)
        return np.asarray(ra, float), np.asarray(dec, float)

    def north_and_east(self, x: float, y: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """Unit vectors (x, y), in pixels, along which declination and right ascension grow."""
        # Degrees on the sky per pixel: rows are east and north, columns x and y.
        inverse = np.linalg.inv(self.scale(x, y))
        east, north = inverse[:, 0], inverse[:, 1]
        return north / np.hypot(*north), east / np.hypot(*east)

    def scale(self, x: float, y: float, step: float = 1.0) -> NDArray[Any]:
        """How far one goes to the east and north (rows) along x and y (columns) [deg/pixel]."""
        ra, dec = self.at(
            x + step * np.array([-1, 1, 0, 0]) / 2, y + step * np.array([0, 0, -1, 1]) / 2
        )
        across = (np.diff(ra)[::2] + 180) % 360 - 180
        return np.array([across * np.cos(np.radians(dec.mean())), np.diff(dec)[::2]]) / step

    def ra_runs_along_x(self, x: float, y: float) -> bool:
        """Whether right ascension changes along rows of the image rather than along columns."""
        along, across = self._along_and_across(x, y)
        return along >= across

    def obliqueness(self, x: float, y: float) -> float:
        """From 0, where the axes of the image are those of the sky, to 1, half way between them."""
        along, across = self._along_and_across(x, y)
        return min(along, across) / max(along, across)

    def _along_and_across(self, x: float, y: float) -> tuple[float, float]:
        (east_x, east_y), (north_x, north_y) = np.abs(self.scale(x, y))
        return float(np.sqrt(east_x * north_y)), float(np.sqrt(east_y * north_x))

    @cached_property
    def for_axes(self) -> Any:
        """The WCS for axes of astropy, which look beyond the edges of an image."""
        from astropy.wcs.wcsapi.wrappers.base import BaseWCSWrapper

        sky = self

        class Unbounded(BaseWCSWrapper):  # type: ignore[misc]
            def pixel_to_world_values(self, *pixels: Any) -> tuple[NDArray[Any], NDArray[Any]]:
                return sky.at(*pixels)

            def world_to_pixel_values(self, *world: Any) -> Any:
                return self._wcs.world_to_pixel_values(*world)

        return Unbounded(self.wcs)


def sky_of(model: DataModel) -> Sky | None:
    """The world coordinates of a Level 2 image or of a WCS product; None where it has none.

    Those that say nothing about their image, because they give no finite numbers or one place for
    all pixels, count as none.
    """
    from ..datamodels import ImageModel, WfiWcsModel

    if isinstance(model, ImageModel) and model.has_wcs:
        sky, shape = Sky(model.meta.wcs), model.shape
    elif isinstance(model, WfiWcsModel):
        sky = Sky(model.wcs_l2)
        shape = shape_of(sky)
    else:
        return None
    x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    scale = sky.scale(x, y)
    corners = sky.at(np.array([0.0, 2 * x, 0.0, 2 * x]), np.array([0.0, 0.0, 2 * y, 2 * y]))
    if not (np.isfinite(corners).all() and np.isfinite(scale).all()):
        return None
    return sky if abs(np.linalg.det(scale)) > 0 else None


def shape_of(sky: Sky) -> tuple[int, int]:
    """Rows and columns of the image that a WCS is of, as its bounding box has them."""
    box = getattr(sky.wcs, "bounding_box", None)
    if box is None:
        return 4088, 4088
    (low_x, high_x), (low_y, high_y) = box.bounding_box(order="F")
    return round(high_y - low_y), round(high_x - low_x)
