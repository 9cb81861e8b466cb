"""Disease courses from metastatic diagnosis to death: a multi-state process with frailty and a drug calendar.

A candidate passes through

    line 1 → (on trastuzumab beyond progression | other lines) → T-DM1 → later lines → death

Every waiting time is exponential with its hazard multiplied by one Gamma frailty of mean 1, so that a fast
progressor is fast in every state. Pertuzumab exists from `Calendar.pertuzumab` on and T-DM1 from
`Calendar.t_dm1` on; who progresses too early for T-DM1 stays on trastuzumab or moves on to other lines, and
may die of it. Only those who reach T-DM1 before the data cut can enter the cohort: that selection, not a
drug, is what the model is about.

The shape is that of the null generator of `sequela.virtual.selection`, with more states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

TRASTUZUMAB: Final = 0
PERTUZUMAB: Final = 1
T_DM1_FIRST: Final = 2


@dataclass(frozen=True, slots=True)
class Calendar:
    """Calendar years: first diagnosis, availability of the two drugs (about, in Italy), data cut."""

    first: float = 2006.0
    t_dm1: float = 2013.8
    pertuzumab: float = 2014.0
    cut: float = 2019.0


@dataclass(frozen=True, slots=True)
class Effects:
    """Hazard ratios of first-line pertuzumab: end of line 1, of T-DM1, and death.

    The first is so low because late in the calendar only those who progress soon enter the cohort: without
    it, PFS of line 1 would be much shorter with pertuzumab than without.
    """

    first_line: float = 0.4
    t_dm1: float = 1.2
    after_t_dm1: float = 0.9


NO_EFFECT: Final = Effects(1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Hazards:
    """Constants of the process; the defaults were searched for the medians that SePHER printed.

    Medians are in months at frailty 1, rates per month.

    Attributes:
        frailty_variance: variance of the Gamma frailty.
        uses_pertuzumab: probability of first-line pertuzumab, once it is available.
        delay: mean months from metastatic diagnosis to line 1.
        first_line: median PFS of line 1 with trastuzumab.
        other_line: median PFS of another line before T-DM1.
        t_dm1: median PFS on T-DM1 without pertuzumab before.
        after_t_dm1: median survival after T-DM1.
        uptake: mean months from availability of T-DM1 until a centre has it.
        bridge_moves: rate of leaving trastuzumab beyond progression for another line.
        bridge_dies: rate of death while waiting.
        dies_on_line: probability that a line ends with death.
        next_t_dm1: probability that the next line is T-DM1, once it is available.
        early_relapse: probability of T-DM1 in line 1, once it is available.
        lost: rate of loss to follow-up.
        effects: what pertuzumab does.
    """

    frailty_variance: float = 0.1
    uses_pertuzumab: float = 0.85
    delay: float = 0.5
    first_line: float = 7.3
    other_line: float = 4.0
    t_dm1: float = 8.6
    after_t_dm1: float = 20.0
    uptake: float = 1.0
    bridge_moves: float = 0.04
    bridge_dies: float = 0.001
    dies_on_line: float = 0.05
    next_t_dm1: float = 0.83
    early_relapse: float = 0.08
    lost: float = 0.013
    effects: Effects = Effects()


@dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """Courses of candidates; times are months from metastatic diagnosis.

    Attributes:
        frailty: what multiplies every hazard.
        diagnosed: calendar year of metastatic diagnosis.
        first_line: TRASTUZUMAB, PERTUZUMAB or T_DM1_FIRST.
        start: start of line 1.
        progression: end of PFS on line 1.
        bridge: end of trastuzumab beyond that progression (equal to it when there is none).
        others: starts of the other lines before T-DM1, shape (n, 4); nan where there is none.
        others_end: their progressions, same shape.
        line: the line in which T-DM1 is given.
        t_dm1: its start.
        t_dm1_end: progression on it, or death.
        death: death.
        seen: last day of observation when alive: the data cut, or loss to follow-up.
    """

    frailty: Floats
    diagnosed: Floats
    first_line: Integers
    start: Floats
    progression: Floats
    bridge: Floats
    others: Floats
    others_end: Floats
    line: Integers
    t_dm1: Floats
    t_dm1_end: Floats
    death: Floats
    seen: Floats

    def take(self, rows: Integers | Booleans) -> Courses:
        """The courses of some candidates."""
        return Courses(**{name: getattr(self, name)[rows] for name in self.__slots__})

    @property
    def group(self) -> Integers:
        """The sequence group of each course, 1 to 5."""
        late = self.line > 2
        return np.where(self.first_line == T_DM1_FIRST, 5, 1 + 2 * (self.first_line == PERTUZUMAB) + late)

    @property
    def cell(self) -> Integers:
        """Ten times the sequence group plus the T-DM1 line, lines beyond the fourth counted as the fourth."""
        return 10 * self.group + np.minimum(self.line, 4)


OTHER_LINES: Final = 4
FIRST_ASSESSMENT: Final = 0.7
_LN2: Final = float(np.log(2.0))


@dataclass(frozen=True, slots=True)
class _Draws:
    """One generator, one frailty per candidate: waiting times with a median at frailty 1."""

    rng: np.random.Generator
    frailty: Floats

    def wait(self, median: float, ratio: Floats | float = 1.0) -> Floats:
        """Exponential times with hazard ln 2 / median · ratio · frailty, never before an assessment."""
        return np.maximum(
            self.rng.exponential(median / _LN2, self.frailty.size) / (ratio * self.frailty), FIRST_ASSESSMENT
        )

    def chance(self, probability: float) -> Booleans:
        return self.rng.random(self.frailty.size) < probability

    def pause(self) -> Floats:
        """From the end of one line to the start of the next."""
        return self.rng.uniform(0.3, 1.2, self.frailty.size)

    def rate(self, rate: float) -> Floats:
        """Exponential times that know nothing of the frailty."""
        return self.rng.exponential(1.0 / rate, self.frailty.size)


def simulate(rng: np.random.Generator, n: int, hazards: Hazards, calendar: Calendar | None = None) -> Courses:
    """Courses of those of `n` candidates who reach T-DM1 before the data cut, in the order drawn."""
    calendar = calendar or Calendar()
    draws = _Draws(rng, rng.gamma(1.0 / hazards.frailty_variance, hazards.frailty_variance, n))
    diagnosed = rng.uniform(calendar.first, calendar.cut, n)
    first = _first_line(draws, diagnosed, hazards, calendar)
    treated = (first == PERTUZUMAB).astype(np.float64)
    start = draws.rng.uniform(0.1, 2.0 * hazards.delay, n)
    progression = start + draws.wait(hazards.first_line, hazards.effects.first_line**treated)
    available = 12.0 * (calendar.t_dm1 - diagnosed) + draws.rate(1.0 / hazards.uptake)
    bridge, others, others_end, line, t_dm1, alive = _until_t_dm1(draws, progression, available, hazards)
    at_once = first == T_DM1_FIRST
    line, t_dm1 = np.where(at_once, 1, line), np.where(at_once, start, t_dm1)
    others[at_once], others_end[at_once] = np.nan, np.nan
    end, death = _after(draws, t_dm1, treated, hazards)
    progression, bridge = np.where(at_once, end, progression), np.where(at_once, end, bridge)
    last_visit = 12.0 * (calendar.cut - diagnosed) - rng.uniform(0.1, 3.0, n)
    seen = np.minimum(last_visit, t_dm1 + FIRST_ASSESSMENT + draws.rate(hazards.lost))
    courses = Courses(
        draws.frailty,
        diagnosed,
        first,
        start,
        progression,
        bridge,
        others,
        others_end,
        line,
        t_dm1,
        end,
        death,
        seen,
    )
    entered = np.isfinite(t_dm1) & (t_dm1 + 0.5 * FIRST_ASSESSMENT < last_visit)
    return courses.take((alive | at_once) & entered)


def _first_line(draws: _Draws, diagnosed: Floats, hazards: Hazards, calendar: Calendar) -> Integers:
    dual = (diagnosed >= calendar.pertuzumab) & draws.chance(hazards.uses_pertuzumab)
    at_once = (diagnosed >= calendar.t_dm1) & draws.chance(hazards.early_relapse)
    return np.where(at_once, T_DM1_FIRST, np.where(dual, PERTUZUMAB, TRASTUZUMAB))


def _until_t_dm1(
    draws: _Draws, progression: Floats, available: Floats, hazards: Hazards
) -> tuple[Floats, Floats, Floats, Integers, Floats, Booleans]:
    """From the first progression to T-DM1: end of bridging, other lines, line and start of T-DM1, alive."""
    n = progression.size
    alive = ~draws.chance(hazards.dies_on_line)
    moves, dies = draws.rate(hazards.bridge_moves), draws.wait(_LN2 / hazards.bridge_dies)
    waits = np.maximum(available - progression, 0.0)
    straight = (waits <= np.minimum(moves, dies)) & ((waits > 0.0) | draws.chance(hazards.next_t_dm1))
    alive &= straight | (waits <= 0.0) | (moves <= dies)
    bridge = progression + np.where(waits > 0.0, np.minimum(waits, moves), 0.0)
    others, others_end = np.full((n, OTHER_LINES), np.nan), np.full((n, OTHER_LINES), np.nan)
    line, t_dm1 = np.where(straight, 2, 0), np.where(straight, bridge + draws.pause(), np.nan)
    now = bridge + draws.pause()
    for k in range(OTHER_LINES):
        open_ = alive & (line == 0)
        others[:, k] = np.where(open_, now, np.nan)
        now = now + draws.wait(hazards.other_line)
        others_end[:, k] = np.where(open_, now, np.nan)
        alive &= ~(open_ & draws.chance(hazards.dies_on_line))
        ready = open_ & alive & (now >= available) & draws.chance(hazards.next_t_dm1)
        now = now + draws.pause()
        line, t_dm1 = np.where(ready, k + 3, line), np.where(ready, now, t_dm1)
    return bridge, others, others_end, line, t_dm1, alive & (line > 0)


def _after(draws: _Draws, t_dm1: Floats, treated: Floats, hazards: Hazards) -> tuple[Floats, Floats]:
    """End of PFS on T-DM1, and death."""
    effects = hazards.effects
    end = t_dm1 + draws.wait(hazards.t_dm1, effects.t_dm1**treated)
    later = draws.wait(hazards.after_t_dm1, effects.after_t_dm1**treated)
    return end, end + np.where(draws.chance(hazards.dies_on_line), 0.0, later)


def fill(
    rng: np.random.Generator,
    sizes: Mapping[int, int],
    hazards: Hazards,
    calendar: Calendar | None = None,
    batch: int = 4000,
) -> Courses:
    """The first courses drawn that fill every cell (sequence group and T-DM1 line) to its size.

    Args:
        sizes: cell (see `Courses.cell`) → how many courses.
        batch: candidates drawn at a time.
    """
    drawn: list[Courses] = []
    while True:
        drawn.append(simulate(rng, batch, hazards, calendar))
        pool = _concatenate(drawn)
        rows = [np.flatnonzero(pool.cell == cell)[:size] for cell, size in sizes.items()]
        if all(found.size == size for found, size in zip(rows, sizes.values(), strict=True)):
            return pool.take(np.concatenate(rows))


def _concatenate(parts: list[Courses]) -> Courses:
    return Courses(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in Courses.__slots__}
    )
