"""The algorithms of rampfit in the pipeline: which one runs, what it takes, and what it leaves."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags, kernels
from romancal_rs.exposure import read_pattern
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.ramp_fitting import RampFitStep
from romancal_rs.stpipe import FitStep, ParameterError, Run
from romancal_rs.stpipe.ramp import rate_image

SCIENCE = (slice(4, -4), slice(4, -4))
PLANES = ("data", "dq", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


def run(simulated, *, steps: dict[str, Any] | None = None, **parameters) -> tuple[Any, Run]:
    """The fit at the end, so that what comes after it changes nothing."""
    after = ("dark_current", "assign_wcs", "photom", "flatfield")
    steps = {**{name: {"skip": True} for name in after}, **(steps or {})}
    done = Run(ExposurePipeline(references=str(simulated.references), steps=steps, **parameters))
    return done(simulated.exposure), done


def steps_that_ran(done: Run) -> list[str]:
    return [report.name for report in done.reports[:-1]]


def assert_equal(image, other, names=PLANES) -> None:
    for name in names:
        np.testing.assert_array_equal(image[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def ramp(simulated, tmp_path_factory):
    """The ramp before the fit, in the recipe of flight."""
    directory = tmp_path_factory.mktemp("ramp")
    _, done = run(
        simulated,
        steps={"rampfit": {"skip": True}},
        save_calibrated_ramp=True,
        output_dir=str(directory),
    )
    path = next(path for path in done.saved_files if path.stem.endswith("ramp"))
    with datamodels.open(path) as model:
        yield model.copy()


@pytest.fixture(scope="module")
def detector(simulated, ramp):
    step = RampFitStep(references=str(simulated.references))
    with (
        step.get_reference_file_model(ramp, "gain") as gain,
        step.get_reference_file_model(ramp, "readnoise") as noise,
    ):
        return np.array(gain.data), np.array(noise.data)


def fitted(ramp, detector, **parameters) -> tuple[kernels.RampFit, np.ndarray]:
    groupdq = ramp.groupdq.copy()
    arrays = (ramp.data, groupdq, ramp.pixeldq)
    fit = kernels.fit_likelihood(*arrays, *detector, read_pattern(ramp), **parameters)
    return fit, groupdq


def assert_is(image, fit: kernels.RampFit) -> None:
    for name in kernels.PLANES:
        of_image = "data" if name == "slope" else name
        np.testing.assert_array_equal(image[of_image], getattr(fit, name)[SCIENCE], err_msg=name)


# --- which


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("algorithm", ["auto", "gls", "likely"])
def test_the_fit_of_flight_is_that_of_the_array_function(
    simulated, ramp, detector, algorithm, fused
):
    image, done = run(simulated, steps={"rampfit": {"algorithm": algorithm}}, fused=fused)
    assert "jump" not in steps_that_ran(done)
    rule = "gls" if algorithm == "auto" else algorithm
    fit, groupdq = fitted(ramp, detector, rule=rule)
    assert_is(image, fit)
    inside = groupdq[(slice(None), *SCIENCE)]
    expected = np.argwhere(inside & dqflags.JUMP_DET)
    assert len(expected) > 0
    np.testing.assert_array_equal(image["jump_indices"], expected)
    assert image["jump_indices"].dtype == np.int16


def test_the_fit_of_2022_is_ols(simulated):
    image, done = run(simulated, recipe="2022")
    other, _ = run(simulated, recipe="2022", steps={"rampfit": {"algorithm": "ols"}})
    assert steps_that_ran(done)[4:6] == ["jump", "rampfit"]
    assert_equal(image, other)
    assert "jump_indices" not in image


@pytest.mark.parametrize("fused", [True, False])
def test_the_jump_step_runs_before_ols_in_flight(simulated, fused):
    image, done = run(simulated, steps={"rampfit": {"algorithm": "ols"}}, fused=fused)
    assert steps_that_ran(done)[6:8] == ["jump", "rampfit"]
    assert np.any(image.dq & dqflags.JUMP_DET)


def test_the_jump_step_does_not_run_before_a_fit_that_finds_jumps(simulated, caplog):
    steps = {"rampfit": {"algorithm": "gls"}, "jump": {"rejection_threshold": 5.0}}
    with caplog.at_level(logging.WARNING):
        image, done = run(simulated, recipe="2022", steps=steps)
    assert "jump" not in steps_that_ran(done)
    assert np.any(image.dq & dqflags.JUMP_DET)
    assert (
        "jump does not run, as rampfit finds jumps itself: setting "
        "jump.rejection_threshold has no effect" in caplog.text
    )


def test_the_jump_step_runs_before_a_fit_of_ones_own(simulated):
    class OwnFit(FitStep):
        def fit(self, exposure, references):
            gain = np.full(exposure.shape[1:], 2.0, np.float32)
            return kernels.ramp_fit(gain, gain, read_pattern(exposure))

    class OwnPipeline(ExposurePipeline):
        step_defs = {**ExposurePipeline.step_defs, "rampfit": OwnFit}

    done = Run(OwnPipeline(references=str(simulated.references)))
    done(simulated.exposure)
    names = steps_that_ran(done)
    assert names[names.index("rampfit") - 1] == "jump"


def test_the_segments_of_a_likelihood_fit_cannot_be_saved(simulated):
    with pytest.raises(ParameterError, match=r"fits of segments.*algorithm = ols"):
        run(simulated, steps={"rampfit": {"save_opt": True}})


# --- its parameters


def test_the_rejection_threshold_works(simulated):
    def share(threshold: float) -> float:
        image, _ = run(simulated, steps={"rampfit": {"rejection_threshold": threshold}})
        return float(np.mean((image.dq & dqflags.JUMP_DET) != 0))

    low, usual, high = share(2.0), share(4.5), share(1e6)
    assert low > 2 * usual > 0
    assert high == 0


def test_the_search_can_be_left_out(simulated, ramp, detector):
    image, _ = run(simulated, steps={"rampfit": {"use_ramp_jump_detection": False}})
    assert not np.any(image.dq & dqflags.JUMP_DET)
    assert_is(image, fitted(ramp, detector, find_jumps=False)[0])
    assert image["jump_indices"].shape == (0, 3)


def test_hits_need_not_be_averaged(simulated, ramp, detector):
    image, _ = run(simulated, steps={"rampfit": {"average_hits": False}})
    assert_is(image, fitted(ramp, detector, average_hits=False)[0])
    averaged, _ = run(simulated)
    differs = image.data != averaged.data
    assert differs.any()
    assert np.all(image.dq[differs] & dqflags.JUMP_DET)


def test_jumps_need_not_be_listed(simulated):
    image, _ = run(simulated, steps={"rampfit": {"record_jumps": False}})
    assert "jump_indices" not in image
    assert np.any(image.dq & dqflags.JUMP_DET)


def test_the_variance_of_read_noise_can_be_left_out(simulated, tmp_path):
    steps = {"rampfit": {"include_var_rnoise": False}, "flatfield": {}}
    image, _ = run(simulated, steps=steps)
    assert "var_rnoise" not in image
    whole, _ = run(simulated, steps={"flatfield": {}})
    assert_equal(image, whole, [name for name in PLANES if name != "var_rnoise"])
    with datamodels.open(image.save(tmp_path / "image.asdf")) as saved:
        saved.validate()


def test_the_smoothed_variance_changes_no_rate(simulated, ramp, detector):
    image, _ = run(simulated, steps={"rampfit": {"smooth_variance": True}})
    own, _ = run(simulated)
    assert_equal(image, own, ("data", "dq", "chisq", "dumo"))
    variances = [np.array(own[name]) for name in ("var_poisson", "var_rnoise", "err")]
    cut = [plane[SCIENCE] for plane in detector]
    kernels.smooth_variance(own.data, own.dq, *variances, *cut, read_pattern(ramp))
    for name, expected in zip(("var_poisson", "var_rnoise", "err"), variances, strict=True):
        np.testing.assert_array_equal(image[name], expected)
    assert np.any(image.err != own.err)


# --- snowballs

#: A snowball: a core that is full from resultant 3 on, and a ring of jumps around it.
CENTRE, CORE, RING, RESULTANT = (30, 60), 3, 8, 3


@pytest.fixture(scope="module")
def with_snowball(ramp):
    model = ramp.copy()
    rows, cols = np.ogrid[: ramp.shape[1], : ramp.shape[2]]
    distance = np.hypot(rows - CENTRE[0], cols - CENTRE[1])
    model.data[RESULTANT:, distance <= RING] += 4000
    model.groupdq[RESULTANT:, distance <= CORE] |= dqflags.SATURATED
    return model, distance[SCIENCE]


def with_flags(ramp, groupdq):
    model = ramp.copy()
    model["groupdq"] = groupdq
    return model


@pytest.mark.parametrize("algorithm", ["gls", "likely"])
def test_the_surroundings_of_a_snowball_are_flagged_and_fitted_anew(
    simulated, with_snowball, detector, algorithm
):
    ramp, distance = with_snowball
    how = {"references": str(simulated.references), "algorithm": algorithm}
    usual = RampFitStep.call(ramp, **how)
    grown = RampFitStep.call(ramp, expand_large_events=True, **how)
    was, is_jump = ((image.dq & dqflags.JUMP_DET) != 0 for image in (usual, grown))
    # The ring grows to 1.9 times its size; pixels far from it are what they were.
    around = (distance > RING + 1) & (distance < 1.9 * RING - 2)
    assert np.mean(was[around]) < 0.2
    assert np.all(is_jump[around])
    far = distance > 1.9 * RING + 2
    for name in PLANES:
        np.testing.assert_array_equal(usual[name][far], grown[name][far], err_msg=name)
    # What is flagged lost the difference before the resultant, and is fitted by the others.
    sound = around & ~was & (grown.dq & dqflags.SATURATED == 0)
    assert np.all(grown.var_rnoise[sound] > usual.var_rnoise[sound])
    groupdq = ramp.groupdq.copy()
    groupdq[RESULTANT] |= dqflags.JUMP_DET
    flagged = with_flags(ramp, groupdq)
    known, _ = fitted(flagged, detector, find_jumps=False)
    np.testing.assert_array_equal(grown.data[sound], known.slope[SCIENCE][sound])
    listed = {tuple(index) for index in grown["jump_indices"]}
    rows, cols = np.nonzero(around)
    assert {(RESULTANT, row, col) for row, col in zip(rows, cols, strict=True)} <= listed


def test_pixels_in_the_core_of_a_snowball_leave_the_fit(simulated, with_snowball, detector):
    """The peer keeps the differences of pixels that are newly saturated."""
    ramp, distance = with_snowball
    image = RampFitStep.call(ramp, references=str(simulated.references), expand_large_events=True)
    new = (distance > CORE) & (distance <= CORE + 1.5)
    assert np.all(image.dq[new] & dqflags.SATURATED)
    _, groupdq = fitted(ramp, detector)
    groupdq[RESULTANT:] |= dqflags.SATURATED
    saturated = with_flags(ramp, groupdq)
    known, _ = fitted(saturated, detector, find_jumps=False)
    np.testing.assert_array_equal(image.data[new], known.slope[SCIENCE][new])


def test_without_snowballs_nothing_is_fitted_anew(simulated, ramp):
    how = {"references": str(simulated.references)}
    usual = RampFitStep.call(ramp, **how)
    same = RampFitStep.call(ramp, expand_large_events=True, **how)
    assert_equal(usual, same)
    np.testing.assert_array_equal(usual["jump_indices"], same["jump_indices"])


def test_a_fit_makes_an_image_of_its_planes(ramp, detector):
    fit, _ = fitted(ramp, detector)
    image = rate_image(ramp, fit)
    np.testing.assert_array_equal(image.data, fit.slope)


def test_the_manual_flat_field_does_without_a_variance_of_read_noise(simulated):
    steps = {"rampfit": {"include_var_rnoise": False}, "flatfield": {}}
    image, _ = run(simulated, steps=steps, recipe="2022")
    whole, _ = run(simulated, steps={"flatfield": {}}, recipe="2022")
    assert "var_rnoise" not in image
    np.testing.assert_allclose(image.err, whole.err, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "useless"),
    [
        ({"algorithm": "ols", "rejection_threshold": 5.0}, "rejection_threshold"),
        ({"algorithm": "likely", "average_hits": False}, "average_hits"),
        ({"expand_factor": 3.0, "opt_name": "x.asdf"}, "expand_factor, opt_name"),
    ],
)
def test_what_is_given_in_vain_is_told(simulated, caplog, given, useless):
    with caplog.at_level(logging.WARNING):
        run(simulated, steps={"rampfit": given})
    assert f"Setting {useless} has no effect with algorithm = " in caplog.text


def test_nobody_waits_for_a_jump_step_that_does_not_run(simulated, ramp, caplog):
    with caplog.at_level(logging.WARNING):
        run(simulated, recipe="2022", steps={"rampfit": {"algorithm": "gls"}, "flatfield": {}})
    assert "first (INCOMPLETE" not in caplog.text
    RampFitStep.call(ramp, references=str(simulated.references), algorithm="ols")
    assert "needs jump first (INCOMPLETE in meta.cal_step)" in caplog.text
