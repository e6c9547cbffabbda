"""Packages that import their parts when these are touched, and list what they offer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def listing(names: Collection[str]) -> Callable[[], list[str]]:
    """The ``__dir__`` of a package that offers these names, which are those of its ``__all__``."""
    return lambda: sorted(names)


def public(
    package: str,
    names: Collection[str],
    *,
    modules: Collection[str] = (),
    places: Mapping[str, str] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package that imports what it offers when touched.

    They are hidden from type checkers, which would take any name for there; these see what is
    imported under ``TYPE_CHECKING``.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    names : collection of str
        What it offers, as in ``__all__``.
    modules : collection of str, optional
        Modules of the package among these that are imported when they are touched.
    places : mapping of str to str, optional
        Of other names the modules of the package, such as ``"kernels"``, from which these are
        taken when they are touched.
    """
    sources = places or {}

    def getattr_of_package(name: str) -> Any:
        if name in sources:
            return getattr(import_module(f".{sources[name]}", package), name)
        if name in modules:
            return import_module(f".{name}", package)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return getattr_of_package, listing(names)
