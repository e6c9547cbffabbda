"""What the detector's electronics add to the counts, and the flight steps remove.

Counts of a read come about in the reverse order of the steps: the signal and its bias lose to the
nonlinearity of the pixel (`detector.raw_signal`), the converter of the channel adds its own
nonlinearity, and the resultants get the transient, the decay of the dark signal, and the correlated
noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..border import SCIENCE
from .config import CHANNEL_COLUMNS, DETECTORS, MAX_SIZE, SimulationConfig, detector_number
from .correlated_noise import CorrelatedNoise, has_correlated_noise, make_correlated_noise
from .streams import Stream, generator

N_CHANNELS = MAX_SIZE // CHANNEL_COLUMNS

INL_NODES = np.arange(0, 65536, 64, dtype=np.uint16)
"""Counts at which the nonlinearity of the converters is tabulated [DN]."""

_INL_WAVES = 8

# The clock of the read-out: seconds a pixel; pixels of a row with its pauses; rows between
# excursions to the guide window, which take half as long again as what is left of the frame time.
_PIXEL_TIME = 4.915263e-6
_ROW_CLOCKS = 142
_EXCURSION_ROWS = 256
_EXCURSION_FACTOR = 1.5

_TRANSIENT_TIMES = (0.25, 0.9)  # s
_TRANSIENT_SHARES = (0.75, 0.25)


Term = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A signal in the science pixels: the product of these (rows, 1) and (1, cols) [DN]."""


@dataclass(frozen=True)
class DarkDecay:
    """A dark signal that decays after the reset.

    Attributes
    ----------
    amplitude : float
        At the middle of the first read [DN].
    time_constant : float
        s.
    """

    amplitude: float
    time_constant: float


@dataclass(frozen=True)
class Electronics:
    """The electronics of one exposure.

    Attributes
    ----------
    bias : ndarray, (rows, cols), float32
        What each pixel holds at reset, besides the pedestal [DN].
    amp33_bias : float
        The same of amp33.
    converters : ndarray, (n_channels, 1024), float64
        What corrects the converter of each channel at `INL_NODES` [DN].
    decays : sequence of sequences of Term
        The decaying signals of each resultant.
    correlated_noise : CorrelatedNoise, optional
        None in a part of a channel.
    """

    bias: NDArray[np.float32]
    amp33_bias: float
    converters: NDArray[np.float64]
    decays: Sequence[Sequence[Term]]
    correlated_noise: CorrelatedNoise | None

    def convert(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """The counts that a converter gives where an ideal one gave `counts`, (rows, cols).

        The correction c is linear in the converted counts v between its nodes, so it is linear in
        ``v + c(v)`` between the nodes of that.
        """
        converted = np.empty_like(counts)
        for channel, first in enumerate(range(0, counts.shape[1], CHANNEL_COLUMNS)):
            columns = slice(first, first + CHANNEL_COLUMNS)
            ideal, correction = counts[:, columns], self.converters[channel]
            converted[:, columns] = ideal - np.interp(ideal, INL_NODES + correction, correction)
        return converted

    def offsets(self, index: int, rows: slice) -> NDArray[np.float64]:
        """What a resultant holds besides its signal, (rows, cols) [DN].

        Pixels of the border have no dark signal that could decay.
        """
        offsets = np.zeros(self.bias[rows].shape)
        for of_rows, of_cols in self.decays[index]:
            offsets += of_rows[rows] * of_cols
        if self.correlated_noise is not None:
            offsets += self.correlated_noise.in_pixels(index, rows)
        return offsets

    def amp33_offsets(self, index: int, rows: slice) -> NDArray[np.float32] | float:
        """What amp33 holds in a resultant besides the pedestal, (rows, 128) [DN]."""
        if self.correlated_noise is None:
            return self.amp33_bias
        return np.float32(self.amp33_bias) + self.correlated_noise.in_amp33(index, rows)


def make_electronics(config: SimulationConfig) -> Electronics | None:
    """Draw the electronics of an exposure; None of an ideal read-out."""
    if config.readout == "ideal":
        return None
    return Electronics(
        make_bias(config),
        float(config.bias_pattern),
        make_converters(config),
        _decays(config),
        make_correlated_noise(config) if has_correlated_noise(config) else None,
    )


def make_bias(config: SimulationConfig) -> NDArray[np.float32]:
    """Draw the bias around `bias_pattern`, by channel, column and pixel; never negative."""
    rng = generator(config.seed, config.detector, Stream.BIAS)
    shape = (config.rows, config.cols)
    channel = np.arange(config.cols) // CHANNEL_COLUMNS
    of_columns = 0.5 * rng.uniform(-1, 1, N_CHANNELS)[channel] + 0.3 * rng.uniform(
        -1, 1, config.cols
    )
    of_pixels = np.float32(0.4) * rng.random(shape, dtype=np.float32)
    return np.float32(config.bias_pattern) * (np.float32(0.8 + of_columns) + of_pixels)


def make_converters(config: SimulationConfig) -> NDArray[np.float64]:
    """Draw what corrects the converters of all 32 channels, (32, 1024) [DN].

    A sum of waves over the range of the converter, of root mean square `integral_nonlinearity`.
    """
    rng = generator(config.seed, config.detector, Stream.CONVERTERS)
    wave = np.arange(1, _INL_WAVES + 1)
    phase = rng.uniform(0, 2 * np.pi, (N_CHANNELS, _INL_WAVES, 1))
    height = rng.uniform(0.5, 1, (N_CHANNELS, _INL_WAVES, 1)) / wave[:, None]
    waves = height * np.sin(2 * np.pi / 65536 * np.outer(wave, INL_NODES) + phase)
    corrections = waves.sum(axis=1)
    scale = np.sqrt((corrections**2).mean(axis=1, keepdims=True))
    return config.integral_nonlinearity / scale * corrections


def make_dark_decays(config: SimulationConfig) -> dict[str, DarkDecay]:
    """Draw the decays of all detectors: they share a reference file."""
    rng = generator(config.seed, DETECTORS[0], Stream.DARK_DECAY)
    amplitudes = config.dark_decay * rng.uniform(0.6, 1.4, len(DETECTORS))
    times = rng.uniform(12, 25, len(DETECTORS))
    return {
        detector: DarkDecay(float(amplitude), float(time))
        for detector, amplitude, time in zip(DETECTORS, amplitudes, times, strict=True)
    }


def read_times(config: SimulationConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When within a read each pixel is read: the sum of a time of its row and of its column [s].

    The rows of all detectors but every third are read from the top down; a small detector is the
    lower left part of a full one.

    Returns
    -------
    ndarray, (rows, 1)
    ndarray, (1, cols)
    """
    last = CHANNEL_COLUMNS - 1 + (MAX_SIZE - 1) * _ROW_CLOCKS
    n_excursions = MAX_SIZE // _EXCURSION_ROWS
    excursion = (config.frame_time / _PIXEL_TIME - last) / n_excursions * _EXCURSION_FACTOR
    row = np.arange(config.rows)
    if detector_number(config.detector) % 3:
        row = MAX_SIZE - 1 - row
    column = np.arange(config.cols)
    place = (column % CHANNEL_COLUMNS).astype(np.float64)
    is_odd = column // CHANNEL_COLUMNS % 2 == 1
    place[is_odd] = CHANNEL_COLUMNS - 1 - place[is_odd]
    clock = config.frame_time / (last + n_excursions * excursion)
    of_rows = clock * (_ROW_CLOCKS * row + excursion * (row // _EXCURSION_ROWS))
    return of_rows[:, None], clock * place[None, :]


def _decays(config: SimulationConfig) -> list[list[Term]]:
    """The decaying terms of each resultant, as `Electronics` has them."""
    of_rows, of_cols = read_times(config)
    inside: Term = np.zeros((config.rows, 1)), np.zeros((1, config.cols))
    inside[0][SCIENCE[0]], inside[1][:, SCIENCE[1]] = 1, 1

    def term(amplitude: float, time_constant: float, reads: Sequence[int], since: float) -> Term:
        """``amplitude exp(-t / time_constant)``, the mean of reads; t is 0 at the read `since`."""
        start = config.frame_time * (np.array(reads) - since)
        mean = amplitude * np.exp(-start / time_constant).mean()
        return (
            inside[0] * (mean * np.exp(-of_rows / time_constant)),
            inside[1] * np.exp(-of_cols / time_constant),
        )

    decay = make_dark_decays(config)[config.detector]
    terms = [
        [term(decay.amplitude, decay.time_constant, reads, since=1.5)] for reads in config.pattern
    ]
    if config.detector == "WFI18":
        for share, time in zip(_TRANSIENT_SHARES, _TRANSIENT_TIMES, strict=True):
            terms[0].append(term(share * config.transient, time, config.pattern[0], since=1))
    return terms
