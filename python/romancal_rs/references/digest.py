"""The SHA-256 of files, which is not worked out twice for the same file."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from .._files import open_regular
from .index import DAMAGE, IndexFile, is_settled, to_json

DIGESTS_NAME = ".romancal-rs-digests.json"
_VERSION = 1


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of the bytes of a file, in hexadecimal."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_same_content(path: Path, other: Path) -> bool:
    """Whether two files hold the same bytes."""
    if path.stat().st_size != other.stat().st_size:
        return False
    return sha256_of(path) == sha256_of(other)


class Digests:
    """Remembers the SHA-256 of files by name, size and time, also from one run to the next.

    What is known of a directory's files is kept like its index (see `IndexFile`). Threads may
    share one object, and processes may use the same directory.

    Parameters
    ----------
    beside : bool
        Keep it beside the files where that is possible. False: in the user's cache directory.
    """

    def __init__(self, *, beside: bool = True) -> None:
        self._beside = beside
        self._lock = threading.Lock()
        self._known: dict[Path, dict[str, Any]] = {}

    def of(self, path: str | os.PathLike[str]) -> str:
        """The SHA-256 of a file, in hexadecimal.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        path = Path(path).absolute()
        stamp = _stamp(path)
        with self._lock:
            if path.parent not in self._known:
                self._known[path.parent] = self._read(path.parent)
            match self._known[path.parent].get(path.name):
                case [size, mtime_ns, str(digest)] if (size, mtime_ns) == stamp:
                    return digest
        settled = is_settled(stamp[1])
        digest = sha256_of(path)
        if settled and _stamp(path) == stamp:
            with suppress(OSError):  # to remember it is a matter of speed alone
                self._remember(path, [*stamp, digest])
        return digest

    def _remember(self, path: Path, entry: list[Any]) -> None:
        with self._lock:
            # Others may have written since it was read.
            known = self._known[path.parent] | self._read(path.parent) | {path.name: entry}
            there = set(os.listdir(path.parent))
            known = {name: known[name] for name in sorted(known) if name in there}
            self._known[path.parent] = known
            self._file(path.parent).write(to_json(known))

    def _read(self, directory: Path) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for body in self._file(directory).contents():
            try:
                known = dict(json.loads(body)) | known
            except DAMAGE:
                continue
        return known

    def _file(self, directory: Path) -> IndexFile:
        return IndexFile(directory, DIGESTS_NAME, _VERSION, beside=self._beside)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
