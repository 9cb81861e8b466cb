"""The report of a study: which tables and figures, in which order, with which words between them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from sequela.core.wording import interval, number
from sequela.report import adjusted, disclosure
from sequela.report import content_figures as draw
from sequela.report import content_tables as tabulate
from sequela.report.content import (
    Adjusted,
    Agreed,
    Content,
    Correction,
    Described,
    Emulated,
    LinesGiven,
    MedianTable,
    PrintedTable,
    Regression,
    Selected,
    Survival,
    Variants,
)
from sequela.report.content_tables import House
from sequela.report.content_trials import emulated, emulated_curves
from sequela.report.document import (
    Block,
    Document,
    FigureBlock,
    FindingsList,
    KeyNumber,
    KeyNumbers,
    Note,
    Paragraph,
    Section,
    TableBlock,
    figure_block,
)
from sequela.report.estimands import estimands
from sequela.report.figures.figure import save
from sequela.report.variants import variant_forest, variant_tables

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.core.finding import Finding
    from sequela.report.figures.figure import Figure
    from sequela.report.tables import Table
    from sequela.study.model import Study


LONG, SHOWN = 40, 20


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One analysis as printed: its tables and figures."""

    title: str
    id: str
    number: str
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Everything a report shows, before it is written."""

    study: Study
    house: House
    attrition: Table
    flow: Figure
    parts: tuple[Part, ...]
    corrections: tuple[Part, ...]
    contents: tuple[Content, ...]
    steps: tuple[Selected, ...]
    corrected: tuple[Correction, ...]
    findings: tuple[Finding, ...]
    design: tuple[Finding, ...]
    left_out: tuple[tuple[str, int], ...]
    variants: tuple[Part, ...] = ()
    rules: Part | None = None
    unanswerable: str | None = None

    @classmethod
    def of(
        cls,
        study: Study,
        steps: tuple[Selected, ...],
        groups: tuple[tuple[str, int], ...],
        contents: tuple[Content, ...],
        corrected: tuple[Correction, ...],
        findings: tuple[Finding, ...],
        design: tuple[Finding, ...],
        left_out: tuple[tuple[str, int], ...],
        banner: str | None,
        unanswerable: str | None = None,
        variants: tuple[Variants, ...] = (),
        rules: Part | None = None,
    ) -> Pages:
        """Lay out the contents of a run.

        `unanswerable` says why the data cannot answer the question; `rules` holds the estimates under other rules of
        lines, where they are asked for.
        """
        house = House.of(study.report.style, study.report.time_unit, banner)
        smallest = study.report.smallest_cell
        if smallest:
            steps, groups = disclosure.selected(steps, smallest), disclosure.sizes(groups, smallest)
            contents = disclosure.release(contents, smallest, house.unit)
            corrected = disclosure.corrections(corrected, smallest)
            findings, left_out, variants, rules = (), (), (), None
        parts = tuple(_part(content, house) for content in contents)
        mended = tuple(_correction(content, house) for content in corrected)
        attrition = tabulate.attrition(steps, house)
        if not any(analysis.number for analysis in study.analyses):
            attrition, parts, mended = _numbered(attrition, parts, mended)
        chart = draw.selection(steps, groups, house)
        if smallest:
            attrition, chart = disclosure.table(attrition), disclosure.figure(chart)
            parts, mended = tuple(map(_released, parts)), tuple(map(_released, mended))
        return cls(
            study,
            house,
            attrition,
            chart,
            parts,
            mended,
            contents,
            steps,
            corrected,
            findings,
            design,
            left_out,
            tuple(_variants(content, house) for content in variants),
            rules,
            unanswerable,
        )

    @property
    def estimands(self) -> Table:
        """The endpoints with their estimands."""
        return estimands(self.study, self.house.banner)

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in reading order."""
        return (
            self.attrition,
            self.estimands,
            *(table for part in self._all_parts for table in part.tables),
        )

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure, in reading order."""
        return (self.flow, *(figure for part in self._all_parts for figure in part.figures))

    @property
    def _all_parts(self) -> tuple[Part, ...]:
        return (*self.parts, *self.corrections, *self.variants, *((self.rules,) if self.rules else ()))

    def document(self, directory: Path, record: dict[str, Any]) -> Document:
        """Save the figures under `directory` and lay out the page around them."""
        drawn = {figure.id: save(figure, directory / "figures") for figure in self.figures}
        sections = [
            Section("answer", "At a glance", self._first_page()),
            Section(
                "selection",
                "Selection of patients",
                (self._figure(self.flow, drawn, directory, self._flow_number), _table(self.attrition)),
            ),
            *(Section(part.id, part.title, self._part(part, drawn, directory)) for part in self.parts),
        ]
        if self._clocks:
            sections.append(
                Section("time-zero", "Can it be believed? Time zero", self._time_zero(drawn, directory))
            )
        if self.variants:
            sections.append(Section("variants", "What counts as an end?", self._counted(drawn, directory)))
        if self.rules:
            blocks = self._part(self.rules, drawn, directory)
            sections.append(Section(self.rules.id, self.rules.title, blocks))
        sections.append(Section("endpoints", "Endpoints and estimands", self._endpoints()))
        if not self.study.report.smallest_cell:
            sections.append(Section("data", "Data checks", self._checks()))
        sections.append(Section("methods", "How it was computed", self._methods(record)))
        about = self.study.study
        return Document(
            about.title,
            "Sequela report",
            about.question,
            self.house.banner,
            tuple(sections),
            (*self.findings, *self.design),
            _manifest(record),
        )

    @property
    def _clocks(self) -> tuple[Finding, ...]:
        """What the time-zero check found."""
        return tuple(finding for finding in self.design if finding.code.startswith("GT"))

    @property
    def _flow_number(self) -> str:
        return "Figure 1" if self.attrition.number else ""

    def _figure(
        self, figure: Figure, drawn: dict[str, dict[str, Path]], directory: Path, label: str = ""
    ) -> FigureBlock:
        return figure_block(figure, drawn[figure.id], label, directory)

    def _part(self, part: Part, drawn: dict[str, dict[str, Path]], directory: Path) -> tuple[Block, ...]:
        figures = [
            self._figure(figure, drawn, directory, part.number if part.number.startswith("Fig") else "")
            for figure in part.figures
        ]
        return (*figures, *map(_table, part.tables))

    def _first_page(self) -> tuple[Block, ...]:
        blocks: list[Block] = [Note("error", self.unanswerable)] if self.unanswerable else []
        smallest = self.study.report.smallest_cell
        if smallest:
            said = disclosure.statement(smallest, self.house.unit)
            blocks.append(Note("note", f"Counts are protected (k = {smallest})", said))
        blocks.append(KeyNumbers(self._key_numbers()))
        serious = [finding for finding in self.design if finding.severity == "error"]
        if serious:
            endpoints = dict.fromkeys(
                finding.where.field.split(".")[1] for finding in serious if finding.where.field
            )
            labels = ", ".join(self.study.endpoints[name].label for name in endpoints)
            blocks.append(
                Note(
                    "error",
                    "The design itself makes part of these results",
                    (
                        f"Patients or groups are chosen by what happens after the clock has started: {labels}. "
                        "Do not read the naive estimates of these endpoints as an effect of treatment; "
                        "the corrected ones stand beside them under “Time zero”."
                    ),
                )
            )
        mended = [
            part
            for content, part in zip(self.corrected, self.corrections, strict=True)
            if any(row.hazard_ratio for row in content.rows[1:])
        ]
        blocks.extend(_table(part.tables[0]) for part in mended[:1])
        blocks.extend(Paragraph(line) for line in self.study.study.attribution)
        return tuple(blocks)

    def _key_numbers(self) -> tuple[KeyNumber, ...]:
        """The cohort, then the hazard ratios whose clock starts in time, then the naive ones, said to be so."""
        first = KeyNumber(
            f"{self.steps[-1].kept:,}", "patients in the cohort", f"of {self.steps[0].kept:,} in the file"
        )
        early = {(content.endpoint, content.groups) for content in self.corrected}
        shown = [
            c
            for c in self.contents
            if isinstance(c, Survival) and c.hazard_ratio and not c.hazard_ratio.reason
        ]
        naive = {
            content.heading.id: (content.endpoint, tuple(group.label for group in content.groups)) in early
            for content in shown
        }
        ordered = sorted(shown, key=lambda content: naive[content.heading.id])
        return (first, *(self._ratio(content, naive=naive[content.heading.id]) for content in ordered[:3]))

    def _ratio(self, content: Survival, *, naive: bool) -> KeyNumber:
        ratio = content.hazard_ratio
        assert ratio is not None
        limits = interval(ratio.lower, ratio.upper, 2, self.house.style)
        against = f"95% CI {limits}; {content.groups[1].label} against {content.reference}"
        label = content.endpoint + (" (naive: clock starts too early)" if naive else "")
        return KeyNumber(f"HR {number(ratio.value, 2, self.house.style)}", label, against)

    def _counted(self, drawn: dict[str, dict[str, Path]], directory: Path) -> tuple[Block, ...]:
        said = Paragraph(
            "The end of a line can be counted in several ways: whether a stop for toxicity or a loss to follow-up is "
            "an event, and where observation is censored. Each endpoint of a line stands here beside the same endpoint "
            "counted in seven ways (V1 to V7). A conclusion that depends on the count is no conclusion about the drug."
        )
        return (said, *(block for part in self.variants for block in self._part(part, drawn, directory)))

    def _endpoints(self) -> tuple[Block, ...]:
        notes = tuple(finding for finding in self.design if finding.code == "A143")
        return (_table(self.estimands), *((FindingsList(notes),) if notes else ()))

    def _time_zero(self, drawn: dict[str, dict[str, Path]], directory: Path) -> tuple[Block, ...]:
        blocks: list[Block] = [
            Paragraph(
                "Every criterion, group and covariate is settled at some moment of a patient's history; "
                "every endpoint starts its clock at one. What is settled after the clock has started "
                "conditions on the future. This is read from the study file alone, before any data."
            ),
            FindingsList(self._clocks),
        ]
        for part in self.corrections:
            blocks.extend(self._part(part, drawn, directory))
        return tuple(blocks)

    def _checks(self) -> tuple[Block, ...]:
        counts = Counter((finding.code, finding.severity, finding.message) for finding in self.findings)
        rows = [
            tabulate.Row(f"{code}  {message}", (tabulate.Cell(severity), tabulate.Cell(str(n), n)))
            for (code, severity, message), n in sorted(counts.items())
        ]
        table = tabulate.Table(
            "findings",
            "",
            "Findings by rule",
            (tabulate.Column("Severity", align="left"), tabulate.Column("Rows")),
            tuple(rows),
            ("Every finding by patient and centre: checks.html.",),
            self.house.banner,
            "Rule",
        )
        unused = [tabulate.Row(reason, (tabulate.Cell(str(n), n),)) for reason, n in self.left_out]
        left = tabulate.Table(
            "left-out",
            "",
            "Treatment rows that make no line",
            (tabulate.Column("Rows"),),
            tuple(unused),
            ("Each row: data/treatments-without-a-line.csv.",),
            self.house.banner,
            "Reason",
        )
        blocks: list[Block] = [
            Paragraph(
                "Nothing is dropped in silence: every row that cannot be used is counted here and listed in the files."
            )
        ]
        blocks += [TableBlock(table)] if rows else [Note("ok", "No findings")]
        blocks += [TableBlock(left)] if unused else []
        return tuple(blocks)

    def _methods(self, record: dict[str, Any]) -> tuple[Block, ...]:
        return (
            Paragraph(
                f"Lines of therapy by the rule set {record['rules']}; drug names by the dictionary "
                f"{record['dictionary']['name']} {record['dictionary']['version']}."
            ),
            Paragraph(
                "Survival by Kaplan-Meier with Greenwood's variance and log-transformed 95% intervals; medians and "
                "their intervals by R survival's rule; median follow-up by reverse Kaplan-Meier; log-rank tests; Cox "
                "models with the ties named. Patients are at risk after their entry and up to their exit. A month is "
                "30.4375 days."
            ),
            Paragraph("p values are two-sided and not adjusted for the number of tests."),
        )


def _part(content: Content, house: House) -> Part:
    heading = content.heading
    figures: tuple[Figure, ...] = ()
    match content:
        case Described():
            tables = (tabulate.described(content, house),)
        case LinesGiven():
            tables, figures = (
                tuple(tabulate.lines_given(content, house)),
                (draw.lines_per_patient(content, house),),
            )
        case Agreed():
            tables, figures = tuple(tabulate.agreed(content, house)), (draw.agreement_square(content, house),)
        case Survival():
            tables, figures = (tabulate.survival(content, house),), (draw.curves(content, house),)
        case Regression():
            extra = adjusted.e_values(content, house)
            tables = (tabulate.regression(content, house), *((extra,) if extra is not None else ()))
            figures = (draw.hazard_ratios(content, house),)
        case MedianTable():
            tables = (tabulate.medians(content, house),)
        case PrintedTable():
            tables = (tabulate.printed(content, house),)
        case Emulated():
            tables = (emulated(content, house),)
            figures = () if content.trial.reason else (emulated_curves(content, house),)
        case Adjusted():
            tables, figures = adjusted.tables(content, house), adjusted.figures(content, house)
    return Part(heading.title, heading.id, heading.number, tables, figures)


def _released(part: Part) -> Part:
    tables, figures = tuple(map(disclosure.table, part.tables)), tuple(map(disclosure.figure, part.figures))
    return replace(part, tables=tables, figures=figures)


def _correction(content: Correction, house: House) -> Part:
    figures = (
        (draw.naive_and_corrected(content, house),) if any(row.hazard_ratio for row in content.rows) else ()
    )
    return Part(
        content.heading.title, content.heading.id, "", (tabulate.correction(content, house),), figures
    )


def _variants(content: Variants, house: House) -> Part:
    figure = variant_forest(content, house)
    heading = content.heading
    figures = () if figure is None else (figure,)
    return Part(heading.title, heading.id, "", variant_tables(content, house), figures)


def _numbered(
    attrition: Table, parts: tuple[Part, ...], corrections: tuple[Part, ...]
) -> tuple[Table, tuple[Part, ...], tuple[Part, ...]]:
    """Tables and figures numbered in reading order, where the study numbers none itself; the flow is Figure 1."""
    tables, figures = count(2), count(2)

    def number(part: Part) -> Part:
        labelled = tuple(replace(table, number=f"Table {next(tables)}") for table in part.tables)
        return replace(part, tables=labelled, number=f"Figure {next(figures)}" if part.figures else "")

    both = [tuple(map(number, group)) for group in (parts, corrections)]
    return replace(attrition, number="Table 1"), both[0], both[1]


def _table(table: Table) -> TableBlock:
    """A long list is shown in part; its files hold all of it."""
    if len(table.rows) > LONG and not any(row.kind == "group" for row in table.rows):
        note = f"The first {SHOWN} of {len(table.rows)} rows; the files hold all."
        table = replace(table, rows=table.rows[:SHOWN], notes=(*table.notes, note))
    return TableBlock(table, (("CSV", f"tables/{table.id}.csv"), ("HTML", f"tables/{table.id}.html")))


def _manifest(record: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    lines = [
        ("Sequela", str(record["sequela"])),
        ("Made", str(record["made"])),
        ("Study file", f"sha256 {record['study']['sha256'][:16]}"),
        ("Rule set", str(record["rules"])),
    ]
    for name, source in record["inputs"].items():
        lines += [
            (f"Input {name}", f"{source['rows']} rows, {file}, sha256 {sha[:16]}")
            for file, sha in source["files"].items()
        ]
    lines.append(("Versions", ", ".join(f"{name} {value}" for name, value in record["libraries"].items())))
    return tuple(lines)
