"""Pictures of exposures and reference files; they need matplotlib, which comes with ``plot``.

>>> from romancal_rs import show
>>> figure = show.picture("exposure_cal.asdf")
>>> path = show.save(figure, "rate.png")

`picture` draws what there is to see in a file, with axes and words; `preview` and `thumbnail` give
its pixels alone. `pixel_ramp` computes the ramp of one pixel and its fit again, without matplotlib;
`draw_pixel_ramp` draws them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _lazy
from .picture import FORMATS, format_of, picture, save
from .preview import PREVIEW, THUMBNAIL, as_png, preview, thumbnail

if TYPE_CHECKING:
    from .look import pixel_ramp
    from .ramp_figure import draw_pixel_ramp
    from .ramp_record import PixelRamp

__all__ = [
    "FORMATS",
    "PREVIEW",
    "THUMBNAIL",
    "PixelRamp",
    "as_png",
    "draw_pixel_ramp",
    "format_of",
    "picture",
    "pixel_ramp",
    "preview",
    "save",
    "thumbnail",
]

_PLACES = {
    "PixelRamp": "ramp_record",
    "draw_pixel_ramp": "ramp_figure",
    "pixel_ramp": "look",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.public(__name__, __all__, places=_PLACES)
