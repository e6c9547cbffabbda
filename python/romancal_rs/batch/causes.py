"""Failures that have the same cause: their messages differ in names and numbers only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .outcome import Kind, Outcome
from .remote import is_url, shown

__all__ = ["Cause", "base_name", "causes", "normalised"]

#: Applied in this order, each to the result of the one before.
_PATTERNS = (
    (re.compile(r"\b[A-Za-z][\w+.-]*://[^\s'\"]*[^\s'\",;:.)]"), "<url>"),
    (re.compile(r"(?<![\w<])(?:~|\.{1,2})?(?:/[^\s/'\":;,()]+)+/?"), "<path>"),
    (re.compile(r"\br\d{10,}_\w*(?:\.\w+)*"), "<exposure>"),
    (re.compile(r"\b[\w-]+\.(?:asdf|json|ecsv|csv|parquet)\b"), "<file>"),
    (re.compile(r"\bwfi\d\d\b", re.IGNORECASE), "<detector>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?Z?\b"), "<date>"),
    (re.compile(r"\b(?=[a-f]*\d)[\da-f]{12,}\b|\b0x[\da-f]+\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"(?<![\w.<])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.]*\w)"), "<n>"),
)


@dataclass(frozen=True)
class Cause:
    """What several exposures failed of.

    Attributes
    ----------
    kind : Kind
    message : str
        Names, paths and numbers stand as ``<path>``, ``<detector>``, ``<n>`` and so on.
    count : int
    detectors : tuple of str
        Of the exposures, in order.
    example : Outcome
        The first of them by name.
    """

    kind: Kind
    message: str
    count: int
    detectors: tuple[str, ...]
    example: Outcome


def normalised(message: str, input: str = "", product: str = "") -> str:
    """A message without what differs from exposure to exposure: names, paths, times and numbers.

    Parameters
    ----------
    message : str
    input, product : str
        Paths or URLs of the exposure, which may have blanks in them.
    """
    text = message
    own = {input: "<input>", product: "<product>"}
    own |= {base_name(path): name for path, name in own.items()}
    for path in sorted(filter(None, own), key=len, reverse=True):
        text = text.replace(path, own[path])
    for pattern, name in _PATTERNS:
        text = pattern.sub(name, text)
    return text


def causes(outcomes: Iterable[Outcome]) -> tuple[Cause, ...]:
    """The causes of those that failed, the most frequent first."""
    groups: dict[tuple[Kind, str], list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.kind.is_good:
            message = normalised(outcome.message, outcome.input, outcome.product)
            groups.setdefault((outcome.kind, message), []).append(outcome)
    found = [
        Cause(
            kind,
            message,
            len(group),
            tuple(sorted({outcome.detector for outcome in group} - {""})),
            min(group, key=lambda outcome: outcome.input),
        )
        for (kind, message), group in groups.items()
    ]
    return tuple(sorted(found, key=lambda cause: (-cause.count, cause.kind, cause.message)))


def base_name(path: str) -> str:
    """The name of a file without its directory, or the rest of its URL."""
    if is_url(path):
        path = shown(path)  # a query may hold slashes
    return path.rstrip("/").rpartition("/")[2]
