"""The transient of WFI18 against today's system, romancal 1.1, by file (``tests/data/flight``).

What is compared is what it makes with the median of each pixel's own row (``out_fixed_*``): without
that it is wrong (deviation 47).
"""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import ReadPattern, _core, dqflags, kernels

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"
INSIDE = np.s_[4:-4]
MASKED = dqflags.DO_NOT_USE | dqflags.WFI18_TRANSIENT


def load(name):
    with np.load(GOLDEN / f"wfi18_transient_{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def pattern_of(file):
    ends = np.cumsum(file["in_read_pattern_lengths"])
    reads = [part.tolist() for part in np.split(file["in_read_pattern_reads"], ends[:-1])]
    return ReadPattern.from_reads(reads, float(file["in_frame_time"]))


def no_flags(data):
    return np.zeros(data.shape, np.uint8), np.zeros(data.shape[1:], np.uint32)


def model(parameters, times):
    a, b, ta, tb = parameters
    return a * np.exp(-times / ta) + b * np.exp(-times / tb)


def sum_of_squares(parameters, file):
    rows = file["out_fixed_residual_rows"]
    times = file.get("out_fixed_t_row", file["out_t_row"])
    return np.sum((rows - model(parameters, times)) ** 2)


@pytest.mark.parametrize("name", ["small", "small_even", "small_fail"])
def test_excess_of_rows(name):
    file = load(name)
    rows = _core.excess_of_rows(file["in_data"], *no_flags(file["in_data"]), pattern_of(file))
    np.testing.assert_allclose(rows, file["out_fixed_residual_rows"], rtol=0, atol=1.1e-13)


@pytest.mark.parametrize("name", ["full", "small", "small_even"])
def test_the_fit_is_not_worse_than_that_of_todays_system(name):
    file = load(name)
    times = file.get("out_fixed_t_row", file["out_t_row"])
    amplitudes, time_constants, rms = _core.fit_transient(times, file["out_fixed_residual_rows"])
    cost = sum_of_squares((*amplitudes, *time_constants), file)
    of_peer = sum_of_squares(file["out_fixed_popt"], file)
    assert cost <= of_peer * (1 + 1e-12)
    assert rms == pytest.approx((cost / len(times)) ** 0.5, rel=1e-9)


def test_the_times_of_rows():
    file = load("full")
    of_rows, of_cols = kernels.read_times("WFI18", float(file["in_frame_time"]))
    times = of_rows[INSIDE] + of_cols[INSIDE].mean()
    np.testing.assert_allclose(times, file["out_t_row"], rtol=0, atol=3.6e-15)


@pytest.mark.parametrize("fit", ["out_", "out_fixed_"])
def test_what_a_known_transient_takes_off(fit):
    file = load("full")
    a, b, ta, tb = file[f"{fit}popt"]
    at = np.ix_(file["in_rows"], file["in_cols"])
    data = np.zeros((5, 4096, 4096), np.float32)
    data[0][at] = file["in_data0_at"]
    kernel = _core.wfi18_known_transient(
        float(file["in_frame_time"]), pattern_of(file), (a, b), (ta, tb)
    )
    groupdq, pixeldq = no_flags(data)
    _core.apply([kernel], data, groupdq, pixeldq, None, None, None)
    np.testing.assert_array_equal(data[0][at], file[f"{fit}data0_at"])
    assert not groupdq.any()


@pytest.mark.parametrize("name", ["small_4res", "small_maskrows"])
def test_where_nothing_is_fitted_rows_are_flagged(name):
    file = load(name)
    # The files were made with 25 rows, not 1000: as those from row 975 of the detector on.
    data = file["in_data"].copy()
    groupdq, pixeldq = no_flags(data)
    found = kernels.correct_wfi18_transient(
        *(data, groupdq, pixeldq, float(file["in_frame_time"]), pattern_of(file)),
        mask_rows=bool(file["in_mask_rows"]),
        origin=(1000 - int(file["in_n_masked"]), 0),
    )
    assert found is None
    np.testing.assert_array_equal(data[0], file["out_data0"])
    np.testing.assert_array_equal(groupdq[0], file["out_groupdq0"])
    assert not groupdq[1:].any()


def test_a_row_without_a_sample_is_left_out_of_the_fit():
    # There, NaN in all samples of one row has 1000 rows flagged.
    file = load("small_fail")
    assert (file["out_groupdq0"][:25] == MASKED).all()
    rows = np.array(file["out_fixed_residual_rows"])
    assert np.isnan(rows[0])
    times = np.array(file["out_t_row"])
    rows[1:] = model((200, 50, 0.3, 1.0), times[1:])
    amplitudes, time_constants, rms = _core.fit_transient(times, rows)
    assert rms < 1e-6
    assert amplitudes == pytest.approx((200, 50), rel=1e-3)
    assert time_constants == pytest.approx((0.3, 1.0), rel=1e-3)


READS = [[1], [2, 3], [4, 5], [6, 7], [8, 9]]
FRAME_TIME = 3.04
PATTERN = ReadPattern.from_reads(READS, FRAME_TIME)
TRUTH = (180, 60, 0.02, 0.3)


def exposure(shape, truth=TRUTH, noise=2.0, gradient=0.0):
    """Ramps of 5 DN/s, and more with each row, with a transient in the first resultant."""
    n_rows, n_cols = shape
    of_rows, of_cols = kernels.read_times("WFI18", FRAME_TIME)
    times = of_rows[:n_rows, None] + of_cols[:n_cols]
    rate = 5 + gradient * np.arange(n_rows)[:, None]
    clean = 9000 + rate * PATTERN.times[:, None, None] * np.ones(shape)
    data = clean + np.random.default_rng(7).normal(0, noise, clean.shape)
    data[0][INSIDE, INSIDE] += model(truth, times)[INSIDE, INSIDE]
    return data.astype(np.float32), model(truth, times)


def correct(data, groupdq=None, pixeldq=None, **parameters):
    flags = no_flags(data)
    groupdq, pixeldq = (flags[0] if groupdq is None else groupdq, flags[1])
    return kernels.correct_wfi18_transient(
        data, groupdq, pixeldq, FRAME_TIME, PATTERN, **parameters
    ), groupdq


@pytest.mark.parametrize("gradient", [0.0, 1.0])
def test_14_each_pixel_is_judged_by_its_own_row(gradient):
    # There, images that are no squares are an error, and of a gradient rows count in part or not at
    # all.
    data, signal = exposure((200, 256), gradient=gradient)
    expected = data[0].astype(float)
    expected[INSIDE, INSIDE] -= signal[INSIDE, INSIDE]
    found, groupdq = correct(data)
    assert found is not None
    assert not groupdq.any()
    # What the fit is off: less than the noise of the mean of a row.
    error = (data[0] - expected)[INSIDE, INSIDE]
    assert abs(error.mean()) < 0.1
    assert np.sqrt((error**2).mean()) < 0.3
    np.testing.assert_array_equal(data[0, :4], expected[:4].astype(np.float32))


def test_flagged_samples_do_not_count():
    data, _ = exposure((64, 256))
    clean = data.copy()
    groupdq, _ = no_flags(data)
    hit = np.random.default_rng(3).random(data.shape) < 0.1
    data[hit] += 3000
    groupdq[hit] = np.where(np.arange(5) % 2, dqflags.DO_NOT_USE, dqflags.SATURATED)[
        np.nonzero(hit)[0]
    ]
    before = groupdq.copy()
    found, _ = correct(data, groupdq)
    expected, _ = correct(clean, before.copy())
    assert found == expected
    np.testing.assert_array_equal(groupdq, before)


@pytest.mark.parametrize("b", [20, 60, 200])
@pytest.mark.parametrize("tb", [0.3, 0.8, 2.0])
@pytest.mark.parametrize("ta", [0.05, 0.15])
def test_15_a_second_term_that_is_positive_is_found(ta, tb, b):
    # At full size, with the noise of a row of 4088 pixels. There, 33 of 54 such fits end
    # elsewhere, by up to 102 DN.
    of_rows, of_cols = kernels.read_times("WFI18", 3.16247)
    times = of_rows[INSIDE] + of_cols[INSIDE].mean()
    truth = model((200, b, ta, tb), times)
    noise = np.random.default_rng(int(1000 * (ta + tb) + b)).normal(0, 0.4, times.size)
    amplitudes, time_constants, rms = _core.fit_transient(times, truth + noise)
    error = model((*amplitudes, *time_constants), times) - truth
    # Four parameters take up four of 4088 parts of the noise.
    assert np.sqrt(np.mean(error**2)) < 0.4 * np.sqrt(4 / times.size) * 3
    assert rms == pytest.approx(0.4, rel=0.05)
    assert np.abs(error).max() < 1.0


def test_flags_of_the_last_two_resultants_do_not_leave_rows_without_a_mean():
    # They serve to tell which pixels are bright, and nothing else. With 200 rows flagged there the
    # transient was extrapolated to them.
    data, signal = exposure((512, 256), truth=(180, 60, 0.1, 0.6))
    expected = data[0].astype(float)
    expected[INSIDE, INSIDE] -= signal[INSIDE, INSIDE]
    groupdq, _ = no_flags(data)
    groupdq[4, :200] = dqflags.DO_NOT_USE
    before = groupdq.copy()
    found, _ = correct(data, groupdq)
    assert (found.n_rows, found.masked_rows) == (504, 0)
    error = (data[0] - expected)[INSIDE, INSIDE]
    assert np.abs(error).max() < 1
    np.testing.assert_array_equal(groupdq, before)


def test_what_is_not_known_of_the_first_rows_is_not_extrapolated_but_flagged():
    data, signal = exposure((512, 256), truth=(180, 60, 0.1, 0.6))
    expected = data[0].astype(float)
    expected[INSIDE, INSIDE] -= signal[INSIDE, INSIDE]
    groupdq, _ = no_flags(data)
    groupdq[2, :200] = dqflags.DO_NOT_USE
    found, _ = correct(data, groupdq)
    assert found.n_rows == 308
    assert 160 < found.masked_rows < 200
    masked = groupdq[0] & MASKED == MASKED
    np.testing.assert_array_equal(masked.any(axis=1), np.arange(512) < found.masked_rows)
    assert np.abs((data[0] - expected)[found.masked_rows : -4, INSIDE]).max() < 5


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n_rows", [8, 56, 4088])
def test_noise_alone_is_no_transient(seed, n_rows):
    # Was accepted with amplitudes of +-1.4e6 DN.
    of_rows, _ = kernels.read_times("WFI18", FRAME_TIME)
    noise = np.random.default_rng(seed).normal(0, 0.4, n_rows)
    amplitudes, time_constants, rms = _core.fit_transient(of_rows[4 : 4 + n_rows], noise)
    assert (amplitudes, time_constants) == ([0, 0], [np.inf, np.inf])
    assert rms == pytest.approx((noise**2).mean() ** 0.5)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("tau", [0.05, 0.138, 0.5, 2.0])
def test_one_exponential_is_not_fitted_as_two_that_cancel(seed, tau):
    # Was accepted with the same time constant twice, and amplitudes of +-6e7 DN.
    of_rows, _ = kernels.read_times("WFI18", FRAME_TIME)
    times = of_rows[INSIDE]
    noise = np.random.default_rng(seed).normal(0, 0.4, times.size)
    amplitudes, time_constants, _ = _core.fit_transient(times, 200 * np.exp(-times / tau) + noise)
    assert amplitudes == [pytest.approx(200, rel=0.01), 0]
    assert time_constants == [pytest.approx(tau, rel=0.01), np.inf]


@pytest.mark.parametrize("way", [(1, 1), (3, 2), (7, 3)])
@pytest.mark.parametrize("tile_cols", [None, 5, 128])
def test_bands_threads_and_tiles_do_not_matter(way, tile_cols):
    data, _ = exposure((40, 200))
    groupdq, pixeldq = no_flags(data)
    kernel = kernels.wfi18_transient(FRAME_TIME, PATTERN)
    band_rows, max_threads = way
    whole, cut = data.copy(), data.copy()
    [(_, of_whole)] = _core.apply([kernel], whole, groupdq, pixeldq, 1, 1000, None)
    [(_, of_cut)] = _core.apply([kernel], cut, groupdq, pixeldq, max_threads, band_rows, tile_cols)
    assert of_whole == of_cut
    assert "rms" in of_whole
    np.testing.assert_array_equal(whole, cut)


def test_the_one_pass_takes_off_the_same():
    data, _ = exposure((40, 200))
    plane = np.ones(data.shape[1:], np.float32)
    fit = kernels.ramp_fit(plane, plane, PATTERN)
    kernel = kernels.wfi18_transient(FRAME_TIME, PATTERN)
    calibrated = kernels.calibrate(data, [kernel], fit, border=4, tile_cols=128)
    found, groupdq = correct(data)
    expected = kernels.fit_ramps(
        data, groupdq, np.zeros_like(plane, np.uint32), plane, plane, PATTERN
    )
    np.testing.assert_array_equal(calibrated.fit.slope, expected.slope[INSIDE, INSIDE])
    assert kernels.Transient.of_found(calibrated.found[0]) == found
