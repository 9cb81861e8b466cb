"""Cox models that stay finite: Firth's correction and ridge.

Firth adds half the log determinant of the information to the log-likelihood, so that separation gives
finite estimates; its limits and p-values come from the profile of the penalised likelihood, because Wald's
are poor where the correction is needed. Ridge subtracts theta/2 times the sum of squared coefficients; its
errors are those of the penalised information (Therneau and Grambsch 2000, section 5.5; R prints them as
se(coef), and tests with them), so its p-values ask whether the shrunken coefficient is 0 and are descriptive.
Sources: Firth (Biometrika 1993); Heinze and Schemper (Biometrics 2001); Verweij and van Houwelingen (Stat
Med 1994).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, normal_quantile
from sequela.core.finding import Finding
from sequela.estimates.cox import CoxModel, cox
from sequela.estimates.inference import reasons_of, three_tests
from sequela.estimates.likelihood import Problem, Step, evaluate, pieces
from sequela.estimates.newton import Optimum, maximise
from sequela.estimates.residuals import rising_means

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sequela.core.outcome import Times


@dataclass(frozen=True, eq=False, repr=False)
class FirthModel(CoxModel):
    """A Cox model with Firth's correction; `profile` holds (lower, upper, p) of each coefficient, if wanted."""

    profile: tuple[tuple[float, float, float], ...] = ()

    def hazard_ratios(self) -> tuple[Estimate, ...]:
        """exp(coefficient) with the limits and p-value of the penalised profile likelihood; `se` is Wald's."""
        plain = super().hazard_ratios()
        if not self.profile:
            return plain
        return tuple(
            replace(ratio, lower=_exponential(low), upper=_exponential(high), p=p)
            for ratio, (low, high, p) in zip(plain, self.profile, strict=True)
        )


def _exponential(x: float) -> float:
    return math.exp(x) if x < 709 else (math.nan if math.isnan(x) else math.inf)


def firth(
    times: Times,
    X: Any,
    ties: Literal["efron", "breslow"] = "efron",
    limits: Literal["profile", "wald"] = "profile",
    **options: Any,
) -> FirthModel:
    """Cox model with Firth's correction; `options` as for `cox`.

    Args:
        times, X, ties: as for `cox`.
        limits: "profile": where twice the penalised profile likelihood has fallen by the chi-square quantile,
            and p-values of penalised likelihood ratio tests (coxphf's convention: a coefficient that is held
            fixed still counts in the penalty); "wald": from the information at the estimate, much cheaper.

    The overall likelihood ratio test is of penalised likelihoods.
    """
    fitted = _penalised(times, X, ties, options, _firth_step, f"Cox, Firth's correction, {ties} ties")
    facts = {name: getattr(fitted, name) for name in CoxModel.__dataclass_fields__}
    if limits == "profile" and fitted.problem is not None and fitted.optimum is not None:
        facts["method"] += ", profile likelihood limits"
        profile = tuple(
            _profile(fitted.problem, fitted.optimum, j, fitted.level) for j in range(len(fitted.names))
        )
        return FirthModel(**facts, profile=profile)
    return FirthModel(**facts)


def _profile(problem: Problem, optimum: Optimum, j: int, level: float) -> tuple[float, float, float]:
    """Limits and p-value of coefficient j; a limit not found within 40 standard errors is infinite."""
    if not optimum.kept[j] or not optimum.converged:
        return math.nan, math.nan, math.nan
    top, beta = optimum.last.log_likelihood, optimum.beta
    se = math.sqrt(optimum.covariance[j, j])
    fall = normal_quantile(level) ** 2 / 2

    def fallen(b: float) -> float:
        return top - _held(problem, beta, optimum.kept, j, b) - fall

    found: list[float] = []
    for sign in (-1.0, 1.0):
        far = normal_quantile(level) * se
        while fallen(beta[j] + sign * far) < 0 and far < 40 * se:
            far *= 1.5
        reached = fallen(beta[j] + sign * far) >= 0
        root: Any = brentq(fallen, beta[j], beta[j] + sign * far, xtol=1e-9) if reached else sign * math.inf
        found.append(float(root))
    statistic = max(0.0, 2 * (top - _held(problem, beta, optimum.kept, j, 0.0)))
    return found[0], found[1], float(chdtrc(1, statistic))


def _held(problem: Problem, beta: NDArray[Any], kept: NDArray[np.bool_], j: int, value: float) -> float:
    """The penalised log-likelihood at its largest with coefficient j held at `value`."""
    free = np.flatnonzero(kept & (np.arange(len(beta)) != j))

    def step(part: NDArray[Any]) -> Step:
        whole = beta.copy()
        whole[j], whole[free] = value, part
        here = _firth_step(problem, whole)
        return Step(here.log_likelihood, here.score[free], here.information[np.ix_(free, free)])

    if not len(free):
        return step(beta[free]).log_likelihood
    scale = np.maximum(problem.X[:, free].std(axis=0), 1e-300)
    return maximise(step, beta[free], scale).last.log_likelihood


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
