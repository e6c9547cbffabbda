"""What can be done with a URL: look, list, read the head, fetch, upload, remove."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import IO, Any, TypeVar

from ..._asdf_blocks import digest_of_head
from ..._files import open_regular, replacing
from ..._yaml_head import read_text
from ...errors import InputError
from ..outcome import TransientError
from . import _http, _s3
from ._errors import RemoteNotFoundError, telling
from ._loop import run
from ._stat import RemoteStat
from ._urls import is_s3, is_url, shown

_Result = TypeVar("_Result")

_FIRST_PIECE = 64 * 1024
_LARGEST_PIECE = 1024 * 1024
_MAGIC = re.compile(r"[*?[]")
#: What a folder of exposures is looked through for.
EXPOSURES = "*_uncal.asdf"


def describe(url: str) -> RemoteStat:
    """What a server says about a file.

    Raises
    ------
    RemoteNotFoundError
        If there is no such file, or no such bucket.
    RemoteAccessError
        If access is denied, or there are no credentials.
    TransientError
        If the connection fails, or the server has too much to do.
    RemoteError
        If the server does not do it for another reason.
    InputError
        If it is no such URL, or a library is not installed.
    """
    return _get(url, 0, 1)[0]


def exists(url: str) -> bool:
    """Whether there is such a file. Raises as `describe`."""
    try:
        describe(url)
    except RemoteNotFoundError:
        return False
    return True


def read_head(url: str) -> tuple[RemoteStat, bytes]:
    """The YAML head of an ASDF file, and what the server says about the file.

    One request for 64 kB does for most; no byte of the arrays is read beyond the last piece.

    Raises
    ------
    HeadError
        As of a local file: if it is not ASDF, or its head has no end.
    RemoteNotFoundError, RemoteAccessError, RemoteError, TransientError, InputError
        As `describe`.
    """
    reader = _Reader(url)
    text = read_text(reader)  # type: ignore[arg-type]  # of files, it reads alone
    return reader.stat, text


def read_start(url: str) -> bytes:
    """The first 64 kB of a file. Raises as `describe`."""
    return _get(url, 0, _FIRST_PIECE)[1]


class _Reader:
    """Reads a remote file from its start, in pieces that grow."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._piece = _FIRST_PIECE
        self._position = 0
        self.stat, self._ahead = _get(url, 0, self._piece)

    def read(self, n_bytes: int) -> bytes:
        if not self._ahead and self._position != self.stat.size:
            self._piece = min(4 * self._piece, _LARGEST_PIECE)
            now, self._ahead = _get(self._url, self._position, self._position + self._piece)
            if now.version != self.stat.version:
                raise TransientError(f"{shown(self._url)}: it was replaced while it was read")
        data, self._ahead = self._ahead[:n_bytes], self._ahead[n_bytes:]
        self._position += len(data)
        return data


def expand(url: str, pattern: str = EXPOSURES) -> list[str]:
    """The files that a URL stands for, sorted.

    Parameters
    ----------
    url : str
        Of one file, which need not exist. On S3 also of a folder, with ``/`` at the end, or with
        ``*``, ``?`` and ``[...]``, which stand for no ``/``, and ``**/``, for any folders.
    pattern : str
        Of the names in a folder.

    Raises
    ------
    RemoteNotFoundError
        If there is none.
    InputError
        If it is a folder of a web server, which does not list it.
    RemoteAccessError, RemoteError, TransientError
        As `describe`.
    """
    if not is_s3(url):
        if url.endswith("/"):
            raise InputError(
                f"{shown(url)}: a web server does not list its files; name each, in a list (@FILE) "
                "if they are many"
            )
        return [url]
    if not _is_folder(url) and not _MAGIC.search(url):
        return [url]
    return [name for name, _ in listed(url, pattern)]


def listed(url: str, pattern: str) -> list[tuple[str, RemoteStat]]:
    """As `expand`, of a folder or a pattern of S3, and what is said about each, without MD5."""
    wanted = url.rstrip("/") + "/" + pattern if _is_folder(url) else url
    begin = _MAGIC.search(wanted, len("s3://"))
    prefix = wanted[: begin.start()] if begin else wanted
    is_flat = "/" not in wanted[len(prefix) :]
    with telling(url):
        system = _s3.s3_system(url)
        found = run(system.loop, _s3.listed(system, prefix, "/" if is_flat else ""))
    fits = _compiled(wanted).fullmatch
    matching = [entry for entry in found if fits(entry[0])]
    if not matching:
        raise RemoteNotFoundError(f"{url}: nothing there is called {wanted.rpartition('/')[2]}")
    return matching


def _is_folder(url: str) -> bool:
    return url.endswith("/") or "/" not in url[len("s3://") :]


def _compiled(pattern: str) -> re.Pattern[str]:
    """Of the shell's patterns, in which only ``**/`` stands for folders."""
    parts = []
    for part in pattern.split("/"):
        if part == "**":
            parts.append("(?:[^/]+/)*")
        else:
            text = fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z")
            parts.append(text.replace(".*", "[^/]*") + "/")
    return re.compile("".join(parts).removesuffix("/"), re.DOTALL)


def fetch(url: str, path: Path, stat: RemoteStat | None = None) -> RemoteStat:
    """Copy a remote file to a local path, whole or not at all.

    Its size is checked, and its MD5 where the server tells it. The time of its last change is that
    which the server tells.

    Parameters
    ----------
    url : str
    path : Path
        In a directory that exists; a file of that name is replaced.
    stat : RemoteStat, optional
        What `describe` said; the file must not have changed since.

    Returns
    -------
    RemoteStat
        What the server says about it.

    Raises
    ------
    TransientError
        Also if it was replaced meanwhile, or is not what the server announced.
    RemoteNotFoundError, RemoteAccessError, RemoteError, InputError
        As `describe`.
    OSError
        If the local file cannot be written.
    """
    stat = describe(url) if stat is None else stat
    with replacing(path, durable=False) as file:
        _run(url, lambda backend, system: backend.download(system, url, stat, file))
        n_bytes = file.tell()
        if stat.size not in (-1, n_bytes):
            raise TransientError(
                f"{shown(url)}: the connection was cut: {n_bytes} bytes of {stat.size} arrived"
            )
        if stat.md5 is not None:
            file.seek(0)
            md5 = hashlib.file_digest(file, _md5).hexdigest()  # type: ignore[arg-type]
            file.seek(0, os.SEEK_END)
            if md5 != stat.md5:
                raise TransientError(
                    f"{shown(url)}: damaged in transfer: its MD5 is {stat.md5}, that "
                    f"of what arrived {md5}"
                )
    if stat.last_modified is not None:
        changed = round(stat.last_modified.timestamp()) * 1_000_000_000
        os.utime(path, ns=(path.stat().st_atime_ns, changed))
    return stat


def fetch_outline(url: str, path: Path) -> RemoteStat:
    """Copy what an ASDF file says of itself: its head, and the headers and the index of its blocks.

    The local file is as long, and says the same; its arrays read as zeros, for the most part. It
    takes a request for each block.

    Parameters
    ----------
    url : str
    path : Path
        In a directory that exists; a file of that name is replaced.

    Returns
    -------
    RemoteStat
        What the server says about the file.

    Raises
    ------
    TransientError, RemoteNotFoundError, RemoteAccessError, RemoteError, InputError, OSError
        As `fetch`.
    """
    with replacing(path, durable=False) as file:
        outline = _Outline(url, file)
        if outline.stat.size >= 0:
            digest_of_head(outline)  # type: ignore[arg-type]  # reads all that is wanted
            return outline.stat
    return fetch(url, path)


class _Outline:
    """Reads a remote file, and keeps what is read at its place in a local one."""

    def __init__(self, url: str, file: IO[bytes]) -> None:
        self._url, self._file = url, file
        self._position = 0
        self.stat, data = _get(url, 0, _FIRST_PIECE)
        file.truncate(max(self.stat.size, 0))
        file.write(data)
        #: Where what is there begins and ends.
        self._pieces = [(0, len(data))]

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, n_bytes: int) -> bytes:
        start, stop = self._position, min(self._position + n_bytes, self.stat.size)
        while start < stop:
            end = max((end for begin, end in self._pieces if begin <= start < end), default=start)
            start = end if end > start else start + self._fetch(start)
        self._file.seek(self._position)
        data = self._file.read(max(0, stop - self._position))
        self._position += len(data)
        return data

    def _fetch(self, start: int) -> int:
        now, data = _get(self._url, start, start + _FIRST_PIECE)
        if now.version != self.stat.version or not data:
            raise TransientError(f"{shown(self._url)}: it was replaced while it was read")
        self._file.seek(start)
        self._file.write(data)
        self._pieces.append((start, start + len(data)))
        return len(data)


def upload(path: Path, url: str) -> RemoteStat:
    """Copy a local file to S3, whole or not at all.

    Large files go in pieces, of which nothing is left under the name, nor hidden, if one fails.
    The server checks the MD5 of each piece; the size and the ETag of the whole are checked
    afterwards.

    Returns
    -------
    RemoteStat
        What the server says about it then.

    Raises
    ------
    InputError
        If the URL is not of S3.
    TransientError, RemoteNotFoundError, RemoteAccessError, RemoteError
        As `describe`.
    OSError
        If the local file cannot be read.
    """
    _refuse_to_write(url)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        with telling(url):
            system = _s3.s3_system(url)
            etag = run(system.loop, _s3.upload(system, url, file, size))
    stat = describe(url)
    # Encrypted by a key of one's own, the ETag is another one, and no digest.
    is_other = stat.md5 not in (None, etag)
    if stat.size != size or is_other:
        raise TransientError(
            f"{url}: is not what was uploaded: {size} bytes with the ETag {etag} were, there are "
            f"{stat.size} with {stat.etag}; does another process write there?"
        )
    return stat


def check_folder(url: str) -> None:
    """Checks that files can be written to a folder of S3, without writing any.

    Raises
    ------
    InputError
        If the URL is not of S3.
    RemoteNotFoundError
        If there is no such bucket.
    TransientError, RemoteAccessError, RemoteError
        As `describe`.
    """
    _refuse_to_write(url)
    probe = url.rstrip("/") + "/.romancal-rs-probe"
    with telling(url):
        system = _s3.s3_system(url)
        run(system.loop, _s3.may_write(system, probe))


def remove(url: str) -> None:
    """Remove a file from S3; nothing happens if it is not there.

    Raises
    ------
    InputError
        If the URL is not of S3.
    TransientError, RemoteNotFoundError, RemoteAccessError, RemoteError
        As `describe`; not found is the bucket.
    """
    _refuse_to_write(url)
    with telling(url):
        system = _s3.s3_system(url)
        run(system.loop, _s3.remove(system, url))


def _refuse_to_write(url: str) -> None:
    if not is_s3(url):
        raise InputError(f"{shown(url)}: web servers are only read from; write to s3://BUCKET/...")


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _get(url: str, start: int, stop: int) -> tuple[RemoteStat, bytes]:
    return _run(url, lambda backend, system: backend.get(system, url, start, stop))


def _run(url: str, work: Callable[[Any, Any], Coroutine[Any, Any, _Result]]) -> _Result:
    if not is_url(url):
        raise InputError(f"{url}: expected a URL that begins with s3://, https:// or http://")
    with telling(url):
        backend = _s3 if is_s3(url) else _http
        system = _s3.s3_system(url) if is_s3(url) else _http.http_system(url)
        return run(system.loop, work(backend, system))
