"""Immortal time, left truncation (A101 to A103) and right truncation of the first line (A111, A112).

Notation: E the time at which a patient's place in the comparison is settled (entry), X the time of death or last
contact, D the calendar date of the origin, a the date from which entry was possible, Q the data cut. A patient is
included when max(0, a - D) <= E <= min(T, Q - D): truncated from both sides.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np

from sequela.audit.data import by_arm, spread
from sequela.audit.verdict import Verdict, estimates, not_applicable, numbers, p_values, shares
from sequela.estimates.cox import cox
from sequela.estimates.curves import nelson_aalen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.audit.data import CalendarTime, Clock
    from sequela.core.estimate import Curve, Estimate

MARKS = (12.0, 24.0, 36.0)
PAIRS = 2000  # patients an arm beyond which pairs are compared on an even sample


def immortal_share(clock: Clock) -> float:
    """Share of person-time in which nobody can die by design: sum min(E, X) / sum X, from the start of observation."""
    whole = (clock.exit - clock.start).sum()
    immortal = np.maximum(np.minimum(clock.settled, clock.exit) - clock.start, 0).sum()
    return float(immortal / whole) if whole > 0 else math.nan


def at_risk(clock: Clock, mark: float, *, delayed: bool) -> int:
    """Patients at risk at `mark`: X >= mark, and with delayed entry also E < mark."""
    inside = clock.exit >= mark
    since = np.maximum(clock.settled, clock.start) if delayed else clock.start
    return int((inside & (since < mark)).sum())


def expected_deaths(clock: Clock) -> float:
    """Deaths that should have been seen before entry: sum of H(E_i), H the Nelson-Aalen estimate with delayed entry.

    None can have been seen: p = exp(-sum), the Poisson chance of no death.
    """
    times = clock.times(delayed=True)
    if not len(times):
        return 0.0
    curve = cast("Curve", nelson_aalen(times))
    hazard = np.concatenate([[0.0], np.asarray(curve.hazard, float)])
    return float(hazard[np.searchsorted(curve.time, times.entry, side="right")].sum())


def conditional_tau(clock: Clock) -> tuple[float, float]:
    """Kendall's tau of entry and exit given that both can be compared, and its two-sided p.

    Over every event time t_j with risk set R_j = {i : E_i < t_j <= X_i}: S_j = sum over R_j of sign(E_i - E_j);
    tau = sum S_j / sum (r_j - 1), z = sum S_j / sqrt(sum (r_j^2 - 1) / 3). Tsai, Biometrika 1990;77:169; with
    censoring Martin and Betensky, J Am Stat Assoc 2005;100:484.
    """
    rows = np.flatnonzero(clock.seen)
    rows = rows[spread(len(rows), PAIRS)]
    entry, exits, event = clock.settled[rows], clock.exit[rows], clock.event[rows]
    total = pairs = variance = 0.0
    for j in np.flatnonzero(event):
        risk = (entry < exits[j]) & (exits >= exits[j])
        total += float(np.sign(entry[risk] - entry[j]).sum())
        pairs += risk.sum() - 1
        variance += (float(risk.sum()) ** 2 - 1) / 3
    if not variance:
        return math.nan, math.nan
    return total / pairs, math.erfc(abs(total) / math.sqrt(2 * variance))


def immortal_time(clock: Clock) -> Verdict:
    """A101: the immortal share, entry, and numbers at risk as asked and with delayed entry, by arm."""
    title = "Immortal person-time"
    if not clock.late:
        return Verdict(
            "A101", title, "pass", "Everyone's place is settled when the clock starts: no time is immortal."
        )
    arms = by_arm(clock)
    found = [immortal_share(arm) for arm in arms]
    figures = [
        shares("Person-time before entry", found),
        numbers("Median time to entry, months", [_median(arm.settled) for arm in arms]),
    ]
    for mark in MARKS:
        figures.append(
            numbers(
                f"At risk at {mark:.0f} months, as asked", [at_risk(a, mark, delayed=False) for a in arms], 0
            )
        )
        figures.append(
            numbers(
                f"At risk at {mark:.0f} months, delayed entry",
                [at_risk(a, mark, delayed=True) for a in arms],
                0,
            )
        )
    worst, apart = max(found), max(found) - min(found)
    verdict = "fail" if worst >= 0.1 or apart >= 0.05 else "warn" if worst >= 0.02 else "pass"
    return Verdict(
        "A101",
        title,
        verdict,
        f"Up to {worst:.0%} of an arm's follow-up lies before {clock.settled_at}, when nobody could die and still be "
        f"counted; the arms differ by {100 * apart:.0f} percentage points.",
        tuple(figures),
        "Anderson, Cain and Gelber, J Clin Oncol 1983;1:710; Suissa, Am J Epidemiol 2008;167:492",
        "read the analysis with delayed entry, or the clock restarted at entry",
    )


def missing_deaths(clock: Clock) -> Verdict:
    """A102: deaths expected before entry against none observed, by arm."""
    title = "Deaths that the design removes"
    if not clock.late:
        return not_applicable("A102", title, "nobody enters after the clock has started")
    expected = [expected_deaths(arm) for arm in by_arm(clock)]
    chance = [math.exp(-one) for one in expected]
    verdict = "fail" if min(chance) < 0.05 else "pass"
    return Verdict(
        "A102",
        title,
        verdict,
        f"Patients like these would have had about {sum(expected):.0f} events before {clock.settled_at}; the data "
        "hold none, because who had one was never included.",
        (
            numbers("Events expected before entry", expected),
            numbers("Events observed before entry", [0.0] * len(expected), 0),
            p_values("Chance of observing none", chance),
        ),
        "Lagakos, Barraj and De Gruttola, Biometrika 1988;75:515",
        "use delayed entry; where they exist, bring in the patients who never reached entry",
    )


def dependence(clock: Clock) -> Verdict:
    """A103: does survival after entry depend on when a patient enters? Tau by arm, and entry in a Cox model."""
    title = "Survival depends on the time of entry"
    seen = clock.take(clock.seen)
    if not (clock.settled > 0).any() or not seen.event.any():
        return not_applicable("A103", title, "nobody enters after the clock has started, or no event follows")
    found = [conditional_tau(arm) for arm in by_arm(clock)]
    slope = _entry_slope(seen)
    over_all = conditional_tau(clock)
    way = "longer or shorter" if slope.p >= 0.05 else "longer" if slope.value < 1 else "shorter"
    low = min([slope.p, over_all[1], *(p for _, p in found if not math.isnan(p))])
    return Verdict(
        "A103",
        title,
        "warn" if low < 0.05 else "pass",
        f"Late entrants live {way} than early ones: delayed entry alone does not correct the comparison."
        if low < 0.05
        else "No dependence is seen; these tests can miss it where entry and death both follow progression.",
        (
            numbers("Conditional Kendall's tau of entry and exit", [tau for tau, _ in found], 2),
            p_values("p of tau", [p for _, p in found]),
            numbers("Tau, both arms", [over_all[0]], 2),
            estimates("Hazard ratio per month of later entry", [slope], digits=3),
            p_values("p of entry time", [slope.p]),
        ),
        "Tsai, Biometrika 1990;77:169; Martin and Betensky, J Am Stat Assoc 2005;100:484",
        "put the time of entry in the model, and say that entry is not independent of survival",
    )


def _entry_slope(clock: Clock) -> Estimate:
    """The entry time, per month, beside the arms in a Cox model with delayed entry."""
    columns = {"entry": clock.settled}
    for place in range(1, len(clock.arms)):
        columns[clock.arms[place]] = (clock.arm == place).astype(float)
    return cox(clock.times(delayed=True), columns).hazard_ratios()[0]


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else math.nan


def windows(clock: Clock, calendar: CalendarTime) -> NDArray[np.float64]:
    """The window of entry of each patient in months from the origin (n x 2): [max(0, a - D), Q - D]."""
    start = calendar.entry.first_given if calendar.entry else -math.inf
    return np.column_stack(
        [np.maximum(0, 12 * (start - calendar.origin)), np.maximum(0, 12 * (calendar.cut - calendar.origin))]
    )


def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Mean Jaccard index over all pairs of windows of two arms: length of the intersection over that of the union."""
    a, b = a[spread(len(a), PAIRS)], b[spread(len(b), PAIRS)]
    low = np.maximum(a[:, None, 0], b[None, :, 0])
    high = np.minimum(a[:, None, 1], b[None, :, 1])
    shared = np.maximum(0, high - low)
    union = np.diff(a) + np.diff(b)[:, 0] - shared
    return float(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0).mean())


def entry_windows(clock: Clock, calendar: CalendarTime | None) -> Verdict:
    """A111: the windows of entry by arm and how far they overlap, between arms and within.

    Patients of one arm have different windows too, so the verdict rests on J_01 / sqrt(J_00 J_11), 1 when the arms'
    windows are alike.
    """
    title = "Windows of entry"
    if calendar is None:
        return not_applicable("A111", title, "the records carry no calendar dates")
    if not clock.late:
        return not_applicable("A111", title, "nobody enters after the clock has started")
    each = windows(clock, calendar)
    parts = [each[clock.arm == place] for place in range(len(clock.arms))]
    if min(map(len, parts)) < 2:
        return not_applicable("A111", title, "an arm has fewer than two patients")
    within = [overlap(part, part) for part in parts]
    shared = [overlap(parts[0], part) for part in parts[1:]]
    likeness = min(
        between / math.sqrt(within[0] * own) if own and within[0] else 0.0
        for between, own in zip(shared, within[1:], strict=True)
    )
    verdict = "fail" if likeness < 0.7 else "warn" if likeness < 0.9 else "pass"
    return Verdict(
        "A111",
        title,
        verdict,
        f"Windows of two patients of different arms overlap {likeness:.0%} as much as those of one arm: the arms could "
        "be entered at different times after the origin, so their courses were selected differently."
        if verdict != "pass"
        else "Windows of different arms overlap about as much as those of one arm.",
        (
            numbers("Window opens, median months after origin", [_median(part[:, 0]) for part in parts]),
            numbers("Window closes, median months after origin", [_median(part[:, 1]) for part in parts]),
            numbers("Mean Jaccard overlap of two patients of the arm", within, 2),
            numbers("Mean Jaccard overlap of two patients of different arms", [min(shared)], 2),
        ),
        "Rennert and Xie, Biometrics 2018;74:725; Mandel et al., Biometrics 2018;74:481",
        "restrict both arms to the window they share, or enrol everyone who starts the first line",
    )


def all_failed(clocks: Sequence[Clock]) -> Verdict:
    """A112: endpoints of an early line in which nobody is censored: patients were sampled by their outcome."""
    title = "First lines that all end"
    if not clocks:
        return not_applicable("A112", title, "no endpoint of a line ends before entry")
    censored = [
        [float((~arm.event).mean()) if len(arm) else math.nan for arm in by_arm(clock)] for clock in clocks
    ]
    whole = [clock.label for clock in clocks if clock.event.all()]
    return Verdict(
        "A112",
        title,
        "fail" if whole else "pass",
        f"Nobody is censored in {', '.join(whole)}: patients are here because this line had ended, and late "
        "patients only if it ended fast, so its medians are too short."
        if whole
        else "Some lines were still running when they were last seen: patients were not sampled by their end.",
        tuple(
            shares(f"Censored: {clock.label}", found) for clock, found in zip(clocks, censored, strict=True)
        ),
        "Vakulenko-Lagun, Mandel and Betensky, Biometrics 2020;76:484",
        "take in everyone who started the line, whether or not it has ended",
    )
