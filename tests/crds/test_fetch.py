"""What a cache lacks comes from a CRDS server, through the official client.

The server is made here: the calls the client makes, and files. Tests that need the client are
skipped where it is not installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from romancal_rs.references import CrdsCache, ExposureKeys, RuleFileError, open_store
from romancal_rs.references.crds_cache import fetch
from romancal_rs.references.crds_cache.fetch import Fetcher
from romancal_rs.references.crds_cache.mapping import checksum

KEYS = ExposureKeys(
    detector="WFI07",
    optical_element="F158",
    exposure_type="WFI_IMAGE",
    start_time=datetime(2027, 6, 1, 12),
)
DETECTOR = ("ROMAN.META.INSTRUMENT.DETECTOR",)
START = ("ROMAN.META.EXPOSURE.START_TIME",)
FLAT, DARK = "roman_wfi_flat_0001.asdf", "roman_wfi_dark_0001.asdf"
PMAP, IMAP = "roman_0001.pmap", "roman_wfi_0001.imap"
FLAT_RMAP, DARK_RMAP = "roman_wfi_flat_0001.rmap", "roman_wfi_dark_0001.rmap"
RULES = {PMAP, IMAP, FLAT_RMAP, DARK_RMAP}

_spec = importlib.util.find_spec("crds")
needs_client = pytest.mark.skipif(
    _spec is None or _spec.origin is None,
    reason="the official client is not installed: pip install 'romancal-rs[crds]'",
)


def rules(name: str, mapping: str, parkey: tuple, selector: str, **header: str) -> bytes:
    """The text of a rule file, with its checksum."""
    header |= {"mapping": mapping, "name": name, "observatory": "ROMAN", "derived_from": "none"}
    lines = [f"    {key!r} : {value!r}," for key, value in {**header, "parkey": parkey}.items()]
    text = "\n".join(["header = {", *lines, "    'sha1sum' : '',", "}", f"selector = {selector}\n"])
    return text.replace("'sha1sum' : ''", f"'sha1sum' : '{checksum(text)}'").encode()


def context(name: str) -> bytes:
    return rules(name, "PIPELINE", ("ROMAN.META.INSTRUMENT.NAME",), f"{{'WFI' : '{IMAP}'}}")


def table(reftype: str, reference: str) -> bytes:
    name = f"roman_wfi_{reftype}_0001.rmap"
    selector = f"Match({{('WFI07',) : UseAfter({{'2020-01-01 00:00:00' : '{reference}'}})}})"
    header = {"instrument": "WFI", "filekind": reftype.upper()}
    return rules(name, "REFERENCE", (DETECTOR, START), selector, **header)


def mappings_of_one_context() -> dict[str, bytes]:
    types = f"{{'FLAT' : '{FLAT_RMAP}', 'DARK' : '{DARK_RMAP}'}}"
    return {
        PMAP: context(PMAP),
        IMAP: rules(IMAP, "INSTRUMENT", ("REFTYPE",), types, instrument="WFI"),
        FLAT_RMAP: table("flat", FLAT),
        DARK_RMAP: table("dark", DARK),
    }


@dataclass
class Server:
    """A CRDS server: what it has, what it says of it, and what it was asked for."""

    url: str = ""
    observatory: str = "roman"
    latest: str = PMAP
    mappings: dict[str, bytes] = field(default_factory=mappings_of_one_context)
    references: dict[str, bytes] = field(
        default_factory=lambda: {FLAT: b"flat" * 1000, DARK: b"dark" * 1000}
    )
    named: list[str] | None = None  # the rule files of a context; None: all
    sent: dict[str, bytes] = field(default_factory=dict)  # instead of what the catalogue says
    not_found: set[str] = field(default_factory=set)
    broken_off: set[str] = field(default_factory=set)  # half way through
    withdrawn: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    downloaded: list[str] = field(default_factory=list)
    silent: threading.Event | None = None  # set when it may answer again

    def call(self, method: str, parameters: list) -> object:
        if method == "get_server_info":
            return {
                "observatory": self.observatory,
                "latest_context": self.latest,
                "operational_context": self.latest,
                "edit_context": self.latest,
                "bad_files": " ".join(self.withdrawn),
                "bad_files_list": self.withdrawn,
                "last_synced": "2026-01-01 00:00:00",
                "force_remote_mode": False,
                "crds_version": {"str": "14.0.0"},
                "mapping_url": {self.observatory: f"{self.url}/files/"},
                "reference_url": {self.observatory: f"{self.url}/files/"},
                "download_metadata": {
                    name: {"size": str(len(content)), "sha1sum": hashlib.sha1(content).hexdigest()}
                    for name, content in (self.mappings | self.references).items()
                },
            }
        if method == "get_mapping_names":
            (name,) = parameters
            if name not in self.mappings:
                raise LookupError(f"no context {name}")
            others = [other for other in self.mappings if not other.endswith(".pmap")]
            return [name, *others] if self.named is None else self.named
        raise LookupError(f"no method {method}")

    def file(self, name: str) -> bytes | None:
        if name in self.not_found:
            return None
        return self.sent.get(name) or (self.mappings | self.references).get(name)


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.asked.append(call["method"])
            if server.silent is not None:
                server.silent.wait(20)
                return
            answer = {"id": call["id"], "result": None, "error": None}
            try:
                answer["result"] = server.call(call["method"], call["params"])
            except LookupError as error:
                answer["error"] = {"message": str(error)}
            self.answer(json.dumps(answer).encode())

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            server.downloaded.append(name)
            content = server.file(name)
            if content is None:
                self.send_error(404)
            else:
                self.answer(content, len(content) // (2 if name in server.broken_off else 1))

        def answer(self, content: bytes, sent: int | None = None) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:sent])

    return Handler


@dataclass
class Running:
    """A server that answers until it is stopped."""

    server: Server
    http: ThreadingHTTPServer
    thread: threading.Thread

    def stop(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "localhost")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Where the cache is to be; nothing is there yet."""
    path = tmp_path / "cache"
    monkeypatch.setenv("CRDS_PATH", str(path))
    return path


@pytest.fixture
def running(monkeypatch) -> Iterator[Running]:
    server = Server()
    http = ThreadingHTTPServer(("localhost", 0), handler(server))
    server.url = f"http://localhost:{http.server_port}"
    monkeypatch.setenv("CRDS_SERVER_URL", server.url)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    found = Running(server, http, thread)
    yield found
    found.stop()


@pytest.fixture
def server(running) -> Server:
    return running.server


def files_in(cache: Path) -> set[str]:
    """Names of rule files and reference files, and whatever else should not be there."""
    config = {"server_config"}
    return {path.name for path in cache.rglob("*") if path.is_file()} - config


def fill(cache: Path, names: set[str], server: Server | None = None) -> None:
    server = server or Server()
    for name in names:
        kind = "mappings/roman" if name in server.mappings else "references/roman/wfi"
        path = cache / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((server.mappings | server.references)[name])


def failure(reftype: str = "flat", context: str | None = None) -> str:
    with pytest.raises(RuleFileError) as caught:
        open_store(None, context).find(reftype, KEYS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- without the client, or without a server


@pytest.fixture(params=["no client", "a directory called crds", "no server", "serverless"])
def _not_wanted(request, monkeypatch):
    url, spec = "http://localhost:1", ModuleSpec("crds", None, origin="crds/__init__.py")
    if request.param == "no client":
        spec = None
    elif request.param == "a directory called crds":
        spec = ModuleSpec("crds", None, is_package=True)
    elif request.param == "no server":
        url = ""
    else:
        url = "https://crds-serverless-mode.stsci.edu"
    monkeypatch.setenv("CRDS_SERVER_URL", url)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(fetch.subprocess, "run", lambda *a, **k: pytest.fail("it was tried"))


@pytest.mark.usefixtures("_not_wanted")
@pytest.mark.parametrize(
    ("there", "missing", "place"),
    [
        (set(), PMAP, "mappings/roman"),
        ({PMAP}, IMAP, "mappings/roman"),
        ({PMAP, IMAP}, FLAT_RMAP, "mappings/roman"),
        ({PMAP, IMAP, FLAT_RMAP}, FLAT, "references/roman/wfi"),
    ],
)
def test_a_missing_file_is_named_with_its_place_and_how_to_get_it(cache, there, missing, place):
    fill(cache, there)
    message = failure(context=PMAP)
    assert f"{missing} " in message
    assert f"in {cache / place} " in message
    assert "copy it there from a machine that has it" in message
    assert "pip install 'romancal-rs[crds]'" in message
    assert "set CRDS_SERVER_URL" in message


@pytest.fixture
def _not_tried(monkeypatch):
    monkeypatch.setenv("CRDS_SERVER_URL", "http://localhost:1")
    monkeypatch.setattr(Fetcher, "if_wanted", Fetcher)
    monkeypatch.setattr(fetch.subprocess, "run", lambda *a, **k: pytest.fail("it was tried"))


@pytest.mark.usefixtures("_not_tried")
def test_nothing_is_asked_where_nothing_is_missing(cache):
    fill(cache, {*RULES, FLAT})
    match = open_store(None, PMAP).find("flat", KEYS)
    assert match.reference == cache / "references" / "roman" / "wfi" / FLAT


@pytest.mark.usefixtures("_not_tried")
@pytest.mark.parametrize(
    ("there", "missing"), [(set(), PMAP), ({PMAP}, PMAP), ({PMAP, IMAP, FLAT_RMAP}, FLAT)]
)
def test_a_cache_that_is_read_only_by_decree_is_not_fetched_into(
    cache, monkeypatch, there, missing
):
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    fill(cache, there)
    message = failure(context=PMAP)
    assert missing in message
    assert "from http://localhost:1 into" in message
    assert "CRDS_READONLY_CACHE is set" in message
    assert files_in(cache) == there


@pytest.mark.usefixtures("_not_tried")
def test_a_directory_that_cannot_be_written_is_named(cache):
    fill(cache, RULES)
    (cache / "references").write_text("in the way")
    assert failure(context=PMAP).endswith(f": {cache / 'references'} is not a directory")


@pytest.mark.usefixtures("_not_tried")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_directory_without_the_right_to_write_is_named(cache):
    fill(cache, RULES)
    cache.chmod(0o555)
    try:
        assert failure(context=PMAP).endswith(f": {cache} is not writable")
    finally:
        cache.chmod(0o755)


@pytest.mark.usefixtures("_not_tried")
def test_the_latest_context_of_a_read_only_cache_is_its_own(cache, monkeypatch):
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    fill(cache, {*RULES, FLAT})
    config = cache / "config" / "roman"
    config.mkdir(parents=True)
    (config / "server_config").write_text(repr({"latest_context": PMAP}))
    assert open_store().find("flat", KEYS).context == PMAP


def test_a_client_that_breaks_down_is_an_error_of_one_line(cache, tmp_path, monkeypatch):
    script = tmp_path / "broken.py"
    script.write_text("print('noise')\nraise SystemError('out of\\tluck')\n")
    monkeypatch.setattr(fetch, "_CLIENT", script)
    monkeypatch.setattr(Fetcher, "if_wanted", Fetcher)
    monkeypatch.setenv("CRDS_SERVER_URL", "http://localhost:1")
    message = failure(context=PMAP)
    assert message.endswith("SystemError: out of\tluck")
    assert not cache.exists()


# --- with both


@needs_client
def test_an_empty_cache_is_filled_with_what_is_needed_and_then_needs_no_server(
    cache, running, caplog
):
    first = open_store().find("flat", KEYS)
    assert first.context == PMAP
    assert first.reference == cache / "references" / "roman" / "wfi" / FLAT
    assert first.reference.read_bytes() == b"flat" * 1000
    assert files_in(cache) == {*RULES, FLAT}
    assert {path.name for path in (cache / "mappings" / "roman").iterdir()} == RULES
    assert running.server.downloaded.count(FLAT) == 1
    assert not caplog.records

    running.stop()
    second = open_store().find("flat", KEYS)
    assert (second.reference, second.context) == (first.reference, PMAP)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "Connection refused" in record.message
    assert "the latest context that the cache knows is used" in record.message


@needs_client
def test_with_a_context_by_name_a_full_cache_asks_nothing(cache, server):
    open_store(None, PMAP).find("flat", KEYS)
    server.asked.clear()
    server.downloaded.clear()
    open_store(None, PMAP).find("flat", KEYS)
    assert server.asked == server.downloaded == []


@needs_client
@pytest.mark.parametrize("asked", ["latest", None])
def test_a_new_latest_context_is_followed_and_old_files_are_kept(cache, server, asked):
    open_store(None, asked).find("flat", KEYS)
    server.downloaded.clear()
    server.mappings["roman_0002.pmap"] = context("roman_0002.pmap")
    server.latest = "roman_0002.pmap"
    assert open_store(None, asked).find("flat", KEYS).context == "roman_0002.pmap"
    assert server.downloaded == ["roman_0002.pmap"]


@needs_client
def test_the_variable_names_the_context(cache, server, monkeypatch):
    server.mappings["roman_0002.pmap"] = context("roman_0002.pmap")
    monkeypatch.setenv("CRDS_CONTEXT", "roman_0002.pmap")
    assert open_store().find("flat", KEYS).context == "roman_0002.pmap"
    assert PMAP not in files_in(cache)


@needs_client
@pytest.mark.parametrize("missing", [IMAP, FLAT_RMAP])
def test_a_rule_file_that_is_missing_alone_is_fetched_alone(cache, server, missing):
    fill(cache, {*RULES, FLAT} - {missing}, server)
    open_store(None, PMAP).find("flat", KEYS)
    assert server.downloaded == [missing]


@needs_client
@pytest.mark.parametrize("name", [FLAT, FLAT_RMAP])
@pytest.mark.parametrize("damage", ["other content", "cut off", "too long"])
def test_a_damaged_download_is_an_error_and_leaves_nothing(
    cache, server, monkeypatch, name, damage
):
    # Not even if the client were told to be careless.
    monkeypatch.setenv("CRDS_DOWNLOAD_CHECKSUMS", "0")
    monkeypatch.setenv("CRDS_DOWNLOAD_LENGTHS", "0")
    fill(cache, RULES - {name}, server)
    whole = server.file(name)
    server.sent[name] = {
        "other content": b"x" + whole[1:],
        "cut off": whole[:-10],
        "too long": whole + b"x",
    }[damage]
    message = failure(context=PMAP)
    assert f"from {server.url} into {cache}" in message
    assert name in message
    assert "does not match server" in message
    assert files_in(cache) == RULES - {name}
    assert not [path for path in cache.parent.rglob(".*")]


@needs_client
def test_a_connection_that_ends_early_leaves_nothing(cache, server):
    fill(cache, RULES, server)
    server.broken_off.add(FLAT)
    message = failure(context=PMAP)
    assert f"cannot fetch {FLAT} from {server.url}" in message
    assert files_in(cache) == RULES


@needs_client
@pytest.mark.parametrize("wanted", [None, PMAP])
def test_a_server_that_is_not_there_is_an_error_of_one_line_at_once(cache, monkeypatch, wanted):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        url = f"http://localhost:{free.getsockname()[1]}"
    monkeypatch.setenv("CRDS_SERVER_URL", url)
    message = failure(context=wanted)
    assert "latest context" in message if wanted is None else PMAP in message
    assert f"from {url} into {cache}" in message
    assert message.endswith("Connection refused")
    assert not cache.exists()


@needs_client
def test_a_server_that_keeps_silent_is_given_up(cache, server, monkeypatch):
    monkeypatch.setenv("CRDS_CLIENT_TIMEOUT_SECONDS", "1")
    server.silent = threading.Event()
    message = failure(context=PMAP)  # while the server is still silent
    server.silent.set()
    assert message.endswith("timed out")


@needs_client
def test_a_file_the_server_does_not_know(cache, server):
    fill(cache, RULES, server)
    del server.references[FLAT]
    message = failure(context=PMAP)
    assert f"cannot fetch {FLAT} from {server.url} into {cache}" in message
    assert message.endswith("file is not known to CRDS server.")
    assert files_in(cache) == RULES


@needs_client
def test_a_file_the_server_knows_but_lacks(cache, server):
    fill(cache, RULES, server)
    server.not_found.add(FLAT)
    message = failure(context=PMAP)
    assert f"cannot fetch {FLAT} from {server.url} into {cache}" in message
    assert message.endswith("Not Found")
    assert files_in(cache) == RULES


@needs_client
def test_a_context_the_server_does_not_know(cache, server):
    message = failure(context="roman_0009.pmap")
    assert f"cannot fetch the rules of roman_0009.pmap from {server.url}" in message
    assert message.endswith("no context roman_0009.pmap")


@needs_client
@pytest.mark.parametrize("name", ["../../../out.pmap", "{tmp}/out.pmap", "out.asdf", ".out.rmap"])
def test_names_that_lead_elsewhere_are_refused(cache, server, tmp_path, name):
    name = name.format(tmp=tmp_path)
    server.named = [*RULES, name]
    server.mappings[Path(name).name] = server.mappings[name] = b"x"
    assert f"{name!r} is not a plain file name" in failure(context=PMAP)
    assert not [path for path in tmp_path.rglob("*out.*")]


@needs_client
def test_a_server_of_another_telescope_is_refused(cache, server):
    server.observatory = "jwst"
    assert failure(context=PMAP).endswith("it serves jwst, not roman")


@needs_client
def test_what_the_server_has_withdrawn_since_is_not_used(cache, server):
    config = cache / "config" / "roman"
    config.mkdir(parents=True)
    (config / "server_config").write_text(repr({"latest_context": PMAP, "bad_files_list": []}))
    fill(cache, {*RULES, FLAT} - {FLAT_RMAP}, server)
    server.withdrawn = [FLAT]
    # The pipeline map is read with the old list; the new one comes with the rules of the type.
    assert f"{FLAT}: this reference was withdrawn" in failure(context=PMAP)


@needs_client
@pytest.mark.parametrize(("layout", "place"), [("flat", ""), ("instrument", "wfi")])
def test_references_go_where_the_layout_has_them(cache, server, layout, place):
    config = cache / "config" / "roman"
    config.mkdir(parents=True)
    (config / "ref_cache_subdir_mode").write_text(layout)
    fill(cache, RULES, server)
    reference = open_store(None, PMAP).find("flat", KEYS).reference
    assert reference == cache / "references" / "roman" / place / FLAT
    assert (config / "ref_cache_subdir_mode").read_text() == layout


@needs_client
def test_a_flat_cache_that_does_not_say_so_stays_flat(cache, server):
    references = cache / "references" / "roman"
    references.mkdir(parents=True)
    (references / DARK).write_bytes(b"dark")
    fill(cache, RULES, server)
    assert open_store(None, PMAP).find("flat", KEYS).reference == references / FLAT


@needs_client
def test_the_cache_that_was_named_is_filled_not_that_of_the_environment(cache, server, tmp_path):
    named = tmp_path / "named"
    (named / "mappings" / "roman").mkdir(parents=True)
    reference = open_store(named).find("flat", KEYS).reference
    assert reference == named / "references" / "roman" / "wfi" / FLAT
    assert not cache.exists()


@needs_client
def test_the_parts_of_a_cache_may_lie_apart(cache, server, tmp_path, monkeypatch):
    parts = {name: tmp_path / name for name in ("MAPPATH_SINGLE", "REFPATH_SINGLE", "CFGPATH")}
    for name, path in parts.items():
        monkeypatch.setenv(f"CRDS_{name}", str(path))
    open_store().find("flat", KEYS)
    assert {path.name for path in (tmp_path / "MAPPATH_SINGLE").iterdir()} == RULES
    assert (tmp_path / "REFPATH_SINGLE" / "wfi" / FLAT).is_file()
    assert (tmp_path / "CFGPATH" / "roman" / "server_config").is_file()
    assert not cache.exists()


@needs_client
def test_the_client_reads_the_cache_afterwards(cache, running):
    """Without a network it finds the same file, by the same context."""
    reference = open_store().find("flat", KEYS).reference
    running.stop()
    header = {
        "ROMAN.META.INSTRUMENT.NAME": "WFI",
        DETECTOR[0]: "WFI07",
        START[0]: "2027-06-01 12:00:00",
    }
    script = f"""
import crds
print(crds.getreferences({header}, reftypes=["flat"], observatory="roman"))
"""
    environment = {**os.environ, "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == repr({"flat": str(reference)}), done.stderr
    assert CrdsCache.at(cache).resolve_context() == PMAP
