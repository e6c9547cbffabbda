"""The parameters of a step: their types, defaults, limits and help texts.

A step declares them in its ``spec`` string, in ConfigObj's configspec syntax::

    rejection_threshold = float(default=4.0, min=0)  # CR sigma rejection threshold

The specs of a class and its bases are merged, the most derived winning. The comment is the help.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configobj import ConfigObj, Section
from configobj.validate import ValidateError, Validator, VdtValueError, is_integer, is_option

from ..errors import RomancalError

#: The default of a parameter that has none: it must be given before the step runs.
REQUIRED = object()


class ParameterError(RomancalError, ValueError):
    """A parameter was given a value that its spec forbids."""


class UnknownParameterError(ParameterError, AttributeError):
    """A parameter, or an attribute, of that name does not exist."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, its configspec check such as ``float(min=0)``, and its help."""

    name: str
    check: str
    help: str
    default: Any

    @property
    def type_name(self) -> str:
        return self.check.partition("(")[0].strip()

    def validate(self, value: Any, owner: str) -> Any:
        """The value as the spec wants it.

        Parameters
        ----------
        value : object
            A Python value, or the string that a command line or a file holds for it.
        owner : str
            Whose parameter it is, for the message.

        Raises
        ------
        ParameterError
            If the spec forbids the value.
        """
        if value is None or (value == "None" and self.default is None):
            if self.default is None:
                return None
            raise ParameterError(f"{owner}: {self.name} needs a value: {self.check}")
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        elif type(value).__module__ == "numpy" and hasattr(value, "item") and not value.shape:
            value = value.item()
        try:
            return _VALIDATOR.check(self.check, value)
        except ValidateError as error:
            reason = str(error).rstrip(".")
            raise ParameterError(
                f"{owner}: {self.name} = {value!r}: {reason}; the parameter is {self.check}"
            ) from None


class ParameterSpec(Mapping[str, Parameter]):
    """All parameters of a class, in the order in which its bases declare them."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self._parameters = dict(parameters)

    @classmethod
    def of_class(cls, step_class: type) -> ParameterSpec:
        """Merges the ``spec`` strings of a step class and its bases.

        Each type in ``reference_file_types`` adds an ``override_<type>``.
        """
        parameters: dict[str, Parameter] = {}
        for base in reversed(step_class.__mro__):
            text = base.__dict__.get("spec")
            if text:
                parameters.update(_parse(text, base.__name__))
        for reftype in getattr(step_class, "reference_file_types", ()):
            name = f"override_{reftype}"
            parameters[name] = Parameter(
                name,
                "reference(default=None)",
                f"The {reftype.upper()} reference to use: a file, a model, or N/A to do without",
                None,
            )
        return cls(parameters)

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def unknown(self, name: str, owner: str, others: Iterator[str] | tuple[str, ...] = ()) -> Any:
        """The error for a name that is neither a parameter nor one of `others`."""
        return UnknownParameterError(
            f"{owner} has no parameter {name!r}{nearest(name, [*self, *others])}"
        )


def nearest(name: str, candidates: list[str]) -> str:
    """``; did you mean 'x'?``, or nothing where no candidate is near."""
    matches = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def _parse(text: str, owner: str) -> dict[str, Parameter]:
    config = ConfigObj(
        text.splitlines(), _inspec=True, interpolation=False, list_values=False, raise_errors=True
    )
    parameters = {}
    for name, line in config.items():
        if isinstance(line, Section):
            raise ParameterError(f"{owner}: spec section [{name}]: sections are not supported")
        check, help_text = _split_comment(line)
        try:
            default = _VALIDATOR.get_default_value(check)
        except KeyError:
            default = REQUIRED
        parameters[name] = Parameter(name, check, help_text, default)
    return parameters


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


def _is_input_file(value: Any) -> str:
    if not isinstance(value, str):
        raise VdtValueError(f"{value!r} is no path")
    if not Path(value).is_file():
        raise VdtValueError(f"there is no such file as {value!r}")
    return value


def _is_output_file(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise VdtValueError(f"{value!r} is no path")
    return value


def _is_reference(value: Any) -> Any:
    """A path, ``N/A``, or a data model (told by its ``meta``, so that none need be imported)."""
    if hasattr(value, "meta") or (isinstance(value, str) and value):
        return value
    raise VdtValueError(f"{value!r} is no path, data model or 'N/A'")


def _is_store(value: Any) -> Any:
    """A directory, or an opened reference store (told by its ``find``)."""
    if hasattr(value, "find") and not isinstance(value, str):
        return value
    return _is_output_file(value)


def _is_cores(value: Any) -> str | int:
    """``none``, ``quarter``, ``half``, ``all``, or a number of threads from 1."""
    text = str(value).strip().lower()
    if text.lstrip("+-").isdigit():
        return is_integer(text, min=1)
    return is_option(text, "none", "quarter", "half", "all")


_VALIDATOR = Validator(
    {
        "input_file": _is_input_file,
        "output_file": _is_output_file,
        "reference": _is_reference,
        "references": _is_store,
        "cores": _is_cores,
    }
)
