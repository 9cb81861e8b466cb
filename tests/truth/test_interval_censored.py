"""Hazard ratios of interval-censored times against R's survreg, and against our own models where these apply."""

import numpy as np
import pytest

from sequela.core.errors import UsageError
from sequela.core.outcome import Times
from sequela.estimates.interval_censored import interval_weibull
from sequela.estimates.parametric import parametric


def intervals(seed=5, n=200):
    """Weibull times seen at visits three apart until a random last one; a fifth of the events exact."""
    rng = np.random.default_rng(seed)
    x, age = rng.integers(0, 2, n), rng.normal(0, 1, n)
    t = rng.weibull(1.4, n) * 20 * np.exp(-(0.5 * x + 0.2 * age) / 1.4)
    last = rng.uniform(5, 40, n)
    left, right = np.zeros(n), np.full(n, np.inf)
    for i in range(n):
        visits = np.arange(3.0, 36.0, 3.0)[np.arange(3.0, 36.0, 3.0) <= last[i]]
        before, after = visits[visits < t[i]], visits[visits >= t[i]]
        left[i] = before[-1] if len(before) else 0
        right[i] = after[0] if len(after) else np.inf
    exact = (rng.random(n) < 0.2) & np.isfinite(right)
    left[exact] = right[exact] = t[exact]
    return left, right, x, age


def test_equals_survreg():
    # R 4.2, survival: d$l[d$l == 0] <- NA
    # f <- survreg(Surv(l, r, type = "interval2") ~ x + age, dist = "weibull"); -coef(f)[2:3] / f$scale; f$loglik
    # standard errors by the delta method on (coefficients, log scale)
    left, right, x, age = intervals()
    model = interval_weibull(left, right, {"x": x, "age": age})
    assert model.coef == pytest.approx([0.512055254214, 0.111739907026], abs=1e-8)
    assert model.se == pytest.approx([0.1727195320958, 0.0865812535094], abs=1e-8)
    assert model.log_likelihood == pytest.approx((-383.205012607, -378.064261709), abs=1e-6)


def test_exact_and_censored_times_give_the_usual_weibull_model_with_entry():
    rng = np.random.default_rng(8)
    n = 300
    x, entry = rng.integers(0, 2, n), rng.uniform(0, 5, n) * rng.integers(0, 2, n)
    exits = entry + rng.weibull(1.3, n) * np.exp(-0.4 * x) * 15 + 0.1
    state = rng.random(n) < 0.7
    usual = parametric(Times(exits, state, entry), {"x": x})
    here = interval_weibull(exits, np.where(state, exits, np.inf), {"x": x}, entry)
    assert here.coef[0] == pytest.approx(-usual.coef[1] / usual.scale, abs=1e-8)
    assert here.log_likelihood == pytest.approx(usual.log_likelihood, abs=1e-7)


def test_the_unit_of_time_changes_nothing_and_swapping_arms_mirrors():
    left, right, x, _ = intervals(9, 120)
    one = interval_weibull(left, right, {"x": x}).hazard_ratios()[0]
    days = interval_weibull(left * 30.4375, right * 30.4375, {"x": x}).hazard_ratios()[0]
    other = interval_weibull(left, right, {"x": 1 - x}).hazard_ratios()[0]
    assert (days.value, days.p) == pytest.approx((one.value, one.p), rel=1e-7)
    assert other.value == pytest.approx(1 / one.value, rel=1e-7)


@pytest.mark.parametrize(
    ("left", "right", "entry"),
    [([1, 2], [0.5, 3], None), ([1, 2], [np.inf, np.inf], None), ([0, 1], [0, 2], None), ([-1, 1], [1, 2], None),
     ([1, 1], [2, 3], [2.5, 0]), ([1], [2, 3], None)],
)  # fmt: skip
def test_wrong_intervals_are_refused(left, right, entry):
    with pytest.raises(UsageError, match="E200"):
        interval_weibull(left, right, {"x": [0, 1]}, entry)


def test_a_ratio_that_does_not_exist_has_a_reason():
    ratio = interval_weibull([1, 2, 3, 4], [2, 3, np.inf, np.inf], {"x": [1, 1, 0, 0]}).hazard_ratios()[0]
    assert np.isnan(ratio.value) and ratio.reason
