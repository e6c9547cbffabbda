"""Which steps of a pipeline run in a recipe, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..stpipe import FitStep
from ..stpipe.recipes import FLIGHT, OF_2022

if TYPE_CHECKING:
    from ..stpipe import Step
    from .exposure_pipeline import ExposurePipeline

#: The step that finds jumps where the fit does not.
JUMP = "jump"

#: The steps of `ExposurePipeline` in each recipe.
STEPS_BY_RECIPE: Mapping[str, tuple[str, ...]] = {
    OF_2022: (
        "dq_init",
        "saturation",
        "linearity",
        "dark_current",
        "jump",
        "rampfit",
        "assign_wcs",
        "flatfield",
        "photom",
    ),
    FLIGHT: (
        "dq_init",
        "saturation",
        "refpix",
        "dark_decay",
        "wfi18_transient",
        "linearity",
        "rampfit",
        "dark_current",
        "assign_wcs",
        "photom",
        "flatfield",
    ),
}


def in_recipe(pipeline: type[ExposurePipeline], recipe: str) -> list[str]:
    """The names of the steps that a pipeline runs in a recipe, in order.

    Parameters
    ----------
    pipeline : type
        Its ``step_defs`` may list the steps that recipes know as `ExposurePipeline` does: then they
        run in the order of the recipe, and each step that no recipe knows before the one that it
        is listed before. Any other order is the class's own, and is kept.
    recipe : str
    """
    of_recipe = pipeline.recipes[recipe]
    recipes = (*STEPS_BY_RECIPE.values(), *pipeline.recipes.values())
    known = {name for names in recipes for name in names}
    listed = [name for name in pipeline.step_defs if name in of_recipe or name not in known]
    if not _is_listed_as_usual(pipeline):
        return listed
    ordered = [name for name in of_recipe if name in listed]
    late = [set(_after_fit(pipeline, names)) for names in (listed, ordered)]
    crossing = {name for name in ordered if (name in late[0]) != (name in late[1])}
    for place, name in reversed([*enumerate(listed)]):
        if name not in of_recipe:
            # What is listed on one side of the fit stays there.
            later = (n for n in listed[place + 1 :] if n in ordered and n not in crossing)
            following = next(later, None)
            ordered.insert(len(ordered) if following is None else ordered.index(following), name)
    return ordered


def with_jumps_found_once(
    names: Sequence[str],
    step_defs: Mapping[str, type[Step]],
    finds_jumps: Callable[[str], bool],
) -> list[str]:
    """The same steps, with the jump step before the fit where, and only where, that finds none.

    Parameters
    ----------
    names : sequence of str
        Steps in the order of a recipe.
    step_defs : mapping of str to type
        The steps that the pipeline has.
    finds_jumps : callable
        Whether a step of that name is a fit which finds jumps itself.
    """
    if any(finds_jumps(name) for name in names):
        return [name for name in names if name != JUMP]
    fits = [i for i, name in enumerate(names) if issubclass(step_defs[name], FitStep)]
    if JUMP in names or JUMP not in step_defs or not fits:
        return list(names)
    return [*names[: fits[0]], JUMP, *names[fits[0] :]]


def _is_listed_as_usual(pipeline: type[ExposurePipeline]) -> bool:
    from .exposure_pipeline import ExposurePipeline

    usual = [name for name in ExposurePipeline.step_defs if name in pipeline.step_defs]
    return usual == [name for name in pipeline.step_defs if name in usual]


def _after_fit(pipeline: type[ExposurePipeline], names: list[str]) -> list[str]:
    """Those of the steps that come after the first fit."""
    fits = [i for i, name in enumerate(names) if issubclass(pipeline.step_defs[name], FitStep)]
    return names[fits[0] + 1 :] if fits else []
