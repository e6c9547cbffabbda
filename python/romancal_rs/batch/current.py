"""Whether a product is what would be made, by its own record; and if not, why not."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .. import _yaml_head
from .._asdf_blocks import digest_of_head
from .._files import open_regular
from .._tagged import Tagged
from .._yaml_head import HeadError
from ..errors import RomancalError
from ..stpipe.config import class_path
from ..stpipe.find_class import find_class
from . import identity, remote
from .heads import how_cut, patiently
from .outcome import Kind, Outcome
from .plan import Plan, PlannedExposure
from .state import RunState, run_directories

__all__ = ["Reason", "is_new", "outcomes_by_key", "reason_of", "why_not_current"]

_NOT_THERE = "product: there is none"


class Reason(StrEnum):
    """Why a product is not what would be made."""

    #: It is not there, damaged, or does not say what made it.
    PRODUCT = "product"
    INPUT = "input"
    PARAMETERS = "parameters"
    REFERENCES = "references"
    SOFTWARE = "software"


def why_not_current(
    exposure: PlannedExposure,
    plan: Plan,
    outcome: Outcome | None = None,
    *,
    ignore: Collection[str] = (),
    there: Mapping[str, remote.RemoteStat] | None = None,
) -> list[str]:
    """Why the product of an exposure is not what would be made now; empty if it is.

    Only its head is read, and not even that where a record of the batch knows the file.

    Parameters
    ----------
    exposure : PlannedExposure
        One without a problem.
    plan : Plan
    outcome : Outcome, optional
        What a batch recorded of it last, see `outcomes_by_key`.
    ignore : collection of str
        Reasons that do not count, such as ``software``.
    there : mapping of str to RemoteStat, optional
        The products that are there, see `remote_products`.

    Returns
    -------
    list of str
        A `Reason` each, with what differs, such as ``references: DARK, FLAT``.

    Raises
    ------
    TransientError
        If a server does not give a head for a reason that may pass, also after a while.
    """
    if there is not None and exposure.product not in there:
        return [_NOT_THERE]
    is_known = outcome is not None and outcome.key == exposure.key
    if outcome is not None and is_known and _is_as_recorded(outcome, exposure, there or {}):
        return []
    try:
        record = last_record(exposure.product)
        differences = _differences(record, exposure, plan)
    except FileNotFoundError:
        return [_NOT_THERE]
    except (OSError, UnusableProductError, remote.RemoteError) as error:
        return [f"{Reason.PRODUCT}: {getattr(error, 'strerror', None) or error}"]
    except (AttributeError, KeyError, TypeError, ValueError, LookupError):
        return [f"{Reason.PRODUCT}: its record of a run (meta.cal_runs) is damaged"]
    return [
        f"{reason}: {what}"
        for reason, what in differences
        if reason not in ignore or reason is Reason.PRODUCT
    ]


def remote_products(plan: Plan) -> dict[str, remote.RemoteStat] | None:
    """What lies where the products of a plan go, by URL, and what the server says about it.

    One request tells of a thousand. None where the products are local files, or the user may not
    list the folder: then each product is looked at by itself.
    """
    destination = plan.settings.destination
    if not remote.is_s3(destination):
        return None
    try:
        return dict(patiently(lambda: remote.listed(f"{destination}/", "*")))
    except remote.RemoteNotFoundError:
        return {}
    except remote.RemoteAccessError:
        return None


def reason_of(line: str) -> str:
    """The reason of a line of `why_not_current`."""
    return line.partition(":")[0]


def is_new(reasons: list[str]) -> bool:
    """Whether, by `why_not_current`, there is no product."""
    return reasons == [_NOT_THERE]


def outcomes_by_key(state: Path, own: RunState | None = None) -> dict[str, Outcome]:
    """What became of exposures in any run of a batch, by their keys; of several the newest.

    Parameters
    ----------
    state : Path
        The directory of all runs.
    own : RunState, optional
        That of one of the runs, whose records are read already.
    """
    found: dict[str, Outcome] = {}
    ended: dict[str, float] = {}
    for directory in run_directories(state):
        is_own = own is not None and own.directory.path == directory.path
        run = own if is_own and own else directory.state()
        for name, outcome in run.outcomes.items():
            key = outcome.key
            if key and run.ended[name] >= ended.get(key, 0.0):
                found[key], ended[key] = outcome, run.ended[name]
    return found


class UnusableProductError(RomancalError):
    """A product is damaged, or does not say what made it; the message says so without its name."""


def _is_as_recorded(
    outcome: Outcome, exposure: PlannedExposure, there: Mapping[str, remote.RemoteStat]
) -> bool:
    """Whether the product is the very file that an outcome tells of."""
    if outcome.kind not in (Kind.DONE, Kind.CURRENT) or outcome.product != exposure.product:
        return False
    if remote.is_url(exposure.product):
        stat = there.get(exposure.product)
        return stat is not None and is_version(outcome, stat)
    try:
        status = os.stat(exposure.product)
    except OSError:
        return False
    return [status.st_size, status.st_mtime_ns] == list(outcome.product_stamp)


def is_version(outcome: Outcome, stat: remote.RemoteStat) -> bool:
    """Whether a remote product is the one that an outcome tells of, by what the server says."""
    told = [stat.size], stat.version
    return bool(stat.version) and (outcome.product_stamp, outcome.product_version) == told


def last_record(product: str) -> Mapping[str, Any]:
    """The last entry of ``meta.cal_runs`` of a product, as plain values; only its head is read.

    Parameters
    ----------
    product : str
        Path or URL.

    Raises
    ------
    OSError
    UnusableProductError
        If the product is damaged, cut off, or does not say what made it.
    """
    try:
        if remote.is_url(product):
            roman = _roman_of(patiently(lambda: remote.read_head(product))[1])
        else:
            roman = _roman_of_whole(product)
    except HeadError as error:
        raise UnusableProductError(str(error)) from error
    except yaml.YAMLError as error:
        raise UnusableProductError("its head is not valid YAML") from error
    runs = roman["meta"].get("cal_runs")
    if not runs:
        raise UnusableProductError("it does not say what made it (meta.cal_runs)")
    return runs[-1]


def _roman_of_whole(path: str) -> Mapping[str, Any]:
    """What the head of a local file says, which is not to be cut off."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        roman = _roman_of(_yaml_head.read_text(file))
        _, blocks, is_whole = digest_of_head(file)
    if cut := how_cut(blocks, is_whole, size, roman.get("data")):
        raise UnusableProductError(f"truncated: {cut}")
    return roman


def _roman_of(text: bytes) -> Mapping[str, Any]:
    return _plain(_yaml_head.parse_tagged(text))["roman"]


def _plain(node: Any) -> Any:
    """What stands in a tree, without the tags."""
    if isinstance(node, Tagged):
        return _plain(node.value)
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node


def _differences(
    record: Mapping[str, Any], exposure: PlannedExposure, plan: Plan
) -> Iterable[tuple[Reason, str]]:
    """In what the record of a run differs from what is planned."""
    found: list[tuple[Reason, str]] = []
    reference_set = plan.sets[exposure.references]
    (made_of,) = record["inputs"]
    # Of a remote exposure, the plan knows what the server calls it.
    if exposure.head_sha256 not in (made_of.get("head_sha256"), made_of.get("version")):
        found.append((Reason.INPUT, f"another {made_of['filename']}"))
    step_class = _class_of(plan.settings.step_class, plan.settings.config_file)
    if record["class"] != class_path(step_class):
        found.append((Reason.PARAMETERS, f"made by {record['class']}"))
    else:
        parameters = identity.parameters_of(record, step_class, is_record=True)
        if identity.parameters_digest(parameters) != reference_set.parameters_sha256:
            planned = {**_defaults_of(step_class), **reference_set.parameters}
            names = identity.different(planned, parameters)
            found.append((Reason.PARAMETERS, ", ".join(names)))
    used = identity.used_by_record(record["references"])
    if identity.references_digest(used) != reference_set.references_sha256:
        wanted = identity.used_by_plan(reference_set.pins)
        types = sorted(
            reftype.upper()
            for reftype in {*used, *wanted}
            if used.get(reftype) != wanted.get(reftype)
        )
        found.append((Reason.REFERENCES, ", ".join(types)))
    versions = identity.of_software(record["software"])
    changed = [
        f"{name} {versions[name] or 'unknown'}"
        for name, number in plan.software.items()
        if versions.get(name) != number
    ]
    if changed:
        found.append((Reason.SOFTWARE, ", ".join(changed)))
    return found


@cache
def _class_of(path: str, config_file: str | None) -> type:
    return find_class(path, config_file and os.path.dirname(config_file))


@cache
def _defaults_of(step_class: type) -> Mapping[str, Any]:
    return identity.default_parameters(step_class)
