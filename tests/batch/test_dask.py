"""Batches on a Dask cluster whose parts die and come back."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch.many import Many, scheduler_settings
from batch.test_run import done_again

from romancal_rs.batch import Kind, calibrate_all
from romancal_rs.batch.engines import make
from romancal_rs.errors import ArgumentError, ArgumentTypeError, InputError

pytestmark = pytest.mark.slow
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Many:
    """Two detectors with ten exposures each."""
    made = Many.make(tmp_path_factory.mktemp("many"), detectors=2)
    made.fill(10)
    return made


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Cluster:
    """A scheduler and two workers, as a batch system would start them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.stop()
        self.scheduler = self._dask(
            "dask_scheduler", "--host=127.0.0.1", f"--port={self.port}", "--no-dashboard"
        )
        self.workers = [self.worker() for _ in range(2)]

    def worker(self) -> subprocess.Popen[bytes]:
        return self._dask(
            *("dask_worker", self.address, "--nthreads=1", "--memory-limit=0"),
            *("--no-dashboard", "--no-nanny", "--death-timeout=30"),
        )

    def _dask(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        hooks = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{name}", *words],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(hooks)},
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )

    def stop(self) -> None:
        for process in [*self.workers, *filter(None, [self.scheduler])]:
            process.kill()
            process.wait()
        self.workers, self.scheduler = [], None


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    directory = tmp_path / "cluster"
    directory.mkdir()
    made = Cluster(directory)
    made.start()
    yield made
    made.stop()


def batch_of(many: Many, destination: Path, **options: object):
    return calibrate_all(
        many.raw,
        destination,
        references=many.references,
        parameters={"recipe": "2022"},
        **options,
    )


def assert_complete(outcomes: list, number: int, destination: Path) -> None:
    assert [outcome.kind for outcome in outcomes] == [Kind.DONE] * number
    assert len({outcome.input for outcome in outcomes}) == number
    assert len(list(destination.glob("*_cal.asdf"))) == number


def test_a_scheduler_that_is_started_anew_costs_no_result(many, tmp_path, cluster):
    batch = batch_of(many, tmp_path / "out", engine="dask", scheduler=cluster.address)
    outcomes = []
    for outcome in batch:
        outcomes.append(outcome)
        if len(outcomes) == 6:
            in_work = batch.in_work()
            cluster.start()
    assert_complete(outcomes, 20, tmp_path / "out")
    # What was in work, or began before the workers were gone.
    assert len(done_again(tmp_path / "out")) <= len(in_work) + 2


def test_a_worker_that_is_killed_costs_no_result(many, tmp_path, cluster):
    outcomes = []
    for outcome in batch_of(many, tmp_path / "out", engine="dask", scheduler=cluster.address):
        outcomes.append(outcome)
        if len(outcomes) == 4:
            os.kill(cluster.workers[0].pid, signal.SIGKILL)
            cluster.workers.append(cluster.worker())
    assert_complete(outcomes, 20, tmp_path / "out")
    assert len(done_again(tmp_path / "out")) <= 1


def test_a_client_of_a_notebook_is_used_and_left_as_it_was(many, tmp_path, cluster):
    with distributed.Client(cluster.address, set_as_default=False) as client:
        before = client.run_on_scheduler(scheduler_settings)
        assert_complete(list(batch_of(many, tmp_path, engine=client)), 20, tmp_path)
        assert client.status == "running"
        assert client.run_on_scheduler(scheduler_settings) == before
    assert not done_again(tmp_path)


def test_no_scheduler_is_told_in_a_line(many, tmp_path):
    with pytest.raises(InputError, match=r"--scheduler .*there is no such file"):
        list(batch_of(many, tmp_path, engine="dask", scheduler=str(tmp_path / "scheduler.json")))


def test_a_scheduler_without_dask_and_an_unknown_engine_are_errors():
    with pytest.raises(ArgumentError, match="that is for engine dask"):
        make("serial", scheduler="tcp://host:1")
    with pytest.raises(ArgumentError, match="expected processes, serial, dask"):
        make("spark")


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ArgumentTypeError, match=r'pip install "romancal-rs\[dask\]"'):
        make("dask")


def test_what_workers_get_can_be_sent(many, tmp_path):
    batch = batch_of(many, tmp_path)
    assert pickle.loads(pickle.dumps(batch)).plan.digest == batch.plan.digest
