"""Reading the files of the models."""

from __future__ import annotations

import os
import re
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np

from .._asdf_blocks import Block, find_first_block, read_blocks, read_index
from .._files import existing_or_local, open_regular
from .._tagged import Tagged
from ..errors import one_line
from . import _asdf, _inputs, _schema
from ._arrays import ArrayFile, position_kept
from ._blame import check_tags, unmade
from ._errors import FileFormatError, ModelTypeError
from ._tree import Tree, Unread, UnreadObject, UnreadQuantity

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_STANDARD = re.compile(rb"^#ASDF_STANDARD (\d+\.\d+\.\d+)\s*$", re.MULTILINE)
_ARRAY = "tag:stsci.edu:asdf/core/ndarray-"
#: What files say of their making, with tags of `asdf`.
_RECORDS = tuple(
    f"tag:stsci.edu:asdf/core/{name}-"
    for name in ("software", "history_entry", "extension_metadata")
)
#: How files of other kinds begin.
_OTHERS = {
    b"SIMP": "FITS files do",
    b"\x89PNG": "pictures in PNG do",
    b"\x89HDF": "files of HDF5 do",
    b"PK\3\4": ".npz and .zip files do",
    b"PAR1": "Parquet files do",
}
#: What a file says of itself, beside its content.
_HEADER = ("asdf_library", "history")
_MOST_AXES = 1000  # of a transform


def read(source: str | os.PathLike[str] | IO[bytes], *, of_any: bool = False) -> Tree:
    """Open an ASDF file and return its content; arrays stay in the file until they are touched.

    Parameters
    ----------
    source
        Path, open file, or model of the mission's library.
    of_any
        Whether a path may lead to a file that holds no Roman data. Its tree has no tag, and is
        all that the file holds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is not ASDF, is damaged, or holds nothing under ``roman``.
    ModelTypeError
        If it is an association (.json), or no file.
    InputError
        If it is a URL.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(existing_or_local(source))
        if path.suffix.lower() == ".json":
            raise ModelTypeError(
                f"{path}: an association cannot be opened as a data model; give the .asdf files "
                "that it names, one after the other"
            )
        # Kept open on purpose: arrays are read later. The tree's `close` closes it.
        file = open_regular(path)
        try:
            return _read(file, str(path), own=True, of_any=of_any)
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
    with position_kept(content):
        return _read(content, _inputs.name_of(source), own=False)


def _read(file: IO[bytes], name: str, *, own: bool, of_any: bool = False) -> Tree:
    root, standard, blocks = _read_container(file, name)
    arrays = ArrayFile(file, name, blocks, own=own)
    content = root.get("roman")
    if of_any and not (isinstance(content, Tagged) and _schema.is_mission_tag(content.tag)):
        return _foreign(_Content(arrays, standard), root)
    if content is None:
        raise FileFormatError(f"{name}: an ASDF file without Roman data (no 'roman' in its tree)")
    tag = content.tag if isinstance(content, Tagged) else None
    if not _schema.is_mission_tag(tag) or not isinstance(content.value, dict):
        raise FileFormatError(
            f"{name}: 'roman' is not an object with a tag of the mission; its tag is {tag!r}"
        )
    opened = _Content(arrays, standard)
    header = opened.convert({key: value for key, value in root.items() if key != "roman"})
    opened.header = header
    data = opened.convert(content)
    if not isinstance(data.get("meta"), dict):
        raise FileFormatError(f"{name}: 'roman' has no mapping 'meta'")
    tree = Tree(data, str(tag), source=name, header=header)
    # The tree closes its file when nothing looks at it any more, or when a model is closed.
    tree.close = weakref.finalize(tree, arrays.close)
    return tree


def _foreign(opened: _Content, root: dict[Any, Any]) -> Tree:
    """All of a file that holds no Roman data, but what it says of its making."""
    header = opened.convert({key: root[key] for key in _HEADER if key in root})
    content = {key: value for key, value in root.items() if key not in _HEADER}
    tree = Tree(opened.convert(content), "", source=opened.name, header=header)
    tree.close = weakref.finalize(tree, opened.arrays.close)
    return tree


def _read_container(file: IO[bytes], name: str) -> tuple[dict[Any, Any], str | None, list[Block]]:
    """The tree of a file, its version of the standard, and its blocks, which lie within it."""
    import yaml

    from .. import _yaml_head

    start = file.tell()
    magic = file.read(len(_yaml_head.MAGIC))
    if magic != _yaml_head.MAGIC:
        what = f"it starts with {magic!r}" if magic else "it is empty"
        what += next((f", as {kind}" for start, kind in _OTHERS.items() if magic[:4] == start), "")
        raise FileFormatError(f"{name}: not an ASDF file: {what}")
    file.seek(start)
    try:
        text = _yaml_head.read_text(file)
        tree = _yaml_head.parse_tagged(text)
    except _yaml_head.HeadError as error:
        raise FileFormatError(f"{name}: {error}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise FileFormatError(f"{name}: damaged ASDF file: {one_line(error)}") from error
    root = tree.value if isinstance(tree, Tagged) else tree
    if not isinstance(root, dict):
        raise FileFormatError(f"{name}: damaged ASDF file: its head is not a mapping")
    size = file.seek(0, os.SEEK_END)
    blocks: list[Block] = []
    try:
        for block in read_blocks(file, find_first_block(file, start + len(text))):
            _check_block(block, len(blocks), size, name)
            blocks.append(block)
    except EOFError:
        raise FileFormatError(f"{name}: truncated: the file ends inside a block header") from None
    _check_index(file, blocks, name)
    file.seek(start)
    standard = _STANDARD.search(text)
    return root, standard.group(1).decode() if standard else None, blocks


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


def _check_index(file: IO[bytes], blocks: list[Block], name: str) -> None:
    """Refuses an index that names blocks, but not those there: other readers go by it.

    One that names what is no block is useless, and is ignored.
    """
    index = read_index(file, blocks)
    positions = [block.position for block in blocks]
    if index and index != positions and set(index) <= set(positions):
        raise FileFormatError(f"{name}: damaged ASDF file: its block index does not fit its blocks")


class _Content:
    """Turns the head of a file into the plain tree of a model."""

    def __init__(self, arrays: ArrayFile, standard: str | None) -> None:
        self.arrays = arrays
        self.name = arrays.name
        self.standard = standard
        #: What the file says of who wrote it.
        self.header: dict[str, Any] = {}

    def convert(self, value: Any) -> Any:
        """A value of the head as the tree holds it."""
        if isinstance(value, Tagged):
            return self._tagged(value)
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise FileFormatError(f"{self.name}: a whole number of more than 64 bits")
        if isinstance(value, dict):
            return {str(key): self.convert(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.convert(item) for item in value]
        return value

    def _tagged(self, tagged: Tagged) -> Any:
        tag, value = tagged.tag, tagged.value
        if tag.startswith(_ARRAY):
            return self._array(value)
        if "/time/time-" in tag or tag.startswith(_schema.TAGS + "file_date-"):
            return self._time(tagged)
        if _asdf.package_of(tag) is None or tag.startswith(_RECORDS):
            # The mission's, or one of a library that is not used here: plain values.
            return self.convert(value)
        if "/unit/unit-" in tag:
            return str(value)
        if "/unit/quantity-" in tag and isinstance(value, dict):
            number, unit = value.get("value"), value.get("unit")
            unit = str(unit.value if isinstance(unit, Tagged) else unit)
            if np.isscalar(number):
                return self._quantity(number, unit)
            if isinstance(number, Tagged) and number.tag.startswith(_ARRAY):
                return UnreadQuantity(self._array(number.value), unit)
        self._check_arrays(value)
        return UnreadObject(lambda: self._object(tagged), lambda: self._description(tagged), tagged)

    def _time(self, tagged: Tagged) -> Any:
        from astropy.time import Time

        value = tagged.value
        simple = not isinstance(value, dict) or value.keys() == {"value", "base_format"}
        text = str(value.get("value") if isinstance(value, dict) else value)
        if simple and _ISO_DATE.match(text):
            # Naming the format spares astropy a search that fails its way through the others.
            try:
                return Time(text, format="isot" if "T" in text else "iso")
            except ValueError as error:
                raise self.arrays.damaged(error) from error
        return self._object(tagged)

    def _array(self, node: Any) -> Unread:
        array = self.arrays.describe(node)
        return Unread(
            lambda: self.arrays.read(array),
            array.shape,
            array.dtype,
            raw=lambda: self.arrays.read_raw(array),
        )

    def _quantity(self, number: Any, unit: str) -> Any:
        from astropy.units import Quantity, Unit

        try:
            return Quantity(number, Unit(unit, format="vounit"))
        except (ValueError, TypeError) as error:
            raise self.arrays.damaged(error) from error

    def _object(self, tagged: Tagged) -> Any:
        """An object of astropy or gwcs, made from its description in the file."""
        description = self._description(tagged)
        _asdf.load_objects()
        with _asdf.configured(_asdf.OBJECTS):
            import asdf

            value, context = _asdf.for_asdf(description), _asdf.context(self.standard)
            check_tags(self.name, value, context.extension_manager, self.header)
            try:
                return asdf.yamlutil.tagged_tree_to_custom_tree(value, context)
            except Exception as error:  # of libraries that trust what they read
                raise unmade(self.name, value, error) from error

    def _description(self, tagged: Tagged) -> Tagged:
        """What the file says of an object, with its arrays."""
        self.arrays.check_open()
        description: Tagged = self._described(tagged)
        return description

    def _check_arrays(self, value: Any) -> None:
        """Checks the arrays that an object is to be made of."""
        if isinstance(value, Tagged):
            if value.tag.startswith(_ARRAY):
                self.arrays.describe(value.value)
            else:
                self._check_arrays(value.value)
        elif isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                self._check_arrays(item)

    def _described(self, value: Any) -> Any:
        """A description with its arrays read, once it is seen to have not too many axes."""
        if isinstance(value, Tagged):
            if value.tag.startswith(_ARRAY):
                return self.arrays.read(self.arrays.describe(value.value))
            return Tagged(value.tag, self._described(value.value))
        if isinstance(value, list):
            return [self._described(item) for item in value]
        if not isinstance(value, dict):
            return value
        for key in ("mapping", "n_dims", "n_inputs"):
            numbers = value[key] if isinstance(value.get(key), list) else [value.get(key)]
            if any(isinstance(number, int) and number > _MOST_AXES for number in numbers):
                raise FileFormatError(f"{self.name}: a transform of more than {_MOST_AXES} axes")
        return {key: self._described(item) for key, item in value.items()}
