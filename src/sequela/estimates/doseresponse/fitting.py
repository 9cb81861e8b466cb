"""Many curves at once: bounded, multi-start, weighted Levenberg-Marquardt in plain NumPy.

Starts come from a grid of slopes and locations, with the plateaus solved by least squares at each (variable
projection: Golub and Pereyra 1973). Then projected Levenberg-Marquardt steps with the analytic gradient; a
parameter at a bound whose gradient points outwards is frozen for that step (Nocedal and Wright 2006, 10.3
and 16.7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from sequela.estimates.doseresponse.models import Array, Form, box, evaluate, fall

CHUNK: Final = 2000
GRID: Final = (10, 4)
STARTS: Final = 2


@dataclass(frozen=True, eq=False)
class Batch:
    """Curves as rows: dose, mean response, weight (0 for padding), and limits of theta."""

    form: Form
    dose: Array
    y: Array
    weight: Array
    low: Array
    high: Array

    @property
    def x(self) -> Array:
        """Position of each dose on the model's scale."""
        return self.form.position(self.dose)

    def rows(self, keep: Array | slice) -> Batch:
        """Some of the curves."""
        parts = (self.dose, self.y, self.weight, self.low, self.high)
        return Batch(self.form, *(part[keep] for part in parts))

    def weighed(self, weight: Array) -> Batch:
        """The same curves with other weights."""
        return replace(self, weight=weight)


@dataclass(frozen=True, eq=False)
class Fitted:
    """theta (curves, parameters), weighted residual sum of squares and convergence of each curve."""

    theta: Array
    rss: Array
    converged: Array


def batch(form: Form, dose: Array, y: Array, weight: Array, limits: dict[str, tuple[float, float]]) -> Batch:
    """Curves (curves, doses) with the model's own bounds, narrowed by `limits` (natural scale)."""
    low, high = box(form, dose, y, weight > 0)
    for name, (least, most) in {**{k: (v, v) for k, v in form.held}, **limits}.items():
        k = form.names.index(name)
        low[:, k], high[:, k] = np.log((least, most)) if form.logged(name) else (least, most)
    return Batch(form, dose, y, weight, low, high)


def fit(curves: Batch) -> Fitted:
    """Best fit of each curve over all starts; chunks keep the working set in cache."""
    parts = [_fit(curves.rows(slice(i, i + CHUNK))) for i in range(0, len(curves.y), CHUNK)]
    return Fitted(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("theta", "rss", "converged")))


def _fit(curves: Batch) -> Fitted:
    k = len(curves.y)
    starts = starting_values(curves)
    tiled = curves.rows(np.tile(np.arange(k), STARTS))
    found = descend(tiled, starts.reshape(STARTS * k, -1))
    best = found.rss.reshape(STARTS, k).argmin(0) * k + np.arange(k)
    return Fitted(found.theta[best], found.rss[best], found.converged[best])


def starting_values(curves: Batch) -> Array:
    """The best `STARTS` points of the grid: (starts, curves, parameters)."""
    low, high = curves.low, curves.high
    moments = _Moments(
        *(curves.weight @ np.ones(curves.y.shape[1]), *_sums(curves.weight * curves.y, curves.y))
    )
    trials: list[Array] = []
    sums: list[Array] = []
    for i in range(GRID[0]):
        for j in range(GRID[1]):
            theta = _grid_point(low, high, (i + 0.5) / GRID[0], (j + 0.5) / GRID[1])
            sums.append(_project(curves, theta, moments))
            trials.append(theta)
    order = np.argsort(np.stack(sums), axis=0)[:STARTS]
    return np.stack(trials)[order, np.arange(len(low))]


def _grid_point(low: Array, high: Array, along: float, steep: float) -> Array:
    theta = np.zeros_like(low)
    theta[:, 0] = low[:, 0] + steep * (high[:, 0] - low[:, 0])
    theta[:, 3] = low[:, 3] + (0.1 + 0.8 * along) * (high[:, 3] - low[:, 3])
    return np.clip(theta, low, high)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over the doses of each curve that no start changes: of w, w y and w y^2."""

    n: Array
    y: Array
    yy: Array


def _sums(weighed: Array, other: Array) -> tuple[Array, Array]:
    """Sum of each row, and of its product with another."""
    return weighed @ np.ones(weighed.shape[1]), np.einsum("kn,kn->k", weighed, other)


def _project(curves: Batch, theta: Array, moments: _Moments) -> Array:
    """Put the best plateaus within bounds into theta; returns the weighted sum of squares."""
    form, n, y = curves.form, moments.n, moments.y
    u = np.maximum(np.exp(theta[:, [0]]) * (curves.x - theta[:, [3]]), -700)
    s, _ = fall(form, u, np.exp(theta[:, [4]]) if form.last == "asymmetry" else 1.0)
    weighed = curves.weight * s
    ss, sss = _sums(weighed, s)
    ssy = np.einsum("kn,kn->k", weighed, curves.y)
    rise = (ssy - ss * y / n) / np.maximum(sss - ss**2 / n, 1e-12)
    cc, cd, cy = n - 2 * ss + sss, ss - sss, y - ssy  # sums of w (1 - s)^2, w s (1 - s), w (1 - s) y
    for k, other in ((1, 2), (2, 1), (1, 2)):
        square, product = (sss, ssy) if k == 2 else (cc, cy)
        free = (y - rise * ss) / n + (0 if k == 1 else rise)
        held = curves.low[:, other] == curves.high[:, other]
        alone = (product - theta[:, other] * cd) / np.maximum(square, 1e-12)
        theta[:, k] = np.clip(np.where(held, alone, free), curves.low[:, k], curves.high[:, k])
    c, d = theta[:, 1], theta[:, 2]
    return moments.yy - 2 * (c * cy + d * ssy) + c**2 * cc + 2 * c * d * cd + d**2 * sss


def descend(curves: Batch, start: Array, iterations: int = 200) -> Fitted:
    """Levenberg-Marquardt of all curves from `start`; finished curves leave the working set."""
    theta = np.clip(start, curves.low, curves.high)
    rss = np.full(len(theta), np.inf)
    converged = np.zeros(len(theta), bool)
    active, work = np.arange(len(theta)), curves
    state = _State.at(work, theta)
    for _ in range(iterations):
        state, done = state.step(work)
        if done.any():
            where = active[done]
            theta[where], rss[where], converged[where] = state.theta[done], state.rss[done], True
            active, work, state = active[~done], work.rows(~done), state.rows(~done)
        if not len(active):
            break
    theta[active], rss[active] = state.theta, state.rss
    return Fitted(theta, rss, converged)


@dataclass(frozen=True, eq=False)
class _State:
    theta: Array
    rss: Array
    slope: Array  # J'Wr
    information: Array  # J'WJ
    damping: Array
    x: Array

    @classmethod
    def at(cls, curves: Batch, theta: Array) -> _State:
        x = curves.x
        return cls(theta, *_normal(curves, theta, x), np.full(len(theta), 1e-2), x)

    def rows(self, keep: Array) -> _State:
        return _State(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    def step(self, curves: Batch) -> tuple[_State, Array]:
        """One damped step where it lowers the sum of squares; and which curves are finished."""
        low, high = curves.low, curves.high
        out = ((self.theta <= low) & (self.slope <= 0)) | ((self.theta >= high) & (self.slope >= 0))
        move = _solve(self.information, self.slope, self.damping, out)
        theta = np.clip(self.theta + move, low, high)
        rss, slope, information = _normal(curves, theta, self.x)
        better = rss <= self.rss
        moved = np.abs(theta - self.theta).max(1, where=low < high, initial=0)
        size = 1e-6 * (1 + np.abs(self.theta).max(1))
        flat = np.abs(self.rss - rss) <= 1e-12 * self.rss + 1e-300
        done = (better & flat & (moved <= size)) | (moved == 0) | (self.damping > 1e12)
        damping = np.where(better, np.maximum(self.damping * 0.1, 1e-12), self.damping * 8)

        def pick(new: Array, old: Array) -> Array:
            return np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        fresh = (
            pick(theta, self.theta),
            pick(rss, self.rss),
            pick(slope, self.slope),
            pick(information, self.information),
        )
        return _State(*fresh, damping, self.x), done


def _normal(curves: Batch, theta: Array, x: Array) -> tuple[Array, Array, Array]:
    fitted, gradient = evaluate(curves.form, theta, x, curves.dose)
    residual = curves.y - fitted
    weighed = gradient * curves.weight
    rss = (curves.weight * residual**2).sum(1)
    slope = np.einsum("pkn,kn->kp", weighed, residual)
    rows: Any = gradient.transpose(1, 0, 2)
    return rss, slope, weighed.transpose(1, 0, 2) @ rows.transpose(0, 2, 1)


def _solve(information: Array, slope: Array, damping: Array, out: Array) -> Array:
    free = ~out
    p = slope.shape[1]
    matrix = information * (free[:, :, None] & free[:, None, :])
    diagonal = np.einsum("kpp->kp", matrix)
    ridge = damping[:, None] * diagonal + 1e-12 * diagonal.max(1, keepdims=True) + 1e-300
    matrix[:, range(p), range(p)] += np.where(free & (diagonal > 0), ridge, 1.0)
    return np.linalg.solve(matrix, (slope * free)[:, :, None])[:, :, 0]


def covariance(curves: Batch, theta: Array) -> Array:
    """(J'WJ)^-1 over the parameters that are not at a bound (curves, parameters, parameters); others 0.

    Times the residual variance it is the delta-method covariance of theta.
    """
    information = _normal(curves, theta, curves.x)[2]
    free = (theta > curves.low) & (theta < curves.high)
    both = free[:, :, None] & free[:, None, :]
    scale = np.sqrt(np.maximum(np.einsum("kpp->kp", information), 1e-300))
    matrix = np.where(both, information / (scale[:, :, None] * scale[:, None, :]), np.eye(free.shape[1]))
    matrix = np.where(np.isfinite(matrix), matrix, 0.0)
    inverse = np.linalg.pinv(matrix, hermitian=True) / (scale[:, :, None] * scale[:, None, :])
    return np.where(both, inverse, 0.0)
