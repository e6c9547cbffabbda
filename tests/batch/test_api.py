"""What `calibrate_all` takes, and what it says of what it does not take."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from batch.many import Many

from romancal_rs import datamodels
from romancal_rs.batch import Kind, calibrate_all
from romancal_rs.errors import InputError, RomancalError
from romancal_rs.pipeline import ExposurePipeline


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Many:
    made = Many.make(tmp_path_factory.mktemp("many"), detectors=1)
    made.fill(1)
    return made


@pytest.fixture
def plan(many, tmp_path):
    def make(to=tmp_path / "out", **options):
        given = {"references": many.references, "engine": "serial", **options}
        return calibrate_all(many.raw, to, **given)

    return make


def test_paths_and_numbers_of_numpy_are_parameters(many, plan, monkeypatch):
    (dark,) = many.references.glob("*_dark_*.asdf")
    monkeypatch.chdir(dark.parent)
    values = {
        "override_dark": Path(dark.name),  # here, wherever the workers are
        "steps": {"jump": {"rejection_threshold": np.float32(4.5)}, "refpix": {"skip": np.True_}},
    }
    batch = plan(parameters=values, step=ExposurePipeline)
    assert batch.plan.settings.parameters == {
        "override_dark": str(dark),
        "steps": {"jump": {"rejection_threshold": 4.5}, "refpix": {"skip": True}},
    }
    assert [outcome.kind for outcome in batch] == [Kind.DONE]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {"pre_hooks": [print]}}, "pre_hooks: a builtin_function_or_method cannot"),
        ({"parameters": {"steps": {"jump": {"x": {1}}}}}, "steps.jump.x: a set cannot go"),
        ({"parameters": {"output_dir": "x"}}, "output_dir: in a batch, `to` says where"),
        ({"step": ExposurePipeline()}, "step: a ExposurePipeline: expected an alias"),
        ({"rerun": "chagned"}, "rerun = 'chagned': expected one of changed, failed, all, never"),
        ({"ignore": "softwares"}, "ignore: 'softwares' is none of input, parameters, references"),
        ({"workers": 0}, "workers = 0: expected a whole number from 1 on"),
        ({"retries": 0}, "retries = 0: expected a whole number"),
        ({"memory_limit": "4GB"}, "memory_limit = '4GB': expected a whole number"),
        ({"timeout": "5"}, "timeout = '5': expected seconds"),
        ({"timeout": -1}, "timeout = -1: expected seconds"),
        ({"engine": "procs"}, "engine = 'procs': expected processes, serial, dask, or a Client"),
        ({"engine": 3}, "engine = 3: expected processes"),
        ({"scheduler": "tcp://x:1"}, "that is for engine dask, not 'serial'"),
        ({"shard": "1/1", "shard_by": "detectr"}, "--by detectr: expected exposure or detector"),
        ({"after": "yesterday"}, "after = 'yesterday': not a time such as 2027-06-01"),
        ({"to": __file__}, "a file is there; name a directory"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_with_a_call_is_told_before_any_work(plan, options, message):
    with pytest.raises(RomancalError) as error:
        plan(**options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_models_are_no_parameters_and_no_sources(many, plan, tmp_path):
    (dark,) = many.references.glob("*_dark_*.asdf")
    with (
        datamodels.open(dark) as model,
        pytest.raises(RomancalError, match="override_dark: a DarkRefModel cannot go into a plan"),
    ):
        plan(parameters={"override_dark": model})
    with pytest.raises(RomancalError, match="sources: expected a path or URL of files, or a list"):
        calibrate_all([None], tmp_path)


def test_one_name_is_a_choice(plan):
    assert len(plan(detectors="WFI01").exposures) == 1
    with pytest.raises(InputError, match="no exposure of 1 is among those asked for"):
        plan(elements="F213")
    assert len(list(plan(ignore="software"))) == 1


def test_a_batch_may_be_pickled_and_iterated_again(plan):
    batch = pickle.loads(pickle.dumps(plan()))
    assert [outcome.kind for outcome in batch] == [Kind.DONE]
    assert [outcome.kind for outcome in batch] == [Kind.CURRENT]  # it is done once
