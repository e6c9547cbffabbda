"""The page of a batch: what became of its exposures, with small pictures of the products.

All facts are those of `batch.summary`; what is added is read of the products that are shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import dqflags
from .._threads import Threads
from .._version import software_version
from ..batch.causes import base_name
from ..batch.outcome import Kind
from ..batch.pace import duration
from ..batch.remote import is_url
from ..batch.report import (
    MEANINGS,
    command_of,
    good_of,
    iso_time,
    log_of,
    numeral,
    slowest,
    told_pace,
    told_size,
)
from ..batch.summary import Summary, outcomes_of
from ..errors import one_line
from .html import Html, details, document, element, facts, join, section, table, what_to_look_at
from .measure import usable_image
from .remarks import percent
from .style import STYLE

if TYPE_CHECKING:
    from ..batch.outcome import Outcome
    from ..batch.plan import Plan
    from ..batch.state import RunDirectory

__all__ = ["BatchPage", "products_of"]

#: Products that are read at a time: most of it is unpacking, without Python's lock.
_AT_A_TIME = 2
#: Rows of a table; report.json and the table of outcomes have all.
_MOST = 60
_MOST_NAMES = 2000


@dataclass(frozen=True)
class Card:
    """An exposure in the gallery.

    Attributes
    ----------
    outcome : Outcome
    picture : str
        Address of the picture; empty where there is none.
    why : str
        Why there is none.
    median : float or None
        Rate [DN/s].
    unusable : float or None
        Share of the pixels that are DO_NOT_USE.
    """

    outcome: Outcome
    picture: str = ""
    why: str = ""
    median: float | None = None
    unusable: float | None = None


class BatchPage:
    """Gathers what the page of a batch tells, and writes it.

    Parameters
    ----------
    run : RunDirectory
    directory : Path
        Where the page will be: links are relative to it.
    thumbnails : int
        How many pictures there are at most.
    now : float, optional
        Seconds since 1970; the clock's by default.
    progress : callable, optional
        Called after each product that was read, with how many there were and will be.
    """

    def __init__(
        self,
        run: RunDirectory,
        directory: Path,
        *,
        thumbnails: int,
        now: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._run = run
        self._plan: Plan = run.read_plan()
        state = run.state()
        self._summary = Summary.of(self._plan, state, now=now)
        self._outcomes = list(outcomes_of(self._plan, state).values())
        self._directory = directory.absolute()
        self._thumbnails = thumbnails
        self._progress = progress or (lambda done, total: None)

    def write(self) -> Html:
        """The whole page."""
        title = f"Batch {self._run.path.name}"
        parts = [
            self._header(title),
            *self._failures(),
            self._gallery(),
            self._detectors(),
            self._speed(),
            *self._references(),
            self._software(),
            element("footer", f"Written by romancal-rs {software_version()}."),
        ]
        return document(f"{title}: report", parts, STYLE)

    # --- the parts

    def _header(self, title: str) -> Html:
        summary, plan = self._summary, self._plan
        total = summary.n_exposures
        rows: list[Sequence[str]] = [
            (kind.value, numeral(count), percent(count, total), MEANINGS[kind])
            for kind, count in summary.counts.items()
        ]
        for what, count, meaning in (
            ("in work", len(summary.in_work), "begun and not ended"),
            ("left", summary.left, "not begun"),
        ):
            if count:
                rows.append((what, numeral(count), percent(count, total), meaning))
        rows.append(("all", numeral(total), "", ""))
        told = {
            "products in": plan.settings.destination,
            "by": plan.settings.step_class,
            "planned": plan.created,
            "records in": str(self._run.path.absolute()),
        }
        return join(
            [
                element("h1", title),
                facts(told),
                what_to_look_at(list(self._remarks()), "All exposures are good."),
                table(
                    "Outcomes",
                    ("outcome", "exposures", "share", "what it means"),
                    rows,
                    "lrrl",
                ),
                self._command(),
            ]
        )

    def _remarks(self) -> Iterator[str]:
        summary = self._summary
        if n := summary.n_failed:
            causes = len(summary.causes)
            yield (
                f"{numeral(n)} exposure{'' if n == 1 else 's'} failed, of {causes} "
                f"cause{'' if causes == 1 else 's'}."
            )
        if n := summary.left + len(summary.in_work):
            yield f"{numeral(n)} {'is' if n == 1 else 'are'} left or in work."
        if n := summary.n_again:
            yield f"{numeral(n)} times an exposure was started again."
        if len(summary.software.get("romancal-rs", {})) > 1:
            yield "Several versions of romancal-rs were used."

    def _command(self) -> Html | None:
        command = command_of(self._run, self._plan)
        if not command:
            return None
        return details(
            "The command that does what is left; run it in the same directory as before",
            element("pre", command),
        )

    def _failures(self) -> Iterator[Html]:
        causes = self._summary.causes
        if not causes:
            return
        rows = []
        for cause in causes[:_MOST]:
            log = log_of(self._run, cause.example)
            detectors = cause.detectors
            rows.append(
                (
                    cause.kind.value,
                    numeral(cause.count),
                    ", ".join(detectors) if len(detectors) <= 6 else f"{len(detectors)} detectors",
                    (cause.message if cause.count > 1 else cause.example.message) or "(no message)",
                    element("span", base_name(cause.example.input), class_="name"),
                    self._link(Path(log), "log") if log else "",
                )
            )
        heading = ("outcome", "exposures", "detectors", "message", "such as", "")
        yield section(
            "failures",
            "Failures",
            element(
                "p", "Names, places and numbers that differ are shown as <input>, <n> and so on."
            ),
            table("Failures by their cause", heading, rows, "lrllll"),
            self._more(len(causes)),
        )

    def _gallery(self) -> Html:
        failed = [outcome for outcome in self._outcomes if not outcome.kind.is_good]
        made = [outcome for outcome in self._outcomes if outcome.product and outcome.kind.is_good]
        shown = made[: self._thumbnails]
        cards = []
        with Threads(_AT_A_TIME) as threads:
            for done, card in enumerate(threads.map(card_of, shown), 1):
                cards.append(card)
                self._progress(done, len(shown))
        failures = [Card(outcome, why=outcome.kind.value) for outcome in failed]
        few = failures[: max(self._thumbnails, _MOST)]
        parts = [
            element("p", "Each picture has a separate scale."),
            element("ul", *map(self._item, [*few, *cards]), class_="gallery"),
        ]
        left_out = [*failed[len(few) :], *made[len(shown) :]]
        if left_out:
            n = len(left_out)
            parts.append(
                element(
                    "p",
                    f"{numeral(n)} more without a picture: --thumbnails {len(made)} shows all.",
                )
            )
            rows = [
                (
                    self._name(outcome),
                    outcome.kind.value,
                    "" if outcome.median_rate is None else f"{outcome.median_rate:.4g}",
                    outcome.message,
                )
                for outcome in left_out[:_MOST_NAMES]
            ]
            heading = ("exposure", "outcome", "median rate [DN/s]", "message")
            more = n - len(rows)
            parts.append(
                details(
                    "Their names",
                    table("Exposures without a picture", heading, rows, "llrl"),
                    element("p", f"and {numeral(more)} more: see the table of outcomes")
                    if more
                    else None,
                )
            )
        if not self._outcomes:
            parts = [element("p", "No exposure has ended yet.")]
        return section(
            "exposures",
            "Exposures",
            *parts,
        )

    def _item(self, card: Card) -> Html:
        outcome = card.outcome
        name = base_name(outcome.product or outcome.input)
        page = self._page_of(outcome)
        if card.picture:
            picture = element(
                "img", src=card.picture, alt=f"Rate of {name}", width="128", height="128"
            )
        else:
            picture = element("div", card.why, class_="no-picture")
        colour = "good" if outcome.kind.is_good else "bad"
        place = " ".join(word for word in (outcome.detector, outcome.optical_element) if word)
        words = [
            element("div", self._link(page, name) if page else name, class_="name"),
            element(
                "div",
                place,
                " " if place else None,
                element("span", outcome.kind.value, class_=colour),
            ),
        ]
        if card.median is not None:
            words.append(element("div", f"median {card.median:.4g} DN/s"))
        if card.unusable is not None:
            words.append(element("div", f"{percent(card.unusable, 1)} do not use"))
        if outcome.message:
            words.append(element("div", outcome.message, title=outcome.message, class_="bad brief"))
        return element("li", self._link(page, picture) if page else picture, *words)

    def _name(self, outcome: Outcome) -> Html:
        page = self._page_of(outcome)
        name = base_name(outcome.product or outcome.input)
        return element("span", self._link(page, name) if page else name, class_="name")

    def _page_of(self, outcome: Outcome) -> Path | None:
        """The page of a product, if one lies beside it."""
        if not outcome.product or is_url(outcome.product):
            return None
        page = page_beside(Path(outcome.product))
        return page if page.is_file() else None

    def _link(self, target: Path, content: str) -> Html:
        """A link that holds wherever page and target are moved together."""
        try:
            relative = os.path.relpath(target.absolute(), self._directory)
        except ValueError:  # on another drive of Windows
            relative = str(target.absolute())
        return element("a", content, href=quote(relative.replace(os.sep, "/")))

    def _detectors(self) -> Html:
        by_detector = self._summary.by_detector
        detectors = sorted({detector for detector, _ in by_detector})
        elements = sorted({element_ for _, element_ in by_detector})
        good = {kind.value for kind in Kind if kind.is_good}
        rows = []
        for detector in detectors:
            counts = [by_detector.get((detector, element_)) for element_ in elements]
            cells = ["" if count is None else good_of(count, good) for count in counts]
            rows.append((detector or "unknown", *cells))
        heading = ("detector", *(element_ or "unknown" for element_ in elements))
        caption = "A single number: all are good. Otherwise: good of all, in brackets the failed"
        return section(
            "detectors",
            "By detector and optical element",
            table(caption, heading, rows, "l" + "r" * len(elements)),
        )

    def _speed(self) -> Html:
        summary = self._summary
        totals, pace = summary.totals, summary.pace
        if not pace.n_exposures:
            return section(
                "speed",
                "Speed",
                element("p", "Nothing was calibrated yet."),
            )
        told = {
            "pace": told_pace(pace),
            "busy for": duration(totals.busy_s),
            "workers": f"{totals.n_workers} on {totals.n_hosts} "
            f"host{'' if totals.n_hosts == 1 else 's'}",
            "CPU": duration(totals.cpu_s),
            "read, written": f"{told_size(totals.bytes_in)}, {told_size(totals.bytes_out)}",
        }
        if totals.peak_rss_anon:
            told["memory of a worker, at most"] = told_size(totals.peak_rss_anon)
        heading, rows, align = slowest(summary, self._name)
        return section(
            "speed",
            "Speed",
            facts(told),
            details("The slowest", table("The slowest exposures", heading, rows, align)),
            self._in_work(),
        )

    def _in_work(self) -> Html | None:
        work = self._summary.in_work
        if not work:
            return None
        rows = [(base_name(one.input), one.host, iso_time(one.since)) for one in work[:_MOST]]
        return table("In work", ("exposure", "host", "since"), rows, "lll")

    def _references(self) -> Iterator[Html]:
        sets = self._summary.sets
        if not sets:
            return
        rows = [
            (
                use.reference_set.name,
                numeral(use.n_exposures),
                _digest(use.reference_set.references_sha256),
                _digest(use.reference_set.parameters_sha256),
            )
            for use in sets[:_MOST]
        ]
        files: dict[tuple[str, str], int] = {}
        for use in sets:
            for pin in use.reference_set.pins:
                key = pin.reftype, pin.path
                files[key] = files.get(key, 0) + use.n_exposures
        used = [
            (
                reftype.upper(),
                element("span", base_name(path), title=path, class_="name"),
                numeral(n),
            )
            for (reftype, path), n in sorted(files.items())
        ]
        yield section(
            "references",
            "References",
            table("Sets", ("set", "exposures", "references", "parameters"), rows, "lrll"),
            self._more(len(sets)),
            details(
                f"{len(used)} files",
                table("Files", ("type", "file", "exposures"), used[:_MOST_NAMES], "llr"),
            ),
        )

    def _software(self) -> Html | None:
        rows = []
        for name, versions in self._summary.software.items():
            told = [
                version if len(versions) == 1 else f"{version} ({numeral(count)})"
                for version, count in versions.items()
            ]
            rows.append((name, ", ".join(told)))
        if not rows:
            return None
        return section(
            "software",
            "Software",
            table("Versions, and how many exposures ended with each", ("", ""), rows, "ll"),
        )

    def _more(self, n: int) -> Html | None:
        if n <= _MOST:
            return None
        return element("p", f"and {numeral(n - _MOST)} more: romancal-rs batch report lists them")


def _digest(sha256: str) -> Html:
    return element("span", sha256[:12], title=sha256, class_="name")


def page_beside(product: Path) -> Path:
    """Where the page of a product of a batch goes."""
    return product.with_suffix(".html")


def products_of(run: RunDirectory) -> list[Path]:
    """The products of a batch that are files here."""
    outcomes = outcomes_of(run.read_plan(), run.state()).values()
    return [
        Path(outcome.product)
        for outcome in outcomes
        if outcome.product and outcome.kind.is_good and not is_url(outcome.product)
    ]


def card_of(outcome: Outcome) -> Card:
    """Reads a product for its picture, and what its row does not tell."""
    from .. import datamodels
    from .pictures import thumbnail

    if is_url(outcome.product):
        return _without(outcome, "not on this machine")
    try:
        with datamodels.open(outcome.product) as model:
            if not isinstance(model, datamodels.ImageModel) or "data" not in model:
                return _without(outcome, type(model).__name__)
            bad = None
            unusable = None
            if "dq" in model:
                usable = usable_image(model.stored("dq"), dqflags.DO_NOT_USE)
                unusable, bad = 1 - float(usable.mean()), ~usable
            picture = thumbnail(model.stored("data"), bad)
            median: Any = outcome.median_rate
            if median is None:
                median = (model.meta.get("statistics") or {}).get("image_median")
            return Card(outcome, picture, median=median, unusable=unusable)
    except FileNotFoundError:
        return _without(outcome, "the product is not there")
    except Exception as error:  # a damaged product is a reason, and not to stop at
        return _without(outcome, one_line(error).removeprefix(f"{outcome.product}: "))


def _without(outcome: Outcome, why: str) -> Card:
    return Card(outcome, why=why, median=outcome.median_rate)
