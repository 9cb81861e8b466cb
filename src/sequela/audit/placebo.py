"""What an analysis finds in worlds where there is nothing to find: false positives, and where the observed stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.estimates.tables import binomial_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One way of analysing the comparison, over all runs.

    Attributes:
        label: as it is printed.
        ratios: hazard ratio of each run, not a number where it could not be estimated, shape (runs,).
        p: its p-value, shape (runs,).
        medians: median of each arm, not a number where not reached or not given, shape (runs, arms).
        observed: the hazard ratio in the study's own records, or None.
        observed_p: its p-value, or None.
    """

    label: str
    ratios: Floats
    p: Floats
    medians: Floats
    observed: float | None
    observed_p: float | None

    @property
    def known(self) -> int:
        """Runs with an estimate."""
        return int(np.isfinite(self.ratios).sum())

    @property
    def rejected(self) -> tuple[float, float, float]:
        """Share of these runs with p < 0.05 and its 95% interval (Wilson)."""
        count = int((self.p[np.isfinite(self.ratios)] < 0.05).sum())
        if not self.known:
            return np.nan, np.nan, np.nan
        share = binomial_interval(count, self.known, method="wilson")
        return share.value, share.lower, share.upper

    @property
    def middle(self) -> tuple[float, float, float]:
        """Median, 2.5% and 97.5% quantile of the hazard ratio."""
        found = self.ratios[np.isfinite(self.ratios)]
        if not found.size:
            return np.nan, np.nan, np.nan
        low, half, high = np.quantile(found, [0.025, 0.5, 0.975])
        return float(half), float(low), float(high)

    @property
    def arm_medians(self) -> tuple[float, ...]:
        """Median over the runs of each arm's median; a median not reached counts as the largest."""
        if not self.medians.shape[1]:
            return ()
        half = np.median(np.where(np.isnan(self.medians), np.inf, self.medians), axis=0)
        return tuple(float(value) for value in half)

    @property
    def as_extreme(self) -> float | None:
        """Share of runs at least as far from their own middle as the observed ratio, of (k + 1) / (runs + 1).

        Two-sided on the log scale (Davison and Hinkley, Bootstrap Methods and their Application, 1997, 4.2).
        """
        if self.observed is None or not self.known:
            return None
        found = np.log(self.ratios[np.isfinite(self.ratios)])
        centre = np.median(found)
        beyond = int((np.abs(found - centre) >= abs(np.log(self.observed) - centre)).sum())
        return (beyond + 1) / (found.size + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Placebo:
    """A comparison in worlds without an effect.

    Attributes:
        comparison: what is compared, in words.
        arms: the groups, the reference first.
        methods: the naive one first.
        runs: worlds invented.
        seed: of the first.
        sizes: patients of each arm in each run, shape (runs, arms).
        observed_sizes: in the study.
        selected: whether the file holds only patients who pass the study's criteria, so that candidates who do
            not were invented and left out.
        share: patients of the file for each candidate invented.
        frailty: variance of the patients' frailty in the invented world.
    """

    comparison: str
    arms: tuple[str, ...]
    methods: tuple[Method, ...]
    runs: int
    seed: int
    sizes: Floats
    observed_sizes: tuple[int, ...]
    selected: bool
    share: float
    frailty: float

    @property
    def sentence(self) -> str:
        """What it comes to, in plain words."""
        naive = self.methods[0]
        rate, low, high = naive.rejected
        middle = naive.middle[0]
        words = (
            f"In {self.runs} invented worlds in which no treatment does anything, this analysis gives a median "
            f"hazard ratio of {middle:.2f} and p < 0.05 in {100 * rate:.0f}% of the runs "
            f"(95% CI {100 * low:.0f} to {100 * high:.0f}; 5% would be right)."
        )
        if naive.observed is None:
            return words
        inside = naive.middle[1] <= naive.observed <= naive.middle[2]
        return words + (
            f" The observed {naive.observed:.2f} lies "
            + (
                "within what the design alone makes."
                if inside
                else "outside the middle 95% of what the design alone makes."
            )
        )

    @property
    def makes_the_result(self) -> bool:
        """Whether the naive analysis rejects a true null in clearly more than 5% of the runs."""
        return self.methods[0].rejected[1] > 0.05

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "comparison": self.comparison,
            "arms": list(self.arms),
            "runs": self.runs,
            "seed": self.seed,
            "selected_file": self.selected,
            "file_per_candidate": self.share,
            "frailty": self.frailty,
            "mean_sizes": [float(value) for value in self.sizes.mean(axis=0)],
            "observed_sizes": list(self.observed_sizes),
            "sentence": self.sentence,
            "methods": [_plain(method) for method in self.methods],
        }


def _plain(method: Method) -> dict[str, Any]:
    rate, low, high = method.rejected
    middle, lower, upper = method.middle
    found = {
        "method": method.label,
        "estimated": method.known,
        "median_hazard_ratio": middle,
        "quantile_025": lower,
        "quantile_975": upper,
        "false_positive_rate": rate,
        "false_positive_lower": low,
        "false_positive_upper": high,
        "arm_medians": list(method.arm_medians),
        "observed_hazard_ratio": method.observed,
        "observed_p": method.observed_p,
        "as_extreme_as_observed": method.as_extreme,
    }
    return {name: _finite(value) for name, value in found.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def gathered(
    labels: Sequence[str], outcomes: Sequence[Sequence[tuple[float, float, tuple[float, ...]]]]
) -> list[tuple[str, Floats, Floats, Floats]]:
    """Runs by methods turned to methods by runs.

    Args:
        labels: of the methods.
        outcomes: for each run, for each method the ratio, its p-value and the medians of the arms.
    """
    found: list[tuple[str, Floats, Floats, Floats]] = []
    for at, label in enumerate(labels):
        column = [run[at] for run in outcomes]
        found.append(
            (
                label,
                np.array([ratio for ratio, _, _ in column]),
                np.array([p for _, p, _ in column]),
                np.array([medians for _, _, medians in column]).reshape(len(column), -1),
            )
        )
    return found
