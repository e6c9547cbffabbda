"""The best references equal those of the official CRDS client, whose answers are stored here.

README.md says how they are made. ``python tests/crds/test_answers.py FILE`` compares other answers.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from romancal_rs.references.crds_cache import (
    AmbiguousMatchError,
    BadParameterError,
    CrdsCache,
    NoMatchError,
    RuleFileError,
)

ANSWERS = Path(__file__).parent / "answers" / "slice.json.gz"
ERRORS = (RuleFileError, NoMatchError, BadParameterError, AmbiguousMatchError)

#: At least so many lookups show each of these.
LEAST = 20
FEATURES = """
answer AmbiguousMatchError; answer BadParameterError; answer N/A; answer NoMatchError;
answer OMIT; answer RuleFileError; answer file

layout Empty>UseAfter; layout Match; layout Match>Match; layout Match>Match>UseAfter;
layout Match>UseAfter; layout Match>UseAfter>Match; layout UseAfter; layout UseAfter>Match;
layout UseAfter>Match>UseAfter

plain key; single value as key; lower case; bars; bars with spaces; trailing bar; inner tuple;
glob; star; ANY; N/A; NOT; literal; number; boolean; BETWEEN; relation; inequality; duplicate key;
substitution; substitution by a list; generic SUBARRAY; generic META.SUBARRAY.NAME

merged tables; merged tables with the same date; merge of what is no table of dates;
merge_overlaps False; merge_overlaps True; next best tried; file where others have a table

special in Match; special in UseAfter; special in instrument map; unknown type

rmap_relevance; rmap_relevance that fails; rmap_omit; rmap_omit that fails; parkey_relevance;
parkey_relevance that fails; reffile_required no; reffile_required none; reffile_required yes;
comment_parkeys; extra_keys

today's date key; old date keys; date in table with T; date in table with fraction;
date in table without time; instant at; instant +1s; instant -1s; instant +1ms; instant -1ms;
instant +1us; instant later; instant earlier

date undefined; date malformed; date in another form; missing key; names in lower case;
value not in the rules; special value of the exposure; instrument missing;
instrument unknown or undefined
"""
#: What is wrong with a rule file; each is there for a few lookups.
FAULTS = """
bad checksum; missing checksum; missing file; missing header key; no header; no selector;
empty file; key of wrong length; key given twice in two forms; nested deeper than parkey;
bad BETWEEN; BETWEEN one number; comparison with no number; unknown selector;
selector that is a list; selector that does not end; selector with a call;
selector with an attribute; selector with a lambda; selector with a comprehension;
selector with an f-string; foreign import; foreign statement; foreign another name;
condition with a call; condition with an attribute; condition with a foreign key;
condition that is no expression; condition in lower case without parentheses;
repeated header key; empty selector; later definition wins
"""


def read(path: Path) -> list[dict[str, Any]]:
    """Rule sets, each with lookups and the client's answers."""
    return json.loads(gzip.decompress(path.read_bytes()))


def disagreements(rules: dict[str, Any], directory: Path) -> list[str]:
    """For which lookups of a rule set this package answers otherwise than the client."""
    for name, text in rules["files"].items():
        (directory / name).write_text(text, encoding="utf-8")
    cache = CrdsCache(directory, directory)
    found = []
    for lookup in rules["lookups"]:
        message = ""
        try:
            answer = cache.best_reference(rules["context"], lookup["type"], lookup["header"])
        except ERRORS as error:
            answer = next(kind.__name__ for kind in ERRORS if isinstance(error, kind))
            message = f" ({error})"
        if answer != lookup["answer"]:
            found.append(
                f"{rules['context']} {lookup['type']} {lookup['header']}: "
                f"{answer}{message}, but the client has {lookup['answer']}"
            )
    return found


@pytest.fixture(scope="module")
def answers() -> list[dict[str, Any]]:
    return read(ANSWERS)


def test_every_answer_is_the_clients(answers, tmp_path):
    found = [line for rules in answers for line in disagreements(rules, tmp_path)]
    assert not found, f"{len(found)} differ: " + "\n".join(found[:5])


def test_the_stored_lookups_are_many_and_show_every_feature(answers):
    lookups = [lookup for rules in answers for lookup in rules["lookups"]]
    assert len(lookups) >= 1500
    times = Counter(tag for lookup in lookups for tag in lookup["tags"])
    features = _names(FEATURES)
    faults = _names(FAULTS)
    assert {tag: times[tag] for tag in features if times[tag] < LEAST} == {}
    assert {tag for tag in faults if times[tag] < 2} == set()
    assert set(times) == {*features, *faults}  # a feature that is new belongs in the lists


def test_no_single_answer_is_right_for_most_lookups(answers):
    given = Counter(lookup["answer"] for rules in answers for lookup in rules["lookups"])
    assert given.most_common(1)[0][1] < 0.3 * given.total()


def _names(text: str) -> list[str]:
    return [" ".join(name.split()) for name in re.split(r";|\n\n", text) if name.strip()]


def main() -> None:
    logging.disable(logging.CRITICAL)
    n_lookups, found = 0, []
    answers = read(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as directory:
        for rules in answers:
            n_lookups += len(rules["lookups"])
            found += disagreements(rules, Path(directory))
    for line in found[:20]:
        print(line)
    print(f"{n_lookups} lookups in {len(answers)} rule sets: {len(found)} differ from the client")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
