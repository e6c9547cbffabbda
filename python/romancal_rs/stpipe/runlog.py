"""Keeps the log messages of a run, for the product, without showing more of them to the user.

Steps log to ``stpipe.<pipeline>.<step>``. The messages from INFO upwards belong into the product
even where the user sees only warnings. So a step's own logger lets everything through to a filter,
which keeps what belongs to the run at hand, and passes on what the level of the ``stpipe`` logger
admits (that of the root logger, where the user set none). Neither of those two is ever touched.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOGGER_NAME = "stpipe"

#: What collects messages now, in this thread: the lists of the runs that are under way.
_runs: ContextVar[tuple[list[str], ...]] = ContextVar("runs", default=())


class _UtcFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)


_FORMATTER = _UtcFormatter(
    "%(asctime)s.%(msecs)03dZ :: %(name)s :: %(levelname)s :: %(message)s", "%Y-%m-%dT%H:%M:%S"
)


def _keep_and_pass_on(record: logging.LogRecord) -> bool:
    runs = _runs.get()
    if runs and record.levelno >= logging.INFO:
        line = _FORMATTER.format(record)
        for lines in runs:
            lines.append(line)
    return logging.getLogger(LOGGER_NAME).isEnabledFor(record.levelno)


def step_logger(qualified_name: str) -> logging.Logger:
    """The logger of a step; its messages are kept while a run is being recorded."""
    logger = logging.getLogger(qualified_name)
    logger.setLevel(logging.DEBUG)
    if _keep_and_pass_on not in logger.filters:
        logger.addFilter(_keep_and_pass_on)
    return logger


@contextmanager
def recording() -> Iterator[list[str]]:
    """Collects, formatted, what steps log inside the ``with`` block, in this thread."""
    lines: list[str] = []
    token = _runs.set((*_runs.get(), lines))
    try:
        yield lines
    finally:
        _runs.reset(token)
