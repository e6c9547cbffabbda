"""The views through which the tree of a model is read and changed.

`DNode` and `LNode` are thin views of the dicts and lists of a `Tree`, which give attribute access
and check every assignment against the schema.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence
from functools import cache
from typing import Any

import numpy as np

from . import _display, _outline, _schema
from ._tree import DERIVED, Path, Tree, Unread, deep_copy, flatten


def view(tree: Tree, container: Any, key: Any, path: Path) -> Any:
    """The item `key` of a container of a tree, read from the file if need be, in its view.

    Parameters
    ----------
    tree : Tree
    container : dict or list
        Part of the tree.
    key : str or int
    path : tuple
        Of the item in the tree.
    """
    value = container[key]
    if isinstance(value, Unread):
        value = container[key] = value.read()
    if isinstance(value, dict):
        return _view_of_dict(tree, value, path)
    if isinstance(value, list):
        return LNode(tree, value, path)
    return value


def _view_of_dict(tree: Tree, data: dict[str, Any], path: Path) -> DNode:
    return _class_of_block(_display.block_name(path))(tree, data, path)


@cache
def _class_of_block(name: str) -> type[DNode]:
    """`DNode` under the name that a block of the metadata has; itself if there is no name."""
    return type(name, (DNode,), {"__slots__": (), "__module__": __name__}) if name else DNode


def plain(value: Any) -> Any:
    """A value as the tree stores it: views become dicts and lists, NumPy numbers Python's."""
    if isinstance(value, DNode):
        return value._data
    if isinstance(value, LNode):
        return value._data
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.dtype.itemsize == 2:
        return value.astype(np.float32)
    return value


class DNode(MutableMapping[str, Any]):
    """View of a dict of the tree, by attribute (``meta.exposure``) or item.

    An item name may be dotted: ``model["meta.exposure.type"]``. Assignments are checked. The views
    of the blocks of ``meta`` are of classes that bear the mission's names, such as ``CalStep``.

    Parameters
    ----------
    tree : Tree
        The tree.
    data : dict
        Part of the tree.
    path : tuple, optional
        Place of the dict in the tree.
    """

    __slots__ = ("_data", "_path", "_tree")

    def __init__(self, tree: Tree, data: dict[str, Any], path: Path = ()) -> None:
        object.__setattr__(self, "_tree", tree)
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "_path", path)

    def _resolve(self, key: str) -> tuple[DNode, str]:
        """The node that holds a dotted name, and the last part of the name."""
        node: Any = self
        if isinstance(key, str) and key not in self._data:
            *parents, key = key.split(".")
            for parent in parents:
                node = node[parent]
                if not isinstance(node, DNode):
                    raise KeyError(key)
        return node, key

    def __getitem__(self, key: str) -> Any:
        node, name = self._resolve(key)
        path = (*node._path, name)
        if name in node._data:
            return view(self._tree, node._data, name, path)
        if path in DERIVED:
            return DERIVED[path].value(self._tree)
        raise KeyError(node._missing(name))

    def __setitem__(self, key: str, value: Any) -> None:
        node, name = self._resolve(key)
        value = plain(value)
        self._tree.check(value, (*node._path, name))
        node._data[name] = value

    def __delitem__(self, key: str) -> None:
        node, name = self._resolve(key)
        del node._data[name]

    def get(self, key: str, default: Any = None) -> Any:
        """The item with a (dotted) name, or a default.

        Parameters
        ----------
        key : str
            Name, such as ``"exposure.type"``.
        default : object, optional
            Returned if there is no such item.

        Returns
        -------
        object
        """
        if key not in self:  # told without a search for names that are nearly the same
            return default
        return self[key]

    def __contains__(self, key: object) -> bool:
        try:
            node, name = self._resolve(key)  # type: ignore[arg-type]
        except KeyError:
            return False
        derived = DERIVED.get((*node._path, name))
        return name in node._data or (derived is not None and derived.is_known(self._tree))

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def _missing(self, name: str) -> str:
        near = difflib.get_close_matches(str(name), self._data, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{_schema.dotted(self._path)} has no {name!r}{hint}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._data:
            raise AttributeError(self._missing(name))
        del self._data[name]

    def __dir__(self) -> list[str]:
        names = (name for name in self._names() if str(name).isidentifier())
        return [*super().__dir__(), *names]

    def _ipython_key_completions_(self) -> list[str]:
        return self._names()

    def _names(self) -> list[str]:
        """All names that can be asked for, also of what follows from others."""
        derived = [path[-1] for path in DERIVED if path[:-1] == self._path and path[-1] in self]
        return [*self._data, *map(str, derived)]

    def __repr__(self) -> str:
        return _outline.as_text(self._data, self._path)

    def _repr_html_(self) -> str:
        return _outline.node_as_html(self._data, self._path)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DNode):
            other = other._data
        return bool(self._data == other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _view_of_dict, (self._tree, self._data, self._path)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return deep_copy(self._data)

    def __asdf_traverse__(self) -> dict[str, Any]:
        return self._shown()

    def _shown(self) -> dict[str, Any]:
        self._tree.read_objects()
        return _display.shown(self._data, self._path, _schema.kind_of(self._tree.tag))

    def info(
        self,
        max_rows: int | tuple[int | None, ...] | None = 24,
        max_cols: int | None = 120,
        show_values: bool = True,
        show_blocks: bool = False,
    ) -> None:
        """Print what is below this node.

        Parameters
        ----------
        max_rows : int, tuple or None, optional
            Greatest number of lines, or one number for each depth; None for all.
        max_cols : int or None, optional
            Greatest length of a line.
        show_values : bool, optional
            Whether to print the values.
        show_blocks : bool, optional
            Accepted because ``asdf.info`` has it; ignored.
        """
        name = type(self).__name__
        _display.print_node(self._shown(), name, max_rows, max_cols, show_values)

    def copy(self) -> dict[str, Any]:
        """A deep copy, as plain dicts and lists.

        Returns
        -------
        dict of str to object
        """
        return deep_copy(self._data)

    def to_flat_dict(self) -> dict[str, Any]:
        """All values below this node by dotted name.

        Returns
        -------
        dict of str to object
        """
        return dict(flatten(self._data))


class LNode(MutableSequence[Any]):
    """View of a list of the tree. Changes are checked.

    Parameters
    ----------
    tree : Tree
        The tree.
    data : list
        Part of the tree.
    path : tuple
        Place of the list in the tree.
    """

    __slots__ = ("_data", "_path", "_tree")

    def __init__(self, tree: Tree, data: list[Any], path: Path) -> None:
        self._tree = tree
        self._data = data
        self._path = path

    def _change(self, change: Callable[[list[Any]], Any]) -> None:
        candidate = list(self._data)
        change(candidate)
        self._tree.check(candidate, self._path)
        self._data[:] = candidate

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self._data)))]
        return view(self._tree, self._data, index, (*self._path, index))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._change(lambda items: items.__setitem__(index, plain(value)))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda items: items.__delitem__(index))

    def insert(self, index: int, value: object) -> None:
        """Insert a value before a position.

        Parameters
        ----------
        index : int
            Position of the item that will follow the new one.
        value : object
            What is inserted.
        """
        self._change(lambda items: items.insert(index, plain(value)))

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return repr(self._data)

    def _repr_html_(self) -> str:
        return _outline.list_as_html(self._data, self._path)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LNode):
            other = other._data
        return bool(self._data == other)

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return deep_copy(self._data)

    def __asdf_traverse__(self) -> list[Any]:
        return self._data
