"""What runs in one process share, so that the next one finds open what the last one used."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .. import references
from ..errors import ArgumentError
from ..references import LastingStore, Store
from ..references.index import is_settled

if TYPE_CHECKING:
    from ..datamodels import DataModel

#: Beginnings of the names of environment variables that tell where references are.
_VARIABLES = ("ROMANCAL_RS_", "CRDS_")


class HeldReference:
    """A reference file as it was when it was opened, for as long as a run holds it.

    Attributes
    ----------
    path : str
    stamp : tuple of int
        Size [bytes] and time of change [ns] of the file.
    model : DataModel
        Open. It is shared, and not to be changed.
    passed : set
        The checks that it passed.
    digest : Future of str, or None
        Its SHA-256, once that was begun with.
    """

    def __init__(self, path: str, stamp: tuple[int, int], model: DataModel) -> None:
        self.path = path
        self.stamp = stamp
        self.model = model
        #: Whether every later change of the file would show in its time.
        self.is_settled = is_settled(stamp[1])
        self.passed: set[Any] = set()
        self.digest: Future[str] | None = None
        #: How many runs hold it.
        self.n_holders = 0


class ReferencePool:
    """Reference files and stores that the runs in one process share: opened and checked once.

    An exposure that needs the same references as an earlier one finds them open::

        with ReferencePool() as pool:
            for path in paths:
                Run(step, pool=pool)(path)

    Each run looks whether a file has another size or time of change than when it was opened, and
    opens, checks and digests it anew if so. A directory of references is looked through anew where
    a file came, went or changed. Threads may share a pool; it cannot be sent to another process.

    Parameters
    ----------
    most_files : int
        What was not used for longest is closed beyond so many files, unless a run uses it. A set of
        references for one detector and element has up to 13.
    """

    def __init__(self, most_files: int = 40) -> None:
        if most_files < 0:
            raise ArgumentError(f"most_files: expected a number from 0, got {most_files}")
        self._most_files = most_files
        self._lock = threading.RLock()
        #: The files that the next run may reuse; the one that was used last is at the end.
        self._files: OrderedDict[str, HeldReference] = OrderedDict()
        #: How many runs hold a file, counted for each.
        self._n_holders = 0
        self._stores: dict[Any, LastingStore] = {}
        self._digests = references.BackgroundDigests()
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many files are open for the next run."""
        return len(self._files)

    def close(self) -> None:
        """Close the files; those that a run still uses close when it ends.

        Nothing is kept after that.
        """
        with self._lock:
            self._is_closed = True
            self._stores.clear()
            self._close_unused()

    # --- for runs

    def hold(self, path: str | os.PathLike[str]) -> HeldReference:
        """Open a reference file, or share it; it stays open until `let_go`.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        HeldReference

        Raises
        ------
        OSError
            If it cannot be read.
        ModelError
            If it is no file of a model.
        """
        from .. import datamodels

        name = os.path.abspath(path)
        with self._lock:
            status = os.stat(name)
            stamp = status.st_size, status.st_mtime_ns
            held = self._files.get(name)
            if held is None or held.stamp != stamp or not held.is_settled:
                opened = HeldReference(name, stamp, datamodels.open(path))
                if held is not None and not held.n_holders:
                    held.model.close()
                held = self._files[name] = opened
            self._files.move_to_end(name)
            held.n_holders += 1
            self._n_holders += 1
            return held

    def let_go(self, held: Iterable[HeldReference]) -> None:
        """Release references, so that they can be closed.

        Parameters
        ----------
        held : iterable of HeldReference
            What `hold` returned.
        """
        with self._lock:
            for reference in held:
                reference.n_holders -= 1
                self._n_holders -= 1
                is_replaced = self._files.get(reference.path) is not reference
                if is_replaced and not reference.n_holders:
                    reference.model.close()
            self._close_unused()

    def start_digest(self, reference: HeldReference, path: Path, *, beside: bool) -> None:
        """Begin to compute the SHA-256 of a file, unless that has begun.

        Parameters
        ----------
        reference : HeldReference
            What `hold` returned for the file.
        path : path
            The file.
        beside : bool
            Whether the digest may be kept in a file beside it.
        """
        with self._lock:
            if reference.digest is None:
                reference.digest = self._digests.start(path, beside=beside)

    def store(
        self, place: Any, context: str | None, open_store: Callable[[], Store | None]
    ) -> Store | None:
        """The store for a place and a context, opened again if it is not current.

        Parameters
        ----------
        place : str, path, Store or None
            As `romancal_rs.references.open_store` takes them. Of the environment all is taken into
            account that may say where references are.
        context : str or None
            As `romancal_rs.references.open_store` takes them. Of the environment all is taken into
            account that may say where references are.
        open_store : callable
            Opens it.

        Returns
        -------
        Store or None
        """
        if not (place is None or isinstance(place, str | os.PathLike)):
            return open_store()  # the caller's own
        environment = (item for item in os.environ.items() if item[0].startswith(_VARIABLES))
        key = (place and os.fspath(place), context, os.getcwd(), *sorted(environment))
        with self._lock:
            kept = self._stores.get(key)
            if kept is not None and kept.is_current():
                return kept
            store = open_store()
            if isinstance(store, LastingStore) and not self._is_closed:
                self._stores[key] = store
            return store

    def _close_unused(self) -> None:
        """Closes what no run uses, that was used longest ago, until there are few enough."""
        most_files = 0 if self._is_closed else self._most_files
        for name, reference in list(self._files.items()):
            if len(self._files) <= most_files:
                break
            if not reference.n_holders:
                del self._files[name]
                reference.model.close()
        if self._is_closed and not self._n_holders:
            self._digests.close()
