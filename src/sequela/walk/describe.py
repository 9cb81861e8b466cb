"""Characteristics by group: counts, summaries, and a test per variable chosen by a written rule.

Categorical: Pearson's chi-square without continuity correction; Fisher's exact test where an expected count is under 5.
Numeric: Mann-Whitney for two groups, Kruskal-Wallis for more; Welch's t where the study asks for means.
Unknown values are counted, shown, and left out of percentages and tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.core.errors import UsageError
from sequela.estimates.comparisons import chi_square, fisher, kruskal_wallis, mann_whitney, t_test
from sequela.report.content import Described, LevelCounts, Numeric, Variable
from sequela.study.biomarkers import biomarker_rule

if TYPE_CHECKING:
    from sequela.core.estimate import Test
    from sequela.report.content import Heading
    from sequela.study.model import Covariate, Describe
    from sequela.walk.path import Walk


def describe(
    walk: Walk, analysis: Describe, frame: pl.DataFrame, groups: tuple[str, ...], heading: Heading
) -> Described:
    """Every variable of the analysis, over all (`groups` empty) or by sequence group."""
    parts = [frame.filter(pl.col("sequence") == group) for group in groups] if groups else [frame]
    variables: list[Variable] = []
    for name in analysis.variables:
        covariate = walk.study.covariates[name]
        among = parts
        if covariate.only is not None:
            chosen = walk.people.expression(covariate.only).fill_null(value=False)
            among = [part.filter(chosen) for part in parts]
        notes = (*((covariate.note,) if covariate.note else ()), *_rule_notes(walk, name, among))
        variables.append(_variable(name, covariate, among, notes, test=analysis.test and len(parts) > 1))
    return Described(
        heading, groups or ("All patients",), tuple(part.height for part in parts), tuple(variables)
    )


def _rule_notes(walk: Walk, name: str, parts: list[pl.DataFrame]) -> tuple[str, ...]:
    """Of a covariate that a published rule calls: which rule, and why a status is not known."""
    called = walk.study.covariates[name].variable or name
    biomarker = walk.study.biomarkers.get(called)
    if biomarker is None or biomarker.rule is None:
        return ()
    rule = biomarker_rule(biomarker.rule)
    open_ = pl.concat([part.filter(pl.col(called).is_null()) for part in parts])[f"{called}_reason"]
    reasons = open_.value_counts(sort=True).iter_rows()
    told = "; ".join(f"{_missing(reason)} ({n})" for reason, n in reasons)
    said = f"{rule.title}: rule {rule.name}, version {rule.version} ({biomarker.source or rule.source})."
    return (said, f"Not known: {told}.") if told else (said,)


def _missing(reason: str) -> str:
    """A rule's reason for giving no status: the inputs that it lacked, or what it says itself."""
    lacking = reason.removeprefix("not known: ")
    return f"{lacking} missing" if lacking != reason else reason


def _variable(
    name: str, covariate: Covariate, parts: list[pl.DataFrame], notes: tuple[str, ...], *, test: bool
) -> Variable:
    columns = [part[name] for part in parts]
    unknown = tuple(column.null_count() for column in columns)
    known = [column.drop_nulls() for column in columns]
    label = (covariate.label or name) + (f", {covariate.unit}" if covariate.unit else "")
    if known[0].dtype.is_numeric():
        values = [column.cast(pl.Float64).to_numpy() for column in known]
        return Variable(
            label,
            (),
            tuple(map(_numeric, values)),
            unknown,
            _numeric_test(values, covariate) if test else None,
            covariate.digits,
            covariate.summary,
            notes,
        )
    levels = order_of(covariate, known)
    counts = [[int((column == level).sum()) for column in known] for level in levels]
    table = np.array(counts, float)
    return Variable(
        label,
        tuple(LevelCounts(level, tuple(row)) for level, row in zip(levels, counts, strict=True)),
        (),
        unknown,
        _categorical_test(table) if test else None,
        notes=notes,
    )


def order_of(covariate: Covariate, known: list[pl.Series]) -> list[str]:
    """The levels in the study's order; levels it does not name follow, sorted."""
    present = {str(level) for column in known for level in column.unique().to_list()}
    named = list(covariate.order) or [level.name for level in covariate.levels]
    return [level for level in named if level in present or covariate.levels] + sorted(present - set(named))


def _numeric(values: np.ndarray) -> Numeric:
    if not len(values):
        nan = float("nan")
        return Numeric(0, nan, (nan, nan), (nan, nan), nan, nan)
    low, middle, high = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Numeric(
        len(values), middle, (low, high), (float(values.min()), float(values.max())), float(values.mean()), sd
    )


def _numeric_test(values: list[np.ndarray], covariate: Covariate) -> Test | None:
    if any(len(part) < 2 for part in values):
        return None
    if len(values) > 2:
        return kruskal_wallis(
            np.concatenate(values), np.repeat(np.arange(len(values)), [len(part) for part in values])
        )
    if covariate.summary == "mean_sd":
        return t_test(values[0], values[1], equal_variance=False)
    return mann_whitney(values[0], values[1])


def _categorical_test(table: np.ndarray) -> Test | None:
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return _exact(table) if expected.min() < 5 and table.sum() < 2000 else chi_square(table)


def _exact(table: np.ndarray) -> Test:
    """Fisher's test; of a table with too many fillings by 100,000 of them drawn at random, always the same ones."""
    try:
        return fisher(table)
    except UsageError:
        return fisher(table, draws=100_000, rng=np.random.default_rng(1))
