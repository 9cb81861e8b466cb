"""Dose-response: every weakness of a curve has a name, every wrong argument one clear error."""

import math

import numpy as np
import pytest

import sequela as sq
from sequela.core.errors import DataError, UsageError
from sequela.estimates.doseresponse import FORMS, compare, extra_sum_of_squares, growth_rate_inhibition

DOSES = np.repeat([0.0, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0], 3)


def wells(einf=0.1, ec50=0.5, slope=1.2, sd=0.03, seed=0, dose=DOSES):
    rng = np.random.default_rng(seed)
    return einf + (1 - einf) / (1 + (dose / ec50) ** slope) + rng.normal(0, sd, len(dose))


def test_the_unit_of_dose_is_carried():
    fit = sq.dose_response(DOSES, wells(), unit="nM")
    assert fit.ec50.unit == fit.ic50.unit == "nM"
    assert fit.parameters["einf"].unit == ""


@pytest.mark.parametrize(
    ("dose", "response", "field"),
    [
        ([-1.0, 1, 2, 3], [1.0, 0.8, 0.5, 0.2], "dose"),
        ([math.nan, 1, 2, 3], [1.0, 0.8, 0.5, 0.2], "dose"),
        ([0.0, 1, 2, 3], [1.0, 0.8, math.nan, 0.2], "response"),
        ([], [], "dose"),
    ],
)
def test_unusable_wells_are_errors(dose, response, field):
    with pytest.raises(DataError) as caught:
        sq.dose_response(dose, response)
    finding = caught.value.findings[0]
    assert finding.where.field == field
    assert finding.found and finding.allowed and finding.remedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "ll9"},
        {"interval": "guess"},
        {"interval": "bootstrap"},
        {"level": 95},
        {"fixed": {"top": 1.0}},
        {"bounds": {"slope": (-1.0, 2.0)}},
        {"bounds": {"einf": (1.0, 0.0)}},
        {"by": ["a"]},
    ],
)
def test_wrong_arguments_are_errors(wrong):
    with pytest.raises(UsageError):
        sq.dose_response(DOSES, wells(), **wrong)


def test_a_flat_curve_has_no_dose():
    fit = sq.dose_response(DOSES, 1 + np.random.default_rng(3).normal(0, 0.05, len(DOSES)))
    for estimate in (fit.ec50, fit.ic50, fit.parameters["slope"], fit.effective_dose(0.1)):
        assert math.isnan(estimate.value)
        assert "no effect of dose" in str(estimate.reason)
    assert fit.emax.value == pytest.approx(1, abs=0.05)


def test_equal_responses_have_no_dose():
    assert "every response is the same" in str(sq.dose_response(DOSES, np.ones(len(DOSES))).ec50.reason)


def test_too_few_doses():
    fit = sq.dose_response([0.0, 0.0, 1, 1, 10, 10], [1, 1.02, 0.6, 0.5, 0.2, 0.1])
    assert "too few doses: 3 for 4" in str(fit.ic50.reason)
    assert all(math.isnan(e.value) and e.reason for e in (*fit.parameters.values(), fit.emax, fit.auc))


def test_a_curve_that_stops_half_way_does_not_saturate():
    fit = sq.dose_response(DOSES, wells(ec50=60.0))
    assert "does not saturate" in str(fit.parameters["einf"].reason)
    assert "no plateau at high dose" in fit.notes


def test_a_location_beyond_the_doses_is_no_number():
    fit = sq.dose_response(DOSES, wells(einf=0, ec50=250.0), "ll3", fixed={"e0": 1.0})
    assert math.isnan(fit.ec50.value)
    assert fit.ec50.reason == "above the highest dose tested"
    assert fit.ec50.upper > fit.ec50.lower > 100


def test_half_of_the_control_may_not_be_reached():
    fit = sq.dose_response(DOSES, wells(einf=0.7))
    assert fit.ec50.value == pytest.approx(0.5, rel=0.5)
    assert math.isnan(fit.ic50.value)
    assert "does not reach" in str(fit.ic50.reason)


def test_a_poor_fit_is_named():
    zigzag = np.tile([1.0, 0.2, 1.0, 0.2, 0.9, 0.1, 0.5], (20, 1)).ravel()
    fit = sq.dose_response(np.tile([0.0, 0.001, 0.01, 0.1, 1, 10, 100], 20), zigzag)
    assert "poor fit" in str(fit.ec50.reason)
    assert any("lack of fit" in note or "poor fit" in note for note in fit.notes)


def test_no_interval_without_degrees_of_freedom():
    dose = np.array([0.01, 0.1, 1, 10])
    fit = sq.dose_response(dose, 0.1 + 0.9 / (1 + dose))
    assert all(math.isnan(e.lower) and math.isnan(e.se) for e in fit.parameters.values())
    assert all(e.reason for e in fit.parameters.values())


def test_one_experiment_has_no_interval_between_experiments():
    fit = sq.dose_response(DOSES, wells(), experiment=["monday"] * len(DOSES))
    assert fit.ic50.n == 1
    assert math.isnan(fit.ic50.lower)
    assert "one experiment only" in str(fit.ic50.reason)


def test_experiments_are_n_and_wells_never():
    dose, names = np.tile(DOSES, 3), np.repeat(["a", "b", "c"], len(DOSES))
    response = np.concatenate([wells(ec50=e, seed=i) for i, e in enumerate((0.4, 0.5, 0.7))])
    fit = sq.dose_response(dose, response, experiment=names)
    each = [one.ec50.value for one in fit.experiments]
    assert fit.ec50.n == 3
    assert fit.ec50.value == pytest.approx(math.exp(np.mean(np.log(each))))


def test_a_comparison_needs_two_experiments_a_side():
    fit = sq.dose_response(DOSES, wells(), experiment=["monday"] * len(DOSES))
    ratio = compare(fit, fit)
    assert math.isnan(ratio.value)
    assert "two experiments" in str(ratio.reason)


def test_comparison_arguments():
    fit = sq.dose_response(DOSES, wells(), experiment=["monday"] * len(DOSES))
    for call in (
        lambda: compare(fit, fit, "slope"),
        lambda: extra_sum_of_squares(DOSES, wells(), ["a"] * len(DOSES), ("slope",)),
        lambda: extra_sum_of_squares(DOSES, wells(), ["a", "b", "c"] * 7, ("top",)),
        lambda: extra_sum_of_squares(DOSES, wells(), ["a", "b", "c"] * 7, ("slope",), "ll9"),
    ):
        with pytest.raises(UsageError):
            call()


def test_growth_needs_a_control_that_grew():
    with pytest.raises(DataError):
        growth_rate_inhibition([100.0], 100.0, 90.0)


@pytest.mark.parametrize("model", FORMS)
def test_every_model_falls_from_e0_and_fits_itself(model):
    from sequela.estimates.doseresponse.models import curve

    form = FORMS[model]
    dose = np.array([0.0, 0.3, 1, 2, 4, 8, 16, 32, 64])
    location = math.log(6) if form.log_dose else 20.0
    theta = np.array([[math.log(1.5 if form.log_dose else 0.2), 0.0, 1.0, location, 0.1][: len(form.names)]])
    y = curve(form, theta, dose[None])[0]
    fit = sq.dose_response(dose, y, model)
    assert np.abs(fit.residuals).max() < 1e-4
