"""A comparison of groups after weighting: Cox with robust errors, and with the weights' own error by bootstrap.

The robust variance takes the weights as known; for inverse probability weights that is on the safe side (Lunceford and
Davidian, Stat Med 2004), for the others it need not be. The bootstrap repeats propensity model, weights and Cox model
in every sample (Austin, Stat Med 2016), whole clusters where there are any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.estimate import Curve, Estimate, normal_p
from sequela.estimates.balance import Balanced, balance
from sequela.estimates.cox import CoxModel, cox, replace_weights
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.design import design
from sequela.estimates.resampling import draws
from sequela.estimates.weights import Method, Propensity, Weights, propensity, weigh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times

FEW = 20  # effective patients in a group, below which a weighted comparison is not made


@dataclass(frozen=True, eq=False)
class Weighted:
    """A weighted comparison of K groups.

    Attributes:
        score, weights: the propensity model and what it gave.
        balance: every column before and after.
        model: the weighted Cox model of the groups, errors robust (by cluster where given).
        ratios: K - 1 hazard ratios against the first group, robust interval.
        bootstrapped: the same with bootstrap interval and error; empty without samples.
        curves: weighted Kaplan-Meier curve of each group, its interval robust (by cluster where given).
        reason: why there is no comparison (positivity), or None; then `ratios` carry it.
    """

    score: Propensity
    weights: Weights
    balance: tuple[Balanced, ...]
    model: CoxModel
    ratios: tuple[Estimate, ...]
    bootstrapped: tuple[Estimate, ...]
    curves: dict[str, Curve]
    reason: str | None


def weighted(
    times: Times, group: Any, X: Any, method: Method = "overlap", truncate: float = 0.0, levels: Any = None,
    names: Any = None, target: str | None = None, cluster: Any = None, samples: int = 0,
    rng: np.random.Generator | None = None, level: float = 0.95,
) -> Weighted:  # fmt: skip
    """Compare groups after weighting by a propensity score.

    Args:
        times: n subjects; delayed entry is used.
        group, X, levels, names: as for `propensity`.
        method, truncate, target: as for `weigh`.
        cluster: n labels; errors and bootstrap by cluster.
        samples, rng: bootstrap of the whole procedure; a generator is needed when samples > 0.
        level: of the intervals.

    The comparison is not made, and says why, when a covariate tells the groups apart for certain (separation) under
    "iptw" or "att", or when weighting leaves a group fewer than 20 effective patients.
    """
    matrix, columns = design(X, len(times), names)
    score = propensity(group, matrix, levels, columns)
    made = weigh(score, method, truncate, target)
    table = balance(score.codes, matrix, made.values, columns)
    model = _model(times, score, made, cluster, level)
    reason = not_positive(score, made)
    ratios = model.hazard_ratios()
    found: tuple[Estimate, ...] = ()
    if reason is not None:
        ratios = tuple(_withheld(ratio, reason) for ratio in ratios)
    elif samples:
        if rng is None:
            raise ValueError("a bootstrap needs a generator: rng=np.random.default_rng(seed)")
        logs = _replicates(
            times, np.asarray(group), matrix, score.levels, made, truncate, target, cluster, samples, rng
        )
        found = tuple(from_replicates(ratio, logs[:, k], level) for k, ratio in enumerate(ratios))
    return Weighted(
        score, made, table, model, ratios, found, _curves(times, score, made, cluster, level), reason
    )


def not_positive(score: Propensity, made: Weights) -> str | None:
    """Why weighting cannot make these groups comparable, or None."""
    if score.separated and made.method in ("iptw", "att"):
        terms = [term for term, why in score.reasons.items() if why.startswith("separation")]
        return f"positivity fails: {', '.join(terms)} decides the group for certain"
    few = [
        f"{name} {effective:.0f} of {size}"
        for name, size, effective in zip(score.levels, made.size, made.effective, strict=True)
        if effective < FEW
    ]
    return (
        f"positivity fails: weighting leaves too few effective patients ({'; '.join(few)})" if few else None
    )


def _withheld(ratio: Estimate, reason: str) -> Estimate:
    nothing = math.nan
    return replace(ratio, value=nothing, se=nothing, lower=nothing, upper=nothing, p=nothing, reason=reason)


def _model(times: Times, score: Propensity, made: Weights, cluster: Any, level: float) -> CoxModel:
    columns = (score.codes[:, None] == np.arange(1, len(score.levels))).astype(float)
    names = score.levels[1:]
    return cox(times, columns, weights=made.values, cluster=cluster, names=names, level=level, robust=True)


def _curves(times: Times, score: Propensity, made: Weights, cluster: Any, level: float) -> dict[str, Curve]:
    heavy = replace_weights(times, made.values)
    found: dict[str, Curve] = {}
    for k, name in enumerate(score.levels):
        rows = np.flatnonzero(score.codes == k)
        clusters = None if cluster is None else np.asarray(cluster)[rows]
        curve = kaplan_meier(heavy.take(rows), level=level, robust=True, cluster=clusters)
        found[name] = replace(curve, label=name, method="weighted Kaplan-Meier, robust variance")
    return found


def _replicates(
    times: Times, group: NDArray[Any], X: NDArray[Any], levels: tuple[str, ...], whole: Weights,
    truncate: float, target: str | None, cluster: Any, samples: int, rng: np.random.Generator,
) -> NDArray[Any]:  # fmt: skip
    """Log hazard ratios of bootstrap samples (samples x K - 1); NaN where a group is missing or separated."""
    found = np.full((samples, len(levels) - 1), np.nan)
    words = group.astype(str)
    for row, at in enumerate(draws(len(times), rng, samples, cluster)):
        if len(np.unique(words[at])) < len(levels):
            continue
        score = propensity(words[at], X[at], levels)
        made = weigh(score, whole.method, truncate, target)
        columns = (score.codes[:, None] == np.arange(1, len(levels))).astype(float)
        found[row] = cox(times.take(at), columns, weights=made.values, robust=False).coef
    return found


def from_replicates(ratio: Estimate, logs: NDArray[Any], level: float) -> Estimate:
    """A ratio with the bootstrap error of its logarithm: percentile interval, p from the normal statistic.

    Args:
        ratio: the estimate on all subjects.
        logs: its logarithm in bootstrap samples, NaN where it did not exist.
        level: of the interval.
    """
    known = logs[np.isfinite(logs)]
    lost = len(logs) - len(known)
    method = f"{ratio.method}; percentile bootstrap, {len(logs)} samples" + (
        f", not defined in {lost}" if lost else ""
    )
    if len(known) < 2:
        return _withheld(replace(ratio, method=method), "not defined in the bootstrap samples")
    low, high = np.exp(np.quantile(known, [(1 - level) / 2, (1 + level) / 2]))
    se = float(known.std(ddof=1))
    p = normal_p(math.log(ratio.value) / se) if se > 0 and ratio.value > 0 else math.nan
    return replace(ratio, se=se, lower=float(low), upper=float(high), p=p, method=method, level=level)
