"""The simulated detector: one value per pixel of everything the reference files describe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..border import BORDER
from .config import LARGEST_NONLINEARITY, SimulationConfig, detector_number
from .streams import Stream, generator

PIXEL_KINDS = (
    "good",
    "reference",
    "dead",
    "hot",
    "warm",
    "low_qe",
    "no_gain",
    "no_linearity",
    "no_saturation_check",
    "no_flat",
)
"""What a pixel is; `Detector.kind` indexes this list."""

# How the defects share `bad_pixel_fraction`; roughly what the mission's mask files show.
_SHARES = {
    "dead": 0.25,
    "hot": 0.2,
    "warm": 0.15,
    "low_qe": 0.2,
    "no_gain": 0.02,
    "no_linearity": 0.08,
    "no_saturation_check": 0.06,
    "no_flat": 0.04,
}

AD_LIMIT = 65535.0
"""The highest number that the analogue-to-digital converter gives [DN]."""

SATURATION_MARGIN = 0.97
"""The SATURATION threshold is this fraction of the raw signal at which a pixel stops responding."""

N_COEFFICIENTS = 6


@dataclass(frozen=True)
class Detector:
    """Maps of the true detector, (rows, cols), float32 unless noted.

    Attributes
    ----------
    kind : ndarray of uint8
        Index into `PIXEL_KINDS`.
    gain : ndarray
        electron / DN.
    read_noise : ndarray
        Noise of one read [DN].
    dark_current : ndarray
        electron / s; 0 in reference pixels.
    response : ndarray
        Relative sensitivity to light; 0 where a pixel sees nothing.
    full_well : ndarray
        electron.
    nonlinearity : ndarray
        `a` in ``raw = L - a L^2`` [1 / DN]; 0 in reference pixels.
    """

    kind: NDArray[np.uint8]
    gain: NDArray[np.float32]
    read_noise: NDArray[np.float32]
    dark_current: NDArray[np.float32]
    response: NDArray[np.float32]
    full_well: NDArray[np.float32]
    nonlinearity: NDArray[np.float32]

    def is_kind(self, *names: str) -> NDArray[np.bool_]:
        """Mask of the pixels of these kinds."""
        mask = np.zeros(self.kind.shape, dtype=bool)
        for name in names:
            mask |= self.kind == PIXEL_KINDS.index(name)
        return mask


def flat_field(detector: Detector, gain: float) -> NDArray[np.float32]:
    """What pixels count in uniform light, relative to one of response 1 and a gain.

    A flat is made of counts, so that it holds what pixels differ by in their gain as well.

    Parameters
    ----------
    detector : Detector
    gain : float
        electron / DN.

    Returns
    -------
    ndarray, (rows, cols), float32
    """
    return detector.response * (np.float32(gain) / detector.gain)


def make_detector(config: SimulationConfig) -> Detector:
    """Draw the maps of a detector from the configuration's seed."""
    rng = generator(config.seed, config.detector, Stream.DETECTOR)
    shape = (config.rows, config.cols)
    kind = _draw_kinds(config, rng)

    def scatter(width: float) -> NDArray[np.float32]:
        """Factors around 1, never far from it."""
        return np.float32(1.0) + np.float32(width) * rng.standard_normal(
            shape, dtype=np.float32
        ).clip(-4, 4)

    # 32 output amplifiers, each reading its own columns, differ from each other more than their
    # pixels do.
    amplifiers = 1.0 + 0.01 * rng.standard_normal(32).clip(-3, 3)
    columns = np.arange(config.cols) * 32 // config.cols
    gain = (config.gain * amplifiers[columns]).astype(np.float32) * scatter(0.003)
    read_noise = np.float32(config.read_noise) * scatter(0.07)
    dark_current = np.float32(config.dark_current) * scatter(0.15)
    response = _large_scale_pattern(config) * scatter(config.flat_amplitude / 3)
    full_well = np.float32(config.full_well) * scatter(0.01)
    nonlinearity = np.float32(config.nonlinearity) * scatter(0.03)

    def where(name: str) -> NDArray[np.bool_]:
        return kind == PIXEL_KINDS.index(name)

    for name, low, high in (("hot", 2.0, 100.0), ("warm", 0.2, 2.0)):  # electron / s, log-uniform
        mask = where(name)
        dark_current[mask] = np.exp(rng.uniform(np.log(low), np.log(high), int(mask.sum())))
    low_qe = where("low_qe")
    response[low_qe] *= rng.uniform(0.3, 0.7, int(low_qe.sum())).astype(np.float32)
    insensitive = where("dead") | where("reference")
    response[insensitive] = 0
    dark_current[insensitive] = 0
    nonlinearity[where("reference")] = 0
    return Detector(kind, gain, read_noise, dark_current, response, full_well, nonlinearity)


def raw_signal(linear: NDArray, nonlinearity: NDArray) -> NDArray:
    """What the electronics show of a linear signal [DN], before noise and the A/D limit.

    The conversion gain of a pixel falls as charge fills its capacitance; to first order ``raw = L
    - a L^2``.
    """
    return np.minimum(linear * (1.0 - nonlinearity * linear), AD_LIMIT)


def linearity_coefficients(
    nonlinearity: NDArray[np.float32], largest: float = LARGEST_NONLINEARITY
) -> NDArray[np.float32]:
    """The polynomial that undoes `raw_signal`.

    ``raw = L - a L^2`` solved for L is ``raw C(x)`` with ``x = a raw`` and ``C = 2 / (1 + sqrt(1 -
    4 x)) = 1 + x C^2``. One polynomial of the third degree, near to ``C^2`` everywhere up to the
    largest x, serves all pixels. L is right to 0.01 DN where that is 0.04, to 0.03 DN at 0.06.

    Parameters
    ----------
    nonlinearity : ndarray, (rows, cols), float32
        `a` [1 / DN].
    largest : float
        The largest ``a raw`` at which it is to hold.

    Returns
    -------
    ndarray, (6, rows, cols), float32
        Coefficients in ascending powers [DN^(1-k)].
    """
    series = np.polynomial.Chebyshev.interpolate(
        lambda x: 4 / (1 + np.sqrt(1 - 4 * x)) ** 2, N_COEFFICIENTS - 3, (0, largest)
    )
    coefficients = np.zeros((N_COEFFICIENTS, *nonlinearity.shape), dtype=np.float32)
    power = np.ones_like(nonlinearity)
    factors = series.convert(kind=np.polynomial.Polynomial).coef
    for k, factor in enumerate((1, *factors), start=1):
        np.multiply(power, np.float32(factor), out=coefficients[k])
        power = power * nonlinearity
    return coefficients


def inverse_linearity_coefficients(nonlinearity: NDArray[np.float32]) -> NDArray[np.float32]:
    """The polynomial of `raw_signal`, (3, rows, cols), float32: in ascending powers [DN^(1-k)]."""
    coefficients = np.zeros((3, *nonlinearity.shape), dtype=np.float32)
    coefficients[1] = 1
    np.negative(nonlinearity, out=coefficients[2])
    return coefficients


def largest_nonlinearity(detector: Detector, pedestal: float) -> float:
    """The largest ``a raw`` of a pixel at its full well; of a linear detector a little above 0."""
    return max(float((detector.nonlinearity * _full_signal(detector, pedestal)).max()), 0.001)


def saturation_threshold(detector: Detector, pedestal: float) -> NDArray[np.float32]:
    """Raw signal [DN] from which on a pixel counts as saturated, (rows, cols), float32."""
    return (SATURATION_MARGIN * _full_signal(detector, pedestal)).astype(np.float32)


def _full_signal(detector: Detector, pedestal: float) -> NDArray[np.float32]:
    """Raw signal at full well, (rows, cols) [DN]."""
    return raw_signal(
        detector.full_well / detector.gain + np.float32(pedestal), detector.nonlinearity
    )


def _draw_kinds(config: SimulationConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Give each pixel at most one defect."""
    kind = np.zeros((config.rows, config.cols), dtype=np.uint8)
    draw = rng.random(kind.shape, dtype=np.float32)
    low = 0.0
    for name, share in _SHARES.items():
        high = low + share * config.bad_pixel_fraction
        kind[(draw >= low) & (draw < high)] = PIXEL_KINDS.index(name)
        low = high
    border = np.ones(kind.shape, dtype=bool)
    border[BORDER:-BORDER, BORDER:-BORDER] = False
    kind[border] = PIXEL_KINDS.index("reference")
    return kind


def _large_scale_pattern(config: SimulationConfig) -> NDArray[np.float32]:
    """A smooth flat field around 1: brighter in the middle, with a ripple along the columns.

    The ripple lies elsewhere in each detector.
    """
    y = np.linspace(-1, 1, config.rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, config.cols, dtype=np.float32)[None, :]
    phase = np.float32(detector_number(config.detector) - 1)
    pattern = 0.5 - (x * x + y * y) / 2 + 0.3 * np.cos(5 * x + 2 * y + phase)
    return 1 + np.float32(config.flat_amplitude) * pattern
