"""The physics of the simulator against theory: noise, detector, sky, cosmic rays."""

from __future__ import annotations

import numpy as np
import pytest

from romancal_rs.dqflags import pixel
from romancal_rs.simulate import SimulationConfig
from romancal_rs.simulate.cosmic_rays import CosmicRays, _collect, make_cosmic_rays
from romancal_rs.simulate.detector import (
    PIXEL_KINDS,
    Detector,
    linearity_coefficients,
    make_detector,
    raw_signal,
)
from romancal_rs.simulate.pointing import point
from romancal_rs.simulate.ramp import expose
from romancal_rs.simulate.references import reference_contents
from romancal_rs.simulate.scene import make_scene


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


def within(sample, expected, standard_error):
    assert abs(sample - expected) < 4 * standard_error, (sample, expected, standard_error)


# --- noise --------------------------------------------------------------------------------------


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


def test_threads_do_not_change_a_bit():
    one = readout([[1, 2], [3]], 50.0, shape=(200, 40), read_noise=5.0, threads=1)
    many = readout([[1, 2], [3]], 50.0, shape=(200, 40), read_noise=5.0, threads=3)
    np.testing.assert_array_equal(one.data, many.data)
    np.testing.assert_array_equal(one.amp33, many.amp33)


def test_bands_of_rows_are_independent():
    data = readout([[1]], 1000.0, shape=(200, 60)).data[0].astype(float)
    first, second = data[:64].ravel(), data[64:128].ravel()
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(first.size)


# --- detector -----------------------------------------------------------------------------------


def test_linearity_coefficients_are_the_inverse_series():
    coefficients = linearity_coefficients(np.full((1, 1), 1e-6, dtype=np.float32))[:, 0, 0]
    # The power series of (1 - sqrt(1 - 4 a raw)) / (2 a) has the factors 1, 1, 2, 5, 14 ..., of
    # which a polynomial that is near everywhere differs the more the higher the power.
    np.testing.assert_allclose(coefficients[:3], [0, 1, 1e-6], rtol=1e-4)
    assert coefficients[3] == pytest.approx(2e-12, rel=0.01)
    # 30000 DN with a = 1e-6: raw = 30000 - 900 = 29100.
    assert raw_signal(np.float64(30000), np.float64(1e-6)) == pytest.approx(29100)
    corrected = np.polynomial.polynomial.polyval(29100.0, coefficients.astype(float))
    assert corrected == pytest.approx(30000, abs=0.03)


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


# --- sky and cosmic rays ------------------------------------------------------------------------


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
