"""Snowballs against those of today's system, romancal 1.1, by file (``tests/data/flight``).

What differs is told in ``docs/explanation/deviations.md``.
"""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import dqflags, kernels

FILE = Path(__file__).parents[1] / "data" / "flight" / "golden" / "snowball.npz"


def load(name):
    """Flags before and after, the parameters, and how many snowballs there are."""
    with np.load(FILE) as file:
        before, after = file["in_groupdq"], file[f"out_{name}_groupdq"]
        jump_area, sat_area, factor, required, radius, longer, edge = file[f"in_{name}_par"]
        n_snowballs = int(file[f"out_{name}_n"])
    parameters = {
        "min_jump_area": jump_area,
        "min_sat_area": sat_area,
        "expand_factor": factor,
        "sat_required_snowball": bool(required),
        "min_sat_radius_extend": radius,
        "sat_expand": int(longer) // 2,  # The file has what is added to the full axes.
        "edge_size": int(edge),
    }
    # There, SATURATED takes the place of all other flags.
    after = np.where(after == dqflags.SATURATED, before | after, after)
    return before, after, parameters, n_snowballs


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_the_square_part_is_that_of_todays_system(name):
    before, after, parameters, n_snowballs = load(name)
    square = np.s_[:, :, :96]
    groupdq = before[square].copy()
    # Two of its snowballs lie in the columns beyond, and none reaches over.
    assert kernels.expand_large_events(groupdq, **parameters) == n_snowballs - 2
    np.testing.assert_array_equal(groupdq, after[square])


# The region that is a snowball there for its column, as that is more than the 96 rows less
# `edge_size`: without a core, and not at the edge of the 120 columns.
@pytest.mark.parametrize(
    ("name", "taken_for_the_edge"),
    [("a", np.s_[2, 20:46, 100:120]), ("b", None), ("c", np.s_[2, 44:69, 60:85])],
)
def test_the_edge_of_columns_is_that_of_columns(name, taken_for_the_edge):
    before, expected, parameters, n_snowballs = load(name)
    groupdq = before.copy()
    found = kernels.expand_large_events(groupdq, **parameters)
    if taken_for_the_edge is not None:
        assert (expected[taken_for_the_edge] != before[taken_for_the_edge]).any()
        expected[taken_for_the_edge] = before[taken_for_the_edge]
        n_snowballs -= 1
    assert found == n_snowballs
    np.testing.assert_array_equal(groupdq, expected)


# Flags of set b that an independent program with the formula of today's system sets, and today's
# system does not: of 1394, all in which the two differ.
ROUNDED = {(46, 72), (48, 78), (50, 64), (56, 62), (56, 82), (62, 80), (64, 66), (66, 72)}


def mirrored(row, col, legs):
    return {(row + s * y, col + t * x) for y, x in legs for s in (-1, 1) for t in (-1, 1)}


def test_pixels_exactly_on_a_turned_circle_are_outside():
    """They are where sine and cosine, once rounded, take some for inside and some for outside."""
    before, after, parameters, _ = load("b")
    groupdq = before.copy()
    kernels.expand_large_events(groupdq, **parameters)
    on_it = mirrored(56, 72, [(0, 10), (6, 8), (8, 6), (10, 0)])
    assert len(on_it) == 12
    assert on_it > ROUNDED
    for pixel in on_it:
        assert groupdq[2][pixel] == after[2][pixel] == 0, pixel
    for pixel in mirrored(56, 72, [(0, 9), (6, 7), (7, 6), (9, 0)]):
        assert groupdq[2][pixel] & dqflags.JUMP_DET, pixel
