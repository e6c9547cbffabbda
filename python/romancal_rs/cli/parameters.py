"""The parameters of steps as options of the command line, and which of them help shows at first.

That a parameter matters says its ``spec``, see `romancal_rs.stpipe.parameters.Shown`.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..stpipe.parameters import REQUIRED, Parameter, ParameterSpec, Role, Shown, reference_types
from .options import Completer, completed_by, directories, files, nothing, one_of, products

if TYPE_CHECKING:
    from ..stpipe import Step

#: What tells the parameters in the parsed command line from the options of the command itself.
PARAMETER = "parameter "

#: Where the classes are that steps derive from.
_OURS = Parameter.__module__.rpartition(".")[0]

#: From so many reference types on, help has one line for all of them.
_MANY_REFERENCES = 4


def add_parameters(
    parser: argparse.ArgumentParser,
    step_class: type[Step],
    prefix: str = "",
    defaults: ParameterSpec | None = None,
) -> None:
    """Adds an option for each parameter of a class, and of the steps of a pipeline.

    `defaults` are those that a pipeline has for the parameters of this step.
    """
    title = f"parameters of {prefix.rstrip('.')}" if prefix else "parameters"
    group = parser.add_argument_group(title)
    _add_spec(group, step_class.parameters, prefix, defaults)
    for name, sub_class in step_class.step_defs.items():
        own = step_class.step_defaults.get(name)
        add_parameters(parser, sub_class, f"{prefix}steps.{name}.", own)
    for name in step_class.absent_steps:
        parser.add_argument(
            f"--{prefix}steps.{name}.skip",
            dest=f"{PARAMETER}{prefix}steps.{name}.skip",
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
    for other, name in step_class.step_aliases.items():
        for key in step_class.step_defs[name].parameters:
            parser.add_argument(
                f"--{prefix}steps.{other}.{key}",
                dest=f"{PARAMETER}{prefix}steps.{name}.{key}",
                default=argparse.SUPPRESS,
                help=argparse.SUPPRESS,
            )


def _add_spec(
    group: argparse._ArgumentGroup,
    spec: ParameterSpec,
    prefix: str,
    defaults: ParameterSpec | None = None,
) -> None:
    for name, parameter in spec.items():
        value = parameter.default
        if defaults is not None and name in defaults and defaults[name].default is not REQUIRED:
            value = defaults[name].default
        option = group.add_argument(
            f"--{prefix}{name}",
            dest=PARAMETER + prefix + name,
            metavar=parameter.shown_type.replace("%", "%%"),
            default=argparse.SUPPRESS,
            help=f"{_small(parameter.help)}{_default(value)}".replace("%", "%%"),
        )
        completed_by(option, _completer(parameter))
    for name, section in spec.sections.items():
        own = None if defaults is None else defaults.sections.get(name)
        _add_spec(group, section, f"{prefix}{name}.", own)


def _small(text: str) -> str:
    """A help text as those of options are: without a capital, unless it is one of a name."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _default(value: Any) -> str:
    if value is REQUIRED:
        return " (required)"
    if value is None or value in ("", []):
        return ""
    return f" (default: {str(value).lower() if isinstance(value, bool) else value})"


def _completer(parameter: Parameter) -> Completer:
    """What completes the values of a parameter."""
    if parameter.words:
        return one_of(*parameter.words)
    by_type = {
        "directory": directories,
        "references": directories,
        "reference": products,
        "input_file": files,
        "output_file": files,
    }
    return by_type.get(parameter.type_name, nothing)


# --- what help shows at first


def options_at_first(
    parser: argparse.ArgumentParser, step_class: type[Step]
) -> list[tuple[str, list[argparse.Action]]]:
    """The options that matter, by titles in plain words."""
    known = parser._option_string_actions
    files_ = [action for action in parser._actions if action.dest == "inputs"]
    references: list[argparse.Action] = []
    work: list[argparse.Action] = []
    for name in _that_matter(step_class):
        parameter = step_class.parameters[name]
        if parameter.role in (Role.PLACE, Role.SAVING, Role.PRODUCT):
            group = files_
        elif parameter.role in (Role.STORE, Role.REFERENCE):
            group = references
        else:
            group = work
        group.append(known[f"--{name}"])
    references += _overrides(parser, step_class)
    if step_class.step_defs:
        names = ", ".join(step_class.step_defs)
        work.append(_line("--steps.STEP.skip", "true", f"skip a step: {names}"))
    for step, sub_class in step_class.step_defs.items():
        for name, parameter in sub_class.parameters.items():
            if parameter.shown is Shown.PIPELINE:
                work.append(known[f"--steps.{step}.{name}"])
    messages = [known[f"--{name}"] for name in ("quiet", "verbose", "log-level", "log-file")]
    return [
        ("input and output", files_),
        ("references", references),
        ("what is done", work),
        ("messages", messages),
    ]


def _that_matter(step_class: type[Step]) -> list[str]:
    """The parameters that are marked; of a step whose author marked none, all that are its own."""
    inherited = next(
        base.parameters
        for base in step_class.__mro__
        if base.__module__.startswith(_OURS) and hasattr(base, "parameters")
    )
    own = [
        name
        for name, parameter in step_class.parameters.items()
        if name not in inherited and parameter.role is not Role.REFERENCE
    ]
    is_marked = any(step_class.parameters[name].shown for name in own)
    return [
        name
        for name, parameter in step_class.parameters.items()
        if parameter.shown or (name in own and not is_marked)
    ]


def _overrides(parser: argparse.ArgumentParser, step_class: type[Step]) -> list[argparse.Action]:
    types = reference_types(step_class)
    if len(types) < _MANY_REFERENCES:
        return [parser._option_string_actions[f"--override_{reftype}"] for reftype in types]
    text = f"use this file; TYPE: {types[0]}, dark, flat ... as romancal-rs steps lists them"
    return [_line("--override_TYPE", "FILE|N/A", text)]


def _line(option: str, value: str, text: str) -> argparse.Action:
    """A line of a help text that stands for several options."""
    return argparse.Action([option], dest="", metavar=value, help=text)
