"""Exposures that several tests share: made once, never changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

#: The files that take longest, which begin: at the end one of them would keep a single core busy.
FIRST = (
    "packaging/test_walk.py",
    "hostile/test_corpus.py",
    "batch/test_run.py",
    "torture/test_batch_kills.py",
    "docs/test_site.py",
    "docs/test_tutorials.py",
    "docs/test_pages.py",
    "crds/test_fetch.py",
    "torture/test_torture.py",
    "cli/test_terminal.py",
    "show/test_pictures.py",
    "show/test_pixel_ramp.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the files of FIRST begin, in that order; all others stay as they are."""
    places = {ROOT / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@dataclass(frozen=True)
class Simulated:
    """A small simulated exposure with its references and its truth."""

    exposure: Path
    references: Path
    truth: Path


@pytest.fixture(scope="session", autouse=True)
def cache_directory(tmp_path_factory) -> Iterator[Path]:
    """Where the indices of reference directories go, so that none lies beside the test data."""
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            # What the machine has is not for the tests to find.
            if name.startswith("CRDS_") and name != "CRDS_CLIENT_PYTHON":
                patch.delenv(name)
        patch.delenv("ROMANCAL_RS_REFERENCES", raising=False)
        patch.setenv("ROMANCAL_RS_CACHE", str(directory))
        yield directory


@pytest.fixture(scope="session", autouse=True)
def signals_of_a_terminal() -> Iterator[None]:
    """As on a terminal: what runs in the background ignores Ctrl-C, and by nohup SIGHUP."""
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    if hasattr(signal, "SIGHUP"):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory) -> Simulated:
    """64 x 128 pixels, one whole channel of the read-out, 6 resultants of 4 reads."""
    from romancal_rs.simulate import SimulationConfig, simulate

    config = SimulationConfig(rows=64, cols=128, n_resultants=6, n_reads=4, seed=11)
    made = simulate(config, tmp_path_factory.mktemp("simulated"))
    return Simulated(made.exposure, made.references, made.truth)
