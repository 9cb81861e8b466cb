"""The whole path: records → study → cohort → lines → endpoints → estimates → audit → report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sequela.walk.path import Walk, require_cohort, summary, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from sequela.core.estimate import Curve
    from sequela.core.finding import Finding
    from sequela.report.bench_content import BenchContent
    from sequela.report.content import Content, Correction, Variants
    from sequela.report.tables import Table
    from sequela.study.model import Study
    from sequela.walk.bench import Benched


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Everything a run made.

    Attributes:
        attrition: the selection step by step.
        tables: every table by id.
        curves: the Kaplan-Meier curves of every `curves` analysis, by analysis and group.
        models: the regression content of every `cox` analysis.
        corrections: naive and corrected estimates for every clock that starts too early.
        variants: every endpoint of a line as V1 to V7, where two groups are compared.
        findings: of the data and of the design.
        manifest: hashes, versions and the clock.
        walk: people, lines, endpoints: everything before the estimates; of the bench, every assay's rows.
        out: where it was written, or None.
        contents: of the bench, what each analysis prints: fits, comparisons, levels.
    """

    attrition: Table
    tables: Mapping[str, Table]
    curves: Mapping[str, Mapping[str, Curve]]
    models: Mapping[str, Content]
    corrections: tuple[Correction, ...]
    variants: tuple[Variants, ...]
    findings: tuple[Finding, ...]
    manifest: Mapping[str, Any]
    walk: Walk | Benched
    out: Path | None
    contents: tuple[BenchContent, ...] = ()

    @property
    def contrasts(self) -> tuple[str, ...]:
        """Of the bench, every comparison in one line: what, of which analysis, in how many experiments."""
        from sequela.report.bench_pages import lines_of

        return lines_of(self.contents)


def run(
    study: Study,
    out: str | Path | None = None,
    *,
    now: datetime | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Result:
    """Run a study and, when `out` is given, write its report, tables, figures and manifest there.

    Args:
        study: see `Study.read`.
        out: directory for the outputs; replaced as a whole, and only when everything is complete.
        now: the clock, for the manifest and for dates in the future; the system's by default.
        progress: told each step in a few words.

    Raises:
        DataError: the records cannot be used, nobody is left, or an endpoint has no events.
        StudyError: the study asks for something that does not exist.
        UsageError: `out` holds something that no run has made.
    """
    from sequela.audit.design import audit_design
    from sequela.audit.estimand import audit_estimands
    from sequela.clinic.adtte import adtte
    from sequela.clinic.tracing import trace_all
    from sequela.report.content import Regression, Survival
    from sequela.report.pages import Pages
    from sequela.walk.analyses import analyse
    from sequela.walk.auditing import unanswerable
    from sequela.walk.corrections import corrections
    from sequela.walk.multiverse import multiverse_part
    from sequela.walk.outputs import BANNER, manifest, released, require_own, write
    from sequela.walk.variants import variants_of

    directory = Path(out) if out is not None else None
    if directory is not None:
        require_own(directory)
    clock = now or datetime.now().astimezone()
    if study.bench is not None:
        return _run_bench(study, directory, clock, progress)
    walked = walk(study, today=clock.date(), progress=progress)
    require_cohort(walked)
    contents: list[Content] = []
    for analysis in study.analyses:
        progress(f"estimating {analysis.id}")
        contents.append(analyse(analysis, walked))
    corrected = corrections(walked)
    progress("counting the ends of lines in seven ways")
    counted = variants_of(walked)
    design = (*audit_design(study), *audit_estimands(study))
    banner = BANNER if study.study.simulated else None
    rules = multiverse_part(walked, clock.date(), progress, banner) if study.report.multiverse else None
    pages = Pages.of(
        study,
        _selected(walked),
        _group_sizes(walked),
        tuple(contents),
        corrected,
        walked.findings,
        design,
        _left_out(walked),
        banner,
        None if study.report.smallest_cell else unanswerable(walked),
        counted,
        rules,
    )
    record = manifest(walked, clock)
    if directory is not None and study.report.smallest_cell:
        write(pages, study, None, released(record, study), directory, {}, progress)
    elif directory is not None:
        traced = trace_all(study, walked.outcomes, walked.people, walked.registry, walked.lines)
        exported = adtte(study, walked.people, traced, walked.cohort)
        frames = _frames(walked, traced)
        write(pages, study, walked.findings, record, directory, frames, progress, exported)
    return Result(
        pages.attrition,
        {table.id: table for table in pages.tables},
        {
            c.heading.id: {group.label: group.curve for group in c.groups}
            for c in contents
            if isinstance(c, Survival)
        },
        {c.heading.id: c for c in contents if isinstance(c, Regression)},
        corrected,
        counted,
        (*walked.findings, *design),
        record,
        walked,
        directory,
    )


def _run_bench(
    study: Study, directory: Path | None, clock: datetime, progress: Callable[[str], None]
) -> Result:
    from sequela.core.errors import DataError
    from sequela.walk.bench import walk_bench
    from sequela.walk.bench_outputs import bench_manifest, estimated, first_errors, frames, pages_of
    from sequela.walk.outputs import write

    walked = walk_bench(study, progress)
    try:
        contents, found = estimated(walked, progress)
    except DataError as fault:  # with the faults of the rows, which may be why
        raise DataError([*first_errors(walked.findings), *fault.findings]) from None
    findings = (*walked.findings, *found)
    pages, record = pages_of(walked, contents, findings), bench_manifest(walked, clock)
    if directory is not None:
        write(pages, study, findings, record, directory, frames(walked, contents), progress)
    tables = {table.id: table for table in pages.tables}
    return Result(pages.rows, tables, {}, {}, (), (), findings, record, walked, directory, contents)


def _selected(walked: Walk) -> tuple[Any, ...]:
    from sequela.report.content import Selected

    return tuple(
        Selected(step.name, step.before, step.kept, step.failed, step.undecided) for step in walked.steps
    )


def _group_sizes(walked: Walk) -> tuple[tuple[str, int], ...]:
    sizes = dict(walked.people.frame["sequence"].drop_nulls().value_counts().iter_rows())
    return tuple((group.name, sizes.get(group.name, 0)) for group in walked.study.sequences.groups)


def _left_out(walked: Walk) -> tuple[tuple[str, int], ...]:
    """Treatment rows that make no line, by reason."""
    import polars as pl

    rows = walked.registry.treatments.unique("row").filter(pl.col("unused").is_not_null())
    counted = rows.group_by("unused").len().sort(["len", "unused"], descending=[True, False])
    return tuple(counted.iter_rows())


def _frames(walked: Walk, traced: pl.DataFrame) -> dict[str, str]:
    """The analysis set, the lines, the record behind every time, and the treatment rows that make no line."""
    import polars as pl

    lines = walked.lines.sequences.table.with_columns(
        pl.col("agents").map_elements(
            lambda mask: "+".join(walked.lines.sequences.agents(mask)), return_dtype=pl.String
        ),
        pl.col("regimen", "companions").list.join("+"),
    )
    unused = walked.registry.treatments.filter(pl.col("unused").is_not_null())
    kept = ["patient", "drug", "agent", "start", "end", "unused", "_file", "_line"]
    return {
        "data/analysis.csv": summary(walked).write_csv(),
        "data/lines.csv": lines.write_csv(),
        "data/endpoints.csv": _dates(walked, traced).write_csv(),
        "data/treatments-without-a-line.csv": unused.select(kept).write_csv(),
    }


def _dates(walked: Walk, traced: pl.DataFrame) -> pl.DataFrame:
    """Days of the study's clock as dates, where that clock has dates; files as the study names them."""
    import polars as pl

    from sequela.walk.path import base_of

    found = traced.with_columns(pl.col("file").str.strip_prefix(f"{base_of(walked.study)}/"))
    if walked.study.study.time == "days":
        return found
    return found.with_columns(pl.col("start", "day").cast(pl.Date))
