"""The arrays of an ASDF file: what its head says of them, and their pixels."""

from __future__ import annotations

import io
import math
import mmap
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np

from .. import _traffic
from .._asdf_blocks import Block, read_compressed
from .._tagged import Tagged
from ..errors import RomancalError, one_line
from ._blame import unreadable
from ._errors import FileFormatError, ModelError

#: What a compressed block may hold beyond its array: old files keep all of an array of which they
#: show a part.
_MOST_UNUSED = 64 * 2**20
_CHUNK = 1 << 24
#: Of a text in an array; NumPy counts its bytes, four for a letter, with 31 bits.
_MOST_LETTERS = 2**29 - 1
_NUMBERS = {
    **{f"{kind}int{bits}": f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)},
    **{name: name for name in ("float16", "float32", "float64", "complex64", "complex128")},
    "bool8": "bool",
}
_NAMES = {of_numpy: name for name, of_numpy in _NUMBERS.items()}
_TEXTS = {"ascii": "S", "ucs4": "U"}
#: Of NumPy's kinds of text the standard's name, and the bytes of a letter.
_TEXTS_OF_KIND = {"S": ("ascii", 1), "U": ("ucs4", 4)}
_ORDERS: dict[str, Literal[">", "<"]] = {"big": ">", "little": "<"}


@dataclass(frozen=True)
class StoredArray:
    """What the head of a file says of an array.

    Attributes
    ----------
    source : int, str or None
        Number of its block, or the file that it is in; None if it is written out in the head.
    shape : tuple of int
    dtype : numpy.dtype
        With its byte order in the file.
    offset : int
        Where in the block it begins.
    strides : tuple of int or None
    numbers : ndarray or None
        What is written out in the head.
    is_masked : bool
    """

    source: int | str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int = 0
    strides: tuple[int, ...] | None = None
    numbers: np.ndarray[Any, Any] | None = None
    is_masked: bool = False


class ArrayFile:
    """The arrays of an open file.

    Parameters
    ----------
    file
        Where they are read, at their positions: any number of threads may read at once. A plain
        file of the system is not moved; any other has to be, by its own `seek` and `read`, and goes
        back to where it stood.
    name : str
        For messages.
    blocks : sequence of Block
        They lie within the file.
    own : bool
        Whether to close `file` with this.
    """

    def __init__(self, file: IO[bytes], name: str, blocks: Sequence[Block], *, own: bool) -> None:
        self.file = file
        self.name = name
        self.blocks = blocks
        self.own = own
        with position_kept(file):
            self.size = file.seek(0, os.SEEK_END)
        self.closed = False
        self._is_plain = is_plain(file) and hasattr(os, "preadv")

    def close(self) -> None:
        """No array can be read any more."""
        self.closed = True
        if self.own:
            self.file.close()

    def check_open(self) -> None:
        """Raises `ModelError` if the file was closed."""
        if self.closed or self.file.closed:
            raise ModelError(
                f"{self.name}: the file was closed before this value was read; "
                "read it before, or keep the model open"
            )

    def damaged(self, what: object) -> FileFormatError:
        return FileFormatError(f"{self.name}: damaged ASDF file: {one_line(what)}")

    # --- what the head says

    def describe(self, node: Any) -> StoredArray:
        """The array that a value of the head with the tag of an array stands for.

        Raises
        ------
        FileFormatError
            If it says nothing of an array, or of one that does not lie within its block: NumPy
            would take that for granted.
        """
        if isinstance(node, list):
            node = {"data": node}
        if not isinstance(node, dict) or ("source" in node) == ("data" in node):
            raise self.damaged("an array has either a source or data")
        if "data" in node:
            return self._written_out(node)
        source, offset, strides = node["source"], node.get("offset", 0), node.get("strides")
        dtype = self._dtype(node.get("datatype"), node.get("byteorder", sys.byteorder))
        shape = node.get("shape")
        is_masked = node.get("mask") is not None
        if isinstance(source, str):
            shape = shape if isinstance(shape, list) and all(map(_is_number, shape)) else ()
            return StoredArray(source, tuple(shape), dtype, is_masked=is_masked)
        if not _is_number(source) or source >= len(self.blocks):
            raise FileFormatError(
                f"{self.name}: truncated: its header names an array that the file does not hold "
                f"(source {source!r})"
            )
        block = self.blocks[source]
        what = f"an array of shape {shape} in block {source}"
        if not isinstance(shape, list):
            raise self.damaged(f"{what}: expected a list")
        if not _is_number(offset):
            raise self.damaged(f"{what} at {offset!r}: expected a whole number from 0")
        if block.is_streamed and shape and shape[0] == "*" and all(map(_is_number, shape[1:])):
            row = math.prod(shape[1:]) * dtype.itemsize
            shape = [(self._size(block) - offset) // row if row else 0, *shape[1:]]
        if not all(map(_is_number, shape)):
            raise self.damaged(f"{what}: expected whole numbers from 0")
        if not _can_be(shape, dtype):
            raise self.damaged(f"{what} of {dtype}: no array can be so large")
        if strides is not None and not (
            isinstance(strides, list)
            and len(strides) == len(shape)
            and all(isinstance(step, int) for step in strides)
        ):
            raise self.damaged(f"{what} with strides {strides!r}: expected one for each axis")
        if strides is not None:  # along an axis of length 1 there are none, whatever is said
            strides = [step if n > 1 else 0 for n, step in zip(shape, strides, strict=True)]
        array = StoredArray(
            source,
            tuple(shape),
            dtype,
            offset,
            None if strides is None else tuple(strides),
            is_masked=is_masked,
        )
        self._check_place(array, block, what)
        return array

    def _check_place(self, array: StoredArray, block: Block, what: str) -> None:
        """Checks that an array is within its block."""
        shape, item = array.shape, array.dtype.itemsize
        strides = array.strides
        if strides is None:
            strides = tuple(math.prod(shape[axis + 1 :]) * item for axis in range(len(shape)))
        reach = [(n - 1) * step for n, step in zip(shape, strides, strict=True)]
        first = array.offset + sum(step for step in reach if step < 0)
        end = array.offset + sum(step for step in reach if step > 0) + item
        n_bytes = math.prod(shape) * item
        size = self._size(block)
        if n_bytes and not (first >= 0 and max(end, n_bytes) <= size):
            raise self.damaged(f"{what}, of {size} bytes, does not fit there")
        if block.compression and size > end + _MOST_UNUSED:
            raise self.damaged(f"{what} needs {end} bytes; the block claims {size}")

    def _size(self, block: Block) -> int:
        """Bytes of a block's data; one that is streamed has all up to the end of the file."""
        return self.size - block.start if block.is_streamed else block.size

    def _written_out(self, node: dict[str, Any]) -> StoredArray:
        dtype = None
        if "datatype" in node:
            dtype = self._dtype(node["datatype"], sys.byteorder)
        try:
            numbers = np.array(_untagged(node["data"]), dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise self.damaged(f"an array that is written out in the head: {error}") from error
        shape = node.get("shape", list(numbers.shape))
        if numbers.dtype.hasobject or shape != list(numbers.shape):
            raise self.damaged(
                f"an array of shape {shape} is written out in the head as one of "
                f"{list(numbers.shape)}, {numbers.dtype}"
            )
        return StoredArray(
            None, numbers.shape, numbers.dtype, numbers=numbers, is_masked=bool(node.get("mask"))
        )

    def _dtype(self, datatype: Any, order: Any) -> np.dtype[Any]:
        """NumPy's type for a `datatype` of the ASDF standard."""
        if not isinstance(order, str) or order not in _ORDERS:
            raise self.damaged(f"an array of byte order {order!r}: expected big or little")
        mark = _ORDERS[order]
        if isinstance(datatype, str) and datatype in _NUMBERS:
            return np.dtype(_NUMBERS[datatype]).newbyteorder(mark)
        if isinstance(datatype, list) and len(datatype) == 2 and datatype[0] in list(_TEXTS):
            if _is_number(datatype[1]) and 0 < datatype[1] <= _MOST_LETTERS:
                return np.dtype(f"{mark}{_TEXTS[datatype[0]]}{datatype[1]}")
        elif isinstance(datatype, list) and datatype:
            try:
                return np.dtype([self._field(field, order) for field in datatype])
            except (ValueError, TypeError) as error:
                raise self.damaged(f"an array of datatype {datatype!r}: {error}") from error
        raise self.damaged(f"an array of unknown datatype {datatype!r}")

    def _field(self, field: Any, order: str) -> tuple[Any, ...]:
        if not isinstance(field, dict):
            return "", self._dtype(field, order)
        dtype = self._dtype(field.get("datatype"), field.get("byteorder", order))
        return str(field.get("name", "")), dtype, tuple(field.get("shape", ()))

    # --- pixels

    def read_raw(self, array: StoredArray) -> np.ndarray[Any, Any]:
        """An array as it lies in the file; it may be unaligned, and not writable.

        Raises
        ------
        ModelError
            If the file was closed, or something is missing that it takes: memory, a package.
        FileFormatError
            If the array is in another file, or masked, or its block is damaged.
        OSError
            If the system refuses something; it names the file.
        """
        return self._read(array, "r")

    def read(self, array: StoredArray) -> np.ndarray[Any, Any]:
        """An array that can be changed in memory, with the file left alone; see `read_raw`.

        It is aligned and in the byte order of the machine, half precision made single. Of a mapped
        file only touched pages are copied; where its numbers do not start at a multiple of their
        size (a block may start anywhere in a file), all are at once, as the kernels need them to.
        """
        result = self._read(array, "c")
        if result.dtype == np.float16:
            return result.astype(np.float32)
        result = result.astype(result.dtype.newbyteorder("="), copy=False)
        if result.flags.writeable and result.flags.aligned:
            return result
        return result.copy()

    def _read(self, array: StoredArray, mode: Literal["r", "c"]) -> np.ndarray[Any, Any]:
        self.check_elsewhere(array)
        if array.is_masked:
            raise FileFormatError(
                f"{self.name}: an array with a mask, which this package does not read"
            )
        if array.numbers is not None:
            return array.numbers.copy()
        assert isinstance(array.source, int)
        self.check_open()
        if 0 in array.shape:  # which lies nowhere
            return np.empty(array.shape, array.dtype)
        data = self._data(self.blocks[array.source], mode)
        result = np.ndarray(array.shape, array.dtype, data, array.offset, array.strides)
        return np.asarray(result, order="C")

    def check_elsewhere(self, array: StoredArray) -> None:
        """Refuses an array of another file: reading a file must not fetch another."""
        if isinstance(array.source, str):
            raise FileFormatError(f"{self.name}: an array in another file ({array.source})")

    def _data(self, block: Block, mode: Literal["r", "c"]) -> np.ndarray[Any, Any]:
        """The bytes of a block."""
        size = self._size(block)
        try:
            return self._bytes(block, mode, size)
        except (RomancalError, ImportError, MemoryError, OSError) as error:
            raise unreadable(self.name, error) from error

    def _bytes(self, block: Block, mode: Literal["r", "c"], size: int) -> np.ndarray[Any, Any]:
        if self._is_plain and size and not block.compression:
            return self._mapped(block.start, size, mode)
        n_stored = block.used if block.compression else size
        with _traffic.reading(self.name, n_stored):
            stored = self._read_at(block.start, n_stored)
            if block.compression:
                return read_compressed(stored.data, block)
        if len(stored) != size:
            raise FileFormatError(f"{self.name}: truncated while it was open")
        return stored

    def _mapped(self, start: int, size: int, mode: Literal["r", "c"]) -> np.ndarray[Any, Any]:
        """Bytes of a plain file as memory; those that are changed there become copies."""
        # Not `numpy.memmap`, which moves the file to measure it.
        access = mmap.ACCESS_READ if mode == "r" else mmap.ACCESS_COPY
        first = start - start % mmap.ALLOCATIONGRANULARITY
        length = start + size - first
        try:
            memory = mmap.mmap(self._number(), length, access=access, offset=first)
        except ValueError:
            raise FileFormatError(f"{self.name}: truncated while it was open") from None
        return np.frombuffer(memory, np.uint8, size, start - first)

    def _read_at(self, position: int, size: int) -> np.ndarray[Any, Any]:
        """Bytes from a position on; fewer if the file ends before."""
        data = np.empty(size, np.uint8)
        if self._is_plain:
            number = self._number()
            filled = _fill(data, lambda part, done: os.preadv(number, [part], position + done))
        else:
            file: Any = self.file
            with position_kept(file):
                file.seek(position)
                filled = _fill(data, lambda part, _: file.readinto(part))
        return data[:filled]

    def _number(self) -> int:
        """The system's number of a plain file, which then holds what was written to it."""
        if self.file.writable():
            self.file.flush()
        return self.file.fileno()


def _fill(data: np.ndarray[Any, Any], read: Callable[[memoryview, int], int]) -> int:
    """Fills bytes by reading parts of them; how many there were."""
    filled = 0
    while filled < len(data) and (n := read(data.data[filled : filled + _CHUNK], filled)):
        filled += n
    return filled


#: For files that are read by moving them, which may be one behind several models.
_moving = threading.RLock()


@contextmanager
def position_kept(file: Any) -> Iterator[None]:
    """Leaves a file where it stood, for whoever else reads it; one thread at a time."""
    with _moving:
        position = file.tell()
        try:
            yield
        finally:
            if not getattr(file, "closed", False):
                file.seek(position)


def is_plain(file: IO[bytes]) -> bool:
    """Whether reading a file gives what the system has under its number.

    What gzip and others open has the number of the compressed file, or of an archive.
    """
    raw = file.raw if type(file) in (io.BufferedReader, io.BufferedRandom) else file  # type: ignore[attr-defined]
    return type(raw) is io.FileIO and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def datatype_in_file(dtype: np.dtype[Any]) -> tuple[Any, str] | None:
    """What the standard calls a type and its byte order; None for types that it does not have."""
    order = "big" if dtype.str.startswith(">") else "little"
    if dtype.names is not None and dtype.fields is not None:
        fields = []
        for name in dtype.names:
            field = dtype.fields[name][0]
            inner = datatype_in_file(field.base)
            if inner is None:
                return None
            shape = {"shape": list(field.shape)} if field.shape else {}
            fields.append({"name": name, "datatype": inner[0], "byteorder": inner[1], **shape})
        return fields, order
    letters = _TEXTS_OF_KIND.get(dtype.kind)
    if letters is not None:
        name, size = letters
        return [name, dtype.itemsize // size], order
    found = _NAMES.get(dtype.name)
    return None if found is None else (found, order)


def without_gaps(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Records whose fields lie one after the other, as files have them; all else as it is."""
    dtype = array.dtype
    if dtype.names is None or dtype.fields is None:
        return array
    packed = np.dtype([(name, dtype.fields[name][0]) for name in dtype.names])
    return array.astype(packed, copy=False)


def _untagged(value: Any) -> Any:
    """What is written out of an array, as numbers: those that are complex have a tag."""
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if isinstance(value, Tagged) and "/complex-" in value.tag:
        text = str(value.value)
        return complex(text[:-1] + "j" if text[-1:] in "iIJ" else text)
    return value


def _can_be(shape: list[int], dtype: np.dtype[Any]) -> bool:
    """Whether NumPy has arrays of so many axes, and so long ones, even where one has length 0."""
    if math.prod(n or 1 for n in shape) * dtype.itemsize > sys.maxsize:
        return False
    try:
        np.broadcast_to(np.empty((), np.uint8), shape)
    except ValueError:
        return False
    return True


def _is_number(value: object) -> bool:
    """Whether it is a whole number from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
