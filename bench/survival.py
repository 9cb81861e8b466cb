"""Survival engines side by side: CPU seconds on one thread, median of rounds, extra memory.

    python -m bench.survival [--only cox km_late ...] [--sizes 555 10000 ...] [--resume] [--page]

Every engine is a process of its own; in every cell they take turns. What was measured is merged into
bench/survival.json after every cell, so that tasks can be run one at a time, and docs/performance.md is made from it.
"""

from __future__ import annotations

import argparse
import json
import os
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

from bench.survival_page import ENGINES, LEFT_OUT, TASKS, known, page, shown

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
)
SIZES = (555, 10_000, 100_000, 1_000_000, 10_000_000)
ONLY = {"medians": (555,), "boot_cox": (555,), "univariate": (10_000, 100_000)}
LARGEST = ("km", "km_cont", "km_late", "logrank", "rmst")  # tasks that are also run on ten million rows
PATIENCE = {"R survival": 70.0}  # CPU seconds that a cell may be expected to take, judged by the size before
PEERS = 8.0  # the same for the others but Sequela
AGAIN = ("sequela", "R survival", "limit")  # engines that take part in the later rounds
SLOW = 2.0  # CPU seconds from which one round has to do


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
    from sequela.estimates.cox_samples import bootstrap_cox
    from sequela.estimates.curves import kaplan_meier
    from sequela.estimates.resampling import bootstrap_medians
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
        return lambda: bootstrap_cox(times(), X, rng, 1000)
    if task == "univariate":
        return lambda: [cox(times(), X[:, j]) for j in range(X.shape[1])]
    return lambda: cox(times(), X, strata=d.get("strata"), cluster=d.get("cluster"))


def limit(task: str, d: dict[str, np.ndarray]) -> Callable[[], Any]:
    """What no engine can go below: one count or sort of the times, or one product X'X."""
    if "X" in d:
        return lambda: d["X"].T @ d["X"]
    if task.endswith("cont"):
        return lambda: np.sort(d["time"])
    day = d["time"].astype(np.intp)
    if task == "medians":
        return lambda: [np.bincount(day) for _ in range(1000)]
    return lambda: np.bincount(day)


def lifelines(task: str, d: dict[str, np.ndarray]) -> Callable[[], Any] | None:
    import pandas as pd
    from lifelines import AalenJohansenFitter, CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test
    from lifelines.utils import restricted_mean_survival_time

    if task == "medians":
        return lambda: [
            KaplanMeierFitter().fit(d["time"][rows], d["state"][rows]).median_survival_time_
            for rows in samples(len(d["time"]))
        ]
    if task == "rmst":
        return lambda: restricted_mean_survival_time(
            KaplanMeierFitter().fit(d["time"], d["state"]), t=1000, return_variance=True
        )
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
    from statsmodels.duration.survfunc import CumIncidenceRight

    if task == "aj":
        return lambda: CumIncidenceRight(d["time"], d["state"].astype(int))
    if task == "medians":
        return lambda: [
            SurvfuncRight(d["time"][rows], d["state"][rows]).quantile(0.5) for rows in samples(len(d["time"]))
        ]
    if task in ("km", "km_cont", "km_late"):
        return lambda: SurvfuncRight(d["time"], d["state"], entry=d.get("entry"))
    if task.startswith("logrank"):
        return lambda: survdiff(d["time"], d["state"], d["group"], strata=d.get("strata"))
    if task.startswith("cox") and "cluster" not in d:
        return lambda: PHReg(
            d["time"], d["X"], status=d["state"], entry=d.get("entry"), strata=d.get("strata"), ties="efron"
        ).fit()
    return None


def samples(n: int) -> list[np.ndarray]:
    """Rows of 1,000 bootstrap samples."""
    return list(np.random.default_rng(1).integers(0, n, (1000, n)))


PYTHON = {
    "sequela": sequela,
    "limit": limit,
    "lifelines": lifelines,
    "scikit-survival": scikit_survival,
    "statsmodels": statsmodels,
}


def worker(engine: str) -> None:
    """Answers each line "task n rounds" with JSON; rounds are negative when memory is to be traced too."""
    import warnings

    warnings.simplefilter("ignore")
    for line in sys.stdin:
        task, n, rounds = line.split()
        answer: Any = None
        try:
            answer = timed(engine, task, int(n), int(rounds))
        except Exception as error:
            print(f"  {engine} {task} {n}: {error!r}", file=sys.stderr, flush=True)
        print(json.dumps(answer), flush=True)


def timed(engine: str, task: str, n: int, rounds: int) -> dict[str, Any] | None:
    """CPU seconds of each round, after one run on little data that pays for imports."""
    data = columns(task, n)
    run = PYTHON[engine](task, data)
    if run is None:
        return None
    small = task if task.startswith(("km", "logrank", "cox")) else "km"
    warm = PYTHON[engine](small, columns(small, 300))
    if warm:
        warm()
    spent: list[float] = []
    for _ in range(abs(rounds)):
        inner, start = 0, time.process_time()
        while inner == 0 or time.process_time() - start < 0.02:
            run()
            inner += 1
        spent.append((time.process_time() - start) / inner)
    told = {"seconds": spent, "data": sum(column.nbytes for column in data.values()) / 2**20}
    if rounds < 0 and engine == "sequela":
        told["memory"] = traced(run)
    return told


def traced(run: Callable[[], Any]) -> float:
    """Peak of what one more run allocates, in megabytes."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


class Crew:
    """One process per Python engine, kept for all its cells: imports are paid once. R starts anew for each."""

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.environment = {**os.environ, **THREADS}

    def ask(self, engine: str, task: str, n: int, rounds: int) -> dict[str, Any] | None:
        """Seconds of each round, and megabytes; None when the engine cannot."""
        if engine == "R survival":
            return self.run_r(task, n, abs(rounds))
        if engine not in self.processes:
            command = [sys.executable, "-m", "bench.survival", "--worker", engine]
            self.processes[engine] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment
            )
        process = self.processes[engine]
        assert process.stdin and process.stdout
        process.stdin.write(f"{task} {n} {rounds}\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def run_r(self, task: str, n: int, rounds: int) -> dict[str, Any] | None:
        with tempfile.TemporaryDirectory() as folder:
            for name, values in columns(task, n).items():
                np.ascontiguousarray(values, float).tofile(Path(folder) / name)
            command = ["Rscript", str(Path(__file__).with_name("survival.R")), task, folder, str(rounds)]
            done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False)
        if done.returncode:
            print(f"  R {task} {n}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            return None
        words = [line.split() for line in done.stdout.splitlines()]
        seconds = [float(line[1]) for line in words if line and line[0] == "round"]
        memory = next(float(line[1]) for line in words if line and line[0] == "memory")
        return {"seconds": seconds, "memory": memory}


def cell(crew: Crew, task: str, n: int, engines: list[str], rounds: int) -> dict[str, dict[str, Any]]:
    """All engines in turn, then Sequela, R and the limit again; R's clock ticks in milliseconds, so it repeats more."""
    found: dict[str, dict[str, Any]] = {}
    for turn in range(rounds):
        for engine in engines:
            if turn and (engine not in AGAIN or engine not in found or found[engine]["seconds"][0] > SLOW):
                continue
            repeats = repeated(engine, task, n)
            result = crew.ask(engine, task, n, repeats if turn else -repeats)
            if result is not None:
                cells = found.setdefault(engine, {**result, "seconds": []})
                cells["seconds"].append(round(central(result["seconds"]), 9))
    return found


def repeated(engine: str, task: str, n: int) -> int:
    """Runs inside one turn: R's clock ticks in milliseconds, and Sequela and the limit cost next to nothing."""
    if task in ("medians", "boot_cox", "univariate"):
        return 1
    if engine in ("sequela", "limit"):
        return 3
    return 1 if engine != "R survival" or n > 10_000 else 20 if n <= 1000 else 5


def central(seconds: list[float]) -> float:
    """The mean of many ticks, the median of few runs."""
    return statistics.mean(seconds) if len(seconds) > 3 else statistics.median(seconds)


def affordable(task: str, n: int, engine: str, earlier: dict[str, Any]) -> bool:
    """Whether the engine, judged by the size before, keeps within its patience."""
    if engine in ("sequela", "limit"):
        return True
    before = [size for size in earlier if int(size) < n]
    if not before:
        return (task, engine) not in LEFT_OUT
    last = max(before, key=int)
    if engine not in earlier[last]:
        return False
    took = statistics.median(earlier[last][engine]["seconds"])
    return took * n / int(last) <= PATIENCE.get(engine, PEERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="*", default=[""], help="tasks whose name begins so")
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--engines", nargs="*", default=(*ENGINES, "limit"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resume", action="store_true", help="leave out cells that were measured already")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page again")
    parser.add_argument("--data", type=Path, default=Path(__file__).with_name("survival.json"))
    parser.add_argument("--out", type=Path, default=Path("docs/performance.md"))
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker)
        return
    results, crew = known(arguments.data), Crew()
    engines = [e for e in arguments.engines if e != "R survival" or shutil.which("Rscript")]
    chosen = [task for task in TASKS if task.startswith(tuple(arguments.only))]
    for n in () if arguments.page else arguments.sizes:  # one size of all tasks after the other
        for task in chosen:
            sizes = ONLY.get(task, SIZES if task in LARGEST else SIZES[:-1])
            cells = results.setdefault(task, {})
            if n not in sizes or (arguments.resume and str(n) in cells):
                continue
            running = [e for e in engines if affordable(task, n, e, cells)]
            cells[str(n)] = cell(crew, task, n, running, arguments.rounds)
            arguments.data.write_text(json.dumps(results, indent=1) + "\n")
            times = {e: shown(statistics.median(f["seconds"])) for e, f in cells[str(n)].items()}
            print(task, n, times, flush=True)
    arguments.out.write_text(page(results, PEERS, PATIENCE["R survival"]))


if __name__ == "__main__":
    main()
