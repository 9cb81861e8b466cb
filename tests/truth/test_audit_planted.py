"""Simulated comparisons: one that is clean, the same with one fault planted, and the null world of the selection."""

import numpy as np
import pytest

from sequela.audit import calendar as on_calendar
from sequela.audit import centres, followup, missing, models, truncation
from sequela.audit.data import Agent, CalendarTime, Clock, Variable
from sequela.virtual.selection import Setting, null_cohort

N = 400
RUNS = 12


def clean(rng, rate=(0.03, 0.03)):
    """Two arms allotted by a coin over nine years, followed from the start; arm B may have another hazard."""
    arm = rng.integers(0, 2, N)
    origin = rng.uniform(2008, 2017, N)
    life, limit = rng.exponential(1 / np.array(rate)[arm]), 12 * (2019 - origin)
    clock = Clock("OS", ("A", "B"), arm, np.minimum(life, limit), life < limit, np.zeros(N))
    return clock, CalendarTime(origin, 2019.0, None, Agent("drug B", 2008.0))


def replaced(clock, **fields):
    values = {name: getattr(clock, name) for name in Clock.__slots__} | fields
    return Clock(**values)


def with_late_entry(rng):
    """The place in the comparison is settled after a wait that is longer in arm A."""
    clock, calendar = clean(rng)
    wait = rng.exponential(np.where(clock.arm == 0, 15, 4))
    seen = wait < clock.exit
    return replaced(clock, settled=wait).take(seen), calendar.take(seen)


def with_dependent_entry(rng):
    """Who enters late lives longer after entry."""
    entry = rng.exponential(12, N)
    exits = entry + rng.exponential(8 + 1.5 * entry)
    return Clock("OS", ("A", "B"), rng.integers(0, 2, N), exits, np.ones(N, bool), entry), None


def with_calendar(rng):
    """Arm B exists only from 2013, and was then given to nearly all."""
    clock, calendar = clean(rng)
    arm = ((calendar.origin > 2013) & (rng.random(N) < 0.9)).astype(int)
    return replaced(clock, arm=arm), CalendarTime(
        calendar.origin, 2019.0, Agent("line 2", 2013.0), Agent("B", 2013.0)
    )


def with_short_follow_up(rng):
    clock, calendar = clean(rng)
    limit = np.where(clock.arm == 1, 15, 200)
    return replaced(
        clock, exit=np.minimum(clock.exit, limit), event=clock.event & (clock.exit < limit)
    ), calendar


def with_other_ends(rng):
    clock, calendar = clean(rng)
    toxic = rng.random(N) < np.where(clock.arm == 1, 0.25, 0.05)
    return replaced(clock, end=np.where(toxic, "toxicity", "progression")), calendar


def with_changing_hazards(rng):
    clock, calendar = clean(rng)
    life = np.where(clock.arm == 1, 24 * rng.weibull(3, N), rng.exponential(24, N))
    return replaced(clock, exit=life, event=np.ones(N, bool)), calendar


def centre_of(rng, clock, *, by_arm):
    return np.array(
        [f"c{k}" for k in (clock.arm * 10 + rng.integers(0, 10, N) if by_arm else rng.integers(0, 20, N))]
    )


def lost(rng, share):
    values = rng.normal(60, 10, N)
    values[rng.random(N) < share] = np.nan
    return values


def designs(rng, *, alias=False, lean=False, chosen=False):
    a = rng.integers(0, 2, N).astype(float)
    columns = [("a", a), ("b", 1 - a if alias else rng.normal(size=N)), ("c", rng.normal(size=N))]
    return [models.Design("m", tuple(columns), 12 if lean else 200, N, N, chosen)]


CHECKS = {
    "immortal time": (clean, with_late_entry, lambda c, k: truncation.immortal_time(c)),
    "missing deaths": (None, with_late_entry, lambda c, k: truncation.missing_deaths(c)),
    "dependent entry": (None, with_dependent_entry, lambda c, k: truncation.dependence(c)),
    "windows": (clean, with_calendar, lambda c, k: truncation.entry_windows(replaced(c, settled=c.exit / 2), k)),
    "availability": (clean, with_calendar, lambda c, k: on_calendar.availability(c, k)),
    "preference": (clean, with_calendar, lambda c, k: on_calendar.preference(c, k, [])),
    "common period": (clean, with_calendar, lambda c, k: on_calendar.common_period(c, k)),
    "follow-up": (None, with_short_follow_up, lambda c, k: followup.follow_up(c, k)),
    "medians": (clean, with_short_follow_up, lambda c, k: followup.maturity([c])),
    "ends": (None, with_other_ends, lambda c, k: followup.ends([c])),
    "hazards": (None, with_changing_hazards, lambda c, k: models.proportionality([c])),
}  # fmt: skip
CLEAN = [name for name, (make, _, _) in CHECKS.items() if make]
PLANTED = list(CHECKS)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name):
    _, make, check = CHECKS[name]
    found = [check(*make(np.random.default_rng(seed))).verdict for seed in range(RUNS)]
    assert sum(verdict in ("warn", "fail") for verdict in found) >= RUNS - 1, found


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_comparison_passes(name):
    make, _, check = CHECKS[name]
    found = [check(*make(np.random.default_rng(seed))).verdict for seed in range(RUNS)]
    assert found == ["pass"] * RUNS


def test_tests_at_five_per_cent_seldom_warn_of_a_clean_comparison():
    verdicts = []
    for seed in range(40):
        clock, calendar = clean(np.random.default_rng(seed))
        verdicts.append(models.proportionality([clock]).verdict)
        verdicts.append(followup.follow_up(clock, calendar).verdict)
    # 80 tests at 5%: 4 expected, 12 is 4 standard errors.
    assert sum(verdict != "pass" for verdict in verdicts) <= 12


def test_centres_missing_values_and_models():
    rng = np.random.default_rng(11)
    clock, _ = clean(rng)
    assert centres.clustering(clock, centre_of(rng, clock, by_arm=False)).verdict == "pass"
    assert centres.clustering(clock, centre_of(rng, clock, by_arm=True)).verdict == "warn"
    assert centres.clustering(clock, np.full(N, "")).verdict == "not applicable"
    assert missing.missingness(clock, [Variable("age", lost(rng, 0.0))]).verdict == "pass"
    assert (
        missing.missingness(clock, [Variable("age", lost(rng, np.where(clock.arm == 1, 0.2, 0.01)))]).verdict
        == "warn"
    )
    assert models.aliasing(designs(rng)).verdict == "pass"
    assert models.aliasing(designs(rng, alias=True)).verdict == "fail"
    assert models.events_per_coefficient(designs(rng)).verdict == "pass"
    assert models.events_per_coefficient(designs(rng, lean=True)).verdict == "fail"
    assert models.chosen_by_p(designs(rng, chosen=True)).verdict == "warn"
    assert models.small_groups(["a", "b"], [200, 11], [90, 1]).verdict == "warn"


def test_first_lines_that_all_end():
    rng = np.random.default_rng(12)
    clock, _ = clean(rng)
    assert truncation.all_failed([clock]).verdict == "pass"
    assert truncation.all_failed([replaced(clock, event=np.ones(N, bool))]).verdict == "fail"
    assert truncation.all_failed([]).verdict == "not applicable"


def test_progression_filled_in_from_the_drug_record():
    assert followup.dated_at_line_end("PFS", [3, 4], [100, 90]).verdict == "pass"
    assert followup.dated_at_line_end("PFS", [60, 50], [100, 90]).verdict == "warn"


@pytest.fixture(scope="module")
def null_world():
    """Median figures over 20 null cohorts in which pertuzumab changes nothing and only selection acts."""
    setting, rows = Setting(), []
    for seed in range(20):
        drawn = null_cohort(np.random.default_rng(seed), frailty_variance=0.3)
        arm = drawn.pertuzumab.astype(int)
        clock = Clock("OS", ("T", "P+T"), arm, drawn.exit, drawn.death, drawn.entry, "T-DM1")
        calendar = CalendarTime(
            drawn.diagnosed,
            setting.cut,
            Agent("T-DM1", setting.t_dm1),
            Agent("pertuzumab", setting.pertuzumab),
        )
        windows = truncation.windows(clock, calendar)
        available = on_calendar.availability(clock, calendar)
        left = on_calendar.common_period(clock, calendar)
        rows.append({
            "naive immortal": truncation.immortal_share(clock.of(0)),
            "P immortal": truncation.immortal_share(clock.of(1)),
            "naive expected": truncation.expected_deaths(clock.of(0)),
            "P expected": truncation.expected_deaths(clock.of(1)),
            "tau": truncation.conditional_tau(clock)[0],
            "slope": np.log(truncation.dependence(clock).figures[3].values[0]),
            "naive opens": np.median(windows[arm == 0, 0]),
            "naive closes": np.median(windows[arm == 0, 1]),
            "P closes": np.median(windows[arm == 1, 1]),
            "overlap": truncation.overlap(windows[arm == 0], windows[arm == 1]),
            "before": available.figures[0].values[0],
            "smd": available.figures[2].values[0],
            "auc": available.figures[3].values[0],
            "left": left.figures[0].values[0],
            "closed": left.verdict == "fail",
        })  # fmt: skip
    return {name: np.median([row[name] for row in rows]) for name in rows[0]}


def test_the_null_world_shows_its_selection(null_world):
    """Reference: an independent program for the same kind of world, 200 runs (its constants differ a little)."""
    expected = {
        "naive immortal": (0.46, 0.04), "P immortal": (0.34, 0.07), "naive expected": (85, 25), "P expected": (23, 8),
        "tau": (0.21, 0.05), "slope": (-0.026, 0.005), "naive opens": (16.6, 4), "naive closes": (79.0, 4),
        "P closes": (37.2, 3), "overlap": (0.28, 0.03), "before": (0.87, 0.03), "smd": (2.1, 0.15),
        "auc": (0.93, 0.02), "left": (25, 5),
    }  # fmt: skip
    for name, (value, tolerance) in expected.items():
        assert null_world[name] == pytest.approx(value, abs=tolerance), name
    assert null_world["closed"] == 1


def test_a_small_study_is_not_closed_by_the_calendar():
    """Thirty a side from the same years: few, but nothing that the calendar took away."""
    rng = np.random.default_rng(13)
    clock, calendar = clean(rng)
    few = np.concatenate([np.flatnonzero(clock.arm == k)[:30] for k in (0, 1)])
    assert on_calendar.common_period(clock.take(few), calendar.take(few)).verdict == "warn"
