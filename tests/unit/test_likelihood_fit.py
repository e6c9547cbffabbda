"""The likelihood fit of ramps that are made read by read, with photons, noise and hits."""

import numpy as np
import pytest

from romancal_rs import ReadPattern, dqflags, kernels

GAIN, READ_NOISE, FRAME_TIME = 1.93, 4.8, 3.16247
EVEN_8 = [list(range(8 * i + 1, 8 * i + 9)) for i in range(8)]
UNEVEN_9 = [
    *([1], [2], [3, 4], [5, 6, 7, 8, 9]),
    *(list(range(first, first + 8)) for first in (10, 18, 26)),
    *(list(range(34, 44)), [44]),
]


def ramps(reads, rate, n_pixels, *, hit_read=None, hit=0.0, seed=1):
    """Means of reads [DN], (n_resultants, 1, n_pixels)."""
    random = np.random.default_rng(seed)
    electrons = np.zeros(n_pixels)
    data = np.zeros((len(reads), n_pixels))
    last = 0
    for g, resultant in enumerate(reads):
        for read in resultant:
            electrons += random.poisson(rate * GAIN * FRAME_TIME * (read - last), n_pixels)
            if hit_read is not None:
                electrons += np.where((last < hit_read) & (hit_read <= read), hit * GAIN, 0)
            last = read
            data[g] += electrons / GAIN + random.normal(0, READ_NOISE, n_pixels)
        data[g] /= len(resultant)
    return (data + 1000).astype(np.float32)[:, np.newaxis]


def fit(data, reads, **parameters):
    """The fit, and the flags of samples after it."""
    groupdq, pixeldq = np.zeros(data.shape, np.uint8), np.zeros(data.shape[1:], np.uint32)
    pattern = ReadPattern.from_reads(reads, FRAME_TIME)
    fitted = kernels.fit_likelihood(data, groupdq, pixeldq, GAIN, READ_NOISE, pattern, **parameters)
    return fitted, groupdq


@pytest.mark.parametrize("reads", [EVEN_8, UNEVEN_9], ids=["even", "uneven"])
@pytest.mark.parametrize("rate", [1.0, 30.0])
def test_chisq_has_the_distribution_of_its_name(reads, rate):
    n_pixels = 100_000
    fitted, _ = fit(ramps(reads, rate, n_pixels), reads, find_jumps=False)
    degrees = len(reads) - 2
    # Quantiles that 1 % of chi2 of 6 and 7 degrees of freedom are above.
    above = fitted.chisq > {6: 16.811894, 7: 18.475307}[degrees]
    assert abs(fitted.chisq.mean(dtype=float) / degrees - 1) < 0.005
    assert abs(above.mean() - 0.01) < 0.001
    pull = (fitted.slope.astype(float) - rate) / fitted.err
    assert abs(pull.std() - 1) < 0.007
    assert abs(fitted.slope.mean(dtype=float) - rate) < 5 * fitted.err.mean() / np.sqrt(n_pixels)


@pytest.mark.parametrize("reads", [EVEN_8, UNEVEN_9], ids=["even", "uneven"])
def test_noise_is_seldom_taken_for_a_hit(reads):
    _, groupdq = fit(ramps(reads, 1.0, 200_000, seed=2), reads)
    # One sided, at 4.5 sigma, in each difference and in each pair: some 1e-4.
    assert 2e-5 < groupdq.any(axis=0).mean() < 1.6e-4


@pytest.mark.parametrize("reads", [EVEN_8, UNEVEN_9], ids=["even", "uneven"])
def test_hits_in_any_read_leave_rate_and_error_as_they_should_be(reads):
    n_pixels = 50_000
    random = np.random.default_rng(3)
    hit_read = random.integers(2, reads[-1][-1] + 1, n_pixels)
    data = ramps(reads, 1.0, n_pixels, hit_read=hit_read, hit=300.0)
    for average_hits, width in ((True, 0.02), (False, 0.03)):
        fitted, groupdq = fit(data, reads, average_hits=average_hits)
        # Within the reads of the first resultant, nearly all of it may be out of sight.
        is_in_sight = (hit_read > len(reads[0]) / 2)[np.newaxis]
        assert groupdq.any(axis=0)[is_in_sight].mean() > 0.999
        pull = ((fitted.slope.astype(float) - 1) / fitted.err)[is_in_sight]
        assert abs(pull.std() - 1) < width
        # The error goes with the rate, so that the pull leans to below.
        assert -3 * width < pull.mean() < width


def test_a_hit_inside_the_second_of_four_resultants_leaves_the_rate():
    reads = EVEN_8[:4]
    data = ramps(reads, 0.5, 20_000, hit_read=np.full(20_000, 12), hit=1000.0)
    fitted, groupdq = fit(data, reads)
    assert np.all(groupdq[:, 0] == np.array([[0], [4], [4], [0]]))
    assert not (fitted.dq & dqflags.DO_NOT_USE).any()
    pull = (fitted.slope.astype(float) - 0.5) / fitted.err
    assert abs(pull.mean()) < 0.08
    assert abs(pull.std() - 1) < 0.04


def test_pixels_that_saturate_early_have_no_false_hits():
    # What is flagged does not enter the first guess of the rate.
    data = ramps(UNEVEN_9, 400.0, 20_000)
    groupdq = np.zeros(data.shape, np.uint8)
    data[4:] = 60_000
    groupdq[4:] = dqflags.SATURATED
    pattern = ReadPattern.from_reads(UNEVEN_9, FRAME_TIME)
    pixeldq = np.zeros(data.shape[1:], np.uint32)
    fitted = kernels.fit_likelihood(data, groupdq, pixeldq, GAIN, READ_NOISE, pattern)
    assert (groupdq & dqflags.JUMP_DET).any(axis=0).mean() < 3e-4
    assert abs(fitted.slope.mean(dtype=float) / 400 - 1) < 1e-3
    assert np.all(fitted.dq & dqflags.SATURATED)


def one_pixel(samples, pattern, read_noise=4.8, groupdq=None, **parameters):
    """A pixel by itself: its fit, and the flags of its samples."""
    data = np.array(samples, np.float32)[:, None, None]
    flags = np.zeros(data.shape, np.uint8) if groupdq is None else groupdq
    fit = kernels.fit_likelihood(
        data, flags, np.zeros((1, 1), np.uint32), 1.93, read_noise, pattern, **parameters
    )
    return fit, flags


def test_a_rate_that_is_an_upper_limit_stays_one_where_its_flags_are_given():
    pattern = ReadPattern.from_reads([[1, 2], [3, 4], [5, 6]], 3.0)
    first, flags = one_pixel([100, 700, 710], pattern)
    assert first.dq[0, 0] == dqflags.JUMP_DET | dqflags.DO_NOT_USE
    again, _ = one_pixel([100, 700, 710], pattern, groupdq=flags.copy(), find_jumps=False)
    assert (again.dq[0, 0], again.slope[0, 0]) == (first.dq[0, 0], first.slope[0, 0])


def test_of_a_hit_that_two_differences_shared_nothing_is_left_in_the_third():
    pattern = ReadPattern.from_reads([[1, 2], [3, 4], [5, 6], [7, 8]], 3.0)
    fit, flags = one_pixel([100, 705, 1120, 1130], pattern)
    assert np.flatnonzero(flags[:, 0, 0]).tolist() == [1, 2]
    assert fit.dq[0, 0] == dqflags.JUMP_DET


def test_noise_below_zero_is_none():
    pattern = ReadPattern.from_reads([[1], [2], [3], [4]], 3.0)
    fit, _ = one_pixel([100, 110, 120, 130], pattern, read_noise=-4.8)
    assert (fit.dq[0, 0], fit.slope[0, 0]) == (dqflags.DO_NOT_USE, 0)


def test_reads_that_overlap_are_no_read_pattern():
    with pytest.raises(
        kernels.ArgumentError, match=r"frame_time: expected reads of a resultant that end"
    ):
        ReadPattern([1.0, 2.0, 3.0], [8, 8, 8], 1.0, 3.0)
    ReadPattern([12.0, 36.0, 60.0], [8, 8, 8], 24.0, 3.0)


def test_variances_are_smoothed_down_to_those_without_photons():
    pattern = ReadPattern.from_reads([[1, 2], [3, 4], [5, 6], [7, 8]], 3.0)
    data = np.zeros((4, 3, 3), np.float32) - pattern.times[:, None, None].astype("f4") * 0.05
    data[:, 1, 1] = 0.1 * pattern.times
    flags, dq = np.zeros(data.shape, np.uint8), np.zeros((3, 3), np.uint32)
    fit = kernels.fit_likelihood(data, flags, dq, 1.93, 4.8, pattern)
    own = fit.err[1, 1]
    kernels.smooth_variance(
        *(fit.slope, fit.dq, fit.var_poisson, fit.var_rnoise, fit.err, 1.93, 4.8, pattern)
    )
    # The mean rate is below 0: as that of the neighbours.
    assert own > fit.err[1, 1] == pytest.approx(fit.err[0, 0], rel=1e-6)
    assert fit.var_poisson[1, 1] <= 1e-6 * fit.var_rnoise[1, 1]
