"""What to simulate: the parameters of one exposure, checked when they are set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np

from ..border import BORDER
from ..errors import InputError

MAX_SIZE = 4096
"""The most rows or columns of a detector."""

LARGEST_NONLINEARITY = 0.06
"""Share of the signal that may get lost at full well: up to there its correction holds."""

CHANNEL_COLUMNS = 128
"""Columns that share a channel of the read-out."""

READOUTS = ("flight", "ideal")
"""What `SimulationConfig.readout` may be."""

DETECTORS = tuple(f"WFI{number:02d}" for number in range(1, 19))
FILTERS = ("F062", "F087", "F106", "F129", "F146", "F158", "F184", "F213")
DISPERSERS = ("GRISM", "PRISM")

# Which optical elements each exposure type of the mission can be taken with.
EXPOSURE_TYPES: dict[str, tuple[str, ...]] = {
    "WFI_IMAGE": FILTERS,
    "WFI_SPECTRAL": DISPERSERS,
    "WFI_WFSC": FILTERS,
    "WFI_FLAT": FILTERS + DISPERSERS,
    "WFI_LOLO": FILTERS + DISPERSERS,
    "WFI_IM_DARK": ("DARK",),
    "WFI_SP_DARK": ("DARK",),
}

REFERENCE_USEAFTER = "2020-01-01T00:00:00"
"""The simulated reference files apply to exposures from this moment on."""

ReadPatternTable = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class SimulationConfig:
    """The parameters of a simulated exposure.

    Every quantity that varies over the detector (gain, read noise, dark current, full well,
    nonlinearity, bias) is given by its typical value; the simulation draws a map around it.

    Parameters
    ----------
    rows, cols : int
        Size of the detector with its 4-pixel border of reference pixels, 9 to 4096 each.
    n_resultants, n_reads : int
        An even read pattern: that many resultants of that many consecutive reads. Unused where
        `read_pattern` is given.
    read_pattern : sequence of sequences of int, optional
        Read numbers, from 1 and increasing, that each resultant averages, such as ``[[1], [2, 3],
        [4, 5, 6]]``. Reads may be left out; charge accumulates meanwhile.
    frame_time : float
        Seconds per read; read `k` ends ``k * frame_time`` after the reset.
    detector, optical_element, exposure_type : str
        As the mission spells them: ``WFI01``, ``F158``, ``WFI_IMAGE``.
    start_time : str
        UTC, ISO 8601.
    seed : int
        The same configuration with the same seed gives the same bits. No two detectors of a seed
        are alike: maps, sky and noise are their own.
    ra, dec, position_angle : float
        Where the centre of the focal plane points, and the position angle of its y axis [deg].
    program, visit, exposure : int
        Numbers that go into identifiers and the file name.
    background : float
        Sky background [electron / s / pixel].
    star_density : float
        Mean number of stars per pixel.
    star_flux_min, star_flux_max : float
        Range of the stars' count rates [electron / s]; the number of stars falls as flux^-1.5.
    cosmic_ray_rate : float
        Cosmic-ray hits per second and cm^2 (pixels are 10 micrometres wide).
    ipc : float
        Fraction of a hit's charge that inter-pixel capacitance puts into each of the four
        neighbours.
    gain : float
        Gain [electron / DN].
    read_noise : float
        Noise of one read [DN].
    dark_current : float
        Dark current [electron / s / pixel].
    pedestal : float
        Signal at reset [DN]. See `docs/how-to/simulate.md`.
    full_well : float
        Charge at which a pixel saturates [electron].
    nonlinearity : float
        `a` in ``raw = L - a L^2`` for an accumulated signal L [1 / DN].
    flat_amplitude : float
        Amplitude of the large-scale pattern of the flat field; pixels scatter by a third of it.
    bad_pixel_fraction : float
        Fraction of the science pixels with a defect.
    photon_noise : bool
        False accumulates the expected charge in place of a Poisson deviate.
    readout : str
        ``flight`` simulates what the steps of the flight recipe remove, and writes the references
        that this needs; ``ideal`` leaves it out, and the following values unused: for the recipe of
        2022. See `docs/how-to/simulate.md`.
    bias_pattern : float
        Mean of what pixels hold at reset besides the pedestal [DN].
    correlated_noise : float
        Root mean square in one read of each part of the noise that channels share: the common
        noise, the drifts of both sides, levels and tilts of channels [DN]. Frames whose columns do
        not divide by 128 have none of it.
    dark_decay : float
        Mean over the detectors of the decaying dark signal at the middle of the first read [DN].
    transient : float
        Signal at the start of the first read of WFI18 that fades while it is read [DN].
    integral_nonlinearity : float
        Root mean square deviation of the converters from a straight line [DN].
    encoded : bool
        Send the exposure as flight exposures are: as differences to a reference read, with an
        offset, and with a guide window.

    Raises
    ------
    InputError
        If a field's value makes no sense; the message names the field.
    """

    rows: int = 1024
    cols: int = 1024
    n_resultants: int = 8
    n_reads: int = 8
    read_pattern: Sequence[Sequence[int]] | None = None
    frame_time: float = 3.04
    detector: str = "WFI01"
    optical_element: str = "F158"
    exposure_type: str = "WFI_IMAGE"
    start_time: str = "2027-06-01T00:00:00"
    seed: int = 1
    ra: float = 270.0
    dec: float = 66.0
    position_angle: float = 12.0
    program: int = 1
    visit: int = 1
    exposure: int = 1
    background: float = 0.8
    star_density: float = 2.0e-3
    star_flux_min: float = 20.0
    star_flux_max: float = 2.0e5
    cosmic_ray_rate: float = 8.0
    ipc: float = 0.015
    gain: float = 1.9
    read_noise: float = 5.0
    dark_current: float = 0.02
    pedestal: float = 40.0
    full_well: float = 1.05e5
    nonlinearity: float = 5.0e-7
    flat_amplitude: float = 0.03
    bad_pixel_fraction: float = 0.005
    photon_noise: bool = True
    readout: str = "flight"
    bias_pattern: float = 100.0
    correlated_noise: float = 2.0
    dark_decay: float = 4.0
    transient: float = 40.0
    integral_nonlinearity: float = 2.0
    encoded: bool = False

    def __post_init__(self) -> None:
        self._check_types()
        for name, low, high in (
            ("rows", 2 * BORDER + 1, MAX_SIZE),
            ("cols", 2 * BORDER + 1, MAX_SIZE),
            ("n_resultants", 1, math.inf),
            ("n_reads", 1, math.inf),
            ("seed", 0, math.inf),
            ("ra", 0, 360),
            ("dec", -90, 90),
            ("position_angle", -360, 360),
            ("program", 1, 99999),
            ("visit", 1, 999),
            ("exposure", 1, 9999),
            ("background", 0, 1e6),
            ("star_density", 0, 1),
            ("cosmic_ray_rate", 0, 1e5),
            ("ipc", 0, 0.25),
            ("read_noise", 0, 1e4),
            ("dark_current", 0, 1e6),
            ("pedestal", 0, 1e4),
            ("nonlinearity", 0, 1),
            ("flat_amplitude", 0, 0.2),
            ("bad_pixel_fraction", 0, 1),
            ("bias_pattern", 0, 1e4),
            ("correlated_noise", 0, 1e3),
            ("dark_decay", 0, 1e3),
            ("transient", 0, 1e4),
            ("integral_nonlinearity", 0, 50),
        ):
            self._check_range(name, low, high)
        for name in ("frame_time", "gain", "full_well", "star_flux_min", "star_flux_max"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name}: must be positive, got {getattr(self, name)}")
        if self.star_flux_min >= self.star_flux_max:
            raise InputError(
                "star_flux_min: must lie below star_flux_max, got "
                f"{self.star_flux_min} and {self.star_flux_max}"
            )
        self._check_nonlinearity()
        self._check_mode()
        self._check_start_time()
        if self.encoded and self.rows == self.cols == 2 * BORDER + 1:
            raise InputError(
                "encoded: the guide window leaves none of the science pixels of 9 x 9; take more "
                "rows or cols"
            )
        if self.read_pattern is not None:
            # The way to set a field of a frozen dataclass while it is being made.
            object.__setattr__(self, "read_pattern", check_read_pattern(self.read_pattern))

    def _check_types(self) -> None:
        integers = {"int": (int, np.integer), "float": (int, float, np.integer, np.floating)}
        for field in fields(self):
            value = getattr(self, field.name)
            kinds = {**integers, "str": (str,), "bool": (bool, np.bool_)}.get(str(field.type))
            if kinds is None:  # read_pattern has its own check
                continue
            if not isinstance(value, kinds) or (field.type != "bool" and isinstance(value, bool)):
                raise InputError(f"{field.name}: expected {field.type}, got {value!r}")
            if field.type == "float" and not math.isfinite(float(value)):
                raise InputError(f"{field.name}: must be finite, got {value}")

    def _check_range(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            limits = f"at least {low}" if high == math.inf else f"between {low} and {high}"
            raise InputError(f"{name}: must be {limits}, got {value}")

    def _check_nonlinearity(self) -> None:
        # The LINEARITY polynomial is a truncated series in nonlinearity x signal: accurate while
        # that is small.
        bias = 2 * self.bias_pattern if self.readout == "flight" else 0.0
        fraction = self.nonlinearity * (self.full_well / self.gain + self.pedestal + bias)
        if fraction > LARGEST_NONLINEARITY:
            raise InputError(
                f"nonlinearity: {self.nonlinearity} makes {fraction:.0%} at full well "
                f"({self.full_well / self.gain:.0f} DN); the polynomial that corrects it "
                f"holds up to {LARGEST_NONLINEARITY:.0%}"
            )

    def _check_mode(self) -> None:
        if self.readout not in READOUTS:
            raise InputError(f"readout: must be flight or ideal, got {self.readout!r}")
        if self.detector not in DETECTORS:
            raise InputError(f"detector: must be one of WFI01 to WFI18, got {self.detector!r}")
        if self.exposure_type not in EXPOSURE_TYPES:
            raise InputError(
                f"exposure_type: must be one of {', '.join(EXPOSURE_TYPES)}, "
                f"got {self.exposure_type!r}"
            )
        elements = EXPOSURE_TYPES[self.exposure_type]
        if self.optical_element not in elements:
            raise InputError(
                f"optical_element: must be one of {', '.join(elements)} for {self.exposure_type}, "
                f"got {self.optical_element!r}"
            )

    def _check_start_time(self) -> None:
        try:
            start = datetime.fromisoformat(self.start_time)
        except ValueError as error:
            raise InputError(
                "start_time: expected ISO 8601 such as 2027-06-01T00:00:00, "
                f"got {self.start_time!r}"
            ) from error
        if start.tzinfo is not None:
            raise InputError(
                f"start_time: is UTC, leave out the time zone, got {self.start_time!r}"
            )
        if start < datetime.fromisoformat(REFERENCE_USEAFTER):
            raise InputError(
                f"start_time: the simulated reference files apply from {REFERENCE_USEAFTER}, "
                f"got {self.start_time}"
            )

    @property
    def pattern(self) -> ReadPatternTable:
        """The read numbers of each resultant, even or given."""
        if self.read_pattern is not None:
            return check_read_pattern(self.read_pattern)
        first_reads = range(1, self.n_resultants * self.n_reads + 1, self.n_reads)
        return tuple(tuple(range(first, first + self.n_reads)) for first in first_reads)

    @property
    def visit_id(self) -> str:
        """The 19 digits of program, plan, pass, segment, observation and visit."""
        return f"{self.program:05d}01001001001{self.visit:03d}"

    @property
    def root(self) -> str:
        """The file name without suffix: ``r<visit>_<exposure>_wfi<NN>_<element>``."""
        mode = f"{self.detector}_{self.optical_element}".lower()
        return f"r{self.visit_id}_{self.exposure:04d}_{mode}"


def detector_number(detector: str) -> int:
    """The number of a detector by its name, 7 for ``WFI07``."""
    return int(detector.removeprefix("WFI"))


def check_read_pattern(pattern: Sequence[Sequence[int]]) -> ReadPatternTable:
    """The read pattern as a tuple of tuples of int.

    Raises
    ------
    InputError
        If it is no list of lists of increasing read numbers from 1 on.
    """
    try:
        table = tuple(tuple(resultant) for resultant in pattern)
    except TypeError as error:
        raise InputError(
            f"read_pattern: expected a list of lists such as [[1], [2, 3]], got {pattern!r}"
        ) from error
    if not table:
        raise InputError("read_pattern: needs at least one resultant")
    previous = 0
    for index, resultant in enumerate(table):
        if not resultant:
            raise InputError(f"read_pattern: resultant {index + 1} has no reads")
        for read in resultant:
            if isinstance(read, bool) or not isinstance(read, (int, np.integer)):
                raise InputError(f"read_pattern: read numbers are integers, got {read!r}")
            if read <= previous:
                raise InputError(
                    "read_pattern: read numbers start at 1 and increase, "
                    f"got {read} after {previous}"
                )
            previous = int(read)
    return tuple(tuple(int(read) for read in resultant) for resultant in table)


def parse_read_pattern(text: str) -> ReadPatternTable:
    """Parse a read pattern as it is written on a command line.

    Parameters
    ----------
    text : str
        Resultants separated by semicolons, reads by commas, ranges with a hyphen (``1;2-3;4-8``),
        or JSON (``[[1], [2, 3]]``).

    Returns
    -------
    ReadPatternTable

    Raises
    ------
    InputError
        If it is neither, or no valid read pattern.

    Examples
    --------
    >>> from romancal_rs.simulate import parse_read_pattern
    >>> parse_read_pattern("1; 2-3; 4-6")
    ((1,), (2, 3), (4, 5, 6))
    """
    import json
    import re

    if text.lstrip().startswith("["):
        try:
            return check_read_pattern(json.loads(text))
        except json.JSONDecodeError as error:
            raise InputError(f"read_pattern: not valid JSON: {error}") from error
    pattern = []
    for resultant in text.split(";"):
        reads: list[int] = []
        for part in resultant.split(","):
            match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
            if match is None:
                raise InputError(f"read_pattern: expected a form such as '1;2-3;4-8', got {text!r}")
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                raise InputError(f"read_pattern: the range {part.strip()} runs backwards")
            reads.extend(range(first, last + 1))
        pattern.append(reads)
    return check_read_pattern(pattern)
