"""Write the report of a batch, and the table of its outcomes.

report.md is to be read, report.json is for programs; the table has a row for each exposure that has
ended, as Parquet, CSV or JSON lines. They go to the directory of the run's records, or to --output.

``romancal-rs report DEST`` writes a page to look at in a browser, with pictures of the products.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..options import path
from ..streams import complain
from .runs import add_run, run_of, runs_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--output", metavar="DIR", type=path, help="where to (default: beside the records)"
    )
    parser.add_argument(
        "--table",
        metavar="FILE",
        type=path,
        help="the table, as .parquet, .csv or .jsonl (default: outcomes.parquet, without pyarrow "
        "outcomes.jsonl)",
    )
    parser.add_argument("--check", action="store_true", help="compare the products with the table")


def run(options: argparse.Namespace) -> int:
    from ...batch.report import write_report
    from ...batch.table import default_name

    directory = run_of(options, runs_of(options))
    output = Path(options.output) if options.output else directory.path
    table = Path(options.table) if options.table else output / default_name()
    written = write_report(directory, output, table=table, check=options.check)
    for file in written:
        print(file)
    if options.check and (n := len(json.loads(written[1].read_text())["contradictions"])):
        what = (
            "1 product is not what its row says"
            if n == 1
            else (f"{n} products are not what their rows say")
        )
        complain(f"romancal-rs: error: {what}: see {written[0]}")
        return 1
    return 0
