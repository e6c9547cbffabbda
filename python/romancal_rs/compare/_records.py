"""What a comparison found, as records that print."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .. import _html

Side = Literal["A", "B"]

#: Two positions on the sky that are nearer than this [mas] are the same: rounding.
SAME_PLACE = 1e-3
_AXES = ("plane", "row", "column")


@dataclass(frozen=True)
class Size:
    """How large differences are, as absolute values.

    Attributes
    ----------
    median : float
        Of the pixels that differ.
    largest : float
    """

    median: float
    largest: float


@dataclass(frozen=True)
class Extent:
    """Where along an axis something differs, counted from 0.

    Attributes
    ----------
    first, last : int
    number : int
        Of the rows, or columns, or planes, that have a difference.
    """

    first: int
    last: int
    number: int


@dataclass(frozen=True)
class ArrayDifference:
    """What differs between two arrays of the same name.

    Attributes
    ----------
    name : str
    missing_in : "A", "B" or None
        Which file has no such array. Nothing else is known then.
    shapes, dtypes : pair
        Of the array of A and of that of B.
    n_pixels, n_differ : int
        How many there are, and differ. NaN is equal to NaN.
    nan_only : (int, int)
        Pixels that are NaN only in A, and only in B; they are among those that differ.
    size : Size or None
        Of ``|A - B|``, in the unit of the array, of the pixels that differ and are numbers in both.
    sigma : Size or None
        Of the same in units of the error of A, for `data` of an image.
    relative : float or None
        The median of ``|A - B| / |A|``, of an array without errors.
    worst : tuple of int or None
        Where the largest difference is: row and column, after the plane if there is one.
    worst_values : pair or None
        The values there.
    extents : tuple of Extent
        Of each axis.
    flags : dict of str to (int, int)
        For each flag, the pixels that have it only in A, and only in B.
    entries_only : (int, int) or None
        Of a list such as `jump_indices`, whose length may differ: the entries only in A, only in B.
    """

    name: str
    missing_in: Side | None = None
    shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    dtypes: tuple[str, str] = ("", "")
    n_pixels: int = 0
    n_differ: int = 0
    nan_only: tuple[int, int] = (0, 0)
    size: Size | None = None
    sigma: Size | None = None
    relative: float | None = None
    worst: tuple[int, ...] | None = None
    worst_values: tuple[object, object] | None = None
    extents: tuple[Extent, ...] = ()
    flags: dict[str, tuple[int, int]] = field(default_factory=dict)
    entries_only: tuple[int, int] | None = None

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return (
            self.missing_in is None
            and (self.shapes[0] == self.shapes[1] or self.entries_only is not None)
            and self.dtypes[0] == self.dtypes[1]
            and self.n_differ == 0
            and not any(self.entries_only or ())
        )

    def lines(self) -> Iterator[str]:
        """The lines of the report about this array.

        Yields
        ------
        str
            One line.
        """
        if self.missing_in is not None:
            yield f"only in {'B' if self.missing_in == 'A' else 'A'}"
            return
        if self.entries_only is not None:
            if self.same:
                yield f"same {self.shapes[0][0]} entries"
            else:
                yield "entries only in A: {}, only in B: {}".format(*self.entries_only)
            return
        if self.dtypes[0] != self.dtypes[1]:
            yield f"{self.dtypes[0]} in A, {self.dtypes[1]} in B"
        if self.shapes[0] != self.shapes[1]:
            yield f"{_shape(self.shapes[0])} in A, {_shape(self.shapes[1])} in B: not compared"
            return
        if self.n_differ == 0:
            yield f"same {_count(self.n_pixels)}"
            return
        share = _percent(self.n_differ, self.n_pixels)
        yield f"{self.n_differ} of {self.n_pixels} differ ({share})"
        yield from self._sizes()
        if self.extents:
            yield "in " + ", ".join(
                _extent(extent, axis, length)
                for extent, axis, length in zip(
                    self.extents, axes(len(self.extents)), self.shapes[0], strict=True
                )
            )
        for name, (only_a, only_b) in self.flags.items():
            yield f"{name}: only in A {only_a}, only in B {only_b}"

    def _sizes(self) -> Iterator[str]:
        if self.size is not None and not self.flags:
            yield f"|A - B|: median {self.size.median:.3g}, largest {self.size.largest:.3g}"
        if self.sigma is not None:
            yield (
                f"in sigma (err of A): median {self.sigma.median:.3g}, "
                f"largest {self.sigma.largest:.3g}"
            )
        if self.relative is not None and not self.flags:
            yield f"|A - B| / |A|: median {self.relative:.2g}"
        if self.worst is not None and self.worst_values is not None and not self.flags:
            place = ", ".join(
                f"{axis} {i}" for axis, i in zip(axes(len(self.worst)), self.worst, strict=True)
            )
            a, b = (f"{value:.7g}" for value in self.worst_values)
            yield f"largest{place and f' at {place}'}: {a} in A, {b} in B"
        if any(self.nan_only):
            yield f"NaN only in A: {self.nan_only[0]}, only in B: {self.nan_only[1]}"


@dataclass(frozen=True)
class TransformDifference:
    """What differs between two transforms, such as the WCS, over the pixels of the image.

    Attributes
    ----------
    name : str
    missing_in : "A", "B" or None
    largest : float
        Distance between where they take the same pixel; infinite where only one of them takes it
        anywhere.
    unit : str
        ``mas`` of positions on the sky, else that of the transform.
    worst : (float, float) or None
        x and y of the pixel.
    """

    name: str
    missing_in: Side | None = None
    largest: float = 0.0
    unit: str = "mas"
    worst: tuple[float, float] | None = None

    @property
    def same(self) -> bool:
        """Whether it is the same to a thousandth of a mas."""
        limit = SAME_PLACE if self.unit == "mas" else SAME_PLACE / 1000
        return self.missing_in is None and self.largest <= limit

    def lines(self) -> Iterator[str]:
        """The lines of the report about this transform.

        Yields
        ------
        str
            One line.
        """
        if self.missing_in is not None:
            yield f"only in {'B' if self.missing_in == 'A' else 'A'}"
        elif self.same:
            yield f"same, within {self.largest:.1g} {self.unit}" if self.largest else "same"
        else:
            where = "" if self.worst is None else " at x = {:.0f}, y = {:.0f}".format(*self.worst)
            yield f"differs, at most by {self.largest:.3g} {self.unit}{where}"


@dataclass(frozen=True)
class MetadataDifference:
    """What differs in the metadata.

    Attributes
    ----------
    only_a, only_b : dict
        What only one of the files has, by dotted name.
    differing : dict of str to pair
        Values of A and of B.
    n_compared : int
        Names that both have.
    ignored : tuple of str
        What was not compared, as patterns.
    """

    only_a: dict[str, object]
    only_b: dict[str, object]
    differing: dict[str, tuple[object, object]]
    n_compared: int
    ignored: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.only_a or self.only_b or self.differing)

    def lines(self) -> Iterator[str]:
        """The lines of the report about the metadata.

        Yields
        ------
        str
            One line.
        """
        if self.same:
            yield f"same {self.n_compared} values"
        for name, (a, b) in self.differing.items():
            yield f"{name}: {short(a)} in A, {short(b)} in B"
        for side, values in (("A", self.only_a), ("B", self.only_b)):
            for name, value in values.items():
                yield f"{name}: only in {side}: {short(value)}"


@dataclass(frozen=True, repr=False)
class Comparison:
    """What differs between two products. It prints as a report, also at a prompt.

    Attributes
    ----------
    a, b : str
        What was compared: the files, or ``A`` and ``B``.
    kind : str
        Of both, such as ``wfi_image``.
    arrays : list of ArrayDifference
    transforms : list of TransformDifference
    metadata : MetadataDifference
    """

    a: str
    b: str
    kind: str
    arrays: list[ArrayDifference]
    transforms: list[TransformDifference]
    metadata: MetadataDifference

    @property
    def same(self) -> bool:
        """Whether nothing differs, of what was compared."""
        parts: list[ArrayDifference | TransformDifference] = [*self.arrays, *self.transforms]
        return self.metadata.same and all(part.same for part in parts)

    def to_dict(self) -> dict[str, object]:
        """The comparison as plain dicts and lists for JSON; numbers that are not finite are None.

        Returns
        -------
        dict of str to object
        """
        parts: list[ArrayDifference | TransformDifference] = [*self.arrays, *self.transforms]
        n_arrays = len(self.arrays)
        records = [{**asdict(part), "same": part.same} for part in parts]
        found: dict[str, object] = {
            "same": self.same,
            "a": self.a,
            "b": self.b,
            "kind": self.kind,
            "arrays": records[:n_arrays],
            "transforms": records[n_arrays:],
            "metadata": {**asdict(self.metadata), "same": self.metadata.same},
        }
        plain = _plain(found)
        assert isinstance(plain, dict)
        return plain

    def __str__(self) -> str:
        lines = [f"A  {self.a}", f"B  {self.b}"]
        blocks: list[tuple[str, list[tuple[str, list[str]]]]] = [
            ("arrays", [(part.name, list(part.lines())) for part in self.arrays]),
            ("transforms", [(part.name, list(part.lines())) for part in self.transforms]),
        ]
        for title, parts in blocks:
            if parts:
                lines.append(title)
            width = max((len(name) for name, _ in parts), default=0)
            for name, (first, *more) in parts:
                lines.append(f"  {name:<{width}}  {first}")
                lines += [f"  {'':<{width}}    {line}" for line in more]
        lines.append("metadata")
        lines += [f"  {line}" for line in self.metadata.lines()]
        if self.metadata.ignored:
            lines.append(f"  not compared: {', '.join(self.metadata.ignored)}")
        lines.append(self._conclusion())
        return "\n".join(lines)

    __repr__ = __str__

    def _conclusion(self) -> str:
        return "A and B are the same" if self.same else "A and B differ"

    def _repr_html_(self) -> str:
        files = _html.table([("A", self.a), ("B", self.b)])
        whole = _html.details("in full", _html.preformatted(str(self)))
        return _html.block(_html.heading("Comparison", self._conclusion()), files, whole)


def axes(n: int) -> list[str]:
    """What the axes of an array are called."""
    if n == 1:
        return ["place"]
    if n <= len(_AXES):
        return list(_AXES[len(_AXES) - n :])
    return [f"axis-{i} place" for i in range(n)]


def short(value: object, most: int = 60) -> str:
    """A value in a line."""
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a number"


def _count(n: int) -> str:
    return f"{n} value" if n == 1 else f"{n} values"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"


def _extent(extent: Extent, axis: str, length: int) -> str:
    if extent.first == extent.last:
        return f"{axis} {extent.first}"
    return f"{axis}s {extent.first} to {extent.last} ({extent.number} of {length})"


def _plain(value: object) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
