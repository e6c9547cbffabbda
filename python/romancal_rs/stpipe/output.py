"""How the files of a run are named: ``<root of the input>_<suffix>.asdf``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from . import registry

#: Extensions of files that a name may derive from.
EXTENSIONS = (".asdf", ".fits", ".json")

#: What the name of a compressed file ends with besides.
_COMPRESSED = (".gz", ".bz2", ".xz", ".lzma", ".zst")
#: The name that a cache gives to its copy of a file: a hash.
_NAME_OF_A_COPY = re.compile(r"[0-9a-f]{32,}")
#: What tells the name of an open file: of a copy that fsspec made, of a file, of one elsewhere.
_NAMES_OF_OPEN_FILES = ("original", "name", "path")


def remove_suffix(name: str) -> str:
    """Removes a suffix that a step or pipeline here gives from a file name without extension.

    >>> remove_suffix("r0000101001001001001_01101_0001_WFI01_uncal")
    'r0000101001001001001_01101_0001_WFI01'
    >>> remove_suffix("my_exposure")
    'my_exposure'
    """
    for suffix in registry.suffixes():
        for separator in ("_", "-"):
            tail = separator + suffix
            if name.endswith(tail) and len(name) > len(tail):
                return name[: -len(tail)]
    return name


def name_of_open(file: Any) -> str | None:
    """The name that the products of an open file derive from; None where it does not tell one.

    It is that of the file that was opened, whatever unpacks it or keeps a copy of it.
    """
    if not hasattr(file, "read"):
        return None
    for attribute in _NAMES_OF_OPEN_FILES:
        name = getattr(file, attribute, None)
        if not isinstance(name, str):
            continue
        if "://" in name:
            name = name.partition("?")[0]
        name = usable_name(os.path.basename(name))
        if name is not None and not _NAME_OF_A_COPY.fullmatch(name):
            stem, extension = os.path.splitext(name)
            return stem if extension in _COMPRESSED else name
    return None


def usable_name(name: Any) -> str | None:
    """A name that a file can have and that says something, or None."""
    if not isinstance(name, str) or name in ("", "?") or "\0" in name:
        return None
    return str(name)


def output_path(
    base: str, suffix: str, extension: str, directory: str | None, index: int | None = None
) -> Path:
    """The path of a product.

    Parameters
    ----------
    base : str
        Name of the input file, or the name that the user asked for.
    suffix : str
        What the product is, such as ``cal``.
    extension : str
        With or without its dot.
    directory : str or None
        Where it goes; None for the current directory.
    index : int or None
        Which one of several results it is.
    """
    name = Path(base)
    # Only what is an extension: the dot in a name such as run1.5 is not.
    stem = name.stem if name.suffix in (extension, *EXTENSIONS) else name.name
    parts = [remove_suffix(stem), suffix]
    if index is not None:
        parts.append(str(index))
    return Path(directory or "") / ("_".join(parts) + "." + extension.lstrip("."))
