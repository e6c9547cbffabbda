"""The array functions beside the numeric library of the system of 2022, on the same arrays.

Run by ``make bench-peers``, which installs stcal 1.2.1 from the package index into an environment
of its own, and passes that environment's Python. 1024 x 1024 pixels, 8 resultants of 8 reads, 1 %
of the pixels with a jump. Both run here, one after the other, kernel by kernel; the best of three
(of six here, where a run is short).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SHAPE = (8, 1024, 1024)
GROUP_TIME, N_READS = 24.32, 8
REPEATS = 3
KERNELS = ("saturation", "linearity", "dark", "jump", "ramp fit")


def make_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    n_resultants, *image = SHAPE
    gain, read_noise, rate = 1.8, 7.0, rng.uniform(1, 30, image)
    data = np.empty(SHAPE, np.float32)
    signal = np.full(image, 500.0)
    hit = rng.integers(1, n_resultants, image)
    hit[rng.random(image) >= 0.01] = -1
    for g in range(n_resultants):
        photons = rate * GROUP_TIME
        signal += photons + rng.standard_normal(image) * np.sqrt(photons / gain) + 2000 * (hit == g)
        data[g] = signal + rng.standard_normal(image) * read_noise / np.sqrt(N_READS)
    return {
        "data": data,
        "threshold": np.full(image, 55000, np.float32),
        "coeffs": np.stack([np.full(image, c, np.float32) for c in (0, 1, 1e-7, 1e-13)]),
        "dark": np.full(SHAPE, 0.1, np.float32),
        "gain": np.full(image, gain, np.float32),
        "read_noise": np.full(image, read_noise, np.float32),
    }


def ours(arrays: dict[str, np.ndarray]) -> dict[str, Callable[[], object]]:
    """Each kernel as a function without arguments, on copies made before."""
    from romancal_rs import ReadPattern, kernels

    pattern = ReadPattern.evenly_spaced(SHAPE[0], GROUP_TIME, N_READS)
    data, gain, read_noise = arrays["data"].copy(), arrays["gain"], arrays["read_noise"]
    groupdq, pixeldq = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE[1:], np.uint32)
    no_flags = pixeldq.copy()
    return {
        "saturation": lambda: kernels.flag_saturation(
            data, groupdq, pixeldq, arrays["threshold"], no_flags
        ),
        "linearity": lambda: kernels.correct_linearity(
            data, groupdq, pixeldq, arrays["coeffs"], no_flags
        ),
        "dark": lambda: kernels.subtract_dark(data, pixeldq, arrays["dark"], no_flags),
        "jump": lambda: kernels.detect_jumps(data, groupdq, pixeldq, gain, read_noise, pattern),
        "ramp fit": lambda: kernels.fit_ramps(data, groupdq, pixeldq, gain, read_noise, pattern),
    }


def theirs(arrays: dict[str, np.ndarray]) -> dict[str, Callable[[], object]]:
    """The same of the old library. Its read noise is that of a difference of two reads."""
    from stcal.dark_current import dark_class, dark_sub
    from stcal.jump.jump import detect_jumps
    from stcal.linearity.linearity import linearity_correction
    from stcal.ramp_fitting import ramp_fit, ramp_fit_class
    from stcal.saturation.saturation import flag_saturated_pixels

    flags = {
        "GOOD": 0,
        "DO_NOT_USE": 1,
        "SATURATED": 2,
        "JUMP_DET": 4,
        "AD_FLOOR": 64,
        "NO_GAIN_VALUE": 1 << 19,
        "NO_LIN_CORR": 1 << 20,
        "NO_SAT_CHECK": 1 << 21,
        "UNRELIABLE_SLOPE": 1 << 24,
    }
    data, gain = arrays["data"][None].copy(), arrays["gain"]
    read_noise = arrays["read_noise"] * np.float32(np.sqrt(2))
    groupdq, pixeldq = np.zeros(data.shape, np.uint8), np.zeros(SHAPE[1:], np.uint32)
    err, no_flags = np.zeros(data.shape, np.float32), pixeldq.copy()

    def dark() -> None:
        science, reference = dark_class.ScienceData(), dark_class.DarkData(dims=SHAPE)
        science.data, science.groupdq, science.pixeldq, science.err = data, groupdq, pixeldq, err
        science.exp_nframes, science.exp_groupgap = N_READS, 0
        reference.data, reference.groupdq = arrays["dark"], no_flags
        reference.exp_nframes, reference.exp_ngroups, reference.exp_groupgap = N_READS, SHAPE[0], 0
        dark_sub.do_correction_data(science, reference)

    def fit() -> None:
        ramp = ramp_fit_class.RampData()
        ramp.set_arrays(data, err, groupdq, pixeldq)
        ramp.set_meta("WFI", GROUP_TIME / N_READS, GROUP_TIME, 0, N_READS)
        ramp.set_dqflags(flags)
        ramp.start_row, ramp.num_rows = 0, SHAPE[1]
        ramp_fit.ramp_fit_data(
            ramp, 1 << 30, False, read_noise, gain, "OLS", "optimal", "none", flags
        )

    return {
        "saturation": lambda: flag_saturated_pixels(
            data, groupdq, pixeldq, arrays["threshold"], no_flags, 65535, flags, n_pix_grow_sat=0
        ),
        "linearity": lambda: linearity_correction(
            data, groupdq, pixeldq, arrays["coeffs"], no_flags, flags
        ),
        "dark": dark,
        # With copies: it turns the arrays it is given into electrons.
        "jump": lambda: detect_jumps(
            N_READS, data.copy(), groupdq, pixeldq, err.copy(), gain.copy(), read_noise.copy(),
            4.0, 6.0, 5.0, "none", 1000.0, 10.0, True, flags,
        ),
        "ramp fit": fit,
    }  # fmt: skip


def timed(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The best of several runs of each, in order [s]."""
    seconds = {}
    for name in KERNELS:
        runs = []
        for _ in range(repeats):
            start = time.perf_counter()
            functions[name]()
            runs.append(time.perf_counter() - start)
        seconds[name] = min(runs)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", help="Python that has stcal 1.2.1")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(timed(theirs(dict(np.load(options.run))), REPEATS)))
        return
    arrays = make_arrays()
    path = Path("build/bench/peers.npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    command = [options.peer, __file__, options.peer, "--run", str(path)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    path.unlink()
    if run.returncode:
        sys.exit(f"{options.peer} failed, see above")
    old, new = json.loads(run.stdout.splitlines()[-1]), timed(ours(arrays), 2 * REPEATS)
    pixels = SHAPE[1] * SHAPE[2]
    print(f"{'ns per pixel':<12}{'stcal 1.2.1':>14}{'romancal-rs':>14}{'ratio':>9}")
    for name in KERNELS:
        cells = (old[name] / pixels * 1e9, new[name] / pixels * 1e9, old[name] / new[name])
        print(f"{name:<12}{cells[0]:>14.1f}{cells[1]:>14.2f}{cells[2]:>9.0f}")
    total_old, total_new = sum(old.values()), sum(new.values())
    cells = (total_old / pixels * 1e9, total_new / pixels * 1e9, total_old / total_new)
    print(f"{'together':<12}{cells[0]:>14.1f}{cells[1]:>14.2f}{cells[2]:>9.0f}")


if __name__ == "__main__":
    main()
