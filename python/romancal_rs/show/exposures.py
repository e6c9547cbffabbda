"""The panels of exposures: raw, ramp, and rate image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..border import BORDER
from ..dqflags import IN_SAMPLE_AND_PIXEL
from .panels import Curve, Curves, FlagMap, Image, Panel, unusable
from .scaling import strips
from .sky import sky_of

if TYPE_CHECKING:
    from ..datamodels import ImageModel, RampModel, ScienceRawModel

__all__ = ["image_panels", "ramp_panels", "signal", "times_of"]

#: Samples along a side of the detector that a median of resultants is taken from.
_SAMPLED = 256


def image_panels(image: ImageModel) -> list[Panel]:
    """Rate, and where they are there error, flags and chi squared of the fit."""
    dq = image.stored("dq") if "dq" in image else None
    bad = None if dq is None else unusable(dq)
    panels: list[Panel] = [_rate_panel(image, bad)]
    if "err" in image:
        panels.append(Image.of("Error of the rate", image.stored("err"), bad=bad, unit="DN / s"))
    if dq is not None:
        panels.append(FlagMap.of("Flags", dq))
    if "chisq" in image:
        chisq = Image.of("Chi squared of the fit", image.stored("chisq"), bad=bad)
        if np.isfinite(chisq.cells).any():  # other software may leave it empty
            panels.append(chisq)
    return panels


def _rate_panel(image: ImageModel, bad: NDArray[np.bool_] | None) -> Image:
    """The rate with its place on the sky, and what it is in MJy/sr."""
    factor = image.get("meta.photometry.conversion_megajanskys")
    notes = []
    if isinstance(factor, float) and np.isfinite(factor) and factor > 0:
        notes.append(f"1 DN / s = {factor:.4g} MJy / sr")
    sky = sky_of(image)
    if sky is None:
        notes.append("no world coordinates")
    return Image.of(
        "Rate", image.stored("data"), bad=bad, unit="DN / s", is_sky=True, sky=sky, notes=notes
    )


def ramp_panels(exposure: ScienceRawModel | RampModel) -> list[Panel]:
    """Last minus first resultant, the last one, flags if there are any, and the median ramp."""
    from ..datamodels import RampModel

    data = exposure.stored("data")
    n_resultants = data.shape[0]
    title, values = signal(exposure)
    panels: list[Panel] = [Image.of(title, values, unit="DN", is_sky=True)]
    shown = {"Last resultant": n_resultants - 1}
    if not isinstance(exposure, RampModel):
        shown = {"First resultant": 0, **shown}
    if n_resultants > 1:
        for title, index in shown.items():
            panels.append(Image.of(title, _resultant(exposure, index), unit="DN"))
    flags = flags_of_ramp(exposure)
    if flags is not None:
        panels.append(FlagMap.of("Flags, of pixels and of any resultant", flags))
    if n_resultants > 1:
        panels.append(_median_ramp(exposure))
    return panels


def signal(exposure: ScienceRawModel | RampModel) -> tuple[str, NDArray[Any]]:
    """What looks like the sky, and its name: the last minus the first resultant [DN].

    Of an exposure with one resultant that one.
    """
    data = exposure.stored("data")
    if data.shape[0] < 2:
        return "The resultant", _resultant(exposure, 0)
    # What was added to all resultants on board is in neither.
    collected = np.empty(data.shape[1:], np.float32)
    for rows in strips(data.shape[1], 64):
        np.subtract(data[-1, rows], data[0, rows], out=collected[rows], dtype=np.float32)
    return "Last minus first resultant", collected


def flags_of_ramp(exposure: ScienceRawModel | RampModel) -> NDArray[Any] | None:
    """The flags of pixels together with those that any of their samples has; None without flags."""
    samples = next((name for name in ("groupdq", "resultantdq") if name in exposure), None)
    pixels = exposure.stored("pixeldq") if "pixeldq" in exposure else None
    if samples is None:
        return pixels
    of_samples = exposure.stored(samples)
    flags = np.zeros(of_samples.shape[1:], np.uint32)
    for rows in strips(flags.shape[0], 64):
        found = np.bitwise_or.reduce(of_samples[:, rows], axis=0)
        # Bit 7 means another thing in a pixel.
        flags[rows] = found & of_samples.dtype.type(IN_SAMPLE_AND_PIXEL)
        if pixels is not None:
            flags[rows] |= pixels[rows]
    return flags


def times_of(exposure: ScienceRawModel | RampModel | ImageModel) -> NDArray[Any] | None:
    """Mean time of each resultant [s]; None where the metadata do not tell."""
    from .. import ReadPattern

    pattern = exposure.get("meta.exposure.read_pattern")
    frame_time = exposure.get("meta.exposure.frame_time")
    try:
        times = ReadPattern.from_reads([list(reads) for reads in pattern], float(frame_time)).times
    except (TypeError, ValueError):
        return None
    return np.asarray(times)


def _resultant(exposure: ScienceRawModel | RampModel, index: int) -> NDArray[Any]:
    """One resultant, as it was read out [DN]."""
    data = exposure.stored("data")[index : index + 1]
    return data[0] if _is_as_read(exposure) else _restored(exposure, data)[0]


def _median_ramp(exposure: ScienceRawModel | RampModel) -> Curves:
    data = exposure.stored("data")
    inside = slice(BORDER, -BORDER) if min(data.shape[1:]) > 4 * BORDER else slice(None)
    step = max(1, max(data.shape[1:]) // _SAMPLED)
    chosen = slice(inside.start, inside.stop, step)
    if _is_as_read(exposure):
        samples = np.array(data[:, chosen, chosen], np.float32)
    else:
        samples = _restored(exposure, data, chosen)
    samples = np.where(np.isfinite(samples), samples, np.nan).reshape(len(samples), -1)
    samples = samples[:, np.isfinite(samples).all(axis=0)]
    if not samples.size:
        samples = np.full((data.shape[0], 1), np.nan)
    low, middle, high = np.percentile(samples - samples[0], [16, 50, 84], axis=1)
    times = times_of(exposure)
    known = times is not None and len(times) == len(middle)
    return Curves(
        "Science pixels since the first resultant",
        "time since the reset [s]" if known else "resultant",
        "DN",
        [
            Curve(
                times if known else np.arange(1, len(middle) + 1),
                middle,
                "median, and where two thirds of them lie",
                low,
                high,
                style="o-",
            )
        ],
    )


def _is_as_read(exposure: ScienceRawModel | RampModel) -> bool:
    """Whether the samples are no more as they were sent."""
    from ..datamodels import RampModel

    return isinstance(exposure, RampModel) and not exposure.is_encoded


def _restored(
    exposure: ScienceRawModel | RampModel, counts: NDArray[Any], chosen: slice = slice(None)
) -> NDArray[Any]:
    from ..datamodels import Encoding

    return Encoding.of(exposure).samples(counts, chosen, chosen)
