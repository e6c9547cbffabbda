"""The pipelines: chains of steps that make products."""

from .. import _lazy
from .exposure_pipeline import ExposurePipeline

__all__ = ["ExposurePipeline"]

__dir__ = _lazy.listing(__all__)
