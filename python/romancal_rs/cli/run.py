"""Run a pipeline or a step on an exposure, and save the result.

The first argument is an alias, a class path or a parameter file. Parameters are given as
--PARAMETER=VALUE, those of a pipeline's step as --steps.STEP.PARAMETER=VALUE; with the first
argument, -h lists those that matter, and --help-all all of them.

Reference files come from --references=DIR or ROMANCAL_RS_REFERENCES, then from the CRDS cache of
CRDS_PATH, by the rules of --context=CONTEXT or CRDS_CONTEXT.
"""

from __future__ import annotations

import argparse
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from .._files import local_path
from ..errors import RomancalError
from ..stpipe import config as config_files
from ..stpipe import elsewhere
from ..stpipe._outline import description
from ..stpipe.elsewhere import ABSENCE
from ..stpipe.find_class import find_class, find_target
from ..stpipe.parameters import ParameterError, Setting
from ..stpipe.registry import aliases
from ..stpipe.run import Run
from .options import (
    add_message_options,
    completed_by,
    path,
    products,
    shown_messages,
)
from .parameters import PARAMETER, add_parameters, options_at_first
from .parser import Parser, add_help_all, canonical
from .streams import silent

if TYPE_CHECKING:
    from ..stpipe import Step
    from ..stpipe.config import StepConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    target = parser.add_argument(
        "target",
        metavar="CLASS|ALIAS|FILE",
        help="an alias such as roman_elp or rampfit, a class path such as "
        "romancal_rs.ramp_fitting.RampFitStep, or a parameter file",
    )
    completed_by(target, _complete_target)
    add_shared_arguments(parser)


def add_shared_arguments(
    parser: argparse.ArgumentParser, metavar: str = "INPUT", what: str = "what to run it on"
) -> None:
    """Adds what every run has, whatever it runs."""
    inputs = parser.add_argument("inputs", metavar=metavar, nargs="*", type=path, help=what)
    completed_by(inputs, products)
    add_help_all(parser)
    add_message_options(parser)
    parser.add_argument(
        "--debug", action="store_true", help="start the debugger where an error is raised"
    )
    parser.add_argument(
        "--save-parameters",
        metavar="FILE",
        type=path,
        help="write the parameters of this run to a file",
    )
    parser.add_argument(
        "--disable-crds-steppars",
        action="store_true",
        help="do not look for parameter references in the reference store",
    )


def _complete_target(prefix: str, **_: Any) -> list[str]:
    found = [alias for alias in aliases() if alias.startswith(prefix)]
    return found or products(prefix)


def add_arguments_of_target(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Adds the parameters of the class that the command line names."""
    target = first_word(parser, arguments)
    if target is None:
        return
    try:
        target = local_path(target)
        step_class, config = find_target(target)
    except RomancalError as error:
        hint = ""
        if config_files.is_parameter_file(target):
            hint = f". What to run comes first: romancal-rs run roman_elp {target}"
        parser.error(f"{error}{hint}")
    except OSError as error:
        parser.error(f"{error.filename or target}: {error.strerror}")
    parser.prog = f"romancal-rs run {target}"
    add_arguments_of_class(parser, step_class, config)


def add_arguments_of_class(
    parser: argparse.ArgumentParser,
    step_class: type[Step],
    config: StepConfig | None = None,
    metavar: str = "INPUT",
) -> None:
    """Adds the parameters of a class, and shows in the help what matters of them."""
    parser.usage = f"{parser.prog} {metavar} [--PARAMETER=VALUE ...]"
    parser.description = description(step_class)
    parser.set_defaults(step_class=step_class, config=config, parser=parser)
    parser.explain = partial(explain, step_class)  # type: ignore[attr-defined]
    add_parameters(parser, step_class)
    parser.at_first = options_at_first(parser, step_class)  # type: ignore[attr-defined]


def explain(step_class: type[Step], option: str) -> str:
    """What an option is that the class does not have, where it is one of other software."""
    path = option.removeprefix("--").split(".")
    while len(path) > 2 and path[0] == "steps":
        name = step_class.step_aliases.get(path[1], path[1])
        if step_class.is_absent(name):
            return f": {name} {ABSENCE}"
        if name not in step_class.step_defs:
            return ""
        step_class, path = step_class.step_defs[name], path[2:]
    version = elsewhere.version_with(step_class, ".".join(path))
    return "" if version is None else f": it is one of {version}, and has no meaning here"


def first_word(parser: argparse.ArgumentParser, arguments: list[str]) -> str | None:
    """The first argument that is neither an option nor the value of one."""
    flags: set[str] = set()
    for action in parser._actions:
        if action.nargs == 0:
            flags.update(action.option_strings)
    value_expected = False
    for word in arguments:
        if value_expected:
            value_expected = False
        elif word.startswith("-"):
            meant = canonical(word)
            is_flag = any(flag.startswith(meant) for flag in flags)  # it may be abbreviated
            value_expected = "=" not in word and not is_flag
        else:
            return word
    return None


def nested(options: dict[str, Any]) -> dict[str, Any]:
    """Options with dotted names, as the nested dictionary that a pipeline's constructor takes."""
    result: dict[str, Any] = {}
    for option, value in options.items():
        if not option.startswith(PARAMETER):
            continue
        dotted = option.removeprefix(PARAMETER)
        place = result
        *sections, name = dotted.split(".")
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = Setting(value, f"--{dotted}")
    return result


def run(options: argparse.Namespace) -> int:
    with shown_messages(options):
        done = _run_step(_make_step(options), options)
    if not options.quiet:
        from .summary import print_summary

        print_summary(done)
    return 0


def run_from_cmdline(arguments: list[str], step_class: type[Step]) -> Run:
    """Runs what a command line says, from Python.

    Parameters
    ----------
    arguments : list of str
        As after ``romancal-rs run``.
    step_class : type
        What to run where the first argument names no class.

    Raises
    ------
    ParameterError
        If the usage is wrong.
    """
    parser = _RaisingParser(prog=f"{step_class.__name__}.from_cmdline")
    add_arguments(parser)
    arguments = [word.strip() for word in arguments]
    first = first_word(parser, arguments)
    if first is None or not names_class(first):
        arguments = [f"{step_class.__module__}.{step_class.__qualname__}", *arguments]
    add_arguments_of_target(parser, arguments)
    options = parser.parse_args(arguments)
    with shown_messages(options):
        return _run_step(_make_step(options), options)


def names_class(word: str) -> bool:
    """Whether a word names what to run, rather than what to run it on."""
    try:
        word = local_path(word)
        if config_files.is_parameter_file(word):
            return config_files.load(word).class_name is not None
        find_class(word)
    except (RomancalError, OSError):
        return False
    return True


class _RaisingParser(Parser):
    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"{self.prog}: {message}")


def _make_step(options: argparse.Namespace) -> Step:
    """The step with all its parameters; what is wrong with them is wrong usage."""
    from ..stpipe import configure

    if not options.inputs:
        options.parser.error("name the file to run it on")
    _check_number_of_inputs(options)
    try:
        step = configure.build(
            options.step_class,
            options.inputs[0],
            config=options.config,
            parameters=nested(vars(options)),
            parameter_references=not options.disable_crds_steppars,
        )
        if f"{PARAMETER}save_results" not in vars(options):
            step.save_results = True
        if options.save_parameters:
            step.export_config(options.save_parameters)
    except ParameterError as error:
        options.parser.error(str(error))
    return step


def _check_number_of_inputs(options: argparse.Namespace) -> None:
    wanted = inspect.signature(options.step_class.process)
    try:
        wanted.bind(None, *options.inputs)
    except TypeError:
        names = [str(parameter) for parameter in wanted.parameters.values()][1:]
        hint = "; for many exposures: romancal-rs batch run" if len(names) == 1 else ""
        options.parser.error(
            f"{options.step_class.__name__} takes {len(names)} input{'' if hint else 's'}, "
            f"got {len(options.inputs)}: {', '.join(options.inputs)}{hint}"
        )


def _run_step(step: Step, options: argparse.Namespace) -> Run:
    """The run of a step, after its end."""
    from .progress import display

    with silent(options.quiet), display(step) as (observer, progress):
        run = Run(step, observer=observer, progress=progress)
        try:
            run(*options.inputs)
            return run
        except Exception as error:
            if options.debug:
                import pdb

                cause: BaseException = error
                while cause.__cause__ is not None:  # where it began, not where it was reported
                    cause = cause.__cause__
                pdb.post_mortem(cause.__traceback__)
            raise
