"""A CRDS cache as a place that holds reference files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ..errors import AmbiguousReferenceError, ReferenceFileError, ReferenceNotFoundError
from ..keys import ExposureKeys
from ..match import NOT_APPLICABLE, Match
from .cache import CrdsCache, MissingFileError
from .conditioning import condition
from .errors import AmbiguousMatchError, BadParameterError, NoMatchError
from .fetch import ADVICE, Fetcher
from .mapping import OMIT, ReferenceMap, find_value, special
from .selector import exposure_date

Read = TypeVar("Read")

_SHOWN = 3  # nearest candidates that a message lists


@dataclass(frozen=True)
class _Asked:
    """What rules ask for.

    Attributes
    ----------
    names : tuple of str
        The metadata whose values they compare.
    dates : dict
        By the names of the metadata that make an exposure's date, the dates of the tables.
    """

    names: tuple[str, ...]
    dates: Mapping[tuple[str, ...], list[str]]


class CrdsStore:
    """Finds reference files by the rules of one context of a CRDS cache.

    Parameters
    ----------
    cache : CrdsCache
        The cache.
    context : str, optional
        See `CrdsCache.resolve_context`; resolved when it is first needed.
    fetcher : Fetcher, optional
        Gets what the cache lacks from a CRDS server.
    """

    def __init__(
        self, cache: CrdsCache, context: str | None = None, fetcher: Fetcher | None = None
    ) -> None:
        self.cache = cache
        self._asked_context = context
        self._fetcher = fetcher
        self._server_config = cache.stamp_of_config()
        self._asked: dict[str, _Asked] = {}

    @cached_property
    def context(self) -> str:
        """The name of the pipeline map.

        Raises
        ------
        RuleFileError
            If the cache has no such context.
        """
        if self._fetcher is not None:
            return self._fetcher.context(self._asked_context)
        try:
            return self.cache.resolve_context(self._asked_context)
        except MissingFileError as error:
            raise _with_advice(error) from None

    @property
    def location(self) -> str:
        """The directory of the cache, for messages."""
        return f"the CRDS cache {self.cache.mappings}, context {self.context}"

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        """Find the file of one type that fits an exposure.

        Parameters
        ----------
        reftype : str
            Such as ``"flat"``; upper or lower case.
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        Match

        Raises
        ------
        ReferenceNotFoundError
            If no rule fits. The message says what was looked for, and what the nearest rules are.
        AmbiguousReferenceError
            If several fit equally well.
        RuleFileError
            If the rules, or the file that they name, are missing or damaged.
        """
        header = header_of(keys)
        rules = self._rules(reftype, header)
        if isinstance(rules, str):
            what = f"{reftype.upper()} is {rules} for {header['ROMAN.META.INSTRUMENT.NAME']}"
            return Match(NOT_APPLICABLE, context=self.context, rule=what)
        try:
            name = rules.best_reference(header)
        except (NoMatchError, BadParameterError) as error:
            raise ReferenceNotFoundError(self._failure("no", rules, header, error)) from None
        except AmbiguousMatchError as error:
            raise AmbiguousReferenceError(
                self._failure("more than one", rules, header, error)
                + f"; name one with override_{reftype.lower()}"
            ) from None
        rule, runner_up = _explain(rules, header, name)
        if name in (NOT_APPLICABLE, OMIT):
            return Match(
                NOT_APPLICABLE, None, self.context, rule or f"{name} in {rules.name}", runner_up
            )
        path = self._file(name, keys.instrument, rules.name)
        return Match(path, None, self.context, rule, runner_up)

    def is_current(self) -> bool:
        """Whether the ``server_config`` of the cache, which names the latest context, is the same.

        Rule files never change. A server is not asked again.

        Returns
        -------
        bool
        """
        return self._server_config == self.cache.stamp_of_config()

    def distinguishing(self, keys: ExposureKeys) -> Hashable:
        """The part of the keys on which the choice of references depends.

        Parameters
        ----------
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        Hashable
            What the rules ask for, and the interval between two dates of the rules.
        """
        header = header_of(keys)
        if keys.instrument not in self._asked:
            self._asked[keys.instrument] = self._asked_for(header)
        asked = self._asked[keys.instrument]
        values = tuple(find_value(header, name) for name in asked.names)
        return (
            keys.instrument,
            values,
            tuple(_position(names, dates, header) for names, dates in asked.dates.items()),
        )

    def _asked_for(self, header: Mapping[str, str]) -> _Asked:
        """What the rules of all types ask for."""
        context = self.context
        try:
            instrument = self._with_mappings(lambda: self.cache.instrument_of(context, header))
            types = self._with_mappings(lambda: self.cache.instrument_map(context, instrument))
        except (NoMatchError, BadParameterError):
            return _Asked((), {})  # there is nothing for such an instrument
        dates: dict[tuple[str, ...], set[str]] = {}
        names: set[str] = set()
        for reftype in types.selections:
            try:
                rules = self._rules(reftype, header)
            except ReferenceFileError:
                continue  # which is the answer to all
            if isinstance(rules, str):
                continue
            of_dates = {
                name for row in rules.rows for parameters, _ in row.dates for name in parameters
            }
            names.update(
                name
                for name in rules.parameters
                if name not in of_dates or rules.asks_in_conditions(name)
            )
            for row in rules.rows:
                for parameters, date in row.dates:
                    dates.setdefault(parameters, set()).add(date)
        return _Asked(tuple(sorted(names)), {key: sorted(found) for key, found in dates.items()})

    @property
    def has_parameters(self) -> bool:
        """Whether the context knows parameter references."""
        if self._fetcher is None and not self.cache.mappings.is_dir():
            return False  # a cache of other observatories
        pipeline = self._with_mappings(lambda: self.cache.pipeline_map(self.context))
        return any(
            reftype.startswith("pars-") and not special(name)
            for instrument, imap in pipeline.selections.items()
            if not special(imap)
            for reftype, name in self.cache.instrument_map(
                self.context, instrument
            ).selections.items()
        )

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        """Find the parameter reference of a step; there need not be one.

        Parameters
        ----------
        reftypes : iterable of str
            What it may be called, such as ``PARS-JUMPSTEP``; the first that fits is taken.
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        path or None
            None if there is none.

        Raises
        ------
        AmbiguousReferenceError
            If several fit equally well.
        """
        known = self.cache.instrument_map(self.context, keys.instrument).selections
        for reftype in reftypes:
            if reftype.lower() not in known:
                continue
            try:
                reference = self.find(reftype, keys).reference
            except ReferenceNotFoundError:
                continue
            if reference != NOT_APPLICABLE:
                return reference
        return None

    def _rules(self, reftype: str, header: Mapping[str, str]) -> ReferenceMap | str:
        """The rules for a type, or N/A or OMIT."""
        context = self.context

        def read() -> ReferenceMap | str:
            instrument = self.cache.instrument_of(context, header)
            return self.cache.reference_map(context, instrument, reftype)

        try:
            return self._with_mappings(read)
        except NoMatchError as error:
            raise ReferenceNotFoundError(
                f"no {reftype.upper()} for {_described(header)} in {self.location}: {error}"
            ) from None

    def _with_mappings(self, read: Callable[[], Read]) -> Read:
        """What can be read from the rule files, after they were fetched if they must be."""
        try:
            return read()
        except MissingFileError as error:
            if self._fetcher is None:
                raise _with_advice(error) from None
            self._fetcher.mappings(self.context)
            return read()

    def _file(self, name: str, instrument: str, source: str) -> Path:
        try:
            return self.cache.locate(name, instrument, source)
        except MissingFileError as error:
            if self._fetcher is None:
                raise _with_advice(error) from None
            self._fetcher.reference(self.context, name, instrument)
            return self.cache.locate(name, instrument, source)

    def _failure(
        self, what: str, rules: ReferenceMap, header: Mapping[str, str], error: ReferenceFileError
    ) -> str:
        wanted = rules.relevant(rules.minimal(header))
        described = ", ".join(f"{_short(name)} {value}" for name, value in wanted.items())
        reftype = str(rules.header["filekind"]).upper()
        message = f"{what} {reftype} for {described} in {self.location} ({rules.name}): {error}"
        ranked = sorted(
            ((row.differences(wanted), row) for row in rules.rows),
            key=lambda item: (len(item[0]), -item[1].weight(wanted), item[1].choice),
        )
        nearest = [
            f"{row.choice} ({', '.join(differences) or row.describe()})"
            for differences, row in ranked[:_SHOWN]
        ]
        files = len({row.choice for row in rules.rows})
        plural = "" if files == 1 else "s"
        return f"{message}; {files} {reftype}{plural} there" + (
            f"; nearest: {', '.join(nearest)}" if nearest else ""
        )


def header_of(keys: ExposureKeys) -> dict[str, str]:
    """The metadata of an exposure as rules ask for them: conditioned values by name in capitals.

    Rules of before 2021 ask for the date and the time of the observation: of the exposure's start,
    where the exposure does not say otherwise.
    """
    # Thousandths, as metadata have them.
    start = keys.start_time.isoformat(timespec="milliseconds")
    date, _, time = start.partition("T")
    values = {
        "META.OBSERVATION.DATE": date,
        "META.OBSERVATION.TIME": time,
        **{key.upper(): value for key, value in keys.metadata.items()},
        "META.INSTRUMENT.NAME": keys.instrument,
        "META.INSTRUMENT.DETECTOR": keys.detector,
        "META.INSTRUMENT.OPTICAL_ELEMENT": keys.optical_element,
        "META.EXPOSURE.TYPE": keys.exposure_type,
        "META.EXPOSURE.START_TIME": start,
        "META.EXPOSURE.NRESULTANTS": keys.n_resultants,
        "META.EXPOSURE.MA_TABLE_NAME": keys.ma_table_name,
        "META.EXPOSURE.MA_TABLE_NUMBER": keys.ma_table_number,
    }
    return {f"ROMAN.{key}": condition(value) for key, value in values.items() if value is not None}


def _position(
    parameters: tuple[str, ...], dates: list[str], header: Mapping[str, str]
) -> int | None:
    """How many of the dates are not after the exposure's; None where it has none."""
    try:
        return bisect_right(dates, exposure_date(parameters, header))
    except BadParameterError:
        return None


def _explain(rules: ReferenceMap, header: Mapping[str, str], name: str) -> tuple[str, str]:
    """The rule that led to a file, and what would be chosen without it."""
    wanted = rules.relevant(rules.minimal(header))
    try:
        fitting = list(rules.selector.rows(wanted))
    except BadParameterError:  # the type is not required, and was not chosen by any date
        return "", ""
    # Within a weight the latest dates come first, and of one date the greatest name.
    fitting.sort(
        key=lambda row: (row.weight(wanted), [date for _, date in row.dates], row.choice),
        reverse=True,
    )
    chosen = [row for row in fitting if (special(row.choice) or row.choice) == name]
    others = [row for row in fitting if (special(row.choice) or row.choice) != name]
    rule = f"{chosen[0].describe()} in {rules.name}" if chosen else ""
    if not others:
        return rule, ""
    second = others[0]
    return rule, f"{second.choice} ({second.describe() or 'no condition'})"


def _described(header: Mapping[str, str]) -> str:
    names = ("INSTRUMENT.NAME", "INSTRUMENT.DETECTOR", "INSTRUMENT.OPTICAL_ELEMENT")
    keys = [f"ROMAN.META.{name}" for name in (*names, "EXPOSURE.TYPE", "EXPOSURE.START_TIME")]
    return ", ".join(f"{_short(key)} {header[key]}" for key in keys if key in header)


def _short(name: str) -> str:
    """``INSTRUMENT.DETECTOR`` of ``ROMAN.META.INSTRUMENT.DETECTOR``."""
    return name.removeprefix("ROMAN.").removeprefix("META.")


def _with_advice(error: MissingFileError) -> MissingFileError:
    return MissingFileError(error.name, error.directory, error.what, ADVICE)
