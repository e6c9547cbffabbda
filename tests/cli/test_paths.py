"""Paths as users write them: ``~`` and variables are expanded, URLs are refused."""

import os
import shutil
from pathlib import Path

import pytest

from romancal_rs import datamodels
from romancal_rs.cli import main
from romancal_rs.datamodels import testing
from romancal_rs.dq_init import DQInitStep
from romancal_rs.errors import InputError, RomancalError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, Step

URL = "s3://bucket/directory/x.asdf"


@pytest.fixture
def home(tmp_path, monkeypatch, simulated) -> Path:
    """A home directory, with ``$DATA`` in it, and an empty current directory elsewhere."""
    here, place = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    (place / "data").mkdir(parents=True)
    shutil.copy(simulated.exposure, place / "x_uncal.asdf")
    (place / "refs").symlink_to(simulated.references)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("USERPROFILE", str(place))
    monkeypatch.setenv("DATA", str(place / "data"))
    yield place
    assert list(here.iterdir()) == []  # no directory called ~ or $DATA


def test_tilde_and_variables_on_the_command_line(home):
    (flat,) = (home / "refs").glob("*_flat_*.asdf")
    (home / "log.cfg").write_text("[*]\nlevel = INFO\nhandler = file:$DATA/run.log\n")
    words = ["run", "roman_elp", "~/x_uncal.asdf", "--references=~/refs", "--output_dir=$DATA/out"]
    words += ["--checkpoint=${DATA}/checkpoint", "--save-parameters=~/pars.asdf"]
    words += [f"--steps.flatfield.override_flat=~/refs/{flat.name}", "--logcfg=~/log.cfg"]
    words += ["--steps.dark_current.dark_output=~/dark.asdf", "--steps.photom.photom=$DATA/p.asdf"]
    words += ["--steps.rampfit.algorithm=ols", "--steps.rampfit.save_opt=true"]
    words += ["--steps.rampfit.opt_name=$DATA/opt.asdf"]
    assert main(words) == 0
    assert sorted(path.name for path in home.iterdir()) == [
        *("dark.asdf", "data", "log.cfg", "pars.asdf", "refs", "x_uncal.asdf")
    ]
    assert sorted(path.name for path in (home / "data").iterdir()) == [
        *("checkpoint", "opt.asdf", "out", "p.asdf", "run.log")
    ]
    written = sorted(path.name for path in (home / "data" / "out").iterdir())
    assert written == ["x_cal.asdf", "x_wcs.asdf"]


def test_tilde_and_variables_in_parameter_files(home):
    (home / "pars.cfg").write_text(
        "class = romancal_rs.dq_init.DQInitStep\noutput_dir = $DATA/out\nreferences = ~/refs\n"
        "input_dir = ~\n"
    )
    assert main(["run", "~/pars.cfg", "x_uncal.asdf"]) == 0
    assert [path.name for path in (home / "data" / "out").iterdir()] == ["x_dqinit.asdf"]


def test_a_step_file_named_with_a_tilde(home):
    (home / "step.cfg").write_text("class = romancal_rs.dq_init.DQInitStep\noutput_dir = $DATA\n")
    (home / "data" / "pars.cfg").write_text(
        "class = romancal_rs.pipeline.ExposurePipeline\n[steps]\n[[dq_init]]\n"
        "config_file = ~/step.cfg\n"
    )
    path = home / "exported.asdf"
    words = ["run", "$DATA/pars.cfg", "~/x_uncal.asdf", "--references=~/refs", "--skip=true"]
    assert main([*words, f"--save-parameters={path}"]) == 0
    assert f"output_dir: {home / 'data'}" in path.read_text(encoding="latin-1")


def test_tilde_and_variables_from_python(home):
    result = DQInitStep.call(
        "~/x_uncal.asdf", references=Path("~/refs"), output_file="$DATA/mine.asdf"
    )
    assert result.meta.cal_step.dq_init == "COMPLETE"
    assert [path.name for path in (home / "data").iterdir()] == ["mine_dqinit.asdf"]
    step = DQInitStep(output_dir="~/out", override_mask="N/A")
    assert (step.output_dir, step.override_mask) == (str(home / "out"), "N/A")
    step.export_config("~/exported.asdf")
    assert (home / "exported.asdf").is_file()


def test_tilde_and_variables_of_the_other_commands(home, capsys, monkeypatch):
    assert main(["simulate", "$DATA/sim", "--size", "16", "--resultants", "3"]) == 0
    (exposure,) = (home / "data" / "sim").glob("*_uncal.asdf")
    assert main(["info", f"~/data/sim/{exposure.name}"]) == 0
    assert main(["references", "find", "~/x_uncal.asdf", "--references=~/refs"]) == 0
    assert main(["references", "check", "~/refs"]) == 0
    assert main(["references", "export", "~/x_uncal.asdf", "--references=~/refs", "--to=~/to"]) == 0
    assert main(["references", "build-cache", "~/data/sim/references", "--to=$DATA/cache"]) == 0
    monkeypatch.setenv("ROMANCAL_RS_REFERENCES", "~/refs")
    assert main(["references", "list"]) == 0
    assert main(["run", "dq_init", "~/x_uncal.asdf", "--output_dir=~"]) == 0
    assert main(["reproduce", "~/x_dqinit.asdf", "--output=$DATA/again.asdf"]) == 0
    assert (home / "data" / "again.asdf").is_file()
    assert (home / "to").is_dir()
    assert (home / "data" / "cache").is_dir()


def test_a_variable_that_is_not_set_stays_as_it_is():
    assert Step(output_dir="$NOT_SET_ANYWHERE/x").output_dir == "$NOT_SET_ANYWHERE/x"


@pytest.mark.parametrize(
    "words",
    [
        ["run", "dq_init", URL],
        ["run", URL, "x.asdf"],
        ["run", "roman_elp", "x.asdf", f"--output_dir={URL}"],
        ["run", "roman_elp", "x.asdf", f"--output_file={URL}"],
        ["run", "roman_elp", "x.asdf", f"--references={URL}"],
        ["run", "roman_elp", "x.asdf", f"--override_dark={URL}"],
        ["run", "roman_elp", "x.asdf", f"--steps.jump.override_gain={URL}"],
        ["run", "roman_elp", "x.asdf", f"--checkpoint={URL}"],
        ["run", "roman_elp", "x.asdf", f"--save-parameters={URL}"],
        ["run", "roman_elp", "x.asdf", f"--logcfg={URL}"],
        ["simulate", URL],
        ["demo", f"--output-dir={URL}"],
        ["info", URL],
        ["reproduce", URL],
        ["reproduce", "x.asdf", f"--output={URL}"],
        ["references", "find", URL],
        ["references", "list", f"--references={URL}"],
        ["references", "check", URL],
        ["references", "export", "x.asdf", f"--to={URL}"],
        ["references", "build-cache", URL, "--to=there"],
    ],
)
def test_a_url_on_the_command_line_is_no_local_folder(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"{URL}: a URL; only local paths are supported" in message
    assert list(tmp_path.iterdir()) == []


def test_a_url_in_a_parameter_file(tmp_path, simulated, capsys):
    pars = tmp_path / "pars.cfg"
    pars.write_text(f"class = romancal_rs.dq_init.DQInitStep\noutput_dir = {URL}\n")
    with pytest.raises(SystemExit):
        main(["run", str(pars), str(simulated.exposure)])
    message = capsys.readouterr().err
    assert f"output_dir = '{URL}' ({pars}, line 2): {URL}: a URL" in message


@pytest.mark.parametrize("url", [URL, Path(URL), "https://host/x.asdf", "file:///tmp/x.asdf"])
def test_a_url_from_python(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="a URL; only local paths"):
        ExposurePipeline(output_dir=url)
    with pytest.raises(InputError, match="a URL; only local paths"):
        ExposurePipeline.call(url)
    with pytest.raises(InputError, match="a URL; only local paths"):
        datamodels.open(url)
    with pytest.raises(InputError, match="a URL; only local paths"):
        datamodels.ImageModel(testing.create_wfi_image((8, 8))).save(url)
    with pytest.raises(InputError, match="a URL; only local paths"):
        DQInitStep().export_config(url)
    with pytest.raises(RomancalError, match="a URL; only local paths"):
        DQInitStep.call("x.asdf", config_file=url)
    assert list(tmp_path.iterdir()) == []


def test_a_url_in_the_environment(monkeypatch, simulated):
    monkeypatch.setenv("ROMANCAL_RS_REFERENCES", URL)
    with pytest.raises(InputError, match="a URL; only local paths"):
        DQInitStep.call(simulated.exposure)


CRDS_VARIABLES = ("CRDS_PATH", "CRDS_PATH_SINGLE", "CRDS_MAPPATH", "CRDS_MAPPATH_SINGLE")


@pytest.mark.parametrize("variable", ["ROMANCAL_RS_CACHE", *CRDS_VARIABLES])
def test_a_url_of_a_cache_in_the_environment_makes_no_folder(
    variable, tmp_path, monkeypatch, simulated
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "s3://bucket/cache")
    with pytest.raises(InputError, match=f"^{variable} = s3://bucket/cache: a URL; only local"):
        DQInitStep.call(simulated.exposure, references=str(simulated.references))
    assert list(tmp_path.iterdir()) == []


def test_tilde_and_variables_in_the_environment(home, monkeypatch):
    assert main(["references", "build-cache", "~/refs", "--to=~/crds"]) == 0
    monkeypatch.setenv("CRDS_PATH", "$DATA/../crds")
    monkeypatch.setenv("ROMANCAL_RS_CACHE", "~/cache")
    assert main(["run", "dq_init", "~/x_uncal.asdf", "--output_dir=~"]) == 0
    monkeypatch.delenv("CRDS_PATH")
    shutil.copytree(home / "refs", home / "data" / "refs")
    monkeypatch.setenv("ROMANCAL_RS_REFERENCES", "$DATA/refs")
    assert main(["run", "dq_init", "~/x_uncal.asdf", "--output_dir=~"]) == 0
    assert list((home / "cache").iterdir()) != []


def test_a_name_of_a_crds_cache_is_told_from_a_url():
    with pytest.raises(ParameterError, match="a file in a CRDS cache, not a path; give the path"):
        DQInitStep(override_mask="crds://roman_wfi_mask_0001.asdf")


@pytest.mark.parametrize("path", ["C:/data/out", r"C:\data", "run:1/x", "./s3:/x", "a://b"])
def test_paths_with_a_colon_that_are_no_urls(path):
    assert Step(output_dir=path).output_dir == os.fspath(path)


@pytest.mark.parametrize("path", ["~/x.asdf", "$PLACE/x.asdf", Path("~/x.asdf")])
def test_models_are_opened_and_saved_where_the_user_means(path, tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE", "PLACE"):
        monkeypatch.setenv(name, str(tmp_path))
    model = datamodels.MaskRefModel(testing.create_mask((16, 16)))
    assert model.save(path) == tmp_path / "x.asdf"
    with datamodels.open(path) as again, datamodels.MaskRefModel(path) as typed:
        assert again.source == typed.source == str(tmp_path / "x.asdf")


def test_a_directory_whose_name_looks_like_a_variable_is_that_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", str(tmp_path / "elsewhere"))
    directory = tmp_path / "a $PLACE"
    directory.mkdir()
    path = datamodels.MaskRefModel(testing.create_mask((16, 16))).save(directory / "x.asdf")
    assert path == directory / "x.asdf"
    with datamodels.open(path) as again:
        assert again.source == str(path)


def test_a_url_is_told_as_it_was_given():
    model = datamodels.MaskRefModel(testing.create_mask((16, 16)))
    for use in (datamodels.open, datamodels.MaskRefModel, model.save):
        with pytest.raises(InputError, match=f"^{URL}: a URL"):
            use(URL)
