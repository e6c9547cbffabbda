"""What the pipelines and steps are called on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import nearest
from . import elsewhere
from .parameters import ParameterError

if TYPE_CHECKING:
    from .step import Step

#: Alias: class path. A test holds the two together.
ALIASES = {
    "roman_elp": "romancal_rs.pipeline.ExposurePipeline",
    "exposure_pipeline": "romancal_rs.pipeline.ExposurePipeline",
    "dq_init": "romancal_rs.dq_init.DQInitStep",
    "saturation": "romancal_rs.saturation.SaturationStep",
    "linearity": "romancal_rs.linearity.LinearityStep",
    "dark_current": "romancal_rs.dark_current.DarkCurrentStep",
    "dark": "romancal_rs.dark_current.DarkCurrentStep",
    "jump": "romancal_rs.jump.JumpStep",
    "rampfit": "romancal_rs.ramp_fitting.RampFitStep",
    "ramp_fit": "romancal_rs.ramp_fitting.RampFitStep",
    "assign_wcs": "romancal_rs.assign_wcs.AssignWcsStep",
    "flatfield": "romancal_rs.flatfield.FlatFieldStep",
    "flat_field": "romancal_rs.flatfield.FlatFieldStep",
    "photom": "romancal_rs.photom.PhotomStep",
}

#: First parts of class paths of the mission's own package, read as ours.
_OTHER_PACKAGES = ("romancal", "calroman")


def canonical_path(name: str) -> str:
    """The class path that a name means: an alias, or a path in files of 2022 or of today.

    >>> canonical_path("romancal.jump.jump_step.JumpStep")
    'romancal_rs.jump.JumpStep'
    >>> canonical_path("romancal.step.RampFitStep")
    'romancal_rs.ramp_fitting.RampFitStep'
    >>> canonical_path("stpipe.subproc.SystemCall")
    'romancal_rs.stpipe.SystemCall'
    """
    path = ALIASES.get(name, name)
    if "." not in path:
        return path
    package, *middle, class_name = path.split(".")
    if package in _OTHER_PACKAGES and middle == ["step"]:  # today all steps are there
        classes = {known.rpartition(".")[2]: known for known in ALIASES.values()}
        return classes.get(class_name, path)
    if package in _OTHER_PACKAGES and middle:
        return f"romancal_rs.{middle[0]}.{class_name}"
    if package == "stpipe":
        return f"romancal_rs.stpipe.{class_name}"
    return path


def find_class(name: str, directory: str | None = None) -> type[Step]:
    """The step or pipeline class of an alias or a class path.

    Parameters
    ----------
    name : str
        ``jump``, ``romancal_rs.jump.JumpStep``, or a path of the mission's own package such as
        ``romancal.jump.jump_step.JumpStep``, ``calroman.jump.JumpStep`` or
        ``romancal.step.RampFitStep``.
    directory : str, optional
        Where a parameter file lies that names the class: modules beside it are found too.

    Raises
    ------
    ParameterError
        If there is no such class, or it is no step.
    """
    from .importing import import_object
    from .step import Step

    path = canonical_path(name)
    package, _, rest = name.partition(".")
    absent = {**elsewhere.STEPS, **elsewhere.PIPELINES}
    class_name = rest.rpartition(".")[2]
    if name in absent or (package in _OTHER_PACKAGES and class_name in absent.values()):
        raise ParameterError(f"{name} is of {elsewhere.TODAY}, and not in this package")
    if package in _OTHER_PACKAGES and path == name:
        known = {path.rpartition(".")[2] for path in ALIASES.values()}
        raise ParameterError(
            f"{name}: this package has no such class"
            + (nearest(class_name, sorted(known)) or f"; it has {', '.join(sorted(known))}")
        )
    if "." not in path:
        raise ParameterError(
            f"there is no pipeline or step called {name!r}{nearest(name, list(ALIASES))}; "
            f"there are {', '.join(ALIASES)}, and class paths"
        )
    found = import_object(path, directory)
    if not (isinstance(found, type) and issubclass(found, Step)):
        raise ParameterError(f"{name} is no step or pipeline")
    return found
