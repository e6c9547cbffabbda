"""Resultants that fill up unseen: the rule of the concave ramp finds each of them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from romancal_rs import ReadPattern, dqflags, kernels

SATURATED, DO_NOT_USE, AD_FLOOR = dqflags.SATURATED, dqflags.DO_NOT_USE, dqflags.AD_FLOOR


@st.composite
def patterns(draw: st.DrawFn) -> list[list[int]]:
    """Read numbers of up to eight resultants, with pauses between them, of 100 reads at most."""
    steps = st.tuples(st.integers(1, 9), st.integers(0, 3))
    reads, last = [], 0
    for n_reads, pause in draw(st.lists(steps, min_size=1, max_size=8)):
        first = last + pause + 1
        last = first + n_reads - 1
        reads.append(list(range(first, last + 1)))
    return reads


def flagged(
    data: NDArray[np.float32],
    reads: list[list[int]],
    threshold: NDArray[np.float32],
    groupdq: NDArray[np.uint8] | None = None,
    **parameters: int | str,
) -> NDArray[np.uint8]:
    """The flags of one row of pixels, (n_resultants, n_pixels)."""
    flags = np.zeros(data.shape, np.uint8) if groupdq is None else groupdq.copy()
    kernels.flag_saturation(
        np.ascontiguousarray(data[:, None]),
        cube := np.ascontiguousarray(flags[:, None]),
        np.zeros((1, data.shape[1]), np.uint32),
        np.ascontiguousarray(threshold[None]),
        np.zeros((1, data.shape[1]), np.uint32),
        **{"partial": "concave", "read_pattern": ReadPattern.from_reads(reads, 3.16), **parameters},
    )
    return cube[:, 0]


class Ramps:
    """Ramps of one row of pixels, read by read: a level, a rate, a bend, a hit, and a full well."""

    def __init__(self, reads: list[list[int]], seed: int, *, is_straight: bool = False) -> None:
        self.rng = rng = np.random.default_rng(seed)
        last = reads[-1][-1]
        full = rng.uniform(10_000, 50_000, N_PIXELS)
        rate = full / rng.uniform(0, 1.3 * last, N_PIXELS)
        bend, hit_read = rng.uniform(0, 0.5, N_PIXELS), rng.integers(0, last + 2, N_PIXELS)
        hit = full * 10 ** rng.uniform(-4, 0, N_PIXELS)
        level = rng.choice([0, 100, 15_000], N_PIXELS)
        if is_straight:
            bend, hit = 0 * bend, 0 * hit
        self.well = level + full * (1 - bend)
        self.threshold = 0.97 * self.well
        data, self.last_reads, filled = [], [], []
        for resultant in reads:
            numbers = np.array(resultant)[:, None]
            charge = np.minimum(rate * numbers + hit * (numbers >= hit_read), full)
            signal = level + charge - bend * charge**2 / full
            data.append(signal.mean(0))
            self.last_reads.append(signal[-1])
            # Not by a hit within the resultant, which is no concave ramp.
            is_hit = (resultant[0] < hit_read) & (hit_read <= resultant[-1]) & (hit > 0)
            filled.append((charge[-1] >= full) & ~is_hit)
        self.data, self.filled = np.stack(data).astype(np.float32), np.stack(filled)


N_PIXELS = 150  # two whole blocks of 64 and a part


@given(reads=patterns(), seed=st.integers(0, 2**32 - 1), with_gaps=st.booleans())
@settings(max_examples=examples(300), deadline=None)
def test_every_resultant_of_which_a_read_is_at_the_full_well_is_saturated(
    reads: list[list[int]], seed: int, with_gaps: bool
) -> None:
    """Whatever the pattern, well, rate, level, nonlinearity, hits before, and samples left out."""
    ramps = Ramps(reads, seed)
    data, rng = ramps.data, ramps.rng
    groupdq = np.zeros(data.shape, np.uint8)
    if with_gaps:
        left_out = rng.random(data.shape) < 0.2
        data[left_out] = rng.choice(np.array([0, 30_000, np.nan, -5], np.float32), left_out.sum())
        groupdq[left_out] = DO_NOT_USE
    flags = flagged(data, reads, ramps.threshold.astype(np.float32), groupdq)
    assert (flags[ramps.filled & (groupdq == 0)] & SATURATED).all()
    # All later ones are so too, but for those that are not to be used.
    usable = (flags & DO_NOT_USE) == 0
    for saturated, after, use in zip(flags, flags[1:], usable[1:], strict=False):
        assert ((after | ~saturated)[use] & SATURATED).all()


@given(reads=patterns(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=examples(150), deadline=None)
def test_a_resultant_whose_last_read_is_below_the_threshold_is_not_saturated(
    reads: list[list[int]], seed: int
) -> None:
    """But for the first, of which it is not known at which level it began."""
    ramps = Ramps(reads, seed, is_straight=True)
    flags = flagged(ramps.data, reads, ramps.threshold.astype(np.float32))
    below = 0.9999 * ramps.threshold
    is_low = np.stack(ramps.last_reads) < below
    assert not (flags[1:][is_low[1:]] & SATURATED).any()
    # From 0 DN on.
    by_its_last_read = ramps.data[0] * (reads[0][-1] / np.mean(reads[0]))
    assert not (flags[0][by_its_last_read < below] & SATURATED).any()


def by_the_rule(samples, flags, reads, threshold: int) -> list[int]:
    """The flags of a pixel, in fractions."""
    flags = list(flags)
    if threshold <= 0:  # that is: none
        return flags
    for g, sample in enumerate(samples):
        if sample >= threshold:
            flags[g:] = [flag | SATURATED for flag in flags[g:]]
            break
    middle = [Fraction(sum(resultant), len(resultant)) for resultant in reads]
    at_threshold = list(flags)
    usable = [g for g, flag in enumerate(flags) if not flag & (SATURATED | DO_NOT_USE | AD_FLOOR)]
    for anchor, g in pairwise([None, *usable]):
        time, level = (0, 0) if anchor is None else (middle[anchor], samples[anchor])
        slope = (samples[g] - level) / (middle[g] - time)
        after = [flag for flag in at_threshold[g + 1 :] if flag & SATURATED or not flag & 65]
        is_last = not after or bool(after[0] & SATURATED)
        if len(reads[g]) > 1 and is_last and level + slope * (reads[g][-1] - time) >= threshold:
            flags[g] |= SATURATED
    # The second resultant, where it is all there is after the first.
    if len(reads) > 2 and flags[2] & SATURATED and not flags[1] & SATURATED:
        expected = float(samples[0]) / float(middle[0]) * reads[2][-1]
        step = Fraction(threshold - samples[0], len(reads[1]))
        if expected < threshold and samples[1] - samples[0] > step:
            flags[1] |= DO_NOT_USE
    return flags


@given(
    reads=patterns(),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0, 0.002, 0.2]),
    n_pixels=st.sampled_from([1, 64, 150]),
)
@settings(max_examples=examples(100), deadline=None)
def test_flags_are_those_of_the_rule_in_fractions_whatever_is_beside_a_pixel(
    reads: list[list[int]], seed: int, share: float, n_pixels: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = len(reads), n_pixels
    # Small numbers, which often lie on the line to the last bit.
    data = rng.integers(1, 40, shape).cumsum(0) * rng.choice([1, 100], n_pixels)
    data = np.where(rng.random(shape) < share, rng.integers(1, 60_000, shape), data)
    threshold = data[-1] + rng.integers(-5, 40, n_pixels) * rng.choice([1, 100], n_pixels)
    threshold[rng.random(n_pixels) < 0.1] = 0
    kinds = np.array([DO_NOT_USE, SATURATED, AD_FLOOR, dqflags.JUMP_DET], np.uint8)
    groupdq = np.where(rng.random(shape) < share, rng.choice(kinds, shape), 0).astype(np.uint8)
    limits = np.where(threshold > 0, threshold, np.nan).astype(np.float32)
    flags = flagged(data.astype(np.float32), reads, limits, groupdq)
    for pixel in range(n_pixels):
        given_flags = groupdq[:, pixel].tolist()
        samples = [Fraction(sample) for sample in data[:, pixel].tolist()]
        expected = by_the_rule(samples, given_flags, reads, int(threshold[pixel]))
        assert flags[:, pixel].tolist() == expected


EVEN = {n: [[8 * g + k for k in range(1, 9)] for g in range(n)] for n in (4, 8)}
#: Tables of the mission, with single reads, pauses of none, and resultants of one to ten reads.
TABLE_4 = [
    *([1], [2], [3, 4], list(range(5, 10))),
    *(list(range(first, first + 8)) for first in (10, 18, 26)),
    *(list(range(34, 44)), [44]),
]
TABLE_110 = [[1], [2, 3, 4], *([5 + 3 * g, 6 + 3 * g, 7 + 3 * g] for g in range(13)), [44]]


@pytest.mark.parametrize("level", [0, 5000])
@pytest.mark.parametrize(
    "reads",
    [EVEN[8], EVEN[4], TABLE_4, TABLE_110],
    ids=["8 x 8", "4 x 8", "table 4", "table 110"],
)
def test_of_noisy_ramps_no_filled_resultant_is_used_and_few_good_ones_are_lost(
    reads: list[list[int]], level: int
) -> None:
    """Pixels fill up at any time, to a full well of 55,000 DN; the threshold is 97 % of that."""
    rng = np.random.default_rng(5)
    n_pixels, well, gain, read_noise = 20_000, 55_000, 1.93, 4.8
    longest = 1.1 * reads[-1][-1]
    rate = well / (rng.uniform(0, 1, n_pixels) * longest)  # DN per read
    signal, last, samples, is_filled = np.zeros(n_pixels), 0, [], []
    for resultant in reads:
        of_reads = []
        for read in resultant:
            electrons = rng.poisson(rate * gain * (read - last))
            signal, last = np.minimum(signal + electrons / gain, well), read
            of_reads.append(signal)
        noise = rng.normal(0, read_noise / np.sqrt(len(resultant)), n_pixels)
        samples.append(np.mean(of_reads, axis=0) + level + noise)
        is_filled.append(signal >= well)
    data = np.stack(samples).astype(np.float32)
    threshold = np.full(n_pixels, 0.97 * well + level, np.float32)
    filled = np.stack(is_filled)
    by_itself = (flagged(data, reads, threshold, partial="none") & SATURATED) != 0
    assert (filled & ~by_itself).any(0).mean() > 0.1
    saturated = (flagged(data, reads, threshold) & SATURATED) != 0
    assert not (filled & ~saturated).any()
    # Good ones whose last read l, or what it is taken for, is between threshold and full well: in
    # pixels that fill up in l to l * well / threshold reads. The first is taken to begin at 0 DN.
    limits = np.full(len(reads), 0.97 * well)
    limits[0] -= level * (reads[0][-1] / np.mean(reads[0]) - 1)
    lost = sum((well / limits - 1) * [resultant[-1] for resultant in reads]) / longest
    assert 0.06 < lost < 0.27
    assert (~filled & saturated).sum() / n_pixels == pytest.approx(lost, abs=0.01)


@given(reads=patterns(), seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 9))
@settings(max_examples=examples(60), deadline=None)
def test_bands_and_threads_do_not_matter_where_flags_are_grown_and_backed_up(
    reads: list[list[int]], seed: int, rows: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = len(reads), 20, 90
    rate = 10 ** rng.uniform(0, 4, shape[1:])
    data = np.stack(
        [np.minimum(rate[None] * np.array(r)[:, None, None], 50_000).mean(0) for r in reads]
    )
    data = data.astype(np.float32)
    data[rng.random(shape) < 0.01] = np.nan
    threshold, no_flags = np.full(shape[1:], 48_500, np.float32), np.zeros(shape[1:], np.uint32)
    results = []
    for way in ({"max_threads": 1}, {"max_threads": 3, "band_rows": rows}):
        groupdq, pixeldq = np.zeros(shape, np.uint8), np.zeros(shape[1:], np.uint32)
        kernels.flag_saturation(
            *(data, groupdq, pixeldq, threshold, no_flags),
            n_pix_grow_sat=int(seed % 4),
            partial="concave",
            read_pattern=ReadPattern.from_reads(reads, 3.16),
            backup=int(seed // 4 % 3),
            **way,
        )
        results.append(groupdq)
    np.testing.assert_array_equal(*results)
