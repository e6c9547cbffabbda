"""What a result follows from, so that it can be told whether it still would be the same."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .. import datamodels
from ..datamodels import DataModel
from ..errors import RomancalError
from ..references import NOT_APPLICABLE, ReferenceFileError
from ..references.digest import sha256_of
from .parameters import Role

if TYPE_CHECKING:
    from .parameters import ParameterSpec
    from .pipeline import Pipeline
    from .roman import RomanStep
    from .step import Step

#: Roles of parameters that change where results go, or how fast they come, but not what they are.
#: The reference files themselves stand for where they come from, and a step with hooks is not
#: described at all.
NEUTRAL_ROLES = frozenset(
    {Role.PLACE, Role.SAVING, Role.SPEED, Role.REFERENCE, Role.STORE, Role.HOOKS}
)

_PACKAGE = __name__.partition(".")[0]
#: Libraries whose version may change a result.
_LIBRARIES = ("asdf", "asdf-astropy", "astropy", "gwcs", "numpy", "rad")
#: The key of what stands in a description for a value that JSON does not have.
MARK = "!"


class UnidentifiedError(RomancalError):
    """There is no saying whether something is the same as in another run; the reason why."""


@dataclass
class Content:
    """A value, such as a model, taken apart.

    Attributes
    ----------
    tree : object
        What JSON can hold, exactly. Markers, dicts with the key ``!``, stand for times (which
        they hold in full), arrays and objects.
    arrays : dict of str to ndarray
        The arrays by dotted name.
    objects : list of str
        Dotted names of the transforms and WCS.
    """

    tree: Any = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, value: Any) -> Content:
        """Takes a value apart.

        Raises
        ------
        UnidentifiedError
            If it holds something else than plain values, times, arrays, transforms and WCS.
        """
        content = cls()
        content.tree = content._take(value, ())
        return content

    def _take(self, value: Any, path: tuple[str, ...]) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, DataModel):
            return {name: self._take(value[name], (*path, name)) for name in value}
        if isinstance(value, Mapping) and MARK not in value:
            return {str(key): self._take(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return [self._take(item, (*path, str(i))) for i, item in enumerate(value)]
        name = ".".join(path)
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            self.arrays[name] = value
            return {MARK: "array"}
        module = type(value).__module__
        if module.startswith("astropy.time") and value.isscalar and value.location is None:
            return {
                MARK: "time",
                # Two numbers, as one does not hold all digits of a time.
                "jd": [float(value.jd1), float(value.jd2)],
                **{key: getattr(value, key) for key in ("scale", "format", "precision")},
            }
        if module.startswith(("gwcs.", "astropy.modeling.")):
            self.objects.append(name)
            return {MARK: "object"}
        raise UnidentifiedError(f"{name or 'it'} is a {module}.{type(value).__qualname__}")

    def digest(self) -> str:
        """A digest of all of it.

        Raises
        ------
        UnidentifiedError
            If there are objects, which have no defined bytes.
        """
        if self.objects:
            raise UnidentifiedError(f"{self.objects[0]} is an object that has no digest")
        arrays = {
            name: [array.dtype.str, array.shape, _digest_of_array(array)]
            for name, array in self.arrays.items()
        }
        return digest([self.tree, arrays])


class Fingerprints:
    """Describes steps and what they are called with, for one run.

    Files are read once in a run.
    """

    def __init__(self) -> None:
        self._files: dict[str, str] = {}

    def of_class(self, step_class: type) -> dict[str, str]:
        """Digests of the files with the code of a class and of its bases.

        The files of this package have a digest of their own, see `software`.
        """
        digests = {}
        for base in step_class.__mro__:
            if base.__module__.partition(".")[0] in ("builtins", _PACKAGE):
                continue
            try:
                file = inspect.getsourcefile(base)
            except (TypeError, OSError):
                file = None
            if file is None:
                raise UnidentifiedError(f"no file holds the code of {base.__qualname__}")
            digests[f"{base.__module__}.{base.__qualname__}"] = self.of_file(file)
        return digests

    def of_step(self, step: Step) -> dict[str, Any]:
        """The name, the code and the parameters of a step, but not of the steps in it."""
        return {
            "name": step.qualified_name,
            "class": f"{type(step).__module__}.{type(step).__qualname__}",
            "code": self.of_class(type(step)),
            "parameters": self._of_parameters(step),
        }

    def of_call(self, step: Step, args: Sequence[str]) -> dict[str, Any]:
        """All that the result of a step follows from, beyond the steps that ran before it.

        Parameters
        ----------
        step : Step
        args : sequence of str
            What stands for the arguments.
        """
        before = {other.qualified_name: self._of_parameters(other) for other in _steps_before(step)}
        return {
            **self.of_step(step),
            "arguments": list(args),
            "inside": [self.of_step(pipeline) for pipeline in _inner_pipelines(step)],
            # Skipped or not: a pipeline may look at their parameters.
            "before": before,
        }

    def of_references(self, step: Step, exposure: Any) -> dict[str, list[str]]:
        """Names, digests and contexts of the references that a step is going to use.

        Results record them.
        """
        if not step.reference_file_types or not hasattr(step, "found_references"):
            return {}  # no step on Roman data
        roman_step = cast("RomanStep", step)
        try:
            with datamodels.open(exposure) as model:
                roman_step.prefetch(model)
                found = roman_step.found_references(model)
        except (OSError, ValueError, ReferenceFileError) as error:
            raise UnidentifiedError("its references are not known before it runs") from error
        digests = {}
        for reftype, match in found.items():
            reference, context = match.reference, match.context or ""
            if hasattr(reference, "meta") or reference == NOT_APPLICABLE:
                digests[reftype] = ["", self.of_value(reference), context]
            else:
                name = os.path.basename(reference)
                digests[reftype] = [name, self.of_file(reference), context]
        return digests

    def of_value(self, value: Any) -> str:
        """A digest of a model's or a plain value's content; for the path of a file, the file's."""
        if isinstance(value, str | os.PathLike):
            path = Path(value)
            if path.is_file():
                return self.of_file(path)
            if path.is_dir():
                raise UnidentifiedError(f"{path} is a directory")
        kind = [type(value).__name__, getattr(value, "tag", None), getattr(value, "era", None)]
        return digest([kind, Content.of(value).digest()])

    def of_file(self, path: str | os.PathLike[str]) -> str:
        """SHA-256 of the bytes of a file."""
        name = os.fspath(path)
        if name not in self._files:
            try:
                self._files[name] = sha256_of(path)
            except OSError as error:
                raise UnidentifiedError(f"{path} cannot be read: {error.strerror}") from error
        return self._files[name]

    def _of_parameters(self, step: Step) -> dict[str, Any]:
        content = Content.of(self._of_settings(step.parameters, step.__dict__))
        for name in (*content.arrays, *content.objects):
            raise UnidentifiedError(f"its parameter {name} is no plain value")
        return content.tree

    def _of_settings(self, spec: ParameterSpec, values: Mapping[str, Any]) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name, parameter in spec.items():
            if parameter.role in NEUTRAL_ROLES:
                continue
            value = values.get(name)
            if parameter.role is Role.INPUT and value is not None:
                value = self.of_file(value)
            settings[name] = value
        for name, section in spec.sections.items():
            settings[name] = self._of_settings(section, values[name])
        return settings


@cache
def software() -> dict[str, str]:
    """Versions of this package and of the libraries, and a digest of this package's own code."""
    directory = Path(__file__).parents[1]
    files = sorted([*directory.rglob("*.py"), *directory.glob("_core*")])
    code = {str(file.relative_to(directory)): sha256_of(file) for file in files}
    versions = {name: version(name) for name in ("romancal-rs", *_LIBRARIES)}
    return {**versions, "code": digest(code)}


def digest(value: Any) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _digest_of_array(array: np.ndarray) -> str:
    flat = np.ascontiguousarray(array).reshape(-1)
    return hashlib.sha256(flat.view(np.uint8).data).hexdigest()


def _inner_pipelines(step: Step) -> Iterator[Step]:
    """The pipelines around a step, without the outermost."""
    pipeline = step.parent
    while pipeline is not None and pipeline.parent is not None:
        yield pipeline
        pipeline = pipeline.parent


def _steps_before(step: Step) -> Iterator[Step]:
    """The steps that are listed before a step, in all pipelines around it."""
    while step.parent is not None:
        pipeline = cast("Pipeline", step.parent)
        for name in itertools.takewhile(step.name.__ne__, pipeline.step_defs):
            yield pipeline.step(name)
        step = pipeline
