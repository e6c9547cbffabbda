"""Prints all that an ASDF file holds but pixels, as ``DataModel.info`` does, whatever it is of."""

from __future__ import annotations

import os

from ..datamodels import _asdf, _display, _schema
from ..datamodels._kinds import class_of, read_any


def print_tree(path: str | os.PathLike[str]) -> None:
    """Print the whole tree of an ASDF file.

    Parameters
    ----------
    path : str or path
        Name of the file.

    Raises
    ------
    FileFormatError
        If it is not ASDF, or is damaged.
    """
    tree = read_any(path)
    try:
        cls = class_of(tree)
        if cls is not None:
            cls._view(tree, owner=True).info(max_rows=None)
            return
        import asdf

        with _asdf.configured(_asdf.NOTHING):
            content = _display.shown(tree.data, (), _schema.kind_of(tree.tag))
            shown = {"roman": content} if tree.tag else content
            header = _display.shown_header(tree.header)
            asdf.AsdfFile({**header, **shown}).info(max_rows=None)
    finally:
        tree.close()
