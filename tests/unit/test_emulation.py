"""Target trials of the two demos: what is printed, and what is refused."""

from __future__ import annotations

import math

import pytest

from sequela.audit.design import audit_design, time_zero
from sequela.report.content import Emulated
from sequela.report.content_tables import House
from sequela.report.content_trials import emulated, emulated_curves
from sequela.study.model import TargetTrial
from sequela.walk.analyses import analyse


def trial_of(walk, **changes):
    analysis = next(one for one in walk.study.analyses if isinstance(one, TargetTrial))
    content = analyse(analysis.model_copy(update=changes), walk)
    assert isinstance(content, Emulated)
    return content


@pytest.fixture(scope="module")
def platinum(ovarian):
    return trial_of(ovarian, samples=20)


def test_platinum_from_line_one(platinum):
    trial = platinum.trial
    assert [arm.n for arm in trial.arms] == [408, 408]
    assert dict(platinum.unused)["a covariate is missing"] == 44
    assert sum(n for _, n in platinum.unused) + 408 == 456  # everybody is counted
    assert trial.hazard_ratios[0].value == pytest.approx(0.765, abs=0.002)
    assert [arm.survival.value for arm in trial.arms] == pytest.approx([0.3126, 0.4202], abs=0.002)
    assert trial.differences[0].value == pytest.approx(0.1076, abs=0.002)
    assert trial.hazard_ratios[0].lower < trial.hazard_ratios[0].value < trial.hazard_ratios[0].upper < 1


def test_every_departure_is_a_second_line_of_the_other_kind(ovarian, platinum):
    """Clones that depart, counted again from the table of patients: those who had such a second line while followed."""
    frame = ovarian.people.frame.join(
        ovarian.outcomes["os_line1"].table.select("patient", "unused", "exit"), on="patient"
    )
    frame = frame.filter(frame["unused"].is_null() & frame["patient"].is_in(list(ovarian.steps[2].patients)))
    frame = frame.drop_nulls(["age", "stage", "residual"])
    second = frame.filter((frame["start[2]"] < frame["exit"]).fill_null(value=False))
    with_platinum = (second["agents[2]"] & ovarian.people.mask("platinum")) != 0
    assert [arm.departed for arm in platinum.trial.arms] == [
        int(with_platinum.sum()),
        int((~with_platinum).sum()),
    ]


def test_table_and_figure(ovarian_study, platinum):
    house = House.of(ovarian_study.report.style, ovarian_study.report.time_unit, None)
    table = emulated(platinum, house)
    assert [row.label for row in table.rows] == [
        "Second line without platinum",
        "Second line with platinum",
        "Difference, Second line with platinum",
    ]
    assert any("cut at the 99% quantile" in note for note in table.notes)
    figure = emulated_curves(platinum, house)
    assert "Survival under" in figure.alt or "survival" in figure.alt.lower()


def test_sephers_trial_is_refused_in_plain_words(sepher):
    found = trial_of(sepher)
    assert found.trial.reason is not None and "are not in these data" in found.trial.reason
    table = emulated(found, House.of("plain", "month", "Simulated patients"))
    assert any(note.startswith("This trial cannot be emulated") for note in table.notes)
    assert all(math.isnan(ratio.value) for ratio in found.trial.hazard_ratios)


def test_nested_trials_on_request(ovarian):
    rule = next(one for one in ovarian.study.analyses if isinstance(one, TargetTrial)).strategies[1]
    source = rule.never[0].model_copy(update={"where": None})
    start = rule.model_copy(update={"start": source, "never": ()})
    first = next(one for one in ovarian.study.analyses if isinstance(one, TargetTrial)).strategies[0]
    found = trial_of(ovarian, strategies=(first, start), nested=True, samples=0)
    assert found.nested is not None and found.nested.trials > 10
    assert "nested trials" in emulated(found, House.of("plain", "month", None)).rows[-1].label


def test_strategies_settled_late_are_faults_of_the_design(ovarian_study):
    """A strategy told apart by the second line, at time zero of the first, is immortal time again."""
    place = next(i for i, one in enumerate(ovarian_study.analyses) if isinstance(one, TargetTrial))
    trial = ovarian_study.analyses[place]
    assert not next(clock for clock in time_zero(ovarian_study) if clock.analysis == trial.id).faults
    group = ovarian_study.sequences.groups[1]
    late = trial.strategies[1].model_copy(update={"where": group.where})
    changed = trial.model_copy(update={"strategies": (trial.strategies[0], late), "variables": ("interval",)})
    analyses = (*ovarian_study.analyses[:place], changed, *ovarian_study.analyses[place + 1 :])
    study = ovarian_study.model_copy(update={"analyses": analyses})
    clock = next(clock for clock in time_zero(study) if clock.analysis == trial.id)
    assert {fault.code for fault in clock.faults} == {"GT002", "GT003"}
    assert any(f.where.field == "endpoints.os_line1" or "os_line1" in str(f) for f in audit_design(study))
