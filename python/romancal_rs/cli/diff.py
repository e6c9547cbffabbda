"""Compare two products of the same kind: arrays, flags, WCS and metadata.

Numbers have to be equal (NaN is equal to NaN), unless --rtol or --atol is given. Rows and columns
are counted from 0."""

from __future__ import annotations

import argparse

from .._exit_status import ExitStatus
from .options import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", type=path, help="an ASDF file of Roman data")
    parser.add_argument("b", metavar="B", type=path, help="another file of the same kind")
    parser.add_argument(
        "--rtol",
        type=float,
        default=0.0,
        metavar="NUMBER",
        help="floating-point numbers may differ by this share of B (default: 0)",
    )
    parser.add_argument(
        "--atol",
        type=float,
        default=0.0,
        metavar="NUMBER",
        help="and by this amount, in the unit of the array (default: 0)",
    )
    parser.add_argument(
        "--all-meta",
        action="store_true",
        help="compare also the metadata that always differ: dates, names, versions and logs",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print what was found as JSON")
    how.add_argument("-q", "--brief", action="store_true", help="print only whether they differ")


def run(options: argparse.Namespace) -> int:
    try:
        return _compare(options)
    except Exception as error:
        # 1 would say that the files differ.
        error.__dict__["exit_status"] = ExitStatus.WRONG_USAGE
        raise


def _compare(options: argparse.Namespace) -> int:
    from ..compare import compare
    from .terminal import working

    with working("comparing"):
        found = compare(
            options.a, options.b, rtol=options.rtol, atol=options.atol, all_meta=options.all_meta
        )
    if options.json:
        import json

        print(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    elif not options.brief:
        print(found)
    elif not found.same:
        print(f"{options.a} and {options.b} differ")
    return 0 if found.same else 1
