"""`calibrate_all` as one calls it from a notebook: what it takes, refuses and shows."""

from __future__ import annotations

import pytest
from batch.many import Many

from romancal_rs.batch import calibrate_all
from romancal_rs.batch.outcome import Kind, Outcome, kind_of_error
from romancal_rs.batch.table import write_table
from romancal_rs.errors import ArgumentError, InputError, NoScienceDataError
from romancal_rs.stpipe import HookError, Step


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Many:
    """Two detectors with two exposures each."""
    made = Many.make(tmp_path_factory.mktemp("many"), detectors=2)
    made.fill(2)
    return made


def call(many: Many, tmp_path, **options):
    return calibrate_all(many.raw, to=tmp_path / "out", references=many.references, **options)


@pytest.mark.parametrize("detectors", ["WFI02", ["wfi02"], [2], 2])
def test_one_detector_need_not_be_in_a_list(many, tmp_path, detectors):
    """A name alone was taken for its letters, and chose nothing; a number was an AttributeError."""
    batch = call(many, tmp_path, detectors=detectors)
    assert {exposure.detector for exposure in batch.exposures} == {"WFI02"}


def test_a_choice_of_no_exposure_is_an_error_that_tells_what_there_is(many, tmp_path):
    """It was a plan of nothing, and a success."""
    with pytest.raises(InputError) as caught:
        call(many, tmp_path, detectors=["WFI09"])
    assert str(caught.value).startswith(
        "no exposure of 4 is among those asked for: detectors there: WFI01, WFI02; "
        "optical elements: F158; they start from 20"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"engine": "dsk"}, "engine = 'dsk': expected processes, serial, dask, or a Client"),
        ({"scheduler": "x.json"}, "scheduler = 'x.json': that is for engine dask"),
        ({"rerun": "always"}, "rerun = 'always': expected one of changed, failed, all, never"),
        ({"memory_limit": "4GB"}, "memory_limit = '4GB': expected a whole number from 1"),
        ({"workers": 0}, "workers = 0: expected a whole number from 1"),
        ({"timeout": 0}, "timeout = 0: expected seconds, more than 0"),
        ({"ignore": "sofware"}, "ignore: 'sofware' is none of input, parameters"),
    ],
)
def test_wrong_options_are_told_before_anything_is_planned(many, tmp_path, option, told):
    """They were told when the batch was iterated, or never."""
    with pytest.raises(ArgumentError, match=told):
        call(many, tmp_path, **option)
    assert not (tmp_path / "out").exists()


def test_batches_and_outcomes_show_in_a_line_what_they_are(many, tmp_path):
    """A cell of a notebook that ended with one showed the whole plan."""
    batch = call(many, tmp_path, detectors=1)
    assert repr(batch) == f"<Batch of 2 exposures to {tmp_path}/out>"
    assert repr(batch.remaining) == "<Remaining: 0 current, 2 new>"
    batch.remaining.problems.append(batch.remaining.todo.pop())
    assert repr(batch.remaining).endswith("new, 1 cannot be calibrated>")
    outcome = Outcome("/raw/a_uncal.asdf", Kind.BAD_INPUT, "cut off")
    assert repr([outcome]) == "[<Outcome bad_input of /raw/a_uncal.asdf: cut off>]"


def test_a_table_may_be_named_by_text(tmp_path):
    """Only a Path would do."""
    assert write_table([], str(tmp_path / "outcomes.csv")) == tmp_path / "outcomes.csv"


@pytest.mark.parametrize("options", [{}, {"state": "file"}])
def test_a_file_in_the_place_of_a_directory_is_told(many, tmp_path, options):
    """It was told that the file exists."""
    for name in ("out", "file"):
        (tmp_path / name).touch()
    given = {name: tmp_path / value for name, value in options.items()}
    with pytest.raises(InputError, match="a file is there; name a directory"):
        call(many, tmp_path, **given)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (InputError("too many bad pixels"), Kind.BAD_INPUT),
        (NoScienceDataError("dark"), Kind.NO_DATA),
        (ValueError("a mistake in the hook"), Kind.FAILED),
    ],
)
def test_a_hook_says_by_its_error_what_is_wrong(raised, kind):
    """A check of the user's own that refused an exposure counted as what nobody foresaw."""

    class Nothing(Step):
        def process(self, name):
            return name

    def check(results):
        raise raised

    step = Nothing()
    step.post_hooks = [check]
    with pytest.raises(HookError) as failure:
        step.run("x")
    assert kind_of_error(failure.value) is kind
