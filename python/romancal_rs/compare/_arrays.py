"""Two arrays, some rows at a time, so that it takes little memory besides them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import dqflags
from ._records import ArrayDifference, Extent, Size

#: Numbers that are looked at together.
_STRIP = 1 << 20
_HALF = np.dtype(np.float16)


@dataclass(frozen=True)
class Tolerance:
    """How near numbers have to be: ``|A - B| <= absolute + relative |B|``, as `numpy.isclose`."""

    relative: float = 0.0
    absolute: float = 0.0

    @property
    def is_exact(self) -> bool:
        return self.relative == 0 and self.absolute == 0

    def holds(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            near = np.abs(a - b) <= self.absolute + self.relative * np.abs(b)
        return near & np.isfinite(b)  # a share of infinity has room for everything


def compare_arrays(
    name: str,
    a: np.ndarray[Any, Any],
    b: np.ndarray[Any, Any],
    *,
    tolerance: Tolerance,
    err: np.ndarray[Any, Any] | None = None,
) -> ArrayDifference:
    """What differs between two arrays.

    Parameters
    ----------
    name : str
        Flags are known by it, and lists of jumps.
    a, b : ndarray
    tolerance : Tolerance
        Of floating-point numbers; integers, flags and texts have to be equal.
    err : ndarray, optional
        Errors of `a`, of its shape.
    """
    shapes = (tuple(a.shape), tuple(b.shape))
    dtypes = (a.dtype.name, b.dtype.name)
    if name.endswith("jump_indices") and a.ndim == b.ndim == 2:
        rows_a, rows_b = (set(map(tuple, array.tolist())) for array in (a, b))
        only = (len(rows_a - rows_b), len(rows_b - rows_a))
        return ArrayDifference(name, shapes=shapes, dtypes=dtypes, entries_only=only)
    if shapes[0] != shapes[1]:
        return ArrayDifference(name, shapes=shapes, dtypes=dtypes)
    found = _Found(a.shape, is_flags(name, a, b), max(a.itemsize, b.itemsize))
    width = a.shape[-1] if a.ndim else 1
    tables = [array.reshape(-1, width) if array.size else array for array in (a, b)]
    errors = None if err is None else err.reshape(-1, width)
    for rows in _strips(a.size, width):
        part = None if errors is None else errors[rows]
        found.add(rows.start, tables[0][rows], tables[1][rows], part, tolerance)
    return found.result(name, dtypes, a, b)


def is_flags(name: str, a: np.ndarray, b: np.ndarray) -> bool:
    """Whether arrays are of flags: those whose names have dq, of unsigned numbers."""
    return "dq" in name.rpartition(".")[2] and a.dtype.kind == b.dtype.kind == "u"


def _strips(size: int, width: int) -> Iterator[slice]:
    n_rows = size // width if size else 0
    step = max(1, _STRIP // width)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


@dataclass
class _Found:
    """What was found so far in an array, seen as a table of rows of its last axis."""

    shape: tuple[int, ...]
    of_flags: bool
    itemsize: int
    n_differ: int = 0
    nan_only: tuple[int, int] = (0, 0)
    largest: float = -1.0
    worst: int | None = None
    sizes: list[np.ndarray] = field(default_factory=list)
    sigmas: list[np.ndarray] = field(default_factory=list)
    relatives: list[np.ndarray] = field(default_factory=list)
    flags_a: Counter[str] = field(default_factory=Counter)
    flags_b: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        width = self.shape[-1] if self.shape else 1
        self.rows = np.zeros(math.prod(self.shape) // width if math.prod(self.shape) else 0, bool)
        self.cols = np.zeros(width, bool)
        self.sizes_in = np.float32 if self.itemsize <= 4 else np.float64

    def add(
        self,
        start: int,
        a: np.ndarray,
        b: np.ndarray,
        err: np.ndarray | None,
        tolerance: Tolerance,
    ) -> None:
        """Some rows, from the row `start` on."""
        if a.dtype == _HALF or b.dtype == _HALF:  # slow to reckon with
            a, b = a.astype(np.float32), b.astype(np.float32)
        differ = a != b
        if not differ.any():
            return
        inexact = a.dtype.kind in "fc" and b.dtype.kind in "fc"
        if inexact:
            differ &= ~(np.isnan(a) & np.isnan(b))
            if not tolerance.is_exact:
                differ &= ~tolerance.holds(a, b)
        n = int(differ.sum())
        if n == 0:
            return
        self.n_differ += n
        self.rows[start : start + len(a)] |= differ.any(axis=1)
        self.cols |= differ.any(axis=0)
        places = np.flatnonzero(differ)
        a, b = a[differ], b[differ]
        if self.of_flags:
            self._count_flags(a, b)
        if a.dtype.kind not in "iufcb" or b.dtype.kind not in "iufcb":
            return
        self._measure(start, places, a, b, None if err is None else err[differ])

    def _count_flags(self, a: np.ndarray, b: np.ndarray) -> None:
        kind = dqflags.group if a.dtype.itemsize == 1 else dqflags.pixel
        self.flags_a.update(dqflags.counts(a & ~b, kind))
        self.flags_b.update(dqflags.counts(b & ~a, kind))

    def _measure(
        self, start: int, places: np.ndarray, a: np.ndarray, b: np.ndarray, err: np.ndarray | None
    ) -> None:
        """Sizes of the differences at some places of a strip."""
        wide = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
        a, b = a.astype(wide), b.astype(wide)
        nan_a, nan_b = np.isnan(a), np.isnan(b)
        only_a, only_b = int((nan_a & ~nan_b).sum()), int((nan_b & ~nan_a).sum())
        self.nan_only = (self.nan_only[0] + only_a, self.nan_only[1] + only_b)
        known = ~(nan_a | nan_b)
        if not known.any():
            return
        a, b, places = a[known], b[known], places[known]
        size = np.abs(a - b)
        at = int(size.argmax())
        if size[at] > self.largest:
            self.largest = float(size[at])
            self.worst = start * len(self.cols) + int(places[at])
        self.sizes.append(size.astype(self.sizes_in))
        if err is not None:
            sigma = err[known].astype(np.float64)
            has_error = np.isfinite(sigma) & (sigma > 0)
            self.sigmas.append((size[has_error] / sigma[has_error]).astype(np.float32))
        elif not self.of_flags:
            not_zero = (a != 0) & np.isfinite(size)
            self.relatives.append((size[not_zero] / np.abs(a[not_zero])).astype(np.float32))

    def result(
        self, name: str, dtypes: tuple[str, str], a: np.ndarray, b: np.ndarray
    ) -> ArrayDifference:
        size = _size(self.sizes)
        worst = values = None
        if size is not None and self.worst is not None:
            worst = tuple(int(i) for i in np.unravel_index(self.worst, self.shape))
            values = (a[worst].item(), b[worst].item())
            size = Size(size.median, self.largest)
        relatives = np.concatenate(self.relatives) if self.relatives else np.empty(0)
        names = sorted({*self.flags_a, *self.flags_b}, key=_bit_of)
        return ArrayDifference(
            name,
            shapes=(self.shape, self.shape),
            dtypes=dtypes,
            n_pixels=math.prod(self.shape),
            n_differ=self.n_differ,
            nan_only=self.nan_only,
            size=size,
            sigma=_size(self.sigmas),
            relative=float(np.median(relatives)) if relatives.size else None,
            worst=worst,
            worst_values=values,
            extents=tuple(self._extents()) if self.n_differ else (),
            flags={flag: (self.flags_a[flag], self.flags_b[flag]) for flag in names},
        )

    def _extents(self) -> Iterator[Extent]:
        if not self.shape:
            return
        leading = self.rows.reshape(self.shape[:-1])
        for axis in range(leading.ndim):
            others = tuple(i for i in range(leading.ndim) if i != axis)
            yield _extent(np.asarray(leading.any(axis=others)))
        yield _extent(self.cols)


def _extent(differs: np.ndarray) -> Extent:
    where = np.flatnonzero(differs)
    return Extent(int(where[0]), int(where[-1]), len(where))


def _size(parts: list[np.ndarray]) -> Size | None:
    """Of all parts; none if there is no number in them."""
    values = np.concatenate(parts) if parts else np.empty(0)
    return Size(float(np.median(values)), float(values.max())) if values.size else None


def _bit_of(flag: str) -> int:
    known = dqflags.pixel.get(flag, dqflags.group.get(flag))
    return known.bit_length() - 1 if known is not None else int(flag.removeprefix("BIT_"))
