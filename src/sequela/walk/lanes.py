"""One patient's lines as a picture, and the picture with the proof as a page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from sequela.clinic.tables import anchor_column
from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.core.units import days_in
from sequela.report.document import Document, Paragraph, Section, TableBlock
from sequela.report.figures import Event, Lane, Segment, swimmer
from sequela.report.tables import Cell, Column, Row, Table
from sequela.study.named_endpoints import roles
from sequela.walk.explaining import require_patient

if TYPE_CHECKING:
    from sequela.report.document import FigureBlock
    from sequela.report.figures import Figure
    from sequela.walk.explaining import Explained, Explanation
    from sequela.walk.path import Walk


def lane(walk: Walk, patient: str, banner: str | None) -> Figure:
    """The patient's swimmer lanes: the lines, what was recorded of each drug, and progressions and death as marks.

    A record has the colour of its line. Time starts with line 1.

    Raises:
        UsageError: there is no such patient, or no line to draw.
    """
    require_patient(walk, patient)
    lines = walk.lines.sequences.table.filter(subject=patient)
    if lines.is_empty():
        raise UsageError(
            Finding(
                "X109", "error", f"patient {patient} has no line of therapy", remedy="see why: sequela check"
            )
        )
    unit = walk.study.report.time_unit
    zero, scale = lines["start"][0], days_in(unit)
    last = max([*lines["start"], *lines["end"].drop_nulls(), *_ends(walk, patient)])
    bars = tuple(
        _bar(line["start"], line["end"], f"line {line['step']}", zero, last, scale)
        for line in lines.iter_rows(named=True)
    )
    ongoing = lines["end"][-1] is None
    drawn = [
        Lane("Lines", bars, ongoing=ongoing),
        *_drugs(walk, patient, zero, last, scale),
        Lane("Events", (), _events(walk, patient, zero, scale)),
    ]
    figure = swimmer(
        drawn,
        id=f"lane-{patient}",
        title=f"Lines of therapy of {patient}",
        time_unit=unit,
        x_label="Time since the start of line 1",
        banner=banner,
    )
    caption = (
        "Above the lines, below each drug as it was recorded, in the colour of its line; marks are events."
    )
    return replace(figure, caption=caption)


def _bar(start: int, end: int | None, label: str, zero: int, last: int, scale: float) -> Segment:
    return Segment((start - zero) / scale, ((last if end is None else end) - zero) / scale, label)


def _drugs(walk: Walk, patient: str, zero: int, last: int, scale: float) -> list[Lane]:
    """One lane a drug, in the order in which they were given."""
    placed = walk.lines.placed.filter(pl.col("step").is_not_null()).group_by("row").agg(pl.col("step").min())
    rows = walk.registry.treatments.filter(patient=patient).join(placed, on="row").sort("start", "row")
    return [
        Lane(
            walk.dictionary.label(agent),
            tuple(
                _bar(row["start"], row["end"], f"line {row['step']}", zero, last, scale)
                for row in own.iter_rows(named=True)
            ),
            ongoing=own["end"][-1] is None,
        )
        for (agent,), own in rows.group_by("agent", maintain_order=True)
    ]


def _events(walk: Walk, patient: str, zero: int, scale: float) -> tuple[Event, ...]:
    """Progressions and the like, and the end of life."""
    visits = roles({name: anchor.means for name, anchor in walk.study.anchors.items()}).get("assessment")
    found = [
        Event((day - zero) / scale, walk.study.anchors[name].label or name)
        for name, dated in walk.registry.moments.items()
        if name != visits
        for day in dated.filter(patient=patient)["day"]
        if day >= zero
    ]
    row = walk.people.frame.filter(patient=patient).row(0, named=True)
    for name, anchor in walk.study.anchors.items():
        day = row[anchor_column(name)] if anchor.status else None
        if day is not None:
            found.append(Event((day - zero) / scale, anchor.label or name))
    return tuple(found)


def _ends(walk: Walk, patient: str) -> list[int]:
    row = walk.people.frame.filter(patient=patient).row(0, named=True)
    days = [row[anchor_column(name)] for name, anchor in walk.study.anchors.items() if anchor.stage == "end"]
    return [day for day in days if day is not None]


def proof(found: Explanation, drawn: FigureBlock, banner: str | None) -> Document:
    """A page of one patient: the lanes, why each line starts and ends, and every record with its rule and place."""
    parts = [
        Section("lanes", "What was given", (drawn,)),
        Section("lines", "Why each line starts and ends", (TableBlock(_boundaries(found, banner)),)),
        Section("records", "Every record and its rule", (TableBlock(_records(found, banner)),)),
        Section(
            "moments", "Moments", (Paragraph("; ".join(f"{label} {day}" for day, label in found.moments)),)
        ),
    ]
    if found.overrides:
        told = tuple(Paragraph(one) for one in found.overrides)
        parts.append(Section("by-hand", "Decided by hand", told))
    return Document(
        f"Lines of therapy of {found.patient}",
        f"Rule set {found.rules}",
        banner=banner,
        sections=tuple(parts),
    )


def _boundaries(found: Explanation, banner: str | None) -> Table:
    names = (
        "Treatment",
        "Starts because of",
        "Ends because of",
        "Maintenance from",
        "On after progression of",
    )
    rows = [Row(_when(line), tuple(Cell(text or "") for text in _why(line))) for line in found.lines]
    total = found.curative + len(found.lines)
    notes = (f"Lines: {total} ({found.curative} curative, {len(found.lines)} palliative).",)
    columns = tuple(Column(name, align="left") for name in names)
    return Table("boundaries", "", "Lines of therapy", columns, tuple(rows), notes, banner, "Line")


def _when(line: Explained) -> str:
    number, span, _ = line.title.split("  ", 2)
    return f"{number.removeprefix('Line ')}: {span}"


def _why(line: Explained) -> tuple[str | None, ...]:
    return (line.title.split("  ", 2)[2], line.start_reason, line.end_reason, line.maintenance, line.beyond)


def _records(found: Explanation, banner: str | None) -> Table:
    names = ("From", "To", "Taken for", "Rule", "Place")
    rows: list[Row] = []
    groups = [
        *((line.title.split("  ", 1)[0], line.given) for line in found.lines),
        ("In no line", found.outside),
    ]
    for title, given in groups:
        if given:
            rows.append(Row(title, (), 0, "group"))
        rows += [
            Row(
                one.drug,
                tuple(Cell(text) for text in (one.start, one.end, one.agent, one.rule, one.where)),
                1,
            )
            for one in given
        ]
    columns = tuple(Column(name, align="left") for name in names)
    return Table("records", "", "Records", columns, tuple(rows), (), banner, "As written")
