"""The exposure pipeline continues a run that was cut short, and the result is the same bits."""

import errno
import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.linearity import LinearityStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import in_recipe
from romancal_rs.ramp_fitting import RampFitStep
from romancal_rs.stpipe import checkpoint, fingerprint

STEPS = tuple(in_recipe(ExposurePipeline, "flight"))


def before(name):
    """The steps before that one."""
    return list(STEPS[: STEPS.index(name)])


def up_to(name):
    """The steps up to that one, with it."""
    return [*before(name), name]


class Interrupted(Exception):
    """What ends a run in these tests."""


@pytest.fixture(scope="module")
def kept(simulated, tmp_path_factory):
    """A checkpoint of a whole run, and the result of that run."""
    directory = tmp_path_factory.mktemp("kept")
    return directory, run(simulated, directory)


@pytest.fixture
def directory(kept, tmp_path):
    """A copy of that checkpoint."""
    return shutil.copytree(kept[0], tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def uninterrupted(simulated):
    """The result without any checkpoint."""
    return run(simulated)


def fill_disk(monkeypatch):
    """Nothing more can be kept: the run goes on, and tests that keep nothing are faster."""

    def save(self, path, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datamodels.DataModel, "save", save)


@pytest.fixture
def full_disk(monkeypatch):
    fill_disk(monkeypatch)


def run(simulated, directory=None, *, exposure=None, references=None, **parameters):
    pipeline = ExposurePipeline(
        references=str(references or simulated.references), checkpoint=directory, **parameters
    )
    return pipeline.run(str(exposure or simulated.exposure))


def resumed(image):
    """Names of the steps that the log in a result says were resumed."""
    return re.findall(r"Step (\w+) resumed", "\n".join(image.meta.cal_logs))


def files_of(directory, name, suffix):
    (path,) = directory.rglob(f"*_{name}{suffix}")
    return path


def cut_after(directory, name):
    """What is left of a run that ended after that step, or before the first one for None."""
    last = 0 if name is None else STEPS.index(name) + 1
    for path in directory.rglob("*_*.*"):
        if int(path.name[:2]) > last:
            path.unlink()


def leaves(model):
    """Everything in a model but its log and WCS, in a form that shows every bit."""
    for name, value in model.items():
        if name == "meta.wcs" or name.startswith(("meta.cal_logs", "meta.cal_runs")):
            continue
        if hasattr(value, "jd1"):
            value = (value.jd1, value.jd2, value.scale, value.format, value.precision)
        elif hasattr(value, "dtype"):
            array = np.asarray(model[name])
            value = (array.dtype, array.shape, array.tobytes())
        yield name, value


def assert_same(image, other):
    assert type(image) is type(other)
    assert image.tag == other.tag
    mine, theirs = dict(leaves(image)), dict(leaves(other))
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []
    y, x = np.mgrid[-0.5 : image.shape[0], -0.5 : image.shape[1]]
    assert image.meta.wcs.bounding_box == other.meta.wcs.bounding_box
    assert image.meta.wcs.available_frames == other.meta.wcs.available_frames
    for coordinate, expected in zip(image.meta.wcs(x, y), other.meta.wcs(x, y), strict=True):
        assert np.array_equal(coordinate, expected)


def test_keeping_results_changes_none(kept, uninterrupted):
    assert_same(kept[1], uninterrupted)
    assert resumed(kept[1]) == []


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("last", [None, *STEPS])
def test_a_resumed_run_gives_the_same_bits(simulated, directory, uninterrupted, last):
    cut_after(directory, last)
    image = run(simulated, directory)
    assert_same(image, uninterrupted)
    assert resumed(image) == ([] if last is None else up_to(last))


def test_a_run_that_fails_is_continued(simulated, tmp_path, uninterrupted, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    with monkeypatch.context() as patch:
        patch.setattr(RampFitStep, "process", interrupt)
        with pytest.raises(Interrupted):
            run(simulated, tmp_path)
    kept = sorted(path.name for path in tmp_path.rglob("*.*"))
    assert kept == [
        f"{n:02d}_{name}.{kind}"
        for n, name in enumerate(before("rampfit"), 1)
        for kind in ("asdf", "json")
    ]
    caplog.clear()
    monkeypatch.setattr(LinearityStep, "process", interrupt)  # it would, if it ran again
    image = run(simulated, tmp_path)
    assert_same(image, uninterrupted)
    assert resumed(image) == before("rampfit")
    (said,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert said.message.startswith(f"Resuming from {tmp_path}")


def interrupt(self, *args):
    raise Interrupted


def test_a_changed_parameter_runs_its_step_and_all_that_follow(simulated, directory, caplog):
    caplog.set_level(logging.INFO)
    steps = {"rampfit": {"rejection_threshold": 20.0}}
    image = run(simulated, directory, steps=steps)
    assert resumed(image) == before("rampfit")
    assert "step.parameters.rejection_threshold was 4.5, is 20.0" in caplog.text
    assert_same(image, run(simulated, steps=steps))
    # And the new results have taken the place of the old.
    assert resumed(run(simulated, directory, steps=steps)) == list(STEPS)
    assert len(list(directory.rglob("*.json"))) == len(STEPS)


def test_parameters_that_change_no_result_change_nothing(simulated, directory, tmp_path):
    image = run(
        simulated,
        directory,
        output_dir=str(tmp_path / "out"),
        save_results=True,
        steps={"rampfit": {"maximum_cores": "half"}, "linearity": {"save_results": True}},
    )
    assert resumed(image) == list(STEPS)
    assert len(list((tmp_path / "out").glob("*_cal.asdf"))) == 1
    assert len(list((tmp_path / "out").glob("*_linearity.asdf"))) == 1


@pytest.mark.usefixtures("full_disk")
def test_a_skipped_step_is_another_chain(simulated, directory):
    steps = {"linearity": {"skip": True}}
    image = run(simulated, directory, steps=steps)
    assert resumed(image) == before("linearity")
    assert_same(image, run(simulated, steps=steps))


class TestReferences:
    @pytest.fixture
    def references(self, simulated, tmp_path):
        return shutil.copytree(simulated.references, tmp_path / "references")

    def test_the_directory_does_not_matter(self, simulated, directory, references):
        assert resumed(run(simulated, directory, references=references)) == list(STEPS)

    def test_other_content_under_the_same_name(self, simulated, directory, references, monkeypatch):
        (path,) = references.glob("*_linearity_*.asdf")
        with datamodels.open(path) as reference:
            changed = reference.copy()
        changed.coeffs[2] *= 1.5
        changed.save(path)
        fill_disk(monkeypatch)
        image = run(simulated, directory, references=references)
        assert resumed(image) == before("linearity")
        assert_same(image, run(simulated, references=references))

    @pytest.mark.usefixtures("full_disk")
    def test_the_same_content_under_another_name(self, simulated, directory, references):
        (path,) = references.glob("*_dark_*.asdf")
        path.rename(references / "roman_wfi_dark_other.asdf")
        image = run(simulated, directory, references=references)
        assert resumed(image) == before("dark_current")
        assert image.meta.ref_file.dark == "roman_wfi_dark_other.asdf"

    def test_an_override(self, simulated, directory, full_disk):
        (path,) = simulated.references.glob("*_refpix_*.asdf")
        same = {"refpix": {"override_refpix": str(path)}}
        assert resumed(run(simulated, directory, steps=same)) == list(STEPS)
        none = {"refpix": {"override_refpix": "N/A"}}
        image = run(simulated, directory, steps=none)
        assert resumed(image) == before("refpix")
        assert image.meta.cal_step.refpix == "SKIPPED"

    def test_an_override_in_memory(self, simulated, directory, monkeypatch):
        (path,) = simulated.references.glob("*_gain_*.asdf")
        with datamodels.open(path) as reference:
            gain = reference.copy()
        steps = {"rampfit": {"override_gain": gain}}
        assert resumed(run(simulated, directory, steps=steps)) == before("rampfit")
        fill_disk(monkeypatch)
        assert resumed(run(simulated, directory, steps=steps)) == list(STEPS)
        gain.data[:] *= 2
        assert resumed(run(simulated, directory, steps=steps)) == before("rampfit")


@pytest.mark.usefixtures("full_disk")
def test_another_version_starts_anew(simulated, directory, monkeypatch):
    software = {**fingerprint.software(), "romancal-rs": "999"}
    monkeypatch.setattr(checkpoint, "software", lambda: software)
    assert resumed(run(simulated, directory)) == []


class TestInput:
    def test_another_exposure_of_the_same_name_starts_anew(
        self, simulated, directory, tmp_path, monkeypatch
    ):
        with datamodels.open(simulated.exposure) as raw:
            changed = raw.copy()
        changed.data[3, 30, 30] += 100
        changed.save(tmp_path / simulated.exposure.name)
        fill_disk(monkeypatch)
        image = run(simulated, directory, exposure=tmp_path / simulated.exposure.name)
        assert resumed(image) == []

    def test_the_same_exposure_in_another_directory(self, simulated, directory, tmp_path):
        copied = shutil.copy(simulated.exposure, tmp_path)
        assert resumed(run(simulated, directory, exposure=copied)) == list(STEPS)

    @pytest.mark.usefixtures("full_disk")
    def test_two_exposures_keep_apart(self, simulated, directory, tmp_path):
        other = shutil.copy(simulated.exposure, tmp_path / "other_uncal.asdf")
        cut_after(directory, "saturation")
        run(simulated, directory, exposure=other)
        assert {path.name for path in directory.iterdir()} == {
            simulated.exposure.stem,
            "other_uncal",
        }
        assert resumed(run(simulated, directory)) == up_to("saturation")

    def test_a_model_is_known_by_its_content(self, simulated, tmp_path, uninterrupted, monkeypatch):
        references = str(simulated.references)
        with datamodels.open(simulated.exposure) as raw:
            exposure = raw.copy()

        def calibrate():
            return ExposurePipeline.call(exposure, references=references, checkpoint=tmp_path)

        assert resumed(calibrate()) == []
        fill_disk(monkeypatch)
        again = calibrate()
        assert resumed(again) == list(STEPS)
        assert_same(again, uninterrupted)
        exposure.meta.exposure.frame_time *= 2
        assert resumed(calibrate()) == []

    def test_a_file_object_is_recognised_by_its_content(self, simulated, tmp_path):
        references = str(simulated.references)
        for number in range(2):
            with simulated.exposure.open("rb") as file:
                image = ExposurePipeline.call(file, references=references, checkpoint=tmp_path)
            assert bool(resumed(image)) == bool(number)


class TestDamage:
    """Whatever happens to the files, the result is right; what can be used still is."""

    def check(self, simulated, directory, uninterrupted, caplog, *, lost, reason):
        image = run(simulated, directory)
        assert_same(image, uninterrupted)
        assert resumed(image) == [name for name in STEPS if name != lost]
        assert f"Step {lost} runs again" in caplog.text
        assert re.search(reason.replace(lost, f"{STEPS.index(lost) + 1:02d}_{lost}"), caplog.text)

    def test_a_changed_byte(self, simulated, directory, uninterrupted, caplog):
        path = files_of(directory, "dark_current", ".asdf")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        reason = "dark_current.asdf has changed since it was written"
        self.check(simulated, directory, uninterrupted, caplog, lost="dark_current", reason=reason)

    def test_a_large_file_that_was_touched_is_read(
        self, simulated, directory, uninterrupted, caplog, monkeypatch
    ):
        monkeypatch.setattr(checkpoint, "LARGE_FILE", 0)
        self.test_a_changed_byte(simulated, directory, uninterrupted, caplog)

    def test_a_truncated_file(self, simulated, directory, uninterrupted, caplog):
        path = files_of(directory, "photom", ".asdf")
        path.write_bytes(path.read_bytes()[:-1000])
        reason = r"photom.asdf has \d+ bytes, not \d+"
        self.check(simulated, directory, uninterrupted, caplog, lost="photom", reason=reason)

    def test_a_missing_file(self, simulated, directory, uninterrupted, caplog):
        files_of(directory, "rampfit", ".npz").unlink()
        reason = "No such file or directory.*rampfit.npz"
        self.check(simulated, directory, uninterrupted, caplog, lost="rampfit", reason=reason)

    @pytest.mark.parametrize("content", [b"{}", b"\xff"])
    def test_a_damaged_manifest(self, simulated, directory, uninterrupted, caplog, content):
        files_of(directory, "dq_init", ".json").write_bytes(content)
        reason = "dq_init.json has changed"
        self.check(simulated, directory, uninterrupted, caplog, lost="dq_init", reason=reason)

    def test_changed_metadata(self, simulated, directory, uninterrupted, caplog):
        path = files_of(directory, "assign_wcs", ".json")
        path.write_text(path.read_text().replace("COMPLETE", "SKIPPED", 1))
        reason = "assign_wcs.json has changed"
        self.check(simulated, directory, uninterrupted, caplog, lost="assign_wcs", reason=reason)


def test_a_step_that_saves_files_of_its_own_runs_each_time(simulated, directory, tmp_path):
    steps = {"rampfit": {"algorithm": "ols", "save_opt": True}}
    for n in range(2):
        out = tmp_path / f"out{n}"
        image = run(simulated, directory, steps=steps, output_dir=str(out))
        assert [path.name.split("_")[-1] for path in out.iterdir()] == ["fitopt.asdf"]
    assert resumed(image) == ["jump" if name == "rampfit" else name for name in STEPS]


def test_a_spectral_exposure_keeps_its_type(simulated, tmp_path):
    with datamodels.open(simulated.exposure) as raw:
        exposure = raw.copy()
    exposure.meta.exposure.type = "WFI_GRISM"  # written to files as today's WFI_SPECTRAL
    overrides = {
        f"override_{name}": str(next(simulated.references.glob(f"*_{name}_*")))
        for name in ("dark", "readnoise")
    }
    parameters = {"references": str(simulated.references), **overrides}
    first = ExposurePipeline.call(exposure, checkpoint=tmp_path, **parameters)
    again = ExposurePipeline.call(exposure, checkpoint=tmp_path, **parameters)
    assert resumed(again) == [name for name in STEPS if name != "flatfield"]
    assert again.meta.exposure.type == "WFI_GRISM"
    assert_same(again, first)


def test_a_saturated_exposure_is_resumed(simulated, tmp_path):
    with datamodels.open(simulated.exposure) as raw:
        exposure = raw.copy()
    exposure.data[:, 4:-4, 4:-4] = 65535
    references = str(simulated.references)
    first = ExposurePipeline.call(exposure, references=references, checkpoint=tmp_path)
    again = ExposurePipeline.call(exposure, references=references, checkpoint=tmp_path)
    assert resumed(again) == up_to("saturation")
    statistics = ("meta.statistics.image_median", "meta.statistics.image_rms")
    of_both = [dict(leaves(image)) for image in (again, first)]
    for of_one in of_both:
        assert all(np.isnan(of_one.pop(name)) for name in statistics)
    assert of_both[0] == of_both[1]


def test_an_exposure_of_2022_is_resumed(tmp_path, monkeypatch):
    data = Path(__file__).parents[1] / "data" / "seed_era"
    (exposure,) = data.glob("*_uncal.asdf")
    parameters = {"references": str(data)}
    first = ExposurePipeline.call(str(exposure), checkpoint=tmp_path, **parameters)
    steps = in_recipe(ExposurePipeline, "2022")[:4]
    for path in tmp_path.rglob("0[5-9]_*"):
        path.unlink()
    fill_disk(monkeypatch)
    again = ExposurePipeline.call(str(exposure), checkpoint=tmp_path, **parameters)
    assert resumed(again) == steps == ["dq_init", "saturation", "linearity", "dark_current"]
    assert_same(again, first)
