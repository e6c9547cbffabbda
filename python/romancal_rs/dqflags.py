"""Data-quality flags: bits of ``groupdq`` (uint8), and of ``pixeldq`` and ``dq`` (uint32).

The names are the manual's (section 8.1.11) and today's: a bit may have had two. `group` holds the
flags of a sample and `pixel` those of a pixel: by attribute as numbers of the type that the arrays
have, which know their names and meanings, and by item as plain numbers. Those of a pixel are plain
numbers of this module, too.

>>> from romancal_rs import dqflags
>>> dqflags.pixel.JUMP_DET
<pixel.JUMP_DET: 4>
>>> dqflags.pixel["JUMP_DET"]
4
>>> dqflags.pixel.names(dqflags.SATURATED | dqflags.DEAD)
['SATURATED', 'DEAD']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Self, SupportsInt

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Flag:
    """What a flag knows besides its number, which is that of one bit, or 0."""

    name: str
    meaning: str
    _kind: str

    def __set_name__(self, owner: type[Flags], name: str) -> None:
        if "name" not in self.__dict__:  # the first name of a bit is today's
            self.name, self._kind = name, owner.__name__.strip("_").lower()

    @property
    def value(self) -> int:
        """The plain number."""
        return int(self)  # type: ignore[call-overload]

    @property
    def bit_number(self) -> int | None:
        """Which bit it is, the lowest being 0; None for GOOD."""
        return self.value.bit_length() - 1 if self.value else None

    def _shown(self) -> str:
        return f"<{self._kind}.{self.name}: {self.value}>"

    def _number(self) -> str:
        return str(self.value)


def _number_of_bit(bit: int | None) -> int:
    return 0 if bit is None else 1 << bit


# NumPy's class comes first among the bases: of any other order NumPy makes objects.
class PixelFlag(np.uint32, _Flag):
    """A flag of a pixel. ``dq & ~flag`` and ``dq |= flag`` keep the type of the array."""

    def __new__(cls, bit: int | None, meaning: str) -> Self:
        flag = super().__new__(cls, _number_of_bit(bit))
        flag.meaning = meaning
        return flag

    __repr__ = _Flag._shown
    __str__ = _Flag._number


class GroupFlag(np.uint8, _Flag):
    """A flag of a sample. ``groupdq & ~flag`` and ``groupdq |= flag`` keep the array's type."""

    def __new__(cls, bit: int | None, meaning: str) -> Self:
        flag = super().__new__(cls, _number_of_bit(bit))
        flag.meaning = meaning
        return flag

    __repr__ = _Flag._shown
    __str__ = _Flag._number


class Flags(Mapping[str, int]):
    """The flags of one kind: by attribute as numbers that know their names, by item plain ones.

    Names of which the bit has another today come last.
    """

    def __init__(self) -> None:
        flags = {n: f for n, f in vars(type(self)).items() if isinstance(f, _Flag) and f.value}
        ordered = sorted(flags.items(), key=lambda item: item[0] != item[1].name)
        self._values = {name: flag.value for name, flag in ordered}
        self._of_bit = {flag.bit_number: flag for flag in flags.values()}

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def names(self, value: SupportsInt) -> list[str]:
        """Names of the flags that are set.

        Parameters
        ----------
        value : int
            Flags of a pixel or of a sample.

        Returns
        -------
        list of str
            Today's names, lowest bit first. A bit without a name is given as ``BIT_<number>``.
        """
        flags = int(value)
        set_bits = [bit for bit in range(flags.bit_length()) if flags >> bit & 1]
        return [self._name(bit) for bit in set_bits]

    def _name(self, bit: int) -> str:
        return self._of_bit[bit].name if bit in self._of_bit else f"BIT_{bit}"

    def counts(self, flags: NDArray[np.unsignedinteger]) -> dict[str, int]:
        """How many pixels each flag has that is set at all.

        Parameters
        ----------
        flags : ndarray of uint8 or uint32
            Flags of pixels or samples, of any shape.

        Returns
        -------
        dict of str to int
            By name, as of `names`, lowest bit first.
        """
        # Few combinations of flags occur: counting these is one pass over the pixels.
        values, numbers = np.unique(flags[flags != 0], return_counts=True)
        found = {}
        for bit in range(8 * flags.dtype.itemsize):
            number = int(numbers[(values & flags.dtype.type(1 << bit)) != 0].sum())
            if number:
                found[self._name(bit)] = number
        return found

    def _rows(self) -> list[tuple[int, int, str, str]]:
        """Bit, value, names and meaning of each."""
        rows = []
        for bit, flag in sorted((f.value.bit_length() - 1, f) for f in self._of_bit.values()):
            names = [name for name, value in self.items() if value == flag.value]
            rows.append((bit, flag.value, ", ".join(names), flag.meaning))
        return rows

    def __repr__(self) -> str:
        rows = self._rows()
        width = max(len(names) for _, _, names, _ in rows)
        lines = [f"{b:>3} {v:>10}  {names:<{width}}  {meaning}" for b, v, names, meaning in rows]
        return "\n".join([f"{'bit':>3} {'value':>10}  {'name':<{width}}  meaning", *lines])

    def _repr_html_(self) -> str:
        from . import _html

        return _html.block(_html.table(self._rows(), ("bit", "value", "name", "meaning")))


class _Pixel(Flags):
    """Flags of a pixel."""

    GOOD = PixelFlag(None, "No flag.")
    DO_NOT_USE = PixelFlag(0, "Bad pixel.")
    SATURATED = PixelFlag(1, "Pixel saturated during exposure.")
    JUMP_DET = PixelFlag(2, "Jump detected during exposure.")
    DROPOUT = PixelFlag(3, "Data lost in transmission.")
    GW_AFFECTED_DATA = PixelFlag(4, "Data affected by the guide window.")
    PERSISTENCE = PixelFlag(5, "High persistence.")
    AD_FLOOR = PixelFlag(6, "Below the A/D converter's floor: 0 DN.")
    OUTLIER = PixelFlag(7, "Flagged by outlier detection.")
    UNRELIABLE_ERROR = PixelFlag(8, "Uncertainty exceeds quoted error.")
    NON_SCIENCE = PixelFlag(9, "Pixel not on the science portion of the detector.")
    DEAD = PixelFlag(10, "Dead pixel.")
    HOT = PixelFlag(11, "Hot pixel.")
    WARM = PixelFlag(12, "Warm pixel.")
    LOW_QE = PixelFlag(13, "Low quantum efficiency.")
    TELEGRAPH = PixelFlag(15, "Telegraph pixel.")
    NONLINEAR = PixelFlag(16, "Pixel highly nonlinear.")
    BAD_REF_PIXEL = PixelFlag(17, "Reference pixel cannot be used.")
    NO_FLAT_FIELD = PixelFlag(18, "Flat field cannot be measured.")
    NO_GAIN_VALUE = PixelFlag(19, "Gain cannot be measured.")
    NO_LIN_CORR = PixelFlag(20, "Linearity correction not available.")
    NO_SAT_CHECK = PixelFlag(21, "Saturation check not available.")
    UNRELIABLE_BIAS = PixelFlag(22, "Bias variance large.")
    UNRELIABLE_DARK = PixelFlag(23, "Dark variance large.")
    UNRELIABLE_SLOPE = PixelFlag(24, "Slope variance large: a noisy pixel.")
    UNRELIABLE_FLAT = PixelFlag(25, "Flat variance large.")
    RESERVED_5 = PixelFlag(26, "Reserved.")
    RESERVED_6 = PixelFlag(27, "Reserved.")
    UNRELIABLE_RESET = PixelFlag(28, "Sensitive to reset anomaly.")
    RESERVED_7 = PixelFlag(29, "Reserved.")
    OTHER_BAD_PIXEL = PixelFlag(30, "A catch-all flag.")
    REFERENCE_PIXEL = PixelFlag(31, "Pixel is a reference pixel.")

    RESERVED_1 = GW_AFFECTED_DATA
    RESERVED_4 = OUTLIER


class _Group(Flags):
    """Flags of a sample."""

    GOOD = GroupFlag(None, "No flag.")
    DO_NOT_USE = GroupFlag(0, "Bad sample.")
    SATURATED = GroupFlag(1, "Sample saturated.")
    JUMP_DET = GroupFlag(2, "Jump detected between this sample and the one before.")
    DROPOUT = GroupFlag(3, "Data lost in transmission.")
    GW_AFFECTED_DATA = GroupFlag(4, "Data affected by the guide window.")
    PERSISTENCE = GroupFlag(5, "High persistence.")
    AD_FLOOR = GroupFlag(6, "Below the A/D converter's floor: 0 DN.")
    WFI18_TRANSIENT = GroupFlag(7, "Affected by the transient anomaly of detector WFI18.")

    RESERVED_1 = GW_AFFECTED_DATA
    RESERVED_4 = WFI18_TRANSIENT


group: Final = _Group()
pixel: Final = _Pixel()

DO_NOT_USE: Final = pixel["DO_NOT_USE"]
SATURATED: Final = pixel["SATURATED"]
JUMP_DET: Final = pixel["JUMP_DET"]
DROPOUT: Final = pixel["DROPOUT"]
GW_AFFECTED_DATA: Final = pixel["GW_AFFECTED_DATA"]
PERSISTENCE: Final = pixel["PERSISTENCE"]
AD_FLOOR: Final = pixel["AD_FLOOR"]
OUTLIER: Final = pixel["OUTLIER"]
UNRELIABLE_ERROR: Final = pixel["UNRELIABLE_ERROR"]
NON_SCIENCE: Final = pixel["NON_SCIENCE"]
DEAD: Final = pixel["DEAD"]
HOT: Final = pixel["HOT"]
WARM: Final = pixel["WARM"]
LOW_QE: Final = pixel["LOW_QE"]
TELEGRAPH: Final = pixel["TELEGRAPH"]
NONLINEAR: Final = pixel["NONLINEAR"]
BAD_REF_PIXEL: Final = pixel["BAD_REF_PIXEL"]
NO_FLAT_FIELD: Final = pixel["NO_FLAT_FIELD"]
NO_GAIN_VALUE: Final = pixel["NO_GAIN_VALUE"]
NO_LIN_CORR: Final = pixel["NO_LIN_CORR"]
NO_SAT_CHECK: Final = pixel["NO_SAT_CHECK"]
UNRELIABLE_BIAS: Final = pixel["UNRELIABLE_BIAS"]
UNRELIABLE_DARK: Final = pixel["UNRELIABLE_DARK"]
UNRELIABLE_SLOPE: Final = pixel["UNRELIABLE_SLOPE"]
UNRELIABLE_FLAT: Final = pixel["UNRELIABLE_FLAT"]
RESERVED_5: Final = pixel["RESERVED_5"]
RESERVED_6: Final = pixel["RESERVED_6"]
UNRELIABLE_RESET: Final = pixel["UNRELIABLE_RESET"]
RESERVED_7: Final = pixel["RESERVED_7"]
OTHER_BAD_PIXEL: Final = pixel["OTHER_BAD_PIXEL"]
REFERENCE_PIXEL: Final = pixel["REFERENCE_PIXEL"]
RESERVED_1: Final = pixel["RESERVED_1"]
RESERVED_4: Final = pixel["RESERVED_4"]

WFI18_TRANSIENT: Final = group["WFI18_TRANSIENT"]
"""Of a sample only."""

IN_SAMPLE_AND_PIXEL: Final = sum({*group.values()}) - WFI18_TRANSIENT
"""The bits that mean the same in a sample and in its pixel: only these become flags of the pixel.

Bit 7 is left out: WFI18_TRANSIENT of a sample, OUTLIER of a pixel.
"""


def names(flags: SupportsInt, kind: Flags = pixel) -> list[str]:
    """Names of the flags that are set: ``kind.names(flags)``, see `Flags.names`."""
    return kind.names(flags)


def counts(flags: NDArray[np.unsignedinteger], kind: Flags = pixel) -> dict[str, int]:
    """How many pixels each flag has that is set: ``kind.counts(flags)``, see `Flags.counts`."""
    return kind.counts(flags)


def __dir__() -> list[str]:
    values = [*pixel, "WFI18_TRANSIENT", "IN_SAMPLE_AND_PIXEL"]
    return ["Flags", "GroupFlag", "PixelFlag", "counts", "group", "names", "pixel", *values]
