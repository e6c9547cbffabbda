"""Names of output files: the manual's sections 6.2 and 7.2."""

import gzip
import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from romancal_rs.stpipe import Pipeline, Run, Step
from romancal_rs.stpipe.output import name_of_open, output_path, remove_suffix
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

    def process(self, input, *others):
        results = [Model("from_model_uncal.asdf") for _ in range(self.n)]
        return results[0] if self.n == 1 else results


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(**parameters):
    run = Run(Smooth(**parameters))
    run(f"data/{ROOT}_uncal.asdf")
    return [str(path) for path in run.saved_files]


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


def opened(**names):
    return SimpleNamespace(read=lambda size=-1: b"", **names)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"name": "data/x_uncal.asdf"}, "x_uncal.asdf"),
        ({"name": "x_uncal.asdf.gz"}, "x_uncal.asdf"),
        ({"name": "x_uncal.asdf.bz2"}, "x_uncal.asdf"),
        ({"path": "bucket/x_uncal.asdf"}, "x_uncal.asdf"),
        ({"path": "https://host/x_uncal.asdf?token=a/b"}, "x_uncal.asdf"),
        ({"name": "/tmp/" + "0a" * 32, "original": "bucket/x_uncal.asdf"}, "x_uncal.asdf"),
        ({"name": "/tmp/" + "0a" * 32}, None),
        ({"name": ""}, None),
        ({"name": "?"}, None),
        ({"name": "a\0b"}, None),
        ({"name": 5}, None),
        ({}, None),
    ],
)
def test_an_open_file_is_named_by_what_was_opened(names, expected):
    assert name_of_open(opened(**names)) == expected


def test_what_gzip_unpacks_is_named_without_its_ending(tmp_path):
    path = tmp_path / "x_uncal.asdf.gz"
    path.write_bytes(gzip.compress(b""))
    with gzip.open(path) as file:
        assert name_of_open(file) == "x_uncal.asdf"
    with gzip.open(io.BytesIO(path.read_bytes())) as file:
        assert name_of_open(file) is None


@pytest.mark.parametrize("first", [f"{ROOT}_uncal.asdf", opened(name=f"{ROOT}_uncal.asdf")])
def test_only_the_first_argument_names_the_product(first):
    run = Run(Smooth(save_results=True))
    run(first, opened(name="flat.asdf"))
    assert [path.name for path in run.saved_files] == [f"{ROOT}_smooth.asdf"]


@pytest.mark.parametrize("name", ["?", "", None, "a\0b"])
def test_an_unknown_name_in_the_metadata_is_no_name(name):
    class Unknown(Smooth):
        def process(self, input):
            return Model(name)

    step = Unknown(save_results=True, output_use_model=True)
    for input, expected in [
        (f"{ROOT}_uncal.asdf", f"{ROOT}_unknown.asdf"),
        (opened(), "Unknown_unknown.asdf"),
        (f"{ROOT}_uncal.asdf", f"{ROOT}_unknown.asdf"),
    ]:
        run = Run(step)
        run(input)
        assert [path.name for path in run.saved_files] == [expected]


class Twice(Pipeline):
    """Runs its step on a path, then on something without a name."""

    step_defs = {"smooth": Smooth}

    def process(self, input):
        self.smooth("other_uncal.asdf")
        return self.smooth(opened())


def test_a_step_of_a_pipeline_forgets_the_name_of_its_last_input():
    run = Run(Twice(steps={"smooth": {"save_results": True}}))
    run(f"{ROOT}_uncal.asdf")
    saved = [path.name for path in run.saved_files]
    assert saved == ["other_smooth.asdf", f"{ROOT}_smooth.asdf"]


def test_a_skipped_step_saves_nothing():
    assert run(save_results=True, skip=True) == []


class WithMask(Smooth):
    """Has a further product for each result."""

    def products_beside(self, result):
        yield "mask", Model(result.meta["filename"])


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, []),
        ({"output_file": "mine.asdf"}, ["mine_withmask.asdf", "mine_mask.asdf"]),
        (
            {"output_file": "mine.asdf", "n": 2},
            [f"mine_{name}_{i}.asdf" for i in (0, 1) for name in ("withmask", "mask")],
        ),
        ({"output_file": "mine.asdf", "suffix": "own"}, ["mine_own.asdf", "mine_mask.asdf"]),
    ],
)
def test_what_is_saved_beside_a_result_is_named_as_that(parameters, names):
    run = Run(WithMask(**parameters))
    run("data/x_uncal.asdf")
    assert [path.name for path in run.saved_files] == names
