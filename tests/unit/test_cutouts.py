"""Parts of an image as images, and images as astropy's CCDData."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.modeling.models import Mapping, Polynomial2D, Shift
from astropy.nddata import CCDData, Cutout2D, NoOverlapError

from romancal_rs import datamodels, dqflags
from romancal_rs.assign_wcs import build_wcs
from romancal_rs.compare import compare
from romancal_rs.datamodels import ImageModel, testing
from romancal_rs.errors import InputError

SHAPE = (60, 100)
POINTING = {"v2_ref": 0.0, "v3_ref": 0.0, "ra_ref": 10.0, "dec_ref": 20.0, "roll_ref": 33.0}


@pytest.fixture
def image():
    image = ImageModel(testing.create_wfi_image(shape=SHAPE, read_pattern=[[1], [2], [3]]))
    image.data = np.arange(6000, dtype=np.float32).reshape(SHAPE)
    image.dq = np.arange(6000, dtype=np.uint32).reshape(SHAPE)
    rows, cols = np.arange(68, dtype=np.float32), np.arange(108, dtype=np.float32)
    image.border_ref_pix_left[:] = rows[:, None]
    image.border_ref_pix_top[:] = cols
    image.dq_border_ref_pix_right[:] = rows.astype(np.uint32)[:, None]
    image.amp33[:] = rows.astype(np.uint16)[:, None]
    bend = Polynomial2D(2, c1_0=0.11, c2_0=1e-6) & Polynomial2D(1, c0_1=0.12)
    distortion = Shift(-50.0) & Shift(-30.0) | Mapping((0, 1, 0, 1)) | bend
    image.meta.wcs = build_wcs(distortion, SHAPE, **POINTING)
    image.meta.wcsinfo.s_region = "POLYGON ICRS  1 2 3 4 5 6 7 8"
    image["jump_indices"] = np.array([[1, 20, 70], [2, 19, 70], [1, 29, 79], [2, 30, 80]], np.int16)
    return image


def sky_of(image, x, y):
    return SkyCoord(*image.meta.wcs(x, y, with_bounding_box=False), unit="deg")


def test_pixels_and_flags_are_those_of_the_place(image):
    part = image.cutout((75, 25), 10)  # rows 20 to 29, columns 70 to 79
    assert isinstance(part, ImageModel)
    np.testing.assert_array_equal(part.data, image.data[20:30, 70:80])
    np.testing.assert_array_equal(part.dq, image.dq[20:30, 70:80])
    for name in ("err", "var_poisson", "var_rnoise", "var_flat", "chisq", "dumo"):
        assert part[name].shape == (10, 10)
    part.data[:] = 0
    assert image.data[20, 70] == 2070  # which shares nothing with it


def test_every_pixel_keeps_its_place_on_the_sky(image):
    part = image.cutout((75, 25), (10, 20))  # rows 20 to 29, columns 65 to 84
    x, y = np.meshgrid(np.linspace(-0.5, 19.5, 9), np.linspace(-0.5, 9.5, 7))
    np.testing.assert_array_equal(part.meta.wcs(x, y), image.meta.wcs(x + 65, y + 20))
    assert part.meta.wcs.bounding_box.bounding_box(order="F") == ((-0.5, 19.5), (-0.5, 9.5))
    corners = np.array(part.meta.wcs([-0.5, -0.5, 19.5, 19.5], [-0.5, 9.5, 9.5, -0.5])).T
    start, numbers = part.meta.wcsinfo.s_region[:14], part.meta.wcsinfo.s_region[14:]
    assert start == "POLYGON ICRS  "
    np.testing.assert_allclose(np.array(numbers.split(), float).reshape(4, 2), corners, atol=1e-9)


def test_a_star_is_found_by_its_position(image):
    star = sky_of(image, 40.0, 31.0)
    part = image.cutout(star, 9)
    np.testing.assert_array_equal(part.data, image.data[27:36, 36:45])
    assert part.data[4, 4] == image.data[31, 40]
    assert sky_of(part, 4.0, 4.0).separation(star) < 1e-9 * u.deg
    galactic = image.cutout(star.galactic, 9)  # in whatever frame
    np.testing.assert_array_equal(galactic.data, part.data)


def test_angles_are_rounded_to_whole_pixels_of_their_place(image):
    # Columns of 0.11 arcsec, rows of 0.12; the scale changes by a hundredth within the image.
    assert image.cutout((50, 30), 1.2 * u.arcsec).shape == (10, 11)
    assert image.cutout((50, 30), (2.4, 1.1) * u.arcsec).shape == (20, 10)
    assert image.cutout((50, 30), (0.02 * u.arcmin, 7)).shape == (10, 7)
    assert image.cutout((50, 30), 6 * u.pixel).shape == (6, 6)


@pytest.mark.parametrize("position", [(50.0, 30.0), (50.4, 30.5), (2.0, 58.0), (99.4, -0.4)])
@pytest.mark.parametrize("size", [(5, 8), 7, (200, 11)])
def test_it_has_the_pixels_of_cutout2d(image, position, size):
    expected = Cutout2D(image.data, position, size, mode="trim")
    part = image.cutout(position, size)
    np.testing.assert_array_equal(part.data, expected.data)


def test_a_cutout_of_a_cutout_is_one_of_the_image(image):
    twice = image.cutout((60, 30), 40).cutout((15, 20), (8, 10))
    once = image.cutout((55, 30), (8, 10))
    found = compare(twice, once)
    assert all(array.same for array in found.arrays)
    assert [wcs.largest < 1e-6 for wcs in found.transforms] == [True]
    assert found.metadata.same


def test_jumps_and_reference_pixels_are_of_its_rows_and_columns(image):
    part = image.cutout((75, 25), 10)
    np.testing.assert_array_equal(part.jump_indices, [[1, 0, 0], [1, 9, 9]])
    # With the border of 4 around it, as a detector of its size has.
    np.testing.assert_array_equal(part.border_ref_pix_left[0, :, 0], np.arange(20, 38))
    np.testing.assert_array_equal(part.border_ref_pix_top[0, 0], np.arange(70, 88))
    np.testing.assert_array_equal(part.dq_border_ref_pix_right[:, 0], np.arange(20, 38))
    np.testing.assert_array_equal(part.amp33[0, :, 0], np.arange(20, 38))


def test_it_is_saved_and_opened_as_any_image(image, tmp_path):
    part = image.cutout((75, 25), 10)
    assert "rows 20 to 29, columns 70 to 79" in part.meta.cal_logs[-1]
    with datamodels.open(part.save(tmp_path / "part_cal.asdf")) as saved:
        assert compare(part, saved).same
        assert saved.meta.instrument.detector == image.meta.instrument.detector


def test_the_missions_library_opens_it(image, tmp_path):
    library = pytest.importorskip("roman_datamodels.datamodels")
    path = image.cutout((75, 25), 10).save(tmp_path / "part_cal.asdf")
    with library.open(path) as part:
        assert part.validate() is None
        np.testing.assert_allclose(part.meta.wcs(0, 0), image.meta.wcs(70, 20), rtol=0, atol=1e-12)


def test_a_box_of_the_wcs_stays_where_it_was(image):
    image.meta.wcs.bounding_box = ((71.5, 99.5), (-0.5, 24.5))
    part = image.cutout((75, 25), 10)
    assert part.meta.wcs.bounding_box.bounding_box(order="F") == ((1.5, 9.5), (-0.5, 4.5))


def test_an_image_without_a_wcs_is_cut_by_pixels_only(image):
    image.meta.wcs = None
    part = image.cutout((75, 25), 10)
    assert part.meta.wcs is None
    with pytest.raises(InputError, match=r"position: the image has no WCS.*give pixels"):
        image.cutout(SkyCoord(10, 20, unit="deg"), 10)
    with pytest.raises(InputError, match="size: the image has no WCS"):
        image.cutout((75, 25), 1 * u.arcsec)


@pytest.mark.parametrize(
    ("position", "size", "message"),
    [
        ((-10, 5), 10, "has no pixel of the image, which has 60 rows and 100 columns"),
        (SkyCoord(10.003, 20.0, unit="deg"), 10, "has no pixel of the image"),
        (SkyCoord(11, 20, unit="deg"), 10, "is not on the image"),
        (SkyCoord(190, -20, unit="deg"), 10, r"position 12h40m00.00s -20d00m00.00s is not on"),
        ((1, 2, 3), 10, r"position: expected a SkyCoord or \(x, y\)"),
        ("middle", 10, r"position: expected a SkyCoord or \(x, y\)"),
        ((np.nan, 1), 10, "position: expected finite numbers"),
        (SkyCoord([10, 11], [20, 20], unit="deg"), 10, "position: expected one, got 2"),
        ((5, 5), 0, "size: expected at least a pixel, got 0"),
        ((5, 5), 0.001 * u.arcsec, "size: expected at least a pixel"),
        ((5, 5), 3 * u.s, "size: expected pixels or an angle"),
        ((5, 5), (1, 2, 3), "size: expected pixels or an angle"),
    ],
)
def test_what_cannot_be_cut_out_is_told(image, position, size, message):
    with pytest.raises(InputError, match=message):
        image.cutout(position, size)


def test_cutout2d_refuses_the_same(image):
    with pytest.raises(NoOverlapError):
        Cutout2D(image.data, (-10, 5), 10)


# --- CCDData


def test_ccddata_has_units_errors_mask_flags_and_keywords(image):
    image.err[:] = 2.0
    ccd = image.to_ccddata()
    assert isinstance(ccd, CCDData)
    assert ccd.unit == u.DN / u.s
    np.testing.assert_array_equal(ccd.data, image.data)
    assert ccd.uncertainty.uncertainty_type == "std"
    assert (ccd.uncertainty.array == 2.0).all()
    np.testing.assert_array_equal(ccd.mask, image.dq % 2 == dqflags.DO_NOT_USE)
    np.testing.assert_array_equal(ccd.flags, image.dq)
    assert ccd.meta["FILTER"] == "F158"
    ccd.data[0, 0] = -5
    assert image.data[0, 0] == -5  # shared


def test_ccddata_knows_where_it_is(image):
    ccd = image.to_ccddata()
    x, y = ccd.wcs.world_to_pixel(sky_of(image, 12.0, 34.0))
    np.testing.assert_allclose((x, y), (12.0, 34.0), atol=0.01)
    image.meta.wcs = None
    assert image.to_ccddata().wcs is None


def test_ccddata_goes_to_fits_and_back(image, tmp_path):
    ccd = image.to_ccddata()
    ccd.write(tmp_path / "ccd.fits")
    again = CCDData.read(tmp_path / "ccd.fits")
    np.testing.assert_array_equal(again.data, image.data)
    np.testing.assert_array_equal(again.mask, ccd.mask)
    assert again.wcs.pixel_to_world(12.0, 34.0).separation(sky_of(image, 12.0, 34.0)) < 1 * u.mas


def test_a_cutout_goes_on_to_ccddata(image):
    ccd = image.cutout((75, 25), 10).to_ccddata()
    assert ccd.shape == (10, 10)
    assert ccd.wcs.pixel_to_world(0, 0).separation(sky_of(image, 70.0, 20.0)) < 1 * u.mas
