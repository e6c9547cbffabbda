"""What the schemas say of each place in a model's tree, looked up once in a process.

The rules of one item are spread over several files, which refer to each other. Who asks for them on
every assignment, or for every value that is saved, asks here.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from . import _schema

#: Rules that no file has are for places up to this deep.
_DEPTH = max(map(len, _schema.DROPPED))


class Place:
    """One place in the trees of a schema.

    Parameters
    ----------
    schema : dict
        What a value at this place must obey; empty if anything goes.
    path : tuple of str and int
        Where it is in the tree. Items of a list share their place, which is that of the first.
    """

    def __init__(self, schema: _schema.Schema, path: tuple[str | int, ...]) -> None:
        self.schema = schema
        self.path = path
        self._children: dict[str | int, Place] = {}
        self._parts: dict[frozenset[str], Place] = {}

    def only(self, names: frozenset[str]) -> Place:
        """This place of an object that has no other names than these."""
        if names not in self._parts:
            properties = {name: self.child(name).schema for name in names}
            required = [name for name in self.required if name in names]
            self._parts[names] = Place({"properties": properties, "required": required}, self.path)
        return self._parts[names]

    def child(self, key: str | int) -> Place:
        """The place of an item of the object or list that is here."""
        known = self._children.get(key)
        if known is not None:
            return known
        if not self.schema and len(self.path) >= _DEPTH:
            return self  # anything goes below it, too
        if isinstance(key, int) and key:
            return self.child(0)
        path = (*self.path, key)
        place = Place(_schema.child(self.schema, key, path), path)
        if place.schema:  # names that no schema has may be any number
            self._children[key] = place
        return place

    def keyword(self, name: str) -> Any:
        """The value of the first keyword of that name among the parts of the schema, or None."""
        return _schema.keyword(self.schema, name)

    @cached_property
    def names(self) -> list[str]:
        """Names that an object may have, in the schema's order."""
        return _schema.properties(self.schema)

    @cached_property
    def required(self) -> list[str]:
        """Names that an object must have, in the schema's order."""
        return _schema.required(self.schema)

    @cached_property
    def branch(self) -> Place | None:
        """What a value is by the first of several schemas, of which one must hold, if any."""
        branches = self.keyword("anyOf")
        return Place(branches[0], self.path) if branches else None

    @cached_property
    def beside_meta(self) -> _schema.Schema:
        """What everything but ``meta`` must obey; of a root."""
        return {**self.schema, "properties": {**self.schema["properties"], "meta": {}}}

    @cached_property
    def is_array(self) -> bool:
        """Whether the schema says of which type an array here is."""
        return self.keyword("datatype") is not None

    @cached_property
    def tag(self) -> str | None:
        """The mission's tag that a value must carry in the file, if any (series 1.0 to 1.3)."""
        return _schema.mission_tag(self.schema)

    @cached_property
    def is_half(self) -> bool:
        """Whether files have an array of half precision here."""
        return bool(self.keyword("datatype") == "float16")


@cache
def root(uri: str) -> Place:
    """The place of the whole tree of a schema."""
    return Place(_schema.load(uri), ())
