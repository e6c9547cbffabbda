"""What the head of a file says of a tree: where its arrays lie, and how its objects are made again.

`asdf` can do this too, but checks what its own converters make against its schemas, which takes
longer than all the rest of saving an image. Here only its converters are used.
"""

from __future__ import annotations

import datetime
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from types import GeneratorType
from typing import Any

import numpy as np

from .._tagged import Tagged
from . import _schema
from ._arrays import datatype_in_file, without_gaps
from ._asdf import Converters
from ._errors import ModelError
from ._tree import Described

_ARRAY = "tag:stsci.edu:asdf/core/ndarray-1.1.0"
_OMAP = "tag:yaml.org,2002:omap"
_SET = "tag:yaml.org,2002:set"
_AS_THEY_ARE = frozenset({str, float, bool, type(None), bytes, datetime.date, datetime.datetime})
_BASES: tuple[type[Any], ...] = (dict, list, tuple, str, int, float)  # of classes without converter
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1  # of the whole numbers that every reader of ASDF takes

_IN_HEAD = 256  # elements that an array needs for a separate block

_Path = tuple[str | int, ...]


class Describer:
    """Turns the tree that goes into a file into what its head says of it.

    Arrays become blocks: first those of the tree, in the order in which the head lists them, then
    those of its objects.

    Parameters
    ----------
    converters : Converters
        For objects.
    coefficients_in_head : bool
        Whether to write small arrays of a WCS, or a transform, into the head, with all digits: so
        the blocks of an image's file are its images.
    """

    def __init__(self, converters: Converters, *, coefficients_in_head: bool = False) -> None:
        self._converters = converters
        self._coefficients_in_head = coefficients_in_head
        self._own: list[np.ndarray[Any, Any]] = []
        self._of_objects: list[tuple[np.ndarray[Any, Any], dict[str, Any]]] = []
        self._depth = 0  # of objects within each other
        self._depth_of_transforms = 0
        # What became of each object and container, which stays in memory, so that no other has its
        # identity: what is shared, as the transforms of two WCS, is there once.
        self._known: dict[int, tuple[Any, Any]] = {}
        self._unfinished: list[Iterator[Any]] = []

    def describe(
        self, tree: Tagged, names: Sequence[str]
    ) -> tuple[Tagged, list[np.ndarray[Any, Any]]]:
        """The tree as the head has it, and the arrays of the blocks.

        Parameters
        ----------
        tree : Tagged
            A mapping.
        names : sequence of str
            What it lists first. All else is listed by the alphabet.

        Raises
        ------
        ModelError
            If something in it cannot be written; it says where that is.
        """
        order = [name for name in names if name in tree.value]
        order += self._sorted({name for name in tree.value if name not in set(order)}, ())
        content = {name: self._value(tree.value[name], (name,)) for name in order}
        while self._unfinished:  # converters may have left work for when all the rest is there
            for _ in self._unfinished.pop():
                pass
        for number, (_, says) in enumerate(self._of_objects, len(self._own)):
            says["source"] = number
        return Tagged(tree.tag, content), [*self._own, *(array for array, _ in self._of_objects)]

    def _value(self, value: Any, path: _Path) -> Any:
        kind = type(value)
        if kind in _AS_THEY_ARE:
            return value
        if kind is int:
            if not _SMALLEST <= value <= _LARGEST:
                raise _error(path, f"{value} is a whole number of more than 64 bits")
            return value
        if kind is np.ndarray or kind is np.memmap:
            return self._array(value, path)
        if kind is Described:
            return self._described(value.description, path)
        if id(value) in self._known:
            return self._known[id(value)][1]
        if kind is Tagged:
            return self._tagged(value, path)
        if kind is dict:
            mapping: dict[Any, Any] = {}
            self._known[id(value)] = value, mapping
            for key in self._sorted(value, path):
                item = value[key]
                plain = type(item) in _AS_THEY_ARE
                mapping[key] = item if plain else self._value(item, (*path, key))
            return mapping
        if kind is list or kind is tuple:
            items: list[Any] = []
            self._known[id(value)] = value, items
            items += [
                item if type(item) in _AS_THEY_ARE else self._value(item, (*path, index))
                for index, item in enumerate(value)
            ]
            return items
        return self._other(value, path)

    def _sorted(self, keys: Any, path: _Path) -> list[Any]:
        if {*map(type, keys)} <= {str}:
            return sorted(keys)
        for key in keys:
            if not isinstance(key, str | int):
                raise _error(path, f"the name {key!r} is neither text nor a whole number")
        return sorted(keys, key=lambda key: (isinstance(key, str), key))

    def _other(self, value: Any, path: _Path) -> Any:
        """What is neither plain nor an array of NumPy's own class."""
        if (date := self._converters.date(value)) is not None:
            return date
        found = self._converters.of(value)
        if found is not None and "/core/ndarray-" not in found[1]:
            return self._object(*found, path)
        if isinstance(value, np.ma.MaskedArray):
            says = self._array(value.data, path)
            says.value["mask"] = self._array(np.ma.getmaskarray(value), path)
            return says
        if found is not None or isinstance(value, np.ndarray):
            return self._array(np.asarray(value), path)
        if isinstance(value, OrderedDict):
            pairs = [{key: self._value(item, (*path, key))} for key, item in value.items()]
            return Tagged(_OMAP, pairs)
        if isinstance(value, set):
            return Tagged(_SET, dict.fromkeys(self._sorted(value, path)))
        if isinstance(value, np.floating):
            return float(value)  # also where Python has fewer digits
        if isinstance(value, np.generic):
            return self._value(value.item(), path)
        for kind in _BASES:
            if isinstance(value, kind):
                return self._value(kind(value), path)
        raise _error(path, f"a {_full_name(value)}, which nothing is known to write")

    def _tagged(self, value: Tagged, path: _Path) -> Tagged:
        tagged = Tagged(value.tag, None)
        if isinstance(value.value, dict | list):
            self._known[id(value)] = value, tagged
        if self._depth:  # of an object; the tags of the tree itself are the mission's
            self._converters.use(value.tag)
        tagged.value = self._value(value.value, path)
        return tagged

    def _described(self, description: Tagged, path: _Path) -> Any:
        """An object of which there is only a description: a WCS."""
        self._depth += 1
        self._depth_of_transforms += 1
        tagged = self._value(description, path)
        self._depth -= 1
        self._depth_of_transforms -= 1
        return tagged

    def _object(self, value: Any, tag: str, converter: Any, path: _Path) -> Any:
        is_transform = is_of_wcs(value)
        self._depth += 1
        self._depth_of_transforms += is_transform
        node = converter.to_yaml_tree(value, tag, self._converters.context)
        if isinstance(node, GeneratorType):
            self._unfinished.append(node)
            node = next(node)
        tagged = Tagged(tag, None)
        if isinstance(node, dict | list):
            # Known before what it holds is looked at, which may hold the object itself.
            self._known[id(value)] = value, tagged
        tagged.value = self._value(node, path)
        self._depth -= 1
        self._depth_of_transforms -= is_transform
        return tagged

    def _array(self, array: np.ndarray[Any, Any], path: _Path) -> Tagged:
        array = without_gaps(array)
        described = datatype_in_file(array.dtype)
        if described is None:
            raise _error(path, f"an array of {array.dtype}, which ASDF does not have")
        name, order = described
        if self._depth_of_transforms and self._coefficients_in_head and _is_small(array):
            data = array.tolist()
            return Tagged(_ARRAY, {"data": data, "datatype": name, "shape": list(array.shape)})
        says = {"source": 0, "datatype": name, "byteorder": order, "shape": list(array.shape)}
        if self._depth:
            self._of_objects.append((array, says))
        else:
            says["source"] = len(self._own)
            self._own.append(array)
        return Tagged(_ARRAY, says)


def is_of_wcs(value: Any) -> bool:
    """Whether it is a WCS, or part of one, such as a transform."""
    return type(value).__module__.startswith(("gwcs", "astropy.modeling"))


def _is_small(array: np.ndarray[Any, Any]) -> bool:
    """Whether it is of so few plain numbers that they may stand in a head."""
    return array.dtype.kind in "iuf" and 0 < array.size < _IN_HEAD


def _error(path: _Path, problem: str) -> ModelError:
    return ModelError(f"{_schema.dotted(path)} cannot be written: {problem}")


def _full_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
