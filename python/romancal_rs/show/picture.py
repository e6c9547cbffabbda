"""Pictures of exposures and reference files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import datamodels
from .._files import replacing
from .._plotting import require_matplotlib
from ..datamodels import (
    DataModel,
    ImageModel,
    RampFitOutputModel,
    RampModel,
    ReferenceModel,
    ScienceRawModel,
    WfiWcsModel,
    check_arrays,
)
from ..errors import ArgumentError, InputError, nearest
from .draw import Slot, draw
from .exposures import flags_of_ramp, image_panels, ramp_panels, signal
from .flags import flag_values
from .heading import heading, name_of, wrapped
from .panels import Layer, Panel, SkyGrid
from .reference_files import planes, reference_panels
from .sky import shape_of, sky_of
from .theme import THEMES, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["FORMATS", "format_of", "panels_of", "picture", "representative", "save"]

#: What a picture may be written as, by the end of its name.
FORMATS = ("png", "pdf", "svg", "jpg")

DPI = 150

# Inches: the side of a panel, and what is written around it.
_SIDE = 4.6
_LEFT, _RIGHT, _BELOW, _ABOVE = 0.95, 1.6, 1.45, 0.75
_TITLE_SIZE, _LINE_SIZE = 13, 9
_LINE_HEIGHT = 1.5  # of the size of its letters
_ABOVE_NOTES, _NOTE_HEIGHT = 0.92, 0.175
_MOST_ALONE = 12  # planes of an array that was asked for
_POINTS = 72  # an inch


def picture(
    source: DataModel | str | os.PathLike[str],
    *,
    arrays: Sequence[str] = (),
    flags: Sequence[str] = (),
    theme: str = "light",
    figure: Figure | None = None,
) -> Figure:
    """Draw an exposure or a reference file.

    Parameters
    ----------
    source : DataModel or path
        A raw exposure, a ramp, a rate image, a WCS product, an optional product of the fit or a
        reference file.
    arrays : sequence of str, optional
        Names of the arrays to draw, instead of what fits the kind of file. ``coeffs.2`` is a plane.
    flags : sequence of str, optional
        Names of flags of pixels, as `romancal_rs.dqflags.pixel` has them: a map for each of them,
        instead of all else.
    theme : str, optional
        ``light`` or ``dark``.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw into, such as one of pyplot; its size is changed. A new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        It holds nothing of the file, which may be closed. `save` writes it.

    Raises
    ------
    PlotExtraError
        If matplotlib is not installed.
    InputError
        If there is nothing to draw, or no array or flag of a name; the message tells what there is.
    ArgumentError
        If a flag or the theme is none.
    ValidationError
        If arrays of an exposure do not fit each other.

    Examples
    --------
    >>> from romancal_rs import show
    >>> figure = show.picture("exposure_cal.asdf")
    >>> show.save(figure, "rate.png").name
    'rate.png'
    """
    require_matplotlib("romancal_rs.show")
    if theme not in THEMES:
        raise ArgumentError(f"theme: expected light or dark, got {theme!r}")
    if isinstance(source, DataModel):
        return _picture(source, arrays, flags, THEMES[theme], figure)
    with datamodels.open(source) as model:
        return _picture(model, arrays, flags, THEMES[theme], figure)


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a picture, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The picture.
    path : path
        Ends in one of `FORMATS`, which says what is written.

    Returns
    -------
    path
        Where it was written.

    Raises
    ------
    InputError
        If the format is another.
    """
    target, format_ = Path(path), format_of(path)
    with replacing(target) as file:
        # Pictures with noise hardly become smaller for the time that more would take.
        options: dict[str, Any] = {"pil_kwargs": {"compress_level": 3}} if format_ == "png" else {}
        figure.savefig(file, format=format_, dpi=DPI, **options)
    return target


def format_of(path: str | os.PathLike[str]) -> str:
    """The picture format that a file name asks for by its ending.

    Parameters
    ----------
    path : str or path
        The file name.

    Returns
    -------
    str
        One of `FORMATS`.

    Raises
    ------
    InputError
        If it is none of them.

    Examples
    --------
    >>> from romancal_rs import show
    >>> show.format_of("rate.png")
    'png'
    """
    ending = Path(path).suffix.lower().lstrip(".")
    if ending not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        hint = nearest(ending, FORMATS) if ending else ""
        raise InputError(f"{os.fspath(path)}: expected a picture, which ends in {known}{hint}")
    return ending


def panels_of(
    model: DataModel, arrays: Sequence[str] = (), flags: Sequence[str] = ()
) -> list[Panel]:
    """What a picture of a model shows; parameters and errors as of `picture`."""
    if not arrays:
        _check(model)
    if flags:
        dq = _flags_of(model)
        return [Layer.of(name, dq, bit) for name, bit in flag_values(list(flags)).items()]
    if arrays:
        return [panel for name in arrays for panel in _alone(model, name)]
    if isinstance(model, ImageModel):
        return image_panels(model)
    if isinstance(model, (ScienceRawModel, RampModel)):
        return ramp_panels(model)
    if isinstance(model, ReferenceModel):
        return reference_panels(model)
    if isinstance(model, RampFitOutputModel):
        names = ("slope", "sigslope", "var_poisson", "var_rnoise", "pedestal", "crmag")
        return [panel for name in names if name in model for panel in planes(model, name, most=1)]
    if isinstance(model, WfiWcsModel):
        sky = sky_of(model)
        return [] if sky is None else [SkyGrid("The detector on the sky", shape_of(sky), sky)]
    return [panel for name, _ in model.arrays() for panel in planes(model, name)]


def representative(model: DataModel) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The image that stands for a model, as in a thumbnail, and the flags of its pixels.

    Returns
    -------
    ndarray, (n_rows, n_cols)
        The rate; of a ramp the last minus the first resultant; of a reference file its first image,
        of coefficients the linear terms, of a mask its flags.
    ndarray, (n_rows, n_cols), or None
        The same object where the image is one of flags.

    Raises
    ------
    InputError
        If it has none.
    """
    _check(model)
    if isinstance(model, ImageModel):
        return model.stored("data"), model.stored("dq") if "dq" in model else None
    if isinstance(model, (ScienceRawModel, RampModel)):
        return signal(model)[1], None
    shapes = {name: array.shape for name, array in model.arrays() if array.dtype.kind in "iuf"}
    for name, shape in shapes.items():
        if len(shape) >= 2 and name not in ("dq", "dq2"):
            values = model.stored(name)
            cube = values.reshape(-1, *shape[-2:])
            return cube[1 if name == "coeffs" and len(cube) > 1 else 0], None
    if "dq" in shapes:
        return model.stored("dq"), model.stored("dq")
    raise InputError(_nothing_in(model, "no image"))


def _check(model: DataModel) -> None:
    """Checks that the arrays of an exposure fit each other; of an image the data have to be there.

    Other software may leave out what its readers can do without.
    """
    if isinstance(model, ImageModel):
        check_arrays(model, optional=("dq", "err"))
    elif isinstance(model, (RampModel, ScienceRawModel)):
        check_arrays(model)


def _picture(
    model: DataModel,
    arrays: Sequence[str],
    flags: Sequence[str],
    theme: Theme,
    figure: Figure | None,
) -> Figure:
    from .notebook import Picture

    panels = panels_of(model, arrays, flags)
    if not panels:
        raise InputError(_nothing_in(model, "nothing that can be drawn"))
    with theme.applied():
        if figure is None:
            figure = Picture()
        figure.set_facecolor(theme.background)
        _lay_out(figure, panels, heading(model), theme)
    return figure


def _lay_out(figure: Figure, panels: list[Panel], lines: list[list[str]], theme: Theme) -> None:
    """Puts panels side by side, under as many lines as the heading needs."""
    n_cols = _columns(len(panels))
    n_rows = -(-len(panels) // n_cols)
    width = n_cols * (_LEFT + _SIDE + _RIGHT)
    words = [
        (text, size, weight)
        for items, size, weight in zip(
            lines,
            [_TITLE_SIZE, *[_LINE_SIZE] * len(lines)],
            ["bold", *["normal"] * len(lines)],
            strict=False,
        )
        for text in wrapped(items, width - 2 * _MARGIN, _measure(size, weight))
    ]
    top = _MARGIN + sum(size * _LINE_HEIGHT / _POINTS for _, size, _ in words)
    # Two more may tell how to read a map of flags.
    most_notes = max(len(panel.notes) for panel in panels) + 2
    space_below = max(_BELOW, _ABOVE_NOTES + most_notes * _NOTE_HEIGHT)
    height = top + n_rows * (_ABOVE + _SIDE + space_below)
    figure.set_dpi(DPI)
    figure.set_size_inches(width, height)
    below = height - _MARGIN
    for text, size, weight in words:
        figure.text(_MARGIN / width, below / height, text, size=size, weight=weight, va="top")
        below -= size * _LINE_HEIGHT / _POINTS
    for index, panel in enumerate(panels):
        row, column = divmod(index, n_cols)
        slot = Slot(
            _LEFT + column * (_LEFT + _SIDE + _RIGHT),
            height - top - (row + 1) * (_ABOVE + _SIDE) - row * space_below,
            _SIDE,
            (width, height),
        )
        draw(figure, slot, panel, theme)


_MARGIN = 0.25


def _columns(n_panels: int) -> int:
    for most, columns in ((1, 1), (4, 2), (9, 3)):
        if n_panels <= most:
            return columns
    return 4


def _measure(size: float, weight: str) -> Any:
    """A function that gives the width of a text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(size=size, weight=weight)
    to_path = TextToPath()

    def measure(text: str) -> float:
        width, _, _ = to_path.get_text_width_height_descent(text, font, ismath=False)
        return float(width) / _POINTS

    return measure


def _flags_of(model: DataModel) -> NDArray[Any]:
    """The flags of the pixels of a model."""
    if isinstance(model, (ScienceRawModel, RampModel)):
        flags = flags_of_ramp(model)
    else:
        flags = model.stored("dq") if "dq" in model else None
    if flags is None:
        raise InputError(_nothing_in(model, "no flags"))
    return flags


def _alone(model: DataModel, name: str) -> list[Panel]:
    """The panels of one array, or of one plane of it."""
    names = [known for known, _ in model.arrays()]
    if name in names:
        found = list(planes(model, name, most=_MOST_ALONE))
    else:
        array, _, plane = name.rpartition(".")
        if array not in names or not plane.isdigit():
            listed = ", ".join(names) or "none"
            raise InputError(
                f"{name_of(model)}: no array {name!r}{nearest(name, names)} (arrays are {listed})"
            )
        found = list(planes(model, array, only=int(plane)))
    if not found:
        shape = next((held.shape for known, held in model.arrays() if name.startswith(known)), ())
        raise InputError(f"{name_of(model)}: {name}: nothing to draw in an array of shape {shape}")
    return found


def _nothing_in(model: DataModel, what: str) -> str:
    holds = ", ".join(key for key in model if key != "meta") or "only metadata"
    return f"{model.source or name_of(model)}: {what} in a {type(model).__name__}; it holds {holds}"
