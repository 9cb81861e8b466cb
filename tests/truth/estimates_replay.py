"""The same analyses as `estimates_reference.R`, by Sequela: {name: numbers} to be compared with R's."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sequela.core.outcome import Times
from sequela.estimates.comparisons import (
    anova,
    binomial_interval,
    chi_square,
    fisher,
    kruskal_wallis,
    mann_whitney,
    t_test,
)
from sequela.estimates.competing import aalen_johansen
from sequela.estimates.cox import cox
from sequela.estimates.curves import fleming_harrington, kaplan_meier, nelson_aalen, reverse_kaplan_meier
from sequela.estimates.finegray import fine_gray
from sequela.estimates.frailty import frailty
from sequela.estimates.gray import gray
from sequela.estimates.groupwise import pairwise, trend_test
from sequela.estimates.parametric import parametric
from sequela.estimates.penalised import ridge
from sequela.estimates.tests import log_rank

if TYPE_CHECKING:
    from pathlib import Path

INTERVALS = ("log", "log-log", "plain", "logit", "arcsin")


@dataclass(frozen=True)
class Data:
    """Columns of one data set, and the outcomes made from them."""

    column: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.column[name]

    def times(self, entry: bool = False, weighted: bool = False, cause: bool = False) -> Times:
        state = self["cause"] if cause else self["event"]
        return Times(
            self["time"], state, self["entry"] if entry else None, self["weight"] if weighted else None
        )

    def x(self, *names: str) -> dict[str, np.ndarray]:
        return {name: self[name] for name in names or ("x1", "x2", "x3")}


def read(path: Path) -> Data:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return Data({name: np.array([float(row[name]) for row in rows]) for name in rows[0]})


def curves(d: Data, found: dict) -> None:
    plain, late = d.times(), d.times(entry=True)
    whole = {
        "km": kaplan_meier(plain),
        "km entry": kaplan_meier(late),
        "km weighted": kaplan_meier(d.times(weighted=True), robust=False),
        "km robust": kaplan_meier(d.times(weighted=True), robust=True),
        "km robust entry": kaplan_meier(d.times(entry=True, weighted=True), robust=True),
        "km cluster": kaplan_meier(d.times(entry=True, weighted=True), cluster=d["cluster"]),
        "nelson-aalen": nelson_aalen(late),
        "fleming-harrington": fleming_harrington(late),
    }
    for name, curve in whole.items():
        found |= {
            f"{name}/{part}": getattr(curve, part)
            for part in ("time", "at_risk", "survival", "hazard", "hazard_se")
        }
        found[f"{name}/log_se"] = np.where(curve.survival > 0, np.sqrt(curve.variance), np.nan)
    for kind in INTERVALS:
        curve = kaplan_meier(late, interval=kind)
        inner = (curve.survival < 1) & (curve.survival > 0)
        found[f"lower {kind}"], found[f"upper {kind}"] = curve.lower[inner], curve.upper[inner]
        quantiles = [curve.quantile(q) for q in (0.1, 0.25, 0.5, 0.75)]
        found[f"quantile {kind}"] = [q.value for q in quantiles]
        found[f"quantile lower {kind}"] = [q.lower for q in quantiles]
        found[f"quantile upper {kind}"] = [q.upper for q in quantiles]
    found["km by group/median"] = [c.median().value for c in kaplan_meier(plain, d["group"]).values()]
    rmst = kaplan_meier(plain).rmst(float(np.quantile(d["time"], 0.6, method="inverted_cdf")))
    found["rmst"] = [rmst.value, rmst.se]
    follow_up = reverse_kaplan_meier(plain).median()
    found["follow-up"] = [follow_up.value, follow_up.lower]


def tests(d: Data, found: dict) -> None:
    times, group = d.times(), d["group"]
    for name, test in {
        "log-rank": log_rank(times, group),
        "peto": log_rank(times, group, rho=1),
        "log-rank strata": log_rank(times, group, strata=d["stratum"]),
    }.items():
        found |= {f"{name}/chisq": test.statistic, f"{name}/expected": test.expected, f"{name}/p": test.p}
    found["trend"] = trend_test(times, group).statistic
    both, weighted = d.times(entry=True, weighted=True), d.times(weighted=True)
    found["log-rank weights"] = log_rank(both, group, strata=d["stratum"]).statistic
    found["log-rank cluster"] = log_rank(weighted, group, cluster=d["cluster"]).statistic
    found["trend weights"] = trend_test(both, group, cluster=d["cluster"]).statistic
    if len(np.unique(group)) > 2:
        rules = {
            "": "none",
            " holm": "holm",
            " hochberg": "hochberg",
            " BH": "bh",
            " bonferroni": "bonferroni",
        }
        for name, rule in rules.items():
            found[f"pairwise{name}"] = [test.p for test in pairwise(times, group, rule).values()]


def model(name: str, fitted, found: dict, detail: bool = False) -> None:
    found |= {f"{name}/coef": fitted.coef, f"{name}/se": fitted.se, f"{name}/loglik": fitted.log_likelihood}
    found[f"{name}/score"] = fitted.tests["score"].statistic
    found[f"{name}/wald"] = fitted.tests["wald"].statistic
    if fitted.robust_se is not None:
        found[f"{name}/robust_se"] = fitted.robust_se
        found[f"{name}/robust_score"] = fitted.tests["robust_score"].statistic
    found[f"{name}/criteria"] = [fitted.aic, fitted.bic]
    c = fitted.concordance()
    found[f"{name}/concordance"] = [c.value, c.se]
    if not detail:
        return
    for kind in ("martingale", "deviance", "dfbeta", "schoenfeld"):
        found[f"{name}/{kind}"] = fitted.residuals(kind).T.ravel()
    found[f"{name}/score residuals"] = fitted.residuals("score").T.ravel()
    for transform in ("km", "rank", "identity", "log"):
        checks = fitted.check_proportionality(transform).tests.values()
        found[f"{name}/zph {transform}"] = [test.statistic for test in checks]


def regression(d: Data, found: dict) -> None:
    plain, late, X, w = d.times(), d.times(entry=True), d.x(), d["weight"]
    model("efron", cox(plain, X), found, True)
    model("breslow", cox(plain, X, ties="breslow"), found, True)
    model("exact", cox(plain, d.x("x1", "x2"), ties="exact"), found)
    model("entry", cox(late, X), found, True)
    model("strata", cox(late, d.x("x1", "x3"), strata=d["stratum"]), found, True)
    model("cluster", cox(plain, X, cluster=d["cluster"]), found)
    model("weights", cox(plain, X, weights=w, robust=False), found, True)
    model("weights robust", cox(late, X, weights=w), found)
    model("offset", cox(plain, d.x("x1", "x3"), offset=0.3 * d["x2"]), found)
    penalised = ridge(plain, X, 2)
    found |= {"ridge/coef": penalised.coef, "ridge/loglik": penalised.log_likelihood[1]}
    for ties in ("efron", "breslow"):
        fitted = cox(late, X, ties=ties)
        found[f"baseline {ties}"] = fitted.baseline().hazard
        mean = {"x1": d["x1"].mean(), "x3": d["x3"].mean()}
        both = [fitted.predict({**mean, "x2": value}) for value in (0.0, 1.0)]
        found[f"predicted {ties}"] = np.concatenate([curve.survival for curve in both])
        found[f"predicted se {ties}"] = np.concatenate([np.sqrt(curve.variance) for curve in both])


def competing(d: Data, found: dict) -> None:
    plain = d.times(cause=True)
    at = np.quantile(d["time"], [0.25, 0.5, 0.75], method="inverted_cdf")
    for name, times in (("aj", plain), ("aj entry", d.times(entry=True, cause=True))):
        points = [[curve.at(t) for t in at] for curve in aalen_johansen(times).values()]
        found[name] = [[point.value for point in row] for row in points]
        found[f"{name} se"] = [[point.se for point in row] for row in points]
    points = [[curve.at(t) for t in at] for curve in aalen_johansen(plain, variance="aalen").values()]
    found["cuminc"] = [[point.value for point in row] for row in points]
    found["cuminc variance"] = [[point.se**2 for point in row] for row in points]
    found["gray"] = [gray(plain, d["group"], cause=k).statistic for k in (1, 2)]
    found["gray strata"] = [gray(plain, d["group"], cause=k, strata=d["stratum"]).statistic for k in (1, 2)]
    fitted = fine_gray(plain, d.x())
    found |= {"fine-gray/coef": fitted.coef, "fine-gray/se": fitted.robust_se}
    found["fine-gray/loglik"] = fitted.log_likelihood[1]
    for name, entry in (("geskus weights", False), ("geskus entry", True)):
        times = d.times(entry=entry, weighted=True, cause=True)
        fitted = fine_gray(times, d.x("x1", "x2"))
        found |= {f"{name}/coef": fitted.coef, f"{name}/se": fitted.se, f"{name}/robust_se": fitted.robust_se}
        found[f"{name}/gray"] = gray(times, d["group"]).statistic


def models(d: Data, found: dict) -> None:
    plain, X = d.times(), d.x("x1", "x2")
    for name in ("exponential", "weibull", "lognormal", "loglogistic"):
        fitted = parametric(plain, X, name)
        errors = fitted.se if name == "exponential" else np.sqrt(np.diag(fitted.covariance))
        found |= {f"{name}/coef": fitted.coef, f"{name}/se": errors, f"{name}/scale": fitted.scale}
        found[f"{name}/loglik"] = fitted.log_likelihood
        found[f"{name}/criteria"] = [fitted.aic, fitted.bic]
        points = [fitted.quantile(q, [d["x1"].mean(), 1.0]) for q in (0.25, 0.5)]
        found[f"{name}/quantiles"] = [np.log(point.value) for point in points] + [
            point.se for point in points
        ]
    shared = frailty(plain, X, d["cluster"], theta=0.5)
    found |= {"frailty/coef": shared.coef, "frailty/se": shared.se, "frailty/effects": shared.effects}
    found["frailty/loglik"] = shared.log_likelihood[1]


def compare(d: Data, found: dict) -> None:
    levels = np.unique(d["group"])
    table = [[np.sum((d["group"] == g) & (d["event"] == e)) for e in (0, 1)] for g in levels]
    one, two = d["x1"][d["event"] == 0], d["x1"][d["event"] == 1]
    found["chi-square"], found["fisher"] = chi_square(table).statistic, fisher(table).p
    shares = [
        binomial_interval(int(d["event"].sum()), len(d["event"]), method=m) for m in ("exact", "wilson")
    ]
    found["binomial"] = [[share.lower, share.upper] for share in shares]
    welch, student, ranks = (
        t_test(one, two),
        t_test(one, two, equal_variance=True),
        mann_whitney(one, two, exact=False),
    )
    found["t-test"] = [welch.statistic, welch.p, student.p]
    found["mann-whitney"] = [ranks.statistic, ranks.p]
    found["kruskal-wallis"] = kruskal_wallis(d["x1"], d["group"]).statistic
    found["anova"] = anova(d["x1"], d["group"]).statistic


def replay(d: Data) -> dict[str, np.ndarray]:
    found: dict = {}
    for part in (curves, tests, regression, competing, models, compare):
        part(d, found)
    return {name: np.asarray(value, float).ravel() for name, value in found.items()}


def difference(name: str, ours: np.ndarray, theirs: np.ndarray, scale: np.ndarray | None = None) -> float:
    """Largest relative difference; both must be missing at the same places. Small values against the largest."""
    if ours.shape != theirs.shape:
        raise AssertionError(f"{name}: {ours.shape} numbers, R has {theirs.shape}")
    ours = np.where(np.isfinite(ours), ours, np.nan)
    if (np.isnan(ours) != np.isnan(theirs)).any():
        raise AssertionError(f"{name}: missing at other places than in R")
    known = ~np.isnan(theirs)
    if not known.any():
        return 0.0
    floor = np.abs(theirs[known]).max() * 1e-3 if len(theirs) > 8 else 0.0
    scale = np.maximum(np.abs(theirs[known]), max(floor, 1e-300)) if scale is None else scale[known]
    return float((np.abs(ours - theirs)[known] / scale).max())


def differences(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> dict[str, float]:
    """Largest difference per result; coefficients are judged in standard errors."""
    result = {}
    for name, value in ours.items():
        scale = theirs.get(name.replace("/coef", "/se")) if name.endswith("/coef") else None
        scale = None if scale is None else scale[: len(value)]
        result[name] = difference(name, value, theirs[name], scale)
    return result


__all__ = ["Data", "differences", "read", "replay"]
