"""Means of cells, the stretch that follows the sky, and round ticks."""

from __future__ import annotations

import numpy as np
import pytest

from romancal_rs.errors import ArgumentError, ShapeError
from romancal_rs.show.scaling import cell_for, round_ticks, shrink, stretch


def test_a_cell_is_the_mean_of_what_is_finite_and_not_bad():
    values = np.array(
        [[1, 2, 10, 20, 5], [3, np.nan, 30, 40, np.inf], [7, 9, np.nan, np.nan, 4]], np.float32
    )
    bad = np.zeros(values.shape, bool)
    bad[0, 3] = True
    expected = [[2, 80 / 3, 5], [8, np.nan, 4]]
    np.testing.assert_allclose(shrink(values, 2, bad), expected, rtol=1e-6)


def test_cells_of_one_pixel_are_the_image_without_what_is_bad():
    values = np.arange(6, dtype=np.uint16).reshape(2, 3)
    bad = values == 4
    np.testing.assert_array_equal(shrink(values, 1, bad), [[0, 1, 2], [3, np.nan, 5]])


def test_half_precision_does_not_overflow_in_a_cell():
    values = np.full((300, 300), 60000, np.float16)
    assert shrink(values, 300).item() == np.float16(60000)


def test_cells_are_as_small_as_the_longer_side_allows():
    assert cell_for((4088, 4088), 1022) == 4
    assert cell_for((4088, 4088), 1021) == 5
    assert cell_for((128, 4096), 1000) == 5
    assert cell_for((8, 8), 1000) == 1


def test_what_is_no_image_or_no_cell_is_told():
    with pytest.raises(ShapeError, match=r"\(n_rows, n_cols\), got shape \(2, 3, 4\)"):
        shrink(np.zeros((2, 3, 4)), 1)
    with pytest.raises(ArgumentError, match="cell: must be at least 1 pixel, got 0"):
        shrink(np.zeros((2, 3)), 0)
    with pytest.raises(ShapeError, match=r"bad: expected shape \(2, 3\).*got \(3, 2\)"):
        shrink(np.zeros((2, 3)), 1, np.zeros((3, 2), bool))


def test_the_sky_gets_most_of_the_scale_and_a_bright_star_the_rest():
    rng = np.random.default_rng(3)
    field = rng.normal(2.0, 0.1, (200, 200))
    field[:20, :20] = 500.0
    norm = stretch(field)
    assert 1.5 < norm.vmin < 2.0
    assert 20 < norm.vmax < 100  # a hundred times the range of the sky
    sky = norm(np.array([1.7, 1.9, 2.0, 2.1, 2.3, 20]))
    assert sky[4] - sky[0] > 0.2  # in a linear scale up to the star: 1e-3
    assert np.all(np.diff(sky) > 0)


def test_a_field_that_is_not_bright_is_shown_to_its_brightest_pixels():
    field = np.random.default_rng(3).normal(2.0, 0.1, (200, 200))
    field[0, :90] = 3.0  # 0.23%
    assert stretch(field).vmax == pytest.approx(3.0)


@pytest.mark.parametrize(
    "values",
    [
        np.full((5, 5), np.nan),
        np.zeros((5, 5)),
        np.full((5, 5), -3.5),
        np.full((5, 5), 1e30),
        np.array([[7.0]]),
        np.array([[np.nan, 1.0], [np.inf, 2.0]]),
        np.arange(16).reshape(4, 4),
    ],
)
def test_a_scale_is_there_whatever_the_image_holds(values):
    norm = stretch(values)
    assert np.isfinite([norm.vmin, norm.vmax]).all()
    assert norm.vmin < norm.vmax
    ends = norm(np.array([norm.vmin, norm.vmax]))
    np.testing.assert_allclose(ends, [0, 1], atol=1e-6)


def test_bad_pixels_do_not_stretch_the_scale():
    values = np.tile(np.linspace(1, 2, 50), (50, 1))
    bad = np.zeros(values.shape, bool)
    bad[:10] = True
    norm = stretch(np.where(bad, 1e6, values), bad)
    assert norm.vmax <= 2.0


def test_ticks_are_round_and_apart():
    assert round_ticks(-1, 10, lambda x: (x + 1) / 11) == [-1, 0, 1, 2, 5, 10]
    assert round_ticks(0, 100, lambda x: np.sqrt(x / 100), apart=0.1) == [0, 2, 10, 20, 50, 100]


def test_ticks_below_zero_mirror_those_above():
    ticks = round_ticks(-60, 60, lambda x: (x + 60) / 120)
    assert ticks == [-50, -20, -10, 0, 10, 20, 50]
    assert round_ticks(-60, -5, lambda x: (x + 60) / 55, apart=0.2) == [-50, -20, -5]


def test_an_axis_of_nearly_one_value_has_ticks_all_the_same():
    ticks = round_ticks(1.98, 2.02, lambda x: (x - 1.98) / 0.04)
    assert ticks == [1.98, 1.99, 2.0, 2.01, 2.02]


def test_the_axis_of_a_constant_has_its_value_for_a_tick():
    norm = stretch(np.full((4, 4), 1.25))
    assert round_ticks(norm.vmin, norm.vmax, norm) == [1.25]


@pytest.mark.parametrize("seed", range(20))
def test_no_part_of_an_axis_is_without_ticks(seed):
    rng = np.random.default_rng(seed)
    offset = rng.choice([0, 1e-3, 10, 5e4])
    field = offset + rng.normal(2.0, 0.1, (60, 60)) * 10.0 ** rng.integers(-4, 5)
    field[0] *= 1 + 20 * rng.random(60)
    norm = stretch(field)
    places = [float(norm(tick)) for tick in round_ticks(norm.vmin, norm.vmax, norm)]
    assert np.diff([0, *places, 1]).max() < 0.5
    assert np.diff(places).min() > 0.08
