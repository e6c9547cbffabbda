"""Opens files in all ways there are, and tells what they name was imported, called or opened.

As a script: ``watched.py DIRECTORY EXPOSURE REFERENCES``. Each ``*.asdf`` file of DIRECTORY is a
case; the module ``hostile_marker``, which no file may have imported, lies there, too. It prints
each event of the interpreter that has to do with what a file names.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

MARKER = "hostile_marker"
#: Files that are named in the cases, and that nobody has to open.
FORBIDDEN = ("elsewhere.asdf", "/etc/passwd")
#: Events that mean something by themselves.
CALLS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pty.spawn")
CALLS += ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request")
CALLS += ("ctypes.dlopen", "pickle.find_class", "marshal.loads", "webbrowser.open")

_events: list[str] = []
_watching = False


def watch(event: str, args: tuple) -> None:
    if not _watching:
        return
    if event in CALLS:
        found = event != "marshal.loads"  # of every module that is imported
    elif event == "import":
        found = MARKER in str(args[0])
    elif event == "open":
        found = str(args[0]).endswith((*FORBIDDEN, f"{MARKER}.py"))
    elif event in ("compile", "exec"):
        found = MARKER in str(args[0])
    else:
        return
    if found:
        _events.append(f"{event} {str(args)[:200]}")


def touch_everything(path: Path) -> None:
    """All that the file holds, as far as it can be had."""
    from romancal_rs import datamodels

    with contextlib.suppress(Exception), datamodels.open(path) as model:
        model.info(max_rows=None)
        str(model)
        model.search(MARKER)
        for name in list(model.to_flat_dict()):
            with contextlib.suppress(Exception):
                value = model[name]
                repr(value), getattr(value, "shape", None)
        with contextlib.suppress(Exception):
            model.validate()
        with contextlib.suppress(Exception):
            model.copy().save(path.with_suffix(".copy"))


def command(*words: str) -> None:
    from romancal_rs.cli import main

    with contextlib.suppress(SystemExit):
        main(list(words))


def look(path: Path, exposure: str, references: str, directory: Path) -> None:
    touch_everything(path)
    command("info", "--tree", str(path))
    options = [f"--references={references}", f"--output_dir={directory / 'out'}"]
    if path.name.endswith("_uncal.asdf"):
        command("info", str(path))
        command("references", "find", str(path), options[0])
        command("reproduce", str(path))
        command("run", "dq_init", str(path), *options)
        return
    store = directory / "store"
    store.mkdir(exist_ok=True)
    link = store / "distortion.asdf"
    link.unlink(missing_ok=True)
    os.link(path, link)
    command("references", "list", f"--references={store}")
    command("references", "check", str(store))
    override = f"--steps.assign_wcs.override_distortion={path}"
    command("run", "roman_elp", exposure, *options, override)


def main() -> None:
    from romancal_rs.datamodels import load_objects

    global _watching
    directory, exposure, references = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    sys.path.insert(0, str(directory))
    os.chdir(directory)
    sys.addaudithook(watch)
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        # What honest files import is imported before.
        load_objects()
        look(Path(exposure), exposure, references, directory)
    for path in sorted(directory.glob("case*.asdf")):
        _events.clear()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            _watching = True
            look(path, exposure, references, directory)
            _watching = False
        print(f"{path.name}: looked at")
        for event in _events:
            print(f"{path.name}: {event}")


if __name__ == "__main__":
    main()
