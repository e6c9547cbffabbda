"""Writes the binary blocks of an ASDF file, with several threads."""

from __future__ import annotations

import bz2
import dataclasses
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import IO, TYPE_CHECKING

from ._asdf_blocks import INDEX, NO_CHECKSUM, Block
from ._threads import Threads

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 1 << 20
_LZ4_PART = 1 << 22  # as `asdf` has it
COMPRESSIONS = ("lz4", "zlib", "bzp2")


def write_blocks(
    file: IO[bytes],
    arrays: Sequence[np.ndarray],
    compression: str | None,
    count: Callable[[int], None] = lambda n_bytes: None,
) -> None:
    """Writes arrays as blocks, with their checksums, and the index.

    Parameters
    ----------
    file
        Open for reading and writing, at the end of its head.
    arrays : sequence of ndarray
        Each becomes a block, in C order.
    compression : str or None
        One of `COMPRESSIONS`, or None.
    count : callable, optional
        Called with the number of bytes of the arrays that were written since the last call.
    """
    import numpy as np

    positions: list[int] = []
    large: list[Block] = []
    with Threads(os.cpu_count() or 1, thread_name_prefix="compress") as pool:
        for array in arrays:
            positions.append(file.tell())
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            label = compression if len(data) else None
            if len(data) <= _LZ4_PART:
                _write_small(file, data, label)
                count(len(data))
            else:
                large.append(_write_large(file, data, label, pool, count))
    if positions:
        lines = "".join(f"- {position}\n" for position in positions)
        file.write(INDEX + f"\n%YAML 1.1\n---\n{lines}...\n".encode())
    if large:
        _write_checksums(file, large)


def _write_small(file: IO[bytes], data: memoryview, compression: str | None) -> None:
    """Writes a block at once, where it takes longer to start threads than to do the work."""
    parts: list[bytes | memoryview] = [data]
    if compression is not None:
        parts = [part for part, _ in _compressed(data, compression, map)]
    used = sum(map(len, parts))
    checksum = hashlib.md5(usedforsecurity=False)
    for part in parts:
        checksum.update(part)
    label = (compression or "").encode()
    file.write(Block(0, False, label, used, used, len(data), checksum.digest()).header())
    file.writelines(parts)


def _write_large(
    file: IO[bytes],
    data: memoryview,
    compression: str | None,
    pool: Executor,
    count: Callable[[int], None],
) -> Block:
    """Writes a block part by part, as threads have compressed them; its checksum is left out."""
    label = (compression or "").encode()
    position = file.tell()
    block = Block(0, False, label, len(data), len(data), len(data), NO_CHECKSUM)
    start = position + file.write(block.header())
    used = 0
    whole = [(data, len(data))]
    for part, of_data in whole if compression is None else _compressed(data, compression, pool.map):
        used += file.write(part)
        count(of_data)
    block = dataclasses.replace(block, start=start, allocated=used, used=used)
    file.seek(position)
    file.write(block.header())
    file.seek(block.end)
    return block


def _compressed(
    data: memoryview, compression: str, map: Callable[..., Iterable[bytes]]
) -> Iterator[tuple[bytes, int]]:
    """The data as they stand in a block, part by part, and how many bytes of data are in each.

    Of lz4 each part stands after its length.
    """
    if compression == "lz4":
        import lz4.block

        done = 0
        starts = range(0, len(data), _LZ4_PART)
        for part in map(lambda at: lz4.block.compress(data[at : at + _LZ4_PART]), starts):
            yield len(part).to_bytes(4, "big"), 0
            yield part, min(_LZ4_PART, len(data) - done)
            done += _LZ4_PART
    elif compression == "zlib":
        yield zlib.compress(data), len(data)
    else:
        yield bz2.compress(data), len(data)


def _write_checksums(file: IO[bytes], blocks: Sequence[Block]) -> None:
    """Completes the headers of blocks, with several threads, while the file goes to the disk."""
    file.flush()
    with Threads(1 + (os.cpu_count() or 1), thread_name_prefix="md5") as pool:
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
