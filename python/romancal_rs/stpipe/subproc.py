"""Runs shell commands as steps."""

from __future__ import annotations

import os
import re
import selectors
import signal
import string
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import RomancalError
from .parameters import ParameterError
from .step import Step

#: How many of the last lines on stderr the message about a failed command quotes.
_QUOTED_LINES = 5


class SystemCallError(RomancalError, OSError):
    """A command could not be started, or ended with another status than 0."""


class SystemCall(Step):
    """Run a command in the shell.

    The placeholders ``{0}``, ``{1}`` in the command stand for the inputs of the step: paths,
    numbers, or data models, which are saved to temporary files while the command runs. The shell
    gets the values in variables, never as text of the command, so that a file name stays one word
    even if it contains blanks or quotes. Quotes around a placeholder do no harm.

    The result of the step is None. The command cannot read from the terminal.
    """

    is_command = True

    spec = """
        command = string()  # Command for the shell; {0}, {1}: inputs; {{, }}: braces
        env = string_list(default=list())  # Environment variables to set, each as NAME=value
        log_stdout = boolean(default=True)  # Log what the command prints
        log_stderr = boolean(default=True)  # Log what the command prints as errors
        exitcode_as_exception = boolean(default=True)  # A status other than 0 is an error
        failure_as_exception = boolean(default=True)  # Failing to start it is an error
    """

    def process(self, *args: Any) -> None:
        """Run the command, and log its output line by line at level INFO.

        Parameters
        ----------
        *args : path, number or data model
            Values for the placeholders ``{0}``, ``{1}``...

        Raises
        ------
        ParameterError
            If the command has a placeholder without an argument, or a brace that is none.
        SystemCallError
            If the command fails, unless the parameters say that this is no error.
        """
        script = shell_script(self.command, len(args))
        with tempfile.TemporaryDirectory(prefix="romancal-rs-") as directory:
            values = [self._as_text(arg, i, Path(directory)) for i, arg in enumerate(args)]
            environment = self._environment(values)
            shown = "".join(f"; {{{i}}} is {value}" for i, value in enumerate(values))
            self.log.info("Running %s%s", self.command, shown)
            try:
                process = self._start(script, environment)
            except (OSError, ValueError) as error:  # ValueError: a null character in a value
                message = f"cannot start {self.command!r}: {error}"
                if self.failure_as_exception:
                    raise SystemCallError(message) from error
                self.log.warning("%s", message)
                return
            last_errors = self._log_output(process)
        if process.returncode == 0:
            self.log.info("Done: %s", self.command)
            return
        message = f"{self.command!r} {_ending(process.returncode)}"
        if self.exitcode_as_exception:
            raise SystemCallError(": ".join([message, "\n".join(last_errors)]).removesuffix(": "))
        self.log.warning("%s", message)

    def _as_text(self, value: Any, index: int, directory: Path) -> str:
        if hasattr(value, "meta") and hasattr(value, "save"):
            owner = self if self.parent is None else self.parent
            stem = re.sub(r"[^\w.-]", "_", owner.name)
            path = directory / f"{stem}_{index}.asdf"
            value.save(path)
            return str(path)
        return os.fsdecode(value) if isinstance(value, os.PathLike) else str(value)

    def _environment(self, values: list[str]) -> dict[str, str]:
        environment = dict(os.environ)
        for item in self.env:
            name, equals, value = item.partition("=")
            if not name or not equals:
                raise ParameterError(f"{self.name}: env: {item!r} is not of the form NAME=value")
            environment[name] = value
        environment.update({_variable(i): value for i, value in enumerate(values)})
        return environment

    @staticmethod
    def _start(script: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            bufsize=0,
            process_group=0,  # so that all that the shell starts can be ended with it
        )

    def _log_output(self, process: subprocess.Popen[bytes]) -> list[str]:
        """Logs until the command ends; returns the last lines that it printed as errors."""
        last_errors: deque[str] = deque(maxlen=_QUOTED_LINES)
        with process:
            try:
                for stream, line in _lines(process):
                    if stream == "stderr":
                        last_errors.append(line)
                    if self.log_stdout if stream == "stdout" else self.log_stderr:
                        self.log.info("%s", line)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        return list(last_errors)


def hook_of_command(command: str, parent: Step) -> SystemCall:
    """The step that runs a command as a hook of another.

    Raises
    ------
    ParameterError
        If a brace in the command is not a placeholder.
    """
    shell_script(command)
    return SystemCall(command=command, parent=parent)


def shell_script(command: str, n_args: int | None = None) -> str:
    """The command with its placeholders replaced by shell variables.

    Parameters
    ----------
    command : str
        Text with ``{0}``, ``{1}``; ``{{`` and ``}}`` stand for braces.
    n_args : int, optional
        How many values there are; None for not known yet.

    Raises
    ------
    ParameterError
        If a brace is not a placeholder, or there is no value for one.
    """
    advice = "placeholders are {0}, {1} and so on; write {{ and }} for braces"
    try:
        fields = list(string.Formatter().parse(command))
    except ValueError as error:
        raise ParameterError(f"command {command!r}: {error}; {advice}") from None
    script = ""
    for literal, name, format_spec, conversion in fields:
        script += literal
        if name is None:
            continue
        if not (name.isascii() and name.isdigit()) or format_spec or conversion:
            tail = (f"!{conversion}" if conversion else "") + (
                f":{format_spec}" if format_spec else ""
            )
            raise ParameterError(
                f"command {command!r}: {{{name}{tail}}} is not a placeholder; {advice}"
            )
        if n_args is not None and int(name) >= n_args:
            raise ParameterError(f"command {command!r}: no {{{name}}}, there are {n_args} values")
        variable = f"${{{_variable(int(name))}}}"
        quote = _open_quote(script)
        if quote == '"':
            script += variable
        elif quote == "'":
            script += f"'\"{variable}\"'"
        else:
            script += f'"{variable}"'
    return script


def _variable(index: int) -> str:
    return f"ROMANCAL_RS_ARGUMENT_{index}"


def _open_quote(script: str) -> str:
    """The quote that is open at the end of the beginning of a script, or nothing.

    Inside ``$(...)`` quotes start anew. A mistake here (in a comment or a here-document) could
    split a value into words, but never run it: values are in variables.
    """
    opened: list[str] = []
    escaped = False
    for i, char in enumerate(script):
        inner = opened[-1] if opened else ""
        if escaped:
            escaped = False
        elif inner == "'":
            if char == "'":
                opened.pop()
        elif char == "\\":
            escaped = True
        elif char == inner:
            opened.pop()
        elif char == '"' or (char == "'" and inner != '"'):
            opened.append(char)
        elif char == "(" and (inner != '"' or script[i - 1 : i] == "$"):
            opened.append(")")
    return opened[-1] if opened and opened[-1] != ")" else ""


def _lines(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, str]]:
    """Lines of both outputs as they come, with ``stdout`` or ``stderr``.

    Read in the calling thread, as a run keeps only the log messages of its own thread.
    """
    rest = {"stdout": b"", "stderr": b""}
    with selectors.DefaultSelector() as selector:
        for name in rest:
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                *lines, rest[key.data] = (rest[key.data] + chunk).split(b"\n")
                if not chunk and rest[key.data]:
                    lines.append(rest[key.data])
                for line in lines:
                    yield key.data, line.decode(errors="replace").rstrip("\r")


def _ending(status: int) -> str:
    if status < 0:
        return f"was ended by signal {-status} ({signal.strsignal(-status)})"
    return f"ended with status {status}"
