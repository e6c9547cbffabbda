"""Values for what a schema requires and nobody knows.

Unknown strings are "?", unknown numbers -999999, unknown flags False, as in the mission's own
library; null where the schema allows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks, _schema
from ._errors import ValidationError
from ._places import Place

UNKNOWN_TEXT = "?"
UNKNOWN_NUMBER = -999999
_MISSING = "required but missing"


def is_unknown(value: object) -> bool:
    """Whether a value is the placeholder of an unknown number.

    Parameters
    ----------
    value : object
        The value: -999999 is the placeholder.

    Returns
    -------
    bool
    """
    return isinstance(value, (int, float, np.number)) and bool(value == UNKNOWN_NUMBER)


#: Where a schema lists the allowed words, these say "unknown" best; else the first one is used.
_NEUTRAL_WORDS = ("None", "INCOMPLETE", "N/A", "UNKNOWN", "GENERIC", "STSCI/SOC", "WFI_CEN")


def unknown(place: Place) -> Any:
    """A valid value that says nothing, for an item at that place."""
    path = place.path
    if place.branch is not None:
        if any(branch.get("type") == "null" for branch in place.keyword("anyOf")):
            return None
        return unknown(place.branch)
    words = place.keyword("enum")
    if words:
        return next((word for word in _NEUTRAL_WORDS if word in words), words[0])
    if path[-1:] == ("p_exptype",):
        return "WFI_IMAGE|"
    if path[1:2] == ("ref_file",) and len(path) == 3:
        return {"version": UNKNOWN_TEXT, "context": "N/A"} if path[-1] == "crds" else "N/A"
    tags = [part["tag"] for part in _schema.parts(place.schema) if "tag" in part]
    if any("time/time" in tag for tag in tags):
        from astropy.time import Time

        return Time("2020-01-01T00:00:00.000")
    match place.keyword("type"):
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
            return [unknown(place.child(i)) for i in range(place.keyword("minItems") or 0)]
        case _:
            return complete({}, place)


def complete(value: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """A copy of `value` to which every item is added that its place requires and it lacks.

    Arrays are not made up: their shape is not known here.
    """
    result = dict(value)
    for name in place.required:
        item = place.child(name)
        if name not in result:
            if not item.is_array:
                result[name] = unknown(item)
        elif isinstance(result[name], Mapping):
            result[name] = complete(result[name], item)
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
    value: Mapping[str, Any], place: Place, replaced: list[Replacement] | None = None
) -> dict[str, Any]:
    """`complete`, and known items whose value the schema forbids become unknown.

    For metadata that were valid by another schema: a word that is no longer listed, a text that
    is too long. What was replaced, or added, is told in `replaced`.
    """
    told: list[Replacement] = [] if replaced is None else replaced
    result = dict(value)
    for name, item in value.items():
        here = place.child(name)
        if not here.schema or isinstance(item, np.ndarray):
            continue
        problem = _problem(item, here)
        if problem is None:
            continue
        if isinstance(item, Mapping):
            inside: list[Replacement] = []
            result[name] = conform(item, here, inside)
            if _problem(result[name], here) is None:
                told += inside
                continue
        result[name] = unknown(here)
        told.append(Replacement(_schema.dotted(here.path), problem.rule, result[name]))
    for name in place.required:
        here = place.child(name)
        if name not in result and not here.is_array:
            result[name] = unknown(here)
            told.append(Replacement(_schema.dotted(here.path), _MISSING, result[name]))
    return result


def _problem(value: object, place: Place) -> ValidationError | None:
    try:
        _checks.validate(value, place.schema, place.path)
    except ValidationError as error:
        return error
    return None
