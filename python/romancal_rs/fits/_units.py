"""Units of arrays, as the mission's schemas state them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..datamodels._errors import ModelError
from ..datamodels._quantities import unit_of as stated_unit

if TYPE_CHECKING:
    from ..datamodels import DataModel

#: What FITS headers have for units that the schemas write otherwise.
_IN_FITS = {
    "MJy.sr**-1": "MJy/sr",
    "MJy**2.sr**-2": "MJy2/sr2",
    "microns": "um",
    "m^2": "m2",
}


def unit_of(model: DataModel, name: str) -> str:
    """The unit of an array as FITS headers have it, such as ``DN/s``; empty if there is none."""
    try:
        stated = stated_unit(model._tree, name)
    except ModelError:
        return ""
    return _IN_FITS.get(stated, stated.replace(" ", ""))
