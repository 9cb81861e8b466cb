"""Every dose-response model against R's nls (recorded): parameters, standard errors, sums of squares."""

import json
from pathlib import Path

import numpy as np
import pytest

import sequela as sq
from sequela.estimates.doseresponse import FORMS

R = json.loads((Path(__file__).parent / "dose_models_reference.json").read_text("utf-8"))


def test_the_record_has_every_model():
    assert R.keys() == FORMS.keys()


@pytest.mark.parametrize("name", FORMS)
def test_a_model_equals_nls(name):
    told, form = R[name], FORMS[name]
    fit = sq.dose_response(told["dose"], told["response"], name, interval="delta")
    free = [k for k, key in enumerate(form.names) if key not in dict(form.held)]
    se = np.sqrt(np.diag(fit.covariance))[free]
    assert (fit.residuals**2).sum() <= told["rss"] * (1 + 1e-8)
    assert fit.theta[free] == pytest.approx(told["theta"], abs=2e-3 * max(told["se"]), rel=1e-4)
    assert se == pytest.approx(told["se"], rel=5e-3)
