"""The pipeline on a CRDS cache, and what its products say about their references."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from roman_datamodels import datamodels as rdm

from romancal_rs.flatfield import FlatFieldStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.references import RuleFileError
from romancal_rs.references.librarian import build_cache
from romancal_rs.stpipe.parameters import reference_types

TYPES = reference_types(ExposurePipeline)


@pytest.fixture(scope="module")
def cache(simulated, tmp_path_factory):
    """A CRDS cache with the references of the simulated exposure."""
    path = tmp_path_factory.mktemp("crds")
    build_cache(simulated.references, path)
    return path


@pytest.fixture
def _crds_path(cache, monkeypatch):
    monkeypatch.setenv("CRDS_PATH", str(cache))


@pytest.mark.usefixtures("_crds_path")
def test_a_run_takes_its_references_from_the_cache_and_says_so(simulated, cache, tmp_path):
    product = ExposurePipeline.call(
        str(simulated.exposure), output_dir=str(tmp_path), save_results=True
    )
    by_hand = ExposurePipeline.call(str(simulated.exposure), references=str(simulated.references))
    assert np.array_equal(product.data, by_hand.data)
    (path,) = tmp_path.glob("*_cal.asdf")
    with rdm.open(path) as theirs:
        theirs.validate()
        recorded = theirs.meta.ref_file
        log = "\n".join(theirs.meta.cal_logs)
        assert recorded.crds.context == "roman_0001.pmap"
        for reftype in TYPES:
            (file,) = (cache / "references").rglob(f"*_{reftype}_*.asdf")
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert recorded[reftype] == f"crds://{file.name}"
            assert recorded["sha256"][reftype] == digest
            line = f"{reftype.upper()} crds://{file.name}, by roman_0001.pmap, sha256 {digest}"
            assert log.count(line) == 1


def test_a_run_on_a_directory_names_no_context(simulated):
    product = ExposurePipeline.call(str(simulated.exposure), references=str(simulated.references))
    recorded = product.meta.ref_file
    assert recorded.crds.context == "N/A"
    (file,) = simulated.references.glob("*_flat_*.asdf")
    assert recorded.flat == file.name
    assert recorded.sha256.flat == hashlib.sha256(file.read_bytes()).hexdigest()
    assert set(recorded.sha256) == set(TYPES)


@pytest.mark.usefixtures("_crds_path")
def test_an_override_is_recorded_beside_what_the_rules_chose(simulated):
    (flat,) = simulated.references.glob("*_flat_*.asdf")
    product = ExposurePipeline.call(
        str(simulated.exposure), steps={"flatfield": {"override_flat": str(flat)}}
    )
    recorded = product.meta.ref_file
    assert (recorded.flat, recorded.crds.context) == (flat.name, "roman_0001.pmap")
    assert recorded.gain.startswith("crds://")


@pytest.mark.usefixtures("_crds_path")
def test_a_directory_comes_first_and_the_cache_fills_its_gaps(simulated, tmp_path):
    (flat,) = simulated.references.glob("*_flat_*.asdf")
    (tmp_path / flat.name).symlink_to(flat)
    product = ExposurePipeline.call(str(simulated.exposure), references=str(tmp_path))
    assert product.meta.ref_file.flat == flat.name
    assert product.meta.ref_file.mask.startswith("crds://")


@pytest.mark.usefixtures("_crds_path")
def test_a_step_alone_takes_a_context(simulated):
    image = ExposurePipeline.call(str(simulated.exposure), steps={"flatfield": {"skip": True}})
    step = FlatFieldStep(context="latest")
    assert step.run(image).meta.ref_file.crds.context == "roman_0001.pmap"
    with pytest.raises(RuleFileError, match=r"roman_0007.pmap is not in the CRDS cache"):
        FlatFieldStep.call(image, context="roman_0007.pmap")


@pytest.mark.usefixtures("_crds_path")
def test_na_in_the_rules_skips_the_step(simulated, cache, tmp_path, monkeypatch):
    from romancal_rs.references.crds_cache.mapping import checksum

    for directory in ("mappings", "config"):
        (tmp_path / directory).mkdir()
        for file in (cache / directory / "roman").iterdir():
            (tmp_path / directory / file.name).write_bytes(file.read_bytes())
    (rules,) = (tmp_path / "mappings").glob("*_flat_*.rmap")
    text = rules.read_text()
    text = text[: text.index("selector =")] + "selector = Match({('WFI01', 'N/A') : 'N/A'})\n"
    old = next(line for line in text.splitlines() if "sha1sum" in line)
    rules.write_text(text.replace(old, f"    'sha1sum' : '{checksum(text)}',"))
    monkeypatch.setenv("CRDS_PATH_SINGLE", str(tmp_path))
    monkeypatch.setenv("CRDS_REFPATH", str(cache / "references"))
    product = ExposurePipeline.call(str(simulated.exposure))
    assert product.meta.cal_step.flat_field == "SKIPPED"
    assert product.meta.ref_file.flat == "N/A"


def test_nothing_is_written_into_the_cache(simulated, cache, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    monkeypatch.setenv("CRDS_PATH", str(cache))
    ExposurePipeline.call(str(simulated.exposure))
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


def test_digests_are_remembered(simulated, monkeypatch):
    ExposurePipeline.call(str(simulated.exposure), references=str(simulated.references))
    monkeypatch.setattr(
        "romancal_rs.references.digest.sha256_of", lambda path: pytest.fail(f"{path} was read")
    )
    ExposurePipeline.call(str(simulated.exposure), references=str(simulated.references))


def test_lookups_import_nothing_heavy(simulated, cache):
    code = f"""
import sys
from pathlib import Path
from romancal_rs.references import *
keys = ExposureKeys.from_file(Path({str(simulated.exposure)!r}))
cache = CrdsCache.at(Path({str(cache)!r}))
stores = [DirectoryStore({str(simulated.references)!r}), CrdsStore(cache)]
for store in stores:
    for reftype in {TYPES!r}:
        assert store.find(reftype, keys).reference.is_file()
assert not {{"astropy", "asdf", "numpy"}} & set(sys.modules), sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
