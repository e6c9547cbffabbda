"""Time of each kernel on 2048 x 2048 x 8, in ns per pixel, with 1 and 2 threads.

Run by ``make bench``. One pixel in a hundred carries a jump, one in a thousand saturates.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from romancal_rs import ReadPattern, kernels

SHAPE = (8, 2048, 2048)
REPEATS = 5


def make_ramp(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A ramp of 10 DN/s with its noise, jumps and saturation, and references that fit it."""
    n_resultants, *image = SHAPE
    rate = rng.uniform(5, 15, image).astype(np.float32)
    data = np.empty(SHAPE, np.float32)
    signal = np.zeros(image, np.float32)
    for i in range(n_resultants):
        photons = rate * np.float32(24.32)
        signal += photons + rng.standard_normal(image, np.float32) * np.sqrt(photons / 1.8)
        data[i] = signal + rng.standard_normal(image, np.float32) * np.float32(7 / np.sqrt(8))
    hit = rng.random(image) < 0.01
    data[4:, hit] += 2000
    data[6:, rng.random(image) < 0.001] = 60000
    flat = rng.normal(1, 0.01, image).astype(np.float32)
    return {
        "data": data,
        "groupdq": np.zeros(SHAPE, np.uint8),
        "pixeldq": np.zeros(image, np.uint32),
        "flags": np.zeros(image, np.uint32),
        "threshold": np.full(image, 55000, np.float32),
        "coeffs": np.stack([np.full(image, c, np.float32) for c in (0, 1, 1e-6, 1e-12)]),
        "dark": np.full(SHAPE, 0.1, np.float32),
        "gain": np.full(image, 1.8, np.float32),
        "read_noise": np.full(image, 7, np.float32),
        "flat": flat,
        "flat_err": np.full(image, 0.01, np.float32),
    }


def best_of(function: Callable[..., object], arrays: Callable[[], tuple]) -> float:
    """The shortest of several runs [s]; fresh arrays for each, as kernels work in place."""
    times = []
    for _ in range(REPEATS):
        prepared = arrays()
        start = time.perf_counter()
        function(*prepared)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    ramp = make_ramp(np.random.default_rng(1))
    pattern = ReadPattern.evenly_spaced(SHAPE[0], 24.32, 8)
    n_pixels = SHAPE[1] * SHAPE[2]
    flagged, flags = ramp["groupdq"].copy(), ramp["pixeldq"].copy()
    kernels.flag_saturation(ramp["data"], flagged, flags, ramp["threshold"], ramp["flags"])
    kernels.detect_jumps(ramp["data"], flagged, flags, ramp["gain"], ramp["read_noise"], pattern)
    fit = kernels.fit_ramps(ramp["data"], flagged, flags, ramp["gain"], ramp["read_noise"], pattern)

    print(f"{'kernel':<18}{'1 thread':>12}{'2 threads':>12}   [ns per pixel of {SHAPE}]")
    total = {1: 0.0, 2: 0.0}
    for name, function, arrays in (
        (
            "flag_saturation",
            kernels.flag_saturation,
            lambda: (
                ramp["data"],
                ramp["groupdq"].copy(),
                ramp["pixeldq"].copy(),
                ramp["threshold"],
                ramp["flags"],
            ),
        ),
        (
            "correct_linearity",
            kernels.correct_linearity,
            lambda: (
                ramp["data"].copy(),
                flagged,
                ramp["pixeldq"].copy(),
                ramp["coeffs"],
                ramp["flags"],
            ),
        ),
        (
            "subtract_dark",
            kernels.subtract_dark,
            lambda: (ramp["data"].copy(), ramp["pixeldq"].copy(), ramp["dark"], ramp["flags"]),
        ),
        (
            "detect_jumps",
            kernels.detect_jumps,
            lambda: (
                ramp["data"],
                flagged & np.uint8(2),
                ramp["pixeldq"].copy(),
                ramp["gain"],
                ramp["read_noise"],
                pattern,
            ),
        ),
        (
            "fit_ramps",
            kernels.fit_ramps,
            lambda: (
                ramp["data"],
                flagged,
                flags,
                ramp["gain"],
                ramp["read_noise"],
                pattern,
            ),
        ),
        (
            "apply_flat",
            kernels.apply_flat,
            lambda: (
                fit.slope.copy(),
                fit.dq.copy(),
                fit.var_poisson.copy(),
                fit.var_rnoise.copy(),
                ramp["flat"],
                ramp["flat_err"],
                ramp["flags"],
            ),
        ),
    ):
        cells = []
        for threads in (1, 2):

            def capped(*args: object, f=function, n=threads) -> object:
                return f(*args, max_threads=n)

            nanoseconds = best_of(capped, arrays) / n_pixels * 1e9
            cells.append(f"{nanoseconds:12.1f}")
            if name != "apply_flat":
                total[threads] += nanoseconds
        print(f"{name:<18}{''.join(cells)}")
    print(f"{'saturation to fit':<18}{total[1]:12.1f}{total[2]:12.1f}")


if __name__ == "__main__":
    main()
