"""Calibrating many exposures from Python."""

from __future__ import annotations

import datetime
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._files import local_path
from ..errors import ArgumentError, ArgumentTypeError, InputError, one_line
from ..references.keys import naive_utc
from . import remote
from .carry_out import Batch, BatchOptions
from .heads import patiently
from .plan import Plan, Settings
from .planning import Selection, detector_name, make_plan
from .remaining import Rerun, Shard
from .sources import find
from .state import RunDirectory, state_of

if TYPE_CHECKING:
    from .engines.base import Engine

__all__ = ["calibrate_all"]


def calibrate_all(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    *,
    step: str | type = "roman_elp",
    parameters: Mapping[str, object] | None = None,
    references: str | os.PathLike[str] | None = None,
    context: str | None = None,
    recursive: bool = False,
    column: str | None = None,
    detectors: str | int | Collection[str | int] = (),
    elements: str | Collection[str] = (),
    after: str | None = None,
    before: str | None = None,
    engine: str | Engine = "processes",
    workers: int | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    shard: str | None = None,
    shard_by: str = "exposure",
    retries: int = 3,
    timeout: float | None = None,
    rerun: Rerun = "changed",
    ignore: str | Collection[str] = (),
    keep_going: bool = False,
    fail_fast: bool = False,
    state: str | os.PathLike[str] | None = None,
    scratch: str | os.PathLike[str] | None = None,
    scratch_limit: int | None = None,
    memory_limit: int | None = None,
) -> Batch:
    """Plan the calibration of many exposures, and return the batch that carries out the plan.

    The work begins when the batch is iterated. An exposure that was calibrated before, with the
    same result as now, is not calibrated again: after an interruption the same call continues.

    Parameters
    ----------
    sources : path or URL, or sequence of them
        Raw exposures: files, directories, globs, ``@list.txt``, associations, tables, URLs.
    to : path or URL
        Directory of the products; made when missing.
    step : str or type, optional
        An alias, a class path, a class or a parameter file.
    parameters : dict, optional
        Of the step; ``steps={name: {...}}`` for those of a pipeline's steps. They are written into
        the plan: values may be text, paths, numbers, and lists and mappings of these.
    references : path, optional
        Where references are looked for, as for a single run.
    context : str, optional
        Name of a pipeline map of CRDS, or a date, as for a single run.
    recursive : bool, optional
        Look into subdirectories.
    column : str, optional
        The column of tables that names the exposures; ``l1_s3_uri`` by default.
    detectors, elements : str, or collection of str, optional
        Only exposures of these detectors, given by name or number, and optical elements.
    after, before : str, optional
        Only exposures that start in this time (ISO, UTC).
    engine : str or distributed.Client, optional
        ``processes`` of this machine, ``serial`` in this process, ``dask``, or the client of a
        Dask cluster.
    workers : int, optional
        See `BatchOptions`, also for `threads`, `scheduler`, and the parameters from `retries` on.
    threads : int, optional
        Threads of each worker.
    scheduler : str, optional
        Address of a Dask scheduler.
    shard, shard_by : str, optional
        ``I/N``: only this part of the exposures, by ``exposure`` or by ``detector``.
    retries : int, optional
        How often an exposure is tried if it fails for a reason outside of it, such as a server.
    timeout : float, optional
        How long an exposure may take [s].
    rerun : {"changed", "failed", "all", "never"}, optional
        Which exposures of earlier runs are calibrated again.
    ignore : str or collection of str, optional
        What may differ in an earlier product: ``software``, ``references``.
    keep_going : bool, optional
        Go on after 20 equal failures in a row.
    fail_fast : bool, optional
        Stop at the first failure.
    state : path, optional
        Where plans and records are kept, instead of ``to``; needed if ``to`` is a URL.
    scratch : path, optional
        Directory of each host for copies of remote files.
    scratch_limit : int, optional
        How much these copies may take [bytes].
    memory_limit : int, optional
        How much memory of its own a worker may take [bytes].

    Returns
    -------
    Batch
        Iterate it once. Its ``plan`` and ``remaining`` tell what is going to be done.

    Raises
    ------
    RomancalError
        If something is wrong with the call, before any work. What is wrong with an exposure is
        told by its outcome.

    Examples
    --------
    >>> from romancal_rs import calibrate_all
    >>> batch = calibrate_all(
    ...     "exposure_uncal.asdf", to="calibrated", references="references", engine="serial"
    ... )
    >>> for outcome in batch:
    ...     print(outcome.kind, outcome.input.rpartition("/")[2])
    done exposure_uncal.asdf
    """
    state = None if state is None else os.fspath(state)
    scratch = None if scratch is None else os.path.abspath(scratch)
    options = BatchOptions(
        engine=engine,
        workers=workers,
        threads=threads,
        scheduler=scheduler,
        shard=None if shard is None else Shard.parse(shard, shard_by),
        retries=retries,
        timeout=timeout,
        rerun=rerun,
        ignore=_names(ignore),
        keep_going=keep_going,
        fail_fast=fail_fast,
        scratch=scratch,
        scratch_limit=scratch_limit,
        memory_limit=memory_limit,
    )
    settings = _settings(step, to, parameters or {}, references, context)
    check_destination(settings.destination, state)
    plan = make_plan(
        find(_paths(sources), recursive=recursive, column=column),
        settings,
        selection=Selection(
            tuple(map(detector_name, _names(detectors))),
            _names(elements),
            _time("after", after),
            _time("before", before),
        ),
        scratch=remote.Scratch(None if scratch is None else Path(scratch), scratch_limit),
    )
    return Batch(plan, write_plan(plan, state), options)


def _names(given: str | int | Collection[str | int]) -> tuple[str, ...]:
    """Names, of which one may stand alone."""
    return tuple(map(str, [given] if isinstance(given, str | int) else given))


def check_destination(destination: str, state: str | None = None) -> None:
    """Checks that products can be written to a directory or URL, without writing any.

    Raises
    ------
    InputError
        If a file is in the way, no directory for the records is named, or the destination is a URL
        to which nobody writes.
    RemoteNotFoundError, RemoteAccessError, RemoteError, TransientError
        If the server would not take the products.
    """
    records = state_of(destination, state)
    for place in (records, *([] if remote.is_url(destination) else [Path(destination)])):
        if place.exists() and not place.is_dir():
            raise InputError(f"{place}: a file is there; name a directory")
    if remote.is_url(destination):
        patiently(lambda: remote.check_folder(destination))


def write_plan(plan: Plan, state: str | None = None) -> RunDirectory:
    """Writes a plan where its run is recorded, and makes the directory of the products."""
    destination = plan.settings.destination
    if not remote.is_url(destination):
        try:
            Path(destination).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(
                f"{destination}: it, or a part of its path, is a file; products need a directory"
            ) from None
    directory = RunDirectory.of(plan, state_of(destination, state))
    plan.write(directory.path)
    return directory


def _settings(
    step: str | type,
    to: str | os.PathLike[str],
    parameters: Mapping[str, Any],
    references: str | os.PathLike[str] | None,
    context: str | None,
) -> Settings:
    from ..stpipe import config
    from ..stpipe.find_class import find_target

    if isinstance(step, type):
        step = config.class_path(step)
    elif not isinstance(step, str):
        raise ArgumentTypeError(
            f"step: a {type(step).__name__}: expected an alias, a class path, a class or a "
            "parameter file; values go into parameters"
        )
    step_class, file = find_target(local_path(step), "roman_elp")
    return Settings(
        step_class=config.class_path(step_class),
        destination=absolute(to),
        config_file=None if file.path is None else os.path.abspath(file.path),
        parameters=_plain_parameters(parameters, step_class),
        references=None if references is None else absolute(references),
        context=context,
    )


def _paths(sources: Any) -> list[str]:
    words = [sources] if isinstance(sources, str | os.PathLike) else sources
    try:
        return [os.fspath(word) for word in words]
    except TypeError:
        raise ArgumentTypeError(
            "sources: expected a path or URL of files, or a list of them, not "
            f"{type(sources).__name__}: {one_line(repr(sources))}"
        ) from None


def _time(name: str, text: str | None) -> datetime.datetime | None:
    try:
        return None if text is None else naive_utc(text)
    except ValueError:
        raise ArgumentError(
            f"{name} = {text!r}: not a time such as 2027-06-01 or 2027-06-01T12:00:00"
        ) from None


def _plain_parameters(
    values: Mapping[str, Any], step_class: Any, prefix: str = ""
) -> dict[str, Any]:
    """Parameters as a plan can hold them; what the step knows as a path is absolute."""
    if "output_dir" in values:
        raise ArgumentError(
            f"parameters: {prefix}output_dir: in a batch, `to` says where the products go"
        )
    spec = getattr(step_class, "parameters", {})
    steps = getattr(step_class, "step_defs", {})
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if name == "steps" and isinstance(value, Mapping):
            plain[name] = {
                step: _plain_parameters(given, steps.get(step), f"{prefix}steps.{step}.")
                if isinstance(given, Mapping)
                else _plain(given, f"{prefix}steps.{step}")
                for step, given in value.items()
            }
            continue
        plain[name] = _plain(value, f"{prefix}{name}")
        if name in spec and isinstance(plain[name], str):
            plain[name] = spec[name].located(plain[name], os.getcwd())
    return plain


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ArgumentTypeError(
        f"parameters: {name}: a {type(value).__name__} cannot go into a plan: give a path, text, a "
        "number, or a list or mapping of these"
    )


def absolute(place: str | os.PathLike[str]) -> str:
    """The URL of a folder, or the absolute path of a directory: workers may have another one."""
    text = remote.without_file_scheme(os.fspath(place))
    return text.rstrip("/") if remote.is_url(text) else os.path.abspath(local_path(text))
