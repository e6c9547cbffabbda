"""Rules of a CRDS cache that choose among files as a directory of them does.

In a directory the latest `useafter` wins among all files that fit an exposure. In rules a key that
names a value wins over one that leaves it open, whatever the dates. So each key that is made here
has the whole table of dates of the exposures that it is for, the files included that leave a value
open. The keys are what the files state, and what several of them state together. Of those that
match an exposure one says all that the others say, and so has the highest total.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from ...reference_types import type_of
from ..crds_cache.conditioning import (
    ANYTHING,
    NOT_APPLICABLE,
    UNDEFINED,
    condition,
    condition_date,
    is_expression,
)
from ..errors import ReferenceFileError
from ..head import ReferenceHead
from ..keys import ExposureKeys
from ..rules import (
    SPECTRAL_ELEMENTS,
    compare,
    is_parameter_type,
    needs_detector,
    note_on,
    rank,
)

INSTRUMENT = "WFI"
#: The last start of an exposure that metadata can state: they have thousandths.
END_OF_TIME = datetime.max.replace(microsecond=999_000)

_START = "ROMAN.META.EXPOSURE.START_TIME"
# Fields of `ExposureKeys` and what rules call them, in the order of the keys.
_PARAMETERS = {
    "detector": "ROMAN.META.INSTRUMENT.DETECTOR",
    "exposure_type": "ROMAN.META.EXPOSURE.TYPE",
    "optical_element": "ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT",
    "n_resultants": "ROMAN.META.EXPOSURE.NRESULTANTS",
    "ma_table_name": "ROMAN.META.EXPOSURE.MA_TABLE_NAME",
    "ma_table_number": "ROMAN.META.EXPOSURE.MA_TABLE_NUMBER",
}
# Rules do not tell capitals from small letters. All values but this come from lists, in capitals.
_FREE_TEXT = "ma_table_name"
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+\-]*")

#: What is known of an exposure: fields of `ExposureKeys` and their values.
Key = frozenset[tuple[str, Any]]
#: File names by date.
Dates = dict[str, str]


class TypeRules:
    """The rules for the files of one type.

    Parameters
    ----------
    reftype : str
        In capitals.
    heads : sequence of ReferenceHead
        Of files for the instrument of the rules; each with a detector, where its type needs one.

    Attributes
    ----------
    table : dict
        File names by what is known of an exposure, and by date.
    ambiguous : list of str
        Where two files are equally good.
    notes : list of str
        Where they are, and rules take one of them, as it does not matter.

    Raises
    ------
    ReferenceFileError
        If rules cannot say what a file says.
    """

    def __init__(self, reftype: str, heads: Iterable[ReferenceHead]) -> None:
        self.reftype = reftype
        self.ambiguous: list[str] = []
        self.notes: list[str] = []
        self.table: dict[Key, Dates] = {}
        self._values: dict[tuple[str, str], Any] = {}
        self._equals: set[tuple[tuple[str, ...], bool]] = set()
        by_detector = defaultdict(list)
        for head in heads:
            by_detector[head.detector if needs_detector(reftype) else None].append(head)
        for group in by_detector.values():
            # Only where two files have the same date does each type look at the element.
            tie = len({head.useafter for head in group}) < len(group)
            statements = [key for head in group for key in self._statements(head, tie)]
            # The least first, so that a message names what is most general.
            keys = sorted(_unions(statements), key=lambda key: (len(key), sorted(map(str, key))))
            self.table |= _without_repetition({key: self._dates(key, group) for key in keys})

    @property
    def files(self) -> set[str]:
        """The names of the files that are chosen for some exposure."""
        return {name for dates in self.table.values() for name in dates.values()}

    @property
    def parkey(self) -> tuple[tuple[str, ...], tuple[str]]:
        """What the rules look at."""
        return tuple(_PARAMETERS[name] for name in self._names()), (_START,)

    def selector(self) -> list[str]:
        """The lines of the table in the language of rules.

        Exposure types that differ in nothing else share a row.
        """
        rows: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        for key, dates in self.table.items():
            stated = {name: condition(value) for name, value in key}
            exposure_type = stated.pop("exposure_type", "")
            row = tuple(sorted(stated.items())), bool(exposure_type), tuple(dates.items())
            rows[row].append(exposure_type)
        selections = {}
        for (items, is_typed, dates), types in rows.items():
            stated = dict(items)
            if is_typed:
                stated["exposure_type"] = "|".join(sorted(types))
            selections[tuple(stated.get(name, NOT_APPLICABLE) for name in self._names())] = dates
        lines = ["Match({"]
        for values, dates in sorted(selections.items()):
            lines.append(f"    {values!r} : UseAfter({{")
            lines += [f"        {date!r} : {name!r}," for date, name in dates]
            lines.append("    }),")
        return [*lines, "})"]

    def _names(self) -> list[str]:
        used = {name for key in self.table for name, _ in key}
        used.update({"optical_element", "exposure_type"}.intersection(type_of(self.reftype).keys))
        return [name for name in _PARAMETERS if name in used]

    def _statements(self, head: ReferenceHead, tie: bool) -> list[Key]:
        """For which exposures a file is: all that one of these keys says is true of them.

        Of a file that is only better for its element, with the element and without it.
        """
        kind, element = type_of(head.reftype), head.optical_element
        parameters = is_parameter_type(head.reftype)
        stated: dict[str, Any] = {}
        if "detector" in kind.keys:
            stated["detector"] = head.detector
        if "optical_element" in kind.keys or parameters:
            stated["optical_element"] = element
        readout: dict[str, Any] = {}
        if kind.by_readout and head.n_groups is not None:
            readout["n_resultants"] = head.n_groups
            readout["ma_table_name"] = head.ma_table_name
            readout["ma_table_number"] = head.ma_table_number
        keys = [_key(stated | readout)]
        if readout and head.has_rate:  # which serves other read-outs as well
            keys.append(_key(stated))
        elif len(_key(readout)) > 1:  # with an MA table: its first planes serve as well
            shorter = ({"n_resultants": n} for n in range(1, head.n_groups or 0))
            keys += [_key(stated | readout | length) for length in shorter]
        if head.exposure_types and ("exposure_type" in kind.keys or parameters):
            keys = _both(keys, _exposure_types(head.exposure_types))
        if element is not None and (tie or kind.prefers_element):
            keys += _both(keys, [frozenset({("optical_element", element)})])
        for name, value in frozenset[tuple[str, Any]]().union(*keys):
            self._check_value(name, value, head)
        return keys

    def _check_value(self, name: str, value: Any, head: ReferenceHead) -> None:
        """Refuse a value that rules would take for something else."""
        text = condition(value)
        known = self._values.setdefault((name, text), value)
        special = text in (ANYTHING, NOT_APPLICABLE, UNDEFINED)
        if special or (is_expression(text) and text != "NOT_CONFIGURED"):
            problem = "it has another meaning there"
        elif not _VALUE.fullmatch(str(value)):
            problem = "use letters, digits, blanks, and . _ + -"
        elif known != value:
            problem = f"another file has {known!r}, and rules do not tell them apart"
        elif isinstance(value, str) and name != _FREE_TEXT and text != value:
            problem = f"there it is {text!r}"
        else:
            return
        raise ReferenceFileError(
            f"{head.path}: {name} {value!r} cannot be a value of rules: {problem}"
        )

    def _dates(self, key: Key, heads: Sequence[ReferenceHead]) -> Dates:
        """The file for each date, for exposures of which no file says more than the key."""
        unknown = {"detector": "", "optical_element": "", "exposure_type": ""}
        exposure = ExposureKeys(start_time=datetime.max, **{**unknown, **dict(key)})
        fitting = sorted((h for h in heads if not compare(h, exposure)), key=_first_start)
        dates: Dates = {}
        best: list[ReferenceHead] = []
        for start, group in groupby(fitting, _first_start):
            ranked = rank([*best, *group], exposure)
            equals = [candidate.head for candidate in ranked if not candidate.differences]
            if len(equals) > 1:
                self._tell_equals(equals, key, note_on(equals[0], exposure) is not None)
            # Of equals the greatest name, as where rules merge tables.
            if best != equals[-1:]:
                best = equals[-1:]
                # In the form, rounding included, that the start of an exposure gets.
                text = start.isoformat(timespec="milliseconds")
                dates[condition_date(text, "useafter")] = best[0].path.name
        return dates

    def _tell_equals(self, equals: Sequence[ReferenceHead], key: Key, is_note: bool) -> None:
        names = tuple(head.path.name for head in equals)
        if (names, is_note) in self._equals:
            return
        self._equals.add((names, is_note))
        stated = dict(key)
        known = ", ".join(f"{name} {stated[name]}" for name in _PARAMETERS if name in stated)
        since = f"from {equals[0].useafter.isoformat()} on"
        if is_note:
            # All were made for other elements; which one serves does not matter to a dark.
            self.notes.append(
                f"{names[-1]} of {len(names)} equally good {self.reftype} files for {known}, and "
                f"elements without one, {since}"
            )
        else:
            self.ambiguous.append(
                f"{listed(f'{len(names)} {self.reftype} files', names)} are equally good for "
                f"{known or 'all exposures'} {since}"
            )


def listed(what: str, items: Sequence[str], most: int = 10) -> str:
    """``what: item, item and 3 more``."""
    more = len(items) - most
    return f"{what}: {', '.join(items[:most])}" + (f" and {more} more" if more > 0 else "")


def _key(stated: Mapping[str, Any]) -> Key:
    return frozenset((name, value) for name, value in stated.items() if value is not None)


def _exposure_types(names: Iterable[str]) -> list[Key]:
    """Keys for the exposures of some types, spectral ones by the names of both eras."""
    keys = []
    for name in names:
        keys.append({"exposure_type": name})
        for element in SPECTRAL_ELEMENTS:
            if name == "WFI_SPECTRAL":
                keys.append({"exposure_type": f"WFI_{element}"})
            elif name == f"WFI_{element}":
                keys.append({"exposure_type": "WFI_SPECTRAL", "optical_element": element})
    return [frozenset(key.items()) for key in keys]


def _both(some: Iterable[Key], others: Sequence[Key]) -> list[Key]:
    """Each of some keys and each of others in one, but for those that contradict each other."""
    unions = [one | other for one in some for other in others]
    return [key for key in unions if len(dict(key)) == len(key)]


def _unions(keys: Iterable[Key]) -> set[Key]:
    """The keys, and whatever several of them say together of one exposure."""
    found: set[Key] = set()
    for key in set(keys):
        if key not in found:
            found.update(_both(found, [key]))
            found.add(key)
    return found


def _without_repetition(table: Mapping[Key, Dates]) -> dict[Key, Dates]:
    """The table without the keys in whose place one that says less would come, with equal dates."""
    needed = dict(table)
    for key in sorted(table, key=len, reverse=True):
        less = sorted((other for other in needed if other < key), key=len)
        # It would come in its place if it says all that the others say.
        if less and needed[less[-1]] == needed[key] and all(other <= less[-1] for other in less):
            del needed[key]
    return needed


def _first_start(head: ReferenceHead) -> datetime:
    """The first start of an exposure, in the thousandths that metadata have, for a file."""
    return head.useafter + timedelta(microseconds=-head.useafter.microsecond % 1000)
