"""Draw an exposure, a reference file, or the ramp of one pixel.

Writes a PNG of what there is to see in each FILE, into the current directory:
  raw exposure     last minus first resultant, first and last resultant, median ramp
  ramp             last minus first and last resultant, flags, median ramp
  rate image       rate on the sky, error, flags, chi squared of the fit
  WCS product      the grid of the sky over the detector
  reference file   its images, planes and flags, or curves of its tables
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import InputError
from . import show_ramp
from .options import completed_by, path, pixel_flags, products
from .windows import fit_window, new_window, show_windows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    files = parser.add_argument(
        "files", metavar="FILE", nargs="+", type=path, help="ASDF files of exposures or references"
    )
    completed_by(files, products)
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=path,
        help="what to write, by its end a .png, .pdf, .svg or .jpg file; or the directory "
        "that the pictures go to (default: each FILE's name with .png, in the current directory)",
    )
    parser.add_argument("--dark", action="store_true", help="light on a dark background")
    parser.add_argument(
        "--array",
        "--extension",
        metavar="NAME",
        action="append",
        default=[],
        help="draw only this array or plane (coeffs.2); may be repeated",
    )
    flag = parser.add_argument(
        "--flag",
        metavar="NAME[,NAME]",
        action="append",
        default=[],
        help="draw only a map of each of these flags",
    )
    completed_by(flag, pixel_flags)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--preview",
        action="store_true",
        help="only the pixels, within 1920 x 1080, with north and east: FILE_preview.png",
    )
    kinds.add_argument(
        "--thumbnail",
        action="store_true",
        help="only the pixels, 256 along the longer side: FILE_thumbnail.png",
    )
    kinds.add_argument(
        "--window",
        action="store_true",
        help="open a window to zoom in rather than write a file; needs a display",
    )
    show_ramp.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Draw what was asked for."""
    if options.ramp is not None or options.sky is not None:
        if len(options.files) > 1:
            raise InputError(f"--ramp draws a pixel of one FILE, got {len(options.files)} of them")
        for name in ("preview", "thumbnail", "array", "flag"):
            if getattr(options, name):
                raise InputError(f"--{name} is for pictures of a whole FILE; leave out --ramp")
        options.file = options.files[0]
        return show_ramp.run(options)
    for name in ("raw", "references", "table"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is for the ramp of a pixel: give --ramp=X,Y as well")
    if options.preview or options.thumbnail:
        for name in ("array", "flag", "dark"):
            if getattr(options, name):
                kind = "preview" if options.preview else "thumbnail"
                raise InputError(f"--{name} is for pictures with axes; leave out --{kind}")
    from .._plotting import require_matplotlib

    require_matplotlib("romancal-rs show")
    if options.window:
        return _show_windows(options)
    from .terminal import working

    targets = targets_of(options)
    with working("drawing", len(targets) if len(targets) > 1 else None) as work:
        for file, target in zip(options.files, targets, strict=True):
            _write(file, target, options)
            print(f"wrote {target}", flush=True)
            work.advance()
    return 0


def targets_of(options: argparse.Namespace) -> list[Path]:
    """The file to write for each FILE.

    Raises
    ------
    InputError
        If two would be one, or of no format.
    """
    from ..show import format_of

    pixels = "preview" if options.preview else "thumbnail" if options.thumbnail else ""
    names = [f"{Path(file).stem}{f'_{pixels}' if pixels else ''}.png" for file in options.files]
    output = options.output
    if output is None or output.endswith(os.sep) or Path(output).is_dir():
        targets = [Path(output or "", name) for name in names]
    elif len(options.files) > 1:
        raise InputError(f"{output}: is for {len(options.files)} pictures; give a directory")
    else:
        targets = [Path(output)]
    for number, target in enumerate(targets):
        if target in targets[:number]:
            raise InputError(
                f"{target}: is for both {options.files[targets.index(target)]} and "
                f"{options.files[number]}; draw them one by one, with --output"
            )
        if format_of(target) != "png" and pixels:
            raise InputError(f"{target}: a {pixels} is a PNG; give a name that ends in .png")
    return targets


def _write(file: str, target: Path, options: argparse.Namespace) -> None:
    from .. import show
    from .._files import replacing

    if options.preview or options.thumbnail:
        pixels = show.preview(file) if options.preview else show.thumbnail(file)
        with replacing(target) as out:
            out.write(show.as_png(pixels))
    else:
        show.save(show.picture(file, **_choice(options)), target)


def _show_windows(options: argparse.Namespace) -> int:
    from .. import show

    for file in options.files:
        figure = new_window(file)
        show.picture(file, figure=figure, **_choice(options))
        fit_window(figure)
    show_windows()
    return 0


def _choice(options: argparse.Namespace) -> dict[str, Any]:
    """What of a file to draw, and how."""
    return {
        "arrays": options.array,
        "flags": [name for names in options.flag for name in names.split(",")],
        "theme": "dark" if options.dark else "light",
    }
