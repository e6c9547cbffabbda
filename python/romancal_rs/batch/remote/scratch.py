"""A local directory for copies of remote files, which several processes may share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat as stat_module
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO

from ..._files import path_in
from ...errors import InputError
from ...references.digest import DIGESTS_NAME
from ._stat import RemoteStat
from ._transfer import describe, fetch
from ._urls import name_of

try:
    import fcntl
except ImportError:  # where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

#: Names the directory, where nothing else does.
SCRATCH_VARIABLE = "ROMANCAL_RS_SCRATCH"
_LOCK_NAME = ".lock"
#: What may lie beside a copy: the lock of its folder, and the SHA-256 of a reference.
_BESIDE = frozenset((_LOCK_NAME, DIGESTS_NAME))
#: Holds the directories of single objects; no copies are in it.
_OWN = ".own"


class Scratch:
    """Copies of remote files, of which those that were not used for the longest time are removed.

    A copy lies in a separate folder, called after the URL, the size and the ETag, under its own
    name: what is there is whole, and is not fetched again while the server has the same. Processes
    may share the directory: a file is fetched by one of them, the others wait for it; none removes
    what another holds. A process that is killed holds nothing any more.

    Parameters
    ----------
    directory : Path, optional
        Made when it is used. Default: ``ROMANCAL_RS_SCRATCH``, or one of the user's in the system's
        directory of temporary files.
    max_bytes : int, optional
        How much is kept; what is held is kept beyond it.
    """

    def __init__(self, directory: Path | None = None, max_bytes: int | None = None) -> None:
        self._place = directory
        self.max_bytes = max_bytes
        self._guard = threading.Lock()
        self._held: dict[Path, list[IO[bytes]]] = {}
        self._own: Path | None = None
        weakref.finalize(self, _close_all, self._held)

    @cached_property
    def directory(self) -> Path:
        """Where the copies lie; it is made when it is asked for.

        Raises
        ------
        InputError
            If the default directory belongs to somebody else.
        OSError
            If it cannot be made.
        """
        directory = self._place or path_in(SCRATCH_VARIABLE) or _of_the_user()
        directory.mkdir(parents=True, exist_ok=True)
        return directory.resolve()

    def fetch(self, url: str, stat: RemoteStat | None = None) -> Path:
        """The copy of a remote file, held until `release`.

        Parameters
        ----------
        url : str
        stat : RemoteStat, optional
            What the server said about it, if that is known; it is asked otherwise.

        Raises
        ------
        TransientError, RemoteNotFoundError, RemoteAccessError, RemoteError, InputError, OSError
            As `fetch` of this package.
        """
        stat = describe(url) if stat is None else stat
        path = self._path(url, stat)
        if stat.version and self._hold(path):
            return path
        while True:
            with self._alone(path.parent):
                if not (stat.version and self._hold(path)):
                    self._make_room(max(stat.size, 0))
                    fetch(url, path, stat)
                    if not self._hold(path):
                        continue  # another process found it too old at once
                return path

    def release(self, path: Path, *, remove: bool = False) -> None:
        """Lets go of a copy, as often as it was fetched.

        Parameters
        ----------
        path : Path
            As `fetch` gave it.
        remove : bool
            Whether it is not needed any more; it goes when nobody holds it.
        """
        with self._guard:
            files = self._held.get(path, [])
            if files:
                files.pop().close()
            if not files:
                self._held.pop(path, None)
        if remove:
            self._remove(path)

    def close(self) -> None:
        """Lets go of all, as it does when it is not used any more."""
        with self._guard:
            if self._own is not None:
                shutil.rmtree(self._own, ignore_errors=True)
                self._own = None
            _close_all(self._held)

    def own_directory(self) -> Path:
        """A directory of this object's own, for files that are made here.

        It goes with `close`; that of a process that was killed is removed by the next one.
        """
        if self._own is None:
            directory = self.directory / _OWN
            directory.mkdir(exist_ok=True)
            for other in directory.glob("[!.]*"):
                _remove_abandoned(other)
            name = f"{os.getpid()}-{secrets.token_hex(4)}"
            new, own = directory / f".{name}", directory / name
            new.mkdir()
            file = (new / _LOCK_NAME).open("wb")
            _lock(file, exclusive=True)
            new.rename(own)  # others see it when it is locked
            self._held[own] = [file]
            self._own = own
        return self._own

    def _path(self, url: str, stat: RemoteStat) -> Path:
        said = f"{url}\n{stat.size}\n{stat.version}"
        return self.directory / hashlib.sha256(said.encode()).hexdigest()[:24] / name_of(url)

    def _hold(self, path: Path) -> bool:
        """Holds a copy, if it is there; this counts as its use."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return False
        try:
            _lock(file, exclusive=False)
            is_there = _is_at(file, path)
            if is_there:
                changed = os.fstat(file.fileno()).st_mtime_ns
                os.utime(path, ns=(time.time_ns(), changed))
        except BaseException:
            file.close()
            raise
        if not is_there:  # removed between the two
            file.close()
            return False
        with self._guard:
            self._held.setdefault(path, []).append(file)
        return True

    @contextlib.contextmanager
    def _alone(self, directory: Path) -> Iterator[None]:
        """In the block, no other thread or process fetches into the directory."""
        while True:
            directory.mkdir(exist_ok=True)
            try:
                file = (directory / _LOCK_NAME).open("wb")
            except FileNotFoundError:  # removed as empty between the two
                continue
            with file:
                _lock(file, exclusive=True)
                if not _is_at(file, directory / _LOCK_NAME):
                    continue
                try:
                    yield
                except BaseException:
                    _remove_empty(directory)
                    raise
                return

    def _make_room(self, n_bytes: int) -> None:
        if self.max_bytes is None:
            return
        copies = []
        for path in self.directory.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if path.name not in _BESIDE and stat_module.S_ISREG(status.st_mode):
                    copies.append((status.st_atime_ns, status.st_size, path))
        total = n_bytes + sum(size for _, size, _ in copies)
        for _, size, path in sorted(copies):
            if total <= self.max_bytes:
                return
            if self._remove(path):
                total -= size

    def _remove(self, path: Path) -> bool:
        """Removes a copy that nobody holds; whether it is gone."""
        with self._guard:
            if path in self._held:
                return False
        try:
            with path.open("rb") as file:
                if not _lock(file, exclusive=True, wait=False):
                    return False
                path.unlink()
        except FileNotFoundError:
            return True
        except PermissionError:  # in use, where such a file cannot be removed
            return False
        # The lock goes last, and only if nobody fetches into the folder again.
        lock = path.parent / _LOCK_NAME
        with contextlib.suppress(OSError), lock.open("rb") as file:
            if _lock(file, exclusive=True, wait=False):
                _remove_empty(path.parent)
        return True


def _close_all(held: dict[Path, list[IO[bytes]]]) -> None:
    for files in held.values():
        for file in files:
            file.close()
    held.clear()


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove_empty(directory: Path) -> None:
    """Removes a folder that holds no copy any more, and whose lock the caller has."""
    with contextlib.suppress(OSError):
        names = set(os.listdir(directory))
        if names <= _BESIDE:
            for name in names:
                (directory / name).unlink()
            directory.rmdir()


def _remove_abandoned(directory: Path) -> None:
    """Removes a directory whose owner is gone."""
    with contextlib.suppress(OSError), (directory / _LOCK_NAME).open("rb") as file:
        if fcntl is not None and _lock(file, exclusive=True, wait=False):
            shutil.rmtree(directory, ignore_errors=True)


def _lock(file: IO[bytes], *, exclusive: bool, wait: bool = True) -> bool:
    """Locks an open file until it is closed; whether it could."""
    if fcntl is None:
        return True
    how = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(file, how if wait else how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _of_the_user() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    directory = Path(tempfile.gettempdir(), f"romancal-rs-scratch-{user}")
    directory.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and directory.lstat().st_uid != os.getuid():
        raise InputError(
            f"{directory}: belongs to another user; name a directory by {SCRATCH_VARIABLE}"
        )
    return directory
