"""Objects of S3, and of what speaks like it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any

from ..outcome import TransientError
from ._loop import file_system, timeout_s
from ._stat import RemoteStat, s3_stat
from ._urls import split_s3

#: Names buckets that are public, separated by commas; or ``1``: all are.
ANONYMOUS_VARIABLE = "ROMANCAL_RS_S3_ANON"
#: Where STScI publishes data of missions.
_PUBLIC_BUCKETS = frozenset({"stpubdata"})
# At most four pieces at a time are in memory, read or written side by side.
_PIECE = 16 * 1024 * 1024
_AT_A_TIME = 4
_MOST_PARTS = 10_000


def is_anonymous(url: str) -> bool:
    """Whether the bucket is asked without credentials."""
    bucket, _ = split_s3(url)
    named = os.environ.get(ANONYMOUS_VARIABLE, "").replace(",", " ").split()
    return bucket in _PUBLIC_BUCKETS or bucket in named or named == ["1"]


def s3_system(url: str) -> Any:
    """The file system for a URL: with the user's credentials, or without any."""
    anonymous = is_anonymous(url)

    def make(loop: asyncio.AbstractEventLoop) -> Any:
        import s3fs

        timeout = timeout_s()
        return s3fs.S3FileSystem(
            anon=anonymous,
            loop=loop,
            skip_instance_cache=True,
            use_listings_cache=False,
            config_kwargs={
                "connect_timeout": min(timeout, 15.0),
                "read_timeout": timeout,
                # Who calls tries again, after longer pauses.
                "retries": {"mode": "standard", "total_max_attempts": 2},
                "max_pool_connections": 64,
            },
        )

    return file_system(f"s3{' anonymous' if anonymous else ''}", url, make)


async def get(system: Any, url: str, start: int, stop: int) -> tuple[RemoteStat, bytes]:
    """The bytes from `start` to `stop`, or to the end, and what is said about the whole."""
    from botocore.exceptions import ClientError

    bucket, key = split_s3(url)
    client = await system.set_session()
    try:
        answer = await client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{stop - 1}")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("InvalidRange", "416"):
            raise
        answer = await client.head_object(Bucket=bucket, Key=key)
        return _stat_of(answer, bucket, answer["ContentLength"]), b""
    async with answer["Body"] as body:
        data = await body.read()
    size = int(answer.get("ContentRange", f"/{len(data)}").rpartition("/")[2])
    if len(data) != min(stop, size) - start:
        raise TransientError(f"{url}: the connection was cut: {len(data)} bytes of a piece arrived")
    return _stat_of(answer, bucket, size), data


def _stat_of(answer: dict[str, Any], bucket: str, size: int) -> RemoteStat:
    is_customers = "SSECustomerAlgorithm" in answer
    encryption = "customer's" if is_customers else answer.get("ServerSideEncryption")
    return s3_stat(size, answer.get("ETag", ""), answer.get("LastModified"), encryption, bucket)


async def download(system: Any, url: str, stat: RemoteStat, file: IO[bytes]) -> None:
    """Writes the whole object, of which every piece must be of the same version."""
    step = _PIECE * _AT_A_TIME
    for begin in range(0, stat.size, step):
        starts = range(begin, min(begin + step, stat.size), _PIECE)
        async with _together() as tasks:
            tasks += [
                asyncio.ensure_future(get(system, url, start, min(start + _PIECE, stat.size)))
                for start in starts
            ]
            for task in tasks:
                now, data = await task
                if now != stat:
                    raise TransientError(f"{url}: it was replaced while it was read")
                file.write(data)


async def upload(system: Any, url: str, file: IO[bytes], size: int) -> str:
    """Writes an object whole, or not at all.

    Returns
    -------
    str
        The ETag that follows from the contents.
    """
    bucket, key = split_s3(url)
    client = await system.set_session()
    if size <= _PIECE:
        data = file.read()
        md5 = hashlib.md5(data, usedforsecurity=False)
        await client.put_object(Bucket=bucket, Key=key, Body=data, ContentMD5=_base64(md5.digest()))
        return md5.hexdigest()
    made = await client.create_multipart_upload(Bucket=bucket, Key=key)
    whole = {"Bucket": bucket, "Key": key, "UploadId": made["UploadId"]}
    try:
        return await _upload_parts(client, whole, file, size)
    except BaseException:
        # What was not completed has no name, but is paid for. Should this fail as well, the first
        # failure is what counts.
        with contextlib.suppress(Exception):
            await client.abort_multipart_upload(**whole)
        raise


async def _upload_parts(client: Any, whole: dict[str, str], file: IO[bytes], size: int) -> str:
    length = max(_PIECE, -(-size // _MOST_PARTS))
    digests: list[bytes] = []
    parts: list[dict[str, Any]] = []

    async def put(number: int, data: bytes, md5: bytes) -> dict[str, Any]:
        answer = await client.upload_part(
            **whole, PartNumber=number, Body=data, ContentMD5=_base64(md5)
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    pieces = iter(lambda: file.read(length), b"")
    while batch := _first(pieces, _AT_A_TIME):
        async with _together() as tasks:
            for data in batch:
                md5 = hashlib.md5(data, usedforsecurity=False).digest()
                digests.append(md5)
                tasks.append(asyncio.ensure_future(put(len(digests), data, md5)))
            parts += [await task for task in tasks]
    await client.complete_multipart_upload(**whole, MultipartUpload={"Parts": parts})
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(parts)}"


async def may_write(system: Any, url: str) -> None:
    """Begins to write an object, and takes it back: nothing of it is seen."""
    bucket, key = split_s3(url)
    client = await system.set_session()
    made = await client.create_multipart_upload(Bucket=bucket, Key=key)
    # Who may begin may not be allowed to take back: it has no name, and the life cycle removes it.
    with contextlib.suppress(Exception):
        await client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=made["UploadId"])


async def listed(system: Any, url: str, delimiter: str) -> list[tuple[str, RemoteStat]]:
    """The objects whose names begin so, by name; with a delimiter those of one folder."""
    bucket, prefix = split_s3(url)
    client = await system.set_session()
    found = []
    pages = client.get_paginator("list_objects_v2")
    async for page in pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter=delimiter):
        for item in page.get("Contents", ()):
            # A listing does not tell how they are encrypted.
            stat = s3_stat(item["Size"], item["ETag"], item["LastModified"], "unknown", bucket)
            found.append((f"s3://{bucket}/{item['Key']}", stat))
    return sorted(found, key=lambda entry: entry[0])


async def remove(system: Any, url: str) -> None:
    """Removes an object; nothing happens if it is not there."""
    bucket, key = split_s3(url)
    client = await system.set_session()
    await client.delete_object(Bucket=bucket, Key=key)


@contextlib.asynccontextmanager
async def _together() -> AsyncIterator[list[asyncio.Future[Any]]]:
    """A list of tasks, none of which outlives the block, however it ends."""
    tasks: list[asyncio.Future[Any]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _first(pieces: Iterator[bytes], number: int) -> list[bytes]:
    return [piece for _, piece in zip(range(number), pieces, strict=False)]


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
