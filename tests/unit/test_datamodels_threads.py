"""Threads that share a model, or the file behind several, read what is there."""

import gzip
import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import _asdf, testing

NAMES = ("data", "dq", "err", "var_poisson", "var_rnoise")
N_THREADS = 8
N_TIMES = 15


@pytest.fixture(params=[None, "lz4", "zlib"])
def image(request, tmp_path):
    """The file of an image with other numbers in each array, and these."""
    model = datamodels.ImageModel(testing.create_wfi_image(shape=(64, 96)))
    generator = np.random.default_rng(5)
    for name in NAMES:
        model[name] = generator.integers(0, 1000, model.shape).astype(model[name].dtype)
    path = model.save(tmp_path / "image.asdf", compression=request.param)
    # As it stands in the file, where half precision is what some arrays are in.
    with datamodels.open(path) as saved:
        return path, {name: saved.stored(name).copy() for name in NAMES}


def differing(models, expected) -> set[str]:
    """The arrays that any of many threads, which all read at once, see differently."""

    def read(number):
        model = models[number % len(models)]
        return {
            name
            for time in range(N_TIMES)
            for name in [NAMES[(number + time) % len(NAMES)]]
            if not np.array_equal(model.stored(name), expected[name])
        }

    with ThreadPoolExecutor(N_THREADS) as pool:
        return set().union(*pool.map(read, range(N_THREADS)))


def test_threads_read_the_arrays_of_one_model(image):
    path, expected = image
    with datamodels.open(path) as model:
        assert differing([model], expected) == set()


@pytest.mark.parametrize("opened", ["plain", "in memory", "gzip"])
def test_threads_read_several_models_of_one_open_file(image, opened, tmp_path):
    path, expected = image
    if opened == "gzip":
        (tmp_path / "image.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    open_file = {
        "plain": lambda: path.open("rb"),
        "in memory": lambda: io.BytesIO(path.read_bytes()),
        "gzip": partial(gzip.open, tmp_path / "image.gz"),
    }
    with open_file[opened]() as file:
        models = [datamodels.open(file) for _ in range(3)]
        assert differing(models, expected) == set()
        assert file.tell() == 0


def test_threads_read_copies_of_one_model(image):
    path, expected = image
    with datamodels.open(path) as model:
        copies = [model.copy_for_change(()) for _ in range(3)]
        assert differing([model, *copies], expected) == set()


def test_threads_open_models_of_one_open_file(image):
    path, expected = image
    with path.open("rb") as file, ThreadPoolExecutor(N_THREADS) as pool:
        models = list(pool.map(lambda _: datamodels.open(file), range(3 * N_THREADS)))
        assert differing(models, expected) == set()


def test_reading_an_array_does_not_move_a_plain_file(image, monkeypatch):
    path, expected = image
    with path.open("rb") as file, datamodels.open(file) as model:
        monkeypatch.setattr("romancal_rs.datamodels._arrays.position_kept", None)
        assert np.array_equal(model.stored("data"), expected["data"])


def test_threads_leave_the_filters_of_warnings_as_they_were():
    """Also where one begins to use `asdf` before another, and ends after it."""
    before = list(warnings.filters)
    second_is_in, first_is_out = threading.Event(), threading.Event()

    def second():
        with _asdf.configured(_asdf.TIMES):
            second_is_in.set()
            first_is_out.wait(600)

    thread = threading.Thread(target=second)
    with _asdf.configured(_asdf.TIMES):
        thread.start()
        second_is_in.wait(0.2)  # it has to wait for the first one, and this is not for ever
    first_is_out.set()
    thread.join()
    assert list(warnings.filters) == before
