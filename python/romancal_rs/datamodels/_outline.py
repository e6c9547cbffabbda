"""What a model and its nodes look like at a prompt and in a notebook. Nothing is read for it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from .. import _html
from .._html import Html
from ..errors import one_line
from . import _display
from ._tree import Path, Tree, Unread

#: What prints in more lines prints with its blocks folded.
MOST_LINES = 60
#: Of a line.
MOST_COLUMNS = 100

#: What a notebook says first of an exposure, or of a reference file.
_FACTS = {
    "file": ("filename",),
    "exposure": ("exposure.type", "observation.observation_id"),
    "detector": ("instrument.detector", "instrument.optical_element"),
    "start": ("exposure.start_time",),
    "exposure time [s]": ("exposure.exposure_time",),
    "MA table": ("exposure.ma_table_name", "exposure.ma_table_number"),
    "resultants": ("exposure.nresultants",),
    "reference": ("reftype", "pedigree", "description"),
    "in use from": ("useafter",),
    "software": ("calibration_software_name", "calibration_software_version"),
}


def as_text(data: Mapping[str, Any], path: Path) -> str:
    """A node as a tree in text, its blocks folded to the names in them where it is long."""
    name = _display.block_name(path) or (str(path[-1]) if path else "root")
    lines = list(_lines(data, path, ""))
    if len(lines) > MOST_LINES:
        lines = [*_lines(data, path, "", fold=True)]
    return "\n".join([name, *lines])


def _lines(
    data: Mapping[str, Any], path: Path, indent: str, *, fold: bool = False
) -> Iterator[str]:
    for number, (key, value) in enumerate(data.items(), 1):
        is_last = number == len(data)
        line = f"{indent}{'└─' if is_last else '├─'}{one_line(key)}"
        inner = f"{indent}{'  ' if is_last else '│ '}"
        if isinstance(value, dict) and not fold:
            yield f"{line} ({_display.class_name((*path, key), '')})"
            yield from _lines(value, (*path, key), inner)
        else:
            yield _cut(f"{line}{_folded(value) if isinstance(value, dict) else _told(value)}")


def _told(value: Any) -> str:
    return f": {_one_line(value)}"


def _folded(block: Mapping[str, Any]) -> str:
    """What is in a block, with values if these are few, or the names of it."""
    values = ", ".join(f"{one_line(key)}={_one_line(value)}" for key, value in block.items())
    names = ", ".join(map(one_line, block))
    return f" ({values})" if len(values) < MOST_COLUMNS // 2 else f" ({len(block)}: {names})"


def _cut(line: str) -> str:
    return line if len(line) <= MOST_COLUMNS else f"{line[: MOST_COLUMNS - 1]}…"


def _one_line(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"shape={tuple(value.shape)}, dtype={value.dtype}"
    if isinstance(value, Unread):
        return "(not read yet)"
    if type(value).__module__.startswith(("gwcs", "astropy.modeling")):
        return f"({type(value).__name__})"  # its text takes a page, and long to make
    return one_line(value) if str(value) else "''"


def _shown(value: Any) -> Any:
    """Of what has been read or not, the texts that a notebook shows."""
    if isinstance(value, dict):
        return {one_line(key): _shown(item) for key, item in value.items()}
    return value if isinstance(value, list) else _one_line(value)


def node_as_html(data: Mapping[str, Any], path: Path) -> str:
    """A node, of which the blocks unfold."""
    name = _display.block_name(path) or (str(path[-1]) if path else "root")
    return _html.block(
        _html.heading(name, _html.number_of(list(data), "item")), _html.tree(_shown(data))
    )


def list_as_html(data: list[Any], path: Path) -> str:
    """The first items of a list, of which those that are blocks unfold."""
    items = {str(index): item for index, item in enumerate(data[: _html.MOST_ITEMS])}
    more = len(data) - len(items)
    return _html.block(
        _html.heading(str(path[-1]), _html.number_of(data, "item")),
        _html.tree(_shown(items)),
        _html.Html(f"<div>and {more} more</div>" if more else ""),
    )


def model_as_html(tree: Tree, class_name: str, shape: tuple[int, ...]) -> str:
    """A model: what it is, its arrays, its steps, and all the rest folded."""
    data = tree.data
    meta = data.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    arrays = {name: value for name, value in data.items() if hasattr(value, "dtype")}
    rows = [(name, array.dtype, tuple(array.shape)) for name, array in arrays.items()]
    others = {n: value for n, value in data.items() if n != "meta" and n not in arrays}
    table = _html.table(rows, ("name", "dtype", "shape"))
    where = os.path.basename(tree.source) if tree.source else "in memory"
    return _html.block(
        _html.heading(class_name, " x ".join(map(str, shape)), where),
        _html.table(_facts(meta)),
        _html.details(_html.number_of(rows, "array"), table, is_open=True),
        _steps(meta.get("cal_step")),
        _html.details(f"meta ({len(meta)})", _html.tree(_shown(meta))),
        _html.details(f"other content ({len(others)})", _html.tree(_shown(others))),
    )


def _facts(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = []
    for label, names in _FACTS.items():
        values = [value for name in names if (value := _leaf(meta, name)) not in (None, "", "?")]
        if values:
            facts.append((label, " · ".join(map(str, values))))
    return facts


def _leaf(meta: Mapping[str, Any], name: str) -> Any:
    value: Any = meta
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return None if isinstance(value, dict | list | Unread) else value


def _steps(steps: Any) -> Html:
    if not isinstance(steps, dict) or not steps:
        return Html("")
    numbers = Counter(str(status).lower() for status in steps.values())
    told = ", ".join(f"{number} {status}" for status, number in numbers.most_common())
    return _html.details(f"steps: {told}", _html.table(steps.items()))
