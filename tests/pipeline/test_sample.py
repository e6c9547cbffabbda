"""A third party's simulation of a Roman exposure, through the command line."""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.cli import main

SAMPLE = Path(__file__).parents[2].parent / "shared" / "sample"
REFERENCES = SAMPLE / "references"
SCIENCE = (slice(4, -4), slice(4, -4))
NAMES = {"even": "0001", "uneven": "0002"}

#: Lower and upper truth/gain [DN/s], then median pull and width of an independent NumPy
#: implementation of the recipe of 2022, for the even and the uneven exposure: the sample's README.
TABLE = [
    (0.0, 0.5, (-0.487, 1.137), (-0.154, 1.149)),
    (0.5, 1.0, (-0.316, 1.031), (-0.156, 1.102)),
    (1.0, 3.0, (-0.210, 0.972), (-0.109, 1.108)),
    (3.0, 10.0, (-0.161, 0.965), (-0.056, 1.019)),
    (10.0, 50.0, (-0.025, 0.972), (-0.018, 0.963)),
]

pytestmark = pytest.mark.skipif(
    not SAMPLE.is_dir(), reason=f"the third-party sample is not at {SAMPLE}"
)


def exposure(kind: str) -> Path:
    return SAMPLE / f"r0000101001001001001_{NAMES[kind]}_wfi07_f158_uncal.asdf"


def run(kind: str, out: Path, *options: str) -> None:
    arguments = ["run", "roman_elp", str(exposure(kind)), f"--references={REFERENCES}"]
    assert main([*arguments, f"--output_dir={out}", *options]) == 0


def reference(reftype: str, name: str = "data") -> np.ndarray:
    with datamodels.open(REFERENCES / f"roman_wfi_{reftype}_0007.asdf") as model:
        return np.array(model[name])


def load_truth(kind: str) -> dict[str, np.ndarray]:
    with np.load(SAMPLE / f"truth_{kind}.npz") as file:
        return dict(file)


@pytest.mark.parametrize("kind", ["even", "uneven"])
def test_pulls_agree_with_an_independent_implementation(kind, tmp_path):
    run(
        kind,
        tmp_path,
        "--recipe=2022",
        "--steps.jump.skip=true",
        "--steps.flatfield.skip=true",
        "--save_calibrated_ramp=true",
    )
    truth = load_truth(kind)
    rate = truth["rate_electrons"] / reference("gain")
    with datamodels.open(next(tmp_path.glob("*_ramp.asdf"))) as ramp:
        saturated = np.any(np.asarray(ramp.groupdq) & dqflags.SATURATED, axis=0)
    hit = np.any(truth["cr_electrons"] != 0, axis=0)
    clean = (~saturated & ~hit & (reference("mask", "dq") == 0))[SCIENCE]
    with datamodels.open(next(tmp_path.glob("*_cal.asdf"))) as image:
        slope, err = np.asarray(image.data), np.asarray(image.err, np.float32)
    expected = (rate - reference("dark", "dark_slope"))[SCIENCE]
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = (slope - expected) / err
    for low, high, even, uneven in TABLE:
        median, width = even if kind == "even" else uneven
        inside = clean & (rate[SCIENCE] >= low) & (rate[SCIENCE] < high)
        p16, p50, p84 = np.percentile(pull[inside], [16, 50, 84])
        assert p50 == pytest.approx(median, abs=0.05), (low, high)
        assert (p84 - p16) / 2 == pytest.approx(width, rel=0.05), (low, high)


@pytest.mark.parametrize("kind", ["even", "uneven"])
def test_strong_cosmic_ray_hits_are_found(kind, tmp_path):
    run(kind, tmp_path, "--recipe=2022", "--save_calibrated_ramp=true")
    truth = load_truth(kind)
    gain, noise = reference("gain"), reference("readnoise") * reference("gain")
    with datamodels.open(next(tmp_path.glob("*_ramp.asdf"))) as ramp:
        groupdq = np.array(ramp.groupdq)
        reads = [list(resultant) for resultant in ramp.meta.exposure.read_pattern]
        frame_time = ramp.meta.exposure.frame_time
    resultant_of = {read: i for i, resultant in enumerate(reads) for read in resultant}
    times = [np.mean(resultant) * frame_time for resultant in reads]
    usable = np.zeros(gain.shape, bool)
    usable[SCIENCE] = (reference("mask", "dq") == 0)[SCIENCE]
    usable &= ~np.any(groupdq & (dqflags.SATURATED | dqflags.DO_NOT_USE), axis=0)
    found = total = 0
    for read, science_y, science_x, electrons in truth["cr_list"]:
        i = resultant_of[int(read)]
        y, x = science_y + 4, science_x + 4  # the list counts without the border, the cube with
        assert truth["cr_electrons"][i, y, x] >= electrons
        if not usable[y, x]:
            continue
        # The difference that ends in the resultant hit, or for the first one that starts there.
        before, after = (i - 1, i) if i else (0, 1)
        variance = truth["rate_electrons"][y, x] * (times[after] - times[before])
        variance += noise[y, x] ** 2 * (1 / len(reads[before]) + 1 / len(reads[after]))
        if electrons <= 10 * np.sqrt(variance):
            continue
        total += 1
        found += bool(np.any(groupdq[i : i + 2, y, x] & dqflags.JUMP_DET))
    assert total > 100
    assert found / total >= 0.9


def test_the_product_says_how_it_was_made(tmp_path, capsys):
    run("even", tmp_path)
    path = next(tmp_path.glob("*_cal.asdf"))
    assert path.name == "r0000101001001001001_0001_wfi07_f158_cal.asdf"
    with datamodels.open(path) as image:
        assert image.meta.ref_file.flat == "roman_wfi_flat_0007.asdf"
        assert image.meta.cal_step.photom == "COMPLETE"
        assert any("Step rampfit done" in line for line in image.meta.cal_logs)
        assert image.meta.wcsinfo.s_region.startswith("POLYGON ICRS ")
    assert str(path) in capsys.readouterr().out
