"""A program that reads and calibrates what `mission_library` wrote, and writes files for it.

    python all_series.py DIRECTORY...

It prints, as JSON, what is found in each directory. It is run with a `rad` that has all series.
"""

import json
import sys
from pathlib import Path

import numpy as np

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.pipeline import ExposurePipeline


def validated(directory):
    """The tags of all files there, which obey their schemas."""
    tags = []
    for path in sorted(directory.rglob("*.asdf")):
        with datamodels.open(path) as model:
            model.validate()
            tags.append(model.tag.rpartition("/")[2])
    return tags


def rewritten(directory):
    """Everything once more, as this package writes it."""
    out = directory / "rewritten"
    out.mkdir()
    for path in sorted(directory.rglob("*.asdf")):
        with datamodels.open(path) as model:
            model.save(out / path.name)


def made_up(directory):
    """The new files of this package."""
    classes = datamodels.DataModel.__subclasses__() + datamodels.ReferenceModel.__subclasses__()
    for name in ("wfi_science_raw", "ramp", "wfi_image", "mask", "dark", "flat", "photom"):
        node = getattr(testing, f"create_{name}")()
        model = next(m for m in classes if m.new_tag() == node._tree.tag)
        model(node).save(directory / f"new_{name}.asdf")


def calibrated(directory, name, **parameters):
    """The Level 2 product, and, step by step, all that can be saved on the way."""
    out = directory / name
    out.mkdir()
    return ExposurePipeline.call(
        str(directory / "x_uncal.asdf"),
        references=str(directory / "references"),
        recipe="2022",  # of which its references are
        output_dir=str(out),
        save_results=True,
        **parameters,
    )


def with_second_flags(directory):
    """Second flags of a MASK, with the border, and of a FLAT, without it."""
    mask = datamodels.open(directory / "references" / "mask.asdf")
    mask["dq2"] = np.zeros((24, 24), np.uint32)
    mask["dq2"][4, 4], mask["dq2"][6, 5], mask["dq2"][0, 0] = 1, 2, 128
    flat = datamodels.open(directory / "references" / "flat.asdf")
    flat["dq2"] = np.zeros((24, 24), np.uint32)
    flat["dq2"][6, 5] = 4
    return {"override_mask": mask, "override_flat": flat}


def second_flags(image):
    """Row, column and value of all that are set."""
    array = image.get("dq2")
    if array is None:
        return None
    assert array.dtype == np.uint32
    assert array.shape == image.shape
    return [[int(y), int(x), int(array[y, x])] for y, x in zip(*np.nonzero(array), strict=True)]


def main(directory):
    tags = validated(directory)
    rewritten(directory)
    image = calibrated(directory, "one_pass")
    whole = {"save_calibrated_ramp": True, "steps": {"rampfit": {"save_opt": True}}}
    by_step = calibrated(directory, "by_step", **whole)
    flagged = with_second_flags(directory)
    flags = [
        second_flags(calibrated(directory, name, fused=fused, **flagged))
        for name, fused in (("flags", True), ("flags_by_step", False))
    ]
    made_up(directory)
    return {
        "tags": tags,
        "rates": [[float(m.data.min()), float(m.data.max())] for m in (image, by_step)],
        "second_flags": [second_flags(image), second_flags(by_step)],
        "with_flags": flags,
        "ref_file": sorted(image.meta.ref_file),
        "visit": sorted(image.meta.visit),
    }


if __name__ == "__main__":
    print(json.dumps({name: main(Path(name)) for name in sys.argv[1:]}))
