"""The references that a plan chose, as a store that workers look for them in."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import RomancalError
from ..references import (
    NOT_APPLICABLE,
    ExposureKeys,
    Match,
    ReferenceFileError,
    ReferenceNotFoundError,
)
from ..references.digest import sha256_of
from ..stpipe.run import Origin
from . import remote
from .identity import OVERRIDE, PARAMETERS
from .outcome import TransientError
from .plan import Pin, ReferenceSet

#: For how long a remote reference counts as unchanged without a new check [s].
_GRANTED_S = 60.0


class PinnedStore:
    """Answers with the references of one set of a plan, whatever is in their directories by now.

    Parameters
    ----------
    reference_set : ReferenceSet
    scratch : Scratch, optional
        Takes the copies of remote ones, and holds them until `release`; the user's own by default.
    """

    def __init__(self, reference_set: ReferenceSet, scratch: remote.Scratch | None = None) -> None:
        self.name = reference_set.name
        self._scratch = scratch or remote.Scratch()
        #: Those of remote files by their URLs.
        self._copies: dict[str, _Copy] = {}
        self._pins = reference_set.pins
        self._by_type = {pin.reftype: pin for pin in reference_set.pins}
        #: The stamps of files that changed, but not in what they hold.
        self._same: dict[str, tuple[int, int]] = {}

    @property
    def location(self) -> str:
        return f"the plan (set {self.name})"

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        """The pinned reference of a type.

        Raises
        ------
        ReferenceNotFoundError
            If the plan found none of this type, as no step said that it would ask for it.
        """
        pin = self._by_type.get(reftype.lower())
        if pin is None:
            known = [name.upper() for name in self._by_type if not name.startswith(OVERRIDE)]
            raise ReferenceNotFoundError(
                f"no {reftype.upper()} in {self.location}, which has {', '.join(known) or 'none'}: "
                f"a plan has the types that reference_file_types names"
            )
        reference = NOT_APPLICABLE if pin.path == NOT_APPLICABLE else self._local(pin)
        return Match(reference, pin.note, pin.context, rule=self.location)

    @property
    def has_parameters(self) -> bool:
        """Whether a parameter reference is pinned."""
        return any(name.startswith(PARAMETERS) for name in self._by_type)

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        """The pinned parameter reference of a step, if there is one."""
        for reftype in reftypes:
            if (pin := self._by_type.get(reftype.lower())) is not None:
                return self._local(pin)
        return None

    @property
    def origins(self) -> dict[Path, Origin]:
        """Where the local copies come from."""
        return {copy.path: Origin(remote.shown(url)) for url, copy in self._copies.items()}

    def release(self) -> None:
        """Lets go of the copies."""
        while self._copies:
            self._scratch.release(self._copies.popitem()[1].path)

    def _local(self, pin: Pin) -> Path:
        return self._copies[pin.path].path if pin.path in self._copies else Path(pin.path)

    def check(self) -> None:
        """Checks that the files are as they were when the plan was made, and fetches remote ones.

        A file of another size or time is compared by its digest; so is a remote one that the server
        calls another version. The server is asked once in a while.

        Raises
        ------
        ReferenceFileError
            If one is another now, or gone, or cannot be fetched.
        TransientError
            If a server does not give one for a reason that may pass.
        """
        for pin in self._pins:
            if pin.path == NOT_APPLICABLE:
                continue
            kind = pin.reftype.removeprefix(OVERRIDE).upper()
            try:
                is_same = (
                    self._is_same_remote(pin) if remote.is_url(pin.path) else self._is_same(pin)
                )
            except TransientError:
                raise
            except FileNotFoundError:
                raise ReferenceFileError(
                    f"{kind} {pin.path}: gone since the plan was made; put it back, or make the "
                    "plan again"
                ) from None
            except RomancalError as error:
                raise ReferenceFileError(f"{kind} {error}") from error
            if not is_same:
                raise ReferenceFileError(
                    f"{kind} {pin.path}: changed since the plan was made; make the plan again"
                )

    def _is_same(self, pin: Pin) -> bool:
        status = Path(pin.path).stat()
        stamp = status.st_size, status.st_mtime_ns
        if stamp in (tuple(pin.stamp), self._same.get(pin.path)):
            return True
        if stamp[0] != pin.stamp[0] or sha256_of(pin.path) != pin.sha256:
            return False
        self._same[pin.path] = stamp
        return True

    def _is_same_remote(self, pin: Pin) -> bool:
        """The same of a remote file, which is held then."""
        known = self._copies.get(pin.path)
        if known is not None and known.is_fresh():
            return True
        stat = remote.describe(pin.path)
        if stat.size != pin.stamp[0]:
            return False
        copy = _Copy(self._scratch.fetch(pin.path, stat), time.monotonic())
        is_same = stat.version == pin.version or sha256_of(copy.path) == pin.sha256
        if known is not None:
            self._scratch.release(known.path)
            del self._copies[pin.path]
        if is_same:
            self._copies[pin.path] = copy
        else:
            self._scratch.release(copy.path, remove=True)
        return is_same


@dataclass(frozen=True)
class _Copy:
    """A local copy of a remote file, and when the server was asked about it [s]."""

    path: Path
    asked: float

    def is_fresh(self) -> bool:
        return time.monotonic() - self.asked < _GRANTED_S and self.path.is_file()
