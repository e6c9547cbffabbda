"""Finds what an exposure would be calibrated with, by the checks that a run begins with."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import references
from ..errors import one_line
from ..references import NOT_APPLICABLE, ExposureKeys, Match, Store
from ..references.digest import sha256_of
from ..stpipe import (
    ReferencePool,
    RomanPipeline,
    RomanStep,
    Run,
    Step,
    calls,
    config,
    configure,
    runlog,
)
from ..stpipe.config import StepConfig
from ..stpipe.find_class import find_class
from ..stpipe.parameters import reference_types
from . import remote
from .heads import patiently
from .identity import OVERRIDE
from .plan import Pin, Settings


@dataclass
class SetCheck:
    """What a check found.

    Attributes
    ----------
    step : Step
        With the parameters of all sources.
    pins : tuple of Pin
        Sorted by type.
    tree : dict
        Class and parameters of the step, as `romancal_rs.stpipe.config.tree_of` gives them.
    suffix : str
        What the names of products end with.
    destination : str
        Where they go.
    notes : tuple of str
        What the step warned of.
    """

    step: Step
    pins: tuple[Pin, ...]
    tree: dict[str, Any]
    suffix: str
    destination: str
    notes: tuple[str, ...] = ()

    def product_of(self, input: str, filename: str) -> str:
        """Where the product of an exposure goes.

        Parameters
        ----------
        input : str
            Path or URL.
        filename : str
            What the exposure calls itself, after which products may be named.
        """
        base = remote.name_of(input) if remote.is_url(input) else input
        with calls.calling(Run(self.step), self.step) as call:
            call.input_name = base
            path = self.step.make_output_path(self.suffix, _Named(filename))
        if remote.is_url(self.destination):
            return f"{self.destination.rstrip('/')}/{path.name}"
        return os.path.abspath(path)


class _Named:
    """Stands for a model, of which the name of a product asks for the name alone."""

    def __init__(self, filename: str) -> None:
        self.meta = {"filename": filename}


@dataclass
class StepMaker:
    """Makes, and checks, the step of a batch.

    Attributes
    ----------
    settings : Settings
    step_class : type
    config : StepConfig
        The parameter file that the user named.
    scratch : Scratch
        Takes what is fetched of remote files.
    store : Store or None
        Where references are looked for.
    stores : list of Store
        That, and those of steps with a place of their own.
    """

    settings: Settings
    step_class: type[Step]
    config: StepConfig
    scratch: remote.Scratch
    store: Store | None = None
    stores: list[Store] = field(default_factory=list)
    #: What the checks of several sets share: they have many of their references in common.
    pool: ReferencePool = field(default_factory=ReferencePool)
    _digests: dict[tuple[str, int, int], str] = field(default_factory=dict)
    _remote: remote.RemoteStore | None = None

    @classmethod
    def of(cls, settings: Settings, scratch: remote.Scratch) -> StepMaker:
        """For the settings of a plan.

        Parameters
        ----------
        settings : Settings
        scratch : Scratch
            Takes the references that are remote, and the heads of such exposures.

        Raises
        ------
        ParameterError
            If the class, the parameter file or a parameter is wrong.
        ReferenceFileError
            If a place of references is not there.
        RemoteAccessError, RemoteError, TransientError
            If a server does not list it.
        """
        file = StepConfig()
        if settings.config_file is not None:
            file = config.load(settings.config_file)
        step_class = find_class(settings.step_class, file.directory)
        maker = cls(settings, step_class, file, scratch)
        place: Any = settings.references
        if place is not None and remote.is_url(place):
            url = place
            maker._remote = patiently(lambda: remote.RemoteStore(url, scratch))
            place = references.with_cache(maker._remote, settings.context)
        step = configure.build(
            step_class,
            config=file,
            parameters=maker._parameters(place),
            parameter_references=False,
        )
        for part in (step, *step.substeps()):
            if not isinstance(part, RomanStep):
                continue
            own = part is step or part.references is not None or part.context is not None
            if not own:
                continue
            store = references.open_store(*part._source())
            if part is step:
                maker.store = store
            if store is not None:
                maker.stores.append(store)
        return maker

    def _parameters(self, place: Any) -> dict[str, Any]:
        given = self.settings.step_parameters
        if place is not None:
            given["references"] = place
        if not remote.is_url(self.settings.destination):
            given["output_dir"] = self.settings.destination
        return given

    def check(self, input: str) -> SetCheck:
        """Finds what an exposure would be calibrated with.

        Parameters
        ----------
        input : str
            Path or URL; of what is remote the head is fetched.

        Raises
        ------
        RomancalError
            What a run on it would tell before it begins.
        """
        try:
            if not remote.is_url(input):
                return self._check_local(input)
            return self._check_remote(input)
        finally:
            if self._remote is not None:
                self._remote.release()

    def _check_remote(self, url: str) -> SetCheck:
        path = self.scratch.own_directory() / remote.name_of(url)
        try:
            patiently(lambda: remote.fetch_outline(url, path))
            with remote.telling_of(path, url):
                return self._check_local(str(path))
        finally:
            path.unlink(missing_ok=True)

    def _check_local(self, input: str) -> SetCheck:
        store = None if self.store is None else _Recorder(self.store)
        warnings = _Warnings()
        with runlog.showing(lambda name: runlog.Display(logging.WARNING, (warnings,))):
            step = configure.build(
                self.step_class,
                input,
                config=self.config,
                parameters=self._parameters(store),
                parameter_references=self.settings.parameter_references,
            )
            found = self._check(step, input, store)
        found.notes = tuple(dict.fromkeys(warnings.messages))
        return found

    def _check(self, step: Step, input: str, store: _Recorder | None) -> SetCheck:
        from .. import datamodels

        run = Run(step, pool=self.pool)
        try:
            with calls.calling(run, step), datamodels.open(input) as model:
                step.before_process((input,))
                is_checked = isinstance(step, RomanPipeline) or not isinstance(step, RomanStep)
                if not is_checked and reference_types(type(step)):
                    step.prefetch(model)
                suffix = step.suffix or step.suffix_of(model)
                pins = [
                    self._pin_of(run, reftype, match, is_own=_is_of(store, match))
                    for (reftype, *_), match in run.found_references.items()
                ]
        finally:
            run.close()
        if store is not None:
            pins += [self._pin_of_parameters(*item) for item in store.parameters.items()]
        unique = tuple(sorted(set(pins), key=lambda pin: (pin.reftype, pin.path)))
        tree = config.tree_of(step, in_memory=repr)
        return SetCheck(
            step, unique, tree, suffix or type(step).__name__.lower(), self.settings.destination
        )

    def _pin_of(self, run: Run, reftype: str, match: Match, *, is_own: bool) -> Pin:
        name = reftype if is_own else OVERRIDE + reftype
        if match.reference == NOT_APPLICABLE:
            return Pin(name, NOT_APPLICABLE, context=match.context, note=match.note)
        sha256 = run.digest_of(match.reference)
        return Pin(
            *(name, *self._identified(match.reference, sha256), match.context, match.note),
            version=self._version(match.reference),
        )

    def _pin_of_parameters(self, reftype: str, path: Path) -> Pin:
        status = path.stat()
        sha256 = self._sha256(path, (status.st_size, status.st_mtime_ns))
        return Pin(reftype, *self._identified(path, sha256), version=self._version(path))

    def _identified(self, path: Path, sha256: str) -> tuple[str, str, tuple[int, ...]]:
        """Path or URL, digest and stamp of a pin."""
        if self._remote is not None and (stat := self._remote.stat_of(path)) is not None:
            return self._remote.url_of(path), sha256, (stat.size,)
        status = path.stat()
        return os.path.abspath(path), sha256, (status.st_size, status.st_mtime_ns)

    def _version(self, path: Path) -> str:
        stat = None if self._remote is None else self._remote.stat_of(path)
        return "" if stat is None else stat.version

    def _sha256(self, path: Path, stamp: tuple[int, int]) -> str:
        key = (str(path), *stamp)
        if key not in self._digests:
            self._digests[key] = sha256_of(path)
        return self._digests[key]


def _is_of(store: _Recorder | None, match: Match) -> bool:
    return store is not None and any(match is found for found in store.found)


class _Warnings(logging.Handler):
    """Keeps the messages that it gets."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(one_line(record.getMessage()))


class _Recorder:
    """A store that remembers what was found in it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.found: list[Match] = []
        #: Parameter references by type, in lower case.
        self.parameters: dict[str, Path] = {}

    @property
    def location(self) -> str:
        return self._store.location

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        match = self._store.find(reftype, keys)
        self.found.append(match)
        return match

    @property
    def has_parameters(self) -> bool:
        return self._store.has_parameters

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        for reftype in reftypes:
            if (path := self._store.find_parameters([reftype], keys)) is not None:
                self.parameters[reftype.lower()] = path
                return path
        return None
