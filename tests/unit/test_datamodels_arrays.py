"""Arrays of files: how they are read, and in which of the forms that the standard has."""

import io
import json
import subprocess
import sys
import tempfile

import asdf
import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs._asdf_blocks import NO_CHECKSUM, Block
from romancal_rs.datamodels import FileFormatError, _arrays, _asdf, testing

CUBE = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)


@pytest.fixture(params=[None, "lz4"])
def raw_file(request, tmp_path):
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(data=CUBE))
    return raw.save(tmp_path / "r1_uncal.asdf", compression=request.param)


def plain_file(tmp_path):
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(data=CUBE))
    return raw.save(tmp_path / "r1_uncal.asdf", compression=None)


def test_a_buffer_over_another_kind_of_raw_file_is_read_by_its_content(tmp_path):
    class Shifted(io.FileIO):
        """A raw file that begins 100 bytes into the file of its number."""

        def seek(self, offset, whence=0):
            return super().seek(offset + (100 if whence == 0 else 0), whence) - 100

        def tell(self):
            return super().tell() - 100

    path = plain_file(tmp_path)
    shifted = tmp_path / "shifted.bin"
    shifted.write_bytes(bytes(100) + path.read_bytes())
    raw = Shifted(shifted)
    raw.seek(0)
    with io.BufferedReader(raw) as file, datamodels.open(file) as model:
        np.testing.assert_array_equal(model.data, CUBE)


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_plain_file_is_mapped(tmp_path, buffering):
    path = plain_file(tmp_path)
    with path.open("rb", buffering=buffering) as file:
        assert _arrays.is_plain(file)
        with datamodels.open(file) as model:
            np.testing.assert_array_equal(model.data, CUBE)
    with tempfile.SpooledTemporaryFile() as file:
        assert not _arrays.is_plain(file)


def test_a_tag_of_others_is_no_obstacle(tmp_path):
    path = plain_file(tmp_path)
    content = path.read_bytes()
    content = content[: content.rindex(b"#ASDF BLOCK INDEX")]
    remark = b"meta:\n    remark: !<tag:example.org/thing-1.0.0> {a: 1}\n"
    path.write_bytes(content.replace(b"meta:\n", remark, 1))
    with datamodels.open(path) as model:
        assert model["meta.remark"] == {"a": 1}


# ---- arrays of other forms, as the library writes them -------------------------------------

VALUES = {
    "bool": np.array([[True, False], [False, True]]),
    "complex": np.array([1 + 2j, -0.5j]),
    "big-endian": np.arange(6, dtype=">i4").reshape(2, 3),
    "text": np.array(["ab", "c"]),
    "bytes": np.array([b"ab", b"c"]),
    "record": np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "<i2"), ("b", ">f8")]),
    "strided": np.arange(20.0).reshape(4, 5)[::2, ::-1],
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "empty": np.zeros((0, 3)),
    "number": np.array(5),
}


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("name", VALUES)
def test_an_array_is_what_asdf_wrote(tmp_path, name, inline):
    if inline and name in ("record", "bytes", "empty", "number"):
        pytest.skip("asdf does not write it in the head")
    path = plain_file(tmp_path)
    with asdf.open(path, ignore_unrecognized_tag=True, ignore_missing_extensions=True) as file:
        tree = {"roman": file.tree["roman"]}
        tree["roman"]["more"] = VALUES[name]
        out = asdf.AsdfFile(tree)
        if inline:
            out.set_array_storage(VALUES[name], "inline")
        out.write_to(tmp_path / "more.asdf")
    with datamodels.open(tmp_path / "more.asdf") as model:
        np.testing.assert_array_equal(model["more"], VALUES[name])
        assert model["more"].dtype == VALUES[name].dtype.newbyteorder("=")


def test_a_streamed_array_reaches_to_the_end_of_the_file(tmp_path):
    path = plain_file(tmp_path)
    with asdf.open(path, ignore_unrecognized_tag=True, ignore_missing_extensions=True) as file:
        head = file.tree["roman"]
        head["more"] = np.arange(6.0)
        out = asdf.AsdfFile({"roman": head})
        out.set_array_storage(head["more"], "streamed")
        out.write_to(tmp_path / "more.asdf")
    content = (tmp_path / "more.asdf").read_bytes()
    n_blocks = content.count(b"\xd3BLK")
    content = content.replace(b"source: -1", b"source: %d" % (n_blocks - 1))
    (tmp_path / "more.asdf").write_bytes(content + np.float64(6).tobytes())
    with datamodels.open(tmp_path / "more.asdf") as model:
        np.testing.assert_array_equal(model["more"], np.arange(7.0))


def test_a_masked_array_is_refused(tmp_path):
    path = plain_file(tmp_path)
    content = path.read_bytes()
    content = content[: content.rindex(b"#ASDF BLOCK INDEX")]
    path.write_bytes(content.replace(b"    source: 0\n", b"    source: 0\n    mask: 5\n", 1))
    with datamodels.open(path) as model, pytest.raises(FileFormatError, match="with a mask"):
        _ = model.data


def test_manifests_in_brief_name_the_same_tags():
    import yaml

    resources = asdf.get_config().resource_manager
    brief = _asdf._BriefManifests(resources)
    assert sum(map(len, brief.values())) < 0.5 * sum(len(resources[uri]) for uri in brief)
    assert len(brief) == len(list(brief)) > 0
    for uri in brief:
        whole = yaml.load(resources[uri], Loader=yaml.CSafeLoader)
        for key in {"title", "description"} & set(whole):
            del whole[key]
        whole["tags"] = [tag["tag_uri"] for tag in whole["tags"]]
        assert yaml.load(brief[uri], Loader=yaml.CSafeLoader) == whole, uri


def test_opening_a_file_and_reading_its_arrays_does_without_asdf(tmp_path):
    path = plain_file(tmp_path)
    code = (
        "import sys\nfrom romancal_rs import datamodels\n"
        "with datamodels.open(sys.argv[1]) as model:\n"
        "    print(model.data.sum(), 'asdf' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert run.stdout.split() == [str(sum(range(CUBE.size))), "False"], run.stderr


# ---- what no array can be ------------------------------------------------------------------

TWO_TO_40 = 1 << 40


def file_with(says, streamed=False):
    """A MASK whose only block holds four numbers, and what its head says of them."""
    head = (
        "#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n---\n"
        "!core/asdf-1.1.0\nroman: !<asdf://stsci.edu/datamodels/roman/tags/reference_files/"
        "mask-2.0.0>\n  meta: {}\n  dq: !core/ndarray-1.1.0 "
    )
    says = {"source": 0, "datatype": "uint32", "byteorder": "little", "shape": [4], **says}
    data = np.arange(4, dtype="<u4").tobytes()
    block = Block(0, streamed, b"", 16, 16, 16, NO_CHECKSUM)
    return io.BytesIO(f"{head}{json.dumps(says)}\n...\n".encode() + block.header() + data)


@pytest.mark.parametrize(
    ("says", "streamed"),
    [
        ({"datatype": ["ucs4", 99_999_999_999]}, False),
        ({"datatype": ["ascii", 10**30]}, False),
        ({"datatype": ["ucs4", 2**29]}, False),
        ({"datatype": ["ucs4", 0]}, False),
        ({"shape": ["*", 2], "offset": "abc"}, True),
        ({"shape": ["*", 2], "offset": 100}, True),
        ({"shape": [0, TWO_TO_40, TWO_TO_40]}, False),
        ({"shape": [1] * 70}, False),
        ({"shape": [1] * 70, "strides": [4] * 70}, False),
        ({"shape": [2, 2], "strides": [10**30, 4]}, False),
    ],
)
def test_an_array_that_cannot_be_is_damage(says, streamed):
    with pytest.raises(FileFormatError, match="damaged ASDF file: an array") as caught:
        datamodels.open(file_with(says, streamed))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({"shape": [0, 5], "offset": 1_000_000}, np.zeros((0, 5))),
        ({"shape": [0, 5], "strides": [10**30, -4]}, np.zeros((0, 5))),
        ({"shape": [1, 4], "strides": [10**30, 4]}, [[0, 1, 2, 3]]),
    ],
)
def test_what_is_said_of_no_element_does_not_matter(says, expected):
    with datamodels.open(file_with(says)) as model:
        np.testing.assert_array_equal(model.stored("dq"), expected)
        np.testing.assert_array_equal(model.dq, expected)
