"""jdaviz, the astronomers' viewer, shows our products, models in memory, and FITS files.

It is large, and not installed with the tests: `make test-jdaviz` has an environment for it.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.modeling.models import Mapping, Polynomial2D, Shift

from romancal_rs.assign_wcs import build_wcs
from romancal_rs.datamodels import ImageModel, testing
from romancal_rs.fits import export

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("jdaviz") is None,
        reason="jdaviz is not installed; make test-jdaviz installs it in an environment of its own",
    ),
    # Those of jdaviz and of what it brings are not ours to mend.
    pytest.mark.filterwarnings("ignore"),
]

SHAPE = (40, 60)


@pytest.fixture
def image():
    image = ImageModel(testing.create_wfi_image(shape=SHAPE))
    image.data = np.random.default_rng(4).normal(1.0, 0.1, SHAPE).astype(np.float32)
    image.err[:] = 0.1
    bend = Polynomial2D(2, c1_0=0.11, c2_0=1e-6) & Polynomial2D(1, c0_1=0.11)
    distortion = Shift(-30.0) & Shift(-20.0) | Mapping((0, 1, 0, 1)) | bend
    image.meta.wcs = build_wcs(
        distortion, SHAPE, v2_ref=0.0, v3_ref=0.0, ra_ref=270.0, dec_ref=66.0, roll_ref=33.0
    )
    return image


@pytest.fixture
def show():
    """Shows something, and returns the layers that the viewer has on its screen."""
    from jdaviz import Imviz

    def in_viewer(what) -> list:
        viewer_app = Imviz()
        viewer_app.load(what, format="Image")
        viewer = viewer_app.default_viewer._obj.glue_viewer
        return [layer.layer for layer in viewer.layers]

    return in_viewer


def check(shown, image, unit=None):
    """What is on the screen has the pixels of the image, and their places on the sky."""
    (component,) = [shown.get_component(name) for name in shown.main_components]
    np.testing.assert_array_equal(component.data, image.data)
    if unit is not None:
        assert u.Unit(component.units) == unit
    place = shown.coords.pixel_to_world(7, 5)
    expected = SkyCoord(*image.meta.wcs(7, 5), unit="deg")
    assert place.separation(expected) < 1 * u.mas  # a hundredth of a pixel


def test_it_shows_the_data_of_a_product(image, show, tmp_path):
    pytest.importorskip("roman_datamodels")
    (shown,) = show(str(image.save(tmp_path / "r1_cal.asdf")))
    assert shown.label == "r1_cal[data]"
    check(shown, image)


def test_it_shows_a_cutout(image, show, tmp_path):
    pytest.importorskip("roman_datamodels")
    part = image.cutout((40, 8), 14)
    (shown,) = show(str(part.save(tmp_path / "part_cal.asdf")))
    check(shown, part)


def test_it_shows_a_model_in_memory(image, show):
    shown = {layer.label: layer for layer in show(image.to_ccddata())}
    check(shown["Image[DATA]"], image, u.DN / u.s)
    errors = shown["Image[UNCERTAINTY]"]
    assert (errors.get_component(errors.main_components[0]).data == np.float32(0.1)).all()


def test_it_shows_the_fits_file(image, show, tmp_path):
    (shown,) = show(str(export(image, tmp_path / "r1_cal.fits").path))
    assert shown.label == "r1_cal[SCI,1]"
    check(shown, image, u.DN / u.s)
