"""What a URL says: where it leads, the name of its file, and how it is shown."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from ...errors import InputError

_REMOTE = re.compile(r"(s3|https?)://", re.IGNORECASE)
_FILE = re.compile(r"file:/", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether it names a file, or a folder, of S3 or of a web server."""
    return _REMOTE.match(text) is not None


def is_s3(url: str) -> bool:
    """Whether it is of S3."""
    return url[:5].lower() == "s3://"


def without_file_scheme(text: str) -> str:
    """The local path that a ``file:`` URL stands for; anything else as it is.

    Raises
    ------
    InputError
        If it names another host.
    """
    if _FILE.match(text) is None:
        return text
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise InputError(f"{text}: a file of another host; write file:///PATH for one of this host")
    return url2pathname(parts.path)


def split_s3(url: str) -> tuple[str, str]:
    """Bucket and key.

    Raises
    ------
    InputError
        If there is no bucket.
    """
    bucket, _, key = url[len("s3://") :].partition("/")
    if not bucket:
        raise InputError(f"{url}: names no bucket; write s3://BUCKET/KEY")
    return bucket, key


def name_of(url: str) -> str:
    """The name of the file, without the folders that lead to it.

    Raises
    ------
    InputError
        If it has none, as of a folder.
    """
    path = split_s3(url)[1] if is_s3(url) else unquote(urlsplit(url).path)
    name = path.rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        raise InputError(f"{shown(url)}: names no file")
    return name


def shown(url: str) -> str:
    """As messages show it: without a password, and without a query, which may be a signature."""
    if is_s3(url):
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
