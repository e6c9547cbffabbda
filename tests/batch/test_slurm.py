"""The script of an array of jobs, run by bash with programs that say what they got."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from romancal_rs.batch.slurm import SlurmError, SlurmJob, script_of, submit
from romancal_rs.errors import InputError

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")

#: Stands for every program: it writes its arguments to a file beside it, and does what it is told.
PROGRAM = """\
#!{python}
import json, os, pathlib, signal, sys, time
here = pathlib.Path(__file__)
threads = [os.environ.get(name) for name in ("ROMANCAL_RS_NUM_THREADS", "OMP_NUM_THREADS")]
with open(f"{{here}}.calls", "a") as file:
    print(json.dumps([sys.argv[1:], threads]), file=file)
{does}
"""
AWKWARD = '/raw data/it\'s $HOME `x` "50%"'
#: What shellcheck says of it, rightly: in single quotes nothing is expanded, and that is meant.
EXPANDS_NOTHING = "SC2016"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A directory first on the PATH, and a function that puts a program into it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")

    def put(name: str, does: str = "") -> None:
        path = directory / name
        path.write_text(PROGRAM.format(python=sys.executable, does=does))
        path.chmod(0o755)

    put("scontrol")
    put.directory = directory
    return put


def calls(programs, name: str) -> list[list[str]]:
    """The arguments of each call of a program."""
    path = programs.directory / f"{name}.calls"
    return [json.loads(line)[0] for line in path.read_text().splitlines()] if path.exists() else []


def job(**values: object) -> SlurmJob:
    words = ["romancal-rs", "batch", "run", "--to", AWKWARD, "--run", "0123"]
    return SlurmJob(**{"command": words, "n_jobs": 18, "logs": Path("/logs"), **values})


def begin(script: str, tmp_path: Path, **environment: str) -> subprocess.Popen:
    path = tmp_path / "script.sh"
    path.write_text(script)
    array = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_JOB_ID": "4711"}
    return subprocess.Popen(
        ["bash", str(path)],
        env={**os.environ, **array, "TMPDIR": "/node local", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script: str, tmp_path: Path, **environment: str) -> int:
    process = begin(script, tmp_path, **environment)
    _, errors = process.communicate(timeout=30)
    assert errors == ""
    return process.returncode


def directives(script: str) -> dict[str, str]:
    """As sbatch reads them, up to the first command."""
    head = script.split("\n\n")[0].splitlines()
    assert head[0] == "#!/bin/bash"
    words = [shlex.split(line.removeprefix("#SBATCH ")) for line in head[1:]]
    assert all(len(one) == 1 for one in words)
    return {one[0].partition("=")[0]: one[0].partition("=")[2] for one in words}


def test_a_job_works_on_its_shard_with_the_threads_of_its_cpus(programs, tmp_path):
    programs("romancal-rs")
    script = script_of(job(by="detector", cpus=6, workers=2))
    assert run(script, tmp_path) == 0
    line = (programs.directory / "romancal-rs.calls").read_text()
    assert json.loads(line) == [
        [
            *("batch", "run", "--to", AWKWARD, "--run", "0123"),
            *("--shard", "7/18", "--by", "detector"),
            *("--workers", "2", "--threads", "3", "--scratch", "/node local"),
        ],
        ["3", "3"],
    ]
    assert calls(programs, "scontrol") == []


def test_the_directory_of_a_job_comes_first_and_the_users_own_before_it(programs, tmp_path):
    programs("romancal-rs")
    run(script_of(job()), tmp_path, SLURM_TMPDIR="/of the job")
    run(script_of(job(scratch="/my $scratch")), tmp_path, SLURM_TMPDIR="/of the job")
    scratch = [words[words.index("--scratch") + 1] for words in calls(programs, "romancal-rs")]
    assert scratch == ["/of the job", "/my $scratch"]


def test_directives_say_what_was_asked_for():
    extra = {"time": "04:00:00", "partition": "a b", "mem": "8G"}
    found = directives(script_of(job(cpus=4, directives=extra, logs=Path("/it's 50%/logs"))))
    assert found == {
        "--job-name": "romancal-rs",
        "--array": "1-18",
        "--ntasks": "1",
        "--cpus-per-task": "4",
        "--time": "04:00:00",
        "--partition": "a b",
        "--mem": "8G",
        "--requeue": "",
        "--open-mode": "append",
        "--signal": "B:USR1@60",
        "--output": "/it's 50%%/logs/%A_%a.log",
    }


def test_what_cannot_stand_in_a_directive_is_refused():
    with pytest.raises(InputError, match="--account: 'a\\\\nrm x' is not allowed in a line"):
        script_of(job(directives={"account": "a\nrm x"}))
    with pytest.raises(InputError, match="0 jobs of 1 CPUs and 1 workers: give at least one"):
        script_of(job(n_jobs=0))


@pytest.mark.parametrize(
    ("status", "restarts", "again"), [(0, 0, 0), (1, 0, 0), (75, 0, 1), (75, 9, 1), (75, 10, 0)]
)
def test_a_job_with_transient_failures_is_queued_again_but_not_for_ever(
    programs, tmp_path, status, restarts, again
):
    programs("romancal-rs", f"sys.exit({status})")
    assert run(script_of(job()), tmp_path, SLURM_RESTART_COUNT=str(restarts)) == status
    assert calls(programs, "scontrol") == [["requeue", "4711_7"]] * again


def test_a_command_that_is_not_there_is_told_by_its_status(programs, tmp_path):
    process = begin(script_of(job(command=["no-such-program"])), tmp_path)
    assert "no-such-program" in process.communicate(timeout=30)[1]
    assert process.returncode == 127
    assert calls(programs, "scontrol") == []


#: Ends a while after it is told to, as a batch does that waits for what is in work.
SLOW = """\
def end(*_):
    time.sleep(0.3)
    sys.exit({status})
signal.signal(signal.SIGTERM, end)
pathlib.Path(f"{{here}}.ready").touch()
time.sleep(30)
"""


@pytest.mark.parametrize(
    ("told", "status", "expected", "again"),
    [
        (signal.SIGUSR1, 143, 75, 1),  # the walltime
        (signal.SIGUSR1, 75, 75, 1),
        (signal.SIGUSR1, 0, 0, 0),  # it was complete just then
        (signal.SIGTERM, 143, 143, 0),  # cancelled
    ],
)
def test_a_job_that_is_told_to_stop_waits_for_its_batch(
    programs, tmp_path, told, status, expected, again
):
    programs("romancal-rs", SLOW.format(status=status))
    process = begin(script_of(job()), tmp_path)
    ready = programs.directory / "romancal-rs.ready"
    limit = time.monotonic() + 20
    while not ready.exists() and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(told)
    process.communicate(timeout=30)
    assert process.returncode == expected
    assert calls(programs, "scontrol") == [["requeue", "4711_7"]] * again


def test_scripts_are_without_fault_for_shellcheck(tmp_path):
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    path = tmp_path / "script.sh"
    path.write_text(script_of(job(by="detector", directives={"time": "1:00:00"})))
    done = subprocess.run(
        [shellcheck, "-e", EXPANDS_NOTHING, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_a_script_is_submitted_by_its_path(programs, tmp_path):
    programs("sbatch", "print('4711;cluster')")
    script = tmp_path / "a b.sh"
    script.write_text(script_of(job()))
    assert submit(script) == "4711"
    assert calls(programs, "sbatch") == [["--parsable", str(script)]]


def test_what_sbatch_says_is_told(programs, tmp_path):
    does = "print('sbatch: error: invalid\\npartition', file=sys.stderr); sys.exit(1)"
    programs("sbatch", does)
    with pytest.raises(SlurmError, match=r"x\.sh: sbatch: error: invalid partition"):
        submit(tmp_path / "x.sh")


def test_without_sbatch_the_command_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match=r"run sbatch '/a b\.sh'"):
        submit(Path("/a b.sh"))
