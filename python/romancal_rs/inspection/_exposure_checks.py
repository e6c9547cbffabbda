"""Whether what an exposure states fits: shapes, reads, times, good pixels, world coordinates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..border import BORDER
from ..datamodels import DataModel, ImageModel, RampModel, ScienceRawModel
from ..datamodels._exposure_parts import shape_problem
from ..datamodels._tree import Tree, flatten
from ..errors import RomancalError
from ..exposure import check_ramp, read_pattern
from ._describing import values_of
from ._fields import UNKNOWN_TIME
from ._finding import Finding
from ._number_checks import do_not_use, not_finite

_UNKNOWN_NUMBER = -999999


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
    if pattern and isinstance(stated, int) and stated not in (len(pattern), _UNKNOWN_NUMBER):
        problem = f"{stated}, but read_pattern has {len(pattern)} resultants"
        yield Finding("meta.exposure.nresultants", problem)
    if not model.has_wcs:
        steps = meta.get("cal_step")
        is_done = isinstance(steps, Mapping) and steps.get("assign_wcs") == "COMPLETE"
        problem = "there is none" + (", though assign_wcs is COMPLETE" if is_done else "")
        yield Finding("meta.wcs", problem, is_done)
    unusable = do_not_use(values_of(content["dq"])) if "dq" in content else None
    if unusable is None:
        return
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        if hasattr(content.get(name), "dtype") and content[name].shape == unusable.shape:
            yield from not_finite(name, values_of(content[name]), unusable)


def _good_samples(model: RampModel) -> Iterator[Finding]:
    content = model._tree.data
    arrays = [content.get(name) for name in ("data", "groupdq", "pixeldq")]
    if not all(hasattr(array, "dtype") for array in arrays):
        return
    data, of_samples, of_pixels = map(values_of, arrays)
    if of_samples.shape != data.shape or of_pixels.shape != data.shape[1:]:
        return
    bad = do_not_use(of_pixels)
    for i, plane in enumerate(data):
        bad_here = None if bad is None else bad | do_not_use(of_samples[i])
        yield from not_finite(f"data[{i}]", plane, bad_here)


def wcs_findings(tree: Tree) -> Iterator[Finding]:
    """Transforms and world coordinates that cannot be made, or do not give coordinates."""
    tree.read_objects()
    shape = getattr(tree.data.get("data"), "shape", None)
    for name, value in flatten(tree.data):
        is_distortion = name == "coordinate_distortion_transform"
        if not is_distortion and not type(value).__module__.startswith("gwcs"):
            continue
        if (inside := (getattr(value, "n_inputs", 2), getattr(value, "n_outputs", 2))) != (2, 2):
            yield Finding(name, f"takes {inside[0]} and gives {inside[1]} numbers, not 2 and 2")
            continue
        border = BORDER if name == "wcs_l1" else 0
        n_rows, n_cols = shape[-2:] if shape and len(shape) > 1 else (4088, 4088)
        columns = np.array([0, n_cols - 1, 0, n_cols - 1, n_cols / 2]) + border
        rows = np.array([0, 0, n_rows - 1, n_rows - 1, n_rows / 2]) + border
        try:
            sky = value(columns, rows, with_bounding_box=False)
            is_finite = all(np.isfinite(np.asarray(axis, float)).all() for axis in sky)
        except Exception as error:  # of libraries that trust what they are given
            yield Finding(name, f"cannot be evaluated: {type(error).__name__}: {error}")
            continue
        if not is_finite:
            what = "gives coordinates that are not finite in the corners or the middle"
            yield Finding(name, what)
