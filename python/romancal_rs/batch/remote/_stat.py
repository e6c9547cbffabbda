"""What a server says about a file."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class RemoteStat:
    """What a server says about a file, without its contents.

    Attributes
    ----------
    size : int
        In bytes.
    etag : str
        As the server writes it, without quotes; empty where it gives none. Another one means other
        contents.
    md5 : str or None
        MD5 of the contents, where the ETag is known to be one: on S3 that of a file that was
        uploaded in one piece, and is not encrypted by a key of its own.
    last_modified : datetime or None
        UTC.
    """

    size: int
    etag: str = ""
    md5: str | None = None
    last_modified: datetime | None = None

    @property
    def version(self) -> str:
        """Tells these contents from others of the same name; empty where the server cannot."""
        if self.etag:
            return self.etag
        return "" if self.last_modified is None else self.last_modified.isoformat()

    @property
    def digest(self) -> str:
        """Digest of size and version, prefixed ``etag:``, for a plan."""
        said = hashlib.sha256(f"{self.size} {self.version}".encode())
        return f"etag:{said.hexdigest()}"


def s3_stat(
    size: int, etag: str, last_modified: datetime | None, encryption: str | None, bucket: str
) -> RemoteStat:
    """What S3 says.

    Parameters
    ----------
    size : int
    etag : str
        With its quotes.
    last_modified : datetime or None
    encryption : str or None
        Of the server; with keys of one's own the ETag is no digest of the contents.
    bucket : str
        Empty where unknown. In a directory bucket, an ETag is no digest.
    """
    etag = etag.strip('"')
    is_digest = encryption in (None, "", "AES256") and not bucket.endswith("--x-s3")
    md5 = etag if is_digest and _MD5.fullmatch(etag) else None
    time = None if last_modified is None else last_modified.astimezone(UTC)
    return RemoteStat(size, etag, md5, time)
