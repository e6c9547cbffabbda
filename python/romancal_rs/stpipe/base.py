"""What a step is before it runs: parameters, a name, and a place in a pipeline.

What makes, configures and records steps knows them as this, and nothing of how they run.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Collection, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import nearest
from . import _outline, calls, elsewhere, runlog
from .parameters import (
    REQUIRED,
    ParameterError,
    ParameterSpec,
    Section,
    Setting,
    UnknownParameterError,
)

if TYPE_CHECKING:
    from .step import Step


class _StepType(type):
    """Reads a class's spec once, and closes an instance to misspelt attributes once it is made."""

    parameters: ParameterSpec
    #: Other defaults for the steps of a pipeline: its spec has them under [steps] [[name]].
    step_defaults: dict[str, ParameterSpec]
    step_defs: Mapping[str, type[Step]]

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        cls.parameters = ParameterSpec.of_class(cls)
        cls.step_defaults = cls.parameters.sections.pop("steps", ParameterSpec()).sections
        for step in cls.step_defaults:
            if step not in cls.step_defs:
                raise ParameterError(
                    f"{name}: spec of [steps]: no step {step!r}{nearest(step, cls.step_defs)}"
                )
        if (text := namespace.get("__doc__")) is not None:
            cls.__doc__ = _outline.docstring(cls, text)  # type: ignore[arg-type]

    @property
    def __signature__(cls) -> inspect.Signature:
        return _outline.signature(cls, REQUIRED)  # type: ignore[arg-type]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        step = super().__call__(*args, **kwargs)
        step._made = True
        return step


class StepBase(metaclass=_StepType):
    """The parameters of a step, which its class declares in ``spec``. Steps derive from `Step`."""

    #: Short name of the class on the command line.
    class_alias: ClassVar[str | None] = None
    #: Further names on the command line, and in the pipelines that have the step.
    other_aliases: ClassVar[tuple[str, ...]] = ()
    #: Suffix of the names of its products, if the parameter ``suffix`` is not given.
    default_suffix: str | None = None
    #: Other suffixes that input names may have: the suffix of the product replaces them.
    other_suffixes: ClassVar[tuple[str, ...]] = ()
    reference_file_types: ClassVar[list[str]] = []

    #: The steps that a pipeline is made of; other steps have none.
    step_defs: ClassVar[Mapping[str, type[Step]]] = {}
    #: Other names of the steps.
    step_aliases: ClassVar[Mapping[str, str]] = {}
    #: Steps of other software: parameter files may name them only to skip them.
    absent_steps: ClassVar[Collection[str]] = ()

    #: Whether it is a shell command: as a hook it gets its inputs one after the other.
    is_command: ClassVar[bool] = False

    #: The parameter reference that skips the step; None if the user does, or nobody.
    skipped_by: str | None = None

    _made = False

    def __init__(
        self,
        name: str | None = None,
        parent: Step | None = None,
        config_file: str | os.PathLike[str] | None = None,
        **parameters: object,
    ) -> None:
        self.name = name or type(self).__name__
        self._parent = parent
        self.config_file = None if config_file is None else os.fspath(config_file)
        for key, parameter in self.parameters.items():
            if parameter.default is not REQUIRED:
                self.__dict__[key] = copy(parameter.default)  # no two steps share a list
        for key, section in self.parameters.sections.items():
            self.__dict__[key] = Section(section, f"{self.name}.{key}")
        self.set_parameters(parameters)

    # --- parameters

    def set_parameters(self, values: Mapping[str, object]) -> None:
        """Set several parameters.

        Parameters
        ----------
        values : dict
            Values by name.

        Raises
        ------
        ParameterError
            If the spec forbids a value.
        UnknownParameterError
            If there is no such parameter; the message names the nearest.
        """
        for key, value in values.items():
            if key not in self.parameters and key not in self.parameters.sections:
                raise self.unknown_parameter(key, value)
            setattr(self, key, value)

    def unknown_parameter(self, name: str, value: object = None) -> UnknownParameterError:
        """The error for a value of a parameter that the step does not have.

        Parameters
        ----------
        name : str
            The unknown name.
        value : object, optional
            The value; the message says where it comes from, if that is known.

        Returns
        -------
        UnknownParameterError
        """
        return self.parameters.unknown(
            name,
            self.name,
            tuple(self.__dict__),
            origin=value.origin if isinstance(value, Setting) else "",
            version=elsewhere.version_with(type(self), name),
        )

    def __setattr__(self, name: str, value: Any) -> None:
        parameter = self.parameters.get(name)
        if parameter is not None:
            value = parameter.validate(value, self.name)
        elif name in self.parameters.sections:
            self.__dict__[name].set_all(value)
            return
        elif self._is_closed_to(name):
            raise self.unknown_parameter(name)
        if name == "skip":
            self.__dict__.pop("skipped_by", None)  # the user's word from now on
        super().__setattr__(name, value)

    def _is_closed_to(self, name: str) -> bool:
        """A step's own code may set what it likes; from outside it is most likely a typo."""
        if not self._made or name.startswith("_") or calls.call_of(self) is not None:
            return False
        return name not in self.__dict__ and not hasattr(type(self), name)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).parameters:
            raise ParameterError(
                f"{self.__dict__.get('name', type(self).__name__)}: {name} has no default: set it"
            )
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r}"
            f"{nearest(name, [*type(self).parameters, *self.__dict__])}"
        )

    def __repr__(self) -> str:
        return _outline.step_as_text(self)

    def _repr_html_(self) -> str:
        return _outline.step_as_html(self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.parameters, *self.step_aliases]

    def get_pars(self) -> dict[str, Any]:
        """All parameters with their values; parameters without a value are left out.

        Returns
        -------
        dict of str to object
            Values by name.
        """
        names = [*self.parameters, *self.parameters.sections]
        return {name: self.__dict__[name] for name in names if name in self.__dict__}

    # --- its place

    @property
    def parent(self) -> Step | None:
        """The pipeline that the step is part of; of a hook that runs, the step around it."""
        call = calls.call_of(self)
        if call is not None and call.host is not None:
            return call.host
        return self.__dict__.get("_parent")

    @property
    def log(self) -> logging.Logger:
        """The step's logger."""
        return runlog.step_logger(self.qualified_name)

    @property
    def qualified_name(self) -> str:
        """Name of the step's logger: ``stpipe.<pipeline>.<step>``."""
        parent = runlog.LOGGER_NAME if self.parent is None else self.parent.qualified_name
        return f"{parent}.{self.name}"

    @property
    def root(self) -> StepBase:
        """The outermost pipeline that the step is part of, or the step itself."""
        return self if self.parent is None else self.parent.root

    def search_attr(self, name: str) -> Any:
        """The first value that is not None, of the step or of the pipelines around it.

        Parameters
        ----------
        name : str
            Name of the attribute.

        Returns
        -------
        object
            None if all of them are.
        """
        value = getattr(self, name, None)
        if value is None and self.parent is not None:
            return self.parent.search_attr(name)
        return value

    @classmethod
    def is_absent(cls, name: str) -> bool:
        """Whether a name is that of a step of other software, which can only be skipped.

        Parameters
        ----------
        name : str
            Name of a step.

        Returns
        -------
        bool
        """
        return name in cls.absent_steps and name not in cls.step_defs

    def substeps(self) -> list[Step]:
        """The steps of a pipeline, in the order of ``step_defs``.

        Returns
        -------
        list of Step
        """
        return [self.__dict__[name] for name in self.step_defs]
