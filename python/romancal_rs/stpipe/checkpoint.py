"""Keeps the results of a pipeline's steps, so that a run that was cut short can be continued.

There is a directory for each input. In it, the n-th step that runs has::

    01_dq_init.asdf   the result, as any other program can read it
    01_dq_init.npz    the arrays that ASDF files of this kind hold in half precision, as they were
    01_dq_init.json   what the result follows from, its metadata, and digests of the other files

A result is used again only where its fingerprint is still the same: the SHA-256 of all that it
follows from (see `fingerprint`), which includes the fingerprint of the step before. The .json is
written last, and every file appears whole or not at all: whenever a run ends, what it leaves is
sound, or is not used.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from .. import datamodels
from .._files import replacing
from ..datamodels import DataModel
from ..errors import RomancalError
from ..references.digest import sha256_of
from . import runlog
from .fingerprint import (
    MARK,
    Content,
    Fingerprints,
    UnidentifiedError,
    digest,
    software,
)

if TYPE_CHECKING:
    from .step import Step

__all__ = ["Checkpoint", "CheckpointError"]

#: Version of the format of the files.
FORMAT = 1

#: From this size on, in bytes, a file that nobody has touched is not read to check it.
LARGE_FILE = 64 << 20

_KEPT_FILE = re.compile(r"(\d+)_.*\.(asdf|npz|json)")
_CHANGES_SHOWN = 3
_DIGITS_SHOWN = 12


class CheckpointError(RomancalError):
    """No checkpoint is possible: in this directory, for this input, or of this pipeline."""


class _DamagedError(RomancalError):
    """A kept file is not as it was written."""


@dataclass(frozen=True)
class _Manifest:
    """What the .json of a result holds.

    Attributes
    ----------
    fingerprint : str
    follows_from : dict
        What the fingerprint was made of, to say what has changed.
    files : dict of str to dict
        The other files, by name: see `_describe_file`.
    content : dict
        The model's tree; its arrays and objects are in the other files.
    in_place : bool
        Whether the step changed the model it was given, rather than making another.
    references : dict of str to str
        Names of the reference files, by type.
    warnings : list of [str, str]
        Time and text of the step's warnings.
    """

    fingerprint: str
    follows_from: dict[str, Any]
    files: dict[str, dict[str, Any]]
    content: dict[str, Any]
    in_place: bool
    references: dict[str, str]
    warnings: list[list[str]]

    def write(self, path: Path) -> None:
        body = asdict(self)
        with replacing(path) as file:
            file.write(json.dumps({"sha256": digest(body), "body": body}, indent=1).encode())

    @classmethod
    def read(cls, path: Path) -> _Manifest:
        try:
            content = json.loads(path.read_bytes())
            if content["sha256"] != digest(content["body"]):
                raise ValueError("its digest differs")
            return cls(**content["body"])
        except (ValueError, TypeError, KeyError) as error:
            raise _DamagedError(f"{path.name} has changed since it was written: {error}") from error


class Checkpoint:
    """The kept results of one pipeline for one input, during one run.

    Parameters
    ----------
    directory : path
        Made when missing. Each input has a directory in it, of the input's name.
    pipeline : Step
        The outermost pipeline.
    args : tuple
        What its ``process`` gets: paths, models, or plain values.

    Raises
    ------
    CheckpointError
        If the directory cannot be used, or there is no saying whether an argument, a parameter
        or the code of the pipeline is the same as in another run.
    """

    def __init__(
        self, directory: str | os.PathLike[str], pipeline: Step, args: tuple[Any, ...]
    ) -> None:
        self._log = pipeline.log
        self._fingerprints = Fingerprints()
        #: The contents that follow from the steps so far. Those of the input are looked at when a
        #: step gets them, as a hook of the pipeline may have changed them.
        self._known: WeakSet[Any] = WeakSet()
        self._count = 0
        self._inside_a_step = False
        self._has_resumed = False
        try:
            self._start = {
                "format": FORMAT,
                "software": software(),
                "pipeline": self._fingerprints.of_step(pipeline),
                "input": [self._fingerprints.of_value(arg) for arg in args],
            }
        except UnidentifiedError as error:
            raise CheckpointError(
                f"checkpoint: {pipeline.name} and its input must be recognised in a later run, "
                f"but {error}; run without a checkpoint, or give the path of a file"
            ) from error
        #: Digest of all that has run; None if it cannot be computed any more.
        self._fingerprint: str | None = digest(self._start)
        self.directory = Path(directory) / _directory_name(args)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            for half_written in self.directory.glob(".*.part"):
                half_written.unlink(missing_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"checkpoint: cannot write to {self.directory}: {error.strerror}"
            ) from error

    def run(self, step: Step, args: tuple[Any, ...], work: Callable[..., Any]) -> Any:
        """The kept result of a step, if it still holds; else the result of its work, to be kept.

        Parameters
        ----------
        step : Step
            A step of the pipeline, at any depth. The steps of an inner pipeline are kept one by
            one; what runs inside a step is part of it.
        args : tuple
            What the step is called with.
        work : callable
            Does the step's work on `args`: hooks, process and provenance.
        """
        has_hooks = bool(step.pre_hooks or step.post_hooks)
        is_pipeline = bool(step.step_defs)
        if self._inside_a_step or self._fingerprint is None or (is_pipeline and not has_hooks):
            return work(*args)
        self._count += 1
        follows_from = self._follows_from(step, args)
        self._inside_a_step = True
        try:
            if follows_from is None:
                result = work(*args)
            else:
                result = self._resume_or_run(step, args, work, follows_from)
        finally:
            self._inside_a_step = False
        self._advance(step, follows_from, result)
        return result

    # --- what results follow from

    def _follows_from(self, step: Step, args: tuple[Any, ...]) -> dict[str, Any] | None:
        """What the result of a step follows from, or None, which is told, if there is no saying."""
        try:
            if step.pre_hooks or step.post_hooks:
                raise UnidentifiedError("it has hooks")
            arguments = [
                "from the steps before" if self._is_known(arg) else self._fingerprints.of_value(arg)
                for arg in args
            ]
            return {
                **self._start,
                "before": self._fingerprint,
                "step": self._fingerprints.of_call(step, arguments),
                "references": self._fingerprints.of_references(step, args[0] if args else None),
            }
        except UnidentifiedError as reason:
            _tell_not_kept(step, str(reason))
            return None

    def _advance(self, step: Step, follows_from: dict[str, Any] | None, result: Any) -> None:
        """Goes on to the next step: a result stands for itself where nothing else stands for it."""
        try:
            if follows_from is None:
                follows_from = {
                    "before": self._fingerprint,
                    "result": self._fingerprints.of_value(result),
                }
            self._fingerprint = digest(follows_from)
        except UnidentifiedError as reason:
            self._log.info("The results after step %s cannot be kept: %s", step.name, reason)
            self._fingerprint = None
        self._note(result if isinstance(result, list | tuple) else [result])

    def _note(self, values: Iterable[Any]) -> None:
        self._known.update(value._tree for value in values if isinstance(value, DataModel))

    def _is_known(self, value: Any) -> bool:
        return isinstance(value, DataModel) and value._tree in self._known

    # --- running a step, or not

    def _resume_or_run(
        self,
        step: Step,
        args: tuple[Any, ...],
        work: Callable[..., Any],
        follows_from: dict[str, Any],
    ) -> Any:
        given = args[0] if args and isinstance(args[0], DataModel) else None
        try:
            kept = self._find(follows_from)
            if kept is not None:
                return self._resume(step, given, *kept)
        except (OSError, ValueError, _DamagedError) as error:
            step.log.warning(
                "Step %s runs again: its result in %s cannot be used: %s",
                *(step.name, self.directory, error),
            )
            self._remove(range(self._count, self._count + 1))
        tree = None if given is None else given._tree
        n_saved = len(step._run.saved_files)
        with runlog.recording() as lines:
            result = work(*args)
        if not isinstance(result, DataModel):
            _tell_not_kept(step, f"it is a {type(result).__name__}, not a data model")
        elif len(step._run.saved_files) > n_saved:
            _tell_not_kept(step, "the step saves further files, and has to do so in each run")
        else:
            self._keep(step, result, follows_from, result._tree is tree, lines)
        return result

    def _find(self, follows_from: dict[str, Any]) -> tuple[Path, _Manifest] | None:
        """What is kept of the step at hand; what does not hold any more is removed."""
        path = next(self.directory.glob(f"{self._count:02d}_*.json"), None)
        if path is None:
            return None
        manifest = _Manifest.read(path)
        if manifest.fingerprint == digest(follows_from):
            return path, manifest
        self._log.info(
            "%s and all later results are out of date: %s",
            *(path, _changes(manifest.follows_from, follows_from)),
        )
        self._remove(range(self._count, sys.maxsize))
        return None

    def _remove(self, counts: range) -> None:
        for file in self.directory.iterdir():
            match = _KEPT_FILE.fullmatch(file.name)
            if match and int(match[1]) in counts:
                file.unlink(missing_ok=True)

    def _resume(
        self, step: Step, given: DataModel | None, path: Path, manifest: _Manifest
    ) -> DataModel:
        model = _read_model(path, manifest)
        if not self._has_resumed:
            self._has_resumed = True
            self._log.warning(
                "Resuming from %s: steps whose results are still valid do not run again",
                self.directory,
            )
        step.log.info("Step %s resumed: its result is kept as %s", step.name, path.stem)
        for time, text in manifest.warnings:
            step.log.warning("%s (said at %s)", text, time)
        step._call.references_used = dict(manifest.references)
        if not manifest.in_place or given is None:
            return model
        # A pipeline may go on with the model that it gave to the step.
        for name in [name for name in given if name not in model]:
            del given[name]
        for name in model:
            given[name] = model[name]
        return given

    def _keep(
        self,
        step: Step,
        result: DataModel,
        follows_from: dict[str, Any],
        in_place: bool,
        lines: list[str],
    ) -> None:
        """Writes a result; that it cannot be kept is no reason to stop the run."""
        path = self.directory / f"{self._count:02d}_{step.name}.json"
        try:
            content = Content.of(result)
            files = _write_model(path, result, content)
            _Manifest(
                fingerprint=digest(follows_from),
                follows_from=follows_from,
                files={file.name: _describe_file(file) for file in files},
                content=content.tree,
                in_place=in_place,
                references=dict(step._call.references_used),
                warnings=list(_warnings(lines)),
            ).write(path)
        except UnidentifiedError as reason:
            _tell_not_kept(step, str(reason))
        except (OSError, ValueError) as error:
            step.log.warning("The result of step %s is not kept: %s", step.name, error)


def _tell_not_kept(step: Step, reason: str) -> None:
    step.log.info("The result of step %s is not kept: %s", step.name, reason)


# --- the files of a result


def _write_model(path: Path, model: DataModel, content: Content) -> list[Path]:
    """Writes a model, and the arrays that its file holds as another type than the model."""
    files = [model.save(path.with_suffix(".asdf"), compression=None)]
    with datamodels.open(files[0]) as saved:
        types = {name: array.dtype for name, array in saved.arrays()}
    exact = {name: array for name, array in content.arrays.items() if types[name] != array.dtype}
    if exact:
        files.append(path.with_suffix(".npz"))
        with replacing(files[1]) as file:
            np.savez(file, **exact)  # type: ignore[arg-type]
    return files


def _describe_file(path: Path) -> dict[str, Any]:
    """Size, SHA-256 and stamp of a file; the stamp is another after any write to the file."""
    stat = path.stat()
    stamp = [stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
    return {"size": stat.st_size, "stamp": stamp, "sha256": sha256_of(path)}


def _check_file(path: Path, written: Mapping[str, Any]) -> None:
    """Checks that a file is as it was written, by its digest or, if it is large, by its stamp.

    A digest of each ramp would take as long as the steps do. Clocks of file systems are coarser
    than a small file takes to write, so that the stamps of these prove nothing.
    """
    stat = path.stat()
    if stat.st_size != written["size"]:
        raise _DamagedError(f"{path.name} has {stat.st_size} bytes, not {written['size']}")
    stamp = [stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
    untouched = stamp == written["stamp"] and stat.st_size > LARGE_FILE
    if not untouched and sha256_of(path) != written["sha256"]:
        raise _DamagedError(f"{path.name} has changed since it was written")


def _read_model(path: Path, manifest: _Manifest) -> DataModel:
    """The model as it was; arrays are read from its file when they are touched."""
    for name, written in manifest.files.items():
        _check_file(path.with_name(name), written)
    exact: dict[str, np.ndarray] = {}
    if path.with_suffix(".npz").name in manifest.files:
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            exact = dict(arrays)
    model = datamodels.open(path.with_suffix(".asdf"))
    for name in [name for name in model if name not in manifest.content]:
        del model[name]
    for name, value in manifest.content.items():
        if value != {MARK: "array"} or name in exact:
            model[name] = _restore(value, (name,), model, exact)
    return model


def _restore(
    value: Any, path: tuple[str | int, ...], model: DataModel, exact: Mapping[str, np.ndarray]
) -> Any:
    """A value of a model from what `Content` made of it; the inverse of ``Content.of``."""
    if isinstance(value, list):
        return [_restore(item, (*path, i), model, exact) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if MARK not in value:
        return {key: _restore(item, (*path, key), model, exact) for key, item in value.items()}
    if value[MARK] == "time":
        return _time(value)
    name = ".".join(map(str, path))
    if name in exact:
        return exact[name]
    found: Any = model
    for key in path:
        found = found[key]
    return found


def _time(value: Mapping[str, Any]) -> Any:
    from astropy.time import Time

    time = Time(*value["jd"], format="jd", scale=value["scale"], precision=value["precision"])
    time.format = value["format"]
    return time


# --- words


def _directory_name(args: tuple[Any, ...]) -> str:
    """A name for the directory of an input: that of its file, without what no name should have."""
    name: Any = args[0] if args else ""
    if isinstance(name, DataModel):
        name = name.get("meta.filename") or type(name).__name__
    stem = Path(name).stem if isinstance(name, str | os.PathLike) else ""
    return re.sub(r"[^\w.+-]", "_", stem).strip(".") or "input"


def _warnings(lines: Iterable[str]) -> Iterator[list[str]]:
    """Time and text of what a run's log, line by line, says from WARNING upwards."""
    for line in lines:
        time, _, level, text = line.split(" :: ", 3)
        if level not in ("DEBUG", "INFO"):
            yield [time, text]


def _changes(old: Any, new: Any) -> str:
    """What differs, for the user: ``step.parameters.rejection_threshold was 4.0, is 5.0``."""
    before, now = dict(_leaves(old)), dict(_leaves(new))
    changes = [
        f"{name} was {before.get(name, 'not there')}, is {now.get(name, 'not there')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    more = len(changes) - _CHANGES_SHOWN
    return "; ".join(changes[:_CHANGES_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else key)
    elif isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        yield name, value[:_DIGITS_SHOWN] + "..."
    else:
        yield name, value
