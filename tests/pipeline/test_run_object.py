"""A run is an object, and a step its class and parameters: for threads and processes."""

import contextvars
import copy
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import ImageModel, testing
from romancal_rs.flatfield import FlatFieldStep
from romancal_rs.jump import JumpStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.references import ReferenceNotFoundError
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import Pipeline, RomanPipeline, RomanStep, Run, RunError, Step

N_THREADS = 8
DETECTORS = ("WFI01", "WFI05", "WFI09", "WFI13", "WFI18")
N_EACH = 8
REFTYPES = tuple(
    "dark distortion flat gain linearity mask photom readnoise saturation".split()  # noqa: SIM905
)


@pytest.fixture(scope="module")
def exposures(tmp_path_factory) -> tuple[list[Path], Path]:
    """Exposures of several detectors, each with other counts, and the references of them all."""
    directory = tmp_path_factory.mktemp("exposures")
    paths = []
    for number, detector in enumerate(DETECTORS):
        config = SimulationConfig(
            rows=24, cols=128, n_resultants=4, n_reads=2, seed=number, detector=detector
        )
        made = simulate(config, directory)
        with datamodels.open(made.exposure) as raw:
            for k in range(N_EACH):
                other = raw.copy()
                other.data = raw.data + np.arange(4, dtype=np.uint16)[:, None, None] * np.uint16(k)
                paths.append(other.save(directory / f"{detector}_{k}_uncal.asdf"))
    return paths, made.references


def content(image: ImageModel) -> dict:
    """What a product holds, but for when and with how many threads it was made."""
    arrays = {name: np.asarray(image[name]).tobytes() for name, _ in image.arrays()}
    references = dict(image.meta.ref_file.items())
    lines = [line.split(" :: ")[1] for line in image.meta.cal_logs]
    run = image.meta.cal_runs[-1]
    used = {name: dict(types) for name, types in run["references"].items()}
    inputs = [entry["filename"] for entry in run["inputs"]]
    return {"arrays": arrays, "references": references, "log": lines, "used": used, "of": inputs}


def own_references(path: Path) -> dict[str, str]:
    """The names of the references of an exposure: simulated ones carry their detector's number."""
    return {reftype: f"roman_wfi_{reftype}_00{path.name[3:5]}.asdf" for reftype in REFTYPES}


@pytest.fixture(scope="module")
def alone(exposures) -> dict[Path, dict]:
    """What the product of each exposure is when it is the only one, with a pipeline of its own."""
    paths, references = exposures
    return {path: content(ExposurePipeline(references=str(references)).run(path)) for path in paths}


def check(images, paths, alone, log=True) -> None:
    for image, path in zip(images, paths, strict=True):
        for reftype, name in own_references(path).items():
            assert image.meta.ref_file[reftype] == name
        found = content(image)
        if not log:
            found["log"] = alone[path]["log"]  # it tells the way that was taken, and what was saved
        assert found == alone[path]


@pytest.mark.parametrize("fused", [True, False])
def test_one_pipeline_in_eight_threads_makes_of_forty_exposures_what_each_gives_alone(
    exposures, alone, fused, tmp_path
):
    paths, references = exposures
    if not fused:
        paths = paths[::3]  # it takes longer
    pipeline = ExposurePipeline(
        references=str(references), fused=fused, save_results=True, output_dir=str(tmp_path)
    )
    before = pickle.dumps(pipeline)
    with ThreadPoolExecutor(N_THREADS) as pool:
        images = list(pool.map(pipeline.run, paths))
    check(images, paths, alone, log=fused)
    for path in paths:
        with datamodels.open(tmp_path / path.name.replace("uncal", "cal")) as product:
            assert dict(product.meta.ref_file.items()) == alone[path]["references"]
    assert pickle.dumps(pipeline) == before


def test_a_pickled_pipeline_gives_the_same_in_spawned_processes(exposures, alone):
    paths, references = exposures
    chosen = paths[:: N_EACH - 1]
    pipeline = ExposurePipeline(references=str(references))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        images = pool.map(pipeline.run, chosen)
    check(images, chosen, alone)


# --- a step is its class and its parameters


def test_a_run_changes_nothing_on_its_step(simulated, tmp_path):
    pipeline = ExposurePipeline(
        references=str(simulated.references), save_results=True, output_dir=str(tmp_path)
    )
    before, state = pickle.dumps(pipeline), dict(pipeline.__dict__)
    pipeline.run(simulated.exposure)
    pipeline.rampfit.skip = True  # its product ends with another suffix then
    pipeline.run(simulated.exposure)
    pipeline.rampfit.skip = False
    with pytest.raises(OSError, match="nowhere"):
        pipeline.run("nowhere_uncal.asdf")
    assert pickle.dumps(pipeline) == before
    assert pipeline.__dict__ == state
    suffixes = {path.stem.rpartition("_")[2] for path in tmp_path.iterdir()}
    assert suffixes == {"cal", "wcs", "ramp"}


def hook(image):
    """A hook that can be imported."""


class Sections(Step):
    spec = """
        must = integer()  # Required
        [red]
        offset = float(default=0.0)
        [[deep]]
        scale = float(min=0)
    """

    def process(self, value):
        return value


class Inner(Pipeline):
    step_defs: ClassVar = {"sections": Sections}


class Outer(Pipeline):
    step_defs: ClassVar = {"inner": Inner, "sections": Sections}


def pickled(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("way", [pickled, copy.deepcopy, copy.copy])
def test_pipelines_with_parameters_hooks_and_models_are_pickled_and_copied(way):
    mine = ImageModel(testing.create_wfi_image(shape=(4, 4)))
    pipeline = ExposurePipeline(
        output_dir="out", steps={"jump": {"rejection_threshold": 7.0}}, pre_hooks=[hook, "true"]
    )
    pipeline.flatfield.override_flat = mine
    other = way(pipeline)
    assert type(other) is ExposurePipeline
    assert other.jump.rejection_threshold == 7.0
    assert other.pre_hooks == [hook, "true"]
    assert np.array_equal(other.flatfield.override_flat.data, mine.data)
    for name in other.step_defs:
        assert other.step(name) is not pipeline.step(name)
        assert other.step(name).parent is other
        assert pipeline.step(name).parent is pipeline
    other.jump.rejection_threshold = 3.0
    assert pipeline.jump.rejection_threshold == 7.0
    assert other.jump.log.name == "stpipe.ExposurePipeline.jump"


@pytest.mark.parametrize("way", [pickled, copy.deepcopy])
def test_sections_and_pipelines_in_pipelines_are_pickled_and_copied(way):
    pipeline = Outer()
    pipeline.sections.red.offset = 2
    pipeline.inner.sections.red.deep.scale = 3
    other = way(pipeline)
    assert (other.sections.red.offset, other.inner.sections.red.deep.scale) == (2.0, 3.0)
    assert other.inner.sections.root is other
    with pytest.raises(ValueError, match="offset"):
        other.sections.red.offset = "much"
    with pytest.raises(ValueError, match="must has no default"):
        other.sections.run(1)
    other.sections.red.offset = 5
    assert pipeline.sections.red.offset == 2.0


def test_a_step_is_closed_to_misspelt_parameters_after_it_was_pickled():
    with pytest.raises(AttributeError, match="rejection_threshold"):
        pickled(JumpStep()).rejection_treshold = 1.0


def test_a_hook_that_cannot_be_pickled_is_named_by_pickle():
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(JumpStep(pre_hooks=[lambda image: image]))


# --- several runs at once


class Meets(Step):
    """Runs in several threads at once, and waits for all of them in the middle."""

    barrier: ClassVar[threading.Barrier]

    def process(self, value):
        self.seen = value
        self.decide_suffix(f"of_{value}")
        self.log.info("value %s", value)
        self.barrier.wait()
        self.log.info("again %s", value)
        self.barrier.wait()
        return value, self.make_output_path()


class Meeting(Pipeline):
    step_defs: ClassVar = {"meets": Meets}

    def process(self, value):
        self.decide_suffix(f"all_{value}")
        value, of_step = self.meets(value)
        return value, of_step, self.make_output_path()


@pytest.fixture
def barrier(monkeypatch):
    made = threading.Barrier(2, timeout=600)  # only so that a fault does not hang
    monkeypatch.setattr(Meets, "barrier", made, raising=False)
    return made


@pytest.mark.usefixtures("barrier")
def test_runs_of_one_pipeline_at_once_keep_apart():
    pipeline = Meeting()
    runs = [Run(pipeline) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda number: runs[number](number), range(2)))
    assert results == [
        (n, Path(f"meets_of_{n}.asdf"), Path(f"Meeting_all_{n}.asdf")) for n in range(2)
    ]
    for run in runs:
        assert [report.name for report in run.reports] == ["meets", "Meeting"]


@pytest.mark.usefixtures("barrier")
def test_a_hook_object_is_part_of_each_of_its_steps_at_once():
    names = []

    class Tells(Step):
        def process(self, value):
            return value

    class Host(Meets):
        def process(self, value):
            self.barrier.wait()
            names.append((self.parent.name, self.qualified_name))
            self.barrier.wait()

    shared = Host(name="shared")
    steps = [Tells(name=name, pre_hooks=[shared]) for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda step: step.run(1), steps))
    assert sorted(names) == [("one", "stpipe.one.shared"), ("two", "stpipe.two.shared")]
    assert shared.parent is None


class Recursive(Step):
    def process(self, depth):
        self.decide_suffix(f"at_{depth}")
        inner = [] if depth == 0 else self.run(depth - 1)
        return [*inner, str(self.make_output_path())]


def test_a_step_may_run_itself():
    assert Recursive().run(2) == [f"Recursive_at_{n}.asdf" for n in range(3)]


# --- which run a step is part of


@pytest.fixture
def image(simulated) -> ImageModel:
    """An image that the simulated flat is for."""
    parameters = {"references": str(simulated.references), "steps": {"flatfield": {"skip": True}}}
    return ExposurePipeline(**parameters).run(simulated.exposure)


class UsesFlat(RomanStep):
    """Uses its flat in a separate thread, with the step's context or without."""

    reference_file_types: ClassVar = ["flat"]
    with_context = True

    def process(self, image):
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as pool:
            work = self.get_reference_file
            if self.with_context:
                pool.submit(context.run, work, image, "flat").result()
            else:
                pool.submit(work, image, "flat").result()
        return image


class WithoutContext(UsesFlat):
    with_context = False


@pytest.mark.parametrize(("step_class", "used"), [(UsesFlat, ["flat"]), (WithoutContext, [])])
def test_a_thread_belongs_to_the_run_whose_context_it_has(simulated, image, step_class, used):
    run = Run(step_class(references=str(simulated.references)))
    run(image)
    assert list(run.reports[-1].references) == used


class CallsAnother(RomanPipeline):
    """Calls its own step, and one that is not part of it."""

    step_defs: ClassVar = {"own": UsesFlat}
    other: ClassVar[list[Run]] = []

    def process(self, image):
        other = Run(FlatFieldStep(override_flat="N/A"))
        other(image)
        self.other.append(other)
        return self.own(image)


def test_a_step_that_is_not_part_of_the_pipeline_has_its_own_run(simulated, image, monkeypatch):
    monkeypatch.setattr(CallsAnother, "other", [])
    run = Run(CallsAnother(references=str(simulated.references)))
    run(image)
    assert [report.name for report in run.reports] == ["own", "CallsAnother"]
    assert [report.name for report in CallsAnother.other[0].reports] == ["FlatFieldStep"]


def test_a_step_of_a_pipeline_by_itself_leaves_a_callers_model_as_it_was(simulated):
    pipeline = ExposurePipeline(references=str(simulated.references))
    ramp = pipeline.dq_init.run(simulated.exposure)
    before = ramp.groupdq.copy()
    changed = pipeline.saturation.run(ramp)
    assert changed is not ramp
    assert np.array_equal(ramp.groupdq, before)
    assert ramp.meta.cal_step.saturation == "INCOMPLETE"
    assert any("Step saturation done" in line for line in changed.meta.cal_logs)


def test_a_reference_is_looked_for_anew_outside_of_runs(simulated, image, tmp_path):
    step = FlatFieldStep(references=str(simulated.references))
    state = dict(step.__dict__)
    first = step.get_reference_file(image, "flat")
    with step.get_reference_file_model(image, "flat") as flat:
        assert flat.meta.filename == Path(first).name
        assert flat.data.shape
        assert step.found_references(image)
    assert step.found_references(image) == {}
    step.references = str(tmp_path)
    with pytest.raises(ReferenceNotFoundError, match="FLAT"):
        step.get_reference_file(image, "flat")
    step.references = state["references"]
    assert step.__dict__ == state


def test_blocks_outside_of_runs_may_end_in_any_order(simulated, image):
    step = FlatFieldStep(references=str(simulated.references))
    first, second = (step.get_reference_file_model(image, "flat") for _ in range(2))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert step.found_references(image) == {}
    assert Run(step)(image).meta.cal_step.flat_field == "COMPLETE"


class Says(Step):
    def process(self, value):
        self.log.debug("a detail")
        return value


class Conversation(Pipeline):
    step_defs: ClassVar = {"first": Says, "second": Says}

    def process(self, value):
        return self.second(self.first(value))


def test_a_run_tells_its_observer_and_shows_its_log_as_asked(capsys):
    told = []
    pipeline = Conversation(steps={"second": {"skip": True}})
    run = Run(pipeline, verbose=True, observer=lambda step, event: told.append((step.name, event)))
    assert run(1) == run.result == 1
    assert told == [
        ("Conversation", "start"),
        ("first", "start"),
        ("first", "end"),
        ("second", "start"),
        ("second", "end"),
        ("Conversation", "end"),
    ]
    assert "stpipe.Conversation.first - DEBUG - a detail" in capsys.readouterr().err


def test_a_run_runs_once():
    run = Run(Recursive())
    run(0)
    with pytest.raises(RunError, match="make another"):
        run(0)


# --- attributes of a user's own


class Remembers(Step):
    def process(self, value):
        self.value = value  # it may set what it likes
        return self.value


def test_a_step_may_set_attributes_in_process_and_stays_closed_from_outside():
    step = Remembers()
    assert step.run(3) == step.value == 3
    with pytest.raises(AttributeError, match="no parameter 'valu'"):
        step.valu = 4
    thread_error = []

    class Waits(Step):
        def process(self, outside):
            thread = threading.Thread(target=outside, args=(self,))
            thread.start()
            thread.join()

    def outside(step):
        try:
            step.misspelt = 1
        except AttributeError as error:
            thread_error.append(str(error))

    Waits().run(outside)
    assert "no parameter 'misspelt'" in thread_error[0]


COLD_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from romancal_rs.pipeline import ExposurePipeline

pipeline = ExposurePipeline(references=sys.argv[2])
with ThreadPoolExecutor(8) as pool:
    images = list(pool.map(pipeline.run, [sys.argv[1]] * 8))
assert len({image.data.tobytes() for image in images}) == 1
assert all(image.meta.wcs(10, 10) for image in images)
"""


def test_threads_that_begin_before_anything_is_imported_do_not_see_half_of_a_module(simulated):
    arguments = [str(simulated.exposure), str(simulated.references)]
    command = [sys.executable, "-c", COLD_THREADS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
