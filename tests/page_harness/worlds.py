"""The directories in which pages run.

Every page begins in a new directory with what the commands of `docs/how-to/index.md` make:

- ``r0000101001001001001_0001_wfi07_f158_uncal.asdf``, a raw exposure of 128 x 128 pixels;
- ``refs/``, its reference files;
- ``r0000101001001001001_0001_wfi07_f158_cal.asdf`` and ``..._wcs.asdf``, its products.

Besides, for all pages:

- ``raw/``, with the raw exposure;
- ``A_cal.asdf``, ``other_cal.asdf``: the product again; ``B_cal.asdf``, and ``theirs_cal.asdf``: a
  product that was made with another threshold.

Of what is simulated there is one copy for all pages: files are linked, as nothing changes a file in
place. What a page needs besides is an `EXTRAS` by name, which its entry in `pages.py` asks for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from remote_servers import ask_s3, s3_server

from romancal_rs import cli
from romancal_rs.batch import calibrate_all, remote
from romancal_rs.dq_init import DQInitStep
from romancal_rs.simulate import SimulationConfig, simulate

ROOT = "r0000101001001001001_0001_wfi07_f158"
RAW = f"{ROOT}_uncal.asdf"
PRODUCT = f"{ROOT}_cal.asdf"


def make_world(directory: Path) -> Path:
    """What all pages begin with."""
    made = simulate(SimulationConfig(rows=128, cols=128, detector="WFI07", seed=7), directory)
    made.references.rename(directory / "refs")
    made.truth.unlink()
    _calibrate(directory, directory)
    other = directory / "other"
    _calibrate(directory, other, "--steps.rampfit.rejection_threshold=6")
    for name, product in {
        **dict.fromkeys(("A_cal.asdf", "other_cal.asdf"), directory / PRODUCT),
        **dict.fromkeys(("B_cal.asdf", "theirs_cal.asdf"), other / PRODUCT),
    }.items():
        os.link(product, directory / name)
    shutil.rmtree(other)
    (directory / "raw").mkdir()
    os.link(directory / RAW, directory / "raw" / RAW)
    return directory


def _calibrate(world: Path, to: Path, *options: str) -> None:
    words = [f"--references={world / 'refs'}", f"--output-dir={to}", "--quiet", *options]
    assert cli.main(["calibrate", str(world / RAW), *words]) == 0


def linked(source: Path, to: Path) -> Path:
    """A copy of a directory whose files are links."""
    shutil.copytree(source, to, copy_function=os.link, dirs_exist_ok=True)
    return to


# --- what some pages need besides


@contextlib.contextmanager
def _batch(directory: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """``calibrated/``: a batch that has run."""
    to = directory / "calibrated"
    batch = calibrate_all(directory / "raw", to, references=directory / "refs", engine="serial")
    assert [outcome.kind for outcome in batch] == ["done"]
    yield


@contextlib.contextmanager
def _ramp(directory: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """``x_linearity.asdf``: a ramp of steps that ran by themselves."""
    ramp = DQInitStep.call(str(directory / RAW), references=str(directory / "refs"))
    ramp.save(directory / "x_linearity.asdf")
    yield


@contextlib.contextmanager
def _s3(directory: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server of S3 whose bucket ``my-bucket`` has ``raw/`` and ``refs/``."""
    with s3_server() as url:
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv(remote.SCRATCH_VARIABLE, str(directory / "scratch"))
        remote.close()
        ask_s3(f"{url}/my-bucket", "PUT")
        for folder in ("raw", "refs"):
            for path in (directory / folder).glob("*.asdf"):
                ask_s3(f"{url}/my-bucket/{folder}/{path.name}", "PUT", path.read_bytes())
        yield
        remote.close()


@contextlib.contextmanager
def _schedulers(directory: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand-ins for Slurm's commands and for dask-jobqueue, which need a cluster.

    ``sbatch`` takes a script and says the number of a job, ``srun`` runs its command here, and
    ``SLURMCluster`` has one worker on this machine.
    """
    programs = directory.parent / "bin"
    patch.setenv("SLURM_ARRAY_TASK_ID", "7")
    patch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "0")
    (directory / "exposures.txt").write_text(f"raw/{RAW}\n")
    linked(directory / "refs", directory / "efs" / "refs")
    for name, does in {"sbatch": "echo 4711", "srun": 'exec "$@"', "scontrol": "exit 0"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    from distributed import LocalCluster

    class SLURMCluster(LocalCluster):
        def __init__(self, *, cores, processes, memory, walltime, worker_extra_args):
            super().__init__(
                n_workers=0, threads_per_worker=cores, memory_limit=0, dashboard_address=None
            )

        def scale(self, n=None, *, jobs=None):
            super().scale(min(jobs, 1) if n is None else n)

    module = types.ModuleType("dask_jobqueue")
    module.SLURMCluster = SLURMCluster  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "dask_jobqueue", module)
    yield


Extra = Callable[[Path, pytest.MonkeyPatch], contextlib.AbstractContextManager[None]]
EXTRAS: dict[str, Extra] = {"batch": _batch, "ramp": _ramp, "s3": _s3, "schedulers": _schedulers}
