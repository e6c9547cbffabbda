"""Log messages: kept for the product from INFO upwards, shown as the root logger's level says."""

import logging

from romancal_rs.stpipe import Pipeline, Step
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
