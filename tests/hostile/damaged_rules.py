"""Parameter files and rule files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile.cases import (
    ERROR,
    RESULT,
    SAME,
    USAGE,
    Case,
    Place,
)
from hostile.damaged_heads import yaml_values

_PARAMETERS = b"""#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
class: romancal_rs.pipeline.ExposurePipeline
parameters: {}
steps:
- {name: rampfit, parameters: {rejection_threshold: 4.5}}
meta: {reftype: pars-exposurepipeline, useafter: '2020-01-01T00:00:00'}
...
"""


def parameters() -> Iterator[Case]:
    """Parameter files that the user names, and those of a store."""
    kind = "parameter files"

    def case(name: str, content: bytes, expected: frozenset[str], suffix: str = "asdf") -> Case:
        def write(place: Place) -> list[str]:
            path = place.directory / f"bad_pars.{suffix}"
            path.write_bytes(content)
            words = place.run()
            return ["run", str(path), *words[2:]]

        return Case(f"named: {name}", kind, write, expected, f"bad_pars.{suffix}")

    def of_store(name: str, content: bytes, expected: frozenset[str]) -> Case:
        def write(place: Place) -> list[str]:
            (place.references / "bad_pars.asdf").write_bytes(content)
            return place.run()

        return Case(f"in a store: {name}", kind, write, expected, "bad_pars.asdf")

    yield case("sound", _PARAMETERS, SAME)
    yield of_store("sound", _PARAMETERS, SAME)
    for name, (value, expected) in yaml_values().items():
        if name.startswith("python"):
            expected = USAGE | SAME
        # Of what a parameter file does not need, only the form matters.
        expected = USAGE if expected == ERROR else USAGE | SAME
        content = _PARAMETERS.replace(b"meta: {", b"meta: {remark: " + value + b", ")
        if value.startswith(b"\n"):
            content = _PARAMETERS.replace(b"meta: {", b"history:" + value + b"\nmeta: {")
        yield case(name, content, expected | SAME if _is_read_as_text(name) else expected)
    for cut in (0, 3, 5, 30, 100, 130, 200, len(_PARAMETERS) - 4):
        yield case(f"cut at {cut}", _PARAMETERS[:cut], USAGE | SAME)
    changed = {
        "no class": (b"class: romancal_rs.pipeline.ExposurePipeline\n", b""),
        "class of nothing": (b"romancal_rs.pipeline.ExposurePipeline", b"no.such.Class"),
        "class that is no step": (b"romancal_rs.pipeline.ExposurePipeline", b"os.system"),
        "class that is a list": (b"romancal_rs.pipeline.ExposurePipeline", b"[1]"),
        "class with slashes": (b"romancal_rs.pipeline.ExposurePipeline", b"../../x.Y"),
        "class of 1 MB": (b"romancal_rs.pipeline.ExposurePipeline", b"a." * 500_000 + b"B"),
        "a parameter that is none": (b"rejection_threshold", b"rejection_treshold"),
        "a threshold of NaN": (b"4.5", b".nan"),
        "a threshold of 100k digits": (b"4.5", b"4" * 100_000),
        "a threshold that is a list": (b"4.5", b"[4.5]"),
        "a step that is none": (b"name: rampfit", b"name: hop"),
        "steps as mapping": (b"- {name: rampfit", b"  {name: rampfit"),
        "a step within a step": (b"name: rampfit,", b"name: rampfit, steps: [{name: rampfit}],"),
        "config_file of the directory above": (
            b"rejection_threshold: 4.5",
            b"config_file: ../no_such.asdf",
        ),
        "config_file that is itself": (
            b"parameters: {}",
            b"parameters: {config_file: bad_pars.asdf}",
        ),
        "config_file that is a device": (
            b"parameters: {}",
            b"parameters: {config_file: /dev/zero}",
        ),
        "config_file that is a directory": (b"parameters: {}", b"parameters: {config_file: ..}"),
        "config_file that is a number": (b"parameters: {}", b"parameters: {config_file: [1]}"),
        "an override that is a device": (b"rejection_threshold: 4.5", b"override_gain: /dev/zero"),
        "an override of the directory above": (
            b"rejection_threshold: 4.5",
            b"override_gain: ../../gain.asdf",
        ),
        "hooks of nothing": (b"rejection_threshold: 4.5", b"pre_hooks: [no.such.hook]"),
    }
    of_the_run = ("an override", "hooks")
    for name, (old, new) in changed.items():
        expected = ERROR | USAGE if name.startswith(of_the_run) else USAGE
        if name in ("a threshold of NaN", "a threshold of 100k digits"):
            expected = USAGE | RESULT
        content = _PARAMETERS.replace(old, new)
        made = case(name, content, expected)
        if name.startswith(of_the_run):  # a message may name what the file names
            made = Case(made.name, made.kind, made.write, made.expected, "")
        yield made
    configobj = b'class = "romancal_rs.pipeline.ExposurePipeline"\n[steps]\n[[jump]]\n'
    for name, content in (
        ("ConfigObj, 10k sections deep", configobj + b"[" * 10_000 + b"a" + b"]" * 10_000),
        ("ConfigObj, not UTF-8", configobj + b"rejection_threshold = \xff\xfe\n"),
        ("ConfigObj, a key twice", configobj + b"skip = true\nskip = false\n"),
        ("ConfigObj, a section twice", configobj + b"[[jump]]\n"),
        ("ConfigObj, an open quote", configobj + b"rejection_threshold = '''5\n"),
        (
            "ConfigObj, interpolation",
            configobj + b"rejection_threshold = %(rejection_threshold)s\n",
        ),
        ("ConfigObj, NUL", b"\0" * 1000),
        ("ConfigObj, 20 MB", configobj + b"# " + b"x" * (20 << 20)),
    ):
        yield case(name, content, USAGE, "cfg")
    for name, new in (
        ("hooks", b"pre_hooks: [os.getcwd]"),
        ("hooks that are a word", b"post_hooks: os.getcwd"),
        ("config_file", b"config_file: other.asdf"),
        ("a value that is none", b"rejection_threshold: high"),
    ):
        content = _PARAMETERS.replace(b"rejection_threshold: 4.5", new)
        yield of_store(name, content, USAGE)
    # Of another version: passed over, with a warning.
    content = _PARAMETERS.replace(b"rejection_threshold: 4.5", b"no_such: 5")
    yield of_store("a parameter that is none", content, SAME)


def _is_read_as_text(name: str) -> bool:
    """Whether a parameter file takes as text what is no number, or no tag."""
    return name.startswith(("an integer", "a hexadecimal", "!!", "an array", "a text of 4"))


def rules() -> Iterator[Case]:
    """Rule files of a CRDS cache."""
    kind = "rules"

    def case(
        name: str,
        suffix: str,
        change: Callable[[str], str],
        expected: frozenset[str] = ERROR,
        *,
        names: str | None = None,
        checksum: bool = True,
    ) -> Case:
        def write(place: Place) -> list[str]:
            cache = place.cache()
            path = next((cache / "mappings" / "roman").glob(suffix))
            text = change(path.read_text())
            path.unlink()
            if checksum:
                text = _with_checksum(text)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            return place.run()

        told = suffix.removeprefix("*").removesuffix("*") if names is None else names
        return Case(f"{suffix}: {name}", kind, write, expected, told)

    rmap, imap, pmap = "*_gain_*.rmap", "*.imap", "*.pmap"

    def selector(text: str) -> Callable[[str], str]:
        return lambda sound: sound[: sound.index("selector =")] + f"selector = {text}\n"

    for suffix in (rmap, imap, pmap):
        named = {rmap: "gain", imap: ".imap", pmap: ".pmap"}[suffix]
        yield case("sound", suffix, lambda text: text, SAME, names="")
        for cut in (0, 10, 100, 200, 300):
            yield case(f"cut at {cut}", suffix, lambda t, c=cut: t[:c], names=named, checksum=False)
        for name, change in (
            ("not UTF-8", lambda t: t + "\udcff\udcfe"),
            ("NUL", lambda t: t + "\0"),
            ("wrong checksum", lambda t: t.replace("ROMAN", "roman", 1) + "# changed\n"),
        ):
            yield case(name, suffix, change, names=named, checksum=False)
        for name, text in (
            ("a call", "__import__('os').system('exit 9')"),
            ("an expression", "1 + 1"),
            ("a lambda", "(lambda: 1)()"),
            ("a comprehension", "{x: x for x in (1,)}"),
            ("an f-string", "f'{1}'"),
            ("lists, 10k deep", "[" * 10_000 + "]" * 10_000),
            ("parentheses, 200 deep", "(" * 200 + ")" * 200),
            ("signs, 10k of them", "-" * 10_000 + "1"),
            ("a number of 100k digits", "1" * 100_000),
            ("a text of 20 MB", "'" + "x" * (20 << 20) + "'"),
            ("a million items", "[" + "1," * 1_000_000 + "]"),
            ("a list", "['a.asdf']"),
            ("null", "None"),
            ("an open bracket", "Match({"),
            ("keys that cannot be keys", "{[1]: 'x'}"),
        ):
            yield case(f"selector: {name}", suffix, selector(text), names=named)
        yield case("a statement", suffix, lambda t: "import os\n" + t, names=named)
        yield case("an assignment more", suffix, lambda t: t + "other = 1\n", names=named)
        yield case("a walrus", suffix, lambda t: t + "(header := 1)\n", names=named)
        yield case(
            "the header is a list",
            suffix,
            lambda t: "header = [1]\n" + t[t.index("selector") :],
            names=named,
        )
        yield case("no parkey", suffix, lambda t: re.sub(r"\n *'parkey'.*", "", t), names=named)
    for name in (
        *("../../../gain.asdf", "/etc/passwd", "..", ".", "", "a/b.asdf", "a\\\\b.asdf"),
        *("gain.asdf\\n", "gain.asdf\\0", "no_such.asdf", "~/x.asdf", "http://127.0.0.1:9/x.asdf"),
        "x" * 5000,
    ):
        text = f"Match({{('WFI01',): UseAfter({{'2020-01-01 00:00:00': '{name}'}})}})"
        yield case(f"names {name[:30]!r}", rmap, selector(text), names=name[:4].strip("\\."))
        for suffix, key in ((imap, "gain"), (pmap, "wfi")):
            named = {imap: ".imap", pmap: ".pmap"}[suffix]
            yield case(
                f"names {name[:30]!r}", suffix, selector(f"{{'{key}': '{name}'}}"), names=named
            )
    for name, text in (
        ("a date that is none", "Match({('WFI01',): UseAfter({'yesterday': 'a.asdf'})})"),
        ("year 99999", "Match({('WFI01',): UseAfter({'99999-01-01 00:00:00': 'a.asdf'})})"),
        ("keys of other lengths", "Match({('WFI01', 'x', 'y'): 'a.asdf'})"),
        ("a number for a file", "Match({('WFI01',): UseAfter({'2020-01-01 00:00:00': 5})})"),
        ("nothing", "Match({})"),
        ("30 selectors deep", "Match({('WFI01',): " * 29 + "Match({})" + "})" * 29),
        ("a regular expression", "Match({('(a+)+$',): 'a.asdf'})"),
        ("a regular expression that never ends", "Match({('^(a+)+$|WFI01',): 'a.asdf'})"),
    ):
        yield case(name, rmap, selector(text), names="gain")
    yield case(
        "an instrument map as itself",
        imap,
        selector("{'gain': 'roman_wfi_0001.imap'}"),
        names=".imap",
    )
    yield case(
        "a pipeline map as itself", pmap, selector("{'wfi': 'roman_0001.pmap'}"), names=".pmap"
    )
    for name, condition in (
        ("a call", "(open('x'))"),
        ("10k deep", "(" * 10_000 + ")" * 10_000),
        ("an attribute", "('a'.upper == 'A')"),
        ("a power", "(9**9**9**9 == 1)"),
        ("no expression", "(1 ==)"),
    ):

        def relevance(text: str, condition=condition) -> str:
            return text.replace("header = {", f'header = {{\n "rmap_relevance": "{condition}",', 1)

        yield case(f"relevance is {name}", rmap, relevance, names="gain")

    def server_config(content: bytes) -> Callable[[Place], list[str]]:
        def write(place: Place) -> list[str]:
            path = place.cache() / "config" / "roman" / "server_config"
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            return place.run()

        return write

    for name, content in (
        ("empty", b""),
        ("rubbish", b"\xff\xfe\0"),
        ("a call", b"__import__('os').system('exit 9')"),
        ("lists, 10k deep", b"[" * 10_000),
        ("a list", b"[1]"),
        ("a context in another directory", b"{'operational_context': '../../x.pmap'}"),
        ("a context that is a number", b"{'operational_context': 5}"),
        ("20 MB", b"'" + b"x" * (20 << 20) + b"'"),
    ):
        yield Case(f"server_config: {name}", kind, server_config(content), ERROR, "server_config")

    def special(make: Callable[[Path], object], suffix: str) -> Callable[[Place], list[str]]:
        def write(place: Place) -> list[str]:
            path = next((place.cache() / "mappings" / "roman").glob(suffix))
            path.unlink()
            make(path)
            return place.run()

        return write

    for suffix in (rmap, pmap):
        for name, make in (
            ("gone", lambda path: None),
            ("a directory", lambda path: path.mkdir()),
            ("a fifo", os.mkfifo),
            ("a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")),
            ("a link to itself", lambda path: path.symlink_to(path.name)),
        ):
            told = "_gain_" if suffix == rmap else ".pmap"
            yield Case(f"{suffix}: {name}", kind, special(make, suffix), ERROR, told)
    for name, make in (
        ("gone", lambda path: None),
        ("a directory", lambda path: path.mkdir()),
        ("a fifo", os.mkfifo),
        ("text", lambda path: path.write_text("text")),
    ):

        def reference(place: Place, make=make) -> list[str]:
            path = next((place.cache() / "references").rglob("*_gain_*.asdf"))
            path.unlink()
            make(path)
            return place.run()

        yield Case(f"reference of a cache: {name}", kind, reference, ERROR, "_gain_")


def _with_checksum(text: str) -> str:
    """The text with the checksum that a rule file states of itself."""
    import hashlib

    lines = [line for line in text.splitlines(keepends=True) if "sha1sum" not in line]
    stated = hashlib.sha1("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return re.sub(r"('sha1sum' *: *)'[0-9a-f]*'", rf"\1'{stated}'", text)
