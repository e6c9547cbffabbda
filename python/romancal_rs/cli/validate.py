"""Tell what is wrong with files, if anything is.

FILE is read whole: its blocks and their checksums, its content by the mission's schema, the shapes
and numbers of its arrays, its times, reads and world coordinates. Notes tell of what may be as it
should: they are no errors.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import path

if TYPE_CHECKING:
    from ..inspection import Plain, Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=path, help="what to check")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON array, an object for each file"
    )


def run(options: argparse.Namespace) -> int:
    from ..inspection import validate_file
    from .info import each, print_json

    verdicts: list[Verdict] = []
    told: dict[str, dict[str, Plain]] = {}

    def look(file: str) -> None:
        verdict = validate_file(file)
        verdicts.append(verdict)
        told[file] = verdict.to_json()
        if not options.json:
            print(verdict, flush=True)

    failed, status = each(options.files, look)
    if options.json:
        print_json(options.files, told, failed)
    return status or int(not all(verdict.is_sound for verdict in verdicts))
