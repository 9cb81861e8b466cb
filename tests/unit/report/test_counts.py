"""Numbers below a curve, against counting patients one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sequela.core.outcome import Times
from sequela.estimates.curves import kaplan_meier
from sequela.report.figures.counts import is_delayed, risk_counts

days = hnp.arrays(int, st.integers(1, 40), elements=st.integers(0, 30))
ticks = st.lists(st.integers(0, 35), min_size=1, max_size=8)


@given(days, st.integers(0, 2**32 - 1), ticks)
def test_at_risk_censored_and_events_add_up_to_n_at_every_tick(
    exits: np.ndarray, seed: int, at: list[int]
) -> None:
    state = np.random.default_rng(seed).integers(0, 2, len(exits))
    curve = kaplan_meier(Times(exits, state))
    counts = risk_counts(curve, at)
    assert not is_delayed(curve)
    assert (counts.at_risk + counts.censored + counts.events == len(exits)).all()
    assert counts.at_risk.tolist() == [int((exits >= tick).sum()) for tick in at]
    assert counts.events.tolist() == [int(((exits < tick) & (state == 1)).sum()) for tick in at]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), ticks)
def test_with_delayed_entry_those_are_at_risk_who_have_entered_and_not_left(
    seed: int, n: int, at: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 10, n)
    exits = entry + rng.integers(1, 20, n)
    curve = kaplan_meier(Times(exits, rng.integers(0, 2, n), entry=entry))
    counts = risk_counts(curve, at, entry)
    by_hand = [int((((entry < tick) | (entry == 0)) & (exits >= tick)).sum()) for tick in at]
    assert counts.at_risk.tolist() == by_hand


def test_numbers_at_risk_rise_with_delayed_entry() -> None:
    entry, exits = np.array([0, 0, 5, 5, 5]), np.array([3, 20, 9, 20, 20])
    curve = kaplan_meier(Times(exits, np.array([1, 0, 1, 0, 0]), entry=entry))
    assert is_delayed(curve)
    assert risk_counts(curve, [0, 4, 6, 10], entry).at_risk.tolist() == [2, 1, 4, 3]


def test_without_entry_times_the_next_exit_tells_the_number_at_risk() -> None:
    entry, exits = np.array([0, 0, 5]), np.array([3, 20, 20])
    curve = kaplan_meier(Times(exits, np.array([1, 0, 0]), entry=entry))
    assert risk_counts(curve, [0, 4, 21]).at_risk.tolist() == pytest.approx([2, 2, 0])
