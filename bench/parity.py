"""Largest relative difference from R survival and cmprsk, per estimator and data set.

    python -m bench.parity [--out docs/parity.md]

The analyses are those of the tests (`tests/truth/estimates_reference.R` and its replay), run live on data that R
ships. Coefficients are judged in units of their standard errors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from tests.truth.estimates_replay import differences, read, replay

ROOT = Path(__file__).resolve().parents[1]
DATA = ("lung", "ovarian", "pbc", "veteran", "colon")
FAMILIES = {
    "Kaplan-Meier: survival, at risk, log-scale error": ("km/", "km entry/"),
    "Kaplan-Meier with weights, model-based and robust error": ("km weighted/", "km robust/"),
    "Kaplan-Meier with delayed entry, weights, clusters: robust error": ("km robust entry/", "km cluster/"),
    "Nelson-Aalen, Fleming-Harrington": ("nelson-aalen/", "fleming-harrington/"),
    "pointwise limits: log, log-log, plain, logit, arcsine": ("lower ", "upper "),
    "quantiles and their limits, medians by group, follow-up": ("quantile ", "km by group", "follow-up"),
    "restricted mean and its error": ("rmst",),
    "log-rank, stratified, Peto, trend": ("log-rank/", "log-rank strata/", "peto", "trend"),
    "log-rank and trend with weights, clusters, delayed entry": (
        "log-rank weights",
        "log-rank cluster",
        "trend weights",
    ),
    "pairwise p: raw, Holm, Hochberg, BH, Bonferroni": ("pairwise",),
    "Cox, Efron": ("efron/",),
    "Cox, Breslow": ("breslow/",),
    "Cox, exact": ("exact/",),
    "Cox, delayed entry, strata, offset": ("entry/", "strata/", "offset/"),
    "Cox, clusters, weights, robust errors": ("cluster/", "weights"),
    "Cox, ridge": ("ridge/",),
    "of these: proportionality tests (km, rank, identity, log)": ("/zph",),
    "of these: residuals (martingale, deviance, score, dfbeta, Schoenfeld)": (
        "/martingale",
        "/deviance",
        "/score residuals",
        "/dfbeta",
        "/schoenfeld",
    ),
    "of these: concordance and its error": ("/concordance",),
    "baseline hazard, predicted curves and their errors": ("baseline", "predicted"),
    "Aalen-Johansen, jackknife error, delayed entry": ("aj",),
    "cumulative incidence, Aalen's variance (cmprsk)": ("cuminc",),
    "Gray's test, stratified (cmprsk)": ("gray",),
    "Fine-Gray (cmprsk)": ("fine-gray",),
    "Fine-Gray and Gray's test with weights and delayed entry": ("geskus",),
    "gamma frailty at a given variance": ("frailty",),
    "exponential, Weibull, log-normal, log-logistic": ("exponential", "weibull", "lognormal", "loglogistic"),
    "of these: quantiles and their errors, AIC, BIC": ("/quantiles", "/criteria"),
    "exact and Wilson intervals of a share": ("binomial",),
    "chi-square, Fisher, t, Mann-Whitney, Kruskal-Wallis, ANOVA": (
        "chi-square",
        "fisher",
        "t-test",
        "mann-whitney",
        "kruskal-wallis",
        "anova",
    ),
}


def compared(name: str) -> dict[str, float]:
    """Distance from R for every result on one data set."""
    with tempfile.TemporaryDirectory() as folder:
        results, data = Path(folder) / "r.json", Path(folder) / "data.csv"
        script = ROOT / "tests" / "truth" / "estimates_reference.R"
        subprocess.run(
            ["Rscript", str(script), name, str(results), str(data)], check=True, capture_output=True
        )
        text = json.loads(results.read_text())
        theirs = {k: np.array([np.nan if x is None else x for x in v], float) for k, v in text.items()}
        return differences(replay(read(data)), theirs)


def belongs(result: str, keys: tuple[str, ...]) -> bool:
    return any(key in result if key.startswith("/") else result.startswith(key) for key in keys)


def page(found: dict[str, dict[str, float]]) -> str:
    ask = (
        'cat(R.version$major, ".", R.version$minor, ", survival ", as.character(packageVersion("survival")), '
        '", cmprsk ", as.character(packageVersion("cmprsk")), sep = "")'
    )
    version = subprocess.run(["Rscript", "-e", ask], check=True, capture_output=True, text=True).stdout
    lines = [
        "# Parity with R",
        "",
        f"Largest relative difference from R {version}, on data that R ships; coefficients in units of their standard "
        "errors. Written by `python -m bench.parity`; the same comparison is a test.",
        "",
        "| | results compared | " + " | ".join(found) + " |",
        "|---|---:|" + "---:|" * len(found),
    ]
    for family, keys in FAMILIES.items():
        count = sum(belongs(result, keys) for result in next(iter(found.values())))
        worst = [
            max((x for r, x in each.items() if belongs(r, keys)), default=float("nan"))
            for each in found.values()
        ]
        lines.append(
            f"| {family} | {count} | " + " | ".join("–" if x != x else f"{x:.0e}" for x in worst) + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "parity.md")
    arguments = parser.parse_args()
    text = page({name: compared(name) for name in DATA})
    arguments.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
