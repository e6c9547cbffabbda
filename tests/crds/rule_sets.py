"""Random rule sets of a CRDS cache, as text, and exposures to look up in them.

Used by make_answers.py. A rule set is one context: a pipeline map, an instrument map, and some
reference maps. Names of files are unique, so that any number of sets fit into one cache. The same
seed gives the same sets.
"""

from __future__ import annotations

import random
from typing import Any

from exposures import Exposures
from rule_text import (
    BOOLEAN,
    DETECTOR,
    ELEMENT,
    EXPOSURE_TYPE,
    INSTRUMENT,
    NUMBER,
    NUMBERS,
    OLD_START,
    START,
    SUBARRAYS,
    WORDS,
    ReferenceRules,
    RuleSet,
    Table,
    file_text,
    map_text,
)

TYPES = ["dark", "flat", "gain", "mask", "readnoise", "saturation", "linearity", "distortion"]
SPECIAL = ["N/A", "OMIT", "TEMP_N/A", "TEMP_OMIT", "n/a", "omit", "temp_n/a", "temp_omit"]

# How the levels of a reference map are nested, with how often each form is made.
LAYOUTS = [
    (("Match", "UseAfter"), 38),
    (("Match",), 8),
    (("UseAfter",), 6),
    (("Empty", "UseAfter"), 6),
    (("Match", "Match", "UseAfter"), 14),
    (("Match", "UseAfter", "Match"), 9),
    (("UseAfter", "Match"), 8),
    (("UseAfter", "Match", "UseAfter"), 3),
    (("Match", "Match"), 8),
]


class Generator:
    """Makes one rule set after the other.

    Parameters
    ----------
    seed : int
        The same seed gives the same sets.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.exposures = Exposures(self.rng)
        self.serial = 0

    def often(self, percent: float) -> bool:
        return self.rng.random() * 100 < percent

    # --- rule sets

    def rule_set(self, n_lookups: int, reftypes: list[str] | None = None) -> RuleSet:
        """A set of sound rules with exposures to look up."""
        self.serial += 1
        number = f"{self.serial:04d}"
        reftypes = reftypes or self.rng.sample(TYPES, self.rng.randint(1, 4))
        rules = {reftype: self.reference_rules(reftype) for reftype in reftypes}
        files: dict[str, str] = {}
        selector: dict[str, str] = {}
        for reftype, rule in rules.items():
            name = selector[reftype.upper()] = f"roman_wfi_{reftype}_{number}.rmap"
            header = {"derived_from": "made by hand", "filekind": reftype.upper()}
            header |= {"instrument": "WFI", "mapping": "REFERENCE", "name": name}
            header |= {"observatory": "ROMAN", **rule.header}
            comment = "sel = Match({})\nmade for a test" if self.often(20) else None
            files[name] = file_text(header, rule.selector.text(), comment)
        nothing = {"AREA": "N/A", "EPSF": "OMIT", "APCORR": "TEMP_N/A", "MATABLE": "TEMP_OMIT"}
        selector |= nothing
        imap, pmap = f"roman_wfi_{number}.imap", f"roman_{number}.pmap"
        files[imap] = map_text(imap, "instrument", ("REFTYPE",), selector)
        files[pmap] = map_text(pmap, "pipeline", (INSTRUMENT,), {"WFI": imap})
        lookups = [
            self.exposures.lookup(*self.rng.choice(list(rules.items()))) for _ in range(n_lookups)
        ]
        for reftype, tag in (
            (self.rng.choice(list(nothing)).lower(), "special in instrument map"),
            ("nosuchtype", "unknown type"),
        ):
            if self.often(25):
                lookup = self.exposures.lookup(reftype, rule)
                lookup.tags = {tag}
                lookups.append(lookup)
        return RuleSet(pmap, files, lookups)

    def reference_rules(self, reftype: str) -> ReferenceRules:
        layout = self.rng.choices([form for form, _ in LAYOUTS], [n for _, n in LAYOUTS])[0]
        old = self.often(20)
        names = [DETECTOR, ELEMENT, EXPOSURE_TYPE]
        if self.often(30):
            names.append(NUMBER)
        if self.often(12):
            names.append(BOOLEAN)
        if self.often(10):
            names.append(self.rng.choice(SUBARRAYS))
        self.rng.shuffle(names)
        parkey: list[tuple[str, ...]] = []
        matches = layout.count("Match")
        for kind in layout:
            if kind == "Empty":
                parkey.append(())
            elif kind == "UseAfter":
                parkey.append(OLD_START if old else START)
            else:
                n = self.rng.randint(1, min(3, max(1, len(names) - matches + 1)))
                parkey.append(tuple(names[:n]))
                del names[:n]
                matches -= 1
        rules = ReferenceRules({"parkey": tuple(parkey)}, Table("Match", []), set(), {}, [])
        rules.tags.add("layout " + ">".join(layout))
        if "UseAfter" in layout:
            rules.tags.add("old date keys" if old else "today's date key")
        rules.dates = [self.date(rules) for _ in range(self.rng.randint(2, 6))]
        self._header(rules)
        rules.selector = self.table(layout, parkey, rules, reftype)
        return rules

    def date(self, rules: ReferenceRules) -> str:
        rng = self.rng
        day = f"202{rng.randint(0, 7)}-{rng.choice((1, 2, 12)):02d}-{rng.choice((1, 28)):02d}"
        time = rng.choice(("00:00:00", "00:00:00", "12:30:59", "23:59:59"))
        if self.often(78):
            return f"{day} {time}"
        form, tag = rng.choice(
            [
                (f"{day} {time}.500", "date in table with fraction"),
                (f"{day} {time}.000", "date in table with fraction"),
                (f"{day} {time}.123456", "date in table with fraction"),
                (f"{day}T{time}", "date in table with T"),
                (f"{day}T{time}.000", "date in table with T"),
                (day, "date in table without time"),
            ]
        )
        rules.tags.add(tag)
        return form

    def table(
        self, layout: Any, parkey: list[tuple[str, ...]], rules: ReferenceRules, reftype: str
    ) -> Table:
        kind, names = layout[0], parkey[0]
        keys: list[Any]
        if kind == "Empty":
            kind, keys = "Match", [()]
        elif kind == "UseAfter":
            dates = sorted(set(rules.dates))
            keys = self.rng.sample(dates, min(self.rng.randint(1, 3), len(dates)))
        else:
            keys = self.match_keys(names, rules)
        items: list[tuple[Any, str | Table]] = []
        for key in keys:
            choice: str | Table
            if len(layout) == 1 or (kind == "Match" and self.often(7)):
                choice = self.terminal(kind, reftype, rules)
                if len(layout) > 1:
                    rules.tags.add("file where others have a table")
            else:
                choice = self.table(layout[1:], parkey[1:], rules, reftype)
            items.append((key, choice))
        if items and self.often(3):
            items.append((items[0][0], self.terminal(kind, reftype, rules)))
            rules.tags.add("duplicate key")
        return Table(kind, items)

    def terminal(self, kind: str, reftype: str, rules: ReferenceRules) -> str:
        if self.often(8):
            rules.tags.add(f"special in {kind}")
            return self.rng.choice(SPECIAL)
        return f"roman_wfi_{reftype}_{self.rng.randint(1, 9999):04d}.asdf"

    # --- keys of Match

    def match_keys(self, names: tuple[str, ...], rules: ReferenceRules) -> list[Any]:
        keys: list[Any] = []
        seen = set()
        for _ in range(self.rng.randint(1, 7)):
            if keys and self.often(45):  # near another key, so that exposures fit several
                key = list(self.rng.choice(keys))
                i = self.rng.randrange(len(names))
                key[i] = self.rng.choice([self.element(names[i], rules), "N/A", "ANY"])
            else:
                key = [self.element(name, rules) for name in names]
            likeness = tuple(map(_likeness, key))
            if likeness not in seen:
                seen.add(likeness)
                keys.append(tuple(key))
        # A list for a single value would make a key of two values of it.
        if len(names) == 1 and "substitution by a list" not in rules.tags and self.often(40):
            rules.tags.add("single value as key")
            keys = [key if isinstance(key[0], tuple) else key[0] for key in keys]
        return keys

    def element(self, name: str, rules: ReferenceRules) -> Any:
        """One element of a key; notes a value that fits it, and what it shows."""
        if name == NUMBER:
            value, fitting, tag = self._number()
        else:
            value, fitting, tag = self._word(name)
        rules.tags.add(tag)
        if value == "GENERIC":
            rules.tags.add(f"generic {name}")
        rules.known.setdefault(name, []).extend(fitting)
        return value

    def _word(self, name: str) -> tuple[Any, list[str], str]:
        word, other, third = (self.rng.choice(WORDS[name]) for _ in range(3))
        bar, spaced = f"{word}|{other}", f" {word} | {other}|{third} "
        forms: list[tuple[int, Any, list[str], str]] = [
            (40, word, [word], "plain key"),
            (9, bar, [word, other], "bars"),
            (5, bar + "|", [word, other], "trailing bar"),
            (4, spaced, [word, third], "bars with spaces"),
            (5, word[:2] + "*", [word], "glob"),
            (2, f"*{word[-1]}|{other}", [word, other], "glob"),
            (8, "ANY", [], "ANY"),
            (2, "*", [], "star"),
            (11, "N/A", [], "N/A"),
            (4, (word, other), [word, other], "inner tuple"),
            (3, word.lower(), [word], "lower case"),
            (4, f"NOT {word}", [other], "NOT"),
            (1, f"not {bar}", [third], "NOT"),
            (3, f"{{{word}}}", [word], "literal"),
            (1, f"{{{bar}}}", [bar], "literal"),
        ]
        if name == BOOLEAN:
            forms = [
                (4, True, ["T"], "boolean"),
                (4, False, ["F", "false"], "boolean"),
                (2, "T", ["true"], "boolean"),
                (2, "f", ["F"], "boolean"),
                (2, "N/A", [], "N/A"),
                (1, "ANY", [], "ANY"),
            ]
        return self.rng.choices([form[1:] for form in forms], [form[0] for form in forms])[0]

    def _number(self) -> tuple[Any, list[str], str]:
        rng = self.rng
        n = rng.choice(NUMBERS)
        low, high = sorted(rng.sample(NUMBERS, 2))
        edges = [str(low), str(high), f"{low}.0", f"{high - 1}", f"{high}.0001"]
        forms: list[tuple[int, Any, list[str], str]] = [
            (6, n, [str(n)], "number"),
            (4, float(n), [str(n), f"{n}."], "number"),
            (4, str(n), [f"{n}.0"], "number"),
            (2, f"{n}|{low}", [str(n), str(low)], "number"),
            (2, (n, high), [str(n), str(high)], "number"),
            (5, f"BETWEEN {low} {high}", edges, "BETWEEN"),
            (2, f"between {low} {high}", edges, "BETWEEN"),
            (2, f"NOT BETWEEN {low} {high}", edges, "NOT"),
            (4, f"# >{low} and <={high} #", edges, "relation"),
            (3, f"#<{low} or >{high}#", edges, "relation"),
            (4, f">{n}", [f"{n}.5", str(n)], "inequality"),
            (2, f"<= {n}", [str(n), "-1"], "inequality"),
            (1, f"not >={n}", [str(n), "0"], "NOT"),
            (4, "N/A", [], "N/A"),
            (2, "ANY", [], "ANY"),
        ]
        return rng.choices([form[1:] for form in forms], [form[0] for form in forms])[0]

    # --- the header of a reference map

    def _header(self, rules: ReferenceRules) -> None:
        header, tags, rng = rules.header, rules.tags, self.rng
        names = [name for level in header["parkey"] for name in level if name in WORDS]
        if self.often(10):
            header["merge_overlaps"] = rng.choice([False, "false", "0", True, "TRUE", 1])
            tags.add(f"merge_overlaps {str(header['merge_overlaps']).upper() in ('TRUE', '1')}")
        if self.often(14):
            header["reffile_required"] = rng.choice(["yes", "no", "no", "NO", "none"])
            tags.add(f"reffile_required {header['reffile_required'].lower()}")
        if self.often(10):
            header["extra_keys"] = ("ROMAN.META.EXPOSURE.ID",)
            names.append("ROMAN.META.EXPOSURE.ID")
            tags.add("extra_keys")
        if not names:
            return
        if self.often(10):
            header["comment_parkeys"] = (rng.choice(names),)
            tags.add("comment_parkeys")
        if self.often(10):
            name = rng.choice(names)
            words = WORDS.get(name, ["1"])
            one, two = rng.choice(words), rng.choice(words)
            new: Any = rng.choice(["N/A", two, [two, rng.choice(words)], "ANY", f"{one}|{two}"])
            header["substitutions"] = {name: {one: new}}
            tags.add("substitution by a list" if isinstance(new, list) else "substitution")
        for key, percent in (("rmap_relevance", 12), ("rmap_omit", 8)):
            if self.often(percent):
                header[key] = self.expression(names, key, tags)
        if self.often(14):
            header["parkey_relevance"] = {
                self.rng.choice([name, name.lower()]): self.expression(
                    names, "parkey_relevance", tags
                )
                for name in rng.sample(names, 1)
            }

    def expression(self, names: list[str], where: str, tags: set[str]) -> str:
        rng = self.rng
        tags.add(where)

        def atom() -> str:
            name = rng.choice(names)
            one, two = (rng.choice(WORDS.get(name, ["7"])) for _ in range(2))
            if self.often(30):
                name = name.replace(".", "_")
            return rng.choice(
                [
                    f"({name} == '{one}')",
                    f"({name} != '{one}')",
                    f"({name} in ['{one}', '{two}'])",
                    f"({name} not in ('{one}', '{two}'))",
                    f"('{one[:2]}' in {name})",
                    f"(not {name} == '{one}')",
                    f"({name} >= '{one}')",
                ]
            )

        if self.often(12):
            tags.add(f"{where} that fails")
            return rng.choice(["(NO_SUCH_KEY == 'A')", f"({rng.choice(names)} < 1)"])
        if where == "rmap_relevance" and self.often(15):
            return rng.choice(["always", "ALWAYS"])
        parts = [atom() for _ in range(rng.choice((1, 1, 2, 3)))]
        joined = rng.choice((" and ", " or ")).join(parts)
        return f"({joined})"


def _likeness(element: Any) -> str:
    """What two elements of keys have in common that rules take for the same."""
    if isinstance(element, tuple):
        return "|".join(_likeness(part) for part in element)
    text = str(element).strip().upper()
    if "|" in text and not text.startswith("{"):
        return "|".join(sorted(_likeness(part) for part in text.split("|") if part.strip()))
    text = {"TRUE": "T", "FALSE": "F", "ANY": "*"}.get(text, text)
    try:
        return str(float(text))
    except ValueError:
        return text
