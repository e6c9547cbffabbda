"""The reference files that fit a simulated exposure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._files import replacing
from ..border import SCIENCE
from ..dqflags import pixel
from ..reference_types import TYPES, type_of
from .config import (
    CHANNEL_COLUMNS,
    DETECTORS,
    DISPERSERS,
    FILTERS,
    REFERENCE_USEAFTER,
    SimulationConfig,
    detector_number,
)
from .correlated_noise import has_correlated_noise, refpix_coefficients, residual_noise
from .detector import (
    Detector,
    flat_field,
    inverse_linearity_coefficients,
    largest_nonlinearity,
    linearity_coefficients,
    saturation_threshold,
)
from .electronics import INL_NODES, N_CHANNELS, make_converters, make_dark_decays
from .pointing import PIXEL_SCALE, Pointing, distortion
from .streams import Stream, generator

AB_ZERO_POINT = 10 ** (23 - 0.4 * 48.6)
"""Flux density of an AB magnitude of 0 [Jy]: 48.60 is its constant in erg / s / cm^2 / Hz."""

FLAT_ERROR = 0.001
DARK_RELATIVE_ERROR = 0.06

# Band edges [micrometre] and surface brightness of 1 DN/s [MJy/sr] at the mean throughput, near the
# values of the mission's photometry.
_BANDS = {
    "F062": (0.48, 0.76, 0.57),
    "F087": (0.76, 0.977, 0.77),
    "F106": (0.927, 1.192, 0.72),
    "F129": (1.131, 1.454, 0.72),
    "F146": (0.927, 2.0, 0.233),
    "F158": (1.38, 1.774, 0.71),
    "F184": (1.683, 2.0, 1.095),
    "F213": (1.95, 2.3, 1.147),
    "GRISM": (1.0, 1.93, None),
    "PRISM": (0.75, 1.8, None),
}
_COLLECTING_AREA = 3.757  # m^2
_THROUGHPUT = 0.5


#: So many files are there for one detector at most.
_MOST_FILES = 13


def reference_path(directory: Path, reftype: str, config: SimulationConfig) -> Path:
    """The mission's name for a reference file, with the detector's number as its version.

    Types of which one file serves all detectors have version 1.
    """
    number = 1 if is_for_all(reftype) else detector_number(config.detector)
    return directory / f"roman_wfi_{reftype.lower()}_{number:04d}.asdf"


def is_for_all(reftype: str) -> bool:
    """Whether one file of this type serves all detectors."""
    return "detector" not in type_of(reftype).keys


def write_references(
    config: SimulationConfig,
    detector: Detector,
    pointing: Pointing,
    directory: Path,
    *,
    tell: Callable[[str, float], None] = lambda name, share: None,
) -> dict[str, Path]:
    """Write the reference files of a detector; those of the same name are replaced.

    Of a part of a channel of the read-out there is no REFPIX. A file of parameters says instead
    that the step is to be skipped.

    Parameters
    ----------
    config : SimulationConfig
    detector : Detector
    pointing : Pointing
    directory : Path
        Made where it does not exist.
    tell : callable, optional
        Called with the name of a file that is going to be written, and the share of those before.

    Returns
    -------
    dict of str to Path
        Reference type, in capitals, to its file.
    """
    from .. import datamodels

    directory.mkdir(parents=True, exist_ok=True)
    paths = {}
    contents = reference_contents(config, detector, pointing)
    for index, (reftype, content) in enumerate(contents):
        path = reference_path(directory, reftype, config)
        tell(path.name, min(index / _MOST_FILES, 1.0))
        tree = {"meta": _metadata(config, reftype, path.name), **content}
        datamodels.reference_model(reftype)(tree).save(path, compression=None)
        paths[reftype] = path
    if config.readout == "flight" and not has_correlated_noise(config):
        _skip_refpix(config, directory)
    return paths


def _skip_refpix(config: SimulationConfig, directory: Path) -> None:
    """Write the parameter reference that skips the step."""
    import asdf

    path = reference_path(directory, "pars-refpix", config)
    reason = f"{config.cols} columns are no whole channels of {CHANNEL_COLUMNS}: no REFPIX"
    meta = _metadata(config, "pars-refpix", path.name)
    meta |= {"description": reason, "useafter": REFERENCE_USEAFTER}
    step = {"class": "romancal_rs.refpix.RefPixStep", "name": "refpix"}
    with replacing(path) as file:
        asdf.AsdfFile({**step, "meta": meta, "parameters": {"skip": True}}).write_to(file)


def reference_contents(
    config: SimulationConfig, detector: Detector, pointing: Pointing
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each reference type with its arrays, one at a time to save memory."""
    for reftype, content in _with_border(config, detector, pointing):
        if TYPES[reftype].may_be_trimmed:
            names = [image.name for image in TYPES[reftype].images if image.name in content]
            content |= {name: content[name][SCIENCE].copy() for name in names}
        yield reftype, content


def _with_border(
    config: SimulationConfig, detector: Detector, pointing: Pointing
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The contents with the border of reference pixels around all images."""
    is_kind = detector.is_kind

    def flags(**names: str) -> NDArray[np.uint32]:
        """A data-quality array from flag names and the kinds of pixel that carry them."""
        dq = np.zeros(detector.kind.shape, dtype=np.uint32)
        for flag, kinds in names.items():
            dq[is_kind(*kinds.split())] |= np.uint32(pixel[flag])
        return dq

    dark_slope = detector.dark_current / detector.gain
    yield (
        "DARK",
        {
            "dq": flags(UNRELIABLE_DARK="hot"),
            "dark_slope": dark_slope,
            "dark_slope_error": np.float32(DARK_RELATIVE_ERROR) * dark_slope,
        },
    )
    if config.readout == "flight":
        decays = {name: vars(decay) for name, decay in make_dark_decays(config).items()}
        yield "DARKDECAYSIGNAL", {"decay_table": decays}
    yield "DISTORTION", {"coordinate_distortion_transform": distortion(config, pointing)}

    flat = with_nan(flat_field(detector, config.gain), is_kind("no_flat", "dead"))
    yield (
        "FLAT",
        {
            "data": flat,
            "err": np.full(flat.shape, FLAT_ERROR, dtype=np.float32),
            "dq": flags(NO_FLAT_FIELD="no_flat dead", LOW_QE="low_qe"),
        },
    )
    yield "GAIN", {"data": with_nan(detector.gain, is_kind("no_gain"))}
    if config.readout == "flight":
        yield "INTEGRALNONLINEARITY", inl_table(config)
        coefficients = inverse_linearity_coefficients(detector.nonlinearity)
        coefficients[:, is_kind("no_linearity")] = np.nan
        yield "INVERSELINEARITY", {"coeffs": coefficients, "dq": flags(NO_LIN_CORR="no_linearity")}
    largest = largest_nonlinearity(detector, config.pedestal)
    coefficients = linearity_coefficients(detector.nonlinearity, largest)
    coefficients[:, is_kind("no_linearity")] = np.nan
    yield "LINEARITY", {"coeffs": coefficients, "dq": flags(NO_LIN_CORR="no_linearity")}
    del coefficients
    yield (
        "MASK",
        {
            "dq": flags(
                DO_NOT_USE="dead hot",
                DEAD="dead",
                HOT="hot",
                WARM="warm",
                LOW_QE="low_qe",
                REFERENCE_PIXEL="reference",
            )
        },
    )
    yield "PHOTOM", {"phot_table": photometry_table(config)}
    yield "READNOISE", {"data": noise_after_refpix(config, detector)}
    if has_correlated_noise(config):
        yield "REFPIX", dict(refpix_coefficients(config))
    threshold = saturation_threshold(detector, config.pedestal)
    yield (
        "SATURATION",
        {
            "data": with_nan(threshold, is_kind("no_saturation_check")),
            "dq": flags(NO_SAT_CHECK="no_saturation_check"),
        },
    )


def noise_after_refpix(config: SimulationConfig, detector: Detector) -> NDArray[np.float32]:
    """The noise of one read with what is left of the noise that channels share [DN]."""
    if not has_correlated_noise(config):
        return detector.read_noise
    residual = np.repeat(residual_noise(config), CHANNEL_COLUMNS)
    return np.hypot(detector.read_noise, residual.astype(np.float32))


def inl_table(config: SimulationConfig) -> dict[str, Any]:
    """The corrections of the converters of all channels of a full frame, by column."""
    corrections = make_converters(config)
    table = {
        f"science_channel_{channel:02d}": {
            "instrument_channel": len(corrections) + 1 - channel,
            "correction": correction,
        }
        for channel, correction in enumerate(corrections, start=1)
    }
    return {"value": INL_NODES, "inl_table": table}


def photometry_table(config: SimulationConfig) -> dict[str, dict[str, Any]]:
    """Surface-brightness conversion and effective area of every optical element.

    Detectors differ in their throughput by some per cent, in all elements alike.
    """
    rng = generator(config.seed, config.detector, Stream.PHOTOMETRY)
    throughput = rng.uniform(0.95, 1.05)
    largest_area = _THROUGHPUT * throughput * _COLLECTING_AREA
    pixel_area = float(np.radians(PIXEL_SCALE / 3600) ** 2)
    table: dict[str, dict[str, Any]] = {}
    for element in FILTERS + DISPERSERS:
        blue, red, brightness = _BANDS[element]
        if brightness is not None:
            brightness /= throughput
        width = 0.05 * (red - blue)
        # A box with sloping sides.
        wavelength = np.array(
            [blue - width, blue + width, red - width, red + width], dtype=np.float32
        )
        area = np.array([0, 1, 1, 0], dtype=np.float32) * np.float32(largest_area)
        table[element] = {
            "photmjsr": brightness,
            "uncertainty": None if brightness is None else 0.01 * brightness,
            "pixelareasr": None if brightness is None else pixel_area,
            "collecting_area": _COLLECTING_AREA,
            "wavelength": wavelength,
            "effective_area": area,
        }
    table["DARK"] = dict.fromkeys(table["F158"])
    return table


def ab_magnitudes(config: SimulationConfig, flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """AB magnitudes of stars, by the photometry of the optical element.

    A star of `flux` makes ``flux / gain`` DN/s in all its pixels together; by `photometry_table`
    that is a flux density, of which an AB magnitude follows (Oke & Gunn 1983, ApJ 266, 713).

    Parameters
    ----------
    config : SimulationConfig
    flux : ndarray
        Count rates [electron / s].

    Returns
    -------
    ndarray
        NaN for an optical element without a flux conversion.
    """
    row = photometry_table(config)[config.optical_element]
    if row["photmjsr"] is None:
        return np.full(flux.shape, np.nan)
    jansky = flux / config.gain * row["photmjsr"] * row["pixelareasr"] * 1e6
    return -2.5 * np.log10(jansky / AB_ZERO_POINT)


def with_nan(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A copy of `values`, NaN where `mask`."""
    return np.where(mask, np.float32(np.nan), values)


def _metadata(config: SimulationConfig, reftype: str, filename: str) -> dict[str, Any]:
    from astropy.time import Time

    detector = DETECTORS[0] if is_for_all(reftype) else config.detector
    instrument: dict[str, str] = {"name": "WFI", "detector": detector}
    of = "all detectors" if is_for_all(reftype) else detector
    meta: dict[str, Any] = {
        "author": "romancal_rs.simulate",
        "description": f"Simulated {reftype} of {of}, seed {config.seed}",
        "filename": filename,
        "instrument": instrument,
        "origin": "STSCI/SOC",
        "pedigree": "SIMULATION",
        "reftype": reftype,
        "telescope": "ROMAN",
        "useafter": Time(REFERENCE_USEAFTER, format="isot"),
    }
    if reftype == "INTEGRALNONLINEARITY":
        meta |= {"n_channels": N_CHANNELS, "n_pixels_per_channel": CHANNEL_COLUMNS}
    stated = type_of(reftype).stated
    if "optical_element" in stated:
        instrument["optical_element"] = config.optical_element
    if "exposure_type" in stated:
        meta["exposure"] = {"type": config.exposure_type, "p_exptype": f"{config.exposure_type}|"}
    return meta
