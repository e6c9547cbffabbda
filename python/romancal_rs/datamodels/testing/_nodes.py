"""What all made-up models have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import InputError
from .._base import DataModel
from .._defaults import complete
from .._nodes import DNode
from .._tree import Tree

#: More metadata, by dotted name.
Meta = Mapping[str, object]


def made_up_node(
    model: type[DataModel],
    meta: dict[str, object],
    content: Mapping[str, object],
    given: Mapping[str, object],
    more_meta: Meta | None,
) -> DNode:
    """A node of the model's newest schema: made-up content, what was given, all else unknown."""
    tree = Tree({}, model.new_tag())
    tree.data["meta"] = complete(meta, tree.place("meta"))
    tree.data.update(content)
    node = DNode(tree, tree.data)
    for name, value in (more_meta or {}).items():
        node["meta." + name] = value
    for name, value in given.items():
        node[name] = value
    return node


def checked_shape(shape: Sequence[int], ndim: int) -> tuple[int, ...]:
    """A shape that a caller gave, which must have that many axes."""
    if len(shape) != ndim:
        raise InputError(f"shape: expected {ndim} numbers, got {tuple(shape)}")
    return tuple(shape)
