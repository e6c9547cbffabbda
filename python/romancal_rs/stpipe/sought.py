"""By what references are looked for, and what tells one exposure from another in that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..border import BORDER
from ..references import ExposureKeys
from ..references.keys import is_of_processing

if TYPE_CHECKING:
    from ..datamodels import DataModel


class Sought(NamedTuple):
    """By what the references of an exposure are looked for.

    Attributes
    ----------
    keys : ExposureKeys
    frame : tuple of int
        Rows and columns of the exposure, with its border.
    identity : object
        What tells it from other exposures.
    """

    keys: ExposureKeys
    frame: tuple[int, ...]
    identity: Any

    @classmethod
    def of(cls, model: DataModel) -> Sought:
        """Works it out from the metadata of an exposure."""
        keys, frame = ExposureKeys.from_model(model), frame_of(model)
        return cls(keys, frame, (keys.identity, frame))


def frame_of(model: DataModel) -> tuple[int, ...]:
    """Rows and columns of an exposure; of a ramp and the image made of it they are the same."""
    border = 0 if len(model.shape) == 3 else 2 * BORDER  # which an image has lost
    return tuple(length + border for length in model.shape[-2:])


class SoughtSoFar:
    """What was worked out in a run, for whoever asks for an exposure with the same metadata.

    Steps ask some fifty times in a run, of models whose metadata differ only in what steps record.
    """

    def __init__(self) -> None:
        #: With what it was worked out from, by where the content of a model lies. Objects that are
        #: the same are compared at once; a copy of a time is not.
        self._known: dict[int, tuple[Any, Sought]] = {}

    def of(self, model: DataModel) -> Sought:
        """What `Sought.of` gives for an exposure."""
        tree = model._tree
        asked = frame_of(model), _asked_for(tree.data["meta"])
        known = self._known.get(id(tree))
        if known is not None and _is_same(known[0], asked):
            return known[1]
        others = (sought for other, sought in [*self._known.values()] if _is_same(other, asked))
        sought = next(others, None) or Sought.of(model)
        self._known[id(tree)] = _copy(asked), sought
        return sought


def _asked_for(meta: dict[str, Any]) -> dict[str, Any]:
    """The metadata but for what the steps record."""
    return {key: value for key, value in meta.items() if not is_of_processing(f"meta.{key}.")}


def _is_same(known: Any, asked: Any) -> bool:
    try:
        return bool(known == asked)
    except Exception:  # of arrays, and of objects that a file names, which may compare anyhow
        return False


def _copy(value: Any) -> Any:
    """A copy of the containers, so that what they hold can be told from what comes later."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_copy, value))
    return value
