"""Small, valid and obviously made-up models for tests and examples.

Each ``create_...`` function returns a node, from which the model is made::

    >>> from romancal_rs.datamodels import ImageModel
    >>> from romancal_rs.datamodels.testing import create_wfi_image
    >>> ImageModel(create_wfi_image()).shape
    (8, 8)

Metadata that nobody gave are "?", -999999 and the like. All functions take the keywords

shape
    Shape of the main array.
detector, optical_element
    Of the instrument.
meta
    More metadata, by dotted name: ``{"exposure.frame_time": 3.04}``.
arrays and tables by their name
    ``data=...``, to replace a made-up one.

and those of exposures also `exposure_type` and `read_pattern` (1-based read numbers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..border import BORDER
from ..errors import InputError
from . import _exposures, _references
from ._base import DataModel
from ._defaults import UNKNOWN_NUMBER, complete
from ._nodes import DNode
from ._tree import Tree

_FILTERS = ("F062", "F087", "F106", "F129", "F146", "F158", "F184", "F213")
_AMP33_COLS = 128

Meta = Mapping[str, Any]


def _node(
    model: type[DataModel],
    meta: dict[str, Any],
    content: Mapping[str, Any],
    given: Mapping[str, Any],
    more_meta: Meta | None,
) -> DNode:
    """A node of the model's newest schema: made-up content, what was given, all else unknown."""
    tree = Tree({}, model.new_tag())
    tree.data["meta"] = complete(meta, tree.schema(("meta",)), ("meta",))
    tree.data.update(content)
    node = DNode(tree, tree.data)
    for name, value in (more_meta or {}).items():
        node["meta." + name] = value
    for name, value in given.items():
        node[name] = value
    return node


def _shape(shape: Sequence[int], ndim: int) -> tuple[int, ...]:
    if len(shape) != ndim:
        raise InputError(f"shape: expected {ndim} numbers, got {tuple(shape)}")
    return tuple(shape)


# ---- exposures -----------------------------------------------------------------------------


def _exposure_meta(
    detector: str,
    optical_element: str,
    exposure_type: str,
    read_pattern: Sequence[Sequence[int]],
    product_type: str,
    model: type[DataModel],
) -> dict[str, Any]:
    number = float(UNKNOWN_NUMBER)
    return {
        "filename": "?",
        "model_type": model.__name__,
        "product_type": product_type,
        "exposure": {
            "type": exposure_type,
            "read_pattern": [list(reads) for reads in read_pattern],
            "nresultants": len(read_pattern),
        },
        "instrument": {
            "name": "WFI",
            "detector": detector,
            "optical_element": optical_element,
        },
        "wcsinfo": {"aperture_name": f"{detector}_FULL"},
        # The manual's examples use these two blocks, which today's schemas do not have.
        "aperture": {"name": f"{detector}_FULL", "position_angle": number},
        "target": {"ra": number, "dec": number},
    }


def _reads(
    shape: Sequence[int] | None,
    read_pattern: Sequence[Sequence[int]] | None,
    given: Mapping[str, Any],
) -> tuple[tuple[int, ...], Sequence[Sequence[int]]]:
    """Shape of a ramp and its read pattern: each follows from the other if one is missing."""
    if shape is None:
        cube = given.get("data")
        n_resultants = len(read_pattern) if read_pattern is not None else 2
        shape = np.shape(cube) if cube is not None else (n_resultants, 16, 16)
    shape = _shape(shape, 3)
    if read_pattern is None:
        read_pattern = [[read] for read in range(1, shape[0] + 1)]
    if len(read_pattern) != shape[0]:
        raise InputError(
            f"read_pattern: expected {shape[0]} resultants as in shape {shape}, "
            f"got {len(read_pattern)}"
        )
    return shape, read_pattern


def _border(n_resultants: int, n_rows: int, n_cols: int) -> dict[str, np.ndarray[Any, Any]]:
    border = _exposures.border_shapes(n_rows, n_cols)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for side, shape in border.items():
        arrays[f"border_ref_pix_{side}"] = np.zeros((n_resultants, *shape), np.float32)
        arrays[f"dq_border_ref_pix_{side}"] = np.zeros(shape, np.uint32)
    return arrays


def create_wfi_science_raw(
    shape: Sequence[int] | None = None,
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    read_pattern: Sequence[Sequence[int]] | None = None,
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A Level 1 exposure; `shape` is (n_resultants, n_rows, n_cols), (2, 16, 16) by default."""
    shape, read_pattern = _reads(shape, read_pattern, arrays)
    model = _exposures.ScienceRawModel
    made_up = _exposure_meta(detector, optical_element, exposure_type, read_pattern, "l1", model)
    content = {
        "data": np.zeros(shape, np.uint16),
        "amp33": np.zeros((*shape[:2], _AMP33_COLS), np.uint16),
    }
    return _node(model, made_up, content, arrays, meta)


def create_ramp(
    shape: Sequence[int] | None = None,
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    read_pattern: Sequence[Sequence[int]] | None = None,
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A ramp; `shape` is (n_resultants, n_rows, n_cols), (2, 16, 16) by default."""
    shape, read_pattern = _reads(shape, read_pattern, arrays)
    model = _exposures.RampModel
    made_up = _exposure_meta(detector, optical_element, exposure_type, read_pattern, "l1", model)
    made_up["cal_step"] = _exposures.steps_to_do(Tree({}, model.new_tag()))
    content = {
        "data": np.zeros(shape, np.float32),
        "pixeldq": np.zeros(shape[1:], np.uint32),
        "groupdq": np.zeros(shape, np.uint8),
        "amp33": np.zeros((*shape[:2], _AMP33_COLS), np.uint16),
        **_border(*shape),
    }
    return _node(model, made_up, content, arrays, meta)


def create_wfi_image(
    shape: Sequence[int] | None = None,
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    read_pattern: Sequence[Sequence[int]] | None = None,
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A Level 2 image without WCS; `shape` is (n_rows, n_cols), (8, 8) by default."""
    if shape is None:
        shape = np.shape(arrays["data"]) if "data" in arrays else (8, 8)
    n_rows, n_cols = shape = _shape(shape, 2)
    if read_pattern is None:
        read_pattern = [[1], [2]]
    model = _exposures.ImageModel
    made_up = _exposure_meta(detector, optical_element, exposure_type, read_pattern, "l2", model)
    made_up["cal_step"] = _exposures.steps_to_do(Tree({}, model.new_tag()))
    made_up["cal_logs"] = ["2020-01-01T00:00:00.000Z : ? : INFO : made up"]
    made_up["wcs"] = None
    names = ("err", "var_poisson", "var_rnoise", "var_flat", "chisq", "dumo")
    n_border = 2 * BORDER
    content = {
        "data": np.zeros(shape, np.float32),
        "dq": np.zeros(shape, np.uint32),
        **{name: np.zeros(shape, np.float32) for name in names},
        "amp33": np.zeros((len(read_pattern), n_rows + n_border, _AMP33_COLS), np.uint16),
        **_border(len(read_pattern), n_rows + n_border, n_cols + n_border),
    }
    return _node(model, made_up, content, arrays, meta)


def create_ramp_fit_output(
    shape: Sequence[int] = (2, 8, 8),
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    read_pattern: Sequence[Sequence[int]] = ((1,), (2,)),
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """The optional product of the ramp fit; `shape` is (n_segments, n_rows, n_cols)."""
    shape = _shape(shape, 3)
    model = _exposures.RampFitOutputModel
    made_up = _exposure_meta(detector, optical_element, exposure_type, read_pattern, "l2", model)
    names = ("slope", "sigslope", "yint", "sigyint", "weights", "crmag", "var_poisson")
    content = {name: np.zeros(shape, np.float32) for name in (*names, "var_rnoise")}
    content["pedestal"] = np.zeros(shape[1:], np.float32)
    return _node(model, made_up, content, arrays, meta)


# ---- reference files -----------------------------------------------------------------------


def _reference(
    model: type[DataModel],
    content: Mapping[str, Any],
    given: Mapping[str, Any],
    meta: Meta | None,
    detector: str,
    optical_element: str | None = None,
    exposure_type: str | None = None,
) -> DNode:
    instrument = {"name": "WFI", "detector": detector}
    if optical_element is not None:
        instrument["optical_element"] = optical_element
    made_up: dict[str, Any] = {"instrument": instrument, "author": "?", "pedigree": "DUMMY"}
    made_up["description"] = "made up for a test"
    if exposure_type is not None:
        made_up["exposure"] = {"type": exposure_type, "p_exptype": f"{exposure_type}|"}
    return _node(model, made_up, content, given, meta)


def create_bam(*, detector: str = "WFI01", meta: Meta | None = None, **content: Any) -> DNode:
    """A BAM that does not rotate. It needs the schemas of rad 1.2."""
    made_up = {"bam_quaternion": [0.0, 0.0, 0.0, 1.0]}
    return _reference(_references.BamRefModel, made_up, content, meta, detector)


def create_dark(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A DARK of zeros, as a rate; `shape` is (n_rows, n_cols)."""
    shape = _shape(shape, 2)
    content = {
        "dq": np.zeros(shape, np.uint32),
        "dark_slope": np.zeros(shape, np.float32),
        "dark_slope_error": np.zeros(shape, np.float32),
    }
    model = _references.DarkRefModel
    return _reference(model, content, arrays, meta, detector, optical_element, exposure_type)


def create_distortion(
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    meta: Meta | None = None,
    **content: Any,
) -> DNode:
    """A DISTORTION: shift and scale, 0.1 arcseconds per pixel. Imports `astropy.modeling`."""
    if "coordinate_distortion_transform" not in content:
        from astropy.modeling.models import Scale, Shift

        content["coordinate_distortion_transform"] = Shift(-8.0) & Shift(-8.0) | Scale(0.1) & Scale(
            0.1
        )
    model = _references.DistortionRefModel
    return _reference(model, {}, content, meta, detector, optical_element)


def create_flat(
    shape: Sequence[int] = (8, 8),
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A FLAT of ones without error; `shape` is (n_rows, n_cols)."""
    shape = _shape(shape, 2)
    content = {
        "data": np.ones(shape, np.float32),
        "dq": np.zeros(shape, np.uint32),
        "err": np.zeros(shape, np.float32),
    }
    return _reference(_references.FlatRefModel, content, arrays, meta, detector, optical_element)


def create_gain(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A GAIN of 1 e-/DN; `shape` is (n_rows, n_cols)."""
    content = {"data": np.ones(_shape(shape, 2), np.float32)}
    return _reference(_references.GainRefModel, content, arrays, meta, detector)


def create_linearity(
    shape: Sequence[int] = (2, 16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A LINEARITY that changes nothing; `shape` is (n_coeffs, n_rows, n_cols)."""
    shape = _shape(shape, 3)
    coeffs = np.zeros(shape, np.float32)
    coeffs[1:2] = 1.0
    content = {"coeffs": coeffs, "dq": np.zeros(shape[1:], np.uint32)}
    return _reference(_references.LinearityRefModel, content, arrays, meta, detector)


def create_mask(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A MASK without flags; `shape` is (n_rows, n_cols)."""
    content = {"dq": np.zeros(_shape(shape, 2), np.uint32)}
    return _reference(_references.MaskRefModel, content, arrays, meta, detector)


def create_photom(*, detector: str = "WFI01", meta: Meta | None = None, **content: Any) -> DNode:
    """A PHOTOM with 1 MJy/sr per DN/s and a pixel of 1e-12 sr for every filter."""
    curve = {
        "wavelength": np.ones(2, np.float32),
        "effective_area": np.ones(2, np.float32),
    }
    no_photometry = dict.fromkeys(("photmjsr", "uncertainty", "pixelareasr"))
    table: dict[str, Any] = {
        name: {
            "photmjsr": 1.0,
            "uncertainty": 0.0,
            "pixelareasr": 1e-12,
            "collecting_area": 1.0,
            **curve,
        }
        for name in _FILTERS
    }
    for name in ("GRISM", "PRISM"):
        table[name] = {**no_photometry, "collecting_area": 1.0, **curve}
    table["DARK"] = {**no_photometry, **dict.fromkeys(("collecting_area", *curve))}
    model = _references.WfiImgPhotomRefModel
    return _reference(model, {"phot_table": table}, content, meta, detector)


create_wfi_img_photom = create_photom


def create_readnoise(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    exposure_type: str = "WFI_IMAGE",
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A READNOISE of 1 DN per read; `shape` is (n_rows, n_cols)."""
    content = {"data": np.ones(_shape(shape, 2), np.float32)}
    model = _references.ReadnoiseRefModel
    return _reference(model, content, arrays, meta, detector, None, exposure_type)


def create_saturation(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: Any,
) -> DNode:
    """A SATURATION at 60000 DN; `shape` is (n_rows, n_cols)."""
    shape = _shape(shape, 2)
    content = {"data": np.full(shape, 60000.0, np.float32), "dq": np.zeros(shape, np.uint32)}
    return _reference(_references.SaturationRefModel, content, arrays, meta, detector)
