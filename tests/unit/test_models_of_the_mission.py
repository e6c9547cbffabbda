"""Models of the mission's library come out as their files do: by era, and by kind of number."""

import warnings
from pathlib import Path

import numpy as np
import old_files
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import Encoding, testing
from romancal_rs.guide_window import GuideWindow
from romancal_rs.pipeline import ExposurePipeline

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
READNOISE = SEED_ERA / "roman_wfi_readnoise_fake.asdf"


@pytest.fixture(scope="module")
def mission():
    return pytest.importorskip("roman_datamodels.datamodels")


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names and tags of old files, by the mission's library
        yield


@pytest.mark.parametrize(
    "path", sorted(SEED_ERA.glob("*_fake.asdf")), ids=lambda path: path.stem.split("_")[2]
)
def test_a_reference_of_2022_is_of_2022(mission, path):
    with mission.open(path) as theirs, datamodels.open(path) as ours:
        for model in (datamodels.open(theirs), datamodels.open(theirs.copy())):
            assert (model.era, model.tag, model.file_tag) == ("2022", ours.tag, ours.file_tag)
            for name, array in ours.arrays():
                assert model[name].dtype == array.dtype
                np.testing.assert_array_equal(model[name], ours[name])


def test_its_read_noise_is_that_of_two_reads_and_saved_as_that_of_one(mission, tmp_path):
    with mission.open(READNOISE) as theirs:
        model = datamodels.open(theirs)
        assert model.is_cds
        with datamodels.open(model.save(tmp_path / "x.asdf")) as again:
            assert not again.is_cds
            of_one = datamodels.open(READNOISE).data / np.float32(np.sqrt(2))
            np.testing.assert_array_equal(again.data, of_one)


def test_a_model_made_by_todays_library_is_of_today(mission):
    model = datamodels.open(mission.ReadnoiseRefModel.create_fake_data(shape=(16, 16)))
    assert model.era == "today"
    assert not model.is_cds


@pytest.mark.parametrize("fused", [True, False])
def test_a_model_of_the_missions_library_may_be_an_override(mission, simulated, fused):
    """It was taken for a path where it was opened."""
    (path,) = simulated.references.glob("*gain*.asdf")
    expected = ExposurePipeline.call(
        str(simulated.exposure), references=str(simulated.references), fused=fused
    )
    with mission.open(path) as gain:
        result = ExposurePipeline.call(
            str(simulated.exposure),
            references=str(simulated.references),
            override_gain=gain,
            fused=fused,
        )
    np.testing.assert_array_equal(result.data, expected.data)
    assert result.meta.ref_file.gain == f"{path.name} (in memory)"


def test_flags_of_2022_that_are_in_memory_are_widened(mission, tmp_path):
    content = {"meta": old_files.reference_meta("MASK"), "dq": np.full((8, 8), 3, np.uint16)}
    path = old_files.write(tmp_path / "mask.asdf", "reference_files/mask", content, "0.13.0")
    with mission.open(path) as theirs:
        theirs.dq = np.array(theirs.dq)
        model = datamodels.open(theirs)
    assert model.dq.dtype == np.uint32
    assert (model.dq == 3).all()
    model.validate()


def test_a_model_whose_file_was_closed_says_so(mission):
    with mission.open(READNOISE) as theirs:
        model = datamodels.open(theirs)
    with pytest.raises(datamodels.ModelError, match="was closed; keep the model open"):
        model.data  # noqa: B018
    with pytest.raises(datamodels.ModelError, match="was closed; keep the model open"):
        datamodels.open(theirs)  # and nobody would tell from when it is


def test_an_array_of_a_model_of_the_missions_library_is_read_when_it_is_touched(mission):
    """`hasattr` on what `asdf` has in place of an array reads the array."""
    with mission.open(READNOISE) as theirs:
        model = datamodels.open(theirs)
        assert model.shape == (128, 128)
        assert "(unloaded)" in repr(theirs.data)
        assert model.data.any()


def test_a_model_of_the_missions_library_is_kept_while_its_arrays_are_unread(mission):
    model = datamodels.open(mission.open(READNOISE))
    theirs = model._tree.shares_with
    copy = model.copy_for_change(())
    assert copy._tree.shares_with is model._tree
    assert copy.data.any()
    theirs.close()


# --- numbers of NumPy


@pytest.mark.parametrize("validate", ["error", "warn"])
def test_numbers_of_numpy_in_metadata_are_numbers(mission, simulated, validate):
    with mission.open(simulated.exposure) as theirs:
        meta = theirs.meta
        meta.wcsinfo.ra_ref = np.float64(meta.wcsinfo.ra_ref)
        meta.exposure.frame_time = np.float32(2.5)
        meta.exposure.nresultants = np.int64(meta.exposure.nresultants)
        meta.exposure.read_pattern = [tuple(map(np.int16, r)) for r in meta.exposure.read_pattern]
        meta.pointing.target_ra = np.float64(10.25)
        meta.instrument.data_encoding_offset = np.uint16(0)
        meta.guide_star.window_xstart = np.int64(-5)
        theirs["mine"] = np.float64(3)
        result = ExposurePipeline.call(
            theirs, references=str(simulated.references), validate=validate
        )
    assert type(result.meta.pointing.target_ra) is float
    assert result.meta.pointing.target_ra == 10.25
    assert result.meta.guide_star.window_xstart == -5
    assert result.mine == 3
    result.validate()


def test_the_encoding_and_the_guide_window_take_numbers_of_numpy():
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw((2, 16, 16)))
    meta = raw._tree.data["meta"]
    meta["instrument"]["data_encoding_offset"] = np.int64(500)
    limits = {"xstart": 5, "xstop": 8, "ystart": 6, "ystop": 10}
    for name, limit in limits.items():
        meta["guide_star"][f"window_{name}"] = np.int16(limit)
    assert Encoding.of(raw).offset == 500
    window = GuideWindow.of(raw)
    assert window == GuideWindow(**limits)
    assert {type(limit) for limit in window} == {int}
