"""Parameter files: both forms, relative paths, step files, classes of 2022, writing."""

import textwrap

import pytest

from romancal_rs.jump import JumpStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import ParameterError, Step, config, configure

PREAMBLE = """\
#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
"""


class Files(Step):
    """A step with a parameter of each kind of path."""

    spec = """
        given = input_file(default=None)
        made = output_file(default=None)
        factors = float_list(default=list(1.0, 2.0))
        [red]
        offset = float(default=0.0)
        table = input_file(default=None)
    """

    def process(self, value):
        return value


@pytest.fixture
def write(tmp_path):
    """Writes an ASDF parameter file, or another one as it is."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        body = textwrap.dedent(text)
        path.write_text(PREAMBLE + body + "...\n" if name.endswith(".asdf") else body)
        return path

    return write


def built(step_class, path, **parameters):
    return configure.build(step_class, config=config.load(path), parameters=parameters)


def test_asdf_form(write):
    path = write(
        "jump.asdf",
        """\
        class: romancal.jump.jump_step.JumpStep
        name: my_jump
        parameters:
          rejection_threshold: 42.0
          flag_4_neighbors: false
          output_dir: null
          input_dir: ''
          pre_hooks: []
        """,
    )
    step = built(JumpStep, path)
    assert (step.name, step.rejection_threshold, step.flag_4_neighbors) == ("my_jump", 42.0, False)
    assert step.output_dir is None
    assert step.input_dir is None


def test_configobj_form(write):
    path = write(
        "pipeline.cfg",
        """\
        name = "ExposurePipeline"
        class = "romancal.pipeline.exposure_pipeline.ExposurePipeline"
        save_calibrated_ramp = True
        [steps]
          [[jump]]
            rejection_threshold = 180.
          [[ramp_fit]]
            save_opt = yes
        """,
    )
    pipeline = built(ExposurePipeline, path)
    assert pipeline.save_calibrated_ramp is True
    assert pipeline.jump.rejection_threshold == 180.0
    assert pipeline.rampfit.save_opt is True


def test_steps_are_found_by_class_where_they_have_no_name(write):
    path = write(
        "pipeline.asdf",
        """\
        class: calroman.pipeline.ExposurePipeline
        parameters: {}
        steps:
        - class: romancal.jump.jump_step.JumpStep
          parameters: {rejection_threshold: 80.0}
        - class: romancal.flatfield.flat_field_step.FlatFieldStep
          name: flatfield
          parameters: {skip: true}
        """,
    )
    pipeline = built(ExposurePipeline, path)
    assert pipeline.jump.rejection_threshold == 80.0
    assert pipeline.flatfield.skip is True


def test_a_step_file_is_relative_and_inline_values_win(write, tmp_path):
    write(
        "sub/myjump.asdf",
        """\
        class: romancal.jump.jump_step.JumpStep
        parameters: {rejection_threshold: 7, four_group_rejection_threshold: 190.0}
        """,
    )
    path = write(
        "pipeline.asdf",
        """\
        class: romancal.pipeline.exposure_pipeline.ExposurePipeline
        parameters: {}
        steps:
        - name: jump
          parameters: {config_file: sub/myjump.asdf, rejection_threshold: 8}
        """,
    )
    pipeline = built(ExposurePipeline, path)
    assert pipeline.jump.rejection_threshold == 8
    assert pipeline.jump.four_group_rejection_threshold == 190.0


def test_paths_are_relative_to_the_file(write, tmp_path, monkeypatch):
    write("sub/data.txt", "x")
    path = write(
        "sub/files.asdf",
        """\
        class: test.Files
        parameters: {given: data.txt, made: out.asdf, output_dir: results, red: {table: data.txt}}
        """,
    )
    monkeypatch.chdir(tmp_path)
    step = built(Files, path)
    assert step.given == str(tmp_path / "sub" / "data.txt")
    assert step.made == str(tmp_path / "sub" / "out.asdf")
    assert step.output_dir == str(tmp_path / "sub" / "results")
    assert step.red.table == str(tmp_path / "sub" / "data.txt")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("parameters: {n: 1}\n", "it names no class"),
        ("class: test.Files\nparameters: {given: no.txt}\n", r"line 7\): there is no such file"),
        ("class: test.Files\nparameters:\n  mad: 1\n", r"no parameter 'mad' \(.*p.asdf, line 8\)"),
        ("class: test.Files\nthreshold: 5\n", "line 7: 'threshold' belongs under 'parameters'"),
        ("class: test.Files\nparameters: [1, 2]\n", "line 7: parameters must be a mapping"),
        ("class: test.Files\nparameters: {}\nsteps: [{}]\n", "each of the steps needs a class"),
        ("class: test.Files\nsteps: [{name: a}]\n", "is a step, and has no steps itself"),
        ("class: test.Other\nparameters: {}\n", "is for test.Other, not for Files"),
        ("class: test.Files\nparameters: {config_file: no.asdf}\n", r"line 7\): there is no "),
        ("class: [1, 2\n", "not a parameter file: line 7: .*expected ',' or"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(write, text, told):
    with pytest.raises(ParameterError, match=told):
        built(Files, write("p.asdf", text))


def test_sections(write):
    step = Files(red={"offset": "2.5"})
    assert step.red.offset == step.red["offset"] == 2.5
    step.red.offset = 3
    assert step.get_pars()["red"]["offset"] == 3.0
    with pytest.raises(ParameterError, match=r"Files.red: offset = 'far'"):
        step.red = {"offset": "far"}
    with pytest.raises(ParameterError, match="no parameter 'ofset'; did you mean 'offset'"):
        step.red.ofset = 1
    with pytest.raises(ParameterError, match="is a section"):
        Files(red=5)


def test_what_is_exported_runs_again_unchanged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pipeline = ExposurePipeline(output_dir="out", suffix="mine")
    pipeline.jump.rejection_threshold = 180
    pipeline.dark_current.override_dark = "my_dark.asdf"
    pipeline.photom.override_photom = "N/A"
    path = pipeline.export_config("elsewhere/exported.asdf")
    again = built(ExposurePipeline, path)
    expected = pipeline.get_pars()
    expected["output_dir"] = str(tmp_path / "out")
    expected["steps"]["dark_current"]["override_dark"] = str(tmp_path / "my_dark.asdf")
    assert again.get_pars() == expected
    assert config.load(path).class_name.endswith("ExposurePipeline")


def test_sections_and_lists_are_exported(tmp_path):
    step = Files(red={"offset": 1.5}, factors=[3, 4])
    path = step.export_config(tmp_path / "files.asdf")
    again = built(Files, path)
    assert again.get_pars() == step.get_pars()


def test_a_model_in_memory_cannot_be_exported(tmp_path):
    from romancal_rs import datamodels

    gain = datamodels.GainRefModel(datamodels.testing.create_gain())
    with pytest.raises(ParameterError, match="override_gain holds a GainRefModel in memory"):
        JumpStep(override_gain=gain).export_config(tmp_path / "jump.asdf")
    assert list(tmp_path.iterdir()) == []


def test_a_spec_in_a_file_beside_the_module(tmp_path, monkeypatch):
    (tmp_path / "smoothing.py").write_text(
        "from romancal_rs.stpipe import Step\n\n"
        "class Smooth(Step):\n    def process(self, value):\n        return value * self.width\n"
    )
    (tmp_path / "smoothing.spec").write_text("width = integer(default=3, min=1)  # in pixels\n")
    monkeypatch.syspath_prepend(tmp_path)
    from smoothing import Smooth

    assert Smooth.call(2) == 6
    assert Smooth.parameters["width"].help == "in pixels"
    with pytest.raises(ParameterError, match="too small"):
        Smooth(width=0)


def test_classes_beside_the_parameter_file(write, tmp_path):
    (tmp_path / "mysteps.py").write_text(
        "from romancal_rs.stpipe import Step\n\n"
        "class Custom(Step):\n    spec = 'n = integer(default=1)'\n"
        "    def process(self, value):\n        return (value, self.n)\n"
    )
    path = write("custom.asdf", "class: mysteps.Custom\nparameters: {n: 5}\n")
    from romancal_rs.stpipe.find_class import find_class

    file = config.load(path)
    step = configure.build(find_class(file.class_name, file.directory), config=file)
    assert step.run("a") == ("a", 5)


def test_a_command_as_hook_is_kept_as_it_is_written(write):
    command = "awk '{{print $1,$2}}' {0}"
    assert JumpStep(pre_hooks=command).pre_hooks == [command]
    assert JumpStep(post_hooks="[ -s {0} ]").post_hooks == ["[ -s {0} ]"]
    path = write("hooks.cfg", 'class = "test.Files"\npost_hooks = "echo a,b {0}"\n')
    assert built(Files, path).post_hooks == ["echo a,b {0}"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.cfg", "class = a.B\n[steps]\nfoo = 3\n", r"\[steps\]: it must hold a section"),
        ("p.cfg", "class = a.B\nsteps = 3\n", r"\[steps\]: it must hold a section"),
        ("p.cfg", "class = a, b\n", "class must be a word"),
        ("p.asdf", "class: test.Files\nparameters: {skip: {a: 1}}\n", "skip must be a value"),
        ("p.asdf", "class: test.Files\nparameters: {red: 3}\n", r"line 7\): that is a section"),
        ("p.asdf", "class: test.Files\nparameters: {config_file: {a: 1}}\n", "must be the name"),
        ("p.asdf", "class: test.Files\nparameters: {config_file: p.asdf}\n", "names itself"),
        ("p.asdf", "class: test.Files\nparameters: {config_file: .}\n", "Is a directory"),
        ("p.asdf", "class: test.Files\nparameters: {red: {ofset: 2}}\n", r"'ofset' \(.*line 7\)"),
        ("p.asdf", "class: test.Files\nsteps: [{name: a, skip: true}]\n", "belongs under 'param"),
    ],
)
def test_malformed_files_end_in_one_clear_error(write, name, text, told):
    with pytest.raises(ParameterError, match=told):
        built(Files, write(name, text))


def test_sections_of_two_steps_share_nothing():
    class Listed(Step):
        spec = "[red]\nnames = list(default=list())"

    one, other = Listed(), Listed()
    one.red.names.append(9)
    assert other.red.names == Listed().red.names == []
    with pytest.raises(ParameterError, match="no parameter 'nmes'"):
        one.red.update(nmes=[1])
    with pytest.raises(ParameterError, match="no parameter 'zz'"):
        one.red.setdefault("zz", 3)


def test_exported_names_of_products_lead_to_the_same_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "l.txt").touch()
    step = Files(output_dir="od", made="dk.asdf", red={"table": "l.txt"})
    again = built(Files, step.export_config("p/files.asdf"))
    assert again.made == str(tmp_path / "od" / "dk.asdf")
    assert again.red.table == str(tmp_path / "l.txt")
