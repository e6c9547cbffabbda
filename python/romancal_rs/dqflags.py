"""Data-quality flags: bits of ``groupdq`` (uint8), and of ``pixeldq`` and ``dq`` (uint32).

The names are the manual's (section 8.1.11) and today's: a bit may have had two. `group` and `pixel`
map names to values; every flag of a pixel is also an attribute of this module.

>>> from romancal_rs import dqflags
>>> dqflags.pixel["JUMP_DET"]
4
>>> dqflags.names(dqflags.SATURATED | dqflags.DEAD)
['SATURATED', 'DEAD']
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

DO_NOT_USE: Final = 1 << 0
"""Bad pixel."""
SATURATED: Final = 1 << 1
"""Pixel saturated during exposure."""
JUMP_DET: Final = 1 << 2
"""Jump detected during exposure."""
DROPOUT: Final = 1 << 3
"""Data lost in transmission."""
GW_AFFECTED_DATA: Final = 1 << 4
"""Data affected by the guide window."""
PERSISTENCE: Final = 1 << 5
"""High persistence."""
AD_FLOOR: Final = 1 << 6
"""Below the A/D converter's floor: 0 DN."""
OUTLIER: Final = 1 << 7
"""Flagged by outlier detection."""
UNRELIABLE_ERROR: Final = 1 << 8
"""Uncertainty exceeds quoted error."""
NON_SCIENCE: Final = 1 << 9
"""Pixel not on the science portion of the detector."""
DEAD: Final = 1 << 10
"""Dead pixel."""
HOT: Final = 1 << 11
"""Hot pixel."""
WARM: Final = 1 << 12
"""Warm pixel."""
LOW_QE: Final = 1 << 13
"""Low quantum efficiency."""
TELEGRAPH: Final = 1 << 15
"""Telegraph pixel."""
NONLINEAR: Final = 1 << 16
"""Pixel highly nonlinear."""
BAD_REF_PIXEL: Final = 1 << 17
"""Reference pixel cannot be used."""
NO_FLAT_FIELD: Final = 1 << 18
"""Flat field cannot be measured."""
NO_GAIN_VALUE: Final = 1 << 19
"""Gain cannot be measured."""
NO_LIN_CORR: Final = 1 << 20
"""Linearity correction not available."""
NO_SAT_CHECK: Final = 1 << 21
"""Saturation check not available."""
UNRELIABLE_BIAS: Final = 1 << 22
"""Bias variance large."""
UNRELIABLE_DARK: Final = 1 << 23
"""Dark variance large."""
UNRELIABLE_SLOPE: Final = 1 << 24
"""Slope variance large: a noisy pixel."""
UNRELIABLE_FLAT: Final = 1 << 25
"""Flat variance large."""
UNRELIABLE_RESET: Final = 1 << 28
"""Sensitive to reset anomaly."""
OTHER_BAD_PIXEL: Final = 1 << 30
"""A catch-all flag."""
REFERENCE_PIXEL: Final = 1 << 31
"""Pixel is a reference pixel."""

WFI18_TRANSIENT: Final = 1 << 7
"""Of a sample only: affected by the transient anomaly of detector WFI18."""

RESERVED_1: Final = GW_AFFECTED_DATA
"""The manual's name of bit 4."""
RESERVED_4: Final = OUTLIER
"""The manual's name of bit 7."""
RESERVED_5: Final = 1 << 26
RESERVED_6: Final = 1 << 27
RESERVED_7: Final = 1 << 29

_OF_BOTH: Final = {
    "DO_NOT_USE": DO_NOT_USE,
    "SATURATED": SATURATED,
    "JUMP_DET": JUMP_DET,
    "DROPOUT": DROPOUT,
    "GW_AFFECTED_DATA": GW_AFFECTED_DATA,
    "PERSISTENCE": PERSISTENCE,
    "AD_FLOOR": AD_FLOOR,
}

IN_SAMPLE_AND_PIXEL: Final = sum(_OF_BOTH.values())
"""The bits that mean the same in a sample and in its pixel: only these become flags of the pixel.

Bit 7 is left out: WFI18_TRANSIENT of a sample, OUTLIER of a pixel.
"""

group: Final[Mapping[str, int]] = MappingProxyType(
    {
        **_OF_BOTH,
        "WFI18_TRANSIENT": WFI18_TRANSIENT,
        "RESERVED_1": RESERVED_1,
        "RESERVED_4": RESERVED_4,
    }
)
"""Flags of a sample by name; the manual's names of bits that have others today come last."""

pixel: Final[Mapping[str, int]] = MappingProxyType(
    {
        **_OF_BOTH,
        "OUTLIER": OUTLIER,
        "UNRELIABLE_ERROR": UNRELIABLE_ERROR,
        "NON_SCIENCE": NON_SCIENCE,
        "DEAD": DEAD,
        "HOT": HOT,
        "WARM": WARM,
        "LOW_QE": LOW_QE,
        "TELEGRAPH": TELEGRAPH,
        "NONLINEAR": NONLINEAR,
        "BAD_REF_PIXEL": BAD_REF_PIXEL,
        "NO_FLAT_FIELD": NO_FLAT_FIELD,
        "NO_GAIN_VALUE": NO_GAIN_VALUE,
        "NO_LIN_CORR": NO_LIN_CORR,
        "NO_SAT_CHECK": NO_SAT_CHECK,
        "UNRELIABLE_BIAS": UNRELIABLE_BIAS,
        "UNRELIABLE_DARK": UNRELIABLE_DARK,
        "UNRELIABLE_SLOPE": UNRELIABLE_SLOPE,
        "UNRELIABLE_FLAT": UNRELIABLE_FLAT,
        "RESERVED_5": RESERVED_5,
        "RESERVED_6": RESERVED_6,
        "UNRELIABLE_RESET": UNRELIABLE_RESET,
        "RESERVED_7": RESERVED_7,
        "OTHER_BAD_PIXEL": OTHER_BAD_PIXEL,
        "REFERENCE_PIXEL": REFERENCE_PIXEL,
        "RESERVED_1": RESERVED_1,
        "RESERVED_4": RESERVED_4,
    }
)
"""Flags of a pixel by name; the manual's names of bits that have others today come last."""


def names(flags: int, kind: Mapping[str, int] = pixel) -> list[str]:
    """Names of the flags that are set.

    Parameters
    ----------
    flags : int
        Flags of a pixel or of a sample.
    kind : Mapping, optional
        `pixel` or `group`.

    Returns
    -------
    list of str
        Today's names, lowest bit first. A bit without a name is given as ``BIT_<number>``.
    """
    of_value: dict[int, str] = {}
    for name, value in kind.items():
        of_value.setdefault(value, name)
    set_bits = [bit for bit in range(int(flags).bit_length()) if int(flags) >> bit & 1]
    return [of_value.get(1 << bit, f"BIT_{bit}") for bit in set_bits]


def counts(flags: np.ndarray[Any, Any], kind: Mapping[str, int] = pixel) -> dict[str, int]:
    """How many pixels each flag has that is set at all.

    Parameters
    ----------
    flags : ndarray of uint8 or uint32
        Flags of pixels or samples, of any shape.
    kind : Mapping, optional
        `pixel` or `group`.

    Returns
    -------
    dict of str to int
        By name, as of `names`, lowest bit first.
    """
    import numpy as np

    # Few combinations of flags occur: counting these is one pass over the pixels.
    values, numbers = np.unique(flags[flags != 0], return_counts=True)
    found = {}
    for bit in range(8 * flags.dtype.itemsize):
        number = int(numbers[(values & flags.dtype.type(1 << bit)) != 0].sum())
        if number:
            (name,) = names(1 << bit, kind)
            found[name] = number
    return found
