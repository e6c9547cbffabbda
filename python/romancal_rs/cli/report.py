"""Write a page about an exposure, or about a batch, to look at in a browser.

Of a file the page shows the rate, its error and flags, where on the sky it is, histograms, jumps,
reference pixels before and after their correction, steps with their references, and messages. Of a
directory with the products of a batch it shows what became of each exposure, with small pictures.

A page is one file that needs no network.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from .batch.runs import destination
from .options import path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .terminal import Working


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "destination",
        metavar="FILE",
        type=destination,
        help="a rate image, a ramp or a raw exposure; or the directory of a batch's products",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PAGE",
        type=path,
        help="file to write (default: FILE's name with .html, here; of a batch DIR/report.html)",
    )
    parser.add_argument(
        "--raw",
        metavar="PATH",
        type=path,
        help="the raw exposure, or its directory (default: where FILE says, or beside it)",
    )
    parser.add_argument("--open", action="store_true", help="open it in a browser")
    batch = parser.add_argument_group("of a batch")
    batch.add_argument(
        "--pages", action="store_true", help="write the page of each product beside it, too"
    )
    batch.add_argument(
        "--thumbnails", metavar="N", type=int, help="greatest number of pictures (default: 90)"
    )
    batch.add_argument(
        "--state", metavar="DIR", type=path, help="directory of its records, if the batch named one"
    )
    batch.add_argument(
        "--run", metavar="ID", dest="run_id", help="which run of it (default: the last)"
    )
    parser.set_defaults(parser=parser)


def run(options: argparse.Namespace) -> int:
    of_batch = options.state is not None or Path(options.destination).is_dir()
    written = _write_batch(options) if of_batch else _write_page(options)
    print(f"wrote {written} ({size_of(written)})")
    if options.open:
        import webbrowser

        webbrowser.open(written.absolute().as_uri())
    return 0


def _write_page(options: argparse.Namespace) -> Path:
    from .. import report
    from .terminal import working

    for name in ("pages", "thumbnails", "run_id"):
        if getattr(options, name) not in (None, False):
            option = name.removesuffix("_id")
            options.parser.error(f"--{option} is for the directory of a batch, not for a file")
    file = options.destination
    output = Path(options.output or f"{Path(file).stem}.html")
    with working("looking at the exposure"):
        return report.write(file, output, raw=options.raw)


def _write_batch(options: argparse.Namespace) -> Path:
    from .. import report
    from .batch.runs import run_of, runs_of

    if options.raw is not None:
        options.parser.error("--raw is for a file, not for the directory of a batch")
    thumbnails = report.THUMBNAILS if options.thumbnails is None else options.thumbnails
    if thumbnails < 0:
        options.parser.error(f"--thumbnails {thumbnails}: must not be negative")
    directory = run_of(options, runs_of(options))
    here = Path(options.destination)
    output = Path(options.output or (here if here.is_dir() else Path()) / "report.html")
    with _progress() as progress:
        return report.write_batch(
            directory, output, thumbnails=thumbnails, pages=options.pages, progress=progress
        )


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that goes on, one after the other."""
    from .terminal import working

    with contextlib.ExitStack() as stack:
        bars: dict[str, Working] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in bars:
                stack.close()
                bars[what] = stack.enter_context(working(what, total))
            bars[what].reach(done)

        yield show


def size_of(file: Path) -> str:
    """The size of a file, as people tell it."""
    n_bytes = file.stat().st_size
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.0f} kB"
