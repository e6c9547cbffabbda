"""The words of a picture, and where they stand in it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import pytest


@dataclass(frozen=True)
class Words:
    """A line of text as it was drawn, in pixels from the upper left corner of the picture."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Words) -> bool:
        """Whether the lines cover each other by more than a pixel."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 1 and down > 1


def words_of(figure) -> list[Words]:
    """All lines of text that are drawn, upright or turned by 90 degrees, as the renderer has them.

    Those with an outline, which are drawn as paths, are not among them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

    found = []
    draw = RendererAgg.draw_text

    def record(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)
        up, down = height - descent, descent
        if angle == 90:
            box = x - up, y - width, x + down, y
        else:
            assert angle == 0, s
            box = x, y - up, x + width, y + down
        if s.strip():
            found.append(Words(s, *map(float, box)))
        draw(self, gc, x, y, s, prop, angle, ismath, mtext)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RendererAgg, "draw_text", record)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return found


def texts_of(figure) -> list[str]:
    """The words themselves."""
    return [words.text for words in words_of(figure)]


def assert_legible(figure) -> None:
    """All words are inside the picture, none is over another, and every axis has numbers."""
    words = words_of(figure)
    width, height = figure.bbox.width, figure.bbox.height
    cut = [w for w in words if w.left < 0 or w.top < 0 or w.right > width or w.bottom > height]
    assert not cut
    pairs = [(a.text, b.text) for a, b in combinations(words, 2) if a.overlaps(b)]
    assert not pairs
    for axes in figure.axes:
        for axis, label in zip(_axes_of(axes), labels_of(axes), strict=True):
            low, high = sorted(axis.get_view_interval())
            shown = [tick for tick in axis.get_ticklocs() if low <= tick <= high]
            if label:  # a colour bar has but one axis with a name and numbers
                assert shown, (axes.get_title(), label)


def _axes_of(axes):
    return () if hasattr(axes, "coords") else (axes.xaxis, axes.yaxis)


def labels_of(axes) -> tuple[str, ...]:
    """The names of the axes; those on the sky are among the words."""
    return tuple(axis.get_label_text() for axis in _axes_of(axes))
