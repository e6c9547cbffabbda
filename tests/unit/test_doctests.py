"""The examples of docstrings, run in a directory that has the files they name."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from public_objects import PUBLIC, function_of

import romancal_rs
from romancal_rs.pipeline import ExposurePipeline

#: What people use most, and so has to have an example: names in `romancal_rs`.
SHOWN = {
    "ReadPattern",
    "calibrate_all",
    "compare.compare",
    "datamodels.DataModel.save",
    "datamodels.ImageModel",
    "datamodels.ImageModel.cutout",
    "datamodels.ImageModel.to_ccddata",
    "datamodels.open",
    "dqflags.counts",
    "dqflags.names",
    "fits.export",
    "inspection.describe_file",
    "inspection.validate_file",
    "pipeline.ExposurePipeline",
    "references.DirectoryStore",
    "references.resolve",
    "report.Report",
    "report.write",
    "show.picture",
    "show.pixel_ramp",
    "simulate.simulate",
    "stpipe.Run",
    "stpipe.Step.call",
    "stpipe.Step.run",
}
#: Makers of kernels, which `calibrate` shows; `expand_large_events` needs a snowball.
NOT_SHOWN = {
    *("dark", "dark_decay", "dark_rate", "jump", "likelihood_fit", "linearity", "ramp_fit"),
    *("read_linearity", "refpix", "saturation", "wfi18_transient", "expand_large_events"),
}


def documented() -> Iterator[tuple[str, str]]:
    """Names and docstrings of everything public, and of the modules that offer it."""
    for found in pkgutil.walk_packages(romancal_rs.__path__, "romancal_rs."):
        if "._" not in found.name:
            yield found.name, importlib.import_module(found.name).__doc__ or ""
    for item in PUBLIC:
        yield item.name, function_of(item.value).__doc__ or ""


EXAMPLES = {
    name: test
    for name, text in documented()
    if (test := doctest.DocTestParser().get_doctest(text, {}, name, name, None)).examples
}


@pytest.fixture(scope="module")
def exposures(simulated, tmp_path_factory) -> Path:
    """A directory that has what the examples read.

    ``exposure_uncal.asdf`` is a Level 1 exposure, ``exposure_cal.asdf`` the Level 2 image made of
    it, and ``references`` the directory of its reference files.
    """
    directory = tmp_path_factory.mktemp("examples")
    (directory / "exposure_uncal.asdf").symlink_to(simulated.exposure)
    (directory / "references").symlink_to(simulated.references)
    raw = str(directory / "exposure_uncal.asdf")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        ExposurePipeline.call(raw, references=str(simulated.references), save_results=True)
    return directory


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_do_what_they_show(name, exposures, monkeypatch):
    monkeypatch.chdir(exposures)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=flags)
    assert runner.run(EXAMPLES[name], out=told.append).failed == 0, "".join(told)


def test_what_people_use_most_has_examples():
    kernels = {f"kernels.{name}" for name in romancal_rs.kernels.__all__ if name.islower()}
    shown = SHOWN | {name for name in kernels if name.rpartition(".")[2] not in NOT_SHOWN}
    assert {f"romancal_rs.{name}" for name in shown} <= EXAMPLES.keys()


def test_no_example_is_left_out():
    for test in EXAMPLES.values():
        assert not [example.source for example in test.examples if "doctest:" in example.source]
