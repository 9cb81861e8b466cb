"""Propensity scores and the weights that balance groups: inverse probability, overlap, matching, treated.

With e_k(x) = P(group k | x) a subject of group a has the weight h(x) / e_a(x); the tilting function h says to whom the
comparison then applies: 1 everybody (inverse probability), 1 / sum 1/e_k those who could have been in any group
(overlap; for two groups e(1 - e)), min e_k a matched sample (matching), e_t the patients of group t (treated).
Sources: Robins, Hernán and Brumback (Epidemiology 2000), stabilised weights; Li, Morgan and Zaslavsky (JASA 2018) and
Li and Li (Ann Appl Stat 2019), overlap; Li and Greene (Int J Biostat 2013), matching; Cole and Hernán (Am J Epidemiol
2008), truncation; Kish (Survey Sampling 1965), effective size; Walker et al. (Comp Eff Res 2013), preference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.estimates.design import design
from sequela.estimates.inference import reasons_of
from sequela.estimates.logistic import chances, logistic
from sequela.estimates.timeline import labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

Method = Literal["iptw", "overlap", "matching", "att"]


@dataclass(frozen=True, eq=False)
class Propensity:
    """A fitted model of the group.

    Attributes:
        levels: K groups, the reference first.
        codes: n positions in `levels`.
        probability: n x K chances of each group; rows add to 1.
        names: p + 1 terms, the intercept first.
        coef: (K - 1) x (p + 1) log odds against the reference, covariates as given.
        reasons: what could not be estimated, by "group: term"; separation means that positivity fails.
    """

    levels: tuple[str, ...]
    codes: NDArray[np.intp]
    probability: Real
    names: tuple[str, ...]
    coef: Real
    reasons: dict[str, str]

    @property
    def received(self) -> Real:
        """The chance of the group that each subject is in (n)."""
        return self.probability[np.arange(len(self.codes)), self.codes]

    @property
    def preference(self) -> Real:
        """Preference score for the second of two groups: logit F = logit e - logit of its share (n)."""
        share = float((self.codes == 1).mean())
        e = self.probability[:, 1]
        odds = e / (1 - e) * (1 - share) / share
        return odds / (1 + odds)

    @property
    def separated(self) -> bool:
        """Whether some covariate tells a group apart for certain."""
        return any(reason.startswith("separation") for reason in self.reasons.values())


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of n subjects, and what they leave of each group.

    Attributes:
        values: n weights; inverse probability weights are stabilised, the others have mean 1 in each group.
        method: how they were made; `limits` the values at which they were cut, `cut` how many were.
        size, effective: K group sizes before, and Kish's effective sizes after.
    """

    values: Real
    method: Method
    limits: tuple[float, float] | None
    cut: int
    size: tuple[int, ...]
    effective: tuple[float, ...]


def effective_size(weights: Real) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0


def propensity(
    group: Any, X: Any, levels: Any = None, names: Any = None, prior: float = 0.0, data: Any = None,
    reference: dict[str, Any] | None = None,
) -> Propensity:  # fmt: skip
    """Logistic regression of the group on covariates; multinomial for more than two groups.

    Args:
        group: n labels.
        X: n x p covariates, as for `cox`.
        levels: the groups in order, the reference first; sorted by default.
        names, data, reference: as for `cox`.
        prior: precision of a normal prior on the coefficients of standardised covariates; 0 is maximum
            likelihood, 0.01 (standard deviation 10) keeps chances off 0 and 1 where groups are separated.

    Raises:
        UsageError: fewer than two groups, a group that is not among `levels`, or missing covariates.
    """
    n = len(np.asarray(group))
    found = labels(group, n, "group")
    matrix, columns = design(X, n, names, data, reference)
    ordered = tuple(found.levels if levels is None else levels)
    if len(found.levels) < 2 or set(found.levels) - set(ordered):
        raise UsageError(
            Finding(
                "E220",
                "error",
                "a propensity score needs two groups or more, each among `levels`",
                found=", ".join(map(str, found.levels)),
                allowed=", ".join(map(str, ordered)),
                remedy="give every subject one of the groups",
            )
        )
    ordered = tuple(level for level in ordered if level in found.levels)
    codes = np.array([ordered.index(level) for level in found.levels])[found.codes]
    mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    Z = np.column_stack([np.ones(n), (matrix - mean) / scale])
    fit = logistic(Z, codes, len(ordered), prior)
    terms = tuple(f"{name}: {term}" for name in ordered[1:] for term in ("intercept", *columns))
    reasons = reasons_of(fit.optimum, terms)
    probability = np.clip(chances(Z, fit.coef), 1e-12, 1 - 1e-12)
    coef = fit.coef.copy()
    coef[:, 1:] /= scale
    coef[:, 0] -= coef[:, 1:] @ mean
    return Propensity(tuple(map(str, ordered)), codes, probability, ("intercept", *columns), coef, reasons)


def weigh(
    score: Propensity, method: Method = "overlap", truncate: float = 0.0, target: str | None = None
) -> Weights:
    """Balancing weights from a propensity score.

    Args:
        score: the fitted model of the group.
        method: "iptw" (stabilised by the group's share), "overlap", "matching", or "att".
        truncate: weights are cut at this quantile and at 1 minus it (0.01 cuts the outer 2 %); 0 cuts none.
        target: for "att", the group whose patients the comparison is about; the last by default.

    Raises:
        UsageError: an unknown method or target, or a quantile that is not below 0.5.
    """
    if method not in get_args(Method) or not 0 <= truncate < 0.5:
        raise UsageError(
            Finding(
                "E221",
                "error",
                "no such weights",
                found=f"method {method!r}, truncate {truncate:g}",
                allowed=f"{', '.join(get_args(Method))}; truncate from 0 to below 0.5",
            )
        )
    e, own, codes = score.probability, score.received, score.codes
    place = _target(score, target) if method == "att" else 0
    tilt = {
        "iptw": np.ones(len(own)),
        "overlap": 1 / (1 / e).sum(axis=1),
        "matching": e.min(axis=1),
        "att": e[:, place],
    }[method]
    values = tilt / own
    size = np.bincount(codes, minlength=len(score.levels))
    if method == "iptw":
        values = values * (size / len(codes))[codes]
    limits, cut = None, 0
    if truncate:
        low, high = (float(q) for q in np.quantile(values, [truncate, 1 - truncate]))
        cut = int(((values < low) | (values > high)).sum())
        values, limits = np.clip(values, low, high), (low, high)
    if method != "iptw":
        values = values / (np.bincount(codes, values) / size)[codes]
    effective = tuple(effective_size(values[codes == k]) for k in range(len(size)))
    return Weights(values, method, limits, cut, tuple(map(int, size)), effective)


def _target(score: Propensity, target: str | None) -> int:
    if target is None:
        return len(score.levels) - 1
    if target not in score.levels:
        raise UsageError(
            Finding("E222", "error", "no such target group", found=target, allowed=", ".join(score.levels))
        )
    return score.levels.index(target)
