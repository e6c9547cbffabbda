"""What a command line says of a run that is there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..options import path

if TYPE_CHECKING:
    from ...batch.state import RunDirectory


def destination(word: str) -> str:
    """The directory, or URL, that a word means."""
    return word if "://" in word else path(word)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name a run."""
    parser.add_argument(
        "destination",
        metavar="DEST",
        type=destination,
        nargs="?",
        default=".",
        help="where the products of the batch go (default: the current directory)",
    )
    parser.add_argument(
        "--state",
        metavar="DIR",
        type=path,
        help="directory of plans and records (default: DEST/.romancal-rs-batch)",
    )
    parser.add_argument(
        "--run", metavar="ID", dest="run_id", help="the run, or how it begins (default: the last)"
    )
    parser.set_defaults(parser=parser)


def runs_of(options: argparse.Namespace) -> list[RunDirectory]:
    """The runs of a destination, the last one last; none is wrong usage."""
    from ...batch.state import run_directories, state_of

    state = state_of(options.destination, options.state)
    runs = run_directories(state)
    if not runs:
        options.parser.error(
            f"{state}: there is no plan of a batch; give the directory that --to of the batch "
            "named, or its --state"
        )
    return runs


def run_of(options: argparse.Namespace, runs: list[RunDirectory]) -> RunDirectory:
    """The run that is asked for; one that is not there is wrong usage."""
    if options.run_id is None:
        return runs[-1]
    found = [run for run in runs if run.path.name.startswith(options.run_id)]
    if len(found) != 1:
        names = ", ".join(run.path.name for run in found or runs)
        what = "several runs begin so" if found else "no such run; there are"
        options.parser.error(f"--run {options.run_id}: {what}: {names}")
    return found[0]
