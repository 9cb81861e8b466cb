"""The real patients: what the data's own documentation and R survival 3.5-3 say of them."""

import polars as pl
import pytest

import sequela as sq
from sequela.report.content import Heading
from sequela.walk.agreement import agreement


def test_rows_and_patients(ovarian):
    assert ovarian.registry.rows_read == {
        "patients": 587,
        "follow_up": 670,
        "new_tumour": 521,
        "treatments": 2516,
    }
    assert ovarian.people.frame.height == 587
    assert ovarian.registry.treatments["patient"].n_unique() == 530


def test_deaths(ovarian):
    assert int(ovarian.registry.patients["@death?"].sum()) == 349


def test_overall_survival_is_that_of_r(ovarian):
    outcome = ovarian.outcomes["os"]
    assert (len(outcome.times), int(outcome.times.state.sum())) == (582, 348)
    assert outcome.unused == {
        "event without a date": 1,
        "no end recorded": 3,
        "no follow-up after the origin": 1,
    }
    curve = sq.kaplan_meier(outcome.times)
    median = curve.median()
    assert (median.value, median.lower, median.upper) == (1369, 1314, 1484)
    expected = {365: 0.90153452, 1096: 0.62483801, 1826: 0.33903014}
    for day, value in expected.items():
        assert curve.at(day).value == pytest.approx(value, abs=5e-9)


def test_median_follow_up_is_that_of_r(ovarian):
    from sequela.estimates.curves import reverse_kaplan_meier

    assert reverse_kaplan_meier(ovarian.outcomes["os"].times).median().value == 2143


def test_every_treatment_row_is_used_or_listed_with_its_reason(ovarian):
    rows = ovarian.registry.treatments.unique("row")
    assert rows.height == 2516
    reasons = dict(rows.filter(pl.col("unused").is_not_null()).group_by("unused").len().iter_rows())
    assert reasons["drug not recorded"] == 10
    assert reasons["drug not in the dictionary"] <= 10
    used = rows.filter(pl.col("unused").is_null())
    assert used.height + sum(reasons.values()) == 2516
    assert set(used["row"]) == set(ovarian.lines.placed["row"])


def test_rows_without_a_start(ovarian):
    """SOURCE.md: 2,364 of 2,516 rows have a numeric start."""
    assert ovarian.registry.treatments.unique("row")["start"].is_not_null().sum() == 2364


def test_attrition_adds_up(ovarian):
    for step in ovarian.steps:
        assert step.before == step.kept + step.failed + step.undecided
    assert [step.before for step in ovarian.steps[1:]] == [step.kept for step in ovarian.steps[:-1]]


def test_agreement_with_the_abstractors(ovarian):
    found = agreement(ovarian, Heading("a", "", "", ""))
    compared = sum(map(sum, found.counts))
    assert compared + sum(n for _, n in found.left_out) == 2516
    wrong = found.counts[0][1] + found.counts[1][0]
    assert len(found.disagreements) == wrong
    assert found.kappa.value > 0.85
    # Cohen's kappa by hand, from the counts.
    (a, b), (c, d) = found.counts
    n = a + b + c + d
    chance = ((a + b) * (a + c) + (c + d) * (b + d)) / n**2
    assert found.kappa.value == pytest.approx(((a + d) / n - chance) / (1 - chance), rel=1e-12)


def test_corrections(ovarian_run):
    """Overall survival: naive and corrected stand side by side; PFS of line 1 cannot be corrected, and it says so."""
    by_endpoint = {correction.endpoint: correction for correction in ovarian_run.corrections}
    survival = by_endpoint["Overall survival from diagnosis"]
    naive, delayed = survival.rows[0].hazard_ratio, survival.rows[1].hazard_ratio
    assert naive.value < delayed.value < 1
    first_line = by_endpoint["Progression-free survival, line 1"]
    assert first_line.rows[1].hazard_ratio is None
    assert "ends before it is observed" in first_line.rows[1].reason
