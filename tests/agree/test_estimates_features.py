"""Newer results against a slow twin, a derivative, or printed numbers (those of R are in tests/truth)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from sequela.core.outcome import Times
from sequela.estimates.comparisons import binomial_interval
from sequela.estimates.likelihood import evaluate
from sequela.estimates.parametric import Distribution, parametric
from sequela.estimates.penalised import firth
from sequela.estimates.splines import royston_parmar
from sequela.estimates.states import Occupation, occupation
from sequela.estimates.turnbull import turnbull


def chains(seed: int, n: int = 25) -> dict[str, list]:
    """Patients who go through states 1, 2, 3 and may die or be lost; a quarter starts in 2, some enter late."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list] = {"entry": [], "exit": [], "source": [], "target": [], "ids": []}
    following = {"1": ["2", "dead"], "2": ["3", "dead"], "3": ["dead", "1"]}
    for i in range(n):
        t, state = float(rng.integers(0, 3) * (i % 5 == 0)), "1" if i % 4 else "2"
        lost = t + rng.integers(8, 30)
        while state != "dead":
            leaves = min(t + float(rng.integers(1, 12)), lost)
            target = None if leaves == lost else following[state][int(rng.random() < 0.4)]
            for name, value in zip(rows, (t, leaves, state, target, i), strict=True):
                rows[name].append(value)
            if target is None:
                break
            t, state = leaves, target
    return rows


@pytest.mark.parametrize("seed", [1, 2])
def test_occupation_errors_are_sums_of_squared_derivatives(seed: int) -> None:
    rows = chains(seed)
    ids = np.array(rows["ids"])
    plain = occupation(**rows)
    tau = float(plain.time[-3]) + 0.5

    def numbers(weights: np.ndarray) -> np.ndarray:
        found = occupation(**rows, weights=weights[ids])
        return np.array(
            [found.at(tau)[s].value for s in plain.states]
            + [found.mean_time(s, tau).value for s in plain.states]
        )

    total = np.zeros(2 * len(plain.states))
    for i in range(ids.max() + 1):
        up, down = np.ones(ids.max() + 1), np.ones(ids.max() + 1)
        up[i], down[i] = 1 + 1e-5, 1 - 1e-5
        total += ((numbers(up) - numbers(down)) / 2e-5) ** 2
    errors = [plain.at(tau)[s].se for s in plain.states] + [plain.mean_time(s, tau).se for s in plain.states]
    assert np.square(errors) == pytest.approx(total, rel=1e-6, abs=1e-12)


def test_aalens_variance_of_times_in_states_by_brute_force() -> None:
    """Area = sum of widths x p, its variance from all pairs of times: cov(p(s), p(t)) = cov(p(s)) P(s, t)."""
    rows = chains(3)
    found = occupation(**rows, variance="aalen")
    jackknife = occupation(**rows)
    state, tau = found.states.index("2"), float(found.time[-1])
    assert found.mean_time("2", tau).value == pytest.approx(jackknife.mean_time("2", tau).value)
    assert found.mean_time("2", tau).se == pytest.approx(found.area_se[-1, state])
    assert found.mean_time("2", tau).se == pytest.approx(jackknife.mean_time("2", tau).se, rel=0.5)
    total = sum(found.mean_time(s, tau).value for s in found.states)
    assert total == pytest.approx(tau - found.time[0])  # everybody is somewhere


def test_two_states_are_kaplan_meier_and_its_mean() -> None:
    from sequela.estimates.curves import kaplan_meier

    rng = np.random.default_rng(4)
    exit, event = np.sort(rng.integers(1, 30, 50)).astype(float), rng.random(50) < 0.6
    event[-1] = True
    curve = kaplan_meier(Times(exit, event))
    target = ["dead" if e else None for e in event]
    tau = 20.0
    for variance, robust in (("aalen", False), ("jackknife", True)):
        found: Occupation = occupation(np.zeros(50), exit, ["alive"] * 50, target, variance=variance)  # type: ignore[arg-type]
        same = kaplan_meier(Times(exit, event), robust=robust)
        assert found.at(15)["alive"].value == pytest.approx(curve.at(15).value)
        if robust:
            assert found.at(15)["alive"].se == pytest.approx(same.at(15).se)
            assert found.mean_time("alive", tau).se == pytest.approx(same.rmst(tau).se)
        assert found.mean_time("alive", tau).value == pytest.approx(same.rmst(tau).value)
        assert found.mean_time("alive", tau).se == pytest.approx(same.rmst(tau).se, rel=0.05)


def test_without_losses_occupation_is_a_share() -> None:
    found = occupation(
        [0, 0, 0, 0, 0, 4, 4, 7], [4, 6, 4, 9, 8, 7, 10, 12], ["1"] * 5 + ["2", "2", "3"],
        ["2", "dead", "2", None, "dead", "3", "dead", None], ids=[0, 1, 2, 3, 4, 0, 2, 0],
    )  # fmt: skip
    at = found.at(8)
    assert [at[s].value for s in ("1", "2", "3", "dead")] == pytest.approx([0.2, 0.2, 0.2, 0.4])
    assert [at[s].se for s in ("1", "2", "3", "dead")] == pytest.approx(
        [math.sqrt(0.2 * 0.8 / 5)] * 3 + [math.sqrt(0.4 * 0.6 / 5)]
    )


def penalised(problem, beta: np.ndarray) -> float:
    here = evaluate(problem, beta)
    return here.log_likelihood + 0.5 * float(np.linalg.slogdet(here.information)[1])


def test_firths_limits_lie_where_the_profile_has_fallen() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.integers(0, 2, 40), rng.normal(size=40)]).astype(float)
    times = Times(np.ceil(rng.exponential(10, 40)), (rng.random(40) < 0.6) & (x[:, 0] == 0))  # separated
    model = firth(times, x)
    assert model.problem is not None and "profile" in model.method

    def held(j: int, value: float) -> float:
        def loss(other: np.ndarray) -> float:
            return -penalised(model.problem, np.insert(other, j, value))

        return -minimize(
            loss, [model.coef[1 - j]], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11}
        ).fun

    top = penalised(model.problem, model.coef)
    for j, ratio in enumerate(model.hazard_ratios()):
        for limit in (ratio.lower, ratio.upper):
            assert 2 * (top - held(j, math.log(limit))) == pytest.approx(1.959963984540054**2, abs=1e-5)
        statistic = 2 * (top - held(j, 0.0))
        assert ratio.p == pytest.approx(math.erfc(math.sqrt(statistic / 2)), abs=1e-6)
    wald = firth(times, x, limits="wald")
    assert wald.coef == pytest.approx(model.coef) and wald.hazard_ratios()[0].upper > 0


LAWS: tuple[Distribution, ...] = ("exponential", "weibull", "lognormal", "loglogistic", "gengamma")


@pytest.mark.parametrize("law", [*LAWS, "spline"])
def test_smooth_models_hang_together(law: str) -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=300)
    entry = rng.integers(0, 3, 300) * 1.0
    exit = entry + np.ceil(rng.weibull(1.4, 300) * 15 * np.exp(-0.4 * x))
    times = Times(np.minimum(exit, 30), exit <= 30, entry)
    model = royston_parmar(times, {"x": x}, df=3) if law == "spline" else parametric(times, {"x": x}, law)  # type: ignore[arg-type]
    row = {"x": 0.5}
    t = model.median(row).value
    assert model.at(t, row).value == pytest.approx(0.5, abs=1e-9)
    assert model.survival([t], [0.5])[0] == pytest.approx(0.5, abs=1e-9)
    ends = [math.log(model.survival([t * (1 + h)], [0.5])[0]) for h in (-1e-5, 1e-5)]
    assert model.hazard(t, row).value == pytest.approx((ends[0] - ends[1]) / (2e-5 * t), rel=1e-5)
    for found in (model.at(t, row), model.hazard(t, row), model.median(row)):
        assert found.lower < found.value < found.upper and found.reason is None
    # the limits of survival cross one half about where those of the median lie
    assert model.at(model.median(row).upper, row).upper == pytest.approx(0.5, abs=0.03)
    assert "beyond" in (model.at(40, row).reason or "")
    assert model.aic < model.bic


def test_turnbulls_limits_cover_and_repeat() -> None:
    rng = np.random.default_rng(7)
    time, visit = rng.exponential(10, 120), 3.0
    left = np.floor(time / visit) * visit
    right = np.where(left < 15, left + visit, np.inf)
    left = np.minimum(left, 15)
    found = [turnbull(left, right, rng=np.random.default_rng(8), samples=60) for _ in range(2)]
    assert found[0].at(6).lower == found[1].at(6).lower
    at = found[0].at(6)  # on a common grid the estimate is a share
    assert at.value == pytest.approx((right > 6).mean())
    half = 1.96 * math.sqrt(at.value * (1 - at.value) / 120)
    assert at.lower == pytest.approx(at.value - half, abs=0.05) and at.upper == pytest.approx(
        at.value + half, abs=0.05
    )
    assert found[0].median().lower <= found[0].median().value <= found[0].median().upper
    assert math.isnan(turnbull(left, right).at(6).lower)


def test_binomial_intervals_of_the_literature() -> None:
    # 81 of 263 (Newcombe, Stat Med 1998, table I): Wilson 0.2553 to 0.3662, exact 0.2527 to 0.3676
    wilson, exact = binomial_interval(81, 263, method="wilson"), binomial_interval(81, 263)
    assert (wilson.lower, wilson.upper) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (exact.lower, exact.upper) == pytest.approx((0.2527, 0.3676), abs=1e-4)
    coull = binomial_interval(81, 263, method="agresti-coull")
    assert (
        coull.lower < wilson.lower and coull.upper > wilson.upper
    )  # Wilson's, widened about the same middle
    assert coull.lower + coull.upper == pytest.approx(wilson.lower + wilson.upper)
    assert binomial_interval(0, 20, method="jeffreys").lower == 0
