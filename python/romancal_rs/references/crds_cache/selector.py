"""The selectors of rules: tables that lead from an exposure's metadata to a file.

*Match* compares one or several match parameters with the keys of its table. Each parameter that
matches, be it exactly or by a wildcard, counts 1, one that does not matter (``N/A``) counts 0; the
key with the highest total wins. Tables of dates under keys of the same total are merged. *UseAfter*
takes the latest date of its table that is not after the exposure's. Where a nested table has
nothing for the exposure, the next best key is tried.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Union

from .conditioning import (
    ANYTHING,
    NOT_APPLICABLE,
    UNDEFINED,
    alternatives,
    condition,
    condition_date,
    condition_key,
    is_expression,
)
from .errors import AmbiguousMatchError, BadParameterError, NoMatchError, RuleFileError
from .literal import SelectorCall
from .matchers import MISMATCH, KeyExpressionError, Matcher, matcher

#: What a table leads to: a file (or N/A, OMIT), another table, or several of equal right.
Choice = Union[str, "Match", "UseAfter", tuple["Choice", ...]]

# Subarrays that the rules call generic are any.
_DEFAULT_SUBSTITUTIONS = {
    "META.SUBARRAY.NAME": {"GENERIC": NOT_APPLICABLE},
    "SUBARRAY": {"GENERIC": NOT_APPLICABLE},
}


@dataclass(frozen=True)
class Settings:
    """What the header of a reference map says of all its selectors."""

    merge_overlaps: bool = True
    substitutions: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Settings:
        merge = str(header.get("merge_overlaps", True)).upper() in ("TRUE", "1")
        substitutions = header.get("substitutions", {})
        if not isinstance(substitutions, dict):
            raise RuleFileError("its substitutions are not a dictionary")
        return cls(merge, {**_DEFAULT_SUBSTITUTIONS, **substitutions})


@dataclass(frozen=True)
class Row:
    """One way through the selectors to a file.

    Attributes
    ----------
    keys : tuple of (str, str, Matcher)
        Match parameter, its key in the rule, and what compares them.
    dates : tuple of (tuple of str, str)
        Names of the parameters that hold the date, and the date of the table.
    choice : str
        The file, N/A or OMIT.
    """

    keys: tuple[tuple[str, str, Matcher], ...]
    dates: tuple[tuple[tuple[str, ...], str], ...]
    choice: str

    def differences(self, header: Mapping[str, str]) -> list[str]:
        """In what the row does not fit an exposure, such as ``DETECTOR WFI01``."""
        found = [
            f"{parameter.rpartition('.')[2]} {key}"
            for parameter, key, compare in self.keys
            if compare(header.get(parameter, UNDEFINED)) == MISMATCH
        ]
        for parameters, date in self.dates:
            try:
                if date <= exposure_date(parameters, header):
                    continue
            except BadParameterError:
                pass
            found.append(f"useafter {date}")
        return found

    def weight(self, header: Mapping[str, str]) -> int:
        """How much counts for the row, if it fits."""
        return sum(compare(header.get(parameter, UNDEFINED)) for parameter, _, compare in self.keys)

    def describe(self) -> str:
        """The rule, such as ``DETECTOR WFI01, OPTICAL_ELEMENT F158, useafter 2020-01-01``."""
        parts = [f"{parameter.rpartition('.')[2]} {key}" for parameter, key, _ in self.keys]
        return ", ".join([*parts, *(f"useafter {date}" for _, date in self.dates)])


class Match:
    """A table by the values of match parameters.

    Parameters
    ----------
    parameters : sequence of str
    choices : dict
        Choices by key: a tuple with an element for each parameter, or the one element itself.
    settings : Settings

    Raises
    ------
    RuleFileError
        If a key is of the wrong length, stands there twice, or is no sound expression.
    """

    def __init__(
        self, parameters: Sequence[str], choices: dict[Any, Choice], settings: Settings
    ) -> None:
        self.parameters = tuple(parameters)
        self._settings = settings
        self._table: dict[tuple[str, ...], Choice] = {}
        for key, choice in sorted(
            ((condition_key(key), choice) for key, choice in choices.items()),
            key=lambda item: item[0],
        ):
            if len(key) != len(self.parameters):
                raise RuleFileError(f"Match key {key} should have {len(self.parameters)} values")
            if key in self._table:
                raise RuleFileError(f"Match key {key} is there more than once")
            self._table[key] = choice
        try:
            self._matchers = {key: tuple(map(matcher, key)) for key in self._table}
        except KeyExpressionError as error:
            raise RuleFileError(str(error)) from None
        self._known = [self._known_values(i) for i in range(len(self.parameters))]

    def choose(self, header: Mapping[str, str]) -> Choice:
        """Choose by the exposure's conditioned metadata.

        Raises
        ------
        NoMatchError, BadParameterError, AmbiguousMatchError
        """
        for parameter, known in zip(self.parameters, self._known, strict=True):
            value = header.get(parameter, UNDEFINED)
            if not self._is_possible(parameter, value, known):
                raise BadParameterError(
                    f"{parameter} {value} is none of {', '.join(sorted(known))}"
                )
        for group in self._ranked(header):
            try:
                return _follow(self._merged(group), header)
            except NoMatchError:
                continue
        raise NoMatchError("no rule matches")

    def rows(self, header: Mapping[str, str] | None = None) -> Iterator[Row]:
        """All ways through the table, or those that fit an exposure."""
        fitting = None if header is None else set(chain.from_iterable(self._ranked(header)))
        for key, choice in self._table.items():
            if fitting is not None and key not in fitting:
                continue
            keys = tuple(zip(self.parameters, key, self._matchers[key], strict=True))
            for row in _rows(choice, header):
                yield Row((*keys, *row.keys), row.dates, row.choice)

    def _ranked(self, header: Mapping[str, str]) -> list[list[tuple[str, ...]]]:
        """The keys that fit, the best first; those of the same total together."""
        values = [header.get(parameter, UNDEFINED) for parameter in self.parameters]
        groups: dict[int, list[tuple[str, ...]]] = {}
        for key, matchers in self._matchers.items():
            results = [compare(value) for compare, value in zip(matchers, values, strict=True)]
            if MISMATCH not in results:
                groups.setdefault(sum(results), []).append(key)
        return [groups[total] for total in sorted(groups, reverse=True)]

    def _merged(self, keys: list[tuple[str, ...]]) -> Choice:
        choices = [self._table[key] for key in keys]
        if len(choices) == 1:
            return choices[0]
        if not self._settings.merge_overlaps:
            raise AmbiguousMatchError(f"{len(choices)} rules match equally well: {_listed(keys)}")
        if isinstance(choices[0], str):
            return tuple(choices)
        merged = choices[0]
        for choice in choices[1:]:
            if not isinstance(merged, UseAfter) or not isinstance(choice, UseAfter):
                raise AmbiguousMatchError(
                    f"{len(choices)} rules match equally well, and not all hold a table of dates: "
                    f"{_listed(keys)}"
                )
            merged = merged.merge(choice)
        return merged

    def _known_values(self, i: int) -> frozenset[str]:
        """The values that the table knows for a parameter; none where any value is possible."""
        if any(is_expression(key[i]) for key in self._table):
            return frozenset()
        return frozenset(part for key in self._table for part in alternatives(key[i]))

    def _is_possible(self, parameter: str, value: str, known: frozenset[str]) -> bool:
        """Whether the rules have heard of a value.

        A missing value is a separate error, for which no other rule is tried.
        """
        if not known or not known.isdisjoint((ANYTHING, "ANY", NOT_APPLICABLE)):
            return True
        replacements = self._settings.substitutions.get(parameter, {})
        tried = set()
        while value not in tried:  # substitutions may go round in circles
            tried.add(value)
            if value in known or condition(value) in known:
                return True
            if value.startswith("NOT"):
                value = value[3:].strip()
                continue
            if is_expression(value) or value in (ANYTHING, "ANY", NOT_APPLICABLE):
                return True
            replacement = replacements.get(value)
            if not isinstance(replacement, str):
                return False
            value = replacement
        return False


class UseAfter:
    """A table by date.

    Parameters
    ----------
    parameters : sequence of str
        What holds the exposure's date: one parameter, or one for the date and one for the time.
    choices : dict of str to Choice
        Choices by date, ``YYYY-MM-DD HH:MM:SS``. Dates are compared as text, as they stand there.

    Raises
    ------
    RuleFileError
        If a date is no text.
    """

    def __init__(self, parameters: Sequence[str], choices: Mapping[Any, Choice]) -> None:
        self.parameters = tuple(parameters)
        if not all(isinstance(date, str) for date in choices):
            raise RuleFileError("the dates of UseAfter should be text, in quotes")
        self._dates = sorted(choices)
        self._choices = choices

    def choose(self, header: Mapping[str, str]) -> Choice:
        """Choose by the exposure's conditioned metadata.

        Raises
        ------
        NoMatchError, BadParameterError, AmbiguousMatchError
        """
        date = exposure_date(self.parameters, header)
        position = bisect_right(self._dates, date)
        if position == 0:
            raise NoMatchError(f"nothing is in use yet at {date}")
        return _follow(self._choices[self._dates[position - 1]], header)

    def merge(self, other: UseAfter) -> UseAfter:
        """Both tables in one; where they have the same date, the greater file name."""
        merged = {**self._choices, **other._choices}
        for date in self._choices.keys() & other._choices.keys():
            both = self._choices[date], other._choices[date]
            names = [choice for choice in both if isinstance(choice, str)]
            if len(names) < len(both):
                raise AmbiguousMatchError(f"two rules match equally well, both for {date}")
            merged[date] = max(names)
        return UseAfter(self.parameters, merged)

    def rows(self, header: Mapping[str, str] | None = None) -> Iterator[Row]:
        """All ways through the table, or those that fit an exposure."""
        dates = self._dates
        if header is not None:
            dates = dates[: bisect_right(dates, exposure_date(self.parameters, header))]
        for date in dates:
            for row in _rows(self._choices[date], header):
                yield Row(row.keys, ((self.parameters, date), *row.dates), row.choice)


def build(call: SelectorCall, parkeys: Sequence[Any], settings: Settings) -> Match | UseAfter:
    """Make the selectors of a rule file.

    Parameters
    ----------
    call : SelectorCall
    parkeys : sequence of sequences of str
        The match parameters of each level.
    settings : Settings

    Raises
    ------
    RuleFileError
    """
    where = f"line {call.line}"
    if not parkeys:
        raise RuleFileError(f"{where}: {call.kind} is nested deeper than the parkey of the header")
    parameters = parkeys[0]
    if not isinstance(parameters, tuple | list) or not all(isinstance(p, str) for p in parameters):
        raise RuleFileError(f"the parkey of the header has {parameters!r} where names should be")
    choices: dict[Any, Choice] = {}
    for key, value in call.items.items():
        if isinstance(value, SelectorCall):
            choices[key] = build(value, parkeys[1:], settings)
        elif isinstance(value, str):
            choices[key] = value
        else:
            raise RuleFileError(f"{where}: {key!r} leads to {value!r}, not to a file or a table")
    try:
        choices = _substituted(choices, parameters, settings.substitutions)
        if call.kind == "UseAfter":
            return UseAfter(parameters, choices)
        return Match(parameters, choices, settings)
    except RuleFileError as error:
        raise RuleFileError(f"{where}: {error}") from None
    except (TypeError, IndexError):
        raise RuleFileError(f"{where}: its substitutions do not fit its keys") from None


def exposure_date(parameters: Sequence[str], header: Mapping[str, str]) -> str:
    """The date of an exposure in the form that tables of dates have.

    Raises
    ------
    BadParameterError
        If a parameter is undefined, or they do not make a date.
    """
    values = [header.get(parameter, UNDEFINED).strip() for parameter in parameters]
    names = ", ".join(parameters)
    if UNDEFINED in values:
        raise BadParameterError(f"{names}: the exposure does not have it")
    return condition_date(" ".join(values), names)


def _follow(choice: Choice, header: Mapping[str, str]) -> Choice:
    return choice.choose(header) if isinstance(choice, Match | UseAfter) else choice


def _rows(choice: Choice, header: Mapping[str, str] | None) -> Iterator[Row]:
    if isinstance(choice, Match | UseAfter):
        yield from choice.rows(header)
    elif isinstance(choice, str):
        yield Row((), (), choice)


def _substituted(
    choices: dict[Any, Choice],
    parameters: Sequence[str],
    substitutions: Mapping[str, Mapping[Any, Any]],
) -> dict[Any, Choice]:
    """The choices with their keys replaced as the header says, parameter by parameter.

    Where a replaced key meets one that stands there as it is, the replaced one wins.
    """
    choices = dict(choices)
    for i, parameter in enumerate(parameters):
        known = substitutions.get(parameter, {})
        for key in list(choices):
            if isinstance(key, tuple) and i >= len(key):
                continue  # of which the selector tells what is wrong
            old = key[i] if isinstance(key, tuple) else key
            if old in known:
                new = tuple(known[old]) if isinstance(known[old], list) else known[old]
                new_key = (*key[:i], new, *key[i + 1 :]) if isinstance(key, tuple) else new
                choices[new_key] = choices.pop(key)
    return choices


def _listed(keys: Sequence[tuple[str, ...]]) -> str:
    return "; ".join(", ".join(key) for key in keys[:3]) + ("; ..." if len(keys) > 3 else "")
