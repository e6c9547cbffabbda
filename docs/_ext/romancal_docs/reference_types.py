"""The types of reference files: who uses them, how they are chosen, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable

from docutils import nodes

from romancal_rs.reference_types import TYPES, Array, ReferenceType
from romancal_rs.stpipe.parameters import reference_types
from romancal_rs.stpipe.registry import PIPELINES, classes

from .content import Cell, Generated, class_link, code, codes, table

_IF_NAMED = "where the file names one"


class ReferenceTypes(Generated):
    """What uses each type, and by what of the exposure a file is chosen."""

    def content_nodes(self) -> Iterable[nodes.Node]:
        head = ("type", "used by", "detector", "optical element", "exposure type", "data model")
        yield table(head, [_row(kind) for kind in TYPES.values()])


class ReferenceArrays(Generated):
    """The arrays of each type."""

    def content_nodes(self) -> Iterable[nodes.Node]:
        rows = [
            (code(kind.reftype), code(array.name), array.dtype, _axes(array), _unit(array))
            for kind in TYPES.values()
            for array in kind.arrays
        ]
        yield table(("type", "array", "dtype", "axes", "unit"), rows)


def users(reftype: str) -> list[str]:
    """The steps that use a type."""
    return [
        step_class.class_alias
        for path, step_class in classes().items()
        if path not in PIPELINES and reftype.lower() in reference_types(step_class)
    ]


def _row(kind: ReferenceType) -> tuple[Cell, ...]:
    detector = "yes" if "detector" in kind.keys else ""
    element = _IF_NAMED if "optical_element" in kind.keys else ""
    return (
        code(kind.reftype),
        codes(users(kind.reftype)),
        _IF_NAMED if kind.any_detector else detector,
        "preferred" if kind.prefers_element else element,
        _IF_NAMED if "exposure_type" in kind.keys else "",
        class_link(f"romancal_rs.datamodels.{kind.model}", kind.model) if kind.model else "",
    )


def _axes(array: Array) -> str:
    axes = ", ".join(array.axes)
    return f"{axes}; not in every file" if array.optional else axes


def _unit(array: Array) -> str:
    return array.unit or "none"
