"""Checks of values against the mission's schemas.

These use a small part of JSON Schema, so that plain Python values are checked against them
directly. That is what makes a check on every assignment affordable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ._arrays import datatype_in_file
from ._errors import ValidationError
from ._schema import (
    GUIDE_STAR_TYPES,
    MANUAL_SPECTRAL_TYPES,
    Schema,
    dotted,
    parts,
    spectral_to_today,
)

#: Tells what is wrong with a value at a place, by one keyword of a schema; None if nothing is.
_Check = Callable[[Any, Schema, tuple[str | int, ...]], str | None]
#: Something in a value, the schema that it must obey, and where it is in the tree.
_Inside = tuple[Any, Schema, tuple[str | int, ...]]

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, np.integer),
    "number": (int, float, np.integer, np.floating),
    "boolean": (bool, np.bool_),
    "null": (type(None),),
    "array": (list, tuple),
}


def validate(value: Any, schema: Schema, path: tuple[str | int, ...]) -> None:
    """Check a value of the in-memory tree against a schema.

    Parameters
    ----------
    value
        Plain Python value, array, time, or an object such as a WCS.
    schema
        What it must obey: one of a file, or of a `Place`, as its checks are kept for good.
    path
        Where the value is in the tree, for messages and for the rules that depend on it.

    Raises
    ------
    ValidationError
        Naming the first rule that is broken.
    """
    for check, part in _checks_of(schema):
        problem = check(value, part, path)
        if problem:
            raise ValidationError(dotted(path), value, problem)


def problems(value: Any, schema: Schema, path: tuple[str | int, ...]) -> Iterator[ValidationError]:
    """All that is wrong with a value, where `validate` tells the first; see there.

    What several parts of a schema ask for is told as often.
    """
    for check, part in _checks_of(schema):
        inside = _INSIDE.get(check)
        if inside is not None:
            for item, sub, place in inside(value, part, path):
                yield from problems(item, sub, place)
        elif problem := check(value, part, path):
            yield ValidationError(dotted(path), value, problem)


#: Of each schema its checks, by identity; the schema stays, so that no other is taken for it.
_known_checks: dict[int, tuple[Schema, list[tuple[_Check, Schema]]]] = {}


def _checks_of(schema: Schema) -> list[tuple[_Check, Schema]]:
    """All checks of a schema, in their order, each with the part that it is of."""
    known = _known_checks.get(id(schema))
    if known is None:
        if not schema:
            return []
        checks = [
            (check, part)
            for part in parts(schema)
            for name, check in _CHECKS.items()
            if name in part
        ]
        known = _known_checks[id(schema)] = schema, checks
    return known[1]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _check_type(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    wanted = schema["type"]
    if wanted == "object":
        # A transform is an object in the file and an instance of a class in memory.
        good = isinstance(value, Mapping) or not isinstance(
            value, (str, bytes, int, float, bool, list, tuple, np.ndarray, np.generic, type(None))
        )
    else:
        good = isinstance(value, _PYTHON_TYPES[wanted])
        if isinstance(value, (bool, np.bool_)) and wanted in ("integer", "number"):
            good = False
    return None if good else f"{_short(value)} is not of type {wanted!r}"


def _check_enum(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    if value in schema["enum"]:
        return None
    if path[-2:] == ("exposure", "type") and value in MANUAL_SPECTRAL_TYPES | GUIDE_STAR_TYPES:
        return None
    return f"{_short(value)} is not one of {schema['enum']}"


def _check_pattern(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    if not isinstance(value, str):
        return None
    if path[-1:] == ("p_exptype",) and re.search(schema["pattern"], spectral_to_today(value)):
        return None
    if re.search(schema["pattern"], value):
        return None
    return f"{_short(value)} does not match {schema['pattern']!r}"


def _check_max_length(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    if isinstance(value, str) and len(value) > schema["maxLength"]:
        return f"{_short(value)} is longer than {schema['maxLength']} characters"
    return None


def _check_min_items(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    if isinstance(value, (list, tuple)) and len(value) < schema["minItems"]:
        return f"{_short(value)} has fewer than {schema['minItems']} items"
    return None


def _check_max_items(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    if isinstance(value, (list, tuple)) and len(value) > schema["maxItems"]:
        return f"{_short(value)} has more than {schema['maxItems']} items"
    return None


def _items(value: Any, schema: Schema, path: tuple[str | int, ...]) -> Iterator[_Inside]:
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield item, schema["items"], (*path, index)


def _check_items(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    return _check_inside(_items(value, schema, path))


def _check_required(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    if isinstance(value, Mapping):
        missing = [name for name in schema["required"] if name not in value]
        if missing:
            return f"required but missing: {', '.join(missing)}"
    return None


def _properties(value: Any, schema: Schema, path: tuple[str | int, ...]) -> Iterator[_Inside]:
    if isinstance(value, Mapping):
        for name, sub in schema["properties"].items():
            if name in value:
                yield value[name], sub, (*path, name)


def _check_properties(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    return _check_inside(_properties(value, schema, path))


def _pattern_properties(
    value: Any, schema: Schema, path: tuple[str | int, ...]
) -> Iterator[_Inside]:
    if isinstance(value, Mapping):
        for pattern, sub in schema["patternProperties"].items():
            for name in value:
                if re.search(pattern, name):
                    yield value[name], sub, (*path, name)


def _check_pattern_properties(
    value: Any, schema: Schema, path: tuple[str | int, ...]
) -> str | None:
    return _check_inside(_pattern_properties(value, schema, path))


def _check_inside(inside: Iterator[_Inside]) -> str | None:
    for item, sub, place in inside:
        validate(item, sub, place)
    return None


def _check_additional(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    if schema["additionalProperties"] is False and isinstance(value, Mapping):
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        for name in value:
            if name not in known and not any(re.search(p, name) for p in patterns):
                return f"{name!r} is not allowed here"
    return None


def _check_any_of(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    problems = []
    for branch in schema["anyOf"]:
        try:
            validate(value, branch, path)
        except ValidationError as error:
            problems.append(error.rule)
        else:
            return None
    return "; ".join(problems)


def _check_tag(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    tag = schema["tag"]
    if "core/ndarray" in tag:
        if hasattr(value, "unit"):
            return "the array carries a unit; the schema fixes the unit, give the plain numbers"
        if not hasattr(value, "dtype") or not hasattr(value, "shape"):
            return f"{_short(value)} is not an array"
    elif "time/time" in tag:
        if not any(cls.__module__.startswith("astropy.time") for cls in type(value).__mro__):
            return f"{_short(value)} is not an astropy.time.Time"
        if not value.isscalar:
            return f"{_short(value)} is not one time, but several"
    elif "gwcs/wcs" in tag and (
        value is None or isinstance(value, (str, int, float, list, Mapping, np.ndarray))
    ):
        return f"{_short(value)} is not a WCS"
    return None


def _check_ndim(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    ndim = len(getattr(value, "shape", ()))
    if ndim != schema["ndim"]:
        return f"expected an array of {schema['ndim']} dimensions, got {ndim}"
    return None


def _check_datatype(value: Any, schema: Schema, path: tuple[str | int, ...]) -> str | None:
    # Half precision is for files only: in memory these arrays are float32.
    wanted = schema["datatype"]
    dtype = getattr(value, "dtype", None)
    if isinstance(wanted, list):  # texts, and the rows of tables
        found = None if dtype is None else datatype_in_file(dtype)
        if found is not None and _fits(found[0], wanted):
            return None
        return f"expected an array of {_short(wanted)}, got {_short(found and found[0])}"
    allowed = ("float16", "float32") if wanted == "float16" else (wanted,)
    if dtype is None or dtype.newbyteorder("=").name not in allowed:
        return f"expected an array of {' or '.join(allowed)}, got {dtype}"
    return None


def _fits(found: Any, wanted: Any) -> bool:
    """Whether a datatype of the standard is the one of a schema; texts may be shorter there."""
    if not isinstance(wanted, list) or not isinstance(found, list):
        return bool(found == wanted)
    if not isinstance(wanted[0], dict):
        return found[0] == wanted[0] and found[1] <= wanted[1]
    return len(found) == len(wanted) and all(
        field.get("name") == item.get("name") and _fits(field["datatype"], item["datatype"])
        for field, item in zip(found, wanted, strict=True)
    )


_CHECKS: dict[str, _Check] = {
    "tag": _check_tag,
    "type": _check_type,
    "enum": _check_enum,
    "pattern": _check_pattern,
    "maxLength": _check_max_length,
    "minItems": _check_min_items,
    "maxItems": _check_max_items,
    "items": _check_items,
    "required": _check_required,
    "properties": _check_properties,
    "patternProperties": _check_pattern_properties,
    "additionalProperties": _check_additional,
    "anyOf": _check_any_of,
    "ndim": _check_ndim,
    "datatype": _check_datatype,
}

#: Of the checks that look into a value what they look at.
_INSIDE: dict[_Check, Callable[[Any, Schema, tuple[str | int, ...]], Iterator[_Inside]]] = {
    _check_items: _items,
    _check_properties: _properties,
    _check_pattern_properties: _pattern_properties,
}
