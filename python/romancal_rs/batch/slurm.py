"""A batch as an array of jobs of Slurm: the script, and its submission.

Each job of the array works on its shard of one plan. It needs no other job and no server: the jobs
share the destination and the directory of the records.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError, RomancalError, one_line

__all__ = ["SlurmError", "SlurmJob", "script_of", "submit"]

#: How long before its walltime a job is told to stop [s].
_NOTICE = 60
#: How often a job comes back, at most; Slurm itself knows no limit.
_MOST_RESTARTS = 10


class SlurmError(RomancalError):
    """Slurm did not take a script."""


@dataclass(frozen=True)
class SlurmJob:
    """What a script is about.

    Attributes
    ----------
    command : sequence of str
        The words of the command that works on a shard, without ``--shard``, ``--workers``,
        ``--threads`` and ``--scratch``.
    n_jobs : int
        Of the array.
    logs : Path
        Directory of the logs; it has to be there when the jobs begin.
    by : str or None
        What shards are made by, such as ``detector``; of equal numbers of exposures if None.
    name : str
    cpus : int
        Of each job: so many workers, each with one thread, unless `workers` says otherwise.
    workers : int or None
        Fewer than there are CPUs have several threads each.
    scratch : str or None
        Directory of each host; by default the one that the job has: ``SLURM_TMPDIR``, ``TMPDIR`` or
        ``/tmp``.
    directives : dict of str to str
        Further ones of ``sbatch``, such as ``time`` and ``partition``.
    """

    command: Sequence[str]
    n_jobs: int
    logs: Path
    by: str | None = None
    name: str = "romancal-rs"
    cpus: int = 1
    workers: int | None = None
    scratch: str | None = None
    directives: Mapping[str, str] = field(default_factory=dict)


def script_of(job: SlurmJob) -> str:
    """The script for ``sbatch``.

    A minute before its walltime a job has the batch stop after what is in work; then, and where
    only transient failures are left (status 75), it is queued again. Where it is cancelled it is
    not.

    Parameters
    ----------
    job : SlurmJob

    Raises
    ------
    InputError
        If a value cannot stand in a directive, or there are no jobs.
    """
    if job.n_jobs < 1 or job.cpus < 1 or (job.workers is not None and job.workers < 1):
        raise InputError(
            f"{job.n_jobs} jobs of {job.cpus} CPUs and {job.workers or job.cpus} workers: "
            "give at least one of each"
        )
    workers = min(job.workers or job.cpus, job.cpus)
    directives = {
        "job-name": job.name,
        "array": f"1-{job.n_jobs}",
        "ntasks": "1",
        "cpus-per-task": str(job.cpus),
        **job.directives,
        "requeue": "",
        "open-mode": "append",
        # To the script alone. Not TERM, which is what a job gets that is cancelled.
        "signal": f"B:USR1@{_NOTICE}",
        "output": f"{str(job.logs).replace('%', '%%')}/%A_%a.log",
    }
    shard = f'--shard "$SLURM_ARRAY_TASK_ID/{job.n_jobs}"'
    if job.by is not None:
        shard += f" --by {shlex.quote(job.by)}"
    scratch = shlex.quote(job.scratch) if job.scratch else '"${SLURM_TMPDIR:-${TMPDIR:-/tmp}}"'
    return _SCRIPT.format(
        directives="\n".join(_directive(name, value) for name, value in directives.items()),
        threads=job.cpus // workers,
        command=shlex.join(job.command),
        workers=workers,
        scratch=scratch,
        shard=shard,
        most=_MOST_RESTARTS,
    )


_SCRIPT = """\
#!/bin/bash
{directives}

# The threads of each worker.
export ROMANCAL_RS_NUM_THREADS={threads}
export OMP_NUM_THREADS={threads}

batch='' signalled='' out_of_time=''
# USR1: the walltime is near. TERM: cancelled. Either ends a wait, but not the batch.
trap 'signalled=yes out_of_time=yes; kill -TERM "$batch" 2>/dev/null' USR1
trap 'signalled=yes; kill -TERM "$batch" 2>/dev/null' TERM

{command} \\
    {shard} \\
    --workers {workers} --threads {threads} \\
    --scratch {scratch} &
batch=$!
wait "$batch"
status=$?
while [ -n "$signalled" ]; do
    signalled=''
    wait "$batch"
    last=$?
    [ "$last" -eq 127 ] || status=$last # 127: it was waited for already
done

if [ "$status" -ge 128 ] && [ -n "$out_of_time" ]; then
    status=75
fi
if [ "$status" -eq 75 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {most} ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$status"
"""


def _directive(name: str, value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise InputError(f"--{name}: {value!r} is not allowed in a line of a script for sbatch")
    return f"#SBATCH --{name}={shlex.quote(value)}" if value else f"#SBATCH --{name}"


def submit(script: Path) -> str:
    """Submits a script.

    Returns
    -------
    str
        The number of the job.

    Raises
    ------
    SlurmError
        If there is no ``sbatch``, or it fails.
    """
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        command = f"sbatch {shlex.quote(str(script))}"
        raise SlurmError(f"sbatch is not on the PATH: on a host of the cluster run {command}")
    done = subprocess.run(
        [sbatch, "--parsable", str(script)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SlurmError(
            f"sbatch {script}: {one_line(done.stderr.strip() or f'status {done.returncode}')}"
        )
    return done.stdout.strip().partition(";")[0]  # the name of the cluster may follow
