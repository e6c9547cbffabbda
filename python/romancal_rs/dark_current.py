"""The dark_current step: DARK reference -> `kernels.subtract_dark`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from . import kernels
from .errors import InputError
from .exposure import describe, read_pattern
from .stpipe import RomanStep

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import DarkRefModel, RampModel

__all__ = ["DarkCurrentStep"]


class DarkCurrentStep(RomanStep):
    """Subtract the dark current, resultant by resultant.

    A DARK that holds a rate (today's) is subtracted as rate times the resultant's mean time; one
    that holds accumulated signal (2022's) as it is.
    """

    spec = """
        dark_output = output_file(default=None)  # Save the dark that was subtracted to this file
    """
    class_alias = "dark_current"
    cal_step_name = "dark"
    default_suffix = "dark_current"
    reference_file_types: ClassVar[list[str]] = ["dark"]

    def process(self, input: Any) -> RampModel:
        from .datamodels import RampModel

        ramp = self.prepare(input, RampModel, changes=["data", "pixeldq"])
        if self.get_reference_file(ramp, "dark") == "N/A":
            return self.skip_without(ramp, "dark")
        with self.get_reference_file_model(ramp, "dark") as dark:
            subtract_dark(ramp, dark)
            if self.dark_output is not None:
                self.save_to(subtracted_dark(ramp, dark), self.dark_output)
        self.record_step_status(ramp, self.cal_step_name)
        return ramp


def subtract_dark(ramp: RampModel, dark: DarkRefModel) -> None:
    """Subtracts the dark from ``ramp.data`` and adds its flags to ``ramp.pixeldq``, in place."""
    if "data" in dark:
        if dark.data.shape != ramp.data.shape:
            raise InputError(
                f"{describe(dark)}: DARK of {dark.data.shape[0]} resultants, shape "
                f"{dark.data.shape}; the exposure's shape is {ramp.data.shape}"
            )
        kernels.subtract_dark(ramp.data, ramp.pixeldq, dark.data, dark.dq)
        return
    # One resultant at a time: the dark of all of them would be as large as the ramp itself.
    rate = dark.dark_slope
    for resultant, time in zip(ramp.data, read_pattern(ramp).times, strict=True):
        kernels.subtract_dark(
            resultant[None], ramp.pixeldq, _accumulated(rate, time)[None], dark.dq
        )


def subtracted_dark(ramp: RampModel, dark: DarkRefModel) -> DarkRefModel:
    """A DARK with the accumulated signal of each resultant [DN] in ``data``."""
    result = dark.copy()
    if "data" not in dark:
        import numpy as np

        times = read_pattern(ramp).times
        result["data"] = np.stack([_accumulated(dark.dark_slope, time) for time in times])
    return result


def _accumulated(rate: np.ndarray, time: float) -> np.ndarray:
    """Dark signal [DN] after `time` seconds, in float32 as the kernel takes it."""
    import numpy as np

    return rate * np.float32(time)
