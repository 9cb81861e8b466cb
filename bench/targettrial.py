"""Target trial emulation on invented patients whose truth is known: bias, coverage, power.

    python -m bench.targettrial [--runs 500] [--samples 200] [--out docs/target-trial.md]

Treatment starts some time after time zero, sooner in the fitter patients; it does nothing, or it halves the hazard of
death. The table stands between two marks of the page and is replaced as a whole.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sequela.core.outcome import Times
from sequela.core.units import DAYS_PER_MONTH
from sequela.estimates.cox import cox
from sequela.estimates.personmonths import Strategy
from sequela.estimates.sequentialtrials import sequential_trials
from sequela.estimates.targettrial import TargetTrial, target_trial

GRACE, TAU, LATEST = 3.0, 24.0, 12.0
HAZARD, STARTS = 0.035, 0.25  # a month
MARKS = ("<!-- bench.targettrial -->", "<!-- end -->")


@dataclass(frozen=True, eq=False)
class Invented:
    """n patients: covariate, day of treatment (infinite: never), exit and death."""

    fitness: np.ndarray
    start: np.ndarray
    exit: np.ndarray
    death: np.ndarray


def lived(rng: np.random.Generator, fitness: np.ndarray, start: np.ndarray, effect: float) -> np.ndarray:
    """Months to death: the hazard is multiplied by exp(effect) from `start` on."""
    rate, luck = HAZARD * np.exp(-0.7 * fitness), rng.exponential(size=len(fitness))
    before = rate * np.where(np.isfinite(start), start, 1e9)
    return np.where(luck < before, luck / rate, np.where(np.isfinite(start), start, 0) + (luck - before) / (rate * np.exp(effect)))  # fmt: skip


def invent(rng: np.random.Generator, n: int, effect: float) -> Invented:
    """Fitter patients start sooner; follow-up ends for everybody between 20 and 48 months."""
    fitness = rng.normal(size=n)
    start = rng.exponential(1 / (STARTS * np.exp(0.6 * fitness)))
    start[start > LATEST] = np.inf
    death, end = lived(rng, fitness, start, effect), rng.uniform(20, 48, n)
    exit = np.minimum(death, end)
    start[start >= exit] = np.inf
    return Invented(fitness, start * DAYS_PER_MONTH, exit * DAYS_PER_MONTH, death <= end)


def truth(effect: float, n: int = 400_000) -> tuple[float, float]:
    """Difference in survival at 24 months and of restricted means (months): both strategies forced on everybody."""
    rng = np.random.default_rng(1)
    fitness = rng.normal(size=n)
    own, later = rng.exponential(1 / (STARTS * np.exp(0.6 * fitness)), (2, n))
    late = np.where(GRACE + later > LATEST, np.inf, GRACE + later)
    ends = [lived(rng, fitness, start, effect) for start in (late, np.minimum(own, GRACE))]
    survival = [float((end > TAU).mean()) for end in ends]
    means = [float(np.minimum(end, TAU).mean()) for end in ends]
    return survival[1] - survival[0], means[1] - means[0]


def emulate(one: Invented, samples: int, rng: np.random.Generator, width: float = 1.0) -> TargetTrial:
    """Within three months against not within three months."""
    strategies = (Strategy("not within 3 months", None, one.start), Strategy("within 3 months", one.start))
    return target_trial(
        one.exit, one.death, strategies, one.fitness, grace=GRACE * DAYS_PER_MONTH, tau=TAU * DAYS_PER_MONTH,
        width=width * DAYS_PER_MONTH, samples=samples, rng=rng,
    )  # fmt: skip


def naive(one: Invented) -> tuple[float, float, float]:
    """Ever against never treated from time zero, adjusted for fitness: hazard ratio and interval."""
    ever = np.isfinite(one.start).astype(float)
    ratio = cox(Times(one.exit, one.death), {"ever": ever, "fitness": one.fitness}).hazard_ratios()[0]
    return ratio.value, ratio.lower, ratio.upper


def nested(one: Invented) -> tuple[float, float, float]:
    """Sequential trials, per protocol."""
    found = sequential_trials(
        one.exit, one.death, one.start, one.fitness, trials=6, tau=TAU * DAYS_PER_MONTH, effect="per protocol"
    )
    return found.hazard_ratio.value, found.hazard_ratio.lower, found.hazard_ratio.upper


def repeat(
    effect: float, n: int, runs: int, samples: int, seed: int
) -> dict[str, tuple[float, float, float]]:
    """By method: mean estimate, truth, and the share of 95 % intervals that hold the truth."""
    at_tau, mean = truth(effect)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        one = invent(rng, n, effect)
        found = emulate(one, samples, rng).contrasts[0]
        months = (found.mean.value, found.mean.lower, found.mean.upper)
        rows.setdefault("S", []).append((found.survival.value, found.survival.lower, found.survival.upper))
        rows.setdefault("mean", []).append(tuple(v / DAYS_PER_MONTH for v in months))
        rows.setdefault("naive", []).append(naive(one))
        rows.setdefault("nested", []).append(nested(one))
        ratio = found.hazard_ratio
        rows.setdefault("HR", []).append((ratio.value, ratio.lower, ratio.upper))
    true = {
        "S": at_tau,
        "mean": mean,
        "naive": np.exp(effect),
        "nested": np.exp(effect),
        "HR": np.exp(effect),
    }
    summary: dict[str, tuple[float, float, float]] = {}
    for name, values in rows.items():
        v = np.array(values)
        centre = float(
            np.exp(np.log(v[:, 0]).mean()) if name in ("naive", "nested", "HR") else v[:, 0].mean()
        )
        covered = float(((v[:, 1] <= true[name]) & (true[name] <= v[:, 2])).mean())
        summary[name] = (centre, float(true[name]), covered)
    return summary


WORDS = {
    "naive": "Naive: ever treated against never, Cox, hazard ratio",
    "HR": "Clone, censor, weight: hazard ratio",
    "S": "Clone, censor, weight: difference in survival at 24 months",
    "mean": "Clone, censor, weight: difference of restricted means to 24 months, months",
    "nested": "Sequential trials, per protocol: hazard ratio",
}


def table(runs: int, samples: int, n: int = 400) -> str:
    """The page's table. The hazard ratio of two grace strategies is no constant unless treatment does nothing."""
    lines = [
        "| world | method | mean estimate | truth | 95 % intervals that hold the truth |",
        "|---|---|---|---|---|",
    ]
    for seed, (world, effect) in enumerate({"no effect": 0.0, "hazard halved": float(np.log(0.5))}.items()):
        found = repeat(effect, n, runs, samples, 20 + seed)
        for name, words in WORDS.items():
            if name == "HR" and effect:
                continue
            centre, true, covered = found[name]
            lines.append(f"| {world} | {words} | {centre:.3f} | {true:.3f} | {100 * covered:.1f} % |")
    error = 100 * float(np.sqrt(0.95 * 0.05 / runs))
    said = f"{runs} runs of {n} patients, {samples} bootstrap samples each; Monte Carlo error of 95 %: {error:.1f} points."
    return "\n".join([said, "", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("docs/target-trial.md"))
    asked = parser.parse_args()
    made = table(asked.runs, asked.samples)
    page = asked.out.read_text()
    before, rest = page.split(MARKS[0])
    asked.out.write_text(f"{before}{MARKS[0]}\n{made}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")


if __name__ == "__main__":
    main()
