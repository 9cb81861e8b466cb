"""Rows that cannot be used as they stand: each with its rule, its place and what to do; none is averaged away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from sequela.core.finding import Finding, Where
from sequela.records.grids import SHAPES, well_name

if TYPE_CHECKING:
    from sequela.study.bench import Plates


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: the rows that break it, the column that is shown, what is allowed and what to do."""

    code: str
    message: str
    bad: Any
    shown: str
    allowed: str
    remedy: str


def rules(plates: Plates, ceiling: float | None) -> tuple[Rule, ...]:
    """The rules of single rows, the gravest first: a row that breaks several has the reason of the first."""
    height, width = SHAPES[plates.wells]
    wells = pl.col("well").is_not_null()
    off = pl.col("row").is_null() | (pl.col("row") > height) | (pl.col("column") > width)
    numbered = pl.col("well").str.contains(r"^\d+$")  # a running number names a well, and no place
    twice = pl.struct("experiment", "plate", "well", "hours", "field").is_duplicated()
    same = (
        "experiment",
        "plate",
        "culture",
        "role",
        "agent",
        "dose",
        "hours",
        "insert",
        "field",
        "replicate",
    )
    named = pl.col("experiment").is_not_null()  # where it is not, an equal number may be another day's
    counted = named & ~wells & pl.any_horizontal(pl.col("replicate", "field").is_not_null())
    again = counted & pl.struct(same).is_duplicated()
    beyond = pl.col("saturated")
    over = beyond.is_not_null() | (pl.col("value") > ceiling if ceiling else pl.lit(value=False))
    most = (
        f"at most {ceiling}" if ceiling else "a number: the reader says that the signal is beyond its range"
    )
    stray = pl.col("culture").is_null() & (pl.col("role") != "blank")
    dosed = (pl.col("role") == "control") & (pl.col("dose") > 0)
    corner = f"A1 to {well_name(height, width)}"
    return (
        Rule("B201", "the row has no value", pl.col("value").is_null() & beyond.is_null(), "value", "a number",
             "fill in the value, or say why it is left out: `exclude`"),
        Rule("B202", "the dose is negative", pl.col("dose") < 0, "dose", "0 (the control) or a positive number",
             "correct the dose"),
        Rule("B203", "the well is not on the plate", wells & off & ~numbered, "well", corner,
             "correct the well, or the size of the plates: [plates] wells"),
        Rule("B204", "the well is there more than once", wells & twice, "well", "each well once a time and field",
             "take the wrong rows out; none of them is used"),
        Rule("B208", "the replicate is there more than once", again, "replicate", "each replicate once a dose and time",
             "number the replicates apart, or take the wrong rows out; none of them is used"),
        Rule("B205", "a control has a dose", dosed, "dose", "dose 0", "correct the role or the dose"),
        Rule("B206", "the signal is above the ceiling of the reader", over, "value", most,
             "dilute and read again; the well is not used"),
        Rule("B207", "a well has neither a culture nor the role of a blank", stray, "well", "a culture, or a blank",
             "name the culture, or say `role = blank`"),
    )  # fmt: skip


def marked(
    frame: pl.DataFrame, plates: Plates, ceiling: float | None
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """`unused` filled with the reason for every row that cannot be used, and one finding each.

    Rows that the user excluded keep the user's own reason and make no finding.
    """
    unused: Any = pl.lit(None, pl.String)
    for rule in reversed(rules(plates, ceiling)):
        unused = pl.when(rule.bad.fill_null(value=False)).then(pl.lit(rule.message)).otherwise(unused)
    own = pl.when(pl.col("exclude").is_not_null()).then(pl.lit("excluded: ") + pl.col("exclude"))
    result = frame.with_columns(own.otherwise(unused).alias("unused"))
    findings: list[Finding] = []
    for rule in rules(plates, ceiling):
        rows = result.filter(rule.bad.fill_null(value=False) & pl.col("exclude").is_null())
        for row in rows.iter_rows(named=True):
            place = " ".join(str(row[part]) for part in ("plate", "well") if row[part] is not None)
            where = Where(row["_file"], row["_line"], place or rule.shown, culture=row["culture"])
            shown = row["saturated"] if rule.code == "B206" and row["saturated"] else row[rule.shown]
            found = "nothing" if shown is None else str(shown)
            findings.append(
                Finding(rule.code, "error", rule.message, where, found, rule.allowed, rule.remedy)
            )
    return result, tuple(findings)
