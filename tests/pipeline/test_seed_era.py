"""The exposure of 2022 gives what the system of 2022 made of it."""

from pathlib import Path

import asdf
import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.pipeline import ExposurePipeline

DATA = Path(__file__).parents[1] / "data" / "seed_era"
EXPOSURE = DATA / "r0000101001001001001_01101_0001_WFI01_uncal.asdf"
SCIENCE = (slice(4, -4), slice(4, -4))
STEPS = "assign_wcs flat_field dark dq_init jump linearity photom ramp_fit saturation"
BORDERS = ("left", "right", "top", "bottom")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The calibrated image and the ramp before the fit."""
    out = tmp_path_factory.mktemp("seed_era")
    image = ExposurePipeline.call(
        str(EXPOSURE),
        references=str(DATA),
        output_dir=str(out),
        save_calibrated_ramp=True,
    )
    ramp = datamodels.open(next(out.glob("*_ramp.asdf")))
    yield image, ramp
    ramp.close()


@pytest.fixture(scope="module")
def expected():
    with datamodels.open(DATA / "expected_cal.asdf") as model:
        yield model


@pytest.fixture(scope="module")
def comparable(run):
    """Which pixels must agree in slope, and which in variances: see golden/README.md.

    Deviations 2 to 4 concern every number of a pixel; deviation 1 only the slope of a ramp with a
    saturated tail and S > 5.
    """
    _, ramp = run
    groupdq, data = ramp.groupdq[:, *SCIENCE], ramp.data[:, *SCIENCE]
    with (
        datamodels.open(DATA / "roman_wfi_gain_fake.asdf") as reference,
        datamodels.open(DATA / "roman_wfi_readnoise_fake.asdf") as noise_reference,
    ):
        gain = np.asarray(reference.data)[SCIENCE]
        read_noise = np.asarray(noise_reference.data)[SCIENCE] / np.sqrt(2)
    variances = (
        (gain > 0) & ~np.any(groupdq & dqflags.DO_NOT_USE, axis=0) & ~np.any(data == 0, axis=0)
    )
    saturated_tail = np.any(groupdq & dqflags.SATURATED, axis=0)
    n_good = np.sum((groupdq & dqflags.SATURATED) == 0, axis=0)
    # D of the longest possible segment: S of each of its parts is smaller.
    last = np.take_along_axis(data, np.maximum(n_good - 1, 0)[np.newaxis], axis=0)[0]
    signal = np.maximum((last - data[0]) * gain, 0)
    signal_to_noise = signal / np.sqrt((read_noise * gain) ** 2 / 8 + signal)
    slope = variances & (~saturated_tail | (signal_to_noise <= 5) | (n_good <= 2))
    return slope, variances


def test_most_pixels_are_comparable(comparable):
    slope, variances = comparable
    assert slope.mean() > 0.97
    assert variances.mean() > 0.97


def test_flags_are_equal(run, expected, comparable):
    _, usable = comparable
    image, _ = run
    assert np.array_equal(image.dq[usable], np.asarray(expected.dq)[usable])


@pytest.mark.parametrize(
    ("name", "tolerance", "kind"),
    [("data", 1e-4, 0), ("var_poisson", 1e-4, 1), ("var_rnoise", 1e-5, 1)],
)
def test_numbers_agree(run, expected, comparable, name, tolerance, kind):
    image, _ = run
    usable = comparable[kind]
    ours = np.asarray(image[name], np.float64)[usable]
    theirs = np.asarray(expected[name], np.float64)[usable]
    assert np.all(np.isfinite(ours))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=1e-12)


def test_reference_pixels_are_equal(run, expected):
    image, _ = run
    for side in BORDERS:
        name = f"border_ref_pix_{side}"
        assert np.array_equal(image[name], expected[name]), name


def test_photometry_agrees(run):
    image, _ = run
    with asdf.config_context() as config:
        config.validate_on_read = False  # schemas of today
        file = asdf.open(DATA / "expected_cal.asdf", ignore_unrecognized_tag=True)
    with file:
        theirs = {
            name: quantity.value for name, quantity in file["roman"]["meta"]["photometry"].items()
        }
    ours = image.meta.photometry
    assert len(theirs) == 6
    for name, value in theirs.items():
        assert getattr(ours, name) == pytest.approx(value, rel=1e-9), name


def test_wcs_agrees_to_1e_9_degrees(run, expected):
    image, _ = run
    x, y = np.meshgrid(np.linspace(0, 119, 12), np.linspace(0, 119, 12))
    np.testing.assert_allclose(image.meta.wcs(x, y), expected.meta.wcs(x, y), rtol=0, atol=1e-9)


def test_the_log_says_that_the_noise_of_2022_is_that_of_two_reads(run):
    image, _ = run
    for name in ("jump", "rampfit"):
        told = [line for line in image.meta.cal_logs if f".{name} :: INFO :: READNOISE is" in line]
        assert len(told) == 1
        assert told[0].endswith("of a difference of two reads, divided by sqrt(2) (a file of 2022)")


def test_every_step_is_complete_and_names_its_reference(run):
    image, _ = run
    assert {image.meta.cal_step[step] for step in STEPS.split()} == {"COMPLETE"}
    for path in DATA.glob("roman_wfi_*_fake.asdf"):
        reftype = path.name.split("_")[2]
        assert image.meta.ref_file[reftype] == path.name
