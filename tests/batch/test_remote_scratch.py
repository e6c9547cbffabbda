"""Copies of remote files in a directory that processes share, and references in a folder of S3."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
from batch.workers import fetch_in_process, hold_in_process, own_in_process
from remote_servers import BUCKET, WebServer, ask_s3, failure

from romancal_rs.batch import remote
from romancal_rs.batch.outcome import Kind
from romancal_rs.batch.remote import RemoteStore, Scratch
from romancal_rs.errors import InputError
from romancal_rs.references import DirectoryStore, ExposureKeys, ReferenceNotFoundError
from romancal_rs.references.digest import DIGESTS_NAME, Digests
from romancal_rs.references.index import CACHE_VARIABLE


def files_in(scratch: Scratch) -> set[str]:
    return {path.name for path in scratch.directory.glob("[!.]*/*") if path.name != ".lock"}


class TestScratch:
    @pytest.fixture
    def urls(self, web) -> list[str]:
        """Four files of 1000 bytes."""
        for name in "abcd":
            (web.directory / name).write_bytes(name.encode() * 1000)
        return [f"{web.url}/{name}" for name in "abcd"]

    @staticmethod
    def downloads(web: WebServer) -> int:
        return sum(wanted is None for _, wanted in web.requests)

    def test_what_is_there_is_not_fetched_again(self, web, urls, tmp_path):
        path = Scratch(tmp_path / "s").fetch(urls[0])
        assert path.read_bytes() == b"a" * 1000
        assert path.name == "a"
        assert Scratch(tmp_path / "s").fetch(urls[0]) == path
        assert self.downloads(web) == 1

    def test_what_has_changed_is_another_file(self, web, urls, tmp_path):
        scratch = Scratch(tmp_path / "s")
        old = scratch.fetch(urls[0])
        (web.directory / "a").write_bytes(b"b" * 1000)
        assert scratch.fetch(urls[0]).read_bytes() == b"b" * 1000
        assert old.read_bytes() == b"a" * 1000

    def test_what_was_not_used_for_the_longest_time_goes(self, urls, tmp_path):
        scratch = Scratch(tmp_path / "s", max_bytes=3000)
        for url in (*urls[:3], urls[0], urls[3]):
            scratch.release(scratch.fetch(url))
        assert files_in(scratch) == {"a", "c", "d"}

    def test_what_is_held_stays(self, urls, tmp_path):
        scratch = Scratch(tmp_path / "s", max_bytes=2000)
        paths = [scratch.fetch(url) for url in urls]
        assert files_in(scratch) == set("abcd")
        scratch.release(paths[1])
        Scratch(tmp_path / "s", max_bytes=3000)._make_room(0)
        assert files_in(scratch) == set("acd")

    def test_an_input_goes_when_the_last_lets_go_of_it(self, urls, tmp_path):
        scratch, other = Scratch(tmp_path / "s"), Scratch(tmp_path / "s")
        path = scratch.fetch(urls[0])
        assert scratch.fetch(urls[0]) == other.fetch(urls[0]) == path
        scratch.release(path, remove=True)
        assert path.exists()
        scratch.release(path, remove=True)
        assert path.exists()
        other.release(path, remove=True)
        assert not any(scratch.directory.iterdir())

    def test_a_killed_process_holds_nothing(self, urls, tmp_path):
        context = multiprocessing.get_context("spawn")
        held = context.Event()
        process = context.Process(target=hold_in_process, args=(urls[0], tmp_path / "s", held))
        process.start()
        assert held.wait(30)
        scratch = Scratch(tmp_path / "s", max_bytes=0)
        scratch._make_room(0)
        assert files_in(scratch) == {"a"}
        process.kill()
        process.join()
        process.close()
        scratch._make_room(0)
        assert not any(scratch.directory.iterdir())

    def test_what_is_made_here_goes_with_its_owner_and_not_to_make_room(self, tmp_path):
        context = multiprocessing.get_context("spawn")
        made = context.Event()
        process = context.Process(target=own_in_process, args=(tmp_path / "s", made))
        process.start()
        assert made.wait(30)
        scratch = Scratch(tmp_path / "s", max_bytes=0)
        scratch._make_room(0)
        own = scratch.own_directory()
        assert scratch.own_directory() == own
        assert len(list((tmp_path / "s").rglob("product.asdf"))) == 1
        process.kill()
        process.join()
        process.close()
        other = Scratch(tmp_path / "s")
        assert other.own_directory() != own
        assert not list((tmp_path / "s").rglob("product.asdf"))
        assert own.is_dir()
        scratch.close()
        other.close()
        assert not list((tmp_path / "s" / ".own").iterdir())

    def test_a_directory_that_is_not_used_is_not_made(self, tmp_path):
        Scratch(tmp_path / "s").close()
        assert not (tmp_path / "s").exists()

    def test_the_digest_of_a_reference_goes_with_it(self, urls, tmp_path, monkeypatch):
        monkeypatch.delenv(CACHE_VARIABLE, raising=False)
        scratch = Scratch(tmp_path / "s")
        path = scratch.fetch(urls[0])
        os.utime(path, (1e9, 1e9))
        Digests().of(path)
        assert (path.parent / DIGESTS_NAME).is_file()
        scratch.release(path, remove=True)
        assert not path.parent.exists()

    def test_processes_that_want_the_same_fetch_it_once(self, web, tmp_path):
        (web.directory / "a").write_bytes(bytes(5_000_000))
        context = multiprocessing.get_context("spawn")
        start, ends = context.Event(), context.Queue()
        arguments = f"{web.url}/a", tmp_path / "s", start, ends
        processes = [context.Process(target=fetch_in_process, args=arguments) for _ in range(3)]
        for process in processes:
            process.start()
        start.set()
        assert [ends.get(timeout=60) for _ in processes] == [True] * 3
        for process in processes:
            process.join()
            process.close()
        ends.close()
        ends.join_thread()
        assert self.downloads(web) == 1

    def test_a_failure_leaves_nothing(self, web, urls, tmp_path):
        scratch = Scratch(tmp_path / "s")
        web.cut_after = 500
        failure(Kind.TRANSIENT, lambda: scratch.fetch(urls[0]))
        assert not any(scratch.directory.iterdir())
        web.cut_after = None
        assert scratch.fetch(urls[0]).read_bytes() == b"a" * 1000

    def test_the_variable_names_the_directory(self, monkeypatch, tmp_path):
        monkeypatch.setenv(remote.SCRATCH_VARIABLE, str(tmp_path / "named"))
        assert Scratch().directory == tmp_path / "named"


class TestRemoteStore:
    @pytest.fixture
    def folder(self, s3, simulated, request) -> str:
        """References of a simulated exposure, and a file that is none."""
        folder = f"{BUCKET}/{request.node.name}"
        for path in (*simulated.references.glob("*.asdf"), Path(__file__)):
            name = path.name if path.suffix == ".asdf" else "notes.asdf"
            ask_s3(f"{s3}/{folder}/{name}", "PUT", path.read_bytes())
        return f"s3://{folder}/"

    @pytest.fixture
    def keys(self, simulated) -> ExposureKeys:
        from romancal_rs.datamodels import open as open_model

        with open_model(simulated.exposure) as model:
            return ExposureKeys.from_model(model)

    def test_it_chooses_as_a_local_directory_does(self, folder, simulated, keys, tmp_path):
        local = DirectoryStore(simulated.references)
        store = RemoteStore(folder, Scratch(tmp_path))
        assert len(local.heads) > 5
        for reftype in {head.reftype for head in local.heads}:
            wanted, found = local.find(reftype, keys), store.find(reftype, keys)
            assert found.reference.name == wanted.reference.name
            assert found.reference.read_bytes() == wanted.reference.read_bytes()
            assert found.rule == wanted.rule
            assert store.url_of(found.reference) == folder + wanted.reference.name
        assert store.location == folder
        assert [line.partition(":")[0] for line in store.unreadable] == ["notes.asdf"]

    def test_only_what_is_chosen_is_fetched(self, folder, keys, tmp_path):
        scratch = Scratch(tmp_path)
        store = RemoteStore(folder, scratch)
        assert files_in(scratch) == set()
        match = store.find("flat", keys)
        assert store.find("flat", keys) == match
        assert files_in(scratch) == {match.reference.name}
        store.release()
        scratch.release(match.reference, remove=True)
        assert files_in(scratch) == set()
        assert store.find("flat", keys) == match
        assert match.reference.is_file()
        assert store.stat_of(match.reference) == remote.describe(store.url_of(match.reference))
        assert store.stat_of(tmp_path / match.reference.name) is None

    def test_heads_of_new_and_changed_files_alone_are_read_again(
        self, folder, s3, keys, tmp_path, monkeypatch
    ):
        from romancal_rs.batch.remote import references

        RemoteStore(folder, Scratch(tmp_path))
        name = RemoteStore(folder, Scratch(tmp_path)).find("flat", keys).reference.name
        asked = []

        def read_head(url: str):
            asked.append(url)
            return remote.read_head(url)

        monkeypatch.setattr(references, "read_head", read_head)
        RemoteStore(folder, Scratch(tmp_path))
        assert asked == []
        remote.remove(folder + name)
        with pytest.raises(ReferenceNotFoundError) as caught:
            RemoteStore(folder, Scratch(tmp_path)).find("flat", keys)
        assert folder in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
        assert asked == []
        ask_s3(f"{s3}/{folder.removeprefix('s3://')}{name}", "PUT", b"#ASDF 1.0.0\n--- {}\n...\n")
        RemoteStore(folder, Scratch(tmp_path))
        assert asked == [folder + name]

    def test_it_is_found_without_the_heads_that_were_kept(self, folder, keys, tmp_path):
        name = RemoteStore(folder, Scratch(tmp_path)).find("flat", keys).reference.name
        shutil.rmtree(tmp_path / ".heads")
        assert RemoteStore(folder, Scratch(tmp_path)).find("flat", keys).reference.name == name

    @pytest.mark.parametrize("url", [f"s3://{BUCKET}/no_such_folder", "s3://nowhere/refs/"])
    def test_a_folder_that_is_not_there(self, s3, tmp_path, url):
        with pytest.raises(ReferenceNotFoundError, match=rf"references: {url}/?: .* folder of"):
            RemoteStore(url, Scratch(tmp_path))

    def test_a_web_server_lists_nothing(self, tmp_path):
        with pytest.raises(InputError, match="does not list its files; copy them"):
            RemoteStore("https://h/refs/", Scratch(tmp_path))
