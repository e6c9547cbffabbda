"""The numbers behind a page, by hand."""

import math

import numpy as np
import pytest
import scipy.stats

from romancal_rs import dqflags
from romancal_rs.report.border import residuals
from romancal_rs.report.measure import (
    ChiSquare,
    distribution,
    first_flagged,
    flagged_samples,
)
from romancal_rs.report.remarks import percent


def test_a_distribution_is_of_usable_finite_pixels():
    values = np.array([[1, 2, 3, 4], [100, np.nan, 5, np.inf]], np.float32)
    usable = np.ones(values.shape, bool)
    usable[1, 0] = False
    found = distribution(values, usable)
    assert found is not None
    numbers = found.numbers
    assert (numbers.count, numbers.minimum, numbers.median, numbers.maximum) == (5, 1, 3, 5)
    # Deviations from 3 are 2, 1, 0, 1, 2.
    assert numbers.sigma == pytest.approx(1.4826, rel=1e-4)
    assert found.counts.sum() + found.below + found.above == 5
    assert not found.is_logarithmic


def test_a_distribution_over_decades_has_a_logarithmic_axis():
    values = np.geomspace(1, 1e4, 400, dtype=np.float32).reshape(20, 20)
    found = distribution(values, np.ones(values.shape, bool))
    assert found is not None
    assert found.is_logarithmic
    steps = np.diff(np.log10(found.edges))
    assert steps == pytest.approx(np.full(80, steps[0]))
    # 400 values evenly spaced in the logarithm: five in each of 80 bins, but at the ends.
    assert set(found.counts[2:-2]) <= {4, 5, 6}
    assert found.counts.sum() + found.below + found.above == 400


def test_a_constant_image_has_a_histogram():
    found = distribution(np.full((3, 3), 7, np.float32), np.ones((3, 3), bool))
    assert found is not None
    assert found.edges[0] < 7 < found.edges[-1]
    assert found.counts.sum() == 9


def test_nothing_usable_is_no_distribution():
    values = np.ones((2, 2), np.float32)
    assert distribution(values, np.zeros((2, 2), bool)) is None
    assert distribution(values * np.nan, np.ones((2, 2), bool)) is None


def test_values_beyond_the_end_of_a_histogram_are_counted():
    values = np.array([[0.5, 1.5, 9.0, 11.0, -1.0]], np.float32)
    found = distribution(values, np.ones((1, 5), bool), top=10.0)
    assert found is not None
    assert (found.below, found.counts.sum(), found.above) == (1, 3, 1)
    assert (found.edges[0], found.edges[-1]) == (0, 10)


@pytest.mark.parametrize("degrees", [1, 2, 3, 6, 7, 43, 200])
def test_chi_squared_is_distributed_as_scipy_has_it(degrees):
    theirs, ours = scipy.stats.chi2(degrees), ChiSquare(degrees)
    assert ours.median == pytest.approx(theirs.median(), rel=1e-12)
    edges = np.linspace(0, 3 * degrees, 50)
    np.testing.assert_allclose(ours.counts(edges, 1), np.diff(theirs.cdf(edges)), atol=1e-13)


def test_chi_squared_of_two_degrees_of_freedom_is_an_exponential():
    expected = ChiSquare(2)
    assert expected.median == pytest.approx(2 * math.log(2))
    counts = expected.counts(np.array([0.0, 1.0, 4.0]), 1000)
    assert counts == pytest.approx(
        [1000 * (1 - math.exp(-0.5)), 1000 * (math.exp(-0.5) - math.exp(-2))]
    )


def test_flags_are_counted_over_strips_of_rows():
    dq = np.zeros((600, 3), np.uint32)
    dq[:300, 0] = dqflags.HOT
    dq[299:, 1] = dqflags.DO_NOT_USE | dqflags.HOT
    dq[5, 2] = dqflags.SATURATED
    assert dqflags.counts(dq) == {"DO_NOT_USE": 301, "SATURATED": 1, "HOT": 601}
    assert list(dqflags.counts(dq)) == ["DO_NOT_USE", "SATURATED", "HOT"]


def test_a_pixel_counts_for_the_first_resultant_in_which_it_is_flagged():
    groupdq = np.zeros((4, 1, 3), np.uint8)
    groupdq[1:, 0, 0] = dqflags.SATURATED
    groupdq[3, 0, 1] = dqflags.SATURATED | dqflags.JUMP_DET
    groupdq[0, 0, 2] = dqflags.JUMP_DET
    assert first_flagged(groupdq, dqflags.SATURATED).tolist() == [0, 1, 0, 1]
    assert flagged_samples(groupdq, dqflags.SATURATED).tolist() == [0, 1, 1, 2]
    assert flagged_samples(groupdq, dqflags.JUMP_DET).tolist() == [1, 0, 0, 1]


def test_residuals_are_what_changes_in_reference_pixels():
    """Two pixels at levels of their own, which move together by -1, 0, 1, and one that is bad."""
    left = np.zeros((3, 3, 1))
    left[:, :, 0] = [[99, 499, 0], [100, 500, 7], [101, 501, 99]]
    flags = np.array([[dqflags.REFERENCE_PIXEL], [0], [dqflags.BAD_REF_PIXEL]], np.uint32)
    found = residuals({"left": left}, {"left": flags})
    assert found is not None
    assert found.n_pixels == 2
    assert found.median.tolist() == [-1, 0, 1]
    assert found.sigma.tolist() == [0, 0, 0]


def test_the_spread_of_residuals_is_without_outliers():
    pixels = np.zeros((2, 12, 1))
    pixels[0, :, 0] = [1, -1] * 5 + [3, 1000]
    pixels[1] = -pixels[0]
    found = residuals({"left": pixels}, {})
    assert found is not None
    # Of 1, -1 (five times each) and 3: mean 3 / 11, mean of squares 19 / 11.
    assert found.sigma[0] == pytest.approx(math.sqrt(19 / 11 - (3 / 11) ** 2))


def test_corners_count_once():
    sides = {side: np.zeros((2, 12, 4)) for side in ("left", "right")}
    sides |= {side: np.zeros((2, 4, 16)) for side in ("top", "bottom")}
    found = residuals(sides, {})
    assert found is not None
    assert found.n_pixels == 2 * 12 * 4 + 2 * 4 * (16 - 8)


def test_a_single_resultant_has_no_residuals():
    assert residuals({"left": np.ones((1, 4, 4))}, {}) is None


@pytest.mark.parametrize(
    ("count", "total", "told"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (1, 3, "33.3 %"),
        (1, 100, "1.00 %"),
        (1, 10_000, "0.010 %"),
        (1, 10**7, "under 0.001 %"),
        (10**7 - 1, 10**7, "over 99.99 %"),
        (1, 0, "0 %"),
    ],
)
def test_a_share_is_told_apart_from_none_and_all(count, total, told):
    assert percent(count, total) == told
