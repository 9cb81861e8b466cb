"""What the fold of lines is told beside the treatments: progressions, and decisions by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sequela.clinic.folding import NO_COURSES, Courses
from sequela.clinic.overrides import read_overrides
from sequela.core.errors import StudyError
from sequela.core.finding import Finding, Where
from sequela.study.named_endpoints import roles
from sequela.study.positions import line_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sequela.clinic.overrides import Override
    from sequela.clinic.rules import RuleSet
    from sequela.clinic.tables import Registry
    from sequela.study.model import Study


def overrides_of(study: Study, base: Path) -> tuple[Override, ...]:
    """The decisions by hand that the study names, if any.

    Raises:
        StudyError: the file does not exist, or lacks a column.
        DataError: a row does not say what was decided, by whom, when and why.
    """
    if study.lines.overrides is None:
        return ()
    where = Where(study.path or None, line_in(study.path, ("lines", "overrides")), "lines.overrides")
    return read_overrides(base / study.lines.overrides, dates=study.study.time == "dates", where=where)


def courses(study: Study, registry: Registry, rules: RuleSet, overrides: tuple[Override, ...]) -> Courses:
    """Progressions and decisions of every patient who has any.

    Raises:
        StudyError: S126, the rule set asks for progressions and no anchor of the course gives them.
    """
    name = roles({key: anchor.means for key, anchor in study.anchors.items()}).get("progression")
    dated = registry.moments.get(name or "")
    if dated is None and rules.progression.mode != "drug":
        raise StudyError(
            Finding(
                "S126",
                "error",
                f"the rule set {rules.name} needs progressions, and no anchor of the course gives them",
                Where(study.path or None, line_in(study.path, ("lines", "rules")), "lines.rules"),
                found=f"progression mode `{rules.progression.mode}`",
                allowed='an anchor of stage "course" called `progression`, or one with means = "progression"',
                remedy="declare the anchor, or take a rule set of mode `drug`",
            )
        )
    grown = (
        NO_COURSES.progressions
        if dated is None
        else dated.rename(dict(zip(dated.columns, ("patient", "day"), strict=True)))
    )
    told = [(one.patient, one.day, one.decision) for one in overrides]
    return Courses(
        _systemic(grown, registry, rules),
        pl.DataFrame(told, schema=NO_COURSES.decisions.schema, orient="row"),
    )


def _systemic(grown: pl.DataFrame, registry: Registry, rules: RuleSet) -> pl.DataFrame:
    """The progressions without those that were treated locally."""
    if not rules.progression.local:
        return grown
    rows = registry.treatments.filter(pl.col("agent").is_in(list(rules.progression.local)))
    wait = pl.col("start") - pl.col("day")
    treated = grown.join(rows.select("patient", "start"), on="patient")
    treated = treated.filter((wait >= 0) & (wait <= rules.progression.local_days))
    return grown.join(treated, on=["patient", "day"], how="anti", maintain_order="left")


def override_findings(study: Study, registry: Registry, overrides: tuple[Override, ...]) -> Iterator[Finding]:
    """C320 for every decision that was followed, C321 for every one that nothing starts on."""
    if not overrides:
        return
    decided = [one.patient for one in overrides]
    started = set(
        registry.used.filter(pl.col("patient").is_in(decided)).select("patient", "start").iter_rows()
    )
    for one in overrides:
        where = Where(study.lines.overrides, one.line, "lines.overrides", one.patient)
        if (one.patient, one.day) in started:
            said = f"{one.decision} on {study.day(one.day)}: {one.reason} ({one.user}, {one.date})"
            message = "a line was decided by hand"
            yield Finding("C320", "note", message, where, found=said, remedy="see it: sequela explain-lines")
        else:
            yield Finding(
                "C321", "warning", "an override does nothing: the patient starts no treatment on that day", where,
                found=study.day(one.day), allowed="a day on which a treatment of the patient starts",
                remedy="correct the day or the patient, or take the row out",
            )  # fmt: skip
