"""The fit of a few pixels once more, and the steps that follow it, as the pipeline makes them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import dqflags, kernels
from ..border import BORDER, SCIENCE
from ..dark_current import DarkCurrentStep
from ..errors import InputError
from ..exposure import read_pattern
from ..flatfield import FlatFieldStep, apply_flat, divide_by_flat
from ..ramp_fitting import OLS, RampFitStep, single_read_noise
from ..stpipe.ramp import calibrate_ramp, rate_image
from ..stpipe.recipes import FLIGHT
from .before_fit import Area, working_references

if TYPE_CHECKING:
    from ..datamodels import ImageModel, RampModel
    from ..kernels import RampFit, SegmentFits
    from ..pipeline import ExposurePipeline
    from .sources import ReferenceFinder

__all__ = ["FitAgain", "fit_again", "rates_after"]


@dataclass(frozen=True)
class FitAgain:
    """The fit of an area.

    Attributes
    ----------
    image : ImageModel
        What the step makes of the ramps of the area; it has no border.
    fit : RampFit
        What the kernel made of them, before the step completed it.
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8
        Flags of the samples, those of the hits that were found included.
    segments : SegmentFits or None
        Of an ``ols`` fit; these have the border.
    algorithm : str
        ``gls``, ``likely`` or ``ols``.
    gain, read_noise : ndarray, (n_rows, n_cols), float32
        [electron/DN] and, of one read, [DN].
    """

    image: ImageModel
    fit: RampFit
    groupdq: NDArray[np.uint8]
    segments: SegmentFits | None
    algorithm: str
    gain: NDArray[np.float32]
    read_noise: NDArray[np.float32]


def fit_again(
    ramp: RampModel,
    pipeline: ExposurePipeline,
    finder: ReferenceFinder,
    area: Area,
    full: tuple[int, int],
    flagged: NDArray[np.int16] | None,
    notes: list[str],
) -> FitAgain:
    """Fits the ramps of an area.

    Parameters
    ----------
    ramp : RampModel
        Of the area, with a border around it.
    pipeline : ExposurePipeline
        With the parameters of its steps.
    finder : ReferenceFinder
    area : Area
    full : (int, int)
        Rows and columns of the exposure.
    flagged : ndarray, (n, 3), int16, or None
        Which samples the product flags JUMP_DET, ``jump_indices``. Asked for where the run flagged
        the surroundings of snowballs: which these are the area does not tell.
    notes : list of str
        What is to be said is added.
    """
    step = cast("RampFitStep", pipeline.step("rampfit"))
    with ExitStack() as stack:
        references = _references(step, ramp, finder, area, full, stack, notes)
        algorithm = step.algorithm_for(ramp)
        flags = np.array(ramp.groupdq)
        expands, step.expand_large_events = step.expand_large_events, False
        records, step.record_jumps = step.record_jumps, True
        step.save_opt = False
        calibrated = calibrate_ramp(ramp, flags, step.fit(ramp, references), step.maximum_cores)
        found = _with_jumps(flags, calibrated)
        if expands and algorithm != OLS and flagged is not None:
            of_product = _flags_of(flagged, area, flags)
            row, col = (place + BORDER for place in area.pixel)
            if not np.array_equal(of_product[:, row, col], found[:, row, col]):
                step.use_ramp_jump_detection = False
                calibrated = calibrate_ramp(
                    ramp, of_product, step.fit(ramp, references), step.maximum_cores
                )
                found = of_product
                notes.append(
                    "the pixel is in the surroundings of a snowball: its flags are the product's"
                )
        step.record_jumps = records
        image = rate_image(ramp, calibrated.fit)
        step.complete(image, ramp, references, calibrated.found[-1])
        gain = references["gain"].data
        read_noise = single_read_noise(step, references["readnoise"])
        segments = None
        if algorithm == OLS:
            segments = kernels.fit_ramps(
                *(ramp.data, flags, ramp.pixeldq, gain, read_noise, read_pattern(ramp)),
                lone_samples=step.takes_lone_samples(ramp),
                optional=True,
            ).optional
        return FitAgain(
            *(image, calibrated.fit, found[(slice(None), *SCIENCE)], segments, algorithm),
            *(np.array(gain[SCIENCE]), np.array(read_noise[SCIENCE])),
        )


def _references(
    step: RampFitStep,
    ramp: RampModel,
    finder: ReferenceFinder,
    area: Area,
    full: tuple[int, int],
    stack: ExitStack,
    notes: list[str],
) -> dict[str, Any]:
    found = working_references(step, ramp, finder, stack)
    if found is None:
        raise InputError(
            f"{finder.product.source}: the fit was skipped, or a reference of it was N/A: there is "
            "no rate to show"
        )
    notes.extend(found[1])
    return {
        reftype: area.part(full).of_reference(reference) for reftype, reference in found[0].items()
    }


def _with_jumps(flags: NDArray[np.uint8], calibrated: kernels.Calibrated) -> NDArray[np.uint8]:
    """The flags of samples with those of the hits that the fit found."""
    found = flags.copy()
    indices = calibrated.found[-1].get("jump_indices")
    if indices is not None:
        found[tuple(indices.T)] |= dqflags.JUMP_DET
    return found


def _flags_of(
    flagged: NDArray[np.int16], area: Area, flags: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The flags of the samples of an area with those of the hits that a product has."""
    resultant, row, col = np.asarray(flagged).astype(np.int64).T
    row, col = row + BORDER - area.rows.start, col + BORDER - area.cols.start
    inside = (row >= 0) & (row < flags.shape[1]) & (col >= 0) & (col < flags.shape[2])
    of_product = flags.copy()
    of_product[resultant[inside], row[inside], col[inside]] |= dqflags.JUMP_DET
    return of_product


def rates_after(
    image: ImageModel,
    pipeline: ExposurePipeline,
    finder: ReferenceFinder,
    area: Area,
    full: tuple[int, int],
    notes: list[str],
) -> list[tuple[str, float]]:
    """The rate of the pixel of an area after each step that follows the fit and changes it.

    Parameters
    ----------
    image : ImageModel
        Of the area; changed in place.
    pipeline, finder, area, full, notes
        As of `fit_again`.
    """
    rates = []
    for step in pipeline._after_the_fit(image):
        if not isinstance(step, DarkCurrentStep | FlatFieldStep):
            continue  # it changes no pixel
        with ExitStack() as stack:
            found = working_references(step, image, finder, stack)
            if found is None:
                continue
            notes.extend(found[1])
            references = {
                reftype: area.part(full).of_reference(reference)
                for reftype, reference in found[0].items()
            }
            if isinstance(step, DarkCurrentStep):
                step.dark_output = None
                step.process_image(image, references)
            elif step.recipe_of(image) == FLIGHT:
                include = step.include_var_flat is True
                divide_by_flat(image, references["flat"], include_var_flat=include)
            else:
                apply_flat(image, references["flat"])
        rates.append((step.name, float(image.data[area.pixel])))
    return rates
