"""Tell what files hold: their kind, how they were taken and processed, and their arrays.

FILE is any ASDF file of the mission (exposures of all levels, references, mosaics, catalogues,
parameter files), a catalogue in Parquet, or an association (.json).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .options import path
from .streams import complain, is_terminal

if TYPE_CHECKING:
    from ..inspection import FileDescription, Plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=path, help="what to look into")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-1", dest="brief", action="store_true", help="a line for each file")
    how.add_argument("--json", action="store_true", help="print a JSON array, an object for each")
    how.add_argument("--tree", action="store_true", help="show the whole tree of metadata")
    parser.add_argument(
        "--stats",
        action="store_true",
        help="read the arrays: least, median and greatest value, NaN, and counts of flags",
    )


def run(options: argparse.Namespace) -> int:
    from ..inspection import describe_file

    if options.tree:
        return each(options.files, lambda file: print_tree(file, options.files))[1]
    descriptions: dict[str, FileDescription] = {}

    def look(file: str) -> None:
        about = describe_file(file, statistics=options.stats and not options.brief)
        if not (options.json or options.brief):
            before = [""] if descriptions else []
            print("\n".join([*before, str(about)]), flush=True)
        descriptions[file] = about

    failed, status = each(options.files, look)
    if options.json:
        print_json(
            options.files, {file: about.to_json() for file, about in descriptions.items()}, failed
        )
    elif options.brief:
        rows = [row_of(about) for about in descriptions.values()]
        print_rows([_HEADING, *rows] if is_terminal(sys.stdout) else rows)
    return status


def each(files: Sequence[str], look: Callable[[str], None]) -> tuple[dict[str, str], int]:
    """Looks at files one after the other; one that cannot be read does not stop the others.

    Returns
    -------
    dict of str to str
        What went wrong with files, which is also told as it happens.
    int
        Exit status.
    """
    from ..errors import RomancalError, one_line, shortened
    from .streams import OUTPUT
    from .terminal import working

    failed: dict[str, str] = {}
    with working("reading", len(files) if len(files) > 1 else None) as work:
        for file in files:
            try:
                look(file)
            except (RomancalError, OSError) as error:
                filename = getattr(error, "filename", None)
                if filename is OUTPUT:
                    raise
                text = getattr(error, "strerror", None) if filename else None
                message = shortened(f"{filename}: {text}" if text else one_line(error))
                failed[file] = message
                complain(f"romancal-rs: error: {message}")
            work.advance()
    return failed, 1 if failed else 0


def print_json(
    files: Sequence[str], told: Mapping[str, Mapping[str, Plain]], failed: Mapping[str, str]
) -> None:
    """Prints a JSON array: of each file what is told of it, or why it could not be read."""
    import json

    errors = {file: {"file": file, "error": message} for file, message in failed.items()}
    objects = [errors[file] if file in errors else told[file] for file in dict.fromkeys(files)]
    print(json.dumps(objects, indent=2, allow_nan=False, ensure_ascii=False))


def print_tree(file: str, files: Sequence[str]) -> None:
    """Prints all that a file holds but pixels."""
    from ..inspection import print_tree

    if len(files) > 1:
        print(file)
    print_tree(file)


# --- a line for each

_HEADING = ("FILE", "KIND", "DETECTOR", "ELEMENT", "START", "RESULTANTS", "EXPOSURE[s]", "STATUS")


def row_of(about: FileDescription) -> tuple[str, ...]:
    """The words of the line of a file; a dash for what it does not state."""
    start = about.exposure.get("start_time") or about.reference.get("use_after")
    seconds = about.exposure.get("exposure_time")
    pattern = about.exposure.get("read_pattern")
    n_resultants = about.exposure.get("n_resultants")
    if isinstance(pattern, Sequence):
        n_resultants = len(pattern)
    words = (
        about.file,
        about.kind.rpartition("/")[2],
        about.instrument.get("detector"),
        about.instrument.get("optical_element"),
        str(start).partition(".")[0] if start else None,
        n_resultants,
        f"{seconds:.2f}" if isinstance(seconds, int | float) else None,
        about.status,
    )
    return tuple("-" if word is None else str(word) for word in words)


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
