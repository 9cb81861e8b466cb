"""One function per kind of analysis of the bench: from rows to readings, estimates, and what is printed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sequela.bench import readouts
from sequela.bench.exposures import residues
from sequela.bench.plates import place_of
from sequela.core.errors import DataError
from sequela.core.estimate import Estimate
from sequela.core.finding import Finding, Where
from sequela.core.readings import Readings
from sequela.estimates.doseresponse import dose_response, mean_curve
from sequela.estimates.experiments import Compared, against_reference, anova
from sequela.records.grids import SHAPES
from sequela.report.bench_content import (
    BenchContent,
    Comparisons,
    Contrasted,
    Curved,
    CurveRow,
    Grown,
    Judged,
    Level,
)
from sequela.report.content import Heading
from sequela.report.figures.dose_curves import DoseCurve
from sequela.report.figures.growth_curves import GrowthCurve
from sequela.report.figures.plate import PlateMap
from sequela.report.figures.superplot import Super
from sequela.report.stars import stars
from sequela.study.bench import Assay, Contrast, DoseResponse, Growth, Montage, Pairs, Strips
from sequela.study.bench_images import Blot, Fluorescence, Slides
from sequela.walk.bench_cell_analyses import cell_readings, montage, pairs
from sequela.walk.bench_curves import curve_tests, parameters_of
from sequela.walk.bench_image_analyses import blot_readings, blots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.estimates.doseresponse import Fit
    from sequela.study.bench import BenchAnalysis, Quality
    from sequela.walk.bench import Benched

RESPONSES = {
    "viability": "Viability",
    "gr": "Growth-rate inhibition (GR)",
    "signal": "Signal",
    "invasion": "Invasion",
}
DOSES = ("ic50", "ec50")
QUANTITIES = {"ic50": "IC50", "ec50": "EC50", "emax": "Emax", "auc": "AUC"}
GR_QUANTITIES = {"ic50": "GR50", "ec50": "GEC50", "emax": "GRmax", "auc": "area under GR"}


def analyse_bench(analysis: BenchAnalysis, benched: Benched) -> tuple[BenchContent, tuple[Finding, ...]]:
    """What an analysis prints, and what it found on the way.

    Raises:
        DataError: nothing is left for it, or it does not say which of several agents or times it means.
    """
    if isinstance(analysis, DoseResponse):
        return _curves(analysis, benched)
    if isinstance(analysis, Contrast):
        return _contrast(analysis, benched)
    if isinstance(analysis, Growth):
        return _growth(analysis, benched)
    if isinstance(analysis, Strips):
        assay = benched.protocol.assays[analysis.assay]
        assert isinstance(assay, Blot), assay.kind
        return blots(analysis, assay, benched, _heading(analysis, benched)), ()
    if isinstance(analysis, Montage):
        assay = benched.protocol.assays[analysis.assay]
        assert isinstance(assay, Fluorescence), assay.kind
        return montage(analysis, assay, benched, _heading(analysis, benched)), ()
    if isinstance(analysis, Pairs):
        assay = benched.protocol.assays[analysis.assay]
        assert isinstance(assay, Slides), assay.kind
        return pairs(analysis, assay, benched, _heading(analysis, benched)), ()
    return _plates(analysis, benched), ()


def _plated(analysis: BenchAnalysis, benched: Benched) -> Assay:
    """The assay of an analysis that the study file allows on plates, counts and inserts only."""
    assay = benched.protocol.assays[analysis.assay]
    assert isinstance(assay, Assay), assay.kind
    return assay


def _heading(analysis: BenchAnalysis, benched: Benched, *more: str) -> Heading:
    assay = benched.protocol.assays[analysis.assay]
    label = assay.label or analysis.assay
    words = [label, "" if assay.method in label else assay.method, *more]
    return Heading(analysis.id, analysis.title, analysis.number or "", ", ".join(filter(None, words)) + ".")


def _ordered(readings: Readings, wanted: tuple[str, ...], benched: Benched) -> Readings:
    """The readings of the cultures asked for, in the order of the analysis, else of the study."""
    order = [name for name in (wanted or tuple(benched.protocol.cultures)) if name in readings.conditions]
    return readings.take(
        np.concatenate([np.flatnonzero(readings.condition == name) for name in order])
        if order
        else np.zeros(0, int)
    )


def _labels(names: tuple[str, ...], benched: Benched) -> dict[str, str]:
    return {name: benched.protocol.cultures[name].label or name for name in names}


def _compare(
    readings: Readings,
    analysis: DoseResponse | Contrast | Growth,
    benched: Benched,
    quantity: str,
    scale: Any,
    absent: Mapping[str, str] | None = None,
) -> Comparisons:
    """Every condition against the first; `absent` conditions have no value, for the reason given."""
    without = absent or {}
    labels = _labels((*readings.conditions, *without), benched)
    first = next(iter(analysis.cultures or benched.protocol.cultures))
    if len(labels) < 2 or not len(readings) or first in without:
        return Comparisons(quantity, analysis.stars, (), (), labels, None, analysis.adjust)
    recommended = against_reference(readings, test=analysis.test, scale=scale, adjustment=analysis.adjust)
    paper_scale = (analysis.paper_scale or scale) if isinstance(analysis, Contrast) else scale
    paper = (
        against_reference(readings, test=analysis.paper_test, scale=paper_scale, adjustment="none")
        if analysis.paper_test
        else ()
    )
    blocked = analysis.test in ("paired", "mixed")
    overall = anova(readings, blocked=blocked, scale=scale) if len(readings.conditions) > 2 else None
    n, wells = readings.n[first], int((readings.condition == first).sum())
    missing = tuple(
        Compared(name, first, Estimate(name, math.nan, reason=reason), (0, n), (0, wells), math.nan)
        for name, reason in without.items()
    )
    printed = (*paper, *missing) if paper else ()
    shown = (*recommended, *missing)
    return Comparisons(quantity, analysis.stars, shown, printed, labels, overall, analysis.adjust)


def _levels(
    readings: Readings, benched: Benched, counts: Mapping[str, int] | None = None
) -> tuple[Level, ...]:
    """Mean and SD of experiments by culture; `counts` are the wells, lanes or cells behind them."""
    means = readings.means()
    found: list[Level] = []
    for name, label in _labels(readings.conditions, benched).items():
        own = means.value[means.condition == name]
        sd = float(own.std(ddof=1)) if len(own) > 1 else math.nan
        wells = counts[name] if counts else int((readings.condition == name).sum())
        found.append(Level(label, readings.n[name], wells, float(own.mean()), sd))
    return tuple(found)


def _contrast(analysis: Contrast, benched: Benched) -> tuple[BenchContent, tuple[Finding, ...]]:
    assay = benched.protocol.assays[analysis.assay]
    values = _values(analysis, benched)
    if not len(values.readings):
        raise DataError(_nothing_left(analysis))
    readings = _ordered(values.readings, analysis.cultures, benched)
    compared = _compare(readings, analysis, benched, values.spoken, analysis.scale)
    every = readings if values.every is None else _ordered(values.every, analysis.cultures, benched)
    counts = {name: int((every.condition == name).sum()) for name in readings.conditions}
    above = {one.condition: stars(one.adjusted, analysis.stars) for one in compared.recommended}
    groups = tuple(
        Super(label, every.value[own], tuple(every.experiment[own].tolist()), above.get(name, ""),
              {} if values.every is None else _experiments(readings, name))
        for name, label in _labels(readings.conditions, benched).items()
        if (own := every.condition == name).any()
    )  # fmt: skip
    dose = f"{analysis.dose:g} {values.dose_unit}" if analysis.dose is not None else ""
    hours = f"{analysis.hours or values.hours:g} h" if analysis.hours or values.hours else ""
    content = Contrasted(
        _heading(analysis, benched, dose, hours), values.quantity, readings.unit,
        _levels(readings, benched, counts), groups, _counted(compared, counts), assay.simulated,
        (*values.notes, *left_in_medium(analysis, benched, readings)), values.small,
    )  # fmt: skip
    return content, ()


@dataclass(frozen=True, slots=True, eq=False)
class _Values:
    """What a contrast compares: readings, one a well (lane, experiment); of cells, `every` one of them."""

    readings: Readings
    quantity: str
    spoken: str
    notes: tuple[str, ...] = ()
    small: str = "wells"
    every: Readings | None = None
    dose_unit: str = ""
    hours: float | None = None


def _values(analysis: Contrast, benched: Benched) -> _Values:
    assay, frame = benched.protocol.assays[analysis.assay], benched.frames[analysis.assay]
    assert not isinstance(assay, Slides), assay.kind
    if isinstance(assay, Blot):
        readings, quantity, notes = blot_readings(analysis, assay, benched)
        return _Values(readings, quantity, quantity, notes, "lanes", None, assay.dose_unit, assay.hours)
    if isinstance(assay, Fluorescence):
        readings, every, quantity, notes = cell_readings(analysis, assay, benched)
        return _Values(readings, quantity, quantity, notes, "cells", every, assay.dose_unit, assay.hours)
    quantity = RESPONSES[analysis.response]
    readings, notes = _plate_values(analysis, assay, frame, benched)
    small = "inserts" if analysis.response == "invasion" else "wells"
    return _Values(readings, quantity, quantity.lower(), notes, small, None, assay.dose_unit, assay.hours)


def _plate_values(
    analysis: Contrast, assay: Assay, frame: pl.DataFrame, benched: Benched
) -> tuple[Readings, tuple[str, ...]]:
    """One value a well or insert of an assay of plates, counts or inserts, and what a reader must know of them."""
    notes: list[str] = []
    if analysis.response == "invasion":
        rates = _rates(analysis, benched)
        readings, lost = readouts.invasion(frame, rates, assay.hours)
        if rates is not None:
            notes += _adjusted(readings, readouts.invasion(frame, None, assay.hours)[0], rates, benched)
        if lost:
            notes.append(f"{lost} inserts have no growth rate or no hours, and are left out.")
        return readings, tuple(notes)
    rows = readouts.select(frame, agent=analysis.agent, dose=analysis.dose, hours=analysis.hours)
    viable = analysis.response == "viability"
    readings = readouts.viability(rows) if viable else readouts.signal(rows, assay.unit)
    if analysis.dose is None and viable:
        readings = readings.take(readings.dose > 0)
    if (doses := len(np.unique(readings.dose))) > 1:
        notes.append(f"Wells of {doses} doses are averaged: `dose` chooses one.")
    return readings, tuple(notes)


def _experiments(readings: Readings, condition: str) -> dict[str, float]:
    own = readings.take(readings.condition == condition)
    return dict(zip(own.experiment.tolist(), own.value.tolist(), strict=True))


def _counted(told: Comparisons, counts: Mapping[str, int]) -> Comparisons:
    """The comparisons with the number of wells, lanes or cells behind them."""

    def behind(found: tuple[Compared, ...]) -> tuple[Compared, ...]:
        return tuple(
            replace(one, readings=(counts.get(one.condition, 0), counts.get(one.reference, 0)))
            for one in found
        )

    return replace(told, recommended=behind(told.recommended), paper=behind(told.paper))


def _nothing_left(analysis: Contrast) -> Finding:
    remedy = "look at the findings; an invasion that is adjusted for growth needs `hours` and a growth rate"
    return Finding(
        "B261",
        "error",
        f"`{analysis.id}` has no value of any culture",
        Where(field=analysis.assay),
        remedy=remedy,
    )


def _adjusted(
    readings: Readings, bare: Readings, rates: Mapping[tuple[str, str], float], benched: Benched
) -> list[str]:
    """What the adjustment did: the unadjusted means, and where a culture's mean rate stood in for an experiment's."""
    means = ", ".join(
        f"{label} {mean:.3g}" for label, mean in _means_of(_of(bare, readings), benched).items()
    )
    found = [
        f"Counts are divided by the culture's growth over the hours of the assay; undivided means: {means}."
    ]
    pairs = sorted(set(zip(readings.condition.tolist(), readings.experiment.tolist(), strict=True)))
    lent = [
        f"{culture} in {name or 'no named experiment'}"
        for culture, name in pairs
        if (culture, name) not in rates
    ]
    if lent:
        found.append(
            f"The culture's mean growth rate stands in where the experiment has none: {', '.join(lent)}."
        )
    return found


def _of(bare: Readings, kept: Readings) -> Readings:
    return bare.take(np.isin(bare.condition, kept.conditions))


def _rates(analysis: Contrast, benched: Benched) -> Mapping[tuple[str, str], float] | None:
    if analysis.per_growth is None:
        return None
    readings, _ = readouts.growth_rates(benched.frames[analysis.per_growth], 0.0, None)
    return readouts.mean_rates(readings)


def _growth(analysis: Growth, benched: Benched) -> tuple[BenchContent, tuple[Finding, ...]]:
    assay, frame = benched.protocol.assays[analysis.assay], benched.frames[analysis.assay]
    readings, failed = readouts.growth_rates(frame, analysis.from_hours, analysis.to_hours)
    readings = _ordered(readings, analysis.cultures, benched)
    notes = [f"{culture}, experiment {name or 'not named'}: {reason}." for culture, name, reason in failed]
    double = [
        f"{label} {24 / rate:.1f} h" for label, rate in _means_of(readings, benched).items() if rate > 0
    ]
    if double:
        notes.insert(0, "Doubling times of the mean rates: " + ", ".join(double) + ".")
    curves = tuple(
        _growth_curve(name, label, frame, analysis)
        for name, label in _labels(readings.conditions, benched).items()
    )
    compared = _compare(readings, analysis, benched, "growth rate", "linear")
    content = Grown(
        _heading(analysis, benched), assay.unit, _levels(readings, benched), curves, compared, assay.simulated,
        tuple(notes),
    )  # fmt: skip
    return content, ()


def _means_of(readings: Readings, benched: Benched) -> dict[str, float]:
    return {level.label: level.mean for level in _levels(readings, benched)}


def _growth_curve(name: str, label: str, frame: pl.DataFrame, analysis: Growth) -> GrowthCurve:
    from sequela.bench.growth import rates

    rows = frame.filter(
        (pl.col("culture") == name) & pl.col("unused").is_null() & (pl.col("dose").fill_null(0.0) == 0)
    )
    hours = rows["hours"].to_numpy()
    last = float(hours.max()) if analysis.to_hours is None else analysis.to_hours
    at = np.linspace(analysis.from_hours, last, 50)
    lines = tuple(
        (at, rate.start * 2 ** (rate.doublings * at / 24))
        for rate in rates(rows, analysis.from_hours, analysis.to_hours)
        if rate.reason is None
    )
    return GrowthCurve(
        label, hours, rows["value"].to_numpy(), tuple(rows["experiment"].fill_null("").to_list()), lines
    )


def _curves(analysis: DoseResponse, benched: Benched) -> tuple[BenchContent, tuple[Finding, ...]]:
    assay = _plated(analysis, benched)
    rows = readouts.select(
        benched.frames[analysis.assay], agent=analysis.agent or assay.agent, hours=analysis.hours
    )
    findings: tuple[Finding, ...] = ()
    if analysis.response == "gr":
        readings, findings = readouts.growth_inhibition(rows)
    else:
        readings = readouts.viability(rows)
    readings = _ordered(readings, analysis.cultures, benched)
    fits = fitted(readings, analysis, assay)
    labels = _labels(readings.conditions, benched)
    scale = "log" if analysis.quantity in DOSES else "linear"
    values = per_experiment(fits, analysis.quantity)
    absent = {
        name: getattr(fit, analysis.quantity).reason or "no value"
        for name, fit in fits.items()
        if name not in values.conditions
    }
    names = GR_QUANTITIES if analysis.response == "gr" else QUANTITIES
    compared = _compare(values, analysis, benched, names[analysis.quantity], scale, absent)
    whose = "of all wells" if set(readings.experiment.tolist()) <= {""} else "an experiment"
    content = Curved(
        _heading(analysis, benched, f"{analysis.hours or assay.hours:g} h" if analysis.hours or assay.hours else ""),
        RESPONSES[analysis.response], assay.dose_unit,
        tuple(_row(labels[name], fit, analysis) for name, fit in fits.items()),
        tuple(_drawn(labels[name], fit, analysis) for name, fit in fits.items()),
        compared, assay.simulated,
        (f"Model {analysis.model}; one curve {whose}.", *left_in_medium(analysis, benched, readings)),
        parameters_of(fits, labels), curve_tests(analysis, readings, assay, labels),
    )  # fmt: skip
    return content, findings


def left_in_medium(
    analysis: DoseResponse | Contrast, benched: Benched, readings: Readings
) -> tuple[str, ...]:
    """What the findings say of washouts and of the medium, of the cultures that are compared."""
    told = residues(benched.protocol, analysis.assay, benched.frames[analysis.assay])
    return tuple(
        f"{finding.message} ({finding.found})."
        for finding in told
        if any(f"`{name}`" in finding.message for name in readings.conditions)
    )


def fitted(readings: Readings, analysis: DoseResponse, assay: Assay) -> dict[str, Fit]:
    """One fit a culture; of its experiments where they are named."""
    found: dict[str, Fit] = {}
    for name in readings.conditions:
        own = readings.take(readings.condition == name)
        named = bool((own.experiment != "").all())
        fit: Any = dose_response(
            own.dose, own.value, analysis.model, experiment=own.experiment if named else None,
            fixed=analysis.fixed or None, bounds=analysis.bounds or None, unit=assay.dose_unit,
            interval=analysis.interval, robust=analysis.robust, rng=np.random.default_rng(analysis.seed),
        )  # fmt: skip
        found[name] = fit
    return found


def per_experiment(fits: Mapping[str, Fit], quantity: str) -> Readings:
    """The quantity of every experiment's curve, where it has one."""
    rows = [
        (float(getattr(one, quantity).value), name, one.experiment)
        for name, fit in fits.items()
        for one in fit.experiments
        if not math.isnan(getattr(one, quantity).value)
    ]
    value, condition, experiment = zip(*rows, strict=True) if rows else ((), (), ())
    return Readings(value, condition, experiment, name=quantity)


def _row(label: str, fit: Fit, analysis: DoseResponse) -> CurveRow:
    unit = f", {fit.unit}" if fit.unit else ""
    gr = analysis.response == "gr"
    if gr:
        numbers: list[tuple[str, Estimate]] = [
            (f"GR50{unit}", fit.dose_for(0.5)),
            ("GRmax", fit.emax),
            ("GR AOC", fit.aoc),
        ]
    else:
        numbers = [(f"IC50{unit}", fit.ic50), (f"EC50{unit}", fit.ec50), ("Emax", fit.emax), ("AUC", fit.auc)]
    return CurveRow(label, len(fit.experiments), len(fit.dose), tuple(numbers), fit.notes)


def _drawn(label: str, fit: Fit, analysis: DoseResponse) -> DoseCurve:
    parts = fit.experiments or (fit,)
    dose, response = (np.concatenate([getattr(one, key) for one in parts]) for key in ("dose", "response"))
    residual = np.concatenate([one.residuals for one in parts])
    names = tuple(one.experiment for one in parts for _ in one.dose)
    positive = dose[dose > 0]
    grid = np.geomspace(positive.min(), positive.max(), 101)
    middle, lower, upper = mean_curve(fit, grid)
    read = getattr(fit, analysis.quantity) if analysis.quantity in DOSES else None
    mark, *limits = (read.value, read.lower, read.upper) if read else (math.nan, math.nan, math.nan)
    lower = np.where(np.isnan(lower), middle, lower)
    upper = np.where(np.isnan(upper), middle, upper)
    seen = slice(None) if not np.isnan(middle).any() else slice(0)
    each = tuple((one.experiment, one.predict(grid)) for one in parts if np.isfinite(one.theta).all())
    return DoseCurve(
        label,
        dose,
        response,
        names,
        residual,
        grid[seen],
        middle[seen],
        lower[seen],
        upper[seen],
        mark,
        each,
        (limits[0], limits[1]),
    )


def _plates(analysis: Quality, benched: Benched) -> Judged:
    assay = benched.protocol.assays[analysis.assay]
    frame, found = benched.frames[analysis.assay].with_columns(place_of()), benched.qualities[analysis.assay]
    height, width = SHAPES[benched.protocol.plates.wells]
    maps: list[PlateMap] = []
    for one in found:
        same = pl.col("hours").is_null() if one.hours is None else pl.col("hours") == one.hours
        rows = frame.filter(
            (pl.col("plate") == one.plate)
            & (pl.col("_day") == one.experiment)
            & same
            & pl.col("row").is_not_null()
            & pl.col("value").is_not_null()
        )
        wells = tuple(
            (int(row), int(column), float(value), str(role), unused is None)
            for row, column, value, role, unused in rows.select(
                "row", "column", "value", "role", "unused"
            ).iter_rows()
        )
        words = f"experiment {one.experiment or 'not named'}" + (
            "" if math.isnan(one.z_prime) else f", Z' {one.z_prime:.2f}"
        )
        maps.append(PlateMap(one.plate, words, height, width, wells))
    return Judged(_heading(analysis, benched), assay.unit, found, tuple(maps), assay.simulated)
