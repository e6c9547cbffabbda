"""The metadata of two products."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from ._records import MetadataDifference

#: What differs whenever something is made again.
ALWAYS_DIFFERENT = (
    "meta.file_date",
    "meta.filename",
    "meta.cal_logs*",
    "meta.cal_runs*",
    "meta.calibration_software_name",
    "meta.calibration_software_version",
)


def compare_metadata(
    a: Mapping[str, Any], b: Mapping[str, Any], ignored: tuple[str, ...]
) -> MetadataDifference:
    """What differs between values by dotted name.

    Parameters
    ----------
    a, b : mapping of str to object
    ignored : tuple of str
        Patterns of names that are ignored.
    """
    first, second = (
        {
            name: value
            for name, value in values.items()
            if not any(fnmatchcase(name, pattern) for pattern in ignored)
        }
        for values in (a, b)
    )
    both = [name for name in first if name in second]
    return MetadataDifference(
        only_a={name: _told(value) for name, value in first.items() if name not in second},
        only_b={name: _told(value) for name, value in second.items() if name not in first},
        differing={
            name: (_told(first[name]), _told(second[name]))
            for name in both
            if not _equal(first[name], second[name])
        },
        n_compared=len(both),
        ignored=ignored,
    )


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, bool) is not isinstance(b, bool):
        return False
    if isinstance(a, float) and isinstance(b, float) and a != a and b != b:
        return True  # NaN
    return bool(_told(a) == _told(b))


def _told(value: Any) -> Any:
    """A value as it is told: a time as its text."""
    return getattr(value, "isot", value)
