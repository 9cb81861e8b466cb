"""Cox's proportional hazards model.

Ties by Efron (default), Breslow or the exact partial likelihood; delayed entry and start-stop rows, strata,
weights, offset; model-based and cluster-robust errors (Lin and Wei 1989). Sources: Cox (1972); Therneau and
Grambsch (2000). What cannot be estimated is named in `reasons`: aliased columns, separation, no events.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Curve, Estimate, Model, Test
from sequela.core.finding import Finding
from sequela.core.outcome import Times
from sequela.estimates.concordance import concordance
from sequela.estimates.design import design
from sequela.estimates.exact import evaluate_exact
from sequela.estimates.inference import reasons_of, robust_score_test, three_tests
from sequela.estimates.likelihood import Problem, evaluate, slope
from sequela.estimates.newton import Optimum, approach, independent, maximise
from sequela.estimates.predictions import Baseline, curve_of, predicted
from sequela.estimates.proportionality import Proportionality, Transform, proportionality
from sequela.estimates.residuals import deviance, dfbeta, grouped, martingale, schoenfeld, score_residuals
from sequela.estimates.risksets import cox_risk_sets
from sequela.estimates.timeline import Labels, labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sequela.estimates.intervals import Interval
    from sequela.estimates.likelihood import Step

Ties = Literal["efron", "breslow", "exact"]
Residual = Literal["martingale", "deviance", "score", "dfbeta", "schoenfeld"]
WARM = 40_000  # from here on a fit to every THIN-th row gives the starting value
THIN = 16


@dataclass(frozen=True, eq=False, repr=False)
class CoxModel(Model):
    """A fitted Cox model; it keeps what residuals, curves and tests of proportionality need.

    With robust errors `tests` also has "robust_score" (Lin and Wei 1989), which stays valid with weights and
    clusters where the other score and likelihood ratio tests do not.

    `problem` is None when nothing could be fitted. `centre` was subtracted from the columns before fitting.
    """

    ties: str = "efron"
    centre: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    times: Times | None = None
    problem: Problem | None = None
    optimum: Optimum | None = None
    strata: Labels | None = None
    cluster: Labels | None = None

    def _fitted(self) -> tuple[Times, Problem, Optimum]:
        if self.times is None or self.problem is None or self.optimum is None:
            reason = next(iter(self.reasons.values()), "nothing was fitted")
            raise UsageError(Finding("E154", "error", "this model was not fitted", found=reason))
        return self.times, self.problem, self.optimum

    @property
    def aic(self) -> float:
        """Akaike's criterion of the partial likelihood, 2 k - 2 log L."""
        return 2 * self._estimated() - 2 * self.log_likelihood[1]

    @property
    def bic(self) -> float:
        """Schwarz' criterion with the number of events (Volinsky and Raftery 2000; R's `BIC`)."""
        return self._estimated() * math.log(self.events) - 2 * self.log_likelihood[1]

    def _estimated(self) -> int:
        return int(self._fitted()[2].kept.sum())

    def residuals(self, kind: Residual = "martingale") -> NDArray[Any]:
        """Residuals: "martingale", "deviance" (n), "score", "dfbeta" (n x p), "schoenfeld" (D x p).

        Schoenfeld residuals have a row per event, by stratum and time; dfbeta includes the case weight.
        """
        _, problem, optimum = self._fitted()
        if kind == "dfbeta":
            return dfbeta(problem, optimum.beta, optimum.covariance)
        if kind == "schoenfeld":
            return schoenfeld(problem, optimum.beta)[1]
        return {"martingale": martingale, "deviance": deviance, "score": score_residuals}[kind](
            problem, optimum.beta
        )

    def check_proportionality(self, transform: Transform = "km") -> Proportionality:
        """Tests that each coefficient is constant in time, as R's `cox.zph`; see `proportionality`."""
        times, problem, optimum = self._fitted()
        return proportionality(times, problem, optimum.beta, optimum.kept, self.names, transform)

    def concordance(self) -> Estimate:
        """Harrell's C of the linear predictor, inside strata, with its error."""
        times, problem, optimum = self._fitted()
        weighted = replace_weights(times, problem.weights)
        eta, _ = problem.risk(optimum.beta)
        strata, cluster = (
            None if labels_ is None else labels_.codes for labels_ in (self.strata, self.cluster)
        )
        return concordance(weighted, eta, strata, cluster, self.level)

    def baseline(self, interval: Interval = "log") -> Curve | dict[str, Curve]:
        """Survival with every covariate 0 (and no offset); {stratum: Curve} for a stratified model."""
        return self.predict(np.zeros(len(self.names)), interval)

    def predict(self, x: Any, interval: Interval = "log") -> Curve | dict[str, Curve]:
        """Survival of one subject with covariates `x` (p numbers, or {name: number})."""
        row = np.array([x[name] for name in self.names]) if isinstance(x, dict) else np.asarray(x, float)
        return self.average(row.reshape(1, -1), interval=interval, method="Cox, predicted")

    def average(
        self, X: Any, weights: Any = None, interval: Interval = "log", method: str = "Cox, averaged"
    ) -> Curve | dict[str, Curve]:
        """Mean predicted survival over rows X (m x p): the g-formula, when X sets a treatment for all."""
        times, problem, optimum = self._fitted()
        rows = np.asarray(X, float) - self.centre
        codes = None if self.strata is None else self.strata.codes
        names = ("",) if self.strata is None else self.strata.levels
        curves: dict[str, Curve] = {}
        for stratum, name in enumerate(names):
            base = Baseline(times, problem, optimum.beta, codes, stratum)
            parts = predicted(base, optimum.beta, rows, weights)
            curves[str(name)] = curve_of(
                base, parts, optimum.covariance, times, self.level, interval, str(name), method
            )
        return curves[""] if self.strata is None else curves


def cox(
    times: Times,
    X: Any,
    ties: Ties = "efron",
    strata: Any = None,
    cluster: Any = None,
    weights: Any = None,
    names: Any = None,
    level: float = 0.95,
    offset: Any = None,
    robust: bool | None = None,
    data: Any = None,
    reference: dict[str, Any] | None = None,
) -> CoxModel:
    """Fit a Cox model.

    Args:
        times: n subjects or start-stop rows; any state above 0 is the event.
        X: n x p covariates: an array, a frame, a dict of columns, or a formula on `data`.
        ties: "efron", "breslow" (as SPSS), or "exact" (discrete logistic likelihood).
        strata: n labels; each stratum has its own baseline hazard.
        cluster: n labels; errors are then robust to dependence inside clusters.
        weights: n case weights; by default those of `times`.
        names: names of an array's columns.
        level: of the intervals.
        offset: n numbers added to the linear predictor.
        robust: robust errors; by default, as R, with clusters or weights that are not whole numbers.
        data: frame behind a formula.
        reference: {column: level} of text columns.

    Returns:
        The model. Coefficients that cannot be estimated are NaN and named in `reasons`.

    Raises:
        UsageError: lengths differ, values are missing, or exact ties are asked for with weights.
    """
    n = len(times)
    matrix, labels_ = design(X, n, names, data, reference)
    weights = _weights(times, weights)
    if ties not in get_args(Ties):
        raise UsageError(
            Finding("E150", "error", "no such tie rule", found=str(ties), allowed=", ".join(get_args(Ties)))
        )
    if ties == "exact" and weights is not None:
        raise UsageError(
            Finding("E151", "error", "exact ties do not take weights", remedy='use ties="efron"')
        )
    stratum = None if strata is None else labels(strata, n, "strata")
    group = None if cluster is None else labels(cluster, n, "cluster")
    if weights is not None and (weights == 0).any():  # an event of weight 0 must not count among the tied
        entry = times.entry if times.delayed else None
        times = Times(
            times.exit,
            np.where(weights > 0, times.state, 0),
            entry,
            None,
            times.ids,
            times.unit,
            times.origin,
        )
    events = float((times.state > 0).sum())
    facts = {"n": n, "events": events, "level": level, "method": f"Cox, {ties} ties", "ties": ties}
    if not events:
        return _nothing(labels_, "no events", facts)
    shift = None if offset is None else np.asarray(offset, float)
    X_centred, centre, scale = centred(matrix)
    problem = build_problem(times, X_centred, ties, stratum, weights, shift)
    optimum = _fit(times, problem, ties, stratum, scale)
    if robust is None:
        robust = group is not None or (weights is not None and bool((weights != np.floor(weights)).any()))
    return _model(times, problem, optimum, labels_, facts, centre, stratum, group, robust)


def replace_weights(times: Times, weights: Any) -> Times:
    """`times` with other case weights (None: all 1)."""
    entry = times.entry if times.delayed else None
    return Times(times.exit, times.state, entry, weights, times.ids, times.unit, times.origin)


def _weights(times: Times, weights: Any) -> NDArray[Any] | None:
    if weights is None:
        return times.weights if times.weighted else None
    column = np.asarray(weights, float)
    if column.shape != (len(times),) or not np.isfinite(column).all() or (column < 0).any():
        message = "weights need one number of 0 or more per row"
        raise UsageError(Finding("E152", "error", message, found=f"shape {column.shape}"))
    return None if (column == 1).all() else column


def centred(X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Columns about their means where a mean is not small, the means subtracted, and the spreads."""
    if not X.size:
        return X, np.zeros(X.shape[1]), np.ones(X.shape[1])
    mean = np.full(len(X), 1 / len(X)) @ X  # half the time of X.mean(axis=0)
    squares = np.einsum("ij,ij->j", X, X) / len(X)
    spread = np.sqrt(np.maximum(squares - mean**2, 0))
    if not (np.abs(mean) > 3 * spread).any():  # a copy costs more than the digit it would save
        return X, np.zeros(len(mean)), np.where(spread > 0, spread, 1.0)
    mean = X.mean(axis=0)
    Z = X - mean
    spread = np.sqrt(np.einsum("ij,ij->j", Z, Z) / len(X))
    return Z, mean, np.where(spread > 0, spread, 1.0)


def build_problem(
    times: Times, X: NDArray[Any], ties: str, stratum: Labels | None, weights: Any, offset: Any
) -> Problem:
    """Risk sets and carriers for rows X (already centred)."""
    sets = cox_risk_sets(times, stratum)
    return Problem(X, sets, sets.carriers(ties == "efron"), weights, offset, ties == "efron")


def evaluator(problem: Problem, ties: str) -> Callable[[NDArray[Any]], Step]:
    """The objective under a tie rule."""
    if ties == "exact" and problem.sets.ties:
        return lambda beta: evaluate_exact(problem, beta)
    return lambda beta: evaluate(problem, beta)


def _fit(times: Times, problem: Problem, ties: str, stratum: Labels | None, scale: NDArray[Any]) -> Optimum:
    zero = np.zeros(problem.X.shape[1])
    objective = evaluator(problem, ties)
    first = objective(zero)
    if len(times) < WARM or ties == "exact":
        return maximise(lambda beta: first if not beta.any() else objective(beta), zero, scale, first)
    near = _near(times, problem, ties, stratum, scale, first)
    return maximise(objective, near, scale, first, polish=1e-13)


def _near(
    times: Times, problem: Problem, ties: str, stratum: Labels | None, scale: NDArray[Any], first: Step
) -> NDArray[Any]:
    """A starting value: the fit to every 16th row, brought near by steps that form no information.

    The information of those steps is that of the rows fitted, scaled, plus what it missed at zero.
    """
    zero = np.zeros(problem.X.shape[1])
    rows = slice(None, None, THIN)
    part = times.take(np.arange(len(times))[rows])
    if not (part.state > 0).any() or not independent(first.information).all():
        return zero
    sub = None if stratum is None else Labels(stratum.levels, stratum.codes[rows])
    thin = [None if column is None else column[rows] for column in (problem.weights, problem.offset)]
    small = build_problem(part, np.ascontiguousarray(problem.X[rows]), ties, sub, *thin)
    rough = maximise(evaluator(small, ties), zero, scale, polish=1e-2)
    if not rough.converged or not rough.kept.all() or rough.running.any():
        return zero
    information = first.information + THIN * (rough.last.information - rough.first.information)
    return approach(lambda beta: slope(problem, beta, information), rough.beta, information)


def _model(
    times: Times,
    problem: Problem,
    optimum: Optimum,
    names: tuple[str, ...],
    facts: dict[str, Any],
    centre: NDArray[Any],
    strata: Labels | None,
    cluster: Labels | None,
    robust: bool,
) -> CoxModel:
    reasons = reasons_of(optimum, names)
    lost = np.array([name in reasons for name in names], bool)
    robust_covariance = None
    if robust:
        influence = grouped(dfbeta(problem, optimum.beta, optimum.covariance), cluster)
        robust_covariance = influence.T @ influence
    covariance = np.where(lost[:, None] | lost[None, :], np.nan, optimum.covariance)
    used = optimum.covariance if robust_covariance is None else robust_covariance
    tests = three_tests(optimum, used, facts["n"])
    if robust:
        parts = grouped(score_residuals(problem, np.zeros(len(names)), weighted=True), cluster)
        tests["robust_score"] = robust_score_test(optimum, parts, facts["n"])
    return CoxModel(
        names=names,
        coef=np.where(lost, np.nan, optimum.beta),
        se=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        log_likelihood=(optimum.first.log_likelihood, optimum.last.log_likelihood),
        tests=tests,
        robust_se=None
        if robust_covariance is None
        else np.where(lost, np.nan, np.sqrt(np.diag(robust_covariance))),
        reasons=reasons,
        centre=centre,
        times=times,
        problem=problem,
        optimum=optimum,
        strata=strata,
        cluster=cluster,
        **facts,
    )


def _nothing(names: tuple[str, ...], reason: str, facts: dict[str, Any]) -> CoxModel:
    p = len(names)
    empty = np.full(p, np.nan)
    missing = {
        key: Test(math.nan, 0, math.nan, name, facts["n"], reason)
        for key, name in (
            ("likelihood_ratio", "likelihood ratio test"),
            ("wald", "Wald test"),
            ("score", "score test"),
        )
    }
    return CoxModel(
        names,
        empty,
        empty,
        np.full((p, p), np.nan),
        (math.nan, math.nan),
        missing,
        reasons=dict.fromkeys(names, reason),
        **facts,
    )
