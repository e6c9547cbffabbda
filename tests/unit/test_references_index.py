"""What is kept about the files of a directory: it saves reading, and changes nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from romancal_rs.references import DirectoryStore, ReferenceFileError, digest, index
from romancal_rs.references.digest import DIGESTS_NAME, Digests, sha256_of
from romancal_rs.references.index import INDEX_NAME, DirectoryIndex, IndexFile, is_settled

SECOND = 1_000_000_000
LONG_AGO = 1_700_000_000 * SECOND
#: SHA-256 of the bytes "abc", as FIPS 180-2 gives it.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def beside(monkeypatch):
    """Indices lie beside the files, as they do for users."""
    monkeypatch.delenv("ROMANCAL_RS_CACHE")


@pytest.fixture
def user_cache(beside, monkeypatch, tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(base))
    return base / "romancal-rs"


@pytest.fixture
def refs(tmp_path) -> Path:
    path = tmp_path / "refs"
    path.mkdir()
    return path


def write(path: Path, reftype="GAIN", detector="WFI07", useafter="2027-01-01T00:00:00", age=0):
    """A head alone, last changed `age` nanoseconds after a moment long ago."""
    path.write_text(
        "#ASDF 1.0.0\n--- !core/asdf-1.1.0\nroman:\n  meta:\n"
        f"    reftype: {reftype}\n    instrument: {{name: WFI, detector: {detector}}}\n"
        f"    useafter: !time/time-1.4.0 {useafter}\n...\n"
    )
    os.utime(path, ns=(LONG_AGO, LONG_AGO + age))
    return path


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The files whose heads are read."""
    names: list[str] = []
    original = index.read_head

    def read_head(path):
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(index, "read_head", read_head)
    return names


def names(directory: Path, reftype="GAIN") -> list[str]:
    return [head.path.name for head in DirectoryIndex(directory).heads(reftype)]


# --- what is read


def test_heads_come_from_the_index_as_they_were_read(refs, beside, reads):
    (refs / "dark.asdf").write_text(
        "#ASDF 1.0.0\n---\nroman:\n  meta:\n    reftype: dark\n"
        "    useafter: 2027-01-02T03:04:05.006\n"
        "    instrument: {name: WFI, detector: WFI07, optical_element: F158}\n"
        "    exposure: {ngroups: 8, p_exptype: 'WFI_IMAGE|WFI_FLAT|', ma_table_name: IM_8,"
        " ma_table_number: 5}\n...\n"
    )
    os.utime(refs / "dark.asdf", ns=(LONG_AGO, LONG_AGO))
    write(refs / "gain.asdf")
    expected = [index.read_head(refs / "dark.asdf")]
    DirectoryIndex(refs)
    reads.clear()
    warm = DirectoryIndex(refs)
    assert warm.heads("DARK") == expected
    assert warm.reftypes == ["DARK", "GAIN"]
    assert reads == []


def test_only_new_and_changed_files_are_read_and_vanished_ones_forgotten(refs, beside, reads):
    for name in ("same", "time", "size", "gone"):
        write(refs / f"{name}.asdf")
    assert names(refs) == ["gone.asdf", "same.asdf", "size.asdf", "time.asdf"]
    assert sorted(reads) == ["gone.asdf", "same.asdf", "size.asdf", "time.asdf"]
    reads.clear()

    write(refs / "new.asdf")
    write(refs / "time.asdf", age=1)
    write(refs / "size.asdf", reftype="READNOISE")
    (refs / "gone.asdf").unlink()
    assert names(refs) == ["new.asdf", "same.asdf", "time.asdf"]
    assert names(refs, "READNOISE") == ["size.asdf"]
    assert sorted(reads) == ["new.asdf", "size.asdf", "time.asdf"]


def test_the_index_is_not_written_again_when_nothing_changed(refs, beside):
    write(refs / "a.asdf")
    DirectoryIndex(refs)
    os.utime(refs / INDEX_NAME, ns=(LONG_AGO, LONG_AGO))
    DirectoryIndex(refs)
    assert (refs / INDEX_NAME).stat().st_mtime_ns == LONG_AGO
    (refs / "a.asdf").unlink()
    DirectoryIndex(refs)
    assert (refs / INDEX_NAME).stat().st_mtime_ns != LONG_AGO


def test_a_file_that_has_just_been_written_is_read_again(refs, beside, reads):
    # It may change once more within the same tick of the file system's clock.
    path = write(refs / "a.asdf", detector="WFI07")
    os.utime(path)
    DirectoryIndex(refs)
    now = path.stat().st_mtime_ns
    write(path, detector="WFI08")
    os.utime(path, ns=(now, now))
    assert [head.detector for head in DirectoryIndex(refs).heads("GAIN")] == ["WFI08"]
    assert reads == ["a.asdf", "a.asdf"]


def test_a_time_is_settled_after_more_than_a_tick_of_its_clock(monkeypatch):
    now = LONG_AGO + 50_000_000
    monkeypatch.setattr("time.time_ns", lambda: now)
    for moment in (now, now - 49_999_999, now + 49_999_999):  # another machine's clock is ahead
        assert not is_settled(moment)
    assert is_settled(now - 50_000_001)
    assert is_settled(now + 50_000_001)


def test_a_clock_of_whole_seconds_may_tick_every_two(monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: LONG_AGO + 2 * SECOND - 1)
    assert not is_settled(LONG_AGO)
    monkeypatch.setattr("time.time_ns", lambda: LONG_AGO + 2 * SECOND)
    assert is_settled(LONG_AGO)


def test_what_is_no_reference_or_not_readable_is_remembered_too(refs, beside, reads):
    (refs / "x.asdf").write_bytes(b"not ASDF")
    (refs / "cal.asdf").write_text("#ASDF 1.0.0\n---\nroman: {meta: {filename: x}}\n...\n")
    for path in refs.iterdir():
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    for _ in range(2):
        opened = DirectoryIndex(refs)
        assert opened.unreadable == ["x.asdf: not an ASDF file"]
        assert opened.reftypes == []
    assert sorted(reads) == ["cal.asdf", "x.asdf"]


def test_a_link_counts_by_what_it_points_to(refs, beside, tmp_path):
    write(tmp_path / "one.asdf", detector="WFI01")
    write(tmp_path / "two.asdf", detector="WFI02", age=1)
    link = refs / "link.asdf"
    link.symlink_to(tmp_path / "one.asdf")
    assert [head.detector for head in DirectoryIndex(refs).heads("GAIN")] == ["WFI01"]
    link.unlink()
    link.symlink_to(tmp_path / "two.asdf")
    assert [head.detector for head in DirectoryIndex(refs).heads("GAIN")] == ["WFI02"]


def test_a_link_to_nowhere_is_not_readable_until_it_leads_somewhere(refs, beside, tmp_path):
    (refs / "link.asdf").symlink_to(tmp_path / "file.asdf")
    for _ in range(2):
        [reason] = DirectoryIndex(refs).unreadable
        assert reason.startswith("link.asdf: cannot be read (No such file")
    write(tmp_path / "file.asdf")
    assert names(refs) == ["link.asdf"]
    (tmp_path / "file.asdf").unlink()
    assert len(DirectoryIndex(refs).unreadable) == 1


def test_what_the_file_system_refuses_is_tried_again(refs, beside, monkeypatch):
    write(refs / "a.asdf")
    with monkeypatch.context() as patch:

        def refuse(path):
            raise index.HeadError("cannot be read (Permission denied)") from PermissionError()

        patch.setattr(index, "read_head", refuse)
        assert DirectoryIndex(refs).unreadable == ["a.asdf: cannot be read (Permission denied)"]
    assert names(refs) == ["a.asdf"]


def test_names_may_have_any_characters(refs, beside, reads):
    awkward = ['a b".asdf', "ü\n.asdf", os.fsdecode(b"\xff.asdf"), "?.asdf"]
    for name in awkward:
        write(refs / name)
    for _ in range(2):
        assert sorted(names(refs)) == sorted(awkward)
    assert len(reads) == len(awkward)


def test_heads_of_one_detector(refs):
    write(refs / "b.asdf", detector="WFI07")
    write(refs / "c.asdf", detector="WFI08")
    write(refs / "a.asdf", detector="WFI08")
    write(refs / "other.asdf", reftype="MASK")
    opened = DirectoryIndex(refs)
    assert [head.path.name for head in opened.heads("GAIN", "WFI08")] == ["a.asdf", "c.asdf"]
    assert [head.path.name for head in opened.heads("GAIN")] == ["a.asdf", "b.asdf", "c.asdf"]
    assert opened.heads("FLAT") == []
    assert opened.heads("GAIN", "WFI01") == []


def test_an_empty_directory(refs, beside):
    for _ in range(2):
        opened = DirectoryIndex(refs)
        assert (opened.reftypes, opened.unreadable) == ([], [])


def test_a_directory_that_cannot_be_read(tmp_path):
    with pytest.raises(ReferenceFileError, match=r"none cannot be read \(No such file"):
        DirectoryIndex(tmp_path / "none")


# --- where it lies


def test_it_lies_beside_the_files(refs, user_cache):
    write(refs / "a.asdf")
    DirectoryIndex(refs)
    assert sorted(path.name for path in refs.iterdir()) == [INDEX_NAME, "a.asdf"]
    assert not user_cache.exists()


def refuse_to_be_written(refs: Path) -> None:
    # A directory in its place refuses everybody, also those whom no permissions stop.
    (refs / INDEX_NAME).mkdir()


def test_it_lies_in_the_users_cache_where_the_directory_cannot_be_written(refs, user_cache, reads):
    refuse_to_be_written(refs)
    write(refs / "a.asdf")
    for _ in range(2):
        assert names(refs) == ["a.asdf"]
    assert reads == ["a.asdf"]
    assert len(list(user_cache.iterdir())) == 1
    assert sorted(path.name for path in refs.iterdir()) == [INDEX_NAME, "a.asdf"]


def test_one_beside_that_cannot_be_renewed_is_still_of_use(refs, user_cache, reads, monkeypatch):
    write(refs / "a.asdf")
    DirectoryIndex(refs)
    write(refs / "b.asdf")
    reads.clear()
    replace = Path.replace

    def read_only(self, target):
        if target.parent == refs:
            raise PermissionError
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", read_only)
    for _ in range(2):
        assert names(refs) == ["a.asdf", "b.asdf"]
    assert reads == ["b.asdf"]


def test_without_xdg_cache_home_the_users_cache_is_in_the_home_directory(
    refs, user_cache, monkeypatch, tmp_path
):
    refuse_to_be_written(refs)
    write(refs / "a.asdf")
    monkeypatch.setenv("HOME", str(tmp_path))
    # The XDG specification says that a relative path is to be ignored.
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    DirectoryIndex(refs)
    assert len(list((tmp_path / ".cache" / "romancal-rs").iterdir())) == 1


def test_the_environment_names_a_directory_for_all(refs, tmp_path, monkeypatch, reads):
    write(refs / "a.asdf")
    monkeypatch.setenv("ROMANCAL_RS_CACHE", str(tmp_path / "x" / "cache"))
    (tmp_path / "link").symlink_to(refs)
    for directory in (refs, refs, tmp_path / "link"):
        assert names(directory) == ["a.asdf"]
    assert reads == ["a.asdf"]
    assert [path.name for path in refs.iterdir()] == ["a.asdf"]
    assert len(list((tmp_path / "x" / "cache").iterdir())) == 1


def test_without_any_place_to_write_all_works(refs, tmp_path, monkeypatch, reads):
    write(refs / "a.asdf")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROMANCAL_RS_CACHE", str(tmp_path / "file" / "cache"))
    for _ in range(2):
        assert names(refs) == ["a.asdf"]
    assert reads == ["a.asdf", "a.asdf"]


# --- what it is worth


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"{}",
        lambda content: b"\xff\x00" * 100,
        lambda content: b"[" * 100_000,
        lambda content: content[:-10],
        lambda content: content.replace(b"WFI07", b"WFI08"),
        lambda content: content.replace(b'json":3', b'json":2'),
        lambda content: content.partition(b"\n")[0],
    ],
)
def test_a_damaged_or_foreign_index_is_made_anew(refs, beside, damage):
    write(refs / "a.asdf")
    DirectoryIndex(refs)
    sound = (refs / INDEX_NAME).read_bytes()
    damaged = damage(sound)
    assert damaged != sound
    (refs / INDEX_NAME).write_bytes(damaged)
    assert [head.detector for head in DirectoryIndex(refs).heads("GAIN")] == ["WFI07"]
    assert (refs / INDEX_NAME).read_bytes() == sound


ROW = [0, "2027-01-01T00:00:00", "WFI", None, [], None, None, None, False]


@pytest.mark.parametrize(
    "rows",
    [
        [[9, *ROW[1:]]],
        [["../x", *ROW[1:]]],
        [[0, "soon", *ROW[2:]]],
        [[0, 5, *ROW[2:]]],
        [[*ROW[:4], 5, *ROW[5:]]],
        [ROW[:-1]],
        [5],
        5,
        {},
        None,
    ],
)
def test_an_index_that_somebody_else_wrote_does_no_harm(refs, beside, rows):
    path = write(refs / "a.asdf")
    size = path.stat().st_size
    table = {"files": f"a.asdf/{size}/{LONG_AGO}", "groups": [["GAIN", "WFI07"]]}
    body = b"\n".join(json.dumps(line).encode() for line in (table, [], rows))
    IndexFile(refs, INDEX_NAME, 3).write(body)
    if rows == {}:
        assert names(refs) == []  # it is believed that there is nothing
    else:
        assert names(refs) == ["a.asdf"]


def test_such_an_index_is_believed_if_it_is_as_it_should_be(refs, beside):
    """The rows of the test before are refused for what is wrong with them."""
    size = write(refs / "a.asdf").stat().st_size
    table = {"files": f"a.asdf/{size}/{LONG_AGO}", "groups": [["GAIN", "WFI01"]]}
    body = b"\n".join(json.dumps(line).encode() for line in (table, [], [ROW]))
    IndexFile(refs, INDEX_NAME, 3).write(body)
    assert [head.detector for head in DirectoryIndex(refs).heads("GAIN")] == ["WFI01"]


@pytest.mark.parametrize("table", [[], 5, {"files": "x"}, {"files": 1, "groups": 1}, None])
def test_a_table_that_somebody_else_wrote_does_no_harm(refs, beside, table):
    write(refs / "a.asdf")
    IndexFile(refs, INDEX_NAME, 3).write(json.dumps(table).encode() + b"\n[]\n[]")
    assert names(refs) == ["a.asdf"]


def test_unreadable_files_that_are_not_listed_do_no_harm(refs, beside):
    size = write(refs / "a.asdf").stat().st_size
    table = {"files": f"a.asdf/{size}/{LONG_AGO}", "groups": []}
    body = json.dumps(table).encode() + b'\n[[1, "no reason"]]'
    IndexFile(refs, INDEX_NAME, 3).write(body)
    assert DirectoryIndex(refs).unreadable == []
    assert names(refs) == ["a.asdf"]


def test_many_may_write_at_once(refs, beside):
    for number in range(20):
        write(refs / f"{number:02d}.asdf")
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: names(refs), range(12)):
            assert len(found) == 20
    assert [path.name for path in refs.iterdir() if path.suffix != ".asdf"] == [INDEX_NAME]


def test_a_search_imports_neither_numpy_nor_astropy_nor_asdf(refs):
    write(refs / "a.asdf")
    program = (
        "import sys; from romancal_rs.references import DirectoryStore; "
        "from romancal_rs.references.digest import Digests; "
        f"[head] = DirectoryStore({str(refs)!r}).heads; Digests().of(head.path); "
        "print(sorted({'asdf', 'astropy', 'gwcs', 'numpy'} & set(sys.modules)))"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


def test_a_store_finds_what_its_index_holds(refs, reads):
    write(refs / "a.asdf")
    for _ in range(2):
        assert [head.path for head in DirectoryStore(refs).heads] == [refs / "a.asdf"]
    assert reads == ["a.asdf"]


# --- digests


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The files whose bytes are read."""
    read: list[str] = []

    def count(path):
        read.append(Path(path).name)
        return sha256_of(path)

    monkeypatch.setattr(digest, "sha256_of", count)
    return read


def write_abc(path: Path) -> Path:
    path.write_bytes(b"abc")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def test_the_sha256_of_a_file(tmp_path):
    assert sha256_of(write_abc(tmp_path / "x")) == ABC


def test_a_digest_is_worked_out_once(refs, user_cache, hashed):
    path = write_abc(refs / "x")
    one = Digests()
    assert [one.of(path), one.of(str(path)), Digests().of(path)] == [ABC, ABC, ABC]
    assert hashed == ["x"]
    assert sorted(entry.name for entry in refs.iterdir()) == [DIGESTS_NAME, "x"]
    assert not user_cache.exists()


def test_a_digest_is_worked_out_again_for_a_file_that_changed(refs, beside):
    path = write_abc(refs / "x")
    digests = Digests()
    digests.of(path)
    path.write_bytes(b"abd")
    expected = hashlib.sha256(b"abd").hexdigest()
    os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
    assert digests.of(path) == Digests().of(path) == expected
    path.write_bytes(b"")
    os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
    assert digests.of(path) == hashlib.sha256(b"").hexdigest()


def test_the_digest_of_a_file_that_has_just_been_written_is_not_kept(refs, beside, hashed):
    path = refs / "x"
    path.write_bytes(b"abc")
    now = path.stat().st_mtime_ns
    digests = Digests()
    digests.of(path)
    path.write_bytes(b"abd")
    os.utime(path, ns=(now, now))
    assert digests.of(path) == hashlib.sha256(b"abd").hexdigest()
    assert not (refs / DIGESTS_NAME).exists()


def test_the_digest_of_a_file_that_changes_meanwhile_is_not_kept(refs, beside, monkeypatch):
    path = write_abc(refs / "x")

    def changed_meanwhile(path):
        found = sha256_of(path)
        os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
        return found

    monkeypatch.setattr(digest, "sha256_of", changed_meanwhile)
    Digests().of(path)
    assert not (refs / DIGESTS_NAME).exists()


def test_digests_go_elsewhere_for_a_directory_that_is_to_be_left_as_it_is(refs, user_cache, hashed):
    path = write_abc(refs / "x")
    for _ in range(2):
        assert Digests(beside=False).of(path) == ABC
    assert hashed == ["x"]
    assert [entry.name for entry in refs.iterdir()] == ["x"]
    assert len(list(user_cache.iterdir())) == 1


def test_digests_of_vanished_files_are_forgotten(refs, beside):
    Digests().of(write_abc(refs / "x"))
    (refs / "x").unlink()
    Digests().of(write_abc(refs / "y"))
    assert b'"x"' not in (refs / DIGESTS_NAME).read_bytes()
    assert b'"y"' in (refs / DIGESTS_NAME).read_bytes()


@pytest.mark.parametrize(
    "content", [None, [], 5, {"x": 5}, {"x": [3]}, {"x": [3, LONG_AGO, 5]}, {"x": {}}, [[1, 2, 3]]]
)
def test_digests_that_somebody_else_wrote_do_no_harm(refs, beside, content):
    path = write_abc(refs / "x")
    IndexFile(refs, DIGESTS_NAME, 1).write(json.dumps(content).encode())
    assert Digests().of(path) == ABC


def test_digests_of_several_objects_add_up(refs, beside, hashed):
    one, other = Digests(), Digests()
    paths = [write_abc(refs / name) for name in "abcd"]
    one.of(paths[0])
    other.of(paths[1])
    one.of(paths[2])
    other.of(paths[3])
    hashed.clear()
    fresh = Digests()
    assert {fresh.of(path) for path in paths} == {ABC}
    assert hashed == []


def test_threads_share_digests(refs, beside, hashed):
    paths = [write_abc(refs / f"{number}") for number in range(9)]
    digests = Digests()
    start = threading.Barrier(4)

    def all_of_them(_):
        start.wait()
        return [digests.of(path) for path in paths]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(all_of_them, range(4))) == [[ABC] * 9] * 4
    hashed.clear()
    assert [Digests().of(path) for path in paths] == [ABC] * 9
    assert hashed == []


def test_the_digest_of_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        Digests().of(tmp_path / "none")
