"""Names of output files: the manual's sections 6.2 and 7.2."""

from pathlib import Path

import pytest

from romancal_rs.stpipe import Step
from romancal_rs.stpipe.output import output_path, remove_suffix
from romancal_rs.stpipe.registry import suffixes

ROOT = "r0000101001001001001_01101_0001_WFI01"


#: Those of the manual's time, which files may still have.
OF_2022 = (
    "dqinit",
    "darkcurrent",
    "ramp_fit",
    "fitopt",
    "assignwcs",
    "flatfield",
    "photom",
    "uncal",
)


@pytest.mark.parametrize("suffix", sorted({*suffixes(), *OF_2022, "cal", "ramp"}))
def test_known_suffixes_are_replaced(suffix):
    assert remove_suffix(f"{ROOT}_{suffix}") == ROOT
    assert output_path(f"some/{ROOT}_{suffix}.asdf", "cal", ".asdf", None) == Path(
        f"{ROOT}_cal.asdf"
    )


def test_unknown_suffixes_are_kept():
    assert output_path("field_7.asdf", "cal", ".asdf", "out") == Path("out/field_7_cal.asdf")
    assert remove_suffix("cal") == "cal"


class Model:
    """Just enough of a data model to be saved."""

    def __init__(self, filename=None):
        self.meta = {"filename": filename}

    def save(self, path):
        Path(path).write_text("saved")


class Smooth(Step):
    """Returns as many results as it is told to."""

    spec = "n = integer(default=1)"

    def process(self, input):
        results = [Model("from_model_uncal.asdf") for _ in range(self.n)]
        return results[0] if self.n == 1 else results


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(**parameters):
    step = Smooth(**parameters)
    step.run(f"data/{ROOT}_uncal.asdf")
    return [str(path) for path in step.saved_files]


def test_nothing_is_saved_unless_asked():
    assert run() == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"save_results": True}, f"{ROOT}_smooth.asdf"),
        ({"save_results": True, "suffix": "soft"}, f"{ROOT}_soft.asdf"),
        ({"save_results": True, "output_dir": "new/dir"}, f"new/dir/{ROOT}_smooth.asdf"),
        ({"output_file": "mine_cal.asdf"}, "mine_smooth.asdf"),
        ({"output_file": "there/mine.asdf"}, "there/mine_smooth.asdf"),
        ({"output_file": "there/mine.asdf", "output_dir": "here"}, "here/mine_smooth.asdf"),
        ({"save_results": True, "output_use_model": True}, "from_model_smooth.asdf"),
        ({"output_file": "run1.5"}, "run1.5_smooth.asdf"),
    ],
)
def test_where_the_result_goes(parameters, name):
    assert run(**parameters) == [name]
    assert Path(name).read_text() == "saved"


def test_several_results_are_numbered():
    assert run(save_results=True, n=2) == [f"{ROOT}_smooth_0.asdf", f"{ROOT}_smooth_1.asdf"]


def test_a_skipped_step_saves_nothing():
    assert run(save_results=True, skip=True) == []
