"""Files are written whole: every way to write one that fails leaves what was there."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from torture.disturbed import has_nameless_files

from romancal_rs import _files
from romancal_rs._files import copy, local_path, open_regular, replacing, write_text
from romancal_rs.errors import InputError


@pytest.fixture(params=["nameless", "named"])
def way(request, monkeypatch, tmp_path):
    """Files without a name, and what stands in for them where a system has none."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not has_nameless_files(tmp_path):
        pytest.skip("this system has no files without a name")
    return request.param


def names(directory) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_new_file_takes_the_place_of_the_old_at_the_end(way, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert len(names(tmp_path)) == {"nameless": 1, "named": 2}[way]
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_block_that_fails_leaves_the_old_file(way, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write(failure):
        with replacing(path) as file:
            file.write(b"half")
            raise failure

    for failure in (ValueError, KeyboardInterrupt):
        with pytest.raises(failure):
            write(failure)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["fsync", "link", "replace"])
def test_a_call_that_fails_leaves_the_old_file(way, tmp_path, monkeypatch, call):
    if (way, call) == ("named", "link"):
        pytest.skip("files with a name are not linked")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left on device") as caught, replacing(path) as file:
        file.write(b"new")
    monkeypatch.undo()
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_link_that_is_refused_names_the_file(tmp_path, monkeypatch):
    if not has_nameless_files(tmp_path):
        pytest.skip("this system has no files without a name")
    link = os.link
    # What the system says then names both ends of the link.
    monkeypatch.setattr(os, "link", lambda _, *args, **kwargs: link("/proc/self/fd/9999", "x"))
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "a"):
        pass
    assert caught.value.filename == str(tmp_path / "a")


def test_the_file_system_has_no_nameless_files(tmp_path, monkeypatch):
    if not has_nameless_files(tmp_path):
        pytest.skip("this system has no files without a name")
    open_ = os.open

    def refuse(path, flags, *args, **kwargs):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return open_(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with replacing(tmp_path / "a") as file:
        file.write(b"new")
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == ["a"]


def test_a_process_that_is_killed_leaves_nothing(tmp_path):
    if not has_nameless_files(tmp_path):
        pytest.skip("this system has no files without a name")
    program = (
        "import os, pathlib, sys\n"
        "from romancal_rs._files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(bytes(100000)); file.flush(); os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")])
    assert run.returncode == -9
    assert names(tmp_path) == []


def test_two_writers_do_not_mix(way, tmp_path):
    path = tmp_path / "a"
    with replacing(path) as first, replacing(path) as second:
        first.write(b"first")
        second.write(b"second")
        second.flush()
    assert path.read_bytes() == b"first"  # the outer one ends last
    assert names(tmp_path) == ["a"]


def test_permissions_are_those_of_a_new_file(way, tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_no_directory(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="no such directory to write to") as caught,
        replacing(tmp_path / "b" / "a"),
    ):
        pass
    assert caught.value.filename == str(tmp_path / "b" / "a")


def test_a_directory_in_the_way(tmp_path):
    with pytest.raises(IsADirectoryError), replacing(tmp_path):
        pass


def test_directories_are_synchronised(tmp_path, monkeypatch):
    synchronised = []
    fsync = os.fsync

    def note(descriptor):
        synchronised.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(_files.os, "fsync", note)
    write_text(tmp_path / "a" / "b", "text")
    assert synchronised == [False, True]
    with replacing(tmp_path / "c", durable=False):
        pass
    assert len(synchronised) == 2


def test_copies_keep_time_and_permissions(way, tmp_path):
    source = tmp_path / "a"
    source.write_bytes(b"x" * 3_000_000)
    os.chmod(source, 0o640)
    os.utime(source, ns=(10**18, 10**18 + 123))
    copy(source, tmp_path / "new" / "b")
    status = (tmp_path / "new" / "b").stat()
    assert (tmp_path / "new" / "b").read_bytes() == source.read_bytes()
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert status.st_mtime_ns == 10**18 + 123


@pytest.mark.parametrize(
    "call", [local_path, open_regular, lambda name: write_text(Path(name), "")]
)
def test_a_nul_in_a_name_is_an_error_that_says_so(tmp_path, call):
    with pytest.raises(InputError, match=r"a\\x00b': no path can hold a NUL"):
        call(f"{tmp_path}/new/a\0b")
    assert names(tmp_path) == []


def test_a_pipe_or_a_device_is_no_file_to_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(OSError, match="not a regular file") as caught:
            open_regular(path)
        assert caught.value.filename == str(path)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
