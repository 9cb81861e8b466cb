"""One function per kind of analysis: a `Walk` in, what the report prints out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.core.errors import DataError
from sequela.core.estimate import Estimate
from sequela.core.finding import Finding, Where
from sequela.core.units import days_in
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier, reverse_kaplan_meier
from sequela.estimates.tests import log_rank
from sequela.report.content import (
    Content,
    GroupSurvival,
    Heading,
    LinesGiven,
    LineSummary,
    MedianRow,
    MedianTable,
    PrintedRow,
    PrintedTable,
    Survival,
)
from sequela.report.estimands import moment_words
from sequela.study.adjusting import Adjusting, TimeDependent
from sequela.study.expressions import write
from sequela.study.model import (
    Agreement,
    Cox,
    Curves,
    Describe,
    Medians,
    Printed,
    TargetTrial,
    TreatmentsByLine,
)
from sequela.walk.adjusting import adjusted
from sequela.walk.agreement import agreement
from sequela.walk.describe import describe
from sequela.walk.emulation import emulate
from sequela.walk.regression import regression

if TYPE_CHECKING:
    from sequela.clinic.endpoints import Outcome
    from sequela.core.estimate import Test
    from sequela.core.outcome import Times
    from sequela.study.model import Analysis
    from sequela.walk.path import Walk


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """The patients of one analysis: their rows of `people`, and the groups compared, in order."""

    frame: pl.DataFrame
    words: str
    groups: tuple[str, ...]


def population(walk: Walk, analysis: Analysis) -> Population:
    """Who an analysis looks at.

    Raises:
        DataError: nobody is left.
    """
    steps = {step.name: step for step in walk.steps}
    if analysis.population == "all":
        chosen, words = walk.steps[0].patients, "all patients in the file"
    elif analysis.population == "cohort":
        chosen, words = walk.cohort, "the cohort"
    else:
        chosen, words = steps[analysis.population].patients, f"patients after “{analysis.population}”"
    frame = walk.people.frame.filter(pl.col("patient").is_in(chosen.implode()))
    if analysis.where is not None:
        frame = frame.filter(walk.people.expression(analysis.where).fill_null(value=False))
        words += f" with {write(analysis.where)}"
    groups = tuple(
        group.name
        for group in walk.study.sequences.groups
        if not analysis.groups or group.name in analysis.groups
    )
    if analysis.groups:
        frame = frame.filter(pl.col("sequence").is_in(groups))
    if frame.is_empty():
        raise DataError(
            Finding(
                "C405",
                "error",
                f"analysis `{analysis.id}` has no patients",
                Where(walk.study.path, field=f"analyses.{analysis.id}"),
                found=words,
                allowed="at least one patient",
                remedy="look at its population, groups and `where`",
            )
        )
    return Population(frame, f"{words} (n = {frame.height})", groups)


def heading(analysis: Analysis, people: Population) -> Heading:
    """The heading of an analysis."""
    return Heading(analysis.id, analysis.title, analysis.number or "", people.words)


def grouped(outcome: Outcome, people: Population) -> dict[str, Times]:
    """The times of each group that has any, in order."""
    found = {
        group: outcome.of(people.frame.filter(pl.col("sequence") == group)["patient"])
        for group in people.groups
    }
    return {group: times for group, times in found.items() if len(times)}


def together(groups: dict[str, Times]) -> tuple[Times, np.ndarray]:
    """All groups as one, with the label of each row."""
    from sequela.core.outcome import Times

    parts = list(groups.values())
    labels = np.concatenate([np.full(len(times), label) for label, times in groups.items()])
    joined = Times(
        np.concatenate([t.exit for t in parts]),
        np.concatenate([t.state for t in parts]),
        np.concatenate([t.entry for t in parts]),
        ids=np.concatenate([t.ids for t in parts]),
        unit=parts[0].unit,
        origin=parts[0].origin,
    )
    return joined, labels


def compare(groups: dict[str, Times]) -> tuple[Test | None, Estimate | None]:
    """Log-rank over all groups; the hazard ratio of the second against the first when there are two."""
    if len(groups) < 2:
        return None, None
    times, labels = together(groups)
    test = log_rank(times, labels)
    if len(groups) > 2:
        return test, None
    second = list(groups)[1]
    return test, cox(times, {second: (labels == second).astype(float)}).hazard_ratios()[0]


@singledispatch
def analyse(analysis: Analysis, walk: Walk) -> Content:
    """The content of one analysis.

    Raises:
        DataError: the analysis has no patients, or its endpoint has no times.
    """
    raise TypeError(analysis)


@analyse.register(Describe)
def _(analysis: Describe, walk: Walk) -> Content:
    people = population(walk, analysis)
    if analysis.by == "sequence":
        _need_groups(walk, analysis, people)
    return describe(
        walk,
        analysis,
        people.frame,
        people.groups if analysis.by == "sequence" else (),
        heading(analysis, people),
    )


@analyse.register(Agreement)
def _(analysis: Agreement, walk: Walk) -> Content:
    return agreement(
        walk,
        Heading(
            analysis.id,
            analysis.title,
            analysis.number or "",
            "all treatment rows with a derived line and a charted label",
        ),
    )


@analyse.register(Cox)
def _(analysis: Cox, walk: Walk) -> Content:
    people = population(walk, analysis)
    times = walk.outcomes[analysis.endpoint].of(people.frame["patient"])
    _need_events(walk, analysis.id, analysis.endpoint, {"all": times})
    return regression(walk.study, analysis, people.frame, people.groups, times, heading(analysis, people))


@analyse.register(TargetTrial)
def _(analysis: TargetTrial, walk: Walk) -> Content:
    people = population(walk, analysis)
    origin = moment_words(walk.study, walk.study.endpoints[analysis.endpoint].origin)
    return emulate(walk, analysis, people.frame, heading(analysis, people), origin)


@analyse.register(Adjusting)
def _(analysis: Adjusting, walk: Walk) -> Content:
    people, outcome = population(walk, analysis), walk.outcomes[analysis.endpoint]
    frame = people.frame
    if not isinstance(analysis, TimeDependent):
        _need_groups(walk, analysis, people)
        frame = frame.filter(pl.col("sequence").is_in(people.groups))
    times = outcome.of(frame["patient"])
    _need_events(walk, analysis.id, analysis.endpoint, {"all": times})
    origin = moment_words(walk.study, walk.study.endpoints[analysis.endpoint].origin)
    return adjusted(walk, analysis, frame, people.groups, times, origin, heading(analysis, people))


@analyse.register(Curves)
def _(analysis: Curves, walk: Walk) -> Content:
    people, outcome = population(walk, analysis), walk.outcomes[analysis.endpoint]
    if analysis.by == "sequence":
        _need_groups(walk, analysis, people)
    groups = (
        grouped(outcome, people)
        if analysis.by == "sequence"
        else {"All patients": outcome.of(people.frame["patient"])}
    )
    _need_events(walk, analysis.id, analysis.endpoint, groups)
    scale = days_in(walk.study.report.time_unit)
    test, ratio = compare(groups)
    mine = outcome.table.join(people.frame.select("patient"), on="patient", how="semi")
    endpoint = walk.study.endpoints[analysis.endpoint]
    return Survival(
        heading(analysis, people),
        outcome.label,
        moment_words(walk.study, endpoint.origin),
        tuple(
            _group(label, times, tuple(mark * scale for mark in analysis.landmarks))
            for label, times in groups.items()
        ),
        analysis.landmarks,
        test,
        ratio,
        next(iter(groups)) if len(groups) == 2 else None,
        _ends(mine),
        tuple(
            mine.filter(pl.col("unused").is_not_null()).group_by("unused").len().sort("unused").iter_rows()
        ),
        any(times.delayed for times in groups.values()),
        endpoint.note,
    )


def _ends(table: pl.DataFrame) -> tuple[tuple[str, str, int], ...]:
    used = table.filter(pl.col("unused").is_null()).group_by("state", "end").agg(pl.len().alias("n"))
    ordered = used.sort(["state", "n", "end"], descending=[True, True, False])
    return tuple(("event" if state else "censored", end or "", n) for state, end, n in ordered.iter_rows())


def _group(label: str, times: Times, marks: tuple[float, ...]) -> GroupSurvival:
    curve = kaplan_meier(times)
    follow_up = reverse_kaplan_meier(times).median()
    return GroupSurvival(
        label, curve, curve.median(), follow_up, tuple(curve.at(mark) for mark in marks), times.entry
    )


def _need_groups(walk: Walk, analysis: Analysis, people: Population) -> None:
    sizes = {group: people.frame.filter(pl.col("sequence") == group).height for group in people.groups}
    if sum(n > 0 for n in sizes.values()) >= 2:
        return
    found = ", ".join(f"{group}: {n}" for group, n in sizes.items())
    raise DataError(
        Finding(
            "C407",
            "error",
            f"analysis `{analysis.id}` compares groups, but only one has patients",
            Where(walk.study.path, field=f"analyses.{analysis.id}"),
            found=found,
            allowed="at least two groups with patients",
            remedy='look at the groups and the cohort; to describe without comparing say by = "none"',
        )
    )


def _need_events(walk: Walk, analysis: str, endpoint: str, groups: dict[str, Times]) -> None:
    if any(int((times.state > 0).sum()) for times in groups.values()):
        return
    n = sum(map(len, groups.values()))
    found = f"{n} patients, no event" if n else "nobody can be followed"
    reasons = ", ".join(f"{reason}: {n}" for reason, n in walk.outcomes[endpoint].unused.items())
    raise DataError(
        Finding(
            "C406",
            "error",
            f"endpoint `{endpoint}` has no events in analysis `{analysis}`",
            Where(walk.study.path, field=f"endpoints.{endpoint}"),
            found=found + (f" ({reasons})" if reasons else ""),
            allowed="at least one event",
            remedy="look at the endpoint's origin and events, and at the dates behind them",
        )
    )


@analyse.register(TreatmentsByLine)
def _(analysis: TreatmentsByLine, walk: Walk) -> Content:
    people = population(walk, analysis)
    table = walk.lines.sequences.table.join(
        people.frame.select(pl.col("patient").alias("subject")), on="subject", how="semi"
    )
    counts = people.frame.group_by("lines").len().sort("lines")
    lines = tuple(_line_summary(walk, analysis, table, number) for number in range(1, analysis.up_to + 1))
    return LinesGiven(
        heading(analysis, people),
        walk.rules.stamp,
        people.frame.height,
        tuple(counts.iter_rows()),
        lines,
        bool(analysis.classes),
    )


def _line_summary(walk: Walk, analysis: TreatmentsByLine, table: pl.DataFrame, number: int) -> LineSummary:
    here = table.filter(pl.col("step") == number)
    if analysis.classes:
        given = tuple(
            (name, int(((here["agents"] & walk.people.mask(name)) != 0).sum())) for name in analysis.classes
        )
        return LineSummary(number, here.height, given, 0)
    agents = here["regimen"].explode().drop_nulls().unique().to_list()
    labels = {agent: walk.dictionary.label(agent) for agent in agents}
    named = (
        pl.col("regimen")
        .list.eval(pl.element().replace_strict(labels, return_dtype=pl.String))
        .list.sort()
        .list.join(" + ")
    )
    names = here.with_columns(named.alias("name"))
    counts = names.group_by("name").len().sort(["len", "name"], descending=[True, False])
    shown = counts.head(10)
    return LineSummary(number, here.height, tuple(shown.iter_rows()), here.height - int(shown["len"].sum()))


@analyse.register(Medians)
def _(analysis: Medians, walk: Walk) -> Content:
    people = population(walk, analysis)
    _need_groups(walk, analysis, people)
    strata = [("All", people.frame)]
    if analysis.within:
        strata += [
            (level, people.frame.filter(pl.col(analysis.within) == level))
            for level in _levels(walk, people, analysis.within)
        ]
    rows: list[MedianRow] = []
    tests: dict[str, tuple[Test, ...]] = {}
    for name, frame in strata:
        part = Population(frame, "", people.groups)
        by_endpoint = [grouped(walk.outcomes[e], part) for e in analysis.endpoints]
        whole = [kaplan_meier(walk.outcomes[e].of(frame["patient"])).median() for e in analysis.endpoints]
        rows.append(MedianRow(name, "All sequences", frame.height, tuple(whole)))
        for group in people.groups:
            medians = [
                kaplan_meier(groups[group]).median() if group in groups else nobody()
                for groups in by_endpoint
            ]
            rows.append(
                MedianRow(name, group, frame.filter(pl.col("sequence") == group).height, tuple(medians))
            )
        tests[name] = tuple(log_rank(*together(groups)) for groups in by_endpoint)
    return MedianTable(
        heading(analysis, people),
        tuple(walk.outcomes[e].label for e in analysis.endpoints),
        tuple(rows),
        tests,
    )


def nobody() -> Estimate:
    """The median of a group without patients."""
    return Estimate("median", nan, reason="no patients")


def _levels(walk: Walk, people: Population, name: str) -> list[str]:
    covariate = walk.study.covariates[name]
    return (
        list(covariate.order)
        or [level.name for level in covariate.levels]
        or sorted(people.frame[name].drop_nulls().unique())
    )


@analyse.register(Printed)
def _(analysis: Printed, walk: Walk) -> Content:
    people = population(walk, analysis)
    rows: list[PrintedRow] = []
    for value in analysis.values:
        frame = (
            people.frame if value.group is None else people.frame.filter(pl.col("sequence") == value.group)
        )
        ours = kaplan_meier(walk.outcomes[value.endpoint].of(frame["patient"])).median()
        rows.append(
            PrintedRow(walk.outcomes[value.endpoint].label, value.group or "All patients", value.median, ours)
        )
    return PrintedTable(heading(analysis, people), analysis.source, tuple(rows))
