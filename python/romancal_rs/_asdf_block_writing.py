"""Writes the binary blocks of an ASDF file, with several threads."""

from __future__ import annotations

import bz2
import dataclasses
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from ._asdf_blocks import INDEX, NO_CHECKSUM, Block, find_first_block, read_blocks

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 1 << 20
_LZ4_PART = 1 << 22  # as `asdf` has it
COMPRESSIONS = ("lz4", "zlib", "bzp2")


def write_blocks(file: IO[bytes], arrays: Sequence[np.ndarray], compression: str | None) -> None:
    """Writes arrays as blocks, the index, and the checksums of all blocks.

    Parameters
    ----------
    file
        Open for reading and writing. It holds a head, and may hold blocks; it stands at their end.
    arrays : sequence of ndarray
        Each becomes a block, in C order.
    compression : str or None
        One of `COMPRESSIONS`, or None.
    """
    positions = [block.position for block in read_blocks(file, find_first_block(file))]
    file.seek(0, os.SEEK_END)
    n_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(n_threads, thread_name_prefix="compress") as pool:
        for array in arrays:
            positions.append(file.tell())
            _write_block(file, array, compression, pool)
    if positions:
        lines = "".join(f"- {position}\n" for position in positions)
        file.write(INDEX + f"\n%YAML 1.1\n---\n{lines}...\n".encode())
    write_checksums(file)


def _write_block(
    file: IO[bytes], array: np.ndarray, compression: str | None, pool: Executor
) -> None:
    import numpy as np

    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    label = b"" if compression is None or not len(data) else compression.encode()
    position = file.tell()
    block = Block(0, False, label, len(data), len(data), len(data), NO_CHECKSUM)
    start = file.write(block.header())
    used = 0
    for part in _compressed(data, compression, pool) if label else [data]:
        used += file.write(part)
    if label:
        file.seek(position)
        file.write(dataclasses.replace(block, allocated=used, used=used).header())
        file.seek(position + start + used)


def _compressed(data: memoryview, compression: str | None, pool: Executor) -> Iterator[bytes]:
    """The data as they stand in a block. Of lz4 each part stands after its length."""
    if compression == "lz4":
        import lz4.block

        starts = range(0, len(data), _LZ4_PART)
        for part in pool.map(lambda at: lz4.block.compress(data[at : at + _LZ4_PART]), starts):
            yield len(part).to_bytes(4, "big")
            yield part
    elif compression == "zlib":
        yield zlib.compress(data)
    else:
        yield bz2.compress(data)


def write_checksums(file: IO[bytes]) -> None:
    """Completes the checksums of all blocks, with several threads, while the file goes to the disk.

    Parameters
    ----------
    file
        Open for reading and writing; all of its blocks are in it, with headers as `asdf` writes
        them, but without checksums.
    """
    file.flush()
    blocks = [block for block in read_blocks(file, find_first_block(file)) if not block.is_streamed]
    with ThreadPoolExecutor(1 + (os.cpu_count() or 1), thread_name_prefix="md5") as pool:
        pool.submit(os.fsync, file.fileno())
        digests = list(pool.map(lambda block: _md5(file.fileno(), block), blocks))
    for block, digest in zip(blocks, digests, strict=True):
        file.seek(block.checksum_position)
        file.write(digest)
    file.seek(0, os.SEEK_END)


def _md5(descriptor: int, block: Block) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    for position in range(block.start, block.start + block.used, _CHUNK):
        size = min(_CHUNK, block.start + block.used - position)
        digest.update(os.pread(descriptor, size, position))
    return digest.digest()
