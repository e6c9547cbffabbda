"""Submit a batch to Slurm, as an array of jobs of one plan.

The plan is made now, once; each job works on its shard of it, with as many worker processes as it
has CPUs. A job that comes near its walltime stops and is queued again, as is one that is left with
transient failures only. The script and the logs lie beside the records.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..._files import write_text
from ..options import path
from ..parser import seldom
from .kinds import RERUN, positive, seconds, size
from .options import add_arguments_of_target as add_arguments_of_target
from .options import add_shared_arguments, check_place
from .plan import make_plan

if TYPE_CHECKING:
    from ...batch.plan import Plan
    from ...batch.slurm import SlurmJob
    from ...batch.state import RunDirectory

#: Options of sbatch, and what they are.
_DIRECTIVES = {
    "time": ("TIME", "walltime of a job, such as 04:00:00"),
    "partition": ("NAME", "partition of the cluster"),
    "account": ("NAME", "who pays"),
    "mem": ("SIZE", "memory of a job, such as 16G"),
}
#: Options of `batch run` that are handed on to the jobs, as they are given, and what they are.
_OF_RUN: dict[str, tuple[str, Callable[[str], object], str]] = {
    "retries": ("N", positive, "how often what may end otherwise is tried again"),
    "timeout": ("S", seconds, "longest time for an exposure"),
    "memory-limit": ("SIZE", size, "memory of a worker, such as 4GB"),
    "scratch-limit": (
        "SIZE",
        size,
        "how much of what was fetched is kept in the scratch directory",
    ),
}
_FLAGS_OF_RUN = {
    "keep-going": "go on after many equal failures",
    "fail-fast": "stop after the first failure",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared_arguments(parser)
    slurm = parser.add_argument_group("the jobs")
    slurm.add_argument("--slurm", action="store_true", required=True, help="submit to Slurm")
    slurm.add_argument(
        "--array",
        metavar="N",
        type=positive,
        help="number of jobs (default: as many as there are detectors)",
    )
    seldom(
        slurm.add_argument(
            "--shard-by",
            choices=("detector", "exposure"),
            help="whether a job has whole detectors, so that it opens few references (default: "
            "yes, where no --array is given)",
        )
    )
    slurm.add_argument(
        "--cpus-per-task", metavar="N", type=positive, default=1, help="CPUs of a job (default: 1)"
    )
    seldom(
        slurm.add_argument(
            "--workers",
            metavar="N",
            type=positive,
            help="worker processes of a job, which share its CPUs (default: one for each)",
        )
    )
    for name, (metavar, text) in _DIRECTIVES.items():
        slurm.add_argument(f"--{name}", metavar=metavar, help=text)
    seldom(
        slurm.add_argument(
            "--sbatch",
            metavar="NAME=VALUE",
            type=_directive,
            action="append",
            default=[],
            help="another option of sbatch, such as qos=long",
        )
    )
    seldom(
        slurm.add_argument(
            "--scratch", metavar="DIR", help="directory of each host (default: the job's own)"
        )
    )
    slurm.add_argument(
        "--output", metavar="FILE", type=path, help="write the script there, and do not submit it"
    )
    slurm.add_argument(
        "--dry-run", action="store_true", help="print the script; write and submit nothing"
    )
    handed_on = parser.add_argument_group("handed on to batch run")
    for name, (metavar, kind, text) in _OF_RUN.items():
        seldom(
            handed_on.add_argument(f"--{name}", metavar=metavar, type=_as_given(kind), help=text)
        )
    seldom(handed_on.add_argument("--rerun", choices=RERUN, help="what is done again"))
    for name, text in _FLAGS_OF_RUN.items():
        seldom(handed_on.add_argument(f"--{name}", action="store_true", help=text))


def run(options: argparse.Namespace) -> int:
    from ...batch.slurm import script_of, submit
    from ...batch.state import RunDirectory, state_of

    if options.shard_by == "exposure" and options.array is None:
        options.parser.error("--shard-by exposure: say with --array how many jobs there are to be")
    check_place(options, may_write=not options.dry_run)
    plan = make_plan(options)
    n_planned = sum(exposure.problem is None for exposure in plan.exposures)
    state = state_of(plan.settings.destination, options.state).absolute()
    directory = RunDirectory.of(plan, state)
    command = _command(options, plan, directory)
    plan = dataclasses.replace(plan, command=shlex.join(command))
    job = _job(options, plan, directory, command)
    script = script_of(job)
    if options.dry_run:
        print(script, end="")
        return 0
    for line in _problems(plan):
        print(line)
    if not n_planned:
        options.parser.error("there is no exposure that could be calibrated")
    plan.write(directory.path)
    job.logs.mkdir(parents=True, exist_ok=True)
    file = Path(options.output) if options.output else job.logs / "submit.sh"
    write_text(file, script)
    print(f"{_count(n_planned, 'exposure')} in {_count(job.n_jobs, 'job')}")
    print(f"script {file}")
    print(f"logs   {job.logs}")
    if options.output:
        print(f"to submit it: {shlex.join(['sbatch', str(file)])}")
    else:
        print(f"submitted as job {submit(file)}")
    told = [plan.settings.destination, *(["--state", str(state)] if options.state else [])]
    print(f"to see how far it is: {shlex.join(['romancal-rs', 'batch', 'status', *told])}")
    return 0


def _problems(plan: Plan) -> list[str]:
    from ...batch.planning import plan_problems

    n = sum(exposure.problem is not None for exposure in plan.exposures)
    lines = [f"  {line}" for line in plan_problems(plan)]
    return [f"{n} cannot be calibrated:", *lines] if n else []


def _command(options: argparse.Namespace, plan: Plan, directory: RunDirectory) -> list[str]:
    """What works on the plan."""
    words = ["romancal-rs", "batch", "run", "--to", plan.settings.destination]
    if options.state:
        words += ["--state", str(directory.path.parent)]
    words += ["--run", directory.path.name]
    if options.ignore:
        words += ["--ignore", ",".join(options.ignore)]
    given = vars(options)
    for name in (*_OF_RUN, "rerun"):
        if (value := given[name.replace("-", "_")]) is not None:
            words += [f"--{name}", value]
    return [*words, *(f"--{n}" for n in _FLAGS_OF_RUN if given[n.replace("-", "_")])]


def _job(
    options: argparse.Namespace, plan: Plan, directory: RunDirectory, command: list[str]
) -> SlurmJob:
    from ...batch.slurm import SlurmJob

    by_detector = options.shard_by == "detector" or options.array is None
    detectors = {exposure.detector for exposure in plan.exposures if exposure.problem is None}
    given = vars(options)
    return SlurmJob(
        command,
        n_jobs=options.array or max(1, len(detectors)),
        logs=directory.path / "slurm",
        by="detector" if by_detector else None,
        cpus=options.cpus_per_task,
        workers=options.workers,
        scratch=options.scratch,
        directives={
            **{name: given[name] for name in _DIRECTIVES if given[name] is not None},
            **dict(options.sbatch),
        },
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _as_given(kind: Callable[[str], object]) -> Callable[[str], str]:
    """The text of an option, which is checked now: a job would tell of it hours later."""

    def check(text: str) -> str:
        kind(text)
        return text

    return check


def _directive(text: str) -> tuple[str, str]:
    name, _, value = text.removeprefix("--").partition("=")
    if not name.replace("-", "").isalnum():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as qos=long")
    return name, value
