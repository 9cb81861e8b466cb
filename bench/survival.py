"""Survival engines side by side: CPU seconds on one thread, median of rounds, extra memory.

    python -m bench.survival [--small] [--out docs/performance.md]

Every cell is a process of its own; the engines take turns inside a round. An engine is left out of larger
sizes once a run took longer than the patience, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
)
SIZES = (555, 10_000, 100_000, 1_000_000)
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
ONLY = {"medians": (555,), "boot_cox": (555,), "univariate": (10_000, 100_000)}
ENGINES = ("sequela", "R survival", "lifelines", "scikit-survival", "statsmodels")
PATIENCE = 12.0  # seconds that an engine other than Sequela and R may need at the next size


def columns(task: str, n: int) -> dict[str, np.ndarray]:
    """The data of a cell: whole days up to about ten years unless the task says otherwise."""
    rng = np.random.default_rng(n)
    p = {"cox_1": 1, "cox_50": 50, "univariate": 200, "boot_cox": 5}.get(task, 10)
    X = rng.normal(size=(n, p))
    X[:, 1::2] = X[:, 1::2] > 0
    risk = np.exp(X[:, :10] @ rng.normal(0, 0.3, min(p, 10)))
    stay = rng.exponential(1000 / risk)
    stay = stay if task.endswith("cont") else np.ceil(stay)
    end = rng.uniform(300, 3600, n)
    end = end if task.endswith("cont") else np.ceil(end)
    state = (stay <= end).astype(float)
    found = {"time": np.minimum(stay, end), "state": state}
    if task in ("km_late", "cox_10_late", "cox_10_stop"):
        entry = np.where(rng.random(n) < 0.5, rng.integers(0, 400, n), 0).astype(float)
        if task == "cox_10_stop":  # two rows a subject, cut in the middle
            cut = np.floor(found["time"] / 2)
            entry = np.where(np.arange(n) % 2 == 0, 0.0, cut)
            found["state"] = np.where(np.arange(n) % 2 == 0, 0.0, state)
            found["time"] = np.where((np.arange(n) % 2 == 0) & (cut > 0), cut, found["time"])
        else:
            found["time"] = found["time"] + entry
        found["entry"] = entry
    if task.startswith("logrank"):
        found["group"] = rng.integers(0, 5 if task.endswith("strata") else 2, n).astype(float)
    if task.endswith("strata"):
        found["strata"] = rng.integers(0, 20, n).astype(float)
    if task.endswith("cluster"):
        found["cluster"] = rng.integers(0, 50, n).astype(float)
    if task == "aj":
        found["state"] = state * rng.integers(1, 3, n)
    if task.startswith("cox") or task in ("boot_cox", "univariate"):
        found["X"] = X
    return found


def sequela(task: str, d: dict[str, np.ndarray]) -> Callable[[], Any]:
    from sequela.core.outcome import Times
    from sequela.estimates.competing import aalen_johansen
    from sequela.estimates.cox import cox
    from sequela.estimates.curves import kaplan_meier
    from sequela.estimates.resampling import bootstrap_medians, draws
    from sequela.estimates.tests import log_rank

    def times() -> Times:
        return Times(d["time"], d["state"], d.get("entry"))

    X, rng = d.get("X"), np.random.default_rng(1)
    if task.startswith("km"):
        return lambda: kaplan_meier(times())
    if task == "rmst":
        return lambda: kaplan_meier(times()).rmst(1000)
    if task.startswith("logrank"):
        return lambda: log_rank(times(), d["group"], d.get("strata"))
    if task == "aj":
        return lambda: aalen_johansen(times())
    if task == "medians":
        return lambda: bootstrap_medians(times(), rng, 1000)
    if task == "boot_cox":
        return lambda: [cox(times().take(rows), X[rows]) for rows in draws(len(X), rng, 1000)]
    if task == "univariate":
        return lambda: [cox(times(), X[:, j]) for j in range(X.shape[1])]
    return lambda: cox(times(), X, strata=d.get("strata"), cluster=d.get("cluster"))


def lifelines(task: str, d: dict[str, np.ndarray]) -> Callable[[], Any] | None:
    import pandas as pd
    from lifelines import AalenJohansenFitter, CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test

    if task in ("km", "km_cont", "km_late"):
        return lambda: KaplanMeierFitter().fit(d["time"], d["state"], entry=d.get("entry"))
    if task in ("logrank", "logrank_cont"):
        return lambda: multivariate_logrank_test(d["time"], d["group"], d["state"])
    if task == "aj":
        return lambda: AalenJohansenFitter().fit(d["time"], d["state"].astype(int), 1)
    if not task.startswith("cox"):
        return None
    frame = pd.DataFrame(d["X"]).add_prefix("x").assign(time=d["time"], state=d["state"])
    options: dict[str, Any] = {}
    for name, option in (("entry", "entry_col"), ("strata", "strata"), ("cluster", "cluster_col")):
        if name in d:
            frame[name], options[option] = d[name], name
    return lambda: CoxPHFitter().fit(frame, "time", "state", **options)


def scikit_survival(task: str, d: dict[str, np.ndarray]) -> Callable[[], Any] | None:
    from sksurv.compare import compare_survival
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.nonparametric import cumulative_incidence_competing_risks, kaplan_meier_estimator

    event = d["state"] > 0
    y = np.array(list(zip(event, d["time"], strict=True)), dtype=[("event", "?"), ("time", "<f8")])
    if task in ("km", "km_cont"):
        return lambda: kaplan_meier_estimator(event, d["time"], conf_type="log-log")
    if task in ("logrank", "logrank_cont"):
        return lambda: compare_survival(y, d["group"])
    if task == "aj":
        return lambda: cumulative_incidence_competing_risks(d["state"].astype(int), d["time"])
    if task in ("cox_1", "cox_10", "cox_50", "cox_10_cont"):
        return lambda: CoxPHSurvivalAnalysis(ties="efron").fit(d["X"], y)
    return None


def statsmodels(task: str, d: dict[str, np.ndarray]) -> Callable[[], Any] | None:
    from statsmodels.duration.api import PHReg, SurvfuncRight, survdiff

    if task in ("km", "km_cont", "km_late"):
        return lambda: SurvfuncRight(d["time"], d["state"], entry=d.get("entry"))
    if task.startswith("logrank"):
        return lambda: survdiff(d["time"], d["state"], d["group"], strata=d.get("strata"))
    if task.startswith("cox") and "cluster" not in d:
        return lambda: PHReg(
            d["time"], d["X"], status=d["state"], entry=d.get("entry"), strata=d.get("strata"), ties="efron"
        ).fit()
    return None


PYTHON = {
    "sequela": sequela,
    "lifelines": lifelines,
    "scikit-survival": scikit_survival,
    "statsmodels": statsmodels,
}


def worker(engine: str, task: str, n: int, rounds: int) -> None:
    """One cell in a process of its own; prints JSON."""
    import warnings

    warnings.simplefilter("ignore")
    run = PYTHON[engine](task, columns(task, n))
    if run is None:
        print(json.dumps(None))
        return
    PYTHON[engine](
        task if task.startswith(("km", "logrank", "cox")) else "km", small(task)
    )()  # imports, caches
    spent = []
    for _ in range(rounds):
        inner, start = 0, time.process_time()
        while inner == 0 or time.process_time() - start < 0.02:
            run()
            inner += 1
        spent.append((time.process_time() - start) / inner)
    print(json.dumps({"seconds": spent, "memory": traced(run) if spent[-1] < 5 else float("nan")}))


def traced(run: Callable[[], Any]) -> float:
    """Peak of what one more run allocates, in megabytes."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def small(task: str) -> dict[str, np.ndarray]:
    return columns(task if task.startswith(("km", "logrank", "cox")) else "km", 300)


def measure(engine: str, task: str, n: int, rounds: int, folder: Path) -> dict[str, Any] | None:
    environment = {**os.environ, **THREADS}
    if engine == "R survival":
        for name, values in columns(task, n).items():
            np.ascontiguousarray(values, float).tofile(folder / name)
        command = ["Rscript", str(Path(__file__).with_name("survival.R")), task, str(folder), str(rounds)]
    else:
        command = [sys.executable, "-m", "bench.survival", "--worker", engine, task, str(n), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=900)
    for path in folder.iterdir():
        path.unlink()
    if done.returncode:
        print(f"  {engine} {task} {n}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    if engine != "R survival":
        return json.loads(done.stdout.strip().splitlines()[-1])
    words = [line.split() for line in done.stdout.splitlines()]
    seconds = [float(line[1]) for line in words if line and line[0] == "round"]
    return {
        "seconds": seconds,
        "memory": next(float(line[1]) for line in words if line and line[0] == "memory"),
    }


def cell(task: str, n: int, engines: list[str], rounds: int) -> dict[str, dict[str, Any]]:
    """All engines in turn, `rounds` times; R's clock ticks in milliseconds, so small sizes repeat more."""
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        for turn in range(rounds):
            for engine in engines:
                if turn and (engine not in found or statistics.median(found[engine]["seconds"]) > 3):
                    continue
                short = n <= 10_000 and task not in ("medians", "boot_cox", "univariate")
                repeats = 20 if short and engine == "R survival" else 1
                result = measure(engine, task, n, repeats, Path(name))
                if result is None:
                    continue
                cells = found.setdefault(engine, {"seconds": [], "memory": result["memory"]})
                cells["seconds"].append(statistics.mean(result["seconds"]))
    return found


def shown(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{1000 * seconds:,.{2 if seconds < 0.1 else 0}f}"


def ratio(r: float, own: float) -> str:
    return f"{r / own:.0f}×" if r / own >= 10 else f"{r / own:.1f}×" if r >= own else f"1/{own / r:.1f}"


HEAD = "| | n | " + " | ".join(ENGINES) + " | extra MB: sequela / R |"


def rows(task: str, sizes: dict[int, dict[str, Any]]) -> list[str]:
    """The lines of one task: a size each."""
    lines = []
    for n, found in sizes.items():
        r = statistics.median(found["R survival"]["seconds"]) if "R survival" in found else None
        row = [TASKS[task] if n == next(iter(sizes)) else "", f"{n:,}"]
        for engine in ENGINES:
            if engine not in found:
                row.append("–")
                continue
            own = statistics.median(found[engine]["seconds"])
            row.append(shown(own) + (f" ({ratio(r, own)})" if r and engine != "R survival" else ""))
        memory = [f"{found[e]['memory']:.0f}" if e in found else "–" for e in ("sequela", "R survival")]
        lines.append("| " + " | ".join([*row, " / ".join(memory)]) + " |")
    return lines


def known(path: Path) -> dict[str, list[str]]:
    """Lines of an earlier page by task, so that single tasks can be run again."""
    title, found = "", {}
    for line in path.read_text().splitlines() if path.exists() else ():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == len(ENGINES) + 3 and line != HEAD and not cells[0].startswith("---"):
            title = cells[0] or title
            found.setdefault(title, []).append(line)
    return found


def table(results: dict[str, dict[int, dict[str, Any]]], earlier: dict[str, list[str]]) -> str:
    lines = [HEAD, "|---|---:|" + "---:|" * (len(ENGINES) + 1)]
    for task, title in TASKS.items():
        lines += rows(task, results[task]) if task in results else earlier.get(title, [])
    return "\n".join(lines)


def floor(n: int = 1_000_000) -> str:
    """What the machine itself needs: one pass over the data, one matrix product."""
    X = np.random.default_rng(1).normal(size=(n, 10))
    day = np.arange(n) % 4000

    def spent(run: Callable[[], Any]) -> float:
        rounds = []
        for _ in range(5):
            start = time.process_time()
            run()
            rounds.append(time.process_time() - start)
        return 1000 * statistics.median(rounds)

    limits = {
        "counting whole days once": lambda: np.bincount(day),
        "sorting": lambda: np.sort(X[:, 0]),
        "one product X'X with 10 columns": lambda: X.T @ X,
        "X b": lambda: X @ np.ones(10),
        "exp": lambda: np.exp(X[:, 0]),
    }
    told = ", ".join(f"{name} {spent(run):.1f} ms" for name, run in limits.items())
    return f"The machine's own limits at n = {n:,}: {told}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", nargs=4)
    parser.add_argument("--small", action="store_true", help="only n = 555 and 10,000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--tasks", nargs="*", default=list(TASKS), choices=list(TASKS), help="others are kept from the page"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/performance.md"))
    arguments = parser.parse_args()
    if arguments.worker:
        engine, task, n, rounds = arguments.worker
        worker(engine, task, int(n), int(rounds))
        return
    engines = [engine for engine in ENGINES if engine != "R survival" or shutil.which("Rscript")]
    results: dict[str, dict[int, dict[str, Any]]] = {}
    lost: dict[str, set[str]] = {}
    earlier = known(arguments.out)
    for task in arguments.tasks:
        for n in ONLY.get(task, SIZES):
            if arguments.small and n > 10_000:
                continue
            running = [engine for engine in engines if engine not in lost.get(task, set())]
            found = cell(task, n, running, arguments.rounds)
            results.setdefault(task, {})[n] = found
            for engine in running:
                took = statistics.median(found[engine]["seconds"]) if engine in found else 0.0
                if engine not in found or (engine not in ("sequela", "R survival") and took * 10 > PATIENCE):
                    lost.setdefault(task, set()).add(engine)
            times = {e: shown(statistics.median(f["seconds"])) for e, f in found.items()}
            print(task, n, times, flush=True)
            arguments.out.write_text(page(results, arguments.rounds, earlier))


def page(results: dict[str, dict[int, dict[str, Any]]], rounds: int, earlier: dict[str, list[str]]) -> str:
    text = Path(__file__).with_name("performance.template.md").read_text()
    machine = f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"
    return (
        text.replace("{{machine}}", machine)
        .replace("{{table}}", table(results, earlier))
        .replace("{{floor}}", floor())
    )


if __name__ == "__main__":
    main()
