"""Arrays with their units, which files leave to their schemas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from . import _schema
from ._defaults import is_unknown
from ._errors import ModelError
from ._tree import Tree

if TYPE_CHECKING:
    from astropy.units import Quantity


def quantity(tree: Tree, array: Any, name: str) -> Quantity:
    """An array of a tree with its unit: a view of it, not a copy."""
    import astropy.units as u

    if isinstance(array, u.Quantity):
        return array
    if not hasattr(array, "dtype"):
        raise ModelError(f"{_where(tree)}{name} is not an array, and has no unit")
    return u.Quantity(array, unit_of(tree, name), copy=False, dtype=None, subok=True)


def unit_of(tree: Tree, name: str) -> str:
    """The unit of an array, as the schema has it.

    Raises
    ------
    ModelError
        If the schema states none.
    """
    stated = tree.place(name).keyword("unit")
    if stated is None:
        raise ModelError(
            f"{_where(tree)}the schema of {_schema.kind_of(tree.tag)} states no unit of {name}"
        )
    if isinstance(stated, str):
        return stated
    # Images are rates as long as no step made them surface brightnesses. Ramps are counts.
    return str(stated[1] if is_surface_brightness(tree) else stated[0])


def is_surface_brightness(tree: Tree) -> bool:
    """Whether an image was converted, as the mission's flux step does it, to MJy/sr."""
    steps = tree.data.get("meta", {}).get("cal_step")
    return isinstance(steps, dict) and steps.get("flux") == "COMPLETE"


def rate(tree: Tree, array: Any, name: str) -> Quantity:
    """An array of an image that is still a rate, with its unit."""
    if is_surface_brightness(tree):
        raise ModelError(
            f"{_where(tree)}{name} is not a rate any more: meta.cal_step.flux is COMPLETE, so it "
            "is in MJy/sr (surface_brightness)"
        )
    return quantity(tree, array, name)


def plain(now: Quantity, value: Any, name: str, array: str) -> Any:
    """The numbers of what is assigned in place of an array with a unit, in that unit.

    ``image.rate *= 2`` assigns too: to the array that it has changed already.
    """
    import astropy.units as u

    if not isinstance(value, u.Quantity):
        raise ModelError(
            f"{name}: expected a Quantity [{now.unit}], got {type(value).__name__}; plain numbers "
            f"are assigned to {array}"
        )
    try:
        return value.to_value(now.unit)
    except u.UnitConversionError:
        raise ModelError(f"{name}: expected a Quantity [{now.unit}], got {value.unit}") from None


def surface_brightness(tree: Tree, array: Any) -> Quantity:
    """The data of an image [MJy/sr]."""
    import astropy.units as u

    if is_surface_brightness(tree):
        return quantity(tree, array, "data")
    photometry = tree.data["meta"].get("photometry")
    conversion = photometry.get("conversion_megajanskys") if isinstance(photometry, dict) else None
    if conversion is None or is_unknown(conversion) or not math.isfinite(conversion):
        raise ModelError(
            f"{_where(tree)}meta.photometry.conversion_megajanskys is not known, so rates cannot "
            "be converted to surface brightness; the photom step sets it"
        )
    return u.Quantity(array * array.dtype.type(conversion), "MJy / sr", copy=False)


def _where(tree: Tree) -> str:
    return f"{tree.source}: " if tree.source else ""
