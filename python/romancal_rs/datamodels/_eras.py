"""Files of 2022 to 2024, turned into today's structure when they are opened.

They use the tags ``-1.0.0`` for other structures than files of 2025 do, so the content decides.
An exposure of 2022 counts ``exposure.ngroups`` and has plain arrays; a DARK of 2022 holds
accumulated DN per group alone; a PHOTOM of 2022 has units; its other reference files come from an
early version of the mission's library. In 2023 and 2024 exposures state their ``read_pattern``, and
arrays carry units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..reference_types import TYPES
from . import _schema
from ._defaults import UNKNOWN_TEXT, conform
from ._errors import ModelError
from ._tree import ERA_2022, ERA_2023, TODAY, Tree, Unread

_EXPOSURES = ("wfi_science_raw", "ramp", "wfi_image", "ramp_fit_output")

#: Versions of the mission's library: the first of 2023, and the first of 2025.
_FIRST_OF_2023 = (0, 15)
_FIRST_OF_2025 = (0, 23)
_NO_VERSION = (9999,)

# Names of then and the names they have today, by block of the metadata.
_RENAMED = {
    "observation": {"obs_id": "observation_id"},
    "program": {"pi_name": "investigator_name"},
    "visit": {"total_exposures": "nexposures"},
    "guide_star": {"gw_id": "guide_window_id", "gw_fgs_mode": "guide_mode", "gs_epoch": "epoch"},
}

# The versions of today's tags into which each kind of file fits. DARK: the last one with a plane
# per resultant. PHOTOM: the one without tables of wavelengths, which these years do not have.
_TODAY = {
    "wfi_science_raw": "2.1.0",
    "ramp": "2.1.0",
    "wfi_image": "2.1.0",
    "ramp_fit_output": "1.7.0",
    "reference_files/dark": "1.2.0",
    "reference_files/wfi_img_photom": "1.0.0",
}
_TODAY_OTHER_REFERENCES = "2.0.0"

#: The units that today's structure means, by kind of file and name of the array; "*" for the
#: others. What is not listed has none.
_UNITS = {
    "wfi_science_raw": {"*": "DN"},
    "ramp": {"*": "DN"},
    "wfi_image": {
        **dict.fromkeys(("data", "err", "dumo"), "DN / s"),
        **dict.fromkeys(("var_poisson", "var_rnoise", "var_flat"), "DN2 / s2"),
        "*": "DN",
    },
    "ramp_fit_output": {
        **dict.fromkeys(("slope", "sigslope"), "electron / s"),
        **dict.fromkeys(("yint", "sigyint", "pedestal", "crmag"), "electron"),
        **dict.fromkeys(("var_poisson", "var_rnoise"), "electron2 / s2"),
    },
    **{
        f"reference_files/{kind.tag}": {array.name: array.unit for array in kind.arrays}
        for kind in TYPES.values()
        if kind.tag
    },
}


def era_of(tree: Tree) -> str:
    """When the structure was in use that a tree, fresh from its file, has."""
    name, _, version = tree.tag.removeprefix(_schema.TAGS).rpartition("-")
    if version != "1.0.0":
        return TODAY
    data = tree.data
    writer = _writer_version(tree.header)
    if _FIRST_OF_2023 <= writer < _FIRST_OF_2025:
        return ERA_2023
    if any(map(_has_unit, data.values())):
        return ERA_2023
    if name in _EXPOSURES:
        exposure = data["meta"].get("exposure", {})
        if "ngroups" not in exposure:
            return TODAY
        return ERA_2023 if "read_pattern" in exposure else ERA_2022
    if name == "reference_files/dark":
        is_2022 = "dark_slope" not in data
    elif name == "reference_files/wfi_img_photom":
        rows = data["phot_table"].values()
        is_2022 = any(hasattr(value, "unit") for row in rows for value in row.values())
    else:
        is_2022 = writer < _FIRST_OF_2023
    return ERA_2022 if is_2022 else TODAY


def _writer_version(header: Mapping[str, Any]) -> tuple[int, ...]:
    """Version of the mission's library that wrote the file; (9999,) if something else did."""
    history = header.get("history")
    extensions = history.get("extensions", ()) if isinstance(history, Mapping) else ()
    for extension in extensions:
        software = extension.get("software", {})
        if software.get("name") in ("roman-datamodels", "roman_datamodels"):
            numbers = str(software.get("version", "")).split(".")[:2]
            return tuple(int(n) if n.isdigit() else 9999 for n in numbers)
    return _NO_VERSION


def to_today(tree: Tree) -> None:
    """Convert a tree of 2022 to 2024, in place, to the structure and tag of today."""
    name = _schema.kind_of(tree.tag)
    version = _TODAY.get(name, _TODAY_OTHER_REFERENCES)
    data = tree.data
    if name == "reference_files/dark" and "data" not in data:
        version = _TODAY_OTHER_REFERENCES
    tree.tag = f"{_schema.TAGS}{name}-{version}"
    known = tree.place().names
    for key, value in data.items():
        if key in known and _has_unit(value):
            data[key] = _without_unit(value, name, key)
    for key, value in data.items():
        data[key] = _widened(value, tree.place(key).keyword("datatype"))
    if name in _EXPOSURES:
        data["meta"] = _exposure_meta(data["meta"], name)
        if "cal_logs" in data:
            data["meta"]["cal_logs"] = data.pop("cal_logs")
        if name == "wfi_image":
            # Today's images also have these; what they were then nobody wrote down.
            for array in ("chisq", "dumo"):
                data.setdefault(array, _unknown_image(data["data"].shape))
    elif name == "reference_files/wfi_img_photom":
        for element, row in data["phot_table"].items():
            _photom_row(row, f"phot_table.{element}")
    elif name == "reference_files/pixelarea" and "photometry" in data["meta"]:
        data["meta"]["photometry"] = _pixel_area(data["meta"]["photometry"])
    data["meta"] = conform(data["meta"], tree.place("meta"))


# ---- arrays --------------------------------------------------------------------------------


def _has_unit(value: Any) -> bool:
    """Whether it is an array with a unit: in a file, or of a model of the mission's library."""
    return hasattr(value, "unit") and bool(getattr(value, "shape", ()))


def _without_unit(array: Any, kind: str, name: str) -> Any:
    """The numbers of an array, once its unit is known to be the right one; nothing is read."""
    from astropy.units import Unit

    units = _UNITS.get(kind, {})
    right = units.get(name, units.get("*", ""))
    try:
        is_right = Unit(array.unit) == Unit(right)
    except ValueError:
        is_right = False
    if not is_right:
        expected = repr(right) if right else "none"
        raise ModelError(f"the unit of {name} is {str(array.unit)!r}; expected {expected}")
    return array.value


def _widened(value: Any, datatype: str | None) -> Any:
    """An array in the type of today's schema, if that holds all numbers of its own type.

    The schemas of these years took the types that could be cast safely.
    """
    dtype = getattr(value, "dtype", None)
    if datatype is None or dtype is None:
        return value
    wanted = np.dtype("float32" if datatype == "float16" else datatype)
    found = dtype.newbyteorder("=")
    if found in (wanted, np.float16) or not np.can_cast(found, wanted, "safe"):
        return value
    if not isinstance(value, Unread):
        return value.astype(wanted)
    return Unread(
        lambda: value.read().astype(wanted),
        value.shape,
        wanted,
        raw=lambda: value.raw().astype(wanted),
    )


_FLOAT = np.dtype(np.float32)


def _unknown_image(shape: tuple[int, ...]) -> Unread:
    """An array of NaN that is made when it is first touched."""
    return Unread(lambda: np.full(shape, np.nan, _FLOAT), shape, _FLOAT)


# ---- metadata ------------------------------------------------------------------------------


def _photom_row(row: dict[str, Any], place: str) -> None:
    units = {"photmjsr": "MJy / sr", "uncertainty": "MJy / sr", "pixelareasr": "sr"}
    for key, unit in units.items():
        row[key] = _plain(row.get(key), unit, f"{place}.{key}")


def _pixel_area(old: Mapping[str, Any]) -> dict[str, Any]:
    units = {"pixelarea_steradians": "sr", "pixelarea_arcsecsq": "arcsec2"}
    areas = {key: _plain(old.get(key), units[key], f"meta.photometry.{key}") for key in units}
    return {**old, **areas}


def _plain(value: Any, unit: str, place: str) -> float | None:
    """A quantity as a number in `unit`; a number, or null, as it is."""
    from astropy.units import UnitConversionError

    if not hasattr(value, "to_value"):
        return value
    try:
        return float(value.to_value(unit))
    except UnitConversionError:
        raise ModelError(f"the unit of {place} is {str(value.unit)!r}; expected {unit!r}") from None


def _exposure_meta(old: dict[str, Any], kind: str) -> dict[str, Any]:
    meta = dict(old)
    if "guidestar" in meta:
        meta["guide_star"] = _guide_star(meta.pop("guidestar"))
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
        "version": crds.get("version", crds.get("sw_version", UNKNOWN_TEXT)),
        "context": crds.get("context", crds.get("context_used", UNKNOWN_TEXT)),
    }
    if "photometry" in meta:
        meta["photometry"] = _photometry(meta["photometry"])
    return meta


def _guide_star(old: dict[str, Any]) -> dict[str, Any]:
    """The guide window by today's names, in whole pixels; the end follows from the size if need be.

    The libraries of these years made some of the numbers as floats.
    """
    new: dict[str, Any] = {}
    for name, value in old.items():
        if name.startswith("gw_window_"):
            name = name.removeprefix("gw_")
            is_whole = isinstance(value, float) and value.is_integer()
            value = int(value) if is_whole else value
        new[name] = value
    for axis in "xy":
        start, size = new.get(f"window_{axis}start"), new.get(f"window_{axis}size")
        if start is not None and size is not None and new.get(f"window_{axis}stop") is None:
            new[f"window_{axis}stop"] = start + size
    return new


def _photometry(old: Mapping[str, Any]) -> dict[str, Any]:
    units = {
        "conversion_megajanskys": "MJy / sr",
        "conversion_megajanskys_uncertainty": "MJy / sr",
        "pixel_area": "sr",
    }
    values = {"pixel_area": old.get("pixelarea_steradians"), **old}
    return {
        name: _plain(values.get(name), unit, f"meta.photometry.{name}")
        for name, unit in units.items()
    }


def _exposure(old: dict[str, Any], visit: Mapping[str, Any]) -> dict[str, Any]:
    exposure = dict(old)
    if "ngroups" in exposure:
        exposure["nresultants"] = exposure.pop("ngroups")
    if "read_pattern" in exposure:
        # What 2022 had in its place is still there, filled with placeholders.
        for name in ("nframes", "groupgap", "group_time"):
            exposure.pop(name, None)
    else:
        n_reads = exposure.get("nframes", 1)
        skipped = exposure.get("groupgap", 0)
        pattern = _read_pattern(exposure["nresultants"], n_reads, skipped)
        exposure["read_pattern"] = list(pattern)
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
