"""Pictures of exposures and reference files; they need matplotlib, which comes with ``plot``.

>>> from romancal_rs import show
>>> figure = show.picture("r0000101001001001001_0001_wfi01_f158_cal.asdf")  # doctest: +SKIP
>>> show.save(figure, "rate.png")  # doctest: +SKIP

`picture` draws what there is to see in a file, with axes and words; `preview` and `thumbnail` give
its pixels alone.
"""

from __future__ import annotations

from .. import _lazy
from .picture import FORMATS, format_of, picture, save
from .preview import PREVIEW, THUMBNAIL, as_png, preview, thumbnail

__all__ = [
    "FORMATS",
    "PREVIEW",
    "THUMBNAIL",
    "as_png",
    "format_of",
    "picture",
    "preview",
    "save",
    "thumbnail",
]

__dir__ = _lazy.listing(__all__)
