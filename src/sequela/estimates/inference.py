"""From an optimum to what is reported: overall tests, and reasons where a coefficient is missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from sequela.core.estimate import Test

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.estimates.newton import Optimum


NOTHING = "no coefficient was estimated"


def reasons_of(optimum: Optimum, names: tuple[str, ...]) -> dict[str, str]:
    """{name: reason} of the coefficients that could not be estimated."""
    reasons: dict[str, str] = {}
    variances = np.diag(optimum.first.information)
    for i, name in enumerate(names):
        if not optimum.kept[i]:
            flat = variances[i] <= 1e-24 * variances.max(initial=0.0)
            reasons[name] = "no variation while at risk" if flat else "aliased with the columns before it"
        elif optimum.running[i]:
            end = "infinity" if optimum.direction[i] > 0 else "minus infinity"
            reasons[name] = f"separation: the likelihood keeps rising as the coefficient runs to {end}"
        elif not optimum.converged:
            reasons[name] = f"not converged after {optimum.steps} steps"
    return reasons


def three_tests(optimum: Optimum, covariance: NDArray[Any], n: int) -> dict[str, Test]:
    """Likelihood ratio, Wald (with `covariance`) and score tests of all coefficients at once."""
    separated = bool(optimum.running.any())
    kept = optimum.kept
    df = int(kept.sum())
    beta, score = optimum.beta[kept], optimum.first.score[kept]
    ratio = 2 * (optimum.last.log_likelihood - optimum.first.log_likelihood)
    found = {
        "likelihood_ratio": (max(0.0, ratio), "likelihood ratio test"),
        "wald": (
            math.nan if separated else quadratic_form(beta, covariance[np.ix_(kept, kept)]),
            "Wald test",
        ),
        "score": (quadratic_form(score, optimum.first.information[np.ix_(kept, kept)]), "score test"),
    }
    reason = "separation: a Wald test does not hold" if df else NOTHING
    return {
        key: Test(value, df, _chi(df, value), name, n, reason if math.isnan(value) or not df else None)
        for key, (value, name) in found.items()
    }


def robust_score_test(optimum: Optimum, parts: NDArray[Any], n: int) -> Test:
    """Score test with the sum of squares of `parts` (m x p, the score at 0 by row or cluster) as variance."""
    used = parts[:, optimum.kept]
    df = used.shape[1]
    value = quadratic_form(used.sum(axis=0), used.T @ used) if df else 0.0
    return Test(value, df, _chi(df, value), "robust score test", n, None if df else NOTHING)


def covariate_tests(
    optimum: Optimum, covariance: NDArray[Any], at: NDArray[Any], null: float, n: int
) -> dict[str, Test]:
    """Likelihood ratio and Wald tests of the parameters at positions `at`, the others being nuisance."""
    used = optimum.kept[at]
    df = int(used.sum())
    ratio = max(0.0, 2 * (optimum.last.log_likelihood - null))
    wald = quadratic_form(optimum.beta[at][used], covariance[np.ix_(used, used)])
    return {
        "likelihood_ratio": Test(
            ratio, df, _chi(df, ratio), "likelihood ratio test", n, None if df else NOTHING
        ),
        "wald": Test(wald, df, _chi(df, wald), "Wald test", n, None if df else NOTHING),
    }


def quadratic_form(vector: NDArray[Any], matrix: NDArray[Any]) -> float:
    """v' M^-1 v on the correlation scale of M, so that columns of any size are treated alike."""
    scale = 1 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    inner = matrix * np.outer(scale, scale)
    return float((scale * vector) @ np.linalg.lstsq(inner, scale * vector, rcond=1e-14)[0])


def _chi(df: int, value: float) -> float:
    return float(chdtrc(df, value)) if df else math.nan
