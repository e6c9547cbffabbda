"""Whether the arrays of an ASDF file are as they were written, by the checksums of its blocks.

A block holds the MD5 of its bytes, or zeros for none. Of a compressed block the ASDF standard means
the bytes in the file; the library `asdf` took the data before compression until its version 6, so
either is right here.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from ..._asdf_blocks import (
    NO_CHECKSUM,
    Block,
    UnknownCompressionError,
    find_first_block,
    read_blocks,
    unpacked,
)
from ..._files import open_regular
from ..._yaml_head import read_head_text

_CHUNK = 1 << 20


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
    with open_regular(path) as file:
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
            if block.checksum == NO_CHECKSUM:
                continue
            try:
                if not _is_sound(file, block):
                    yield (
                        f"damaged: the data of block {number} do not have the checksum stated there"
                    )
            except UnknownCompressionError as error:
                yield f"cannot be checked: block {number} is compressed by {error.compression}"
            except ImportError as error:
                yield f"cannot be checked: block {number} needs the package {error.name}"


def _is_sound(file: IO[bytes], block: Block) -> bool:
    start, used = block.start, block.used
    if _md5(_read(file, start, used)) == block.checksum:
        return True
    if not block.compression:
        return False
    try:
        file.seek(start)
        return _md5(unpacked(file.read(used), block.compression)) == block.checksum
    except (UnknownCompressionError, ImportError):
        raise  # it may well be sound: the checksum is of what cannot be made here
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error):
        return False


def _md5(chunks: Iterable[bytes]) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _read(file: IO[bytes], start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk
