"""The WCS of flight against that of romancal 1.1.0: 9 x 9 pixels at five scales of aberration."""

from pathlib import Path

import numpy as np
import pytest
from astropy.modeling.models import Mapping, Tabular2D

from romancal_rs.assign_wcs import AssignWcsStep
from romancal_rs.datamodels import DistortionRefModel, ImageModel, testing

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden" / "wcs.npz"
MAS_PER_DEGREE = 3.6e6
N_SCALES = 5


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.fixture(scope="module")
def distortion(golden):
    """The V2, V3 of the grid of pixels, with its outer pixels as the bounding box."""
    x, y = golden["in_x"][0], golden["in_y"][:, 0]
    v2, v3 = (
        Tabular2D(points=(x, y), lookup_table=golden[name].T) for name in ("out_v2", "out_v3")
    )
    transform = Mapping((0, 1, 0, 1)) | v2 & v3
    transform.bounding_box = ((y[0], y[-1]), (x[0], x[-1]))
    return DistortionRefModel(testing.create_distortion(coordinate_distortion_transform=transform))


@pytest.mark.parametrize("number", range(N_SCALES))
def test_positions_agree_to_a_millionth_of_a_milliarcsecond(golden, distortion, number):
    image = ImageModel(testing.create_wfi_image())
    names = ("v2_ref", "v3_ref", "roll_ref", "ra_ref", "dec_ref")
    for name, value in zip(names, golden["in_wcsinfo"], strict=True):
        image.meta.wcsinfo[name] = float(value)
    scale = float(golden[f"in_{number}_scale"])
    content = image._tree.data["meta"]["velocity_aberration"]
    content["scale_factor"] = None if np.isnan(scale) else scale  # NaN stands for null there

    result = AssignWcsStep.call(image, override_distortion=distortion)

    ra, dec = result.meta.wcs(golden["in_x"], golden["in_y"])
    east = (ra - golden[f"out_{number}_ra"]) * np.cos(np.radians(dec))
    north = dec - golden[f"out_{number}_dec"]
    assert np.hypot(east, north).max() * MAS_PER_DEGREE < 1e-6
    assert result.meta.wcsinfo.s_region == str(golden[f"out_{number}_s_region"])
