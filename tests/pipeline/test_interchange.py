"""Products of the pipeline in the mission's own library, roman_datamodels."""

import numpy as np
import pytest
from roman_datamodels import datamodels as rdm

from romancal_rs import datamodels
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.ramp_fitting import RampFitStep

HALF = ("err", "var_poisson", "var_rnoise", "var_flat", "chisq", "dumo")


@pytest.fixture(scope="module")
def product(simulated, tmp_path_factory):
    """The image in memory, and the directory with its files."""
    out = tmp_path_factory.mktemp("products")
    image = ExposurePipeline.call(
        str(simulated.exposure),
        references=str(simulated.references),
        output_dir=str(out),
        save_results=True,
        save_calibrated_ramp=True,
        steps={"flatfield": {"include_var_flat": True}},
    )
    # Segments, which only this fit has.
    RampFitStep.call(
        str(only(out, "ramp")),
        references=str(simulated.references),
        output_dir=str(out),
        algorithm="ols",
        save_opt=True,
    )
    return image, out


def only(out, suffix):
    (path,) = out.glob(f"*_{suffix}.asdf")
    return path


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("cal", rdm.ImageModel),
        ("ramp", rdm.RampModel),
        ("fitopt", rdm.RampFitOutputModel),
    ],
)
def test_products_validate_there(product, suffix, kind):
    with rdm.open(only(product[1], suffix)) as theirs:
        assert isinstance(theirs, kind)
        theirs.validate()


def test_arrays_are_equal_there(product):
    image, out = product
    with rdm.open(only(out, "cal")) as theirs:
        assert np.array_equal(theirs.data, image.data)
        assert np.array_equal(theirs.dq, image.dq)
        for name in HALF:
            array = np.asarray(theirs[name])
            assert array.dtype == np.float16, name
            assert np.array_equal(array, half(image[name]), equal_nan=True), name


def half(array):
    """Float16 by the rule of the files: clipped to what is finite."""
    limit = float(np.finfo(np.float16).max)
    return np.clip(array, -limit, limit).astype(np.float16)


def test_reading_back_gives_equal_arrays(product):
    image, out = product
    with datamodels.open(only(out, "cal")) as again:
        for name, array in again.arrays():
            ours = image[name]
            expected = half(ours).astype(np.float32) if name in HALF else ours
            assert np.array_equal(again[name], expected, equal_nan=True), name
            assert array.shape == ours.shape


def test_wcs_evaluates_to_the_same_position_there(product):
    image, out = product
    n_rows, n_cols = image.shape
    x, y = np.meshgrid(np.linspace(0, n_cols - 1, 7), np.linspace(0, n_rows - 1, 7))
    with rdm.open(only(out, "cal")) as theirs:
        assert np.array_equal(theirs.meta.wcs(x, y), image.meta.wcs(x, y))


def test_an_exposure_of_theirs_runs_here(simulated, tmp_path):
    """Written by the mission's library, compressed with lz4."""
    path = tmp_path / "theirs_uncal.asdf"
    with rdm.open(simulated.exposure) as theirs:
        theirs.meta.filename = path.name
        theirs.to_asdf(path, all_array_compression="lz4")
    references = str(simulated.references)
    compressed = ExposurePipeline.call(str(path), references=references)
    original = ExposurePipeline.call(str(simulated.exposure), references=references)
    assert np.array_equal(compressed.data, original.data)
    assert np.array_equal(compressed.dq, original.dq)
