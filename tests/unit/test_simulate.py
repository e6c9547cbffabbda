"""Simulated exposures: the truth beside them, where they point, their files and parameters."""

from __future__ import annotations

import dataclasses
from functools import reduce

import numpy as np
import pytest

from romancal_rs.exposure import BORDER
from romancal_rs.simulate import SimulationConfig, parse_read_pattern, simulate
from romancal_rs.simulate.detector import PIXEL_KINDS, make_detector
from romancal_rs.simulate.encoding import guide_window
from romancal_rs.simulate.metadata import exposure_metadata
from romancal_rs.simulate.pointing import (
    attitude_matrix,
    detector_position,
    distortion,
    look,
    point,
)

QUIET = {
    "star_density": 0.0,
    "cosmic_ray_rate": 0.0,
    "bad_pixel_fraction": 0.0,
    "read_noise": 0.0,
    "photon_noise": False,
    "readout": "ideal",
}
"""An exposure without anything random but the maps of the detector."""


# --- the truth ----------------------------------------------------------------------------------


def test_a_seed_gives_the_same_exposure_and_another_seed_another(tmp_path):
    from romancal_rs import datamodels

    config = SimulationConfig(rows=70, cols=31, n_resultants=3, n_reads=2, seed=5)

    def arrays(name, seed):
        made = simulate(dataclasses.replace(config, seed=seed), tmp_path / name)
        with datamodels.open(made.exposure) as raw, np.load(made.truth) as truth:
            return {"data": np.array(raw.data), "amp33": np.array(raw.amp33), **truth}

    first, again, other = arrays("a", 5), arrays("b", 5), arrays("c", 6)
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)
    for name in ("data", "amp33", "rate", "rate_electrons"):
        assert not np.array_equal(first[name], other[name])


def test_no_two_detectors_of_a_seed_are_alike(tmp_path):
    from romancal_rs import datamodels

    def of_model(model, dotted):
        return np.array(reduce(getattr, dotted.split("."), model))

    def arrays(detector):
        config = SimulationConfig(
            **{"rows": 32, "cols": 256, "n_resultants": 3, "n_reads": 2, "encoded": True},
            **{"star_density": 0.05, "cosmic_ray_rate": 1e4, "bad_pixel_fraction": 0.1},
            detector=detector,
        )
        made = simulate(config, tmp_path)
        found = {}
        for name, path in {"L1": made.exposure, **made.reference_files}.items():
            with datamodels.open(path) as model:
                found |= {(name, key): of_model(model, key) for key, _ in model.arrays()}
                if name == "PHOTOM":
                    found["PHOTOM", "F158"] = model.phot_table.F158.photmjsr
        with np.load(made.truth) as truth:
            return found | {("truth", key): truth[key] for key in ("star_flux", "cr_electrons")}

    first, second = arrays("WFI01"), arrays("WFI07")
    assert first["L1", "data"].shape == (3, 32, 256)
    alike = {name for name, values in first.items() if np.array_equal(values, second[name])}
    alike = {name for name in alike if not name[1].endswith(".wavelength")}
    assert alike == {
        ("FLAT", "err"),
        ("INTEGRALNONLINEARITY", "value"),
        ("REFPIX", "gamma"),
        ("REFPIX", "zeta"),
    }
    assert first["PHOTOM", "F158"] == pytest.approx(second["PHOTOM", "F158"], rel=0.11)


def test_noiseless_exposure_gives_the_true_rate(tmp_path):
    from romancal_rs import datamodels

    pattern = [[1], [3], [6], [10]]
    config = SimulationConfig(
        rows=64,
        cols=80,
        read_pattern=pattern,
        **{**QUIET, "star_density": 5e-3, "bad_pixel_fraction": 0.02},
    )
    made = simulate(config, tmp_path)
    with np.load(made.truth) as file:
        truth = dict(file)
    with (
        datamodels.open(made.exposure) as raw,
        datamodels.open(made.reference_files["LINEARITY"]) as linearity,
        datamodels.open(made.reference_files["DARK"]) as dark,
        datamodels.open(made.reference_files["FLAT"]) as flat,
    ):
        data = np.array(raw.data, dtype=float)
        coefficients = np.array(linearity.coeffs, dtype=float)
        dark_slope = np.array(dark.dark_slope, dtype=float)
        flat_field = np.array(flat.data, dtype=float)
    kinds = [PIXEL_KINDS.index(name) for name in ("good", "hot", "warm", "low_qe")]
    usable = np.isin(truth["pixel_kind"], kinds) & (truth["saturated_read"] == 0)
    assert usable.mean() > 0.7
    for index, (read,) in enumerate(pattern):
        time = 3.04 * read
        linear = sum(c * data[index] ** k for k, c in enumerate(coefficients))
        rate = (linear - config.pedestal) / time - dark_slope
        # Rounding to whole DN, stretched by up to 6 % where the response is flattest, and float32
        # truth; 0.1 DN of the series' cut at full well.
        tolerance = (0.5 * 1.08 + 0.1) / time + 1e-5 * truth["rate_before_flat"]
        assert (np.abs(rate - truth["rate_before_flat"]) < tolerance)[usable].all()
    inner = (slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(
        (truth["rate_before_flat"][inner] / flat_field)[usable[inner]],
        truth["rate"][inner][usable[inner]],
        rtol=1e-6,
    )


def test_a_uniform_sky_is_uniform_after_the_flat(tmp_path):
    """The flat holds the gain of the pixels too, as one that is made of counts does."""
    config = SimulationConfig(rows=64, cols=256, background=1.9, gain=1.9, star_density=0.0)
    made = simulate(config, tmp_path)
    with np.load(made.truth) as truth:
        kinds = [PIXEL_KINDS.index(name) for name in ("good", "hot", "warm", "low_qe")]
        usable = np.isin(truth["pixel_kind"], kinds)
        assert truth["rate_before_flat"][usable].std() > 0.01
        np.testing.assert_allclose(truth["rate"][usable], 1.0, rtol=1e-5)


def test_magnitudes_of_stars_follow_from_the_photometry_of_the_reference(tmp_path):
    from astropy import units as u

    from romancal_rs import datamodels

    config = SimulationConfig(rows=40, cols=40, n_resultants=2, n_reads=1, star_density=0.02)
    made = simulate(config, tmp_path)
    with np.load(made.truth) as file:
        truth = dict(file)
    with datamodels.open(made.reference_files["PHOTOM"]) as photom:
        row = photom.phot_table.F158
        brightness = truth["star_flux"] / config.gain * row.photmjsr * u.MJy / u.sr
        expected = (brightness * row.pixelareasr * u.sr).to_value(u.ABmag)
    assert truth["star_ab_mag"].size > 10
    np.testing.assert_allclose(truth["star_ab_mag"], expected, atol=1e-9)


def test_stars_have_no_magnitude_where_light_is_dispersed(tmp_path):
    config = SimulationConfig(
        rows=40,
        cols=40,
        n_resultants=2,
        n_reads=1,
        star_density=0.02,
        optical_element="GRISM",
        exposure_type="WFI_SPECTRAL",
    )
    with np.load(simulate(config, tmp_path).truth) as truth:
        assert truth["star_ab_mag"].size == truth["star_flux"].size > 10
        assert np.isnan(truth["star_ab_mag"]).all()


def test_truth_lists_the_hits(tmp_path):
    from romancal_rs import datamodels

    config = SimulationConfig(
        rows=100,
        cols=90,
        n_resultants=6,
        n_reads=1,
        **{**QUIET, "cosmic_ray_rate": 200.0},
        nonlinearity=0.0,
    )
    struck = simulate(config, tmp_path / "struck")
    quiet = simulate(dataclasses.replace(config, cosmic_ray_rate=0.0), tmp_path / "quiet")
    with datamodels.open(struck.exposure) as a, datamodels.open(quiet.exposure) as b:
        excess = np.array(a.data, dtype=float) - np.array(b.data, dtype=float)
    gain = make_detector(config).gain
    expected = np.zeros_like(excess)
    with np.load(struck.truth) as truth:
        assert truth["cr_read"].size > 100
        assert truth["cr_direct"].any()
        assert not truth["cr_direct"].all()
        np.testing.assert_array_equal(truth["cr_resultant"], truth["cr_read"] - 1)
        for i, row, col, electrons in zip(
            *(truth[f"cr_{name}"] for name in ("resultant", "row", "col", "electrons")),
            strict=True,
        ):
            expected[i:, row, col] += electrons / gain[row, col]
    np.testing.assert_allclose(excess, expected, atol=1.01)  # both exposures are rounded


# --- pointing -----------------------------------------------------------------------------------


def test_pointing_agrees_with_the_mission_s_simulator():
    # meta.pointing and meta.wcsinfo of an exposure made by romanisim for target 270, 66, angle 12,
    # with the positions of the mission's aperture file.
    config = SimulationConfig(detector="WFI07", ra=270.0, dec=66.0, position_angle=12.0)
    pointing = point(config)
    assert pointing.ra_v1 == pytest.approx(270.25844116519113, abs=1e-6)
    assert pointing.dec_v1 == pytest.approx(66.48495032764421, abs=1e-6)
    assert pointing.pa_v3 == pytest.approx(72.23561304208309, abs=1e-6)
    attitude = attitude_matrix(270.0, 66.0, 72.0, 1546.3846181707652, -892.7916365721071)
    ra, dec, roll = look(attitude, 536.014439839392, -1718.7477566076013)
    assert ra == pytest.approx(269.24452390544894, abs=1e-6)
    assert dec == pytest.approx(66.19417633315027, abs=1e-6)
    assert roll == pytest.approx(71.30753919594278, abs=1e-6)


@pytest.mark.parametrize(
    ("detector", "v2", "v3"), [("WFI01", 1312.949, -1040.785), ("WFI07", 536.014, -1718.748)]
)
def test_detectors_lie_near_their_places_in_the_aperture_file(detector, v2, v3):
    assert detector_position(detector) == pytest.approx((v2, v3), abs=6)


def test_detectors_do_not_overlap():
    places = np.array([detector_position(f"WFI{number:02d}") for number in range(1, 19)])
    distance = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    assert distance[~np.eye(18, dtype=bool)].min() > 4096 * 0.109


def test_distortion_maps_pixels_to_the_focal_plane_and_back():
    config = SimulationConfig(rows=4096, cols=4096, detector="WFI12")
    pointing = point(config)
    transform = distortion(config, pointing)
    # The middle of 4088 science pixels is the reference point.
    assert transform(2043.5, 2043.5) == pytest.approx((pointing.v2_ref, pointing.v3_ref), abs=1e-9)
    axis = np.linspace(0, 4087, 15)
    x, y = np.meshgrid(axis, axis)
    back = transform.inverse(*transform(x, y))
    np.testing.assert_allclose(back, (x, y), atol=1e-3)
    step = np.hypot(*np.subtract(transform(x + 1, y), transform(x, y)))
    np.testing.assert_allclose(step, 0.109, rtol=0.02)
    assert np.ptp(step) > 0.0005  # it is a distortion


# --- configuration and files --------------------------------------------------------------------


def test_even_pattern_and_names():
    config = SimulationConfig(n_resultants=3, n_reads=1, program=17, visit=4, exposure=12)
    assert config.pattern == ((1,), (2,), (3,))
    assert SimulationConfig(n_resultants=2, n_reads=3).pattern == ((1, 2, 3), (4, 5, 6))
    assert config.root == "r0001701001001001004_0012_wfi01_f158"


def test_metadata_state_the_times():
    config = SimulationConfig(
        read_pattern=[[1], [2, 3], [6, 7]], frame_time=2.0, start_time="2027-06-01T10:00:00"
    )
    exposure = exposure_metadata(config, point(config))["exposure"]
    assert exposure["read_pattern"] == [[1], [2, 3], [6, 7]]
    assert exposure["nresultants"] == 3
    assert exposure["exposure_time"] == 14.0
    assert exposure["effective_exposure_time"] == 2.0 * (6.5 - 1)
    assert exposure["start_time"].isot == "2027-06-01T10:00:00.000"
    assert exposure["mid_time"].isot == "2027-06-01T10:00:07.000"
    assert exposure["end_time"].isot == "2027-06-01T10:00:14.000"


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("1;2-3;4-8", ((1,), (2, 3), (4, 5, 6, 7, 8))),
        (" 1 ; 2, 3 ;5-6,9", ((1,), (2, 3), (5, 6, 9))),
        ("[[1], [2, 3]]", ((1,), (2, 3))),
    ],
)
def test_read_patterns_as_text(text, pattern):
    assert parse_read_pattern(text) == pattern


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1;x", "expected a form such as"),
        ("1;5-3", "runs backwards"),
        ("1;;2", "expected a form such as"),
        ("[[1], [2", "not valid JSON"),
        ("1;1", "increase, got 1 after 1"),
    ],
)
def test_wrong_read_patterns_as_text(text, message):
    with pytest.raises(ValueError, match=message):
        parse_read_pattern(text)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rows", 8, "between 9 and 4096, got 8"),
        ("cols", 5000, "between 9 and 4096, got 5000"),
        ("rows", 64.0, "expected int, got 64.0"),
        ("seed", -1, "at least 0"),
        ("seed", True, "expected int, got True"),
        ("n_resultants", 0, "at least 1"),
        ("n_reads", 0, "at least 1"),
        ("read_pattern", [], "at least one resultant"),
        ("read_pattern", [[1], []], "resultant 2 has no reads"),
        ("read_pattern", [[0]], "got 0 after 0"),
        ("read_pattern", [[2], [1]], "got 1 after 2"),
        ("read_pattern", [[1.5]], "integers, got 1.5"),
        ("read_pattern", [1, 2], "expected a list of lists"),
        ("frame_time", 0.0, "must be positive"),
        ("frame_time", float("nan"), "must be finite"),
        ("detector", "WFI19", "WFI01 to WFI18, got 'WFI19'"),
        ("exposure_type", "WFI_MOVIE", "WFI_IMAGE, WFI_SPECTRAL"),
        ("optical_element", "GRISM", "for WFI_IMAGE, got 'GRISM'"),
        ("start_time", "yesterday", "ISO 8601"),
        ("start_time", "2019-01-01", "from 2020-01-01"),
        ("start_time", "2027-01-01T00:00:00+02:00", "leave out the time zone"),
        ("dec", 91.0, "between -90 and 90"),
        ("ipc", 0.3, "between 0 and 0.25"),
        ("gain", 0.0, "must be positive"),
        ("read_noise", -1.0, "between 0"),
        ("nonlinearity", 1e-5, "at full well"),
        ("star_flux_min", 1e6, "must lie below star_flux_max"),
        ("bad_pixel_fraction", 1.5, "between 0 and 1"),
        ("readout", "2022", "must be flight or ideal, got '2022'"),
        ("correlated_noise", -1.0, "between 0"),
        ("integral_nonlinearity", 60.0, "between 0 and 50"),
    ],
)
def test_impossible_configurations_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message) as refused:
        SimulationConfig(**{field: value})
    assert str(refused.value).startswith(f"{field}:")


@pytest.mark.parametrize("rows", [9, 10, 16, 24, 25, 40])
def test_the_guide_window_leaves_science_pixels(rows):
    config = SimulationConfig(rows=rows, cols=max(rows, 10), encoded=True)
    window = guide_window(config)
    assert BORDER <= window.ystart < window.ystop <= rows - BORDER
    assert BORDER <= window.xstart < window.xstop <= config.cols - BORDER
    assert window.xstop - window.xstart <= (config.cols - 2 * BORDER) / 2


def test_a_detector_of_one_science_pixel_cannot_be_encoded():
    with pytest.raises(ValueError, match="encoded: the guide window leaves none of the science"):
        SimulationConfig(rows=9, cols=9, encoded=True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"rows": 9, "cols": 9, "n_resultants": 1, "n_reads": 1},
        {"rows": 33, "cols": 71, "read_pattern": [[1], [2, 3], [5, 6, 7]], "detector": "WFI18"},
        {"rows": 24, "cols": 20, "optical_element": "GRISM", "exposure_type": "WFI_SPECTRAL"},
        {"rows": 20, "cols": 20, "optical_element": "DARK", "exposure_type": "WFI_IM_DARK"},
        {"rows": 24, "cols": 256, "encoded": True},
        {"rows": 24, "cols": 128, "readout": "ideal"},
    ],
    ids=["smallest", "uneven", "spectral", "dark", "channels", "ideal"],
)
def test_files_are_valid_for_the_mission_s_library(parameters, tmp_path):
    rdm = pytest.importorskip("roman_datamodels.datamodels")
    config = SimulationConfig(**parameters)
    made = simulate(config, tmp_path)
    assert made.exposure.name == f"{config.root}_uncal.asdf"
    with rdm.open(made.exposure) as model:
        assert isinstance(model, rdm.ScienceRawModel)
        assert model.tag == "asdf://stsci.edu/datamodels/roman/tags/wfi_science_raw-2.1.0"
        model.validate()
        n_resultants = len(config.pattern)
        assert model.data.shape == (n_resultants, config.rows, config.cols)
        assert model.amp33.shape == (n_resultants, config.rows, 128)
        assert model.data.dtype == model.amp33.dtype == np.uint16
        assert model.meta.filename == made.exposure.name
    classes = {
        "DARK": "DarkRefModel",
        "DISTORTION": "DistortionRefModel",
        "FLAT": "FlatRefModel",
        "GAIN": "GainRefModel",
        "LINEARITY": "LinearityRefModel",
        "MASK": "MaskRefModel",
        "PHOTOM": "WfiImgPhotomRefModel",
        "READNOISE": "ReadnoiseRefModel",
        "SATURATION": "SaturationRefModel",
    }
    if config.readout == "flight":
        classes |= {
            "DARKDECAYSIGNAL": "DarkdecaysignalRefModel",
            "INTEGRALNONLINEARITY": "IntegralnonlinearityRefModel",
            "INVERSELINEARITY": "InverselinearityRefModel",
        }
    if config.readout == "flight" and config.cols % 128 == 0:
        classes["REFPIX"] = "RefpixRefModel"
    assert set(made.reference_files) == set(classes)
    models = {path for path in made.references.iterdir() if "pars-" not in path.name}
    assert models == set(made.reference_files.values())
    for reftype, path in made.reference_files.items():
        with rdm.open(path) as model:
            assert type(model).__name__ == classes[reftype]
            model.validate()
            assert model.meta.reftype == reftype
            of_all = reftype == "DARKDECAYSIGNAL"
            assert model.meta.instrument.detector == ("WFI01" if of_all else config.detector)
            assert "-2.0.0" in model.tag


def test_no_half_truth_is_left_behind(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        simulate(SimulationConfig(rows=9, cols=9), tmp_path)
    assert not [*tmp_path.glob("*.part"), *tmp_path.glob("*.npz")]
