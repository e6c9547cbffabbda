"""Writing the files of the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import _core, _traffic, _yaml_text
from .._asdf_block_writing import COMPRESSIONS, write_blocks
from .._files import replacing
from .._tagged import Tagged
from .._version import software_version
from . import _asdf, _schema
from ._describing import Describer, is_of_wcs
from ._errors import ModelError
from ._places import Place
from ._tree import Described, Tree, Unread

_START = f"#ASDF 1.0.0\n#ASDF_STANDARD {_asdf.STANDARD}\n"
_SIMPLE = frozenset({int, float, bool, type(None)})
_EXPOSURE_TYPES = ("type", "p_exptype")
_ROOT_TAG = "tag:stsci.edu:asdf/core/asdf-1.1.0"


class Writer:
    """Makes the tree that goes into the file from the tree of a model.

    Arrays get the exact type of the schema: half precision is clipped to its largest finite value
    (NaN stays NaN). The manual's spectral exposure types get today's name where the schema has no
    other. Values that the schema tags (series 1.0 to 1.3) are tagged.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.has_wcs = False
        self.has_arrays = False

    def root(self) -> Tagged:
        return Tagged(self.tree.tag, self._convert(self.tree.data, self.tree.place()))

    def _convert(self, value: Any, place: Place) -> Any:
        if isinstance(value, Described):
            return value
        if isinstance(value, Unread):
            value = value.raw()  # an array is only copied from file to file
        if isinstance(value, str):
            return self._string(value, place) if place.path[-1] in _EXPOSURE_TYPES else value
        if type(value) in _SIMPLE:
            return value
        if isinstance(value, dict):
            return {key: self._item(item, place.child(key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._item(item, place.child(index)) for index, item in enumerate(value)]
        if isinstance(value, np.ndarray):
            self.has_arrays = True
            return self._array(value, place)
        self.has_wcs |= is_of_wcs(value)
        return value

    def _item(self, value: Any, place: Place) -> Any:
        value = self._convert(value, place)
        if place.tag is None:
            return value
        # The old tag of the file date stands for the time itself.
        return Tagged(place.tag, value.isot if hasattr(value, "isot") else value)

    def _array(self, array: np.ndarray[Any, Any], place: Place) -> np.ndarray[Any, Any]:
        if not place.is_half or array.dtype == np.float16:
            return array
        return to_half(array)

    def _string(self, value: str, place: Place) -> str:
        if place.path[-2:] == ("exposure", "type"):
            known = place.keyword("enum") or ()
            if value in _schema.MANUAL_SPECTRAL_TYPES and value not in known:
                return "WFI_SPECTRAL" if "WFI_SPECTRAL" in known else value
        if place.path[-2:] == ("exposure", "p_exptype"):
            pattern = place.keyword("pattern")
            if pattern and "WFI_SPECTRAL" in pattern:
                return _schema.spectral_to_today(value)
        return value


def to_half(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Numbers in half precision, as files have them: clipped to its largest finite value."""
    numbers = np.require(array, np.float32, ["C", "ALIGNED"]).reshape(-1)
    return _core.to_half(numbers).view(np.float16).reshape(array.shape)


def write(tree: Tree, path: Path, *, compression: str | None) -> None:
    """Write a tree, atomically: into a new file beside `path`, which then takes its name.

    Raises
    ------
    ValidationError
        If the content breaks the schema. No file is written then.
    ModelError
        If the name does not end in .asdf, the compression is not known, or a value is of a kind
        that no file can hold. No file is written then.
    OSError
        If the file cannot be written; it names `path` and the reason.
    """
    if path.suffix.lower() != ".asdf":
        raise ModelError(f"{path}: models are written as ASDF only; the name must end in .asdf")
    if compression is not None and compression not in COMPRESSIONS:
        raise ModelError(
            f"{path}: compression = {compression!r}: expected None or one of "
            f"{', '.join(COMPRESSIONS)}"
        )
    tree.validate()
    head, arrays = _head(tree)
    with replacing(path) as file:
        file.write(head)
        count = _traffic.counter_of_writing(path.name, sum(array.nbytes for array in arrays))
        write_blocks(file, arrays, compression, count)


def _head(tree: Tree) -> tuple[bytes, list[np.ndarray[Any, Any]]]:
    """The head of the file of a tree, and the arrays of its blocks."""
    writer = Writer(tree)
    root = writer.root()
    with _asdf.Converters(_asdf.OBJECTS if writer.has_wcs else _asdf.TIMES) as converters:
        describer = Describer(converters, coefficients_in_head=writer.has_arrays)
        content, arrays = describer.describe(root, tree.place().names)
        history = {"extensions": converters.records()}
    document = {"asdf_library": _asdf.library(), "history": history, "roman": content}
    text = _START + _yaml_text.document(Tagged(_ROOT_TAG, document))
    try:
        return text.encode(), arrays
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 60) : error.end + 20]
        raise ModelError(f"half a character cannot be written: {around!r}") from None


def stamps(model_type: str, path: Path) -> dict[str, Any]:
    """What a file says of its own making: when, under which name, by which software."""
    from astropy.time import Time

    now = Time.now()
    now.format = "isot"
    return {
        "file_date": now,
        "filename": path.name,
        "model_type": model_type,
        "calibration_software_name": "romancal-rs",
        "calibration_software_version": software_version(),
    }
