"""The steps before the fit beside those of romancal 1.1.0, on the same arrays: CPU time of each.

Run by ``make bench-peers``, which installs romancal 1.1.0 into an environment of its own, and
passes that environment's Python. Arrays have 4096 x 4096 pixels and a few resultants of 8 reads,
as romancal keeps several copies of a ramp in memory; times are scaled to 8 resultants, but for the
transient of WFI18, which takes the same five whatever there are. Each step runs in a process of its
own, ours with one thread, as romancal has; the better of two runs. Its functions are called without
its steps, which open files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

SIZE, CHANNEL_WIDTH = 4096, 128
N_CHANNELS = SIZE // CHANNEL_WIDTH
N_READS, FRAME_TIME = 8, 3.16247
FULL_RESULTANTS = 8
GENERATED_ROWS = 64
REPEATS = 2
WITHOUT_INL, WITH_INL, TRANSIENT = "linearity, no INL", "linearity, INL", "wfi18_transient"
#: How many resultants each step is measured on.
RESULTANTS = {
    "dq_init": 4,
    "saturation": 4,
    "refpix": 2,
    "dark_decay": 2,
    TRANSIENT: 5,
    WITHOUT_INL: 4,
    WITH_INL: 4,
}
DECAY_AMPLITUDE, DECAY_TIME = 5.0, 20.0  # DN, s
TRANSIENT_DN, TRANSIENT_ROWS = 200.0, 500.0
ONE_THREAD = dict.fromkeys(
    ("ROMANCAL_RS_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)

Arrays = dict[str, np.ndarray]
#: Copies what it changes, and gives the work to be timed.
Prepare = Callable[[Arrays], Callable[[], object]]


def reads(arrays: Arrays) -> list[list[int]]:
    """The read pattern: resultants of 8 reads without gaps."""
    n_resultants = len(arrays["counts"])
    return [list(range(N_READS * i + 1, N_READS * (i + 1) + 1)) for i in range(n_resultants)]


def make_arrays(step: str) -> Arrays:
    """What a step needs; the same in both environments."""
    rng = np.random.default_rng(1)
    image = (SIZE, SIZE)

    def tiled(rows: np.ndarray) -> np.ndarray:
        return np.tile(rows, (SIZE // GENERATED_ROWS, 1))

    n_resultants = RESULTANTS[step]
    shape = (GENERATED_ROWS, SIZE)
    rate, level = rng.uniform(0.2, 30, shape), rng.uniform(4000, 6000, shape)
    level[rng.random(shape) < 0.005] = 49_900  # some saturate
    counts = np.empty((n_resultants, *image), np.uint16)
    amp33 = np.empty((n_resultants, SIZE, CHANNEL_WIDTH), np.uint16)
    for i in range(n_resultants):
        signal = level + rate * FRAME_TIME * N_READS * (i + 0.5) + rng.normal(0, 5, shape)
        counts[i] = tiled(signal.astype(np.uint16))
        amp33[i] = tiled(rng.normal(5000, 5, (GENERATED_ROWS, CHANNEL_WIDTH)).astype(np.uint16))
    arrays = {"counts": counts, "amp33": amp33, "flags": np.zeros(image, np.uint32)}
    if step == TRANSIENT:
        counts[0] += np.uint16(TRANSIENT_DN * np.exp(-np.arange(SIZE) / TRANSIENT_ROWS))[:, None]
    if step == "dq_init":
        arrays["reference_read"] = tiled(rng.integers(0, 100, shape).astype(np.uint16))
    if step == "saturation":
        arrays["threshold"] = np.full(image, 50_000, np.float32)
    if step == "refpix":
        spectrum = (N_CHANNELS, SIZE * (CHANNEL_WIDTH + 12) // 2 + 1)
        for name in ("gamma", "zeta", "alpha"):
            arrays[name] = 0.1 * (rng.random(spectrum) + 1j * rng.random(spectrum))
    if step in (WITHOUT_INL, WITH_INL):
        for name, terms in {
            "coeffs": (0, 1, 1e-7, 1e-13, 0, 0),
            "inverse_coeffs": (0, 1, -1e-7, 0),
        }.items():
            arrays[name] = np.stack([np.full(image, c, np.float32) for c in terms])
        arrays["nodes"] = np.arange(0, 65536, 64, dtype=np.uint16)
        arrays["corrections"] = rng.normal(0, 1, (N_CHANNELS, arrays["nodes"].size))
    return arrays


# --- romancal's functions ---------------------------------------------------------------------


def their_ramp(arrays: Arrays, detector: str = "WFI01") -> Any:
    """What its functions look at of a ramp model."""
    counts = arrays["counts"]
    exposure = SimpleNamespace(read_pattern=reads(arrays), frame_time=FRAME_TIME)
    return SimpleNamespace(
        data=counts.astype(np.float32),
        amp33=arrays["amp33"].copy(),
        groupdq=np.zeros(counts.shape, np.uint8),
        pixeldq=np.zeros(counts.shape[1:], np.uint32),
        meta=SimpleNamespace(
            exposure=exposure,
            instrument=SimpleNamespace(detector=detector),
            cal_step=SimpleNamespace(),
        ),
    )


def their_dq_init(arrays: Arrays) -> Callable[[], object]:
    from roman_datamodels.datamodels import ScienceRawModel
    from romancal.dq_init.dq_initialization import do_dqinit

    raw = ScienceRawModel.create_fake_data(
        {
            "data": arrays["counts"].copy(),
            "amp33": arrays["amp33"].copy(),
            "reference_read": arrays["reference_read"],
        }
    )
    mask = SimpleNamespace(dq=arrays["flags"])
    return lambda: do_dqinit(raw, mask)


def their_saturation(arrays: Arrays) -> Callable[[], object]:
    from romancal.saturation.saturation import flag_saturation

    ramp = their_ramp(arrays)
    reference = SimpleNamespace(data=arrays["threshold"], dq=arrays["flags"])
    return lambda: flag_saturation(ramp, reference)


def their_refpix(arrays: Arrays) -> Callable[[], object]:
    from romancal.refpix.refpix import run_steps

    ramp = their_ramp(arrays)
    names = ("gamma", "zeta", "alpha")
    reference = SimpleNamespace(**{name: arrays[name] for name in names})
    return lambda: run_steps(ramp, reference)


def their_dark_decay(arrays: Arrays) -> Callable[[], object]:
    from romancal.dark_decay.dark_decay import subtract_dark_decay

    data = arrays["counts"].astype(np.float32)
    return lambda: subtract_dark_decay(
        data, DECAY_AMPLITUDE, DECAY_TIME, FRAME_TIME, reads(arrays), 1
    )


def their_wfi18_transient(arrays: Arrays) -> Callable[[], object]:
    from romancal.wfi18_transient.wfi18_transient import correct_anomaly

    ramp = their_ramp(arrays, "WFI18")
    return lambda: correct_anomaly(ramp)


def their_linearity(arrays: Arrays, with_inl: bool) -> Callable[[], object]:
    from roman_datamodels.dqflags import pixel
    from romancal.linearity.linearity_step import make_inl_correction
    from stcal.linearity.linearity import linearity_correction

    ramp = their_ramp(arrays)
    inl = None
    if with_inl:
        channels = {
            f"science_channel_{i:02d}": SimpleNamespace(correction=correction)
            for i, correction in enumerate(arrays["corrections"], start=1)
        }
        table = SimpleNamespace(value=arrays["nodes"], inl_table=SimpleNamespace(**channels))
        inl = make_inl_correction(table, SIZE)

    def correct() -> None:
        new, _, _ = linearity_correction(
            ramp.data[None],
            ramp.groupdq[None],
            ramp.pixeldq,
            arrays["coeffs"],
            arrays["flags"],
            pixel,
            ilin_coeffs=arrays["inverse_coeffs"],
            additional_correction=inl,
            read_pattern=ramp.meta.exposure.read_pattern,
        )
        # What its step does in the end, where no sample is so large.
        assert not (np.abs(new[0]) > 1e6).any()

    return correct


THEIRS: dict[str, Prepare] = {
    "dq_init": their_dq_init,
    "saturation": their_saturation,
    "refpix": their_refpix,
    "dark_decay": their_dark_decay,
    TRANSIENT: their_wfi18_transient,
    WITHOUT_INL: lambda arrays: their_linearity(arrays, with_inl=False),
    WITH_INL: lambda arrays: their_linearity(arrays, with_inl=True),
}


# --- ours ---------------------------------------------------------------------------------------


def our_ramp(arrays: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data, groupdq and pixeldq."""
    counts = arrays["counts"]
    return (
        counts.astype(np.float32),
        np.zeros(counts.shape, np.uint8),
        np.zeros(counts.shape[1:], np.uint32),
    )


def our_pattern(arrays: Arrays) -> Any:
    from romancal_rs import ReadPattern

    return ReadPattern.from_reads(reads(arrays), FRAME_TIME)


def our_dq_init(arrays: Arrays) -> Callable[[], object]:
    from romancal_rs import datamodels
    from romancal_rs.datamodels import testing
    from romancal_rs.dq_init import DQInitStep

    raw = datamodels.ScienceRawModel(
        testing.create_wfi_science_raw(
            read_pattern=reads(arrays),
            data=arrays["counts"].copy(),
            amp33=arrays["amp33"].copy(),
            reference_read=arrays["reference_read"],
        )
    )
    image = (SIZE, SIZE)
    mask = datamodels.MaskRefModel(testing.create_mask(image, dq=arrays["flags"]))
    return lambda: DQInitStep.call(raw, override_mask=mask)


def our_saturation(arrays: Arrays) -> Callable[[], object]:
    from romancal_rs import kernels

    ramp, pattern = our_ramp(arrays), our_pattern(arrays)
    return lambda: kernels.flag_saturation(
        *ramp, arrays["threshold"], arrays["flags"], partial="mean_read", read_pattern=pattern
    )


def our_refpix(arrays: Arrays) -> Callable[[], object]:
    from romancal_rs import kernels

    data, _, pixeldq = our_ramp(arrays)
    amp33 = arrays["amp33"].copy()
    return lambda: kernels.correct_reference_pixels(
        data, amp33, pixeldq, arrays["gamma"], arrays["zeta"], arrays["alpha"]
    )


def our_dark_decay(arrays: Arrays) -> Callable[[], object]:
    from romancal_rs import kernels

    (data, *_), pattern = our_ramp(arrays), our_pattern(arrays)
    return lambda: kernels.subtract_dark_decay(
        data, DECAY_AMPLITUDE, DECAY_TIME, FRAME_TIME, pattern, "WFI01"
    )


def our_wfi18_transient(arrays: Arrays) -> Callable[[], object]:
    from romancal_rs import kernels

    ramp, pattern = our_ramp(arrays), our_pattern(arrays)
    return lambda: kernels.correct_wfi18_transient(*ramp, FRAME_TIME, pattern)


def our_linearity(arrays: Arrays, with_inl: bool) -> Callable[[], object]:
    from romancal_rs import kernels

    ramp, pattern = our_ramp(arrays), our_pattern(arrays)
    inl = (arrays["nodes"], arrays["corrections"])
    return lambda: kernels.linearize_reads(
        *ramp,
        arrays["coeffs"],
        arrays["flags"],
        arrays["inverse_coeffs"],
        pattern,
        inl=inl if with_inl else None,
    )


OURS: dict[str, Prepare] = {
    "dq_init": our_dq_init,
    "saturation": our_saturation,
    "refpix": our_refpix,
    "dark_decay": our_dark_decay,
    TRANSIENT: our_wfi18_transient,
    WITHOUT_INL: lambda arrays: our_linearity(arrays, with_inl=False),
    WITH_INL: lambda arrays: our_linearity(arrays, with_inl=True),
}


# --- the comparison -------------------------------------------------------------------------------


def run_here(step: str, prepare: Prepare) -> None:
    """The work of a process: prints the CPU time [s] and a checksum of the inputs."""
    arrays = make_arrays(step)
    checksum = 0
    for array in arrays.values():
        checksum = zlib.crc32(array.data, checksum)
    seconds = []
    for _ in range(REPEATS):
        work = prepare(arrays)
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    print(json.dumps({"seconds": min(seconds), "inputs": checksum}))


def measured(python: str, step: str, whose: str) -> dict[str, Any]:
    command = [python, __file__, python, "--run", step, whose]
    run = subprocess.run(
        command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, check=False, text=True
    )
    if run.returncode:
        sys.exit(f"{step}: {python} failed, see above")
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", help="Python that has romancal 1.1.0")
    parser.add_argument("--steps", nargs="+", choices=RESULTANTS, default=list(RESULTANTS))
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        step, whose = options.run
        run_here(step, {"theirs": THEIRS, "ours": OURS}[whose][step])
        return
    print(f"CPU time [s], {SIZE} x {SIZE} x {FULL_RESULTANTS}, scaled from fewer resultants")
    print(f"{'step':<20}{'measured on':>12}{'romancal 1.1.0':>16}{'romancal-rs':>13}{'ratio':>8}")
    old, new = {}, {}
    for step in options.steps:
        theirs = measured(options.peer, step, "theirs")
        ours = measured(sys.executable, step, "ours")
        if theirs["inputs"] != ours["inputs"]:
            sys.exit(f"{step}: the two environments made different arrays of the same seed")
        scale = 1 if step == TRANSIENT else FULL_RESULTANTS / RESULTANTS[step]
        old[step], new[step] = theirs["seconds"] * scale, ours["seconds"] * scale
        show(step, RESULTANTS[step], old[step], new[step])
    if options.steps != list(RESULTANTS):
        return
    for name, other in {"without INL": WITH_INL, "with INL": WITHOUT_INL}.items():
        # Of 18 detectors one has the transient.
        steps = [step for step in RESULTANTS if step not in (other, TRANSIENT)]
        old_sum, new_sum = (sum(seconds[step] for step in steps) for seconds in (old, new))
        show(f"together, {name}", None, old_sum, new_sum)


def show(name: str, n_resultants: int | None, old: float, new: float) -> None:
    print(
        f"{name:<22}{n_resultants or '':>10}{old:>16.2f}{new:>13.2f}{old / new:>8.1f}", flush=True
    )


if __name__ == "__main__":
    main()
