"""Clinical checks: what rows of one patient cannot all be true. Each is a rule with a code; none changes a record."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.clinic.tables import anchor_column
from sequela.core.finding import Finding, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from sequela.clinic.drugs import Dictionary
    from sequela.clinic.tables import Registry
    from sequela.core.sequence import Sequences
    from sequela.records.reading import Table
    from sequela.study.model import Study


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """What a check may look at."""

    study: Study
    tables: Mapping[str, Table]
    registry: Registry
    lines: Sequences
    dictionary: Dictionary
    today: date

    def with_anchors(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the anchors' days and the centre of each patient."""
        people = self.registry.patients
        anchors = [name for name in people.columns if name.startswith("@")]
        here = people.select("patient", *anchors, *([] if "centre" in frame.columns else ["centre"]))
        return frame.join(here, on="patient", how="left")

    @property
    def death(self) -> str | None:
        """The anchor with a status: the end of the patient's life."""
        return next((name for name, anchor in self.study.anchors.items() if anchor.status), None)


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: its words, and a function that returns the rows that break it.

    The rows need `patient`, and may have `centre`, `file`, `line` and `found` (text).
    """

    code: str
    severity: Severity
    message: str
    field: str
    allowed: str
    remedy: str
    rows: Callable[[Records], pl.DataFrame | None]


def run_checks(records: Records) -> tuple[Finding, ...]:
    """Every finding of every check, in the order of the catalogue."""
    findings: list[Finding] = []
    centres = dict(records.registry.patients.select("patient", "centre").iter_rows())
    for check in CHECKS:
        rows = check.rows(records)
        if rows is None:
            continue
        for row in rows.iter_rows(named=True):
            where = Where(
                row.get("_file"), row.get("_line"), check.field, row["patient"], centres.get(row["patient"])
            )
            findings.append(
                Finding(
                    check.code,
                    check.severity,
                    check.message,
                    where,
                    row.get("found"),
                    check.allowed,
                    check.remedy,
                )
            )
    return tuple(findings)


def _source(records: Records, role: str) -> pl.DataFrame | None:
    name = next((name for name, source in records.study.sources.items() if source.role == role), None)
    return None if name is None else records.tables[name].frame


def _days(records: Records, *columns: str) -> pl.Expr:
    """Words such as `start 2014-03-02, end 2014-02-28`."""
    clock = records.study.day
    parts: list[pl.Expr] = []
    for i, column in enumerate(columns):
        label = column.lstrip("@").strip("_")
        text = pl.col(column).map_elements(clock, return_dtype=pl.String)
        parts.append(pl.concat_str(pl.lit(f"{', ' if i else ''}{label} "), text))
    return pl.concat_str(parts, ignore_nulls=True).alias("found")


def _duplicates(records: Records) -> pl.DataFrame | None:
    frame = _source(records, "patients")
    if frame is None:
        return None
    again = frame.filter(pl.col("patient").is_duplicated() & ~pl.col("patient").is_first_distinct())
    return again.with_columns(pl.lit("a second row of the same patient; the first one counts").alias("found"))


def _orphans(records: Records) -> pl.DataFrame | None:
    known = records.registry.patients.select("patient")
    parts: list[pl.DataFrame] = []
    for name, source in records.study.sources.items():
        if source.role != "patients":
            frame = records.tables[name].frame.select("patient", "_file", "_line")
            parts.append(frame.join(known, on="patient", how="anti"))
    return pl.concat(parts) if parts else None


def _treatments(records: Records) -> pl.DataFrame:
    """Treatment rows, one each (a combination is one row), with the patient's anchors."""
    rows = records.registry.treatments.unique("row", keep="first", maintain_order=True)
    return records.with_anchors(rows)


def _stop_before_start(records: Records) -> pl.DataFrame:
    rows = records.registry.treatments.unique("row", keep="first", maintain_order=True)
    return rows.filter(~pl.col("end_assumed") & (pl.col("end") < pl.col("start"))).with_columns(
        _days(records, "start", "end")
    )


def _treatment_after_death(records: Records) -> pl.DataFrame | None:
    if records.death is None:
        return None
    death = anchor_column(records.death)
    return (
        _treatments(records)
        .filter(pl.col("start") > pl.col(death))
        .with_columns(_days(records, "start", death))
    )


def _death_before_last_treatment(records: Records) -> pl.DataFrame | None:
    if records.death is None:
        return None
    death = anchor_column(records.death)
    rows = _treatments(records).filter(
        ~pl.col("end_assumed") & (pl.col("start") <= pl.col(death)) & (pl.col("end") > pl.col(death))
    )
    return rows.with_columns(_days(records, "end", death))


def _people(records: Records) -> pl.DataFrame:
    frame = _source(records, "patients")
    places = (
        [] if frame is None else [frame.unique("patient", keep="first").select("patient", "_file", "_line")]
    )
    people = records.registry.patients.drop("_file", "_line", strict=False)
    return people.join(places[0], on="patient", how="left") if places else people


def _death_before_baseline(records: Records) -> pl.DataFrame | None:
    if records.death is None:
        return None
    death = anchor_column(records.death)
    parts: list[pl.DataFrame] = []
    for name, anchor in records.study.anchors.items():
        if anchor.stage == "baseline":
            column = anchor_column(name)
            wrong = (
                _people(records)
                .filter(pl.col(death) < pl.col(column))
                .with_columns(_days(records, column, death))
            )
            parts.append(wrong.select("patient", "_file", "_line", "found"))
    return pl.concat(parts).unique("patient", maintain_order=True) if parts else None


def _baseline_out_of_order(records: Records) -> pl.DataFrame | None:
    baseline = [
        anchor_column(n) for n, a in records.study.anchors.items() if a.stage == "baseline" and a.day is None
    ]
    parts = [
        _people(records)
        .filter(pl.col(later) < pl.col(earlier))
        .with_columns(_days(records, earlier, later))
        .select("patient", "_file", "_line", "found")
        for earlier, later in pairwise(baseline)
    ]
    return pl.concat(parts) if parts else None


def _progression_before_start(records: Records) -> pl.DataFrame | None:
    """Rows of an event source that lie before the patient's index date."""
    index = anchor_column(records.study.lines.index)
    parts: list[pl.DataFrame] = []
    for anchor in records.study.anchors.values():
        for path in anchor.fields if anchor.stage == "course" else ():
            source, field = path.split(".", 1)
            rows = records.with_anchors(
                records.tables[source].frame.select("patient", "_file", "_line", pl.col(field).alias("event"))
            )
            wrong = rows.filter(pl.col("event") < pl.col(index)).with_columns(_days(records, "event", index))
            parts.append(wrong.select("patient", "_file", "_line", "found"))
    return pl.concat(parts) if parts else None


def _contact_after_death(records: Records) -> pl.DataFrame | None:
    ends = [anchor_column(n) for n, a in records.study.anchors.items() if a.stage == "end" and not a.status]
    if records.death is None or not ends:
        return None
    death = anchor_column(records.death)
    return (
        _people(records).filter(pl.col(ends[0]) > pl.col(death)).with_columns(_days(records, death, ends[0]))
    )


def _dead_without_date(records: Records) -> pl.DataFrame | None:
    if records.death is None:
        return None
    column = anchor_column(records.death)
    return _people(records).filter(pl.col(f"{column}?") & pl.col(column).is_null())


def _date_without_status(records: Records) -> pl.DataFrame | None:
    if records.death is None:
        return None
    column = anchor_column(records.death)
    return (
        _people(records)
        .filter(~pl.col(f"{column}?") & pl.col(f"{column}!").is_not_null())
        .with_columns(_days(records, f"{column}!"))
    )


def _future(records: Records) -> pl.DataFrame | None:
    if records.study.study.time == "days":
        return None
    from datetime import date

    cut = date.fromisoformat(records.study.study.data_cut) if records.study.study.data_cut else records.today
    limit = (cut - date(1970, 1, 1)).days
    parts: list[pl.DataFrame] = []
    for name, source in records.study.sources.items():
        dated = [
            field
            for field, column in source.columns.items()
            if not isinstance(column, str) and column.type == "date"
        ]
        for field in dated:
            rows = records.tables[name].frame.select(
                "patient", "_file", "_line", pl.col(field).cast(pl.Int32).alias(field)
            )
            wrong = rows.filter(pl.col(field) > limit).with_columns(_days(records, field))
            parts.append(wrong.select("patient", "_file", "_line", "found"))
    return pl.concat(parts) if parts else None


def _unusable(reason: str) -> Callable[[Records], pl.DataFrame]:
    def rows(records: Records) -> pl.DataFrame:
        treatments = records.registry.treatments.unique("row", keep="first", maintain_order=True)
        return treatments.filter(pl.col("unused") == reason).with_columns(pl.col("drug").alias("found"))

    return rows


def _before_index(records: Records) -> pl.DataFrame:
    """One row a patient: adjuvant treatments are expected here, and counted together."""
    rows = _unusable("before the index date")(records)
    drugs = pl.col("drug").unique(maintain_order=True).str.join(", ")
    found = pl.concat_str(
        pl.len().cast(pl.String),
        pl.when(pl.len() == 1).then(pl.lit(" row: ")).otherwise(pl.lit(" rows: ")),
        drugs,
    ).alias("found")
    return rows.group_by("patient", maintain_order=True).agg(pl.col("_file", "_line").first(), found)


def _unknown_drugs(records: Records) -> pl.DataFrame:
    rows = _unusable("drug not in the dictionary")(records)
    near = {text: ", ".join(records.dictionary.suggest(text)) for text in rows["drug"].drop_nulls().unique()}
    words = {text: f"“{text}”" + (f" (near: {names})" if names else "") for text, names in near.items()}
    return rows.with_columns(
        pl.col("drug").replace_strict(words, default=None, return_dtype=pl.String).alias("found")
    )


def _no_treatment(records: Records) -> pl.DataFrame:
    return _people(records).join(
        records.registry.treatments.select("patient").unique(), on="patient", how="anti"
    )


def _overlapping_lines(records: Records) -> pl.DataFrame:
    following = records.lines.table.select(
        pl.col("subject").alias("patient"),
        (pl.col("step") - 1).alias("step"),
        pl.col("start").alias("next_start"),
    )
    both = records.lines.table.rename({"subject": "patient"}).join(following, on=["patient", "step"])
    wrong = both.filter(pl.col("end").is_null() | (pl.col("next_start") <= pl.col("end")))
    text = pl.concat_str(
        pl.lit("line "), pl.col("step"), pl.lit(" goes on when line "), pl.col("step") + 1, pl.lit(" starts")
    )
    return wrong.with_columns(text.alias("found"))


CHECKS: Final[tuple[Check, ...]] = (
    Check(
        "C301",
        "error",
        "duplicate patient",
        "patient",
        "one row a patient",
        "take one of the rows out, or correct the identifier",
        _duplicates,
    ),
    Check(
        "C302",
        "error",
        "orphan row: the patient is not in the patients' file",
        "patient",
        "a patient of the patients' file",
        "add the patient, or correct the identifier",
        _orphans,
    ),
    Check(
        "C303",
        "error",
        "treatment stops before it starts",
        "end",
        "end on or after start",
        "correct one of the two days",
        _stop_before_start,
    ),
    Check(
        "C304",
        "error",
        "treatment starts after death",
        "start",
        "start on or before the day of death",
        "correct the start or the death",
        _treatment_after_death,
    ),
    Check(
        "C305",
        "warning",
        "treatment goes on after death",
        "end",
        "end on or before the day of death",
        "correct the end or the death",
        _death_before_last_treatment,
    ),
    Check(
        "C306",
        "error",
        "death lies before an earlier moment of the disease",
        "death",
        "death after diagnosis",
        "correct one of the two days",
        _death_before_baseline,
    ),
    Check(
        "C307",
        "warning",
        "moments of the disease out of order",
        "anchors",
        "the order of the study file",
        "correct one of the two days",
        _baseline_out_of_order,
    ),
    Check(
        "C308",
        "warning",
        "progression before the index date",
        "day",
        "progression on or after the index date",
        "correct the day, or the index date",
        _progression_before_start,
    ),
    Check(
        "C309",
        "note",
        "last contact after death",
        "last_contact",
        "last contact on or before death",
        "correct one of the two days; the death counts",
        _contact_after_death,
    ),
    Check(
        "C310",
        "warning",
        "dead without a day of death",
        "death",
        "a day of death for every death",
        "add the day; until then the patient has no survival time",
        _dead_without_date,
    ),
    Check(
        "C311",
        "error",
        "a day of death, but nobody recorded the patient as dead",
        "death",
        "a day of death only for the dead",
        "correct the status or the day; the day is not used",
        _date_without_status,
    ),
    Check(
        "C312",
        "error",
        "date in the future",
        "dates",
        "no date after the data cut",
        "correct the date, or the data cut",
        _future,
    ),
    Check(
        "C313",
        "warning",
        "unknown drug",
        "drug",
        "a name, synonym or brand of the drug dictionary",
        "correct the spelling, or add the synonym to the dictionary; the row makes no line",
        _unknown_drugs,
    ),
    Check(
        "C314",
        "note",
        "no drug recorded",
        "drug",
        "the name of a drug",
        "add the drug; the row makes no line",
        _unusable("drug not recorded"),
    ),
    Check(
        "C315",
        "note",
        "treatment without a start",
        "start",
        "a start for every treatment",
        "add the start; the row makes no line",
        _unusable("start not recorded"),
    ),
    Check(
        "C316",
        "note",
        "treatment before the index date",
        "start",
        "a start on or after the index date, less the lookback",
        "nothing to do if it is (neo-)adjuvant; the row makes no line",
        _before_index,
    ),
    Check(
        "C317",
        "note",
        "patient without any treatment row",
        "patient",
        "at least one treatment",
        "add the treatments, or leave the patient out",
        _no_treatment,
    ),
    Check(
        "C318",
        "note",
        "overlapping lines of therapy",
        "lines",
        "a line ends before the next one starts",
        "look at the drugs that go on",
        _overlapping_lines,
    ),
)
