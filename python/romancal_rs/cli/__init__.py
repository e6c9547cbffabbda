"""The command line: ``romancal-rs COMMAND``.

Only the command that is asked for is imported, and it imports what it needs when it runs, so that
help and usage errors come at once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

from .._exit_status import ExitStatus, of_command
from ..errors import RomancalError, as_list, one_line, shortened
from .completion import can_complete
from .parser import Parser
from .signals import end_at_once_from_now_on, ending_as_ctrl_c, how_it_ended
from .streams import OUTPUT, complain, complete, named_output, silent

#: Commands, their modules here, and what they do.
COMMANDS = {
    "calibrate": "take an exposure from raw counts to a rate image: run roman_elp",
    "run": "run a pipeline or a step on an exposure",
    "batch": "calibrate many exposures: plan, run, resume and report",
    "steps": "list the pipelines and steps",
    "info": "tell what files hold",
    "validate": "check files, and tell what is wrong with them",
    "show": "draw an exposure, a reference file, or the ramp of one pixel",
    "report": "write a page about an exposure or a batch, to look at in a browser",
    "diff": "compare two products, array by array",
    "export": "write an image as FITS",
    "reproduce": "write the parameter file that repeats the run of a product",
    "references": "find, list, check and copy reference files",
    "simulate": "make a raw exposure, its reference files and the truth",
    "demo": "simulate an exposure, calibrate it, and compare with the truth",
    "completion": "print what makes the shell complete commands",
}


#: Of the list of commands [characters].
MENU_WIDTH = 78


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns
    -------
    int
        An `ExitStatus`, or the number of one. Wrong usage exits with WRONG_USAGE.
    """
    wants_traceback = False
    interrupts: list[KeyboardInterrupt] = []
    try:
        complete()
        with ending_as_ctrl_c() as interrupts, named_output():
            if "_ARGCOMPLETE" in os.environ:
                if not can_complete():
                    return ExitStatus.ERROR
                _complete(os.environ.get("COMP_LINE", ""))
            module, options = _parse(list(sys.argv[1:] if argv is None else argv))
            wants_traceback = getattr(options, "verbose", False) or getattr(options, "debug", False)
            with silent(getattr(options, "quiet", False)):
                return module.run(options)
    except KeyboardInterrupt as interrupt:
        return _interrupted(interrupt)
    except BaseException as error:
        # What was at work may have made something else of it: an ImportError, a panic of a library.
        if interrupts:
            return _interrupted(interrupts[-1])
        if not isinstance(error, Exception):
            raise
        if isinstance(error, BrokenPipeError) and error.filename is OUTPUT:
            return ExitStatus.ERROR  # whoever read our output has gone: say nothing more
        if wants_traceback:
            raise
        return _report(error)


def script() -> NoReturn:
    """``romancal-rs``, as a separate process."""
    status = main()
    end_at_once_from_now_on()
    sys.exit(status)


def _interrupted(interrupt: BaseException) -> int:
    """Tells that the command was asked to end, and returns the exit status."""
    said, status = how_it_ended(interrupt)
    complain(f"romancal-rs: {said}")
    return status


def _parse(arguments: list[str]) -> tuple[Any, argparse.Namespace]:
    """The module, or task, that runs the command, and the command's options."""
    command = arguments[0] if arguments else ""
    if command not in COMMANDS:
        _overview().parse_args(arguments or ["--help"])
    module: Any = importlib.import_module(f".{command}", __name__)
    if hasattr(module, "TASKS"):
        task = arguments[1] if len(arguments) > 1 else ""
        if task not in module.TASKS:
            _overview_of_tasks(command, module).parse_args(arguments[1:] or ["--help"])
        module, command, arguments = module.TASKS[task], f"{command} {task}", arguments[1:]
    parser = parser_of(command, module, arguments[1:])
    return module, parser.parse_args(arguments[1:])


def parser_of(command: str, module: Any, arguments: list[str]) -> Parser:
    """The parser of a command's arguments, which knows those that follow from what was typed.

    Parameters
    ----------
    command : str
        Its name, with that of the task: ``batch plan``.
    module : module
        The module, or task, that runs it.
    arguments : list of str
        What follows the command's name. What it names may have options of its own.
    """
    parser = Parser(
        prog=f"romancal-rs {command}", description=module.__doc__, epilog=_told_statuses(command)
    )
    module.add_arguments(parser)
    if hasattr(module, "add_arguments_of_target"):
        module.add_arguments_of_target(parser, arguments)
    return parser


def all_commands() -> Iterator[tuple[str, Any]]:
    """Each command, or task of one, with the module that runs it."""
    for command in COMMANDS:
        module: Any = importlib.import_module(f".{command}", __name__)
        if hasattr(module, "TASKS"):
            yield from ((f"{command} {name}", task) for name, task in module.TASKS.items())
        else:
            yield command, module


def _told_statuses(command: str) -> str | None:
    """What the help of a command says of its exit status; None where there is nothing special."""
    meanings = of_command(command)
    lines = [
        textwrap.fill(f"  {status:<5}{meaning}", MENU_WIDTH, subsequent_indent=" " * 7)
        for status, meaning in meanings.items()
    ]
    return "\n".join(["exit status:", *lines]) if lines else None


def _complete(line: str) -> None:
    """Answers the shell that asks how a command line may go on, and exits."""
    import shlex

    import argcomplete

    parser = Parser(prog="romancal-rs")
    commands = parser.add_subparsers()
    try:
        words = shlex.split(line)[1:]
    except ValueError:  # an open quote
        words = line.split()[1:]
    for name in COMMANDS:
        command = commands.add_parser(name)
        if words[:1] == [name]:
            module = importlib.import_module(f".{name}", __name__)
            if hasattr(module, "TASKS"):
                tasks = command.add_subparsers()
                for task_name, task in module.TASKS.items():
                    parser_of_task = tasks.add_parser(task_name)
                    if words[1:2] == [task_name]:
                        _add_all_arguments(task, parser_of_task, words[2:], line)
                continue
            _add_all_arguments(module, command, words[1:], line)
    argcomplete.autocomplete(parser, always_complete_options=False)  # there are hundreds


def _add_all_arguments(module: Any, parser: Parser, words: list[str], line: str) -> None:
    """Adds what a command line that is not complete yet may go on with."""
    module.add_arguments(parser)
    if hasattr(module, "add_arguments_of_target"):
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(None):
            module.add_arguments_of_target(parser, words)
    begun = line.rpartition(" ")[2]
    if begun.startswith("--") and "-" in begun[2:]:
        parser.offer_hyphens()


def _overview() -> argparse.ArgumentParser:
    from .. import __version__

    description = "Calibrate exposures of the Roman Space Telescope's Wide Field Instrument."
    parser = _menu("romancal-rs", description, "command", COMMANDS)
    parser.add_argument("--version", action="version", version=f"romancal-rs {__version__}")
    return parser


def _overview_of_tasks(command: str, module: ModuleType) -> argparse.ArgumentParser:
    tasks = {name: task.__doc__.partition("\n")[0] for name, task in module.TASKS.items()}
    return _menu(f"romancal-rs {command}", module.__doc__ or "", "task", tasks)


def _menu(
    prog: str, description: str, what: str, entries: Mapping[str, str]
) -> argparse.ArgumentParser:
    """Lists what there is to choose from."""
    lines = [
        textwrap.fill(f"  {name:<12}{text}", MENU_WIDTH, subsequent_indent=" " * 14)
        for name, text in entries.items()
    ]
    name = what.upper()
    parser = Parser(
        prog=prog,
        description=description,
        epilog=f"{what}s:\n" + "\n".join(lines) + f"\n\n{prog} {name} -h explains a {what}.",
    )
    parser.add_argument(what, choices=entries, metavar=name, help="what to do")
    return parser


def _report(error: Exception) -> int:
    """Tells of an error, and returns the exit status."""
    expected = True
    if isinstance(error, OSError) and error.filename and error.strerror:
        message = f"{error.filename}: {error.strerror}"
    elif isinstance(error, RomancalError):
        message = as_list(str(error))
    else:
        expected = False
        message, kind = one_line(error), type(error).__name__
        message = message if message == kind else f"{kind}: {message}"
    complain(shortened(f"romancal-rs: error: {message}"))
    if not expected:
        complain("romancal-rs: --verbose shows the traceback")
    return getattr(error, "exit_status", ExitStatus.ERROR)
