"""The pipeline takes the steps up to the fit in one pass where it can, with the same product."""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import Run

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
UNEVEN = ((1,), (2, 3), (5, 6, 7), (8, 9, 10, 11), (13, 14))

#: What is simulated, and the parameters of the pipeline.
CASES = {
    "even": ({"n_resultants": 6, "n_reads": 4}, {}),
    "uneven": ({"read_pattern": UNEVEN}, {"jump": {"maximum_cores": "half"}}),
    "odd size": ({"rows": 9, "cols": 71}, {}),
    "two resultants": ({"n_resultants": 2}, {}),
    "one resultant": ({"n_resultants": 1}, {}),
    "grown saturation": ({"star_density": 0.05}, {"saturation": {"n_pix_grow_sat": 2}}),
    "other jumps": ({"cosmic_ray_rate": 200.0}, {"jump": {"rejection_threshold": 3.0}}),
    "spectral": ({"optical_element": "GRISM", "exposure_type": "WFI_SPECTRAL"}, {}),
}


@pytest.fixture(params=[*CASES, "2022"])
def exposure(request, tmp_path) -> tuple[Path, Path, dict]:
    """An exposure, its references and the parameters of the steps."""
    if request.param == "2022":
        return next(SEED_ERA.glob("*_uncal.asdf")), SEED_ERA, {}
    config, steps = CASES[request.param]
    made = simulate(SimulationConfig(**{"rows": 48, "cols": 48, "seed": 5} | config), tmp_path)
    return made.exposure, made.references, steps


def run(exposure: Path, references: Path, steps: dict, **parameters):
    run = Run(ExposurePipeline(references=str(references), steps=steps, **parameters))
    return run(exposure), run


def took_one_pass(image) -> bool:
    return any("running in one pass" in line for line in image.meta.cal_logs)


#: Lines with times, when the run was, and what tells the runs of a test apart.
OF_THE_RUN = tuple(
    f"meta.{name}"
    for name in ("cal_logs", "cal_runs.0.date", "cal_runs.0.inputs", "cal_runs.0.parameters.fused")
)


def content(image) -> dict:
    """All of a model but what is of the one run."""
    return {
        name: np.asarray(image[name]).tobytes() if hasattr(value, "dtype") else value
        for name, value in image.items()
        if not name.startswith(OF_THE_RUN) and name != "meta.wcs"
    }


def test_the_product_is_the_same(exposure):
    fused, one_pass = run(*exposure)
    steps, step_by_step = run(*exposure, fused=False)
    assert took_one_pass(fused)
    assert not took_one_pass(steps)
    assert any("Step by step: fused = False" in line for line in steps.meta.cal_logs)
    assert content(fused) == content(steps)
    middle = [length // 2 for length in reversed(fused.shape)]
    assert fused.meta.wcs(*middle) == steps.meta.wcs(*middle)
    assert np.isfinite(fused.meta.wcs(*middle)).all()

    def reported(run):
        return [(r.name, r.status, r.references) for r in run.reports]

    assert reported(one_pass) == reported(step_by_step)


@pytest.mark.parametrize("change", [np.asfortranarray, lambda data: data.astype(">u2")])
def test_an_exposure_in_memory_may_lie_in_another_order(simulated, change):
    with datamodels.open(simulated.exposure) as raw:
        other = raw.copy()
    other.data = change(np.asarray(other.data))
    other["resultantdq"] = np.asfortranarray(np.zeros(other.shape, np.uint8))
    expected, _ = run(simulated.exposure, simulated.references, {})
    for fused in (True, False):
        image, _ = run(other, simulated.references, {}, fused=fused)
        assert took_one_pass(image) is fused
        assert image.data.tobytes() == expected.data.tobytes()
        assert image.dq.tobytes() == expected.dq.tobytes()


def test_each_step_has_its_own_references(simulated):
    with datamodels.open(simulated.references / "roman_wfi_gain_0001.asdf") as gain:
        other = gain.copy()
    other.data = other.data * np.float32(2)
    for name in ("jump", "rampfit"):
        steps = {name: {"override_gain": other}}
        fused, _ = run(simulated.exposure, simulated.references, steps)
        step_by_step, _ = run(simulated.exposure, simulated.references, steps, fused=False)
        assert took_one_pass(fused)
        assert content(fused) == content(step_by_step)
    usual, _ = run(simulated.exposure, simulated.references, {})
    assert not np.array_equal(usual.var_poisson, fused.var_poisson)


def test_files_and_models_give_the_same(simulated):
    steps = {}
    from_file, _ = run(simulated.exposure, simulated.references, steps)
    with datamodels.open(simulated.exposure) as raw:
        in_memory = raw.copy()
    before = in_memory.data.copy()
    pipeline = ExposurePipeline(references=str(simulated.references))
    image = pipeline.run(in_memory)
    assert took_one_pass(image)
    assert content(image) == content(from_file)
    assert np.array_equal(in_memory.data, before)


@pytest.mark.parametrize("compression", ["lz4", "zlib"])
def test_a_compressed_exposure_gives_the_same(simulated, tmp_path, compression):
    plain, _ = run(simulated.exposure, simulated.references, {})
    path = tmp_path / simulated.exposure.name
    with datamodels.open(simulated.exposure) as raw:
        raw.save(path, compression=compression)
    image, _ = run(path, simulated.references, {})
    assert took_one_pass(image)
    changed = {"meta.file_date", "meta.calibration_software_version"}
    differences = {
        name for name, value in content(image).items() if content(plain).get(name) != value
    }
    assert differences <= changed


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"save_calibrated_ramp": True}, "save_calibrated_ramp is set"),
        ({"steps": {"jump": {"save_results": True}}}, "jump.save_results is set"),
        ({"steps": {"linearity": {"skip": True}}}, "linearity.skip is set"),
        ({"steps": {"dark_current": {"dark_output": "d.asdf"}}}, "dark_current.dark_output is set"),
        ({"steps": {"rampfit": {"save_opt": True}}}, "rampfit.save_opt is set"),
        ({"steps": {"jump": {"post_hooks": [lambda models: None]}}}, "jump.post_hooks is set"),
        ({"override_mask": "N/A"}, "the MASK is N/A"),
        ({"checkpoint": "kept"}, "checkpoint is set"),
    ],
)
def test_what_wants_to_be_seen_is_taken_step_by_step(
    simulated, tmp_path, monkeypatch, parameters, reason
):
    monkeypatch.chdir(tmp_path)
    image, _ = run(simulated.exposure, simulated.references, **{"steps": {}, **parameters})
    assert any(f"Step by step: {reason}" in line for line in image.meta.cal_logs)
    assert not took_one_pass(image)


def test_a_step_that_is_replaced_runs(simulated):
    from romancal_rs.linearity import LinearityStep

    class Other(LinearityStep):
        def process(self, input):
            self.log.info("the other linearity")
            return super().process(input)

    class OtherPipeline(ExposurePipeline):
        step_defs = ExposurePipeline.step_defs | {"linearity": Other}

    image = OtherPipeline(references=str(simulated.references)).run(str(simulated.exposure))
    assert any("linearity is a Other" in line for line in image.meta.cal_logs)
    assert any("the other linearity" in line for line in image.meta.cal_logs)
