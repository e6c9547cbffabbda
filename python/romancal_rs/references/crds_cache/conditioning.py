"""How values of exposures and of rules are made alike before they are compared.

The same forms as in the CRDS client, so that the same rules choose the same files.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from .errors import BadParameterError

UNDEFINED = "UNDEFINED"
NOT_APPLICABLE = "N/A"
ANYTHING = "*"

_NUMBER = re.compile(r"([-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?|[+-]?[0-9]+\.)$")
# Anchored as the client's expression is: the first four are beginnings.
_DOES_NOT_APPLY = re.compile(r"-2147483648.0|\(\)|N/A|NOT APPLICABLE|NOT_APPLICABLE$")
_SAME = {"ANY": ANYTHING, "4294967295.0": "-1.0", "TRUE": "T", "FALSE": "F"}
_DATE = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)")
_DATE_T_TIME = re.compile(r"[^T]*T\d\d(:\d\d){1,2}(\.\d{1,6})?")


def condition(value: Any) -> str:
    """The form in which a value is compared: capitals, numbers as floats, T and F, N/A, ``*``."""
    text = str(value).strip().upper()
    if _NUMBER.match(text):
        text = str(float(text))
    if _DOES_NOT_APPLY.match(text):
        return NOT_APPLICABLE
    return _SAME.get(text, text)


def is_expression(key: str) -> bool:
    """Whether the key of a rule is more than a value, or values between bars."""
    key = key.upper()
    bracketed = key.startswith(("{", "(", "#")) and key.endswith(("}", ")", "#"))
    return bracketed or key.startswith(("BETWEEN", "NOT"))


def alternatives(key: str) -> list[str]:
    """What stands between the bars of a key, sorted; a key without bars, or expression, alone."""
    if "|" not in key or is_expression(key):
        return [key]
    return sorted(part.strip() for part in key.split("|") if part.strip())


def condition_key(key: Any) -> tuple[str, ...]:
    """The form of a Match key: one text for each match parameter."""
    return tuple(map(_condition_element, key if isinstance(key, tuple) else (key,)))


def _condition_element(element: Any) -> str:
    if isinstance(element, tuple | list):
        return "|".join(map(condition, element))
    if not isinstance(element, str):
        return condition(element)
    if (element[:1], element[-1:]) in (("{", "}"), ("(", ")")):
        return element
    return "|".join(map(condition, alternatives(element)))


def condition_date(text: str, what: str) -> str:
    """A date as the tables of UseAfter have it: ``YYYY-MM-DD HH:MM:SS``, with its fraction if any.

    Parameters
    ----------
    text : str
        ``YYYY-MM-DD`` (or with slashes), then, after a space or a T, ``HH:MM[:SS[.ffffff]]``.
    what : str
        The names of the match parameters, for messages.

    Raises
    ------
    BadParameterError
        If it is no such date.
    """
    separator = "T" if _DATE_T_TIME.fullmatch(text) else " "
    date, _, time = text.strip().partition(separator)
    found = _DATE.fullmatch(date)
    parts = (time.strip() or "00:00:00").split(":")
    try:
        if found is None or len(parts) not in (2, 3):
            raise ValueError
        seconds = float(parts[2]) if len(parts) == 3 else 0.0
        # The fraction is cut off, not rounded, as in the client: a thousandth may come out as one
        # microsecond less.
        fraction = int((seconds - int(seconds)) * 10**6)
        year, month, day = map(int, found.groups())
        hour, minute = map(int, parts[:2])
        whole = datetime(year, month, day, hour, minute, int(seconds), fraction)
    except (ValueError, OverflowError):
        raise BadParameterError(
            f"{what} {text!r} is not a date such as 2027-06-01T12:00:00"
        ) from None
    return whole.isoformat(" ")
