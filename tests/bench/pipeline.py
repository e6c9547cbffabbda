"""The recipe of 2022 from file to file on full-size exposures: time by phase, peak memory.

Run by ``make bench``. Exposures of 4096 x 4096 pixels with 8, 16 and 60 resultants, even and
uneven, clean and with irregular pixels, are generated into ``build/bench`` one by one, with the
reference files of one that is simulated first (a minute). Each runs twice in a separate process
with 1 and with 2 threads; the second run is reported, so that all files are in the page cache.

The phases: start (until the pipeline is there), read (metadata, finding and checking references),
compute (all steps; the arrays are read on the way), write. `one pass` is the part of the steps up
to the fit, `limit` the time of streaming its inputs, as they are mapped, and its outputs through
memory with as many threads.
RssAnon is what the program allocated; pages of mapped files are the system's, and it can drop them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from watching import watch

SIZE = 4096
GENERATED_ROWS = 64
ONE_PASS_REFERENCES = ("mask", "saturation", "linearity", "dark", "gain", "readnoise")


def simulated(directory: Path) -> Path:
    """An exposure with its references, simulated if it is not there yet."""
    out = directory / "simulated"
    if not list(out.glob("*_uncal.asdf")):
        print(f"simulating {SIZE} x {SIZE} x 8 into {out}", flush=True)
        command = [sys.executable, "-m", "romancal_rs", "simulate", str(out), f"--size={SIZE}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(out.glob("*_uncal.asdf"))


def read_pattern(n_resultants: int, uneven: bool) -> list[list[int]]:
    """Resultants of two reads each, or of one to four."""
    lengths = [1 + i % 4 if uneven else 2 for i in range(n_resultants)]
    ends = np.cumsum(lengths)
    return [list(range(end - n + 1, end + 1)) for n, end in zip(lengths, ends, strict=True)]


def generated(
    template: Path, path: Path, n_resultants: int, uneven: bool, irregular: float
) -> None:
    """An exposure like the template, but for the cadence and the share of irregular pixels.

    Rates of 1 to 100 DN/s with the noise of a gain of 1.8 and of 5 DN. Of the irregular pixels half
    have a jump of 2000 DN, which flags their neighbours too, and half saturate.
    """
    from romancal_rs import datamodels

    rng = np.random.default_rng(1)
    pattern = read_pattern(n_resultants, uneven)
    with datamodels.open(template) as model:
        exposure = model.copy()
    frame_time = exposure.meta.exposure.frame_time
    times = np.array([np.mean(reads) for reads in pattern]) * frame_time
    shape = (GENERATED_ROWS, SIZE)
    # No pixel but those that should fills up in the longest exposure.
    rate = 10 ** rng.uniform(0, min(2, np.log10(30000 / times[-1])), shape)
    signal = np.full(shape, 1000.0)
    kind = rng.random(shape)
    hit = rng.integers(1, max(2, n_resultants), shape)
    cube = np.empty((n_resultants, SIZE, SIZE), np.uint16)
    for g, interval in enumerate(np.diff(times, prepend=0)):
        photons = rate * interval
        signal += photons + rng.standard_normal(shape) * np.sqrt(photons / 1.8)
        signal[(hit == g) & (kind < irregular / 2)] += 2000
        signal[(hit == g) & (kind >= irregular / 2) & (kind < irregular)] += 100_000
        noise = rng.standard_normal(shape) * 5 / np.sqrt(len(pattern[g]))
        rows = np.clip(signal + noise, 1, 65535).astype(np.uint16)
        cube[g] = np.tile(rows, (SIZE // GENERATED_ROWS, 1))
    exposure.meta.exposure.read_pattern = pattern
    exposure.meta.exposure.nresultants = n_resultants
    exposure.data = cube
    exposure.amp33 = np.zeros((n_resultants, SIZE, 128), np.uint16)
    exposure.save(path, compression=None)


def run(exposure: Path, references: Path, threads: int) -> dict[str, Any]:
    """Runs the pipeline in a separate process: seconds by phase, and the peak of RssAnon."""
    command = [sys.executable, __file__, "--run", str(exposure), "--references", str(references)]
    watched = watch([*command, "--started", repr(time.time())], threads)
    return json.loads(watched.output) | {"all": (watched.wall, watched.cpu), "peak": watched.peak}


def run_here(exposure: Path, references: Path, started: float) -> None:
    """The work of that process."""
    from romancal_rs.pipeline import ExposurePipeline
    from romancal_rs.stpipe import Run

    phases = {"start": (time.time() - started, time.process_time())}

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        phases[name] = (time.perf_counter() - wall, time.process_time() - cpu)

    class Timed(ExposurePipeline):
        def before_process(self, args: tuple) -> None:
            with phase("read"):
                super().before_process(args)

        def process(self, input: str) -> object:
            with phase("compute"):
                return super().process(input)

        def save_to(self, model: object, path: Path) -> Path:
            with phase("write"):
                return super().save_to(model, path)

    pipeline = Timed(
        recipe="2022",
        references=str(references),
        save_results=True,
        output_dir=str(exposure.parent),
    )
    run = Run(pipeline)
    run(str(exposure))
    reports = run.reports[: 1 + [report.name for report in run.reports].index("rampfit")]
    one_pass = sum(report.seconds for report in reports)
    print(json.dumps(phases | {"one pass": one_pass}))


def limit(exposure: Path, references: Path, threads: int) -> float:
    """Seconds to read the inputs of the one pass, and to write its outputs, once."""
    from romancal_rs import datamodels

    names = [next(references.glob(f"*_{name}_*.asdf")) for name in ONE_PASS_REFERENCES]
    models = [datamodels.open(path) for path in (exposure, *names)]
    arrays = [
        model.stored(name)
        for model in models
        for name in ("data", "coeffs", "dark_slope", "dq")
        if name in model
    ]

    def stream(thread: int) -> None:
        for array in arrays:
            words = array.reshape(-1).view(np.uint8)
            part = words[words.size * thread // threads : words.size * (thread + 1) // threads]
            np.add.reduce(part[: part.size // 8 * 8].view(np.uint64))
        np.empty(7 * SIZE * SIZE // threads, np.float32).fill(1)

    best = np.inf
    for _ in range(3):  # the first maps the files
        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(stream, range(threads)))
        best = min(best, time.perf_counter() - start)
    for model in models:
        model.close()
    return best


PHASES = ("start", "read", "compute", "write", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resultants", type=int, nargs="+", default=[8, 16, 60])
    parser.add_argument("--irregular", type=float, nargs="+", default=[0, 5, 30], help="per cent")
    parser.add_argument("--directory", type=Path, default=Path("build/bench"))
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--references", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_here(options.run, options.references, options.started)
        return
    template = simulated(options.directory)
    references = template.parent / "references"
    work = options.directory / "generated"
    work.mkdir(exist_ok=True)
    print("seconds, wall/CPU by phase")
    header = "".join(f"{name:>12}" for name in PHASES)
    print(f"{'exposure':<16}threads{header}    one pass   limit   RssAnon [MB]", flush=True)
    for n_resultants in options.resultants:
        for uneven in (False, True):
            for irregular in options.irregular:
                path = work / template.name
                generated(template, path, n_resultants, uneven, irregular / 100)
                kind = f"{n_resultants} {'uneven' if uneven else 'even'}, {irregular:g} %"
                for threads in (1, 2):
                    run(path, references, threads)
                    figures = run(path, references, threads)
                    figures["limit"] = limit(path, references, threads)
                    cells = "".join("{:>7.2f}/{:.2f}".format(*figures[name]) for name in PHASES)
                    print(
                        f"{kind:<16}{threads:>7}{cells}{figures['one pass']:>12.2f}"
                        f"{figures['limit']:>8.2f}{figures['peak']:>15.0f}",
                        flush=True,
                    )
                for file in work.iterdir():
                    file.unlink()


if __name__ == "__main__":
    main()
