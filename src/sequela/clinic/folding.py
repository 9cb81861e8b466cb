"""Treatments as arrays for the fold, rule sets as its numbers, and the fold itself: plain or compiled, by size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import polars as pl

from sequela.clinic import kernel
from sequela.clinic.compiled import available, compiled
from sequela.clinic.kernel import DECISIONS, MODES, NEVER, Course, Found, Limits, Marks, Placed, Rows, Traits
from sequela.clinic.ordering import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sequela.clinic.rules import RuleSet

    Array = NDArray[Any]

Engine = Literal["plain", "compiled"]
PLAIN_BELOW: Final = (
    100_000  # rows: loading the compiled fold takes about as long as folding so many in plain Python
)


@dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """What else the fold is told: progressions (`patient`, `day`), decisions by hand (`patient`, `day`, `decision`)."""

    progressions: pl.DataFrame
    decisions: pl.DataFrame


NO_COURSES: Final = Courses(
    pl.DataFrame(schema={"patient": pl.String, "day": pl.Int32}),
    pl.DataFrame(schema={"patient": pl.String, "day": pl.Int32, "decision": pl.String}),
)


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Treatments ordered by patient, start and agent.

    Attributes:
        patients: every patient, sorted.
        agents: every agent, sorted: the meaning of `rows.agent`.
        rows: the treatments as arrays.
        order: where each row stood in the frame.
        patient: the place of each row's patient in `patients`.
    """

    patients: pl.Series
    agents: tuple[str, ...]
    rows: Rows
    order: Array
    patient: Array


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """The fold of all rows: where each was placed, and the lines (`count` of them) by their opening rows."""

    count: int
    placed: Placed
    found: Found


def coded(treatments: pl.DataFrame, agents: tuple[str, ...] | None = None) -> Coded:
    """`treatments` (`patient`, `agent`, `start`, `end`, and `row` unless they are numbered as they stand) as arrays.

    Where a column `patient_rank` gives the order of the patients, their names are not compared again; where `agents`
    (sorted) are given, the column `agent` holds their places.
    """
    if agents is None:
        names = treatments["agent"].unique().sort()
        agents = tuple(names.to_list())
        agent = treatments["agent"].cast(pl.Enum(names)).to_physical().to_numpy()
    else:
        agent = treatments["agent"].to_numpy()
    start = treatments["start"].to_numpy().astype(np.int32, copy=False)
    ranked = "patient_rank" if "patient_rank" in treatments.columns else "patient"
    order, key = _order(treatments[ranked], start, agent, len(agents))
    row = treatments["row"].to_numpy() if "row" in treatments.columns else np.arange(len(start))
    opens = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])
    offset = np.append(opens, len(key))
    end = treatments["end"].fill_null(NEVER).to_numpy().astype(np.int32, copy=False)
    rows = Rows(offset, agent[order].astype(np.int32), start[order], end[order], row[order])
    patient = np.repeat(np.arange(len(opens), dtype=np.int32), np.diff(offset))
    return Coded(treatments["patient"][order[opens]], agents, rows, order, patient)


def _order(patients: pl.Series, start: Array, agent: Array, agents: int) -> tuple[Array, Array]:
    """Where the rows stand in order, and the number of each one's patient, in that order.

    Patient, start, agent and place are packed into the bits of one number where they fit.
    """
    if not len(start):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    least = int(start.min())
    days, kinds, places = (
        (number - 1).bit_length() for number in (int(start.max()) - least + 1, agents, len(start))
    )
    key = _numbers(patients)
    if int(key.max()).bit_length() + days + kinds + places > 63:
        key = _ranked(key)
    key = ((key << days | (start - np.int64(least))) << kinds) | agent
    order, key = in_order(key)
    key >>= days + kinds
    return order, key


def _ranked(numbers: Array) -> Array:
    """Numbers in the same order, from 0 and without a hole; those that are not sparse are counted, not sorted."""
    most = int(numbers.max()) + 1
    if most > 8 * len(numbers):
        return np.unique(numbers, return_inverse=True)[1]
    seen = np.zeros(most, bool)
    seen[numbers] = True
    return (np.cumsum(seen) - 1)[numbers]


def _numbers(patients: pl.Series) -> Array:
    """A number from 0 for each patient, in the order of their names."""
    if patients.dtype.is_integer():
        numbers = patients.to_numpy().astype(np.int64)
        return numbers - numbers.min()
    return patients.cast(pl.Enum(patients.unique().sort())).to_physical().to_numpy().astype(np.int64)


def traits(agents: Sequence[str], rules: RuleSet, classes: Callable[[str], frozenset[str]]) -> Traits:
    """What `rules` ask of each agent."""
    kinds = [classes(agent) | {agent} for agent in agents]
    sets = rules.new_drug.substitutions
    leads = {agent: place for place, agent in enumerate(agents)}

    def have(names: Sequence[str]) -> Array:
        return np.array([bool(kind & set(names)) for kind in kinds], bool)

    def lead(agent: str) -> int:
        first = next((group[0] for group in sets if agent in group), agent)
        return leads.setdefault(first, len(leads))

    return Traits(
        have(rules.ignored.classes),
        have(rules.companion.classes),
        have(rules.gap.exempt_classes),
        have(rules.maintenance.switch),
        _masks([[name in kind for name in rules.adding.classes] for kind in kinds]),
        _masks([[agent in group for group in sets] for agent in agents]),
        np.array([lead(agent) for agent in agents], np.int32),
    )


def _masks(members: list[list[bool]]) -> Array:
    """Bit j of each mask: whether member j is there."""
    return np.array([sum(1 << j for j, inside in enumerate(row) if inside) for row in members], np.int64)


def limits(rules: RuleSet) -> Limits:
    """The numbers of a rule set."""
    steps = rules.progression
    return Limits(
        rules.regimen.window_days,
        rules.gap.days,
        rules.new_drug.confirm_cycles,
        rules.new_drug.cycle_days,
        int(rules.adding.policy == "same line"),
        MODES.index(steps.mode),
        int(steps.same_regimen == "same line"),
        steps.before_days,
        steps.after_days,
        steps.beyond_days,
        rules.maintenance.min_days,
    )


def course(patients: pl.Series, courses: Courses) -> Course:
    """Progressions and decisions behind their patients; those of patients without a treatment play no part."""
    grown, days = _behind(patients, courses.progressions)
    told, decisions = _behind(patients, courses.decisions)
    codes = {word: code for code, word in enumerate(DECISIONS)}
    decision = np.array([codes[word] for word in decisions["decision"]], np.int8)
    return Course(
        grown,
        days["day"].to_numpy().astype(np.int32),
        told,
        decisions["day"].to_numpy().astype(np.int32),
        decision,
    )


def _behind(patients: pl.Series, dated: pl.DataFrame) -> tuple[Array, pl.DataFrame]:
    """Offsets of each patient's rows, and the rows sorted by patient and day."""
    places = pl.DataFrame({"patient": patients, "@place": np.arange(len(patients), dtype=np.int32)})
    known = dated.drop_nulls().cast({"patient": patients.dtype})
    rows = known.join(places, on="patient", how="inner").sort("@place", "day")
    offset = np.zeros(len(patients) + 1, np.int64)
    np.cumsum(np.bincount(rows["@place"].to_numpy(), minlength=len(patients)), out=offset[1:])
    return offset, rows


def fold(rows: Rows, traits: Traits, limits: Limits, course: Course, engine: Engine | None = None) -> Folded:
    """The lines of all rows; compiled from `PLAIN_BELOW` rows on where Numba is installed, unless `engine` is given.

    Both engines are one source and give the same numbers.
    """
    n, agents = len(rows.agent), max(len(traits.lead), int(traits.lead.max(initial=0)) + 1)
    placed = Placed(np.empty(n, np.int32), np.empty(n, np.int8), np.empty(n, np.int8))
    kinds = (*(np.int32,) * 6, np.int64, np.int64)
    found = Found(*(np.empty(n, kind) for kind in kinds))
    marks = Marks(*(np.full(agents, -1, np.int64) for _ in range(4)))
    if engine == "compiled" or (engine is None and n >= PLAIN_BELOW and available()):
        count = compiled().fold(rows, traits, limits, course, placed, found, marks)
        return Folded(count, placed, Found(*(values[:count] for values in found)))
    # Plain Python reads and writes lists several times faster than arrays.
    where, made = Placed(*map(_list, placed)), Found(*map(_list, found))
    count = kernel.fold(
        Rows(*map(_list, rows)), Traits(*map(_list, traits)), limits, Course(*map(_list, course)), where, made,
        Marks(*map(_list, marks)),
    )  # fmt: skip
    told = [np.array(values, kind.dtype) for values, kind in zip(where, placed, strict=True)]
    lines = [np.array(values[:count], kind.dtype) for values, kind in zip(made, found, strict=True)]
    return Folded(count, Placed(*told), Found(*lines))


def _list(values: Array) -> list[Any]:
    return values.tolist()
