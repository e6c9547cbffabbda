"""Which source of a parameter wins: every layer against the next, peeled off one at a time."""

import asdf
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.stpipe import ParameterError, RomanPipeline, RomanStep, config, configure


class Measure(RomanStep):
    """Its default is the weakest value of all."""

    spec = "level = integer(default=1)"
    class_alias = "measure"

    def process(self, model):
        return model


class Chain(RomanPipeline):
    """Gives its step another default."""

    spec = """
        own = integer(default=1)
        [steps]
        [[measure]]
        level = integer(default=2)
    """
    step_defs = {"measure": Measure}

    def process(self, model):
        return self.measure(model)


class Plain(RomanPipeline):
    """Leaves the step's default alone."""

    step_defs = {"measure": Measure}


def parameter_file(path, step_class, parameters, steps=(), meta=None):
    tree = {"class": f"tests.{step_class.__name__}", "parameters": parameters, "steps": list(steps)}
    if meta is not None:
        tree["meta"] = meta
    asdf.AsdfFile(tree).write_to(path)
    return path


def reference_meta(reftype, **instrument):
    return {
        "reftype": reftype,
        "instrument": {"name": "WFI", **instrument},
        "useafter": "2020-01-01T00:00:00",
    }


@pytest.fixture
def exposure():
    return datamodels.ScienceRawModel(
        testing.create_wfi_science_raw(meta={"exposure.start_time": start_time()})
    )


def start_time():
    from astropy.time import Time

    return Time("2027-06-01T00:00:00")


@pytest.fixture
def store(tmp_path):
    directory = tmp_path / "refs"
    directory.mkdir()
    return directory


LAYERS = ["command line", "pipeline file", "step file", "pipeline reference", "step reference"]


@pytest.mark.parametrize("peeled", range(len(LAYERS) + 2))
def test_each_layer_wins_over_the_next(tmp_path, store, exposure, peeled):
    """With the first `peeled` layers gone, the value is that of the next."""
    there = LAYERS[peeled:]
    parameters = {"references": str(store)}
    if "command line" in there:
        parameters["steps"] = {"measure": {"level": 7}}
    step_file = parameter_file(tmp_path / "measure.asdf", Measure, {"level": 5})
    inline = {"level": 6} if "pipeline file" in there else {}
    if "step file" in there:
        inline["config_file"] = step_file.name
    measure = {"name": "measure", "parameters": inline}
    file = parameter_file(tmp_path / "chain.asdf", Chain, {}, [measure])
    if "pipeline reference" in there:
        steps = [{"name": "measure", "parameters": {"level": 4}}]
        meta = reference_meta("pars-chain")
        parameter_file(store / "a.asdf", Chain, {}, steps, meta)
    if "step reference" in there:
        parameter_file(store / "b.asdf", Measure, {"level": 3}, meta=reference_meta("pars-measure"))
    pipeline_class = Plain if peeled > len(LAYERS) else Chain
    step = configure.build(
        pipeline_class,
        exposure,
        config=config.load(file) if pipeline_class is Chain else None,
        parameters=parameters,
    )
    assert step.measure.level == 7 - peeled


def test_references_are_off_on_demand(store, exposure, monkeypatch):
    parameter_file(store / "b.asdf", Measure, {"level": 3}, meta=reference_meta("pars-measure"))
    parameters = {"references": str(store)}

    def level(**options):
        return configure.build(Measure, exposure, parameters=parameters, **options).level

    assert level() == 3
    assert level(parameter_references=False) == 1
    for value in ("1", "true", "T", "yes", "y"):
        monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", value)
        assert level() == 1
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "no")
    assert level() == 3


@pytest.mark.parametrize(
    ("meta", "applies"),
    [
        (reference_meta("pars-measure", detector="WFI01"), True),
        (reference_meta("pars-measure", detector="WFI02"), False),
        (reference_meta("pars-measure", optical_element="F129"), False),
        (reference_meta("pars-measure") | {"useafter": "2030-01-01T00:00:00"}, False),
        (reference_meta("pars-measure") | {"exposure": {"p_exptype": "WFI_DARK|"}}, False),
        (reference_meta("<SPECIFY>"), False),
    ],
)
def test_a_reference_applies_to_the_exposures_it_names(store, exposure, meta, applies):
    parameter_file(store / "b.asdf", Measure, {"level": 3}, meta=meta)
    step = configure.build(Measure, exposure, parameters={"references": str(store)})
    assert step.level == (3 if applies else 1)


@pytest.mark.parametrize("instrument", [None, "WFI", {"name": "WFI"}])
def test_a_fault_of_the_input_is_for_the_run_to_tell(store, exposure, instrument, tmp_path):
    parameter_file(store / "b.asdf", Measure, {"level": 3}, meta=reference_meta("pars-measure"))
    parameters = {"references": str(store)}
    exposure._tree.data["meta"]["instrument"] = instrument
    assert configure.build(Measure, exposure, parameters=parameters).level == 1
    missing = str(tmp_path / "none_uncal.asdf")
    assert configure.build(Measure, missing, parameters=parameters).level == 1


@pytest.mark.parametrize("name", ["pre_hooks", "post_hooks"])
def test_a_reference_may_not_name_code(store, exposure, name):
    parameters = {name: ["os.system"]}
    parameter_file(store / "b.asdf", Measure, parameters, meta=reference_meta("pars-measure"))
    with pytest.raises(ParameterError, match=f"{name}.*b.asdf, line .*may not name code"):
        configure.build(Measure, exposure, parameters={"references": str(store)})


def test_call_uses_all_sources(tmp_path, store, exposure):
    parameter_file(store / "b.asdf", Measure, {"level": 3}, meta=reference_meta("pars-measure"))
    file = parameter_file(tmp_path / "measure.asdf", Measure, {"level": 5})

    class Told(Measure):
        def process(self, model):
            levels.append(self.level)
            return model

    levels = []
    Told.call(exposure, references=str(store))
    Told.call(exposure, references=str(store), config_file=file)
    Told.call(exposure, references=str(store), config_file=file, level=9)
    assert levels == [3, 5, 9]


def test_the_store_may_be_named_by_a_step_file(tmp_path, store, exposure):
    parameter_file(store / "b.asdf", Measure, {"level": 3}, meta=reference_meta("pars-measure"))
    parameter_file(tmp_path / "base.asdf", Measure, {"references": str(store)})
    file = parameter_file(tmp_path / "top.asdf", Measure, {"config_file": "base.asdf"})
    assert configure.build(Measure, exposure, config=config.load(file)).level == 3


def test_references_are_chosen_for_an_input_in_input_dir(tmp_path, store, exposure):
    parameter_file(store / "b.asdf", Measure, {"level": 3}, meta=reference_meta("pars-measure"))
    (tmp_path / "data").mkdir()
    exposure.save(tmp_path / "data" / "r1_uncal.asdf")
    parameters = {"references": str(store), "input_dir": str(tmp_path / "data")}
    assert configure.build(Measure, "r1_uncal.asdf", parameters=parameters).level == 3


def test_a_step_that_a_reference_of_the_store_skips_says_by_which_file(
    tmp_path, store, exposure, caplog
):
    """It said that its skip parameter is set, which the user had not done."""
    caplog.set_level("INFO")
    name = "roman_wfi_pars-measure_0003.asdf"
    parameter_file(store / name, Measure, {"skip": True}, meta=reference_meta("pars-measure"))

    def told(**parameters):
        caplog.clear()
        Chain.call(exposure, references=str(store), **parameters)
        return [(r.levelname, r.getMessage()) for r in caplog.records if "skipped" in r.msg]

    assert told() == [
        ("WARNING", f"Step measure skipped: skip is set by {name}, a parameter reference")
    ]
    assert told(steps={"measure": {"skip": False}}) == []
    own = ("INFO", "Step measure skipped: its skip parameter is set")
    assert told(steps={"measure": {"skip": True}}) == [own]
