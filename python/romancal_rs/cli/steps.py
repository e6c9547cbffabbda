"""List the pipelines and steps, with their aliases and the reference types that they use."""

from __future__ import annotations

import argparse

from ..stpipe.parameters import reference_types
from ..stpipe.registry import aliases, classes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    rows = [("alias", "class", "references")]
    for path, step_class in classes().items():
        names = [alias for alias, its_path in aliases().items() if its_path == path]
        types = [reftype.upper() for reftype in reference_types(step_class)]
        rows.append((", ".join(names), path, ", ".join(types)))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for row in rows:
        print(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip())
    return 0
