"""Damaged and hostile files, each made from a small sound one: what `test_corpus.py` tries.

`cases()` lists them: a name, a kind, a function that writes the files into a directory of the
case's own and returns the words of the command line, and how that may end. As a script it writes
them all, to be looked at::

    python tests/hostile/corpus.py DIRECTORY
"""

from __future__ import annotations

import bz2
import functools
import os
import random
import re
import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import lz4.block
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hostile.asdf_parts import Asdf, Block, positions

# How a case may end.
ERROR = frozenset({"error"})  # status 1, one line that names the file
USAGE = frozenset({"usage"})  # status 2
NO_DATA = frozenset({"no data"})  # status 64
SAME = frozenset({"same"})  # status 0, and the arrays of the sound file's product
RESULT = frozenset({"same", "result"})  # status 0, and a valid product
ANY = ERROR | RESULT  # random damage that may hit what does not matter

TYPES = [
    "mask",
    "saturation",
    "linearity",
    "dark",
    "gain",
    "readnoise",
    "distortion",
    "flat",
    "photom",
]


@dataclass
class Place:
    """A case's own directory, with copies of the sound references."""

    directory: Path
    sound: Sound
    env: dict[str, str] = field(default_factory=dict)

    @property
    def references(self) -> Path:
        """The references to spoil, made when they are first asked for."""
        directory = self.directory / "refs"
        if not directory.exists():
            directory.mkdir()
            for path in self.sound.references.glob("*.asdf"):
                os.link(path, directory / path.name)
        return directory

    def reference(self, reftype: str) -> Path:
        """A name for another reference of that type in place of the sound one."""
        next(self.references.glob(f"*_{reftype}_*.asdf")).unlink()
        return self.references / f"bad_{reftype}.asdf"

    def cache(self) -> Path:
        """A CRDS cache to spoil."""
        cache = self.directory / "crds"
        shutil.copytree(self.sound.cache, cache, copy_function=os.link)
        self.env["CRDS_PATH"] = str(cache)
        return cache

    def run(self, exposure: Path | None = None, *options: str) -> list[str]:
        """The pipeline on an exposure, the sound one by default."""
        words = ["run", "roman_elp", str(exposure or self.sound.exposure)]
        if "CRDS_PATH" not in self.env:
            words.append(f"--references={self.references}")
        return [*words, f"--output_dir={self.directory / 'out'}", *options]


@dataclass(frozen=True)
class Sound:
    """The sound files that all cases start from."""

    exposure: Path
    references: Path
    cache: Path

    @classmethod
    def make(cls, directory: Path) -> Sound:
        from romancal_rs.references.build import build_cache
        from romancal_rs.simulate import SimulationConfig, simulate

        config = SimulationConfig(rows=32, cols=32, n_resultants=4, n_reads=3, seed=11)
        made = simulate(config, directory)
        build_cache(made.references, directory / "crds")
        return cls(made.exposure, made.references, directory / "crds")

    def path(self, kind: str) -> Path:
        if kind == "exposure":
            return self.exposure
        return next(self.references.glob(f"*_{kind}_*.asdf"))


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes
    ----------
    name, kind : str
    write : callable
        Writes the files of the case to a `Place`, and returns the words of the command line.
    expected : frozenset of str
        The outcomes that are right.
    names : str
        What the message of an error has to name.
    """

    name: str
    kind: str
    write: Callable[[Place], list[str]]
    expected: frozenset[str]
    names: str


Damage = Callable[[Asdf], object]


def of_exposure(
    kind: str, name: str, expected: frozenset[str], damage: Callable[[bytes], bytes]
) -> Case:
    """A case whose exposure has other bytes."""

    def write(place: Place) -> list[str]:
        path = place.directory / "bad_uncal.asdf"
        path.write_bytes(damage(place.sound.exposure.read_bytes()))
        return place.run(path)

    return Case(f"exposure: {name}", kind, write, expected, "bad_uncal.asdf")


def of_reference(
    kind: str,
    name: str,
    expected: frozenset[str],
    reftype: str,
    damage: Callable[[bytes], bytes],
    *,
    override: bool = False,
) -> Case:
    """A case with another reference, in the directory or named as override."""

    def write(place: Place) -> list[str]:
        sound = place.sound.path(reftype).read_bytes()
        path = place.directory / f"bad_{reftype}.asdf" if override else place.reference(reftype)
        path.write_bytes(damage(sound))
        if not override:
            return place.run()
        step = {"mask": "dq_init", "flat": "flatfield", "dark": "dark_current"}.get(reftype)
        step = step or {"gain": "jump", "readnoise": "jump", "distortion": "assign_wcs"}.get(
            reftype, reftype
        )
        return place.run(None, f"--steps.{step}.override_{reftype}={path}")

    how = "override" if override else "directory"
    return Case(f"{reftype} ({how}): {name}", kind, write, expected, f"bad_{reftype}.asdf")


def rebuilt(damage: Damage) -> Callable[[bytes], bytes]:
    """A change of the parts of a file, as a change of its bytes."""

    def change(content: bytes) -> bytes:
        asdf = Asdf(content)
        damage(asdf)
        return bytes(asdf)

    return change


# --- bytes


def truncated() -> Iterator[Case]:
    """Cut at each boundary, and anywhere."""
    for where in positions(_small_exposure()):
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
            "truncated", f"cut anywhere, {seed}", ANY, lambda c, s=seed: c[: _rng(s, c)]
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


def _small_exposure() -> bytes:
    """Something with the boundaries of an exposure: a head, two blocks and an index."""
    blocks = b"".join(bytes(Block(bytes(8))) for _ in range(2))
    return b"#ASDF 1.0.0\n%YAML 1.1\n--- {}\n...\n" + blocks + b"#ASDF BLOCK INDEX\n--- [1]\n...\n"


def _rng(seed: int, content: bytes) -> int:
    return random.Random(seed).randrange(len(content))


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


# --- blocks


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


# --- arrays


def arrays() -> Iterator[Case]:
    """Other types, byte orders, shapes and addresses of arrays."""
    kind = "arrays"

    def other(dotted: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[bytes], bytes]:
        return rebuilt(lambda asdf: asdf.put_array(dotted, change(asdf.array(dotted))))

    def states(dotted: str, text: str) -> Callable[[bytes], bytes]:
        return rebuilt(lambda asdf: asdf.set(dotted, text))

    data = "roman.data"
    yield of_exposure(kind, "big-endian", SAME, other(data, lambda a: a.astype(">u2")))
    types = ("float32", "float64", "int16", "uint8", "int32", "uint64", "complex64", "float16")
    for name in types:
        yield of_exposure(kind, name, ERROR, other(data, lambda a, n=name: np.zeros(a.shape, n)))
    for text in ("uint17", "bool8", "[ascii, 2]", "[ucs4, 9]", "object", "O", "V8", "3", "null"):
        yield of_exposure(kind, f"datatype {text}", ERROR, states(f"{data}.datatype", text))
    record = "[{name: a, datatype: uint8, byteorder: big}, {name: b, datatype: uint8}]"
    yield of_exposure(kind, "datatype of a record", ERROR, states(f"{data}.datatype", record))
    for text in ("middle", "3", "[]"):
        yield of_exposure(kind, f"byteorder {text}", ERROR, states(f"{data}.byteorder", text))

    cuts: dict[str, tuple[Callable[[np.ndarray], np.ndarray], frozenset[str]]] = {
        "no axis": (lambda a: a[0, 0, 0], ERROR),
        "1-D": (lambda a: a.ravel(), ERROR),
        "2-D": (lambda a: a[0], ERROR),
        "4-D": (lambda a: a[None], ERROR),
        "30-D": (lambda a: a.reshape((1,) * 27 + a.shape), ERROR),
        "31 rows": (lambda a: a[:, 1:], ERROR),
        "33 rows": (lambda a: np.pad(a, ((0, 0), (0, 1), (0, 0))), ERROR),
        "31 columns": (lambda a: a[:, :, 1:], ERROR),
        "not square": (lambda a: a.reshape(4, 16, 64), ERROR),
        "no rows": (lambda a: a[:, :0], NO_DATA | ERROR),
        "no columns": (lambda a: a[:, :, :0], NO_DATA | ERROR),
        "border only": (lambda a: a[:, :8, :8], NO_DATA | ERROR),
        "one resultant too few": (lambda a: a[1:], ERROR),
        "one resultant too many": (lambda a: np.concatenate([a, a[:1]]), ERROR),
        "no resultants": (lambda a: a[:0], NO_DATA | ERROR),
        "one resultant of four": (lambda a: a[:1], ERROR),
        "nothing": (lambda a: a[:0, :0, :0], NO_DATA | ERROR),
    }
    for name, (cut, expected) in cuts.items():
        yield of_exposure(kind, name, expected, other(data, cut))

    def resultants(number: int) -> Damage:
        def damage(asdf: Asdf) -> None:
            cube = np.resize(np.sort(asdf.array(data), axis=0), (number, 32, 32))
            asdf.put_array(data, np.sort(cube, axis=0))
            asdf.put_array("roman.amp33", np.zeros((number, 32, 128), np.uint16))
            asdf.set("roman.meta.exposure.nresultants", str(number))
            pattern = [[3 * i + 1, 3 * i + 2, 3 * i + 3] for i in range(number)]
            asdf.set("roman.meta.exposure.read_pattern", str(pattern))

        return damage

    yield of_exposure(kind, "0 resultants, as stated", NO_DATA, rebuilt(resultants(0)))
    for number in (1, 2, 300):
        yield of_exposure(
            kind, f"{number} resultants, as stated", RESULT, rebuilt(resultants(number))
        )
    yield of_exposure(kind, "all 0", RESULT | NO_DATA, other(data, lambda a: a * 0))
    yield of_exposure(kind, "all 65535", RESULT, other(data, lambda a: a * 0 + 65535))

    addresses = {
        "shape": (
            *("[4, 32, 31]", "[4, 32, 33]", "[-4, -32, 32]", "[4, -32, 32]", "[1e3, 2]"),
            *("[99999999999, 99999999999, 9]", "[9223372036854775807, 2, 2]", "[four, 32, 32]"),
            *("[4, 32, 32.5]", "[[4], 32, 32]", "['*', 32, 32]", "[4, 32, null]", "4096", "{}"),
            *("[]", "null", "''", "[4, 32, true]"),
        ),
        "source": (
            *("-1", "-2", "2", "99", "99999999999999999999", "1.5", "null", "[0]", "{}", "''"),
            *("elsewhere.asdf", "'file:///etc/passwd'", "'http://127.0.0.1:9/x.asdf'", "true"),
            *("'../../bad.asdf'", "'#/roman/amp33'", "'ftp://x/y'", "!core/ndarray-1.1.0 [1]"),
        ),
        "offset": ("1", "8192", "-8", "9223372036854775807", "x", "1.5"),
        "strides": (
            *("[0, 0, 0]", "[2048, 64, 4]", "[99999999999, 64, 2]", "[-2048, 64, 2]"),
            *("[2048, 64]", "[a, b, c]", "x"),
        ),
        "mask": ("0", "5", "x", "!core/ndarray-1.1.0 {source: 1, datatype: bool8, shape: [9]}"),
    }
    for what, texts in addresses.items():
        for text in texts:
            expected = ANY if what in ("strides", "mask") else ERROR
            yield of_exposure(kind, f"{what} {text}", expected, states(f"{data}.{what}", text))
    yield of_exposure(
        kind,
        "strides as they are",
        SAME,
        rebuilt(lambda a: a.set(f"{data}.strides", "[2048, 64, 2]")),
    )
    for what in ("source", "shape", "datatype", "byteorder"):
        # The standard has a byte order where none is stated.
        expected = ANY if what == "byteorder" else ERROR
        damage = rebuilt(lambda asdf, what=what: asdf.remove(f"{data}.{what}"))
        yield of_exposure(kind, f"no {what}", expected, damage)
    inline = "!core/ndarray-1.1.0 [[1, 2], [3, 4]]"
    for name, text in (
        ("inline, 2-D", inline),
        ("inline, ragged", "!core/ndarray-1.1.0 [[1], [3, 4]]"),
        ("inline, words", "!core/ndarray-1.1.0 [[a, b], [c, d]]"),
        (
            "inline, with a shape that lies",
            "!core/ndarray-1.1.0 {data: [1, 2], shape: [4, 32, 32]}",
        ),
        ("a number", "5"),
        ("a list", "[[[1]]]"),
        ("a word", "data"),
        ("null", "null"),
        ("a table", "!core/table-1.0.0 {columns: []}"),
        ("a complex number", "!core/complex-1.0.0 1+1j"),
    ):
        yield of_exposure(kind, f"data are {name}", ERROR, states(data, text))
    yield of_exposure(kind, "no data", ERROR, rebuilt(lambda asdf: asdf.remove(data)))
    yield of_exposure(
        kind, "amp33 of a strange shape", ERROR | RESULT, other("roman.amp33", lambda a: a[:1])
    )

    images = {
        "mask": ["dq"],
        "saturation": ["data", "dq"],
        "linearity": ["coeffs", "dq"],
        "dark": ["dark_slope", "dq"],
        "gain": ["data"],
        "readnoise": ["data"],
        "flat": ["data", "err", "dq"],
    }
    for reftype, names in images.items():
        for name in names:
            dotted = f"roman.{name}"
            changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
                "one row less": lambda a: a[..., 1:, :],
                "an axis more": lambda a: a[None],
                "an axis less": lambda a: a[0],
                "float64": lambda a: np.zeros(a.shape, np.float64),
                "int16": lambda a: np.zeros(a.shape, np.int16),
                "empty": lambda a: a[..., :0, :0],
            }
            for what, change in changes.items():
                yield of_reference(kind, f"{name}, {what}", ERROR, reftype, other(dotted, change))
            swapped = other(dotted, lambda a: a.astype(a.dtype.newbyteorder(">")))
            yield of_reference(kind, f"{name}, big-endian", SAME, reftype, swapped)
            missing = rebuilt(lambda asdf, dotted=dotted: asdf.remove(dotted))
            yield of_reference(kind, f"no {name}", ERROR, reftype, missing)
    for number in (0, 1, 40):

        def coefficients(a: np.ndarray, number=number) -> np.ndarray:
            return np.resize(a, (number, 32, 32))

        # A polynomial may have any number of terms; without a linear one nothing is corrected.
        expected = ERROR if number < 2 else RESULT | NO_DATA
        yield of_reference(
            kind,
            f"coeffs, {number} of them",
            expected,
            "linearity",
            other("roman.coeffs", coefficients),
        )


def numbers() -> Iterator[Case]:
    """NaN, infinities and other strange numbers all over references."""
    kind = "numbers"
    values = {"NaN": np.nan, "inf": np.inf, "-inf": -np.inf, "0": 0.0, "-1": -1.0}
    values |= {"1e38": 1e38, "1e-44": 1e-44}
    for reftype, name in (
        *(("saturation", "data"), ("linearity", "coeffs"), ("dark", "dark_slope")),
        *(("dark", "dark_slope_error"), ("gain", "data"), ("readnoise", "data")),
        *(("flat", "data"), ("flat", "err")),
    ):
        for text, value in values.items():

            def fill(asdf: Asdf, name=name, value=value) -> None:
                array = asdf.array(f"roman.{name}")
                asdf.put_array(f"roman.{name}", np.full_like(array, value))

            # Where no pixel can be used any more, there are no science data.
            yield of_reference(kind, f"{name} all {text}", RESULT | NO_DATA, reftype, rebuilt(fill))
    for reftype in ("mask", "saturation", "linearity", "dark", "flat"):
        for bits in (1, 0xFFFFFFFF):

            def flags(asdf: Asdf, bits=bits) -> None:
                asdf.put_array("roman.dq", np.full_like(asdf.array("roman.dq"), bits))

            yield of_reference(kind, f"dq all {bits:#x}", RESULT | NO_DATA, reftype, rebuilt(flags))
    for text in (".nan", ".inf", "-.inf", "0", "-1", "1e308"):
        for key in ("photmjsr", "pixelareasr", "uncertainty"):

            def photom(asdf: Asdf, key=key, text=text) -> None:
                asdf.set(f"roman.phot_table.F158.{key}", text)

            yield of_reference(kind, f"{key} {text}", ANY, "photom", rebuilt(photom))


# --- the text


def laughs(depth: int = 30, width: int = 10) -> bytes:
    """A list that would have width^depth items, were the aliases written out."""
    parts = [b"&l0 [" + b",".join([b"x"] * width) + b"]"]
    for i in range(1, depth):
        parts.append(b"&l%d [" % i + b",".join([b"*l%d" % (i - 1)] * width) + b"]")
    return b"[" + b",".join(parts) + b"]"


def _yaml_values() -> dict[str, tuple[bytes, frozenset[str]]]:
    """Values that are hard to read, or to keep, as those of a key that nothing needs."""
    deep = 10_000
    return {
        "billion laughs": (laughs(), ERROR),
        "quadratic growth": (
            b"[&a [" + b"x," * 5000 + b"x],[" + b"*a," * 5000 + b"*a]]",
            ERROR,
        ),
        "a list in itself": (b"&a [*a]", ERROR),
        "a mapping in itself": (b"&a {b: *a}", ERROR),
        "an alias of nothing": (b"*nothing", ERROR),
        "an anchor given twice": (b"[&a 1, &a 2, *a]", ANY),
        "a merge of mappings": (b"{<<: {a: 1}}", ANY),
        "a merge of itself": (b"&a {<<: *a}", ERROR),
        "lists, 10k deep": (b"[" * deep + b"]" * deep, ERROR),
        "lists, 10k deep, open": (b"[" * deep, ERROR),
        "mappings, 10k deep": (b"{a: " * deep + b"1" + b"}" * deep, ERROR),
        "blocks, 10k deep": (b"\n      " + b"- " * deep + b"x", ERROR),
        "complex keys, 10k deep": (b"\n      " + b"? " * deep + b"x", ERROR),
        "lists, 150 deep": (b"[" * 150 + b"]" * 150, ANY),
        "a text of 4 MiB": (b"'" + b"x" * (4 << 20) + b"'", ANY),
        "a text of 9 MiB": (b"'" + b"x" * (9 << 20) + b"'", ERROR),
        "a million items": (b"[" + b"1," * 1_000_000 + b"1]", ERROR),
        "a million empty lists": (b"[" + b"[]," * 1_000_000 + b"1]", ERROR),
        "an integer of 100k digits": (b"1" * 100_000, ERROR),
        "an integer of base 60": (b"1" + b":59" * 10_000, ERROR),
        "a hexadecimal integer of 100k digits": (b"0x" + b"f" * 100_000, ERROR),
        "a number beyond all": (b"1.0e+999999999", ANY),
        "the same key twice": (b"{a: 1, a: 2}", ERROR),
        "a list as key": (b"{[1, 2]: 3}", ANY),
        "a mapping as key": (b"{{a: 1}: 3}", ANY),
        "null as key": (b"{~: 3}", ANY),
        "numbers as keys": (b"{1: 3, 2.5: 4}", ANY),
        "invalid UTF-8": (b"'\xff\xfe\xfa'", ERROR),
        "half a surrogate": (b'"\\ud800"', ANY),
        "NUL": (b"'a\0b'", ERROR),
        "control characters": (b"'a\x01\x1b[31mb'", ERROR),
        "escaped control characters": (b'"\\e[31m \\0 \\a"', ANY),
        "a tab": (b"\n\t- a", ERROR),
        "an open quote": (b"'never closed", ERROR),
        "an open bracket": (b"[1, 2", ERROR),
        "python/object/apply": (b"!!python/object/apply:os.system ['exit 9']", ANY),
        "python/object/new": (b"!!python/object/new:os.system ['exit 9']", ANY),
        "python/name": (b"!!python/name:os.system ''", ANY),
        "python/module": (b"!!python/module:os ''", ANY),
        "python/tuple": (b"!!python/tuple [1, 2]", ANY),
        "!!binary that is none": (b"!!binary '***'", ANY),
        "!!set": (b"!!set {a, b}", ANY),
        "!!omap": (b"!!omap [a: 1]", ANY),
        "!!int that is none": (b"!!int x", ERROR),
        "!!float that is none": (b"!!float x", ERROR),
        "!!bool that is none": (b"!!bool x", ERROR),
        "!!map that is none": (b"!!map [1]", ANY),
        "!!timestamp that is none": (b"!!timestamp x", ANY),
        "an unknown tag": (b"!<no:such/tag-9> {a: 1}", ANY),
        "a tag without an end": (b"!<tag", ERROR),
        "a unit that is none": (b"!unit/unit-1.0.0 '1/0 ** 9'", ANY),
        "a quantity that is none": (b"!unit/quantity-1.2.0 {unit: x, value: [a]}", ANY),
        "a quantity without a unit": (b"!unit/quantity-1.2.0 {value: 1}", ANY),
        "a reference to another file": (b"{$ref: 'file:///etc/passwd'}", ANY),
        "a reference to the net": (b"{$ref: 'http://127.0.0.1:9/x.asdf#/a'}", ANY),
        "a time that is none": (b"!time/time-1.4.0 yesterday", ANY),
        "an array elsewhere": (
            b"!core/ndarray-1.1.0 {source: other.asdf, datatype: int8, byteorder: big, shape: [1]}",
            ANY,
        ),
        "an external array": (
            b"!core/externalarray-1.0.0 {fileuri: /etc/passwd, target: x, "
            b"datatype: int8, shape: [1]}",
            ANY,
        ),
    }


def _yaml_files() -> dict[str, tuple[Callable[[bytes], bytes], frozenset[str]]]:
    """Changes of the whole text of a file."""

    def tree(content: bytes, new: bytes) -> bytes:
        return content[: content.index(b"---")] + new + content[content.index(b"\n...\n") :]

    return {
        "no tree": (lambda c: tree(c, b"---"), ERROR),
        "the tree is a list": (lambda c: tree(c, b"--- [1, 2]"), ERROR),
        "the tree is a word": (lambda c: tree(c, b"--- word"), ERROR),
        "the tree is a number": (lambda c: tree(c, b"--- 5"), ERROR),
        "two trees": (lambda c: c.replace(b"\n...\n", b"\n--- {a: 1}\n...\n", 1), ERROR),
        "a second end": (lambda c: c.replace(b"\n...\n", b"\n...\n...\n", 1), ANY),
        "lines end as on Windows": (_windows, ANY),
        "lines end as on an old Mac": (
            lambda c: c[: c.index(b"\n...\n")].replace(b"\n", b"\r") + c[c.index(b"\n...\n") :],
            ANY,
        ),
        "UTF-16": (
            lambda c: (
                c[:12]
                + c[12 : c.index(b"\n...\n")].decode().encode("utf-16")
                + c[c.index(b"\n...\n") :]
            ),
            ERROR,
        ),
        "YAML 9.9": (lambda c: c.replace(b"%YAML 1.1", b"%YAML 9.9"), ERROR),
        "no tag prefix": (lambda c: c.replace(b"%TAG ! tag:stsci.edu:asdf/\n", b""), ANY),
        "a tag prefix given twice": (
            lambda c: c.replace(b"%TAG ! ", b"%TAG ! tag:x/\n%TAG ! "),
            ERROR,
        ),
        "python as tag prefix": (
            lambda c: c.replace(b"tag:stsci.edu:asdf/\n", b"tag:yaml.org,2002:python/\n"),
            ANY,
        ),
        "version 99 of the format": (lambda c: c.replace(b"#ASDF 1.0.0", b"#ASDF 99.0.0"), ANY),
        "version x of the format": (lambda c: c.replace(b"#ASDF 1.0.0", b"#ASDF x.y.z"), ANY),
        "version 99 of the standard": (
            lambda c: re.sub(rb"STANDARD [\d.]+", b"STANDARD 99.0.0", c),
            ANY,
        ),
        "comments of 1 MiB": (
            lambda c: c.replace(b"%YAML", b"#" + b"x" * (1 << 20) + b"\n%YAML", 1),
            ANY,
        ),
    }


def _windows(content: bytes) -> bytes:
    end = content.index(b"\n...\n") + 5
    return content[:end].replace(b"\n", b"\r\n") + content[end:]


def texts() -> Iterator[Case]:
    """YAML that is hostile, in exposures, references and parameter files."""
    kind = "YAML"

    def put(value: bytes) -> Callable[[bytes], bytes]:
        return rebuilt(lambda asdf: asdf.raw("roman.meta.remark", value))

    for name, (value, expected) in _yaml_values().items():
        yield of_exposure(kind, name, expected, put(value))
        yield of_reference(kind, name, expected, "gain", put(value))
    for name in ("billion laughs", "lists, 10k deep", "a text of 9 MiB", "the same key twice"):
        value, expected = _yaml_values()[name]
        yield of_reference(kind, name, expected, "flat", put(value), override=True)
    for name, (change, expected) in _yaml_files().items():
        yield of_exposure(kind, name, expected, change)
        case = of_reference(kind, name, expected, "gain", change)
        # A sound file that does not say that it is a reference is not looked at.
        is_other = name == "no tree" or name.startswith("the tree is")
        yield replace(case, names="GAIN") if is_other else case
    for key, text in (
        ("roman.meta.instrument.detector", "WFI02"),
        ("roman.meta.exposure.frame_time", "9"),
        ("roman.meta", "{}"),
        ("roman", "{}"),
    ):
        yield of_exposure(
            kind, f"{key} twice", ERROR, rebuilt(lambda a, k=key, t=text: a.again(k, t))
        )
    for key, text in (("roman.meta.reftype", "FLAT"), ("roman.meta.useafter", "2021-01-01")):
        yield of_reference(
            kind, f"{key} twice", ERROR, "gain", rebuilt(lambda a, k=key, t=text: a.again(k, t))
        )
    for where in ("history", "asdf_library", "history.extensions"):
        for text in ("null", "5", "[1]", "{a: b}", "[!core/extension_metadata-1.0.0 {}]"):
            yield of_exposure(
                kind, f"{where} is {text}", ANY, rebuilt(lambda a, w=where, t=text: a.set(w, t))
            )


# --- metadata


def metadata() -> Iterator[Case]:
    """Values that make no sense, and values of other types."""
    kind = "metadata"
    exposure = "roman.meta.exposure"
    wrong: dict[str, list[str]] = {
        f"{exposure}.read_pattern": [
            *("[]", "[[]]", "null", "5", "x", "{}", "[1, 2, 3, 4]", "[[1], [2], [3]]"),
            *("[[1], [2], [3], [4], [5]]", "[[4], [3], [2], [1]]", "[[1], [1], [2], [3]]"),
            *("[[1, 1], [2, 2], [3, 3], [4, 4]]", "[[2, 1], [4, 3], [6, 5], [8, 7]]"),
            *("[[], [1], [2], [3]]", "[[-3], [-2], [-1], [0]]", "[[0], [1], [2], [3]]"),
            *("[[1], [2], [3], [99999999999999999999]]", "[[1], [2], [3], [9223372036854775807]]"),
            *("[[[1]], [[2]], [[3]], [[4]]]", "[[a], [b], [c], [d]]", "[[1.5], [2], [3], [4]]"),
            *("[[.nan], [2], [3], [4]]", "[[null], [2], [3], [4]]", "[[true], [2], [3], [4]]"),
            *("[1, [2], [3], [4]]", "[{a: 1}, {b: 2}, {c: 3}, {d: 4}]", "['12', '34', '56', '78']"),
        ],
        f"{exposure}.frame_time": [
            *("-1.0", "0.0", "0", ".nan", ".inf", "-.inf", "x", "'3.04'", "null", "[3.04]", "{}"),
            *("true", "2027-01-01"),
        ],
        f"{exposure}.start_time": [
            *("99999-01-01T00:00:00", "-1-01-01T00:00:00", "now", "2027-13-45T99:99:99", "x", "''"),
            *("null", "5", "[]", "{}", "!time/time-1.4.0 99999-01-01T00:00:00.000"),
            *("!time/time-1.4.0 now", "!time/time-1.4.0 '-1'", "!time/time-1.4.0 ''"),
            *("!time/time-1.4.0 2027-13-45T99:99:99", "!time/time-1.4.0 {}", "2027-06-01"),
            *("!time/time-1.4.0 {value: now, scale: utc}", "!time/time-1.4.0 [1]"),
            *("!time/time-1.4.0 {value: 1e300, base_format: jd}", "!time/time-1.4.0 0000-00-00"),
            *("!time/time-1.4.0 {value: [2020-01-01T00:00:00], scale: utc}",),
            *("!time/time-1.4.0 2027-06-01T00:00:00.000 and more",),
        ],
        f"{exposure}.nresultants": ["5", "-4", "0", "x", "null", "4.5", "99999999999999999999"],
        f"{exposure}.type": ["x", "null", "5", "[]", "''", "wfi_image"],
        f"{exposure}.ma_table_number": ["x", "null", "99999999999999999999", "1.5"],
        f"{exposure}.effective_exposure_time": ["x", "null", "[]"],
        exposure: ["null", "5", "[]", "{}", "x"],
        "roman.meta.instrument": ["null", "5", "[]", "{}", "x"],
        "roman.meta.instrument.detector": [
            *("WFI19", "null", "5", "[WFI01]", "''", "../WFI01", "'WFI01\\n'", "{a: 1}"),
        ],
        "roman.meta.instrument.name": ["NIRCAM", "null", "5"],
        "roman.meta.instrument.optical_element": ["F999", "null", "5", "[]", "DARK"],
        "roman.meta": ["null", "5", "[]", "{}", "x"],
        "roman": ["null", "5", "[]", "{}", "x"],
        "roman.meta.filename": ["5", "null", "[]", "''"],
        "roman.meta.wcsinfo": ["null", "5", "[]", "{}"],
        "roman.meta.wcsinfo.ra_ref": ["x", "null", "[]"],
        "roman.meta.wcsinfo.v2_ref": ["x", "null"],
        "roman.meta.wcsinfo.vparity": ["x", "null"],
        "roman.meta.ref_file": ["null", "5", "[]"],
        "roman.meta.ref_file.crds": ["null", "5", "[]"],
        "roman.meta.velocity_aberration.scale_factor": ["x", "[]"],
        "roman.meta.pointing": ["null", "5"],
        "roman.meta.telescope": ["JWST", "null", "5"],
        "roman.meta.file_date": ["x", "null", "5", "!time/time-1.4.0 now"],
        "roman.meta.cal_step": ["5", "x", "{dq_init: 5}"],
        "roman.meta.cal_logs": ["5", "x", "[5]"],
        "roman.meta.cal_runs": ["5", "x", "[5]"],
    }
    # What is unusual, but allowed, or not looked at.
    allowed = {
        (f"{exposure}.nresultants", "null"),
        (f"{exposure}.start_time", "2027-06-01"),
    }
    for key, texts_ in wrong.items():
        for text in texts_:
            lenient = (key, text) in allowed or key.endswith(
                ("cal_step", "cal_logs", "cal_runs", "filename", "frame_time")
            )
            case = of_exposure(
                kind,
                f"{key.removeprefix('roman.')} is {text}",
                ANY if lenient else ERROR,
                rebuilt(lambda a, k=key, t=text: a.set(k, t)),
            )
            # An exposure of another element is sound, but there are no references for it.
            yield replace(case, names="no FLAT") if text == "DARK" else case
    for key, text in (
        (f"{exposure}.frame_time", "1.0e-300"),
        (f"{exposure}.frame_time", "1.0e+300"),
        ("roman.meta.wcsinfo.ra_ref", ".nan"),
        ("roman.meta.wcsinfo.v3_ref", ".inf"),
        ("roman.meta.wcsinfo.dec_ref", "1.0e+30"),
        ("roman.meta.velocity_aberration.scale_factor", ".nan"),
        ("roman.meta.filename", "../../escaped_uncal.asdf"),
        ("roman.meta.filename", "/escaped_uncal.asdf"),
        (f"{exposure}.read_pattern", "[[1], [2], [3], [4000000000]]"),
        (f"{exposure}.read_pattern", f"[{list(range(1, 9000))}, [9001], [9002], [9003]]"),
        (f"{exposure}.group_time", "-1"),
        (f"{exposure}.group_time", "x"),
        (f"{exposure}.ngroups", "x"),
        (f"{exposure}.ngroups", "-3"),
    ):
        yield of_exposure(
            kind,
            f"{key.removeprefix('roman.')} is {text[:40]}",
            ANY | NO_DATA,
            rebuilt(lambda a, k=key, t=text: a.set(k, t)),
        )
    for key in (
        *("roman", "roman.meta", exposure, f"{exposure}.read_pattern", f"{exposure}.frame_time"),
        *(f"{exposure}.start_time", f"{exposure}.type", "roman.meta.instrument"),
        *("roman.meta.instrument.detector", "roman.meta.instrument.optical_element"),
        *("roman.meta.wcsinfo", "roman.meta.ref_file"),
        *("roman.meta.pointing", "roman.meta.velocity_aberration", "roman.meta.telescope"),
    ):
        yield of_exposure(kind, f"no {key}", ERROR, rebuilt(lambda a, k=key: a.remove(k)))
    for tag in (
        *(
            "wfi_science_raw-99.0.0",
            "reference_files/dark-2.0.0",
            "no_such-1.0.0",
            "wfi_image-2.1.0",
        ),
        *("../../x-1.0.0", "wfi_science_raw", "wfi_science_raw-x.y.z", ""),
    ):

        def retag(content: bytes, tag=tag) -> bytes:
            return re.sub(rb"tags/wfi_science_raw-[\d.]+", b"tags/" + tag.encode(), content)

        yield of_exposure(kind, f"tagged {tag}", ERROR, retag)
    yield from _reference_metadata()


def _reference_metadata() -> Iterator[Case]:
    kind = "metadata"
    wrong = {
        "useafter": [
            *("99999-01-01T00:00:00", "-1", "now", "x", "null", "5", "[]", "{}", "''"),
            *("!time/time-1.4.0 now", "!time/time-1.4.0 2999-01-01T00:00:00.000"),
            *("!time/time-1.4.0 {value: x, scale: tai}", "2020-01-01T00:00:00+99:00"),
            *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
        ],
        "reftype": ["DARK", "null", "5", "[]", "''", "../GAIN", "PARS-"],
        "instrument": ["null", "5", "[]", "{}"],
        "instrument.detector": ["WFI02", "null", "5", "[WFI01]", "wfi01"],
        "instrument.name": ["NIRCAM", "null"],
        "exposure": ["5", "[]", "{ngroups: x}", "{ma_table_number: x}", "{ngroups: 7}"],
    }
    for reftype in ("gain", "dark"):
        for key, texts_ in wrong.items():
            for text in texts_:
                if key == "reftype" and reftype == "dark" and text == "DARK":
                    continue
                case = of_reference(
                    kind,
                    f"{key} is {text}",
                    # The exposure section says nothing of a gain.
                    ANY if key == "exposure" else ERROR,
                    reftype,
                    rebuilt(lambda a, k=key, t=text: a.set(f"roman.meta.{k}", t)),
                )
                # A file that says that it is something else is not looked at.
                yield replace(case, names=reftype.upper()) if key == "reftype" else case
    transform = "roman.coordinate_distortion_transform"
    for text in (
        *("null", "5", "x", "[]", "{}", "!transform/shift-1.4.0 {offset: x}"),
        *("!transform/shift-1.4.0 {offset: 1.0}", "!transform/no_such-1.0.0 {}"),
        *("!transform/compose-1.4.0 {forward: []}", "!transform/polynomial-1.3.0 {}"),
        *("!transform/constant-1.6.0 {dimensions: 2, value: .nan}", "!transform/identity-1.3.0 {}"),
        *(
            "!transform/identity-1.3.0 {n_dims: 1000000000}",
            "!transform/identity-1.3.0 {n_dims: -1}",
        ),
        *("!transform/remap_axes-1.5.0 {mapping: [0, 9999999]}",),
        *("!transform/compose-1.4.0 {forward: [!transform/identity-1.3.0 {n_dims: 2}, 5]}",),
        *("!transform/polynomial-1.3.0 {coefficients: [[1, .nan], [.inf, 0]]}",),
    ):
        yield of_reference(
            kind,
            f"transform is {text}",
            ERROR,
            "distortion",
            rebuilt(lambda a, t=text: a.set(transform, t)),
        )
    for key, text in (
        *(("phot_table", "null"), ("phot_table", "{}"), ("phot_table", "5"), ("phot_table", "[]")),
        *(("phot_table.F158", "null"), ("phot_table.F158", "5"), ("phot_table.F158", "{}")),
        *(("phot_table.F158.photmjsr", "x"), ("phot_table.F158.photmjsr", "[]")),
        *(("phot_table.F158.pixelareasr", "x"), ("phot_table.F158.uncertainty", "{}")),
    ):
        yield of_reference(
            kind,
            f"{key} is {text}",
            ERROR,
            "photom",
            rebuilt(lambda a, k=key, t=text: a.set(f"roman.{k}", t)),
        )


# --- what is no file, or another


def files() -> Iterator[Case]:
    """Links, directories, devices, and files of other formats."""
    kind = "files"
    makers: dict[str, tuple[Callable[[Path], object], frozenset[str]]] = {
        "no file": (lambda path: None, ERROR),
        "empty": (lambda path: path.touch(), ERROR),
        "text": (lambda path: path.write_text("These are notes.\n" * 99), ERROR),
        "FITS": (
            lambda path: path.write_bytes(b"SIMPLE  =                    T".ljust(2880)),
            ERROR,
        ),
        "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(999)), ERROR),
        "zip": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(999)), ERROR),
        "zeros": (lambda path: path.write_bytes(bytes(9999)), ERROR),
        "magic only": (lambda path: path.write_bytes(b"#ASDF"), ERROR),
        "magic and 100 MB of nothing": (_sparse, ERROR),
        "directory": (lambda path: path.mkdir(), ERROR),
        "link to nothing": (lambda path: path.symlink_to("nothing"), ERROR),
        "link to itself": (lambda path: path.symlink_to(path.name), ERROR),
        "link to a directory": (lambda path: path.symlink_to("."), ERROR),
        "link to /dev/zero": (lambda path: path.symlink_to("/dev/zero"), ERROR),
        "link to /dev/null": (lambda path: path.symlink_to("/dev/null"), ERROR),
        "link to /dev/stdin": (lambda path: path.symlink_to("/dev/stdin"), ERROR),
        "link to /proc/self/mem": (lambda path: path.symlink_to("/proc/self/mem"), ERROR),
        "fifo": (os.mkfifo, ERROR),
        "socket": (_socket, ERROR),
    }
    if os.getuid():
        makers["unreadable"] = (lambda path: (path.touch(), path.chmod(0)), ERROR)
    for name, (make, expected) in makers.items():

        def exposure(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_uncal.asdf"
            make(path)
            return place.run(path)

        def reference(place: Place, make=make) -> list[str]:
            make(place.reference("gain"))
            return place.run()

        def override(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_gain.asdf"
            make(path)
            return place.run(None, f"--steps.jump.override_gain={path}")

        def info(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_uncal.asdf"
            make(path)
            return ["info", str(path)]

        def parameters(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_pars.asdf"
            make(path)
            return ["run", str(path), str(place.sound.exposure)]

        # Without any file the directory has nothing to name.
        missing = "GAIN" if name == "no file" else "bad_gain.asdf"
        yield Case(f"exposure: {name}", kind, exposure, expected, "bad_uncal.asdf")
        yield Case(f"gain (directory): {name}", kind, reference, expected, missing)
        yield Case(f"gain (override): {name}", kind, override, expected, "bad_gain.asdf")
        yield Case(f"info: {name}", kind, info, expected, "bad_uncal.asdf")
        yield Case(f"parameter file: {name}", kind, parameters, USAGE, "bad_pars.asdf")

    def links(place: Place) -> list[str]:
        """A link to a sound file is as good as the file."""
        path = place.directory / "bad_uncal.asdf"
        path.symlink_to(place.sound.exposure)
        place.reference("gain").symlink_to(place.sound.path("gain"))
        return place.run(path)

    yield Case("links to sound files", kind, links, SAME, "")

    def references_are(make: Callable[[Path], object]) -> Callable[[Place], list[str]]:
        def write(place: Place) -> list[str]:
            path = place.directory / "bad_refs"
            make(path)
            return place.run(None, f"--references={path}")

        return write

    for name, make in (
        ("nothing", lambda path: None),
        ("a file", lambda path: path.touch()),
        ("empty", lambda path: path.mkdir()),
        ("a link to itself", lambda path: path.symlink_to(path.name)),
        ("a device", lambda path: path.symlink_to("/dev/zero")),
    ):
        yield Case(f"references: {name}", kind, references_are(make), ERROR, "bad_refs")
    for name, make in (
        ("a file", lambda path: path.touch()),
        ("a link to itself", lambda path: path.symlink_to(path.name)),
        ("a device", lambda path: path.symlink_to("/dev/null")),
    ):

        def output(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_out"
            make(path)
            return place.run(None, f"--output_dir={path}")

        yield Case(f"output directory: {name}", kind, output, USAGE | ERROR, "bad_out")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"#ASDF 1.0.0\n")
        file.truncate(100 << 20)


def _socket(path: Path) -> None:
    import socket

    there = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(there)


# --- parameter files

_PARAMETERS = b"""#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
class: romancal_rs.pipeline.ExposurePipeline
parameters: {}
steps:
- {name: jump, parameters: {rejection_threshold: 4.0}}
meta: {reftype: pars-exposurepipeline, useafter: '2020-01-01T00:00:00'}
...
"""


def parameters() -> Iterator[Case]:
    """Parameter files that the user names, and those of a store."""
    kind = "parameter files"

    def case(name: str, content: bytes, expected: frozenset[str], suffix: str = "asdf") -> Case:
        def write(place: Place) -> list[str]:
            path = place.directory / f"bad_pars.{suffix}"
            path.write_bytes(content)
            words = place.run()
            return ["run", str(path), *words[2:]]

        return Case(f"named: {name}", kind, write, expected, f"bad_pars.{suffix}")

    def of_store(name: str, content: bytes, expected: frozenset[str]) -> Case:
        def write(place: Place) -> list[str]:
            (place.references / "bad_pars.asdf").write_bytes(content)
            return place.run()

        return Case(f"in a store: {name}", kind, write, expected, "bad_pars.asdf")

    yield case("sound", _PARAMETERS, SAME)
    yield of_store("sound", _PARAMETERS, SAME)
    for name, (value, expected) in _yaml_values().items():
        if name.startswith("python"):
            expected = USAGE | SAME
        # Of what a parameter file does not need, only the form matters.
        expected = USAGE if expected == ERROR else USAGE | SAME
        content = _PARAMETERS.replace(b"meta: {", b"meta: {remark: " + value + b", ")
        if value.startswith(b"\n"):
            content = _PARAMETERS.replace(b"meta: {", b"history:" + value + b"\nmeta: {")
        yield case(name, content, expected | SAME if _is_read_as_text(name) else expected)
    for cut in (0, 3, 5, 30, 100, 130, 200, len(_PARAMETERS) - 4):
        yield case(f"cut at {cut}", _PARAMETERS[:cut], USAGE | SAME)
    changed = {
        "no class": (b"class: romancal_rs.pipeline.ExposurePipeline\n", b""),
        "class of nothing": (b"romancal_rs.pipeline.ExposurePipeline", b"no.such.Class"),
        "class that is no step": (b"romancal_rs.pipeline.ExposurePipeline", b"os.system"),
        "class that is a list": (b"romancal_rs.pipeline.ExposurePipeline", b"[1]"),
        "class with slashes": (b"romancal_rs.pipeline.ExposurePipeline", b"../../x.Y"),
        "class of 1 MB": (b"romancal_rs.pipeline.ExposurePipeline", b"a." * 500_000 + b"B"),
        "a parameter that is none": (b"rejection_threshold", b"rejection_treshold"),
        "a threshold of NaN": (b"4.0", b".nan"),
        "a threshold of 100k digits": (b"4.0", b"4" * 100_000),
        "a threshold that is a list": (b"4.0", b"[4.0]"),
        "a step that is none": (b"name: jump", b"name: hop"),
        "steps as mapping": (b"- {name: jump", b"  {name: jump"),
        "a step within a step": (b"name: jump,", b"name: jump, steps: [{name: jump}],"),
        "config_file of the directory above": (
            b"rejection_threshold: 4.0",
            b"config_file: ../no_such.asdf",
        ),
        "config_file that is itself": (
            b"parameters: {}",
            b"parameters: {config_file: bad_pars.asdf}",
        ),
        "config_file that is a device": (
            b"parameters: {}",
            b"parameters: {config_file: /dev/zero}",
        ),
        "config_file that is a directory": (b"parameters: {}", b"parameters: {config_file: ..}"),
        "config_file that is a number": (b"parameters: {}", b"parameters: {config_file: [1]}"),
        "an override that is a device": (b"rejection_threshold: 4.0", b"override_gain: /dev/zero"),
        "an override of the directory above": (
            b"rejection_threshold: 4.0",
            b"override_gain: ../../gain.asdf",
        ),
        "hooks of nothing": (b"rejection_threshold: 4.0", b"pre_hooks: [no.such.hook]"),
    }
    of_the_run = ("an override", "hooks")
    for name, (old, new) in changed.items():
        expected = ERROR | USAGE if name.startswith(of_the_run) else USAGE
        if name in ("a threshold of NaN", "a threshold of 100k digits"):
            expected = USAGE | RESULT
        content = _PARAMETERS.replace(old, new)
        made = case(name, content, expected)
        if name.startswith(of_the_run):  # a message may name what the file names
            made = Case(made.name, made.kind, made.write, made.expected, "")
        yield made
    configobj = b'class = "romancal_rs.pipeline.ExposurePipeline"\n[steps]\n[[jump]]\n'
    for name, content in (
        ("ConfigObj, 10k sections deep", configobj + b"[" * 10_000 + b"a" + b"]" * 10_000),
        ("ConfigObj, not UTF-8", configobj + b"rejection_threshold = \xff\xfe\n"),
        ("ConfigObj, a key twice", configobj + b"skip = true\nskip = false\n"),
        ("ConfigObj, a section twice", configobj + b"[[jump]]\n"),
        ("ConfigObj, an open quote", configobj + b"rejection_threshold = '''5\n"),
        (
            "ConfigObj, interpolation",
            configobj + b"rejection_threshold = %(rejection_threshold)s\n",
        ),
        ("ConfigObj, NUL", b"\0" * 1000),
        ("ConfigObj, 20 MB", configobj + b"# " + b"x" * (20 << 20)),
    ):
        yield case(name, content, USAGE, "cfg")
    for name, new in (
        ("hooks", b"pre_hooks: [os.getcwd]"),
        ("hooks that are a word", b"post_hooks: os.getcwd"),
        ("config_file", b"config_file: other.asdf"),
        ("a parameter that is none", b"no_such: 5"),
        ("a value that is none", b"rejection_threshold: high"),
    ):
        content = _PARAMETERS.replace(b"rejection_threshold: 4.0", new)
        yield of_store(name, content, USAGE)


def _is_read_as_text(name: str) -> bool:
    """Whether a parameter file takes as text what is no number, or no tag."""
    return name.startswith(("an integer", "a hexadecimal", "!!", "an array", "a text of 4"))


# --- rule files


def rules() -> Iterator[Case]:
    """Rule files of a CRDS cache."""
    kind = "rules"

    def case(
        name: str,
        suffix: str,
        change: Callable[[str], str],
        expected: frozenset[str] = ERROR,
        *,
        names: str | None = None,
        checksum: bool = True,
    ) -> Case:
        def write(place: Place) -> list[str]:
            cache = place.cache()
            path = next((cache / "mappings" / "roman").glob(suffix))
            text = change(path.read_text())
            path.unlink()
            if checksum:
                text = _with_checksum(text)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            return place.run()

        told = suffix.removeprefix("*").removesuffix("*") if names is None else names
        return Case(f"{suffix}: {name}", kind, write, expected, told)

    rmap, imap, pmap = "*_gain_*.rmap", "*.imap", "*.pmap"

    def selector(text: str) -> Callable[[str], str]:
        return lambda sound: sound[: sound.index("selector =")] + f"selector = {text}\n"

    for suffix in (rmap, imap, pmap):
        named = {rmap: "gain", imap: ".imap", pmap: ".pmap"}[suffix]
        yield case("sound", suffix, lambda text: text, SAME, names="")
        for cut in (0, 10, 100, 200, 300):
            yield case(f"cut at {cut}", suffix, lambda t, c=cut: t[:c], names=named, checksum=False)
        for name, change in (
            ("not UTF-8", lambda t: t + "\udcff\udcfe"),
            ("NUL", lambda t: t + "\0"),
            ("wrong checksum", lambda t: t.replace("ROMAN", "roman", 1) + "# changed\n"),
        ):
            yield case(name, suffix, change, names=named, checksum=False)
        for name, text in (
            ("a call", "__import__('os').system('exit 9')"),
            ("an expression", "1 + 1"),
            ("a lambda", "(lambda: 1)()"),
            ("a comprehension", "{x: x for x in (1,)}"),
            ("an f-string", "f'{1}'"),
            ("lists, 10k deep", "[" * 10_000 + "]" * 10_000),
            ("parentheses, 200 deep", "(" * 200 + ")" * 200),
            ("signs, 10k of them", "-" * 10_000 + "1"),
            ("a number of 100k digits", "1" * 100_000),
            ("a text of 20 MB", "'" + "x" * (20 << 20) + "'"),
            ("a million items", "[" + "1," * 1_000_000 + "]"),
            ("a list", "['a.asdf']"),
            ("null", "None"),
            ("an open bracket", "Match({"),
            ("keys that cannot be keys", "{[1]: 'x'}"),
        ):
            yield case(f"selector: {name}", suffix, selector(text), names=named)
        yield case("a statement", suffix, lambda t: "import os\n" + t, names=named)
        yield case("an assignment more", suffix, lambda t: t + "other = 1\n", names=named)
        yield case("a walrus", suffix, lambda t: t + "(header := 1)\n", names=named)
        yield case(
            "the header is a list",
            suffix,
            lambda t: "header = [1]\n" + t[t.index("selector") :],
            names=named,
        )
        yield case("no parkey", suffix, lambda t: re.sub(r"\n *'parkey'.*", "", t), names=named)
    for name in (
        *("../../../gain.asdf", "/etc/passwd", "..", ".", "", "a/b.asdf", "a\\\\b.asdf"),
        *("gain.asdf\\n", "gain.asdf\\0", "no_such.asdf", "~/x.asdf", "http://127.0.0.1:9/x.asdf"),
        "x" * 5000,
    ):
        text = f"Match({{('WFI01',): UseAfter({{'2020-01-01 00:00:00': '{name}'}})}})"
        yield case(f"names {name[:30]!r}", rmap, selector(text), names=name[:4].strip("\\."))
        for suffix, key in ((imap, "gain"), (pmap, "wfi")):
            named = {imap: ".imap", pmap: ".pmap"}[suffix]
            yield case(
                f"names {name[:30]!r}", suffix, selector(f"{{'{key}': '{name}'}}"), names=named
            )
    for name, text in (
        ("a date that is none", "Match({('WFI01',): UseAfter({'yesterday': 'a.asdf'})})"),
        ("year 99999", "Match({('WFI01',): UseAfter({'99999-01-01 00:00:00': 'a.asdf'})})"),
        ("keys of other lengths", "Match({('WFI01', 'x', 'y'): 'a.asdf'})"),
        ("a number for a file", "Match({('WFI01',): UseAfter({'2020-01-01 00:00:00': 5})})"),
        ("nothing", "Match({})"),
        ("30 selectors deep", "Match({('WFI01',): " * 29 + "Match({})" + "})" * 29),
        ("a regular expression", "Match({('(a+)+$',): 'a.asdf'})"),
        ("a regular expression that never ends", "Match({('^(a+)+$|WFI01',): 'a.asdf'})"),
    ):
        yield case(name, rmap, selector(text), names="gain")
    yield case(
        "an instrument map as itself",
        imap,
        selector("{'gain': 'roman_wfi_0001.imap'}"),
        names=".imap",
    )
    yield case(
        "a pipeline map as itself", pmap, selector("{'wfi': 'roman_0001.pmap'}"), names=".pmap"
    )
    for name, condition in (
        ("a call", "(open('x'))"),
        ("10k deep", "(" * 10_000 + ")" * 10_000),
        ("an attribute", "('a'.upper == 'A')"),
        ("a power", "(9**9**9**9 == 1)"),
        ("no expression", "(1 ==)"),
    ):

        def relevance(text: str, condition=condition) -> str:
            return text.replace("header = {", f'header = {{\n "rmap_relevance": "{condition}",', 1)

        yield case(f"relevance is {name}", rmap, relevance, names="gain")

    def server_config(content: bytes) -> Callable[[Place], list[str]]:
        def write(place: Place) -> list[str]:
            path = place.cache() / "config" / "roman" / "server_config"
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            return place.run()

        return write

    for name, content in (
        ("empty", b""),
        ("rubbish", b"\xff\xfe\0"),
        ("a call", b"__import__('os').system('exit 9')"),
        ("lists, 10k deep", b"[" * 10_000),
        ("a list", b"[1]"),
        ("a context in another directory", b"{'operational_context': '../../x.pmap'}"),
        ("a context that is a number", b"{'operational_context': 5}"),
        ("20 MB", b"'" + b"x" * (20 << 20) + b"'"),
    ):
        yield Case(f"server_config: {name}", kind, server_config(content), ERROR, "server_config")

    def special(make: Callable[[Path], object], suffix: str) -> Callable[[Place], list[str]]:
        def write(place: Place) -> list[str]:
            path = next((place.cache() / "mappings" / "roman").glob(suffix))
            path.unlink()
            make(path)
            return place.run()

        return write

    for suffix in (rmap, pmap):
        for name, make in (
            ("gone", lambda path: None),
            ("a directory", lambda path: path.mkdir()),
            ("a fifo", os.mkfifo),
            ("a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")),
            ("a link to itself", lambda path: path.symlink_to(path.name)),
        ):
            told = "_gain_" if suffix == rmap else ".pmap"
            yield Case(f"{suffix}: {name}", kind, special(make, suffix), ERROR, told)
    for name, make in (
        ("gone", lambda path: None),
        ("a directory", lambda path: path.mkdir()),
        ("a fifo", os.mkfifo),
        ("text", lambda path: path.write_text("text")),
    ):

        def reference(place: Place, make=make) -> list[str]:
            path = next((place.cache() / "references").rglob("*_gain_*.asdf"))
            path.unlink()
            make(path)
            return place.run()

        yield Case(f"reference of a cache: {name}", kind, reference, ERROR, "_gain_")


def _with_checksum(text: str) -> str:
    """The text with the checksum that a rule file states of itself."""
    import hashlib

    lines = [line for line in text.splitlines(keepends=True) if "sha1sum" not in line]
    stated = hashlib.sha1("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return re.sub(r"('sha1sum' *: *)'[0-9a-f]*'", rf"\1'{stated}'", text)


# --- other commands


def commands() -> Iterator[Case]:
    """What other commands do with hostile files; they only look at them."""
    kind = "commands"
    values = _yaml_values()
    looked_at: dict[str, tuple[Callable[[bytes], bytes], frozenset[str]]] = {}
    for name in (
        *("billion laughs", "quadratic growth", "a list in itself", "lists, 10k deep"),
        *("blocks, 10k deep", "a million items", "a text of 9 MiB", "an integer of 100k digits"),
        *("the same key twice", "python/object/apply", "a reference to another file"),
        *("control characters", "invalid UTF-8", "an array elsewhere"),
    ):
        value, expected = values[name]
        put = rebuilt(lambda asdf, value=value: asdf.raw("roman.meta.remark", value))
        looked_at[name] = put, ERROR if expected == ERROR else ANY
    looked_at["cut"] = (lambda c: c[: positions(c)["block 0, middle of the data"]], ERROR)
    looked_at["huge shape"] = (
        rebuilt(lambda asdf: asdf.set("roman.data.shape", "[99999999, 99999999, 99]")),
        ERROR,
    )
    for words in (("info",), ("info", "--tree"), ("reproduce",), ("references", "find")):
        for name, (damage, expected) in looked_at.items():

            def write(place: Place, words=words, damage=damage) -> list[str]:
                path = place.directory / "bad_uncal.asdf"
                path.write_bytes(damage(place.sound.exposure.read_bytes()))
                rest = [f"--references={place.references}"] if words[0] == "references" else []
                return [*words, str(path), *rest]

            # To find references, a raw exposure needs only a sound head; and no run made it.
            lenient = ANY if words[0] == "references" else expected
            strict = ERROR if words == ("reproduce",) else lenient
            yield Case(f"{' '.join(words)}: {name}", kind, write, strict, "bad_uncal.asdf")
    for name, (damage, _) in looked_at.items():

        def check(place: Place, damage=damage) -> list[str]:
            path = place.reference("gain")
            path.write_bytes(damage(place.sound.path("gain").read_bytes()))
            return ["references", "check", str(place.references)]

        def listed(place: Place, damage=damage) -> list[str]:
            path = place.reference("gain")
            path.write_bytes(damage(place.sound.path("gain").read_bytes()))
            return ["references", "list", f"--references={place.references}"]

        yield Case(f"references check: {name}", kind, check, ANY, "")
        yield Case(f"references list: {name}", kind, listed, ANY, "")


KINDS = (truncated, flipped, lying_blocks, compressed, arrays, numbers, texts, metadata, files)
KINDS += (parameters, rules, commands)


def cases() -> list[Case]:
    """All cases, in an order that stays."""
    return [case for kind in KINDS for case in kind()]


def directory_of(case: Case) -> str:
    return re.sub(r"[^\w.+-]+", "_", f"{case.kind}-{case.name}")[:100].strip("_")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/hostile/corpus.py DIRECTORY")
    root = Path(sys.argv[1])
    root.mkdir(parents=True)
    sound = Sound.make(root / "sound")
    found = cases()
    for number, case in enumerate(found):
        directory = root / f"{number:04}-{directory_of(case)}"
        directory.mkdir()
        place = Place(directory, sound)
        words = case.write(place)
        env = "".join(f"{name}={value} " for name, value in place.env.items())
        (directory / "COMMAND").write_text(f"{env}romancal-rs {' '.join(words)}\n")
    print(f"{len(found)} cases in {root}")
