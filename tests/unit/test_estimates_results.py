"""Every public result says itself: a sentence, HTML, rich, a frame, and the method that made it.

The walk finds the classes in the modules; a new class is either shown here or named as a working part.
"""

from __future__ import annotations

import dataclasses
import io
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

import sequela.estimates
from sequela.core.estimate import Curve, Estimate, Model, Test
from sequela.core.outcome import Times
from sequela.estimates.adjusted import adjusted_difference
from sequela.estimates.bands import band
from sequela.estimates.competing import aalen_johansen
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.finegray import fine_gray
from sequela.estimates.frailty import frailty
from sequela.estimates.gray import gray
from sequela.estimates.parametric import parametric
from sequela.estimates.penalised import firth
from sequela.estimates.selection import select
from sequela.estimates.splines import royston_parmar
from sequela.estimates.states import occupation
from sequela.estimates.tests import log_rank
from sequela.estimates.turnbull import turnbull

# what kernels hand to each other, and inputs: no results
PARTS = {
    "Baseline", "Carriers", "Chain", "Covariate", "Evaluated", "Labels", "Law", "Members", "Optimum", "Problem",
    "RiskSets", "RiskTable", "Scalars", "Score", "SmoothModel", "Spoken", "Step", "Subdistribution", "TieSums",
    "Timeline",
}  # fmt: skip
# results of causal methods: rows of Estimates with their weights, shown by the report's corrections
BUNDLES = {
    "Arm", "Balanced", "Clones", "Compared", "Contrast", "EValue", "Enrolled", "Heterogeneity", "Imputed", "Landmark", "Logistic",
    "NestedTrials", "Paired", "Propensity", "Split", "Standardised", "Strategy", "TargetTrial", "Tipping", "Weighted", "Weights",
}  # fmt: skip


def classes() -> Iterator[type]:
    for found in pkgutil.iter_modules(sequela.estimates.__path__):
        if found.ispkg:
            continue  # dose-response has tests of its own
        module = import_module(f"sequela.estimates.{found.name}")
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_"):
                yield value


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    x, age = rng.integers(0, 2, 120).astype(float), rng.normal(size=120)
    times = Times(rng.integers(1, 40, 120), rng.integers(0, 2, 120), weights=None, unit="month")
    causes = Times(times.exit, times.state * (1 + (age > 0)), unit="month")
    columns = {"arm": x, "age": age}
    model = cox(times, columns, cluster=np.arange(120) // 3)
    curve = kaplan_meier(times)
    ids = np.arange(120)
    target = ["dead" if s else None for s in times.state]
    left = np.floor(times.exit / 5) * 5
    return {
        "Estimate": curve.median(),
        "Test": log_rank(times, x),
        "Curve": curve,
        "RobustCurve": kaplan_meier(times, robust=True),
        "PredictedCurve": model.predict(columns | {"arm": 1.0, "age": 0.0}),
        "CoxModel": model,
        "Model": fine_gray(causes, columns),
        "FirthModel": firth(times, columns),
        "FrailtyModel": frailty(times, columns, ids // 10),
        "ParametricModel": parametric(times, columns),
        "SplineModel": royston_parmar(times, columns),
        "Proportionality": model.check_proportionality(),
        "Band": band(curve),
        "Incidence": aalen_johansen(causes)[1],
        "Occupation": occupation(np.zeros(120), times.exit, ["alive"] * 120, target, ids=ids, unit="month"),
        "Turnbull": turnbull(
            left, np.where(times.state > 0, left + 5, np.inf), rng=rng, samples=20, unit="month"
        ),
        "Selection": select(times, columns, rng, 5, entry=1.0),
        "gray": gray(causes, x),
        "adjusted": adjusted_difference(model, [[0.0, 0.0]], [[1.0, 0.0]], 20)["difference"],
    }


def test_every_class_is_shown_or_is_a_part(results: dict[str, Any]) -> None:
    shown = {type(value).__name__ for value in results.values()}
    found = {value.__name__ for value in classes()}
    assert found - PARTS - BUNDLES - shown == set()
    assert (PARTS | BUNDLES) - found == set(), "listed, but not there"


NAMES = [
    "Estimate", "Test", "Curve", "RobustCurve", "PredictedCurve", "CoxModel", "Model", "FirthModel", "FrailtyModel",
    "ParametricModel", "SplineModel", "Proportionality", "Band", "Incidence", "Occupation", "Turnbull", "Selection",
    "gray", "adjusted",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_result_says_itself(results: dict[str, Any], name: str) -> None:
    result = results[name]
    assert set(NAMES) == set(results)
    said = str(result)
    assert re.search(r"\d", said), said
    assert " at 0x" not in said and "array(" not in said and not re.search(r"\bnan\b", said), said
    page = result._repr_html_()
    assert re.fullmatch(r"<(p|pre)>.*</\1>", page, re.S) and "array(" not in page
    stream = io.StringIO()
    Console(file=stream, width=400).print(result)
    printed = stream.getvalue()
    assert re.search(r"\d", printed) and "array(" not in printed and "dataclass" not in printed
    frame = result.frame()
    assert isinstance(frame, pl.DataFrame) and frame.height > 0
    assert result.method and isinstance(result.method, str)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_frozen(results: dict[str, Any], name: str) -> None:
    result = results[name]
    assert dataclasses.is_dataclass(result)
    field = dataclasses.fields(result)[0].name
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        setattr(result, field, None)


def test_what_sentences_say(results: dict[str, Any]) -> None:
    assert str(results["Occupation"]).startswith(
        "Aalen-Johansen, jackknife variance: n 120, months in each state to"
    )
    assert str(results["Selection"]).startswith(
        "univariate Cox models, those with p <= 1 together, repeated in 5"
    )
    assert "bootstrap of 20 samples" in str(results["Turnbull"])
    assert str(results["Band"]).startswith("95% hall-wellner band from")
    assert isinstance(results["Curve"], Curve) and isinstance(results["Estimate"], Estimate)
    assert isinstance(results["Model"], Model) and isinstance(results["Test"], Test)
