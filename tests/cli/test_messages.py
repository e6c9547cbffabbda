"""Which messages a command shows, where, and how they look: on a terminal, in a pipe, in a file."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import romancal_rs
from romancal_rs import _ansi
from romancal_rs.cli import main
from romancal_rs.errors import shortened
from romancal_rs.stpipe.runlog import DEFAULT_FORMAT, ConsoleHandler

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def run(simulated, tmp_path, monkeypatch, capsys):
    """Runs a step that warns, in an empty directory; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words, status=0):
        given = ["run", "dq_init", simulated.exposure, "--override_mask=N/A", *words]
        assert main(list(map(str, given))) == status
        return capsys.readouterr()

    return run


def levels(text: str) -> set[str]:
    return set(re.findall(rf"^{TIME} - stpipe\.\w+ - (\w+) - ", text, re.MULTILINE))


# --- level, file, quiet


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--log-level=INFO"], {"INFO", "WARNING"}),
        (["--log-level", "info"], {"INFO", "WARNING"}),
        (["--log_level=Debug"], {"DEBUG", "INFO", "WARNING"}),
        (["-v"], {"DEBUG", "INFO", "WARNING"}),
        (["--log-level=ERROR"], set()),
        (["--quiet"], set()),
    ],
)
def test_the_level_of_what_is_shown(run, words, shown):
    printed = run(*words)
    assert levels(printed.err) - {"DEBUG"} == shown - {"DEBUG"}  # there may be none
    assert ("DQInitStep" in printed.out) == (words != ["--quiet"])


def test_a_quiet_run_prints_nothing_and_does_its_work(run, tmp_path, simulated):
    printed = run("-q", f"--references={simulated.references}")
    assert (printed.out, printed.err) == ("", "")
    assert len(list(tmp_path.glob("*.asdf"))) == 1


def test_a_quiet_run_tells_its_error(capsys, tmp_path):
    assert main(["calibrate", str(tmp_path / "nowhere.asdf"), "-q"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"romancal-rs: error: {tmp_path}/nowhere.asdf: No such file or directory\n"


@pytest.mark.parametrize(
    ("words", "in_file", "shown"),
    [
        ([], {"INFO", "WARNING"}, {"WARNING"}),
        (["-q"], {"INFO", "WARNING"}, set()),
        (["--log-level=WARNING"], {"WARNING"}, {"WARNING"}),
        (["--log-level=CRITICAL"], set(), set()),
    ],
)
def test_a_log_file_gets_more_than_the_terminal_which_stays_as_it_is(run, words, in_file, shown):
    printed = run(*words, "--log-file=my.log")
    assert levels(Path("my.log").read_text()) == in_file
    assert levels(printed.err) == shown


def test_a_log_file_is_added_to(run):
    run("--log-file=my.log")
    once = Path("my.log").read_text()
    run("--log-file=my.log")
    twice = Path("my.log").read_text()
    assert twice.startswith(once)
    assert len(twice.splitlines()) == 2 * len(once.splitlines())


def test_the_command_line_wins_over_a_configuration_file(run):
    Path("stpipe-log.cfg").write_text("[*]\nlevel = ERROR\nhandler = file:own.log\n")
    assert run().err == ""
    assert levels(run("--log-level=INFO").err) == {"INFO", "WARNING"}
    assert levels(Path("own.log").read_text()) == {"INFO", "WARNING"}
    run("--log-file=my.log")
    assert Path("own.log").read_text() == ""  # its level is its own
    assert levels(Path("my.log").read_text()) == {"INFO", "WARNING"}


def test_quiet_leaves_the_files_of_a_configuration_alone(run):
    Path("log.cfg").write_text('[*]\nlevel = INFO\nhandler = "file:own.log, stdout"\n')
    assert "INFO" in run("--logcfg=log.cfg").out
    assert run("--logcfg=log.cfg", "-q").out == ""
    assert levels(Path("own.log").read_text()) == {"INFO", "WARNING"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--log-level=LOUD"], "LOUD: no such level; the levels are DEBUG, INFO, WARNING"),
        (["--log-level=warn"], "did you mean 'WARNING'?"),
        (["-q", "-v"], "not allowed with argument"),
        (["--quiet", "--log-level=INFO"], "not allowed with argument"),
        (["--verbose", "--log-level=DEBUG"], "not allowed with argument"),
    ],
)
def test_wrong_options_of_messages_are_wrong_usage(capsys, words, told):
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", "x.asdf", *words])
    assert stop.value.code == 2
    assert told in capsys.readouterr().err


def test_a_log_file_that_cannot_be_is_wrong_usage(run):
    told = run("--log-file=nowhere/my.log", status=2).err
    assert "--log-file nowhere/my.log: the directory" in told
    assert "does not exist; make it first" in told


def test_commands_that_can_be_quiet(tmp_path, capsys):
    assert main(["simulate", str(tmp_path), "--size=32", "--resultants=3", "-q"]) == 0
    assert list(tmp_path.glob("*_uncal.asdf"))
    words = ["batch", "run", str(tmp_path), "--to", str(tmp_path / "out"), "-q"]
    words += ["--references", str(tmp_path / "references")]
    assert main([*words, "--dry-run"]) == 0
    assert capsys.readouterr() == ("", "")
    with pytest.raises(SystemExit) as stop:
        main([*words, "--progress=bar"])
    assert stop.value.code == 2


# --- colours


@pytest.fixture
def on_terminal(terminals):
    """Runs a command on a terminal of its own; returns its exit status and what it printed."""

    def run(words, columns=80, **environment) -> tuple[int, str]:
        status, told = terminals.run(words, columns, **environment)
        return status, told.replace("\r\n", "\n")

    return run


def warning(text: str) -> str:
    """The line of a warning, without its time."""
    (line,) = {line for line in text.splitlines() if "WARNING" in line and "skipped" in line}
    return re.sub(TIME, "TIME", line).removeprefix("\x1b[2K")


@pytest.fixture(scope="module")
def words(simulated):
    return ["run", "dq_init", simulated.exposure, "--override_mask=N/A", "--save_results=no"]


@pytest.mark.parametrize("columns", [80, 200])
def test_levels_have_colours_on_a_terminal_and_all_else_is_the_same(on_terminal, words, columns):
    command = [sys.executable, "-m", "romancal_rs", *map(str, words)]
    piped = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert not COLOUR.search(piped)
    status, told = on_terminal(words, columns)
    assert status == 0
    assert " - \x1b[33mWARNING\x1b[0m - " in warning(told)
    assert COLOUR.sub("", warning(told)).endswith(warning(piped))


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_not_wanted(on_terminal, words, environment):
    assert not COLOUR.search(warning(on_terminal(words, **environment)[1]))


def test_an_empty_no_color_is_none(on_terminal, words):
    assert COLOUR.search(warning(on_terminal(words, NO_COLOR="")[1]))


def test_errors_are_red(on_terminal, tmp_path):
    status, told = on_terminal(["calibrate", tmp_path / "nowhere.asdf"])
    assert status == 1
    assert "romancal-rs: \x1b[31merror\x1b[0m: " in told
    status, told = on_terminal(["calibrate"])
    assert status == 2
    assert "romancal-rs calibrate: \x1b[31merror\x1b[0m: name the file" in told
    assert "\x1b" not in on_terminal(["calibrate"], NO_COLOR="1")[1]


class Terminal:
    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize(
    ("format", "shown"),
    [
        (DEFAULT_FORMAT.partition(" - ")[2], "stpipe.x - {}WARNING{} - text"),
        ("%(levelname)-9s|%(message)s", "{}WARNING{}  |text"),
        ("%(levelname).1s %(levelname)s %(message)s", "{0}W{1} {0}WARNING{1} text"),
        ("%(message)s", "text"),
    ],
)
def test_colours_change_no_width(monkeypatch, format, shown):
    import logging

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    record = logging.LogRecord("stpipe.x", logging.WARNING, "x.py", 1, "text", (), None)
    ConsoleHandler("stderr", format).handle(record)
    assert terminal.text == shown.format("\x1b[33m", "\x1b[0m") + "\n"
    assert record.levelname == "WARNING"


def test_no_colours_on_what_is_no_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert _ansi.takes_colours(Terminal())
    assert not _ansi.takes_colours(None)
    with open(os.devnull, "w") as nowhere:
        assert not _ansi.takes_colours(nowhere)


# --- long paths


@pytest.mark.parametrize("columns", [80, 200])
def test_a_long_path_is_whole_on_a_terminal(on_terminal, tmp_path, simulated, columns):
    directory = tmp_path.joinpath(*(f"{letter * 60}" for letter in "abcdef"))
    status, told = on_terminal(["calibrate", directory / "r_uncal.asdf"], columns)
    assert status == 1
    assert f"{directory}/r_uncal.asdf: No such file" in told
    options = [f"--references={simulated.references}", f"--output-dir={directory}"]
    status, told = on_terminal(["run", "dq_init", simulated.exposure, *options], columns)
    assert status == 0
    assert re.search(rf"{directory}/\S+_dqinit\.asdf", told)


def test_paths_in_long_messages_are_whole():
    path = "/" + "/".join("x" * 100 for _ in range(20)) + "/a.asdf"
    filler = "word " * 300
    for text in (f"{path}: {filler}", f"{filler}: {path}", f"{path}: {filler}: {path}"):
        line = shortened(text)
        assert line.count(path) == text.count(path)
        assert " ... " in line
    assert shortened(f"{path} {path}") == f"{path} {path}"
    assert len(shortened("x" * 100_000)) < 1010  # that is no path
    assert len(shortened("/" * 100_000)) < 1010  # nor is that


def test_no_error_has_two_blanks_between_words():
    """A word was taken out of some, and its blank left: ``not a parameter file:  it has``."""
    found = []
    for path in Path(romancal_rs.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Raise | ast.Return):
                found += [
                    f"{path.name}:{part.lineno}: {part.value}"
                    for part in ast.walk(node)
                    if isinstance(part, ast.Constant)
                    and isinstance(part.value, str)
                    and re.search(r"[a-z:,;.]  (\w|$)", part.value)
                ]
    assert found == []
