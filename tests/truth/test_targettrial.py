"""Target trials: clones and weights by hand, a slow twin, the plain estimators they contain, and simulated truth."""

import math

import numpy as np
import pytest
from bench import targettrial as bench

from sequela.core.errors import UsageError
from sequela.core.outcome import Times
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.logistic import logistic
from sequela.estimates.personmonths import NEVER, Strategy, clone, follow, interval_of
from sequela.estimates.pooled import pooled_logistic, sandwich, time_terms
from sequela.estimates.sequentialtrials import sequential_trials
from sequela.estimates.targettrial import target_trial

INF = np.inf
# Five patients, intervals of 10 days, two of them grace: A starts on day 5 and dies on day 35; B dies on day 15 untreated;
# C is never treated and last seen on day 50; D starts on day 12, last seen on day 50; E starts late, day 30, dies on day 45.
EXIT = np.array([35.0, 15, 50, 50, 45])
DEATH = np.array([True, True, False, False, True])
START = np.array([5.0, INF, INF, 12, 30])


def test_clones_by_hand():
    seen = follow(EXIT, DEATH, 20, 50, 10)
    assert seen.rows.tolist() == [4, 2, 5, 5, 5]
    soon, later = clone(seen, Strategy("soon", START)), clone(seen, Strategy("not soon", None, START))
    # who has not begun by day 20 leaves "soon" at the end of interval 1; B has died by then, in both strategies
    assert soon.rows.tolist() == [4, 2, 2, 5, 2]
    assert soon.event.tolist() == [True, True, False, False, False]
    assert soon.censored.tolist() == [-1, -1, 1, -1, 1]
    assert soon.deadline.tolist() == [[0, 2, 3, 4], [1, 1, 1, 1]]
    assert soon.begun.tolist() == [True, False, True, False]
    assert soon.waiting.tolist() == [False, True, True, True]
    # A leaves "not soon" in interval 0, D in interval 1; E may begin after the grace period
    assert later.rows.tolist() == [1, 2, 5, 2, 5]
    assert later.event.tolist() == [False, True, False, False, True]
    assert later.within.tolist() == [[0, 1, 2, 2, 3, 3, 4, 4], [0, 0, 0, 1, 0, 1, 0, 1]]
    assert later.stayed.tolist() == [False, True, True, True, True, False, True, True]


def test_survival_by_hand():
    found = target_trial(
        EXIT,
        DEATH,
        (Strategy("not soon", None, START), Strategy("soon", START)),
        grace=20,
        tau=50,
        width=10,
        truncate=1,
    )
    later, soon = found.arms
    # soon: 5 at risk, B dies of 5 in interval 1; then A and D stand in for all four, A dies in interval 3
    assert soon.survival == pytest.approx([1, 1, 0.8, 0.8, 0.4, 0.4])
    # not soon: B dies in interval 1 with weight 5/4 like the others of B, C, D, E; then C and E, E dies in interval 4
    assert later.survival == pytest.approx([1, 1, 0.75, 0.75, 0.75, 0.375])
    # stabilised: P(stay | strategy) / P(stay | covariates) is 1 where there are none, but for the prior's touch
    assert later.weights == pytest.approx(np.ones(5), abs=0.02)
    assert found.reason is not None and "effective patients" in found.reason
    assert math.isnan(found.contrasts[0].survival.value)


def test_impossible_intervals():
    with pytest.raises(UsageError, match="E230"):
        follow(EXIT, DEATH, 20, 50, 0)


def random_patients(rng, n, width):
    exit = rng.integers(0, 300, n).astype(float)
    opens = np.where(rng.random(n) < 0.2, INF, rng.integers(0, 100, n))
    start = np.where(rng.random(n) < 0.5, INF, rng.integers(0, 200, n))
    departs = np.where(rng.random(n) < 0.6, INF, rng.integers(0, 200, n))
    return exit, rng.random(n) < 0.5, opens, start, departs


def slow_clone(exit, event, opens, start, departs, grace, tau, width, *, must, always):
    """One patient: interval after interval (rows, event, interval of artificial censoring, choices, deadline)."""
    whole = max(math.ceil(exit / width), 1)
    horizon = math.ceil(tau / width)
    rows, event = min(whole, horizon), event and whole <= horizon
    choices, deadline, begun = [], None, False
    if opens == INF:
        return rows, event, -1, choices, deadline
    first, closes = int(opens // width), math.ceil((opens + grace) / width) - 1
    departs = max(departs, opens)
    begun = must and start < first * width and start < departs  # begun before the grace opens
    for k in range(rows):
        if k < first:
            continue
        within = k <= closes
        begins = must and start < INF and start // width <= k
        departing = departs < INF and departs // width == k and not (must and start <= departs) and not begun
        counts = within or (not must and always)
        seen_next = rows > k + 1
        open_choice = (k < closes if must else counts) and not begun
        if open_choice and seen_next:
            choices.append((k, not (departing and counts)))
        gone = departing and counts
        if must and k == closes and seen_next:
            deadline = (k, (begun or begins) and not gone)
            gone = gone or not (begun or begins)
        if gone and seen_next:
            return k + 1, False, k, choices, deadline
        begun = begun or begins
    return rows, event, -1, choices, deadline


@pytest.mark.parametrize("must", [True, False])
@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("width", [1.0, 30.0])
def test_clones_agree_with_a_slow_twin(must, always, width):
    rng = np.random.default_rng(5)
    exit, event, opens, start, departs = random_patients(rng, 150, width)
    seen = follow(exit, event, 60, 270, width, opens)
    found = clone(seen, Strategy("s", start if must else None, departs, always=always))
    within, deadline = [], []
    for i in range(150):
        rows, died, out, choices, last = slow_clone(
            exit[i], event[i], opens[i], start[i], departs[i], 60, 270, width, must=must, always=always
        )
        assert (found.rows[i], found.event[i], found.censored[i]) == (rows, died, out), i
        within += [(i, *choice) for choice in choices]
        deadline += [(i, *last)] if last else []
    assert list(zip(*found.within.tolist(), found.stayed.tolist(), strict=True)) == within
    assert list(zip(*found.deadline.tolist(), found.begun.tolist(), strict=True)) == deadline


def slow_curve(exit, event, start, x, grace, tau, width):
    """Weighted survival of "begin in time": the weights patient by patient, the curve interval by interval."""
    closes, horizon = math.ceil(grace / width) - 1, math.ceil(tau / width)
    people = []
    for i in range(len(exit)):
        rows = max(math.ceil(exit[i] / width), 1)
        people.append(
            (
                min(rows, horizon),
                bool(event[i]) and rows <= horizon,
                start[i] < INF and start[i] // width <= closes,
            )
        )
    reach = [i for i, (rows, _, _) in enumerate(people) if rows > closes + 1]
    Z = np.column_stack([np.ones(len(reach)), x[reach] / x[reach].std()])
    fit = logistic(Z, np.array([int(people[i][2]) for i in reach]), 2, 0.01)
    chance = dict(zip(reach, 1 / (1 + np.exp(-(Z @ fit.coef[0]))), strict=True))
    survival = [1.0]
    for k in range(horizon):
        n = d = 0.0
        for i, (rows, died, begun) in enumerate(people):
            if rows <= k or (k > closes and not begun):
                continue
            w = 1 / chance[i] if k > closes else 1.0
            n, d = n + w, d + w * (died and rows == k + 1)
        survival.append(survival[-1] * (1 - d / n))
    return survival


def test_weights_agree_with_a_slow_twin():
    one = bench.invent(np.random.default_rng(8), 150, 0.0)
    strategies = (Strategy("not", None, one.start), Strategy("soon", one.start))
    found = target_trial(
        one.exit, one.death, strategies, one.fitness, grace=91, tau=600, width=30, truncate=1
    )
    expected = slow_curve(one.exit, one.death, one.start, one.fitness, 91, 600, 30)
    assert found.arms[1].survival == pytest.approx(expected, abs=1e-9)


def test_without_artificial_censoring_it_is_kaplan_meier_and_nearly_cox():
    rng = np.random.default_rng(2)
    arm = rng.integers(0, 2, 300)
    death, end = rng.exponential(500 / np.exp(-0.6 * arm)).round() + 1, rng.integers(300, 900, 300)
    exit, event = np.minimum(death, end).astype(float), death <= end
    strategies = (Strategy("a", eligible=arm == 0), Strategy("b", eligible=arm == 1))
    found = target_trial(exit, event, strategies, grace=1, tau=400, width=1)
    for k, one in enumerate(found.arms):
        curve = kaplan_meier(Times(exit[arm == k], event[arm == k]))
        assert one.survival[1:] == pytest.approx([curve.at(t).value for t in range(1, 401)], abs=1e-12)
        assert one.mean.value == pytest.approx(
            curve.rmst(400).value, abs=0.6
        )  # steps against trapezia of a day
    short = Times(np.minimum(exit, 400), event & (exit <= 400))
    ratio = cox(short, {"b": arm.astype(float)}).hazard_ratios()[0]
    assert found.contrasts[0].hazard_ratio.value == pytest.approx(ratio.value, rel=0.01)


def test_pooled_logistic_is_the_logistic_regression():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    y = (rng.random(200) < 1 / (1 + np.exp(-X @ [0.2, 1, -1]))).astype(float)
    weights = rng.integers(0, 3, (4, 200)).astype(float)
    found = pooled_logistic(X, y, weights)
    assert found.converged.all()
    for row, w in zip(found.coef, weights, strict=True):
        at = np.repeat(np.arange(200), w.astype(int))
        assert row == pytest.approx(logistic(X[at], y[at].astype(int), 2).coef[0], abs=1e-7)
    cluster = rng.integers(0, 40, 200)
    coef, chance = found.coef[0], 1 / (1 + np.exp(-X @ found.coef[0]))
    meat = np.zeros((3, 3))
    for c in range(40):
        u = sum(
            (weights[0, i] * (y[i] - chance[i]) * X[i] for i in np.flatnonzero(cluster == c)), np.zeros(3)
        )
        meat += np.outer(u, u)
    bread = np.linalg.inv((X * (weights[0] * chance * (1 - chance))[:, None]).T @ X)
    assert sandwich(X, y, weights[0], coef, cluster) == pytest.approx(bread @ meat @ bread)


def test_separated_rows_stay_finite():
    X = np.column_stack([np.ones(40), np.repeat([0.0, 1.0], 20)])
    found = pooled_logistic(X, X[:, 1], np.ones((1, 40)), 0.01)
    assert found.converged.all() and np.isfinite(found.coef).all()
    assert time_terms(np.array([2.0, 2, 3])).tolist() == [[0], [0], [1]]


def test_sequential_trials_agree_with_a_slow_twin():
    one = bench.invent(np.random.default_rng(4), 200, 0.0)
    width, tau, trials = 30.0, 600.0, 5
    found = sequential_trials(one.exit, one.death, one.start, trials=trials, tau=tau, width=width)
    start = interval_of(one.start, width)
    treated, controls, rows = [0] * trials, [0] * trials, []
    for j in range(trials):
        for i in range(200):
            last = min(max(math.ceil(one.exit[i] / width), 1), 20)
            died = one.death[i] and math.ceil(one.exit[i] / width) <= 20
            if last <= j + 1 or start[i] < j:
                continue
            arm = start[i] == j
            treated[j] += arm
            controls[j] += not arm
            rows += [(1.0, arm, k - j - 1, j, died and k == last - 1, i) for k in range(j + 1, last)]
    assert found.treated.tolist() == treated and found.controls.tolist() == controls
    table = np.array(rows, float)
    X = np.column_stack([table[:, :2], time_terms(table[:, 2], 4), time_terms(table[:, 3])])
    fit = logistic(X, table[:, 4].astype(int), 2)
    assert found.hazard_ratio.value == pytest.approx(math.exp(fit.coef[0, 1]), rel=1e-5)
    assert found.events == tuple(int(table[table[:, 1] == a, 4].sum()) for a in (0, 1))


def test_sequential_trials_say_why_not():
    found = sequential_trials(EXIT, DEATH, np.full(5, INF), trials=3, tau=50, width=10)
    assert "events in an arm" in str(found.hazard_ratio.reason)


def test_nobody_begins_in_time():
    one = bench.invent(np.random.default_rng(4), 100, 0.0)
    never = np.full(100, INF)
    found = target_trial(one.exit, one.death, (Strategy("a", None), Strategy("b", never)), grace=90, tau=600)
    assert found.reason == "positivity fails: nobody begins “b” in time"
    assert interval_of(never, 1.0)[0] == NEVER


def test_bootstrap_is_seeded_and_by_cluster():
    one = bench.invent(np.random.default_rng(6), 200, 0.0)
    strategies = (Strategy("not", None, one.start), Strategy("soon", one.start))

    def go(seed, cluster=None):
        return target_trial(
            one.exit, one.death, strategies, one.fitness, grace=91, tau=600, samples=40, cluster=cluster, rng=np.random.default_rng(seed)
        ).contrasts[0].survival  # fmt: skip

    assert go(1) == go(1) != go(2)
    assert go(1, np.arange(200)).se == pytest.approx(go(1).se, rel=0.5)
    doubled = np.concatenate([np.arange(200)] * 2)
    twice = target_trial(
        one.exit[doubled], one.death[doubled], tuple(Strategy(s.name, None if s.start is None else s.start[doubled], None if s.departs is None else s.departs[doubled]) for s in strategies),
        one.fitness[doubled], grace=91, tau=600, samples=40, cluster=doubled, rng=np.random.default_rng(1),
    ).contrasts[0].survival  # fmt: skip
    assert twice.se == pytest.approx(go(1).se, rel=0.05)
    with pytest.raises(ValueError, match="generator"):
        target_trial(one.exit, one.death, strategies, grace=91, tau=600, samples=4)


def test_immortal_time_is_taken_away():
    """No effect: the naive hazard ratio is far from 1; the emulated trial and the sequential trials are not."""
    found = bench.repeat(0.0, 400, 12, 30, 5)
    assert found["naive"][0] < 0.5 and found["naive"][2] == 0
    assert found["HR"][0] == pytest.approx(1, abs=0.12)
    assert found["S"][0] == pytest.approx(found["S"][1], abs=0.05)
    assert found["nested"][0] == pytest.approx(1, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, math.log(0.5)])
def test_coverage(effect):
    found = bench.repeat(effect, 400, 300, 200, 9)
    for name in ("S", "mean", "nested"):
        assert found[name][2] == pytest.approx(0.95, abs=0.04), name  # three Monte Carlo errors
    assert found["mean"][0] == pytest.approx(found["mean"][1], abs=0.15)
