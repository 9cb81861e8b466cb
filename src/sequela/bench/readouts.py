"""What happened: rows of an assay to `core.Readings`, one value a well (or insert, or experiment's rate)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from sequela.bench.growth import rates
from sequela.bench.invasion import inserts
from sequela.bench.localisation import per_experiment
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.core.readings import Readings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.bench.fractions import Fractioned


def select(
    frame: pl.DataFrame, *, agent: str | None = None, dose: float | None = None, hours: float | None = None
) -> pl.DataFrame:
    """The usable rows of an agent, dose and time; untreated wells that name no
    agent, or one that is never dosed (a vehicle), belong to every agent.

    Raises:
        DataError: B260, more than one agent or time is left; B261, nothing is left.
    """
    rows = frame.filter(pl.col("unused").is_null() & pl.col("culture").is_not_null())
    if agent is not None:
        dosed = rows.filter(pl.col("dose") > 0)["agent"].drop_nulls().unique()
        nobodys = (pl.col("dose") == 0) & ~pl.col("agent").is_in(dosed.to_list()).fill_null(value=False)
        rows = rows.filter((pl.col("agent") == agent) | nobodys | (pl.col("role") == "start"))
    if hours is not None:
        rows = rows.filter((pl.col("hours") == hours) | (pl.col("role") == "start"))
    if dose is not None:
        close = (pl.col("dose") - dose).abs() <= 1e-9 * max(dose, 1e-12)
        rows = rows.filter(close)
    for field, given in (("agent", agent), ("hours", hours)):
        kept = rows.filter((pl.col("dose") > 0) if field == "agent" else (pl.col("role") != "start"))
        several = kept[field].drop_nulls().unique(maintain_order=True).to_list()
        if given is None and len(several) > 1:
            names = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in several)
            message = f"the rows are of several {field}s, and the analysis does not say which"
            raise DataError(
                Finding("B260", "error", message, Where(field=field), names, "one", f"say `{field} = …`")
            )
    if rows.is_empty():
        asked = (
            f"agent {agent or 'any'}, dose {'any' if dose is None else f'{dose:g}'}, hours {hours or 'any'}"
        )
        message, remedy = (
            "no usable wells are left",
            "look at the findings, and at what the analysis asks for",
        )
        raise DataError(Finding("B261", "error", message, found=asked, remedy=remedy))
    return rows


def _readings(rows: pl.DataFrame, column: str, unit: str, name: str) -> Readings:
    known = rows.filter(pl.col(column).is_not_null())
    culture, experiment = known["culture"].to_list(), known["experiment"].fill_null("").to_list()
    dose, value = known["dose"].fill_null(0.0).to_numpy(), known[column].to_numpy()
    return Readings(value, culture, experiment, dose, known["replicate"].to_numpy(), unit, name)


def viability(rows: pl.DataFrame) -> Readings:
    """Signals relative to the untreated wells of their plate (`sequela.bench.plates.normalised`)."""
    return _readings(rows.filter(pl.col("role").is_in(["sample", "control"])), "relative", "", "viability")


def signal(rows: pl.DataFrame, unit: str) -> Readings:
    """Signals less the blank, as read."""
    return _readings(rows.filter(pl.col("role").is_in(["sample", "control"])), "signal", unit, "signal")


def growth_inhibition(rows: pl.DataFrame) -> tuple[Readings, tuple[Finding, ...]]:
    """GR = 2^(log2(x / x0) / log2(xc / x0)) - 1, with the start and the untreated of the same experiment.

    x0 is the median of the wells with the role start, xc that of the untreated; both of the culture in the
    experiment (Hafner et al., Nat Methods 2016; 13: 521). Wells of an experiment without a start, or whose
    control did not grow, have no GR value and make a finding (B262).
    """
    keys = ["experiment", "culture"]
    x0 = rows.filter(pl.col("role") == "start").group_by(keys).agg(pl.col("signal").median().alias("_x0"))
    xc = rows.filter(pl.col("role") == "control").group_by(keys).agg(pl.col("signal").median().alias("_xc"))
    wells = rows.filter(pl.col("role").is_in(["sample", "control"]))
    joined = wells.join(x0, on=keys, how="left", nulls_equal=True, maintain_order="left").join(
        xc, on=keys, how="left", nulls_equal=True, maintain_order="left"
    )
    grew = (pl.col("_x0") > 0) & (pl.col("_xc") > pl.col("_x0"))
    doublings = (pl.col("_xc") / pl.col("_x0")).log(2)
    shrunk = pl.max_horizontal("signal", pl.lit(1e-12))  # a well without cells: GR is -1
    gr = 2 ** ((shrunk / pl.col("_x0")).log(2) / doublings) - 1
    valued = joined.with_columns(pl.when(grew).then(gr).alias("gr"))
    findings: list[Finding] = []
    for (experiment, culture), part in valued.filter(~grew.fill_null(value=False)).group_by(
        keys, maintain_order=True
    ):
        found = "no wells with the role start" if part["_x0"][0] is None else "the control did not grow"
        message = f"`{culture}` in experiment {experiment} has no growth-rate inhibition"
        where = Where(part["_file"][0], part["_line"][0], "role", culture=str(culture))
        remedy = "read a plate at the start (role start), or use viability"
        findings.append(
            Finding("B262", "error", message, where, found, "a start, and a control above it", remedy)
        )
    return _readings(valued, "gr", "", "growth-rate inhibition"), tuple(findings)


def bands(rows: pl.DataFrame, target: str, fraction: str | None) -> Readings:
    """A target's bands over their loading controls, on one scale for all blots, one value a lane.

    Raises:
        DataError: B260, more than one fraction or dose is left; B261, nothing is left.
    """
    own = rows.filter((pl.col("target") == target) & pl.col("scaled").is_not_null())
    own = own if fraction is None else own.filter(pl.col("fraction") == fraction)
    for field in ("fraction", "dose"):
        several = own[field].drop_nulls().unique(maintain_order=True).to_list()
        if len(several) > 1:
            message = f"the lanes are of several {field}s, and the analysis does not say which"
            names = ", ".join(map(str, several))
            raise DataError(
                Finding("B260", "error", message, Where(field=field), names, "one", f"say `{field} = …`")
            )
    if own.is_empty():
        raise DataError(_none_left(target, rows["target"].drop_nulls().unique(maintain_order=True).to_list()))
    return _readings(own, "scaled", "", target)


def _none_left(target: str, known: list[str]) -> Finding:
    return Finding("B261", "error", f"no usable bands of `{target}` are left", found=", ".join(known) or "no target",
                   remedy="look at the findings, or name another target")  # fmt: skip


def nuclear_shares(found: tuple[Fractioned, ...], target: str) -> Readings:
    """The nuclear share of a target by culture and experiment, freed of the other fraction.

    Raises:
        DataError: B261, there is none.
    """
    own = [one for one in found if one.target == target and one.reason is None]
    if not own:
        raise DataError(_none_left(target, list(dict.fromkeys(one.target for one in found))))
    return Readings(
        [one.share for one in own], [one.culture for one in own], [one.experiment for one in own],
        name=f"{target}, nuclear share",
    )  # fmt: skip


def cells(rows: pl.DataFrame, measure: str) -> tuple[Readings, Readings]:
    """A measure of fluorescence: one value an experiment (median of cells, then of fields), and every cell.

    Raises:
        DataError: B261, no usable cell has the measure.
    """
    own = rows.filter(pl.col(measure).is_not_null())
    if own.is_empty():
        message, remedy = (
            f"no usable cell has `{measure}`",
            "look at the findings, or compare another measure",
        )
        raise DataError(Finding("B261", "error", message, found=f"{rows.height} cells", remedy=remedy))
    known = own.with_columns(pl.col("experiment").fill_null(""))
    whole = per_experiment(known, measure)
    one = Readings(
        whole["value"].to_numpy(), whole["culture"].to_list(), whole["experiment"].to_list(), name=measure
    )
    every = Readings(
        known[measure].to_numpy(), known["culture"].to_list(), known["experiment"].to_list(), name=measure
    )
    return one, every


def growth_rates(
    frame: pl.DataFrame, first: float, last: float | None
) -> tuple[Readings, tuple[tuple[str, str, str], ...]]:
    """Doublings a day, one an experiment and culture; and (culture, experiment, reason) of those without a rate."""
    found = rates(frame, first, last)
    fine = [rate for rate in found if rate.reason is None]
    values = [rate.doublings for rate in fine]
    readings = Readings(
        values, [rate.culture for rate in fine], [rate.experiment for rate in fine], unit="doublings/day",
        name="growth rate",
    )  # fmt: skip
    return readings, tuple((rate.culture, rate.experiment, rate.reason) for rate in found if rate.reason)


def invasion(
    frame: pl.DataFrame, growth: Mapping[tuple[str, str], float] | None, hours: float | None
) -> tuple[Readings, int]:
    """Cells a field, one value an insert, divided by growth where it is given; and the inserts left without a rate."""
    found = inserts(frame, growth, hours)
    kept = [one for one in found if growth is None or one.adjusted is not None]
    values = [one.count if growth is None else one.adjusted or 0.0 for one in kept]
    readings = Readings(
        values, [one.culture for one in kept], [one.experiment for one in kept],
        unit="cells/field" + ("" if growth is None else ", per growth"), name="invasion",
    )  # fmt: skip
    return readings, len(found) - len(kept)


def mean_rates(rates_of: Readings) -> dict[tuple[str, str], float]:
    """Doublings a day by culture and experiment, and the culture's mean under (culture, "")."""
    found = {
        (culture, experiment): float(value)
        for culture, experiment, value in zip(
            rates_of.condition, rates_of.experiment, rates_of.value, strict=True
        )
    }
    for culture in rates_of.conditions:
        own = [value for (name, experiment), value in found.items() if name == culture and experiment]
        found[culture, ""] = sum(own) / len(own) if own else math.nan
    return found
