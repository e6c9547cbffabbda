"""YAML that is deep, large, wrong or not YAML, and metadata that make no sense."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from hostile.cases import (
    ANY,
    ERROR,
    NO_DATA,
    RESULT,
    Case,
    of_exposure,
    of_reference,
    rebuilt,
)


def laughs(depth: int = 30, width: int = 10) -> bytes:
    """A list that would have width^depth items, were the aliases written out."""
    parts = [b"&l0 [" + b",".join([b"x"] * width) + b"]"]
    for i in range(1, depth):
        parts.append(b"&l%d [" % i + b",".join([b"*l%d" % (i - 1)] * width) + b"]")
    return b"[" + b",".join(parts) + b"]"


def yaml_values() -> dict[str, tuple[bytes, frozenset[str]]]:
    """Values that are hard to read, or to keep, as those of a key that nothing needs."""
    deep = 10_000
    return {
        "billion laughs": (laughs(), ERROR),
        "quadratic growth": (
            b"[&a [" + b"x," * 5000 + b"x],[" + b"*a," * 5000 + b"*a]]",
            ERROR,
        ),
        "a list in itself": (b"&a [*a]", ERROR),
        "a mapping in itself": (b"&a {b: *a}", ERROR),
        "an alias of nothing": (b"*nothing", ERROR),
        "an anchor given twice": (b"[&a 1, &a 2, *a]", ANY),
        "a merge of mappings": (b"{<<: {a: 1}}", ANY),
        "a merge of itself": (b"&a {<<: *a}", ERROR),
        "lists, 10k deep": (b"[" * deep + b"]" * deep, ERROR),
        "lists, 10k deep, open": (b"[" * deep, ERROR),
        "mappings, 10k deep": (b"{a: " * deep + b"1" + b"}" * deep, ERROR),
        "blocks, 10k deep": (b"\n      " + b"- " * deep + b"x", ERROR),
        "complex keys, 10k deep": (b"\n      " + b"? " * deep + b"x", ERROR),
        "lists, 150 deep": (b"[" * 150 + b"]" * 150, ANY),
        "a text of 4 MiB": (b"'" + b"x" * (4 << 20) + b"'", ANY),
        "a text of 9 MiB": (b"'" + b"x" * (9 << 20) + b"'", ERROR),
        "a million items": (b"[" + b"1," * 1_000_000 + b"1]", ERROR),
        "a million empty lists": (b"[" + b"[]," * 1_000_000 + b"1]", ERROR),
        "an integer of 100k digits": (b"1" * 100_000, ERROR),
        "an integer of base 60": (b"1" + b":59" * 10_000, ERROR),
        "a hexadecimal integer of 100k digits": (b"0x" + b"f" * 100_000, ERROR),
        "a number beyond all": (b"1.0e+999999999", ANY),
        "the same key twice": (b"{a: 1, a: 2}", ERROR),
        "a list as key": (b"{[1, 2]: 3}", ANY),
        "a mapping as key": (b"{{a: 1}: 3}", ANY),
        "null as key": (b"{~: 3}", ANY),
        "numbers as keys": (b"{1: 3, 2.5: 4}", ANY),
        "invalid UTF-8": (b"'\xff\xfe\xfa'", ERROR),
        "half a surrogate": (b'"\\ud800"', ANY),
        "NUL": (b"'a\0b'", ERROR),
        "control characters": (b"'a\x01\x1b[31mb'", ERROR),
        "escaped control characters": (b'"\\e[31m \\0 \\a"', ANY),
        "a tab": (b"\n\t- a", ERROR),
        "an open quote": (b"'never closed", ERROR),
        "an open bracket": (b"[1, 2", ERROR),
        "python/object/apply": (b"!!python/object/apply:os.system ['exit 9']", ANY),
        "python/object/new": (b"!!python/object/new:os.system ['exit 9']", ANY),
        "python/name": (b"!!python/name:os.system ''", ANY),
        "python/module": (b"!!python/module:os ''", ANY),
        "python/tuple": (b"!!python/tuple [1, 2]", ANY),
        "!!binary that is none": (b"!!binary '***'", ANY),
        "!!set": (b"!!set {a, b}", ANY),
        "!!omap": (b"!!omap [a: 1]", ANY),
        "!!int that is none": (b"!!int x", ERROR),
        "!!float that is none": (b"!!float x", ERROR),
        "!!bool that is none": (b"!!bool x", ERROR),
        "!!map that is none": (b"!!map [1]", ANY),
        "!!timestamp that is none": (b"!!timestamp x", ANY),
        "an unknown tag": (b"!<no:such/tag-9> {a: 1}", ANY),
        "a tag without an end": (b"!<tag", ERROR),
        "a unit that is none": (b"!unit/unit-1.0.0 '1/0 ** 9'", ANY),
        "a quantity that is none": (b"!unit/quantity-1.2.0 {unit: x, value: [a]}", ANY),
        "a quantity without a unit": (b"!unit/quantity-1.2.0 {value: 1}", ANY),
        "a reference to another file": (b"{$ref: 'file:///etc/passwd'}", ANY),
        "a reference to the net": (b"{$ref: 'http://127.0.0.1:9/x.asdf#/a'}", ANY),
        "a time that is none": (b"!time/time-1.4.0 yesterday", ANY),
        "an array elsewhere": (
            b"!core/ndarray-1.1.0 {source: other.asdf, datatype: int8, byteorder: big, shape: [1]}",
            ANY,
        ),
        "an external array": (
            b"!core/externalarray-1.0.0 {fileuri: /etc/passwd, target: x, "
            b"datatype: int8, shape: [1]}",
            ANY,
        ),
    }


def _yaml_files() -> dict[str, tuple[Callable[[bytes], bytes], frozenset[str]]]:
    """Changes of the whole text of a file."""

    def tree(content: bytes, new: bytes) -> bytes:
        return content[: content.index(b"---")] + new + content[content.index(b"\n...\n") :]

    return {
        "no tree": (lambda c: tree(c, b"---"), ERROR),
        "the tree is a list": (lambda c: tree(c, b"--- [1, 2]"), ERROR),
        "the tree is a word": (lambda c: tree(c, b"--- word"), ERROR),
        "the tree is a number": (lambda c: tree(c, b"--- 5"), ERROR),
        "two trees": (lambda c: c.replace(b"\n...\n", b"\n--- {a: 1}\n...\n", 1), ERROR),
        "a second end": (lambda c: c.replace(b"\n...\n", b"\n...\n...\n", 1), ANY),
        "lines end as on Windows": (_windows, ANY),
        "lines end as on an old Mac": (
            lambda c: c[: c.index(b"\n...\n")].replace(b"\n", b"\r") + c[c.index(b"\n...\n") :],
            ANY,
        ),
        "UTF-16": (
            lambda c: (
                c[:12]
                + c[12 : c.index(b"\n...\n")].decode().encode("utf-16")
                + c[c.index(b"\n...\n") :]
            ),
            ERROR,
        ),
        "YAML 9.9": (lambda c: c.replace(b"%YAML 1.1", b"%YAML 9.9"), ERROR),
        "no tag prefix": (lambda c: c.replace(b"%TAG ! tag:stsci.edu:asdf/\n", b""), ANY),
        "a tag prefix given twice": (
            lambda c: c.replace(b"%TAG ! ", b"%TAG ! tag:x/\n%TAG ! "),
            ERROR,
        ),
        "python as tag prefix": (
            lambda c: c.replace(b"tag:stsci.edu:asdf/\n", b"tag:yaml.org,2002:python/\n"),
            ANY,
        ),
        "version 99 of the format": (lambda c: c.replace(b"#ASDF 1.0.0", b"#ASDF 99.0.0"), ANY),
        "version x of the format": (lambda c: c.replace(b"#ASDF 1.0.0", b"#ASDF x.y.z"), ANY),
        "version 99 of the standard": (
            lambda c: re.sub(rb"STANDARD [\d.]+", b"STANDARD 99.0.0", c),
            ANY,
        ),
        "comments of 1 MiB": (
            lambda c: c.replace(b"%YAML", b"#" + b"x" * (1 << 20) + b"\n%YAML", 1),
            ANY,
        ),
    }


def _windows(content: bytes) -> bytes:
    end = content.index(b"\n...\n") + 5
    return content[:end].replace(b"\n", b"\r\n") + content[end:]


def texts() -> Iterator[Case]:
    """YAML that is hostile, in exposures, references and parameter files."""
    kind = "YAML"

    def put(value: bytes) -> Callable[[bytes], bytes]:
        return rebuilt(lambda asdf: asdf.raw("roman.meta.remark", value))

    for name, (value, expected) in yaml_values().items():
        yield of_exposure(kind, name, expected, put(value))
        yield of_reference(kind, name, expected, "gain", put(value))
    for name in ("billion laughs", "lists, 10k deep", "a text of 9 MiB", "the same key twice"):
        value, expected = yaml_values()[name]
        yield of_reference(kind, name, expected, "flat", put(value), override=True)
    for name, (change, expected) in _yaml_files().items():
        yield of_exposure(kind, name, expected, change)
        case = of_reference(kind, name, expected, "gain", change)
        # A sound file that does not say that it is a reference is not looked at.
        is_other = name == "no tree" or name.startswith("the tree is")
        yield replace(case, names="GAIN") if is_other else case
    for key, text in (
        ("roman.meta.instrument.detector", "WFI02"),
        ("roman.meta.exposure.frame_time", "9"),
        ("roman.meta", "{}"),
        ("roman", "{}"),
    ):
        yield of_exposure(
            kind, f"{key} twice", ERROR, rebuilt(lambda a, k=key, t=text: a.again(k, t))
        )
    for key, text in (("roman.meta.reftype", "FLAT"), ("roman.meta.useafter", "2021-01-01")):
        yield of_reference(
            kind, f"{key} twice", ERROR, "gain", rebuilt(lambda a, k=key, t=text: a.again(k, t))
        )
    for where in ("history", "asdf_library", "history.extensions"):
        for text in ("null", "5", "[1]", "{a: b}", "[!core/extension_metadata-1.0.0 {}]"):
            yield of_exposure(
                kind, f"{where} is {text}", ANY, rebuilt(lambda a, w=where, t=text: a.set(w, t))
            )


def metadata() -> Iterator[Case]:
    """Values that make no sense, and values of other types."""
    kind = "metadata"
    exposure = "roman.meta.exposure"
    wrong: dict[str, list[str]] = {
        f"{exposure}.read_pattern": [
            *("[]", "[[]]", "null", "5", "x", "{}", "[1, 2, 3, 4]", "[[1], [2], [3]]"),
            *("[[1], [2], [3], [4], [5]]", "[[4], [3], [2], [1]]", "[[1], [1], [2], [3]]"),
            *("[[1, 1], [2, 2], [3, 3], [4, 4]]", "[[2, 1], [4, 3], [6, 5], [8, 7]]"),
            *("[[], [1], [2], [3]]", "[[-3], [-2], [-1], [0]]", "[[0], [1], [2], [3]]"),
            *("[[1], [2], [3], [99999999999999999999]]", "[[1], [2], [3], [9223372036854775807]]"),
            *("[[[1]], [[2]], [[3]], [[4]]]", "[[a], [b], [c], [d]]", "[[1.5], [2], [3], [4]]"),
            *("[[.nan], [2], [3], [4]]", "[[null], [2], [3], [4]]", "[[true], [2], [3], [4]]"),
            *("[1, [2], [3], [4]]", "[{a: 1}, {b: 2}, {c: 3}, {d: 4}]", "['12', '34', '56', '78']"),
        ],
        f"{exposure}.frame_time": [
            *("-1.0", "0.0", "0", ".nan", ".inf", "-.inf", "x", "'3.04'", "null", "[3.04]", "{}"),
            *("true", "2027-01-01"),
        ],
        f"{exposure}.start_time": [
            *("99999-01-01T00:00:00", "-1-01-01T00:00:00", "now", "2027-13-45T99:99:99", "x", "''"),
            *("null", "5", "[]", "{}", "!time/time-1.4.0 99999-01-01T00:00:00.000"),
            *("!time/time-1.4.0 now", "!time/time-1.4.0 '-1'", "!time/time-1.4.0 ''"),
            *("!time/time-1.4.0 2027-13-45T99:99:99", "!time/time-1.4.0 {}", "2027-06-01"),
            *("!time/time-1.4.0 {value: now, scale: utc}", "!time/time-1.4.0 [1]"),
            *("!time/time-1.4.0 {value: 1e300, base_format: jd}", "!time/time-1.4.0 0000-00-00"),
            *("!time/time-1.4.0 {value: [2020-01-01T00:00:00], scale: utc}",),
            *("!time/time-1.4.0 2027-06-01T00:00:00.000 and more",),
        ],
        f"{exposure}.nresultants": ["5", "-4", "0", "x", "null", "4.5", "99999999999999999999"],
        f"{exposure}.type": ["x", "null", "5", "[]", "''", "wfi_image"],
        f"{exposure}.ma_table_number": ["x", "null", "99999999999999999999", "1.5"],
        f"{exposure}.effective_exposure_time": ["x", "null", "[]"],
        exposure: ["null", "5", "[]", "{}", "x"],
        "roman.meta.instrument": ["null", "5", "[]", "{}", "x"],
        "roman.meta.instrument.detector": [
            *("WFI19", "null", "5", "[WFI01]", "''", "../WFI01", "'WFI01\\n'", "{a: 1}"),
        ],
        "roman.meta.instrument.name": ["NIRCAM", "null", "5"],
        "roman.meta.instrument.optical_element": ["F999", "null", "5", "[]", "DARK"],
        "roman.meta": ["null", "5", "[]", "{}", "x"],
        "roman": ["null", "5", "[]", "{}", "x"],
        "roman.meta.filename": ["5", "null", "[]", "''"],
        "roman.meta.wcsinfo": ["null", "5", "[]", "{}"],
        "roman.meta.wcsinfo.ra_ref": ["x", "null", "[]"],
        "roman.meta.wcsinfo.v2_ref": ["x", "null"],
        "roman.meta.wcsinfo.vparity": ["x", "null"],
        "roman.meta.ref_file": ["null", "5", "[]"],
        "roman.meta.ref_file.crds": ["null", "5", "[]"],
        "roman.meta.velocity_aberration.scale_factor": ["x", "[]"],
        "roman.meta.pointing": ["null", "5"],
        "roman.meta.telescope": ["JWST", "null", "5"],
        "roman.meta.file_date": ["x", "null", "5", "!time/time-1.4.0 now"],
        "roman.meta.cal_step": ["5", "x", "{dq_init: 5}"],
        "roman.meta.cal_logs": ["5", "x", "[5]"],
        "roman.meta.cal_runs": ["5", "x", "[5]"],
    }
    # What is unusual, but allowed, or not looked at.
    allowed = {
        (f"{exposure}.nresultants", "null"),
        (f"{exposure}.start_time", "2027-06-01"),
    }
    for key, texts_ in wrong.items():
        for text in texts_:
            lenient = (key, text) in allowed or key.endswith(
                ("cal_step", "cal_logs", "cal_runs", "filename", "frame_time")
            )
            case = of_exposure(
                kind,
                f"{key.removeprefix('roman.')} is {text}",
                ANY if lenient else ERROR,
                rebuilt(lambda a, k=key, t=text: a.set(k, t)),
            )
            # An exposure of another element is sound, but there are no references for it.
            yield replace(case, names="no FLAT") if text == "DARK" else case
    for key, text in (
        (f"{exposure}.frame_time", "1.0e-300"),
        (f"{exposure}.frame_time", "1.0e+300"),
        ("roman.meta.wcsinfo.ra_ref", ".nan"),
        ("roman.meta.wcsinfo.v3_ref", ".inf"),
        ("roman.meta.wcsinfo.dec_ref", "1.0e+30"),
        ("roman.meta.velocity_aberration.scale_factor", ".nan"),
        ("roman.meta.filename", "../../escaped_uncal.asdf"),
        ("roman.meta.filename", "/escaped_uncal.asdf"),
        (f"{exposure}.read_pattern", "[[1], [2], [3], [4000000000]]"),
        (f"{exposure}.read_pattern", f"[{list(range(1, 9000))}, [9001], [9002], [9003]]"),
        (f"{exposure}.group_time", "-1"),
        (f"{exposure}.group_time", "x"),
        (f"{exposure}.ngroups", "x"),
        (f"{exposure}.ngroups", "-3"),
    ):
        yield of_exposure(
            kind,
            f"{key.removeprefix('roman.')} is {text[:40]}",
            ANY | NO_DATA,
            rebuilt(lambda a, k=key, t=text: a.set(k, t)),
        )
    for key in (
        *("roman", "roman.meta", exposure, f"{exposure}.read_pattern", f"{exposure}.frame_time"),
        *(f"{exposure}.start_time", f"{exposure}.type", "roman.meta.instrument"),
        *("roman.meta.instrument.detector", "roman.meta.instrument.optical_element"),
        *("roman.meta.wcsinfo", "roman.meta.ref_file"),
        *("roman.meta.pointing", "roman.meta.velocity_aberration", "roman.meta.telescope"),
    ):
        yield of_exposure(kind, f"no {key}", ERROR, rebuilt(lambda a, k=key: a.remove(k)))
    for tag in (
        *(
            "wfi_science_raw-99.0.0",
            "reference_files/dark-2.0.0",
            "no_such-1.0.0",
            "wfi_image-2.1.0",
        ),
        *("../../x-1.0.0", "wfi_science_raw", "wfi_science_raw-x.y.z", ""),
    ):

        def retag(content: bytes, tag=tag) -> bytes:
            return re.sub(rb"tags/wfi_science_raw-[\d.]+", b"tags/" + tag.encode(), content)

        yield of_exposure(kind, f"tagged {tag}", ERROR, retag)
    yield from _reference_metadata()


def _reference_metadata() -> Iterator[Case]:
    kind = "metadata"
    wrong = {
        "useafter": [
            *("99999-01-01T00:00:00", "-1", "now", "x", "null", "5", "[]", "{}", "''"),
            *("!time/time-1.4.0 now", "!time/time-1.4.0 2999-01-01T00:00:00.000"),
            *("!time/time-1.4.0 {value: x, scale: tai}", "2020-01-01T00:00:00+99:00"),
            *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
        ],
        "reftype": ["DARK", "null", "5", "[]", "''", "../GAIN", "PARS-"],
        "instrument": ["null", "5", "[]", "{}"],
        "instrument.detector": ["WFI02", "null", "5", "[WFI01]", "wfi01"],
        "instrument.name": ["NIRCAM", "null"],
        "exposure": ["5", "[]", "{ngroups: x}", "{ma_table_number: x}", "{ngroups: 7}"],
    }
    for reftype in ("gain", "dark"):
        for key, texts_ in wrong.items():
            for text in texts_:
                if key == "reftype" and reftype == "dark" and text == "DARK":
                    continue
                case = of_reference(
                    kind,
                    f"{key} is {text}",
                    # The exposure section says nothing of a gain.
                    ANY if key == "exposure" else ERROR,
                    reftype,
                    rebuilt(lambda a, k=key, t=text: a.set(f"roman.meta.{k}", t)),
                )
                # A file that says that it is something else is not looked at.
                yield replace(case, names=reftype.upper()) if key == "reftype" else case
    transform = "roman.coordinate_distortion_transform"
    for text in (
        *("null", "5", "x", "[]", "{}", "!transform/shift-1.4.0 {offset: x}"),
        *("!transform/shift-1.4.0 {offset: 1.0}", "!transform/no_such-1.0.0 {}"),
        *("!transform/compose-1.4.0 {forward: []}", "!transform/polynomial-1.3.0 {}"),
        *("!transform/constant-1.6.0 {dimensions: 2, value: .nan}", "!transform/identity-1.3.0 {}"),
        *(
            "!transform/identity-1.3.0 {n_dims: 1000000000}",
            "!transform/identity-1.3.0 {n_dims: -1}",
        ),
        *("!transform/remap_axes-1.5.0 {mapping: [0, 9999999]}",),
        *("!transform/compose-1.4.0 {forward: [!transform/identity-1.3.0 {n_dims: 2}, 5]}",),
        *("!transform/polynomial-1.3.0 {coefficients: [[1, .nan], [.inf, 0]]}",),
    ):
        yield of_reference(
            kind,
            f"transform is {text}",
            ERROR,
            "distortion",
            rebuilt(lambda a, t=text: a.set(transform, t)),
        )
    for key, text in (
        *(("phot_table", "null"), ("phot_table", "{}"), ("phot_table", "5"), ("phot_table", "[]")),
        *(("phot_table.F158", "null"), ("phot_table.F158", "5"), ("phot_table.F158", "{}")),
        *(("phot_table.F158.photmjsr", "x"), ("phot_table.F158.photmjsr", "[]")),
        *(("phot_table.F158.pixelareasr", "x"), ("phot_table.F158.uncertainty", "{}")),
    ):
        yield of_reference(
            kind,
            f"{key} is {text}",
            # Without a row for the element, photom is skipped, and says so.
            RESULT if (key, text) == ("phot_table", "{}") else ERROR,
            "photom",
            rebuilt(lambda a, k=key, t=text: a.set(f"roman.{k}", t)),
        )
