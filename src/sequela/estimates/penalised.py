"""Cox models that stay finite: Firth's correction and ridge.

Firth adds half the log determinant of the information to the log-likelihood, so that separation gives
finite estimates; ridge subtracts theta/2 times the sum of squared coefficients. Sources: Firth (Biometrika
1993); Heinze and Schemper (Biometrics 2001); Verweij and van Houwelingen (Stat Med 1994).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.estimates.cox import CoxModel, cox
from sequela.estimates.inference import reasons_of, three_tests
from sequela.estimates.likelihood import Problem, Step, evaluate, pieces
from sequela.estimates.newton import maximise
from sequela.estimates.residuals import rising_means

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sequela.core.outcome import Times


def firth(times: Times, X: Any, ties: Literal["efron", "breslow"] = "efron", **options: Any) -> CoxModel:
    """Cox model with Firth's correction; `options` as for `cox`.

    Errors are from the information at the estimate; the likelihood ratio test is of penalised likelihoods.
    """
    return _penalised(times, X, ties, options, _firth_step, f"Cox, Firth's correction, {ties} ties")


def ridge(
    times: Times, X: Any, theta: float, ties: Literal["efron", "breslow"] = "efron", **options: Any
) -> CoxModel:
    """Cox model with penalty theta/2 sum(beta^2) on unscaled columns, as R's `ridge(..., scale=FALSE)`.

    `log_likelihood` holds unpenalised values; errors are from the penalised information.
    """
    if theta < 0:
        raise UsageError(Finding("E155", "error", "a penalty is 0 or more", found=str(theta)))

    def step(problem: Problem, beta: NDArray[Any]) -> Step:
        plain = evaluate(problem, beta)
        eye = theta * np.eye(len(beta))
        value = plain.log_likelihood - theta / 2 * float(beta @ beta)
        return Step(value, plain.score - theta * beta, plain.information + eye)

    model = _penalised(times, X, ties, options, step, f"Cox, ridge {theta:g}, {ties} ties")
    if model.problem is None or model.optimum is None:
        return model
    pair = tuple(
        evaluate(model.problem, beta).log_likelihood for beta in (0 * model.optimum.beta, model.optimum.beta)
    )
    return replace(model, log_likelihood=pair)


def _penalised(
    times: Times, X: Any, ties: str, options: Any, step: Callable[[Problem, NDArray[Any]], Step], method: str
) -> CoxModel:
    plain = cox(times, X, ties=ties, **options)  # pyright: ignore[reportArgumentType]
    problem = plain.problem
    if problem is None:
        return plain
    p = len(plain.names)
    scale = np.maximum(problem.X.std(axis=0), 1e-300)
    optimum = maximise(lambda beta: step(problem, beta), np.zeros(p), scale)
    reasons = reasons_of(optimum, plain.names)
    lost = np.array([name in reasons for name in plain.names], bool)
    covariance = np.where(lost[:, None] | lost[None, :], np.nan, optimum.covariance)
    return replace(
        plain,
        coef=np.where(lost, np.nan, optimum.beta),
        se=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        log_likelihood=(optimum.first.log_likelihood, optimum.last.log_likelihood),
        tests=three_tests(optimum, optimum.covariance, plain.n),
        robust_se=None,
        reasons=reasons,
        optimum=optimum,
        method=method,
    )


def _firth_step(problem: Problem, beta: NDArray[Any]) -> Step:
    plain = evaluate(problem, beta)
    if not np.isfinite(plain.log_likelihood):
        return plain
    scale = 1 / np.sqrt(np.maximum(np.diag(plain.information), 1e-300))
    inner = plain.information * np.outer(scale, scale)
    sign, log_det = np.linalg.slogdet(inner)
    if sign <= 0:
        return Step(-np.inf, plain.score, plain.information)
    inverse = np.linalg.inv(inner) * np.outer(scale, scale)
    value = plain.log_likelihood + 0.5 * (float(log_det) - 2 * float(np.log(scale).sum()))
    return Step(value, plain.score + 0.5 * _slope(problem, beta, inverse), plain.information)


def _slope(problem: Problem, beta: NDArray[Any], M: NDArray[Any]) -> NDArray[Any]:
    """tr(M dI/dbeta_r) for each r: third central moments of x over the risk sets, contracted with M.

    With q = x'Mx the moment is E[xq] - 2 E[xx'] M m - m E[q] + 2 m (m'Mm), m the mean of x.
    """
    X, sets = problem.X, problem.sets
    _, risk = problem.risk(beta)
    parts, S1, E1 = pieces(problem, risk)
    q = np.einsum("ij,jk,ik->i", X, M, X)
    SQ = sets.total(risk * q)
    rising, tied, exposure = rising_means(problem, risk, parts, S1, E1)
    lived = sets.over(np.cumsum(rising, axis=0))
    lived[sets.event] -= tied[sets.tied]
    pull = np.einsum("ij,jk,ik->i", lived, M, X)
    result = X.T @ (risk * (exposure * q - 2 * pull))
    f = sets.share if E1 is not None else np.zeros(len(sets.each))
    events = risk[sets.event]
    total, at = sets.total(risk), sets.each
    den = total[at] - f * sets.tied_sum(events)[at]
    mean = S1[at] if E1 is None else S1[at] - f[:, None] * E1[at]
    mean = mean / den[:, None]
    mean_q = (SQ[at] - f * sets.tied_sum(events * q[sets.event])[at]) / den
    share = (parts.mass / sets.deaths)[at]
    own = np.einsum("ij,jk,ik->i", mean, M, mean)
    return result - mean.T @ (share * (mean_q - 2 * own))
