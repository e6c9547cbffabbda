"""Writing the files of the models."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import _core
from .._asdf_block_writing import COMPRESSIONS, write_blocks
from .._asdf_blocks import find_first_block, read_blocks
from .._files import replacing
from .._tagged import Tagged
from .._version import software_version
from . import _asdf, _schema
from ._arrays import datatype
from ._errors import ModelError
from ._tree import Tree, Unread

#: The version of the ASDF standard that files are written in; its arrays may be of half precision.
_STANDARD = "1.6.0"
_ARRAY_TAG = "tag:stsci.edu:asdf/core/ndarray-1.1.0"
#: Beside arrays of the model's own, those of a WCS with fewer elements, as the coefficients of
#: polynomials, lie in the head, with all their digits: `asdf` then makes the head only once. Of
#: other objects it puts there what cannot be read again: records, and arrays without elements.
_IN_HEAD = 256


class Writer:
    """Makes the tree that goes into the file from the tree of a model.

    Arrays get the exact type of the schema: half precision is clipped to its largest finite value
    (NaN stays NaN). The manual's spectral exposure types get today's name where the schema has no
    other. Values that the schema tags (series 1.0 to 1.3) are tagged.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.has_wcs = False
        #: Whether there is something else that `asdf` is to write arrays for, such as a quantity.
        self.has_others = False

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
            self.has_others |= not _is_plain(value)
            value = self._array(value, schema)
        elif isinstance(value, str):
            value = self._string(value, schema, path)
        elif type(value).__module__.startswith(("gwcs", "astropy.modeling")):
            self.has_wcs = True
        elif not isinstance(value, (int, float, type(None))):
            self.has_others |= not type(value).__module__.startswith("astropy.time")
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


def write(tree: Tree, path: Path, *, compression: str | None) -> None:
    """Write a tree, atomically: into a new file beside `path`, which then takes its name.

    Raises
    ------
    ValidationError
        If the content breaks the schema. No file is written then.
    ModelError
        If the name does not end in .asdf, or the compression is not known.
    OSError
        If the file cannot be written; it names `path` and the reason.
    """
    if path.suffix.lower() != ".asdf":
        raise ModelError(f"{path}: models are written as ASDF only; the name must end in .asdf")
    if compression is not None and compression not in COMPRESSIONS:
        raise ModelError(
            f"{path}: compression = {compression!r}: expected None or one of "
            f"{', '.join(COMPRESSIONS)}"
        )
    writer = Writer(tree)
    tree.validate()
    root = writer.root()
    packages = _asdf.OBJECTS if writer.has_wcs else _asdf.TIMES
    names = _schema.properties(tree.schema(()))
    with replacing(path) as file:
        with _asdf.configured(packages) as config:
            # Viewers show the first image that a file lists.
            order = _asdf.in_order(config, tree.tag, names)
            arrays = list(_arrays(root))
            if writer.has_wcs and arrays and not writer.has_others:
                config.array_inline_threshold = _IN_HEAD
            head, n_blocks = _head(root, order, 0, compression)
            if n_blocks and arrays:  # those of objects, which asdf writes, come first
                head, _ = _head(root, order, n_blocks, compression)
        file.write(head)
        write_blocks(file, arrays, compression)


def _head(root: Tagged, order: Any, first: int, compression: str | None) -> tuple[bytes, int]:
    """What `asdf` makes of a tree, and the number of blocks in it.

    It lists names as the extension `order` says, and the tree's own arrays in blocks from `first`
    on. As it is tagged already, no extension is named as its writer: whoever opens the file would
    be told to install that.
    """
    import asdf

    numbers = itertools.count(first)
    content = io.BytesIO()
    tree = {"roman": _asdf.for_asdf(_described(root, numbers))}
    handle = asdf.AsdfFile(tree, version=_STANDARD, extensions=[order])
    handle.write_to(content, all_array_compression=compression)
    blocks = list(read_blocks(content, find_first_block(content)))
    head = content.getvalue()
    return (head[: blocks[-1].end] if blocks else head), len(blocks)


def _is_plain(value: Any) -> bool:
    """Whether it is an array that this package writes; tables and the like are for `asdf`."""
    return type(value) in (np.ndarray, np.memmap) and datatype(value.dtype) is not None


def _arrays(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays of a tree, in the order in which `_described` numbers them."""
    if isinstance(value, Tagged):
        yield from _arrays(value.value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _arrays(item)
    elif _is_plain(value):
        yield value


def _described(value: Any, numbers: Iterator[int]) -> Any:
    """A tree with what the head says of its arrays in place of them."""
    if isinstance(value, Tagged):
        return Tagged(value.tag, _described(value.value, numbers))
    if isinstance(value, dict):
        return {key: _described(item, numbers) for key, item in value.items()}
    if isinstance(value, list):
        return [_described(item, numbers) for item in value]
    if not _is_plain(value):
        return value
    name, order = datatype(value.dtype) or ("", "")
    says = {"datatype": name, "byteorder": order, "shape": list(value.shape)}
    return Tagged(_ARRAY_TAG, {"source": next(numbers), **says})


def stamps(model_type: str, path: Path) -> dict[str, Any]:
    """What a file says of its own making: when, under which name, by which software."""
    from astropy.time import Time

    now = Time.now()
    now.format = "isot"
    return {
        "file_date": now,
        "filename": path.name,
        "model_type": model_type,
        "calibration_software_name": "romancal-rs",
        "calibration_software_version": software_version(),
    }
