"""The parameters of a step: their types, defaults, limits and help texts.

A step declares them in its ``spec`` string, in ConfigObj's configspec syntax::

    rejection_threshold = float(default=4.0, min=0)  # CR sigma rejection threshold

The specs of a class and its bases are merged, the most derived winning. The comment is the help.
What a parameter is for, its `Role`, follows from its type; a last ``role=saving`` and the like says
it where the type does not::

    save_results = boolean(default=False, role=saving)  # Save the result

A comment that begins with ``#!`` has the parameter in the help of its step that is shown at first,
one with ``#!!`` in that of a pipeline as well. The whole help has them all.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, ClassVar

from configobj import ConfigObj
from configobj.validate import ValidateError

from .. import _html
from .._exit_status import ExitStatus
from .._files import local_path
from ..errors import InputError, RomancalError, nearest
from . import _outline, elsewhere
from .checks import PATH_TYPES, VALIDATOR, expected, shown_type, words_of, wrong


class Role(Enum):
    """What a parameter is for: checkpoints and the records of runs go by it."""

    VALUE = "value"
    """The result follows from it, as from any parameter that says nothing else."""
    INPUT = "input"
    """A file, from whose content the result follows."""
    REFERENCE = "reference"
    """A reference file, or the model of one."""
    STORE = "store"
    """Where references are looked for; the result follows from those that are found."""
    PLACE = "place"
    """Where a run finds its input, and puts what it keeps."""
    SAVING = "saving"
    """Whether results are saved, what they are called, and how they are stored."""
    PRODUCT = "product"
    """A file that the step writes besides its result."""
    SPEED = "speed"
    """How fast the result comes, which is the same to the bit."""
    HOOKS = "hooks"
    """Code that runs before or after the step."""


_ROLES_OF_TYPES = {
    "input_file": Role.INPUT,
    "reference": Role.REFERENCE,
    "references": Role.STORE,
    "output_file": Role.PRODUCT,
    "cores": Role.SPEED,
    "hooks": Role.HOOKS,
}
_ROLE = re.compile(r",?\s*role\s*=\s*'?(\w+)'?\s*\)$")
#: A value with more characters is not written out in a message.
_LONGEST_VALUE = 200


class Shown(IntEnum):
    """Where help names a parameter at first: what its comment begins with, after the ``#``."""

    NOWHERE = 0
    STEP = 1
    """In the help of its step."""
    PIPELINE = 2
    """In that of a pipeline with the step, too."""


#: What every step has already, under names that a spec cannot use.
RESERVED = frozenset(("name", "parent", "config_file", "log", "parameters"))


class _Required:
    """There is one, also after it was pickled or copied."""

    def __reduce__(self) -> str:
        return "REQUIRED"


#: The default of a parameter that has none: it must be given before the step runs.
REQUIRED = _Required()


class ParameterError(RomancalError, ValueError):
    """A parameter was given a value that its spec forbids."""

    exit_status: ClassVar[int] = ExitStatus.WRONG_USAGE


class UnknownParameterError(ParameterError, AttributeError):
    """A parameter, or an attribute, of that name does not exist."""


@dataclass(frozen=True)
class Setting:
    """A value for a parameter, and where it was given, for the message if it is wrong."""

    value: Any
    origin: str


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, its configspec check such as ``float(min=0)``, its help and role."""

    name: str
    check: str
    help: str
    default: Any
    role: Role = Role.VALUE
    shown: Shown = Shown.NOWHERE

    @property
    def type_name(self) -> str:
        return self.check.partition("(")[0].strip()

    @property
    def shown_type(self) -> str:
        """What a help text calls its values: the words that it may be, or their kind."""
        return shown_type(self.check)

    @property
    def words(self) -> tuple[str, ...]:
        """The words that it may be; none where it may be anything of its type."""
        return words_of(self.check)

    @property
    def is_path(self) -> bool:
        """Whether a relative value is meant relative to the file that holds it."""
        return self.type_name in PATH_TYPES

    def located(self, value: Any, directory: str | None = None) -> Any:
        """A path as it is meant; any other value as it is.

        Parameters
        ----------
        value : object
            In a path, ``~`` and ``$VARIABLES`` are expanded.
        directory : str, optional
            What a relative path is relative to.

        Raises
        ------
        InputError
            If it is a URL.
        """
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if not self.is_path or not isinstance(value, str) or value in ("", "N/A"):
            return value
        return os.path.join(directory or "", local_path(value))

    def validate(self, value: Any, owner: str) -> Any:
        """The value as the spec wants it.

        Parameters
        ----------
        value : object
            A Python value, or the string that a command line or a file holds for it; or a
            `Setting`, which also knows where it was given.
        owner : str
            Whose parameter it is, for the message.

        Raises
        ------
        ParameterError
            If the spec forbids the value.
        """
        origin = ""
        if isinstance(value, Setting):
            value, origin = value.value, f" ({value.origin})"
        is_text = isinstance(value, str)
        empty = value is None or (is_text and (value == "None" or (self.is_path and value == "")))
        if empty and self.default is None:
            return None
        if value is None:
            raise ParameterError(
                f"{owner}: {self.name}{origin} needs a value: {expected(self.check)}"
            )
        if type(value).__module__ == "numpy" and hasattr(value, "item") and not value.shape:
            value = value.item()
        try:
            return VALIDATOR.check(self.check, self._as_list(self.located(value)))
        except (ValidateError, InputError) as error:
            reason = wrong(error, self.check)
            if hint := elsewhere.told_of_value(self.name, value):
                reason += f" ({hint})"
            raise ParameterError(
                f"{owner}: {self.name} = {_told(value)}{origin}: {reason}"
            ) from None

    def _as_list(self, value: Any) -> Any:
        """A list written as one string, as on a command line: ``1, 2, 3``."""
        if self.type_name.endswith("list") and isinstance(value, str):
            return [item.strip() for item in value.strip("[] ").split(",") if item.strip()]
        return value


def _told(value: Any) -> str:
    """A value in a message: what it is where it is long, as an array is."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"a value of type {type(value).__name__}"


class ParameterSpec(Mapping[str, Parameter]):
    """All parameters of a class, in the order in which its bases declare them.

    Attributes
    ----------
    sections : dict of str to ParameterSpec
        Groups of parameters, written in the spec under ``[name]``.
    """

    def __init__(
        self,
        parameters: Mapping[str, Parameter] | None = None,
        sections: Mapping[str, ParameterSpec] | None = None,
    ) -> None:
        self._parameters = dict(parameters or {})
        self.sections = dict(sections or {})

    @classmethod
    def of_class(cls, step_class: type) -> ParameterSpec:
        """Merges the ``spec`` strings of a step class and its bases.

        A class without one may have it in a file beside its module, ``<module>.spec``. Each
        reference type that the class uses adds an ``override_<type>``.
        """
        merged = cls()
        for base in reversed(step_class.__mro__):
            text = base.__dict__.get("spec") or _spec_file_text(base)
            if text:
                merged.update(_parse(text, base.__name__))
        for name in RESERVED.intersection(merged):
            raise ParameterError(
                f"{step_class.__name__}: {name!r} cannot be a parameter: every step has an "
                "attribute of that name; choose another"
            )
        for reftype in reference_types(step_class):
            name = f"override_{reftype}"
            merged._parameters[name] = Parameter(
                name,
                "reference(default=None)",
                f"Use this file (or model) as {reftype.upper()}, or N/A",
                None,
                Role.REFERENCE,
            )
        return merged

    def update(self, other: ParameterSpec) -> None:
        """Takes over the parameters of another spec, which win.

        One that is declared again, for another default, keeps its marks if no others are given.
        """
        for name, parameter in other.items():
            if name in self and parameter.role is Role.VALUE:
                parameter = replace(parameter, role=self[name].role)
            if name in self and parameter.shown is Shown.NOWHERE:
                parameter = replace(parameter, shown=self[name].shown)
            self._parameters[name] = parameter
        for name, section in other.sections.items():
            self.sections.setdefault(name, ParameterSpec()).update(section)

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __repr__(self) -> str:
        return _outline.spec_as_text(self)

    def _repr_html_(self) -> str:
        return _html.block(_html.table(_outline.spec_rows(self), _outline.HEAD))

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def unknown(
        self,
        name: str,
        owner: str,
        others: Iterable[str] = (),
        origin: str = "",
        version: str | None = None,
    ) -> UnknownParameterError:
        """The error for a name that is neither a parameter nor one of `others`.

        `origin` is where the name was given, `version` the other software that knows it.
        """
        where = f" ({origin})" if origin else ""
        hint = nearest(name, [*self, *self.sections, *others])
        if version is not None:
            hint = f": it is one of {version}, and has no meaning here; leave it out"
            if origin:
                hint += (
                    " (in a file that a reference store chooses it is ignored, and "
                    "--disable-crds-steppars turns such files off)"
                )
        return UnknownParameterError(f"{owner} has no parameter {name!r}{where}{hint}")


class Section(dict[str, Any]):
    """The values of a section's parameters: a dict, whose items are attributes as well.

    Every value is checked when it is set.
    """

    def __init__(self, spec: ParameterSpec, owner: str) -> None:
        super().__init__()
        self.__dict__["_spec"] = spec
        self.__dict__["_owner"] = owner
        for name, parameter in spec.items():
            if parameter.default is not REQUIRED:
                super().__setitem__(name, copy(parameter.default))
        for name, section in spec.sections.items():
            super().__setitem__(name, Section(section, f"{owner}.{name}"))

    def __reduce__(self) -> tuple[Any, ...]:
        # As it is of a dict, its items would be set before there is what checks them.
        return _section, (self.__dict__["_spec"], self.__dict__["_owner"], dict(self))

    def __setitem__(self, name: str, value: Any) -> None:
        spec: ParameterSpec = self.__dict__["_spec"]
        owner: str = self.__dict__["_owner"]
        if name in spec.sections:
            self[name].set_all(value)
        elif name in spec:
            super().__setitem__(name, spec[name].validate(value, owner))
        else:
            origin = value.origin if isinstance(value, Setting) else ""
            raise spec.unknown(name, owner, origin=origin)

    def update(self, *args: Any, **values: Any) -> None:
        self.set_all(dict(*args, **values))

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def set_all(self, values: Mapping[str, Any]) -> None:
        """Sets several values."""
        if not isinstance(values, Mapping):
            raise ParameterError(
                f"{self.__dict__['_owner']} is a section: give a dictionary, not {values!r}"
            )
        for name, value in values.items():
            self[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            spec: ParameterSpec = self.__dict__["_spec"]
            raise spec.unknown(name, self.__dict__["_owner"]) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def _section(spec: ParameterSpec, owner: str, values: dict[str, Any]) -> Section:
    """A section with values that were checked before."""
    section = Section(spec, owner)
    dict.update(section, values)
    return section


def reference_types(step_class: type) -> list[str]:
    """The reference types of a step, or of all steps of a pipeline."""
    own = list(getattr(step_class, "reference_file_types", ()))
    for sub_class in getattr(step_class, "step_defs", {}).values():
        own += reference_types(sub_class)
    return list(dict.fromkeys(own))


def _spec_file_text(step_class: type) -> str:
    """The text of ``<module>.spec``, for a class that has no spec string."""
    module_file = getattr(sys.modules.get(step_class.__module__), "__file__", None)
    if module_file is None or "spec" in step_class.__dict__ or step_class is object:
        return ""
    path = Path(module_file).with_suffix(".spec")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _parse(text: str, owner: str) -> ParameterSpec:
    config = ConfigObj(
        text.splitlines(), _inspec=True, interpolation=False, list_values=False, raise_errors=True
    )
    return _parse_section(config, owner)


def _parse_section(section: Mapping[str, Any], owner: str) -> ParameterSpec:
    parameters, sections = {}, {}
    for name, line in section.items():
        if isinstance(line, Mapping):
            sections[name] = _parse_section(line, f"{owner}.{name}")
            continue
        check, comment = _split_comment(line)
        help_text = comment.lstrip("!")
        shown = Shown(min(len(comment) - len(help_text), max(Shown)))
        try:
            check, role = _split_role(check)
            default = VALIDATOR.get_default_value(check)
        except KeyError:
            default = REQUIRED
        except ValidateError as error:
            raise ParameterError(f"{owner}: spec of {name}: {check}: {error}") from error
        parameters[name] = Parameter(name, check, help_text.strip(), default, role, shown)
    return ParameterSpec(parameters, sections)


def _split_role(check: str) -> tuple[str, Role]:
    """Takes the role off a check, or finds it by the type."""
    given = _ROLE.search(check)
    if given is None:
        return check, _ROLES_OF_TYPES.get(check.partition("(")[0].strip(), Role.VALUE)
    roles = {role.value: role for role in Role}
    if given[1] not in roles:
        raise ValidateError(f"role={given[1]}{nearest(given[1], roles)}: use {', '.join(roles)}")
    return check[: given.start()] + ")", roles[given[1]]


def _split_comment(line: str) -> tuple[str, str]:
    """Cuts a spec line at the first ``#`` outside quotes."""
    quote = ""
    for i, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#":
            return line[:i].strip(), line[i + 1 :].strip()
    return line.strip(), ""


def given_parameters(step: Any) -> list[str]:
    """The parameters of a step of a pipeline that have other values than their defaults."""
    parent = step.parent
    defaults = {} if parent is None else type(parent).step_defaults.get(step.name, {})
    return [
        name
        for name, parameter in step.parameters.items()
        if name in step.__dict__ and getattr(step, name) != defaults.get(name, parameter).default
    ]
