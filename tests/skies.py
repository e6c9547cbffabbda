"""World coordinates made by hand, whose north and east are known."""

from __future__ import annotations

import numpy as np

SCALE = 0.11 / 3600  # degrees a pixel


def fits_wcs(matrix, at=(150.0, 2.0)):
    """A tangential projection whose columns of `matrix` are east and north along x and y."""
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = at
    wcs.wcs.crpix = [51, 41]
    wcs.wcs.cd = SCALE * np.array(matrix)
    return wcs


def gwcs_of(matrix, at=(150.0, 2.0), box=None):
    """The same as a gwcs without an inverse of its distortion."""
    from astropy import units
    from astropy.coordinates import ICRS
    from astropy.modeling.models import (
        Mapping,
        Pix2Sky_TAN,
        Polynomial2D,
        RotateNative2Celestial,
        Shift,
    )
    from gwcs import WCS, coordinate_frames

    (a, b), (c, d) = SCALE * np.array(matrix)
    linear = Mapping((0, 1, 0, 1)) | (
        Polynomial2D(1, c1_0=a, c0_1=b) & Polynomial2D(1, c1_0=c, c0_1=d)
    )
    transform = (
        (Shift(-50) & Shift(-40)) | linear | Pix2Sky_TAN() | RotateNative2Celestial(*at, 180)
    )
    detector = coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    world = coordinate_frames.CelestialFrame(reference_frame=ICRS(), name="world")
    wcs = WCS([(detector, transform), (world, None)])
    if box is not None:
        wcs.bounding_box = box
    return wcs


NORTH_UP_EAST_LEFT = [[-1, 0], [0, 1]]
MIRRORED = [[1, 0], [0, 1]]
TURNED = [[0, 1], [1, 0]]  # east up, north to the right
COS, SIN = np.cos(np.radians(30)), np.sin(np.radians(30))
BY_30_DEGREES = [[-COS, -SIN], [-SIN, COS]]
DIAGONAL = np.array([[-1, 1], [1, 1]]) / np.sqrt(2)
