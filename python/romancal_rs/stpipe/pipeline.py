"""A pipeline: a step that is made of steps."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from ..errors import nearest
from .elsewhere import ABSENCE
from .parameters import REQUIRED, ParameterError, ParameterSpec, Setting, UnknownParameterError
from .step import Step

if TYPE_CHECKING:
    from .checkpoint import Checkpoint


class Pipeline(Step):
    """Base class of all pipelines: subclasses give ``step_defs`` and ``process``.

    Each step of ``step_defs`` is an attribute of that name. ``process`` decides which steps run,
    and in which order.
    """

    spec = """
        checkpoint = directory(default=None, role=place)  #! Save what steps did here, to resume
    """

    def __init__(
        self, *args: Any, steps: Mapping[str, Mapping[str, object]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, step_class in self.step_defs.items():
            step = step_class(name=name, parent=self)
            self.__dict__[name] = step
            if name in type(self).step_defaults:
                step.set_parameters(_defaults(type(self).step_defaults[name]))
        self.set_parameters({"steps": steps or {}})

    def set_parameters(self, values: Mapping[str, object]) -> None:
        """Set several parameters; ``steps`` holds those of the steps.

        Parameters
        ----------
        values : dict
            Values by name.
        """
        values = dict(values)
        steps = values.pop("steps", None) or {}
        for name, parameters in _mapping(steps, f"{self.name}: steps").items():
            given = _mapping(parameters, f"{self.name}: steps[{name!r}]")
            if self.is_absent(name):
                self.check_skipped(name, given.get("skip"))
            else:
                self.step(name).set_parameters(given)
        super().set_parameters(values)

    def unknown_parameter(self, name: str, value: object = None) -> UnknownParameterError:
        """The error for a value of a parameter that the pipeline does not have.

        Parameters
        ----------
        name : str
            The unknown name; the message names the steps that have it.
        value : object, optional
            The value; the message says where it comes from, if that is known.

        Returns
        -------
        UnknownParameterError
        """
        error = super().unknown_parameter(name, value)
        steps = [step for step, of in self.step_defs.items() if name in of.parameters]
        if not steps:
            return error
        given = ", or ".join(f"steps={{'{step}': {{'{name}': ...}}}}" for step in steps)
        return UnknownParameterError(f"{error}; a parameter of a step is given as {given}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.step_defs or name in self.step_aliases:
            raise ParameterError(
                f"{self.name}: {name} is a step; set its parameters, such as {name}.skip = True"
            )
        super().__setattr__(name, value)

    def step(self, name: str) -> Step:
        """The step with a name, or with an alias of it.

        Parameters
        ----------
        name : str
            Name of the step.

        Returns
        -------
        Step

        Raises
        ------
        UnknownParameterError
            If the pipeline has no such step.
        """
        name = self.step_aliases.get(name, name)
        if self.is_absent(name):
            raise UnknownParameterError(self._absence(name))
        if name not in self.step_defs:
            raise UnknownParameterError(
                f"{self.name} has no step {name!r}{nearest(name, list(self.step_defs))}; "
                f"its steps are {', '.join(self.step_defs)}"
            )
        return self.__dict__[name]

    def check_skipped(self, name: str, skip: object) -> None:
        """Check that a step which this package does not have is skipped.

        Parameters
        ----------
        name : str
            Name of the step.
        skip : object
            The value of its parameter ``skip``.

        Raises
        ------
        ParameterError
            If it is not.
        """
        if skip is None or not self.parameters["skip"].validate(skip, name):
            origin = f" ({skip.origin})" if isinstance(skip, Setting) else ""
            raise ParameterError(f"{self._absence(name)}{origin}")

    def _absence(self, name: str) -> str:
        return f"{self.name}: {name} {ABSENCE}"

    def __getattr__(self, name: str) -> Any:
        if type(self).is_absent(name):
            return _AbsentStep(self, name)
        if name in type(self).step_aliases:
            return self.step(name)
        return super().__getattr__(name)

    def _open_checkpoint(self, args: tuple[Any, ...]) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        from .checkpoint import Checkpoint

        return Checkpoint(self.checkpoint, self, args)

    def __copy__(self) -> Pipeline:
        """A pipeline with the same parameters, and with its own steps."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        for name in self.step_defs:
            step = other.__dict__[name] = copy(self.step(name))
            step._parent = other
        return other

    def get_pars(self) -> dict[str, Any]:
        """All parameters with their values; ``steps`` holds those of the steps.

        Returns
        -------
        dict of str to object
        """
        return {
            **super().get_pars(),
            "steps": {name: self.step(name).get_pars() for name in self.step_defs},
        }


class _AbsentStep:
    """A step of other software, in its place in a pipeline: ``pipeline.tweakreg.skip = True``.

    It runs nowhere, so that ``skip`` is True; nothing else is there, and no other value fits.
    """

    skip = True

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self.__dict__.update(_pipeline=pipeline, _name=name)

    def __setattr__(self, name: str, value: object) -> None:
        self._pipeline.check_skipped(self._name, value if name == "skip" else None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnknownParameterError(self._pipeline._absence(self._name))

    def __repr__(self) -> str:
        return f"<step {self._name!r}, which is not in this package: skip=True>"


def _defaults(spec: ParameterSpec) -> dict[str, Any]:
    """The defaults that a pipeline's spec gives to the parameters of a step."""
    values = {name: p.default for name, p in spec.items() if p.default is not REQUIRED}
    return values | {name: _defaults(section) for name, section in spec.sections.items()}


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{what} must be a dictionary of parameters, not {value!r}")
    return value
