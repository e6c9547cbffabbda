"""A product says what made it, and the run can be repeated from it alone."""

import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import roman_datamodels

from romancal_rs import datamodels, kernels
from romancal_rs.cli import main
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import RomanStep, provenance

THRESHOLD = 4.25


@pytest.fixture
def data(simulated, tmp_path) -> tuple[Path, Path]:
    """An exposure and references that a test may change."""
    exposure = shutil.copy(simulated.exposure, tmp_path)
    return Path(exposure), Path(shutil.copytree(simulated.references, tmp_path / "references"))


@pytest.fixture
def product(data, tmp_path, monkeypatch) -> Path:
    """A product of a run with a parameter that is not the default."""
    monkeypatch.chdir(tmp_path)
    exposure, references = data
    words = ["run", "roman_elp", str(exposure), "--references", str(references)]
    words += ["--output_dir=first", f"--steps.rampfit.rejection_threshold={THRESHOLD}"]
    assert main(words) == 0
    (path,) = Path("first").glob("*_cal.asdf")
    return path.absolute()


def last_run(path: Path) -> dict:
    with datamodels.open(path) as image:
        return image.meta.cal_runs[-1].copy()


def step_of(run: dict, name: str) -> dict:
    (step,) = (step for step in run["steps"] if step["name"] == name)
    return step


def arrays(path: Path) -> dict[str, bytes]:
    with datamodels.open(path) as image:
        return {name: np.asarray(image[name]).tobytes() for name, _ in image.arrays()}


def test_the_run_is_repeated_with_the_same_bits(product, data, capsys):
    assert main(["reproduce", str(product)]) == 0
    told = capsys.readouterr().out
    assert "nothing is missing" in told
    (command,) = (line for line in told.splitlines() if line.startswith("repeat the run by: "))
    words = command.removeprefix("repeat the run by: romancal-rs ").split()
    assert words[-2] == str(data[0])
    # Where references are looked for no longer matters.
    assert main([*words[:-1], "--output_dir=second"]) == 0
    again = Path("second") / product.name
    assert arrays(again) == arrays(product)
    assert step_of(last_run(again), "rampfit")["parameters"]["rejection_threshold"] == THRESHOLD


@pytest.mark.parametrize("how", ["open", "renamed", "in memory", "not from its start"])
def test_the_input_of_an_open_file_is_the_file_that_was_opened(data, tmp_path, how):
    exposure, references = data
    product = tmp_path / "out" / exposure.name.replace("_uncal", "_cal")
    if how == "not from its start":
        exposure.write_bytes(b"more" + exposure.read_bytes())
    with exposure.open("rb") as opened:
        file = io.BytesIO(opened.read()) if how == "in memory" else opened
        file.seek(4 if how == "not from its start" else 0)
        if how == "renamed":
            shutil.copy(exposure, tmp_path / "new")
            (tmp_path / "new").replace(exposure)
        out = str(product.parent)
        ExposurePipeline.call(file, references=str(references), output_dir=out, save_results=True)
    (entry,) = last_run(product)["inputs"]
    if how == "open":
        assert entry["path"] == str(exposure)
        assert provenance.reproduction(product).missing == []
    else:
        assert entry == {"filename": f"in memory: ScienceRawModel {exposure.name}"}


def test_what_a_product_says(product, data):
    run = last_run(product)
    assert run["class"] == "romancal_rs.pipeline.exposure_pipeline.ExposurePipeline"
    assert [step["name"] for step in run["steps"]] == list(ExposurePipeline.step_defs)
    assert run["threads"] == kernels.num_threads()
    assert set(run["seconds"]) >= {"read", "refpix", "rampfit", "ExposurePipeline"}
    assert all(seconds >= 0 for seconds in run["seconds"].values())
    assert [entry["path"] for entry in run["inputs"]] == [str(data[0])]
    used = run["references"]["rampfit"]
    assert set(used) == {"gain", "readnoise"}
    for entry in used.values():
        digest = hashlib.sha256(Path(entry["path"]).read_bytes()).hexdigest()
        assert entry["sha256"] == digest
    with datamodels.open(product) as image:
        software = image.meta.calibration_software_version
        assert list(image.meta.exposure.read_pattern[0]) == [1, 2, 3, 4]
    assert run["software"]["romancal-rs"] == software
    assert is_a_commit_of(software)


def is_a_commit_of(software: str) -> bool:
    """Whether the version names a commit of this clone; where git knows of none, whether none."""

    def git(*words: str) -> bool:
        return subprocess.run(["git", *words], cwd=root, capture_output=True).returncode == 0

    root = Path(__file__).parents[2]
    if not ((root / ".git").exists() and git("rev-parse", "HEAD")):
        return "+" not in software
    commit = software.removesuffix(".dirty").partition("+g")[2]
    return git("cat-file", "-e", f"{commit}^{{commit}}")


def test_the_mission_library_reads_it(product):
    with roman_datamodels.open(product) as theirs:
        assert theirs.validate() is None
        runs = theirs.meta["cal_runs"]
        assert runs[0]["parameters"]["save_results"] is True


def test_all_products_of_a_run_say_it(data, tmp_path):
    exposure, references = data
    ExposurePipeline.call(
        str(exposure),
        references=str(references),
        save_calibrated_ramp=True,
        output_dir=str(tmp_path / "out"),
        steps={"rampfit": {"algorithm": "ols", "save_opt": True}},
    )
    products = sorted((tmp_path / "out").iterdir())
    assert len(products) == 2
    for path in products:
        assert step_of(last_run(path), "rampfit")["parameters"]["save_opt"] is True


class Plot(RomanStep):
    """Writes files besides its result, which is its input."""

    spec = """
        picture = output_file(default=None)
        shelf = directory(default=None)
        atlas = directory(default=None, role=place)
        [table]
        file = output_file(default=None)
        n_rows = integer(default=3)
    """

    def process(self, image):
        return self.prepare(image, datamodels.ImageModel)


def test_files_that_a_step_of_ones_own_writes_are_not_written_again(product, tmp_path):
    Plot.call(
        str(product),
        output_file="plotted.asdf",
        picture="first/picture.png",
        shelf="shelf",
        atlas="atlas",
        table={"file": "first/table.txt", "n_rows": 5},
    )
    parameters = provenance.reproduction("plotted_plot.asdf").parameters["parameters"]
    assert parameters["shelf"] == str(tmp_path / "shelf")
    assert parameters["table"] == {"n_rows": 5}
    assert not {"picture", "atlas", "output_file"} & set(parameters)
    roles = last_run(Path("plotted_plot.asdf"))["roles"]
    assert roles == {
        **{"output_file": "place", "picture": "product", "atlas": "place"},
        "table": {"file": "product"},
    }


def test_runs_add_up(product, data, tmp_path):
    assert main(["run", "photom", str(product), "--references", str(data[1])]) == 0
    (photom,) = tmp_path.glob("*_photom.asdf")
    with datamodels.open(photom) as image:
        assert [run["name"] for run in image.meta.cal_runs] == ["ExposurePipeline", "PhotomStep"]
        assert image.meta.cal_runs[1].inputs[0].path == str(product)
    found = provenance.reproduction(photom)
    assert found.missing == []
    assert found.inputs == [str(product)]


def missing(product: Path, capsys) -> list[str]:
    assert main(["reproduce", str(product), "--output=pars.asdf"]) == 1
    assert Path("pars.asdf").is_file()
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix("missing: ") for line in lines if line.startswith("missing: ")]


def test_a_reference_has_changed_and_another_is_gone(product, data, capsys):
    dark = data[1] / "roman_wfi_dark_0001.asdf"
    with dark.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    gain = data[1] / "roman_wfi_gain_0001.asdf"
    gain.unlink()
    lines = missing(product, capsys)
    assert len(lines) == 2
    assert f"DARK {dark}: changed since; its sha256 was" in "".join(lines)
    assert f"GAIN {gain}: there is no such file" in lines


def test_the_input_is_gone_or_has_changed(product, data, capsys):
    moved = data[0].rename(product.parent / data[0].name)
    assert provenance.reproduction(product).inputs == [str(moved)]
    with datamodels.open(moved) as raw:
        other = raw.copy()
    other.meta.exposure.frame_time = 5.0
    moved.unlink()
    other.save(moved)
    assert missing(product, capsys) == [f"input {moved}: changed since"]
    moved.unlink()
    (line,) = missing(product, capsys)
    assert line == f"input {data[0]}: there is no such file, nor beside the product"


def test_what_was_in_memory_is_missing(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exposure, references = data
    with datamodels.open(references / "roman_wfi_gain_0001.asdf") as gain:
        other = gain.copy()
    with datamodels.open(exposure) as raw:
        ExposurePipeline.call(
            raw,
            references=str(references),
            override_gain=other,
            output_file="made.asdf",
            steps={"photom": {"post_hooks": [lambda results: None]}},
        )
    (product,) = tmp_path.glob("made*_cal.asdf")
    lines = missing(product, capsys)
    name = Path(exposure).name
    assert lines == [
        f"input in memory: ScienceRawModel {name}: no file; save it, and run on that",
        "ExposurePipeline.override_gain: in memory: GainRefModel roman_wfi_gain_0001.asdf, "
        "which the run was given",
        "photom.post_hooks: in memory: function, which the run was given",
    ]


def test_code_of_others_is_told(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exposure, references = data
    ExposurePipeline.call(
        str(exposure),
        references=str(references),
        output_file="made.asdf",
        steps={"photom": {"post_hooks": ["true {0}"]}},
    )
    (product,) = tmp_path.glob("made*_cal.asdf")
    assert main(["reproduce", str(product)]) == 0
    assert "runs other code: photom.post_hooks: true {0}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: run.pop("class"),
        lambda run: run.update(steps=3),
        lambda run: run.update(inputs=[{"path": 3}]),
        lambda run: run.update(references={"jump": {"gain": "x"}}),
        lambda run: run.update(parameters=[1]),
        lambda run: run.update(software="x"),
    ],
)
def test_a_record_that_makes_no_sense(product, damage, capsys):
    with datamodels.open(product) as image:
        other = image.copy()
    run = other.meta.cal_runs[-1].copy()
    damage(run)
    other.meta.cal_runs = [run]
    other.save("other.asdf")
    assert main(["reproduce", "other.asdf"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("romancal-rs: error: other.asdf: its record of a run")
    assert not Path("other_pars.asdf").exists()


def test_another_version_is_told(product, monkeypatch, capsys):
    monkeypatch.setattr(provenance, "software_version", lambda: "9.9")
    (line,) = missing(product, capsys)
    assert line == f"romancal-rs {last_run(product)['software']['romancal-rs']}: this is 9.9"


def test_a_file_without_a_record(data, capsys):
    assert main(["reproduce", str(data[0])]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"romancal-rs: error: {data[0]}: it holds no record of a run")


def test_the_product_is_not_overwritten(product, capsys):
    before = product.read_bytes()
    assert main(["reproduce", str(product), f"--output={product}"]) == 1
    assert "that is the product itself" in capsys.readouterr().err
    assert product.read_bytes() == before
