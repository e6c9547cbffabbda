"""Snowballs: what is one, and what is flagged around it."""

import numpy as np
import pytest

from romancal_rs import kernels
from romancal_rs.dqflags import AD_FLOOR, DO_NOT_USE, DROPOUT, JUMP_DET, SATURATED
from romancal_rs.errors import RomancalError

LETTERS = {".": 0, "j": JUMP_DET, "s": SATURATED, "b": JUMP_DET | SATURATED}


def flags_of(picture):
    return np.array([[LETTERS[letter] for letter in line] for line in picture.split()], np.uint8)


def no_flags(n_resultants=4, n_rows=41, n_cols=41):
    return np.zeros((n_resultants, n_rows, n_cols), np.uint8)


def offsets(shape, row, col):
    y, x = np.indices(shape)
    return y - row, x - col


def square(plane, row, col, half, flag):
    plane[..., row - half : row + half + 1, col - half : col + half + 1] |= flag


def snowball(groupdq, k=1, row=20, col=20):
    """A ring of 16 jumps around a core of 3 x 3 pixels that saturates."""
    square(groupdq[k], row, col, 2, JUMP_DET)
    groupdq[k:, row - 1 : row + 2, col - 1 : col + 2] = SATURATED


def test_a_round_core_with_a_ring_is_a_snowball():
    # Of the 16 pixels of the ring the variance is (25 * 2 - 9 * 2/3) / 16 = 2.75 along each axis,
    # and (4 sqrt(2.75) - 1) * 1.9 / 2 = 5.4; of the core (4 sqrt(2/3) - 1 + 4) / 2 = 3.1. Pixels
    # at a distance below 5, and below 3, are flagged.
    groupdq = no_flags(4, 11, 11)
    snowball(groupdq, k=1, row=5, col=5)
    assert kernels.expand_large_events(groupdq) == 1
    hit = """
        ...........
        ...jjjjj...
        ..jjjjjjj..
        .jjbbbbbjj.
        .jjbsssbjj.
        .jjbsssbjj.
        .jjbsssbjj.
        .jjbbbbbjj.
        ..jjjjjjj..
        ...jjjjj...
        ..........."""
    later = """
        ...........
        ...........
        ...........
        ...sssss...
        ...sssss...
        ...sssss...
        ...sssss...
        ...sssss...
        ...........
        ...........
        ..........."""
    assert not groupdq[0].any()
    np.testing.assert_array_equal(groupdq[1], flags_of(hit))
    np.testing.assert_array_equal(groupdq[2], flags_of(later))
    np.testing.assert_array_equal(groupdq[3], flags_of(later))


def test_a_core_that_saturates_in_the_next_resultant_will_do():
    groupdq = no_flags()
    square(groupdq[1], 20, 20, 2, JUMP_DET)
    square(groupdq[2:], 20, 20, 1, SATURATED)
    late = groupdq.copy()
    assert kernels.expand_large_events(groupdq) == 1
    # The variance of 5 pixels is 2: (4 sqrt(2) - 1) * 1.9 / 2 = 4.4.
    y, x = offsets((41, 41), 20, 20)
    np.testing.assert_array_equal(groupdq[1], JUMP_DET * (y**2 + x**2 < 4**2))
    np.testing.assert_array_equal(groupdq[2], SATURATED * (y**2 + x**2 < 3**2))

    late[2] = 0  # and not that of a later one, nor one that was saturated before
    assert kernels.expand_large_events(late) == 0
    before = no_flags()
    square(before[1], 20, 20, 2, JUMP_DET)
    square(before, 20, 20, 1, SATURATED)
    expected = before.copy()
    assert kernels.expand_large_events(before) == 0
    np.testing.assert_array_equal(before, expected)


def test_tracks_of_cosmic_rays_are_no_snowballs():
    groupdq = no_flags()
    groupdq[1, 10, 5:14] = JUMP_DET
    groupdq[2, range(20, 29), range(20, 29)] = JUMP_DET
    # Five pixels, of which one saturates: too small.
    groupdq[1, [30, 31, 32, 31, 31], [31, 31, 31, 30, 32]] = JUMP_DET
    groupdq[1:, 31, 31] |= SATURATED
    expected = groupdq.copy()
    assert kernels.expand_large_events(groupdq) == 0
    np.testing.assert_array_equal(groupdq, expected)


@pytest.mark.parametrize("n_resultants", [1, 2, 4])
def test_without_flags_there_is_nothing_to_do(n_resultants):
    groupdq = no_flags(n_resultants)
    assert kernels.expand_large_events(groupdq) == 0
    assert not groupdq.any()
    assert kernels.expand_large_events(no_flags(n_resultants, 0, 5)) == 0


def test_the_first_resultant_has_no_snowballs():
    groupdq = no_flags()
    snowball(groupdq, k=0)
    single = groupdq[:1].copy()
    for ramp in (groupdq, single):
        expected = ramp.copy()
        assert kernels.expand_large_events(ramp, edge_size=100) == 0
        np.testing.assert_array_equal(ramp, expected)


def test_two_resultants_are_enough():
    groupdq = no_flags(2)
    snowball(groupdq)
    assert kernels.expand_large_events(groupdq) == 1


@pytest.mark.parametrize(
    ("row", "col", "edge_size", "n_snowballs"),
    [
        *((4, 30, 5, 1), (5, 30, 5, 0), (30, 4, 5, 1), (30, 5, 5, 0)),
        # 41 rows and 61 columns.
        *((37, 30, 5, 1), (36, 30, 5, 0), (20, 57, 5, 1), (20, 56, 5, 0)),
        *((4, 30, 0, 0), (20, 30, 10**30, 1)),
    ],
)
def test_at_the_edge_no_core_is_needed(row, col, edge_size, n_snowballs):
    groupdq = no_flags(3, 41, 61)
    square(groupdq[1], row, col, 2, JUMP_DET)
    expected = groupdq.copy()
    assert kernels.expand_large_events(groupdq, edge_size=edge_size) == n_snowballs
    if n_snowballs:
        y, x = offsets((41, 61), row, col)
        expected[1] = JUMP_DET * (y**2 + x**2 < 4**2)
    np.testing.assert_array_equal(groupdq, expected)


def test_what_reaches_over_the_edge_is_cut():
    groupdq = no_flags(2, 5, 6)
    groupdq[1, :3, :3] = JUMP_DET
    # The variance of 3 pixels is 2/3: (4 sqrt(2/3) - 1) * 3 / 2 = 3.4, about the pixel (1, 1).
    kernels.expand_large_events(groupdq, sat_required_snowball=False, expand_factor=3)
    picture = """
        jjjj..
        jjjj..
        jjjj..
        jjjj..
        ......"""
    np.testing.assert_array_equal(groupdq[1], flags_of(picture))


def test_without_the_need_of_a_core_all_large_regions_are_snowballs():
    groupdq = no_flags()
    snowball(groupdq)
    square(groupdq[2], 8, 8, 2, JUMP_DET)
    groupdq[3, 35, 5:10] = JUMP_DET  # five pixels
    assert kernels.expand_large_events(groupdq, sat_required_snowball=False) == 2
    # Cores stay as they are.
    y, x = offsets((41, 41), 20, 20)
    core = np.maximum(abs(y), abs(x)) <= 1
    np.testing.assert_array_equal(groupdq[1] & SATURATED, SATURATED * core)
    np.testing.assert_array_equal(groupdq[1] & JUMP_DET, JUMP_DET * ((y**2 + x**2 < 25) & ~core))
    y, x = offsets((41, 41), 8, 8)
    np.testing.assert_array_equal(groupdq[2] & JUMP_DET, JUMP_DET * (y**2 + x**2 < 16))
    assert np.count_nonzero(groupdq[3] & JUMP_DET) == 5


def test_areas_count_with_their_holes_and_corners_connect():
    groupdq = no_flags()
    snowball(groupdq)  # a ring of 16 pixels, 25 with the hole
    for area, n_snowballs in [(25, 1), (25.5, 0)]:
        found = kernels.expand_large_events(
            groupdq.copy(), min_jump_area=area, sat_required_snowball=False
        )
        assert found == n_snowballs
    for area, n_snowballs in [(9, 1), (9.5, 0)]:
        assert kernels.expand_large_events(groupdq.copy(), min_sat_area=area) == n_snowballs
    diagonal = no_flags()
    diagonal[1, range(6), range(6)] = JUMP_DET
    assert kernels.expand_large_events(diagonal, sat_required_snowball=False) == 1


def test_no_axis_becomes_longer_than_200_pixels():
    groupdq = no_flags(2, 231, 231)
    y, x = offsets((231, 231), 115, 115)
    groupdq[1][y**2 + x**2 < 80**2] = JUMP_DET
    kernels.expand_large_events(groupdq, sat_required_snowball=False)
    np.testing.assert_array_equal(groupdq[1], JUMP_DET * (y**2 + x**2 < 100**2))

    groupdq[:] = 0
    groupdq[1][y**2 + x**2 < 80**2] = SATURATED
    kernels.expand_large_events(groupdq, sat_expand=10**30)
    np.testing.assert_array_equal(groupdq[1], SATURATED * (y**2 + x**2 < 100**2))

    # A line, whose axis across is -1.
    groupdq[:] = 0
    groupdq[1, 115, 110:121] = JUMP_DET
    kernels.expand_large_events(groupdq, sat_required_snowball=False, expand_factor=1e308)
    np.testing.assert_array_equal(groupdq[1], JUMP_DET * (y**2 + x**2 < 100**2))


def test_a_region_that_saturates_is_enlarged_if_its_minor_axis_is_long_enough():
    groupdq = no_flags()
    square(groupdq[2:], 20, 20, 1, SATURATED)  # a star; its axes are 4 sqrt(2/3) - 1 = 2.27
    groupdq[2:, 5, 5:15] = SATURATED  # a line has none across
    for radius, n_pixels in [(2.26, 25), (2.27, 9)]:
        enlarged = groupdq.copy()
        assert kernels.expand_large_events(enlarged, min_sat_radius_extend=radius) == 0
        assert np.count_nonzero(enlarged, axis=(1, 2)).tolist() == [0, 0, *[n_pixels + 10] * 2]


def test_an_elongated_snowball_is_flagged_along_its_axis():
    # The variances of 21 and of 5 pixels are 36.7 and 2. With the minor axis 4 sqrt(2) - 1 = 4.66
    # the half axes are 1.9 * 4.66 / 2 = 4.4, and (4 sqrt(36.7) - 1 + 0.9 * 4.66) / 2 = 13.7.
    upright = no_flags(2)
    upright[1, 10:31, 18:23] = JUMP_DET
    y, x = offsets((41, 41), 20, 20)
    inside = (4 * y) ** 2 + (14 * x) ** 2 < (4 * 14) ** 2
    for groupdq, expected in [
        (upright, inside),
        (np.ascontiguousarray(upright.swapaxes(1, 2)), inside.T),
    ]:
        before = groupdq[1] != 0
        kernels.expand_large_events(groupdq, sat_required_snowball=False)
        np.testing.assert_array_equal(groupdq[1], JUMP_DET * (expected | before))


@pytest.mark.parametrize("sign", [1, -1])
def test_an_oblique_snowball_is_flagged_along_its_axis(sign):
    groupdq = no_flags(2)
    y, x = offsets((41, 41), 20, 20)
    x *= sign
    region = (abs(y + x) <= 14) & (abs(y - x) <= 4)
    groupdq[1][region] = JUMP_DET
    major, minor = (4 * np.sqrt(np.var(u[region]) / 2) - 1 for u in (y + x, y - x))
    a, b = round((major + 0.9 * minor) / 2), round(1.9 * minor / 2)
    assert a > b > 1
    # Pixels on the line itself, which there are, are outside: in whole numbers.
    left, right = ((y + x) * b) ** 2 + ((y - x) * a) ** 2, 2 * (a * b) ** 2
    kernels.expand_large_events(groupdq, sat_required_snowball=False)
    np.testing.assert_array_equal(groupdq[1], JUMP_DET * ((left < right) | region))


@pytest.mark.parametrize(("row", "col", "n_snowballs"), [(27, 20, 1), (13, 20, 1), (20, 27, 0)])
def test_a_core_may_lie_off_the_centre_along_the_axis(row, col, n_snowballs):
    upright = no_flags()
    upright[1, 10:31, 18:23] = JUMP_DET  # half axes of 11.6 and 2.3 pixels
    square(upright[1:], row, col, 1, SATURATED)
    lying = np.ascontiguousarray(upright.swapaxes(1, 2))
    assert kernels.expand_large_events(upright) == n_snowballs
    assert kernels.expand_large_events(lying) == n_snowballs
    np.testing.assert_array_equal(lying, upright.swapaxes(1, 2))


def test_flags_of_other_kinds_are_kept():
    groupdq = no_flags()
    other = np.random.default_rng(5).choice(
        np.array([0, DO_NOT_USE, DROPOUT, AD_FLOOR, DROPOUT | DO_NOT_USE], np.uint8), groupdq.shape
    )
    snowball(groupdq)
    plain = groupdq.copy()
    kernels.expand_large_events(plain)
    groupdq |= other
    assert kernels.expand_large_events(groupdq) == 1
    np.testing.assert_array_equal(groupdq, plain | other)


def test_jumps_are_kept_where_a_core_is_enlarged_but_make_no_events_there():
    groupdq = no_flags()
    square(groupdq[1:], 20, 20, 3, SATURATED)
    # The variance of 7 pixels is 4: half axes of (4 * 2 - 1 + 4) / 2 = 5.5, rounded to 6.
    groupdq[2, 15, 17:24] |= JUMP_DET  # within the enlarged core: 5^2 + 3^2 < 6^2
    groupdq[2, 5, 17:24] |= JUMP_DET
    assert kernels.expand_large_events(groupdq, edge_size=100) == 1
    assert (groupdq[2, 15, 17:24] == SATURATED | JUMP_DET).all()


def test_trimmed_views_are_changed_where_they_are():
    framed = np.zeros((3, 19, 19), np.uint8)
    view = framed[:, 4:-4, 4:-4]
    snowball(view, row=5, col=5)
    expected = view.copy()
    kernels.expand_large_events(expected)
    assert kernels.expand_large_events(view) == 1
    np.testing.assert_array_equal(view, expected)
    assert np.count_nonzero(framed) == np.count_nonzero(expected)


@pytest.mark.parametrize(
    "name",
    [
        *("min_sat_area", "min_jump_area", "expand_factor", "min_sat_radius_extend"),
        *("sat_expand", "edge_size"),
    ],
)
def test_parameters_out_of_their_range_are_named(name):
    groupdq = no_flags()
    values = [-1, -(10**400)]
    if name not in ("sat_expand", "edge_size"):
        values += [-0.5, np.nan, np.inf, 10**400]
    for value in values:
        with pytest.raises(kernels.ArgumentError, match=rf"^{name}: expected .* at least 0, got "):
            kernels.expand_large_events(groupdq, **{name: value})
    for slip in ("1", None, [1]):
        with pytest.raises(kernels.ArgumentTypeError, match=rf"^{name}: expected a .*number, got"):
            kernels.expand_large_events(groupdq, **{name: slip})
    kernels.expand_large_events(groupdq, **{name: np.int32(3)})
    if name in ("sat_expand", "edge_size"):
        with pytest.raises(kernels.ArgumentTypeError, match=rf"^{name}: .*whole number, got float"):
            kernels.expand_large_events(groupdq, **{name: 1.0})


@pytest.mark.parametrize(
    ("groupdq", "kind", "match"),
    [
        ([[[0]]], kernels.ArgumentTypeError, "got list"),
        (np.zeros((2, 3, 3), np.int16), kernels.ArgumentTypeError, "dtype uint8, got int16"),
        (np.zeros((3, 3), np.uint8), kernels.ShapeError, r"3 dimensions, got shape \(3, 3\)"),
        (np.zeros((0, 3, 3), np.uint8), kernels.ShapeError, "at least one resultant"),
        (np.broadcast_to(np.uint8(0), (2, 3, 3)), kernels.ArgumentError, "read-only"),
    ],
)
def test_flags_that_will_not_do_are_an_error(groupdq, kind, match):
    with pytest.raises(RomancalError, match=rf"^groupdq: .*{match}") as caught:
        kernels.expand_large_events(groupdq)
    assert type(caught.value) is kind
