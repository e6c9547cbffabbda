"""Hooks: what an entry of pre_hooks and post_hooks means, what hooks get, and what they may do."""

import functools
import json
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.errors import RomancalError
from romancal_rs.linearity import LinearityStep
from romancal_rs.stpipe import ParameterError, Pipeline, RomanStep, Step
from romancal_rs.stpipe.hooks import HookError
from romancal_rs.stpipe.importing import import_object
from romancal_rs.stpipe.subproc import SystemCall


class Add(Step):
    """Adds all its arguments."""

    def process(self, *args):
        return sum(args)


class Split(Step):
    def process(self, value):
        return value, value + 1


class Double(Step):
    def process(self, value):
        return [2 * item for item in value] if isinstance(value, list) else 2 * value


class Talk(Step):
    def process(self, *args):
        self.log.warning("heard %s, from %s", args, self.parent.name)


class Chain(Pipeline):
    step_defs = {"split": Split, "add": Add}

    def process(self, value):
        return self.add(*self.split(value))


def double(value, *others):
    return 2 * value


@pytest.fixture
def write(tmp_path):
    """Writes a file into a directory of its own, and returns the path of a parameter file there."""

    def write(name, text, directory="pars"):
        path = tmp_path / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return str(tmp_path / directory / "step.asdf")

    return write


# --- what hooks get and give


def test_pre_hooks_run_in_order_on_the_arguments():
    step = Add(pre_hooks=[lambda a, b: a + 1, lambda a, b: 10 * a])
    assert step.run(1, 100) == (1 + 1) * 10 + 100


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(None, (1, 2)), ((7,), (7,)), ((7, 8, 9), (7, 8, 9)), (5, (5, 2)), ([5], ([5], 2))],
)
def test_what_a_pre_hook_returns(returned, expected):
    class Show(Step):
        def process(self, *args):
            return {"got": args}

    assert Show(pre_hooks=[lambda *args: returned]).run(1, 2) == {"got": expected}


def test_a_post_hook_gets_one_list():
    seen = []
    Add(post_hooks=[seen.append]).run(1, 2)
    Split(post_hooks=[seen.append]).run(1)
    assert seen == [[3], [1, 2]]


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(None, 3), ([9], 9), ((9,), 9), ([8, 9], [8, 9]), ((8, 9), (8, 9)), ("text", "text")],
)
def test_what_a_post_hook_returns(returned, expected):
    assert Add(post_hooks=[lambda results: returned]).run(1, 2) == expected


def test_a_post_hook_may_change_the_list_in_place():
    def replace(results):
        results[0] = "other"

    assert Add(post_hooks=[replace]).run(1, 2) == "other"
    assert Split(post_hooks=[replace]).run(1) == ("other", 2)
    assert Add(post_hooks=[lambda results: results.append(4)]).run(1, 2) == (3, 4)
    assert Add(post_hooks=[lambda results: results.clear()]).run(1, 2) is None


def test_each_post_hook_sees_what_the_one_before_it_left():
    step = Add(post_hooks=[lambda r: r[0] + 1, lambda r: [r[0] * 10, 0], lambda r: sum(r)])
    assert step.run(1, 2) == 40


def test_the_hooks_of_a_pipeline_and_of_its_steps():
    pipe = Chain(pre_hooks=[double], post_hooks=[lambda results: results[0] + 1000])
    pipe.add.pre_hooks = [double]
    # 3 -> 6 -> (6, 7) -> (12, 7) -> 19 -> 1019
    assert pipe.run(3) == 1019


def test_the_hooks_of_a_skipped_step_do_not_run():
    calls = []
    step = Add(skip=True, pre_hooks=[calls.append], post_hooks=[calls.append])
    assert step.run(1) == 1
    assert calls == []


# --- what an entry may be


@pytest.mark.parametrize(
    "entry",
    [double, functools.partial(double), Double, Double(), "pars_mod.double", "pars_mod.Double"],
    ids=["function", "callable object", "Step", "Step object", "function path", "Step path"],
)
def test_kinds_of_entries(entry, write):
    config = write(
        "pars_mod.py",
        """
        from romancal_rs.stpipe import Step

        def double(value):
            return [2 * item for item in value] if isinstance(value, list) else 2 * value

        class Double(Step):
            def process(self, value):
                return double(value)
        """,
    )
    assert Add(pre_hooks=[entry], config_file=config).run(4) == 8
    if entry is not double and not isinstance(entry, functools.partial):
        assert Add(post_hooks=[entry], config_file=config).run(4, 1) == 10


def test_class_paths_of_2022_are_ours(monkeypatch):
    calls = []
    monkeypatch.setattr(LinearityStep, "process", lambda self, value: calls.append(value))
    Add(pre_hooks=["romancal.linearity.linearity_step.LinearityStep"]).run(4)
    assert calls == [4]


def test_a_shell_command_gets_arguments_and_results_one_by_one(tmp_path):
    out = tmp_path / "out"
    pre, post = f"echo pre {{0}} {{1}} > {out}", f"echo post {{0}} {{1}} >> {out}"

    class Both(Step):
        def process(self, a, b):
            return a + b, a * b

    assert Both(pre_hooks=[pre], post_hooks=[post]).run(3, 5) == (8, 15)
    assert out.read_text() == "pre 3 5\npost 8 15\n"


def test_a_system_call_object_is_a_command_too(tmp_path):
    out = tmp_path / "out"
    Add(post_hooks=[SystemCall(command=f"echo {{0}} > {out}")]).run(3, 5)
    assert out.read_text() == "8\n"


def test_a_dotted_name_on_the_path_is_a_command(tmp_path, monkeypatch):
    script = tmp_path / "check.sh"
    script.write_text(f"#!/bin/sh\necho ran > {tmp_path}/out\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    Add(pre_hooks=["check.sh"]).run(1)
    assert (tmp_path / "out").read_text() == "ran\n"


def test_a_dotted_name_that_is_nothing_is_not_handed_to_the_shell(write):
    config = write("my_hooks.py", "def correct(model): pass\n")
    with pytest.raises(ParameterError) as caught:
        Add(name="adder", pre_hooks=["my_hoks.correct"], config_file=config).run(1)
    message = str(caught.value)
    assert message.startswith("adder: pre-hook 1 (my_hoks.correct): no class or function:")
    assert "there is no module my_hoks, neither installed nor in " in message
    assert str(Path(config).parent) in message
    assert message.endswith("did you mean 'my_hooks'?")


def test_a_missing_function_names_the_nearest(write):
    config = write("my_hooks2.py", "def correct(model): pass\n")
    with pytest.raises(ParameterError, match=r"my_hooks2.py\) has no corect; did you mean 'corre"):
        Add(pre_hooks=["my_hooks2.corect"], config_file=config).run(1)


def test_a_file_of_that_name_is_pointed_at(tmp_path, monkeypatch):
    (tmp_path / "check_it.sh").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match=r"to run the file of that name, write \./check_it.sh"):
        Add(pre_hooks=["check_it.sh"]).run(1)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "pre-hook 1 .int.: a int; give the path of a Step class or of a function"),
        (dict, "pre-hook 1 .builtins.dict.: a class, but no Step"),
        ("os.path", "pre-hook 1 .os.path.: a module; give"),
        ("  ", "pre-hook 1 ..: empty"),
        ("awk '{print}' {0}", "{print} is not a placeholder; .* write {{ and }} for braces"),
    ],
)
def test_what_an_entry_may_not_be(entry, message):
    with pytest.raises(ParameterError, match=message):
        Add(pre_hooks=[entry]).run(1)


def test_a_step_is_no_hook_of_itself():
    step = Add()
    step.pre_hooks = [step]
    with pytest.raises(ParameterError, match="cannot be a hook of itself"):
        step.run(1)


def test_a_wrong_entry_anywhere_is_found_before_anything_runs():
    calls = []
    pipe = Chain(pre_hooks=[calls.append])
    pipe.add.post_hooks = ["os.no_such_function"]
    with pytest.raises(ParameterError, match=r"^Chain.add: post-hook 1 \(os.no_such_function\)"):
        pipe.run(1)
    assert calls == []
    pipe.add.skip = True
    pipe.run(1)
    assert calls == [1]


# --- failures


def test_a_failing_hook_names_itself_its_step_and_the_error():
    def spoil(results):
        raise ValueError("the sky is too bright")

    pipe = Chain()
    pipe.add.post_hooks = [double, spoil]
    with pytest.raises(HookError) as caught:
        pipe.run(1)
    assert re.fullmatch(
        r"Chain\.add: post-hook 2 \(\S+spoil\) failed: ValueError: the sky is too bright",
        str(caught.value),
    )
    assert isinstance(caught.value, RomancalError)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_failing_command_names_its_status_and_its_last_words():
    command = "echo no such star >&2; exit 3"
    with pytest.raises(HookError) as caught:
        Add(name="adder", post_hooks=[command]).run(1)
    assert str(caught.value).startswith(f"adder: post-hook 1 ({command}) failed: SystemCallError:")
    assert "ended with status 3: no such star" in str(caught.value)


def test_exit_in_a_hook_is_a_failure():
    with pytest.raises(HookError, match="SystemExit: 0"):
        Add(pre_hooks=[lambda value: sys.exit(0)]).run(1)


def test_ctrl_c_passes():
    def interrupt(value):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Add(pre_hooks=[interrupt]).run(1)


# --- hooks that are steps


def test_a_step_as_hook_is_part_of_its_step(caplog):
    pipe = Chain()
    mine = Talk(name="mine")
    pipe.add.pre_hooks = [Talk, mine]
    pipe.run(1)
    assert [(r.name, r.getMessage()) for r in caplog.records] == [
        ("stpipe.Chain.add.Talk", "heard (1, 2), from add"),
        ("stpipe.Chain.add.mine", "heard (1, 2), from add"),
    ]
    assert mine.parent is None
    assert mine.log.name == "stpipe.mine"


def test_a_pipeline_as_hook_logs_below_its_step(caplog):
    class Talks(Pipeline):
        step_defs = {"talk": Talk}

        def process(self, value):
            self.talk(value)

    pipe = Chain()
    pipe.split.pre_hooks = [Talks()]
    pipe.run(1)
    assert [r.name for r in caplog.records] == ["stpipe.Chain.split.Talks.talk"]


def test_a_skipped_step_as_hook_does_not_run():
    assert Add(pre_hooks=[Double(skip=True)], post_hooks=[Double(skip=True)]).run(4) == 4


def test_a_step_as_hook_has_the_directories_of_the_pipeline(tmp_path):
    seen = {}

    class Look(Step):
        def process(self, results):
            seen["output_dir"] = self.search_attr("output_dir")
            seen["path"] = self.make_output_path("look")

    pipe = Chain(output_dir=str(tmp_path))
    pipe.add.post_hooks = [Look]
    pipe.run(1)
    assert seen == {"output_dir": str(tmp_path), "path": tmp_path / "Look_look.asdf"}


def test_a_step_as_hook_finds_the_references_of_the_run(simulated):
    seen = []

    class FindMask(RomanStep):
        reference_file_types = ["mask"]

        def process(self, model):
            seen.append(self.get_reference_file(model, "mask"))

    class Pass(RomanStep):
        def process(self, model):
            return model

    with datamodels.open(simulated.exposure) as exposure:
        Pass(pre_hooks=[FindMask], references=str(simulated.references)).run(exposure)
    assert Path(seen[0]).parent == simulated.references


def ramp():
    return datamodels.RampModel(testing.create_ramp((3, 16, 16)))


def test_a_step_as_hook_leaves_the_model_of_the_caller_alone():
    class Blank(RomanStep):
        def process(self, model):
            model.data[:] = 7

    class Pass(RomanStep):
        def process(self, model):
            return model

    mine = ramp()
    mine.data[:] = 1
    result = Pass(pre_hooks=[Blank]).run(mine)
    assert np.all(mine.data == 1)
    assert np.all(result.data == 7)


def test_a_command_gets_models_as_temporary_files(tmp_path):
    out = tmp_path / "names"

    class Keep(Step):
        def process(self, model):
            return model

    model = ramp()
    command = f"test -s {{0}} && head -c 5 {{0}} > {tmp_path}/head; echo {{0}} > {out}"
    assert Keep(name="my step", post_hooks=[command]).run(model) is model
    name = Path(out.read_text().strip())
    assert name.name == "my_step_0.asdf"
    assert not name.exists()
    assert not name.parent.exists()
    assert (tmp_path / "head").read_text() == "#ASDF"


# --- modules beside parameter files


def test_modules_of_the_same_name_in_two_directories(write):
    first = write("beside_a.py", "def tell(value): return value + 1\nclass C: pass\n", "first")
    second = write("beside_a.py", "def tell(value): return value + 100\n", "second")
    path_before = list(sys.path)
    for config, expected in [(first, 2), (second, 101), (first, 2)]:
        assert Add(pre_hooks=["beside_a.tell"], config_file=config).run(1) == expected
    assert sys.path == path_before
    directory = str(Path(first).parent)
    assert import_object("beside_a.C", directory) is import_object("beside_a.C", directory)
    with pytest.raises(ParameterError, match="no module beside_a"):
        import_object("beside_a.C")


def test_modules_beside_see_their_neighbours(write):
    for directory, number in [("first", 1), ("second", 2)]:
        write("beside_helper.py", f"NUMBER = {number}\n", directory)
        write("beside_pack/__init__.py", "", directory)
        write("beside_pack/part.py", "from beside_helper import NUMBER\n", directory)
    write("beside_b.py", "from beside_pack.part import NUMBER\n", "first")
    config = write("beside_b.py", "from beside_pack.part import NUMBER\n", "second")
    first = str(Path(config).parents[1] / "first")
    second = str(Path(config).parent)
    assert import_object("beside_b.NUMBER", first) == 1
    assert import_object("beside_b.NUMBER", second) == 2
    assert import_object("beside_pack.part.NUMBER", first) == 1
    assert import_object("beside_helper.NUMBER", [second, first]) == 2


def test_a_module_in_a_directory_above_is_another_one(write):
    outer = Path(write("beside_c.py", "WHERE = 'outer'\n", "outer")).parent
    inner = Path(write("beside_c.py", "WHERE = 'inner'\n", "outer/inner")).parent
    assert import_object("beside_c.WHERE", str(inner)) == "inner"
    assert import_object("beside_c.WHERE", str(outer)) == "outer"


def test_what_is_installed_is_not_shadowed(write):
    directory = str(Path(write("json.py", "def dumps(value): return 'mine'\n")).parent)
    write("numpy/__init__.py", "")
    write("romancal_rs.py", "")
    write("beside_d.py", "import json\ndef mine(): return json.dumps\n")
    assert import_object("json.dumps", directory) is json.dumps
    assert import_object("numpy.zeros", directory) is np.zeros
    assert import_object("beside_d.mine", directory)() is json.dumps
    with pytest.raises(ParameterError, match=r"; json in \S+ is not looked at, as an installed"):
        import_object("json.correct", directory)


def test_a_module_beside_the_file_wins_over_one_elsewhere_on_the_path(write, monkeypatch):
    elsewhere = Path(write("beside_e.py", "WHERE = 'elsewhere'\n", "elsewhere")).parent
    beside = Path(write("beside_e.py", "WHERE = 'beside'\n", "beside")).parent
    monkeypatch.syspath_prepend(str(elsewhere))
    import beside_e

    assert import_object("beside_e.WHERE", str(beside)) == "beside"
    assert sys.modules["beside_e"] is beside_e
    assert import_object("beside_e.WHERE") == "elsewhere"
    monkeypatch.delitem(sys.modules, "beside_e")


def test_a_module_that_is_imported_already_is_not_imported_again(write, monkeypatch):
    directory = Path(write("beside_f.py", "class C: pass\n")).parent
    monkeypatch.syspath_prepend(str(directory))
    import beside_f

    assert import_object("beside_f.C", str(directory)) is beside_f.C
    assert import_object("beside_f.C") is beside_f.C
    monkeypatch.delitem(sys.modules, "beside_f")


def test_a_step_of_a_pipeline_looks_beside_the_files_of_both(write):
    outer = write("beside_outer.py", "def add(value, *_): return value + 10\n", "outer")
    inner = write("beside_inner.py", "def add(value, *_): return value + 100\n", "inner")
    pipe = Chain(config_file=outer)
    pipe.add.config_file = inner
    pipe.add.pre_hooks = ["beside_inner.add", "beside_outer.add"]
    assert pipe.run(1) == 1 + 100 + 10 + 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_thing\n", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def broken(:\n", "SyntaxError: "),
        ("raise ValueError('not today')\n", "ValueError: not today"),
        ("import sys; sys.exit(0)\n", "SystemExit: 0"),
    ],
)
def test_a_module_that_fails_says_why(write, text, message):
    directory = str(Path(write("beside_g.py", text)).parent)
    with pytest.raises(ParameterError, match=f"importing beside_g from .* failed: {message}"):
        import_object("beside_g.f", directory)


@pytest.mark.parametrize("path", ["word", "", "a..b", "a b.c", "1a.b"])
def test_what_is_no_dotted_path(path):
    with pytest.raises(ParameterError, match="is not a dotted path such as"):
        import_object(path)


def test_a_submodule_that_does_not_exist_names_the_nearest():
    with pytest.raises(ParameterError, match=r"no module romancal_rs\.jumpp.*did you mean 'jump'"):
        import_object("romancal_rs.jumpp.JumpStep")
