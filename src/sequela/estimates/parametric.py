"""Accelerated failure time models: exponential, Weibull, log-normal, log-logistic, generalised gamma.

log T = m + x'b + s W with W of a known law; delayed entry enters as a division by S(entry). Coefficients are
on the log time scale, so exp(b) is a time ratio. Sources: Kalbfleisch and Prentice (2002, chapter 3);
Prentice (Biometrika 1974) for the generalised gamma, of which Weibull (q = 1) and log-normal (q = 0) are
members; R's `survreg` has the same parameters without delayed entry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, gammainc, gammaincc, gammaln, log_expit, log_ndtr

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.estimates.design import design
from sequela.estimates.inference import covariate_tests
from sequela.estimates.likelihood import Step
from sequela.estimates.newton import Optimum, maximise
from sequela.estimates.smooth import SmoothModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sequela.core.outcome import Times

FAR = 1e100  # an information beyond this is that of a step far out of reach
Distribution = Literal["exponential", "weibull", "lognormal", "loglogistic", "gengamma"]


@dataclass(frozen=True)
class Law:
    """A law of W: log density with two derivatives, and log survival, as functions of an array."""

    log_density: Callable[[NDArray[Any]], NDArray[Any]]
    first: Callable[[NDArray[Any]], NDArray[Any]]
    second: Callable[[NDArray[Any]], NDArray[Any]]
    log_survival: Callable[[NDArray[Any]], NDArray[Any]]


def _exp(z: NDArray[Any]) -> NDArray[Any]:
    return np.exp(np.minimum(z, 700))


LAWS: Final[dict[str, Law]] = {
    "weibull": Law(lambda z: z - _exp(z), lambda z: 1 - _exp(z), lambda z: -_exp(z), lambda z: -_exp(z)),
    "lognormal": Law(
        lambda z: -z * z / 2 - math.log(2 * math.pi) / 2,
        lambda z: -z,
        lambda z: -np.ones(len(z)),
        lambda z: log_ndtr(-z),
    ),
    "loglogistic": Law(
        lambda z: z + 2 * log_expit(-z),
        lambda z: 1 - 2 * expit(z),
        lambda z: -2 * expit(z) * expit(-z),
        lambda z: log_expit(-z),
    ),
}


def generalised_gamma(q: float) -> Law:
    """The law with shape q; near 0 it is the normal one."""
    if abs(q) < 1e-4:
        return LAWS["lognormal"]
    k = 1 / q**2
    constant = math.log(abs(q)) + k * math.log(k) - float(gammaln(k))

    def log_survival(z: NDArray[Any]) -> NDArray[Any]:
        tail = (gammaincc if q > 0 else gammainc)(k, k * _exp(q * z))
        return np.log(np.maximum(tail, 1e-300))

    return Law(
        lambda z: constant + k * (q * z - _exp(q * z)),
        lambda z: (1 - _exp(q * z)) / q,
        lambda z: -_exp(q * z),
        log_survival,
    )


@dataclass(frozen=True, eq=False, repr=False)
class ParametricModel(SmoothModel):
    """A fitted accelerated failure time model; the first name is the intercept.

    `scale` is s; `shape` is q of the generalised gamma. `theta` holds the coefficients, then log s unless it
    is fixed at 1 (exponential), then q of the generalised gamma.
    """

    distribution: str = "weibull"
    scale: float = 1.0
    shape: float = math.nan
    optimum: Optimum | None = None

    def log_hazards(
        self, t: NDArray[Any], x: NDArray[Any], theta: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """log H(t) and log h(t) at times `t` for one row of covariates."""
        p = len(self.columns) + 1
        s = math.exp(theta[p]) if len(theta) > p else 1.0
        law = (
            generalised_gamma(float(theta[-1]))
            if self.distribution == "gengamma"
            else law_of(self.distribution)
        )
        z = (np.log(t) - theta[0] - float(x @ theta[1:p])) / s
        log_s = law.log_survival(z)
        with np.errstate(divide="ignore"):
            return np.log(-log_s), law.log_density(z) - log_s - math.log(s) - np.log(t)


def law_of(distribution: str) -> Law:
    """The law of a distribution without shape."""
    return LAWS["weibull" if distribution == "exponential" else distribution]


def parametric(
    times: Times, X: Any, distribution: Distribution = "weibull", names: Any = None, level: float = 0.95,
    data: Any = None, reference: dict[str, Any] | None = None,
) -> ParametricModel:  # fmt: skip
    """Fit an accelerated failure time model; any state above 0 is the event; weights and entry are used.

    Raises:
        UsageError: unknown distribution, an exit at 0, or no events.
    """
    if distribution not in get_args(Distribution):
        allowed = ", ".join(get_args(Distribution))
        raise UsageError(
            Finding("E190", "error", "no such distribution", found=distribution, allowed=allowed)
        )
    matrix, labels = design(X, len(times), names, data, reference)
    if (times.exit <= 0).any():
        remedy = "give these subjects half a day, and say so"
        raise UsageError(Finding("E191", "error", "a parametric model needs exits above 0", remedy=remedy))
    if not (times.state > 0).any():
        raise UsageError(Finding("E192", "error", "no events: nothing can be fitted"))
    Z = np.column_stack([np.ones(len(times)), matrix])
    shape = math.nan
    if distribution == "gengamma":
        profile: Any = minimize_scalar(
            lambda q: _profile_loss(times, Z, float(q)),  # pyright: ignore[reportUnknownLambdaType]
            bounds=(-3, 4),
            method="bounded",
            options={"xatol": 1e-7},
        )
        shape = float(profile.x)
        law = generalised_gamma(shape)
    else:
        law = law_of(distribution)
    free = distribution != "exponential"
    optimum = _fit(times, Z, law, free)
    covariance = optimum.covariance
    if distribution == "gengamma":
        covariance = _with_shape(times, Z, shape, optimum)
    return _model(
        times, Z, optimum, covariance, ("intercept", *labels), distribution, law, shape, level, free
    )


def _profile_loss(times: Times, Z: NDArray[Any], q: float) -> float:
    return -_fit(times, Z, generalised_gamma(q), True).last.log_likelihood


def _model(
    times: Times, Z: NDArray[Any], optimum: Optimum, covariance: NDArray[Any], names: tuple[str, ...],
    distribution: str, law: Law, shape: float, level: float, free: bool,
) -> ParametricModel:  # fmt: skip
    p = len(names)
    null = _fit(times, Z[:, :1], law, free)
    scale = math.exp(optimum.beta[-1]) if free else 1.0
    tests = covariate_tests(
        optimum, covariance[1:p, 1:p], np.arange(1, p), null.last.log_likelihood, len(times)
    )
    reasons = {} if optimum.converged else dict.fromkeys(names, "not converged")
    reasons |= {names[i]: "aliased with the columns before it" for i in np.flatnonzero(~optimum.kept[:p])}
    lost = np.array([name in reasons for name in names])
    return ParametricModel(
        names, np.where(lost, np.nan, optimum.beta[:p]), np.where(lost, np.nan, np.sqrt(np.diag(covariance)[:p])),
        covariance, (null.last.log_likelihood, optimum.last.log_likelihood), tests, len(times),
        float((times.state > 0).sum()), None, level, f"{distribution} survival model", reasons, "time_ratio",
        theta=optimum.beta if math.isnan(shape) else np.append(optimum.beta, shape), theta_covariance=covariance,
        columns=names[1:], last=float(times.exit.max()), unit=times.unit,
        distribution=distribution, scale=scale, shape=shape, optimum=optimum,
    )  # fmt: skip


def _fit(times: Times, Z: NDArray[Any], law: Law, free: bool) -> Optimum:
    y = np.log(times.exit)
    event = times.state > 0
    weights = np.asarray(times.weights, float)
    late = np.flatnonzero(times.entry > 0)
    entry = np.log(times.entry[late]) if len(late) else np.zeros(0)
    start = np.zeros(Z.shape[1] + free)
    start[0] = np.average(y, weights=weights) + 0.5 * float(np.log(len(y) / max(event.sum(), 1)))
    if free:
        start[-1] = math.log(max(float(y[event].std()), 0.1))
    spread = np.concatenate([np.maximum(np.sqrt((Z**2).mean(axis=0)), 1e-300), np.ones(int(free))])

    def evaluate(beta: NDArray[Any]) -> Step:
        tau = float(beta[-1]) if free else 0.0
        eta = Z @ beta[: Z.shape[1]]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            parts = _parts(law, (y - eta) / math.exp(tau), event)
            total = _sums(Z, parts, (y - eta) / math.exp(tau), weights, tau, free)
            value = float(weights @ (parts[0] - event * (tau + y)))
            score, information = total[0], total[1]
            if free:
                score[-1] -= float(weights @ event)
            if len(late):
                z = (entry - eta[late]) / math.exp(tau)
                cut = _parts(law, z, np.zeros(len(late), bool))
                value -= float(weights[late] @ cut[0])
                less = _sums(Z[late], cut, z, weights[late], tau, free)
                score, information = score - less[0], information - less[1]
        if not (np.isfinite(value) and np.abs(information).max() < FAR):  # also where it is NaN
            return Step(-np.inf, np.zeros(len(beta)), np.eye(len(beta)))
        return Step(value, score, positive(information))

    return maximise(evaluate, start, spread)


def positive(information: NDArray[Any]) -> NDArray[Any]:
    """The information, or away from the maximum a positive definite stand-in (negative curvature turned)."""
    values, vectors = np.linalg.eigh(information)
    if values.min() > 0:
        return information
    floor = 1e-3 * max(float(np.abs(values).max()), 1e-10)
    return (vectors * np.maximum(np.abs(values), floor)) @ vectors.T


def _parts(law: Law, z: NDArray[Any], event: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Log contribution of each row and its first two derivatives in z."""
    log_f, log_s, slope = law.log_density(z), law.log_survival(z), law.first(z)
    hazard = np.exp(log_f - log_s)
    value = np.where(event, log_f, log_s)
    return value, np.where(event, slope, -hazard), np.where(event, law.second(z), -hazard * (slope + hazard))


def _sums(
    Z: NDArray[Any],
    parts: tuple[NDArray[Any], ...],
    z: NDArray[Any],
    weights: NDArray[Any],
    tau: float,
    free: bool,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Score and information in (b, log s), by the chain rule through z = (y - eta)/s."""
    s = math.exp(tau)
    d1, d2 = weights * parts[1], weights * parts[2]
    score = -(Z.T @ d1) / s
    inner = -(Z * d2[:, None]).T @ Z / s**2
    if not free:
        return score, inner
    cross = -Z.T @ (d2 * z + d1) / s
    corner = -float(d2 @ (z * z) + d1 @ z)
    information = np.block([[inner, cross[:, None]], [cross[None, :], np.array([[corner]])]])
    return np.append(score, -float(d1 @ z)), information


def _with_shape(times: Times, Z: NDArray[Any], shape: float, optimum: Optimum) -> NDArray[Any]:
    """Covariance with the shape, last, estimated too: the profile's curvature, and how the others move with q."""
    h = 1e-3
    up, down = (_fit(times, Z, generalised_gamma(shape + step), True) for step in (h, -h))
    middle = optimum.last.log_likelihood
    curvature = -(up.last.log_likelihood - 2 * middle + down.last.log_likelihood) / h**2
    moved = np.append((up.beta - down.beta) / (2 * h), 1.0)
    return np.pad(optimum.covariance, (0, 1)) + np.outer(moved, moved) / max(curvature, 1e-12)
