"""From pictures' content to tables: values of blots by culture, and what every blot holds."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from sequela.core.wording import DASH, decimals, number
from sequela.report.figures.rasters import footnotes
from sequela.report.figures.superplot import bar_of
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from sequela.report.content_tables import House
    from sequela.report.figures.blot_figure import Quantified
    from sequela.report.image_content import Blotted, Located, Pictured


def relatives(content: Blotted, house: House, banner: str | None) -> Table:
    """Every target by culture: geometric mean over experiments, and how many there are."""
    names = list(dict.fromkeys(group.name for one in content.quantities for group in one.groups))
    rows = [Row(name, tuple(_relative(one, name, house) for one in content.quantities)) for name in names]
    notes = (
        f"{content.scale}: geometric mean over experiments, with n in brackets: experiments, not lanes. Lanes that "
        "are saturated or not detected are in no mean.",
        *content.notes,
    )
    columns = tuple(Column(f"{one.target}\n(n)") for one in content.quantities)
    return Table(
        content.heading.id, "", content.heading.title, columns, tuple(rows), notes, banner, "Culture"
    )


def _relative(one: Quantified, name: str, house: House) -> Cell:
    lost = Counter(reason for condition, _, reason in one.unused if condition == name)
    notes = tuple(f"{name}, {one.target}: {n} lanes not used: {reason}." for reason, n in lost.items())
    group = next((group for group in one.groups if group.name == name), None)
    means = group.by_experiment() if group else {}
    if group is None or not means:
        return Cell(DASH, notes=notes)
    bar = bar_of(group, log=True)
    middle = bar[0] if bar else next(iter(means.values()))
    n = sum(1 for experiment in means if experiment)
    return Cell(f"{number(middle, decimals(middle), house.style)} ({n})", middle, (("n", n),), notes)


def blots(content: Blotted, house: House, banner: str | None) -> Table:
    """Every blot: its file, its lanes, and what could be measured."""
    rows: list[Row] = []
    named = any(one.name != one.file for one in content.blots)
    for one in content.blots:
        bands = [band for strip in one.strips for band in strip.bands]
        kinds = Counter((band.reason or "used").split(":")[0] for band in bands)
        cells = (
            *((Cell(one.file or DASH),) if named else ()),
            Cell(str(len(one.lanes)), len(one.lanes)),
            *(Cell(str(kinds[kind]), kinds[kind]) for kind in ("used", "saturated", "not detected")),
            Cell(f"{number(one.degrees, 1, house.style)}°" if one.degrees else DASH, one.degrees),
        )
        rows.append(Row(one.name, cells))
    columns = (
        *((Column("File", align="left"),) if named else ()),
        Column("Lanes"),
        Column("Measured", "Bands"),
        Column("Saturated", "Bands"),
        Column("Not detected", "Bands"),
        Column("Turned by"),
    )
    notes = footnotes(finding for one in content.blots for finding in one.findings)
    title = f"{content.heading.title}: blots"
    return Table(f"{content.heading.id}-blots", "", title, columns, tuple(rows), notes, banner, "Blot")


def located(content: Pictured, house: House, banner: str | None) -> Table:
    """Where the protein lies by culture: mean and SD of experiments, and how many cells stand behind them."""
    names = [name for name, _, _ in content.located[0].levels] if content.located else []
    columns = (
        Column("n\n(fields)"),
        Column("Cells used"),
        Column("Cells not used"),
        *(Column(f"{name}\nmean (SD)") for name in names),
    )
    rows = [Row(one.label, _located(one, house)) for one in content.located]
    notes = (
        "n is experiments: the median of a field's cells, then of an experiment's fields, is one value; mean and SD "
        "are over experiments.",
        *content.notes,
    )
    return Table(
        content.heading.id, "", content.heading.title, columns, tuple(rows), notes, banner, "Culture"
    )


def _located(one: Located, house: House) -> tuple[Cell, ...]:
    lost = sum(n for _, n in one.left_out)
    told = ", ".join(f"{n:,} {reason}" for reason, n in one.left_out)
    cells = [
        Cell(f"{one.experiments} ({one.fields})", one.experiments, (("fields", one.fields),)),
        Cell(f"{one.cells:,}", one.cells),
        Cell(f"{lost:,}", lost, notes=(f"{one.label}: {told}.",) if told else ()),
    ]
    for _, mean, sd in one.levels:
        if math.isnan(mean):
            cells.append(Cell(DASH))
            continue
        digits = min(3, max(decimals(mean), 2 if math.isnan(sd) else decimals(sd)))
        text = f"{number(mean, digits, house.style)} ({number(sd, digits, house.style)})"
        cells.append(Cell(text, mean, () if math.isnan(sd) else (("sd", sd),)))
    return tuple(cells)
