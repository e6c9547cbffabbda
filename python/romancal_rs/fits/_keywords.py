"""What the metadata of an exposure are called in FITS headers, as those of HST and JWST have it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..datamodels._defaults import is_unknown
from ..datamodels._tree import Described

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from ..datamodels import DataModel

#: Keyword, value and comment.
Card = tuple[str, Any, str]

__all__ = ["keywords", "primary_header", "rows", "science_keywords", "text_of"]

#: Titles, and under each the keywords, where their values are in ``meta``, and what they mean.
_PRIMARY: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Telescope, instrument and file": (
        ("TELESCOP", "telescope", "telescope"),
        ("INSTRUME", "instrument.name", "instrument"),
        ("DETECTOR", "instrument.detector", "detector"),
        ("FILTER", "instrument.optical_element", "optical element"),
        ("EXP_TYPE", "exposure.type", "type of the exposure"),
        ("ORIGIN", "origin", "organisation that made the product"),
        ("DATAMODL", "model_type", "data model of the product"),
        ("ASDFFILE", "filename", "the file exported"),
        ("CAL_SW", "calibration_software_name", "calibration software"),
        ("CAL_VER", "calibration_software_version", "its version"),
        ("SDP_VER", "sdf_software_version", "version of the data formatting"),
        ("PRD_VER", "prd_version", "version of the project reference database"),
    ),
    "Program and visit": (
        ("OBS_ID", "observation.observation_id", "observation"),
        ("VISIT_ID", "observation.visit_id", "visit"),
        ("PROGRAM", "observation.program", "number of the program"),
        ("EXECPLAN", "observation.execution_plan", "execution plan"),
        ("PASS", "observation.pass", "pass"),
        ("SEGMENT", "observation.segment", "segment"),
        ("OBSERVTN", "observation.observation", "number of the observation"),
        ("VISIT", "observation.visit", "number of the visit"),
        ("VISITGRP", "observation.visit_file_group", "visit file group"),
        ("SEQ_ID", "observation.visit_file_sequence", "visit file sequence"),
        ("ACT_ID", "observation.visit_file_activity", "visit file activity"),
        ("EXPOSURE", "observation.exposure", "number of the exposure"),
        ("VISITYPE", "visit.type", "type of the visit"),
        ("TITLE", "program.title", "title of the proposal"),
        ("PI_NAME", "program.investigator_name", "principal investigator"),
        ("CATEGORY", "program.category", "category of the program"),
        ("SUBCAT", "program.subcategory", "subcategory of the program"),
    ),
    "Times": (
        ("DATE-BEG", "exposure.start_time", "start of the exposure, UTC"),
        ("DATE-AVG", "exposure.mid_time", "middle of the exposure, UTC"),
        ("DATE-END", "exposure.end_time", "end of the exposure, UTC"),
        ("EXPTIME", "exposure.exposure_time", "[s] exposure time"),
        ("EFFEXPTM", "exposure.effective_exposure_time", "[s] effective exposure time"),
        ("XPOSURE", "exposure.effective_exposure_time", "[s] effective exposure time"),
    ),
    "Read-out": (
        ("MATABID", "exposure.ma_table_id", "identifier of the MA table"),
        ("MATABNAM", "exposure.ma_table_name", "name of the MA table"),
        ("MATABNUM", "exposure.ma_table_number", "number of the MA table"),
        ("NRESULT", "exposure.nresultants", "resultants"),
        ("TFRAME", "exposure.frame_time", "[s] time of a read"),
        ("TRUNCATE", "exposure.truncated", "whether the exposure was cut short"),
        ("ENG_QUAL", "exposure.engineering_quality", "quality of the engineering data"),
    ),
    "Target and pointing": (
        ("TARGPROP", "target.proposer_name", "the proposer's name of the target"),
        ("TARGNAME", "target.catalog_name", "name of the target in a catalogue"),
        ("TARG_RA", "pointing.target_ra", "[deg] right ascension of the target"),
        ("TARG_DEC", "pointing.target_dec", "[deg] declination of the target"),
        ("RA_V1", "pointing.ra_v1", "[deg] right ascension of axis V1"),
        ("DEC_V1", "pointing.dec_v1", "[deg] declination of axis V1"),
        ("PA_V3", "pointing.pa_v3", "[deg] position angle of V3 at V1"),
        ("PA_APER", "pointing.pa_aperture", "[deg] position angle of the aperture"),
        ("APERNAME", "wcsinfo.aperture_name", "aperture"),
        ("VA_SCALE", "velocity_aberration.scale_factor", "factor of the velocity aberration"),
        ("GS_ID", "guide_star.guide_star_id", "guide star"),
        ("GS_MODE", "guide_star.guide_mode", "mode of guiding"),
    ),
    "Calibration steps": (
        ("RECIPE", "cal_recipe", "list of the calibration steps"),
        ("S_DQINIT", "cal_step.dq_init", "initialisation of the flags"),
        ("S_SATURA", "cal_step.saturation", "saturation"),
        ("S_REFPIX", "cal_step.refpix", "reference pixels"),
        ("S_DKDCAY", "cal_step.dark_decay", "decay of the dark signal"),
        ("S_W18TRN", "cal_step.wfi18_transient", "transient of WFI18"),
        ("S_LINEAR", "cal_step.linearity", "linearity"),
        ("S_DARK", "cal_step.dark", "dark current"),
        ("S_JUMP", "cal_step.jump", "jumps"),
        ("S_RAMP", "cal_step.ramp_fit", "ramp fit"),
        ("S_WCS", "cal_step.assign_wcs", "world coordinates"),
        ("S_FLAT", "cal_step.flat_field", "flat field"),
        ("S_PHOTOM", "cal_step.photom", "photometric calibration"),
        ("S_FLUX", "cal_step.flux", "conversion to flux"),
        ("S_TWKREG", "cal_step.tweakreg", "alignment to a catalogue"),
        ("S_SKYMAT", "cal_step.skymatch", "matching of the sky"),
        ("S_OUTLIR", "cal_step.outlier_detection", "outliers"),
        ("S_SRCCAT", "cal_step.source_catalog", "catalogue of sources"),
    ),
    "Reference files": (
        ("CRDS_CTX", "ref_file.crds.context", "context of CRDS"),
        ("CRDS_VER", "ref_file.crds.version", "version of CRDS"),
        ("R_MASK", "ref_file.mask", "bad pixels"),
        ("R_SATURA", "ref_file.saturation", "saturation"),
        ("R_REFPIX", "ref_file.refpix", "reference pixels"),
        ("R_DKDCAY", "ref_file.darkdecaysignal", "decay of the dark signal"),
        ("R_LINEAR", "ref_file.linearity", "linearity"),
        ("R_INVLIN", "ref_file.inverselinearity", "inverse linearity"),
        ("R_INL", "ref_file.integralnonlinearity", "integral nonlinearity"),
        ("R_DARK", "ref_file.dark", "dark"),
        ("R_GAIN", "ref_file.gain", "gain"),
        ("R_READNO", "ref_file.readnoise", "read noise"),
        ("R_DISTOR", "ref_file.distortion", "distortion"),
        ("R_FLAT", "ref_file.flat", "flat field"),
        ("R_PHOTOM", "ref_file.photom", "photometric calibration"),
        ("R_AREA", "ref_file.area", "areas of pixels"),
        ("R_APCORR", "ref_file.apcorr", "aperture corrections"),
        ("R_EPSF", "ref_file.epsf", "effective point-spread function"),
    ),
    "Of a reference file": (
        ("REFTYPE", "reftype", "type of the reference file"),
        ("USEAFTER", "useafter", "date from which on it is used"),
        ("PEDIGREE", "pedigree", "what it was made of"),
        ("AUTHOR", "author", "who made it"),
        ("DESCRIP", "description", "what it is"),
    ),
}

#: Of an image: the keywords beside its pixels.
_SCIENCE: tuple[tuple[str, str, str], ...] = (
    ("PHOTMJSR", "photometry.conversion_megajanskys", "[MJy/sr] of 1 DN/s"),
    ("PHOTUNC", "photometry.conversion_megajanskys_uncertainty", "[MJy/sr] its uncertainty"),
    ("PIXAR_SR", "photometry.pixel_area", "[sr] area of a pixel on the sky"),
    ("PIXAR_A2", "photometry.pixelarea_arcsecsq", "[arcsec2] area of a pixel on the sky"),
    ("V2_REF", "wcsinfo.v2_ref", "[arcsec] V2 of the reference point"),
    ("V3_REF", "wcsinfo.v3_ref", "[arcsec] V3 of the reference point"),
    ("VPARITY", "wcsinfo.vparity", "sense of rotation between pixels and V2, V3"),
    ("V3I_YANG", "wcsinfo.v3yangle", "[deg] from the axis V3 to that of the rows"),
    ("RA_REF", "wcsinfo.ra_ref", "[deg] right ascension at V2_REF, V3_REF"),
    ("DEC_REF", "wcsinfo.dec_ref", "[deg] declination at V2_REF, V3_REF"),
    ("ROLL_REF", "wcsinfo.roll_ref", "[deg] position angle of V3 at RA_REF, DEC_REF"),
    ("S_REGION", "wcsinfo.s_region", "outline of the image on the sky"),
)

_UNKNOWN_WORDS = frozenset({"?", "N/A", "None", "UNKNOWN", ""})
_BLANK = ("", "", "")
#: Letters that a card has for value and comment, and for a text with its quotes.
_ROOM = 67
_LONGEST_TEXT = 70
#: Where N/A is an answer: a step that does not apply, a reference that was not used.
_TELL_NOT_APPLICABLE = ("cal_step.", "ref_file.")


def keywords(model: DataModel) -> Header:
    """The metadata of an exposure as FITS keywords, without the titles between them.

    Parameters
    ----------
    model : DataModel
        The exposure.

    Returns
    -------
    astropy.io.fits.Header
    """
    from astropy.io.fits import Header

    header = primary_header(model)
    return Header([card for card in header.cards if card.keyword] + science_keywords(model))


def primary_header(model: DataModel) -> Header:
    """The header of a whole file, of what the metadata know."""
    from astropy.io.fits import Header

    header = Header()
    for title, entries in _PRIMARY.items():
        cards = list(_cards(model, entries))
        if title == "Times":
            cards += _more_times(model)
        if title == "Read-out":
            cards += _read_pattern(model)
        if cards:
            for card in [_BLANK, ("", f"  {title}", ""), _BLANK, *map(_with_room, cards)]:
                header.append(card, end=True)
    return header


def science_keywords(model: DataModel) -> list[Card]:
    """The keywords of an image that stand beside its pixels."""
    return [_with_room(card) for card in _cards(model, _SCIENCE)]


def rows(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of all metadata, as text; a list without names is one value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from rows(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from rows(item, f"{name}.{index}")
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        for index, item in enumerate(value):
            yield f"{name}.{index}", text_of(item)
    elif not hasattr(value, "dtype") and not isinstance(value, Described):
        yield name, text_of(value)


def text_of(value: Any) -> str:
    """A value in letters of ASCII, which is all that FITS has, without accents, in one line."""
    parts = unicodedata.normalize("NFKD", str(getattr(value, "isot", value)))
    letters = "".join(part for part in parts if not unicodedata.combining(part))
    text = letters.encode("ascii", "replace").decode()
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _cards(model: DataModel, entries: tuple[tuple[str, str, str], ...]) -> Iterator[Card]:
    for keyword, place, comment in entries:
        value = model.get(f"meta.{place}")
        if value is None or is_unknown(value):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            continue
        if not isinstance(value, (bool, int, float)):
            value = text_of(value)
            said = value != "N/A" or not place.startswith(_TELL_NOT_APPLICABLE)
            if said and value in _UNKNOWN_WORDS:
                continue
        yield keyword, value, comment


def _with_room(card: Card) -> Card:
    """A card without its comment, if the card has no room for it; a long text takes several."""
    keyword, value, comment = card
    length = len(value.replace("'", "''")) + 2 if isinstance(value, str) else 0
    fits = length > _LONGEST_TEXT or max(length, 20) + len(comment) <= _ROOM
    return card if fits else (keyword, value, "")


def _more_times(model: DataModel) -> Iterator[Card]:
    """What HST and JWST call the same times."""
    start = model.get("meta.exposure.start_time")
    if start is not None:
        date, _, time = start.utc.isot.partition("T")
        yield "DATE-OBS", date, "date of the start, UTC"
        yield "TIME-OBS", time, "time of the start, UTC"
        yield "TIMESYS", "UTC", "time scale of the dates"
    for keyword, name, comment in (
        ("MJD-BEG", "start_time", "start"),
        ("MJD-AVG", "mid_time", "middle"),
        ("MJD-END", "end_time", "end"),
    ):
        time = model.get(f"meta.exposure.{name}")
        if time is not None:
            yield keyword, float(time.utc.mjd), f"[d] {comment} of the exposure, UTC"


def _read_pattern(model: DataModel) -> Iterator[Card]:
    pattern = model.get("meta.exposure.read_pattern")
    if pattern:
        text = ",".join(_reads(list(reads)) for reads in pattern)
        yield "READPATT", text, "reads of each resultant"


def _reads(numbers: list[int]) -> str:
    """The reads of a resultant: 4, 5-8, or 1+3 where some between are left out."""
    if len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return "+".join(map(str, numbers))
