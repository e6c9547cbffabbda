"""Answers for `estimators.Peer`, with the Python of an environment that has romancal 1.1.0.

For each line of its input, ``fit`` or ``saturation``, it reads ``question.npz`` in the directory
that it was started with and writes ``answer.npz``. The functions of stcal 1.20.0 are called as
the steps of romancal 1.1.0 call them. Nothing of this package is imported.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

COLUMNS = 4096  # its fit goes row by row


def resultants(question: Any) -> list[list[int]]:
    ends = np.cumsum(question["lengths"])[:-1]
    return [reads.tolist() for reads in np.split(question["reads"], ends)]


def cube(array: np.ndarray) -> np.ndarray:
    """(resultants, pixels) as (1, resultants, rows, columns)."""
    return array.reshape(1, len(array), -1, COLUMNS).copy()


def fit(question: Any) -> dict[str, np.ndarray]:
    from roman_datamodels.dqflags import group, pixel
    from stcal.ramp_fitting.likely_fit import likely_ramp_fit

    data, groupdq = cube(question["data"]), cube(question["groupdq"])
    shape = data.shape[2:]
    frame_time = float(question["frame_time"])
    ramp = SimpleNamespace(
        data=data,
        groupdq=groupdq,
        pixeldq=np.zeros(shape, np.uint32),
        read_pattern=[[frame_time * read for read in reads] for reads in resultants(question)],
        zeroframe=None,
        average_dark_current=np.zeros(shape),
        rejection_threshold=4.5,
        flags_do_not_use=pixel.DO_NOT_USE,
        flags_saturated=pixel.SATURATED,
        flags_jump_det=pixel.JUMP_DET,
    )
    # It expects the noise of a difference of two reads.
    noise = np.full(shape, question["read_noise"] * np.sqrt(2), np.float32)
    info, _, _ = likely_ramp_fit(ramp, noise, np.full(shape, question["gain"], np.float32))
    unusable = (groupdq[0] & (group.SATURATED | group.DO_NOT_USE)) != 0
    alone = (~unusable).sum(axis=0) <= 1
    return {
        "slope": info["slope"].ravel(),
        "err": info["err"].ravel(),
        "dq": (info["dq"] | pixel.DO_NOT_USE * alone).ravel(),
        "groupdq": ramp.groupdq.reshape(len(question["data"]), -1),
    }


def saturation(question: Any) -> dict[str, np.ndarray]:
    from roman_datamodels.dqflags import pixel
    from stcal.saturation.saturation import flag_saturated_pixels

    data = cube(question["data"])
    shape = data.shape[2:]
    flags, _, _ = flag_saturated_pixels(
        data,
        np.zeros(data.shape, np.uint8),
        np.zeros((1, *shape), np.uint32),
        np.full(shape, question["threshold"], np.float32),
        np.zeros(shape, np.uint32),
        65535.0,
        pixel,
        n_pix_grow_sat=0,
        read_pattern=resultants(question),
    )
    return {"groupdq": flags.reshape(len(question["data"]), -1)}


def main() -> None:
    logging.disable(logging.WARNING)
    directory = Path(sys.argv[1])
    for line in sys.stdin:
        with np.load(directory / "question.npz") as question:
            answer = {"fit": fit, "saturation": saturation}[line.strip()](question)
        np.savez(directory / "answer.npz", **answer)
        print("done", flush=True)


if __name__ == "__main__":
    main()
