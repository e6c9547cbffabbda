"""Which reference file fits an exposure: the matching rules, and how a choice is made.

The rules, by reference type (all types also need the instrument and a `useafter` that is not later
than the start of the exposure):

==========  ========  =================  =============  =======================================
type        detector  optical element    exposure type  also
==========  ========  =================  =============  =======================================
PHOTOM      -         - (row of table)   -
FLAT        yes       where file has one -
DISTORTION  yes       where file has one -
DARK        yes       a preference       where has one  per group: MA table and its length
READNOISE   yes       -                  where has one
all others  yes       -                  -
==========  ========  =================  =============  =======================================
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import AmbiguousReferenceError
from .head import ReferenceHead
from .keys import ExposureKeys

WITHOUT_DETECTOR = frozenset({"PHOTOM"})
_BY_ELEMENT = frozenset({"FLAT", "DISTORTION"})
_BY_EXPOSURE_TYPE = frozenset({"DARK", "READNOISE"})
_SPECTRAL_ELEMENTS = ("GRISM", "PRISM", "GRATING")


@dataclass(frozen=True)
class Candidate:
    """A file of the wanted type, and in what it differs from what the exposure needs."""

    head: ReferenceHead
    differences: tuple[str, ...]


def compare(head: ReferenceHead, keys: ExposureKeys) -> tuple[str, ...]:
    """Say in what a file differs from what an exposure needs; empty if it fits.

    Each entry is the file's own value, such as ``"element F129"``.
    """
    kind = head.reftype
    if is_parameter_type(kind):
        return _compare_parameters(head, keys)
    found: list[str] = []
    if head.instrument != keys.instrument:
        found.append(f"instrument {head.instrument}")
    if kind not in WITHOUT_DETECTOR and head.detector != keys.detector:
        found.append(f"detector {head.detector}")
    if kind in _BY_ELEMENT and head.optical_element not in (None, keys.optical_element):
        found.append(f"element {head.optical_element}")
    if (
        kind in _BY_EXPOSURE_TYPE
        and head.exposure_types
        and _type_names(keys).isdisjoint(head.exposure_types)
    ):
        found.append(f"exposure type {'|'.join(head.exposure_types)}")
    if kind == "DARK" and head.n_groups is not None:
        found.extend(_compare_readout(head, keys))
    if head.useafter > keys.start_time:
        found.append(f"useafter {head.useafter.isoformat()}")
    return tuple(found)


def is_parameter_type(reftype: str) -> bool:
    """Whether files of this type hold a step's parameters, not pixels."""
    return reftype.startswith("PARS-")


def _compare_parameters(head: ReferenceHead, keys: ExposureKeys) -> tuple[str, ...]:
    """A parameter reference applies to all exposures but for what it says itself."""
    found = [
        f"{what} {value}"
        for what, value, wanted in (
            ("instrument", head.instrument, keys.instrument),
            ("detector", head.detector, keys.detector),
            ("element", head.optical_element, keys.optical_element),
        )
        if value not in (None, wanted)
    ]
    if head.exposure_types and _type_names(keys).isdisjoint(head.exposure_types):
        found.append(f"exposure type {'|'.join(head.exposure_types)}")
    if head.useafter > keys.start_time:
        found.append(f"useafter {head.useafter.isoformat()}")
    return tuple(found)


def describe(reftype: str, keys: ExposureKeys) -> str:
    """Name the keys and values that a file of this type is looked up by."""
    without_detector = reftype in WITHOUT_DETECTOR
    instrument, detector = f"instrument {keys.instrument}", f"detector {keys.detector}"
    wanted = [instrument if without_detector else detector]
    if reftype in _BY_ELEMENT or reftype == "DARK":
        wanted.append(f"element {keys.optical_element}")
    if reftype in _BY_EXPOSURE_TYPE:
        wanted.append(f"exposure type {keys.exposure_type}")
    if reftype == "DARK":
        wanted.append(f"{keys.n_resultants} resultants")
        wanted.append(f"MA table {_ma_table(keys)}")
    return f"{', '.join(wanted)} at {keys.start_time.isoformat()}"


def choose(fitting: list[ReferenceHead], keys: ExposureKeys) -> tuple[ReferenceHead, str | None]:
    """Choose among the files (at least one, all of one type) that fit.

    The latest `useafter` wins; of two with the same one, the file made for the exposure's optical
    element wins over a file that names none. A DARK for another element comes last: a dark does
    not depend on the filter, but a file made for this one is the surer choice.

    Returns
    -------
    ReferenceHead, str or None
        The file, and a note for the log when it is for another optical element.

    Raises
    ------
    AmbiguousReferenceError
        If two files are equally good.
    """

    def merit(head: ReferenceHead) -> tuple:
        exact = head.optical_element == keys.optical_element
        return not _other_element(head, keys), head.useafter, exact

    best = max(fitting, key=merit)
    equals = [head.path.name for head in fitting if merit(head) == merit(best)]
    if len(equals) > 1:
        raise AmbiguousReferenceError(
            f"{len(equals)} {best.reftype} files fit {describe(best.reftype, keys)} equally well, "
            f"with the same useafter {best.useafter.isoformat()}: {', '.join(sorted(equals))}; "
            f"remove all but one, or name one with override_{best.reftype.lower()}"
        )
    note = None
    if _other_element(best, keys):
        note = (
            f"{best.reftype} {best.path.name} was made for element {best.optical_element}; none is "
            f"there for {keys.optical_element}, and a dark does not depend on the filter"
        )
    return best, note


def _other_element(head: ReferenceHead, keys: ExposureKeys) -> bool:
    """Whether a DARK names an imaging element that is not the exposure's."""
    return head.reftype == "DARK" and head.optical_element not in (
        None,
        "DARK",
        keys.optical_element,
    )


def _type_names(keys: ExposureKeys) -> set[str]:
    """The exposure's type by the names of both eras.

    What is WFI_SPECTRAL today was named after the element in 2022, WFI_GRISM or WFI_PRISM.
    """
    names = {keys.exposure_type}
    for element in _SPECTRAL_ELEMENTS:
        if keys.exposure_type == f"WFI_{element}":
            names.add("WFI_SPECTRAL")
        elif keys.exposure_type == "WFI_SPECTRAL" and keys.optical_element.startswith(element):
            names.add(f"WFI_{element}")
    return names


def _compare_readout(head: ReferenceHead, keys: ExposureKeys) -> list[str]:
    """Compare the read-out that a per-group dark was made for: its length and its MA table."""
    found = []
    if head.n_groups != keys.n_resultants:
        found.append(f"{head.n_groups} resultants")
    if head.ma_table_name not in (None, keys.ma_table_name) or head.ma_table_number not in (
        None,
        keys.ma_table_number,
    ):
        found.append(f"MA table {_ma_table(head)}")
    return found


def _ma_table(record: ReferenceHead | ExposureKeys) -> str:
    return f"{record.ma_table_name} ({record.ma_table_number})"
