"""What all models have in common."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from .._files import existing_or_local
from .._tagged import Tagged
from . import _asdf, _display, _exchange, _outline, _quantities, _schema, _writing
from ._defaults import Replacement, conform
from ._errors import ModelError, ModelTypeError
from ._kinds import CLASSES, class_for, read, words
from ._nodes import DNode, plain
from ._tree import TODAY, Described, Tree, UnreadObject, copy_containers, deep_copy, flatten

if TYPE_CHECKING:
    from asdf.search import AsdfSearchResult
    from astropy.units import Quantity


class DataModel:
    """The content of one file, with attribute access and checks against the mission's schema.

    Parameters
    ----------
    init : str, path, binary file, DNode, dict or DataModel
        Where the content comes from. A file must hold this kind of model. A node is what the
        functions of `romancal_rs.datamodels.testing` return. A dict is the content itself. A
        model of the same class is looked at, not copied.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is not ASDF or is damaged.
    ModelTypeError
        If it holds another kind of model.
    """

    _kind: ClassVar[str] = ""
    _new_version: ClassVar[str] = ""
    _node: DNode
    _owner: bool

    meta: DNode

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls._kind:
            CLASSES[cls._kind] = cls

    def __init__(
        self, init: str | os.PathLike[str] | IO[bytes] | DNode | Mapping[str, object] | DataModel
    ) -> None:
        owner = True
        if isinstance(init, DataModel):
            tree, owner = init._tree, False
        elif isinstance(init, DNode):
            tree = init._tree
        elif isinstance(init, Mapping):
            tree = Tree(plain(init), self.new_tag())
        else:
            tree = read(init)
        try:
            self._check_kind(tree)
        except ModelError:
            if owner:
                tree.close()
            raise
        self._hold(tree, owner)

    def _hold(self, tree: Tree, owner: bool) -> None:
        object.__setattr__(self, "_node", DNode(tree, tree.data))
        object.__setattr__(self, "_owner", owner)

    @classmethod
    def _view(cls, tree: Tree, *, owner: bool) -> Self:
        model = cls.__new__(cls)
        model._hold(tree, owner)
        return model

    @classmethod
    def new_tag(cls) -> str:
        """The tag of a model of this class that is made in memory.

        Returns
        -------
        str
            A tag of the mission; its last part is the version.
        """
        return f"{_schema.TAGS}{cls._kind}-{cls._new_version}"

    @classmethod
    def _check_kind(cls, tree: Tree) -> None:
        found = class_for(tree)
        if found is not cls:
            where = f"{tree.source}: " if tree.source else ""
            raise ModelTypeError(
                f"{where}expected {words(cls)}, found {words(found)}; "
                "datamodels.open() takes any kind"
            )

    @property
    def _tree(self) -> Tree:
        return self._node._tree

    # -- what a model is --

    @property
    def tag(self) -> str:
        """The mission's tag of the content; its last part is the version."""
        return self._tree.tag

    @property
    def era(self) -> str:
        """The age of the model's file: ``"2022"``, ``"2023-2024"`` or ``"today"``.

        Files of before 2025 are in today's structure in memory, but not every number means what
        it does today: see `ReadnoiseRefModel`. Copies know it, and so do ramps made of a Level 1
        exposure, and their images; what else was made in memory, or saved by this package, is
        today's.
        """
        origin = self._tree.origin
        return TODAY if origin is None else origin.era

    @property
    def file_tag(self) -> str:
        """The tag in the file that the model came from: `tag`, if that was not converted."""
        origin = self._tree.origin
        return self.tag if origin is None else origin.tag

    @property
    def schema_uri(self) -> str:
        """URI of the schema that the content must obey."""
        return self._tree.schema_uri

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the main array, empty if the model has none. Reads nothing."""
        for name in ("data", "coeffs", "slope", "dark_slope", "dq"):
            shape = getattr(self._tree.data.get(name), "shape", None)
            if shape is not None:
                return tuple(shape)
        return ()

    def validate(self, *, metadata: bool = True) -> None:
        """Check the content against its schema, as `save` does.

        Parameters
        ----------
        metadata : bool
            False checks only what stands beside ``meta``: that the arrays and tables which the
            schema requires are there, and are of its types.

        Raises
        ------
        ValidationError
            Naming the file the content came from, the place in it, and the rule that is broken.
        """
        self._to_write().validate(metadata=metadata)

    def metadata_problems(self, blocks: Collection[str] | None = None) -> list[Replacement]:
        """All places in ``meta`` that break the schema; `validate` reports only the first.

        Each comes with the value that says "unknown" in its place. Nothing is changed.

        Parameters
        ----------
        blocks : collection of str, optional
            What to look at alone, such as ``("instrument", "exposure")``.

        Returns
        -------
        list of Replacement
            Each place with its problem and the value that says "unknown".
        """
        return self._conformed(blocks)[1]

    def make_metadata_valid(self) -> list[Replacement]:
        """Set all places in ``meta`` that break the schema to "unknown", in place.

        Returns
        -------
        list of Replacement
            What was replaced.
        """
        self._tree.data["meta"], replaced = self._conformed()
        return replaced

    def _conformed(
        self, blocks: Collection[str] | None = None
    ) -> tuple[dict[str, Any], list[Replacement]]:
        tree = self._to_write()
        replaced: list[Replacement] = []
        meta, place = tree.data["meta"], tree.place("meta")
        if blocks is not None:
            meta = {name: value for name, value in meta.items() if name in blocks}
            place = place.only(frozenset(blocks))
        return conform(meta, place, replaced), replaced

    @property
    def source(self) -> str:
        """The file that the model came from; empty if it was made in memory."""
        return self._tree.source

    # -- access --

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._node, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = getattr(type(self), name, None)
        if isinstance(own, property) and own.fset is not None:
            own.fset(self, value)
            return
        if own is not None:
            raise AttributeError(
                f"{name!r} belongs to every model and cannot be set; "
                f"content of that name is model[{name!r}]"
            )
        self._node[name] = value

    def __delattr__(self, name: str) -> None:
        delattr(self._node, name)

    def __getitem__(self, key: str) -> Any:
        return self._node[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._node[key] = value

    def __delitem__(self, key: str) -> None:
        del self._node[key]

    def __contains__(self, key: object) -> bool:
        return key in self._node

    def __iter__(self) -> Iterator[str]:
        return iter(self._node)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._tree.data if name.isidentifier())]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._tree.data)

    def __repr__(self) -> str:
        shape = f" {self.shape}" if self.shape else ""
        source = f" from {self._tree.source}" if self._tree.source else ""
        return f"<{type(self).__name__}{shape}{source}>"

    def _repr_html_(self) -> str:
        return _outline.model_as_html(self._tree, type(self).__name__, self.shape)

    def get(self, key: str, default: Any = None) -> Any:
        """The item with a (dotted) name, or a default.

        Parameters
        ----------
        key : str
            Name, such as ``"meta.exposure.type"``.
        default : object, optional
            Returned if there is no such item.

        Returns
        -------
        object

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_cal.asdf") as image:
        ...     print(image.get("meta.exposure.type"), image.get("meta.no_such_block", "none"))
        WFI_IMAGE none
        """
        return self._node.get(key, default)

    def items(self) -> Iterator[tuple[str, Any]]:
        """The dotted name and the value of everything in the model. No array is read.

        Returns
        -------
        iterator of (str, object)
            An array that was not read has only ``shape`` and ``dtype``.
        """
        return flatten(self._tree.data)

    def to_flat_dict(self) -> dict[str, Any]:
        """The `items` as a dict. No array is read.

        Returns
        -------
        dict of str to object
        """
        return {
            name: self[name] if isinstance(value, Described) else value
            for name, value in self.items()
        }

    def get_crds_parameters(self) -> dict[str, Any]:
        """What CRDS chooses references by: texts and numbers of ``meta``, and times as texts.

        Returns
        -------
        dict
            By the names that CRDS has for them, such as ``"roman.meta.instrument.detector"``.
        """
        return _exchange.crds_parameters(self._tree.data)

    def schema_info(self, key: str = "description", path: str | None = None) -> dict[str, Any]:
        """What the mission's schema says of a place in the model.

        Parameters
        ----------
        key : str
            A keyword of the schema: ``"description"``, ``"title"``, ``"unit"``, ``"enum"``, ...
        path : str, optional
            Of the place, such as ``"roman.meta.wcsinfo"``; without one, of the whole model, which
            is then under ``"roman"``.

        Returns
        -------
        dict
            That keyword of the place, under `key`, and of what is below it, under their names;
            what the schema does not say is left out.

        Raises
        ------
        KeyError
            If the model has no such place.
        """
        return _exchange.schema_info(self._tree, key, path)

    # -- looking at it --

    def info(
        self,
        max_rows: int | tuple[int | None, ...] | None = 24,
        max_cols: int | None = 120,
        show_values: bool = True,
        show_blocks: bool = False,
    ) -> None:
        """Print the tree, with what the file says of itself. No array is read.

        ``asdf.info(model)`` prints the content alone, as of any mapping, and reads the arrays.

        Parameters
        ----------
        max_rows : int, tuple or None, optional
            Greatest number of lines, or one number for each depth; None for all.
        max_cols : int or None, optional
            Greatest length of a line.
        show_values : bool, optional
            Whether to print the values.
        show_blocks : bool, optional
            Taken because ``asdf.info`` has it; a model has no blocks to print.

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_cal.asdf") as image:
        ...     image.info(max_rows=6)
        root (AsdfObject)
        ├─asdf_library (Software) ...
        ├─history (dict)
        │ └─extensions (list) ...
        └─roman (WfiImage) ...
        Some nodes not shown.
        """
        with _asdf.configured(_asdf.NOTHING):
            self._as_asdf().info(max_rows=max_rows, max_cols=max_cols, show_values=show_values)

    def search(
        self,
        key: object = None,
        type: type[object] | str | None = None,
        value: object = None,
    ) -> AsdfSearchResult:
        """Find parts of the tree by name, type or value, as ``asdf``'s search does.

        Parameters
        ----------
        key : str or object, optional
            A regular expression (str) or an object that must be equal.
        type : type or str, optional
            A class, or a regular expression for its full name.
        value : str or object, optional
            A regular expression (str) or an object that must be equal.

        Returns
        -------
        asdf.search.AsdfSearchResult
            Prints as a tree; ``result["roman"]["meta"]`` narrows it. An array found is not read:
            ``numpy.asarray`` of it reads it.

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_cal.asdf") as image:
        ...     image.search("ma_table_name")
        root (AsdfObject)
        └─roman (WfiImage)
          └─meta (dict)
            └─exposure (Exposure)
              └─ma_table_name (str): SIMULATED_6_RESULTANTS
        """
        wanted = {"key": key, "type_": type, "value": value}
        with _asdf.configured(_asdf.NOTHING):
            return self._as_asdf().search(**{k: v for k, v in wanted.items() if v is not None})

    def _as_asdf(self) -> Any:
        import asdf

        self._tree.read_objects(described=True)
        shown = _display.shown(self._tree.data, (), _schema.kind_of(self.tag))
        return asdf.AsdfFile({**_display.shown_header(self._tree.header), "roman": shown})

    # -- copying, saving, closing --

    def copy(self) -> Self:
        """A copy that shares nothing with this model or its file.

        Returns
        -------
        same class
        """
        data = deep_copy(self._tree.data)
        old = self._tree
        tree = Tree(data, self.tag, header=old.header, source=old.source, origin=old.origin)
        return self._view(tree, owner=True)

    def copy_for_change(self, arrays: Iterable[str]) -> Self:
        """A model to change: the metadata and the named arrays are copies, the rest is shared.

        Parameters
        ----------
        arrays : iterable of str
            Arrays that are going to be changed in place; those that the model lacks are ignored.

        Returns
        -------
        same class
        """
        data = copy_containers(self._tree.data)
        old = self._tree
        tree = Tree(data, self.tag, header=old.header, source=old.source, origin=old.origin)
        tree.shares_with = old  # whose file must stay open for what is still unread
        for name in arrays:
            if name in data:
                data[name] = np.array(self[name])
        return self._view(tree, owner=True)

    def stored(self, name: str) -> np.ndarray[Any, Any]:
        """An array as it lies in its file, for reading: mapped, not copied.

        Parameters
        ----------
        name : str
            Of an array of the model, such as ``"data"``.

        Returns
        -------
        ndarray
            Of a file that is not compressed it is a view of the mapped file, which may lie at any
            address, cannot be changed, and is gone when the model is closed. Numbers of another
            byte order, in another order than C, and half precision are converted, in a copy. An
            array that was read, or set, before is otherwise returned as it is.
        """
        return self._tree.stored(name)

    def quantity(self, name: str) -> Quantity:
        """An array with its unit: a view of it, which changes with it.

        Parameters
        ----------
        name : str
            Of an array of the model, such as ``"err"``.

        Returns
        -------
        astropy.units.Quantity
            In the unit that the mission's schema states.

        Raises
        ------
        KeyError
            If there is no such array.
        ModelError
            If the schema states no unit for it.

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_cal.asdf") as image:
        ...     print(image.quantity("var_poisson").unit)
        DN2 / s2
        """
        return _quantities.quantity(self._tree, self[name], name)

    def description_of(self, name: str) -> Tagged | None:
        """What its file says of an object that was not touched yet, such as a transform.

        Parameters
        ----------
        name : str
            Of the object.

        Returns
        -------
        Tagged or None
            With its arrays read; shared, and not to be changed. None where there is no such file.

        Raises
        ------
        ModelError
            If the file was closed, or is damaged there.
        """
        value = self._tree.data.get(name)
        return value.description() if isinstance(value, UnreadObject) else None

    def read_objects(self) -> None:
        """Read everything but the arrays that is still in the file, such as a WCS or a transform.

        Raises
        ------
        ModelError
            If the installed libraries cannot make one of them; it names the file.
        """
        self._tree.read_objects()

    def arrays(self) -> Iterator[tuple[str, Any]]:
        """The name and the array of all arrays of the model. No array is read.

        Returns
        -------
        iterator of (str, ndarray)
            An array that was not read has only ``shape`` and ``dtype``.

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_cal.asdf") as image:
        ...     print([name for name, _ in image.arrays()][:4])
        ['data', 'dq', 'err', 'var_poisson']
        """
        return ((name, item) for name, item in self.items() if hasattr(item, "dtype"))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def save(self, path: str | os.PathLike[str], *, compression: str | None = "lz4") -> Path:
        """Write the model to an ASDF file; an existing one is replaced.

        The file appears whole or not at all. It gets the file date, file name, model type and
        software of this moment where the schema has a place for them; the model itself is left
        as it is.

        Parameters
        ----------
        path : str or path
            Name of the file, ending in .asdf; ``~`` and ``$VARIABLES`` are expanded.
        compression : str or None, optional
            Of the arrays: "lz4", as the mission's files have it, "zlib", "bzp2", or None, for
            arrays that can be mapped into memory.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        ValidationError
            If the content breaks the schema; nothing is written then.
        ModelError
            If the name does not end in .asdf, or a value is of a kind that no file can hold.
        OSError
            If the file cannot be written; it names `path` and the reason.
        InputError
            If `path` is a URL.

        Examples
        --------
        >>> from romancal_rs import datamodels
        >>> with datamodels.open("exposure_cal.asdf") as image:
        ...     image.save("copy.asdf", compression=None).name
        'copy.asdf'
        """
        path = Path(existing_or_local(path, to_write=True))
        tree = self._to_write()
        meta = dict(tree.data.get("meta", {}))
        known = tree.place("meta")
        for name, value in _writing.stamps(type(self).__name__, path).items():
            # The schemas of references have no name; one that was copied would tell the old one.
            if known.child(name).schema or (name == "filename" and name in meta):
                meta[name] = value
        tree.data["meta"] = meta
        _writing.write(tree, path, compression=compression)
        return path

    def _to_write(self) -> Tree:
        """The tree as it goes into a file; the model's own is left as it is."""
        tree = Tree(dict(self._tree.data), self.tag, source=self.source)
        self._before_writing(tree)
        return tree

    def _before_writing(self, tree: Tree) -> None:
        """A model may add to what is written; the base class does not."""

    def close(self) -> None:
        """Close the file. What was read before stays usable."""
        if self._owner:
            self._tree.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
