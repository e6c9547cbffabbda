"""Values for what a schema requires and nobody knows.

Unknown strings are "?", unknown numbers -999999, unknown flags False, as in the mission's own
library; null where the schema allows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _schema
from ._errors import ValidationError

UNKNOWN_TEXT = "?"
UNKNOWN_NUMBER = -999999
_MISSING = "required but missing"


def is_unknown(value: Any) -> bool:
    """Whether a value is the placeholder of a number that nobody knows."""
    return isinstance(value, (int, float, np.number)) and bool(value == UNKNOWN_NUMBER)


#: Where a schema lists the allowed words, these say "unknown" best; else the first one is used.
_NEUTRAL_WORDS = ("None", "INCOMPLETE", "N/A", "UNKNOWN", "GENERIC", "STSCI/SOC", "WFI_CEN")


def unknown(schema: _schema.Schema, path: tuple[str | int, ...]) -> Any:
    """A valid value that says nothing, for the item at `path`."""
    branches = _schema.keyword(schema, "anyOf")
    if branches:
        if any(branch.get("type") == "null" for branch in branches):
            return None
        return unknown(branches[0], path)
    words = _schema.keyword(schema, "enum")
    if words:
        return next((word for word in _NEUTRAL_WORDS if word in words), words[0])
    if path[-1:] == ("p_exptype",):
        return "WFI_IMAGE|"
    if path[1:2] == ("ref_file",) and len(path) == 3:
        return {"version": UNKNOWN_TEXT, "context": "N/A"} if path[-1] == "crds" else "N/A"
    tags = [part["tag"] for part in _schema.parts(schema) if "tag" in part]
    if any("time/time" in tag for tag in tags):
        from astropy.time import Time

        return Time("2020-01-01T00:00:00.000")
    match _schema.keyword(schema, "type"):
        case "string":
            return UNKNOWN_TEXT
        case "integer":
            return UNKNOWN_NUMBER
        case "number":
            return float(UNKNOWN_NUMBER)
        case "boolean":
            return False
        case "null":
            return None
        case "array":
            count = _schema.keyword(schema, "minItems") or 0
            return [unknown(_schema.child(schema, i), (*path, i)) for i in range(count)]
        case _:
            return complete({}, schema, path)


def complete(
    value: Mapping[str, Any], schema: _schema.Schema, path: tuple[str | int, ...]
) -> dict[str, Any]:
    """A copy of `value` to which every required item is added that it lacks.

    Arrays are not made up: their shape is not known here.
    """
    result = dict(value)
    for name in _schema.required(schema):
        sub = _schema.child(schema, name, (*path, name))
        if name not in result:
            if _schema.keyword(sub, "datatype") is None:
                result[name] = unknown(sub, (*path, name))
        elif isinstance(result[name], Mapping):
            result[name] = complete(result[name], sub, (*path, name))
    return result


@dataclass(frozen=True)
class Replacement:
    """An item that breaks its schema, and what it becomes.

    Attributes
    ----------
    place : str
        Dotted name, such as ``meta.program.category``.
    problem : str
        What it is, and what the schema asks for.
    instead : object
        The value that says "unknown".
    """

    place: str
    problem: str
    instead: object

    @property
    def is_missing(self) -> bool:
        """Whether there is no such item."""
        return self.problem == _MISSING


def conform(
    value: Mapping[str, Any],
    schema: _schema.Schema,
    path: tuple[str | int, ...],
    replaced: list[Replacement] | None = None,
) -> dict[str, Any]:
    """`complete`, and known items whose value the schema forbids become unknown.

    For metadata that were valid by another schema: a word that is no longer listed, a text that
    is too long. What was replaced, or added, is told in `replaced`.
    """
    told: list[Replacement] = [] if replaced is None else replaced
    result = dict(value)
    for name, item in value.items():
        here = (*path, name)
        sub = _schema.child(schema, name, here)
        problem = _problem(item, sub, here) if sub and not isinstance(item, np.ndarray) else None
        if problem is None:
            continue
        if isinstance(item, Mapping):
            inside: list[Replacement] = []
            result[name] = conform(item, sub, here, inside)
            if _problem(result[name], sub, here) is None:
                told += inside
                continue
        result[name] = unknown(sub, here)
        told.append(Replacement(_schema.dotted(here), problem.rule, result[name]))
    for name in _schema.required(schema):
        here = (*path, name)
        sub = _schema.child(schema, name, here)
        if name not in result and _schema.keyword(sub, "datatype") is None:
            result[name] = unknown(sub, here)
            told.append(Replacement(_schema.dotted(here), _MISSING, result[name]))
    return result


def _problem(
    value: object, schema: _schema.Schema, path: tuple[str | int, ...]
) -> ValidationError | None:
    try:
        _schema.validate(value, schema, path)
    except ValidationError as error:
        return error
    return None
