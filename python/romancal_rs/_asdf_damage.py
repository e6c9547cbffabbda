"""Whether the arrays of an ASDF file are as they were written: its blocks are read whole.

Those that are compressed are unpacked, too, so that none fails when it is needed. A block holds the
MD5 of its bytes, or zeros for none. Of a compressed block the ASDF standard means the bytes in the
file; the library `asdf` took the data before compression until its version 6, so either is right
here.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from ._asdf_blocks import (
    NO_CHECKSUM,
    Block,
    UnknownCompressionError,
    find_first_block,
    read_blocks,
    unpacked,
)
from ._files import open_regular
from ._yaml_head import read_head_text

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
            yield from _of_block(file, block, number)


def _of_block(file: IO[bytes], block: Block, number: int) -> Iterator[str]:
    """What is wrong with a block that lies within its file."""
    is_as_stated = block.checksum == NO_CHECKSUM
    if not is_as_stated:
        is_as_stated = _md5(_read(file, block.start, block.used))[0] == block.checksum
    wrong_checksum = f"damaged: the data of block {number} do not have the checksum stated there"
    if not block.compression:
        if not is_as_stated:
            yield wrong_checksum
        return
    try:
        file.seek(block.start)
        checksum, size = _md5(unpacked(file.read(block.used), block.compression))
    except UnknownCompressionError as error:
        # Where the checksum is not that of what is stored, it may be of what cannot be made here.
        if not is_as_stated:
            yield f"cannot be checked: block {number} is compressed by {error.compression}"
    except ImportError as error:
        if not is_as_stated:
            yield f"cannot be checked: block {number} needs the package {error.name}"
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error) as error:
        yield f"damaged: block {number}: {error}" if is_as_stated else wrong_checksum
    else:
        if not is_as_stated and checksum != block.checksum:
            yield wrong_checksum
        elif size != block.size:
            yield f"damaged: block {number} has {size} bytes, not the {block.size} that it claims"


def _md5(chunks: Iterable[bytes]) -> tuple[bytes, int]:
    """The checksum of bytes, and how many they are."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return digest.digest(), size


def _read(file: IO[bytes], start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk
