"""What small exposures cost, for which files and start-up count more than pixels: CPU time.

Run by ``make bench``. An exposure of 512 x 512 pixels and 8 resultants is simulated first. Commands
are processes of their own, the median of 5; what is done to files is done in this process, which
has done it before: the least of 25; a run of a pipeline with one thread, the median of 15.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from romancal_rs import datamodels, kernels
from romancal_rs.datamodels import WfiWcsModel
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import ReferencePool, Run

RECIPES = {"2022": "ideal", "flight": "flight"}


def of_command(*words: str) -> float:
    """CPU time of a command [s]."""
    used = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "romancal_rs", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(used)


def times(work: Callable[[], object], number: int) -> list[float]:
    """CPU time of each of so many repetitions after the first two [ms]."""
    used = []
    for _ in range(number + 2):
        before = time.process_time()
        work()
        used.append(1000 * (time.process_time() - before))
    return used[2:]


def of_files(raw: Path, product: Path, directory: Path) -> None:
    def opened() -> None:
        with datamodels.open(raw):
            pass

    print(f"open the Level 1 exposure       {min(times(opened, 25)):8.1f} ms")
    with datamodels.open(product) as image:
        wcs = WfiWcsModel.from_image(image)
        for name, work in {
            "validate the image": image.validate,
            "save the image with its WCS": lambda: image.save(directory / "image.asdf"),
            "save its WCS product": lambda: wcs.save(directory / "wcs.asdf"),
        }.items():
            print(f"{name:<32}{min(times(work, 25)):8.1f} ms")


def main() -> None:
    os.environ["ROMANCAL_RS_NUM_THREADS"] = "1"
    kernels.set_num_threads(1)
    print(f"romancal-rs --help              {of_command('--help'):8.2f} s")
    print(f"romancal-rs run roman_elp -h    {of_command('run', 'roman_elp', '-h'):8.2f} s")
    with tempfile.TemporaryDirectory() as temporary:
        for recipe, readout in RECIPES.items():
            place = Path(temporary) / recipe
            made = simulate(SimulationConfig(rows=512, cols=512, readout=readout), place)
            options = [f"--references={made.references}", f"--output_dir={place}"]
            options += [f"--recipe={recipe}", "--quiet"]
            cpu = of_command("calibrate", str(made.exposure), *options)
            print(f"romancal-rs calibrate, recipe {recipe:6}{cpu:8.2f} s")
            pipeline = ExposurePipeline(
                references=str(made.references),
                recipe=recipe,
                save_results=True,
                output_dir=str(place),
            )
            with ReferencePool() as pool:
                for name, used in {"": None, ", pool": pool}.items():
                    work = lambda used=used: Run(pipeline, pool=used)(made.exposure)  # noqa: B023, E731
                    median = statistics.median(times(work, 15))
                    print(f"Run(pipeline{name}), recipe {recipe:<12}{median:8.0f} ms")
        (product,) = place.glob("*_cal.asdf")
        of_files(made.exposure, product, place)


if __name__ == "__main__":
    main()
