"""Which share of each cell is flagged, and for what."""

from __future__ import annotations

import numpy as np
import pytest

from romancal_rs.dqflags import pixel
from romancal_rs.errors import ArgumentError, ShapeError
from romancal_rs.show.flags import categorize, category_shares, flag_share, flag_values

FLAGS = np.array(
    [
        [0, 0, 4, 4, 1],
        [0, 0, 4, 2, 5],
        [1 << 12, 0, 0, 0, 0],
    ],
    np.uint32,
)


def test_shares_of_a_flag_are_counted_by_cell():
    share = flag_share(FLAGS, pixel["JUMP_DET"], 2)
    np.testing.assert_allclose(share, [[0, 0.75, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(flag_share(FLAGS, pixel["WARM"], 1), FLAGS == 1 << 12)


def test_a_share_of_several_flags_counts_a_pixel_once():
    either = pixel["JUMP_DET"] | pixel["DO_NOT_USE"]
    np.testing.assert_allclose(flag_share(FLAGS, either, 2), [[0, 0.75, 1], [0, 0, 0]])


def test_a_lone_flagged_pixel_of_a_detector_has_its_share():
    dq = np.zeros((4088, 4088), np.uint32)
    dq[4087, 17] = pixel["DEAD"]
    share = flag_share(dq, pixel["DEAD"], 8)
    assert share.shape == (511, 511)
    assert share[510, 2] == pytest.approx(1 / 64)
    assert np.count_nonzero(share) == 1


def test_the_gravest_flag_of_a_pixel_gives_its_category():
    dq = np.array(
        [
            0,
            pixel["WARM"],
            pixel["JUMP_DET"] | pixel["WARM"],
            pixel["SATURATED"] | pixel["JUMP_DET"],
            pixel["DO_NOT_USE"] | pixel["SATURATED"] | pixel["JUMP_DET"],
        ],
        dtype=np.uint32,
    )
    assert categorize(dq).tolist() == [0, 1, 2, 3, 4]
    assert categorize(np.array([0, 128, 4, 2, 1], np.uint8)).tolist() == [0, 1, 2, 3, 4]


def test_categories_share_a_cell_and_are_counted():
    shares, counts = category_shares(FLAGS, 2)
    other, jump, saturated, unusable = shares
    np.testing.assert_allclose(other, [[0, 0, 0], [0.5, 0, 0]])
    np.testing.assert_allclose(jump, [[0, 0.75, 0], [0, 0, 0]])
    np.testing.assert_allclose(saturated, [[0, 0.25, 0], [0, 0, 0]])
    np.testing.assert_allclose(unusable, [[0, 0, 1], [0, 0, 0]])
    assert counts == [1, 3, 1, 2]


def test_flags_are_named_in_either_case_and_the_nearest_is_offered():
    assert flag_values(["jump_det", " HOT"]) == {"JUMP_DET": 4, "HOT": 1 << 11}
    with pytest.raises(ArgumentError, match=r"'jmp_det' is not a flag.*did you mean 'JUMP_DET'"):
        flag_values(["jmp_det"])


def test_flags_of_a_cube_are_no_map():
    with pytest.raises(ShapeError, match="expected an image"):
        flag_share(np.zeros((2, 3, 4), np.uint8), 1, 2)
