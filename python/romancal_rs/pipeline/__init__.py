"""The pipelines: chains of steps that make products."""

from .exposure_pipeline import ExposurePipeline

__all__ = ["ExposurePipeline"]
