"""All findings on one page: how many of what, then by centre and patient, to print and to work through."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from sequela.report.html import TEMPLATES
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.core.finding import Finding

SEVERITIES = ("error", "warning", "note")


def gravest_first(findings: Sequence[Finding]) -> list[Finding]:
    """Errors, then warnings, then notes; otherwise as they came."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Number of findings by severity, the gravest first."""
    found = Counter(finding.severity for finding in findings)
    return {name: found[name] for name in SEVERITIES}


def counts_table(findings: Sequence[Finding], banner: str | None = None) -> Table:
    """One row per code, the gravest first: findings, patients and centres concerned, and an example."""
    rows: list[Row] = []
    by_code: dict[str, list[Finding]] = {}
    for finding in gravest_first(findings):
        by_code.setdefault(finding.code, []).append(finding)
    for code, group in by_code.items():
        patients = {(f.where.centre, f.where.patient) for f in group if f.where.patient is not None}
        centres = {f.where.centre for f in group if f.where.centre is not None}
        numbers = (len(group), len(patients), len(centres))
        cells = (
            Cell(group[0].severity.capitalize()),
            *(Cell(str(n), n) for n in numbers),
            Cell(group[0].message[:1].upper() + group[0].message[1:]),
        )
        rows.append(Row(code, cells))
    columns = (
        Column("Severity", align="left"),
        Column("Findings"),
        Column("Patients"),
        Column("Centres"),
        Column("First of them", align="left"),
    )
    return Table("findings-by-code", "", "Findings by code", columns, tuple(rows), banner=banner, stub="Code")


def by_place(findings: Sequence[Finding]) -> list[tuple[str, list[tuple[str, list[Finding]]]]]:
    """Findings by centre and patient; what concerns no patient stands first."""

    def centre(finding: Finding) -> str:
        return finding.where.centre or ""

    def patient(finding: Finding) -> str:
        return finding.where.patient or ""

    ordered = sorted(findings, key=lambda finding: (centre(finding), patient(finding)))
    return [
        (name, [(who, gravest_first(list(own))) for who, own in groupby(group, key=patient)])
        for name, group in groupby(ordered, key=centre)
    ]


def by_reason(idle: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Reasons why rules do not apply, each with the codes of its rules."""
    found: dict[str, list[str]] = {}
    for code, reason in idle:
        found.setdefault(reason, []).append(code)
    return [(reason, ", ".join(codes)) for reason, codes in found.items()]


def checks_page(
    findings: Sequence[Finding], title: str, banner: str | None = None, idle: Sequence[tuple[str, str]] = ()
) -> str:
    """A self-contained page of all findings; its filter needs no server, and without a script all show.

    Args:
        findings: of every check.
        title, banner: of the page.
        idle: code and reason of every rule that does not apply to these records.
    """
    return TEMPLATES.get_template("checks.html.j2").render(
        title=title,
        banner=banner,
        counts=counts(findings),
        table=counts_table(findings),
        places=by_place(findings),
        total=len(findings),
        idle=by_reason(idle),
    )
