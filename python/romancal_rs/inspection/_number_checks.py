"""Whether the numbers of an array can be: flags with a name, errors, and what is finite."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from .. import dqflags
from ..datamodels._tree import Tree, flatten
from ..errors import RomancalError
from ..reference_types import KNOWN_TYPES, type_of
from ._describing import flag_names, values_of
from ._finding import Finding
from ._statistics import Values

_STRIP = 256  # rows
#: Arrays that are never negative, in files of any kind.
_ERRORS = ("err", "var_poisson", "var_rnoise", "var_flat", "var_sky", "dark_slope_error")


def number_findings(tree: Tree) -> Iterator[Finding]:
    """Arrays that cannot be read, flags that have no name, errors and variances that cannot be.

    Of a reference also what is not finite in pixels that have no flag there.
    """
    images = _images_of_reference(tree)
    flagged: Values | None = None
    for name, value in flatten(tree.data):
        if not hasattr(value, "dtype") or not hasattr(value, "shape"):
            continue
        try:
            values = values_of(value)
            if name in images and flagged is None and "dq" in tree.data:
                flagged = values_of(tree.data["dq"]) != 0
        except (RomancalError, OSError) as error:
            yield Finding(name, str(error).removeprefix(f"{tree.source}: "))
            continue
        flags = flag_names(name, values.dtype)
        if flags:
            yield from _nameless(name, values, flags)
        if name in _ERRORS and values.dtype.kind == "f":
            what = "negative: errors and variances are not"
            yield from _wrong_ones(name, lambda part: part < 0, values, what)
        if name in images and values.dtype.kind == "f":
            excluded = flagged if flagged is not None and flagged.shape == values.shape else None
            what = "not finite" if excluded is None else "not finite in pixels without a flag"
            for found in not_finite(name, values, excluded, what):
                yield dataclasses.replace(found, is_error=False)


def _images_of_reference(tree: Tree) -> frozenset[str]:
    """Names of the images of a reference that have a value for each pixel."""
    reftype = tree.data["meta"].get("reftype") if tree.tag else None
    if not isinstance(reftype, str) or reftype.upper() not in KNOWN_TYPES:
        return frozenset()
    of_type = type_of(reftype.upper())
    return frozenset(array.name for array in of_type.images if len(array.axes) == 2)


def do_not_use(flags: Values) -> Values | None:
    """The pixels or samples that are DO_NOT_USE; None where the array is none of flags."""
    if flags.dtype.kind != "u":
        return None
    return (flags & flags.dtype.type(dqflags.DO_NOT_USE)) != 0


def _nameless(name: str, values: Values, flags: dqflags.Flags) -> Iterator[Finding]:
    named = np.bitwise_or.reduce(np.array(list(flags.values()), np.int64))
    there = int(np.bitwise_or.reduce(values, axis=None)) if values.size else 0
    for text in dqflags.names(there & ~int(named), flags):
        bit = int(text.removeprefix("BIT_"))
        number = int(np.count_nonzero(values & values.dtype.type(1 << bit)))
        yield Finding(name, f"{_times(number)} bit {bit}, which is no flag that has a name", False)


def _times(number: int) -> str:
    return "one pixel has" if number == 1 else f"{number} pixels have"


def _wrong_ones(
    name: str,
    is_wrong: Callable[[Values], Values],
    values: Values,
    what: str,
    unusable: Values | None = None,
) -> Iterator[Finding]:
    """How many values are wrong, and where the first is; strip by strip."""
    if not values.size:
        return
    number, first = 0, tuple[int, ...]()
    rows = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
    skipped = None if unusable is None else unusable.reshape(rows.shape)
    for start in range(0, len(rows), _STRIP):
        wrong = is_wrong(rows[start : start + _STRIP])
        if skipped is not None:
            wrong = wrong & ~skipped[start : start + _STRIP]
        found = int(np.count_nonzero(wrong))
        if found and not number:
            row, column = divmod(int(np.argmax(wrong)), rows.shape[1])
            flat = (start + row) * rows.shape[1] + column
            first = tuple(int(i) for i in np.unravel_index(flat, values.shape))
        number += found
    if number:
        where = f"[{', '.join(map(str, first))}]"
        count = "one value is" if number == 1 else f"{number} values are"
        yield Finding(name, f"{count} {what}; the first at {where}")


def not_finite(
    name: str,
    values: Values,
    excluded: Values | None,
    what: str = "not finite in pixels that are not DO_NOT_USE",
) -> Iterator[Finding]:
    """The values that are not finite in pixels that are not excluded."""
    yield from _wrong_ones(name, lambda part: ~np.isfinite(part), values, what, excluded)
