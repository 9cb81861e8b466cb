"""Biopsies before and after: receptor statuses by their tables, what was converted, and what so few pairs can show.

A lower score is not a lost status: IHC 1+ with an amplified gene is still HER2-positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding
from sequela.study.biomarkers import call

if TYPE_CHECKING:
    from collections.abc import Sequence

SCORES: Final = ("0", "1+", "2+", "3+")
NEEDED: Final = ("patient", "time", "er", "pgr", "score", "percent", "ish")


@dataclass(frozen=True, slots=True, eq=False)
class Biopsies:
    """Statuses and changes.

    Attributes:
        table: a row a patient and time: `er`, `pgr`, `score`, `percent`, `ish`, the statuses `er_status`,
            `pgr_status`, `her2_status`, and `her2_reason`.
        changes: a row a patient: `score_before`, `score_after`, `score_lower`, `status_before`, `status_after`,
            `status_lost` (null where a status is unknown).
        edition: of the HER2 table.
        findings: unpaired patients, and the warning that two biopsies are two places.
    """

    table: pl.DataFrame
    changes: pl.DataFrame
    edition: str
    findings: tuple[Finding, ...]

    def pair(self, measure: str) -> tuple[list[float | None], list[float | None]]:
        """Values before and after of `score` (0 to 3), `percent`, `er` or `pgr`, in the order of `changes`."""
        if measure == "score":
            ordinal: Any = pl.col("score").replace_strict(
                {name: at for at, name in enumerate(SCORES)}, default=None
            )
        else:
            ordinal = pl.col(measure)
        told = self.table.with_columns(ordinal.cast(pl.Float64).alias("_value"))
        sides: list[list[float | None]] = []
        for time in ("before", "after"):
            own = told.filter(pl.col("time") == time).select("patient", "_value")
            matched = self.changes.select("patient").join(
                own, on="patient", how="left", maintain_order="left"
            )
            sides.append(matched["_value"].to_list())
        return sides[0], sides[1]


def biopsies(frame: pl.DataFrame, edition: str = "2018") -> Biopsies:
    """Statuses by ER, PgR >= 1 % and HER2 by ASCO/CAP, and every pair's changes.

    Args:
        frame: a row a biopsy: `patient`, `time` (before, after), `er` and `pgr` (%), `score` (0, 1+, 2+, 3+),
            `percent` (HER2), `ish` (amplified, not_amplified, not_done, ambiguous_dash, ...).
        edition: 2013, 2018 or 2023.

    Raises:
        DataError: I160, a column is missing, a time is neither, or a patient has two biopsies of one time.
    """
    _check(frame)
    her2 = call(f"her2-{edition}", ihc=frame["score"], ish=frame["ish"])
    table = frame.with_columns(
        call("er", percent=frame["er"]).value.alias("er_status"),
        call("pgr", percent=frame["pgr"]).value.alias("pgr_status"),
        her2.value.alias("her2_status"),
        her2.reason.alias("her2_reason"),
    )
    before, after = (table.filter(pl.col("time") == time) for time in ("before", "after"))
    joined = before.join(after, on="patient", suffix="_after", maintain_order="left")
    rank: Any = {name: at for at, name in enumerate(SCORES)}
    lost = (pl.col("her2_status") == "positive") & (pl.col("her2_status_after") != "positive")
    changes = joined.select(
        "patient",
        pl.col("score").alias("score_before"),
        pl.col("score_after"),
        (pl.col("score_after").replace_strict(rank) < pl.col("score").replace_strict(rank)).alias(
            "score_lower"
        ),
        pl.col("her2_status").alias("status_before"),
        pl.col("her2_status_after").alias("status_after"),
        lost.alias("status_lost"),
    )
    return Biopsies(table, changes, edition, _findings(table, changes))


def _check(frame: pl.DataFrame) -> None:
    lacking = [name for name in NEEDED if name not in frame.columns]
    if lacking:
        _refuse("the table of biopsies lacks columns", ", ".join(lacking), ", ".join(NEEDED))
    times = [time for time in frame["time"].unique() if time not in ("before", "after")]
    if times:
        _refuse("a biopsy is neither before nor after", ", ".join(map(str, times)), "before, after")
    if frame.select("patient", "time").is_duplicated().any():
        _refuse("a patient has several biopsies of one time", "several rows", "one row a patient and time")


def _refuse(message: str, found: str, allowed: str) -> None:
    raise DataError(
        Finding(
            "I160",
            "error",
            message,
            found=found,
            allowed=allowed,
            remedy="correct the table; nothing is averaged",
        )
    )


def _findings(table: pl.DataFrame, changes: pl.DataFrame) -> tuple[Finding, ...]:
    found = [
        Finding("I162", "warning", "two biopsies are two places: they may differ by the tumour's own variety",
                remedy="say the sites; do not call a lower score an effect of treatment")
    ]  # fmt: skip
    alone = [
        name
        for name in table["patient"].unique(maintain_order=True)
        if name not in changes["patient"].to_list()
    ]
    if alone:
        found.append(
            Finding("I161", "warning", "patients with one biopsy are in no pair", found=_few(alone),
                    remedy="they stay in the table, and are not compared")
        )  # fmt: skip
    return tuple(found)


def _few(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names[:6])) + (", …" if len(names) > 6 else "")
