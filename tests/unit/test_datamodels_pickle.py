"""Models travel between processes: with all they hold, and without their file."""

import multiprocessing
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import ImageModel, ModelError, ScienceRawModel, ValidationError, testing

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"


@pytest.fixture
def raw_file(tmp_path) -> Path:
    cube = np.arange(2 * 16 * 16, dtype=np.uint16).reshape(2, 16, 16)
    raw = ScienceRawModel(testing.create_wfi_science_raw(data=cube))
    return raw.save(tmp_path / "r1_uncal.asdf")


def test_a_pool_returns_models(raw_file):
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        # A function of the package: a worker could not import one of this module.
        (model,) = pool.map(datamodels.open, [raw_file])
    assert type(model) is ScienceRawModel
    assert model.data[1, 15, 15] == 2 * 16 * 16 - 1
    assert model.source == str(raw_file)
    model.validate()


def test_a_pickled_model_needs_its_file_no_more(raw_file):
    with datamodels.open(raw_file) as model:
        text = pickle.dumps(model)
    raw_file.unlink()
    again = pickle.loads(text)
    assert again.tag == model.tag
    assert again.meta == model.meta
    np.testing.assert_array_equal(again.data, model.data)
    again.meta.exposure.frame_time = 3.0
    with pytest.raises(ValidationError):
        again.meta.exposure.frame_time = "3"
    again.close()
    assert again.amp33.sum() == 0


def test_a_working_copy_that_shares_a_file_can_be_pickled(raw_file):
    with datamodels.open(raw_file) as model:
        again = pickle.loads(pickle.dumps(model.copy_for_change(["data"])))
    assert again.data[0, 0, 5] == 5
    assert again.amp33.shape == (2, 16, 128)


def test_a_model_with_a_wcs_can_be_pickled():
    with datamodels.open(SEED_ERA / "expected_cal.asdf") as image:
        again = pickle.loads(pickle.dumps(image))
        assert again.meta.wcs(10.0, 20.0) == image.meta.wcs(10.0, 20.0)


def test_a_pickled_node_is_a_node():
    image = ImageModel(testing.create_wfi_image())
    node = pickle.loads(pickle.dumps(image.meta.exposure))
    assert node == image.meta.exposure
    with pytest.raises(ValidationError, match=r"meta\.exposure\.frame_time"):
        node.frame_time = "3"


def test_what_cannot_be_pickled_is_named(raw_file):
    with datamodels.open(raw_file) as model:
        model.meta["lock"] = threading.Lock()
        with pytest.raises(ModelError, match=r"r1_uncal.asdf: .* its meta\.lock cannot be pickled"):
            pickle.dumps(model)
    closed = datamodels.open(raw_file)
    closed.close()
    with pytest.raises(ModelError, match="the file was closed before"):
        pickle.dumps(closed)


def test_an_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(ValidationError("meta.a", 3, "no", "x.asdf")))
    assert str(error) == "x.asdf: While validating meta.a the following error occurred: no"
    assert (error.path, error.value, error.rule, error.source) == ("meta.a", 3, "no", "x.asdf")
