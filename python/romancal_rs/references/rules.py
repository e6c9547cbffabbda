"""Which reference file fits an exposure: the matching rules, and how a choice is made.

`romancal_rs.reference_types` says by what each type is chosen; all types also need the instrument
and a `useafter` that is not later than the start of the exposure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ..reference_types import type_of
from .head import ReferenceHead
from .keys import ExposureKeys

SPECTRAL_ELEMENTS = ("GRISM", "PRISM", "GRATING")


@dataclass(frozen=True)
class Candidate:
    """A file of the wanted type, and what speaks against it.

    Attributes
    ----------
    head : ReferenceHead
    differences : tuple of str
        In what it differs from what the exposure needs; of one that fits, why another comes first.
    """

    head: ReferenceHead
    differences: tuple[str, ...]

    def __str__(self) -> str:
        name = self.head.path.name
        return f"{name} ({', '.join(self.differences)})" if self.differences else name


def needs_detector(reftype: str) -> bool:
    """Whether a file of this type fits only exposures of the very detector that it names."""
    kind = type_of(reftype)
    return "detector" in kind.keys and not kind.any_detector and not is_parameter_type(reftype)


def fits_detector(reftype: str, found: str | None, detector: str) -> bool:
    """Whether a file of this type that names the detector `found`, or none, is for `detector`."""
    kind = type_of(reftype)
    if "detector" not in kind.keys or (found is None and kind.any_detector):
        return True
    return found == detector


def compare(head: ReferenceHead, keys: ExposureKeys) -> tuple[str, ...]:
    """Say in what a file differs from what an exposure needs; empty if it fits.

    Each entry is the file's own value, such as ``"element F129"``.
    """
    if is_parameter_type(head.reftype):
        return _compare_parameters(head, keys)
    kind = type_of(head.reftype)
    found: list[str] = []
    if head.instrument != keys.instrument:
        found.append(f"instrument {head.instrument}")
    if not fits_detector(head.reftype, head.detector, keys.detector):
        found.append(f"detector {head.detector}")
    if "optical_element" in kind.keys and head.optical_element not in (None, keys.optical_element):
        found.append(f"element {head.optical_element}")
    if (
        "exposure_type" in kind.keys
        and head.exposure_types
        and _type_names(keys).isdisjoint(head.exposure_types)
    ):
        found.append(f"exposure type {'|'.join(head.exposure_types)}")
    if not head.has_rate and not _serves_by_first_planes(head, keys):
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
    kind, parameters = type_of(reftype), is_parameter_type(reftype)
    wanted = []
    if kind.has_key("detector"):
        wanted.append(f"detector {keys.detector}")
    if kind.has_key("optical_element") or parameters:
        wanted.append(f"element {keys.optical_element}")
    if kind.has_key("exposure_type") or parameters:
        wanted.append(f"exposure type {keys.exposure_type}")
    if kind.by_readout:
        wanted.append(f"{keys.n_resultants} resultants")
        wanted.append(f"MA table {_ma_table(keys)}")
    wanted.append(f"instrument {keys.instrument}")
    return f"{', '.join(wanted)} at {keys.start_time.isoformat()}"


def describe_file(head: ReferenceHead) -> str:
    """Say what a file is for: its values of the keys by which its type is looked up."""
    kind, parameters = type_of(head.reftype), is_parameter_type(head.reftype)
    found = []
    if head.detector is None or not kind.has_key("detector") or parameters:
        found.append(f"instrument {head.instrument}")
    if kind.has_key("detector"):
        found.append(f"detector {head.detector}")
    if kind.has_key("optical_element") or parameters:
        found.append(f"element {head.optical_element}")
    if (kind.has_key("exposure_type") or parameters) and head.exposure_types:
        found.append(f"exposure type {'|'.join(head.exposure_types)}")
    if kind.by_readout and head.n_groups is not None:
        found.append(f"{head.n_groups} resultants")
        if (head.ma_table_name, head.ma_table_number) != (None, None):
            found.append(f"MA table {_ma_table(head)}")
    found.append(f"useafter {head.useafter.isoformat()}")
    return ", ".join(text for text in found if not text.endswith(" None"))


def nearest(candidates: Iterable[Candidate], keys: ExposureKeys) -> list[Candidate]:
    """The candidates that do not fit, the nearest first.

    The fewer differences, the nearer; then the closer in time, whether before or after; then by
    name.
    """
    return sorted(
        (candidate for candidate in candidates if candidate.differences),
        key=lambda candidate: (
            len(candidate.differences),
            abs(candidate.head.useafter - keys.start_time),
            candidate.head.path.name,
        ),
    )


def rank(fitting: Iterable[ReferenceHead], keys: ExposureKeys) -> list[Candidate]:
    """Rank the files (of one type) that fit, the best first.

    The latest `useafter` wins; of two with the same one, the file made for the exposure's detector,
    and for its optical element, wins over a file that names none. A DARK for another element comes
    last: a dark does not depend on the filter, but a file made for this one is the surer choice.
    Before it come those whose planes are not of the very read-out, so that only their rate, or the
    first of the planes, can serve.

    Returns
    -------
    list of Candidate
        With what puts each after the best; nothing for the best, and for those just as good.
    """

    def merit(head: ReferenceHead) -> _Merit:
        return _Merit(
            not _other_element(head, keys),
            not _compare_readout(head, keys),
            head.useafter,
            type_of(head.reftype).has_key("detector") and head.detector == keys.detector,
            head.optical_element == keys.optical_element,
        )

    by_name = sorted(fitting, key=lambda head: head.path.name)
    ranked = sorted(by_name, key=merit, reverse=True)
    return [Candidate(head, _why_later(head, merit(head), merit(ranked[0]))) for head in ranked]


class _Merit(NamedTuple):
    """What makes a file that fits better than another, the weightiest first."""

    element_is_no_other: bool
    readout_is_no_other: bool
    useafter: datetime
    names_detector: bool
    names_element: bool


def _why_later(head: ReferenceHead, merit: _Merit, best: _Merit) -> tuple[str, ...]:
    if merit == best:
        return ()
    of_element = f"element {head.optical_element}" if head.optical_element else "for any element"
    if merit.element_is_no_other != best.element_is_no_other:
        return (of_element,)
    if merit.readout_is_no_other != best.readout_is_no_other:
        return (f"{head.n_groups} resultants, MA table {_ma_table(head)}",)
    if merit.useafter != best.useafter:
        return (f"useafter {head.useafter.isoformat()}",)
    return ("for any detector",) if merit.names_detector != best.names_detector else (of_element,)


def note_on(head: ReferenceHead, keys: ExposureKeys) -> str | None:
    """A note for the log when the chosen file was made for another optical element."""
    if not _other_element(head, keys):
        return None
    return (
        f"{head.reftype} {head.path.name} was made for element {head.optical_element}; none is "
        f"there for {keys.optical_element}, and a dark does not depend on the filter"
    )


def _other_element(head: ReferenceHead, keys: ExposureKeys) -> bool:
    """Whether a DARK names an imaging element that is not the exposure's."""
    elements = (None, "DARK", keys.optical_element)
    return type_of(head.reftype).prefers_element and head.optical_element not in elements


def _type_names(keys: ExposureKeys) -> set[str]:
    """The exposure's type by the names of both eras.

    What is WFI_SPECTRAL today was named after the element in 2022, WFI_GRISM or WFI_PRISM.
    """
    names = {keys.exposure_type}
    for element in SPECTRAL_ELEMENTS:
        if keys.exposure_type == f"WFI_{element}":
            names.add("WFI_SPECTRAL")
        elif keys.exposure_type == "WFI_SPECTRAL" and keys.optical_element.startswith(element):
            names.add(f"WFI_{element}")
    return names


def _compare_readout(head: ReferenceHead, keys: ExposureKeys) -> list[str]:
    """Compare the read-out that a per-group dark was made for: its length and its MA table."""
    if not type_of(head.reftype).by_readout or head.n_groups is None:
        return []
    found = []
    if head.n_groups != keys.n_resultants:
        found.append(f"{head.n_groups} resultants")
    if head.ma_table_name not in (None, keys.ma_table_name) or head.ma_table_number not in (
        None,
        keys.ma_table_number,
    ):
        found.append(f"MA table {_ma_table(head)}")
    return found


def _serves_by_first_planes(head: ReferenceHead, keys: ExposureKeys) -> bool:
    """Whether a per-group dark was made with more resultants of the very MA table."""
    if head.n_groups is None or keys.n_resultants is None or head.n_groups <= keys.n_resultants:
        return False
    stated = (head.ma_table_name, head.ma_table_number)
    wanted = (keys.ma_table_name, keys.ma_table_number)
    agreements = [a == b for a, b in zip(stated, wanted, strict=True) if a is not None]
    return bool(agreements) and all(agreements)


def _ma_table(record: ReferenceHead | ExposureKeys) -> str:
    return f"{record.ma_table_name} ({record.ma_table_number})"
