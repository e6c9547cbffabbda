"""Files that are cut off, have flipped bits, or blocks whose headers lie."""

from __future__ import annotations

import bz2
import functools
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import lz4.block
from hostile.asdf_parts import Asdf, Block, positions
from hostile.cases import (
    ANY,
    ERROR,
    NO_DATA,
    RESULT,
    SAME,
    TYPES,
    Case,
    of_exposure,
    of_reference,
    rebuilt,
    rng,
    small_exposure,
)


def truncated() -> Iterator[Case]:
    """Cut at each boundary, and anywhere."""
    for where in positions(small_exposure()):
        # The index of the blocks serves speed alone.
        expected = SAME if "index" in where or where == "last byte" else ERROR
        yield of_exposure(
            "truncated",
            f"cut at: {where}",
            expected,
            lambda content, where=where: content[: positions(content)[where]],
        )
    for seed in range(20):
        yield of_exposure(
            "truncated", f"cut anywhere, {seed}", ANY, lambda c, s=seed: c[: rng(s, c)]
        )
    for reftype in TYPES:
        places = ["middle of the tree", "after the end of the tree", "block 0, middle of the data"]
        places += ["block 0, used"] if reftype in ("gain", "distortion", "photom") else []
        for where in places if reftype != "photom" else places[:2]:
            # Of a photom the first block may be that of another element; it is there or not.
            yield of_reference(
                "truncated",
                f"cut at: {where}",
                ERROR,
                reftype,
                lambda content, where=where: content[: positions(content)[where]],
                override=reftype in ("gain", "flat"),
            )


def flipped() -> Iterator[Case]:
    """One to four bits of each part are others; the seeds are fixed."""

    def flip(content: bytes, start: int, end: int, seed: int) -> bytes:
        changed, chance = bytearray(content), random.Random(seed)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(start, end)] ^= 1 << chance.randrange(8)
        return bytes(changed)

    parts = {
        "first lines": ("first byte", "before the tree", 6, ANY),
        "tree": ("before the tree", "after the end of the tree", 30, ANY),
        "header of block 0": ("block 0, magic", "block 0, data", 16, ANY),
        "header of block 1": ("block 1, magic", "block 1, data", 8, ANY),
        # What pixels say is not checked: other numbers are another exposure.
        "pixels": ("block 0, data", "block 0, last byte", 6, RESULT),
        "index": ("index of the blocks", "last byte", 4, SAME),
    }
    for part, (start, end, number, expected) in parts.items():
        for seed in range(number):

            def damage(content: bytes, start=start, end=end, seed=seed) -> bytes:
                at = positions(content)
                return flip(content, at[start], at[end], seed)

            yield of_exposure("flipped bits", f"{part}, {seed}", expected, damage)
    for reftype in TYPES:
        for seed in range(3):

            def damage(content: bytes, seed=seed) -> bytes:
                at = positions(content)
                return flip(content, at["before the tree"], at["block 0, data"], seed)

            yield of_reference(
                "flipped bits", f"tree or header, {seed}", ANY | NO_DATA, reftype, damage
            )


def lying_blocks() -> Iterator[Case]:
    """Headers of blocks that do not say what the blocks are."""
    sizes = {"0": 0, "1": 1, "2^31": 2**31, "2^63": 2**63, "2^64-1": 2**64 - 1}
    targets = (("exposure", "data"), ("gain", "data"), ("linearity", "coeffs"))
    for target, array in targets:
        for what in ("allocated", "used", "size"):
            for name, size in sizes.items():
                yield _of_block(target, array, f"{what} {name}", ERROR, {what: size})
            for step in (-1, 1, -64, 64):

                def lie(block: Block, what=what, step=step) -> None:
                    block.lies[what] = len(block.data) + step

                yield _of_block(target, array, f"{what} {step:+}", ERROR, lie)
    for name in (b"lz4\0", b"zlib", b"bzp2", b"none", b"\xff\xff\xff\xff", b"inpt", b"blsc"):
        yield _of_block(
            "exposure", "data", f"plain data called {name!r}", ERROR, {"compression": name}
        )
    for size in (0, 47, 49, 65535):
        yield _of_block("exposure", "data", f"header of {size} bytes", ERROR, {"header_size": size})
    yield _of_block("exposure", "data", "streamed, not the last", ERROR, {"flags": 1})
    yield _of_block("exposure", "data", "unknown flags", SAME, {"flags": 2**31})
    yield _of_block("exposure", "data", "wrong checksum", SAME, {"checksum": b"x" * 16})
    yield _of_block("gain", "data", "wrong checksum", SAME, {"checksum": b"x" * 16})

    def without_blocks(asdf: Asdf) -> None:
        asdf.blocks = []

    def one_block(asdf: Asdf) -> None:
        del asdf.blocks[1:]

    for name, damage in (("no blocks", without_blocks), ("one block of two", one_block)):
        yield of_exposure("lying blocks", name, ERROR, rebuilt(damage))
    yield of_exposure("lying blocks", "rubbish after the blocks", SAME, lambda c: c + b"x" * 99)
    for seed in range(4):
        rubbish = random.Random(seed).randbytes(5000)
        yield of_exposure(
            "lying blocks",
            f"an index that is rubbish, {seed}",
            SAME,
            lambda c, r=rubbish: (
                c[: positions(c)["index of the blocks"]] + b"#ASDF BLOCK INDEX" + r
            ),
        )

    def other_order(content: bytes) -> bytes:
        """Says that the second block is where the third is."""
        at = positions(content)
        starts = [at["block 0, magic"], *[at["block 2, magic"]] * 2]
        index = f"#ASDF BLOCK INDEX\n%YAML 1.1\n---\n{starts}\n...\n"
        return content[: at["index of the blocks"]] + index.encode()

    for reftype in ("dark", "flat"):
        yield of_reference("lying blocks", "an index of another order", ERROR, reftype, other_order)
    for text in (b"[1, 2, 3]", b"[-1]", b"[99999999999]", b"{a: 1}", b"[" * 9999):
        index = b"#ASDF BLOCK INDEX\n%YAML 1.1\n---\n" + text + b"\n...\n"
        yield of_exposure(
            "lying blocks",
            f"an index that says {text[:20].decode()}",
            SAME,
            lambda c, i=index: c[: positions(c)["index of the blocks"]] + i,
        )


def _of_block(
    target: str,
    array: str,
    name: str,
    expected: frozenset[str],
    change: dict[str, int | bytes] | Callable[[Block], None],
    kind: str = "lying blocks",
) -> Case:
    def damage(asdf: Asdf) -> None:
        block = asdf.block_of(f"roman.{array}")
        if callable(change):
            change(block)
        else:
            block.lies |= change

    if target == "exposure":
        return of_exposure(kind, name, expected, rebuilt(damage))
    return of_reference(kind, name, expected, target, rebuilt(damage))


def _lz4(data: bytes, *, claims: int | None = None, part: int = 1 << 20) -> bytes:
    stored = b""
    for start in range(0, len(data), part):
        packed = lz4.block.compress(data[start : start + part])
        if claims is not None:
            packed = struct.pack("<I", claims) + packed[4:]
        stored += struct.pack(">I", len(packed)) + packed
    return stored


#: How large the bombs are; the libraries take long to make larger ones of zlib and bzp2.
BOMBS = {"lz4": 1 << 31, "zlib": 1 << 28, "bzp2": 1 << 28}


@functools.cache
def _zeros(compression: str) -> bytes:
    """Zeros, packed; made piece by piece."""
    size = BOMBS[compression]
    chunk = bytes(1 << 20)
    if compression == "lz4":
        one = lz4.block.compress(bytes(1 << 26))
        return (struct.pack(">I", len(one)) + one) * (size >> 26)
    packer = zlib.compressobj(9) if compression == "zlib" else bz2.BZ2Compressor()
    return b"".join(packer.compress(chunk) for _ in range(size >> 20)) + packer.flush()


def compressed() -> Iterator[Case]:
    """Compressed blocks: sound ones, lies, and bombs."""
    packers = {
        "lz4": _lz4,
        "zlib": zlib.compress,
        "bzp2": bz2.compress,
    }
    for name, pack in packers.items():
        label = name.encode()

        def sound(block: Block, pack=pack, label=label) -> None:
            size = len(block.data)
            block.data = pack(block.data)
            block.lies |= {"compression": label, "size": size}

        for target, array in (("exposure", "data"), ("gain", "data"), ("linearity", "coeffs")):
            yield _of_block(target, array, f"{name}, sound", SAME, sound, "compressed")

        for claim in (0, 1, 8191, 8193, 2**31, 2**40, 2**63, 2**64 - 1):

            def lie(block: Block, sound=sound, claim=claim) -> None:
                sound(block)
                block.lies["size"] = claim

            yield _of_block("exposure", "data", f"{name} claims {claim}", ERROR, lie, "compressed")

        for used in (0, 1, 2**40, 2**63):

            def lie_used(block: Block, sound=sound, used=used) -> None:
                sound(block)
                block.lies["used"] = used

            yield _of_block(
                "exposure", "data", f"{name}, used {used}", ERROR, lie_used, "compressed"
            )

        def cut(block: Block, sound=sound) -> None:
            sound(block)
            block.data = block.data[:-7]

        # bzp2 ends with a checksum, which is not looked at.
        expected = SAME if name == "bzp2" else ERROR
        yield _of_block("exposure", "data", f"{name}, cut", expected, cut, "compressed")

        for seed in range(3):

            def flip(block: Block, sound=sound, seed=seed) -> None:
                sound(block)
                data, chance = bytearray(block.data), random.Random(seed)
                for _ in range(20):
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
                block.data = bytes(data)

            yield _of_block("exposure", "data", f"{name}, flipped, {seed}", ANY, flip, "compressed")

        for what, claims in (("the truth", True), ("the array's size", False)):
            for target, array in (("exposure", "data"), ("gain", "data")):

                def bomb(block: Block, name=name, label=label, claims=claims) -> None:
                    size = BOMBS[name] if claims else len(block.data)
                    block.lies |= {"compression": label, "size": size}
                    block.data = _zeros(name)

                yield _of_block(
                    target, array, f"{name} bomb, claims {what}", ERROR, bomb, "compressed"
                )

    def part_lies(block: Block) -> None:
        size = len(block.data)
        block.data = _lz4(block.data, claims=2**31 - 1)
        block.lies |= {"compression": b"lz4", "size": size}

    def length_lies(block: Block) -> None:
        size = len(block.data)
        packed = _lz4(block.data)
        block.data = b"\xff\xff\xff\xff" + packed[4:]
        block.lies |= {"compression": b"lz4", "size": size}

    yield _of_block("exposure", "data", "lz4, a part claims 2 GB", ERROR, part_lies, "compressed")
    yield _of_block("exposure", "data", "lz4, a part of 4 GB", ERROR, length_lies, "compressed")

    def whole_bomb(asdf: Asdf) -> None:
        block = asdf.block_of("roman.data")
        block.lies |= {"compression": b"lz4", "size": BOMBS["lz4"]}
        block.data = _zeros("lz4")
        asdf.set("roman.data.shape", "[4, 16384, 16384]")

    # The references are of another size, and nothing is unpacked.
    yield of_exposure("compressed", "lz4 bomb, and a shape that fits", ERROR, rebuilt(whole_bomb))

    def gain_bomb(asdf: Asdf) -> None:
        block = asdf.block_of("roman.data")
        block.lies |= {"compression": b"lz4", "size": BOMBS["lz4"]}
        block.data = _zeros("lz4")
        asdf.set("roman.data.shape", "[16384, 32768]")

    yield of_reference(
        "compressed", "lz4 bomb, and a shape that fits", ERROR, "gain", rebuilt(gain_bomb)
    )
