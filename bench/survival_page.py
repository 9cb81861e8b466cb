"""The page of the survival benchmark, made from what was measured: docs/performance.md."""

from __future__ import annotations

import json
import platform
import statistics
from pathlib import Path
from typing import Any

import numpy as np

TASKS = {
    "km": "Kaplan-Meier, whole days",
    "km_cont": "Kaplan-Meier, continuous times",
    "km_late": "Kaplan-Meier, delayed entry",
    "logrank": "log-rank, 2 groups",
    "logrank_cont": "log-rank, 2 groups, continuous times",
    "logrank_strata": "log-rank, 5 groups, 20 strata",
    "rmst": "restricted mean",
    "aj": "Aalen-Johansen, 2 causes",
    "cox_1": "Cox, 1 covariate",
    "cox_10": "Cox, 10 covariates",
    "cox_50": "Cox, 50 covariates",
    "cox_10_cont": "Cox, 10 covariates, continuous times",
    "cox_10_late": "Cox, 10 covariates, delayed entry",
    "cox_10_stop": "Cox, 10 covariates, start-stop rows",
    "cox_10_strata": "Cox, 10 covariates, 20 strata",
    "cox_10_cluster": "Cox, 10 covariates, robust by 50 clusters",
    "medians": "1,000 bootstrap medians",
    "boot_cox": "1,000 bootstrap Cox fits, 5 covariates",
    "univariate": "200 univariate Cox models",
}
ENGINES = ("sequela", "R survival", "lifelines", "scikit-survival", "statsmodels")
# Tasks that an engine could do only model by model, in minutes: not tried.
LEFT_OUT = {
    (task, engine) for task in ("boot_cox", "univariate") for engine in ENGINES[2:]
}  # fmt: skip
AIMS = {
    "km": 100, "logrank": 100, "aj": 100, "cox_1": 25, "cox_10": 25, "cox_50": 25,
    "cox_10_late": 15, "cox_10_stop": 15,
}  # fmt: skip
MILLION = 1_000_000

Results = dict[str, dict[str, dict[str, dict[str, Any]]]]


def known(path: Path) -> Results:
    """Results by task, size and engine of earlier runs."""
    return json.loads(path.read_text()) if path.exists() else {}


def shown(seconds: float) -> str:
    """Milliseconds, or seconds from 10 s on."""
    if seconds >= 10:
        return f"{seconds:.1f} s"
    return f"{1000 * seconds:,.{2 if seconds < 0.01 else 1 if seconds < 0.1 else 0}f}"


def median(cell: dict[str, Any]) -> float:
    return statistics.median(cell["seconds"])


def ratio(theirs: float, own: float) -> str:
    """How many times as fast as R."""
    times = theirs / own
    return f"{times:.0f}×" if times >= 10 else f"{times:.1f}×" if times >= 1 else f"1/{1 / times:.1f}"


def share(cell: dict[str, Any] | None, data: float) -> str:
    if cell is None or cell.get("memory") is None:
        return "–"
    return f"{100 * cell['memory'] / data:,.0f} %"


def rows(task: str, sizes: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """The lines of one task: a size each."""
    lines: list[str] = []
    for name in sorted(sizes, key=int):
        found, n = sizes[name], int(name)
        if "sequela" not in found:
            continue
        r = median(found["R survival"]) if "R survival" in found else None
        row = ["" if lines else TASKS[task], f"{n:,}"]
        for engine in ENGINES:
            if engine not in found:
                row.append("–")
                continue
            own = median(found[engine])
            row.append(shown(own) + (f" ({ratio(r, own)})" if r and engine != "R survival" else ""))
        row.append(shown(median(found["limit"])) if "limit" in found else "–")
        data = found["sequela"]["data"]
        memory = [share(found.get(e), data) for e in ENGINES[:2]] if n >= 100_000 else ["", ""]
        lines.append("| " + " | ".join([*row, " / ".join(memory) if memory[0] else ""]) + " |")
    return lines


def table(results: Results) -> str:
    """All tasks."""
    head = "| | n | " + " | ".join(ENGINES) + " | one pass, sort or X'X | extra memory: sequela / R |"
    lines = [head, "|---|---:|" + "---:|" * (len(ENGINES) + 2)]
    for task in TASKS:
        lines += rows(task, results.get(task, {}))
    return "\n".join(lines)


def aims(results: Results) -> str:
    """What was aimed at on a million rows, and what came out."""
    lines = [
        "| at n = 1,000,000 | aim | measured | | extra memory (aim 20 %) | times the machine's own limit |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for task, aim in AIMS.items():
        found = results.get(task, {}).get(str(MILLION), {})
        if not {"sequela", "R survival", "limit"} <= set(found):
            continue
        own = found["sequela"]
        times = median(found["R survival"]) / median(own)
        verdict = "reached" if times >= aim else f"missed by {100 * (1 - times / aim):.0f} %"
        apart = f"{median(own) / median(found['limit']):.0f}"
        memory = share(own, own["data"])
        lines.append(f"| {TASKS[task]} | {aim}× | {times:.0f}× | {verdict} | {memory} | {apart} |")
    return "\n".join(lines)


def slower(results: Results) -> str:
    """Who is faster than Sequela, in which task and at which sizes."""
    told: list[str] = []
    for engine in ENGINES[1:]:
        parts: list[str] = []
        for task, title in TASKS.items():
            cells = results.get(task, {})
            sizes = [
                f"{int(n):,}"
                for n in sorted(cells, key=int)
                if {"sequela", engine} <= set(cells[n])
                and median(cells[n][engine]) < median(cells[n]["sequela"])
            ]
            if sizes:
                parts.append(f"  - {title}, at n = {' and '.join(sizes)}")
        told += [f"- {engine} is faster than Sequela in:", *parts] if parts else [f"- {engine}: in no cell."]
    return "\n".join(told)


def page(results: Results, peers: float, r: float) -> str:
    """The whole page; `peers` and `r` are the CPU seconds that a cell might be expected to take."""
    text = Path(__file__).with_name("performance.template.md").read_text()
    machine = f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"
    parts = {"machine": machine, "table": table(results), "aims": aims(results), "slower": slower(results)}
    turns = min((len(c["sequela"]["seconds"]) for t in results.values() for c in t.values()), default=0)
    parts["rounds"] = "one round" if turns == 1 else f"median of {turns} rounds"
    parts |= {"peers": f"{peers:.0f}", "r": f"{r:.0f}"}
    for name, value in parts.items():
        text = text.replace("{{" + name + "}}", value)
    return text
