"""Runs that are killed, or whose disk is full, at random moments: nothing is lost or half made.

``make torture`` does a thousand; the ordinary tests do some. Each run is a process of its own on an
exposure of 128 x 128 pixels, and one of

- ``kill``: SIGKILL at a moment of the run that is as likely as any other;
- ``write``: SIGKILL within some milliseconds after it has opened an output file;
- ``limit``: no file may grow beyond a random size (RLIMIT_FSIZE), as on a full disk;
- ``disk``: the output goes to a small file system in memory that has too little room, where one
  can be mounted.

The output directory holds nothing, or the products of an earlier run; the run writes the image and
its WCS, or all that it can, or keeps checkpoints. Afterwards every file in it is the old one to the
byte, or the new one with the arrays of an undisturbed run, and there is no other. A run that kept
checkpoints is continued, and has to end with the same arrays. Inputs are as they were.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

#: Only so that a fault does not hang: nothing is proved by it.
HANG_SECONDS = 600
WAYS = ("kill", "write", "limit", "disk")
KINDS = ("image and WCS", "everything", "checkpoints")
EVERYTHING = ("--save_calibrated_ramp=true", "--steps.linearity.save_results=true")
#: Of the run that made what is there already: its products are others.
OLD = ("--steps.rampfit.rejection_threshold=9", "--steps.saturation.n_pix_grow_sat=2")


class Broken(AssertionError):
    """Something was lost, or half made."""


def content(path: Path) -> dict[str, bytes]:
    """All arrays of a product, read through, and where its world coordinates are."""
    from romancal_rs import datamodels

    with datamodels.open(path) as model:
        model.validate()
        found = {name: np.asarray(model[name]).tobytes() for name, _ in model.arrays()}
        if isinstance(model, datamodels.WfiWcsModel):
            for name in ("wcs_l2", "wcs_l1"):
                found[name] = np.array(model[name](1.0, 2.0)).tobytes()
        return found


@dataclass
class Bench:
    """An exposure, its references, and what undisturbed runs make of it."""

    directory: Path
    exposure: Path = field(init=False)
    references: Path = field(init=False)
    expected: dict[str, dict[str, bytes]] = field(init=False)
    old: dict[str, Path] = field(init=False)
    inputs: dict[Path, bytes] = field(init=False)
    seconds: float = field(init=False)
    #: Bytes of the largest product.
    largest: int = field(init=False)

    def __post_init__(self) -> None:
        from romancal_rs.simulate import SimulationConfig, simulate

        made = simulate(SimulationConfig(rows=128, cols=128, seed=3), self.directory / "in")
        self.exposure, self.references = made.exposure, made.references
        inputs = [path for path in (self.directory / "in").rglob("*.asdf")]
        self.inputs = {path: path.read_bytes() for path in inputs}
        for name, options in (("old", OLD), ("new", ())):
            started = time.monotonic()
            run = self.start(self.directory / name, (*EVERYTHING, *options))
            told = run.communicate(timeout=HANG_SECONDS)[1]
            if run.returncode:
                raise Broken(f"the undisturbed run failed: {told}")
            self.seconds = time.monotonic() - started
        self.old = {path.name: path for path in (self.directory / "old").iterdir()}
        self.largest = max(path.stat().st_size for path in (self.directory / "new").iterdir())
        self.expected = {path.name: content(path) for path in (self.directory / "new").iterdir()}
        if len(self.expected) != 4 or self.expected.keys() != self.old.keys():
            raise Broken(f"four products were expected, not {sorted(self.expected)}")

    def start(
        self, out: Path, options: tuple[str, ...], limit: int | None = None
    ) -> subprocess.Popen[str]:
        """A run in a separate process, which may write no file larger than `limit` bytes."""
        command = [sys.executable, "-m", "romancal_rs", "run", "roman_elp", str(self.exposure)]
        command += ["--references", str(self.references), f"--output_dir={out}", *options]

        def confine() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=confine,
            env=os.environ | {"ROMANCAL_RS_CACHE": str(self.directory / "cache")},
        )

    def try_once(self, seed: int) -> str:
        """One disturbed run; what became of it.

        Raises
        ------
        Broken
            If anything was lost or half made.
        """
        chance = random.Random(seed)
        way = chance.choices(WAYS, (4, 4, 3, 1))[0]
        kind = chance.choice(KINDS)
        with tempfile.TemporaryDirectory(dir=self.directory) as name:
            out = Path(name) / "out"
            out.mkdir()
            mounted = way == "disk" and mount(out, chance.randrange(64, 3 * self.largest >> 10))
            if way == "disk" and not mounted:
                way = "limit"
            try:
                return f"{way}: {self._disturb(chance, way, kind, out, Path(name))}"
            except Broken as broken:
                raise Broken(f"seed {seed}, {way}, {kind}: {broken}") from None
            finally:
                if mounted:
                    # Lazily: what was killed may hold a file for a moment yet.
                    subprocess.run(["umount", "--lazy", out], check=True)

    def _disturb(self, chance: random.Random, way: str, kind: str, out: Path, scratch: Path) -> str:
        options: tuple[str, ...] = EVERYTHING if kind == "everything" else ()
        if kind == "checkpoints":
            kept = out if way == "disk" else scratch
            options = (f"--checkpoint={kept / 'kept'}",)
        there_before = chance.random() < 0.5 and way != "disk"
        if there_before:
            for path in self.old.values():
                shutil.copy2(path, out)
        limit = chance.randrange(1, self.largest) if way == "limit" else None
        run = self.start(out, options, limit)
        if way in ("kill", "write"):
            if way == "write":
                wait_for_output(run, out)
                time.sleep(chance.uniform(0, 0.03))
            else:
                time.sleep(chance.uniform(0, 1.1 * self.seconds))
            run.kill()
        try:
            told = run.communicate(timeout=HANG_SECONDS)[1]
        except subprocess.TimeoutExpired:
            run.kill()
            raise Broken("it hangs") from None
        status = run.returncode
        # A result that cannot be kept for later is no error, only a warning.
        lines = [line for line in told.splitlines() if "is not kept: " not in line]
        if status not in (0, 1, -signal.SIGKILL) or (status == 1) != bool(lines):
            raise Broken(f"exit status {status}: {told}")
        if status == 1 and (len(lines) != 1 or str(out.parent) not in lines[0]):
            raise Broken(f"not one line that names the file: {told}")
        outcome = {0: "done", 1: "error", -signal.SIGKILL: "killed"}[status]
        new = self._check_products(out, there_before, way)
        if status == 0 and way != "disk" and not any(name.endswith("cal.asdf") for name in new):
            raise Broken("it ended well without a product")
        if kind == "checkpoints" and way != "disk":
            self._check_continuation(out, options)
        for path, before in self.inputs.items():
            if path.read_bytes() != before:
                raise Broken(f"{path} has changed")
        return f"{outcome}, {'new' if new else 'old' if there_before else 'no'} products"

    def _check_products(self, out: Path, there_before: bool, way: str) -> list[str]:
        """Checks every file, and returns the names of those that the run wrote."""
        new = []
        files = {path.name: path for path in out.iterdir() if path.name != "kept"}
        # On the way from no name to the name of a file that is there, the new one has another name.
        if not has_nameless_files(out) or (there_before and way in ("kill", "write")):
            files = {name: path for name, path in files.items() if not name.endswith(".part")}
        if there_before and files.keys() != self.old.keys():
            raise Broken(f"there were {sorted(self.old)}, now there are {sorted(files)}")
        for name, path in files.items():
            if name not in self.expected:
                raise Broken(f"{name} was left behind")
            if there_before and path.read_bytes() == self.old[name].read_bytes():
                continue
            try:
                arrays = content(path)
            except Exception as error:
                raise Broken(f"{name} is damaged: {error}") from error
            if arrays != self.expected[name]:
                raise Broken(f"{name} is neither the old product nor the new one")
            new.append(name)
        return new

    def _check_continuation(self, out: Path, options: tuple[str, ...]) -> None:
        run = self.start(out, options)
        told = run.communicate(timeout=HANG_SECONDS)[1]
        if run.returncode:
            raise Broken(f"the run cannot be continued: {told}")
        (product,) = (name for name in self.expected if name.endswith("_cal.asdf"))
        if content(out / product) != self.expected[product]:
            raise Broken("the run that was continued has another product")


def has_nameless_files(directory: Path) -> bool:
    """Whether a killed process leaves nothing there; elsewhere a hidden ``.part`` may stay."""
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_RDWR))
    except (AttributeError, OSError):
        return False
    return os.path.isdir("/proc/self/fd")


def mount(directory: Path, kilobytes: int) -> bool:
    """A file system in memory of that size, if this system and user can."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(directory)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def wait_for_output(run: subprocess.Popen[str], out: Path) -> None:
    """Until the process has a file of the output directory open, or has ended."""
    descriptors = Path(f"/proc/{run.pid}/fd")
    while run.poll() is None:
        try:
            if any(os.readlink(file).startswith(f"{out}/") for file in descriptors.iterdir()):
                return
        except OSError:  # closed meanwhile
            pass
        time.sleep(0.001)


def torture(bench: Bench, seeds: range, workers: int) -> collections.Counter[str]:
    """As many runs as there are seeds; how many came to what."""
    outcomes: collections.Counter[str] = collections.Counter()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for outcome in pool.map(bench.try_once, seeds):
                outcomes[outcome] += 1
                if outcomes.total() % 100 == 0:
                    print(f"{outcomes.total():6}  runs so far", flush=True)
        except Broken:
            pool.shutdown(cancel_futures=True)
            raise
    return outcomes


def table(outcomes: collections.Counter[str]) -> str:
    return "\n".join(f"{count:6}  {outcome}" for outcome, count in sorted(outcomes.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first run; the next has one more"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        outcomes = torture(
            bench, range(arguments.seed, arguments.seed + arguments.runs), arguments.workers
        )
    print(table(outcomes))
    print(f"{outcomes.total():6}  runs, nothing lost or half made")
