"""How models and their nodes are printed by ``info`` and ``search``.

`asdf` prints a tree of dicts and lists, each with the name of its class. The tree made here has
the classes of the manual's examples: ``roman (WfiScienceRaw)``, ``cal_step (CalStep)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from . import _asdf

#: Blocks of the metadata whose class is not named as the block is.
_CLASS_NAMES = {"instrument": "WfiMode", "guide_star": "Guidestar"}


class NDArrayType:
    """An array in the printed tree: one line with shape and dtype; ``numpy.asarray`` reads it."""

    def __init__(self, read: Callable[[], Any], shape: tuple[int, ...], dtype: Any) -> None:
        self._read = read
        self.shape = shape
        self.dtype = dtype

    def __str__(self) -> str:
        return f"shape={self.shape}, dtype={self.dtype}"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = np.asarray(self._read(), dtype)
        return array.copy() if copy else array


@cache
def _dict_class(name: str) -> type[dict[str, Any]]:
    """A dict of this name; `asdf` prints the name, and the text if it shows no items."""
    return type(name, (dict,), {"__module__": __name__, "__str__": lambda self: ""})


def class_name(path: tuple[str | int, ...], kind: str) -> str:
    """Name of the dict at `path`: the mission's for the root and the blocks of meta, else dict.

    `kind` is the name in the model's tag, such as ``wfi_science_raw``.
    """
    if not path:
        group, _, name = kind.rpartition("/")
        return _camel_case(name) + ("Ref" if group else "")
    return block_name(path) or "dict"


def block_name(path: tuple[str | int, ...]) -> str:
    """The mission's name for the class of a block of the metadata; empty for what is none."""
    if path[:1] != ("meta",) or len(path) != 2:
        return ""
    name = _CLASS_NAMES.get(str(path[1])) or _camel_case(str(path[1]))
    return name if name.isidentifier() else ""


def _camel_case(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def shown(value: Any, path: tuple[str | int, ...], kind: str) -> Any:
    """The tree to print for a value; `path` and `kind` as for `class_name`."""
    if isinstance(value, dict):
        cls = _dict_class(class_name(path, kind))
        items = {
            shown(key, (), kind): shown(item, (*path, key), kind) for key, item in value.items()
        }
        # As in the manual, the metadata come before the arrays.
        return cls({"meta": items["meta"], **items} if "meta" in items else items)
    if isinstance(value, list):
        return [shown(item, (*path, index), kind) for index, item in enumerate(value)]
    if isinstance(value, np.ndarray):
        return NDArrayType(lambda: value, value.shape, value.dtype)
    if hasattr(value, "read") and hasattr(value, "dtype"):
        return NDArrayType(value.read, value.shape, value.dtype)
    if type(value) is str:  # a terminal obeys control characters
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)
    return value


def shown_header(header: Mapping[str, Any]) -> dict[str, Any]:
    """The tree to print for what a file says of itself, with the names of the classes of `asdf`."""
    records = {
        "asdf_library": "Software",
        "software": "Software",
        "manifest_software": "Software",
        "extensions": "ExtensionMetadata",
        "entries": "HistoryEntry",
    }

    def named(value: Any, key: str) -> Any:
        if isinstance(value, list):
            return [named(item, key) for item in value]
        if isinstance(value, dict):
            cls = _dict_class(records[key]) if key in records else dict
            return cls({name: named(item, name) for name, item in value.items()})
        return shown(value, (key,), "")

    return {key: named(value, key) for key, value in header.items()}


def print_node(
    node: dict[str, Any],
    name: str,
    max_rows: int | tuple[int | None, ...] | None,
    max_cols: int | None,
    show_values: bool,
) -> None:
    """Print a part of a tree with a root of class `name`; `asdf.info` would name its own."""
    import asdf

    with _asdf.configured(_asdf.NOTHING):
        tree = asdf.AsdfFile({"root": _dict_class(name)(node)})
        print(tree.search()["root"].format(max_rows, max_cols, show_values))
