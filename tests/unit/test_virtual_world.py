"""The invented world: rates by occurrence over exposure, lives that follow them, regimens that know nothing of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sequela.virtual.templates import Templates, choose, stretched
from sequela.virtual.world import (
    DEATH,
    EDGES,
    LINES,
    NEXT,
    SEASON,
    Spells,
    average,
    first_guess,
    live,
    refit,
    reweighed,
    seen,
)


def spells(rows):
    patient, line, start, length, ended = (np.array(column) for column in zip(*rows, strict=True))
    return Spells(patient, line, start.astype(float), length.astype(float), ended)


def test_occurrence_and_exposure_by_hand():
    """Line 1 of 100 days ended by line 2; line 2 of 400 days ended by death; another line 1 of 50 days, censored."""
    found = seen(spells([(0, 1, 0, 100, NEXT), (0, 2, 100, 400, DEATH), (1, 1, 10, 50, 0)]), 0.0, 3)
    assert found.next_days[0].tolist() == [91 + 50, 9, 0, 0, 0]
    assert found.next_events[0].tolist() == [0, 1, 0, 0, 0]
    assert found.next_days[1].tolist() == [91, 92, 182, 35, 0]
    assert found.death_events.tolist() == [0, 1, 0, 0] and found.death_days.tolist() == [150, 400, 0, 0]
    assert found.season_days[0].tolist() == [150, 0, 0]
    assert found.season_days[1] == pytest.approx([SEASON - 100, SEASON, 500 - 2 * SEASON])
    assert found.season_events[0].tolist() == [1, 0, 0]


def twin(lives, first, seasons):
    """Occurrence and exposure, one day at a time."""
    days, events = np.zeros((LINES, len(EDGES))), np.zeros((LINES, len(EDGES)))
    for line, length, ended in zip(lives.line, lives.length, lives.ended, strict=True):
        k = min(line, LINES) - 1
        for day in range(int(length)):
            days[k, sum(day >= edge for edge in EDGES) - 1] += 1
        if ended == NEXT:
            events[k, sum(length >= edge for edge in EDGES) - 1] += 1
    return days, events


def test_occurrence_and_exposure_as_the_slow_twin():
    rng = np.random.default_rng(3)
    lives = Spells(
        np.arange(60),
        rng.integers(1, 7, 60),
        rng.integers(0, 900, 60).astype(float),
        rng.integers(1, 1500, 60).astype(float),
        rng.integers(0, 3, 60),
    )
    found = seen(lives, 0.0, 5)
    days, events = twin(lives, 0.0, 5)
    assert np.array_equal(found.next_days, days) and np.array_equal(found.next_events, events)
    assert found.season_days.sum() == pytest.approx(lives.length.sum())


def world_of(rate, death, frailty=0.0, patients=1, lines=1):
    observed = seen(spells([(0, 1, 0, 100, NEXT), (0, 2, 100, 400, DEATH)]), 0.0, 1)
    base = first_guess(observed, 0.0, patients, lines, frailty)
    return replace(base, next_rate=np.full_like(base.next_rate, rate), death_rate=np.full(LINES, death))


def test_lives_follow_the_rates():
    lives = live(
        world_of(1 / 200, 1 / 600), 4000, np.zeros(1), 1e9, np.random.default_rng(1), np.full(1, np.inf)
    )
    found = seen(lives.spells, 0.0, 1)
    assert found.next_events.sum() / found.next_days.sum() == pytest.approx(1 / 200, rel=0.05)
    assert found.death_events.sum() / found.death_days.sum() == pytest.approx(1 / 600, rel=0.06)
    assert np.isfinite(lives.death).all()


def test_frailty_makes_lines_of_one_patient_alike():
    def pair(frailty):
        lives = live(
            world_of(1 / 200, 1e-9, frailty),
            4000,
            np.zeros(1),
            8000.0,
            np.random.default_rng(1),
            np.full(1, np.inf),
        )
        lengths = np.full((2, 4000), np.nan)
        for place in (0, 1):
            mine = lives.spells.line == place + 1
            lengths[place, lives.spells.patient[mine]] = lives.spells.length[mine]
        both = lengths[:, ~np.isnan(lengths[1])]
        return np.corrcoef(np.log(both + 1))[0, 1]

    assert abs(pair(0.0)) < 0.05 < 0.15 < pair(1.0)


def test_who_has_no_line_dies_as_in_the_file():
    lives = live(
        world_of(0.01, 0.01), 5, np.full(1, np.nan), 900.0, np.random.default_rng(1), np.full(1, 321.0)
    )
    assert lives.spells.line.size == 0 and (lives.death == 321.0).all()


def test_refit_moves_a_rate_toward_what_the_selected_must_show():
    observed = seen(spells([(p, 1, 0, 100, NEXT) for p in range(200)]), 0.0, 1)
    slow = seen(spells([(p, 1, 0, 180, NEXT) for p in range(200)]), 0.0, 1)
    base = first_guess(observed, 0.0, 200, 200, 0.0)
    assert refit(base, observed, observed, 1.0).next_rate == pytest.approx(base.next_rate)
    faster = refit(base, observed, slow, 1.0).next_rate[0, 1] / base.next_rate[0, 1]
    days_in_piece = (200 * 89) / (200 * 9)
    assert faster == pytest.approx(np.sqrt(days_in_piece), rel=0.15) or faster == 2.0


def test_weights_move_toward_the_kinds_wanted():
    moved = reweighed(np.ones(4), np.array([0, 0, 1, 1]), np.array([30.0, 10.0]), np.array([20.0, 20.0]))
    assert moved.sum() == pytest.approx(4)
    assert moved[0] / moved[2] == pytest.approx(np.sqrt((31 / 21) / (11 / 21)))


def test_the_average_of_equal_worlds_is_the_world():
    base = world_of(1 / 200, 1 / 600)
    mean = average([base, base])
    assert mean.next_rate == pytest.approx(base.next_rate) and mean.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("offset", "old", "new", "tail", "placed"),
    [
        (10, 400, 800, True, 10),  # drugs of the regimen keep their distance from the start
        (390, 400, 800, True, 790),  # the progression keeps its distance from the end
        (390, 400, 800, False, 390),  # a drug started late does not move: no gap is stretched
        (200, 400, 800, True, 200),
        (400, 400, 200, True, 200),  # a shorter line: all of it fits
        (45, 400, 200, True, 45),
        (222.5, 400, 222.5, True, 45 + 177.5 * 177.5 / 355),
        (40, 80, 20, True, 10),  # a line shorter than the window shrinks as a whole
    ],
)
def test_offsets_in_a_line_of_another_length(offset, old, new, tail, placed):
    found = stretched(np.array([float(offset)]), np.array([float(old)]), np.array([float(new)]), tail=tail)
    assert found[0] == pytest.approx(placed)


def test_regimens_know_the_calendar_and_nothing_of_the_length():
    """Agent 1 was first given on day 1000; before, nobody gets it; after, half do, in long and in short lines alike."""
    rng = np.random.default_rng(5)
    start = np.sort(rng.uniform(0, 2000, 400))
    given = np.where((start >= 1000) & (rng.random(400) < 0.5), 1, 0)
    lines = Spells(np.arange(400), np.ones(400, int), start, rng.exponential(300, 400), np.full(400, NEXT))
    first = np.where(given == 1, start[given == 1].min(), -np.inf)
    templates = Templates(lines, given, np.zeros(400, int), first)
    starts = np.sort(rng.uniform(0, 2000, 3000))
    lived = Spells(
        np.arange(3000), np.ones(3000, int), starts, rng.exponential(300, 3000), np.full(3000, NEXT)
    )
    chosen = choose(templates, lived, np.ones(400), rng)
    got = given[chosen] == 1
    assert not got[starts < start[given == 1].min()].any()
    late = starts > 1100
    assert got[late].mean() == pytest.approx(0.5, abs=0.08)
    long = lived.length > np.median(lived.length)
    assert got[late & long].mean() == pytest.approx(got[late & ~long].mean(), abs=0.06)


def test_weights_of_lines_are_obeyed():
    lines = Spells(np.arange(2), np.ones(2, int), np.zeros(2), np.full(2, 100.0), np.full(2, NEXT))
    templates = Templates(lines, np.array([0, 1]), np.zeros(2, int), np.full(2, -np.inf))
    lived = Spells(
        np.arange(2000), np.ones(2000, int), np.zeros(2000), np.full(2000, 90.0), np.full(2000, NEXT)
    )
    chosen = choose(templates, lived, np.array([3.0, 1.0]), np.random.default_rng(1))
    assert (chosen == 1).mean() == pytest.approx(0.25, abs=0.04)
