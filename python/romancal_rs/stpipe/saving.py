"""How a step names and saves its products."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from .._files import local_path
from . import calls, output
from .base import StepBase
from .parameters import ParameterError
from .progress import WRITE


class SavingStep(StepBase):
    """What is common to steps where they save. Steps derive from `Step`."""

    spec = """
        output_dir = directory(default=None, role=place)  #! Where to write; made when missing
        output_ext = string(default='.asdf', role=saving)  # Extension of output files
        output_file = output_file(default=None, role=place)  #! Beginning of output file names
        output_use_index = boolean(default=True, role=saving)  # Number the files of several results
        output_use_model = boolean(default=False, role=saving)  # Name outputs after meta.filename
        save_results = boolean(default=False, role=saving)  # Save the result
        search_output_file = boolean(default=True, role=saving)  # Use the pipeline's output_file
        suffix = string(default=None, role=saving)  # End of the output file's name
    """

    # --- what subclasses may say

    def as_saved(self, model: Any, lines: list[str]) -> Any:
        """What to save of a product during the run, with its log messages so far.

        Parameters
        ----------
        model : data model
            The product.
        lines : list of str
            The log messages of the run so far.

        Returns
        -------
        data model
            Here the product itself.
        """
        return model

    def write_model(self, model: Any, path: Path) -> None:
        """Write a product to a file; subclasses may change how.

        Parameters
        ----------
        model : data model
            The product.
        path : path
            Name of the file.
        """
        model.save(path)

    def suffix_of(self, model: Any) -> str | None:
        """The suffix of a product's file name where the parameters give none.

        Parameters
        ----------
        model : data model or None
            The product; subclasses may let the suffix depend on it.

        Returns
        -------
        str or None
            Here ``default_suffix``.
        """
        return self.default_suffix

    def products_beside(self, result: Any) -> Iterable[tuple[str, Any]]:
        """Further products that are saved together with a result.

        Parameters
        ----------
        result : data model
            A result, which is saved already.

        Returns
        -------
        iterable of (str, data model)
            Suffixes of the file names, and models.
        """
        return ()

    def remove_suffix(self, name: str) -> str:
        """Remove a known suffix from a file name without extension.

        Parameters
        ----------
        name : str
            The file name without extension.

        Returns
        -------
        str
            The name without the suffix.
        """
        return output.remove_suffix(name)

    # --- saving

    def _check_output_dir(self) -> None:
        """Errs where it can be neither made nor written to: before the work, not after it."""
        if self.output_dir is None:
            return
        place = Path(self.output_dir)
        while not os.path.lexists(place) and place != place.parent:
            place = place.parent
        if os.path.isdir(place) and (os.access(place, os.W_OK | os.X_OK) or not self.save_results):
            return
        what = "cannot be written to" if os.path.isdir(place) else "is no directory"
        raise ParameterError(f"{self.name}: output_dir = {self.output_dir!r}: {place} {what}")

    @staticmethod
    def _as_list(result: Any) -> list[Any]:
        if result is None:
            return []
        return list(result) if isinstance(result, list | tuple) else [result]

    @property
    def _input_name(self) -> str | None:
        """The path that the step was called with."""
        call = calls.call_of(self)
        return None if call is None else call.input_name

    def _save_result(self, result: Any) -> None:
        results = [item for item in self._as_list(result) if hasattr(item, "save")]
        for index, model in enumerate(results):
            numbered = index if len(results) > 1 and self.output_use_index else None
            self.save_model(model, index=numbered)
            for suffix, other in self.products_beside(model):
                self.save_model(other, suffix, numbered)

    def decide_suffix(self, suffix: str) -> None:
        """Decide the suffix of the product's file name during the run.

        It applies to the current run. The ``suffix`` parameter wins over it, and it wins over
        ``default_suffix``.

        Parameters
        ----------
        suffix : str
            The suffix, without underscore.
        """
        call = calls.call_of(self)
        if call is not None:
            call.suffix = suffix

    def make_output_path(
        self, suffix: str | None = None, model: Any = None, index: int | None = None
    ) -> Path:
        """The path where a product of this step is saved.

        The name derives from ``output_file``, or from the input's name; a known suffix gives way
        to the step's own.

        Parameters
        ----------
        suffix : str, optional
            Suffix of the file name; the step's own by default.
        model : data model, optional
            The product, which may name the file (``output_use_model``).
        index : int, optional
            Number of the product, where a step makes several.

        Returns
        -------
        path
        """
        asked_for = self.search_attr("output_file") if self.search_output_file else self.output_file
        base = asked_for or self.search_attr("_input_name")
        if (self.output_use_model or base is None) and model is not None:
            base = output.usable_name(model.meta.get("filename")) or base
        base = base or f"{self.name}{self.output_ext}"
        call = calls.call_of(self)
        decided = None if call is None else call.suffix
        suffix = suffix or self.suffix or decided or self.suffix_of(model)
        suffix = suffix or type(self).__name__.lower()
        directory = self.search_attr("output_dir")
        if directory is None and asked_for is not None:
            directory = os.path.dirname(asked_for) or None
        return output.output_path(base, suffix, self.output_ext, directory, index)

    def save_model(self, model: Any, suffix: str | None = None, index: int | None = None) -> Path:
        """Save a product under its derived name, see `make_output_path`.

        Parameters
        ----------
        model : data model
            The product.
        suffix : str, optional
            Suffix of the file name; the step's own by default.
        index : int, optional
            Number of the product, where a step makes several.

        Returns
        -------
        path
            Where it was saved.
        """
        return self.save_to(model, self.make_output_path(suffix, model, index))

    def save_to(self, model: Any, path: str | os.PathLike[str]) -> Path:
        """Save a product under a given name; a missing directory is made.

        Parameters
        ----------
        model : data model
            The product.
        path : str or path
            Name of the file; a name without directory goes to ``output_dir``.

        Returns
        -------
        path
            Where it was saved.
        """
        path = Path(local_path(path))
        directory = self.search_attr("output_dir")
        if directory is not None and not path.parent.parts:
            path = Path(directory) / path
        if not path.suffix:
            path = path.with_suffix(self.output_ext)
        path.parent.mkdir(parents=True, exist_ok=True)
        run = calls.run_of(self)
        # The result of a run is complete, and nothing changes it any more.
        is_result = run is not None and run.log_lines is None
        if run is not None and is_result and run.write_later is not None:
            run.write_later(lambda: self.write_model(model, path))
        else:
            if run is not None and run.log_lines is not None:
                model = self.as_saved(model, run.log_lines)
            with nullcontext() if run is None else run.timed(WRITE):
                self.write_model(model, path)
            self.log.info("Saved %s", path)
        if run is not None:
            run.saved_files.append(path)
        return path
