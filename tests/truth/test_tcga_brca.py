"""Derived lines against the abstractors' labels of TCGA-BRCA: planned sequences need progressions to be read."""

from pathlib import Path

import pytest

import sequela as sq
from sequela.clinic.rules import read_rules
from sequela.walk.analyses import analyse
from sequela.walk.path import read_sources, walk_from
from tests.conftest import TODAY

HERE = Path(__file__).parent / "tcga_brca"


@pytest.fixture(scope="module")
def study():
    return sq.Study.read(HERE)


@pytest.fixture(scope="module")
def tables(study):
    return read_sources(study, lambda _: None)


def agreement(study, tables, mode):
    rules = read_rules("generic-28-120")
    rules = rules.model_copy(update={"progression": rules.progression.model_copy(update={"mode": mode})})
    return analyse(study.analyses[0], walk_from(study, tables, rules, today=TODAY, check=False))


def test_a_new_drug_alone_splits_planned_sequences(study, tables):
    """Anthracyclines, then a taxane, were planned as one adjuvant treatment: 272 rows become a later line."""
    found = agreement(study, tables, "drug")
    assert found.labels == ("first line", "later line")
    assert found.counts == ((718, 272), (14, 21))
    assert found.kappa.value == pytest.approx(0.071, abs=5e-4)


def test_a_new_drug_with_a_progression_agrees_with_the_charts(study, tables):
    """98.1 % of 1,025 labelled rows; most of the rest are later rows whose recurrence has no date."""
    found = agreement(study, tables, "and")
    assert found.counts == ((988, 2), (17, 18))
    assert found.kappa.value == pytest.approx(0.65, abs=5e-3)


def test_without_dated_recurrences_mode_pd_misses_later_lines(study, tables):
    assert agreement(study, tables, "pd").counts == ((990, 0), (28, 7))
