"""Calibrate many exposures: plan, run, resume and report."""

from __future__ import annotations

from . import plan, report, run, status, submit

#: Modules as those of commands: each has ``add_arguments``, ``add_arguments_of_target`` and
#: ``run``, and imports what it needs when it runs.
TASKS = {"plan": plan, "run": run, "status": status, "report": report, "submit": submit}
