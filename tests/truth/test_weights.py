"""Propensity scores, weights, balance, weighted models, E-values, Rubin's rules: R, published and hand-worked values."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from sequela.core.estimate import Estimate
from sequela.core.outcome import Times
from sequela.estimates.balance import balance
from sequela.estimates.landmark import landmarks, split_at, time_dependent
from sequela.estimates.pooling import degrees_of_freedom, pool
from sequela.estimates.sensitivity import e_value
from sequela.estimates.weighted import weighted
from sequela.estimates.weights import propensity, weigh
from tests.truth.estimates_replay import read

HERE = Path(__file__).parent
METHODS = ("iptw", "overlap", "matching", "att")


def ours() -> dict[str, np.ndarray]:
    d = read(HERE / "estimates_trial.csv")
    arm = (d["x2"] > 0).astype(int)
    X = np.column_stack([d["x1"], d["x3"]])
    score = propensity(arm, X)
    found = {"logistic/coef": score.coef[0], "logistic/score": score.probability[:, 1]}
    for late in (False, True):
        times = Times(d["time"], d["event"], d["entry"] if late else None)
        for method in METHODS:
            alone = weighted(times, arm, X, method)
            clustered = weighted(times, arm, X, method, cluster=d["cluster"])
            name = f"{method} entry" if late else method
            found[f"{method}/weights"] = alone.weights.values
            found[f"{name}/coef"] = alone.model.coef
            found[f"{name}/robust"] = alone.model.robust_se
            found[f"{name}/by cluster"] = clustered.model.robust_se
            if method == "iptw" and not late:
                found["weighted km/survival"] = np.concatenate([c.survival for c in alone.curves.values()])
                found["weighted km/se"] = np.concatenate([c.se for c in alone.curves.values()])
    found["multinomial/score"] = propensity(d["stratum"], X).probability.ravel()
    return found


def check(found: dict[str, np.ndarray], path: Path) -> None:
    theirs = {name: np.array(values, float) for name, values in json.loads(path.read_text()).items()}
    assert set(theirs) == set(found)
    for name, values in theirs.items():
        rough = name.startswith("multinomial")  # nnet climbs without second derivatives
        assert found[name] == pytest.approx(values, rel=2e-3 if rough else 1e-7, abs=1e-9, nan_ok=True), name


def test_weights_and_weighted_models_as_recorded_from_r():
    check(ours(), HERE / "weights_reference.json")


def test_weights_and_weighted_models_against_r_live(tmp_path):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    script, out = HERE / "weights_reference.R", tmp_path / "r.json"
    done = subprocess.run(
        ["Rscript", str(script), str(HERE / "estimates_trial.csv"), str(out)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("R has no survival or nnet")
    check(ours(), out)


def test_weighted_cox_against_lifelines():
    d = read(HERE / "estimates_trial.csv")
    arm = (d["x2"] > 0).astype(int)
    times = Times(
        d["time"] + np.arange(len(arm)) / 1000, d["event"]
    )  # no ties: Efron's weights differ between programs
    found = weighted(times, arm, np.column_stack([d["x1"], d["x3"]]), "overlap")
    frame = pd.DataFrame({"t": times.exit, "e": times.state, "arm": arm, "w": found.weights.values})
    theirs = CoxPHFitter().fit(frame, "t", "e", weights_col="w", robust=True)
    assert found.model.coef[0] == pytest.approx(theirs.params_["arm"], rel=1e-5)
    assert found.model.robust_se[0] == pytest.approx(theirs.standard_errors_["arm"], rel=1e-4)


def test_weights_by_hand():
    # 10 subjects, x = 0: 1 of 4 in B; x = 1: 4 of 6 in B; the saturated logistic model gives these shares.
    x = np.array([0] * 4 + [1] * 6)
    group = np.array(list("AAAB") + list("AABBBB"))
    score = propensity(group, x)
    assert score.probability[:, 1] == pytest.approx([0.25] * 4 + [2 / 3] * 6)
    stabilised = weigh(score, "iptw")
    assert stabilised.values[[0, 3, 4, 6]] == pytest.approx([0.5 / 0.75, 0.5 / 0.25, 0.5 * 3, 0.5 / (2 / 3)])
    assert stabilised.size == (5, 5)
    w = np.array([2 / 3, 2 / 3, 2 / 3, 1.5, 1.5])
    assert stabilised.effective[0] == pytest.approx(w.sum() ** 2 / (w**2).sum())
    overlap = weigh(score, "overlap").values  # e for A, 1 - e for B, mean 1 in each group
    assert overlap[4] / overlap[0] == pytest.approx((2 / 3) / 0.25)
    assert overlap[group == "B"].mean() == pytest.approx(1)
    treated = weigh(score, "att").values
    assert treated[group == "B"] == pytest.approx(np.ones(5))
    assert treated[4] / treated[0] == pytest.approx(2 / (1 / 3))
    cut = weigh(score, "iptw", truncate=0.25)
    assert cut.values.min() == pytest.approx(cut.limits[0])
    assert cut.values.max() == pytest.approx(cut.limits[1])
    assert (
        cut.cut == int(((stabilised.values < cut.limits[0]) | (stabilised.values > cut.limits[1])).sum()) > 0
    )


def test_balance_by_hand():
    codes = np.array([0, 0, 0, 1, 1, 1])
    x = np.array([1.0, 2, 3, 3, 4, 8])
    b = np.array([0.0, 0, 1, 1, 1, 0])
    w = np.array([1.0, 1, 2, 2, 1, 1])
    number, binary = balance(codes, {"x": x, "b": b}, w)
    pooled = np.sqrt((1 + 7) / 2)  # variances 1 and 7
    assert number.before == pytest.approx((5 - 2) / pooled)
    assert number.after == pytest.approx((18 / 4 - 9 / 4) / pooled)
    assert number.ratio_before == pytest.approx(7)
    low = (1 * (1 - 2.25) ** 2 + (2 - 2.25) ** 2 + 2 * (3 - 2.25) ** 2) / (4 - 6 / 4)
    high = (2 * (3 - 4.5) ** 2 + (4 - 4.5) ** 2 + (8 - 4.5) ** 2) / (4 - 6 / 4)
    assert number.ratio_after == pytest.approx(high / low)
    assert binary.before == pytest.approx((2 / 3 - 1 / 3) / np.sqrt(2 / 9))
    assert binary.after == pytest.approx((3 / 4 - 2 / 4) / np.sqrt(2 / 9))
    assert np.isnan(binary.ratio_before)


def test_e_values_as_published():
    # VanderWeele and Ding, Ann Intern Med 2017: risk ratio 3.9 (1.8 to 8.7) has E-values 7.26 and 3.0.
    found = e_value(Estimate("RR", 3.9, lower=1.8, upper=8.7), rare=True)
    assert found.point == pytest.approx(7.26, abs=0.005)
    assert found.limit == pytest.approx(3.0, abs=0.005)
    inverse = e_value(Estimate("RR", 1 / 3.9, lower=1 / 8.7, upper=1 / 1.8), rare=True)
    assert (inverse.point, inverse.limit) == (pytest.approx(found.point), pytest.approx(found.limit))


def test_e_values_of_common_outcomes_by_hand():
    # HR 1.89 -> RR (1 - 0.5^1.3748) / (1 - 0.5^0.7274) = 1.5508, E = 1.5508 + sqrt(1.5508 x 0.5508) = 2.475
    found = e_value(Estimate("HR", 1.89, lower=1.24, upper=2.89))
    assert found.point == pytest.approx(2.476, abs=0.002)
    assert found.limit == pytest.approx(1.593, abs=0.002)
    assert e_value(Estimate("HR", 1.2, lower=0.9, upper=1.6)).limit == 1
    assert e_value(Estimate("HR", 1.0, lower=0.9, upper=1.1)).point == 1
    assert np.isnan(e_value(Estimate("HR", np.nan, reason="no events")).point)


def test_rubins_rules_by_hand():
    # W = 0.04, B = var(0.1, 0.2, 0.3) = 0.01, T = 0.04 + 4/3 x 0.01 = 0.05333, lambda = 0.25
    found = pool("HR x", [(0.1, 0.2), (0.2, 0.2), (0.3, 0.2)], 50)
    assert found.value == pytest.approx(np.exp(0.2))
    assert found.se == pytest.approx(np.sqrt(0.04 + 0.04 / 3))
    old, seen = 2 / 0.25**2, 51 / 53 * 50 * 0.75
    assert degrees_of_freedom(3, 0.25, 50) == pytest.approx(1 / (1 / old + 1 / seen))
    assert degrees_of_freedom(3, 0.25, np.inf) == pytest.approx(old)
    assert degrees_of_freedom(3, 0.0, 50) == 50
    t = np.log(found.upper / found.value) / found.se
    assert t == pytest.approx(
        2.1009 + (2.1098 - 2.1009) * (18 - 1 / (1 / old + 1 / seen)), abs=0.01
    )  # t at 18 df


def test_split_at_by_hand():
    times = Times([10, 20, 30, 40, 50], [1, 0, 1, 1, 0], [0, 5, 0, 0, 0])
    split = split_at(times, [4, 5, np.nan, 40, 0])
    rows = sorted(
        zip(split.rows, split.times.entry, split.times.exit, split.times.state, split.exposed, strict=True)
    )
    assert rows == [
        (0, 0, 4, 0, False),
        (0, 4, 10, 1, True),
        (1, 5, 20, 0, True),  # exposed when observation starts
        (2, 0, 30, 1, False),
        (3, 0, 40, 1, False),  # exposure on the day of death was not lived through
        (4, 0, 50, 0, True),
    ]
    assert (split.switched, split.before) == (1, 2)


def test_landmark_by_hand():
    times = Times([3, 9, 12, 15, 20, 30], [1, 1, 0, 1, 1, 1], [0, 0, 0, 7, 0, 0])
    (found,) = landmarks(times, list("ABABAB"), [1, 2, 9, 2, 2, 2], [6])
    assert (found.over, found.unentered, found.unsettled) == (1, 1, 1)
    assert found.rows.tolist() == [1, 4, 5]
    assert found.times.exit.tolist() == [3, 14, 24]
    assert [found.levels[code] for code in found.codes] == ["B", "A", "B"]


STANFORD = """
suppressMessages(library(survival))
d <- jasa
d$wait <- as.numeric(d$tx.date - d$accept.dt)
d$wait[!is.na(d$wait) & d$wait == d$futime] <- d$wait[!is.na(d$wait) & d$wait == d$futime] - 0.5
d$futime <- pmax(d$futime, 0.5)
write.csv(d[, c("futime", "fustat", "wait", "age")], commandArgs(TRUE)[1], row.names = FALSE, na = "")
d$id <- seq_len(nrow(d))
base <- tmerge(d[, c("id", "age")], d, id = id, death = event(futime, fustat), tx = tdc(wait))
f <- coxph(Surv(tstart, tstop, death) ~ tx + age, base)
cat(sprintf("%.12f", c(coef(f), sqrt(diag(vcov(f))))), sep = "\\n")
"""


def test_time_dependent_treatment_against_r_live(tmp_path):
    """Stanford heart transplants: ours cuts the rows itself, R does it with tmerge."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    script, data = tmp_path / "jasa.R", tmp_path / "jasa.csv"
    script.write_text(STANFORD)
    done = subprocess.run(["Rscript", str(script), str(data)], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("R has no survival")
    theirs = [float(line) for line in done.stdout.split()]
    d = pd.read_csv(data)
    _, model = time_dependent(Times(d["futime"], d["fustat"]), d["wait"], d[["age"]], ["age"], "transplant")
    assert [*model.coef, *model.se] == pytest.approx(theirs, rel=1e-6)
