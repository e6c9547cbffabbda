"""romancal-rs batch submit: what is planned, written and handed to Slurm."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from romancal_rs.batch.state import STATE_NAME, RunDirectory, run_directories
from romancal_rs.cli import main

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")

#: Stands for a program: keeps its arguments, one to a line, in a file beside it.
PROGRAM = """\
#!{python}
import pathlib, sys
pathlib.Path(__file__ + ".arguments").write_text("\\n".join(sys.argv[1:]))
print("4711")
"""


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """A directory with programs in place of those that the script and its submission call."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("sbatch", "romancal-rs"):
        (directory / name).write_text(PROGRAM.format(python=sys.executable))
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    return directory


def arguments_of(programs: Path, name: str) -> list[str]:
    return (programs / f"{name}.arguments").read_text().split("\n")


@pytest.fixture
def submit(simulated, tmp_path, capsys):
    """Submits the simulated exposure under a name with blanks and quotes."""
    raw = tmp_path / "raw it's" / simulated.exposure.name
    raw.parent.mkdir()
    shutil.copy(simulated.exposure, raw)
    out = tmp_path / 'out "50%"'

    def run(*words: str, sources: tuple[str, ...] = (str(raw),)) -> tuple[int, str, str, Path]:
        references = f"--references={simulated.references}"
        try:
            status = main(
                ["batch", "submit", "--slurm", *sources, "--to", str(out), references, *words]
            )
        except SystemExit as end:
            status = end.code
        printed, errors = capsys.readouterr()
        return status, printed, errors, out

    return run


def test_the_plan_is_made_once_and_each_job_reads_it(submit, programs, tmp_path):
    status, printed, errors, out = submit("--time", "1:00:00", "--sbatch", "qos=long")
    assert (status, errors) == (0, "")
    (run,) = run_directories(out / STATE_NAME)
    script = run.path / "slurm" / "submit.sh"
    assert arguments_of(programs, "sbatch") == ["--parsable", str(script)]
    assert printed.splitlines() == [
        "1 exposure in 1 job",
        f"script {script}",
        f"logs   {run.path / 'slurm'}",
        "submitted as job 4711",
        f"to see how far it is: {shlex.join(['romancal-rs', 'batch', 'status', str(out)])}",
    ]
    text = script.read_text()
    assert "#SBATCH --time=1:00:00\n#SBATCH --qos=long\n" in text
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_JOB_ID": "4711"}
    environment |= {"SLURM_TMPDIR": "/local"}
    subprocess.run(["bash", str(script)], env=environment, check=True, capture_output=True)
    assert arguments_of(programs, "romancal-rs") == [
        *("batch", "run", "--to", str(out), "--run", run.path.name),
        *("--shard", "1/1", "--by", "detector"),
        *("--workers", "1", "--threads", "1", "--scratch", "/local"),
    ]


def test_options_of_run_are_handed_on(submit, programs, tmp_path):
    state = tmp_path / "my state"
    words = ["--array", "5", "--retries", "7", "--ignore", "software,references", "--keep-going"]
    status, printed, _, out = submit(*words, "--state", str(state), "--dry-run")
    assert status == 0
    assert not state.exists()
    assert not out.exists()
    assert not (programs / "sbatch.arguments").exists()
    line = next(line for line in printed.splitlines() if line.startswith("romancal-rs"))
    told = shlex.split(line.removesuffix("\\"))
    assert told[:7] == ["romancal-rs", "batch", "run", "--to", str(out), "--state", str(state)]
    assert told[7] == "--run"
    assert told[9:] == ["--ignore", "software,references", "--retries", "7", "--keep-going"]
    assert '--shard "$SLURM_ARRAY_TASK_ID/5" \\\n' in printed


def test_a_script_can_be_written_and_not_submitted(submit, programs, tmp_path):
    script = tmp_path / "a b.sh"
    status, printed, _, _ = submit("--output", str(script))
    assert status == 0
    assert f"to submit it: sbatch '{script}'" in printed
    assert script.read_text().startswith("#!/bin/bash\n#SBATCH --job-name")
    assert not (programs / "sbatch.arguments").exists()


def test_without_sbatch_the_script_is_there_and_the_status_says_so(submit, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _, errors, out = submit()
    assert status == 1
    (run,) = run_directories(out / STATE_NAME)
    script = run.path / "slurm" / "submit.sh"
    assert script.exists()
    assert f"run sbatch {shlex.quote(str(script))}" in errors


def test_the_plan_says_what_goes_on_with_it(submit, programs):
    *_, out = submit()
    (run,) = run_directories(out / STATE_NAME)
    plan = RunDirectory(run.path).read_plan()
    told = ["romancal-rs", "batch", "run", "--to", str(out), "--run", run.path.name]
    assert shlex.split(plan.command) == told


def test_nothing_is_submitted_where_nothing_can_be_calibrated(submit, programs, tmp_path):
    broken = tmp_path / "broken_uncal.asdf"
    broken.write_bytes(b"#ASDF 1.0.0\n")
    status, printed, errors, out = submit(sources=(str(broken),))
    assert status == 2
    assert "there is no exposure that could be calibrated" in errors
    assert "1 cannot be calibrated:" in printed
    assert not (programs / "sbatch.arguments").exists()
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--shard-by", "exposure"], "say with --array how many jobs there are to be"),
        (["--array", "0"], "'0': expected a whole number from 1"),
        # The jobs ended with it, hours later.
        (["--rerun", "always"], "there is no 'always'"),
        (["--timeout", "5m"], "'5m': expected a number of seconds above 0"),
        (["--retries", "no"], "'no': expected a whole number from 1"),
        (["--memory-limit", "lots"], "'lots': expected a size such as 4GB or 512MiB"),
        (["--sbatch", "a b"], "'a b' is not NAME=VALUE, such as qos=long"),
    ],
)
def test_wrong_usage_is_told(submit, words, told):
    status, _, errors, _ = submit(*words)
    assert (status, told in errors) == (2, True)
