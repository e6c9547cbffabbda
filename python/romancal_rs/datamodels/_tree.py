"""The content of a model: its tree, what of it is still in the file, and what follows from it.

A model's content is plain Python: dicts, lists, numbers, strings, times, arrays. `Tree` holds it
together with its tag and its file; `_nodes` has the views through which it is read and changed.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .._tagged import Tagged
from . import _asdf, _checks, _schema
from ._defaults import is_unknown
from ._errors import ModelError, ValidationError
from ._places import Place, root

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


class UnreadObject(Unread):
    """An object of astropy or gwcs, still in its file.

    Parameters
    ----------
    read
        Makes the object.
    describe
        Returns what the file says of it, with its arrays.
    head
        What the head of the file says of it; its arrays are in the file.
    """

    def __init__(
        self, read: Callable[[], Any], describe: Callable[[], Tagged], head: Tagged
    ) -> None:
        super().__init__(read)
        self._describe = describe
        self.head = head
        self._description: Tagged | None = None

    def description(self) -> Tagged:
        """What the file says of it, with its arrays: read once, shared, and not to be changed."""
        if self._description is None:
            self._description = self._describe()
        return self._description


class Described(Unread):
    """An object of astropy or gwcs that was not made yet, of which there is only a description.

    It is made when it is first touched, and written without being made. Copies share it.

    Parameters
    ----------
    description : Tagged
        What a file says of the object, with its arrays; not to be changed.
    """

    def __init__(self, description: Tagged) -> None:
        super().__init__(partial(_asdf.made, description))
        self.description = description


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

    @property
    def schema_uri(self) -> str:
        uri = _schema.schema_uri(self.tag)
        if uri is None:
            raise ModelError(f"the installed `rad` has no schema for the tag {self.tag}")
        return uri

    def place(self, *path: str | int) -> Place:
        """What its schema says of the place at a path."""
        place = root(self.schema_uri)
        for key in path:
            place = place.child(key)
        return place

    def schema(self, path: Path) -> _schema.Schema:
        """The schema of the value at a path."""
        return self.place(*path).schema

    def check(self, value: Any, path: Path) -> None:
        """Raise `ValidationError` unless `value` may stand at `path`."""
        if str(path[-1]).startswith("_"):
            raise ValidationError(
                _schema.dotted(path),
                value,
                "names that begin with an underscore are private, and cannot be content of a file",
            )
        if path in DERIVED:
            raise ValidationError(
                _schema.dotted(path), value, f"read-only: it is derived from {DERIVED[path].source}"
            )
        _checks.validate(value, self.schema(path), path)

    def validate(self, *, metadata: bool = True) -> None:
        """Check all of the content, or all but the metadata; the error names the file."""
        data, schema = self.data, self.place().schema
        if not metadata:
            data, schema = {**data, "meta": {}}, self.place().beside_meta
        try:
            _checks.validate(data, schema, ())
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

    def read_objects(self, *, arrays: bool = False, described: bool = False) -> None:
        """Read what is still in the file: a WCS, a transform.

        Parameters
        ----------
        arrays
            Whether to read the arrays as well.
        described
            Whether to make what is in no file, but only described.
        """

        def visit(container: Any, keys: Any) -> None:
            for key in keys:
                value = container[key]
                if isinstance(value, Described):
                    container[key] = value.read() if described else value
                elif isinstance(value, Unread) and (arrays or not hasattr(value, "shape")):
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


def deep_copy(value: Any) -> Any:
    """A copy that shares nothing that can be changed with the original, nor with its file."""
    if isinstance(value, Described):
        return value
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
