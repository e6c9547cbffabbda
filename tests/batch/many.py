"""Many small exposures with their references, made of a few that are simulated."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from astropy.time import TimeDelta
from product_content import content

from romancal_rs import datamodels
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import Run, configure

#: What the names of exposures hold that `disturb`, a pre-hook, does something to.
KILLS, HANGS = "0666", "0777"


def disturb(*args: object) -> None:
    """A pre-hook: ends its process for one exposure, and hangs for another."""
    name = Path(str(args[0])).name
    if f"_{KILLS}_" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if f"_{HANGS}_" in name:
        time.sleep(3600)


def fail(*args: object) -> None:
    """A pre-hook that fails."""
    raise RuntimeError("not today")


def tell_whether_orphan(connection) -> None:
    """In a process of its own: answers with what it is a copy of, and whether that is gone."""
    from romancal_rs.batch import starting

    starting.adopt_surroundings(*starting.surroundings())
    while connection.recv():
        connection.send((os.getppid(), starting.is_orphan()))


def scheduler_settings(dask_scheduler) -> tuple[int, float]:
    """What a scheduler is set to; runs there."""
    return dask_scheduler.allowed_failures, dask_scheduler.WORKER_SATURATION


@dataclass
class Many:
    """Exposures in a directory of their own, and their references.

    Attributes
    ----------
    raw, references : Path
    """

    raw: Path
    references: Path
    size: int = 64
    _originals: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def make(cls, directory: Path, detectors: int = 2, size: int = 64) -> Many:
        """Simulates one exposure, with its references, for each of the first detectors."""
        many = cls(directory / "raw", directory / "references", size)
        many.raw.mkdir(parents=True)
        for number in range(1, detectors + 1):
            name = f"WFI{number:02}"
            config = SimulationConfig(
                rows=size, cols=size, n_resultants=4, n_reads=2, detector=name, seed=number
            )
            made = simulate(config, directory / "simulated")
            many._originals[name] = made.exposure
            many.references = made.references
        return many

    def add(self, detector: str, exposure: int | str) -> Path:
        """Another exposure of a detector: the same pixels, taken later."""
        original = self._originals[detector]
        number = f"{exposure:04}" if isinstance(exposure, int) else exposure
        path = self.raw / original.name.replace("_0001_", f"_{number}_")
        with datamodels.open(original) as model:
            raw = model.copy_for_change(())
            raw.meta.observation.exposure = int(number)
            shift = TimeDelta(200.0 * int(number), format="sec")
            for name in ("start_time", "end_time"):
                raw.meta.exposure[name] = raw.meta.exposure[name] + shift
            raw.save(path)
        return path

    def fill(self, exposures: int) -> list[Path]:
        """So many exposures of every detector."""
        return [
            self.add(detector, number)
            for number in range(1, exposures + 1)
            for detector in self._originals
        ]

    def of_element(self, detector: str, exposure: int, element: str) -> Path:
        """An exposure through another optical element, for which there are no references."""
        path = self.add(detector, exposure)
        other = path.with_name(path.name.replace("_f158_", f"_{element.lower()}_"))
        with datamodels.open(path) as model:
            raw = model.copy_for_change(())
            raw.meta.instrument.optical_element = element
            raw.save(other)
        path.unlink()
        return other

    def without_data(self, detector: str, exposure: int) -> Path:
        """An exposure without a resultant."""
        path = self.add(detector, exposure)
        with datamodels.open(path) as model:
            raw = model.copy_for_change(())
            raw.data = raw.data[:0]
            raw.amp33 = raw.amp33[:0]
            raw.meta.exposure.nresultants = 0
            raw.meta.exposure.read_pattern = []
            raw.save(path)
        return path

    def truncate(self, path: Path) -> Path:
        """Cuts an exposure off inside its data."""
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
        return path


def alone(raw: Path, references: Path, directory: Path, **parameters: object) -> Path:
    """The product of a run of its own, as the command line makes it."""
    places = {"references": str(references), "output_dir": str(directory), "save_results": True}
    run = Run(configure.build(ExposurePipeline, raw, parameters={**places, **parameters}))
    run(raw)
    return run.saved_files[0]


def differences(product: Path, other: Path) -> list[str]:
    """In what two products differ, but for times, places and the number of threads."""
    with datamodels.open(product) as one, datamodels.open(other) as two:
        first, second = content(one), content(two)
    names = sorted(first.keys() | second.keys())
    return [
        name
        for name in names
        if first.get(name) != second.get(name)
        and not name.endswith(("file_date", "output_dir", "threads"))
    ]
