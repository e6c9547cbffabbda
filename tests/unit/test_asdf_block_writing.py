"""Files as others read them: compressed by lz4, and with a true history."""

import warnings

import asdf
import astropy.units as u
import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs._asdf_blocks import find_first_block, read_blocks
from romancal_rs.datamodels import ModelError, testing
from romancal_rs.dq_init import DQInitStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import ParameterError, Run


def compressions(path) -> set[bytes]:
    """The compressions of the blocks that have any data."""
    with path.open("rb") as file:
        return {b.compression for b in read_blocks(file, find_first_block(file)) if b.size}


@pytest.fixture(scope="module")
def image():
    image = datamodels.ImageModel(testing.create_wfi_image(shape=(1100, 1000)))
    rng = np.random.default_rng(5)
    image.data = rng.normal(size=(1100, 1000)).astype(np.float32)  # more than one part of 4 MiB
    image["transposed"] = np.arange(6, dtype=">i2").reshape(2, 3).T
    image["nothing"] = np.zeros((0, 3))
    image["number"] = np.array(7, np.uint8)
    image["words"] = np.array(["one", "two"])
    image["lengths"] = np.arange(5.0) * u.m
    return image


@pytest.mark.parametrize("compression", ["lz4", "zlib", "bzp2", None])
def test_asdf_reads_what_is_written(image, tmp_path, compression):
    path = image.save(tmp_path / "image.asdf", compression=compression)
    assert compressions(path) == {(compression or "").encode()}
    with (
        warnings.catch_warnings(),
        asdf.open(path, lazy_load=False) as file,
    ):
        roman = file["roman"]
        np.testing.assert_array_equal(roman["data"], image.data)
        np.testing.assert_array_equal(roman["transposed"], [[0, 3], [1, 4], [2, 5]])
        assert roman["nothing"].shape == (0, 3)
        assert roman["number"] == 7
        np.testing.assert_array_equal(roman["words"], ["one", "two"])
        np.testing.assert_array_equal(roman["lengths"], np.arange(5.0) * u.m)
        assert roman["err"].dtype == np.float16
    with datamodels.open(path) as again:
        np.testing.assert_array_equal(again.data, image.data)
        np.testing.assert_array_equal(again["lengths"], np.arange(5.0) * u.m)
        np.testing.assert_array_equal(again["words"], ["one", "two"])


def test_saving_compresses_by_lz4_unless_told_otherwise(image, tmp_path):
    assert compressions(image.save(tmp_path / "image.asdf")) == {b"lz4"}
    with pytest.raises(ModelError, match=r"x\.asdf: compression = 'rar': expected None or one of"):
        image.save(tmp_path / "x.asdf", compression="rar")
    assert not (tmp_path / "x.asdf").exists()


def test_the_history_names_only_extensions_that_are_installed(image, tmp_path):
    """It named one of this package, which `asdf` has not: each reader was warned of it."""
    path = image.save(tmp_path / "image.asdf")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with asdf.open(path) as file:
            history = file["history"]["extensions"]
    assert [str(w.message) for w in caught if "extension" in str(w.message)] == []
    installed = {(e.extension_uri, e.package_name) for e in asdf.get_config().extensions}
    assert len(history) >= 2
    for entry in history:
        assert (entry["extension_uri"], entry["software"]["name"]) in installed


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = SimulationConfig(rows=24, cols=128, n_resultants=4, n_reads=2, seed=3)
    return simulate(config, tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, b"lz4"), ({"array_compression": "zlib"}, b"zlib"), ({"array_compression": "none"}, b"")],
)
def test_the_steps_of_a_pipeline_save_as_it_says(made, tmp_path, given, expected):
    pipeline = ExposurePipeline(
        references=str(made.references), output_dir=str(tmp_path), save_results=True, **given
    )
    pipeline.dq_init.save_results = True
    run = Run(pipeline)
    run(made.exposure)
    assert len(run.saved_files) == 3
    for path in run.saved_files:
        assert compressions(path) == {expected}, path


@pytest.mark.parametrize("none", [None, "None"])
def test_the_compression_is_lz4_and_never_none_in_another_sense(none):
    assert DQInitStep().array_compression == ExposurePipeline().array_compression == "lz4"
    with pytest.raises(ParameterError, match="array_compression"):
        DQInitStep(array_compression=none)


def test_a_step_may_differ_from_its_pipeline_and_run_alone(made, tmp_path):
    pipeline = ExposurePipeline(
        references=str(made.references), output_dir=str(tmp_path), save_results=True
    )
    pipeline.dq_init.set_parameters({"save_results": True, "array_compression": "none"})
    run = Run(pipeline)
    run(made.exposure)
    assert [compressions(path) for path in run.saved_files] == [{b""}, {b"lz4"}, {b"lz4"}]
    step = DQInitStep(references=str(made.references), output_dir=str(tmp_path), save_results=True)
    run = Run(step)
    run(made.exposure)
    assert compressions(run.saved_files[0]) == {b"lz4"}
