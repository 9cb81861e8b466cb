"""Is follow-up long enough for what is claimed (A131, A132), and what ended progression-free survival (A141, A142)?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sequela.audit.data import by_arm
from sequela.audit.verdict import Figure, Verdict, estimates, not_applicable, numbers, p_values, shares
from sequela.core.estimate import Estimate
from sequela.core.outcome import Times
from sequela.estimates.bands import completeness
from sequela.estimates.curves import kaplan_meier, reverse_kaplan_meier
from sequela.estimates.groupwise import rmst_difference
from sequela.estimates.tables import chi_square
from sequela.estimates.tests import log_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.audit.data import CalendarTime, Clock

AT_RISK = 10


def last_held(clock: Clock, at_risk: int = AT_RISK) -> float:
    """The last time with `at_risk` patients still at risk (the largest x with #{X >= x} >= at_risk); 0 with fewer."""
    return float(np.sort(clock.exit)[-at_risk]) if len(clock) >= at_risk else 0.0


def follow_up(clock: Clock, calendar: CalendarTime | None) -> Verdict:
    """A131: reverse Kaplan-Meier follow-up, Clark's completeness and the log-rank test of censoring, by arm."""
    title = "Follow-up by arm"
    if clock.event.all():
        return not_applicable("A131", title, "nobody is censored: there is no follow-up to compare")
    arms = by_arm(clock)
    medians = [_follow_up(arm) for arm in arms]
    censoring = log_rank(Times(clock.exit, ~clock.event, unit="month"), clock.names)
    figures = [
        estimates("Median follow-up (reverse Kaplan-Meier), months", medians),
        numbers(
            "Median observed time, months (not follow-up)",
            [float(np.median(a.exit)) if len(a) else math.nan for a in arms],
        ),
        p_values("Same censoring in the arms: p of log-rank", [censoring.p]),
    ]
    if calendar is not None:
        potential = 12 * (calendar.cut - calendar.origin)
        figures.append(
            shares("Completeness of follow-up (Clark's C)",
                   [completeness(a.times(), potential[clock.arm == k]).value for k, a in enumerate(arms)])
        )  # fmt: skip
    values = [one.value for one in medians if not math.isnan(one.value)]
    ratio = min(values) / max(values) if len(values) > 1 and max(values) > 0 else 1.0
    apart = censoring.p < 0.05
    return Verdict(
        "A131",
        title,
        "pass" if not apart else "fail" if ratio < 0.6 else "warn",
        f"One arm has been followed {ratio:.0%} as long as the other: late parts of its curve rest on few patients, "
        "and medians of the two cannot be read side by side."
        if apart
        else "No difference in follow-up between the arms is seen.",
        tuple(figures),
        "Schemper and Smith, Control Clin Trials 1996;17:343; Clark, Altman and De Stavola, Lancet 2002;359:1309",
        "cut both curves where the shorter one ends, and compare restricted means",
    )


def _follow_up(arm: Clock) -> Estimate:
    if not len(arm):
        return Estimate("median follow-up", math.nan, reason="no patients")
    return reverse_kaplan_meier(arm.times()).median()


def maturity(clocks: Sequence[Clock]) -> Verdict:
    """A132: medians that lie where fewer than 10 are at risk, and restricted means to the last time that holds."""
    title = "Medians beyond the data"
    figures: list[Figure] = []
    beyond: list[str] = []
    for clock in clocks:
        arms = [arm for arm in by_arm(clock) if len(arm)]
        if len(arms) < 2:
            continue
        held = [last_held(arm) for arm in arms]
        medians = [kaplan_meier(arm.times()).median() for arm in arms]
        figures.append(numbers(f"{clock.label}: last month with {AT_RISK} at risk", held))
        figures.append(estimates(f"{clock.label}: median, months", medians))
        beyond += [
            f"{clock.label}, {arm.arms[int(arm.arm[0])]}"
            for arm, last, median in zip(arms, held, medians, strict=True)
            if not median.value <= last
        ]
        tau = min(held)
        if len(arms) == 2 and tau > 0:
            mean = rmst_difference(clock.times(), clock.names, tau)["difference"]
            sign = 1 if sorted(clock.arms) == list(clock.arms) else -1
            figures.append(_signed(f"{clock.label}: difference of means to {tau:.0f} months", mean, sign))
    return Verdict(
        "A132",
        title,
        "warn" if beyond else "pass",
        f"Not reached, or read where fewer than {AT_RISK} patients are at risk: {'; '.join(beyond)}."
        if beyond
        else f"Every median lies where at least {AT_RISK} patients are at risk in its arm.",
        tuple(figures),
        "Pocock, Clayton and Altman, Lancet 2002;359:1686; Royston and Parmar, BMC Med Res Methodol 2013;13:152",
        "print survival at fixed times and the difference of restricted means in place of these medians",
    )


def _signed(label: str, difference: Estimate, sign: int) -> Figure:
    """The second arm less the first, whatever the order of their names."""
    if sign < 0:
        difference = replace(
            difference, value=-difference.value, lower=-difference.upper, upper=-difference.lower
        )
    return estimates(label, [difference])


def ends(clocks: Sequence[Clock], variants: Sequence[tuple[str, Estimate]] = ()) -> Verdict:
    """A141: what ended each line's endpoint, by arm, and the hazard ratio when a kind of end is censored instead.

    Args:
        clocks: the endpoints of lines, with `end`.
        variants: hazard ratios by name, worked out again with one kind of event left out.
    """
    title = "What ended progression-free survival"
    used = [clock for clock in clocks if clock.end is not None]
    if not used:
        return not_applicable("A141", title, "no endpoint of a line is compared")
    figures: list[Figure] = []
    low = 1.0
    for clock in used:
        kinds, table = end_counts(clock)
        sizes = [len(arm) for arm in by_arm(clock)]
        figures += [
            shares(
                f"{clock.label}: {kind}",
                [n / size if size else math.nan for n, size in zip(row, sizes, strict=True)],
            )
            for kind, row in zip(kinds, table, strict=True)
        ]
        test = chi_square(table) if len(kinds) > 1 else None
        if test is not None and not test.reason:
            figures.append(p_values(f"{clock.label}: same ends in the arms, p", [test.p]))
            low = min(low, test.p)
    figures += [estimates(f"Hazard ratio, {name}", [ratio], digits=2) for name, ratio in variants]
    return Verdict(
        "A141",
        title,
        "warn" if low < 0.05 else "pass",
        "The arms' times ended for different reasons: what counts as an event decides part of the difference."
        if low < 0.05
        else "The arms' times ended for much the same reasons.",
        tuple(figures),
        "Panageas et al., J Natl Cancer Inst 2007;99:428; EMA, Guideline on anticancer medicinal products",
        "print the endpoint with and without the ends that are neither progression nor death",
    )


def end_counts(clock: Clock) -> tuple[list[str], list[list[int]]]:
    """Kinds of end, events first, and their counts by arm."""
    assert clock.end is not None
    words = np.array(
        [f"{'ended by' if e else 'censored at'} {w}" for e, w in zip(clock.event, clock.end, strict=True)]
    )
    kinds = sorted(set(words.tolist()), key=lambda kind: (not kind.startswith("ended"), kind))
    return kinds, [
        [int(((words == kind) & (clock.arm == place)).sum()) for place in range(len(clock.arms))]
        for kind in kinds
    ]


def dated_at_line_end(label: str, same: Sequence[int], progressions: Sequence[int]) -> Verdict:
    """A142: share of progressions dated on the very day on which the line ended.

    Args:
        label: the endpoint.
        same: by arm, progressions on the day the line ended.
        progressions: by arm, progressions in all.
    """
    title = "Progression dated by the change of drug"
    if not sum(progressions):
        return not_applicable("A142", title, "no progression ends the endpoint of a line")
    found = [a / b if b else math.nan for a, b in zip(same, progressions, strict=True)]
    share = sum(same) / sum(progressions)
    return Verdict(
        "A142",
        title,
        "warn" if share > 0.25 else "pass",
        f"{share:.0%} of progressions carry the day on which the line ended"
        + (": they may have been filled in from the drug record." if share > 0.25 else "."),
        (
            shares(f"{label}: progressions on the day the line ended", found),
            numbers("Progressions", list(progressions), 0),
        ),
        "Griffith et al., Adv Ther 2019;36:2122 (real-world progression)",
        "date progression by the visit or the scan that showed it",
    )
