"""Shared gamma frailty: centres (or patients) multiply the hazard by an unseen gamma variable of mean 1.

For a given variance theta the penalised partial likelihood with penalty (1/theta) sum(w - exp(w)) on the log
frailties w has the same solution as the EM algorithm; theta maximises the marginal likelihood. Sources:
Clayton (1978); Nielsen et al. (Scand J Stat 1992); Therneau, Grambsch and Pankratz (JCGS 2003), whose
corrected likelihood is used here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import chdtrc, gammaln

from sequela.core.estimate import Model, Test
from sequela.estimates.cox import build_problem, centred, cox
from sequela.estimates.design import design
from sequela.estimates.inference import reasons_of
from sequela.estimates.likelihood import Problem, Step, evaluate
from sequela.estimates.newton import Optimum, maximise
from sequela.estimates.timeline import labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times


@dataclass(frozen=True, eq=False, repr=False)
class FrailtyModel(Model):
    """A Cox model with gamma frailty: `theta` its variance, `effects` the log frailty of each cluster.

    `tests["frailty"]` compares with theta = 0; its p-value is half that of chi-square with one degree of
    freedom, because 0 is on the border.
    """

    theta: float = 0.0
    clusters: tuple[str, ...] = ()
    effects: NDArray[Any] = field(default_factory=lambda: np.zeros(0))


def frailty(
    times: Times, X: Any, cluster: Any, theta: float | None = None, ties: str = "efron", names: Any = None,
    level: float = 0.95, data: Any = None, reference: dict[str, Any] | None = None,
) -> FrailtyModel:  # fmt: skip
    """Fit a Cox model with shared gamma frailty.

    Args:
        times, X, ties, names, level, data, reference: as for `cox`.
        cluster: n labels of those who share a frailty.
        theta: its variance; estimated when not given.
    """
    n = len(times)
    matrix, columns = design(X, n, names, data, reference)
    Z, _, scale = centred(matrix)
    group = labels(cluster, n, "cluster")
    deaths = np.bincount(group.codes, times.state > 0, len(group.levels))
    wide = np.column_stack([Z, np.eye(len(group.levels))[group.codes]])
    problem = build_problem(times, wide, ties, None, times.weights if times.weighted else None, None)
    spread = np.concatenate([scale, np.ones(len(group.levels))])
    plain = cox(times, matrix, ties=ties, names=columns, level=level)  # pyright: ignore[reportArgumentType]

    def marginal(variance: float) -> tuple[float, Optimum]:
        optimum = _fit(problem, len(columns), 1 / variance, spread)
        return _corrected(problem, optimum, len(columns), 1 / variance, deaths), optimum

    def loss(log_theta: float) -> float:
        return -marginal(math.exp(log_theta))[0]

    if theta is None:
        found: Any = minimize_scalar(loss, bounds=(-9, 3), method="bounded", options={"xatol": 1e-6})
        theta = math.exp(float(found.x))
    value, optimum = marginal(theta)
    ratio = max(0.0, 2 * (value - plain.log_likelihood[1]))
    test = Test(ratio, 1, float(chdtrc(1, ratio)) / 2 if ratio else 1.0, "frailty likelihood ratio test", n)
    p = len(columns)
    covariance = optimum.covariance[:p, :p]
    reasons = {name: why for name, why in reasons_of(optimum, columns).items() if name in columns}
    lost = np.array([name in reasons for name in columns], bool)
    return FrailtyModel(
        columns, np.where(lost, np.nan, optimum.beta[:p]), np.where(lost, np.nan, np.sqrt(np.diag(covariance))),
        covariance,
        (plain.log_likelihood[0], value), {"frailty": test}, n, float((times.state > 0).sum()), None, level,
        f"Cox, shared gamma frailty, {ties} ties", reasons,
        theta=theta, clusters=tuple(map(str, group.levels)), effects=optimum.beta[p:],
    )  # fmt: skip


def _fit(problem: Problem, p: int, precision: float, spread: NDArray[Any]) -> Optimum:
    def step(beta: NDArray[Any]) -> Step:
        plain = evaluate(problem, beta)
        effect = beta[p:]
        risen = np.exp(np.minimum(effect, 300))
        score, information = plain.score.copy(), plain.information.copy()
        score[p:] += precision * (1 - risen)
        information[np.diag_indices(len(beta))] += np.concatenate([np.zeros(p), precision * risen])
        return replace(plain, log_likelihood=plain.log_likelihood + precision * float((effect - risen).sum()),
                       score=score, information=information)  # fmt: skip

    return maximise(step, np.zeros(problem.X.shape[1]), spread)


def _corrected(problem: Problem, optimum: Optimum, p: int, nu: float, deaths: NDArray[Any]) -> float:
    """Marginal log-likelihood at variance 1/nu (Therneau, Grambsch and Pankratz 2003, formula 8)."""
    effect = optimum.beta[p:]
    penalised = evaluate(problem, optimum.beta).log_likelihood + nu * float(
        (effect - np.exp(effect) + 1).sum()
    )
    d = deaths
    each = gammaln(nu + d) - gammaln(nu) + nu * math.log(nu) - (nu + d) * np.log(nu + d) + d
    return penalised + float(each.sum())
