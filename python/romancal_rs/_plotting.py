"""matplotlib, which comes with the extra ``plot``: pictures are for whoever asks for them."""

from __future__ import annotations

from .errors import RomancalError

__all__ = ["PlotExtraError", "require_matplotlib"]


class PlotExtraError(RomancalError, ImportError):
    """matplotlib is not installed."""


def require_matplotlib(what: str) -> None:
    """Checks that matplotlib is there, before anything else is done.

    Parameters
    ----------
    what : str
        What needs it, as the user calls it, such as ``romancal-rs show``.

    Raises
    ------
    PlotExtraError
        If it is not installed: tells how it comes.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise PlotExtraError(
            f'{what} needs matplotlib, which is not installed: pip install "romancal-rs[plot]"'
        ) from error
