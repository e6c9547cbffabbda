"""Least, median and greatest value of an array of any size, strip by strip.

The median is exact: values are turned into whole numbers of the same order, and the digits (16 bits
each) of the one in the middle are found from the highest on, each by a histogram of those that
share the digits before it. Two passes do for single precision, whatever the number of pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentTypeError, ShapeError

_STRIP = 1 << 20
_DIGIT = 16

#: An array of any shape and type.
Values = np.ndarray[Any, np.dtype[Any]]
#: Gives the strips of values that count, from the first on.
_Strips = Callable[[], Iterator[Values]]


@dataclass(frozen=True)
class ArrayStatistics:
    """What the numbers of an array are like; of complex ones what their moduli are like.

    Attributes
    ----------
    minimum, median, maximum : float, int or None
        Of those that are not NaN; None if there are none. Whole numbers may have a half as median.
    n_values : int
        How many were looked at, NaN or not.
    n_nan : int
        How many of them are NaN.
    n_excluded : int
        How many were left out.
    """

    minimum: float | int | None
    median: float | int | None
    maximum: float | int | None
    n_values: int
    n_nan: int = 0
    n_excluded: int = 0


def array_statistics(values: Values, excluded: Values | None = None) -> ArrayStatistics:
    """Least, median and greatest value of an array.

    Parameters
    ----------
    values : ndarray
        Numbers of any type and shape; it is not copied as a whole if it is contiguous.
    excluded : ndarray of bool, optional
        Of the same shape: what to leave out.

    Returns
    -------
    ArrayStatistics

    Raises
    ------
    ArgumentTypeError
        If they are no numbers.
    ShapeError
        If `excluded` is of another shape.
    """
    if values.dtype.kind not in "biufc":
        raise ArgumentTypeError(f"values: expected numbers, got {values.dtype}")
    if excluded is not None and excluded.shape != values.shape:
        raise ShapeError(f"excluded: expected shape {values.shape}, got {excluded.shape}")
    flat = values.reshape(-1)
    left_out = None if excluded is None else excluded.reshape(-1)

    def strips() -> Iterator[Values]:
        for start in range(0, flat.size, _STRIP):
            strip = flat[start : start + _STRIP]
            if left_out is not None:
                strip = strip[~left_out[start : start + _STRIP]]
            if strip.dtype.kind == "c":
                strip = np.abs(strip)
            yield strip[~np.isnan(strip)] if strip.dtype.kind == "f" else strip

    n_excluded = 0 if left_out is None else int(np.count_nonzero(left_out))
    n_values = flat.size - n_excluded
    n_left, least, greatest = 0, [], []
    for strip in strips():
        n_left += strip.size
        if strip.size:
            least.append(strip.min())
            greatest.append(strip.max())
    if not n_left:
        return ArrayStatistics(None, None, None, n_values, n_values, n_excluded)
    ranks = (n_left - 1) // 2, n_left // 2
    middle = [_number(value) for value in _at_ranks(strips, ranks, np.min(least).dtype)]
    return ArrayStatistics(
        _number(min(least)),
        middle[0] if middle[0] == middle[1] else (middle[0] + middle[1]) / 2,
        _number(max(greatest)),
        n_values,
        n_values - n_left,
        n_excluded,
    )


def _number(value: Any) -> float | int:
    number: float | int = value.item()
    return int(number) if isinstance(number, bool) else number


def _at_ranks(strips: _Strips, ranks: tuple[int, int], dtype: np.dtype[Any]) -> list[Any]:
    """The values that would stand at two places if all were sorted."""
    width = 8 * dtype.itemsize
    #: Of each place the digits that are known, and its place among those that have them.
    found = [(0, rank) for rank in ranks]
    for shift in range(max(0, width - _DIGIT), -1, -_DIGIT):
        histograms = dict.fromkeys({digits for digits, _ in found}, np.zeros(1 << _DIGIT, np.int64))
        for strip in strips():
            keys = _keys(strip)
            highest = shift + _DIGIT >= width
            for digits, histogram in histograms.items():
                of_digits = keys if highest else keys[keys >> (shift + _DIGIT) == digits]
                lowest = (of_digits >> shift) & ((1 << _DIGIT) - 1) if shift else of_digits
                numbers = lowest.astype(np.uint16, copy=False)
                histograms[digits] = histogram + np.bincount(numbers, minlength=1 << _DIGIT)
        found = [_next_digit(histograms[digits], digits, rank) for digits, rank in found]
    return [_value(digits, dtype) for digits, _ in found]


def _next_digit(histogram: Values, digits: int, rank: int) -> tuple[int, int]:
    up_to = np.cumsum(histogram)
    digit = int(np.searchsorted(up_to, rank, side="right"))
    before = int(up_to[digit - 1]) if digit else 0
    return digits << _DIGIT | digit, rank - before


def _keys(values: Values) -> Values:
    """Whole numbers from 0 of the same order as the values, and of as many bits."""
    native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    width = 8 * native.dtype.itemsize
    bits = native.view(f"u{native.dtype.itemsize}")
    sign = bits.dtype.type(1 << (width - 1))
    if native.dtype.kind == "f":  # the greater the bits of a negative number, the less it is
        return np.where(bits & sign, ~bits, bits | sign)
    return bits ^ sign if native.dtype.kind == "i" else bits


def _value(key: int, dtype: np.dtype[Any]) -> Any:
    """The value that has a key."""
    native = dtype.newbyteorder("=")
    bits = np.array(key, f"u{native.itemsize}")
    sign = bits.dtype.type(1 << (8 * native.itemsize - 1))
    if native.kind == "f":
        bits = bits ^ sign if bits & sign else ~bits
    elif native.kind == "i":
        bits = bits ^ sign
    return np.asarray(bits).view(native)[()]
