"""Writes the YAML document at the start of an ASDF file, as text.

What `_yaml_head` reads: plain values, lists and mappings, and values that carry a tag. PyYAML makes
a node of each value, and an event of each node; for a head of a thousand values that takes longer
than all the rest of saving an image.
"""

from __future__ import annotations

import base64
import datetime
import math
import re
from functools import lru_cache
from typing import Any

from ._tagged import Tagged
from .errors import ArgumentTypeError

#: The tags that a head writes in short: ``!core/ndarray-1.1.0``.
_SHORT = "tag:stsci.edu:asdf/"
_SIMPLE = re.compile(r"[\w./-]+", re.ASCII)

#: Text that is nothing else in YAML 1.1 and 1.2 without quotes, unless it is one of `_WORDS`.
_PLAIN = re.compile(r"[A-Za-z_](?:[\w./+()|-]| (?=[\w(/]))*", re.ASCII)
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
#: What single quotes cannot hold: control characters, and what ends a line or is no character.
_UNPRINTABLE = re.compile(
    r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ud800-\udfff\ue000-\ufefe\uff00-\ufffd"
    r"\U00010000-\U0010ffff]"
)
_IN_DOUBLE_QUOTES = re.compile(rf'["\\]|{_UNPRINTABLE.pattern}')
_SHORT_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}

_WIDTH = 100  # what fits is written in one line
_LONGEST_KEY = 1000  # YAML: 1024 with its quotes; longer ones stand after a question mark


def document(root: Any) -> str:
    """A value as a document of YAML 1.1, with its start and its end.

    Parameters
    ----------
    root : object
        Made of None, bool, int, float, str, bytes, date, datetime, list, dict with keys that are
        text, numbers or flags, and `Tagged`. Mappings are written in the order that they have. A
        list, mapping or `Tagged` of these that is there several times is written once, and stands
        for itself where it comes again; so a value may even hold itself.

    Raises
    ------
    TypeError
        If there is a value of another type.
    """
    return _Document(root).text()


def scalar(value: Any) -> str:
    """A single value, on one line."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is float:
        return _number(value)
    if kind is int:
        return str(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is bytes:
        return f'!!binary "{base64.b64encode(value).decode()}"'
    if kind is datetime.datetime:
        return value.isoformat(" ")
    if kind is datetime.date:
        return value.isoformat()
    raise ArgumentTypeError(f"YAML has no place for a {kind.__module__}.{kind.__qualname__}")


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if _UNPRINTABLE.search(text):
        return f'"{_IN_DOUBLE_QUOTES.sub(_escaped, text)}"'
    return "'" + text.replace("'", "''") + "'"


# Names come again and again, on every frame and transform.
_name = lru_cache(4096, typed=True)(scalar)


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return _SHORT_ESCAPES.get(character, escape)


def _number(value: float) -> str:
    if math.isfinite(value):
        text = repr(value)
        # Without a point it is text in YAML 1.1.
        return text if "." in text else text.replace("e", ".0e")
    return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"


def _short_tag(tag: str) -> str:
    name = tag.removeprefix(_SHORT)
    return f"!{name}" if name != tag and _SIMPLE.fullmatch(name) else f"!<{tag}>"


class _Document:
    """A document as it is written, line by line."""

    def __init__(self, root: Any) -> None:
        self._root = root
        #: The marks of what comes several times, by identity; empty until it came once.
        self._marks: dict[int, str] = {}
        self._n_marks = 0
        self._lines: list[str] = []

    def text(self) -> str:
        self._find_repeated(self._root, set())
        self._value(self._root, "---", "", at_dash=False)
        return f"%YAML 1.1\n%TAG ! {_SHORT}\n{''.join(self._lines)}...\n"

    def _find_repeated(self, value: Any, seen: set[int]) -> None:
        content = value.value if type(value) is Tagged else value
        if type(content) not in (dict, list) or not content:
            return
        if id(value) in seen:
            self._marks[id(value)] = ""
            return
        seen.add(id(value))
        for item in content.values() if type(content) is dict else content:
            kind = type(item)
            if kind is dict or kind is list or kind is Tagged:
                self._find_repeated(item, seen)

    def _value(self, value: Any, start: str, indent: str, *, at_dash: bool) -> None:
        """Writes a value after the start of its line, and what it holds below that.

        Parameters
        ----------
        value : object
        start : str
            Of the line: its key or its dash.
        indent : str
            In front of the lines below.
        at_dash : bool
            Whether what it holds may begin in the same line.
        """
        if id(value) in self._marks:
            mark = self._marks[id(value)]
            if mark:
                self._lines.append(f"{start} *{mark}\n")
                return
            self._n_marks += 1
            mark = self._marks[id(value)] = f"id{self._n_marks:03}"
            start, at_dash = f"{start} &{mark}", False
        if type(value) is Tagged:
            start, at_dash = f"{start} {_short_tag(value.tag)}", False
            value = value.value
        if not value or type(value) not in (dict, list):
            self._lines.append(f"{start} {_brief(value)}\n")
            return
        line = _in_one_line(value, _WIDTH)
        if line is not None:
            self._lines.append(f"{start} {line}\n")
            return
        if at_dash:
            first = f"{start} "
        else:
            self._lines.append(f"{start}\n")
            first = indent
        if type(value) is dict:
            self._mapping(value, first, indent)
        else:
            self._list(value, first, indent)

    def _mapping(self, mapping: dict[Any, Any], first: str, indent: str) -> None:
        below = indent + "  "
        for key, value in mapping.items():
            name = _name(key)
            if len(name) > _LONGEST_KEY:
                self._lines.append(f"{first}? {name}\n")
                first, name = indent, ""
            kind = type(value)
            if kind is str or kind is float or kind is int:
                self._lines.append(f"{first}{name}: {scalar(value)}\n")
            else:
                self._value(value, f"{first}{name}:", below, at_dash=False)
            first = indent

    def _list(self, items: list[Any], first: str, indent: str) -> None:
        below = indent + "  "
        for item in items:
            self._value(item, f"{first}-", below, at_dash=True)
            first = indent


def _brief(value: Any) -> str:
    """A single value, or a list or mapping that is empty."""
    kind = type(value)
    if kind is dict:
        return "{}"
    return "[]" if kind is list else scalar(value)


def _in_one_line(value: Any, width: int) -> str | None:
    """A list or mapping of single values as one line, None if it is not so short."""
    if len(value) > width // 3:
        return None
    parts: list[str] = []
    for key, item in value.items() if type(value) is dict else enumerate(value):
        if type(item) is Tagged and type(item.value) is str:
            text = f"{_short_tag(item.tag)} {_quoted(item.value)}"
        elif type(item) in (dict, list, Tagged):
            return None
        else:
            text = scalar(item)
        parts.append(f"{_name(key)}: {text}" if type(value) is dict else text)
    line = ", ".join(parts)
    if len(line) > width:
        return None
    return f"{{{line}}}" if type(value) is dict else f"[{line}]"
