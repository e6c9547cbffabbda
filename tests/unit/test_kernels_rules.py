"""The kernels against an independent implementation of their rules, on random ramps."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import ReadPattern, kernels

spec = importlib.util.spec_from_file_location(
    "reference_rules", Path(__file__).parents[1] / "reference_rules.py"
)
assert spec is not None
assert spec.loader is not None
rules = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rules)

SHAPE = (17, 70)  # A block of columns and a part of one.

PATTERNS = {
    "even, 8 of 8": ReadPattern.evenly_spaced(8, 24.32, 8),
    "even, 3 of 2 with pauses": ReadPattern.evenly_spaced(3, 10.0, 2, 2.0),
    "one": ReadPattern.from_reads([[1, 2, 3]], 3.04),
    "two": ReadPattern.from_reads([[1], [4, 5]], 3.04),
    "uneven, 4": ReadPattern.from_reads([[1], [2, 3], [6, 7, 8], [9]], 3.04),
    "uneven, 9": ReadPattern.from_reads(
        [
            [1],
            [2],
            [3, 4],
            list(range(5, 10)),
            list(range(10, 18)),
            list(range(20, 28)),
            list(range(28, 36)),
            list(range(36, 46)),
            [46],
        ],
        3.04,
    ),
    "uneven, 25": ReadPattern.from_reads(
        [list(range(3 * i + 1, 3 * i + 2 + i % 3)) for i in range(25)], 3.04
    ),
}


def ramps(pattern: ReadPattern, seed: int):
    """Ramps of all rates, with hits, flags, samples that are no numbers, and unknown gains."""
    rng = np.random.default_rng(seed)
    shape = (len(pattern), *SHAPE)
    rate = 10 ** rng.uniform(-2, 3.5, SHAPE)
    gain = rng.uniform(0.5, 4, SHAPE)
    read_noise = rng.uniform(3, 12, SHAPE)
    steps = np.diff(pattern.times, prepend=0.0)[:, None, None]
    signal = 50 + np.cumsum(rng.poisson(rate * gain * steps) / gain, axis=0)
    hits = (rng.random(shape) < 0.04) * 10 ** rng.uniform(1, 4.5, shape)
    noise = rng.standard_normal(shape) * read_noise / np.sqrt(pattern.n_reads)[:, None, None]
    data = (signal + np.cumsum(hits, axis=0) + noise).astype(np.float32)
    data[rng.random(shape) < 0.004] = np.nan
    data[rng.random(shape) < 0.002] = np.inf
    data[rng.random(shape) < 0.002] = -np.inf
    groupdq = np.zeros(shape, np.uint8)
    for flag, share in [(1, 0.02), (4, 0.02), (16, 0.01), (64, 0.01), (8, 0.01)]:
        groupdq[rng.random(shape) < share] |= flag
    groupdq[np.maximum.accumulate(rng.random(shape) < 0.02, axis=0)] |= 2
    pixeldq = rng.choice(np.array([0, 0, 0, 1, 2048, 1 << 31], np.uint32), SHAPE)
    gain[rng.random(SHAPE) < 0.02] = np.nan
    gain[rng.random(SHAPE) < 0.02] *= -1
    gain[rng.random(SHAPE) < 0.01] = 0
    gain[rng.random(SHAPE) < 0.01] = np.inf
    gain[rng.random(SHAPE) < 0.01] = -np.inf
    read_noise[rng.random(SHAPE) < 0.02] = np.nan
    return data, groupdq, pixeldq, gain.astype(np.float32), read_noise.astype(np.float32)


@pytest.fixture(params=list(PATTERNS))
def pattern(request: pytest.FixtureRequest) -> ReadPattern:
    return PATTERNS[request.param]


@pytest.mark.parametrize("grow", [0, 1, 3])
def test_saturation(grow: int) -> None:
    data, groupdq, pixeldq, *_ = ramps(PATTERNS["even, 8 of 8"], 1)
    rng = np.random.default_rng(2)
    threshold = rng.uniform(100, 60000, SHAPE).astype(np.float32)
    threshold[rng.random(SHAPE) < 0.1] = np.nan
    data[rng.random(data.shape) < 0.02] *= -1
    ref_dq = rng.choice(np.array([0, 0, 2, 1 << 21], np.uint32), SHAPE)
    expected = rules.flag_saturation(data, groupdq, pixeldq, threshold, ref_dq, grow)
    kernels.flag_saturation(
        data, groupdq, pixeldq, threshold, ref_dq, n_pix_grow_sat=grow, band_rows=2
    )
    np.testing.assert_array_equal(groupdq, expected[0])
    np.testing.assert_array_equal(pixeldq, expected[1])


def test_linearity() -> None:
    data, groupdq, pixeldq, *_ = ramps(PATTERNS["even, 8 of 8"], 3)
    data = np.nan_to_num(data, posinf=0.0, neginf=0.0)
    rng = np.random.default_rng(4)
    scale = np.array([10, 1, 1e-6, 1e-11])[:, None, None]
    coeffs = (scale * rng.uniform(-1, 1, (4, *SHAPE))).astype(np.float32)
    coeffs[rng.random(coeffs.shape) < 0.03] = np.nan
    coeffs[1, rng.random(SHAPE) < 0.03] = 0
    ref_dq = rng.choice(np.array([0, 0, 2, 1 << 20], np.uint32), SHAPE)
    expected = rules.correct_linearity(data, groupdq, pixeldq, coeffs, ref_dq)
    kernels.correct_linearity(data, groupdq, pixeldq, coeffs, ref_dq, band_rows=2)
    np.testing.assert_array_equal(data, expected[0])
    np.testing.assert_array_equal(pixeldq, expected[1])


def test_jumps(pattern: ReadPattern) -> None:
    data, groupdq, pixeldq, gain, read_noise = ramps(pattern, 5)
    expected = rules.detect_jumps(data, groupdq, pixeldq, gain, read_noise, pattern)
    before = groupdq.copy()
    kernels.detect_jumps(data, groupdq, pixeldq, gain, read_noise, pattern, band_rows=3)
    np.testing.assert_array_equal(groupdq, expected[0])
    np.testing.assert_array_equal(pixeldq, expected[1])
    assert len(pattern) < 3 or (groupdq != before).sum() > 50


@pytest.mark.parametrize("group_time", [1.0, 2.0, 10.1, 3.04, 5.7, 24.32])
@pytest.mark.parametrize("from_reads", [False, True])
@pytest.mark.parametrize(
    ("differences", "read_noise", "jumps"),
    [
        # Of two differences of one size the earlier is the median: 30, and the noise is
        # sqrt(30 + 8) = 6.16 DN, so that the other is 9.7 sigma off.
        ([30, -30], 2, [2]),
        # Without the first of the two of 60 the median is 10, and -60 is 70 / sqrt(10 + 18) = 13.2
        # sigma off. Then, without the other, the median is 1.5, and 60 is 58.5 / sqrt(19.5) = 13.2
        # off; then, without the first of the two of 12, it is 10, and -12 is 22 / sqrt(28) = 4.2
        # off. Of the last three the median is 10, and -7 is 17 / sqrt(28) = 3.2 off.
        ([-12, -60, 60, -7, 10, 12], 3, [1, 2, 3]),
    ],
)
def test_equal_differences_are_equal_whatever_the_group_time(
    differences: list[int], read_noise: float, jumps: list[int], group_time: float, from_reads: bool
) -> None:
    n = len(differences) + 1
    if from_reads:
        pattern = ReadPattern.from_reads([[i] for i in range(1, n + 1)], group_time)
    else:
        pattern = ReadPattern.evenly_spaced(n, group_time)
    data = np.cumsum([100, *differences], dtype=np.float32)[:, None, None]
    groupdq, pixeldq = np.zeros((n, 1, 1), np.uint8), np.zeros((1, 1), np.uint32)
    planes = [np.full((1, 1), value, np.float32) for value in (1, read_noise)]
    kernels.detect_jumps(data, groupdq, pixeldq, *planes, pattern)
    assert np.flatnonzero(groupdq).tolist() == jumps


def rounding_of_chisq(fits, largest, gain, read_noise, pattern: ReadPattern) -> np.ndarray:
    """How far chisq may be off if each deviation is by what rounds its two samples and its slope.

    The sum of (d + e)^2 / v differs from that of d^2 / v by at most 2 sqrt(chisq x) + x, with x the
    sum of e^2 / v (Cauchy-Schwarz), for which the smallest noise v is taken.
    """
    if len(pattern) < 2:
        return np.full(SHAPE, 1e-20)
    slope = np.vectorize(lambda pixel: pixel.slope)(fits)
    chisq = np.vectorize(lambda pixel: pixel.chisq)(fits)
    reads = np.asarray(pattern.n_reads)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.abs(slope / gain) * np.diff(pattern.times).min()
        noise = noise + read_noise**2 * (1 / reads[:-1] + 1 / reads[1:]).min()
        x = (len(pattern) - 1) * (4 * 2.0**-24 * largest) ** 2 / noise
    return np.where(np.isfinite(x), 2 * np.sqrt(chisq * x) + x, 1e-8)


def test_ramp_fit(pattern: ReadPattern) -> None:
    data, groupdq, pixeldq, gain, read_noise = ramps(pattern, 6)
    fits, dq = rules.fit_ramps(data, groupdq, pixeldq, gain, read_noise, pattern)
    fit = kernels.fit_ramps(
        data, groupdq, pixeldq, gain, read_noise, pattern, optional=True, band_rows=3
    )
    np.testing.assert_array_equal(fit.dq, dq)
    largest = np.nanmax(np.abs(np.where(np.isfinite(data), data, 0)), axis=0)
    # A slope cannot be known better than the rounding of the samples it is made of: in single
    # precision half a unit in the last place of each of two of them.
    rounding = 2 * 2.0**-24 * largest / pattern.group_time
    with np.errstate(divide="ignore", invalid="ignore"):
        rounding_of_variance = np.abs(rounding / (gain * pattern.group_time))
    for name, rtol, atol in [
        ("slope", 1e-6, rounding),
        ("var_poisson", 1e-6, np.nan_to_num(rounding_of_variance)),
        ("var_rnoise", 1e-6, 1e-20),
        ("chisq", 1e-5, rounding_of_chisq(fits, largest, gain, read_noise, pattern)),
        ("dumo", 1e-6, rounding),
    ]:
        expected = np.vectorize(lambda pixel, name=name: getattr(pixel, name))(fits)
        error = np.abs(getattr(fit, name) - expected)
        assert np.all(error <= rtol * np.abs(expected) + atol), name
    np.testing.assert_allclose(fit.err, np.sqrt(fit.var_poisson + fit.var_rnoise), rtol=1e-6)

    largest_number = max(len(pixel.segments) for pixel in fits.flat)
    assert largest_number <= len(fit.optional.slope)
    for r, c in np.ndindex(SHAPE):
        segments = fits[r, c].segments
        for name in ("slope", "var_poisson", "var_rnoise"):
            values = getattr(fit.optional, name)[:, r, c]
            expected = np.zeros(len(values))
            expected[: len(segments)] = [getattr(segment, name) for segment in segments]
            np.testing.assert_allclose(values, expected, rtol=1e-6, atol=rounding[r, c])


def test_all_powers_are_compared() -> None:
    pattern = PATTERNS["uneven, 9"]
    data, groupdq, pixeldq, gain, read_noise = ramps(pattern, 6)
    fits, _ = rules.fit_ramps(data, groupdq, pixeldq, gain, read_noise, pattern)
    powers = {segment.power for pixel in fits.flat for segment in pixel.segments}
    assert powers == {0.0, 0.4, 1.0, 3.0, 6.0, 10.0}
