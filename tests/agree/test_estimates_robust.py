"""Robust variances against their definition: the change of a result when a row's weight changes, squared and summed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from sequela.core.errors import UsageError
from sequela.core.outcome import Times
from sequela.estimates.adjusted import adjusted_difference
from sequela.estimates.bands import conditional
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.finegray import fine_gray
from sequela.estimates.gray import gray
from sequela.estimates.groupwise import rmst_difference, trend_test
from sequela.estimates.tests import log_rank

N = 60


def sample(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 8, N) * rng.integers(0, 2, N)
    exit = entry + rng.integers(1, 25, N)
    return entry, exit, rng.random(N) < 0.6, rng.uniform(0.5, 2, N), rng.integers(0, 15, N), np.arange(N) % 3


def derivatives(statistic: Callable[[np.ndarray], float], weights: np.ndarray) -> np.ndarray:
    """Central differences in each weight, times the weight: the infinitesimal jackknife values."""
    found = np.empty(len(weights))
    for i, w in enumerate(weights):
        up, down = weights.copy(), weights.copy()
        up[i], down[i] = w * (1 + 1e-5), w * (1 - 1e-5)
        found[i] = (statistic(up) - statistic(down)) / 2e-5
    return found


def robust_variance(values: np.ndarray, cluster: np.ndarray | None) -> float:
    return float(((values if cluster is None else np.bincount(cluster, values)) ** 2).sum())


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("clustered", [False, True])
def test_curve_and_its_mean(seed: int, clustered: bool) -> None:
    entry, exit, event, w, cluster, _ = sample(seed)
    units = cluster if clustered else None
    curve = kaplan_meier(Times(exit, event, entry, w), robust=True, cluster=units)
    each = derivatives(lambda v: kaplan_meier(Times(exit, event, entry, v), robust=False).at(15).value, w)
    assert curve.at(15).se ** 2 == pytest.approx(robust_variance(each, units), rel=1e-6)
    each = derivatives(lambda v: kaplan_meier(Times(exit, event, entry, v), robust=False).rmst(17).value, w)
    assert curve.rmst(17).se ** 2 == pytest.approx(robust_variance(each, units), rel=1e-6)


def test_a_cluster_in_both_groups_counts_once() -> None:
    entry, exit, event, w, cluster, group = sample(3)
    found = rmst_difference(Times(exit, event, entry, w), group > 0, 16, cluster=cluster)["difference"]

    def difference(v: np.ndarray) -> float:
        return rmst_difference(Times(exit, event, entry, v), group > 0, 16, robust=False)["difference"].value

    assert found.se**2 == pytest.approx(robust_variance(derivatives(difference, w), cluster), rel=1e-6)


@pytest.mark.parametrize("seed", [4, 5])
def test_log_rank_is_the_robust_score_test_of_cox(seed: int) -> None:
    entry, exit, event, w, cluster, group = sample(seed)
    times, strata = Times(exit, event, entry, w), np.arange(N) // 20
    for units in (None, cluster):
        model = cox(times, np.column_stack([group == 1, group == 2]) * 1.0, ties="breslow", strata=strata,
                    cluster=units, robust=True)  # fmt: skip
        found = log_rank(times, group, strata=strata, cluster=units)
        assert found.statistic == pytest.approx(model.tests["robust_score"].statistic, rel=1e-10)
        assert "robust variance" in found.method and found.df == 2
    linear = cox(times, group.astype(float), ties="breslow", cluster=cluster)
    assert trend_test(times, group, cluster=cluster).statistic == pytest.approx(
        linear.tests["robust_score"].statistic, rel=1e-10
    )


def test_weights_over_time_and_unit_weights() -> None:
    entry, exit, event, _, _, group = sample(6)
    times = Times(exit, event, entry)
    plain = log_rank(times, group, gamma=1)
    robust = log_rank(times, group, gamma=1, cluster=np.arange(N))
    assert robust.observed == pytest.approx(plain.observed) and robust.expected == pytest.approx(
        plain.expected
    )
    assert robust.statistic == pytest.approx(plain.statistic, rel=0.35)  # two estimates of one variance


def test_area_under_an_adjusted_curve_by_the_delta_method() -> None:
    """The variance of a predicted mean, against simulated coefficients and hazard steps of the same model."""
    rng = np.random.default_rng(7)
    x = np.column_stack([rng.integers(0, 2, 200), rng.normal(size=200)]).astype(float)
    exit = np.ceil(rng.exponential(20 / np.exp(x @ [-0.6, 0.4]))) + 1
    times = Times(np.minimum(exit, 40), exit <= 40)
    model = cox(times, x)
    none, all_ = x.copy(), x.copy()
    none[:, 0], all_[:, 0] = 0, 1
    found = adjusted_difference(model, none, all_, 30, at=20)
    curve = model.average(all_)
    # integrating the variance function of S by brute force: area = sum of widths x S, over pairs of times
    rows = np.flatnonzero(curve.time < 30)
    width = np.diff(np.append(curve.time[rows], 30))
    total = 0.0
    for i, wi in zip(rows, width, strict=True):
        for j, wj in zip(rows, width, strict=True):
            noise = curve.slope[i] * curve.slope[j] * curve.noise[min(i, j)]
            total += wi * wj * (noise + curve.gradient[i] @ curve.covariance @ curve.gradient[j])
    assert found["treated"].se ** 2 == pytest.approx(total, rel=1e-9)
    assert found["difference"].value == pytest.approx(found["treated"].value - found["control"].value)
    assert found["difference"].se < math.hypot(found["treated"].se, found["control"].se)
    assert found["survival"].value == pytest.approx(curve.at(20).value - model.average(none).at(20).value)


def test_two_rows_alike_have_no_adjusted_difference() -> None:
    entry, exit, event, _, _, group = sample(8)
    model = cox(Times(exit, event, entry), group.astype(float))
    same = np.ones((4, 1))
    found = adjusted_difference(model, same, same, 15)
    assert found["difference"].value == 0 and found["difference"].se == pytest.approx(0, abs=1e-7)
    assert found["control"].se == pytest.approx(model.predict([1.0]).rmst(15).se)


def test_what_robust_curves_cannot_do_is_refused() -> None:
    entry, exit, event, w, _, _ = sample(9)
    with pytest.raises(UsageError):
        conditional(kaplan_meier(Times(exit, event, entry, w)), 5)


def expanded(times: Times, cause: int) -> tuple[Times, np.ndarray, np.ndarray]:
    """Start-stop rows of the subdistribution with their weights, one per event time, and whose they are.

    G and H pair by pair: a subject is exposed to censoring at t when entry < t <= exit and it has no event at
    t; it counts for entering at u when entry <= u < exit.
    """
    entry, exit, state = times.entry, times.exit, times.state

    def staying(t: float) -> float:
        value = 1.0
        for c in np.unique(exit[state == 0]):
            if c < t:
                exposed = ((entry < c) & (exit >= c) & ~((exit == c) & (state > 0))).sum()
                value *= 1 - ((exit == c) & (state == 0)).sum() / exposed
        for u in np.unique(entry):
            if u >= t:
                inside = ((entry <= u) & (exit > u)).sum()
                value *= 1 - (entry == u).sum() / inside
        return value

    at = np.unique(exit[state == cause])
    rows = []
    for i in range(len(times)):
        rows.append((entry[i], exit[i], state[i] == cause, times.weights[i], i))
        if state[i] not in (0, cause):
            for low, high in zip(np.r_[exit[i], at[at > exit[i]][:-1]], at[at > exit[i]], strict=True):
                share = staying(high) / staying(exit[i])
                rows.append((low, high, False, times.weights[i] * share, i))
    low, high, event, w, who = (np.array(column) for column in zip(*rows, strict=True))
    return Times(high, event, low, w), w, who


@pytest.mark.parametrize("seed", [10, 11])
def test_fine_gray_with_entry_and_weights_is_a_weighted_cox_model(seed: int) -> None:
    entry, exit, event, w, cluster, group = sample(seed)
    entry[:3], exit[:3] = 0, 40  # the risk set never empties
    rng = np.random.default_rng(seed)
    state = np.where(event, rng.integers(1, 3, N), 0)
    x = rng.normal(size=N)
    times = Times(exit, state, entry, w)
    rows, _, who = expanded(times, 1)
    for units, clustered in ((who, None), (cluster[who], cluster)):
        slow = cox(rows, x[who], ties="breslow", cluster=units)
        fast = fine_gray(times, x, cluster=clustered)
        assert fast.coef == pytest.approx(slow.coef, rel=1e-9)
        assert fast.robust_se == pytest.approx(slow.robust_se, rel=1e-9)
        dummies = np.column_stack([group == 1, group == 2]) * 1.0
        slow = cox(rows, dummies[who], ties="breslow", cluster=units).tests["robust_score"]
        assert gray(times, group, cluster=clustered).statistic == pytest.approx(slow.statistic, rel=1e-9)
