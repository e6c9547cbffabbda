"""Take an exposure from raw counts to a rate image: the same as romancal-rs run roman_elp FILE."""

from __future__ import annotations

import argparse

from ..stpipe.find_class import find_target
from . import run as run_command
from .run import run as run

#: What it runs.
ALIAS = "roman_elp"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    run_command.add_shared_arguments(parser, "FILE", "the exposure, as it was taken (Level 1)")
    run_command.add_arguments_of_class(parser, *find_target(ALIAS), "FILE")
    parser.description = f"{__doc__}\n\n{parser.description}"
