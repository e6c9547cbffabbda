"""How the files of a run are named: ``<root of the input>_<suffix>.asdf``."""

from __future__ import annotations

from pathlib import Path

from . import registry

#: Extensions of files that a name may derive from.
EXTENSIONS = (".asdf", ".fits", ".json")


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
