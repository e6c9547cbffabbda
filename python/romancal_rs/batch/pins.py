"""The references that a plan chose, as a store that workers look for them in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..references import (
    NOT_APPLICABLE,
    ExposureKeys,
    Match,
    ReferenceFileError,
    ReferenceNotFoundError,
)
from ..references.digest import sha256_of
from .identity import OVERRIDE, PARAMETERS
from .plan import ReferenceSet


class PinnedStore:
    """Answers with the references of one set of a plan, whatever is in their directories by now.

    Parameters
    ----------
    reference_set : ReferenceSet
    """

    def __init__(self, reference_set: ReferenceSet) -> None:
        self.name = reference_set.name
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
        reference = NOT_APPLICABLE if pin.path == NOT_APPLICABLE else Path(pin.path)
        return Match(reference, pin.note, pin.context, rule=self.location)

    @property
    def has_parameters(self) -> bool:
        """Whether a parameter reference is pinned."""
        return any(name.startswith(PARAMETERS) for name in self._by_type)

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        """The pinned parameter reference of a step, if there is one."""
        for reftype in reftypes:
            if (pin := self._by_type.get(reftype.lower())) is not None:
                return Path(pin.path)
        return None

    def check(self) -> None:
        """Checks that the files are as they were when the plan was made.

        A file of another size or time is compared by its digest.

        Raises
        ------
        ReferenceFileError
            If one is another now, or gone.
        """
        for pin in self._pins:
            if pin.path == NOT_APPLICABLE:
                continue
            what = f"{pin.reftype.removeprefix(OVERRIDE).upper()} {pin.path}"
            try:
                status = Path(pin.path).stat()
                stamp = status.st_size, status.st_mtime_ns
                if stamp in (tuple(pin.stamp), self._same.get(pin.path)):
                    continue
                sha256 = sha256_of(pin.path) if stamp[0] == pin.stamp[0] else "of another size"
            except FileNotFoundError:
                raise ReferenceFileError(
                    f"{what}: gone since the plan was made; put it back, or make the plan again"
                ) from None
            if sha256 != pin.sha256:
                raise ReferenceFileError(
                    f"{what}: changed since the plan was made; make the plan again"
                )
            self._same[pin.path] = stamp
