"""The models: one class for each kind of file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, Self

import numpy as np

from . import _asdf, _era2022, _io, _schema
from ._defaults import complete, conform
from ._errors import ModelError, ModelTypeError, UnknownModelError
from ._nodes import DNode, Tree, Unread, deep_copy, flatten, plain

#: Rows or columns of reference pixels on each side of the detector.
BORDER = 4

_CLASSES: dict[str, type[DataModel]] = {}


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

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _CLASSES[cls._kind] = cls

    def __init__(
        self, init: str | os.PathLike[str] | IO[bytes] | DNode | Mapping[str, Any] | DataModel
    ) -> None:
        owner = True
        if isinstance(init, DataModel):
            tree, owner = init._tree, False
        elif isinstance(init, DNode):
            tree = init._tree
        elif isinstance(init, Mapping):
            tree = Tree(plain(init), self._new_tag())
        else:
            tree = _read(init)
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
    def _new_tag(cls) -> str:
        return f"{_schema.TAGS}{cls._kind}-{cls._new_version}"

    @classmethod
    def _check_kind(cls, tree: Tree) -> None:
        found = _class_of(tree)
        if found is not cls:
            where = f"{tree.source}: " if tree.source else ""
            raise ModelTypeError(
                f"{where}expected {_words(cls)}, found {_words(found)}; "
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
    def schema_uri(self) -> str:
        """URI of the schema that the content must obey."""
        return self._tree.schema_uri

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the main array; None if the model has none. Reads nothing."""
        for name in ("data", "coeffs", "slope", "dark_slope", "dq"):
            array = self._tree.data.get(name)
            if array is not None:
                return tuple(array.shape)
        return None

    def validate(self) -> None:
        """Check all of the content, as `save` does; raises `ValidationError`."""
        _schema.validate(self._tree.data, self._tree.schema(()), ())

    # -- access --

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._node, name)

    def __setattr__(self, name: str, value: Any) -> None:
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
        return [*super().__dir__(), *self._tree.data]

    def __repr__(self) -> str:
        shape = f" {self.shape}" if self.shape else ""
        source = f" from {self._tree.source}" if self._tree.source else ""
        return f"<{type(self).__name__}{shape}{source}>"

    def get(self, key: str, default: Any = None) -> Any:
        """The item of that (dotted) name, or `default`."""
        return self._node.get(key, default)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Dotted name and value of everything in the model. Arrays are not read for this."""
        return flatten(self._tree.data)

    def to_flat_dict(self) -> dict[str, Any]:
        """`items` as a dict."""
        return dict(self.items())

    # -- looking at it --

    def info(
        self,
        max_rows: int | tuple[int | None, ...] | None = 24,
        max_cols: int | None = 120,
        show_values: bool = True,
    ) -> None:
        """Print the tree, as ``asdf.info`` does.

        Parameters
        ----------
        max_rows
            Greatest number of lines, or one number for each depth; None for all.
        max_cols
            Greatest length of a line.
        show_values
            Whether to print the values.
        """
        with _asdf.configured(_asdf.TIMES):
            self._as_asdf().info(max_rows=max_rows, max_cols=max_cols, show_values=show_values)

    def search(self, key: Any = None, type: Any = None, value: Any = None) -> Any:
        """Find parts of the tree by name, type or value, as ``asdf``'s search does.

        Parameters
        ----------
        key, value
            A regular expression (str) or an object that must be equal.
        type
            A class, or a regular expression for its full name.

        Returns
        -------
        asdf.search.AsdfSearchResult
            Prints as a tree; ``result["roman"]["meta"]`` narrows it.
        """
        wanted = {"key": key, "type": type, "value": value}
        with _asdf.configured(_asdf.TIMES):
            return self._as_asdf().search(**{k: v for k, v in wanted.items() if v is not None})

    def _as_asdf(self) -> Any:
        import asdf

        self._tree.read_objects()
        # Arrays that are still in the file are shown by shape and type; zero strides: no memory.
        shown = {
            name: np.broadcast_to(np.zeros((), item.dtype), item.shape)
            if isinstance(item, Unread)
            else item
            for name, item in self._tree.data.items()
        }
        return asdf.AsdfFile({**self._tree.header, "roman": shown})

    # -- copying, saving, closing --

    def copy(self) -> Self:
        """A copy that shares nothing with this model nor with its file."""
        tree = Tree(deep_copy(self._tree.data), self.tag, header=self._tree.header)
        return self._view(tree, owner=True)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def save(self, path: str | os.PathLike[str], *, compression: str | None = None) -> Path:
        """Write the model to an ASDF file; an existing one is replaced.

        The file appears whole or not at all. It gets the file date, file name, model type and
        software of this moment where the schema has a place for them; the model itself is left
        as it is.

        Parameters
        ----------
        path
            Name of the file, ending in .asdf.
        compression
            None, or one of asdf's names: "lz4", "zlib", "bzp2".

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        ValidationError
            If the content breaks the schema; nothing is written then.
        ModelError
            If the name does not end in .asdf.
        """
        path = Path(path)
        meta = dict(self._tree.data.get("meta", {}))
        known = self._tree.schema(("meta",))
        for name, value in _stamps(type(self).__name__, path).items():
            if _schema.child(known, name):
                meta[name] = value
        tree = Tree({**self._tree.data, "meta": meta}, self.tag)
        self._before_writing(tree)
        _io.write(tree, path, compression=compression)
        return path

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


def _stamps(model_type: str, path: Path) -> dict[str, Any]:
    from importlib.metadata import version

    from astropy.time import Time

    now = Time.now()
    now.format = "isot"
    return {
        "file_date": now,
        "filename": path.name,
        "model_type": model_type,
        "calibration_software_name": "romancal-rs",
        "calibration_software_version": version("romancal-rs"),
    }


def _kind_of(tag: str) -> str:
    return tag.removeprefix(_schema.TAGS).rpartition("-")[0]


def _words(cls: type[DataModel]) -> str:
    return f"{cls.__name__} ({cls._kind})"


def _class_of(tree: Tree) -> type[DataModel]:
    cls = _CLASSES.get(_kind_of(tree.tag))
    where = f"{tree.source}: " if tree.source else ""
    if cls is None:
        known = ", ".join(sorted(c.__name__ for c in _CLASSES.values()))
        raise UnknownModelError(
            f"{where}a Roman file of kind {_kind_of(tree.tag)!r}, which has no model here; "
            f"known are {known}"
        )
    if _schema.schema_uri(tree.tag) is None:
        raise UnknownModelError(
            f"{where}written by the schema {tree.tag.removeprefix(_schema.TAGS)}, which the "
            "installed `rad` does not have; a newer version of `rad` may"
        )
    return cls


def _read(source: str | os.PathLike[str] | IO[bytes]) -> Tree:
    tree = _io.read(source)
    try:
        if _era2022.is_2022(tree):
            _era2022.to_today(tree)
    except Exception as error:
        tree.close()
        if isinstance(error, (KeyError, TypeError, AttributeError)):
            raise ModelError(
                f"{tree.source}: looks like a file of 2022, but its structure is not: {error!r}"
            ) from error
        raise
    return tree


def open(source: str | os.PathLike[str] | IO[bytes] | DataModel) -> DataModel:
    """Open a file as the model that fits its content.

    Files of today and of 2022 are read; the latter are converted to today's structure in memory.
    Opening reads the metadata only: arrays, transforms and the WCS are read when they are first
    touched. Changes in memory never reach the file.

    Parameters
    ----------
    source : str, path, binary file or DataModel
        A model is returned as a second view of the same content; closing that view leaves the
        model open.

    Returns
    -------
    DataModel
        Use it in a ``with`` statement, so that its file is closed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is not ASDF, is damaged, or holds no Roman data.
    UnknownModelError
        If there is no model for its kind.
    ModelTypeError
        If it is an association.
    """
    if isinstance(source, DataModel):
        return type(source)(source)
    tree = _read(source)
    try:
        return _class_of(tree)._view(tree, owner=True)
    except ModelError:
        tree.close()
        raise


# ---- exposures -----------------------------------------------------------------------------


class ScienceRawModel(DataModel):
    """Level 1: uncalibrated ramps, `data` (n_resultants, n_rows, n_cols) uint16 [DN]."""

    _kind = "wfi_science_raw"
    _new_version = "2.1.0"


class RampModel(DataModel):
    """Ramps between Level 1 and Level 2: `data` float32 [DN], `groupdq` uint8, `pixeldq` uint32.

    Ramps of guide stars may also have `dq`, a two-dimensional uint32 array.
    """

    _kind = "ramp"
    _new_version = "2.1.0"

    @classmethod
    def from_science_raw(cls, raw: ScienceRawModel | RampModel) -> RampModel:
        """Ramps of a Level 1 exposure, ready for the first step.

        Parameters
        ----------
        raw
            The exposure. A RampModel is returned as it is.

        Returns
        -------
        RampModel
            `data` as float32, `pixeldq` and `groupdq` zero (`groupdq` is `resultantdq` if the
            exposure has it), the arrays of border reference pixels zero, every step INCOMPLETE.
            `amp33` is shared with `raw`; the metadata are a copy.

        Raises
        ------
        ModelTypeError
            If `raw` is another kind of model.
        """
        if isinstance(raw, RampModel):
            return raw
        if not isinstance(raw, ScienceRawModel):
            raise ModelTypeError(f"expected {_words(ScienceRawModel)}, got {raw!r}")
        tree = Tree({}, _sibling(raw.tag, cls), header=raw._tree.header, source=raw._tree.source)
        cube = raw.data
        n_resultants, n_rows, n_cols = cube.shape
        groupdq = raw.get("resultantdq")
        meta = deep_copy(raw._tree.data["meta"])
        meta["cal_step"] = steps_to_do(tree)
        border = border_shapes(n_rows, n_cols)
        tree.data.update(
            meta=meta,
            data=cube.astype(np.float32),
            pixeldq=np.zeros((n_rows, n_cols), np.uint32),
            groupdq=np.zeros(cube.shape, np.uint8) if groupdq is None else np.array(groupdq),
            amp33=raw.amp33,
        )
        for side, shape in border.items():
            tree.data[f"border_ref_pix_{side}"] = np.zeros((n_resultants, *shape), np.float32)
        for side, shape in border.items():
            tree.data[f"dq_border_ref_pix_{side}"] = np.zeros(shape, np.uint32)
        return cls._view(tree, owner=True)


class ImageModel(DataModel):
    """Level 2: a calibrated rate image.

    `data` float32 [DN/s], `dq` uint32, and `err`, `var_poisson`, `var_rnoise`, `var_flat`,
    `chisq`, `dumo`: float32 in memory, half precision in files.
    """

    _kind = "wfi_image"
    _new_version = "2.1.0"

    @classmethod
    def from_ramp(
        cls,
        ramp: RampModel,
        *,
        data: np.ndarray[Any, Any],
        dq: np.ndarray[Any, Any],
        err: np.ndarray[Any, Any],
        var_poisson: np.ndarray[Any, Any],
        var_rnoise: np.ndarray[Any, Any],
        chisq: np.ndarray[Any, Any],
        dumo: np.ndarray[Any, Any],
    ) -> ImageModel:
        """The image that the ramp fit makes of a ramp.

        Parameters
        ----------
        ramp
            Where the metadata (copied), `amp33` and the border reference pixels (shared) come
            from. It also fixes the series of the tag.
        data, err, dumo : ndarray, (n_rows, n_cols), float32
            Rate, its error, and the difference of the uniform fit to it [DN/s].
        dq : ndarray, (n_rows, n_cols), uint32
            Flags.
        var_poisson, var_rnoise : ndarray, (n_rows, n_cols), float32
            Variances [DN^2/s^2].
        chisq : ndarray, (n_rows, n_cols), float32
            Chi squared of the fit.

        Returns
        -------
        ImageModel
            Without WCS and photometry (null), with the ramp's steps and log messages.

        Raises
        ------
        ValidationError
            If an array has the wrong type or number of dimensions.
        """
        tree = Tree({}, _sibling(ramp.tag, cls), header=ramp._tree.header)
        meta = deep_copy(ramp._tree.data["meta"])
        meta["photometry"] = dict.fromkeys(
            ("conversion_megajanskys", "conversion_megajanskys_uncertainty", "pixel_area")
        )
        meta["wcs"] = None
        meta["product_type"] = "l2"
        meta["model_type"] = cls.__name__
        meta.setdefault("cal_logs", [])
        tree.data["meta"] = meta
        image = cls._view(tree, owner=True)
        arrays = dict(data=data, dq=dq, err=err, var_poisson=var_poisson, var_rnoise=var_rnoise)
        for name, array in {**arrays, "chisq": chisq, "dumo": dumo}.items():
            image[name] = array
        for name in ramp:
            if name == "amp33" or "border_ref_pix" in name:
                tree.data[name] = ramp[name]
        return image


class RampFitOutputModel(DataModel):
    """The optional product of the ramp fit: what was fitted to each segment, in electrons."""

    _kind = "ramp_fit_output"
    _new_version = "1.7.0"

    @classmethod
    def from_ramp(cls, ramp: RampModel, **arrays: np.ndarray[Any, Any]) -> RampFitOutputModel:
        """The optional product for a ramp.

        Parameters
        ----------
        ramp
            Where the metadata come from. They are brought to the older schema of this product:
            what it requires and nobody knows is filled in as unknown.
        **arrays : ndarray, float32
            `slope`, `sigslope`, `yint`, `sigyint`, `weights`, `var_poisson`, `var_rnoise`
            (n_segments, n_rows, n_cols), `crmag` (n_jumps, n_rows, n_cols), `pedestal`
            (n_rows, n_cols); in electrons and seconds.

        Raises
        ------
        ValidationError
            If an array has the wrong type or number of dimensions.
        """
        tree = Tree({}, cls._new_tag(), header=ramp._tree.header)
        meta = deep_copy(ramp._tree.data["meta"])
        if meta["exposure"]["type"] in _schema.MANUAL_SPECTRAL_TYPES:
            meta["exposure"]["type"] = "WFI_SPECTRAL"
        tree.data["meta"] = conform(meta, tree.schema(("meta",)), ("meta",))
        product = cls._view(tree, owner=True)
        for name, array in arrays.items():
            product[name] = array
        return product


def border_shapes(n_rows: int, n_cols: int) -> dict[str, tuple[int, int]]:
    """Shapes of the border reference pixels of a detector with that many rows and columns."""
    upright = (n_rows, min(BORDER, n_cols))
    flat = (min(BORDER, n_rows), n_cols)
    return {"left": upright, "right": upright, "top": flat, "bottom": flat}


def steps_to_do(tree: Tree) -> dict[str, str]:
    """`meta.cal_step` before the first step: the schema's steps and the jump step."""
    schema = tree.schema(("meta", "cal_step"))
    names = [name for part in _schema.parts(schema) for name in part.get("properties", ())]
    return dict.fromkeys([*names, "jump"], "INCOMPLETE")


def _sibling(tag: str, cls: type[DataModel]) -> str:
    """The tag of another exposure model in the same series.

    Level 1, ramp and Level 2 have the same version in every manifest of the mission.
    """
    return f"{_schema.TAGS}{cls._kind}-{tag.rpartition('-')[2]}"


# ---- reference files -----------------------------------------------------------------------


class DarkRefModel(DataModel):
    """DARK: `dark_slope` [DN/s] today, `data` [DN per resultant] in files of 2022; `dq`."""

    _kind = "reference_files/dark"
    _new_version = "2.0.0"

    def _before_writing(self, tree: Tree) -> None:
        if "data" not in tree.data:
            return
        # The last series with a plane per resultant also has a rate. It does not follow from the
        # planes, whose times the file does not know: NaN.
        tree.tag = f"{_schema.TAGS}{self._kind}-1.2.0"
        for name in ("dark_slope", "dark_slope_error"):
            shape = tree.data["data"].shape[1:]
            tree.data.setdefault(name, np.full(shape, np.nan, np.float32))
        tree.data["meta"] = complete(tree.data["meta"], tree.schema(("meta",)), ("meta",))


class DistortionRefModel(DataModel):
    """DISTORTION: `coordinate_distortion_transform`, from pixels to V2, V3 in arcseconds."""

    _kind = "reference_files/distortion"
    _new_version = "2.0.0"


class FlatRefModel(DataModel):
    """FLAT: `data`, `err`, `dq`."""

    _kind = "reference_files/flat"
    _new_version = "2.0.0"


class GainRefModel(DataModel):
    """GAIN: `data` [e-/DN]."""

    _kind = "reference_files/gain"
    _new_version = "2.0.0"


class LinearityRefModel(DataModel):
    """LINEARITY: `coeffs` (n_coeffs, n_rows, n_cols), `dq`."""

    _kind = "reference_files/linearity"
    _new_version = "2.0.0"


class MaskRefModel(DataModel):
    """MASK: `dq`."""

    _kind = "reference_files/mask"
    _new_version = "2.0.0"


class WfiImgPhotomRefModel(DataModel):
    """PHOTOM: `phot_table`, a row for each optical element, in MJy/sr and sr."""

    _kind = "reference_files/wfi_img_photom"
    _new_version = "2.0.0"


class ReadnoiseRefModel(DataModel):
    """READNOISE: `data`, the noise of one read [DN]."""

    _kind = "reference_files/readnoise"
    _new_version = "2.0.0"


class SaturationRefModel(DataModel):
    """SATURATION: `data`, the threshold [DN], and `dq`."""

    _kind = "reference_files/saturation"
    _new_version = "2.0.0"


def reference_model(reftype: str) -> type[DataModel]:
    """The class for a reference type, such as "dark" or "PHOTOM".

    Raises
    ------
    UnknownModelError
        If there is no model for it.
    """
    name = {"photom": "wfi_img_photom"}.get(reftype.lower(), re.sub(r"\W", "", reftype.lower()))
    try:
        return _CLASSES[f"reference_files/{name}"]
    except KeyError:
        raise UnknownModelError(f"no model for reference files of type {reftype!r}") from None
