"""Target trials: clones and weights by hand, slow twins, a world without and one with an effect."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sequela.core.errors import UsageError
from sequela.core.outcome import Times
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.nestedtrials import enrol, nested_trials
from sequela.estimates.targettrial import Strategy, _survival, earlier, person_intervals, target_trial

INF = np.inf


def strategy(n, name="s", *, due=INF, start=INF, forbidden=INF, forbids=True, eligible=True):
    full = [np.broadcast_to(np.asarray(value), (n,)).copy() for value in (eligible, due, start, forbidden)]
    return Strategy(name, full[0], *(column.astype(float) for column in full[1:]), forbids)


def test_clones_by_hand():
    """Intervals of 10 days. Patient 0 dies on day 25; 1 starts on day 12; 2 has to start by day 18 and does not."""
    times = Times([25, 40, 35], [1, 0, 1], unit="day")
    wait = person_intervals(times, strategy(3, forbidden=[INF, 12, INF]), 10.0)
    assert wait.patient.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert wait.exit.tolist() == [10, 20, 25, 10, 20, 10, 20, 30, 35]
    assert wait.event.tolist() == [False, False, True, False, False, False, False, False, True]
    assert np.flatnonzero(wait.departed).tolist() == [
        4
    ]  # followed to the end of the interval in which it departs
    assert wait.at_risk.all()

    act = person_intervals(times, strategy(3, due=[INF, 30, 18], start=[INF, 12, INF], forbids=False), 10.0)
    assert np.bincount(act.patient).tolist() == [3, 4, 2]
    assert np.flatnonzero(act.departed).tolist() == [8]
    # Only patient 2 stands at a deadline without having started; patient 1 started before the interval of hers.
    assert np.flatnonzero(act.deadline).tolist() == [8] == np.flatnonzero(act.at_risk).tolist()


def test_a_death_before_the_deadline_says_nothing_of_the_chance_to_meet_it():
    clones = person_intervals(Times([15], [1]), strategy(1, due=18, forbids=False), 10.0)
    assert not clones.deadline.any() and clones.event.tolist() == [False, True]


def test_weights_count_from_the_next_interval():
    clones = person_intervals(Times([30, 20], [0, 1]), strategy(2), 10.0)
    ratio = np.array([2.0, 3.0, 5.0, 7.0, 11.0])
    assert earlier(ratio, clones.interval).tolist() == pytest.approx([1, 2, 6, 1, 7])


def slow_survival(clones, w, marks, tau):
    """Weighted Kaplan-Meier, one event time after the other."""
    survival, last, mean = 1.0, 0.0, 0.0
    steps = [(0.0, 1.0)]
    for t in sorted({x for x, e in zip(clones.exit, clones.event, strict=True) if e and x <= tau}):
        risk = sum(wi for wi, a, b in zip(w, clones.entry, clones.exit, strict=True) if a < t <= b)
        dead = sum(wi for wi, b, e in zip(w, clones.exit, clones.event, strict=True) if e and b == t)
        mean += (t - last) * survival
        survival *= 1 - dead / risk
        steps.append((t, survival))
        last = t
    mean += (tau - last) * survival
    heights = [next(s for t, s in reversed(steps) if t <= mark) for mark in marks]
    return np.array(heights), mean


def test_weighted_survival_as_the_slow_twin():
    rng = np.random.default_rng(2)
    for _ in range(5):
        times = Times(rng.integers(1, 200, 50), rng.integers(0, 2, 50))
        clones = person_intervals(times, strategy(50, forbidden=rng.integers(1, 300, 50)), 17.0)
        w = rng.uniform(0.2, 4, clones.patient.size)
        marks = np.arange(10.0, 150, 20)
        found, twin = _survival(clones, w, marks, 150.0), slow_survival(clones, w, marks, 150.0)
        assert found[0] == pytest.approx(twin[0], rel=1e-12) and found[1] == pytest.approx(twin[1], rel=1e-12)


def test_without_departures_it_is_kaplan_meier_and_cox():
    """Two strategies told apart at time zero, and nothing to depart from: an ordinary comparison."""
    rng = np.random.default_rng(4)
    arm = rng.random(200) < 0.5
    times = Times(np.ceil(rng.exponential(np.where(arm, 300, 500))), rng.random(200) < 0.8, unit="day")
    pair = [strategy(200, "a", eligible=~arm, forbids=False), strategy(200, "b", eligible=arm, forbids=False)]
    found = target_trial(times, pair, rng=rng, samples=0, tau=400.0)
    curves = kaplan_meier(times, np.where(arm, "b", "a"))
    for one in found.arms:
        assert one.survival.value == pytest.approx(curves[one.name].at(400).value, rel=1e-10)
        assert one.restricted.value == pytest.approx(curves[one.name].rmst(400).value, rel=1e-10)
    plain = cox(times, {"b": arm.astype(float)}, ties="breslow")
    assert math.log(found.hazard_ratios[0].value) == pytest.approx(plain.coef[0], rel=1e-6)
    assert math.isnan(found.hazard_ratios[0].lower)


def world(rng, n, effect=1.0):
    """Patients progress, some then start a treatment; prognosis hastens progression, start and death.

    Death has the rate exp(L/2)/2000 a day, exp(L/2)/600 after progression, times `effect` after the start.
    """
    L = rng.normal(size=n)
    progression = rng.exponential(300 * np.exp(-0.4 * L))
    start = np.where(rng.random(n) < 0.4, INF, progression + rng.exponential(60 * np.exp(0.5 * L)))
    return (L, progression, start, *lived(rng, L, progression, start, effect))


def lived(rng, L, progression, start, effect):
    early, late, e = np.exp(L / 2) / 2000, np.exp(L / 2) / 600, rng.exponential(size=L.size)
    left = e - early * progression
    before = late * (np.minimum(start, 1e9) - progression)
    death = np.where(
        left < 0,
        e / early,
        np.where(left < before, progression + left / late, start + (left - before) / (late * effect)),
    )
    cut = rng.uniform(900, 2000, L.size)
    return np.ceil(np.minimum(death, cut)), death <= cut


def trial_of(rng, n, effect=1.0, samples=0):
    L, progression, start, exits, dead = world(rng, n, effect)
    start, progression = (np.where(moment < exits, moment, INF) for moment in (start, progression))
    pair = [
        strategy(n, "never start", forbidden=start),
        strategy(n, "start within 60 days of progression", due=progression + 60, start=start, forbids=False),
    ]
    times = Times(exits, dead.astype(int), unit="day")
    found = target_trial(
        times, pair, {"L": L}, rng=rng, changes={"progression": progression}, samples=samples, tau=1000.0,
        truncation=1.0,
    )  # fmt: skip
    naive = cox(times, {"started": np.isfinite(start).astype(float)}).coef[0]
    return found, naive, (times, start, progression, L)


def test_no_immortal_time_where_the_naive_comparison_finds_an_effect():
    found, naive, _ = trial_of(np.random.default_rng(11), 12_000)
    assert naive < -0.3  # those who started had to live until then
    assert found.arms[0].survival.value == pytest.approx(0.30, abs=0.02)
    assert found.arms[1].survival.value == pytest.approx(0.30, abs=0.025)
    assert abs(math.log(found.hazard_ratios[0].value)) < 0.1


def test_a_true_effect_is_found():
    rng = np.random.default_rng(12)
    L, progression, _, _, _ = world(rng, 60_000)
    truth = [
        np.mean(lived_to(rng, L, progression, start, 0.5, 1000))
        for start in (np.full(L.size, INF), progression + 40)
    ]
    found, _, _ = trial_of(np.random.default_rng(13), 12_000, 0.5)
    assert found.differences[0].value == pytest.approx(truth[1] - truth[0], abs=0.035)


def lived_to(rng, L, progression, start, effect, t):
    """Who is alive at t without censoring."""
    early, late, e = np.exp(L / 2) / 2000, np.exp(L / 2) / 600, rng.exponential(size=L.size)
    hazard = early * np.minimum(progression, t) + late * (
        np.clip(np.minimum(start, t) - progression, 0, None)
        + effect * np.clip(t - np.maximum(start, progression), 0, None)
    )
    return e > hazard


def test_intervals_come_from_the_bootstrap_and_repeat_with_the_seed():
    one, _, _ = trial_of(np.random.default_rng(3), 300, samples=20)
    other, _, _ = trial_of(np.random.default_rng(3), 300, samples=20)
    ratio = one.hazard_ratios[0]
    assert ratio.lower < ratio.value < ratio.upper and one.samples == (20, 20)
    assert (ratio.lower, ratio.upper) == (other.hazard_ratios[0].lower, other.hazard_ratios[0].upper)
    for arm in one.arms:
        assert (arm.lower <= arm.curve + 1e-9).mean() > 0.9 and (np.diff(arm.curve) <= 1e-12).all()


def test_a_file_of_those_who_complied_identifies_nothing():
    n = 40
    start = np.full(n, 50.0)
    times = Times(np.full(n, 200), np.tile([0, 1], 20))
    arm = np.tile([True, False], 20)
    pair = [
        strategy(n, str(a), eligible=arm == a, due=100, start=start, forbids=False) for a in (True, False)
    ]
    found = target_trial(times, pair, rng=np.random.default_rng(1))
    assert found.reason is not None and "nobody died before it" in found.reason
    assert math.isnan(found.hazard_ratios[0].value) and found.hazard_ratios[0].reason == found.reason
    assert [one.n for one in found.arms] == [20, 20]


def test_nobody_eligible_is_a_reason_and_bad_arrays_an_error():
    times = Times([5, 6], [1, 1])
    found = target_trial(
        times, [strategy(2), strategy(2, "none", eligible=False)], rng=np.random.default_rng(1)
    )
    assert found.reason == "nobody is eligible for “none”"
    with pytest.raises(UsageError, match="at least two strategies"):
        target_trial(times, [strategy(2)], rng=np.random.default_rng(1))
    with pytest.raises(UsageError, match="one value for each"):
        target_trial(times, [strategy(2), strategy(3)], rng=np.random.default_rng(1))
    with pytest.raises(UsageError, match="no delayed entry"):
        target_trial(Times([5, 6], [1, 1], [1, 0]), [strategy(2)] * 2, rng=np.random.default_rng(1))


def slow_enrol(times, start, eligible, width):
    """Every patient, every interval."""
    rows = []
    for i, (end, event) in enumerate(zip(times.exit, times.state, strict=True)):
        for m in range(int(end // width) + 1):
            opened = m * width
            if end <= opened or start[i] < opened or eligible[i] > opened:
                continue
            treated = start[i] < opened + width and start[i] < end
            switched = not treated and start[i] < end
            rows.append(
                (
                    i,
                    m,
                    treated,
                    (start[i] if switched else end) - opened,
                    bool(event) and not switched,
                    switched,
                )
            )
    return rows


def test_enrolment_as_the_slow_twin():
    rng = np.random.default_rng(8)
    times = Times(rng.integers(1, 300, 80), rng.integers(0, 2, 80))
    start = np.where(rng.random(80) < 0.4, INF, rng.integers(0, 300, 80))
    eligible = np.where(rng.random(80) < 0.2, INF, rng.integers(0, 150, 80))
    found = enrol(times, start, eligible, 30.0)
    rows = list(
        zip(found.patient, found.trial, found.treated, found.end, found.event, found.switched, strict=True)
    )
    assert rows == slow_enrol(times, start, eligible, 30.0)


def test_nested_trials_without_and_with_an_effect():
    for effect in (1.0, 0.6):
        _, naive, (times, start, progression, L) = trial_of(np.random.default_rng(21), 3000, effect)
        found = nested_trials(times, start, {"L": L}, eligible=progression)
        assert math.log(found.hazard_ratio.value) == pytest.approx(math.log(effect), abs=0.13)
        assert naive < math.log(effect) - 0.15
        assert found.patients < 3000 and found.switched > 0 and found.largest > 1


def test_nested_trials_without_starts_say_why():
    times = Times([50, 60], [1, 1])
    assert nested_trials(times, [INF, INF]).reason == "nobody started while eligible"
    assert (
        nested_trials(times, [0, 0]).reason == "everybody started as soon as eligible: there are no controls"
    )
    with pytest.raises(UsageError, match="one start for each"):
        nested_trials(times, [1.0])


@pytest.mark.slow
def test_coverage_without_an_effect():
    """150 studies of 500: the 95% intervals of the difference hold 0 in 95% of them, within binomial error."""
    inside = 0
    for seed in range(150):
        found, _, _ = trial_of(np.random.default_rng(seed), 500, samples=100)
        inside += found.differences[0].lower <= 0 <= found.differences[0].upper
    assert 0.89 <= inside / 150 <= 0.99
