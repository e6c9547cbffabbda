"""Each exposure gets the references that fit it, whatever a step or pipeline object did before."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.time import Time

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.errors import ArgumentTypeError
from romancal_rs.flatfield import FlatFieldStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.reference_types import TYPES, type_of
from romancal_rs.references import ReferenceFileError
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import ParameterError, RomanPipeline, RomanStep

#: Element, detector, useafter and value of each FLAT.
FLATS = [
    ("F158", "WFI01", "2020-01-01", 2),
    ("F062", "WFI01", "2020-01-01", 4),
    ("F158", "WFI02", "2020-01-01", 5),
    ("F158", "WFI01", "2027-06-01", 10),
]
#: Element, detector and start of exposures, and the FLAT for each.
EXPOSURES = [
    ("F158", "WFI01", "2027-01-01", 2),
    ("F062", "WFI01", "2027-01-01", 4),
    ("F158", "WFI02", "2027-01-01", 5),
    ("F158", "WFI01", "2027-07-01", 10),
    ("F158", "WFI01", "2027-01-01", 2),
]


def write_flat(path: Path, element: str, detector: str, useafter: str, value: float) -> None:
    node = testing.create_flat(
        (8, 8),
        detector=detector,
        optical_element=element,
        data=np.full((8, 8), value, np.float32),
        meta={"useafter": Time(useafter), "reftype": "FLAT"},
    )
    datamodels.FlatRefModel(node).save(path)


@pytest.fixture
def refs(tmp_path) -> Path:
    for number, flat in enumerate(FLATS):
        write_flat(tmp_path / f"flat_{number}.asdf", *flat)
    return tmp_path


def image(element: str, detector: str, start: str) -> datamodels.ImageModel:
    node = testing.create_wfi_image(
        (8, 8),
        detector=detector,
        optical_element=element,
        data=np.full((8, 8), 20, np.float32),
        meta={"exposure.start_time": Time(start)},
    )
    return datamodels.ImageModel(node)


class Flats(RomanPipeline):
    """Flat-fields several exposures in one run."""

    step_defs = {"flatfield": FlatFieldStep}

    def process(self, *images):
        return [self.flatfield(image) for image in images]


def check(results) -> None:
    for (*_, value), result in zip(EXPOSURES, results, strict=True):
        assert result.data[0, 0] == pytest.approx(20 / value)
        number = [flat[3] for flat in FLATS].index(value)
        assert result.meta.ref_file.flat == f"flat_{number}.asdf"
        (run,) = result.meta.cal_runs
        (used,) = run["references"].values()
        assert Path(used["flat"]["path"]).name == f"flat_{number}.asdf"
        assert result.meta.ref_file.sha256["flat"] == used["flat"]["sha256"]


def test_one_run_over_several_exposures(refs):
    check(Flats.call(*(image(*exposure[:3]) for exposure in EXPOSURES), references=str(refs)))


def test_one_pipeline_object_run_several_times(refs):
    pipeline = Flats(references=str(refs))
    check([pipeline.run(image(*exposure[:3]))[0] for exposure in EXPOSURES])


def test_one_step_object_run_several_times(refs):
    step = FlatFieldStep(references=str(refs))
    check([step.run(image(*exposure[:3])) for exposure in EXPOSURES])


def test_one_step_object_asked_several_times(refs):
    step = FlatFieldStep(references=str(refs))
    for *exposure, value in EXPOSURES:
        path = step.get_reference_file(image(*exposure), "flat")
        assert datamodels.open(path).data[0, 0] == value


def test_files_that_come_and_go_between_two_questions_are_seen(refs):
    step = FlatFieldStep(references=str(refs))
    exposure = image("F158", "WFI01", "2027-01-01")
    assert Path(step.get_reference_file(exposure, "flat")).name == "flat_0.asdf"
    write_flat(refs / "new.asdf", "F158", "WFI01", "2026-01-01", 3)
    assert Path(step.get_reference_file(exposure, "flat")).name == "new.asdf"
    (refs / "new.asdf").unlink()
    assert Path(step.get_reference_file(exposure, "flat")).name == "flat_0.asdf"


def test_two_references_are_open_at_once_outside_of_a_run(refs):
    gain = datamodels.GainRefModel(testing.create_gain(shape=(16, 16), detector="WFI01"))
    gain.data = np.full((16, 16), 3, np.float32)
    gain.save(refs / "gain.asdf")
    step, exposure = FlatFieldStep(references=str(refs)), image(*EXPOSURES[0][:3])
    with step.get_reference_file_model(exposure, "flat") as flat:
        with step.get_reference_file_model(exposure, "gain") as gain:
            step.get_reference_file(exposure, "flat")
            assert flat.data[0, 0] == FLATS[0][3]
            assert gain.data[0, 0] == 3
        step.run(exposure)
        assert not flat.err.any()
    with pytest.raises(datamodels.ModelError, match="closed"):
        _ = flat.dq


def test_a_model_of_the_missions_library_is_an_override(refs):
    mission = pytest.importorskip("roman_datamodels.datamodels")
    with mission.open(refs / "flat_3.asdf") as flat:
        result = FlatFieldStep.call(image(*EXPOSURES[0][:3]), override_flat=flat)
        pipeline = Flats(override_flat=flat)
        (again,) = pipeline.run(image(*EXPOSURES[0][:3]))
    assert result.data[0, 0] == again.data[0, 0] == 2
    assert result.meta.ref_file.flat == again.meta.ref_file.flat == "FlatRefModel in memory"
    with (
        mission.open(refs / "flat_2.asdf") as flat,
        pytest.raises(ReferenceFileError, match="WFI02"),
    ):
        FlatFieldStep.call(image(*EXPOSURES[0][:3]), override_flat=flat)


def test_a_changed_copy_of_a_reference_is_not_recorded_as_its_file(refs):
    with datamodels.open(refs / "flat_3.asdf") as opened:
        flat = opened.copy()
    flat.meta.filename = "flat_3.asdf"
    flat.data = 2 * flat.data
    result = FlatFieldStep.call(image(*EXPOSURES[0][:3]), override_flat=flat)
    assert result.meta.ref_file.flat == "flat_3.asdf (in memory)"


def test_an_array_as_an_override_is_refused_by_its_name():
    with pytest.raises(ParameterError) as told:
        FlatFieldStep(override_flat=np.ones((8, 8), np.float32))
    assert str(told.value) == (
        "FlatFieldStep: override_flat = a value of type ndarray: expected a file, a data model, "
        "or N/A"
    )


def test_another_object_with_metadata_is_no_override():
    other = SimpleNamespace(meta=SimpleNamespace(reftype="FLAT"))
    with pytest.raises(ArgumentTypeError, match=r"override_flat: expected a path.* got SimpleN"):
        FlatFieldStep.call(image(*EXPOSURES[0][:3]), override_flat=other)


def test_a_type_that_a_step_did_not_declare_is_found(refs):
    step = RomanStep(references=str(refs))
    path = step.get_reference_file(image("F062", "WFI01", "2027-01-01"), "FLAT")
    assert Path(path).name == "flat_1.asdf"
    with pytest.raises(ReferenceFileError, match="no GAIN for detector WFI01"):
        step.get_reference_file(image("F062", "WFI01", "2027-01-01"), "gain")


# --- all detectors in one directory, as docs/how-to/simulate.md promises

DETECTORS = [f"WFI{number:02d}" for number in range(1, 19)]


@pytest.fixture(scope="module")
def all_detectors(tmp_path_factory):
    directory = tmp_path_factory.mktemp("all")
    return [
        simulate(
            SimulationConfig(
                rows=24, cols=128, n_resultants=4, n_reads=1, detector=name, cosmic_ray_rate=0.0
            ),
            directory,
        )
        for name in DETECTORS
    ]


def check_names(image, number: int) -> None:
    for reftype in ("dark", "flat", "gain", "linearity", "mask", "photom", "readnoise"):
        assert image.meta.ref_file[reftype] == f"roman_wfi_{reftype}_{number:04d}.asdf"


def difference(image, other) -> list[str]:
    """The names of the arrays in which two images differ."""
    names = [name for name, _ in image.arrays()]
    return [n for n in names if not np.array_equal(image[n], other[n], equal_nan=True)]


def test_one_pipeline_object_calibrates_each_detector_as_if_it_were_alone(all_detectors, tmp_path):
    pipeline = ExposurePipeline(references=str(all_detectors[0].references))
    for number, made in enumerate(all_detectors, 1):
        image = pipeline.run(made.exposure)
        assert image.meta.instrument.detector == f"WFI{number:02d}"
        assert image.meta.cal_step.photom == "COMPLETE"
        check_names(image, number)
        own = tmp_path / f"{number}"
        own.mkdir()
        for path in made.reference_files.values():
            shutil.copy(path, own)
        alone = ExposurePipeline.call(made.exposure, references=str(own))
        assert difference(image, alone) == []
        assert image.meta.photometry == alone.meta.photometry


def test_the_references_of_another_detector_make_another_product(all_detectors, tmp_path):
    made, other = all_detectors[:2]
    for path in other.reference_files.values():
        content = path.read_bytes()
        assert b"WFI02" in content
        (tmp_path / path.name).write_bytes(content.replace(b"detector: WFI02", b"detector: WFI01"))
    right = ExposurePipeline.call(made.exposure, references=str(made.references))
    wrong = ExposurePipeline.call(made.exposure, references=str(tmp_path))
    assert {"data", "dq", "err"} <= set(difference(right, wrong))
    assert right.meta.photometry != wrong.meta.photometry


@pytest.mark.slow
def test_processes_calibrate_all_detectors_at_once(all_detectors, tmp_path):
    """They share the directory, whose index and digests each of them may write."""
    references = all_detectors[0].references
    for kept in references.glob(".*.json"):
        kept.unlink()
    command = [sys.executable, "-m", "romancal_rs", "run", "roman_elp"]
    options = [f"--references={references}", f"--output_dir={tmp_path}"]
    runs = [
        subprocess.Popen([*command, made.exposure, *options], stderr=subprocess.PIPE)
        for made in all_detectors
    ]
    for run in runs:
        _, message = run.communicate()
        assert run.returncode == 0, message.decode()
    for number, made in enumerate(all_detectors, 1):
        name = made.exposure.name.replace("_uncal", "_cal")
        with datamodels.open(tmp_path / name) as image:
            check_names(image, number)


# --- the mission's own rules


def mission_keys(reftype: str) -> tuple[str, ...]:
    specs = Path(find_spec("crds").origin).parent / "roman" / "specs"
    text = (specs / f"wfi_{reftype.lower()}.rmap").read_text()
    parkey = re.search(r"'parkey'\s*:\s*\((.*?)\),\s*\('ROMAN\.META\.EXPOSURE\.START_TIME'", text)
    names = re.findall(r"META\.([A-Z._]+)", parkey[1])
    ours = {"INSTRUMENT.DETECTOR": "detector", "INSTRUMENT.OPTICAL_ELEMENT": "optical_element"}
    return tuple((ours | {"EXPOSURE.TYPE": "exposure_type"})[name] for name in names)


@pytest.mark.skipif(find_spec("crds") is None, reason="the official CRDS client is not installed")
@pytest.mark.parametrize("reftype", [*TYPES, "IPC"])
def test_files_are_looked_up_by_the_keys_of_the_missions_rules(reftype):
    assert type_of(reftype).keys == mission_keys(reftype)
