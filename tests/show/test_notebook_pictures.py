"""Pictures show themselves in notebooks, whatever was said to matplotlib there."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image as png

from romancal_rs import show
from romancal_rs.simulate import SimulationConfig, simulate


@pytest.fixture(scope="module")
def ramp(simulated):
    return show.pixel_ramp(simulated.exposure, 20, 30, references=simulated.references)


def test_a_picture_is_an_image_for_a_notebook(simulated, ramp):
    for picture in (show.picture(simulated.exposure), show.draw_pixel_ramp(ramp)):
        pixels = png.imread(io.BytesIO(picture._repr_png_()))
        width, height = picture.get_size_inches() * picture.dpi
        assert pixels.shape[:2] == (pytest.approx(height, abs=1), pytest.approx(width, abs=1))
        assert np.ptp(pixels) > 0.5


def test_a_ramp_is_short_at_a_prompt(simulated, ramp):
    assert repr(ramp) == f"<PixelRamp of {simulated.exposure.name}, X 20, Y 30>"


def test_a_simulated_exposure_shows_its_files(tmp_path):
    made = simulate(SimulationConfig(rows=16, cols=16, readout="ideal"), tmp_path)
    html = made._repr_html_()
    assert str(made.truth) in html
    assert made.reference_files["GAIN"].name in html
