"""Every figure of the audit against a hand-worked value, a slow obvious twin, or an independent program."""

import math

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from scipy import optimize, stats

from sequela.audit import centres, followup, missing, models, multiplicity, truncation
from sequela.audit.calendar import area_under_curve
from sequela.audit.data import Agent, CalendarTime, Clock, Variable, spread
from sequela.estimates.balance import difference
from sequela.estimates.weights import Propensity, effective_size, propensity


def clock(exits, event, settled, arm=None, end=None, entry=None):
    n = len(exits)
    return Clock(
        "OS", ("A", "B"), np.zeros(n, int) if arm is None else np.asarray(arm), np.asarray(exits, float),
        np.asarray(event, bool), np.asarray(settled, float), "line 2",
        None if end is None else np.asarray(end, str), None if entry is None else np.asarray(entry, float),
    )  # fmt: skip


def drawn(rng, n=40):
    settled = rng.uniform(0, 20, n)
    return clock(settled + rng.exponential(15, n), rng.random(n) < 0.7, settled, rng.integers(0, 2, n))


def test_immortal_share_by_hand():
    assert truncation.immortal_share(clock([4, 6, 10], [1, 1, 0], [2, 0, 5])) == pytest.approx(7 / 20)
    assert truncation.immortal_share(clock([4, 6], [1, 1], [9, 0])) == pytest.approx(4 / 10)  # E beyond X: X
    late = clock([4, 6], [1, 1], [2, 3], entry=[1, 0])  # observed from 1: 1 + 3 immortal of 3 + 6
    assert truncation.immortal_share(late) == pytest.approx(4 / 9)


def test_numbers_at_risk_by_hand():
    found = clock([10, 20, 30, 40], [1, 1, 1, 0], [0, 12, 5, 24])
    assert truncation.at_risk(found, 12, delayed=False) == 3
    assert truncation.at_risk(found, 12, delayed=True) == 1  # entry at 12 itself is not yet at risk
    assert truncation.at_risk(found, 24, delayed=True) == 1


def test_expected_deaths_by_hand():
    # Risk sets with delayed entry: at 4 {1, 2} -> 1/2, at 6 {2, 3} -> 1/2, at 9 {3} -> 1.
    found = clock([4, 6, 9], [1, 1, 1], [0, 1, 5])
    assert truncation.expected_deaths(found) == pytest.approx(0 + 0 + 0.5)


def test_expected_deaths_against_a_slow_twin():
    rng = np.random.default_rng(1)
    for _ in range(20):
        found = drawn(rng)
        total = 0.0
        for entry in found.settled:
            for time in sorted(set(found.exit[found.event])):
                if time <= entry:
                    deaths = sum(x == time and d for x, d in zip(found.exit, found.event, strict=True))
                    total += deaths / sum(
                        e < time <= x for e, x in zip(found.settled, found.exit, strict=True)
                    )
        assert truncation.expected_deaths(found) == pytest.approx(total, rel=1e-12)


def test_conditional_tau_against_all_pairs():
    rng = np.random.default_rng(2)
    for _ in range(20):
        found = drawn(rng)
        signs = []
        for i in range(len(found)):
            for j in range(i):
                first = i if found.exit[i] < found.exit[j] else j
                both = max(found.settled[i], found.settled[j]) < found.exit[first]
                if both and found.event[first]:
                    signs.append(
                        np.sign((found.settled[i] - found.settled[j]) * (found.exit[i] - found.exit[j]))
                    )
        assert truncation.conditional_tau(found)[0] == pytest.approx(np.mean(signs), abs=1e-12)


def test_conditional_tau_keeps_its_level_and_has_power():
    rng = np.random.default_rng(3)
    independent = [truncation.conditional_tau(drawn(rng, 80))[1] < 0.05 for _ in range(400)]
    assert 0.025 < np.mean(independent) < 0.085  # 400 tests at 5%: 3.3 standard errors
    settled = rng.uniform(0, 20, 200)
    linked = clock(settled + rng.exponential(1 + settled), np.ones(200), settled)
    tau, p = truncation.conditional_tau(linked)
    assert tau > 0.15
    assert p < 0.001


def test_windows_and_overlap_by_hand():
    calendar = CalendarTime(np.array([2010.0, 2016.0]), 2018.0, Agent("x", 2013.0))
    each = truncation.windows(clock([1, 1], [1, 1], [0, 0]), calendar)
    assert each.tolist() == [[36, 96], [0, 24]]
    assert truncation.overlap(np.array([[0.0, 10.0]]), np.array([[5.0, 15.0]])) == pytest.approx(1 / 3)
    assert truncation.overlap(np.array([[0.0, 10.0]]), np.array([[10.0, 15.0]])) == 0


def test_overlap_against_a_slow_twin():
    rng = np.random.default_rng(4)
    a, b = np.sort(rng.uniform(0, 50, (30, 2)), axis=1), np.sort(rng.uniform(20, 90, (25, 2)), axis=1)
    found = []
    for low, high in a:
        for start, stop in b:
            shared = max(0, min(high, stop) - max(low, start))
            found.append(shared / ((high - low) + (stop - start) - shared))
    assert truncation.overlap(a, b) == pytest.approx(np.mean(found), rel=1e-12)


def test_even_samples():
    assert spread(3, 10).tolist() == [0, 1, 2]
    assert spread(101, 3).tolist() == [0, 50, 100]
    assert spread(0, 3).tolist() == []


def test_differences_of_dates():
    a, b = np.array([1.0, 2, 3]), np.array([3.0, 4, 5])
    assert difference(a, b) == pytest.approx(2.0)  # means 2 apart, both variances 1
    assert area_under_curve(a, b) == pytest.approx(8.5 / 9)  # one tie of nine pairs
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 9, 40).astype(float), rng.integers(2, 12, 30).astype(float)
    slow = np.mean([(v > u) + 0.5 * (v == u) for u in x for v in y])
    assert area_under_curve(x, y) == pytest.approx(slow, rel=1e-12)


def test_weights_by_hand():
    assert effective_size(np.ones(4)) == 4
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(16 / 10)
    chances = np.tile([0.75, 0.25], (4, 1))
    even = Propensity(("A", "B"), np.array([1, 0, 0, 0]), chances, ("intercept",), np.zeros((1, 1)), {})
    assert even.preference == pytest.approx(np.full(4, 0.5))  # e equal to the share of the arm: no preference
    assert 1 / even.received == pytest.approx([4, 4 / 3, 4 / 3, 4 / 3])


def test_propensity_of_one_binary_column_is_its_shares():
    x = np.repeat([0.0, 1.0], 200)[:, None]
    arm = np.concatenate([np.repeat([0, 1], [150, 50]), np.repeat([0, 1], [60, 140])])
    score = propensity(arm, x, prior=0.01).probability[:, 1]
    assert score[0] == pytest.approx(0.25, abs=0.001)
    assert score[-1] == pytest.approx(0.70, abs=0.001)


def test_propensity_against_a_general_minimiser():
    rng = np.random.default_rng(6)
    columns = np.column_stack([rng.normal(size=150), rng.random(150) < 0.3]).astype(float)
    arm = (rng.random(150) < 1 / (1 + np.exp(-columns[:, 0]))).astype(int)
    z = np.column_stack([np.ones(150), (columns - columns.mean(axis=0)) / columns.std(axis=0)])

    def loss(beta):
        return np.logaddexp(0, z @ beta).sum() - arm @ (z @ beta) + 0.005 * (beta[1:] ** 2).sum()

    best = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-8}).x
    assert propensity(arm, columns, prior=0.01).probability[:, 1] == pytest.approx(
        1 / (1 + np.exp(-z @ best)), abs=1e-5
    )


def test_propensity_of_arms_in_different_years_is_finite():
    year = np.concatenate([np.linspace(2008, 2013, 50), np.linspace(2014, 2018, 50)])
    score = propensity(np.repeat([0, 1], 50), year[:, None], prior=0.01).probability[:, 1]
    assert np.isfinite(score).all()
    assert score[0] < 0.01 < 0.99 < score[-1]


def test_last_time_held_by_hand():
    found = clock(np.arange(1.0, 21), np.ones(20), np.zeros(20))
    assert followup.last_held(found) == 11  # 11, 12, ..., 20 are ten
    assert followup.last_held(clock(np.arange(1.0, 10), np.ones(9), np.zeros(9))) == 0


def test_ends_by_hand():
    found = clock([1, 2, 3, 4], [1, 1, 0, 1], [0] * 4, [0, 0, 1, 1], ["PD", "death", "lost", "PD"])
    kinds, table = followup.end_counts(found)
    assert kinds == ["ended by PD", "ended by death", "censored at lost"]
    assert table == [[1, 1], [1, 0], [0, 1]]


def test_intraclass_correlation_by_hand():
    # Two centres of two: means 1/2 and 1, MSB = 0.25, MSW = 0.25, m0 = 2: ICC = 0.
    # Treatment by centre: MSW = 0, ICC = 1.
    centre = np.array(["a", "a", "b", "b"])
    assert centres.intraclass_correlation(np.array([0.0, 1, 1, 1]), centre) == pytest.approx(0)
    assert centres.intraclass_correlation(np.array([0.0, 0, 1, 1]), centre) == 1


def test_intraclass_correlation_against_analysis_of_variance():
    rng = np.random.default_rng(7)
    centre = np.array([f"c{k}" for k in rng.integers(0, 8, 120)])
    exposure = (rng.random(120) < np.array([0.2 + 0.08 * int(c[1]) for c in centre])).astype(float)
    groups = [exposure[centre == c] for c in np.unique(centre)]
    f = stats.f_oneway(*groups).statistic  # MSB / MSW
    sizes = np.array([len(g) for g in groups])
    m0 = (120 - (sizes**2).sum() / 120) / (len(groups) - 1)
    assert centres.intraclass_correlation(exposure, centre) == pytest.approx(
        (f - 1) / (f + m0 - 1), rel=1e-10
    )


def test_aliased_columns_against_the_rank():
    rng = np.random.default_rng(8)
    a, b = rng.integers(0, 2, 50).astype(float), rng.normal(size=50)
    columns = (("a", a), ("b", b), ("not a", 1 - a), ("a + 2b", a + 2 * b), ("c", rng.normal(size=50)))
    design = models.Design("m", columns, 30, 50, 50, False)
    assert models.aliased(design) == ("not a", "a + 2b")
    rank = np.linalg.matrix_rank(np.column_stack([np.ones(50), *(c for _, c in columns)]))
    assert len(columns) + 1 - len(models.aliased(design)) == rank


def test_chance_of_a_false_positive_and_adjusted_p_by_hand():
    entries = [multiplicity.Entry("m", "t", p) for p in (0.01, 0.04, 0.03, math.nan)]
    ledger = multiplicity.Ledger.of(entries)
    assert len(ledger.entries) == 3
    assert ledger.holm == pytest.approx([0.03, 0.06, 0.06])
    assert ledger.benjamini_hochberg == pytest.approx([0.03, 0.04, 0.04])
    many = multiplicity.Ledger.of([multiplicity.Entry("m", "t", 0.5)] * 24)
    assert many.chance == pytest.approx(0.708, abs=0.0005)  # 1 - 0.95^24


def test_interaction_against_lifelines():
    rng = np.random.default_rng(9)
    n = 250
    arm, level = rng.integers(0, 2, n), rng.integers(0, 2, n)
    exits = rng.exponential(np.exp(-0.7 * arm * level) * 10)
    event = rng.random(n) < 0.8
    frame = pd.DataFrame({"t": exits, "d": event, "a": arm, "l": level, "al": arm * level})
    whole = CoxPHFitter().fit(frame, "t", "d").log_likelihood_
    less = CoxPHFitter().fit(frame.drop(columns="al"), "t", "d").log_likelihood_
    ours = multiplicity.interaction_p(clock(exits, event, np.zeros(n), arm), level.astype(str))
    assert ours == pytest.approx(stats.chi2.sf(2 * (whole - less), 1), rel=1e-4)


def test_missing_p_against_scipy():
    assert missing.missing_p([(20, 174), (35, 142)]) == pytest.approx(
        stats.chi2_contingency([[20, 174], [35, 142]], correction=False).pvalue, rel=1e-10
    )
    assert missing.missing_p([(1, 30), (4, 20)]) == pytest.approx(
        stats.fisher_exact([[1, 30], [4, 20]]).pvalue, rel=1e-8
    )
    assert math.isnan(missing.missing_p([(0, 30), (0, 20)]))


def test_design_columns_of_variables():
    words = Variable("grade", np.array(["G1", "", "G2", "G1"]))
    assert words.missing.tolist() == [False, True, False, False]
    assert words.columns().tolist() == [[1, 0], [0, 0], [0, 1], [1, 0]]  # unknown is the first level
    numbers = Variable("age", np.array([40.0, np.nan, 60.0]))
    assert numbers.columns().tolist() == [[40, 0], [50, 1], [60, 0]]
