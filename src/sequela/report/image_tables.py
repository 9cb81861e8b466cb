"""From pictures' content to tables: values of blots by culture, and what every blot holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sequela.core.wording import DASH, decimals, number
from sequela.report.figures.superplot import bar_of
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from sequela.report.content_tables import House
    from sequela.report.figures.blot_figure import Quantified
    from sequela.report.image_content import Blotted


def relatives(content: Blotted, house: House, banner: str | None) -> Table:
    """Every target relative to the reference by culture: geometric mean over experiments, and how many there are."""
    names = list(dict.fromkeys(group.name for one in content.quantities for group in one.groups))
    rows = [Row(name, tuple(_relative(one, name, house) for one in content.quantities)) for name in names]
    notes = (
        f"Geometric mean over experiments relative to {content.reference} on the same blot, with n in brackets: "
        "experiments, not lanes. Lanes that are saturated or not detected are in no mean.",
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
    for one in content.blots:
        bands = [band for strip in one.strips for band in strip.bands]
        kinds = Counter((band.reason or "used").split(":")[0] for band in bands)
        cells = (
            Cell(one.file or DASH),
            Cell(str(len(one.lanes)), len(one.lanes)),
            *(Cell(str(kinds[kind]), kinds[kind]) for kind in ("used", "saturated", "not detected")),
            Cell(f"{number(one.degrees, 1, house.style)}°" if one.degrees else DASH, one.degrees),
        )
        rows.append(Row(one.name, cells))
    columns = (
        Column("File", align="left"),
        Column("Lanes"),
        Column("Measured", "Bands"),
        Column("Saturated", "Bands"),
        Column("Not detected", "Bands"),
        Column("Turned by"),
    )
    notes = tuple(dict.fromkeys(text for one in content.blots for text in one.notes))
    title = f"{content.heading.title}: blots"
    return Table(f"{content.heading.id}-blots", "", title, columns, tuple(rows), notes, banner, "Blot")
