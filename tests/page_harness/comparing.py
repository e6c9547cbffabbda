"""Whether a page shows what was printed."""

from __future__ import annotations

import re

#: What differs from run to run, and how it is written: times that something took, dates, versions
#: with a commit, sizes of files with their unit.
VARYING = re.compile(
    r"\d+(?:\.\d+)? (?:s|ms|min|MB|kB|KB|MiB|KiB|GB|CPU s)\b"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?"
    r"|(?<=romancal-rs )\d+\.\d+\.\d+(?:\+g[0-9a-f]+)?(?:\.dirty)?"
    r"|\b[0-9a-f]{64}\b"
)
#: Colours of a terminal.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def differences(shown: str, printed: str) -> str:
    """Why a page does not show what was printed; empty where it does.

    Lines have to be the same but for the number of blanks, at the end of all of them and between
    words, and for what is `VARYING`. ``...`` stands for anything in a line, and for any lines where
    it is alone in one.
    """
    lines = [line.strip() for line in _COLOUR.sub("", printed).strip("\n").splitlines()]
    pattern = "".join(_pattern(line.strip()) for line in shown.strip("\n").splitlines())
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)):
        return ""
    return f"shown:\n{shown}\nprinted:\n{printed}"


def _pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*?"
    parts = line.split("...")
    return ".*?".join(map(_of_words, parts)) + r"\n"


def _of_words(text: str) -> str:
    kept, place = [], 0
    for found in VARYING.finditer(text):
        kept += [_blanks(text[place : found.start()]), f"(?:{VARYING.pattern})"]
        place = found.end()
    return "".join([*kept, _blanks(text[place:])])


def _blanks(text: str) -> str:
    return r"[ \t]+".join(re.escape(word) for word in re.split(r"[ \t]+", text))
