"""Servers that tests of batches talk to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_servers import BUCKET, CutLine, WebServer, ask_s3, s3_server, web_server

from romancal_rs.batch import heads, remote, supervise


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        ask_s3(f"{url}/{BUCKET}", "PUT")
        yield url


@pytest.fixture
def s3(s3_url, monkeypatch) -> Iterator[str]:
    """The server is that of the user, who has credentials."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    remote.close()
    yield s3_url
    remote.close()


@pytest.fixture
def line(s3, monkeypatch) -> Iterator[CutLine]:
    """The server is at the other end of a line."""
    line = CutLine(s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", line.url)
    remote.close()
    yield line
    line.close()


@pytest.fixture
def web(tmp_path) -> Iterator[WebServer]:
    directory = tmp_path / "served"
    directory.mkdir()
    with web_server(directory) as server:
        yield server
    remote.close()


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Path:
    """The scratch directory of the user; what fails is tried again at once."""
    monkeypatch.setenv(remote.SCRATCH_VARIABLE, str(tmp_path / "scratch"))
    monkeypatch.setattr(supervise, "_BACKOFF", 0.01)
    monkeypatch.setattr(heads, "_PAUSES_S", (0.01, 0.01))
    return tmp_path / "scratch"


@pytest.fixture
def folder(request, s3, scratch) -> str:
    """A folder on S3 of a test's own."""
    return f"s3://{BUCKET}/{re.sub('[^a-z0-9]+', '-', request.node.name.lower())}"
