"""Parameters: types, limits, defaults, and errors that name what would be right."""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs.stpipe import ParameterError, Pipeline, Run, Step, UnknownParameterError
from romancal_rs.stpipe.parameters import REQUIRED, Role


class Example(Step):
    """A step with one parameter of each kind."""

    spec = """
        n = integer(1, 9, default=3)  # how many: 1 to 9, "really" # and no more
        threshold = float(default=4.0, min=0)  # sigma
        flag = boolean(default=True)
        mode = option('none', 'all', default='none')
        names = string_list(default=list())
        title = string(default=None)
        cores = cores(default='none')
    """

    def process(self, value):
        self.scratch = value  # a step's own code may keep what it likes
        return value


class Needing(Example):
    """Has a parameter without a default."""

    spec = "needed = float()  # has no default"


class Derived(Example):
    """Redeclares one parameter and adds one."""

    spec = """
        threshold = float(default=5.0)
        extra = integer(default=0)
    """


class Twice(Pipeline):
    """Two steps, one with a second name."""

    step_defs = {"first": Example, "second": Derived}
    step_aliases = {"one": "first"}

    def process(self, value):
        return self.second(self.first(value))


def test_spec_gives_defaults_and_help():
    step = Example()
    assert (step.n, step.threshold, step.flag, step.mode) == (3, 4.0, True, "none")
    assert (step.names, step.title, step.cores) == ([], None, "none")
    assert Example.parameters["threshold"].help == "sigma"
    assert Example.parameters["n"].help == 'how many: 1 to 9, "really" # and no more'
    assert Needing.parameters["needed"].default is REQUIRED
    assert step.save_results is False  # inherited from Step


def test_a_derived_class_overrides_and_adds():
    assert (Derived().threshold, Derived().extra, Derived().n) == (5.0, 0, 3)
    assert "extra" not in Example.parameters


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("n", "7", 7),
        ("n", np.int64(7), 7),
        ("threshold", "2.5", 2.5),
        ("threshold", np.float32(2.5), 2.5),
        ("flag", "no", False),
        ("flag", "TRUE", True),
        ("mode", "all", "all"),
        ("title", Path("a/b"), "a/b"),
        ("title", "None", None),
        ("cores", "2", 2),
        ("cores", "Half", "half"),
    ],
)
def test_values_are_converted(name, given, kept):
    step = Example()
    setattr(step, name, given)
    assert getattr(step, name) == kept
    assert type(getattr(step, name)) is type(kept)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("n", 10, "= 10: too big; expected a whole number from 1 to 9"),
        ("n", "many", "= 'many': expected a whole number from 1 to 9"),
        ("threshold", -1, "= -1: too small; expected a number from 0"),
        ("flag", "perhaps", "= 'perhaps': expected true or false"),
        ("mode", "some", "= 'some': expected one of none, all"),
        ("cores", 0, "= 0: too small; expected none, quarter, half, all, or a number of threads"),
        ("n", None, "needs a value: a whole number from 1 to 9"),
    ],
)
def test_forbidden_values_are_refused_and_change_nothing(name, given, told):
    step = Example(name="mine")
    before = getattr(step, name)
    with pytest.raises(ParameterError, match=rf"^mine: {name} {told}"):
        setattr(step, name, given)
    assert getattr(step, name) == before


def test_a_misspelt_parameter_names_the_nearest():
    with pytest.raises(UnknownParameterError, match="'treshold'; did you mean 'threshold'"):
        Example(treshold=3)
    step = Example()
    with pytest.raises(AttributeError, match="'save_result'; did you mean 'save_results'"):
        step.save_result = True
    with pytest.raises(AttributeError, match="did you mean 'threshold'"):
        _ = step.thresold


def test_a_parameter_without_default_must_be_set():
    with pytest.raises(ParameterError, match="needed has no default: set it"):
        _ = Needing().needed
    with pytest.raises(ParameterError, match="needed has no default: set it"):
        Needing.call(1)
    assert Needing(needed=1).run(5) == 5


def test_own_code_may_set_attributes_while_it_runs():
    step = Example()
    assert step.run(5) == 5
    assert step.scratch == 5


def test_pipeline_takes_nested_parameters():
    pipeline = Twice(steps={"first": {"n": "5"}, "second": {"extra": 2}})
    assert (pipeline.first.n, pipeline.second.extra) == (5, 2)
    assert pipeline.one is pipeline.first
    pipeline.one.n = 6
    assert pipeline.get_pars()["steps"]["first"]["n"] == 6
    assert pipeline.first.log.name == "stpipe.Twice.first"


def test_pipeline_names_the_step_that_is_meant():
    with pytest.raises(UnknownParameterError, match=r"no step 'secnd'; did you mean 'second'\?"):
        Twice(steps={"secnd": {}})
    with pytest.raises(UnknownParameterError, match="first has no parameter 'm'"):
        Twice(steps={"first": {"m": 1}})


def test_pipeline_names_the_steps_whose_parameter_it_was_given():
    with pytest.raises(UnknownParameterError) as raised:
        Twice(n=1)
    assert str(raised.value) == (
        "Twice has no parameter 'n'; a parameter of a step is given as "
        "steps={'first': {'n': ...}}, or steps={'second': {'n': ...}}"
    )


def test_reports_tell_what_each_step_did():
    run = Run(Twice(steps={"first": {"skip": True}}))
    assert run(1) == run.result == 1
    assert [(r.name, r.status) for r in run.reports] == [
        ("first", "SKIPPED"),
        ("second", "COMPLETE"),
        ("Twice", "COMPLETE"),
    ]


def test_call_makes_and_runs():
    assert Twice.call(4, steps={"second": {"n": 2}}) == 4


def test_nan_is_no_number():
    with pytest.raises(ParameterError, match="threshold = nan: NaN is no number"):
        Example(threshold=float("nan"))


def test_a_step_of_a_pipeline_cannot_be_replaced():
    pipeline = Twice()
    for name in ("first", "one"):
        with pytest.raises(ParameterError, match=f"{name} is a step; set its parameters"):
            setattr(pipeline, name, Example())


@pytest.mark.parametrize("steps", [["first"], {"first": 5}, {"first": None}])
def test_steps_must_be_dictionaries(steps):
    with pytest.raises(ParameterError, match="must be a dictionary of parameters"):
        Twice(steps=steps)


def test_a_pipeline_gives_its_steps_other_defaults(capsys):
    class Sectioned(Step):
        spec = """
            level = integer(default=0)
            needed = integer()
            [red]
            offset = float(default=0.0)
        """

    class Other(Pipeline):
        spec = """
            [steps]
            [[sub]]
            level = integer(default=3)
            needed = integer()
            [[[red]]]
            offset = float(default=5.0)
        """
        step_defs = {"sub": Sectioned}

    sub = Other().sub
    assert (sub.level, sub.red.offset) == (3, 5.0)
    assert Other(steps={"sub": {"level": 4}}).sub.level == 4
    with pytest.raises(ParameterError, match="no step 'subb'; did you mean 'sub'"):
        type("Wrong", (Other,), {"spec": "[steps]\n[[subb]]\nlevel = integer(default=1)"})


class WithRoles(Step):
    """Parameters of types that have a role, and of others with one."""

    spec = """
        table = input_file(default=None)
        report = output_file(default=None)
        threads = cores(default='none')
        quick = boolean(default=True, role=speed)  # not right, but soon
        kept_in = directory(default=None, role='place')
        shelf = directory(default=None)
        n = integer(default=1)
        suffix = string(default='mine')
        must = float(role=saving)
        [plot]
        file = output_file(default=None)
    """
    reference_file_types = ["flat"]


def test_a_parameter_has_the_role_of_its_type_or_the_one_that_its_spec_says():
    roles = {name: parameter.role for name, parameter in WithRoles.parameters.items()}
    assert roles["table"] is Role.INPUT
    assert roles["report"] is Role.PRODUCT
    assert roles["threads"] is roles["quick"] is Role.SPEED
    assert roles["kept_in"] is roles["output_dir"] is roles["output_file"] is Role.PLACE
    assert roles["shelf"] is roles["n"] is roles["skip"] is Role.VALUE
    assert roles["must"] is roles["save_results"] is Role.SAVING
    assert roles["override_flat"] is Role.REFERENCE
    assert roles["pre_hooks"] is roles["post_hooks"] is Role.HOOKS
    assert WithRoles.parameters.sections["plot"]["file"].role is Role.PRODUCT


def test_a_parameter_that_is_declared_again_keeps_its_role():
    assert WithRoles.parameters["suffix"].default == "mine"
    assert WithRoles.parameters["suffix"].role is Step.parameters["suffix"].role is Role.SAVING


def test_a_role_changes_nothing_about_the_values():
    assert WithRoles.parameters["quick"].check == "boolean(default=True)"
    assert WithRoles.parameters["quick"].help == "not right, but soon"
    assert WithRoles.parameters["must"].check == "float()"
    assert WithRoles.parameters["must"].default is REQUIRED
    assert WithRoles(quick="no").quick is False
    with pytest.raises(ParameterError, match=r"quick = 'maybe': expected true or false$"):
        WithRoles(quick="maybe")


def test_a_role_that_is_none_is_told():
    with pytest.raises(ParameterError, match="role=sped; did you mean 'speed'"):
        type("Wrong", (Step,), {"spec": "quick = boolean(default=True, role=sped)"})
