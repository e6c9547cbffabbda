"""What Sphinx makes of the code for these pages: tables of commands, parameters, flags and more.

Each directive asks the code at the time of the build, so that the pages say what the code does.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import (
    commands,
    constants,
    exit_statuses,
    flags,
    mathml,
    names,
    parameters,
    public,
    reference_types,
)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("commands", commands.Commands)
    app.add_directive("command-list", commands.CommandList)
    app.add_directive("constants", constants.Constants)
    app.add_directive("exit-statuses", exit_statuses.ExitStatuses)
    app.add_directive("exit-statuses-of-commands", exit_statuses.ExitStatusesOfCommands)
    app.add_directive("flags", flags.Flags)
    app.add_directive("step-parameters", parameters.StepParameters)
    app.add_directive("reference-types", reference_types.ReferenceTypes)
    app.add_directive("reference-arrays", reference_types.ReferenceArrays)
    mathml.setup(app)
    names.setup(app)
    public.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
