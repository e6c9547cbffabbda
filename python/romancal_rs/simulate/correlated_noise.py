"""Noise that the channels of the read-out share, and the REFPIX reference that finds it again.

32 channels of 128 columns are read at the same time, and with them the reference output (amp33),
row by row and 140 samples a row: 128 pixels and 12 in which none is read. Odd channels (from 0) are
read from right to left. In this order of time, each part with a root mean square of
`correlated_noise` in a read,

- a common noise of spectrum 1/f runs through all channels, more in some than in others, and through
  amp33, which sees it a little later;
- a slow drift of spectrum 1/f^2 on either side of the detector fades towards the other side;
- each channel, and amp33, has its own level and tilt.

The pixels of the left and right border see the noise of their channels and no light. The weights
that estimate each noise from what sees it are Wiener's, ``signal / (signal + noise)`` by frequency:
Rauscher et al. 2017, PASP 129, 105003, "Improved reference sampling and subtraction".

What an average over n reads holds is drawn at once, with ``1 / sqrt(n)`` of the width: the noise of
one read is taken as independent of the next one's, which saves all but one of n transforms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..border import BORDER
from .config import CHANNEL_COLUMNS, SimulationConfig
from .streams import Stream, generator

PAUSE = 12
"""Samples at the end of each row in which no pixel is read."""

SAMPLES = CHANNEL_COLUMNS + PAUSE
"""Samples a row, of each channel."""

AMP33_DELAY = 0.3
"""How much later than the channels amp33 sees the common noise [samples]."""


@dataclass(frozen=True)
class Coupling:
    """How much of each noise the channels see, (n_channels,), float64.

    Attributes
    ----------
    common : ndarray
        Of the common noise; 1 is what amp33 sees.
    right : ndarray
        Of the drift of the right side; the rest to 1 is of the left.
    """

    common: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def edge(self) -> NDArray[np.float64]:
        """What a channel's mixture of both borders has of the common noise."""
        return (1 - self.right) * self.common[0] + self.right * self.common[-1]


@dataclass(frozen=True)
class CorrelatedNoise:
    """The shared noise of all resultants, in order of time within a row [DN].

    Attributes
    ----------
    coupling : Coupling
    common, common_in_amp33, left, right : ndarray, (n_resultants, rows, 128), float32
        The common noise, as the channels and as amp33 see it, and the drifts of both sides.
    levels, tilts : ndarray, (n_resultants, n_channels + 1), float32
        Of the channels and, last, of amp33: at the middle of the read-out, and from there to its
        end.
    """

    coupling: Coupling
    common: NDArray[np.float32]
    common_in_amp33: NDArray[np.float32]
    left: NDArray[np.float32]
    right: NDArray[np.float32]
    levels: NDArray[np.float32]
    tilts: NDArray[np.float32]

    def in_pixels(self, index: int, rows: slice) -> NDArray[np.float32]:
        """What the pixels of some rows see in a resultant, (rows, cols)."""
        common = self.coupling.common.astype(np.float32)
        share = self.coupling.right.astype(np.float32)
        left, right = self.left[index, rows], self.right[index, rows]
        seen = np.empty((left.shape[0], common.size, CHANNEL_COLUMNS), dtype=np.float32)
        for channel in range(common.size):
            noise = common[channel] * self.common[index, rows]
            noise += left + share[channel] * (right - left) + self._line(index, channel, rows)
            seen[:, channel] = noise[:, ::-1] if channel % 2 else noise
        return seen.reshape(seen.shape[0], -1)

    def in_amp33(self, index: int, rows: slice) -> NDArray[np.float32]:
        """What amp33 sees of it, (rows, 128)."""
        return self.common_in_amp33[index, rows] + self._line(index, -1, rows)

    def _line(self, index: int, channel: int, rows: slice) -> NDArray[np.float32]:
        """Level and tilt of a channel, or with -1 of amp33, (rows, 128)."""
        n_rows = self.common.shape[1]
        time = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] * SAMPLES
        time = (time + np.arange(CHANNEL_COLUMNS, dtype=np.float32)) * (2 / (n_rows * SAMPLES)) - 1
        return self.levels[index, channel] + self.tilts[index, channel] * time


def n_channels(config: SimulationConfig) -> int:
    """How many whole channels the frame has; 0 if its columns do not divide into channels."""
    return 0 if config.cols % CHANNEL_COLUMNS else config.cols // CHANNEL_COLUMNS


def has_correlated_noise(config: SimulationConfig) -> bool:
    """Whether channels share noise: not in an ideal read-out, nor in a part of a channel."""
    return config.readout == "flight" and n_channels(config) > 0


def make_coupling(config: SimulationConfig) -> Coupling:
    """Draw how much of the common noise each channel sees, and spread the drifts.

    Of an odd number of channels the last is read from left to right as the first is, its right
    border last; the reference knows a right border that is read first. So all see the left drift.
    """
    rng = generator(config.seed, config.detector, Stream.COUPLING)
    channels = n_channels(config)
    common = 1 + 0.05 * rng.standard_normal(channels).clip(-3, 3)
    is_even = channels % 2 == 0
    right = np.linspace(0, 1, channels) if is_even else np.zeros(channels)
    return Coupling(common, right)


def make_correlated_noise(config: SimulationConfig) -> CorrelatedNoise:
    """Draw the shared noise of all resultants."""
    rng = generator(config.seed, config.detector, Stream.CORRELATED_NOISE)
    coupling = make_coupling(config)
    n_resultants, length = len(config.pattern), config.rows * SAMPLES
    shape = (n_resultants, config.rows, CHANNEL_COLUMNS)
    common, in_amp33, left, right = (np.empty(shape, dtype=np.float32) for _ in range(4))
    spectrum, drift_spectrum = _spectra(config)
    delay = np.exp(-2j * np.pi * AMP33_DELAY / length * np.arange(length // 2 + 1))

    def series(waves: NDArray[np.complex128], n_reads: int) -> NDArray[np.float32]:
        """The sum of waves, without the pauses."""
        values = np.fft.irfft(waves, length) * (length / np.sqrt(n_reads))
        return values.reshape(config.rows, SAMPLES)[:, :CHANNEL_COLUMNS].astype(np.float32)

    def draw(variance: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Half the amplitude of each frequency, with its phase."""
        parts = rng.standard_normal((2, variance.size))
        return np.sqrt(variance) / 2 * (parts[0] + 1j * parts[1])

    for index, reads in enumerate(config.pattern):
        waves = draw(spectrum)
        common[index] = series(waves, len(reads))
        in_amp33[index] = series(waves * delay, len(reads))
        left[index], right[index] = (series(draw(drift_spectrum), len(reads)) for _ in "lr")
    width = config.correlated_noise / np.sqrt([len(reads) for reads in config.pattern])
    lines = rng.standard_normal((2, n_resultants, coupling.common.size + 1)) * width[:, None]
    levels, tilts = lines.astype(np.float32)
    return CorrelatedNoise(coupling, common, in_amp33, left, right, levels, tilts)


def refpix_coefficients(config: SimulationConfig) -> dict[str, NDArray[np.complex128]]:
    """The weights of the left border, the right border and amp33 in each channel's noise.

    With the spectra L, R and A of both borders (scaled to the whole row) and of amp33, the noise of
    a channel is estimated as ``gamma L + zeta R + alpha A``. Where the borders' weight is w, they
    bring ``w edge`` of the common noise with them, which amp33 need not.

    Returns
    -------
    dict of str to ndarray, (n_channels, rows * 70 + 1), complex128
        ``gamma``, ``zeta`` and ``alpha``.
    """
    coupling = make_coupling(config)
    common, of_borders = _weights(config)
    length = config.rows * SAMPLES
    # The correction turns a spectrum back with a factor of its length + 2.
    scale = length / (length + 2)
    advance = np.exp(2j * np.pi * AMP33_DELAY / length * np.arange(common.size))
    alpha = np.empty((coupling.common.size, common.size), dtype=np.complex128)
    for channel, (seen, edge) in enumerate(zip(coupling.common, coupling.edge, strict=True)):
        alpha[channel] = scale * common * (seen - edge * of_borders) * advance
    return {
        "gamma": np.multiply.outer(1 - coupling.right, scale * of_borders).astype(np.complex128),
        "zeta": np.multiply.outer(coupling.right, scale * of_borders).astype(np.complex128),
        "alpha": alpha,
    }


def residual_noise(config: SimulationConfig) -> NDArray[np.float64]:
    """What the best correction leaves in one read of a channel's pixels, (n_channels,) [DN].

    The error of a Wiener estimate is ``signal noise / (signal + noise)``, frequency by frequency.
    """
    coupling = make_coupling(config)
    left_of_common, left_of_drift = (
        (spectrum * (1 - weight)).sum()
        for spectrum, weight in zip(_spectra(config), _weights(config), strict=True)
    )
    of_drifts = coupling.right**2 + (1 - coupling.right) ** 2
    return np.sqrt(coupling.common**2 * left_of_common + of_drifts * left_of_drift)


def _spectra(config: SimulationConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variance of each frequency of the common noise and of the drifts, in one read [DN^2]."""
    frequency = np.arange(1, config.rows * SAMPLES // 2 + 1, dtype=np.float64)
    spectra = []
    for slope in (1.0, 2.0):
        power = np.concatenate([[0.0], frequency**-slope])
        spectra.append(config.correlated_noise**2 / power.sum() * power)
    return spectra[0], spectra[1]


def _weights(config: SimulationConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wiener's weights of the common noise in amp33, and of a drift in the pixels of a border.

    A border has 4 pixels of the 140 samples a row: scaled to the whole row, the variance of their
    white noise is that of the pixels times 140 / 4.
    """
    white = config.read_noise**2 * 2 / (config.rows * SAMPLES)
    weights = []
    for spectrum, noise in zip(_spectra(config), (white, white * SAMPLES / BORDER), strict=True):
        weight = np.zeros_like(spectrum)
        np.divide(spectrum, spectrum + noise, out=weight, where=spectrum > 0)
        weight[0] = weight[1]  # the mean is a drift as slow as can be
        weights.append(weight)
    return weights[0], weights[1]
