"""A plan: which exposures, by which step, with which references. Made once, and never changed.

It lies in ``DEST/.romancal-rs-batch/RUN/plan.jsonl``: its first line is what holds for all, each
further line an exposure. So it is read without any library, by any host that sees the directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .._files import replacing
from ..errors import InputError
from . import _outline, remote
from .causes import base_name
from .outcome import Kind, Outcome

__all__ = ["Pin", "Plan", "PlannedExposure", "Problem", "ReferenceSet", "Settings"]

PLAN_NAME = "plan.jsonl"
_FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """What is done with every exposure.

    Attributes
    ----------
    step_class : str
        Path of the class.
    config_file : str or None
        Absolute path of the parameter file that the user named.
    parameters : dict
        What the user gave directly, as text or values of JSON, nested as ``configure.build`` takes
        them; without ``output_dir`` and ``references``, which follow.
    parameter_references : bool
        Whether parameter references are looked for.
    references, context : str or None
        Where references are looked for.
    destination : str
        Directory, or URL, of the products.
    """

    step_class: str
    destination: str
    config_file: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameter_references: bool = True
    references: str | None = None
    context: str | None = None

    @property
    def step_parameters(self) -> dict[str, Any]:
        """What the step is made with, beside the parameter file; only stores take URLs."""
        is_local = self.references is not None and not remote.is_url(self.references)
        places = {"references": self.references if is_local else None, "context": self.context}
        return {**self.parameters, **{k: v for k, v in places.items() if v is not None}}


@dataclass(frozen=True)
class Pin:
    """The reference that a plan chose: a file as it was then.

    Attributes
    ----------
    reftype : str
        Lower case; of a parameter reference such as ``pars-rampfitstep``.
    path : str
        Absolute path, URL, or ``N/A``.
    sha256 : str
    stamp : tuple of int
        Size [bytes] and time of change [ns]; empty for ``N/A``, of a URL the size alone.
    version : str
        Of a URL what the server calls these contents: the ETag.
    context : str or None
        The CRDS context whose rules chose it.
    note : str or None
        What is to be told of the choice.
    """

    reftype: str
    path: str
    sha256: str = ""
    stamp: tuple[int, ...] = ()
    context: str | None = None
    note: str | None = None
    version: str = ""


@dataclass(frozen=True)
class ReferenceSet:
    """The references, and so the parameters, that several exposures share.

    Attributes
    ----------
    name : str
        Short and readable, unique in the plan, such as ``wfi01-f158-3``.
    pins : tuple of Pin
    references_sha256, parameters_sha256 : str
        Digests of the choice, and of the canonical parameters of the step without places.
    parameters : dict
        Those of them that are not the defaults, by dotted name.
    notes : tuple of str
        What a run warns of before it begins, such as a DARK that was made for another element.
    """

    name: str
    pins: tuple[Pin, ...] = ()
    references_sha256: str = ""
    parameters_sha256: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Why an exposure cannot be calibrated, as the plan knows before a pixel is touched.

    Attributes
    ----------
    kind : Kind
        `Kind.BAD_INPUT`, `Kind.BAD_REFERENCE`, `Kind.BAD_PARAMETERS` or `Kind.NO_DATA`.
    message : str
        One line.
    error : str
        The class of the error.
    """

    kind: Kind
    message: str
    error: str = ""


@dataclass(frozen=True)
class PlannedExposure:
    """One exposure of a plan.

    Attributes
    ----------
    input : str
        Absolute path, or URL.
    product : str
        Where the (first) product goes: path or URL.
    references : str
        Name of its `ReferenceSet`; empty where there is a problem.
    head_sha256 : str
        Digest of the input's head; of a URL that of its size and ETag, prefixed ``etag:``.
    key : str
        Digest of all that the product follows from: input, class, parameters, references, software.
    size : int
        Of the input [bytes].
    detector, optical_element, exposure_type, start_time, ma_table : str
    n_resultants : int
    shape : tuple of int
        Of the ramp, where the head says it.
    problem : Problem or None
    """

    input: str
    product: str = ""
    references: str = ""
    head_sha256: str = ""
    key: str = ""
    size: int = 0
    detector: str = ""
    optical_element: str = ""
    exposure_type: str = ""
    start_time: str = ""
    ma_table: str = ""
    n_resultants: int = 0
    shape: tuple[int, ...] = ()
    problem: Problem | None = None

    @property
    def name(self) -> str:
        """Base name of the input."""
        return base_name(self.input)

    def outcome(self, kind: Kind, message: str = "", error: str = "") -> Outcome:
        """What became of it, with what the plan knows of it."""
        return Outcome(
            self.input,
            kind,
            message,
            error,
            key=self.key,
            head_sha256=self.head_sha256,
            detector=self.detector,
            optical_element=self.optical_element,
            exposure_type=self.exposure_type,
            start_time=self.start_time,
            ma_table=self.ma_table,
            n_resultants=self.n_resultants,
            bytes_in=self.size,
        )


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes
    ----------
    settings : Settings
    exposures : sequence of PlannedExposure
        Those of one set of references follow each other.
    sets : dict of str to ReferenceSet
    software : dict of str to str
        Versions.
    created : str
        ISO time, UTC.
    command : str
        What repeats it.
    """

    settings: Settings
    exposures: Sequence[PlannedExposure]
    sets: Mapping[str, ReferenceSet]
    software: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    command: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content of the plan, without its date and the command."""
        total = hashlib.sha256(_line({"settings": asdict(self.settings)}))
        for reference_set in self.sets.values():
            total.update(_line(asdict(reference_set)))
        for exposure in self.exposures:
            total.update(_line(asdict(exposure)))
        return total.hexdigest()

    def __repr__(self) -> str:
        n = len(self.exposures)
        return f"<Plan of {n} exposure{'' if n == 1 else 's'} to {self.settings.destination}>"

    def _repr_html_(self) -> str:
        return _outline.plan_as_html(self)

    def write(self, directory: Path) -> Path:
        """Write the plan into the directory of its run, which is made if needed.

        It is the newest one then, also if it was made before. What is damaged is replaced.

        Parameters
        ----------
        directory : path
            Directory of the run. If it holds the same plan already, nothing is written.

        Returns
        -------
        path
            The file.
        """
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / PLAN_NAME
        if self._is_in(path):
            with suppress(OSError):  # another user's
                now = time.time_ns()  # a file system may give an earlier one, of its last tick
                os.utime(path, ns=(now, now))
        else:
            with replacing(path) as file:
                file.writelines(self._lines())
        return path

    def _is_in(self, path: Path) -> bool:
        """Whether a file begins as this plan does, and has a line for each exposure."""
        try:
            with path.open("rb") as file:
                head = json.loads(file.readline())
                number = sum(1 for _ in file)
            return (head["digest"], number) == (self.digest, len(self.exposures))
        except (OSError, ValueError, LookupError, TypeError):
            return False

    def _lines(self) -> Iterator[bytes]:
        yield _line(
            {
                "romancal-rs batch plan": _FORMAT,
                "created": self.created,
                "command": self.command,
                "settings": asdict(self.settings),
                "software": dict(self.software),
                "sets": {name: asdict(value) for name, value in self.sets.items()},
                "digest": self.digest,
                "exposures": len(self.exposures),
            }
        )
        for exposure in self.exposures:
            yield _line(asdict(exposure))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read a plan.

        Parameters
        ----------
        path : path
            The plan file.

        Raises
        ------
        OSError
        InputError
            If it is no plan, or of a later version.
        """
        try:
            first, *lines = path.read_bytes().splitlines()
            head = json.loads(first)
            if head["romancal-rs batch plan"] != _FORMAT:
                raise InputError(
                    f"{path}: a plan of format {head['romancal-rs batch plan']}, this version "
                    f"reads {_FORMAT}: use the version of romancal-rs that made it"
                )
            exposures = [_exposure(json.loads(line)) for line in lines]
            if len(exposures) != head["exposures"]:
                raise ValueError(f"{len(exposures)} exposures for {head['exposures']}")
            return cls(
                settings=Settings(**head["settings"]),
                exposures=exposures,
                sets={name: _reference_set(value) for name, value in head["sets"].items()},
                software=head["software"],
                created=head["created"],
                command=head["command"],
            )
        except (ValueError, TypeError, LookupError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: not a plan of a batch, or damaged: {error}") from error


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _exposure(row: dict[str, Any]) -> PlannedExposure:
    problem = row.pop("problem")
    if problem is not None:
        problem = Problem(**{**problem, "kind": Kind(problem["kind"])})
    return PlannedExposure(**{**row, "shape": tuple(row["shape"])}, problem=problem)


def _reference_set(row: dict[str, Any]) -> ReferenceSet:
    pins = tuple(Pin(**{**pin, "stamp": tuple(pin["stamp"])}) for pin in row["pins"])
    return ReferenceSet(**{**row, "pins": pins, "notes": tuple(row["notes"])})
