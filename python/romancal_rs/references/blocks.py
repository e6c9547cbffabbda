"""Whether the arrays of an ASDF file are as they were written, by the checksums of its blocks.

A block holds the MD5 of its bytes, or zeros for none. Of a compressed block the ASDF standard means
the bytes in the file; the library `asdf` took the data before compression until its version 6, so
either is right here.
"""

from __future__ import annotations

import bz2
import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from .._yaml_head import read_head_text

_MAGIC = b"\xd3BLK"
_SIZE_OF_HEADER = struct.Struct(">H")
# Flags, compression, allocated size, used size, size of the data, checksum.
_HEADER = struct.Struct(">I4sQQQ16s")
_STREAMED = 1
_CHUNK = 1 << 20
_SMALL_CHUNK = 1 << 16  # may become a thousand times as much
_NO_CHECKSUM = bytes(16)


def damage(path: Path) -> Iterator[str]:
    """What is wrong with the blocks of a file, one text each.

    Raises
    ------
    OSError
        If the file cannot be read.
    HeadError
        If it is no ASDF file.
    """
    head = len(read_head_text(path))
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        position = _first_block(file, head)
        number = -1
        while position < end:
            number += 1
            file.seek(position)
            if file.read(4) != _MAGIC:
                return  # an index of the blocks comes last
            try:
                (header_size,) = _SIZE_OF_HEADER.unpack(file.read(2))
                header = _HEADER.unpack(file.read(header_size)[: _HEADER.size])
            except struct.error:
                yield f"truncated: it ends inside the header of block {number}"
                return
            flags, compression, allocated, used, _, checksum = header
            if flags & _STREAMED:
                return  # reaches to the end, and has no checksum
            start = position + 6 + header_size
            position = start + allocated
            if position > end or used > allocated:
                yield f"truncated: it ends inside block {number}"
                return
            if checksum == _NO_CHECKSUM:
                continue
            if not _is_sound(file, start, used, compression.rstrip(b"\0"), checksum):
                yield f"damaged: the data of block {number} do not have the checksum stated there"


def _first_block(file: IO[bytes], position: int) -> int:
    """Where the blocks begin, after the head and what fills the space up to them."""
    file.seek(position)
    last = b""
    while chunk := file.read(_CHUNK):
        found = (last + chunk).find(_MAGIC)
        if found >= 0:
            return position - len(last) + found
        position += len(chunk)
        last = chunk[1 - len(_MAGIC) :]
    return position


def _is_sound(file: IO[bytes], start: int, size: int, compression: bytes, checksum: bytes) -> bool:
    if _md5(_read(file, start, size, _CHUNK)) == checksum:
        return True
    if not compression:
        return False
    try:
        return _md5(_decompressed(_read(file, start, size, _SMALL_CHUNK), compression)) == checksum
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error):
        return False


def _md5(chunks: Iterable[bytes]) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _read(file: IO[bytes], start: int, size: int, most: int) -> Iterator[bytes]:
    file.seek(start)
    while size > 0 and (chunk := file.read(min(size, most))):
        size -= len(chunk)
        yield chunk


def _decompressed(chunks: Iterable[bytes], compression: bytes) -> Iterator[bytes]:
    if compression == b"lz4":
        yield from _lz4(chunks)
        return
    if compression not in (b"zlib", b"bzp2"):
        raise ValueError(f"unknown compression {compression!r}")
    decompressor = zlib.decompressobj() if compression == b"zlib" else bz2.BZ2Decompressor()
    for chunk in chunks:
        yield decompressor.decompress(chunk)


def _lz4(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of a block that `asdf` compressed by lz4, each after its length."""
    import lz4.block  # type: ignore[import-untyped]

    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= 4 and len(waiting) >= (end := 4 + int.from_bytes(waiting[:4], "big")):
            yield lz4.block.decompress(bytes(waiting[4:end]))
            del waiting[:end]
