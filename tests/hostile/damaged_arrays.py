"""Arrays of wrong types, orders, shapes and addresses, and numbers that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from hostile.asdf_parts import Asdf
from hostile.cases import (
    ANY,
    ERROR,
    NO_DATA,
    RESULT,
    SAME,
    Case,
    Damage,
    of_exposure,
    of_reference,
    rebuilt,
)


def arrays() -> Iterator[Case]:
    """Other types, byte orders, shapes and addresses of arrays."""
    kind = "arrays"

    def other(dotted: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[bytes], bytes]:
        return rebuilt(lambda asdf: asdf.put_array(dotted, change(asdf.array(dotted))))

    def states(dotted: str, text: str) -> Callable[[bytes], bytes]:
        return rebuilt(lambda asdf: asdf.set(dotted, text))

    data = "roman.data"
    yield of_exposure(kind, "big-endian", SAME, other(data, lambda a: a.astype(">u2")))
    types = ("float32", "float64", "int16", "uint8", "int32", "uint64", "complex64", "float16")
    for name in types:
        yield of_exposure(kind, name, ERROR, other(data, lambda a, n=name: np.zeros(a.shape, n)))
    for text in ("uint17", "bool8", "[ascii, 2]", "[ucs4, 9]", "object", "O", "V8", "3", "null"):
        yield of_exposure(kind, f"datatype {text}", ERROR, states(f"{data}.datatype", text))
    record = "[{name: a, datatype: uint8, byteorder: big}, {name: b, datatype: uint8}]"
    yield of_exposure(kind, "datatype of a record", ERROR, states(f"{data}.datatype", record))
    for text in ("middle", "3", "[]"):
        yield of_exposure(kind, f"byteorder {text}", ERROR, states(f"{data}.byteorder", text))

    cuts: dict[str, tuple[Callable[[np.ndarray], np.ndarray], frozenset[str]]] = {
        "no axis": (lambda a: a[0, 0, 0], ERROR),
        "1-D": (lambda a: a.ravel(), ERROR),
        "2-D": (lambda a: a[0], ERROR),
        "4-D": (lambda a: a[None], ERROR),
        "30-D": (lambda a: a.reshape((1,) * 27 + a.shape), ERROR),
        "31 rows": (lambda a: a[:, 1:], ERROR),
        "33 rows": (lambda a: np.pad(a, ((0, 0), (0, 1), (0, 0))), ERROR),
        "31 columns": (lambda a: a[:, :, 1:], ERROR),
        "not square": (lambda a: a.reshape(4, 16, 64), ERROR),
        "no rows": (lambda a: a[:, :0], NO_DATA | ERROR),
        "no columns": (lambda a: a[:, :, :0], NO_DATA | ERROR),
        "border only": (lambda a: a[:, :8, :8], NO_DATA | ERROR),
        "one resultant too few": (lambda a: a[1:], ERROR),
        "one resultant too many": (lambda a: np.concatenate([a, a[:1]]), ERROR),
        "no resultants": (lambda a: a[:0], NO_DATA | ERROR),
        "one resultant of four": (lambda a: a[:1], ERROR),
        "nothing": (lambda a: a[:0, :0, :0], NO_DATA | ERROR),
    }
    for name, (cut, expected) in cuts.items():
        yield of_exposure(kind, name, expected, other(data, cut))

    def resultants(number: int) -> Damage:
        def damage(asdf: Asdf) -> None:
            cube = np.resize(np.sort(asdf.array(data), axis=0), (number, 32, 32))
            asdf.put_array(data, np.sort(cube, axis=0))
            asdf.put_array("roman.amp33", np.zeros((number, 32, 128), np.uint16))
            asdf.set("roman.meta.exposure.nresultants", str(number))
            pattern = [[3 * i + 1, 3 * i + 2, 3 * i + 3] for i in range(number)]
            asdf.set("roman.meta.exposure.read_pattern", str(pattern))

        return damage

    yield of_exposure(kind, "0 resultants, as stated", NO_DATA, rebuilt(resultants(0)))
    for number in (1, 2, 300):
        # One tells no rate.
        expected = NO_DATA if number == 1 else RESULT
        yield of_exposure(
            kind, f"{number} resultants, as stated", expected, rebuilt(resultants(number))
        )
    yield of_exposure(kind, "all 0", RESULT | NO_DATA, other(data, lambda a: a * 0))
    yield of_exposure(kind, "all 65535", RESULT, other(data, lambda a: a * 0 + 65535))

    addresses = {
        "shape": (
            *("[4, 32, 31]", "[4, 32, 33]", "[-4, -32, 32]", "[4, -32, 32]", "[1e3, 2]"),
            *("[99999999999, 99999999999, 9]", "[9223372036854775807, 2, 2]", "[four, 32, 32]"),
            *("[4, 32, 32.5]", "[[4], 32, 32]", "['*', 32, 32]", "[4, 32, null]", "4096", "{}"),
            *("[]", "null", "''", "[4, 32, true]"),
        ),
        "source": (
            *("-1", "-2", "2", "99", "99999999999999999999", "1.5", "null", "[0]", "{}", "''"),
            *("elsewhere.asdf", "'file:///etc/passwd'", "'http://127.0.0.1:9/x.asdf'", "true"),
            *("'../../bad.asdf'", "'#/roman/amp33'", "'ftp://x/y'", "!core/ndarray-1.1.0 [1]"),
        ),
        "offset": ("1", "8192", "-8", "9223372036854775807", "x", "1.5"),
        "strides": (
            *("[0, 0, 0]", "[2048, 64, 4]", "[99999999999, 64, 2]", "[-2048, 64, 2]"),
            *("[2048, 64]", "[a, b, c]", "x"),
        ),
        "mask": ("0", "5", "x", "!core/ndarray-1.1.0 {source: 1, datatype: bool8, shape: [9]}"),
    }
    for what, texts in addresses.items():
        for text in texts:
            expected = ANY if what in ("strides", "mask") else ERROR
            yield of_exposure(kind, f"{what} {text}", expected, states(f"{data}.{what}", text))
    yield of_exposure(
        kind,
        "strides as they are",
        SAME,
        rebuilt(lambda a: a.set(f"{data}.strides", "[2048, 64, 2]")),
    )
    for what in ("source", "shape", "datatype", "byteorder"):
        # The standard has a byte order where none is stated.
        expected = ANY if what == "byteorder" else ERROR
        damage = rebuilt(lambda asdf, what=what: asdf.remove(f"{data}.{what}"))
        yield of_exposure(kind, f"no {what}", expected, damage)
    inline = "!core/ndarray-1.1.0 [[1, 2], [3, 4]]"
    for name, text in (
        ("inline, 2-D", inline),
        ("inline, ragged", "!core/ndarray-1.1.0 [[1], [3, 4]]"),
        ("inline, words", "!core/ndarray-1.1.0 [[a, b], [c, d]]"),
        (
            "inline, with a shape that lies",
            "!core/ndarray-1.1.0 {data: [1, 2], shape: [4, 32, 32]}",
        ),
        ("a number", "5"),
        ("a list", "[[[1]]]"),
        ("a word", "data"),
        ("null", "null"),
        ("a table", "!core/table-1.0.0 {columns: []}"),
        ("a complex number", "!core/complex-1.0.0 1+1j"),
    ):
        yield of_exposure(kind, f"data are {name}", ERROR, states(data, text))
    yield of_exposure(kind, "no data", ERROR, rebuilt(lambda asdf: asdf.remove(data)))
    yield of_exposure(
        kind, "amp33 of a strange shape", ERROR | RESULT, other("roman.amp33", lambda a: a[:1])
    )

    images = {
        "mask": ["dq"],
        "saturation": ["data", "dq"],
        "linearity": ["coeffs", "dq"],
        "dark": ["dark_slope", "dq"],
        "gain": ["data"],
        "readnoise": ["data"],
        "flat": ["data", "err", "dq"],
    }
    for reftype, names in images.items():
        for name in names:
            dotted = f"roman.{name}"
            changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
                "one row less": lambda a: a[..., 1:, :],
                "an axis more": lambda a: a[None],
                "an axis less": lambda a: a[0],
                "float64": lambda a: np.zeros(a.shape, np.float64),
                "int16": lambda a: np.zeros(a.shape, np.int16),
                "empty": lambda a: a[..., :0, :0],
            }
            for what, change in changes.items():
                yield of_reference(kind, f"{name}, {what}", ERROR, reftype, other(dotted, change))
            swapped = other(dotted, lambda a: a.astype(a.dtype.newbyteorder(">")))
            yield of_reference(kind, f"{name}, big-endian", SAME, reftype, swapped)
            missing = rebuilt(lambda asdf, dotted=dotted: asdf.remove(dotted))
            yield of_reference(kind, f"no {name}", ERROR, reftype, missing)
    for number in (0, 1, 40):

        def coefficients(a: np.ndarray, number=number) -> np.ndarray:
            return np.resize(a, (number, 32, 32))

        # A polynomial may have any number of terms; without a linear one nothing is corrected.
        expected = ERROR if number < 2 else RESULT | NO_DATA
        yield of_reference(
            kind,
            f"coeffs, {number} of them",
            expected,
            "linearity",
            other("roman.coeffs", coefficients),
        )


def numbers() -> Iterator[Case]:
    """NaN, infinities and other strange numbers all over references."""
    kind = "numbers"
    values = {"NaN": np.nan, "inf": np.inf, "-inf": -np.inf, "0": 0.0, "-1": -1.0}
    values |= {"1e38": 1e38, "1e-44": 1e-44}
    for reftype, name in (
        *(("saturation", "data"), ("linearity", "coeffs"), ("dark", "dark_slope")),
        *(("dark", "dark_slope_error"), ("gain", "data"), ("readnoise", "data")),
        *(("flat", "data"), ("flat", "err")),
    ):
        for text, value in values.items():

            def fill(asdf: Asdf, name=name, value=value) -> None:
                array = asdf.array(f"roman.{name}")
                asdf.put_array(f"roman.{name}", np.full_like(array, value))

            # Where no pixel can be used any more, there are no science data. A DARK of which no
            # pixel has a rate has none.
            has_none = name == "dark_slope" and not np.isfinite(value)
            expected = ERROR if has_none else RESULT | NO_DATA
            yield of_reference(kind, f"{name} all {text}", expected, reftype, rebuilt(fill))
    for reftype in ("mask", "saturation", "linearity", "dark", "flat"):
        for bits in (1, 0xFFFFFFFF):

            def flags(asdf: Asdf, bits=bits) -> None:
                asdf.put_array("roman.dq", np.full_like(asdf.array("roman.dq"), bits))

            yield of_reference(kind, f"dq all {bits:#x}", RESULT | NO_DATA, reftype, rebuilt(flags))
    for text in (".nan", ".inf", "-.inf", "0", "-1", "1e308"):
        for key in ("photmjsr", "pixelareasr", "uncertainty"):

            def photom(asdf: Asdf, key=key, text=text) -> None:
                asdf.set(f"roman.phot_table.F158.{key}", text)

            yield of_reference(kind, f"{key} {text}", ANY, "photom", rebuilt(photom))
