"""What the mission's own package has and this one lacks: steps, and parameters of steps.

Parameter files that were written for it are understood: they may skip such a step, and messages say
where a name comes from.
"""

from __future__ import annotations

#: The version, if no other is named.
TODAY = "romancal 1.1"

#: Steps by their names, with their classes.
STEPS = {
    "source_catalog": "SourceCatalogStep",
    "tweakreg": "TweakRegStep",
    "flux": "FluxStep",
    "skymatch": "SkyMatchStep",
    "outlier_detection": "OutlierDetectionStep",
    "resample": "ResampleStep",
    "multiband_catalog": "MultibandCatalogStep",
}
#: Pipelines likewise.
PIPELINES = {"roman_mos": "MosaicPipeline"}

#: The message about a step that is one of them.
ABSENCE = f"is a step of {TODAY} that is not in this package, and may only be skipped: skip = true"

_OF_SNOWBALLS = (
    "expand_large_events",
    "min_sat_area",
    "min_jump_area",
    "expand_factor",
    "sat_required_snowball",
)

#: Parameters by class, of the last version that has the class.
_PARAMETERS = {
    "ExposurePipeline": (TODAY, ("on_disk",)),
    "JumpStep": ("romancal 0.12", (*_OF_SNOWBALLS, "use_ellipses")),
    "RampFitStep": (TODAY, ("threshold_constant", "threshold_intercept")),
    "RomanStep": (TODAY, ("update_version",)),
}

#: Of parameters of today's package, the values that change nothing: the files that it exports list
#: all parameters, these among them.
_WITHOUT_EFFECT = {
    "on_disk": False,
    "update_version": False,
    "threshold_constant": None,
    "threshold_intercept": None,
}

#: Messages about values of parameters, by parameter and value.
_VALUES = {
    ("algorithm", "ols_cas22"): (
        f"that fit of {TODAY} is not in this package; its default is likely, that of this one gls"
    ),
}


def told_of_value(parameter: str, value: object) -> str:
    """What is to be said of a value that the mission's own package knows; empty if nothing is."""
    return _VALUES.get((parameter, str(value)), "")


def step_of_class(class_path: str) -> str | None:
    """The name of a step by its class path, if it is one of `STEPS`."""
    wanted = class_path.rpartition(".")[2]
    return next((name for name, cls in STEPS.items() if cls == wanted), None)


def version_with(step_class: type, parameter: str) -> str | None:
    """The version whose step of that class, or of a base of it, has a parameter."""
    for base in step_class.__mro__:
        version, names = _PARAMETERS.get(base.__name__, ("", ()))
        if parameter in names:
            return version
    return None


def changes_nothing(step_class: type, parameter: str, value: object) -> bool:
    """Whether today's package has that parameter, and that value of it changes nothing there."""
    if version_with(step_class, parameter) != TODAY or parameter not in _WITHOUT_EFFECT:
        return False
    # A file in ConfigObj's form has texts.
    return str(value).capitalize() == str(_WITHOUT_EFFECT[parameter])
