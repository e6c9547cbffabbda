"""Batches whose exposures, references and products lie on S3 and on web servers."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from pathlib import Path

import pytest
from batch.many import Many, alone, differences
from batch.remote_files import copies_in, fetched, key_of, names_in, put
from product_content import content
from remote_servers import ask_s3

from romancal_rs import cli, datamodels
from romancal_rs._asdf_blocks import head_digest
from romancal_rs.batch import Kind, calibrate_all, pins, remote
from romancal_rs.batch.pins import PinnedStore
from romancal_rs.batch.worker import Chunk, Job, Task, calibrate_chunk, close_worker
from romancal_rs.references import ReferenceFileError
from romancal_rs.stpipe.provenance import reproduction

#: What a product names otherwise that was made of other places.
PLACES = re.compile(
    r"meta\.cal_logs\..*|meta\.cal_runs\.0\."
    r"(inputs\.0\.(path|version)|references\..*\.path|(parameters|roles)\.references)"
)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Many:
    """Two detectors with two exposures each."""
    made = Many.make(tmp_path_factory.mktemp("many"), detectors=2)
    made.fill(2)
    return made


def logs_of(model: object) -> list[str]:
    """The log of a product, without times and directories."""
    lines = (line for name, line in content(model).items() if name.startswith("meta.cal_logs."))
    return [re.sub(r"\S*/", "", str(line)) for line in lines]


def paths_of(node: object) -> list[str]:
    """All values of ``path`` in a tree."""
    if not isinstance(node, dict):
        return []
    own = [node["path"]] if "path" in node else []
    return [*own, *(path for value in node.values() for path in paths_of(value))]


class TestWhereverFilesLie:
    def test_products_on_s3_are_those_of_a_local_run(self, many, folder, s3, scratch, tmp_path):
        raw = put(many.raw.glob("*.asdf"), f"{folder}/raw", s3)
        refs = put(many.references.glob("*.asdf"), f"{folder}/refs", s3)
        to = f"{folder}/out"
        common = {"to": to + "/", "references": refs, "engine": "serial", "state": tmp_path / "s"}
        outcomes = list(calibrate_all(raw, **common))
        assert [(one.kind, one.message) for one in outcomes] == [(Kind.DONE, "")] * 4
        names = [path.name.replace("_uncal", "") for path in sorted(many.raw.iterdir())]
        both = [name.replace(".asdf", f"_{kind}.asdf") for name in names for kind in ("cal", "wcs")]
        assert names_in(to) == both
        # Neither exposures nor products stay; references do.
        assert copies_in(scratch) <= {path.name for path in many.references.iterdir()}
        for outcome in outcomes:
            assert outcome.product.rpartition("/")[0] == to
            stat = remote.describe(outcome.product)
            assert (outcome.product_stamp, outcome.product_version) == ([stat.size], stat.etag)
        first = outcomes[0]
        local = many.raw / remote.name_of(first.input)
        product = fetched(first.product, tmp_path)
        single = alone(local, many.references, tmp_path / "alone")
        others = [name for name in differences(product, single) if not PLACES.fullmatch(name)]
        assert others == []
        with datamodels.open(product) as one, datamodels.open(single) as other:
            record = one.meta.cal_runs[-1].copy()
            (made_of,) = record["inputs"]
            same = other.meta.cal_runs[-1].copy()["inputs"][0]
            assert made_of["path"] == first.input
            assert made_of["version"] == first.head_sha256
            assert made_of["head_sha256"] == same["head_sha256"]
            assert {path.rpartition("/")[0] + "/" for path in paths_of(record["references"])} == {
                refs
            }
            logs = [
                [
                    re.sub(r"\S*/", "", line)
                    for name, line in content(model).items()
                    if "logs" in name
                ]
                for model in (one, other)
            ]
            assert logs[0] == logs[1]

    def test_what_is_current_is_known_by_records_and_by_the_products(
        self, many, folder, s3, tmp_path
    ):
        raw = put(many.raw.glob("*wfi01*"), f"{folder}/raw", s3)
        common = {"to": f"{folder}/out", "references": many.references, "engine": "serial"}
        outcomes = list(calibrate_all(raw, state=tmp_path / "one", **common))

        def selected(state: str = "one", sources: object = raw) -> str:
            return str(calibrate_all(sources, state=tmp_path / state, **common).remaining)

        assert selected() == "2 current, 0 new"
        assert selected("another") == "2 current, 0 new"  # which has no records
        # The same files on this disk are the same exposures: their heads say so.
        assert selected("another", sorted(many.raw.glob("*wfi01*"))) == "2 current, 0 new"
        remote.remove(outcomes[0].product)
        assert selected() == "1 current, 1 new"
        ask_s3(f"{s3}/{outcomes[1].product.removeprefix('s3://')}", "PUT", b"something else")
        assert selected() == "0 current, 1 new, 1 would be redone: product"
        list(calibrate_all(raw, state=tmp_path / "one", **common))
        other = next(many.raw.glob("*_0001_wfi01*")).read_bytes()
        ask_s3(f"{s3}/{outcomes[1].input.removeprefix('s3://')}", "PUT", other)
        assert selected() == "1 current, 0 new, 1 would be redone: input"

    def test_exposures_of_the_web_with_references_and_products_here(
        self, many, web, scratch, tmp_path
    ):
        inputs = sorted(many.raw.glob("*wfi01*"))
        for path in inputs:
            shutil.copy(path, web.directory)
        urls = [f"{web.url}/{path.name}?token=a/b" for path in inputs]
        batch = calibrate_all(urls, tmp_path / "out", references=many.references, engine="serial")
        assert all(wanted for _, wanted in web.requests)  # no whole file is asked for
        outcomes = list(batch)
        assert [one.kind for one in outcomes] == [Kind.DONE] * 2
        assert sum(wanted is None for _, wanted in web.requests) == 2
        assert copies_in(scratch) == set()
        for path, outcome in zip(inputs, outcomes, strict=True):
            single = alone(path, many.references, tmp_path / "alone")
            product = Path(outcome.product)
            assert product.name == single.name
            assert [n for n in differences(product, single) if not PLACES.fullmatch(n)] == []
            with datamodels.open(product) as model:
                (made_of,) = model.meta.cal_runs[-1].copy()["inputs"]
            assert made_of["path"] == f"{web.url}/{path.name}"  # without what may be a secret

    def test_a_plan_reads_of_a_large_exposure_only_what_it_says_of_itself(
        self, many, web, scratch, tmp_path
    ):
        """Arrays of 40 MB, which take a block each."""
        path = next(many.raw.glob("*_0001_wfi01*"))
        with datamodels.open(path) as model:
            raw = model.copy_for_change(())
            raw.data = raw.data.repeat(12, axis=1).repeat(12, axis=2).repeat(10, axis=0)
            raw.save(web.directory / path.name, compression=None)
        size = (web.directory / path.name).stat().st_size
        local = tmp_path / "outline.asdf"
        stat = remote.fetch_outline(f"{web.url}/{path.name}", local)
        assert stat.size == local.stat().st_size == size > 40_000_000
        asked = [tuple(map(int, re.findall(r"\d+", wanted))) for _, wanted in web.requests]
        assert sum(stop - start + 1 for start, stop in asked) < 500_000
        assert head_digest(local) == head_digest(web.directory / path.name)

    def test_the_next_exposure_is_fetched_while_one_is_calibrated(
        self, many, web, scratch, tmp_path
    ):
        inputs = sorted(many.raw.glob("*wfi01*"))
        for path in inputs:
            shutil.copy(path, web.directory)
        batch = calibrate_all(
            [f"{web.url}/{path.name}" for path in inputs],
            tmp_path / "out",
            references=many.references,
            parameters={"pre_hooks": ["batch.test_remote_batch.wait_for_the_next"]},
            engine="serial",
        )
        tasks = tuple(
            Task(exposure, batch.plan.sets[exposure.references]) for exposure in batch.exposures
        )
        job = Job(batch.plan.settings, str(batch.directory.path), may_exit=False)
        try:
            result = calibrate_chunk(job, Chunk(1, tasks))
        finally:
            close_worker()
        assert [(one.kind, one.message) for one in result.outcomes] == [(Kind.DONE, "")] * 2

    def test_worker_processes_share_what_they_fetch(self, many, folder, s3, scratch, tmp_path):
        pytest.importorskip("pebble")
        raw = put(many.raw.glob("*.asdf"), f"{folder}/raw", s3)
        refs = put(many.references.glob("*.asdf"), f"{folder}/refs", s3)
        batch = calibrate_all(
            raw,
            f"{folder}/out",
            references=refs,
            workers=2,
            state=tmp_path / "state",
            scratch=tmp_path / "other",
        )
        assert [(one.kind, one.message) for one in batch] == [(Kind.DONE, "")] * 4
        assert len(names_in(f"{folder}/out")) == 8
        assert copies_in(tmp_path / "other") <= {path.name for path in many.references.iterdir()}
        assert not scratch.exists()


def wait_for_the_next(*args: object) -> None:
    """A pre-hook of the first exposure: waits until the second one is there."""
    path, end = Path(str(args[0])), time.monotonic() + 60
    if "_0001_" not in path.name:
        return
    other = path.name.replace("_0001_", "_0002_")
    while other not in copies_in(path.parents[1]):
        assert time.monotonic() < end, "the next exposure was not fetched meanwhile"
        time.sleep(0.01)


class TestReferences:
    @pytest.fixture
    def refs(self, many, folder, s3) -> str:
        return put(many.references.glob("*.asdf"), f"{folder}/refs", s3)

    @pytest.fixture
    def common(self, refs, tmp_path, many) -> dict:
        """One exposure."""
        return {
            "sources": next(many.raw.glob("*_0001_wfi01*")),
            "to": tmp_path / "out",
            "references": refs,
            "engine": "serial",
        }

    def test_pins_name_the_url_the_version_and_the_content(self, many, refs, common):
        (reference_set,) = calibrate_all(**common).plan.sets.values()
        pinned = [pin for pin in reference_set.pins if pin.sha256]
        assert len(pinned) > 8
        for pin in pinned:
            local = many.references / remote.name_of(pin.path)
            assert pin.path == refs + local.name
            assert pin.sha256 == hashlib.sha256(local.read_bytes()).hexdigest()
            assert pin.version == hashlib.md5(local.read_bytes()).hexdigest()
            assert pin.stamp == (local.stat().st_size,)

    def test_a_product_does_not_depend_on_where_references_lie(self, many, common):
        (made,) = calibrate_all(**common)
        assert made.kind is Kind.DONE
        local = {**common, "references": many.references}
        assert str(calibrate_all(**local).remaining) == "1 current, 0 new"
        assert str(calibrate_all(**common).remaining) == "1 current, 0 new"
        with datamodels.open(made.product) as model:
            assert model.meta.ref_file.dark == made.references["dark"]
        told = reproduction(made.product).missing
        dark = common["references"] + made.references["dark"]
        assert f"DARK {dark}: not on this machine" in told

    def test_one_that_changed_since_the_plan_is_told(self, s3, common):
        batch = calibrate_all(**common)
        dark = pin_of(batch, "dark").path
        ask_s3(key_of(s3, dark), "PUT", b"another")
        (outcome,) = batch
        assert outcome.kind is Kind.BAD_REFERENCE
        assert outcome.message == (
            f"DARK {dark}: changed since the plan was made; make the plan again"
        )

    def test_one_that_is_gone_since_the_plan_is_told(self, common):
        batch = calibrate_all(**common)
        dark = pin_of(batch, "dark").path
        remote.remove(dark)
        (outcome,) = batch
        assert outcome.kind is Kind.BAD_REFERENCE
        assert outcome.message.startswith(f"DARK {dark}: gone since the plan was made")

    def test_another_version_is_compared_by_its_content(self, s3, common, scratch, monkeypatch):
        (reference_set,) = calibrate_all(**common).plan.sets.values()
        store = PinnedStore(reference_set, remote.Scratch())
        store.check()
        dark = next(pin for pin in reference_set.pins if pin.reftype == "dark")
        data = ask_s3(key_of(s3, dark.path))
        # Uploaded in pieces, its ETag is another one.
        put_in_a_piece(key_of(s3, dark.path), data)
        assert remote.describe(dark.path).etag != dark.version
        monkeypatch.setattr(pins, "_GRANTED_S", 0.0)
        store.check()
        ask_s3(key_of(s3, dark.path), "PUT", data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(ReferenceFileError, match=rf"DARK {dark.path}: changed since the plan"):
            store.check()
        store.release()

    def test_the_server_is_not_asked_for_each_exposure(self, common, monkeypatch):
        (reference_set,) = calibrate_all(**common).plan.sets.values()
        asked = []
        describe = remote.describe
        monkeypatch.setattr(remote, "describe", lambda url: asked.append(url) or describe(url))
        store = PinnedStore(reference_set, remote.Scratch())
        for _ in range(3):
            store.check()
        store.release()
        assert len(asked) == len(set(asked)) == sum(bool(pin.sha256) for pin in reference_set.pins)

    def test_what_is_not_used_goes_where_there_is_a_limit(self, many, refs, scratch, tmp_path):
        sources = [next(many.raw.glob(f"*_0001_{name}*")) for name in ("wfi01", "wfi02")]
        common = {"references": refs, "engine": "serial", "scratch_limit": 1}
        batch = calibrate_all(sources, tmp_path / "out", **common)
        used = [
            {remote.name_of(pin.path) for pin in reference_set.pins if pin.sha256}
            for reference_set in batch.plan.sets.values()
        ]
        assert [one.kind for one in batch] == [Kind.DONE] * 2
        assert copies_in(scratch) <= used[1]

    def test_a_folder_that_is_not_there(self, common):
        with pytest.raises(ReferenceFileError) as caught:
            calibrate_all(**{**common, "references": "s3://nowhere/refs/"})
        assert str(caught.value).startswith("references: s3://nowhere/refs/: there is no bucket")


def pin_of(batch, reftype: str):
    (reference_set,) = batch.plan.sets.values()
    return next(pin for pin in reference_set.pins if pin.reftype == reftype)


def put_in_a_piece(key: str, data: bytes) -> None:
    """Uploads an object as programs do with large ones."""
    begun = ask_s3(f"{key}?uploads", "POST", b"").decode()
    upload = re.search("<UploadId>(.*)</UploadId>", begun)
    assert upload is not None
    ask_s3(f"{key}?partNumber=1&uploadId={upload[1]}", "PUT", data)
    part = f"<Part><PartNumber>1</PartNumber><ETag>{hashlib.md5(data).hexdigest()}</ETag></Part>"
    whole = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    ask_s3(f"{key}?uploadId={upload[1]}", "POST", whole.encode())


class TestCommands:
    """The command line, where products go to S3."""

    @pytest.fixture
    def words(self, many, folder, s3, tmp_path) -> list[str]:
        raw = put(many.raw.glob("*wfi01*"), f"{folder}/raw", s3)
        refs = put(many.references.glob("*.asdf"), f"{folder}/refs", s3)
        return [raw, "--to", f"{folder}/out/", "--state", str(tmp_path / "s"), "--references", refs]

    def test_run_status_and_report(self, words, folder, tmp_path, capsys):
        asked = [f"{folder}/out", "--state", str(tmp_path / "s")]
        assert cli.main(["batch", "plan", *words]) == 0
        assert "2 new" in capsys.readouterr().out
        assert cli.main(["batch", "status", *asked]) == 75
        run = ["batch", "run", *words, "--engine=serial", "--associations"]
        assert cli.main(run) == 0
        told = capsys.readouterr().out
        assert "2 new" in told
        assert cli.main(["batch", "status", *asked]) == 0
        assert "2 exposures: 2 good" in capsys.readouterr().out
        assert cli.main(["batch", "report", *asked, "--check"]) == 0
        # Without a source: what is left of the plan.
        assert cli.main(["batch", "run", *words[1:5], "--engine=serial"]) == 0
        assert "2 current" in capsys.readouterr().out
        products = [name for name in names_in(f"{folder}/out") if name.endswith("_cal.asdf")]
        remote.remove(f"{folder}/out/{products[0]}")
        (tmp_path / "x").write_bytes(b"x")
        remote.upload(tmp_path / "x", f"{folder}/out/{products[1]}")
        assert cli.main(["batch", "report", *asked, "--check"]) == 1
        (report,) = (tmp_path / "s").glob("*/report.json")
        found = json.loads(report.read_text())["contradictions"]
        assert {remote.name_of(one["product"]): one["what"] for one in found} == {
            products[0]: "missing",
            products[1]: "not the file that was made",
        }

    def test_associations_lie_beside_the_products_and_name_their_neighbours(
        self, words, folder, tmp_path
    ):
        assert cli.main(["batch", "run", *words, "--engine=serial", "--associations"]) == 0
        names = names_in(f"{folder}/out")
        associations = [name for name in names if name.endswith("_asn.json")]
        assert len(associations) == 2  # one for each exposure
        for name in associations:
            tree = json.loads(fetched(f"{folder}/out/{name}", tmp_path).read_text())
            (member,) = tree["products"][0]["members"]
            assert member["expname"] in names

    def test_a_plan_needs_a_place_for_records(self, words, capsys):
        assert cli.main(["batch", "run", words[0], *words[1:3], "--references", words[-1]]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "name one by --state" in said
