"""Files on S3 and on web servers: a real S3 server, a web server, and a line that is cut."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from remote_servers import BUCKET, ask_s3, failure

from romancal_rs._yaml_head import HeadError, read_head_text
from romancal_rs.batch import remote
from romancal_rs.batch.outcome import Kind
from romancal_rs.errors import InputError

PIECE = 16 * 1024 * 1024


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> Path:
    """Goes in three pieces."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    path.write_bytes(os.urandom(2 * PIECE + 12345))
    return path


def asdf_of(n_bytes_of_head: int) -> bytes:
    line = b"filler: " + b"x" * (n_bytes_of_head - 50) + b"\n"
    return b"#ASDF 1.0.0\n%YAML 1.1\n--- !core/asdf\n" + line + b"...\n" + bytes(300_000)


class TestUrls:
    def test_what_a_url_is(self):
        urls = ["s3://b/k", "S3://b/k", "http://h/x", "https://h/x"]
        paths = ["a/b", "/a", "C:/x", "s3:/b", "file:///a", "crds://x", "gs://b/k", ""]
        assert [text for text in urls + paths if remote.is_url(text)] == urls

    def test_a_file_url_is_a_local_path(self):
        assert remote.without_file_scheme("file:///a/b%20c") == "/a/b c"
        assert remote.without_file_scheme("file://localhost/a") == "/a"
        assert remote.without_file_scheme("s3://b/k") == "s3://b/k"
        with pytest.raises(InputError, match="another host"):
            remote.without_file_scheme("file://other/a")

    def test_the_name_is_without_folders_and_query(self):
        assert remote.name_of("s3://b/x/r1_uncal.asdf") == "r1_uncal.asdf"
        assert remote.name_of("https://h/x/r%201.asdf?X-Amz-Signature=1#top") == "r 1.asdf"

    @pytest.mark.parametrize("url", ["s3://b/x/", "https://h", "https://h/..", "https://h/a%2F"])
    def test_a_folder_has_no_name(self, url):
        with pytest.raises(InputError, match="names no file"):
            remote.name_of(url)

    def test_passwords_and_signatures_are_not_shown(self):
        assert remote.shown("https://me:secret@h:8/x.asdf?sig=secret") == "https://h:8/x.asdf"


class TestS3:
    @pytest.mark.parametrize("n_bytes", [0, 1, PIECE, PIECE + 1, 2 * PIECE + 5])
    def test_what_is_uploaded_comes_back(self, s3, tmp_path, n_bytes):
        data = os.urandom(n_bytes)
        (tmp_path / "a").write_bytes(data)
        url = f"s3://{BUCKET}/sizes/{n_bytes}"
        stat = remote.upload(tmp_path / "a", url)
        assert stat == remote.describe(url)
        assert stat.size == n_bytes
        assert (stat.md5 is None) == (n_bytes > PIECE)  # the ETag of pieces is no MD5
        if stat.md5 is not None:
            assert stat.md5 == hashlib.md5(data).hexdigest()
        assert remote.fetch(url, tmp_path / "b") == stat
        assert (tmp_path / "b").read_bytes() == data
        assert (tmp_path / "b").stat().st_mtime == round(stat.last_modified.timestamp())

    def test_a_removed_object_is_gone_and_may_be_removed_again(self, s3, tmp_path):
        (tmp_path / "a").write_bytes(b"a")
        url = f"s3://{BUCKET}/removed"
        remote.upload(tmp_path / "a", url)
        assert remote.exists(url)
        remote.remove(url)
        remote.remove(url)
        assert not remote.exists(url)

    def test_folders_and_patterns_stand_for_what_fits(self, s3):
        names = ["a/1_uncal.asdf", "a/2_uncal.asdf", "a/2_cal.asdf", "a/b/3_uncal.asdf", "a1.asdf"]
        for name in names:
            ask_s3(f"{s3}/{BUCKET}/tree/{name}", "PUT", b"x")
        top = f"s3://{BUCKET}/tree"

        def found(url: str) -> list[str]:
            return [name.removeprefix(f"{top}/") for name in remote.expand(url)]

        assert found(f"{top}/a/") == names[:2]
        assert found(f"{top}/a/?_*.asdf") == ["a/1_uncal.asdf", "a/2_cal.asdf", "a/2_uncal.asdf"]
        assert found(f"{top}/**/*_uncal.asdf") == [names[0], names[1], names[3]]
        assert found(f"{top}/*/[23]_uncal.asdf") == ["a/2_uncal.asdf"]
        assert found(f"{top}/not_there.asdf") == ["not_there.asdf"]

    def test_more_files_than_one_page_lists(self, s3):
        def put(number: int) -> None:
            ask_s3(f"{s3}/{BUCKET}/many/{number:04}_uncal.asdf", "PUT", b"x")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(1005)))
        found = remote.expand(f"s3://{BUCKET}/many/")
        assert found == [f"s3://{BUCKET}/many/{number:04}_uncal.asdf" for number in range(1005)]

    def test_threads_share_the_connections(self, s3, tmp_path, large):
        url = f"s3://{BUCKET}/threads"
        remote.upload(large, url)
        paths = [tmp_path / str(number) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda path: remote.fetch(url, path), paths))
        assert all(path.read_bytes() == large.read_bytes() for path in paths)

    def test_a_public_object_is_read_without_credentials(self, s3, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv(remote.ANONYMOUS_VARIABLE, f"other,{BUCKET}")
        ask_s3(f"{s3}/{BUCKET}/public", "PUT", b"public", **{"x-amz-acl": "public-read"})
        ask_s3(f"{s3}/{BUCKET}/private", "PUT", b"private")
        assert remote.describe(f"s3://{BUCKET}/public").size == 6
        with pytest.raises(remote.RemoteAccessError, match=r"without credentials.* not public"):
            remote.describe(f"s3://{BUCKET}/private")

    def test_stpubdata_needs_no_credentials(self, s3, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        # The request is sent, to a server that has no such bucket.
        with pytest.raises(remote.RemoteNotFoundError, match="no bucket stpubdata"):
            remote.describe("s3://stpubdata/roman/x.asdf")

    def test_an_encrypted_object_is_not_checked_by_an_etag_that_is_no_md5(self, s3, tmp_path):
        headers = {"x-amz-server-side-encryption": "aws:kms"}
        url = f"s3://{BUCKET}/encrypted"
        ask_s3(f"{s3}/{BUCKET}/encrypted", "PUT", b"x", **headers)
        assert remote.describe(url).md5 is None
        remote.fetch(url, tmp_path / "x")


class TestHeads:
    @pytest.mark.parametrize("n_bytes", [200, 65_530, 65_536, 65_542, 1_000_000])
    def test_the_head_is_that_of_the_local_file(self, s3, tmp_path, n_bytes):
        path = tmp_path / "a.asdf"
        path.write_bytes(asdf_of(n_bytes))
        stat = remote.upload(path, f"s3://{BUCKET}/head")
        assert remote.read_head(f"s3://{BUCKET}/head") == (stat, read_head_text(path))

    def test_one_small_request_does(self, web):
        (web.directory / "a.asdf").write_bytes(asdf_of(5000))
        remote.read_head(f"{web.url}/a.asdf")
        assert web.requests == [("/a.asdf", "bytes=0-65535")]

    @pytest.mark.parametrize("data", [b"SIMPLE  = T", b"#ASDF 1.0.0\n%YAML 1.1\n---\na: 1\n", b""])
    def test_what_is_wrong_is_that_of_the_local_file(self, web, data):
        path = web.directory / "a.asdf"
        path.write_bytes(data)
        with pytest.raises(HeadError) as of_local:
            read_head_text(path)
        with pytest.raises(HeadError) as of_remote:
            remote.read_head(f"{web.url}/a.asdf")
        assert str(of_remote.value) == str(of_local.value)

    def test_of_a_server_without_ranges_no_more_is_read(self, web):
        (web.directory / "a.asdf").write_bytes(asdf_of(70_000) + bytes(50_000_000))
        web.knows_ranges = False
        began = time.process_time()
        stat, head = remote.read_head(f"{web.url}/a.asdf")
        assert head == read_head_text(web.directory / "a.asdf")
        assert stat.size > 50_000_000
        assert time.process_time() - began < 1


class TestWeb:
    @pytest.mark.parametrize("knows_ranges", [True, False])
    def test_a_file_comes_whole(self, web, tmp_path, large, knows_ranges):
        (web.directory / "a b.bin").write_bytes(large.read_bytes())
        web.knows_ranges = knows_ranges
        stat = remote.fetch(f"{web.url}/a%20b.bin", tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == large.read_bytes()
        assert stat.size == large.stat().st_size
        assert stat.md5 is None  # this server's ETag is none

    def test_it_is_not_written_to(self, web, tmp_path):
        with pytest.raises(InputError, match=r"only read from; write to s3://"):
            remote.upload(tmp_path / "a", f"{web.url}/a")
        with pytest.raises(InputError, match="only read from"):
            remote.remove(f"{web.url}/a")

    def test_it_does_not_list_a_folder(self, web):
        with pytest.raises(InputError, match="does not list its files; name each"):
            remote.expand(f"{web.url}/folder/")

    @pytest.mark.parametrize(
        ("status", "kind", "said"),
        [
            (404, Kind.BAD_INPUT, "no such file"),
            (403, Kind.BAD_INPUT, "refuses access"),
            (400, Kind.FAILED, "does not give"),
            (429, Kind.TRANSIENT, "has a problem"),
            (500, Kind.TRANSIENT, "has a problem"),
            (503, Kind.TRANSIENT, "has a problem"),
        ],
    )
    def test_each_answer_has_its_class(self, web, status, kind, said):
        web.status = status
        url = f"{web.url}/a.asdf?signature=secret"
        message = failure(kind, lambda: remote.describe(url))
        assert said in message
        assert str(status) in message
        assert "secret" not in message

    def test_what_arrives_damaged_is_not_kept(self, web, tmp_path):
        (web.directory / "a").write_bytes(b"damaged")
        url = f"{web.url}/a"
        stat = replace(remote.describe(url), md5=hashlib.md5(b"sound").hexdigest())
        message = failure(Kind.TRANSIENT, lambda: remote.fetch(url, tmp_path / "a", stat))
        assert hashlib.md5(b"damaged").hexdigest() in message
        assert not (tmp_path / "a").exists()


class TestFailures:
    def test_a_bucket_that_is_not_there(self, s3, tmp_path, large):
        for what in (
            lambda: remote.describe("s3://nowhere/a.asdf"),
            lambda: remote.expand("s3://nowhere/folder/"),
            lambda: remote.fetch("s3://nowhere/a.asdf", tmp_path / "a"),
            lambda: remote.upload(large, "s3://nowhere/a.asdf"),
        ):
            message = failure(Kind.BAD_INPUT, what)
            assert message.startswith("s3://nowhere/")
            assert "there is no bucket nowhere" in message
        assert not any(tmp_path.iterdir())

    def test_an_object_that_is_not_there(self, s3):
        message = failure(Kind.BAD_INPUT, lambda: remote.describe(f"s3://{BUCKET}/no.asdf"))
        assert message.startswith(f"s3://{BUCKET}/no.asdf: there is no such object")

    def test_a_folder_without_exposures(self, s3):
        message = failure(Kind.BAD_INPUT, lambda: remote.expand(f"s3://{BUCKET}/empty/"))
        assert message == f"s3://{BUCKET}/empty/: nothing there is called *_uncal.asdf"

    def test_names_that_cannot_be(self, s3):
        for url in ("s3:///key", "s3://UPPER_case!/key"):
            failure(Kind.BAD_INPUT, lambda url=url: remote.describe(url))
        failure(Kind.BAD_INPUT, lambda: remote.describe("/a/local/path"))

    def test_no_credentials(self, s3, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        message = failure(Kind.BAD_INPUT, lambda: remote.describe(f"s3://{BUCKET}/a.asdf"))
        assert "no AWS credentials" in message
        assert f"{remote.ANONYMOUS_VARIABLE}={BUCKET}" in message

    @pytest.mark.parametrize(
        ("status", "code", "kind", "said"),
        [
            (403, "AccessDenied", Kind.BAD_INPUT, "access denied"),
            (403, "InvalidAccessKeyId", Kind.BAD_INPUT, "credentials are refused"),
            (400, "ExpiredToken", Kind.BAD_INPUT, "credentials are refused"),
            (503, "SlowDown", Kind.TRANSIENT, "SlowDown"),
            (500, "InternalError", Kind.TRANSIENT, "InternalError"),
            (400, "RequestTimeout", Kind.TRANSIENT, "RequestTimeout"),
            (400, "InvalidArgument", Kind.FAILED, "InvalidArgument"),
        ],
    )
    def test_each_answer_has_its_class(self, s3, web, monkeypatch, status, code, kind, said):
        web.status = status
        web.answer = f"<Error><Code>{code}</Code><Message>so\nit is</Message></Error>".encode()
        monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
        remote.close()
        assert said in failure(kind, lambda: remote.describe("s3://b/a.asdf"))

    def test_nobody_answers(self, s3, web, monkeypatch):
        web.is_silent = True
        monkeypatch.setenv(remote.TIMEOUT_VARIABLE, "0.3")
        monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
        remote.close()
        for url in ("s3://b/a.asdf", f"{web.url}/a.asdf"):
            message = failure(Kind.TRANSIENT, lambda url=url: remote.describe(url))
            assert message == f"{url}: the server did not answer in time"

    def test_a_time_that_is_none(self, s3, monkeypatch):
        monkeypatch.setenv(remote.TIMEOUT_VARIABLE, "soon")
        remote.close()
        with pytest.raises(InputError, match=f"{remote.TIMEOUT_VARIABLE} = soon"):
            remote.describe(f"s3://{BUCKET}/a.asdf")

    def test_nobody_listens(self, line):
        line.close()
        for url in (f"s3://{BUCKET}/a.asdf", f"{line.url}/a.asdf"):
            assert "no connection" in failure(Kind.TRANSIENT, lambda url=url: remote.describe(url))

    def test_a_download_that_is_cut_leaves_nothing_and_may_be_tried_again(
        self, line, tmp_path, large
    ):
        url = f"s3://{BUCKET}/cut_down"
        remote.upload(large, url)
        line.down_left = PIECE
        message = failure(Kind.TRANSIENT, lambda: remote.fetch(url, tmp_path / "a"))
        assert message.startswith(f"{url}: ")
        assert not any(tmp_path.iterdir())
        line.down_left = None
        remote.fetch(url, tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == large.read_bytes()

    @pytest.mark.parametrize("n_bytes", [PIECE // 2, 3 * PIECE])
    def test_an_upload_that_is_cut_leaves_no_object(self, line, s3, tmp_path, n_bytes):
        path = tmp_path / "a"
        path.write_bytes(os.urandom(n_bytes))
        url = f"s3://{BUCKET}/cut_up_{n_bytes}"
        line.up_left = n_bytes - PIECE // 4
        message = failure(Kind.TRANSIENT, lambda: remote.upload(path, url))
        assert message.startswith(f"{url}: ")
        line.up_left = None
        assert not remote.exists(url)
        assert remote.upload(path, url).size == n_bytes

    def test_an_upload_that_is_cut_keeps_the_older_object(self, line, tmp_path, large):
        url = f"s3://{BUCKET}/kept"
        (tmp_path / "old").write_bytes(b"old")
        old = remote.upload(tmp_path / "old", url)
        line.up_left = PIECE
        failure(Kind.TRANSIENT, lambda: remote.upload(large, url))
        line.up_left = None
        assert remote.describe(url) == old

    def test_of_an_upload_that_fails_in_the_middle_no_piece_is_left(self, s3):
        from romancal_rs.batch.remote import _loop, _s3

        class FailingDisk:
            left = 5

            def read(self, n_bytes: int) -> bytes:
                self.left -= 1
                if self.left == 0:
                    raise OSError(5, "the disk fails")
                return bytes(n_bytes)

        url = f"s3://{BUCKET}/from_a_failing_disk"
        system = _s3.s3_system(url)
        with pytest.raises(OSError, match="the disk fails"):
            _loop.run(system.loop, _s3.upload(system, url, FailingDisk(), 10 * PIECE))
        assert b"<Upload>" not in ask_s3(f"{s3}/{BUCKET}?uploads&prefix=from_a_failing_disk")
        assert not remote.exists(url)

    def test_of_a_file_that_is_replaced_while_it_is_read_nothing_is_kept(self, s3, tmp_path):
        url = f"s3://{BUCKET}/replaced"
        (tmp_path / "a").write_bytes(b"old")
        old = remote.upload(tmp_path / "a", url)
        (tmp_path / "a").write_bytes(b"new")
        remote.upload(tmp_path / "a", url)
        message = failure(Kind.TRANSIENT, lambda: remote.fetch(url, tmp_path / "b", old))
        assert "replaced" in message
        assert not (tmp_path / "b").exists()

    def test_a_web_download_that_is_cut_leaves_nothing(self, web, tmp_path):
        (web.directory / "a").write_bytes(bytes(1_000_000))
        web.cut_after = 300_000
        message = failure(Kind.TRANSIENT, lambda: remote.fetch(f"{web.url}/a", tmp_path / "a"))
        assert "the connection was cut" in message
        assert not (tmp_path / "a").exists()


def run_script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", text, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestProcesses:
    def test_no_library_is_imported_before_a_url_is_used(self):
        script = """
import sys
import romancal_rs.batch.remote
print([name for name in ("fsspec", "s3fs", "aiohttp", "botocore") if name in sys.modules])
"""
        assert run_script(script).stdout == "[]\n"

    def test_without_the_libraries_the_message_says_what_to_install(self):
        script = """
import sys
sys.modules["s3fs"] = sys.modules["aiohttp"] = None
from romancal_rs.batch import remote
for url in ("s3://b/k", "https://h/k"):
    try:
        remote.describe(url)
    except ValueError as error:
        print(error)
"""
        ran = run_script(script)
        for line, url in zip(ran.stdout.splitlines(), ["s3://b/k", "https://h/k"], strict=True):
            assert line.startswith(f"{url}: ")
            assert 'pip install "romancal-rs[s3]"' in line
        assert ran.stderr == ""

    def test_nothing_but_the_message_is_told_also_at_the_end(self, line, web, large, tmp_path):
        (web.directory / "a").write_bytes(bytes(1_000_000))
        web.cut_after = 300_000
        remote.upload(large, f"s3://{BUCKET}/quiet")
        line.down_left = PIECE
        script = """
import sys
from pathlib import Path
from romancal_rs.batch import remote
for url in sys.argv[2:]:
    try:
        remote.fetch(url, Path(sys.argv[1], "a"))
    except Exception as error:
        print(type(error).__name__)
"""
        urls = f"s3://{BUCKET}/quiet", f"{web.url}/a", f"{web.url}/no", "s3://nowhere/a"
        ran = run_script(script, str(tmp_path), *urls)
        names = ["TransientError", "TransientError", "RemoteNotFoundError", "TransientError"]
        assert (ran.stdout.split(), ran.stderr, ran.returncode) == (names, "", 0)

    def test_an_interrupted_upload_ends_at_once_and_leaves_no_piece(self, s3, tmp_path):
        path = tmp_path / "a"
        with path.open("wb") as file:
            file.truncate(20 * PIECE)
        script = f"""
import os, signal, sys, threading
from pathlib import Path
from romancal_rs.batch import remote
remote.exists("s3://{BUCKET}/x")
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    remote.upload(Path(sys.argv[1]), "s3://{BUCKET}/interrupted")
except KeyboardInterrupt:
    print("interrupted")
"""
        ran = run_script(script, str(path))
        assert (ran.stdout, ran.stderr) == ("interrupted\n", "")
        assert b"<Upload>" not in ask_s3(f"{s3}/{BUCKET}?uploads&prefix=interrupted")
        assert not remote.exists(f"s3://{BUCKET}/interrupted")

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
    def test_a_forked_child_has_connections_of_its_own(self, s3):
        ask_s3(f"{s3}/{BUCKET}/forked", "PUT", b"1234")
        script = f"""
import os
from romancal_rs.batch import remote
print(remote.describe("s3://{BUCKET}/forked").size, flush=True)
child = os.fork()
print(remote.describe("s3://{BUCKET}/forked").size, flush=True)
if child:
    os.waitpid(child, 0)
"""
        ran = run_script(script)
        assert (ran.stdout, ran.stderr) == ("4\n4\n4\n", "")
