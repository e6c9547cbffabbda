"""Batches as a user runs them: by each engine, with exposures that fail in every way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from batch.many import HANGS, KILLS, Many, alone, differences

from romancal_rs import cli, datamodels
from romancal_rs.batch import Kind, calibrate_all
from romancal_rs.batch.state import STATE_NAME, run_directories
from romancal_rs.errors import InputError

ENGINES = ["processes", "serial", "dask"]
#: In seconds; the smallest exposures take a tenth of one, on a busy machine one or two.
TIMEOUT = 12
COMMAND = "import sys; from romancal_rs.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Many:
    """Two detectors with four exposures each, of which nothing is to be said."""
    made = Many.make(tmp_path_factory.mktemp("many"), detectors=2)
    made.fill(4)
    return made


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory) -> tuple[Many, dict[str, Kind]]:
    """Exposures of three detectors, some of them bad, and what is to become of these."""
    many = Many.make(tmp_path_factory.mktemp("disturbed"), detectors=3)
    many.fill(3)
    bad = {many.truncate(many.add("WFI02", number)): Kind.BAD_INPUT for number in (50, 51)}
    bad[many.add("WFI01", KILLS)] = Kind.CRASHED
    bad[many.add("WFI02", HANGS)] = Kind.TIMEOUT
    bad[many.of_element("WFI03", 60, "F213")] = Kind.BAD_REFERENCE
    bad[many.without_data("WFI01", 70)] = Kind.NO_DATA
    bad[many.without_data("WFI03", 71)] = Kind.NO_DATA
    return many, {path.name: kind for path, kind in bad.items()}


def run_batch(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a separate process."""
    hooks = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "batch", *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(hooks), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def recorded(destination: Path) -> dict[str, str]:
    """The class of the last outcome of each exposure, by name."""
    state = run_directories(destination / STATE_NAME)[-1].state()
    return {Path(name).name: outcome.kind.value for name, outcome in state.outcomes.items()}


def done_again(destination: Path) -> list[str]:
    """Exposures that were calibrated to their end more than once."""
    times: Counter[str] = Counter()
    for path in (destination / STATE_NAME).glob("*/records/*.jsonl"):
        for line in path.read_text().splitlines():
            outcome = json.loads(line).get("outcome", {})
            times[outcome.get("input")] += outcome.get("kind") == "done"
    return [name for name, number in times.items() if number > 1]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_each_exposure_ends_in_its_class_and_as_a_run_alone(disturbed, tmp_path, engine):
    if engine == "dask":
        pytest.importorskip("distributed")
    many, bad = disturbed
    destination = tmp_path / "out"
    words = [many.raw, "--to", destination, "--references", many.references]
    words += ["--engine", engine, "--workers", 2, "--timeout", TIMEOUT]
    words += ["--pre_hooks=batch.many.disturb"]
    ended = run_batch("run", *words)
    if engine == "serial":  # the exposure that ends its process ended this one: call it again
        assert ended.returncode == -9
        ended = run_batch("run", *words)
    assert ended.returncode == 1, ended.stderr
    kinds = recorded(destination)
    sound = {path.name for path in many.raw.iterdir()} - bad.keys()
    assert {name: kinds[name] for name in bad} == {name: kind.value for name, kind in bad.items()}
    assert {kinds[name] for name in sound} <= {"done", "current"}
    assert not done_again(destination)
    status = run_batch("status", destination, "--json")
    assert status.returncode == 1
    for name in sorted(sound)[::4]:
        product = destination / name.replace("_uncal", "_cal")
        single = alone(
            many.raw / name, many.references, tmp_path / "alone", pre_hooks=["batch.many.disturb"]
        )
        assert differences(product, single) == []


def test_nothing_is_done_again_when_called_again(many, tmp_path, capsys):
    words = ["batch", "run", str(many.raw), "--to", str(tmp_path), "--engine=serial"]
    words += [f"--references={many.references}", "--recipe=2022"]
    assert cli.main(words) == 0
    assert "0 current, 8 new" in capsys.readouterr().out
    products = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.asdf")}
    assert len(products) == 8
    assert cli.main(words) == 0
    assert "8 current" in capsys.readouterr().out
    assert cli.main(["batch", "run", "--to", str(tmp_path)]) == 0  # by the plan that is there
    assert {path: path.stat().st_mtime_ns for path in products} == products
    assert not done_again(tmp_path)
    assert set(recorded(tmp_path).values()) <= {"done", "current"}


def test_what_changed_is_done_again_and_the_reason_is_told(many, tmp_path, capsys):
    words = ["batch", "run", str(many.raw), "--to", str(tmp_path), "--engine=serial"]
    words += [f"--references={many.references}", "--recipe=2022"]
    assert cli.main(words) == 0
    (tmp_path / next(tmp_path.glob("*_0002_wfi01_*cal.asdf")).name).unlink()
    capsys.readouterr()
    changed = [*words, "--steps.rampfit.algorithm=ols", "--dry-run"]
    assert cli.main(changed) == 0
    told = capsys.readouterr().out
    assert "7 would be redone: parameters" in told
    assert "1 new" in told
    assert cli.main([*words, "--dry-run"]) == 0
    assert "7 current, 1 new" in capsys.readouterr().out
    assert not list(tmp_path.glob("*_0002_wfi01_*cal.asdf"))  # nothing was done


def test_a_failure_is_not_tried_again_unless_asked(many, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    path = raw / "r0000101001001001001_0009_wfi01_f158_uncal.asdf"
    path.write_bytes(next(many.raw.glob("*wfi01*")).read_bytes())
    sources = {"to": tmp_path / "out", "references": many.references, "engine": "serial"}
    hook = {"pre_hooks": ["batch.many.fail"]}
    (first,) = calibrate_all(raw, parameters=hook, **sources)
    assert (first.kind, "not today" in first.message) == (Kind.FAILED, True)
    again = calibrate_all(raw, parameters=hook, **sources)
    assert [outcome.message for outcome in again.remaining.settled] == [first.message]
    assert not again.remaining.todo
    asked = calibrate_all(raw, parameters=hook, rerun="failed", **sources)
    assert len(asked.remaining.todo) == 1


def test_outcomes_tell_what_products_are_like(many, tmp_path):
    (one, *_) = calibrate_all(
        next(many.raw.glob("*_0001_wfi02*")), tmp_path, references=many.references, engine="serial"
    )
    with datamodels.open(one.product) as image:
        saturated = int((image.dq & 2 != 0).sum())
        assert one.flags.get("SATURATED", 0) == saturated
        assert one.median_rate == pytest.approx(image.meta.statistics.image_median)
        assert one.cal_step["dq_init"] == image.meta.cal_step.dq_init == "COMPLETE"
        assert set(one.references.values()) >= {image.meta.ref_file.dark}
    assert one.bytes_in == Path(one.input).stat().st_size
    assert one.bytes_out >= Path(one.product).stat().st_size
    assert one.product_stamp[0] == Path(one.product).stat().st_size
    assert min(one.seconds.values()) >= 0
    assert 0 < sum(one.seconds.values()) < 2 * one.wall_s
    assert one.attempts == 1


def test_shards_share_the_work_and_each_exposure_is_in_one(many, tmp_path):
    common = {"to": tmp_path, "references": many.references, "engine": "serial"}
    done = [
        [outcome.input for outcome in calibrate_all(many.raw, shard=f"{i}/3", **common)]
        for i in (1, 2, 3)
    ]
    assert sorted(name for names in done for name in names) == sorted(map(str, many.raw.iterdir()))
    assert not done_again(tmp_path)
    by_detector = calibrate_all(many.raw, shard="2/2", shard_by="detector", **common)
    assert {exposure.detector for exposure in by_detector.exposures} == {"WFI02"}


def test_two_commands_do_not_do_the_same_work(many, tmp_path):
    common = {"to": tmp_path, "references": many.references, "engine": "serial"}
    first = calibrate_all(many.raw, **common)
    outcomes = iter(first)
    next(outcomes)
    with pytest.raises(InputError, match="another romancal-rs batch is working on it"):
        list(calibrate_all(many.raw, **common))
    outcomes.close()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals")
@pytest.mark.parametrize("delay", [0.0, 0.3, 1.0])
def test_ctrl_c_ends_at_once_without_a_traceback_and_the_same_call_goes_on(many, tmp_path, delay):
    """Workers that were only being started told of a batch that was gone."""
    words = ["run", str(many.raw), "--to", str(tmp_path), f"--references={many.references}"]
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "batch", *words, "--workers=2"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    told = os.read(master, 1 << 16)  # from its first words on, however long it took to them
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(OSError):  # the end of what nobody writes to any more
        while part := os.read(master, 1 << 16):
            told += part
    os.close(master)
    process.wait(timeout=20)
    # Where all were done by then, it may have been past minding Ctrl-C.
    assert process.returncode == 130 or b"8 of 8, 0 failed" in told
    assert b"Traceback" not in told
    assert run_batch(*words, "--progress=none").returncode == 0
    assert not done_again(tmp_path)


def asked_to_end(many, to: Path, *options: str, again_after: float | None) -> tuple[int, str]:
    """Sends SIGTERM to a batch once an exposure is in work, and perhaps again."""
    words = ["run", str(many.raw), "--to", str(to), f"--references={many.references}", *options]
    hooks = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "batch", *words, "--workers=1", "--progress=none"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(hooks)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not in_work(to) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    if again_after is not None:
        time.sleep(again_after)
        process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=120)[1]
    return process.returncode, told


def in_work(to: Path) -> bool:
    """Whether a record says that an exposure was begun."""
    return any(directory.state().begun for directory in run_directories(to / STATE_NAME))


def test_sigterm_waits_for_what_is_in_work_and_a_second_one_does_not(tmp_path):
    hanging = Many.make(tmp_path / "made", detectors=1)
    hanging.add("WFI01", HANGS)
    hook = "--pre_hooks=batch.many.disturb"
    status, told = asked_to_end(hanging, tmp_path / "out", hook, again_after=2.0)
    assert status == 128 + signal.SIGTERM
    assert told.splitlines()[-1] == "romancal-rs: terminated"
    assert "Traceback" not in told
    calm = Many.make(tmp_path / "calm", detectors=1)
    calm.fill(8)
    status, told = asked_to_end(calm, tmp_path / "calm-out", again_after=None)
    assert status == 75
    (line,) = told.splitlines()
    assert line.startswith("romancal-rs: terminated: what was in work has ended")
