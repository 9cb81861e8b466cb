"""What happened: origin, first event, censoring and entry of every patient, and which record said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from sequela.clinic.tables import anchor_column
from sequela.core.outcome import Times
from sequela.study.expressions import Anchor, Node, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.clinic.cohort import People
    from sequela.study.model import Endpoint, Source, Study


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One endpoint over one population.

    Attributes:
        name: its name in the study file.
        times: the patients who can be followed, in days from the origin.
        table: one row for every patient: `patient`, `origin`, `entry`, `exit` (days on the study's clock),
            `time`, `state`, `end` (the source that ended observation), `unused` (why there is no time, or null).
    """

    name: str
    label: str
    times: Times
    table: pl.DataFrame

    @property
    def unused(self) -> dict[str, int]:
        """How many patients have no time, by reason."""
        left = self.table.filter(pl.col("unused").is_not_null())
        return dict(left.group_by("unused").len().sort("unused").iter_rows())

    @property
    def ends(self) -> pl.DataFrame:
        """How many times ended by which source: `state`, `end`, `n`."""
        used = self.table.filter(pl.col("unused").is_null())
        return (
            used.group_by("state", "end")
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

    The earliest event ends it; of two on one day the first in the file's list counts. Without an event, observation
    ends at the latest censoring moment. An event after the last contact counts: its record is itself a contact.

    Args:
        name: its name.
        endpoint: the rule.
        people: one row a patient.
        moments: the dated rows of each anchor of the course.
        entry: delayed entry at this moment, in place of the endpoint's own.
        origin: another origin, in place of the endpoint's own (for sensitivity analyses).
    """
    start = _day(people, endpoint.origin) if origin is None else origin
    if entry is None and endpoint.entry is not None:
        entry = _day(people, endpoint.entry)
    frame = people.frame.select(
        "patient", start.alias("origin"), (start if entry is None else entry).alias("entry")
    )
    for i, source in enumerate(endpoint.events):
        frame = frame.join(
            _event(source, people, moments, start, endpoint.until, f"event{i}"), on="patient", how="left"
        )
    last = [_when(source, people).alias(f"censor{i}") for i, source in enumerate(endpoint.censor)]
    frame = frame.join(
        people.frame.select("patient", *last, *_undated(endpoint, people)), on="patient", how="left"
    )
    table = _resolve(frame, endpoint)
    used = table.filter(pl.col("unused").is_null())
    times = Times(
        used["time"].to_numpy(),
        used["state"].to_numpy(),
        (used["entry"] - used["origin"]).clip(lower_bound=0).to_numpy(),
        ids=used["patient"].to_numpy(),
        unit="day",
        origin=write(endpoint.origin) if origin is None else "",
    )
    return Outcome(name, endpoint.label, times, table)


def _day(people: People, node: Node) -> pl.Expr:
    return people.expression(node).cast(pl.Int32)


def _when(source: Source, people: People) -> pl.Expr:
    day = _day(people, source.at)
    return day if source.where is None else pl.when(people.expression(source.where)).then(day)


def _event(
    source: Source,
    people: People,
    moments: Mapping[str, pl.DataFrame],
    origin: pl.Expr,
    until: Node | None,
    name: str,
) -> pl.DataFrame:
    """The first day of an event source after the origin (an anchor of the course may have many)."""
    limit = pl.lit(None, pl.Int32) if until is None else _day(people, until)
    bounds = people.frame.select("patient", origin.alias("from"), limit.alias("until"))
    if isinstance(source.at, Anchor) and source.at.name in moments:
        dated = moments[source.at.name].join(bounds, on="patient", how="inner")
        inside = (pl.col("day") > pl.col("from")) & (pl.col("day") <= pl.col("until")).fill_null(value=True)
        found = dated.filter(inside).group_by("patient").agg(pl.col("day").min().alias(name))
        if source.where is None:
            return found
        allowed = people.frame.filter(people.expression(source.where)).select("patient")
        return found.join(allowed, on="patient", how="semi")
    return people.frame.select("patient", _when(source, people).alias(name))


def _undated(endpoint: Endpoint, people: People) -> list[pl.Expr]:
    """Whether an event is known to have happened but has no day: such a patient cannot be followed to an end."""
    found: list[pl.Expr] = []
    for i, source in enumerate(endpoint.events):
        status = f"{anchor_column(source.at.name)}?" if isinstance(source.at, Anchor) else ""
        if status in people.frame.columns and isinstance(source.at, Anchor):
            happened = pl.col(status) & pl.col(anchor_column(source.at.name)).is_null()
            found.append(happened.fill_null(value=False).alias(f"undated{i}"))
    return found


def _resolve(frame: pl.DataFrame, endpoint: Endpoint) -> pl.DataFrame:
    events = [f"event{i}" for i in range(len(endpoint.events))]
    censor = [f"censor{i}" for i in range(len(endpoint.censor))]
    undated = [name for name in frame.columns if name.startswith("undated")]
    event = pl.min_horizontal(events)
    last = pl.max_horizontal(censor) if censor else pl.lit(None, pl.Int32)
    end_of = pl.coalesce(
        [
            pl.when(pl.col(n) == event).then(pl.lit(s.label or write(s.at)))
            for n, s in zip(events, endpoint.events, strict=True)
        ]
    )
    censored_by = pl.coalesce(
        [
            *(
                pl.when(pl.col(n) == last).then(pl.lit(s.label or write(s.at)))
                for n, s in zip(censor, endpoint.censor, strict=True)
            ),
            pl.lit(None, pl.String),
        ]
    )
    table = frame.with_columns(
        pl.coalesce(event, last).alias("exit"),
        event.is_not_null().cast(pl.Int32).alias("state"),
        pl.when(event.is_not_null()).then(end_of).otherwise(censored_by).alias("end"),
        pl.any_horizontal([pl.col(n) for n in undated] or [pl.lit(value=False)]).alias("undated"),
    ).with_columns((pl.col("exit") - pl.col("origin")).alias("time"))
    return table.with_columns(_reason().alias("unused")).select(
        "patient", "origin", "entry", "exit", "time", "state", "end", "unused"
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
