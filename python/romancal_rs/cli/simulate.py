"""Simulate a Level 1 exposure, the reference files that fit it, and the truth behind it.

The same options give the same pixels.
"""

from __future__ import annotations

import argparse
import shlex

from ..errors import InputError
from . import terminal
from .options import (
    add_quiet,
    completed_by,
    detectors,
    directories,
    exposure_types,
    one_of,
    optical_elements,
    path,
)
from .parser import add_help_all, seldom

_READOUT_OPTIONS = {
    "bias-pattern": "mean bias of the pixels (100)",
    "correlated-noise": "noise of one read that channels share, each part of it (2)",
    "dark-decay": "decaying dark signal in the first read, mean of the detectors (4)",
    "transient": "signal at the start of WFI18's first read (40)",
    "integral-nonlinearity": "of the converters, root mean square (2)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    directory = parser.add_argument(
        "output_dir", metavar="OUTPUT_DIR", type=path, help="directory to write to"
    )
    completed_by(directory, directories)
    add_quiet(parser)
    add_help_all(parser)
    size = parser.add_argument_group("size and cadence")
    size.add_argument(
        "--size", metavar="N", type=int, default=1024, help="rows and columns with border (1024)"
    )
    seldom(
        size.add_argument("--rows", metavar="N", type=int, help="rows, if they differ from --size")
    )
    seldom(
        size.add_argument(
            "--cols", metavar="N", type=int, help="columns, if they differ from --size"
        )
    )
    size.add_argument(
        "--resultants", metavar="N", type=int, default=8, help="number of resultants (8)"
    )
    size.add_argument("--reads", metavar="N", type=int, default=8, help="reads per resultant (8)")
    size.add_argument(
        "--read-pattern",
        metavar="PATTERN",
        help="read numbers of each resultant, such as '1;2-3;4-8' or '[[1],[2,3]]'; "
        "replaces --resultants and --reads",
    )
    seldom(
        size.add_argument("--frame-time", type=float, metavar="S", help="seconds per read (3.04)")
    )
    mode = parser.add_argument_group("mode and pointing")
    detector = mode.add_argument(
        "--detector", metavar="NAME", default="WFI01", help="WFI01 to WFI18 (WFI01)"
    )
    completed_by(detector, detectors)
    element = mode.add_argument(
        "--optical-element",
        metavar="NAME",
        help="F158, GRISM, PRISM, DARK ... (F158, or what suits the exposure type)",
    )
    completed_by(element, optical_elements)
    exposure_type = mode.add_argument(
        "--exposure-type",
        metavar="TYPE",
        help="WFI_IMAGE, WFI_SPECTRAL ... (what suits the optical element)",
    )
    completed_by(exposure_type, exposure_types)
    seldom(
        mode.add_argument(
            "--start-time", metavar="TIME", help="UTC, ISO 8601 (2027-06-01T00:00:00)"
        )
    )
    mode.add_argument("--ra", type=float, metavar="DEG", help="where the field points (270)")
    mode.add_argument("--dec", type=float, metavar="DEG", help="where the field points (66)")
    seldom(
        mode.add_argument("--position-angle", type=float, metavar="DEG", help="of the field (12)")
    )
    seldom(mode.add_argument("--exposure", type=int, metavar="N", help="exposure number (1)"))
    content = parser.add_argument_group("content")
    content.add_argument(
        "--seed", metavar="N", type=int, default=1, help="seed of the random numbers (1)"
    )
    content.add_argument("--background", type=float, metavar="E/S", help="sky, electron/s (0.8)")
    content.add_argument("--stars", type=float, metavar="N", help="stars per pixel (0.002)")
    content.add_argument(
        "--cosmic-rays", type=float, metavar="RATE", help="hits per second and cm^2 (8)"
    )
    seldom(content.add_argument("--read-noise", type=float, metavar="DN", help="of one read (5)"))
    content.add_argument(
        "--encoded",
        action="store_true",
        help="as flight sends them: differences, guide window",
    )
    seldom(
        content.add_argument(
            "--bad-pixels", type=float, metavar="FRACTION", help="of the science pixels (0.005)"
        )
    )
    readout = parser.add_argument_group("read-out")
    of_readout = readout.add_argument(
        "--readout",
        metavar="KIND",
        default="flight",
        help="flight, or ideal: without what steps remove (flight)",
    )
    completed_by(of_readout, one_of("flight", "ideal"))
    for name, what in _READOUT_OPTIONS.items():
        seldom(readout.add_argument(f"--{name}", type=float, metavar="DN", help=what))


def run(args: argparse.Namespace) -> int:
    """Simulate, and say what was written and what to do next."""
    from ..simulate import SimulationConfig, simulate
    from ..simulate.config import EXPOSURE_TYPES, parse_read_pattern

    element = args.optical_element or _element_for(EXPOSURE_TYPES.get(args.exposure_type, ()))
    suitable = [name for name, elements in EXPOSURE_TYPES.items() if element in elements]
    optional = {
        "frame_time": args.frame_time,
        "start_time": args.start_time,
        "ra": args.ra,
        "dec": args.dec,
        "position_angle": args.position_angle,
        "exposure": args.exposure,
        "background": args.background,
        "star_density": args.stars,
        "cosmic_ray_rate": args.cosmic_rays,
        "read_noise": args.read_noise,
        "bad_pixel_fraction": args.bad_pixels,
    }
    for option in _READOUT_OPTIONS:
        name = option.replace("-", "_")
        optional[name] = getattr(args, name)
        if args.readout == "ideal" and optional[name]:
            raise InputError(f"--{option}: an ideal read-out has none; leave out --readout ideal")
    config = SimulationConfig(
        rows=args.size if args.rows is None else args.rows,
        cols=args.size if args.cols is None else args.cols,
        n_resultants=args.resultants,
        n_reads=args.reads,
        read_pattern=args.read_pattern and parse_read_pattern(args.read_pattern),
        detector=args.detector,
        optical_element=element,
        exposure_type=args.exposure_type or next(iter(suitable), "WFI_IMAGE"),
        seed=args.seed,
        encoded=args.encoded,
        readout=args.readout,
        **{name: value for name, value in optional.items() if value is not None},
    )
    with terminal.working("simulating", 1.0, as_share=True) as work:
        made = simulate(config, args.output_dir, tell=work.tell)

    print(
        f"{config.rows} x {config.cols} pixels, {_counted(len(config.pattern), 'resultant')}, "
        f"{config.detector}, {config.optical_element}, seed {config.seed}"
    )
    print(f"exposure    {made.exposure}")
    print(f"references  {made.references} ({len(made.reference_files)} files)")
    print(f"truth       {made.truth}")
    command = ["romancal-rs", "run", "roman_elp", str(made.exposure)]
    command += ["--references", str(made.references)]
    if config.readout == "ideal":  # its references are those of 2022
        command += ["--recipe", "2022"]
    print(f"\nNext: {shlex.join(command)}")
    return 0


def _element_for(elements: tuple[str, ...]) -> str:
    """The usual filter, unless exposures of a type are not taken through it."""
    return "F158" if not elements or "F158" in elements else elements[0]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
