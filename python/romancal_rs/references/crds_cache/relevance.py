"""The conditions in the headers of reference maps: for which exposures a map, or a key, counts.

A condition is a Python expression in parentheses, of match keys, literals, comparisons and
``and``, ``or``, ``not``. It is walked through here, never compiled or evaluated as Python.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import RomancalError
from .errors import RuleFileError

MAX_LENGTH = 10_000
MAX_DEPTH = 50

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, group: value in group,
    ast.NotIn: lambda value, group: value not in group,
}


class ConditionError(RomancalError):
    """A condition cannot be decided for an exposure; the message says why."""


class Condition:
    """A condition on the metadata of an exposure.

    Parameters
    ----------
    source : str
        The expression.
    keys : iterable of str
        The match keys that it may name, with their dots.
    where : str
        The rule file, for messages.

    Raises
    ------
    RuleFileError
        If it holds something else than a condition may.
    """

    def __init__(self, source: str, keys: Iterable[str], where: str) -> None:
        self.source = source
        for key in keys:
            source = source.replace(key, key.replace(".", "_"))
        problem = f"{where}: condition {self.source[:80]!r}"
        if len(source) > MAX_LENGTH:
            raise RuleFileError(f"{problem}... is longer than {MAX_LENGTH} characters")
        try:
            self._tree = ast.parse(source.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise RuleFileError(f"{problem} is not an expression") from None
        _check(self._tree, problem)

    def holds(self, header: Mapping[str, str]) -> bool:
        """Whether it is true for an exposure.

        Raises
        ------
        ConditionError
            If it names what the exposure does not have, or compares what cannot be compared.
        """
        names = {key.replace(".", "_"): value for key, value in header.items()}
        return bool(_evaluate(self._tree, names))


def _check(node: ast.expr, problem: str, depth: int = 0) -> None:
    """Refuse what is no condition, before any exposure is looked at."""
    if depth > MAX_DEPTH:
        raise RuleFileError(f"{problem} is nested more than {MAX_DEPTH} levels deep")
    children: list[ast.expr]
    match node:
        case ast.Constant() | ast.Name():
            children = []
        case ast.BoolOp():
            children = node.values
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            children = [node.operand]
        case ast.Compare() if all(type(sign) in _COMPARISONS for sign in node.ops):
            children = [node.left, *node.comparators]
        case ast.IfExp():
            children = [node.test, node.body, node.orelse]
        case ast.Tuple() | ast.List():
            children = node.elts
        case _:
            raise RuleFileError(
                f"{problem} holds more than match keys, literals, comparisons, and, or, not"
            )
    for child in children:
        _check(child, problem, depth + 1)


def _evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            if node.id not in names:
                raise ConditionError(f"{node.id} is not a match key")
            return names[node.id]
        case ast.BoolOp():
            stop = isinstance(node.op, ast.Or)
            for child in node.values:
                value = _evaluate(child, names)
                if bool(value) is stop:
                    break
            return value
        case ast.UnaryOp(op=ast.Not()):
            return not _evaluate(node.operand, names)
        case ast.IfExp():
            return _evaluate(node.body if _evaluate(node.test, names) else node.orelse, names)
        case ast.Tuple() | ast.List():
            return tuple(_evaluate(child, names) for child in node.elts)
    try:
        if isinstance(node, ast.UnaryOp):
            return -_evaluate(node.operand, names)
        assert isinstance(node, ast.Compare)  # all that _check lets through
        left = _evaluate(node.left, names)
        for sign, comparator in zip(node.ops, node.comparators, strict=True):
            right = _evaluate(comparator, names)
            if not _COMPARISONS[type(sign)](left, right):
                return False
            left = right
    except TypeError as error:
        raise ConditionError(str(error)) from None
    return True
