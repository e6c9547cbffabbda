"""What the models of exposures share: checks of arrays, the border, second flags, other content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..border import BORDER
from . import _checks, _schema
from ._encoding import ENCODING_ARRAYS
from ._errors import ModelError, ValidationError
from ._tree import Tree, deep_copy

if TYPE_CHECKING:
    from collections.abc import Collection

    from ._base import DataModel
    from ._exposures import ImageModel, RampModel, ScienceRawModel


def check_arrays(
    exposure: ScienceRawModel | RampModel | ImageModel, *, optional: Collection[str] = ()
) -> None:
    """Check the arrays that steps use: that they are there, of their types, and fit each other.

    Parameters
    ----------
    exposure : ScienceRawModel, RampModel or ImageModel
        The exposure; its arrays are not read.
    optional : collection of str, optional
        Arrays that need not be there.

    Raises
    ------
    ValidationError
        Naming the file that the exposure came from, and the array.
    """
    tree = exposure._tree
    needed = tree.place().required
    for name in exposure._for_steps:
        if name not in tree.data:
            if name in needed and name not in optional:
                raise ValidationError(name, None, "required but missing", tree.source)
            continue
        array = tree.data[name]
        try:
            _checks.validate(array, tree.schema((name,)), (name,))
        except ValidationError as error:
            raise ValidationError(name, array, error.rule, tree.source) from None
        if problem := shape_problem(exposure, name):
            raise ValidationError(name, array, problem, tree.source)


def shape_problem(exposure: DataModel, name: str) -> str | None:
    """How the shape of an array does not fit that of `data`; None if it does, or need not.

    Flags, and planes of an image, are of the same samples, or of the same pixels.
    """
    shape = exposure._tree.data[name].shape
    expected = exposure.shape[-len(shape) :]
    if name == "amp33" or shape == expected:
        return None
    return f"expected shape {expected}, as data has it, got {shape}"


def border_shapes(n_rows: int, n_cols: int) -> dict[str, tuple[int, int]]:
    """Shapes of the border reference pixels of a detector with that many rows and columns."""
    upright = (n_rows, min(BORDER, n_cols))
    flat = (min(BORDER, n_rows), n_cols)
    return {"left": upright, "right": upright, "top": flat, "bottom": flat}


def steps_to_do(tree: Tree) -> dict[str, str]:
    """`meta.cal_step` before the first step: the schema's steps and the jump step."""
    return dict.fromkeys([*tree.place("meta", "cal_step").names, "jump"], "INCOMPLETE")


def add_second_flags(exposure: RampModel | ImageModel, reference: DataModel) -> None:
    """Add the `dq2` of a reference to the second flags of an exposure, which get a new array.

    Nothing happens where the reference has none, or the exposure's series (before 2.2.0) has no
    place for them.

    Parameters
    ----------
    exposure : RampModel or ImageModel
        Its `pixeldq2` or `dq2`, (n_rows, n_cols), uint32.
    reference : DataModel
        Its `dq2` is of the same pixels, or also of the border around them.

    Raises
    ------
    ModelError
        If the reference's `dq2` is of another type or shape.
    """
    name = exposure._second_flags
    if "dq2" not in reference or name not in exposure:
        return
    where = f"{reference.source}: " if reference.source else ""
    flags = exposure[name]
    exposure[name] = flags | inside_border(reference.stored("dq2"), flags.shape, f"{where}dq2")


def inside_border(
    flags: np.ndarray[Any, Any], shape: tuple[int, ...], name: str
) -> np.ndarray[Any, Any]:
    """Flags of the pixels of an exposure, without the border if that has none."""
    inside = flags if flags.shape == shape else flags[BORDER:-BORDER, BORDER:-BORDER]
    if inside.shape != shape or flags.dtype != np.uint32:
        raise ModelError(
            f"{name}: {flags.dtype} of shape {flags.shape}; expected uint32 of shape {shape}, "
            f"with or without a border of {BORDER} pixels"
        )
    return inside


def carry_over(old: Tree, new: Tree, share_file: bool) -> None:
    """What one exposure holds beside `meta` that the schemas of neither know goes on in another."""
    known = {*old.place().names, *new.place().names}
    for name, value in old.data.items():
        if name in known or name in ENCODING_ARRAYS or name in new.data:
            continue
        if hasattr(value, "dtype"):
            new.share(name, old, share_file)
        else:
            new.data[name] = deep_copy(value)


def sibling(tag: str, cls: type[DataModel]) -> str:
    """The tag of another exposure model in the same series.

    Level 1, ramp and Level 2 have the same version in every manifest of the mission.
    """
    return f"{_schema.TAGS}{cls._kind}-{tag.rpartition('-')[2]}"
