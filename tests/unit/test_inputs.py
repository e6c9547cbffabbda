"""What can be given besides a path: open files of any kind, models of the mission's library."""

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.dq_init import DQInitStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig, simulate

ARRAYS = ("data", "dq", "err", "amp33", "border_ref_pix_left")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = SimulationConfig(rows=24, cols=24, n_resultants=4, n_reads=2, seed=3)
    return simulate(config, tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def expected(made):
    return ExposurePipeline.call(made.exposure, references=str(made.references))


class Remote(io.BufferedIOBase):
    """A file of an object store: seekable, without a number."""

    def __init__(self, content: bytes) -> None:
        self._bytes = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._bytes.read(min(size, 1000) if size >= 0 else size)  # never much at a time

    def seek(self, *args: int) -> int:
        return self._bytes.seek(*args)

    def tell(self) -> int:
        return self._bytes.tell()


class Duck:
    """As little of a file as there can be."""

    def __init__(self, content: bytes) -> None:
        file = io.BytesIO(content)
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def compressed(opener, suffix: str, **options):
    def make(path: Path, directory: Path):
        with opener(directory / f"x{suffix}", "wb", **options) as file:
            file.write(path.read_bytes())
        return opener(directory / f"x{suffix}", "rb")

    return make


def zip_member(path: Path, directory: Path):
    with zipfile.ZipFile(directory / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "x_uncal.asdf")
    with zipfile.ZipFile(directory / "x.zip") as archive:
        return archive.open("x_uncal.asdf")  # which keeps the archive's file open


def tar_member(path: Path, directory: Path):
    with tarfile.open(directory / "x.tar", "w") as archive:
        archive.add(path, "x_uncal.asdf")
    archive = tarfile.open(directory / "x.tar")  # noqa: SIM115 (a member cannot be read without it)
    member = archive.extractfile("x_uncal.asdf")
    member.archive = archive
    return member


def spooled(path: Path, directory: Path):
    file = tempfile.SpooledTemporaryFile(max_size=10)  # noqa: SIM115 (the fixture closes it)
    file.write(path.read_bytes())
    file.seek(0)
    return file


KINDS = {
    "BytesIO": lambda path, _: io.BytesIO(path.read_bytes()),
    "open": lambda path, _: path.open("rb"),
    "unbuffered": lambda path, _: path.open("rb", buffering=0),
    "for update": lambda path, _: path.open("r+b"),
    "remote": lambda path, _: Remote(path.read_bytes()),
    "duck": lambda path, _: Duck(path.read_bytes()),
    "gzip": compressed(gzip.open, ".gz"),
    "gzip, stored": compressed(gzip.open, ".0.gz", compresslevel=0),
    "bz2": compressed(bz2.open, ".bz2"),
    "xz": compressed(lzma.open, ".xz"),
    "zip member": zip_member,
    "tar member": tar_member,
    "spooled": spooled,
}


@pytest.fixture(params=KINDS)
def file(request, made, tmp_path):
    file = KINDS[request.param](made.exposure, tmp_path)
    yield file
    for opened in (file, getattr(file, "archive", None)):
        if hasattr(opened, "close"):
            opened.close()


def test_an_open_file_gives_its_content_and_stays_where_it_stood(file, made):
    with datamodels.open(made.exposure) as model:
        data, amp33 = np.array(model.data), np.array(model.amp33)
    for _ in range(2):
        with datamodels.open(file) as model:
            np.testing.assert_array_equal(model.data, data)
            np.testing.assert_array_equal(model.stored("amp33"), amp33)
        assert file.tell() == 0


@pytest.mark.parametrize("fused", [True, False])
def test_the_pipeline_takes_an_open_file(file, made, expected, fused):
    result = ExposurePipeline.call(file, references=str(made.references), fused=fused)
    for name in ARRAYS:
        np.testing.assert_array_equal(result[name], expected[name], err_msg=name)


def test_a_file_is_read_from_where_it_stands(made):
    file = io.BytesIO(b"something else" + made.exposure.read_bytes())
    file.seek(len(b"something else"))
    with datamodels.open(file) as model:
        assert model.shape == (4, 24, 24)


def test_a_single_step_takes_an_open_file(made):
    with made.exposure.open("rb") as file:
        ramp = DQInitStep.call(file, references=str(made.references))
    assert ramp.meta.cal_step.dq_init == "COMPLETE"


@pytest.mark.parametrize("kind", ["open", "BytesIO"])  # without a name: after meta.filename
def test_the_product_of_an_open_file_is_named_after_it(made, tmp_path, kind):
    with KINDS[kind](made.exposure, tmp_path) as file:
        ExposurePipeline.call(
            file, references=str(made.references), save_results=True, output_dir=str(tmp_path)
        )
    names = [made.exposure.name.replace("_uncal", suffix) for suffix in ("_cal", "_wcs")]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize("fused", [True, False])
def test_the_pipeline_takes_a_model_of_the_missions_library(made, expected, fused):
    mission = pytest.importorskip("roman_datamodels.datamodels")
    with mission.open(made.exposure) as model:
        before = np.array(model.data)
        result = ExposurePipeline.call(model, references=str(made.references), fused=fused)
        for name in ARRAYS:
            np.testing.assert_array_equal(result[name], expected[name], err_msg=name)
        np.testing.assert_array_equal(model.data, before)
        assert model.meta.filename == made.exposure.name


def test_arrays_of_a_model_of_the_missions_library_are_shared():
    mission = pytest.importorskip("roman_datamodels.datamodels")
    model = mission.ImageModel.create_fake_data(shape=(16, 16))
    ours = datamodels.open(model)
    assert type(ours) is datamodels.ImageModel
    assert ours.data is model.data
    ours.data[3, 4] = 7
    assert model.data[3, 4] == 7
    with pytest.raises(datamodels.ModelTypeError, match="expected RampModel"):
        datamodels.RampModel(model)


def test_files_that_cannot_be_read_say_what_they_are(made, tmp_path):
    with (
        made.exposure.open(encoding="latin-1") as text,
        pytest.raises(datamodels.ModelTypeError, match=r"opened as text; open it with mode 'rb'"),
    ):
        datamodels.open(text)

    class Pipe(io.RawIOBase):
        def readable(self) -> bool:
            return True

    with pytest.raises(datamodels.ModelTypeError, match=r"a Pipe without random access"):
        datamodels.open(Pipe())
    with pytest.raises(datamodels.ModelTypeError, match=r"got builtins\.int"):
        datamodels.open(3)
