"""What went wrong when a file could not be read: the file, the system, or what is installed.

Who reads "damaged" fetches gigabytes anew: so that is said only of what cannot be parsed, or
reaches out of its bounds.
"""

from __future__ import annotations

import struct
import zlib
from collections import UserList
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .._asdf_blocks import UnknownCompressionError
from ..errors import one_line
from . import _asdf
from ._errors import FileFormatError, ModelError

#: What libraries raise when the bytes of a file make no sense. An OSError has no number then.
_DAMAGE = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError),
    *(struct.error, zlib.error, OSError),
)


def unreadable(name: str, error: Exception) -> Exception:
    """The error to raise for one that a library raised while it read a file.

    Parameters
    ----------
    name : str
        Of the file.
    error : Exception

    Returns
    -------
    OSError, ModelError or FileFormatError
        An OSError if the system refused something, a FileFormatError if the file is damaged.
    """
    import yaml

    if isinstance(error, ModelError):
        return error
    if isinstance(error, MemoryError):
        return ModelError(f"{name}: there is not enough memory to read it")
    if isinstance(error, ImportError):
        package = (error.name or "").partition(".")[0] or one_line(error)
        return ModelError(f"{name}: needs the package {package}: pip install {package}")
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, name)
    if isinstance(error, UnknownCompressionError):
        return ModelError(
            f"{name}: compressed by {error.compression}, which this package does not read"
        )
    if isinstance(error, (*_DAMAGE, yaml.YAMLError)):
        return FileFormatError(f"{name}: damaged ASDF file: {one_line(error)}")
    return ModelError(f"{name}: could not be read: {type(error).__name__}: {one_line(error)}")


def unmade(name: str, value: Any, error: Exception) -> Exception:
    """The error for an object that a library could not make of its description."""
    if isinstance(error, ModelError | MemoryError | ImportError | OSError):
        return unreadable(name, error)
    from asdf.tagged import get_tag

    tag = get_tag(value)
    what = f"a {_short(tag)}" if tag else "an object"
    return FileFormatError(
        f"{name}: {what} that {_installed(_maker(tag or ''))} cannot make: {one_line(error)}"
    )


def check_tags(name: str, value: Any, manager: Any, header: Mapping[str, Any]) -> None:
    """Checks that the installed libraries know all that an object is made of.

    Parameters
    ----------
    name : str
        Of the file.
    value : tagged dict, list or str
        The description of the object.
    manager : asdf.extension.ExtensionManager
    header : mapping
        What the file says of who wrote it.

    Raises
    ------
    ModelError
        Naming the tag, who wrote it, and what is installed.
    """
    for tag in _tags(value):
        if not manager.handles_tag(tag):
            maker = _maker(tag)
            writer = _writer(header, maker)
            raise ModelError(
                f"{name}: written with {_short(tag)}{f' ({writer})' if writer else ''}, which the "
                f"installed {_installed(maker)} does not have"
            )


def _tags(value: Any) -> Iterator[str]:
    from asdf.tagged import get_tag

    tag = get_tag(value)
    if isinstance(tag, str):
        yield tag
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _tags(item)
    elif isinstance(value, list | UserList):
        for item in value:
            yield from _tags(item)


def _maker(tag: str) -> str:
    return _asdf.package_of(tag) or "asdf"


def _short(tag: str) -> str:
    """The end of a tag, by which people know it: ``transform/compose-1.4.0``."""
    return "/".join(tag.replace(":", "/").split("/")[-2:])


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def _writer(header: Mapping[str, Any], package: str) -> str:
    """The version of a package that wrote a file, as its history states it."""
    history = header.get("history")
    extensions = history.get("extensions", ()) if isinstance(history, Mapping) else ()
    for extension in extensions:
        software = extension.get("software") if isinstance(extension, Mapping) else None
        if isinstance(software, Mapping) and software.get("name") == package:
            return f"{package} {software.get('version', '')}".strip()
    return ""
