"""From a file and a pixel to the pixel's ramp and its fit.

The pipeline's own steps fit the pixel and its neighbourhood again, with the parameters that the
product records. The result is compared with the product.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import dqflags
from ..border import BORDER
from ..errors import InputError, one_line
from ..exposure import read_pattern
from ..references import ReferenceFileError
from ..stpipe import FitStep, runlog
from ..stpipe.recipes import AUTO, recipe_for
from .before_fit import Area, to_the_fit
from .fit_again import FitAgain, fit_again, rates_after
from .heading import heading
from .ramp_record import AS_FITTED, AS_READ, PixelRamp, Product
from .segments import Segment, lines_of_rate, lines_of_segments, runs, usable_samples
from .sources import Record, ReferenceFinder, find_ramp, find_raw

if TYPE_CHECKING:
    from ..datamodels import ImageModel, RampModel, ScienceRawModel

__all__ = ["RADIUS", "pixel_at", "pixel_ramp"]

#: How far the neighbourhood reaches from the pixel [pixels].
RADIUS = 10
#: Above all levels: what the steps say was said when the product was made.
_SILENT = logging.CRITICAL + 1

Stages = list[tuple[str, NDArray[np.float32]]]


def pixel_ramp(
    file: str | os.PathLike[str],
    x: int | None = None,
    y: int | None = None,
    *,
    sky: tuple[float, float] | None = None,
    raw: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
) -> PixelRamp:
    """The ramp of one pixel of an exposure, and its fit.

    Parameters
    ----------
    file : path
        A Level 2 image; or the raw exposure, or a ramp, which have no rate to compare with.
    x, y : int
        Column and row of the pixel in the Level 2 image, from 0: those of Level 1 less 4.
    sky : (float, float), optional
        RA and Dec in their place [deg], for a Level 2 image.
    raw : path, optional
        The raw exposure, or its directory; see `sources.find_raw`.
    references : path, optional
        Directory of references; see `sources.ReferenceFinder`.

    Returns
    -------
    PixelRamp

    Raises
    ------
    InputError
        If the file is none of these, the pixel is not on the image, or neither the raw exposure nor
        a ramp is there.
    ReferenceFileError
        If a reference is not there.

    Examples
    --------
    >>> from romancal_rs import show
    >>> ramp = show.pixel_ramp("exposure_cal.asdf", 60, 30, references="references")
    >>> len(ramp.reads), ramp.corrected.shape
    (6, (6,))
    """
    from .. import datamodels

    with ExitStack() as stack:
        stack.enter_context(runlog.showing(lambda _: runlog.Display(_SILENT)))
        model = stack.enter_context(datamodels.open(file))
        if not isinstance(
            model, datamodels.ScienceRawModel | datamodels.RampModel | datamodels.ImageModel
        ):
            raise InputError(
                f"{file}: expected a Level 2 image, a ramp or a raw exposure, got a "
                f"{type(model).__name__}"
            )
        if sky is not None:
            if not isinstance(model, datamodels.ImageModel):
                raise InputError(f"{file}: a {type(model).__name__} has no WCS: give the pixel X,Y")
            x, y = pixel_at(model, *sky)
        if x is None or y is None:
            raise InputError("no pixel is named: give x and y, or sky")
        if isinstance(model, datamodels.ImageModel):
            datamodels.check_arrays(model)
        return _Look(model, area_of(model, x, y), references, stack).at_pixel(raw)


def pixel_at(image: ImageModel, ra: float, dec: float) -> tuple[int, int]:
    """Column and row of the pixel of an image that a direction falls on.

    Parameters
    ----------
    image : ImageModel
    ra, dec : float
        ICRS [deg].

    Raises
    ------
    InputError
        If the image has no WCS, or does not see the direction.
    """
    if not image.has_wcs:
        raise InputError(f"{image.source}: it has no WCS (meta.wcs): give the pixel X,Y")
    x, y = (float(value) for value in image.meta.wcs.invert(ra, dec, with_bounding_box=False))
    n_rows, n_cols = image.shape
    if not (-0.5 <= x < n_cols - 0.5 and -0.5 <= y < n_rows - 0.5):
        raise InputError(
            f"{image.source}: RA {ra:g}, Dec {dec:g} is not on its {n_cols} x {n_rows} pixels"
        )
    return round(x), round(y)


def area_of(model: Any, x: int, y: int) -> Area:
    """The neighbourhood of a pixel, which has to be one that sees light.

    Raises
    ------
    InputError
        If it is not: tells which do.
    """
    n_rows, n_cols = (size - 2 * BORDER for size in _full_shape(model))
    if not (0 <= x < n_cols and 0 <= y < n_rows):
        on_border = -BORDER <= x < n_cols + BORDER and -BORDER <= y < n_rows + BORDER
        raise InputError(
            f"{model.source}: pixel X {x}, Y {y} is "
            f"{'a reference pixel, which has no rate' if on_border else 'outside'}: X goes from 0 "
            f"to {n_cols - 1}, Y from 0 to {n_rows - 1} (in Level 1, {BORDER} to "
            f"{n_cols - 1 + BORDER} and {BORDER} to {n_rows - 1 + BORDER})"
        )
    return Area.around(x, y, (n_rows, n_cols), RADIUS)


def _full_shape(model: Any) -> tuple[int, int]:
    """Rows and columns of an exposure with its border."""
    from ..datamodels import ImageModel

    n_rows, n_cols = model.shape[-2:]
    more = 2 * BORDER if isinstance(model, ImageModel) else 0
    return n_rows + more, n_cols + more


class _Look:
    """The way from an open file to the ramp of a pixel."""

    def __init__(
        self, model: Any, area: Area, references: str | os.PathLike[str] | None, stack: ExitStack
    ) -> None:
        from ..pipeline import ExposurePipeline

        record = Record.of(model)
        self.model, self.area, self.stack = model, area, stack
        self.notes = list(record.notes)
        self.finder = ReferenceFinder(model, references, record)
        recipe = recipe_for(model).name if record.recipe == AUTO else record.recipe
        self.pipeline = ExposurePipeline(recipe=recipe, steps=self._known(record.steps))
        self._skip_what_was_not_done()

    def _known(self, recorded: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Those of the parameters that the steps have: another version may have had others."""
        from ..pipeline import ExposurePipeline

        steps: dict[str, dict[str, Any]] = {}
        for name, step in ExposurePipeline.step_defs.items():
            values = recorded.get(name, {})
            steps[name] = {key: values[key] for key in values if key in step().parameters}
            unknown = [key for key in values if key not in steps[name]]
            if unknown:
                self.notes.append(f"{name} has no {', '.join(unknown)} in this version")
        return steps

    def _skip_what_was_not_done(self) -> None:
        """Leaves out the steps that the image says were not done, but for the fit."""
        from ..datamodels import ImageModel

        if not isinstance(self.model, ImageModel):
            return
        cal_step = self.model.meta.get("cal_step") or {}
        for step in self.pipeline.substeps():
            status = cal_step.get(step.cal_step_name, "COMPLETE")
            if status != "COMPLETE" and not isinstance(step, FitStep):
                step.skip = True

    def at_pixel(self, raw: str | os.PathLike[str] | None) -> PixelRamp:
        ramp, stages = self._ramp(raw)
        area, model = self.area, self.model
        how = (self.pipeline, self.finder, area, _full_shape(model))
        again = fit_again(ramp, *how, model.get("jump_indices"), self.notes)
        row, col = area.pixel
        in_ramp = (slice(None), row + BORDER, col + BORDER)
        samples, groupdq = np.array(ramp.data[in_ramp]), again.groupdq[:, row, col]
        found = runs(usable_samples(samples, ramp.groupdq[in_ramp], again.algorithm), groupdq)
        times = np.array(read_pattern(ramp).times)
        fitted = {
            name: float(plane[row, col])
            for name, plane in {
                "rate": np.array(again.image.data),
                "err": again.image.err,
                "var_poisson": again.fit.var_poisson,
                "var_rnoise": again.fit.var_rnoise,
                "chisq": again.fit.chisq,
                "gain": again.gain,
                "read_noise": again.read_noise,
            }.items()
        }
        flags = int(again.image.dq[row, col])
        after = rates_after(again.image, *how, self.notes)
        product = self._product(after[-1][1] if after else fitted["rate"])
        if product is None:
            pixels, pixel_flags = again.image.data, again.image.dq
        else:
            pixels = model.data[area.in_image]
            pixel_flags = model.dq[area.in_image]
        is_usable = (pixel_flags & np.uint32(dqflags.DO_NOT_USE)) == 0
        return PixelRamp(
            name=Path(model.source).name,
            title=", ".join(heading(model)[1]),
            x=area.x,
            y=area.y,
            times=times,
            reads=[list(reads) for reads in ramp.meta.exposure.read_pattern],
            stages=[*_without_last(stages, samples), (AS_FITTED, samples)],
            groupdq=groupdq,
            flags=flags,
            algorithm=again.algorithm,
            **fitted,
            n_differences=sum(last - first for first, last in found),
            segments=_segments(again, samples, times, found, fitted, (row, col)),
            after=after,
            product=product,
            neighbourhood=np.where(is_usable, pixels, np.float32(np.nan)),
            corner=(area.first_col, area.first_row),
            notes=list(dict.fromkeys(self.notes)),
        )

    def _ramp(self, raw: str | os.PathLike[str] | None) -> tuple[RampModel, Stages]:
        """The ramps of the area as the fit is to see them, and the stages of the pixel before."""
        from .. import datamodels

        if isinstance(self.model, datamodels.RampModel):
            return self._of_saved(self.model, raw)
        notes: list[str] = []
        try:
            exposure = self._raw_exposure(raw, notes)
            cut = to_the_fit(exposure, self.pipeline, self.finder, self.area, notes)
        except (InputError, ReferenceFileError) as error:
            is_image = isinstance(self.model, datamodels.ImageModel)
            path = find_ramp(self.model) if is_image else None
            if path is None:
                raise
            self.notes.append(f"taken from {path.name}, as {one_line(error)}")
            return self._of_saved(self.stack.enter_context(datamodels.open(path)), raw)
        self.notes.extend(notes)
        return cut.ramp, cut.stages

    def _of_saved(self, ramp: Any, raw: str | os.PathLike[str] | None) -> tuple[RampModel, Stages]:
        """The same of a ramp that was saved before the fit; what was before, the exposure tells."""
        from ..datamodels import RampModel

        to_do = [
            name
            for name in ("dq_init", "saturation", "linearity")
            if ramp.meta.cal_step.get(name) == "INCOMPLETE"
        ]
        if to_do:
            self.notes.append(f"the ramp is as it was before {', '.join(to_do)}")
        part = self.area.part(_full_shape(ramp)).of_exposure(ramp)
        try:
            exposure = self._raw_exposure(raw, self.notes)
        except InputError as error:
            if raw is not None:
                raise
            if not any(one_line(error) in note for note in self.notes):
                self.notes.append(one_line(error))
            return part, []
        whole = RampModel.from_science_raw(exposure)
        as_read = whole.data[:, self.area.y + BORDER, self.area.x + BORDER]
        return part, [(AS_READ, np.array(as_read))]

    def _raw_exposure(
        self, raw: str | os.PathLike[str] | None, notes: list[str]
    ) -> ScienceRawModel:
        """The raw exposure, which has to be the one of the product."""
        from .. import datamodels

        found = find_raw(self.model, raw)
        if found.note:
            notes.append(found.note)
        if isinstance(self.model, datamodels.ScienceRawModel):
            return self.model
        exposure: Any = self.stack.enter_context(datamodels.open(cast("Path", found.path)))
        if not isinstance(exposure, datamodels.ScienceRawModel):
            raise InputError(
                f"{found.path}: expected a raw exposure, got a {type(exposure).__name__}"
            )
        for what, ours, theirs in (
            ("detector", *(m.meta.instrument.detector for m in (self.model, exposure))),
            ("size", _full_shape(self.model), _full_shape(exposure)),
            ("start", *(str(m.meta.exposure.start_time) for m in (self.model, exposure))),
        ):
            if ours != theirs:
                raise InputError(
                    f"{found.path}: it is another exposure than that of {self.model.source}: "
                    f"{what} {theirs}, expected {ours}"
                )
        return exposure

    def _product(self, made_anew: float) -> Product | None:
        from ..datamodels import ImageModel

        if not isinstance(self.model, ImageModel):
            return None
        at = self.area.y, self.area.x
        rate, err, flags = (self.model[name][at] for name in ("data", "err", "dq"))
        return Product(float(rate), float(err), int(flags), made_anew)


def _segments(
    again: FitAgain,
    samples: NDArray[np.float32],
    times: NDArray[np.float64],
    found: list[tuple[int, int]],
    fitted: dict[str, float],
    at: tuple[int, int],
) -> list[Segment]:
    if not fitted["err"] > 0:
        return []
    if again.segments is not None:
        return lines_of_segments(found, again.segments, at[0] + BORDER, at[1] + BORDER)
    return lines_of_rate(samples, times, found, fitted["rate"], fitted["err"])


def _without_last(stages: Stages, samples: NDArray[np.float32]) -> Stages:
    """The stages without one that is what the fit saw."""
    is_last = bool(stages) and np.array_equal(stages[-1][1], samples, equal_nan=True)
    return stages[:-1] if is_last and stages[-1][0] != AS_READ else stages
