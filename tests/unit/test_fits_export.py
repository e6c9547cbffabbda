"""FITS files of products: headers, pixels, and a WCS that is where the image's own is."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.modeling.models import Identity, Mapping, Polynomial2D, Scale, Shift, Sine1D
from astropy.time import Time
from astropy.wcs import WCS

from romancal_rs import datamodels, dqflags
from romancal_rs.assign_wcs import build_wcs
from romancal_rs.datamodels import ImageModel, RampModel, ScienceRawModel, testing
from romancal_rs.errors import InputError
from romancal_rs.fits import export, fit_sip, to_hdulist

POINTING = {
    "v2_ref": 1312.0,
    "v3_ref": -1040.0,
    "ra_ref": 359.99,  # so that images reach over right ascension 0
    "dec_ref": 66.0,
    "roll_ref": 33.0,
}
PIXEL = 0.11  # arcsec


def distorted(n_rows, n_cols):
    """A distortion as the detectors of WFI have: 1 % of the scale over 4088 pixels, and bends."""
    x = Polynomial2D(
        4,
        c1_0=PIXEL,
        c0_1=2e-4,
        c2_0=1.3e-7,
        c1_1=-9e-8,
        c0_2=5e-8,
        c3_0=-3e-13,
        c1_2=4e-13,
        c2_2=1e-17,
    )
    y = Polynomial2D(
        4, c0_1=PIXEL * 1.01, c1_0=-1e-4, c2_0=-4e-8, c1_1=8e-8, c0_2=1.5e-7, c0_3=5e-13, c4_0=2e-17
    )
    middle = Shift(-(n_cols - 1) / 2) & Shift(-(n_rows - 1) / 2)
    return middle | Mapping((0, 1, 0, 1)) | x & y | Shift(1312.0) & Shift(-1040.0)


def image_of(shape=(40, 60)):
    image = ImageModel(testing.create_wfi_image(shape=shape))
    image.data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    image.dq[1, 2] = dqflags.SATURATED | dqflags.REFERENCE_PIXEL
    image.meta.wcs = build_wcs(distorted(*shape), shape, scale_factor=1.0001, **POINTING)
    return image


def places(shape):
    """Pixels all over an image, its outermost corners among them."""
    n_rows, n_cols = shape
    x, y = np.meshgrid(np.linspace(-0.5, n_cols - 0.5, 83), np.linspace(-0.5, n_rows - 0.5, 67))
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("shape", [(4088, 4088), (504, 504), (120, 120), (40, 300)])
def test_fits_has_the_sky_where_the_image_has_it(shape):
    wcs = build_wcs(distorted(*shape), shape, scale_factor=1.0001, **POINTING)
    fitted = fit_sip(wcs, shape)
    x, y = places(shape)
    written = WCS(fitted.header)
    sky = wcs(x, y, with_bounding_box=False)
    there = np.array(written.all_world2pix(*sky, 0, tolerance=1e-8))
    distance = np.hypot(*(there - (x, y)))
    assert distance.max() < 1e-4
    assert distance.max() < 1.5 * fitted.error + 1e-7  # what the header says is true
    assert fitted.header["SIPMXERR"] == pytest.approx(fitted.error)
    assert fitted.inverse_error < 0.01


def test_of_a_plane_without_distortion_the_projection_is_all():
    # Pixels of an arcsecond, the reference point at the middle of the first of them.
    wcs = build_wcs(
        Identity(2), (50, 50), v2_ref=0.0, v3_ref=0.0, ra_ref=10.0, dec_ref=20.0, roll_ref=0.0
    )
    fitted = fit_sip(wcs, (50, 50))
    assert fitted.degree == 1
    assert fitted.header["CTYPE1"] == "RA---TAN"
    # The first pixel is number 1 of FITS. V2 runs to the east where V3 points to the north.
    ra, dec = WCS(fitted.header).wcs_pix2world([[1, 1], [2, 1], [1, 2]], 1).T
    np.testing.assert_allclose(
        ra, [10.0, 10.0 + 1 / 3600 / np.cos(np.deg2rad(20)), 10.0], atol=1e-9
    )
    np.testing.assert_allclose(dec, [20.0, 20.0, 20.0 + 1 / 3600], atol=1e-9)


def test_the_polynomials_back_to_pixels_are_those_of_the_convention():
    shape = (4088, 4088)
    wcs = build_wcs(distorted(*shape), shape, **POINTING)
    fitted = fit_sip(wcs, shape)
    header = fitted.header
    x, y = places(shape)
    sky = np.array(wcs(x, y, with_bounding_box=False))
    linear = WCS(header).wcs_world2pix(*sky, 1)
    u, v = linear[0] - header["CRPIX1"], linear[1] - header["CRPIX2"]
    found = []
    for axis, name, start in ((1, "AP", u), (2, "BP", v)):
        terms = [
            header.get(f"{name}_{p}_{q}", 0.0) * u**p * v**q
            for p in range(header[f"{name}_ORDER"] + 1)
            for q in range(header[f"{name}_ORDER"] + 1 - p)
        ]
        found.append(start + sum(terms) + header[f"CRPIX{axis}"] - 1)
    distance = np.hypot(found[0] - x, found[1] - y).max()
    assert distance < 0.01
    assert distance < 1.5 * fitted.inverse_error + 1e-9


def test_an_error_that_no_polynomial_takes_away_is_told():
    ripple = Sine1D(amplitude=0.5 * PIXEL, frequency=1 / 20)  # half a pixel, every 20 pixels
    add = Polynomial2D(1, c1_0=1, c0_1=1) & Identity(1)
    distortion = Mapping((0, 0, 1)) | Scale(PIXEL) & ripple & Scale(PIXEL) | add
    fitted = fit_sip(build_wcs(distortion, (200, 200), **POINTING), (200, 200))
    assert 0.4 < fitted.error < 0.8
    assert str(fitted).endswith("pixel from the image's own WCS: no astrometry")


def test_an_image_that_is_nowhere_cannot_be_exported(tmp_path):
    image = image_of()
    nowhere = Mapping((0, 0, 1)) | Polynomial2D(1, c1_0=np.nan) & Scale(1.0)
    image.meta.wcs = build_wcs(nowhere, image.shape, **POINTING)
    with pytest.raises(InputError, match="the model: its WCS cannot be written as FITS has it"):
        export(image, tmp_path / "x.fits")
    assert not list(tmp_path.iterdir())


# --- the file


def test_it_is_a_file_as_the_standard_has_it_with_true_checksums(tmp_path):
    path = export(image_of(), tmp_path / "x.fits").path
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a checksum that is wrong is but a warning
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            names = [hdu.name for hdu in hdus]
    expected = ["PRIMARY", "SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT", "META"]
    assert names == expected


def test_pixels_are_those_of_the_image(tmp_path):
    image = image_of()
    image.err[:] = 0.1
    source = image.save(tmp_path / "x_cal.asdf")
    with fits.open(export(source, tmp_path / "x.fits").path) as hdus:
        np.testing.assert_array_equal(hdus["SCI"].data, image.data)
        assert hdus["SCI"].data.dtype == np.dtype(">f4")
        assert hdus["ERR"].data.dtype == np.dtype(">f4")  # of half precision in the product
        np.testing.assert_array_equal(hdus["ERR"].data, np.float32(np.float16(0.1)))
        assert hdus["DQ"].data.dtype == np.uint32
        assert hdus["DQ"].data[1, 2] == dqflags.SATURATED | dqflags.REFERENCE_PIXEL
        assert u.Unit(hdus["SCI"].header["BUNIT"]) == u.DN / u.s
        assert u.Unit(hdus["VAR_POISSON"].header["BUNIT"]) == (u.DN / u.s) ** 2
        assert "BUNIT" not in hdus["DQ"].header
        for name in ("SCI", "ERR", "DQ"):
            x, y = WCS(hdus[name].header).world_to_pixel(image.meta.wcs.pixel_to_world(7.0, 3.0))
            np.testing.assert_allclose((x, y), (7.0, 3.0), atol=0.01)


def test_an_image_that_the_flux_step_converted_is_in_its_units(tmp_path):
    image = image_of()
    image.meta.cal_step.flux = "COMPLETE"
    with fits.open(export(image, tmp_path / "x.fits").path) as hdus:
        assert u.Unit(hdus["SCI"].header["BUNIT"]) == u.MJy / u.sr
        assert u.Unit(hdus["VAR_FLAT"].header["BUNIT"]) == (u.MJy / u.sr) ** 2
    assert image.to_ccddata().unit == u.MJy / u.sr


def test_keywords_are_those_of_hst_and_jwst(tmp_path):
    image = image_of()
    image.meta.exposure.start_time = Time("2027-06-01T03:12:45.250")
    image.meta.exposure.exposure_time = 202.5
    image.meta.exposure.read_pattern = [[1], [2, 3], [5, 7]]
    image.meta.cal_step.flat_field = "COMPLETE"
    image.meta.ref_file.dark = "roman_wfi_dark_0001.asdf"
    image.meta.program.title = "Émission of " + "very " * 30 + "distant galaxies"
    image.meta.pointing.target_ra = -999999
    with fits.open(export(image, tmp_path / "x.fits").path) as hdus:
        header = hdus[0].header
    expected = {
        "TELESCOP": "ROMAN",
        "INSTRUME": "WFI",
        "DETECTOR": "WFI01",
        "FILTER": "F158",
        "EXP_TYPE": "WFI_IMAGE",
        "DATE-OBS": "2027-06-01",
        "TIME-OBS": "03:12:45.250",
        "DATE-BEG": "2027-06-01T03:12:45.250",
        "MJD-BEG": 61557 + (3 * 3600 + 12 * 60 + 45.25) / 86400,
        "EXPTIME": 202.5,
        "READPATT": "1,2-3,5+7",
        "S_FLAT": "COMPLETE",
        "R_DARK": "roman_wfi_dark_0001.asdf",
        "TITLE": "Emission of " + "very " * 30 + "distant galaxies",
    }
    assert {name: header[name] for name in expected} == pytest.approx(expected)
    assert "TARG_RA" not in header  # nobody knows it


def test_all_metadata_are_in_a_table(tmp_path):
    image = image_of()
    with fits.open(export(image, tmp_path / "x.fits").path) as hdus:
        table = dict(hdus["META"].data)
    assert table["meta.instrument.detector"] == "WFI01"
    assert table["meta.exposure.read_pattern"] == "[[1], [2]]"
    assert table["meta.exposure.start_time"] == image.meta.exposure.start_time.isot


def test_everything_means_the_arrays_of_the_border_too(tmp_path):
    image = image_of()
    exported = export(image, tmp_path / "x.fits", everything=True)
    assert exported.left_out == []
    arrays = dict(image.arrays())
    with fits.open(exported.path) as hdus:
        for name, array in arrays.items():
            hdu = hdus["SCI" if name == "data" else name.upper()]
            np.testing.assert_array_equal(hdu.data, array)
    assert "CHISQ" in exported.extensions
    assert "border_ref_pix_left" in export(image, tmp_path / "y.fits").left_out


def test_ramps_and_level_1_are_cubes(tmp_path):
    raw = ScienceRawModel(testing.create_wfi_science_raw(shape=(3, 16, 16)))
    raw.data[2, 3, 4] = 65535
    with fits.open(export(raw, tmp_path / "raw.fits").path) as hdus:
        assert hdus["SCI"].data.dtype == np.uint16
        assert hdus["SCI"].data[2, 3, 4] == 65535
        assert hdus["SCI"].header["BUNIT"] == "DN"
    ramp = RampModel.from_science_raw(raw)
    ramp.groupdq[1] = dqflags.JUMP_DET
    with fits.open(export(ramp, tmp_path / "ramp.fits").path) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["SCI", "PIXELDQ", "GROUPDQ", "META"]
        assert hdus["GROUPDQ"].data.shape == (3, 16, 16)
        assert (hdus["GROUPDQ"].data[1] == 4).all()


def test_references_have_all_their_arrays(tmp_path):
    refpix = datamodels.RefpixRefModel(testing.create_refpix())
    with fits.open(export(refpix, tmp_path / "refpix.fits").path) as hdus:
        numbers = hdus["GAMMA_REAL"].data + 1j * hdus["GAMMA_IMAG"].data
        np.testing.assert_array_equal(numbers, refpix.gamma)
        assert hdus[0].header["REFTYPE"] == "REFPIX"
    gain = datamodels.GainRefModel(testing.create_gain(shape=(8, 8)))
    with fits.open(export(gain, tmp_path / "gain.fits").path) as hdus:
        assert u.Unit(hdus["SCI"].header["BUNIT"]) == u.electron / u.DN
    flat = datamodels.FlatRefModel(testing.create_flat(shape=(8, 8)))
    assert next(iter(export(flat, tmp_path / "flat.fits").extensions)) == "SCI"


def test_what_has_no_arrays_is_refused_with_what_can_be_exported(tmp_path):
    distortion = datamodels.DistortionRefModel(testing.create_distortion())
    with pytest.raises(InputError, match=r"a DistortionRefModel without arrays.*ramps, images"):
        export(distortion, tmp_path / "x.fits")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(tmp_path):
    path = tmp_path / "x.fits"
    path.write_text("mine")
    with pytest.raises(InputError, match=r"x\.fits: there is a file of this name"):
        export(image_of(), path)
    assert path.read_text() == "mine"
    export(image_of(), path, overwrite=True)
    assert fits.getdata(path, "SCI").shape == (40, 60)
    with pytest.raises(InputError, match=r"x\.jpg: the name of a FITS file ends in \.fits"):
        export(image_of(), tmp_path / "x.jpg")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = export(image_of(), tmp_path / "x.fits").path
    before = path.read_bytes()

    def full(self, file, **how):
        file.write(b"SIMPLE  =")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fits.HDUList, "writeto", full)
    with pytest.raises(OSError, match=r"No space left.*x\.fits"):
        export(image_of(), path, overwrite=True)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.fits"]


def test_an_image_without_a_wcs_has_none_in_fits():
    image = ImageModel(testing.create_wfi_image(shape=(8, 8)))
    assert "CTYPE1" not in to_hdulist(image)["SCI"].header


def test_accents_are_left_out_and_leave_no_question_marks():
    image = image_of()
    image.meta.program.investigator_name = "\u00c5ngstr\u00f6m, \u2603 & Zo\u00eb"
    image.meta.program.title = "two\nlines"
    header = to_hdulist(image)[0].header
    assert header["PI_NAME"] == "Angstrom, ? & Zoe"
    assert header["TITLE"] == "two lines"
