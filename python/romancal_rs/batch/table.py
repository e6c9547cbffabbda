"""The table of outcomes: Parquet, CSV or JSON lines, a row for each exposure."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, get_args, get_origin, get_type_hints

from .._files import replacing
from ..errors import InputError
from .outcome import Outcome

__all__ = ["columns", "default_name", "write_table"]

#: Of each attribute of an outcome its type, in order.
_TYPES = get_type_hints(Outcome)
#: What the values of a list stand for.
_PARTS = {"product_stamp": ("size", "mtime_ns")}
_SUFFIXES = (".parquet", ".csv", ".jsonl")


def default_name() -> str:
    """``outcomes.parquet``, or ``outcomes.jsonl`` where pyarrow is not installed."""
    return f"outcomes{'.parquet' if find_spec('pyarrow') else '.jsonl'}"


def write_table(outcomes: Iterable[Outcome], path: str | os.PathLike[str]) -> Path:
    """Writes the table of outcomes; a file of that name is replaced once the new one is whole.

    Parameters
    ----------
    outcomes : iterable of Outcome
    path : path
        By its suffix ``.parquet`` (with pyarrow), ``.csv`` or ``.jsonl``. Of a directory, a file in
        it of `default_name`. In Parquet what is nested has columns of its own, see `columns`; in
        CSV (RFC 4180) it is JSON in its cell; a line of JSON holds it as it is.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    InputError
        If the suffix is none of these, or pyarrow is not there.
    OSError
    """
    path = Path(path)
    if path.is_dir():
        path /= default_name()
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{path}: a table is written as {', '.join(_SUFFIXES)}: name it by one")
    if suffix == ".parquet" and not find_spec("pyarrow"):
        raise InputError(
            f"{path}: Parquet needs pyarrow, which is not installed: pip install pyarrow, or name "
            "a .csv or .jsonl file"
        )
    rows = list(outcomes)
    with replacing(path) as file:
        {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_lines}[suffix](rows, file)
    return path


def columns(outcomes: Sequence[Outcome]) -> dict[str, tuple[type, list[Any]]]:
    """The flat columns of a table: of each its type and its values.

    They are in the order of the attributes of `Outcome`. One that is a dict gives a column for each
    of its keys, such as ``seconds.read``, ``flags.JUMP_DET`` or ``references.dark``; what an
    exposure lacks is None. Of flags it is 0 where the exposure has any.
    """
    found: dict[str, tuple[type, list[Any]]] = {}
    for name, kind in _TYPES.items():
        values = [getattr(outcome, name) for outcome in outcomes]
        if get_origin(kind) is dict:
            keys = sorted({key for value in values for key in value})
            for key in keys:
                found[f"{name}.{key}"] = get_args(kind)[1], [_item(name, v, key) for v in values]
        elif get_origin(kind) is list:
            for i, part in enumerate(_PARTS[name]):
                of_part = [value[i] if i < len(value) else None for value in values]
                found[f"{name}.{part}"] = get_args(kind)[0], of_part
        elif kind in (int, float):
            found[name] = kind, values
        elif float in get_args(kind):  # or None
            found[name] = float, values
        else:
            found[name] = str, [str(value) for value in values]
    return found


def _item(name: str, values: dict[str, Any], key: str) -> Any:
    return values.get(key, 0 if name == "flags" and values else None)


def _write_parquet(outcomes: Sequence[Outcome], file: IO[bytes]) -> None:
    import pyarrow
    from pyarrow import parquet

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    arrays = {
        name: pyarrow.array(values, types[kind])
        for name, (kind, values) in columns(outcomes).items()
    }
    parquet.write_table(pyarrow.table(arrays), file)


def _write_csv(outcomes: Sequence[Outcome], file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)  # its dialect is that of RFC 4180
    writer.writerow(_TYPES)
    for outcome in outcomes:
        row = outcome.as_row()
        writer.writerow([_cell(row[name]) for name in _TYPES])
    text.flush()
    text.detach()


def _cell(value: Any) -> Any:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else value


def _write_lines(outcomes: Sequence[Outcome], file: IO[bytes]) -> None:
    for outcome in outcomes:
        file.write(json.dumps(outcome.as_row(), separators=(",", ":")).encode() + b"\n")
