"""An image as astropy has images: `ImageModel.to_ccddata`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import dqflags

if TYPE_CHECKING:
    from astropy.nddata import CCDData

    from ._exposures import ImageModel


def ccddata_of(image: ImageModel) -> CCDData:
    """See `ImageModel.to_ccddata`."""
    from astropy import units as u
    from astropy.nddata import CCDData, StdDevUncertainty
    from astropy.wcs import WCS

    from ..fits._keywords import keywords
    from ..fits._sip import fit_sip
    from ..fits._units import unit_of

    unit = u.Unit(unit_of(image, "data"))
    uncertainty = None
    if "err" in image:
        uncertainty = StdDevUncertainty(np.asarray(image.err), unit=unit, copy=False)
    wcs = None
    if image.has_wcs:
        wcs = WCS(fit_sip(image.meta.wcs, (image.shape[0], image.shape[1])).header)
        wcs.array_shape = image.shape
    return CCDData(
        np.asarray(image.data),
        uncertainty=uncertainty,
        mask=(image.dq & dqflags.DO_NOT_USE) != 0,
        flags=image.dq,
        wcs=wcs,
        meta=keywords(image),
        unit=unit,
    )
