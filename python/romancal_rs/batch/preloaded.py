"""Imports what workers need. Who is copied after that need not import it again."""

from __future__ import annotations

from .. import pipeline  # noqa: F401
from ..datamodels import load_libraries
from .engines import processes  # noqa: F401

load_libraries()
