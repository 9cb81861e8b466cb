"""What cultures lived through: selection, pre-exposure, washout, carry-over, and the doses of the assay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.core.finding import Finding, Where
from sequela.core.sequence import Sequences
from sequela.study.bench import Assay
from sequela.study.bench_images import spelt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.study.bench import Agent, BenchStudy, Culture
    from sequela.study.bench_images import Blot, Fluorescence

MASS: Final = {"mg/ml": 1.0, "ug/ml": 1e-3, "ng/ml": 1e-6}  # grams a litre
MOLAR: Final = {"M": 1.0, "mM": 1e-3, "uM": 1e-6, "nM": 1e-9, "pM": 1e-12}  # moles a litre
RULE: Final = "history"


def convert(dose: float, unit: str, to: str, molar_mass: float | None = None) -> float | None:
    """A dose in another unit; None where the units do not belong together.

    Mass to molar: c / M with c in g/l and the molar mass M in g/mol (T-DM1: 148,781).
    """
    if unit == to:
        return dose
    scales = (
        {**MASS, **{name: scale * molar_mass for name, scale in MOLAR.items()}} if molar_mass else None,
    )
    for table in (scales[0], MASS, MOLAR):
        if table and unit in table and to in table:
            return dose * table[unit] / table[to]
    return None


def sequences(study: BenchStudy) -> Sequences:
    """Every culture's history as steps: a selection phase stands where a patient has a line of therapy.

    Days count from the first step; the last step's end is null while it lasts. A culture without a history has
    no step.
    """
    legend = tuple(study.agents)
    rows: list[tuple[str, int, int, int | None, int, str, str, str]] = []
    for name, culture in study.cultures.items():
        start = 0
        for number, step in enumerate(culture.history, 1):
            end = None if step.days is None else start + round(step.days)
            mask = sum(1 << legend.index(agent) for agent in step.agents)
            rows.append((name, number, start, end, mask, step.why, "" if end is None else "next step", RULE))
            start = end or start
    kinds = (pl.String, pl.Int32, pl.Int32, pl.Int32, pl.Int64, pl.String, pl.String, pl.String)
    names = ("subject", "step", "start", "end", "agents", "start_reason", "end_reason", "rule")
    table = pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")
    return Sequences(table, legend, RULE)


def in_words(culture: Culture, agents: Mapping[str, Agent]) -> str:
    """A history as a sentence: `trastuzumab + pertuzumab 10 ug/ml each, 61 days; …`."""
    steps: list[str] = []
    for step in culture.history:
        names = " + ".join(agents[name].label or name for name in step.agents) or "drug-free medium"
        dose = (
            f" {step.dose:g} {step.unit}" + (" each" if len(step.agents) > 1 else "") if step.agents else ""
        )
        steps.append(f"{names}{dose}" + (f", {step.days:g} days" if step.days else ""))
    if isinstance(culture.washout_hours, float):
        steps.append(f"washed out {culture.washout_hours:g} h")
    return "; ".join(steps) or "never exposed"


def same_unit(
    frame: pl.DataFrame, assay: Assay | Blot | Fluorescence, agents: Mapping[str, Agent]
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Doses of every row in the assay's unit; rows whose unit cannot be turned into it are marked unused (B213)."""
    units = frame["dose_unit"].drop_nulls().unique().to_list()
    frame = frame.with_columns(pl.col("dose_unit").replace({unit: spelt(unit) for unit in units}))
    others = frame.filter((pl.col("dose_unit") != assay.dose_unit) & (pl.col("dose") > 0))
    if others.is_empty():
        return frame, ()
    findings: list[Finding] = []
    factors: dict[tuple[str, str], float | None] = {}
    for (unit, agent), rows in others.group_by(["dose_unit", "agent"], maintain_order=True):
        known = agents.get(str(agent))
        factor = convert(1.0, str(unit), assay.dose_unit, known.molar_mass if known else None)
        factors[str(unit), str(agent)] = factor
        how = f"{rows.height} doses of {agent} in `{unit}`"
        if factor is None:
            remedy = f"give `molar_mass` under [agents.{agent}], or the doses in one unit"
            findings.append(
                Finding(
                    "B213",
                    "error",
                    "doses in units that do not belong together",
                    Where(rows["_file"][0], rows["_line"][0], "dose_unit"),
                    how,
                    assay.dose_unit or "no unit",
                    remedy,
                )
            )
        else:
            findings.append(
                Finding(
                    "B214",
                    "note",
                    "doses in another unit were converted",
                    Where(rows["_file"][0], rows["_line"][0], "dose_unit"),
                    how,
                    assay.dose_unit,
                    f"1 {unit} is {factor:g} {assay.dose_unit}",
                )
            )
    scale = [factors.get((str(u), str(a)), 1.0) for u, a in frame.select("dose_unit", "agent").iter_rows()]
    bad = pl.Series("_bad", [factor is None for factor in scale])
    factor = pl.Series("_factor", [1.0 if factor is None else factor for factor in scale], pl.Float64)
    reason = pl.when(pl.col("_bad") & (pl.col("dose") > 0)).then(pl.lit("the unit of its dose does not fit"))
    return (
        frame.with_columns(bad, factor)
        .with_columns(
            (pl.col("dose") * pl.col("_factor")).alias("dose"), pl.coalesce("unused", reason).alias("unused")
        )
        .drop("_bad", "_factor"),
        tuple(findings),
    )


def residues(study: BenchStudy, name: str, rows: pl.DataFrame) -> tuple[Finding, ...]:
    """What may be left in the medium of an assay: washouts not said (B220), rivals for the target (B221).

    An agent carried over that binds the target of an agent given in the assay's `rows` shields the cells: its dose in
    nM stands in the finding.
    """
    dosed = rows.filter(pl.col("dose") > 0)["agent"].drop_nulls().unique(maintain_order=True).to_list()
    assay = study.assays[name]
    findings: list[Finding] = []
    media = assay.medium if isinstance(assay, Assay) else ()
    if not isinstance(assay, Assay) and not dosed:
        return ()
    carried = {medium.culture for medium in media}
    for culture, told in study.cultures.items():
        lived = any(step.agents for step in told.history)
        if lived and culture not in carried and not isinstance(told.washout_hours, float):
            message = (
                f"`{culture}` lived in drug, and nothing says how long it was washed out before `{name}`"
            )
            findings.append(
                Finding(
                    "B220",
                    "warning",
                    message,
                    Where(field=f"cultures.{culture}.washout_hours"),
                    str(told.washout_hours or "not said"),
                    "hours in drug-free medium",
                    "say it: drug left in the medium looks like resistance",
                )
            )
    targets = {study.agents[agent].target for agent in dosed if agent in study.agents} - {None}
    for medium in media:
        for rival in medium.agents:
            agent = study.agents[rival]
            if medium.dose and agent.target in targets:
                molar = convert(medium.dose, medium.unit, "nM", agent.molar_mass)
                amount = f"{medium.dose:g} {medium.unit}" + (
                    f" = {molar:.3g} nM" if molar and medium.unit != "nM" else ""
                )
                message = f"`{medium.culture}` carried {rival} into `{name}`: it also binds {agent.target}"
                findings.append(
                    Finding(
                        "B221",
                        "warning",
                        message,
                        Where(field=f"assays.{name}.medium"),
                        amount,
                        "no rival for the target",
                        "wash out, or compare with a control in the same medium",
                    )
                )
    return tuple(findings)
