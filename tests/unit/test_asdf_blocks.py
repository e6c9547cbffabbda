"""Blocks of ASDF files: checksums that are written late, and lz4 that several threads undo."""

import bz2
import dataclasses
import hashlib
import io
import random
import struct
import zlib

import asdf
import lz4.block
import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs._asdf_blocks import (
    Block,
    find_first_block,
    read_blocks,
    read_compressed,
    read_index,
)
from romancal_rs.datamodels import testing


@pytest.mark.parametrize("shape", [(30, 40), (1100, 1000)])  # the second is large, of two parts
@pytest.mark.parametrize("compression", [None, "lz4", "zlib"])
def test_the_checksums_of_a_saved_model_are_those_of_its_bytes(tmp_path, compression, shape):
    path = datamodels.ImageModel(testing.create_wfi_image(shape=shape)).save(
        tmp_path / "image.asdf", compression=compression
    )
    content = path.read_bytes()
    with path.open("rb") as file:
        blocks = list(read_blocks(file, find_first_block(file)))
        assert read_index(file, blocks) == [block.position for block in blocks]
    assert len(blocks) > 8
    assert blocks[-1].end <= len(content)
    for block in blocks:
        data = content[block.start : block.start + block.used]
        assert block.checksum == hashlib.md5(data).digest()
        assert block.compression == (compression or "").encode()
    # The library agrees; until its version 6 it took the bytes before compression.
    agrees = compression is None or int(asdf.__version__.partition(".")[0]) >= 6
    with asdf.open(path, validate_checksums=agrees, lazy_load=False) as file:
        assert file["roman"]["data"].shape == shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%YAML 1.1\n---\n- 4\n- 17\n...\n", [4, 17]),  # as asdf writes it
        ("%YAML 1.1\n--- [4, 17]\n...\n", [4, 17]),
        ("%YAML 1.1\n---\n- 4\n- x\n...\n", None),
        ("%YAML 1.1\n---\n- 4\n- 17\n...\n--- 3", None),
        ("%YAML 1.1\n---\n{4: 17}\n...\n", None),
        ("", None),
    ],
)
def test_an_index_may_be_laid_out_as_yaml_allows(text, expected):
    file = io.BytesIO(bytes(100) + b"#ASDF BLOCK INDEX\n" + text.encode())
    block = Block(60, False, b"", 40, 40, 40, bytes(16))
    assert read_index(file, [block]) == expected


def lz4_block(parts: list[bytes], size: int) -> tuple[memoryview, Block]:
    """A block of these parts, as they stand in a file, with this size of its data."""
    stored = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return memoryview(stored), Block(4, False, b"lz4", len(stored), len(stored), size, bytes(16))


def test_parts_are_put_together_in_order():
    data = np.random.default_rng(1).integers(0, 9, 100_000, np.uint8).tobytes()
    parts = [lz4.block.compress(data[i : i + 7000]) for i in range(0, len(data), 7000)]
    assert read_compressed(*lz4_block(parts, len(data))).tobytes() == data


PART = lz4.block.compress(bytes(1000))


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        ([PART], 999),
        ([PART], 1001),
        ([PART, b""], 1000),
        ([PART[:-3]], 1000),
        ([struct.pack("<I", 2**31) + PART[4:]], 2**31),
    ],
)
def test_what_is_no_lz4_of_asdf_is_refused(parts, size):
    with pytest.raises(ValueError, match=r"lz4 block is damaged|that it claims"):
        read_compressed(*lz4_block(parts, size))


def test_lz4_that_is_cut_is_refused():
    stored, block = lz4_block([PART], 1000)
    with pytest.raises(ValueError, match="a part of an lz4 block is damaged"):
        read_compressed(stored[:-5], block)


@pytest.mark.parametrize("size", [0, 999, 1001, 10**6])
@pytest.mark.parametrize(("name", "compress"), [(b"zlib", zlib.compress), (b"bzp2", bz2.compress)])
def test_other_compressions_hold_what_they_claim_or_are_refused(name, compress, size):
    data = random.Random(1).randbytes(1000)
    stored = memoryview(compress(data))
    block = Block(0, False, name, len(stored), len(stored), 1000, bytes(16))
    assert read_compressed(stored, block).tobytes() == data
    with pytest.raises(ValueError, match="that it claims"):
        read_compressed(stored, dataclasses.replace(block, size=size))


def test_an_lz4_array_is_what_asdf_makes_of_it(tmp_path):
    rng = np.random.default_rng(2)
    data = rng.integers(0, 4000, (3, 1100, 900), np.uint16)  # more than one part of 4 MiB
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(shape=data.shape))
    raw.data = data
    path = raw.save(tmp_path / "raw.asdf", compression="lz4")
    with datamodels.open(path) as model:
        assert np.array_equal(model.stored("data"), data)
        assert np.array_equal(model.data, data)
        assert model.data.flags.writeable
    content = bytearray(path.read_bytes())
    with path.open("rb") as file:
        block = next(b for b in read_blocks(file, find_first_block(file)) if b.size == data.nbytes)
    content[block.start : block.start + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with (
        datamodels.open(path) as model,
        pytest.raises(datamodels.FileFormatError, match=r"raw\.asdf: damaged"),
    ):
        model.stored("data")
