"""Gets from a CRDS server what a cache lacks, through the observatory's own client.

The client is the package ``crds``, which ``pip install romancal-rs[crds]`` brings. It is asked for
files only, and only where ``CRDS_SERVER_URL`` names a server: choosing references needs neither.

The client checks the length and the checksum of what it downloads only when that has its final
name. So it is given an empty directory beside the cache's files as its cache, and what passed is
moved into place: a file in the cache is a whole file.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cache import CONTEXT_VARIABLE, OBSERVATORY, CrdsCache, MissingFileError, flag
from .client import OBSERVATORY_VARIABLE, TIMEOUT_VARIABLE
from .errors import RuleFileError

SERVER_VARIABLE = "CRDS_SERVER_URL"
READ_ONLY_VARIABLE = "CRDS_READONLY_CACHE"
ADVICE = (
    "copy it there from a machine that has it, or install the client (pip install "
    f"'romancal-rs[crds]') and set {SERVER_VARIABLE}, such as https://roman-crds.stsci.edu"
)

_CLIENT = Path(__file__).with_name("client.py")
_TIMEOUT = "60"  # seconds of silence; the client's own is an hour
_SERVERLESS = ("serverless", "server-less")  # in addresses by which the client means no server
# What the client is not to be told: where the cache is, that it is read-only, not to check files.
_WITHHELD = (READ_ONLY_VARIABLE, "CRDS_DOWNLOAD_CHECKSUMS", "CRDS_DOWNLOAD_LENGTHS")
_ORDER = (".rmap", ".imap", ".pmap")  # a map that is there has the maps it names beside it

_log = logging.getLogger(__name__)


class Fetcher:
    """Fetches rule files and reference files into a cache.

    Parameters
    ----------
    cache : CrdsCache
    """

    def __init__(self, cache: CrdsCache) -> None:
        self.cache = cache

    @classmethod
    def if_wanted(cls, cache: CrdsCache) -> Fetcher | None:
        """A fetcher where the client is installed and a server is named, else None."""
        server = os.environ.get(SERVER_VARIABLE, "")
        if not server or any(word in server for word in _SERVERLESS):
            return None
        spec = importlib.util.find_spec("crds")
        # Without origin it is just a directory of that name, which a cache may well have.
        return cls(cache) if spec is not None and spec.origin is not None else None

    def context(self, name: str | None) -> str:
        """The name of a pipeline map, which is in the cache afterwards, with its rule files.

        The server is asked if the cache lacks the map, or for what the latest one is; if it does
        not answer that, or the cache is read-only, the latest is what the cache says.

        Parameters
        ----------
        name : str, optional
            See `CrdsCache.resolve_context`.

        Raises
        ------
        RuleFileError
            If there is no such context, or it is not in the cache and cannot be fetched.
        """
        asked = name or os.environ.get(CONTEXT_VARIABLE) or "latest"
        if not asked.endswith(".pmap"):
            self._renew_default()
        try:
            return self.cache.resolve_context(name)
        except MissingFileError as error:
            self.mappings(error.name)
        return self.cache.resolve_context(name)

    def mappings(self, context: str) -> None:
        """Fetch the rule files of a context that the cache lacks.

        Raises
        ------
        RuleFileError
        """
        with self._fetched(f"the rules of {context}", self.cache.mappings, context) as files:
            for name in sorted(files, key=lambda name: _ORDER.index(Path(name).suffix)):
                _install(files[name], self.cache.mappings)

    def reference(self, context: str, name: str, instrument: str = "wfi") -> None:
        """Fetch a reference file.

        Raises
        ------
        RuleFileError
        """
        places = self.cache.reference_directories(instrument)
        # A cache that does not state its layout has the one that its files have.
        place = next((place for place in places if any(place.glob("*.asdf"))), places[0])
        with self._fetched(name, place, context, name) as files:
            _install(files[name], place)

    def _renew_default(self) -> None:
        """Learn from the server which context is the latest, where that can be written down."""
        config = self.cache.config
        if config is None or _obstacle(config):
            return
        try:
            with self._fetched("the name of the latest context", config):
                pass
        except RuleFileError as error:
            if not self.cache.server_config:
                raise
            _log.warning("%s; the latest context that the cache knows is used", error)

    @contextmanager
    def _fetched(
        self, what: str, directory: Path, context: str | None = None, reference: str | None = None
    ) -> Iterator[dict[str, Path]]:
        """Files that the client fetched, by name, until they are moved into a directory."""
        server = os.environ.get(SERVER_VARIABLE, "")
        failure = f"cannot fetch {what} from {server} into {directory}"
        if obstacle := _obstacle(directory):
            raise RuleFileError(f"{failure}: {obstacle}")
        _log.info("Fetching %s from %s", what, server)
        try:
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=_existing(directory)) as path:
                files = _ask(
                    {"context": context, "have": str(self.cache.mappings), "reference": reference},
                    Path(path),
                    failure,
                )
                self._keep_server_config(Path(path))
                yield files
        except OSError as error:
            raise RuleFileError(f"{failure}: {error.strerror or error}") from None

    def _keep_server_config(self, fetched: Path) -> None:
        """Keep what the server said of itself: the latest context, and files it has withdrawn."""
        if self.cache.config is None:
            return
        try:
            # The three parts of a cache may lie on three disks: only a copy can be renamed.
            self.cache.config.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self.cache.config) as path:
                copy = shutil.copy(fetched / "config" / "server_config", path)
                _install(Path(copy), self.cache.config)
        except OSError as error:
            _log.warning("%s: cannot renew server_config: %s", self.cache.config, error.strerror)
            return
        for attribute in ("server_config", "bad_files"):  # what the cache read of the old one
            vars(self.cache).pop(attribute, None)


def _ask(request: dict[str, str | None], directory: Path, failure: str) -> dict[str, Path]:
    """What the client fetches into a directory; the message of an error begins with `failure`."""
    config = directory / "config"
    config.mkdir()
    # Without instruments, the client need not find them out from the names of files.
    (config / "ref_cache_subdir_mode").write_text("flat", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(_CLIENT), json.dumps(request)],
        env=_environment(directory),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:]
        reason = last[0] if last else f"the client ended with status {done.returncode}"
        raise RuleFileError(f"{failure}: {reason}") from None
    if "error" in answer:
        raise RuleFileError(f"{failure}: {answer['error']}")
    return {name: Path(path) for name, path in answer["files"].items()}


def _environment(directory: Path) -> dict[str, str]:
    """The environment in which the client takes a directory for its cache."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith("CRDS_") and "PATH" in name) and name not in _WITHHELD
    }
    return {
        TIMEOUT_VARIABLE: _TIMEOUT,
        **environment,
        OBSERVATORY_VARIABLE: OBSERVATORY,
        "CRDS_PATH_SINGLE": str(directory),
    }


def _existing(directory: Path) -> Path:
    """The directory, or the nearest above it that there is: on the same disk, if it is made."""
    return next(path for path in (directory, *directory.absolute().parents) if path.exists())


def _obstacle(directory: Path) -> str | None:
    """Why nothing can be written to a directory."""
    if flag(READ_ONLY_VARIABLE):
        return f"the cache is read-only ({READ_ONLY_VARIABLE} is set)"
    existing = _existing(directory)
    if not existing.is_dir():
        return f"{existing} is not a directory"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{existing} is not writable"
    return None


def _install(source: Path, directory: Path) -> None:
    """Move a whole file into a directory of the cache, in one step."""
    directory.mkdir(parents=True, exist_ok=True)
    os.replace(source, directory / source.name)
