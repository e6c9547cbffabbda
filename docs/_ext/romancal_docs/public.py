"""The public classes of the package: their pages, and what is not on these.

A class may derive from private ones. Their public members are its own for a reader, and stand on
its page; the bases that it names are the public ones. What comes from a public base stands on the
page of that one only.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

import romancal_rs

from .content import Generated

_PACKAGE = romancal_rs.__name__


def setup(app: Sphinx) -> None:
    app.add_directive("public-class", PublicClass)
    app.connect("autodoc-process-bases", _name_public_bases)


def modules() -> Iterator[Any]:
    """The modules that the package offers."""
    for name in romancal_rs.__all__:
        part = getattr(romancal_rs, name)
        if inspect.ismodule(part):
            yield part


def names_of(module: Any) -> list[str]:
    """What a module offers."""
    return list(getattr(module, "__all__", None) or dir(module))


@cache
def places() -> dict[type, list[str]]:
    """Where each public class is offered, with its name; the first place has its page."""
    found: dict[type, list[str]] = {}
    for module in modules():
        for name in names_of(module):
            part = getattr(module, name)
            if inspect.isclass(part):
                found.setdefault(part, []).append(f"{module.__name__}.{name}")
    return found


def pages() -> dict[str, str]:
    """The pages of the classes, by what they are called in docstrings."""
    return {where[0].rpartition(".")[2]: where[0] for where in places().values()}


def offered_elsewhere() -> dict[str, list[str]]:
    """Classes of a module that have their page at another one, by the name of the module."""
    found: dict[str, list[str]] = {}
    for _, *others in places().values():
        for other in others:
            module, _, name = other.rpartition(".")
            found.setdefault(module, []).append(name)
    return found


class PublicClass(Generated):
    """A class with its members: ``{public-class} romancal_rs.kernels.RampFit``."""

    required_arguments = 1

    def content_nodes(self) -> Iterable[nodes.Node]:
        full = self.arguments[0]
        module, _, name = full.rpartition(".")
        shown: type = getattr(importlib.import_module(module), name)
        bases = shown.__mro__[1:]
        private = [base for base in bases if base not in places() and _is_ours(base)]
        options = [":members:", ":show-inheritance:"]
        if private:
            # Members of these, and of their bases, are left out.
            others = {base.__name__: None for base in bases if base not in private}
            options.append(f":inherited-members: {', '.join(others)}")
        lines = [f".. currentmodule:: {module}", "", f".. autoclass:: {name}"]
        lines += [f"   {option}" for option in options]
        return self.parse_text_to_nodes("\n".join(lines))


def _name_public_bases(
    app: Sphinx, name: str, shown: type, options: Any, bases: list[type]
) -> None:
    bases[:] = dict.fromkeys(_public(bases))


def _public(bases: Iterable[type]) -> Iterator[type]:
    for base in bases:
        if base in places() or not _is_ours(base):
            yield base
        else:
            yield from _public(base.__bases__)


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == _PACKAGE
