"""What a hostile case is, and the sound files that cases are made from."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hostile.asdf_parts import Asdf, Block

from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import STEPS_BY_RECIPE
from romancal_rs.stpipe.recipes import FLIGHT

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
        from romancal_rs.references.librarian import build_cache
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
        step = next(
            name
            for name, step_class in ExposurePipeline.step_defs.items()
            if reftype in step_class.reference_file_types and name in STEPS_BY_RECIPE[FLIGHT]
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


def small_exposure() -> bytes:
    """Something with the boundaries of an exposure: a head, two blocks and an index."""
    blocks = b"".join(bytes(Block(bytes(8))) for _ in range(2))
    return b"#ASDF 1.0.0\n%YAML 1.1\n--- {}\n...\n" + blocks + b"#ASDF BLOCK INDEX\n--- [1]\n...\n"


def rng(seed: int, content: bytes) -> int:
    return random.Random(seed).randrange(len(content))
