"""Do 95 % intervals cover, do 5 % tests reject 5 %? Simulated with known truth.

    python -m bench.coverage [--runs 2000] [--out docs/coverage.md]

Each row repeats one situation; the Monte Carlo error of a share of 0.95 in 2,000 runs is 0.005.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.outcome import Times
from sequela.estimates.bands import band
from sequela.estimates.competing import aalen_johansen
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.finegray import fine_gray
from sequela.estimates.gray import gray
from sequela.estimates.groupwise import max_combo, rmst_difference, trend_test
from sequela.estimates.penalised import firth
from sequela.estimates.tests import log_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HAZARD = 0.1
Q = 1.959963984540054


def exponential(rng: np.random.Generator, n: int, rate: Any = HAZARD) -> Times:
    """Exponential times, uniformly censored over (0, 25): about a third is censored."""
    event, end = rng.exponential(1 / rate, n), rng.uniform(0, 25, n)
    return Times(np.minimum(event, end), event <= end)


def curves(rng: np.random.Generator, n: int) -> Iterator[tuple[str, bool]]:
    times = exponential(rng, n)
    for kind in ("log", "log-log", "plain", "logit", "arcsin"):
        curve = kaplan_meier(times, interval=kind)
        at, median, area = curve.at(7), curve.median(), curve.rmst(10)
        yield f"S(7), {kind}", at.lower <= math.exp(-HAZARD * 7) <= at.upper
        yield f"median, {kind}", median.lower <= math.log(2) / HAZARD <= median.upper
    truth = (1 - math.exp(-HAZARD * 10)) / HAZARD
    yield "restricted mean to 10", area.lower <= truth <= area.upper
    spss = kaplan_meier(times, convention="spss").median()
    yield "median, SPSS", spss.lower <= math.log(2) / HAZARD <= spss.upper
    for kind in ("hall-wellner", "equal-precision"):
        found = band(kaplan_meier(times), kind, start=1.0, end=15.0)
        low, high = np.exp(-HAZARD * found.time), np.exp(-HAZARD * np.append(found.time[1:], found.end))
        yield f"band from 1 to 15, {kind}", bool((found.lower <= low).all() and (found.upper >= high).all())


def regression(rng: np.random.Generator, n: int) -> Iterator[tuple[str, bool]]:
    x = np.column_stack([rng.normal(size=n), rng.integers(0, 2, n)])
    times = exponential(rng, n, HAZARD * np.exp(x @ [0.5, -0.7]))
    weeks = Times(np.ceil(times.exit), times.state)
    models = {
        "Cox": cox(times, x),
        "Cox, ties (Efron)": cox(weeks, x),
        "Cox, robust": cox(times, x, robust=True),
    }
    for name, model in models.items():
        se = model.se if model.robust_se is None else model.robust_se
        yield f"{name}: binary covariate", bool(abs(model.coef[1] + 0.7) <= Q * se[1])
    small = firth(times.take(np.arange(min(n, 40))), x[:40])
    yield "Cox, Firth, n 40: binary covariate", bool(abs(small.coef[1] + 0.7) <= Q * small.se[1])


def competing(rng: np.random.Generator, n: int) -> Iterator[tuple[str, bool]]:
    times = exponential(rng, n)
    cause = np.where(times.state > 0, 1 + (rng.random(n) < 0.4), 0)
    curve = aalen_johansen(Times(times.exit, cause), interval="log-log")[1].at(7)
    yield "cumulative incidence at 7", curve.lower <= 0.6 * (1 - math.exp(-HAZARD * 7)) <= curve.upper


def null(rng: np.random.Generator, n: int) -> Iterator[tuple[str, bool]]:
    """Rejections at 5 % where nothing differs."""
    times, group = exponential(rng, n), rng.integers(0, 2, n)
    three = rng.integers(0, 3, n)
    found = {
        "log-rank, 2 groups": log_rank(times, group),
        "log-rank, 3 groups": log_rank(times, three),
        "log-rank, 4 strata": log_rank(times, group, strata=rng.integers(0, 4, n)),
        "Gehan": log_rank(times, group, scheme="gehan"),
        "Fleming-Harrington (0, 1)": log_rank(times, group, gamma=1),
        "MaxCombo": max_combo(times, group),
        "trend": trend_test(times, three),
        "restricted mean difference": rmst_difference(times, group, 10)["difference"],
        "Cox, likelihood ratio": cox(times, group).tests["likelihood_ratio"],
        "Cox, Wald": cox(times, group).tests["wald"],
        "Cox, score": cox(times, group).tests["score"],
    }
    cause = np.where(times.state > 0, 1 + (rng.random(n) < 0.4), 0)
    both = Times(times.exit, cause)
    found |= {"Gray": gray(both, group), "Fine-Gray, Wald": fine_gray(both, group).tests["wald"]}
    found["proportional hazards (km)"] = cox(times, group).check_proportionality().tests["GLOBAL"]
    for name, test in found.items():
        yield name, test.p < 0.05


COVERAGE = (curves, regression, competing)


def shares(
    situation: Callable[[np.random.Generator, int], Any], n: int, runs: int, seed: int
) -> dict[str, float]:
    """Share of runs in which each statement of a situation held."""
    rng = np.random.default_rng(seed)
    counts: dict[str, int] = {}
    for _ in range(runs):
        for name, held in situation(rng, n):
            counts[name] = counts.get(name, 0) + bool(held)
    return {name: count / runs for name, count in counts.items()}


def page(runs: int) -> str:
    lines = [
        "# Coverage and type I error",
        "",
        f"{runs:,} runs each, exponential times, a third censored; 95 % intervals and 5 % tests: 0.95 and 0.05 "
        f"are wanted; Monte Carlo error {math.sqrt(0.95 * 0.05 / runs):.3f}. Written by `python -m bench.coverage`.",
        "",
        "| interval | n = 60 | n = 300 |",
        "|---|---:|---:|",
    ]
    for situation in COVERAGE:
        small, large = (shares(situation, n, runs, seed) for seed, n in enumerate((60, 300)))
        lines += [f"| {name} | {small[name]:.3f} | {large[name]:.3f} |" for name in small]
    lines += ["", "| test of a true null hypothesis | n = 60 | n = 300 |", "|---|---:|---:|"]
    small, large = (shares(null, n, runs // 2, seed) for seed, n in enumerate((60, 300)))
    lines += [f"| {name} | {small[name]:.3f} | {large[name]:.3f} |" for name in small]
    lines += [
        "",
        "n is the number of subjects (Firth: 40). The second table is of half as many runs.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("docs/coverage.md"))
    arguments = parser.parse_args()
    text = page(arguments.runs)
    arguments.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
