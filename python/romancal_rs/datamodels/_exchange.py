"""What the mission's library tells of a model, in its words: for CRDS, and from the schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ._tree import flatten

if TYPE_CHECKING:
    from ._places import Place
    from ._tree import Tree

#: First part of all paths in files of the mission.
_ROOT = "roman"


def crds_parameters(data: Mapping[str, Any]) -> dict[str, Any]:
    """Texts and numbers of ``meta`` by the names that CRDS has for them."""
    from astropy.time import Time

    found = {}
    for name, value in flatten({"meta": data["meta"]}):
        if isinstance(value, Time):
            value = str(value)
        elif isinstance(value, datetime):
            value = value.isoformat()
        if isinstance(value, str | int | float | complex):
            found[f"{_ROOT}.{name}"] = value
    return found


def schema_info(tree: Tree, key: str, path: str | None) -> dict[str, Any]:
    """A keyword of the schema for a place in a tree, and for all that is below it."""
    names = (path or "").split(".")
    if names[:1] == [_ROOT]:
        names = names[1:]
    place, value = tree.place(), tree.data
    if not path:
        return {_ROOT: _below(place, value, key)}
    for done, name in enumerate(names):
        if not isinstance(value, Mapping) or name not in value:
            where = ".".join([_ROOT, *names[:done]])
            raise KeyError(f"{path}: {where} has no {name!r}")
        place, value = place.child(name), value[name]
    return _below(place, value, key)


def _below(place: Place, value: Any, key: str) -> dict[str, Any]:
    said = place.keyword(key)
    found = {} if said is None else {key: said}
    if isinstance(value, Mapping):
        for name, item in value.items():
            if below := _below(place.child(name), item, key):
                found[name] = below
    return found
