"""The exposure pipeline on a small simulated exposure: what runs, what is written, what it says."""

from itertools import takewhile

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.errors import InputError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import in_recipe
from romancal_rs.stpipe import Run

#: The steps by name, in their order, and their entries in ``meta.cal_step``.
NAMES = in_recipe(ExposurePipeline, "flight")
STEPS = [ExposurePipeline.step_defs[name].cal_step_name for name in NAMES]
#: A fit that has segments to save, and before which the jump step runs.
OLS = {"algorithm": "ols"}


@pytest.fixture
def run(simulated, tmp_path):
    """Runs the pipeline, on the simulated exposure or what is given instead."""

    def run(exposure=None, **parameters):
        pipeline = ExposurePipeline(
            references=str(simulated.references), output_dir=str(tmp_path / "out"), **parameters
        )
        run = Run(pipeline)
        return run(str(simulated.exposure) if exposure is None else exposure), run

    return run


def raw(simulated):
    with datamodels.open(simulated.exposure) as model:
        return model.copy()


def status(model):
    return {name: model.meta.cal_step[name] for name in STEPS}


def test_all_steps_run_in_order(run, simulated, tmp_path):
    image, done = run()
    assert isinstance(image, datamodels.ImageModel)
    assert image.shape == tuple(length - 8 for length in raw(simulated).shape[1:])
    complete = dict.fromkeys(STEPS, "COMPLETE")
    if "wfi18_transient" in complete:
        complete["wfi18_transient"] = "N/A"  # it is of another detector
    assert status(image) == complete
    assert [report.name for report in done.reports] == [*NAMES, "ExposurePipeline"]
    assert not (tmp_path / "out").exists()


def test_the_rate_is_the_true_one(run, simulated):
    image, _ = run()
    rate = np.load(simulated.truth)["rate"][4:-4, 4:-4]
    usable = (np.asarray(image.dq) & (dqflags.DO_NOT_USE | dqflags.SATURATED)) == 0
    pull = (image.data - rate)[usable] / image.err[usable]
    assert np.count_nonzero(usable) > 2500
    # 5 standard errors of the median of n normal deviates, 1.25 / sqrt(n) each.
    assert abs(np.median(pull)) < 5 * 1.25 / np.sqrt(pull.size) + 0.05
    assert 0.8 < np.subtract(*np.percentile(pull, [84, 16])) / 2 < 1.2


def test_a_model_given_is_left_as_it_was(run, simulated):
    exposure = raw(simulated)
    before = exposure.data.copy()
    run(exposure)
    assert np.array_equal(exposure.data, before)
    assert "cal_step" not in exposure.meta


def test_a_ramp_given_is_left_as_it_was(run, simulated):
    from_file, _ = run()
    ramp = datamodels.RampModel.from_science_raw(raw(simulated))
    image, _ = run(ramp)
    assert not ramp.groupdq.any()
    assert not ramp.pixeldq.any()
    assert ramp.meta.cal_step.linearity == "INCOMPLETE"
    assert np.array_equal(image.data, from_file.data)
    assert np.array_equal(image.dq, from_file.dq)


def test_steps_by_hand_give_the_same_bits(run, simulated):
    image, _ = run()
    model = datamodels.open(simulated.exposure)
    for name in NAMES:
        step_class = ExposurePipeline.step_defs[name]
        model = step_class(name=name, references=str(simulated.references)).run(model)
    for name in ("data", "dq", "err", "var_poisson", "var_rnoise", "chisq", "dumo"):
        assert np.array_equal(image[name], model[name], equal_nan=True), name
    assert image.meta.statistics == model.meta.statistics
    assert status(image) == status(model)
    assert image.meta.ref_file == model.meta.ref_file


def test_saved_ramp_continues_to_the_same_image(run, tmp_path, simulated):
    image, done = run(save_calibrated_ramp=True)
    (path,) = done.saved_files
    assert path.name == simulated.exposure.name.replace("_uncal", "_ramp")
    fit = ExposurePipeline.step_defs["rampfit"]
    again = fit.call(str(path), references=str(simulated.references))
    assert np.array_equal(again.chisq, image.chisq)
    assert again.meta.cal_step.linearity == "COMPLETE"


def test_saving_names_the_products(run, tmp_path, simulated):
    steps = {"rampfit": {**OLS, "save_opt": True}, "jump": {"save_results": True}}
    run(save_results=True, steps=steps)
    root = simulated.exposure.name.removesuffix("_uncal.asdf")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"{root}_{suffix}.asdf" for suffix in ("cal", "fitopt", "jump", "wcs")]
    with datamodels.open(tmp_path / "out" / f"{root}_cal.asdf") as image:
        assert image.meta.filename == f"{root}_cal.asdf"


@pytest.mark.parametrize("exposure_type", sorted(datamodels.SPECTRAL_TYPES))
@pytest.mark.parametrize("recipe", ["2022", "flight"])
def test_spectral_exposures_skip_flat_and_in_2022_photom(run, simulated, exposure_type, recipe):
    exposure = raw(simulated)
    exposure.meta.exposure.type = exposure_type
    # The simulated dark and read noise are for imaging.
    references = {
        "dark_current": {"override_dark": next(simulated.references.glob("*_dark_*"))},
        "jump": {"override_readnoise": next(simulated.references.glob("*_readnoise_*"))},
        "rampfit": {"override_readnoise": next(simulated.references.glob("*_readnoise_*"))},
    }
    image, _ = run(exposure, steps=references, recipe=recipe)
    skipped = {name for name, value in status(image).items() if value == "SKIPPED"}
    assert skipped == ({"flat_field"} if recipe == "flight" else {"flat_field", "photom"})
    assert image.meta.wcs is not None


def test_a_fully_saturated_exposure_is_a_zeroed_result(run, simulated):
    exposure = raw(simulated)
    exposure.data[:, 4:-4, 4:-4] = 65535
    image, done = run(exposure, save_results=True)
    assert not image.data.any()
    assert not image.err.any()
    assert np.all(image.dq & dqflags.SATURATED)
    assert image.shape == tuple(length - 8 for length in raw(simulated).shape[1:])
    complete = STEPS[: STEPS.index("saturation") + 1]
    expected = dict.fromkeys(STEPS, "SKIPPED") | dict.fromkeys(complete, "COMPLETE")
    assert status(image) == expected
    (path,) = done.saved_files
    assert path.name.endswith("_cal.asdf")


def test_the_transient_of_a_sample_is_no_outlier_of_a_zeroed_result(run, simulated):
    exposure = raw(simulated)
    exposure.data[:, 4:-4, 4:-4] = 65535
    flags = dqflags.WFI18_TRANSIENT | dqflags.PERSISTENCE
    exposure["resultantdq"] = np.full(exposure.shape, flags, np.uint8)
    image, _ = run(exposure)
    assert np.all(image.dq & dqflags.PERSISTENCE)
    assert not np.any(image.dq & dqflags.OUTLIER)


def test_one_unsaturated_pixel_makes_it_an_ordinary_exposure(run, simulated):
    exposure = raw(simulated)
    exposure.data[:, 4:-4, 4:-4] = 65535
    exposure.data[:, 20, 20] = np.arange(exposure.shape[0]) * 100 + 50
    image, _ = run(exposure)
    assert image.meta.cal_step.ramp_fit == "COMPLETE"
    assert image.data[16, 16] > 0


def test_without_read_noise_the_ramp_is_the_result(run):
    ramp, done = run(steps={"rampfit": {"override_readnoise": "N/A"}}, save_results=True)
    assert isinstance(ramp, datamodels.RampModel)
    assert ramp.meta.cal_step.ramp_fit == "SKIPPED"
    assert ramp.meta.cal_step.photom == "SKIPPED"
    assert ramp.meta.ref_file.readnoise == "N/A"
    assert done.saved_files[0].name.endswith("_ramp.asdf")


def test_the_log_is_kept_in_the_product(run):
    image, _ = run()
    lines = list(image.meta.cal_logs)
    done = ":: stpipe.ExposurePipeline.linearity :: INFO :: Step linearity done"
    assert any(done in line for line in lines)
    assert any("Using GAIN reference" in line for line in lines)
    assert sum("Step ExposurePipeline done" in line for line in lines) == 1


def test_pipeline_can_be_run_again(run, simulated):
    first, done = run()
    again = Run(done.step)
    second = again(str(simulated.exposure))
    assert np.array_equal(first.data, second.data)
    assert len(again.reports) == len(done.reports) == len(STEPS) + 1


def test_metadata_that_break_the_schema_are_told_at_once(run, simulated):
    exposure = raw(simulated)
    del exposure.meta.exposure["frame_time"]
    with pytest.raises(InputError, match=r"_uncal\.asdf: .*meta\.exposure.*frame_time"):
        run(exposure)


@pytest.mark.parametrize("name", NAMES)
def test_any_step_can_be_skipped(run, simulated, name):
    # The border is what it was as long as refpix leaves it alone.
    skipped = {name, "refpix"} & set(NAMES) if name == "dq_init" else {name}
    result, _ = run(steps={step: {"skip": True} for step in skipped})
    step_class = ExposurePipeline.step_defs[name]
    assert result.meta.cal_step[step_class.cal_step_name] == "SKIPPED"
    expected = datamodels.RampModel if name == "rampfit" else datamodels.ImageModel
    assert isinstance(result, expected)
    if name == "dq_init":
        assert np.array_equal(result.border_ref_pix_top, raw(simulated).data[:, :4, :])


@pytest.mark.parametrize("name", list(takewhile("rampfit".__ne__, NAMES)))
def test_a_skipped_step_makes_a_ramp_of_a_raw_exposure(run, simulated, name):
    step_class = ExposurePipeline.step_defs[name]
    exposure = raw(simulated)
    for input in (str(simulated.exposure), exposure):
        ramp = step_class.call(input, skip=True)
        assert isinstance(ramp, datamodels.RampModel)
        assert ramp.meta.cal_step[step_class.cal_step_name] == "SKIPPED"
    assert "cal_step" not in exposure.meta


def test_every_product_has_provenance_and_log(run, tmp_path):
    steps = {name: {"save_results": True} for name in NAMES}
    steps["rampfit"] |= {**OLS, "save_opt": True}
    steps["photom"]["photom"] = "photometry.asdf"
    run(save_results=True, save_calibrated_ramp=True, steps=steps)
    paths = sorted((tmp_path / "out").iterdir())
    assert len(paths) == len(NAMES) + 5
    (wcs,) = [path for path in paths if path.name.endswith("_wcs.asdf")]
    for path in (path for path in paths if path != wcs):  # whose schema has no place for them
        with datamodels.open(path) as product:
            lines = list(product.meta.cal_logs)
            assert any("Step dq_init done" in line for line in lines), path.name
            said = [line.partition(" :: ")[2] for line in lines if "Using" not in line]
            assert len(said) == len(set(said)), path.name  # nothing twice, at whatever time
            assert product.meta.ref_file.mask.startswith("roman_wfi_mask_"), path.name
    with datamodels.open(tmp_path / "out" / "photometry.asdf") as product:
        assert product.meta.ref_file.photom.startswith("roman_wfi_photom_")
    with datamodels.open(next((tmp_path / "out").glob("*_fitopt.asdf"))) as product:
        assert product.meta.cal_step.ramp_fit == "COMPLETE"
        assert product.meta.ref_file.gain.startswith("roman_wfi_gain_")


def test_each_step_may_have_its_own_references(simulated, tmp_path):
    """The pipeline's directory lacks a gain; the two steps that need it name another."""
    others = tmp_path / "others"
    others.mkdir()
    for path in simulated.references.iterdir():
        if "_gain_" not in path.name:
            (others / path.name).symlink_to(path)
    elsewhere = {"references": str(simulated.references)}
    steps = {"jump": elsewhere, "rampfit": {**OLS, **elsewhere}}
    image = ExposurePipeline.call(str(simulated.exposure), references=str(others), steps=steps)
    assert image.meta.cal_step.jump == "COMPLETE"


def test_one_override_serves_all_steps(simulated, run):
    gain = next(simulated.references.glob("*_gain_*"))
    _, done = run(override_gain=str(gain), steps={"rampfit": OLS})
    used = {report.name: report.references.get("gain") for report in done.reports}
    assert used["jump"] == used["rampfit"] == gain.name
    ramp, _ = run(override_gain="N/A", steps={"rampfit": OLS})
    assert ramp.meta.cal_step.jump == ramp.meta.cal_step.ramp_fit == "SKIPPED"


def test_a_step_that_was_done_is_done_again_with_a_warning(run, simulated, caplog):
    image, _ = run()
    flat = ExposurePipeline.step_defs["flatfield"]
    flat.call(image, references=str(simulated.references))
    assert "COMPLETE already" in caplog.text


def test_a_wrong_number_of_resultants_in_the_metadata(run, simulated):
    exposure = raw(simulated)
    exposure.meta.exposure.nresultants = 3
    with pytest.raises(InputError, match="nresultants is 3, the data have 6"):
        run(exposure)
