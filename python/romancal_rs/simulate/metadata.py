"""The metadata of a Level 1 exposure."""

from __future__ import annotations

from typing import Any

from ..guide_window import GuideWindow
from .config import SimulationConfig
from .encoding import DATA_ENCODING_OFFSET, guide_window
from .pointing import V3_Y_ANGLE, V_PARITY, Pointing

# An ordinary value: the Earth's motion makes up to 1e-4.
VELOCITY_ABERRATION = 1.0000213
NO_VALUE = -999999.0

_REFERENCE_TYPES = [
    "apcorr",
    "area",
    "dark",
    "darkdecaysignal",
    "distortion",
    "epsf",
    "flat",
    "gain",
    "integralnonlinearity",
    "inverselinearity",
    "linearity",
    "mask",
    "photom",
    "readnoise",
    "refpix",
    "saturation",
]


def exposure_metadata(config: SimulationConfig, pointing: Pointing) -> dict[str, Any]:
    """The `meta` of a ScienceRawModel, for wfi_science_raw-2.1.0; saving adds date and software."""
    from astropy.time import Time, TimeDelta

    start = Time(config.start_time, format="isot", scale="utc")
    return {
        "coordinates": {"reference_frame": "ICRS"},
        "ephemeris": _ephemeris(start),
        "exposure": _exposure(config, start),
        "guide_star": {
            "guide_mode": "WIM-TRACK",
            "guide_star_id": "SIM0000001",
            "guide_window_id": "SIM0000001",
            "epoch": "2016.0",
            **_guide_window(config),
        },
        "instrument": {
            "name": "WFI",
            "detector": config.detector,
            "optical_element": config.optical_element,
            **({"data_encoding_offset": DATA_ENCODING_OFFSET} if config.encoded else {}),
        },
        "observation": _observation(config),
        "origin": "STSCI/SOC",
        "photometry": {
            "conversion_megajanskys": NO_VALUE,
            "conversion_megajanskys_uncertainty": NO_VALUE,
            "pixel_area": NO_VALUE,
        },
        "pointing": {
            "pa_aperture": float(config.position_angle),
            "pointing_engineering_source": "CALCULATED",
            "ra_v1": pointing.ra_v1,
            "dec_v1": pointing.dec_v1,
            "pa_v3": pointing.pa_v3,
            "target_aperture": "WFI_CEN",
            "target_ra": float(config.ra),
            "target_dec": float(config.dec),
        },
        "prd_version": "simulated",
        "product_type": "l1",
        "program": {
            "title": f"Simulated {config.detector} exposure",
            "investigator_name": "romancal_rs",
            "category": "CCS",
            "subcategory": "None",
            "science_category": "STELLAR POPULATIONS AND THE INTERSTELLAR MEDIUM",
        },
        "rcs": {"active": False, "electronics": "A", "bank": "1", "led": None, "counts": 0},
        "ref_file": {
            "crds": {"context": "roman_0000.pmap", "version": "0.0.0"},
            **dict.fromkeys(_REFERENCE_TYPES, "?"),
        },
        "sdf_software_version": "simulated",
        "telescope": "ROMAN",
        "velocity_aberration": {
            "ra_reference": pointing.ra_ref,
            "dec_reference": pointing.dec_ref,
            "scale_factor": VELOCITY_ABERRATION,
        },
        "visit": {
            "dither": {"primary_name": "NONE", "subpixel_name": "NONE", "executed_pattern": []},
            "type": "PRIME_TARGETED_FIXED",
            "start_time": start - TimeDelta(120, format="sec"),
            "nexposures": 1,
            "internal_target": False,
            "status": "SUCCESSFUL",
        },
        "wcsinfo": {
            "aperture_name": f"{config.detector}_FULL",
            "v2_ref": pointing.v2_ref,
            "v3_ref": pointing.v3_ref,
            "vparity": V_PARITY,
            "v3yangle": V3_Y_ANGLE,
            "ra_ref": pointing.ra_ref,
            "dec_ref": pointing.dec_ref,
            "roll_ref": pointing.roll_ref,
            "s_region": "?",
        },
    }


def _guide_window(config: SimulationConfig) -> dict[str, int]:
    limits = guide_window(config) if config.encoded else GuideWindow(*[int(NO_VALUE)] * 4)
    return {f"window_{name}": limit for name, limit in limits._asdict().items()}


def _exposure(config: SimulationConfig, start: Any) -> dict[str, Any]:
    from astropy.time import TimeDelta

    def mean_time(reads: tuple[int, ...]) -> float:
        return config.frame_time * sum(reads) / len(reads)

    pattern = config.pattern
    duration = config.frame_time * pattern[-1][-1]
    return {
        "type": config.exposure_type,
        "start_time": start,
        "mid_time": start + TimeDelta(duration / 2, format="sec"),
        "end_time": start + TimeDelta(duration, format="sec"),
        "engineering_quality": "OK",
        "data_problem": None,
        "exposure_time": duration,
        "effective_exposure_time": mean_time(pattern[-1]) - mean_time(pattern[0]),
        "frame_time": float(config.frame_time),
        "nresultants": len(pattern),
        "read_pattern": [list(reads) for reads in pattern],
        "ma_table_id": "SIM0001",
        "ma_table_name": f"SIMULATED_{len(pattern)}_RESULTANTS",
        "ma_table_number": 9999,
        "truncated": False,
        "hga_move": False,
    }


def _observation(config: SimulationConfig) -> dict[str, Any]:
    return {
        "observation_id": f"{config.visit_id}{config.exposure:04d}",
        "visit_id": config.visit_id,
        "program": int(config.program),
        "execution_plan": 1,
        "pass": 1,
        "segment": 1,
        "observation": 1,
        "visit": int(config.visit),
        "visit_file_group": 1,
        "visit_file_sequence": 1,
        "visit_file_activity": "01",
        "exposure": int(config.exposure),
        "wfi_parallel": False,
    }


def _ephemeris(start: Any) -> dict[str, Any]:
    """A plausible position and velocity at L2 [km, km/s]; nothing here uses them."""
    return {
        "ephemeris_reference_frame": "EME2000",
        "type": "DEFINITIVE",
        "time": float(start.mjd),
        "spatial_x": -5.2e7,
        "spatial_y": -1.3e8,
        "spatial_z": -5.7e7,
        "velocity_x": 27.5,
        "velocity_y": -9.4,
        "velocity_z": -4.1,
    }
