"""The models of reference files."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _schema
from ._base import CLASSES, DataModel
from ._defaults import complete
from ._errors import UnknownModelError
from ._tree import ERA_2022, Tree, Unread


class BamRefModel(DataModel):
    """BAM: `bam_quaternion`, from the observatory's boresight to its guidance system. From rad 1.2.

    No step of this package uses it; Level 1 files of series 2.2.0 name it in ``meta.ref_file``.
    """

    _kind = "reference_files/bam"
    _new_version = "2.0.0"


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
    """READNOISE: `data`, the noise of one read [DN]; in files of 2022 of a difference of two.

    In memory `data` are the numbers of the file. A model of 2022 is saved as today's files are:
    with the noise of one read.
    """

    _kind = "reference_files/readnoise"
    _new_version = "2.0.0"

    @property
    def is_cds(self) -> bool:
        """Whether `data` is the noise of a difference of two reads (correlated double sampling)."""
        return self.era == ERA_2022

    def _before_writing(self, tree: Tree) -> None:
        array: Any = tree.data.get("data")
        if not self.is_cds or not hasattr(array, "dtype"):
            return
        of_two = array if isinstance(array, Unread) else Unread(lambda: array)
        tree.data["data"] = Unread(
            lambda: noise_of_one_read(of_two.read()), tuple(array.shape), array.dtype
        )


class SaturationRefModel(DataModel):
    """SATURATION: `data`, the threshold [DN], and `dq`."""

    _kind = "reference_files/saturation"
    _new_version = "2.0.0"


def noise_of_one_read(noise_of_two: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The noise of one read, of which that of a difference of two reads is sqrt(2) times."""
    return noise_of_two / np.float32(np.sqrt(2.0))


def reference_model(reftype: str) -> type[DataModel]:
    """The class for a reference type, such as "dark" or "PHOTOM".

    Raises
    ------
    UnknownModelError
        If there is no model for it.
    """
    name = {"photom": "wfi_img_photom"}.get(reftype.lower(), reftype.lower())
    try:
        return CLASSES[f"reference_files/{name}"]
    except KeyError:
        raise UnknownModelError(f"no model for reference files of type {reftype!r}") from None
