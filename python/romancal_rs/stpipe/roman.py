"""What steps on Roman data have in common: inputs, status, provenance and products."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from ..errors import InputError
from ..references import NOT_APPLICABLE
from . import recipes, registry
from .parameters import ParameterError, reference_types
from .pipeline import Pipeline
from .recipes import Recipe
from .referencing import ReferencingStep
from .step import Step

if TYPE_CHECKING:
    from ..datamodels import DataModel

Model = TypeVar("Model", bound="DataModel")


class RomanStep(ReferencingStep):
    """Base class of the steps of this pipeline."""

    spec = """
        recipe = option('auto', '2022', 'flight', default='auto')  #! Which steps; auto: by the file
        output_ext = option('.asdf', default='.asdf', role=saving)  # Extension of output files
        array_compression = option('lz4', 'zlib', 'none', default='lz4', role=saving)  # Compression
        validate = option('error', 'warn', default='error')  # Invalid metadata: error or warning
    """

    #: The step's entry in ``meta.cal_step``.
    cal_step_name: ClassVar[str] = ""
    #: The exposure types that the step is for; empty for all types.
    exposure_types: ClassVar[tuple[str, ...]] = ()
    #: The entries of the steps that must come first. A step that has some takes no raw exposure.
    builds_on: ClassVar[tuple[str, ...]] = ()
    #: Whether the step may run twice. A step that corrects samples would correct them twice.
    is_repeatable: ClassVar[bool] = False
    #: Values that class attributes have in a recipe, if they differ: of the attributes above,
    #: ``reference_file_types`` and ``default_suffix``.
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: The status in ``meta.cal_step`` if the step is `idle`.
    status_if_idle: ClassVar[str] = "SKIPPED"

    # --- recipe

    def recipe_of(self, exposure: DataModel) -> str:
        """The recipe by which the step works on an exposure: ``2022`` or ``flight``.

        Parameters
        ----------
        exposure : ScienceRawModel, RampModel or ImageModel
            The exposure; its metadata decide where the user did not choose a recipe.

        Returns
        -------
        str
        """
        return self._recipe(exposure).name

    def _recipe(self, exposure: DataModel) -> Recipe:
        """That, with the reason: of a step of a pipeline the pipeline's, else the parameter's.

        Raises
        ------
        ParameterError
            If the step of a pipeline is told to work in another recipe than the pipeline.
        """
        pipeline = self.parent
        if isinstance(pipeline, RomanStep):
            recipe = pipeline._recipe(exposure)
            if self.recipe not in (recipes.AUTO, recipe.name):
                raise ParameterError(
                    f"{self.name}.recipe = {self.recipe!r}: a step takes the recipe of its "
                    f"pipeline, and {pipeline.name} runs that of {recipe.name} ({recipe.reason}): "
                    f"give recipe = {self.recipe!r} to {pipeline.name}, or run the step by itself"
                )
            return recipe
        if self.recipe == recipes.AUTO:
            return recipes.recipe_for(exposure)
        return Recipe(self.recipe, f"recipe = {self.recipe} is set")

    @classmethod
    def in_recipe(cls, recipe: str, attribute: str) -> Any:
        """The value of a class attribute in a recipe, see `by_recipe`.

        The value of a subclass wins, whether it is for one recipe or for all.

        Parameters
        ----------
        recipe : str
            Name of the recipe: ``2022`` or ``flight``.
        attribute : str
            Name of the attribute, such as ``"reference_file_types"``.

        Returns
        -------
        object
            The value of the attribute.
        """
        for base in cls.__mro__:
            of_recipe = vars(base).get("by_recipe", {}).get(recipe, {})
            if attribute in of_recipe:
                return of_recipe[attribute]
            if attribute in vars(base):
                break
        return getattr(cls, attribute)

    def _as_for(self, exposure: DataModel, attribute: str) -> Any:
        return self.in_recipe(self.recipe_of(exposure), attribute)

    def reference_types_for(self, exposure: DataModel) -> list[str]:
        return list(self._as_for(exposure, "reference_file_types"))

    def _tell_recipe(self, exposure: DataModel) -> None:
        """Has the log and the record of the run tell the recipe, and why it is this one."""
        from .. import datamodels

        if not isinstance(
            exposure, datamodels.ScienceRawModel | datamodels.RampModel | datamodels.ImageModel
        ):
            return
        recipe = self._run.recipe = self._recipe(exposure)
        self.log.info("Recipe %s: %s", recipe.name, recipe.reason)
        begun = recipes.begun_in(exposure)
        if begun and begun != recipe.name:
            self.log.warning(
                "The steps so far follow recipe %s; the next ones follow recipe %s",
                *(begun, recipe.name),
            )

    def _mark_recipe(self, model: Any) -> None:
        """Has a ramp or an image tell its recipe."""
        from ..datamodels import ImageModel, RampModel

        if isinstance(model, RampModel | ImageModel):
            model.meta[recipes.MARK] = self.recipe_of(model)

    # --- input

    def load_modules(self) -> None:
        from ..datamodels import load_libraries

        load_libraries()

    def prepare(
        self,
        input: Any,
        model_class: type[Model] | tuple[type[Model], ...],
        changes: Iterable[str] = (),
    ) -> Model:
        """The model to work on, of the class that the step needs.

        Parameters
        ----------
        input : path, file object or data model
            A raw exposure is taken for a ramp where a ramp is wanted, by a step that builds on no
            other. Where a step that it builds on is INCOMPLETE, a warning says so.
        model_class : type, or tuple of such
            RampModel or ImageModel.
        changes : iterable of str
            The arrays that the step is going to change in place. A model that a caller passes is
            not changed: the step gets another with copies of these arrays. What a pipeline hands
            from step to step is its own, and not copied.

        Returns
        -------
        RampModel or ImageModel
            A copy where the input must not change, otherwise the input itself.

        Raises
        ------
        InputError
            If the input is another kind of model, or too raw, or lacks what steps go by.
        """
        from .. import datamodels
        from ..exposure import check_for_step, describe

        model = datamodels.open(input)
        classes = model_class if isinstance(model_class, tuple) else (model_class,)
        if isinstance(model, datamodels.ScienceRawModel) and datamodels.RampModel in classes:
            if self.builds_on:
                raise InputError(
                    f"{self.name} takes a ramp, got a raw exposure, {describe(model)}: run "
                    f"{', '.join(self._as_for(model, 'builds_on'))} first"
                )
            check_for_step(model)
            if self._is_outermost():
                self._tell_recipe(model)
            return cast("Model", datamodels.RampModel.from_science_raw(model))
        if not isinstance(model, classes):
            source = f" from {input}" if isinstance(input, str | os.PathLike) else ""
            wanted = " or ".join(cls.__name__ for cls in classes)
            article = "an" if wanted[0] in "AEIOU" else "a"
            raise InputError(
                f"{self.name} takes {article} {wanted}, got: {type(model).__name__}{source}"
            )
        if isinstance(model, datamodels.RampModel | datamodels.ImageModel):
            check_for_step(model)
        if self.builds_on and isinstance(model, datamodels.RampModel) and model.is_encoded:
            raise InputError(
                f"{describe(model)}: its counts are still encoded, as they were sent: run "
                f"dq_init before {self.name}"
            )
        if self._is_outermost():
            self._tell_recipe(model)
        self.warn_of_order(model)
        if self._is_outermost() and isinstance(input, datamodels.DataModel):
            return model.copy_for_change(changes)
        return model

    def predecessors(self, exposure: DataModel) -> Sequence[str]:
        """The steps that come before this one, by their entries in ``meta.cal_step``.

        Parameters
        ----------
        exposure : DataModel
            The exposure.

        Returns
        -------
        sequence of str
        """
        return self._as_for(exposure, "builds_on")

    def warn_of_order(self, model: DataModel, done: Collection[str] = ()) -> None:
        """Warn if the step was done on a model before, or if a step that it needs was not.

        Parameters
        ----------
        model : DataModel
            A ramp or an image; of a raw exposure no step has been done.
        done : collection of str
            The entries of steps that are done, or skipped, though the model does not say so yet.
        """
        from ..datamodels import ScienceRawModel
        from ..exposure import describe

        recipe = self.recipe_of(model)
        if self.cal_step_name in recipes.LEFT_OUT[recipe]:
            self.log.warning(
                "%s: it follows recipe %s, which has no step %s: only the recipe flight has it",
                *(describe(model), recipe, self.cal_step_name),
            )
        cal_step = None if isinstance(model, ScienceRawModel) else model.meta.cal_step
        missing = [
            name
            for name in self.predecessors(model)
            if name not in done
            and (cal_step is None or cal_step.get(name) == "INCOMPLETE")
            and not _is_idle(name, model, recipe)
        ]
        if missing:
            self.log.warning(
                "%s: %s needs %s first (INCOMPLETE in meta.cal_step)",
                *(describe(model), self.name, ", ".join(missing)),
            )
        if cal_step is not None and cal_step.get(self.cal_step_name) == "COMPLETE":
            harm = (
                ""
                if self.is_repeatable
                else ": the data are corrected twice, and the numbers are wrong"
            )
            self.log.warning("%s: this step is COMPLETE already, and runs again%s", self.name, harm)

    def open_input(self, input: Any) -> Any:
        """Open an input that is neither a path nor one of our models.

        Parameters
        ----------
        input : path, file object or data model
            Open files and models of other libraries are opened once; the rest is passed on.

        Returns
        -------
        path or data model
            What ``process`` gets.
        """
        from .. import datamodels

        return datamodels.open(input) if datamodels.can_open(input) else input

    def recorded_input(self, input: Any, opened: Any) -> Any:
        """The path of a file that the caller opened, if it has one.

        Parameters
        ----------
        input : path, file object or data model
            The input of the step as the caller gave it.
        opened : object
            What `open_input` returned for `input`.

        Returns
        -------
        path or data model
            What the record of the run names as the input.
        """
        from .. import datamodels

        return datamodels.path_of(input) or opened

    def skip_input(self, input: Any) -> Any:
        """The input of a step that does not run, marked SKIPPED.

        Parameters
        ----------
        input : path, file object or data model
            Marked in place where a pipeline handed it over, else a copy of its metadata is.

        Returns
        -------
        RampModel or ImageModel
            The input, opened if it was a path.
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

    # --- whether it works on an exposure

    def idle(self, exposure: DataModel) -> str:
        """Why the step has nothing to do for an exposure.

        Parameters
        ----------
        exposure : DataModel
            The exposure.

        Returns
        -------
        str
            The reason in a few words; empty if the step has something to do.
        """
        exposure_type = exposure.meta.exposure.type
        exposure_types = self._as_for(exposure, "exposure_types")
        is_for_it = not exposure_types or exposure_type in exposure_types
        return "" if is_for_it else f"not for {exposure_type}"

    def reason_to_skip(self, exposure: DataModel) -> str:
        """Why the step does not work on an exposure.

        It is idle, or a reference that it cannot do without is N/A.

        Parameters
        ----------
        exposure : DataModel
            The exposure.

        Returns
        -------
        str
            The reason in a few words; empty if the step works on it.
        """
        if reason := self.idle(exposure):
            return reason
        for reftype in self.reference_types_for(exposure):
            is_there = self.get_reference_file(exposure, reftype) != NOT_APPLICABLE
            if not is_there and reftype not in self.optional_references:
                return f"its {reftype.upper()} is N/A"
        return ""

    def end_skipped(self, model: Model, reason: str, *, is_usual: bool = False) -> Model:
        """End a step that cannot do its work: log the reason and mark the model in place.

        Parameters
        ----------
        model : RampModel or ImageModel
            The exposure; its entry in ``meta.cal_step`` changes in place.
        reason : str
            Why, in a few words.
        is_usual : bool
            Whether that is as it should be, and no warning.

        Returns
        -------
        Model
            The same model.
        """
        self.mark(model, False, reason)
        self.tell_skipped(self.status_of(model), reason, is_usual=is_usual)
        return model

    def skip_without(self, model: Model, reftype: str) -> Model:
        """Skip the step because its reference of a type is N/A.

        Parameters
        ----------
        model : Model
            The exposure, which is marked in place.
        reftype : str
            Reference type, such as ``"flat"``, in any case.

        Returns
        -------
        Model
            The same model.
        """
        return self.end_skipped(model, f"its {reftype.upper()} is N/A")

    # --- status and provenance

    def record_step_status(self, model: DataModel, step_name: str, success: bool = True) -> None:
        """Record in ``meta.cal_step`` that a step is COMPLETE, or SKIPPED.

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

    def mark(self, model: DataModel, success: bool, reason: str = "") -> None:
        if not self.cal_step_name:
            return
        self.record_step_status(model, self.cal_step_name, success)
        if not success and reason and reason == self.idle(model):
            model.meta.cal_step[self.cal_step_name] = self.status_if_idle

    def status_of(self, result: Any) -> str:
        if not self.cal_step_name or not hasattr(result, "meta"):
            return super().status_of(result)
        return result.meta.cal_step.get(self.cal_step_name, "COMPLETE")

    def finalize_result(
        self, model: DataModel, reference_files_used: list[tuple[str, str]]
    ) -> None:
        """Record the software and the reference files in the metadata of a result.

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
        self._mark_recipe(model)
        if self._is_outermost():
            self._fill_statistics(model)
        self._make_valid(model)

    def _fill_statistics(self, model: Any) -> None:
        """Has an image of the flight recipe tell what it is like; it is done once, at the end."""
        from ..datamodels import ImageModel
        from ..image_statistics import fill_statistics

        if isinstance(model, ImageModel) and self.recipe_of(model) == recipes.FLIGHT:
            fill_statistics(model)

    def metadata_warning(self) -> Callable[[str], None] | None:
        """The function that warns of metadata that break the schema.

        ``validate = warn`` of a pipeline holds for its steps.

        Returns
        -------
        callable or None
            Takes the message; None if such metadata are an error.
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

    def keep_log(self, model: DataModel, lines: list[str]) -> None:
        """Append the messages of the run to ``meta.cal_logs``, in place.

        Parameters
        ----------
        model : DataModel
            The model.
        lines : list of str
            The log messages of the run so far.
        """
        model.meta["cal_logs"] = [*model.meta.get("cal_logs", ()), *lines]

    def keep_record(self, model: DataModel, args: tuple[Any, ...]) -> None:
        """Append what the run was made with to ``meta.cal_runs``, in place.

        Parameters
        ----------
        model : DataModel
            The model.
        args : tuple
            The inputs of the run.
        """
        from . import provenance

        record = provenance.record(self, args, model)
        model.meta["cal_runs"] = [*model.meta.get("cal_runs", ()), record]

    def suffix_of(self, model: Any) -> str | None:
        """The suffix that the recipe of a product gives its file name.

        Parameters
        ----------
        model : data model or None
            The product.

        Returns
        -------
        str or None
        """
        from .. import datamodels

        kinds = datamodels.ScienceRawModel | datamodels.RampModel | datamodels.ImageModel
        if "default_suffix" in vars(self) or not isinstance(model, kinds):
            return super().suffix_of(model)
        return self._as_for(model, "default_suffix")

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
        """A product that is saved during the run, with its provenance and the log so far.

        Parameters
        ----------
        model : DataModel
            The product, which is not changed.
        lines : list of str
            The log messages of the run so far.

        Returns
        -------
        DataModel
            A copy to save.
        """
        if "ref_file" not in model.meta:  # a reference file, which says where it comes from itself
            return model
        saved = model.copy_for_change(())
        self._fill_statistics(saved)
        self._make_valid(saved)
        self._mark_recipe(saved)
        self._record_references(saved, list(self._call.references_used.items()))
        self.keep_log(saved, lines)
        self._run.step.keep_record(saved, self._run.args)
        return saved


def _is_idle(entry: str, exposure: DataModel, recipe: str) -> bool:
    """Whether the step with an entry in ``meta.cal_step`` has nothing to do for an exposure."""
    step_class: Any = registry.steps_by_entry().get(entry)
    return step_class is not None and bool(step_class(recipe=recipe).idle(exposure))


class RomanPipeline(Pipeline, RomanStep):
    """Base class of the pipelines of this package."""

    def prefetched_steps(self, model: DataModel) -> list[Step]:
        """The steps that are going to run on an exposure: their references are found first.

        Parameters
        ----------
        model : DataModel
            The model.

        Returns
        -------
        list of Step
        """
        return self.substeps()

    def before_process(self, args: tuple[Any, ...]) -> None:
        """Find the references of all steps before a pixel is touched.

        Parameters
        ----------
        args : tuple
            The inputs of the pipeline.
        """
        from .. import datamodels

        has_exposure = args and isinstance(args[0], str | os.PathLike | datamodels.DataModel)
        if not has_exposure or not reference_types(type(self)):
            return
        with datamodels.open(args[0]) as model:
            if self._is_outermost():
                self._tell_recipe(model)
            self.prefetch(model, self.prefetched_steps(model))
