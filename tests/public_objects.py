"""Everything public of the package, for tests of what is said of it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import romancal_rs


class Public(NamedTuple):
    """Something that people reach by a public name."""

    name: str
    value: Any
    #: The class that offers it, and None of what a module has.
    owner: type | None = None
    #: How far up the classes that is from the one whose name it goes by.
    distance: int = 0


def modules() -> Iterator[tuple[ModuleType, bool]]:
    """Modules that have a list of what they offer, and whether `dir` shows just that list."""
    for found in [None, *pkgutil.walk_packages(romancal_rs.__path__, "romancal_rs.")]:
        name = "romancal_rs" if found is None else found.name
        if any(part.startswith("_") for part in name.split(".")):
            continue
        module = importlib.import_module(name)
        if "__dir__" in vars(module):
            yield module, True
        elif hasattr(module, "__all__"):
            yield module, False


def is_ours(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith("romancal_rs")


def function_of(value: Any) -> Any:
    """The function of a method or a property."""
    for attribute in ("__func__", "fget", "func", "__wrapped__"):
        value = getattr(value, attribute, value)
    return value


def is_foreign(item: Any) -> bool:
    """Whether other software has put it there, as matplotlib gives `set` to each class of its."""
    module = getattr(function_of(item), "__module__", None)  # none of what is compiled
    return module is not None and not is_ours(function_of(item))


def members(cls: type, name: str) -> Iterator[Public]:
    """Its methods and properties, those of base classes of this package too."""
    for distance, base in enumerate(cls.__mro__):
        for member, item in vars(base).items() if is_ours(base) else ():
            function = inspect.isroutine(item) or isinstance(item, classmethod | staticmethod)
            is_property = inspect.isdatadescriptor(item) or hasattr(item, "attrname")
            is_slot = inspect.ismemberdescriptor(item)
            is_current = inspect.getattr_static(cls, member) is item
            if member.startswith("_") or is_slot or not is_current or is_foreign(item):
                continue
            if function or is_property:
                yield Public(f"{name}.{member}", item, base, distance)


def walk(module: ModuleType) -> Iterator[Public]:
    for name in dir(module) if "__dir__" in vars(module) else module.__all__:
        value = getattr(module, name)
        if is_ours(value) and (inspect.isclass(value) or inspect.isroutine(value)):
            yield Public(f"{module.__name__}.{name}", value)
            if inspect.isclass(value):
                yield from members(value, f"{module.__name__}.{name}")


def everything(public: bool) -> list[Public]:
    """Each object once, under its shortest name."""
    names = [
        item for module, is_public in modules() if is_public == public for item in walk(module)
    ]
    # What a class inherits goes by the name of the base class, or of the nearest that is public.
    names.sort(key=lambda item: (item.distance, item.name.count("."), item.name))
    found: dict[int, Public] = {}
    for item in names:
        found.setdefault(id(item.value), item)
    return list(found.values())


PUBLIC = everything(True)
INSIDE = [item for item in everything(False) if id(item.value) not in {id(p.value) for p in PUBLIC}]
