"""Slow, obvious twins on random data."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from sequela.core.outcome import Times
from sequela.estimates.bands import bridge_probability, stay_probability
from sequela.estimates.comparisons import fisher, mann_whitney
from sequela.estimates.competing import aalen_johansen, cause_specific
from sequela.estimates.concordance import concordance
from sequela.estimates.cox import cox
from sequela.estimates.cox_samples import bootstrap_cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.exact import subset_moments
from sequela.estimates.finegray import fine_gray
from sequela.estimates.outofcore import cox_blocks
from sequela.estimates.parametric import parametric
from sequela.estimates.penalised import firth
from sequela.estimates.resampling import bootstrap_medians, draws
from sequela.estimates.risk import RiskTable, merge, risk_table
from sequela.estimates.splines import royston_parmar
from sequela.estimates.tests import log_rank
from sequela.estimates.tiesums import tie_sums
from sequela.estimates.turnbull import turnbull

SEEDS = range(12)


def trial(
    seed: int, n: int = 60, whole: bool = True, late: bool = True, causes: int = 1
) -> tuple[Times, np.ndarray]:
    rng = np.random.default_rng(seed)
    entry = np.where(rng.random(n) < 0.4, rng.integers(0, 6, n), 0) if late else None
    stay = rng.exponential(8, n)
    exit = (0 if entry is None else entry) + (np.floor(stay) + 1 if whole else stay)
    state = rng.integers(0, causes + 1, n)
    return Times(exit, state, entry), np.column_stack([rng.normal(size=n), rng.integers(0, 2, n)])


def at_risk(times: Times, t: float) -> np.ndarray:
    return ((times.entry < t) | (times.entry == 0)) & (times.exit >= t)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("whole", [True, False])
def test_kaplan_meier(seed: int, whole: bool) -> None:
    times, _ = trial(seed, whole=whole)
    survival, variance = 1.0, 0.0
    curve = kaplan_meier(times)
    for row, t in enumerate(np.unique(times.exit)):
        n, d = at_risk(times, t).sum(), ((times.exit == t) & (times.state > 0)).sum()
        survival *= 1 - d / n
        variance += d / (n * (n - d)) if n > d else 0
        assert curve.time[row] == t
        assert curve.at_risk[row] == n
        assert curve.survival[row] == pytest.approx(survival, abs=1e-14)
        if survival > 0:
            assert curve.se[row] == pytest.approx(survival * math.sqrt(variance))


def slow_log_rank(times: Times, group: np.ndarray, strata: np.ndarray) -> float:
    levels = np.unique(group)
    u, v = np.zeros(len(levels)), np.zeros((len(levels), len(levels)))
    for s in np.unique(strata):
        for t in np.unique(times.exit[(times.state > 0) & (strata == s)]):
            here = at_risk(times, t) & (strata == s)
            dead = (times.exit == t) & (times.state > 0) & (strata == s)
            n, d = here.sum(), dead.sum()
            share = np.array([(here & (group == g)).sum() / n for g in levels])
            u += [(dead & (group == g)).sum() for g in levels] - d * share
            if n > 1:
                v += d * (n - d) / (n - 1) * (np.diag(share) - np.outer(share, share))
    return float(u[:-1] @ np.linalg.solve(v[:-1, :-1], u[:-1]))


@pytest.mark.parametrize("seed", SEEDS)
def test_log_rank(seed: int) -> None:
    times, _ = trial(seed, 80)
    rng = np.random.default_rng(seed + 100)
    group, strata = rng.integers(0, 3, 80), rng.integers(0, 2, 80)
    assert log_rank(times, group, strata).statistic == pytest.approx(
        slow_log_rank(times, group, strata), rel=1e-10
    )


def slow_log_likelihood(times: Times, X: np.ndarray, beta: np.ndarray, ties: str) -> float:
    """Efron's, Breslow's or the exact partial likelihood, event time by event time."""
    value = 0.0
    for t in np.unique(times.exit[times.state > 0]):
        risk = np.exp(X[at_risk(times, t)] @ beta)
        dead = (times.exit == t) & (times.state > 0)
        d, own = int(dead.sum()), np.exp(X[dead] @ beta)
        value += (X[dead] @ beta).sum()
        if ties == "exact":
            value -= math.log(sum(math.prod(pick) for pick in combinations(risk, d)))
        else:
            value -= sum(
                math.log(risk.sum() - (k / d * own.sum() if ties == "efron" else 0)) for k in range(d)
            )
    return value


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", ["efron", "breslow", "exact"])
def test_cox_maximises_the_likelihood(seed: int, ties: str) -> None:
    times, X = trial(seed, 16 if ties == "exact" else 60)
    model = cox(times, X, ties=ties)
    slow = minimize(
        lambda b: -slow_log_likelihood(times, X, b, ties), np.zeros(2), method="BFGS", options={"gtol": 1e-9}
    )
    assert model.log_likelihood[1] == pytest.approx(-slow.fun, abs=1e-9)
    assert model.log_likelihood[0] == pytest.approx(
        slow_log_likelihood(times, X, np.zeros(2), ties), abs=1e-10
    )
    assert (np.abs(model.coef - slow.x) / model.se).max() < 1e-4


def test_subset_sums_against_all_subsets() -> None:
    rng = np.random.default_rng(5)
    eta, X = rng.normal(0, 2, 9), rng.normal(size=(9, 2))
    for d in range(1, 10):
        picks = list(combinations(range(9), d))
        weights = np.array([math.exp(eta[list(pick)].sum()) for pick in picks])
        sums = np.array([X[list(pick)].sum(axis=0) for pick in picks])
        share = weights / weights.sum()
        log_e, mean, spread = subset_moments(eta, X, d)
        assert log_e == pytest.approx(math.log(weights.sum()), abs=1e-11)
        assert mean == pytest.approx(share @ sums, abs=1e-10)
        assert spread == pytest.approx(
            (sums * share[:, None]).T @ sums - np.outer(share @ sums, share @ sums), abs=1e-9
        )


@pytest.mark.parametrize("seed", range(6))
def test_concordance_pair_by_pair(seed: int) -> None:
    times, X = trial(seed, 50)
    score = X[:, 0].round(1)
    good = total = 0.0
    for i, j in product(range(50), repeat=2):
        lasts = times.exit[j] > times.exit[i] or (times.exit[j] == times.exit[i] and times.state[j] == 0)
        if i != j and times.state[i] and lasts and (times.entry[j] < times.exit[i] or times.entry[j] == 0):
            total += 1
            good += 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0
    assert concordance(times, score).value == pytest.approx(good / total, abs=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_firth_maximises_the_penalised_likelihood(seed: int) -> None:
    times, X = trial(seed, 25)
    model = firth(times, X)

    def information(b: np.ndarray) -> np.ndarray:
        total = np.zeros((2, 2))
        for t in np.unique(times.exit[times.state > 0]):
            here, dead = at_risk(times, t), (times.exit == t) & (times.state > 0)
            for k in range(int(dead.sum())):
                w = np.where(here, np.exp(X @ b), 0) * np.where(dead, 1 - k / dead.sum(), 1)
                w = w / w.sum()
                total += (X * w[:, None]).T @ X - np.outer(w @ X, w @ X)
        return total

    def objective(b: np.ndarray) -> float:
        return -slow_log_likelihood(times, X, b, "efron") - 0.5 * np.linalg.slogdet(information(b))[1]

    slow = minimize(objective, np.zeros(2), method="BFGS", options={"gtol": 1e-8})
    assert model.coef == pytest.approx(slow.x, abs=1e-5)
    assert model.log_likelihood[1] == pytest.approx(-slow.fun, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_fine_gray_by_explicit_weights(seed: int) -> None:
    times, X = trial(seed, 50, late=False, causes=2)
    model = fine_gray(times, X)
    censoring = kaplan_meier(Times(times.exit, times.state == 0))

    def G(t: float) -> float:
        before = np.searchsorted(censoring.time, t, side="left")
        return 1.0 if before == 0 else float(censoring.survival[before - 1])

    def objective(b: np.ndarray) -> float:
        value = 0.0
        for i in np.flatnonzero(times.state == 1):
            t = times.exit[i]
            w = [
                1.0 if x >= t else (G(t) / G(x) if s == 2 else 0.0)
                for x, s in zip(times.exit, times.state, strict=True)
            ]
            value += X[i] @ b - math.log(np.array(w) @ np.exp(X @ b))
        return -value

    slow = minimize(objective, np.zeros(2), method="BFGS", options={"gtol": 1e-8})
    assert model.coef == pytest.approx(slow.x, abs=1e-5)


def test_no_other_cause_makes_fine_gray_a_cox_model() -> None:
    times, X = trial(3, 60, late=False)
    assert fine_gray(times, X).coef == pytest.approx(cox(times, X, ties="breslow").coef, abs=1e-9)
    assert cause_specific(times, X).coef == pytest.approx(cox(times, X).coef)


@pytest.mark.parametrize("seed", range(6))
def test_aalen_johansen_of_one_cause_is_kaplan_meier(seed: int) -> None:
    times, _ = trial(seed, late=False)  # then the jackknife is Greenwood's variance
    curve, incidence = kaplan_meier(times), aalen_johansen(times)[1]
    assert incidence.probability == pytest.approx(1 - curve.survival, abs=1e-13)
    inner = curve.survival > 0
    assert incidence.se[inner] == pytest.approx(curve.se[inner], abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.booleans())
def test_tables_of_parts_add_up_to_the_bit(seed: int, parts: int, shuffle: bool) -> None:
    rng = np.random.default_rng(seed)
    times, _ = trial(seed, 70, causes=2)
    group, strata = rng.integers(0, 3, 70), rng.choice(["north", "south"], 70)
    whole = risk_table(times, group, strata)
    owner = rng.integers(0, parts, 70)
    tables = [
        risk_table(times.take(owner == k), group[owner == k], strata[owner == k])
        for k in range(parts)
        if (owner == k).any()
    ]
    if shuffle:
        tables = [tables[i] for i in rng.permutation(len(tables))]
    same(whole, merge(tables))
    same(whole, sum(tables[1:], tables[0]))
    if len(np.unique(group)) > 1:
        assert log_rank(merge(tables)).statistic == log_rank(whole).statistic


def same(a: RiskTable, b: RiskTable) -> None:
    assert (a.groups, a.strata) == (b.groups, b.strata)
    for name in (
        "time",
        "group",
        "stratum",
        "leaving",
        "leaving_squared",
        "entered",
        "entered_squared",
        "exits",
    ):
        left, right = getattr(a, name), getattr(b, name)
        if left.ndim == 2 and left.shape != right.shape:  # a part may lack the last cause
            width = max(left.shape[1], right.shape[1])
            left, right = (np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x in (left, right))
        assert np.array_equal(left, right), name


@pytest.mark.parametrize("seed", range(6))
def test_order_labels_and_units_change_nothing(seed: int) -> None:
    times, X = trial(seed, 60)
    rng = np.random.default_rng(seed)
    order = rng.permutation(60)
    model, shuffled = cox(times, X), cox(times.take(order), X[order])
    assert shuffled.coef == pytest.approx(model.coef, abs=1e-10)
    weeks = Times(times.exit / 7, times.state, times.entry / 7)
    assert cox(weeks, X).coef == pytest.approx(model.coef, abs=1e-10)
    swapped = cox(times, np.column_stack([X[:, 0], 1 - X[:, 1]]))
    assert swapped.coef[1] == pytest.approx(-model.coef[1], abs=1e-10)
    curve = kaplan_meier(times)
    assert (np.diff(curve.survival) <= 0).all() and (curve.survival >= 0).all()
    assert curve.events.sum() + curve.censored.sum() == 60


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_blocks_are_the_whole(ties: str) -> None:
    times, X = trial(8, 300)
    order = np.random.default_rng(1).permutation(300)

    def blocks():
        for low in range(0, 300, 70):
            rows = order[low : low + 70]
            yield times.take(rows), X[rows]

    whole, parts = cox(times, X, ties=ties), cox_blocks(blocks, ("a", "b"), ties=ties)
    assert parts.coef == pytest.approx(whole.coef, abs=1e-12)
    assert parts.covariance == pytest.approx(whole.covariance, rel=1e-10)


def test_a_warm_start_changes_nothing() -> None:
    times, X = trial(2, 50_000)
    strata = np.arange(50_000) % 3
    model = cox(times, X, strata=strata)

    def blocks():
        yield times, X

    plain = cox(times, X)
    assert plain.coef == pytest.approx(cox_blocks(blocks, ("a", "b")).coef, abs=1e-11)
    assert model.reasons == {}


def test_start_stop_rows_are_their_subjects() -> None:
    times, X = trial(4, 60, late=False)
    cut = np.floor(times.exit / 2)
    split = cut > 0
    early = Times(np.where(split, cut, times.exit), np.where(split, 0, times.state))
    rest = Times(times.exit[split], times.state[split], cut[split])
    both = Times(np.r_[early.exit, rest.exit], np.r_[early.state, rest.state], np.r_[early.entry, rest.entry])
    model, rows = cox(times, X), cox(both, np.vstack([X, X[split]]))
    assert rows.coef == pytest.approx(model.coef, abs=1e-10)
    assert kaplan_meier(both).at(5).value == pytest.approx(kaplan_meier(times).at(5).value)


def test_a_weibull_spline_is_the_weibull_model() -> None:
    times, X = trial(6, 200, whole=False)
    spline, weibull = royston_parmar(times, X, df=1), parametric(times, X)
    assert spline.coef == pytest.approx(-weibull.coef[1:] / weibull.scale, abs=1e-7)
    assert spline.log_likelihood == pytest.approx(weibull.log_likelihood, abs=1e-8)
    assert parametric(times, X, "gengamma").log_likelihood[1] >= weibull.log_likelihood[1]


def test_turnbull_of_exact_times_is_kaplan_meier() -> None:
    times, _ = trial(7, 60, late=False)
    found = turnbull(times.exit, np.where(times.state > 0, times.exit, np.inf))
    curve = kaplan_meier(times)
    assert found.gap < 1e-10
    for t, survival in zip(curve.time, curve.survival, strict=True):
        assert found.mass[found.right > t].sum() == pytest.approx(survival, abs=1e-8)


def test_bootstrap_medians_are_medians_of_samples() -> None:
    times, _ = trial(9, 40)
    found = bootstrap_medians(times, np.random.default_rng(11), 20, block=20)
    rows = np.random.default_rng(11).integers(0, 40, (20, 40))
    slow = [kaplan_meier(times.take(sample)).median().value for sample in rows]
    assert found == pytest.approx(slow, nan_ok=True)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("late", [False, True])
def test_bootstrap_cox_is_a_model_of_each_sample(ties: str, late: bool) -> None:
    times, X = trial(9, 80, late=late)
    found = bootstrap_cox(times, X, np.random.default_rng(11), 30, ties)
    samples = draws(80, np.random.default_rng(11), 30)
    slow = [cox(times.take(rows), X[rows], ties=ties).coef for rows in samples]
    assert found == pytest.approx(np.array(slow), abs=1e-9)


def test_bootstrap_cox_names_no_number_where_a_sample_has_none() -> None:
    """A column that varies in few subjects is constant or separates in many samples."""
    times = Times(np.arange(1.0, 21), np.arange(20) % 2)
    X = np.column_stack([np.arange(20) < 2, np.random.default_rng(1).normal(size=20)]).astype(float)
    found = bootstrap_cox(times, X, np.random.default_rng(3), 40)
    slow = [cox(times.take(rows), X[rows]).coef for rows in draws(20, np.random.default_rng(3), 40)]
    assert np.isnan(found).any() and not np.isnan(found).all()
    assert found == pytest.approx(np.array(slow), abs=1e-8, nan_ok=True)


def test_band_probabilities_by_simulation() -> None:
    rng = np.random.default_rng(13)
    steps, paths = 2000, 4000
    walk = np.cumsum(rng.normal(size=(paths, steps)), axis=1) / math.sqrt(steps)
    share = np.arange(1, steps + 1) / steps
    bridge = np.abs(walk - share * walk[:, -1:])
    inside = (bridge[:, : steps // 2].max(axis=1) <= 1.2).mean()
    assert bridge_probability(1.2, 0.5) == pytest.approx(inside, abs=0.02)
    rows = slice(steps // 10, steps * 8 // 10)
    scaled = (bridge[:, rows] / np.sqrt(share * (1 - share))[rows]).max(axis=1)
    stretch = 0.5 * math.log(0.8 * 0.9 / (0.1 * 0.2))
    assert stay_probability(2.8, stretch) == pytest.approx((scaled <= 2.8).mean(), abs=0.02)


def all_tables(rows: tuple[int, ...], columns: tuple[int, ...]):
    if len(rows) == 1:
        yield [columns]
        return
    for first in product(*(range(min(rows[0], c) + 1) for c in columns)):
        if sum(first) == rows[0]:
            left = tuple(c - f for c, f in zip(columns, first, strict=True))
            for rest in all_tables(rows[1:], left):
                yield [first, *rest]


@pytest.mark.parametrize("seed", range(6))
def test_fisher_enumerates_all_tables(seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 4, (3, 3)) + np.eye(3, dtype=int)

    def chance(cells: np.ndarray) -> float:
        return 1 / math.prod(math.factorial(int(x)) for x in np.ravel(cells))

    every = np.array(
        [chance(np.array(cells)) for cells in all_tables(tuple(table.sum(1)), tuple(table.sum(0)))]
    )
    slow = every[every <= chance(table) * (1 + 1e-7)].sum() / every.sum()
    assert fisher(table).p == pytest.approx(slow, rel=1e-9)
    assert fisher(table, draws=2000, rng=np.random.default_rng(1)).p == pytest.approx(slow, abs=0.05)


def test_mann_whitney_over_all_orders() -> None:
    x, y = [1.0, 4.0, 5.5], [2.0, 3.0, 7.0, 8.0]
    pooled = np.array(x + y)
    u = mann_whitney(x, y).statistic
    sums = [sum(np.argsort(np.argsort(pooled))[list(pick)] + 1) - 6 for pick in combinations(range(7), 3)]
    tail = np.mean([s <= min(u, 12 - u) for s in sums])
    assert mann_whitney(x, y).p == pytest.approx(min(1, 2 * tail))


def test_tie_sums_by_series_are_those_written_out() -> None:
    deaths = np.concatenate([np.arange(1, 200), [5000]])
    share = np.random.default_rng(4).uniform(0, 0.2, len(deaths))
    found = tie_sums(deaths, share)
    for j, (d, r) in enumerate(zip(deaths, share, strict=True)):
        f = np.arange(d) / d
        den = 1 - f * r
        expected = [(f**a / den**b).sum() for a, b in ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2))]
        got = [getattr(found, name)[j] for name in ("s01", "s11", "s02", "s12", "s22", "log")]
        np.testing.assert_allclose(got, [*expected, np.log(den).sum()], rtol=1e-13, atol=1e-15)
