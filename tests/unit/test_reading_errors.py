"""That a file cannot be read has many reasons: "damaged" is said of damaged files only."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import asdf
import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs._asdf_damage import damage
from romancal_rs.datamodels import testing
from romancal_rs.datamodels._blame import unreadable


@pytest.fixture
def mask(tmp_path) -> Path:
    """A file with one compressed array."""
    model = datamodels.MaskRefModel(testing.create_mask((64, 64)))
    return model.save(tmp_path / "mask.asdf", compression="lz4")


@pytest.fixture
def distortion(tmp_path) -> Path:
    model = datamodels.DistortionRefModel(testing.create_distortion())
    return model.save(tmp_path / "distortion.asdf")


def renamed(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def test_too_few_file_descriptors_are_no_damage(mask):
    resource = pytest.importorskip("resource")
    code = (
        "import resource, sys\n"
        "from romancal_rs import datamodels\n"
        "datamodels.open(sys.argv[1]).close()\n"  # has all imported
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (3, {resource.RLIM_INFINITY}))\n"
        "try:\n    datamodels.open(sys.argv[1])\n"
        "except OSError as error:\n    print(error.errno, error.filename)\n"
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = code.replace(str(resource.RLIM_INFINITY), str(hard))
    run = subprocess.run([sys.executable, "-c", code, mask], capture_output=True, text=True)
    assert run.stdout.split() == [str(errno.EMFILE), str(mask)], run.stderr


def test_an_error_of_the_system_keeps_its_number_and_gets_the_files_name():
    error = unreadable("x.asdf", OSError(errno.EIO, os.strerror(errno.EIO)))
    assert type(error) is OSError
    assert (error.errno, error.filename) == (errno.EIO, "x.asdf")


def test_a_missing_package_is_no_damage(mask, monkeypatch):
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    with (
        datamodels.open(mask) as model,
        pytest.raises(datamodels.ModelError, match=r"mask\.asdf: needs the package lz4: pip insta"),
    ):
        _ = model.dq
    assert [text for text in damage(mask) if "damaged" in text] == []


def test_a_compression_that_is_not_known_is_no_damage(mask):
    renamed(mask, b"lz4\0", b"lz4f")
    with (
        datamodels.open(mask) as model,
        pytest.raises(datamodels.ModelError, match=r"compressed by lz4f, which this package does"),
    ):
        _ = model.dq
    assert [text for text in damage(mask) if "damaged" in text] == []


def test_too_little_memory_is_no_damage():
    assert "damaged" not in str(unreadable("x.asdf", MemoryError()))
    assert "not enough memory" in str(unreadable("x.asdf", MemoryError()))


def test_an_error_that_is_neither_the_files_nor_the_systems_is_told_as_it_is():
    error = unreadable("x.asdf", NotImplementedError("not yet"))
    assert str(error) == "x.asdf: could not be read: NotImplementedError: not yet"


@pytest.mark.parametrize("known_writer", [True, False])
def test_a_transform_of_a_newer_version_is_named(distortion, known_writer):
    with asdf.open(distortion) as file:
        software = [extension["software"] for extension in file["history"]["extensions"]]
    known = next(entry["version"] for entry in software if entry["name"] == "asdf-astropy")
    used = re.search(rb"!transform/([a-z_]+)-([0-9.]+)", distortion.read_bytes())
    name = used[1].decode()
    renamed(distortion, used[0], f"!transform/{name}-9.9.9".encode())
    writer = f" (asdf-astropy {known})"
    if not known_writer:
        renamed(distortion, b"name: asdf-astropy", b"name: something-els")
        writer = ""
    with datamodels.open(distortion) as model, pytest.raises(datamodels.ModelError) as caught:
        _ = model.coordinate_distortion_transform
    message = f"written with transform/{name}-9.9.9{writer}, which the installed asdf-astropy "
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{distortion}: ")


def test_a_damaged_file_is_still_called_so(mask):
    content = bytearray(mask.read_bytes())
    start = content.index(b"\xd3BLK") + 54 + 8
    content[start : start + 4] = b"\xff\xff\xff\xff"
    mask.write_bytes(content)
    with (
        datamodels.open(mask) as model,
        pytest.raises(datamodels.FileFormatError, match="damaged ASDF file"),
    ):
        np.asarray(model.dq)
