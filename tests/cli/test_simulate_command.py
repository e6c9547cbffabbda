"""``romancal-rs simulate``: what its options mean together."""

import pytest

from romancal_rs import datamodels
from romancal_rs.cli import main

SMALL = ("--size=16", "--resultants=1", "--reads=2")


@pytest.mark.parametrize(
    ("exposure_type", "element"),
    [("WFI_IM_DARK", "DARK"), ("WFI_SPECTRAL", "GRISM"), ("WFI_FLAT", "F158")],
)
def test_an_exposure_type_brings_an_optical_element(exposure_type, element, tmp_path, capsys):
    assert main(["simulate", str(tmp_path), *SMALL, f"--exposure-type={exposure_type}"]) == 0
    assert "16 x 16 pixels, 1 resultant, WFI01" in capsys.readouterr().out
    with datamodels.open(next(tmp_path.glob("*_uncal.asdf"))) as raw:
        assert raw.meta.exposure.type == exposure_type
        assert raw.meta.instrument.optical_element == element


def test_an_amplitude_that_an_ideal_read_out_has_not_is_refused(tmp_path, capsys):
    arguments = ["simulate", str(tmp_path), *SMALL, "--readout=ideal"]
    assert main([*arguments, "--dark-decay=50"]) != 0
    assert "--dark-decay: an ideal read-out has none" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main([*arguments, "--dark-decay=0"]) == 0
