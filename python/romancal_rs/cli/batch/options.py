"""What the tasks of a batch share on the command line: sources, what is done, and where to."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._files import local_path
from ...errors import RomancalError, nearest
from ...stpipe import config as config_files
from ...stpipe.config import class_path
from ...stpipe.find_class import find_target
from ...stpipe.parameters import ParameterSpec, Setting
from ...stpipe.registry import aliases
from ..options import completed_by, detectors, directories, optical_elements, path
from ..parameters import PARAMETER, add_parameters
from ..parser import add_help_all, seldom
from ..run import explain, first_word, names_class, nested
from .kinds import size

if TYPE_CHECKING:
    from ...batch.plan import Settings
    from ...batch.planning import Selection
    from ...batch.remote import Scratch
    from ...batch.sources import Source
    from ...stpipe import Step

#: What is done where no word says so.
DEFAULT_CLASS = "roman_elp"
#: Parameters that help shows at first.
_SHOWN = ("references", "context")
#: What other programs, and `run`, call the place of the products.
_PLACES = ("--output-dir", "--out-dir", "--outdir", "--dest", "--destination")
_TARGET = "CLASS|ALIAS|FILE"
_WORDS = re.compile(r"[,\s]+")


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `plan` and `run` have in common."""
    parser.add_argument(
        "words",
        metavar=f"[{_TARGET}] SOURCE",
        nargs="*",
        help="what to do (an alias, a class path or a parameter file; roman_elp by default), and "
        "on what: files, directories, patterns, @LIST, - for standard input, *_asn.json, tables "
        "(.ecsv, .csv, .parquet), s3:// and https:// URLs",
    )
    completed_by(
        parser.add_argument(
            "--to", metavar="DEST", required=True, help="directory, or s3:// URL, of products"
        ),
        directories,
    )
    add_help_all(parser)
    seldom(
        parser.add_argument(
            "--state",
            metavar="DIR",
            type=path,
            help="where plans and records are kept (default: DEST/.romancal-rs-batch; needed where "
            "DEST is a URL)",
        )
    )
    chosen = parser.add_argument_group("choice of exposures")
    chosen.add_argument(
        "--recursive", action="store_true", help="look in subdirectories of directories"
    )
    seldom(
        chosen.add_argument(
            "--column",
            metavar="NAME",
            help="column of tables with the exposures (default: l1_s3_uri)",
        )
    )
    for name, what, completer in (
        ("detector", "detectors, such as WFI07", detectors),
        ("element", "optical elements", optical_elements),
    ):
        option = chosen.add_argument(
            f"--{name}", metavar="NAME,...", action="append", default=[], help=f"only these {what}"
        )
        completed_by(option, completer)
    seldom(
        chosen.add_argument(
            "--after",
            metavar="TIME",
            type=_time,
            help="only exposures that start at this time (UTC) or later",
        )
    )
    seldom(
        chosen.add_argument(
            "--before",
            metavar="TIME",
            type=_time,
            help="only exposures that start before this time (UTC)",
        )
    )
    seldom(
        parser.add_argument(
            "--ignore",
            metavar="REASON,...",
            type=_reasons,
            default=(),
            help="differences for which a product is not made again: software, references, "
            "parameters, input",
        )
    )
    seldom(
        parser.add_argument(
            "--disable-crds-steppars",
            action="store_true",
            help="do not look for parameter references in the reference store",
        )
    )


def add_scratch(parser: argparse._ActionsContainer) -> None:
    """Adds where copies of remote files go."""
    seldom(
        parser.add_argument(
            "--scratch",
            metavar="DIR",
            type=path,
            help="directory of each host for copies of remote files (default: "
            "ROMANCAL_RS_SCRATCH, or one of yours among the temporary files)",
        )
    )
    seldom(
        parser.add_argument(
            "--scratch-limit",
            metavar="SIZE",
            type=size,
            help="how much the copies there may take, such as 50GB (default: no limit)",
        )
    )


def add_arguments_of_target(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Adds the parameters of the class that the first word names, or of the default one."""
    parser.usage = f"{parser.prog} [{_TARGET}] SOURCE ... --to DEST [options]"
    for word in arguments:
        if (option := word.partition("=")[0]).replace("_", "-") in _PLACES:
            parser.error(f"{option}: in a batch, --to DEST says where the products go")
    target = first_word(parser, arguments)
    is_named = target is not None and _is_target(target)
    named = target if target is not None and is_named else DEFAULT_CLASS
    try:
        step_class, config = find_target(local_path(named))
    except (RomancalError, OSError) as error:
        parser.error(str(error))
    parser.set_defaults(
        step_class=step_class, config_file=config.path, is_class_named=is_named, parser=parser
    )
    parser.explain = partial(explain, step_class)  # type: ignore[attr-defined]
    add_parameters(parser, step_class)
    for action in parser._actions:
        if action.dest == f"{PARAMETER}references":
            action.help = "directory, or s3:// folder, of reference files"
        elif action.dest == f"{PARAMETER}output_dir":
            action.help = argparse.SUPPRESS  # that is --to
        if action.dest.removeprefix(PARAMETER) not in (action.dest, *_SHOWN):
            seldom(action)
            if not is_named:
                action.help = argparse.SUPPRESS  # they are shown with the class


def _is_target(word: str) -> bool:
    """Whether a word says what to do; a file that is there is a source, unless it names a class."""
    if word == "-" or word.startswith("@") or "://" in word:
        return False
    is_file = config_files.is_parameter_file(word)
    return (is_file or not os.path.exists(word)) and names_class(word)


def find_sources(options: argparse.Namespace) -> list[Source]:
    """The exposures that the words mean; no words are wrong usage."""
    from ...batch import sources

    words = options.words[1:] if options.is_class_named else options.words
    if not words:
        options.parser.error("name the exposures: files, directories, lists, tables or URLs")
    first = words[0]
    may_be_a_step = not options.is_class_named and first.isidentifier()
    if may_be_a_step and not os.path.exists(first) and (step := nearest(first, aliases())):
        options.parser.error(f"{first}: neither a step nor a file or directory{step}")
    return sources.find(words, recursive=options.recursive, column=options.column)


def settings_of(options: argparse.Namespace) -> Settings:
    """What is done with every exposure. Paths are absolute, so that other hosts may read it."""
    from ...batch.api import absolute
    from ...batch.plan import Settings

    given = nested(vars(options))
    references = _remote_references(given)
    parameters = _plain(given, options.step_class)
    return Settings(
        step_class=class_path(options.step_class),
        destination=absolute(options.to),
        config_file=options.config_file and os.path.abspath(options.config_file),
        parameter_references=not options.disable_crds_steppars,
        references=references or parameters.pop("references", None),
        context=parameters.pop("context", None),
        parameters=parameters,
    )


def _remote_references(given: dict[str, Any]) -> str | None:
    """The references where they are a URL, which a step does not take; they are taken out."""
    from ...batch import remote
    from ...batch.api import absolute

    place = given.get("references")
    if not isinstance(place, Setting) or not remote.is_url(str(place.value)):
        return None
    return absolute(given.pop("references").value)


def check_place(options: argparse.Namespace, *, may_write: bool) -> None:
    """Checks where the products go; whether S3 takes any is asked only if it may be written to."""
    from ...batch import remote
    from ...batch.api import absolute, check_destination

    destination = absolute(options.to)
    if may_write or not remote.is_s3(destination):
        check_destination(destination, options.state)


def scratch_of(options: argparse.Namespace) -> Scratch:
    """The scratch directory, which is made when it is used."""
    from ...batch.remote import Scratch

    return Scratch(Path(options.scratch) if options.scratch else None, options.scratch_limit)


def selection_of(options: argparse.Namespace) -> Selection:
    """Which exposures are wanted."""
    from ...batch.planning import Selection, detector_name

    return Selection(
        detectors=tuple(map(detector_name, _words(options.detector))),
        elements=tuple(_words(options.element)),
        after=options.after,
        before=options.before,
    )


def _plain(values: Mapping[str, Any], step_class: type[Step]) -> dict[str, Any]:
    """The parameters that were given, as plain values by name."""
    values = dict(values)
    steps = values.pop("steps", {})
    plain = _values(values, step_class.parameters)
    if steps:
        plain["steps"] = {
            name: _plain(of_step, step_class.step_defs[name]) for name, of_step in steps.items()
        }
    return plain


def _values(values: Mapping[str, Any], spec: ParameterSpec) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Setting):
            plain[name] = spec[name].located(value.value, os.getcwd())
        else:
            plain[name] = _values(value, spec.sections[name])
    return plain


def _words(given: list[str]) -> list[str]:
    return [word for text in given for word in _WORDS.split(text) if word]


def _time(text: str) -> Any:
    from ...references.keys import naive_utc

    try:
        return naive_utc(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2027-06-01 or 2027-06-01T12:00:00"
        ) from error


def _reasons(text: str) -> tuple[str, ...]:
    from ...batch.current import Reason

    known = [reason.value for reason in Reason if reason is not Reason.PRODUCT]
    for word in _words([text]):
        if word not in known:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(known)}")
    return tuple(_words([text]))
