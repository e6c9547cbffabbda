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

Examples
--------
>>> from romancal_rs import dqflags
>>> dqflags.SATURATED
2
>>> dqflags.pixel.names(3)
['DO_NOT_USE', 'SATURATED']
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, Final, SupportsIndex

from .errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._flag_numbers import GroupFlag, PixelFlag

#: Flags that are counted at once: it takes memory.
_STRIP = 1 << 20


class _Bit:
    """A flag as an attribute, made when it is touched: NumPy's numbers need NumPy."""

    name = ""

    def __init__(self, bit: int | None, meaning: str) -> None:
        self.bit = bit
        self.value = 0 if bit is None else 1 << bit
        self.meaning = meaning

    def __set_name__(self, owner: type[Flags], name: str) -> None:
        self.name = self.name or name  # the first name of a bit is today's

    def __set__(self, flags: object, value: object) -> None:
        raise AttributeError(f"{self.name} is a flag of the mission and cannot be set")


class _PixelBit(_Bit):
    @cached_property
    def _flag(self) -> PixelFlag:
        from ._flag_numbers import PixelFlag

        return PixelFlag(self.value, self.name, self.meaning)

    def __get__(self, flags: object, owner: type[Flags]) -> PixelFlag:
        return self._flag


class _GroupBit(_Bit):
    @cached_property
    def _flag(self) -> GroupFlag:
        from ._flag_numbers import GroupFlag

        return GroupFlag(self.value, self.name, self.meaning)

    def __get__(self, flags: object, owner: type[Flags]) -> GroupFlag:
        return self._flag


class Flags(Mapping[str, int]):
    """The flags of one kind: by attribute as numbers that know their names, by item plain ones.

    Names of which the bit has another today come last.
    """

    def __init__(self) -> None:
        bits = {n: b for n, b in vars(type(self)).items() if isinstance(b, _Bit) and b.value}
        ordered = sorted(bits.items(), key=lambda item: item[0] != item[1].name)
        self._values = {name: bit.value for name, bit in ordered}
        self._bits = {bit.bit: bit for bit in bits.values()}

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

    def names(self, value: SupportsIndex) -> list[str]:
        """Names of the flags that are set.

        Parameters
        ----------
        value : int
            Flags of a pixel or of a sample.

        Returns
        -------
        list of str
            Today's names, lowest bit first. A bit without a name is given as ``BIT_<number>``.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If it is not one whole number, or below 0.
        """
        flags = _whole(value)
        set_bits = [bit for bit in range(flags.bit_length()) if flags >> bit & 1]
        return [self._name(bit) for bit in set_bits]

    def _name(self, bit: int) -> str:
        return self._bits[bit].name if bit in self._bits else f"BIT_{bit}"

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

        Raises
        ------
        ArgumentTypeError
            If it is no array of whole numbers.
        """
        import numpy as np

        kind = getattr(flags, "dtype", None)
        if kind is None or kind.kind not in "ui":
            found = type(flags).__name__ if kind is None else kind
            raise ArgumentTypeError(f"flags: expected an array of uint8 or uint32, got {found}")
        # Few combinations of flags occur: counting these is one pass over the pixels.
        combinations: Counter[int] = Counter()
        rows = np.atleast_1d(flags)
        step = max(_STRIP * len(rows) // max(rows.size, 1), 1)
        for start in range(0, len(rows), step):
            strip = rows[start : start + step]
            values, numbers = np.unique(strip[strip != 0], return_counts=True)
            combinations.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
        found = {}
        for bit in range(8 * flags.dtype.itemsize):
            number = sum(n for value, n in combinations.items() if value >> bit & 1)
            if number:
                found[self._name(bit)] = number
        return found

    def _rows(self) -> list[tuple[int, int, str, str]]:
        """Bit, value, names and meaning of each."""
        rows = []
        for bit in sorted(self._bits.values(), key=lambda bit: bit.value):
            names = [name for name, value in self.items() if value == bit.value]
            rows.append((bit.value.bit_length() - 1, bit.value, ", ".join(names), bit.meaning))
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

    GOOD = _PixelBit(None, "No flag.")
    DO_NOT_USE = _PixelBit(0, "Bad pixel.")
    SATURATED = _PixelBit(1, "Pixel saturated during exposure.")
    JUMP_DET = _PixelBit(2, "Jump detected during exposure.")
    DROPOUT = _PixelBit(3, "Data lost in transmission.")
    GW_AFFECTED_DATA = _PixelBit(4, "Data affected by the guide window.")
    PERSISTENCE = _PixelBit(5, "High persistence.")
    AD_FLOOR = _PixelBit(6, "Below the A/D converter's floor: 0 DN.")
    OUTLIER = _PixelBit(7, "Flagged by outlier detection.")
    UNRELIABLE_ERROR = _PixelBit(8, "Uncertainty exceeds quoted error.")
    NON_SCIENCE = _PixelBit(9, "Pixel not on the science portion of the detector.")
    DEAD = _PixelBit(10, "Dead pixel.")
    HOT = _PixelBit(11, "Hot pixel.")
    WARM = _PixelBit(12, "Warm pixel.")
    LOW_QE = _PixelBit(13, "Low quantum efficiency.")
    TELEGRAPH = _PixelBit(15, "Telegraph pixel.")
    NONLINEAR = _PixelBit(16, "Pixel highly nonlinear.")
    BAD_REF_PIXEL = _PixelBit(17, "Reference pixel cannot be used.")
    NO_FLAT_FIELD = _PixelBit(18, "Flat field cannot be measured.")
    NO_GAIN_VALUE = _PixelBit(19, "Gain cannot be measured.")
    NO_LIN_CORR = _PixelBit(20, "Linearity correction not available.")
    NO_SAT_CHECK = _PixelBit(21, "Saturation check not available.")
    UNRELIABLE_BIAS = _PixelBit(22, "Bias variance large.")
    UNRELIABLE_DARK = _PixelBit(23, "Dark variance large.")
    UNRELIABLE_SLOPE = _PixelBit(24, "Slope variance large: a noisy pixel.")
    UNRELIABLE_FLAT = _PixelBit(25, "Flat variance large.")
    RESERVED_5 = _PixelBit(26, "Reserved.")
    RESERVED_6 = _PixelBit(27, "Reserved.")
    UNRELIABLE_RESET = _PixelBit(28, "Sensitive to reset anomaly.")
    RESERVED_7 = _PixelBit(29, "Reserved.")
    OTHER_BAD_PIXEL = _PixelBit(30, "A catch-all flag.")
    REFERENCE_PIXEL = _PixelBit(31, "Pixel is a reference pixel.")

    RESERVED_1 = GW_AFFECTED_DATA
    RESERVED_4 = OUTLIER


class _Group(Flags):
    """Flags of a sample."""

    GOOD = _GroupBit(None, "No flag.")
    DO_NOT_USE = _GroupBit(0, "Bad sample.")
    SATURATED = _GroupBit(1, "Sample saturated.")
    JUMP_DET = _GroupBit(2, "Jump detected between this sample and the one before.")
    DROPOUT = _GroupBit(3, "Data lost in transmission.")
    GW_AFFECTED_DATA = _GroupBit(4, "Data affected by the guide window.")
    PERSISTENCE = _GroupBit(5, "High persistence.")
    AD_FLOOR = _GroupBit(6, "Below the A/D converter's floor: 0 DN.")
    WFI18_TRANSIENT = _GroupBit(7, "Affected by the transient anomaly of detector WFI18.")

    RESERVED_1 = GW_AFFECTED_DATA
    RESERVED_4 = WFI18_TRANSIENT


def _whole(value: SupportsIndex) -> int:
    """The flags of one pixel or sample as a plain number."""
    try:
        flags = index(value)
    except TypeError:
        shape = getattr(value, "shape", ())
        found = f"an array of shape {shape}" if shape else f"{value!r}"
        raise ArgumentTypeError(
            f"flags: expected the flags of one pixel or sample, a whole number, got {found}"
        ) from None
    if flags < 0:
        raise ArgumentError(f"flags: expected a number from 0, got {flags}")
    return flags


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


def names(flags: SupportsIndex, kind: Flags = pixel) -> list[str]:
    """Names of the flags that are set in a number, see `Flags.names`.

    Parameters
    ----------
    flags : int
        The number.
    kind : Flags, optional
        `pixel` or `group`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from romancal_rs import dqflags
    >>> dqflags.names(5)
    ['DO_NOT_USE', 'JUMP_DET']
    """
    return kind.names(flags)


def counts(flags: NDArray[np.unsignedinteger], kind: Flags = pixel) -> dict[str, int]:
    """How many pixels have each flag, see `Flags.counts`.

    Parameters
    ----------
    flags : ndarray, any shape, uint8 or uint32
        Flags of each pixel or sample.
    kind : Flags, optional
        `pixel` or `group`.

    Returns
    -------
    dict of str to int
        Numbers of pixels by name, for the flags that are set.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import dqflags
    >>> dqflags.counts(np.array([0, 1, 5], np.uint32))
    {'DO_NOT_USE': 2, 'JUMP_DET': 1}
    """
    return kind.counts(flags)


def __dir__() -> list[str]:
    return [*pixel, "IN_SAMPLE_AND_PIXEL", "WFI18_TRANSIENT", "counts", "group", "names", "pixel"]
