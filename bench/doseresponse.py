"""Dose-response: batched fits against loops of scipy's curve_fit and R's nls, and three simulations for the docs.

    python -m bench.doseresponse [--curves 20000] [--simulate 2000] [--mixed 400]

CPU seconds of this process; peak memory as traced by Python.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

import sequela as sq
from sequela.estimates.doseresponse import (
    FORMS,
    compare,
    compare_mixed,
    extra_sum_of_squares,
    fitting,
    intervals,
)
from sequela.estimates.doseresponse.models import curve

LL4 = FORMS["ll4"]
DOSES = np.logspace(-3, 1, 9)
WELLS = 3
SD = 0.05


def curves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True theta (n, 4) and wells (n, 9, 3) of viability curves."""
    rng = np.random.default_rng(seed)
    theta = np.stack(
        [np.log(rng.uniform(0.7, 2.5, n)), rng.uniform(0, 0.4, n), np.ones(n), rng.uniform(-5, 1, n)], 1
    )
    mean = curve(LL4, theta, np.tile(DOSES, (n, 1)))
    return theta, mean[:, :, None] + rng.normal(0, SD, (n, len(DOSES), WELLS))


def batched(wells: np.ndarray) -> tuple[fitting.Batch, fitting.Fitted, np.ndarray]:
    """Fit dose means; also the sums of squares of the replicates."""
    mean = wells.mean(2)
    dose, weight = np.tile(DOSES, (len(mean), 1)), np.full(mean.shape, float(WELLS))
    rows = fitting.batch(LL4, dose, mean, weight, {})
    return rows, fitting.fit(rows), ((wells - mean[:, :, None]) ** 2).sum((1, 2))


def loop(wells: np.ndarray, start: fitting.Batch) -> int:
    """The usual loop: bounded curve_fit from one start; returns how many failed."""

    def model(x: Any, b: float, c: float, d: float, t: float) -> Any:
        return c + (d - c) / (1 + np.exp(np.exp(b) * (x - t)))

    x, failed = np.repeat(np.log(DOSES), WELLS), 0
    for i, one in enumerate(wells):
        y = one.ravel()
        try:
            guess = (0.0, y.min(), y.max(), float(np.mean(x)))
            curve_fit(model, x, y, guess, bounds=(start.low[i], start.high[i]))
        except RuntimeError:
            failed += 1
    return failed


R = """
wells <- as.matrix(read.csv("%s", header = FALSE)); x <- rep(log(10^seq(-3, 1, length.out = 9)), each = 3)
clock <- proc.time()[["user.self"]]; failed <- 0
for (i in seq_len(nrow(wells))) { y <- wells[i, ]
  m <- try(nls(y ~ c + (d - c) / (1 + exp(exp(b) * (x - t))), start = list(b = 0, c = min(y), d = max(y), t = mean(x)),
    algorithm = "port", lower = c(-2.3, -1, -1, -11.5), upper = c(3, 2.5, 2.5, 6.9)), silent = TRUE)
  failed <- failed + inherits(m, "try-error") }
cat(nrow(wells) / (proc.time()[["user.self"]] - clock), failed)
"""


def r_loop(wells: np.ndarray) -> str:
    """Bounded `nls` of R from one start, in fits per CPU second; a text without R."""
    if shutil.which("Rscript") is None:
        return "R is not installed"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "wells.csv"
        np.savetxt(path, wells.reshape(len(wells), -1), delimiter=",")
        done = subprocess.run(["Rscript", "-e", R % path], capture_output=True, text=True, check=True)
    speed, failed = done.stdout.split()
    return f"{float(speed):,.0f} fits per CPU second, {failed} of {len(wells)} failed"


def timed(work: Any) -> float:
    """CPU seconds of one call."""
    before = time.process_time()
    work()
    return time.process_time() - before


def peak(work: Any) -> float:
    """Peak traced memory of one call in MiB."""
    tracemalloc.start()
    work()
    found = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return found


def coverage(n: int, seed: int) -> dict[str, float]:
    """Share of nominal 95 % intervals of log EC50 that hold the truth, by profile and by delta."""
    theta, wells = curves(n, seed)
    rows, found, pure = batched(wells)
    df = np.full(n, len(DOSES) * WELLS - 4)
    truth = theta[:, 3]
    low, high = intervals.profile(rows, found, pure, df, 0.95)
    _, below, above = intervals.delta(rows, found, pure, df, 0.95)
    return {
        "profile": float(((low[:, 3] <= truth) & (truth <= high[:, 3])).mean()),
        "delta": float(((below[:, 3] <= truth) & (truth <= above[:, 3])).mean()),
    }


def false_positives(n: int, day_sd: float, seed: int, days: int = 3) -> dict[str, float]:
    """Share of p < 0.05 when two lines are the same: F test on pooled wells, Welch t on experiments.

    `day_sd` is the standard deviation of log10 EC50 between experiments; each line has its own days.
    """
    rng = np.random.default_rng(seed)
    dose = np.tile(np.repeat(DOSES, WELLS), days)
    day = np.repeat([f"{i}" for i in range(days)], len(DOSES) * WELLS)
    label = np.repeat(["a", "b"], len(dose))
    hits = {"wells": 0, "experiments": 0}
    for _ in range(n):
        y = [_line(rng, dose, day_sd, days) for _ in "ab"]
        pooled = extra_sum_of_squares(np.tile(dose, 2), np.concatenate(y), label, ("ec50",))
        fits = [sq.dose_response(dose, one, experiment=day, interval="delta") for one in y]
        assert not isinstance(fits[0], dict) and not isinstance(fits[1], dict)
        ratio = compare(fits[0], fits[1], "ec50", paired=False)
        hits["wells"] += pooled.test.p < 0.05
        hits["experiments"] += ratio.p < 0.05
    return {name: count / n for name, count in hits.items()}


def _line(rng: np.random.Generator, dose: np.ndarray, day_sd: float, days: int) -> np.ndarray:
    shift = np.repeat(rng.normal(0, day_sd * math.log(10), days), len(dose) // days)
    return 0.1 + 0.9 / (1 + (dose / 0.1 / np.exp(shift)) ** 1.2) + rng.normal(0, SD, len(dose))


def shared_days(n: int, days: int, own_sd: float, seed: int, shift: float = 1.0) -> dict[str, float]:
    """Share of p < 0.05 of two lines on the same days: mixed model of curves, paired t, F test on pooled wells.

    Days scatter by 0.15 in log10 EC50, each line on each day by `own_sd` besides, plateaus by 0.03; the second
    line's EC50 is `shift` times the first's.
    """
    rng = np.random.default_rng(seed)
    doses = np.concatenate([[0.0], DOSES])
    dose = np.tile(np.repeat(doses, WELLS), days)
    day = np.repeat([f"{i}" for i in range(days)], len(doses) * WELLS)
    wells, by = np.tile(dose, 2), np.repeat(["a", "b"], len(dose))
    hits = {"mixed": 0, "paired": 0, "wells": 0}
    for _ in range(n):
        common = rng.normal(0, 0.15 * math.log(10), days)
        y: list[np.ndarray] = []
        for centre in (0.1, 0.1 * shift):
            place = np.repeat(common + rng.normal(0, own_sd * math.log(10), days), len(dose) // days)
            low = np.repeat(0.1 + rng.normal(0, 0.03, days), len(dose) // days)
            mean = low + (1 - low) / (1 + (dose / centre / np.exp(place)) ** 1.2)
            y.append(mean + rng.normal(0, SD, len(dose)))
        whole = np.concatenate(y)
        mixed = compare_mixed(wells, whole, by, np.tile(day, 2), "ec50")
        fits = [sq.dose_response(dose, one, experiment=day, interval="delta") for one in y]
        assert not isinstance(fits[0], dict) and not isinstance(fits[1], dict)
        hits["mixed"] += mixed.contrasts[0].p < 0.05
        hits["paired"] += compare(fits[0], fits[1], "ec50").p < 0.05
        hits["wells"] += extra_sum_of_squares(wells, whole, by, ("ec50",)).test.p < 0.05
    return {name: count / n for name, count in hits.items()}


def mixed_table(n: int) -> None:
    """The docs' table of the mixed model."""
    print("| experiments | sd of a line on a day | mixed | paired t | F test on pooled wells | mixed, 2-fold | paired t, 2-fold |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for days in (3, 5):
        for own_sd in (0.0, 0.05, 0.1):
            null, real = (shared_days(n, days, own_sd, 21, shift) for shift in (1.0, 2.0))
            shares = (null["mixed"], null["paired"], null["wells"], real["mixed"], real["paired"])
            print(f"| {days} | {own_sd:g} | " + " | ".join(f"{share:.3f}" for share in shares) + " |")


def main() -> None:
    """Print the benchmark and both simulations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=20_000)
    parser.add_argument("--simulate", type=int, default=0)
    parser.add_argument("--mixed", type=int, default=0)
    chosen = parser.parse_args()
    _, wells = curves(chosen.curves, 1)
    rows, found, pure = batched(wells)
    few = wells[:300]
    print(f"batched: {chosen.curves / timed(lambda: batched(wells)):,.0f} fits per CPU second")
    print(f"batched: peak {peak(lambda: batched(wells)):.0f} MiB for {chosen.curves:,} curves")
    print(f"curve_fit loop: {len(few) / timed(lambda: loop(few, rows)):,.0f} fits per CPU second")
    print(f"R nls loop: {r_loop(few)}")
    thousand = fitting.Fitted(found.theta[:1000], found.rss[:1000], found.converged[:1000])
    part, df = rows.rows(slice(0, 1000)), np.full(1000, 23)
    seconds = timed(lambda: intervals.profile(part, thousand, pure[:1000], df, 0.95))
    print(f"profile intervals, 4 parameters of 1,000 curves: {seconds:.2f} CPU seconds")
    if chosen.mixed:
        mixed_table(chosen.mixed)
    if chosen.simulate:
        print("coverage", coverage(chosen.simulate, 11))
        for day_sd in (0.0, 0.1, 0.15, 0.2):
            print("false positives", day_sd, false_positives(chosen.simulate // 2, day_sd, 12))


if __name__ == "__main__":
    main()
