"""The audit of a study on one page: the answer first, then each check with its figures by arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sequela.audit.verdict import SEVERITY
from sequela.report import content_tables as tabulate
from sequela.report.adjusted import tables as adjusted_tables
from sequela.report.content_tables import House
from sequela.report.html import TEMPLATES
from sequela.report.svg import inline
from sequela.report.tables import Cell, Column, Row, Table
from sequela.report.variants import range_words, variant_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.audit.multiplicity import Ledger
    from sequela.audit.verdict import Audit, Verdict
    from sequela.report.content import Adjusted, Correction, Variants
    from sequela.report.document import FigureBlock
    from sequela.study.model import Study

TOPICS: Final = (
    ("Time zero and selection", ("GT0", "A10", "A11")),
    ("Calendar: could the arms have been exchanged?", ("A12",)),
    ("Follow-up and what counts as an event", ("A13", "A14")),
    ("Centres, models, tests, missing values", ("A15", "A16", "A17", "A18", "A19")),
)
WORDS: Final = {"pass": "Passed", "warn": "Warning", "fail": "Failed", "not applicable": "Not applicable"}


@dataclass(frozen=True, slots=True)
class Topic:
    """Checks that belong together, with the tables of corrected estimates that answer them."""

    title: str
    verdicts: tuple[Verdict, ...]
    corrections: tuple[Table, ...] = ()


def audit_page(
    study: Study,
    audit: Audit,
    ledger: Ledger,
    corrections: Sequence[Correction],
    variants: Sequence[tuple[Variants, FigureBlock | None]],
    lexis: FigureBlock | None,
    adjusted: tuple[Sequence[Adjusted], FigureBlock | None] = ((), None),
    banner: str | None = None,
) -> str:
    """A self-contained page; nothing on it needs a network.

    Args:
        study: for its title, question and house style.
        audit: the verdicts.
        ledger: every test of the run.
        corrections: naive and corrected estimates; those of the audited arms are shown.
        variants: endpoints of lines counted in seven ways, with their forests; those of the audited arms are shown.
        lexis: the Lexis plot, where the records have dates.
        adjusted: the corrected analyses of the study for this comparison, and one forest of every correction.
        banner: a warning, such as "Simulated patients".
    """
    house = House.of(study.report.style, study.report.time_unit, banner)
    tables = tuple(tabulate.correction(c, house) for c in corrections if c.groups == audit.arms)
    return TEMPLATES.get_template("audit.html.j2").render(
        study=study.study,
        audit=audit,
        banner=banner,
        summary=summary_table(audit),
        topics=_topics(audit, tables),
        variants=[
            (range_words(content, house), variant_tables(content, house), figure)
            for content, figure in variants
            if content.groups == audit.arms
        ],
        apart=[one for one in audit.verdicts if one.verdict == "not applicable"],
        ledger=ledger_table(ledger, house),
        lexis=lexis,
        each=adjusted[1],
        corrected=[adjusted_tables(content, house)[0] for content in adjusted[0]],
        words=WORDS,
        inline=inline,
        figure_table=figure_table,
    )


def _topics(audit: Audit, corrections: tuple[Table, ...]) -> list[Topic]:
    found: list[Topic] = []
    for place, (title, starts) in enumerate(TOPICS):
        own = tuple(v for v in audit.verdicts if v.code.startswith(starts) and v.verdict != "not applicable")
        if own:
            found.append(Topic(title, own, () if place else corrections))
    return found


def summary_table(audit: Audit) -> Table:
    """Every check that applies in one line, the gravest first."""
    ordered = sorted(audit.verdicts, key=lambda one: SEVERITY[one.verdict])
    rows = [
        Row(one.code, (Cell(WORDS[one.verdict]), Cell(one.title), Cell(one.sentence)))
        for one in ordered
        if one.verdict in ("fail", "warn")
    ]
    columns = (
        Column("Verdict", align="left"),
        Column("Check", align="left"),
        Column("What it means", align="left"),
    )
    return Table("audit-summary", "", "What did not pass", columns, tuple(rows), stub="Code")


def figure_table(verdict: Verdict, arms: tuple[str, ...]) -> Table:
    """The figures of one check: a column for each arm, and one for figures of the whole comparison."""
    split = [len(figure.values) == len(arms) > 1 for figure in verdict.figures]
    labels = [
        *(arms if any(split) else ()),
        *(("Together" if any(split) else "Value",) if not all(split) else ()),
    ]
    rows: list[Row] = []
    for figure, own in zip(verdict.figures, split, strict=True):
        cells = [Cell(text, value) for text, value in zip(figure.texts, figure.values, strict=True)]
        blank = [Cell("")]
        if any(split) and not own:
            cells = [*(blank * len(arms)), *cells]
        elif own and not all(split):
            cells = [*cells, *blank]
        rows.append(Row(figure.label, tuple(cells)))
    return Table(
        f"audit-{verdict.code.lower()}", "", "", tuple(Column(label) for label in labels), tuple(rows)
    )


def ledger_table(ledger: Ledger, house: House) -> Table:
    """Every test with its p-value as printed, after Holm and after Benjamini-Hochberg; the smallest first."""
    order = sorted(range(len(ledger.entries)), key=lambda i: ledger.entries[i].p)
    rows = [
        Row(
            ledger.entries[i].what,
            (
                Cell(ledger.entries[i].analysis),
                house.p(ledger.entries[i].p),
                house.p(float(ledger.holm[i])),
                house.p(float(ledger.benjamini_hochberg[i])),
            ),
        )
        for i in order
    ]
    columns = (
        Column("Analysis", align="left"),
        Column("p as printed"),
        Column("Holm"),
        Column("Benjamini-Hochberg"),
    )
    title = f"All {len(rows)} tests of the run"
    return Table("audit-tests", "", title, columns, tuple(rows), banner=house.banner, stub="Test")
