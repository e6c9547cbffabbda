"""One column of a table: ECSV, CSV or Parquet."""

from __future__ import annotations

import csv
import os
import re

from ..errors import InputError, nearest, one_line

__all__ = ["TABLES", "read_column"]

#: What the names of tables end with.
TABLES = (".ecsv", ".csv", ".parquet", ".pq")
_DELIMITER = re.compile(r"#\s*delimiter:\s*['\"]?([ ,])")


def read_column(path: str | os.PathLike[str], column: str) -> list[tuple[str, str]]:
    """The cells of a column.

    Parameters
    ----------
    path : path
        Its name says what it is: ``.ecsv`` or ``.csv`` (with or without comments, separated by
        commas, tabs or blanks), or ``.parquet``, for which pyarrow is needed.
    column : str

    Returns
    -------
    list of (str, str)
        Where each cell is, such as ``line 12``, and its text.

    Raises
    ------
    OSError
    InputError
        If it is no such table, or has no such column; or if a cell is empty.
    """
    path = os.fspath(path)
    cells = (
        _of_parquet(path, column) if path.endswith((".parquet", ".pq")) else _of_csv(path, column)
    )
    for where, text in cells:
        if not text:
            raise InputError(f"{path}, {where}: {column} is empty")
    return cells


def _of_csv(path: str, column: str) -> list[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = file.read().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a table: it is not text") from error
    stated = next((found[1] for line in lines if (found := _DELIMITER.match(line))), None)
    numbered = [(i, line) for i, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not numbered:
        raise InputError(f"{path}: the table has no row with the names of its columns")
    first = numbered[0][1]
    delimiter = stated or next((mark for mark in (",", "\t") if mark in first), " ")
    rows = csv.reader(
        (line for _, line in numbered), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        names = [name.strip() for name in next(rows)]
        index = _index_of(column, names, path)
        cells = []
        for row in rows:
            where = f"line {numbered[rows.line_num - 1][0]}"
            if len(row) != len(names):
                raise InputError(f"{path}, {where}: {len(row)} values for {len(names)} columns")
            cells.append((where, row[index].strip()))
        return cells
    except csv.Error as error:
        raise InputError(f"{path}: not a table: {one_line(error)}") from error


def _of_parquet(path: str, column: str) -> list[tuple[str, str]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise InputError(
            f"{path}: to read Parquet, pyarrow has to be installed: pip install pyarrow; or give "
            "the table as ECSV or CSV"
        ) from None
    try:
        table = parquet.ParquetFile(path)
        _index_of(column, table.schema_arrow.names, path)
        values = table.read(columns=[column]).column(0).to_pylist()
    except ArrowException as error:
        raise InputError(f"{path}: not a Parquet table: {one_line(error)}") from error
    return [(f"row {i}", "" if value is None else str(value)) for i, value in enumerate(values, 1)]


def _index_of(column: str, names: list[str], path: str) -> int:
    if column in names:
        return names.index(column)
    hint = nearest(column, names)
    raise InputError(
        f"{path}: it has no column {column}{hint}; --column names another of {', '.join(names)}"
    )
