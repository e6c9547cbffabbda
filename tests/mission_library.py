"""A program that uses the mission's own library, whichever version is first on the path.

    python mission_library.py write DIRECTORY
    python mission_library.py read FILE...

`write` makes a Level 1 exposure of known rate, a ramp, an image and the reference files that the
exposure needs, all of the newest series that the library knows. `read` opens and validates files
and prints, as JSON, the class, the tag and the arrays of each.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")  # what importing other packages warns of

from roman_datamodels import datamodels as rdm  # noqa: E402

DETECTOR, ELEMENT = "WFI07", "F158"
FRAME_TIME = 2.0  # s
STEP = 40  # DN per read
N_RESULTANTS, SIZE = 6, 24
IMAGE, RAMP = (SIZE, SIZE), (N_RESULTANTS, SIZE, SIZE)


def exposure(model_class, shape, name):
    from astropy.time import Time

    model = model_class.create_fake_data(shape=shape)
    meta = model.meta
    meta.filename = name
    meta.instrument.detector, meta.instrument.optical_element = DETECTOR, ELEMENT
    meta.exposure.type = "WFI_IMAGE"
    meta.exposure.start_time = Time("2027-01-01")
    meta.exposure.read_pattern = [[read] for read in range(1, N_RESULTANTS + 1)]
    meta.exposure.nresultants = N_RESULTANTS
    meta.exposure.frame_time = FRAME_TIME
    pointing = {"v2_ref": 100.0, "v3_ref": 200.0, "ra_ref": 10.0, "dec_ref": 20.0}
    for key, value in {**pointing, "roll_ref": 30.0}.items():
        meta.wcsinfo[key] = value
    return model


def references():
    from astropy.modeling.models import Scale, Shift

    scale = Shift(-8.0) & Shift(-8.0) | Scale(0.1) & Scale(0.1)
    coeffs = np.zeros((2, *IMAGE), np.float32)
    coeffs[1] = 1
    row = {"photmjsr": 0.5, "uncertainty": 0.01, "pixelareasr": 2.8e-13, "collecting_area": 1.0}
    curve = np.ones(2, np.float32)
    table = {ELEMENT: {**row, "wavelength": curve, "effective_area": curve}}

    def plane(value):
        return np.full(IMAGE, value, np.float32)

    contents = {
        "Dark": {"dark_slope": plane(0), "dark_slope_error": plane(0)},
        "Distortion": {"coordinate_distortion_transform": scale},
        "Flat": {"data": plane(0.5), "err": plane(0)},
        "Gain": {"data": plane(1.5)},
        "Linearity": {"coeffs": coeffs},
        "Mask": {},
        "Readnoise": {"data": plane(5)},
        "Saturation": {"data": plane(60000)},
        "WfiImgPhotom": {"phot_table": table},
    }
    if hasattr(rdm, "BamRefModel"):
        contents["Bam"] = {"bam_quaternion": [0.0, 0.0, 0.0, 1.0]}
    for name, content in contents.items():
        model = getattr(rdm, f"{name}RefModel").create_fake_data(shape=IMAGE)
        model.meta.instrument.detector = DETECTOR
        if "optical_element" in model.meta.instrument:
            model.meta.instrument.optical_element = ELEMENT
        if "exposure" in model.meta:
            model.meta.exposure.type = "WFI_IMAGE"
            model.meta.exposure.p_exptype = "WFI_IMAGE|"
        for key, value in content.items():
            model[key] = value
        if "dq" in model:
            model.dq = np.zeros(IMAGE, np.uint32)
        yield name.lower(), model


def write(directory):
    raw = exposure(rdm.ScienceRawModel, RAMP, "x_uncal.asdf")
    raw.data = np.broadcast_to(
        (1000 + STEP * np.arange(N_RESULTANTS, dtype=np.uint16))[:, None, None], RAMP
    ).copy()
    ramp = exposure(rdm.RampModel, RAMP, "x_ramp.asdf")
    image = exposure(rdm.ImageModel, IMAGE, "x_cal.asdf")
    for model in (raw, ramp, image):
        model.to_asdf(directory / model.meta.filename)
    (directory / "references").mkdir()
    for name, model in references():
        model.to_asdf(directory / "references" / f"{name}.asdf")


def read(paths):
    found = {}
    for path in paths:
        with rdm.open(path) as model:
            model.validate()
            arrays = {
                name: [str(item.dtype), int(np.count_nonzero(item))]
                for name, item in model.items()
                if hasattr(item, "dtype") and name.startswith("roman.") is False
            }
            tag = getattr(model, "tag", None) or model._instance.tag
            found[path] = {"class": type(model).__name__, "tag": tag, "arrays": arrays}
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        read(sys.argv[2:])
