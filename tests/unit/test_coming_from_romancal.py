"""What the page for users of romancal says, against romancal 1.1.0 and 0.8.1 and the code here.

What romancal has is kept in `data/mission`; its README says how it was read.
"""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest

import romancal_rs.step
from romancal_rs import datamodels, dqflags
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import RomanStep, config, configure, elsewhere
from romancal_rs.stpipe.find_class import find_class
from romancal_rs.stpipe.recipes import FLIGHT

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "how-to" / "coming-from-romancal.md"
NOT_HERE = "not here"


def facts(name):
    return json.loads((TESTS / "data" / "mission" / f"{name}.json").read_text(encoding="utf-8"))


TODAY, OF_2022 = facts("parameters-1.1.0"), facts("parameters-0.8.1")


def table(*titles):
    """The cells of the page's table with these titles, without the marks of code."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = lines.index(f"| {' | '.join(titles)} |") + 2
    rows = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def ours(step):
    """The class of a step by its name in the pipeline, None if it is not here."""
    if step == "roman_elp":
        return ExposurePipeline
    return ExposurePipeline.step_defs.get(step)


PARAMETERS = {
    (step, *names_in(name)): (theirs, here, said)
    for step, name, theirs, here, said in table(
        *("step", "parameter", "default in romancal", "default here", "what is different")
    )
}
HERE = {step: told for step, told in TODAY["steps"].items() if ours(step) is not None}


def value_in(cell):
    return ast.literal_eval(*names_in(cell))


# --- parameters


def test_the_table_has_all_parameters_of_romancal():
    expected = {(step, name) for step, told in HERE.items() for name in told["parameters"]}
    common = {("all", name) for name in TODAY["common"] if name not in RomanStep.parameters}
    assert PARAMETERS.keys() == expected | common


@pytest.mark.parametrize(("step", "name"), PARAMETERS)
def test_defaults_in_the_table_are_those_of_both(step, name):
    theirs, here, said = PARAMETERS[step, name]
    told = TODAY["common"] if step == "all" else TODAY["steps"][step]["parameters"]
    assert value_in(theirs) == told[name]["default"]
    step_class = RomanStep if step == "all" else ours(step)
    if here == NOT_HERE:
        assert name not in step_class.parameters
        assert elsewhere.version_with(step_class, name) == "romancal 1.1"
    else:
        assert value_in(here) == step_class.parameters[name].default
    assert said or here == theirs


@pytest.mark.parametrize(("step", "name"), PARAMETERS)
def test_what_is_a_default_of_romancal_is_taken_here(step, name):
    told = TODAY["common"] if step == "all" else TODAY["steps"][step]["parameters"]
    if PARAMETERS[step, name][1] != NOT_HERE:
        setattr(ours(step)(), name, told[name]["default"])


def test_common_parameters_are_the_same():
    text = PAGE.read_text(encoding="utf-8").replace("\n", " ")
    told = re.search(r"the common ones in both: (.*?), and `override_<type>`", text)
    assert told
    here = {name for name in TODAY["common"] if name in RomanStep.parameters}
    assert set(names_in(told[1])) == here
    for name in here:
        assert RomanStep.parameters[name].default == TODAY["common"][name]["default"]


def test_steps_without_parameters_of_their_own_are_named():
    text = PAGE.read_text(encoding="utf-8")
    told = re.search(r"^(.*) have no parameters of their own there", text, re.MULTILINE)
    assert told
    assert set(names_in(told[1])) == {s for s, told in HERE.items() if not told["parameters"]}


def test_what_is_only_here_is_all_that_is_only_here():
    found = {step: set(names_in(names)) for step, names in table("step", "parameters")}
    assert found.pop("all") == set(RomanStep.parameters) - set(TODAY["common"])
    only = {}
    for step, told in HERE.items():
        known = {*TODAY["common"], *told["parameters"], *RomanStep.parameters}
        of_step = {n for n in ours(step).parameters if not n.startswith("override_")} - known
        if of_step:
            only[step] = of_step
    assert found == only


@pytest.mark.parametrize("step", HERE)
def test_references_can_be_overridden_under_the_same_names(step):
    parameters = set(ours(step).parameters)
    assert {f"override_{reftype}" for reftype in HERE[step]["references"]} <= parameters


def test_parameters_of_2022_are_here_with_the_same_defaults():
    different = set()
    for step, told in OF_2022["steps"].items():
        for name, parameter in {**OF_2022["common"], **told["parameters"]}.items():
            if ours(step).parameters[name].default != parameter["default"]:
                different.add((step, name, parameter["default"]))
    assert different == {("rampfit", "opt_name", "")}


# --- parameter files


def exported(skipped=("source_catalog", "tweakreg")):
    """A parameter file as romancal 1.1 exports it: all parameters of all steps."""
    common = {name: told["default"] for name, told in TODAY["common"].items()} | {"input_dir": ""}

    def values(told):
        return common | {name: value["default"] for name, value in told["parameters"].items()}

    steps = []
    for name, told in TODAY["steps"].items():
        if name != "roman_elp":
            parameters = values(told) | {"skip": name in skipped}
            steps.append(
                {"class": f"romancal.step.{told['class']}", "name": name, "parameters": parameters}
            )
    return {
        "class": "romancal.pipeline.exposure_pipeline.ExposurePipeline",
        "name": "ExposurePipeline",
        "parameters": values(TODAY["steps"]["roman_elp"]),
        "steps": steps,
    }


def test_a_file_that_romancal_exported_is_taken(tmp_path):
    import asdf

    path = tmp_path / "pars.asdf"
    asdf.AsdfFile(exported()).write_to(path)
    pipeline = configure.build(find_class("roman_elp"), config=config.load(path))
    changed = {
        (step.name, name, getattr(step, name))
        for step in pipeline.substeps()
        for name, parameter in step.parameters.items()
        if getattr(step, name) not in (parameter.default, "")
    }
    # Those of the page, and two that say what is so by default.
    assert changed == {
        ("rampfit", "algorithm", "likely"),
        ("rampfit", "maximum_cores", 1),
        ("rampfit", "include_var_rnoise", False),
        ("rampfit", "suffix", "rampfit"),
        ("flatfield", "include_var_flat", False),
    }
    told = {names_in(line)[0].partition(":")[0] for line, _ in table("line", "what it does here")}
    assert told == {"algorithm", "maximum_cores", "include_var_rnoise"}


@pytest.mark.parametrize("of_values", [{"on_disk": True}, {"update_version": True}])
def test_values_that_would_change_something_are_not_passed_over(tmp_path, of_values):
    import asdf

    path = tmp_path / "pars.asdf"
    tree = exported() | {"parameters": of_values}
    asdf.AsdfFile(tree).write_to(path)
    with pytest.raises(AttributeError, match=r"it is one of romancal 1\.1"):
        configure.build(find_class("roman_elp"), config=config.load(path))


def test_steps_that_are_not_here_have_to_be_skipped(tmp_path):
    import asdf

    path = tmp_path / "pars.asdf"
    asdf.AsdfFile(exported(skipped=["source_catalog"])).write_to(path)
    with pytest.raises(ValueError, match=r"tweakreg is a step of romancal 1\.1"):
        configure.build(find_class("roman_elp"), config=config.load(path))


# --- names


def test_steps_are_those_of_romancal_but_for_those_that_the_page_lists():
    missing = {step for step in TODAY["steps"] if ours(step) is None}
    assert missing == {"source_catalog", "tweakreg"}
    assert missing <= set(elsewhere.STEPS)
    text = PAGE.read_text(encoding="utf-8")
    absent = text[text.index("## What is not here") :]
    for step in elsewhere.STEPS:
        assert f"`{step}`" in absent


@pytest.mark.parametrize("step", HERE)
def test_classes_and_aliases_are_those_of_romancal(step):
    told = HERE[step]
    assert ours(step).__name__ == told["class"]
    for name in (told["alias"], f"romancal.step.{told['class']}"):
        if step != "roman_elp" or name == told["alias"]:
            assert find_class(name) is ours(step)
    if step != "roman_elp":
        assert getattr(romancal_rs.step, told["class"]) is ours(step)


@pytest.mark.parametrize(("step", "suffix"), table("step", "suffix"))
def test_suffixes_are_those_of_romancal(step, suffix):
    (suffix,) = names_in(suffix)
    told = TODAY["steps"][step]
    assert suffix == (told["suffix"] or told["parameters"]["suffix"]["default"])
    by_recipe = getattr(ours(step), "by_recipe", {})
    assert suffix == by_recipe.get(FLIGHT, {}).get("default_suffix", ours(step).default_suffix)


def test_the_table_of_suffixes_has_all_steps():
    assert {step for step, _ in table("step", "suffix")} == HERE.keys()


def test_imports_of_the_page_work():
    text = PAGE.read_text(encoding="utf-8")
    lines = set(re.findall(r"`(from romancal_rs[.\w]* import [\w, ]+?(?: as \w+)?)`", text))
    assert len(lines) >= 6
    for line in lines:
        exec(line, {})


@pytest.mark.parametrize(
    "name",
    [
        *("info", "search", "items", "to_flat_dict", "schema_info", "get_crds_parameters"),
        *("validate", "copy", "save"),
    ],
)
def test_methods_of_models_that_are_called_the_same_are_there_in_both(name):
    theirs = pytest.importorskip("roman_datamodels.datamodels")
    assert f"`model.{name}(" in PAGE.read_text(encoding="utf-8")
    assert callable(getattr(theirs.ImageModel, name))
    assert callable(getattr(datamodels.ImageModel, name))


def test_models_have_the_names_of_the_mission_library():
    theirs = importlib.import_module("roman_datamodels.datamodels")
    for name in ("ScienceRawModel", "RampModel", "ImageModel", "WfiWcsModel", "FlatRefModel"):
        assert hasattr(theirs, name)
        assert hasattr(datamodels, name)


# --- flags


@pytest.mark.parametrize("kind", ["pixel", "group"])
def test_flags_are_those_of_roman_datamodels_1_1(kind):
    here = getattr(dqflags, kind)
    for name, number in facts("flags-1.1.0")[kind].items():
        flag = getattr(here, name)
        assert flag.value == number
        assert flag.dtype == ("uint32" if kind == "pixel" else "uint8")
