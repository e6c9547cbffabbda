"""A few pixels of a raw exposure, taken through the pipeline's steps up to the fit.

The result of a pixel depends on other pixels. To correct the noise of the read-out, the whole
channel, the first and the last channel and the 33rd amplifier are needed; for the transient of
WFI18, all rows. So the steps up to the last one that needs them work on these channels, or on the
whole exposure, and the later steps only on the rows around the pixels. The result is the same as
with the whole exposure, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..border import BORDER
from ..dark_decay import DarkDecayStep, unknown_decay
from ..dq_init import DQInitStep
from ..exposure import check_ramp
from ..reference_types import CHANNEL_COLS
from ..refpix import RefPixStep
from ..stpipe import RampStep, RomanStep
from ..wfi18_transient import WFI18TransientStep
from .ramp_record import AS_READ

if TYPE_CHECKING:
    from ..datamodels import DataModel, RampModel, ScienceRawModel
    from ..pipeline import ExposurePipeline
    from .sources import ReferenceFinder

__all__ = ["Area", "CutRamp", "Part", "to_the_fit", "working_references"]

#: The steps that have to see all rows. `DarkDecayStep` goes by when they are read.
_ON_ALL_ROWS = (RefPixStep, DarkDecayStep, WFI18TransientStep)
#: Every other channel is read from its right to its left: pairs of them are alike.
_PAIR = 2 * CHANNEL_COLS
#: How far a step may look beyond its row, besides the growth of saturation [pixels].
_REACH = 2


@dataclass(frozen=True)
class Area:
    """A rectangle of the Level 2 image around a pixel.

    Attributes
    ----------
    x, y : int
        Column and row of the pixel in the image, which has no border.
    first_col, last_col, first_row, last_row : int
        Of the rectangle, in the image; the last ones belong to it.
    """

    x: int
    y: int
    first_col: int
    last_col: int
    first_row: int
    last_row: int

    @classmethod
    def around(cls, x: int, y: int, shape: tuple[int, int], radius: int) -> Area:
        """That of a pixel of an image of `shape` (n_rows, n_cols), as far as that reaches."""
        return cls(
            *(x, y),
            *(max(x - radius, 0), min(x + radius, shape[1] - 1)),
            *(max(y - radius, 0), min(y + radius, shape[0] - 1)),
        )

    @property
    def rows(self) -> slice:
        """Its rows in a ramp, with as much around it as the border of an exposure is wide."""
        return slice(self.first_row, self.last_row + 1 + 2 * BORDER)

    @property
    def cols(self) -> slice:
        """Its columns in a ramp, likewise."""
        return slice(self.first_col, self.last_col + 1 + 2 * BORDER)

    def part(self, full: tuple[int, int]) -> Part:
        """It, with that around, as a part of an exposure of shape `full`."""
        return Part(self.rows, self.cols, full)

    @property
    def in_image(self) -> tuple[slice, slice]:
        """Its rows and columns in an image."""
        return (
            slice(self.first_row, self.last_row + 1),
            slice(self.first_col, self.last_col + 1),
        )

    @property
    def pixel(self) -> tuple[int, int]:
        """Row and column of the pixel in an image of the area."""
        return self.y - self.first_row, self.x - self.first_col


@dataclass
class CutRamp:
    """The ramps of an area.

    Attributes
    ----------
    ramp : RampModel
        As the fit is to see it, the area with a border around.
    stages : list of (str, ndarray)
        The samples of the pixel [DN], (n_resultants,), as they were read and after each step that
        changes them.
    """

    ramp: RampModel
    stages: list[tuple[str, NDArray[np.float32]]]


@dataclass(frozen=True, eq=False)
class Part:
    """A part of an exposure.

    Attributes
    ----------
    rows : slice
    cols : slice, or ndarray of int
        In order.
    full : (int, int)
        Rows and columns of the exposure.
    """

    rows: slice
    cols: slice | NDArray[np.int64]
    full: tuple[int, int]

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """That of an array whose last axes are rows and columns of the exposure."""
        return np.ascontiguousarray(array[..., self.rows, self.cols])

    @property
    def channels(self) -> list[int]:
        """The channels that its columns are, in order; none where these are a slice."""
        if isinstance(self.cols, slice):
            return []
        return [int(channel) for channel in np.unique(self.cols // CHANNEL_COLS)]

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the exposure."""
        whole = tuple(slice(0, size) for size in self.full)
        return isinstance(self.cols, slice) and (self.rows, self.cols) == whole

    def place_of(self, cols: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where in it columns of the exposure are."""
        if isinstance(self.cols, slice):
            return cols - self.cols.start
        return np.searchsorted(self.cols, cols)

    def of_exposure(self, model: Any) -> Any:
        """That of a raw exposure or a ramp: its samples and flags."""
        part = model.copy_for_change(())
        for name in ("data", "groupdq", "pixeldq", "resultantdq"):
            if name in model:
                part[name] = self.of(model.stored(name))
        return part

    def of_reference(self, reference: Any) -> Any:
        """That of a reference. One that comes without the border stays without it."""
        part = reference.copy_for_change(())
        for image in reference.reference_type.images:
            if image.name not in reference:
                continue
            whole = reference.stored(image.name)
            if whole.shape[-2:] == self.full:
                part[image.name] = self.of(whole)
            else:
                assert isinstance(self.cols, slice)
                rows, cols = (
                    slice(axis.start, axis.stop - 2 * BORDER) for axis in (self.rows, self.cols)
                )
                part[image.name] = np.ascontiguousarray(whole[..., rows, cols])
        if self.channels:
            self._choose_channels(reference, part)
        return part

    def _choose_channels(self, reference: Any, part: Any) -> None:
        """Has the tables and arrays of channels begin with the first that is covered."""
        for array in reference.reference_type.arrays:
            if array.axes[:1] == ("channel",):
                part[array.name] = np.ascontiguousarray(reference.stored(array.name)[self.channels])
        table_name = reference.reference_type.channel_table
        if not table_name:
            return
        rows = {int(re.sub(r"\D", "", name)): row for name, row in reference[table_name].items()}
        part[table_name] = {
            f"science_channel_{number:02d}": rows[channel + 1]
            for number, channel in enumerate(self.channels, start=1)
            if channel + 1 in rows
        }


def working_references(
    step: RomanStep, exposure: DataModel, finder: ReferenceFinder, stack: ExitStack
) -> tuple[dict[str, Any], list[str]] | None:
    """The references of a step, open until `stack` ends, and what is to be said of them.

    None where the step does not work on the exposure.
    """
    from .. import datamodels

    if step.skip or step.idle(exposure):
        return None
    references, notes = {}, []
    for reftype in step.reference_types_for(exposure):
        found = finder.find(step.name, reftype)
        if found.path is not None:
            references[reftype] = stack.enter_context(datamodels.open(found.path))
        elif reftype not in step.optional_references:
            return None
        if found.note:
            notes.append(found.note)
    detector = exposure.meta.instrument.detector
    if isinstance(step, DarkDecayStep) and unknown_decay(references["darkdecaysignal"], detector):
        return None
    if isinstance(step, WFI18TransientStep) and step.reason_to_skip(exposure):
        return None
    return references, notes


def to_the_fit(
    raw: ScienceRawModel,
    pipeline: ExposurePipeline,
    finder: ReferenceFinder,
    area: Area,
    notes: list[str],
) -> CutRamp:
    """Takes an exposure through the steps up to the fit.

    Parameters
    ----------
    raw : ScienceRawModel
    pipeline : ExposurePipeline
        With the parameters of its steps. Their hooks are not run.
    finder : ReferenceFinder
    area : Area
        What is wanted of it.
    notes : list of str
        What is to be said of references is added.

    Raises
    ------
    ReferenceFileError
        If a reference is not there.
    """
    check_ramp(raw)
    with ExitStack() as stack:
        steps = []
        for step in pipeline._on_ramps(raw)[:-1]:
            found = working_references(step, raw, finder, stack)
            if found is not None:
                steps.append((step, found[0]))
                notes.extend(found[1])
        on_all_rows = [i for i, (step, _) in enumerate(steps) if isinstance(step, _ON_ALL_ROWS)]
        n_on_all_rows = on_all_rows[-1] + 1 if on_all_rows else 0
        needs_all = any(isinstance(step, WFI18TransientStep) for step, _ in steps)
        margin = _REACH + int(pipeline.step("saturation").n_pix_grow_sat)
        wide, narrow = _parts(raw, area, margin, all_channels=needs_all)
        work = _Work(raw, area, wide if n_on_all_rows else narrow)
        for i, (step, references) in enumerate(steps):
            if i == n_on_all_rows:
                work.narrow(narrow)
            work.take(step, references)
        return work.result()


def _parts(
    raw: ScienceRawModel, area: Area, margin: int, *, all_channels: bool
) -> tuple[Part, Part]:
    """What the steps that see all rows have to see, and what those that follow them have to.

    Counts that were sent as differences are restored of the whole.
    """
    from ..datamodels import ENCODING_ARRAYS

    n_rows, n_cols = raw.shape[1:]
    full = n_rows, n_cols
    rows = slice(max(area.rows.start - margin, 0), min(area.rows.stop + margin, n_rows))
    first, last = area.cols.start // _PAIR, (area.cols.stop - 1) // _PAIR
    n_pairs = n_cols // _PAIR
    pairs = {0, *range(first, last + 1), n_pairs - 1}
    is_encoded = any(name in raw for name in ENCODING_ARRAYS)
    if all_channels or is_encoded or n_cols % _PAIR or 2 * len(pairs) > n_pairs:
        every = slice(0, n_cols)
        return Part(slice(0, n_rows), every, full), Part(rows, every, full)
    return (
        Part(slice(0, n_rows), _columns(sorted(pairs)), full),
        Part(rows, _columns(range(first, last + 1)), full),
    )


def _columns(pairs: Iterable[int]) -> NDArray[np.int64]:
    return np.concatenate([np.arange(pair * _PAIR, (pair + 1) * _PAIR) for pair in pairs])


class _Work:
    """A part of an exposure on its way to the fit."""

    def __init__(self, raw: ScienceRawModel, area: Area, part: Part) -> None:
        from ..datamodels import RampModel

        self._raw, self._area, self._part = raw, area, part
        self._stages: list[tuple[str, NDArray[np.float32]]] = []
        #: Kernels that are still to be applied.
        self._pending: list[_core.Kernel] = []
        self._ramp = RampModel.from_science_raw(raw if part.is_whole else part.of_exposure(raw))
        self._look(AS_READ)

    def narrow(self, part: Part) -> None:
        """Goes on with less: a part of the part."""
        if part is self._part:
            return
        self._apply()
        first = part.rows.start - self._part.rows.start
        rows = slice(first, first + part.rows.stop - part.rows.start)
        cols: Any = slice(None)
        if not isinstance(part.cols, slice):
            cols = self._part.place_of(part.cols)
        self._ramp = Part(rows, cols, part.full).of_exposure(self._ramp)
        self._part = part

    def take(self, step: RomanStep, references: dict[str, Any]) -> None:
        """Takes the ramp through a step."""
        ramp, part = self._ramp, self._part
        if isinstance(step, DQInitStep):
            flags = step.first_flags(self._raw, references.get("mask"))
            if flags is not None:
                ramp.pixeldq |= part.of(flags)
            return
        assert isinstance(step, RampStep)
        if not part.is_whole:
            references = {name: part.of_reference(model) for name, model in references.items()}
        kernel = step.kernel(ramp, references)
        self._pending.append(kernel)
        if "data" in kernel.changes:
            self._apply()
            self._look(step.name)

    def result(self) -> CutRamp:
        self._apply()
        rows, cols = self._area.rows, self._area.cols
        first_row = self._part.rows.start
        within = slice(rows.start - first_row, rows.stop - first_row)
        part = Part(within, self._part.place_of(np.arange(cols.start, cols.stop)), self._part.full)
        return CutRamp(part.of_exposure(self._ramp), self._stages)

    def _apply(self) -> None:
        if self._pending:
            ramp = self._ramp
            _core.apply(self._pending, ramp.data, ramp.groupdq, ramp.pixeldq, None, None, None)
            self._pending = []

    def _look(self, label: str) -> None:
        row, col = self._area.y + BORDER - self._part.rows.start, self._area.x + BORDER
        (place,) = self._part.place_of(np.array([col]))
        self._stages.append((label, np.array(self._ramp.data[:, row, place])))
