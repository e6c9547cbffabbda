"""What the pipelines and steps of this package are called, and their products.

All of it follows from the classes: from ``class_alias``, ``other_aliases``, ``default_suffix`` and
``other_suffixes``. They are imported when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .importing import import_object

if TYPE_CHECKING:
    from .step import Step

#: The class paths of the pipelines; the steps are what their ``step_defs`` name.
PIPELINES = ("romancal_rs.pipeline.ExposurePipeline",)

#: First parts of class paths of the mission's own package, read as ours.
OTHER_PACKAGES = ("romancal", "calroman")


@cache
def classes() -> dict[str, type[Step]]:
    """The pipelines and their steps, by class path."""
    found: dict[str, type[Step]] = {}
    for path in PIPELINES:
        pipeline: Any = import_object(path)
        found[path] = pipeline
        for step_class in pipeline.step_defs.values():
            found[f"{step_class.__module__}.{step_class.__qualname__}"] = step_class
    return found


@cache
def aliases() -> dict[str, str]:
    """The class path of each alias."""
    return {
        alias: path
        for path, step_class in classes().items()
        for alias in (step_class.class_alias, *step_class.other_aliases)
        if alias is not None
    }


@cache
def suffixes() -> tuple[str, ...]:
    """What the names of products end with, today's and those of 2022; the longest first."""
    found = {
        suffix
        for step_class in classes().values()
        for suffix in (
            step_class.default_suffix,
            *step_class.other_suffixes,
            *(values.get("default_suffix") for values in _by_recipe(step_class).values()),
        )
        if suffix is not None
    }
    return tuple(sorted(found, key=lambda suffix: (-len(suffix), suffix)))


def _by_recipe(step_class: type[Step]) -> Mapping[str, Mapping[str, Any]]:
    return getattr(step_class, "by_recipe", {})


@cache
def steps_by_entry() -> dict[str, type[Step]]:
    """The class of each step by its entry in ``meta.cal_step``."""
    return {
        entry: step_class
        for step_class in classes().values()
        if (entry := getattr(step_class, "cal_step_name", ""))
    }


def canonical_path(name: str) -> str:
    """The class path that a name means: an alias, or a path in files of 2022 or of today.

    >>> canonical_path("romancal.jump.jump_step.JumpStep")
    'romancal_rs.jump.JumpStep'
    >>> canonical_path("romancal.step.RampFitStep")
    'romancal_rs.ramp_fitting.RampFitStep'
    >>> canonical_path("stpipe.subproc.SystemCall")
    'romancal_rs.stpipe.SystemCall'
    """
    if "." not in name:
        return aliases().get(name, name)
    package, *middle, class_name = name.split(".")
    if package in OTHER_PACKAGES and middle == ["step"]:  # today all steps are there
        by_name = {path.rpartition(".")[2]: path for path in classes()}
        return by_name.get(class_name, name)
    if package in OTHER_PACKAGES and middle:
        return f"romancal_rs.{middle[0]}.{class_name}"
    if package == "stpipe":
        return f"romancal_rs.stpipe.{class_name}"
    return name
