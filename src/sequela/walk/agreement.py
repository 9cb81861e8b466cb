"""Derived lines against labels that somebody wrote by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.core.errors import StudyError
from sequela.core.finding import Finding, Where
from sequela.estimates.comparisons import kappa
from sequela.report.content import Agreed

if TYPE_CHECKING:
    from sequela.report.content import Heading
    from sequela.walk.path import Walk

LABELS = ("first line", "later line")


def agreement(walk: Walk, heading: Heading) -> Agreed:
    """Each treatment row that has both a derived line and a charted label, first or later.

    Kappa over rows takes rows of one patient as independent; kappa over patients compares, for each patient, whether
    any later line was given, and has one row a patient.

    Raises:
        StudyError: the study names no charted labels.
    """
    charted = walk.study.lines.charted
    if charted is None:
        raise StudyError(
            Finding(
                "S115",
                "error",
                "an analysis of agreement needs `[lines.charted]`",
                Where(walk.study.path, field="lines"),
                remedy='add [lines.charted] with field = "source.field", first and later',
            )
        )
    field = charted.field.split(".", 1)[1]
    rows = walk.registry.treatments.unique("row", keep="first", maintain_order=True)
    placed = walk.lines.placed.group_by("row").agg(pl.col("step").min())
    label = (
        pl.when(pl.col(field).is_in(list(charted.first)))
        .then(pl.lit(LABELS[0]))
        .when(pl.col(field).is_in(list(charted.later)))
        .then(pl.lit(LABELS[1]))
    )
    derived = (
        pl.when(pl.col("step") == 1).then(pl.lit(LABELS[0])).when(pl.col("step") > 1).then(pl.lit(LABELS[1]))
    )
    rows = rows.join(placed, on="row", how="left").with_columns(
        label.alias("charted"), derived.alias("derived")
    )
    both = rows.drop_nulls(["charted", "derived"])
    counts = _square(both)
    wrong = both.filter(pl.col("charted") != pl.col("derived")).sort("patient", "start", "row")
    shown = wrong.select("patient", "drug", "start", "end", field, pl.format("line {}", "step"), "_line")
    return Agreed(
        heading,
        LABELS,
        tuple(tuple(map(int, row)) for row in counts),
        kappa(counts),
        kappa(_by_patient(both)),
        _left_out(rows, field),
        tuple(tuple("" if value is None else str(value) for value in row) for row in shown.iter_rows()),
        (
            "patient",
            "drug as written",
            "start, day",
            "end, day",
            "charted label",
            "derived",
            "line of the file",
        ),
    )


def _square(both: pl.DataFrame) -> np.ndarray:
    """Rows: charted; columns: derived."""
    return np.array(
        [
            [both.filter((pl.col("charted") == a) & (pl.col("derived") == b)).height for b in LABELS]
            for a in LABELS
        ],
        float,
    )


def _by_patient(both: pl.DataFrame) -> np.ndarray:
    later = both.group_by("patient").agg(
        (pl.col("charted") == LABELS[1]).any().alias("a"), (pl.col("derived") == LABELS[1]).any().alias("b")
    )
    return np.array(
        [
            [later.filter((pl.col("a") == a) & (pl.col("b") == b)).height for b in (False, True)]
            for a in (False, True)
        ],
        float,
    )


def _left_out(rows: pl.DataFrame, field: str) -> tuple[tuple[str, int], ...]:
    """Rows that cannot be compared, by reason; together with the compared ones they are all rows."""
    reason = (
        pl.when(pl.col("unused").is_not_null())
        .then(pl.col("unused"))
        .when(pl.col("derived").is_null())
        .then(pl.lit("in no line (supportive drug, or companion before the first line)"))
        .when(pl.col("charted").is_null())
        .then(pl.format("label: {}", pl.col(field).fill_null("none")))
    )
    counted = (
        rows.select(reason.alias("reason"))
        .drop_nulls()
        .group_by("reason")
        .len()
        .sort(["len", "reason"], descending=[True, False])
    )
    return tuple(counted.iter_rows())
