"""The command line as a user types it: targets, parameters, summary, info, help."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.cli import main
from romancal_rs.datamodels import testing
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import in_recipe
from romancal_rs.stpipe import ParameterError, Step


@pytest.fixture
def run(simulated, tmp_path, monkeypatch, capsys):
    """Runs ``romancal-rs run`` in an empty directory; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        assert main(["run", *map(str, words), f"--references={simulated.references}"]) == 0
        return capsys.readouterr()

    return run


def product(tmp_path, suffix):
    (path,) = tmp_path.glob(f"*_{suffix}.asdf")
    return path


@pytest.mark.parametrize(
    "target",
    ["roman_elp", "exposure_pipeline", "romancal.pipeline.ExposurePipeline"],
)
def test_a_pipeline_by_its_names(run, simulated, tmp_path, target):
    run(target, simulated.exposure, "--steps.assign_wcs.skip=yes")
    with datamodels.open(product(tmp_path, "cal")) as image:
        assert image.meta.cal_step.photom == "COMPLETE"
        assert image.meta.cal_step.assign_wcs == "SKIPPED"


def test_steps_one_by_one_replace_the_suffix(run, simulated, tmp_path):
    source = simulated.exposure
    for name in in_recipe(ExposurePipeline, "flight"):
        run(name, source)
        suffix = ExposurePipeline.step_defs[name].in_recipe("flight", "default_suffix")
        source = product(tmp_path, suffix)
    assert source.name == simulated.exposure.name.replace("_uncal", "_flat")
    run("roman_elp", simulated.exposure)
    with datamodels.open(source) as by_hand, datamodels.open(product(tmp_path, "cal")) as image:
        # Files hold half precision in between, so only what is stored exactly must be equal.
        assert (by_hand.dq == image.dq).all()
        assert (by_hand.data == image.data).all()
        assert len(by_hand.meta.cal_logs) >= 9 * 3


def test_options_may_come_first_and_values_apart(run, simulated, tmp_path):
    run("--output_dir", "out", "-v", "jump", simulated.exposure, "--skip", "TRUE")
    assert not (tmp_path / "out").exists()  # a skipped step saves nothing


def test_nothing_is_saved_where_the_user_says_so(run, simulated, tmp_path):
    run("dq_init", simulated.exposure, "--save_results=false")
    assert list(tmp_path.iterdir()) == []


def test_a_parameter_file_is_a_target(run, simulated, tmp_path):
    pipeline = ExposurePipeline(save_calibrated_ramp=True, steps={"flatfield": {"skip": True}})
    pipeline.export_config("pars.asdf")
    run("pars.asdf", simulated.exposure, "--steps.photom.skip=1")
    assert product(tmp_path, "ramp")
    with datamodels.open(product(tmp_path, "cal")) as image:
        assert image.meta.cal_step.flat_field == image.meta.cal_step.photom == "SKIPPED"


def test_saved_parameters_run_again_unchanged(run, simulated, tmp_path):
    options = ["--steps.rampfit.rejection_threshold=7", "--output_dir=out", "--suffix=one"]
    run("roman_elp", simulated.exposure, *options, "--save-parameters=used.asdf")
    (first,) = (tmp_path / "out").glob("*_one.asdf")
    kept = first.read_bytes()
    first.unlink()
    assert main(["run", "used.asdf", str(simulated.exposure)]) == 0
    with datamodels.open(first) as again:
        data = again.data.copy()
    first.write_bytes(kept)
    with datamodels.open(first) as before:
        assert (before.data == data).all()


def test_the_summary_names_steps_flags_and_files(run, simulated):
    printed = run("roman_elp", simulated.exposure).out.splitlines()
    assert printed[0].split() == ["step", "status", "seconds", "references"]
    assert printed[1].split()[:2] == ["read", "-"]
    assert printed[2].split()[:2] == ["dq_init", "COMPLETE"]
    assert printed[2].split()[-1].startswith("roman_wfi_mask_")
    assert any(
        line.split() == ["flags", "of", "6,720", "pixels", "pixels", "share"] for line in printed
    )
    assert any(line.split()[:1] == ["JUMP_DET"] for line in printed)
    assert printed[-2:] == [
        f"wrote {simulated.exposure.name.replace('_uncal', suffix)}" for suffix in ("_cal", "_wcs")
    ]


def test_the_summary_of_a_ramp_counts_flags_of_samples(run, simulated, tmp_path):
    run("dq_init", simulated.exposure)
    run("saturation", product(tmp_path, "dqinit"))
    printed = run("jump", product(tmp_path, "saturation")).out
    assert "JUMP_DET" in printed


def test_the_summary_of_a_ramp_does_not_take_a_transient_for_an_outlier():
    from romancal_rs.cli.summary import flag_counts

    groupdq = np.zeros((2, 10, 10), np.uint8)
    groupdq[1, 0] = dqflags.WFI18_TRANSIENT
    pixeldq = np.zeros((10, 10), np.uint32)
    pixeldq[0, 0] = dqflags.OUTLIER
    ramp = datamodels.RampModel(
        testing.create_ramp(shape=groupdq.shape, groupdq=groupdq, pixeldq=pixeldq)
    )
    assert flag_counts(ramp) == (100, {"OUTLIER": 1, "WFI18_TRANSIENT": 10})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["roman_elp"], "name the file to run it on"),
        (
            ["roman_elp", "a", "b"],
            "takes 1 input, got 2: a, b; for many exposures: romancal-rs batch run",
        ),
        (["roman_elp", "a", "--steps.jump.rejection_treshold=5"], "rejection_threshold"),
        (["no_such.asdf", "a"], "no_such.asdf: No such file"),
        (["roman_elp", "a", "--steps.jmp.skip=1"], "did you mean '--steps.jump.skip'"),
    ],
)
def test_wrong_usage_says_what_is_right(capsys, words, told):
    with pytest.raises(SystemExit) as stop:
        main(["run", *words])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert told in message
    assert len(message.splitlines()) < 6


def test_an_exposure_in_place_of_a_pipeline(capsys, simulated):
    with pytest.raises(SystemExit):
        main(["run", str(simulated.exposure)])
    assert f"romancal-rs run roman_elp {simulated.exposure}" in capsys.readouterr().err


def test_from_cmdline_takes_what_the_command_takes(simulated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    references = f"--references={simulated.references}"
    options = [str(simulated.exposure), references, "--steps.photom.skip=true"]
    step = ExposurePipeline.from_cmdline(options)
    assert step.photom.skip is True
    written = {product(tmp_path, "cal"), product(tmp_path, "wcs")}
    assert set(tmp_path.iterdir()) == written
    Step.from_cmdline(["dq_init", *options[:2]])
    assert product(tmp_path, "dqinit").is_file()
    with pytest.raises(ParameterError, match="skp"):
        ExposurePipeline.from_cmdline([*options, "--steps.photom.skp=true"])


def test_info_shows_what_a_file_holds(simulated, capsys):
    assert main(["info", str(simulated.exposure)]) == 0
    printed = capsys.readouterr().out
    for told in ("ScienceRawModel", "WFI01", "F158", "6 resultants of 4 reads each, 1-24"):
        assert told in printed
    assert "data   uint16   6 x 64 x 128" in printed
    assert main(["info", "--tree", str(simulated.exposure)]) == 0
    assert "read_pattern" in capsys.readouterr().out


def test_info_shows_the_series_that_the_file_has(simulated, capsys):
    uncal = next((Path(__file__).parents[1] / "data" / "seed_era").glob("*_uncal.asdf"))
    assert main(["info", str(uncal)]) == 0
    told = "  ScienceRawModel, wfi_science_raw-1.0.0 of 2022, read as wfi_science_raw-2.1.0\n"
    assert told in capsys.readouterr().out
    assert main(["info", str(simulated.exposure)]) == 0
    assert "  ScienceRawModel, wfi_science_raw-2.1.0\n" in capsys.readouterr().out


def test_steps_lists_what_there_is(capsys):
    assert main(["steps"]) == 0
    printed = capsys.readouterr().out
    assert "roman_elp, exposure_pipeline  romancal_rs.pipeline.ExposurePipeline" in printed
    assert "jump" in printed
    assert "GAIN, READNOISE" in printed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(capsys, shell):
    assert main(["completion", shell]) == 0
    assert "romancal-rs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [
        ("argcomplete", ["completion", "bash"], "completion"),
        ("matplotlib", ["show", "any_cal.asdf"], "plot"),
        ("matplotlib", ["report", "any_cal.asdf"], "plot"),
    ],
)
def test_what_an_extra_brings_is_asked_for_by_its_name(tmp_path, module, words, extra):
    code = (
        "import sys\n"
        f"sys.modules[{module!r}] = None\n"
        "from romancal_rs.cli import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert f"needs {module}" in told
    assert told.endswith(f'pip install "romancal-rs[{extra}]"')


def test_the_shell_is_told_how_a_line_goes_on(tmp_path):
    line = "romancal-rs run roman_elp --steps.jump.rej"
    answer = tmp_path / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
    }
    subprocess.run([sys.executable, "-m", "romancal_rs"], env=environment, check=True)
    assert "--steps.jump.rejection_threshold" in answer.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "-h"],
        ["run", "roman_elp", "-h"],
        ["run", "-h", "jump"],
        ["simulate", "-h"],
    ],
)
def test_help_imports_nothing_heavy(words):
    """What takes long to import: help must come at once."""
    code = (
        "import sys, json; from romancal_rs.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print('\\n' + json.dumps(sorted(set(sys.modules))))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = json.loads(result.stdout.splitlines()[-1])
    heavy = {"numpy", "asdf", "astropy", "gwcs", "scipy", "matplotlib", "rich", "roman_datamodels"}
    assert heavy.isdisjoint(loaded)
    assert "usage" in result.stdout


def test_the_whole_help_lists_every_parameter(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "roman_elp", "--help-all"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for name, step_class in ExposurePipeline.step_defs.items():
        for parameter in step_class.parameters:
            assert f"--steps.{name}.{parameter} " in printed
    assert "(default: 4.0)" in printed


@pytest.mark.parametrize("option", ["--logcfg=nope.cfg", "--steps.jump.rejection_threshold=nan"])
def test_wrong_values_of_options_are_wrong_usage(simulated, capsys, option):
    arguments = ["run", "roman_elp", str(simulated.exposure), option]
    try:
        status = main([*arguments, f"--references={simulated.references}"])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert "nope.cfg" in capsys.readouterr().err or "nan" in option


def test_flags_before_the_target_may_be_abbreviated(run, simulated, tmp_path):
    run("--verb", "dq_init", simulated.exposure)
    assert product(tmp_path, "dqinit")


@pytest.mark.parametrize("inside", ["", "/sub"])
def test_a_file_where_the_output_should_go_is_told_before_the_work(
    simulated, tmp_path, capsys, inside
):
    """One on the way to the directory was found when all had been calculated."""
    file = tmp_path / "file"
    file.touch()
    words = [str(simulated.exposure), "--references", str(simulated.references)]
    shown = ["--log-level", "info", "--output-dir", f"{file}{inside}"]
    assert main(["calibrate", *words, *shown]) == 2
    *told, error = capsys.readouterr().err.splitlines()
    assert error.endswith(f"output_dir = '{file}{inside}': {file} is no directory")
    assert not any("running in one pass" in line for line in told)
