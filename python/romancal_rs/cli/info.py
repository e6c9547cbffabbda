"""Show what a file holds: its kind, how it was taken and processed, and its arrays."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .options import path

if TYPE_CHECKING:
    from ..datamodels import DataModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", type=path, help="an ASDF file of Roman data, or a reference"
    )
    parser.add_argument("--tree", action="store_true", help="show the whole tree of metadata")


def run(options: argparse.Namespace) -> int:
    from .. import datamodels

    with datamodels.open(options.file) as model:
        if options.tree:
            model.info(max_rows=None)
        else:
            print("\n".join([options.file, *describe(model)]))
    return 0


def describe(model: DataModel) -> list[str]:
    """The lines that tell what a model is."""
    lines = [f"  {type(model).__name__}, {_series(model)}"]
    meta = model.meta
    for title, dotted in (
        ("reference type", "reftype"),
        ("use after", "useafter"),
        ("detector", "instrument.detector"),
        ("optical element", "instrument.optical_element"),
        ("exposure type", "exposure.type"),
        ("start", "exposure.start_time"),
        ("frame time [s]", "exposure.frame_time"),
        ("reads", "exposure.read_pattern"),
        ("software", "calibration_software_name"),
        ("version", "calibration_software_version"),
    ):
        value = _look_up(meta, dotted)
        if value is not None:
            lines.append(f"  {title:<16}{_shorten(dotted, value)}")
    for title, section in (("steps", "cal_step"), ("references", "ref_file")):
        entries = {
            key: str(value)
            for key, value in (meta.get(section) or {}).items()
            if isinstance(value, str) and value not in ("INCOMPLETE", "N/A", "?")
        }
        if entries:
            lines.append(f"  {title}")
            width = max(18, *(len(key) + 2 for key in entries))
            lines += [f"    {key:<{width}}{value}" for key, value in entries.items()]
    arrays = [(key, value) for key, value in model.arrays()]
    if arrays:
        lines.append("  arrays")
        width = max(len(key) for key, _ in arrays)
        lines += [
            f"    {key:<{width}}  {value.dtype!s:<8} {' x '.join(map(str, value.shape))}"
            for key, value in arrays
        ]
    return lines


def _series(model: DataModel) -> str:
    """Kind and version of the file, and what it is in memory if that is something else."""
    found, taken = (tag.rpartition("/")[2] for tag in (model.file_tag, model.tag))
    return taken if model.era == "today" else f"{found} of {model.era}, read as {taken}"


def _look_up(node: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        if not hasattr(node, "get"):
            return None
        node = node.get(key)
    return node


def _shorten(dotted: str, value: Any) -> str:
    if dotted.endswith("read_pattern"):
        counts = [len(list(resultant)) for resultant in value]
        return f"{len(counts)} resultants of {', '.join(map(str, counts))} reads"
    return str(getattr(value, "isot", value))
