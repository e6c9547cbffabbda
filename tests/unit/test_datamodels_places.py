"""What is looked up once about the places of a tree is what the schemas say."""

import pytest

from romancal_rs.datamodels import _schema
from romancal_rs.datamodels._places import Place, root
from romancal_rs.datamodels._tree import Tree

#: Of each kind the oldest and the newest there is, with what refers to other files in its own way.
TAGS = ("wfi_image-1.0.0", "wfi_image-2.1.0", "wfi_science_raw-1.6.0", "reference_files/dark-1.2.0")


def walk(schema, path=(), depth=5):
    """All places below a schema, found from the files anew."""
    yield path, schema
    if depth:
        for name in _schema.properties(schema):
            here = (*path, name)
            yield from walk(_schema.child(schema, name, here), here, depth - 1)
        if items := _schema.child(schema, 0, (*path, 0)):
            yield from walk(items, (*path, 0), depth - 1)


@pytest.mark.parametrize("tag", TAGS)
def test_a_place_is_what_the_files_say(tag):
    tree = Tree({}, _schema.TAGS + tag)
    seen = 0
    for path, schema in walk(_schema.load(tree.schema_uri)):
        place = tree.place(*path)
        assert place.schema == schema
        assert place.path == path
        assert place.names == _schema.properties(schema)
        assert place.required == _schema.required(schema)
        assert place.tag == _schema.mission_tag(schema)
        assert place.is_half == (_schema.keyword(schema, "datatype") == "float16")
        seen += 1
    assert seen > 20


def test_items_of_a_list_share_their_place():
    logs = root(_schema.SCHEMAS + "wfi_image-2.1.0").child("meta").child("cal_logs")
    assert logs.child(7) is logs.child(0)
    assert logs.child(0).schema


def test_names_without_schema_take_no_memory():
    place = Place({"properties": {"known": {"type": "string"}}}, ())
    for number in range(1000):
        assert not place.child(f"mine{number}").schema
    assert place.child("known") is place.child("known")
    assert list(place._children) == ["known"]


def test_rules_of_the_manual_hold_where_no_file_has_any():
    meta = Place({}, ("meta",))
    assert meta.child("cal_step").child("jump").keyword("enum")
    assert not meta.child("cal_step").child("jump").child("deeper").schema
    assert not meta.child("cal_step").child("other").schema
