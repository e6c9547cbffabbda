"""How batches fail on S3 and the web: in one line, leaving nothing half-written, tried again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from batch.many import Many
from batch.remote_files import assert_one_line, copies_in, fetched, key_of, names_in, put
from remote_servers import BUCKET, ask_s3

from romancal_rs import cli, datamodels
from romancal_rs.batch import Kind, calibrate_all, carry_out, remote
from romancal_rs.batch.outcome import TransientError
from romancal_rs.errors import InputError, RomancalError


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Many:
    """One exposure."""
    made = Many.make(tmp_path_factory.mktemp("many"), detectors=1)
    made.fill(1)
    return made


class TestFailures:
    @pytest.fixture
    def common(self, many, scratch, tmp_path) -> dict:
        return {
            "to": tmp_path / "out",
            "references": many.references,
            "engine": "serial",
            "state": tmp_path / "state",
        }

    @pytest.fixture
    def raw(self, many, folder, s3) -> str:
        """One exposure on S3."""
        return put(many.raw.glob("*_0001_wfi01*"), f"{folder}/raw", s3)

    # --- what is wrong, and stays so

    def test_a_wrong_bucket_of_exposures(self, common, s3):
        with pytest.raises(InputError) as caught:
            calibrate_all("s3://nowhere/raw/", **common)
        assert_one_line(str(caught.value), "s3://nowhere/raw/: there is no bucket nowhere")
        url = "s3://nowhere/raw/x_uncal.asdf"
        (outcome,) = calibrate_all(url, **common)
        assert outcome.kind is Kind.BAD_INPUT
        assert_one_line(outcome.message, f"{url}: there is no bucket nowhere")

    def test_an_exposure_that_is_not_there(self, common, raw):
        (outcome,) = calibrate_all(f"{raw}x_uncal.asdf", **common)
        assert outcome.kind is Kind.BAD_INPUT
        assert_one_line(outcome.message, f"{raw}x_uncal.asdf: there is no such object")

    def test_an_exposure_that_is_gone_since_the_plan(self, common, raw, scratch):
        batch = calibrate_all(raw, **common)
        remote.remove(batch.exposures[0].input)
        (outcome,) = batch
        assert outcome.kind is Kind.BAD_INPUT
        assert_one_line(outcome.message, f"{batch.exposures[0].input}: there is no such object")
        assert copies_in(scratch) == set()

    def test_an_exposure_that_is_cut_off_is_named_by_its_url(self, common, raw, s3, scratch):
        (url,) = remote.expand(raw)
        data = ask_s3(key_of(s3, url))
        ask_s3(key_of(s3, url), "PUT", data[: len(data) * 2 // 3])
        (outcome,) = calibrate_all(raw, **common)
        assert outcome.kind is Kind.BAD_INPUT
        assert_one_line(outcome.message, url)
        assert str(scratch) not in outcome.message
        assert copies_in(scratch) == set()

    @pytest.mark.parametrize("what", ["sources", "references", "to"])
    def test_no_credentials(self, many, common, monkeypatch, folder, what):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        remote.close()
        words = {"sources": many.raw, **common, what: f"{folder}/x/"}
        with pytest.raises(RomancalError) as caught:
            calibrate_all(**words)
        assert_one_line(str(caught.value), "no AWS credentials")

    @pytest.mark.parametrize("to", ["s3://nowhere/out", "https://h/out"])
    def test_a_wrong_destination_is_found_before_anything_else(
        self, many, to, s3, tmp_path, capsys
    ):
        words = ["batch", "run", str(many.raw), "--to", to, "--state", str(tmp_path / "state")]
        assert cli.main([*words, "--references", str(tmp_path)]) == 1
        said = capsys.readouterr().err
        assert_one_line(said.rstrip("\n"), to)
        assert not (tmp_path / "state").exists()

    def test_the_check_of_a_destination_leaves_nothing(self, folder, s3):
        remote.check_folder(f"{folder}/out")
        assert names_in(f"{folder}/out") == []
        # Those that other tests have cut off are none of its own.
        own = folder.removeprefix(f"s3://{BUCKET}/").encode()
        assert own not in ask_s3(f"{s3}/{BUCKET}?uploads")

    def test_a_destination_that_refuses_later_is_no_fault_of_the_exposure(
        self, many, common, folder, web, s3, monkeypatch, scratch
    ):
        source = next(many.raw.glob("*_0001_wfi01*"))
        batch = calibrate_all(source, **{**common, "to": f"{folder}/out"})
        monkeypatch.setattr(carry_out.Batch, "remaining", batch.remaining)
        web.status, web.answer = 403, b"<Error><Code>AccessDenied</Code></Error>"
        monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
        remote.close()
        (outcome,) = batch
        assert outcome.kind is Kind.FAILED
        assert_one_line(outcome.message, "the product cannot be written: s3://")
        assert outcome.attempts == 1
        assert copies_in(scratch) == set()

    # --- what may pass

    def test_a_connection_that_is_cut_while_an_exposure_is_fetched(
        self, common, raw, line, scratch
    ):
        batch = calibrate_all(raw, **common)
        line.down_left = 20_000
        (outcome,) = batch
        assert (outcome.kind, outcome.attempts) == (Kind.TRANSIENT, 3)
        assert_one_line(outcome.message, "s3://")
        assert copies_in(scratch) == set()
        assert not list(Path(common["to"]).glob("*.asdf"))
        line.down_left = None
        (outcome,) = calibrate_all(raw, **common)
        assert outcome.kind is Kind.DONE

    def test_a_connection_that_is_cut_while_a_reference_is_fetched(
        self, many, common, folder, line, s3, scratch
    ):
        refs = put(many.references.glob("*.asdf"), f"{folder}/refs", s3)
        source = next(many.raw.glob("*_0001_wfi01*"))
        batch = calibrate_all(source, **{**common, "references": refs})
        shutil.rmtree(scratch)  # as on another host
        line.down_left = 50_000
        (outcome,) = batch
        assert (outcome.kind, outcome.attempts) == (Kind.TRANSIENT, 3)
        assert_one_line(outcome.message, "s3://")
        assert not list(scratch.rglob("*.part*"))
        for path in (path for path in scratch.glob("[!.]*/*.asdf")):  # what came came whole
            assert path.read_bytes() == (many.references / path.name).read_bytes()

    def test_a_connection_that_is_cut_while_a_product_is_uploaded(
        self, many, common, folder, line, scratch
    ):
        source = next(many.raw.glob("*_0001_wfi01*"))
        common = {**common, "to": f"{folder}/out"}
        batch = calibrate_all(source, **common)
        assert len(batch.remaining.todo) == 1
        line.up_left = 60_000  # more than the first file, and less than both
        (outcome,) = batch
        assert (outcome.kind, outcome.attempts) == (Kind.TRANSIENT, 3)
        assert_one_line(outcome.message, "s3://")
        assert copies_in(scratch) == set()
        line.up_left = None
        there = names_in(f"{folder}/out")
        assert [name for name in there if not name.endswith("_wcs.asdf")] == []
        for name in there:
            with datamodels.open(fetched(f"{folder}/out/{name}", scratch.parent)):
                pass
        (outcome,) = calibrate_all(source, **common)
        assert (outcome.kind, outcome.attempts) == (Kind.DONE, 1)
        assert len(names_in(f"{folder}/out")) == 2

    def test_what_passes_is_done_the_second_time(self, many, common, folder, line):
        source = next(many.raw.glob("*_0001_wfi01*"))
        batch = calibrate_all(source, **{**common, "to": f"{folder}/out"})
        assert len(batch.remaining.todo) == 1
        line.up_left = 10_000
        batch.observer = lambda: setattr(line, "up_left", None)
        (outcome,) = batch
        assert (outcome.kind, outcome.attempts) == (Kind.DONE, 2)

    def test_a_server_that_has_too_much_to_do(self, many, common, web):
        path = next(many.raw.glob("*_0001_wfi01*"))
        shutil.copy(path, web.directory)
        url = f"{web.url}/{path.name}"
        batch = calibrate_all(url, **common)
        web.status = 503
        (outcome,) = batch
        assert (outcome.kind, outcome.attempts) == (Kind.TRANSIENT, 3)
        assert_one_line(outcome.message, f"{url}: the server has a problem (503")
        with pytest.raises(TransientError):
            calibrate_all(url, **common)

    def test_what_may_pass_has_a_status_of_its_own(self, many, common, line, folder, capsys):
        words = ["batch", "run", str(next(many.raw.glob("*_0001_wfi01*"))), "--engine=serial"]
        words += ["--to", f"{folder}/out", "--state", common["state"], "--references"]
        words = list(map(str, [*words, many.references]))
        line.up_left = 30_000  # enough to look, and too little for a product
        assert cli.main(words) == 75
        assert "1 transient" in capsys.readouterr().out
        line.up_left = 0
        assert cli.main(words) == 75
        assert_one_line(capsys.readouterr().err.rstrip("\n"), "s3://")
        line.up_left = None
        assert cli.main(words) == 0
