"""Run a pipeline or a step on an exposure, and save the result.

Parameters of the class are given as --PARAMETER=VALUE, those of a pipeline's step as
--steps.STEP.PARAMETER=VALUE. With the name of a class, -h lists them all.
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING, Any

from ..stpipe.parameters import REQUIRED, ParameterError
from ..stpipe.registry import find_class

if TYPE_CHECKING:
    from ..stpipe import Step

#: What the parsed command line holds besides parameters.
_NOT_PARAMETERS = ("target", "inputs", "verbose", "debug", "step_class", "parser")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="PIPELINE|STEP",
        help="an alias such as roman_elp or jump, or a class path such as "
        "romancal_rs.jump.JumpStep",
    )
    parser.add_argument("inputs", metavar="FILE", nargs="*", help="what to run it on")
    parser.add_argument("--verbose", "-v", action="store_true", help="show all log messages")
    parser.add_argument(
        "--debug", action="store_true", help="start the debugger where an error is raised"
    )


def add_arguments_of_target(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Adds the parameters of the class that the command line names."""
    target = next((word for word in arguments if not word.startswith("-")), None)
    if target is None:
        return
    try:
        step_class = find_class(target)
    except ParameterError as error:
        parser.error(str(error))
    parser.prog = f"romancal-rs run {target}"
    parser.description = step_class.__doc__
    parser.set_defaults(step_class=step_class, parser=parser)
    add_parameters(parser, step_class)


def run(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        step = options.step_class(**_nested(vars(options)))
        step.save_results = True
    except ParameterError as error:
        options.parser.error(str(error))
    if not options.inputs:
        options.parser.error("name the file to run it on")
    return _run_and_report(step, options)


def add_parameters(parser: argparse.ArgumentParser, step_class: type[Step], path: str = "") -> None:
    """Adds an option for each parameter of a class, and of the steps of a pipeline."""
    group = parser.add_argument_group(f"parameters of {path.rstrip('.')}" if path else "parameters")
    steps: dict[str, type[Step]] = getattr(step_class, "step_defs", {})
    for name, parameter in step_class.parameters.items():
        default = "required" if parameter.default is REQUIRED else f"default: {parameter.default}"
        group.add_argument(
            f"--{path}{name}",
            dest=path + name,
            metavar=parameter.type_name.upper(),
            default=argparse.SUPPRESS,
            help=f"{parameter.help} ({default})".replace("%", "%%"),
        )
    for name, sub_class in steps.items():
        add_parameters(parser, sub_class, f"steps.{name}.")
    for other, name in getattr(step_class, "step_aliases", {}).items():
        for key in steps[name].parameters:
            parser.add_argument(
                f"--steps.{other}.{key}",
                dest=f"steps.{name}.{key}",
                default=argparse.SUPPRESS,
                help=argparse.SUPPRESS,
            )


def _nested(options: dict[str, Any]) -> dict[str, Any]:
    """Options with dotted names, as the nested dictionary that a pipeline's constructor takes."""
    result: dict[str, Any] = {}
    for dotted, value in options.items():
        if dotted in _NOT_PARAMETERS:
            continue
        place = result
        *sections, name = dotted.split(".")
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return result


def _run_and_report(step: Step, options: argparse.Namespace) -> int:
    from .summary import progress_display, summary

    with progress_display(step):
        try:
            result = step.run(*options.inputs)
        except Exception:
            if options.debug:
                import pdb

                pdb.post_mortem(sys.exc_info()[2])
            raise
    print(summary(step, result))
    return 0
