"""Writes whole files: what is in the making never bears the name of what it becomes."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .digest import sha256_of


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` if, and only if, the block succeeds.

    Its directory is made if need be.

    Raises
    ------
    OSError
        It names `path`, never the file in the making.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary), temporary):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def has_same_content(path: Path, other: Path) -> bool:
    """Whether two files hold the same bytes."""
    if path.stat().st_size != other.stat().st_size:
        return False
    return sha256_of(path) == sha256_of(other)


def copy(source: Path, destination: Path) -> None:
    """Copy a file, with its times, whole."""
    with replacing(destination) as temporary:
        shutil.copy2(source, temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
