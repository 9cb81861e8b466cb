"""Many rule sets over the same treatments: sorted once, patients folded anew only where it can matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sequela.clinic import kernel
from sequela.clinic.compiled import available, compiled
from sequela.clinic.folding import NO_COURSES, PLAIN_BELOW, coded, course, limits, traits
from sequela.clinic.kernel import Course, Found, Marks, Memory, Placed, Rivals, Rows, Tally, Traits
from sequela.clinic.rules import require_forward

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sequela.clinic.folding import Coded, Courses, Engine
    from sequela.clinic.rules import RuleSet

BLOCK = 4096  # patients folded at a time: what they need stays in the processor's cache


def lines_under(
    treatments: pl.DataFrame | Coded,
    rules: Sequence[RuleSet],
    classes: Callable[[str], frozenset[str]],
    courses: Courses = NO_COURSES,
    engine: Engine | None = None,
) -> pl.DataFrame:
    """Lines of the same treatments under many rule sets, counted.

    Args:
        treatments: as `lines_of_therapy` takes them, or coded already (`sequela.clinic.folding.coded`).
        rules: the rule sets, the reference first.
        classes: the classes of an agent.
        courses: progressions and decisions by hand; none by default.
        engine: the fold as plain Python or compiled; by the amount of work unless given.

    Returns:
        One row a rule set, in their order: `rules` (name and version), `lines`, `patients` (with a line), `second`
        (patients with a second line), `changed` (patients whose lines differ from the first row's, in number, start or
        regimen).

    Raises:
        ValueError: there is no rule set.
        UsageError: X121, a rule set has rules that look back.
    """
    if not rules:
        raise ValueError("at least one rule set is needed")
    for one in rules:
        require_forward(one)
    given = coded(treatments) if isinstance(treatments, pl.DataFrame) else treatments
    rivals = _rivals(given.agents, rules, classes)
    told = course(given.patients, courses)
    tally = _counted(given.rows, rivals, told, engine)
    named = [f"{one.name} {one.version}" for one in rules]
    return pl.DataFrame({"rules": named, **{name: tally[name] for name in Tally._fields}})


def _rivals(
    agents: Sequence[str], rules: Sequence[RuleSet], classes: Callable[[str], frozenset[str]]
) -> Rivals:
    """The rule sets as rows of arrays; each kind by what is left when gap and window are put aside."""
    every = [traits(agents, one, classes) for one in rules]
    numbers = [limits(one) for one in rules]
    kinds: dict[Any, int] = {}
    kind = [
        kinds.setdefault((bare._replace(gap=0, window=0), *(part.tobytes() for part in one)), len(kinds))
        for one, bare in zip(every, numbers, strict=True)
    ]
    stacked = Traits(*(np.stack(part) for part in zip(*every, strict=True)))
    return Rivals(stacked, np.array(numbers, np.int64), np.array(kind, np.int64))


def _counted(rows: Rows, rivals: Rivals, told: Course, engine: Engine | None) -> dict[str, NDArray[Any]]:
    """The tally over all patients, block by block."""
    sets, patients = len(rivals.limits), len(rows.offset) - 1
    work = len(rows.agent) * sets
    fast = engine == "compiled" or (engine is None and work >= PLAIN_BELOW and available())
    module: Any = compiled() if fast else kernel
    shaped: Callable[[NDArray[Any]], Any] = np.ascontiguousarray if fast else _list
    agents = max(rivals.traits.lead.shape[1], int(rivals.traits.lead.max(initial=0)) + 1)
    marks = Marks(*(shaped(np.full(agents, -1, np.int64)) for _ in range(4)))
    ready = Rivals(Traits(*map(shaped, rivals.traits)), shaped(rivals.limits), shaped(rivals.kind))
    tally = Tally(*(shaped(np.zeros(sets, np.int64)) for _ in Tally._fields))
    for first in range(0, patients, BLOCK):
        last = min(first + BLOCK, patients)
        at, stop = int(rows.offset[first]), int(rows.offset[last])
        block = Rows(rows.offset[first : last + 1] - at, *(part[at:stop] for part in rows[1:]))
        here = Course(
            told.progressions[first : last + 1], told.progression, told.decisions[first : last + 1], told.day,
            told.decision,
        )  # fmt: skip
        made = _room(stop - at, sets, shaped)
        module.fold_many(
            Rows(*map(shaped, block)), ready, Course(*map(shaped, here)), *made[:2], marks, made[2], tally
        )
    return {name: np.array(counts, np.int64) for name, counts in zip(Tally._fields, tally, strict=True)}


def _room(n: int, sets: int, shaped: Callable[[NDArray[Any]], Any]) -> tuple[Placed, Found, Memory]:
    """Room for what a fold of `n` rows finds, and for what is kept of every fold of a patient."""
    placed = Placed(np.empty(n, np.int32), np.empty(n, np.int8), np.empty(n, np.int8))
    found = Found(*(np.empty(n, kind) for kind in (*(np.int32,) * 6, np.int64, np.int64)))
    reference = (np.empty(n, np.int32), np.empty(n, np.int8), np.empty(n, np.int32))
    memory = Memory(*reference, *(np.empty(sets, np.int64) for _ in Memory._fields[3:]))
    return Placed(*map(shaped, placed)), Found(*map(shaped, found)), Memory(*map(shaped, memory))


def _list(values: NDArray[Any]) -> Any:
    return values.tolist()
