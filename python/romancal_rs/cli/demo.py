"""Simulate an exposure, calibrate it, and compare the result with the truth.

Needs nothing but this package. Writes the exposure, its reference files, the calibrated image and,
with the extra "plot", a picture of it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import terminal
from .options import completed_by, detectors, directories, path

if TYPE_CHECKING:
    from ..datamodels import ImageModel
    from ..simulate import SimulatedExposure, SimulationConfig
    from ..simulate.comparison import JumpScore, RateComparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    output_dir = parser.add_argument(
        "--output-dir",
        metavar="DIR",
        type=path,
        default="romancal-rs-demo",
        help="where to write (romancal-rs-demo)",
    )
    completed_by(output_dir, directories)
    for name, value, what in (
        ("size", 1024, "rows and columns"),
        ("resultants", 8, "number of resultants"),
        ("reads", 8, "reads per resultant"),
        ("seed", 1, "seed of the random numbers"),
    ):
        parser.add_argument(
            f"--{name}", metavar="N", type=int, default=value, help=f"{what} ({value})"
        )
    detector = parser.add_argument(
        "--detector", metavar="NAME", default="WFI01", help="WFI01 to WFI18 (WFI01)"
    )
    completed_by(detector, detectors)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration and print what came of it."""
    from ..simulate import SimulationConfig, simulate

    config = SimulationConfig(
        rows=args.size,
        cols=args.size,
        n_resultants=args.resultants,
        n_reads=args.reads,
        detector=args.detector,
        seed=args.seed,
    )
    output_dir = Path(args.output_dir)
    start = time.perf_counter()
    print(
        f"Simulating {config.rows} x {config.cols} pixels, {args.resultants} resultants of "
        f"{args.reads} reads, {config.detector}, {config.optical_element}, seed {config.seed} ...",
        flush=True,
    )
    with terminal.working("simulating", 1.0, as_share=True) as work:
        made = simulate(config, output_dir, tell=work.tell)
    simulated = time.perf_counter()

    print(f"Calibrating {made.exposure.name} ...", flush=True)
    from ..pipeline import ExposurePipeline

    with terminal.working("calibrating"):
        result = ExposurePipeline.call(
            str(made.exposure),
            references=str(made.references),
            output_dir=str(output_dir),
            save_results=True,
            save_calibrated_ramp=True,
        )
    with result as image:
        calibrated = time.perf_counter()
        bins, groups, jumps = compare_with_truth(config, made, image)
        picture = write_picture(config, made)
    recipe = image.meta.cal_runs[-1]["recipe"]
    print(f"Recipe {recipe['name']}: {recipe['reason']}")
    print_rates(bins, groups)
    print_jumps(jumps)
    print(f"\nFiles in {output_dir}")
    root = config.root
    for name, what in (
        (f"{root}_uncal.asdf", "raw exposure"),
        (f"{root}_ramp.asdf", "ramp before the fit"),
        (f"{root}_cal.asdf", "calibrated image"),
        (f"{root}_wcs.asdf", "its world coordinates"),
        *([(picture, "picture")] if picture else []),
        (made.truth.name, "truth"),
        (f"{made.references.name}/", f"{len(made.reference_files)} reference files"),
    ):
        print(f"  {name:<58}{what}")
    total = time.perf_counter() - start
    print(
        f"\nSimulated in {simulated - start:.1f} s, calibrated in {calibrated - simulated:.1f} s, "
        f"all done in {total:.1f} s"
    )
    return 0


def compare_with_truth(
    config: SimulationConfig, made: SimulatedExposure, image: ImageModel
) -> tuple[list[RateComparison], list[RateComparison], JumpScore]:
    """Hold the calibrated image, and the flags of the ramp it came from, against the truth.

    Returns
    -------
    list of RateComparison
        Pixels without defect, hit or saturation, in bins of their rate.
    list of RateComparison
        All of these, and groups of other pixels.
    JumpScore
    """
    import numpy as np

    from .. import ReadPattern, datamodels
    from ..border import SCIENCE
    from ..dqflags import group, pixel
    from ..simulate.comparison import compare, compare_by_rate, filled_unseen, score_jumps

    with np.load(made.truth) as truth:
        good = truth["pixel_kind"] == 0
        saturated_read = truth["saturated_read"]
        hits = tuple(truth[f"cr_{name}"] for name in ("resultant", "row", "col", "electrons"))
        true_rate = truth["rate"][SCIENCE]
        electron_rate = truth["rate_electrons"]
    hit = np.zeros(good.shape, dtype=bool)
    hit[hits[1], hits[2]] = True
    linear = saturated_read == 0

    times = ReadPattern.from_reads([list(reads) for reads in config.pattern], config.frame_time)
    with (
        datamodels.open(made.exposure.with_name(f"{config.root}_ramp.asdf")) as ramp,
        datamodels.open(made.reference_files["GAIN"]) as gain,
        datamodels.open(made.reference_files["READNOISE"]) as read_noise,
    ):
        groupdq = np.array(ramp.groupdq)
        if "jump_indices" in image:  # of a fit that found them itself
            jump, row, col = np.asarray(image.jump_indices).T
            groupdq[:, *SCIENCE][jump, row, col] |= group["JUMP_DET"]
        not_used = group["SATURATED"] | group["DO_NOT_USE"]
        unseen = filled_unseen((groupdq & not_used) != 0, saturated_read, config.pattern)
        jumps = score_jumps(
            (groupdq & group["JUMP_DET"]) != 0,
            good & linear,
            electron_rate,
            np.asarray(read_noise.data) * np.asarray(gain.data),
            np.asarray(times.times),
            np.asarray(times.n_reads),
            hits,
        )

    images = np.asarray(image.data), np.asarray(image.err), true_rate
    measured = (np.asarray(image.dq) & pixel["DO_NOT_USE"]) == 0
    clean = (good & linear & ~hit)[SCIENCE] & measured
    groups = [
        compare(label, *images, chosen[SCIENCE] & measured)
        for label, chosen in (
            ("all of these", good & linear & ~hit),
            ("hit", good & linear & hit),
            ("saturated", good & ~linear & ~unseen),
            ("filled unseen", good & unseen),
        )
    ]
    return compare_by_rate(*images, clean), groups, jumps


def write_picture(config: SimulationConfig, made: SimulatedExposure) -> str:
    """Draw the file of the calibrated image, where that can be.

    Returns
    -------
    str
        The name of the picture's file; empty where matplotlib is not installed.
    """
    from .._plotting import PlotExtraError
    from ..show import picture, save

    try:
        figure = picture(made.exposure.with_name(f"{config.root}_cal.asdf"))
    except PlotExtraError as error:
        print(f"No picture: {error}")
        return ""
    return save(figure, made.exposure.with_name(f"{config.root}_demo.png")).name


def print_rates(bins: list[RateComparison], groups: list[RateComparison]) -> None:
    """Print the comparison as a table."""
    print("\nMeasured minus true rate; sigma is the stated error")
    print(
        f"  {'true rate, DN/s':<16}{'pixels':>10}{'bias, DN/s':>13}{'bias, sigma':>13}{'width':>8}"
    )
    for row in bins:
        print(_row(row))
    print("  " + "-" * 58)
    for row in groups:
        print(_row(row))
    print("  Bins: pixels without defect, hit or saturation. Ideal: bias 0, width 1.")
    print("  Hit: most hits, of charge from neighbours too, are too small to be found.")
    if groups[-1].n_pixels:
        print(
            "  Filled unseen: full in the last reads of a resultant, whose mean stays below the\n"
            "  saturation threshold and is not flagged. Where the fit uses it the rate is too low."
        )


def _row(row: RateComparison) -> str:
    if row.n_pixels == 0:
        return f"  {row.label:<16}{0:>10}{'-':>13}{'-':>13}{'-':>8}"
    return (
        f"  {row.label:<16}{row.n_pixels:>10}{row.bias:>+13.4f}{row.pull:>+13.3f}{row.width:>8.3f}"
    )


def print_jumps(jumps: JumpScore) -> None:
    """Print how many cosmic-ray hits were found, missed and made up."""
    print("\nCosmic-ray hits above 10 sigma")
    if jumps.n_hits:
        share = jumps.n_found / jumps.n_hits
        print(
            f"  {jumps.n_hits} hits, {jumps.n_found} found ({share:.1%}), "
            f"{jumps.n_hits - jumps.n_found} missed"
        )
        print("  Hits in the last reads are only partly in the exposure.")
    else:
        print("  none in this exposure")
    if jumps.n_samples:
        print(
            f"  {jumps.n_false} false jumps in {jumps.n_samples} samples without a hit "
            f"({jumps.n_false / jumps.n_samples:.3%})"
        )
