"""North and east, and what a WCS has to be."""

from __future__ import annotations

import numpy as np
import pytest

from romancal_rs.datamodels import ImageModel, testing
from romancal_rs.show.sky import Sky, sky_of

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


@pytest.mark.parametrize("make", [fits_wcs, gwcs_of])
@pytest.mark.parametrize("at", [(150.0, 2.0), (0.0, -66.0), (359.99999, 89.0)])
@pytest.mark.parametrize(
    ("matrix", "north", "east"),
    [
        (NORTH_UP_EAST_LEFT, (0, 1), (-1, 0)),
        (MIRRORED, (0, 1), (1, 0)),
        (TURNED, (1, 0), (0, 1)),
        (BY_30_DEGREES, (-SIN, COS), (-COS, -SIN)),
    ],
)
def test_arrows_point_where_declination_and_right_ascension_grow(make, at, matrix, north, east):
    found = Sky(make(matrix, at)).north_and_east(50, 40)
    np.testing.assert_allclose(found, [north, east], atol=1e-4)


def test_the_scale_is_in_degrees_on_the_sky_whatever_the_declination():
    scale = Sky(gwcs_of(NORTH_UP_EAST_LEFT, (10.0, -66.0))).scale(50, 40)
    np.testing.assert_allclose(scale, SCALE * np.array(NORTH_UP_EAST_LEFT), atol=1e-5 * SCALE)


def test_right_ascension_is_numbered_where_it_changes():
    assert Sky(fits_wcs(NORTH_UP_EAST_LEFT)).ra_runs_along_x(50, 40)
    assert Sky(fits_wcs(BY_30_DEGREES)).ra_runs_along_x(50, 40)
    assert not Sky(fits_wcs(TURNED)).ra_runs_along_x(50, 40)


def test_the_bounding_box_ends_no_axis():
    sky = Sky(gwcs_of(NORTH_UP_EAST_LEFT, box=((-0.5, 99.5), (-0.5, 79.5))))
    assert np.isfinite(sky.for_axes.pixel_to_world_values(-30.0, 500.0)).all()


def image_with(wcs):
    image = ImageModel(testing.create_wfi_image((80, 100)))
    image.meta.wcs = wcs
    return image


def test_an_image_has_a_sky_where_its_wcs_tells_places_apart():
    assert sky_of(image_with(gwcs_of(NORTH_UP_EAST_LEFT))) is not None
    assert sky_of(image_with(gwcs_of([[0, 0], [0, 0]]))) is None
    assert sky_of(image_with(gwcs_of([[np.nan, 0], [0, 1]]))) is None
    assert sky_of(image_with(None)) is None
    assert sky_of(ImageModel(testing.create_wfi_image((80, 100)))) is None
