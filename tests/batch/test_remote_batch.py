"""Batches whose exposures, references and products lie on S3 and on web servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch.many import Many, alone, differences
from remote_servers import BUCKET, ask_s3

from romancal_rs.batch import Kind, calibrate_all, remote


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Many:
    """One detector with three exposures."""
    made = Many.make(tmp_path_factory.mktemp("many"), detectors=1)
    made.fill(3)
    return made


@pytest.fixture
def folder(request, s3) -> str:
    """A folder on S3 of a test's own."""
    return f"s3://{BUCKET}/{request.node.name}"


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(remote.SCRATCH_VARIABLE, str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def put(files, folder: str, server: str) -> str:
    """Puts files to S3; the URL of their folder."""
    for path in files:
        ask_s3(f"{server}/{folder.removeprefix('s3://')}/{path.name}", "PUT", path.read_bytes())
    return folder + "/"


def names_in(folder: str) -> list[str]:
    try:
        return [url.rpartition("/")[2] for url, _ in remote.listed(folder + "/", "*")]
    except remote.RemoteNotFoundError:
        return []


def copies_in(scratch: Path) -> set[str]:
    """Files, but for what is kept of the heads of references."""
    found = {path for path in scratch.rglob("*") if path.is_file() and ".heads" not in path.parts}
    return {path.name for path in found} - {".lock", ".romancal-rs-digests.json"}


def test_all_on_s3(many, folder, s3, scratch, tmp_path):
    raw = put(many.raw.glob("*.asdf"), f"{folder}/raw", s3)
    refs = put(many.references.glob("*.asdf"), f"{folder}/refs", s3)
    arguments = {"to": f"{folder}/out/", "references": refs, "engine": "serial", "state": tmp_path / "state"}
    outcomes = list(calibrate_all(raw, **arguments))
    assert [(o.kind, o.message) for o in outcomes] == [(Kind.DONE, "")] * 3
    print(names_in(f"{folder}/out"), copies_in(scratch))
    print(outcomes[0])
    outcomes = list(calibrate_all(raw, **arguments))
    assert [(o.kind, o.message) for o in outcomes] == [(Kind.CURRENT, "")] * 3
    import shutil; shutil.rmtree(tmp_path / "state")
    b = calibrate_all(raw, **arguments)
    print(b.selection)
    assert 0
