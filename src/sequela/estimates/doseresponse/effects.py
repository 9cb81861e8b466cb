"""Curves of several experiments as one nonlinear mixed-effects model: the fit.

    y = f(dose; theta_c) + e,    theta_c = beta[group] + a[experiment] + b[curve],    e ~ N(0, s^2)

A curve c is one group in one experiment. Each random parameter has an effect b of the curve and, where groups
share their experiments, one a of the day; all are independent. Steps of Lindstrom and Bates: f is linearised at
the current theta_c, the variances maximise the restricted likelihood of that linear model, beta and the effects
follow, until nothing moves. By QR a linearised curve is held in as many numbers as it has parameters.
Sources: Lindstrom and Bates, Biometrics 1990; 46: 673; Pinheiro and Bates, Mixed-Effects Models in S and S-PLUS,
2000, chapter 7; degrees of freedom: Giesbrecht and Burns, Biometrics 1985; 41: 477.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import minimize

from sequela.estimates.doseresponse.models import Array, evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.estimates.doseresponse.fitting import Batch

ROUNDS: Final = 100
STEPS: Final = 20  # towards the least squares, between two fits of the variances
LEAST: Final = 1e-6  # share of a step below which there is none
CLOSE: Final = 1e-7
SPAN: Final = 16.0  # of the logarithm of a variance against the scatter of wells, both as shares of the data
NONE: Final = -12.0  # a logarithm as small as this is no variance


@dataclass(frozen=True, eq=False)
class Effects:
    """A fit.

    Attributes:
        beta: (groups, free parameters), on the scale of the fit; `covariance` of its rows laid end to end.
        sd: standard deviation of every random effect by (level, parameter), level "experiment" or "curve".
        residual_sd: of wells.
        log_likelihood: restricted.
        free: which columns of theta are estimated.
        theta: (curves, parameters), with the effects of each curve.
    """

    beta: Array
    covariance: Array
    sd: dict[tuple[str, str], float]
    residual_sd: float
    log_likelihood: float
    free: tuple[int, ...]
    theta: Array
    _linear: _Linear
    _logs: Array
    _cap: float

    def df(self, contrast: Array) -> float:
        """Satterthwaite's degrees of freedom of contrast @ beta, at most those that the curves leave.

        The curves leave their number less the rank of groups and experiments among them: wells never add to it.
        """
        return min(_satterthwaite(self._linear, self._logs, self.residual_sd**2, contrast), self._cap)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What does not change: theta (free columns, laid end to end) = design @ (beta, effects of every term)."""

    curves: Batch
    free: tuple[int, ...]
    design: Array
    sizes: tuple[int, ...]  # columns of beta, and of every random term
    terms: tuple[tuple[str, str], ...]
    pure: float
    wells: int
    cap: float
    restricted: bool

    def theta(self, values: Array) -> Array:
        full = self.curves.low.copy()
        full[:, list(self.free)] = (self.design @ values).reshape(len(full), -1)
        return full

    def parts(self, rows: Array) -> list[Array]:
        return np.split(rows, np.cumsum(self.sizes)[:-1], axis=-1)


@dataclass(frozen=True, eq=False)
class _Linear:
    """z = X beta + sum Z_k b_k + e on reduced rows; `rest` is what the rows left out add to the squares."""

    z: Array
    x: Array
    units: tuple[Array, ...]
    blocks: tuple[Array, ...]  # Z_k Z_k' over its mean diagonal `scale`
    scale: Array
    rest: float
    wells: int
    free: int  # wells less the columns of x, or wells where the likelihood is not restricted


def mixed_effects(
    curves: Batch, start: Array, pure: float, wells: int, group: Array, experiment: Array, random: Sequence[str],
    *, restricted: bool = True,
) -> Effects | str:  # fmt: skip
    """The fit of all curves at once; a text says why there is none.

    Args:
        curves: one row a group and experiment.
        start: theta of all wells of each group fitted as one curve (groups, parameters).
        pure: sum of squares of replicates about their dose means.
        wells: their number.
        group, experiment: of each row, whole numbers from 0.
        random: parameters that vary between experiments.
        restricted: maximise the restricted likelihood, else the plain one.
    """
    plan = _plan(curves, pure, wells, group, experiment, random, restricted)
    if curves.y.shape[1] < len(plan.free):
        return "too few doses"
    values = np.zeros(sum(plan.sizes))
    values[: plan.sizes[0]] = start[:, list(plan.free)].ravel()
    logs = np.zeros(len(plan.terms))
    try:
        for _ in range(ROUNDS):
            linear = _linearised(plan, values)
            if not np.isfinite(linear.x).all():  # a slope without end
                return "the doses do not determine the curves of every group"
            found = _variances(linear, logs)
            nearer = _descended(plan, values, found)
            moved = np.abs(nearer - values).max()
            change = np.abs(np.maximum(found, NONE) - np.maximum(logs, NONE)).max(initial=0.0)
            values, logs = nearer, found
            if moved < CLOSE * (1 + np.abs(values).max()) and change < 1e-4:
                return _effects(plan, values, logs)
    except np.linalg.LinAlgError:
        return "the doses do not determine the curves of every group"
    return "the mixed model did not converge"


def _plan(
    curves: Batch, pure: float, wells: int, group: Array, experiment: Array, random: Sequence[str], restricted: bool
) -> _Plan:  # fmt: skip
    names = curves.form.names
    free = tuple(j for j in range(len(names)) if (curves.low[:, j] < curves.high[:, j]).all())
    levels = [("curve", np.arange(len(group)))]
    if int(experiment.max()) + 1 < len(group):
        levels.insert(0, ("experiment", experiment))
    one = np.eye(len(free))

    def columns(which: Array, keep: Array) -> Array:
        member = (which[:, None] == np.arange(int(which.max()) + 1)).astype(float)
        return np.kron(member, one[:, keep])

    varied = [j for j in free if names[j] in random]
    terms = tuple((level, names[j]) for level, _ in levels for j in varied)
    pieces = [columns(group, np.arange(len(free)))]
    pieces += [columns(which, np.array([free.index(j)])) for _, which in levels for j in varied]
    who = np.hstack([(v[:, None] == np.arange(int(v.max()) + 1)).astype(float) for v in (group, experiment)])
    taken = who if len(levels) == 2 else who[:, : int(group.max()) + 1]
    cap = float(len(group) - np.linalg.matrix_rank(taken))
    sizes = tuple(piece.shape[1] for piece in pieces)
    return _Plan(curves, free, np.hstack(pieces), sizes, terms, pure, wells, cap, restricted)


def _residuals(plan: _Plan, values: Array) -> tuple[Array, Array]:
    """Weighted residuals (curves, doses) and their gradient (curves, doses, free parameters)."""
    curves = plan.curves
    fitted, gradient = evaluate(curves.form, plan.theta(values), curves.x, curves.dose)
    root = np.sqrt(curves.weight)
    return root * (curves.y - fitted), np.moveaxis(gradient[list(plan.free)] * root, 0, 2)


def _linearised(plan: _Plan, values: Array) -> _Linear:
    with np.errstate(over="ignore", invalid="ignore"):
        residual, slope = _residuals(plan, values)
    q, r = np.linalg.qr(slope)
    held = np.einsum("cnp,cn->cp", q, residual)
    design = plan.design.reshape(len(r), -1, plan.design.shape[1])
    rows = (r @ design).reshape(-1, plan.design.shape[1])
    z = rows @ values + held.ravel()
    x, *units = plan.parts(rows)
    scale = np.array([float((unit**2).sum()) / len(z) for unit in units])
    blocks = tuple(unit @ unit.T / size for unit, size in zip(units, scale, strict=True))
    rest = float((residual**2).sum() - (held**2).sum()) + plan.pure
    free = plan.wells - (x.shape[1] if plan.restricted else 0)
    return _Linear(z, x, tuple(units), blocks, scale, rest, plan.wells, free)


def _inverse(linear: _Linear, logs: Array) -> tuple[Array, Array, float, float]:
    """V^-1, (X' V^-1 X)^-1, log |V| and log |X' V^-1 X|, V relative to the variance of wells."""
    v = np.eye(len(linear.z)) + sum(
        np.exp(log) * block for log, block in zip(logs, linear.blocks, strict=True)
    )
    inverse = np.linalg.inv(v)
    middle = linear.x.T @ inverse @ linear.x
    whole, fixed = (float(np.linalg.slogdet(part)[1]) for part in (v, middle))
    return inverse, np.linalg.inv(middle), whole, fixed


def _deviance(logs: Array, linear: _Linear) -> tuple[float, Array]:
    """Minus twice the log likelihood, less a constant, profiled over s^2; and its gradient."""
    inverse, cover, size, fixed = _inverse(linear, logs)
    projector = inverse - inverse @ linear.x @ cover @ linear.x.T @ inverse
    left = projector @ linear.z
    variance = (float(linear.z @ left) + linear.rest) / linear.free
    shape = inverse if linear.free == linear.wells else projector
    slope = [
        np.exp(log) * (float((shape * block).sum()) - float(left @ block @ left) / variance)
        for log, block in zip(logs, linear.blocks, strict=True)
    ]
    size += 0.0 if linear.free == linear.wells else fixed
    return linear.free * float(np.log(variance)) + size, np.array(slope)


def _variances(linear: _Linear, logs: Array) -> Array:
    found: Any = minimize(
        _deviance, np.clip(logs, -4.0, 8.0), args=(linear,), jac=True, method="L-BFGS-B",
        bounds=[(-SPAN, SPAN)] * len(logs), options={"ftol": 1e-14, "gtol": 1e-8},
    )  # fmt: skip
    return np.asarray(found.x)


def _solution(linear: _Linear, logs: Array) -> tuple[Array, Array, float]:
    """beta with the effects, the covariance of beta over s^2, and s^2."""
    inverse, cover, *_ = _inverse(linear, logs)
    beta = cover @ (linear.x.T @ (inverse @ linear.z))
    left = inverse @ (linear.z - linear.x @ beta)
    ratios = np.exp(logs) / linear.scale
    effects = [ratio * (unit.T @ left) for ratio, unit in zip(ratios, linear.units, strict=True)]
    squares = float((linear.z - linear.x @ beta) @ left) + linear.rest
    return np.concatenate([beta, *effects]), cover, squares / linear.free


def _descended(plan: _Plan, values: Array, logs: Array) -> Array:
    """beta with the effects at the least penalised sum of squares, by steps that are halved until it falls."""
    for _ in range(STEPS):
        linear = _linearised(plan, values)
        if not np.isfinite(linear.x).all():
            break
        weights = np.concatenate(
            [np.zeros(plan.sizes[0]), np.repeat(linear.scale / np.exp(logs), plan.sizes[1:])]
        )
        step, _, _ = _solution(linear, logs)
        best, share = _height(plan, values, weights), 1.0
        while share > LEAST and not _height(plan, values + share * (step - values), weights) < best:
            share /= 2
        if share <= LEAST:
            break
        moved = share * (step - values)
        values = values + moved
        if np.abs(moved).max() < CLOSE * (1 + np.abs(values).max()):
            break
    return values


def _height(plan: _Plan, values: Array, weights: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float((_residuals(plan, values)[0] ** 2).sum() + weights @ values**2)


def _effects(plan: _Plan, values: Array, logs: Array) -> Effects:
    linear = _linearised(plan, values)
    step, cover, variance = _solution(linear, logs)
    deviance, _ = _deviance(logs, linear)
    sds = np.where(logs > NONE, np.sqrt(variance * np.exp(logs) / linear.scale), 0.0)
    return Effects(
        step[: plan.sizes[0]].reshape(-1, len(plan.free)), cover * variance,
        dict(zip(plan.terms, map(float, sds), strict=True)), float(np.sqrt(variance)),
        -0.5 * (deviance + linear.free * (1 + float(np.log(2 * np.pi)))), plan.free, plan.theta(values), linear, logs,
        plan.cap,
    )  # fmt: skip


def _satterthwaite(linear: _Linear, logs: Array, variance: float, contrast: Array) -> float:
    """2 v^2 / (g' A g): v = c' C c, g its gradient in the variances, A the inverse of their information.

    A variance that is 0 is no longer a parameter.
    """
    inverse, cover, *_ = _inverse(linear, logs)
    inverse, cover = inverse / variance, cover * variance
    parts = [block for log, block in zip(logs, linear.blocks, strict=True) if log > NONE]
    parts.append(np.eye(len(linear.z)))
    side = cover @ linear.x.T @ inverse
    gradient = np.array([float(contrast @ side @ part @ side.T @ contrast) for part in parts])
    projector = inverse - inverse @ linear.x @ side
    moved = [projector @ part for part in parts]
    information = np.array([[0.5 * float((a * b.T).sum()) for b in moved] for a in moved])
    information[-1, -1] += 0.5 * (linear.wells - len(linear.z)) / variance**2
    spread = float(gradient @ np.linalg.pinv(information) @ gradient)
    return 2 * float(contrast @ cover @ contrast) ** 2 / spread if spread > 0 else float("inf")
