"""A random intercept for each experiment: REML, with Satterthwaite's degrees of freedom.

y = condition + experiment + error, Var = s_b^2 Z Z' + s_e^2 I. The restricted likelihood is profiled over the
ratio s_b^2 / s_e^2; the degrees of freedom of a contrast c are 2 v^2 / (g' A g), with v = c' C c its variance,
g the gradient of v in (s_b^2, s_e^2) and A the inverse of their information. Sources: Patterson and Thompson,
Biometrika 1971; 58: 545; Giesbrecht and Burns, Biometrics 1985; 41: 477; Satterthwaite, Biometrics 1946; 2: 110.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Contrast:
    """A group less the first: value, standard error, degrees of freedom; and the two variances of the fit."""

    value: float
    se: float
    df: float
    between: float
    within: float


def random_intercept(y: NDArray[Any], group: NDArray[Any], experiment: NDArray[Any]) -> list[Contrast] | str:
    """Every group less group 0, of `y` (n,), `group` (n,) from 0 and `experiment` (n,) of any kind.

    Where the experiments scatter no more than their residuals the variance between them is 0, and the
    contrasts are those of ordinary least squares. A text says why nothing can be fitted.
    """
    x = np.zeros((len(y), int(group.max()) + 1))
    x[:, 0] = 1
    x[np.arange(len(y)), group] = 1
    blocks = np.unique(experiment, return_inverse=True)[1]
    z = (blocks[:, None] == np.arange(blocks.max() + 1)).astype(float)
    free = len(y) - x.shape[1]
    if free < 1 or z.shape[1] < 2:
        return "too few experiments for a random effect"

    def profile(log_ratio: float) -> float:
        return _deviance(float(np.exp(log_ratio)), y, x, z)

    found: Any = minimize_scalar(profile, bounds=(-16.0, 16.0), method="bounded", options={"xatol": 1e-10})
    ratio = float(np.exp(found.x))
    if _deviance(0.0, y, x, z) <= float(found.fun) + 1e-9:
        ratio = 0.0
    within, beta = _solve(ratio, y, x, z)
    if within <= 1e-24 * max(1.0, float(y @ y)):
        return "the experiments do not differ among themselves"
    between = ratio * within
    covariance, information = _information(between, within, x, z)
    pieces = _gradients(between, within, x, z, covariance)
    contrasts: list[Contrast] = []
    for place in range(1, x.shape[1]):
        variance = float(covariance[place, place])
        gradient = np.array([float(piece[place, place]) for piece in pieces])
        if ratio == 0.0:  # on the edge: the residual variance alone, as in least squares
            df = float(free)
        else:
            df = 2 * variance**2 / float(gradient @ np.linalg.solve(information, gradient))
        contrasts.append(Contrast(float(beta[place]), float(np.sqrt(variance)), df, between, within))
    return contrasts


def _solve(ratio: float, y: NDArray[Any], x: NDArray[Any], z: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    """The REML variance of the residuals and the coefficients at a ratio of variances."""
    inverse = np.linalg.inv(np.eye(len(y)) + ratio * z @ z.T)
    beta = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)
    left = y - x @ beta
    return float(left @ inverse @ left) / (len(y) - x.shape[1]), beta


def _deviance(ratio: float, y: NDArray[Any], x: NDArray[Any], z: NDArray[Any]) -> float:
    """Minus twice the restricted log likelihood, less a constant, profiled over the residual variance."""
    v = np.eye(len(y)) + ratio * z @ z.T
    within, _ = _solve(ratio, y, x, z)
    free = len(y) - x.shape[1]
    middle = np.linalg.slogdet(x.T @ np.linalg.solve(v, x))[1]
    return free * np.log(max(within, 1e-300)) + float(np.linalg.slogdet(v)[1]) + float(middle)


def _information(
    between: float, within: float, x: NDArray[Any], z: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Covariance of the coefficients, and the expected information of the two variances under REML."""
    inverse = np.linalg.inv(between * z @ z.T + within * np.eye(len(x)))
    covariance = np.linalg.inv(x.T @ inverse @ x)
    p = inverse - inverse @ x @ covariance @ x.T @ inverse
    parts = (p @ z @ z.T, p)
    return covariance, np.array([[0.5 * np.trace(a @ b) for b in parts] for a in parts])


def _gradients(
    between: float, within: float, x: NDArray[Any], z: NDArray[Any], covariance: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Derivative of the coefficients' covariance in each variance: C X' V^-1 (dV) V^-1 X C."""
    inverse = np.linalg.inv(between * z @ z.T + within * np.eye(len(x)))
    middle = inverse @ x @ covariance
    return middle.T @ z @ z.T @ middle, middle.T @ middle
