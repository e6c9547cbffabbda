"""Bad input ends in one clear line, the documented exit status, and no output file."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.cli import main
from romancal_rs.datamodels.testing import create_wfi_image


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def references(tmp_path, simulated):
    """A copy of the references, to be spoilt."""
    return Path(shutil.copytree(simulated.references, tmp_path / "refs"))


def fails(capsys, out, status, exposure, references, *options) -> str:
    """Runs the pipeline, which must fail with that status; returns what it says."""
    arguments = ["run", "roman_elp", str(exposure), f"--references={references}"]
    assert main([*arguments, f"--output_dir={out}", *options]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.startswith("romancal-rs: error: ")
    assert not out.exists() or list(out.iterdir()) == []
    return captured.err


def change(path: Path, target: Path, **arrays) -> Path:
    """Saves a copy of a file with some arrays replaced."""
    with datamodels.open(path) as model:
        for name, array in arrays.items():
            model[name] = array
        model.save(target)
    return target


def reference(references: Path, reftype: str) -> Path:
    return next(references.glob(f"*_{reftype}_*.asdf"))


def test_good_input_runs(capsys, out, simulated):
    arguments = ["run", "roman_elp", str(simulated.exposure)]
    options = [f"--references={simulated.references}", f"--output_dir={out}"]
    assert main(arguments + options) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        simulated.exposure.name.replace("_uncal", suffix) for suffix in ("_cal", "_wcs")
    ]


def test_missing_file(capsys, out, simulated):
    message = fails(capsys, out, 1, "nowhere_uncal.asdf", simulated.references)
    assert "nowhere_uncal.asdf" in message
    assert message.count("\n") == 1


def test_no_asdf_file(capsys, out, simulated, tmp_path):
    path = tmp_path / "notes_uncal.asdf"
    path.write_text("these are notes")
    assert f"{path}: not an ASDF file" in fails(capsys, out, 1, path, simulated.references)


@pytest.mark.parametrize("fraction", [0.001, 0.05, 0.5, 0.999])
def test_truncated_file(capsys, out, simulated, tmp_path, fraction):
    content = simulated.exposure.read_bytes()
    path = tmp_path / "short_uncal.asdf"
    path.write_bytes(content[: int(len(content) * fraction)])
    message = fails(capsys, out, 1, path, simulated.references)
    assert "short_uncal.asdf: truncated" in message


def test_a_calibrated_image_is_no_input(capsys, out, simulated, tmp_path):
    path = tmp_path / "already_cal.asdf"
    datamodels.ImageModel(create_wfi_image(shape=(56, 56))).save(path)
    message = fails(capsys, out, 1, path, simulated.references)
    assert "already_cal.asdf (ImageModel)" in message


def test_a_reference_is_no_input(capsys, out, simulated):
    path = reference(simulated.references, "gain")
    assert "GainRefModel" in fails(capsys, out, 1, path, simulated.references)


def test_an_association_is_refused(capsys, out, simulated, tmp_path):
    path = tmp_path / "visit_asn.json"
    path.write_text("{}")
    message = fails(capsys, out, 1, path, simulated.references)
    assert "association cannot be opened" in message
    assert "give the .asdf files that it names, one after the other" in message


def test_missing_references_are_listed_all_at_once(capsys, out, simulated, references):
    reference(references, "flat").unlink()
    reference(references, "dark").unlink()
    message = fails(capsys, out, 1, simulated.exposure, references)
    assert "no FLAT for detector WFI01" in message
    assert "no DARK for detector WFI01" in message
    assert str(references) in message


def test_reference_of_another_shape(capsys, out, simulated, references):
    path = reference(references, "saturation")
    small = {"data": np.ones((32, 32), np.float32), "dq": np.zeros((32, 32), np.uint32)}
    change(path, path, **small)
    message = fails(capsys, out, 1, simulated.exposure, references)
    assert f"{path}: SATURATION data of shape (32, 32) does not fit" in message
    assert "64 x 128" in message


def test_reference_of_another_detector(capsys, out, simulated, references, tmp_path):
    path = tmp_path / "other_gain.asdf"
    with datamodels.open(reference(references, "gain")) as model:
        model.meta.instrument.detector = "WFI18"
        model.save(path)
    message = fails(
        capsys, out, 1, simulated.exposure, references, f"--steps.rampfit.override_gain={path}"
    )
    assert f"{path}: is for detector WFI18; the exposure is of WFI01" in message


def test_no_reference_directory(capsys, out, simulated, tmp_path):
    message = fails(capsys, out, 1, simulated.exposure, tmp_path / "nothing")
    assert "does not exist" in message


def test_references_that_nobody_named_are_told_in_one_line(capsys, simulated, monkeypatch):
    monkeypatch.delenv("ROMANCAL_RS_REFERENCES", raising=False)
    assert main(["run", "roman_elp", str(simulated.exposure)]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    needed, _, help = message.partition(": no place with reference files is named. ")
    for reftype in ("MASK", "LINEARITY", "GAIN", "READNOISE", "DARK", "DISTORTION", "FLAT"):
        assert re.search(rf"\b{reftype}\b", needed)
    assert "recipe" not in help  # of 2022 there is none either
    assert "--references DIR" in message


def test_no_resultants_is_status_64(capsys, out, simulated, tmp_path):
    path = change(
        simulated.exposure,
        tmp_path / "empty_uncal.asdf",
        data=np.zeros((0, 64, 128), np.uint16),
        amp33=np.zeros((0, 64, 128), np.uint16),
    )
    assert "0 resultants" in fails(capsys, out, 64, path, simulated.references)


def test_no_usable_pixel_is_status_64(capsys, out, simulated, references):
    path = reference(references, "mask")
    change(path, path, dq=np.ones((64, 128), np.uint32))
    message = fails(capsys, out, 64, simulated.exposure, references)
    assert "every science pixel is flagged DO_NOT_USE" in message


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--steps.jump.rejection_treshold=5"], "rejection_treshold"),
        (["--steps.jump.rejection_threshold=high"], "rejection_threshold = 'high'"),
        (["--save_calibrated_ramp=perhaps"], "save_calibrated_ramp = 'perhaps'"),
    ],
)
def test_wrong_usage_is_status_2(capsys, simulated, options, told):
    with pytest.raises(SystemExit) as stop:
        main(["run", "roman_elp", str(simulated.exposure), *options])
    assert stop.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["fly"], ["run"], ["run", "roman_epl"], ["run", "roman_elp"]]
)
def test_unknown_commands_and_missing_words_are_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err


def test_an_unknown_pipeline_names_the_nearest(capsys):
    with pytest.raises(SystemExit):
        main(["run", "roman_epl", "file"])
    assert "did you mean 'roman_elp'?" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ["2022", "flight"])
def test_nan_in_references_is_data(capsys, out, simulated, references, recipe):
    """NaN gain, read noise and dark flag a pixel, and stop nothing."""
    for reftype, y in (("gain", 10), ("readnoise", 20)):
        path = reference(references, reftype)
        with datamodels.open(path) as model:
            array = np.array(model.data)
        array[y, 30] = np.nan
        change(path, path, data=array)
    path = reference(references, "dark")
    with datamodels.open(path) as model:
        slope = np.array(model.dark_slope)
    slope[40, 30] = np.nan
    change(path, path, dark_slope=slope)
    arguments = ["run", "roman_elp", str(simulated.exposure), f"--references={references}"]
    assert main([*arguments, f"--output_dir={out}", f"--recipe={recipe}"]) == 0
    with datamodels.open(next(out.glob("*_cal.asdf"))) as image:
        dq, data = np.array(image.dq), np.array(image.data)
    no_gain = 1 | 1 << 19
    assert dq[10 - 4, 30 - 4] & no_gain == no_gain
    assert dq[20 - 4, 30 - 4] & 1
    of_bad = data[10 - 4, 30 - 4], data[20 - 4, 30 - 4]
    if recipe == "2022":
        assert of_bad == (0, 0)
    assert np.isfinite(of_bad).all()  # in flight 0, of which the dark is taken off
    assert np.isfinite(data[40 - 4, 30 - 4])
    of_dark = dqflags.DO_NOT_USE | dqflags.UNRELIABLE_DARK
    assert dq[40 - 4, 30 - 4] & of_dark == (of_dark if recipe == "flight" else 0)
