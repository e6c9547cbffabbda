"""Whether the numbers of a file can be: flags, errors, read pattern, times, world coordinates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .. import dqflags
from ..border import BORDER
from ..datamodels import DataModel, ImageModel, RampModel, ScienceRawModel
from ..datamodels._exposures import shape_problem
from ..datamodels._tree import Tree, flatten
from ..errors import RomancalError
from ..exposure import check_ramp, read_pattern
from ._describing import flag_names, values_of
from ._fields import UNKNOWN_TIME
from ._finding import Finding
from ._statistics import Values

_STRIP = 256  # rows
#: Arrays that are never negative, in files of any kind.
_ERRORS = ("err", "var_poisson", "var_rnoise", "var_flat", "var_sky", "dark_slope_error")


def number_findings(tree: Tree) -> Iterator[Finding]:
    """Flags that have no name, errors and variances that cannot be."""
    for name, value in flatten(tree.data):
        if not hasattr(value, "dtype") or not hasattr(value, "shape"):
            continue
        flags = flag_names(name, value.dtype)
        if flags:
            yield from _nameless(name, values_of(value), flags)
        elif name in _ERRORS and value.dtype.kind == "f":
            yield from _first_of(
                name,
                lambda part: part < 0,
                values_of(value),
                "negative: errors and variances are not",
            )


def _nameless(name: str, values: Values, flags: Mapping[str, int]) -> Iterator[Finding]:
    named = np.bitwise_or.reduce(np.array(list(flags.values()), np.int64))
    there = int(np.bitwise_or.reduce(values, axis=None)) if values.size else 0
    for text in dqflags.names(there & ~int(named), flags):
        bit = int(text.removeprefix("BIT_"))
        number = int(np.count_nonzero(values & values.dtype.type(1 << bit)))
        yield Finding(name, f"{_times(number)} bit {bit}, which is no flag that has a name", False)


def _times(number: int) -> str:
    return "one pixel has" if number == 1 else f"{number} pixels have"


def _first_of(
    name: str,
    is_wrong: Callable[[Values], Values],
    values: Values,
    what: str,
    unusable: Values | None = None,
) -> Iterator[Finding]:
    """How many values are wrong, and where the first is; strip by strip."""
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


def exposure_findings(model: DataModel) -> Iterator[Finding]:
    """What of an exposure does not fit: shapes, reads, times, and numbers of good pixels."""
    if not isinstance(model, ScienceRawModel | RampModel | ImageModel):
        return
    content = model._tree.data
    for name in (*model._for_steps, "chisq", "var_flat", "var_sky"):
        problem = None
        if hasattr(content.get(name), "shape") and "data" in content:
            problem = shape_problem(model, name)
        if problem is not None:
            yield Finding(name, problem)
    yield from _times_of(model)
    if isinstance(model, ImageModel):
        yield from _image(model)
        return
    try:
        if len(model.shape) == 3:
            check_ramp(model)
            read_pattern(model)
    except RomancalError as error:
        yield Finding("", str(error).removeprefix(f"{model.source}: "))
    if isinstance(model, RampModel):
        yield from _good_samples(model)


def _times_of(model: DataModel) -> Iterator[Finding]:
    exposure = model._tree.data["meta"].get("exposure")
    if not isinstance(exposure, Mapping):
        return
    times: dict[str, Any] = {name: exposure.get(f"{name}_time") for name in ("start", "mid", "end")}
    known = [
        (name, time)
        for name, time in times.items()
        if hasattr(time, "isot") and str(time.isot) != UNKNOWN_TIME
    ]
    for (before, first), (after, second) in itertools.pairwise(known):
        if second < first:
            yield Finding(
                f"meta.exposure.{after}_time",
                f"{second.isot} is before {before}_time, {first.isot}",
            )


def _image(model: ImageModel) -> Iterator[Finding]:
    meta, content = model._tree.data["meta"], model._tree.data
    exposure = meta.get("exposure")
    exposure = exposure if isinstance(exposure, Mapping) else {}
    pattern, stated = exposure.get("read_pattern"), exposure.get("nresultants")
    if pattern and isinstance(stated, int) and stated not in (len(pattern), -999999):
        problem = f"{stated}, but read_pattern has {len(pattern)} resultants"
        yield Finding("meta.exposure.nresultants", problem)
    if not model.has_wcs:
        steps = meta.get("cal_step")
        is_done = isinstance(steps, Mapping) and steps.get("assign_wcs") == "COMPLETE"
        problem = "there is none" + (", though assign_wcs is COMPLETE" if is_done else "")
        yield Finding("meta.wcs", problem, is_done)
    dq: Any = content.get("dq")
    if not hasattr(dq, "dtype") or dq.dtype.kind != "u":
        return
    flags = values_of(dq)
    unusable = (flags & flags.dtype.type(dqflags.DO_NOT_USE)) != 0
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        if hasattr(content.get(name), "dtype") and content[name].shape == unusable.shape:
            yield from _not_finite(name, values_of(content[name]), unusable)


def _good_samples(model: RampModel) -> Iterator[Finding]:
    content = model._tree.data
    arrays = [content.get(name) for name in ("data", "groupdq", "pixeldq")]
    if not all(hasattr(array, "dtype") for array in arrays):
        return
    data, of_samples, of_pixels = map(values_of, arrays)
    if of_samples.shape != data.shape or of_pixels.shape != data.shape[1:]:
        return
    bad = (of_pixels & of_pixels.dtype.type(dqflags.DO_NOT_USE)) != 0
    for i, plane in enumerate(data):
        bad_here = bad | ((of_samples[i] & of_samples.dtype.type(dqflags.DO_NOT_USE)) != 0)
        yield from _not_finite(f"data[{i}]", plane, bad_here)


def _not_finite(name: str, values: Values, unusable: Values) -> Iterator[Finding]:
    yield from _first_of(
        name,
        lambda part: ~np.isfinite(part),
        values,
        "not finite in pixels that are not DO_NOT_USE",
        unusable,
    )


def wcs_findings(tree: Tree) -> Iterator[Finding]:
    """Transforms and world coordinates that cannot be made, or do not give coordinates."""
    tree.read_objects()
    shape = getattr(tree.data.get("data"), "shape", None)
    for name, value in flatten(tree.data):
        if not type(value).__module__.startswith("gwcs"):
            continue
        border = BORDER if name == "wcs_l1" else 0
        n_rows, n_cols = shape[-2:] if shape and len(shape) > 1 else (4088, 4088)
        columns = np.array([0, n_cols - 1, 0, n_cols - 1, n_cols / 2]) + border
        rows = np.array([0, 0, n_rows - 1, n_rows - 1, n_rows / 2]) + border
        try:
            sky = value(columns, rows, with_bounding_box=False)
            finite = all(np.isfinite(np.asarray(axis, float)).all() for axis in sky)
        except Exception as error:  # of libraries that trust what they are given
            yield Finding(name, f"cannot be evaluated: {type(error).__name__}: {error}")
            continue
        if not finite:
            yield Finding(
                name, "gives coordinates that are not finite in the corners or the middle"
            )
