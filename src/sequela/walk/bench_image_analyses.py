"""Analyses of blots: from measured rows to readings, one a lane, and to what is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sequela.bench import readouts
from sequela.bench.fractions import purify

if TYPE_CHECKING:
    from sequela.core.readings import Readings
    from sequela.study.bench import Contrast
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
