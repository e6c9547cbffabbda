"""Writing the files of the models."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np

from .. import _core
from .._asdf_blocks import write_checksums
from .._files import replacing
from .._tagged import Tagged
from . import _asdf, _schema
from ._errors import ModelError
from ._nodes import Tree, Unread


class Writer:
    """Makes the tree that goes into the file from the tree of a model.

    Arrays get the exact type of the schema: half precision is clipped to its largest finite value
    (NaN stays NaN). The manual's spectral exposure types get today's name where the schema has no
    other. Values that the schema tags (series 1.0 to 1.3) are tagged.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.has_wcs = False

    def root(self) -> Tagged:
        return Tagged(self.tree.tag, self._convert(self.tree.data, ()))

    def _convert(self, value: Any, path: tuple[str | int, ...]) -> Any:
        schema = self.tree.schema(path)
        if isinstance(value, Unread):
            value = value.raw()  # an array is only copied from file to file
        if isinstance(value, dict):
            value = {key: self._item(item, (*path, key)) for key, item in value.items()}
        elif isinstance(value, list):
            value = [self._item(item, (*path, index)) for index, item in enumerate(value)]
        elif isinstance(value, np.ndarray):
            value = self._array(value, schema)
        elif isinstance(value, str):
            value = self._string(value, schema, path)
        elif type(value).__module__.startswith(("gwcs", "astropy.modeling")):
            self.has_wcs = True
        return value

    def _item(self, value: Any, path: tuple[str | int, ...]) -> Any:
        value = self._convert(value, path)
        tag = _schema.mission_tag(self.tree.schema(path))
        if tag is None:
            return value
        # The old tag of the file date stands for the time itself.
        return Tagged(tag, value.isot if hasattr(value, "isot") else value)

    def _array(self, array: np.ndarray[Any, Any], schema: _schema.Schema) -> np.ndarray[Any, Any]:
        if _schema.keyword(schema, "datatype") != "float16" or array.dtype == np.float16:
            return array
        numbers = np.require(array, np.float32, ["C", "ALIGNED"]).reshape(-1)
        return _core.to_half(numbers).view(np.float16).reshape(array.shape)

    def _string(self, value: str, schema: _schema.Schema, path: tuple[str | int, ...]) -> str:
        if path[-2:] == ("exposure", "type"):
            known = _schema.keyword(schema, "enum") or ()
            if value in _schema.MANUAL_SPECTRAL_TYPES and value not in known:
                return "WFI_SPECTRAL" if "WFI_SPECTRAL" in known else value
        if path[-2:] == ("exposure", "p_exptype"):
            pattern = _schema.keyword(schema, "pattern")
            if pattern and "WFI_SPECTRAL" in pattern:
                return _schema.spectral_to_today(value)
        return value


def write(tree: Tree, path: Path, *, compression: str | None = None) -> None:
    """Write a tree, atomically: into a new file beside `path`, which then takes its name.

    Raises
    ------
    ValidationError
        If the content breaks the schema. No file is written then.
    ModelError
        If the name does not end in .asdf.
    OSError
        If the file cannot be written; it names `path` and the reason.
    """
    if path.suffix.lower() != ".asdf":
        raise ModelError(f"{path}: models are written as ASDF only; the name must end in .asdf")
    import asdf

    writer = Writer(tree)
    tree.validate()
    root = writer.root()
    packages = _asdf.OBJECTS if writer.has_wcs else _asdf.TIMES
    names = _schema.properties(tree.schema(()))
    with _asdf.configured(packages) as config, replacing(path) as file:
        # Viewers show the first image that a file lists.
        order = _asdf.in_order(config, tree.tag, names)
        # As they are tagged already, no extension is named as their writer: whoever opens the file
        # would be told to install it.
        handle = asdf.AsdfFile({"roman": _asdf.for_asdf(root)}, extensions=[order])
        options: dict[str, Any] = {"all_array_compression": compression}
        # Of all at once, and in the time in which the file goes to the disk; asdf does it before.
        checksums_later = "write_checksums" in inspect.signature(handle.write_to).parameters
        if checksums_later:
            options["write_checksums"] = False
        handle.write_to(file, **options)
        if checksums_later:
            write_checksums(file)
