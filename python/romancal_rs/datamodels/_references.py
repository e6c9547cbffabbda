"""The models of reference files."""

from __future__ import annotations

import numpy as np

from . import _schema
from ._base import CLASSES, DataModel
from ._defaults import complete
from ._errors import UnknownModelError
from ._nodes import Tree


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
    name = {"photom": "wfi_img_photom"}.get(reftype.lower(), reftype.lower())
    try:
        return CLASSES[f"reference_files/{name}"]
    except KeyError:
        raise UnknownModelError(f"no model for reference files of type {reftype!r}") from None
