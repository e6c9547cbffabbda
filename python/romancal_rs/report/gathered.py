"""What the page of an exposure is made of: the model, what it records, and files beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import datamodels, dqflags
from ..border import BORDER, SCIENCE
from ..datamodels import ImageModel, RampModel, ScienceRawModel
from ..errors import InputError, RomancalError, one_line
from ..stpipe.recipes import OF_2022
from .measure import usable_image
from .records import Record, look, text_of
from .remarks import Findings

if TYPE_CHECKING:
    from ..datamodels import DataModel

__all__ = ["Gathered", "inside"]


class Gathered:
    """An exposure and what is known of it.

    Parameters
    ----------
    model : ImageModel, RampModel or ScienceRawModel
    raw : path, optional
        The raw exposure, or the directory that holds it; else it is looked for, see
        `show.sources.find_raw`.

    Attributes
    ----------
    model
    meta : DNode
    record : Record
    findings : Findings
        Filled in as parts of the page are written.
    raw : ScienceRawModel or None
        The raw exposure; the model itself if that is one.
    raw_note : str
        Why it is not there, or may be another one.
    ramp : RampModel or None
        The ramp before the fit; the model itself if that is one.
    unit : str
        Of rates.

    Raises
    ------
    InputError
        If its arrays do not fit each other.
    """

    def __init__(self, model: DataModel, raw: str | os.PathLike[str] | None = None) -> None:
        check_shapes(model)
        self._given_raw = raw
        self.model = model
        self.meta: Any = model.meta
        self.record = Record.of(model)
        self.findings = Findings()
        self.raw: Any = model if isinstance(model, ScienceRawModel) else None
        self.raw_note = ""
        self.ramp: Any = model if isinstance(model, RampModel) else None
        self.unit = "DN/s"

    @contextmanager
    def with_others(self) -> Iterator[None]:
        """Opens the raw exposure, and the ramp that was saved beside an image."""
        from ..show.sources import find_ramp

        with ExitStack() as files:
            if self.raw is None:
                self._find_raw(files)
            if self.ramp is None and self.raw is not self.model and self.model.source:
                try:
                    path = find_ramp(self.model)
                    if path is not None:
                        self.ramp = files.enter_context(datamodels.open(path))
                except (RomancalError, OSError):
                    self.ramp = None
            yield

    def _find_raw(self, files: ExitStack) -> None:
        from ..show.sources import find_raw

        given = self._given_raw
        if not self.model.source and given is None:
            self.raw_note = "the product is in memory, and does not say where its raw exposure is"
            return
        try:
            found = find_raw(self.model, given)
            assert found.path is not None
            raw = files.enter_context(datamodels.open(found.path))
        except (RomancalError, OSError) as error:
            if given is not None:
                raise
            self.raw_note = one_line(error)
            return
        if not isinstance(raw, ScienceRawModel):
            if given is not None:
                raise InputError(f"{found.path}: {type(raw).__name__}: not a raw exposure")
            self.raw_note = f"{found.path} is not a raw exposure"
            return
        self.raw_note = found.note
        if given is not None or not found.note:
            self.raw = raw

    @property
    def name(self) -> str:
        """That of the file, or the one that the exposure says it has."""
        source = self.model.source
        name = Path(source).name if source else text_of(look(self.meta, "filename"))
        return name or "exposure in memory"

    @property
    def n_resultants(self) -> int:
        """0 where it is not known."""
        pattern = look(self.meta, "exposure.read_pattern")
        if pattern is not None and hasattr(pattern, "__len__"):
            return len(pattern)
        count = look(self.meta, "exposure.nresultants")
        return count if isinstance(count, int) else 0

    @property
    def algorithm(self) -> str:
        """How the ramps were fitted: gls, likely, ols, or empty where that is not recorded."""
        algorithm = text_of(self.record.step("rampfit").get("algorithm"))
        if algorithm == "auto":
            return "ols" if self.record.recipe == OF_2022 else "gls"
        return algorithm

    @cached_property
    def dq(self) -> NDArray[np.uint32] | None:
        """The flags of each pixel of the image, or of the ramp inside the border."""
        model = self.model
        if isinstance(model, ImageModel):
            return model.stored("dq") if "dq" in model else None
        if not isinstance(model, RampModel) or "pixeldq" not in model:
            return None
        flags = np.array(inside(model.stored("pixeldq")[None])[0])
        if "groupdq" in model:
            for resultant in inside(model.stored("groupdq")):
                flags |= resultant & np.uint8(dqflags.IN_SAMPLE_AND_PIXEL)
        return flags

    @cached_property
    def usable(self) -> NDArray[np.bool_] | None:
        """Which pixels of the image are not DO_NOT_USE."""
        return None if self.dq is None else usable_image(self.dq)


def check_shapes(model: DataModel) -> None:
    """Checks that the arrays that a page shows are of the same pixels.

    Raises
    ------
    InputError
        Naming the array.
    """
    n_axes = 2 if isinstance(model, ImageModel) else 3
    where = f"{model.source}: " if model.source else ""
    if "data" in model and len(model.shape) != n_axes:
        raise InputError(f"{where}data: expected {n_axes} axes, got shape {model.shape}")
    arrays = dict(model.arrays())  # of which nothing is read
    for name in ("dq", "err", "chisq", "pixeldq", "groupdq"):
        if name not in arrays or "data" not in arrays:
            continue
        shape = tuple(arrays[name].shape)
        expected = tuple(model.shape[-len(shape) :])
        if shape != expected:
            raise InputError(
                f"{where}{name}: expected shape {expected}, as data has it, got {shape}"
            )


def inside(cube: NDArray[Any]) -> NDArray[Any]:
    """A cube without the border of reference pixels, which ramps have and images have not."""
    return cube[(slice(None), *SCIENCE)] if min(cube.shape[1:]) > 2 * BORDER else cube
