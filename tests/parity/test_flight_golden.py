"""The steps against functions of today's system, romancal 1.1, by file (``tests/data/flight``).

Where that is wrong is said in ``docs/explanation/deviations.md``, and left out here.
"""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import testing
from romancal_rs.dq_init import DQInitStep

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("dq_init_*.npz")), ids=lambda path: path.stem)
def test_dq_init(path):
    with np.load(path) as archive:
        file = {key: archive[key] for key in archive.files}
    raw = datamodels.ScienceRawModel(
        testing.create_wfi_science_raw(data=file["in_data"], amp33=file["in_amp33"])
    )
    for name in ("reference_read", "reference_amp33", "resultantdq"):
        if f"in_{name}" in file:
            raw[name] = file[f"in_{name}"]
    if file["in_has_offset"]:
        raw.meta.instrument["data_encoding_offset"] = int(file["in_offset"])
    limits = map(int, file["in_gw_xstart_xstop_ystart_ystop"])
    for name, limit in zip(("xstart", "xstop", "ystart", "ystop"), limits, strict=True):
        raw.meta.guide_star[f"window_{name}"] = limit
    mask = file.get("in_mask_dq")
    if mask is None or mask.shape != raw.shape[1:]:  # of another shape: deviation 11
        override = "N/A"
    else:
        override = datamodels.MaskRefModel(testing.create_mask(mask.shape, dq=mask))
    ramp = DQInitStep.call(
        raw, override_mask=override, expand_gw_flagging=int(file["in_expand_gw_flagging"])
    )
    assert ramp.meta.cal_step.dq_init == file["out_cal_step_dq_init"]
    for side in ("left", "right", "top", "bottom"):
        name = f"border_ref_pix_{side}"
        np.testing.assert_array_equal(ramp[name], file[f"out_{name}"], err_msg=name)
    np.testing.assert_array_equal(ramp.data, file["out_data"])
    # Where the window reaches beyond as many columns as there are rows: deviation 25.
    n_rows, n_cols = raw.shape[1:]
    reach = file["in_gw_xstart_xstop_ystart_ystop"][1] + file["in_expand_gw_flagging"]
    judged = np.s_[:, : n_cols if reach <= n_rows else n_rows]
    np.testing.assert_array_equal(ramp.pixeldq[judged], file["out_pixeldq"][judged])
    # Counts of 0 under a reference read are flagged here (deviation 26).
    hidden = (file["in_data"] == 0) & ("in_reference_read" in file)
    np.testing.assert_array_equal(ramp.groupdq[~hidden], file["out_groupdq"][~hidden])
    # What runs over 16 bits there is cut here (deviation 24).
    whole = file["in_amp33"].astype(int) + file.get("in_reference_amp33", 0) - file["in_offset"]
    np.testing.assert_array_equal(ramp.amp33, whole.clip(0, 65535))
    np.testing.assert_array_equal(whole % 65536, file["out_amp33"])
