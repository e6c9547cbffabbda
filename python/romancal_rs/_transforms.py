"""Transforms of coordinates as files describe them, evaluated without making objects of them.

The objects are those of `astropy.modeling`, whose import takes as long as the rest of a short run.
Here is what distortions are made of: `understood` takes such a description apart, and refuses all
that it does not know to the last key, which is then left to the libraries. Numbers are computed by
the operations of `astropy`, in the same order, so that they are equal to the last bit.

Descriptions are written with the tags of version 1.7.0 of the manifest of transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._tagged import Tagged
from .errors import RomancalError

TAGS = "tag:stsci.edu:asdf/transform/"
_BOX = TAGS + "property/bounding_box-"

Array = np.ndarray[Any, Any]
#: Limits of the first and of the second coordinate.
Box = tuple[tuple[float, float], tuple[float, float]]


class NotUnderstoodError(RomancalError):
    """A description has something that is not known here; for who asked, no user sees it."""


@dataclass(frozen=True)
class Transform:
    """A transform: what it does to coordinates, and how a file describes it.

    Attributes
    ----------
    tag : str
    content : dict
        What is special of this kind of transform.
    inputs, outputs : tuple of str
        Names of the coordinates.
    evaluate : callable
        Takes and returns arrays of float64, one for each coordinate.
    name : str, optional
    inverse : Transform, optional
        Where that does not follow from the transform itself.
    box : ((float, float), (float, float)), optional
        Where a transform of two coordinates holds.
    """

    tag: str
    content: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    evaluate: Callable[..., tuple[Array, ...]]
    name: str | None = None
    inverse: Transform | None = None
    box: Box | None = None

    def described(self) -> Tagged:
        """The description that the converters of `asdf-astropy` and `gwcs` write.

        Its lists and mappings are new, so that no part of a file stands for another by chance.
        """
        says = {key: _renewed(item) for key, item in self.content.items()}
        says |= {"inputs": list(self.inputs), "outputs": list(self.outputs)}
        if self.name is not None:
            says["name"] = self.name
        if self.inverse is not None:
            says["inverse"] = self.inverse.described()
        if self.box is not None:
            says["bounding_box"] = described_box(self.inputs, self.box)
        return Tagged(self.tag, says)


def _renewed(item: Any) -> Any:
    if isinstance(item, Transform):
        return item.described()
    return [_renewed(part) for part in item] if isinstance(item, list) else item


def described_box(inputs: Sequence[str], box: Box) -> Tagged:
    """How a transform says where it holds."""
    intervals = {name: list(limits) for name, limits in zip(inputs, box, strict=True)}
    return Tagged(_BOX + "1.2.0", {"ignore": [], "intervals": intervals, "order": "F"})


# --- making them


def shift(offset: float) -> Transform:
    """One coordinate, and a number added to it."""
    return Transform(
        TAGS + "shift-1.4.0", {"offset": offset}, ("x",), ("y",), lambda x: (x + offset,)
    )


def scale(factor: float) -> Transform:
    """One coordinate times a number."""
    return Transform(
        TAGS + "scale-1.4.0", {"factor": factor}, ("x",), ("y",), lambda x: (factor * x,)
    )


def identity(n: int) -> Transform:
    """As many coordinates as they are."""
    names = tuple(f"x{i}" for i in range(n)) if n > 1 else ("x",)
    content = {"n_dims": n} if n > 1 else {}
    return Transform(TAGS + "identity-1.4.0", content, names, names, lambda *values: values)


def pair(first: Transform, second: Transform) -> Transform:
    """Two transforms of one coordinate, side by side."""
    return Transform(
        TAGS + "concatenate-1.4.0",
        {"forward": [first, second]},
        ("x0", "x1"),
        ("y0", "y1"),
        lambda x, y: (*first.evaluate(x), *second.evaluate(y)),
    )


def chain(first: Transform, second: Transform, name: str | None = None) -> Transform:
    """One transform, and then the other."""
    return Transform(
        TAGS + "compose-1.4.0",
        {"forward": [first, second]},
        first.inputs,
        second.outputs,
        lambda *values: second.evaluate(*first.evaluate(*values)),
        name,
    )


# --- understanding descriptions


def understood(description: Tagged) -> Transform:
    """The transform that a file describes.

    Parameters
    ----------
    description : Tagged
        With its arrays in memory.

    Raises
    ------
    NotUnderstoodError
        If anything in it is not known here; the libraries may know it.
    """
    says = description.value
    if not isinstance(says, dict) or "bounding_box" not in says:
        return _understood(description)
    others = {key: item for key, item in says.items() if key != "bounding_box"}
    transform = _understood(Tagged(description.tag, others))
    return replace(transform, box=_box(says["bounding_box"], transform.inputs))


def _understood(description: Any) -> Transform:
    if not isinstance(description, Tagged) or not isinstance(description.value, dict):
        raise NotUnderstoodError
    tag, says = description.tag, dict(description.value)
    make, keys = _KINDS.get(tag, (None, frozenset()))
    inputs, outputs = (_names(says.pop(key, None)) for key in ("inputs", "outputs"))
    name, inverse = says.pop("name", None), says.pop("inverse", None)
    if make is None or not says.keys() <= keys or not isinstance(name, str | None):
        raise NotUnderstoodError
    transform = replace(make(says), name=name)
    n_axes = len(transform.inputs), len(transform.outputs)
    if n_axes != (len(inputs), len(outputs)):
        raise NotUnderstoodError
    transform = replace(transform, inputs=inputs, outputs=outputs)
    if inverse is None:
        return transform
    inverse = _understood(inverse)
    if (len(inverse.outputs), len(inverse.inputs)) != n_axes:
        raise NotUnderstoodError
    return replace(transform, inverse=inverse)


def _shift(says: dict[str, Any]) -> Transform:
    return shift(_number(says.get("offset")))


def _scale(says: dict[str, Any]) -> Transform:
    return scale(_number(says.get("factor")))


def _identity(says: dict[str, Any]) -> Transform:
    return identity(_whole(says.get("n_dims", 1), 1))


def _remap_axes(says: dict[str, Any]) -> Transform:
    mapping = says.get("mapping")
    if not isinstance(mapping, list) or not mapping:
        raise NotUnderstoodError
    least = max(_whole(index, 0) for index in mapping) + 1
    n_inputs = _whole(says.get("n_inputs", least), least)
    content = {"mapping": list(mapping)} | ({"n_inputs": n_inputs} if n_inputs > least else {})
    return Transform(
        TAGS + "remap_axes-1.5.0",
        content,
        ("",) * n_inputs,  # whatever they are called in the file
        ("",) * len(mapping),
        lambda *values: tuple(values[index] for index in mapping),
    )


def _polynomial(says: dict[str, Any]) -> Transform:
    array = says.get("coefficients")
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf" or array.ndim != 2:
        raise NotUnderstoodError
    n = len(array)
    if n < 2 or array.shape != (n, n):
        raise NotUnderstoodError
    i, j = np.indices((n, n))
    coefficients = np.where(i + j < n, array.astype(np.float64), 0.0)
    domain, window = (_intervals(says.get(key)) for key in ("domain", "window"))
    if any(low == high for low, high in domain):
        raise NotUnderstoodError
    maps = [_map(*limits) for limits in zip(domain, window, strict=True)]

    def evaluate(x: Array, y: Array) -> tuple[Array]:
        (x_offset, x_scale), (y_offset, y_scale) = maps
        return (_horner(coefficients, x_offset + x_scale * x, y_offset + y_scale * y),)

    content = {
        "coefficients": coefficients,
        "domain": [list(limits) for limits in domain],
        "window": [list(limits) for limits in window],
    }
    return Transform(TAGS + "polynomial-1.3.0", content, ("x", "y"), ("z",), evaluate)


def _map(domain: Sequence[float], window: Sequence[float]) -> tuple[float, float]:
    """Offset and factor that take one interval to the other."""
    (d0, d1), (w0, w1) = map(float, domain), map(float, window)
    return (w0 * d1 - w1 * d0) / (d1 - d0), (w1 - w0) / (d1 - d0)


def _horner(coefficients: Array, x: Array, y: Array) -> Array:
    """Sum of c_ij x^i y^j, in the order of `astropy`, whose sums begin with zeros."""
    n = len(coefficients)
    of_y: Any = 0.0
    for j in range(n - 1, -1, -1):
        of_x: Any = 0.0
        for i in range(n - 1 - j, 0, -1):
            of_x = x * (coefficients[i, j] + of_x)
        of_y = coefficients[0, j] + of_x + of_y
        if j:
            of_y = y * of_y
    return np.asarray(of_y)


def _compose(says: dict[str, Any]) -> Transform:
    first, second = _forward(says)
    if len(first.outputs) != len(second.inputs):
        raise NotUnderstoodError
    return chain(first, second)


def _concatenate(says: dict[str, Any]) -> Transform:
    first, second = _forward(says)
    n = len(first.inputs)
    return Transform(
        TAGS + "concatenate-1.4.0",
        {"forward": [first, second]},
        (*first.inputs, *second.inputs),
        (*first.outputs, *second.outputs),
        lambda *values: (*first.evaluate(*values[:n]), *second.evaluate(*values[n:])),
    )


def _forward(says: dict[str, Any]) -> list[Transform]:
    forward = says.get("forward")
    if not isinstance(forward, list) or len(forward) != 2:
        raise NotUnderstoodError
    return [_understood(part) for part in forward]


def _box(description: Any, inputs: tuple[str, ...]) -> Box:
    if not isinstance(description, Tagged) or description.tag not in _BOXES:
        raise NotUnderstoodError
    says = description.value
    if not isinstance(says, dict) or not says.keys() <= {"intervals", "ignore", "order"}:
        raise NotUnderstoodError
    intervals = says.get("intervals")
    if not isinstance(intervals, dict) or {*intervals} != {*inputs} or len(inputs) != 2:
        raise NotUnderstoodError
    if says.get("ignore", []) or says.get("order", "C") not in ("C", "F"):
        raise NotUnderstoodError
    first, second = (_interval(intervals[name]) for name in inputs)
    if first[0] > first[1] or second[0] > second[1]:
        raise NotUnderstoodError
    return first, second


def _intervals(says: Any) -> tuple[tuple[float, float], ...]:
    """What a polynomial of two coordinates says of each of them."""
    if says is None:
        return (-1, 1), (-1, 1)
    if not isinstance(says, list) or len(says) != 2:
        raise NotUnderstoodError
    return tuple(map(_interval, says))


def _interval(says: Any) -> tuple[float, float]:
    if not isinstance(says, list) or len(says) != 2 or {*map(type, says)} - {int, float}:
        raise NotUnderstoodError
    return says[0], says[1]


def _names(says: Any) -> tuple[str, ...]:
    if not isinstance(says, list) or {*map(type, says)} != {str} or len({*says}) < len(says):
        raise NotUnderstoodError
    return tuple(says)


def _number(says: Any) -> float:
    if type(says) not in (int, float):
        raise NotUnderstoodError
    return float(says)


def _whole(says: Any, least: int) -> int:
    if type(says) is not int or says < least:
        raise NotUnderstoodError
    return int(says)


#: Which tags are understood: those of today, and of earlier files, whose content is the same.
_OF_COMPOUND = ("1.2.0", "1.3.0", "1.4.0")
_BOXES = {_BOX + version for version in ("1.0.0", "1.1.0", "1.2.0")}
_KINDS: dict[str, tuple[Callable[[dict[str, Any]], Transform], frozenset[str]]] = {
    f"{TAGS}{kind}-{version}": (make, frozenset(keys))
    for kind, make, keys, versions in (
        ("compose", _compose, ["forward"], _OF_COMPOUND),
        ("concatenate", _concatenate, ["forward"], _OF_COMPOUND),
        ("shift", _shift, ["offset"], _OF_COMPOUND),
        ("scale", _scale, ["factor"], _OF_COMPOUND),
        ("identity", _identity, ["n_dims"], _OF_COMPOUND),
        ("remap_axes", _remap_axes, ["mapping", "n_inputs"], ("1.2.0", "1.3.0", "1.4.0", "1.5.0")),
        ("polynomial", _polynomial, ["coefficients", "domain", "window"], ("1.2.0", "1.3.0")),
    )
    for version in versions
}
