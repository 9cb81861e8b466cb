"""The corrected estimate beside the naive one, for every comparison whose clock starts too early."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.audit.design import TimeZero, time_zero
from sequela.clinic.endpoints import derive
from sequela.core.units import DAYS_PER_MONTH
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.report.content import Corrected, Correction
from sequela.study.timing import line_start
from sequela.walk.analyses import Population, compare, grouped, heading, nobody, population, together
from sequela.walk.settling import settled_day

if TYPE_CHECKING:
    from sequela.clinic.endpoints import Outcome
    from sequela.core.outcome import Times
    from sequela.report.content import Heading
    from sequela.study.model import Endpoint
    from sequela.walk.path import Walk


def corrections(walk: Walk) -> tuple[Correction, ...]:
    """One for every endpoint and set of groups that GT001 or GT002 applies to."""
    analyses = {analysis.id: analysis for analysis in walk.study.analyses}
    found: dict[tuple[str, tuple[str, ...]], Correction] = {}
    for clock in time_zero(walk.study):
        key = (clock.endpoint, tuple(clock.settled))
        if clock.selective and len(clock.settled) > 1 and any(clock.settled.values()) and key not in found:
            people = population(walk, analyses[clock.analysis])
            head = replace(
                heading(analyses[clock.analysis], people), id=f"corrected-{clock.endpoint}-{len(found) + 1}"
            )
            found[key] = correct(walk, clock, people, head)
    return tuple(found.values())


def correct(walk: Walk, clock: TimeZero, people: Population, head: Heading) -> Correction:
    """The naive estimate of one comparison, and what each correction gives."""
    endpoint = walk.study.endpoints[clock.endpoint]
    settled = settled_day(walk, clock)
    moments = sorted({moment.words for group in clock.settled.values() for moment in group})
    naive = grouped(walk.outcomes[clock.endpoint], people)
    late = derive(clock.endpoint, endpoint, walk.people, walk.registry.moments, entry=settled)
    delayed = grouped(late, people)
    restarted = derive(clock.endpoint, endpoint, walk.people, walk.registry.moments, origin=settled)
    words = " or ".join(moments)
    again = grouped(restarted, people)
    names = tuple(naive)
    rows = [
        compared_on("As asked (naive)", names, naive),
        compared_on(f"Delayed entry at {words}", names, delayed, late, people),
    ]
    if not _over(endpoint, clock):
        rows.append(compared_on(f"Clock restarted at {words}", names, again, restarted, people))
    if len(names) == 2 and not _over(endpoint, clock):
        rows.insert(
            2, _adjusted("Delayed entry, entry time in the model", names, delayed, late, people, None)
        )
        rows.append(
            _adjusted(
                "Clock restarted, time since the origin in the model",
                names,
                again,
                restarted,
                people,
                _waited(late),
            )
        )
    curves = [tuple(kaplan_meier(times) for times in groups.values()) for groups in (naive, delayed)]
    faults = tuple(
        f"{fault.code}: {fault.what} is settled at {fault.settled.words}"
        for fault in clock.faults
        if fault.code != "GT003"
    )
    return Correction(head, endpoint.label, names, words, faults, tuple(rows), curves[0], curves[1])


def _over(endpoint: Endpoint, clock: TimeZero) -> bool:
    """The outcome of a line cannot be counted from a moment after that line."""
    return endpoint.line is not None and any(
        moment >= line_start(endpoint.line + 1) for group in clock.settled.values() for moment in group
    )


def _waited(late: Outcome) -> dict[str, float]:
    """Days from the endpoint's own origin to the moment of settling, by patient."""
    table = late.table.select("patient", (pl.col("entry") - pl.col("origin")).alias("waited")).drop_nulls()
    return dict(table.iter_rows())


def compared_on(
    label: str,
    names: tuple[str, ...],
    groups: dict[str, Times],
    outcome: Outcome | None = None,
    people: Population | None = None,
) -> Corrected:
    """One comparison of groups on one clock: medians, hazard ratio and log-rank p, or why there are none."""
    n, events = _size(groups)
    if len(groups) < 2 or not events:
        return Corrected(label, n, events, (), None, None, _why(outcome, people))
    test, ratio = compare(groups)
    medians = tuple(kaplan_meier(groups[name]).median() if name in groups else nobody() for name in names)
    return Corrected(label, n, events, medians, ratio, test.p if test else None)


def _adjusted(
    label: str,
    names: tuple[str, ...],
    groups: dict[str, Times],
    outcome: Outcome,
    people: Population,
    waited: dict[str, float] | None,
) -> Corrected:
    """Two groups and the time to entry in one Cox model."""
    n, events = _size(groups)
    if len(groups) < 2 or not events:
        return Corrected(label, n, events, (), None, None, _why(outcome, people))
    times, labels = together(groups)
    extra = times.entry if waited is None else np.array([waited[str(name)] for name in times.ids], float)
    model = cox(
        times,
        {names[1]: (labels == names[1]).astype(float), "time to entry, per month": extra / DAYS_PER_MONTH},
    )
    ratio = model.hazard_ratios()[0]
    return Corrected(label, n, events, (), ratio, ratio.p)


def _size(groups: dict[str, Times]) -> tuple[int, int]:
    return sum(map(len, groups.values())), sum(int((times.state > 0).sum()) for times in groups.values())


def _why(outcome: Outcome | None, people: Population | None) -> str:
    if outcome is None or people is None:
        return "no events"
    left = outcome.table.join(people.frame.select("patient"), on="patient", how="semi").filter(
        pl.col("unused").is_not_null()
    )
    reasons = left.group_by("unused").len().sort("len", descending=True).iter_rows()
    return "cannot be estimated: " + "; ".join(f"{reason} ({n})" for reason, n in reasons)
