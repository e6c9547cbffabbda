"""The dark_current step: subtracts the dark signal of a ramp, or the dark rate of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy, kernels
from ._told import sparse_median
from .border import SCIENCE
from .errors import InputError
from .exposure import describe, read_pattern, thread_cap
from .stpipe import RampStep
from .stpipe.recipes import OF_2022

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import DarkRefModel, ImageModel, RampModel, ScienceRawModel

__all__ = ["DarkCurrentStep"]

__dir__ = _lazy.listing(__all__)


class DarkCurrentStep(RampStep):
    """Subtract the dark current from a rate image, or from each resultant of a ramp.

    Takes and returns an `ImageModel <romancal_rs.datamodels.ImageModel>`,
    in the recipe ``2022`` a `RampModel <romancal_rs.datamodels.RampModel>`.
    The flight pipeline runs the step after the fit, that of 2022 before. A DARK of today holds a
    rate: a ramp loses that rate times the mean time of each resultant. A DARK of 2022 holds the
    accumulated signal, which is subtracted as it is. For an image the DARK must hold a rate.
    """

    spec = """
        dark_output = output_file(default=None)  #! Save the dark that was subtracted to this file
    """
    class_alias = "dark_current"
    other_aliases = ("dark",)
    cal_step_name = "dark"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation", "linearity", "ramp_fit")
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {
            "builds_on": ("dq_init", "saturation", "linearity"),
            "default_suffix": "dark_current",
        },
    }
    takes_images = True
    default_suffix = "darkcurrent"
    reference_file_types: ClassVar[list[str]] = ["dark"]

    def kernel(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Kernel:
        signal, dq = dark_arrays(references["dark"], exposure)
        if signal.ndim == 3:
            self.log.info(
                "Subtracted: the dark's signal in each resultant, %.4g DN (median) in the last one",
                sparse_median(signal[-1]),
            )
            return kernels.dark(signal, dq)
        self.log.info(
            "Subtracted: the dark's rate, %.4g DN/s (median), times time", sparse_median(signal)
        )
        return kernels.dark_rate(signal, dq, read_pattern(exposure))

    def process_image(self, image: ImageModel, references: Mapping[str, Any]) -> None:
        dark = references["dark"]
        rate, dq = dark_rate(dark)
        kernels.subtract_dark_from_image(
            image.data, image.dq, rate, dq, max_threads=thread_cap(self.maximum_cores)
        )
        self.log.info("Subtracted: the dark's rate, %.4g DN/s (median)", sparse_median(rate))
        if self.dark_output is not None:
            self.save_to(dark.copy(), self.dark_output)

    def save_more(self, exposure: Any, references: Mapping[str, Any]) -> None:
        if self.dark_output is not None:
            self.save_to(subtracted_dark(exposure, references["dark"]), self.dark_output)


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
    Files of 2023 to 2025 hold both. The accumulated signal is used where it is known to be that of
    the exposure's own read-out: of its MA table, which the file has to state, and as long. Else the
    rate is. A file without a rate, as of 2022, serves by its accumulated signal where it is as long
    and not of another MA table, or by its first planes where it is longer and of the same one.
    """
    if "data" not in dark:
        return dark.stored("dark_slope"), dark.stored("dq")
    signal, dq = dark.stored("data"), dark.stored("dq")
    n_resultants = exposure.shape[0]
    same_table = ma_tables_agree(dark, exposure)
    as_long = signal.shape == exposure.shape
    if as_long and same_table:
        return signal, dq
    if "dark_slope" in dark:
        rate = dark.stored("dark_slope")
        if has_finite(rate):
            return rate, dq
    if as_long and same_table is None:
        return signal, dq
    if signal.shape[0] > n_resultants and signal.shape[1:] == exposure.shape[1:] and same_table:
        return signal[:n_resultants], dq
    raise InputError(
        f"{describe(dark)}: DARK of {signal.shape[0]} resultants, shape {signal.shape}, without a "
        f"rate (dark_slope); the exposure's shape is {exposure.shape}"
        + ("" if same_table is not False else ", and its MA table another")
    )


def dark_rate(dark: DarkRefModel) -> tuple[np.ndarray, np.ndarray]:
    """The rate of a DARK [DN/s] and its flags, without the border, which an image lacks.

    Raises
    ------
    InputError
        If it holds none.
    """
    if not has_rate(dark):
        raise InputError(told_without_rate(dark))
    return dark.stored("dark_slope")[SCIENCE], dark.stored("dq")[SCIENCE]


def has_rate(dark: DarkRefModel) -> bool:
    """Whether a DARK holds a rate, which is what is subtracted from an image."""
    return "dark_slope" in dark and has_finite(dark.stored("dark_slope"))


def told_without_rate(dark: DarkRefModel) -> str:
    """What is wrong with a DARK that holds no rate, and what would help."""
    return (
        f"{describe(dark)}: the DARK holds no rate (dark_slope), which is what is subtracted from "
        "a rate image: give another with override_dark (N/A skips the step), or have "
        "recipe = 2022, which subtracts from the ramp"
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


def subtracted_dark(exposure: ScienceRawModel | RampModel, dark: DarkRefModel) -> DarkRefModel:
    """A DARK with the accumulated signal of each resultant [DN] in ``data``."""
    import numpy as np

    result = dark.copy()
    signal, _ = dark_arrays(dark, exposure)
    if signal.ndim == 2:
        # In float32, as the kernel does it.
        times = read_pattern(exposure).times.astype(np.float32)
        signal = np.stack([signal * time for time in times])
    result["data"] = np.array(signal)
    return result
