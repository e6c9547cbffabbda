"""The arrays of a model as extensions of a FITS file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dqflags
from ..datamodels import ImageModel, RampModel, ScienceRawModel
from ._keywords import rows, science_keywords
from ._units import unit_of

if TYPE_CHECKING:
    from astropy.io import fits

    from ..datamodels import DataModel
    from ._sip import SipFit

__all__ = ["chosen_arrays", "image_extension", "metadata_extension"]

#: What is exported of a kind unless all is asked for; of other kinds it is everything.
_CHOSEN: dict[type[DataModel], tuple[str, ...]] = {
    ScienceRawModel: ("data", "resultantdq"),
    RampModel: ("data", "pixeldq", "groupdq"),
    ImageModel: ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat"),
}
#: The widths of integers and of floating-point numbers that FITS has.
_KINDS = "iuf"


def chosen_arrays(model: DataModel, *, everything: bool) -> list[str]:
    """Names of the arrays to export, in their order: those of all images first."""
    there = [name for name, array in model.arrays() if np.dtype(array.dtype).kind in _KINDS + "bc"]
    chosen = _CHOSEN.get(type(model), ())
    first = [name for name in chosen if name in there]
    if first and not everything:
        return first
    return first + [name for name in there if name not in first]


def image_extension(model: DataModel, name: str, wcs: SipFit | None) -> Iterator[fits.ImageHDU]:
    """An array as an extension; one of complex numbers as two.

    Parameters
    ----------
    model
    name
        Of the array, dotted.
    wcs
        The WCS of the image's pixels.
    """
    from astropy.io import fits

    values: Any = np.asarray(model[name])
    title = "SCI" if name == "data" else name.upper()
    if values.dtype.kind == "c":
        parts = {f"{title}_REAL": values.real, f"{title}_IMAG": values.imag}
    else:
        parts = {title: values.view(np.uint8) if values.dtype == bool else values}
    for extension, part in parts.items():
        hdu = fits.ImageHDU(np.ascontiguousarray(part), name=extension, ver=1)
        unit = unit_of(model, name)
        if unit:
            hdu.header["BUNIT"] = (unit, "unit of the values")
        if name == "data" and isinstance(model, ImageModel):
            hdu.header.extend(science_keywords(model))
        if wcs is not None and isinstance(model, ImageModel) and part.shape == model.shape:
            hdu.header.extend(wcs.header.cards)
        if "dq" in name and part.dtype.kind == "u":
            _describe_flags(hdu.header, part.dtype)
        yield hdu


def _describe_flags(header: fits.Header, dtype: np.dtype) -> None:
    kind = dqflags.group if dtype.itemsize == 1 else dqflags.pixel
    header.add_comment("Values of the flags, which are added up:")
    for bit in range(8 * dtype.itemsize):
        (name,) = dqflags.names(1 << bit, kind)
        if not name.startswith(("BIT_", "RESERVED")):
            header.add_comment(f"{1 << bit:>10} {name}")


def metadata_extension(model: DataModel) -> fits.BinTableHDU:
    """All metadata, and whatever else is no array, as a table of names and texts."""
    from astropy.io import fits

    found = list(rows({name: model._tree.data[name] for name in model}))
    columns = [
        fits.Column(title, f"{max([1, *map(len, texts)])}A", array=np.array(texts, "S"))
        for title, texts in zip(("name", "value"), zip(*found, strict=True), strict=True)
    ]
    return fits.BinTableHDU.from_columns(columns, name="META", ver=1)
