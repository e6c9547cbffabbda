"""Pages to look at in a browser: of an exposure, and of a batch.

>>> from romancal_rs import report
>>> path = report.write("exposure_cal.asdf", "page.html")

A page is one file. It needs no network, no script and no other file, and is as good in the dark.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _lazy
from .._files import existing_or_local, replacing
from .._plotting import require_matplotlib
from ..errors import InputError, RomancalError

if TYPE_CHECKING:
    from ..batch import Batch
    from ..batch.state import RunDirectory
    from ..datamodels import DataModel

__all__ = ["THUMBNAILS", "Report", "write", "write_batch"]

__dir__ = _lazy.listing(__all__)

#: How many pictures the page of a batch has at most, if nothing else is asked for.
THUMBNAILS = 90
#: Pages that are written at once, each in a process that takes half a gigabyte for a full frame.
_PAGES_AT_ONCE = 4


class Report:
    """The page of an exposure.

    In a notebook it is shown when it is the last line of a cell.

    Parameters
    ----------
    exposure : path, ImageModel, RampModel or ScienceRawModel
        What it is of. A model is not changed.
    raw : path, optional
        The raw exposure that it was made of, or the directory that holds that. Left out, it is
        where the product says, or lies beside the product; else the page does without.

    Raises
    ------
    PlotExtraError
        If matplotlib is not installed.
    OSError
        If the file cannot be read.
    InputError
        If it is of another kind.

    Examples
    --------
    >>> from romancal_rs.report import Report
    >>> Report("exposure_cal.asdf").write("report.html").name
    'report.html'
    """

    def __init__(
        self,
        exposure: str | os.PathLike[str] | DataModel,
        *,
        raw: str | os.PathLike[str] | None = None,
    ) -> None:
        require_matplotlib("a report")
        self._exposure = exposure
        self._raw = None if raw is None else existing_or_local(raw)

    def __repr__(self) -> str:
        exposure = self._exposure
        what = os.fspath(exposure) if isinstance(exposure, str | os.PathLike) else repr(exposure)
        return f"<Report of {what}>"

    def html(self) -> str:
        """The whole page as HTML.

        Returns
        -------
        str
        """
        from .exposure import page

        return self._of_model(page)

    def _repr_html_(self) -> str:
        from .exposure import fragment

        return self._of_model(fragment)

    def write(self, output: str | os.PathLike[str]) -> Path:
        """Write the page; an existing file is replaced when the page is complete.

        Parameters
        ----------
        output : str or path
            Name of the file.

        Returns
        -------
        Path
            Where it is.
        """
        path = Path(existing_or_local(output, to_write=True))
        _write(path, self.html())
        return path

    def _of_model(self, make: Callable[..., str]) -> str:
        from .. import datamodels

        if not isinstance(self._exposure, str | os.PathLike):
            check_kind(self._exposure)
            return make(self._exposure, self._raw)
        with datamodels.open(self._exposure) as model:
            check_kind(model)
            return make(model, self._raw)


def check_kind(model: Any) -> None:
    """Raises an InputError for what is not an exposure."""
    from ..datamodels import ImageModel, RampModel, ScienceRawModel

    if not isinstance(model, ImageModel | RampModel | ScienceRawModel):
        source = getattr(model, "source", "")
        raise InputError(
            f"{f'{source}: ' if source else ''}{type(model).__name__}: a report is of an exposure: "
            "a raw one, a ramp or a rate image"
        )


def write(
    exposure: str | os.PathLike[str] | DataModel,
    output: str | os.PathLike[str],
    *,
    raw: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the page of an exposure.

    Parameters
    ----------
    exposure : path, ImageModel, RampModel or ScienceRawModel
        What it is of. A model is not changed.
    output : path
        The file to write, such as ``page.html``, in a directory that exists. A file of that name is
        replaced when the page is complete.
    raw : path, optional
        The raw exposure, see `Report`.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    PlotExtraError
        If matplotlib is not installed.
    OSError
        If a file cannot be read or written.
    InputError
        If the file, or the model, is of another kind.

    Examples
    --------
    >>> from romancal_rs import report
    >>> path = report.write("exposure_cal.asdf", "report.html")
    """
    return Report(exposure, raw=raw).write(output)


def write_batch(
    run: str | os.PathLike[str] | Batch | RunDirectory,
    output: str | os.PathLike[str],
    *,
    thumbnails: int = THUMBNAILS,
    pages: bool = False,
    now: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write the page of a batch, and those of its products on request.

    Parameters
    ----------
    run : path, Batch or romancal_rs.batch.state.RunDirectory
        The directory of the products, for the run that was asked for last; what `calibrate_all`
        gave; or one of ``romancal_rs.batch.state.run_directories(state)``.
    output : path
        The file to write. Links in it are relative, so that it may move with the products.
    thumbnails : int, optional
        How many pictures it has at most; of other products it has the names.
    pages : bool, optional
        Whether each product gets a separate page beside it, ``<product>.html``. The page of the
        batch has links to those that are there.
    now : float, optional
        Seconds since 1970; the clock's by default.
    progress : callable, optional
        Called with what is done, how many times it was, and how many times it will be.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    PlotExtraError
        If matplotlib is not installed.
    OSError
        If a page cannot be written.
    InputError
        If the plan cannot be read, or the directory has none.
    """
    require_matplotlib("a report")
    from .batch import BatchPage, products_of

    run = _run_directory(run)

    def told(what: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(what, done, total) if progress else None

    path = Path(existing_or_local(output, to_write=True))
    if pages:
        _write_pages(products_of(run), told("pages"))
    page = BatchPage(run, path.parent, thumbnails=thumbnails, now=now, progress=told("pictures"))
    _write(path, page.write())
    return path


def _run_directory(run: str | os.PathLike[str] | Batch | RunDirectory) -> RunDirectory:
    from ..batch import Batch
    from ..batch.state import run_directories, state_of

    if isinstance(run, Batch):
        return run.directory
    if not isinstance(run, str | os.PathLike):
        return run
    directories = run_directories(state_of(existing_or_local(run)))
    if not directories:
        raise InputError(f"{os.fspath(run)}: no batch has its products here; name their directory")
    return directories[-1]


def _write_pages(products: list[Path], told: Callable[[int, int], None]) -> None:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    there = [product for product in products if product.is_file()]
    n_at_once = min(_PAGES_AT_ONCE, os.cpu_count() or 1, len(there))
    if not there:
        return
    spawn = multiprocessing.get_context("spawn")  # threads of ours do not survive a fork
    with ProcessPoolExecutor(n_at_once, mp_context=spawn) as processes:
        for done, _ in enumerate(processes.map(_write_beside, there), 1):
            told(done, len(there))


def _write_beside(product: Path) -> None:
    """Writes the page of a product beside it; one that cannot be read has none."""
    from .batch import page_beside

    try:
        page = Report(product).html()
    except (RomancalError, OSError):
        return
    _write(page_beside(product), page)


def _write(path: Path, page: str) -> None:
    # Text in a file may hold halves of surrogate pairs, which are no characters.
    with replacing(path) as file:
        file.write(page.encode("utf-8", "replace"))
