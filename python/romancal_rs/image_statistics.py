"""``meta.statistics`` of an image: a few numbers that tell what it is like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import kernels

if TYPE_CHECKING:
    from .datamodels import ImageModel

__all__ = ["fill_statistics"]

#: What stands for the zodiacal light, of which nobody has a model yet.
NO_ZODIACAL_LIGHT = -1.0
#: The arrays that tell which pixels are good.
ARRAYS = ("data", "dq", "err")


def fill_statistics(image: ImageModel) -> None:
    """Fills ``meta.statistics`` of an image, in place; nothing happens where an array is missing.

    Median and rms are NaN where no pixel is good, as in romancal 1.1.0.
    """
    if not all(name in image for name in ARRAYS):
        return
    found = kernels.image_statistics(*(image.stored(name) for name in ARRAYS))
    image.meta["statistics"] = {
        "zodiacal_light": NO_ZODIACAL_LIGHT,
        "image_median": found.median,
        "image_rms": found.rms,
        "good_pixel_fraction": found.good_pixel_fraction,
    }
