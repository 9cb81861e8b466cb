"""Dose-response of the bench beyond one value an experiment: every curve's parameters, and tests of whole curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import stdtrit

from sequela.core.estimate import Estimate
from sequela.estimates.doseresponse import FORMS, compare_mixed, extra_sum_of_squares
from sequela.estimates.multiplicity import adjust
from sequela.report.bench_content import CurveTested, FittedCurve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sequela.core.readings import Readings
    from sequela.estimates.doseresponse import Comparison, Fit, MixedComparison
    from sequela.study.bench import Assay, DoseResponse

MIXED: Final = "mixed model of all curves"
SHIFT: Final = "extra sum of squares: shift"
ALPHA: Final = 0.05
PARALLEL: Final = "extra sum of squares: parallelism"
WORDS: Final = {
    "slope": "Slope", "einf": "At infinite dose", "e0": "At dose 0", "ec50": "EC50", "location": "Location",
    "asymmetry": "Asymmetry", "hormesis": "Hormesis",
}  # fmt: skip


def parameters_of(fits: Mapping[str, Fit], labels: Mapping[str, str]) -> tuple[FittedCurve, ...]:
    """Every curve that was fitted: one an experiment, or one a culture where experiments are not named."""
    return tuple(
        FittedCurve(
            labels[name], one.experiment, len(one.dose),
            tuple((WORDS[key], estimate) for key, estimate in one.parameters.items()),
            one.r_squared, one.residual_sd, one.tests["lack_of_fit"].p, one.notes,
        )
        for name, fit in fits.items()
        for one in fit.experiments or (fit,)
    )  # fmt: skip


def curve_tests(
    analysis: DoseResponse, readings: Readings, assay: Assay, labels: Mapping[str, str]
) -> tuple[CurveTested, ...]:
    """The tests that the analysis asks for besides, each culture against the first."""
    first, *others = readings.conditions
    found: list[CurveTested] = []
    for name in analysis.curve_tests:
        if not others:
            break
        if name == "mixed":
            found += _mixed(analysis, readings, assay, labels)
        else:
            found += (_wells(name, analysis, readings, first, other, labels) for other in others)
    return tuple(found)


def _mixed(
    analysis: DoseResponse, readings: Readings, assay: Assay, labels: Mapping[str, str]
) -> Iterator[CurveTested]:
    others = [labels[name] for name in readings.conditions[1:]]
    if (readings.experiment == "").any():
        reason = "experiments are not named: wells are no repeats"
        yield from (CurveTested(label, MIXED, None, "", math.nan, math.nan, "", reason) for label in others)
        return
    told = compare_mixed(
        readings.dose, readings.value, readings.condition, readings.experiment, analysis.quantity, analysis.model,
        reference=readings.conditions[0], fixed=analysis.fixed or None, unit=assay.dose_unit,
    )  # fmt: skip
    adjusted = adjust([one.p for one in told.contrasts], analysis.adjust)
    scatter = _scatter(told)
    for label, one, df, p in zip(others, told.contrasts, told.df, adjusted, strict=True):
        t = "" if math.isnan(one.p) else f"t = {_t(one, df):.2f} on {df:.1f} df"
        counts = f"{one.n} curves" if told.effects else ""
        yield CurveTested(label, MIXED, one, t, one.p, float(p), counts, one.reason or scatter)


def _t(one: Estimate, df: float) -> float:
    """The statistic behind a two-sided p."""
    against = 1.0 if "/" in one.name else 0.0
    return math.copysign(float(stdtrit(df, 1 - one.p / 2)), one.value - against)


def _scatter(told: MixedComparison) -> str:
    if told.effects is None:
        return ""
    sds = told.effects.sd
    levels = [
        f"{level}s ("
        + ", ".join(f"{_lower(WORDS[name])}: {sd:.2g}" for (own, name), sd in sds.items() if own == level)
        + ")"
        for level in dict.fromkeys(level for level, _ in sds)
    ]
    wells = f"wells ({told.effects.residual_sd:.2g})"
    return "SD, of doses that of the natural logarithm, between " + ", ".join([*levels, wells])


def _lower(word: str) -> str:
    return word if word.isupper() or word.startswith("EC") else word.lower()


def _wells(
    name: str, analysis: DoseResponse, readings: Readings, first: str, other: str, labels: Mapping[str, str]
) -> CurveTested:
    """An F test of wells: the location alone, or all but the location."""
    both = readings.take(np.isin(readings.condition, [first, other]))
    form = FORMS[analysis.model]
    location = form.names[3]
    held = {*dict(form.held), *analysis.fixed}
    free = [key for key in form.names if key not in held]
    shared = (location,) if name == "extra_sum_of_squares" else tuple(key for key in free if key != location)
    facts: Any = {"model": analysis.model, "fixed": analysis.fixed or None}
    told = extra_sum_of_squares(both.dose, both.value, both.condition, shared, **facts)
    shift = name == "extra_sum_of_squares"
    effect = None if shift else told.potency
    if effect is not None and told.test.p < ALPHA:
        effect = Estimate(
            effect.name, math.nan, reason="the curves are not parallel: their ratio changes with the dose"
        )
    return CurveTested(
        labels[other], SHIFT if shift else PARALLEL, effect, _statistic(told), told.test.p, math.nan,
        f"{len(both.value)} wells", told.test.reason or told.warning,
    )  # fmt: skip


def _statistic(told: Comparison) -> str:
    if math.isnan(told.test.statistic):
        return ""
    return f"F = {told.test.statistic:.2f} on {told.df[0]} and {told.df[1]} df"
