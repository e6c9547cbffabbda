"""Files of web servers, which are read only."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any

from ..outcome import TransientError
from ._errors import of_status
from ._loop import file_system, timeout_s
from ._stat import RemoteStat, s3_stat
from ._urls import shown

_CHUNK = 1024 * 1024
#: Sizes are those of the files, not of what is made of them on the way.
_PLAIN = {"Accept-Encoding": "identity"}


def http_system(url: str) -> Any:
    """The file system of all web servers."""

    def make(loop: asyncio.AbstractEventLoop) -> Any:
        import aiohttp
        from fsspec.implementations.http import HTTPFileSystem

        timeout = timeout_s()
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=min(timeout, 15.0), sock_read=timeout
        )
        return HTTPFileSystem(
            loop=loop,
            skip_instance_cache=True,
            use_listings_cache=False,
            client_kwargs={"timeout": limits, "trust_env": True},
        )

    return file_system("http", url, make)


async def get(system: Any, url: str, start: int, stop: int) -> tuple[RemoteStat, bytes]:
    """The bytes from `start` to `stop`, or to the end, and what is said about the whole.

    A server that knows no ranges sends all from the start; what is not wanted is not waited for.
    """
    session = await system.set_session()
    headers = {**_PLAIN, "Range": f"bytes={start}-{stop - 1}"}
    async with session.get(system.encode_url(url), headers=headers) as answer:
        stat = _stat_of(url, answer)
        if answer.status == 416:
            return stat, b""
        if answer.status != 206:
            await _skip(answer.content, start)
        wanted = stop - start if stat.size < 0 else max(0, min(stop, stat.size) - start)
        data = await _read(answer.content, wanted)
        if stat.size < 0 and len(data) < wanted:
            stat = RemoteStat(start + len(data), stat.etag, stat.md5, stat.last_modified)
        elif len(data) < wanted:
            raise TransientError(
                f"{shown(url)}: the connection was cut: {len(data)} bytes of {wanted} arrived"
            )
        if answer.status != 206:
            answer.close()
        return stat, data


async def download(system: Any, url: str, stat: RemoteStat, file: IO[bytes]) -> None:
    """Writes the whole file, which must still be of that version."""
    session = await system.set_session()
    async with session.get(system.encode_url(url), headers=_PLAIN) as answer:
        now = _stat_of(url, answer)
        if now.version != stat.version or (stat.size >= 0 and now.size not in (-1, stat.size)):
            raise TransientError(f"{shown(url)}: it was replaced while it was read")
        async for data in answer.content.iter_chunked(_CHUNK):
            file.write(data)


def _stat_of(url: str, answer: Any) -> RemoteStat:
    """What a server says; a size of -1 where it says none."""
    if answer.status not in (200, 206, 416):
        raise of_status(url, answer.status, answer.reason or "")
    headers = answer.headers
    size = headers.get("Content-Length", "") if answer.status == 200 else ""
    if answer.status != 200:
        size = headers.get("Content-Range", "").rpartition("/")[2]
    time: datetime | None = None
    with contextlib.suppress(TypeError, ValueError):
        time = parsedate_to_datetime(headers.get("Last-Modified", ""))
    n_bytes, etag = int(size) if size.isdigit() else -1, headers.get("ETag", "")
    if "x-amz-request-id" in headers:
        encryption = headers.get("x-amz-server-side-encryption", "")
        return s3_stat(n_bytes, etag, time, encryption, "")
    # Another server's ETag may look like an MD5 and be none.
    return s3_stat(n_bytes, etag, time, "unknown", "")


async def _read(content: Any, n_bytes: int) -> bytes:
    data = bytearray()
    while len(data) < n_bytes and (more := await content.read(n_bytes - len(data))):
        data += more
    return bytes(data)


async def _skip(content: Any, n_bytes: int) -> None:
    while n_bytes > 0 and (passed := await content.read(min(n_bytes, _CHUNK))):
        n_bytes -= len(passed)
