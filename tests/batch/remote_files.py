"""Files on the S3 server of tests, and in scratch directories."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from remote_servers import ask_s3

from romancal_rs.batch import remote


def put(files: Iterable[Path], folder: str, server: str) -> str:
    """Puts files to S3; the URL of their folder."""
    for path in files:
        ask_s3(f"{server}/{folder.removeprefix('s3://')}/{path.name}", "PUT", path.read_bytes())
    return folder + "/"


def names_in(folder: str) -> list[str]:
    """The names of the objects in a folder."""
    try:
        return [remote.name_of(url) for url, _ in remote.listed(folder + "/", "*")]
    except remote.RemoteNotFoundError:
        return []


def copies_in(scratch: Path) -> set[str]:
    """What is in a scratch directory, but for the heads of references that it keeps."""
    found = {path for path in scratch.rglob("*") if path.is_file() and ".heads" not in path.parts}
    return {path.name for path in found} - {".lock", ".romancal-rs-digests.json"}


def fetched(url: str, directory: Path) -> Path:
    path = directory / remote.name_of(url)
    remote.fetch(url, path)
    return path


def key_of(server: str, url: str) -> str:
    """Where the server has an object."""
    return f"{server}/{url.removeprefix('s3://')}"


def assert_one_line(message: str, part: str) -> None:
    """A message is one line, and says that."""
    assert part in message
    assert "\n" not in message
