"""From a product to what it was made of: the raw exposure, the references, the parameters."""

import shutil
from pathlib import Path

import pytest

from romancal_rs import datamodels
from romancal_rs.errors import InputError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.references import ReferenceFileError
from romancal_rs.show.sources import Record, ReferenceFinder, find_ramp, find_raw
from romancal_rs.stpipe.provenance import NoRecordError


@pytest.fixture(scope="module")
def made(simulated, tmp_path_factory) -> Path:
    """A directory with an exposure in ``raw``, ``references``, and products in ``out``."""
    directory = tmp_path_factory.mktemp("made")
    raw = directory / "raw" / simulated.exposure.name
    raw.parent.mkdir()
    shutil.copy(simulated.exposure, raw)
    references = shutil.copytree(simulated.references, directory / "references")
    ExposurePipeline.call(
        str(raw),
        references=str(references),
        steps={"rampfit": {"rejection_threshold": 4.25}},
        save_calibrated_ramp=True,
        save_results=True,
        output_dir=str(directory / "out"),
    )
    return directory


@pytest.fixture
def moved(made, tmp_path) -> Path:
    """The same elsewhere: what the product records is not there."""
    copy = shutil.copytree(made, tmp_path / "moved")
    before = str(made)
    hidden = made.with_name("hidden")
    made.rename(hidden)
    yield copy
    hidden.rename(before)


def product(directory: Path, suffix: str = "cal"):
    (path,) = (directory / "out").glob(f"*_{suffix}.asdf")
    return datamodels.open(path)


def without_record(directory: Path) -> Path:
    """The product as another software would have made it."""
    with product(directory) as image:
        other = image.copy()
    del other.meta["cal_runs"]
    path = directory / "other" / Path(image.source).name
    path.parent.mkdir(exist_ok=True)
    other.save(path)
    return path


def test_all_is_where_the_product_says(made):
    with product(made) as image:
        (raw,) = (made / "raw").glob("*.asdf")
        found = find_raw(image)
        assert (found.path, found.note) == (raw, "")
        gain = ReferenceFinder(image).find("rampfit", "gain")
        assert gain.path == made / "references" / "roman_wfi_gain_0001.asdf"
        assert gain.note == ""
        record = Record.of(image)
    assert record.recipe == "flight"
    assert record.notes == []
    assert record.steps["rampfit"]["rejection_threshold"] == 4.25
    assert not any("hooks" in name or "override" in name for name in record.steps["rampfit"])


def test_the_ramp_of_the_same_run_lies_beside(made, tmp_path):
    with product(made) as image:
        assert find_ramp(image) == Path(product(made, "ramp").source)
    shutil.copytree(made / "out", tmp_path / "out")
    with product(tmp_path, "ramp") as ramp:
        other = ramp.copy()
    other.meta.cal_runs[-1]["steps"][0]["parameters"]["expand_gw_flagging"] = 1
    other.save(ramp.source)
    with product(tmp_path) as image:
        assert find_ramp(image) is None


def test_what_moved_is_found_where_it_is_now(moved):
    with product(moved) as image:
        for place in (moved / "raw", *(moved / "raw").glob("*.asdf")):
            found = find_raw(image, place)
            assert found.path == next((moved / "raw").glob("*.asdf"))
            assert found.note == ""
        found = ReferenceFinder(image, moved / "references").find("rampfit", "gain")
        assert found.path == moved / "references" / "roman_wfi_gain_0001.asdf"
        assert found.note == ""
        shutil.copy(next((moved / "raw").glob("*.asdf")), moved / "out")
        assert find_raw(image).path.parent == moved / "out"


def test_the_environment_names_the_references(moved, monkeypatch):
    monkeypatch.setenv("ROMANCAL_RS_REFERENCES", str(moved / "references"))
    with product(moved) as image:
        found = ReferenceFinder(image).find("rampfit", "gain")
    assert found.path == moved / "references" / "roman_wfi_gain_0001.asdf"


def test_another_reference_that_fits_is_told(moved):
    gain = moved / "references" / "roman_wfi_gain_0001.asdf"
    gain.rename(gain.with_name("roman_wfi_gain_0009.asdf"))
    with product(moved) as image:
        found = ReferenceFinder(image, moved / "references").find("rampfit", "gain")
    assert found.path.name == "roman_wfi_gain_0009.asdf"
    assert "GAIN" in found.note
    assert found.note.endswith("roman_wfi_gain_0001.asdf")
    assert str(found.path) in found.note


def test_another_raw_exposure_is_told(moved):
    (path,) = (moved / "raw").glob("*.asdf")
    with datamodels.open(path) as raw:
        other = raw.copy()
    other.meta.exposure["truncated"] = not other.meta.exposure.get("truncated")
    other.save(path)
    with product(moved) as image:
        found = find_raw(image, path.parent)
    assert found.path == path
    assert "is not the file that it was made of, or has changed since" in found.note


def test_what_is_not_there_is_named_with_the_places_and_the_option(moved):
    with product(moved) as image:
        name = Path(image.source).name.replace("_cal", "_uncal")
        with pytest.raises(InputError) as caught:
            find_raw(image)
        told = str(caught.value)
        assert name in told
        assert "nor in" in told
        assert str(moved / "out") in told
        assert "--raw" in told
        with pytest.raises(InputError, match="--raw"):
            find_raw(image, moved / "references")
        with pytest.raises(ReferenceFileError) as caught:
            ReferenceFinder(image).find("rampfit", "gain")
        told = str(caught.value)
        for word in ("GAIN", "roman_wfi_gain_0001.asdf", "--references", "CRDS_PATH"):
            assert word in told
        with pytest.raises(ReferenceFileError, match=r"no GAIN for detector WFI01.*--references"):
            ReferenceFinder(image, moved / "raw").find("rampfit", "gain")


def test_of_other_software_names_tell(moved):
    path = without_record(moved)
    with datamodels.open(path) as image:
        record = Record.of(image)
        assert record.recipe == "auto"
        assert record.names["gain"] == "roman_wfi_gain_0001.asdf"
        assert record.notes == ["it does not record its parameters: defaults are used"]
        assert find_raw(image, moved / "raw").path == next((moved / "raw").glob("*.asdf"))
        found = ReferenceFinder(image, moved / "references").find("rampfit", "gain")
        assert found == ReferenceFinder(image, moved / "references").find("jump", "gain")
        assert found.path.name == "roman_wfi_gain_0001.asdf"
    renamed = path.rename(path.with_name("expected_cal.asdf"))
    with datamodels.open(renamed) as image:
        assert find_raw(image, moved / "raw").path == next((moved / "raw").glob("*.asdf"))


def test_a_reference_that_was_not_applicable_is_none(moved):
    path = without_record(moved)
    with datamodels.open(path) as image:
        image.meta.ref_file["refpix"] = "N/A"
        assert ReferenceFinder(image, moved / "references").find("refpix", "refpix").path is None


def test_a_raw_exposure_is_its_own(made):
    (path,) = (made / "raw").glob("*.asdf")
    with datamodels.open(path) as raw:
        assert find_raw(raw).path == path
        assert Record.of(raw) == Record()
        found = ReferenceFinder(raw, made / "references").find("rampfit", "gain")
        assert found.path.name == "roman_wfi_gain_0001.asdf"


def test_steps_that_ran_one_by_one_are_put_together(made):
    from romancal_rs.ramp_fitting import RampFitStep

    with product(made, "ramp") as ramp:
        step = RampFitStep(references=str(made / "references"), rejection_threshold=5.0)
        image = step.run(ramp)
    record = Record.of(image)
    assert record.steps["rampfit"]["rejection_threshold"] == 5.0
    assert record.steps["saturation"]["n_pix_grow_sat"] == 0
    assert record.references["rampfit", "gain"].endswith("roman_wfi_gain_0001.asdf")
    assert record.raw["filename"] == next((made / "raw").glob("*.asdf")).name


def look(model):
    """A hook."""


def test_hooks_are_told_and_not_taken_over(simulated):
    pipeline = ExposurePipeline(
        references=str(simulated.references), steps={"linearity": {"pre_hooks": [look]}}
    )
    record = Record.of(pipeline.run(str(simulated.exposure)))
    assert "pre_hooks" not in record.steps["linearity"]
    assert len(record.notes) == 1
    assert record.notes[0].startswith("linearity ran with pre_hooks: ")


def test_a_damaged_record_is_told(made):
    with product(made) as image:
        image.meta["cal_runs"] = [{"class": "x"}]
        with pytest.raises(NoRecordError, match="damaged"):
            Record.of(image)
