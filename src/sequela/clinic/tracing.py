"""Which record made this event: for every time, the file, the row and the rule behind its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.study.expressions import Anchor, LineMoment, LineOf, LineOfStart, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.clinic.cohort import People
    from sequela.clinic.endpoints import Outcome
    from sequela.clinic.lines import Lines
    from sequela.clinic.tables import Registry
    from sequela.study.expressions import Node
    from sequela.study.model import Endpoint, Study

PLACE: Final = ("source", "field", "_file", "_line")


def trace(
    name: str, endpoint: Endpoint, outcome: Outcome, people: People, registry: Registry, lines: Lines
) -> pl.DataFrame:
    """One row a patient who has a time.

    Returns:
        `patient`, `endpoint`, `start` and `day` (of the study's clock), `time`, `entry` (days from the start), `state`,
        `description`, `source` (name in the study file), `field`, `file`, `row` (its line in the file), `rule` (the key
        of the study file that ended the time) and `moment` (what it names). A fixed day has no record behind it.
    """
    table = outcome.table.filter(pl.col("unused").is_null())
    parts: list[pl.DataFrame] = []
    for by, part in table.partition_by("by", as_dict=True, maintain_order=True).items():
        place = str(by[0])
        node, says = _rule(endpoint, place)
        records = _records(node, people, registry, lines)
        found = part.join(records, left_on=["patient", "exit"], right_on=["patient", "day"], how="left")
        parts.append(
            found.with_columns(
                pl.lit(f"endpoints.{name}.{place}").alias("rule"), pl.lit(says).alias("moment")
            )
        )
    empty = table.clear().with_columns(
        *(pl.lit(None, pl.Int64 if column == "_line" else pl.String).alias(column) for column in PLACE),
        *(pl.lit(None, pl.String).alias(column) for column in ("rule", "moment")),
    )
    return (
        pl.concat([empty, *parts], how="diagonal")
        .sort("patient")
        .select(
            "patient",
            pl.lit(name).alias("endpoint"),
            pl.col("origin").alias("start"),
            pl.col("exit").alias("day"),
            "time",
            (pl.col("entry") - pl.col("origin")).clip(lower_bound=0).alias("entry"),
            "state",
            pl.col("end").alias("description"),
            "source",
            "field",
            pl.col("_file").alias("file"),
            pl.col("_line").alias("row"),
            "rule",
            "moment",
        )
    )


def trace_all(
    study: Study, outcomes: Mapping[str, Outcome], people: People, registry: Registry, lines: Lines
) -> pl.DataFrame:
    """Every endpoint's trace under each other, in the order of the study file."""
    parts = [
        trace(name, study.endpoints[name], outcome, people, registry, lines)
        for name, outcome in outcomes.items()
    ]
    return pl.concat(parts)


def _rule(endpoint: Endpoint, place: str) -> tuple[Node, str]:
    """The moment that ended a time, and its words in the study file."""
    if place == "missed_visits" and endpoint.missed_visits is not None:
        visits = Anchor(endpoint.missed_visits.visits)
        return visits, write(visits)
    kind, number = place.split(".")
    source = (endpoint.events if kind == "events" else endpoint.censor)[int(number)]
    return source.at, write(source.at) + ("" if source.where is None else f" where {write(source.where)}")


def _records(node: Node, people: People, registry: Registry, lines: Lines) -> pl.DataFrame:
    """The first record of each patient and day that the moment may stand on: `patient`, `day`, and the place."""
    if isinstance(node, Anchor):
        found = registry.dated[node.name]
    elif isinstance(node, LineMoment):
        at = pl.col(f"{node.field}[{node.number}]") if node.number <= people.top else pl.lit(None, pl.Int32)
        found = _given(node.field, pl.lit(node.number, pl.Int32), at, people, registry, lines)
    else:
        assert isinstance(node, LineOfStart)  # the reader admits no other moment
        step, at = people.expression(LineOf(node.agent)), people.expression(node)
        found = _given("start", step, at, people, registry, lines)
    return found.select("patient", "day", *PLACE).unique(
        ["patient", "day"], keep="first", maintain_order=True
    )


def _given(
    field: str, step: pl.Expr, day: pl.Expr, people: People, registry: Registry, lines: Lines
) -> pl.DataFrame:
    """The treatment rows of a line that start, or end, on the day on which the line does."""
    wanted = people.frame.select(
        "patient", step.cast(pl.Int32).alias("step"), day.cast(pl.Int32).alias("day")
    )
    placed = lines.placed.filter(pl.col("step").is_not_null()).select("row", "step").unique()
    rows = registry.used.join(placed, on="row", how="inner").sort("row")
    return (
        rows.join(wanted, on=["patient", "step"], how="inner")
        .filter(pl.col(field) == pl.col("day"))
        .with_columns(
            pl.lit("treatments").alias("source"),
            pl.when(pl.lit(value=field == "end") & pl.col("end_assumed"))
            .then(pl.lit(f"{field} (assumed)"))
            .otherwise(pl.lit(field))
            .alias("field"),
        )
    )
