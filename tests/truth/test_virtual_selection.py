"""What the design alone produces: medians over runs of the null generator, in which no drug has an effect."""

from __future__ import annotations

import numpy as np
import pytest

from sequela.core.outcome import Times
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.virtual.selection import NullCohort, null_cohort


def fit(cohort: NullCohort, *, delayed: bool, with_entry: bool) -> tuple[float, bool]:
    """Hazard ratio of pertuzumab, and whether its Wald test is below 0.05."""
    arm = cohort.pertuzumab.astype(float)
    covariates = np.column_stack([arm, cohort.entry]) if with_entry else arm[:, None]
    times = Times(cohort.exit, cohort.death.astype(int), cohort.entry if delayed else None, unit="month")
    model = cox(times, covariates)
    return float(np.exp(model.coef[0])), abs(model.coef[0] / model.se[0]) > 1.959964


def medians(cohort: NullCohort) -> tuple[float, float]:
    """Median overall survival from diagnosis, naive and with pertuzumab; infinite when it is not reached."""
    times = Times(cohort.exit, cohort.death.astype(int), unit="month")
    curves = kaplan_meier(times, cohort.pertuzumab)
    naive, treated = (curves[arm].median() for arm in ("False", "True"))
    return tuple(np.inf if found.reason else float(found.value) for found in (naive, treated))


def runs(count: int) -> dict[str, np.ndarray]:
    """Medians of the hazard ratio and shares below 0.05, by analysis; medians of survival."""
    cohorts = [null_cohort(np.random.default_rng(seed)) for seed in range(count)]
    designs = {"naive": (False, False), "delayed": (True, False), "adjusted": (True, True)}
    out = {"survival": np.median([medians(c) for c in cohorts], axis=0)}
    entries = [[np.median(c.entry[c.pertuzumab == arm]) for arm in (False, True)] for c in cohorts]
    out["entry"] = np.median(entries, axis=0)
    for name, (delayed, with_entry) in designs.items():
        fits = np.array([fit(c, delayed=delayed, with_entry=with_entry) for c in cohorts])
        out[name] = np.array([np.median(fits[:, 0]), fits[:, 1].mean()])
    return out


def test_the_naive_contrast_comes_from_the_design() -> None:
    found = runs(20)
    assert found["naive"][0] == pytest.approx(1.95, abs=0.25)
    assert found["naive"][1] >= 0.8
    assert found["delayed"][0] == pytest.approx(1.15, abs=0.2)
    assert found["adjusted"][0] == pytest.approx(1.0, abs=0.2)
    assert found["adjusted"][1] <= 0.2


@pytest.mark.slow
def test_two_hundred_runs() -> None:
    found = runs(200)
    assert found["survival"] == pytest.approx([73.3, 53.7], rel=0.05)
    assert found["entry"] == pytest.approx([25.7, 8.8], rel=0.05)
    assert found["naive"] == pytest.approx([1.90, 0.95], abs=0.12)
    assert found["delayed"] == pytest.approx([1.14, 0.105], abs=0.06)
    assert found["adjusted"] == pytest.approx([1.01, 0.055], abs=0.05)


def test_inclusion() -> None:
    cohort = null_cohort(np.random.default_rng(4), 50, 40)
    assert cohort.pertuzumab.tolist() == [False] * 50 + [True] * 40
    assert (cohort.entry >= cohort.pfs1).all()
    assert (cohort.entry < cohort.exit).all()
    assert (cohort.diagnosed + cohort.entry / 12 >= 2013.8 - 1e-9).all()
    assert (cohort.diagnosed + cohort.exit / 12 <= 2019.0 + 1e-9).all()
    assert cohort.diagnosed[cohort.pertuzumab].min() >= 2014.0
    assert (cohort.pfs2 <= cohort.exit - cohort.entry).all()
