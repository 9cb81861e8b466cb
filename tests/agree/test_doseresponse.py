"""The batched fit and its profile limits against scipy, one curve at a time."""

import numpy as np
import pytest
from scipy.optimize import brentq, least_squares
from scipy.special import stdtrit

import sequela as sq
from sequela.estimates.doseresponse import FORMS
from sequela.estimates.doseresponse.models import evaluate

DOSE = np.repeat([0.0, *np.logspace(-3, 1, 8)], 3)
RNG = np.random.default_rng(20)
CURVES = [
    (np.exp(RNG.uniform(-0.3, 0.9)), RNG.uniform(0, 0.4), 1.0, np.exp(RNG.uniform(-4, 0.5)))
    for _ in range(25)
]


def model(theta, dose):
    b, c, d, t = np.exp(theta[0]), *theta[1:]
    falling = np.where(dose > 0, 1 / (1 + np.exp(b * (np.log(np.where(dose > 0, dose, 1)) - t))), 1.0)
    return c + (d - c) * falling


def wells(i):
    b, c, d, e = CURVES[i]
    noise = np.random.default_rng(i).normal(0, 0.05, len(DOSE))
    return model((np.log(b), c, d, np.log(e)), DOSE) + noise


def twin(y, start, held=None, value=0.0):
    free = [k for k in range(4) if k != held]

    def residuals(part):
        theta = np.empty(4)
        theta[free] = part
        if held is not None:
            theta[held] = value
        return model(theta, DOSE) - y

    found = least_squares(residuals, np.asarray(start)[free], xtol=1e-13, ftol=1e-13, gtol=1e-13)
    return found.x, 2 * found.cost


def test_every_fit_is_as_good_as_scipys():
    y = np.concatenate([wells(i) for i in range(25)])
    label = np.repeat([f"{i}" for i in range(25)], len(DOSE))
    fits = sq.dose_response(np.tile(DOSE, 25), y, by=label)
    for i in range(25):
        b, c, d, e = CURVES[i]
        theta, rss = twin(wells(i), (np.log(b), c, d, np.log(e)))
        fit = fits[f"{i}"]
        assert (fit.residuals**2).sum() <= rss * (1 + 1e-6)
        if not any(estimate.reason for estimate in fit.parameters.values()):
            assert fit.theta == pytest.approx(theta, abs=1e-3)


@pytest.mark.parametrize("i", range(3))
@pytest.mark.parametrize(("k", "name"), [(0, "slope"), (1, "einf"), (3, "ec50")])
def test_profile_limits_are_those_of_a_root_finder(i, k, name):
    y = wells(i)
    fit = sq.dose_response(DOSE, y)
    theta, rss = twin(y, fit.theta)
    target = rss * (1 + stdtrit(23, 0.975) ** 2 / 23)

    def above(value):
        return twin(y, theta, k, value)[1] - target

    upper = brentq(above, theta[k], theta[k] + 3)
    lower = brentq(above, theta[k] - 3, theta[k])
    scale = np.exp if name != "einf" else float
    assert fit.parameters[name].upper == pytest.approx(scale(upper), rel=1e-3, abs=1e-3)
    assert fit.parameters[name].lower == pytest.approx(scale(lower), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", FORMS)
def test_gradients_are_those_of_differences(name):
    form = FORMS[name]
    dose = np.array([[0.0, 0.2, 1, 3, 9, 30]])
    theta = np.array([[0.3, 0.1, 1.1, 0.8, 0.2][: len(form.names)]])
    x = form.position(dose)
    _, gradient = evaluate(form, theta, x, dose)
    for k in range(theta.shape[1]):
        step = np.zeros_like(theta)
        step[0, k] = 1e-6
        above, below = (evaluate(form, theta + s * step, x, dose)[0] for s in (1, -1))
        assert gradient[k] == pytest.approx((above - below) / 2e-6, abs=1e-7)


def test_shuffled_wells_and_a_batch_of_unequal_curves_change_nothing():
    y, short = wells(0), wells(1)[6:]
    order = np.random.default_rng(1).permutation(len(DOSE))
    dose = np.concatenate([DOSE[order], DOSE[6:]])
    label = np.repeat(["long", "short"], [len(DOSE), len(DOSE) - 6])
    both = sq.dose_response(dose, np.concatenate([y[order], short]), by=label)
    assert both["long"].theta == pytest.approx(sq.dose_response(DOSE, y).theta, abs=1e-5)
    assert both["short"].theta == pytest.approx(sq.dose_response(DOSE[6:], short).theta, abs=1e-5)


def test_delta_bootstrap_and_profile_are_of_one_size():
    y = wells(2)
    widths = []
    for interval in ("profile", "delta", "bootstrap"):
        e = sq.dose_response(DOSE, y, interval=interval, rng=np.random.default_rng(4)).ec50
        widths.append(np.log(e.upper / e.lower))
    assert widths[1:] == pytest.approx([widths[0]] * 2, rel=0.35)
