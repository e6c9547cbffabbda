"""Finds classes and functions by their dotted paths, also in modules beside a parameter file.

What is installed comes first, so that a ``json.py`` or ``numpy.py`` in some data directory never
takes the place of the real one; then what lies in the directory; then the rest of ``sys.path``.
Modules of the directory see each other by the same rule while they are imported. ``sys.path`` is
never touched, and modules of the same name in two directories are two modules.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import site
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from ..errors import nearest
from .parameters import ParameterError

#: What was imported from each directory. Like ``sys.modules``, which has room for only one module
#: of a name, it makes the second import of a class give the same class.
_modules_beside: dict[str, dict[str, ModuleType]] = {}
_lock = threading.RLock()
_LONGEST_PATH = 1000


def import_object(path: str, directory: str | Sequence[str] | None = None) -> object:
    """The class, function or other object of a dotted path.

    Parameters
    ----------
    path : str
        ``package.module.Name``.
    directory : str or sequence of str, optional
        Where the first part of the path may also be a module (``mysteps.py``) or a package (a
        directory with an ``__init__.py``): the directory of the parameter file that names it. Of
        several, the first that has it.

    Raises
    ------
    ParameterError
        If it is not a dotted path, or if the module is missing, fails when it is imported, or has
        nothing of that name.
    """
    if len(path) > _LONGEST_PATH:
        raise ParameterError(f"{path[:40] + '...'!r}, of {len(path)} letters, is not a dotted path")
    parts = path.strip().split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise ParameterError(f"{path!r} is not a dotted path such as package.module.Name")
    directories = [directory] if isinstance(directory, str) else list(directory or ())
    directories = [os.path.realpath(name) for name in directories]
    module = _import_module(".".join(parts[:-1]), path, directories)
    try:
        return getattr(module, parts[-1])
    except AttributeError:
        names = [name for name in dir(module) if not name.startswith("_")]
        raise ParameterError(
            f"{path}: {_describe(module)} has no {parts[-1]}{nearest(parts[-1], names)}"
            f"{_passed_over(parts[0], directories)}"
        ) from None


def _import_module(name: str, path: str, directories: list[str]) -> ModuleType:
    importlib.invalidate_caches()  # a file may be younger than what Python knows of its directory
    top = name.partition(".")[0]
    home = next((item for item in directories if top in _names_in(item)), None)
    try:
        with _seeing(home):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            installed = ", neither installed" if directories else " installed"
            hint = _in_current_directory(top) if error.name == top else ""
            raise ParameterError(
                f"{path}: there is no module {error.name}{installed}"
                f"{''.join(f' nor in {item}' for item in directories)}"
                f"{hint or _nearest_module(error.name, directories)}"
            ) from error
        raise _failed_import(name, path, home, error) from error
    except (Exception, SystemExit) as error:
        raise _failed_import(name, path, home, error) from error


def _failed_import(name: str, path: str, home: str | None, error: BaseException) -> ParameterError:
    where = "" if home is None else f" from {home}"
    return ParameterError(
        f"{path}: importing {name}{where} failed: {type(error).__name__}: {error}"
    )


# --- directories as places to import from


class _Beside(MetaPathFinder):
    """Finds the top-level modules of one directory."""

    def __init__(self, directory: str, names: set[str]) -> None:
        self.directory = directory
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None and fullname in self.names:
            return PathFinder.find_spec(fullname, [self.directory])
        return None


@contextmanager
def _seeing(home: str | None) -> Iterator[None]:
    """In the ``with`` block, imports see the modules of `home`, and of no other such directory."""
    with _lock:
        names = set() if home is None else _names_in(home)
        hidden = _hide_others(home, names)
        if home is None:
            try:
                yield
            finally:
                sys.modules.update(hidden)
            return
        own = _modules_beside.setdefault(home, {})
        sys.modules.update(own)
        finder = _Beside(home, names)
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            own.update(_loaded(names))
            sys.modules.update(hidden)


def _hide_others(home: str | None, names: set[str]) -> dict[str, ModuleType]:
    """Takes out of ``sys.modules`` what must not be found there, and returns it."""
    hidden = {}
    for top in names:
        if top in sys.modules and _directory_of(sys.modules[top]) != home:
            hidden.update(_loaded({top}))
    searched = {os.path.realpath(item) for item in sys.path}
    for directory, modules in _modules_beside.items():
        if directory != home and directory not in searched:
            hidden.update({k: v for k, v in modules.items() if sys.modules.get(k) is v})
    for name in hidden:
        del sys.modules[name]
    return hidden


def _loaded(names: set[str]) -> dict[str, ModuleType]:
    """Top-level modules of these names with all that is below them."""
    return {k: v for k, v in list(sys.modules.items()) if k.partition(".")[0] in names}


def _directory_of(module: ModuleType) -> str | None:
    """The directory in which a top-level module lies."""
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    directory = os.path.dirname(os.path.realpath(file))
    return os.path.dirname(directory) if hasattr(module, "__path__") else directory


def _names_in(directory: str) -> set[str]:
    """The modules and packages of a directory that nothing installed has the name of."""
    names = {found.name for found in pkgutil.iter_modules([directory])}
    return {name for name in names if not _is_installed(name)}


def _is_installed(name: str) -> bool:
    if name == __name__.partition(".")[0] or name in sys.stdlib_module_names:
        return True
    places = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        places.append(site.getusersitepackages())
    return PathFinder.find_spec(name, places) is not None


# --- words for messages


def _describe(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return module.__name__ if file is None else f"{module.__name__} ({file})"


def _nearest_module(name: str, directories: list[str]) -> str:
    parent, _, last = name.rpartition(".")
    if parent:
        places = list(getattr(sys.modules.get(parent), "__path__", ()))
        return nearest(last, [found.name for found in pkgutil.iter_modules(places)])
    names = {found.name for found in pkgutil.iter_modules([*directories, *sys.path])}
    return nearest(last, sorted(names | sys.stdlib_module_names))


def _in_current_directory(top: str) -> str:
    """A hint at a module in the current directory, where nothing is looked for."""
    if top not in {found.name for found in pkgutil.iter_modules([os.curdir])}:
        return ""
    return (
        f"; {top} in the current directory is not looked at: name it in a parameter file that lies "
        "beside it, or set PYTHONPATH=."
    )


def _passed_over(top: str, directories: list[str]) -> str:
    """A hint at a module in a directory that was not taken, as an installed one has its name."""
    for directory in directories:
        if top in {found.name for found in pkgutil.iter_modules([directory])} - _names_in(
            directory
        ):
            return f"; {top} in {directory} is not looked at, as an installed module has that name"
    return ""
