"""Made-up exposures, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...border import BORDER
from ...errors import InputError
from .. import _exposure_parts, _exposures
from .._base import DataModel
from .._defaults import UNKNOWN_NUMBER
from .._nodes import DNode
from .._tree import Tree
from ._nodes import Meta, checked_shape, made_up_node

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_AMP33_COLS = 128


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
    given: Mapping[str, ArrayLike],
) -> tuple[tuple[int, ...], Sequence[Sequence[int]]]:
    """Shape of a ramp and its read pattern: each follows from the other if one is missing."""
    if shape is None:
        cube = given.get("data")
        n_resultants = len(read_pattern) if read_pattern is not None else 2
        shape = np.shape(cube) if cube is not None else (n_resultants, 16, 16)
    shape = checked_shape(shape, 3)
    if read_pattern is None:
        read_pattern = [[read] for read in range(1, shape[0] + 1)]
    if len(read_pattern) != shape[0]:
        raise InputError(
            f"read_pattern: expected {shape[0]} resultants as in shape {shape}, "
            f"got {len(read_pattern)}"
        )
    return shape, read_pattern


def _border(n_resultants: int, n_rows: int, n_cols: int) -> dict[str, np.ndarray[Any, Any]]:
    border = _exposure_parts.border_shapes(n_rows, n_cols)
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
    **arrays: ArrayLike,
) -> DNode:
    """A Level 1 exposure; `shape` is (n_resultants, n_rows, n_cols), (2, 16, 16) by default.

    Parameters
    ----------
    shape : sequence of int, optional
        (n_resultants, n_rows, n_cols) of the ramp; (2, 16, 16) by default.
    detector : str, optional
        Name of the detector.
    optical_element : str, optional
        Name of the filter, grism or prism.
    exposure_type : str, optional
        Type of the exposure.
    read_pattern : sequence of sequence of int, optional
        Numbers of the reads of each resultant.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    shape, read_pattern = _reads(shape, read_pattern, arrays)
    model = _exposures.ScienceRawModel
    made_up = _exposure_meta(detector, optical_element, exposure_type, read_pattern, "l1", model)
    content = {
        "data": np.zeros(shape, np.uint16),
        "amp33": np.zeros((*shape[:2], _AMP33_COLS), np.uint16),
    }
    return made_up_node(model, made_up, content, arrays, meta)


def create_ramp(
    shape: Sequence[int] | None = None,
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    read_pattern: Sequence[Sequence[int]] | None = None,
    meta: Meta | None = None,
    **arrays: ArrayLike,
) -> DNode:
    """A ramp; `shape` is (n_resultants, n_rows, n_cols), (2, 16, 16) by default.

    Parameters
    ----------
    shape : sequence of int, optional
        (n_resultants, n_rows, n_cols) of the ramp; (2, 16, 16) by default.
    detector : str, optional
        Name of the detector.
    optical_element : str, optional
        Name of the filter, grism or prism.
    exposure_type : str, optional
        Type of the exposure.
    read_pattern : sequence of sequence of int, optional
        Numbers of the reads of each resultant.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    shape, read_pattern = _reads(shape, read_pattern, arrays)
    model = _exposures.RampModel
    made_up = _exposure_meta(detector, optical_element, exposure_type, read_pattern, "l1", model)
    made_up["cal_step"] = _exposure_parts.steps_to_do(Tree({}, model.new_tag()))
    content = {
        "data": np.zeros(shape, np.float32),
        "pixeldq": np.zeros(shape[1:], np.uint32),
        "groupdq": np.zeros(shape, np.uint8),
        "amp33": np.zeros((*shape[:2], _AMP33_COLS), np.uint16),
        **_border(*shape),
    }
    return made_up_node(model, made_up, content, arrays, meta)


def create_wfi_image(
    shape: Sequence[int] | None = None,
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    read_pattern: Sequence[Sequence[int]] | None = None,
    meta: Meta | None = None,
    **arrays: ArrayLike,
) -> DNode:
    """A Level 2 image without WCS; `shape` is (n_rows, n_cols), (8, 8) by default.

    Parameters
    ----------
    shape : sequence of int, optional
        (n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    optical_element : str, optional
        Name of the filter, grism or prism.
    exposure_type : str, optional
        Type of the exposure.
    read_pattern : sequence of sequence of int, optional
        Numbers of the reads of each resultant.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    if shape is None:
        shape = np.shape(arrays["data"]) if "data" in arrays else (8, 8)
    n_rows, n_cols = shape = checked_shape(shape, 2)
    if read_pattern is None:
        read_pattern = [[1], [2]]
    model = _exposures.ImageModel
    made_up = _exposure_meta(detector, optical_element, exposure_type, read_pattern, "l2", model)
    made_up["cal_step"] = _exposure_parts.steps_to_do(Tree({}, model.new_tag()))
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
    return made_up_node(model, made_up, content, arrays, meta)


def create_ramp_fit_output(
    shape: Sequence[int] = (2, 8, 8),
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    read_pattern: Sequence[Sequence[int]] = ((1,), (2,)),
    meta: Meta | None = None,
    **arrays: ArrayLike,
) -> DNode:
    """The optional product of the ramp fit; `shape` is (n_segments, n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        (n_segments, n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    optical_element : str, optional
        Name of the filter, grism or prism.
    exposure_type : str, optional
        Type of the exposure.
    read_pattern : sequence of sequence of int, optional
        Numbers of the reads of each resultant.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    shape = checked_shape(shape, 3)
    model = _exposures.RampFitOutputModel
    made_up = _exposure_meta(detector, optical_element, exposure_type, read_pattern, "l2", model)
    names = ("slope", "sigslope", "yint", "sigyint", "weights", "crmag", "var_poisson")
    content = {name: np.zeros(shape, np.float32) for name in (*names, "var_rnoise")}
    content["pedestal"] = np.zeros(shape[1:], np.float32)
    return made_up_node(model, made_up, content, arrays, meta)
