"""What was observed: the study's sources joined into one registry of patients, treatments and moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sequela.clinic.drugs import Dictionary
    from sequela.clinic.rules import RuleSet
    from sequela.records.reading import Table
    from sequela.study.model import AnchorRule, Study

PLACE: Final = ("_file", "_line")

BEFORE_INDEX: Final = "before the index date"

TREATMENTS: Final[dict[str, pl.DataType]] = {
    "drug": pl.String(),
    "start": pl.Int32(),
    "end": pl.Int32(),
    "ongoing": pl.Boolean(),
    "stop_reason": pl.String(),
    "days_supply": pl.Int32(),
}


DATED: Final[dict[str, Any]] = {
    "patient": pl.String,
    "day": pl.Int32,
    "source": pl.String,
    "field": pl.String,
    "_file": pl.String,
    "_line": pl.Int64,
}


def anchor_column(name: str) -> str:
    """The column of an anchor's day in `Registry.patients`."""
    return f"@{name}"


@dataclass(frozen=True, slots=True, eq=False)
class Registry:
    """The records of a study, ready for the cohort.

    Attributes:
        patients: one row a patient: `patient`, `centre`, the variables, and for each anchor its day (`@death`) and,
            where the anchor has a status, whether it happened (`@death?`).
        moments: for each anchor of the course, every day it has: `patient`, `day`, ordered.
        dated: for every anchor, the rows that date it: `patient`, `day`, `source`, `field`, `_file`, `_line`.
        treatments: one row an agent: `row`, `patient`, `drug` (as written), `agent`, `start`, `end` (null is
            ongoing), `end_assumed`, `stop_reason`, `unused` (why the row makes no line, or null),
            `patient_rank` (the place of the patient among all, by name), and where it stands.
        rows_read: rows of each source.
    """

    patients: pl.DataFrame
    moments: Mapping[str, pl.DataFrame]
    dated: Mapping[str, pl.DataFrame]
    treatments: pl.DataFrame
    rows_read: Mapping[str, int]

    def centres(self, patients: Iterable[str]) -> dict[str, str | None]:
        """The centre of some patients."""
        names = pl.Series(sorted(set(patients)), dtype=pl.String)
        rows = self.patients.filter(pl.col("patient").is_in(names.implode()))
        return dict(rows.select("patient", pl.col("centre").cast(pl.String)).iter_rows())

    @property
    def used(self) -> pl.DataFrame:
        """The treatments that make lines."""
        every = self.treatments["unused"].null_count() == self.treatments.height
        return self.treatments if every else self.treatments.filter(pl.col("unused").is_null())


def registry(study: Study, tables: Mapping[str, Table], dictionary: Dictionary, rules: RuleSet) -> Registry:
    """Join the tables of a study's sources.

    Args:
        study: the protocol.
        tables: the sources by name, as read.
        dictionary: names of drugs.
        rules: only its fallback length for treatments without an end.
    """
    roles = {source.role: name for name, source in study.sources.items()}
    people = tables[roles["patients"]].frame.unique("patient", keep="first", maintain_order=True)
    if "centre" not in people.columns:
        people = people.with_columns(pl.lit(None, pl.String).alias("centre"))
    dated = {name: _dated(anchor, tables) for name, anchor in study.anchors.items()}
    for name, anchor in study.anchors.items():
        people = _with_anchor(people, name, anchor, dated[name], tables)
    moments = {
        name: _each_once(dated[name].select("patient", "day"))
        for name, anchor in study.anchors.items()
        if anchor.stage == "course"
    }
    treatments = _treatments(study, tables[roles["treatments"]].frame, people, dictionary, rules)
    rows_read = {name: table.rows_read for name, table in tables.items()}
    return Registry(people, moments, dated, treatments, rows_read)


def _each_once(days: pl.DataFrame) -> pl.DataFrame:
    """Ordered days of patients without those that stand twice."""
    again = (pl.col("patient") == pl.col("patient").shift()) & (pl.col("day") == pl.col("day").shift())
    return days.filter(~again.fill_null(value=False))


def _dated(anchor: AnchorRule, tables: Mapping[str, Table]) -> pl.DataFrame:
    """Every row that dates an anchor, ordered by patient and day, with the place it stands in."""
    parts = [pl.DataFrame(schema=DATED)]
    for path in anchor.fields:
        source, field = path.split(".", 1)
        rows = tables[source].frame
        for other, words in anchor.only.items():
            if other.split(".", 1)[0] == source:
                inside = pl.col(other.split(".", 1)[1]).cast(pl.String).is_in(list(words))
                rows = rows.filter(inside.fill_null(value=False))
        where = (pl.lit(source).alias("source"), pl.lit(field).alias("field"))
        day = pl.col(field).cast(pl.Int32).alias("day")
        place = (pl.col("_file").cast(pl.String), pl.col("_line").cast(pl.Int64))
        parts.append(rows.select("patient", day, *where, *place))
    return pl.concat(parts).drop_nulls(["patient", "day"]).sort("patient", "day", maintain_order=True)


def _with_anchor(
    people: pl.DataFrame, name: str, anchor: AnchorRule, dated: pl.DataFrame, tables: Mapping[str, Table]
) -> pl.DataFrame:
    column = anchor_column(name)
    if anchor.day is not None:
        return people.with_columns(pl.lit(anchor.day, pl.Int32).alias(column))
    # The rows stand by patient and day: the earliest is a patient's first, the latest the last.
    beside = pl.col("patient").shift(1 if anchor.pick == "earliest" else -1)
    picked = dated.filter((pl.col("patient") != beside).fill_null(value=True))
    picked = picked.select("patient", pl.col("day").alias(column))
    people = people.join(picked, on="patient", how="left", maintain_order="left")
    if anchor.status is None:
        return people
    parts: list[pl.DataFrame] = []
    for path in anchor.status.fields:
        source, field = path.split(".", 1)
        parts.append(
            tables[source].frame.select("patient", (pl.col(field) == anchor.status.value).alias("is"))
        )
    happened = pl.concat(parts).group_by("patient").agg(pl.col("is").any().alias(f"{column}?"))
    people = people.join(happened, on="patient", how="left").with_columns(
        pl.col(f"{column}?").fill_null(value=False)
    )
    # A date without the status is no event: the record contradicts itself and is reported by the checks.
    return people.with_columns(
        pl.when(f"{column}?").then(column).alias(column), pl.col(column).alias(f"{column}!")
    )


def _treatments(
    study: Study, frame: pl.DataFrame, people: pl.DataFrame, dictionary: Dictionary, rules: RuleSet
) -> pl.DataFrame:
    given = frame.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    absent = [
        pl.lit(None, kind).alias(name) for name, kind in TREATMENTS.items() if name not in given.columns
    ]
    given = given.with_columns(absent).with_columns(pl.col("start", "end").cast(pl.Int32))
    agents = {text: _agents(dictionary, text) for text in given["drug"].drop_nulls().unique().to_list()}
    several = any(found is not None and len(found) > 1 for found in agents.values())
    if several:
        named = pl.col("drug").replace_strict(agents, default=None, return_dtype=pl.List(pl.String))
        given = given.with_columns(named.alias("agent")).explode("agent")
    else:
        single = {text: found[0] for text, found in agents.items() if found}
        known = pl.col("drug").replace_strict(single, default=None, return_dtype=pl.String)
        given = given.with_columns((known if single else pl.lit(None, pl.String)).alias("agent"))
    end, assumed = _end(given, dictionary, rules)
    index = people.select("patient", pl.col(anchor_column(study.lines.index)).alias("_index"))
    # Patients in the order of their names, found once for the many rows that are sorted by it.
    index = index.sort("patient", maintain_order=True).with_row_index("patient_rank")
    given = given.join(index, on="patient", how="left", maintain_order="left")
    found = given.with_columns(
        end.alias("end"),
        assumed.alias("end_assumed"),
        _unused(study.lines.lookback_days).alias("unused"),
    ).drop("_index")
    return found.sort("row", "agent") if several else found


def _end(given: pl.DataFrame, dictionary: Dictionary, rules: RuleSet) -> tuple[pl.Expr, pl.Expr]:
    """The last day of each row, and whether it was not recorded: by its supply, its drug's cycle, or the fallback."""
    told = rules.record.cycle_days
    agents = given["agent"].drop_nulls().unique().to_list() if told else []
    kinds = {agent: (agent, *sorted(dictionary.classes(agent))) for agent in agents}
    cycles = {agent: next((told[k] for k in kind if k in told), None) for agent, kind in kinds.items()}
    known = {agent: days for agent, days in cycles.items() if days is not None}
    lasts = (
        pl.col("agent").replace_strict(known, default=None, return_dtype=pl.Int32)
        if known
        else pl.lit(None, pl.Int32)
    )
    short = pl.col("end").is_null() | (pl.col("end") == pl.col("start"))
    supply = pl.col("days_supply").cast(pl.Int32, strict=False)
    supplied = pl.col("end").is_null() & (supply > 0).fill_null(value=False)
    ongoing = pl.col("ongoing").fill_null(pl.lit(_ongoing_by_default(given)) & lasts.is_null())
    assumed = ~supplied & ~ongoing & (pl.col("end").is_null() | (short & lasts.is_not_null()))
    days = pl.coalesce(lasts, pl.lit(rules.record.fallback_days))
    end = pl.when(supplied).then(pl.col("start") + supply - 1)
    return end.when(assumed).then(pl.col("start") + days - 1).otherwise("end").cast(pl.Int32), assumed


def _ongoing_by_default(given: pl.DataFrame) -> bool:
    """Where the source has no `ongoing` column, a missing end is ongoing; where it has one, it says so itself."""
    return given["ongoing"].null_count() == given.height


def _unused(lookback: int) -> pl.Expr:
    return (
        pl.when(pl.col("patient_rank").is_null())
        .then(pl.lit("patient not in the patients' file"))
        .when(pl.col("drug").is_null())
        .then(pl.lit("drug not recorded"))
        .when(pl.col("agent").is_null())
        .then(pl.lit("drug not in the dictionary"))
        .when(pl.col("start").is_null())
        .then(pl.lit("start not recorded"))
        .when(pl.col("end") < pl.col("start"))
        .then(pl.lit("end before start"))
        .when(pl.col("_index").is_null())
        .then(pl.lit("index date not recorded"))
        .when(pl.col("start") < pl.col("_index") - lookback)
        .then(pl.lit(BEFORE_INDEX))
    )


def _agents(dictionary: Dictionary, text: str) -> list[str] | None:
    match = dictionary.match(text)
    return list(match.agents) if match else None
