"""Where the kernels follow the manual rather than the library of the 2022 system.

One hand-computed test for each entry of ``docs/explanation/deviations.md``.
Gain 1, 10 s from one resultant to the next, one read in each, unless a test says otherwise.
"""

import numpy as np
import pytest

from romancal_rs import ReadPattern, dqflags, kernels

DO_NOT_USE, SATURATED, JUMP_DET = dqflags.DO_NOT_USE, dqflags.SATURATED, dqflags.JUMP_DET


def fit(
    samples: list[float],
    flags: list[int] | None = None,
    *,
    gain: float = 1.0,
    read_noise: float = 1.0,
    optional: bool = False,
) -> kernels.RampFit:
    """The fit of one pixel."""
    groupdq = np.array(flags or [0] * len(samples), np.uint8)[:, None, None]
    return kernels.fit_ramps(
        np.array(samples, np.float32)[:, None, None],
        groupdq,
        np.zeros((1, 1), np.uint32),
        np.full((1, 1), gain, np.float32),
        np.full((1, 1), read_noise, np.float32),
        ReadPattern.evenly_spaced(len(samples), 10.0),
        optional=optional,
    )


def test_1_the_midpoint_of_a_saturated_ramp_is_that_of_its_segment() -> None:
    # S = 168 / sqrt(1 + 168) = 12.9: P = 1. Of the segment the midpoint is resultant 1.5, the
    # weights are 1, 1/3, 1/3, 1 and the slope per resultant
    # (1.5 x 168 + 0.5 / 3 x (100 - 40)) / (2 x 1.5^2 + 2 x 0.5^2 / 3).
    result = fit([0, 40, 100, 168, 900, 900], [0, 0, 0, 0, SATURATED, SATURATED])
    expected = (1.5 * 168 + 0.5 / 3 * 60) / (4.5 + 0.5 / 3)
    assert result.slope[0, 0] == pytest.approx(expected / 10, rel=1e-6)
    # The same as if the saturated resultants had never been taken.
    assert result.slope == fit([0, 40, 100, 168]).slope


def test_2_no_difference_reaches_across_a_bad_resultant() -> None:
    # Two segments of two samples, 1 and 3 DN/s. Median rate 2: both have var_poisson 2 / 10 and
    # var_rnoise 2 / 100, and so the same weight. The jump in the gap goes unnoticed.
    result = fit([0, 10, 7777, 500, 530], [0, 0, DO_NOT_USE, 0, 0], optional=True)
    assert result.slope[0, 0] == pytest.approx(2.0, rel=1e-6)
    assert result.var_poisson[0, 0] == pytest.approx(0.1, rel=1e-6)
    assert result.var_rnoise[0, 0] == pytest.approx(0.01, rel=1e-6)
    assert result.dq[0, 0] == 0
    assert result.optional is not None
    np.testing.assert_allclose(result.optional.slope[:, 0, 0], [1, 3], rtol=1e-6)


@pytest.mark.parametrize("gain", [np.nan, 0.0, -1.5])
def test_3_without_a_gain_there_is_no_rate(gain: float) -> None:
    result = fit([0, 10, 20, 30], gain=gain)
    assert result.dq[0, 0] == dqflags.NO_GAIN_VALUE | DO_NOT_USE
    for name in ("slope", "var_poisson", "var_rnoise", "err"):
        assert getattr(result, name)[0, 0] == 0


@pytest.mark.parametrize("offset", [0, 1])
def test_4_a_sample_of_0_dn_is_a_sample(offset: int) -> None:
    # As in deviation 1, S = 12.9 and P = 1; an offset of all samples does not change the slope.
    samples = [sample + offset for sample in (0, 40, 100, 168)]
    expected = (1.5 * 168 + 0.5 / 3 * 60) / (4.5 + 0.5 / 3)
    assert fit(samples).slope[0, 0] == pytest.approx(expected / 10, rel=1e-6)


def test_5_a_jump_after_a_bad_first_resultant_leaves_a_usable_sample() -> None:
    result = fit([5, 40], [DO_NOT_USE, JUMP_DET])
    assert result.dq[0, 0] == JUMP_DET
    assert result.slope[0, 0] == pytest.approx(4.0)
    assert result.var_rnoise[0, 0] == pytest.approx(0.02)


@pytest.mark.parametrize("ref_dq", [0, dqflags.NO_SAT_CHECK])
def test_6_pixels_without_a_threshold_are_never_saturated(ref_dq: int) -> None:
    groupdq, pixeldq = np.zeros((2, 1, 1), np.uint8), np.zeros((1, 1), np.uint32)
    threshold = np.full((1, 1), 100 if ref_dq else np.nan, np.float32)
    kernels.flag_saturation(
        np.full((2, 1, 1), 65535, np.float32),
        groupdq,
        pixeldq,
        threshold,
        np.full((1, 1), ref_dq, np.uint32),
    )
    assert not groupdq.any()
    assert pixeldq[0, 0] == dqflags.NO_SAT_CHECK


def test_7_jumps_that_go_down_are_in_the_optional_product() -> None:
    flags = [0, 0, JUMP_DET, 0, JUMP_DET, 0]
    result = fit([100, 110, 70, 80, 500, 510], flags, optional=True)
    assert result.optional is not None
    assert result.optional.crmag[:, 0, 0].tolist() == [-40, 420]


def test_7_a_jump_without_a_difference_keeps_its_place() -> None:
    flags = [JUMP_DET, 0, JUMP_DET, JUMP_DET | SATURATED, 0, JUMP_DET]
    result = fit([100, 110, np.nan, 70, 80, 500], flags, optional=True)
    assert result.optional is not None
    assert result.optional.crmag[:, 0, 0].tolist() == [0, 0, 0, 420]
    flags[1] |= SATURATED | JUMP_DET
    result = fit([100, 110, 120, 70, 80, 500], flags, optional=True, gain=np.nan)
    assert result.optional is not None
    assert result.optional.crmag[:, 0, 0].tolist() == [0, 10, 10, -50, 420]
    assert not result.optional.slope.any()


def test_8_the_optional_product_is_in_dn_and_seconds_from_time_0() -> None:
    # 2 DN/s, 10 s to the first resultant: 20 DN came before it, over a pedestal of 100 DN.
    result = fit([120, 140, 160, 180], read_noise=3.0, gain=4.0, optional=True)
    assert result.optional is not None
    assert result.optional.yint[0, 0, 0] == pytest.approx(100, rel=1e-6)
    assert result.optional.pedestal[0, 0] == pytest.approx(100, rel=1e-6)
    # S = 240 / sqrt(144 + 240) = 12.2: weights 1, 1/3, 1/3, 1 at -15, -5, 5, 15 s.
    spread = 2 * 15**2 + 2 / 3 * 5**2
    assert result.optional.sigslope[0, 0, 0] == pytest.approx(3 / spread**0.5, rel=1e-6)
    # The mean time is 25 s.
    variance = 9 * (3 / 8 + 25**2 / spread)
    assert result.optional.sigyint[0, 0, 0] == pytest.approx(variance**0.5, rel=1e-6)


def test_23_a_lone_sample_that_is_not_the_first_has_photon_noise() -> None:
    # The manual: the sample over the group time, wherever it is in the ramp.
    result = fit([0, 340, 510, 510], [DO_NOT_USE, 0, SATURATED, SATURATED], gain=2.0)
    assert result.slope[0, 0] == pytest.approx(34.0)
    assert result.var_poisson[0, 0] == pytest.approx(34.0 / (2.0 * 10.0))
    assert result.var_rnoise[0, 0] == pytest.approx(0.02)
