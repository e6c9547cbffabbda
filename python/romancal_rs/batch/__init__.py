"""Many exposures: planned once, calibrated by worker processes, recorded, and resumed.

``calibrate_all(sources, to=...)`` does from Python what ``romancal-rs batch run`` does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import calibrate_all
    from .carry_out import Batch, BatchOptions
    from .outcome import Kind, Outcome
    from .plan import Plan
    from .supervise import StoppedError

#: Where each public name is; imported when it is first used.
_PLACES = {
    "Batch": "carry_out",
    "BatchOptions": "carry_out",
    "Kind": "outcome",
    "Outcome": "outcome",
    "Plan": "plan",
    "StoppedError": "supervise",
    "calibrate_all": "api",
}

__all__ = ["Batch", "BatchOptions", "Kind", "Outcome", "Plan", "StoppedError", "calibrate_all"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
