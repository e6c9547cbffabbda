"""Reference files in a folder of S3."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..._files import replacing
from ..._threads import Threads
from ..._yaml_head import HeadError
from ...errors import InputError
from ...references import DirectoryStore, ExposureKeys, Match, ReferenceNotFoundError
from ._errors import RemoteNotFoundError
from ._stat import RemoteStat
from ._transfer import describe, listed, read_head, read_start
from ._urls import is_s3, shown
from .scratch import Scratch

_HEADS = ".heads"
_KNOWN_NAME = ".romancal-rs-remote.json"
_AT_A_TIME = 16


class RemoteStore(DirectoryStore):
    """Finds reference files in a folder of S3 as in a local directory, and fetches what it finds.

    The folder is listed once, when the store is opened, and the heads of its ``*.asdf`` files are
    read by ranges into a local directory, where they stay: the next time only those of new and
    changed files are. Files are chosen by these heads, by the same rules; the ones that are chosen
    are fetched whole.

    Parameters
    ----------
    url : str
        ``s3://BUCKET/FOLDER/``
    scratch : Scratch
        Takes the files, and the heads.

    Raises
    ------
    ReferenceNotFoundError
        If there is no such folder, or no ``*.asdf`` file in it.
    InputError
        If it is on a web server, which does not list its files.
    RemoteAccessError, RemoteError, TransientError
        As `describe`.
    """

    def __init__(self, url: str, scratch: Scratch) -> None:
        if not is_s3(url):
            raise InputError(
                f"references: {shown(url)}: a web server does not list its files; copy them to a "
                "directory, or to s3://BUCKET/FOLDER/"
            )
        self._url = url.rstrip("/") + "/"
        self._scratch = scratch
        #: What was found, as the server described it, and where it lies.
        self._fetched: dict[str, tuple[RemoteStat, Path]] = {}
        self._held: list[Path] = []
        name = hashlib.sha256(self._url.encode()).hexdigest()[:24]
        heads = scratch.directory / _HEADS / name
        heads.mkdir(parents=True, exist_ok=True)
        try:
            _renew(heads, listed(self._url, "*.asdf"))
        except RemoteNotFoundError as error:
            raise ReferenceNotFoundError(
                f"references: {error}; give a folder of *.asdf reference files"
            ) from error
        super().__init__(heads)

    @property
    def location(self) -> str:
        """The URL of the folder."""
        return self._url

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        """Find the file of one type that fits an exposure, and fetch it.

        The scratch holds it until `release`. Raises as `DirectoryStore.find`, and as
        `Scratch.fetch`.
        """
        match = super().find(reftype, keys)
        return dataclasses.replace(match, reference=self._local(match.reference))

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        """Find the parameter reference of a step, which there need not be, and fetch it."""
        path = super().find_parameters(reftypes, keys)
        return None if path is None else self._local(path)

    def url_of(self, path: Path) -> str:
        """The URL of a file that was found here."""
        return self._url + path.name

    def stat_of(self, path: Path) -> RemoteStat | None:
        """What the server said about a file that was found here; None of any other."""
        stat, local = self._fetched.get(self.url_of(path), (None, None))
        return stat if local == path else None

    def release(self) -> None:
        """Lets go of what was found so far; what is found again is held again."""
        while self._held:
            self._scratch.release(self._held.pop())

    def _local(self, head: Path) -> Path:
        url = self.url_of(head)
        stat, path = self._fetched.get(url, (None, None))
        if path is None or path not in self._held or not path.is_file():
            stat = describe(url) if stat is None else stat
            path = self._scratch.fetch(url, stat)
            self._fetched[url] = stat, path
            self._held.append(path)
        return path


def _renew(heads: Path, files: list[tuple[str, RemoteStat]]) -> None:
    """Brings the heads in a local directory to the state of the folder."""
    known: dict[str, str] = {}
    with suppress(OSError, ValueError):
        known = dict(json.loads((heads / _KNOWN_NAME).read_bytes()))
    there = {url.rpartition("/")[2]: (url, stat) for url, stat in files}

    def keep(name: str) -> None:
        url, stat = there[name]
        if known.get(name) == stat.digest and (heads / name).is_file():
            return
        try:
            head = read_head(url)[1] + b"\n...\n"
        except HeadError:
            head = read_start(url)  # the index finds the same fault in it
        with replacing(heads / name, durable=False) as file:
            file.write(head)

    with Threads(_AT_A_TIME) as pool:
        list(pool.map(keep, there))
    for path in heads.glob("*.asdf"):
        if path.name not in there:
            path.unlink(missing_ok=True)
    with replacing(heads / _KNOWN_NAME, durable=False) as file:
        file.write(json.dumps({name: stat.digest for name, (_, stat) in there.items()}).encode())
