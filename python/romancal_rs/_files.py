"""Finds local files, reads those that are files, and writes whole ones.

A name that is written is that of the old file or of the new one, never of half a file.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from .errors import InputError

#: What a file system answers that has no files without a name.
_NO_NAMELESS_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)

_DESCRIPTORS = "/proc/self/fd"

#: How a URL begins; of two slashes `Path` leaves one. A single letter is a drive of Windows.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def local_path(path: str | os.PathLike[str]) -> str:
    """The path that a user means: ``~`` and ``$VARIABLES`` are expanded, those of no value left.

    Raises
    ------
    InputError
        If it is a URL.
    """
    name = os.path.expandvars(os.path.expanduser(os.fspath(path)))
    refuse_url(name)
    return name


def path_in(variable: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """The local path that a variable of the environment holds; None if it is not set, or empty.

    Raises
    ------
    InputError
        If it is a URL; the message names the variable.
    """
    value = (os.environ if environ is None else environ).get(variable)
    try:
        return Path(local_path(value)) if value else None
    except InputError as error:
        raise InputError(f"{variable} = {error}") from None


def existing_or_local(path: str | os.PathLike[str], *, to_write: bool = False) -> str:
    """The path that a user means, as of `local_path`, but for a ``$`` in a name that exists.

    For functions that users call with a path as they write it, and the package with one of a
    directory, whose name may well hold a ``$``.

    Parameters
    ----------
    path : path
    to_write : bool
        Whether it is the directory that has to exist.

    Raises
    ------
    InputError
        If it is a URL.
    """
    name = os.path.expanduser(os.fspath(path))
    refuse_url(name)
    known = os.path.dirname(name) if to_write else name
    return name if known and os.path.exists(known) else local_path(name)


def refuse_url(path: str | os.PathLike[str]) -> None:
    """Raises an InputError if a path is a URL, which a file system takes for a relative path.

    Or if it holds a NUL, which no path can.
    """
    name = os.fspath(path)
    if "\0" in name:
        raise InputError(f"{name!r}: no path can hold a NUL character")
    url = _URL.match(name)
    if url is None:
        return
    if url[1] == "crds":
        raise InputError(
            f"{name}: the name of a file in a CRDS cache, not a path; give the path of "
            "the file in the cache, or the context that chooses it"
        )
    raise InputError(
        f"{name}: a URL; only local paths are supported: copy the file from or to there yourself"
    )


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Opens a file to read.

    Raises
    ------
    OSError
        Also for a pipe or a device, which may have no end, or wait for somebody to write.
    InputError
        If it is a URL.
    """
    refuse_url(path)

    def at_once(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "rb", opener=at_once)  # noqa: SIM115 (it is for the caller to close)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return file


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file to write that becomes `path` if, and only if, the block succeeds.

    On Linux it has no name until it is complete, so that a process that is killed leaves nothing.
    Elsewhere, and on some file systems, it is a hidden file ``.<random>.part`` of the directory,
    which such a process leaves behind, and which nothing takes for a result.

    Parameters
    ----------
    path : Path
        In a directory that exists. A file of that name is replaced; other writers of the same name
        do not matter: the last one to end wins.
    durable : bool
        Whether it has to be on the disk when the block ends, also should the power fail then.

    Raises
    ------
    OSError
        Of the subclass that fits. It names `path`, never the file in the making.
    InputError
        If it is a URL.
    """
    refuse_url(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a directory, not a file to write", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such directory to write to", str(path))
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        descriptor, is_named = _create(part)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(descriptor)
            if not is_named:
                _name(descriptor, part)
        part.replace(path)
        if durable:
            _sync_directory(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and _is_of_the_making(error.filename, part):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


def _is_of_the_making(name: object, part: Path) -> bool:
    """Whether an error is of the file in the making: one of another file keeps that file's name.

    A full disk comes without a name.
    """
    own = (None, str(part), str(part.parent))
    return name in own or (isinstance(name, str) and name.startswith(_DESCRIPTORS))


def _create(part: Path) -> tuple[int, bool]:
    """Opens a file to write in the directory of `part`; whether it has that name."""
    # Not `tempfile`: its files are private to the user, and the product would stay so.
    nameless = getattr(os, "O_TMPFILE", None)
    if nameless is not None and os.path.isdir(_DESCRIPTORS):
        try:
            return os.open(part.parent, nameless | os.O_RDWR, 0o666), False
        except OSError as error:
            if error.errno not in _NO_NAMELESS_FILES:
                raise
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    return os.open(part, flags, 0o666), True


def _name(descriptor: int, part: Path) -> None:
    """Gives a file without a name one."""
    directory = os.open(part.parent, os.O_RDONLY)
    try:
        # The directories are there for their side effect: with them, the link is followed.
        source = f"{_DESCRIPTORS}/{descriptor}"
        os.link(source, part.name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        os.close(directory)


def _sync_directory(directory: Path) -> None:
    """Writes the new name to the disk, where directories can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file; its directory is made if need be."""
    refuse_url(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(text.encode())


def copy(source: Path, destination: Path) -> None:
    """Copy a file, with its times and permissions; the new one's directory is made if need be."""
    refuse_url(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as original, replacing(destination) as file:
        shutil.copyfileobj(original, file, 1 << 20)
        file.flush()  # what is written later would change the time again
        status = os.fstat(original.fileno())
        if os.chmod in os.supports_fd:
            os.chmod(file.fileno(), status.st_mode & 0o7777)
        if os.utime in os.supports_fd:
            os.utime(file.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
