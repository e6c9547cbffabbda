"""The WCS against spherical trigonometry done by other means, and against the system of 2022."""

from __future__ import annotations

from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.modeling.models import Identity, Mapping, Polynomial2D, Scale, Shift, Tabular2D

from romancal_rs import datamodels
from romancal_rs._footprint import footprint
from romancal_rs.assign_wcs import (
    AssignWcsStep,
    aberration_scale,
    aberration_transform,
    attitude_transform,
    build_wcs,
    s_region,
    stated_box,
)
from romancal_rs.datamodels import DistortionRefModel, ImageModel, RampModel, testing
from romancal_rs.errors import InputError

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"

V2_REF, V3_REF = 1312.949, -1040.785  # arcsec
POINTING = {"v2_ref": V2_REF, "v3_ref": V3_REF, "ra_ref": 10.0, "dec_ref": 20.0, "roll_ref": 0.0}
SCALE = 0.11  # arcsec per pixel
FIDUCIAL = (40.0, 25.0)  # pixel x, y


def distortion(parity=1):
    """0.11 arcsec pixels, with pixel FIDUCIAL at (V2_REF, V3_REF)."""
    return (
        Shift(-FIDUCIAL[0]) & Shift(-FIDUCIAL[1])
        | Scale(parity * SCALE) & Scale(SCALE)
        | Shift(V2_REF) & Shift(V3_REF)
    )


def wcs(shape=(60, 100), scale_factor=None, parity=1, **changes):
    return build_wcs(distortion(parity), shape, scale_factor=scale_factor, **(POINTING | changes))


def open_seed(name):
    """A file of 2022 as it was written, seen by asdf alone."""
    with asdf.config_context() as config:
        config.validate_on_read = False  # schemas of today
        return asdf.open(SEED_ERA / name, ignore_unrecognized_tag=True)


def separation(lon1, lat1, lon2, lat2):
    """Great-circle distances [deg], by haversines: exact for small angles."""
    lon1, lat1, lon2, lat2 = map(np.radians, (lon1, lat1, lon2, lat2))
    h = np.sin((lat2 - lat1) / 2) ** 2
    h = h + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(h)))


# --- attitude


@pytest.mark.parametrize("roll", [0.0, 71.3, -123.0])
@pytest.mark.parametrize(
    ("ra", "dec"), [(84.5, -69.1), (359.9999, 0.0), (0.0, 89.9), (269.2, 66.2)]
)
def test_the_fiducial_point_is_at_ra_ref_dec_ref(ra, dec, roll):
    image = wcs(ra_ref=ra, dec_ref=dec, roll_ref=roll)
    lon, lat = image(*FIDUCIAL)
    assert separation(lon, lat, ra, dec) < 1e-11
    assert 0 <= lon <= 360


@pytest.mark.parametrize("roll", [0.0, 71.3, -123.0, 180.0])
@pytest.mark.parametrize(("ra", "dec"), [(84.5, -69.1), (359.99, 0.0), (180.0, 89.0)])
@pytest.mark.parametrize(("v2", "v3"), [(V2_REF, V3_REF), (0.0, 0.0), (-1546.4, -892.8)])
def test_directions_and_distances_are_those_of_a_rolled_sphere(ra, dec, roll, v2, v3):
    """Distance from the fiducial point is kept; the position angle grows by the roll.

    Computed with astropy's great-circle functions, which share no code with the transform.
    """
    transform = attitude_transform(v2, v3, ra, dec, roll)
    rng = np.random.default_rng(1)
    points = rng.uniform(-1200, 1200, (2, 50)) + np.array([[v2], [v3]])
    telescope = SkyCoord(*points, unit=u.arcsec)
    fiducial = SkyCoord(v2, v3, unit=u.arcsec)
    expected = SkyCoord(ra, dec, unit=u.deg).directional_offset_by(
        fiducial.position_angle(telescope) + roll * u.deg, fiducial.separation(telescope)
    )

    lon, lat = transform(*points)

    assert np.max(separation(lon, lat, expected.ra.deg, expected.dec.deg)) < 1e-11


@pytest.mark.parametrize(
    ("roll", "east", "north"), [(0, 0, 1), (90, 1, 0), (180, 0, -1), (-90, -1, 0)]
)
def test_roll_is_the_position_angle_of_v3_east_of_north(roll, east, north):
    ra, dec = attitude_transform(V2_REF, V3_REF, 10.0, 0.0, roll)(V2_REF, V3_REF + 1.0)
    assert ra - 10.0 == pytest.approx(east / 3600, abs=1e-11)
    assert dec == pytest.approx(north / 3600, abs=1e-11)


# --- velocity aberration


def test_frames_with_and_without_a_scale_factor():
    assert wcs().available_frames == ["detector", "v2v3", "world"]
    frames = ["detector", "v2v3", "v2v3vacorr", "world"]
    assert wcs(scale_factor=0.99997).available_frames == frames
    assert wcs(scale_factor=1.0).available_frames == frames


def test_without_aberration_the_frame_of_flight_is_the_one_before():
    image = wcs(scale_factor=1.0)
    assert type(image.get_transform("v2v3", "v2v3vacorr")) is Identity
    assert image.get_transform("v2v3", "v2v3vacorr")(7.0, 8.0) == (7.0, 8.0)
    assert image(7.0, 11.0) == wcs()(7.0, 11.0)


def test_transforms_and_coordinates_have_the_names_of_flight():
    image = wcs(scale_factor=0.99997)
    to_telescope = image.get_transform("detector", "v2v3")
    assert (to_telescope.inputs, to_telescope.outputs) == (("x", "y"), ("v2", "v3"))
    assert image.get_transform("v2v3", "v2v3vacorr").name == "DVA_Correction"
    assert image.get_transform("v2v3vacorr", "world").name == "v23tosky"


def test_aberration_stretches_about_the_fiducial_point():
    stretch = aberration_transform(1.00003, V2_REF, V3_REF)
    assert stretch(V2_REF, V3_REF) == pytest.approx((V2_REF, V3_REF), abs=1e-10)
    # 100 arcsec away: 3 milliarcsec more
    v2, v3 = stretch(V2_REF + 100, V3_REF - 200)
    assert v2 == pytest.approx(V2_REF + 100.003, abs=1e-10)
    assert v3 == pytest.approx(V3_REF - 200.006, abs=1e-10)
    assert stretch.inverse(v2, v3) == pytest.approx((V2_REF + 100, V3_REF - 200), abs=1e-10)


def test_distances_on_the_sky_grow_by_the_scale_factor():
    x, y = np.array([0.0, 99.0, 50.0]), np.array([0.0, 59.0, 3.0])
    plain = separation(*wcs()(x, y), 10.0, 20.0)
    stretched = separation(*wcs(scale_factor=1.001)(x, y), 10.0, 20.0)
    assert stretched / plain == pytest.approx(1.001, rel=1e-7)


def test_the_chain_applies_each_transform_once():
    image = wcs(scale_factor=1.00003, roll_ref=33.0)
    v2, v3 = distortion()(7.0, 11.0)
    corrected = V2_REF + 1.00003 * (v2 - V2_REF), V3_REF + 1.00003 * (v3 - V3_REF)
    expected = attitude_transform(V2_REF, V3_REF, 10.0, 20.0, 33.0)(*corrected)
    assert image(7.0, 11.0) == pytest.approx(expected, abs=1e-12)


# --- the WCS as a whole


def test_the_inverse_leads_back_to_the_pixel():
    image = wcs(scale_factor=0.99997, roll_ref=12.0)
    x, y = np.meshgrid(np.linspace(0, 99, 12), np.linspace(0, 59, 12))
    back_x, back_y = image.invert(*image(x, y))
    np.testing.assert_allclose(back_x, x, atol=1e-7)
    np.testing.assert_allclose(back_y, y, atol=1e-7)


def test_the_bounding_box_is_the_image_with_its_pixel_edges():
    image = wcs(shape=(60, 100))
    x, y = image.bounding_box["x"], image.bounding_box["y"]
    assert (x.lower, x.upper) == (-0.5, 99.5)
    assert (y.lower, y.upper) == (-0.5, 59.5)
    assert image.bounding_box.order == "F"
    assert np.all(np.isfinite(image(99.4, 59.4)))
    assert np.all(np.isnan(image(59.4, 99.4)))  # x runs along the 100 columns
    assert np.all(np.isnan(image(-0.6, 0.0)))


def test_the_distortion_given_is_not_changed():
    transform = distortion()
    build_wcs(transform, (60, 100), **POINTING)
    with pytest.raises(NotImplementedError):  # still no bounding box
        _ = transform.bounding_box


def test_a_polynomial_distortion_is_evaluated_at_pixels_counted_from_0():
    quadratic = Polynomial2D(2, c0_0=V2_REF, c1_0=0.1, c2_0=1e-3)
    linear = Polynomial2D(1, c0_0=V3_REF, c0_1=0.1)
    transform = Mapping((0, 1, 0, 1)) | quadratic & linear
    image = build_wcs(transform, (60, 100), **POINTING)
    assert separation(*image(0.0, 0.0), 10.0, 20.0) < 1e-12
    to_telescope = image.get_transform("detector", "v2v3")
    # By hand: 0.1 * 10 + 0.001 * 100 = 1.1, and 0.1 * 20 = 2.
    assert to_telescope(10.0, 20.0) == pytest.approx((V2_REF + 1.1, V3_REF + 2.0), abs=1e-10)


def test_it_is_the_wcs_of_the_2022_system():
    with open_seed("expected_cal.asdf") as expected:
        with open_seed("roman_wfi_distortion_fake.asdf") as reference:
            info = expected["roman"]["meta"]["wcsinfo"]
            ours = build_wcs(
                reference["roman"]["coordinate_distortion_transform"],
                (120, 120),
                **{name: info[name] for name in POINTING},
            )
        theirs = expected["roman"]["meta"]["wcs"]
        edges = np.linspace(-0.5, 119.5, 25)
        x, y = np.meshgrid(edges, edges)
        np.testing.assert_allclose(ours(x, y), theirs(x, y), rtol=0, atol=1e-9)
        sky = theirs(x[1:-1, 1:-1], y[1:-1, 1:-1])
        np.testing.assert_allclose(ours.invert(*sky), theirs.invert(*sky), rtol=0, atol=1e-6)


# --- s_region


@pytest.mark.parametrize("parity", [1, -1])
def test_the_polygon_goes_round_the_outer_edges_of_the_image(parity):
    """At the equator and with no roll, sky offsets are V2, V3 offsets to first order."""
    image = wcs(shape=(60, 100), parity=parity, dec_ref=0.0)
    corners = footprint(image)
    offsets = (corners - [10.0, 0.0]) * 3600 / SCALE
    x = parity * np.array([-40.5, -40.5, 59.5, 59.5])  # from FIDUCIAL, lower left first
    y = np.array([-25.5, 34.5, 34.5, -25.5])
    np.testing.assert_allclose(offsets, np.stack([x, y], axis=-1), atol=1e-3)


@pytest.mark.parametrize(
    ("recipe", "start"), [("2022", "POLYGON ICRS "), ("flight", "POLYGON ICRS  ")]
)
def test_s_region_names_icrs_and_lists_the_corners(recipe, start):
    corners = np.array([[359.5, -1.25], [359.5, 1.25], [0.5, 1.25], [0.5, -1.123456789012]])
    assert s_region(corners, recipe) == start + (
        "359.500000000 -1.250000000 359.500000000 1.250000000 "
        "0.500000000 1.250000000 0.500000000 -1.123456789"
    )


# --- the step


def exposure(scale_factor=1.00003, **pointing):
    """An image of 60 x 100 pixels with a pointing."""
    image = ImageModel(testing.create_wfi_image(shape=(60, 100)))
    for name, value in (POINTING | pointing).items():
        image.meta.wcsinfo[name] = value
    image.meta.velocity_aberration.scale_factor = scale_factor
    return image


def reference():
    return DistortionRefModel(
        testing.create_distortion(coordinate_distortion_transform=distortion())
    )


def test_the_step_attaches_the_wcs_and_its_footprint():
    given = exposure(roll_ref=33.0)
    result = AssignWcsStep.call(given, override_distortion=reference())
    expected = wcs(scale_factor=1.00003, roll_ref=33.0)
    assert result.meta.wcs.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    assert result.meta.wcs(7.0, 11.0) == pytest.approx(expected(7.0, 11.0), abs=1e-12)
    assert result.meta.wcsinfo.s_region == s_region(footprint(expected), "flight")
    assert result.meta.cal_step.assign_wcs == "COMPLETE"
    assert given.meta.cal_step.assign_wcs == "INCOMPLETE"
    assert given.meta.wcs is None


@pytest.mark.parametrize("placeholder", [-999999, 0.0, -1.0])
def test_a_placeholder_is_no_scale_factor(placeholder):
    """In the recipe of 2022 the frame is left out then, of which nobody needs to be told."""
    told = []
    assert aberration_scale(exposure(placeholder), "2022", told.append) is None
    assert aberration_scale(exposure(0.99999), "2022", told.append) == 0.99999
    assert told == []


@pytest.mark.parametrize("scale", [-999999, 0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_cannot_be_is_1_and_told(scale, caplog):
    """NaN made a WCS of NaN in romancal 1.1.0."""
    result = AssignWcsStep.call(exposure(scale), override_distortion=reference())
    assert result.meta.wcs(7.0, 11.0) == wcs()(7.0, 11.0)
    assert result.meta.wcs.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    (told,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert f"meta.velocity_aberration.scale_factor is {scale}" in told


@pytest.mark.parametrize("missing", ["null", "key", "block"])
def test_without_a_scale_it_is_1(missing, caplog):
    image = exposure()
    if missing == "null":
        image._tree.data["meta"]["velocity_aberration"]["scale_factor"] = None
    elif missing == "key":
        del image.meta.velocity_aberration["scale_factor"]
    else:
        del image.meta["velocity_aberration"]
    result = AssignWcsStep.call(image, override_distortion=reference())
    assert result.meta.wcs(7.0, 11.0) == wcs()(7.0, 11.0)
    assert not [r for r in caplog.records if r.levelname == "WARNING"]


def test_of_the_velocity_aberration_only_the_scale_counts():
    given = exposure()
    given.meta.velocity_aberration.ra_reference = 123.0
    given.meta.velocity_aberration.dec_reference = -45.0
    result = AssignWcsStep.call(given, override_distortion=reference())
    expected = AssignWcsStep.call(exposure(), override_distortion=reference())
    assert result.meta.wcs(7.0, 11.0) == expected.meta.wcs(7.0, 11.0)


def bounded_reference():
    transform = distortion()
    transform.bounding_box = ((9.5, 49.5), (19.5, 79.5))  # y, x
    return DistortionRefModel(testing.create_distortion(coordinate_distortion_transform=transform))


def test_in_flight_the_wcs_holds_where_the_distortion_says_so():
    assert stated_box(distortion()) is None
    result = AssignWcsStep.call(exposure(), override_distortion=bounded_reference())
    assert result.meta.wcs.bounding_box.bounding_box(order="F") == ((19.5, 79.5), (9.5, 49.5))
    plain = wcs(scale_factor=1.00003)
    corners = np.stack(plain(*np.array([[19.5, 9.5], [19.5, 49.5], [79.5, 49.5], [79.5, 9.5]]).T))
    assert result.meta.wcsinfo.s_region == s_region(corners.T, "flight")


def test_in_2022_it_holds_for_the_image():
    reference = bounded_reference()
    result = AssignWcsStep.call(exposure(), override_distortion=reference, recipe="2022")
    assert result.meta.wcs.bounding_box.bounding_box(order="F") == ((-0.5, 99.5), (-0.5, 59.5))
    assert result.meta.wcsinfo.s_region.startswith("POLYGON ICRS 9.998")


def undefined_in(bad):
    """A distortion that is NaN where its table, over x of 0 to 99, says so."""
    factors = np.where(bad, np.nan, 1.0)[:, None] * np.ones(2)
    table = Tabular2D(
        points=([-0.5, 49.5, 50.5, 99.5], [-0.5, 59.5]), lookup_table=factors, bounds_error=False
    )
    where = Mapping((0, 1, 0, 1)) | distortion() & table
    times = Mapping((0, 2, 1, 2)) | product() & product()
    return DistortionRefModel(
        testing.create_distortion(coordinate_distortion_transform=where | times)
    )


def product():
    return Polynomial2D(2, c1_1=1.0)


def test_a_corner_without_a_position_leaves_the_footprint_and_is_told(caplog):
    image = exposure()
    image.meta.wcsinfo.s_region = "as it was"
    reference = undefined_in([False, False, True, True])
    result = AssignWcsStep.call(image, override_distortion=reference)
    assert result.meta.wcsinfo.s_region == "as it was"
    assert np.isfinite(result.meta.wcs(7.0, 11.0)).all()
    assert np.isnan(result.meta.wcs(90.0, 11.0)).all()
    assert result.meta.cal_step.assign_wcs == "COMPLETE"
    (told,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "a corner of the image has no position on the sky" in told


def test_a_distortion_without_any_position_is_an_error():
    with pytest.raises(InputError, match="no part of the image has a position on the sky"):
        AssignWcsStep.call(exposure(), override_distortion=undefined_in([True] * 4))


def test_the_scale_factor_of_a_2022_exposure_is_not_applied():
    """Its system did not: the WCS of `expected_cal.asdf` would be off by 5e-8 degrees."""
    with datamodels.open(SEED_ERA / "expected_cal.asdf") as calibrated:
        theirs = calibrated.meta.wcs
        assert calibrated.meta.velocity_aberration.scale_factor == 0.99997
        result = AssignWcsStep.call(calibrated, references=SEED_ERA)
        assert result.meta.wcs.available_frames == ["detector", "v2v3", "world"]
        x, y = np.meshgrid(np.linspace(-0.5, 119.5, 25), np.linspace(-0.5, 119.5, 25))
        np.testing.assert_allclose(result.meta.wcs(x, y), theirs(x, y), rtol=0, atol=1e-9)


def test_the_mission_library_evaluates_the_saved_wcs_to_the_same_positions(tmp_path):
    import roman_datamodels.datamodels as rdm

    result = AssignWcsStep.call(exposure(roll_ref=33.0), override_distortion=reference())
    result.save(tmp_path / "x_cal.asdf")
    x, y = np.meshgrid(np.linspace(0, 99, 10), np.linspace(0, 59, 10))
    with rdm.open(tmp_path / "x_cal.asdf") as theirs:
        assert isinstance(theirs, rdm.ImageModel)
        theirs.validate()
        np.testing.assert_array_equal(theirs.meta.wcs(x, y), result.meta.wcs(x, y))
        assert theirs.meta.wcs.available_frames == result.meta.wcs.available_frames
        assert theirs.meta.wcs.bounding_box.bounding_box() == ((-0.5, 99.5), (-0.5, 59.5))
        assert theirs.meta.wcsinfo.s_region == result.meta.wcsinfo.s_region


def test_not_applicable_skips_the_step():
    result = AssignWcsStep.call(exposure(), override_distortion="N/A")
    assert result.meta.cal_step.assign_wcs == "SKIPPED"
    assert result.meta.wcs is None


def test_a_pointing_keyword_that_is_no_number_is_an_error_that_names_it():
    image = exposure(roll_ref=float("nan"))
    with pytest.raises(InputError, match=r"meta\.wcsinfo\.roll_ref is nan"):
        AssignWcsStep.call(image, override_distortion=reference())


def test_a_ramp_is_refused():
    with pytest.raises(InputError, match="ImageModel, got: RampModel"):
        AssignWcsStep.call(RampModel(testing.create_ramp()), override_distortion=reference())
