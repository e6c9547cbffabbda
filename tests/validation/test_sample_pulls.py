"""The pulls of products of the third party's simulation, on a made-up one of 13 x 13 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.dqflags import pixel

from .sample import Pulls, Sample, measure, measure_against_bound

SIZE, INNER = 13, 5
TRUE_RATE, DARK, ERR = 0.25, 0.05, 0.1  # DN/s
GAIN, NOISE, FRAME_TIME = 2.0, 3.0, 4.0  # electron/DN, DN, s


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """All pixels of the same rate; three science pixels are hit, masked and saturated.

    Three resultants of a read each. The hit is in the second.
    """
    image, references = (SIZE, SIZE), tmp_path / "references"
    references.mkdir()
    flags = np.zeros(image, np.uint32)
    flags[4, 5] = 1
    threshold = np.full(image, 50000, np.float32)
    for name, model in {
        "gain": datamodels.GainRefModel(
            testing.create_gain(image, data=np.full(image, GAIN, np.float32))
        ),
        "readnoise": datamodels.ReadnoiseRefModel(
            testing.create_readnoise(image, data=np.full(image, NOISE, np.float32))
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
    counts = np.full((3, *image), 100, np.uint16)
    counts[2, 4, 6] = 50000
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(data=counts))
    raw.meta.exposure.read_pattern = [[1], [2], [3]]
    raw.meta.exposure.frame_time = FRAME_TIME
    raw.save(tmp_path / "r1_0001_wfi01_f158_uncal.asdf")
    hits = np.zeros((3, *image))
    hits[1, 4, 4] = 300
    fields = [("read", "i2"), ("y", "i2"), ("x", "i2"), ("electrons", "f4")]
    np.savez(
        tmp_path / "truth_even.npz",
        rate_electrons=np.full(image, GAIN * TRUE_RATE),
        cr_electrons=hits,
        cr_list=np.array([(2, 0, 0, 300)], fields),
    )
    return Sample(tmp_path)


def product(
    sample: Sample, pulls: np.ndarray, jump: np.ndarray | None = None, **status: str
) -> Path:
    """A rate image whose pixels have these pulls, and JUMP_DET where `jump` is."""
    slope = (TRUE_RATE - DARK + ERR * pulls).astype(np.float32)
    err = np.full(slope.shape, ERR, np.float32)
    dq = np.zeros(slope.shape, np.uint32)
    if jump is not None:
        dq[jump] = pixel["JUMP_DET"]
    model = datamodels.ImageModel(testing.create_wfi_image(data=slope, err=err, dq=dq))
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


def test_errors_against_the_bound_of_clean_pixels_and_of_the_hit(sample):
    pulls = np.where(np.arange(INNER**2) % 2, 1.0, -1.0).reshape(INNER, INNER)
    pulls[0, :3] = 7, 99, 99  # hit, masked, saturated
    jump = np.zeros(pulls.shape, bool)
    jump[0, 0] = jump[3, 3] = True
    measured = measure_against_bound(sample, product(sample, pulls, jump=jump))
    assert list(measured) == ["0 - 0.5", "hit"]
    # Differences have the variance p + 2 s^2 and the covariance -s^2, p = rate dt / gain: their
    # mean is the best, with (p + s^2) / 2. Of the pixel with the hit the second is left.
    p = TRUE_RATE * FRAME_TIME / GAIN
    clean = np.sqrt((p + NOISE**2) / 2) / FRAME_TIME
    alone = np.sqrt(p + 2 * NOISE**2) / FRAME_TIME
    bound = sample.bound("even")
    assert (bound[5, 5], bound[4, 4]) == pytest.approx((clean, alone), rel=1e-6)
    of_bin, of_hit = measured.values()
    assert (of_bin.pixels, of_hit.pixels) == (INNER**2 - 3, 1)
    # 11 pulls of -1 and 11 of +1; half precision has the rate to 1 in 2048.
    assert of_bin.rms == pytest.approx(ERR / clean, rel=2e-3)
    assert of_bin.width == pytest.approx(ERR / clean, rel=2e-3)
    assert (of_bin.flagged, of_hit.flagged) == (1 / of_bin.pixels, 1)


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
