"""Made-up reference files that change nothing, or as little as may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...reference_types import TYPES
from .. import _references
from .._nodes import DNode
from ._nodes import Meta, checked_shape, made_up_node

_FILTERS = ("F062", "F087", "F106", "F129", "F146", "F158", "F184", "F213")


def _reference(
    reftype: str,
    content: Mapping[str, object],
    given: Mapping[str, object],
    more_meta: Meta | None,
    detector: str,
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    **meta: object,
) -> DNode:
    """A node of a reference file, which states what files of its type state."""
    stated = TYPES[reftype].stated
    instrument = {"name": "WFI", "detector": detector}
    if "optical_element" in stated:
        instrument["optical_element"] = optical_element
    if "exposure_type" in stated:
        meta["exposure"] = {"type": exposure_type, "p_exptype": f"{exposure_type}|"}
    meta |= {"instrument": instrument, "author": "?", "pedigree": "DUMMY"}
    meta["description"] = "made up for a test"
    return made_up_node(_references.reference_model(reftype), meta, content, given, more_meta)


def _arrays(reftype: str, shape: Sequence[int], **values: float) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays that a file of a type must have, filled with a value, or else with 0.

    `shape` is that of the one with most axes; the others have the last of these.
    """
    needed = [array for array in TYPES[reftype].arrays if not array.optional]
    ndim = max(len(array.axes) for array in needed)
    shape = checked_shape(shape, ndim)
    return {
        array.name: np.full(
            shape[ndim - len(array.axes) :], values.get(array.name, 0), np.dtype(array.dtype)
        )
        for array in needed
    }


def create_apcorr(*, detector: str = "WFI01", meta: Meta | None = None, **content: object) -> DNode:
    """An APCORR with half of the light within 0.1 arcseconds, all within 1, for every filter.

    Parameters
    ----------
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **content : object
        Content by name, in place of what is made up.

    Returns
    -------
    DNode
    """
    row = {
        "ap_corrections": np.array([2.0, 1.0]),
        "ee_fractions": np.array([0.5, 1.0]),
        "ee_radii": np.array([0.1, 1.0]),
        "sky_background_rin": 2.0,
        "sky_background_rout": 3.0,
    }
    table = {name: dict(row) for name in _FILTERS}
    table |= {name: dict.fromkeys(row) for name in ("GRISM", "PRISM", "DARK")}
    return _reference("APCORR", {"data": table}, content, meta, detector)


def create_area(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """An AREA of ones; `shape` is (n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        Shape of the main array, (n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    optical_element : str, optional
        Name of the filter, grism or prism.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    content = _arrays("AREA", shape, data=1)
    return _reference("AREA", content, arrays, meta, detector, optical_element)


create_pixelarea = create_area


def create_bam(*, detector: str = "WFI01", meta: Meta | None = None, **content: object) -> DNode:
    """A BAM that does not rotate. It needs the schemas of rad 1.2.

    Parameters
    ----------
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **content : object
        Content by name, in place of what is made up.

    Returns
    -------
    DNode
    """
    made_up = {"bam_quaternion": [0.0, 0.0, 0.0, 1.0]}
    return _reference("BAM", made_up, content, meta, detector)


def create_dark(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """A DARK of zeros, as a rate; `shape` is (n_rows, n_cols).

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
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    content = _arrays("DARK", shape)
    return _reference("DARK", content, arrays, meta, detector, optical_element, exposure_type)


def create_darkdecaysignal(
    *, detector: str = "WFI01", meta: Meta | None = None, **content: object
) -> DNode:
    """A DARKDECAYSIGNAL of 0 DN, and of a second, for each of the 18 detectors.

    Parameters
    ----------
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **content : object
        Content by name, in place of what is made up.

    Returns
    -------
    DNode
    """
    row = {"amplitude": 0.0, "time_constant": 1.0}
    table = {f"WFI{number:02d}": dict(row) for number in range(1, 19)}
    return _reference("DARKDECAYSIGNAL", {"decay_table": table}, content, meta, detector)


def create_distortion(
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    meta: Meta | None = None,
    **content: object,
) -> DNode:
    """A DISTORTION: shift and scale, 0.1 arcseconds per pixel. Imports `astropy.modeling`.

    Parameters
    ----------
    detector : str, optional
        Name of the detector.
    optical_element : str, optional
        Name of the filter, grism or prism.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **content : object
        Content by name, in place of what is made up.

    Returns
    -------
    DNode
    """
    if "coordinate_distortion_transform" not in content:
        from astropy.modeling.models import Scale, Shift

        content["coordinate_distortion_transform"] = Shift(-8.0) & Shift(-8.0) | Scale(0.1) & Scale(
            0.1
        )
    return _reference("DISTORTION", {}, content, meta, detector, optical_element)


def create_epsf(
    shape: Sequence[int] = (1, 1, 1, 9, 9),
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """An EPSF: all light in one pixel.

    `shape` is (n_defocus, n_spectral_types, n_positions, n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        (n_defocus, n_spectral_types, n_positions, n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    optical_element : str, optional
        Name of the filter, grism or prism.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    content = _arrays("EPSF", shape)
    n_defocus, n_spectral_types, n_positions, n_rows, n_cols = content["psf"].shape
    content["psf"][..., n_rows // 2, n_cols // 2] = 1
    axes: dict[str, Any] = {
        "oversample": 1,
        "defocus": list(range(n_defocus)),
        "spectral_type": ["?"] * n_spectral_types,
        "pixel_x": [float(position) for position in range(n_positions)],
        "pixel_y": [float(position) for position in range(n_positions)],
    }
    return _reference("EPSF", content, arrays, meta, detector, optical_element, **axes)


def create_flat(
    shape: Sequence[int] = (8, 8),
    *,
    detector: str = "WFI01",
    optical_element: str = "F158",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """A FLAT of ones without error; `shape` is (n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        Shape of the main array, (n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    optical_element : str, optional
        Name of the filter, grism or prism.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    content = _arrays("FLAT", shape, data=1)
    return _reference("FLAT", content, arrays, meta, detector, optical_element)


def create_gain(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """A GAIN of 1 e-/DN; `shape` is (n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        Shape of the main array, (n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    return _reference("GAIN", _arrays("GAIN", shape, data=1), arrays, meta, detector)


def create_integralnonlinearity(
    n_channels: int = 32,
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **content: object,
) -> DNode:
    """An INTEGRALNONLINEARITY that changes nothing, with a node every 64 DN.

    Parameters
    ----------
    n_channels : int, optional
        Number of channels of the read-out.
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **content : object
        Content by name, in place of what is made up.

    Returns
    -------
    DNode
    """
    nodes = np.arange(0, 65536, 64, dtype=np.uint16)
    table = {
        f"science_channel_{number:02d}": {
            "instrument_channel": number - 1,
            "correction": np.zeros(nodes.size),
        }
        for number in range(1, n_channels + 1)
    }
    made_up = {"value": nodes, "inl_table": table}
    size: dict[str, Any] = {"n_channels": n_channels, "n_pixels_per_channel": 128}
    return _reference("INTEGRALNONLINEARITY", made_up, content, meta, detector, **size)


def create_inverselinearity(
    shape: Sequence[int] = (2, 16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """An INVERSELINEARITY that changes nothing; `shape` is (n_coeffs, n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        (n_coeffs, n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    content = _arrays("INVERSELINEARITY", shape)
    content["coeffs"][1:2] = 1
    return _reference("INVERSELINEARITY", content, arrays, meta, detector)


def create_linearity(
    shape: Sequence[int] = (2, 16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """A LINEARITY that changes nothing; `shape` is (n_coeffs, n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        (n_coeffs, n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    content = _arrays("LINEARITY", shape)
    content["coeffs"][1:2] = 1
    return _reference("LINEARITY", content, arrays, meta, detector)


def create_mask(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """A MASK without flags; `shape` is (n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        Shape of the main array, (n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    return _reference("MASK", _arrays("MASK", shape), arrays, meta, detector)


def create_photom(*, detector: str = "WFI01", meta: Meta | None = None, **content: object) -> DNode:
    """A PHOTOM with 1 MJy/sr per DN/s and a pixel of 1e-12 sr for every filter.

    Parameters
    ----------
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **content : object
        Content by name, in place of what is made up.

    Returns
    -------
    DNode
    """
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
    return _reference("PHOTOM", {"phot_table": table}, content, meta, detector)


create_wfi_img_photom = create_photom


def create_readnoise(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    exposure_type: str = "WFI_IMAGE",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """A READNOISE of 1 DN per read; `shape` is (n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        Shape of the main array, (n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    exposure_type : str, optional
        Type of the exposure.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    content = _arrays("READNOISE", shape, data=1)
    return _reference("READNOISE", content, arrays, meta, detector, exposure_type=exposure_type)


def create_refpix(
    shape: Sequence[int] = (1, 1121),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """A REFPIX that changes nothing; `shape` is (n_channels, n_frequencies).

    There is a channel for 128 columns; of n_rows rows come 70 * n_rows + 1 frequencies.

    Parameters
    ----------
    shape : sequence of int, optional
        (n_channels, n_frequencies).
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    return _reference("REFPIX", _arrays("REFPIX", shape), arrays, meta, detector)


def create_saturation(
    shape: Sequence[int] = (16, 16),
    *,
    detector: str = "WFI01",
    meta: Meta | None = None,
    **arrays: object,
) -> DNode:
    """A SATURATION at 60000 DN; `shape` is (n_rows, n_cols).

    Parameters
    ----------
    shape : sequence of int, optional
        Shape of the main array, (n_rows, n_cols).
    detector : str, optional
        Name of the detector.
    meta : dict, optional
        Metadata that replace or extend what is made up.
    **arrays : ndarray
        Arrays by name, in place of those that are made up.

    Returns
    -------
    DNode
    """
    content = _arrays("SATURATION", shape, data=60000)
    return _reference("SATURATION", content, arrays, meta, detector)
