"""Imports what workers need. Who is copied after that need not import it again."""

from __future__ import annotations

import signal

# Ctrl-C in a terminal is for who started this; it comes while modules are imported, too.
signal.signal(signal.SIGINT, signal.SIG_IGN)

from .. import pipeline  # noqa: E402, F401
from ..datamodels import load_libraries  # noqa: E402
from .engines import processes  # noqa: E402, F401

load_libraries()
