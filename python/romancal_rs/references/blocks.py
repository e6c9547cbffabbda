"""Whether the arrays of an ASDF file are as they were written, by the checksums of its blocks.

A block holds the MD5 of its bytes, or zeros for none. Of a compressed block the ASDF standard means
the bytes in the file; the library `asdf` took the data before compression until its version 6, so
either is right here.
"""

from __future__ import annotations

import bz2
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from .._asdf_blocks import NO_CHECKSUM, Block, find_first_block, read_blocks
from .._yaml_head import read_head_text

_CHUNK = 1 << 20
_SMALL_CHUNK = 1 << 16  # may become a thousand times as much


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
        number = -1
        blocks = read_blocks(file, find_first_block(file, head))
        while True:
            try:
                block = next(blocks, None)
            except EOFError:
                yield f"truncated: it ends inside the header of block {number + 1}"
                return
            if block is None or block.is_streamed:  # that one has no checksum
                return
            number += 1
            if block.end > end or block.used > block.allocated:
                yield f"truncated: it ends inside block {number}"
                return
            if block.checksum != NO_CHECKSUM and not _is_sound(file, block):
                yield f"damaged: the data of block {number} do not have the checksum stated there"


def _is_sound(file: IO[bytes], block: Block) -> bool:
    start, used = block.start, block.used
    if _md5(_read(file, start, used, _CHUNK)) == block.checksum:
        return True
    if not block.compression:
        return False
    try:
        parts = _decompressed(_read(file, start, used, _SMALL_CHUNK), block.compression)
        return _md5(parts) == block.checksum
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
