"""The pulls of products of the third party's simulation, on a made-up one of 13 x 13 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import testing

from .sample import Pulls, Sample, measure

SIZE, INNER = 13, 5
TRUE_RATE, DARK, ERR = 0.25, 0.05, 0.1  # DN/s


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """Gain 2, all pixels of the same rate; three science pixels are hit, masked and saturated."""
    image, references = (SIZE, SIZE), tmp_path / "references"
    references.mkdir()
    flags = np.zeros(image, np.uint32)
    flags[4, 5] = 1
    threshold = np.full(image, 50000, np.float32)
    for name, model in {
        "gain": datamodels.GainRefModel(
            testing.create_gain(image, data=np.full(image, 2, np.float32))
        ),
        "dark": datamodels.DarkRefModel(
            testing.create_dark(image, dark_slope=np.full(image, DARK, np.float32))
        ),
        "saturation": datamodels.SaturationRefModel(
            testing.create_saturation(image, data=threshold)
        ),
        "mask": datamodels.MaskRefModel(testing.create_mask(image, dq=flags)),
    }.items():
        model.save(references / f"roman_wfi_{name}_0001.asdf")
    counts = np.full((2, *image), 100, np.uint16)
    counts[1, 4, 6] = 50000
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(data=counts))
    raw.save(tmp_path / "r1_0001_wfi01_f158_uncal.asdf")
    hits = np.zeros((2, *image))
    hits[0, 4, 4] = 300
    rate = np.full(image, 2 * TRUE_RATE)
    np.savez(tmp_path / "truth_even.npz", rate_electrons=rate, cr_electrons=hits)
    return Sample(tmp_path)


def product(sample: Sample, pulls: np.ndarray, **status: str) -> Path:
    """A rate image whose pixels have these pulls."""
    slope = (TRUE_RATE - DARK + ERR * pulls).astype(np.float32)
    err = np.full(slope.shape, ERR, np.float32)
    model = datamodels.ImageModel(testing.create_wfi_image(data=slope, err=err))
    for step, value in status.items():
        model.meta.cal_step[step] = value
    path = sample.directory / "r1_0001_wfi01_f158_cal.asdf"
    model.save(path)
    return path


def test_hit_masked_saturated_and_unmeasured_pixels_are_left_out(sample):
    pulls = np.full((INNER, INNER), 1.5)
    pulls[0, :3] = 99  # hit, masked, saturated
    pulls[0, 3] = np.nan
    measured = measure(sample, product(sample, pulls))
    assert list(measured) == [(0.0, 0.5)]
    (of_bin,) = measured.values()
    assert of_bin.pixels == INNER**2 - 4
    # Half precision has the error to 1 in 2048.
    assert of_bin.median == pytest.approx(1.5, rel=1e-3)
    assert of_bin.width == pytest.approx(0, abs=1e-6)


def test_median_and_widths_of_known_numbers():
    # -50 to 50: the 16th and 84th percentiles are -34 and 34, the median of the moduli is 25.
    pulls = Pulls.of(np.arange(-50, 51) + 7.0)
    assert (pulls.median, pulls.width, pulls.pixels) == (7.0, 34.0, 101)
    assert pulls.mad == pytest.approx(1.4826 * 25)


def test_a_product_with_its_flat_field_is_refused(sample):
    path = product(sample, np.zeros((INNER, INNER)), flat_field="COMPLETE")
    with pytest.raises(SystemExit, match="has its flat field"):
        measure(sample, path)


def test_a_product_that_names_neither_exposure_is_refused(sample):
    path = product(sample, np.zeros((INNER, INNER)))
    with pytest.raises(SystemExit, match="neither _0001_ nor _0002_"):
        measure(sample, path.rename(path.with_name("r1_0003_cal.asdf")))
