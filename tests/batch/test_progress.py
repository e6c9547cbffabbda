"""What a batch shows while it runs, by a clock that the tests set."""

from __future__ import annotations

import io
import json
import os
import re
import struct

import pytest

from romancal_rs.batch.outcome import Kind
from romancal_rs.batch.progress import Progress
from romancal_rs.errors import ArgumentError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_line_comes_every_ten_seconds_and_at_the_end(clock):
    stream = io.StringIO()
    with Progress(100, stream=stream, clock=clock) as progress:
        for second in range(26):
            clock.now = 100.0 + second
            ended = 2 * second
            progress.update({Kind.DONE: ended - 1, Kind.FAILED: 1} if second else {}, 100 - ended)
    assert stream.getvalue().splitlines() == [
        "20 of 100, 1 failed; 120/min, 0 MB/s, 40 s to go",
        "40 of 100, 1 failed; 120/min, 0 MB/s, 30 s to go",
        "50 of 100, 1 failed; 120/min, 0 MB/s, 25 s to go",
    ]


def test_what_was_done_before_is_not_speed(clock):
    stream = io.StringIO()
    progress = Progress(1000, stream=stream, clock=clock)
    progress.update({"done": 600, "current": 0}, 400, bytes_in=0)
    clock.now += 10
    progress.update({"done": 601, "current": 300}, 99, bytes_in=50_000_000)
    assert stream.getvalue() == "901 of 1,000, 0 failed; 6/min, 5 MB/s, 16 min to go\n"


def test_what_needs_no_work_is_not_speed(clock):
    """Where the plan knew of 5000 failures, they ended in no time: 200,000 a minute."""
    stream = io.StringIO()
    with Progress(5010, stream=stream, clock=clock) as progress:
        progress.update({}, 5010)
        clock.now += 1
        progress.update({"bad_reference": 5000}, 10, n_worked=0)
        clock.now += 59
        progress.update({"bad_reference": 5000, "done": 10}, 0, n_worked=10)
    assert stream.getvalue().splitlines()[-1] == "5,010 of 5,010, 5,000 failed; 10/min, 0 MB/s"


def test_a_batch_that_could_not_begin_has_no_last_line(clock):
    """Before the error it was said that 0 of 12 have ended, and 0 failed."""
    stream = io.StringIO()
    Progress(12, stream=stream, clock=clock).close()
    assert stream.getvalue() == ""


def test_the_speed_is_that_of_the_last_five_minutes(clock):
    stream = io.StringIO()
    progress = Progress(2000, stream=stream, every=600.0, clock=clock)
    # One a second for ten minutes, then one every two seconds for another ten.
    for second in range(1201):
        clock.now = 100.0 + second
        ended = second if second <= 600 else 600 + (second - 600) // 2
        progress.update({"done": ended}, 2000 - ended)
    first, second = stream.getvalue().splitlines()
    assert first == "600 of 2,000, 0 failed; 60/min, 0 MB/s, 23 min to go"
    assert second == "900 of 2,000, 0 failed; 30/min, 0 MB/s, 37 min to go"


def test_json_is_one_object_to_a_line(clock):
    stream = io.StringIO()
    progress = Progress(10, stream=stream, mode="json", clock=clock)
    clock.now += 60
    progress.update({Kind.DONE: 0}, 10)
    progress.update({Kind.DONE: 3, Kind.TIMEOUT: 1}, 6, 120_000_000, ["/raw/a.asdf"])
    progress.close()
    progress.close()
    progress.update({Kind.DONE: 10}, 0)
    first, last = map(json.loads, stream.getvalue().splitlines())
    assert (first["counts"], first["left"], first["seconds_left"]) == ({}, 10, None)
    assert last == {
        "total": 10,
        "counts": {"done": 3, "timeout": 1},
        "left": 6,
        "failed": 1,
        "in_work": ["/raw/a.asdf"],
        "exposures_per_minute": 4.0,
        "megabytes_per_second": 2.0,
        "seconds_left": 90.0,
    }


def test_none_shows_nothing_and_other_modes_are_refused(clock):
    stream = io.StringIO()
    with Progress(1, stream=stream, mode="none", clock=clock) as progress:
        clock.now += 100
        progress.update({"done": 1}, 0)
    assert stream.getvalue() == ""
    with pytest.raises(ArgumentError, match="mode: 'dots', not one of auto, bar"):
        Progress(1, stream=stream, mode="dots")


def test_a_stream_that_is_full_or_closed_stops_nothing(clock):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    closed = io.StringIO()
    for stream, mode in ((Full(), "lines"), (Full(), "bar"), (closed, "lines")):
        progress = Progress(2, stream=stream, mode=mode, clock=clock)
        closed.close()
        clock.now += 10
        progress.update({"done": 1}, 1)
        progress.close()


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns: what programs write to, and a function that gives what they did."""
    pty = pytest.importorskip("pty")
    import fcntl
    import termios

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLUMNS", raising=False)
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    stream = open(writer, "w", encoding="utf-8")  # noqa: SIM115

    def written() -> str:
        stream.flush()
        os.set_blocking(reader, False)
        found = b""
        while True:
            try:
                found += os.read(reader, 65536)
            except BlockingIOError:
                return found.decode()

    yield stream, written
    stream.close()
    os.close(reader)


def plain_lines(text: str) -> list[str]:
    """Without what moves the cursor and colours."""
    return [
        line for line in re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).split("\n") if line.strip("\r ")
    ]


def test_a_terminal_of_80_columns_gets_a_bar_that_fits(terminal, clock):
    stream, written = terminal
    names = [f"/raw/r0000101001001001001_{i:04}_wfi01_f158_uncal.asdf" for i in range(4)]
    progress = Progress(100_000, stream=stream, clock=clock)
    progress.update({}, 100_000)
    written()
    clock.now += 1000.0
    progress.update({"done": 49_000, "bad_input": 1_000}, 50_000, 10**12, names)
    lines = [line.strip("\r") for line in plain_lines(written())]
    assert all(len(line) <= 80 for line in lines)
    assert lines[-3].endswith("50,000 of 100,000, 1,000 failed")
    bar = lines[-3].removesuffix("50,000 of 100,000, 1,000 failed").rstrip()
    assert set(bar) <= set("━╸╺")
    assert len(bar) > 20
    assert lines[-2].rstrip() == "3000/min, 1000 MB/s, 17 min to go"
    assert lines[-1].startswith("in work: r0000101001001001001_0000_wfi01_f158_uncal.asdf, r0000")
    assert lines[-1].rstrip().endswith("…")
    progress.close()
    last = plain_lines(written())[-1].strip("\r")
    assert last == "50,000 of 100,000, 1,000 failed; 3000/min, 1000 MB/s, 17 min to go"


def test_a_bar_never_goes_beyond_its_end(terminal, clock):
    stream, written = terminal
    progress = Progress(3, stream=stream, clock=clock)
    for n_left in (-2, 7):
        clock.now += 1.0
        progress.update({"done": 5}, n_left)
    text = written()
    assert "3 of 3, 0 failed" in text
    assert "0 of 3, 0 failed" in text
    progress.close()
    assert "\x1b[?25h" in written()  # the cursor is shown again


def test_a_terminal_that_cannot_draw_gets_lines(terminal, clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream, written = terminal
    with Progress(3, stream=stream, clock=clock) as progress:
        progress.update({"failed": 1}, 2)
    assert written() == "1 of 3, 1 failed\r\n"


def test_a_batch_of_nothing_has_an_end(terminal, clock):
    stream, written = terminal
    with Progress(0, stream=stream, clock=clock) as progress:
        clock.now += 1.0
        progress.update({}, 0)
    assert plain_lines(written())[-1].strip("\r") == "0 of 0, 0 failed"
