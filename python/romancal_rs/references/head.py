"""What a reference file says about itself, read without opening it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from .._yaml_head import HeadError, read_tree
from .keys import naive_utc

_Value = TypeVar("_Value", str, int)


@dataclass(frozen=True)
class ReferenceHead:
    """What a reference file says about itself. A key that the file lacks is None.

    So is an MA table that is a placeholder, "?" or -999999.

    Attributes
    ----------
    path : Path
    reftype : str
        In capitals, such as ``DARK``.
    useafter : datetime
        The file is meant for exposures that start at this time (UTC) or later.
    instrument, detector, optical_element : str or None
    exposure_types : tuple of str
        The entries of ``exposure.p_exptype``, else ``exposure.type`` alone; empty without either.
    n_groups : int or None
        Number of resultants of a dark that holds one image for each of them.
    ma_table_name, ma_table_number : str or None, int or None
    has_rate : bool
        A dark that holds a rate, ``dark_slope``, besides or instead of its images.
    """

    path: Path
    reftype: str
    useafter: datetime
    instrument: str | None = None
    detector: str | None = None
    optical_element: str | None = None
    exposure_types: tuple[str, ...] = ()
    n_groups: int | None = None
    ma_table_name: str | None = None
    ma_table_number: int | None = None
    has_rate: bool = False


def read_head(path: Path) -> ReferenceHead | None:
    """Read the head of a reference file.

    Returns
    -------
    ReferenceHead or None
        None for a sound ASDF file that is no reference file: it has no ``roman.meta.reftype``.

    Raises
    ------
    HeadError
        If the file cannot be read, is not ASDF, is truncated within its head, is not YAML, or is a
        reference file without a usable ``useafter``.
    """
    tree = read_tree(path)
    roman = _child(tree, "roman")
    meta = _child(roman, "meta") or _parameter_meta(tree)
    reftype = _text(_child(meta, "reftype"))
    if reftype is None:
        return None
    instrument, exposure = _child(meta, "instrument"), _child(meta, "exposure")
    return ReferenceHead(
        path=path,
        reftype=reftype.upper(),
        useafter=_time(_child(meta, "useafter")),
        instrument=_text(_child(instrument, "name")),
        detector=_text(_child(instrument, "detector")),
        optical_element=_text(_child(instrument, "optical_element")),
        exposure_types=_exposure_types(exposure),
        n_groups=_n_groups(roman, exposure),
        ma_table_name=_known(_text(_child(exposure, "ma_table_name"))),
        ma_table_number=_known(_integer(_child(exposure, "ma_table_number"))),
        has_rate=_child(roman, "dark_slope") is not None,
    )


def _parameter_meta(tree: Any) -> Any:
    """The metadata of a parameter reference, without what was left to be specified."""
    meta = _child(tree, "meta")
    if not (_text(_child(meta, "reftype")) or "").lower().startswith("pars-"):
        return None
    instrument = _child(meta, "instrument")
    known = {key: value for key, value in (instrument or {}).items() if value != "<SPECIFY>"}
    return {**meta, "instrument": known}


def _child(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None


def _text(node: Any) -> str | None:
    return node.strip() if isinstance(node, str) else None


def _known(value: _Value | None) -> _Value | None:
    """A value that is more than the placeholder of one that nobody knows."""
    return None if value in ("?", -999999) else value


def _integer(node: Any) -> int | None:
    text = _text(node)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise HeadError(f"found {text!r} where a whole number is expected") from None


def _time(node: Any) -> datetime:
    """Read a time: ISO text, alone (tagged or not) or under ``value`` of a mapping."""
    scale = _text(_child(node, "scale"))
    if scale not in (None, "utc"):
        raise HeadError(f"its useafter is on the time scale {scale}, not utc")
    text = _text(_child(node, "value") if isinstance(node, dict) else node)
    if text is None:
        raise HeadError("has no useafter")
    try:
        return naive_utc(text)
    except ValueError:
        raise HeadError(f"its useafter {text!r} is not an ISO time") from None


def _exposure_types(exposure: Any) -> tuple[str, ...]:
    text = _text(_child(exposure, "p_exptype")) or _text(_child(exposure, "type")) or ""
    return tuple(name.strip() for name in text.split("|") if name.strip())


def _n_groups(roman: Any, exposure: Any) -> int | None:
    """Length of a per-group dark: said by files of 2022, else the first axis of a 3-D ``data``."""
    n_groups = _integer(_child(exposure, "ngroups"))
    if n_groups is not None:
        return n_groups
    shape = _child(_child(roman, "data"), "shape")
    if isinstance(shape, list) and len(shape) == 3:
        return _integer(shape[0])
    return None
