"""The parameters of the pipelines and steps, as their specs declare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from docutils import nodes

from romancal_rs.stpipe.checks import expected
from romancal_rs.stpipe.parameters import REQUIRED, Parameter, reference_types
from romancal_rs.stpipe.registry import aliases, classes

from .content import Cell, Generated, class_link, code, codes, paragraph, prose, table

HEAD = ("parameter", "value", "default", "meaning")


class StepParameters(Generated):
    """What all have, then the pipelines and steps, a section each."""

    def content_nodes(self) -> Iterable[nodes.Node]:
        shared = shared_parameters()
        rows = [_row("all", parameter) for parameter in shared.values()]
        title = "Parameters of all steps and pipelines"
        yield self.section(title, "parameters-of-all", [table(HEAD, rows)])
        for path, step_class in classes().items():
            names = [alias for alias, its_path in aliases().items() if its_path == path]
            own = [p for name, p in step_class.parameters.items() if name not in shared]
            name = step_class.class_alias
            yield self.section(
                name, f"parameters-of-{name}", self._section(path, step_class, names, own)
            )

    def _section(
        self, path: str, step_class: type[Any], names: list[str], own: list[Parameter]
    ) -> Iterable[nodes.Node]:
        yield from prose((step_class.__doc__ or "").partition("\n\n")[0])
        about: list[Cell] = ["Class ", class_link(path)]
        if names[1:]:
            about += [", also called ", codes(names[1:])]
        if types := reference_types(step_class):
            about += ["; reference files ", codes(reftype.upper() for reftype in types)]
        yield paragraph(*about, ".")
        if own:
            yield table(HEAD, [_row(names[0], parameter) for parameter in own])
        else:
            yield paragraph("It has no parameters of its own.")


def shared_parameters() -> Mapping[str, Parameter]:
    """The parameters that all pipelines and steps have, and mean the same by."""
    first, *others = (step_class.parameters for step_class in classes().values())
    return {
        name: parameter
        for name, parameter in first.items()
        if all(name in spec and spec[name].check == parameter.check for spec in others)
    }


def _row(step: str, parameter: Parameter) -> tuple[Cell, ...]:
    name = code(parameter.name, f"{step}.{parameter.name}")
    return name, expected(parameter.check), _default(parameter), parameter.help


def _default(parameter: Parameter) -> Cell:
    value = parameter.default
    if value is REQUIRED:
        return "must be given"
    return "none" if value is None or value in ("", []) else code(str(value))
