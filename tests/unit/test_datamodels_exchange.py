"""What the mission's library tells of a model, told by ours in the same words."""

import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels.testing import create_wfi_image, create_wfi_science_raw

NEW = {
    datamodels.ScienceRawModel: create_wfi_science_raw((3, 16, 16)),
    datamodels.ImageModel: create_wfi_image((8, 8)),
}


def told(info):
    """The mission library's answer as plain dicts and texts."""
    if isinstance(info, dict):
        return {name: told(value) for name, value in info.items()}
    return getattr(info, "info", info)


@pytest.fixture(scope="module", params=NEW)
def both(request, tmp_path_factory):
    """One file, opened by the mission's library and by ours."""
    theirs = pytest.importorskip("roman_datamodels.datamodels")
    path = tmp_path_factory.mktemp("both") / "model.asdf"
    request.param(NEW[request.param]).save(path)
    with theirs.open(path) as their, datamodels.open(path) as our:
        yield their, our


def test_what_crds_chooses_by_is_what_the_mission_library_says(both):
    their, our = both
    found = our.get_crds_parameters()
    assert found == their.get_crds_parameters()
    assert found["roman.meta.instrument.name"] == "WFI"
    assert found["roman.meta.exposure.start_time"].startswith("20")


@pytest.mark.parametrize("key", ["description", "title"])
@pytest.mark.parametrize(
    "path", ["roman.meta.wcsinfo.ra_ref", "roman.meta.wcsinfo", "roman.meta.exposure"]
)
def test_what_the_schema_says_is_what_the_mission_library_says(both, key, path):
    their, our = both
    assert our.schema_info(key, path) == told(their.schema_info(key, path))


def test_without_a_path_it_is_of_the_whole_model(both):
    _, our = both
    found = our.schema_info()
    assert list(found) == ["roman"]
    assert found["roman"]["meta"]["wcsinfo"] == our.schema_info(path="meta.wcsinfo")
    assert "DN" in found["roman"]["data"]["description"]


def test_a_place_that_is_not_there_is_named(both):
    _, our = both
    with pytest.raises(KeyError, match=r"roman\.meta\.wcsinfo has no 'ra_reff'"):
        our.schema_info(path="roman.meta.wcsinfo.ra_reff")
    with pytest.raises(KeyError, match=r"roman\.meta\.wcsinfo\.ra_ref has no 'x'"):
        our.schema_info(path="meta.wcsinfo.ra_ref.x")
