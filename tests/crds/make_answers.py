"""Ask the official CRDS client for the best references of random exposures under random rules.

Run by hand, in an environment that has the client (``pip install crds``); no network is used::

    python tests/crds/make_answers.py --lookups 12000 --all build/crds-answers.json.gz
    python tests/crds/make_answers.py --store tests/crds/answers

The client is called as the pipelines call it. Its answers are the name of a file, "N/A", "OMIT", or
the kind of its error, by the names that this package gives to them.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import logging
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read by the client when it is imported.
CACHE = tempfile.TemporaryDirectory(prefix="crds-answers-")
for variable in [name for name in os.environ if name.startswith("CRDS_")]:
    del os.environ[variable]
os.environ["CRDS_PATH"] = CACHE.name
os.environ["CRDS_SERVER_URL"] = "https://crds-serverless-mode.stsci.edu"
os.environ["CRDS_OBSERVATORY"] = "roman"

import crds  # noqa: E402
from broken_rules import broken_sets  # noqa: E402
from crds.core import exceptions, rmap, selectors  # noqa: E402
from rule_sets import Generator  # noqa: E402
from rule_text import RuleSet  # noqa: E402

RULE_FILE, NO_MATCH = "RuleFileError", "NoMatchError"
BAD_PARAMETER, AMBIGUOUS = "BadParameterError", "AmbiguousMatchError"

LOOKUPS_PER_SET = 24
#: How often each feature is in the stored slice, and how many lookups that holds at least.
STORED_TIMES, STORED_LOOKUPS = 25, 2000


class Witness:
    """Sees what the client does while it answers, and changes nothing.

    The client hands out errors as text alone, and does not tell of merged tables.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.seen: set[str] = set()
        self._watch_errors(rmap.ReferenceMapping, "_get_best_ref")
        self._watch_errors(rmap.InstrumentContext, "get_rmap")
        self._watch_merges()
        self._watch_candidates()

    def reset(self) -> None:
        self.error, self.seen = None, set()

    def _watch_errors(self, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def watched(*args: Any, **keys: Any) -> Any:
            try:
                return original(*args, **keys)
            except Exception as error:
                self.error = error
                raise

        setattr(owner, name, watched)

    def _watch_merges(self) -> None:
        original = selectors.MatchSelector.__dict__["merge_group"]

        def merge_group(selector: Any, tables: Any) -> Any:
            self.seen.add("merged tables")
            dates = [key for table in tables for key in getattr(table, "keys", tuple)()]
            if any(not isinstance(table, selectors.UseAfterSelector) for table in tables):
                self.seen.add("merge of what is no table of dates")
            elif len(set(dates)) < len(dates):
                self.seen.add("merged tables with the same date")
            return original(selector, tables)

        selectors.MatchSelector.merge_group = merge_group

    def _watch_candidates(self) -> None:
        original = selectors.MatchSelector.winnowing_match

        def winnowing_match(selector: Any, header: Any) -> Iterator[Any]:
            for n, candidate in enumerate(original(selector, header)):
                if n == 1:
                    self.seen.add("next best tried")
                yield candidate

        selectors.MatchSelector.winnowing_match = winnowing_match


def answer(context: str, reftype: str, header: dict[str, str], witness: Witness) -> str:
    """What the client says."""
    witness.reset()
    try:
        found = crds.getrecommendations(
            header, reftypes=[reftype], context=context, observatory="roman", fast=True
        )
    except Exception as error:
        return _load_error(error)
    if reftype not in found:
        return "OMIT"
    result = found[reftype]
    if isinstance(result, tuple):
        return AMBIGUOUS
    if result == "NOT FOUND n/a":
        return "N/A"
    if not result.startswith("NOT FOUND"):
        return str(result)
    assert witness.error is not None
    return _lookup_error(witness.error)


def _load_error(error: Exception) -> str:
    """The kind of an error from which the client gives no answer at all."""
    if isinstance(error, exceptions.CrdsUnknownInstrumentError):
        return NO_MATCH
    if "keyword in header for determining instrument" in str(error):
        return BAD_PARAMETER
    return RULE_FILE


def _lookup_error(error: Exception) -> str:
    """The kind of an error for one reference type."""
    if isinstance(error, exceptions.CrdsLookupError | exceptions.CrdsUnknownReftypeError):
        return NO_MATCH
    if isinstance(error, exceptions.AmbiguousMatchError):
        return AMBIGUOUS
    if isinstance(error, exceptions.ValidationError | exceptions.InvalidDatetimeError):
        return BAD_PARAMETER
    # What the client has no error of its own for: where it happened tells what it was.
    where = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    if "merge" in where or "merge_group" in where:
        return AMBIGUOUS
    if where & {"map_irrelevant_parkeys_to_na", "_validate_value"}:
        return BAD_PARAMETER
    return f"unforeseen {type(error).__name__}: {error}"


def ask(rules: RuleSet, witness: Witness) -> dict[str, Any]:
    """A rule set with the client's answers."""
    directory = Path(CACHE.name, "mappings", "roman")
    for name, text in rules.files.items():
        (directory / name).write_text(text, encoding="utf-8")
    lookups = []
    for lookup in rules.lookups:
        result = answer(rules.context, lookup.reftype, dict(lookup.header), witness)
        tags = sorted(lookup.tags | witness.seen | {f"answer {_kind(result)}"})
        lookups.append(
            {"type": lookup.reftype, "header": lookup.header, "answer": result, "tags": tags}
        )
    return {"context": rules.context, "files": rules.files, "lookups": lookups}


def _kind(result: str) -> str:
    return result if result in ("N/A", "OMIT") or result.endswith("Error") else "file"


def make(n_lookups: int, seed: int) -> list[dict[str, Any]]:
    """Rule sets with at least so many lookups, and their answers."""
    generator, witness = Generator(seed), Witness()
    answered = [ask(rules, witness) for rules in broken_sets(generator)]
    dropped = 0
    while _count(answered) < n_lookups:
        rules = ask(generator.rule_set(LOOKUPS_PER_SET), witness)
        # The client reads all rules of an instrument first: one unsound map fails them all.
        if any(lookup["answer"] == RULE_FILE for lookup in rules["lookups"]):
            dropped += 1
        else:
            answered.append(rules)
    print(f"{dropped} rule sets dropped, which came out unsound by accident")
    return answered


def _count(answered: list[dict[str, Any]]) -> int:
    return sum(len(rules["lookups"]) for rules in answered)


def stored_slice(answered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some of the rule sets, in which every feature is often enough, as far as it can be."""
    times: Counter[str] = Counter()
    n_lookups, chosen = 0, []
    for rules in answered:
        tags = Counter(tag for lookup in rules["lookups"] for tag in lookup["tags"])
        if n_lookups >= STORED_LOOKUPS and all(times[tag] >= STORED_TIMES for tag in tags):
            continue
        times.update(tags)
        n_lookups += len(rules["lookups"])
        chosen.append(rules)
    return chosen


def write(path: Path, answered: list[dict[str, Any]], features: bool) -> None:
    """Write rule sets and answers; the same ones always give the same bytes."""
    text = json.dumps(answered, separators=(",", ":"), sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    tags = Counter(tag for rules in answered for each in rules["lookups"] for tag in each["tags"])
    for tag, times in sorted(tags.items()) if features else ():
        print(f"{times:7} {tag}")
    print(f"{path}: {_count(answered)} lookups in {len(answered)} rule sets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lookups", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=20260)
    parser.add_argument("--all", type=Path, help="write all answers to this .json.gz")
    parser.add_argument(
        "--store", type=Path, help="write the slice for the tests to this directory"
    )
    parser.add_argument("--features", action="store_true", help="count what the lookups show")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    for part in ("mappings", "config"):
        Path(CACHE.name, part, "roman").mkdir(parents=True)
    config = {"observatory": "roman", "operational_context": "roman_0001.pmap"}
    config |= {"latest_context": "roman_0001.pmap", "force_remote_mode": False}
    config |= {"bad_files_list": [], "last_synced": "never", "status": "cache"}
    Path(CACHE.name, "config", "roman", "server_config").write_text(repr(config))
    start = time.monotonic()
    # The client prints the traceback of a rule file that is not there.
    with contextlib.redirect_stderr(io.StringIO()):
        answered = make(arguments.lookups, arguments.seed)
    print(f"client {crds.__version__}: {time.monotonic() - start:.0f} s")
    unforeseen = [
        lookup["answer"]
        for rules in answered
        for lookup in rules["lookups"]
        if lookup["answer"].startswith("unforeseen")
    ]
    if unforeseen:
        sys.exit("\n".join(sorted(set(unforeseen))))
    if arguments.all:
        write(arguments.all, answered, arguments.features)
    if arguments.store:
        write(arguments.store / "slice.json.gz", stored_slice(answered), arguments.features)


if __name__ == "__main__":
    main()
