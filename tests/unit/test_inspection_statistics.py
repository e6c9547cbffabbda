"""Least, median and greatest values by hand, and as sorting gives them, of arrays of any type."""

import statistics

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from romancal_rs.errors import ArgumentTypeError, ShapeError
from romancal_rs.inspection import ArrayStatistics, array_statistics
from romancal_rs.inspection import _statistics as module

WHOLE = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">u2", ">i4"]
REAL = ["f2", "f4", "f8", ">f4"]


def test_by_hand():
    values = np.array([[3, 1, 2], [9, 7, 8]], np.uint16)
    assert array_statistics(values) == ArrayStatistics(1, 5.0, 9, 6)
    assert array_statistics(values[0]) == ArrayStatistics(1, 2, 3, 3)


def test_nan_is_counted_and_infinity_is_a_value():
    values = np.array([np.nan, -np.inf, 4.0, np.nan, -0.5], np.float32)
    assert array_statistics(values) == ArrayStatistics(-np.inf, -0.5, 4.0, 5, n_nan=2)


def test_what_is_excluded_does_not_count():
    values = np.array([[1000.0, 2.0], [np.nan, 4.0]])
    excluded = np.array([[True, False], [True, False]])
    assert array_statistics(values, excluded) == ArrayStatistics(2.0, 3.0, 4.0, 2, 0, 2)


def test_of_complex_numbers_the_moduli_are_told():
    assert array_statistics(np.array([3 + 4j, 1j, -2])) == ArrayStatistics(1.0, 2.0, 5.0, 3)


def test_of_no_number_nothing_is_told():
    assert array_statistics(np.zeros((0, 3))) == ArrayStatistics(None, None, None, 0)
    assert array_statistics(np.array([np.nan])) == ArrayStatistics(None, None, None, 1, n_nan=1)


def test_what_cannot_be_is_refused():
    with pytest.raises(ArgumentTypeError, match="values: expected numbers, got <U1"):
        array_statistics(np.array(["a"]))
    with pytest.raises(ShapeError, match=r"excluded: expected shape \(3,\), got \(2,\)"):
        array_statistics(np.zeros(3), np.zeros(2, bool))


@pytest.mark.parametrize("dtype", WHOLE)
@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_whole_numbers_are_as_sorted(dtype, data):
    limits = np.iinfo(dtype)
    numbers = st.integers(int(limits.min), int(limits.max))
    values = data.draw(st.lists(numbers, min_size=1, max_size=40))
    found = array_statistics(np.array(values, dtype))
    assert (found.minimum, found.maximum) == (min(values), max(values))
    # statistics.median has the digits of a float, also of two numbers that are the same.
    low, high = statistics.median_low(values), statistics.median_high(values)
    assert found.median == (low if low == high else (low + high) / 2)


@pytest.mark.parametrize("dtype", REAL)
@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_real_numbers_are_as_sorted(dtype, data):
    width = 8 * np.dtype(dtype).itemsize
    numbers = st.floats(-1e4, 1e4, width=width)
    values = data.draw(st.lists(numbers, min_size=1, max_size=40))
    found = array_statistics(np.array(values, dtype))
    assert (found.minimum, found.maximum) == (min(values), max(values))
    assert found.median == statistics.median(values)


def test_strips_do_not_matter(monkeypatch):
    values = np.random.default_rng(5).normal(0, 1000, (37, 41)).astype(np.float32)
    values[3, 7] = np.nan
    excluded = values > 500
    whole = array_statistics(values, excluded)
    monkeypatch.setattr(module, "_STRIP", 10)
    assert array_statistics(values, excluded) == whole
    kept = values[~excluded & ~np.isnan(values)]
    assert whole.median == np.median(kept.astype(np.float64))
