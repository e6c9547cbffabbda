"""The flux calibration is the optical element's row of the PHOTOM table."""

from __future__ import annotations

import pytest

from romancal_rs.errors import InputError
from romancal_rs.photom import Photometry, photometry_of

TABLE = {
    "F062": {"photmjsr": 0.5, "uncertainty": 0.05, "pixelareasr": 2.8e-13},
    "F158": {"photmjsr": 0.7, "uncertainty": 0.07, "pixelareasr": 2.9e-13},
    "GRISM": {"photmjsr": None, "uncertainty": None, "pixelareasr": 2.7e-13},
}


def test_the_row_of_the_optical_element():
    assert photometry_of(TABLE, "F158") == Photometry(0.7, 0.07, 2.9e-13)
    assert photometry_of(TABLE, "F062") == Photometry(0.5, 0.05, 2.8e-13)


def test_a_row_without_a_conversion():
    assert photometry_of(TABLE, "GRISM") == Photometry(None, None, 2.7e-13)


def test_a_missing_row_is_an_error_that_names_the_file_and_its_rows():
    with pytest.raises(InputError, match=r"phot\.asdf: .* F184; it has F062, F158, GRISM"):
        photometry_of(TABLE, "F184", source="phot.asdf")
