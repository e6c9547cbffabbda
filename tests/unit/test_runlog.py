"""Log messages: kept for the product from INFO upwards, shown as the root logger's level says."""

import logging
import sys
import threading
import unittest

import pytest

from romancal_rs.stpipe import Pipeline, Step, logconfig, runlog
from romancal_rs.stpipe.runlog import recording


class Speak(Step):
    def process(self, value):
        self.log.debug("a detail")
        self.log.info("a fact")
        self.log.warning("a worry")
        return value


class Talk(Pipeline):
    step_defs = {"speak": Speak}

    def process(self, value):
        return self.speak(value)


def test_messages_are_kept_with_logger_and_level():
    with recording() as lines:
        Speak().run(1)
    kept = [line.split(" :: ")[1:] for line in lines]
    assert ["stpipe.Speak", "INFO", "a fact"] in kept
    assert ["stpipe.Speak", "WARNING", "a worry"] in kept
    assert not any("a detail" in line for line in lines)
    assert all(line.split(" :: ")[0].endswith("Z") for line in lines)


def test_only_what_the_root_level_admits_is_shown(caplog):
    with caplog.at_level(logging.WARNING):
        Talk().run(1)
    assert [(r.name, r.message) for r in caplog.records] == [("stpipe.Talk.speak", "a worry")]


def test_the_level_of_stpipe_wins_over_root(caplog):
    with caplog.at_level(logging.INFO, logger="stpipe"):
        Speak().run(1)
    assert "a fact" in [r.message for r in caplog.records]


def test_root_logger_is_left_alone():
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    Talk().run(1)
    assert (root.level, root.handlers) == before


# --- messages of libraries


def shown(caplog):
    return [(record.name, record.levelname, record.getMessage()) for record in caplog.records]


class UsesLibrary(Step):
    """Calls the library code of the manual, and what its ``extra`` says besides."""

    def process(self, extra=None):
        log = logging.getLogger("some.package")
        log.setLevel(logging.DEBUG)
        log.debug("a detail of the library")
        log.info("I want to make note of something")
        if extra is not None:
            extra(self)


class CallsLibraryUser(Pipeline):
    step_defs = {"first": UsesLibrary, "second": UsesLibrary}

    def process(self, value):
        self.first()
        logging.getLogger("some.package").warning("in between")
        self.second()
        return value


def test_library_messages_appear_under_the_step_that_works(tmp_path):
    (tmp_path / "log.cfg").write_text(
        f"[*]\nlevel = INFO\nhandler = file:{tmp_path}/a.log\n"
        "format = %(name)s %(levelname)s %(message)s\n"
    )
    with logconfig.applied(tmp_path / "log.cfg"), recording() as lines:
        CallsLibraryUser().run(1)
    note = "I want to make note of something"
    of_library = [
        (f"stpipe.CallsLibraryUser{step}", level, message)
        for step, level, message in (
            (".first", "INFO", note),
            ("", "WARNING", "in between"),
            (".second", "INFO", note),
        )
    ]
    shown = [tuple(line.split(" ", 2)) for line in (tmp_path / "a.log").read_text().splitlines()]
    assert [entry for entry in shown if entry in of_library] == of_library
    assert not any("detail" in message for _, _, message in shown)
    kept = [tuple(line.split(" :: ")[1:]) for line in lines]
    assert [entry for entry in kept if entry in of_library] == of_library
    assert not any("detail" in line for line in lines)


def test_the_manuals_library_code(caplog):
    """It logs with the root logger, whose level it sets."""
    log = logging.getLogger()

    def my_library_call(step):
        log.info("root says so")

    with caplog.at_level(logging.DEBUG), logconfig.applied(), recording() as lines:
        UsesLibrary().run(my_library_call)
    assert lines[2].endswith(" :: stpipe.UsesLibrary :: INFO :: root says so")


def test_handlers_at_the_root_logger_get_what_a_library_logs_once_and_as_it_is(caplog):
    with caplog.at_level(logging.INFO), logconfig.applied():
        UsesLibrary().run()
    note = "I want to make note of something"
    assert [entry for entry in shown(caplog) if entry[2] == note] == [
        ("some.package", "INFO", note)
    ]


def test_handlers_at_stpipe_get_what_a_library_logs_as_of_the_step(monkeypatch):
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    monkeypatch.setattr(logging.getLogger("stpipe"), "handlers", [handler])
    with logconfig.applied():
        UsesLibrary().run(lambda step: logging.getLogger("some.package").error("it broke"))
    assert [r.name for r in seen if r.getMessage() == "it broke"] == ["stpipe.UsesLibrary"]


def test_what_a_library_would_not_emit_on_its_own_does_not_appear(caplog):
    """So says the manual: libraries that are noisy at DEBUG stay out unless they are let in."""

    def quiet(step):
        logging.getLogger("quiet.package").info("not to be seen")

    with caplog.at_level(logging.WARNING), logconfig.applied(verbose=True), recording() as lines:
        UsesLibrary().run(quiet)
    assert not any("not to be seen" in record.getMessage() for record in caplog.records)
    assert not any("not to be seen" in line for line in lines)


def test_sections_apply_to_library_messages(tmp_path):
    (tmp_path / "log.cfg").write_text(
        f"[*]\nlevel = CRITICAL\n[*.second]\nlevel = DEBUG\nhandler = file:{tmp_path}/a.log\n"
        "format = %(name)s %(module)s %(message)s\n"
    )
    with logconfig.applied(tmp_path / "log.cfg"):
        CallsLibraryUser().run(1)
    of_library = [
        line for line in (tmp_path / "a.log").read_text().splitlines() if "Step" not in line
    ]
    assert of_library == [
        "stpipe.CallsLibraryUser.second test_runlog a detail of the library",
        "stpipe.CallsLibraryUser.second test_runlog I want to make note of something",
    ]


def test_a_break_level_stops_at_a_library_message(tmp_path):
    (tmp_path / "log.cfg").write_text("[*.UsesLibrary]\nbreak_level = ERROR\n")

    def fails(step):
        logging.getLogger("some.package").error("it broke")

    with (
        logconfig.applied(tmp_path / "log.cfg"),
        pytest.raises(
            runlog.BreakLevelError, match="UsesLibrary logged at level ERROR: 'it broke'"
        ),
    ):
        UsesLibrary().run(fails)


def test_outside_of_a_step_library_messages_are_as_ever(caplog, capsys):
    library = logging.getLogger("some.package")
    with logconfig.applied():
        library.error("by itself")
        other = threading.Thread(target=library.error, args=("in another thread",))
        with runlog.owner(logging.getLogger("stpipe.UsesLibrary")):
            other.start()
            other.join()
    assert shown(caplog) == [
        ("some.package", "ERROR", "by itself"),
        ("some.package", "ERROR", "in another thread"),
    ]


def test_outside_of_a_step_python_still_prints_where_there_is_no_handler(monkeypatch, capsys):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with logconfig.applied():
        logging.getLogger("some.package").error("by itself")
    assert capsys.readouterr().err == "by itself\n"


def test_a_library_that_prints_its_messages_itself_shows_them_once(monkeypatch, capsys):
    library = logging.getLogger("printing.package")
    monkeypatch.setattr(library, "handlers", [logging.StreamHandler(sys.stderr)])
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with logconfig.applied(verbose=True), recording() as lines:
        UsesLibrary().run(lambda step: library.error("printed"))
    assert capsys.readouterr().err.count("printed") == 1
    assert any(line.endswith("stpipe.UsesLibrary :: ERROR :: printed") for line in lines)


def test_the_record_of_a_library_is_not_changed(monkeypatch):
    """Its own handlers see its own name."""
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record)
    monkeypatch.setattr(logging.getLogger("some.package"), "handlers", [handler])
    with logconfig.applied():
        UsesLibrary().run()
    assert {record.name for record in seen} == {"some.package"}


def test_a_run_leaves_the_handlers_and_the_level_of_the_root_logger_alone():
    """While it is under way as well as after it, also after a failure."""
    root = logging.getLogger()
    before = root.level, root.handlers, list(root.handlers)
    seen = []

    def fail(step):
        seen.append((root.level, root.handlers, root.handlers[: len(before[2])]))
        raise RuntimeError("the step failed")

    with pytest.raises(RuntimeError):
        UsesLibrary().run(fail)
    for level, handlers, content in (*seen, (root.level, root.handlers, list(root.handlers))):
        assert level == before[0]
        assert handlers is before[1]
        assert content == before[2]


def test_what_a_step_does_to_the_root_logger_stays(monkeypatch):
    root, mine = logging.getLogger(), logging.NullHandler()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    UsesLibrary().run(lambda step: root.addHandler(mine))
    assert root.handlers[-1] is mine


def test_a_message_with_wrong_arguments_does_not_stop_the_run(monkeypatch, capsys):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with logconfig.applied(), recording() as lines:
        UsesLibrary().run(lambda step: step.log.warning("%d", "no number"))
    assert "--- Logging error ---" in capsys.readouterr().err
    assert not any("no number" in line for line in lines)


def test_assert_logs_of_unittest():
    case = unittest.TestCase()
    with case.assertLogs("stpipe.Speak", "WARNING") as seen:
        Speak().run(1)
    assert [record.getMessage() for record in seen.records] == ["a worry"]
