"""Whatever a file holds, whatever a parameter is given: a result, or an error that says so."""

import shutil

import numpy as np
import pytest
import yaml
from examples import examples
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from romancal_rs import _yaml_head, datamodels
from romancal_rs.datamodels import ModelError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.references.crds_cache.literal import LiteralError, parse_sections
from romancal_rs.references.head import read_head
from romancal_rs.stpipe import ParameterError, config, configure, output

FILES = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
VALUES = settings(max_examples=examples(200), deadline=None)

PARAMETER_FILE = b"""#ASDF 1.0.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
class: romancal_rs.pipeline.ExposurePipeline
name: pipe
parameters: {save_calibrated_ramp: true, suffix: null, pre_hooks: [a.b]}
steps:
- class: romancal_rs.jump.JumpStep
  name: jump
  parameters: {rejection_threshold: 5.0, maximum_cores: half}
...
"""
CONFIG_FILE = b"""class = "romancal_rs.pipeline.ExposurePipeline"
save_calibrated_ramp = true
[steps]
  [[jump]]
    rejection_threshold = 5
"""
RULES = b"""header = {
 'derived_from' : 'scratch', 'instrument' : 'WFI', 'mapping' : 'REFERENCE', 'name' : 'x_0001.rmap',
 'observatory' : 'ROMAN', 'parkey' : (('META.INSTRUMENT.DETECTOR',), ('META.EXPOSURE.START_TIME',)),
}
selector = Match({
 ('WFI01|WFI02',) : UseAfter({ '2020-01-01 00:00:00' : 'a.asdf', }),
})
"""
CONFIG_TOKENS = [b"[", b"]", b"[[", b"{", b"}", b": ", b"- ", b"\n", b"&a ", b"*a", b"!x ", b"\0"]
CONFIG_TOKENS += [b'"', b"'", b"=", b"%", b"...", b"1e999", b"\xff", b"(", b")", b",", b"lambda: 0"]


def attempt(call, *errors):
    """What a call gives, and the message where it is refused: one line."""
    try:
        return call(), None
    except errors as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    return None, message


@st.composite
def damaged(draw, sound: bytes, tokens: list[bytes] = CONFIG_TOKENS) -> bytes:
    """Some changes of a sound file: cut, flipped, repeated, or with something put in."""
    data = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 4)):
            case 0:
                del data[at:]
            case 1 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 2:
                data[at:at] = draw(st.sampled_from(tokens))
            case 3:
                data[at:at] = draw(st.binary(max_size=9))
            case _:
                del data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


@VALUES
@given(st.one_of(st.binary(max_size=200), damaged(PARAMETER_FILE)))
def test_heads_are_text_or_refused(text):
    try:
        value = _yaml_head.parse(text)
    except (_yaml_head.HeadError, yaml.YAMLError):
        return

    def check(value):
        assert value is None or isinstance(value, str | list | dict)
        for item in value.values() if isinstance(value, dict) else value or ():
            if not isinstance(value, str):
                check(item)

    check(value)


@FILES
@given(st.data(), st.sampled_from([("p.asdf", PARAMETER_FILE), ("p.cfg", CONFIG_FILE)]))
def test_parameter_files_configure_or_are_refused(tmp_path, data, kind):
    name, sound = kind
    path = tmp_path / name
    path.write_bytes(data.draw(damaged(sound)))
    found, message = attempt(lambda: config.load(path), ParameterError)
    if message is not None:
        assert name in message
        return
    assert found.path == str(path)
    assert isinstance(found.class_name, str)


@VALUES
@given(st.one_of(st.text(max_size=300), damaged(RULES).map(lambda data: data.decode("latin-1"))))
def test_rules_are_literals_or_refused(text):
    sections, message = attempt(lambda: parse_sections(text), LiteralError)
    assert message is not None or all(isinstance(name, str) for name in sections)


def parameters() -> list[tuple[str, str]]:
    pipeline = ExposurePipeline()
    return [
        (name, key)
        for name in ("", *pipeline.step_defs)
        for key in (pipeline.step(name) if name else pipeline).parameters
    ]


@VALUES
@given(
    st.sampled_from(parameters()),
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            ["True", "no", "1", "-1", "0.5", "nan", "inf", "1e400", "None", "half", ""]
        ),
        st.floats(),
        st.integers(-(2**70), 2**70),
        st.booleans(),
        st.lists(st.text(max_size=5), max_size=3),
        st.none(),
    ),
)
def test_parameters_take_a_value_or_name_themselves(which, value):
    name, key = which
    pipeline = ExposurePipeline()
    step = pipeline.step(name) if name else pipeline
    _, message = attempt(lambda: setattr(step, key, value), ParameterError)
    if message is not None:
        assert key in message
        return
    # What a parameter has become is a value that it takes as it is.
    taken = getattr(step, key)
    setattr(step, key, taken)
    again = getattr(step, key)
    assert again == taken or (again != again and taken != taken)


@FILES
@given(
    threshold=st.floats(0, 1e6),
    grow=st.integers(0, 9),
    cores=st.one_of(st.sampled_from(["none", "half", "all"]), st.integers(1, 64)),
    suffix=st.one_of(st.none(), st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)),
)
def test_exported_parameters_come_back(tmp_path, threshold, grow, cores, suffix):
    path = tmp_path / "pars.asdf"
    pipeline = ExposurePipeline(suffix=suffix)
    pipeline.jump.rejection_threshold = threshold
    pipeline.saturation.n_pix_grow_sat = grow
    pipeline.rampfit.maximum_cores = cores
    pipeline.export_config(path)
    loaded = config.load(path)
    again = ExposurePipeline()
    configure.apply_config(again, loaded)
    assert again.get_pars() == pipeline.get_pars()


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1)


@VALUES
@given(NAMES, st.sampled_from(["cal", "ramp", "rampfit"]), st.integers(0, 3) | st.none())
def test_output_names_end_with_their_suffix(name, suffix, index):
    assume(name != ".")  # which names a directory
    path = output.output_path(name, suffix, ".asdf", "out", index)
    number = "" if index is None else f"_{index}"
    assert path.parent.name == "out"
    assert path.name.endswith(f"_{suffix}{number}.asdf") or path.name.endswith(
        f"{number}_{suffix}.asdf"
    )
    # A product of a product is named alike.
    again = output.output_path(str(path), suffix, ".asdf", "out", None)
    if index is None:
        assert again == path


@pytest.fixture(scope="module")
def sound_files(simulated, tmp_path_factory):
    """An exposure and a reference, small."""
    directory = tmp_path_factory.mktemp("sound")
    with datamodels.open(simulated.exposure) as raw:
        small = raw.copy()
    small.data = np.asarray(small.data)[:2, :4, :4].copy()
    small.amp33 = np.asarray(small.amp33)[:2, :4].copy()
    small.save(directory / "raw.asdf")
    shutil.copy(simulated.references / "roman_wfi_photom_0001.asdf", directory / "ref.asdf")
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@FILES
@given(st.data(), st.sampled_from(["raw.asdf", "ref.asdf"]))
def test_models_open_or_are_refused(sound_files, tmp_path, data, name):
    path = tmp_path / name
    tokens = [*CONFIG_TOKENS, b"\xd3BLK", b"\xff" * 8, b"\0" * 16]
    path.write_bytes(data.draw(damaged(sound_files[name], tokens)))

    def read():
        with datamodels.open(path) as model:
            for key, _ in model.arrays():
                np.asarray(model[key])
            model.to_flat_dict()

    _, message = attempt(read, ModelError)
    assert message is None or name in message
    attempt(lambda: read_head(path), _yaml_head.HeadError)
