"""Corrections as analyses of a study file: what each kind prints, what is refused and why."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import sequela as sq
from sequela.core.errors import StudyError
from sequela.report.content_tables import House
from sequela.study.model import Study
from sequela.walk.analyses import analyse
from sequela.walk.path import walk
from tests.conftest import TODAY

HOUSE = House.of("plain", "month", None)
ARMS = 'groups = ["T → T-DM1", "P+T → T-DM1"]'


def extended(study: Study, analyses: str, tmp_path: Path) -> Path:
    """The study's files with further analyses."""
    text = Path(study.path).read_text("utf-8")
    place = text.index("[report]")
    beside = Path(study.path).parent
    for name in beside.iterdir():
        if name.is_dir() and name.name != "out":
            (tmp_path / name.name).symlink_to(name)
    path = tmp_path / "study.toml"
    path.write_text(text[:place] + analyses + "\n" + text[place:], "utf-8")
    return path


def one(kind: str, more: str, endpoint: str = "os") -> str:
    head = f'[[analyses]]\nid = "mine-{kind.replace("_", "-")}"\nkind = "{kind}"\ntitle = "Mine"\n'
    return head + f'endpoint = "{endpoint}"\n{more}\n\n'


ALL = "".join(
    [
        one(
            "weighted", ARMS + '\ncovariates = ["age", "ki67"]\nmethod = "att"\ntruncate = 0.01\nsamples = 20'
        ),
        one(
            "standardised",
            ARMS + '\ncovariates = ["age", "visceral"]\ntau = 36\nlandmarks = [24]\nsamples = 20',
        ),
        one("landmark", ARMS + '\nlandmarks = [24]\ncovariates = ["age"]'),
        one("imputed", ARMS + '\ncovariates = ["age", "ki67", "grade"]\nimputations = 3\niterations = 3'),
        one("tipping_point", ARMS + "\nimputations = 4\ndeltas = [1, 3, 10]"),
        one(
            "time_dependent",
            'population = "all"\nexposure = "line[2].start"\nlabel = "in line 2"\ncovariates = ["age"]',
        ),
    ]
)


@pytest.fixture(scope="module")
def mine(sepher_study, tmp_path_factory):
    study = sq.Study.read(extended(sepher_study, ALL, tmp_path_factory.mktemp("adjusting")))
    return walk(study, today=TODAY)


def content(walked, kind: str):
    return next(analyse(a, walked) for a in walked.study.analyses if a.id == f"mine-{kind}")


def test_weighted_says_who_is_left(mine):
    found = content(mine, "weighted")
    assert [row.label for row in found.rows] == [
        "Not weighted",
        "Weights of the treated, robust interval",
        "Weights of the treated, bootstrap interval",
    ]
    assert found.rows[1].hazard_ratio.value == found.rows[2].hazard_ratio.value
    assert found.rows[1].n < 371
    assert any("Left out for a missing covariate" in note for note in found.notes)
    assert any("Weights cut to" in note for note in found.notes)
    assert max(abs(row.after) for row in found.balance) < max(abs(row.before) for row in found.balance)
    assert found.rows[1].e_value.point > found.rows[1].e_value.limit


def test_standardised_prints_means_and_survival(mine):
    found = content(mine, "standardised")
    labels = [measure.label for measure in found.measures]
    assert labels[0] == "Restricted mean to 36 months: T → T-DM1"
    assert sum(label.startswith("Difference of survival at 24 months") for label in labels) == 1
    first, second, difference, ratio = (measure.estimates[0] for measure in found.measures[:4])
    assert difference.value == pytest.approx(second.value - first.value)
    assert ratio.value == pytest.approx(second.value / first.value)
    assert difference.lower < difference.value < difference.upper


def test_landmark_counts_everybody(mine):
    found = content(mine, "landmark")
    before, after = found.rows
    counts = [int(word) for word in found.notes[0].replace(",", "").split() if word.isdigit()]
    assert counts[0] == 24
    assert after.n + sum(counts[1:]) == before.n == 371
    assert counts[3] > 0  # T-DM1 not yet given after 24 months: no group yet


def test_imputed_stands_beside_complete_cases(mine):
    found = content(mine, "imputed")
    crude, complete, imputed = found.rows
    assert complete.n < imputed.n == crude.n == 371
    assert imputed.hazard_ratio.method.startswith("Cox, imputed (smcfcs); Rubin's rules, m = 3")
    assert any(note.startswith("Convergence: 3 chains of 3 iterations") for note in found.notes)
    assert all(len(measure.estimates) == 2 for measure in found.measures)


def test_tipping_point_draws_a_line(mine):
    found = content(mine, "tipping-point")
    assert [row.label for row in found.rows] == [f"Hazard after censoring times {d}" for d in (1, 3, 10)]
    assert found.tipping.group == "T → T-DM1"  # the group that does better
    values = [ratio.value for ratio in found.tipping.ratios]
    assert values == sorted(values, reverse=True)


def test_time_dependent_splits_rows(mine):
    found = content(mine, "time-dependent")
    assert found.groups == ("not in line 2", "in line 2")
    assert "became so under observation" in found.notes[0]
    assert all(row.n == 555 for row in found.rows)


def test_every_kind_becomes_tables_and_figures(mine):
    from sequela.report.adjusted import figures, tables

    for kind in ("weighted", "standardised", "landmark", "imputed", "tipping-point", "time-dependent"):
        made = content(mine, kind)
        assert all(table.rows for table in tables(made, HOUSE)), kind
        names = [figure.id for figure in figures(made, HOUSE)]
        assert len(names) == len(set(names)), kind
        wanted = {"weighted": 3, "time-dependent": 0}.get(kind, 1)
        assert len(names) >= wanted, kind


def test_a_covariate_from_the_future_is_not_adjusted_for(sepher_study, tmp_path):
    late = one("weighted", ARMS + '\ncovariates = ["age", "pfs1_length"]\nsamples = 0')
    walked = walk(sq.Study.read(extended(sepher_study, late, tmp_path)), today=TODAY)
    found = content(walked, "weighted")
    (row,) = found.rows
    assert row.hazard_ratio is None
    assert "`pfs1_length` is known only at the start of line 2" in row.reason
    assert "(GT003)" in row.reason
    faults = [finding for finding in sq.audit_design(walked.study) if finding.code == "GT003"]
    assert any("pfs1_length" in finding.found for finding in faults)


def test_positivity_that_fails_is_said(sepher):
    analysis = next(a for a in sepher.study.analyses if a.id == "os-iptw")
    found = analyse(analysis, sepher)
    crude, weighted = found.rows
    assert crude.hazard_ratio.value > 1.5
    assert weighted.hazard_ratio is None
    assert weighted.reason.startswith(
        "positivity fails: weighting leaves too few effective patients (T → T-DM1"
    )
    assert weighted.medians == ()


def test_characteristics_do_not_remove_immortal_time(sepher):
    analysis = next(a for a in sepher.study.analyses if a.id == "os-overlap")
    crude, robust, boot = analyse(analysis, sepher).rows
    assert robust.hazard_ratio.value == pytest.approx(crude.hazard_ratio.value, rel=0.1)
    assert robust.hazard_ratio.value == boot.hazard_ratio.value
    assert not math.isnan(boot.p)


@pytest.mark.parametrize(
    ("more", "code", "found"),
    [
        (one("weighted", ARMS + '\ncovariates = ["agee"]'), "S107", "agee"),
        (one("weighted", 'groups = ["T → T-DM1"]\ncovariates = ["age"]'), "S160", "T → T-DM1"),
        (one("weighted", ARMS + '\ncovariates = ["age"]\nmethod = "att"\ntarget = "X"'), "S107", "X"),
        (one("tipping_point", 'covariates = ["age"]'), "S160", "T → T-DM1"),
        (one("tipping_point", ARMS + "\ndeltas = [0.5, 2]"), "S161", "0.5, 2"),
        (one("time_dependent", 'exposure = "age"'), "S110", None),
        (one("tipping_point", ARMS + '\nof = "ki"'), "S107", "ki"),
    ],
)
def test_what_cannot_be_asked(sepher_study, tmp_path, more, code, found):
    with pytest.raises(StudyError) as refused:
        sq.Study.read(extended(sepher_study, more, tmp_path))
    (finding,) = [f for f in refused.value.findings if f.code == code]
    assert found is None or found in str(finding.found)
    assert finding.where.line is not None


def test_cox_contrasts_carry_e_values(sepher):
    found = analyse(next(a for a in sepher.study.analyses if a.id == "cox-os"), sepher)
    assert all((term.e_value is None) == term.reference for term in found.terms)
    assert all(term.e_value.point >= term.e_value.limit >= 1 for term in found.terms if term.e_value)


def test_love_plot_and_tipping_line_carry_their_numbers(mine):
    from sequela.report.figures import love, tipping

    balance = content(mine, "weighted").balance
    drawn = love(balance)
    assert sorted(map(abs, drawn.data["before"]), reverse=True) == [abs(v) for v in drawn.data["before"]]
    assert "Standardised differences" in drawn.alt
    line = tipping(content(mine, "tipping-point").tipping)
    assert line.data["departure"] == [1.0, 3.0, 10.0]
    assert np.isfinite(line.data["hazard_ratio"]).all()
