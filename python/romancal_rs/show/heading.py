"""The lines above a picture: what was exposed, how, and what it was made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ..datamodels import ReferenceModel, is_unknown

if TYPE_CHECKING:
    from ..datamodels import DataModel

__all__ = ["heading", "name_of", "wrapped"]

#: What files say where they do not know.
_NOTHING = ("", "?", "None", "N/A", "UNKNOWN")

_SEPARATOR = "  \u00b7  "


def name_of(model: DataModel) -> str:
    """The name of the file that a model is of, or its class where it has none."""
    if model.source:
        return PurePath(model.source).name
    name = model.get("meta.filename")
    return name if isinstance(name, str) and name not in _NOTHING else type(model).__name__


def heading(model: DataModel) -> list[list[str]]:
    """Lines of items: the name, then how the file came to be. What is not known is left out."""
    lines = [_of_reference(model)] if isinstance(model, ReferenceModel) else _of_exposure(model)
    return [[name_of(model)], *(line for line in lines if line)]


def _of_exposure(model: DataModel) -> list[list[str]]:
    taken = [
        _text(model, "instrument.detector"),
        _text(model, "instrument.optical_element"),
        _text(model, "exposure.type"),
        _text(model, "exposure.start_time"),
        _ma_table(model),
        _resultants(model),
        _with_unit(model, "exposure.exposure_time", "s"),
    ]
    software = " ".join(
        part
        for part in (
            _text(model, "calibration_software_name"),
            _text(model, "calibration_software_version"),
        )
        if part
    )
    runs = model.get("meta.cal_runs")
    libraries: Any = runs[-1].get("software", {}) if runs else {}
    made = [
        software,
        _prefixed("recipe", _text(model, "cal_recipe")),
        _prefixed("CRDS", _text(model, "ref_file.crds.context")),
        *(f"{name} {libraries[name]}" for name in ("asdf", "gwcs", "rad") if name in libraries),
    ]
    return [[item for item in line if item] for line in (taken, made)]


def _of_reference(model: DataModel) -> list[str]:
    items = [
        _text(model, "reftype"),
        _text(model, "instrument.detector"),
        _text(model, "instrument.optical_element"),
        _text(model, "exposure.type"),
        _prefixed("use after", _text(model, "useafter")),
        _prefixed("pedigree", _text(model, "pedigree")),
        _text(model, "description"),
    ]
    return [item for item in items if item]


def _text(model: DataModel, dotted: str) -> str:
    value = model.get(f"meta.{dotted}")
    if value is None or is_unknown(value):
        return ""
    if hasattr(value, "isot"):
        return f"{value.isot.replace('T', ' ').partition('.')[0]} {value.scale.upper()}"
    text = " ".join(str(value).split())
    return "" if text in _NOTHING else text


def _prefixed(word: str, text: str) -> str:
    return f"{word} {text}" if text else ""


def _with_unit(model: DataModel, dotted: str, unit: str) -> str:
    value = model.get(f"meta.{dotted}")
    known = isinstance(value, (int, float)) and not is_unknown(value)
    return f"{value:.6g} {unit}" if known else ""


def _ma_table(model: DataModel) -> str:
    name = _text(model, "exposure.ma_table_name")
    number = model.get("meta.exposure.ma_table_number")
    known = [str(number)] if isinstance(number, int) and number > 0 else []
    if name:
        known.append(f"({name})" if known else name)
    return f"MA table {' '.join(known)}" if known else ""


def _resultants(model: DataModel) -> str:
    pattern = model.get("meta.exposure.read_pattern")
    try:
        reads = [len(resultant) for resultant in pattern]
    except TypeError:
        reads = []
    if not reads:
        return ""
    fewest, most = min(reads), max(reads)
    count = str(most) if fewest == most else f"{fewest} to {most}"
    plural = "" if len(reads) == 1 else "s"
    return f"{len(reads)} resultant{plural} of {count} read{'' if count == '1' else 's'}"


def wrapped(items: Sequence[str], width: float, measure: Callable[[str], float]) -> list[str]:
    """Items in lines that are not wider than `width`.

    Parameters
    ----------
    items : sequence of str
        Kept whole where they fit into a line; others are broken at blanks, or anywhere.
    width : float
    measure : callable
        The width of a text.
    """
    lines: list[str] = []
    line = ""
    for item in items:
        longer = f"{line}{_SEPARATOR}{item}" if line else item
        if measure(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _broken(item, width, measure)
        lines += whole
    return [*lines, line] if line else lines


def _broken(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    parts = []
    while measure(text) > width and len(text) > 1:
        end = max(1, int(len(text) * width / measure(text)))
        while end > 1 and measure(text[:end]) > width:
            end -= 1
        blank = text.rfind(" ", 1, end + 1)
        if blank > 0:
            end = blank
        parts.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*parts, text]
