"""Files in ConfigObj's syntax: what is wrong with them, and on which line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from configobj import ConfigObjError, DuplicateError, NestingError

_SECTION = re.compile(r"\s*(\[+)\s*(.*?)\s*\]+\s*(#.*)?$")
_OPTION = re.compile(r"""\s*("[^"]*"|'[^']*'|[^'"=\s][^=]*?)\s*=""")
#: Begins and ends a value of several lines.
_TEXT = re.compile(r"\"\"\"|'''")


def what_is_wrong(error: Exception) -> str:
    """The line that ConfigObj stumbled over, and what would be right."""
    if not isinstance(error, ConfigObjError) or error.line_number is None:
        return "it is no text in UTF-8" if isinstance(error, UnicodeError) else str(error)
    line = error.line.strip()
    if isinstance(error, DuplicateError):
        said = "it is there twice: leave one out"
    elif isinstance(error, NestingError):
        said = "the brackets of a section are [one], [[two]] within it, and so on"
    elif _OPTION.match(line):
        said = "the value cannot be read: is a quote missing?"
    else:
        said = "expected NAME = VALUE or [SECTION]"
    return f"line {error.line_number}: {line!r}: {said}"


def lines_of_options(text: str) -> dict[tuple[str, ...], int]:
    """The line of each option, by the names of the sections around it and its own, from 1."""
    found: dict[tuple[str, ...], int] = {}
    within: list[str] = []
    is_text = False
    for number, line in enumerate(text.splitlines(), start=1):
        was_text, is_text = is_text, is_text ^ (len(_TEXT.findall(line)) % 2 == 1)
        if was_text:
            continue
        if section := _SECTION.match(line):
            depth = len(section[1])
            within = [*within[: depth - 1], _unquoted(section[2])]
        elif option := _OPTION.match(line):
            found.setdefault((*within, _unquoted(option[1])), number)
    return found


def place(path: str, lines: dict[tuple[str, ...], int], names: Sequence[str]) -> str:
    """Where an option of a file is, for messages."""
    number = lines.get(tuple(names))
    sections = " ".join(f"{'[' * i}{name}{']' * i}" for i, name in enumerate(names[:-1], start=1))
    where = f"{path}, {sections}, {names[-1]}" if sections else f"{path}, {names[-1]}"
    return where if number is None else f"{path}, line {number}"


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"" else name
