"""Centres and patterns of missing values: hand-worked values, slow twins, planted faults."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from sequela.audit.centres import centre_effects, clustering
from sequela.audit.data import CalendarTime, Clock, Variable
from sequela.audit.missing import centre_p, missingness, related_p
from sequela.core.outcome import Times
from sequela.estimates.cox import cox
from sequela.estimates.heterogeneity import heterogeneity


def comparison(seed: int, n: int = 400, centres: int = 20, risk: float = 0.0, effect_spread: float = 0.0):
    rng = np.random.default_rng(seed)
    centre = rng.integers(0, centres, n)
    arm = rng.integers(0, 2, n)
    shift = risk * rng.normal(size=centres)[centre] + effect_spread * rng.normal(size=centres)[centre] * arm
    death = rng.exponential(20 / np.exp(shift))
    end = rng.uniform(10, 60, n)
    clock = Clock("OS", ("A", "B"), arm, np.minimum(death, end), death <= end, np.zeros(n))
    return clock, centre.astype(str)


def test_heterogeneity_by_hand():
    # weights 4, 1: mean (4 x 1 + 3) / 5 = 1.4, Q = 4 x 0.16 + 2.56 = 3.2, I squared (3.2 - 1) / 3.2
    found = heterogeneity([1.0, 3.0, math.nan], [0.5, 1.0, 1.0])
    assert found.test.statistic == pytest.approx(3.2)
    assert found.test.df == 1
    assert found.test.p == pytest.approx(stats.chi2.sf(3.2, 1))
    assert found.share == pytest.approx(2.2 / 3.2)
    assert heterogeneity([1.0, 1.0], [0.5, 1.0]).share == 0
    assert heterogeneity([1.0], [0.5]).test.reason == "fewer than two effects"


def test_centre_effects_are_those_of_each_centre():
    clock, centre = comparison(1, 600, 4)
    found = centre_effects(clock, centre)
    assert len(found) == 4
    own = clock.take(centre == "0")
    model = cox(Times(own.exit, own.event), (own.arm == 1).astype(float))
    assert found[0] == (pytest.approx(float(model.coef[0])), pytest.approx(float(model.se[0])))
    few, where = comparison(2, 60, 20)
    assert len(centre_effects(few, where)) == 0


def figures(verdict):
    return {figure.label: figure.values for figure in verdict.figures}


def test_centres_that_differ_in_risk_are_found_and_clean_ones_are_not():
    told = clustering(*comparison(3, risk=1.0))
    assert told.verdict == "warn"
    assert "Centres differ in their risk." in told.sentence
    assert figures(told)["Variance of the frailty"][0] > 0.3
    clean = clustering(*comparison(4))
    assert clean.verdict == "pass"
    ratio = [label for label in figures(clean) if label.startswith("Hazard ratio as asked")]
    assert len(ratio) == 4


def test_hazard_ratios_that_differ_between_centres_are_found():
    told = clustering(*comparison(5, 900, 6, effect_spread=1.2))
    assert "The hazard ratio differs between centres." in told.sentence
    assert figures(told)["I squared of their hazard ratios"][0] > 0.5


def test_permutation_of_missing_values_over_centres():
    centre = np.repeat(np.arange(10), 20).astype(str)
    rng = np.random.default_rng(6)
    assert centre_p(np.isin(centre, ["1", "2"]), centre, rng) == pytest.approx(1 / 1000)
    even = np.tile([True] + [False] * 9, 20)
    assert centre_p(even, centre, rng) == 1.0
    assert math.isnan(centre_p(np.zeros(200, bool), centre, rng))
    # two centres: the permutation is Fisher's test
    two = np.repeat(["a", "b"], 400)
    missing = np.concatenate([rng.random(400) < 0.2, rng.random(400) < 0.26])
    table = [[missing[two == c].sum(), (~missing)[two == c].sum()] for c in ("a", "b")]
    assert centre_p(missing, two, rng) == pytest.approx(stats.fisher_exact(table)[1], abs=0.04)


def test_missingness_related_to_columns_against_statsmodels():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(300, 2))
    missing = rng.random(300) < 1 / (1 + np.exp(1.5 - 0.4 * x[:, 0]))
    full = sm.Logit(missing.astype(float), sm.add_constant(x)).fit(disp=0)
    assert related_p(missing, x) == pytest.approx(full.llr_pvalue, rel=1e-6)
    assert math.isnan(related_p(np.zeros(300, bool), x))


def test_values_missing_after_death_and_by_centre_are_found():
    clock, centre = comparison(8)
    rng = np.random.default_rng(9)
    values = np.where(clock.event & (rng.random(400) < 0.4), np.nan, rng.normal(size=400))
    calendar = CalendarTime(rng.uniform(2010, 2018, 400), 2019.0)
    told = missingness(clock, [Variable("Ki-67", values)], centre, calendar)
    assert told.verdict == "warn"
    assert "Ki-67 by outcome" in told.sentence
    assert "Ki-67 by centres" not in told.sentence
    values = np.where(np.char.startswith(centre, "1"), np.nan, rng.normal(size=400))
    assert "Ki-67 by centres" in missingness(clock, [Variable("Ki-67", values)], centre, calendar).sentence
    late = np.where((calendar.origin > 2015) & (rng.random(400) < 0.5), np.nan, 1.0)
    assert (
        "Ki-67 by dates of origin" in missingness(clock, [Variable("Ki-67", late)], centre, calendar).sentence
    )


def test_few_missing_values_are_not_explained():
    clock, centre = comparison(10)
    values = np.ones(400)
    values[:4] = np.nan
    labels = figures(missingness(clock, [Variable("Grade", values)], centre))
    assert not [label for label in labels if "regardless" in label]
