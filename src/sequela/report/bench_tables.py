"""From the bench's content to tables: cultures, rows left out, curves, comparisons, plates."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from sequela.core.wording import DASH, decimals, interval, number
from sequela.report.stars import in_words, stars
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from sequela.core.estimate import Estimate
    from sequela.estimates.experiments import Compared
    from sequela.report.bench_content import (
        Account,
        Comparisons,
        Contrasted,
        Curved,
        FittedCurve,
        Grown,
        Judged,
        Level,
        Who,
    )
    from sequela.report.content_tables import House

ADJUSTMENTS: Final = {
    "bonferroni": "Bonferroni",
    "holm": "Holm",
    "hochberg": "Hochberg",
    "bh": "Benjamini-Hochberg",
}


def value(estimate: Estimate, house: House) -> Cell:
    """`0.0125 (0.0101 to 0.0155)`; a missing number is a dash with its reason below."""
    if math.isnan(estimate.value):
        return Cell(DASH, notes=(f"{estimate.reason or 'no value'}.".capitalize(),))
    digits = _digits(estimate)
    text = number(estimate.value, digits, house.style)
    parts: tuple[tuple[str, float], ...] = ()
    if not math.isnan(estimate.lower):
        text += f" ({_limits(estimate, digits, house)})"
        parts = (("lower", estimate.lower), ("upper", estimate.upper))
    notes = (f"{estimate.reason}.".capitalize(),) if estimate.reason else ()
    return Cell(text, estimate.value, parts, notes)


def _digits(estimate: Estimate) -> int:
    """Decimals of a number: of its larger limit where its interval holds 0, since then its own digits say nothing."""
    if estimate.lower < 0 < estimate.upper and math.isfinite(estimate.upper - estimate.lower):
        return decimals(max(-estimate.lower, estimate.upper))
    return decimals(estimate.value)


def _limits(estimate: Estimate, digits: int, house: House) -> str:
    """`0.0101 to 0.0155`; a limit that the doses do not set is left open: `from 0.35`, `up to 0.13`."""
    if math.isinf(estimate.upper):
        return "open" if math.isinf(estimate.lower) else f"from {number(estimate.lower, digits, house.style)}"
    if math.isinf(estimate.lower):
        return f"up to {number(estimate.upper, digits, house.style)}"
    return interval(estimate.lower, estimate.upper, digits, house.style)


def micro(text: str) -> str:
    """Units as they are printed: ug/ml and uM with a Greek letter."""
    return re.sub(r"(?<![A-Za-z])u(?=(?:g|l|m|M)\b)", "µ", text)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def plain(x: float, house: House) -> Cell:
    """A number with three significant digits, or a dash."""
    return Cell(DASH) if math.isnan(x) else Cell(number(x, decimals(x), house.style), x)


def cultures(who: tuple[Who, ...], house: House) -> Table:
    """Who was read: what each culture lived through."""
    columns = (Column("Cell line", align="left"), Column("Lived through", align="left"))
    rows = tuple(Row(one.label, (Cell(one.line or DASH), Cell(micro(one.history)))) for one in who)
    return Table("cultures", "", "Cultures", columns, rows, (), house.banner, "Culture")


def readings(who: tuple[Who, ...], house: House) -> Table:
    """How often each assay read each culture: independent experiments, and usable wells, lanes, fields or cells."""
    rows: list[Row] = []
    for assay, *_ in who[0].read if who else ():
        found = [(one.label, read) for one in who for read in one.read if read[0] == assay and read[2]]
        rows.append(Row(assay, kind="group"))
        rows += [
            Row(label, (Cell(str(n), n), Cell(f"{used:,}", used)), indent=1) for label, (_, n, used) in found
        ]
        rows += [] if found else [Row("nothing usable", (Cell("0", 0), Cell("0", 0)), indent=1, kind="muted")]
    notes = ("n is experiments: independent repeats. Readings: usable wells, lanes, cells or counts.",)
    columns = (Column("Experiments"), Column("Readings"))
    return Table("readings", "", "What was read", columns, tuple(rows), notes, house.banner, "Assay")


def accounts(found: tuple[Account, ...], house: House) -> Table:
    """What became of every row of every assay."""
    rows: list[Row] = []
    for one in found:
        rows.append(Row(f"{one.assay}: rows read", (Cell(f"{one.read:,}", one.read),)))
        rows += [Row(reason, (Cell(f"{n:,}", n),), indent=1, kind="muted") for reason, n in one.left_out]
        rows.append(Row("used", (Cell(f"{one.used:,}", one.used),), indent=1))
    notes = ("Each row that is not used: data/ASSAY.csv, column `unused`.",)
    return Table("rows", "", "What became of every row", (Column("Rows"),), tuple(rows), notes, house.banner)


def levels(content: Contrasted | Grown, house: House, banner: str | None) -> Table:
    """Mean and SD of experiments by culture, with the comparison beside them."""
    by_name = {one.condition: one for one in content.comparisons.recommended}
    paper = {one.condition: one for one in content.comparisons.paper}
    keys = list(content.comparisons.labels)
    rows = [
        Row(level.label, _level(level, by_name.get(key), paper.get(key), content.comparisons, house))
        for key, level in zip(keys, content.levels, strict=True)
    ]
    unit = f" ({content.rate_unit})" if content.rate_unit else ""
    columns = (Column("n\n(readings)"), Column(f"Mean (SD){unit}"), *_columns(content.comparisons))
    notes = (*_words(content.comparisons, content.small), *content.notes)
    return Table(
        content.heading.id, "", content.heading.title, columns, tuple(rows), notes, banner, "Culture"
    )


def _level(
    level: Level, one: Compared | None, paper: Compared | None, told: Comparisons, house: House
) -> tuple[Cell, ...]:
    digits = min(3, max(decimals(level.mean), 2 if math.isnan(level.sd) else decimals(level.sd)))
    mean = Cell(
        f"{number(level.mean, digits, house.style)} ({number(level.sd, digits, house.style)})",
        level.mean,
        () if math.isnan(level.sd) else (("sd", level.sd),),
    )
    counts = Cell(f"{level.experiments} ({level.wells})", level.experiments, (("wells", level.wells),))
    return (counts, mean, *_compared(one, paper, told, house))


def _columns(told: Comparisons) -> tuple[Column, ...]:
    name = f"Recommended: {told.recommended[0].effect.method}" if told.recommended else "Recommended"
    found = [
        Column(f"{_effect(told)} (95% CI)", name),
        Column("p", name),
        Column("p adjusted", name),
        Column("Stars", name),
    ]
    if told.paper:
        of = {"/": "ratios", "−": "differences"}
        signs = [
            next((sign for sign in of if sign in one[0].effect.name), "")
            for one in (told.recommended, told.paper)
        ]
        other = f" of {of[signs[1]]}" if signs[0] != signs[1] and signs[1] else ""
        paper = f"As in a paper: {told.paper[0].effect.method}{other}"
        found += [Column("p", paper), Column("Stars", paper)]
    return tuple(found)


def _effect(told: Comparisons) -> str:
    return "Ratio" if any("/" in one.effect.name for one in told.recommended) else "Difference"


def _compared(
    one: Compared | None, paper: Compared | None, told: Comparisons, house: House
) -> tuple[Cell, ...]:
    if one is None:
        return (Cell("reference"), *([Cell("")] * (5 if told.paper else 3)))
    known = not math.isnan(one.effect.p)
    notes = (
        ()
        if math.isnan(one.least_p)
        else (f"The smallest p that {one.n[0]} experiments can reach is {one.least_p:.3g}.",)
    )
    cells = [value(one.effect, house), Cell(house.p(one.effect.p).text, one.effect.p if known else None, notes=notes),
             house.p(one.adjusted) if known else Cell(DASH), Cell(stars(one.adjusted, told.scheme))]  # fmt: skip
    if paper is not None:
        reason = (f"{paper.effect.reason}.".capitalize(),) if paper.effect.reason else ()
        fine = not math.isnan(paper.effect.p)
        cells += [Cell(house.p(paper.effect.p).text, paper.effect.p if fine else None, notes=reason),
                  Cell(stars(paper.effect.p, told.scheme))]  # fmt: skip
    return tuple(cells)


def _words(told: Comparisons, small: str = "wells") -> tuple[str, ...]:
    """The notes that every comparison carries."""
    found = [f"n is experiments: the {small} of one experiment are one value."]
    if told.recommended:
        found.append(adjusted_in_words(told))
    if told.scheme != "none":
        found.append(
            f"Stars: {in_words(told.scheme)}; of the recommended test for the adjusted p, of a paper's for the raw one."
        )
    if told.overall is not None:
        found.append(f"All together: {told.overall}.")
    return tuple(found)


def adjusted_in_words(told: Comparisons) -> str:
    """How the p-values are adjusted, as a sentence."""
    n = len(told.recommended)
    if n < 2 or told.adjustment == "none":
        return "One comparison: its p is not adjusted." if n < 2 else f"Not adjusted for {n} comparisons."
    return f"Adjusted for {n} comparisons ({ADJUSTMENTS.get(told.adjustment, told.adjustment)})."


def curves(content: Curved, house: House, banner: str | None) -> Table:
    """What is read off each culture's curve."""
    names = [name for name, _ in content.rows[0].numbers] if content.rows else []
    rows = [
        Row(
            row.label,
            (
                Cell(f"{row.experiments or DASH} ({row.wells})", row.experiments, (("wells", row.wells),)),
                *(value(estimate, house) for _, estimate in row.numbers),
            ),
            notes=tuple(_sentence(note) for note in row.notes),
        )
        for row in content.rows
    ]
    columns = (Column("n\n(wells)"), *(Column(f"{micro(name)}\n(95% CI)") for name in names))
    return Table(
        content.heading.id, "", content.heading.title, columns, tuple(rows), content.notes, banner, "Culture"
    )


def comparison(content: Curved, house: House, banner: str | None) -> Table:
    """The quantity of every curve against the reference's."""
    told = content.comparisons
    paper = {one.condition: one for one in told.paper}
    rows = [
        Row(told.labels[one.condition],
            (Cell(" / ".join(map(str, one.n)), one.n[0]), *_compared(one, paper.get(one.condition), told, house)))
        for one in told.recommended
    ]  # fmt: skip
    columns = (Column("Experiments, and of the reference"), *_columns(told))
    return Table(
        f"{content.heading.id}-compared", "", f"{content.heading.title}: {told.quantity} compared", columns,
        tuple(rows), _words(told), banner, "Culture",
    )  # fmt: skip


def fitted(content: Curved, house: House, banner: str | None) -> Table:
    """Every curve: its free parameters with the intervals asked for, and how well it fits."""
    first = content.fitted[0].parameters
    held = [(name, estimate) for name, estimate in first if estimate.method == "held"]
    names = [name for name, estimate in first if estimate.method != "held"]
    rows = [
        Row(
            f"{one.label}, {one.experiment}" if one.experiment else one.label,
            (
                *(value(estimate, house) for name, estimate in one.parameters if name in names),
                _fit_of(one, house),
            ),
            notes=tuple(_sentence(note) for note in one.notes),
        )
        for one in content.fitted
    ]
    method = next((e.method for one in content.fitted for _, e in one.parameters if e.method != "held"), "")
    columns = (*(Column(f"{name}\n(95% CI)") for name in names), Column("R²\n(residual SD)"))
    notes = (
        f"Intervals of one curve ({method}) cover its wells, not repeats of the experiment. R² and residual SD are of "
        "wells; a lack of fit (F test against the dose means, p in the CSV) is noted below 0.01.",
        *(f"Held: {name} = {estimate.value:g}." for name, estimate in held),
    )
    return Table(
        f"{content.heading.id}-parameters", "", f"{content.heading.title}: every experiment's curve", columns,
        tuple(rows), notes, banner, "Culture, experiment",
    )  # fmt: skip


def _fit_of(one: FittedCurve, house: House) -> Cell:
    if math.isnan(one.r_squared):
        return Cell(DASH)
    shown = f"{number(one.r_squared, 2, house.style)}"
    if math.isnan(one.residual_sd):
        return Cell(shown, one.r_squared)
    lack = () if math.isnan(one.lack_of_fit) else (("lack of fit p", one.lack_of_fit),)
    spread = number(one.residual_sd, max(2, decimals(one.residual_sd) - 1), house.style)
    parts = (("residual sd", one.residual_sd), ("wells", one.wells), *lack)
    return Cell(f"{shown} ({spread})", one.r_squared, parts)


def curve_tests(content: Curved, house: House, banner: str | None) -> Table:
    """Tests of whole curves; F tests of wells with their warning and without stars."""
    rows = [
        Row(
            one.label,
            (
                Cell(one.test),
                Cell(DASH) if one.effect is None else value(one.effect, house),
                Cell(one.n),
                Cell(one.statistic or DASH),
                Cell(house.p(one.p).text, None if math.isnan(one.p) else one.p),
                house.p(one.adjusted) if not math.isnan(one.adjusted) else Cell(DASH),
            ),
            notes=(_sentence(one.warning),) if one.warning else (),
        )
        for one in content.tested
    ]
    columns = (
        Column("Test", align="left"), Column("Ratio or difference\n(95% CI)"), Column("Of"), Column("Statistic"),
        Column("p"), Column("p adjusted"),
    )  # fmt: skip
    notes = (
        f"Against {next(iter(content.comparisons.labels.values()), 'the reference')}. The mixed model holds all wells "
        "of all experiments with random effects of the experiment and of each curve. Extra sum of squares takes every "
        "well for a repeat: no stars are drawn. Beside parallelism stands the relative potency of parallel curves.",
    )
    return Table(
        f"{content.heading.id}-curve-tests", "", f"{content.heading.title}: whole curves compared", columns,
        tuple(rows), notes, banner, "Culture",
    )  # fmt: skip


def plates(content: Judged, house: House, banner: str | None) -> Table:
    """Every plate with the numbers that judge it."""

    def share(x: float) -> Cell:
        return Cell(DASH) if math.isnan(x) else Cell(f"{number(100 * x, 0, house.style)}%", x)

    rows = [
        Row(
            one.plate + ("" if one.hours is None else f", {one.hours:g} h"),
            (
                Cell(one.experiment or DASH),
                Cell(str(one.wells), one.wells),
                Cell(f"{one.controls} / {one.blanks}", one.controls),
                plain(one.z_prime, house),
                *map(share, (one.cv, one.edge, one.rows, one.columns)),
            ),
        )
        for one in content.plates
    ]
    columns = (
        Column("Experiment", align="left"), Column("Wells"), Column("Controls / blanks"), Column("Z'"),
        Column("CV of controls"), Column("Edge"), Column("Over rows"), Column("Over columns"),
    )  # fmt: skip
    notes = (
        "Z' = 1 − 3 (sd + sd) / |mean − mean| of controls and blanks. Edge: outer against inner wells; over rows and "
        "columns: the fitted change from the first to the last; of each well's signal against the median of the "
        "wells that hold the same.",
    )
    return Table(content.heading.id, "", content.heading.title, columns, tuple(rows), notes, banner, "Plate")
