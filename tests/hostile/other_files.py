"""What is no file, or another one than expected; and commands other than run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile.asdf_parts import positions
from hostile.cases import (
    ANY,
    ERROR,
    SAME,
    USAGE,
    Case,
    Place,
    rebuilt,
)
from hostile.damaged_heads import yaml_values


def files() -> Iterator[Case]:
    """Links, directories, devices, and files of other formats."""
    kind = "files"
    makers: dict[str, tuple[Callable[[Path], object], frozenset[str]]] = {
        "no file": (lambda path: None, ERROR),
        "empty": (lambda path: path.touch(), ERROR),
        "text": (lambda path: path.write_text("These are notes.\n" * 99), ERROR),
        "FITS": (
            lambda path: path.write_bytes(b"SIMPLE  =                    T".ljust(2880)),
            ERROR,
        ),
        "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(999)), ERROR),
        "zip": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(999)), ERROR),
        "zeros": (lambda path: path.write_bytes(bytes(9999)), ERROR),
        "magic only": (lambda path: path.write_bytes(b"#ASDF"), ERROR),
        "magic and 100 MB of nothing": (_sparse, ERROR),
        "directory": (lambda path: path.mkdir(), ERROR),
        "link to nothing": (lambda path: path.symlink_to("nothing"), ERROR),
        "link to itself": (lambda path: path.symlink_to(path.name), ERROR),
        "link to a directory": (lambda path: path.symlink_to("."), ERROR),
        "link to /dev/zero": (lambda path: path.symlink_to("/dev/zero"), ERROR),
        "link to /dev/null": (lambda path: path.symlink_to("/dev/null"), ERROR),
        "link to /dev/stdin": (lambda path: path.symlink_to("/dev/stdin"), ERROR),
        "link to /proc/self/mem": (lambda path: path.symlink_to("/proc/self/mem"), ERROR),
        "fifo": (os.mkfifo, ERROR),
        "socket": (_socket, ERROR),
    }
    if os.getuid():
        makers["unreadable"] = (lambda path: (path.touch(), path.chmod(0)), ERROR)
    for name, (make, expected) in makers.items():

        def exposure(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_uncal.asdf"
            make(path)
            return place.run(path)

        def reference(place: Place, make=make) -> list[str]:
            make(place.reference("gain"))
            return place.run()

        def override(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_gain.asdf"
            make(path)
            return place.run(None, f"--steps.rampfit.override_gain={path}")

        def info(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_uncal.asdf"
            make(path)
            return ["info", str(path)]

        def parameters(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_pars.asdf"
            make(path)
            return ["run", str(path), str(place.sound.exposure)]

        # Without any file the directory has nothing to name.
        missing = "GAIN" if name == "no file" else "bad_gain.asdf"
        yield Case(f"exposure: {name}", kind, exposure, expected, "bad_uncal.asdf")
        yield Case(f"gain (directory): {name}", kind, reference, expected, missing)
        yield Case(f"gain (override): {name}", kind, override, expected, "bad_gain.asdf")
        yield Case(f"info: {name}", kind, info, expected, "bad_uncal.asdf")
        yield Case(f"parameter file: {name}", kind, parameters, USAGE, "bad_pars.asdf")

    def links(place: Place) -> list[str]:
        """A link to a sound file is as good as the file."""
        path = place.directory / "bad_uncal.asdf"
        path.symlink_to(place.sound.exposure)
        place.reference("gain").symlink_to(place.sound.path("gain"))
        return place.run(path)

    yield Case("links to sound files", kind, links, SAME, "")

    def references_are(make: Callable[[Path], object]) -> Callable[[Place], list[str]]:
        def write(place: Place) -> list[str]:
            path = place.directory / "bad_refs"
            make(path)
            return place.run(None, f"--references={path}")

        return write

    for name, make in (
        ("nothing", lambda path: None),
        ("a file", lambda path: path.touch()),
        ("empty", lambda path: path.mkdir()),
        ("a link to itself", lambda path: path.symlink_to(path.name)),
        ("a device", lambda path: path.symlink_to("/dev/zero")),
    ):
        yield Case(f"references: {name}", kind, references_are(make), ERROR, "bad_refs")
    for name, make in (
        ("a file", lambda path: path.touch()),
        ("a link to itself", lambda path: path.symlink_to(path.name)),
        ("a device", lambda path: path.symlink_to("/dev/null")),
    ):

        def output(place: Place, make=make) -> list[str]:
            path = place.directory / "bad_out"
            make(path)
            return place.run(None, f"--output_dir={path}")

        yield Case(f"output directory: {name}", kind, output, USAGE | ERROR, "bad_out")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"#ASDF 1.0.0\n")
        file.truncate(100 << 20)


def _socket(path: Path) -> None:
    import socket

    there = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(there)


def commands() -> Iterator[Case]:
    """What other commands do with hostile files; they only look at them."""
    kind = "commands"
    values = yaml_values()
    looked_at: dict[str, tuple[Callable[[bytes], bytes], frozenset[str]]] = {}
    for name in (
        *("billion laughs", "quadratic growth", "a list in itself", "lists, 10k deep"),
        *("blocks, 10k deep", "a million items", "a text of 9 MiB", "an integer of 100k digits"),
        *("the same key twice", "python/object/apply", "a reference to another file"),
        *("control characters", "invalid UTF-8", "an array elsewhere"),
    ):
        value, expected = values[name]
        put = rebuilt(lambda asdf, value=value: asdf.raw("roman.meta.remark", value))
        looked_at[name] = put, ERROR if expected == ERROR else ANY
    looked_at["cut"] = (lambda c: c[: positions(c)["block 0, middle of the data"]], ERROR)
    looked_at["huge shape"] = (
        rebuilt(lambda asdf: asdf.set("roman.data.shape", "[99999999, 99999999, 99]")),
        ERROR,
    )
    looking = (("info",), ("info", "--tree"), ("info", "--stats"))
    for words in (*looking, ("reproduce",), ("references", "find")):
        for name, (damage, expected) in looked_at.items():

            def write(place: Place, words=words, damage=damage) -> list[str]:
                path = place.directory / "bad_uncal.asdf"
                path.write_bytes(damage(place.sound.exposure.read_bytes()))
                rest = [f"--references={place.references}"] if words[0] == "references" else []
                return [*words, str(path), *rest]

            # To find references, a raw exposure needs only a sound head; and no run made it.
            lenient = ANY if words[0] == "references" else expected
            strict = ERROR if words == ("reproduce",) else lenient
            yield Case(f"{' '.join(words)}: {name}", kind, write, strict, "bad_uncal.asdf")
    for name, (damage, _) in looked_at.items():

        def check(place: Place, damage=damage) -> list[str]:
            path = place.reference("gain")
            path.write_bytes(damage(place.sound.path("gain").read_bytes()))
            return ["references", "check", str(place.references)]

        def listed(place: Place, damage=damage) -> list[str]:
            path = place.reference("gain")
            path.write_bytes(damage(place.sound.path("gain").read_bytes()))
            return ["references", "list", f"--references={place.references}"]

        yield Case(f"references check: {name}", kind, check, ANY, "")
        yield Case(f"references list: {name}", kind, listed, ANY, "")
