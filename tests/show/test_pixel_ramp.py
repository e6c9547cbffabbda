"""A pixel's ramp and its fit: by hand, and as in the product."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.border import BORDER
from romancal_rs.errors import InputError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.references import ReferenceFileError
from romancal_rs.show.before_fit import Area, _parts
from romancal_rs.show.look import pixel_at, pixel_ramp
from romancal_rs.show.segments import Segment, lines_of_rate, runs, usable_samples
from romancal_rs.simulate import SimulationConfig, simulate

SAMPLE = Path(__file__).parents[2].parent / "shared" / "sample"
SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
UNEVEN = ((1,), (2, 3), (5, 6, 7), (8, 9, 10, 11), (13, 14), (15, 16, 17, 18))
JUMP, SATURATED, BAD = dqflags.JUMP_DET, dqflags.SATURATED, dqflags.DO_NOT_USE

#: What is simulated, and the parameters of the pipeline.
CASES = {
    "even": ({"n_resultants": 6, "n_reads": 4}, {}),
    "uneven": ({"read_pattern": UNEVEN}, {}),
    "many hits": ({"n_resultants": 8, "cosmic_ray_rate": 200.0}, {}),
    "recipe 2022": ({"n_resultants": 8, "cosmic_ray_rate": 200.0}, {"recipe": "2022"}),
    "likely": ({"n_resultants": 8}, {"steps": {"rampfit": {"algorithm": "likely"}}}),
    "smooth variance": (
        {"n_resultants": 6},
        {"steps": {"rampfit": {"smooth_variance": True, "include_var_rnoise": False}}},
    ),
    "snowballs": (
        {"n_resultants": 8, "cosmic_ray_rate": 200.0},
        {
            "steps": {
                "rampfit": {
                    "expand_large_events": True,
                    "sat_required_snowball": False,
                    "min_jump_area": 2.0,
                    "expand_factor": 3.0,
                }
            }
        },
    ),
    "WFI18": ({"detector": "WFI18", "n_resultants": 6}, {}),
    "saturated": (
        {"star_density": 0.05, "n_resultants": 6},
        {"steps": {"saturation": {"n_pix_grow_sat": 2}}},
    ),
    "encoded": ({"encoded": True}, {}),
    "one channel of many": ({"rows": 24, "cols": 1792, "n_resultants": 4}, {}),
    "spectral": ({"optical_element": "GRISM", "exposure_type": "WFI_SPECTRAL"}, {}),
}
#: What is said where the neighbourhood alone does not tell the flags.
OF_SNOWBALL = "the pixel is in the surroundings of a snowball: its flags are the product's"


def calibrate(config: dict, parameters: dict, directory: Path) -> Path:
    """The product of a simulated exposure; the ramp before the fit lies beside it."""
    sizes = {"rows": 48, "cols": 128, "seed": 5}
    made = simulate(SimulationConfig(**{**sizes, **config}), directory)
    ExposurePipeline.call(
        str(made.exposure),
        references=str(made.references),
        save_calibrated_ramp=True,
        save_results=True,
        output_dir=str(directory / "out"),
        **parameters,
    )
    return next((directory / "out").glob("*_cal.asdf"))


@pytest.fixture(scope="module", params=CASES)
def product(request, tmp_path_factory) -> Path:
    config, parameters = CASES[request.param]
    return calibrate(config, parameters, tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def simple(tmp_path_factory) -> Path:
    """6 resultants of 4 reads of 3 s."""
    config = {"n_resultants": 6, "n_reads": 4, "frame_time": 3.0}
    return calibrate(config, {}, tmp_path_factory.mktemp("simple"))


def ramp_of(product: Path) -> Path:
    return product.with_name(product.name.replace("_cal", "_ramp"))


def chosen_pixels(dq: np.ndarray) -> list[tuple[int, int]]:
    """X and Y of the corners, of pixels beside a boundary of channels, and of flagged ones."""
    n_rows, n_cols = dq.shape
    pixels = [(0, 0), (n_cols - 1, n_rows - 1)]
    pixels += [(x, n_rows // 2) for x in (n_cols // 2, 6 * 128 - 5, 6 * 128 - 4) if x < n_cols]
    for flag in (JUMP, SATURATED, BAD):
        found = np.argwhere(dq & flag)
        pixels += [(int(x), int(y)) for y, x in found[:: max(1, len(found) // 3)][:3]]
    return pixels


# --- by hand


def test_runs_end_at_what_is_not_usable_and_at_hits():
    usable = np.array([1, 1, 1, 0, 1, 1, 1, 0], bool)
    flags = np.array([0, 0, JUMP, 0, 0, JUMP, 0, SATURATED], np.uint8)
    assert runs(usable, flags) == [(0, 1), (2, 2), (4, 4), (5, 6)]
    assert runs(np.zeros(3, bool), np.zeros(3, np.uint8)) == []


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [("gls", [1, 1, 0, 0, 1, 0]), ("ols", [1, 1, 0, 0, 1, 0]), ("likely", [1, 0, 0, 0, 0, 0])],
)
def test_which_samples_a_fit_uses(algorithm, expected):
    samples = np.array([1, 2, 3, 4, 5, np.nan], np.float32)
    flags = np.array([0, JUMP, SATURATED, BAD, dqflags.AD_FLOOR, 0], np.uint8)
    assert usable_samples(samples, flags, algorithm).tolist() == list(map(bool, expected))


def test_a_line_of_the_rate_goes_through_the_means():
    times = np.array([1.0, 2.0, 4.0, 5.0, 6.0])
    samples = np.array([10.0, 13.0, 17.0, 100.0, 104.0], np.float32)
    first, second = lines_of_rate(samples, times, [(0, 2), (3, 4)], 2.0, 0.1)
    # 40 / 3 - 2 * 7 / 3, and 102 - 2 * 5.5.
    assert first == Segment(0, 2, 2.0, 0.1, pytest.approx(26 / 3, rel=1e-12))
    assert second == Segment(3, 4, 2.0, 0.1, 91.0)
    assert lines_of_rate(samples, times, [(1, 1)], 2.0, 0.1) == []


def with_ramp(product: Path, directory: Path, samples: list[float], flags: list[int]) -> Path:
    """The ramp of an exposure with that of one pixel, X 20, Y 10, made by hand."""
    with datamodels.open(ramp_of(product)) as saved:
        ramp = saved.copy()
    at = (slice(None), 10 + BORDER, 20 + BORDER)
    ramp.data[at] = samples
    ramp.groupdq[at] = flags
    ramp.pixeldq[at[1:]] = 0
    path = directory / ramp_of(product).name
    ramp.save(path)
    return path


def test_a_straight_ramp_is_its_own_line(simple, tmp_path):
    # The mean time of reads 1 to 4, of 3 s each, is 2.5 * 3 s; then 12 s from one to the next.
    times = 7.5 + 12.0 * np.arange(6)
    path = with_ramp(simple, tmp_path, list(1000.0 + 8.0 * times), [0] * 6)
    ramp = pixel_ramp(path, 20, 10, references=simple.parents[1] / "references")
    assert ramp.times.tolist() == times.tolist()
    assert ramp.reads[1] == [5, 6, 7, 8]
    assert ramp.has_rate
    # All differences are 96 DN: single precision is what is left.
    assert ramp.rate == pytest.approx(8.0, rel=1e-6)
    assert ramp.chisq == pytest.approx(0.0, abs=1e-6)
    assert ramp.n_differences == 5
    assert ramp.degrees == 4
    assert [(s.first, s.last) for s in ramp.segments] == [(0, 5)]
    assert ramp.segments[0].offset == pytest.approx(1000.0, abs=1e-3)
    np.testing.assert_allclose(ramp.residuals, 0.0, atol=1e-3)
    assert ramp.err**2 == pytest.approx(ramp.var_poisson + ramp.var_rnoise, rel=1e-5)


def test_a_hit_parts_the_ramp_and_leaves_the_rate(simple, tmp_path):
    times = 7.5 + 12.0 * np.arange(6)
    # 2000 DN in the first read of resultant 4: all of it in the difference before.
    samples = 1000.0 + 8.0 * times + 2000.0 * (np.arange(6) >= 3)
    path = with_ramp(simple, tmp_path, list(samples), [0] * 6)
    ramp = pixel_ramp(path, 20, 10, references=simple.parents[1] / "references")
    assert [ramp.flag_names(g) for g in range(6)] == [[], [], [], ["JUMP_DET"], [], []]
    assert [(s.first, s.last) for s in ramp.segments] == [(0, 2), (3, 5)]
    assert ramp.rate == pytest.approx(8.0, rel=1e-5)
    assert ramp.n_differences == 4
    assert [s.offset for s in ramp.segments] == pytest.approx([1000.0, 3000.0], abs=2e-2)
    np.testing.assert_allclose(ramp.residuals, 0.0, atol=2e-2)
    assert ramp.flags & JUMP


def test_what_is_saturated_has_no_part_in_the_line(simple, tmp_path):
    times = 7.5 + 12.0 * np.arange(6)
    samples = np.where(np.arange(6) < 3, 1000.0 + 8.0 * times, 60000.0)
    path = with_ramp(simple, tmp_path, list(samples), [0, 0, 0, *[SATURATED] * 3])
    ramp = pixel_ramp(path, 20, 10, references=simple.parents[1] / "references")
    assert [(s.first, s.last) for s in ramp.segments] == [(0, 2)]
    assert np.isnan(ramp.line[3:]).all()
    assert ramp.rate == pytest.approx(8.0, rel=1e-6)
    assert ramp.degrees == 1
    assert [ramp.flag_names(g) for g in (2, 3)] == [[], ["SATURATED"]]


def test_a_ramp_without_usable_samples_has_no_rate(simple, tmp_path):
    path = with_ramp(simple, tmp_path, [60000.0] * 6, [SATURATED] * 6)
    ramp = pixel_ramp(path, 20, 10, references=simple.parents[1] / "references")
    assert not ramp.has_rate
    assert ramp.segments == []
    assert np.isnan(ramp.residuals).all()
    assert ramp.facts()["rate of the fit"] == "none"
    assert "chi2" not in ramp.facts()
    assert ramp.flags & BAD


# --- as in the product


def test_the_rate_made_anew_is_that_of_the_product(product):
    with datamodels.open(product) as image:
        arrays = {name: np.array(image[name]) for name in ("data", "dq", "err", "chisq")}
        jumps = np.array(image.get("jump_indices", np.zeros((0, 3), np.int16)))
    with datamodels.open(ramp_of(product)) as saved:
        before_fit, flags = np.array(saved.data), np.array(saved.groupdq)
    for x, y in chosen_pixels(arrays["dq"]):
        ramp = pixel_ramp(product, x, y)
        assert set(ramp.notes) <= {OF_SNOWBALL}
        # The same numbers by the same kernels: not one bit may be another.
        assert ramp.product.agrees, (x, y)
        made_anew = ramp.after[-1][1] if ramp.after else ramp.rate
        assert np.float32(made_anew) == arrays["data"][y, x]
        assert ramp.product.told() == "made anew: the same"
        # In half precision, as in the file.
        assert np.float16(ramp.chisq) == np.float16(arrays["chisq"][y, x])
        at = (slice(None), y + BORDER, x + BORDER)
        assert np.array_equal(ramp.corrected, before_fit[at], equal_nan=True)
        expected = flags[at].copy()
        expected[[g for g, row, col in jumps if (row, col) == (y, x)]] |= JUMP
        assert ramp.groupdq.tolist() == expected.tolist()
        left, bottom = ramp.corner
        is_usable = not arrays["dq"][y, x] & BAD
        shown = arrays["data"][y, x] if is_usable else np.nan
        np.testing.assert_equal(ramp.neighbourhood[y - bottom, x - left], shown)


def test_wide_exposures_are_cut_to_a_few_channels(tmp_path):
    config = SimulationConfig(rows=24, cols=1792, n_resultants=2, seed=5)
    made = simulate(config, tmp_path)
    with datamodels.open(made.exposure) as raw:
        wide, narrow = _parts(raw, Area.around(800, 10, (16, 1784), 10), 2, all_channels=False)
        every, _ = _parts(raw, Area.around(800, 10, (16, 1784), 10), 2, all_channels=True)
    # Columns 794 to 818 with their border are of the pair of channels 6 and 7.
    assert wide.channels == [0, 1, 6, 7, 12, 13]
    assert narrow.channels == [6, 7]
    assert wide.rows == slice(0, 24)
    assert every.is_whole


def test_the_stages_are_those_of_the_steps(simple):
    ramp = pixel_ramp(simple, 20, 10)
    assert [label for label, _ in ramp.stages] == ["as read", "refpix", "dark_decay", "as fitted"]
    (raw_path,) = simple.parents[1].glob("*_uncal.asdf")
    with datamodels.open(raw_path) as raw:
        counts = np.array(raw.data[:, 10 + BORDER, 20 + BORDER], np.float32)
    assert ramp.raw.tolist() == counts.tolist()
    assert [step for step, _ in ramp.after] == ["dark_current", "flatfield"]


def test_a_raw_exposure_has_a_rate_but_no_product(simple):
    (raw,) = simple.parents[1].glob("*_uncal.asdf")
    ramp = pixel_ramp(raw, 20, 10, references=simple.parents[1] / "references")
    assert ramp.product is None
    assert ramp.rate == pixel_ramp(simple, 20, 10).rate
    with datamodels.open(simple) as image:
        area = np.array(image.data[0:21, 10:31])
    assert ramp.corner == (10, 0)
    expected = pixel_ramp(simple, 20, 10).neighbourhood
    assert np.array_equal(expected, area)


def test_a_product_of_2022_by_another_software():
    expected = SEED_ERA / "expected_cal.asdf"
    if not expected.is_file():
        pytest.skip(f"no {expected}")
    ramp = pixel_ramp(expected, 94, 45, references=SEED_ERA)
    assert ramp.algorithm == "ols"
    assert [(s.first, s.last) for s in ramp.segments] == [(0, 2), (3, 7)]
    assert ramp.notes == ["it does not record its parameters: defaults are used"]
    # Each made it in its own order of sums, in single precision.
    assert ramp.product.made_anew == pytest.approx(ramp.product.rate, rel=1e-5)
    # The line of each segment is a fit of its samples: they lie about it.
    for segment in ramp.segments:
        assert abs(np.mean(ramp.residuals[segment.first : segment.last + 1])) < 3.0
    # The weighted mean of the segments is the rate.
    weights = np.array([s.slope_err**-2 for s in ramp.segments])
    mean = np.average([s.slope for s in ramp.segments], weights=weights)
    assert mean == pytest.approx(ramp.rate, rel=1e-5)


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the third-party sample is not at {SAMPLE}")
@pytest.mark.parametrize("number", ["0001", "0002"])
def test_the_rate_of_the_third_party_sample(number, tmp_path):
    raw = SAMPLE / f"r0000101001001001001_{number}_wfi07_f158_uncal.asdf"
    ExposurePipeline.call(
        str(raw),
        references=str(SAMPLE / "references"),
        save_results=True,
        output_dir=str(tmp_path),
    )
    (product,) = tmp_path.glob("*_cal.asdf")
    with datamodels.open(product) as image:
        dq = np.array(image.dq)
    for x, y in chosen_pixels(dq):
        ramp = pixel_ramp(product, x, y)
        assert ramp.product.agrees, (x, y)


# --- what is not there


def test_without_the_raw_exposure_the_saved_ramp_serves(simple, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(simple.parent, moved)
    (raw,) = simple.parents[1].glob("*_uncal.asdf")
    hidden = raw.rename(tmp_path / "hidden.asdf")
    try:
        ramp = pixel_ramp(moved / simple.name, 20, 10)
        assert ramp.product.agrees
        assert ramp.raw is None
        assert [label for label, _ in ramp.stages] == ["as fitted"]
        assert any("taken from" in note and "--raw" in note for note in ramp.notes)
        ramp_of(moved / simple.name).unlink()
        with pytest.raises(InputError, match=r"uncal.*--raw"):
            pixel_ramp(moved / simple.name, 20, 10)
        found = pixel_ramp(moved / simple.name, 20, 10, raw=hidden)
        assert found.product.agrees
        assert found.raw is not None
    finally:
        hidden.rename(raw)


def test_a_raw_exposure_of_another_time_is_refused(simple, tmp_path):
    (path,) = simple.parents[1].glob("*_uncal.asdf")
    with datamodels.open(path) as raw:
        other = raw.copy()
    other.meta.exposure.start_time = other.meta.exposure.end_time
    other.save(tmp_path / path.name)
    ramp_of(simple).rename(tmp_path / "hidden.asdf")
    try:
        with pytest.raises(InputError, match=r"it is another exposure than that of .*: start "):
            pixel_ramp(simple, 20, 10, raw=tmp_path)
    finally:
        (tmp_path / "hidden.asdf").rename(ramp_of(simple))


def test_a_missing_reference_is_told(simple):
    (raw,) = simple.parents[1].glob("*_uncal.asdf")
    with pytest.raises(ReferenceFileError, match="--references"):
        pixel_ramp(raw, 20, 10)


@pytest.mark.parametrize(
    ("x", "y", "what"),
    [
        (120, 0, "is a reference pixel, which has no rate"),
        (0, -1, "is a reference pixel, which has no rate"),
        (124, 0, "is outside"),
        (0, -5, "is outside"),
    ],
)
@pytest.mark.parametrize("kind", ["cal", "ramp"])
def test_a_pixel_that_sees_no_light_is_refused_with_the_ranges(simple, x, y, what, kind):
    file = simple.with_name(simple.name.replace("_cal", f"_{kind}"))
    with pytest.raises(InputError) as caught:
        pixel_ramp(file, x, y)
    told = str(caught.value)
    assert f"pixel X {x}, Y {y} {what}" in told
    assert "X goes from 0 to 119, Y from 0 to 39 (in Level 1, 4 to 123 and 4 to 43)" in told


def test_another_kind_of_file_is_refused(simple):
    gain = next((simple.parents[1] / "references").glob("*gain*"))
    with pytest.raises(InputError, match="expected a Level 2 image, a ramp or a raw exposure"):
        pixel_ramp(gain, 20, 10)


def test_a_place_on_the_sky_names_the_pixel_around_it(simple):
    with datamodels.open(simple) as image:
        wcs = image.meta.wcs
        for x, y in ((20, 10), (0, 0), (119, 39)):
            ra, dec = wcs(x + 0.3, y - 0.3)
            assert pixel_at(image, float(ra), float(dec)) == (x, y)
        ra, dec = (float(value) for value in wcs(-3.0, 10.0))
        with pytest.raises(InputError, match="is not on its 120 x 40 pixels"):
            pixel_at(image, ra, dec)
        ra, dec = (float(value) for value in wcs(20.0, 10.0))
        with pytest.raises(InputError, match="is not on its 120 x 40 pixels"):
            pixel_at(image, (ra + 180.0) % 360.0, -dec)
    assert pixel_ramp(simple, sky=(ra, dec)).x == 20
    with pytest.raises(InputError, match="has no WCS: give the pixel X,Y"):
        pixel_ramp(ramp_of(simple), sky=(ra, dec))


def test_steps_that_were_not_done_are_left_out(simple, tmp_path):
    from romancal_rs.flatfield import FlatFieldStep
    from romancal_rs.ramp_fitting import RampFitStep

    references = str(simple.parents[1] / "references")
    fitted = RampFitStep(references=references, rejection_threshold=6.0).run(ramp_of(simple))
    for image, steps in (
        (fitted, []),
        (FlatFieldStep(references=references).run(fitted), ["flatfield"]),
    ):
        path = tmp_path / f"{simple.stem.removesuffix('_cal')}_{len(steps)}.asdf"
        image.save(path)
        ramp = pixel_ramp(path, 20, 10)
        assert [step for step, _ in ramp.after] == steps
        assert ramp.product.agrees


def test_an_exposure_that_is_saturated_throughout_has_no_rate(tmp_path):
    config = {"rows": 24, "n_resultants": 4, "background": 1e6}
    product = calibrate(config, {}, tmp_path)
    with datamodels.open(product) as image:
        assert image.meta.cal_step.ramp_fit == "SKIPPED"
    ramp = pixel_ramp(product, 20, 10)
    assert not ramp.has_rate
    assert ramp.product.agrees
    assert all("SATURATED" in ramp.flag_names(g) for g in range(4))


def test_a_parameter_of_another_version_is_told(simple, tmp_path):
    with datamodels.open(simple) as image:
        other = image.copy()
    for step in other.meta.cal_runs[-1]["steps"]:
        if step["name"] == "rampfit":
            step["parameters"]["of_yesterday"] = 3
    other.save(tmp_path / simple.name)
    ramp = pixel_ramp(tmp_path / simple.name, 20, 10)
    assert ramp.notes == ["rampfit has no of_yesterday in this version"]
    assert ramp.product.agrees


def test_hooks_of_the_product_are_told_and_not_run(tmp_path, simulated):
    calls = []

    def look(model):
        calls.append(model)

    pipeline = ExposurePipeline(
        references=str(simulated.references),
        steps={"linearity": {"post_hooks": [look]}},
        output_dir=str(tmp_path),
        save_results=True,
    )
    pipeline.run(str(simulated.exposure))
    assert len(calls) == 1
    (product,) = tmp_path.glob("*_cal.asdf")
    ramp = pixel_ramp(product, 20, 10)
    assert len(calls) == 1
    assert len(ramp.notes) == 1
    assert ramp.notes[0].startswith("linearity ran with post_hooks")


@pytest.mark.parametrize("name", ["data", "dq", "err"])
def test_an_array_that_a_product_does_not_have_is_named(simple, tmp_path, name):
    head, line, rest = simple.read_bytes().partition(f"\n  {name}:".encode())
    path = tmp_path / simple.name
    path.write_bytes(head + line.replace(b"  ", b"  x", 1)[:-2] + b":" + rest)
    with pytest.raises(datamodels.ValidationError, match=f"validating {name} .* required"):
        pixel_ramp(path, 20, 10)
