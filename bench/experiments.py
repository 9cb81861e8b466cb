"""Wells against experiments: how often a test finds a difference between two lines that are the same.

    python -m bench.experiments [--simulate 4000]

One dose, 3 wells an experiment and line; viability 0.5 with a scatter of wells of 5 % and a scatter between days of
`DAYS` (SD of log10 signal) of each line on each day. Share of p < 0.05, and of p < 0.0001.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import stdtr

from sequela.core.readings import Readings
from sequela.estimates.experiments import against_reference

DAYS = (0.0, 0.05, 0.1, 0.2)
WELLS = 3
SCATTER = 0.05


def study(rng: np.random.Generator, experiments: int, day: float) -> np.ndarray:
    """Signals of two lines that are the same: (line, experiment, well)."""
    means = 0.5 * 10 ** rng.normal(0, day, (2, experiments, 1))
    return means * (1 + rng.normal(0, SCATTER, (2, experiments, WELLS)))


def wells_as_n(signals: np.ndarray) -> float:
    """p of Student's t test that takes every well for a repeat."""
    a, b = signals.reshape(2, -1)
    df = 2 * len(a) - 2
    pooled = (a.var(ddof=1) + b.var(ddof=1)) / 2
    return float(2 * stdtr(df, -abs(b.mean() - a.mean()) / np.sqrt(2 * pooled / len(a))))


def readings(signals: np.ndarray) -> Readings:
    """The same study with its experiments named."""
    lines, experiments, wells = signals.shape
    condition = np.repeat(["A", "B"], experiments * wells)
    return Readings(signals.ravel(), condition, np.tile(np.repeat(np.arange(experiments), wells), lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulate", type=int, default=4000)
    n = parser.parse_args().simulate
    rng = np.random.default_rng(20201211)
    print(
        "| experiments | SD between days (log10) | wells, p < 0.05 | wells, p < 0.0001 | Welch on experiments | paired on experiments |"
    )
    print("|---|---|---|---|---|---|")
    for experiments in (3, 5):
        for day in DAYS:
            p = np.empty((n, 3))
            for i in range(n):
                signals = study(rng, experiments, day)
                told = readings(signals)
                tests = [against_reference(told, test=name)[0].effect.p for name in ("welch", "paired")]
                p[i] = (wells_as_n(signals), *tests)
            share = (p < 0.05).mean(0)
            print(
                f"| {experiments} | {day:g} | {share[0]:.3f} | {(p[:, 0] < 0.0001).mean():.3f} | {share[1]:.3f} | {share[2]:.3f} |"
            )


if __name__ == "__main__":
    main()
