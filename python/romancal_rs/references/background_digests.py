"""Digests of references, worked out while something else goes on."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from .._threads import Threads
from .digest import Digests


class BackgroundDigests:
    """Computes the SHA-256 of references in a separate thread.

    A step's references are known before its work begins, and their digests are wanted after it:
    hashing takes the time that the run leaves idle.
    """

    def __init__(self) -> None:
        self._executor: Threads | None = None
        self._beside = Digests()
        self._elsewhere = Digests(beside=False)

    def start(self, path: Path, *, beside: bool) -> Future[str]:
        """Begin to compute the digest of a file.

        Parameters
        ----------
        path : Path
            The file.
        beside : bool
            Whether what is worked out may be kept beside the file: not in a CRDS cache.

        Returns
        -------
        concurrent.futures.Future of str
            The SHA-256 in hexadecimal, or an `OSError`.
        """
        if self._executor is None:
            self._executor = Threads(1, thread_name_prefix="sha256")
        return self._executor.submit((self._beside if beside else self._elsewhere).of, path)

    def close(self) -> None:
        """Drop the files that are waiting, and end the thread."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
