"""Finds the class of a pipeline or step by what it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..errors import nearest
from . import config, elsewhere, registry
from .base import StepBase
from .config import StepConfig
from .importing import import_object
from .parameters import ParameterError

if TYPE_CHECKING:
    from .step import Step


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
    path = registry.canonical_path(name)
    package, _, rest = name.partition(".")
    absent = {**elsewhere.STEPS, **elsewhere.PIPELINES}
    class_name = rest.rpartition(".")[2]
    if name in absent or (package in registry.OTHER_PACKAGES and class_name in absent.values()):
        raise ParameterError(f"{name} belongs to {elsewhere.TODAY}; this package does not have it")
    if package in registry.OTHER_PACKAGES and path == name:
        classes = sorted({path.rpartition(".")[2] for path in registry.aliases().values()})
        raise ParameterError(
            f"{name}: this package has no such class"
            + (nearest(class_name, classes) or f"; it has {', '.join(classes)}")
        )
    if "." not in path:
        known = list(registry.aliases())
        raise ParameterError(
            f"there is no pipeline or step called {name!r}"
            + (nearest(name, known) or f"; there are {', '.join(known)}, and class paths")
        )
    found = import_object(path, directory)
    if not (isinstance(found, type) and issubclass(found, StepBase)):
        raise ParameterError(f"{name} is neither a step nor a pipeline")
    return cast("type[Step]", found)


def find_target(name: str, default: str | None = None) -> tuple[type[Step], StepConfig]:
    """The class that an alias, a class path or a parameter file names, and what the file says.

    Parameters
    ----------
    name : str
        Of a file its local path.
    default : str, optional
        The class where a file names none.

    Raises
    ------
    ParameterError
        If there is no such class, or the file is no parameter file.
    OSError
        If the file cannot be read.
    """
    file = config.load(name) if config.is_parameter_file(name) else StepConfig()
    is_file = file.path is not None
    named = file.class_name or (default if is_file and default is not None else name)
    return find_class(named, file.directory), file
