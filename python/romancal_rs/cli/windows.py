"""Windows with pictures, where there is a display."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import InputError
from .signals import end_at_once_from_now_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Of the picture in a window [pixel].
_HEIGHT = 900


def new_window(title: str) -> Figure:
    """An empty figure that `show_windows` will show.

    Raises
    ------
    InputError
        If no window can open here.
    """
    from matplotlib import pyplot

    figure = pyplot.figure(num=title) if _has_display() else None
    if figure is None or figure.canvas.required_interactive_framework is None:
        pyplot.close("all")
        raise InputError(
            "--window: there is no display, or matplotlib has nothing to open windows with "
            "(pip install PyQt6); leave it out to write a PNG"
        )
    return figure


def fit_window(figure: Figure) -> None:
    """Makes a picture as large as it is whole on most screens: a file has finer pixels."""
    figure.set_dpi(min(figure.get_dpi(), _HEIGHT / figure.get_figheight()))
    figure.set_size_inches(figure.get_figwidth(), figure.get_figheight(), forward=True)


def show_windows() -> None:
    """Shows what was drawn, until the user closes it.

    Signals end the process at once from here on: the loop of a toolkit takes no exceptions.
    """
    from matplotlib import pyplot

    end_at_once_from_now_on()
    pyplot.show()


def _has_display() -> bool:
    """Whether windows can open, as far as the environment tells."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
