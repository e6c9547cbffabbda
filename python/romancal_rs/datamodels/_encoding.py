"""How the counts of a Level 1 exposure were changed on board, and what restores them.

On board a reference read may be subtracted from every resultant, and an offset added, so that noise
below 0 is not cut off::

    sent = resultant - reference_read + data_encoding_offset

The amplifier 33 is treated alike, with its own reference.

A ramp that this package makes is not encoded any more. One that the mission's library makes of a
Level 1 exposure is, until dq_init: it holds the reference reads, and those go when they are added.
That the offset is gone, which stays in the metadata, the status of dq_init tells, and, of a ramp
that dq_init has not seen yet, a mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dqflags
from ._errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._exposures import RampModel, ScienceRawModel

#: Names of the read that was subtracted: today's, and that of the series 1.1 to 1.3.
_READS = ("reference_read", "reset_read")
_AMP33_READS = ("reference_amp33", "reset_amp33")

#: What a Level 1 file holds for the sake of its encoding, and nothing made of it does.
ENCODING_ARRAYS = (*_READS, *_AMP33_READS)

#: Of ``meta.instrument``, in ramps whose offset was taken off: that it was.
_MARK = "data_encoding_undone"

_MOST = 65535


@dataclass(frozen=True)
class Encoding:
    """What was done to the counts of an exposure.

    Attributes
    ----------
    reference_read : ndarray, (n_rows, n_cols), uint16, or None
        The read that was subtracted from every resultant [DN].
    reference_amp33 : ndarray, (n_rows, n_amp33_cols), uint16, or None
        Of the amplifier 33 [DN].
    offset : int
        What was added to every resultant and its amplifier 33 [DN].
    """

    reference_read: NDArray[np.uint16] | None = None
    reference_amp33: NDArray[np.uint16] | None = None
    offset: int = 0

    @classmethod
    def of(cls, raw: ScienceRawModel | RampModel) -> Encoding:
        """The encoding that a Level 1 exposure, or a ramp that `is_encoded`, states.

        Parameters
        ----------
        raw : ScienceRawModel or RampModel
            The exposure.

        Returns
        -------
        Encoding

        Raises
        ------
        ModelError
            If a reference does not fit the array it was subtracted from, or the offset is none.
        """
        where = f"{raw.source}: " if raw.source else ""
        read = _reference(raw, _READS, "data", where)
        return cls(read, _reference(raw, _AMP33_READS, "amp33", where), encoding_offset(raw))

    @property
    def changes_amp33(self) -> bool:
        """Whether the 33rd amplifier was sent in another form than it was read out."""
        return self.reference_amp33 is not None or self.offset != 0

    @property
    def floor(self) -> float:
        """The value of a sample whose count is 0, but for the reference read [DN]."""
        return float(-self.offset)

    def samples(
        self, counts: NDArray[np.number], rows: slice = slice(None), cols: slice = slice(None)
    ) -> NDArray[np.float32]:
        """The resultants as they were read out.

        Parameters
        ----------
        counts : ndarray, (n_resultants, n_rows, n_cols), uint16
            As they were sent.
        rows, cols : slice
            Which of them are wanted.

        Returns
        -------
        ndarray, float32
            New memory, in C order [DN]. Below 0, and above 65535, where the counts say so.
        """
        samples = counts[:, rows, cols].astype(np.float32, order="C")
        if self.reference_read is not None:
            samples += self.reference_read[rows, cols].astype(np.float32)
        if self.offset:
            samples -= np.float32(self.offset)
        return samples

    def flag_floor(self, counts: NDArray[np.number], groupdq: NDArray[np.uint8]) -> None:
        """Flag counts of 0 AD_FLOOR and DO_NOT_USE, in place, where a reference read hides them.

        Without one they stay visible in the samples, as the lowest value there is.

        Parameters
        ----------
        counts : ndarray, (n_resultants, n_rows, n_cols), uint16
            As they were sent.
        groupdq : ndarray, uint8
            Of the same shape.
        """
        if self.reference_read is not None:
            groupdq[counts == 0] |= dqflags.AD_FLOOR | dqflags.DO_NOT_USE

    def amp33(self, counts: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """The 33rd amplifier as it was read out, cut to the range of uint16.

        A count of 0 says that there is no sample, whatever was added on board, and stays 0.

        Parameters
        ----------
        counts : ndarray, (n_resultants, n_rows, n_amp33_cols), uint16
            As it was sent.

        Returns
        -------
        ndarray, uint16
        """
        restored = counts.astype(np.int32)
        if self.reference_amp33 is not None:
            restored += self.reference_amp33
        restored -= self.offset
        restored[counts == 0] = 0
        return restored.clip(0, _MOST).astype(np.uint16)


def encoding_offset(exposure: ScienceRawModel | RampModel) -> int:
    """What was added to the counts on board [DN], as ``meta.instrument`` states it.

    Parameters
    ----------
    exposure : ScienceRawModel or RampModel
        The exposure.

    Returns
    -------
    int
        0 if nothing was added.

    Raises
    ------
    ModelError
        If that is no whole number of at most 16 bits.
    """
    where = f"{exposure.source}: " if exposure.source else ""
    instrument = exposure.meta.get("instrument")
    if not isinstance(instrument, Mapping):
        raise ModelError(f"{where}meta.instrument is {instrument!r}; expected a mapping")
    offset = instrument.get("data_encoding_offset")
    if offset is None:
        return 0
    whole = isinstance(offset, (int, np.integer)) and not isinstance(offset, bool)
    if not whole or abs(offset) > _MOST:
        raise ModelError(
            f"{where}meta.instrument.data_encoding_offset is {offset!r}; expected a whole "
            f"number of DN, at most {_MOST}, or none for 0"
        )
    return int(offset)


def is_encoded(ramp: RampModel) -> bool:
    """Whether the samples of a ramp are still as they were sent; see `RampModel.is_encoded`."""
    instrument = ramp.meta.get("instrument") or {}
    has_offset = bool(instrument.get("data_encoding_offset")) and not instrument.get(_MARK)
    has_read = any(name in ramp for name in ENCODING_ARRAYS)
    return _is_to_do(ramp) and (has_read or has_offset)


def check_restored(ramp: RampModel) -> None:
    """Checks that a ramp which is not encoded does not look as if it were.

    Raises
    ------
    ModelError
        If it holds a reference read, which dq_init takes away, and dq_init is done.
    """
    name = next((name for name in ENCODING_ARRAYS if name in ramp), None)
    if name is not None and not _is_to_do(ramp):
        where = f"{ramp.source}: " if ramp.source else ""
        raise ModelError(
            f"{where}holds {name}, as an encoded ramp does, but meta.cal_step.dq_init is "
            f"{ramp.meta.cal_step.dq_init}; remove {name} if it was added to the data"
        )


def _is_to_do(ramp: RampModel) -> bool:
    status = (ramp.meta.get("cal_step") or {}).get("dq_init", "INCOMPLETE")
    return bool(status == "INCOMPLETE")


def mark_restored(meta: dict[str, Any]) -> None:
    """Notes in the metadata of a ramp, in place, that its offset, if it had one, was taken off."""
    instrument = meta.get("instrument")
    if isinstance(instrument, dict) and instrument.get("data_encoding_offset"):
        instrument[_MARK] = True


def _reference(
    raw: ScienceRawModel | RampModel, names: tuple[str, ...], of: str, where: str
) -> np.ndarray[Any, Any] | None:
    name = next((name for name in names if name in raw), None)
    if name is None:
        return None
    array = raw[name]  # which keeps it, for who asks next
    expected = raw._tree.data[of].shape[1:]
    if array.shape != expected or array.dtype != np.uint16:
        raise ModelError(
            f"{where}{name}: {array.dtype} of shape {array.shape}; {of} needs uint16 of shape "
            f"{expected}"
        )
    return array
