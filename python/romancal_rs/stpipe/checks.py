"""The types that parameters have in a ``spec``: what is checked, and how it is told.

Some are those of ConfigObj, and some our own. Their errors are told in words of ours, as those of
ConfigObj ("the value is unacceptable") do not say what would be right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configobj.validate import (
    ValidateError,
    Validator,
    VdtTypeError,
    VdtValueError,
    VdtValueTooBigError,
    VdtValueTooLongError,
    VdtValueTooShortError,
    VdtValueTooSmallError,
    is_boolean,
    is_float,
    is_integer,
    is_option,
)

from ..errors import one_line

#: Types whose values are paths.
PATH_TYPES = ("input_file", "output_file", "directory", "reference", "references")

#: What values of a type are, for messages, and for the place of a value in a help text.
_KINDS = {
    "boolean": ("true or false", "true|false"),
    "auto_boolean": ("auto, true or false", "auto|true|false"),
    "integer": ("a whole number", "N"),
    "float": ("a number", "NUMBER"),
    "string": ("a text", "TEXT"),
    "cores": ("none, quarter, half, all, or a number of threads from 1", "none|quarter|half|all|N"),
    "hooks": ("classes, functions or commands", "HOOKS"),
    "input_file": ("a file that is there", "FILE"),
    "output_file": ("the path of a file", "FILE"),
    "directory": ("the path of a directory", "DIR"),
    "reference": ("a file, a data model, or N/A", "FILE|N/A"),
    "references": ("a directory of reference files", "DIR"),
    "list": ("a list", "ITEM,..."),
    "string_list": ("a list of texts", "TEXT,..."),
    "int_list": ("a list of whole numbers", "N,..."),
    "float_list": ("a list of numbers", "NUMBER,..."),
    "bool_list": ("a list of true and false", "true|false,..."),
}

#: Words that values of a type may be.
_WORDS = {
    "boolean": ("true", "false"),
    "auto_boolean": ("auto", "true", "false"),
    "cores": ("none", "quarter", "half", "all"),
}

_REASONS = {
    VdtValueTooSmallError: "too small; ",
    VdtValueTooBigError: "too big; ",
    VdtValueTooShortError: "too short; ",
    VdtValueTooLongError: "too long; ",
    VdtTypeError: "",
    VdtValueError: "",
}


def words_of(check: str) -> tuple[str, ...]:
    """The words that a value may be, by its check; none where it may be anything of its type."""
    name, args, _ = _parts(check)
    return tuple(args) if name == "option" else _WORDS.get(name, ())


def shown_type(check: str) -> str:
    """What a help text calls the values of a check."""
    name, args, _ = _parts(check)
    if name == "option":
        return "|".join(args)
    return _KINDS[name][1] if name in _KINDS else name.upper()


def expected(check: str) -> str:
    """What a value has to be, by its check.

    >>> expected("float(min=0, max=1e9, default=4.5)")
    'a number from 0 to 1e9'
    >>> expected("option('gls', 'ols', default='gls')")
    'one of gls, ols'
    """
    name, args, named = _parts(check)
    if name == "option":
        return f"one of {', '.join(args)}"
    kind = _KINDS[name][0] if name in _KINDS else check
    limits = dict(zip(("min", "max"), args, strict=False)) | dict(named)
    low, high = (limits.get(limit) for limit in ("min", "max"))
    low, high = (None if limit in (None, "None") else limit for limit in (low, high))
    if name in ("integer", "float"):
        return kind + (f" from {low}" if low else "") + (f" to {high}" if high else "")
    if low or high:
        of = "characters" if name == "string" else "items"
        if low == high:
            return f"{kind} with {low} {of}"
        kind += f" with {low or 0} " + (f"to {high} {of}" if high else f"or more {of}")
    return kind


def wrong(error: Exception, check: str) -> str:
    """What is wrong with a value, and what would be right."""
    reason = _REASONS.get(type(error))
    if reason is not None:
        return f"{reason}expected {expected(check)}"
    text = one_line(error).rstrip(".")
    return f"{text}; expected {expected(check)}" if isinstance(error, ValidateError) else text


def _parts(check: str) -> tuple[str, Sequence[str], Mapping[str, str]]:
    """The type, the arguments and the named arguments of a check."""
    name, args, named, _ = VALIDATOR._parse_check(check)
    return name, args, named


def _is_input_file(value: Any) -> str:
    if not isinstance(value, str):
        raise VdtTypeError(value)
    if not Path(value).is_file():
        raise ValidateError("there is no such file")
    return value


def _is_output_file(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise VdtTypeError(value)
    return value


def _is_number(value: Any, min: Any = None, max: Any = None) -> float:
    number = is_float(value, min, max)
    if math.isnan(number):  # it passes any limit
        raise ValidateError("NaN is no number")
    return number


def _is_hooks(value: Any) -> list[Any]:
    """Hooks; a single one need not be in a list. A command may well have commas in it."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_reference(value: Any) -> Any:
    """A path, ``N/A``, or a data model (told by its ``meta``, so that none need be imported)."""
    if hasattr(value, "meta") or (isinstance(value, str) and value):
        return value
    raise VdtTypeError(value)


def _is_store(value: Any) -> Any:
    """A directory, or an opened reference store (told by its ``find``)."""
    if hasattr(value, "find") and not isinstance(value, str):
        return value
    return _is_output_file(value)


def _is_auto_boolean(value: Any) -> str | bool:
    """``auto``, or a boolean."""
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    return is_boolean(value)


def _is_option(value: Any, *options: str) -> str:
    """One of several words; a number, such as a year, need not be quoted."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_option(str(value) if is_number else value, *options)


def _is_cores(value: Any) -> str | int:
    """``none``, ``quarter``, ``half``, ``all``, or a number of threads from 1."""
    text = str(value).strip().lower()
    if text.lstrip("+-").isdigit():
        return is_integer(text, min=1)
    return is_option(text, "none", "quarter", "half", "all")


VALIDATOR = Validator(
    {
        "input_file": _is_input_file,
        "output_file": _is_output_file,
        "directory": _is_output_file,
        "reference": _is_reference,
        "references": _is_store,
        "auto_boolean": _is_auto_boolean,
        "cores": _is_cores,
        "float": _is_number,
        "hooks": _is_hooks,
        "option": _is_option,
    }
)
