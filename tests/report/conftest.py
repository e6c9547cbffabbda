"""Products that the tests of pages share: made once, never changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from romancal_rs.cli import main


@pytest.fixture(scope="session")
def made(simulated, tmp_path_factory) -> Path:
    """A directory with a raw exposure, its ramp before the fit, and its image."""
    directory = tmp_path_factory.mktemp("made")
    raw = directory / simulated.exposure.name
    shutil.copy(simulated.exposure, raw)
    arguments = ["run", "roman_elp", str(raw), "--references", str(simulated.references)]
    arguments += ["--output_dir", str(directory), "--save_calibrated_ramp=true"]
    assert main([*arguments, "--steps.rampfit.rejection_threshold=5"]) == 0
    return directory


@pytest.fixture(scope="session")
def product(made) -> Path:
    return next(made.glob("*_cal.asdf"))


@pytest.fixture(scope="session")
def page(product) -> str:
    """The page of the image."""
    from romancal_rs.report import Report

    return Report(product).html()
