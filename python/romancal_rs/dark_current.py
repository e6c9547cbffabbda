"""The dark_current step: DARK reference -> `kernels.subtract_dark`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from . import kernels
from .errors import InputError
from .exposure import describe, read_pattern
from .stpipe import RomanStep

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import DarkRefModel, RampModel, ScienceRawModel

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
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation", "linearity")
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
    signal, dq = dark_arrays(dark, ramp)
    if signal.ndim == 3:
        kernels.subtract_dark(ramp.data, ramp.pixeldq, signal, dq)
    else:
        kernels.subtract_dark_rate(ramp.data, ramp.pixeldq, signal, dq, read_pattern(ramp))


def dark_arrays(
    dark: DarkRefModel, exposure: ScienceRawModel | RampModel
) -> tuple[np.ndarray, np.ndarray]:
    """The signal of a DARK and its flags.

    Returns
    -------
    signal : ndarray, float32
        Accumulated in each resultant [DN], (n_resultants, n_rows, n_cols); or the rate [DN/s],
        (n_rows, n_cols), where the file holds nothing else.
    dq : ndarray, (n_rows, n_cols), uint32

    Raises
    ------
    InputError
        If the accumulated signal is that of another number of resultants.
    """
    if "data" not in dark:
        return dark.stored("dark_slope"), dark.stored("dq")
    signal = dark.stored("data")
    if signal.shape != exposure.shape:
        raise InputError(
            f"{describe(dark)}: DARK of {signal.shape[0]} resultants, shape {signal.shape}; "
            f"the exposure's shape is {exposure.shape}"
        )
    return signal, dark.stored("dq")


def subtracted_dark(ramp: RampModel, dark: DarkRefModel) -> DarkRefModel:
    """A DARK with the accumulated signal of each resultant [DN] in ``data``."""
    result = dark.copy()
    if "data" not in dark:
        import numpy as np

        # In float32, as the kernel does it.
        times = read_pattern(ramp).times.astype(np.float32)
        result["data"] = np.stack([dark.dark_slope * time for time in times])
    return result
