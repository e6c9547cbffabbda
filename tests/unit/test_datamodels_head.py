"""What a saved model says in its head, by `asdf` as an independent writer and reader."""

import datetime
from collections import OrderedDict

import asdf
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import ICRS, SkyCoord
from astropy.modeling import models
from astropy.table import QTable, Table
from astropy.time import Time

from romancal_rs import _yaml_head, datamodels
from romancal_rs.datamodels import ImageModel, ModelError, testing

RECORDS = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "<i2"), ("b", ">f8")])
ONE_SHIFT = models.Shift(1.0)


def rotation_with_inverse():
    model = models.Shift(2.0) | models.Polynomial1D(2, c0=0.1, c1=1e-7, c2=-3.0)
    model.inverse = ONE_SHIFT | models.Scale(0.5)
    return model


VALUES = {
    "numbers": [1, -(2**63) + 2, 2**63 - 1, 0.1, 1e300, 1e-7, float("inf"), 1 + 2j],
    "numbers of NumPy": [np.int16(4), np.float32(0.1), np.complex64(1j)],
    "flags and nothing": [True, False, None],
    "text": ["", "yes", "12", "~", "a: b", "2027-03-01", "a\n b\n\nc ", "\x01\x85\u2028", "é漢😀"],
    "long text": "word " * 500,
    "bytes": b"abc\xff",
    "dates": [datetime.date(2027, 3, 1), datetime.datetime(2027, 3, 1, 3, 4, 5, 600)],
    "names": {1: 2, "a": {True: 1}, "k" * 2000: 3},
    "nested": {"b": [{"c": [1, [2]]}, [], {}], "a": (1, (2, 3))},
    "set": {1, 2},
    "array": np.arange(6.0).reshape(2, 3),
    "strided array": np.arange(20.0).reshape(4, 5)[::2, ::-1],
    "broadcast array": np.broadcast_to(1.0, (3, 4)),
    "big-endian array": np.arange(3, dtype=">f4"),
    "array of flags": np.array([True, False]),
    "array of text": np.array(["ab", "c"]),
    "array of bytes": np.array([b"ab"]),
    "empty array": np.zeros((0, 3)),
    "array of no axis": np.array(3.0),
    "records": RECORDS,
    "aligned records": np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "records with arrays": np.ones(2, dtype=[("a", "f4", (2,))]),
    "masked array": np.ma.array([1.0, 2.0], mask=[False, True]),
    "quantities": [3 * u.km, np.arange(3) * u.mV, u.m],
    "times": [
        Time("2027-03-01"),
        Time("2027-03-01T00:00:00.5", format="isot"),
        Time("2027-03-01", scale="tai"),
        Time(["2027-03-01", "2027-03-02"]),
        Time(55555.5, format="mjd"),
    ],
    "tables": [
        Table({"a": [1, 2], "b": ["x", "y"]}, meta=OrderedDict(z=1, a=[2])),
        QTable({"a": [1, 2] * u.m}),
        Table({"a": np.ma.array([1, 2], mask=[0, 1])}),
    ],
    "coordinates": [SkyCoord(1 * u.deg, 2 * u.deg), ICRS()],
    "transforms": [
        models.Shift(1.0 * u.deg),
        models.Polynomial2D(2, c0_0=1, c1_1=1e-7),
        models.Tabular1D(points=np.arange(3.0), lookup_table=np.arange(3.0), bounds_error=False),
        models.Mapping((0, 1, 0)) | models.Identity(3),
        rotation_with_inverse(),
    ],
    "large number": asdf.IntegerType(2**70),
}

#: What a head says of an array that depends on where it is.
PLACES = ("source", "offset", "strides", "data")


def plain(value):
    """A value of a tree that `asdf` read, tags and arrays and all, as what can be compared."""
    if isinstance(value, asdf.tagged.Tagged):
        return value._tag, plain(value.data)
    if isinstance(value, dict):
        return {(type(key), key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ma.MaskedArray):
        return plain(value.filled(0)), plain(np.ma.getmaskarray(value))
    if isinstance(value, np.ndarray) and not isinstance(value, u.Quantity):
        fields = value.dtype.descr if value.dtype.names else value.dtype.newbyteorder("=")
        return str(fields), value.shape, repr(value.tolist())
    return type(value), repr(value)


def descriptions(value):
    """The tree below a value as it stands in a head, but where arrays lie, and in which order."""
    tag = getattr(value, "_tag", "")
    data = getattr(value, "data", value)
    if isinstance(data, dict):
        layout = {"byteorder", *(PLACES if "core/ndarray" in tag else ())}
        return tag, {name: descriptions(data[name]) for name in data.keys() - layout}
    if isinstance(data, list):
        return tag, [descriptions(item) for item in data]
    return tag, repr(data)


@pytest.fixture
def image():
    return ImageModel(testing.create_wfi_image(shape=(4, 4)))


@pytest.mark.parametrize("name", VALUES)
def test_it_is_what_asdf_writes(image, tmp_path, name):
    path = tmp_path / "asdf.asdf"
    asdf.AsdfFile({"x": VALUES[name]}, version="1.6.0").write_to(path)
    image.meta["mine"] = {"x": VALUES[name]}
    saved = image.save(tmp_path / "ours.asdf")
    options = {"lazy_load": False, "memmap": False, "ignore_unrecognized_tag": True}
    with asdf.open(path, **options) as expected, asdf.open(saved, **options) as found:
        assert plain(found["roman"]["meta"]["mine"]["x"]) == plain(expected["x"])
    head, of_asdf = (asdf.util.load_yaml(file, tagged=True) for file in (saved, path))
    assert descriptions(head["roman"]["meta"]["mine"]["x"]) == descriptions(of_asdf["x"])


def test_the_file_names_the_library_and_the_extensions_as_asdf_does(image, tmp_path):
    objects = [Time("2027-03-01"), u.m, rotation_with_inverse(), ICRS()]
    image.meta["mine"] = {"objects": objects}
    asdf.AsdfFile({"objects": objects}, version="1.6.0").write_to(tmp_path / "asdf.asdf")
    records = []
    for path in (tmp_path / "asdf.asdf", image.save(tmp_path / "ours.asdf")):
        with asdf.open(path, ignore_unrecognized_tag=True) as file:
            extensions = file["history"]["extensions"]
            by_uri = sorted(extensions, key=lambda entry: entry["extension_uri"])
            records.append((file["asdf_library"], by_uri))
    assert records[0] == records[1]
    assert len(records[0][1]) >= 4


def test_the_schema_orders_the_first_names_and_the_alphabet_all_others(image, tmp_path):
    image["zebra"] = 1
    image["alpha"] = {"z": 1, "a": 2}
    with datamodels.open(image.save(tmp_path / "x.asdf")) as again:
        names = list(again)
        assert names[:3] == ["meta", "data", "dq"]
        assert names[-2:] == ["alpha", "zebra"]
        assert list(again.alpha) == ["a", "z"]
        assert list(again.meta) == sorted(again.meta)


def test_arrays_of_objects_come_after_those_of_the_model(image, tmp_path):
    """The first block of a file is its first image, also where an object stands before that."""
    image.meta["mine"] = {"voltages": np.arange(3) * u.mV}
    head = _yaml_head.read_tree(image.save(tmp_path / "x.asdf"))["roman"]
    own = [int(array["source"]) for array in head.values() if "source" in array]
    assert own == list(range(len(own)))
    assert int(head["meta"]["mine"]["voltages"]["value"]["source"]) == len(own)


def test_a_part_of_two_objects_is_there_once(image, tmp_path):
    image.meta["mine"] = {"first": ONE_SHIFT | models.Scale(2.0), "second": [ONE_SHIFT, ONE_SHIFT]}
    path = image.save(tmp_path / "x.asdf")
    assert path.read_bytes().count(b"!transform/shift-") == 1
    with asdf.open(path, ignore_unrecognized_tag=True) as file:
        mine = file["roman"]["meta"]["mine"]
        assert mine["second"][0] is mine["second"][1]
        assert mine["first"](1.0) == 4.0


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (2**70, r"mine\.x\.0 cannot be written: 1180591620717411303424 is a whole number of more"),
        ({1.5: 2}, r"mine\.x\.0 cannot be written: the name 1\.5 is neither text nor"),
        (np.zeros(2, np.longdouble), r"mine\.x\.0 cannot be written: an array of float128"),
        (np.array([None]), r"mine\.x\.0 cannot be written: an array of object"),
        (object(), r"mine\.x\.0 cannot be written: a builtins\.object"),
        ("a\ud800b", r"half a character cannot be written: .*a\\ud800b"),
    ],
)
def test_what_cannot_be_written_is_named_and_no_file_is_made(image, tmp_path, value, problem):
    image.meta["mine"] = {"x": [value]}
    with pytest.raises(ModelError, match=problem):
        image.save(tmp_path / "x.asdf")
    assert list(tmp_path.iterdir()) == []
