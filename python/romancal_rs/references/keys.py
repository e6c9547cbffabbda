"""What an exposure is matched by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class ExposureKeys:
    """The metadata of an exposure that decide which reference files fit it.

    Attributes
    ----------
    detector, optical_element, exposure_type, instrument : str
        As in ``meta.instrument`` and ``meta.exposure.type``.
    start_time : datetime
        Start of the exposure, UTC, without a time zone.
    n_resultants : int or None
        Number of resultants in the ramp.
    ma_table_name, ma_table_number : str or None, int or None
        The multi-accumulation table that the exposure was read out with.
    """

    detector: str
    optical_element: str
    exposure_type: str
    start_time: datetime
    n_resultants: int | None = None
    ma_table_name: str | None = None
    ma_table_number: int | None = None
    instrument: str = "WFI"

    @classmethod
    def from_model(cls, model: Any) -> ExposureKeys:
        """Take the keys from the metadata of an exposure (a data model with ``meta``)."""
        instrument, exposure = model.meta.instrument, model.meta.exposure
        number = getattr(exposure, "ma_table_number", None)
        name = getattr(exposure, "ma_table_name", None)
        n_resultants = getattr(exposure, "nresultants", None)
        return cls(
            instrument=str(instrument.name),
            detector=str(instrument.detector),
            optical_element=str(instrument.optical_element),
            exposure_type=str(exposure.type),
            start_time=naive_utc(exposure.start_time),
            n_resultants=None if n_resultants is None else int(n_resultants),
            ma_table_name=None if name is None else str(name),
            ma_table_number=None if number is None else int(number),
        )


def naive_utc(time: Any) -> datetime:
    """Turn an ISO string, a datetime or an `astropy.time.Time` into a UTC datetime without zone.

    A time without a zone is taken as UTC. Astropy is not imported here: only a caller that
    already holds one of its times pays for it.
    """
    if isinstance(time, str):
        time = datetime.fromisoformat(time.strip())
    elif not isinstance(time, datetime):
        time = time.utc.to_datetime()
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
