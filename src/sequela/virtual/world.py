"""A world in which the treatment does nothing: when lines start and lives end, whatever is given.

Model. A patient's course is a chain of states: line 1, line 2, and so on, each left for the next line or for
death. The rate of the next line depends on the line, on the time in it and on the calendar; the rate of death
depends on the line. Both are multiplied by one Gamma frailty a patient, of mean 1. No rate depends on a drug:
the regimen of a line is drawn afterwards (see `templates`) from what was given at that time, after that history.

Rates are occurrence over exposure. Where the file holds only patients who passed the study's criteria, the
observed rates are those of the selected: `refit` moves the world's rates until those whom the same criteria
select in it show the observed rates (simulated moments; Gouriéroux et al., J Appl Econom 1993;8:S85).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

NEXT: Final = 1
DEATH: Final = 2
LINES: Final = 4  # the fourth line stands for itself and all later ones
EDGES: Final = (0.0, 91.0, 183.0, 365.0, 731.0)
SEASON: Final = 182.625
STEP: Final = 15.0
_HARDEST_STEP: Final = 2.0
_NOTHING: Final = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Spells:
    """Lines as they were lived, arrays of shape (n,).

    Attributes:
        patient: index of the patient.
        line: 1 for the first.
        start: day on the study's clock.
        length: days until the next line, death or the end of observation.
        ended: `NEXT`, `DEATH`, or 0 where observation ended.
    """

    patient: Ints
    line: Ints
    start: Floats
    length: Floats
    ended: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Occurrence and exposure in days: by line and time in it, by first or later line and season, by line.

    Attributes:
        next_events: shape (LINES, len(EDGES)).
        next_days: the same shape.
        season_events: shape (2, seasons).
        season_days: the same shape.
        death_events: shape (LINES,).
        death_days: shape (LINES,).
    """

    next_events: Floats
    next_days: Floats
    season_events: Floats
    season_days: Floats
    death_events: Floats
    death_days: Floats


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Rates a day, and the moments between which people enter and are seen.

    Attributes:
        next_rate: of the next line, shape (LINES, len(EDGES)).
        season: factor on it, for the first and for later lines, shape (2, seasons).
        death_rate: shape (LINES,).
        first_season: day on which the first season starts.
        weights: chance of each patient of the file to be the model of a candidate, shape (n,), sum 1.
        choice: weight of each line of the file where a regimen is drawn, shape (lines,).
        frailty: variance of the Gamma frailty; 0 is none.
    """

    next_rate: Floats
    season: Floats
    death_rate: Floats
    first_season: float
    weights: Floats
    choice: Floats
    frailty: float


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """Invented lives: `spells` to death or the end of the calendar, `patient` counting the candidates.

    Attributes:
        model: the patient of the file whose baseline each candidate has, shape (n,).
        death: day of death, or infinity where the calendar ends first, shape (n,).
        spells: their lines.
    """

    model: Ints
    death: Floats
    spells: Spells


def seen(spells: Spells, first_season: float, seasons: int) -> Seen:
    """Occurrence and exposure of spells."""
    line = np.minimum(spells.line, LINES) - 1
    left = spells.ended == NEXT
    edges = np.array([*EDGES, np.inf])
    cells = (LINES, len(EDGES))
    days, events = np.zeros(cells), np.zeros(cells)
    for piece, (low, high) in enumerate(pairwise(edges.tolist())):
        inside = np.clip(spells.length, low, high) - low
        days[:, piece] = np.bincount(line, inside, LINES)
        here = left & (spells.length >= low) & (spells.length < high)
        events[:, piece] = np.bincount(line[here], minlength=LINES)
    later = (line > 0).astype(int)
    season_days, season_events = np.zeros((2, seasons)), np.zeros((2, seasons))
    stop = spells.start + spells.length
    for season in range(seasons):
        low = first_season + season * SEASON if season else -np.inf
        high = first_season + (season + 1) * SEASON if season < seasons - 1 else np.inf
        inside = np.clip(np.minimum(stop, high) - np.maximum(spells.start, low), 0.0, None)
        season_days[:, season] = np.bincount(later, inside, 2)
        here = left & (stop >= low) & (stop < high)
        season_events[:, season] = np.bincount(later[here], minlength=2)
    dead = spells.ended == DEATH
    return Seen(
        events,
        days,
        season_events,
        season_days,
        np.bincount(line[dead], minlength=LINES).astype(float),
        np.bincount(line, spells.length, LINES).astype(float),
    )


def first_guess(observed: Seen, first_season: float, patients: int, lines: int, frailty: float) -> World:
    """The observed rates as they stand, the same in every season; patients and lines have equal weights."""
    overall = observed.next_events.sum() / max(observed.next_days.sum(), 1.0)
    dying = observed.death_events.sum() / max(observed.death_days.sum(), 1.0)
    return World(
        _rate(observed.next_events, observed.next_days, overall),
        np.ones_like(observed.season_events),
        _rate(observed.death_events, observed.death_days, dying),
        first_season,
        np.full(patients, 1.0 / patients),
        np.ones(lines),
        frailty,
    )


def _rate(events: Floats, days: Floats, overall: float) -> Floats:
    """Occurrence over exposure, drawn to the overall rate with the weight of one event."""
    return (events + 1.0) / (days + 1.0 / overall) if overall > 0.0 else np.zeros_like(events)


def refit(world: World, observed: Seen, selected: Seen, share: float) -> World:
    """The rates moved toward what the selected of this world must show.

    Args:
        world: the present rates.
        observed: of the file.
        selected: of those whom the study's criteria select in this world.
        share: patients of the file for each of them.
    """
    overall = observed.next_events.sum() / max(observed.next_days.sum(), 1.0)
    dying = observed.death_events.sum() / max(observed.death_days.sum(), 1.0)
    return replace(
        world,
        next_rate=world.next_rate
        * _move(
            observed.next_events, observed.next_days, selected.next_events, selected.next_days, share, overall
        ),
        season=world.season
        * _move(
            observed.season_events,
            observed.season_days,
            selected.season_events,
            selected.season_days,
            share,
            overall,
        ),
        death_rate=world.death_rate
        * _move(
            observed.death_events,
            observed.death_days,
            selected.death_events,
            selected.death_days,
            share,
            dying,
        ),
    )


def _move(
    events: Floats, days: Floats, other: Floats, other_days: Floats, share: float, overall: float
) -> Floats:
    wanted = _rate(events, days, overall)
    shown = _rate(share * other, share * other_days, overall)
    ratio = np.divide(wanted, shown, out=np.ones_like(wanted), where=shown > 0.0)
    # Half the way on the log scale: pieces and seasons are moved together.
    return np.clip(np.sqrt(ratio), 1.0 / _HARDEST_STEP, _HARDEST_STEP)


def reweighed(weights: Floats, kind: Ints, wanted: Floats, shown: Floats) -> Floats:
    """Weights moved so that each kind is shown as often as wanted.

    Args:
        weights: shape (n,).
        kind: of each, from 0, shape (n,).
        wanted: how often each kind is in the file, shape (kinds,).
        shown: how often the selected of the world show it, on the same scale, shape (kinds,).
    """
    ratio = np.sqrt((wanted + 1.0) / (shown + 1.0))
    moved = weights * np.clip(ratio, 1.0 / _HARDEST_STEP, _HARDEST_STEP)[kind]
    return moved * (weights.sum() / moved.sum())


def average(worlds: Sequence[World]) -> World:
    """The geometric mean of the rates and weights: one trial of a world is noisy."""

    def mean(name: str) -> Floats:
        return np.exp(np.mean([np.log(getattr(one, name) + _NOTHING) for one in worlds], axis=0))

    weights = mean("weights")
    return World(
        mean("next_rate"),
        mean("season"),
        mean("death_rate"),
        worlds[0].first_season,
        weights / weights.sum(),
        mean("choice"),
        worlds[0].frailty,
    )


def live(
    world: World,
    count: int,
    first_line: Floats,
    last_day: float,
    rng: np.random.Generator,
    death_before_line: Floats,
) -> Lives:
    """Invented lives, in steps of 15 days.

    Args:
        world: its rates.
        count: how many candidates.
        first_line: start of line 1 of each patient of the file, not a number where there is none, shape (n,).
        last_day: the calendar ends here.
        rng: random generator.
        death_before_line: day of death of patients without a line, infinity for the others, shape (n,).

    Returns:
        The lives. Who has no line lives as the patient of the file did.
    """
    model = rng.choice(world.weights.size, count, p=world.weights)
    start = first_line[model]
    treated = np.isfinite(start)
    frailty = rng.gamma(1.0 / world.frailty, world.frailty, count) if world.frailty > 0.0 else np.ones(count)
    line = np.where(treated, 1, 0)
    since = np.where(treated, start, 0.0)
    death = np.where(treated, np.inf, death_before_line[model])
    alive = np.flatnonzero(treated & (start < last_day))
    done: list[tuple[Ints, Ints, Floats, Floats, Ints]] = []
    now = start.copy()
    while alive.size:
        leave, die = _hazards(world, line[alive], now[alive] - since[alive], now[alive])
        leave, die = leave * frailty[alive] * STEP, die * frailty[alive] * STEP
        total = leave + die
        happens = rng.random(alive.size) < -np.expm1(-total)
        when = now[alive] + STEP * rng.random(alive.size)
        dies = happens & (rng.random(alive.size) * total < die)
        moved, dead = alive[happens & ~dies], alive[dies]
        for who, at, how in ((moved, when[happens & ~dies], NEXT), (dead, when[dies], DEATH)):
            done.append((who, line[who], since[who], at - since[who], np.full(who.size, how)))
        since[moved], line[moved], now[moved] = when[happens & ~dies], line[moved] + 1, when[happens & ~dies]
        death[dead] = when[dies]
        still = alive[~happens]
        now[still] += STEP
        alive = alive[~dies]
        over = now[alive] >= last_day
        ended = alive[over]
        done.append((ended, line[ended], since[ended], last_day - since[ended], np.zeros(ended.size, int)))
        alive = alive[~over]
    return Lives(model, death, _joined(done))


def _hazards(world: World, line: Ints, inside: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Rates of the next line and of death, a day."""
    k = np.minimum(line, LINES) - 1
    piece = np.searchsorted(EDGES, inside, side="right") - 1
    season = np.clip(((now - world.first_season) // SEASON).astype(int), 0, world.season.shape[1] - 1)
    return world.next_rate[k, piece] * world.season[(k > 0).astype(int), season], world.death_rate[k]


def _joined(done: list[tuple[Ints, Ints, Floats, Floats, Ints]]) -> Spells:
    if not done:
        none = np.zeros(0, np.int64)
        return Spells(none, none, none.astype(float), none.astype(float), none)
    patient, line, start, length, ended = (np.concatenate(column) for column in zip(*done, strict=True))
    order = np.lexsort((line, patient))
    return Spells(patient[order], line[order], start[order], length[order], ended[order])
