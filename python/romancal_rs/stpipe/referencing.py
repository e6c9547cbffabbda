"""How a step finds, checks, opens and records the reference files that an exposure needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .. import __version__, references
from ..errors import ArgumentTypeError
from ..reference_types import CHANNEL_COLS
from ..references import NOT_APPLICABLE, Match
from . import calls
from .sought import Sought
from .step import Step

if TYPE_CHECKING:
    from ..datamodels import DataModel


class ReferencingStep(Step):
    """What is common to steps where they use reference files. Steps derive from `RomanStep`."""

    spec = """
        references = references(default=None)  #! Directory of reference files
        context = string(default=None, role=store)  #! CRDS context: roman_0017.pmap, latest, ...
    """

    #: References that the step can do without: it runs even if they are N/A.
    optional_references: ClassVar[tuple[str, ...]] = ()

    # --- finding

    def reference_types_for(self, exposure: DataModel) -> list[str]:
        """The types of ``reference_file_types`` that the step uses for an exposure.

        Parameters
        ----------
        exposure : DataModel
            The exposure.

        Returns
        -------
        list of str
            Reference types, in the order in which they are opened.
        """
        return list(self.reference_file_types)

    def prefetch(self, model: DataModel, steps: Iterable[Step] = ()) -> None:
        """Find every reference that the steps need, before a pixel is touched.

        Parameters
        ----------
        model : DataModel
            The exposure.
        steps : iterable of Step
            The steps that are going to run; this step by default.

        Raises
        ------
        ReferenceFileError
            All that is missing, or does not fit the exposure.
        """
        with calls.at_hand(self):
            self._prefetch(self._sought(model), model, steps)

    def _prefetch(self, sought: Sought, model: DataModel, steps: Iterable[Step] = ()) -> None:
        failures, missing = [], []
        for step in steps or [self]:
            if step.skip or not isinstance(step, ReferencingStep):
                continue
            for reftype in step._types_to_find(model):
                try:
                    match = step._match(reftype, sought, model)
                    self.check_use(step, match, model)
                except references.ReferenceFileError as error:
                    failures.append(error)
                    has_store = not isinstance(error, references.NoStoreError)
                    if has_store and isinstance(error, references.ReferenceNotFoundError):
                        missing.append((step, reftype))
        if failures:
            raise references.all_in_one(failures, self.help_without(missing, model))

    def _sought(self, model: DataModel) -> Sought:
        """By what the references of an exposure are looked for."""
        run = calls.run_of(self)
        return Sought.of(model) if run is None else run.sought.of(model)

    def _types_to_find(self, exposure: DataModel) -> list[str]:
        """The types that it uses; where it is going to be skipped as one is N/A, that one alone."""
        types = self.reference_types_for(exposure)
        absent = [name for name in types if _is_na(self.overrides(name))]
        return [name for name in absent if name not in self.optional_references] or types

    def check_use(self, step: Step, match: Match, exposure: DataModel) -> None:
        """Check that a step can use a reference that was chosen for an exposure.

        Parameters
        ----------
        step : Step
            One of those whose references are found before the work begins.
        match : Match
            The reference that was chosen.
        exposure : DataModel
            The exposure.

        Raises
        ------
        ReferenceFileError
            If the step could not use it.
        """

    def help_without(self, missing: Sequence[tuple[Step, str]], exposure: DataModel) -> str:
        """What would help where references are missing.

        Parameters
        ----------
        missing : sequence of (Step, str)
            Who needs which types.
        exposure : DataModel
            The exposure.

        Returns
        -------
        str
            A hint for the error message; empty if there is none.
        """
        return ""

    def _match(self, reftype: str, sought: Sought, model: DataModel) -> Match:
        """The reference of one type for an exposure; looked for once in a run."""
        run, key = self._run, self._key(reftype, sought)
        with run.lock:
            if key not in run.found_references:
                override = _as_own_model(self.overrides(reftype), f"override_{reftype}")
                match = references.resolve(reftype, sought.keys, self._store(), override)
                self._check_reference(match, reftype, model, sought)
                run.found_references[key] = match
                if isinstance(match.reference, Path):
                    run.start_digest(match)
                if match.note:
                    self.log.warning("%s", match.note)
            return run.found_references[key]

    def overrides(self, reftype: str) -> Any:
        """The reference that the user named for a type instead of the store's choice.

        A pipeline's override holds for all its steps that have none of their own.

        Parameters
        ----------
        reftype : str
            Reference type, such as ``"flat"``, in any case.

        Returns
        -------
        path, data model or None
            None if the user named none.
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
        sought = self._sought(model)
        with calls.at_hand(self):
            self._prefetch(sought, model)
            match = self._match(reftype, sought, model)
        call = self._call
        call.matches_used[reftype] = match
        call.references_used[reftype] = _recorded_name(match)
        return match.reference if hasattr(match.reference, "meta") else os.fspath(match.reference)

    def found_references(self, model: DataModel) -> dict[str, Match]:
        """The references that the current run found for the step and an exposure.

        Empty for a model that is no exposure.

        Parameters
        ----------
        model : DataModel
            The model.

        Returns
        -------
        dict of str to Match
            By reference type.
        """
        try:
            sought = self._sought(model)
        except (AttributeError, KeyError, ValueError):
            return {}
        run = calls.run_of(self)
        found = {} if run is None else run.found_references
        keys = {reftype: self._key(reftype, sought) for reftype in self.reference_file_types}
        return {reftype: found[key] for reftype, key in keys.items() if key in found}

    def _key(self, reftype: str, sought: Sought) -> Any:
        """Under which key a run keeps what was found.

        Steps share what was found, unless they have an override or a directory of their own.
        """
        owner: Step | None = self
        while owner is not None and owner.__dict__.get(f"override_{reftype}") is None:
            owner = owner.parent
        if owner is None:
            return reftype, None, self._source_key(), sought.identity
        override = owner.__dict__[f"override_{reftype}"]
        is_path = isinstance(override, str | os.PathLike)
        return reftype, str(override) if is_path else id(override), None, sought.identity

    def _store(self) -> references.Store | None:
        """Where references are looked for; opened once in a run."""
        return self._run.store(self)

    def _source(self) -> tuple[Any, str | None]:
        """Directory and context that are asked for."""
        return self.search_attr("references"), self.search_attr("context")

    def _source_key(self) -> Any:
        run = calls.run_of(self)
        if run is not None and run.is_pinned(self):
            return "the run's"
        place, context = self._source()
        is_path = place is None or isinstance(place, str | os.PathLike)
        return (str(place) if is_path else id(place), context)

    def _check_reference(
        self, match: Match, reftype: str, model: DataModel, sought: Sought
    ) -> None:
        """Checks the arrays of a reference; those of a file once for each frame size."""
        if match.reference == NOT_APPLICABLE:
            return
        if not isinstance(match.reference, Path):
            self._check_arrays(match.reference, f"override_{reftype}", reftype, model)
            return
        held, check = self._run.reference(match.reference), (reftype, sought.frame)
        if check not in held.passed:
            self._check_arrays(held.model, str(match.reference), reftype, model)
            held.passed.add(check)

    def _check_arrays(self, reference: Any, name: str, reftype: str, model: DataModel) -> None:
        """Checks the arrays of a reference: by its schema, its type, and the exposure's size."""
        from .. import datamodels
        from ..border import BORDER
        from ..exposure import describe

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
        full = n_rows + trimmed, n_cols + trimmed
        allowed = kind.sizes(full, BORDER)
        for array in kind.images:
            if array.name in shapes and shapes[array.name][-2:] not in allowed:
                raise references.ReferenceMismatchError(
                    f"{name}: {reftype.upper()} {array.name} of shape {shapes[array.name]} does "
                    f"not fit the {n_rows} x {n_cols} pixels of {describe(model)}"
                )
        for problem in (*kind.layout_problems(shapes), *kind.frame_problems(shapes, full)):
            raise references.ReferenceMismatchError(f"{name}: {reftype.upper()} {problem}")
        n_channels = -(-full[1] // CHANNEL_COLS)
        if kind.channel_table and len(reference[kind.channel_table]) < n_channels:
            raise references.ReferenceMismatchError(
                f"{name}: {reftype.upper()} {kind.channel_table} has "
                f"{len(reference[kind.channel_table])} channels; the {n_cols} columns of "
                f"{describe(model)} are {n_channels}"
            )

    # --- opening

    def open_references(self, exposure: DataModel, stack: ExitStack) -> dict[str, Any]:
        """Open the references of the step.

        Those that are N/A are left out.

        Parameters
        ----------
        exposure : DataModel
            The exposure.
        stack : contextlib.ExitStack
            Keeps the models open until it is closed.

        Returns
        -------
        dict of str to data model
            The models by reference type.
        """
        return {
            reftype: stack.enter_context(self.get_reference_file_model(exposure, reftype))
            for reftype in self.reference_types_for(exposure)
            if self.get_reference_file(exposure, reftype) != NOT_APPLICABLE
        }

    @contextmanager
    def get_reference_file_model(self, model: DataModel, reftype: str) -> Iterator[Any]:
        """Open the reference of a type, for a ``with`` block.

        A file is open until the run ends, so that steps that use the same open it once; outside of
        runs until the block ends.

        Parameters
        ----------
        model : DataModel
            The exposure.
        reftype : str
            Reference type, such as ``"flat"``, in any case.

        Yields
        ------
        data model or None
            The reference, which must not be changed; None if it is N/A.
        """
        with calls.at_hand(self):
            reference = self.get_reference_file(model, reftype)
            if hasattr(reference, "meta"):
                yield reference
                return
            self._run.tell_once(self.log, "Using %s reference %s", reftype.upper(), reference)
            yield self._opened(reference)

    def _opened(self, path: str | os.PathLike[str]) -> DataModel:
        """The model of a reference file, opened once in a run."""
        return self._run.opened(path)

    # --- recording

    def _record_references(
        self, model: DataModel, reference_files_used: list[tuple[str, str]]
    ) -> dict[str, str]:
        """Records names, digests (which it returns) and the context in ``meta.ref_file``.

        What else every step takes over from its references are their second flags, ``dq2``.
        """
        self._add_second_flags(model)
        digests = {
            reftype: self._run.digest_of(match.reference)
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
        with calls.at_hand(self) as run:
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


def _is_na(override: Any) -> bool:
    return isinstance(override, str) and override == NOT_APPLICABLE


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
        # The name of its file alone would hide that the model may have been changed.
        name = reference.meta.get("filename")
        return f"{name} (in memory)" if name else f"{type(reference).__name__} in memory"
    if reference == NOT_APPLICABLE:
        return NOT_APPLICABLE
    name = os.path.basename(reference)
    return f"crds://{name}" if match.context else name
