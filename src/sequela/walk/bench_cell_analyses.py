"""Analyses of fluorescence and of biopsies: from measured cells and readings to what is printed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from sequela.bench import readouts
from sequela.bench.fields import SHARES
from sequela.bench.localisation import doubtful_blur, per_experiment
from sequela.estimates.paired import paired_exact
from sequela.report.figures.biopsy_pairs import slopes_of
from sequela.report.figures.fields import field_of
from sequela.report.figures.slides import slide_of
from sequela.report.figures.superplot import Super
from sequela.report.image_content import Biopsied, Located, Pictured

if TYPE_CHECKING:
    from sequela.bench.fields import Field
    from sequela.core.readings import Readings
    from sequela.report.content import Heading
    from sequela.report.figures.fields import Field as Shown
    from sequela.study.bench import Contrast, Montage, Pairs
    from sequela.study.bench_images import Fluorescence, Slides
    from sequela.walk.bench import Benched

WORDS: Final = {
    "membrane": "Membrane share",
    "cytoplasm": "Cytoplasmic share",
    "nucleus": "Nuclear share",
    "mean": "Mean intensity",
    "integrated": "Integrated intensity",
    "nuclear_ratio": "Nuclear / perinuclear intensity",
}
PAIRED: Final = ("score", "percent", "er", "pgr", "ki67")


def cell_readings(
    analysis: Contrast, assay: Fluorescence, benched: Benched
) -> tuple[Readings, Readings, str, tuple[str, ...]]:
    """One value an experiment, every cell, what they are in words, and what a reader must know of them.

    Raises:
        DataError: nothing is left, or several agents, doses or times are.
    """
    frame = benched.frames[analysis.assay]
    rows = readouts.select(frame, agent=analysis.agent, dose=analysis.dose, hours=analysis.hours)
    one, every = readouts.cells(rows, analysis.response)
    notes = ["One value an experiment: the median of a field's cells, then of its fields."]
    if analysis.response in ("nucleus", "nuclear_ratio") and assay.modality == "widefield":
        notes.append("Widefield: membrane above and below the nucleus is counted as nucleus.")
    if analysis.response in SHARES:
        notes += _blurred(benched.images[analysis.assay].fields)
    return one, every, _named(analysis.response, assay), tuple(notes)


def _blurred(fields: tuple[Field, ...]) -> list[str]:
    """What hangs on a blur that the cells do not tell."""
    doubted = any(doubtful_blur(one.measured.blur) for one in fields)
    text = "The microscope's blur cannot be found from these cells: their shares hang on it."
    return [text] if doubted else []


def _named(response: str, assay: Fluorescence) -> str:
    return WORDS[response] + (f" of {assay.target}" if assay.target else "")


def montage(analysis: Montage, assay: Fluorescence, benched: Benched, heading: Heading) -> Pictured:
    """The field of each culture that is most like its others, every cell, and where the protein lies by culture."""
    frame, protocol = benched.frames[analysis.assay], benched.protocol
    fields = benched.images[analysis.assay].fields
    order = [name for name in analysis.cultures or protocol.cultures if name in frame["culture"].to_list()]
    labels = {name: protocol.cultures[name].label or name for name in order}
    groups: list[Super] = []
    located: list[Located] = []
    for name, label in labels.items():
        own = frame.filter(pl.col("culture") == name).with_columns(pl.col("experiment").fill_null(""))
        used = own.filter(pl.col("unused").is_null() & pl.col(analysis.response).is_not_null())
        means = per_experiment(own, analysis.response)
        large = dict(means.select("experiment", "value").iter_rows())
        groups.append(
            Super(label, used[analysis.response].to_numpy(), tuple(used["experiment"]), large=large)
        )
        located.append(_located(label, own, [one for one in fields if one.row["culture"] == name]))
    shown = _typical(fields, labels, analysis.response)
    typical = "Fields shown: of each culture the one whose median lies nearest to that of all its fields."
    notes = (*([typical] if shown else []), *_blurred(fields))
    return Pictured(
        heading, assay.target or "target", "nuclei", _named(analysis.response, assay), assay.pixel_um, shown,
        tuple(groups), tuple(located), assay.simulated, notes,
    )  # fmt: skip


def _located(label: str, own: pl.DataFrame, fields: list[Field]) -> Located:
    """How many cells were used, left out, or not even found as nuclei, and the shares over experiments."""
    used = own.filter(pl.col("unused").is_null())
    levels: list[tuple[str, float, float]] = []
    for measure in ("membrane", "cytoplasm", "nucleus"):
        values = per_experiment(own, measure)["value"].to_numpy()
        mean = float(values.mean()) if len(values) else math.nan
        levels.append(
            (measure.capitalize(), mean, float(values.std(ddof=1)) if len(values) > 1 else math.nan)
        )
    left = Counter(own["unused"].drop_nulls().to_list())
    for field in fields:
        left.update({f"objects {reason} for a nucleus": n for reason, n in field.found.left_out})
    experiments = len([name for name in used["experiment"].unique() if name])
    places = used.select("experiment", "field").n_unique()
    return Located(label, experiments, places, used.height, tuple(left.most_common()), tuple(levels))


def _typical(fields: tuple[Field, ...], labels: dict[str, str], response: str) -> tuple[Shown, ...]:
    """One field a culture: nearest to the median of its fields' medians, so that nobody chooses it."""
    found: list[Shown] = []
    for name, label in labels.items():
        own = [one for one in fields if one.row["culture"] == name]
        middles = [_median(one, response) for one in own]
        if not own or all(math.isnan(middle) for middle in middles):
            continue
        best = own[int(np.nanargmin(np.abs(np.array(middles) - np.nanmedian(middles))))]
        doubted = bool(doubtful_blur(best.measured.blur))  # then there is no band to be drawn
        measured = replace(best.measured, blur=math.nan) if doubted else best.measured
        known = {"condition": label, "experiment": best.row["experiment"] or ""}
        found.append(field_of(best.target, best.found, measured, nuclear=best.nuclear, **known))
    return tuple(found)


def _median(one: Field, response: str) -> float:
    used = one.measured.cells.filter(pl.col("unused").is_null())[response].drop_nulls()
    return float(np.median(used.to_numpy())) if len(used) else math.nan


def pairs(analysis: Pairs, assay: Slides, benched: Benched, heading: Heading) -> Biopsied:
    """Biopsies before and after: statuses, conversions, exact tests of the pairs."""
    read = benched.images[analysis.assay].biopsies
    assert read is not None, "an assay of biopsies"
    kinds = [kind for kind in PAIRED if kind in read.found.table.columns]
    sides = {kind: read.found.pair(kind) for kind in kinds}
    tests = {
        kind: paired_exact(np.array(one, float), np.array(two, float)) for kind, (one, two) in sides.items()
    }
    shown = tuple(
        slide_of(one.source, one.stained, patient=one.patient, time=one.time, threshold=assay.positive_od)
        for one in read.slides
    )
    measured = [
        f"patient {one.patient} {one.time} {one.membranes.score or 'no score'} ({one.membranes.percent:.0f} % of "
        f"{one.membranes.cells['unused'].is_null().sum()} cells)"
        for one in read.slides
        if one.membranes is not None
    ]
    notes = (f"Measured on the slides, beside the readings: {'; '.join(measured)}.",) if measured else ()
    slopes = slopes_of(read.found, tests)
    return Biopsied(heading, read.found, slopes, shown, assay.simulated, notes, assay.pixel_um)
