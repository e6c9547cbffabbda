"""Write the parameter file that repeats the run that made a product.

It holds all parameters, and names the reference files that the run used. What stands in the way of
the same result is listed: files that are gone or have changed, other versions of the software, what
the run was given in memory. The parameter file is written all the same.
Classes and hooks that are not of this package are listed, too: whoever made the product chose them.
"""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from ..errors import InputError
from .options import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=path, help="a product of romancal-rs")
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=path,
        help="name of the parameter file (default: that of the product with _pars, in the current "
        "directory)",
    )


def run(options: argparse.Namespace) -> int:
    from ..stpipe import provenance

    found = provenance.reproduction(options.file)
    name = options.output or f"{Path(options.file).stem}_pars.asdf"
    if os.path.exists(name) and os.path.samefile(name, options.file):
        raise InputError(f"{name}: that is the product itself; give another name by --output")
    written = provenance.write(found, name)
    print(f"wrote {written}")
    inputs = found.inputs or ["INPUT"]
    words = ["romancal-rs", "run", str(written), *inputs, "--output_dir=DIRECTORY"]
    print(f"repeat the run by: {shlex.join(words)}")
    for line in found.other_code:
        print(f"runs other code: {line}")
    for line in found.missing:
        print(f"missing: {line}")
    if not found.missing:
        print("nothing is missing")
    return 1 if found.missing else 0
