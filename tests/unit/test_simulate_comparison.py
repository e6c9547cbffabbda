"""The comparison of a calibrated exposure with its truth."""

from __future__ import annotations

import numpy as np
import pytest

from romancal_rs.simulate.comparison import compare, compare_by_rate, filled_unseen, score_jumps


def within(sample, expected, standard_error):
    assert abs(sample - expected) < 4 * standard_error, (sample, expected, standard_error)


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
