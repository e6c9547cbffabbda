"""``meta.statistics``: exact medians of the good pixels, and when they are told."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags, kernels
from romancal_rs.dark_current import DarkCurrentStep
from romancal_rs.datamodels import ImageModel, testing
from romancal_rs.photom import PhotomStep
from romancal_rs.pipeline import ExposurePipeline

# The standard deviation of a normal distribution over its median absolute deviation,
# 1 / (sqrt(2) erfinv(1/2)), as romancal 1.1.0 has it.
SIGMA_OF_MAD = 1.482602218505602


def by_numpy(data, dq, err):
    """Median, rms and share of the good pixels, in the single precision of the image."""
    good = data[np.isfinite(data) & (dq & dqflags.DO_NOT_USE == 0) & (err > 0)]
    median = np.median(good)
    return (
        float(median),
        SIGMA_OF_MAD * float(np.median(np.abs(good - median))),
        good.size / data.size,
    )


def found(data, dq, err, **how):
    result = kernels.image_statistics(data, dq, err, **how)
    return result.median, result.rms, result.good_pixel_fraction


def skies(rng, shape):
    """Rates of all kinds: noise, stars, a gradient, few values, tiny and huge ones, one value."""
    sky = rng.normal(0.9, 0.05, shape)
    yield sky
    yield sky * np.where(rng.random(shape) < 0.01, 500, 1)
    yield np.linspace(-3, 40, sky.size).reshape(shape)
    yield rng.integers(-2, 3, shape)
    yield rng.normal(0, 1, shape) * 10.0 ** rng.integers(-42, 36, shape)
    yield np.full(shape, 0.25)


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (3, 67), (40, 100), (401, 333)])
def test_medians_are_those_of_numpy(shape):
    rng = np.random.default_rng(7)
    for rates in skies(rng, shape):
        data = rates.astype(np.float32)
        dq = rng.choice(np.array([0, 4, 1, 3], np.uint32), shape, p=[0.6, 0.3, 0.05, 0.05])
        err = rng.choice(
            np.array([0.1, 0, -1, np.nan, np.inf], np.float32), shape, p=[0.96] + [0.01] * 4
        )
        data[rng.random(shape) < 0.02] = np.nan
        dq.flat[0], err.flat[0], data.flat[0] = 0, 1, 2  # one is good at least
        expected = by_numpy(data, dq, err)
        assert found(data, dq, err) == expected
        assert found(data, dq, err, max_threads=1, band_rows=3) == expected


def test_an_image_whose_channels_differ():
    """A sample in steps of the width of a channel would see one of them."""
    data = np.repeat(np.arange(32, dtype=np.float32), 128)[None] + np.zeros((256, 1), np.float32)
    dq, err = np.zeros(data.shape, np.uint32), np.ones(data.shape, np.float32)
    # 0 to 31 equally often: the median is 15.5, the deviations are 0.5 to 15.5, their median 8.
    assert found(data, dq, err) == (15.5, SIGMA_OF_MAD * 8, 1)


def image() -> ImageModel:
    """Rates 1, 2, 3 and 100 in a quarter of the pixels each; those of 100 are DO_NOT_USE."""
    rates = np.tile(np.array([1, 2, 3, 100], np.float32), (8, 2))
    model = ImageModel(testing.create_wfi_image((8, 8)))
    model.data, model.err = rates, np.ones_like(rates)
    model.dq = np.where(rates == 100, np.uint32(dqflags.DO_NOT_USE), np.uint32(0))
    return model


EXPECTED = {
    "zodiacal_light": -1,
    "image_median": 2,
    "image_rms": SIGMA_OF_MAD,
    "good_pixel_fraction": 0.75,
}


def dark_of(rate):
    dark = datamodels.DarkRefModel(testing.create_dark((16, 16)))
    dark.dark_slope = np.full((16, 16), rate, np.float32)
    dark.dq = np.zeros((16, 16), np.uint32)
    return dark


def test_a_step_by_itself_tells_of_the_image_that_it_makes():
    given = image()
    result = DarkCurrentStep.call(given, override_dark=dark_of(0.5))
    assert dict(result.meta.statistics) == EXPECTED | {"image_median": 1.5}
    assert "statistics" not in given.meta
    # Also where it changes no pixel.
    assert dict(PhotomStep.call(given, override_photom="N/A").meta.statistics) == EXPECTED


def test_in_2022_there_are_none():
    result = DarkCurrentStep.call(image(), override_dark=dark_of(0.5), recipe="2022")
    assert "statistics" not in result.meta


def test_without_a_good_pixel_they_are_nan_and_the_mission_reads_them(tmp_path):
    mission = pytest.importorskip("roman_datamodels.datamodels")
    given = image()
    given.err[:] = 0
    result = PhotomStep.call(given, override_photom="N/A")
    path = result.save(tmp_path / "nothing.asdf")
    with datamodels.open(path) as saved:
        statistics = dict(saved.meta.statistics)
    assert math.isnan(statistics.pop("image_median"))
    assert math.isnan(statistics.pop("image_rms"))
    assert statistics == {"zodiacal_light": -1, "good_pixel_fraction": 0}
    with mission.open(path) as theirs:
        theirs.validate()
        assert math.isnan(theirs.meta.statistics.image_median)
    assert "NaN" in json.dumps(dict(result.meta.statistics))


def test_the_pipeline_tells_of_its_product_and_of_what_its_steps_save(
    simulated, tmp_path, monkeypatch
):
    measured = []
    measure = kernels.image_statistics

    def counted(data, dq, err):
        measured.append(data)
        return measure(data, dq, err)

    monkeypatch.setattr(kernels, "image_statistics", counted)
    pipeline = ExposurePipeline(references=str(simulated.references))
    product = pipeline.run(simulated.exposure)
    assert len(measured) == 1
    statistics = product.meta.statistics
    expected = by_numpy(product.data, product.dq, product.err)
    names = ("image_median", "image_rms", "good_pixel_fraction")
    assert tuple(statistics[name] for name in names) == expected
    assert 0.5 < statistics.good_pixel_fraction <= 1
    pipeline = ExposurePipeline(
        references=str(simulated.references),
        output_dir=str(tmp_path),
        steps={"rampfit": {"save_results": True}},
    )
    assert pipeline.run(simulated.exposure).meta.statistics == statistics
    (path,) = tmp_path.iterdir()
    with datamodels.open(path) as fitted:
        expected = by_numpy(fitted.data, fitted.dq, fitted.err)
        assert tuple(fitted.meta.statistics[name] for name in names) == expected
        assert fitted.meta.statistics.image_median != statistics.image_median
