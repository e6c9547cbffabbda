"""What a plan needs to know of an exposure: read from the head of its file, and nothing else."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from .. import _yaml_head
from .._asdf_blocks import Block, digest_of_head
from .._files import open_regular
from .._threads import Threads
from .._yaml_head import HeadError
from ..border import BORDER
from ..errors import RomancalError, one_line
from ..references import ExposureKeys
from . import remote
from .outcome import Kind, TransientError
from .plan import Problem
from .starting import process_context

#: The tag of what a file holds: which structure it has.
_TAG = re.compile(rb"^roman: *(?:&\S+ +)?!<?([^\s>]+)", re.MULTILINE)
#: Further items of heads that decide how a file is read, and so its recipe.
_OF_YEARS = ("ngroups", "read_pattern", "group_time")
#: From so many files on, processes are worth the second that each takes to start.
_MANY = 4000
_CHUNK = 250
#: How many remote heads are asked for at a time, and how long to wait [s] before asking a server
#: again.
_AT_A_TIME = 16
_PAUSES_S = (1.0, 4.0)

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class ExposureHead:
    """The head of an exposure's file.

    Attributes
    ----------
    input : str
        Path or URL.
    size : int
        Of the file [bytes].
    sha256 : str
        Its head digest.
    keys : ExposureKeys or None
        None where there is a problem with the file.
    shape : tuple of int
        Of the ramp.
    kind : tuple
        What tells its structure: the tag, who wrote it, and what it has.
    problem : Problem or None
    """

    input: str
    size: int = 0
    sha256: str = ""
    keys: ExposureKeys | None = None
    shape: tuple[int, ...] = ()
    kind: tuple[Any, ...] = ()
    problem: Problem | None = None


def read_head(input: str) -> ExposureHead:
    """Reads the head of an exposure's file.

    Parameters
    ----------
    input : str
        Path or URL.

    Returns
    -------
    ExposureHead
        With a problem where the file cannot be read, is none of ASDF, is cut off, or holds no
        exposure, or one without resultants.

    Raises
    ------
    TransientError
        If a server does not give it for a reason that may pass, also after a while.
    """
    if remote.is_url(input):
        return _read_remote(input)
    try:
        with open_regular(input) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                text = _yaml_head.read_text(file)
            except HeadError as error:
                return ExposureHead(input, size, problem=_bad(input, str(error), error))
            sha256, blocks, is_whole = digest_of_head(file)
    except OSError as error:
        return ExposureHead(input, problem=_bad(input, error.strerror or one_line(error), error))
    return _head(input, size, sha256, text, blocks, is_whole)


def _read_remote(url: str) -> ExposureHead:
    """The same of a remote file, of which nothing tells whether it is cut off."""
    try:
        stat, text = patiently(lambda: remote.read_head(url))
    except TransientError:
        raise
    except RomancalError as error:
        problem = Problem(Kind.BAD_INPUT, one_line(error), type(error).__name__)
        if isinstance(error, HeadError):
            problem = _bad(url, str(error), error)
        return ExposureHead(url, problem=problem)
    return _head(url, stat.size, stat.digest, text)


def patiently(ask: Callable[[], _Answer]) -> _Answer:
    """Asks a server, and again after a while where what goes wrong may pass."""
    for pause in _PAUSES_S:
        try:
            return ask()
        except TransientError:
            time.sleep(pause)
    return ask()


def _head(
    name: str,
    size: int,
    sha256: str,
    text: bytes,
    blocks: list[Block] | None = None,
    is_whole: bool = True,
) -> ExposureHead:
    """What the head of a file says."""
    try:
        tree = _yaml_head.parse(text)
        keys = ExposureKeys.from_tree(tree)
    except HeadError as error:
        return ExposureHead(name, size, sha256, problem=_bad(name, str(error), error))
    except (yaml.YAMLError, ValueError) as error:
        reason = "its head is not valid YAML"
        return ExposureHead(name, size, sha256, problem=_bad(name, reason, error))
    data = tree["roman"].get("data")
    shape = _shape_of(data)
    problem = None
    cut = "" if blocks is None else how_cut(blocks, is_whole, size, data)
    if cut:
        problem = Problem(Kind.BAD_INPUT, f"{name}: truncated: {cut}", "FileFormatError")
    elif why := _why_empty(shape, keys):
        problem = Problem(Kind.NO_DATA, f"{name}: no science data: {why}", "NoScienceDataError")
    kind = _kind_of(text, tree, data)
    return ExposureHead(name, size, sha256, keys, shape, kind, problem)


def read_heads(
    inputs: Sequence[str],
    *,
    processes: int | None = None,
) -> Iterator[ExposureHead]:
    """Reads the heads of many files, in order; remote ones several at a time.

    Parameters
    ----------
    inputs : sequence of str
    processes : int, optional
        How many processes read; by default as many as there are cores, where there are so many
        files that it pays.
    """
    if any(map(remote.is_url, inputs)):
        with Threads(_AT_A_TIME) as threads:
            yield from threads.map(read_head, inputs)
        return
    if processes is None:
        processes = os.cpu_count() or 1 if len(inputs) >= _MANY else 1
    if processes == 1:
        yield from map(read_head, inputs)
        return
    with ProcessPoolExecutor(processes, mp_context=process_context()) as pool:
        yield from pool.map(read_head, inputs, chunksize=_CHUNK)


def _bad(name: str, reason: str, error: Exception) -> Problem:
    return Problem(Kind.BAD_INPUT, f"{name}: {one_line(reason)}", type(error).__name__)


def _shape_of(data: Any) -> tuple[int, ...]:
    """The shape that the head states of an array, which may be in a mapping with its unit."""
    node = data.get("value", data) if isinstance(data, dict) else None
    shape = node.get("shape") if isinstance(node, dict) else None
    if not isinstance(shape, list) or not all(str(n).isdigit() for n in shape):
        return ()
    return tuple(map(int, shape))


def how_cut(blocks: list[Block], is_whole: bool, size: int, data: Any) -> str:
    """In what a file is cut off; empty if it is not.

    Parameters
    ----------
    blocks : list of Block
        Those whose headers are there.
    is_whole : bool
        Whether the last header is.
    size : int
        Of the file [bytes].
    data : object
        What the head says of its largest array.
    """
    if not is_whole:
        return "the file ends inside a block header"
    end = max((block.end for block in blocks if not block.is_streamed), default=0)
    if end > size:
        return f"{size} bytes, but its blocks need at least {end}"
    node = data.get("value", data) if isinstance(data, dict) else {}
    source = node.get("source") if isinstance(node, dict) else None
    if str(source).isdigit() and int(str(source)) >= len(blocks):
        return f"its header names an array that the file does not hold (source {source})"
    return ""


def _why_empty(shape: tuple[int, ...], keys: ExposureKeys) -> str:
    """Why there is nothing to calibrate, where the head says so; as a run would tell."""
    if (shape[0] if shape else keys.n_resultants) == 0:
        return "the ramp has 0 resultants"
    if len(shape) == 3 and min(shape[1:]) <= 2 * BORDER:
        return (
            f"{shape[1]} x {shape[2]} pixels are nothing but the {BORDER} pixel wide border of "
            "reference pixels"
        )
    return ""


def _kind_of(text: bytes, tree: Any, data: Any) -> tuple[Any, ...]:
    tag = _TAG.search(text)
    exposure = tree["roman"]["meta"].get("exposure")
    has = [isinstance(exposure, dict) and exposure.get(name) is not None for name in _OF_YEARS]
    return (
        tag.group(1).decode("ascii", "replace") if tag else "",
        isinstance(data, dict) and "unit" in data,
        *has,
        *_writers(tree.get("history")),
    )


def _writers(history: Any) -> Iterator[str]:
    """The libraries of the mission that a file names, with their versions."""
    extensions = history.get("extensions") if isinstance(history, dict) else None
    for extension in extensions if isinstance(extensions, list) else ():
        software: Any = extension.get("software") if isinstance(extension, dict) else None
        name = software.get("name") if isinstance(software, dict) else None
        if isinstance(name, str) and name.startswith("roman"):
            yield f"{name} {software.get('version', '')}"
