"""A CRDS cache: a tree of rule files and of the reference files that they name.

::

    mappings/roman/   roman_0017.pmap  roman_wfi_0012.imap  roman_wfi_dark_0003.rmap ...
    references/roman/ wfi/roman_wfi_dark_0001.asdf ...   (or without wfi/, in a flat cache)
    config/roman/     server_config  ref_cache_subdir_mode

It is only read, so that it may lie on a shared disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..._files import path_in
from .conditioning import NOT_APPLICABLE, condition
from .errors import BadParameterError, NoMatchError, RuleFileError
from .literal import MAX_BYTES, LiteralError, parse_value
from .mapping import OMIT, ContextMap, ReferenceMap, special

OBSERVATORY = "roman"
#: Any of these in the environment says that there is a cache.
PATH_VARIABLES = ("CRDS_PATH", "CRDS_PATH_SINGLE", "CRDS_MAPPATH", "CRDS_MAPPATH_SINGLE")
CONTEXT_VARIABLE = "CRDS_CONTEXT"
CHECKSUM_VARIABLE = "CRDS_IGNORE_MAPPING_CHECKSUM"
BAD_RULES_VARIABLE = "CRDS_ALLOW_BAD_RULES"
BAD_REFERENCES_VARIABLE = "CRDS_ALLOW_BAD_REFERENCES"

#: Metadata that may say of which instrument an exposure is.
_INSTRUMENT_KEYS = ("ROMAN.META.INSTRUMENT.NAME", "META.INSTRUMENT.NAME", "INSTRUME", "INSTRUMENT")
_LATEST = ("latest", f"{OBSERVATORY}-latest", f"{OBSERVATORY}-operational")
_NAME = re.compile(r"[A-Za-z0-9][\w.\-]*")
_TRUE, _FALSE = ("True", "true", "TRUE", "T", "t", "1"), ("False", "false", "FALSE", "F", "f", "0")


class CrdsCache:
    """A CRDS cache of the Roman Space Telescope.

    Rule files are read when they are first needed, and once.

    Parameters
    ----------
    mappings, references : Path
        The directories of rule files and of reference files.
    config : Path, optional
        The directory of ``server_config``, which knows the default context.
    ignore_checksum : bool
        Whether wrong checksums of rule files do not matter.
    """

    def __init__(
        self,
        mappings: Path,
        references: Path,
        config: Path | None = None,
        *,
        ignore_checksum: bool = False,
    ) -> None:
        self.mappings = mappings
        self.references = references
        self.config = config
        self.ignore_checksum = ignore_checksum
        self._context_maps: dict[str, ContextMap] = {}
        self._reference_maps: dict[str, ReferenceMap] = {}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> CrdsCache | None:
        """The cache that the environment names.

        For each of the three directories the first of these counts: ``CRDS_MAPPATH_SINGLE``
        (``REFPATH``, ``CFGPATH``); ``CRDS_MAPPATH`` with ``/roman``; ``CRDS_PATH_SINGLE`` with
        ``/mappings`` (``/references``, ``/config``); ``CRDS_PATH`` with ``/mappings/roman``.

        Parameters
        ----------
        environ : dict of str to str, optional
            The environment variables; ``os.environ`` by default.

        Returns
        -------
        CrdsCache or None
            None if the environment names no cache.

        Raises
        ------
        RuleFileError
            If the directory does not exist.
        """
        environ = os.environ if environ is None else environ
        if not any(environ.get(name) for name in PATH_VARIABLES):
            return None
        directories = {
            subdirectory: _directory(environ, variable, subdirectory)
            for variable, subdirectory in (
                ("CRDS_MAPPATH", "mappings"),
                ("CRDS_REFPATH", "references"),
                ("CRDS_CFGPATH", "config"),
            )
        }
        mappings, references = directories["mappings"], directories["references"]
        if mappings is None or references is None:
            missing = "CRDS_REFPATH" if references is None else "CRDS_MAPPATH"
            raise RuleFileError(
                f"the environment names only a part of a CRDS cache: set CRDS_PATH, or {missing}"
            )
        ignored = flag(CHECKSUM_VARIABLE, environ)
        return cls(mappings, references, directories["config"], ignore_checksum=ignored)

    @classmethod
    def at(cls, directory: Path) -> CrdsCache:
        """The cache in a directory, laid out as below ``CRDS_PATH`` or ``CRDS_PATH_SINGLE``.

        Parameters
        ----------
        directory : path
            The directory.

        Returns
        -------
        CrdsCache
        """
        if not (directory / "mappings" / OBSERVATORY).is_dir() and is_cache(directory):
            parts = (directory / part for part in ("mappings", "references", "config"))
            return cls(*parts, ignore_checksum=flag(CHECKSUM_VARIABLE))
        mappings, references, config = (
            directory / part / OBSERVATORY for part in ("mappings", "references", "config")
        )
        return cls(mappings, references, config, ignore_checksum=flag(CHECKSUM_VARIABLE))

    # --- contexts

    def resolve_context(self, name: str | None = None) -> str:
        """The name of a pipeline map.

        Parameters
        ----------
        name : str, optional
            ``roman_0017.pmap``, or ``latest`` (also ``roman-latest``) for the cache's default;
            by default what ``CRDS_CONTEXT`` says, else the cache's default.

        Returns
        -------
        str

        Raises
        ------
        RuleFileError
            If there is no such map in the cache, or no default.
        """
        source = "context"
        if not name:
            name, source = os.environ.get(CONTEXT_VARIABLE) or "latest", CONTEXT_VARIABLE
        if name in _LATEST:
            context = self._default_context()
        elif name == f"{OBSERVATORY}-edit":
            context = str(self.server_config.get("edit_context") or self._default_context())
        elif name.endswith(".pmap"):
            context = _plain(name, source)
        else:
            raise RuleFileError(
                f"{source}: {name} is not a context; expected a name such as roman_0017.pmap, "
                "latest or roman-latest"
            )
        if not (self.mappings / context).is_file():
            raise MissingFileError(context, self.mappings, f"context {context}", self._known())
        return context

    @property
    def contexts(self) -> list[str]:
        """The pipeline maps that are there."""
        return sorted(path.name for path in self.mappings.glob(f"{OBSERVATORY}*.pmap"))

    def _default_context(self) -> str:
        config = self.server_config
        context = config.get("latest_context") or config.get("operational_context")
        if not isinstance(context, str):
            raise RuleFileError(
                f"the CRDS cache has no default context: {self._config_path()} does not name one; "
                f"give it with --context or {CONTEXT_VARIABLE} ({self._known()})"
            )
        return _plain(context, str(self._config_path()))

    def _known(self) -> str:
        names = self.contexts
        if not self.mappings.is_dir():
            return f"there is no directory {self.mappings}"
        if not names:
            return f"no pipeline map is in {self.mappings}"
        return f"there: {', '.join(names[-3:])}" + (" and older" if len(names) > 3 else "")

    @cached_property
    def server_config(self) -> dict[str, Any]:
        """What the server said last, as the cache keeps it; empty if it keeps nothing.

        Raises
        ------
        RuleFileError
            If the file cannot be read, or is not what the server writes.
        """
        path = self._config_path()
        if path is None or not path.is_file():
            return {}
        try:
            if path.stat().st_size > MAX_BYTES:
                raise RuleFileError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
            value = parse_value(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, LiteralError) as error:
            raise RuleFileError(f"{path}: {error}") from None
        if not isinstance(value, dict):
            raise RuleFileError(f"{path}: is not a dictionary")
        return value

    def stamp_of_config(self) -> tuple[int, int] | None:
        """Size and time of change of the file ``server_config``.

        Returns
        -------
        tuple of (int, int) or None
            None if there is no such file.
        """
        path = self._config_path()
        try:
            status = None if path is None else path.stat()
        except OSError:
            return None
        return None if status is None else (status.st_size, status.st_mtime_ns)

    def _config_path(self) -> Path | None:
        return None if self.config is None else self.config / "server_config"

    @cached_property
    def bad_files(self) -> frozenset[str]:
        """Rule files and reference files that the observatory has withdrawn."""
        names = self.server_config.get("bad_files_list", ())
        return frozenset(map(str, names)) if isinstance(names, list | tuple) else frozenset()

    # --- rules

    def pipeline_map(self, context: str) -> ContextMap:
        """The pipeline map of a context.

        Parameters
        ----------
        context : str
            Name of a pipeline map, such as ``roman_0001.pmap``.

        Returns
        -------
        ContextMap

        Raises
        ------
        RuleFileError
        """
        return self._context_map(context, "the cache")

    def instrument_map(self, context: str, instrument: str) -> ContextMap:
        """The instrument map of a context.

        Parameters
        ----------
        context : str
            Name of a pipeline map, such as ``roman_0001.pmap``.
        instrument : str
            Name of the instrument.

        Returns
        -------
        ContextMap

        Raises
        ------
        RuleFileError
        NoMatchError
            If the context has no rules for the instrument.
        """
        pipeline = self.pipeline_map(context)
        name = pipeline.selections.get(instrument.lower())
        if name is None or special(name):
            known = ", ".join(pipeline.selections)
            raise NoMatchError(f"{context} has no rules for instrument {instrument}, only {known}")
        return self._context_map(name, context)

    def reference_map(self, context: str, instrument: str, reftype: str) -> ReferenceMap | str:
        """The rules for a reference type.

        Parameters
        ----------
        context : str
            Name of a pipeline map, such as ``roman_0001.pmap``.
        instrument : str
            Name of the instrument.
        reftype : str
            Reference type, such as ``"flat"``, in any case.

        Returns
        -------
        ReferenceMap or str
            ``"N/A"`` or ``"OMIT"`` if no reference of the type is needed.

        Raises
        ------
        RuleFileError
        NoMatchError
            If the context does not know the type.
        """
        instrument_map = self.instrument_map(context, instrument)
        name = instrument_map.selections.get(reftype.lower())
        if name is None:
            known = ", ".join(instrument_map.selections)
            raise NoMatchError(f"{instrument_map.name} has no rules for {reftype}, only {known}")
        if answer := special(name):
            return answer
        if name not in self._reference_maps:
            self._check_allowed(name)
            path = self._mapping_path(name, instrument_map.name)
            self._reference_maps[name] = ReferenceMap(path, ignore_checksum=self.ignore_checksum)
        return self._reference_maps[name]

    def best_reference(self, context: str, reftype: str, header: Mapping[str, str]) -> str:
        """Choose the file of a type for an exposure.

        Parameters
        ----------
        context : str
            The name of a pipeline map.
        reftype : str
            Such as ``"flat"``.
        header : dict of str to str
            The exposure's metadata by name, such as ``ROMAN.META.INSTRUMENT.DETECTOR``.

        Returns
        -------
        str
            The name of a file, ``"N/A"`` or ``"OMIT"``.

        Raises
        ------
        RuleFileError, NoMatchError, BadParameterError, AmbiguousMatchError
        """
        conditioned = {key.upper(): condition(value) for key, value in header.items()}
        instrument = self.instrument_of(context, conditioned)
        rules = self.reference_map(context, instrument, reftype)
        return rules if isinstance(rules, str) else rules.best_reference(conditioned)

    def instrument_of(self, context: str, header: Mapping[str, str]) -> str:
        """The instrument that an exposure's metadata name.

        Parameters
        ----------
        context : str
            Name of a pipeline map, such as ``roman_0001.pmap``.
        header : dict of str to str
            Metadata of the exposure by their names in the rules.

        Returns
        -------
        str

        Raises
        ------
        BadParameterError
            If they name none.
        """
        parkey = self.pipeline_map(context).header["parkey"]
        first = parkey[0] if isinstance(parkey, tuple | list) and parkey else ""
        for key in (str(first).upper(), *_INSTRUMENT_KEYS):
            if header.get(key, "UNDEFINED") != "UNDEFINED":
                return header[key]
        raise BadParameterError(f"{first}: the exposure does not name its instrument")

    def _context_map(self, name: str, source: str) -> ContextMap:
        if name not in self._context_maps:
            self._check_allowed(name)
            path = self._mapping_path(name, source)
            self._context_maps[name] = ContextMap.load(path, ignore_checksum=self.ignore_checksum)
        return self._context_maps[name]

    def _mapping_path(self, name: str, source: str) -> Path:
        path = self.mappings / _plain(name, source)
        if not path.is_file():
            raise MissingFileError(name, self.mappings, f"the rule file {name} of {source}")
        return path

    def _check_allowed(self, name: str) -> None:
        if name in self.bad_files and not flag(BAD_RULES_VARIABLE):
            raise RuleFileError(
                f"{self.mappings / name}: these rules were withdrawn as scientifically invalid; "
                f"name another context ({BAD_RULES_VARIABLE}=1 uses them anyway)"
            )

    # --- files

    def locate(self, name: str, instrument: str = "wfi", source: str = "the rules") -> Path:
        """Where the reference file with a name is.

        Parameters
        ----------
        name : str
            As the rules have it, without any directory.
        instrument : str
            Name of the instrument.
        source : str
            The rule file that names it, for messages.

        Returns
        -------
        path

        Raises
        ------
        RuleFileError
            If the name leads out of the cache, the file is not there, or it was withdrawn.
        """
        name = _plain(name, source)
        if name in self.bad_files and not flag(BAD_REFERENCES_VARIABLE):
            raise RuleFileError(
                f"{name}: this reference was withdrawn as scientifically invalid; name another "
                f"context, or another file with override_ ({BAD_REFERENCES_VARIABLE}=1 uses it "
                "anyway)"
            )
        places = self.reference_directories(instrument)
        for directory in places:
            if (directory / name).is_file():
                return directory / name
        raise MissingFileError(name, places[0], f"the reference file {name}")

    def reference_directories(self, instrument: str = "wfi") -> list[Path]:
        """Where reference files may be, by the layout of the cache.

        Parameters
        ----------
        instrument : str, optional
            Name of the instrument.

        Returns
        -------
        list of path
        """
        by_instrument, flat = self.references / instrument.lower(), self.references
        mode = self._subdirectory_mode()
        if mode == "flat":
            return [flat]
        return [by_instrument] if mode == "instrument" else [by_instrument, flat]

    def _subdirectory_mode(self) -> str:
        if self.config is None:
            return ""
        path = self.config / "ref_cache_subdir_mode"
        if not path.is_file():
            return ""
        try:
            with path.open(encoding="utf-8") as file:
                mode = file.read(100).strip()
        except (OSError, UnicodeDecodeError):
            mode = "unreadable"
        if mode not in ("instrument", "flat"):
            raise RuleFileError(f"{path}: the layout is {mode!r}; expected instrument or flat")
        return mode


class MissingFileError(RuleFileError):
    """A file that the rules name is not in the cache.

    Parameters
    ----------
    name : str
        The file.
    directory : Path
        Where it would be.
    what : str
        What the message calls it.
    more : str
        What else there is to say.
    """

    def __init__(self, name: str, directory: Path, what: str, more: str = "") -> None:
        self.name, self.directory, self.what = name, directory, what
        message = f"{what} is not in the CRDS cache, in {directory}"
        super().__init__(f"{message} ({more})" if more else message)


def is_cache(directory: Path) -> bool:
    """Whether a directory is that of a CRDS cache, not of reference files."""
    mappings = directory / "mappings"
    return (mappings / OBSERVATORY).is_dir() or any(mappings.glob(f"{OBSERVATORY}*.pmap"))


def flag(name: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether a switch of the environment is on.

    Raises
    ------
    RuleFileError
        If it is neither on nor off.
    """
    value = (os.environ if environ is None else environ).get(name, "0")
    if value not in (*_TRUE, *_FALSE):
        raise RuleFileError(f"{name}={value}: expected 1 or 0")
    return value in _TRUE


def _directory(environ: Mapping[str, str], variable: str, subdirectory: str) -> Path | None:
    if path := path_in(f"{variable}_SINGLE", environ):
        return path
    if path := path_in(variable, environ):
        return path / OBSERVATORY
    if path := path_in("CRDS_PATH_SINGLE", environ):
        return path / subdirectory
    if path := path_in("CRDS_PATH", environ):
        return path / subdirectory / OBSERVATORY
    return None


def _plain(name: str, source: str) -> str:
    """A name that stays in its directory."""
    if not _NAME.fullmatch(name) or name in (NOT_APPLICABLE, OMIT):
        raise RuleFileError(f"{source}: {name!r} is not a plain file name, and may leave the cache")
    return name
