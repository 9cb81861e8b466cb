"""What counts as an end? Each endpoint of a line beside its variants V1 to V7, with the range of the hazard ratio."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from sequela.audit.design import time_zero
from sequela.clinic.endpoints import by_cause, derive, last_visit, visit_gap, words
from sequela.core.estimate import Estimate
from sequela.core.units import days_in
from sequela.estimates.competing import aalen_johansen
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.interval_censored import interval_weibull
from sequela.estimates.turnbull import turnbull
from sequela.report.content import CauseRow, Counted, Heading, Variants
from sequela.study.expressions import Anchor
from sequela.study.model import Curves
from sequela.study.named_endpoints import roles, variants
from sequela.walk.analyses import compare, grouped, nobody, population, together

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sequela.clinic.endpoints import Outcome
    from sequela.core.outcome import Times
    from sequela.study.model import Endpoint
    from sequela.study.named_endpoints import Variant
    from sequela.walk.analyses import Population
    from sequela.walk.path import Walk

LANDMARKS: Final = (6.0, 12.0, 24.0)  # months
NO_RATIO: Final = "one group has no events"


def variants_of(walk: Walk) -> tuple[Variants, ...]:
    """One for every endpoint of a line of which some `curves` analysis compares two groups."""
    found: dict[tuple[str, tuple[str, ...]], Variants] = {}
    for analysis in walk.study.analyses if walk.study.report.variants else ():
        if not isinstance(analysis, Curves) or analysis.by != "sequence":
            continue
        people = population(walk, analysis)
        key = (analysis.endpoint, people.groups)
        if len(people.groups) == 2 and walk.study.endpoints[analysis.endpoint].line and key not in found:
            heading = Heading(
                f"variants-{analysis.endpoint}-{len(found) + 1}", analysis.title, "", people.words
            )
            late = any(clock.selective and clock.analysis == analysis.id for clock in time_zero(walk.study))
            found[key] = _table(walk, analysis.endpoint, people, heading, late=late)
    return tuple(found.values())


def _table(walk: Walk, name: str, people: Population, heading: Heading, *, late: bool) -> Variants:
    endpoint, asked = walk.study.endpoints[name], walk.outcomes[name]
    said = "; ".join(map(words, endpoint.events))
    rows = [_counted(walk, "As asked", said[0].upper() + said[1:], asked, people)]
    outcomes: dict[str, tuple[Endpoint, Outcome]] = {}
    for one in variants(walk.study, endpoint):
        if one.endpoint is None:
            rows.append(Counted(one.code, one.words, 0, 0, (), None, one.reason))
            continue
        outcome = derive(name, one.endpoint, walk.people, walk.registry.moments)
        outcomes[one.code] = one.endpoint, outcome
        rows.append(
            _between_visits(walk, one, outcome, people)
            if one.interval_censored
            else _counted(walk, one.code, one.words, outcome, people)
        )
    known = [row.hazard_ratio for row in rows if row.hazard_ratio is not None and not row.hazard_ratio.reason]
    values = [ratio.value for ratio in known]
    composite = outcomes.get("V2") or outcomes.get("V1") or (endpoint, asked)
    return Variants(
        heading,
        asked.label,
        people.groups,
        tuple(rows),
        (min(values), max(values)) if values else None,
        (sum(ratio.p <= 0.05 for ratio in known), len(known)),
        tuple(_causes(*composite, people)),
        LANDMARKS,
        _visits(walk, asked, people),
        _waits(walk, endpoint, people),
        late,
    )


def _counted(walk: Walk, code: str, text: str, outcome: Outcome, people: Population) -> Counted:
    groups = grouped(outcome, people)
    n, events = sum(map(len, groups.values())), sum(int((t.state > 0).sum()) for t in groups.values())
    if not events:
        return Counted(code, text, n, events, (), None, "no events")
    medians = tuple(kaplan_meier(groups[g]).median() if g in groups else nobody() for g in people.groups)
    ratio = compare(groups)[1] if all(bool((t.state > 0).any()) for t in groups.values()) else None
    return Counted(code, text, n, events, medians, ratio, "" if ratio else NO_RATIO)


def _between_visits(walk: Walk, one: Variant, outcome: Outcome, people: Population) -> Counted:
    """V7: a progression lies after the last visit before it; a death has its day, a censored time has no right end."""
    groups = grouped(outcome, people)
    n, events = sum(map(len, groups.values())), sum(int((t.state > 0).sum()) for t in groups.values())
    if len(groups) < 2 or not all(bool((t.state > 0).any()) for t in groups.values()):
        return Counted(one.code, one.words, n, events, (), None, "no events" if not events else NO_RATIO)
    visits = walk.registry.moments[roles({k: a.means for k, a in walk.study.anchors.items()})["assessment"]]
    times, labels = together(groups)
    left, right = _intervals(one, outcome, visits, times)
    second = list(groups)[1]
    model = interval_weibull(left, right, {second: (labels == second).astype(float)}, times.entry)
    medians = tuple(
        _turnbull_median(left[labels == g], right[labels == g], delayed=times.delayed) for g in people.groups
    )
    return Counted(one.code, one.words, n, events, medians, model.hazard_ratios()[0])


def _intervals(
    one: Variant, outcome: Outcome, visits: pl.DataFrame, times: Times
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    assert one.endpoint is not None
    seen = [
        f"events.{i}"
        for i, source in enumerate(one.endpoint.events)
        if isinstance(source.at, Anchor) and source.name == "progression"
    ]
    table = last_visit(outcome.table.filter(pl.col("unused").is_null()), visits)
    rows = pl.DataFrame({"patient": times.ids}).join(table, on="patient", how="left", maintain_order="left")
    between = (rows["state"] > 0) & rows["by"].is_in(seen)
    last = (rows["visit"] - rows["origin"]).to_numpy().astype(float)
    left = np.where(between, np.minimum(last, times.exit), times.exit)
    return np.maximum(left, times.entry * (left > 0)), np.where(times.state > 0, times.exit, inf)


def _turnbull_median(left: NDArray[np.float64], right: NDArray[np.float64], *, delayed: bool) -> Estimate:
    if delayed:
        return Estimate("median", nan, reason="no median with delayed entry")
    found = turnbull(left, right).median()
    return replace(found, unit="day")


def _causes(endpoint: Endpoint, outcome: Outcome, people: Population) -> Iterator[CauseRow]:
    """The events of the composite as competing: the probability of each by 6, 12 and 24 months (Aalen-Johansen)."""
    causes = by_cause(outcome)
    rows = pl.DataFrame({"patient": causes.ids}).with_row_index("place")
    for group in people.groups:
        mine = rows.join(
            people.frame.filter(pl.col("sequence") == group).select("patient"), on="patient", how="semi"
        )
        times = causes.take(mine["place"].to_numpy())
        curves = aalen_johansen(times) if len(times) and (times.state > 0).any() else {}
        for number, source in enumerate(endpoint.events, 1):
            curve = curves.get(number)
            at = tuple(
                curve.at(month * days_in("month"))
                if curve is not None
                else Estimate("cumulative incidence", nan, reason="no such event")
                for month in LANDMARKS
            )
            yield CauseRow(words(source), group, int((times.state == number).sum()), at)


def _visits(walk: Walk, outcome: Outcome, people: Population) -> tuple[float, ...]:
    """Median days between visits by group, between the origin and the end."""
    name = roles({k: a.means for k, a in walk.study.anchors.items()}).get("assessment")
    if name is None:
        return ()
    inside = (
        walk.registry.moments[name]
        .join(outcome.table.select("patient", "origin", "exit"), on="patient", how="inner")
        .filter((pl.col("day") >= pl.col("origin")) & (pl.col("day") <= pl.col("exit")))
    )
    groups = [people.frame.filter(pl.col("sequence") == group).select("patient") for group in people.groups]
    return tuple(visit_gap(inside.join(group, on="patient", how="semi")) for group in groups)


def _waits(walk: Walk, endpoint: Endpoint, people: Population) -> tuple[float, ...]:
    """Median days from the last progression in the line to the start of the next one, by group."""
    name = roles({k: a.means for k, a in walk.study.anchors.items()}).get("progression")
    line = endpoint.line or 1
    if name is None or line + 1 > walk.people.top or name not in walk.registry.moments:
        return ()
    starts = people.frame.select(
        "patient",
        "sequence",
        pl.col(f"start[{line}]").alias("from"),
        pl.col(f"start[{line + 1}]").alias("next"),
    )
    last = (
        walk.registry.moments[name]
        .join(starts, on="patient", how="inner")
        .filter((pl.col("day") > pl.col("from")) & (pl.col("day") <= pl.col("next")))
        .group_by("patient", "sequence")
        .agg((pl.col("next").first() - pl.col("day").max()).alias("wait"))
    )
    middles = [last.filter(pl.col("sequence") == group)["wait"].median() for group in people.groups]
    return tuple(float(middle) if isinstance(middle, int | float) else nan for middle in middles)
