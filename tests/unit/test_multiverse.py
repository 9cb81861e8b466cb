"""Rule sets side by side: the own one changes nothing, others are counted, and the range is said."""

import pytest

import sequela as sq
from sequela.clinic.rules import read_rules
from sequela.core.errors import StudyError
from sequela.walk.multiverse import (
    around,
    differences,
    grid,
    multiverse,
    multiverse_table,
    specification_curve,
)
from sequela.walk.path import read_sources, walk_from
from tests.conftest import NOW, TODAY


def test_own_rules_come_first_and_change_nothing(ovarian_study, ovarian):
    first, *others = multiverse(ovarian_study, TODAY)
    assert (first.label, first.changed, first.moved) == ("gap 90, window 28", 0, 0)
    assert first.patients == len(ovarian.cohort)
    assert len(others) == 15
    assert any(universe.changed for universe in others)


def test_a_larger_gap_never_makes_more_lines(ovarian_study):
    tables = read_sources(ovarian_study, lambda _: None)
    counts = [
        walk_from(ovarian_study, tables, rules, today=TODAY).lines.sequences.table.height
        for _, rules in grid(read_rules("ovarian"), gaps=(30, 60, 90, 120, 180), windows=(28,))[1:]
    ]
    assert counts == sorted(counts, reverse=True)


def lasting(days):
    """The ovarian rules, a treatment without an end taken for so many days."""
    rules = read_rules("ovarian")
    return rules.model_copy(update={"record": rules.record.model_copy(update={"fallback_days": days})})


@pytest.mark.parametrize(
    "rules", [read_rules("generic-28-120"), lasting(90)], ids=["other rules", "other records"]
)
def test_changed_patients_are_those_of_the_list(ovarian_study, rules):
    pair = [("own", read_rules("ovarian")), ("other", rules)]
    _, other = multiverse(ovarian_study, TODAY, pair)
    tables = read_sources(ovarian_study, lambda _: None)
    old, new = (walk_from(ovarian_study, tables, rules, today=TODAY) for _, rules in pair)
    assert len(differences(new, old)) == other.changed > 0
    assert differences(old, old) == []


def test_table_and_curve(ovarian_study):
    universes = multiverse(ovarian_study, TODAY)
    table = multiverse_table(ovarian_study, universes, None)
    assert len(table.rows) == 16
    assert any("hazard ratio from" in note for note in table.notes)
    figure = specification_curve(ovarian_study, universes, "os-line2", None)
    assert len(next(iter(figure.data.values()))) == 16


def test_a_study_without_a_contrast_is_refused(ovarian_study):
    alone = ovarian_study.model_copy(update={"analyses": ovarian_study.analyses[:1]})
    with pytest.raises(StudyError, match="S118"):
        multiverse(alone, TODAY)


def test_other_choices_one_at_a_time(ovarian_study, sepher_study):
    labels = [label for label, _ in around(ovarian_study)]
    assert labels[16:] == [
        "progression mode and",
        "progression mode or",
        "progression mode pd",
        "the same regimen after a pause: same line",
        "companions alone: a line of their own",
        "swaps within 30 days of a toxicity: same line",
        "new drugs for 2 cycles",
    ]
    assert [label for label, _ in around(sepher_study)][-5:] == [
        "additions: same line",
        "the same regimen after a pause: same line",
        "companions alone: a line of their own",
        "swaps within 30 days of a toxicity: same line",
        "new drugs for 2 cycles",
    ]
    rules = dict(around(ovarian_study))
    assert rules["progression mode pd"].progression.mode == "pd"
    assert rules["progression mode pd"].gap.days == rules["gap 90, window 28"].gap.days


def test_the_report_holds_them_where_asked(ovarian_study, tmp_path):
    asked = ovarian_study.report.model_copy(update={"multiverse": True})
    result = sq.run(ovarian_study.model_copy(update={"report": asked}), tmp_path / "out", now=NOW)
    table = result.tables["multiverse"]
    assert len(table.rows) == 23 and any("hazard ratio from" in note for note in table.notes)
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "Does the answer survive the rules of lines?" in page
    assert (tmp_path / "out" / "figures" / "multiverse-os-line2.svg").is_file()
