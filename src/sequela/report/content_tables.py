"""From content to tables: one function per kind of analysis, each returns the tables it prints."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sequela.core.units import Unit, days_in
from sequela.core.wording import DASH, STYLES, Few, Style, interval, number, p_value, percent
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.core.estimate import Estimate, Test
    from sequela.report.content import (
        Agreed,
        Correction,
        Described,
        Heading,
        LinesGiven,
        MedianTable,
        Numeric,
        PrintedTable,
        Regression,
        Selected,
        Survival,
        Term,
        Variable,
    )


NOT_REACHED = "NR, not reached"


@dataclass(frozen=True, slots=True)
class House:
    """What all tables and figures of one report share: house style, unit of time, banner."""

    style: Style
    unit: Unit
    banner: str | None

    @classmethod
    def of(cls, style: str, unit: Unit, banner: str | None) -> House:
        """The house of a report's settings."""
        return cls(STYLES[style], unit, banner)

    def p(self, p: float | None) -> Cell:
        """A p-value, or an empty cell."""
        return Cell("") if p is None else Cell(p_value(p, self.style), p)

    def test(self, test: Test | None) -> Cell:
        """The p-value of a test, or a dash with the reason."""
        if test is None:
            return Cell("")
        return Cell(DASH, notes=(f"No test: {test.reason}.",)) if test.reason else self.p(test.p)

    def time(self, estimate: Estimate, digits: int = 1) -> Cell:
        """A time in days as `45.0 (43.2 to 48.8)` in the report's unit; NR is not reached."""
        scale = days_in(self.unit)
        known = not math.isnan(estimate.value)
        if not known and not math.isfinite(estimate.lower):
            return Cell("NR" if estimate.reason == "median not reached" else estimate.reason or DASH)
        limits = [self._limit(limit / scale, digits) for limit in (estimate.lower, estimate.upper)]
        value = number(estimate.value / scale, digits, self.style) if known else "NR"
        text = f"{value} ({limits[0]}{self.style.interval}{limits[1]})"
        parts = (("lower", estimate.lower / scale), ("upper", estimate.upper / scale))
        return Cell(text, estimate.value / scale if known else None, parts)

    def _limit(self, limit: float, digits: int) -> str:
        return number(limit, digits, self.style) if math.isfinite(limit) else "NR" if limit > 0 else DASH

    def ratio(self, estimate: Estimate | None) -> Cell:
        """A hazard ratio as `1.79 (1.23 to 2.61)`."""
        if estimate is None:
            return Cell("")
        if math.isnan(estimate.value):
            return Cell(DASH, notes=(f"{estimate.name}: {estimate.reason}.",))
        text = f"{number(estimate.value, 2, self.style)} ({interval(estimate.lower, estimate.upper, 2, self.style)})"
        return Cell(text, estimate.value, (("lower", estimate.lower), ("upper", estimate.upper)))

    def share(self, count: int, whole: int) -> Cell:
        """A count with its percentage; one that is only known to be small has none."""
        if isinstance(count, Few):
            return Cell(str(count))
        return Cell(
            f"{count} ({percent(count, whole, 1, self.style)})" if whole else str(count),
            count,
            (("percent", 100 * count / whole),) if whole else (),
        )

    def table(
        self,
        heading: Heading,
        columns: Sequence[Column],
        rows: Sequence[Row],
        notes: Sequence[str] = (),
        *,
        stub: str = "",
        suffix: str = "",
    ) -> Table:
        """A table under an analysis' heading."""
        said = f"Population: {heading.population}." if heading.population else ""
        name = f"{heading.id}-{suffix}" if suffix else heading.id
        return Table(
            name,
            heading.number,
            heading.title,
            tuple(columns),
            tuple(rows),
            tuple(note for note in (said, *notes) if note),
            self.banner,
            stub,
        )


def sized(label: str, n: int) -> str:
    """A column label with its size on a second line."""
    return f"{label}\n(n = {n})"


def attrition(steps: Sequence[Selected], house: House) -> Table:
    """Patients before and after every criterion."""
    rows = [
        Row(
            step.name,
            (
                Cell(str(step.before), step.before),
                Cell(str(step.failed), step.failed),
                Cell(str(step.undecided), step.undecided),
                Cell(str(step.kept), step.kept),
            ),
        )
        for step in steps
    ]
    columns = [Column("Before"), Column("Not met"), Column("Undecided"), Column("Kept")]
    notes = ("Undecided: a value that the criterion needs is missing.",)
    return Table(
        "attrition", "", "Selection of patients", tuple(columns), tuple(rows), notes, house.banner, "Step"
    )


_METHODS = {"Pearson": "Pearson's chi-square without continuity correction", "Fisher": "Fisher's exact test"}


def described(content: Described, house: House) -> Table:
    """Characteristics: counts and percentages, or medians, by group."""
    tested = any(variable.test for variable in content.variables)
    columns = [Column(sized(group, n)) for group, n in zip(content.groups, content.sizes, strict=True)]
    columns += [Column("p value")] if tested else []
    rows = [row for variable in content.variables for row in _variable(variable, house, tested=tested)]
    notes = ["Data are n (%) or the summary named. Percentages are of patients with a known value."]
    methods = sorted(
        {variable.test.method for variable in content.variables if variable.test and not variable.test.reason}
    )
    if methods:
        notes.append(f"p values: {'; '.join(methods)}; missing values left out.")
    return house.table(content.heading, columns, rows, notes, stub="Characteristic")


def _variable(variable: Variable, house: House, *, tested: bool) -> list[Row]:
    p = (house.test(variable.test),) if tested else ()
    blank = (Cell(""),) if tested else ()
    unknown = (
        [Row("Unknown", (*(Cell(str(n), n) for n in variable.unknown), *blank), 1, "muted")]
        if any(variable.unknown)
        else []
    )
    if variable.numeric:
        words = {"median_iqr": "median (IQR)", "median_range": "median (range)", "mean_sd": "mean (SD)"}[
            variable.summary
        ]
        cells = tuple(_summary(numeric, variable, house) for numeric in variable.numeric)
        return [Row(f"{variable.label}, {words}", (*cells, *p), 0, "group", variable.notes), *unknown]
    width = len(variable.unknown)
    known = [sum(level.counts[i] for level in variable.levels) for i in range(width)]
    head = Row(variable.label, (*(Cell("") for _ in range(width)), *p), 0, "group", variable.notes)
    levels = [
        Row(level.label, (*(house.share(n, known[i]) for i, n in enumerate(level.counts)), *blank), 1)
        for level in variable.levels
    ]
    return [head, *levels, *unknown]


def _summary(numeric: Numeric, variable: Variable, house: House) -> Cell:
    if not numeric.n:
        return Cell(DASH)
    first, pair = (
        (numeric.mean, None)
        if variable.summary == "mean_sd"
        else (numeric.median, numeric.quartiles if variable.summary == "median_iqr" else numeric.range)
    )
    text = number(first, variable.digits, house.style)
    inside = (
        number(numeric.sd, variable.digits, house.style)
        if pair is None
        else f"{number(pair[0], variable.digits, house.style)}–{number(pair[1], variable.digits, house.style)}"
    )
    return Cell(f"{text} ({inside})", first)


def lines_given(content: LinesGiven, house: House) -> list[Table]:
    """Lines per patient, and the treatments of each line."""
    rows = [
        Row("none" if lines == 0 else str(lines), (house.share(n, content.patients),))
        for lines, n in content.per_patient
    ]
    per_patient = house.table(
        content.heading,
        [Column("Patients")],
        rows,
        [f"Rule set: {content.rules}."],
        stub="Lines of therapy",
        suffix="per-patient",
    )
    treatments: list[Row] = []
    for line in content.lines:
        treatments.append(Row(f"Line {line.number} (n = {line.patients})", (), 0, "group"))
        treatments += [Row(name, (house.share(n, line.patients),), 1) for name, n in line.treatments]
        if line.other:
            treatments.append(Row("Other", (house.share(line.other, line.patients),), 1, "muted"))
    notes = [f"Rule set: {content.rules}."]
    if content.share:
        notes.append("A line may hold several of the treatments; percentages are of patients with that line.")
    given = house.table(content.heading, [Column("Patients")], treatments, notes, stub="Treatment")
    return [replace(per_patient, number="", title="Lines of therapy per patient"), given]


def agreed(content: Agreed, house: House) -> list[Table]:
    """The square of counts with kappa, and the list of disagreements."""
    columns = [Column(label, "Derived") for label in content.labels] + [Column("Total")]
    rows = [
        Row(f"Charted: {label}", (*(Cell(str(n), n) for n in counts), Cell(str(sum(counts)), sum(counts))))
        for label, counts in zip(content.labels, content.counts, strict=True)
    ]
    total = sum(map(sum, content.counts))
    same = sum(content.counts[i][i] for i in range(len(content.labels)))
    left = "; ".join(f"{reason}: {n}" for reason, n in content.left_out)
    notes = [
        f"Agreement in {same} of {total} treatment rows ({percent(same, total, 1, house.style)}).",
        f"Cohen's kappa over rows {_kappa(content.kappa, house)}; "
        f"over patients (any later line) {_kappa(content.patients_kappa, house)}.",
        "Rows of one patient are not independent: the interval over rows is too narrow, the one over patients is not.",
        f"Not compared: {left}." if left else "",
    ]
    square = house.table(content.heading, columns, rows, notes, stub="Label")
    if content.disagreements is None:
        return [square]
    listed = [Row(row[0], tuple(Cell(text) for text in row[1:])) for row in content.disagreements]
    heads = [Column(name, align="left") for name in content.columns[1:]]
    errors = Table(
        f"{content.heading.id}-disagreements",
        "",
        "Rows on which the derived line and the charted label disagree",
        tuple(heads),
        tuple(listed),
        (f"{len(listed)} rows.",),
        house.banner,
        content.columns[0],
    )
    return [square, errors]


def _kappa(kappa: Estimate, house: House) -> str:
    if math.isnan(kappa.value):
        return f"{DASH} ({kappa.reason})"
    return (
        f"{number(kappa.value, 2, house.style)} (95% CI {interval(kappa.lower, kappa.upper, 2, house.style)})"
    )


def survival(content: Survival, house: House) -> Table:
    """Medians, follow-up and landmarks by group."""
    mark = house.unit
    columns = [
        Column("Patients"),
        Column("Events"),
        Column(f"Median, {mark}s\n(95% CI)"),
        *(Column(f"At {t:g} {mark}s, %\n(95% CI)") for t in content.landmarks),
        Column(f"Median follow-up, {mark}s\n(95% CI)"),
    ]
    rows = [
        Row(
            group.label,
            (
                Cell(str(group.curve.n), group.curve.n),
                Cell(f"{group.curve.events.sum():.0f}", float(group.curve.events.sum())),
                house.time(group.median),
                *(_percent(point, house) for point in group.landmarks),
                house.time(group.follow_up),
            ),
        )
        for group in content.groups
    ]
    notes = [
        f"Time from {content.origin}. Kaplan-Meier; interval log-transformed; median as R survfit; "
        f"median follow-up by reverse Kaplan-Meier; {NOT_REACHED}.",
        "Delayed entry: patients are at risk only from their entry." if content.delayed else "",
        f"{content.test.method}: p {p_words(content.test.p, house)}."
        if content.test and not content.test.reason
        else "",
        f"Hazard ratio {house.ratio(content.hazard_ratio).text}, {content.groups[1].label} against {content.reference}."
        if content.hazard_ratio
        else "",
        "Ends: " + "; ".join(f"{words} {n} ({kind})" for kind, words, n in content.ends) + "."
        if content.ends
        else "",
        "Without a time: " + "; ".join(f"{reason} {n}" for reason, n in content.unused) + "."
        if content.unused
        else "",
        content.note,
    ]
    head = replace(content.heading, number="", title=f"{content.heading.title}: medians and follow-up")
    return house.table(head, columns, rows, notes, stub="Group")


def p_words(p: float, house: House) -> str:
    """`= 0.003`, `< 0.0001`."""
    text = p_value(p, house.style)
    return f"{text[0]} {text[1:]}" if text[0] in "<>" else f"= {text}"


def _percent(point: Estimate, house: House) -> Cell:
    if math.isnan(point.value):
        return Cell(DASH, notes=(f"{point.reason}.",) if point.reason else ())
    limits = interval(100 * point.lower, 100 * point.upper, 1, house.style)
    text = f"{number(100 * point.value, 1, house.style)} ({limits})"
    return Cell(text, point.value, (("lower", point.lower), ("upper", point.upper)))


def regression(content: Regression, house: House) -> Table:
    """Univariate and multivariable hazard ratios."""
    columns = [
        Column("n"),
        Column("Events"),
        Column("HR (95% CI)", "Univariate"),
        Column("p value", "Univariate"),
        Column("HR (95% CI)", "Multivariable"),
        Column("p value", "Multivariable"),
    ]
    rows: list[Row] = []
    seen = ""
    for term in content.terms:
        if term.variable != seen:
            rows.append(Row(term.variable, (), 0, "group"))
            seen = term.variable
        rows.append(Row(term.level, _term_cells(term, house, entered=term.variable in content.entered), 1))
    test = content.likelihood_ratio
    notes = [
        f"Endpoint: {content.endpoint}. Cox model, {content.ties.capitalize()} ties.",
        f"Multivariable: {content.n} patients, {content.events} events"
        + (f", likelihood-ratio test p {p_words(test.p, house)}." if test and not test.reason else "."),
        *content.notes,
    ]
    return house.table(content.heading, columns, rows, notes, stub="Variable")


def _term_cells(term: Term, house: House, *, entered: bool) -> tuple[Cell, ...]:
    counts = (Cell(str(term.n), term.n), Cell(str(term.events), term.events))
    if term.reference:
        return (
            *counts,
            Cell("1 (reference)"),
            Cell(""),
            Cell("1 (reference)") if entered else Cell(""),
            Cell(""),
        )
    joint = (
        (house.ratio(term.multivariable), house.p(term.multivariable_p))
        if entered
        else (Cell("not entered"), Cell(""))
    )
    return (*counts, house.ratio(term.univariate), house.p(term.univariate_p), *joint)


def medians(content: MedianTable, house: House) -> Table:
    """Medians of several endpoints by group and stratum."""
    columns = [Column("n")]
    for endpoint in content.endpoints:
        columns += [Column(f"Median, {house.unit}s\n(95% CI)", endpoint), Column("p value", endpoint)]
    rows: list[Row] = []
    seen = ""
    for row in content.rows:
        if row.stratum != seen:
            rows.append(Row(row.stratum, (), 0, "group"))
            seen = row.stratum
            tests: tuple[Test | None, ...] = content.tests[row.stratum]
        else:
            tests = (None,) * len(content.endpoints)
        cells = [
            cell
            for estimate, test in zip(row.medians, tests, strict=True)
            for cell in (house.time(estimate, 0), house.test(test))
        ]
        rows.append(Row(row.label, (Cell(str(row.n), row.n), *cells), 1))
    notes = (
        f"Kaplan-Meier; interval log-transformed; {NOT_REACHED}. p values: log-rank over the sequence groups.",
    )
    return house.table(content.heading, columns, rows, notes, stub="Sequence")


def printed(content: PrintedTable, house: House) -> Table:
    """A paper's medians beside ours."""
    rows = [
        Row(
            f"{row.endpoint}: {row.group}",
            (
                Cell("NR" if row.printed is None else number(row.printed, 0, house.style), row.printed),
                house.time(row.ours),
            ),
        )
        for row in content.rows
    ]
    columns = [Column("Printed, months"), Column(f"Here, {house.unit}s\n(95% CI)")]
    return house.table(
        content.heading, columns, rows, (f"Printed: {content.source}. {NOT_REACHED}.",), stub="Median"
    )


def correction(content: Correction, house: House) -> Table:
    """The naive estimate beside the corrected ones."""
    columns = [
        Column("n"),
        Column("Events"),
        *(Column(f"{group}\nmedian, {house.unit}s (95% CI)") for group in content.groups),
        Column("HR (95% CI)"),
        Column("p value"),
    ]
    rows: list[Row] = []
    for row in content.rows:
        medians = tuple(house.time(median) for median in row.medians) or tuple(
            Cell("") for _ in content.groups
        )
        notes = (row.reason[0].upper() + row.reason[1:] + ".",) if row.reason else ()
        rows.append(
            Row(
                row.label,
                (
                    Cell(str(row.n), row.n),
                    Cell(str(row.events), row.events),
                    *medians,
                    house.ratio(row.hazard_ratio),
                    house.p(row.p),
                ),
                notes=notes,
            )
        )
    notes = [f"{content.endpoint}. Place in the analysis is settled at {content.settled}. {NOT_REACHED}."]
    if len(content.groups) == 2:
        notes.append(
            f"Hazard ratio: {content.groups[1]} against {content.groups[0]}; "
            "p: log-rank, or Wald where the model holds a time."
        )
    else:
        notes.append("p: log-rank over all groups.")
    return Table(
        content.heading.id,
        "",
        f"{content.endpoint}: as asked, and corrected",
        tuple(columns),
        tuple(rows),
        tuple(notes),
        house.banner,
        "Analysis",
    )
