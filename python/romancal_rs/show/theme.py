"""Colours of pictures, on white and on dark ground."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["DARK", "LIGHT", "THEMES", "Theme"]


@dataclass(frozen=True)
class Theme:
    """What a picture is drawn with.

    Attributes
    ----------
    background, text, faint : str
        Of the ground, of words and axes, and of what should stand back.
    unusable : str
        Of pixels that are not to be used, in images and in maps of flags.
    categories : tuple of str
        Of `romancal_rs.show.flags.CATEGORIES`. Readers who do not see red or green apart tell them
        by their lightness.
    curves : tuple of str
        Of lines, in their order.
    sky, map : str
        Names of colour maps: of what looks like the sky, and of any other image.
    """

    background: str
    text: str
    faint: str
    unusable: str
    categories: tuple[str, ...]
    curves: tuple[str, ...]
    sky: str = "gray"
    map: str = "viridis"

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """In the block, what matplotlib makes has these colours, and the sizes of a picture."""
        import matplotlib

        with matplotlib.rc_context(
            {
                "figure.facecolor": self.background,
                "savefig.facecolor": self.background,
                "axes.facecolor": self.background,
                "axes.edgecolor": self.text,
                "axes.labelcolor": self.text,
                "axes.titlecolor": self.text,
                "text.color": self.text,
                "xtick.color": self.text,
                "ytick.color": self.text,
                "grid.color": self.faint,
                "legend.frameon": False,
                "font.family": "sans-serif",
                "font.size": 9,
                "axes.titlesize": 11,
                "axes.labelsize": 9,
                "legend.fontsize": 9,
                "axes.formatter.useoffset": False,
                "axes.unicode_minus": True,
                "svg.fonttype": "none",
            }
        ):
            yield


LIGHT = Theme(
    background="#ffffff",
    text="#1a1d21",
    faint="#c9ced6",
    unusable="#c0272d",
    categories=("#8fa0b3", "#0072b2", "#e69f00", "#c0272d"),
    curves=("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#555b66"),
)

DARK = Theme(
    background="#15181d",
    text="#e6e9ee",
    faint="#454c57",
    unusable="#f0525f",
    categories=("#a3b0c2", "#56b4e9", "#f0b429", "#f0525f"),
    curves=("#56b4e9", "#ff8c42", "#2ec4a0", "#d98fd0", "#e0c060", "#9aa5b4"),
)

#: By their names.
THEMES = {"light": LIGHT, "dark": DARK}
