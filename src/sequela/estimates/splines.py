"""Royston-Parmar model: the log cumulative hazard as a natural cubic spline of log time, plus x'b.

Source: Royston and Parmar (Statistics in Medicine 2002). Knots lie at quantiles of the log event times; one
degree of freedom is the Weibull model. Coefficients are log hazard ratios. Delayed entry is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.estimates.design import design
from sequela.estimates.inference import covariate_tests
from sequela.estimates.likelihood import Step
from sequela.estimates.newton import Optimum, maximise
from sequela.estimates.smooth import SmoothModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times


@dataclass(frozen=True, eq=False, repr=False)
class SplineModel(SmoothModel):
    """A fitted Royston-Parmar model; `gamma` are the spline coefficients over `knots` (log time), first in `theta`."""

    gamma: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    knots: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    optimum: Optimum | None = None

    def log_hazards(
        self, t: NDArray[Any], x: NDArray[Any], theta: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """log H(t) and log h(t) at times `t` for one row of covariates; h is 0 where the spline falls."""
        basis, slope = spline_basis(np.log(t), self.knots)
        k = len(self.knots)
        value = basis @ theta[:k] + float(x @ theta[k:])
        with np.errstate(divide="ignore"):
            return value, value + np.log(np.maximum(slope @ theta[:k], 0.0)) - np.log(t)


def spline_basis(u: NDArray[Any], knots: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Natural cubic spline basis (1, u, v_1(u), ...) and its derivative, linear beyond the outer knots."""
    low, high = knots[0], knots[-1]
    columns, slopes = [np.ones(len(u)), u], [np.zeros(len(u)), np.ones(len(u))]
    for knot in knots[1:-1]:
        share = (high - knot) / (high - low)

        def cut(power: int, at: float) -> NDArray[Any]:
            return np.maximum(u - at, 0) ** power

        columns.append(cut(3, knot) - share * cut(3, low) - (1 - share) * cut(3, high))
        slopes.append(3 * (cut(2, knot) - share * cut(2, low) - (1 - share) * cut(2, high)))
    return np.column_stack(columns), np.column_stack(slopes)


def royston_parmar(
    times: Times, X: Any, df: int = 3, names: Any = None, level: float = 0.95, data: Any = None,
    reference: dict[str, Any] | None = None,
) -> SplineModel:  # fmt: skip
    """Fit the model with `df` degrees of freedom of the baseline (df - 1 inner knots).

    Raises:
        UsageError: an exit at 0, or fewer events than parameters.
    """
    matrix, labels = design(X, len(times), names, data, reference)
    event = times.state > 0
    if (times.exit <= 0).any() or event.sum() < df + 2:
        message = "a spline model needs exits above 0 and more events than parameters"
        raise UsageError(Finding("E193", "error", message, found=f"{int(event.sum())} events"))
    u = np.log(times.exit)
    knots = np.quantile(u[event], np.linspace(0, 1, df + 1))
    optimum = _fit(times, matrix, u, event, knots)
    p, k = matrix.shape[1], df + 1
    null = _fit(times, matrix[:, :0], u, event, knots)
    covariance = optimum.covariance[k:, k:]
    tests = covariate_tests(optimum, covariance, np.arange(k, k + p), null.last.log_likelihood, len(times))
    values = (null.last.log_likelihood, optimum.last.log_likelihood)
    reasons = {labels[i]: "aliased with the columns before it" for i in np.flatnonzero(~optimum.kept[k:])}
    reasons |= {} if optimum.converged else dict.fromkeys(labels, "not converged")
    lost = np.array([name in reasons for name in labels], bool)
    return SplineModel(
        labels, np.where(lost, np.nan, optimum.beta[k:]), np.where(lost, np.nan, np.sqrt(np.diag(covariance))),
        covariance,
        values, tests, len(times), float(event.sum()), None, level, f"Royston-Parmar, df {df}", reasons,
        theta=optimum.beta, theta_covariance=optimum.covariance, columns=labels, last=float(times.exit.max()),
        unit=times.unit, gamma=optimum.beta[:k], knots=knots, optimum=optimum,
    )  # fmt: skip


def _fit(times: Times, X: NDArray[Any], u: NDArray[Any], event: NDArray[Any], knots: NDArray[Any]) -> Optimum:
    basis, slope = spline_basis(u, knots)
    D = np.column_stack([basis, X])
    D1 = np.column_stack([slope, np.zeros_like(X)])[event]
    w = np.asarray(times.weights, float)
    late = np.flatnonzero(times.entry > 0)
    De = np.column_stack([spline_basis(np.log(times.entry[late]), knots)[0], X[late]]) if len(late) else D[:0]

    def evaluate(beta: NDArray[Any]) -> Step:
        eta, rise = D @ beta, D1 @ beta
        if (rise <= 0).any():  # the cumulative hazard must rise at the events
            return Step(-np.inf, np.zeros(len(beta)), np.eye(len(beta)))
        H, He = w * np.exp(np.minimum(eta, 300)), w[late] * np.exp(np.minimum(De @ beta, 300))
        value = float(w[event] @ (eta[event] + np.log(rise) - u[event]) - H.sum() + He.sum())
        we = w[event] / rise
        score = D[event].T @ w[event] + D1.T @ we - D.T @ H + De.T @ He
        curved = (D1 * (we / rise)[:, None]).T @ D1
        information = (D * H[:, None]).T @ D - (De * He[:, None]).T @ De + curved
        return Step(value, score, information)

    start = np.zeros(D.shape[1])
    start[1] = 1.0
    start[0] = np.log((w @ event) / (w @ np.exp(u - u.max()))) - u.max()
    spread = np.maximum(D.std(axis=0), 1e-3)
    return maximise(evaluate, start, spread)
