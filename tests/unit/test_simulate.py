"""The simulator against theory: what it draws, what it writes, what it calls the truth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from romancal_rs.dqflags import pixel
from romancal_rs.simulate import SimulationConfig, parse_read_pattern, simulate
from romancal_rs.simulate.comparison import compare, compare_by_rate, filled_unseen, score_jumps
from romancal_rs.simulate.cosmic_rays import CosmicRays, _collect, make_cosmic_rays
from romancal_rs.simulate.detector import (
    PIXEL_KINDS,
    Detector,
    linearity_coefficients,
    make_detector,
    raw_signal,
)
from romancal_rs.simulate.metadata import exposure_metadata
from romancal_rs.simulate.pointing import (
    attitude_matrix,
    detector_position,
    distortion,
    look,
    point,
)
from romancal_rs.simulate.ramp import expose
from romancal_rs.simulate.references import reference_contents
from romancal_rs.simulate.scene import make_scene

QUIET = {
    "star_density": 0.0,
    "cosmic_ray_rate": 0.0,
    "bad_pixel_fraction": 0.0,
    "read_noise": 0.0,
    "photon_noise": False,
}
"""An exposure without anything random but the maps of the detector."""


def uniform_detector(shape, *, gain=2.0, read_noise=0.0, full_well=1e6, nonlinearity=0.0):
    def full(value):
        return np.full(shape, value, dtype=np.float32)

    return Detector(
        kind=np.zeros(shape, dtype=np.uint8),
        gain=full(gain),
        read_noise=full(read_noise),
        dark_current=full(0),
        response=full(1),
        full_well=full(full_well),
        nonlinearity=full(nonlinearity),
    )


def hits(*entries):
    """Cosmic rays from (read, row, col, electrons)."""
    read, row, col, electrons = np.array(entries, dtype=np.int32).reshape(-1, 4).T
    return CosmicRays(read, row, col, electrons.astype(float), np.ones(read.size, dtype=bool))


def readout(pattern, rate, cosmic_rays=None, shape=(20, 20), threads=None, **parameters):
    """Expose a uniform detector of 2 electron / DN to a uniform rate, 1 s per read."""
    names = ("read_noise", "full_well", "nonlinearity")
    detector = uniform_detector(shape, **{k: v for k, v in parameters.items() if k in names})
    settings = {k: v for k, v in parameters.items() if k not in names}
    config = SimulationConfig(
        rows=shape[0], cols=shape[1], read_pattern=pattern, frame_time=1.0, **settings
    )
    electron_rate = np.full(shape, rate, dtype=np.float32)
    return expose(config, detector, electron_rate, cosmic_rays or hits(), threads=threads)


# --- noise ------------------------------------------------------------------------------------


def within(sample, expected, standard_error):
    assert abs(sample - expected) < 4 * standard_error, (sample, expected, standard_error)


def test_difference_of_averaged_reads_has_the_hand_derived_variance():
    # Reads after a, b, c, d electrons each: R1 = a + b/2, R2 = a + b + c + d/2, so that
    # R2 - R1 = b/2 + c + d/2 with variance (1/4 + 1 + 1/4) lambda; single reads have 2 lambda.
    lam, gain, noise = 400.0, 2.0, 6.0
    data = readout([[1, 2], [3, 4]], lam, shape=(160, 160), read_noise=noise).data.astype(float)
    difference = (data[1] - data[0]).ravel()
    n = difference.size
    # Two read noises of 1/sqrt(2) the width, and rounding to whole DN twice.
    variance = 1.5 * lam / gain**2 + 2 * noise**2 / 2 + 2 / 12
    within(difference.mean(), 2 * lam / gain, np.sqrt(variance / n))
    within(difference.var(), variance, variance * np.sqrt(2 / n))


def test_uneven_resultants_have_the_covariance_of_a_poisson_process():
    pattern = [[1], [2, 3], [4, 5, 6, 7], [9, 10]]
    rate, gain, noise, pedestal = 300.0, 2.0, 5.0, 40.0
    data = readout(pattern, rate, shape=(160, 160), read_noise=noise, pedestal=pedestal).data
    samples = data.reshape(4, -1).astype(float)
    n = samples.shape[1]
    # Counts of one Poisson process at times t and u have the covariance rate x min(t, u).
    expected = np.empty((4, 4))
    for i, first in enumerate(pattern):
        for j, second in enumerate(pattern):
            overlap = np.mean([min(t, u) for t in first for u in second])
            expected[i, j] = rate * overlap / gain**2
        expected[i, i] += noise**2 / len(first) + 1 / 12
    measured = np.cov(samples)
    for i in range(4):
        mean = pedestal + rate * np.mean(pattern[i]) / gain
        within(samples[i].mean(), mean, np.sqrt(expected[i, i] / n))
        for j in range(4):
            # Isserlis' theorem gives the variance of a sample covariance.
            error = np.sqrt((expected[i, i] * expected[j, j] + expected[i, j] ** 2) / n)
            within(measured[i, j], expected[i, j], error)


def test_faint_pixels_stay_above_the_floor_of_the_converter():
    data = readout([[1], [2], [3]], 0.5, shape=(300, 300), read_noise=5.0).data
    assert data.min() > 0


def test_reference_output_has_only_read_noise():
    amp33 = readout([[1, 2, 3, 4]], 1000.0, shape=(200, 9), read_noise=8.0).amp33
    assert amp33.shape == (1, 200, 128)
    variance = SimulationConfig().read_noise ** 2 / 4 + 1 / 12
    within(amp33.mean(), 40.0, np.sqrt(variance / amp33.size))
    within(amp33.var(), variance, variance * np.sqrt(2 / amp33.size))


# --- determinism ------------------------------------------------------------------------------


def test_threads_do_not_change_a_bit():
    one = readout([[1, 2], [3]], 50.0, shape=(200, 40), read_noise=5.0, threads=1)
    many = readout([[1, 2], [3]], 50.0, shape=(200, 40), read_noise=5.0, threads=3)
    np.testing.assert_array_equal(one.data, many.data)
    np.testing.assert_array_equal(one.amp33, many.amp33)


def test_bands_of_rows_are_independent():
    data = readout([[1]], 1000.0, shape=(200, 60)).data[0].astype(float)
    first, second = data[:64].ravel(), data[64:128].ravel()
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(first.size)


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


# --- detector ---------------------------------------------------------------------------------


def test_linearity_coefficients_are_the_inverse_series():
    coefficients = linearity_coefficients(np.full((1, 1), 1e-6, dtype=np.float32))[:, 0, 0]
    np.testing.assert_allclose(coefficients, [0, 1, 1e-6, 2e-12, 5e-18, 14e-24], rtol=1e-6)
    # 30000 DN with a = 1e-6: raw = 30000 - 900 = 29100. The next term, 42 a^5 raw^6, is 0.026 DN.
    assert raw_signal(np.float64(30000), np.float64(1e-6)) == pytest.approx(29100)
    corrected = np.polynomial.polynomial.polyval(29100.0, coefficients.astype(float))
    assert corrected == pytest.approx(30000 - 0.026, abs=0.01)


def test_charge_stops_at_the_full_well():
    # 20000 electron / s reach 1e5 electrons with the fifth read.
    pattern = [[read] for read in range(1, 8)]
    ramp = readout(pattern, 20000.0, full_well=1e5, photon_noise=False)
    expected = 40 + np.array([1e4, 2e4, 3e4, 4e4, 5e4, 5e4, 5e4])
    np.testing.assert_array_equal(ramp.data[:, 0, 0], expected)
    assert (ramp.saturated_read == 5).all()


def test_numbers_stop_at_the_limit_of_the_converter():
    ramp = readout([[1], [2], [3]], 100000.0, full_well=1e6, photon_noise=False)
    assert ramp.data[:, 0, 0].tolist() == [50040, 65535, 65535]
    assert (ramp.saturated_read == 2).all()


def test_left_out_reads_accumulate():
    ramp = readout([[2], [7, 9]], 100.0, photon_noise=False)
    assert ramp.data[:, 0, 0].tolist() == [40 + 100, 40 + 400]
    assert (ramp.saturated_read == 0).all()


def test_maps_scatter_around_the_configured_values():
    config = SimulationConfig(rows=200, cols=200, bad_pixel_fraction=0.1)
    detector = make_detector(config)
    science = ~detector.is_kind("reference")
    assert science.sum() == 192 * 192
    assert np.median(detector.gain) == pytest.approx(config.gain, rel=0.02)
    assert np.median(detector.read_noise) == pytest.approx(config.read_noise, rel=0.01)
    assert np.median(detector.dark_current[science]) == pytest.approx(config.dark_current, rel=0.05)
    assert np.median(detector.response[science]) == pytest.approx(1, abs=config.flat_amplitude)
    assert (detector.response[~science] == 0).all()
    assert (detector.dark_current[~science] == 0).all()
    bad = science & ~detector.is_kind("good")
    within(bad.sum(), 0.1 * science.sum(), np.sqrt(0.1 * 0.9 * science.sum()))
    assert set(np.unique(detector.kind)) == set(range(len(PIXEL_KINDS)))


def test_references_flag_the_defects():
    config = SimulationConfig(rows=100, cols=90, bad_pixel_fraction=0.2)
    detector = make_detector(config)
    files = dict(reference_contents(config, detector, point(config)))
    inner = (slice(4, -4), slice(4, -4))

    def flagged(reftype, name):
        return (files[reftype]["dq"] & np.uint32(pixel[name])) != 0

    is_kind = detector.is_kind
    for reftype, name, kinds in (
        ("MASK", "REFERENCE_PIXEL", ["reference"]),
        ("MASK", "DEAD", ["dead"]),
        ("MASK", "HOT", ["hot"]),
        ("MASK", "WARM", ["warm"]),
        ("MASK", "LOW_QE", ["low_qe"]),
        ("MASK", "DO_NOT_USE", ["dead", "hot"]),
        ("LINEARITY", "NO_LIN_CORR", ["no_linearity"]),
        ("SATURATION", "NO_SAT_CHECK", ["no_saturation_check"]),
        ("DARK", "UNRELIABLE_DARK", ["hot"]),
    ):
        np.testing.assert_array_equal(flagged(reftype, name), is_kind(*kinds), err_msg=name)
    np.testing.assert_array_equal(
        flagged("FLAT", "NO_FLAT_FIELD"), is_kind("dead", "no_flat")[inner]
    )
    np.testing.assert_array_equal(np.isnan(files["GAIN"]["data"]), is_kind("no_gain"))
    np.testing.assert_array_equal(
        np.isnan(files["SATURATION"]["data"]), is_kind("no_saturation_check")
    )
    np.testing.assert_array_equal(
        np.isnan(files["LINEARITY"]["coeffs"]).all(axis=0), is_kind("no_linearity")
    )
    assert (files["SATURATION"]["data"][is_kind("good")] < 65535).all()
    assert files["FLAT"]["data"].shape == (92, 82)


# --- sky and cosmic rays ----------------------------------------------------------------------


def test_stars_bring_their_flux():
    config = SimulationConfig(
        rows=400, cols=400, star_density=1e-4, star_flux_min=50, star_flux_max=5000, seed=3
    )
    scene = make_scene(config)
    inner = (scene.star_x > 70) & (scene.star_x < 330) & (scene.star_y > 70) & (scene.star_y < 330)
    assert scene.star_flux.size > 5
    edge_stars = scene.star_flux[~inner].sum()
    light = (scene.rate - config.background).sum(dtype=float)
    assert scene.star_flux[inner].sum() - 1 < light < scene.star_flux.sum() + 1
    assert edge_stars < scene.star_flux.sum()
    brightest = np.argmax(scene.star_flux * inner)
    y, x = np.rint([scene.star_y[brightest], scene.star_x[brightest]]).astype(int)
    around = scene.rate[y - 1 : y + 2, x - 1 : x + 2]
    assert around.max() > 0.1 * scene.star_flux[brightest]


def test_star_fluxes_follow_the_power_law():
    config = SimulationConfig(
        rows=250, cols=250, star_density=0.02, star_flux_min=1, star_flux_max=100
    )
    flux = make_scene(config).star_flux
    # Density flux^-1.5 from 1 to 100: half of them below the flux where flux^-0.5 = (1 + 0.1) / 2.
    below = (flux < (2 / 1.1) ** 2).sum()
    within(below, flux.size / 2, np.sqrt(flux.size) / 2)


def test_a_dark_exposure_sees_no_light():
    config = SimulationConfig(
        rows=20, cols=20, optical_element="DARK", exposure_type="WFI_IM_DARK", star_density=1.0
    )
    assert (make_scene(config).rate == 0).all()


def test_charge_of_a_hit_is_shared_with_the_four_neighbours():
    config = SimulationConfig(rows=20, cols=30, ipc=0.02)
    sensitive = np.ones((20, 30), dtype=bool)
    sensitive[11, 12] = False
    one = np.array([1])
    found = _collect(config, sensitive, 3 * one, 10 * one, 12 * one, np.array([10000.0]))
    entries = set(
        zip(found.row.tolist(), found.col.tolist(), found.electrons, found.direct, strict=True)
    )
    assert entries == {
        (9, 12, 200.0, False),
        (10, 11, 200.0, False),
        (10, 12, 9200.0, True),
        (10, 13, 200.0, False),
    }
    assert (found.read == 3).all()


def test_hits_come_at_the_configured_rate_and_are_sorted():
    config = SimulationConfig(
        rows=512, cols=512, cosmic_ray_rate=1000, n_resultants=2, n_reads=4, ipc=0
    )
    found = make_cosmic_rays(config, np.ones((512, 512), dtype=bool))
    # 1000 / s / cm^2 x 0.262144 cm^2 x 8 x 3.04 s = 6375 tracks of 1.8 steps on average, of which
    # some steps round to the pixel before.
    assert 1.4 * 6375 < found.read.size < 1.8 * 6375
    key = (found.read * 512 + found.row) * 512 + found.col
    assert (np.diff(key) > 0).all()
    assert found.read.min() == 1
    assert found.read.max() == 8
    np.testing.assert_array_equal(found.resultant(config.pattern), (found.read - 1) // 4)
    assert found.direct.all()


def test_a_hit_in_a_left_out_read_belongs_to_the_next_resultant():
    found = hits((1, 5, 5, 100), (2, 5, 5, 100), (3, 5, 5, 100), (5, 5, 5, 100))
    assert found.resultant(((1,), (4, 5))).tolist() == [0, 1, 1, 1]


def test_a_hit_shows_from_its_read_on():
    # 800 electrons = 400 DN with read 4, the second of three reads: two thirds of it in that mean.
    pattern = [[1, 2], [3, 4, 5], [6]]
    quiet = readout(pattern, 60.0, photon_noise=False).data.astype(int)
    struck = readout(pattern, 60.0, hits((4, 7, 9, 800)), photon_noise=False).data.astype(int)
    np.testing.assert_allclose((struck - quiet)[:, 7, 9], [0, 400 * 2 / 3, 400], atol=1)
    struck[:, 7, 9] = quiet[:, 7, 9]
    np.testing.assert_array_equal(struck, quiet)


# --- the truth --------------------------------------------------------------------------------


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


# --- pointing ---------------------------------------------------------------------------------


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
    ],
)
def test_impossible_configurations_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message) as refused:
        SimulationConfig(**{field: value})
    assert str(refused.value).startswith(f"{field}:")


@pytest.mark.parametrize(
    "parameters",
    [
        {"rows": 9, "cols": 9, "n_resultants": 1, "n_reads": 1},
        {"rows": 33, "cols": 71, "read_pattern": [[1], [2, 3], [5, 6, 7]], "detector": "WFI18"},
        {"rows": 24, "cols": 20, "optical_element": "GRISM", "exposure_type": "WFI_SPECTRAL"},
        {"rows": 20, "cols": 20, "optical_element": "DARK", "exposure_type": "WFI_IM_DARK"},
    ],
    ids=["smallest", "uneven", "spectral", "dark"],
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
    assert set(made.reference_files) == set(classes)
    assert sorted(made.references.iterdir()) == sorted(made.reference_files.values())
    for reftype, path in made.reference_files.items():
        with rdm.open(path) as model:
            assert type(model).__name__ == classes[reftype]
            model.validate()
            assert model.meta.reftype == reftype
            assert model.meta.instrument.detector == config.detector
            assert "-2.0.0" in model.tag


def test_no_half_truth_is_left_behind(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        simulate(SimulationConfig(rows=9, cols=9), tmp_path)
    assert not [*tmp_path.glob("*.part"), *tmp_path.glob("*.npz")]


# --- comparison with the truth ------------------------------------------------------------------


def test_comparison_finds_bias_and_width():
    rng = np.random.default_rng(4)
    truth = np.full((200, 200), 2.0)
    err = np.full((200, 200), 0.5)
    measured = truth + 0.1 + 0.6 * rng.standard_normal((200, 200))
    chosen = np.ones((200, 200), dtype=bool)
    chosen[0] = False
    measured[0] = np.nan
    found = compare("label", measured, err, truth, chosen)
    assert found.n_pixels == 199 * 200
    # A median of n normal deviates has the standard error 1.2533 sigma / sqrt(n).
    within(found.bias, 0.1, 1.2533 * 0.6 / np.sqrt(found.n_pixels))
    within(found.pull, 0.2, 1.2533 * 1.2 / np.sqrt(found.n_pixels))
    assert found.width == pytest.approx(1.2, rel=0.02)
    nothing = compare("label", measured, err, truth, np.zeros_like(chosen))
    assert nothing.n_pixels == 0
    assert np.isnan(nothing.bias)


def test_rate_bins_hold_each_pixel_once():
    truth = np.array([[0.1, 0.5, 0.7, 1.0, 60.0]])
    found = compare_by_rate(truth, np.ones_like(truth), truth, truth < 1e9, edges=(0.5, 1.0, 50.0))
    assert [row.label for row in found] == ["below 0.5", "0.5 to 1", "1 to 50", "above 50"]
    assert [row.n_pixels for row in found] == [1, 2, 1, 1]


def test_pixels_that_fill_late_in_a_resultant_go_unseen():
    pattern = [[1, 2], [3, 4], [5, 6]]
    # Never full; full with read 4 and flagged at once; full with read 4, flagged one later; full at
    # the end, never flagged.
    saturated_read = np.array([[0, 4, 4, 6]], dtype=np.int32)
    saturated = np.array([[[0, 0, 0, 0]], [[0, 1, 0, 0]], [[0, 1, 1, 0]]], dtype=bool)
    unseen = filled_unseen(saturated, saturated_read, pattern)
    assert unseen.tolist() == [[False, False, True, True]]


def test_jump_score_by_hand():
    shape = (4, 6, 6)
    jumps = np.zeros(shape, dtype=bool)
    times, n_reads = np.array([1.0, 2.0, 4.0, 6.0]), np.array([1, 1, 2, 2])
    rate = np.full(shape[1:], 10.0)
    read_noise = np.full(shape[1:], 6.0)
    # In resultant 2: 10 x 2 + 36 x (1 + 1/2) = 74 electrons^2, 10 sigma are 86.02 electrons.
    entries = [
        (2, 1, 1, 87.0),  # found in its resultant
        (2, 1, 4, 87.0),  # found in the next
        (2, 4, 1, 87.0),  # missed
        (2, 4, 4, 85.0),  # too small to count
        (0, 5, 5, 1e5),  # in the first resultant: not counted
        (3, 0, 0, 1e5),  # on an unusable pixel: not counted
    ]
    resultant, row, col, electrons = (np.array(column) for column in zip(*entries, strict=True))
    jumps[2, 1, 1] = jumps[3, 1, 4] = jumps[3, 0, 0] = True
    jumps[2, 2, 1] = True  # next to a hit: explained
    jumps[1, 3, 3] = True  # false
    usable = np.ones(shape[1:], dtype=bool)
    usable[0, 0] = False
    score = score_jumps(
        jumps, usable, rate, read_noise, times, n_reads, (resultant, row, col, electrons)
    )
    assert (score.n_hits, score.n_found, score.n_false) == (3, 2, 1)
    # Resultants 1 to 3 have 35 usable pixels each. Of those, hits explain: 3 around the corner
    # (5, 5) in resultant 1; four crosses of 5, apart from each other, in resultants 2 and 3. One of
    # them holds both neighbours of the corner (0, 0).
    assert score.n_samples == 3 * 35 - 3 - 2 * 20
