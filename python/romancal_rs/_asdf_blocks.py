"""The binary blocks of an ASDF file: where they lie, what their headers say, and their data."""

from __future__ import annotations

import bz2
import contextlib
import hashlib
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from ._threads import Threads
from .errors import RomancalError

if TYPE_CHECKING:
    import numpy as np


MAGIC = b"\xd3BLK"
NO_CHECKSUM = bytes(16)
_SIZE_OF_HEADER = struct.Struct(">H")
# Flags, compression, allocated size, used size, size of the data, checksum.
_HEADER = struct.Struct(">I4sQQQ16s")
_STREAMED = 1
_CHUNK = 1 << 20
_SEARCHED = 1 << 16
INDEX = b"#ASDF BLOCK INDEX"
#: The index as `asdf` and this package write it.
_AS_WRITTEN = re.compile(rb"%YAML 1\.1\n---\n((?:- [0-9]{1,18}\n)+)\.\.\.\n?")


class DamagedBlockError(RomancalError, ValueError):
    """A block is not what its header says."""


class UnknownCompressionError(RomancalError, ValueError):
    """A block is compressed in a way that this package does not know.

    Attributes
    ----------
    compression : str
    """

    def __init__(self, compression: bytes) -> None:
        self.compression = compression.decode("ascii", "replace")
        super().__init__(compression)

    def __str__(self) -> str:
        return f"a block is compressed by {self.compression}, which this package does not read"


@dataclass(frozen=True)
class Block:
    """What the header of a block says.

    Attributes
    ----------
    start : int
        Where in the file its data begin.
    is_streamed : bool
        It reaches to the end of the file, whatever that is, and has no checksum.
    compression : bytes
        Empty, or the name of the compression: ``b"lz4"``.
    allocated, used : int
        Bytes that it takes in the file, and those of them that are data.
    size : int
        Bytes of the data when they are not compressed.
    checksum : bytes
        The MD5 of its bytes, or zeros for none.
    """

    start: int
    is_streamed: bool
    compression: bytes
    allocated: int
    used: int
    size: int
    checksum: bytes
    header_size: int = _HEADER.size

    def header(self) -> bytes:
        """Its magic and header, as they stand in a file."""
        fields = (self.allocated, self.used, self.size, self.checksum)
        packed = _HEADER.pack(_STREAMED * self.is_streamed, self.compression, *fields)
        return MAGIC + _SIZE_OF_HEADER.pack(_HEADER.size) + packed

    @property
    def position(self) -> int:
        """Where in the file its magic is."""
        return self.start - self.header_size - _SIZE_OF_HEADER.size - len(MAGIC)

    @property
    def end(self) -> int:
        """Where in the file the next block begins."""
        return self.start + self.allocated

    @property
    def checksum_position(self) -> int:
        """Where in the file the checksum is: it is the last field, and nothing follows it."""
        return self.start - len(NO_CHECKSUM)


def read_blocks(file: IO[bytes], position: int) -> Iterator[Block]:
    """The headers of the blocks from that position on, up to what is not a block.

    Whether the file is as long as they say is for the caller to see.

    Raises
    ------
    EOFError
        If the file ends inside a header.
    """
    while True:
        file.seek(position)
        if file.read(len(MAGIC)) != MAGIC:
            return  # the end, or an index of the blocks
        try:
            (header_size,) = _SIZE_OF_HEADER.unpack(file.read(_SIZE_OF_HEADER.size))
            fields = _HEADER.unpack(file.read(header_size)[: _HEADER.size])
        except struct.error:
            raise EOFError("the file ends inside the header of a block") from None
        flags, compression, allocated, used, size, checksum = fields
        block = Block(
            start=position + len(MAGIC) + _SIZE_OF_HEADER.size + header_size,
            is_streamed=bool(flags & _STREAMED),
            compression=compression.rstrip(b"\0"),
            allocated=allocated,
            used=used,
            size=size,
            checksum=checksum,
            header_size=header_size,
        )
        yield block
        if block.is_streamed:
            return
        position = block.end


def find_first_block(file: IO[bytes], position: int = 0) -> int:
    """Where the blocks begin, after the head and what fills the space up to them.

    The end of the file if there are none.
    """
    file.seek(position)
    last = b""
    while chunk := file.read(_SEARCHED):
        found = (last + chunk).find(MAGIC)
        if found >= 0:
            return position - len(last) + found
        position += len(chunk)
        last = chunk[1 - len(MAGIC) :]
    return position


def read_index(file: IO[bytes], blocks: Sequence[Block]) -> list[int] | None:
    """Where the index at the end of a file says that its blocks are; None if it says nothing."""
    if not blocks or blocks[-1].is_streamed:
        return None
    file.seek(blocks[-1].end)
    first, _, text = file.read(256 + 32 * len(blocks)).partition(b"\n")
    if first.rstrip() != INDEX:
        return None
    listed = _AS_WRITTEN.fullmatch(text)
    if listed is not None:
        return [int(line[2:]) for line in listed.group(1).splitlines()]
    return _parsed_index(text)


def _parsed_index(text: bytes) -> list[int] | None:
    """The numbers of an index that is laid out as nobody does who is known."""
    import yaml

    from . import _yaml_head

    try:
        index = _yaml_head.parse(text)
    except (_yaml_head.HeadError, yaml.YAMLError, ValueError):
        return None
    if not isinstance(index, list) or not all(isinstance(n, str) and n.isdigit() for n in index):
        return None
    return [int(number) for number in index]


def head_digest(path: str | os.PathLike[str]) -> str:
    """A SHA-256 that tells whether a file is the same, without reading its arrays.

    It is that of the head and of the headers of all blocks, which hold checksums of the arrays.
    """
    with open(path, "rb") as file:
        return digest_of_head(file)[0]


def digest_of_head(file: IO[bytes]) -> tuple[str, list[Block], bool]:
    """The same of an open file, with its blocks, and whether the last of their headers is whole."""
    end = find_first_block(file)
    file.seek(0)
    digest = hashlib.sha256(file.read(end))
    blocks: list[Block] = []
    is_whole = False
    with contextlib.suppress(EOFError):  # a damaged file has a digest, too
        for block in read_blocks(file, end):
            digest.update(repr(block).encode())
            blocks.append(block)
        is_whole = True
    return digest.hexdigest(), blocks, is_whole


def read_compressed(stored: memoryview, block: Block) -> np.ndarray:
    """The data of a compressed block, as uint8; never more of them than its header says.

    Parameters
    ----------
    stored : memoryview
        The bytes of the block as they stand in the file.
    block : Block

    Raises
    ------
    DamagedBlockError
        If the block is not what its header says.
    UnknownCompressionError
        If its compression is not known.
    ModuleNotFoundError
        If the package that undoes its compression is not installed.
    """
    import numpy as np

    if block.compression == b"lz4":
        return _read_lz4(stored, block.size)
    data = np.empty(block.size, np.uint8)
    filled = 0
    for piece in unpacked(stored, block.compression):
        if filled + len(piece) > block.size:
            raise DamagedBlockError(f"a block has more than the {block.size} bytes that it claims")
        data[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    if filled != block.size:
        raise DamagedBlockError(f"a block has {filled} bytes, not the {block.size} that it claims")
    return data


def unpacked(stored: bytes | memoryview, compression: bytes) -> Iterator[bytes]:
    """The data of a compressed block, piece by piece, so that few bytes never become many at once.

    Raises
    ------
    DamagedBlockError
        If they cannot be made.
    UnknownCompressionError
        If the compression is not known.
    ModuleNotFoundError
        If the package that undoes it is not installed.
    """
    if compression == b"lz4":
        yield from (_decompress_lz4(part) for part, _ in _lz4_parts(memoryview(stored)))
    elif compression == b"zlib":
        inflater = zlib.decompressobj()
        try:
            while piece := inflater.decompress(stored, _CHUNK):
                yield piece
                stored = inflater.unconsumed_tail
        except zlib.error as error:
            raise DamagedBlockError(f"a zlib block is damaged: {error}") from error
    elif compression == b"bzp2":
        decompressor = bz2.BZ2Decompressor()
        try:
            while not decompressor.eof and (piece := decompressor.decompress(stored, _CHUNK)):
                yield piece
                stored = b""
        except (OSError, EOFError) as error:  # bz2 has no error of its own
            raise DamagedBlockError(f"a bzp2 block is damaged: {error}") from error
    else:
        raise UnknownCompressionError(compression)


def _decompress_lz4(part: memoryview) -> bytes:
    import lz4.block

    try:
        return lz4.block.decompress(part)
    except lz4.block.LZ4BlockError as error:
        raise DamagedBlockError(f"a part of an lz4 block is damaged: {error}") from error


def _lz4_parts(stored: memoryview) -> Iterator[tuple[memoryview, int]]:
    """The parts of a block, which stand there each after its length, and the sizes of their data.

    A part begins with the size of its data.
    """
    position = 0
    while position < len(stored):
        length = int.from_bytes(stored[position : position + 4])
        part = stored[position + 4 : position + 4 + length]
        size = int.from_bytes(part[:4], "little")
        # What lz4 can make of so many bytes: a size beyond is a lie, and would take memory.
        if len(part) != length or length <= 4 or size > 255 * length:
            raise DamagedBlockError("a part of an lz4 block is damaged")
        yield part, size
        position += 4 + length


def _read_lz4(stored: memoryview, size: int) -> np.ndarray:
    """The data of a block that is compressed by lz4, with several threads."""
    import lz4.block  # noqa: F401 (the threads need not all tell that it is not there)
    import numpy as np

    parts: list[tuple[memoryview, int, int]] = []
    filled = 0
    for part, length in _lz4_parts(stored):
        parts.append((part, filled, length))
        filled += length
    if filled != size:
        raise DamagedBlockError(f"a block has {filled} bytes, not the {size} that it claims")
    data = np.empty(size, np.uint8)
    view = data.data

    def decompress(part: memoryview, start: int, length: int) -> None:
        view[start : start + length] = _decompress_lz4(part)

    with Threads(os.cpu_count() or 1, thread_name_prefix="lz4") as pool:
        list(pool.map(lambda part: decompress(*part), parts))
    return data
