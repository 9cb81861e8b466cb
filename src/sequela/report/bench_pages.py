"""The report of a bench study: which tables and figures, in which order, with which words between them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from sequela.core.wording import decimals, interval, number, p_phrase
from sequela.report import bench_tables as tabulate
from sequela.report import biopsy_tables, image_tables
from sequela.report.bench_content import (
    Account,
    BenchContent,
    Comparisons,
    Contrasted,
    Curved,
    Grown,
    Judged,
    Who,
)
from sequela.report.content_tables import House
from sequela.report.document import (
    Block,
    Document,
    FindingsList,
    KeyNumber,
    KeyNumbers,
    Note,
    Paragraph,
    Section,
    TableBlock,
    figure_block,
)
from sequela.report.figures.biopsy_pairs import biopsy_figure
from sequela.report.figures.blot_figure import blot_figure
from sequela.report.figures.dose_curves import dose_curves
from sequela.report.figures.figure import save
from sequela.report.figures.growth_curves import growth_curves
from sequela.report.figures.montage import montage
from sequela.report.figures.plate import plate_maps
from sequela.report.figures.superplot import superplot
from sequela.report.image_content import Biopsied, Blotted, Pictured
from sequela.report.stars import in_words

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.core.finding import Finding
    from sequela.report.figures.figure import Figure
    from sequela.report.tables import Table
    from sequela.study.model import Study

PLATES = 8  # a figure
BLOTS = 9  # a figure
COMPARED = (Curved, Contrasted, Grown)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One analysis as printed."""

    id: str
    title: str
    number: str
    words: str
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BenchPages:
    """Everything the report of a bench study shows, before it is written."""

    study: Study
    house: House
    cultures: tuple[Table, ...]
    rows: Table
    parts: tuple[Part, ...]
    contents: tuple[BenchContent, ...]
    findings: tuple[Finding, ...]
    design: tuple[Finding, ...] = ()

    @classmethod
    def of(
        cls,
        study: Study,
        who: tuple[Who, ...],
        accounts: tuple[Account, ...],
        contents: tuple[BenchContent, ...],
        findings: tuple[Finding, ...],
        banner: str | None,
        warning: str,
    ) -> BenchPages:
        """Lay out the contents of a run; `banner` stands on every page, `warning` on what is simulated in part."""
        house = House.of(study.report.style, study.report.time_unit, banner)
        tables, figures = count(1), count(1)
        told = (tabulate.cultures(who, house), tabulate.readings(who, house)) if who else ()
        cultures = tuple(replace(table, number=f"Table {next(tables)}") for table in told)
        parts = tuple(
            _numbered(
                _part(content, house, banner or (warning if content.simulated else None)), tables, figures
            )
            for content in contents
        )
        return cls(study, house, cultures, tabulate.accounts(accounts, house), parts, contents, findings)

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in reading order."""
        return (*self.cultures, self.rows, *(table for part in self.parts for table in part.tables))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure, in reading order."""
        return tuple(figure for part in self.parts for figure in part.figures)

    def document(self, directory: Path, record: dict[str, Any]) -> Document:
        """Save the figures under `directory` and lay out the page around them."""
        drawn = {figure.id: save(figure, directory / "figures") for figure in self.figures}
        about = self.study.study
        sections = [Section("answer", "At a glance", self._first_page())]
        if self.cultures:
            about_them = tuple(map(_table, self.cultures))
            sections.append(Section("cultures", "Cultures and what they lived through", about_them))
        for part in self.parts:
            blocks: list[Block] = [Paragraph(part.words)] if part.words else []
            numbers = _numbers_of(part)
            for figure, label in zip(part.figures, numbers, strict=True):
                blocks.append(figure_block(figure, drawn[figure.id], label, directory))
            sections.append(Section(part.id, part.title, (*blocks, *map(_table, part.tables))))
        sections.append(Section("data", "Data checks", (*self._checks(), _table(self.rows))))
        sections.append(Section("methods", "How it was computed", self._methods()))
        return Document(
            about.title, "Sequela report: the bench", about.question, self.house.banner, tuple(sections),
            self.findings, _manifest(record),
        )  # fmt: skip

    def _first_page(self) -> tuple[Block, ...]:
        shown = [c for c in self.contents if isinstance(c, COMPARED) and c.comparisons.recommended]
        numbers = [_key(one.comparisons, i, _title(one), self.house) for one in shown[:3]
                   for i in range(len(one.comparisons.recommended))][:4]  # fmt: skip
        blocks: list[Block] = [KeyNumbers(tuple(numbers))] if numbers else []
        unnamed = [finding.message for finding in self.findings if finding.code == "B211"]
        if unnamed:
            words = "Wells and cells are no repeats: no test was made of these, and no star is drawn. "
            blocks.append(
                Note(
                    "warning",
                    "Experiments are not named",
                    words + " ".join(f"{one[:1].upper()}{one[1:]}." for one in unnamed),
                )
            )
        invented = [c.heading.title for c in self.contents if c.simulated]
        if invented and not self.house.banner:
            blocks.append(
                Note("warning", "Simulated in part", "Invented measurements: " + "; ".join(invented) + ".")
            )
        blocks += [Paragraph(line) for line in self.study.study.attribution]
        return tuple(blocks)

    def _checks(self) -> tuple[Block, ...]:
        serious = tuple(finding for finding in self.findings if finding.severity != "note")[:20]
        counts = Counter((finding.code, finding.severity) for finding in self.findings)
        words = ", ".join(f"{code} {n} {severity}" for (code, severity), n in sorted(counts.items()))
        opening = "Nothing is dropped in silence: each row that cannot be used is counted here and listed in the files."
        blocks: list[Block] = [Paragraph(opening)]
        if words:
            blocks.append(Paragraph(f"Findings: {words}; all of them with their places: checks.html."))
        blocks.append(FindingsList(serious))
        return tuple(blocks)

    def _methods(self) -> tuple[Block, ...]:
        return (
            Paragraph(
                "Viability is the signal less the mean of the plate's blanks, relative to the median of the untreated "
                "wells of the same culture on the same plate. Curves are bounded least-squares fits, one an "
                "experiment, whose parameters have profile-likelihood intervals unless their table says otherwise; "
                "doses read off them are summarised over experiments on the log scale. Growth is the slope of the "
                "logarithm of counts, one an experiment."
            ),
            Paragraph(
                "**n is experiments, not wells.** Wells of one experiment share a day, a passage and a pipette; "
                "they are averaged before anything is tested. Tests are two-sided. Where a paper's test is asked "
                "for, it stands beside the recommended one, both in data/ID-tests.json."
            ),
        )


def _title(content: Curved | Contrasted | Grown) -> str:
    return content.heading.title + (" (simulated)" if content.simulated else "")


def _key(told: Comparisons, place: int, title: str, house: House) -> KeyNumber:
    one = told.recommended[place]
    label = f"{title}, {told.quantity}: {told.labels[one.condition]} against {told.labels[one.reference]}"
    if math.isnan(one.effect.value):
        return KeyNumber("–", label, one.effect.reason or "")
    digits = decimals(one.effect.value)
    detail = f"n = {one.n[0]}"
    if not math.isnan(one.effect.lower):
        detail = f"95% CI {interval(one.effect.lower, one.effect.upper, digits, house.style)}; {detail}"
    if not math.isnan(one.adjusted):
        detail += f"; {p_phrase(one.adjusted, house.style)} (adjusted)"
    sign = "×" if "/" in one.effect.name else ""
    return KeyNumber(sign + number(one.effect.value, digits, house.style), label, detail)


def _part(content: BenchContent, house: House, banner: str | None) -> Part:
    heading = content.heading
    match content:
        case Curved():
            tables = [tabulate.curves(content, house, banner)]
            if content.comparisons.recommended:
                tables.append(tabulate.comparison(content, house, banner))
            if content.tested:
                tables.append(tabulate.curve_tests(content, house, banner))
            if content.fitted:
                tables.append(tabulate.fitted(content, house, banner))
            unit = f" ({content.dose_unit})" if content.dose_unit else ""
            figures = [
                dose_curves(content.curves, id=heading.id, title=heading.title, x_label=f"Dose{tabulate.micro(unit)}",
                            y_label=content.response, banner=banner)
            ]  # fmt: skip
        case Contrasted():
            tables = [tabulate.levels(content, house, banner)]
            unit = tabulate.micro(f" ({content.unit})") if content.unit else ""
            figures = [superplot(content.groups, id=heading.id, title=heading.title, banner=banner,
                                 y_label=content.response + unit, note=_note(content.comparisons),
                                 small=content.small)]  # fmt: skip
        case Grown():
            tables = [tabulate.levels(content, house, banner)]
            unit = content.unit or "Count"
            figures = [
                growth_curves(content.curves, id=heading.id, title=heading.title, y_label=unit, banner=banner)
            ]
        case Judged():
            tables = [tabulate.plates(content, house, banner)]
            figures = [
                plate_maps(content.maps[start : start + PLATES], title=heading.title, unit=content.unit, banner=banner,
                           id=heading.id + (f"-{start // PLATES + 1}" if len(content.maps) > PLATES else ""))
                for start in range(0, len(content.maps), PLATES)
            ]  # fmt: skip
        case Blotted():
            tables, figures = _blots(content, house, banner)
        case Pictured():
            tables = [image_tables.located(content, house, banner)] if content.located else []
            figures = [montage(content.fields, content.groups, id=heading.id, title=heading.title, banner=banner,
                               target=content.target, nuclear=content.nuclear, y_label=content.response,
                               pixel_um=content.pixel_um, note=" ".join(content.notes))]  # fmt: skip
        case Biopsied():
            tables = biopsy_tables.all_tables(content, house, banner)
            figures = [biopsy_figure(content.slopes, content.slides, id=heading.id, title=heading.title, banner=banner,
                                     note=" ".join(content.notes), pixel_um=content.pixel_um)]  # fmt: skip
    words = _opened(tabulate.micro(heading.population))
    return Part(heading.id, heading.title, heading.number, words, tuple(tables), tuple(figures))


def _blots(content: Blotted, house: House, banner: str | None) -> tuple[list[Table], list[Figure]]:
    tables = [image_tables.relatives(content, house, banner)] if content.quantities else []
    tables += [image_tables.blots(content, house, banner)] if content.blots else []
    heading, start = content.heading, range(0, max(1, len(content.blots)), BLOTS)
    figures = [
        blot_figure(content.blots[at : at + BLOTS], content.quantities if at == start[-1] else (), title=heading.title,
                    y_label=content.scale, note=" ".join(content.notes), banner=banner,
                    id=heading.id + (f"-{at // BLOTS + 1}" if len(start) > 1 else ""))
        for at in start
    ]  # fmt: skip
    return tables, figures


def _opened(text: str) -> str:
    """A sentence's first word with a capital, unless it is a name of its own such as pHER2."""
    first = text.split(",")[0].split(" ")[0]
    return text[:1].upper() + text[1:] if first.islower() and first.rstrip(".").isalpha() else text


def _note(told: Comparisons) -> str:
    if not told.recommended or told.scheme == "none":
        return ""
    words = tabulate.adjusted_in_words(told)
    return f"Stars: {in_words(told.scheme)} ({told.recommended[0].effect.method}). {words}"


def _numbered(part: Part, tables: count[int], figures: count[int]) -> Part:
    labelled = tuple(replace(table, number=f"Table {next(tables)}") for table in part.tables)
    numbers = "; ".join(part.number or f"Figure {next(figures)}" for _ in part.figures)
    return replace(part, tables=labelled, number=numbers)


def _numbers_of(part: Part) -> list[str]:
    return part.number.split("; ") if part.figures else []


def _table(table: Table) -> TableBlock:
    return TableBlock(table, (("CSV", f"tables/{table.id}.csv"), ("HTML", f"tables/{table.id}.html")))


def _manifest(record: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    lines = [("Sequela", str(record["sequela"])), ("Made", str(record["made"])),
             ("Study file", f"sha256 {record['study']['sha256'][:16]}")]  # fmt: skip
    for name, source in record["inputs"].items():
        lines += [(f"Input {name}", f"{file}, sha256 {sha[:16]}") for file, sha in source["files"].items()]
    lines.append(("Versions", ", ".join(f"{name} {value}" for name, value in record["libraries"].items())))
    return tuple(lines)


def lines_of(contents: tuple[BenchContent, ...]) -> tuple[str, ...]:
    """Every comparison of a run in one line; what is invented says so."""
    found: list[str] = []
    for content in contents:
        if isinstance(content, COMPARED):
            labels = content.comparisons.labels
            title = _title(content)
            for one in content.comparisons.recommended:
                effect = replace(one.effect, name=f"{labels[one.condition]} against {labels[one.reference]}")
                found.append(f"{title}: {effect} (n = {one.n[0]} experiment{'s' * (one.n[0] != 1)})")
    return tuple(found)
