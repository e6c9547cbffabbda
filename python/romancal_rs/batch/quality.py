"""What the outcome of an exposure says of its product."""

from __future__ import annotations

from typing import Any

from .. import dqflags
from .outcome import Outcome

__all__ = ["describe_result"]

#: The arrays that tell which pixels are good.
_ARRAYS = ("data", "dq", "err")


def describe_result(outcome: Outcome, model: Any) -> None:
    """Fills in what steps were done, how many pixels are flagged, and the median rate, in place.

    Parameters
    ----------
    outcome : Outcome
    model : ImageModel or RampModel
        Of a list the first; nothing is said of what is neither.
    """
    if isinstance(model, list | tuple):
        model = model[0] if model else None
    meta = getattr(model, "meta", None)
    if meta is None:
        return
    outcome.cal_step = {name: str(value) for name, value in (meta.get("cal_step") or {}).items()}
    flags = model.get("dq") if "dq" in model else model.get("pixeldq")
    outcome.flags = {} if flags is None else dqflags.counts(flags)
    outcome.median_rate = _median_rate(model)


def _median_rate(model: Any) -> float | None:
    """The median of the good pixels, in the unit of the image; None where there is none."""
    import math

    from .. import kernels

    statistics = model.meta.get("statistics")
    if statistics is not None:
        median = statistics.get("image_median")
    elif all(name in model for name in _ARRAYS) and len(model.shape) == 2:
        median = kernels.image_statistics(*(model.stored(name) for name in _ARRAYS)).median
    else:
        median = None
    return None if median is None or math.isnan(median) else float(median)
