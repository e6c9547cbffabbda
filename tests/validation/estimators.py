"""The fits that are held against the yardsticks: ours, and romancal's in its own process."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial as partial_arguments
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from romancal_rs import ReadPattern, kernels
from romancal_rs.dqflags import group, pixel

from .ramps import GAIN, READ_NOISE, Array, Reads

COLUMNS = 512  # of the images that pixels are arranged in

Data = NDArray[np.float32]  # (resultants, pixels)
Flags = NDArray[np.uint8]  # (resultants, pixels)


@dataclass(frozen=True)
class Estimate:
    """What a fit makes of some ramps.

    Attributes
    ----------
    rate, err : ndarray, (pixels,)
        [DN/s].
    jump : ndarray, (resultants, pixels), bool
        Resultants flagged JUMP_DET.
    no_rate : ndarray, (pixels,), bool
        Pixels flagged DO_NOT_USE, or whose rate is not a number.
    smooth_err : ndarray, (pixels,), or None
        The error with the variance at the mean rate of the neighbourhood.
    """

    rate: Array
    err: Array
    jump: NDArray[np.bool_]
    no_rate: NDArray[np.bool_]
    smooth_err: Array | None = None


Estimator = Callable[[Reads, Data, Flags], Estimate]


def read_pattern(reads: Reads) -> ReadPattern:
    return ReadPattern.from_reads([list(r) for r in reads.pattern], reads.frame_time)


def make_estimate(
    slope: NDArray, err: NDArray, dq: NDArray, groupdq: Flags, smooth: Array | None = None
) -> Estimate:
    return Estimate(
        rate=slope.astype(np.float64),
        err=err.astype(np.float64),
        jump=(groupdq & group["JUMP_DET"]) != 0,
        no_rate=((dq & pixel["DO_NOT_USE"]) != 0) | ~np.isfinite(slope),
        smooth_err=smooth,
    )


class _Image:
    """Ramps as the kernels take them, in images of `COLUMNS`."""

    def __init__(self, reads: Reads, data: Data, groupdq: Flags, read_noise: float) -> None:
        shape = (len(reads), -1, COLUMNS)
        self.data = np.ascontiguousarray(data.reshape(shape))
        self.groupdq = groupdq.reshape(shape).copy()
        plane = self.data.shape[1:]
        self.pixeldq = np.zeros(plane, np.uint32)
        self.gain = np.full(plane, GAIN, np.float32)
        self.read_noise = np.full(plane, read_noise, np.float32)
        self.pattern = read_pattern(reads)

    @property
    def arguments(self) -> tuple:
        return (
            self.data, self.groupdq, self.pixeldq, self.gain, self.read_noise, self.pattern,
        )  # fmt: skip

    def estimate(self, fit: kernels.RampFit, smooth: Array | None = None) -> Estimate:
        flags = self.groupdq.reshape(len(self.data), -1)
        return make_estimate(fit.slope.ravel(), fit.err.ravel(), fit.dq.ravel(), flags, smooth)


def ols(reads: Reads, data: Data, groupdq: Flags, *, read_noise: float = READ_NOISE) -> Estimate:
    """Jump detection and fit of the recipe of 2022.

    Without its flags for the neighbours of a jump: the pixels here are independent.
    """
    image = _Image(reads, data, groupdq, read_noise)
    kernels.detect_jumps(*image.arguments, flag_4_neighbors=False)
    return image.estimate(kernels.fit_ramps(*image.arguments))


def likelihood(rule: str, threshold: float = 4.5, *, smooth: bool = False) -> Estimator:
    """The likelihood fit, by one of its rules.

    Parameters
    ----------
    threshold : float
        For jumps, in standard deviations.
    smooth : bool
        Whether to give `smooth_err` too.
    """

    def fit(reads: Reads, data: Data, groupdq: Flags) -> Estimate:
        image = _Image(reads, data, groupdq, READ_NOISE)
        result = kernels.fit_likelihood(*image.arguments, rule=rule, rejection_threshold=threshold)
        return image.estimate(result, _smooth_err(image, result) if smooth else None)

    return fit


def _smooth_err(image: _Image, fit: kernels.RampFit) -> Array:
    """With the variance at the mean rate of the 3 x 3 pixels around, which are all of one rate."""
    var_poisson, var_rnoise, err = fit.var_poisson.copy(), fit.var_rnoise.copy(), fit.err.copy()
    kernels.smooth_variance(
        fit.slope, fit.dq, var_poisson, var_rnoise, err,
        image.gain, image.read_noise, image.pattern,
    )  # fmt: skip
    return err.ravel().astype(np.float64)


def saturation_flags(reads: Reads, data: Data, threshold: float, partial: str) -> Flags:
    """Flags of resultants at or above the threshold [DN], or that a rule takes for filled in part.

    Parameters
    ----------
    partial : {"none", "mean_read", "concave"}
    """
    image = _Image(reads, data, np.zeros(data.shape, np.uint8), READ_NOISE)
    plane = image.pixeldq.shape
    kernels.flag_saturation(
        image.data,
        image.groupdq,
        image.pixeldq,
        np.full(plane, threshold, np.float32),
        np.zeros(plane, np.uint32),
        partial=partial,
        read_pattern=None if partial == "none" else image.pattern,
    )
    return image.groupdq.reshape(data.shape)


class Peer:
    """The likelihood fit of romancal 1.1.0 in a separate process; a context manager."""

    SCRIPT = Path(__file__).with_name("fits_peer.py")

    def __init__(self, python: Path) -> None:
        self.python = python

    def __enter__(self) -> Peer:
        self._directory = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [str(self.python), str(self.SCRIPT), self._directory.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()
        self._directory.cleanup()

    def _ask(self, what: str, reads: Reads, **arrays: NDArray) -> dict[str, NDArray]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        directory = Path(self._directory.name)
        lengths = [len(r) for r in reads.pattern]
        np.savez(directory / "question.npz", reads=reads.read_numbers, lengths=lengths, **arrays)
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        if self._process.stdout.readline().strip() != "done":
            raise RuntimeError(f"{self.SCRIPT.name} ended; its message is above")
        with np.load(directory / "answer.npz") as answer:
            return dict(answer)

    def fit(self, reads: Reads, data: Data, groupdq: Flags) -> Estimate:
        answer = self._ask(
            "fit", reads, data=data, groupdq=groupdq,
            gain=GAIN, read_noise=READ_NOISE, frame_time=reads.frame_time,
        )  # fmt: skip
        return make_estimate(*(answer[name] for name in ("slope", "err", "dq", "groupdq")))

    def saturation_flags(self, reads: Reads, data: Data, threshold: float) -> Flags:
        return self._ask("saturation", reads, data=data, threshold=threshold)["groupdq"]


# The product's, by the names that the page has for them.
LIKELIHOOD = likelihood("gls", smooth=True)
ESTIMATORS: dict[str, Estimator] = {
    "2022": ols,
    "likely": likelihood("likely"),
    "gls": LIKELIHOOD,
    "gls, T = 18": likelihood("gls", 18**0.5),
}


def rule(partial: str) -> Callable[[Reads, Data, float], Flags]:
    """A rule for resultants that are filled in part."""
    return partial_arguments(saturation_flags, partial=partial)


# Which rule flags, and which fit follows.
PIPELINES: dict[str, tuple[Callable[[Reads, Data, float], Flags], Estimator]] = {
    "none, 2022": (rule("none"), ols),
    "concave, 2022": (rule("concave"), ols),
    "mean_read, likely": (rule("mean_read"), likelihood("likely")),
    "none, gls": (rule("none"), LIKELIHOOD),
    "mean_read, gls": (rule("mean_read"), LIKELIHOOD),
    "concave, gls": (rule("concave"), LIKELIHOOD),
}
