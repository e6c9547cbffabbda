"""North and east, and what a WCS has to be."""

from __future__ import annotations

import numpy as np
import pytest
from skies import (
    BY_30_DEGREES,
    COS,
    DIAGONAL,
    MIRRORED,
    NORTH_UP_EAST_LEFT,
    SCALE,
    SIN,
    TURNED,
    fits_wcs,
    gwcs_of,
)

from romancal_rs.datamodels import ImageModel, testing
from romancal_rs.show.sky import Sky, sky_of


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


def test_obliqueness_is_none_along_the_axes_and_full_between_them():
    assert Sky(fits_wcs(TURNED)).obliqueness(50, 40) < 1e-3
    assert Sky(fits_wcs(BY_30_DEGREES)).obliqueness(50, 40) == pytest.approx(SIN / COS, rel=1e-3)
    assert Sky(fits_wcs(DIAGONAL)).obliqueness(50, 40) == pytest.approx(1, rel=1e-3)


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
