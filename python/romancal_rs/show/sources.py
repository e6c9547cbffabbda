"""Finds what a product was made of: its raw exposure, its references, and the steps' parameters.

A product of romancal-rs records this itself (``meta.cal_runs``, see `stpipe.provenance`). For any
other product, names are used: those in ``meta.ref_file``, and for the raw exposure the product's
own name with ``_uncal`` as its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import references
from .._asdf_blocks import head_digest
from .._files import path_in
from ..errors import InputError, one_line
from ..references import NOT_APPLICABLE, ReferenceFileError
from ..references.crds_cache.cache import is_cache
from ..stpipe import provenance
from ..stpipe.output import remove_suffix, usable_name

if TYPE_CHECKING:
    from ..datamodels import DataModel

__all__ = ["Found", "Record", "ReferenceFinder", "find_ramp", "find_raw"]

_RAW = "uncal"
_RAMP = "ramp"
_CRDS = "crds://"


@dataclass(frozen=True)
class Found:
    """A file that was looked for.

    Attributes
    ----------
    path : Path or None
        None where the product was made without: the reference was N/A.
    note : str
        Why it may be another one than the product was made of; empty if it is known to be the same.
    """

    path: Path | None
    note: str = ""


@dataclass(frozen=True)
class Record:
    """What a product says of its making.

    Attributes
    ----------
    recipe : str
        ``2022`` or ``flight``; ``auto`` where it does not say.
    steps : dict of str to dict
        Parameters of each step by its name, without those that say where files are.
    references : dict of (str, str) to str
        Recorded paths by step and reference type.
    names : dict of str to str
        Names of reference files by type; ``N/A`` for none.
    raw : mapping
        The entry of the raw exposure: ``filename``, and ``path`` and ``head_sha256`` of a file.
    store : str or None
        The directory of references that the run was given.
    notes : list of str
        What of its making cannot be repeated.
    """

    recipe: str = "auto"
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    references: dict[tuple[str, str], str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)
    store: str | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, product: DataModel) -> Record:
        """What a product says.

        Where several runs had a hand in it, what the last of them says of a step counts, and the
        first one read the raw exposure.

        Parameters
        ----------
        product : ScienceRawModel, RampModel or ImageModel

        Raises
        ------
        NoRecordError
            If its record is damaged. To have none is no error.
        """
        from ..datamodels import ScienceRawModel

        if isinstance(product, ScienceRawModel):  # whose word on references is not taken
            return cls()
        names = {
            reftype: name if name == NOT_APPLICABLE else os.path.basename(name.removeprefix(_CRDS))
            for reftype, name in (product.meta.get("ref_file") or {}).items()
            if isinstance(name, str) and usable_name(name)
        }
        runs = provenance.runs_of(product)
        if not runs:
            return cls(names=names, notes=["it does not record its parameters: defaults are used"])
        try:
            record = cls(
                recipe=runs[-1].get("recipe", {}).get("name", "auto"),
                names=names,
                raw=runs[0]["inputs"][0],
                store=runs[-1]["parameters"].get("references"),
            )
            for run in runs:
                record._add(run)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise provenance.NoRecordError(
                f"{product.source}: its record of a run (meta.cal_runs) is damaged: "
                f"{one_line(error)}"
            ) from error
        return record

    def _add(self, run: Mapping[str, Any]) -> None:
        """Takes over what a run says, in place of what earlier ones say of the same steps."""
        names = _names_of_steps()
        for part in [run, *run.get("steps", ())]:
            name = names.get(part["class"], part["name"])
            self.steps[name], others = provenance.values_of(part)
            self.notes.extend(f"{name} ran with {other}, which is not repeated" for other in others)
            for reftype, entry in run["references"].get(part["name"], {}).items():
                self.references[name, reftype] = entry["path"]


def _names_of_steps() -> dict[str, str]:
    """What a pipeline calls the steps of some classes, which run by themselves are called else."""
    from ..pipeline import ExposurePipeline

    steps = ExposurePipeline.step_defs.items()
    return {f"{step.__module__}.{step.__qualname__}": name for name, step in steps}


def find_raw(product: DataModel, raw: str | os.PathLike[str] | None = None) -> Found:
    """The file of the raw exposure that a product was made of.

    Parameters
    ----------
    product : ScienceRawModel, RampModel or ImageModel
        Opened from a file. A raw exposure is its own.
    raw : path, optional
        The file, or a directory that holds it. Left out, it is where the product's record says, or
        lies beside the product.

    Raises
    ------
    InputError
        If it is not there: tells its name, where it was looked for, and what would help.
    """
    from ..datamodels import ScienceRawModel

    if isinstance(product, ScienceRawModel):
        return Found(Path(product.source))
    entry = Record.of(product).raw
    candidates = _places_of_raw(product, entry, raw)
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        names = " or ".join(dict.fromkeys(path.name for path in candidates))
        places = ", nor in ".join(dict.fromkeys(str(path.parent) for path in candidates))
        raise InputError(
            f"{product.source}: the raw exposure that it was made of, {names}, is not in {places}: "
            "give the file, or its directory, by --raw"
        )
    digest = entry.get("head_sha256")
    if digest is not None and head_digest(path) != digest:
        return Found(path, f"{path} is not the file that it was made of, or has changed since")
    return Found(path)


def find_ramp(product: DataModel) -> Path | None:
    """The ramp before the fit that the run which made a product saved beside it.

    Parameters
    ----------
    product : ImageModel
        Opened from a file.

    Returns
    -------
    Path or None
        None where there is none, or that of another run.
    """
    from .. import datamodels

    own = Path(product.source)
    path = own.with_name(f"{remove_suffix(own.stem)}_{_RAMP}.asdf")
    ours = provenance.runs_of(product)
    if not ours or not path.is_file():
        return None
    with datamodels.open(path) as ramp:
        theirs = provenance.runs_of(ramp)
    is_of_the_run = bool(theirs) and all(
        theirs[-1].get(name) == ours[-1].get(name)
        for name in ("class", "inputs", "parameters", "steps", "software", "recipe")
    )
    return path if is_of_the_run else None


def _places_of_raw(
    product: DataModel, entry: Mapping[str, Any], raw: str | os.PathLike[str] | None
) -> list[Path]:
    """Where the raw exposure may be, the best place first."""
    names = _raw_names(product, entry)
    if raw is not None:
        given = Path(raw)
        return [given / name for name in names] if given.is_dir() else [given]
    recorded = [Path(entry["path"])] if "path" in entry else []
    return [*recorded, *(Path(product.source).absolute().parent / name for name in names)]


def _raw_names(product: DataModel, entry: Mapping[str, Any]) -> list[str]:
    """What the raw exposure may be called."""
    if "path" in entry:
        return [entry["filename"]]
    own = [Path(product.source).name, usable_name(product.meta.get("filename"))]
    roots = [remove_suffix(Path(name).stem) for name in own if name]
    return list(dict.fromkeys(f"{root}_{_RAW}.asdf" for root in roots))


class ReferenceFinder:
    """Finds the reference files that a product was made with, or those that fit it.

    Without `directory` a file is looked for where the record says. With `directory`, or if it is
    not there, a file of the same name is looked for in the store of references, and if there is
    none, the file in the store that fits the exposure is taken. The store is `directory`, or the
    one that the run was given, or that of the environment (see `references.open_store`).

    Parameters
    ----------
    product : ScienceRawModel, RampModel or ImageModel
    directory : path, optional
        The place of references.
    record : Record, optional
        What the product says, if that is known already.
    """

    def __init__(
        self,
        product: DataModel,
        directory: str | os.PathLike[str] | None = None,
        record: Record | None = None,
    ) -> None:
        self.product = product
        self._record = Record.of(product) if record is None else record
        self._is_given = directory is not None
        self._directory = None if directory is None else Path(directory)
        if directory is None and self._record.store and os.path.isdir(self._record.store):
            self._directory = Path(self._record.store)

    def find(self, step: str, reftype: str) -> Found:
        """The file of a reference type that a step used.

        Parameters
        ----------
        step : str
            Its name in the pipeline, such as ``rampfit``.
        reftype : str
            Such as ``gain``.

        Raises
        ------
        ReferenceFileError
            If there is none: tells what was looked for, where, and what would help.
        """
        recorded = self._recorded(step, reftype)
        if NOT_APPLICABLE in (recorded, self._record.names.get(reftype)):
            return Found(None)
        name = os.path.basename(recorded or "") or self._record.names.get(reftype)
        if recorded and provenance.is_in_memory(recorded):
            name = None
        elif recorded and not self._is_given and os.path.isfile(recorded):
            return Found(Path(recorded))
        for directory in self._directories():
            if name and (directory / name).is_file():
                return Found(directory / name)
        return self._fitting(reftype, recorded or name)

    def _recorded(self, step: str, reftype: str) -> str | None:
        """What the step used, or another one where that did not run."""
        paths = self._record.references
        others = (path for (_, other), path in paths.items() if other == reftype)
        return paths.get((step, reftype)) or next(others, None)

    def _directories(self) -> Iterator[Path]:
        """Where a reference of a name may be."""
        directory = self._directory or path_in(references.ENVIRONMENT_VARIABLE)
        if directory is not None:
            yield directory
            if is_cache(directory):
                yield from references.CrdsCache.at(directory).reference_directories()
        cache = references.CrdsCache.from_environment()
        if cache is not None:
            yield from cache.reference_directories()

    def _fitting(self, reftype: str, wanted: str | None) -> Found:
        """What the place of references has for the exposure."""
        try:
            store = references.open_store(self._directory)
            keys = references.ExposureKeys.from_model(self.product)
            match = references.resolve(reftype, keys, store)
        except ReferenceFileError as error:
            what = f"{reftype.upper()} {wanted}, which it was made with, is not there: "
            where = (
                "no place with reference files is named: give a directory by --references or "
                f"{references.ENVIRONMENT_VARIABLE}, or a CRDS cache by CRDS_PATH"
                if isinstance(error, references.NoStoreError)
                else f"{error} (another directory may be given by --references)"
            )
            raise ReferenceFileError(
                f"{self.product.source}: {what if wanted else ''}{where}"
            ) from error
        path = None if match.reference == NOT_APPLICABLE else Path(match.reference)
        if wanted is None:
            return Found(path)
        instead = "no reference at all" if path is None else str(path)
        return Found(path, f"{reftype.upper()}: {instead} in place of {wanted}")
