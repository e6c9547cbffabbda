"""Rule sets of which one file is damaged, wrong, or missing.

Used by make_answers.py. Each set has one reference type only: the client reads all rules of an
instrument before it looks at any.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rule_sets import Generator
from rule_text import RuleSet, with_checksum

_REQUIRED = ["mapping", "parkey", "name", "derived_from", "observatory"]
#: What a reference map may not hold, by what is wrong with it.
_SELECTORS = {
    "key of wrong length": "Match({('WFI01', 'F158') : 'a.asdf', ('WFI02',) : 'b.asdf'})",
    "key given twice in two forms": "Match({('WFI01', 1) : 'a.asdf', ('wfi01', '1') : 'b.asdf'})",
    "nested deeper than parkey": (
        "Match({('WFI01', 'N/A') : Match({('1', '2') : Match({'1' : 'a.asdf'})})})"
    ),
    "unknown selector": "Nearest({('WFI01', 'F158') : 'a.asdf'})",
    "selector with a call": "Match({('WFI01', 'F158') : open('a.asdf')})",
    "selector with an attribute": "Match({('WFI01', 'F158') : ''.upper})",
    "selector with a comprehension": "Match({(n, 'F158') : 'a.asdf' for n in 'ab'})",
    "selector with a lambda": "Match({('WFI01', 'F158') : lambda: 1})",
    "selector with an f-string": "Match({(f'{1}', 'F158') : 'a.asdf'})",
    "selector that is a list": "['a.asdf']",
    "selector that does not end": "Match({('WFI01', 'F158') : 'a.asdf'",
    "bad BETWEEN": "Match({('BETWEEN 3 1', 'F158') : 'a.asdf'})",
    "BETWEEN one number": "Match({('BETWEEN 3', 'F158') : 'a.asdf'})",
    "comparison with no number": "Match({('>x', 'F158') : 'a.asdf'})",
}
_ADDED = {
    "import": "import os\n",
    "another name": "other = {}\n",
    "statement": "for x in 'ab': pass\n",
}
_EXPRESSIONS = {
    "condition with a call": "(open('x'))",
    "condition with an attribute": "('a'.upper == 'A')",
    "condition with a foreign key": "(ROMAN.META.NO.SUCH.KEY == 'A')",
    "condition in lower case without parentheses": "ROMAN.META.INSTRUMENT.DETECTOR == 'WFI01'",
    "condition that is no expression": "(ROMAN.META.INSTRUMENT.DETECTOR ==)",
}

Damage = Callable[[RuleSet], None]


def broken_sets(generator: Generator) -> list[RuleSet]:
    """One set for each thing that can be wrong."""
    damages: list[tuple[str, Damage]] = []
    for kind in ("pmap", "imap", "rmap"):
        damages += [
            ("bad checksum", _edit(kind, lambda text: text.replace("by hand", "by feet"), False)),
            ("missing checksum", _edit(kind, _without("sha1sum"), False)),
            ("missing file", _remove(kind)),
            ("no header", _edit(kind, lambda text: text.replace("header =", "comment ="))),
            ("no selector", _edit(kind, lambda text: text.replace("selector =", "comment ="))),
            ("empty file", _edit(kind, lambda text: "", False)),
        ]
        more = {"imap": ["instrument"], "rmap": ["instrument", "filekind"]}.get(kind, [])
        damages += [
            ("missing header key", _edit(kind, _without(key))) for key in [*_REQUIRED, *more]
        ]
    damages += [(tag, _selector(text)) for tag, text in _SELECTORS.items()]
    damages += [
        (f"foreign {tag}", _edit("rmap", lambda text, line=line: text + line))
        for tag, line in _ADDED.items()
    ]
    damages += [
        (tag, _header(key, source))
        for tag, source in _EXPRESSIONS.items()
        for key in ("rmap_relevance", "rmap_omit")
    ]
    # These are sound: what is nearly a fault, and none.
    damages += [
        ("repeated header key", _header("observatory", "roman")),
        ("empty selector", _selector("Match({})")),
        ("later definition wins", _edit("rmap", lambda text: text + "comment = 'again'\n")),
    ]
    made = []
    for tag, damage in damages:
        rules = generator.rule_set(2, ["flat"])
        rules.lookups = [lookup for lookup in rules.lookups if lookup.reftype == "flat"]
        for lookup in rules.lookups:
            lookup.tags = {tag}
        damage(rules)
        made.append(rules)
    return made


def _name(rules: RuleSet, kind: str) -> str:
    return next(name for name in rules.files if name.endswith(kind))


def _edit(kind: str, change: Callable[[str], str], checksum: bool = True) -> Damage:
    def damage(rules: RuleSet) -> None:
        name = _name(rules, kind)
        text = change(rules.files[name])
        rules.files[name] = with_checksum(text) if checksum else text

    return damage


def _remove(kind: str) -> Damage:
    def damage(rules: RuleSet) -> None:
        del rules.files[_name(rules, kind)]

    return damage


def _without(key: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"^    '{key}' : .*\n", "", text, flags=re.MULTILINE)


def _selector(selector: str) -> Damage:
    """Another selector, with two match parameters on each of two levels."""
    parkey = (
        "(('ROMAN.META.INSTRUMENT.DETECTOR', 'ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT'), "
        "('ROMAN.META.EXPOSURE.TYPE', 'ROMAN.META.EXPOSURE.ID'))"
    )

    def change(text: str) -> str:
        head = text[: text.index("\nselector = ")]
        head = re.sub(r"^    'parkey' : .*$", f"    'parkey' : {parkey},", head, flags=re.MULTILINE)
        for key in ("substitutions", "parkey_relevance", "rmap_relevance", "rmap_omit"):
            head = _without(key)(head)
        return f"{head}\nselector = {selector}\n"

    return _edit("rmap", change)


def _header(key: str, value: str) -> Damage:
    def change(text: str) -> str:
        for other in ("parkey_relevance", "rmap_relevance", "rmap_omit", "extra_keys"):
            text = _without(other)(text)
        parkey = "    'extra_keys' : ('ROMAN.META.INSTRUMENT.DETECTOR',),\n"
        line = f"    {key!r} : {value!r},\n"
        return text.replace("header = {\n", f"header = {{\n{line}{parkey}", 1)

    return _edit("rmap", change)
