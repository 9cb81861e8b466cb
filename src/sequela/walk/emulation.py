"""From a study file's strategies to a target trial: eligibility, deadlines and departures, in days from time zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.clinic.endpoints import first_day
from sequela.core.estimate import Curve
from sequela.core.units import days_in
from sequela.estimates.nestedtrials import nested_trials
from sequela.estimates.targettrial import Strategy, TargetTrial, target_trial
from sequela.report.content import Emulated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times
    from sequela.estimates.targettrial import Arm
    from sequela.report.content import Heading
    from sequela.study import model
    from sequela.study.model import Source, StrategyRule
    from sequela.walk.path import Walk

    Real = NDArray[np.float64]


def emulate(
    walk: Walk, analysis: model.TargetTrial, frame: pl.DataFrame, heading: Heading, origin: str
) -> Emulated:
    """Emulate the trial that an analysis describes.

    Args:
        walk: the study as far as its endpoints.
        analysis: the strategies.
        frame: the patients of its population.
        heading: of the analysis.
        origin: time zero in words.
    """
    outcome = walk.outcomes[analysis.endpoint]
    mine = outcome.table.join(frame.select("patient"), on="patient", how="semi")
    left = mine.filter(pl.col("unused").is_not_null())["unused"].value_counts(name="n")
    unused = [(str(reason), int(n)) for reason, n in left.iter_rows()]
    followed = mine.filter(pl.col("unused").is_null()).select("patient", "origin")
    rows = followed.join(frame, on="patient", how="left")
    complete = rows.drop_nulls(list(analysis.variables)) if analysis.variables else rows
    if complete.height < rows.height:
        unused.append(("a covariate is missing", rows.height - complete.height))
    rows = complete
    times = outcome.of(rows["patient"])
    place = {name: at for at, name in enumerate(rows["patient"].to_list())}
    rows = rows[[place[str(name)] for name in times.ids]]
    strategies = [_strategy(walk, rule, rows) for rule in analysis.strategies]
    outside = int((~np.any([strategy.eligible for strategy in strategies], axis=0)).sum())
    columns = {name: rows[name].to_numpy() for name in analysis.variables} or None
    scale = days_in(walk.study.report.time_unit)
    trial = target_trial(
        times,
        strategies,
        columns,
        rng=np.random.default_rng(analysis.seed),
        changes={str(i): _when(walk, source, rows) for i, source in enumerate(analysis.changes)},
        tau=None if analysis.tau is None else analysis.tau * scale,
        truncation=analysis.truncation,
        samples=analysis.samples,
        cluster=rows["centre"].fill_null("").to_numpy() if analysis.cluster else None,
    )
    nested = None
    rule = analysis.strategies[-1]
    if analysis.nested and rule.start is not None:
        since = _when(walk, rule.after, rows) if rule.after is not None else None
        nested = nested_trials(times, strategies[-1].start, columns, eligible=since)
    if outside:
        unused.append(("compatible with no strategy at time zero", outside))
    words = tuple(walk.study.covariates[name].label or name for name in analysis.variables)
    curves = tuple(_curve(arm, times, trial) for arm in trial.arms)
    return Emulated(
        heading, outcome.label, origin, trial, curves, nested, tuple(unused), words, analysis.cluster
    )


def _strategy(walk: Walk, rule: StrategyRule, rows: pl.DataFrame) -> Strategy:
    eligible = np.ones(rows.height, bool)
    if rule.where is not None:
        met = walk.people.expression(rule.where).fill_null(value=False)
        eligible = rows.with_columns(met.alias("@met"))[
            "@met"
        ].to_numpy()  # spread over all where it is one value
    never = np.full(rows.height, np.inf)
    start = never if rule.start is None else _when(walk, rule.start, rows)
    since = np.zeros(rows.height) if rule.after is None else _when(walk, rule.after, rows)
    due = never if rule.within_days is None else since + rule.within_days
    forbidden = (
        np.minimum.reduce([_when(walk, source, rows) for source in rule.never]) if rule.never else never
    )
    return Strategy(
        rule.name, eligible & (start >= 0) & (forbidden >= 0), due, start, forbidden, bool(rule.never)
    )


def _when(walk: Walk, source: Source, rows: pl.DataFrame) -> Real:
    """Days from time zero to a moment; infinity where it never came, or not while the patient was followed."""
    found = first_day(source, walk.people, walk.registry.moments, rows.select("patient", "origin"))
    days = rows.select("patient", "origin").join(found, on="patient", how="left", maintain_order="left")
    since = days.select((pl.col("day") - pl.col("origin")).cast(pl.Float64)).to_series()
    return since.fill_null(float("inf")).to_numpy()


def _curve(arm: Arm, times: Times, trial: TargetTrial) -> Curve:
    """Weighted survival by interval, with the counts of clones."""
    blank = np.full(arm.time.size, np.nan)
    left = -np.diff(np.append(arm.n, arm.at_risk))
    return Curve(
        arm.time,
        arm.curve,
        blank,
        arm.lower,
        arm.upper,
        np.append(arm.n, arm.at_risk[:-1]),
        arm.died,
        left - arm.died,
        arm.n,
        method="weighted Kaplan-Meier of clones",
        interval="bootstrap",
        unit=str(times.unit),
        origin=times.origin,
        label=arm.name,
        independent=trial.reason is not None,
    )
