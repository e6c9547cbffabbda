"""How exposures come to a worker, and products away, wherever either lies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._asdf_blocks import digest_of_head
from ..errors import InputError, RomancalError
from ..stpipe.run import Origin
from . import remote
from .outcome import TransientError

__all__ = ["DestinationError", "LocalInput", "Passage"]


class DestinationError(RomancalError):
    """A server does not take a product any more; neither the exposure nor its references are it."""


@dataclass(frozen=True)
class LocalInput:
    """The local file of an exposure.

    Attributes
    ----------
    path : Path
    origin : Origin or None
        Where it was fetched from.
    """

    path: Path
    origin: Origin | None = None

    @property
    def origins(self) -> dict[Path, Origin]:
        """As `romancal_rs.stpipe.Run` takes it."""
        return {} if self.origin is None else {self.path: self.origin}

    def named(self, message: str) -> str:
        """A message with the URL in place of the copy's path."""
        return message if self.origin is None else message.replace(str(self.path), self.origin.url)


@dataclass(frozen=True)
class Passage:
    """Fetches exposures and uploads products; local ones stay where they are.

    Attributes
    ----------
    destination : str
        Directory, or URL, of the products.
    scratch : Scratch
    """

    destination: str
    scratch: remote.Scratch

    def take_in(self, name: str, head_sha256: str) -> LocalInput:
        """The local file of an input; what is remote is fetched, what is local is read ahead.

        Parameters
        ----------
        name : str
        head_sha256 : str
            As the plan has it: what became another file since would be taken for the planned one.

        Raises
        ------
        TransientError, RemoteNotFoundError, RemoteAccessError, RemoteError, InputError, OSError
        """
        if remote.is_url(name):
            stat = remote.describe(name)
            _check_is_planned(remote.shown(name), stat.digest, head_sha256)
            origin = Origin(remote.shown(name), stat.digest)
            return LocalInput(self.scratch.fetch(name, stat), origin)
        path = Path(name)
        with path.open("rb") as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
            _check_is_planned(name, digest_of_head(file)[0], head_sha256)
        return LocalInput(path)

    def output_directory(self) -> str:
        """Where products are written: those of a URL are uploaded from here."""
        if not remote.is_url(self.destination):
            return self.destination
        return str(self.scratch.own_directory())

    def place_of(self, path: Path) -> str:
        """The path or URL of a product that is written to a local file."""
        if remote.is_url(self.destination):
            return f"{self.destination}/{path.name}"
        return str(path.absolute())

    def send(self, paths: Sequence[Path]) -> remote.RemoteStat | None:
        """Uploads the products of an exposure, if that is to be.

        The first one comes last, as it is what tells that the exposure is done.

        Returns
        -------
        RemoteStat or None
            What the server says about the first.

        Raises
        ------
        TransientError
        DestinationError
            If the server does not take one, as it did when the batch began.
        """
        stat = None
        for path in reversed(paths) if remote.is_url(self.destination) else ():
            try:
                stat = remote.upload(path, self.place_of(path))
            except TransientError:
                raise
            except RomancalError as error:
                raise DestinationError(f"the product cannot be written: {error}") from error
        return stat

    def clear(self, input: LocalInput | None, products: Iterable[Path]) -> None:
        """Removes what was only passing through."""
        if input is not None and input.origin is not None:
            self.scratch.release(input.path, remove=True)
        if remote.is_url(self.destination):
            for path in products:
                path.unlink(missing_ok=True)


def _check_is_planned(name: str, digest: str, planned: str) -> None:
    if digest != planned:
        raise InputError(f"{name}: changed since the plan was made; make the plan again")
