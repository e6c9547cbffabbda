"""How fast a batch goes, and when it will end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Pace", "busy_seconds", "duration"]


@dataclass(frozen=True)
class Pace:
    """What is done in some time.

    Attributes
    ----------
    n_exposures : int
        That ended in this time.
    n_bytes : int
        That were read for them.
    seconds : float
        How long it took.
    n_left : int
        Exposures that have not ended.
    """

    n_exposures: int = 0
    n_bytes: int = 0
    seconds: float = 0.0
    n_left: int = 0

    @property
    def exposures_per_minute(self) -> float:
        """How many exposures end in a minute, on average."""
        return 60 * self.n_exposures / self.seconds if self.seconds > 0 else 0.0

    @property
    def megabytes_per_second(self) -> float:
        """Read, in units of 10^6 bytes."""
        return self.n_bytes / self.seconds / 1e6 if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """None where nothing is known of the speed."""
        if not self.n_left:
            return 0.0
        if not (self.n_exposures and self.seconds > 0):
            return None
        return self.n_left * self.seconds / self.n_exposures

    def __str__(self) -> str:
        if not self.n_exposures:
            return "speed not known yet"
        told = f"{_short(self.exposures_per_minute)}/min, {_short(self.megabytes_per_second)} MB/s"
        left = self.seconds_left
        return f"{told}, {duration(left)} to go" if left else told


def busy_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """How long something was done: the length of the union of spans of time.

    So neither the pause between two calls of a batch counts, nor what was done at once twice.
    """
    total, last = 0.0, float("-inf")
    for begin, end in sorted(spans):
        if end > last:
            total += end - max(begin, last)
            last = end
    return total


def duration(seconds: float) -> str:
    """A time in two units, such as ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 1:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours:02} h"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}"
