"""Who was read: cultures, controls, wells and experiments. n is experiments; wells are repeats within one."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import polars as pl

from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.study.bench import Culture

LEAST = 3  # experiments without which nothing is tested


@dataclass(frozen=True, slots=True)
class Seen:
    """How often a culture was read in an assay."""

    culture: str
    experiments: tuple[str, ...]
    wells: int
    used: int


def recognise(
    frame: pl.DataFrame, cultures: Mapping[str, Culture], assay: str, rows: str = "wells"
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Rows of cultures that the study does not declare are marked unused; wells are numbered as replicates.

    Args:
        frame: rows of `sequela.bench.tables.observed`.
        cultures: those of the study.
        assay: its name, for the findings.
        rows: what a row is: wells, lanes, cells.

    Returns:
        The frame, and a finding an unknown culture (B210), one where experiments are not named (B211), and
        one for each culture with fewer than three (B212), and one where experiments share their day and passage
        (B215).
    """
    known = pl.col("culture").is_in(list(cultures)) | pl.col("culture").is_null()
    reason = pl.when(~known).then(pl.lit("the study has no such culture"))
    marked = frame.with_columns(pl.coalesce("unused", reason).alias("unused"))
    group = ["experiment", "culture", "agent", "dose", "hours", "role", "insert"]
    numbered = marked.with_columns(pl.int_range(pl.len()).over(group).alias("_nth"))
    result = numbered.with_columns(pl.coalesce("replicate", "_nth").alias("replicate")).drop("_nth")
    findings = (*_strangers(frame, cultures), *_unnamed(result, assay, rows), *_few(result, assay, rows))
    return result, (*findings, *_one_day(result, assay))


def seen(frame: pl.DataFrame) -> tuple[Seen, ...]:
    """Every culture of an assay with its experiments and wells, in order of appearance."""
    found: list[Seen] = []
    for culture in frame["culture"].drop_nulls().unique(maintain_order=True):
        rows = frame.filter(pl.col("culture") == culture)
        used = rows.filter(pl.col("unused").is_null())
        experiments = tuple(used["experiment"].drop_nulls().unique(maintain_order=True))
        found.append(Seen(culture, experiments, rows.height, used.height))
    return tuple(found)


def _strangers(frame: pl.DataFrame, cultures: Mapping[str, Culture]) -> list[Finding]:
    findings: list[Finding] = []
    strange = frame.filter(pl.col("culture").is_not_null() & ~pl.col("culture").is_in(list(cultures)))
    for (culture,), rows in strange.group_by(["culture"], maintain_order=True):
        near = get_close_matches(str(culture), cultures, 1)
        message = f"the study has no culture `{culture}`" + (f": did you mean `{near[0]}`?" if near else "")
        findings.append(
            Finding(
                "B210",
                "error",
                message,
                Where(rows["_file"][0], rows["_line"][0], "culture", culture=str(culture)),
                f"{rows.height} rows",
                ", ".join(cultures),
                f"declare it under [cultures.{culture}], or correct the name",
            )
        )
    return findings


def _unnamed(frame: pl.DataFrame, assay: str, rows: str) -> list[Finding]:
    used = frame.filter(pl.col("unused").is_null() & pl.col("culture").is_not_null())
    unnamed = used.filter(pl.col("experiment").is_null())
    if unnamed.is_empty():
        return []
    place = Where(unnamed["_file"][0], unnamed["_line"][0], "experiment")
    message = f"{rows} of `{assay}` do not say which experiment they belong to: nothing can be tested"
    remedy = "add a column `experiment` (own passage, own day), or `experiments` to the assay"
    return [
        Finding(
            "B211",
            "warning",
            message,
            place,
            f"{unnamed.height} of {used.height} {rows}",
            "one name an independent repeat",
            remedy,
        )
    ]


def _one_day(frame: pl.DataFrame, assay: str) -> list[Finding]:
    """Experiments of one culture whose date is the same, and whose passage is not another."""
    told = frame.filter(
        pl.all_horizontal(pl.col("culture", "experiment", "date").is_not_null()) & pl.col("unused").is_null()
    ).with_columns(pl.col("passage").fill_null(""))
    alike: dict[tuple[str, str, str], list[pl.DataFrame]] = {}
    for (_, date, passage), rows in told.group_by(["culture", "date", "passage"], maintain_order=True):
        names = rows["experiment"].unique(maintain_order=True).to_list()
        if len(names) > 1:
            alike.setdefault((str(date), str(passage), ", ".join(names)), []).append(rows)
    return [
        Finding("B215", "warning", f"experiments of `{assay}` share their day: are they independent?",
                Where(parts[0]["_file"][0], parts[0]["_line"][0], "date"),
                f"experiments {names} on {date}" + (f", passage {passage}" if passage else "") + " of "
                + ", ".join(rows["culture"][0] for rows in parts),
                "an experiment has its own day, or its own passage",
                "give one name to repeats of one day, or say the `passage` of each")
        for (date, passage, names), parts in alike.items()
    ]  # fmt: skip


def _few(frame: pl.DataFrame, assay: str, rows: str) -> list[Finding]:
    findings: list[Finding] = []
    for one in seen(frame):
        if one.used and 0 < len(one.experiments) < LEAST:
            count = f"{len(one.experiments)} experiment{'s' if len(one.experiments) > 1 else ''} in {one.used} {rows}"
            message = f"`{one.culture}` was read in too few experiments of `{assay}` to be tested"
            findings.append(
                Finding(
                    "B212",
                    "warning",
                    message,
                    Where(field="experiment", culture=one.culture),
                    count,
                    f"{LEAST} or more",
                    f"repeat it on another day; more {rows} do not help",
                )
            )
    return findings
