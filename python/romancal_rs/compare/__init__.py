"""Two products, array by array: what differs, by how much, and where.

>>> from romancal_rs.compare import compare
>>> compare("exposure_cal.asdf", "exposure_cal.asdf").same
True
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from .. import _lazy, datamodels
from ..datamodels import DataModel, UnknownModelError
from ..datamodels._kinds import read_any
from ..datamodels._schema import kind_of
from ..errors import InputError
from ._arrays import Tolerance, compare_arrays
from ._content import Content, content_of, dtype_in_file, pair
from ._metadata import ALWAYS_DIFFERENT, compare_metadata
from ._records import (
    ArrayDifference,
    Comparison,
    Extent,
    MetadataDifference,
    Side,
    Size,
    TransformDifference,
)
from ._transforms import compare_transforms

__all__ = [
    "ALWAYS_DIFFERENT",
    "ArrayDifference",
    "Comparison",
    "Extent",
    "MetadataDifference",
    "Size",
    "TransformDifference",
    "compare",
]

__dir__ = _lazy.listing(__all__)


def compare(
    a: str | os.PathLike[str] | DataModel,
    b: str | os.PathLike[str] | DataModel,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    all_meta: bool = False,
) -> Comparison:
    """Compare two products of the same kind.

    Parameters
    ----------
    a, b : str, path, or model
        Any files of the mission, of this package or of another; or models in memory. An array
        of single precision is rounded as a file would have it where the other one is of half
        precision; so an image in memory can be compared with its file.
    rtol, atol : float
        Floating-point numbers are the same where ``|A - B| <= atol + rtol * |B|``. Without them,
        they have to be equal. NaN is equal to NaN.
    all_meta : bool
        Whether to compare also what differs whenever something is made again (`ALWAYS_DIFFERENT`).

    Returns
    -------
    Comparison
        It prints as a report.

    Raises
    ------
    FileNotFoundError, FileFormatError
        As of `datamodels.open`.
    InputError
        If the two are not of the same kind, or a tolerance is negative.

    Examples
    --------
    >>> from romancal_rs.compare import compare
    >>> compare("exposure_cal.asdf", "exposure_cal.asdf").same
    True
    """
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:
            raise InputError(f"{name} = {value}: expected a number from 0")
    with ExitStack() as stack:
        first, second = (stack.enter_context(_open(source)) for source in (a, b))
        kinds = [kind_of(model.tag).rpartition("/")[2] for model in (first, second)]
        names = [_name(a, first, "A"), _name(b, second, "B")]
        if kinds[0] != kinds[1]:
            raise InputError(
                f"{names[0]} is a {kinds[0]}, {names[1]} a {kinds[1]}: only products of one kind "
                "can be compared"
            )
        contents = (content_of(first), content_of(second))
        tolerance = Tolerance(rtol, atol)
        values = [
            {**content.values, "tag": model.tag}
            for content, model in zip(contents, (first, second), strict=True)
        ]
        ignored = () if all_meta else ALWAYS_DIFFERENT
        return Comparison(
            a=names[0],
            b=names[1],
            kind=kinds[0],
            arrays=_arrays(*contents, tolerance, is_image=kinds[0] == "wfi_image"),
            transforms=_transforms(*contents),
            metadata=compare_metadata(values[0], values[1], ignored),
        )


def _open(source: Any) -> DataModel:
    """A model of any kind, also one that has no class here."""
    try:
        return datamodels.open(source)
    except UnknownModelError:
        return DataModel._view(read_any(source), owner=True)


def _name(given: Any, model: DataModel, side: str) -> str:
    """The file, or of a model where it came from: it may have been changed since."""
    if model.source and not isinstance(given, DataModel):
        return model.source
    return f"{model.source or side} (in memory)"


def _missing(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Side | None:
    return "A" if name not in a else "B" if name not in b else None


def _arrays(
    a: Content, b: Content, tolerance: Tolerance, *, is_image: bool
) -> list[ArrayDifference]:
    found = []
    for name in dict.fromkeys([*a.arrays, *b.arrays]):
        missing = _missing(name, a.arrays, b.arrays)
        if missing is not None:
            found.append(ArrayDifference(name, missing))
            continue
        arrays = (a.arrays[name], b.arrays[name])
        first, second = pair(*arrays)
        err = None
        if is_image and name == "data" and "err" in a.arrays:
            err = pair(a.arrays["err"], a.arrays["err"])[0]
            err = err if err.shape == first.shape else None
        difference = compare_arrays(name, first, second, tolerance=tolerance, err=err)
        in_files = (dtype_in_file(arrays[0]), dtype_in_file(arrays[1]))
        if all(in_files) and in_files[0] != in_files[1]:
            difference = replace(difference, dtypes=in_files)
        found.append(difference)
    return found


def _transforms(a: Content, b: Content) -> list[TransformDifference]:
    found = []
    for name in dict.fromkeys([*a.transforms, *b.transforms]):
        missing = _missing(name, a.transforms, b.transforms)
        found.append(
            compare_transforms(name, a.transforms[name], b.transforms[name])
            if missing is None
            else TransformDifference(name, missing)
        )
    return found
