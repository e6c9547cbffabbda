"""Previews and thumbnails: their size, their orientation, and what they show."""

from __future__ import annotations

import io

import numpy as np
import pytest

from romancal_rs import datamodels, show
from romancal_rs.datamodels import ImageModel, RampModel, testing
from romancal_rs.dqflags import pixel


def image_of(shape, seed=0, **arrays):
    data = np.random.default_rng(seed).normal(1, 0.1, shape).astype(np.float32)
    return ImageModel(testing.create_wfi_image(**{"data": data, **arrays}))


@pytest.mark.parametrize(
    ("shape", "thumbnail", "preview"),
    [
        ((4088, 4088), (256, 256), (1022, 1022)),  # cells of 16 and of 4
        ((504, 504), (252, 252), (1008, 1008)),  # cells of 2, and twice as large
        ((120, 120), (240, 240), (1080, 1080)),
        ((100, 300), (50, 150), (600, 1800)),
        ((8, 8), (256, 256), (1080, 1080)),
    ],
)
def test_sizes_are_the_largest_that_fit(shape, thumbnail, preview):
    image = ImageModel(testing.create_wfi_image(shape))
    assert show.thumbnail(image).shape == (*thumbnail, 3)
    assert show.preview(image).shape == (*preview, 3)


def test_other_sizes_can_be_asked_for():
    image = image_of((100, 200))
    assert show.thumbnail(image, 50).shape == (25, 50, 3)
    assert show.preview(image, (70, 1000)).shape == (34, 67, 3)


def test_the_first_row_of_the_detector_is_at_the_bottom():
    data = np.ones((64, 64), np.float32)
    data[:8, :8] = 50.0
    pixels = show.thumbnail(image_of((64, 64), data=data)).astype(int)
    assert pixels[-16, 16].sum() > 600
    for row, column in ((16, 16), (16, -16), (-16, -16)):
        assert pixels[row, column].sum() < 300


def test_an_unusable_pixel_is_neither_bright_nor_dark():
    dq = np.zeros((64, 64), np.uint32)
    dq[60, 60] = pixel["DO_NOT_USE"]
    data = np.ones((64, 64), np.float32)
    data[60, 60] = 1e9
    pixels = show.thumbnail(image_of((64, 64), data=data, dq=dq))
    red, green, blue = (int(value) for value in pixels[(63 - 60) * 4 + 1, 60 * 4 + 1])
    assert blue > green > red


@pytest.fixture(scope="module")
def calibrated(simulated):
    from romancal_rs.pipeline import ExposurePipeline

    with ExposurePipeline.call(
        str(simulated.exposure), references=str(simulated.references)
    ) as image:
        yield image


def test_north_and_east_are_drawn_into_the_corner_of_a_preview(calibrated):
    with_arrows = show.preview(calibrated)
    without = show.preview(calibrated, compass=False)
    assert with_arrows.shape == without.shape == (16 * 56, 16 * 120, 3)
    changed = np.argwhere((with_arrows != without).any(axis=-1))
    assert len(changed) > 100
    rows, cols = without.shape[:2]
    assert changed[:, 0].max() < 0.4 * rows
    assert changed[:, 1].min() > 0.6 * cols
    # All pixels that no arrow covers are those of the image.
    assert len(changed) < 0.05 * rows * cols


def test_a_ramp_is_shown_by_what_it_collected():
    data = np.full((3, 64, 64), 5000, np.float32)
    data[2, 20:24, 40:44] += 1000
    pixels = show.thumbnail(RampModel(testing.create_ramp(data=data))).astype(int).sum(axis=-1)
    bright = np.argwhere(pixels > 400)
    assert bright.min(axis=0).tolist() == [4 * (64 - 24), 4 * 40]
    assert bright.max(axis=0).tolist() == [4 * (64 - 20) - 1, 4 * 44 - 1]


def test_a_mask_is_shown_by_its_flags(tmp_path):
    dq = np.zeros((64, 64), np.uint32)
    dq[10, 10] = pixel["DO_NOT_USE"]
    mask = datamodels.MaskRefModel(testing.create_mask(dq=dq))
    pixels = show.thumbnail(mask).astype(int)
    ground = pixels[0, 0]
    differ = np.argwhere(np.abs(pixels - ground).sum(axis=-1) > 50)
    assert differ.min(axis=0).tolist() == [4 * 53, 4 * 10]
    assert len(differ) == 16


def test_pixels_become_a_png(calibrated):
    from matplotlib.image import imread

    pixels = show.thumbnail(calibrated)
    read = imread(io.BytesIO(show.as_png(pixels)))
    np.testing.assert_array_equal((255 * read[..., :3]).round().astype(np.uint8), pixels)
