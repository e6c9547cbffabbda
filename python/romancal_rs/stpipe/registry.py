"""What the pipelines and steps are called on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import nearest
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
    "jump": "romancal_rs.jump.JumpStep",
    "rampfit": "romancal_rs.ramp_fitting.RampFitStep",
    "ramp_fit": "romancal_rs.ramp_fitting.RampFitStep",
    "assign_wcs": "romancal_rs.assign_wcs.AssignWcsStep",
    "flatfield": "romancal_rs.flatfield.FlatFieldStep",
    "photom": "romancal_rs.photom.PhotomStep",
}

#: First parts of class paths of the system of 2022, read as ours.
_OLD_PACKAGES = ("romancal", "calroman")


def canonical_path(name: str) -> str:
    """The class path that a name means: an alias, or a path in files of 2022.

    >>> canonical_path("romancal.jump.jump_step.JumpStep")
    'romancal_rs.jump.JumpStep'
    >>> canonical_path("stpipe.subproc.SystemCall")
    'romancal_rs.stpipe.SystemCall'
    """
    path = ALIASES.get(name, name)
    if "." not in path:
        return path
    package, *middle, class_name = path.split(".")
    if package in _OLD_PACKAGES and middle:
        return f"romancal_rs.{middle[0]}.{class_name}"
    if package == "stpipe":
        return f"romancal_rs.stpipe.{class_name}"
    return path


def find_class(name: str, directory: str | None = None) -> type[Step]:
    """The step or pipeline class of an alias or a class path.

    Parameters
    ----------
    name : str
        ``jump``, ``romancal_rs.jump.JumpStep``, or a path in files of 2022 such as
        ``romancal.jump.jump_step.JumpStep`` or ``calroman.jump.JumpStep``.
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
    if "." not in path:
        raise ParameterError(
            f"there is no pipeline or step called {name!r}{nearest(name, list(ALIASES))}; "
            f"there are {', '.join(ALIASES)}, and class paths"
        )
    found = import_object(path, directory)
    if not (isinstance(found, type) and issubclass(found, Step)):
        raise ParameterError(f"{name} is no step or pipeline")
    return found
