"""Associations: JSON files that name the exposures that belong together.

Read are those of romancal, of which only the members count, and written one for the detectors of
each exposure, which romancal's next stage takes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._files import write_text
from ..errors import InputError, one_line

__all__ = ["Association", "Member", "read_association", "write_associations"]

#: The members that are exposures to work on; others are catalogues, backgrounds and the like.
SCIENCE = "science"
#: What a name of a product begins with: the program, its plan, pass, segment, observation, visit,
#: and the exposure; then the detector and the optical element.
_NAME = re.compile(
    r"(?P<visit>r(?P<program>\d{5})\d{14})_(?P<exposure>\d{4})_(?P<detector>wfi\d\d)_"
    r"(?P<element>[a-z0-9]+)_(?P<suffix>[a-z0-9]+)\.asdf",
    re.IGNORECASE,
)
_RULE = "DMS_ELPP_Base"
_NUMBER = "a3001"


@dataclass(frozen=True)
class Member:
    """A file of an association.

    Attributes
    ----------
    name : str
        As the association has it: relative to its file, unless it is absolute or a URL.
    kind : str
        ``science``, or what else it is.
    """

    name: str
    kind: str

    @property
    def is_science(self) -> bool:
        """Whether it is a science exposure."""
        return self.kind == SCIENCE


@dataclass(frozen=True)
class Association:
    """The members of all products of an association, each once, in order.

    Attributes
    ----------
    path : Path
    members : tuple of Member
    """

    path: Path
    members: tuple[Member, ...]


def read_association(path: str | os.PathLike[str]) -> Association:
    """Reads an association.

    Of its keys ``products``, and in them ``members`` with ``expname`` and ``exptype``, have to be
    there; nothing else is looked at.

    Raises
    ------
    OSError
    InputError
        If it is no association; the message names the file and the key.
    """
    path = Path(path)
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not an association: not JSON ({one_line(error)})") from error
    members: dict[Member, None] = {}
    for i, product in enumerate(_list(tree, "products", path, "")):
        for j, member in enumerate(_list(product, "members", path, f"products[{i}]")):
            place = f"products[{i}].members[{j}]"
            name, kind = (_text(member, key, path, place) for key in ("expname", "exptype"))
            members[Member(name, kind)] = None
    return Association(path, tuple(members))


def _list(node: Any, key: str, path: Path, place: str) -> list[Any]:
    value = _value(node, key, path, place)
    if not isinstance(value, list):
        raise InputError(f"{path}: {_at(place, key)} is {_shown(value)}, not a list")
    return value


def _text(node: Any, key: str, path: Path, place: str) -> str:
    value = _value(node, key, path, place)
    if not isinstance(value, str) or not value:
        raise InputError(f"{path}: {_at(place, key)} is {_shown(value)}, not a name")
    return value


def _value(node: Any, key: str, path: Path, place: str) -> Any:
    if not isinstance(node, Mapping):
        raise InputError(f"{path}: {place or 'its content'} is {_shown(node)}, not an object")
    if key not in node:
        raise InputError(f"{path}: not an association: it has no {_at(place, key)}")
    return node[key]


def _at(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def write_associations(
    products: Iterable[str | os.PathLike[str]], directory: str | os.PathLike[str]
) -> list[Path]:
    """Writes an association for each exposure, with the products of its detectors as members.

    Parameters
    ----------
    products : iterable of path
        Products whose names follow the mission's rule, such as
        ``r0034001001001001001_0001_wfi01_f062_cal.asdf``. URLs stay as they are; paths are written
        relative to the association.
    directory : path
        Where the associations go; it is made when missing.

    Returns
    -------
    list of Path
        ``<visit>_<exposure>_<element>_asn.json``, by name.

    Raises
    ------
    InputError
        If a name does not follow the rule, so that nothing tells which exposure it is of.
    """
    groups: dict[str, dict[str, str]] = {}
    programs: dict[str, str] = {}
    for product in products:
        text = os.fspath(product)
        base = text.rstrip("/").replace(os.sep, "/").rpartition("/")[2]
        parts = _NAME.fullmatch(base)
        if parts is None:
            raise InputError(
                f"{text}: its name does not tell which exposure it is of; expected one such as "
                "r0034001001001001001_0001_wfi01_f062_cal.asdf"
            )
        name = f"{parts['visit']}_{parts['exposure']}_{parts['element']}".lower()
        programs[name] = parts["program"]
        groups.setdefault(name, {})[base] = text
    written = []
    for name, members in sorted(groups.items()):
        path = Path(directory) / f"{name}_asn.json"
        names = [_as_member(members[base], path.parent) for base in sorted(members)]
        write_text(path, json.dumps(_tree(name, programs[name], names), indent=4) + "\n")
        written.append(path)
    return written


def _as_member(product: str, directory: Path) -> str:
    if "://" in product:
        return product
    return Path(os.path.relpath(product, directory)).as_posix()


def _tree(name: str, program: str, members: list[str]) -> dict[str, Any]:
    """The content of an association, with the keys that romancal 1.1.0 writes, in their order."""
    from .._version import software_version

    return {
        "asn_type": "None",
        "asn_rule": _RULE,
        "code_version": f"romancal-rs {software_version()}",
        "degraded_status": "No known degraded exposures in association.",
        "program": program,
        "data_release_id": "p",
        "version_id": None,
        "target": "None",
        "constraints": "No constraints",
        "asn_id": _NUMBER,
        "asn_pool": "none",
        "skycell_wcs_info": "none",
        "products": [
            {
                "name": name,
                "members": [{"expname": member, "exptype": SCIENCE} for member in members],
            }
        ],
    }
