"""One chain of multiple imputation: the current values of every covariate, and the draws that move them.

The methods and their sources are described in `imputation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sequela.estimates.cox import cox
from sequela.estimates.curves import nelson_aalen
from sequela.estimates.logistic import chances, logistic
from sequela.estimates.predictions import Baseline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.core.estimate import Curve
    from sequela.core.outcome import Times

    Real = NDArray[np.float64]

Method = Literal["chained", "smcfcs"]
TRIES = 500  # proposals for one value before the last is kept and counted
PRIOR = 0.01


@dataclass(frozen=True, eq=False)
class Covariate:
    """One covariate: numbers, or positions in `levels`; `missing` where it is to be imputed.

    `columns` are its columns in the model: the number itself, or one per level but the first.
    """

    name: str
    values: Real
    missing: NDArray[np.bool_]
    levels: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns."""
        return tuple(f"{self.name}: {level}" for level in self.levels[1:]) if self.levels else (self.name,)

    def columns(self, values: Real) -> Real:
        """Its columns for n values."""
        if not self.levels:
            return values[:, None]
        return (values[:, None] == np.arange(1, len(self.levels))).astype(float)


def covariate(name: str, values: Any, levels: Sequence[str] | None = None) -> Covariate:
    """A covariate from numbers (NaN missing) or words ("" or None missing)."""
    column = np.asarray(values)
    if column.dtype.kind in "biuf":
        numbers = column.astype(float)
        return Covariate(name, numbers, np.isnan(numbers), ())
    words = ["" if value is None or value != value else str(value) for value in column.tolist()]
    present = sorted(set(words) - {""})
    ordered = [level for level in levels if level in present] if levels is not None else present
    place = {level: float(k) for k, level in enumerate(ordered)}
    codes = np.array([place.get(word, math.nan) for word in words])
    return Covariate(name, codes, np.isnan(codes), tuple(ordered))


class Chain:
    """One chain of one imputation: the current values, and the generator that moves them."""

    def __init__(
        self, times: Times, columns: tuple[Covariate, ...], method: Method, shift: dict[str, float],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.times, self.columns, self.method, self.shift, self.rng = times, columns, method, shift, rng
        self.kept = 0
        self.values: list[Real] = []
        for one in columns:
            filled = one.values.copy()
            filled[one.missing] = rng.choice(one.values[~one.missing], int(one.missing.sum()))
            self.values.append(filled)
        if method == "chained":
            lived = _lived(nelson_aalen(times), times)
            self.outcome = np.column_stack([(times.state > 0).astype(float), lived])

    def matrix(self) -> Real:
        """The columns of the completed data."""
        return np.column_stack([one.columns(v) for one, v in zip(self.columns, self.values, strict=True)])

    def step(self) -> list[float]:
        """One round over the incomplete covariates; the mean of the imputed values of each."""
        told: list[float] = []
        for j, one in enumerate(self.columns):
            if not one.missing.any():
                continue
            others = [
                other.columns(values)
                for i, (other, values) in enumerate(zip(self.columns, self.values, strict=True))
                if i != j
            ]
            base = [np.ones(len(self.times)), *others]
            if self.method == "chained":
                Z = np.column_stack([*base, self.outcome])
                self.values[j] = self._drawn(j, Z, one.missing)
            else:
                self._compatible(j, np.column_stack(base))
            new = self.values[j][one.missing]
            told.append(float(new.mean() if not one.levels else (new > 0).mean()))
        return told

    def _model(self, j: int, Z: Real) -> Any:
        """A posterior draw of the regression of covariate j: (mean, sd) for a number, chances for levels (n x K)."""
        one = self.columns[j]
        spread = Z[:, 1:].std(axis=0)
        S = np.column_stack(
            [Z[:, :1], (Z[:, 1:] - Z[:, 1:].mean(axis=0)) / np.where(spread > 0, spread, 1.0)]
        )
        # chained equations learn from the known values only, SMC-FCS from the completed column (Bartlett 2015)
        use = ~one.missing if self.method == "chained" else np.ones(len(Z), bool)
        y, A = self.values[j][use], S[use]
        move = self.shift.get(one.name, 0.0)
        if not one.levels:
            root = np.linalg.pinv(A.T @ A, hermitian=True)
            centre = root @ (A.T @ y)
            rest = float(((y - A @ centre) ** 2).sum())
            variance = rest / self.rng.chisquare(max(len(y) - A.shape[1], 1))
            beta = centre + _root(root) @ self.rng.normal(size=len(centre)) * math.sqrt(variance)
            return S @ beta + move, math.sqrt(variance)
        fit = logistic(A, y.astype(np.intp), len(one.levels), PRIOR)
        flat = fit.coef.ravel() + _root(fit.optimum.covariance) @ self.rng.normal(size=fit.coef.size)
        coef = flat.reshape(fit.coef.shape)
        coef[:, 0] += move
        return chances(S, coef)

    def _drawn(self, j: int, Z: Real, rows: NDArray[np.bool_]) -> Real:
        values = self.values[j].copy()
        model = self._model(j, Z)
        if isinstance(model, tuple):
            mean, sd = model
            values[rows] = mean[rows] + sd * self.rng.normal(size=int(rows.sum()))
        else:
            values[rows] = _pick(model[rows], self.rng)
        return values

    def _compatible(self, j: int, Z: Real) -> None:
        """One covariate by SMC-FCS: draw the Cox model, propose, and weigh by its likelihood."""
        one = self.columns[j]
        rows = np.flatnonzero(one.missing)
        proposal = self._model(j, Z)
        X = self.matrix()
        fit = cox(self.times, X)
        if fit.optimum is None or fit.problem is None:
            self.values[j] = self._drawn(j, Z, one.missing)
            return
        beta = fit.optimum.beta + _root(fit.optimum.covariance) @ self.rng.normal(size=X.shape[1])
        hazard = _lived(Baseline(self.times, fit.problem, beta, None, 0), self.times)[rows]
        event = self.times.state[rows] > 0
        start = sum(len(other.names) for other in self.columns[:j])
        own = slice(start, start + len(one.names))
        offset = (X[rows] - fit.centre) @ beta - X[rows][:, own] @ beta[own]

        def log_likelihood(values: Real, at: NDArray[np.intp]) -> Real:
            eta = offset[at] + one.columns(values) @ beta[own]
            return event[at] * eta - hazard[at] * np.exp(eta)

        everyone = np.arange(len(rows))
        if one.levels:
            each = [log_likelihood(np.full(len(rows), float(k)), everyone) for k in range(len(one.levels))]
            heights = np.column_stack(each)
            chance = proposal[rows] * np.exp(heights - heights.max(axis=1, keepdims=True))
            self.values[j][rows] = _pick(chance / chance.sum(axis=1, keepdims=True), self.rng)
            return
        mean, sd = proposal
        left = everyone
        for _ in range(TRIES):
            tried = mean[rows[left]] + sd * self.rng.normal(size=len(left))
            self.values[j][rows[left]] = tried
            # the likelihood of an event is highest where hazard x exp(eta) is 1; of no event, where it is 0
            highest = np.where(event[left], -np.log(np.maximum(hazard[left], 1e-300)) - 1, 0.0)
            accepted = np.log(self.rng.random(len(left))) <= log_likelihood(tried, left) - highest
            left = left[~accepted]
            if not len(left):
                break
        self.kept += len(left)


def _lived(curve: Curve | dict[str, Curve] | Baseline, times: Times) -> Real:
    """Cumulative hazard that each subject lived through, from entry to exit."""
    assert not isinstance(curve, dict)
    padded = np.concatenate([[0.0], curve.hazard])
    exits, entries = (
        padded[np.searchsorted(curve.time, at, side="right")] for at in (times.exit, times.entry)
    )
    return exits - np.where(times.entry > 0, entries, 0.0)


def _root(covariance: NDArray[Any]) -> Real:
    """A square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _pick(chance: Real, rng: np.random.Generator) -> Real:
    """A level for each row of chances."""
    edges = np.cumsum(chance, axis=1)
    return (rng.random(len(chance))[:, None] * edges[:, -1:] > edges[:, :-1]).sum(axis=1).astype(float)
