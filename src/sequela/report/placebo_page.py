"""The placebo on one page: what the design finds where there is nothing to find."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from sequela.core.units import days_in
from sequela.core.wording import DASH, interval, number, p_value
from sequela.report.content_tables import NOT_REACHED, House
from sequela.report.html import TEMPLATES
from sequela.report.svg import inline
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from sequela.audit.placebo import Method, Placebo
    from sequela.report.document import FigureBlock
    from sequela.study.model import Study


def placebo_page(study: Study, found: Placebo, picture: FigureBlock, banner: str) -> str:
    """A self-contained page; nothing on it needs a network.

    Args:
        study: for its title, question and house style.
        found: the runs.
        picture: the figure.
        banner: a warning, such as "Simulated patients".
    """
    house = House.of(study.report.style, study.report.time_unit, banner)
    return TEMPLATES.get_template("placebo.html.j2").render(
        study=study.study,
        found=found,
        banner=banner,
        picture=picture,
        table=placebo_table(found, house),
        made=how_made(found),
        inline=inline,
    )


def placebo_table(found: Placebo, house: House) -> Table:
    """One row a method: the worlds' hazard ratios, medians and false positives, and what was observed."""
    columns = (
        Column("Median HR", "Worlds without an effect"),
        Column("95% of worlds", "Worlds without an effect"),
        *(Column(f"Median, {arm}", "Worlds without an effect") for arm in found.arms),
        Column("p < 0.05", "Worlds without an effect"),
        Column("HR", "Observed"),
        Column("p", "Observed"),
        Column("As far out"),
    )
    rows = [Row(method.label, _cells(method, found, house)) for method in found.methods]
    notes = [
        f"Medians of time in {house.unit}s. p < 0.05: share of {found.runs} worlds with its 95% interval (Wilson).",
        "As far out: share of the worlds whose hazard ratio lies as far from their middle as the observed one, "
        "(k + 1) / (worlds + 1).",
    ]
    short = [f"{m.label}: {found.runs - m.known}" for m in found.methods if m.known < found.runs]
    if short:
        notes.append(f"Worlds without an estimate: {'; '.join(short)}.")
    return Table("placebo", "", "", columns, tuple(rows), tuple(notes), house.banner, "Method")


def _cells(method: Method, found: Placebo, house: House) -> tuple[Cell, ...]:
    middle, low, high = method.middle
    rate, lower, upper = method.rejected
    arms = [_months(value, house) for value in method.arm_medians] or [Cell(DASH)] * len(found.arms)
    if not method.known:
        return (Cell(DASH),) * (6 + len(found.arms))
    far = method.as_extreme
    return (
        Cell(number(middle, 2, house.style), middle),
        Cell(interval(low, high, 2, house.style)),
        *(arms if any(isfinite(value) for value in method.arm_medians) else [Cell(DASH)] * len(found.arms)),
        Cell(f"{100 * rate:.1f}% ({100 * lower:.1f} to {100 * upper:.1f})", rate),
        Cell(DASH)
        if method.observed is None
        else Cell(number(method.observed, 2, house.style), method.observed),
        Cell(DASH)
        if method.observed_p is None
        else Cell(p_value(method.observed_p, house.style), method.observed_p),
        Cell(DASH) if far is None else Cell(number(far, 2, house.style), far),
    )


def _months(value: float, house: House) -> Cell:
    if not isfinite(value):
        return Cell("NR", notes=(f"{NOT_REACHED}.",))
    return Cell(number(value / days_in(house.unit), 1, house.style), value)


def how_made(found: Placebo) -> list[str]:
    """What was taken from the study's files, and what was assumed."""
    sizes = ", ".join(f"{n} {arm}" for arm, n in zip(found.arms, found.observed_sizes, strict=True))
    words = [
        "Patients enter when the file's patients did and keep their baseline values; the study's own criteria, "
        "groups, clock and analysis are applied to the invented records.",
        "The rate of the next line depends on the line, the time in it and the calendar; the rate of death on the "
        f"line. Both are fitted to the file. All lines of a patient share a Gamma frailty of variance "
        f"{found.frailty:g}, which is assumed.",
        "Every line is given what was given about that time after the same drugs, and nothing that was not given "
        "yet. No rate depends on what is given: in these worlds no treatment does anything.",
        f"Each world has the study's own sizes ({sizes}); first seed {found.seed}.",
        "Covariates play no part in the rates: a world with confounding by patients' characteristics is not tried.",
    ]
    if found.selected:
        words.insert(
            3,
            "The file holds only patients who pass the study's criteria. So candidates were invented who do not "
            f"pass, and left out: {found.share:.2f} patients of the file for each candidate. The rates were moved "
            "until those who pass look as the file does. What happens to those who never pass cannot be seen in "
            "these data.",
        )
    return words
