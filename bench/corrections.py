"""Do the corrections cover, under no effect and under a true one? Simulated with known truth.

    python -m bench.corrections [--runs 500] [--samples 0] [--out docs/corrections.md]

`--samples 100` adds the bootstrap intervals of weights and of standardised means: hours instead of minutes.

Three worlds, each with and without an effect of treatment (hazard ratio 0.6 for every patient):
  confounded  the sicker are treated more often; the weighted and the standardised comparisons;
  immortal    treatment starts during follow-up, at random, for those who live to it; landmark and time-dependent;
  holes       a third of a strong confounder is missing, more often after death; imputation and complete cases.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.outcome import Times
from sequela.estimates.cox import cox
from sequela.estimates.imputation import impute
from sequela.estimates.landmark import landmarks, time_dependent
from sequela.estimates.standardisation import standardise
from sequela.estimates.weighted import weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sequela.core.estimate import Estimate

N, EFFECT, RATE, TAU = 300, math.log(0.6), 0.04, 24.0


@dataclass(frozen=True)
class Answer:
    """One method in one run: its estimate on the scale on which the truth is given."""

    method: str
    value: float
    lower: float
    upper: float
    truth: float


def ratio(method: str, found: Estimate, truth: float) -> Answer:
    return Answer(method, math.log(found.value), math.log(found.lower), math.log(found.upper), truth)


def covariates(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.column_stack([rng.normal(size=n), rng.integers(0, 2, n)]).astype(float)


def chance(X: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(0.7 * X[:, 0] + 0.5 * X[:, 1] - 0.25)))


def death(rng: np.random.Generator, X: np.ndarray, arm: Any, effect: float) -> np.ndarray:
    return rng.exponential(1 / (RATE * np.exp(X @ [0.7, 0.4] + effect * arm)))


def seen(rng: np.random.Generator, when: np.ndarray) -> Times:
    end = rng.uniform(6, 48, len(when))
    return Times(np.minimum(when, end), when <= end)


def marginal(effect: float, tilt: str) -> float:
    """The log hazard ratio that weighting aims at: both treatments given to everybody, patients weighted by the tilt."""
    rng = np.random.default_rng(1)
    X = covariates(rng, 200_000)
    e = chance(X)
    h = {
        "everybody": np.ones(len(e)),
        "overlap": e * (1 - e),
        "matching": np.minimum(e, 1 - e),
        "treated": e,
    }[tilt]
    arm = np.repeat([0.0, 1.0], len(X))
    both = np.concatenate([X, X])
    times = seen(rng, death(rng, both, arm, effect))
    return float(cox(times, arm, weights=np.tile(h, 2) / h.mean(), robust=False).coef[0])


def restricted(effect: float) -> float:
    """The true difference of restricted means to TAU, over the covariates of everybody."""
    X = covariates(np.random.default_rng(2), 400_000)
    rate = RATE * np.exp(X @ [0.7, 0.4])
    means = [((1 - np.exp(-rate * r * TAU)) / (rate * r)).mean() for r in (1.0, math.exp(effect))]
    return float(means[1] - means[0])


def confounded(effect: float, samples: int) -> Callable[[np.random.Generator], Iterator[Answer]]:
    crude_truth = marginal(effect, "everybody")
    aims = {
        "iptw": crude_truth,
        "overlap": marginal(effect, "overlap"),
        "matching": marginal(effect, "matching"),
    }
    aims["att"] = marginal(effect, "treated")
    means = restricted(effect)

    def once(rng: np.random.Generator) -> Iterator[Answer]:
        X = covariates(rng, N)
        arm = (rng.random(N) < chance(X)).astype(int)
        times = seen(rng, death(rng, X, arm, effect))
        yield ratio("as asked, no correction", cox(times, arm.astype(float)).hazard_ratios()[0], crude_truth)
        yield ratio(
            "Cox with the confounders", cox(times, np.column_stack([arm, X])).hazard_ratios()[0], effect
        )
        for method, truth in aims.items():
            found = weighted(times, arm, X, method, samples=samples, rng=rng)  # pyright: ignore[reportArgumentType]
            yield ratio(f"weights: {method}, robust", found.ratios[0], truth)
            if samples:
                yield ratio(f"weights: {method}, bootstrap", found.bootstrapped[0], truth)
        for outcome in ("cox", "cox_by_group") if samples else ():
            made = standardise(times, arm, X, TAU, outcome=outcome, samples=samples, rng=rng)
            mean = made.differences[0]
            yield Answer(
                f"standardised means, {outcome.replace('_', ' ')}", mean.value, mean.lower, mean.upper, means
            )

    return once


def immortal(effect: float, samples: int) -> Callable[[np.random.Generator], Iterator[Answer]]:
    aim = landmark_truth(effect)

    def once(rng: np.random.Generator) -> Iterator[Answer]:
        start = np.where(rng.random(N) < 0.7, rng.exponential(12, N), np.inf)
        first = rng.exponential(1 / RATE, N)
        after = start + rng.exponential(1 / (RATE * math.exp(effect)), N)
        times = seen(rng, np.where(first <= start, first, after))
        ever = start < times.exit
        yield ratio(
            "ever treated, from the origin", cox(times, ever.astype(float)).hazard_ratios()[0], effect
        )
        _, model = time_dependent(times, start)
        yield ratio("treatment as it changes", model.hazard_ratios()[0], effect)
        early = np.where(start <= 6, "treated", "not yet")
        (six,) = landmarks(times, early, np.zeros(N), [6], levels=("not yet", "treated"))
        yield ratio("landmark at 6", six.model.hazard_ratios()[0], aim)

    return once


def landmark_truth(effect: float) -> float:
    """What the landmark at 6 aims at: who starts later is still `not yet`, so the contrast is diluted."""
    rng = np.random.default_rng(3)
    n = 300_000
    start = np.where(rng.random(n) < 0.7, rng.exponential(12, n), np.inf)
    first = rng.exponential(1 / RATE, n)
    times = seen(
        rng, np.where(first <= start, first, start + rng.exponential(1 / (RATE * math.exp(effect)), n))
    )
    early = np.where(start <= 6, "treated", "not yet")
    (six,) = landmarks(times, early, np.zeros(n), [6], levels=("not yet", "treated"))
    return float(six.model.coef[0])


def holes(effect: float, samples: int) -> Callable[[np.random.Generator], Iterator[Answer]]:
    def once(rng: np.random.Generator) -> Iterator[Answer]:
        X = covariates(rng, N)
        arm = (rng.random(N) < chance(X)).astype(int)
        times = seen(rng, death(rng, X, arm, effect))
        gone = rng.random(N) < np.where(times.state > 0, 0.45, 0.2)
        columns = {"arm": arm, "x": np.where(gone, np.nan, X[:, 0]), "b": X[:, 1]}
        for method in ("chained", "smcfcs"):
            found = impute(times, columns, rng, method, imputations=10, iterations=5)
            yield ratio(f"imputed, {method}: treatment", found.ratios[0], effect)
            yield ratio(f"imputed, {method}: the incomplete covariate", found.ratios[1], 0.7)
        assert found.complete is not None
        yield ratio("complete cases: treatment", found.complete.hazard_ratios()[0], effect)
        yield ratio("complete cases: the incomplete covariate", found.complete.hazard_ratios()[1], 0.7)

    return once


WORLDS = {"confounded": confounded, "immortal": immortal, "holes": holes}


def simulate(
    world: str, effect: float, runs: int, samples: int = 0, seed: int = 0
) -> dict[str, list[Answer]]:
    """`runs` data sets of a world; {method: its answers}."""
    once = WORLDS[world](effect, samples)
    found: dict[str, list[Answer]] = {}
    for rng in np.random.default_rng(seed).spawn(runs):
        for answer in once(rng):
            found.setdefault(answer.method, []).append(answer)
    return found


def row(method: str, answers: list[Answer]) -> tuple[str, float, float, float, float, int]:
    """Method, truth, mean bias, coverage, share that excludes no effect, runs without an answer."""
    known = [a for a in answers if not math.isnan(a.lower)]
    bias = float(np.mean([a.value - a.truth for a in known]))
    covered = float(np.mean([a.lower <= a.truth <= a.upper for a in known]))
    excluded = float(np.mean([not a.lower <= 0 <= a.upper for a in known]))
    return method, answers[0].truth, bias, covered, excluded, len(answers) - len(known)


def table(world: str, runs: int, samples: int) -> list[str]:
    both = [simulate(world, effect, runs, samples) for effect in (0.0, EFFECT)]
    lines = [
        "| method | bias, no effect | coverage, no effect | 5 % test rejects | truth | bias | coverage | power |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for method in both[0]:
        _, _, b0, c0, r0, lost0 = row(method, both[0][method])
        _, truth, b1, c1, r1, lost1 = row(method, both[1][method])
        name = method + (f" ({lost0 + lost1} runs without an answer)" if lost0 + lost1 else "")
        lines.append(
            f"| {name} | {b0:+.3f} | {c0:.3f} | {r0:.3f} | {truth:+.3f} | {b1:+.3f} | {c1:.3f} | {r1:.3f} |"
        )
    return lines


INTRODUCTION = """# Do the corrections cover?

{runs} data sets of {n} patients in each world, with and without an effect of treatment (hazard ratio 0.6); 95 % intervals,
so a coverage of 0.95 and a test that rejects 0.05 under no effect are wanted; Monte Carlo error {error:.3f}. Bias and
truth are log hazard ratios. Written by `python -m bench.corrections`; `--samples 100` adds the bootstrap intervals of
weights and of standardised means, which are not in the table below. 10 imputations.

A weighted hazard ratio is marginal: its truth is the log hazard ratio that a Cox model gives when both treatments are
given to everybody (to those weighted: overlap, matching, treated), which is nearer to 0 than the ratio of each patient.
"""

SECTIONS = {
    "confounded": "The sicker are treated more often",
    "immortal": "Treatment starts during follow-up",
    "holes": "A confounder is missing, more often after death",
}

CLOSE = """
The landmark's truth is what a landmark can see: patients who start later count as not yet treated, so its contrast is
diluted. *Ever treated* is the immortal-time error itself. Robust intervals of inverse probability weights take the weights
as known and are somewhat too wide. Chained equations pull the effect of a strong incomplete covariate towards nothing;
SMC-FCS does not; the complete cases, here missing more often after death, push it away.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/corrections.md"))
    asked = parser.parse_args()
    error = math.sqrt(0.05 * 0.95 / asked.runs)
    lines = [INTRODUCTION.format(runs=asked.runs, n=N, error=error)]
    for world, title in SECTIONS.items():
        lines += [f"## {title}", "", *table(world, asked.runs, asked.samples), ""]
        print("\n".join(lines[-3:]), flush=True)
    asked.out.write_text("\n".join(lines).rstrip() + "\n" + CLOSE, encoding="utf-8")


if __name__ == "__main__":
    main()
