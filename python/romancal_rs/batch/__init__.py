"""Many exposures: planned once, calibrated by worker processes, recorded, and resumed.

``calibrate_all(sources, to=...)`` does from Python what ``romancal-rs batch run`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _lazy

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

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.public(__name__, __all__, places=_PLACES)
