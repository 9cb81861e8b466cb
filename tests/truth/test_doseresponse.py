"""Dose-response against values worked by hand, and the coverage of the profile interval by simulation."""

import math

import numpy as np
import pytest

import sequela as sq
from sequela.estimates.doseresponse import compare, extra_sum_of_squares, growth_rate_inhibition

DOSE = np.array([0.0, 0.1, 0.5, 1, 2, 5, 10, 100, 1000])


def test_parameters_of_an_exact_curve():
    """y = 0.2 + 0.8 / (1 + (dose / 2)^1.5): half of the control at s = 0.375, dose 2 (5/3)^(2/3)."""
    fit = sq.dose_response(DOSE, 0.2 + 0.8 / (1 + (DOSE / 2) ** 1.5))
    found = {name: estimate.value for name, estimate in fit.parameters.items()}
    assert found == pytest.approx({"slope": 1.5, "einf": 0.2, "e0": 1.0, "ec50": 2.0}, rel=1e-5)
    assert fit.ic50.value == pytest.approx(2 * (5 / 3) ** (2 / 3), rel=1e-5)
    assert fit.effective_dose(0.9).value == pytest.approx(2 * 9 ** (2 / 3), rel=1e-5)
    assert fit.dose_for(0.6).value == pytest.approx(2.0, rel=1e-5)
    assert fit.emax.value == pytest.approx(0.2 + 0.8 / (1 + 500**1.5), rel=1e-5)


def test_area_of_an_exact_curve():
    """With slope 1 the integral of 1 / (1 + dose) over ln dose is ln(dose / (1 + dose))."""
    dose = np.array([0.0, 0.01, 0.1, 1, 3, 10, 100])
    fit = sq.dose_response(dose, 1 / (1 + dose))
    by_hand = (math.log(100 / 101) - math.log(0.01 / 1.01)) / math.log(1e4)
    assert fit.auc.value == pytest.approx(by_hand, rel=1e-4)


def test_a_rising_curve():
    fit = sq.dose_response(DOSE, 1 - 0.8 / (1 + (DOSE / 2) ** 1.5))
    assert fit.parameters["e0"].value == pytest.approx(0.2, rel=1e-4)
    assert fit.parameters["einf"].value == pytest.approx(1.0, rel=1e-4)
    assert fit.ec50.value == pytest.approx(2.0, rel=1e-4)


def test_units_of_dose_change_nothing_else():
    noise = np.random.default_rng(2).normal(0, 0.03, 27)
    dose = np.repeat(DOSE, 3)
    response = 0.2 + 0.8 / (1 + (dose / 2) ** 1.5) + noise
    one, thousand = sq.dose_response(dose, response), sq.dose_response(1000 * dose, 100 * response)
    assert thousand.ic50.value == pytest.approx(1000 * one.ic50.value, rel=1e-5)
    assert thousand.ec50.upper == pytest.approx(1000 * one.ec50.upper, rel=1e-3)
    assert thousand.parameters["slope"].value == pytest.approx(one.parameters["slope"].value, rel=1e-5)


def test_robust_fit_withstands_one_wild_well():
    dose = np.repeat(DOSE, 3)
    response = 0.2 + 0.8 / (1 + (dose / 2) ** 1.5) + np.random.default_rng(5).normal(0, 0.02, 27)
    response[10] += 1.5
    firm, plain = (sq.dose_response(dose, response, robust=robust) for robust in (True, False))
    assert firm.ec50.value == pytest.approx(2, rel=0.1)
    assert firm.parameters["slope"].value == pytest.approx(1.5, rel=0.1)
    assert plain.parameters["slope"].value > 3


def test_growth_rate_inhibition():
    """From 100 to 800 is three doublings; 200 is one: 2^(1/3) - 1. No growth 0; half the cells 2^(-1/3) - 1."""
    found = growth_rate_inhibition([800, 200, 100, 50], 100, 800)
    assert found == pytest.approx([1, 2 ** (1 / 3) - 1, 0, 2 ** (-1 / 3) - 1])


def _experiments(potencies):
    dose = np.tile(DOSE, len(potencies))
    names = np.repeat([f"day {i}" for i in range(len(potencies))], len(DOSE))
    response = np.concatenate([1 / (1 + DOSE / e) for e in potencies])
    return sq.dose_response(dose, response, "ll3", experiment=names)


def test_paired_comparison_by_hand():
    """Log2 ratios 1, 2, 3: mean 2, standard error 1/sqrt(3), t = 3.4641 on 2 df, p = 0.0742."""
    ratio = compare(_experiments([1, 2, 1]), _experiments([2, 8, 8]), "ec50")
    assert ratio.value == pytest.approx(4, rel=1e-4)
    assert ratio.p == pytest.approx(0.07418, abs=1e-4)
    assert ratio.n == 3
    assert ratio.upper == pytest.approx(2 ** (2 + 4.302653 / math.sqrt(3)), rel=1e-3)


def test_welch_comparison_by_hand():
    """Log2 values 0, 1, 2 and 2, 3, 4: difference 2, se sqrt(2/3), t = 2.449 on 4 df, p = 0.0705."""
    ratio = compare(_experiments([1, 2, 4]), _experiments([4, 8, 16]), "ec50", paired=False)
    assert ratio.value == pytest.approx(4, rel=1e-4)
    assert ratio.p == pytest.approx(0.07048, abs=1e-4)


def test_extra_sum_of_squares_of_pooled_curves_by_hand():
    """Sharing everything is one curve through all wells: F from three separate fits."""
    rng = np.random.default_rng(8)
    dose, by = np.tile(np.repeat(DOSE, 3), 2), np.repeat(["a", "b"], 27)
    response = 1 / (1 + dose / np.where(by == "a", 1.0, 2.0)) + rng.normal(0, 0.05, 54)
    rss = [
        (sq.dose_response(dose[m], response[m]).residuals ** 2).sum()
        for m in (by == "a", by == "b", by != "")
    ]
    by_hand = (rss[2] - rss[0] - rss[1]) / 4 / ((rss[0] + rss[1]) / 46)
    found = extra_sum_of_squares(dose, response, by, ("slope", "einf", "e0", "ec50"))
    assert found.test.statistic == pytest.approx(by_hand, rel=1e-4)
    assert found.df == (4, 46)
    assert "wells" in found.warning


@pytest.mark.slow
def test_profile_interval_covers():
    """2,000 curves of 9 doses in triplicate, sd 0.05: coverage of a nominal 95 % within 1.5 points."""
    from bench.doseresponse import coverage

    found = coverage(2000, seed=11)
    assert 0.935 < found["profile"] < 0.965


@pytest.mark.slow
def test_wells_find_what_is_not_there():
    from bench.doseresponse import false_positives

    found = false_positives(400, day_sd=0.15, seed=12)
    assert found["wells"] > 0.25
    assert 0.02 < found["experiments"] < 0.09
