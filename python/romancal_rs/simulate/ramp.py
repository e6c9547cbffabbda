"""Reading the detector out: charge accumulates read by read, and resultants average the reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._threads import Threads
from .config import SimulationConfig
from .cosmic_rays import CosmicRays
from .detector import AD_LIMIT, Detector, raw_signal
from .electronics import Electronics
from .streams import BAND_ROWS, Stream, generator

AMP33_COLUMNS = 128


@dataclass(frozen=True)
class Ramp:
    """The readout of an exposure.

    Attributes
    ----------
    data : ndarray, (n_resultants, rows, cols), uint16
        DN.
    amp33 : ndarray, (n_resultants, rows, 128), uint16
        The reference output [DN].
    saturated_read : ndarray, (rows, cols), int32
        The first read that found the pixel at its full well or the converter at its limit; 0 where
        none did.
    """

    data: NDArray[np.uint16]
    amp33: NDArray[np.uint16]
    saturated_read: NDArray[np.int32]


def expose(
    config: SimulationConfig,
    detector: Detector,
    electron_rate: NDArray[np.float32],
    cosmic_rays: CosmicRays,
    electronics: Electronics | None = None,
    *,
    threads: int | None = None,
    tell: Callable[[int], None] = lambda rows: None,
) -> Ramp:
    """Simulate the readout.

    Parameters
    ----------
    config : SimulationConfig
    detector : Detector
    electron_rate : ndarray, (rows, cols), float32
        Expected charge per second, dark current included [electron / s].
    cosmic_rays : CosmicRays
    electronics : Electronics, optional
        What they add to the counts; nothing without.
    threads : int, optional
        How many bands of rows to work on at a time (the number of CPUs). The result does not
        depend on it.
    tell : callable, optional
        Called with the number of rows that are done.
    """
    n_resultants = len(config.pattern)
    ramp = Ramp(
        data=np.empty((n_resultants, config.rows, config.cols), dtype=np.uint16),
        amp33=np.empty((n_resultants, config.rows, AMP33_COLUMNS), dtype=np.uint16),
        saturated_read=np.zeros((config.rows, config.cols), dtype=np.int32),
    )

    def expose_band(start: int) -> None:
        _expose_band(config, detector, electron_rate, cosmic_rays, electronics, ramp, start)

    with Threads(threads or os.cpu_count()) as pool:
        starts = range(0, config.rows, BAND_ROWS)
        # An error in a band is raised here.
        for start, _ in zip(starts, pool.map(expose_band, starts), strict=True):
            tell(min(start + BAND_ROWS, config.rows))
    return ramp


def _expose_band(
    config: SimulationConfig,
    detector: Detector,
    electron_rate: NDArray[np.float32],
    cosmic_rays: CosmicRays,
    electronics: Electronics | None,
    ramp: Ramp,
    start: int,
) -> None:
    """Read out the rows from `start` on, into `ramp`."""
    rng = generator(config.seed, config.detector, Stream.RAMP, start // BAND_ROWS)
    rows = slice(start, min(start + BAND_ROWS, config.rows))
    rate = electron_rate[rows].astype(np.float64)
    gain = detector.gain[rows].astype(np.float64)
    nonlinearity = detector.nonlinearity[rows].astype(np.float64)
    full_well = detector.full_well[rows].astype(np.float64)
    read_noise = detector.read_noise[rows]
    hits = cosmic_rays.in_rows(rows.start, rows.stop)
    saturated_read = ramp.saturated_read[rows]

    pedestal = config.pedestal + (0.0 if electronics is None else electronics.bias[rows])

    charge = np.zeros(rate.shape)
    previous = 0
    for index, reads in enumerate(config.pattern):
        total = np.zeros(rate.shape)
        for read in reads:
            expected = rate * (config.frame_time * (read - previous))
            charge += rng.poisson(expected) if config.photon_noise else expected
            first, last = np.searchsorted(hits.read, (previous, read), side="right")
            np.add.at(
                charge, (hits.row[first:last], hits.col[first:last]), hits.electrons[first:last]
            )
            np.minimum(charge, full_well, out=charge)
            raw = raw_signal(charge / gain + pedestal, nonlinearity)
            full = (charge >= full_well) | (raw >= AD_LIMIT)
            saturated_read[full & (saturated_read == 0)] = read
            total += raw if electronics is None else electronics.convert(raw)
            previous = read
        # The mean of n independent read-out noises is one draw of 1/sqrt(n) the width.
        n_reads = len(reads)
        noise = rng.standard_normal(rate.shape, dtype=np.float32) * read_noise / np.sqrt(n_reads)
        signal = total / n_reads + noise
        reference_noise = rng.standard_normal((rate.shape[0], AMP33_COLUMNS)) * config.read_noise
        reference_signal = config.pedestal + reference_noise / np.sqrt(n_reads)
        if electronics is not None:
            signal += electronics.offsets(index, rows)
            reference_signal += electronics.amp33_offsets(index, rows)
        ramp.data[index, rows] = _digitise(signal)
        ramp.amp33[index, rows] = _digitise(reference_signal)


def _digitise(signal: NDArray) -> NDArray[np.uint16]:
    """Round to whole DN within the range of the converter."""
    return np.rint(signal).clip(0, AD_LIMIT).astype(np.uint16)
