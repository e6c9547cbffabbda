"""Code runs only when asked for: opening a file never imports, calls or fetches what it names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile.asdf_parts import Asdf
from hostile.cases import Place, Sound
from hostile.watched import MARKER

WATCHED = Path(__file__).with_name("watched.py")
ASTROPY = "tag:astropy.org:astropy"
GWCS = "tag:stsci.edu:gwcs"

#: Values that name code, other files or addresses.
VALUES = {
    "python/object/apply": f"!!python/object/apply:{MARKER}.run [x]",
    "python/object/new": f"!!python/object/new:{MARKER}.Class [x]",
    "python/object": f"!!python/object:{MARKER}.Class {{a: 1}}",
    "python/name": f"!!python/name:{MARKER}.run ''",
    "python/module": f"!!python/module:{MARKER} ''",
    "external array": "!core/externalarray-1.0.0 {fileuri: elsewhere.asdf, target: data, "
    "datatype: int8, shape: [1]}",
    "array in a file": "!core/ndarray-1.1.0 {source: elsewhere.asdf, datatype: int8, "
    "byteorder: big, shape: [1]}",
    "array at an address": "!core/ndarray-1.1.0 {source: 'http://127.0.0.1:9/x.asdf', "
    "datatype: int8, byteorder: big, shape: [1]}",
    "$ref to a file": "{$ref: 'elsewhere.asdf#/a'}",
    "$ref to any file": "{$ref: 'file:///etc/passwd'}",
    "$ref to an address": "{$ref: 'http://127.0.0.1:9/x.asdf#/a'}",
    "a class of its own": f"!core/subclass_metadata-1.0.0 {{name: {MARKER}.Class}}",
    "an extension": "!core/extension_metadata-1.0.0 "
    f"{{extension_class: {MARKER}.Extension, software: {{name: x, version: '1'}}}}",
    "a unit": f"!unit/unit-1.0.0 \"__import__('{MARKER}')\"",
    "a unit of its own": f"!unit/defunit-1.0.0 {{name: {MARKER}.run, unit: null}}",
    "a quantity": f"!unit/quantity-1.2.0 {{value: 1.0, unit: \"{MARKER}.run('x')\"}}",
    "a quantity of an array elsewhere": "!unit/quantity-1.2.0 {unit: m, value: "
    "!core/ndarray-1.1.0 {source: elsewhere.asdf, datatype: int8, byteorder: big, shape: [1]}}",
    "a time": f"!time/time-1.4.0 {{value: x, format: {MARKER}.run}}",
    "a time of a format": f"!time/time-1.4.0 {{value: '2020', base_format: {MARKER}}}",
    "an equivalency": f"!<{ASTROPY}/units/equivalency-1.1.0> "
    f"[{{name: {MARKER}.run, kwargs_names: [], kwargs_values: []}}]",
    "a representation": f"!<{ASTROPY}/coordinates/representation-1.1.0> "
    f"{{type: {MARKER}.run, components: {{}}}}",
    "a frame": f"!<{ASTROPY}/coordinates/frames/baseframe-1.2.0> "
    f"{{attributes: {{}}, frame_attributes: {MARKER}}}",
    "a table": f"!<{ASTROPY}/table/table-1.2.0> {{colnames: [{MARKER}], columns: [5], "
    f"qtable: false, meta: {{serialized_class: {MARKER}.run}}}}",
    "a FITS file": "!<tag:astropy.org:astropy/fits/fits-1.0.0> [{header: [[A, x]], data: "
    "!core/ndarray-1.1.0 {source: elsewhere.asdf, datatype: int8, byteorder: big, shape: [1]}}]",
    "an uncertainty": f"!<{ASTROPY}/nddata/uncertainties-1.0.0> {{name: {MARKER}, array: [1]}}",
    "a function": f"!transform/math_functions-1.0.0 {{func_name: {MARKER}.run}}",
    "a function of Python": "!transform/math_functions-1.0.0 {func_name: __import__}",
    "a projection": f"!transform/{MARKER}-1.0.0 {{direction: pix2sky}}",
    "a generic transform": f"!transform/generic-1.3.0 {{n_inputs: 2, name: {MARKER}}}",
    "a transform that combines": f"!transform/{MARKER}.run-1.4.0 {{forward: []}}",
    "an inverse": f"!transform/shift-1.4.0 {{offset: 1.0, inverse: !!python/name:{MARKER}.run ''}}",
    "a label mapper": f"!<{GWCS}/label_mapper-1.3.0> {{mapper: {MARKER}.run, inputs: [x]}}",
    "a selector": f"!<{GWCS}/regions_selector-1.3.0> {{label_mapper: {MARKER}, selector: {{}}}}",
    "a WCS": f"!<{GWCS}/wcs-1.4.0> {{name: {MARKER}, steps: []}}",
    "a frame of gwcs": f"!<{GWCS}/frame-1.2.0> {{name: x, axes_type: {MARKER}}}",
    "a tag of a module": f"!<tag:{MARKER}/x-1.0.0> {{a: 1}}",
    "an asdf tag of a module": f"!{MARKER}/run-1.0.0 {{a: 1}}",
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Sound:
    return Sound.make(tmp_path_factory.mktemp("sound"))


def leave_marker(directory: Path) -> Path:
    """A module that writes a file when it is imported, and when anything of it is called."""
    code = f"""
import pathlib
pathlib.Path({str(directory / "RAN")!r}).touch()
def run(*args, **kwargs): pathlib.Path({str(directory / "CALLED")!r}).touch()
def process(*args): run()
class Class: pass
class Extension: pass
"""
    (directory / f"{MARKER}.py").write_text(code)
    return directory / "RAN"


def environment(directory: Path, **more: str) -> dict[str, str]:
    own = {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1", **more}
    return {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")} | own


def test_nothing_that_a_file_names_is_imported_called_or_opened(sound, tmp_path):
    ran = leave_marker(tmp_path)
    (tmp_path / "elsewhere.asdf").write_bytes(sound.exposure.read_bytes())
    names = {}
    for number, (name, value) in enumerate(VALUES.items()):
        exposure = Asdf.read(sound.exposure)
        exposure.set("roman.meta.remark", value)
        exposure.set("history.extensions", f"[{VALUES['an extension']}]")
        distortion = Asdf.read(sound.path("distortion"))
        distortion.set("roman.meta.remark", value)
        whole = Asdf.read(sound.path("distortion"))
        whole.set("roman.coordinate_distortion_transform", value)
        made = {"uncal": exposure, "remark": distortion, "transform": whole}
        for suffix, asdf in made.items():
            path = tmp_path / f"case{number:02}_{suffix}.asdf"
            path.write_bytes(bytes(asdf))
            names[path.name] = name
    command = [sys.executable, str(WATCHED), str(tmp_path), str(sound.exposure)]
    run = subprocess.run(
        [*command, str(sound.references)],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        check=True,
    )
    told = run.stdout.splitlines()
    looked_at = {line.split(":")[0] for line in told if line.endswith(": looked at")}
    assert looked_at == set(names)
    events = [line for line in told if not line.endswith(": looked at")]
    assert [f"{names[line.split(':')[0]]}: {line}" for line in events] == []
    assert not ran.exists()


def test_the_watch_would_see_it(tmp_path):
    leave_marker(tmp_path)
    (tmp_path / "elsewhere.asdf").touch()
    code = f"""
import os, sys
sys.path.insert(0, {str(WATCHED.parents[1])!r})
from hostile import watched
sys.addaudithook(watched.watch)
watched._watching = True
import {MARKER}
eval("{MARKER}.run()")
open("elsewhere.asdf").close()
os.system("true")
import socket
try: socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError: pass
print("\\n".join(watched._events))
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        cwd=tmp_path,
        check=True,
    )
    seen = {line.split()[0] for line in run.stdout.splitlines()}
    assert seen >= {"import", "compile", "exec", "open", "os.system", "socket.connect"}
    assert (tmp_path / "RAN").exists()


PARAMETERS = """#ASDF 1.0.0
%YAML 1.1
--- !<tag:stsci.edu:asdf/core/asdf-1.1.0>
class: CLASS
parameters: {}
steps:
- {name: rampfit, parameters: {STEP}}
meta: {reftype: pars-exposurepipeline, useafter: '2020-01-01T00:00:00'}
...
"""
PIPELINE = "romancal_rs.pipeline.ExposurePipeline"
NAMES_CODE = {
    "a pre-hook": (PIPELINE, f"pre_hooks: [{MARKER}.run]"),
    "a post-hook": (PIPELINE, f"post_hooks: [{MARKER}.run]"),
    "a hook that is a word": (PIPELINE, f"post_hooks: {MARKER}.run"),
    "a command of the shell": (PIPELINE, "post_hooks: [touch RAN]"),
    "a file to load": (PIPELINE, "config_file: named.asdf"),
}


def run_pipeline(place: Place, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "romancal_rs", *place.run()],
        capture_output=True,
        text=True,
        cwd=place.directory,
        env=environment(place.directory, **env),
    )


def parameter_reference(name: str) -> str:
    class_name, step = NAMES_CODE[name]
    return PARAMETERS.replace("CLASS", class_name).replace("STEP", step)


@pytest.mark.parametrize("name", NAMES_CODE)
def test_a_parameter_reference_of_a_directory_runs_no_code(sound, tmp_path, name):
    ran = leave_marker(tmp_path)
    place = Place(tmp_path, sound)
    (place.references / "bad_pars.asdf").write_text(parameter_reference(name))
    run = run_pipeline(place)
    assert run.returncode == 2
    assert "bad_pars.asdf" in run.stderr
    assert "may not name code" in run.stderr
    assert not ran.exists()
    assert not (tmp_path / "out").exists()


def test_the_class_that_a_parameter_reference_names_is_not_imported(sound, tmp_path):
    ran = leave_marker(tmp_path)
    place = Place(tmp_path, sound)
    text = PARAMETERS.replace("CLASS", f"{MARKER}.Class").replace("STEP", "")
    (place.references / "pars.asdf").write_text(text)
    assert run_pipeline(place).returncode == 0  # it may only set parameters, whatever it names
    assert not ran.exists()


def test_a_parameter_reference_of_a_cache_runs_no_code(sound, tmp_path):
    from romancal_rs.references.librarian import build_cache

    ran = leave_marker(tmp_path)
    place = Place(tmp_path, sound)
    (place.references / "bad_pars.asdf").write_text(parameter_reference("a pre-hook"))
    build_cache(place.references, tmp_path / "crds")
    place.env["CRDS_PATH"] = str(tmp_path / "crds")
    run = run_pipeline(place, **place.env)
    assert run.returncode == 2
    assert "bad_pars.asdf" in run.stderr
    assert "may not name code" in run.stderr
    assert not ran.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["rmap", "imap", "pmap"])
def test_rules_of_a_cache_run_no_code(sound, tmp_path, suffix):
    from romancal_rs.references.crds_cache.mapping import checksum

    ran = leave_marker(tmp_path)
    place = Place(tmp_path, sound)
    mappings = place.cache() / "mappings" / "roman"
    for path in mappings.glob(f"*.{suffix}"):
        text = path.read_text()
        stated = text.split("sha1sum' : '")[1][:40]
        text = text[: text.index("selector =")] + f"selector = __import__('{MARKER}').run()\n"
        path.unlink()
        path.write_text(text.replace(stated, checksum(text)))
    run = run_pipeline(place, **place.env)
    assert run.returncode == 1
    assert "'__import__' is no word of rules" in run.stderr
    assert not ran.exists()


def test_hooks_of_a_file_that_the_user_names_run(sound, tmp_path):
    leave_marker(tmp_path)
    place = Place(tmp_path, sound)
    (tmp_path / "pars.asdf").write_text(parameter_reference("a post-hook"))
    words = place.run()
    words[1] = str(tmp_path / "pars.asdf")
    run = subprocess.run(
        [sys.executable, "-m", "romancal_rs", *words],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "CALLED").exists()
