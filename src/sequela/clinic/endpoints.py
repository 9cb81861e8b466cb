"""What happened: origin, first event, censoring and entry of every patient, and which record said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.clinic.tables import anchor_column
from sequela.core.outcome import Times
from sequela.study.expressions import Anchor, Node, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.clinic.cohort import People
    from sequela.study.model import Endpoint, MissedVisits, Source, Study


COLUMNS: Final = ("patient", "origin", "entry", "exit", "time", "state", "end", "by", "unused")


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One endpoint over one population.

    Attributes:
        name: its name in the study file.
        times: the patients who can be followed, in days from the origin.
        table: one row for every patient: `patient`, `origin`, `entry`, `exit` (days on the study's clock),
            `time`, `state`, `end` (the source that ended observation, in words), `by` (its place in the study file,
            such as `events.0`), `unused` (why there is no time, or null).
    """

    name: str
    label: str
    times: Times
    table: pl.DataFrame

    def of(self, patients: pl.Series) -> Times:
        """The times of those `patients` who can be followed."""
        return self.times.take(self.used["patient"].is_in(patients.implode()).to_numpy())

    @property
    def used(self) -> pl.DataFrame:
        """The rows of those who can be followed, in the order of their times."""
        return self.table.filter(pl.col("unused").is_null())

    @property
    def unused(self) -> dict[str, int]:
        """How many patients have no time, by reason."""
        left = self.table.filter(pl.col("unused").is_not_null())
        return dict(left.group_by("unused").len().sort("unused").iter_rows())

    @property
    def ends(self) -> pl.DataFrame:
        """How many times ended by which source: `state`, `end`, `n`."""
        return (
            self.used.group_by("state", "end")
            .agg(pl.len().alias("n"))
            .sort(["state", "n"], descending=[True, True])
        )


def derive(
    name: str,
    endpoint: Endpoint,
    people: People,
    moments: Mapping[str, pl.DataFrame],
    *,
    entry: pl.Expr | None = None,
    origin: pl.Expr | None = None,
) -> Outcome:
    """Times of an endpoint.

    The earliest event ends it; of two on one day the one of smaller precedence counts, which is the place in the
    file's list unless said. Without an event, observation ends at the latest censoring moment. An event after the last
    contact counts: its record is itself a contact. An event that was found after missed visits is censored at the last
    visit before them, where the endpoint asks for it.

    Args:
        name: its name.
        endpoint: the rule.
        people: one row a patient.
        moments: the dated rows of each anchor of the course.
        entry: delayed entry at this moment, in place of the endpoint's own.
        origin: another origin, in place of the endpoint's own (for sensitivity analyses).
    """
    days = (
        _origin(endpoint, people, moments)
        if origin is None
        else people.frame.select("patient", origin=origin)
    )
    if entry is None and endpoint.entry is not None:
        entry = _day(people, endpoint.entry)
    later = pl.col("origin") if entry is None else pl.col("_entry")
    entries = [] if entry is None else [entry.alias("_entry")]
    own = people.frame.select("patient", *entries, *_undated(endpoint, people))
    frame = _beside(days, own).with_columns(later.alias("entry"))
    for i, source in enumerate(endpoint.events):
        found = _event(source, people, moments, days, endpoint.until)
        frame = _beside(frame, found.rename({"day": f"event{i}"}))
    for i, source in enumerate(endpoint.censor):
        frame = _beside(frame, _last(source, people, moments).rename({"day": f"censor{i}"}))
    table = _resolve(frame, endpoint)
    if endpoint.missed_visits is not None:
        table = _before_missed(table, endpoint.missed_visits, moments)
    table = table.with_columns(_reason().alias("unused")).select(COLUMNS)
    return Outcome(
        name, endpoint.label, _times(table, "" if origin is not None else write(endpoint.origin)), table
    )


def _times(table: pl.DataFrame, origin: str) -> Times:
    used = table.filter(pl.col("unused").is_null())
    return Times(
        used["time"].to_numpy(),
        used["state"].to_numpy(),
        (used["entry"] - used["origin"]).clip(lower_bound=0).to_numpy(),
        ids=used["patient"].to_numpy(),
        unit="day",
        origin=origin,
    )


def by_cause(outcome: Outcome) -> Times:
    """The times of an endpoint with a state for each of its event sources: 1 for the first listed, and so on."""
    used = outcome.used
    cause = pl.col("by").str.strip_prefix("events.").cast(pl.Int64, strict=False) + 1
    state = used.select(pl.when(pl.col("state") > 0).then(cause).otherwise(0).alias("cause"))["cause"]
    own = outcome.times
    return Times(own.exit, state.to_numpy(), own.entry, ids=own.ids, unit=own.unit, origin=own.origin)


def _day(people: People, node: Node) -> pl.Expr:
    return people.expression(node).cast(pl.Int32)


def _maybe(people: People, node: Node | None) -> pl.Expr:
    return pl.lit(None, pl.Int32) if node is None else _day(people, node)


def _origin(endpoint: Endpoint, people: People, moments: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Where the clock starts; of a moment that comes several times, the first inside the bounds, where given."""
    node = endpoint.origin
    if endpoint.origin_after is None or not (isinstance(node, Anchor) and node.name in moments):
        return people.frame.select("patient", _day(people, node).alias("origin"))
    bounds = people.frame.select(
        "patient",
        _day(people, endpoint.origin_after).alias("from"),
        _maybe(people, endpoint.origin_until).alias("until"),
    )
    first = _first(moments[node.name], bounds).rename({"day": "origin"})
    return people.frame.select("patient").join(first, on="patient", how="left", maintain_order="left")


def _beside(frame: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the days of its patients; joined only where these are not the same patients in the same order."""
    if days.height == frame.height and days["patient"].equals(frame["patient"]):
        return frame.hstack(days.drop("patient"))
    return frame.join(days, on="patient", how="left", maintain_order="left")


def _first(dated: pl.DataFrame, bounds: pl.DataFrame) -> pl.DataFrame:
    """The first day after `from` and not after `until` (null: no such limit): `patient`, `day`."""
    near = dated.join(bounds, on="patient", how="inner")
    inside = (pl.col("day") > pl.col("from")) & (pl.col("day") <= pl.col("until")).fill_null(value=True)
    return near.filter(inside).group_by("patient").agg(pl.col("day").min())


def first_day(
    source: Source, people: People, moments: Mapping[str, pl.DataFrame], origins: pl.DataFrame
) -> pl.DataFrame:
    """The first day of a source after each patient's origin: `patient`, `day`."""
    return _event(source, people, moments, origins, None).select("patient", "day")


def _event(
    source: Source,
    people: People,
    moments: Mapping[str, pl.DataFrame],
    origins: pl.DataFrame,
    until: Node | None,
) -> pl.DataFrame:
    """The first day of an event source after the origin (an anchor of the course may have many)."""
    asked = people.frame if source.where is None else people.frame.filter(people.expression(source.where))
    after = None if source.after is None else _day(people, source.after)
    if isinstance(source.at, Anchor) and source.at.name in moments:
        own = asked.select(
            "patient",
            _maybe(people, until).alias("until"),
            (after if after is not None else pl.lit(0)).alias("after"),
        )
        bounds = _beside(own, origins)
        # Who never came to the later moment has no event after it: a null bound lets nothing through.
        lower = (
            pl.col("origin")
            if after is None
            else pl.when(pl.col("after").is_not_null()).then(pl.max_horizontal("origin", "after"))
        )
        return _first(moments[source.at.name], bounds.select("patient", lower.alias("from"), "until"))
    day = _day(people, source.at)
    if after is not None:
        day = pl.when(day > after).then(day)
    return asked.select("patient", day.alias("day"))


def _last(source: Source, people: People, moments: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The last day of a censoring source."""
    asked = people.frame if source.where is None else people.frame.filter(people.expression(source.where))
    if isinstance(source.at, Anchor) and source.at.name in moments:
        days = moments[source.at.name].group_by("patient").agg(pl.col("day").max())
        return days.join(asked.select("patient"), on="patient", how="semi")
    return asked.select("patient", _day(people, source.at).alias("day"))


def _undated(endpoint: Endpoint, people: People) -> list[pl.Expr]:
    """Whether an event is known to have happened but has no day: such a patient cannot be followed to an end."""
    found: list[pl.Expr] = []
    for i, source in enumerate(endpoint.events):
        status = f"{anchor_column(source.at.name)}?" if isinstance(source.at, Anchor) else ""
        if status in people.frame.columns and isinstance(source.at, Anchor):
            happened = pl.col(status) & pl.col(anchor_column(source.at.name)).is_null()
            found.append(happened.fill_null(value=False).alias(f"undated{i}"))
    return found


def _ordered(sources: tuple[Source, ...]) -> list[int]:
    """The places of the sources, that which counts first on one day in front."""
    ranks = [i if source.precedence is None else source.precedence for i, source in enumerate(sources, 1)]
    return sorted(range(len(sources)), key=lambda i: ranks[i])


def words(source: Source) -> str:
    """A source as the counts print it."""
    return source.label or write(source.at)


def _resolve(frame: pl.DataFrame, endpoint: Endpoint) -> pl.DataFrame:
    undated = [name for name in frame.columns if name.startswith("undated")]
    event = pl.min_horizontal(f"event{i}" for i in range(len(endpoint.events)))
    last = (
        pl.max_horizontal(f"censor{i}" for i in range(len(endpoint.censor)))
        if endpoint.censor
        else pl.lit(None, pl.Int32)
    )
    happened = event.is_not_null()

    def which(kind: str, sources: tuple[Source, ...], day: pl.Expr, *, place: bool) -> pl.Expr:
        texts = [f"{kind}s.{i}" if kind == "event" else f"{kind}.{i}" for i in range(len(sources))]
        texts = texts if place else [words(source) for source in sources]
        cases = [pl.when(pl.col(f"{kind}{i}") == day).then(pl.lit(texts[i])) for i in _ordered(sources)]
        return pl.coalesce([*cases, pl.lit(None, pl.String)])

    ends = {
        name: pl.when(happened)
        .then(which("event", endpoint.events, event, place=place))
        .otherwise(which("censor", endpoint.censor, last, place=place))
        for name, place in (("end", False), ("by", True))
    }
    return frame.with_columns(
        pl.coalesce(event, last).alias("exit"),
        happened.cast(pl.Int32).alias("state"),
        *(expression.alias(name) for name, expression in ends.items()),
        pl.any_horizontal([pl.col(n) for n in undated] or [pl.lit(value=False)]).alias("undated"),
    ).with_columns((pl.col("exit") - pl.col("origin")).alias("time"))


def visit_gap(visits: pl.DataFrame) -> float:
    """Median days between two visits of a patient; NaN where nobody has two."""
    gaps = visits.sort("patient", "day").select(pl.col("day").diff().over("patient").alias("gap"))["gap"]
    middle = gaps.drop_nulls().median()
    return float(middle) if isinstance(middle, int | float) else float("nan")


def last_visit(table: pl.DataFrame, visits: pl.DataFrame) -> pl.DataFrame:
    """`table` with `visit`: the last visit before the exit and not before the origin, else the origin."""
    seen = (
        table.select("patient", "origin", "exit")
        .join(visits, on="patient", how="inner")
        .filter((pl.col("day") < pl.col("exit")) & (pl.col("day") >= pl.col("origin")))
        .group_by("patient")
        .agg(pl.col("day").max().alias("visit"))
    )
    return table.join(seen, on="patient", how="left").with_columns(
        pl.coalesce("visit", "origin").alias("visit")
    )


def _before_missed(
    table: pl.DataFrame, rule: MissedVisits, moments: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """An event found more than `number` intervals after the last visit is censored at that visit."""
    visits = moments[rule.visits]
    limit = rule.number * (rule.every_days or visit_gap(visits))
    missed = (pl.col("state") > 0) & (pl.col("exit") - pl.col("visit") > limit)
    said = pl.lit(f"last visit before {rule.number} missed ones")
    return last_visit(table, visits).with_columns(
        pl.when(missed).then("visit").otherwise("exit").alias("exit"),
        pl.when(missed).then(0).otherwise("state").cast(pl.Int32).alias("state"),
        pl.when(missed).then(said).otherwise("end").alias("end"),
        pl.when(missed).then(pl.lit("missed_visits")).otherwise("by").alias("by"),
        pl.when(missed).then(pl.col("visit") - pl.col("origin")).otherwise("time").alias("time"),
    )


def _reason() -> pl.Expr:
    entry = pl.col("entry") - pl.col("origin")
    return (
        pl.when(pl.col("origin").is_null())
        .then(pl.lit("no origin"))
        .when(pl.col("undated") & (pl.col("state") == 0))
        .then(pl.lit("event without a date"))
        .when(pl.col("exit").is_null())
        .then(pl.lit("no end recorded"))
        .when(pl.col("time") <= 0)
        .then(pl.lit("no follow-up after the origin"))
        .when(pl.col("entry").is_null())
        .then(pl.lit("no entry"))
        .when((entry > 0) & (pl.col("time") <= entry))
        .then(pl.lit("ends before it is observed"))
    )


def derive_all(study: Study, people: People, moments: Mapping[str, pl.DataFrame]) -> dict[str, Outcome]:
    """Every endpoint of the study, over all patients."""
    return {name: derive(name, endpoint, people, moments) for name, endpoint in study.endpoints.items()}
