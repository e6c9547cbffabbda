"""What the schemas say of each place in a model's tree, looked up once in a process.

The rules of one item are spread over several files, which refer to each other. Who asks for them on
every assignment, or for every value that is saved, asks here.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from . import _schema


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

    def child(self, key: str | int) -> Place:
        """The place of an item of the object or list that is here."""
        known = self._children.get(key)
        if known is not None:
            return known
        if isinstance(key, int):
            key = 0
        path = (*self.path, key)
        place = Place(_schema.child(self.schema, key, path), path)
        if place.schema:  # names that no schema has may be any number
            self._children[key] = place
        return place

    def keyword(self, name: str) -> Any:
        """The value of the first keyword of that name among the parts of the schema, or None."""
        return _schema.keyword(self.schema, name)

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
