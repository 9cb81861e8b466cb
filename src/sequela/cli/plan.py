"""What a run would do, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sequela.walk.path import base_of

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.study.bench import BenchStudy
    from sequela.study.model import Study


def planned(study: Study, out: Path) -> list[dict[str, str]]:
    """The steps of a run in order: what is read, decided, estimated and written. No data are touched."""
    if study.bench is not None:
        return [*_bench_steps(study.bench, base_of(study)), _written(out)]
    base = base_of(study)
    steps = [
        {"step": "read", "what": f"{name}: {base / file}" + ("" if list(base.glob(file)) else "   MISSING")}
        for name, source in study.sources.items()
        for file in source.file
    ]
    steps.append({"step": "lines", "what": f"rule set {study.lines.rules}, from {study.lines.index}"})
    steps += [{"step": "select", "what": criterion.name} for criterion in study.cohort]
    steps.append(
        {
            "step": "group",
            "what": f"{study.sequences.label}: " + " | ".join(group.name for group in study.sequences.groups),
        }
    )
    steps += [
        {"step": "endpoint", "what": f"{name}: {endpoint.label}"}
        for name, endpoint in study.endpoints.items()
    ]
    steps += [
        {"step": analysis.kind, "what": f"{analysis.id}: {analysis.title}"} for analysis in study.analyses
    ]
    return [*steps, _written(out)]


def _bench_steps(bench: BenchStudy, base: Path) -> list[dict[str, str]]:
    """Those of a study of cultures: files, cultures, analyses."""
    steps = [
        {"step": "read", "what": f"{name}: {base / file}" + ("" if list(base.glob(file)) else "   MISSING")}
        for name, assay in bench.assays.items()
        for file in assay.file
    ]
    steps.append({"step": "cultures", "what": ", ".join(bench.cultures)})
    return steps + [{"step": one.kind, "what": f"{one.id}: {one.title}"} for one in bench.analyses]


def _written(out: Path) -> dict[str, str]:
    verb = "replace" if out.exists() else "make"
    return {
        "step": "write",
        "what": f"{verb} {out}/ (report.html, checks.html, run.json, tables/, figures/, data/)",
    }
