"""Corrections against slow obvious twins, and properties that must hold on any data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sequela.core.outcome import Times
from sequela.estimates.chains import Chain, covariate
from sequela.estimates.cox import cox
from sequela.estimates.imputation import gelman_rubin, impute
from sequela.estimates.sensitivity import tipping_missing, tipping_point
from sequela.estimates.standardisation import standardise
from sequela.estimates.weighted import weighted
from sequela.estimates.weights import propensity, weigh


def trial(seed: int, n: int = 250, effect: float = 0.0, late: bool = False):
    """A confounded comparison: who has large x is treated more often and dies sooner."""
    rng = np.random.default_rng(seed)
    x, b = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
    arm = (rng.random(n) < 1 / (1 + np.exp(-0.8 * x - 0.5 * b))).astype(int)
    death = rng.exponential(20 / np.exp(effect * arm + 0.7 * x + 0.3 * b))
    end = rng.uniform(5, 60, n)
    entry = rng.uniform(0, 4, n) * (rng.random(n) < 0.5) if late else np.zeros(n)
    keep = np.minimum(death, end) > entry
    times = Times(np.minimum(death, end)[keep], (death <= end)[keep], entry[keep] if late else None)
    return times, arm[keep], np.column_stack([x, b])[keep]


@pytest.mark.parametrize("method", ["iptw", "overlap", "matching"])
def test_weights_of_three_groups_against_their_definition(method):
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    group = np.array(["A", "B", "C"])[np.argmax(np.outer(x, [0, 0.5, 1]) + rng.gumbel(size=(300, 3)), axis=1)]
    score = propensity(group, x)
    found = weigh(score, method).values
    slow = []
    for e, word in zip(score.probability, group, strict=True):
        tilt = {"iptw": 1.0, "overlap": 1 / sum(1 / e), "matching": min(e)}[method]
        slow.append(tilt / e["ABC".index(word)])
    slow = np.array(slow)
    for word in "ABC":
        part = group == word
        wanted = slow[part] * (part.mean() if method == "iptw" else 1 / slow[part].mean())
        assert found[part] == pytest.approx(wanted, rel=1e-10)


def test_overlap_weights_balance_every_column_exactly():
    times, arm, X = trial(2)
    found = weighted(times, arm, X, "overlap")
    assert [row.after for row in found.balance] == pytest.approx([0, 0], abs=1e-8)
    assert min(abs(row.before) for row in found.balance) > 0.1


def test_swapping_the_groups_inverts_the_ratio():
    times, arm, X = trial(3, late=True)
    there = weighted(times, arm, X, "overlap").ratios[0]
    back = weighted(times, 1 - arm, X, "overlap").ratios[0]
    assert there.value * back.value == pytest.approx(1, rel=1e-6)


def test_groups_that_a_covariate_separates_are_not_compared():
    times, arm, X = trial(4)
    found = weighted(times, arm, np.column_stack([X, arm * 10.0 + X[:, 0] / 100]), "iptw")
    assert found.reason.startswith("positivity fails")
    assert math.isnan(found.ratios[0].value)
    assert found.ratios[0].reason == found.reason
    far = arm * 4.0 + np.random.default_rng(1).normal(size=len(arm))
    thin = weighted(times, arm, far, "overlap", samples=5, rng=np.random.default_rng(1))
    assert "too few effective patients" in thin.reason
    assert thin.bootstrapped == ()


def test_bootstrap_is_seeded_and_repeats_the_weights():
    times, arm, X = trial(5)
    once, again = (
        weighted(times, arm, X, "iptw", samples=40, rng=np.random.default_rng(7)).bootstrapped[0]
        for _ in range(2)
    )
    assert once == again
    # knowing that weights are estimated makes the error of inverse probability weights smaller
    assert once.se < weighted(times, arm, X, "iptw").model.robust_se[0]
    with pytest.raises(ValueError, match="generator"):
        weighted(times, arm, X, samples=5)


def slow_standardised(times, arm, X, t, k):
    """Breslow's hazard and a loop over patients; no ties in these data."""
    model = cox(times, np.column_stack([arm, X]))
    Z, hazard = np.column_stack([arm, X]), 0.0
    for s in sorted(times.exit[times.state > 0]):
        if s <= t:
            hazard += 1 / sum(
                math.exp(z @ model.coef)
                for z, entry, exit_ in zip(Z, times.entry, times.exit, strict=True)
                if (entry < s or entry == 0) and exit_ >= s
            )
    return np.mean([math.exp(-hazard * math.exp(np.array([k, *x]) @ model.coef)) for x in X])


@pytest.mark.parametrize("late", [False, True])
def test_standardised_survival_against_a_slow_twin(late):
    times, arm, X = trial(6, 80, late=late)
    found = standardise(times, arm, X, tau=20, marks=(5, 12), samples=0)
    for j, mark in enumerate((5, 12)):
        each = [slow_standardised(times, arm, X, mark, k) for k in (0, 1)]
        assert found.at[j][0].value == pytest.approx(each[1] - each[0], rel=1e-8)
    area = 0.0
    for left, right in zip(found.time[:-1], found.time[1:], strict=True):
        if right <= 20:
            area += (
                (right - left) * slow_standardised(times, arm, X, left, 1)
                if left in found.time[::10]
                else ((right - left) * found.survival[1, np.searchsorted(found.time, left)])
            )
    assert found.restricted[1].value == pytest.approx(area, rel=1e-8)


@pytest.mark.parametrize("outcome", ["cox", "cox_by_group", "weibull"])
def test_outcome_models_agree_where_all_are_right(outcome):
    times, arm, X = trial(7, 1500, effect=-0.6)
    found = standardise(times, arm, X, tau=30, outcome=outcome, samples=0)
    # the truth: the mean over patients of the restricted mean of an exponential
    means = [
        np.mean([_restricted(0.05 * math.exp(-0.6 * k + x @ [0.7, 0.3]), 30) for x in X]) for k in (0, 1)
    ]
    assert found.differences[0].value == pytest.approx(means[1] - means[0], abs=0.9)
    assert found.ratios[0].value == pytest.approx(means[1] / means[0], abs=0.08)


def _restricted(rate: float, tau: float) -> float:
    return (1 - math.exp(-rate * tau)) / rate


def holed(seed: int, n: int, share: float = 0.35):
    """Known truth, x and b missing at random given the other and the outcome."""
    times, arm, X = trial(seed, n, effect=-0.5)
    rng = np.random.default_rng(seed + 1)
    x = np.where(rng.random(n) < share * (0.6 + 0.8 * (times.state > 0)), np.nan, X[:, 0])
    b = np.where(rng.random(n) < share / 2, "", np.array(["no", "yes"])[X[:, 1].astype(int)])
    return times, {"arm": arm, "x": x, "b": b}


@pytest.mark.parametrize("method", ["chained", "smcfcs"])
def test_imputation_recovers_the_truth(method):
    times, columns = holed(8, 1500)
    found = impute(times, columns, np.random.default_rng(9), method, imputations=5, iterations=5)
    logs = [math.log(ratio.value) for ratio in found.ratios]
    # chained equations pull the effect of a strong covariate a little towards 0 (White and Royston 2009)
    assert logs == pytest.approx([-0.5, 0.7, 0.3], abs=0.2)
    assert found.missing == {"x": int(np.isnan(columns["x"]).sum()), "b": int((columns["b"] == "").sum())}
    assert [ratio.name for ratio in found.ratios] == ["HR arm", "HR x", "HR b: yes"]
    assert found.complete.n < len(times)


def test_imputation_is_seeded_and_leaves_known_values_alone():
    times, columns = holed(10, 120)
    made = [impute(times, columns, np.random.default_rng(1), imputations=3, iterations=3) for _ in range(2)]
    assert made[0].ratios == made[1].ratios
    parts = tuple(covariate(name, values) for name, values in columns.items())
    chain = Chain(times, parts, "smcfcs", {}, np.random.default_rng(1))
    chain.step()
    known = ~np.isnan(columns["x"])
    assert (chain.values[1][known] == columns["x"][known]).all()
    assert np.isfinite(chain.values[1]).all()


def test_nothing_missing_gives_the_complete_model():
    times, arm, X = trial(11)
    found = impute(times, {"arm": arm, "x": X[:, 0]}, np.random.default_rng(1), imputations=2, iterations=2)
    assert found.ratios[0].value == pytest.approx(math.exp(found.complete.coef[0]), rel=1e-9)
    assert found.statement == "nothing was missing"


def test_levels_are_drawn_by_the_cox_likelihood():
    """SMC-FCS of a two-level covariate: the acceptance is proposal x hazard^d exp(-H), normalised over the levels."""
    rng = np.random.default_rng(3)
    b = rng.random(6000) < 0.4
    death = rng.exponential(10 / np.exp(1.2 * b))
    times = Times(np.minimum(death, 8), death <= 8)
    words = np.where(b, "yes", "no").astype(object)
    words[::3] = ""
    chain = Chain(times, (covariate("b", words),), "smcfcs", {}, rng)
    for _ in range(6):
        chain.step()
    drawn, truth, event = chain.values[0][::3] > 0, b[::3], times.state[::3] > 0
    assert truth[event].mean() - truth[~event].mean() > 0.25
    for part in (event, ~event):
        assert drawn[part].mean() == pytest.approx(truth[part].mean(), abs=0.05)


def test_gelman_rubin_by_hand():
    # chains 1, 3 and 2, 4: within 2, means 2 and 3, between 0.5: sqrt((2/2 + 0.5) / 2)
    assert gelman_rubin(np.array([[1.0, 3.0], [2.0, 4.0]])) == pytest.approx(math.sqrt(1.5 / 2))
    assert gelman_rubin(np.array([[0.0, 0.0], [1.0, 1.0]])) == math.inf


def test_tipping_point_of_censoring():
    rng = np.random.default_rng(12)
    arm = rng.integers(0, 2, 400)
    death, end = rng.exponential(20 / np.exp(-0.5 * arm)), rng.uniform(5, 60, 400)
    times = Times(np.minimum(death, end), death <= end)
    found = tipping_point(times, arm == 1, np.random.default_rng(1), imputations=10, names=("A", "B"))
    plain = cox(times, arm.astype(float)).hazard_ratios()[0]
    assert found.group == "B"
    assert found.ratios[0].value == pytest.approx(plain.value, rel=0.2)  # no departure: near the estimate
    values = [ratio.value for ratio in found.ratios]
    assert values == sorted(values)
    assert found.tips is not None
    early = [ratio for delta, ratio in zip(found.deltas, found.ratios, strict=True) if delta < found.tips]
    assert all(ratio.upper < 1 for ratio in early)


def test_nobody_lost_means_nothing_to_tip():
    times = Times([5.0, 8, 12, 20, 20, 20], [1, 1, 1, 0, 0, 0])
    found = tipping_point(times, [0, 1, 0, 1, 0, 1], np.random.default_rng(1), imputations=3)
    assert found.imputed == 0
    assert {round(ratio.value, 12) for ratio in found.ratios} == {round(found.ratios[0].value, 12)}


def test_tipping_point_of_missing_covariates():
    times, columns = holed(13, 300)
    found = tipping_missing(
        times, columns, "x", "arm", np.random.default_rng(1), (0, 1.5), imputations=4, iterations=3
    )
    assert found.imputed == int(np.isnan(columns["x"]).sum())
    assert found.ratios[0].value != found.ratios[1].value
    none = tipping_missing(
        times, {"arm": columns["arm"]}, "arm", "arm", np.random.default_rng(1), imputations=2, iterations=2
    )
    assert none.reason == "no value of arm is missing"


def test_a_coefficient_that_has_run_off_is_named_and_not_printed():
    """Far out rounding decides the sign of a step: a rare column that meets no event must still be called separated."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = np.zeros(60)
        x[: rng.integers(1, 5)] = 1
        exits, event = np.ceil(rng.exponential(30, 60)), rng.random(60) < 0.4
        exits[x == 1] = exits.max() + rng.integers(0, 2, int(x.sum()))
        model = cox(Times(exits, event), x, ties="breslow")
        assert model.reasons or (np.isfinite(model.se).all() and model.se[0] < 50), seed
