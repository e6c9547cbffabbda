"""An exposure in its encoded and its plain form gives the same product, both ways."""

import dataclasses

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.dq_init import DQInitStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.simulate.encoding import guide_window

ARRAYS = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo", "dq")
CONFIG = {"rows": 56, "cols": 48, "seed": 4, "cosmic_ray_rate": 60.0, "bad_pixel_fraction": 0.0}


def run(exposure, made, **parameters):
    image = ExposurePipeline.call(exposure, references=str(made.references), **parameters)
    in_one_pass = any("running in one pass" in line for line in image.meta.cal_logs)
    assert in_one_pass == parameters.get("fused", True)
    return image


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    made = simulate(SimulationConfig(**CONFIG), tmp_path_factory.mktemp("plain"))
    return made, run(made.exposure, made)


@pytest.mark.parametrize("fused", [True, False])
def test_the_simulated_exposure_as_it_is_sent(plain, tmp_path, fused):
    made, expected = plain
    config = SimulationConfig(**CONFIG, encoded=True)
    encoded = simulate(config, tmp_path)
    with datamodels.open(encoded.exposure) as raw:
        assert raw.meta.instrument.data_encoding_offset == 1000
        assert raw.reference_read.any()
        assert raw.data.dtype == np.uint16
    image = run(encoded.exposure, made, fused=fused)
    window = guide_window(config)
    columns = np.zeros(image.shape, bool)
    columns[:, window.xstart - 4 : window.xstop - 4] = True
    inside = np.zeros(image.shape, bool)
    inside[window.ystart - 4 : window.ystop - 4] = columns[0]
    # The neighbours of the window's pixels may have, or not have, jumps flagged with them.
    near = np.zeros(image.shape, bool)
    rows = slice(window.ystart - 5, window.ystop - 3)
    near[rows, window.xstart - 5 : window.xstop - 3] = True
    for name in ARRAYS:
        got, want = image[name].copy(), expected[name].copy()
        if name == "dq":
            assert (got[columns] & dqflags.GW_AFFECTED_DATA != 0).all()
            got[columns] &= ~np.uint32(dqflags.GW_AFFECTED_DATA)
        np.testing.assert_array_equal(got[~near], want[~near], err_msg=name)
    assert (image.dq[inside] & dqflags.DO_NOT_USE != 0).all()
    np.testing.assert_array_equal(image.amp33, expected.amp33)
    np.testing.assert_array_equal(
        np.delete(image.border_ref_pix_top, columns[0].nonzero()[0] + 4, axis=2),
        np.delete(expected.border_ref_pix_top, columns[0].nonzero()[0] + 4, axis=2),
    )
    image.validate()


def test_only_samples_of_0_counts_differ_where_noise_reaches_the_floor(tmp_path):
    no_pedestal = {"pedestal": 0.0, "readout": "ideal"}
    config = SimulationConfig(**CONFIG | no_pedestal | {"n_resultants": 3, "n_reads": 1})
    made = simulate(config, tmp_path / "plain")
    encoded = simulate(dataclasses.replace(config, encoded=True), tmp_path / "encoded")
    with datamodels.open(made.exposure) as raw:
        at_floor = (raw.data == 0).any(axis=0)[4:-4, 4:-4]
    with datamodels.open(encoded.exposure) as raw:
        flagged = DQInitStep.call(raw, references=str(made.references)).pixeldq[4:-4, 4:-4]
    in_window = flagged & (dqflags.DO_NOT_USE | dqflags.GW_AFFECTED_DATA) != 0
    near = np.lib.stride_tricks.sliding_window_view(np.pad(at_floor | in_window, 1), (3, 3))
    # In 2022 no sample tells of others.
    plain, sent = (run(it.exposure, made, recipe="2022") for it in (made, encoded))
    differs = plain.data != sent.data
    assert differs[at_floor & ~in_window].any()
    assert not differs[~near.any(axis=(2, 3))].any()


def test_a_small_detector_keeps_science_pixels_beside_the_guide_window(tmp_path):
    config = SimulationConfig(**CONFIG | {"rows": 24, "cols": 24}, encoded=True)
    made = simulate(config, tmp_path)
    image = run(made.exposure, made)
    assert np.count_nonzero(image.dq & dqflags.DO_NOT_USE == 0) > image.dq.size / 2


@pytest.mark.parametrize("offset", [0, 500])
@pytest.mark.parametrize("has_read", [True, False])
def test_both_ways_restore_the_same_bits(plain, tmp_path, offset, has_read):
    made, expected = plain
    with datamodels.open(made.exposure) as model:
        raw = model.copy()
    read = np.arange(raw.data[0].size).reshape(raw.shape[1:]) % 40 if has_read else 0
    raw.data = (raw.data.astype(int) - read + offset).clip(0, 65535).astype(np.uint16)
    raw.amp33 = (raw.amp33 + offset).astype(np.uint16)
    if has_read:
        raw["reference_read"] = read.astype(np.uint16)
    raw.meta.instrument["data_encoding_offset"] = offset
    path = raw.save(tmp_path / "r_uncal.asdf")
    images = [run(path, made), run(path, made, fused=False), run(raw, made)]
    for image in images:
        for name in (*ARRAYS, "amp33", "border_ref_pix_left"):
            np.testing.assert_array_equal(image[name], expected[name], err_msg=name)


@pytest.mark.filterwarnings("ignore")  # that the mission's library makes ramps otherwise now
@pytest.mark.parametrize("skip", [False, True])
def test_a_ramp_that_the_missions_library_made_of_it(plain, tmp_path, skip):
    """Its ramp holds the counts as they were sent; nor has it borders, or second flags."""
    mission = pytest.importorskip("roman_datamodels.datamodels")
    encoded = simulate(SimulationConfig(**CONFIG, encoded=True), tmp_path)
    parameters = {"steps": {"dq_init": {"skip": skip}}, "fused": False, "validate": "warn"}
    expected = run(encoded.exposure, plain[0], **parameters)
    with mission.open(encoded.exposure) as theirs:
        ramp = mission.RampModel.from_science_raw(theirs)
        assert "reference_read" in ramp
        image = run(ramp, plain[0], **parameters)
        alone = DQInitStep.call(ramp, references=str(plain[0].references), skip=skip)
    for name in (*ARRAYS, "amp33", "border_ref_pix_left", "dq_border_ref_pix_top"):
        np.testing.assert_array_equal(image[name], expected[name], err_msg=name)
    image.validate()
    assert "border_ref_pix_left" in alone
    assert "reference_read" not in alone
