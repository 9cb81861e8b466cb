"""Cox models of many bootstrap samples at once.

A sample is a vector of multiplicities over the rows, which are sorted by time once. The coefficients of a block of
samples climb together: sums over risk sets are running sums along the rows, and X' diag(v) X of every sample is one
product of the block's v with the products of the columns. A row drawn twice is two rows, also among tied events.
Samples that do not settle (separation, columns without variation) are fitted again one by one by `cox`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.estimates.cox import centred, cox
from sequela.estimates.design import design
from sequela.estimates.resampling import draws
from sequela.estimates.risksets import cox_risk_sets
from sequela.estimates.tiesums import tie_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times

STEPS = 12
SETTLED = 1e-12  # squared length in standard errors of the last step, after which no digit changes
NUMBERS = 40_000  # rows x samples of a block: it stays in cache


def bootstrap_cox(
    times: Times,
    X: Any,
    rng: np.random.Generator,
    samples: int = 1000,
    ties: str = "efron",
    cluster: Any = None,
) -> NDArray[Any]:
    """Coefficients of Cox models fitted to bootstrap samples: samples x p, NaN where not estimable.

    Args:
        times: n subjects without case weights.
        X: n x p covariates, as for `cox`.
        rng: the generator; the samples are those of `draws`.
        samples: number of bootstrap samples.
        ties: "efron" or "breslow".
        cluster: n labels; whole clusters are drawn.

    Raises:
        UsageError: another tie rule, or case weights.
    """
    if ties not in ("efron", "breslow"):
        raise UsageError(Finding("E150", "error", "no such tie rule", found=ties, allowed="efron, breslow"))
    if times.weighted:
        message = "bootstrap samples of weighted rows are not fitted together"
        raise UsageError(
            Finding("E152", "error", message, remedy="use bootstrap with a statistic of your own")
        )
    n = len(times)
    matrix, _ = design(X, n)
    found = np.full((samples, matrix.shape[1]), np.nan)
    if not (times.state > 0).any():
        return found
    start = np.nan_to_num(cox(times, matrix, ties="efron" if ties == "efron" else "breslow").coef)
    rows = _Rows.of(times, centred(matrix)[0], ties == "efron")
    block = max(1, NUMBERS // max(n, 1))
    drawn = draws(n, rng, samples, cluster)
    for low in range(0, samples, block):
        part = [next(drawn) for _ in range(min(block, samples - low))]
        counts = np.array([np.bincount(sample, minlength=n) for sample in part], float)
        beta, settled = _climb(rows, counts[:, rows.order], start)
        found[low : low + len(part)] = beta
        for i in np.flatnonzero(~settled):
            model = cox(times.take(part[i]), matrix[part[i]], ties="efron" if ties == "efron" else "breslow")
            found[low + i] = model.coef
    return found


@dataclass(frozen=True, eq=False)
class _Rows:
    """The data in the order of falling exit times, and where risk sets and tied sets lie in it.

    Attributes:
        order: original positions, at each event time the events first.
        X: p x n; pairs: n x p(p+1)/2 products of columns; `at` their indices.
        upto: number of rows still there at each of J event times; `later` just after it, `dead` with its events.
        stop, start: as in `RiskSets`; event: positions of event rows.
        late: order of the entries and, per event time, the number that enter at or after it.
    """

    order: NDArray[Any]
    X: NDArray[Any]
    pairs: NDArray[Any]
    at: tuple[NDArray[Any], NDArray[Any]]
    upto: NDArray[Any]
    later: NDArray[Any]
    dead: NDArray[Any]
    stop: NDArray[Any]
    start: NDArray[Any] | None
    late: tuple[NDArray[Any], NDArray[Any]] | None
    event: NDArray[Any]
    efron: bool

    @staticmethod
    def of(times: Times, X: NDArray[Any], efron: bool) -> _Rows:
        """Sort the rows of `times` once."""
        sets = cox_risk_sets(times)
        order = np.lexsort((times.state == 0, -sets.stop))
        stop, Z = sets.stop[order], np.ascontiguousarray(X[order])
        J = np.arange(len(sets.time))
        late = None
        if sets.entered is not None:
            entered = sets.entered[order]
            by_entry = np.argsort(-entered, kind="stable")
            late = by_entry, np.searchsorted(-entered[by_entry], -J, side="left")
        at = np.triu_indices(Z.shape[1])
        upto, later = (np.searchsorted(-stop, -J - k, side="left") for k in (0, 1))
        return _Rows(
            order, np.ascontiguousarray(Z.T), Z[:, at[0]] * Z[:, at[1]], at, upto, later, later + sets.deaths,
            stop, None if sets.start is None else sets.start[order], late,
            np.flatnonzero((times.state > 0)[order]), efron,
        )  # fmt: skip

    def sums(self, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Sums over risk sets and over the events of each event time, along the last axis (n to J)."""
        running = _running(values)
        found, tied = running[..., self.upto], running[..., self.dead]
        tied -= running[..., self.later]
        if self.late is not None:
            order, upto = self.late
            found -= _running(values[..., order])[..., upto]
        return found, tied

    def lived(self, steps: NDArray[Any]) -> NDArray[Any]:
        """What the running sum of `steps` gains while each row is at risk (J to n)."""
        total = _running(steps)
        return total[:, self.stop] if self.start is None else total[:, self.stop] - total[:, self.start]


def _running(values: NDArray[Any]) -> NDArray[Any]:
    """Running sums along the last axis, from 0."""
    found = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=found[..., 1:])
    return found


def _climb(rows: _Rows, counts: NDArray[Any], start: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Newton's steps of a block of samples; coefficients, and flags of the samples that settled."""
    beta = np.tile(start, (len(counts), 1))
    deaths = rows.sums(counts)[1]
    observed = counts[:, rows.event] @ rows.X[:, rows.event].T
    settled, going = np.zeros(len(counts), bool), np.arange(len(counts))
    for _ in range(STEPS):
        score, information = _derivatives(rows, counts[going], deaths[going], beta[going])
        score += observed[going]
        fit = _regular(information)
        going, score = going[fit], score[fit]
        step = np.linalg.solve(information[fit], score[..., None])[..., 0]
        gain = np.einsum("ij,ij->i", step, score)
        beta[going] += step
        done = (gain >= 0) & (gain < SETTLED)
        settled[going[done]] = True
        going = going[~done]
        if not len(going):
            break
    return beta, settled


def _regular(information: NDArray[Any]) -> NDArray[Any]:
    """Flags of matrices that are far from singular on the correlation scale."""
    finite: NDArray[Any] = np.isfinite(information.sum(axis=(1, 2)))
    information = np.where(finite[:, None, None], information, 0.0)
    scale = np.sqrt(np.maximum(np.einsum("ijj->ij", information), 1e-300))
    values = np.linalg.eigvalsh(information / scale[:, :, None] / scale[:, None, :])
    return finite & (values[:, 0] > 1e-8)


def _derivatives(
    rows: _Rows, counts: NDArray[Any], deaths: NDArray[Any], beta: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The score less its observed part (B x p) and the information (B x p x p)."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        risk = counts * np.exp(beta @ rows.X)
        parts = risk[:, None, :] * rows.X
        (S0, E0), (S1, E1) = rows.sums(risk), rows.sums(parts)
        inverse = np.where(deaths > 0, 1 / S0, 0.0)
        hazard, c02 = deaths * inverse, deaths * inverse * inverse
        v, outer = risk, 0.0
        tied = deaths > 1 if rows.efron else np.zeros(deaths.shape, bool)
        if tied.any():
            sums = tie_sums(deaths[tied].astype(np.intp), (E0 * inverse)[tied])
            own, c12, c22 = (np.zeros_like(S0) for _ in range(3))
            once, twice = inverse[tied], inverse[tied] ** 2
            hazard[tied], own[tied] = once * sums.s01, once * sums.s11
            c02[tied], c12[tied], c22[tied] = twice * sums.s02, twice * sums.s12, twice * sums.s22
            cross = (S1 * c12[:, None]) @ E1.swapaxes(1, 2)
            outer = (E1 * c22[:, None]) @ E1.swapaxes(1, 2) - cross - cross.swapaxes(1, 2)
            exposure = rows.lived(hazard)
            exposure[:, rows.event] -= own[:, rows.stop[rows.event] - 1]
            v = risk * exposure
        else:
            v = risk * rows.lived(hazard)
        outer = outer + (S1 * c02[:, None]) @ S1.swapaxes(1, 2)
        square = np.empty(outer.shape)
        square[:, rows.at[0], rows.at[1]] = square[:, rows.at[1], rows.at[0]] = v @ rows.pairs
        return -(v @ rows.X.T), square - outer
