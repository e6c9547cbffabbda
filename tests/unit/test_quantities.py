"""Arrays of models with the units that the mission's schemas state."""

import astropy.units as u
import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import GainRefModel, ImageModel, ModelError, RampModel, testing
from romancal_rs.photom import Photometry, set_photometry


@pytest.fixture
def image():
    return ImageModel(testing.create_wfi_image((4, 6)))


def test_the_rate_of_an_image_is_its_data_in_dn_per_second(image):
    rate = image.rate
    assert rate.unit == u.DN / u.s
    assert rate.dtype == np.float32
    assert np.shares_memory(rate.value, image.data)
    rate[1, 2] = 7 * u.DN / u.s
    assert image.data[1, 2] == 7
    assert image.rate_error.unit == u.DN / u.s
    assert np.shares_memory(image.rate_error.value, image.err)


def test_variances_have_the_square_of_the_unit(image):
    assert image.quantity("var_poisson").unit == image.rate.unit**2
    assert np.sqrt(image.quantity("var_poisson")).unit == image.rate_error.unit


@pytest.mark.parametrize(
    ("model", "name", "unit"),
    [
        (lambda: RampModel(testing.create_ramp((3, 4, 6))), "data", u.DN),
        (lambda: datamodels.ScienceRawModel(testing.create_wfi_science_raw()), "data", u.DN),
        (lambda: GainRefModel(testing.create_gain()), "data", u.electron / u.DN),
        (lambda: datamodels.ReadnoiseRefModel(testing.create_readnoise()), "data", u.DN),
    ],
)
def test_arrays_of_other_models_have_units_too(model, name, unit):
    made = model()
    quantity = made.quantity(name)
    assert quantity.unit == unit
    assert quantity.dtype == made[name].dtype  # counts stay whole numbers
    assert np.shares_memory(quantity.value, made[name])


def test_a_rate_and_a_gain_multiply_to_electrons(image):
    gain = 2 * u.electron / u.DN
    assert (image.rate * gain).unit == u.electron / u.s


def test_surface_brightness_is_the_rate_times_the_conversion(image):
    image.data = np.full((4, 6), 4, np.float32)
    set_photometry(image, Photometry(0.75, 0.01, 2.8e-13))
    brightness = image.surface_brightness
    assert brightness.unit == u.MJy / u.sr
    assert brightness.dtype == np.float32
    assert (brightness.value == 3).all()
    assert (image.data == 4).all()
    per_pixel = (brightness * (image.meta.photometry.pixel_area * u.sr)).to(u.uJy)
    np.testing.assert_allclose(per_pixel.value, 3 * 2.8e-13 * 1e12, rtol=1e-6)


@pytest.mark.parametrize("conversion", [None, -999999, float("nan")])
def test_an_unknown_conversion_is_an_error_that_says_what_sets_it(image, conversion):
    image._tree.data["meta"]["photometry"]["conversion_megajanskys"] = conversion
    with pytest.raises(ModelError, match="conversion_megajanskys is not known"):
        _ = image.surface_brightness


def test_an_image_that_was_converted_is_no_rate(image):
    image.meta.cal_step.flux = "COMPLETE"
    with pytest.raises(ModelError, match=r"meta\.cal_step\.flux is COMPLETE"):
        _ = image.rate
    assert image.surface_brightness.unit == u.MJy / u.sr
    assert np.shares_memory(image.surface_brightness.value, image.data)
    assert image.quantity("err").unit == u.MJy / u.sr


def test_an_array_without_a_unit_is_an_error(image, tmp_path):
    with pytest.raises(ModelError, match="the schema of wfi_image states no unit of dq"):
        image.quantity("dq")
    with pytest.raises(ModelError, match="meta is not an array"):
        image.quantity("meta")
    with pytest.raises(KeyError, match="did you mean 'data'"):
        image.quantity("dataa")
    with datamodels.open(image.save(tmp_path / "a_cal.asdf")) as opened:
        with pytest.raises(ModelError, match=r"a_cal\.asdf: the schema"):
            opened.quantity("chisq")
        assert opened.rate_error.dtype == np.float32


def test_a_rate_that_is_changed_in_place_is_no_error_afterwards(image):
    data = image.data
    image.rate *= 2
    assert image.data is data or np.shares_memory(image.data, data)
    before = data.copy()
    image.rate -= 0.5 * u.Unit("DN/s")
    image.rate_error /= 2
    assert np.array_equal(image.data, before - np.float32(0.5))
    assert np.array_equal(data, image.data)


def test_what_is_assigned_as_a_rate_is_in_its_unit(image):
    image.rate = np.full(image.shape, 3, np.float32) * u.Unit("DN/min")
    assert image.data.dtype == np.float32
    assert image.data == pytest.approx(0.05)
    for value, message in (
        (image.data, r"rate: expected a Quantity \[DN / s\], got ndarray; plain .* to data"),
        (image.rate * u.s, r"rate: expected a Quantity \[DN / s\], got DN"),
    ):
        with pytest.raises(ModelError, match=f"^{message}$"):
            image.rate = value
    assert image.data == pytest.approx(0.05)
    with pytest.raises(AttributeError, match="surface_brightness"):
        image.surface_brightness = image.rate
