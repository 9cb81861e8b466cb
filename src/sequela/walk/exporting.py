"""A study's analysis set to other programs: data, codebook, and the programs that make the tables from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.core.units import days_in
from sequela.records.exporting import codebook, write_table
from sequela.records.writing import replace_directory
from sequela.report.content import Regression
from sequela.report.html import table_page
from sequela.report.syntax.r import r_program
from sequela.report.syntax.sas import sas_program
from sequela.report.syntax.spss import spss_program
from sequela.report.syntax.tasks import Clock, Counts, Factor, Left, Plan
from sequela.report.syntax.tasks import Cox as CoxTask
from sequela.report.syntax.tasks import Medians as MediansTask
from sequela.report.syntax.tasks import Survival as SurvivalTask
from sequela.report.tables import Cell, Column, Row, Table
from sequela.study.model import Cox, Curves, Describe, Medians
from sequela.walk.analyses import analyse
from sequela.walk.analysis_set import AnalysisSet, analysis_set
from sequela.walk.outputs import BANNER

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from sequela.records.exporting import Target
    from sequela.records.labelled import Labelled
    from sequela.study.model import Analysis
    from sequela.walk.path import Walk

STEM: Final = "analysis"
_REASONS: Final = {
    "lines": "it counts treatments by line; see the variables line1_agents, line2_agents, …",
    "agreement": "it compares rows of treatment, not patients",
    "printed": "it sets printed medians beside those of the other tables",
}


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """What was written.

    Attributes:
        set: the analysis set.
        files: the files, in `out`.
        findings: what a program had no room for (R301).
        out: the directory.
    """

    set: AnalysisSet
    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    out: Path


def export(walk: Walk, targets: tuple[Target, ...], out: Path) -> Export:
    """Write the analysis set as `targets`, with its codebook and the programs; `out` is replaced as a whole.

    Always written: `analysis.csv` (read by the R and SAS programs), `codebook.csv`, `codebook.html`, `analysis.R`,
    `analysis.sas`; with `sav` also `analysis.sps`.

    Raises:
        UsageError: X111, `out` holds something that is no export; R113, the library for Excel is not installed.
        DataError: an analysis has no patients.
    """
    _require_own(out)
    made = analysis_set(walk)
    plan = plan_of(walk, made)
    findings: list[Finding] = []
    with replace_directory(out) as aside:
        for target in dict.fromkeys((*targets, "csv")):
            findings += write_table(made.table, aside / f"{STEM}.{target}", target)
        book = codebook(made.table)
        _text(aside / "codebook.csv", book.write_csv())
        _text(aside / "codebook.html", table_page(_page(made.table, book, _banner(walk))))
        _text(aside / f"{STEM}.R", r_program(plan))
        _text(aside / f"{STEM}.sas", sas_program(plan))
        if "sav" in targets:
            _text(aside / f"{STEM}.sps", spss_program(plan))
        names = tuple(sorted(path.name for path in aside.iterdir()))
    return Export(made, names, tuple(findings), out)


def _banner(walk: Walk) -> str | None:
    return BANNER if walk.study.study.simulated else None


def _text(path: Path, words: str) -> None:
    path.write_text(words, encoding="utf-8", newline="\n")


def _require_own(out: Path) -> None:
    inside = {path.name for path in out.iterdir()} if out.is_dir() else set[str]()
    if out.is_file() or (inside and not {f"{STEM}.csv", "codebook.csv"} <= inside):
        raise UsageError(
            Finding(
                "X111", "error", "the directory holds something that is no export", Where(str(out)),
                ", ".join(sorted(inside)[:5]) or "a file", "a new or empty directory, or that of an earlier export",
                "give another directory: --out DIR; nothing was written",
            )
        )  # fmt: skip


def plan_of(walk: Walk, made: AnalysisSet) -> Plan:
    """What the programs compute: every analysis of the study in the names of the exported table."""
    study, unit = walk.study, walk.study.report.time_unit
    notes = [
        study.study.title,
        f"Written by Sequela from {study.path} (sha256 {study.sha256[:16]}); rules {walk.rules.stamp}",
    ]
    if study.study.simulated:
        notes.insert(0, BANNER)
    notes += list(study.study.attribution)
    tasks = tuple(_task(walk, made, analysis) for analysis in study.analyses)
    return Plan(made.table, STEM, tasks, unit, days_in(unit), tuple(notes))


def _task(walk: Walk, made: AnalysisSet, analysis: Analysis) -> Any:
    title = f"{analysis.number}: {analysis.title}" if analysis.number else analysis.title
    if analysis.kind not in ("describe", "curves", "medians", "cox"):
        return Left(
            analysis.id,
            title,
            _REASONS.get(analysis.kind, f"analyses of kind {analysis.kind} are not repeated"),
        )
    use = made.names[f"use.{analysis.id}"]
    groups = analysis.groups or tuple(group.name for group in walk.study.sequences.groups)
    sequence = Factor(made.names["sequence"], walk.study.sequences.label, tuple(groups))
    match analysis:
        case Describe():
            variables = tuple(_factor(walk, made, name) for name in analysis.variables)
            by = sequence if analysis.by == "sequence" else None
            return Counts(analysis.id, title, use, by, variables, analysis.test)
        case Curves():
            by = sequence if analysis.by == "sequence" else None
            return SurvivalTask(analysis.id, title, use, _clock(walk, made, analysis.endpoint), by)
        case Medians():
            clocks = tuple(_clock(walk, made, name) for name in analysis.endpoints)
            within = _factor(walk, made, analysis.within) if analysis.within else None
            return MediansTask(analysis.id, title, use, clocks, sequence, within)
        case Cox():
            return _cox(walk, made, analysis, title, use, sequence)
        case _:
            raise TypeError(analysis)


def _cox(walk: Walk, made: AnalysisSet, analysis: Cox, title: str, use: str, sequence: Factor) -> CoxTask:
    """Which variables entered the model of several is the report's own decision, and is taken from it."""
    factors = {
        name: sequence if name == "sequence" else _factor(walk, made, name) for name in analysis.variables
    }
    content = analyse(analysis, walk)
    entered = content.entered if isinstance(content, Regression) else ()
    labels = {
        name: walk.study.sequences.label if name == "sequence" else walk.study.covariates[name].label or name
        for name in factors
    }
    joint = tuple(factor for name, factor in factors.items() if labels[name] in entered)
    strata = tuple(made.names[name] for name in analysis.strata)
    cluster = made.names.get("centre") if analysis.cluster else None
    clock = _clock(walk, made, analysis.endpoint)
    return CoxTask(
        analysis.id, title, use, clock, tuple(factors.values()), joint, analysis.ties, strata, cluster
    )


def _factor(walk: Walk, made: AnalysisSet, name: str) -> Factor:
    covariate = walk.study.covariates[name]
    variable = next(v for v in made.table.variables if v.name == made.names[name])
    only = made.names.get(f"only.{name}")
    return Factor(
        variable.name,
        covariate.label or name,
        tuple(variable.words.values()),
        covariate.per,
        only,
        covariate.summary,
    )


def _clock(walk: Walk, made: AnalysisSet, name: str) -> Clock:
    names = made.names
    return Clock(
        walk.outcomes[name].label, names[f"{name}.days"], names[f"{name}.event"], names.get(f"{name}.entry")
    )


def _page(table: Labelled, book: pl.DataFrame, banner: str | None) -> Table:
    """The codebook as a page."""
    rows: list[Row] = []
    for row in book.iter_rows(named=True):
        if row["code"] is None:
            cells = (
                row["label"] or "",
                row["kind"],
                row["measure"] or "",
                str(row["n"]),
                str(row["missing"]),
                row["from"] or "",
            )
            rows.append(Row(row["variable"], tuple(map(Cell, cells))))
        else:
            what = "user-missing" if row["kind"] == "user-missing" else ""
            cells = (f"{row['code']} = {row['word']}", what, "", str(row["n"]), "", "")
            rows.append(Row("", tuple(map(Cell, cells)), indent=1, kind="muted" if what else "row"))
    columns = (
        Column("Label, code", align="left"), Column("Kind", align="left"), Column("Measure", align="left"),
        Column("n"), Column("Missing"), Column("From", align="left"),
    )  # fmt: skip
    return Table(
        "codebook", "", f"Codebook: {table.title}", columns, tuple(rows), banner=banner, stub="Variable"
    )
