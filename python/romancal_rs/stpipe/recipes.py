"""Recipes: which list of steps an exposure goes through, and why.

``2022`` has the steps of the manual of 2022, in its order; ``flight`` those of today's exposures.
What of a step is otherwise in one of them, its class says (`RomanStep.by_recipe`). Where no
parameter says which it is, the exposure does, and this is the one place that asks it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..datamodels import DataModel

OF_2022 = "2022"
FLIGHT = "flight"
#: The value of the parameter with which the exposure decides.
AUTO = "auto"
RECIPES = (OF_2022, FLIGHT)

#: The steps that a recipe does not have, by their entry in ``meta.cal_step``.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    OF_2022: ("refpix", "dark_decay", "wfi18_transient"),
    FLIGHT: (),
}

#: The place under ``meta`` where a ramp or an image records its recipe.
MARK = "cal_recipe"


class Recipe(NamedTuple):
    """A recipe for an exposure.

    Attributes
    ----------
    name : str
        One of `RECIPES`.
    reason : str
        Why it is this one, in a few words.
    """

    name: str
    reason: str


def recipe_for(exposure: DataModel) -> Recipe:
    """The recipe that an exposure asks for.

    Parameters
    ----------
    exposure : ScienceRawModel, RampModel or ImageModel
        Ramps and images go on in the recipe that they were begun in. Any other exposure goes by the
        years of its file: up to 2024 by the recipe of 2022, as neither the steps nor the reference
        files of today were there.
    """
    from ..datamodels import RampModel

    begun = begun_in(exposure)
    if begun:
        return Recipe(begun, "its steps so far are of it")
    if exposure.era != "today":
        return Recipe(OF_2022, f"its file is of {exposure.era}")
    # What this package saved of such files before it knew of recipes is in today's structure.
    if exposure.meta.exposure.get("group_time") is not None:
        return Recipe(OF_2022, "it states a group_time, as files of 2022 do")
    cal_step = exposure.meta.get("cal_step") or {}
    if isinstance(exposure, RampModel) and cal_step.get("dark") == "COMPLETE":
        return Recipe(OF_2022, "its dark current is subtracted before the fit")
    return Recipe(FLIGHT, "its file is of today")


def begun_in(exposure: DataModel) -> str:
    """The recipe of the steps that made a ramp or an image; empty if it does not say."""
    from ..datamodels import ScienceRawModel

    if isinstance(exposure, ScienceRawModel):  # whose word on steps is not taken
        return ""
    begun = exposure.meta.get(MARK)
    return begun if begun in RECIPES else ""
