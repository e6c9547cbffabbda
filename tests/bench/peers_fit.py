"""Jumps and fit beside stcal 1.20.0, on the same arrays, one thread: nanoseconds per pixel.

Run by ``make bench-peers``, with the Python of the environment that has romancal 1.1.0. Ramps of
4096 columns, 1 DN/s, of which one pixel in a hundred has a hit, or none has; ours of more rows, as
they take no time. Of stcal the likelihood fit is romancal's default, `ols_cas22` its other one; of
ours ``gls`` is the default of flight, and ``ols`` the jump detection and the fit of 2022. The best
of some runs, by the CPU time of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

COLUMNS, FRAME_TIME, GAIN, READ_NOISE, RATE = 4096, 3.16247, 1.93, 4.8, 1.0
PATTERNS = {
    8: (8,) * 8,
    9: (1, 1, 2, 5, 8, 8, 8, 10, 1),
    15: (1, 1, 2, 6, 6, 6, 8, 8, 8, 8, 8, 10, 10, 10, 1),
}
SHARES = (0.0, 0.01)
THEIR_ROWS, OUR_ROWS, THEIR_RUNS, OUR_RUNS = 16, 256, 2, 7


def reads_of(n: int) -> list[list[int]]:
    """Read numbers of each resultant, without gaps."""
    ends = np.cumsum(PATTERNS[n])
    return [
        list(range(end - count + 1, end + 1)) for end, count in zip(ends, PATTERNS[n], strict=True)
    ]


def ramps(n: int, share: float, n_rows: int) -> np.ndarray:
    """Simulated read by read, (resultants, rows, columns)."""
    rng = np.random.default_rng(n)
    shape = (n_rows, COLUMNS)
    n_all = sum(PATTERNS[n])
    hit_read = rng.integers(2, n_all + 1, shape)
    hit = np.where(rng.random(shape) < share, rng.lognormal(np.log(1200), 0.7, shape), 0)
    charge, data, read = np.zeros(shape), np.zeros((n, *shape), np.float32), 0
    for i, count in enumerate(PATTERNS[n]):
        for _ in range(count):
            read += 1
            charge += rng.poisson(RATE * GAIN * FRAME_TIME, shape) / GAIN
            charge += np.where(hit_read == read, hit, 0)
            data[i] += charge / count
        data[i] += rng.normal(5000, READ_NOISE / np.sqrt(count), shape)
    return data


def theirs(n: int, data: np.ndarray) -> dict[str, Callable[[], object]]:
    from stcal.ramp_fitting import ols_cas22_fit
    from stcal.ramp_fitting.likely_fit import likely_ramp_fit

    shape = data.shape[1:]
    gain = np.full(shape, GAIN, np.float32)

    def likely() -> object:
        ramp = SimpleNamespace(
            data=data[None].copy(),
            groupdq=np.zeros((1, *data.shape), np.uint8),
            pixeldq=np.zeros(shape, np.uint32),
            read_pattern=[[FRAME_TIME * read for read in reads] for reads in reads_of(n)],
            zeroframe=None,
            average_dark_current=np.zeros(shape),
            rejection_threshold=4.5,
            flags_do_not_use=1,
            flags_saturated=2,
            flags_jump_det=4,
        )
        noise = np.full(shape, READ_NOISE * np.sqrt(2), np.float32)
        return likely_ramp_fit(ramp, noise, gain)

    def cas22() -> object:
        return ols_cas22_fit.fit_ramps_casertano(
            data * np.float32(GAIN),
            np.zeros(data.shape, np.int32),
            np.full(shape, READ_NOISE * GAIN, np.float32),
            np.float32(FRAME_TIME),
            read_pattern=reads_of(n),
            use_jump=True,
        )

    return {"likely": likely, "ols_cas22": cas22}


def ours(n: int, data: np.ndarray) -> dict[str, Callable[[], object]]:
    from romancal_rs import ReadPattern, kernels

    shape = data.shape[1:]
    pattern = ReadPattern.from_reads(reads_of(n), FRAME_TIME)
    pixeldq = np.zeros(shape, np.uint32)
    gain = np.full(shape, GAIN, np.float32)
    noise = np.full(shape, READ_NOISE, np.float32)

    def likelihood(rule: str) -> object:
        groupdq = np.zeros(data.shape, np.uint8)
        return kernels.fit_likelihood(data, groupdq, pixeldq, gain, noise, pattern, rule=rule)

    def ols() -> object:
        groupdq, flags = np.zeros(data.shape, np.uint8), pixeldq.copy()
        kernels.detect_jumps(data, groupdq, flags, gain, noise, pattern)
        return kernels.fit_ramps(data, groupdq, flags, gain, noise, pattern)

    return {
        "gls": lambda: likelihood("gls"),
        "likely": lambda: likelihood("likely"),
        "ols": ols,
    }


def run_here(whose: str) -> None:
    """The work of a process: prints ns per pixel by resultants, share of hits, and fit."""
    make, rows, runs = {
        "theirs": (theirs, THEIR_ROWS, THEIR_RUNS),
        "ours": (ours, OUR_ROWS, OUR_RUNS),
    }[whose]
    result = []
    for n in PATTERNS:
        for share in SHARES:
            data = ramps(n, share, THEIR_ROWS)
            data = np.tile(data, (1, rows // THEIR_ROWS, 1))
            for name, work in make(n, data).items():
                seconds = []
                for _ in range(runs):
                    start = time.process_time()
                    work()
                    seconds.append(time.process_time() - start)
                result.append((n, share, name, 1e9 * min(seconds) / data[0].size))
    print(json.dumps(result))


def measured(python: str, whose: str) -> dict[tuple[int, float, str], float]:
    command = [python, __file__, python, "--run", whose]
    one_thread = dict.fromkeys(("ROMANCAL_RS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    run = subprocess.run(
        command, env=os.environ | one_thread, stdout=subprocess.PIPE, check=True, text=True
    )
    result = json.loads(run.stdout.splitlines()[-1])
    return {(n, share, name): took for n, share, name, took in result}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", help="Python that has stcal 1.20.0")
    parser.add_argument("--run", choices=("theirs", "ours"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_here(options.run)
        return
    old, new = measured(options.peer, "theirs"), measured(sys.executable, "ours")
    columns = ("stcal likely", "stcal ols_cas22", "likely", "ols", "gls")
    print("ns per pixel: jumps and fit, 1 DN/s, one thread")
    print(f"{'resultants':<12}{'hits':>6}" + "".join(f"{name:>17}" for name in columns))
    for n in PATTERNS:
        for share in SHARES:
            values = [old[n, share, "likely"], old[n, share, "ols_cas22"]]
            values += [new[n, share, name] for name in ("likely", "ols", "gls")]
            print(f"{n:<12}{share:>6.0%}" + "".join(f"{value:>17.1f}" for value in values))


if __name__ == "__main__":
    main()
