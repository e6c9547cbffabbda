"""Which model is for which kind of file, and reading files of all kinds and years."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from . import _eras, _io, _schema
from ._errors import ModelError, UnknownModelError
from ._tree import TODAY, Origin, Tree

if TYPE_CHECKING:
    from ._base import DataModel

#: The classes by the name in their tags.
CLASSES: dict[str, type[DataModel]] = {}


def words(cls: type[DataModel]) -> str:
    """What a class is called in messages: its name, and the one in tags."""
    return f"{cls.__name__} ({cls._kind})"


def class_of(tree: Tree) -> type[DataModel] | None:
    """The class for a tree; None where there is none, or not the schema of its series."""
    known = _schema.schema_uri(tree.tag) is not None if tree.tag else False
    return CLASSES.get(_schema.kind_of(tree.tag)) if known else None


def class_for(tree: Tree) -> type[DataModel]:
    """The class for a tree, as `class_of`; an `UnknownModelError` where there is none."""
    cls = CLASSES.get(_schema.kind_of(tree.tag))
    where = f"{tree.source}: " if tree.source else ""
    if cls is None:
        known = ", ".join(sorted(c.__name__ for c in CLASSES.values()))
        raise UnknownModelError(
            f"{where}a Roman file of kind {_schema.kind_of(tree.tag)!r}, which has no model here; "
            f"known are {known}"
        )
    if _schema.schema_uri(tree.tag) is None:
        raise UnknownModelError(
            f"{where}written by the schema {tree.tag.removeprefix(_schema.TAGS)}, which the "
            "installed `rad` does not have; a newer version of `rad` may"
        )
    return cls


def read_any(path: str | os.PathLike[str]) -> Tree:
    """The tree of any ASDF file, whether there is a model for it or not, and of other missions.

    Files of before 2025 for which there is a model are converted to today's structure. The tree of
    a file without Roman data has no tag.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is not ASDF, or is damaged.
    InputError
        If it is a URL.
    """
    return read(path, of_any=True)


def read(source: str | os.PathLike[str] | IO[bytes], *, of_any: bool = False) -> Tree:
    tree = _io.read(source, of_any=of_any)
    try:
        known = _schema.kind_of(tree.tag) in CLASSES
        if known and (era := _eras.era_of(tree)) != TODAY:
            tree.origin = Origin(era, tree.tag)
            _eras.to_today(tree)
    except Exception as error:
        tree.close()
        where = tree.source or "the given model"
        if isinstance(error, ModelError):
            raise ModelError(f"{where}: {error}") from error
        if isinstance(error, (KeyError, TypeError, AttributeError)):
            raise ModelError(
                f"{where}: looks like a file of 2022 to 2024, but its structure is not: {error!r}"
            ) from error
        raise
    return tree
