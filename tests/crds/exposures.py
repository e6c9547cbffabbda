"""Random exposures, as metadata by name, that fit given rules more or less."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from rule_text import (
    INSTRUMENT,
    NUMBER,
    NUMBERS,
    OLD_START,
    START,
    SUBARRAYS,
    WORDS,
    Lookup,
    ReferenceRules,
)


class Exposures:
    """Makes one exposure after the other.

    Parameters
    ----------
    rng : random.Random
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def often(self, percent: float) -> bool:
        return self.rng.random() * 100 < percent

    def lookup(self, reftype: str, rules: ReferenceRules) -> Lookup:
        rng, tags = self.rng, set(rules.tags)
        header = {INSTRUMENT: "WFI", "ROMAN.META.EXPOSURE.ID": rng.choice(["7", "8"])}
        for name, words in WORDS.items():
            known = rules.known.get(name, [])
            header[name] = rng.choice(known) if known and self.often(82) else rng.choice(words)
        numbers = rules.known.get(NUMBER, []) or list(map(str, NUMBERS))
        del header[SUBARRAYS[1]]
        header[NUMBER] = rng.choice(numbers) if self.often(85) else str(rng.randint(0, 20))
        day, time = self._instant(rules, tags)
        header[OLD_START[0]], header[OLD_START[1]] = day, time
        # Pipelines write dates with a T and a thousandth.
        header[START[0]] = day + rng.choice("TTTTTT ") + time if time else day
        if self.often(12):
            self._spoil(header, rules, tags)
        if self.often(8):
            tags.add("names in lower case")
            header = {name.lower(): value for name, value in header.items()}
        return Lookup(reftype, header, tags)

    def _instant(self, rules: ReferenceRules, tags: set[str]) -> tuple[str, str]:
        """A day and a time, often at the edge of a date of the rules."""
        rng = self.rng
        date = rng.choice(rules.dates).replace("T", " ")
        day, _, time = date.partition(" ")
        time = time[:8] or "00:00:00"
        step = rng.choice(["at", "at", "-1s", "+1s", "-1ms", "+1ms", "+1us", "later", "earlier"])
        tags.add(f"instant {step}")
        if step == "later":
            return f"{int(day[:4]) + rng.randint(1, 3)}{day[4:]}", time + ".000"
        if step == "earlier":
            return f"{int(day[:4]) - rng.randint(1, 9)}{day[4:]}", time
        moment = datetime.fromisoformat(f"{day} {time}")
        size = {"s": 1.0, "ms": 1e-3, "us": 1e-6}.get(step[2:], 0.0)
        moment += timedelta(seconds=-size if step[0] == "-" else size)
        day, time = moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S.%f")
        if not moment.microsecond:
            return day, time[: rng.choice((8, 10, 12, 12))]
        return day, time if moment.microsecond % 1000 else time[:12]

    def _spoil(self, header: dict[str, str], rules: ReferenceRules, tags: set[str]) -> None:
        rng = self.rng
        # META.SUBARRAY.NAME stays out: the client takes it for ROMAN.META.SUBARRAY.NAME.
        names = [name for level in rules.header["parkey"] for name in level]
        used = [name for name in names if name != SUBARRAYS[1]]
        name = rng.choice(used or [START[0]])
        if self.often(6):
            header[INSTRUMENT] = rng.choice(["MIRI", "UNDEFINED", " wfi "])
            tag = "instrument unknown or undefined"
            if self.often(40):
                del header[INSTRUMENT]
                tag = "instrument missing"
        elif name in (*START, *OLD_START) and self.often(60):
            value, tag = rng.choice(
                [
                    *[("UNDEFINED", "date undefined")] * 5,
                    ("", "date malformed"),
                    ("yesterday", "date malformed"),
                    ("2027-13-01T00:00:00.000", "date malformed"),
                    ("2027-02-30 00:00:00", "date malformed"),
                    ("2027-01-01T25:00:00", "date malformed"),
                    ("2027-01-01T00:00:60.000", "date malformed"),
                    ("2027-1-1T00:00:00", "date malformed"),
                    ("2027-01-01T00:00:00Z", "date malformed"),
                    ("2027-01-01T00:00:00.1234567", "date malformed"),
                    ("2027", "date malformed"),
                    ("N/A", "date malformed"),
                    ("2027/01/01 12:00", "date in another form"),
                    ("2027-01-01T12:00", "date in another form"),
                    ("2027-01-01", "date in another form"),
                    (" 2027-01-01T00:00:00.999999 ", "date in another form"),
                ]
            )
            header[name] = value
        elif self.often(40):
            header.pop(name, None)
            tag = "missing key"
        elif self.often(60):
            header[name] = rng.choice(["WFI99", "F999", "NONE", "77", "?", "", "None"])
            tag = "value not in the rules"
        else:
            word = header.get(name, "")
            header[name] = rng.choice(
                [
                    *("UNDEFINED", "N/A", "ANY", "*", "not applicable"),
                    *(f" {word.lower()} ", f"NOT {word}", f"{word}|X", f"{{{word}}}"),
                ]
            )
            tag = "special value of the exposure"
        tags.add(tag)
