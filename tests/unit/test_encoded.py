"""Level 1 as it is sent in flight: reference read, encoding offset, guide window, flags of samples.

Ramps are 16 x 16 pixels with a border of 4.
"""

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.datamodels import testing
from romancal_rs.dq_init import DQInitStep
from romancal_rs.errors import InputError
from romancal_rs.guide_window import GuideWindow
from romancal_rs.saturation import SaturationStep

IMAGE = (16, 16)
FLOOR = dqflags.AD_FLOOR | dqflags.DO_NOT_USE
GW, BAD = dqflags.GW_AFFECTED_DATA, dqflags.DO_NOT_USE
MASK = datamodels.MaskRefModel(testing.create_mask(IMAGE))


def exposure(samples, offset=None, **arrays) -> datamodels.ScienceRawModel:
    """A raw exposure whose pixels all have these counts [DN]."""
    data = np.broadcast_to(np.uint16(samples)[:, None, None], (len(samples), *IMAGE)).copy()
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(data=data))
    for name, array in arrays.items():
        raw[name] = array
    if offset is not None:
        raw.meta.instrument["data_encoding_offset"] = offset
    raw.validate()
    return raw


def plane(value) -> np.ndarray:
    return np.full(IMAGE, value, np.uint16)


def amp33_of(raw: datamodels.ScienceRawModel, value: int) -> np.ndarray:
    return np.full_like(raw.amp33, value)


def dq_init(raw: datamodels.ScienceRawModel, **parameters) -> datamodels.RampModel:
    return DQInitStep.call(raw, override_mask=MASK, **parameters)


def test_the_reference_read_and_the_offset_are_undone_beyond_sixteen_bits():
    raw = exposure([0, 40, 60000], 100, reference_read=plane(25000))
    ramp = dq_init(raw)
    assert ramp.data.dtype == np.float32
    assert ramp.data[:, 8, 8].tolist() == [24900.0, 24940.0, 84900.0]
    for side in ("left", "right", "top", "bottom"):
        assert (ramp[f"border_ref_pix_{side}"] == ramp.data[:, :1, :1]).all()
    assert raw.data[1, 8, 8] == 40
    # They are of the encoding alone, and must not be taken for something to undo once more.
    for name in datamodels.ENCODING_ARRAYS:
        assert name not in ramp


def test_noise_below_zero_survives():
    ramp = dq_init(exposure([95, 100, 107], 100))
    assert ramp.data[:, 8, 8].tolist() == [-5.0, 0.0, 7.0]


def test_the_offset_is_taken_off_once(tmp_path):
    path = dq_init(exposure([900, 1000], 100)).save(tmp_path / "x_dq_init.asdf")
    again = DQInitStep.call(path, override_mask=MASK)
    assert again.data[:, 8, 8].tolist() == [800.0, 900.0]


def test_a_skipped_dq_init_restores_the_counts():
    ramp = DQInitStep.call(exposure([900, 1000], 100), skip=True)
    assert ramp.data[:, 8, 8].tolist() == [800.0, 900.0]
    assert ramp.meta.cal_step.dq_init == "SKIPPED"


@pytest.mark.parametrize("name", ["reference_amp33", "reset_amp33"])
def test_amplifier_33_never_runs_over(name):
    raw = exposure([900, 1000], 5)
    raw.amp33 = amp33_of(raw, 3)
    assert (dq_init(raw).amp33 == 0).all()  # 65534 by arithmetic in 16 bits
    raw[name] = np.full(raw.amp33.shape[1:], 65535, np.uint16)
    assert (dq_init(raw).amp33 == 65533).all()
    raw.amp33 = amp33_of(raw, 9)
    restored = dq_init(raw).amp33
    assert (restored == 65535).all()
    assert restored.dtype == np.uint16


@pytest.mark.parametrize("offset", [5, -5])
def test_a_count_of_0_in_amplifier_33_is_no_sample_and_stays_0(offset):
    """Else it becomes a spike at the level of the reference, which refpix takes for a sample."""
    raw = exposure([900, 1000], offset)
    raw.amp33 = amp33_of(raw, 40)
    raw.amp33[1, 3, 7] = 0
    raw["reference_amp33"] = np.full(raw.amp33.shape[1:], 25000, np.uint16)
    for given in (raw, ramp_as_sent(raw)):
        restored = dq_init(given).amp33
        assert restored[1, 3, 7] == 0
        assert np.unique(restored).tolist() == [0, 25040 - offset]


def test_the_reset_read_of_older_series_is_a_reference_read():
    ramp = dq_init(exposure([10, 20], reset_read=plane(7)))
    assert ramp.data[:, 8, 8].tolist() == [17.0, 27.0]


def test_flags_of_samples_are_kept():
    flags = np.zeros((2, *IMAGE), np.uint8)
    flags[1, 8, 8] = dqflags.DROPOUT
    ramp = dq_init(exposure([0, 10], reference_read=plane(7), resultantdq=flags))
    assert ramp.groupdq[:, 8, 8].tolist() == [FLOOR, dqflags.DROPOUT]
    assert flags[0, 8, 8] == 0


@pytest.mark.parametrize(
    ("samples", "offset", "read", "flags"),
    [
        ([0, 95, 100], None, None, [FLOOR, 0, 0]),
        ([0, 95, 100], 100, None, [FLOOR, 0, 0]),
        ([0, 95, 100], 100, 50, [FLOOR, 0, 0]),
        ([0, 95, 100], 100, 0, [FLOOR, 0, 0]),
        ([0, 95, 100], None, 50, [FLOOR, 0, 0]),
    ],
)
def test_the_floor_of_the_converter_is_a_count_of_zero(samples, offset, read, flags):
    arrays = {} if read is None else {"reference_read": plane(read)}
    reference = datamodels.SaturationRefModel(
        testing.create_saturation(IMAGE, data=np.full(IMAGE, 60000, np.float32))
    )
    ramp = dq_init(exposure(samples, offset, **arrays))
    ramp = SaturationStep.call(ramp, override_saturation=reference)
    assert ramp.groupdq[:, 8, 8].tolist() == flags


def test_saturation_is_judged_by_the_signal_that_was_read_out():
    reference = datamodels.SaturationRefModel(
        testing.create_saturation(IMAGE, data=np.full(IMAGE, 60000, np.float32))
    )
    ramp = dq_init(exposure([30000, 40000], 100, reference_read=plane(25000)))
    ramp = SaturationStep.call(ramp, override_saturation=reference)
    assert ramp.groupdq[:, 8, 8].tolist() == [0, dqflags.SATURATED]


@pytest.mark.parametrize("offset", [-999999, 65536])
def test_an_offset_that_is_none_is_refused(offset):
    with pytest.raises(datamodels.ModelError, match=f"data_encoding_offset is {offset}; expected"):
        dq_init(exposure([1, 2], offset))


def test_a_reference_read_of_another_size_is_refused():
    with pytest.raises(datamodels.ModelError, match=r"reference_read: uint16 of shape \(3, 4\)"):
        dq_init(exposure([1, 2], reference_read=np.zeros((3, 4), np.uint16)))


# --- ramps that another library made of what was sent


def ramp_as_sent(raw: datamodels.ScienceRawModel, dq_init: str = "INCOMPLETE"):
    """As the mission's library makes it: counts and reference reads as they were sent."""
    tree = datamodels.RampModel(testing.create_ramp(shape=raw.shape))._tree
    data = {**raw.copy()._tree.data, "data": raw.data.astype(np.float32)}
    data["groupdq"] = data.pop("resultantdq", np.zeros(raw.shape, np.uint8))
    data["pixeldq"] = np.zeros(IMAGE, np.uint32)
    data["meta"]["cal_step"] = {**tree.data["meta"]["cal_step"], "dq_init": dq_init}
    tree.data.clear()
    tree.data.update(data)
    return datamodels.RampModel(datamodels.RampModel._view(tree, owner=True))


def sent(*, reads: bool, offset: int | None) -> datamodels.ScienceRawModel:
    flags = np.zeros((3, *IMAGE), np.uint8)
    flags[1, 8, 8] = dqflags.DROPOUT
    raw = exposure([0, 940, 2000], offset, resultantdq=flags)
    raw.amp33 = amp33_of(raw, 1200)
    if reads:
        raw.reference_read = plane(25000)
        raw.reference_amp33 = np.full(raw.amp33.shape[1:], 300, np.uint16)
    return raw


ENCODINGS = [(True, 1000), (True, None), (False, 1000), (False, None)]


@pytest.mark.parametrize(("reads", "offset"), ENCODINGS)
@pytest.mark.parametrize("skip", [False, True])
def test_a_ramp_made_elsewhere_is_restored_as_the_exposure_is(reads, offset, skip):
    raw = sent(reads=reads, offset=offset)
    ramp = ramp_as_sent(raw)
    before = ramp.copy()
    expected = DQInitStep.call(raw, override_mask=MASK, skip=skip)
    result = DQInitStep.call(ramp, override_mask=MASK, skip=skip)
    assert {name for name in result if name != "meta"} == {n for n in expected if n != "meta"}
    for name, array in expected.arrays():
        np.testing.assert_array_equal(result[name], array, err_msg=name)
    assert result.meta.cal_step.dq_init == expected.meta.cal_step.dq_init
    for name, array in before.arrays():  # the caller's
        np.testing.assert_array_equal(ramp[name], array, err_msg=name)


@pytest.mark.parametrize(("reads", "offset"), ENCODINGS)
def test_a_ramp_is_restored_once(reads, offset, tmp_path):
    raw = sent(reads=reads, offset=offset)
    expected = dq_init(raw).data
    of_ours = datamodels.RampModel.from_science_raw(raw)  # not through dq_init, but restored
    saved = of_ours.save(tmp_path / "ramp.asdf")
    of_theirs = DQInitStep.call(ramp_as_sent(raw), override_mask=MASK)
    for ramp in (of_ours, saved, of_theirs, of_theirs.save(tmp_path / "again.asdf")):
        again = DQInitStep.call(ramp, override_mask=MASK)
        np.testing.assert_array_equal(again.data, expected)


def test_a_ramp_of_dq_init_that_holds_a_reference_read_is_refused():
    ramp = ramp_as_sent(sent(reads=True, offset=None), "COMPLETE")
    with pytest.raises(datamodels.ModelError, match=r"holds reference_read.*dq_init is COMPLETE"):
        DQInitStep.call(ramp, override_mask=MASK)


@pytest.mark.parametrize(("reads", "offset"), ENCODINGS[:3])
def test_a_ramp_as_it_was_sent_is_for_dq_init_alone(reads, offset):
    with pytest.raises(InputError, match="as they were sent: run dq_init before Saturation"):
        SaturationStep.call(ramp_as_sent(sent(reads=reads, offset=offset)))


# --- the guide window


def windowed(shape=(2, 16, 16), **limits) -> datamodels.ScienceRawModel:
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(shape))
    for name, limit in limits.items():
        raw.meta.guide_star[f"window_{name}"] = limit
    return raw


def test_the_guide_window_is_not_used_and_its_columns_are_flagged():
    ramp = dq_init(windowed(xstart=5, xstop=8, ystart=6, ystop=10))
    expected = np.zeros(IMAGE, np.uint32)
    expected[:, 5:8] = GW
    expected[6:10, 5:8] = GW | BAD
    np.testing.assert_array_equal(ramp.pixeldq, expected)
    np.testing.assert_array_equal(ramp.dq_border_ref_pix_top, expected[:4])


def test_the_guide_window_grows_and_its_columns_do_not():
    raw = windowed(xstart=1, xstop=8, ystart=12, ystop=15)
    ramp = dq_init(raw, expand_gw_flagging=2)
    expected = np.zeros(IMAGE, np.uint32)
    expected[:, 1:8] = GW
    expected[10:16, 0:10] = GW | BAD
    np.testing.assert_array_equal(ramp.pixeldq, expected)


def test_columns_of_the_guide_window_are_held_against_the_columns_of_the_frame():
    limits = {"xstart": 20, "xstop": 44, "ystart": 6, "ystop": 10}
    assert GuideWindow.of(windowed((2, 12, 40), **limits)) == GuideWindow(20, 40, 6, 10)
    assert GuideWindow.of(windowed((2, 40, 12), **limits)) is None


@pytest.mark.parametrize(
    "limits",
    [
        {},  # the made-up metadata have -999999
        {"xstart": 5, "xstop": 8, "ystart": -1, "ystop": 10},
        {"xstart": 5, "xstop": 8, "ystart": 16, "ystop": 20},
        {"xstart": 5, "xstop": -1, "ystart": 6, "ystop": 10},
        {"xstart": 5, "xstop": 5, "ystart": 6, "ystop": 10},
    ],
)
def test_no_guide_window_flags_nothing(limits):
    assert not dq_init(windowed(**limits)).pixeldq.any()


def test_a_limit_of_the_guide_window_that_is_no_number_is_named():
    raw = windowed(xstart=5, xstop=8, ystart=6, ystop=10)
    raw._tree.data["meta"]["guide_star"]["window_ystop"] = "10"
    with pytest.raises(InputError, match=r"meta\.guide_star\.window_ystop is '10'"):
        dq_init(raw)
