"""An assay of biopsies: the pathologist's readings of each, and its picture with brown and blue separated.

A row is a biopsy. What the table says is never overwritten by what a picture measures: both stand beside each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.bench.biopsies import SCORES, Biopsies, biopsies
from sequela.bench.cells import find_cells, from_labels
from sequela.bench.membranes import Membranes, membrane_score
from sequela.bench.pictures import Picture, copies, read_picture
from sequela.bench.stains import Stained, separate
from sequela.bench.tables import tabulated
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sequela.records.source import Kind
    from sequela.study.bench_images import Slides

FIELDS: Final[dict[str, Kind]] = {
    "patient": "text",
    "time": "category",
    "site": "text",
    "er": "number",
    "pgr": "number",
    "score": "category",
    "percent": "number",
    "ish": "category",
    "ki67": "number",
    "picture": "text",
    "cells": "text",
    "nuclei": "text",
    "exclude": "text",
}
ISH: Final = {
    **{name: name for name in ("amplified", "not_amplified", "equivocal", "not_done", "ambiguous_dash")},
    **{f"group {n}": f"group {n}" for n in range(1, 6)},
    "not amplified": "not_amplified", "not done": "not_done", "-": "ambiguous_dash", "–": "ambiguous_dash",
}  # fmt: skip
SHARE: Final = {"minimum": 0.0, "maximum": 100.0}
RULES: Final[dict[str, dict[str, Any]]] = {
    "time": {"levels": ("before", "after")},
    "score": {"levels": SCORES},
    "ish": {"levels": ISH},
    **dict.fromkeys(("er", "pgr", "percent", "ki67"), SHARE),
}
OPTIONAL: Final = ("ki67", "site", "picture", "cells", "nuclei")


@dataclass(frozen=True, slots=True, eq=False)
class Slide:
    """One picture of a biopsy with its stains separated, and its membranes where the study gives their cuts."""

    patient: str
    time: str
    source: Picture
    stained: Stained
    membranes: Membranes | None


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """An assay of biopsies: its rows with `unused`, statuses and changes, slides, findings and hashes."""

    frame: pl.DataFrame
    found: Biopsies
    slides: tuple[Slide, ...]
    findings: tuple[Finding, ...]
    sha256: Mapping[str, str]


def slides(name: str, assay: Slides, base: Path) -> Read:
    """The biopsies of an assay, called by the edition's table.

    Raises:
        DataError: the table cannot be used as a whole.
    """
    read = tabulated(name, assay, FIELDS, ("patient", "time"), base, RULES)
    own = pl.when(pl.col("exclude").is_not_null()).then(pl.lit("excluded: ") + pl.col("exclude"))
    untimed = pl.when(pl.col("time").is_null()).then(pl.lit("neither before nor after"))
    nobody = pl.when(pl.col("patient").is_null()).then(pl.lit("of no patient"))
    frame = read.frame.with_columns(pl.coalesce(own, nobody, untimed).alias("unused"))
    frame, several = _several(frame)
    used = frame.filter(pl.col("unused").is_null())
    kept = [column for column in FIELDS if column not in OPTIONAL or used[column].is_not_null().any()]
    found = biopsies(used.select(kept), assay.edition)
    seen, faults = _seen(used, assay, base)
    hashes = dict(read.sha256) | {slide.source.name: slide.source.sha256 for slide in seen}
    findings = (*read.findings, *several, *found.findings, *_unread(used), *faults, *_apart(used, seen))
    return Read(_with_measured(frame, seen), found, seen, findings, hashes)


def _several(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Biopsies of one patient and time, where there are several: none is chosen, and none is averaged (I160)."""
    message = "a patient has several biopsies of one time"
    fine = pl.col("unused").is_null()
    twice = fine & (pl.len().over("patient", "time", fine) > 1)
    findings = [
        Finding("I160", "error", message, Where(rows["_file"][0], rows["_line"][0], "time", patient=str(patient)),
                f"{rows.height} of {time}, lines {', '.join(map(str, rows['_line']))}", "one row a patient and time",
                "say which counts: `exclude` the others with a reason; none of them is used")
        for (patient, time), rows in frame.filter(twice).group_by(["patient", "time"], maintain_order=True)
    ]  # fmt: skip
    marked = pl.when(twice).then(pl.lit(message)).otherwise("unused")
    return frame.with_columns(marked.alias("unused")), findings


def _with_measured(frame: pl.DataFrame, seen: tuple[Slide, ...]) -> pl.DataFrame:
    """The rows with `measured_score` and `measured_percent` beside the pathologist's, where slides were measured."""
    rows = [
        (one.patient, one.time, one.membranes.score, one.membranes.percent)
        for one in seen
        if one.membranes is not None
    ]
    if not rows:
        return frame
    kinds = {
        "patient": pl.String,
        "time": pl.String,
        "measured_score": pl.String,
        "measured_percent": pl.Float64,
    }
    return frame.join(
        pl.DataFrame(rows, schema=kinds, orient="row"),
        on=["patient", "time"],
        how="left",
        maintain_order="left",
    )


def _apart(used: pl.DataFrame, seen: tuple[Slide, ...]) -> list[Finding]:
    """Slides whose measured score is not the pathologist's: both stand, and somebody looks again."""
    read = {
        (patient, time): score for patient, time, score in used.select("patient", "time", "score").iter_rows()
    }
    return [
        Finding("I164", "warning", f"the measured score of the biopsy {one.time} is not the one that was read",
                Where(one.source.name, patient=one.patient),
                f"read {told}, measured {one.membranes.score or 'none'} ({one.membranes.reason})", None,
                "look at the slide again; the reading is used, and the measurement stands beside it")
        for one in seen
        if one.membranes is not None and (told := read.get((one.patient, one.time))) not in (None, one.membranes.score)
    ]  # fmt: skip


def _unread(used: pl.DataFrame) -> list[Finding]:
    """Biopsies whose HER2 was not read: they have no score, and an amplified gene alone may call them."""
    rows = used.filter(pl.col("score").is_null())
    if rows.is_empty():
        return []
    who = ", ".join(f"{patient} {time}" for patient, time in rows.select("patient", "time").iter_rows())
    return [
        Finding("I163", "warning", "biopsies without a HER2 score", Where(rows["_file"][0], rows["_line"][0], "score"),
                who, ", ".join(SCORES), "read them, or leave them out; they are in no pair of scores")
    ]  # fmt: skip


def _seen(used: pl.DataFrame, assay: Slides, base: Path) -> tuple[tuple[Slide, ...], list[Finding]]:
    found: list[Slide] = []
    findings: list[Finding] = []
    for row in used.filter(pl.col("picture").is_not_null()).iter_rows(named=True):
        try:
            source = read_picture(base / row["picture"])
            stained = separate(source, assay.vectors) if assay.vectors else separate(source)
            membranes = _membranes(row, assay, stained, base)
        except DataError as fault:
            findings += [_of(finding, row) for finding in fault.findings]
            continue
        findings += [_of(finding, row) for finding in stained.findings if finding.code != "I103"]
        findings += [_of(finding, row) for finding in (membranes.findings if membranes else ())]
        found.append(Slide(row["patient"], row["time"], source, stained, membranes))
    twice = copies([(slide.source.name, slide.source.sha256) for slide in found])
    findings += [
        replace(one, where=replace(one.where, patient=found[at].patient)) for at, one in twice.items()
    ]
    return tuple(slide for at, slide in enumerate(found) if at not in twice), findings


def _membranes(row: Mapping[str, Any], assay: Slides, stained: Stained, base: Path) -> Membranes | None:
    """The slide's membranes, in cells of your own or in those around its nuclei; None where no cuts are given."""
    if assay.cuts_od is None:
        return None
    if row["cells"] is not None:
        nuclei = read_picture(base / row["nuclei"]).pixels if row["nuclei"] is not None else None
        cells = from_labels(read_picture(base / row["cells"]).pixels, nuclei)
        return membrane_score(stained.dab, cells, assay.cuts_od, edition=assay.edition)
    diameter = assay.nucleus_pixels or (assay.nucleus_um or 0.0) / (assay.pixel_um or 1.0)
    if not diameter:
        raise DataError(
            Finding("I146", "error", "nothing says how large a nucleus is", Where(field="nucleus_um"), None,
                    "`nucleus_um` with `pixel_um`, or `nucleus_pixels`, or labels under `cells`", "say one of them")
        )  # fmt: skip
    cells = find_cells(stained.haematoxylin, diameter=diameter)
    return membrane_score(
        stained.dab, cells, assay.cuts_od, edition=assay.edition, reach=max(3.0, diameter / 4)
    )


def _of(finding: Finding, row: Mapping[str, Any]) -> Finding:
    where = replace(finding.where, file=row["picture"], patient=row["patient"])
    return replace(finding, where=where)
