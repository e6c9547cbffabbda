"""Reads the restricted Python in which CRDS writes its rules, without running any of it.

A rule file consists of assignments to ``header``, ``selector`` and, where there is one,
``comment``. Their values are literals; a selector may also be built from ``Match({...})`` and
``UseAfter({...})``, nested. The text is parsed with `ast`, and the tree turned into values here:
nothing is compiled or called. What `ast` is given has been looked through before: it holds no other
words and signs than rules need, and is nested no deeper, so that a file made to overflow the parser
does not reach it.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ...errors import RomancalError

#: Rule files are some kilobytes, the largest of long missions a few megabytes.
MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 60  # of brackets; two for each selector
# These bound the time that parsing takes.
MAX_SIGNS = 400_000  # strings, commas, colons and brackets
MAX_WORDS = 100_000  # selectors and numbers
MAX_ASSIGNMENTS = 10

SELECTORS = ("Match", "UseAfter")
SECTIONS = ("header", "selector", "comment")

# A string that does not end matches too: no part of the text is gone through twice.
_STRING_OR_COMMENT = re.compile(
    r"'''(?:[^\\']++|\\.|'(?!''))*+(?:'''|\\?\Z)"
    r'|"""(?:[^\\"]++|\\.|"(?!""))*+(?:"""|\\?\Z)'
    r"|'(?:[^'\\\n]++|\\.)*+(?:'|(?=\n)|\\?\Z)"
    r'|"(?:[^"\\\n]++|\\.)*+(?:"|(?=\n)|\\?\Z)'
    r"|\#[^\n]*",
    re.DOTALL,
)
_WORDS = "|".join((*SECTIONS, *SELECTORS, "True", "False", "None"))
_FOREIGN_WORD = re.compile(rf"\b(?!(?:{_WORDS})\b)[^\W\d]\w*")
_WORD = re.compile(r"\w+")
_FOREIGN_NUMBER = re.compile(r"[0-9](?:[A-DF-Za-df-z_]|[eE](?![0-9+\-]))|[0-9.]{100}")
_FOREIGN_SIGN = re.compile(r"[^\s\w{}()\[\],:=.\-']")
_BRACKET = re.compile(r"[{}()\[\]]")
# A minus between two values, or twice: both nest without brackets. An exponent's is neither.
_SUBTRACTION = re.compile(r"[\w')\]}.]\s*(?<![0-9.][eE])-|-\s*-")


class LiteralError(RomancalError):
    """The text is not made of what rules are made of; the message says why, and on which line."""


@dataclass(frozen=True)
class SelectorCall:
    """``Match({...})`` or ``UseAfter({...})`` as it stands in the text.

    Attributes
    ----------
    kind : str
        ``"Match"`` or ``"UseAfter"``.
    items : dict
        What stands between the braces; values are text or another SelectorCall.
    line : int
        Where it begins.
    duplicates : tuple of str
        Keys that the text has more than once, of which the last counts.
    """

    kind: str
    items: dict[Any, Any]
    line: int
    duplicates: tuple[str, ...] = ()


def parse_sections(text: str) -> dict[str, Any]:
    """Read a rule file.

    Returns
    -------
    dict
        The values of ``header``, ``selector`` and ``comment``, as far as they are there.

    Raises
    ------
    LiteralError
        If the text holds anything else.
    """
    sections: dict[str, Any] = {}
    for statement in _parse(text):
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            raise _unexpected(statement, "expected an assignment to header, comment or selector")
        target = statement.targets[0]
        if not isinstance(target, ast.Name) or target.id not in SECTIONS:
            raise _unexpected(statement, "only header, comment and selector can be assigned to")
        sections[target.id] = _value(statement.value)
    return sections


def parse_value(text: str) -> Any:
    """Read one literal: a dict, list, tuple, text, number, bool or None.

    Raises
    ------
    LiteralError
        If the text is anything else.
    """
    body = _parse(text)
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise LiteralError("line 1: expected one value")
    return _value(body[0].value)


def _parse(text: str) -> list[ast.stmt]:
    _check_signs(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in strings
            return ast.parse(text).body
    except SyntaxError as error:
        raise LiteralError(f"line {error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise LiteralError("line 1: is not the Python of rules") from None


def _check_signs(text: str) -> None:
    """Look through the text without its strings and comments, before a parser sees it."""
    # Each string has two quotes at least; to take the strings out takes its time as well.
    too_many = text.count("'") + text.count('"') > 3 * MAX_SIGNS
    bare = "" if too_many else _STRING_OR_COMMENT.sub(_without_content, text)
    if too_many or sum(map(bare.count, "',:([{")) > MAX_SIGNS:
        raise LiteralError(f"line 1: more than {MAX_SIGNS} strings, commas and brackets")
    if bare.count("=") > MAX_ASSIGNMENTS:
        raise LiteralError(f"line 1: more than {MAX_ASSIGNMENTS} assignments")
    if next(islice(_WORD.finditer(bare), MAX_WORDS, None), None) is not None:
        raise LiteralError(f"line 1: more than {MAX_WORDS} words and numbers outside of strings")
    for pattern, what in (
        (_FOREIGN_WORD, "is no word of rules"),
        (_FOREIGN_SIGN, "is no sign of rules"),
        (_FOREIGN_NUMBER, "is no number of rules"),
        (_SUBTRACTION, "has no meaning in rules here"),
    ):
        if found := pattern.search(bare):
            line = bare.count("\n", 0, found.end()) + 1
            shown = found[0].strip()[:40]
            raise LiteralError(
                f"line {line}: {shown!r} {what}: literals, Match({{...}}) and UseAfter({{...}})"
            )
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in "{([" else -1
        if depth > MAX_DEPTH:
            line = bare.count("\n", 0, bracket.start()) + 1
            raise LiteralError(f"line {line}: nested more than {MAX_DEPTH} levels deep")


def _without_content(found: re.Match[str]) -> str:
    """Nothing of a comment, and the quotes and line breaks of a string."""
    return "" if found[0].startswith("#") else "'" + "\n" * found[0].count("\n")


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and not _is_unicode(node.value):
            raise _unexpected(node, f"{node.value!r} is not text")
        if node.value is None or isinstance(node.value, str | bool | int | float):
            return node.value
    elif isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    elif isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    elif isinstance(node, ast.Dict):
        return _dict(node)[0]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value
    elif isinstance(node, ast.Call):
        return _selector(node)
    raise _unexpected(node, "is no literal")


def _is_unicode(text: str) -> bool:
    """Whether a text can be written: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _dict(node: ast.Dict) -> tuple[dict[Any, Any], tuple[str, ...]]:
    items: dict[Any, Any] = {}
    duplicates = []
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        if key_node is None:
            raise _unexpected(node, "** has no meaning in rules")
        key = _value(key_node)
        try:
            if key in items:
                duplicates.append(repr(key))
            items[key] = _value(value_node)
        except TypeError:
            raise _unexpected(key_node, "cannot be a key") from None
    return items, tuple(duplicates)


def _selector(node: ast.Call) -> SelectorCall:
    if not isinstance(node.func, ast.Name) or node.func.id not in SELECTORS:
        raise _unexpected(node, "only Match({...}) and UseAfter({...}) can be called")
    if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Dict):
        raise _unexpected(node, f"{node.func.id} takes one dictionary")
    items, duplicates = _dict(node.args[0])
    return SelectorCall(node.func.id, items, node.lineno, duplicates)


def _unexpected(node: ast.stmt | ast.expr, why: str) -> LiteralError:
    return LiteralError(f"line {node.lineno}: {why}")
