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
    other_aliases = ("dark",)
    cal_step_name = "dark"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation", "linearity")
    default_suffix = "dark_current"
    other_suffixes = ("darkcurrent",)
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
        If the accumulated signal is that of another read-out, and there is no rate.

    Notes
    -----
    Files of 2023 to 2025 hold both. The accumulated signal is used where it is that of the
    exposure's own read-out, as of 2022; else the rate; else, if there is none, the first planes of
    a longer DARK of the same MA table.
    """
    if "data" not in dark:
        return dark.stored("dark_slope"), dark.stored("dq")
    signal, dq = dark.stored("data"), dark.stored("dq")
    n_resultants = exposure.shape[0]
    same_table = ma_tables_agree(dark, exposure)
    if signal.shape == exposure.shape and same_table is not False:
        return signal, dq
    if "dark_slope" in dark:
        rate = dark.stored("dark_slope")
        if has_finite(rate):
            return rate, dq
    if signal.shape[0] > n_resultants and signal.shape[1:] == exposure.shape[1:] and same_table:
        return signal[:n_resultants], dq
    raise InputError(
        f"{describe(dark)}: DARK of {signal.shape[0]} resultants, shape {signal.shape}, without a "
        f"rate (dark_slope); the exposure's shape is {exposure.shape}"
        + ("" if same_table is not False else ", and its MA table another")
    )


def ma_tables_agree(dark: DarkRefModel, exposure: ScienceRawModel | RampModel) -> bool | None:
    """Whether a DARK is of the exposure's MA table; None where it does not say of which it is."""
    from .datamodels import is_unknown

    agreements = [
        stated == exposure.meta.exposure.get(name)
        for name in ("ma_table_name", "ma_table_number")
        if (stated := dark.meta.get("exposure", {}).get(name)) not in (None, "?")
        and not is_unknown(stated)
    ]
    return all(agreements) if agreements else None


def has_finite(rate: np.ndarray) -> bool:
    """Whether any pixel has a rate. One look at a few tells it of most files."""
    import numpy as np

    return bool(np.isfinite(rate[::64, ::64]).any() or np.isfinite(rate).any())


def subtracted_dark(ramp: RampModel, dark: DarkRefModel) -> DarkRefModel:
    """A DARK with the accumulated signal of each resultant [DN] in ``data``."""
    import numpy as np

    result = dark.copy()
    signal, _ = dark_arrays(dark, ramp)
    if signal.ndim == 2:
        # In float32, as the kernel does it.
        times = read_pattern(ramp).times.astype(np.float32)
        signal = np.stack([signal * time for time in times])
    result["data"] = np.array(signal)
    return result
