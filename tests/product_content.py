"""What a product holds, to compare with another one."""

import re

import numpy as np


def content(image) -> dict[str, object]:
    """All that a product holds, without the times of its making."""
    found = {}
    for name, value in image.to_flat_dict().items():
        if re.fullmatch(r"meta\.cal_runs\.\d+\.(date|seconds\..*)", name):
            continue
        if name.startswith("meta.cal_logs."):
            found[name] = re.sub(r"\d+\.\d+ s$", "", value.partition(" :: ")[2])
        elif name == "meta.wcs":
            sky = image.meta.wcs([0.0, 17.5], [3.0, 8.0], with_bounding_box=False)
            found[name] = np.array(sky).tobytes()
        elif hasattr(value, "dtype"):
            found[name] = np.asarray(image[name]).tobytes()
        else:
            found[name] = value
    return found
