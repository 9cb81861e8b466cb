"""Comparison of experiments against R's t.test, anova and nlme (recorded), by hand, and by counting."""

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from sequela.core.errors import UsageError
from sequela.core.readings import Readings
from sequela.estimates.experiments import against_reference, anova
from sequela.estimates.mixed import _gradients, _information, random_intercept

R = json.loads((Path(__file__).parent / "experiments_reference.json").read_text("utf-8"))
VALUE = [1.00, 1.12, 0.87, 1.31, 0.95, 1.42, 1.50, 1.20, 1.95, 1.28, 1.10, 1.02, 0.99, 1.40]
READINGS = Readings(VALUE, [*"AAAAABBBBBCCCC"], [*"12345123451235"])


@pytest.mark.parametrize("test", ["student", "welch", "paired"])
@pytest.mark.parametrize("place", [0, 1])
def test_t_tests_equal_r(test, place):
    found = against_reference(READINGS, test=test)[place]
    t, df, p, low, high = R[f"{test}_{found.condition}"]
    effect = found.effect
    assert found.df == pytest.approx(df, rel=1e-10)
    assert effect.p == pytest.approx(p, rel=1e-9)
    assert (effect.lower, effect.upper) == pytest.approx((math.exp(low), math.exp(high)), rel=1e-9)
    assert math.log(effect.value) / (effect.se / effect.value) == pytest.approx(t, rel=1e-9)


def test_anova_equals_r():
    f, df1, df2, p = R["anova"]
    found = anova(READINGS)
    assert (found.statistic, found.df, found.p) == pytest.approx((f, df1, p), rel=1e-9)
    assert f"{df2:g} residual df" in found.method
    assert "not every condition" in anova(READINGS, blocked=True).reason
    f, df1, df2, p = R["blocked"]
    found = anova(READINGS.take(READINGS.condition != "C"), blocked=True)
    assert (found.statistic, found.df, found.p) == pytest.approx((f, df1, p), rel=1e-9)


def test_the_random_experiment_equals_nlme():
    fits = random_intercept(np.log(VALUE), np.repeat([0, 1, 2], [5, 5, 4]), np.array([*"12345123451235"]))
    assert [fit.value for fit in fits] == pytest.approx(R["mixed_coef"], rel=1e-6)
    assert [fit.se for fit in fits] == pytest.approx(R["mixed_se"], rel=1e-5)
    assert [math.sqrt(fits[0].between), math.sqrt(fits[0].within)] == pytest.approx(R["mixed_sd"], rel=1e-5)
    assert all(4 < fit.df < 10 for fit in fits)  # between the blocks and the residuals


def test_of_a_balanced_design_the_random_experiment_is_the_blocked_analysis():
    """Known: contrasts have (k - 1)(n - 1) degrees of freedom, and of two conditions the test is the paired t."""
    rng = np.random.default_rng(7)
    y = rng.normal(0, 1, 6)[None] + rng.normal(0, 0.3, (3, 6)) + np.array([[0.0], [0.5], [0.1]])
    groups, repeats = np.repeat([0, 1, 2], 6), np.tile(np.arange(6), 3)
    fits = random_intercept(y.ravel(), groups, repeats)
    assert [fit.df for fit in fits] == pytest.approx([10.0, 10.0], rel=1e-6)
    two = Readings(np.exp(y[:2].ravel()), groups[:12], repeats[:12])
    mixed, paired = (against_reference(two, test=name)[0] for name in ("mixed", "paired"))
    assert mixed.effect.p == pytest.approx(paired.effect.p, rel=1e-5)
    assert mixed.df == pytest.approx(5, rel=1e-6)


def test_the_gradient_behind_satterthwaite_is_the_derivative_of_the_covariance():
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(9), np.tile([0, 1, 0], 3), np.tile([0, 0, 1], 3)])[:8]
    z = (np.repeat([0, 1, 2], 3)[:8, None] == np.arange(3)).astype(float)
    between, within = rng.uniform(0.5, 1, 2)
    covariance, information = _information(between, within, x, z)
    step = 1e-6
    for place, piece in enumerate(_gradients(between, within, x, z, covariance)):
        more = [between, within]
        more[place] += step
        moved, _ = _information(*more, x, z)
        assert piece == pytest.approx((moved - covariance) / step, rel=1e-4, abs=1e-7)
    assert np.linalg.eigvalsh(information).min() > 0


def test_no_scatter_between_experiments_is_least_squares():
    y = np.array([0.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0, 3.0])
    fits = random_intercept(y, np.repeat([0, 1], 4), np.tile([0, 0, 1, 1], 2))
    assert fits[0].between == 0
    assert (fits[0].value, fits[0].df) == (2.0, 6.0)
    assert fits[0].se == pytest.approx(math.sqrt(2 / 3 / 2 * 0.5))


def test_permutations_are_counted():
    """Signs: of 2^5 assignments 2 are as extreme when all differences agree. Labels: counted one by one."""
    found = against_reference(READINGS, test="permutation")
    assert found[0].effect.p == found[0].least_p == 2 / 32
    pool = np.log(VALUE)[[*range(5), *range(10, 14)]]
    observed = abs(pool[5:].mean() - pool[:5].mean())
    gaps = [
        abs(np.delete(pool, list(chosen)).mean() - pool[list(chosen)].mean())
        for chosen in combinations(range(9), 5)
    ]
    assert found[1].effect.p == pytest.approx(np.mean([gap >= observed * (1 - 1e-12) for gap in gaps]))
    assert found[1].least_p == 1 / 126


def test_wells_do_not_change_n():
    """Thrice the wells with the same experiment means: the same test to the last digit."""
    wide = Readings(np.repeat(VALUE, 3), np.repeat(READINGS.condition, 3), np.repeat(READINGS.experiment, 3))
    for one, other in zip(against_reference(READINGS), against_reference(wide), strict=True):
        assert other.effect.p == pytest.approx(one.effect.p, rel=1e-12)
        assert other.n == one.n
        assert other.readings[0] == 3 * one.readings[0]


def test_holm_over_the_comparisons():
    found = against_reference(READINGS, test="welch")
    raw = [one.effect.p for one in found]
    assert [one.adjusted for one in found] == pytest.approx([min(1, 2 * raw[0]), max(2 * raw[0], raw[1])])


def test_shuffled_and_swapped():
    order = np.random.default_rng(3).permutation(len(VALUE))
    shuffled = {one.condition: one.effect.p for one in against_reference(READINGS.take(order), "A")}
    assert shuffled == pytest.approx({one.condition: one.effect.p for one in against_reference(READINGS)})
    back = {one.condition: one for one in against_reference(READINGS, "B")}["A"]
    assert back.effect.value == pytest.approx(1 / against_reference(READINGS)[0].effect.value)
    assert back.effect.p == pytest.approx(against_reference(READINGS)[0].effect.p)


@pytest.mark.parametrize(
    ("value", "experiment", "test", "reason"),
    [
        ([1, 2, 3, 4], None, "paired", "not named"),
        ([1, 2, 3, 4], [*"1212"], "paired", "3 shared experiments"),
        ([1, 2, 3, -4], [*"1212"], "paired", "0 or less"),
        ([1, 1, 1, 2, 3, 4], [*"123123"], "student", "set to one value"),
        ([1, 2, 4, 2, 4, 8], [*"123123"], "paired", "do not scatter"),
    ],
)
def test_no_p_has_a_reason(value, experiment, test, reason):
    half = len(value) // 2
    (found,) = against_reference(Readings(value, ["a"] * half + ["b"] * half, experiment), test=test)
    assert math.isnan(found.effect.p)
    assert reason in found.effect.reason


@pytest.mark.parametrize("wrong", [{"reference": "Z"}, {"test": "anova"}, {"scale": "cube"}])
def test_names_that_do_not_exist(wrong):
    with pytest.raises(UsageError, match="E216"):
        against_reference(READINGS, **wrong)
