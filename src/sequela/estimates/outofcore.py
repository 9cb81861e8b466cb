"""Cox from blocks: data larger than memory, or held in several places, fitted exactly.

Each Newton step passes twice over the blocks: first for the sums of w exp(eta) per event time, then for the
covariate sums and X' diag(v) X. What travels between places is a vector per event time, a J x p and a p x p
matrix, never a row. Whole-day times keep J small. The result is that of `cox` on all rows together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Model
from sequela.core.finding import Finding
from sequela.estimates.inference import reasons_of, three_tests
from sequela.estimates.likelihood import Step, weighted_product
from sequela.estimates.newton import maximise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from sequela.core.outcome import Times

    Block = tuple[Times, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class _Axis:
    """Event times shared by all blocks, tied events and their weights."""

    time: NDArray[Any]
    deaths: NDArray[Any]
    mass: NDArray[Any]
    mean: NDArray[Any]
    spread: NDArray[Any]
    n: int


def cox_blocks(
    blocks: Callable[[], Iterable[Block]], names: tuple[str, ...], ties: str = "efron", level: float = 0.95
) -> Model:
    """Fit a Cox model to blocks of rows.

    Args:
        blocks: called once per pass; gives (times, X) blocks, X an array of rows x p. The same blocks each
            time, in any order; weights and delayed entry are used; states above 0 are the event.
        names: p names.
        ties: "efron" or "breslow".
        level: of the intervals.

    Raises:
        UsageError: another tie rule, or no events in any block.
    """
    if ties not in ("efron", "breslow"):
        raise UsageError(Finding("E150", "error", "no such tie rule", found=ties, allowed="efron, breslow"))
    axis = _axis(blocks, len(names))
    if not len(axis.time):
        raise UsageError(Finding("E198", "error", "no events in any block"))
    optimum = maximise(lambda beta: _evaluate(blocks, axis, beta, ties), np.zeros(len(names)), axis.spread)
    reasons = reasons_of(optimum, names)
    lost = np.array([name in reasons for name in names], bool)
    covariance = np.where(lost[:, None] | lost[None, :], np.nan, optimum.covariance)
    return Model(
        names, np.where(lost, np.nan, optimum.beta), np.sqrt(np.diag(covariance)), covariance,
        (optimum.first.log_likelihood, optimum.last.log_likelihood), three_tests(optimum, optimum.covariance, axis.n),
        axis.n, float(axis.deaths.sum()), None, level, f"Cox from blocks, {ties} ties", reasons,
    )  # fmt: skip


def _axis(blocks: Callable[[], Iterable[Block]], p: int) -> _Axis:
    time, deaths, mass = np.zeros(0), np.zeros(0), np.zeros(0)
    n, first, second = 0, np.zeros(p), np.zeros(p)
    for times, X in blocks():
        event = (times.state > 0) & (times.weights > 0)
        joined = np.concatenate([time, times.exit[event]])
        counts = np.concatenate([deaths, np.ones(int(event.sum()))])
        weights = np.concatenate([mass, times.weights[event]])
        time, at = np.unique(joined, return_inverse=True)
        deaths, mass = np.bincount(at, counts, len(time)), np.bincount(at, weights, len(time))
        n, first, second = n + len(X), first + X.sum(axis=0), second + (X**2).sum(axis=0)
    mean = first / max(n, 1)
    spread = np.sqrt(np.maximum(second / max(n, 1) - mean**2, 0))
    return _Axis(time, deaths, mass, mean, np.where(spread > 0, spread, 1.0), n)


@dataclass(frozen=True, eq=False)
class _Rows:
    """One block on the axis: centred covariates, w exp(eta), risk range, events."""

    X: NDArray[Any]
    eta: NDArray[Any]
    risk: NDArray[Any]
    weights: NDArray[Any]
    start: NDArray[Any]
    stop: NDArray[Any]
    event: NDArray[Any]
    tied: NDArray[Any]


def _rows(block: Block, axis: _Axis, beta: NDArray[Any]) -> _Rows:
    times, X = block
    Z = np.asarray(X, float) - axis.mean
    eta = Z @ beta
    weights = np.asarray(times.weights, float)
    stop = np.searchsorted(axis.time, times.exit, side="right")
    late = np.searchsorted(axis.time, times.entry, side="right")
    start = np.where(times.entry != 0, late, 0)
    event = np.flatnonzero((times.state > 0) & (times.weights > 0))
    with np.errstate(over="ignore"):
        return _Rows(Z, eta, weights * np.exp(eta), weights, start, stop, event, stop[event] - 1)


def _range_sum(rows: _Rows, values: NDArray[Any], J: int) -> NDArray[Any]:
    return np.bincount(rows.stop, values, J + 1)[1:] - np.bincount(rows.start, values, J + 1)[1:]


def _evaluate(blocks: Callable[[], Iterable[Block]], axis: _Axis, beta: NDArray[Any], ties: str) -> Step:
    J, p = len(axis.time), len(beta)
    bins, events, gained = np.zeros(J), np.zeros(J), 0.0
    for block in blocks():
        rows = _rows(block, axis, beta)
        bins += _range_sum(rows, rows.risk, J)
        events += np.bincount(rows.tied, rows.risk[rows.event], J)
        gained += float(rows.weights[rows.event] @ rows.eta[rows.event])
    S0 = bins[::-1].cumsum()[::-1]
    count = axis.deaths.astype(np.intp)
    at = np.repeat(np.arange(J), count)
    rank = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    f = rank / axis.deaths[at] if ties == "efron" else np.zeros(len(at))
    with np.errstate(divide="ignore", invalid="ignore"):
        den = S0[at] - f * events[at]
        each = (axis.mass / axis.deaths)[at]
        value = gained - float(each @ np.log(den))
    if not np.isfinite(value):
        return Step(-np.inf, np.zeros(p), np.zeros((p, p)))
    c = {
        (a, b): np.bincount(at, each * f**a / den**b, J) for a, b in ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
    }
    lived = np.concatenate([[0.0], np.cumsum(c[0, 1])])
    bins1, E1, observed, information = np.zeros((J, p)), np.zeros((J, p)), np.zeros(p), np.zeros((p, p))
    for block in blocks():
        rows = _rows(block, axis, beta)
        for k in range(p):
            bins1[:, k] += _range_sum(rows, rows.risk * rows.X[:, k], J)
            E1[:, k] += np.bincount(rows.tied, (rows.risk * rows.X[:, k])[rows.event], J)
        observed += rows.weights[rows.event] @ rows.X[rows.event]
        exposure = lived[np.maximum(rows.stop, rows.start)] - lived[rows.start]
        exposure[rows.event] -= c[1, 1][rows.tied]
        information += weighted_product(rows.X, rows.risk * exposure)
    S1 = bins1[::-1].cumsum(axis=0)[::-1]
    cross = (S1 * c[1, 2][:, None]).T @ E1
    information -= weighted_product(S1, c[0, 2]) - cross - cross.T + weighted_product(E1, c[2, 2])
    return Step(value, observed - c[0, 1] @ S1 + c[1, 1] @ E1, information)
