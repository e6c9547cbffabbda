"""The steps of the pipelines by their classes, as ``romancal.step`` has them in romancal 1.1.

``from romancal_rs.step import RampFitStep`` is the same class as in `romancal_rs.ramp_fitting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _lazy

if TYPE_CHECKING:
    from .assign_wcs import AssignWcsStep
    from .dark_current import DarkCurrentStep
    from .dark_decay import DarkDecayStep
    from .dq_init import DQInitStep
    from .flatfield import FlatFieldStep
    from .jump import JumpStep
    from .linearity import LinearityStep
    from .photom import PhotomStep
    from .ramp_fitting import RampFitStep
    from .refpix import RefPixStep
    from .saturation import SaturationStep
    from .wfi18_transient import WFI18TransientStep

__all__ = [
    "AssignWcsStep",
    "DQInitStep",
    "DarkCurrentStep",
    "DarkDecayStep",
    "FlatFieldStep",
    "JumpStep",
    "LinearityStep",
    "PhotomStep",
    "RampFitStep",
    "RefPixStep",
    "SaturationStep",
    "WFI18TransientStep",
]

# Modules beside this one.
_PLACES = {
    "AssignWcsStep": ".assign_wcs",
    "DQInitStep": ".dq_init",
    "DarkCurrentStep": ".dark_current",
    "DarkDecayStep": ".dark_decay",
    "FlatFieldStep": ".flatfield",
    "JumpStep": ".jump",
    "LinearityStep": ".linearity",
    "PhotomStep": ".photom",
    "RampFitStep": ".ramp_fitting",
    "RefPixStep": ".refpix",
    "SaturationStep": ".saturation",
    "WFI18TransientStep": ".wfi18_transient",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.public(__name__, __all__, places=_PLACES)
