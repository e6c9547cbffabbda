"""Reading and writing the files of the models."""

from __future__ import annotations

import inspect
import math
import mmap
import os
import re
import weakref
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np

from .. import _core
from .._asdf_blocks import (
    Block,
    find_first_block,
    read_blocks,
    read_compressed,
    write_checksums,
)
from .._files import open_regular, replacing
from ..errors import one_line
from . import _asdf, _inputs, _schema
from ._blame import check_tags, unmade, unreadable
from ._errors import FileFormatError, ModelError, ModelTypeError
from ._nodes import Tree, Unread, UnreadQuantity

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
#: What a compressed block may hold beyond its array: old files keep all of an array of which they
#: show a part.
_MOST_UNUSED = 64 * 2**20
_MOST_AXES = 1000  # of a transform


# ---- reading -------------------------------------------------------------------------------


def read(source: str | os.PathLike[str] | IO[bytes]) -> Tree:
    """Open an ASDF file and return its content; arrays stay in the file until they are touched.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is not ASDF, is damaged, or holds nothing under ``roman``.
    ModelTypeError
        If it is an association (.json).
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.suffix.lower() == ".json":
            raise ModelTypeError(
                f"{path}: an association cannot be opened as a data model; give an .asdf file"
            )
        # Kept open on purpose: arrays are read later. The tree's `close` closes it.
        file = open_regular(path)
        try:
            return _read(file, str(path), own=True)
        except BaseException as error:
            file.close()
            if isinstance(error, OSError) and error.filename is None:
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise
    if _inputs.is_of_the_mission(source):
        return _inputs.tree_of(source)
    if not _inputs.is_open_file(source):
        raise ModelTypeError(
            "expected a path, a file opened for reading bytes, or a model of this package or of "
            f"roman_datamodels, got {type(source).__module__}.{type(source).__qualname__}; "
            "save an object of another library, or pass the path of its file"
        )
    content = _inputs.readable(source)
    with _inputs.position_kept(source):
        return _read(content, _inputs.name_of(source), own=False, given=source)


def _read(file: IO[bytes], name: str, *, own: bool, given: Any = None) -> Tree:
    blocks = _check_container(file, name)
    import asdf

    with _asdf.configured(_asdf.PLAIN):
        try:
            handle = asdf.open(
                file,
                mode="r",
                memmap=True,
                lazy_load=True,
                lazy_tree=False,
                ignore_unrecognized_tag=True,
                ignore_missing_extensions=True,
            )
        except Exception as error:  # of a library that trusts what it reads
            raise unreadable(name, error) from error
    if not _asdf.has_blocks_at(handle, [block.position for block in blocks]):
        raise FileFormatError(f"{name}: damaged ASDF file: its index is not that of its blocks")
    content = handle.tree.get("roman")
    tag = asdf.tagged.get_tag(content)
    if content is None:
        raise FileFormatError(f"{name}: an ASDF file without Roman data (no 'roman' in its tree)")
    if not _schema.is_mission_tag(tag) or not isinstance(content, dict):
        raise FileFormatError(
            f"{name}: 'roman' is no object with a tag of the mission; its tag is {tag!r}"
        )
    try:
        data = _Open(file, handle, name, blocks, given).convert(content, strip=True)
    except Exception as error:
        raise unreadable(name, error) from error
    if not isinstance(data.get("meta"), dict):
        raise FileFormatError(f"{name}: 'roman' has no mapping 'meta'")
    header = {key: value for key, value in handle.tree.items() if key != "roman"}
    tree = Tree(data, str(tag), source=name, header=header)
    # The tree closes its file when nothing looks at it any more, or when a model is closed.
    tree.close = weakref.finalize(tree, _close, handle, file if own else None)
    return tree


def _close(handle: Any, file: IO[bytes] | None) -> None:
    handle.close()
    if file is not None:
        file.close()


def _check_container(file: IO[bytes], name: str) -> list[Block]:
    """Check that the file is ASDF and what its block headers say of it; return those.

    `asdf` reads blocks when they are needed, and would find a truncated file only then. It trusts
    what is written in the file, and so may whoever has the tree after this.
    """
    import yaml

    from .. import _yaml_head

    start = file.tell()
    magic = file.read(len(_yaml_head.MAGIC))
    if magic != _yaml_head.MAGIC:
        what = f"it starts with {magic!r}" if magic else "it is empty"
        raise FileFormatError(f"{name}: not an ASDF file: {what}")
    file.seek(start)
    try:
        text = _yaml_head.read_text(file)
        tree = _yaml_head.parse(text)
    except _yaml_head.HeadError as error:
        raise FileFormatError(f"{name}: {error}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise FileFormatError(f"{name}: damaged ASDF file: {one_line(error)}") from error
    if not isinstance(tree, dict):
        raise FileFormatError(f"{name}: damaged ASDF file: its head is no mapping")
    size = file.seek(0, os.SEEK_END)
    blocks: list[Block] = []
    try:
        for block in read_blocks(file, find_first_block(file, start + len(text))):
            _check_block(block, len(blocks), size, name)
            blocks.append(block)
    except EOFError:
        raise FileFormatError(f"{name}: truncated: the file ends inside a block header") from None
    file.seek(start)
    return blocks


def _check_block(block: Block, number: int, size: int, name: str) -> None:
    if block.is_streamed:
        return
    if block.end > size:
        raise FileFormatError(
            f"{name}: truncated: {size} bytes, but its blocks need at least {block.end}"
        )
    if block.used > block.allocated:
        raise FileFormatError(
            f"{name}: damaged ASDF file: block {number} has room for {block.allocated} bytes, and "
            f"claims to use {block.used}"
        )
    if not block.compression and block.used != block.size:
        raise FileFormatError(
            f"{name}: damaged ASDF file: block {number}, which is not compressed, uses "
            f"{block.used} bytes for {block.size}"
        )


class _Open:
    """Turns the tree that `asdf` returns into the plain tree of a model."""

    def __init__(
        self, file: IO[bytes], handle: Any, name: str, blocks: list[Block], given: Any
    ) -> None:
        self.file = file
        #: A file that the caller opened, which is left where it stands.
        self.given = given
        self.handle = handle
        self.name = name
        self.blocks = blocks

    def convert(self, value: Any, *, strip: bool = False) -> Any:
        """A value of the file as the tree holds it; `strip` ignores the value's own tag."""
        from asdf.tagged import TaggedDict, TaggedList, TaggedString, get_tag
        from asdf.tags.core.ndarray import NDArrayType

        if isinstance(value, NDArrayType):
            return self._array(value)
        tag = get_tag(value)
        if tag is not None and not strip:
            if "/time/time-" in tag or tag.startswith(_schema.TAGS + "file_date-"):
                return self._time(value)
            if _schema.is_mission_tag(tag):
                return self.convert(value, strip=True)
            if "/unit/unit-" in tag:
                return str(value)
            if "/unit/quantity-" in tag and np.isscalar(value["value"]):
                return self._quantity(value)
            if "/unit/quantity-" in tag and isinstance(value["value"], NDArrayType):
                return UnreadQuantity(self._array(value["value"]), str(value["unit"]))
            return Unread(lambda: self._object(value))
        if isinstance(value, TaggedString):
            return str(value)
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise FileFormatError(f"{self.name}: a whole number of more than 64 bits")
        if isinstance(value, (dict, TaggedDict)):
            return {str(key): self.convert(item) for key, item in value.items()}
        if isinstance(value, (list, TaggedList)):
            return [self.convert(item) for item in value]
        return value

    def _array(self, array: Any) -> Any:
        self._check_place(array)
        return Unread(
            lambda: self._read_array(array),
            tuple(array.shape),
            np.dtype(array.dtype),
            raw=lambda: self._raw_array(array),
        )

    def _check_place(self, array: Any) -> None:
        """Check that an array is within its block, which `asdf` and NumPy take for granted."""
        if hasattr(array._mask, "_source"):
            self._check_place(array._mask)
        source, shape, strides = array._source, array._shape, array._strides
        if isinstance(source, (str, list)):  # in another file, or written out in the head
            return
        if not _is_number(source) or source >= len(self.blocks):
            raise FileFormatError(
                f"{self.name}: truncated: its header names an array that the file does not hold "
                f"(source {source!r})"
            )
        block = self.blocks[source]
        if block.is_streamed:  # as long as the file happens to be, which NumPy sees to
            return
        what = f"{self.name}: damaged ASDF file: an array of shape {shape} in block {source}"
        if not isinstance(shape, list) or not all(map(_is_number, (source, array._offset, *shape))):
            raise FileFormatError(f"{what} at {array._offset!r}: expected whole numbers from 0")
        item = np.dtype(array.dtype).itemsize
        if strides is None:
            strides = [math.prod(shape[axis + 1 :]) * item for axis in range(len(shape))]
        if not isinstance(strides, list) or len(strides) != len(shape):
            raise FileFormatError(f"{what} with strides {strides!r}: expected one for each axis")
        reach = [(n - 1) * step for n, step in zip(shape, strides, strict=True)]
        first = array._offset + sum(step for step in reach if step < 0)
        end = array._offset + sum(step for step in reach if step > 0) + item
        n_bytes = math.prod(shape) * item
        if n_bytes and not (first >= 0 and max(end, n_bytes) <= block.size):
            raise FileFormatError(f"{what}, of {block.size} bytes, does not fit there")
        if block.compression and block.size > end + _MOST_UNUSED:
            raise FileFormatError(f"{what} needs {end} bytes; the block claims {block.size}")

    def _raw_array(self, lazy: Any) -> np.ndarray[Any, Any]:
        self._refuse_elsewhere(lazy)
        source = lazy._source
        try:
            with self._position_kept():
                if isinstance(source, int) and self.blocks[source].compression:
                    data = read_compressed(self.file, self.blocks[source])
                    array = np.ndarray(lazy._shape, lazy._dtype, data, lazy._offset, lazy._strides)
                else:
                    array = np.asarray(lazy)
        except Exception as error:
            raise self._unreadable(error) from error
        return np.asarray(array, order="C")

    def _position_kept(self) -> AbstractContextManager[None]:
        return nullcontext() if self.given is None else _inputs.position_kept(self.given)

    def _read_array(self, lazy: Any) -> np.ndarray[Any, Any]:
        array = self._writable(self._raw_array(lazy))
        if array.dtype == np.float16:
            return array.astype(np.float32)
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def _writable(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The same pixels, changeable in memory, with the file left alone.

        A mapped array is mapped again with copy-on-write: only touched pages are copied. Where
        its numbers do not start at a multiple of their size (a block may start anywhere in a
        file), it is copied at once, as the kernels need them to.
        """
        if array.flags.writeable:
            return array
        base: Any = array
        while base is not None and not isinstance(base, mmap.mmap):
            base = getattr(base, "base", None)
        mappable = array.flags.c_contiguous and array.flags.aligned and array.size > 0
        if base is None or not mappable:
            return array.copy()
        first_byte = np.frombuffer(base, np.uint8, 1).ctypes.data
        with self._position_kept():
            mapped = np.memmap(
                self.file,
                dtype=array.dtype,
                mode="c",
                offset=array.ctypes.data - first_byte,
                shape=array.shape,
            )
        return mapped.view(np.ndarray)

    def _time(self, value: Any) -> Any:
        from astropy.time import Time

        simple = not isinstance(value, dict) or value.keys() == {"value", "base_format"}
        text = str(value["value"] if isinstance(value, dict) else value)
        if simple and _ISO_DATE.match(text):
            # Naming the format spares astropy a search that fails its way through the others.
            return Time(text, format="isot" if "T" in text else "iso")
        return self._object(value)

    def _quantity(self, value: Any) -> Any:
        from astropy.units import Quantity, Unit

        return Quantity(value["value"], Unit(str(value["unit"]), format="vounit"))

    def _object(self, value: Any) -> Any:
        """An object of astropy or gwcs, made from its description in the file."""
        import asdf

        self._check_description(value)
        with _asdf.configured(_asdf.OBJECTS), self._position_kept():
            context = asdf.AsdfFile(
                version=self.handle.version_string, ignore_unrecognized_tag=True
            )
            check_tags(self.name, value, context.extension_manager, self.handle.tree)
            try:
                return asdf.yamlutil.tagged_tree_to_custom_tree(value, context)
            except Exception as error:
                if self._is_closed(error):
                    raise self._unreadable(error) from error
                raise unmade(self.name, value, error) from error

    def _check_description(self, value: Any) -> None:
        """Check what an object is to be made of: arrays of this file, and not too many axes."""
        if hasattr(value, "_source"):
            self._check_place(value)
            self._refuse_elsewhere(value)
        elif isinstance(value, dict):
            for key in ("mapping", "n_dims", "n_inputs"):
                numbers = value[key] if isinstance(value.get(key), list) else [value.get(key)]
                if any(isinstance(number, int) and number > _MOST_AXES for number in numbers):
                    raise FileFormatError(
                        f"{self.name}: a transform of more than {_MOST_AXES} axes"
                    )
            for item in value.values():
                self._check_description(item)
        elif isinstance(value, list):
            for item in value:
                self._check_description(item)

    def _refuse_elsewhere(self, array: Any) -> None:
        # Its address could be anywhere, and reading a file must not fetch another.
        if isinstance(array._source, str):
            raise FileFormatError(f"{self.name}: an array in another file ({array._source})")

    def _is_closed(self, error: Exception) -> bool:
        return self.file.closed or "closed" in str(error)

    def _unreadable(self, error: Exception) -> Exception:
        if self._is_closed(error):
            return ModelError(
                f"{self.name}: the file was closed before this value was read; "
                "read it before, or keep the model open"
            )
        return unreadable(self.name, error)


def _is_number(value: object) -> bool:
    """Whether it is a whole number from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# ---- writing -------------------------------------------------------------------------------


class Writer:
    """Makes the tree that goes into the file from the tree of a model.

    Arrays get the exact type of the schema: half precision is clipped to its largest finite value
    (NaN stays NaN). The manual's spectral exposure types get today's name where the schema has no
    other. Values that the schema tags (series 1.0 to 1.3) are tagged.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.tags: set[str] = {tree.tag}
        self.has_wcs = False

    def root(self) -> _asdf.Tagged:
        return _asdf.Tagged(self.tree.tag, self._convert(self.tree.data, ()))

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
        self.tags.add(tag)
        # The old tag of the file date stands for the time itself.
        return _asdf.Tagged(tag, value.isot if hasattr(value, "isot") else value)

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
    extension = _asdf.writing_extension(tree.tag, tuple(sorted(writer.tags)))
    names = _schema.properties(tree.schema(()))
    with _asdf.configured(packages) as config, replacing(path) as file:
        # Viewers show the first image that a file lists.
        order = _asdf.in_order(config, tree.tag, names)
        handle = asdf.AsdfFile({"roman": root}, extensions=[order, extension])
        options: dict[str, Any] = {"all_array_compression": compression}
        # Of all at once, and in the time in which the file goes to the disk; asdf does it before.
        checksums_later = "write_checksums" in inspect.signature(handle.write_to).parameters
        if checksums_later:
            options["write_checksums"] = False
        handle.write_to(file, **options)
        if checksums_later:
            write_checksums(file)
