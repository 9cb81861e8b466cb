"""The multi-state process: what pertuzumab does in it, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from sequela.virtual import margins
from sequela.virtual.courses import (
    NO_EFFECT,
    PERTUZUMAB,
    TRASTUZUMAB,
    Calendar,
    Courses,
    Effects,
    Hazards,
    fill,
    simulate,
)
from sequela.virtual.selection import null_cohort

# With a data cut this late nobody is left out by the calendar, so rates can be read off as they are.
LATE = Calendar(first=2014.1, cut=2400.0)


def rate_ratios(effects: Effects) -> tuple[float, float, float]:
    """Pertuzumab against trastuzumab: rates of the three phases in courses that went straight to T-DM1."""
    courses = simulate(
        np.random.default_rng(5), 200_000, Hazards(frailty_variance=1e-4, effects=effects, lost=1e-9), LATE
    )
    straight = courses.line == 2
    treated, others = (
        straight & (courses.first_line == PERTUZUMAB),
        straight & (courses.first_line == TRASTUZUMAB),
    )
    later = courses.death - courses.t_dm1_end
    later[later == 0.0] = np.nan
    phases = (courses.progression - courses.start, courses.t_dm1_end - courses.t_dm1, later)
    first, t_dm1, after = (float(np.nanmean(phase[others]) / np.nanmean(phase[treated])) for phase in phases)
    return first, t_dm1, after


def test_null_takes_pertuzumab_out_of_every_hazard() -> None:
    assert rate_ratios(NO_EFFECT) == pytest.approx((1.0, 1.0, 1.0), abs=0.03)


def test_effects_are_hazard_ratios() -> None:
    assert rate_ratios(Effects(0.5, 1.5, 0.8)) == pytest.approx((0.5, 1.5, 0.8), rel=0.06)


def test_order_of_a_course() -> None:
    courses = simulate(np.random.default_rng(1), 20_000, Hazards())
    usual = courses.take(courses.line > 1)
    assert (usual.start < usual.progression).all()
    assert (usual.progression <= usual.bridge).all()
    assert (usual.bridge < usual.t_dm1).all()
    assert (courses.t_dm1 < courses.t_dm1_end).all()
    assert (courses.t_dm1_end <= courses.death).all()
    assert (courses.t_dm1 < courses.seen).all()
    assert (np.isfinite(usual.others).sum(axis=1) == usual.line - 2).all()


def test_fill_takes_the_first_drawn_of_each_cell() -> None:
    sizes = {12: 5, 32: 3}
    filled = fill(np.random.default_rng(2), sizes, Hazards(), Calendar())
    drawn = simulate(np.random.default_rng(2), 4000, Hazards(), Calendar())
    assert filled.cell.tolist() == [12] * 5 + [32] * 3
    assert filled.death[:5].tolist() == drawn.death[drawn.cell == 12][:5].tolist()


def test_no_pertuzumab_before_it_exists() -> None:
    courses: Courses = simulate(np.random.default_rng(3), 20_000, Hazards())
    assert courses.diagnosed[courses.first_line == PERTUZUMAB].min() >= 2014.0


def test_choose_refuses_what_cannot_be() -> None:
    stratum = np.array([0, 0, 1, 2, 3])
    with pytest.raises(ValueError, match="stratum 0 has 2 eligible patients, needs 3"):
        margins.choose(np.random.default_rng(0), stratum, (3, 0, 0, 0), np.ones(5, dtype=bool))


def test_lean_makes_later_levels_likelier() -> None:
    stratum = np.zeros(2000, dtype=np.int64)
    lean = np.random.default_rng(0).normal(size=2000)
    levels = margins.spread(
        np.random.default_rng(1), stratum, {"few": (1000, 0, 0, 0), "many": (1000, 0, 0, 0)}, lean
    )
    assert lean[levels == "many"].mean() - lean[levels == "few"].mean() > 0.8


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan")])
def test_frailty_variance_must_be_positive(variance: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        null_cohort(np.random.default_rng(0), frailty_variance=variance)
