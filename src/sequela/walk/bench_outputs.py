"""What a run of the bench writes besides its pages: rows, readings' tests as a sidecar, the manifest."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sequela.report.bench_content import BenchContent, Comparisons, Curved, CurveTested
from sequela.report.bench_pages import COMPARED, BenchPages
from sequela.report.stars import SCHEMES, stars
from sequela.walk.bench import accounts, who
from sequela.walk.bench_analyses import analyse_bench
from sequela.walk.outputs import BENCH_BANNER, banner_of, machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sequela.core.finding import Finding
    from sequela.estimates.experiments import Compared
    from sequela.walk.bench import Benched


def estimated(
    benched: Benched, progress: Callable[[str], None]
) -> tuple[tuple[BenchContent, ...], tuple[Finding, ...]]:
    """Every analysis of the study, in order, and what they found."""
    contents: list[BenchContent] = []
    findings: list[Finding] = []
    for analysis in benched.protocol.analyses:
        progress(f"estimating {analysis.id}")
        content, found = analyse_bench(analysis, benched)
        contents.append(content)
        findings.extend(found)
    return tuple(contents), tuple(findings)


def first_errors(findings: tuple[Finding, ...]) -> list[Finding]:
    """The first error of each code with how many are like it: why an analysis may have nothing to read."""
    alike: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.severity == "error":
            alike.setdefault(finding.code, []).append(finding)
    return [
        replace(first, found="; ".join([*filter(None, [first.found]), f"and {len(rest)} more: see `sequela check`"]))
        if rest else first
        for first, *rest in alike.values()
    ]  # fmt: skip


def pages_of(
    benched: Benched, contents: tuple[BenchContent, ...], findings: tuple[Finding, ...]
) -> BenchPages:
    """The report's pages."""
    banner = banner_of(benched.study)
    return BenchPages.of(
        benched.study, who(benched), accounts(benched), contents, findings, banner, BENCH_BANNER
    )


def bench_manifest(benched: Benched, now: datetime) -> dict[str, Any]:
    """What the results depend on: hashes of inputs and study; versions; the clock."""
    study = benched.study
    return {
        "sequela": version("sequela"),
        "made": now.isoformat(timespec="seconds"),
        "wing": "bench",
        "study": {"file": study.path, "sha256": study.sha256, "simulated": study.study.simulated},
        "inputs": {
            name: {"rows": benched.frames[name].height, "files": dict(files)}
            for name, files in benched.sha256.items()
        },
        **machine(),
    }


def frames(benched: Benched, contents: tuple[BenchContent, ...]) -> dict[str, str]:
    """Every assay's rows with what became of them, the cultures' histories, and the tests of every analysis."""
    found: dict[str, str] = {}
    for name, frame in benched.frames.items():
        invented = benched.protocol.assays[name].simulated and not benched.study.study.simulated
        warning = f"# {BENCH_BANNER}\n" if invented else ""
        found[f"data/{name}.csv"] = warning + frame.drop("_row").write_csv()
    legend = benched.sequences
    table = benched.sequences.table
    names = ["+".join(legend.agents(mask)) for mask in table["agents"]]
    found["data/histories.csv"] = table.with_columns(agents=_series(names)).write_csv()
    for content in contents:
        tested = content.tested if isinstance(content, Curved) else ()
        if isinstance(content, COMPARED) and (content.comparisons.recommended or tested):
            told = {"simulated": content.simulated, **tests_of(content.comparisons)}
            if tested:
                told["curve_tests"] = [_curve_test(one) for one in tested]
            text = json.dumps(told, indent=1, ensure_ascii=False)
            found[f"data/{content.heading.id}-tests.json"] = text + "\n"
    return found


def _series(names: list[str]) -> Any:
    import polars as pl

    return pl.Series("agents", names, pl.String)


def tests_of(told: Comparisons) -> dict[str, Any]:
    """The recommended and the paper's comparison as plain values: raw and adjusted p, n, df, effect, stars."""
    return {
        "quantity": told.quantity,
        "unit_of_analysis": "experiment",
        "adjustment": told.adjustment,
        "stars": {"scheme": told.scheme, "limits": SCHEMES[told.scheme]},
        "recommended": [_test(one, told, adjusted=True) for one in told.recommended],
        "paper": [_test(one, told, adjusted=False) for one in told.paper],
        "overall": None if told.overall is None else _plain(asdict(told.overall)),
    }


def _test(one: Compared, told: Comparisons, *, adjusted: bool) -> dict[str, Any]:
    effect = one.effect
    return _plain(
        {
            "condition": told.labels[one.condition],
            "reference": told.labels[one.reference],
            "effect": effect.name,
            "value": effect.value,
            "lower": effect.lower,
            "upper": effect.upper,
            "level": effect.level,
            "test": effect.method,
            "df": one.df,
            "p": effect.p,
            "p_adjusted": one.adjusted,
            "n_experiments": list(one.n),
            "n_readings": list(one.readings),
            "smallest_p_possible": one.least_p,
            "stars": stars(one.adjusted if adjusted else effect.p, told.scheme),
            "reason": effect.reason,
        }
    )


def _curve_test(one: CurveTested) -> dict[str, Any]:
    effect = one.effect
    return _plain(
        {
            "condition": one.label,
            "test": one.test,
            "of": one.n,
            "value": math.nan if effect is None else effect.value,
            "lower": math.nan if effect is None else effect.lower,
            "upper": math.nan if effect is None else effect.upper,
            "statistic": one.statistic,
            "p": one.p,
            "p_adjusted": one.adjusted,
            "read_with": one.warning,
        }
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """NaN becomes null: JSON knows no NaN."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}
