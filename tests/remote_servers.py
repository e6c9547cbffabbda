"""Servers on the loopback that tests talk to: S3, the web, and a line that is cut."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from romancal_rs.batch.outcome import Kind, kind_of_error

#: The bucket that the S3 server has from the start.
BUCKET = "survey"

_MOTO = """
import logging, sys
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server in a separate process; its URL."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _MOTO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.terminate()


def ask_s3(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> bytes:
    """Asks an S3 server for what this package has no use for; it does not look at signatures."""
    scope = "Credential=key/20270101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    headers |= {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
    headers |= {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


class WebServer(ThreadingHTTPServer):
    """Serves the files of a directory, by ranges; and what tests want it to do.

    Attributes
    ----------
    requests : list of (str, str or None)
        Path and range of each request so far.
    knows_ranges : bool
    status : int or None
        Answers every request by this.
    answer : bytes
        Goes with the status.
    cut_after : int or None
        Bytes of a body after which the connection is reset.
    is_silent : bool
        Leaves every request without an answer.
    """

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self.requests: list[tuple[str, str | None]] = []
        self.knows_ranges = True
        self.status: int | None = None
        self.answer = b""
        self.cut_after: int | None = None
        self.is_silent = False
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are no news."""


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        if server.is_silent:
            server.released.wait(30)
            self.close_connection = True
            return
        if server.status is not None:
            self._send(server.status, server.answer, {"Content-Type": "application/xml"})
            return
        path = server.directory / unquote(self.path.partition("?")[0]).lstrip("/")
        if not path.is_file():
            self._send(404, b"", {})
            return
        data = path.read_bytes()
        headers = {"ETag": f'"{len(data)}-{path.stat().st_mtime_ns}"'}
        if "Range" not in self.headers or not server.knows_ranges:
            self._send(200, data, headers)
            return
        start, stop = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        if start >= len(data):
            self._send(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
            return
        part = data[start : stop + 1]
        whole = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
        self._send(206, part, {**headers, "Content-Range": whole})

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.server.cut_after
        if cut is None or len(data) <= cut:
            self.wfile.write(data)
            return
        self.wfile.write(data[:cut])
        _reset(self.connection)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextlib.contextmanager
def web_server(directory: Path) -> Iterator[WebServer]:
    """A web server in a thread."""
    with WebServer(directory) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


class CutLine:
    """A line to a server that is cut, once so many bytes went up, or down, in all.

    Attributes
    ----------
    up_left, down_left : int or None
        How many more may go; None for any number.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self._target = host, int(port)
        self.up_left: int | None = None
        self.down_left: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        # Only a shutdown wakes who waits for a connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for pair in self._pairs:
            for end in pair:
                _reset(end)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._pairs.append((client, server))
            for name, ends in (("up_left", (client, server)), ("down_left", (server, client))):
                threading.Thread(target=self._pump, args=(name, *ends), daemon=True).start()

    def _pump(self, name: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                left = getattr(self, name)
                if left is not None:
                    setattr(self, name, max(0, left - len(data)))
                    if len(data) > left:
                        sink.sendall(data[:left])
                        _reset(source)
                        break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _reset(connection: socket.socket) -> None:
    """Closes a connection as a host does that goes away."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def failure(kind: Kind, what) -> str:
    """The one line of an error of that class."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 (its class is what is tested)
        what()
    message = str(caught.value)
    assert kind_of_error(caught.value) is kind, message
    assert "\n" not in message
    return message
