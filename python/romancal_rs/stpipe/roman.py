"""What steps on Roman data have in common: models, reference files, status and provenance."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar, cast

from .. import __version__, references
from ..errors import ArgumentTypeError, InputError
from ..references import NOT_APPLICABLE, ExposureKeys, Match
from . import run as runs
from .parameters import reference_types
from .pipeline import Pipeline
from .step import Step

if TYPE_CHECKING:
    from ..datamodels import DataModel

Model = TypeVar("Model", bound="DataModel")


class RomanStep(Step):
    """Base class of the steps of this pipeline."""

    spec = """
        references = references(default=None)  # Directory of reference files
        context = string(default=None, role=store)  # CRDS context: roman_0017.pmap, latest, ...
        output_ext = option('.asdf', default='.asdf', role=saving)  # Extension of output files
        array_compression = option('lz4', 'zlib', 'none', default='lz4', role=saving)  # Of arrays
        validate = option('error', 'warn', default='error')  # Of metadata that break the schema
    """

    #: The step's entry in ``meta.cal_step``.
    cal_step_name: ClassVar[str] = ""
    #: The types of exposures that it is for; all if there are none.
    exposure_types: ClassVar[tuple[str, ...]] = ()
    #: The entries of the steps whose work it builds on: it does not take a raw exposure then.
    builds_on: ClassVar[tuple[str, ...]] = ()

    # --- input

    def prepare(self, input: Any, model_class: type[Model], changes: Iterable[str] = ()) -> Model:
        """The model to work on, of the class that the step needs.

        Parameters
        ----------
        input : path, file object or data model
            A raw exposure is taken for a ramp where a ramp is wanted, by a step that builds on no
            other. Where a step that it builds on is INCOMPLETE, a warning says so.
        model_class : type
            RampModel or ImageModel.
        changes : iterable of str
            The arrays that the step is going to change in place. A model that a caller passes is
            not changed: the step gets another with copies of these arrays. What a pipeline hands
            from step to step is its own, and not copied.

        Raises
        ------
        InputError
            If the input is another kind of model, or too raw, or lacks what steps go by.
        """
        from .. import datamodels
        from ..exposure import check_for_step, describe

        model = datamodels.open(input)
        if isinstance(model, datamodels.ScienceRawModel) and model_class is datamodels.RampModel:
            if self.builds_on:
                raise InputError(
                    f"{self.name} takes a ramp, got a raw exposure, {describe(model)}: run "
                    f"{', '.join(self.builds_on)} first"
                )
            check_for_step(model)
            return cast("Model", datamodels.RampModel.from_science_raw(model))
        if not isinstance(model, model_class):
            source = f" from {input}" if isinstance(input, str | os.PathLike) else ""
            raise InputError(
                f"{self.name} takes a {model_class.__name__}, got: {type(model).__name__}{source}"
            )
        if isinstance(model, datamodels.RampModel | datamodels.ImageModel):
            check_for_step(model)
        if self.builds_on and isinstance(model, datamodels.RampModel) and model.is_encoded:
            raise InputError(
                f"{describe(model)}: its counts are still as they were sent: run dq_init before "
                f"{self.name}"
            )
        cal_step = model.meta.cal_step
        if missing := [name for name in self.builds_on if cal_step.get(name) == "INCOMPLETE"]:
            self.log.warning(
                "%s: %s comes after %s, which meta.cal_step says to be INCOMPLETE",
                *(describe(model), self.name, ", ".join(missing)),
            )
        self.warn_if_complete(model)
        if self._is_outermost() and isinstance(input, datamodels.DataModel):
            return model.copy_for_change(changes)
        return model

    def warn_if_complete(self, model: DataModel) -> None:
        """Warns where the step has been done on a model before."""
        if model.meta.cal_step.get(self.cal_step_name) == "COMPLETE":
            self.log.warning("%s: this step is COMPLETE already, and is done again", self.name)

    def open_input(self, input: Any) -> Any:
        """Opens, once, what is neither a path nor a model of ours: open files, models of others."""
        from .. import datamodels

        return datamodels.open(input) if datamodels.can_open(input) else input

    def recorded_input(self, input: Any, opened: Any) -> Any:
        """The path of a file that the caller opened, where it has one."""
        from .. import datamodels

        return datamodels.path_of(input) or opened

    def skip_input(self, input: Any) -> Any:
        """The input of a step that does not run, marked SKIPPED.

        Parameters
        ----------
        input : path, file object or data model
            Marked in place where a pipeline handed it over, else a copy of its metadata is.
        """
        from .. import datamodels
        from ..exposure import check_for_step

        model = datamodels.open(input)
        if isinstance(
            model, datamodels.ScienceRawModel | datamodels.RampModel | datamodels.ImageModel
        ):
            check_for_step(model)
        if isinstance(model, datamodels.ScienceRawModel):
            model = datamodels.RampModel.from_science_raw(model)  # a raw file records no steps
        elif self._is_outermost() and isinstance(input, datamodels.DataModel):
            model = model.copy_for_change(())
        self.mark(model, success=False)
        return model

    def end_skipped(self, model: Model, reason: str) -> Model:
        """Ends a step that cannot do its work: warns, and marks the model SKIPPED, in place."""
        self.log.warning("Step %s skipped: %s", self.name, reason)
        self.mark(model, success=False)
        return model

    def skip_without(self, model: Model, reftype: str) -> Model:
        """Skips the step, as its reference of that type is N/A."""
        return self.end_skipped(model, f"its {reftype.upper()} is N/A")

    # --- references

    def prefetch(self, model: DataModel, steps: Iterable[Step] = ()) -> None:
        """Finds every reference that the steps need, before a pixel is touched.

        Parameters
        ----------
        model : DataModel
            The exposure.
        steps : iterable of RomanStep
            The steps that are going to run; this step by default.

        Raises
        ------
        ReferenceFileError
            All that is missing, or does not fit the exposure.
        """
        with runs.at_hand(self):
            self._prefetch(_Sought.of(model), model, steps)

    def _prefetch(self, sought: _Sought, model: DataModel, steps: Iterable[Step] = ()) -> None:
        failures = []
        for step in steps or [self]:
            if step.skip or not isinstance(step, RomanStep):
                continue
            for reftype in step.reference_file_types:
                try:
                    step._match(reftype, sought, model)
                except references.ReferenceFileError as error:
                    failures.append(error)
        if failures:
            raise references.all_in_one(failures)

    def _match(self, reftype: str, sought: _Sought, model: DataModel) -> Match:
        """The reference of one type for an exposure; looked for once in a run."""
        run, key = self._run, self._key(reftype, sought)
        with run.lock:
            if key not in run.found_references:
                override = _as_own_model(self.overrides(reftype), f"override_{reftype}")
                match = references.resolve(reftype, sought.keys, self._store(), override)
                self._check_reference(match, reftype, model)
                run.found_references[key] = match
                if isinstance(match.reference, Path):
                    run.digests.start(match)
                if match.note:
                    self.log.warning("%s", match.note)
            return run.found_references[key]

    def overrides(self, reftype: str) -> Any:
        """What the user named for a reference type in place of the store's choice, or None.

        A pipeline's override holds for all its steps that have none of their own.
        """
        return self.search_attr(f"override_{reftype}")

    def get_reference_file(self, model: DataModel, reftype: str) -> str | DataModel:
        """The reference of a type for an exposure.

        Parameters
        ----------
        model : DataModel
            The exposure.
        reftype : str
            Such as ``flat``. Those of ``reference_file_types`` are found before a pipeline begins,
            and may be overridden; any other is looked for when it is asked for.

        Returns
        -------
        str or DataModel
            Its path, the model given as override (as one of this package where it is of the
            mission's library), or ``"N/A"``: there is none, skip the step.

        Raises
        ------
        ReferenceFileError
            If there is none, or it does not fit the exposure.
        """
        reftype = reftype.lower()
        sought = _Sought.of(model)
        with runs.at_hand(self):
            self._prefetch(sought, model)
            match = self._match(reftype, sought, model)
        call = self._call
        call.matches_used[reftype] = match
        call.references_used[reftype] = _recorded_name(match)
        return match.reference if hasattr(match.reference, "meta") else os.fspath(match.reference)

    def idle(self, exposure: DataModel) -> str:
        """Why the step has nothing to do for an exposure; empty if it has."""
        exposure_type = exposure.meta.exposure.type
        is_for_it = not self.exposure_types or exposure_type in self.exposure_types
        return "" if is_for_it else f"not for {exposure_type}"

    def reason_to_skip(self, exposure: DataModel) -> str:
        """Why the step does not work on an exposure, in a few words; empty if it does.

        It is idle, or one of its references is N/A.
        """
        if reason := self.idle(exposure):
            return reason
        for reftype in self.reference_file_types:
            if self.get_reference_file(exposure, reftype) == NOT_APPLICABLE:
                return f"its {reftype.upper()} is N/A"
        return ""

    def open_references(self, exposure: DataModel, stack: ExitStack) -> dict[str, Any]:
        """The models of the step's references by type, open until `stack` ends."""
        return {
            reftype: stack.enter_context(self.get_reference_file_model(exposure, reftype))
            for reftype in self.reference_file_types
        }

    @contextmanager
    def get_reference_file_model(self, model: DataModel, reftype: str) -> Iterator[Any]:
        """The model of the reference of a type, for a ``with`` block.

        A file is open until the run ends, so that steps that use the same open it once; outside of
        runs until the block ends.
        """
        with runs.at_hand(self):
            reference = self.get_reference_file(model, reftype)
            if hasattr(reference, "meta"):
                yield reference
                return
            self.log.info("Using %s reference %s", reftype.upper(), reference)
            yield self._opened(reference)

    def _opened(self, path: str | os.PathLike[str]) -> DataModel:
        """The model of a reference file, opened once in a run."""
        return self._run.opened(path)

    def found_references(self, model: DataModel) -> dict[str, Match]:
        """What the run at hand found for the step and an exposure, by reference type.

        Empty for a model that is no exposure.
        """
        try:
            sought = _Sought.of(model)
        except (AttributeError, KeyError, ValueError):
            return {}
        run = runs.run_of(self)
        found = {} if run is None else run.found_references
        keys = {reftype: self._key(reftype, sought) for reftype in self.reference_file_types}
        return {reftype: found[key] for reftype, key in keys.items() if key in found}

    def _key(self, reftype: str, sought: _Sought) -> Any:
        """Under which key a run keeps what was found.

        Steps share what was found, unless they have an override or a directory of their own.
        """
        owner: Step | None = self
        while owner is not None and owner.__dict__.get(f"override_{reftype}") is None:
            owner = owner.parent
        source = self._source_key() if owner is None else (owner.qualified_name,)
        return reftype, owner is None, source, sought.identity

    def _store(self) -> references.Store | None:
        """Where references are looked for; opened once in a run."""
        return self._run.store(self._source_key(), lambda: references.open_store(*self._source()))

    def _source(self) -> tuple[Any, str | None]:
        """Directory and context that are asked for."""
        return self.search_attr("references"), self.search_attr("context")

    def _source_key(self) -> tuple[Any, ...]:
        place, context = self._source()
        is_path = place is None or isinstance(place, str | os.PathLike)
        return (str(place) if is_path else id(place), context)

    def _check_reference(self, match: Match, reftype: str, model: DataModel) -> None:
        """Checks the arrays of a reference: by its schema, its type, and the exposure's size."""
        from .. import datamodels
        from ..border import BORDER
        from ..exposure import describe

        if match.reference == NOT_APPLICABLE:
            return
        is_model = isinstance(match.reference, datamodels.DataModel)
        name = f"override_{reftype}" if is_model else str(match.reference)
        reference = match.reference if is_model else self._opened(match.reference)
        try:
            reference.validate(metadata=False)
        except datamodels.ValidationError as error:
            raise references.ReferenceMismatchError(f"{name}: {error.problem}") from error
        if not model.shape or not isinstance(reference, datamodels.ReferenceModel):
            return
        kind = reference.reference_type
        shapes = {key: tuple(array.shape) for key, array in reference.arrays()}
        n_rows, n_cols = model.shape[-2:]
        trimmed = 0 if len(model.shape) == 3 else 2 * BORDER  # an image is without its border
        allowed = kind.sizes((n_rows + trimmed, n_cols + trimmed), BORDER)
        for array in kind.images:
            if array.name in shapes and shapes[array.name][-2:] not in allowed:
                raise references.ReferenceMismatchError(
                    f"{name}: {reftype.upper()} {array.name} of shape {shapes[array.name]} does "
                    f"not fit the {n_rows} x {n_cols} pixels of {describe(model)}"
                )
        for problem in kind.layout_problems(shapes):
            raise references.ReferenceMismatchError(f"{name}: {reftype.upper()} {problem}")

    # --- status and provenance

    def record_step_status(self, model: DataModel, step_name: str, success: bool = True) -> None:
        """Records in ``meta.cal_step`` that a step is COMPLETE, or SKIPPED.

        Parameters
        ----------
        model : DataModel
            Changed in place.
        step_name : str
            The entry, such as ``flat_field``.
        success : bool
            False for SKIPPED.
        """
        model.meta.cal_step[step_name] = "COMPLETE" if success else "SKIPPED"

    def mark(self, model: DataModel, success: bool) -> None:
        if self.cal_step_name:
            self.record_step_status(model, self.cal_step_name, success)

    def status_of(self, result: Any) -> str:
        if not self.cal_step_name or not hasattr(result, "meta"):
            return super().status_of(result)
        return result.meta.cal_step.get(self.cal_step_name, "COMPLETE")

    def finalize_result(
        self, model: DataModel, reference_files_used: list[tuple[str, str]]
    ) -> None:
        """Records the software and the reference files in the metadata of a result.

        Parameters
        ----------
        model : DataModel
            Changed in place.
        reference_files_used : list of (str, str)
            Reference type and file name.
        """
        digests = self._record_references(model, reference_files_used)
        for reftype, name in reference_files_used:
            match = self._call.matches_used.get(reftype)
            if match is None or reftype not in digests:
                continue
            by = f", by {match.context}" if match.context else ""
            self.log.info("%s %s%s, sha256 %s", reftype.upper(), name, by, digests[reftype])
        self._make_valid(model)

    def metadata_warning(self) -> Callable[[str], None] | None:
        """What tells of metadata that break the schema; None where they are an error.

        ``validate = warn`` of a pipeline holds for its steps.
        """
        if self._chosen("validate") == "error":
            return None
        return lambda message: self.log.warning("%s", message)

    def _make_valid(self, model: Any) -> None:
        """Sets what the schema forbids to unknown, where ``validate`` says so."""
        from ..datamodels import DataModel
        from ..exposure import make_product_valid

        warn = self.metadata_warning()
        if warn is not None and isinstance(model, DataModel):
            make_product_valid(model, warn)

    def _record_references(
        self, model: DataModel, reference_files_used: list[tuple[str, str]]
    ) -> dict[str, str]:
        """Records names, digests (which it returns) and the context in ``meta.ref_file``.

        What else every step takes over from its references are their second flags, ``dq2``.
        """
        self._add_second_flags(model)
        digests = {
            reftype: self._run.digests.of(match.reference)
            for reftype, match in self._call.matches_used.items()
            if isinstance(match.reference, Path)
        }
        if not reference_files_used:
            return digests
        ref_file = model.meta.ref_file
        for reftype, name in reference_files_used:
            ref_file[reftype] = name
        if digests:
            ref_file["sha256"] = {**ref_file.get("sha256", {}), **digests}
        # Of the whole run: none chose any where a raw file still names the one of its own making.
        with runs.at_hand(self) as run:
            found = run.found_references.values()
        contexts = sorted({match.context for match in found if match.context})
        ref_file.crds["context"] = ", ".join(contexts) or NOT_APPLICABLE
        if contexts:
            ref_file.crds["version"] = f"romancal-rs {__version__}"
        return digests

    def _add_second_flags(self, model: DataModel) -> None:
        from .. import datamodels

        if not isinstance(model, datamodels.RampModel | datamodels.ImageModel):
            return
        for match in self._call.matches_used.values():
            if match.reference == NOT_APPLICABLE:
                continue
            is_model = isinstance(match.reference, datamodels.DataModel)
            reference = match.reference if is_model else self._opened(match.reference)
            datamodels.add_second_flags(model, reference)

    def keep_log(self, model: DataModel, lines: list[str]) -> None:
        """Appends the run's messages to ``meta.cal_logs``."""
        model.meta["cal_logs"] = [*model.meta.get("cal_logs", ()), *lines]

    def keep_record(self, model: DataModel, args: tuple[Any, ...]) -> None:
        """Appends what the run was made with to ``meta.cal_runs``."""
        from . import provenance

        record = provenance.record(self, args, model)
        model.meta["cal_runs"] = [*model.meta.get("cal_runs", ()), record]

    def write_model(self, model: Any, path: Path) -> None:
        from .. import datamodels
        from ..exposure import invalid

        if not isinstance(model, datamodels.DataModel):
            super().write_model(model, path)
            return
        compression = self._chosen("array_compression")
        try:
            model.save(path, compression=None if compression == "none" else compression)
        except datamodels.ValidationError as error:
            raise invalid(model, error, is_hinted=self.metadata_warning() is None) from error

    def _chosen(self, name: str) -> Any:
        """The first value that is not the default, of the step or the pipelines around it."""
        owner: Step | None = self
        while owner is not None:
            parameter = owner.parameters.get(name)
            if parameter is not None and getattr(owner, name) != parameter.default:
                return getattr(owner, name)
            owner = owner.parent
        return getattr(self, name)

    def as_saved(self, model: DataModel, lines: list[str]) -> DataModel:
        """A product that is saved within the run, with the provenance and the log so far."""
        if "ref_file" not in model.meta:  # a reference file, which says where it comes from itself
            return model
        saved = model.copy_for_change(())
        self._make_valid(saved)
        self._record_references(saved, list(self._call.references_used.items()))
        self.keep_log(saved, lines)
        self._run.step.keep_record(saved, self._run.args)
        return saved


class _Sought(NamedTuple):
    """What references are looked for by, and what tells one exposure from another in that."""

    keys: ExposureKeys
    identity: Any

    @classmethod
    def of(cls, model: DataModel) -> _Sought:
        from ..border import BORDER

        keys = ExposureKeys.from_model(model)
        # A ramp and the image made of it, which has lost its border, are of the same frame.
        border = 0 if len(model.shape) == 3 else 2 * BORDER
        frame = tuple(length + border for length in model.shape[-2:])
        return cls(keys, (keys.identity, frame))


def _as_own_model(override: Any, name: str) -> Any:
    """An override, with a model of the mission's library made one of this package."""
    from .. import datamodels

    if datamodels.can_open(override):
        return datamodels.open(override)
    if hasattr(override, "meta") and not isinstance(override, datamodels.DataModel):
        raise ArgumentTypeError(
            f"{name}: expected a path, a model of this package or of roman_datamodels, or 'N/A', "
            f"got {type(override).__name__}"
        )
    return override


def _recorded_name(match: Match) -> str:
    """How the metadata of a result name a reference."""
    reference = match.reference
    if hasattr(reference, "meta"):
        return str(reference.meta.get("filename") or f"{type(reference).__name__} in memory")
    if reference == NOT_APPLICABLE:
        return NOT_APPLICABLE
    name = os.path.basename(reference)
    return f"crds://{name}" if match.context else name


class RomanPipeline(Pipeline, RomanStep):
    """Base class of the pipelines of this package."""

    def prefetched_steps(self, model: DataModel) -> list[Step]:
        """The steps that are going to run on an exposure: their references are found first."""
        return self.substeps()

    def before_process(self, args: tuple[Any, ...]) -> None:
        """Finds the references of all steps before a pixel is touched."""
        from .. import datamodels

        has_exposure = args and isinstance(args[0], str | os.PathLike | datamodels.DataModel)
        if not has_exposure or not reference_types(type(self)):
            return
        with datamodels.open(args[0]) as model:
            self.prefetch(model, self.prefetched_steps(model))
