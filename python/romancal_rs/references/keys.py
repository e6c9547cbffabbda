"""What an exposure is matched by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._yaml_head import HeadError, read_tree
from ..errors import InputError

# What YAML writes in another way than Python.
_BOOLEANS = {"true": "True", "false": "False"}
#: Metadata that steps write.
_OF_PROCESSING = tuple(
    f"meta.{name}"
    for name in (
        *("cal_", "calibration_", "file_date", "filename", "model_type", "product_type"),
        *("photometry.", "ref_file.", "statistics.", "wcs.", "wcsinfo."),
    )
)
_EXPONENT = re.compile(r"[-+]?\d+\.\d*e[-+]\d+")


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
    metadata : mapping of str to str
        All values of ``meta`` as text, by dotted name in lower case, such as
        ``{"meta.exposure.nresultants": "8"}``; times as ISO text. Nulls and lists are left out.
        Of an exposure of 2022 that was taken from its file, they have the names of 2022, and also
        today's name of the number of resultants.
    """

    detector: str
    optical_element: str
    exposure_type: str
    start_time: datetime
    n_resultants: int | None = None
    ma_table_name: str | None = None
    ma_table_number: int | None = None
    instrument: str = "WFI"
    metadata: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells one exposure from another: all that a rule may ask for.

        What the steps themselves record is left out, so that it is the same all through a run.
        """
        asked = ((k, v) for k, v in self.metadata.items() if not is_of_processing(k))
        return (self, frozenset(asked))

    @classmethod
    def from_model(cls, model: Any) -> ExposureKeys:
        """Take the keys from the metadata of a data model.

        Parameters
        ----------
        model : data model
            The exposure, of this or another library.

        Returns
        -------
        ExposureKeys
        """
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
            metadata=_model_metadata(model.meta),
        )

    @classmethod
    def from_file(cls, path: str | Path) -> ExposureKeys:
        """Take the keys from the YAML head of an exposure's file, of today or of 2022.

        Parameters
        ----------
        path : str or path
            Name of the file.

        Raises
        ------
        InputError
            If the file cannot be read, or is no exposure.

        Examples
        --------
        >>> from romancal_rs.references import ExposureKeys
        >>> keys = ExposureKeys.from_file("exposure_uncal.asdf")
        >>> keys.detector, keys.optical_element
        ('WFI01', 'F158')
        """
        try:
            return cls.from_tree(read_tree(Path(path)))
        except HeadError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def from_tree(cls, tree: Any) -> ExposureKeys:
        """Take the keys from the parsed YAML head of an exposure's file.

        Parameters
        ----------
        tree : dict
            The head of the file, parsed.

        Raises
        ------
        HeadError
            If it is that of no exposure.
        """
        metadata = dict(_file_metadata(_meta_of(tree)))
        n_groups = metadata.get("meta.exposure.ngroups")
        if n_groups is not None:  # 2022
            metadata.setdefault("meta.exposure.nresultants", n_groups)
        return cls(
            instrument=_required(metadata, "instrument.name"),
            detector=_required(metadata, "instrument.detector"),
            optical_element=_required(metadata, "instrument.optical_element"),
            exposure_type=_required(metadata, "exposure.type"),
            start_time=_start_time(metadata),
            n_resultants=_integer(metadata, "exposure.nresultants"),
            ma_table_name=metadata.get("meta.exposure.ma_table_name"),
            ma_table_number=_integer(metadata, "exposure.ma_table_number"),
            metadata=metadata,
        )


def is_of_processing(name: str) -> bool:
    """Whether metadata of a dotted name are written by steps: ``meta.cal_step.flat_field``."""
    return name.lower().startswith(_OF_PROCESSING)


def naive_utc(time: Any) -> datetime:
    """Turn an ISO string, a datetime or an `astropy.time.Time` into a UTC datetime without zone.

    A time without a zone is taken as UTC. Astropy is not imported here: only a caller that
    already holds one of its times pays for it.
    """
    if isinstance(time, str):
        time = datetime.fromisoformat(time.strip())
    elif not isinstance(time, datetime):
        time = time.utc.to_datetime()
    if time.tzinfo is None:
        return time
    try:
        return time.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise InputError(f"{time.isoformat()} is beyond the calendar") from error


def _model_metadata(meta: Any) -> dict[str, str]:
    """The values of a model's metadata as text; those still in their file, a WCS, stay there."""
    if not hasattr(meta, "to_flat_dict"):
        return {}
    found = {}
    for name, value in meta.to_flat_dict().items():
        if any(part.isdigit() for part in name.split(".")):
            continue  # of a list
        if isinstance(value, str | bool | int | float):
            found[f"meta.{name}".lower()] = str(value)
        elif hasattr(value, "isot"):
            found[f"meta.{name}".lower()] = str(value.utc.isot)
        elif isinstance(value, datetime):
            found[f"meta.{name}".lower()] = value.isoformat()
    return found


def _meta_of(tree: Any) -> dict[str, Any]:
    roman = tree.get("roman") if isinstance(tree, dict) else None
    meta = roman.get("meta") if isinstance(roman, dict) else None
    if not isinstance(meta, dict):
        raise HeadError("is not an exposure: its head has no roman.meta")
    return meta


def _file_metadata(node: Mapping[str, Any], prefix: str = "meta") -> Iterator[tuple[str, str]]:
    """Names and values as `_model_metadata` gives them."""
    for key, value in node.items():
        name = f"{prefix}.{key}".lower()
        if name == "meta.wcs" or key.isdigit():
            continue
        if isinstance(value, str):
            yield name, _as_python(value)
        elif isinstance(value, dict) and _is_time(value):
            yield name, value["value"]
        elif isinstance(value, dict):
            yield from _file_metadata(value, name)


def _required(metadata: Mapping[str, str], name: str) -> str:
    try:
        return metadata[f"meta.{name}"]
    except KeyError:
        raise HeadError(f"is not an exposure: its head has no meta.{name}") from None


def _integer(metadata: Mapping[str, str], name: str) -> int | None:
    text = metadata.get(f"meta.{name}")
    try:
        return None if text is None else int(text)
    except ValueError:
        raise HeadError(f"its meta.{name} is {text!r}, not a whole number") from None


def _start_time(metadata: Mapping[str, str]) -> datetime:
    name = "exposure.start_time"
    scale = metadata.get(f"meta.{name}.scale")
    if scale is not None:
        raise HeadError(f"its meta.{name} is on the time scale {scale}, not utc")
    text = _required(metadata, name)
    try:
        return naive_utc(text)
    except ValueError:
        raise HeadError(f"its meta.{name} {text!r} is not an ISO time") from None


def _is_time(node: Mapping[str, Any]) -> bool:
    """Whether a mapping is how ASDF writes a time, in UTC, that is more than its value."""
    has_format = "base_format" in node or "format" in node or "scale" in node
    return has_format and isinstance(node.get("value"), str) and node.get("scale", "utc") == "utc"


def _as_python(text: str) -> str:
    if _EXPONENT.fullmatch(text):
        return str(float(text))
    return _BOOLEANS.get(text, text)
