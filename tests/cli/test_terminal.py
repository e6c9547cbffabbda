"""What is drawn on a terminal: a pseudo-terminal, read as a person sees it line after line."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass

import numpy as np
import pytest

from romancal_rs.cli import terminal
from romancal_rs.cli.progress import RunProgress
from romancal_rs.cli.summary import step_rows
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import Progress, ReferencePool, RomanPipeline, Run

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
FRAME = re.compile(r"^[━╸╺ -]* *(\d+) % (\d+):(\d\d) (.*)$")
#: Runs the command line with bars that do not wait for a second.
AT_ONCE = (
    "import sys; from romancal_rs.cli import main, terminal; "
    "terminal.SHOWN_AFTER = 0; sys.exit(main(sys.argv[1:]))"
)


@dataclass
class Shown:
    """What a command wrote to a terminal.

    Attributes
    ----------
    raw : str
        With all escape sequences.
    status : int
    """

    raw: str
    status: int

    @property
    def lines(self) -> list[str]:
        """What was on a line at any time, without colours."""
        return [ESCAPE.sub("", line).rstrip() for line in re.split(r"[\r\n]+", self.raw)]

    @property
    def frames(self) -> list[tuple[int, str]]:
        """Of each state of the bar its per cent, and what it names."""
        found = map(FRAME.match, self.lines)
        return [(int(frame[1]), frame[4].strip()) for frame in found if frame]

    @property
    def others(self) -> list[str]:
        return [line for line in self.lines if line and not FRAME.match(line)]


@pytest.fixture
def on_terminal(terminals):
    """Runs a command on a terminal of so many columns, with bars that do not wait for a second."""

    def run(words, columns, **environment) -> Shown:
        status, raw = terminals.run(words, columns, at_once=True, **environment)
        return Shown(raw, status)

    return run


def of_process(words, columns) -> Shown:
    """Runs a process of which all streams are a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    own = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    environment = {**own, "TERM": "xterm-256color"}
    running = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # nobody has the other end any more
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    return Shown(written.decode(), running.wait())


@pytest.fixture
def words(simulated, tmp_path):
    """A run of the pipeline, whose product has a path longer than a line of 80 columns."""
    place = tmp_path / ("long-" + "x" * 70)
    run = ["run", "roman_elp", str(simulated.exposure), f"--references={simulated.references}"]
    return [*run, f"--output_dir={place}"]


@pytest.fixture(scope="module")
def image(simulated, tmp_path_factory):
    """A product of the pipeline."""
    place = tmp_path_factory.mktemp("image")
    ExposurePipeline.call(
        simulated.exposure,
        references=simulated.references,
        output_dir=str(place),
        save_results=True,
    ).close()
    (path,) = place.glob("*_cal.asdf")
    return path


def held(frames):
    """Checks the states of a bar: never back, never beyond the end, and full at last."""
    shares = [share for share, _ in frames]
    assert shares
    assert shares == sorted(shares)
    assert shares[-1] == 100


@pytest.mark.parametrize("columns", [80, 200])
def test_a_run_counts_up_to_its_end_and_names_what_goes_on(on_terminal, words, columns):
    shown = on_terminal(words, columns)
    assert shown.status == 0, shown.raw
    held(shown.frames)
    assert shown.frames[-1][1].startswith("writing r0000101001001001001")
    assert not re.search(r"\d+ of \d+ steps", shown.raw)
    drawn = [line for line in shown.lines if FRAME.match(line)]
    assert max(map(len, drawn)) <= columns
    assert shown.raw.count("\x1b[?25h") >= shown.raw.count("\x1b[?25l") > 0  # the cursor is back


@pytest.mark.parametrize("columns", [80, 200])
def test_paths_and_names_are_whole_in_any_terminal(on_terminal, words, columns, tmp_path):
    shown = on_terminal([*words, "-v"], columns)
    (place,) = tmp_path.glob("long-*")
    for path in place.iterdir():
        assert f"wrote {path}" in shown.others
        assert any(line.endswith(f"Saved {path}") for line in shown.others)
    names = [line.split()[-1] for line in shown.others if line.endswith(".asdf")]
    assert "roman_wfi_inverselinearity_0001.asdf" in names


def test_log_lines_stand_above_the_bar_each_on_a_line_of_its_own(on_terminal, words):
    shown = on_terminal([*words, "-v"], 80)
    logged = [line for line in shown.lines if " - stpipe." in line]
    assert len(logged) > 40
    assert all(
        re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - stpipe\.", line) for line in logged
    )
    held(shown.frames)


def test_nothing_is_drawn_over_where_the_output_is_piped(words):
    command = [sys.executable, "-W", "ignore", "-c", AT_ONCE, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    heading, read, first, *_ = done.stdout.splitlines()
    assert heading.split() == ["step", "status", "seconds", "references"]
    assert read.split()[:2] == ["read", "-"]
    assert first.split()[:2] == ["dq_init", "COMPLETE"]


def test_a_terminal_that_can_only_print_gets_no_escape_sequences(on_terminal, words):
    shown = on_terminal(words, 80, TERM="dumb")
    assert shown.status == 0
    assert "\x1b" not in shown.raw


def test_no_color_leaves_the_bar_without_colours(on_terminal, words):
    coloured, plain = on_terminal(words, 80), on_terminal(words, 80, NO_COLOR="1")
    colours = {"30", "31", "32", "33", "34", "35", "36", "37", "38", "90", "91", "92"}

    def used(shown):
        codes = {code for found in COLOUR.findall(shown.raw) for code in found[2:-1].split(";")}
        return codes & colours

    assert used(coloured)
    assert not used(plain)
    held(plain.frames)


def test_the_cursor_comes_back_where_a_run_fails(on_terminal, words, tmp_path):
    shown = on_terminal([*words, "--override_flat", "no-such-file.asdf"], 80)
    assert shown.status == 1
    assert shown.raw.count("\x1b[?25h") == shown.raw.count("\x1b[?25l")
    assert "romancal-rs: \x1b[31merror\x1b[0m:" in shown.raw
    assert all(share < 100 for share, _ in shown.frames)


def test_a_simulation_shows_the_rows_that_are_read_out(on_terminal, tmp_path):
    words = ["simulate", str(tmp_path / "made"), "--size=256", "--resultants=4", "--reads=4"]
    shown = on_terminal(words, 80)
    assert shown.status == 0, shown.raw
    held(shown.frames)
    assert shown.frames[-1][1].endswith("_truth.npz")


def test_a_plan_counts_the_heads_that_are_read(on_terminal, simulated, tmp_path):
    for index in range(3):
        name = simulated.exposure.name.replace("0001_wfi01", f"{index:04d}_wfi01")
        (tmp_path / name).write_bytes(simulated.exposure.read_bytes())
    words = ["batch", "plan", str(tmp_path), f"--references={simulated.references}"]
    words += [f"--to={tmp_path / 'products'}"]
    shown = on_terminal(words, 80)
    assert shown.status == 0, shown.raw
    assert all(share <= 100 for share, _ in shown.frames)
    assert any("3 exposures" in line for line in shown.others)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["show", "IMAGE"], "drawing"),
        (["show", "IMAGE", "IMAGE", "--thumbnail", "-o", "."], "drawing: 0 of 2"),
        (["show", "IMAGE", "--ramp=3,4", "--table"], "fitting the ramp anew"),
        (["report", "IMAGE"], "looking at the exposure"),
        (["diff", "IMAGE", "IMAGE"], "comparing"),
        (["export", "IMAGE", "one.fits"], "writing one.fits"),
        (["info", "--stats", "IMAGE", "IMAGE"], "reading: 0 of 2"),
        (["validate", "IMAGE"], "reading"),
    ],
)
def test_whatever_may_take_long_says_what_goes_on(
    on_terminal, image, tmp_path, monkeypatch, words, named
):
    monkeypatch.chdir(tmp_path)
    if words[-1] == ".":  # two files of a name are one picture
        other = tmp_path / f"other_{image.name}"
        other.write_bytes(image.read_bytes())
        words = [words[0], "IMAGE", str(other), *words[3:]]
    words = [str(image) if word == "IMAGE" else word for word in words]
    shown = on_terminal(words, 80)
    assert shown.status == 0, shown.raw
    assert re.search(rf"\d:\d\d {named}", "\n".join(shown.lines)), shown.raw
    assert shown.raw.count("\x1b[?25h") >= shown.raw.count("\x1b[?25l") > 0


def test_what_takes_no_second_shows_no_bar():
    code = "from romancal_rs.cli.terminal import working\nwith working('a short work', 3): pass"
    shown = of_process([sys.executable, "-c", code], 80)
    assert shown.raw == ""


def test_what_is_printed_without_an_end_of_line_is_not_lost():
    code = (
        "import sys, time\n"
        "from romancal_rs.cli.terminal import working\n"
        "with working('work', 3, after=0) as work:\n"
        "    time.sleep(0.3); print('begun', end=''); work.advance()\n"
        "    time.sleep(0.3); print(' and ended'); print('left', end='', file=sys.stderr)\n"
    )
    shown = of_process([sys.executable, "-c", code], 80)
    assert "begun and ended" in shown.others
    assert shown.others[-1] == "left"
    assert [share for share, _ in shown.frames][-1] == 100


def test_work_goes_neither_back_nor_beyond_its_end():
    work = terminal.Working("work", 10)
    reached = []
    for step in (3, 2, -1, 99):
        work.reach(step)
        reached.append(work.done)
    work.advance(5)
    assert [*reached, work.done] == [3, 3, 3, 10, 10]
    work.count("other work", 1, 4)
    assert (work.description, work.done, work.total) == ("other work", 1, 4)


def test_a_plain_table_is_aligned_and_its_cells_are_whole():
    rows = [("one", "1.00", "a.asdf\nb.asdf"), ("three", "12.50", "")]
    lines = terminal.table_lines(("step", "seconds", "references"), rows, right=("seconds",))
    assert lines == [
        "step   seconds  references",
        "one       1.00  a.asdf, b.asdf",
        "three    12.50",
    ]


# --- what a run tells of itself


class Short(RomanPipeline):
    """A pipeline that is not ours, with steps that have no weight of their own."""

    step_defs = {name: ExposurePipeline.step_defs[name] for name in ("dq_init", "saturation")}

    def process(self, input):
        return self.saturation(self.dq_init(input))


RUNS = {
    "one pass": (ExposurePipeline, {}),
    "step by step": (ExposurePipeline, {"fused": False}),
    "recipe of 2022": (ExposurePipeline, {"recipe": "2022", "override_dark": "N/A"}),
    "saved": (ExposurePipeline, {"save_results": True}),
    "ramp saved": (ExposurePipeline, {"save_results": True, "save_calibrated_ramp": True}),
    "skipped": (ExposurePipeline, {"steps": {"refpix": {"skip": True}, "photom": {"skip": True}}}),
    "not fitted": (ExposurePipeline, {"steps": {"rampfit": {"skip": True}}}),
    "hooks": (ExposurePipeline, {"steps": {"flatfield": {"pre_hooks": [lambda image: image]}}}),
    "single step": (ExposurePipeline.step_defs["dq_init"], {}),
    "single step skipped": (ExposurePipeline.step_defs["dq_init"], {"skip": True}),
    "another pipeline": (Short, {}),
}


def followed(step, exposure):
    """What a bar would be told of a run, and the run."""
    reached, described = [0.0], []
    follower = RunProgress(step, reached.append, described.append)
    run = Run(step, observer=follower.observe, progress=follower.take)
    run(exposure)
    return run, reached, described


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_any_kind_is_counted_to_its_end(simulated, tmp_path, name):
    step_class, parameters = RUNS[name]
    step = step_class(references=str(simulated.references), output_dir=str(tmp_path), **parameters)
    run, reached, described = followed(step, simulated.exposure)
    assert max(reached) <= 1
    assert reached == sorted(reached)
    if run.saved_files:  # nobody knows which file is the last
        assert 0.9 < reached[-1] < 1
        assert f"writing {run.saved_files[-1].name}" in described
    else:
        assert reached[-1] == pytest.approx(1, abs=1e-12)


def test_the_one_pass_is_named_by_its_steps_and_rows(simulated):
    """While it got ready it was named by its last step, and then stood at no rows."""
    step = ExposurePipeline(references=str(simulated.references))
    _, _, described = followed(step, simulated.exposure)
    ready = described.index("dq_init to rampfit: getting ready")
    assert "rampfit" not in described[ready:]
    half = Progress("dq_init to rampfit", 1032, 2064, "rows")
    assert str(half) == "dq_init to rampfit: 1,032 of 2,064 rows"


def test_where_the_time_of_a_run_went_adds_up_to_all_of_it(simulated, tmp_path):
    step = ExposurePipeline(
        references=str(simulated.references), output_dir=str(tmp_path), save_results=True
    )
    run = Run(step)
    started = time.perf_counter()
    run(simulated.exposure)
    wall = time.perf_counter() - started
    assert sum(run.seconds.values()) == pytest.approx(wall, abs=0.05)
    assert min(run.seconds.values()) >= 0
    assert {"read", "write", "dq_init", "linearity", "rampfit"} <= set(run.seconds)


def test_the_rows_of_the_table_add_up_to_its_total(simulated, tmp_path):
    step = ExposurePipeline(references=str(simulated.references), output_dir=str(tmp_path))
    run = Run(step)
    run(simulated.exposure)
    *rows, total = step_rows(run)
    assert total[0] == "total"
    rounding = 0.005 * (len(rows) + 1)
    assert sum(float(row[2]) for row in rows) == pytest.approx(float(total[2]), abs=rounding)
    assert [row[0] for row in rows] == ["read", *(r.name for r in run.reports), "write"]


@pytest.mark.parametrize("slow", ["read", "write", "linearity", "flatfield"])
def test_time_is_counted_where_it_goes(simulated, tmp_path, monkeypatch, slow):
    from romancal_rs.datamodels import _writing
    from romancal_rs.flatfield import FlatFieldStep
    from romancal_rs.linearity import LinearityStep

    owner, name = {
        "read": (ReferencePool, "hold"),
        "write": (_writing, "write_blocks"),
        "linearity": (LinearityStep, "kernel"),
        "flatfield": (FlatFieldStep, "record_step_status"),
    }[slow]
    real = getattr(owner, name)
    waited = []

    def slowly(*args, **kwargs):
        if not waited:
            waited.append(True)
            time.sleep(0.5)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, slowly)
    step = ExposurePipeline(
        references=str(simulated.references), output_dir=str(tmp_path), save_results=True
    )
    run = Run(step)
    run(simulated.exposure)
    assert waited
    assert run.seconds[slow] >= 0.5


# --- what the kernels tell


@pytest.fixture(scope="module")
def slow_fit():
    """A fit that takes some tenths of a second with one thread."""
    from romancal_rs import kernels

    shape = (8, 1024, 1024)
    pattern = kernels.ReadPattern.evenly_spaced(8, 3.04)
    noise = np.random.default_rng(1).normal(0, 60, shape)  # in which there are jumps to find
    ramp = (100 * np.arange(8)[:, None, None] + noise).astype(np.float32)
    plane = np.ones(shape[1:], np.float32)
    fit = kernels.likelihood_fit(plane, plane * 5, pattern)

    def work(progress):
        return kernels.calibrate(ramp, [], fit, max_threads=1, band_rows=4, progress=progress)

    return work


def test_the_pixels_that_are_through_only_grow_and_never_beyond_all(slow_fit):
    told = []
    slow_fit(told.append)
    assert told == sorted(told)
    assert all(0 < number <= 1024 * 1024 for number in told)


def test_what_the_listener_raises_ends_the_work(slow_fit):
    class Enough(Exception):
        pass

    def stop(number):
        raise Enough(number)

    told = []
    slow_fit(told.append)
    if not told:
        pytest.skip("this machine fits a megapixel in less than a tenth of a second")
    with pytest.raises(Enough):
        slow_fit(stop)
