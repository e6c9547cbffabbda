"""The dq_init step: a ramp with data-quality arrays, from a raw exposure and the MASK."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy, dqflags
from ._told import n_flagged
from .border import BORDER
from .exposure import check_for_step, check_ramp
from .guide_window import GuideWindow
from .stpipe import RomanStep
from .stpipe.calls import run_of
from .stpipe.recipes import OF_2022

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from .datamodels import MaskRefModel, RampModel, ScienceRawModel

__all__ = ["DQInitStep"]

__dir__ = _lazy.listing(__all__)


class DQInitStep(RomanStep):
    """Make the ramp and its data-quality arrays: bad pixels of the MASK, and the guide window.

    Takes a `ScienceRawModel <romancal_rs.datamodels.ScienceRawModel>` and returns a
    `RampModel <romancal_rs.datamodels.RampModel>`. Counts that were sent as differences to a
    reference read, or with an offset, are restored. The border of reference pixels is copied to
    separate arrays before any correction.
    """

    spec = """
        expand_gw_flagging = integer(default=0, min=0)  #! Pixels to add around the guide window
    """
    class_alias = "dq_init"
    cal_step_name = "dq_init"
    is_repeatable = True
    default_suffix = "dqinit"
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {"default_suffix": "dq_init"},
    }
    reference_file_types: ClassVar[list[str]] = ["mask"]

    def process(self, input: Any) -> RampModel:
        from .datamodels import RampModel

        ramp = self.prepare(input, RampModel, changes=["pixeldq", "dq"])
        check_ramp(ramp)
        ramp.restore_counts()
        ramp.add_missing()
        window = GuideWindow.of(ramp)
        if window is not None:
            window.flag(ramp.pixeldq, self.expand_gw_flagging)
        if self.get_reference_file(ramp, "mask") == "N/A":
            self.skip_without(ramp, "mask")
        else:
            with self.get_reference_file_model(ramp, "mask") as mask:
                self._tell(flag_bad_pixels(ramp, mask))
            self.record_step_status(ramp, self.cal_step_name)
        copy_border_of(ramp)
        return ramp

    def first_flags(
        self, exposure: ScienceRawModel, mask: MaskRefModel | None
    ) -> np.ndarray | None:
        """The flags that the step gives to the pixels of a raw exposure.

        Parameters
        ----------
        exposure : ScienceRawModel
            The raw exposure.
        mask : MaskRefModel or None
            None where it is N/A.

        Returns
        -------
        ndarray or None, (n_rows, n_cols), uint32
            Where there is no guide window they are the mask's own array, which is not to be
            changed, or None, which stands for zeros.
        """
        import numpy as np

        window = GuideWindow.of(exposure)
        flags = None if mask is None else mask.stored("dq")
        if flags is not None:
            self._tell(flags)
        if window is None:
            return flags
        dq = np.zeros(exposure.shape[1:], np.uint32) if flags is None else flags.copy()
        window.flag(dq, self.expand_gw_flagging)
        return dq

    def _tell(self, flags: np.ndarray) -> None:
        """Says what the MASK has: once of a run, which may begin anew."""
        n_bad = n_flagged(flags, dqflags.DO_NOT_USE)
        run = run_of(self)
        tell = self.log.info if run is None else partial(run.tell_once, self.log)
        tell("%d of %d pixels are DO_NOT_USE by the MASK", n_bad, flags.size)

    def skip_input(self, input: Any) -> RampModel:
        from . import datamodels

        ramp: Any = datamodels.open(input)
        if isinstance(ramp, datamodels.RampModel):
            check_for_step(ramp)
            if self.parent is None:
                ramp = ramp.copy_for_change(())
            ramp.restore_counts()  # while the ramp says that this is to be done
            ramp.add_missing()
        ramp = super().skip_input(ramp)
        copy_border_of(ramp)  # no later step does, and every product has it
        return ramp


def flag_bad_pixels(ramp: RampModel, mask: MaskRefModel) -> np.ndarray:
    """Adds the mask's flags, which it returns, to ``pixeldq`` in place.

    Of a guide star exposure they are added to ``dq``.
    """
    from .datamodels import GUIDE_STAR_TYPES

    is_guide_star = ramp.meta.exposure.type in GUIDE_STAR_TYPES
    if is_guide_star and "dq" not in ramp:
        ramp.dq = ramp.pixeldq.copy()
    flags = ramp.dq if is_guide_star else ramp.pixeldq
    of_mask = mask.stored("dq")
    flags |= of_mask
    return of_mask


def copy_border_of(ramp: RampModel) -> None:
    """Copies the reference pixels of a ramp to arrays of their own."""
    copy_border(ramp, lambda rows, cols: ramp.data[:, rows, cols].copy(), ramp.pixeldq)


def copy_border(
    ramp: RampModel, samples: Callable[[slice, slice], np.ndarray], dq: np.ndarray
) -> None:
    """Copies the reference pixels, each corner into both sides that it belongs to.

    The first rows are the "top", as in the mission's own products of 2022 and of today.

    Parameters
    ----------
    ramp : RampModel
        Gets the arrays ``border_ref_pix_left`` ... and ``dq_border_ref_pix_left`` ...
    samples : callable
        Gives a copy of some rows and columns of the ramp, before any correction,
        (n_resultants, n_rows, n_cols), float32 [DN].
    dq : ndarray, (n_rows, n_cols), uint32
        Flags of the pixels.
    """
    everything, first, last = slice(None), slice(BORDER), slice(-BORDER, None)
    for side, pixels in {
        "left": (everything, first),
        "right": (everything, last),
        "top": (first, everything),
        "bottom": (last, everything),
    }.items():
        ramp[f"border_ref_pix_{side}"] = samples(*pixels)
        ramp[f"dq_border_ref_pix_{side}"] = dq[pixels].copy()
