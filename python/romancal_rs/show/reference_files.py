"""The panels of reference files: their images as they are, and what else can be drawn of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..reference_types import CHANNEL_COLS, CHANNEL_PAUSE
from .panels import Arrows, Curve, Curves, FlagMap, Image, Panel

if TYPE_CHECKING:
    from ..datamodels import DataModel, ReferenceModel

__all__ = ["planes", "reference_panels", "spectrum"]

#: Planes of coefficients that are drawn: the lowest terms and the last. Of other cubes it is the
#: first and the last.
_MOST_TERMS = 5
_MOST_SPECTRUM = 300  # points of a spectrum
_ARROWS = 16  # along a side of the detector


def reference_panels(model: ReferenceModel) -> list[Panel]:
    """What can be drawn of a reference file; nothing of a type that holds but a few numbers."""
    special = _SPECIAL.get(model.reference_type.reftype)
    if special is not None:
        return list(special(model))
    names = [name for name, _ in model.arrays()]
    # Flags are drawn last.
    ordered = sorted(names, key=lambda name: name in ("dq", "dq2"))
    most = {"coeffs": _MOST_TERMS}
    return [panel for name in ordered for panel in planes(model, name, most=most.get(name, 2))]


def planes(
    model: DataModel, name: str, *, most: int = 2, only: int | None = None
) -> Iterator[Panel]:
    """An array as it is: an image, the planes of a cube, a map of flags, a spectrum, or a line.

    Parameters
    ----------
    model : DataModel
    name : str
        Of the array, dotted.
    most : int, optional
        The greatest number of planes; of more, the first ones and the last are drawn.
    only : int, optional
        The plane to draw. Nothing is drawn where there is none of that number.
    """
    values = np.asarray(model.get(name)) if "." in name else model.stored(name)
    unit = _unit_of(model, name)
    if values.dtype.kind not in "biufc" or not values.size or not values.ndim:
        return
    if only is not None:
        # Cubes of more axes count their planes along all but the last two.
        rows = values if values.ndim < 3 else values.reshape(-1, *values.shape[-2:])
        if values.ndim > 1 and only < len(rows):
            yield plane(f"{name}, {_place(values, only)}", rows[only], unit)
    elif values.dtype.kind == "c":
        yield spectrum(name, values)
    elif values.ndim == 1:
        yield Curves(name, "index", unit or "value", [Curve(np.arange(values.size), values)])
    elif values.ndim == 2:
        yield plane(name, values, unit)
    else:
        cube = values.reshape(-1, *values.shape[-2:])
        shown = list(range(len(cube)))
        if len(shown) > most:
            shown = [*shown[: most - 1], shown[-1]]
        for index in shown:
            yield plane(f"{name}, {_place(values, index)}", cube[index], unit)


def _place(values: NDArray[Any], index: int) -> str:
    """Which plane, or row, it is, of how many; counted as NumPy does."""
    noun = "row" if values.ndim == 2 else "plane"
    n_all = int(np.prod(values.shape[:-2])) if values.ndim > 2 else len(values)
    return f"{noun} {index} of 0 to {n_all - 1}"


def _unit_of(model: DataModel, name: str) -> str:
    from ..datamodels import (
        ImageModel,
        RampFitOutputModel,
        RampModel,
        ReferenceModel,
        ScienceRawModel,
    )

    if isinstance(model, ReferenceModel):
        arrays = model.reference_type.arrays
        return next((array.unit for array in arrays if array.axes_of(name)), "")
    if isinstance(model, ImageModel):
        return {"data": "DN / s", "err": "DN / s", "dumo": "DN / s"}.get(name, "")
    if isinstance(model, RampFitOutputModel):
        electrons = {"slope": "electron / s", "sigslope": "electron / s", "pedestal": "electron"}
        return electrons.get(name, "")
    if isinstance(model, (ScienceRawModel, RampModel)):
        return "DN" if "dq" not in name else ""
    return ""


def plane(title: str, values: NDArray[Any], unit: str = "") -> Panel:
    """An image, a map of flags where the name says that it is one, or a line."""
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.dtype.kind == "c":
        return spectrum(title, values)
    if values.ndim == 1:
        return Curves(title, "index", unit or "value", [Curve(np.arange(values.size), values)])
    if values.dtype.kind == "u" and "dq" in title.partition(",")[0]:
        return FlagMap.of(f"{title} (flags)", values, named=True)
    return Image.of(title, values, unit=unit)


def spectrum(name: str, values: NDArray[Any]) -> Curves:
    """Amplitudes of complex coefficients against frequency: median and range of all channels.

    Parameters
    ----------
    values : ndarray, (..., n_frequencies), complex
        Of the real Fourier transform of a channel of the read-out, as one series in time.
    """
    amplitude = np.abs(values.reshape(-1, values.shape[-1]))
    n_frequencies = amplitude.shape[-1]
    # The frequency 0 has no place on a logarithmic axis.
    edges = np.unique(np.geomspace(1, max(n_frequencies, 2), _MOST_SPECTRUM).astype(int))
    frequency: list[float] = []
    quantiles: list[NDArray[Any]] = []
    for low, high in pairwise(edges):
        found = amplitude[:, low:high]
        found = found[np.isfinite(found)]
        if found.size:
            frequency.append((low + high - 1) / 2)
            quantiles.append(np.percentile(found, [50, 0, 100]))
    middle, lowest, highest = np.array(quantiles).reshape(-1, 3).T
    label = "median and range of all channels"
    n_samples = 2 * max(n_frequencies - 1, 1)
    return Curves(
        f"Amplitude of {name}",
        "frequency [cycles per clock of a pixel]",
        "amplitude",
        [Curve(np.array(frequency) / n_samples, middle, label, lowest, highest)],
        x_log=True,
        y_log=bool(middle.size and lowest.min() > 0),
        notes=[f"{CHANNEL_COLS} columns and a pause of {CHANNEL_PAUSE} clocks a row"],
    )


def _refpix(model: ReferenceModel) -> Iterator[Panel]:
    of = {"gamma": "left", "zeta": "right", "alpha": "reference output"}
    for index, (name, what) in enumerate(of.items()):
        if name in model:
            panel = spectrum(f"{name} ({what})", model.stored(name))
            panel.curves[0].colour = index
            yield panel


def _photom(model: ReferenceModel) -> Iterator[Panel]:
    rows = {name: row for name, row in model.phot_table.items() if isinstance(row, Mapping)}
    factors = {name: _number(row, "photmjsr") for name, row in rows.items()}
    named = {name: factor for name, factor in factors.items() if factor is not None}
    if named:
        errors = [_number(rows[name], "uncertainty") or 0.0 for name in named]
        values = list(named.values())
        yield Curves(
            "Conversion to surface brightness, and its uncertainty",
            "optical element",
            "MJy / sr for 1 DN / s",
            [
                Curve(
                    list(named),
                    values,
                    low=[value - error for value, error in zip(values, errors, strict=True)],
                    high=[value + error for value, error in zip(values, errors, strict=True)],
                    style="o",
                )
            ],
        )
    areas = _curves_of(rows, "wavelength", "effective_area")
    if areas:
        yield Curves("Effective area", "wavelength [um]", "m$^2$", areas)


def _dark_decay(model: ReferenceModel) -> Iterator[Panel]:
    rows = {name: row for name, row in model.decay_table.items() if isinstance(row, Mapping)}
    for index, (key, title, unit) in enumerate(
        (
            ("amplitude", "Amplitude of the decaying signal", "DN"),
            ("time_constant", "Time constant of the decay", "s"),
        )
    ):
        values = {name: _number(row, key) for name, row in rows.items()}
        known = {name: value for name, value in values.items() if value is not None}
        if known:
            curve = Curve(list(known), list(known.values()), style="o", colour=index)
            yield Curves(title, "detector", unit, [curve])


def _integral_nonlinearity(model: ReferenceModel) -> Iterator[Panel]:
    nodes = np.asarray(model.value, float)
    rows = [row for row in model.inl_table.values() if isinstance(row, Mapping)]
    columns = [row.get("correction") for row in rows]
    tables = [np.asarray(column, float) for column in columns if column is not None]
    corrections = [values for values in tables if values.shape == nodes.shape]
    if not corrections:
        return
    low, middle, high = np.percentile(corrections, [0, 50, 100], axis=0)
    label = f"median and range of {len(corrections)} channels"
    yield Curves(
        "Integral nonlinearity",
        "sample [DN]",
        "correction [DN]",
        [
            Curve(nodes, middle, label, low, high),
            Curve(nodes, corrections[0], "first channel", colour=1),
        ],
    )


def _distortion(model: ReferenceModel) -> Iterator[Panel]:
    """How far pixels lie from where a linear transform would have them."""
    transform = model.coordinate_distortion_transform
    n_rows, n_cols = _box_of(transform)
    x, y = (
        places.ravel()
        for places in np.meshgrid(
            np.linspace(0, n_cols - 1, _ARROWS), np.linspace(0, n_rows - 1, _ARROWS)
        )
    )
    v2, v3 = (np.asarray(values, float) for values in transform(x, y))
    terms = np.stack([np.ones_like(x), x, y], axis=1)
    fits = np.linalg.lstsq(terms, np.stack([v2, v3], axis=1), rcond=None)[0]
    shift = np.stack([v2, v3], axis=1) - terms @ fits
    # The residuals in V2, V3, back in pixels of the linear transform.
    linear = fits[1:].T
    dx, dy = np.linalg.solve(linear, shift.T)
    scale = np.sqrt(abs(np.linalg.det(linear)))
    largest = float(np.hypot(dx, dy).max())
    yield Arrows(
        "Distortion, without what is linear",
        (n_rows, n_cols),
        x,
        y,
        dx,
        dy,
        notes=[
            f"the longest is {largest:.2f} pixels, {largest * scale:.3f} arcsec; "
            f"a pixel is {scale:.4f} arcsec"
        ],
    )


def _box_of(transform: Any) -> tuple[int, int]:
    """Rows and columns that a transform of pixels is for."""
    try:
        (low_x, high_x), (low_y, high_y) = transform.bounding_box.bounding_box(order="F")
    except (AttributeError, NotImplementedError):
        return 4088, 4088
    return round(high_y - low_y), round(high_x - low_x)


def _psf(model: ReferenceModel) -> Iterator[Panel]:
    psf = model.stored("psf")
    if psf.ndim == 5 and psf.size:
        n_positions = psf.shape[2]
        chosen = sorted({0, n_positions // 2, n_positions - 1})
        x, y = model.get("meta.pixel_x"), model.get("meta.pixel_y")
        for index in chosen:
            place = f"position {index}"
            if x is not None and y is not None and len(x) == len(y) == n_positions:
                place = f"pixel ({x[index]:g}, {y[index]:g})"
            yield Image.of(f"Point source at {place}", psf[0, 0, index], is_sky=True)
    if "extended_psf" in model:
        yield Image.of("Point source and its wings", model.stored("extended_psf"), is_sky=True)


def _aperture(model: ReferenceModel) -> Iterator[Panel]:
    rows = {name: row for name, row in model.data.items() if isinstance(row, Mapping)}
    for key, title, label in (
        ("ap_corrections", "Aperture correction", "factor"),
        ("ee_fractions", "Encircled energy", "fraction"),
    ):
        curves = _curves_of(rows, "ee_radii", key)
        if curves:
            yield Curves(title, "radius [arcsec]", label, curves)


def _curves_of(rows: Mapping[str, Mapping[str, Any]], x: str, y: str) -> list[Curve]:
    """A curve of two columns of each row that has both."""
    curves: list[Curve] = []
    for name, row in rows.items():
        if row.get(x) is None or row.get(y) is None:
            continue
        along, up = np.asarray(row[x], float), np.asarray(row[y], float)
        if along.size > 1 and along.shape == up.shape:
            curves.append(Curve(along, up, name, colour=len(curves)))
    return curves


def _number(row: Mapping[str, Any], key: str) -> float | None:
    """A number of a table; None where it is missing, null or NaN."""
    value = getattr(row.get(key), "value", row.get(key))
    if isinstance(value, (int, float, np.number)) and np.isfinite(value):
        return float(value)
    return None


_SPECIAL: dict[str, Callable[[Any], Iterator[Panel]]] = {
    "APCORR": _aperture,
    "DARKDECAYSIGNAL": _dark_decay,
    "DISTORTION": _distortion,
    "EPSF": _psf,
    "INTEGRALNONLINEARITY": _integral_nonlinearity,
    "PHOTOM": _photom,
    "REFPIX": _refpix,
}
