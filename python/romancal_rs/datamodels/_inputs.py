"""What models can be made of besides a path: open files, models of the mission's library."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import IO, Any, cast

import numpy as np

from ._arrays import is_plain
from ._errors import ModelError, ModelTypeError
from ._tree import Tree, Unread

_OF_THE_MISSION = "roman_datamodels."
_CLOSED = (
    "the file of a model of roman_datamodels was closed; keep the model open until all is read"
)


def is_open_file(source: object) -> bool:
    """Whether it is a file that somebody opened, of whatever kind."""
    return hasattr(source, "read") and not is_of_the_mission(source)


def can_open(source: object) -> bool:
    """Whether `open` takes an object that is neither a path nor a model of this package.

    Parameters
    ----------
    source : object
        An open file, or a model of another library, for example.

    Returns
    -------
    bool
    """
    return is_open_file(source) or is_of_the_mission(source)


def path_of(source: object) -> str | None:
    """The path of an open file that is read from its beginning.

    None for anything else: what unpacks or fetches as it is read, or a file that was renamed.

    Parameters
    ----------
    source : object
        An open file, or anything else.

    Returns
    -------
    str or None
        None if it is no such file.
    """
    if not isinstance(source, io.IOBase) or source.closed or not is_plain(cast("Any", source)):
        return None
    name = getattr(source, "name", None)
    if not isinstance(name, str) or source.tell() != 0:
        return None
    try:
        is_there = os.path.samestat(os.stat(name), os.fstat(source.fileno()))
    except (OSError, ValueError):
        return None
    return name if is_there else None


def name_of(file: Any) -> str:
    """What messages call an open file."""
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name else "the given file"


def readable(file: Any) -> IO[bytes]:
    """A file that can be read, and mapped if and only if its bytes are those on the disk.

    A file that was opened for decompression, or that is a member of an archive, may well have the
    number of the file around it, whose bytes are others.

    Raises
    ------
    ModelTypeError
        If it was opened as text, or cannot go back to what it has read.
    """
    if is_plain(file) or type(file) is io.BytesIO:
        return file
    name = name_of(file)
    if isinstance(file, io.TextIOBase):
        raise ModelTypeError(f"{name}: opened as text; open it with mode 'rb'")
    if not hasattr(file, "seek") or not hasattr(file, "tell") or not _can_seek(file):
        raise ModelTypeError(
            f"{name}: a {type(file).__name__} without random access (seek); read it into an "
            "io.BytesIO first"
        )
    return cast("IO[bytes]", _Bytes(file))


def _can_seek(file: Any) -> bool:
    seekable = getattr(file, "seekable", None)
    return seekable is None or bool(seekable())


class _Bytes(io.RawIOBase):
    """The bytes that a file gives when it is read, and nothing else of it: no file number."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        filled = 0
        while filled < len(buffer) and (piece := self._file.read(len(buffer) - filled)):
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._file.tell())


def is_of_the_mission(source: object) -> bool:
    """Whether it is a model of the mission's library, which need not be installed."""
    return type(source).__module__.startswith(_OF_THE_MISSION) and hasattr(source, "meta")


def tree_of(model: Any) -> Tree:
    """The tree of a model of the mission's library. Arrays are shared, not copied.

    Raises
    ------
    ModelTypeError
        If it does not tell what it is.
    ModelError
        If its file was closed.
    """
    tag = getattr(model, "tag", None)
    if not isinstance(tag, str) or not hasattr(model, "keys"):
        raise ModelTypeError(
            f"a {type(model).__module__}.{type(model).__qualname__} that does not state its tag; "
            "save it, and pass the path of its file"
        )
    data = {str(key): _plain(model[key]) for key in model.keys()}  # noqa: SIM118 (no Mapping)
    tree = Tree(data, tag, header=_header(model))
    tree.shares_with = model  # which closes its file when nobody has it any more
    return tree


def _header(model: Any) -> dict[str, Any]:
    """What the file says of itself that a model came from: who wrote it, and by that when.

    Only a private attribute knows it. A model that was made in memory has nothing of the kind.

    Raises
    ------
    ModelError
        If the file was closed.
    """
    file = getattr(model, "_asdf", None)
    try:
        tree = {} if file is None else file.tree
    except OSError as error:
        raise ModelError(_CLOSED) from error
    return {str(key): _plain(tree[key]) for key in tree if key != "roman"}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in value}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.astype(np.float32) if value.dtype == np.float16 else value
    if hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "__array__"):
        return _lazy(value)  # asking it for more would read it
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(item) for item in value]
    if type(value).__module__.startswith(_OF_THE_MISSION):
        return _base_of(value)
    return value


def _lazy(array: Any) -> Unread:
    """An array of a file that the mission's library has open: read when it is first touched."""

    def stored() -> np.ndarray[Any, Any]:
        try:
            return np.asarray(array)
        except OSError as error:
            if error.errno is not None:
                raise
            raise ModelError(_CLOSED) from error

    def read() -> np.ndarray[Any, Any]:
        values = stored()
        if values.dtype == np.float16:
            return values.astype(np.float32)
        return np.array(values, values.dtype.newbyteorder("="), order="C")

    return Unread(read, tuple(array.shape), np.dtype(array.dtype), raw=stored)


def _base_of(value: Any) -> Any:
    """A tagged scalar of older series as what it is: text, a number, a time."""
    for base in type(value).__mro__[1:]:
        if not base.__module__.startswith(_OF_THE_MISSION):
            return base(value)
    return value
