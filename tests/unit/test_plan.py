"""Where walls stand between the steps on a ramp, for hand-made steps; nothing is run."""

import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.dq_init import DQInitStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.plan import Segment, plan
from romancal_rs.ramp_fitting import RampFitStep
from romancal_rs.stpipe import FitStep, RampStep, RomanStep

SHAPE = (6, 16, 16)


class Correct(RampStep):
    """A step that is one kernel, which no test asks for."""


class Idle(Correct):
    def idle(self, exposure):
        return "there is nothing to do"


class Retold(Correct):
    """Does the usual, in its own way."""

    def process(self, input):
        return super().process(input)


class Fit(FitStep):
    spec = """
        wants_more = boolean(default=False)  # What needs the ramp
    """

    def needs_ramp(self, exposure):
        return "wants_more" if self.wants_more else ""

    def fit(self, exposure, references):
        raise AssertionError


class IdleFit(Fit):
    def idle(self, exposure):
        return "there is nothing to do"


class Look(RomanStep):
    """A step on ramps that is no kernel."""

    def process(self, input):
        return input


def hook(*models):
    """Only looks."""


def steps(*others, **parameters):
    """dq_init, a, b, c and fit, with parameters of some, or others in their place."""
    made = {
        "dq_init": DQInitStep,
        "a": Correct,
        "b": Correct,
        "c": Correct,
        "fit": Fit,
    } | dict(others)
    return [step(name, **parameters.get(name, {})) for name, step in made.items()]


@pytest.fixture(scope="module")
def raw():
    return datamodels.ScienceRawModel(testing.create_wfi_science_raw(SHAPE))


def told(segments):
    """Each segment: the names of its steps, and why the ramp is seen before."""
    return [(" ".join(step.name for step in part.steps), part.wall) for part in segments]


def test_nobody_looks_so_all_steps_are_taken_together(raw):
    assert told(plan(steps(), raw)) == [("dq_init a b c fit", "")]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (
            {"b": {"pre_hooks": [hook]}},  # who knows what a hook gives to the step
            [
                ("dq_init a", ""),
                ("b", "b.pre_hooks is set"),
                ("c fit", "b.pre_hooks is set"),
            ],
        ),
        (
            {"b": {"post_hooks": [hook]}},
            [("dq_init a b", ""), ("c fit", "b.post_hooks is set")],
        ),
        (
            {"b": {"pre_hooks": [hook], "post_hooks": [hook]}},
            [
                ("dq_init a", ""),
                ("b", "b.pre_hooks is set"),
                ("c fit", "b.pre_hooks is set"),
            ],
        ),
        (
            {"a": {"save_results": True}},
            [("dq_init a", ""), ("b c fit", "a.save_results is set")],
        ),
        (
            {"a": {"output_file": "a.asdf"}},
            [("dq_init a", ""), ("b c fit", "a.output_file is set")],
        ),
        (
            {"dq_init": {"save_results": True}},
            [("dq_init", ""), ("a b c fit", "dq_init.save_results is set")],
        ),
        (
            {"dq_init": {"pre_hooks": [hook]}},
            [("dq_init", ""), ("a b c fit", "dq_init.pre_hooks is set")],
        ),
        (
            {"fit": {"pre_hooks": [hook]}},
            [("dq_init a b c", ""), ("fit", "fit.pre_hooks is set")],
        ),
        (
            {"fit": {"wants_more": True}},
            [("dq_init a b c", ""), ("fit", "fit.wants_more is set")],
        ),
    ],
)
def test_a_wall_stands_where_someone_looks(raw, parameters, expected):
    assert told(plan(steps(**parameters), raw)) == expected


@pytest.mark.parametrize(
    "parameters",
    [
        {"fit": {"post_hooks": [hook]}},  # it sees the image
        {"fit": {"save_results": True}},
        {"a": {"output_dir": "products"}},
    ],
)
def test_no_wall_stands_where_nobody_sees_the_ramp(raw, parameters):
    assert told(plan(steps(**parameters), raw)) == [("dq_init a b c fit", "")]


@pytest.mark.parametrize("name", ["dq_init", "a", "b", "c", "fit"])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"pre_hooks": [hook], "post_hooks": [hook]}, {"save_results": True}],
)
def test_a_skipped_step_stays_in_its_segment_and_nobody_looks_there(raw, name, parameters):
    found = plan(steps(**{name: {"skip": True, **parameters}}), raw)
    assert told(found) == [("dq_init a b c fit", "")]


def test_one_looks_through_skipped_steps_at_the_last_that_runs(raw):
    found = plan(steps(a={"save_results": True}, b={"skip": True}), raw)
    assert told(found) == [("dq_init a b", ""), ("c fit", "a.save_results is set")]


@pytest.mark.parametrize(
    ("other", "why"),
    [(("b", Retold), "b is a Retold"), (("b", Look), "b is a Look")],
)
def test_a_step_with_a_process_of_its_own_has_walls_on_both_sides(raw, other, why):
    found = plan(steps(other), raw)
    assert told(found) == [("dq_init a", ""), ("b", why), ("c fit", why)]


def test_a_subclass_with_another_kernel_is_taken_together(raw):
    class Other(Correct):
        def kernel(self, exposure, references):
            raise AssertionError

    assert told(plan(steps(("b", Other)), raw)) == [("dq_init a b c fit", "")]


def test_a_fit_with_a_process_of_its_own_sees_the_ramp(raw):
    class Retried(Fit):
        def process(self, input):
            return super().process(input)

    assert told(plan(steps(("fit", Retried)), raw))[-1] == ("fit", "fit is a Retried")
    assert len(plan(steps(("fit", RampFitStep)), raw)) == 1


@pytest.mark.parametrize("method", ["prepare", "finalize_result", "before_process"])
def test_a_step_with_another_method_of_its_own_is_alone(raw, method):
    Own = type("Own", (Correct,), {method: lambda self, *args: None})
    assert told(plan(steps(("b", Own)), raw)) == [
        ("dq_init a", ""),
        ("b", "b is a Own"),
        ("c fit", "b is a Own"),
    ]


def test_a_step_whose_object_has_a_method_of_its_own_is_alone(raw):
    made = steps()
    made[2].__dict__["process"] = lambda input: input
    assert told(plan(made, raw))[1] == ("b", "b is a Correct")


def test_a_dq_init_whose_process_is_newer_than_its_flags_runs_alone(raw):
    class Other(DQInitStep):
        def process(self, input):
            return super().process(input)

    found = plan(steps(("dq_init", Other)), raw)
    assert told(found) == [("dq_init", ""), ("a b c fit", "dq_init is a Other")]


def test_dq_init_is_taken_together_with_others_for_raw_exposures_alone():
    ramp = datamodels.RampModel(testing.create_ramp(SHAPE))
    found = plan(steps(), ramp)
    assert told(found) == [("dq_init", ""), ("a b c fit", "the input is a RampModel")]
    found = plan(steps(dq_init={"skip": True}), ramp)  # it makes the ramp nevertheless
    assert told(found) == [("dq_init", ""), ("a b c fit", "the input is a RampModel")]
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(SHAPE))
    raw.meta.exposure.type = next(iter(datamodels.GUIDE_STAR_TYPES))
    assert told(plan(steps(), raw))[1] == (
        "a b c fit",
        f"{raw.meta.exposure.type} exposures have flags of their own",
    )


def test_step_by_step_is_the_plan_with_all_walls(raw):
    found = plan(steps(b={"skip": True}), raw, everywhere="fused = False")
    assert told(found) == [
        ("dq_init", ""),
        *((name, "fused = False") for name in ("a", "b", "c", "fit")),
    ]


def test_the_ramp_may_be_wanted_before_the_fit(raw):
    found = plan(steps(), raw, before_fit="it is saved")
    assert told(found) == [("dq_init a b c", ""), ("fit", "it is saved")]
    found = plan(steps(fit={"skip": True}), raw, before_fit="it is saved")
    assert told(found) == [("dq_init a b c", ""), ("fit", "it is saved")]


def test_the_pipeline_looks_after_a_step_unless_its_segment_reaches_the_fit(raw):
    def after_a(made, **parameters):
        return told(plan(made, raw, after=(made[1], "it may be saturated"), **parameters))

    assert after_a(steps()) == [("dq_init a b c fit", "")]
    without_fit = [("dq_init a", ""), ("b c fit", "it may be saturated")]
    assert after_a(steps(fit={"skip": True})) == without_fit
    assert after_a(steps(("fit", IdleFit))) == without_fit
    assert after_a(steps(), before_fit="it is saved") == [
        ("dq_init a", ""),
        ("b c", "it may be saturated"),
        ("fit", "it is saved"),
    ]
    # There is a wall already.
    assert after_a(steps(a={"save_results": True})) == [
        ("dq_init a", ""),
        ("b c fit", "a.save_results is set"),
    ]


def test_a_step_that_finds_nothing_to_do_is_taken_together_with_others(raw):
    assert told(plan(steps(("b", Idle)), raw)) == [("dq_init a b c fit", "")]


def test_a_segment_reaches_the_fit_if_the_fit_works(raw):
    def reaches(*parts, **parameters):
        return Segment(tuple(steps(*parts, **parameters))).reaches_fit(raw)

    assert reaches()
    assert not reaches(fit={"skip": True})
    assert not reaches(("fit", IdleFit))
    assert not reaches(("fit", Correct))


def test_the_steps_of_the_pipeline_are_taken_together(raw):
    pipeline = ExposurePipeline()
    names = list(ExposurePipeline.step_defs)
    on_ramps = [pipeline.step(name) for name in names[: names.index("rampfit") + 1]]
    assert told(plan(on_ramps, raw)) == [(" ".join(step.name for step in on_ramps), "")]
