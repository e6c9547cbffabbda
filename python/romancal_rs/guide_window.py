"""The guide window: pixels that are read, and reset, while the detector exposes."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

from .dqflags import DO_NOT_USE, GW_AFFECTED_DATA
from .errors import InputError
from .exposure import describe

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import RampModel, ScienceRawModel


class GuideWindow(NamedTuple):
    """Where the guide window lies on the full frame, borders included; stops are exclusive."""

    xstart: int
    xstop: int
    ystart: int
    ystop: int

    @classmethod
    def of(cls, exposure: ScienceRawModel | RampModel) -> GuideWindow | None:
        """The window that ``meta.guide_star`` states, cut at the edges of the frame.

        Returns
        -------
        GuideWindow or None
            None where none is stated, or it begins outside of the frame, or ends before it begins:
            so files say that there was none.

        Raises
        ------
        InputError
            If a limit is no whole number, or ``meta.guide_star`` no mapping.
        """
        guide_star = exposure.meta.get("guide_star") or {}
        if not isinstance(guide_star, Mapping):
            raise InputError(
                f"{describe(exposure)}: meta.guide_star is {guide_star!r}; expected a mapping"
            )
        limits: list[int] = []
        for name in cls._fields:
            limit = guide_star.get(f"window_{name}")
            if limit is None:
                return None
            if not isinstance(limit, Integral) or isinstance(limit, bool):
                raise InputError(
                    f"{describe(exposure)}: meta.guide_star.window_{name} is {limit!r}; expected a "
                    "whole number of pixels"
                )
            limits.append(int(limit))
        n_rows, n_cols = exposure.shape[-2:]
        window = cls(*limits)
        begins_inside = 0 <= window.xstart < n_cols and 0 <= window.ystart < n_rows
        if not begins_inside or window.xstop <= window.xstart or window.ystop <= window.ystart:
            return None
        return window._replace(xstop=min(window.xstop, n_cols), ystop=min(window.ystop, n_rows))

    def flag(self, pixeldq: np.ndarray, expand: int = 0) -> None:
        """Flags the columns of the window GW_AFFECTED_DATA, and the window also DO_NOT_USE.

        Parameters
        ----------
        pixeldq : ndarray, (n_rows, n_cols), uint32
            Flags of the full frame; added to in place.
        expand : int
            By how many pixels the window is taken to be larger on each side; its columns are not.
        """
        pixeldq[:, self.xstart : self.xstop] |= GW_AFFECTED_DATA
        rows = slice(max(self.ystart - expand, 0), self.ystop + expand)
        cols = slice(max(self.xstart - expand, 0), self.xstop + expand)
        pixeldq[rows, cols] |= DO_NOT_USE | GW_AFFECTED_DATA
