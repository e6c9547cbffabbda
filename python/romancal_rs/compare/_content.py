"""What a model holds, sorted: arrays, transforms, and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datamodels._tree import Unread
from ..datamodels._writing import to_half

if TYPE_CHECKING:
    from ..datamodels import DataModel

_HALF = np.dtype(np.float16)


@dataclass
class Content:
    """What a model holds by dotted name.

    Attributes
    ----------
    arrays : dict
        Arrays, read or not.
    transforms : dict
        WCS and other transforms, read.
    values : dict
        All else; a list of numbers or texts is one value.
    """

    arrays: dict[str, Any] = field(default_factory=dict)
    transforms: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


def content_of(model: DataModel) -> Content:
    """Sorts what a model holds; of what its file has as objects all is read."""
    content = Content()
    for name, value in _leaves(model._tree.data):
        found = value
        if isinstance(value, Unread) and not hasattr(value, "shape"):
            found = value.read()
        if hasattr(found, "colnames"):
            content.arrays.update({f"{name}.{key}": found[key] for key in found.colnames})
        elif hasattr(found, "pipeline") or hasattr(found, "n_inputs"):
            content.transforms[name] = found
        elif hasattr(found, "dtype") and hasattr(found, "shape"):
            content.arrays[name] = found
        else:
            content.values[name] = found
    return content


def pair(a: Any, b: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Two arrays as they lie in their files, read.

    Where one is of half precision, as files have errors, and the other of single precision, as they
    are in memory and in older files, that is rounded as a file of today would have it.
    """
    first, second = _array(a), _array(b)
    if second.dtype == _HALF and first.dtype == np.float32:
        return to_half(first), second
    if first.dtype == _HALF and second.dtype == np.float32:
        return first, to_half(second)
    return first, second


def dtype_in_file(value: Any) -> str:
    """The type that an array has in its file; empty for one in memory."""
    return np.dtype(value.dtype).name if isinstance(value, Unread) else ""


def _array(value: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(value.raw() if isinstance(value, Unread) else value)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "ALIGNED"])


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(
        isinstance(item, (Mapping, Unread)) or hasattr(item, "dtype") for item in value
    ):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name}.{index}")
    else:
        yield name, value
