"""What steps, their parameters and their runs look like at a prompt and in a notebook."""

from __future__ import annotations

import inspect
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import _docstrings, _html
from .._html import Html

if TYPE_CHECKING:
    from .base import StepBase
    from .parameters import Parameter, ParameterSpec
    from .run import Run, StepReport

#: Python's types of the values of parameters, by their types in a spec.
_TYPES = {"boolean": bool, "float": float, "integer": int, "string": str, "option": str}
#: How a docstring calls the other types.
_WORDS = {
    "auto_boolean": 'bool or "auto"',
    "cores": 'int or {"none", "quarter", "half", "all"}',
    "directory": "path",
    "hooks": "list",
    "input_file": "path",
    "output_file": "path",
    "reference": "path or data model",
    "references": "path or Store",
    "string_list": "list of str",
}
#: What every step takes that its spec does not declare.
_ARGUMENTS = {
    "name": ("str, optional", "Name in log messages; the name of the class by default."),
    "parent": ("Step, optional", "The pipeline that the step is part of."),
    "config_file": ("path, optional", "The parameter file that the step was configured with."),
    "steps": (
        "dict of str to dict, optional",
        'Parameters of the steps: ``{"rampfit": {"rejection_threshold": 5}}``.',
    ),
}


def signature(step_class: type[StepBase], required: object) -> inspect.Signature:
    """How a step is made: what every step takes, and its parameters with their defaults.

    Parameters
    ----------
    step_class : type
        A class of steps. Its own parameters come before those that every step has.
    required : object
        The default of a parameter that has none.
    """
    taken = inspect.signature(step_class.__init__).parameters
    known = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in taken.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self"
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    common = _of_all_steps(step_class)
    ordered = sorted(step_class.parameters.items(), key=lambda item: item[0] in common)
    own = [
        inspect.Parameter(
            name,
            keyword,
            default=inspect.Parameter.empty if item.default is required else item.default,
            annotation=_annotation(item),
        )
        for name, item in ordered
    ]
    names = [*step_class.parameters.sections]
    if step_class.step_defs or "steps" in taken:
        names.append("steps")
    groups = [inspect.Parameter(name, keyword, default=None) for name in names]
    n_own = sum(item.name not in common for item in own)
    given = {parameter.name for parameter in [*own, *groups]}
    known = [parameter for parameter in known if parameter.name not in given]
    return inspect.Signature([*known, *own[:n_own], *groups, *own[n_own:]])


def docstring(step_class: type[StepBase], text: str) -> str:
    """The docstring of a class, completed with its reference types and parameters.

    Parameters
    ----------
    step_class : type
        A class of steps.
    text : str
        What its author wrote. If that describes parameters, it stays as it is.

    Returns
    -------
    str
        A numpydoc docstring.
    """
    before, sections = _docstrings.parts(text)
    if "Parameters" in sections:
        return text
    common = _of_all_steps(step_class)
    entries: dict[str, list[str]] = {"Parameters": [], "Other Parameters": []}
    for name in signature(step_class, None).parameters:
        entries["Other Parameters" if name in common else "Parameters"].append(
            _described(step_class, name)
        )
    written = [before]
    if types := _reference_types(step_class):
        written.append(types)
    described = {title: "\n".join(lines) for title, lines in entries.items() if lines}
    written += [_docstrings.section(*item) for item in (described | sections).items()]
    return "\n\n".join(written) + "\n"


def description(step_class: type[StepBase]) -> str:
    """What a class says of itself before its parameters, for a help text.

    Parameters
    ----------
    step_class : type
        A class of steps.

    Returns
    -------
    str
        Paragraphs; empty if it has no docstring.
    """
    return _docstrings.parts(step_class.__doc__ or "")[0]


def _described(step_class: type[StepBase], name: str) -> str:
    parameter = step_class.parameters.get(name)
    if parameter is not None:
        is_required = _default(parameter.default) == "(required)"
        told = f"{parameter.help[:1].upper()}{parameter.help[1:]}".replace("*", "\\*")
        told += "" if told.endswith(".") else "."
        default = "" if is_required else f" Default: ``{parameter.default!r}``."
        kind = f"{_kind(parameter)}{'' if is_required else ', optional'}"
        return f"{name} : {kind}\n    {told}{default}"
    if name in _ARGUMENTS:
        kind, told = _ARGUMENTS[name]
        return f"{name} : {kind}\n    {told}"
    return f"{name} : dict, optional\n    Values of the parameters in the section ``[{name}]``."


def _kind(parameter: Parameter) -> str:
    """The type of a parameter as a docstring has it."""
    if parameter.type_name == "option":
        return "{" + ", ".join(f'"{word}"' for word in parameter.words) + "}"
    python = _TYPES.get(parameter.type_name)
    return python.__name__ if python else _WORDS.get(parameter.type_name, parameter.type_name)


def _reference_types(step_class: type[StepBase]) -> str:
    """A sentence about the reference types of a step, and those of recipes that differ."""
    types = step_class.reference_file_types
    told = ", ".join(name.upper() for name in types)
    recipes: Mapping[str, Mapping[str, Any]] = getattr(step_class, "by_recipe", {})
    for recipe, attributes in recipes.items():
        others = attributes.get("reference_file_types", types)
        if others != types:
            told += f"; in the recipe ``{recipe}`` {', '.join(name.upper() for name in others)}"
    return f"Reference types: {told}." if told else ""


def _annotation(parameter: Parameter) -> Any:
    known: Any = _TYPES.get(parameter.type_name, inspect.Parameter.empty)
    is_optional = known is not inspect.Parameter.empty and parameter.default is None
    return known | None if is_optional else known


def spec_rows(spec: ParameterSpec) -> list[tuple[str, str, str, str]]:
    """Name, type, default and help of each parameter, those of sections last."""
    rows = [
        (name, item.shown_type, _default(item.default), item.help) for name, item in spec.items()
    ]
    for name, section in spec.sections.items():
        rows += [(f"{name}.{row[0]}", *row[1:]) for row in spec_rows(section)]
    return rows


def _default(value: object) -> str:
    from .parameters import REQUIRED

    return "(required)" if value is REQUIRED else repr(value)


HEAD = ("parameter", "type", "default", "meaning")


def spec_as_text(spec: ParameterSpec) -> str:
    """A table, with columns as wide as what is in them."""
    rows = [HEAD, *spec_rows(spec)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def changed(step: StepBase) -> dict[str, Any]:
    """The parameters that have another value than their default, those of sections dotted."""
    return dict(_changed(step.parameters, step.__dict__, ""))


def _changed(
    spec: ParameterSpec, values: Mapping[str, Any], prefix: str
) -> Iterable[tuple[str, Any]]:
    for name, item in spec.items():
        if name in values and _differ(values[name], item.default):
            yield f"{prefix}{name}", values[name]
    for name, section in spec.sections.items():
        yield from _changed(section, values[name], f"{prefix}{name}.")


def _differ(value: object, default: object) -> bool:
    if value is default:
        return False
    # Of a model, or an array, == is not a truth.
    return type(value) is not type(default) or repr(value) != repr(default)


def step_as_text(step: StepBase) -> str:
    """How it was made, but for defaults."""
    values = "".join(f", {name}={value!r}" for name, value in changed(step).items())
    return f"<{type(step).__name__} {step.name!r}{values}>"


def step_as_html(step: StepBase) -> str:
    """A step, what is changed of it, and all of its parameters folded; so its steps."""
    return _html.block(*_step(step))


def _step(step: StepBase) -> list[Html]:
    differing = changed(step)
    rows = [
        (name, _value(step, name), default, help)
        for name, _, default, help in spec_rows(step.parameters)
    ]
    common = _of_all_steps(type(step))
    own = [row for row in rows if row[0] not in common]
    others = [row for row in rows if row[0] in common]
    head = ("parameter", "value", "default", "meaning")
    parts = [
        _html.heading(type(step).__name__, "" if step.name == type(step).__name__ else step.name),
        _html.table((name, repr(value)) for name, value in differing.items()),
        _html.details(f"{len(own)} own parameters", _html.table(own, head)),
    ]
    if step.parent is None:
        others_table = _html.table(others, head)
        parts.append(_html.details(f"{len(others)} that every step has", others_table))
    for inner in step.substeps():
        told = [name for name, value in changed(inner).items() if name != "skip" or value]
        note = "skipped" if inner.skip else ", ".join(told)
        parts.append(_html.details(f"{inner.name}{f' ({note})' if note else ''}", *_step(inner)))
    return parts


def _of_all_steps(step_class: type[StepBase]) -> Container[str]:
    """The parameters that a class has from a base class of all steps."""
    for cls in step_class.__mro__[1:]:
        if cls.__module__.startswith(__package__) and isinstance(cls, type(step_class)):
            return cls.parameters
    return ()


def _value(step: StepBase, name: str) -> str:
    values: Any = step.__dict__
    for key in name.split("."):
        values = values.get(key, "(not set)")
    return values if values == "(not set)" else repr(values)


def report_as_html(report: StepReport) -> str:
    """What a step did."""
    return _html.block(_reports([report]))


def _reports(reports: Iterable[StepReport]) -> Html:
    rows = [
        (
            report.name,
            report.status,
            f"{report.seconds:.2f}",
            _html.lines(f"{kind}: {name}" for kind, name in report.references.items()),
        )
        for report in reports
    ]
    return _html.table(rows, ("step", "status", "s", "references"))


def run_as_html(run: Run) -> str:
    """What a run did."""
    total = run.reports[-1].seconds if run.has_ended and run.reports else None
    state = "has not begun" if not run._has_begun else "running" if total is None else ""
    saved = [(path,) for path in run.saved_files]
    return _html.block(
        _html.heading(f"Run of {run.step.name}", state, f"{total:.2f} s" if total else ""),
        _reports(run.reports),
        _html.details(_html.number_of(saved, "file"), _html.table(saved), is_open=True),
    )
