"""Multiple imputation of missing covariates of a Cox model.

"chained": each incomplete covariate in turn is drawn from a regression on the others, the event indicator and the
Nelson-Aalen cumulative hazard (White and Royston, Stat Med 2009; with delayed entry the hazard lived through).
"smcfcs": proposals from a regression on the other covariates, accepted so that they agree with the Cox model itself
(Bartlett, Seaman, White and Carpenter, Stat Methods Med Res 2015). Numbers by linear, two levels by logistic, more
levels by multinomial regression, each with parameters drawn from their posterior; the logistic ones have a weak normal
prior (standard deviation 10), so that perfect prediction does no harm. Pooled by Rubin's rules; the complete-data
degrees of freedom are events less coefficients. All assume that values are missing at random given what is in the
model; `shift` departs from that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.estimates.chains import Chain, Covariate, Method, covariate
from sequela.estimates.cox import CoxModel, cox
from sequela.estimates.pooling import pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sequela.core.estimate import Estimate
    from sequela.core.outcome import Times

    Real = NDArray[np.float64]

SETTLED = 1.1  # Gelman and Rubin's ratio below which chains are taken to have mixed


@dataclass(frozen=True, eq=False)
class Imputed:
    """A Cox model over imputed covariates.

    Attributes:
        ratios: pooled hazard ratio of every column.
        complete: the Cox model of the complete cases, None where it has no events.
        missing: values imputed, by covariate.
        mixing: Gelman and Rubin's ratio of the chain means over the second half of the iterations, by covariate.
        imputations, iterations, method: as asked; `kept` proposals that were kept without being accepted.
    """

    ratios: tuple[Estimate, ...]
    complete: CoxModel | None
    missing: dict[str, int]
    mixing: dict[str, float]
    imputations: int
    iterations: int
    method: Method
    kept: int

    @property
    def settled(self) -> bool:
        """Whether every chain has mixed."""
        return all(value < SETTLED for value in self.mixing.values())

    @property
    def statement(self) -> str:
        """The convergence of the chains in words."""
        if not self.mixing:
            return "nothing was missing"
        name, worst = max(self.mixing.items(), key=lambda item: item[1])
        told = (
            f"{self.imputations} chains of {self.iterations} iterations; largest ratio of Gelman and Rubin over the "
            f"second half {worst:.2f} ({name})"
        )
        told += (
            ", the chains have mixed"
            if self.settled
            else ", the chains have not mixed: ask for more iterations"
        )
        return told + (f"; {self.kept} proposals kept unaccepted" if self.kept else "")


def impute(
    times: Times, covariates: Mapping[str, Any], rng: np.random.Generator, method: Method = "smcfcs",
    imputations: int = 20, iterations: int = 10, shift: Mapping[str, float] | None = None,
    levels: Mapping[str, Sequence[str]] | None = None, level: float = 0.95, cluster: Any = None,
) -> Imputed:  # fmt: skip
    """A Cox model of all covariates, the missing values imputed.

    Args:
        times: n subjects; delayed entry is used.
        covariates: {name: n values}; numbers with NaN, or words with "" or None, where missing.
        rng: the generator.
        method: "smcfcs" or "chained".
        imputations, iterations: completed data sets, and rounds before each is taken.
        shift: {name: delta} added to the mean of imputed numbers, or to the log odds of every level but the first:
            a departure from missing at random.
        levels: {name: words in order}, the first is the reference; sorted by default.
        level: of the intervals.
        cluster: n labels; the errors of each completed data set are by cluster.

    Raises:
        UsageError: an unknown method, a covariate without a known value, or fewer than two imputations.
    """
    columns = tuple(covariate(name, values, (levels or {}).get(name)) for name, values in covariates.items())
    empty = [one.name for one in columns if one.missing.all()]
    if method not in get_args(Method) or imputations < 2 or iterations < 2 or empty:
        raise UsageError(
            Finding(
                "E224",
                "error",
                "these covariates cannot be imputed",
                found=f"method {method!r}, {imputations} imputations, {iterations} iterations"
                + (f"; no known value of {', '.join(empty)}" if empty else ""),
                allowed=f"{', '.join(get_args(Method))}; 2 imputations and iterations or more",
                remedy="take out covariates without any value",
            )
        )
    chains = [
        Chain(times, columns, method, dict(shift or {}), np.random.default_rng(rng.integers(2**63)))
        for _ in range(imputations)
    ]
    traces = np.array([[chain.step() for _ in range(iterations)] for chain in chains])
    names = tuple(name for one in columns for name in one.names)
    models = [cox(times, chain.matrix(), names=names, cluster=cluster) for chain in chains]
    whole = ~np.logical_or.reduce([one.missing for one in columns])
    complete = _complete(times, columns, names, whole, cluster, level)
    events = float((times.state > 0).sum())
    ratios = tuple(
        pool(f"HR {name}", [_fit(model, j) for model in models], max(events - len(names), 1.0), level,
             len(times), events, f"Cox, imputed ({method})")
        for j, name in enumerate(names)
    )  # fmt: skip
    wanted = [one for one in columns if one.missing.any()]
    mixing = {one.name: gelman_rubin(traces[:, iterations // 2 :, j]) for j, one in enumerate(wanted)}
    return Imputed(
        ratios, complete, {one.name: int(one.missing.sum()) for one in wanted}, mixing, imputations, iterations,
        method, sum(chain.kept for chain in chains),
    )  # fmt: skip


def _fit(model: CoxModel, j: int) -> tuple[float, float]:
    errors = model.se if model.robust_se is None else model.robust_se
    return float(model.coef[j]), float(errors[j])


def gelman_rubin(traces: Real) -> float:
    """Gelman and Rubin's ratio of m chains x t values: sqrt of (within (t - 1)/t + between) over within."""
    m, t = traces.shape
    within = float(traces.var(axis=1, ddof=1).mean()) if t > 1 else 0.0
    between = float(traces.mean(axis=1).var(ddof=1)) if m > 1 else 0.0
    if within <= 0:
        return 1.0 if between <= 1e-12 else math.inf
    return math.sqrt(((t - 1) / t * within + between) / within)


def _complete(
    times: Times, columns: tuple[Covariate, ...], names: tuple[str, ...], whole: NDArray[np.bool_], cluster: Any,
    level: float,
) -> CoxModel | None:  # fmt: skip
    if not whole.any() or not (times.state[whole] > 0).any():
        return None
    matrix = np.column_stack([one.columns(one.values)[whole] for one in columns])
    clusters = None if cluster is None else np.asarray(cluster)[whole]
    return cox(times.take(whole), matrix, names=names, cluster=clusters, level=level)
