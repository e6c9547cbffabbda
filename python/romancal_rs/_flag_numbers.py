"""Flags as NumPy's numbers, which know what they are called: see `romancal_rs.dqflags`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np


class _Named:
    """What a flag knows besides its number, which is that of one bit, or 0."""

    name: str
    meaning: str
    _kind: str

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

    def _as_pickled(self) -> tuple[Callable[[str, str], object], tuple[str, str]]:
        return _flag, (self._kind, self.name)


# NumPy's class comes first among the bases: of any other order NumPy makes objects.
class PixelFlag(np.uint32, _Named):
    """A flag of a pixel. ``dq & ~flag`` and ``dq |= flag`` keep the type of the array."""

    _kind = "pixel"

    def __new__(cls, value: int, name: str, meaning: str) -> Self:
        flag = super().__new__(cls, value)
        flag.name, flag.meaning = name, meaning
        return flag

    __repr__ = _Named._shown
    __str__ = _Named._number
    __reduce__ = _Named._as_pickled


class GroupFlag(np.uint8, _Named):
    """A flag of a sample. ``groupdq & ~flag`` and ``groupdq |= flag`` keep the array's type."""

    _kind = "group"

    def __new__(cls, value: int, name: str, meaning: str) -> Self:
        flag = super().__new__(cls, value)
        flag.name, flag.meaning = name, meaning
        return flag

    __repr__ = _Named._shown
    __str__ = _Named._number
    __reduce__ = _Named._as_pickled


def _flag(kind: str, name: str) -> object:
    """A flag that was pickled: the one that there is."""
    from . import dqflags

    return getattr(getattr(dqflags, kind), name)
