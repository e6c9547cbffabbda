"""Files of the manual's era (2022), turned into today's structure when they are opened.

Both eras use the tags ``-1.0.0`` for different structures, so the content decides: an exposure of
2022 counts ``exposure.ngroups``, its reference files come from version 0 of the mission's library,
a DARK of 2022 holds accumulated DN per group, a PHOTOM of 2022 has units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from . import _schema
from ._defaults import UNKNOWN_TEXT, conform
from ._nodes import Tree, Unread

_EXPOSURES = ("wfi_science_raw", "ramp", "wfi_image", "ramp_fit_output")

# Names of 2022 and the names they have today, by block of the metadata.
_RENAMED = {
    "observation": {"obs_id": "observation_id"},
    "program": {"pi_name": "investigator_name"},
    "visit": {"total_exposures": "nexposures"},
    "guide_star": {"gw_id": "guide_window_id", "gw_fgs_mode": "guide_mode", "gs_epoch": "epoch"},
}

# The versions of today's tags into which each kind of 2022 file fits. DARK: the last one with a
# plane per resultant. PHOTOM: the one without tables of wavelengths, which 2022 does not have.
_TODAY = {
    "wfi_science_raw": "2.1.0",
    "ramp": "2.1.0",
    "wfi_image": "2.1.0",
    "ramp_fit_output": "1.7.0",
    "reference_files/dark": "1.2.0",
    "reference_files/wfi_img_photom": "1.0.0",
}
_TODAY_OTHER_REFERENCES = "2.0.0"


def is_2022(tree: Tree) -> bool:
    """Whether a tree, fresh from its file, has the structure of 2022."""
    name, _, version = tree.tag.removeprefix(_schema.TAGS).rpartition("-")
    if version != "1.0.0":
        return False
    data = tree.data
    meta = data.get("meta", {})
    if name in _EXPOSURES:
        return "ngroups" in meta.get("exposure", {})
    if name == "reference_files/dark":
        return "dark_slope" not in data
    if name == "reference_files/wfi_img_photom":
        return any(hasattr(v, "unit") for row in data["phot_table"].values() for v in row.values())
    return _writer_version(tree.header) < (0, 15)


def _writer_version(header: Mapping[str, Any]) -> tuple[int, ...]:
    """Version of the mission's library that wrote the file; (9999,) if something else did."""
    for extension in header.get("history", {}).get("extensions", ()):
        software = extension.get("software", {})
        if software.get("name") in ("roman-datamodels", "roman_datamodels"):
            numbers = str(software.get("version", "")).split(".")[:2]
            return tuple(int(n) if n.isdigit() else 9999 for n in numbers)
    return (9999,)


def to_today(tree: Tree) -> None:
    """Convert a tree of 2022, in place, to the structure and tag of today."""
    name = tree.tag.removeprefix(_schema.TAGS).rpartition("-")[0]
    tree.tag = f"{_schema.TAGS}{name}-{_TODAY.get(name, _TODAY_OTHER_REFERENCES)}"
    data = tree.data
    if name in _EXPOSURES:
        data["meta"] = _exposure_meta(data["meta"], name)
        if "cal_logs" in data:
            data["meta"]["cal_logs"] = data.pop("cal_logs")
        if name == "wfi_image":
            # Today's images also have these; what they were in 2022 nobody wrote down.
            for array in ("chisq", "dumo"):
                data.setdefault(array, _unknown_image(data["data"].shape))
    elif name == "reference_files/wfi_img_photom":
        for row in data["phot_table"].values():
            _photom_row(row)
    data["meta"] = conform(data["meta"], tree.schema(("meta",)), ("meta",))


_FLOAT = np.dtype(np.float32)


def _unknown_image(shape: tuple[int, ...]) -> Unread:
    """An array of NaN that is made when it is first touched."""
    return Unread(lambda: np.full(shape, np.nan, _FLOAT), shape, _FLOAT)


def _photom_row(row: dict[str, Any]) -> None:
    units = {"photmjsr": "MJy / sr", "uncertainty": "MJy / sr", "pixelareasr": "sr"}
    for key, unit in units.items():
        row[key] = _plain(row.get(key), unit)


def _plain(value: Any, unit: str) -> float | None:
    """A quantity as a number in `unit`; a number, or null, as it is."""
    if hasattr(value, "to_value"):
        return float(value.to_value(unit))
    return value


def _exposure_meta(old: dict[str, Any], kind: str) -> dict[str, Any]:
    meta = dict(old)
    if "guidestar" in meta:
        meta["guide_star"] = meta.pop("guidestar")
    for block, names in _RENAMED.items():
        if block in meta:
            meta[block] = {names.get(key, key): value for key, value in meta[block].items()}
    if "prd_software_version" in meta:
        meta["prd_version"] = meta.pop("prd_software_version")
    meta.setdefault("calibration_software_name", "RomanCAL")
    meta.setdefault("product_type", "l2" if kind == "wfi_image" else "l1")

    visit, aperture, target = (meta.get(name, {}) for name in ("visit", "aperture", "target"))
    meta["exposure"] = _exposure(meta["exposure"], visit)
    meta["pointing"] = {
        "pa_aperture": aperture.get("position_angle"),
        "pointing_engineering_source": visit.get("pointing_engdb_quality"),
        "target_aperture": aperture.get("name"),
        "target_ra": target.get("ra"),
        "target_dec": target.get("dec"),
        **meta.get("pointing", {}),
    }
    meta["wcsinfo"] = {"aperture_name": aperture.get("name"), **meta.get("wcsinfo", {})}
    meta["ref_file"] = dict(meta.get("ref_file", {}))
    crds = meta["ref_file"].get("crds", {})
    meta["ref_file"]["crds"] = {
        "version": crds.get("sw_version", UNKNOWN_TEXT),
        "context": crds.get("context_used", UNKNOWN_TEXT),
    }
    if "photometry" in meta:
        old_photometry = meta["photometry"]
        meta["photometry"] = {
            new: _plain(old_photometry.get(name), unit)
            for new, name, unit in (
                ("conversion_megajanskys", "conversion_megajanskys", "MJy / sr"),
                (
                    "conversion_megajanskys_uncertainty",
                    "conversion_megajanskys_uncertainty",
                    "MJy / sr",
                ),
                ("pixel_area", "pixelarea_steradians", "sr"),
            )
        }
    return meta


def _exposure(old: dict[str, Any], visit: Mapping[str, Any]) -> dict[str, Any]:
    exposure = dict(old)
    n_resultants = exposure.pop("ngroups")
    n_reads = exposure.get("nframes", 1)
    skipped = exposure.get("groupgap", 0)
    exposure["nresultants"] = n_resultants
    exposure["read_pattern"] = list(_read_pattern(n_resultants, n_reads, skipped))
    problem = exposure.get("data_problem")
    if isinstance(problem, bool):
        exposure["data_problem"] = "True" if problem else None
    exposure.setdefault("engineering_quality", visit.get("engineering_quality"))
    return exposure


def _read_pattern(n_resultants: int, n_reads: int, skipped: int) -> Iterator[list[int]]:
    """Reads of each resultant, from 1; `skipped` reads are dropped after each one."""
    for index in range(n_resultants):
        first = 1 + index * (n_reads + skipped)
        yield list(range(first, first + n_reads))
