"""What is told of a file, as plain records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass

from .. import _html
from ..stpipe.recipes import FLIGHT, LEFT_OUT, OF_2022
from ._statistics import ArrayStatistics

#: Steps of which an exposure records that they were not done: those of later stages, and the jump
#: step, which is a part of the fit today.
_OF_OTHERS = ("jump", "flux", "outlier_detection", "skymatch", "source_catalog", "tweakreg")

#: What JSON can say.
Plain = str | int | float | bool | None | Sequence["Plain"] | Mapping[str, "Plain"]


@dataclass(frozen=True)
class ArrayDescription:
    """An array of a file.

    Attributes
    ----------
    name : str
        Dotted.
    dtype : str
        As it is in the file; ``float16`` is single precision in memory.
    shape : tuple of int
    unit : str or None
        Where the file itself gives one.
    statistics : ArrayStatistics or None
        If they were asked for, of an array of numbers that are no flags.
    planes : tuple of ArrayStatistics
        Likewise of each resultant, or of each coefficient.
    flags : mapping of str to int, or None
        If statistics were asked for, of an array of flags: how many pixels have each that is set.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    unit: str | None = None
    statistics: ArrayStatistics | None = None
    planes: tuple[ArrayStatistics, ...] = ()
    flags: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    dtype : str
    unit : str or None
        None if the file states none.
    """

    name: str
    dtype: str
    unit: str | None = None


@dataclass(frozen=True)
class Table:
    """A table of a file.

    Attributes
    ----------
    name : str
        Dotted; empty where the file is nothing but a table.
    n_rows : int
    columns : tuple of Column
    """

    name: str
    n_rows: int
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class FileDescription:
    """What a file holds. What it does not state, or only by a placeholder, is not there.

    Attributes
    ----------
    file : str
        Its name.
    size : int
        Of the file [bytes].
    format : str
        ``asdf``, ``json`` or ``parquet``.
    kind : str
        The name in its tag, such as ``wfi_image`` or ``reference_files/dark``; ``parameters`` of a
        step or a pipeline; ``association``; ``asdf`` for an ASDF file of something else.
    version : str or None
        Of its schema, such as ``2.1.0``.
    tag : str or None
    model : str or None
        The class in `romancal_rs.datamodels`, if there is one.
    era : str or None
        Of the structure of the file: ``today``, ``2023-2024`` or ``2022``.
    read_as : str or None
        The tag in memory, of a file of before 2025.
    compression : tuple of str
        Of its arrays; ``none`` where some are not compressed.
    data_size : int
        Of its arrays in memory, if they are as in the file [bytes].
    reference, program, instrument, exposure, pointing, target, photometry, software : mapping
        Parts of its metadata; times are in ISO form and UTC, angles in degrees, durations in
        seconds.
    recipe : str or None
        By which it was calibrated.
    steps : mapping of str to str
        What became of each step.
    references : mapping of str to str
        Files that it was calibrated with.
    parameters : mapping
        Of a parameter file; the names of steps come before those of their parameters.
    arrays : tuple of ArrayDescription
    tables : tuple of Table
    objects : mapping of str to str
        What else it holds, such as a WCS, and the last part of its tag.
    members : tuple of (str, str)
        Of an association: name and type.
    content : mapping
        The values of an ASDF file of something else.
    """

    file: str
    size: int
    format: str
    kind: str
    version: str | None = None
    tag: str | None = None
    model: str | None = None
    era: str | None = None
    read_as: str | None = None
    compression: tuple[str, ...] = ()
    data_size: int = 0
    reference: Mapping[str, Plain] = field(default_factory=dict)
    program: Mapping[str, Plain] = field(default_factory=dict)
    instrument: Mapping[str, Plain] = field(default_factory=dict)
    exposure: Mapping[str, Plain] = field(default_factory=dict)
    pointing: Mapping[str, Plain] = field(default_factory=dict)
    target: Mapping[str, Plain] = field(default_factory=dict)
    photometry: Mapping[str, Plain] = field(default_factory=dict)
    software: Mapping[str, Plain] = field(default_factory=dict)
    recipe: str | None = None
    steps: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Plain] = field(default_factory=dict)
    arrays: tuple[ArrayDescription, ...] = ()
    tables: tuple[Table, ...] = ()
    objects: Mapping[str, str] = field(default_factory=dict)
    members: tuple[tuple[str, str], ...] = ()
    content: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """How far it is calibrated, in a word.

        ``raw``; ``complete``; ``failed``; ``3/10`` steps; ``-`` for what is not calibrated.
        """
        if self.kind == "wfi_science_raw":
            return "raw"
        idle: tuple[str, ...] = ()
        if self.kind in ("ramp", "wfi_image"):
            is_of_2022 = self.recipe == OF_2022 or self.steps.get("jump") == "COMPLETE"
            idle = (*_OF_OTHERS, *LEFT_OUT[OF_2022 if is_of_2022 else FLIGHT])
        done = [
            value
            for name, value in self.steps.items()
            if value != "SKIPPED" and not (name in idle and value == "INCOMPLETE")
        ]
        if not done:
            return "-"
        if "FAILED" in done:
            return "failed"
        n_complete = done.count("COMPLETE")
        return "complete" if n_complete == len(done) else f"{n_complete}/{len(done)}"

    def __str__(self) -> str:
        from ._text import lines_of

        return "\n".join([self.file, *lines_of(self)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        told = self.to_json()
        shape = [(a.name, a.dtype, " x ".join(map(str, a.shape))) for a in self.arrays]
        arrays = _html.details(_html.number_of(shape, "array"), _html.table(shape))
        rest = _html.details("all there is to tell", _html.tree(told))
        return _html.block(_html.heading(self.file, self.kind, self.status), arrays, rest)

    def to_json(self) -> dict[str, Plain]:
        """The description as JSON has it: numbers that are not finite are null.

        `file`, `size`, `format`, `kind` and `status` are always there.

        Returns
        -------
        dict of str to object
        """
        told = as_plain(self)
        assert isinstance(told, dict)
        needed = ("file", "size", "format", "kind")
        kept = {key: value for key, value in told.items() if key in needed or value}
        return {**kept, "status": self.status}


def as_plain(value: object) -> Plain:
    """A value as JSON has it; of records without what is None or empty."""
    if isinstance(value, ArrayStatistics):
        return {item.name: as_plain(getattr(value, item.name)) for item in fields(value)}
    if is_dataclass(value):
        items = {item.name: as_plain(getattr(value, item.name)) for item in fields(value)}
        return {
            key: item for key, item in items.items() if key == "shape" or item not in (None, [], {})
        }
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, str | int | bool) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence):
        return [as_plain(item) for item in value]
    if hasattr(value, "item") and not hasattr(value, "shape"):
        return as_plain(value.item())
    return str(value)
