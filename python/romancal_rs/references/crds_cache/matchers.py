"""Compares one value of an exposure with one key of a rule.

A matcher tells `MATCH` (counts 1), `DOES_NOT_MATTER` (counts 0) or `MISMATCH`. For any of them an
exposure's ``*`` matches, and its ``N/A`` does not matter.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from ...errors import RomancalError
from .conditioning import ANYTHING, NOT_APPLICABLE, alternatives

MATCH, DOES_NOT_MATTER, MISMATCH = 1, 0, -1
MAX_DEPTH = 20  # of NOT and # in one another

#: Tells how a (conditioned) value of an exposure matches.
Matcher = Callable[[str], int]

_RELATION = re.compile(r"([><]=?)\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)")
_SIGNS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}
_OPPOSITE = {MATCH: MISMATCH, MISMATCH: MATCH, DOES_NOT_MATTER: DOES_NOT_MATTER}


class KeyExpressionError(RomancalError):
    """The key of a rule cannot be understood; the message says why."""


def matcher(key: str, depth: int = 0) -> Matcher:
    """The matcher of a conditioned key.

    Besides a value, alternatives between bars, globs and ``N/A``, these are known:
    ``{literally this}``, ``BETWEEN a b`` (b excluded), ``NOT key``, ``>5`` and the like, and
    ``#>1 AND <=20#`` or with ``OR``.

    Parameters
    ----------
    key : str
    depth : int
        How deep in another key this one is.

    Raises
    ------
    KeyExpressionError
        If it is a regular expression in parentheses, which a rule file could make run forever, or
        no sound expression.
    """
    if depth > MAX_DEPTH:
        raise KeyExpressionError(f"{key[:40]!r}... is nested more than {MAX_DEPTH} levels deep")
    upper = key.upper()
    if key.startswith("(") and key.endswith(")"):
        raise KeyExpressionError(f"regular expressions such as {key[:40]} are not supported")
    if key.startswith("{") and key.endswith("}"):
        return _or_special(key[1:-1].__eq__)
    if key.startswith("#") and key.endswith("#"):
        return _relational(upper, depth + 1)
    if upper.startswith("BETWEEN"):
        return _between(key)
    if upper.startswith("NOT "):
        return _negation(matcher(key[4:].strip(), depth + 1))
    if "|" in key or "*" in key:
        globs = alternatives(key)
        # An exposure's N/A does not matter here either, though a glob may fit it as text.
        return _or_special(
            lambda value: value != NOT_APPLICABLE and any(fnmatchcase(value, g) for g in globs)
        )
    if key == NOT_APPLICABLE:
        return lambda value: DOES_NOT_MATTER
    if key.startswith((">", "<")):
        return _inequality(key)
    return _or_special(key.__eq__)


def _or_special(fits: Callable[[str], bool]) -> Matcher:
    def match(value: str) -> int:
        if value == ANYTHING or fits(value):
            return MATCH
        return DOES_NOT_MATTER if value == NOT_APPLICABLE else MISMATCH

    return match


def _negation(positive: Matcher) -> Matcher:
    return lambda value: _OPPOSITE[positive(value)]


def _inequality(key: str) -> Matcher:
    found = _RELATION.match(key)
    if found is None:
        raise KeyExpressionError(f"{key[:40]!r} is not a comparison with a number")
    compare, limit = _SIGNS[found[1]], float(found[2])

    def fits(value: str) -> bool:
        try:
            return value == key or compare(float(value), limit)
        except ValueError:
            return False

    return _or_special(fits)


def _between(key: str) -> Matcher:
    try:
        _, lower, upper = key.split()
        if float(lower) > float(upper):
            raise ValueError
    except ValueError:
        raise KeyExpressionError(f"{key[:40]!r} should be: BETWEEN lower upper") from None
    return _combination(key, f">={lower}", f"<{upper}", all)


def _relational(key: str, depth: int) -> Matcher:
    for word, combine in (("AND", all), ("OR", any)):
        if f" {word} " in key:
            first, second, *_ = (part.strip() for part in key[1:-1].split(word))
            return _combination(key, first, second, combine, depth)
    return matcher(key[1:-1], depth)


def _combination(
    key: str, first: str, second: str, combine: Callable[..., bool], depth: int = 0
) -> Matcher:
    parts = matcher(first, depth), matcher(second, depth)

    def fits(value: str) -> bool:
        value = value.upper()
        return value == key or combine(part(value) == MATCH for part in parts)

    return _or_special(fits)
