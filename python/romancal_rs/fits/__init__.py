"""Images as FITS files, for the programs that read these: DS9, jdaviz, photutils, and one's own.

>>> from romancal_rs.fits import export
>>> exported = export("exposure_cal.asdf", "image_for_ds9.fits")
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import _lazy
from .._files import existing_or_local, replacing
from .._version import software_version
from ..datamodels import DataModel, ImageModel, open
from ..errors import InputError
from ._extensions import chosen_arrays, image_extension, metadata_extension
from ._keywords import keywords, primary_header
from ._sip import SipFit, fit_sip, separation

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Exported", "SipFit", "export", "fit_sip", "keywords", "separation", "to_hdulist"]

__dir__ = _lazy.listing(__all__)


@dataclass(frozen=True, repr=False)
class Exported:
    """What was written.

    Attributes
    ----------
    path : pathlib.Path
    extensions : dict of str to str
        By name, what each holds, such as ``"float32 4088 x 4088"``.
    wcs : SipFit or None
        The WCS as FITS has it, with its errors; None if there is none.
    left_out : list of str
        Arrays that were not asked for.
    """

    path: Path
    extensions: dict[str, str]
    wcs: SipFit | None
    left_out: list[str]

    def __str__(self) -> str:
        width = max(len(name) for name in self.extensions)
        lines = [str(self.path)]
        lines += [f"  {name:<{width}}  {what}" for name, what in self.extensions.items()]
        if self.wcs is not None:
            lines.append(f"  WCS: {self.wcs}")
        if self.left_out:
            lines.append(f"  left out: {', '.join(self.left_out)}")
        return "\n".join(lines)

    __repr__ = __str__


def to_hdulist(model: DataModel, *, everything: bool = False) -> fits.HDUList:
    """A model as it goes into a FITS file.

    Parameters
    ----------
    model : DataModel
        An image, a ramp, a Level 1 exposure, or a reference file that has arrays.
    everything : bool
        Whether to take all arrays. Otherwise of an image ``SCI``, ``ERR``, ``DQ`` and variances, of
        a ramp ``SCI``, ``PIXELDQ`` and ``GROUPDQ``; of reference files it is always all.

    Returns
    -------
    astropy.io.fits.HDUList
        A primary header with what the metadata say, an extension for each array, named as it
        (``data`` as ``SCI``), and all metadata as the table ``META``. Half precision is single.

    Raises
    ------
    InputError
        If the model has no arrays of numbers, or a WCS that cannot be written.

    Examples
    --------
    >>> from romancal_rs import datamodels, fits
    >>> with datamodels.open("exposure_cal.asdf") as image:
    ...     hdus = fits.to_hdulist(image)
    >>> hdus["SCI"].header["BUNIT"]
    'DN/s'
    """
    return _made(model, everything)[0]


def _made(model: DataModel, everything: bool) -> tuple[fits.HDUList, SipFit | None, list[str]]:
    from astropy.io import fits
    from astropy.time import Time

    where = model.source or "the model"
    chosen = chosen_arrays(model, everything=everything)
    if not chosen:
        raise InputError(
            f"{where}: a {type(model).__name__} without arrays, of which FITS could have images; "
            "Level 1 exposures, ramps, images and most reference files have arrays"
        )
    wcs = None
    if isinstance(model, ImageModel) and model.has_wcs:
        try:
            wcs = fit_sip(model.meta.wcs, (model.shape[0], model.shape[1]))
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
    primary = fits.PrimaryHDU(header=primary_header(model))
    primary.header["DATE"] = (Time.now().isot, "when this file was made, UTC")
    primary.header["CREATOR"] = (f"romancal-rs {software_version()}", "what wrote this file")
    hdus = fits.HDUList([primary])
    for name in chosen:
        hdus.extend(image_extension(model, name, wcs))
    hdus.append(metadata_extension(model))
    return hdus, wcs, [name for name, _ in model.arrays() if name not in chosen]


def export(
    source: str | os.PathLike[str] | DataModel,
    path: str | os.PathLike[str],
    *,
    everything: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a model as a FITS file, whole or not at all.

    Parameters
    ----------
    source : str, path or DataModel
        What `to_hdulist` takes, or its file.
    path : str or path
        Name of the FITS file, ending in .fits; ``~`` and ``$VARIABLES`` are expanded.
    everything : bool
        See `to_hdulist`.
    overwrite : bool
        Whether to replace a file of that name.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        If the name does not end in .fits, or there is such a file, or the model cannot be exported.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from romancal_rs import fits
    >>> exported = fits.export("exposure_cal.asdf", "image.fits")
    >>> list(exported.extensions)
    ['SCI', 'ERR', 'DQ', 'VAR_POISSON', 'VAR_RNOISE', 'META']
    """
    path = Path(existing_or_local(path, to_write=True))
    if path.suffix.lower() not in (".fits", ".fit"):
        raise InputError(f"{path}: the name of a FITS file ends in .fits")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: there is a file of this name; it is replaced on request only")
    with open(source) as model:
        hdus, wcs, left_out = _made(model, everything)
        hdus[0].header["FILENAME"] = (path.name, "name of this file")
        with replacing(path) as file:
            hdus.writeto(file, output_verify="exception", checksum=True)
    held = {hdu.name: _words(hdu) for hdu in hdus[1:]}
    return Exported(path, held, wcs, left_out)


def _words(hdu: fits.ImageHDU | fits.BinTableHDU) -> str:
    if hdu.header["XTENSION"].strip() == "BINTABLE":
        return f"table of {hdu.header['NAXIS2']} names and values"
    unit = hdu.header.get("BUNIT", "")
    return f"{hdu.data.dtype.name} {' x '.join(map(str, hdu.data.shape))} {unit}".rstrip()
