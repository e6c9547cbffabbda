"""Pictures that show themselves in notebooks."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure

__all__ = ["Picture"]


class Picture(Figure):
    """A figure that a notebook shows even where matplotlib was not told to draw into it.

    IPython knows how to show figures from the first one of pyplot, or ``%matplotlib inline``, on.
    """

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        self.savefig(content, format="png", dpi=self.dpi)
        return content.getvalue()
