"""Reads what there is to tell of a file, and no pixel unless statistics are asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import dqflags
from .._asdf_blocks import find_first_block, read_blocks
from .._files import existing_or_local, open_regular
from .._tagged import Tagged
from .._yaml_head import read_text
from ..datamodels import ModelError
from ..datamodels import _schema as schemas
from ..datamodels._kinds import class_of, read_any
from ..datamodels._tree import TODAY, Tree, Unread, UnreadObject, UnreadQuantity, flatten
from ..errors import one_line
from ._description import ArrayDescription, Column, FileDescription, Plain, Table, as_plain
from ._fields import fields_of, texts_of
from ._statistics import ArrayStatistics, Values, array_statistics

#: Arrays of flags, by the last part of their names: of samples, of pixels, of a second kind.
_FLAGS: tuple[tuple[re.Pattern[str], dqflags.Flags], ...] = (
    (re.compile(r"(groupdq|resultantdq)"), dqflags.group),
    (re.compile(r"(dq|pixeldq|dq_border_ref_pix_\w+)"), dqflags.pixel),
    (re.compile(r"(dq2|pixeldq2)"), dqflags.Flags()),
)
#: Arrays that are told plane by plane, too.
_OF_PLANES = ("data", "coeffs")
_ARRAY_TAG = "tag:stsci.edu:asdf/core/ndarray-"
_SHOWN_VALUES = 100


def describe_file(path: str | os.PathLike[str], *, statistics: bool = False) -> FileDescription:
    """Describe what a file holds: kind, metadata, arrays and tables.

    Parameters
    ----------
    path : str or path
        An ASDF file, an association (.json) or a catalogue (.parquet). ``~`` and ``$VARIABLES`` are
        expanded.
    statistics : bool, optional
        Whether to read the arrays, for their least, median and greatest values, and for counts of
        their flags. Of a Level 2 image pixels that are DO_NOT_USE are left out.

    Returns
    -------
    FileDescription

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is not ASDF, or is damaged.
    InputError
        If it is a URL, or a .json that is no association.
    ModelError
        If the package `pyarrow` is missing, which catalogues in Parquet take.

    Examples
    --------
    >>> from romancal_rs.inspection import describe_file
    >>> description = describe_file("exposure_cal.asdf")
    >>> description.arrays[0].name, description.arrays[0].shape
    ('data', (56, 120))
    """
    path = existing_or_local(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return _association(path)
    if suffix == ".parquet":
        return _catalogue(path)
    tree = read_any(path)
    try:
        return _of_tree(path, tree, statistics)
    finally:
        tree.close()


def _of_tree(path: str, tree: Tree, statistics: bool) -> FileDescription:
    cls = class_of(tree)
    origin = tree.origin
    tag = tree.tag if origin is None else origin.tag
    meta = tree.data.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    parts: dict[str, Any] = fields_of(meta)
    items = list(flatten(tree.data))
    if not tree.tag:
        is_parameters = {"class", "parameters"} <= tree.data.keys()
        parts["parameters" if is_parameters else "content"] = (
            _parameters(tree.data) if is_parameters else _values(items)
        )
        kind, version = "parameters" if is_parameters else "asdf", None
    else:
        kind, _, version = tag.removeprefix(schemas.TAGS).rpartition("-")
    recipe = meta.get("cal_recipe")
    compression, data_size = _blocks(path)
    return FileDescription(
        file=path,
        size=os.stat(path).st_size,
        format="asdf",
        kind=kind,
        version=version,
        tag=tag or None,
        model=cls.__name__ if cls else None,
        era=None if cls is None else TODAY if origin is None else origin.era,
        read_as=None if origin is None else tree.tag,
        compression=compression,
        data_size=data_size,
        recipe=recipe if isinstance(recipe, str) else None,
        steps=texts_of(meta.get("cal_step")),
        references=texts_of(meta.get("ref_file")),
        arrays=tuple(_arrays(items, tree, statistics)),
        tables=(*_tables(items), *(_tables_of_rows(tree.data) if tree.tag else ())),
        objects={
            name: _short_tag(value.head.tag)
            for name, value in items
            if isinstance(value, UnreadObject) and not _is_table(value)
        },
        **parts,
    )


def _blocks(path: str) -> tuple[tuple[str, ...], int]:
    """How the blocks of a file are compressed, and how many bytes their data have."""
    with open_regular(path) as file:
        blocks = list(read_blocks(file, find_first_block(file, len(read_text(file)))))
        end = file.seek(0, os.SEEK_END)
    names = dict.fromkeys(
        block.compression.decode("ascii", "replace") or "none" for block in blocks
    )
    return tuple(names), sum(end - b.start if b.is_streamed else b.size for b in blocks)


def _short_tag(tag: str) -> str:
    """Without the authority: ``gwcs/wcs-1.4.0``."""
    return "/".join(tag.rpartition(":")[2].split("/")[-2:])


# --- arrays


def _arrays(
    items: list[tuple[str, Any]], tree: Tree, statistics: bool
) -> Iterator[ArrayDescription]:
    unusable = _unusable(tree) if statistics else None
    for name, value in items:
        if not hasattr(value, "dtype") or not hasattr(value, "shape") or value.dtype.names:
            continue
        shape, dtype = tuple(value.shape), value.dtype
        if not shape and not isinstance(value, Unread):
            continue  # a number with a unit
        told: dict[str, Any] = {}
        if statistics and dtype.kind in "biufc":
            told = _told(name, values_of(value), unusable)
        unit = getattr(value, "unit", None)
        yield ArrayDescription(
            name, _dtype_name(dtype), shape, None if unit is None else str(unit), **told
        )


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.kind in "biufc" else dtype.str.lstrip("<>|=")


def values_of(value: Any) -> Values:
    """The numbers of an array of a tree, as they are in its file, if it has one."""
    if isinstance(value, UnreadQuantity):
        value = value.value
    if isinstance(value, Unread):
        value = value.raw()
    return np.asarray(getattr(value, "value", value))


def _unusable(tree: Tree) -> Values | None:
    """The pixels of a Level 2 image that are DO_NOT_USE."""
    if schemas.kind_of(tree.tag) != "wfi_image" or not hasattr(tree.data.get("dq"), "dtype"):
        return None
    flags = values_of(tree.data["dq"])
    return (flags & flags.dtype.type(dqflags.DO_NOT_USE)) != 0 if flags.dtype.kind == "u" else None


def flag_names(name: str, dtype: np.dtype[Any]) -> dqflags.Flags | None:
    """The flags that an array of this dotted name may have; None if it is none of flags."""
    if dtype.kind != "u":
        return None
    last = name.rpartition(".")[2]
    return next((flags for pattern, flags in _FLAGS if pattern.fullmatch(last)), None)


def _told(name: str, values: Values, unusable: Values | None) -> dict[str, Any]:
    flags = flag_names(name, values.dtype)
    if flags is not None:
        return {"flags": flags.counts(values)}
    excluded = unusable if unusable is not None and values.shape == unusable.shape else None
    planes: tuple[ArrayStatistics, ...] = ()
    if name in _OF_PLANES and values.ndim == 3:
        planes = tuple(map(array_statistics, values))
    return {"statistics": array_statistics(values, excluded), "planes": planes}


# --- tables


def _is_table(value: UnreadObject) -> bool:
    return "/table/table-" in value.head.tag or "/core/table-" in value.head.tag


def _tables(items: list[tuple[str, Any]]) -> Iterator[Table]:
    for name, value in items:
        if isinstance(value, UnreadObject) and _is_table(value):
            yield _table(name, value.head.value)
        elif getattr(getattr(value, "dtype", None), "names", None):
            dtype = value.dtype
            columns = (Column(key, _dtype_name(dtype[key].base)) for key in dtype.names)
            yield Table(name, int(np.prod(value.shape)), tuple(columns))


def _tables_of_rows(data: Mapping[str, Any]) -> Iterator[Table]:
    """Tables of references, which are mappings with a mapping for each row."""
    for name, value in data.items():
        rows = list(value.values()) if isinstance(value, dict) and name != "meta" else []
        if not rows or not all(isinstance(row, dict) for row in rows):
            continue
        types: dict[str, str] = {}
        for row in rows:
            for key, item in row.items():
                if item is not None or key not in types:  # null in some rows
                    types[str(key)] = _type_name(item)
        yield Table(name, len(rows), tuple(Column(key, kind) for key, kind in types.items()))


def _type_name(value: Any) -> str:
    """What NumPy calls the type of a value in a table, or of the array that it is."""
    if hasattr(value, "dtype"):
        return _dtype_name(value.dtype)
    return {float: "float64", int: "int64", str: "str"}.get(type(value), "object")


def _table(name: str, node: Any) -> Table:
    """A table of astropy, of which the head of the file tells the columns."""
    columns, n_rows = [], 0
    listed = node.get("columns") if isinstance(node, dict) else None
    for item in listed if isinstance(listed, list) else ():
        head = item.value if isinstance(item, Tagged) else item
        if not isinstance(head, dict):
            continue
        array = _first_array(head)
        datatype, length = _stored(array)
        n_rows = max(n_rows, length)
        unit = head.get("unit")
        unit = unit.value if isinstance(unit, Tagged) else unit
        unit = str(unit) if unit not in (None, "", "none", "None") else None
        columns.append(Column(str(head.get("name", "?")), datatype, unit))
    return Table(name, n_rows, tuple(columns))


def _first_array(value: Any) -> Any:
    """The first array in what the head says of a column."""
    if isinstance(value, Tagged):
        return value.value if value.tag.startswith(_ARRAY_TAG) else _first_array(value.value)
    if isinstance(value, dict):
        return next((found for v in value.values() if (found := _first_array(v)) is not None), None)
    return None


def _stored(array: Any) -> tuple[str, int]:
    """Type and length of an array, as the head of the file says."""
    if isinstance(array, list):
        return np.asarray(array).dtype.name, len(array)
    if not isinstance(array, dict):
        return "object", 0
    datatype, shape = array.get("datatype"), array.get("shape")
    if isinstance(datatype, list):
        datatype = "".join(map(str, datatype))
    if not isinstance(shape, list):
        shape = [len(array["data"])] if isinstance(array.get("data"), list) else [0]
    return str(datatype), shape[0] if shape and isinstance(shape[0], int) else 0


# --- files of other kinds


def _parameters(data: Mapping[str, Any]) -> dict[str, Plain]:
    """The class of a parameter file, and the parameters of it and its steps."""
    found: dict[str, Plain] = {"class": as_plain(data.get("class"))}
    own = data.get("parameters")
    for key, value in own.items() if isinstance(own, Mapping) else ():
        found[str(key)] = as_plain(value)
    for step in data.get("steps") or ():
        if isinstance(step, Mapping) and isinstance(step.get("parameters"), Mapping):
            for key, value in step["parameters"].items():
                found[f"steps.{step.get('name')}.{key}"] = as_plain(value)
    return found


def _values(items: list[tuple[str, Any]]) -> dict[str, Plain]:
    """The plain values of a file, the first of many."""
    plain = ((name, value) for name, value in items if not hasattr(value, "shape"))
    shown = [item for item in plain if not isinstance(item[1], Unread)][:_SHOWN_VALUES]
    return {name: as_plain(getattr(value, "isot", value)) for name, value in shown}


def _association(path: str) -> FileDescription:
    from ..batch.associations import read_association

    members = tuple((member.name, member.kind) for member in read_association(path).members)
    size = os.stat(path).st_size
    return FileDescription(path, size, "json", "association", members=members)


def _catalogue(path: str) -> FileDescription:
    """A catalogue in Parquet, as romancal writes them, with the metadata of a model as text."""
    schema, n_rows = read_parquet_head(path)
    meta: dict[str, Any] = {}
    for key, value in (schema.metadata or {}).items():
        dotted = key.decode(errors="replace")
        if not dotted.startswith("roman.meta."):
            continue
        *blocks, name = dotted.removeprefix("roman.meta.").split(".")
        node = meta
        for block in blocks:
            node = node.setdefault(block, {})
            if not isinstance(node, dict):
                break
        else:
            node[name] = value.decode(errors="replace")
    columns = tuple(
        Column(item.name, str(item.type), _unit((item.metadata or {}).get(b"unit")))
        for item in schema
    )
    model = str(meta.get("model_type", ""))
    words = re.findall(r"[A-Z][a-z0-9]*", model.removesuffix("Model"))
    return FileDescription(
        file=path,
        size=os.stat(path).st_size,
        format="parquet",
        kind="_".join(words).lower() or "table",
        steps=texts_of(meta.get("cal_step")),
        references=texts_of(meta.get("ref_file")),
        tables=(Table("", n_rows, columns),),
        **fields_of(meta),  # type: ignore[arg-type]
    )


def _unit(text: bytes | None) -> str | None:
    unit = (text or b"").decode(errors="replace")
    return unit if unit not in ("", "none", "None") else None


def read_parquet_head(path: str) -> tuple[Any, int]:
    """Schema of a Parquet file, and the number of its rows.

    Raises
    ------
    ModelError
        If `pyarrow` is missing, or the file is no Parquet.
    """
    with open_regular(path) as file:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ModuleNotFoundError as error:
            raise ModelError(
                f"{path}: to read Parquet the package pyarrow is needed: pip install pyarrow"
            ) from error
        try:
            opened = pq.ParquetFile(file)
        except (pa.ArrowException, OSError) as error:
            raise ModelError(f"{path}: not a sound Parquet file: {one_line(error)}") from error
        return opened.schema_arrow, opened.metadata.num_rows
