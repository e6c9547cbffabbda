"""What steps, their parameters and their runs look like at a prompt and in a notebook."""

from __future__ import annotations

import inspect
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import _html
from .._html import Html

if TYPE_CHECKING:
    from .base import StepBase
    from .parameters import Parameter, ParameterSpec
    from .run import Run, StepReport

#: Python's types of the values of parameters, by their types in a spec.
_TYPES = {"boolean": bool, "float": float, "integer": int, "string": str, "option": str}


def signature(step_class: type[StepBase], required: object) -> inspect.Signature:
    """How a step is made: what every step takes, and its parameters with their defaults.

    Parameters
    ----------
    step_class : type
    required : object
        The default of a parameter that has none.
    """
    known = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(step_class.__init__).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self"
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        inspect.Parameter(
            name,
            keyword,
            default=inspect.Parameter.empty if item.default is required else item.default,
            annotation=_annotation(item),
        )
        for name, item in step_class.parameters.items()
    ]
    names = [*step_class.parameters.sections, *(["steps"] if step_class.step_defs else [])]
    groups = [inspect.Parameter(name, keyword, default=None) for name in names]
    taken = {parameter.name for parameter in [*own, *groups]}
    return inspect.Signature([*(p for p in known if p.name not in taken), *own, *groups])


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
    common = _of_all_steps(step)
    own = [row for row in rows if row[0] not in common]
    others = [row for row in rows if row[0] in common]
    head = ("parameter", "value", "default", "meaning")
    parts = [
        _html.heading(type(step).__name__, "" if step.name == type(step).__name__ else step.name),
        _html.table((name, repr(value)) for name, value in differing.items()),
        _html.details(f"{len(own)} parameters of its own", _html.table(own, head)),
    ]
    if step.parent is None:
        others_table = _html.table(others, head)
        parts.append(_html.details(f"{len(others)} that every step has", others_table))
    for inner in step.substeps():
        told = [name for name, value in changed(inner).items() if name != "skip" or value]
        note = "skipped" if inner.skip else ", ".join(told)
        parts.append(_html.details(f"{inner.name}{f' ({note})' if note else ''}", *_step(inner)))
    return parts


def _of_all_steps(step: StepBase) -> Container[str]:
    """The parameters that it has from a base class of all steps."""
    for cls in type(step).__mro__[1:]:
        if cls.__module__.startswith(__package__) and isinstance(cls, type(type(step))):
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
    state = "has not begun" if not run._has_begun else "goes on" if total is None else ""
    saved = [(path,) for path in run.saved_files]
    return _html.block(
        _html.heading(f"Run of {run.step.name}", state, f"{total:.2f} s" if total else ""),
        _reports(run.reports),
        _html.details(_html.number_of(saved, "file"), _html.table(saved), is_open=True),
    )
