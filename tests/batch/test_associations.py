"""Associations, as romancal 1.1.0 writes and reads them."""

from __future__ import annotations

import json

import pytest

from romancal_rs.batch.associations import Member, read_association, write_associations
from romancal_rs.errors import InputError

VISIT = "r0034001001001001001"

#: What romancal's asn_from_list 1.1.0 wrote of two files.
THEIRS = """{
    "asn_type": "None", "asn_rule": "DMS_ELPP_Base", "code_version": "1.1.0",
    "degraded_status": "No known degraded exposures in association.",
    "program": "noprogram", "data_release_id": "p", "version_id": null, "target": "None",
    "constraints": "No constraints", "asn_id": "a3001", "asn_pool": "none",
    "skycell_wcs_info": "none",
    "products": [{"name": "test", "members": [
        {"expname": "r0034001001001001001_0001_wfi01_f062_cal.asdf", "exptype": "science"},
        {"expname": "r0034001001001001001_0001_wfi02_f062_cal.asdf", "exptype": "science"}]}]
}"""
#: The types that romancal's schema asks for, asn_schema_jw_level3.json.
TYPES = {
    **dict.fromkeys(("asn_type", "asn_rule", "asn_id", "program", "asn_pool"), (str,)),
    **dict.fromkeys(("target", "version_id"), (str, type(None))),
}


def of(exposure: int, detector: int, element: str = "f062") -> str:
    return f"{VISIT}_{exposure:04d}_wfi{detector:02d}_{element}_cal.asdf"


def test_what_romancal_writes_is_read(tmp_path):
    path = tmp_path / "x_asn.json"
    path.write_text(THEIRS)
    members = read_association(path).members
    assert members == (Member(of(1, 1), "science"), Member(of(1, 2), "science"))


def test_what_is_written_has_the_keys_of_romancal_in_their_order(tmp_path):
    (path,) = write_associations([tmp_path / of(1, 1)], tmp_path)
    ours, theirs = json.loads(path.read_text()), json.loads(THEIRS)
    assert list(ours) == list(theirs)
    own = ("code_version", "program", "products")
    assert {k: v for k, v in ours.items() if k not in own} == {
        k: v for k, v in theirs.items() if k not in own
    }
    assert all(isinstance(ours[key], types) for key, types in TYPES.items())
    assert ours["program"] == "00340"


def test_each_exposure_and_element_has_its_own_with_the_detectors_in_order(tmp_path):
    products = [
        *(tmp_path / "l2" / of(1, detector) for detector in range(18, 0, -1)),
        *(tmp_path / "l2" / of(2, detector) for detector in (3, 1)),
        tmp_path / "l2" / of(2, 1, "f106"),
        tmp_path / "l2" / of(1, 7),  # for the second time
    ]
    paths = write_associations(products, tmp_path / "asn")
    assert [path.name for path in paths] == [
        f"{VISIT}_0001_f062_asn.json",
        f"{VISIT}_0002_f062_asn.json",
        f"{VISIT}_0002_f106_asn.json",
    ]
    first, second, _ = (read_association(path).members for path in paths)
    assert [m.name for m in first] == [f"../l2/{of(1, detector)}" for detector in range(1, 19)]
    assert [m.name for m in second] == [f"../l2/{of(2, 1)}", f"../l2/{of(2, 3)}"]


def test_members_of_other_hosts_keep_their_urls(tmp_path):
    url = f"s3://bucket/l2/{of(1, 1)}"
    (path,) = write_associations([url], tmp_path)
    assert [member.name for member in read_association(path).members] == [url]


def test_a_name_that_does_not_tell_the_exposure_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"my_cal\.asdf: its name does not tell which exposure"):
        write_associations([tmp_path / "my_cal.asdf"], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1", "not JSON"),
        ("[]", r"its content is \[\], not an object"),
        ("{}", "it has no products"),
        ('{"products": {"a": 1}}', r'products is \{"a": 1\}, not a list'),
        ('{"products": [{}]}', r"it has no products\[0\].members"),
        (
            '{"products": [{"members": [{"expname": "x"}]}]}',
            r"it has no products\[0\].members\[0\].exptype",
        ),
        (
            '{"products": [{"members": [{"expname": 3, "exptype": "science"}]}]}',
            r"products\[0\].members\[0\].expname is 3, not a name",
        ),
    ],
)
def test_what_is_no_association_is_told_with_file_and_key(tmp_path, text, told):
    path = tmp_path / "x_asn.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"x_asn.json: .*{told}|x_asn.json: {told}"):
        read_association(path)


def test_a_member_of_several_products_is_there_once(tmp_path):
    member = {"expname": "x", "exptype": "science"}
    path = tmp_path / "x_asn.json"
    path.write_text(json.dumps({"products": [{"members": [member]}, {"members": [member]}]}))
    assert read_association(path).members == (Member("x", "science"),)
