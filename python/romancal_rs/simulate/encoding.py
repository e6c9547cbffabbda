"""An exposure as the spacecraft sends it: minus a reference read, plus an offset; a guide window.

All numbers are whole, so that what is sent holds exactly what was read out, except in the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..border import BORDER
from ..guide_window import GuideWindow
from .config import SimulationConfig
from .detector import AD_LIMIT, Detector
from .electronics import Electronics
from .ramp import AMP33_COLUMNS, Ramp
from .streams import Stream, generator

DATA_ENCODING_OFFSET = 1000
"""What is added to every resultant [DN]: far more than the noise."""

_WINDOW_SIZE = 16


def guide_window(config: SimulationConfig) -> GuideWindow:
    """Where an encoded exposure is guided: inside the border, left of and below the middle.

    It takes at most half of the science pixels' rows and columns (one at least).
    """
    n_rows, n_cols = (
        min(_WINDOW_SIZE, max((n - 2 * BORDER) // 2, 1)) for n in (config.rows, config.cols)
    )
    ystart, xstart = ((n - size) // 3 for n, size in ((config.rows, n_rows), (config.cols, n_cols)))
    ystart, xstart = max(ystart, BORDER), max(xstart, BORDER)
    return GuideWindow(xstart, xstart + n_cols, ystart, ystart + n_rows)


def encode(
    config: SimulationConfig,
    detector: Detector,
    ramp: Ramp,
    electronics: Electronics | None = None,
) -> dict[str, NDArray[Any]]:
    """The arrays of the Level 1 file of an encoded exposure.

    The pixels of the guide window are reset time and again: they never hold more than the pedestal
    and their bias. So does the reference read.

    Parameters
    ----------
    config : SimulationConfig
    detector : Detector
    ramp : Ramp
        What was read out; left as it is.
    electronics : Electronics, optional
        With which it was read out.

    Returns
    -------
    dict of str to ndarray
        ``data``, ``amp33``, ``reference_read`` and ``reference_amp33``, all uint16.
    """
    rng = generator(config.seed, config.detector, Stream.REFERENCE_READ)
    shape = ramp.data.shape[1:]
    noise = rng.standard_normal(shape, dtype=np.float32) * detector.read_noise
    bias = np.zeros(shape, dtype=np.float32) if electronics is None else electronics.bias
    pedestal = config.pedestal + bias
    reference_read = _whole(pedestal + noise)
    amp33_pedestal = config.pedestal + (0.0 if electronics is None else electronics.amp33_bias)
    amp33_shape = (config.rows, AMP33_COLUMNS)
    reference_amp33 = _whole(amp33_pedestal + rng.normal(0.0, config.read_noise, amp33_shape))

    window = guide_window(config)
    rows, cols = slice(window.ystart, window.ystop), slice(window.xstart, window.xstop)
    data = ramp.data.astype(np.int32)
    of_window = data[:, rows, cols]
    noise_of_window = rng.normal(0.0, config.read_noise, of_window.shape)
    of_window[:] = _whole(pedestal[rows, cols] + noise_of_window)
    return {
        "data": _whole(data - reference_read + DATA_ENCODING_OFFSET).astype(np.uint16),
        "amp33": _whole(
            ramp.amp33.astype(np.int32) - reference_amp33 + DATA_ENCODING_OFFSET
        ).astype(np.uint16),
        "reference_read": reference_read.astype(np.uint16),
        "reference_amp33": reference_amp33.astype(np.uint16),
    }


def _whole(signal: NDArray[Any]) -> NDArray[np.int32]:
    """Whole DN, within the range of what 16 bits can hold."""
    return np.rint(signal).clip(0, AD_LIMIT).astype(np.int32)
