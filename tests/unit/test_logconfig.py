"""Logging configuration: the manual's sections "Logging" and "Logging configuration"."""

import logging
import os
import re
import subprocess
import sys
import threading

import pytest

from romancal_rs.errors import RomancalError
from romancal_rs.stpipe import Pipeline, Step, logconfig, runlog
from romancal_rs.stpipe.logconfig import LogConfig, LogConfigError, Section, applied
from romancal_rs.stpipe.runlog import BreakLevelError

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class MyStep(Step):
    def process(self, value):
        for level in LEVELS:
            self.log.log(getattr(logging, level), "%s of %s", level, self.name)
        return value


class MyPipeline(Pipeline):
    step_defs = {"MyStep": MyStep, "other": MyStep}

    def process(self, value):
        return self.other(self.MyStep(value))


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    """An empty current directory, an empty home, and no configuration for the whole machine."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    etc = str(tmp_path / "etc-stpipe-log.cfg")
    monkeypatch.setattr(logconfig, "SEARCHED", (*logconfig.SEARCHED[:-1], etc))
    return home


def remove_root_handlers(monkeypatch):
    """As in a new process. Not a fixture: pytest adds its own handlers after those."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


def write(name, text):
    with open(name, "w") as file:
        file.write(text)
    return name


def messages(path):
    """The messages in a log file that the steps above wrote, as (level, step)."""
    with open(path) as file:
        return re.findall(r"([A-Z]+) of (\w+)", file.read())


# --- the manual's examples


def test_manual_example_all_messages_in_a_file():
    config = """
[*]
level = INFO
handler = file:myrun.log
"""
    with applied(write("log.cfg", config)):
        MyPipeline().run(1)
    assert messages("myrun.log") == [
        (level, step) for step in ("MyStep", "other") for level in LEVELS[1:]
    ]


def test_manual_example_one_step_alone_and_stop_at_its_warning(capsys):
    config = """
[*]
level = CRITICAL

[*.MyStep]
level = INFO
break_level = WARNING
"""
    with (
        applied(write("log.cfg", config)),
        pytest.raises(BreakLevelError, match=r"MyPipeline\.MyStep .*'WARNING of MyStep'"),
    ):
        MyPipeline().run(1)
    shown = capsys.readouterr().err
    assert "INFO of MyStep" in shown
    assert "WARNING of MyStep" in shown
    assert "ERROR of MyStep" not in shown
    assert "MyPipeline running" not in shown


# --- which section applies


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*", {"MyStep", "P.MyStep", "P.MyStep.sub", "MyStep.sub", "P", "P.NotMyStep"}),
        ("*.MyStep", {"MyStep", "P.MyStep"}),
        ("*.MyStep.*", {"P.MyStep.sub", "MyStep.sub"}),
        ("P.*", {"P.MyStep", "P.MyStep.sub", "P.NotMyStep"}),
        ("P", {"P"}),
        ("*.?yStep", {"MyStep", "P.MyStep"}),
        ("*.mystep", set()),
    ],
)
def test_patterns(pattern, matched):
    config = LogConfig({pattern: Section(level=logging.ERROR)})
    names = ["MyStep", "P.MyStep", "P.MyStep.sub", "MyStep.sub", "P", "P.NotMyStep"]
    assert {name for name in names if config.settings(name).level == logging.ERROR} == matched


def test_a_section_overrides_only_the_options_it_sets():
    config = LogConfig(
        {
            "*": Section(level=logging.INFO, handler=("file:a.log",), break_level=logging.ERROR),
            "*.jump": Section(level=logging.DEBUG),
        }
    )
    settings = config.settings("ExposurePipeline.jump")
    assert settings.level == logging.DEBUG
    assert settings.handler == ("file:a.log",)
    assert (settings.break_level, settings.break_section) == (logging.ERROR, "*")


def test_the_more_specific_section_wins_in_any_order():
    general, specific = Section(level=logging.INFO), Section(level=logging.ERROR)
    for sections in ({"*": general, "*.jump": specific}, {"*.jump": specific, "*": general}):
        assert LogConfig(sections).settings("jump").level == logging.ERROR


def test_the_later_of_equally_specific_sections_wins():
    config = LogConfig({"*mp": Section(logging.INFO), "ju*": Section(logging.ERROR)})
    assert config.settings("jump").level == logging.ERROR


def test_a_step_that_no_section_matches_has_the_defaults(capsys):
    with applied(write("log.cfg", "[*.other]\nlevel = DEBUG\nhandler = stdout\n")):
        MyPipeline().run(1)
    shown = capsys.readouterr()
    assert "DEBUG of other" in shown.out
    assert "WARNING of MyStep" in shown.err
    assert "INFO of MyStep" not in shown.err


# --- the options


@pytest.mark.parametrize("level", LEVELS)
def test_level(level):
    with applied(write("log.cfg", f"[*]\nlevel = {level}\nhandler = file:a.log\n")):
        MyStep().run(1)
    assert [shown for shown, _ in messages("a.log")] == LEVELS[LEVELS.index(level) :]


@pytest.mark.parametrize("break_level", LEVELS[2:])
def test_break_level_stops_whatever_is_shown(break_level):
    config = f"[*]\nlevel = CRITICAL\nbreak_level = {break_level}\nhandler = file:a.log\n"
    with applied(write("log.cfg", config)), pytest.raises(RomancalError) as stopped:
        MyStep().run(1)
    assert str(stopped.value) == (
        f"MyStep logged at level {break_level}: '{break_level} of MyStep'; break_level = "
        f"{break_level} in section [*] of log.cfg stops the run"
    )
    assert stopped.value.record.levelname == break_level


@pytest.mark.parametrize(
    "value", ['"file:a.log, append:b.log, stdout"', "file:a.log, append:b.log, stdout"]
)
def test_several_handlers(value, capsys):
    write("b.log", "before\n")
    write("a.log", "before\n")
    with applied(write("log.cfg", f"[*]\nhandler = {value}\n")):
        MyStep().run(1)
    shown = [(level, "MyStep") for level in LEVELS[2:]]
    assert messages("a.log") == messages("b.log") == shown
    printed = capsys.readouterr()
    assert printed.out.count(" of MyStep") == 3
    assert printed.err == ""
    with open("a.log") as a, open("b.log") as b:
        assert "before" not in a.read()
        assert b.read().startswith("before\n")


def test_sections_share_a_file_which_is_emptied_once():
    config = """
[*]
handler = file:a.log
[*.MyStep]
level = ERROR
handler = file:./a.log
format = "step, %(message)s"  # in quotes, with a comma
"""
    with applied(write("log.cfg", config)):
        MyPipeline().run(1)
    assert messages("a.log") == [
        *((level, "MyStep") for level in LEVELS[3:]),
        *((level, "other") for level in LEVELS[2:]),
    ]
    with open("a.log") as file:
        assert file.readline() == "step, ERROR of MyStep\n"


def test_a_file_is_emptied_by_each_run_and_closed_at_its_end():
    config = write("log.cfg", "[*]\nlevel = CRITICAL\nhandler = file:a.log\n")
    for _ in range(2):
        with applied(config):
            MyStep().run(1)
        assert messages("a.log") == [("CRITICAL", "MyStep")]


def test_runs_inside_one_block_share_its_files():
    with applied(write("log.cfg", "[*]\nlevel = CRITICAL\nhandler = file:a.log\n")):
        for _ in range(2):
            with applied():
                MyStep().run(1)
    assert messages("a.log") == 2 * [("CRITICAL", "MyStep")]


def test_format():
    config = (
        "[*]\nlevel = CRITICAL\nhandler = file:a.log\nformat = %(name)s|%(funcName)s|%(lineno)d"
    )
    with applied(write("log.cfg", config)):
        MyStep().run(1)
    with open("a.log") as file:
        assert re.fullmatch(r"stpipe\.MyStep\|process\|\d+\n", file.read())


# --- mistakes in a file


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("level = INFO", "level is outside of a section; begin the file with [*]"),
        ("[*]\nlevle = INFO", "section [*]: there is no option 'levle'; did you mean 'level'?"),
        ("[*]\nlevle = INFO", "the options are level, break_level, handler, format"),
        (
            "[*.x]\nlevel = INFOO",
            "section [*.x], level = INFOO: no such level; did you mean 'INFO'",
        ),
        ("[*]\nbreak_level = 3", "the levels are DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        (
            "[*]\nhandler = syslog",
            "handler = syslog: 'syslog' is not a handler; valid handlers are file:NAME,",
        ),
        ("[*]\nhandler = file:", "'file:' is not a handler"),
        ("[*]\nhandler = 'stdout, '", "'' is not a handler"),
        ("[*]\nformat = %(mesage)s", "section [*], format = %(mesage)s"),
        ("[*]\nformat = message", "Invalid format 'message'"),
        ("[*]\n[[inner]]\nlevel = INFO", "section [*]: sections cannot contain others"),
        ("[*]\nlevel INFO", "line 2"),
        ("[*]\nlevel = INFO\n[*]\n", "line 3"),
        ("[*]\nhandler = file:a/b/c.log", "work/a/b does not exist; make it first"),
        ("[*]\nhandler = file:.", "is a directory"),
        ("[*]\nhandler = 'file:a.log, append:a.log'", "append:a.log: another handler uses the"),
    ],
)
def test_mistakes_are_named(text, says):
    with pytest.raises(LogConfigError) as wrong, applied(write("log.cfg", text)):
        pass
    assert "log.cfg" in str(wrong.value)
    assert says.lower() in str(wrong.value).lower()


def test_a_file_that_is_named_must_exist():
    with pytest.raises(LogConfigError, match=r"configuration file nowhere\.cfg: No such file"):
        applied("nowhere.cfg").__enter__()


def test_a_file_that_is_no_text():
    with open("log.cfg", "wb") as file:
        file.write(b"\xff\xfe\x00")
    with pytest.raises(LogConfigError, match=r"log\.cfg is not a logging configuration file"):
        LogConfig.read("log.cfg")


# --- where the file is looked for


def test_the_first_file_found_is_used_in_its_entirety(empty_home):
    places = [
        write("named.cfg", ""),
        write("stpipe-log.cfg", ""),
        write(empty_home / "stpipe-log.cfg", ""),
        write(empty_home / ".stpipe-log.cfg", ""),
        write(logconfig.SEARCHED[-1], ""),
    ]
    for number, place in enumerate(places):
        write(place, f"[*.step{number}]\nlevel = DEBUG\nhandler = file:{number}.log\n")
    for number, place in enumerate(places):
        with applied("named.cfg" if number == 0 else None):
            for other in range(len(places)):
                MyStep(name=f"step{other}").log.debug("DEBUG of step%d", other)
        assert messages(f"{number}.log") == [("DEBUG", f"step{number}")]
        os.remove(place)


def test_searched_places():
    """The manual's, and the hidden file that the system of 2022 looks for."""
    assert logconfig.SEARCHED[:-1] == (
        "stpipe-log.cfg",
        "~/stpipe-log.cfg",
        "~/.stpipe-log.cfg",
    )


# --- without a file


def test_by_default_warnings_are_shown_on_stderr(monkeypatch, capsys):
    remove_root_handlers(monkeypatch)
    with applied():
        MyStep().run(1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.split(" - ")[1:] for line in shown.err.splitlines()] == [
        ["stpipe.MyStep", level, f"{level} of MyStep"] for level in LEVELS[2:]
    ]


def test_in_a_new_process_warnings_are_shown_on_stderr():
    code = """
import logging
from romancal_rs.stpipe import Step, logconfig

class MyStep(Step):
    def process(self):
        self.log.info("a fact")
        self.log.warning("a worry")

with logconfig.applied():
    MyStep().run()
assert logging.getLogger().handlers == []
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.endswith(" - stpipe.MyStep - WARNING - a worry\n")
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_the_level_of_a_root_logger_with_handlers_counts(caplog):
    with caplog.at_level(logging.ERROR), applied():
        MyStep().run(1)
    assert [record.message for record in caplog.records] == [
        "ERROR of MyStep",
        "CRITICAL of MyStep",
    ]


def test_a_root_level_without_handlers_is_no_wish_to_see_more(monkeypatch, capsys):
    """The manual's library code sets the root logger's level."""
    remove_root_handlers(monkeypatch)
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    with applied():
        MyStep().run(1)
    assert re.findall(r"(\w+) of MyStep", capsys.readouterr().err) == LEVELS[2:]


def test_a_level_of_stpipe_without_handlers_is(monkeypatch, capsys):
    remove_root_handlers(monkeypatch)
    monkeypatch.setattr(logging.getLogger("stpipe"), "level", logging.INFO)
    with applied():
        MyStep().run(1)
    assert re.findall(r"(\w+) of MyStep", capsys.readouterr().err) == LEVELS[1:]


# --- verbose


def test_verbose_shows_everything_on_stderr(capsys):
    with applied(verbose=True):
        MyStep().run(1)
    assert re.findall(r"(\w+) of MyStep", capsys.readouterr().err) == LEVELS


def test_verbose_with_a_file_keeps_its_handlers_and_break_levels(capsys):
    config = write("log.cfg", "[*]\nlevel = ERROR\nbreak_level = ERROR\nhandler = file:a.log\n")
    with applied(config, verbose=True), pytest.raises(BreakLevelError):
        MyStep().run(1)
    assert [level for level, _ in messages("a.log")] == LEVELS[:4]
    assert re.findall(r"(\w+) of MyStep", capsys.readouterr().err) == LEVELS[:4]


# --- beside other handlers


def test_caplog_sees_what_a_section_admits(caplog):
    with applied(write("log.cfg", "[*]\nlevel = ERROR\nhandler = file:a.log\n")):
        MyStep().run(1)
    assert [record.message for record in caplog.records] == [
        "ERROR of MyStep",
        "CRITICAL of MyStep",
    ]


def test_nothing_is_shown_twice_on_the_terminal(monkeypatch, capsys):
    console = logging.StreamHandler(sys.stderr)
    monkeypatch.setattr(logging.getLogger(), "handlers", [console])
    for config in (None, write("log.cfg", "[*]\nhandler = stdout\n")):
        with applied(config):
            MyStep().run(1)
        shown = capsys.readouterr()
        assert (shown.out + shown.err).count("ERROR of MyStep") == 1


def test_runs_in_threads_keep_apart():
    both_run = threading.Barrier(2, timeout=600)  # only so that a fault does not hang

    class Meet(MyStep):
        def process(self, value):
            both_run.wait()
            with runlog.owner(self.log):
                logging.getLogger("library").error("ERROR of %s", self.name)
            super().process(value)
            both_run.wait()

    def run(name):
        config = write(f"{name}.cfg", f"[*]\nlevel = ERROR\nhandler = file:{name}.log\n")
        with applied(config), runlog.recording() as lines:
            Meet(name=name).run(1)
        kept[name] = lines

    root = logging.getLogger()
    before = root.level, list(root.handlers)
    kept = {}
    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("one", "two"):
        expected = [("ERROR", name), ("ERROR", name), ("CRITICAL", name)]
        assert messages(f"{name}.log") == expected
        assert all(f":: stpipe.{name} ::" in line for line in kept[name])
    assert (root.level, root.handlers) == before
