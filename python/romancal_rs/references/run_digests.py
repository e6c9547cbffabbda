"""Digests of the references of a run, worked out while the run goes on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .digest import Digests
from .match import Match


class RunDigests:
    """Works out the SHA-256 of references in a thread of its own.

    A step's references are known before its work begins, and their digests are wanted after it:
    hashing takes the time that the run leaves idle.
    """

    def __init__(self) -> None:
        self._futures: dict[Path, Future[str]] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._beside = Digests()
        self._elsewhere = Digests(beside=False)  # nothing is written into a CRDS cache

    def start(self, match: Match) -> None:
        """Begin with the file of a match."""
        path = match.reference
        if path not in self._futures:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="sha256")
            digests = self._elsewhere if match.context else self._beside
            self._futures[path] = self._executor.submit(digests.of, path)

    def of(self, path: Path) -> str:
        """The SHA-256 of a file that was begun with, in hexadecimal; waits for it.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        return self._futures[path].result()

    def close(self) -> None:
        """Begin with no more files."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
