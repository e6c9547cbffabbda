"""Small, valid and obviously made-up models for tests and examples.

Each ``create_...`` function returns a node, from which the model is made::

    >>> from romancal_rs.datamodels import ImageModel
    >>> from romancal_rs.datamodels.testing import create_wfi_image
    >>> ImageModel(create_wfi_image()).shape
    (8, 8)

Metadata that nobody gave are "?", -999999 and the like. All functions take the keywords

shape
    Shape of the main array.
detector, optical_element
    Of the instrument.
meta
    More metadata, by dotted name: ``{"exposure.frame_time": 3.04}``.
arrays and tables by their name
    ``data=...``, to replace a made-up one.

and those of exposures also `exposure_type` and `read_pattern` (1-based read numbers).
"""

from ... import _lazy
from .exposures import create_ramp, create_ramp_fit_output, create_wfi_image, create_wfi_science_raw
from .references import (
    create_apcorr,
    create_area,
    create_bam,
    create_dark,
    create_darkdecaysignal,
    create_distortion,
    create_epsf,
    create_flat,
    create_gain,
    create_integralnonlinearity,
    create_inverselinearity,
    create_linearity,
    create_mask,
    create_photom,
    create_pixelarea,
    create_readnoise,
    create_refpix,
    create_saturation,
    create_wfi_img_photom,
)

__all__ = [
    "create_apcorr",
    "create_area",
    "create_bam",
    "create_dark",
    "create_darkdecaysignal",
    "create_distortion",
    "create_epsf",
    "create_flat",
    "create_gain",
    "create_integralnonlinearity",
    "create_inverselinearity",
    "create_linearity",
    "create_mask",
    "create_photom",
    "create_pixelarea",
    "create_ramp",
    "create_ramp_fit_output",
    "create_readnoise",
    "create_refpix",
    "create_saturation",
    "create_wfi_image",
    "create_wfi_img_photom",
    "create_wfi_science_raw",
]

__dir__ = _lazy.listing(__all__)
