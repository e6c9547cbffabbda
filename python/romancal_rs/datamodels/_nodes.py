"""The tree of a model, and the views through which it is read and changed.

A model's content is plain Python: dicts, lists, numbers, strings, times, arrays. `Tree` holds it
together with its tag and its file; `DNode` and `LNode` are thin views of its dicts and lists that
give attribute access and check every assignment against the schema.
"""

from __future__ import annotations

import copy
import difflib
import math
import pickle
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _display, _schema
from ._defaults import is_unknown
from ._errors import ModelError, ValidationError

Path = tuple[str | int, ...]

#: Factor from MJy/sr to microjansky per square arcsecond.
MICROJANSKY_PER_ARCSEC2 = 1e12 * (math.pi / 648000) ** 2

#: Square arcseconds in a steradian.
ARCSEC2_PER_STERADIAN = (648000 / math.pi) ** 2

#: The eras of the mission's files: see `DataModel.era`.
ERA_2022 = "2022"
ERA_2023 = "2023-2024"
TODAY = "today"


@dataclass(frozen=True)
class Origin:
    """What the file was that a tree came from, before it was converted to today's structure."""

    era: str
    tag: str


class Unread:
    """A value that is still in its file: it is read when it is first touched.

    Parameters
    ----------
    read
        Returns the value. It raises `ModelError` if the file was closed in the meantime.
    shape, dtype
        Of an array; they are known before it is read. None for anything else.
    raw
        Returns an array as it lies in the file, which may be unaligned and not writable, for
        callers who copy it anyway. `read` if left out.
    """

    def __init__(
        self,
        read: Callable[[], Any],
        shape: tuple[int, ...] | None = None,
        dtype: np.dtype[Any] | None = None,
        raw: Callable[[], Any] | None = None,
    ) -> None:
        self.read = read
        self.raw = raw or read
        if shape is not None:
            # Only arrays have these attributes, as the checks against the schema expect.
            self.shape = shape
            self.dtype = dtype

    def __repr__(self) -> str:
        if hasattr(self, "shape"):
            return f"<array (unloaded) shape: {list(self.shape)} dtype: {self.dtype}>"
        return "<object (unloaded)>"


class UnreadQuantity(Unread):
    """An array that carries a unit, still in its file.

    Parameters
    ----------
    value
        The numbers.
    unit
        As the file spells it.
    """

    def __init__(self, value: Unread, unit: str) -> None:
        super().__init__(self._quantity, value.shape, value.dtype)
        self.value = value
        self.unit = unit

    def _quantity(self) -> Any:
        from astropy.units import Quantity

        return Quantity(self.value.read(), self.unit, copy=False)


class Tree:
    """The content of one model.

    Parameters
    ----------
    data
        Plain nested dicts and lists.
    tag
        The mission's tag of the root, which fixes the schema.
    source
        Where the data came from, for messages.
    header
        What the file says of itself (library, history), shown by `info`.
    close
        Closes the file, None if there is none.
    origin
        What the file was before it was converted; None for one that was not.
    """

    def __init__(
        self,
        data: dict[str, Any],
        tag: str,
        *,
        source: str = "",
        header: Mapping[str, Any] | None = None,
        close: Callable[[], None] | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.data = data
        self.tag = tag
        self.source = source
        self.header = dict(header or {})
        self.close = close or (lambda: None)
        self.origin = origin
        #: What keeps a file open that some of the values are still in: another tree, a model.
        self.shares_with: Any = None
        self._schemas: dict[Path, _schema.Schema] = {}

    @property
    def schema_uri(self) -> str:
        uri = _schema.schema_uri(self.tag)
        if uri is None:
            raise ModelError(f"the installed `rad` has no schema for the tag {self.tag}")
        return uri

    def schema(self, path: Path) -> _schema.Schema:
        """The schema of the value at a path."""
        if path not in self._schemas:
            if path:
                self._schemas[path] = _schema.child(self.schema(path[:-1]), path[-1], path)
            else:
                self._schemas[path] = _schema.load(self.schema_uri)
        return self._schemas[path]

    def check(self, value: Any, path: Path) -> None:
        """Raise `ValidationError` unless `value` may stand at `path`."""
        if str(path[-1]).startswith("_"):
            raise ValidationError(
                _schema.dotted(path),
                value,
                "names that begin with an underscore are private, and no content of a file",
            )
        if path in DERIVED:
            raise ValidationError(
                _schema.dotted(path), value, f"read-only: it follows from {DERIVED[path].source}"
            )
        _schema.validate(value, self.schema(path), path)

    def validate(self, *, metadata: bool = True) -> None:
        """Check all of the content, or all but the metadata; the error names the file."""
        data, schema = self.data, self.schema(())
        if not metadata:
            data = {**data, "meta": {}}
            schema = {**schema, "properties": {**schema["properties"], "meta": {}}}
        try:
            _schema.validate(data, schema, ())
        except ValidationError as error:
            raise ValidationError(error.path, error.value, error.rule, self.source) from None

    def stored(self, name: str) -> np.ndarray[Any, Any]:
        """An array as it lies in its file, for reading; see `DataModel.stored`."""
        array = self.data[name]
        stored = array.raw() if isinstance(array, Unread) else array
        if isinstance(array, Unread) and (stored.dtype == np.float16 or not stored.dtype.isnative):
            stored = array.read()
        return np.require(stored, stored.dtype.newbyteorder("="), "C")

    def share(self, name: str, other: Tree, share_file: bool) -> None:
        """Takes over an array of another tree.

        One that is still in its file may stay there if the file is shared too: that is open as long
        as one of the trees is there and neither was closed.
        """
        array = other.data[name]
        if isinstance(array, Unread):
            if share_file:
                self.shares_with = other
            else:
                array = other.data[name] = array.read()
        self.data[name] = array

    def view(self, container: Any, key: Any, path: Path) -> Any:
        """The item `key` of a container, read from the file if need be, in its view."""
        value = container[key]
        if isinstance(value, Unread):
            value = container[key] = value.read()
        if isinstance(value, dict):
            return DNode(self, value, path)
        if isinstance(value, list):
            return LNode(self, value, path)
        return value

    def read_objects(self, *, arrays: bool = False) -> None:
        """Read what is still in the file (a WCS, a transform), also the arrays if so wished."""

        def visit(container: Any, keys: Any) -> None:
            for key in keys:
                value = container[key]
                if isinstance(value, Unread) and (arrays or not hasattr(value, "shape")):
                    container[key] = value.read()
                elif isinstance(value, dict):
                    visit(value, list(value))
                elif isinstance(value, list):
                    visit(value, range(len(value)))

        visit(self.data, list(self.data))

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: all content, in memory, without the file."""
        self.read_objects(arrays=True)
        for name, value in flatten(self.data):
            if not isinstance(value, (np.ndarray, str, int, float, bool, type(None))):
                _check_picklable(value, name, self.source)
        return {name: getattr(self, name) for name in ("data", "tag", "source", "header", "origin")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _check_picklable(value: Any, name: str, source: str) -> None:
    try:
        pickle.dumps(value)
    except Exception as error:
        where = f"{source}: " if source else ""
        raise ModelError(
            f"{where}the model cannot be sent to another process, as its {name} cannot be "
            f"pickled ({error}); save it and send the path"
        ) from error


class _Derived:
    """A name of the manual whose value follows from one of today's."""

    def __init__(self, source: Path, convert: Callable[[Any], Any]) -> None:
        self._path = source
        self._convert = convert
        self.source = _schema.dotted(source)

    def is_known(self, tree: Tree) -> bool:
        """Whether the source is there."""
        try:
            self.value(tree)
        except KeyError:
            return False
        return True

    def value(self, tree: Tree) -> Any:
        """The derived value; KeyError if its source is absent, None if that is no value."""
        value: Any = tree.data
        for key in self._path:
            value = value[key]
        return None if value is None or is_unknown(value) else self._convert(value)


def _scale(name: str, factor: float) -> _Derived:
    return _Derived(("meta", "photometry", name), lambda value: value * factor)


DERIVED: dict[Path, _Derived] = {
    ("meta", "photometry", "conversion_microjanskys"): _scale(
        "conversion_megajanskys", MICROJANSKY_PER_ARCSEC2
    ),
    ("meta", "photometry", "conversion_microjanskys_uncertainty"): _scale(
        "conversion_megajanskys_uncertainty", MICROJANSKY_PER_ARCSEC2
    ),
    ("meta", "photometry", "pixelarea_steradians"): _scale("pixel_area", 1.0),
    ("meta", "photometry", "pixelarea_arcsecsq"): _scale("pixel_area", ARCSEC2_PER_STERADIAN),
    ("meta", "observation", "start_time"): _Derived(
        ("meta", "exposure", "start_time"), lambda value: value
    ),
}


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


def deep_copy(value: Any) -> Any:
    """A copy that shares nothing with the original, nor with its file."""
    if isinstance(value, Unread):
        value = value.read()
    if isinstance(value, Mapping):
        return {key: deep_copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [deep_copy(item) for item in value]
    if type(value) in (np.ndarray, np.memmap):
        return np.array(value)
    return copy.deepcopy(value)  # arrays with a unit or a mask keep it


def copy_containers(value: Any) -> Any:
    """A copy of the dicts and lists; what they hold is shared."""
    if isinstance(value, dict):
        return {key: copy_containers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_containers(item) for item in value]
    return value


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Pairs of dotted name and value of all leaves."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from flatten(item, f"{prefix}.{index}")
    else:
        yield prefix, value


class DNode(_display.PrintedByAsdf, MutableMapping[str, Any]):
    """View of a dict of the tree, by attribute (``meta.exposure``) or item.

    An item name may be dotted: ``model["meta.exposure.type"]``. Assignments are checked.
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
            return self._tree.view(node._data, name, path)
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
        return [*super().__dir__(), *self._data]

    def __repr__(self) -> str:
        return repr(self._data)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DNode):
            other = other._data
        return bool(self._data == other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return DNode, (self._tree, self._data, self._path)

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
        """Print what is below this node; the parameters are those of `DataModel.info`."""
        name = _display.class_name(self._path, _schema.kind_of(self._tree.tag))
        name = "DNode" if name == "dict" else name
        _display.print_node(self._shown(), name, max_rows, max_cols, show_values)

    def copy(self) -> dict[str, Any]:
        """A deep copy, as plain dicts and lists."""
        return deep_copy(self._data)

    def to_flat_dict(self) -> dict[str, Any]:
        """All values below this node by dotted name."""
        return dict(flatten(self._data))


class LNode(MutableSequence[Any]):
    """View of a list of the tree. Changes are checked."""

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
        return self._tree.view(self._data, index, (*self._path, index))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._change(lambda items: items.__setitem__(index, plain(value)))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda items: items.__delitem__(index))

    def insert(self, index: int, value: Any) -> None:
        """Put a value before `index`."""
        self._change(lambda items: items.insert(index, plain(value)))

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return repr(self._data)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LNode):
            other = other._data
        return bool(self._data == other)

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return deep_copy(self._data)

    def __asdf_traverse__(self) -> list[Any]:
        return self._data
