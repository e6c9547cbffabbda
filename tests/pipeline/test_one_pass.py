"""The pipeline takes steps together where nobody looks in between, with the same product."""

import re
import time
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.errors import NoScienceDataError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import Run
from romancal_rs.stpipe.recipes import RECIPES

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
UNEVEN = ((1,), (2, 3), (5, 6, 7), (8, 9, 10, 11), (13, 14))

#: What is simulated, and the parameters of the pipeline.
CASES = {
    "even": ({"n_resultants": 6, "n_reads": 4}, {}),
    "uneven": ({"read_pattern": UNEVEN}, {"rampfit": {"maximum_cores": "half"}}),
    "odd size": ({"rows": 9, "cols": 71}, {"refpix": {"skip": True}}),
    "two resultants": ({"n_resultants": 2}, {}),
    "one resultant": ({"n_resultants": 1}, {}),
    "grown saturation": ({"star_density": 0.05}, {"saturation": {"n_pix_grow_sat": 2}}),
    "other jumps": ({"cosmic_ray_rate": 200.0}, {"rampfit": {"rejection_threshold": 3.0}}),
    "jump step": ({"cosmic_ray_rate": 200.0}, {"rampfit": {"algorithm": "ols"}}),
    "WFI18": ({"detector": "WFI18"}, {}),
    "spectral": ({"optical_element": "GRISM", "exposure_type": "WFI_SPECTRAL"}, {}),
}


#: The steps of each recipe that are taken together.
ON_RAMPS = {
    "2022": ("dq_init", "saturation", "linearity", "dark_current", "jump", "rampfit"),
    "flight": (
        *("dq_init", "saturation", "refpix", "dark_decay", "wfi18_transient", "linearity"),
        "rampfit",
    ),
}
EACH_STEP = [(recipe, name) for recipe, names in ON_RAMPS.items() for name in names]
#: The references that their kernels are made of, and that of one step after the fit.
REFERENCES = {
    "2022": ("mask", "saturation", "linearity", "dark", "gain", "readnoise", "flat"),
    "flight": (
        *("mask", "saturation", "refpix", "darkdecaysignal", "linearity", "inverselinearity"),
        *("integralnonlinearity", "gain", "readnoise", "dark", "flat"),
    ),
}


@pytest.fixture(params=RECIPES)
def recipe(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def of_wfi18(tmp_path_factory):
    """An exposure of the one detector for which all steps of flight have something to do."""
    config = SimulationConfig(
        rows=64, cols=128, n_resultants=6, n_reads=4, seed=11, detector="WFI18"
    )
    return simulate(config, tmp_path_factory.mktemp("wfi18"))


@pytest.fixture
def made(recipe, simulated, of_wfi18):
    """An exposure on which all steps of the recipe work, and its references."""
    return of_wfi18 if recipe == "flight" else simulated


@pytest.fixture(params=[*CASES, "seed era"])
def exposure(request, tmp_path) -> tuple[Path, Path, dict]:
    """An exposure, its references and the parameters of the steps."""
    if request.param == "seed era":
        return next(SEED_ERA.glob("*_uncal.asdf")), SEED_ERA, {}
    config, steps = CASES[request.param]
    made = simulate(SimulationConfig(**{"rows": 48, "cols": 128, "seed": 5} | config), tmp_path)
    return made.exposure, made.references, steps


def run(exposure: Path, references: Path, steps: dict, **parameters):
    run = Run(ExposurePipeline(references=str(references), steps=steps, **parameters))
    return run(exposure), run


def took_one_pass(image) -> bool:
    return any("running in one pass" in line for line in image.meta.cal_logs)


#: Lines with times, when the run was, and what tells the runs of a test apart.
OF_THE_RUN = tuple(
    f"meta.{name}"
    for name in (
        "cal_logs",
        *(f"cal_runs.0.{key}" for key in ("date", "seconds", "inputs", "parameters.fused")),
    )
)


def content(image) -> dict:
    """All of a model but what is of the one run."""
    return {
        name: np.asarray(image[name]).tobytes() if hasattr(value, "dtype") else value
        for name, value in image.items()
        if not name.startswith(OF_THE_RUN) and name != "meta.wcs"
    }


def test_the_product_is_the_same(exposure, recipe):
    if recipe == "flight" and exposure[1] == SEED_ERA:
        pytest.skip("the references of 2022 have no rate of the dark")
    with datamodels.open(exposure[0]) as raw:
        is_single = raw.shape[0] == 1
    if recipe == "flight" and is_single:  # which tells no rate
        for fused in (True, False):
            with pytest.raises(NoScienceDataError, match="every science pixel is flagged"):
                run(*exposure, fused=fused, recipe=recipe)
        return
    fused, one_pass = run(*exposure, recipe=recipe)
    steps, step_by_step = run(*exposure, fused=False, recipe=recipe)
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
        steps = {"rampfit": {"algorithm": "ols"}}
        steps[name] = {**steps.get(name, {}), "override_gain": other}
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


def segments(image) -> list[str]:
    """What was taken together, and where the ramp was seen, as the log tells."""
    told = []
    for line in image.meta.cal_logs:
        if (match := re.search(r"Steps (\w+ to \w+) running in one pass", line)) or (
            match := re.search(r"(Before \w+ the ramp is seen: .*|Step by step: .*)$", line)
        ):
            told.append(match[1])
    return told


def look(*models):
    """A hook that only looks."""


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["dq_init to rampfit"]),
        (
            {"save_calibrated_ramp": True},
            [
                "linearity to jump",
                "Before rampfit the ramp is seen: save_calibrated_ramp is set",
            ],
        ),
        (
            {"steps": {"linearity": {"save_results": True}}},
            [
                "Before dark_current the ramp is seen: linearity.save_results is set",
                "dark_current to rampfit",
            ],
        ),
        (
            {"steps": {"jump": {"pre_hooks": [look]}}},
            [
                "Before jump the ramp is seen: jump.pre_hooks is set",
                "Before rampfit the ramp is seen: jump.pre_hooks is set",
            ],
        ),
        ({"steps": {"linearity": {"skip": True}}}, ["dq_init to rampfit"]),
        ({"steps": {"dq_init": {"skip": True}}}, ["dq_init to rampfit"]),
        ({"steps": {"rampfit": {"save_results": True}}}, ["dq_init to rampfit"]),
        ({"steps": {"dark_current": {"dark_output": "d.asdf"}}}, ["dq_init to rampfit"]),
        (
            {"steps": {"rampfit": {"save_opt": True}}},
            ["linearity to jump", "Before rampfit the ramp is seen: rampfit.save_opt is set"],
        ),
        ({"override_mask": "N/A"}, ["dq_init to rampfit"]),
        ({"override_linearity": "N/A"}, ["dq_init to rampfit"]),
        ({"fused": False}, ["Step by step: fused = False"]),
        ({"checkpoint": "kept"}, ["Step by step: checkpoint is set"]),
    ],
)
def test_a_wall_stands_only_where_someone_looks(
    simulated, tmp_path, monkeypatch, parameters, expected
):
    monkeypatch.chdir(tmp_path)
    check_walls(simulated, expected, **{"steps": {}, "recipe": "2022", **parameters})


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["dq_init to rampfit"]),
        (
            {"save_calibrated_ramp": True},
            ["refpix to linearity", "Before rampfit the ramp is seen: save_calibrated_ramp is set"],
        ),
        (
            {"steps": {"refpix": {"save_results": True}}},
            [
                "Before dark_decay the ramp is seen: refpix.save_results is set",
                "dark_decay to rampfit",
            ],
        ),
        (
            {"steps": {"wfi18_transient": {"post_hooks": [look]}}},
            [
                "refpix to wfi18_transient",
                "Before linearity the ramp is seen: wfi18_transient.post_hooks is set",
                "linearity to rampfit",
            ],
        ),
        (
            {"steps": {"dark_decay": {"pre_hooks": [look]}}},
            [
                "Before dark_decay the ramp is seen: dark_decay.pre_hooks is set",
                "Before wfi18_transient the ramp is seen: dark_decay.pre_hooks is set",
                "wfi18_transient to rampfit",
            ],
        ),
        *(
            ({"steps": {name: {"skip": True}}}, ["dq_init to rampfit"])
            for name in ("refpix", "dark_decay", "wfi18_transient")
        ),
        ({"steps": {"dark_current": {"dark_output": "d.asdf"}}}, ["dq_init to rampfit"]),
        ({"override_refpix": "N/A"}, ["dq_init to rampfit"]),
        ({"override_inverselinearity": "N/A"}, ["dq_init to rampfit"]),
        ({"fused": False}, ["Step by step: fused = False"]),
    ],
)
def test_in_flight_a_wall_stands_only_where_someone_looks(
    of_wfi18, tmp_path, monkeypatch, parameters, expected
):
    monkeypatch.chdir(tmp_path)
    check_walls(of_wfi18, expected, **{"steps": {}, "recipe": "flight", **parameters})


def check_walls(made, expected, **parameters):
    """Holds the walls that the log tells, and the arrays, against those that are expected."""
    image, _ = run(made.exposure, made.references, **parameters)
    told = segments(image)
    for line in expected:
        assert line in told
    if not any(line.startswith("Before") for line in expected):
        assert told == expected
    arrays = {name: value for name, value in content(image).items() if isinstance(value, bytes)}
    steps = {
        name: {key: value for key, value in given.items() if key == "skip"}
        for name, given in parameters.get("steps", {}).items()
    }
    others = {key: value for key, value in parameters.items() if key.startswith("override")}
    others["recipe"] = parameters["recipe"]
    expected_image, _ = run(made.exposure, made.references, steps, fused=False, **others)
    expected_arrays = content(expected_image).items()
    assert arrays == {name: value for name, value in expected_arrays if isinstance(value, bytes)}


def test_all_steps_of_flight_work_on_the_exposure_of_wfi18(of_wfi18):
    image, _ = run(of_wfi18.exposure, of_wfi18.references, {})
    assert segments(image) == ["dq_init to rampfit"]
    entries = [ExposurePipeline.step_defs[name].cal_step_name for name in ON_RAMPS["flight"]]
    assert {image.meta.cal_step[entry] for entry in entries} == {"COMPLETE"}


@pytest.mark.parametrize("seed", range(6))
def test_any_walls_give_the_same_bits(recipe, made, tmp_path, seed):
    rng = np.random.default_rng(seed)
    steps: dict[str, dict] = {name: {} for name in ON_RAMPS[recipe]}
    for name in steps:
        if rng.random() < 0.25:
            steps[name]["pre_hooks"] = [look]
        if rng.random() < 0.25:
            steps[name]["post_hooks"] = [look]
        if rng.random() < 0.15:
            steps[name] |= {"save_results": True, "output_dir": str(tmp_path)}
        if name != "rampfit" and rng.random() < 0.2:
            steps[name]["skip"] = True
    skipped = {name: {"skip": True} for name, given in steps.items() if given.get("skip")}
    place = made.exposure, made.references
    image, of_walls = run(*place, steps, recipe=recipe)
    plain, of_none = run(*place, skipped, recipe=recipe)
    by_step, of_all = run(*place, skipped, fused=False, recipe=recipe)

    def without_parameters(model):
        items = content(model).items()
        return {name: value for name, value in items if not name.startswith("meta.cal_runs")}

    assert without_parameters(image) == without_parameters(plain) == without_parameters(by_step)
    assert took_one_pass(plain)
    seen = [[(r.name, r.status, r.references) for r in it.reports] for it in (of_walls, of_none)]
    assert seen[0] == seen[1] == [(r.name, r.status, r.references) for r in of_all.reports]


@pytest.mark.parametrize(("recipe", "name"), EACH_STEP)
def test_a_hook_sees_the_ramp_that_step_by_step_would_show(recipe, made, name):
    def kept_by(fused):
        kept = []

        def keep(given):  # the input before the step, a list of results after it
            (model,) = given if isinstance(given, list) else (given,)
            arrays = {key: np.array(model[key]) for key, _ in model.arrays()}
            kept.append((dict(model.meta.get("cal_step", {}).items()), arrays))

        steps = {name: {"pre_hooks": [keep], "post_hooks": [keep]}}
        run(made.exposure, made.references, steps, fused=fused, recipe=recipe)
        return kept

    together, alone = kept_by(True), kept_by(False)
    assert len(together) == len(alone) == 2
    for (status, arrays), (expected_status, expected) in zip(together, alone, strict=True):
        assert status == expected_status
        assert arrays.keys() == expected.keys()
        for key in arrays:
            assert arrays[key].tobytes() == expected[key].tobytes(), key


@pytest.mark.parametrize(("recipe", "name"), EACH_STEP)
def test_a_skipped_step_is_left_out_of_the_pass(recipe, made, name):
    steps = {name: {"skip": True}}
    fused, of_fused = run(made.exposure, made.references, steps, recipe=recipe)
    by_step, of_steps = run(made.exposure, made.references, steps, fused=False, recipe=recipe)
    assert took_one_pass(fused)
    assert content(fused) == content(by_step)
    status = [[(r.name, r.status) for r in it.reports] for it in (of_fused, of_steps)]
    assert status[0] == status[1]
    assert (name, "SKIPPED") in status[0]


@pytest.mark.parametrize(
    ("recipe", "reftype"),
    [(recipe, name) for recipe, names in REFERENCES.items() for name in names],
)
def test_a_step_without_its_reference_is_left_out_of_the_pass(recipe, made, reftype):
    override = {f"override_{reftype}": "N/A", "recipe": recipe}
    fused, of_fused = run(made.exposure, made.references, {}, **override)
    by_step, of_steps = run(made.exposure, made.references, {}, fused=False, **override)
    assert took_one_pass(fused)
    assert content(fused) == content(by_step)
    references = [
        [(r.name, r.status, r.references) for r in it.reports] for it in (of_fused, of_steps)
    ]
    assert references[0] == references[1]


def test_a_ramp_goes_on_in_one_pass_and_stays_as_it_is(simulated):
    from romancal_rs.dq_init import DQInitStep

    ramp = DQInitStep.call(simulated.exposure, references=str(simulated.references))
    before = {name: np.array(array) for name, array in ramp.arrays()}
    fused, _ = run(ramp, simulated.references, {})
    assert "saturation to rampfit" in segments(fused)
    by_step, _ = run(ramp, simulated.references, {}, fused=False)
    for name, value in content(by_step).items():
        assert name.startswith("meta.cal_runs") or content(fused)[name] == value
    for name, array in ramp.arrays():
        assert array.tobytes() == before[name].tobytes()


def test_each_step_of_the_pass_reports_its_own_time(recipe, made):
    _, of_run = run(made.exposure, made.references, {}, recipe=recipe)
    seconds = {report.name: report.seconds for report in of_run.reports}
    assert min(seconds[name] for name in ON_RAMPS[recipe]) > 0
    (line,) = [line for line in of_run.result.meta.cal_logs if "to rampfit done in" in line]
    total = float(re.search(r"done in ([\d.]+) s", line)[1])
    assert sum(seconds[name] for name in ON_RAMPS[recipe]) <= total + 0.01


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


def test_hooks_of_a_skipped_step_do_not_run_in_the_pass_either(simulated):
    seen = []
    steps = {"dq_init": {"skip": True, "pre_hooks": [seen.append], "post_hooks": [seen.append]}}
    fused, _ = run(simulated.exposure, simulated.references, steps)
    assert took_one_pass(fused)
    run(simulated.exposure, simulated.references, steps, fused=False)
    assert seen == []


def test_a_fit_of_ones_own_is_that_of_the_step_alone_too(simulated):
    from romancal_rs import kernels
    from romancal_rs.exposure import read_pattern
    from romancal_rs.ramp_fitting import RampFitStep

    class Brighter(RampFitStep):
        """Takes the gain for twice what it is."""

        def fit(self, exposure, references):
            gain = references["gain"].data * np.float32(2)
            return kernels.ramp_fit(gain, references["readnoise"].data, read_pattern(exposure))

    class Brightly(ExposurePipeline):
        step_defs = ExposurePipeline.step_defs | {"rampfit": Brighter}

    fused = Brightly(references=str(simulated.references)).run(simulated.exposure)
    alone = Brightly(references=str(simulated.references), fused=False).run(simulated.exposure)
    usual, _ = run(simulated.exposure, simulated.references, {})
    assert took_one_pass(fused)
    assert fused.var_poisson.tobytes() == alone.var_poisson.tobytes()
    assert fused.var_poisson.tobytes() != usual.var_poisson.tobytes()


def test_what_a_step_checks_before_it_works_is_checked_in_the_pass_too(simulated):
    from romancal_rs.errors import InputError
    from romancal_rs.linearity import LinearityStep

    class Careful(LinearityStep):
        def before_process(self, args):
            raise InputError("not this one")

    class Carefully(ExposurePipeline):
        step_defs = ExposurePipeline.step_defs | {"linearity": Careful}

    with pytest.raises(InputError, match="not this one"):
        Carefully(references=str(simulated.references)).run(simulated.exposure)


def test_a_ramp_goes_on_where_dq_init_is_skipped(simulated):
    from romancal_rs.dq_init import DQInitStep

    ramp = DQInitStep.call(simulated.exposure, references=str(simulated.references))
    steps = {"dq_init": {"skip": True}}
    fused, _ = run(ramp, simulated.references, steps)
    by_step, _ = run(ramp, simulated.references, steps, fused=False)
    assert fused.data.tobytes() == by_step.data.tobytes()
    assert fused.dq.tobytes() == by_step.dq.tobytes()


def brighten(given):
    """A hook that changes the samples of what it is given, in place."""
    (model,) = given if isinstance(given, list) else (given,)
    model.data += np.array(100, model.data.dtype)


@pytest.mark.parametrize(("recipe", "name"), EACH_STEP)
@pytest.mark.parametrize("hooks", ["pre_hooks", "post_hooks"])
def test_hooks_that_change_a_ramp_leave_the_callers_alone(recipe, made, name, hooks):
    from romancal_rs.dq_init import DQInitStep

    ramp = DQInitStep.call(made.exposure, references=str(made.references), recipe=recipe)
    before = {key: np.array(ramp[key]) for key, _ in ramp.arrays()}
    images = [
        run(ramp, made.references, {name: {hooks: [brighten]}}, fused=fused)[0]
        for fused in (True, False)
    ]
    assert images[0].data.tobytes() == images[1].data.tobytes()
    for key, array in before.items():
        assert ramp[key].tobytes() == array.tobytes(), key


def test_an_exposure_that_may_be_saturated_runs_its_hooks_once_and_saves_once(simulated, tmp_path):
    with datamodels.open(simulated.exposure) as raw:
        exposure = raw.copy()
    exposure.data[:, 4:-4, 4:-4] = 65535
    calls = []
    steps = {
        "dq_init": {"pre_hooks": [lambda model: calls.append(model)]},
        "dark_current": {"dark_output": str(tmp_path / "dark.asdf")},
    }
    image, done = run(exposure, simulated.references, steps)
    assert len(calls) == 1
    assert image.meta.cal_step.dark == "SKIPPED"
    assert done.saved_files == []
    assert not (tmp_path / "dark.asdf").exists()


def test_a_ramp_is_saved_where_it_is_not_fitted(simulated, tmp_path):
    parameters = {"save_calibrated_ramp": True, "output_dir": str(tmp_path)}
    steps = {"rampfit": {"skip": True}}
    _, done = run(simulated.exposure, simulated.references, steps, **parameters)
    assert [path.name.rpartition("_")[2] for path in done.saved_files] == ["ramp.asdf"]


def test_a_step_that_is_not_in_the_pipeline_is_missed_in_the_pass_too(simulated, caplog):
    class Without(ExposurePipeline):
        step_defs = {
            name: cls for name, cls in ExposurePipeline.step_defs.items() if name != "linearity"
        }

    def missed(fused):
        caplog.clear()
        Without(references=str(simulated.references), fused=fused).run(simulated.exposure)
        found = [
            r.getMessage().partition(": ")[2] for r in caplog.records if r.levelname == "WARNING"
        ]
        return [text for text in found if "needs linearity first" in text]

    assert len(missed(fused=True)) > 2
    assert missed(fused=True) == missed(fused=False)


@pytest.mark.parametrize("method", ["prepare", "finalize_result", "status_of", "end_skipped"])
def test_a_step_with_any_method_of_its_own_is_alone(simulated, method):
    from romancal_rs.linearity import LinearityStep

    def own(self, *args, **kwargs):
        self.log.info("my own %s", method)
        return getattr(LinearityStep, method)(self, *args, **kwargs)

    Own = type("Own", (LinearityStep,), {method: own})

    class Owning(ExposurePipeline):
        step_defs = ExposurePipeline.step_defs | {"linearity": Own}

    image = Owning(references=str(simulated.references)).run(simulated.exposure)
    assert any("linearity is a Own" in line for line in image.meta.cal_logs)
    if method != "end_skipped":
        assert any(f"my own {method}" in line for line in image.meta.cal_logs)


def test_an_override_that_changes_within_a_run_is_seen(simulated):
    with datamodels.open(next(simulated.references.glob("*flat*.asdf"))) as flat:
        twice, fivefold = flat.copy(), flat.copy()
    for other, factor in ((twice, 2), (fivefold, 5)):
        other.data = np.full(other.data.shape, factor, np.float32)
        other.dq[:] = 0

    class Both(ExposurePipeline):
        def process(self, input):
            image = super().process(input)
            for other in (twice, fivefold):
                self.flatfield.override_flat = other
                image = self.flatfield(image)
            return image

    plain, _ = run(simulated.exposure, simulated.references, {"flatfield": {"skip": True}})
    both = Both(references=str(simulated.references), override_flat="N/A").run(simulated.exposure)
    np.testing.assert_allclose(both.data, plain.data / 10, rtol=1e-6)


def test_a_step_of_a_pipeline_that_is_run_by_itself_leaves_the_callers_ramp_alone(simulated):
    from romancal_rs.dq_init import DQInitStep

    ramp = DQInitStep.call(simulated.exposure, references=str(simulated.references))
    before = ramp.data.copy(), ramp.groupdq.copy()
    pipeline = ExposurePipeline(references=str(simulated.references))
    for step in (pipeline.linearity, pipeline.saturation):
        step.run(ramp)
    assert ramp.data.tobytes() == before[0].tobytes()
    assert ramp.groupdq.tobytes() == before[1].tobytes()


@pytest.mark.parametrize("name", ["saturation", "assign_wcs", "linearity"])
def test_a_pipeline_may_do_without_a_step(simulated, name):
    class Without(ExposurePipeline):
        step_defs = {
            other: cls for other, cls in ExposurePipeline.step_defs.items() if other != name
        }

    fused = Without(references=str(simulated.references)).run(simulated.exposure)
    by_step = Without(references=str(simulated.references), fused=False).run(simulated.exposure)
    assert took_one_pass(fused)
    assert fused.data.tobytes() == by_step.data.tobytes()


def test_a_pipeline_without_a_fit_says_so(simulated):
    from romancal_rs.stpipe import ParameterError

    class Without(ExposurePipeline):
        step_defs = {
            name: cls for name, cls in ExposurePipeline.step_defs.items() if name != "rampfit"
        }

    with pytest.raises(ParameterError, match="no step that makes an image"):
        Without(references=str(simulated.references)).run(simulated.exposure)


def test_a_step_before_dq_init_sees_what_it_would_alone(simulated):
    from romancal_rs.saturation import SaturationStep

    class Early(SaturationStep):
        builds_on = ()

    class Begins(ExposurePipeline):
        step_defs = {"early": Early, **ExposurePipeline.step_defs}

    fused = Begins(references=str(simulated.references)).run(simulated.exposure)
    by_step = Begins(references=str(simulated.references), fused=False).run(simulated.exposure)
    assert fused.data.tobytes() == by_step.data.tobytes()
    assert fused.dq.tobytes() == by_step.dq.tobytes()


def test_the_time_of_making_a_kernel_is_that_of_its_step(simulated, monkeypatch):
    from romancal_rs.linearity import LinearityStep

    real = LinearityStep.kernel

    def slow(self, exposure, references):
        time.sleep(0.5)
        return real(self, exposure, references)

    monkeypatch.setattr(LinearityStep, "kernel", slow)
    _, of_run = run(simulated.exposure, simulated.references, {})
    seconds = {report.name: report.seconds for report in of_run.reports}
    assert seconds["linearity"] >= 0.5
