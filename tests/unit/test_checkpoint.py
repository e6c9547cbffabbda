"""What a checkpoint keeps, what it recognises, and when it does not trust what it has."""

import importlib
import logging
import re
import sys

import numpy as np
import pytest
from astropy.time import Time

from romancal_rs import datamodels
from romancal_rs.datamodels import RampModel, testing
from romancal_rs.stpipe import Pipeline, RomanPipeline, RomanStep, Run, Step, checkpoint
from romancal_rs.stpipe.checkpoint import CheckpointError
from romancal_rs.stpipe.fingerprint import Content, Fingerprints, UnidentifiedError

SHAPE = (2, 12, 12)


class Ran(list):
    """Names of the steps that did their work since one last looked."""

    def taken(self):
        names = list(self)
        self.clear()
        return names


ran = Ran()


class Add(RomanStep):
    """Adds to the ramp that it is given."""

    spec = """
        amount = float(default=1.0)
        table = input_file(default=None)
    """

    def process(self, ramp):
        ran.append(self.name)
        ramp.data += np.float32(self.amount)
        return ramp


class Two(RomanPipeline):
    step_defs = {"first": Add, "second": Add}

    def process(self, input):
        return self.second(self.first(own(input)))


def own(input):
    """The ramp that a pipeline works on: never the caller's."""
    model = datamodels.open(input)
    return model.copy()


@pytest.fixture(autouse=True)
def nothing_ran():
    ran.clear()


@pytest.fixture
def ramp():
    return RampModel(testing.create_ramp(SHAPE))


@pytest.fixture
def runs(ramp, tmp_path, caplog):
    """Runs a pipeline with a checkpoint: the value of its result's pixels, and what ran."""
    caplog.set_level(logging.INFO)

    def runs(pipeline_class, input=None, **parameters):
        pipeline = pipeline_class(checkpoint=tmp_path / "kept", **parameters)
        result = pipeline.run(ramp if input is None else input)
        return result.data[0, 0, 0] - ramp.data[0, 0, 0], ran.taken()

    return runs


def test_what_holds_does_not_run_again(runs):
    assert runs(Two) == (2.0, ["first", "second"])
    assert runs(Two) == (2.0, [])
    assert runs(Two, steps={"second": {"amount": 3.0}}) == (4.0, ["second"])
    assert runs(Two, steps={"first": {"amount": 3.0}}) == (4.0, ["first", "second"])


def test_without_the_parameter_nothing_is_kept(ramp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Two.call(ramp)
    assert list(tmp_path.iterdir()) == []


def test_the_content_of_an_input_file_counts(runs, tmp_path):
    table = tmp_path / "table.txt"
    table.write_text("1")
    steps = {"second": {"table": str(table)}}
    assert runs(Two, steps=steps)[1] == ["first", "second"]
    assert runs(Two, steps=steps)[1] == []
    table.write_text("2")
    assert runs(Two, steps=steps)[1] == ["second"]


class Roles(Step):
    """A parameter of each role."""

    spec = """
        amount = float(default=1.0)
        table = input_file(default=None)
        report = output_file(default=None)
        scratch = directory(default=None, role=place)
        compression = string(default=None, role=saving)
        catalogue = string(default=None, role=store)
        quick = boolean(default=True, role=speed)
        [plot]
        colour = string(default='red')
        size = integer(default=3, role=saving)
    """
    reference_file_types = ["flat"]


def test_what_a_result_follows_from_is_told_by_the_roles_of_parameters(tmp_path):
    (tmp_path / "table.txt").write_text("1")
    described = Fingerprints().of_step(Roles(table=str(tmp_path / "table.txt")))["parameters"]
    assert described == {
        "amount": 1.0,
        "table": Fingerprints().of_file(tmp_path / "table.txt"),
        "report": None,
        "plot": {"colour": "red"},
        "skip": False,
    }


class Peeking(Two):
    """Looks at a step's parameter without running the step."""

    def process(self, input):
        ramp = own(input)
        ramp.data *= np.float32(self.first.amount)
        return self.second(ramp)


def test_parameters_of_a_step_that_does_not_run_count(runs, ramp):
    ramp.data[:] = 1
    assert runs(Peeking, steps={"first": {"amount": 2.0}}) == (2.0, ["second"])
    assert runs(Peeking, steps={"first": {"amount": 5.0}}) == (5.0, ["second"])


class WithOther(Two):
    """Hands its second step a model that comes from neither the input nor a step."""

    spec = """
        other = string()
    """

    def process(self, input):
        self.first(own(input))
        return self.second(own(self.other))


def test_the_content_of_any_other_model_counts(runs, ramp, tmp_path):
    other = str(tmp_path / "other.asdf")
    ramp.save(other)
    assert runs(WithOther, other=other) == (1.0, ["first", "second"])
    assert runs(WithOther, other=other) == (1.0, [])
    changed = ramp.copy()
    changed.data[:] += 4
    changed.save(other)
    assert runs(WithOther, other=other) == (5.0, ["second"])


class Careless(Two):
    """Relies on its steps to change what they are given."""

    def process(self, input):
        ramp = own(input)
        self.first(ramp)
        self.second(ramp)
        return ramp


def test_a_pipeline_may_go_on_with_what_it_gave(runs):
    assert runs(Careless) == (2.0, ["first", "second"])
    assert runs(Careless) == (2.0, [])


class AddToCopy(Add):
    def process(self, ramp):
        return super().process(ramp.copy())


class Forgetful(Pipeline):
    """Works on with what its first step left alone."""

    step_defs = {"first": AddToCopy, "second": Add}

    def process(self, input):
        ramp = own(input)
        self.first(ramp)
        return self.second(ramp)


def test_what_a_step_left_alone_is_left_alone(runs):
    assert runs(Forgetful) == (1.0, ["first", "second"])
    assert runs(Forgetful) == (1.0, [])


class Direct(Pipeline):
    """Hands its input to its step as it is."""

    step_defs = {"add": AddToCopy}

    def process(self, input):
        return self.add(input)


class Measure(Step):
    def process(self, ramp):
        ran.append(self.name)
        return float(ramp.data[0, 0, 0])


class Measuring(Pipeline):
    step_defs = {"measure": Measure, "add": Add}

    def process(self, input):
        ramp = own(input)
        ramp.data += np.float32(self.measure(ramp))
        return self.add(ramp)


def test_results_other_than_models_are_made_each_time(runs, caplog):
    assert runs(Measuring)[1] == ["measure", "add"]
    assert "measure is not kept: it is a float, not a data model" in caplog.text
    assert runs(Measuring)[1] == ["measure"]


class Outer(RomanPipeline):
    step_defs = {"inner": Two, "last": Add}

    def process(self, input):
        return self.last(self.inner(own(input)))


def test_steps_of_an_inner_pipeline_are_kept_one_by_one(runs):
    assert runs(Outer) == (3.0, ["first", "second", "last"])
    assert runs(Outer) == (3.0, [])
    steps = {"inner": {"steps": {"second": {"amount": 2.0}}}}
    assert runs(Outer, steps=steps) == (4.0, ["second", "last"])


class Calling(Add):
    """A step that runs another step as part of its work."""

    def process(self, ramp):
        return Add(name="called", parent=self).run(super().process(ramp))


class WithCalling(Two):
    step_defs = {"first": Calling, "second": Add}


def test_what_runs_inside_a_step_is_part_of_it(runs):
    assert runs(WithCalling)[1] == ["first", "called", "second"]
    assert runs(WithCalling)[1] == []


class TestHooks:
    """What a hook does cannot be known: it runs each time."""

    @staticmethod
    def doubling(results):
        ran.append("hook")
        results[0].data *= 2

    @staticmethod
    def harmless(*args):
        ran.append("hook")

    def test_its_step_runs_and_what_follows_from_the_same_result_holds(self, runs):
        steps = {"first": {"post_hooks": [self.harmless]}}
        assert runs(Two, steps=steps) == (2.0, ["first", "hook", "second"])
        assert runs(Two, steps=steps) == (2.0, ["first", "hook"])

    def test_another_result_is_noticed(self, runs, ramp):
        ramp.data[:] = 1
        steps = {"first": {"post_hooks": [self.harmless]}}
        assert runs(Two, steps=steps) == (2.0, ["first", "hook", "second"])
        steps = {"first": {"post_hooks": [self.doubling]}}
        assert runs(Two, steps=steps) == (4.0, ["first", "hook", "second"])

    def test_of_an_inner_pipeline(self, runs):
        steps = {"inner": {"pre_hooks": [self.harmless]}}
        expected = ["hook", "first", "second"]
        assert runs(Outer, steps=steps) == (3.0, [*expected, "last"])
        assert runs(Outer, steps=steps) == (3.0, expected)

    def test_of_the_pipeline_that_changes_its_input(self, ramp, tmp_path):
        shifts = [1.0, 10.0]

        def shift(ramp):
            ramp.data += np.float32(shifts.pop(0))

        for expected in (2.0, 11.0):
            exposure = ramp.copy()
            result = Direct.call(exposure, checkpoint=tmp_path, pre_hooks=[shift])
            assert result.data[0, 0, 0] - ramp.data[0, 0, 0] == expected

    def test_of_the_pipeline_itself(self, runs):
        assert runs(Two, post_hooks=[self.harmless])[1] == ["first", "second", "hook"]
        assert runs(Two, post_hooks=[self.harmless])[1] == ["hook"]


class TestCode:
    source = """
import numpy as np
from romancal_rs.stpipe import RomanStep
class Mine(RomanStep):
    def process(self, ramp):
        ramp.data += np.float32({amount})
        return ramp
"""

    def pipeline(self, step_class):
        class Local(Two):
            step_defs = {"first": Add, "second": step_class}

        return Local

    def test_an_edited_step_runs_again(self, runs, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        for amount in (1, 10):
            (tmp_path / "checkpoint_mine.py").write_text(self.source.format(amount=amount))
            importlib.invalidate_caches()
            module = importlib.import_module("checkpoint_mine")
            mine = self.pipeline(module.Mine)
            assert runs(mine) == (1.0 + amount, ["first"] if amount == 1 else [])
            assert runs(mine) == (1.0 + amount, [])
            monkeypatch.delitem(sys.modules, "checkpoint_mine")

    def test_code_that_is_in_no_file_runs_each_time(self, runs, caplog):
        names = {"__name__": "typed_in"}
        exec(self.source.format(amount=5), names)
        assert runs(self.pipeline(names["Mine"])) == (6.0, ["first"])
        assert "second is not kept: no file holds the code of Mine" in caplog.text

    def test_a_pipeline_in_no_file_is_refused(self, runs):
        typed_in = type("TypedIn", (Two,), {"__module__": "typed_in"})
        with pytest.raises(CheckpointError, match="no file holds the code of TypedIn"):
            runs(typed_in)


class TestContent:
    def test_models_come_back_to_the_bit(self, ramp, tmp_path):
        ramp.meta.exposure.start_time = Time("2027-03-01T00:00:00.123456789", format="isot")
        ramp.meta.exposure.frame_time = 0.1 + 0.2
        ramp.meta.filename = "mine.asdf"
        ramp.meta.calibration_software_version = "of another program"
        ramp.meta["notes"] = {"empty": {}, "none": None, "mixed": [1, 2.5, "x", [True]]}
        ramp.data[0, 1, :3] = np.nan, np.inf, -0.0
        for _ in range(2):
            kept = Two.call(ramp, checkpoint=tmp_path)
        assert ran == ["first", "second"]
        meta, expected = kept.meta, ramp.meta
        time, given = meta.exposure.start_time, expected.exposure.start_time
        assert (time.jd1, time.jd2, time.format) == (given.jd1, given.jd2, "isot")
        assert meta.exposure.frame_time == 0.1 + 0.2
        assert meta.filename == "mine.asdf"
        assert meta.file_date == expected.file_date
        assert meta.calibration_software_version == "of another program"
        assert meta["notes"] == ramp.meta["notes"]
        assert list(kept) == list(ramp)
        assert kept.data.tobytes() == (ramp.data + np.float32(2)).tobytes()

    def test_half_precision_of_files_does_not_matter(self, tmp_path):
        image = datamodels.ImageModel(testing.create_wfi_image((8, 8)))
        image.err = np.full((8, 8), 1 / 3, np.float32)
        image.data = np.full((8, 8), 1e-9, np.float32)
        for _ in range(2):
            kept = Two.call(image, checkpoint=tmp_path)
        assert ran == ["first", "second"]
        assert kept.err.dtype == np.float32
        assert np.all(kept.err == np.float32(1 / 3))

    def test_what_has_no_exact_form_is_refused(self, ramp):
        with pytest.raises(UnidentifiedError, match=r"meta.x is a builtins.object"):
            Content.of({"meta": {"x": object()}})
        with pytest.raises(UnidentifiedError, match="it is a builtins"):
            Content.of(1j)

    @pytest.mark.parametrize(
        "change",
        [
            lambda ramp: ramp.data.__setitem__((1, 2, 3), 1),
            lambda ramp: ramp.meta.exposure.__setitem__("frame_time", 1.5),
            lambda ramp: setattr(ramp, "pixeldq", ramp.pixeldq.reshape(6, 24)),
            lambda ramp: ramp.meta.exposure.__setitem__(
                "end_time", Time("2020-01-01T00:00:00.000000001")
            ),
        ],
        ids=["pixel", "metadata", "shape", "time"],
    )
    def test_every_difference_shows(self, ramp, change):
        fingerprints = Fingerprints()
        before = fingerprints.of_value(ramp)
        assert fingerprints.of_value(ramp.copy()) == before
        change(ramp)
        assert fingerprints.of_value(ramp) != before

    def test_kinds_of_models_differ(self, ramp):
        fingerprints = Fingerprints()
        assert fingerprints.of_value(ramp) != fingerprints.of_value(dict(ramp.to_flat_dict()))
        assert fingerprints.of_value("1") != fingerprints.of_value(1)


class TestDirectory:
    def test_of_the_inputs_name(self, ramp, tmp_path):
        ramp.save(tmp_path / "r_uncal.asdf")
        Two.call(str(tmp_path / "r_uncal.asdf"), checkpoint=tmp_path / "a" / "b")
        names = sorted(path.name for path in (tmp_path / "a" / "b" / "r_uncal").iterdir())
        assert names == ["01_first.asdf", "01_first.json", "02_second.asdf", "02_second.json"]

    @pytest.mark.parametrize("name", ["../../up.asdf", "..", "/etc/x.asdf", "a b\nc.asdf", "."])
    def test_of_a_model_with_any_name(self, ramp, tmp_path, name):
        ramp.meta.filename = name
        Two.call(ramp, checkpoint=tmp_path / "kept")
        (directory,) = (tmp_path / "kept").iterdir()
        assert len(list(directory.iterdir())) == 4
        assert re.fullmatch(r"[\w.+-]+", directory.name)
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]

    def test_that_cannot_be_made(self, ramp, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(CheckpointError, match=r"checkpoint: cannot write to .*file"):
            Two.call(ramp, checkpoint=tmp_path / "file")
        assert ran == []

    def test_what_a_killed_run_left_is_removed(self, runs, tmp_path):
        runs(Two)
        (kept,) = (tmp_path / "kept").iterdir()
        (kept / ".02_second.asdf.0123456789ab.part").write_bytes(b"x")
        runs(Two)
        assert not list(kept.glob(".*"))

    def test_a_result_that_cannot_be_written_is_a_warning(self, runs, caplog, monkeypatch):
        def save(self, path, **options):
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr(datamodels.DataModel, "save", save)
        assert runs(Two) == (2.0, ["first", "second"])
        assert "The result of step first is not kept: [Errno 28] No space left" in caplog.text

    def test_large_files_that_nobody_touched_are_not_read(self, runs, monkeypatch):
        def sha256_of(path):
            raise AssertionError(f"{path} is read")

        runs(Two)
        monkeypatch.setattr(checkpoint, "LARGE_FILE", 0)
        monkeypatch.setattr(checkpoint, "sha256_of", sha256_of)
        assert runs(Two) == (2.0, [])


class Warns(Add):
    def process(self, ramp):
        self.log.warning("half of the pixels are dead")
        return super().process(ramp)


class Warning_(Two):
    step_defs = {"first": Warns, "second": Add}


class TestReports:
    def test_warnings_are_given_again(self, runs, caplog):
        runs(Warning_)
        caplog.clear()
        runs(Warning_)
        warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert warnings[0].startswith("Resuming from")
        assert re.fullmatch(r"half of the pixels are dead \(said at \d{4}-.*Z\)", warnings[1])
        assert len(warnings) == 2

    def test_each_resumed_step_is_named(self, runs, caplog):
        runs(Two)
        assert "resumed" not in caplog.text
        runs(Two, steps={"second": {"amount": 7.0}})
        assert "Step first resumed: its result is kept as 01_first" in caplog.text
        assert "Step second resumed" not in caplog.text
        assert "are out of date: step.parameters.amount was 1.0, is 7.0" in caplog.text

    def test_steps_are_reported_as_if_they_had_run(self, simulated, tmp_path):
        from romancal_rs.dq_init import DQInitStep
        from romancal_rs.linearity import LinearityStep

        class Linear(RomanPipeline):
            step_defs = {"linearity": LinearityStep}

            def process(self, input):
                return self.linearity(input)

        ramp = tmp_path / "ramp.asdf"
        DQInitStep.call(str(simulated.exposure), override_mask="N/A").save(ramp)
        reports = []
        for _ in range(2):
            pipeline = Linear(references=str(simulated.references), checkpoint=tmp_path / "kept")
            run = Run(pipeline)
            result = run(str(ramp))
            reports.append([(r.name, r.status, r.references) for r in run.reports])
            assert result.meta.ref_file.linearity == "roman_wfi_linearity_0001.asdf"
        assert reports[0] == reports[1]
        assert reports[0][0][2]["linearity"] == "roman_wfi_linearity_0001.asdf"
        assert any("Step linearity resumed" in line for line in result.meta.cal_logs)
