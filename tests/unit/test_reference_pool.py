"""What runs share by a pool of references, and what each has to itself."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.time import Time
from product_content import content

from romancal_rs import datamodels
from romancal_rs.datamodels import ModelError
from romancal_rs.dqflags import NO_FLAT_FIELD
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.references import DirectoryStore, ExposureKeys, Match, ReferenceNotFoundError
from romancal_rs.references import digest as digests
from romancal_rs.references.crds_cache import CrdsCache, CrdsStore
from romancal_rs.references.errors import ReferenceMismatchError
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import ReferencePool, Run, configure

DETECTORS = ("WFI01", "WFI05", "WFI18")
SETTLED_NS = 2_000_000_000


def settle(directory: Path) -> None:
    """Has files look as if nobody had changed them for a while: what is newer is not relied on."""
    for path in directory.glob("*.asdf"):
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - SETTLED_NS))


@pytest.fixture(scope="module")
def exposures(tmp_path_factory) -> tuple[list[Path], Path]:
    """Two exposures of each of three detectors, and the references of them all."""
    directory = tmp_path_factory.mktemp("pool")
    paths = []
    for number, detector in enumerate(DETECTORS):
        config = SimulationConfig(rows=24, cols=128, n_resultants=4, n_reads=2, detector=detector)
        made = simulate(config, directory)
        with datamodels.open(made.exposure) as raw:
            other = raw.copy()
            other.data = raw.data + np.arange(4, dtype=np.uint16)[:, None, None]
            paths += [made.exposure, other.save(directory / f"other_{number}_uncal.asdf")]
    settle(made.references)
    return paths, made.references


@pytest.fixture
def references(exposures, tmp_path) -> Path:
    """Those references, in a directory that a test may change."""
    return shutil.copytree(exposures[1], tmp_path / "references")


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The names of the reference files that are opened."""
    names = []
    original = datamodels.open

    def counted(source):
        if isinstance(source, str | os.PathLike) and "references" in str(source):
            names.append(Path(source).name)
        return original(source)

    monkeypatch.setattr(datamodels, "open", counted)
    return names


def flat_of(references: Path) -> Path:
    return references / "roman_wfi_flat_0001.asdf"


def change_flat(path: Path, factor: float) -> None:
    """Writes another flat, of the same size, into the same file: its directory does not change."""
    with datamodels.open(path) as flat:
        changed = flat.copy()
    changed.data = changed.data * np.float32(factor)
    other = changed.save(path.with_name("changed.part.asdf"), compression=None)
    path.write_bytes(other.read_bytes())
    other.unlink()


# --- the same products


@pytest.mark.parametrize("recipe", ["2022", "flight"])
def test_one_step_and_a_pool_make_of_each_exposure_what_a_run_alone_makes(exposures, recipe):
    paths, references = exposures
    step = ExposurePipeline(references=str(references), recipe=recipe)
    alone = [content(Run(step)(path)) for path in paths]
    assert alone[0]["meta.ref_file.flat"] != alone[2]["meta.ref_file.flat"]
    with ReferencePool() as pool:
        for _ in range(2):
            for path, expected in zip(paths, alone, strict=True):
                assert content(Run(step, pool=pool)(path)) == expected


def test_eight_threads_share_a_pool_that_is_too_small_for_them(exposures):
    paths, references = exposures
    step = ExposurePipeline(references=str(references), recipe="2022")
    alone = [content(Run(step)(path)) for path in paths]
    with ReferencePool(most_files=3) as pool, ThreadPoolExecutor(8) as threads:
        images = threads.map(lambda path: Run(step, pool=pool)(path), paths * 3)
        assert [content(image) for image in images] == alone * 3
        assert len(pool) == 3


def test_a_run_changes_no_model_of_a_pool(exposures):
    paths, references = exposures
    with ReferencePool() as pool:
        files = [pool.hold(path) for path in sorted(references.glob("*_0001.asdf"))]
        before = [dict(as_bytes(file.model)) for file in files]
        for recipe in ("2022", "flight"):
            step = ExposurePipeline(references=str(references), recipe=recipe, fused=False)
            Run(step, pool=pool)(paths[0])
        assert [dict(as_bytes(file.model)) for file in files] == before
        pool.let_go(files)


def as_bytes(model) -> Iterable[tuple[str, object]]:
    for name, value in model.items():
        if name == "coordinate_distortion_transform":
            transform = model[name]
            yield name, (transform.inputs, transform.outputs, transform(3.5, 7.25))
        else:
            yield name, np.asarray(model[name]).tobytes() if hasattr(value, "dtype") else value


# --- once


def test_a_file_is_opened_checked_and_digested_once(exposures, references, opened, monkeypatch):
    monkeypatch.setenv("ROMANCAL_RS_CACHE", str(references.parent / "cache"))
    hashed, checked = [], []
    sha256_of = digests.sha256_of
    monkeypatch.setattr(digests, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    validate = datamodels.FlatRefModel.validate

    def counted(model, **how):
        checked.append(Path(model.source).name)
        validate(model, **how)

    monkeypatch.setattr(datamodels.ReferenceModel, "validate", counted)
    step = ExposurePipeline(references=str(references), recipe="2022")
    with ReferencePool() as pool:
        for path in exposures[0] * 2:
            Run(step, pool=pool)(path)
        n_files = 9 * len(DETECTORS)
        assert len(pool) == len(opened) == len(set(opened)) == n_files
        assert len(hashed) == len(set(hashed)) == n_files
        assert sorted(checked) == sorted(opened)


def test_what_changed_in_place_is_opened_checked_and_digested_anew(exposures, references):
    exposure = exposures[0][0]
    flat = flat_of(references)
    change_flat(flat, 1)
    settle(references)
    step = ExposurePipeline(references=str(references), recipe="2022")
    with ReferencePool() as pool:
        first = Run(step, pool=pool)(exposure)
        size = flat.stat().st_size
        change_flat(flat, 2)
        settle(references)
        assert flat.stat().st_size == size
        second = Run(step, pool=pool)(exposure)
        has_flat = first.dq & NO_FLAT_FIELD == 0
        assert np.array_equal(second.data[has_flat], first.data[has_flat] / 2)
        digest = hashlib.sha256(flat.read_bytes()).hexdigest()
        assert second.meta.ref_file.sha256.flat == digest != first.meta.ref_file.sha256.flat
        with datamodels.open(flat) as model:
            wrong = model.copy()
        wrong.data = np.ones((8, 8), np.float32)
        for name in ("err", "dq"):
            wrong[name] = np.ones((8, 8), wrong[name].dtype)
        wrong.save(flat)
        for _ in range(2):
            with pytest.raises(ReferenceMismatchError, match="FLAT data of shape"):
                Run(step, pool=pool)(exposure)


def test_a_reference_that_came_or_went_is_seen_by_the_next_run(exposures, references):
    exposure = exposures[0][0]
    step = ExposurePipeline(references=str(references), recipe="2022")
    with ReferencePool() as pool:
        assert Run(step, pool=pool)(exposure).meta.ref_file.flat == "roman_wfi_flat_0001.asdf"
        with datamodels.open(flat_of(references)) as flat:
            newer = flat.copy()
        newer.meta.useafter = Time("2021-01-01T00:00:00.000")
        newer.save(references / "newer.asdf")
        assert Run(step, pool=pool)(exposure).meta.ref_file.flat == "newer.asdf"
        (references / "newer.asdf").unlink()
        flat_of(references).unlink()
        with pytest.raises(ReferenceNotFoundError, match="FLAT"):
            Run(step, pool=pool)(exposure)


# --- what stays open

WITH_DATA = ("flat", "gain", "readnoise", "saturation")


def is_open(reference) -> bool:
    try:
        reference.model.stored("data")
    except ModelError:  # the file was closed
        return False
    return True


def test_what_was_used_longest_ago_is_closed_unless_it_is_in_use(exposures):
    paths = [exposures[1] / f"roman_wfi_{name}_0001.asdf" for name in WITH_DATA]
    pool = ReferencePool(most_files=2)
    first, second, third = (pool.hold(path) for path in paths[:3])
    assert all(map(is_open, (first, second, third)))
    pool.let_go([second, third])
    assert [is_open(file) for file in (first, second, third)] == [True, False, True]
    assert pool.hold(paths[0]) is first
    pool.let_go([first, first])
    fourth = pool.hold(paths[3])
    pool.let_go([fourth])
    assert [is_open(file) for file in (first, third, fourth)] == [True, False, True]
    pool.close()
    assert not is_open(first)
    assert not is_open(fourth)


def test_closing_a_pool_leaves_what_a_run_holds_open_until_its_end(exposures):
    path = flat_of(exposures[1])
    pool = ReferencePool()
    held = pool.hold(path)
    pool.close()
    assert is_open(held)
    pool.let_go([held])
    assert not is_open(held)
    step = ExposurePipeline(references=str(exposures[1]), recipe="2022")
    assert Run(step, pool=pool)(exposures[0][0]).meta.cal_step.flat_field == "COMPLETE"
    assert len(pool) == 0


def test_a_replaced_file_is_closed_when_the_last_run_lets_go_of_it(references):
    path = flat_of(references)
    with ReferencePool() as pool:
        old = pool.hold(path)
        change_flat(path, 3)
        new = pool.hold(path)
        assert new is not old
        assert pool.hold(path).stamp == new.stamp
        assert is_open(old)
        pool.let_go([old])
        assert not is_open(old)
        assert is_open(new)


def test_a_pool_of_fewer_than_no_files_is_refused():
    with pytest.raises(ValueError, match="most_files: expected a number from 0, got -1"):
        ReferencePool(most_files=-1)


# --- a store of one's own


class Pinned:
    """References that were chosen before, by type and detector."""

    location = "a plan"
    has_parameters = False

    def __init__(self, directory: Path, exposures: Iterable[Path], types: Iterable[str]) -> None:
        store, types = DirectoryStore(directory), list(types)
        self.chosen: dict[tuple[str, str], Match] = {}
        for path in exposures:
            keys = ExposureKeys.from_file(path)
            for reftype in types:
                self.chosen[reftype, keys.detector] = store.find(reftype, keys)

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        return self.chosen[reftype, keys.detector]

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        return None


TYPES = "dark distortion flat gain linearity mask photom readnoise saturation".split()  # noqa: SIM905


def test_a_store_stands_in_for_the_directory_and_the_record_is_the_same(exposures, monkeypatch):
    paths, references = exposures
    step = ExposurePipeline(references=str(references), recipe="2022")
    alone = [content(Run(step)(path)) for path in paths]
    pinned = Pinned(references, paths, TYPES)

    def not_asked(*args):
        raise AssertionError("the directory was looked through")

    monkeypatch.setattr(DirectoryStore, "find", not_asked)
    with ReferencePool() as pool:
        for path, expected in zip(paths, alone, strict=True):
            assert content(Run(step, pool=pool, store=pinned)(path)) == expected
    assert content(Run(step, store=pinned)(paths[0])) == alone[0]


def test_a_step_with_a_directory_of_its_own_keeps_it(exposures, references):
    paths, others = exposures
    change_flat(flat_of(references), 4)
    pinned = Pinned(others, paths, TYPES)
    step = ExposurePipeline(
        recipe="2022", steps={"flatfield": {"references": str(references)}}
    )  # and none for the pipeline
    image = Run(step, store=pinned)(paths[0])
    used = image.meta.cal_runs[-1].references
    assert used.flatfield.flat.path == str(flat_of(references))
    assert used.photom.photom.path == str(others / "roman_wfi_photom_0001.asdf")


class WithParameters(Pinned):
    """Has one parameter reference, for the jump step."""

    has_parameters = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[str] = []

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        self.asked += reftypes
        return self.path if "PARS-JUMPSTEP" in self.asked[-2:] else None


def test_parameters_are_looked_for_in_a_store_that_is_given(exposures, tmp_path):
    file = tmp_path / "jump.asdf"
    ExposurePipeline(steps={"jump": {"rejection_threshold": 5.5}}).jump.export_config(file)
    store = WithParameters(file)
    step = configure.build(ExposurePipeline, exposures[0][0], store=store)
    assert step.jump.rejection_threshold == 5.5
    assert "PARS-EXPOSUREPIPELINE" in store.asked


def test_a_crds_cache_is_looked_at_anew_once_its_latest_context_is_another(tmp_path):
    config = tmp_path / "config" / "roman"
    config.mkdir(parents=True)
    (tmp_path / "mappings" / "roman").mkdir(parents=True)
    server_config = config / "server_config"
    server_config.write_text("{'latest_context': 'roman_0001.pmap'}")
    store = CrdsStore(CrdsCache.at(tmp_path))
    assert store.is_current()
    server_config.write_text("{'latest_context': 'roman_0002.pmap'}")
    assert not store.is_current()
    assert CrdsStore(CrdsCache.at(tmp_path)).is_current()
