"""Runs the blocks of a page one after the other, as a reader would, in one directory.

Of the languages

- ``python`` is run in one namespace. A literal in a comment after an expression is its value;
  after a ``print``, what it prints: ``len(names)  # 3``, or ``len(names)  # 3: one for each``.
- ``sh`` is a command in each line; those of this package run in this process, all others in bash.
- ``console`` has commands after ``$``, and below each what it prints.
- ``text`` is what the block before it printed last.
- ``ini``, ``yaml`` and ``json`` are read by what reads such files.

A block whose paragraph begins with the name of a file, and ends with a colon, is that file.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from romancal_rs import cli
from romancal_rs.stpipe import config, logconfig

from .blocks import Block
from .comparing import differences
from .exceptions import why_not_run

#: Words of bash that mean more than a command with its arguments.
_OF_THE_SHELL = {"|", "||", "&", "&&", ";", "<", ">", ">>"}
#: Commands of which other statuses than 0 are no failure.
_STATUSES = {"diff": {0, 1}}
#: A comment that says what an expression is, or what is printed.
_SAID = re.compile(r"(?<=  # ).*$")


class BlockError(AssertionError):
    """A block that does not do what its page says."""


class PageRun:
    """The state of a page while its blocks run.

    Parameters
    ----------
    directory : Path
        The current directory.
    rewrite : mapping
        Texts of commands, and what they are here, for paths and names that only others have.
    """

    def __init__(
        self,
        directory: Path,
        rewrite: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.rewrite = rewrite or {}
        self.printed = ""
        """What the last command or block of Python printed."""
        self.transcript = ""
        """What all of them printed."""
        self.status = 0
        self.in_background: list[subprocess.Popen[bytes]] = []

    def close(self) -> None:
        """Ends what runs in the background."""
        for process in self.in_background:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()

    def run(self, block: Block) -> None:
        """Runs or checks one block."""
        language = block.language.split()[0] if block.language else ""
        kinds: dict[str, Callable[[Block], None]] = {
            **{"python": self.python, "sh": self.shell, "bash": self.shell},
            **{"console": self.console, "text": self.text},
            **{"ini": self.content, "yaml": self.content, "json": self.content},
        }
        if language not in kinds:
            raise BlockError(f"{block}: a block of such a language cannot be checked")
        if block.file:
            (self.directory / block.file).write_text(block.text, encoding="utf-8")
            if language == "python":
                compile(block.text, str(block), "exec")
                return
        kinds[language](block)

    # --- Python

    def python(self, block: Block) -> None:
        tree = ast.parse("\n" * (block.line - 1) + block.text, f"{block.page}")
        lines = ("\n" * (block.line - 1) + block.text).splitlines()
        with _output() as printed:
            for statement in tree.body:
                begin = len(printed())
                value = self._statement(statement, block)
                said = _said(lines[(statement.end_lineno or 0) - 1])
                is_print = value is None and len(printed()) > begin
                got = printed()[begin:].rstrip("\n") if is_print else repr(value)
                if said and isinstance(statement, ast.Expr) and differences(said, got):
                    place = f"{block.page}:{statement.lineno}"
                    raise BlockError(f"{place}: says {said!r}, but it is {got!r}")
            self.printed = printed()
        self.transcript += self.printed
        if tree.body and isinstance(tree.body[-1], ast.Expr) and value is not None:
            self.printed += f"{value!r}\n"

    def _statement(self, statement: ast.stmt, block: Block) -> object:
        try:
            if isinstance(statement, ast.Expr):
                code = compile(ast.Expression(statement.value), block.page, "eval")
                return eval(code, self.names)
            exec(compile(ast.Module([statement], []), block.page, "exec"), self.names)
        except Exception as error:
            error.add_note(f"at {block.page}:{statement.lineno}: {ast.unparse(statement)}")
            raise
        return None

    # --- the shell

    def shell(self, block: Block) -> None:
        for command in _commands(block.text):
            self._command(command, block)

    def console(self, block: Block) -> None:
        shown: list[str] = []
        command = ""
        for line in [*_joined(block.text), "$ "]:
            if not line.startswith("$ "):
                shown.append(line)
                continue
            if command:
                self._command(command, block, may_fail=line == "$ echo $?")
                wrong = differences("\n".join(shown), self.printed)
                if wrong:
                    raise BlockError(f"{block}: {command}\n{wrong}")
            command, shown = line.removeprefix("$ "), []

    def _command(self, command: str, block: Block, may_fail: bool = False) -> None:
        for text, here in self.rewrite.items():
            command = command.replace(text, here)
        words = shlex.split(command, comments=True)
        if not words:
            return
        if why_not_run(command):
            if _OF_THE_SHELL & set(_lexed(command)):
                raise BlockError(f"{block}: {command}\nwould hide the other commands of its line")
            return
        if words == ["echo", "$?"]:
            self.printed = f"{self.status}\n"
            return
        if words[0] == "export":
            for assignment in self._expanded(command)[1:]:
                name, _, value = assignment.partition("=")
                os.environ[name] = value
            return
        if words[0] == "cd":
            os.chdir(self._expanded(command)[1])
            return
        if words[0] == "make":
            # What make does is tested elsewhere: here, that there is such a target.
            root = Path(__file__).parents[2]
            command = shlex.join(["make", "-n", "-C", str(root), *words[1:]])
        if words[-1] == "&":
            line = f"exec {command.removesuffix('&')}"
            log = (self.directory / f"background{len(self.in_background)}.log").open("wb")
            with log:
                self.in_background.append(
                    subprocess.Popen(
                        ["bash", "-c", line], stdout=log, stderr=log, start_new_session=True
                    )
                )
            return
        if words[0] == "romancal-rs" and not _OF_THE_SHELL & set(_lexed(command)):
            self._ours(self._expanded(command)[1:])
        else:
            self._others(command)
        self.transcript += self.printed
        fine = _STATUSES.get(words[1] if len(words) > 1 else "", {0})
        if self.status not in fine and not may_fail:
            raise BlockError(f"{block}: {command}\nended with {self.status}:\n{self.printed}")

    def _ours(self, words: list[str]) -> None:
        with _output() as printed:
            try:
                self.status = cli.main(words)
            except SystemExit as end:
                self.status = int(end.code or 0)
            self.printed = printed()

    def _others(self, command: str) -> None:
        done = subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.status, self.printed = done.returncode, done.stdout

    def _expanded(self, command: str) -> list[str]:
        """The words of a command, of which bash expands variables, patterns and ``~``."""
        done = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
        )
        return done.stdout.split("\0")[:-1]

    # --- what is shown

    def text(self, block: Block) -> None:
        wrong = differences(block.text, self.printed)
        if wrong:
            raise BlockError(f"{block}: not what was printed\n{wrong}")

    def content(self, block: Block) -> None:
        """What is in files, read by the code that reads such files."""
        if block.language == "json":
            json.loads(block.text)
            return
        path = self.directory / (block.file or f"block{block.line}.{block.language}")
        path.write_text(block.text, encoding="utf-8")
        if block.language == "ini" and re.search(r"^\[\S*\*?\S*\]$", block.text, re.MULTILINE):
            is_logging = re.search(r"^(level|handler|format|break_level) *=", block.text, re.M)
            if is_logging:
                with logconfig.applied(str(path)):
                    return
        config.load(path)


def _said(line: str) -> str:
    """The value in the comment of a line, without what the comment says of it; empty if none."""
    comment = _SAID.search(line)
    texts = (comment[0], comment[0].partition(": ")[0]) if comment else ()
    return next(filter(_is_value, texts), "")


def _is_value(text: str) -> bool:
    """Whether a comment is a value rather than words."""
    if text.startswith("<") and text.endswith(">"):
        return True
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def _joined(text: str) -> list[str]:
    """Lines, those that end with a backslash together with the next."""
    return re.sub(r"\\\n\s*", " ", text).splitlines()


def _commands(text: str) -> Iterator[str]:
    for line in _joined(text):
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def _lexed(command: str) -> Iterator[str]:
    """The words of a command, and what stands between commands."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return lexer


@contextlib.contextmanager
def _output() -> Iterator[Callable[[], str]]:
    """Standard output and error, taken together; a function that gives what came so far."""
    taken = io.BytesIO()
    stream = io.TextIOWrapper(taken, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield lambda: taken.getvalue().decode()


def program(path: Path) -> None:
    """Writes ``romancal-rs`` as a program, for bash."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m romancal_rs "$@"\n')
    path.chmod(0o755)
