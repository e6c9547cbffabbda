"""What is known about the files of a directory, kept in a file beside them.

To read the head of a file takes up to a millisecond, and more on a shared disk, which adds up with
thousands of files. So what the heads say is kept, and only the heads of new and changed files are
read. What is kept serves speed alone: where it is missing, damaged or cannot be written, all is
read anew and nothing is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from .._files import path_in, replacing
from .._yaml_head import HeadError
from .errors import ReferenceFileError
from .head import ReferenceHead, read_head
from .keys import naive_utc

#: Names a directory that holds the indices of all directories; read when an index is opened.
CACHE_VARIABLE = "ROMANCAL_RS_CACHE"
INDEX_NAME = ".romancal-rs-index.json"
# To be raised with each change of what `read_head` takes from a file, or of how it is kept.
_VERSION = 3
#: What reading an index that is not as it should be may raise.
DAMAGE = (ValueError, TypeError, LookupError, RecursionError)
# A file may change twice within one tick of its file system's clock: some ms, but for the clocks of
# whole seconds, of which the slowest has two.
_SETTLED_NS, _SECOND_NS = 50_000_000, 1_000_000_000
# Stands for size and time of a file that has to be looked at again.
_UNSETTLED = "?/?"

Record = ReferenceHead | str | None
"""What a file is: a reference, unreadable for a reason, or something else."""


def is_settled(mtime_ns: int) -> bool:
    """Whether a file that has this time cannot change any more without showing another."""
    settled = _SETTLED_NS if mtime_ns % _SECOND_NS else 2 * _SECOND_NS
    return abs(time.time_ns() - mtime_ns) >= settled


class IndexFile:
    """A file of JSON lines that remembers something about the files of a directory.

    It lies in that directory or, where it cannot be written there, in the user's cache directory;
    if the environment variable ``ROMANCAL_RS_CACHE`` names a directory, there alone.

    Parameters
    ----------
    directory : Path
    name : str
    version : int
        What was written with another version is not read.
    beside : bool
        False for a directory that is to be left as it is.
    """

    def __init__(self, directory: Path, name: str, version: int, *, beside: bool = True) -> None:
        self._directory = directory
        self._name = name
        self._version = version
        self._beside = beside

    def contents(self) -> Iterator[bytes]:
        """What was written, from each place where it may lie."""
        for place in self._places():
            try:
                first, _, body = place.read_bytes().partition(b"\n")
            except OSError:
                continue
            if first == self._first_line(body):
                yield body

    def write(self, body: bytes) -> None:
        """Write it whole or not at all to the first place that takes it; a failure is silent."""
        for place in self._places():
            with suppress(OSError):
                if place.parent != self._directory:
                    place.parent.mkdir(parents=True, exist_ok=True)
                with replacing(place, durable=False) as file:
                    file.write(self._first_line(body) + b"\n" + body)
                return

    def _places(self) -> Iterator[Path]:
        named = path_in(CACHE_VARIABLE)
        if self._beside and not named:
            yield self._directory / self._name
        cache = named or _user_cache()
        if cache is not None:
            resolved = os.fsencode(os.path.realpath(self._directory))
            yield cache / f"{hashlib.sha256(resolved).hexdigest()[:32]}{self._name}"

    def _first_line(self, body: bytes) -> bytes:
        # The sum finds what a full disk or a failing one left behind.
        return to_json({self._name: self._version, "crc32": zlib.crc32(body)})


def _user_cache() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base, "romancal-rs")
    home = os.path.expanduser("~")
    return Path(home, ".cache", "romancal-rs") if os.path.isabs(home) else None


def to_json(value: Any) -> bytes:
    """One line of JSON, in ASCII, without spaces."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True)
class _Contents:
    """An index in memory. Names are those of `files`, so that no index leads elsewhere.

    Attributes
    ----------
    files : str
        ``name/size/mtime_ns`` of each file, separated by ``/``, which no name contains.
    groups : dict
        Of each reference type and detector, the line with its heads, not yet taken apart.
    unreadable : list
        Position in `files` and the reason.
    """

    files: str
    groups: dict[tuple[str, str | None], bytes]
    unreadable: list[tuple[int, str]]

    @classmethod
    def parse(cls, body: bytes) -> _Contents:
        first, second, *lines = body.split(b"\n")
        table = json.loads(first)
        groups = [(str(kind), detector) for kind, detector in table["groups"]]
        unreadable = [(int(position), str(reason)) for position, reason in json.loads(second)]
        contents = cls(str(table["files"]), dict(zip(groups, lines, strict=True)), unreadable)
        if unreadable and max(unreadable)[0] >= len(contents.names):
            raise ValueError("names a file that is not listed")
        return contents

    @cached_property
    def names(self) -> list[str]:
        return self.files.split("/")[::3]

    def stamps(self) -> list[str]:
        parts = self.files.split("/")
        return ["/".join(parts[start : start + 3]) for start in range(0, len(parts), 3)]


def _unparse(stamps: Sequence[str], records: Sequence[Record]) -> bytes:
    groups: dict[tuple[str, str | None], list[Any]] = {}
    unreadable: list[Any] = []
    for position, record in enumerate(records):
        if isinstance(record, str):
            unreadable.append((position, record))
        elif record is not None:
            row = (
                *(position, record.useafter.isoformat(), record.instrument),
                *(record.optical_element, record.exposure_types, record.n_groups),
                *(record.ma_table_name, record.ma_table_number, record.has_rate),
            )
            groups.setdefault((record.reftype, record.detector), []).append(row)
    table = {"files": "/".join(stamps), "groups": list(groups)}
    return b"\n".join(to_json(line) for line in (table, unreadable, *groups.values()))


class DirectoryIndex:
    """The heads of the ``*.asdf`` files of a directory, by type and detector.

    The directory is looked through once, when the index is opened. A file whose name, size and
    time of last change are as they were is not read again. Hidden files (half-written ones of
    other programs) and subdirectories' files do not count.

    Parameters
    ----------
    directory : Path

    Raises
    ------
    ReferenceFileError
        If the directory cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file = IndexFile(directory, INDEX_NAME, _VERSION)
        self._contents = self._load()

    def is_current(self) -> bool:
        """Whether each file has the size and time that the index knows."""
        return self._contents.files == "/".join(_scan(self.directory))

    @property
    def reftypes(self) -> list[str]:
        """The types of which there are files, in alphabetical order."""
        return sorted({reftype for reftype, _ in self._contents.groups})

    @property
    def unreadable(self) -> list[str]:
        """The files that could not be read, each with the reason: ``name: reason``."""
        names = self._contents.names
        return [f"{names[position]}: {reason}" for position, reason in self._contents.unreadable]

    @property
    def others(self) -> list[str]:
        """The files that are no references: they do not state a type."""
        known = {head.path.name for reftype in self.reftypes for head in self.heads(reftype)}
        unreadable = {position for position, _ in self._contents.unreadable}
        names = enumerate(self._contents.names)
        return [name for i, name in names if name and i not in unreadable and name not in known]

    def heads(self, reftype: str, detector: str | None = None) -> list[ReferenceHead]:
        """The reference files of one type, by name.

        Parameters
        ----------
        reftype : str
            In capitals.
        detector : str or None
            Leaves out what is not for this detector.
        """
        try:
            found = self._take(self._contents, reftype, detector)
        except DAMAGE:  # the sum was right: not an accident, but written by something else
            self._contents = self._renew(_scan(self.directory), [])
            found = self._take(self._contents, reftype, detector)
        return [found[position] for position in sorted(found)]

    def _take(
        self, contents: _Contents, reftype: str, detector: str | None = None
    ) -> dict[int, ReferenceHead]:
        """Heads by position."""
        names = contents.names
        found = {}
        for (kind, of_detector), line in contents.groups.items():
            if kind != reftype or detector not in (None, of_detector):
                continue
            for position, useafter, instrument, element, types, *read_out in json.loads(line):
                n_groups, table_name, table_number, has_rate = read_out
                found[position] = ReferenceHead(
                    path=self.directory / names[position],
                    reftype=kind,
                    useafter=naive_utc(datetime.fromisoformat(useafter)),
                    instrument=instrument,
                    detector=of_detector,
                    optical_element=element,
                    exposure_types=tuple(map(str, types)),
                    n_groups=n_groups,
                    ma_table_name=table_name,
                    ma_table_number=table_number,
                    has_rate=bool(has_rate),
                )
        return found

    def _load(self) -> _Contents:
        stamps = _scan(self.directory)
        files = "/".join(stamps)
        kept = []
        for body in self._file.contents():
            with suppress(*DAMAGE):
                contents = _Contents.parse(body)
                if contents.files == files:
                    return contents
                kept.append(body)
        return self._renew(stamps, kept)

    def _renew(self, stamps: list[str], kept: list[bytes]) -> _Contents:
        known: dict[str, Record] = {}
        for body in kept:
            with suppress(*DAMAGE):
                known |= self._records(_Contents.parse(body))
        records: list[Record] = []
        for i, stamp in enumerate(stamps):
            if stamp in known:
                records.append(known[stamp])
                continue
            name, _, mtime_ns = stamp.split("/")
            settled = is_settled(int(mtime_ns))
            try:
                record: Record = read_head(self.directory / name)
            except HeadError as error:
                record = str(error)
                # What the file system refuses now it may grant later, and no time tells.
                settled = settled and not isinstance(error.__cause__, OSError)
            records.append(record)
            if not settled:
                stamps[i] = f"{name}/{_UNSETTLED}"
        body = _unparse(stamps, records)
        if body not in kept:
            self._file.write(body)
        return _Contents.parse(body)

    def _records(self, contents: _Contents) -> dict[str, Record]:
        """What an index says of each file, by name, size and time."""
        stamps = contents.stamps()
        records: dict[str, Record] = dict.fromkeys(stamps)
        records |= {stamps[position]: reason for position, reason in contents.unreadable}
        for reftype in {reftype for reftype, _ in contents.groups}:
            heads = self._take(contents, reftype)
            records |= {stamps[position]: head for position, head in heads.items()}
        return records


def _scan(directory: Path) -> list[str]:
    """Name, size and time of each file; a link has those of what it points to."""
    stamps = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name
                if not name.endswith(".asdf") or name.startswith("."):
                    continue
                try:
                    status = entry.stat()
                except OSError:  # a link to nowhere
                    stamps.append(f"{name}/0/0")
                else:
                    stamps.append(f"{name}/{status.st_size}/{status.st_mtime_ns}")
    except OSError as error:
        raise ReferenceFileError(
            f"references: {directory} cannot be read ({error.strerror}); give a directory of "
            "*.asdf reference files"
        ) from error
    stamps.sort()
    return stamps
