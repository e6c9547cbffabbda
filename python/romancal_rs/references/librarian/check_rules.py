"""What is wrong with the rules of a CRDS context, as far as they tell themselves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from ...errors import RomancalError
from ..crds_cache import CrdsCache
from ..crds_cache.cache import OBSERVATORY
from ..crds_cache.conditioning import NOT_APPLICABLE, alternatives, condition, is_expression
from ..crds_cache.mapping import ReferenceMap, special
from ..crds_cache.matchers import MISMATCH
from ..crds_cache.selector import Row
from ..errors import ReferenceFileError
from ..head import ReferenceHead

_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")
_DETECTOR = "INSTRUMENT.DETECTOR"
_MOST_WORK = 5_000_000  # some seconds

Key = tuple[str, ...]


class _TooManyError(RomancalError):
    """There are too many combinations to try."""


class ContextRules:
    """The rule files of a context, and what is wrong with them.

    Parameters
    ----------
    cache : CrdsCache
    context : str
        The name of a pipeline map.

    Attributes
    ----------
    names : set of str
        The rule files that could be read.
    maps : list of (str, str, ReferenceMap)
        Instrument, type in capitals, and rules.
    problems : list of str
        ``name: what is wrong``, or with the whole path in front of the name.
    """

    def __init__(self, cache: CrdsCache, context: str) -> None:
        self.names: set[str] = set()
        self.maps: list[tuple[str, str, ReferenceMap]] = []
        self.problems: list[str] = []
        self._withdrawn = cache.bad_files
        try:
            pipeline = cache.pipeline_map(context)
        except ReferenceFileError as error:
            self.problems.append(str(error))
            return
        self._check_header(context, pipeline.header, mapping="pipeline")
        for instrument, name in pipeline.selections.items():
            if not special(name):
                self._read_instrument(cache, context, instrument, name)

    def _read_instrument(self, cache: CrdsCache, context: str, instrument: str, name: str) -> None:
        try:
            imap = cache.instrument_map(context, instrument)
        except ReferenceFileError as error:
            self.problems.append(str(error))
            return
        self._check_header(name, imap.header, mapping="instrument", instrument=instrument)
        for reftype in imap.selections:
            try:
                rules = cache.reference_map(context, instrument, reftype)
            except ReferenceFileError as error:
                self.problems.append(str(error))
                continue
            if isinstance(rules, str):
                continue
            self._check_header(
                rules.name,
                rules.header,
                mapping="reference",
                instrument=instrument,
                filekind=reftype,
            )
            self.maps.append((instrument, reftype.upper(), rules))
            self.problems += (f"{rules.name}: {problem}" for problem in _problems(rules))

    def _check_header(self, file: str, header: dict[str, Any], **expected: str) -> None:
        self.names.add(file)
        if file in self._withdrawn:
            self.problems.append(f"{file}: these rules were withdrawn as scientifically invalid")
        expected |= {"name": file, "observatory": OBSERVATORY}
        for key, value in expected.items():
            if str(header.get(key)).lower() != value.lower():
                self.problems.append(f"{file}: its {key} is {header.get(key)}; expected {value}")


def _problems(rules: ReferenceMap) -> Iterator[str]:
    for key in rules.duplicates:
        yield f"the key {key} is there more than once; only the last one counts"
    for row in rules.rows:
        for _, date in row.dates:
            if not _DATE.fullmatch(date):
                yield (
                    f"{row.choice}: the date {date!r} is not of the form 2027-06-01 12:00:00, in "
                    "which dates are compared"
                )
    yield from dict.fromkeys(_overlaps(rules))


def contradictions(head: ReferenceHead, named_by: Sequence[tuple[ReferenceMap, Row]]) -> list[str]:
    """In what a file's own metadata contradict the rules that name it.

    Parameters
    ----------
    head : ReferenceHead
    named_by : sequence of (ReferenceMap, Row)
    """
    found: dict[str, list[str]] = defaultdict(list)
    for rules, row in named_by:
        where = f"{rules.name} ({row.describe() or 'no condition'})"
        if head.reftype != str(rules.header["filekind"]).upper():
            found[f"reftype is {head.reftype}"].append(where)
        for parameter, _, compare in row.keys:
            is_detector = parameter.upper().endswith(_DETECTOR) and head.detector is not None
            if is_detector and compare(condition(head.detector)) == MISMATCH:
                found[f"detector is {head.detector}"].append(where)
        useafter = head.useafter.isoformat(" ", timespec="seconds")
        if row.dates and useafter not in (date[: len(useafter)] for _, date in row.dates):
            found[f"useafter is {useafter}"].append(where)
    return [
        f"its {what}, which does not fit {places[0]}"
        + (f" and {len(places) - 1} more rules" if places[1:] else "")
        for what, places in found.items()
    ]


# --- overlaps


def _overlaps(rules: ReferenceMap) -> Iterator[str]:
    """Where two keys match the same exposure equally well, and no table comes of both.

    Tried are the values that the keys name; where they are globs or comparisons of numbers, some
    that fit these.
    """
    tables: dict[tuple[str, ...], dict[Key, list[Row]]] = {}
    for row in rules.rows:
        parameters = tuple(parameter for parameter, _, _ in row.keys)
        key = tuple(key for _, key, _ in row.keys)
        tables.setdefault(parameters, {}).setdefault(key, []).append(row)
    merge = str(rules.header.get("merge_overlaps", True)).upper() in ("TRUE", "1")
    for parameters, rows in tables.items():
        levels = _levels(parameters, rules.header["parkey"])
        try:
            for one, other, level in _pairs(parameters, rows, levels, rules.header):
                # Of nested tables only the innermost are tables of dates, which can be merged.
                yield from _collisions(rows[one], rows[other], merge and level is levels[-1])
        except _TooManyError:
            yield "so many keys overlap that not all of them were compared"


def _pairs(
    parameters: Sequence[str],
    rows: Mapping[Key, Sequence[Row]],
    levels: Sequence[slice],
    header: Mapping[str, Any],
) -> Iterator[tuple[Key, Key, slice]]:
    """Pairs of keys that match an exposure with equal weight at the level where they differ."""
    ignored = {str(name).upper() for name in header.get("comment_parkeys", ())}
    seen: set[tuple[Key, Key]] = set()
    work = 0
    # Per entry: values of the first parameters, and the keys that match them.
    waiting: list[tuple[Key, list[Key]]] = [((), sorted(rows))]
    while waiting:
        values, keys = waiting.pop()
        column = len(values)
        for level in levels:
            if level.stop != column:
                continue
            work += len(keys) ** 2
            if work > _MOST_WORK:
                raise _TooManyError
            weight = {key: _weight(rows[key][0], values, level) for key in keys}
            for one, other in combinations(keys, 2):
                differ = one[level] != other[level] and one[: level.start] == other[: level.start]
                if differ and weight[one] == weight[other] and (one, other) not in seen:
                    seen.add((one, other))
                    yield one, other, level
        if column == len(parameters):
            continue
        if parameters[column].upper() in ignored:
            candidates = {NOT_APPLICABLE}
        else:
            candidates = {value for key in keys for value in _values(key[column])} or {"?"}
        work += len(candidates) * len(keys)
        if work > _MOST_WORK:
            raise _TooManyError
        for value in sorted(candidates):
            fitting = [key for key in keys if rows[key][0].keys[column][2](value) != MISMATCH]
            if len(fitting) > 1:
                waiting.append(((*values, value), fitting))


def _weight(row: Row, values: Sequence[str], level: slice) -> int:
    return sum(
        compare(value)
        for (_, _, compare), value in zip(row.keys[level], values[level], strict=True)
    )


def _values(key: str) -> list[str]:
    """Values of an exposure that fit a key, perhaps."""
    if key == NOT_APPLICABLE:
        return []
    if is_expression(key) or key.startswith((">", "<")):
        numbers = [float(number) for number in _NUMBER.findall(key)]
        near = [number + step for number in numbers for step in (-0.5, 0.0, 0.5)]
        return [*map(str, near), *key.strip("{}").split()]
    return [part.replace("*", "") for part in alternatives(key)]


def _levels(parameters: Sequence[str], parkey: Sequence[Any]) -> list[slice]:
    """Which parameters belong to which Match of nested ones."""
    levels = []
    start = 0
    for names in parkey:
        if names and tuple(parameters[start : start + len(names)]) == tuple(names):
            levels.append(slice(start, start + len(names)))
            start += len(names)
    return levels


def _collisions(one: Sequence[Row], other: Sequence[Row], merge: bool) -> Iterator[str]:
    """What is wrong with two keys that match the same exposures equally well."""
    if not merge or not all(row.dates for row in (*one, *other)):
        keys = (", ".join(key for _, key, _ in rows[0].keys) for rows in (one, other))
        yield (
            f"the keys {' and '.join(keys)} match the same exposures equally well, and cannot be "
            "merged"
        )
        return
    by_date = {tuple(date for _, date in row.dates): row for row in one}
    for row in other:
        twin = by_date.get(tuple(date for _, date in row.dates))
        if twin is not None and twin.choice != row.choice:
            yield (
                f"{twin.choice} ({twin.describe()}) and {row.choice} ({row.describe()}) are for "
                f"the same exposures; {max(twin.choice, row.choice)} is used, as the greater name"
            )
