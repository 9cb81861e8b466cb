"""Calendar time: could a patient of one arm have been in the other? (A121 to A123)

D is the calendar date of the origin, a the date from which the agent that tells the arms apart was given at all.
Before a the arm is a function of the date, and everything else in care moves with the date: positivity fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sequela.audit.verdict import Verdict, estimates, not_applicable, numbers, shares, years
from sequela.estimates.balance import difference
from sequela.estimates.cox import cox
from sequela.estimates.weights import effective_size, propensity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.audit.data import Agent, CalendarTime, Clock, Variable
    from sequela.core.estimate import Estimate

    Real = NDArray[np.float64]

ENOUGH = 50  # comparators that the common period must hold
UNAVAILABLE = 0.1  # share of comparators who could not have been in the other arm
NO_CALENDAR = "the records carry no calendar dates"
NO_AGENT = "no single agent of the study file tells the arms apart"
PRECISION = 0.01  # of the normal prior on standardised coefficients: its standard deviation is 10
TWO_ARMS = "it is made for two arms"


def area_under_curve(a: Real, b: Real) -> float:
    """Chance that a value of b exceeds one of a, ties half: the Mann-Whitney statistic over n_a n_b."""
    ordered = np.sort(a)
    below = np.searchsorted(ordered, b, side="left") + np.searchsorted(ordered, b, side="right")
    return float(below.mean() / 2 / len(a)) if len(a) and len(b) else math.nan


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """Two arms on the calendar, and the agent that tells them apart."""

    dates: tuple[Real, Real]
    agent: Agent

    @property
    def before(self) -> tuple[float, float]:
        """Share of each arm before the agent was given."""
        return (
            float((self.dates[0] < self.agent.first_given).mean()),
            float((self.dates[1] < self.agent.first_given).mean()),
        )


def _split(clock: Clock, calendar: CalendarTime | None) -> _Split | str:
    """The two arms on the calendar, or why there are none."""
    if calendar is None:
        return NO_CALENDAR
    if len(clock.arms) != 2:
        return TWO_ARMS
    if calendar.exposure is None:
        return NO_AGENT
    dates = calendar.origin[clock.arm == 0], calendar.origin[clock.arm == 1]
    return _Split(dates, calendar.exposure) if len(dates[0]) and len(dates[1]) else "an arm is empty"


def availability(clock: Clock, calendar: CalendarTime | None) -> Verdict:
    """A121: the share of each arm before the agent existed here, and how well the date alone tells the arms apart."""
    title = "Availability: the calendar decides the arm"
    split = _split(clock, calendar)
    if isinstance(split, str):
        return not_applicable("A121", title, split)
    share = split.before[0]
    area = area_under_curve(*split.dates)
    apart = difference(*split.dates)
    verdict = (
        "fail" if share > 0.5 or area > 0.85 else "warn" if share > UNAVAILABLE or area > 0.7 else "pass"
    )
    name = split.agent.name
    return Verdict(
        "A121",
        title,
        verdict,
        f"{share:.0%} of “{clock.arms[0]}” began before anybody here was given {name}: they could not have been "
        "in the other arm, and all that changed with the years is mixed with the treatment."
        if share > UNAVAILABLE
        else f"{share:.0%} of “{clock.arms[0]}” began before anybody here was given {name}; the date alone tells the "
        f"arms apart with an area under the curve of {area:.2f}.",
        (
            shares(f"Began before {name} was given ({split.agent.first_given:.1f})", split.before),
            years("Date of origin, median year", [float(np.median(one)) for one in split.dates]),
            numbers("Standardised difference of the date", [apart], 2),
            numbers("Area under the curve: date for arm", [area], 2),
        ),
        "Petersen et al., Stat Methods Med Res 2012;21:31 (positivity)",
        "restrict the comparison to the period in which both arms could be given",
    )


def preference(clock: Clock, calendar: CalendarTime | None, covariates: Sequence[Variable]) -> Verdict:
    """A122: preference scores in 0.3 to 0.7, and what weighting would leave of the sample."""
    title = "Preference scores and effective sample size"
    if len(clock.arms) != 2 or min(np.bincount(clock.arm, minlength=2)) < 2:
        return not_applicable(
            "A122", title, TWO_ARMS if len(clock.arms) != 2 else "an arm has fewer than 2 patients"
        )
    dates = [] if calendar is None else [calendar.origin[:, None]]
    columns = [*dates, *(one.columns() for one in covariates)]
    if not columns:
        return not_applicable("A122", title, "neither calendar dates nor baseline covariates are declared")
    model = propensity(clock.arm, np.column_stack(columns), prior=PRECISION)
    weights = 1 / model.received
    middle = (model.preference >= 0.3) & (model.preference <= 0.7)
    inside = [float(middle[clock.arm == place].mean()) for place in (0, 1)]
    kept = [effective_size(weights[clock.arm == place]) for place in (0, 1)]
    size = np.bincount(clock.arm, minlength=2)
    worst = min(inside)
    lost = min(kept[place] / size[place] for place in (0, 1))
    verdict = "fail" if worst < 0.2 else "warn" if worst < 0.5 or lost < 0.5 else "pass"
    given = ", ".join([*(["the date of origin"] if dates else []), *(one.name for one in covariates)])
    return Verdict(
        "A122",
        title,
        verdict,
        f"{worst:.0%} of the less comparable arm might as well have been in the other; weighting would leave "
        f"an effective {kept[0]:.0f} of {size[0]} and {kept[1]:.0f} of {size[1]} patients. Model: {given}.",
        (
            shares("Preference score in 0.3 to 0.7", inside),
            numbers("Effective sample size after weighting", kept),
            numbers("Largest weight", [float(weights[clock.arm == place].max()) for place in (0, 1)]),
        ),
        "Walker et al., Comp Eff Res 2013;3:11; Kish, Survey Sampling 1965",
        "compare only patients of the overlap (overlap weights), and say who they are",
    )


def common_period(clock: Clock, calendar: CalendarTime | None) -> Verdict:
    """A123: who is left when both arms begin after the agent was there; under 50 comparators there is no answer.

    Fails only where the calendar takes them away (over a tenth began before the agent was given); a study that is small
    from the start is warned of.
    """
    title = "The period common to both arms"
    split = _split(clock, calendar)
    if isinstance(split, str) or calendar is None:
        return not_applicable("A123", title, split if isinstance(split, str) else NO_CALENDAR)
    keep = calendar.origin >= split.agent.first_given
    left = np.bincount(clock.arm[keep], minlength=2)
    few = int(left[0]) < ENOUGH
    closed = few and split.before[0] > UNAVAILABLE
    figures = [numbers("Left in the common period", list(left), 0)]
    if not few:
        figures += [estimates(label, [ratio], digits=2) for label, ratio in _both(clock, keep)]
    return Verdict(
        "A123",
        title,
        "fail" if closed else "warn" if few else "pass",
        _left(clock.arms[0], int(left[0]), split.agent.name, few=few, closed=closed),
        tuple(figures),
        "Hernán and Robins, Am J Epidemiol 2016;183:758 (eligibility at time zero)",
        "collect comparators from the period in which both could be given, or do not ask these data for an effect",
    )


def _left(arm: str, left: int, agent: str, *, few: bool, closed: bool) -> str:
    began = f"{left} of “{arm}” began when {agent} could be given"
    if closed:
        return (
            f"The question cannot be answered in these data: only {began}, and at least {ENOUGH} are needed."
        )
    if few:
        return f"Only {began}: few, but it is not the calendar that leaves them few."
    return f"{began[0].upper()}{began[1:]}; the comparison within that period stands beside the whole one."


def _both(clock: Clock, keep: NDArray[np.bool_]) -> list[tuple[str, Estimate]]:
    """The hazard ratio with delayed entry and entry time, over all and within the common period."""
    found: list[tuple[str, Estimate]] = []
    for label, part in (("whole calendar", clock), ("common period", clock.take(keep))):
        seen = part.take(part.seen)
        if len(np.unique(seen.arm[seen.event])) == 2:
            columns = {seen.arms[1]: (seen.arm == 1).astype(float)} | (
                {"entry": seen.settled} if seen.late else {}
            )
            found.append(
                (
                    f"Hazard ratio, corrected, {label}",
                    cox(part.times(delayed=True), columns).hazard_ratios()[0],
                )
            )
    return found
