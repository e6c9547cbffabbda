"""The flight recipe from file to file on a full-size exposure: time by step, and peak memory.

Run by ``make bench``. An exposure of 4096 x 4096 pixels and 8 resultants of 8 reads is simulated
once into ``build/bench``, with its references, as flight exposures are sent: encoded, not
compressed. Each run has a separate process. The first one with each number of threads is not
reported, so that all files are in the page cache; the next has the CPU time of its threads for a
clock, by which the steps report their seconds; the last has the usual one. So it goes with an
exposure that goes on for twice as many resultants, too, which tells how memory grows.

The time of the one pass is shared out among the steps by what threads spent in each by the clock,
so that shares are rough where something else is running; their sum is not. It has no part in the
import of gwcs, which comes first where CPU time is the clock, and beside the pass otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from watching import Watched, watch

SIZE, RESULTANTS, READS = 4096, 8, 8
THREADS = (1, 2)
LAST_STEPS = ("linearity", "rampfit")

#: What each step took [s], in the order in which they ended.
Seconds = dict[str, float]


@dataclass(frozen=True)
class Column:
    """What one exposure took with one number of threads, by both clocks."""

    cpu: Seconds
    wall: Seconds
    whole: Watched


def simulated(directory: Path) -> Path:
    """The exposure, simulated if it is not there yet."""
    if not list(directory.glob("*_uncal.asdf")):
        print(f"simulating {SIZE} x {SIZE} x {RESULTANTS} into {directory}", flush=True)
        command = [sys.executable, "-m", "romancal_rs", "simulate", str(directory), "--encoded"]
        size = (f"--size={SIZE}", f"--resultants={RESULTANTS}", f"--reads={READS}")
        subprocess.run([*command, *size], check=True, stdout=subprocess.DEVNULL)
    return next(directory.glob("*_uncal.asdf"))


def continued(exposure: Path, directory: Path) -> Path:
    """The exposure with twice as many resultants: the same again, on top of what was gathered."""
    from romancal_rs import datamodels

    path = directory / exposure.name
    if path.exists():
        return path
    with datamodels.open(exposure) as model:
        longer = model.copy()
    pattern = [list(reads) for reads in longer.meta.exposure.read_pattern]
    last_read = pattern[-1][-1]
    pattern += [[read + last_read for read in reads] for reads in pattern]
    counts = np.asarray(longer.data)
    gathered = (counts[-1].astype(np.int64) - counts[0]) * RESULTANTS // (RESULTANTS - 1)
    more = np.clip(counts + gathered, 0, 65535).astype(np.uint16)
    longer.meta.exposure.read_pattern = pattern
    longer.meta.exposure.nresultants = len(pattern)
    longer.data = np.concatenate([counts, more])
    longer.amp33 = np.concatenate([np.asarray(longer.amp33)] * 2)
    directory.mkdir(exist_ok=True)
    longer.save(path, compression=None)
    return path


def run(exposure: Path, references: Path, threads: int, clock: str) -> tuple[Watched, Seconds]:
    """Runs the pipeline in a separate process; with what each step took by the clock."""
    command = [sys.executable, __file__, "--run", str(exposure), "--references", str(references)]
    watched = watch([*command, "--clock", clock], threads)
    return watched, json.loads(watched.output.splitlines()[-1])


def run_here(exposure: Path, references: Path, clock: str) -> None:
    """The work of that process."""
    from romancal_rs.datamodels import load_libraries
    from romancal_rs.pipeline import ExposurePipeline
    from romancal_rs.stpipe import Run

    if clock == "cpu":
        load_libraries()
        time.perf_counter = time.process_time  # what steps and passes look at
    out = str(exposure.parent / "calibrated")
    run = Run(ExposurePipeline(references=str(references), save_results=True, output_dir=out))
    run(str(exposure))
    *of_steps, _ = run.reports  # the last one is the pipeline's own
    print(json.dumps({report.name: report.seconds for report in of_steps}))


def measured(exposure: Path, references: Path, threads: int) -> Column:
    run(exposure, references, threads, "wall")
    _, cpu = run(exposure, references, threads, "cpu")
    whole, wall = run(exposure, references, threads, "wall")
    return Column(cpu, wall, whole)


def show(columns: dict[tuple[int, int], Column]) -> None:
    """A column for each number of resultants and of threads."""

    of_runs = list(columns.values())

    def row(name: str, values: list[float], digits: int = 2) -> None:
        print(f"{name:<26}" + "".join(f"{value:>16.{digits}f}" for value in values))

    def up_to(last: str, seconds: Seconds) -> float:
        names = list(seconds)
        return sum(seconds[name] for name in names[: names.index(last) + 1])

    print(f"{'seconds':<26}", end="")
    print("".join(f"{f'{n} x {READS}, {threads} thr.':>16}" for n, threads in columns))
    for name in of_runs[0].cpu:
        row(f"{name}, CPU", [column.cpu[name] for column in of_runs])
    for last in LAST_STEPS:
        row(f"up to {last}, CPU", [up_to(last, column.cpu) for column in of_runs])
        row(f"up to {last}, wall", [up_to(last, column.wall) for column in of_runs])
    row("whole run, CPU", [column.whole.cpu for column in of_runs])
    row("whole run, wall", [column.whole.wall for column in of_runs])
    row("RssAnon [MB]", [column.whole.peak for column in of_runs], 0)
    for threads in THREADS:
        shorter, longer = (columns[n, threads].whole.peak for n in (RESULTANTS, 2 * RESULTANTS))
        growth = (longer - shorter) / RESULTANTS
        print(f"RssAnon per resultant, {threads} thr.: {growth:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path("build/bench/flight"))
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--references", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--clock", choices=("wall", "cpu"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_here(options.run, options.references, options.clock)
        return
    exposure = simulated(options.directory)
    references = exposure.parent / "references"
    columns = {}
    for path, n_resultants in (
        (exposure, RESULTANTS),
        (continued(exposure, options.directory / "continued"), 2 * RESULTANTS),
    ):
        for threads in THREADS:
            columns[n_resultants, threads] = measured(path, references, threads)
    show(columns)


if __name__ == "__main__":
    main()
