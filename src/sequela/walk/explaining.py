"""Why one patient's lines are what they are: every boundary with its rule, every record with its place."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import polars as pl

from sequela.clinic.hindsight import MAINTENANCE
from sequela.clinic.tables import anchor_column
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.study.named_endpoints import roles

if TYPE_CHECKING:
    from sequela.walk.path import Walk


@dataclass(frozen=True, slots=True)
class Given:
    """One treatment record: as written, what it was taken for, and the rule that placed it (or why it is unused)."""

    drug: str
    agent: str
    start: str
    end: str
    rule: str
    where: str


@dataclass(frozen=True, slots=True)
class Explained:
    """One line of therapy with its records."""

    title: str
    start_reason: str
    end_reason: str
    maintenance: str | None
    beyond: str | None
    given: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A patient's lines, the records that are in none, the rule set, and what was decided by hand.

    `curative` counts the lines given before the index, to cure.
    """

    patient: str
    rules: str
    lines: tuple[Explained, ...]
    outside: tuple[Given, ...]
    moments: tuple[tuple[str, str], ...]
    curative: int
    overrides: tuple[str, ...]


def explain_lines(walk: Walk, patient: str) -> Explanation:
    """The lines of one patient with the proof of every boundary.

    Raises:
        UsageError: there is no such patient.
    """
    require_patient(walk, patient)
    placed = walk.lines.placed.group_by("row").agg(pl.col("step").min(), pl.col("rule").first())
    rows = (
        walk.registry.treatments.filter(patient=patient)
        .join(placed, on="row", how="left")
        .sort("start", "row")
    )
    lines = walk.lines.sequences.table.filter(subject=patient)
    explained = tuple(_line(walk, line, _records(line, rows)) for line in lines.iter_rows(named=True))
    outside = tuple(_given(walk, row) for row in rows.filter(pl.col("step").is_null()).iter_rows(named=True))
    row = walk.people.frame.filter(patient=patient).row(0, named=True)
    by_hand = tuple(
        f"{one.decision} on {walk.study.day(one.day)}: {one.reason} ({one.user}, {one.date})"
        for one in walk.overrides
        if one.patient == patient
    )
    moments = _moments(walk, patient)
    return Explanation(patient, walk.rules.stamp, explained, outside, moments, row["curative_lines"], by_hand)


def require_patient(walk: Walk, patient: str) -> None:
    """Refuse a patient that nobody knows.

    Raises:
        UsageError: X108, with the nearest one.
    """
    known = walk.people.frame["patient"].to_list()
    if patient in known:
        return
    near = get_close_matches(patient, known, 3)
    raise UsageError(
        Finding(
            "X108",
            "error",
            f"there is no patient `{patient}`" + (f": did you mean `{near[0]}`?" if near else ""),
            Where(walk.study.path, patient=patient),
            allowed=f"one of the {len(known)} patients of the file",
            remedy="give the identifier as it stands in the patients' file",
        )
    )


def _records(line: dict[str, Any], rows: pl.DataFrame) -> pl.DataFrame:
    """The records of a line; of maintenance that is a line also those of the line before that go on into it."""
    own = rows.filter(step=line["step"])
    if line["rule"] != MAINTENANCE:
        return own
    on = (pl.col("end") >= line["start"]).fill_null(value=True) & pl.col("agent").is_in(line["regimen"])
    before = rows.filter(on, step=line["step"] - 1).with_columns(pl.lit(MAINTENANCE).alias("rule"))
    return pl.concat([before, own])


def _line(walk: Walk, line: dict[str, Any], rows: pl.DataFrame) -> Explained:
    names = " + ".join(walk.dictionary.label(agent) for agent in line["regimen"])
    companions = ", ".join(walk.dictionary.label(agent) for agent in line["companions"])
    span = f"{_day(walk, line['start'])} to {_day(walk, line['end'])}"
    title = f"Line {line['step']}  {span}  {names}" + (f"  (with {companions})" if companions else "")
    maintenance = None if line["maintenance_start"] is None else _day(walk, line["maintenance_start"])
    beyond = None if line["beyond_progression"] is None else _day(walk, line["beyond_progression"])
    given = tuple(_given(walk, row) for row in rows.iter_rows(named=True))
    return Explained(title, line["start_reason"], line["end_reason"], maintenance, beyond, given)


def _given(walk: Walk, row: dict[str, Any]) -> Given:
    rule = row["rule"] or row["unused"] or ""
    assumed = " (assumed)" if row["end_assumed"] and row["end"] is not None else ""
    return Given(
        row["drug"] or "",
        walk.dictionary.label(row["agent"]) if row["agent"] else "",
        _day(walk, row["start"], "not recorded"),
        _day(walk, row["end"]) + assumed,
        rule,
        f"{row['_file']}:{row['_line']}",
    )


def _day(walk: Walk, day: int | None, absent: str = "ongoing") -> str:
    return absent if day is None else walk.study.day(day)


def _moments(walk: Walk, patient: str) -> tuple[tuple[str, str], ...]:
    """The patient's dated moments but visits, in order of time."""
    row = walk.people.frame.filter(patient=patient).row(0, named=True)
    found = [(row[anchor_column(name)], anchor.label or name) for name, anchor in walk.study.anchors.items()]
    visits = roles({name: anchor.means for name, anchor in walk.study.anchors.items()}).get("assessment")
    for name, dated in walk.registry.moments.items():
        label = walk.study.anchors[name].label or name
        found = [pair for pair in found if pair[1] != label]
        days = dated.filter(patient=patient)["day"]
        found += [(day, label) for day in (days if name != visits else days.head(0))]
    return tuple(
        (walk.study.day(day), label) for day, label in sorted(pair for pair in found if pair[0] is not None)
    )
