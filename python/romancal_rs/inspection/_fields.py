"""Which metadata are told of a file, and under which name, whatever the kind of file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ._description import Plain, as_plain

#: Of each part its items, and where in the metadata each may be: the first that is there counts.
FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "reference": {
        "type": ("reftype",),
        "use_after": ("useafter",),
        "exposure_types": ("exposure.p_exptype",),
        "pedigree": ("pedigree",),
        "description": ("description",),
    },
    "program": {
        "title": ("program.title",),
        "investigator": ("program.investigator_name",),
        "visit_id": ("observation.visit_id",),
        **{
            name: (f"observation.{name}",)
            for name in ("program", "execution_plan", "pass", "segment", "observation", "visit")
        },
        "exposure": ("observation.exposure",),
    },
    "instrument": {
        "detector": ("instrument.detector",),
        "optical_element": ("instrument.optical_element", "optical_element"),
    },
    "exposure": {
        "type": ("exposure.type",),
        "start_time": ("exposure.start_time", "coadd_info.time_first", "t_start"),
        "mid_time": ("exposure.mid_time", "coadd_info.time_mean"),
        "end_time": ("exposure.end_time", "coadd_info.time_last", "t_stop"),
        "exposure_time": ("exposure.exposure_time", "coadd_info.exposure_time"),
        "effective_exposure_time": ("exposure.effective_exposure_time",),
        "frame_time": ("exposure.frame_time",),
        "ma_table_name": ("exposure.ma_table_name",),
        "ma_table_number": ("exposure.ma_table_number",),
        "n_resultants": ("exposure.nresultants",),
        "read_pattern": ("exposure.read_pattern",),
    },
    "pointing": {
        "ra": ("wcsinfo.ra_ref", "wcsinfo.ra"),
        "dec": ("wcsinfo.dec_ref", "wcsinfo.dec"),
        "position_angle": ("wcsinfo.roll_ref", "wcsinfo.orientation_ref"),
        "pixel_scale": ("wcsinfo.pixel_scale_ref", "wcsinfo.pixel_scale"),
        "skycell": ("wcsinfo.skycell_name",),
        "aperture": ("wcsinfo.aperture_name",),
        "footprint": ("wcsinfo.s_region",),
    },
    "target": {
        "name": ("target.proposer_name", "target.catalog_name"),
        "aperture": ("pointing.target_aperture",),
        "ra": ("pointing.target_ra", "target.ra"),
        "dec": ("pointing.target_dec", "target.dec"),
    },
    "photometry": {
        "conversion_megajanskys": ("photometry.conversion_megajanskys",),
        "pixel_area": ("photometry.pixel_area",),
    },
    "software": {
        "name": ("calibration_software_name",),
        "version": ("calibration_software_version",),
        "file_date": ("file_date",),
        "filename": ("filename",),
    },
}

#: Numbers that a catalogue in Parquet has as text, as all of its metadata.
_WHOLE = (
    *("n_resultants", "ma_table_number", "program", "execution_plan", "pass", "segment"),
    *("observation", "visit", "exposure"),
)
_REAL = (
    *("exposure_time", "effective_exposure_time", "frame_time", "ra", "dec", "position_angle"),
    *("pixel_scale", "conversion_megajanskys", "pixel_area"),
)
_NUMBERS: dict[str, Callable[[str], int | float]] = {
    **dict.fromkeys(_WHOLE, int),
    **dict.fromkeys(_REAL, float),
}
_UNKNOWN = ("?", "", "None", "NONE")
_UNKNOWN_NUMBER = -999999
#: When no exposure was taken yet.
UNKNOWN_TIME = "2020-01-01T00:00:00.000"


def look_up(node: Any, dotted: str) -> Any:
    """What is at a place of nested mappings; None if nothing is."""
    for key in dotted.split("."):
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def fields_of(meta: Mapping[str, Any]) -> dict[str, dict[str, Plain]]:
    """The parts of the metadata of a file, each with the items that it states."""
    found: dict[str, dict[str, Plain]] = {}
    for part, items in FIELDS.items():
        found[part] = {}
        for name, places in items.items():
            values = (_known(look_up(meta, place), name) for place in places)
            value = next((value for value in values if value is not None), None)
            if value is not None and not (part == "exposure" and value == UNKNOWN_TIME):
                found[part][name] = value
    return found


def _known(value: Any, name: str) -> Plain:
    """A value as JSON has it; None for a placeholder of what nobody knows."""
    if isinstance(value, str):
        text = value.strip()
        if text in _UNKNOWN:
            return None
        try:
            value = _NUMBERS[name](text) if name in _NUMBERS else text
        except ValueError:
            return text
    if isinstance(value, int | float | np.number) and value == _UNKNOWN_NUMBER:
        return None
    if isinstance(value, list) and not value:
        return None
    if isinstance(value, Mapping):
        return None
    return as_plain(getattr(value, "isot", value))


def texts_of(section: Any) -> dict[str, str]:
    """The names and texts of a block of the metadata that say something: steps, references."""
    if not isinstance(section, Mapping):
        return {}
    return {
        str(key): value
        for key, value in section.items()
        if isinstance(value, str) and value not in ("N/A", "?")
    }
