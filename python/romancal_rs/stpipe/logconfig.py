"""Logging configuration files: which messages of which steps are shown, and where.

An ini file. The name of a section is a glob pattern for steps; its options are ``level``,
``break_level``, ``handler`` and ``format``::

    [*]
    level = INFO
    handler = file:myrun.log

    [*.rampfit]
    break_level = ERROR

Of several sections that match a step, each sets the options it has; where two set the same one,
the more specific wins: the one with more characters that are not wildcards, the later of equals.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

from configobj import ConfigObj, ConfigObjError

from .._exit_status import ExitStatus
from .._files import local_path
from ..errors import RomancalError, nearest
from . import ini, runlog
from .runlog import DEFAULT_FORMAT, ConsoleHandler, Display

#: Where a configuration file is looked for when none is named; the first that exists is used.
SEARCHED = ("stpipe-log.cfg", "~/stpipe-log.cfg", "~/.stpipe-log.cfg", "/etc/stpipe-log.cfg")

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_CONSOLES = ("stdout", "stderr")


class LogConfigError(RomancalError, ValueError):
    """A logging configuration file cannot be read, is wrong, or names a file that cannot be."""

    exit_status: ClassVar[int] = ExitStatus.WRONG_USAGE


@dataclass(frozen=True)
class Section:
    """The options that one section sets; None where it does not.

    Attributes
    ----------
    level, break_level : int, optional
        As in the `logging` module.
    handler : tuple of str, optional
        Of ``file:NAME``, ``append:NAME``, ``stdout`` and ``stderr``.
    format : str, optional
        What a message contains, as for `logging.Formatter`.
    """

    level: int | None = None
    break_level: int | None = None
    handler: tuple[str, ...] | None = None
    format: str | None = None


OPTIONS = tuple(field.name for field in fields(Section))


@dataclass(frozen=True)
class Settings:
    """What holds for one step: `Section`, with a value for every option but ``break_level``."""

    level: int = logging.WARNING
    break_level: int | None = None
    handler: tuple[str, ...] = ("stderr",)
    format: str = DEFAULT_FORMAT
    #: The section that set the break level.
    break_section: str | None = None


@dataclass(frozen=True)
class Overrides:
    """What a command line says of messages; it wins over configuration files.

    Attributes
    ----------
    level : int, optional
        Messages from it upwards are shown, and on the terminal, whatever the sections say.
    is_quiet : bool
        The terminal gets errors only.
    file : path, optional
        Gets messages from `level` upwards, or from INFO, at its end.
    """

    level: int | None = None
    is_quiet: bool = False
    file: str | os.PathLike[str] | None = None

    @property
    def handlers(self) -> tuple[str, ...]:
        """Those that it adds to a configuration's."""
        return () if self.file is None else (f"append:{os.fspath(self.file)}",)

    @property
    def level_of_file(self) -> int:
        return logging.INFO if self.level is None else self.level


NO_OVERRIDES = Overrides()


@dataclass(frozen=True)
class LogConfig:
    """The sections of a logging configuration.

    Attributes
    ----------
    sections : dict of str to Section
        By pattern, in the order of the file.
    path : str
        The file, for messages.
    overrides : Overrides
    """

    sections: dict[str, Section]
    path: str = ""
    overrides: Overrides = NO_OVERRIDES

    @classmethod
    def read(cls, path: str | os.PathLike[str], overrides: Overrides = NO_OVERRIDES) -> LogConfig:
        """Reads a configuration file.

        Raises
        ------
        LogConfigError
            If it cannot be read, or something in it is wrong: names the file, the section, the
            option, and what would be valid.
        """
        path = local_path(path)
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
            # Lists and quotes are left alone: a format may contain commas.
            parsed = ConfigObj(
                text.splitlines(), interpolation=False, list_values=False, raise_errors=True
            )
        except OSError as error:
            raise LogConfigError(
                f"cannot read the logging configuration file {path}: {error.strerror}"
            ) from error
        except (ConfigObjError, UnicodeDecodeError) as error:
            raise LogConfigError(
                f"{path} is not a logging configuration file: {ini.what_is_wrong(error)}"
            ) from error
        if parsed.scalars:
            raise LogConfigError(
                f"{path}: {parsed.scalars[0]} is outside of a section; begin the file with [*] "
                "for settings of all steps"
            )
        sections = {name: _read_section(parsed[name], name, path) for name in parsed.sections}
        return cls(sections, path, overrides)

    def settings(self, step: str) -> Settings:
        """What holds for a step.

        Parameters
        ----------
        step : str
            The name of its logger after ``stpipe.``: ``ExposurePipeline.rampfit``.
        """
        matching = [pattern for pattern in self.sections if _matches(step, pattern)]
        options: dict[str, Any] = {}
        for pattern in sorted(matching, key=_specificity):
            section = self.sections[pattern]
            options |= {
                name: getattr(section, name)
                for name in OPTIONS
                if getattr(section, name) is not None
            }
            if section.break_level is not None:
                options["break_section"] = pattern
        settings = Settings(**options)
        if self.overrides.level is not None:
            settings = replace(settings, level=self.overrides.level)
            if not set(settings.handler) & set(_CONSOLES):
                settings = replace(settings, handler=(*settings.handler, "stderr"))
        return settings


@contextmanager
def applied(
    logcfg: str | os.PathLike[str] | None = None,
    verbose: bool = False,
    overrides: Overrides = NO_OVERRIDES,
) -> Iterator[None]:
    """Shows what steps log, inside the ``with`` block, as a configuration says.

    `Step.run` does this for each run; a block around several runs makes them share the log files.
    These are opened at the start and closed at the end.

    Parameters
    ----------
    logcfg : path, optional
        The configuration file. None: that of the block around this one, if there is one; else the
        first of `SEARCHED`; without any, Python's logging as the user set it up, and messages from
        WARNING upwards on stderr where he did not.
    verbose : bool
        Show all messages, on the terminal too.
    overrides : Overrides
        What a command line says, over the configuration.

    Raises
    ------
    LogConfigError
        If the configuration file is wrong, or a file it names cannot be opened.
    """
    if verbose:
        overrides = replace(overrides, level=logging.DEBUG)
    if logcfg is None and overrides == NO_OVERRIDES and runlog.is_showing():
        yield
        return
    path = _find() if logcfg is None else logcfg
    if path is None and overrides == NO_OVERRIDES:
        with runlog.showing():
            yield
        return
    config = LogConfig({}, "", overrides) if path is None else LogConfig.read(path, overrides)
    with _Destinations(config) as destinations, runlog.showing(destinations.display):
        yield


def _find() -> str | None:
    return next((name for name in SEARCHED if os.path.isfile(os.path.expanduser(name))), None)


def _matches(step: str, pattern: str) -> bool:
    """``*.rampfit`` is any step of that name: also one that runs by itself, with nothing before."""
    return fnmatchcase(step, pattern) or fnmatchcase(f".{step}", pattern)


def _specificity(pattern: str) -> int:
    return sum(character not in "*?" for character in pattern)


class _Destinations:
    """The places that a configuration's messages go to; its files are open in a ``with`` block."""

    def __init__(self, config: LogConfig) -> None:
        self._config = config
        self._stack = ExitStack()
        #: How a file was asked for, and the open file, by its path.
        self._files: dict[str, tuple[str, _LogFile]] = {}
        self.display = functools.cache(self._display)
        self._handler = functools.cache(self._make_handler)

    def __enter__(self) -> _Destinations:
        with ExitStack() as stack:
            for pattern, section in self._config.sections.items():
                for handler in section.handler or ():
                    if handler not in _CONSOLES:
                        where = f"{self._config.path}, section [{pattern}], handler = {handler}"
                        self._open(handler, where, stack)
            for handler in self._config.overrides.handlers:
                self._open(handler, f"--log-file {handler.partition(':')[2]}", stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _open(self, handler: str, where: str, stack: ExitStack) -> None:
        kind, path = _file_of(handler)
        if path in self._files:
            if self._files[path][0] != kind:
                raise LogConfigError(
                    f"{where}: another handler uses the same file, with "
                    f"{self._files[path][0]}: instead of {kind}:; use one of them"
                )
            return
        if not os.path.isdir(os.path.dirname(path)):
            raise LogConfigError(
                f"{where}: the directory {os.path.dirname(path)} does not exist; make it first"
            )
        file = _LogFile(path, where)
        stack.callback(file.close)
        if kind == "file":
            file.empty()
        self._files[path] = (kind, file)

    def _display(self, logger_name: str) -> Display:
        settings = self._config.settings(logger_name.removeprefix(f"{runlog.LOGGER_NAME}."))
        overrides = self._config.overrides
        shown = [(handler, settings.format, settings.level) for handler in settings.handler]
        shown += [(name, DEFAULT_FORMAT, overrides.level_of_file) for name in overrides.handlers]
        return Display(
            min(level for *_, level in shown),
            tuple(self._handler(*how) for how in shown),
            settings.break_level,
            f"section [{settings.break_section}] of {self._config.path}",
        )

    def _make_handler(self, handler: str, format: str, level: int) -> logging.Handler:
        made: logging.Handler
        if handler in _CONSOLES:
            made = ConsoleHandler(handler, format)
            if self._config.overrides.is_quiet:
                level = max(level, logging.ERROR)
        else:
            file: Any = self._files[_file_of(handler)[1]][1]
            made = logging.StreamHandler(file)
            made.setFormatter(logging.Formatter(format))
        made.setLevel(level)
        return made


class _LogFile:
    """A file that messages are added to: what others write into it meanwhile is not overwritten.

    Where it takes no more, as on a full disk, that is told once, and the run goes on.

    Parameters
    ----------
    path : str
    where : str
        What asked for it, for messages.
    """

    def __init__(self, path: str, where: str) -> None:
        try:
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise LogConfigError(f"{where}: cannot write {path}: {error.strerror}") from error
        self._where = where
        self._is_lost = False

    def empty(self) -> None:
        with contextlib.suppress(OSError):  # a pipe, or a device
            self._file.truncate(0)

    def write(self, text: str) -> None:
        if self._is_lost:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            self._is_lost = True
            if sys.stderr is not None:
                with contextlib.suppress(OSError, ValueError):
                    print(
                        f"{self._where}: {error.strerror}; it gets no more messages",
                        file=sys.stderr,
                        flush=True,
                    )

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written is still in its memory
            self._file.close()


def _file_of(handler: str) -> tuple[str, str]:
    """``file`` or ``append``, and the absolute path."""
    kind, _, name = handler.partition(":")
    return kind, os.path.abspath(local_path(name))


# --- reading values


def _read_section(options: Any, section: str, path: str) -> Section:
    where = f"{path}, section [{section}]"
    if options.sections:
        raise LogConfigError(f"{where}: sections cannot contain others such as {options.sections}")
    values: dict[str, Any] = {}
    for option, value in options.items():
        if option not in _READERS:
            raise LogConfigError(
                f"{where}: there is no option {option!r}{nearest(option, OPTIONS)}; "
                f"the options are {', '.join(OPTIONS)}"
            )
        try:
            values[option] = _READERS[option](_unquoted(value))
        except ValueError as error:
            raise LogConfigError(f"{where}, {option} = {value}: {error}") from error
    return Section(**values)


def _unquoted(value: str) -> str:
    """Without the quotes around the whole of it."""
    value = value.strip()
    if len(value) >= 2 and value[0] in "'\"" and value.find(value[0], 1) == len(value) - 1:
        return value[1:-1].strip()
    return value


def read_level(value: str) -> int:
    """The level that a word means, in upper or lower case.

    Raises
    ------
    ValueError
        If there is none of that name; the message names those that there are.
    """
    if value.upper() not in LEVELS:
        raise ValueError(
            "no such level"
            + (nearest(value.upper(), LEVELS) or f"; the levels are {', '.join(LEVELS)}")
        )
    return logging.getLevelNamesMapping()[value.upper()]


def _read_handlers(value: str) -> tuple[str, ...]:
    handlers = tuple(dict.fromkeys(_unquoted(part) for part in value.split(",")))
    for handler in handlers:
        kind, _, name = handler.partition(":")
        if handler not in _CONSOLES and not (kind in ("file", "append") and name):
            raise ValueError(
                f"{handler!r} is not a handler; valid handlers are file:NAME, append:NAME, "
                "stdout, stderr, and several of them in quotes, separated by commas"
            )
    return handlers


def _read_format(value: str) -> str:
    sample = logging.LogRecord("stpipe.step", logging.INFO, "step.py", 1, "message", (), None)
    try:
        logging.Formatter(value).format(sample)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{error}; a format consists of text and of attributes of a log record such as "
            "%(asctime)s, %(name)s, %(levelname)s, %(message)s"
        ) from error
    return value


_READERS = {
    "level": read_level,
    "break_level": read_level,
    "handler": _read_handlers,
    "format": _read_format,
}
