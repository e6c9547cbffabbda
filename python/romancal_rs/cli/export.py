"""Write an image as FITS, as those of HST and JWST are: extensions SCI, ERR, DQ and variances.

The WCS is a TAN projection with SIP polynomials, fitted to that of the image; its largest error is
told, and stands in the header (SIPMXERR). Ramps, Level 1 exposures and reference files that have
arrays can be exported as well."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=path, help="an ASDF file of Roman data")
    parser.add_argument(
        "output",
        metavar="OUTPUT",
        type=path,
        nargs="?",
        help="the FITS file to write; FILE with .fits, in this directory, if left out",
    )
    parser.add_argument(
        "-o", "--output", dest="named", metavar="OUTPUT", type=path, help="the same, as an option"
    )
    parser.add_argument(
        "--all",
        dest="everything",
        action="store_true",
        help="write all arrays, also those of the fit and of the border",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def run(options: argparse.Namespace) -> int:
    from ..errors import InputError
    from ..fits import export
    from .terminal import working

    if options.output and options.named:
        raise InputError(f"two files to write: {options.output} and {options.named}; give one")
    output = options.named or options.output or Path(options.file).with_suffix(".fits").name
    if Path(output).exists() and not options.overwrite:
        raise InputError(f"{output}: there is a file of this name; --overwrite replaces it")
    with working(f"writing {output}"):
        exported = export(
            options.file, output, everything=options.everything, overwrite=options.overwrite
        )
    if not options.quiet:
        print(exported)
    return 0
