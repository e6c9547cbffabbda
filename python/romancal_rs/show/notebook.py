"""Pictures that show themselves in notebooks."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure

__all__ = ["Picture"]


class Picture(Figure):
    """A figure that a notebook shows even where matplotlib was not told to draw into it.

    IPython itself can show figures only after pyplot has made one, or after ``%matplotlib inline``.
    """

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        self.savefig(content, format="png", dpi=self.dpi)
        return content.getvalue()
