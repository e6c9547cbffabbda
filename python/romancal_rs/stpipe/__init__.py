"""How steps are configured, run and saved.

Write a step by subclassing `RomanStep`, a pipeline by subclassing `RomanPipeline`; `Step` and
`Pipeline` are the same without anything that is particular to Roman's data.
"""

from .. import _lazy
from .hooks import HookError
from .memory import reuse_memory
from .parameters import ParameterError, UnknownParameterError
from .pipeline import Pipeline
from .pool import ReferencePool
from .progress import Observer, Progress, ProgressObserver
from .ramp import FitStep, RampStep
from .roman import RomanPipeline, RomanStep
from .run import Origin, Run, RunError, StepReport
from .runlog import BreakLevelError
from .step import Step
from .subproc import SystemCall

__all__ = [
    "BreakLevelError",
    "FitStep",
    "HookError",
    "Observer",
    "Origin",
    "ParameterError",
    "Pipeline",
    "Progress",
    "ProgressObserver",
    "RampStep",
    "ReferencePool",
    "RomanPipeline",
    "RomanStep",
    "Run",
    "RunError",
    "Step",
    "StepReport",
    "SystemCall",
    "UnknownParameterError",
    "reuse_memory",
]

__dir__ = _lazy.listing(__all__)
