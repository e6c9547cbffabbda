"""The ramp of one pixel, for `show --ramp`: a picture, and its numbers."""

from __future__ import annotations

import argparse
import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .options import path
from .windows import fit_window, new_window, show_windows

if TYPE_CHECKING:
    from ..show import PixelRamp

#: What `--table` writes.
TABLES = (".csv", ".ecsv")
#: `--table` without a file.
ON_TERMINAL = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what names a pixel, and what its ramp is made of."""
    group = parser.add_argument_group("the ramp of one pixel")
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--ramp",
        metavar="X,Y",
        type=pixel,
        help="column and row of a pixel in the Level 2 image, from 0 (in Level 1 both are larger "
        "by 4): draw its resultants and their fit",
    )
    which.add_argument(
        "--sky",
        metavar="RA,DEC",
        type=direction,
        help="the same of the pixel at a place on the sky [deg], for a Level 2 image",
    )
    group.add_argument(
        "--raw",
        metavar="FILE",
        type=path,
        help="the raw exposure that FILE was made of, or its directory (default: where FILE says, "
        "or beside it)",
    )
    group.add_argument(
        "--references",
        metavar="DIR",
        type=path,
        help="directory of reference files (default: those that FILE was made with)",
    )
    group.add_argument(
        "--table",
        metavar="FILE",
        nargs="?",
        const=ON_TERMINAL,
        type=path,
        help="print the numbers; or write those of the resultants to a .csv or .ecsv file, as "
        "--table=FILE",
    )


def pixel(text: str) -> tuple[int, int]:
    """The type of ``--ramp``."""
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected X,Y, two whole numbers such as 100,200; got {text!r}"
        ) from None
    return x, y


def direction(text: str) -> tuple[float, float]:
    """The type of ``--sky``."""
    try:
        ra, dec = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected RA,DEC, two numbers in degrees such as 270.1,-66.5; got {text!r}"
        ) from None
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise argparse.ArgumentTypeError(
            f"expected RA from 0 to 360 and DEC from -90 to 90 degrees; got {text!r}"
        )
    return ra, dec


def run(options: argparse.Namespace) -> int:
    """Draws the ramp, or shows its numbers.

    Parameters
    ----------
    options : argparse.Namespace
        Besides what `add_arguments` adds: ``file``; ``output``, a file or directory that the
        picture goes to, or None; ``dark``, whether it is on dark ground; ``window``, whether to
        show it rather than write it. Without ``output`` it is
        ``<root>_ramp_<X>_<Y>.png`` in the current directory, unless the numbers are asked for.
    """
    from .._plotting import require_matplotlib

    is_drawn = options.output is not None or options.table is None or options.window
    if is_drawn:
        require_matplotlib("romancal-rs show")
        from ..show import format_of

        window = new_window(options.file) if options.window else None
        if not _is_directory(options.output):
            format_of(Path(options.output))
    to_file = options.table not in (None, ON_TERMINAL)
    if to_file and Path(options.table).suffix.lower() not in TABLES:
        raise InputError(f"--table={options.table}: expected a name in {' or '.join(TABLES)}")
    from ..show import pixel_ramp
    from .terminal import working

    x, y = options.ramp or (None, None)
    with working("fitting the ramp anew"):
        ramp = pixel_ramp(
            options.file, x, y, sky=options.sky, raw=options.raw, references=options.references
        )
    if to_file:
        write_table(ramp, Path(options.table))
        print(f"wrote {options.table}")
    elif options.table is not None:
        print(ramp.table())
    if is_drawn:
        from ..show import save
        from ..show.ramp_figure import draw_pixel_ramp

        figure = draw_pixel_ramp(ramp, dark=options.dark, figure=window)
        for note in [] if options.table == ON_TERMINAL else ramp.notes:
            print(f"note: {note}")
        if window is not None:
            fit_window(window)
            show_windows()
            return 0
        picture = Path(options.output or "")
        if _is_directory(options.output):
            picture /= _name_of_picture(ramp)
        save(figure, picture)
        print(f"wrote {picture}")
    return 0


def _is_directory(output: str | None) -> bool:
    return output is None or output.endswith(os.sep) or os.path.isdir(output)


def _name_of_picture(ramp: PixelRamp) -> str:
    from ..stpipe.output import remove_suffix

    return f"{remove_suffix(Path(ramp.name).stem)}_ramp_{ramp.x}_{ramp.y}.png"


def write_table(ramp: PixelRamp, target: Path) -> None:
    """Writes the numbers of the resultants.

    Parameters
    ----------
    ramp : PixelRamp
    target : Path
        ``.ecsv`` has units, and the facts and notes; ``.csv`` the numbers alone, with the units in
        the names of the columns.
    """
    from .._files import replacing

    columns = ramp.columns()
    with replacing(target) as file:
        if target.suffix.lower() == ".ecsv":
            file.write(_ecsv(ramp, columns).encode())
        else:
            file.write(_csv(columns).encode())


def _csv(columns: dict[str, tuple[Any, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(f"{name} [{unit}]" if unit else name for name, (_, unit) in columns.items())
    writer.writerows(zip(*(values for values, _ in columns.values()), strict=True))
    return text.getvalue()


def _ecsv(ramp: PixelRamp, columns: dict[str, tuple[Any, str]]) -> str:
    from astropy.table import Column, Table

    table = Table(
        [
            Column(values, name=name, unit="adu" if unit == "DN" else unit or None)
            for name, (values, unit) in columns.items()
        ],
        meta={**ramp.facts(), "notes": list(ramp.notes)},
    )
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()
