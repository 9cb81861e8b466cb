"""Analyses of blots: from measured rows to readings, one a lane, and to the pictures that are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sequela.bench import readouts
from sequela.bench.bands import to_reference
from sequela.bench.fractions import purify
from sequela.report.figures.blot_figure import Quantified
from sequela.report.figures.blot_strips import LaneLabel, strips_of
from sequela.report.figures.superplot import Super
from sequela.report.image_content import Blotted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.bench.strips import Strip
    from sequela.core.readings import Readings
    from sequela.report.content import Heading
    from sequela.report.figures.blot_strips import BlotPicture
    from sequela.study.bench import Contrast, Strips
    from sequela.study.bench_images import Blot
    from sequela.walk.bench import Benched


def blot_readings(analysis: Contrast, assay: Blot, benched: Benched) -> tuple[Readings, str, tuple[str, ...]]:
    """The values that are compared, what they are in words, and what a reader must know of them.

    Raises:
        DataError: nothing is left, or several agents, doses, times or fractions are.
    """
    target = analysis.target or ""
    frame = benched.frames[analysis.assay]
    rows = readouts.select(frame, agent=analysis.agent, dose=analysis.dose, hours=analysis.hours)
    if analysis.response == "nuclear_share":
        found, _ = purify(
            rows, nuclear=assay.nuclear or "", cytoplasmic=assay.cytoplasmic or "", membrane=assay.membrane
        )
        lost = [f"{one.culture}, experiment {one.experiment}: {one.reason}." for one in found
                if one.target == target and one.reason]  # fmt: skip
        notes = (f"Fractions are freed of each other by {assay.nuclear} and {assay.cytoplasmic}.", *lost)
        return readouts.nuclear_shares(found, target), f"Nuclear share of {target}", notes
    readings = readouts.bands(rows, target, analysis.fraction)
    return readings, _quantity(target, assay, analysis.fraction), _scale(assay, target)


def _quantity(target: str, assay: Blot, fraction: str | None) -> str:
    loading = assay.loading.get(fraction or "") if isinstance(assay.loading, dict) else assay.loading
    over = f" / {loading}" if loading and "/" not in target else ""
    return f"{target}{over}" + (f", fraction {fraction}" if fraction else "")


def _scale(assay: Blot, target: str) -> tuple[str, ...]:
    notes: list[str] = []
    if target in {f"{part}/{whole}" for part, whole in assay.phospho.items()}:
        notes.append("Phosphorylated over total, each over its own loading control.")
    if assay.between == "common lanes":
        notes.append(
            "Each blot is divided by the geometric mean of the lanes that all blots share: its unit goes, and "
            "the reference keeps its scatter."
        )
    return tuple(notes)


def blots(analysis: Strips, assay: Blot, benched: Benched, heading: Heading) -> Blotted:
    """Every blot as it was taken, and every target relative to the first culture on the same blot.

    Raises:
        DataError: no blot has a usable lane of the reference.
    """
    protocol, frame = benched.protocol, benched.frames[analysis.assay]
    order = list(analysis.cultures or protocol.cultures)
    kept = frame.filter(pl.col("culture").is_in(order))
    dose = float(kept["dose"].min() or 0.0)  # pyright: ignore[reportArgumentType]
    relative, _ = to_reference(kept, order[0], dose)
    single = kept["dose"].n_unique() == 1
    names = {
        (culture, level): _condition(protocol.cultures[culture].label or culture, level, assay, single=single)
        for culture in order
        for level in sorted(kept["dose"].unique())
    }
    marks = {assay.nuclear, assay.cytoplasmic, assay.membrane}
    told = kept.filter(pl.col("ratio").is_not_null())["target"].unique(maintain_order=True).to_list()
    asked = [name for name in analysis.targets or told if name in told and name not in marks]
    rows = relative.filter(pl.col("target").is_in(asked))
    quantities = tuple(
        _quantified(_quantity(str(target), assay, fraction and str(fraction)), part, names)
        for (target, fraction), part in rows.group_by(["target", "fraction"], maintain_order=True)
    )
    pictures = tuple(_picture(one, analysis, assay, names) for one in benched.images[analysis.assay].strips)
    notes = ("Nothing is tested here: comparisons test one value an experiment.",)
    return Blotted(
        heading, f"Relative to {names[order[0], dose]}", pictures, quantities, assay.simulated, notes
    )


def _condition(label: str, dose: float, assay: Blot, *, single: bool) -> str:
    if single:
        return label
    return f"{label}, {dose:g} {assay.dose_unit}".strip() if dose else f"{label}, untreated"


def _quantified(target: str, rows: pl.DataFrame, names: Mapping[tuple[str, float], str]) -> Quantified:
    """One target's values by condition, and the lanes that have none."""
    groups: list[Super] = []
    unused: list[tuple[str, str, str]] = []
    for (culture, dose), name in names.items():
        own = rows.filter((pl.col("culture") == culture) & (pl.col("dose") == dose))
        used = own.filter(pl.col("unused").is_null() & pl.col("relative").is_not_null())
        experiments = tuple(used["experiment"].fill_null("").to_list())
        if own.height:
            groups.append(Super(name, used["relative"].to_numpy(), experiments))
        lost = own.filter(pl.col("unused").is_not_null()).select("experiment", "unused")
        unused += [(name, experiment or "", reason) for experiment, reason in lost.iter_rows()]
    return Quantified(target, tuple(groups), tuple(unused))


def _picture(
    one: Strip, analysis: Strips, assay: Blot, names: Mapping[tuple[str, float], str]
) -> BlotPicture:
    """A measured picture with what its lanes hold; lanes that the table does not name are empty."""
    labels: list[LaneLabel] = []
    for lane in range(1, len(one.measured.lanes) + 1):
        row = one.lanes.get(lane, {})
        known = names.get((row.get("culture", ""), row.get("dose", 0.0)))
        fraction = f", {row['fraction']}" if row.get("fraction") else ""
        labels.append(LaneLabel(known + fraction, row["experiment"] or "") if known else LaneLabel())
    there = {band.name for band in one.measured.bands}
    targets = [name for name in (*analysis.targets, *assay.bands) if name in there] or None
    name = one.blot if one.blot != one.picture else ""
    return strips_of(
        one.measured,
        labels,
        name=name,
        targets=list(dict.fromkeys(targets)) if targets else None,
        weights=assay.weights,
    )
