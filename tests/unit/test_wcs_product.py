"""The WCS product: what is in it, where its pixels lie, and that the mission's library takes it."""

import re

import numpy as np
import pytest
from astropy.modeling.models import Identity, Mapping, Polynomial2D, Scale, Shift
from astropy.time import Time
from astropy.units import Quantity

from romancal_rs import datamodels
from romancal_rs.assign_wcs import build_wcs
from romancal_rs.cli import main
from romancal_rs.datamodels import ImageModel, ModelError, ModelTypeError, WfiWcsModel, testing

POINTING = {"v2_ref": 1312.0, "v3_ref": -1040.0, "ra_ref": 10.0, "dec_ref": 20.0, "roll_ref": 33.0}
SHAPE = (60, 100)
#: The border of reference pixels that an image does not have.
BORDER = 4


def distortion():
    """0.11 arcsec pixels and some curvature, with an inverse that is the file's own."""
    bend = Polynomial2D(2, c1_0=0.11, c2_0=1e-6)
    straight = Polynomial2D(1, c0_1=0.11)
    split = Mapping((0, 1, 0, 1))
    forward = Shift(-40.0) & Shift(-25.0) | split | bend & straight | Shift(1312.0) & Shift(-1040.0)
    forward.inverse = (
        Shift(-1312.0) & Shift(1040.0) | Scale(1 / 0.11) & Scale(1 / 0.11) | Shift(40) & Shift(25)
    )
    return forward


def image_with(transform, **how):
    image = ImageModel(testing.create_wfi_image(shape=SHAPE))
    image.meta.wcs = build_wcs(transform, SHAPE, scale_factor=1.0001, **POINTING, **how)
    image.meta.wcsinfo.s_region = "POLYGON ICRS  1 2 3 4"
    image.meta.exposure.start_time = Time("2027-06-01")
    return image


@pytest.fixture
def image():
    return image_with(distortion())


def test_it_has_the_wcs_of_the_image_and_of_the_raw_frame(image):
    product = WfiWcsModel.from_image(image)
    x, y = np.meshgrid(np.linspace(0, 99, 7), np.linspace(0, 59, 5))
    np.testing.assert_array_equal(product.wcs_l2(x, y), image.meta.wcs(x, y))
    raw = product.wcs_l1
    np.testing.assert_array_equal(raw(x + BORDER, y + BORDER), image.meta.wcs(x, y))
    assert raw.available_frames == image.meta.wcs.available_frames
    assert raw.get_transform("detector", "v2v3").inputs == ("x", "y")


def test_the_raw_frame_reaches_the_border_and_no_further(image):
    raw = WfiWcsModel.from_image(image).wcs_l1
    assert raw.bounding_box.bounding_box(order="F") == ((-0.5, 107.5), (-0.5, 67.5))
    assert np.isfinite(raw([0, 107], [0, 67])).all()
    assert np.isnan(raw([-1, 0, 108, 0], [0, -1, 0, 68])).all()


def test_a_box_of_the_distortion_grows_by_the_border():
    image = image_with(distortion(), bounding_box=((19.5, 79.5), (9.5, 49.5)))
    raw = WfiWcsModel.from_image(image).wcs_l1
    assert raw.bounding_box.bounding_box(order="F") == ((19.5, 87.5), (9.5, 57.5))


@pytest.mark.parametrize("transform", [distortion(), Identity(2), Shift(3.0) & Shift(4.0)])
def test_the_image_keeps_its_wcs(transform):
    image = image_with(transform)
    WfiWcsModel.from_image(image)
    assert image.meta.wcs.bounding_box.bounding_box(order="F") == ((-0.5, 99.5), (-0.5, 59.5))
    assert np.isnan(image.meta.wcs(100.0, 0.0)).all()


def test_the_inverse_is_that_of_the_distortion(image):
    product = WfiWcsModel.from_image(image)
    sky = product.wcs_l2(70.0, 30.0)
    np.testing.assert_allclose(
        product.wcs_l1.invert(*sky), np.add(product.wcs_l2.invert(*sky), BORDER), atol=1e-9
    )


def test_the_metadata_are_those_that_its_schema_names(image):
    meta = WfiWcsModel.from_image(image).meta
    assert set(meta) - {"wcs_fit_results"} == {
        *("coordinates", "ephemeris", "exposure", "instrument", "observation", "pointing"),
        *("program", "velocity_aberration", "visit", "wcsinfo"),
        *("calibration_software_name", "calibration_software_version", "product_type"),
        *("filename", "file_date", "model_type", "origin", "prd_version"),
        *("sdf_software_version", "telescope"),
    }
    assert meta.wcsinfo == image.meta.wcsinfo
    meta.wcsinfo.s_region = "another"
    assert image.meta.wcsinfo.s_region == "POLYGON ICRS  1 2 3 4"


def test_results_of_a_fit_to_a_catalog_go_along(image):
    image.meta["wcs_fit_results"] = {"status": "SUCCESS", "nmatches": 92}
    assert WfiWcsModel.from_image(image).meta.wcs_fit_results.nmatches == 92


def test_an_image_without_a_wcs_has_none():
    image = ImageModel(testing.create_wfi_image())
    with pytest.raises(ModelError, match="the image has no WCS: assign_wcs attaches it"):
        WfiWcsModel.from_image(image)


# --- files


@pytest.fixture
def path(image, tmp_path):
    return WfiWcsModel.from_image(image).save(tmp_path / "x_wcs.asdf")


def test_it_is_opened_by_what_it_is(image, path):
    with datamodels.open(path) as product:
        assert type(product) is WfiWcsModel
        assert product.tag.endswith("/wfi_wcs-2.1.0")
        assert (product.meta.model_type, product.meta.filename) == ("WfiWcsModel", "x_wcs.asdf")
        product.validate()
        assert product.wcs_l2(7.0, 11.0) == image.meta.wcs(7.0, 11.0)
        assert product.wcs_l1(11.0, 15.0) == image.meta.wcs(7.0, 11.0)
        copy = product.copy()
    assert copy.wcs_l1(11.0, 15.0) == image.meta.wcs(7.0, 11.0)
    with pytest.raises(ModelTypeError, match=r"expected ImageModel .*, found WfiWcsModel"):
        ImageModel(path)


def test_the_mission_library_opens_and_validates_it(image, path):
    import roman_datamodels.datamodels as rdm

    with rdm.open(path) as theirs:
        assert type(theirs) is rdm.WfiWcsModel
        theirs.validate()
        expected = rdm.WfiWcsModel.from_model_with_wcs(rdm_image(image, path.parent))
        for name in ("wcs_l2", "wcs_l1"):
            ours, other = theirs[name], expected[name]
            x, y = np.meshgrid(np.linspace(0, 99, 7), np.linspace(0, 59, 5))
            np.testing.assert_allclose(ours(x, y), other(x, y), rtol=0, atol=1e-12)
            boxes = [wcs.bounding_box.bounding_box(order="F") for wcs in (ours, other)]
            assert boxes[0] == boxes[1], name
        assert set(theirs.meta.keys()) == set(expected.meta.keys())
        ours = datamodels.open(theirs)
        assert type(ours) is WfiWcsModel
        assert ours.wcs_l2(7.0, 11.0) == image.meta.wcs(7.0, 11.0)


def rdm_image(image, directory):
    import roman_datamodels.datamodels as rdm

    return rdm.open(image.save(directory / "image.asdf"))


def test_what_both_have_in_common_is_in_the_file_once(image, path):
    """What is there twice is written twice, and takes twice as long."""
    head = path.read_bytes().partition(b"\n...")[0].decode()
    assert len(re.findall("transform/polynomial-", head)) == 2


@pytest.mark.parametrize(
    "other",
    [
        Quantity(np.zeros((0, 3)), "K"),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    ],
)
def test_what_asdf_writes_besides_is_no_worse_for_the_wcs(image, other, tmp_path):
    """In the head, where the small arrays of a WCS go, these could not be read again."""
    image["other"] = other
    with datamodels.open(image.save(tmp_path / "x_cal.asdf")) as again:
        assert again["other"].shape == other.shape
        assert (again["other"] == other).all()
        assert again.meta.wcs(7.0, 11.0) == image.meta.wcs(7.0, 11.0)


def test_info_shows_it(path, capsys):
    assert main(["info", str(path)]) == 0
    assert "WfiWcsModel, wfi_wcs-2.1.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("series", "expected"),
    [("2.2.0", "2.2.0"), ("2.1.0", "2.1.0"), ("1.8.0", "1.5.0"), ("1.3.0", "1.2.0")],
)
def test_it_is_of_the_series_of_its_image(image, series, expected, tmp_path):
    """The two are not numbered alike before 2.0.0."""
    image._tree.tag = f"{image.tag.rpartition('-')[0]}-{series}"
    product = WfiWcsModel.from_image(image)
    assert product.tag.endswith(f"/wfi_wcs-{expected}")
    with datamodels.open(product.save(tmp_path / "x_wcs.asdf")) as again:
        again.validate()
        assert again.wcs_l1(11.0, 15.0) == image.meta.wcs(7.0, 11.0)


def test_of_a_series_without_such_products_it_is_of_todays(image):
    image._tree.tag = f"{image.tag.rpartition('-')[0]}-1.0.0"
    assert WfiWcsModel.from_image(image).tag == WfiWcsModel.new_tag()
