"""The page of an exposure: a Level 2 image, a ramp, or Level 1, as far as each goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .gathered import Gathered
from .html import Html, document, element, join
from .image_parts import histograms, pictures_of, place_on_the_sky
from .ramp_parts import flags, jumps, reference_pixels
from .record_parts import footer, header, messages, steps
from .style import STYLE

if TYPE_CHECKING:
    from ..datamodels import DataModel

__all__ = ["fragment", "page"]

#: In their order, by what links name them by. Later ones go by what earlier ones found.
_PARTS = {
    "pictures": pictures_of,
    "sky": place_on_the_sky,
    "histograms": histograms,
    "flags": flags,
    "jumps": jumps,
    "border": reference_pixels,
    "steps": steps,
    "messages": messages,
}


def page(model: DataModel, raw: str | os.PathLike[str] | None = None) -> Html:
    """The whole page of an exposure; see `Gathered` for the parameters."""
    of = Gathered(model, raw)
    return document(f"{of.name}: report", _parts(of), STYLE)


def fragment(model: DataModel, raw: str | os.PathLike[str] | None = None) -> Html:
    """The same as a part of another page, such as a notebook."""
    return join(
        [element("style", Html(STYLE)), element("div", *_parts(Gathered(model, raw)), class_="rr")]
    )


def _parts(of: Gathered) -> list[Html]:
    with of.with_others():
        made = {key: part for key, write in _PARTS.items() if (part := write(of)) is not None}
    return [header(of, made), *made.values(), footer(of)]
