"""The small data set of docs/conventions.md: our side of the table, and the programs that are installed."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from sequela.core.outcome import Times
from sequela.estimates.competing import aalen_johansen
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier

TIME, EVENT = [1, 2, 2, 4, 5, 5, 6, 8], [1, 1, 1, 1, 1, 0, 0, 1]
X = np.array([1, 1, 0, 0, 1, 0, 1, 0.0])
ENTRY, WEIGHT = [0, 0, 0, 2, 0, 2, 0, 4], [1, 2, 1, 1.5, 1, 1, 0.5, 1]
TIMES = Times(TIME, EVENT)


def test_medians() -> None:
    assert kaplan_meier(TIMES).median().value == 4.5
    assert kaplan_meier(TIMES).median().lower == 2
    assert kaplan_meier(TIMES, convention="spss").median().value == 4
    assert kaplan_meier(TIMES, convention="spss").median().upper == pytest.approx(8.16, abs=5e-3)


@pytest.mark.parametrize(
    ("interval", "low", "high"), [("log", 0.25, 1.0), ("log-log", 0.152, 0.775), ("plain", 0.154, 0.846)]
)
def test_intervals(interval: str, low: float, high: float) -> None:
    found = kaplan_meier(TIMES, interval=interval).at(4)
    assert (found.lower, found.upper) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))


def test_entry_and_restricted_mean() -> None:
    assert kaplan_meier(Times(TIME, EVENT, ENTRY)).at_risk[1] == 4
    area = kaplan_meier(TIMES).rmst(5)
    assert (area.value, area.se) == (pytest.approx(3.625), pytest.approx(0.5572673))


@pytest.mark.parametrize(("ties", "coef"), [("efron", 0.614458), ("breslow", 0.604448), ("exact", 0.649940)])
def test_ties(ties: str, coef: float) -> None:
    assert cox(TIMES, X, ties=ties).coef[0] == pytest.approx(coef, abs=1e-6)


def test_weights_and_variances() -> None:
    model = cox(TIMES, X, weights=WEIGHT)
    assert model.se[0] == pytest.approx(0.8138506, abs=1e-7)
    assert model.robust_se is not None and model.robust_se[0] == pytest.approx(0.6819099, abs=1e-7)
    causes = Times(TIME, [1, 2, 1, 1, 2, 0, 0, 1])
    assert aalen_johansen(causes)[1].at(4).se == pytest.approx(0.1711633, abs=1e-7)
    assert aalen_johansen(causes, variance="aalen")[1].at(4).se == pytest.approx(0.1849917, abs=1e-7)


def test_lifelines_differs_where_the_page_says_so() -> None:
    lifelines = importlib.import_module("lifelines")
    fitter = lifelines.KaplanMeierFitter
    assert fitter().fit(TIME, EVENT).median_survival_time_ == 5
    assert fitter().fit(TIME, EVENT, entry=ENTRY).event_table.at_risk[2] == 6
    assert len(fitter().fit([0.1 + 0.2, 0.3, 0.5], [1, 1, 0]).event_table) == 4  # with the row at 0


def test_scikit_survival_uses_breslow() -> None:
    module = pytest.importorskip("sksurv.linear_model", reason="scikit-survival is in the bench group")
    y = np.array(list(zip(np.array(EVENT) > 0, TIME, strict=True)), dtype=[("event", "?"), ("time", "<f8")])
    assert module.CoxPHSurvivalAnalysis().fit(X[:, None], y).coef_[0] == pytest.approx(0.604448, abs=1e-6)
