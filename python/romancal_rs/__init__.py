"""The Roman Space Telescope's exposure pipeline: kernels in Rust, orchestration in Python.

Everything is imported when it is first used, so that the command line's help comes at once:
``import romancal_rs`` is enough for all that `dir` lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _lazy

if TYPE_CHECKING:
    from . import (
        assign_wcs,
        batch,
        compare,
        dark_current,
        dark_decay,
        datamodels,
        dq_init,
        dqflags,
        errors,
        exposure,
        fits,
        flatfield,
        inspection,
        jump,
        kernels,
        linearity,
        photom,
        pipeline,
        ramp_fitting,
        references,
        refpix,
        report,
        saturation,
        show,
        simulate,
        stpipe,
        wfi18_transient,
    )
    from ._version import __version__
    from .batch import calibrate_all
    from .kernels import ReadPattern

__all__ = [
    "ReadPattern",
    "__version__",
    "assign_wcs",
    "batch",
    "calibrate_all",
    "compare",
    "dark_current",
    "dark_decay",
    "datamodels",
    "dq_init",
    "dqflags",
    "errors",
    "exposure",
    "fits",
    "flatfield",
    "inspection",
    "jump",
    "kernels",
    "linearity",
    "photom",
    "pipeline",
    "ramp_fitting",
    "references",
    "refpix",
    "report",
    "saturation",
    "show",
    "simulate",
    "stpipe",
    "wfi18_transient",
]

_PLACES = {"ReadPattern": "kernels", "__version__": "_version", "calibrate_all": "batch"}

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.public(
        __name__, __all__, modules={*__all__} - _PLACES.keys(), places=_PLACES
    )
